"""Lists of photographs, packaged ones or those of a folder, and batches of them. Pictures are decoded when needed."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.files import file_sha256
from common.inputs.folders import content_keys, left_out_words, part_of
from common.inputs.images import find_pictures, packaged_photograph, picture_header, picture_text, read_picture
from projects.colorization.config import Config
from projects.colorization.encoding import check_side, inputs_and_targets, middle, resized, scaled_shape
from projects.colorization.lab import colourfulness

# The photographs in scikit-image and scikit-learn that are in colour.
PACKAGED = ("astronaut", "chelsea", "china", "coffee", "flower", "motorcycle", "rocket")
# builtin: the part of each photograph's width that a split gets. The gaps between the parts are in no split.
REGIONS = {"train": (0.0, 0.56), "validation": (0.57, 0.78), "test": (0.79, 1.0)}
SQUARE = 0.21  # builtin: side of the squares, as a fraction of the photograph's width
LAYOUTS = ("", "images", "data/images")  # where a folder may hold train… and val…: BSDS500's and COCO's layouts
TRAIN, TEST = ("train", "training"), ("val", "valid", "validation", "test", "testing")  # folders, see `part_of`
VALIDATION_FRACTION = 0.15  # the part of the training photographs, where a folder has a test set
EXAMPLES, EXAMPLE_SIDE = 6, 224  # examples for the page, and their shorter side in pixels


@dataclass(frozen=True)
class Picture:
    """A photograph on disk. `box`: only these pixels of it (left, top, right, bottom)."""

    name: str
    path: Path
    box: tuple[int, int, int, int] | None = None


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `Picture`s. Targets are their names, because the colours are in the picture.

    data: `builtin`, or the path of a folder. A folder with subfolders train… and val… (BSDS500, COCO) has a test set:
    val. VALIDATION_FRACTION of the training photographs are validation. Any other folder is split 60 : 15 : 25.
    Copies of a file count once. Photographs stored without colour are left out.
    """
    if data == "builtin":
        parts = [_squares(*region, overlap=split == "train") for split, region in REGIONS.items()]
        words = "Squares of seven photographs in scikit-image and scikit-learn, split by region of each photograph"
    else:
        parts, words = _folder(Path(data), config.seed)
    source = Source(
        name=data if data == "builtin" else Path(data).name,
        source=f"{words}. Pictures are shrunk until the shorter side has {config.size} pixels, and their middle square "
        "is scored.",
        sha256=fingerprint([picture for part in parts for picture in part]),
        unit="photograph",
    )
    validation = parts[1]
    shown = [shrunk(validation[i], EXAMPLE_SIDE) for i in evenly(len(validation), 3 * EXAMPLES)]
    examples = [picture_text(picture) for picture in sorted(shown, key=colourfulness)[: -EXAMPLES - 1 : -1]]
    meta = {"size": config.size, "depth": config.depth, "examples": examples}
    return Splits(*map(as_split, parts), meta, source)


def fingerprint(pictures: Sequence[Picture]) -> str:
    """SHA-256 of the files' names and contents."""
    content = [(picture.name, file_sha256(picture.path), picture.box) for picture in pictures]
    return hashlib.sha256("".join(map(repr, content)).encode()).hexdigest()


def as_split(pictures: list[Picture]) -> Split:
    """Squares of one photograph depend on each other, so the photograph is their unit."""
    units = np.array([one.name.split()[0] for one in pictures]) if any(one.box for one in pictures) else None
    return Split(pictures, np.array([picture.name for picture in pictures]), units=units)


def _squares(begin: float, end: float, overlap: bool) -> list[Picture]:
    """Squares of all packaged photographs, from a part of their width. With `overlap` they overlap by half."""
    squares = []
    for name in PACKAGED:
        path = packaged_photograph(name)
        width, height, _ = picture_header(path)
        left, right = round(width * begin), math.ceil(width * end)  # rounded up, so that a square fits in
        side = round(width * SQUARE)
        step = side // 2 if overlap else side
        for top in range(0, height - side + 1, step):
            for start in range(left, right - side + 1, step):
                squares.append(Picture(f"{name} {start},{top}", path, (start, top, start + side, top + side)))
    return squares


def _folder(folder: Path, seed: int) -> tuple[list[list[Picture]], str]:
    """([train, validation, test], a sentence on where they are from) of a folder of photographs."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected a folder of photographs.")
    for layout in LAYOUTS:
        train, val = (part_of(folder / layout, *names) for names in (TRAIN, TEST))
        if train and val:
            test, left_out = photographs(val)
            learnt, more = photographs(train, test)
            if len(learnt) < 2 or not test:
                raise UserError(
                    f"{folder} has {len(learnt)} photographs to learn from and {len(test)} to test; expected at "
                    "least two and one."
                )
            order = np.random.default_rng(seed).permutation(len(learnt))
            count = max(1, round(VALIDATION_FRACTION * len(learnt)))
            words = f"{train.name} is split into training and validation, {val.name} is the test"
            words += left_out_words(left_out + more)
            rows = [sorted(order[count:]), sorted(order[:count])]
            return [*([learnt[i] for i in part] for part in rows), test], f"Photographs of {folder.name}: {words}"
    pictures, left_out = photographs(folder)
    if len(pictures) < 3:
        raise UserError(
            f"{folder} has {len(pictures)} colour photographs, and no subfolders train… and val… with photographs; "
            "expected at least three."
        )
    parts = split_rows(pictures, groups=np.arange(len(pictures)), seed=seed)
    words = f"{len(pictures)} photographs of the folder {folder.name}{left_out_words(left_out)}"
    return [[pictures[i] for i in sorted(part)] for part in parts], words


def photographs(folder: Path, others: Sequence[Picture] = ()) -> tuple[list[Picture], list[str]]:
    """The colour photographs of a folder, each file once, without copies of `others`; a few words on each other file.

    Raises UserError for a picture that is damaged, too large or too small. Only headers are read: a folder of 100,000
    photographs takes a minute and no memory.
    """
    paths, odd = find_pictures(folder)
    left_out = [f"{path.name} is no picture" for path in odd]
    keys = content_keys([*(other.path for other in others), *paths])
    pictures, seen = [], {keys[other.path] for other in others}
    for path in paths:
        width, height, coloured = picture_header(path)
        check_side(height, width, str(path))
        if coloured and keys[path] not in seen:
            pictures.append(Picture(path.name, path))
        else:
            left_out.append(f"{path.name} {'is a copy of another' if coloured else 'has no colours'}")
        seen.add(keys[path])
    return pictures, left_out


def evenly(length: int, count: int) -> list[int]:
    """At most `count` of the row numbers 0 … length - 1, evenly spread, with the first and the last."""
    return np.unique(np.linspace(0, length - 1, count).round().astype(int)).tolist()


def shrunk(picture: Picture, side: int) -> np.ndarray:
    """The picture (h, w, 3) uint8, its shorter side shrunk (or enlarged) to `side` pixels."""
    if picture.box:
        left, top, right, bottom = picture.box
        pixels = _photograph(picture.path)[top:bottom, left:right]
    else:
        pixels = read_picture(picture.path)
    return resized(pixels, scaled_shape(*pixels.shape[:2], side / min(pixels.shape[:2])))


@lru_cache(maxsize=len(PACKAGED))
def _photograph(path: Path) -> np.ndarray:
    """A photograph that holds several squares: decoded once."""
    return read_picture(path)


def picture_stream(
    pictures: Sequence[Picture], side: int, batch_size: int, zoom: float | None = None, seed: int = 0
) -> Any:
    """A `common.stream.Stream` of (input (n, side, side, 1), target (n, side, side, 2)), float32.

    zoom: None gives the middle squares in order. A number is for training: the order is shuffled, and each picture
    gives a `random_square`. Shrunk pictures are kept as far as a Cache takes them.
    """
    from common.stream import Cache, Stream, row_batches

    cache = Cache(lambda row: shrunk(pictures[row], round(side * (zoom or 1))))

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        return row_batches(len(pictures), batch_size, random if zoom else None)

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        shrunk_pictures = (cache[int(row)] for row in rows)
        squares = (random_square(one, side, zoom, random) if zoom else middle(one, side) for one in shrunk_pictures)
        return inputs_and_targets(np.stack(list(squares)))

    return Stream(plan, load, seed)


def random_square(pixels: np.ndarray, side: int, zoom: float, random: np.random.Generator) -> np.ndarray:
    """A random square of a picture, shrunk to (side, side, 3); half of the squares are mirrored.

    Its side is the picture's shorter side divided by 1 … zoom, evenly distributed on a logarithmic scale.
    """
    length = max(1, round(min(pixels.shape[:2]) / zoom ** random.random()))
    top, left = (int(random.integers(whole - length + 1)) for whole in pixels.shape[:2])
    square = resized(pixels[top : top + length, left : left + length], (side, side))
    return square[:, ::-1] if random.random() < 0.5 else square
