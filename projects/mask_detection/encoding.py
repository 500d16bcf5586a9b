"""From a picture to the network's input, from boxes to what it learns, and from its output to boxes and masks."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from common.evaluation import softmax
from common.inputs.boxes import clipped
from common.inputs.images import input_picture, read_picture
from common.schema import Between

MAX_PIXELS = 50_000_000  # the largest picture
STRIDES = {"centernet": (4,), "fcos": (4, 8, 16), "mask_rcnn": (4,)}  # pixels between two places of an output map
RANGES = {4: (0, 32), 8: (32, 64), 16: (64, 1e9)}  # fcos: longer side of the faces that each stride finds
GIVEN = 12  # mask_rcnn: true boxes of a picture that its second stage learns from
MASK = 28  # side of a mask in its box
OVERLAP = 0.5  # intersection over union above which the box with the lower score is suppressed
MOST = 100  # boxes of a picture, as in COCO's figures
LEAST = 0.02  # score below which a box is not looked at
SPREAD = 0.54 / 6  # standard deviation of the peak of a face, as a fraction of its box (TTFNet, Liu et al. 2020)
CENTRE = 1.5  # fcos: a place learns the face whose centre is at most so many strides away
NEAR = 0.3  # centernet: places where the peak is at least so high learn the box

# What meta.json holds (see common/schema.py).
META = {
    "classes": [str],
    "size": Between(32, 4096),
    "kind": ("centernet", "fcos", "mask_rcnn"),
    "generated": bool,
    "threshold": Between(0.0, 1.0),
    "examples": [str],
}


def said(name: str) -> str:
    """A class as people say it: `with_mask` is "with mask"."""
    return {"mask_weared_incorrect": "mask worn wrongly"}.get(name, name.replace("_", " "))


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit the network, in a few words; empty where it does."""
    from common.saved import unlike

    side, classes = meta["size"], len(meta["classes"])
    if side % 32:
        return "size is no multiple of 32"
    reads = [(None, side, side, 3)]
    gives = [(None, len(places(side, meta["kind"])), classes + 4 + (meta["kind"] == "fcos"))]
    if meta["kind"] == "mask_rcnn":
        found = networks["model"].outputs if networks else []
        if networks and len(found) != 4:
            return f"the network model gives {len(found)} outputs; expected 4"
        regions = found[1].shape[1] if networks else 0
        gives = [
            (None, len(places(side, "mask_rcnn")), 5),
            (None, regions, 4),
            (None, regions, classes + 1 + 4),
            (None, regions, MASK, MASK),
        ]
    wrong = unlike(networks, {"model": (reads, gives)}) if networks else ""
    return wrong or ("" if meta["examples"] else "examples is empty")


def describe(size: int, kind: str, classes: Sequence[str], generated: bool) -> dict[str, Any]:
    """`meta`: the side of the network's input, its kind, the classes, and whether the pictures are generated."""
    return {"classes": list(classes), "size": size, "kind": kind, "generated": generated}


def picture_of(source: Path | np.ndarray) -> np.ndarray:
    """The picture (h, w, 3) uint8 of a row of a split: a file, or the picture itself."""
    return read_picture(source, MAX_PIXELS) if isinstance(source, Path) else source


def encode(raw: dict[str, Any], meta: dict[str, Any]) -> np.ndarray:
    """{"picture": (h, w, 3) uint8} -> the network's input (1, size, size, 3) float32, 0 … 255; see `fitted`."""
    return fitted(input_picture(raw, MAX_PIXELS, 8), meta["size"])[0][None].astype("float32")


@cache
def places(side: int, kind: str) -> np.ndarray:
    """(n, 3) float32: x, y and stride of each place of the output, in pixels of the input."""
    parts = []
    for stride in STRIDES[kind]:
        middle = (np.arange(side // stride) + 0.5) * stride
        x, y = np.meshgrid(middle, middle)
        parts.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], axis=1))
    return np.concatenate(parts).astype("float32")


def learnt(boxes: np.ndarray, labels: np.ndarray, classes: int, side: int, kind: str) -> np.ndarray:
    """What a one-stage network learns of a picture: (places, classes + 5) float32.

    boxes: (n, 4) in pixels of the input. labels: (n,) class numbers. For each place: the heat of each class, 0 … 1; the
    logarithms of the distances to the left, top, right and bottom of its face, in strides; the weight of these four.

    centernet: the heat is a Gaussian around the centre of each box, 1 at the place that holds it (Zhou et al. 2019).
    The box is learnt around the peak and not at the peak alone (TTFNet). fcos: the heat is 1 at the places near the
    centre, of the stride that fits the size of the face (Tian et al. 2019).
    """
    parts = []
    order = np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), kind="stable")  # small faces are written last
    for stride in STRIDES[kind]:
        length = side // stride
        target = np.zeros((length, length, classes + 5), "float32")
        middle = (np.arange(length) + 0.5) * stride
        for box, label in zip(boxes[order], labels[order], strict=True):
            size = box[2:] - box[:2]
            low, high = RANGES[stride]
            if kind == "fcos" and not low <= size.max() < high:
                continue
            centre = (box[:2] + box[2:]) / 2
            column, row = np.clip(centre // stride, 0, length - 1).astype(int)
            if kind == "fcos":
                across, down = (
                    (np.abs(middle - c) < CENTRE * stride) & (middle > a) & (middle < b)
                    for c, a, b in zip(centre, box[:2], box[2:], strict=True)
                )
                heat = np.outer(down, across).astype("float32")
            else:
                x, y = (np.exp(-(((middle - middle[at]) / (SPREAD * length_)) ** 2) / 2)
                        for at, length_ in zip((column, row), size, strict=True))  # fmt: skip
                heat = np.outer(y, x)
            heat[row, column] = 1
            near = heat >= NEAR
            target[..., label] = np.maximum(target[..., label], heat)
            rows, columns = np.nonzero(near)
            x, y = middle[columns], middle[rows]
            sides = np.stack([x - box[0], y - box[1], box[2] - x, box[3] - y], axis=1) / stride
            target[rows, columns, classes : classes + 4] = np.log(np.maximum(sides, 0.05))
            target[rows, columns, classes + 4] = heat[near]
        parts.append(target.reshape(-1, classes + 5))
    return np.concatenate(parts)


def learnt_regions(target: dict[str, Any], side: int, random: np.random.Generator) -> tuple[np.ndarray, dict]:
    """What mask_rcnn learns of a picture: GIVEN boxes near the true ones, and the targets of both stages.

    The targets are {"heat": see `learnt`, of one class; "boxes" (GIVEN, 4), "labels" (GIVEN,), "masks" (GIVEN, MASK,
    MASK) inside their boxes, -1 where there is none}. Of more faces some are drawn at random; of fewer the rest is 0.
    """
    from PIL import Image

    boxes, count = target["boxes"], len(target["labels"])
    rows = random.permutation(count)[:GIVEN]
    masks = np.full((GIVEN, MASK, MASK), -1, "float32")
    for place, row in enumerate(rows):
        if (mask := target["masks"][row]) is not None and mask.size:
            picture = Image.fromarray(mask.astype("float32"))
            masks[place] = np.asarray(picture.resize((MASK, MASK), Image.Resampling.BILINEAR))
    size = boxes[rows, 2:] - boxes[rows, :2]
    shift = random.uniform(-0.15, 0.15, (len(rows), 4)) * np.tile(size, 2)
    room = ((0, GIVEN - len(rows)), (0, 0))
    return np.pad(clipped(boxes[rows] + shift, side, side), room).astype("float32"), {
        "heat": learnt(boxes, np.zeros(count, int), 1, side, "mask_rcnn"),
        "boxes": np.pad(boxes[rows], room).astype("float32"),
        "labels": np.pad(target["labels"][rows], room[0]).astype("int32"),
        "masks": masks,
    }


def candidates(output: np.ndarray, meta: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """All boxes (n, 4) of one picture's output (places, numbers), and their scores (n, classes).

    The boxes are in pixels of the input. The score of fcos is the root of the product of class and centreness.
    """
    classes = len(meta["classes"])
    scores = 1 / (1 + np.exp(-output[:, :classes].astype(float)))
    if output.shape[1] > classes + 4:
        scores = np.sqrt(scores / (1 + np.exp(-output[:, classes + 4 :].astype(float))))
    place = places(meta["size"], meta["kind"])
    sides = np.exp(np.clip(output[:, classes : classes + 4], -4, 6)) * place[:, 2:]
    return np.concatenate([place[:, :2] - sides[:, :2], place[:, :2] + sides[:, 2:]], axis=1), scores


def refined(outputs: Sequence[np.ndarray], meta: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The same of the second stage of mask_rcnn: the moved proposals, and the probability of each class."""
    _, proposals, heads, _ = outputs
    classes = len(meta["classes"])
    logits = heads[:, : classes + 1].astype(float)
    return moved(proposals, heads[:, classes + 1 :]), softmax(logits)[:, 1:]


def moved(boxes: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) moved by (n, 4): centre in fractions of the size, size by its logarithm (Girshick et al. 2014)."""
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + size / 2 + moves[:, :2] * 0.1 * size
    size = size * np.exp(np.clip(moves[:, 2:] * 0.2, -2, 2))
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def suppressed(
    boxes: np.ndarray, scores: np.ndarray, least: float = LEAST
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(kept, of which box, of which class): the boxes that stay, the best first, at most MOST.

    boxes: (n, 4). scores: (n, classes). A box is removed by one of the same class with a higher score that overlaps it
    by more than OVERLAP. The first array says which of the (box, class) pairs of the other two are kept.
    """
    rows, classes = np.nonzero(scores >= least)
    best = np.argsort(-scores[rows, classes], kind="stable")[:1000]
    rows, classes = rows[best], classes[best]
    # Boxes of different classes are moved apart, so that they do not meet.
    apart = boxes[rows] + classes[:, None] * (2 * np.abs(boxes).max(initial=1) + 1)
    left, top, right, bottom = np.ascontiguousarray(apart.T)
    area, stays, kept = areas(apart), np.ones(len(apart), bool), []
    for place in range(len(apart)):
        if stays[place] and len(kept) < MOST:
            kept.append(place)
            width = np.minimum(right, right[place]) - np.maximum(left, left[place])
            height = np.minimum(bottom, bottom[place]) - np.maximum(top, top[place])
            common = np.maximum(width, 0) * np.maximum(height, 0)
            stays &= common <= OVERLAP * (area + area[place] - common)
    return np.array(kept, int), rows, classes


def decode(output: Any, shape: Sequence[int], meta: dict[str, Any], least: float = LEAST) -> dict[str, np.ndarray]:
    """One picture's output -> {"boxes": (n, 4), "scores": (n,), "labels": (n,)}, the best first.

    shape: (height, width, …) of the picture, in whose pixels the boxes are. With two stages also "masks":
    (n, MASK, MASK) probabilities, each inside its box of "mask_boxes".
    """
    two_stages = isinstance(output, (list, tuple))
    boxes, scores = refined(output, meta) if two_stages else candidates(output, meta)
    factor = meta["size"] / max(shape[:2])
    boxes = clipped(boxes / factor, shape[1], shape[0])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1e-3)
    kept, rows, classes = suppressed(boxes, scores, least)
    rows, classes = rows[kept], classes[kept]
    found = {"boxes": boxes[rows], "scores": scores[rows, classes], "labels": classes}
    # A mask belongs to the proposal that the second stage has looked at.
    return (
        {**found, "masks": output[3][rows], "mask_boxes": clipped(output[1][rows] / factor, shape[1], shape[0])}
        if two_stages
        else found
    )


def pasted(mask: np.ndarray, box: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The mask (height, width) bool of a picture of this shape, from the probabilities (MASK, MASK) inside a box."""
    from PIL import Image

    whole = np.zeros(shape[:2], bool)
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    if right <= left or bottom <= top:
        return whole
    # The part of the mask that each pixel of the rectangle covers: the box need not lie on whole pixels.
    scale = MASK / np.maximum(box[2:] - box[:2], 1e-3)
    window = [*((np.array([left, top]) - box[:2]) * scale), *((np.array([right, bottom]) - box[:2]) * scale)]
    grid = Image.fromarray(np.pad(mask, 1, mode="edge").astype("float32"))
    window = np.clip(np.array(window) + 1, 0, MASK + 2).tolist()
    part = np.asarray(grid.resize((right - left, bottom - top), Image.Resampling.BILINEAR, window))
    whole[top:bottom, left:right] = (part >= 0.5)[: shape[0] - top, : shape[1] - left]
    return whole


def fitted(picture: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """A picture (h, w, 3) uint8 scaled into a square (side, side, 3), and the factor; boxes are multiplied by it.

    The picture keeps its proportions and lies in the top left corner; the rest is grey, 127.
    """
    from PIL import Image

    height, width = picture.shape[:2]
    factor = side / max(height, width)
    size = (min(side, max(1, round(factor * width))), min(side, max(1, round(factor * height))))
    square = np.full((side, side, 3), 127, np.uint8)
    scaled = picture
    if size != (width, height):
        scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))
    square[: size[1], : size[0]] = scaled
    return square, factor


def areas(boxes: np.ndarray) -> np.ndarray:
    """Boxes (…, 4) -> pixels (…)."""
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of the boxes of `one` (n, 4) and of `other` (m, 4): (n, m); 0 where both are empty."""
    shared = np.concatenate(
        [np.maximum(one[:, None, :2], other[None, :, :2]), np.minimum(one[:, None, 2:], other[None, :, 2:])], axis=-1
    )
    common = areas(shared)
    union = areas(one)[:, None] + areas(other)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
