"""From a picture to the network's input, and from its logits to an answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.evaluation import TEMPERATURE, softmax
from common.inputs.images import input_picture, picture_header, read_picture
from common.saved import unlike
from common.schema import Between
from projects.image_classification.augment import augment
from projects.image_classification.config import Config

MAX_FILE_PIXELS = 50_000_000  # a camera's picture; larger files in a folder are left out, and refused alone
MAX_SAMPLE = 2000  # files of a folder that `describe` reads
ANSWERED = 10  # the most probable classes, which an answer lists
DARK = 32  # level, 0 … 255: training pictures with a border below it have a dark background
LIGHT = 128  # level: another picture with a border above it has a light background
BOX = 20 / 28  # MNIST's digits were scaled into a box of this fraction of the side (LeCun et al. 1998)
MIN_INK = 0.15  # fraction of the strongest ink; fainter pixels are paper

Inputs = np.ndarray | list[Path]  # pictures (n, height, width, channels) uint8, or files that are read when needed

# What meta.json holds (see common/schema.py).
META = {
    "classes": [str],
    "shape": [Between(1, 4096)],
    "mean": [float],
    "variance": [float],
    "ground": float,
    "augment": ("none", "strokes", "objects"),
    "strokes": bool,
    "temperature": TEMPERATURE,
    "familiar": {"whiten": [[float]], "means": [[float]], "limit": float},
    "examples": [str],
}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit the network, in a few words; empty where it does."""
    shapes = ([(None, *meta["shape"])], [(None, len(meta["classes"]))])
    if wrong := unlike(networks, {"model": shapes}) or ("" if meta["examples"] else "examples is empty"):
        return wrong
    width = networks["model"].layers[-1].input.shape[-1] if networks else len(meta["familiar"]["whiten"])
    rows = [*meta["familiar"]["whiten"], *meta["familiar"]["means"]]
    fits = len(meta["familiar"]["whiten"]) == width < len(rows) and {len(row) for row in rows} == {width}
    return "" if fits else f"familiar is not about {width} features"


def describe(config: Config, train: Inputs, classes: list[str], strokes: bool) -> dict[str, Any]:
    """`meta`: what encoding needs to know, from the training pictures alone.

    shape: of the network's input. mean, variance: of each channel, in levels of 0 … 255. ground: the background, which
    is the median level along the border. augment: the kind of random changes in training. strokes: whether the pictures
    are pen strokes; then a drawing or a photograph is centred as MNIST's digits are.
    Of a folder of files at most MAX_SAMPLE are read.
    """
    if isinstance(train, np.ndarray):
        sample = train
    else:
        files = [train[i] for i in np.unique(np.linspace(0, len(train) - 1, MAX_SAMPLE).astype(int))]
        coloured = any(picture_header(path, MAX_FILE_PIXELS)[2] for path in files)
        sample = pixels(files, range(len(files)), (config.size, config.size, 3 if coloured else 1))
    levels = np.arange(256.0)
    counts = [np.bincount(sample[..., channel].ravel(), minlength=256) for channel in range(sample.shape[-1])]
    means = [float(count @ levels / count.sum()) for count in counts]
    variances = [float(count @ (levels - mean) ** 2 / count.sum()) for count, mean in zip(counts, means, strict=True)]
    border = np.concatenate([sample[:, [0, -1]].ravel(), sample[:, :, [0, -1]].ravel()])
    return {
        "classes": classes,
        "shape": list(sample.shape[1:]),
        "mean": means,
        "variance": [max(variance, 1.0) for variance in variances],
        "ground": float(np.median(border)),
        "augment": config.augment if config.augment != "auto" else "strokes" if strokes else "objects",
        "strokes": strokes,
    }


def pixels(inputs: Inputs, rows: Sequence[int] | np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The pictures of these rows (n, height, width, channels) uint8, at the network's size."""
    if isinstance(inputs, np.ndarray):
        return inputs[rows]
    return np.stack([read(inputs[row], shape) for row in rows])


def picture_stream(
    inputs: Inputs,
    targets: np.ndarray | None,
    shape: Sequence[int],
    batch_size: int,
    augmentation: str | None = None,
    seed: int = 0,
) -> Any:
    """A `common.stream.Stream` of pictures (n, height, width, channels) float32, 0 … 255, and class numbers (n,).

    targets: None for pictures without class numbers. augmentation: None keeps the order and the pictures as they are.
    A name of AUGMENTATIONS, or `none`, is for training: the order is shuffled and the pictures are changed.
    Files are decoded when they are first needed; shrunk ones are kept as far as a Cache takes them.
    """
    from common.stream import Cache, Stream, row_batches

    cache = Cache(lambda row: read(inputs[row], shape))

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        return row_batches(len(inputs), batch_size, random if augmentation else None)

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        pictures = inputs[rows] if isinstance(inputs, np.ndarray) else np.stack([cache[int(row)] for row in rows])
        x = augment(pictures, random, augmentation or "none")
        return (x,) if targets is None else (x, targets[rows])

    return Stream(plan, load, seed)


def read(path: Path, shape: Sequence[int]) -> np.ndarray:
    """The picture in a file at the network's size (height, width, channels) uint8."""
    return squared(read_picture(path, MAX_FILE_PIXELS), shape)


def squared(picture: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(h, w, 3) uint8 -> its middle square at `shape` (side, side, channels), by Pillow's bicubic filter."""
    from PIL import Image

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(np.ascontiguousarray(picture[top : top + side, left : left + side]))
    square = square.convert("L") if shape[2] == 1 else square
    if side != shape[0]:
        square = square.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(square).reshape(shape)


def in_colour(picture: np.ndarray) -> np.ndarray:
    """(h, w, 1 or 3) uint8 -> (h, w, 3)."""
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def encode(raw: dict[str, Any], meta: dict[str, Any]) -> np.ndarray:
    """{"picture": (h, w, 3) uint8} -> the network's input (1, height, width, channels) float32, 0 … 255.

    A picture of another size is cut to its middle square and shrunk. Where the network has learnt on a dark background,
    a picture with a light border is inverted first. Where it has learnt pen strokes, they are scaled and centred as in
    MNIST. Raises UserError for an array of another kind or with too many pixels.
    """
    picture, shape = input_picture(raw, MAX_FILE_PIXELS), meta["shape"]
    if list(picture.shape[:2]) == shape[:2]:
        fitted = squared(picture, shape)
    else:
        if meta["ground"] < DARK and border_level(picture) > LIGHT:
            picture = 255 - picture
        fitted = as_digit(picture, shape[0])[..., None] if meta["strokes"] else squared(picture, shape)
    return fitted[None].astype("float32")


def decode(logits: np.ndarray, classes: list[str]) -> list[dict[str, Any]]:
    """Calibrated logits (n, classes) -> for each row {"label", "probability", "classes": the ANSWERED likeliest}."""
    answers = []
    for row in softmax(logits):
        order = np.argsort(-row, kind="stable")[:ANSWERED]
        likeliest = {classes[k]: float(row[k]) for k in order}
        answers.append({"label": classes[order[0]], "probability": float(row[order[0]]), "classes": likeliest})
    return answers


def border_level(picture: np.ndarray) -> float:
    """The median level along the border."""
    return float(np.median(np.concatenate([picture[[0, -1]].ravel(), picture[:, [0, -1]].ravel()])))


def as_digit(picture: np.ndarray, side: int) -> np.ndarray:
    """Light strokes on a dark background (h, w, 3) uint8 -> (side, side) uint8, prepared as MNIST was.

    The strokes are scaled into a box of 20/28 of the side, with their proportions kept, and moved until their centre of
    mass is in the middle. A picture without ink becomes all dark.
    """
    from PIL import Image
    from scipy.ndimage import shift

    grey = Image.fromarray(picture).convert("L")
    grey.thumbnail((2048, 2048))  # otherwise a camera's picture would take a gigabyte as floats
    ink = np.asarray(grey).astype(float)
    ink = np.clip(ink - np.median(ink), 0, None)  # most of the picture is paper
    mask = ink > MIN_INK * max(ink.max(), 1.0)
    if not mask.any():
        return np.zeros((side, side), np.uint8)
    ink = ink * (255 / ink.max())
    (top, *_, bottom), (left, *_, right) = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    box = Image.fromarray(ink[top : bottom + 1, left : right + 1].astype(np.uint8))
    factor = BOX * side / max(box.size)
    box = box.resize([max(1, round(factor * length)) for length in box.size], Image.Resampling.BOX)
    canvas = np.zeros((side, side))
    width, height = box.size
    y, x = (side - height) // 2, (side - width) // 2
    canvas[y : y + height, x : x + width] = np.asarray(box)
    mass = canvas.sum()
    centre = [float((canvas.sum(axis=axis) @ np.arange(side)) / mass) for axis in (1, 0)]
    moved = shift(canvas, [side / 2 - place for place in centre], order=1)  # MNIST's centre is at 14.0, not at 13.5
    return np.clip(np.round(moved), 0, 255).astype(np.uint8)
