"""fuse(model): Keras' own BatchNormalization layers, faster in training on a CPU.

Keras computes mean, variance and scaling as a dozen operations, each over the whole array. TensorFlow has one kernel
for all of them. `fuse` replaces the `call` method of the layers in a model. The layers stay Keras' own, and so does
what is saved.
"""

import types
from collections.abc import Iterator
from typing import Any

import keras


def fuse(model: Any) -> Any:
    """Speed up the batch normalisations of a built model over pictures (n, h, w, channels). Returns the same model.

    Layers with another axis, with renorm or synchronisation, without scale or centre, or in 16 bits stay as they are.
    So do all layers on a GPU and on other backends than TensorFlow. Inference uses Keras' own `call` in any case.
    """
    if keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu"):
        for layer in _all_layers(model):
            if _has_fast_form(layer):
                layer.call = types.MethodType(_call, layer)
    return model


def _all_layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _has_fast_form(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and (layer.built and len(layer.input.shape) == 4 and layer.axis in (-1, 3))
        and (layer.scale and layer.center and layer.compute_dtype == "float32")
        and not (layer.renorm or layer.synchronized)
    )


def _call(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """Replaces `BatchNormalization.call`. The numbers are the same up to rounding."""
    if not (training and layer.trainable) or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.convert_to_tensor(layer.gamma),
        offset=tf.convert_to_tensor(layer.beta),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=layer.epsilon,
        is_training=True,
    )
    n = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
    # The kernel returns the variance divided by n - 1; Keras keeps the one divided by n.
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance * ((n - 1) / n))):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return outputs
