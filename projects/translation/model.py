"""The ladder: an encoder and a decoder without attention, with attention, and the transformer.

Every model is `decoder({"target": target, **encoder(source)})`. The decoder takes what it knows of the steps before and
gives it again, so the same network learns from whole sentences and writes one symbol at a time.

    encoder: source (batch, S) -> {"h_1" …} or {"memory", "mask", …}
    decoder: {"target" (batch, T), and all that} -> {"logits" (batch, T, symbols), "new_h_1" …, "attention"}
"""

import functools
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.inputs.vocabulary import PADDING, Vocabulary
from common.layers import blocks, decoding
from common.layers.attention import attend, causal_mask, place_signals
from projects.translation.config import Config
from projects.translation.encoding import vocabulary_of

ENDS = Vocabulary(bos=True, eos=True)  # the ids of <bos> and <eos>, the same in every vocabulary
NEVER = tuple(i for i in range(ENDS.first) if i != ENDS.eos)  # ids that no translation holds
MAX_NORM = 1.0  # gradients with a larger norm are scaled down to it


def build_model(config: Config, meta: dict[str, Any]) -> keras.Model:
    """The compiled model: {"source": ids (batch, S), "target": ids (batch, T)} -> logits (batch, T, symbols).

    The target begins with <bos>; the logits at each place are those of the next symbol. Padding is 0 in both. The
    models `encoder` and `decoder` are layers of it.
    """
    encoder, decoder = {"seq2seq": recurrent, "attention": recurrent, "transformer": transformer}[config.model](
        config, *(len(vocabulary_of(meta, side)) for side in ("source", "target"))
    )
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    logits = decoder({"target": target, **first_state(decoder, encoder(source))})["logits"]
    model = keras.Model({"source": source, "target": target}, logits, name=config.model)
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate, beta_2=0.98, global_clipnorm=MAX_NORM),
        loss=make_loss(config.label_smoothing),
    )
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


def recurrent(config: Config, source_size: int, target_size: int) -> tuple[keras.Model, keras.Model]:
    """Encoder and decoder of `seq2seq` and `attention`. The last states of the encoder are the decoder's first.

    `seq2seq` (Sutskever et al. 2014): nothing but these states passes from one to the other. `attention` (Luong et al.
    2015): the encoder reads in both directions, and the decoder also looks at its outputs, the memory. The attention
    comes after the recurrent layers, so these still run over the whole sentence at once.
    """
    looks = config.model == "attention"
    names = ("h", "c") if config.cell == "lstm" else ("h",)
    widths = [config.units] * config.layers

    source = keras.Input((None,), dtype="int32", name="source")
    ids = ops.flip(source, axis=1) if config.reverse_source and not looks else source
    x = layers.Embedding(source_size, config.embedding, mask_zero=True, name="source_embedding")(ids)
    x = layers.Dropout(config.dropout, name="source_dropout")(x)
    read = [width // 2 for width in widths] if looks else widths
    memory, states = blocks.recurrent_stack(
        x, config.cell, read, config.dropout, bidirectional=looks, return_states=True, name="encoder"
    )
    if looks:  # the states of both directions side by side
        states = [[ops.concatenate(pair, axis=-1) for pair in _halves(both)] for both in states]
    encoded = {
        f"{name}_{i}": value for i, pair in enumerate(states, 1) for name, value in zip(names, pair, strict=True)
    }
    if looks:
        # A copy has no Keras mask: the decoder gets it as an input of its own.
        encoded |= {"memory": ops.copy(memory), "mask": _mask(source)}
    encoder = keras.Model(source, encoded, name="encoder")

    inputs = {"target": keras.Input((None,), dtype="int32", name="target"), **_inputs_like(encoded)}
    x = layers.Embedding(target_size, config.embedding, name="target_embedding")(inputs["target"])
    x = layers.Dropout(config.dropout, name="target_dropout")(x)
    states = [[inputs[f"{name}_{i}"] for name in names] for i in range(1, config.layers + 1)]
    x, states = blocks.recurrent_stack(
        x, config.cell, widths, config.dropout, return_states=True, initial_states=states, name="decoder"
    )
    outputs = {
        f"new_{name}_{i}": value for i, pair in enumerate(states, 1) for name, value in zip(names, pair, strict=True)
    }
    if looks:
        query = layers.Dense(config.units, use_bias=False, name="query")(x)
        context, outputs["attention"] = attend(query, inputs["memory"], inputs["memory"], inputs["mask"] > 0)
        x = layers.Dense(config.units, activation="tanh", name="attentional")(ops.concatenate([context, x], axis=-1))
        x = layers.Dropout(config.dropout, name="attentional_dropout")(x)
    outputs["logits"] = layers.Dense(target_size, name="logits")(x)
    return encoder, keras.Model(inputs, outputs, name="decoder")


def transformer(config: Config, source_size: int, target_size: int) -> tuple[keras.Model, keras.Model]:
    """Encoder and decoder of Vaswani et al. 2017, with the normalisation before each part (Xiong et al. 2020).

    The decoder's layers look at the memory by keys and values that never change, so the encoder makes them: `memory` is
    (batch, S, 2 × layers × units). The decoder also takes the `past`, the keys and values of the steps before, and the
    `past_mask`, which is 0 where there is none. It gives `new_past`, those of its own steps, to be appended.
    """
    units = config.units
    source = keras.Input((None,), dtype="int32", name="source")
    mask = _mask(source)
    place = ops.cumsum(ops.ones_like(source), axis=1) - 1
    x = _embedded(layers.ReversibleEmbedding(source_size, units, name="source_embedding"), source, place, config)
    for i in range(1, config.layers + 1):
        name = f"encoder_{i}"
        query, key, value = _projected(_normal(x, f"{name}_look_norm"), ("query", "key", "value"), units, name)
        x = _added(x, attend(query, key, value, mask > 0, config.heads)[0], config, f"{name}_look")
        x = _feed_forward(x, config, name)
    x = _normal(x, "encoder_norm")
    memory = layers.Dense(2 * config.layers * units, name="memory")(x)
    encoded = {"memory": memory, "mask": mask}
    encoder = keras.Model(source, encoded, name="encoder")

    inputs = {"target": keras.Input((None,), dtype="int32", name="target"), **_inputs_like(encoded)}
    inputs["past"] = keras.Input((None, memory.shape[-1]), name="past")
    inputs["past_mask"] = keras.Input((None,), dtype="int32", name="past_mask")
    target, past_mask = inputs["target"], inputs["past_mask"]
    begin = ops.sum(past_mask, axis=1, keepdims=True)
    embedding = layers.ReversibleEmbedding(target_size, units, name="target_embedding")
    x = _embedded(embedding, target, begin + ops.cumsum(ops.ones_like(target), axis=1) - 1, config)
    now = causal_mask(x)
    past = past_mask[:, None] * ops.ones_like(target)[:, :, None] > 0
    allowed = ops.concatenate([past, now], axis=-1)
    pasts, memories = (ops.split(inputs[name], 2 * config.layers, axis=-1) for name in ("past", "memory"))
    new = []
    for i in range(1, config.layers + 1):
        name, pair = f"decoder_{i}", slice(2 * i - 2, 2 * i)
        query, *kept = _projected(_normal(x, f"{name}_self_norm"), ("query", "key", "value"), units, f"{name}_self")
        new += kept
        key, value = (ops.concatenate(parts, axis=1) for parts in zip(pasts[pair], kept, strict=True))
        x = _added(x, attend(query, key, value, allowed, config.heads)[0], config, f"{name}_self")
        query = layers.Dense(units, name=f"{name}_look_query")(_normal(x, f"{name}_look_norm"))
        context, attention = attend(query, *memories[pair], inputs["mask"] > 0, config.heads)
        x = _added(x, context, config, f"{name}_look")
        x = _feed_forward(x, config, name)
    logits = embedding(_normal(x, "decoder_norm"), reverse=True)
    outputs = {"logits": logits, "attention": attention, "new_past": ops.concatenate(new, axis=-1)}
    return encoder, keras.Model(inputs, outputs, name="decoder")


def _inputs_like(encoded: dict[str, Any]) -> dict[str, Any]:
    """An input for each output of the encoder."""
    return {name: keras.Input(value.shape[1:], dtype=value.dtype, name=name) for name, value in encoded.items()}


def _mask(ids):
    """1 for a symbol and 0 for padding."""
    return ops.cast(ops.not_equal(ids, PADDING), "int32")


def _halves(states: list) -> list[tuple]:
    """The states of a bidirectional layer as pairs: (forward h, backward h), then those of c."""
    half = len(states) // 2
    return list(zip(states[:half], states[half:], strict=True))


def _embedded(embedding, ids, place, config: Config):
    x = embedding(ids) * config.units**0.5 + place_signals(place, config.units)
    return layers.Dropout(config.dropout, name=f"{embedding.name}_dropout")(x)


def _normal(x, name: str):
    return layers.LayerNormalization(epsilon=1e-5, name=name)(x)


def _projected(x, names, units: int, name: str) -> list:
    return [layers.Dense(units, name=f"{name}_{part}")(x) for part in names]


def _added(x, y, config: Config, name: str):
    y = layers.Dense(config.units, name=name)(y)
    return layers.Add(name=f"{name}_added")([x, layers.Dropout(config.dropout, name=f"{name}_dropout")(y)])


def _feed_forward(x, config: Config, name: str):
    y = _normal(x, f"{name}_wide_norm")
    y = blocks.dense(y, 4 * config.units, dropout=config.dropout, name=f"{name}_wide")
    return _added(x, y, config, f"{name}_narrow")


def translate(
    networks: dict[str, keras.Model], source: np.ndarray, beam: int = 1, length: int = 32
) -> dict[str, np.ndarray]:
    """Write the `beam` best translations of each row of `source`, ids (rows, S); a beam of 1 is greedy.

    networks: {"encoder", "decoder"}, the layers of a model.
    length: most symbols of a translation. Each shape of `source`, beam and length is compiled once, so pad to few
    lengths. Returns {"tokens": (rows, beam, length), with <eos> at the end and then padding, "scores": (rows, beam),
    the mean log-probability of a symbol, "attention": (rows, beam, length, S), where the model has it}.
    """
    result = _translation(networks["encoder"], networks["decoder"], beam, length)(np.asarray(source, "int32"))
    return {name: ops.convert_to_numpy(array) for name, array in result.items()}


@functools.lru_cache(maxsize=16)
def _translation(encoder: keras.Model, decoder: keras.Model, beam: int, length: int):
    """The compiled function from source ids to what `translate` returns."""

    def run(source):
        rows, width = ops.shape(source)
        encoded = {name: ops.repeat(value, beam, axis=0) for name, value in encoder(source, training=False).items()}

        def sized(state):  # a recurrent layer that was compiled for any number of rows does not know how many it gives
            return ops.reshape(state, (rows * beam, state.shape[-1]))

        fixed = {name: encoded.pop(name) for name in ("memory", "mask") if name in encoded}
        if "past" in decoder.input:  # room for the keys and values of all steps
            encoded["past"] = ops.zeros((rows * beam, length, decoder.input["past"].shape[-1]))
        else:
            encoded = {name: sized(value) for name, value in encoded.items()}
        never = np.where(np.isin(np.arange(decoder.output["logits"].shape[-1]), NEVER), decoding.IMPOSSIBLE, 0.0)

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
            seen = {"attention": ops.reshape(outputs["attention"], (rows * beam, width))} if "memory" in fixed else {}
            return outputs["logits"][:, 0] + ops.cast(never, "float32"), state, seen

        seen = {"attention": ops.zeros((rows * beam, width))} if "memory" in fixed else {}
        return decoding.beam_search(step, encoded, rows, ENDS.bos, ENDS.eos, length, beam, seen=seen)

    return decoding.compiled(run)
