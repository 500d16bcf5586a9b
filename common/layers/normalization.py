"""fuse(model): Keras' own BatchNormalization layers, faster in training on a CPU.

Keras computes mean, variance and scaling as a dozen operations, each over the whole array. TensorFlow has one kernel
for all of them. `fuse` replaces the `call` method of the layers in a model. The layers stay Keras' own, and so does
what is saved.
"""

import functools
import types
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


def fuse(model: Any) -> Any:
    """Speed up the batch normalisations of a built model over pictures (n, h, w, channels). Returns the same model.

    Layers with another axis, with renorm or synchronisation, without scale or centre, or in 16 bits stay as they are.
    So do all layers on a GPU and on other backends than TensorFlow. All layers also stay, with a warning, if the
    installed Keras computes something else than this code; this is tried once in a process. Inference uses Keras' own
    `call` in any case.
    """
    chosen = [layer for layer in _all_layers(model) if _has_fast_form(layer)]
    if chosen and _usable():
        for layer in chosen:
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


@functools.cache
def _usable() -> bool:
    """Whether this is TensorFlow without a GPU, and a Keras whose layer calls `_call` and computes what it computes."""
    if keras.backend.backend() != "tensorflow" or keras.distribution.list_devices("gpu"):
        return False
    import tensorflow as tf

    with tf.init_scope():
        different = _difference()
    if different:
        warnings.warn(
            f"Keras {keras.__version__} trains BatchNormalization otherwise than {__name__} expects ({different}): it "
            "runs at Keras' own speed.",
            stacklevel=3,
        )
    return not different


def _difference() -> str:
    """How a layer with `_call` differs from Keras' own in one small training step; empty where they agree."""
    x = np.random.default_rng(0).normal(2, 3, (2, 3, 3, 4)).astype("float32")
    calls: list[Any] = []

    def ours(*arguments, **options):
        calls.append(arguments)
        return _call(*arguments, **options)

    try:
        theirs, replaced = (keras.layers.BatchNormalization(name="trial") for _ in range(2))
        replaced.build(x.shape)
        replaced.call = types.MethodType(ours, replaced)
        expected, result = (layer(x, training=True) for layer in (theirs, replaced))
        pairs = zip([expected, *theirs.weights], [result, *replaced.weights], strict=True)
        same = all(np.allclose(one, other, rtol=1e-3, atol=1e-4) for one, other in pairs)
    except Exception as error:  # whatever an unknown Keras raises here, its own layers still work
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return "" if calls and same else "other numbers" if calls else "it does not call the method `call` of an instance"


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
