"""Estimates the blur by which a picture was shrunk, from the power spectrum of the picture.

Natural photographs look alike at every size. So the power of their details falls with the frequency f by one law, about
f^-2.3, which is a straight line on logarithmic axes (Field 1987; van der Schaaf & van Hateren 1996). A blur multiplies
the power by the square of its response and so bends the line. Sampling then folds the frequencies above its limit back
into the picture. The estimated kernel is the one under which a straight line, blurred and folded, fits the spectrum of
the small picture best. Michaeli & Irani (2013) compare patches of the picture and of its shrunk copy instead; Goldstein
& Fattal (2012) use the same law for motion blur.
"""

import math

import numpy as np
from scipy.optimize import least_squares

from projects.super_resolution.resize import cubic, gaussian_kernel, to_ycbcr

EXPONENT, EXPONENT_PENALTY = 2.3, 0.1  # usual exponent of the law; weight of a picture's deviation from it
SIDE = 64  # side of the squares whose spectra are averaged, in small pixels
MIN_SIDE = 16  # smaller squares have too few frequencies; then bicubic is assumed
MIN_WAVES = 2.5  # across a square; the window distorts the spectrum of longer waves
DIRECTION_TERMS = 2  # length of the Fourier series (in twice the angle) that describes the power in each direction
DIRECTION_PENALTY = 0.03  # weight of that series' deviation from equal power in all directions
ROUNDING_POWER = 0.0275  # power that is added to Y by rounding R, G and B to whole levels
MIN_IMPROVEMENT = 1.4  # a Gaussian must fit this many times better than bicubic, which has no free parameters
SIGMAS = (0.3, 8.0)  # smallest and largest sigma of an answer, in large pixels


def estimate_blur(low: np.ndarray, scale: int) -> tuple[float, float, float] | None:
    """(along, across, angle) of the Gaussian blur of `low` (h, w, 3) uint8, which was shrunk `scale` times.

    The three numbers are those of `resize.gaussian_kernel`: sigmas in large pixels, degrees. None: bicubic explains the
    picture as well.
    """
    side = min(SIDE, *(length // 2 for length in low.shape[:2])) // 2 * 2  # so that there are several squares
    if side < MIN_SIDE:
        return None
    spectrum = power(to_ycbcr(low.astype(float))[..., 0], side)
    line = np.fft.fftfreq(side)
    y, x = np.meshgrid(line, line, indexing="ij")
    radius = np.hypot(x, y)
    half = (y > 0) | ((y == 0) & (x > 0))  # the other half of the spectrum mirrors it
    mask = (radius >= MIN_WAVES / side) & (radius <= 0.5) & half
    x, y, radius, measured = x[mask], y[mask], radius[mask], np.log(spectrum[mask] + 1e-6)
    angle = 2 * np.arctan2(y, x) * np.arange(1, DIRECTION_TERMS + 1)[:, None]
    directions = np.concatenate([np.ones((1, len(x))), np.cos(angle), np.sin(angle)])
    # Every frequency of the large picture that sampling folds onto (x, y), in waves per small pixel.
    folded = [(x + right, y + down) for right in (-1, 0, 1) for down in (-1, 0, 1)]
    folded = [(u, v, np.log(np.hypot(u, v)), np.maximum(abs(u), abs(v)) <= scale / 2) for u, v in folded]
    weight = radius**-0.5 / np.linalg.norm(radius**-0.5)  # rings of all radii have the same weight

    bicubic_powers = [bicubic_power(u, v, scale) for u, v, _, _ in folded]

    def residuals(parameters: np.ndarray) -> np.ndarray:
        """parameters: the exponent, the series of directions and, for a Gaussian kernel, its shape."""
        exponent, series, shape = np.split(parameters, [1, 1 + len(directions)])
        powers = [gaussian_power(u, v, shape) for u, v, _, _ in folded] if len(shape) else bicubic_powers
        laws = [np.exp(-exponent * log) * present for _, _, log, present in folded]
        expected = np.exp(np.clip(series @ directions, -40, 40)) * np.sum(np.multiply(laws, powers), axis=0)
        errors = weight * (np.log(expected + ROUNDING_POWER) - measured)
        return np.concatenate([errors, DIRECTION_PENALTY * series[1:], EXPONENT_PENALTY * (exponent - EXPONENT)])

    start = np.zeros(1 + len(directions))
    start[:2] = EXPONENT, np.mean(measured + EXPONENT * np.log(radius))
    bicubic, gaussian = least_squares(residuals, start), least_squares(residuals, [*start, 0.5, 0.0, 0.5])
    if bicubic.cost < MIN_IMPROVEMENT * gaussian.cost:
        return None
    first, both, second = gaussian.x[len(directions) + 1 :]
    root = scale * np.array([[first, both], [0, second]])
    variances, axes = np.linalg.eigh(root.T @ root)
    across, along = np.clip(np.sqrt(np.maximum(variances, 0)), *SIGMAS)
    return float(along), float(across), math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180


def resolve_kernel(kernel: np.ndarray | str | None, low: np.ndarray, scale: int) -> tuple[np.ndarray | None, str]:
    """(the kernel for `resize.shrink`, its name). The word "estimate" is replaced by the estimate from `low`."""
    if not isinstance(kernel, str):
        return kernel, "bicubic" if kernel is None else "given"
    if (shape := estimate_blur(low, scale)) is None:
        return None, "bicubic, estimated"
    return gaussian_kernel(*shape, scale), "Gaussian of sigmas {:.2f} and {:.2f} at {:.0f}°, estimated".format(*shape)


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
    """Squared response of a Gaussian at (u, v) waves per small pixel.

    shape: the three numbers of the upper triangular root of its covariance.
    """
    first, both, second = shape
    return np.exp(-4 * np.pi**2 * ((first * u + both * v) ** 2 + (second * v) ** 2))


def bicubic_power(u: np.ndarray, v: np.ndarray, scale: int) -> np.ndarray:
    """Squared response of MATLAB's antialiased bicubic kernel at (u, v) waves per small pixel."""
    places = (np.arange(-2 * scale, 2 * scale) + 0.5 * (1 - scale % 2)) / scale
    weights = cubic(places) / cubic(places).sum()
    along, down = (np.cos(2 * np.pi * np.multiply.outer(wave, places)) @ weights for wave in (u, v))
    return np.square(along * down)
