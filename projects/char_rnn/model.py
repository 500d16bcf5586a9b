"""The ladder: SimpleRNN, GRU, LSTM, each as a step that takes a state and leaves one."""

from itertools import chain

import keras
from keras import layers

from common.layers import blocks
from common.layers.recurrent import accelerate
from projects.char_rnn.config import Config

BLANK = 0.05  # share of the characters that are blanked out in training
CLIP = 1.0  # the gradient's largest norm: recurrent gradients explode now and then (Pascanu et al. 2013)


def build_network(config: Config, meta: dict) -> keras.Model:
    """The network: [ids (batch, time), states …] -> [log-odds of the next character (batch, time, symbols), states …].

    States, (batch, units) each, are inputs and outputs: zeros start a text, and what comes out goes in with the text's
    next piece. So one network trains on long streams, is scored over a whole text and writes one character at a time.
    An id outside the vocabulary is an unknown character: its one-hot row is all zeros.
    """
    symbols = len(meta["vocabulary"])
    ids = keras.Input((None,), dtype="int32", name="ids")
    if config.embedding:
        x = layers.Embedding(symbols + 1, config.embedding, name="embedding")(ids)
    else:
        x = keras.ops.one_hot(ids, symbols)
    if config.dropout:  # whole characters, so that the network learns to do without one that it does not know
        x = layers.Dropout(BLANK, noise_shape=(None, None, 1), name="blank")(x)
    kinds = ("h", "c") if config.model == "lstm" else ("h",)
    before = [[keras.Input((config.units,), name=f"{kind}_{i}") for kind in kinds] for i in range(1, config.layers + 1)]
    x, after = blocks.recurrent_stack(
        x,
        config.model,
        [config.units] * config.layers,
        config.dropout,
        return_states=True,
        initial_states=before,
        name=config.model,
    )
    log_odds = layers.Dense(symbols, name="log_odds")(x)
    return keras.Model([ids, *chain(*before)], [log_odds, *chain(*after)], name=config.model)


class Reader(keras.Model):
    """The network for `fit`: the state that one batch leaves is where the next batch begins.

    Truncated backpropagation through time (Williams & Peng 1990): the state goes on, its gradient does not.
    Inputs: ids (batch, time), and keep (batch, 1), 0 where a row starts anew. Output: log-odds.
    """

    def __init__(self, network: keras.Model, batch: int, sequence: int):
        super().__init__(name="reader")
        self.network, self.shape = network, (batch, sequence)
        self.carried = [
            self.add_weight(shape=(batch, state.shape[1]), initializer="zeros", trainable=False, name=f"carried_{i}")
            for i, state in enumerate(network.inputs[1:])
        ]

    def call(self, inputs, training=False):
        ids, keep = inputs
        # `fit` does not tell the shape of what a PyDataset gives; with it a step takes a tenth less time
        ids = keras.ops.reshape(ids, self.shape)
        log_odds, *states = self.network([ids, *(state * keep for state in self.carried)], training=training)
        for carried, state in zip(self.carried, states, strict=True):
            carried.assign(keras.ops.stop_gradient(state))
        return log_odds


def build_model(config: Config, meta: dict, batch: int, sequence: int) -> Reader:
    """The compiled `Reader` for batches of that many rows and characters."""
    model = Reader(build_network(config, meta), batch, sequence)
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate, global_clipnorm=CLIP),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return accelerate(model)
