"""From a raw input to what the learning needs: checks, the blur kernel, pictures folded for the network and back."""

import io
import math
import reprlib
from dataclasses import replace
from typing import Any

import numpy as np

from common.config import check
from common.errors import UserError
from common.inputs.images import input_picture
from common.saved import unlike
from common.schema import mismatch
from projects.super_resolution.config import Config
from projects.super_resolution.resize import gaussian_kernel

MIN_SIDE = 16  # pixels of a picture to be enlarged; a smaller one has nothing to learn from
MAX_PIXELS = 2_000_000  # the largest picture to be enlarged
MAX_LARGE_PIXELS = 16_000_000  # the largest enlarged picture
MAX_KERNEL = 64  # rows and columns of a blur kernel
MAX_KERNEL_BYTES = 100_000  # the largest file of a kernel

# What meta.json holds (see common/schema.py).
ANSWER = {"picture": str, "progress": float, "loss": (float, None), "seconds": float, "kernel": str}
META = {"config": {str: object}, "examples": [{"picture": str, "answer": ANSWER}]}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json is wrong, in a few words; empty where it is not. The run keeps no network."""
    return unlike(networks, {}) or ("" if meta["examples"] else "examples is empty")


def encode(raw: dict[str, Any], config: Config) -> tuple[np.ndarray, Config, np.ndarray | str | None]:
    """(picture, knobs, kernel) of a raw input. Raises UserError for what cannot be enlarged.

    raw: {"picture": (h, w, 3) uint8}, and optionally "scale", "quality" and "seed" instead of the config's, and
    "kernel": the weights (rows, columns) of the blur by which the picture was shrunk. A kernel of None is bicubic,
    "estimate" is estimated from the picture; without "kernel" it is the config's.
    """
    picture = input_picture(raw, MAX_PIXELS, MIN_SIDE)
    config = replace(config, **{name: raw[name] for name in ("scale", "quality", "seed") if name in raw})
    check(config)
    check_pixels(*picture.shape[:2], config.scale, "The picture")
    kernel = raw.get("kernel", assumed_kernel(config))
    return picture, config, kernel if isinstance(kernel, str) and kernel == "estimate" else checked_kernel(kernel)


def check_pixels(height: int, width: int, scale: int, name: str) -> None:
    """Raise a UserError about the small picture called `name` if it is too large."""
    limit = min(MAX_PIXELS, MAX_LARGE_PIXELS // scale**2)
    if height * width > limit:
        raise UserError(f"{name} has {height * width:,} pixels; at most {limit:,} can be enlarged {scale} times.")


def checked_kernel(kernel: Any) -> np.ndarray | None:
    """A blur kernel as floats that add up to 1; None is bicubic. Raises UserError for what is no kernel."""
    if kernel is None:
        return None
    kernel = np.asarray(kernel) if not mismatch(kernel, [[float]]) and len(set(map(len, kernel))) == 1 else kernel
    if not isinstance(kernel, np.ndarray):
        raise UserError(f"The kernel is {reprlib.repr(kernel)}; expected rows of numbers.")
    numbers = kernel.ndim == 2 and kernel.dtype.kind in "fiu"
    if not numbers or not 1 <= min(kernel.shape) <= max(kernel.shape) <= MAX_KERNEL:
        raise UserError(
            f"The kernel is {kernel.dtype} {kernel.shape}; expected numbers, at most {MAX_KERNEL} × {MAX_KERNEL}."
        )
    kernel = kernel.astype(float)
    kernel = kernel / (np.abs(kernel).max() or 1.0)  # so that no sum overflows
    if not np.isfinite(kernel).all() or kernel.sum() <= 1e-6 * np.abs(kernel).sum() or not kernel.any():
        raise UserError("The kernel's weights must be finite and add up to more than 0.")
    return kernel / kernel.sum()


def parse_kernel(content: bytes, name: str) -> np.ndarray | None:
    """`checked_kernel` of the bytes of a .npy file. The size in its header is checked before the array is made."""
    file = io.BytesIO(content)
    try:
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, kind = reader[np.lib.format.read_magic(file)](file)
        if math.prod(shape) * kind.itemsize > len(content):
            raise ValueError("it is cut short")
        file.seek(0)
        return checked_kernel(np.lib.format.read_array(file, allow_pickle=False))
    except (ValueError, OverflowError, EOFError, KeyError) as error:
        raise UserError(f"{name} is not a .npy file of numbers: {error}.") from None
    except UserError as error:
        raise UserError(f"{name} is no kernel: {error}") from None


def true_kernel(config: Config) -> np.ndarray | None:
    """The kernel that shrinks the ground truth; None is bicubic."""
    if config.kernel == "bicubic":
        return None
    return gaussian_kernel(config.blur_along, config.blur_across, config.blur_angle, config.scale)


def assumed_kernel(config: Config) -> np.ndarray | str | None:
    """The kernel that the learning undoes; None is bicubic, "estimate" is estimated from the picture."""
    return {"true": true_kernel(config), "bicubic": None, "estimate": "estimate"}[config.assume]


def kernel_name(config: Config) -> str:
    """The name of `true_kernel`."""
    if config.kernel == "bicubic":
        return "bicubic"
    return f"a Gaussian of sigmas {config.blur_along:g} and {config.blur_across:g} at {config.blur_angle:g}°"


def fold_in(picture: np.ndarray, fold: int) -> np.ndarray:
    """(h, w, c) -> (1, h / fold, w / fold, c fold²): each fold × fold square becomes channels (space to depth)."""
    height, width, channels = picture.shape
    squares = picture.reshape(height // fold, fold, width // fold, fold, channels).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(squares.reshape(1, height // fold, width // fold, channels * fold**2))


def fold_out(folded: np.ndarray, fold: int) -> np.ndarray:
    """The inverse of `fold_in`."""
    _, height, width, channels = folded.shape
    squares = folded.reshape(height, width, fold, fold, channels // fold**2).transpose(0, 2, 1, 3, 4)
    return squares.reshape(height * fold, width * fold, channels // fold**2)


def turned(picture: np.ndarray, turns: int, mirrored: int) -> np.ndarray:
    """(h, w, c), mirrored left to right if `mirrored`, then turned by `turns` quarters."""
    return np.rot90(picture[:, ::-1] if mirrored else picture, turns)


def turned_back(picture: np.ndarray, turns: int, mirrored: int) -> np.ndarray:
    """The inverse of `turned`."""
    back = np.rot90(picture, -turns)
    return back[:, ::-1] if mirrored else back
