"""Networks of `keras.applications` that were trained on ImageNet, frozen, as the first part of an own network.

Keras downloads the weights when a backbone is used for the first time, and checks them. Nothing else needs a network.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from common.errors import UserError
from common.files import replacing

SIDE, GRID = 256, 8  # pixels that a backbone looks at, and places that it gives, along each side
CHANNELS = {"mobilenet_v2": 1280, "resnet50_v2": 2048}  # Sandler et al. 2018; He et al. 2016
NETWORKS = {"mobilenet_v2": keras.applications.MobileNetV2, "resnet50_v2": keras.applications.ResNet50V2}
BATCH = 32


def grid_shape(name: str) -> tuple[int, int, int]:
    """Shape of what a backbone gives for one picture: GRID × GRID places, each a vector."""
    return GRID, GRID, CHANNELS[name]


def load(name: str, shape: tuple[int, ...], weights: str | None = "imagenet") -> keras.Model:
    """Pixels (n, *shape), 0 … 255 -> a grid (n, *grid_shape(name)). Nothing of it can be trained.

    weights: None: random ones, for tests. Raises UserError where the weights cannot be had.
    """
    try:
        network = NETWORKS[name](include_top=False, weights=weights, input_shape=(SIDE, SIDE, 3))
    except Exception as error:  # Keras raises this class when a download fails
        raise UserError(f"The weights of {name} could not be loaded: {error}") from error
    network.trainable = False
    pixels = keras.Input(shape, name="pixels")
    x = layers.Resizing(SIDE, SIDE, name="resized")(pixels)
    x = layers.Rescaling(1 / 127.5, -1, name="from_minus_1_to_1")(x)  # as both networks were trained
    return keras.Model(pixels, network(x, training=False), name=name)


def grids(
    backbone: keras.Model,
    pictures: Callable[[np.ndarray], np.ndarray],
    count: int,
    file: Path,
    log: Callable[[str], None],
) -> np.ndarray:
    """What the backbone gives for `count` pictures, (count, *grid) float16. It is read from the disk as it is needed.

    pictures: rows -> pixels (n, height, width, 3). file: of an earlier call; it is made where it is missing. log: is
    told the progress. Raises UserError where the file holds something else.
    """
    wrong = UserError(f"{file} does not hold what {backbone.name} gives. Delete it, and it will be made again.")
    shape = (count, *backbone.output.shape[1:])
    if not file.exists():
        with replacing(file) as temporary:
            made = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
            for begin in range(0, count, BATCH):
                rows = np.arange(begin, min(begin + BATCH, count))
                made[rows] = backbone.predict_on_batch(pictures(rows).astype("float32"))
                if begin // BATCH % 20 == 0:
                    log(f"{backbone.name} looks at the pictures: {rows[-1] + 1:,} of {count:,}")
            made.flush()
            del made
    try:
        kept = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        raise wrong from None
    if kept.shape != shape or kept.dtype != np.float16:
        raise wrong
    return kept


def on_top(head: keras.Model, backbone: keras.Model) -> keras.Model:
    """The head, which was trained on grids, as a model of pixels, with the same name and the same outputs."""
    pixels = keras.Input(backbone.input.shape[1:], name="pixels")
    return keras.Model(pixels, head(backbone(pixels)), name=head.name)
