"""The ladder: a window read at once, convolutions that look back ever further, recurrent layers, fixed kernels."""

from typing import Any

import keras
from keras import layers

from common.layers import blocks
from projects.bankruptcy.config import Config
from projects.bankruptcy.encoding import width

RECURRENT = ("simple_rnn", "gru", "lstm")


def build_model(config: Config, meta: dict[str, Any]) -> keras.Model:
    """A compiled network: encoded series (batch, time, width), or features of `rocket` -> logits (batch, classes)."""
    keras.utils.set_random_seed(config.seed)
    if config.model == "rocket":
        inputs = keras.Input((len(meta["biases"]) + 2 * (width(meta) - 1),), name="features")
        # Without scale and centre this only subtracts the mean and divides by the spread.
        x = layers.BatchNormalization(momentum=0.9, center=False, scale=False, name="standardised")(inputs)
    else:
        inputs = keras.Input((meta["length"], width(meta)), name="series")
        x = read_series(inputs, config, meta["length"])
        x = blocks.dense(x, config.units, dropout=config.dropout, name="hidden")
    logits = layers.Dense(len(meta["classes"]), name="logits")(x)
    model = keras.Model(inputs, logits, name=config.model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(config.learning_rate, global_clipnorm=1.0), loss)
    return model


def read_series(x, config: Config, length: int):
    """What a network makes of a series: tensor (batch, time, width) -> (batch, features)."""
    if config.model == "mlp":
        return blocks.dense(layers.Flatten(name="flat")(x), config.units, dropout=config.dropout, name="window")
    if config.model == "cnn":
        return last_and_mean(blocks.dilated(x, max(1, config.units // 2), length))
    x = layers.Masking(name="masked")(x)  # steps before the beginning of a short series are zeros
    return blocks.recurrent_stack(x, config.model, [config.units], return_sequences=False, name=config.model)


def last_and_mean(x):
    """What is now, and how often a form has been seen: the last step and the mean over time."""
    mean = layers.GlobalAveragePooling1D(name="mean")(x)
    return layers.Concatenate(name="last_and_mean")([x[:, -1, :], mean])
