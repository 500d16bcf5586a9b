"""What a convolutional network looks at: heat maps over the picture, kernels, feature maps, and single numbers.

The heat maps take a functional model with one output a class (batch, classes), inputs (batch, height, width, channels)
and a class number. They return (batch, height, width), 0 … 1: the strongest place of each picture is 1. A picture
without any evidence for the class is 0 everywhere.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.errors import UserError

POOLS = (layers.MaxPooling2D, layers.AveragePooling2D)


def last_maps(model: keras.Model) -> Any:
    """The last layer with feature maps, before any pooling. Raises UserError for a network without convolutions."""
    if not convolutions(model):
        raise UserError(f"{model.name} has no convolution, so it has no feature maps.")
    inner = [layer for layer in model.layers if not isinstance(layer, (layers.InputLayer, *POOLS))]
    return [layer for layer in inner if len(layer.output.shape) == 4][-1]


def grad_cam(model: keras.Model, inputs: np.ndarray, label: int) -> np.ndarray:
    """Gradient-weighted class activation map (Selvaraju et al. 2017).

    The sum of the feature maps of `last_maps`. The weight of a map is the mean gradient of the class's logit with
    respect to it. Negative sums, which are evidence against the class, are set to zero.
    """
    layer = last_maps(model)
    maps = keras.Model(model.input, layer.output)(inputs, training=False)
    # The gradient is needed behind the maps only, so it does not pass through the convolutions.
    gradients = gradient(keras.Model(layer.output, model.output), maps, label)
    weights = ops.mean(gradients, axis=(1, 2), keepdims=True)
    return _heat(ops.sum(weights * ops.cast(maps, "float32"), axis=-1), inputs)


def cam(model: keras.Model, inputs: np.ndarray, label: int) -> np.ndarray:
    """Class activation map (Zhou et al. 2016): the sum of the maps, with the weights of the last dense layer.

    Raises UserError for a network that does not end in a global mean and one dense layer.
    """
    if not ends_in_mean(model):
        raise UserError(f"{model.name} does not end in a mean over the picture, so it has no class activation map.")
    pooling = next(layer for layer in model.layers if isinstance(layer, layers.GlobalAveragePooling2D))
    maps = ops.cast(keras.Model(model.input, pooling.input)(inputs, training=False), "float32")
    return _heat(ops.sum(maps * model.layers[-1].kernel[:, label], axis=-1), inputs)


def saliency(model: keras.Model, inputs: np.ndarray, label: int) -> np.ndarray:
    """How strongly each pixel changes the class's logit (Simonyan et al. 2014).

    This is the absolute gradient with respect to the pixel, in the channel where it is largest.
    """
    gradients = gradient(model, ops.convert_to_tensor(inputs, "float32"), label)
    return _heat(ops.max(ops.abs(gradients), axis=-1), inputs)


METHODS = {"grad_cam": grad_cam, "cam": cam, "saliency": saliency}


def methods_for(model: keras.Model) -> list[str]:
    """The names in METHODS that suit this network, the most useful first."""
    return [*(["grad_cam"] if convolutions(model) else []), *(["cam"] if ends_in_mean(model) else []), "saliency"]


def ends_in_mean(model: keras.Model) -> bool:
    """Whether the network ends in a mean over the picture and one dense layer, apart from dropout."""
    last = [layer for layer in model.layers if not isinstance(layer, layers.Dropout)][-2:]
    return isinstance(last[0], layers.GlobalAveragePooling2D) and isinstance(last[1], layers.Dense)


def gradient(model: keras.Model, inputs: Any, label: int) -> Any:
    """The gradient of the class's logit with respect to the inputs, a tensor. Raises ValueError for a third backend."""
    if keras.backend.backend() == "jax":  # Keras has no gradient function
        import jax

        return ops.cast(jax.grad(lambda x: ops.sum(model(x, training=False)[:, label]))(inputs), "float32")
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"gradients are not computed on {keras.backend.backend()}")
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        logit = ops.sum(model(inputs, training=False)[:, label])
    return ops.cast(tape.gradient(logit, inputs), "float32")


def _heat(values: Any, inputs: np.ndarray) -> np.ndarray:
    """(batch, h, w) of any size -> the size of the inputs, negatives set to 0, the maximum of each picture 1."""
    heat = np.asarray(ops.image.resize(ops.relu(values)[..., None], inputs.shape[1:3], "bilinear"))[..., 0]
    return heat / np.maximum(heat.max(axis=(1, 2), keepdims=True), 1e-12)


def feature_maps(model: keras.Model, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """{layer name: (h, w, maps)} for each layer with feature maps, for one picture (1, height, width, channels)."""
    chosen = [layer for layer in model.layers if len(layer.output.shape) == 4]
    outputs = keras.Model(model.input, [layer.output for layer in chosen])(inputs, training=False)
    pairs = zip(chosen, keras.tree.flatten(outputs), strict=True)
    return {layer.name: np.asarray(maps, "float32")[0] for layer, maps in pairs}


def convolutions(model: keras.Model) -> list[str]:
    """The names of the convolutions, in order."""
    return [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]


def kernels(model: keras.Model, name: str) -> np.ndarray:
    """The kernels of a convolution (height, width, channels, filters)."""
    return np.asarray(model.get_layer(name).kernel, "float32")


def one_number(
    model: keras.Model, inputs: np.ndarray, name: str, row: int, column: int, channel: int
) -> dict[str, Any]:
    """How one number of a convolution's output is computed, for one picture (1, height, width, channels).

    Returns {"patch", "kernel", "products": (height, width, channels) each, "bias", "sum", "top", "left"}. `patch` is
    the part of the layer's input under the kernel, with zeros beyond the border; `top` and `left` are its place.
    """
    layer = model.get_layer(name)
    x = np.asarray(keras.Model(model.input, layer.input)(inputs, training=False), "float32")[0]
    kernel = kernels(model, name)[..., channel]
    corner, padding = [], []
    for place, length, size, stride in zip((row, column), x.shape[:2], kernel.shape[:2], layer.strides, strict=True):
        missing = max(0, (-(-length // stride) - 1) * stride + size - length) if layer.padding == "same" else 0
        padding.append((missing // 2, missing - missing // 2))
        corner.append(place * stride)
    top, left = corner
    patch = np.pad(x, [*padding, (0, 0)])[top : top + kernel.shape[0], left : left + kernel.shape[1]]
    bias = float(np.asarray(layer.bias)[channel]) if layer.use_bias else 0.0
    products = patch * kernel
    return {
        "patch": patch,
        "kernel": kernel,
        "products": products,
        "bias": bias,
        "sum": float(products.sum()) + bias,
        "top": top - padding[0][0],
        "left": left - padding[1][0],
    }


def overlaid(picture: np.ndarray, heat: np.ndarray, strength: float = 0.6) -> np.ndarray:
    """A heat map (h, w), 0 … 1, over a picture (h, w, 3) uint8. The picture is grey, so that only heat has colour."""
    from matplotlib import colormaps

    grey = picture.mean(axis=2, keepdims=True) / 255
    opacity = strength * np.sqrt(heat)[..., None]
    mixed = grey * (1 - opacity) + colormaps["inferno"](heat)[..., :3] * opacity
    return np.round(255 * np.clip(mixed, 0, 1)).astype(np.uint8)
