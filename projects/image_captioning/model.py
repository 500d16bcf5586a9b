"""The ladder: a writer that gets one vector of the picture, one that looks at a grid of places, and a transformer.

Every model is `decoder({"target": target, **encoder(picture)})`. The decoders are those of `common/layers/writer.py`,
which also write translations.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.layers import blocks, decoding, writer
from projects.image_captioning import backbone
from projects.image_captioning.config import Config
from projects.image_captioning.encoding import GRID, vocabulary_of

PLACES = GRID * GRID
NARROW = 32  # numbers of each place in the vector that starts the writer


def build_model(config: Config, meta: dict[str, Any], blind: bool = False) -> keras.Model:
    """The compiled model: {"picture" (n, h, w, 3), "target" (n, captions, T)} -> logits (n, captions, T, words).

    picture: 0 … 255. A target begins with <bos> or the sign of its language; the logits at each place are those of the
    next word. A picture is encoded once for all of its captions. The models `encoder` and `decoder` are layers of it.
    blind: the writer is told nothing about the picture. With a backbone, "picture" is the grid that it gives.
    """
    keras.utils.set_random_seed(config.seed)
    encoder = make_encoder(config, meta)
    make_decoder = writer.transformer_decoder if config.model == "transformer" else writer.recurrent_decoder
    decoder = make_decoder(config, len(vocabulary_of(meta)), encoder.output)
    encoder = without_picture(encoder) if blind else encoder
    picture = keras.Input(encoder.input.shape[1:], name="picture")
    target = keras.Input((meta["captions"], meta["length"]), dtype="int32", name="target")
    encoded = {name: ops.repeat(value, meta["captions"], axis=0) for name, value in encoder(picture).items()}
    flat = ops.reshape(target, (-1, meta["length"]))
    logits = decoder({"target": flat, **writer.first_state(decoder, encoded)})["logits"]
    logits = ops.reshape(logits, (-1, meta["captions"], meta["length"], logits.shape[-1]))
    model = keras.Model({"picture": picture, "target": target}, logits, name=config.model)
    return writer.compile_writer(model, config)


def make_encoder(config: Config, meta: dict[str, Any]) -> keras.Model:
    """A small residual network (He et al. 2016) that ends in a grid of GRID × GRID places.

    `lstm` (Vinyals et al. 2015, Show and Tell): one vector of the whole picture is the first state of the writer.
    `attention` (Xu et al. 2015, Show, Attend and Tell): the writer also looks at the places, each of which is a vector.
    `transformer`: the places look at each other, and the writer at them.
    With a backbone, this network begins at its grid.
    """
    if config.backbone == "none":
        pixels = keras.Input(meta["shape"], name="pixels")
        scale = [1 / variance**0.5 for variance in meta["variance"]]
        offset = [-mean * factor for mean, factor in zip(meta["mean"], scale, strict=True)]
        x = layers.Rescaling(scale, offset, name="standardise")(pixels)
        x = blocks.conv(x, config.width, 5, strides=2, norm="batch", name="stem")
        stage = 0
        while x.shape[1] > GRID:
            stage += 1
            x = blocks.residual(x, config.width * 2**stage, strides=2, name=f"stage{stage}")
        x = blocks.residual(x, x.shape[-1], name=f"stage{stage}_more")
    else:
        pixels = x = keras.Input(backbone.grid_shape(config.backbone), name="pixels")
        x = layers.Dropout(config.dropout, name="grid_dropout")(x)
    grid = layers.Reshape((PLACES, x.shape[-1]), name="grid")(x)
    place = layers.Embedding(PLACES, config.units, name="place")(
        ops.cumsum(ops.ones_like(grid[:, :, 0], "int32"), axis=1) - 1
    )
    memory = layers.Dense(config.units, name="looked_at")(grid) + place
    mask = ops.ones_like(grid[:, :, 0], "int32")  # every place is there
    if config.model == "transformer":
        for i in range(1, config.layers + 1):
            memory = writer.encoder_layer(memory, mask > 0, config, f"encoder_{i}")
        return keras.Model(pixels, {"memory": writer.make_memory(memory, config), "mask": mask}, name="encoder")
    vector = layers.Flatten(name="picture")(layers.Dense(NARROW, "relu", name="narrow")(grid))
    states = [
        [layers.Dense(config.units, "tanh", name=f"first_{name}_{i}")(vector) for name in writer.STATES[config.cell]]
        for i in range(1, config.layers + 1)
    ]
    encoded = writer.named_states(states, config.cell)
    encoded |= {"memory": memory, "mask": mask} if config.model == "attention" else {}
    return keras.Model(pixels, encoded, name="encoder")


def without_picture(encoder: keras.Model) -> keras.Model:
    """An encoder that gives arrays of the same shapes whatever the picture shows: zeros, and a mask of ones."""
    pixels = keras.Input(encoder.input.shape[1:], name="pixels")
    nothing = ops.zeros_like(pixels[:, 0, 0, :1])

    def blank(name, value):
        flat = ops.repeat(nothing + float(name == "mask"), int(np.prod(value.shape[1:])), axis=1)
        return ops.cast(layers.Reshape(value.shape[1:])(flat), value.dtype)

    return keras.Model(pixels, {name: blank(name, value) for name, value in encoder.output.items()}, name="encoder")


def sample(
    networks: dict[str, keras.Model], picture: np.ndarray, start: int, length: int, temperature: float, seed: int
) -> dict[str, np.ndarray]:
    """Draw a caption of each picture word by word.

    Returns {"tokens": (rows, length), with <eos> at the end and then padding, "attention": (rows, length, PLACES),
    where the model has it}.
    temperature: the logits are divided by it; above 1 rarer words come. A word is drawn by adding Gumbel noise to the
    logits and taking the largest sum (Maddison et al. 2014). The noise is made of the seed.
    """
    words = networks["decoder"].output["logits"].shape[-1]
    noise = np.random.default_rng(seed).gumbel(size=(length, len(picture), words)).astype("float32")
    step, state, seen = writer.steps(networks["encoder"], networks["decoder"], picture, 1, length)

    def draw(t, logits, ended):
        tokens = ops.cast(ops.argmax(logits / temperature + ops.take(noise, t, axis=0), axis=-1), "int32")
        tokens = ops.where(ended, decoding.PADDING, tokens)
        return tokens, None, ended | (tokens == decoding.STOP)

    first, ended = ops.full((len(picture),), start, "int32"), ops.zeros((len(picture),), "bool")
    written, _, _ = decoding.write(
        step, draw, first, state, ended, length, seen, lambda ended: ops.logical_not(ops.all(ended))
    )
    return {name: ops.convert_to_numpy(ops.swapaxes(array, 0, 1)) for name, array in written.items()}
