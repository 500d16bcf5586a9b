"""How was this picture shrunk? The blur is read off the picture's own power spectrum.

Natural photographs look alike at every size, so the power of their details falls by one law, about as f^-2.3, a
straight line on logarithmic axes (Field 1987; van der Schaaf & van Hateren 1996). A blur bends that line by the square
of its own response, and sampling folds what is left beyond the last frequency back into the picture. So the kernel is
the one under which a straight line, blurred and folded, meets the spectrum that the small picture has. Michaeli &
Irani (2013) ask the same of patches, in the picture and in its shrunk copy; Goldstein & Fattal (2012) use the law on
motion blur.
"""

import math

import numpy as np
from scipy.optimize import least_squares

from projects.super_resolution.resize import cubic, gaussian_kernel, to_ycbcr

FALL, TIE = 2.3, 0.1  # the power of natural pictures is about f^-FALL; how firmly each picture is held to it
SIDE = 64  # of the squares whose spectra are averaged, in small pixels
LEAST_SIDE = 16  # smaller squares have too few frequencies: bicubic is assumed
LOWEST = 2.5  # waves across a square: below, its window smears the spectrum
TURNS = 2  # how much power lies in which direction: a Fourier series of this length, in twice the angle
EVEN = 0.03  # pulls that series towards the same power everywhere
ROUNDING = 0.0275  # power that rounding R, G and B to whole levels adds to Y
BETTER = 1.4  # a Gaussian has to fit this many times better than bicubic, which has no free numbers
SIGMAS = (0.3, 8.0)  # least and most that is answered, in large pixels


def estimate_blur(low: np.ndarray, scale: int) -> tuple[float, float, float] | None:
    """(along, across, angle) of the Gaussian by which `low` (h, w, 3) uint8 was shrunk `scale` times, as
    `resize.gaussian_kernel` takes them: sigmas in large pixels, degrees. None: bicubic explains the picture as well.
    """
    side = min(SIDE, *(length // 2 for length in low.shape[:2])) // 2 * 2  # so that there are several squares
    if side < LEAST_SIDE:
        return None
    spectrum = power(to_ycbcr(low.astype(float))[..., 0], side)
    line = np.fft.fftfreq(side)
    y, x = np.meshgrid(line, line, indexing="ij")
    radius = np.hypot(x, y)
    chosen = (radius >= LOWEST / side) & (radius <= 0.5) & ((y > 0) | ((y == 0) & (x > 0)))  # the rest mirrors these
    x, y, radius, found = x[chosen], y[chosen], radius[chosen], np.log(spectrum[chosen] + 1e-6)
    angle = 2 * np.arctan2(y, x) * np.arange(1, TURNS + 1)[:, None]
    directions = np.concatenate([np.ones((1, len(x))), np.cos(angle), np.sin(angle)])
    # Every frequency of the large picture that sampling folds onto (x, y), in waves a small pixel.
    folded = [(x + right, y + down) for right in (-1, 0, 1) for down in (-1, 0, 1)]
    folded = [(u, v, np.log(np.hypot(u, v)), np.maximum(abs(u), abs(v)) <= scale / 2) for u, v in folded]
    weight = radius**-0.5 / np.linalg.norm(radius**-0.5)  # each ring counts the same

    bicubic_powers = [bicubic_power(u, v, scale) for u, v, _, _ in folded]

    def misfit(numbers: np.ndarray) -> np.ndarray:
        """numbers: the fall, the series of directions and, where the kernel is a Gaussian, its shape."""
        fall, series, shape = np.split(numbers, [1, 1 + len(directions)])
        powers = [gaussian_power(u, v, shape) for u, v, _, _ in folded] if len(shape) else bicubic_powers
        laws = [np.exp(-fall * log) * there for _, _, log, there in folded]
        expected = np.exp(np.clip(series @ directions, -40, 40)) * np.sum(np.multiply(laws, powers), axis=0)
        return np.concatenate([weight * (np.log(expected + ROUNDING) - found), EVEN * series[1:], TIE * (fall - FALL)])

    start = np.zeros(1 + len(directions))
    start[:2] = FALL, np.mean(found + FALL * np.log(radius))
    bicubic, gaussian = least_squares(misfit, start), least_squares(misfit, [*start, 0.5, 0.0, 0.5])
    if bicubic.cost < BETTER * gaussian.cost:
        return None
    first, both, second = gaussian.x[len(directions) + 1 :]
    root = scale * np.array([[first, both], [0, second]])
    variances, axes = np.linalg.eigh(root.T @ root)
    across, along = np.clip(np.sqrt(np.maximum(variances, 0)), *SIGMAS)
    return float(along), float(across), math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180


def resolve_kernel(kernel: np.ndarray | str | None, low: np.ndarray, scale: int) -> tuple[np.ndarray | None, str]:
    """(kernel, its name) for `resize.shrink`, where "estimate" has been replaced by what `low` itself tells."""
    if not isinstance(kernel, str):
        return kernel, "bicubic" if kernel is None else "given"
    if (found := estimate_blur(low, scale)) is None:
        return None, "bicubic, estimated"
    return gaussian_kernel(*found, scale), "Gaussian of sigmas {:.2f} and {:.2f} at {:.0f}°, estimated".format(*found)


def power(brightness: np.ndarray, side: int) -> np.ndarray:
    """Mean power spectrum (side, side) of the squares of (h, w), half overlapping, under a Hann window (Welch 1967)."""
    window = np.outer(*2 * [np.hanning(side + 1)[:-1]])
    total, count = np.zeros((side, side)), 0
    for top in range(0, brightness.shape[0] - side + 1, side // 2):
        for left in range(0, brightness.shape[1] - side + 1, side // 2):
            square = brightness[top : top + side, left : left + side]
            square = square - np.average(square, weights=window)
            total += np.abs(np.fft.fft2(window * square)) ** 2
            count += 1
    return total / (count * np.square(window).sum())


def gaussian_power(u: np.ndarray, v: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Squared response of a Gaussian at (u, v) waves a small pixel; shape: upper triangular root of its covariance."""
    first, both, second = shape
    return np.exp(-4 * np.pi**2 * ((first * u + both * v) ** 2 + (second * v) ** 2))


def bicubic_power(u: np.ndarray, v: np.ndarray, scale: int) -> np.ndarray:
    """Squared response of MATLAB's antialiased bicubic at (u, v) waves a small pixel."""
    places = (np.arange(-2 * scale, 2 * scale) + 0.5 * (1 - scale % 2)) / scale
    weights = cubic(places) / cubic(places).sum()
    along, down = (np.cos(2 * np.pi * np.multiply.outer(wave, places)) @ weights for wave in (u, v))
    return np.square(along * down)
