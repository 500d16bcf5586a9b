"""MiniRocket: thousands of fixed kernels, and of each the fraction of places where it answers more than a bias.

Written from the paper (Dempster, Schmidt & Webb 2021, arXiv:2012.08791, and its multivariate form), not from its code.
"""

import itertools
from collections.abc import Iterator

import numpy as np

SIZE = 9  # weights of a kernel: three of 2, six of -1, so that they add up to 0
KERNELS = list(itertools.combinations(range(SIZE), 3))  # the places of the weights of 2: 84 kernels
MOST_DILATIONS = 32
GOLDEN = (np.sqrt(5) + 1) / 2
SEED = 0  # the channels that a kernel adds up and the series for its biases are drawn from it


def plan(length: int, channels: int, features: int) -> Iterator[tuple[int, tuple[int, ...], list[int], int]]:
    """(dilation, channels, kernels, features of each kernel) of each group of kernels that read the same channels."""
    random = np.random.default_rng(SEED)
    each = max(1, features // len(KERNELS))
    dilations = min(each, MOST_DILATIONS)
    widest = max(0.0, np.log2((max(length, SIZE) - 1) / (SIZE - 1)))
    steps, counts = np.unique(np.logspace(0, widest, dilations, base=2).astype(int), return_counts=True)
    shares = np.diff(np.round(np.concatenate([[0], np.cumsum(counts)]) * each / dilations).astype(int))
    most = min(channels, SIZE)
    for dilation, share in zip(steps.tolist(), shares.tolist(), strict=True):
        groups: dict[tuple[int, ...], list[int]] = {}
        for kernel in range(len(KERNELS)):
            count = int(2 ** random.uniform(0, np.log2(most + 1)))
            chosen = tuple(sorted(random.choice(channels, min(count, most), replace=False).tolist()))
            groups.setdefault(chosen, []).append(kernel)
        for chosen, kernels in groups.items():
            yield dilation, chosen, kernels, share


def answers(x: np.ndarray, dilation: int, chosen: tuple[int, ...], kernels: list[int]) -> Iterator[np.ndarray]:
    """The answers of each kernel (n, places) on the sum of the chosen channels of x (n, length, channels).

    Every other kernel answers with zeros beyond the ends, the others only where the whole kernel lies inside.
    """
    series = x[:, :, list(chosen)].sum(axis=2)
    short = max(0, SIZE - series.shape[1])
    series = np.pad(series, ((0, 0), (short, 0)))
    length, margin = series.shape[1], dilation * (SIZE // 2)
    wide = np.pad(series, ((0, 0), (margin, margin)))
    shifted = [wide[:, j * dilation : j * dilation + length] for j in range(SIZE)]
    negative = -np.sum(shifted, axis=0)
    for kernel in kernels:
        result = negative + 3 * np.sum([shifted[place] for place in KERNELS[kernel]], axis=0)
        inside = kernel % 2 == 1 and length > 2 * margin
        yield result[:, margin : length - margin] if inside else result


def fit_biases(x: np.ndarray, features: int) -> list[float]:
    """The bias of every feature: a quantile of the kernel's answers on one series of x (n, length, channels)."""
    random, biases = np.random.default_rng(SEED), []
    for dilation, chosen, kernels, share in plan(x.shape[1], x.shape[2], features):
        for kernel in kernels:
            row = int(random.integers(len(x)))
            (result,) = answers(x[row : row + 1], dilation, chosen, [kernel])
            quantiles = (np.arange(len(biases) + 1, len(biases) + share + 1) * GOLDEN) % 1
            biases += np.quantile(result, quantiles).tolist()
    return biases


def encode_kernels(x: np.ndarray, biases: list[float], features: int) -> np.ndarray:
    """The features (n, len(biases)) float32 of series x (n, length, channels): fractions of places above each bias."""
    result, column = np.empty((len(x), len(biases)), "float32"), 0
    for dilation, chosen, kernels, share in plan(x.shape[1], x.shape[2], features):
        for answer in answers(x, dilation, chosen, kernels):
            for bias in biases[column : column + share]:
                result[:, column] = (answer > bias).mean(axis=1)
                column += 1
    return result
