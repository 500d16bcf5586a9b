"""Pictures as Keras reads them: decoded when they are needed, shrunk ones kept as far as memory goes."""

from collections.abc import Sequence

import keras
import numpy as np

from common.errors import UserError
from common.inputs.images import Kept
from projects.colorization.data import Picture, middle, resized, shrunk
from projects.colorization.lab import AB_SCALE, L_SCALE, to_lab


def scaled(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) uint8 -> the network's input (…, 1) and target (…, 2), both about -1 … 1."""
    lightness, ab = to_lab(pixels)
    return lightness / L_SCALE - 1, ab / AB_SCALE


class Photographs(keras.utils.PyDataset):
    """Batches of (input (n, side, side, 1), target (n, side, side, 2)) float32 of squares of the pictures.

    zoom: None gives the middle squares in order. A number is for training: shuffled, a random square whose side is the
    picture's shorter one or up to `zoom` times less, shrunk to `side`, mirrored by chance. epoch: how many are over
    already. What an epoch draws depends on its number alone, because Keras asks from threads of its own, and sometimes
    for batches that it throws away. A picture that cannot be decoded is kept in `problem`: TensorFlow would turn
    the error into its own.
    """

    def __init__(
        self, pictures: Sequence[Picture], side: int, batch_size: int, zoom: float | None = None, epoch: int = 0
    ):
        super().__init__()
        self.pictures, self.side, self.batch_size, self.zoom = pictures, side, batch_size, zoom
        self.epoch, self.order = epoch, np.arange(len(pictures))
        self.kept = Kept(lambda number: shrunk(pictures[number], round(side * (zoom or 1))))
        self.problem: UserError | None = None

    def __len__(self) -> int:
        return -(-len(self.pictures) // self.batch_size)

    def on_epoch_begin(self) -> None:
        self.epoch += 1
        if self.zoom:
            self.order = np.random.default_rng(self.epoch).permutation(len(self.pictures))

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng((self.epoch, index))
        numbers = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        try:
            return scaled(np.stack([self._square(number, random) for number in numbers]))
        except UserError as error:
            self.problem = error
            raise

    def _square(self, number: int, random: np.random.Generator) -> np.ndarray:
        pixels = self.kept[number]
        if not self.zoom:
            return middle(pixels, self.side)
        shorter = min(pixels.shape[:2])
        side = max(1, round(shorter / self.zoom ** random.random()))
        top, left = (int(random.integers(length - side + 1)) for length in pixels.shape[:2])
        pixels = resized(pixels[top : top + side, left : left + side], self.side / side)
        return pixels[:, ::-1] if random.random() < 0.5 else pixels
