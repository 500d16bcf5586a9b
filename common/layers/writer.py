"""Writers: decoders that write a text step by step, about whatever an encoder has read: a sentence or a picture.

A model is `decoder({"target": target, **encoder(inputs)})`. The decoder takes what it knows of the steps before and
gives it again. So the same network learns from whole texts and writes one symbol at a time.

    encoder: inputs -> {"h_1" …} or {"memory" (batch, S, …), "mask" (batch, S), …}
    decoder: {"target" (batch, T), and all that} -> {"logits" (batch, T, symbols), "new_h_1" …, "attention"}

config: a project's Config, with the knobs that are read here.
"""

import functools
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.layers import blocks, decoding
from common.layers.attention import attend, causal_mask, place_signals
from common.layers.decoding import PADDING

MAX_NORM = 1.0  # gradients with a larger norm are scaled down to it


def compile_writer(model: keras.Model, config: Any) -> keras.Model:
    """The model with Adam and the loss of `make_loss`."""
    optimizer = keras.optimizers.Adam(config.learning_rate, beta_2=0.98, global_clipnorm=MAX_NORM)
    model.compile(optimizer, make_loss(config.label_smoothing))
    return model


def first_state(decoder: keras.Model, encoded: dict[str, Any]) -> dict[str, Any]:
    """What the decoder takes besides the target before the first step: what the encoder gave, and an empty past."""
    if "past" not in decoder.input:
        return encoded
    return {**encoded, "past": encoded["memory"][:, :0], "past_mask": encoded["mask"][:, :0]}


def make_loss(smoothing: float = 0.0):
    """A loss for Keras: the mean cross-entropy of the symbols that are no padding, in nats.

    smoothing: the part of the target's probability that all symbols share (Szegedy et al. 2016). It keeps the network
    from being too sure.
    """

    def loss(targets, logits):
        nats = ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)
        if smoothing:
            uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
            nats = (1 - smoothing) * nats + smoothing * uniform
        real = ops.cast(ops.not_equal(targets, PADDING), nats.dtype)
        return ops.sum(nats * real) / ops.maximum(ops.sum(real), 1)

    return loss


STATES = {"gru": ("h",), "lstm": ("h", "c")}  # the states of each recurrent layer


def named_states(states: list, cell: str, prefix: str = "") -> dict[str, Any]:
    """The states of all layers by name: {"h_1", "c_1", "h_2" …}, each with `prefix`."""
    pairs = [zip(STATES[cell], values, strict=True) for values in states]
    return {f"{prefix}{name}_{i}": value for i, pair in enumerate(pairs, 1) for name, value in pair}


def recurrent_decoder(config: Any, size: int, encoded: dict[str, Any]) -> keras.Model:
    """A GRU or LSTM that starts from the encoder's states (Sutskever et al. 2014). size: of the vocabulary.

    Where the encoder gives a memory, the decoder looks at it (Luong et al. 2015). The attention comes after the
    recurrent layers, so these still run over the whole text at once.
    """
    inputs = {"target": keras.Input((None,), dtype="int32", name="target"), **_inputs_like(encoded)}
    x = layers.Embedding(size, config.embedding, name="target_embedding")(inputs["target"])
    x = layers.Dropout(config.dropout, name="target_dropout")(x)
    states = [[inputs[f"{name}_{i}"] for name in STATES[config.cell]] for i in range(1, config.layers + 1)]
    widths = [config.units] * config.layers
    x, states = blocks.recurrent_stack(
        x, config.cell, widths, config.dropout, return_states=True, initial_states=states, name="decoder"
    )
    outputs = named_states(states, config.cell, "new_")
    if "memory" in encoded:
        query = layers.Dense(config.units, use_bias=False, name="query")(x)
        context, outputs["attention"] = attend(query, inputs["memory"], inputs["memory"], inputs["mask"] > 0)
        x = layers.Dense(config.units, activation="tanh", name="attentional")(ops.concatenate([context, x], axis=-1))
        x = layers.Dropout(config.dropout, name="attentional_dropout")(x)
    outputs["logits"] = layers.Dense(size, name="logits")(x)
    return keras.Model(inputs, outputs, name="decoder")


def encoder_layer(x, mask, config: Any, name: str):
    """A layer of a transformer's encoder (Vaswani et al. 2017), with the normalisation before each part (Xiong et al.
    2020). x: (batch, S, units). mask: (batch, S), False where nothing stands."""
    query, key, value = _projected(normal(x, f"{name}_look_norm"), ("query", "key", "value"), config.units, name)
    x = _added(x, attend(query, key, value, mask, config.heads)[0], config, f"{name}_look")
    return _feed_forward(x, config, name)


def make_memory(x, config: Any):
    """The keys and values at which the decoder's layers look, made once for a text: (batch, S, 2 × layers × units)."""
    return layers.Dense(2 * config.layers * config.units, name="memory")(normal(x, "encoder_norm"))


def transformer_decoder(config: Any, size: int, encoded: dict[str, Any]) -> keras.Model:
    """The decoder of Vaswani et al. 2017, normalised as in `encoder_layer`; the memory is that of `make_memory`.

    The decoder also takes the `past`, the keys and values of the steps before, and the `past_mask`, which is 0 where
    there is none. It gives `new_past`, those of its own steps, to be appended.
    """
    inputs = {"target": keras.Input((None,), dtype="int32", name="target"), **_inputs_like(encoded)}
    inputs["past"] = keras.Input((None, encoded["memory"].shape[-1]), name="past")
    inputs["past_mask"] = keras.Input((None,), dtype="int32", name="past_mask")
    target, past_mask = inputs["target"], inputs["past_mask"]
    begin = ops.sum(past_mask, axis=1, keepdims=True)
    embedding = layers.ReversibleEmbedding(size, config.units, name="target_embedding")
    x = embedded(embedding, target, begin + ops.cumsum(ops.ones_like(target), axis=1) - 1, config)
    now = causal_mask(x)
    past = past_mask[:, None] * ops.ones_like(target)[:, :, None] > 0
    allowed = ops.concatenate([past, now], axis=-1)
    pasts, memories = (ops.split(inputs[name], 2 * config.layers, axis=-1) for name in ("past", "memory"))
    new = []
    for i in range(1, config.layers + 1):
        name, pair = f"decoder_{i}", slice(2 * i - 2, 2 * i)
        query, *kept = _projected(
            normal(x, f"{name}_self_norm"), ("query", "key", "value"), config.units, f"{name}_self"
        )
        new += kept
        key, value = (ops.concatenate(parts, axis=1) for parts in zip(pasts[pair], kept, strict=True))
        x = _added(x, attend(query, key, value, allowed, config.heads)[0], config, f"{name}_self")
        query = layers.Dense(config.units, name=f"{name}_look_query")(normal(x, f"{name}_look_norm"))
        key, value = memories[pair]
        context, attention = attend(query, key, value, inputs["mask"] > 0, config.heads)
        x = _added(x, context, config, f"{name}_look")
        x = _feed_forward(x, config, name)
    logits = embedding(normal(x, "decoder_norm"), reverse=True)
    outputs = {"logits": logits, "attention": attention, "new_past": ops.concatenate(new, axis=-1)}
    return keras.Model(inputs, outputs, name="decoder")


def embedded(embedding, ids, place, config: Any):
    """Symbols (batch, time) at their places as (batch, time, units)."""
    x = embedding(ids) * config.units**0.5 + place_signals(place, config.units)
    return layers.Dropout(config.dropout, name=f"{embedding.name}_dropout")(x)


def normal(x, name: str):
    return layers.LayerNormalization(epsilon=1e-5, name=name)(x)


def _inputs_like(encoded: dict[str, Any]) -> dict[str, Any]:
    """An input for each output of the encoder."""
    return {name: keras.Input(value.shape[1:], dtype=value.dtype, name=name) for name, value in encoded.items()}


def _projected(x, names, units: int, name: str) -> list:
    return [layers.Dense(units, name=f"{name}_{part}")(x) for part in names]


def _added(x, y, config: Any, name: str):
    y = layers.Dense(config.units, name=name)(y)
    return layers.Add(name=f"{name}_added")([x, layers.Dropout(config.dropout, name=f"{name}_dropout")(y)])


def _feed_forward(x, config: Any, name: str):
    y = normal(x, f"{name}_wide_norm")
    y = blocks.dense(y, 4 * config.units, dropout=config.dropout, name=f"{name}_wide")
    return _added(x, y, config, f"{name}_narrow")


def write(
    networks: dict[str, keras.Model], inputs: np.ndarray, beam: int = 1, length: int = 32, start: int = decoding.START
) -> dict[str, np.ndarray]:
    """Write the `beam` best texts about each row of `inputs`; a beam of 1 is greedy.

    networks: {"encoder", "decoder"}, the layers of a model. length: most symbols of a text. Each shape of `inputs`,
    beam and length is compiled once, so pad to few shapes. start: the id before the first symbol.
    Returns {"tokens": (rows, beam, length), with STOP at the end and then padding, "scores": (rows, beam), the mean
    log-probability of a symbol, "attention": (rows, beam, length, S), where the model has it}.
    """
    inputs = np.asarray(inputs, networks["encoder"].inputs[0].dtype)
    result = _writer(networks["encoder"], networks["decoder"], beam, length)(inputs, np.int32(start))
    return {name: ops.convert_to_numpy(array) for name, array in result.items()}


def unwritten(size: int) -> np.ndarray:
    """What is added to the logits (size,), so that no id below STOP (padding, unknown) is written."""
    return np.where(np.arange(size) < decoding.STOP, decoding.IMPOSSIBLE, 0.0).astype("float32")


@functools.lru_cache(maxsize=16)
def _writer(encoder: keras.Model, decoder: keras.Model, beam: int, length: int):
    """The compiled function from inputs and `start` to what `write` returns."""

    def run(inputs, start):
        step, state, seen = steps(encoder, decoder, inputs, beam, length)
        return decoding.beam_search(step, state, ops.shape(inputs)[0], start, decoding.STOP, length, beam, seen=seen)

    return decoding.compiled(run)


def steps(encoder: keras.Model, decoder: keras.Model, inputs: Any, beam: int, length: int) -> tuple:
    """The `step` of `decoding.write`, its first state and what is seen at first, for `beam` rows of each input."""
    rows = ops.shape(inputs)[0]
    encoded = {name: ops.repeat(value, beam, axis=0) for name, value in encoder(inputs, training=False).items()}

    def sized(state):  # a recurrent layer that was compiled for any number of rows does not know how many it gives
        return ops.reshape(state, (rows * beam, state.shape[-1]))

    fixed = {name: encoded.pop(name) for name in ("memory", "mask") if name in encoded}
    if "past" in decoder.input:  # room for the keys and values of all steps
        encoded["past"] = ops.zeros((rows * beam, length, decoder.input["past"].shape[-1]))
    else:
        encoded = {name: sized(value) for name, value in encoded.items()}
    never = unwritten(decoder.output["logits"].shape[-1])
    seen = {"attention": ops.zeros(ops.shape(fixed["mask"]))} if fixed else {}

    def step(t, tokens, state):
        inputs = {"target": tokens[:, None], **fixed, **state}
        if "past" in state:
            before = ops.cast(ops.arange(length) < t, "int32")
            inputs["past_mask"] = ops.repeat(before[None], rows * beam, axis=0)
        outputs = decoder(inputs, training=False)
        if "past" in state:
            state = {"past": ops.slice_update(state["past"], (0, t, 0), outputs["new_past"])}
        else:
            state = {name: sized(outputs[f"new_{name}"]) for name in state}
        looked = {name: ops.reshape(outputs[name], ops.shape(first)) for name, first in seen.items()}
        return outputs["logits"][:, 0] + never, state, looked

    return step, encoded, seen
