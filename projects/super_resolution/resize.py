"""Shrinking and enlarging pictures as the field's benchmarks do.

Pictures are float arrays (height, width, channels) in levels 0 … 255. `imresize` follows MATLAB's function of that
name, which was used for every published table on Set5: coordinates of pixel centres, mirrored edges, and a kernel that
is stretched when shrinking, so that nothing aliases.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

Scale = int | Fraction


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -1/2 (Keys 1981, eq. 15)."""
    x = np.abs(distance)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def lanczos(distance: np.ndarray) -> np.ndarray:
    """The Lanczos kernel with three lobes (Duchon 1979)."""
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0.0)


def box(distance: np.ndarray) -> np.ndarray:
    return ((distance >= -0.5) & (distance < 0.5)).astype(float)


METHODS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {  # name -> kernel, width of its support in pixels
    "bicubic": (cubic, 4),
    "lanczos": (lanczos, 6),
    "nearest": (box, 1),
}


@lru_cache(maxsize=256)
def resize_matrix(size: int, new_size: int, method: str = "bicubic") -> csr_array:
    """Sparse weights (new_size, size) that resample a line of `size` pixels to `new_size`."""
    kernel, support = METHODS[method]
    ratio = new_size / size
    stretch = min(ratio, 1.0)  # shrinking widens the kernel: antialiasing
    centres = (np.arange(new_size) + 0.5) / ratio - 0.5
    taps = math.ceil(support / stretch) + 2
    columns = np.floor(centres - support / stretch / 2).astype(int)[:, None] + np.arange(taps)
    weights = kernel(stretch * (centres[:, None] - columns))
    weights /= weights.sum(axis=1, keepdims=True)
    columns = columns % (2 * size)  # beyond its edges the picture is mirrored
    columns = np.where(columns < size, columns, 2 * size - 1 - columns)
    rows = np.repeat(np.arange(new_size), taps)
    return csr_array((weights.ravel(), (rows, columns.ravel())), shape=(new_size, size))


def imresize(picture: np.ndarray, shape: tuple[int, int], method: str = "bicubic") -> np.ndarray:
    """(h, w, c) -> (*shape, c) by a method of METHODS."""
    height, width, channels = picture.shape
    tall = resize_matrix(height, shape[0], method) @ picture.reshape(height, -1)
    across = tall.reshape(shape[0], width, channels).transpose(1, 0, 2).reshape(width, -1)
    both = resize_matrix(width, shape[1], method) @ across
    return np.ascontiguousarray(both.reshape(shape[1], shape[0], channels).transpose(1, 0, 2))


def shrink(picture: np.ndarray, scale: Scale, kernel: np.ndarray | None = None) -> np.ndarray:
    """The picture made `scale` times smaller: bicubic, or blurred by `kernel` and then sampled.

    kernel: weights (rows, columns) for the pixels of the large picture. They are correlated with it (not flipped) and
    centred on each small pixel. With a kernel the scale must be a whole number.
    """
    from scipy.signal import fftconvolve

    height, width = picture.shape[:2]
    if kernel is None:
        return imresize(picture, (round(height / scale), round(width / scale)))
    scale = int(scale)
    weights = centred(kernel, scale)
    size = len(weights)
    padded = np.pad(picture, ((size, size), (size, size), (0, 0)), mode="symmetric")
    blurred = fftconvolve(padded, weights[::-1, ::-1, None], mode="valid", axes=(0, 1))
    first = size - (size - scale) // 2
    rows, columns = height // scale, width // scale
    return blurred[first : first + scale * rows : scale, first : first + scale * columns : scale]


def centred(kernel: np.ndarray, scale: int) -> np.ndarray:
    """The kernel as a square whose centre lies on the centre of a small pixel. Its weights add up to 1.

    For an even scale the centre of a small pixel lies between large pixels, for an odd scale on one. So the square's
    side must be even where the scale is even, and odd where it is odd. Another kernel is moved by half a pixel, which
    averages neighbouring weights.
    """
    side = max(kernel.shape)
    square = np.zeros((side, side))
    top, left = (side - kernel.shape[0]) // 2, (side - kernel.shape[1]) // 2
    square[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    if (side - scale) % 2:
        moved = np.zeros((side + 1, side + 1))
        for down in (0, 1):
            for right in (0, 1):
                moved[down : down + side, right : right + side] += square / 4
        square = moved
    return square / square.sum()


def gaussian_kernel(along: float, across: float, angle: float, scale: int) -> np.ndarray:
    """A Gaussian with sigmas `along` and `across` (large pixels), turned by `angle` degrees and cut off at 3 sigma."""
    side = 2 * math.ceil(3 * max(along, across)) + scale % 2
    line = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(line, line, indexing="ij")
    turn = math.radians(angle)
    first, second = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    weights = np.exp(-0.5 * ((first / along) ** 2 + (second / across) ** 2))
    return weights / weights.sum()


def back_project(
    large: np.ndarray, small: np.ndarray, scale: Scale, times: int, kernel: np.ndarray | None = None
) -> np.ndarray:
    """Correct `large` so that it shrinks to `small`: enlarge the difference and add it (Irani & Peleg 1991)."""
    for _ in range(times):
        large = large + imresize(small - shrink(large, scale, kernel), large.shape[:2])
    return large


def enlarge(
    small: np.ndarray, scale: Scale, shape: tuple[int, int], kernel: np.ndarray | None = None, times: int = 8
) -> np.ndarray:
    """The linear estimate that the network corrects: bicubic, then `times` back-projections."""
    return back_project(imresize(small, shape), small, scale, times, kernel)


def quantise(picture: np.ndarray) -> np.ndarray:
    """Rounded to whole levels 0…255, still as floats."""
    return np.clip(np.round(picture), 0, 255)


def as_uint8(picture: np.ndarray) -> np.ndarray:
    return quantise(picture).astype(np.uint8)


def baseline(low: np.ndarray, scale: int, method: str) -> np.ndarray:
    """`low` (h, w, 3) uint8 made `scale` times larger by a method of METHODS, without learning."""
    shape = (low.shape[0] * scale, low.shape[1] * scale)
    return as_uint8(imresize(low.astype(float), shape, method))


# ITU-R BT.601 as in MATLAB's rgb2ycbcr: Y lies in 16 … 235.
TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
OFFSET = np.array([16.0, 128.0, 128.0])


def to_ycbcr(rgb: np.ndarray) -> np.ndarray:
    return rgb @ TO_YCBCR.T + OFFSET


def to_rgb(ycbcr: np.ndarray) -> np.ndarray:
    return (ycbcr - OFFSET) @ np.linalg.inv(TO_YCBCR).T
