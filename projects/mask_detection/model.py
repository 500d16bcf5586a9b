"""The ladder: one stage with a heat map, one stage with a pyramid, and two stages with masks."""

import keras
from keras import layers

from common.layers import blocks
from projects.mask_detection.config import Config
from projects.mask_detection.encoding import STRIDES
from projects.mask_detection.onestage import head, one_stage_loss, pyramid
from projects.mask_detection.regions import build_regions


def build_model(config: Config, meta: dict) -> keras.Model:
    """The compiled network.

    Input: pixels (batch, size, size, 3), 0 … 255. Output of centernet and fcos: (batch, places, classes + 4 or + 5):
    logits of the classes, logarithms of the distances to the four sides in strides, and for fcos the logit of
    centreness. For mask_rcnn see `regions.py`.
    """
    keras.utils.set_random_seed(config.seed)
    if config.model == "mask_rcnn":
        model = build_regions(config, meta)
    else:
        pixels = keras.Input((meta["size"], meta["size"], 3), name="pixels")
        maps = pyramid(pixels, config)
        classes, quality = len(meta["classes"]), int(config.model == "fcos")
        outputs = [head(maps[stride], classes, quality, config, f"head{stride}") for stride in STRIDES[config.model]]
        output = layers.Concatenate(axis=1, name="output")(outputs) if len(outputs) > 1 else outputs[0]
        model = keras.Model(pixels, output, name=config.model)
    loss = None if config.model == "mask_rcnn" else one_stage_loss(len(meta["classes"]))
    optimizer = blocks.make_optimizer("adamw", config.learning_rate, config.weight_decay)
    optimizer.global_clipnorm = 10.0
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    return model


def answering(model: keras.Model) -> keras.Model:
    """The network that is asked and saved: plain Keras, without what only training needs."""
    return model.answering() if hasattr(model, "answering") else model
