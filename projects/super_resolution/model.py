"""The network: residual blocks of 3×3 convolutions, on the enlarged picture folded to a fraction of its size."""

import keras
from keras import layers, ops

from projects.super_resolution.config import Config, recipe

CHROMA = 0.3  # weight of the error in Cb and Cr; that in Y has 1, because the eye and the benchmark look at brightness
WARM_UP = 20  # steps in which the learning rate rises, with the schedule "cosine"
RELU = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}  # options of a convolution


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model from folded crops of the enlarged picture to folded corrections, both (batch, h, w, 3 fold²).

    meta: {"fold": n}: the channels of one position hold n × n pixels of Y, Cb, Cr (see `encoding.fold_in`). So a
    convolution costs n² times less than on the large picture and sees n times as far. Levels are divided by 255.

    The weights of the last layer start at zero: before the first step the answer is the linear estimate.
    """
    knobs = recipe(config)
    channels, width = 3 * meta["fold"] ** 2, knobs["width"]
    inputs = keras.Input((None, None, channels), name="enlarged")
    x = layers.Conv2D(width, 3, **RELU, name="enter")(inputs)
    for block in range(1, knobs["blocks"] + 1):
        y = layers.Conv2D(width, 3, **RELU, name=f"block_{block}_a")(x)
        small = keras.initializers.VarianceScaling(0.2)  # a block changes its input little at the start
        y = layers.Conv2D(width, 3, padding="same", kernel_initializer=small, name=f"block_{block}_b")(y)
        x = layers.Add(name=f"block_{block}_add")([x, y])
    outputs = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros", name="correction")(x)
    model = keras.Model(inputs, outputs, name="zssr")
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(knobs["steps"], WARM_UP + 1), alpha=0.01, warmup_target=rate, warmup_steps=WARM_UP
        )
    # Without XLA, which makes small convolutions slower on a CPU.
    model.compile(keras.optimizers.Adam(rate), loss=weighted_error(meta["fold"]), jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # otherwise Keras traces the training step twice
    return model


def weighted_error(fold: int):
    """Mean absolute error of folded Y, Cb, Cr, with Cb and Cr weighted by `CHROMA`."""
    weights = [1.0, CHROMA, CHROMA] * fold**2

    def error(truth, answer):
        return ops.mean(ops.abs(truth - answer) * ops.convert_to_tensor(weights, answer.dtype))

    return error
