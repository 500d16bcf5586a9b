"""What a convolutional network looks at: heat maps over the picture, kernels, feature maps, and single numbers.

Heat maps take a functional model whose output is one number a class (batch, classes), inputs (batch, height, width,
channels) and a class number, and return (batch, height, width) between 0 and 1: 1 is the strongest place of a picture,
and a picture without any evidence for the class is 0 everywhere.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.errors import UserError

POOLS = (layers.MaxPooling2D, layers.AveragePooling2D)


def looking_layer(model: keras.Model) -> Any:
    """The last layer that still has places, before pooling; a UserError where there is none."""
    for layer in reversed(model.layers):
        if layer.__class__.__name__ != "InputLayer" and len(layer.output.shape) == 4 and not isinstance(layer, POOLS):
            if not any(isinstance(one, layers.Conv2D) for one in model.layers):
                break
            return layer
    raise UserError(f"{model.name} has no convolution, so no layer of it has places to look at.")


def grad_cam(model: keras.Model, inputs: np.ndarray, label: int) -> np.ndarray:
    """Gradient-weighted class-activation map (Selvaraju et al. 2017).

    Each map of `looking_layer` counts as much as the class's number would grow with its mean; what speaks against the
    class is cut off at zero.
    """
    layer = looking_layer(model)
    maps = keras.Model(model.input, layer.output)(inputs, training=False)
    # Only what comes behind the maps is differentiated: no gradient walks through the convolutions.
    gradients = _gradient(keras.Model(layer.output, model.output), maps, label)
    weights = ops.mean(gradients, axis=(1, 2), keepdims=True)
    return _heat(ops.sum(weights * ops.cast(maps, "float32"), axis=-1), inputs)


def cam(model: keras.Model, inputs: np.ndarray, label: int) -> np.ndarray:
    """Class-activation map (Zhou et al. 2016): the maps, weighted as the last dense layer weighs their means.

    Only for networks that end in a global mean and one dense layer; a UserError for others.
    """
    if not ends_in_mean(model):
        raise UserError(
            f"{model.name} does not end in a mean over the picture: there is no class-activation map of it."
        )
    pooling = next(layer for layer in model.layers if isinstance(layer, layers.GlobalAveragePooling2D))
    maps = ops.cast(keras.Model(model.input, pooling.input)(inputs, training=False), "float32")
    return _heat(ops.sum(maps * model.layers[-1].kernel[:, label], axis=-1), inputs)


def saliency(model: keras.Model, inputs: np.ndarray, label: int) -> np.ndarray:
    """How much each pixel moves the class's number (Simonyan et al. 2014): the gradient's size, its largest channel."""
    gradients = _gradient(model, ops.convert_to_tensor(inputs, "float32"), label)
    return _heat(ops.max(ops.abs(gradients), axis=-1), inputs)


METHODS = {"grad_cam": grad_cam, "cam": cam, "saliency": saliency}


def methods_for(model: keras.Model) -> list[str]:
    """Which of METHODS this network can be asked with, the most telling first."""
    convolutional = any(isinstance(layer, layers.Conv2D) for layer in model.layers)
    return [*(["grad_cam"] if convolutional else []), *(["cam"] if ends_in_mean(model) else []), "saliency"]


def ends_in_mean(model: keras.Model) -> bool:
    """Whether the network ends in a mean over the picture and one dense layer, but for dropout between the two."""
    last = [layer for layer in model.layers if not isinstance(layer, layers.Dropout)][-2:]
    return isinstance(last[0], layers.GlobalAveragePooling2D) and isinstance(last[1], layers.Dense)


def _gradient(model: keras.Model, inputs: Any, label: int) -> Any:
    """The gradient of the class's number with respect to the inputs, a tensor."""
    import tensorflow as tf  # Keras has no gradient of its own

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        number = ops.sum(model(inputs, training=False)[:, label])
    return ops.cast(tape.gradient(number, inputs), "float32")


def _heat(places: Any, inputs: np.ndarray) -> np.ndarray:
    """(batch, h, w) of any size -> that of the inputs, negatives cut off, each picture's largest value 1."""
    found = np.asarray(ops.image.resize(ops.relu(places)[..., None], inputs.shape[1:3], "bilinear"))[..., 0]
    return found / np.maximum(found.max(axis=(1, 2), keepdims=True), 1e-12)


def feature_maps(model: keras.Model, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """What each layer that still has places makes of one picture (1, height, width, channels): {name: (h, w, maps)}."""
    seen = [layer for layer in model.layers if len(layer.output.shape) == 4]
    found = keras.Model(model.input, [layer.output for layer in seen])(inputs, training=False)
    return {
        layer.name: np.asarray(maps, "float32")[0] for layer, maps in zip(seen, keras.tree.flatten(found), strict=True)
    }


def convolutions(model: keras.Model) -> list[str]:
    """The names of the convolutions, in order."""
    return [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]


def kernels(model: keras.Model, name: str) -> np.ndarray:
    """The kernels of a convolution: (height, width, channels, filters)."""
    return np.asarray(model.get_layer(name).kernel, "float32")


def one_number(
    model: keras.Model, inputs: np.ndarray, name: str, row: int, column: int, channel: int
) -> dict[str, Any]:
    """How one number of a convolution's output comes about, for one picture (1, height, width, channels).

    Returns {"patch", "kernel", "products": (height, width, channels) each, "bias", "sum", "top", "left"}: the part of
    the layer's input under the kernel, zeros beyond the border, and its place there.
    """
    layer = model.get_layer(name)
    before = np.asarray(keras.Model(model.input, layer.input)(inputs, training=False), "float32")[0]
    kernel = kernels(model, name)[..., channel]
    corner, padding = [], []
    for at, length, size, stride in zip((row, column), before.shape[:2], kernel.shape[:2], layer.strides, strict=True):
        missing = max(0, (-(-length // stride) - 1) * stride + size - length) if layer.padding == "same" else 0
        padding.append((missing // 2, missing - missing // 2))
        corner.append(at * stride)
    top, left = corner
    patch = np.pad(before, [*padding, (0, 0)])[top : top + kernel.shape[0], left : left + kernel.shape[1]]
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
    """A heat map (h, w) of 0 … 1 over a picture (h, w, 3) uint8, which is greyed so that colour means heat alone."""
    from matplotlib import colormaps

    grey = picture.mean(axis=2, keepdims=True) / 255
    share = strength * np.sqrt(heat)[..., None]
    mixed = grey * (1 - share) + colormaps["inferno"](heat)[..., :3] * share
    return np.round(255 * np.clip(mixed, 0, 1)).astype(np.uint8)
