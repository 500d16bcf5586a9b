"""Mask R-CNN in small: proposals, RoIAlign, a head for class and box, and a head for the mask (He et al. 2017).

As in the paper: two stages on one backbone, RoIAlign, class and box for each region, a mask beside them. Different: the
proposals are the peaks of a heat map and not anchors (CenterNet2, Zhou et al. 2021), so their number is fixed and the
network suppresses nothing; one map with a stride of 4; one mask for all classes; small heads.
"""

import keras
import numpy as np
from keras import layers, ops

from common.layers import blocks
from projects.mask_detection.config import Config
from projects.mask_detection.encoding import GIVEN, MASK, OVERLAP
from projects.mask_detection.onestage import head, one_stage_loss, pyramid

STRIDE = 4
BOX_SIDE, MASK_SIDE = 7, 14  # bins of RoIAlign for the two heads


class Regions(keras.Model):
    """The network in training. Its input is {"pixels", "given": boxes near the true ones (batch, GIVEN, 4)}.

    Without `given` the heads would see hardly any face at first. Its output is the heat map with boxes (batch, places,
    5), the regions (batch, proposals + GIVEN, 4), their classes and moves, and the masks of the given ones.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        heat, regions, outputs, masks = y_pred
        first = one_stage_loss(1)(y["heat"], heat)
        true, best, overlap = matches(regions, y)
        positive = ops.cast(overlap >= OVERLAP, "float32")
        count = ops.maximum(ops.sum(positive), 1.0)
        classes = outputs.shape[-1] - 5
        label = ops.where(overlap >= OVERLAP, ops.take_along_axis(y["labels"], best, axis=1) + 1, 0)
        logs = ops.log_softmax(outputs[..., : classes + 1], axis=-1)
        entropy = -ops.sum(ops.one_hot(label, classes + 1) * logs, axis=-1)
        valid = ops.cast(area(regions) > 0, "float32")
        second = ops.sum(valid * entropy) / ops.maximum(ops.sum(valid), 1.0)
        distance = ops.abs(moves(regions, true) - outputs[..., classes + 1 :])
        smooth = ops.where(distance < 1, distance**2 / 2, distance - 0.5)
        second += ops.sum(positive * ops.mean(smooth, axis=-1)) / count
        return first + second + mask_loss(masks, regions[:, -GIVEN:], true[:, -GIVEN:], best[:, -GIVEN:], positive, y)


def build_regions(config: Config, meta: dict) -> keras.Model:
    """The network in training; `model.answering()` is the one that answers.

    That one maps pixels (batch, size, size, 3) to four arrays: the heat map with boxes (batch, places, 5), the
    proposals (batch, proposals, 4) in pixels, for each the logits of "nothing" and of the classes and four moves (see
    `encoding.moved`), and its mask (batch, proposals, 28, 28), 0 … 1.
    """
    classes, channels = len(meta["classes"]), config.channels
    pixels = keras.Input((meta["size"], meta["size"], 3), name="pixels")
    given = keras.Input((GIVEN, 4), name="given")
    features = pyramid(pixels, config)[STRIDE]
    heat = head(features, 1, 0, config, "proposer")
    proposed = proposals(heat, meta["size"], config.proposals)
    classify, draw = box_head(channels, classes), mask_head(channels)

    def applied(network, side: int, regions):
        pooled = roi_align(features, regions, side)
        count = regions.shape[1]
        result = network(ops.reshape(pooled, (-1, side, side, channels)))
        return ops.reshape(result, (-1, count, *result.shape[1:]))

    regions = ops.concatenate([proposed, given], axis=1)
    outputs = [heat, regions, applied(classify, BOX_SIDE, regions), applied(draw, MASK_SIDE, given)]
    model = Regions({"pixels": pixels, "given": given}, outputs, name="mask_rcnn")
    asked = [heat, proposed, applied(classify, BOX_SIDE, proposed), applied(draw, MASK_SIDE, proposed)]
    network = keras.Model(pixels, asked, name="mask_rcnn")
    model.answering = lambda: network  # as a function, because Keras would save an attribute that is a model
    return model


def proposals(heat, side: int, count: int):
    """The boxes (batch, count, 4), in pixels, of the highest peaks of a heat map (batch, places, 5).

    A peak is a place that is higher than its eight neighbours. No gradient flows through the boxes.
    """
    length = side // STRIDE
    score = ops.reshape(ops.sigmoid(heat[..., 0]), (-1, length, length, 1))
    highest = ops.max_pool(score, 3, 1, "same")
    score = ops.reshape(score * ops.cast(score >= highest, "float32"), (-1, length * length))
    _, place = ops.top_k(score, count)
    sides = ops.take_along_axis(heat[..., 1:], ops.expand_dims(place, -1), axis=1)
    sides = ops.exp(ops.clip(sides, -4, 6)) * STRIDE
    x, y = (ops.cast(part, "float32") * STRIDE + STRIDE / 2 for part in (place % length, place // length))
    corners = [x - sides[..., 0], y - sides[..., 1], x + sides[..., 2], y + sides[..., 3]]
    return ops.stop_gradient(ops.clip(ops.stack(corners, axis=-1), 0, side))


def roi_align(features, regions, side: int):
    """RoIAlign with a sample in each bin: (batch, h, w, c) and boxes (batch, n, 4) -> (batch, n, side, side, c).

    Bilinear interpolation is a product with hat functions, max(0, 1 - distance), along each of the two axes. That is
    exact, and it is plain matrix products, which are fast and can be exported.
    """
    _, height, width, channels = features.shape
    count = regions.shape[1]
    down = hats(regions[..., 1], regions[..., 3], side, height)
    across = hats(regions[..., 0], regions[..., 2], side, width)
    rows = ops.matmul(
        ops.reshape(down, (-1, count * side, height)), ops.reshape(features, (-1, height, width * channels))
    )
    rows = ops.reshape(rows, (-1, count, side, width, channels))
    return ops.matmul(ops.expand_dims(across, 2), rows)


def hats(low, high, side: int, length: int):
    """The weight of each of `length` pixels for the middle of each of `side` bins: (batch, n, side, length).

    low, high: (batch, n), in pixels of the input. A place beyond the border has the value of the border.
    """
    # NumPy's arrays become constants of an ONNX file; tensors would become inputs of their own.
    fractions = (np.arange(side, dtype="float32") + 0.5) / side
    place = ops.expand_dims(low, -1) + ops.expand_dims(high - low, -1) * fractions
    place = ops.clip(place / STRIDE - 0.5, 0, length - 1)
    return ops.relu(1 - ops.abs(ops.expand_dims(place, -1) - np.arange(length, dtype="float32")))


def box_head(channels: int, classes: int) -> keras.Model:
    """Features of a region (7, 7, channels) -> logits of "nothing" and of the classes, and four moves."""
    inputs = keras.Input((BOX_SIDE, BOX_SIDE, channels))
    x = blocks.conv(inputs, channels, norm="batch", name="conv")
    x = blocks.dense(layers.Flatten(name="flatten")(x), 96, name="dense")
    return keras.Model(inputs, layers.Dense(classes + 5, name="out")(x), name="box_head")


def mask_head(channels: int) -> keras.Model:
    """Features of a region (14, 14, channels) -> its mask (28, 28), 0 … 1."""
    inputs = x = keras.Input((MASK_SIDE, MASK_SIDE, channels))
    for number in (1, 2):
        x = blocks.conv(x, channels, norm="batch", name=f"conv{number}")
    x = layers.Conv2DTranspose(channels // 2, 2, 2, activation="relu", name="double")(x)
    x = layers.Conv2D(1, 1, activation="sigmoid", name="out")(x)
    return keras.Model(inputs, layers.Reshape((MASK, MASK), name="mask")(x), name="mask_head")


def area(boxes):
    """Boxes (…, 4) -> pixels (…), 0 for those with swapped corners."""
    return ops.relu(boxes[..., 2] - boxes[..., 0]) * ops.relu(boxes[..., 3] - boxes[..., 1])


def matches(regions, y):
    """For each region (batch, n, 4): the true box that it overlaps most, its number (batch, n), and their IoU."""
    one, other = ops.expand_dims(regions, 2), ops.expand_dims(y["boxes"], 1)
    corners = [ops.maximum(one[..., :2], other[..., :2]), ops.minimum(one[..., 2:], other[..., 2:])]
    shared = area(ops.concatenate(corners, axis=-1))
    overlap = shared / ops.maximum(area(one) + area(other) - shared, 1e-6)
    best = ops.argmax(overlap, axis=-1)
    true = ops.take_along_axis(y["boxes"], ops.expand_dims(best, -1), axis=1)
    return true, best, ops.max(overlap, axis=-1)


def moves(regions, true):
    """What `encoding.moved` must be given to turn the regions into the true boxes."""
    size = ops.maximum(regions[..., 2:] - regions[..., :2], 1e-3)
    goal = ops.maximum(true[..., 2:] - true[..., :2], 1e-3)
    shift = (true[..., :2] + goal / 2 - regions[..., :2] - size / 2) / size
    return ops.concatenate([shift / 0.1, ops.log(goal / size) / 0.2], axis=-1)


def mask_loss(masks, regions, true, best, positive, y):
    """Binary cross-entropy of the masks (batch, GIVEN, 28, 28) of the positive regions that have a true mask.

    The true mask lies in the frame of its box; here it is read in the frame of the region.
    """
    whole = ops.reshape(y["masks"], (-1, GIVEN, MASK * MASK))
    whole = ops.take_along_axis(whole, ops.expand_dims(best, -1), axis=1)
    whole = ops.reshape(whole, (-1, GIVEN, MASK, MASK))

    def weights(low, high, start, end):
        fractions = (ops.arange(MASK, dtype="float32") + 0.5) / MASK
        place = ops.expand_dims(low, -1) + ops.expand_dims(high - low, -1) * fractions
        place = (place - ops.expand_dims(start, -1)) / ops.expand_dims(ops.maximum(end - start, 1e-3), -1) * MASK - 0.5
        return ops.relu(1 - ops.abs(ops.expand_dims(place, -1) - ops.arange(MASK, dtype="float32")))

    down = weights(regions[..., 1], regions[..., 3], true[..., 1], true[..., 3])
    across = weights(regions[..., 0], regions[..., 2], true[..., 0], true[..., 2])
    goal = ops.clip(ops.matmul(ops.matmul(down, whole), ops.swapaxes(across, -1, -2)), 0, 1)
    known = positive[:, -GIVEN:] * ops.cast(whole[..., 0, 0] >= 0, "float32")  # -1: there is no mask
    answer = ops.clip(masks, 1e-6, 1 - 1e-6)
    entropy = ops.mean(-(goal * ops.log(answer) + (1 - goal) * ops.log(1 - answer)), axis=(-1, -2))
    return ops.sum(known * entropy) / ops.maximum(ops.sum(known), 1.0)
