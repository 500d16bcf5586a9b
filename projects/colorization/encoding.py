"""From a picture to the numbers that the network reads, and from the network's output to a coloured picture."""

from typing import Any

import numpy as np

from common.errors import UserError
from common.inputs.images import MAX_PIXELS, input_picture
from common.saved import unlike
from common.schema import Between
from projects.colorization.lab import colourfulness, enlarged, lightness, to_lab, to_rgb

L_SCALE, AB_SCALE = 50.0, 110.0  # L / 50 - 1 and ab / 110 lie in -1 … 1: sRGB's a is -86 … 98, its b -108 … 94
MIN_SIDE = 16  # pixels; a smaller picture shows nothing to colour
MAX_SQUARES = 16  # the network reads at most this many times size × size pixels, of a very long picture too

META = {"size": Between(1, 4096), "depth": Between(1, 16), "examples": [str]}  # meta.json (see common/schema.py)


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit the network, in a few words; empty where it does."""
    if wrong := unlike(networks, {"model": ([(None, None, None, 1)], [(None, None, None, 2)])}):
        return wrong
    depth = sum(layer.name.startswith("double_") for layer in networks["model"].layers)
    if depth != meta["depth"]:
        return f"depth is {meta['depth']}, but the network has {depth} halvings"
    return "" if meta["examples"] else "examples is empty"


def encode(raw: dict[str, Any], meta: dict[str, Any]) -> np.ndarray:
    """{"picture": (h, w, 3) uint8} -> the network's input (1, height, width, 1) float32, -1 … 1.

    The picture is resized to `network_shape` and mirrored at the right and lower border until the network can halve
    both sides. Raises UserError for another kind of array, a side under MIN_SIDE or more than MAX_PIXELS pixels.
    """
    picture = input_picture(raw, MAX_PIXELS, MIN_SIDE)
    x, _ = inputs_and_targets(resized(picture, network_shape(*picture.shape[:2], meta["size"])))
    return padded(x[None], meta["depth"])


def decode(output: np.ndarray, raw: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """The network's output (height, width, 2) for `encode(raw, meta)` -> {"picture": (h, w, 3) uint8, "colourfulness"}.

    The predicted a and b are enlarged and combined with the lightness of the whole picture.
    """
    shape = raw["picture"].shape[:2]
    height, width = network_shape(*shape, meta["size"])
    picture = to_rgb(lightness(raw["picture"]), enlarged(AB_SCALE * output[:height, :width], shape))
    return {"picture": picture, "colourfulness": colourfulness(picture)}


def check_side(height: int, width: int, name: str) -> None:
    """Raise a UserError about the picture called `name` if it is too small."""
    if min(height, width) < MIN_SIDE:
        raise UserError(f"{name} has {width} × {height} pixels; each side needs at least {MIN_SIDE}.")


def network_shape(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) at which the network reads a picture: the shorter side has `size` pixels, or fewer in a very long
    picture."""
    return scaled_shape(height, width, min(size / min(height, width), size * (MAX_SQUARES / (height * width)) ** 0.5))


def scaled_shape(height: int, width: int, factor: float) -> tuple[int, int]:
    """Both sides times `factor`, in whole pixels, at least 1."""
    return max(1, round(factor * height)), max(1, round(factor * width))


def inputs_and_targets(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) uint8 -> the network's input (…, 1) and target (…, 2), float32 in about -1 … 1."""
    light, ab = to_lab(picture)
    return light / L_SCALE - 1, ab / AB_SCALE


def padded(x: np.ndarray, depth: int) -> np.ndarray:
    """(n, h, w, 1), mirrored at the right and lower border until h and w are multiples of 2 ** depth."""
    height, width = x.shape[1:3]
    step = 2**depth
    return np.pad(x, [(0, 0), (0, -height % step), (0, -width % step), (0, 0)], mode="symmetric")


def resized(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) uint8 -> (*shape, 3) by Pillow's bicubic filter, which is antialiased when it shrinks."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize(shape[::-1], Image.Resampling.BICUBIC))


def middle(picture: np.ndarray, side: int) -> np.ndarray:
    """The middle square (side, side, 3)."""
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]
