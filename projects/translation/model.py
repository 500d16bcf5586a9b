"""The ladder: an encoder with a decoder of `common/layers/writer.py`, without attention, with it, a transformer."""

from typing import Any

import keras
from keras import layers, ops

from common.inputs.vocabulary import PADDING
from common.layers import blocks, writer
from projects.translation.config import Config
from projects.translation.encoding import vocabulary_of


def build_model(config: Config, meta: dict[str, Any]) -> keras.Model:
    """The compiled model: {"source": ids (batch, S), "target": ids (batch, T)} -> logits (batch, T, symbols).

    The target begins with <bos>; the logits at each place are those of the next symbol. Padding is 0 in both. The
    models `encoder` and `decoder` are layers of it.
    """
    sizes = {side: len(vocabulary_of(meta, side)) for side in ("source", "target")}
    if config.model == "transformer":
        encoder = transformer(config, sizes["source"])
        decoder = writer.transformer_decoder(config, sizes["target"], encoder.output)
    else:
        encoder = recurrent(config, sizes["source"])
        decoder = writer.recurrent_decoder(config, sizes["target"], encoder.output)
    source, target = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "target"))
    logits = decoder({"target": target, **writer.first_state(decoder, encoder(source))})["logits"]
    model = keras.Model({"source": source, "target": target}, logits, name=config.model)
    return writer.compile_writer(model, config)


def recurrent(config: Config, size: int) -> keras.Model:
    """The encoder of `seq2seq` and `attention`. Its last states are the decoder's first.

    `seq2seq` (Sutskever et al. 2014): nothing but these states passes from one to the other. `attention` (Luong et al.
    2015): the encoder reads in both directions, and the decoder also looks at its outputs, the memory.
    """
    looks = config.model == "attention"
    source = keras.Input((None,), dtype="int32", name="source")
    ids = ops.flip(source, axis=1) if config.reverse_source and not looks else source
    x = layers.Embedding(size, config.embedding, mask_zero=True, name="source_embedding")(ids)
    x = layers.Dropout(config.dropout, name="source_dropout")(x)
    widths = [config.units // 2 if looks else config.units] * config.layers
    memory, states = blocks.recurrent_stack(
        x, config.cell, widths, config.dropout, bidirectional=looks, return_states=True, name="encoder"
    )
    if looks:  # the states of both directions side by side
        half = len(states[0]) // 2
        states = [[ops.concatenate(both[i::half], axis=-1) for i in range(half)] for both in states]
    encoded = writer.named_states(states, config.cell)
    if looks:
        # A copy has no Keras mask: the decoder gets it as an input of its own.
        encoded |= {"memory": ops.copy(memory), "mask": ops.cast(source > PADDING, "int32")}
    return keras.Model(source, encoded, name="encoder")


def transformer(config: Config, size: int) -> keras.Model:
    """The encoder of Vaswani et al. 2017, with the normalisation before each part (Xiong et al. 2020)."""
    source = keras.Input((None,), dtype="int32", name="source")
    mask = ops.cast(source > PADDING, "int32")
    place = ops.cumsum(ops.ones_like(source), axis=1) - 1
    x = writer.embedded(layers.ReversibleEmbedding(size, config.units, name="source_embedding"), source, place, config)
    for i in range(1, config.layers + 1):
        x = writer.encoder_layer(x, mask > 0, config, f"encoder_{i}")
    return keras.Model(source, {"memory": writer.make_memory(x, config), "mask": mask}, name="encoder")
