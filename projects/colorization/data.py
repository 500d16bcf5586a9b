"""From packaged photographs or a folder to lists of pictures; nothing is decoded before it is needed."""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.inputs.images import find_pictures, packaged_photograph, picture_header, read_picture
from common.inputs.tables import file_sha256
from projects.colorization.config import Config

LEAST_SIDE = 16  # pixels: less shows nothing to colour
# The photographs in scikit-image and scikit-learn that are in colour.
PACKAGED = ("astronaut", "chelsea", "china", "coffee", "flower", "motorcycle", "rocket")
# builtin: which share of each photograph's width a split gets. Between two of them lies a gap that nobody sees.
REGIONS = {"train": (0.0, 0.56), "validation": (0.57, 0.78), "test": (0.79, 1.0)}
# Where the usual downloads keep the two folders: BSDS500's and COCO's own layouts.
LAYOUTS = ("", "images", "data/images")
VALIDATION_SHARE = 0.15  # of the training photographs, where a folder brings its own test


@dataclass(frozen=True)
class Picture:
    """A photograph on disk; `box`: only these pixels of it (left, top, right, bottom)."""

    name: str
    path: Path
    box: tuple[int, int, int, int] | None = None


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `Picture`s; targets are their names, because the colours are read from the picture itself.

    data: `builtin`, or the path of a folder. A folder with subfolders train… and val… (BSDS500, COCO) brings its own
    test: the official val is the test, and validation is 15 % of the training photographs. Any other folder is split
    60 : 15 : 25. Copies of one file, byte for byte, count once; photographs stored without colour are left out.
    """
    if data == "builtin":
        parts = [[(name, picture) for name, picture in _squares(split)] for split in REGIONS]
        words = "Squares of seven photographs in scikit-image and scikit-learn, split by region of each photograph"
        pictures = [[picture for _, picture in part] for part in parts]
        units = [np.array([name for name, _ in part]) for part in parts]
    else:
        pictures, words = _folder(Path(data), config.seed)
        units = [None, None, None]
    digest = hashlib.sha256()
    for picture in (picture for part in pictures for picture in part):
        digest.update(repr((picture.name, picture.path.stat().st_size, picture.box)).encode())
    source = Source(
        name=data if data == "builtin" else Path(data).name,
        source=f"{words}. Pictures are shrunk until the shorter side has {config.size} pixels, and their middle square "
        "is taken.",
        sha256=digest.hexdigest(),
        unit="photograph",
    )
    splits = [
        Split(part, np.array([picture.name for picture in part]), units=unit)
        for part, unit in zip(pictures, units, strict=True)
    ]
    return Splits(*splits, {"size": config.size, "depth": config.depth}, source)


def _squares(split: str) -> list[tuple[str, Picture]]:
    """(photograph, square) of one split's region; training squares overlap by half, the others not at all."""
    found = []
    for name in PACKAGED:
        path = packaged_photograph(name)
        width, height, _ = picture_header(path)
        left, right = round(width * REGIONS[split][0]), math.ceil(width * REGIONS[split][1])  # a square must fit in
        side = round(width * 0.21)
        step = side // 2 if split == "train" else side
        for top in range(0, height - side + 1, step):
            for start in range(left, right - side + 1, step):
                box = (start, top, start + side, top + side)
                found.append((name, Picture(f"{name} {start},{top}", path, box)))
    return found


def _folder(folder: Path, seed: int) -> tuple[list[list[Picture]], str]:
    """([train, validation, test], a sentence on where they are from) of a folder of photographs."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected a folder of photographs.")
    for layout in LAYOUTS:
        train, test = (_subfolder(folder / layout, name) for name in ("train", "val"))
        if train and test:
            held_out = photographs(test)
            learnt = _without(photographs(train), held_out)
            if len(learnt) < 2 or not held_out:
                raise UserError(
                    f"{folder} has {len(learnt)} photographs to learn from and {len(held_out)} to test; expected at "
                    "least two and one."
                )
            order = np.random.default_rng(seed).permutation(len(learnt))
            count = max(1, round(VALIDATION_SHARE * len(learnt)))
            parts = [sorted(order[count:]), sorted(order[:count])]
            words = (
                f"Photographs of {folder.name}: {train.name} is split into training and validation, "
                f"{test.name} is the test"
            )
            return [*([learnt[i] for i in part] for part in parts), held_out], words
    found = photographs(folder)
    if len(found) < 3:
        raise UserError(
            f"{folder} has {len(found)} colour photographs, and no subfolders train… and val… with photographs; "
            "expected at least three."
        )
    parts = split_rows(found, groups=np.arange(len(found)), seed=seed)
    return [[found[i] for i in sorted(part)] for part in parts], f"{len(found)} photographs of the folder {folder.name}"


def _subfolder(folder: Path, name: str) -> Path | None:
    """The subfolder called `name`, or `name` and a year, that holds pictures; the latest year where there are some."""
    found = [
        path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.is_dir() and path.name.rstrip("0123456789") == name and find_pictures(path)
    ]
    return max(found, default=None)


def photographs(folder: Path) -> list[Picture]:
    """The colour photographs of a folder, each file once; a UserError for what is no picture, too large or too small.

    Only headers are read: a folder of 100,000 photographs takes a minute, and no memory.
    """
    found, seen = [], set()
    paths = find_pictures(folder)
    sizes = Counter(path.stat().st_size for path in paths)
    for path in paths:
        width, height, coloured = picture_header(path)
        if min(width, height) < LEAST_SIDE:
            raise UserError(f"{path} has {width} × {height} pixels; each side needs at least {LEAST_SIDE}.")
        # Only files of one size can be copies of each other, so few are read.
        content = file_sha256(path) if sizes[path.stat().st_size] > 1 else path.name
        if coloured and content not in seen:
            found.append(Picture(path.name, path))
        seen.add(content)
    return found


def _without(pictures: list[Picture], others: list[Picture]) -> list[Picture]:
    """The pictures of which no byte-for-byte copy is among the others."""
    sizes = {picture.path.stat().st_size for picture in pictures} & {other.path.stat().st_size for other in others}
    copies = {file_sha256(other.path) for other in others if other.path.stat().st_size in sizes}
    return [
        picture
        for picture in pictures
        if picture.path.stat().st_size not in sizes or file_sha256(picture.path) not in copies
    ]


def shrunk(picture: Picture, side: int) -> np.ndarray:
    """The picture (h, w, 3) uint8, its shorter side shrunk (or enlarged) to `side` pixels by antialiased bicubic."""
    if picture.box:
        left, top, right, bottom = picture.box
        pixels = _photograph(picture.path)[top:bottom, left:right]
    else:
        pixels = read_picture(picture.path)
    return resized(pixels, side / min(pixels.shape[:2]))


@lru_cache(maxsize=len(PACKAGED))
def _photograph(path: Path) -> np.ndarray:
    """A photograph of which several squares are wanted: decoded once."""
    return read_picture(path)


def resized(pixels: np.ndarray, factor: float) -> np.ndarray:
    """(h, w, 3) uint8 made `factor` times as large by Pillow's bicubic, which is antialiased when it shrinks."""
    from PIL import Image

    height, width = (max(1, round(factor * length)) for length in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def middle(pixels: np.ndarray, side: int) -> np.ndarray:
    """The middle square (side, side, 3)."""
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]
