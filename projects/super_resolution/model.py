"""The network: residual blocks of 3×3 convolutions on the enlarged picture, folded to a fraction of its size."""

import keras
from keras import layers, ops

from common.layers import blocks
from projects.super_resolution.config import Config, recipe

CHROMA = 0.3  # weight of an error in colour beside one in brightness: the eye and the benchmark look at brightness
WARM_UP = 20  # steps


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model from folded patches of the enlarged picture to folded corrections, both (batch, h, w, 3 fold²).

    meta: {"fold": n}: n × n pixels of Y, Cb, Cr lie in the channels of one position (see `learn.fold`), so that a
    convolution costs n² times less and sees n times farther than one on the large picture. Levels are divided by 255.

    The last layer starts at zero: before the first step the answer is the linear estimate itself.
    """
    knobs = recipe(config)
    channels, width = 3 * meta["fold"] ** 2, knobs["width"]
    inputs = keras.Input((None, None, channels), name="enlarged")
    x = layers.Conv2D(
        width, 3, padding="same", activation="relu", kernel_initializer="he_normal", name="enter"
    )(inputs)  # fmt: skip
    for block in range(1, knobs["blocks"] + 1):
        y = layers.Conv2D(
            width, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"block_{block}_a"
        )(x)
        quiet = keras.initializers.VarianceScaling(0.2)
        y = layers.Conv2D(width, 3, padding="same", kernel_initializer=quiet, name=f"block_{block}_b")(y)
        x = layers.Add(name=f"block_{block}_add")([x, y])
    outputs = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros", name="correction")(x)
    model = keras.Model(inputs, outputs, name="zssr")
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(knobs["steps"], WARM_UP + 1), alpha=0.01, warmup_target=rate, warmup_steps=WARM_UP
        )
    # Not compiled by XLA: on a CPU that makes small convolutions slower.
    model.compile(blocks.optimizer("adam", rate), loss=weighted_error(meta["fold"]), jit_compile=False)
    return model


def weighted_error(fold: int):
    """Mean absolute error of folded Y, Cb, Cr, with Cb and Cr weighted by `CHROMA`."""
    weights = [1.0, CHROMA, CHROMA] * fold**2

    def error(truth, answer):
        return ops.mean(ops.abs(truth - answer) * ops.convert_to_tensor(weights, answer.dtype))

    return error
