"""What generated pictures are made of: real handwritten digits and photographs, in three parts that share nothing."""

import functools
from typing import NamedTuple

import numpy as np

DIGITS = tuple(map(str, range(10)))
PHOTO = 320  # pixels that a photograph is high
# The rows of a photograph that each part has: they are one below the other, so that no two parts share a pixel.
PARTS = {"train": (0, 192), "validation": (192, 256), "test": (256, 320)}


class Digits(NamedTuple):
    """Handwritten digits, light on dark: pictures (n, 28, 28) uint8, and the rows of each digit."""

    pictures: np.ndarray
    rows: dict[str, np.ndarray]


@functools.cache
def digits_of(part: str) -> Digits:
    """The real digits of train, validation or test: those that `image_classification` has in the same part."""
    from common.data import split_rows
    from common.inputs.images import packaged_digits

    pictures, labels = packaged_digits()
    parts = split_rows(labels.tolist(), seed=0)
    rows = dict(zip(PARTS, parts, strict=True))[part]
    return Digits(pictures[..., 0], {digit: rows[labels[rows] == int(digit)] for digit in DIGITS})


@functools.cache
def photographs() -> tuple[np.ndarray, ...]:
    """The packaged photographs, PHOTO pixels high."""
    from PIL import Image

    from common.inputs.images import PHOTOGRAPHS, packaged_photograph, read_picture

    pictures = [Image.fromarray(read_picture(packaged_photograph(name))) for name in PHOTOGRAPHS]
    return tuple(np.asarray(p.resize((PHOTO * p.width // p.height, PHOTO), Image.Resampling.BOX)) for p in pictures)


def piece_of_photograph(side: int, random: np.random.Generator, part: str) -> np.ndarray:
    """A square piece (side, side, 3) uint8 of a photograph, from the rows of this part."""
    photo = photographs()[random.integers(len(photographs()))]
    top = random.integers(PARTS[part][0], PARTS[part][1] - side + 1)
    left = random.integers(photo.shape[1] - side + 1)
    return photo[top : top + side, left : left + side]


def ink_box(picture: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a digit (28, 28) that hold ink."""
    ink = picture > 40
    rows, columns = (np.flatnonzero(ink.any(axis=axis))[[0, -1]] for axis in (1, 0))
    return slice(int(rows[0]), int(rows[1]) + 1), slice(int(columns[0]), int(columns[1]) + 1)
