"""The ladder: one recurrent layer and one Dense unit. Only the kind of the layer differs."""

from typing import Any

import keras
import numpy as np
from keras import layers

from projects.adding_problem.config import Config


def build_model(config: Config, meta: dict[str, Any]) -> keras.Model:
    """A compiled network from sequences (batch, time, 2) to sums (batch, 1)."""
    keras.utils.set_random_seed(config.seed)
    inputs = keras.Input((None, 2), name="sequence")
    recurrent = recurrent_layer(config)
    outputs = layers.Dense(1, name="sum")(recurrent(inputs))
    if config.chrono and config.model in ("gru", "lstm"):
        remember(recurrent, meta["length"], np.random.default_rng(config.seed))
    model = keras.Model(inputs, outputs, name=config.model)
    optimizer = keras.optimizers.Adam(config.learning_rate, global_clipnorm=config.clip)
    model.compile(optimizer, "mean_squared_error", metrics=[keras.metrics.MeanSquaredError()])
    return model


def recurrent_layer(config: Config) -> layers.Layer:
    """The layer that reads. `irnn` is a SimpleRNN with ReLU that starts by copying its state (Le et al. 2015)."""
    match config.model:
        case "simple_rnn":
            return layers.SimpleRNN(config.units, name="recurrent")
        case "irnn":
            small = keras.initializers.RandomNormal(stddev=0.001, seed=config.seed)
            return layers.SimpleRNN(config.units, "relu", True, small, "identity", name="recurrent")
        case "gru":
            return layers.GRU(config.units, name="recurrent")
        case _:
            return layers.LSTM(config.units, name="recurrent")


def remember(layer: layers.Layer, length: int, random: np.random.Generator) -> None:
    """Set the gates' biases so that each unit forgets after its own time, between 1 and `length` steps.

    Chrono initialisation (Tallec & Ollivier 2018): log(u), with u uniform in [1, length - 1], for the gate that keeps;
    for the LSTM's input gate the same with the opposite sign.
    """
    keep = np.log(random.uniform(1, max(length - 1, 1), layer.units))
    *kernels, bias = layer.get_weights()
    if isinstance(layer, layers.LSTM):  # gates of the bias: input, forget, cell, output
        bias[: layer.units], bias[layer.units : 2 * layer.units] = -keep, keep
    else:  # bias (2, 3 units), of the input's and of the state's kernel; gates: update, reset, candidate
        bias[0, : layer.units] = keep
    layer.set_weights([*kernels, bias])


def every_step(model: keras.Model) -> keras.Model:
    """The same network, which answers after every number.

    (batch, time, 2) -> [sums (batch, time, 1), states (batch, time, units)].
    """
    trained = model.get_layer("recurrent")
    reader = type(trained).from_config({**trained.get_config(), "return_sequences": True})
    inputs = keras.Input((None, 2))
    states = reader(inputs)
    reader.set_weights(trained.get_weights())
    return keras.Model(inputs, [model.get_layer("sum")(states), states])
