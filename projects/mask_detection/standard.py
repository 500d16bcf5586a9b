"""Kaggle's Face Mask Detection by name: its folder in --data-dir, and a split that the files' names decide."""

import hashlib
from pathlib import Path

from common.data import Source, Splits
from common.errors import UserError
from common.inputs.boxes import read_boxes
from common.inputs.folders import content_keys, left_out_words
from projects.mask_detection import scenes
from projects.mask_detection.config import Config
from projects.mask_detection.data import check_size, fingerprint, labelled, make_splits
from projects.mask_detection.scenes import CLASSES

SALT = 1013  # the parts differ least in their classes with this one of 5,000
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
HOME = "https://www.kaggle.com/datasets/andrewmvd/face-mask-detection"


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `face_mask_detection` (Kaggle, andrewmvd): photographs of people with boxes around their faces.

    Kaggle asks for an account, so the archive is not downloaded. `face_mask_detection.csv` beside this file lists the
    part of each picture.
    """
    check_size(config)
    folder = data_dir / data
    if not folder.is_dir():
        raise UserError(
            f"{folder} is missing; download the archive from {HOME} and unpack images/ and annotations/ into it."
        )
    annotated, left_out = read_boxes(folder)
    if unknown := sorted({label for one in annotated for label in one.labels} - {*CLASSES}):
        raise UserError(f"{folder} has the class {unknown[0]!r}; {data} has {', '.join(CLASSES)}.")
    keys = content_keys([one.path for one in annotated])
    first: dict[str, str] = {}  # copies of a picture are in the part of the first one
    for one in annotated:
        first.setdefault(keys[one.path], one.path.stem)
    parts = {part: [one for one in annotated if part_of_name(first[keys[one.path]]) == part] for part in SHARES}
    if empty := [part for part, rows in parts.items() if not rows]:
        raise UserError(f"{folder} holds {len(annotated)} pictures; none of them is in the part {empty[0]}.")
    rows = [labelled(part, CLASSES) for part in parts.values()]
    about = ""
    if config.model == "mask_rcnn":  # the photographs have boxes only, so its mask head learns from generated scenes
        inputs, targets = rows[0]
        made, truths = scenes.generated("train", len(inputs) // 2, config.size)
        rows[0] = ([*inputs, *made], [*targets, *truths])
        about = f" Training has {len(made)} generated scenes too: masks are learnt from these alone."
    source = Source(
        data,
        f"Face Mask Detection (Kaggle, andrewmvd), {len(annotated):,} of its 853 photographs; split by a hash of their "
        f"names, eight tenths for training, a tenth each for validation and test{left_out_words(left_out)}.{about}",
        fingerprint([targets for _, targets in rows], [paths for paths, _ in rows]),
        "picture",
    )
    return make_splits(config, rows, CLASSES, source)


def part_of_name(name: str) -> str:
    """The part of the picture with this name (without its ending): `train`, `validation` or `test`."""
    place = int(hashlib.sha256(f"{SALT} {name}".encode()).hexdigest()[:8], 16) / 16**8
    return "train" if place < SHARES["train"] else "validation" if place < 1 - SHARES["test"] else "test"
