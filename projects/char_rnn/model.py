"""The ladder: SimpleRNN, GRU, LSTM, each as a step that takes a state and leaves one."""

import keras
from keras import layers

from projects.char_rnn.config import Config

LAYERS = {"simple_rnn": layers.SimpleRNN, "gru": layers.GRU, "lstm": layers.LSTM}
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
    before, after = [], []
    for i in range(1, config.layers + 1):
        names = ("h", "c") if config.model == "lstm" else ("h",)
        states = [keras.Input((config.units,), name=f"{name}_{i}") for name in names]
        layer = LAYERS[config.model](config.units, return_sequences=True, return_state=True, name=f"{config.model}_{i}")
        x, *left = layer(x, initial_state=states)
        if config.dropout:
            x = layers.Dropout(config.dropout, name=f"dropout_{i}")(x)
        before, after = before + states, after + left
    log_odds = layers.Dense(symbols, name="log_odds")(x)
    return keras.Model([ids, *before], [log_odds, *after], name=config.model)


class Reader(keras.Model):
    """The network for `fit`: the state that one batch leaves is where the next batch begins.

    Truncated backpropagation through time (Williams & Peng 1990): the state goes on, its gradient does not.
    Inputs: ids (batch, time), and keep (batch, 1), 0 where a row starts anew. Output: log-odds.
    """

    def __init__(self, network: keras.Model, batch: int):
        super().__init__(name="reader")
        self.network = network
        self.carried = [
            self.add_weight(shape=(batch, state.shape[1]), initializer="zeros", trainable=False, name=f"carried_{i}")
            for i, state in enumerate(network.inputs[1:])
        ]

    def call(self, inputs, training=False):
        ids, keep = inputs
        log_odds, *states = self.network([ids, *(state * keep for state in self.carried)], training=training)
        for carried, state in zip(self.carried, states, strict=True):
            carried.assign(keras.ops.stop_gradient(state))
        return log_odds


def build_model(config: Config, meta: dict, batch: int) -> Reader:
    """The compiled `Reader` for batches of that many rows."""
    model = Reader(build_network(config, meta), batch)
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate, global_clipnorm=CLIP),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model
