"""The parts of a one-stage detector: backbone, pyramid, head and loss. The first stage of mask_rcnn is one too."""

import keras
from keras import layers, ops

from common.layers import blocks
from projects.mask_detection.config import Config

RARE = 0.01  # probability of a face at a place before training; without it the first losses are huge (Lin et al. 2017)
BOX_WEIGHT = 2.0  # weight of the boxes beside the classes
MAPS = {4: "block_3_expand_relu", 8: "block_6_expand_relu", 16: "block_13_expand_relu", 32: "out_relu"}  # MobileNetV2


def pyramid(pixels, config: Config) -> dict[int, keras.KerasTensor]:
    """{stride: feature map with `channels` channels} for the strides 4, 8 and 16 (Lin et al. 2017).

    The backbone halves the picture five times. On the way back each map is doubled and added to the one of that size.
    """
    maps = BACKBONES[config.backbone](pixels, config)
    x = blocks.conv(maps[32], config.channels, 1, norm="batch", name="top")
    result = {}
    for stride in (16, 8, 4):
        side = blocks.conv(maps[stride], config.channels, 1, norm="batch", activation=None, name=f"lateral{stride}")
        x = layers.Add(name=f"merge{stride}")([layers.UpSampling2D(name=f"double{stride}")(x), side])
        x = result[stride] = blocks.conv(x, config.channels, norm="batch", name=f"level{stride}")
    return result


def resnet(pixels, config: Config) -> dict[int, keras.KerasTensor]:
    """Residual stages at the strides 4, 8, 16 and 32; the channels double up to 8 times `width`."""
    x = layers.Rescaling(1 / 64, -2.0, name="standardise")(pixels)
    x = blocks.conv(x, config.width, strides=2, norm="batch", name="stem")
    maps = {}
    for stage, stride in enumerate((4, 8, 16, 32)):
        for number in range(config.depth):
            width = config.width * min(8, 2 ** (stage + 1))
            x = blocks.residual(x, width, 2 if number == 0 else 1, name=f"stage{stage + 1}_{number + 1}")
        maps[stride] = x
    return maps


def mobilenet_v2(pixels, config: Config) -> dict[int, keras.KerasTensor]:
    """MobileNetV2 of half the width with weights of ImageNet, which Keras downloads (Sandler et al. 2018)."""
    x = layers.Rescaling(1 / 127.5, -1.0, name="standardise")(pixels)
    network = keras.applications.MobileNetV2(include_top=False, alpha=0.5, weights="imagenet", input_tensor=x)
    return {stride: network.get_layer(name).output for stride, name in MAPS.items()}


BACKBONES = {"resnet": resnet, "mobilenet_v2": mobilenet_v2}


def head(x, classes: int, quality: int, config: Config, name: str):
    """A map (batch, h, w, channels) -> (batch, h · w, classes + 4 + quality)."""
    x = blocks.conv(x, config.channels, norm="batch", name=name)
    rare = keras.initializers.Constant(-float(ops.log((1 - RARE) / RARE)))
    parts = [layers.Conv2D(classes, 1, bias_initializer=rare, name=f"{name}_classes")(x)]
    parts.append(layers.Conv2D(4, 1, bias_initializer=keras.initializers.Constant(0.7), name=f"{name}_sides")(x))
    if quality:
        parts.append(layers.Conv2D(1, 1, name=f"{name}_centreness")(x))
    x = layers.Concatenate(name=f"{name}_all")(parts)
    return layers.Reshape((-1, classes + 4 + quality), name=f"{name}_places")(x)


def one_stage_loss(classes: int):
    """The loss of a one-stage network: targets of `encoding.learnt`, outputs of `build_model` -> a number."""

    def loss(targets, outputs):
        heat, sides, weight = targets[..., :classes], targets[..., classes : classes + 4], targets[..., classes + 4]
        found = ops.cast(heat == 1, "float32")
        total = heat_loss(heat, outputs[..., :classes]) / ops.maximum(ops.sum(found), 1.0)
        weights = ops.maximum(ops.sum(weight), 1.0)
        total += BOX_WEIGHT * ops.sum(weight * giou_loss(sides, outputs[..., classes : classes + 4])) / weights
        if outputs.shape[-1] > classes + 4:
            logits, wanted = outputs[..., classes + 4], centreness(sides)
            entropy = ops.softplus(logits) - wanted * logits
            total += ops.sum(weight * entropy) / weights
        return total

    return loss


def heat_loss(heat, logits):
    """The sum of the focal loss with lowered weight near the peaks (Zhou et al. 2019, equation 1; α = 2, β = 4).

    heat: 0 … 1, of the same shape as logits. Where it is 0 or 1 this is the focal loss of Lin et al. (2017) with γ = 2.
    """
    probability, peak = ops.sigmoid(logits), ops.cast(heat == 1, "float32")
    found = peak * (1 - probability) ** 2 * ops.softplus(-logits)
    missed = (1 - peak) * (1 - heat) ** 4 * probability**2 * ops.softplus(logits)
    return ops.sum(found + missed)


def giou_loss(sides, answers):
    """1 - GIoU (Rezatofighi et al. 2019) of two boxes around one place, from the logarithms of the distances (…, 4)."""
    true, answer = ops.exp(sides), ops.exp(ops.clip(answers, -4, 6))

    def area(box):
        return (box[..., 0] + box[..., 2]) * (box[..., 1] + box[..., 3])

    shared, around = area(ops.minimum(true, answer)), area(ops.maximum(true, answer))
    union = area(true) + area(answer) - shared
    return 1 - shared / union + (around - union) / around


def centreness(sides):
    """1 in the middle of a box, 0 at its border (Tian et al. 2019, equation 3); sides: logarithms (…, 4)."""
    left, top, right, bottom = (sides[..., k] for k in range(4))
    return ops.exp(-(ops.abs(left - right) + ops.abs(top - bottom)) / 2)
