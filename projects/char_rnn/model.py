"""The ladder: SimpleRNN, GRU and LSTM. Each network takes states as inputs and gives states as outputs."""

from itertools import chain

import keras
from keras import layers

from common.layers import blocks
from projects.char_rnn.config import Config
from projects.char_rnn.encoding import FIRST

BLANK = 0.05  # fraction of the characters that are replaced by zeros in training
MAX_NORM = 1.0  # gradients with a larger norm are scaled down to it: they sometimes explode (Pascanu et al. 2013)


def build_network(config: Config, meta: dict) -> keras.Model:
    """The network: [ids (batch, time), states …] -> [logits (batch, time, symbols), states …].

    The logits are those of the next character. A state has the shape (batch, units). At the beginning of a text the
    states are zeros. The states after one piece of a text are the input states of the next piece. So the same network
    is trained on long texts, scored over a whole text, and writes one character at a time. The one-hot input of padding
    and of unknown characters is all zeros.
    """
    symbols = len(meta["vocabulary"]["symbols"])
    ids = keras.Input((None,), dtype="int32", name="ids")
    if config.embedding:
        x = layers.Embedding(FIRST + symbols, config.embedding, name="embedding")(ids)
    else:
        # Padding and unknown characters are rows of zeros. Negative ids would count from the end in an ONNX export.
        x = keras.ops.one_hot(ids, FIRST + symbols)[..., FIRST:]
    if config.dropout:  # blanks whole characters, so that the network learns to read on after an unknown one
        x = layers.Dropout(BLANK, noise_shape=(None, None, 1), name="blank")(x)
    names = ("h", "c") if config.model == "lstm" else ("h",)
    states = [[keras.Input((config.units,), name=f"{name}_{i + 1}") for name in names] for i in range(config.layers)]
    x, new_states = blocks.recurrent_stack(
        x,
        config.model,
        [config.units] * config.layers,
        config.dropout,
        return_states=True,
        initial_states=states,
        name=config.model,
    )
    logits = layers.Dense(symbols, name="logits")(x)
    return keras.Model([ids, *chain(*states)], [logits, *chain(*new_states)], name=config.model)


class Reader(keras.Model):
    """The network for `fit`. The state after one batch is the state before the next.

    Truncated backpropagation through time (Williams & Peng 1990): the state goes on, its gradient does not. The states
    are variables, so the checkpoint of a training holds them.
    Inputs: ids (batch, time) and keep (batch, 1), which is 0 where a row starts from a zero state. Output: logits.
    """

    def __init__(self, network: keras.Model, shape: tuple[int, int]):
        super().__init__(name="reader")
        self.network, self.shape = network, shape
        self.carried = [
            self.add_weight(shape=(shape[0], state.shape[1]), initializer="zeros", trainable=False, name=f"state_{i}")
            for i, state in enumerate(network.inputs[1:])
        ]

    def call(self, inputs, training=False):
        ids, keep = inputs
        # `fit` does not know the shape of a stream's batches. A step is a tenth faster when it is known.
        ids = keras.ops.reshape(ids, self.shape)
        logits, *states = self.network([ids, *(state * keep for state in self.carried)], training=training)
        for carried, state in zip(self.carried, states, strict=True):
            carried.assign(keras.ops.stop_gradient(state))
        return logits


def build_model(config: Config, meta: dict, shape: tuple[int, int]) -> Reader:
    """The compiled `Reader` for batches of this shape: (rows, characters of a row)."""
    model = Reader(build_network(config, meta), shape)
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate, global_clipnorm=MAX_NORM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model
