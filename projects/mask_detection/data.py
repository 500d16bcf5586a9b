"""From generated scenes or a folder of pictures with boxes to train, validation and test."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.files import file_sha256
from common.inputs.boxes import Annotated, read_boxes, run_lengths
from common.inputs.folders import content_keys, left_out_words
from projects.mask_detection import scenes
from projects.mask_detection.config import Config
from projects.mask_detection.encoding import describe

HELD_OUT = {"validation": 100, "test": 200}  # generated scenes, where training has at least ten times as many
MIN_PICTURES = 20

Labelled = tuple[Any, list[dict[str, Any]]]  # pictures or paths, and their targets


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of pictures with their objects.

    data: `builtin`, or the path of a folder. An input is a picture (h, w, 3) uint8 or a path. A target is {"boxes":
    (n, 4) float32 in its pixels, "labels": (n,) class numbers, "masks"}; masks holds for each object the part of its
    mask in the box, (h, w) bool, or None.
    """
    check_size(config)
    if data == "builtin":
        few = config.pictures // 10 + 4
        counts = {"train": config.pictures, **{part: min(most, few) for part, most in HELD_OUT.items()}}
        parts = [scenes.generated(part, count, config.size) for part, count in counts.items()]
        source = Source(
            "builtin",
            "Generated scenes: 100 small grey faces of scikit-image, tinted, some with a drawn mask, on six "
            "photographs of scikit-image and scikit-learn. No face and no part of a photograph is in two splits.",
            fingerprint([targets for _, targets in parts], [pictures for pictures, _ in parts]),
            "picture",
        )
        return make_splits(config, parts, scenes.CLASSES, source, generated=True)
    folder = Path(data)
    annotated, left_out = read_boxes(folder)
    classes = sorted({label for one in annotated for label in one.labels})
    keys = content_keys([one.path for one in annotated])
    if (count := len({*keys.values()})) < MIN_PICTURES or not classes:
        raise UserError(f"{folder} has {count} different pictures with boxes; at least {MIN_PICTURES} are needed.")
    groups = np.unique([keys[one.path] for one in annotated], return_inverse=True)[1]  # copies stay together
    parts = [
        labelled([annotated[row] for row in rows], classes)
        for rows in split_rows(annotated, groups=groups, seed=config.seed)
    ]
    source = Source(
        folder.name,
        f"Pictures of the folder {folder.name} with their boxes, split at random by picture{left_out_words(left_out)}.",
        fingerprint([targets for _, targets in parts], [paths for paths, _ in parts]),
        "picture",
    )
    return make_splits(config, parts, classes, source)


def check_size(config: Config) -> None:
    """Raise UserError for a side that cannot be halved five times."""
    if config.size % 32:
        raise UserError(f"--size is {config.size}; expected a multiple of 32.")


def make_splits(
    config: Config, parts: Sequence[Labelled], classes: Sequence[str], source: Source, generated: bool = False
) -> Splits:
    """Splits of the three parts."""
    if config.model == "mask_rcnn" and not any(mask is not None for one in parts[0][1] for mask in one["masks"]):
        raise UserError(f"{source.name} has boxes only; mask_rcnn learns from masks. Use centernet or fcos.")
    meta = describe(config.size, config.model, classes, generated)
    return Splits(*(Split(inputs, targets) for inputs, targets in parts), meta, source)


def labelled(annotated: Sequence[Annotated], classes: Sequence[str]) -> Labelled:
    """(paths, targets) of annotated pictures. classes: the names, in the order of their numbers."""
    targets = []
    for one in annotated:
        masks = []
        for box, shape in zip(one.boxes, one.shapes, strict=True):
            (left, top), (right, bottom) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
            masks.append(None if shape is None else shape_mask(shape, *one.size)[top:bottom, left:right])
        labels = np.array([classes.index(label) for label in one.labels], int)
        targets.append({"boxes": one.boxes, "labels": labels, "masks": masks})
    return [one.path for one in annotated], targets


def load_labelled(folder: Path, classes: Sequence[str]) -> tuple[Split, list[str]]:
    """New pictures with boxes for a finished run, and what was left out. Raises UserError for an unknown class."""
    annotated, left_out = read_boxes(folder)
    for one in annotated:
        if unknown := sorted(set(one.labels) - set(classes)):
            raise UserError(
                f"{one.path} has the class {unknown[0]!r}, which this run does not know; it knows {', '.join(classes)}."
            )
    if not annotated:
        raise UserError(f"{folder} has no picture with boxes that can be read.")
    return Split(*labelled(annotated, classes)), left_out


def fingerprint(targets: Sequence[Sequence[dict[str, Any]]], pictures: Sequence[Any]) -> str:
    """SHA-256 of boxes, classes and pictures: arrays or files."""
    digest = hashlib.sha256()
    for one in (one for part in targets for one in part):
        digest.update(np.ascontiguousarray(one["boxes"]))
        digest.update(np.ascontiguousarray(one["labels"]))
    for one in (one for part in pictures for one in part):
        digest.update(file_sha256(one).encode() if isinstance(one, Path) else np.ascontiguousarray(one))
    return digest.hexdigest()


def shape_mask(shape: Any, width: int, height: int) -> np.ndarray:
    """(height, width) bool of a checked list of polygons or run-length code; see `Annotated`."""
    from skimage.draw import polygon

    if isinstance(shape, dict):
        counts = run_lengths(shape["counts"]) or []
        values = np.arange(len(counts)) % 2 == 1
        return np.repeat(values, counts).reshape(width, height).T
    mask = np.zeros((height, width), bool)
    for points in shape:
        x, y = np.array(points, float).reshape(-1, 2).T - 0.5  # a pixel has its number at its centre
        mask[polygon(y, x, mask.shape)] = True
    return mask
