"""fuse(model): Keras' own BatchNormalization layers, faster when training on a CPU.

Keras writes mean, variance and scaling as a dozen operations over the whole array, forth and back again. TensorFlow has
one kernel for them, which `fuse` puts into the instances; the layers, what they compute and what is saved stay Keras'.
"""

import types
from typing import Any

import keras


def fuse(model: Any) -> Any:
    """Make the batch normalisations of a built model over pictures (n, h, w, channels) fast; returns the same model.

    Left as they are: layers with another axis, renorm, synchronisation, without scale or centre, or in 16 bits;
    everything on a GPU and on other backends than TensorFlow. Answering is Keras' own way in any case.
    """
    if keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu"):
        for layer in model._flatten_layers(include_self=True, recursive=True):
            if _has_fast_form(layer):
                layer.call = types.MethodType(_call, layer)
    return model


def _has_fast_form(layer: Any) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and (layer.built and len(layer.input.shape) == 4 and layer.axis in (-1, 3))
        and (layer.scale and layer.center and layer.compute_dtype == "float32")
        and not (layer.renorm or layer.synchronized)
    )


def _call(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """In place of `BatchNormalization.call`; the same numbers, but for rounding."""
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
    rows = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
    # The kernel hands out the variance with n - 1 below the line; Keras keeps the one with n.
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance * ((rows - 1) / rows))):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return outputs
