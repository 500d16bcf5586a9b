"""Figures of coloured pictures: each measures one picture, and a corpus is a weighted sum of them."""

from collections.abc import Callable

import numpy as np

from projects.colorization.lab import to_lab

BIN = 5.0  # width of a histogram's bin in units of a and b
BINS = 45  # the middle one is grey; from -112.5 to 112.5
DIRECTIONS = {
    "concordance": "max",
    "psnr": "max",
    "ssim": "max",
    "ab_mae": "min",
    "colourfulness": "max",
    "intersection_a": "max",
    "intersection_b": "max",
}


def colourfulness(picture: np.ndarray) -> float:
    """M3 of Hasler & Süsstrunk 2003, eq. 9 of "Measuring colourfulness in natural images"; (h, w, 3) uint8.

    0 is grey; they call 15 slightly, 33 moderately and 59 quite colourful.
    """
    red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue]).reshape(2, -1)
    return float(np.hypot(*opponents.std(axis=1)) + 0.3 * np.hypot(*opponents.mean(axis=1)))


def histogram(ab: np.ndarray) -> np.ndarray:
    """(…, 2) of a and b -> (2, BINS), the share of the pixels in each bin; what lies outside counts at the edge."""
    numbers = np.clip(np.round(ab.reshape(-1, 2) / BIN).astype(int) + BINS // 2, 0, BINS - 1)
    return np.stack([np.bincount(column, minlength=BINS) for column in numbers.T]) / len(numbers)


def moments(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The means of x, y, x², y² and xy over the pixels of two (…, 2) ab pictures: (5, 2), what `concordance` needs."""
    x, y = (ab.reshape(-1, 2).astype(float) for ab in (found, wanted))
    return np.stack([part.mean(axis=0) for part in (x, y, x * x, y * y, x * y)])


def concordance(means: np.ndarray) -> float:
    """Lin's concordance correlation coefficient (1989) of the answers' a and b with the originals', from `moments`.

    2 cov / (var + var + (difference of the means)²), numerator and denominator summed over a and b. 1 is agreement; any
    one colour for everything is 0; it falls both when colours are paler than they should be and when they are wrong.
    """
    x, y, xx, yy, xy = means
    spread = (xx - x**2) + (yy - y**2) + (x - y) ** 2
    return float(2 * (xy - x * y).sum() / max(spread.sum(), 1e-9))


def measure(answer: np.ndarray, truth: np.ndarray) -> dict[str, float | np.ndarray]:
    """The figures of one coloured picture, both (h, w, 3) uint8, and its histogram of a and b (2, BINS).

    PSNR in dB and SSIM are scikit-image's, on RGB; ab_mae is the mean absolute error of a and b.
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    found, wanted = to_lab(answer)[1], to_lab(truth)[1]
    histograms = histogram(found), histogram(wanted)
    return {
        "concordance": concordance(moments(found, wanted)),
        "psnr": float(peak_signal_noise_ratio(truth, answer, data_range=255)),
        "ssim": float(
            structural_similarity(
                truth, answer, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
        ),
        "ab_mae": float(np.abs(found - wanted).mean()),
        "colourfulness": colourfulness(answer),
        "true_colourfulness": colourfulness(truth),
        "moments": moments(found, wanted),
        "histogram": histograms[0],
        "true_histogram": histograms[1],
    }


def corpus_figures(rows: list[dict]) -> Callable[[np.ndarray], dict[str, float]]:
    """The figures of many pictures as a function of their weights.

    PSNR, SSIM, error and colourfulness are means over pictures. Concordance and the intersections are the whole
    corpus': of all its pixels, and of its histograms of a and of b (as Isola et al. 2017, table 7), which ask whether a
    colour appears as often as it should, not where.
    """
    means = {name: np.array([row[name] for row in rows]) for name in ("psnr", "ssim", "ab_mae", "colourfulness")}
    moved, found, wanted = (
        np.stack([row[name] for row in rows]) for name in ("moments", "histogram", "true_histogram")
    )

    def figures(weights: np.ndarray) -> dict[str, float]:
        shares = weights / weights.sum()
        a, b = np.minimum(np.tensordot(shares, found, 1), np.tensordot(shares, wanted, 1)).sum(axis=1)
        return {
            "concordance": concordance(np.tensordot(shares, moved, 1)),
            **{name: float(shares @ values) for name, values in means.items()},
            "intersection_a": float(a),
            "intersection_b": float(b),
        }

    return figures
