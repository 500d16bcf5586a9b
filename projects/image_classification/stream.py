"""Pictures as Keras reads them: decoded when they are needed, augmented by the batch, small ones kept in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from common.errors import UserError
from common.inputs.images import Kept, picture_header, read_picture
from projects.image_classification.data import MAX_PIXELS, Inputs

KNOTS = 4  # a side: where a picture is bent; between them the displacement is interpolated
# How far a picture is turned (degrees), scaled and sheared (shares), shifted and bent (shares of its side), and whether
# it is mirrored. Bending is Simard et al.'s elastic distortion (2003), on a coarse grid instead of a smoothed field.
CHANGES = {
    "strokes": {
        "turn": 12.0,
        "scale": 0.15,
        "shear": 0.2,
        "shift": 0.07,
        "bend": 0.06,
        "mirror": False,
    },  # a mirrored 2 is no 2
    "objects": {"turn": 0.0, "scale": 0.1, "shear": 0.0, "shift": 0.12, "bend": 0.0, "mirror": True},
}


def read(path: Path, shape: Sequence[int]) -> np.ndarray:
    """A file as the network's input (height, width, channels) uint8: its middle square, shrunk."""
    return squared(read_picture(path, MAX_PIXELS), shape)


def squared(picture: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(h, w, 3) uint8 -> the middle square at `shape` (side, side, channels), by Pillow's antialiased bicubic."""
    from PIL import Image

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = Image.fromarray(np.ascontiguousarray(picture[top : top + side, left : left + side]))
    middle = middle.convert("L") if shape[2] == 1 else middle
    if side != shape[0]:
        middle = middle.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(middle).reshape(shape)


def all_grey(paths: Sequence[Path]) -> bool:
    """Whether all of these files are stored without colour."""
    return not any(picture_header(path, MAX_PIXELS)[2] for path in paths)


def changed(pictures: np.ndarray, random: np.random.Generator, kind: str) -> np.ndarray:
    """A batch (n, h, w, c) turned, scaled, sheared, shifted, bent and mirrored at random, each picture in its own way.

    kind: of CHANGES, or `none`. Each output pixel is read where it comes from, between four pixels; beyond the border
    lies the border's own colour. Returns float32.
    """
    pictures = pictures.astype("float32")
    if kind == "none":
        return pictures
    count, height, width, channels = pictures.shape
    limits: dict[str, Any] = CHANGES[kind]

    def drawn(limit: float, size: Any = count) -> np.ndarray:
        return random.uniform(-limit, limit, size)

    turn, shear = np.deg2rad(drawn(limits["turn"])), drawn(limits["shear"])
    scale_x, scale_y = np.exp(drawn(limits["scale"])), np.exp(drawn(limits["scale"]))
    if limits["mirror"]:
        scale_x *= random.choice([-1.0, 1.0], count)
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = np.array([[cosine * scale_x, -sine * scale_y + shear], [sine * scale_x, cosine * scale_y]]).transpose(
        2, 0, 1
    )
    sides, middle = np.array([[width], [height]]), np.array([[(width - 1) / 2], [(height - 1) / 2]])
    shift = drawn(limits["shift"], (count, 2, 1)) * sides + middle
    bent = drawn(limits["bend"], (count, 2, KNOTS**2)) * sides
    # Where each pixel is read: its place times the matrix, the shift, and what the knots around it add. A small product
    # for each picture: for a large one BLAS would wake a thread, which then spins on a core that TensorFlow needs.
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height))).reshape(2, -1) - middle
    basis = np.concatenate([grid, np.ones((1, grid.shape[1])), np.kron(_between(height), _between(width)).T])
    factors = np.concatenate([matrix, shift, bent], axis=2).astype("float32")
    places = factors @ basis.astype("float32")
    x, y = np.clip(places[:, 0], 0, width - 1), np.clip(places[:, 1], 0, height - 1)
    left, top = np.minimum(x.astype("int32"), width - 2), np.minimum(y.astype("int32"), height - 2)
    across, down = (x - left).astype("float32")[..., None], (y - top).astype("float32")[..., None]
    flat, at = pictures.reshape(count * height * width, channels), top * width + left
    at += np.arange(count, dtype="int32")[:, None] * (height * width)
    above, below = (
        flat.take(at + row, axis=0) * (1 - across) + flat.take(at + row + 1, axis=0) * across for row in (0, width)
    )
    return (above * (1 - down) + below * down).reshape(pictures.shape)


def _between(length: int) -> np.ndarray:
    """How much each of KNOTS evenly spaced knots counts at each place: (length, KNOTS), rows add up to 1."""
    at = np.linspace(0, KNOTS - 1, length)[:, None]
    return np.maximum(0, 1 - np.abs(at - np.arange(KNOTS)))


class Pictures(keras.utils.PyDataset):
    """Batches of pictures (n, height, width, channels) float32 of 0 … 255, with class numbers where there are any.

    augment: a kind of CHANGES: shuffled and changed; None: in order, as they are. epoch: how many are over already.
    What an epoch draws depends on the seed and its number alone, because Keras asks from threads of its own, and
    sometimes for batches that it throws away. A file that cannot be decoded is kept in `problem`, because TensorFlow
    would turn the error into its own.
    """

    def __init__(
        self,
        inputs: Inputs,
        targets: np.ndarray | None,
        shape: Sequence[int],
        batch_size: int,
        augment: str | None = None,
        seed: int = 0,
        epoch: int = 0,
    ):
        super().__init__()
        self.inputs, self.targets, self.shape, self.batch_size = inputs, targets, tuple(shape), batch_size
        self.augment, self.seed, self.epoch, self.order = augment, seed, epoch, np.arange(len(inputs))
        self.kept = Kept(lambda row: read(inputs[row], shape))
        self.problem: UserError | None = None

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch_size)

    def on_epoch_begin(self) -> None:
        self.epoch += 1
        if self.augment:
            self.order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.inputs))

    def __getitem__(self, index: int):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        pictures = self.pixels(rows)
        if self.augment:
            pictures = changed(pictures, np.random.default_rng((self.seed, self.epoch, index)), self.augment)
        batch = pictures.astype("float32")
        return (batch,) if self.targets is None else (batch, self.targets[rows])

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """The pictures of these rows (n, height, width, channels) uint8, unchanged."""
        if isinstance(self.inputs, np.ndarray):
            return self.inputs[rows]
        try:
            return np.stack([self.kept[int(row)] for row in rows])
        except UserError as error:
            self.problem = error
            raise
