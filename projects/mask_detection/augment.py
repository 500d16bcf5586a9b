"""Random changes to training pictures: scale, place, mirror, light, and faces of rare classes that are pasted in."""

from typing import Any

import numpy as np

from common.inputs.boxes import clipped
from projects.mask_detection.encoding import areas, iou

SEEN = 0.4  # a face of which less than this fraction stays inside the picture is no target
PASTED = 3  # faces at most that are pasted into a picture


def changed(
    picture: np.ndarray, target: dict[str, Any], side: int, scale: float, random: np.random.Generator
) -> tuple[np.ndarray, dict[str, Any]]:
    """A part of a picture, scaled into a square (side, side, 3) uint8, with its boxes, labels and masks.

    scale: of the logarithm of the factor, on both sides of the one that lets the picture fill the square. Half of the
    pictures are mirrored. Light, contrast and colour change a little.
    """
    from PIL import Image

    height, width = picture.shape[:2]
    factor = side / max(height, width) * np.exp(random.uniform(-scale, scale))
    stretch = np.exp(random.uniform(-0.1, 0.1)) if scale else 1.0
    size = np.array([width * factor * stretch, height * factor / stretch])
    room = side - size
    shift = random.uniform(np.minimum(room, 0), np.maximum(room, 0)) if scale else np.zeros(2)
    mirrored = random.random() < 0.5
    x, y = width / size[0], height / size[1]
    across = (-x, 0, x * (side - shift[0])) if mirrored else (x, 0, -x * shift[0])
    small = Image.fromarray(picture)
    if min(1 / x, 1 / y) < 0.6:  # a transformation takes single pixels; a smaller picture is averaged first
        small = small.reduce(max(1, int(max(x, y) / 1.2)))
        x, y = x * small.width / width, y * small.height / height
        across = (-x, 0, x * (side - shift[0])) if mirrored else (x, 0, -x * shift[0])
    grey = (127, 127, 127)
    square = small.transform(
        (side, side), Image.Transform.AFFINE, (*across, 0, y, -y * shift[1]), Image.Resampling.BILINEAR, fillcolor=grey
    )
    boxes = target["boxes"] * np.tile(size / (width, height), 2).astype("float32") + np.tile(shift, 2).astype("float32")
    masks = target["masks"]
    if mirrored:
        boxes = np.stack([side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]], axis=1)
        masks = [mask if mask is None else mask[:, ::-1] for mask in masks]
    inside = clipped(boxes, side, side)
    seen = areas(inside) > SEEN * areas(boxes)
    kept = np.flatnonzero(seen & (inside[:, 2:] - inside[:, :2] >= 2).all(axis=1))
    lit = np.asarray(square, "float32")
    lit = (lit - 127) * random.uniform(0.7, 1.3) + 127 + random.uniform(-30, 30) + random.uniform(-12, 12, 3)
    target = {
        "boxes": inside[kept],
        "labels": target["labels"][kept],
        "masks": [_cut(masks[row], boxes[row], inside[row]) for row in kept],
    }
    return np.clip(lit, 0, 255).astype(np.uint8), target


def _cut(mask: np.ndarray | None, box: np.ndarray, inside: np.ndarray) -> np.ndarray | None:
    """The part of a mask (h, w) of a box that is left when the box is cut to `inside`."""
    if mask is None:
        return None
    scale = np.tile(np.array(mask.shape[::-1]) / (box[2:] - box[:2]), 2)
    left, top, right, bottom = np.round((inside - np.tile(box[:2], 2)) * scale).astype(int)
    return mask[top:bottom, left:right]


def cut_out(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of a picture inside a box and a fifth around it."""
    margin = 0.2 * (box[2:] - box[:2])
    left, top = np.maximum(np.floor(box[:2] - margin), 0).astype(int)
    right, bottom = np.ceil(box[2:] + margin).astype(int)
    return picture[top:bottom, left:right]


def paste_in(
    picture: np.ndarray, target: dict[str, Any], cut: list[tuple[np.ndarray, int]], random: np.random.Generator
) -> tuple[np.ndarray, dict[str, Any]]:
    """One to PASTED faces at places where no face is (Dwibedi et al. 2017).

    cut: (part of a picture by `cut_out`, class number) of each face that may be pasted.
    """
    from PIL import Image

    side = len(picture)
    picture, boxes, labels, masks = picture.copy(), target["boxes"], target["labels"], list(target["masks"])
    for _ in range(random.integers(1, PASTED + 1)):
        part, label = cut[random.integers(len(cut))]
        longest = np.exp(random.uniform(np.log(0.06 * side), np.log(0.35 * side)))
        size = np.maximum(np.round(np.array(part.shape[1::-1]) * longest / max(part.shape[:2])), 6).astype(int)
        if (size > side).any():
            continue
        left, top = random.integers(0, side - size + 1)
        box = np.array([left, top, left + size[0], top + size[1]], "float32")
        if (iou(box[None], boxes) > 0.02).any():
            continue
        part = part[:, ::-1] if random.random() < 0.5 else part
        scaled = np.asarray(
            Image.fromarray(np.ascontiguousarray(part)).resize(
                tuple(size.tolist()), Image.Resampling.BILINEAR, reducing_gap=2.0
            ),
            float,
        )
        # The border fades, so that the network does not learn to see the seam.
        fade = [np.clip(np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) / (0.12 * n), 0, 1) for n in size]
        alpha = np.outer(fade[1], fade[0])[..., None]
        here = picture[top : top + size[1], left : left + size[0]]
        here[:] = scaled * alpha + here * (1 - alpha)
        margin = np.array([*size, *-size]) / 7  # a fifth of the box is a seventh of the part
        boxes = np.concatenate([boxes, (box + margin)[None].astype("float32")])
        labels = np.append(labels, label)
        masks.append(None)
    return picture, {**target, "boxes": boxes, "labels": labels, "masks": masks}
