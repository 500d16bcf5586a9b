"""The ladder: a frame alone, two frames, layers that remember, and convolutions that look ever further in time.

All see the film through one convolutional network. It reads each frame with its change since the frame before; `frame`
reads the frame alone.
"""

from typing import Any

import keras
from keras import layers, ops

from common.layers import blocks
from projects.video_labelling.config import Config
from projects.video_labelling.encoding import SIDE

FAR = 64  # frames that the dilated convolutions see in each direction


def build_models(config: Config, meta: dict[str, Any]) -> tuple[keras.Model, dict[str, keras.Model]]:
    """(what is trained, the networks that answer).

    What is trained reads {"frames" (n, T, SIDE, SIDE, 3), "mask" (n, T)} and gives logits (n, T, labels).
    The networks: `encoder`, a frame (see `encoding.pairs`) -> its features; `labeller`, {"features" (n, T, features),
    "mask"} -> logits. mask: 1 for a frame, 0 for padding. A recurrent network that is causal also has `step`, for a
    camera: {"frame", "state_1", …} -> {"logits" (n, labels), "next_state_1", …}.
    """
    keras.utils.set_random_seed(config.seed)
    encoder = make_encoder(config, meta)
    labeller = make_labeller(config, len(meta["labels"]))
    frames = keras.Input((meta["frames"], SIDE, SIDE, 3), name="frames")
    mask = keras.Input((meta["frames"],), name="mask")
    # One call for the frames of all films; Keras' TimeDistributed would take twice the time.
    pairs = frames
    if encoder.input_shape[-1] > 3:
        pairs = ops.concatenate([frames, ops.concatenate([frames[:, :1], frames[:, :-1]], axis=1)], axis=-1)
    features = encoder(ops.reshape(pairs, (-1, *encoder.input_shape[1:])))
    features = ops.reshape(features, (-1, meta["frames"], config.features))
    model = keras.Model({"frames": frames, "mask": mask}, labeller({"features": features, "mask": mask}))
    model.compile(
        keras.optimizers.Adam(config.learning_rate, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="frame_accuracy")],
    )
    networks = {"encoder": encoder, "labeller": labeller}
    if config.causal and config.model in blocks.RECURRENT:
        networks["step"] = make_step(encoder, labeller)
    return model, networks


def make_encoder(config: Config, meta: dict[str, Any]) -> keras.Model:
    """Convolutions that halve the frame three times. Of each of their channels the mean and the largest value count."""
    channels = 3 if config.model == "frame" else 6
    pixels = keras.Input((SIDE, SIDE, channels), name="frame")
    scale = [1 / variance**0.5 for variance in meta["variance"]]
    offset = [-mean * factor for mean, factor in zip(meta["mean"], scale, strict=True)]
    x = layers.Rescaling(scale, offset, name="standardise")(pixels[..., :3])
    if channels > 3:
        change = layers.Rescaling(scale, name="standardise_change")(pixels[..., :3] - pixels[..., 3:])
        x = layers.Concatenate(name="frame_and_change")([x, change])
    x = blocks.conv(x, config.width, 5, strides=2, norm="batch", name="conv_1")
    for i in (2, 3):
        x = blocks.conv(x, config.width * 2 ** (i - 1), strides=2, norm="batch", name=f"conv_{i}")
    x = blocks.conv(x, config.width * 4, norm="batch", name="conv_4")
    pooled = [layers.GlobalAveragePooling2D(name="mean")(x), layers.GlobalMaxPooling2D(name="largest")(x)]
    x = layers.Dropout(config.dropout, seed=config.seed, name="dropout")(layers.Concatenate(name="pooled")(pooled))
    return keras.Model(pixels, blocks.dense(x, config.features, name="features"), name="encoder")


def make_labeller(config: Config, labels: int) -> keras.Model:
    """From the features of all frames to logits: {"features" (n, T, features), "mask" (n, T)} -> (n, T, labels)."""
    features = keras.Input((None, config.features), name="features")
    mask = keras.Input((None,), name="mask")
    x = features * mask[..., None]
    match config.model:
        case "frame" | "difference":
            x = blocks.dense(x, config.units, name="hidden")
        case "tcn":
            x = blocks.dilated(x, config.units, FAR, config.causal, mask > 0)
        case _:
            layer = blocks.RECURRENT[config.model](config.units, return_sequences=True, name="memory")
            x = (layer if config.causal else layers.Bidirectional(layer, name="memory"))(x, mask=mask > 0)
    x = layers.Dropout(config.dropout, seed=config.seed + 1, name="dropout")(x)
    logits = layers.Dense(labels, name="logits")(x)
    return keras.Model({"features": features, "mask": mask}, logits, name="labeller")


def make_step(encoder: keras.Model, labeller: keras.Model) -> keras.Model:
    """One frame of a camera: the cell of the recurrent layer, with its state as input and output."""
    layer = labeller.get_layer("memory")
    frame = keras.Input(encoder.input_shape[1:], name="frame")
    names = [f"state_{i + 1}" for i in range(2 if isinstance(layer, layers.LSTM) else 1)]
    before = [keras.Input((layer.units,), name=name) for name in names]
    x, after = layer.cell(encoder(frame), before)
    outputs = {"logits": labeller.get_layer("logits")(x)}
    # Named otherwise than the inputs, because ONNX has one name for one tensor.
    outputs |= {f"next_{name}": state for name, state in zip(names, after, strict=True)}
    return keras.Model({"frame": frame, **dict(zip(names, before, strict=True))}, outputs, name="step")
