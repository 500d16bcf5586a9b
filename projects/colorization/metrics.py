"""The figures of coloured pictures. Each picture is measured alone; a test set is a weighted sum of its pictures."""

from collections.abc import Callable

import numpy as np

from projects.colorization.lab import colourfulness, to_lab

BIN = 5.0  # width of a histogram's bin, in units of a and b
BINS = 45  # bins from -112.5 to 112.5; grey is in the middle one
DIRECTIONS = {
    "concordance": "max",
    "psnr": "max",
    "ssim": "max",
    "ab_mae": "min",
    "colourfulness": "max",
    "intersection_a": "max",
    "intersection_b": "max",
}


def histogram(ab: np.ndarray) -> np.ndarray:
    """ab (…, 2) -> (2, BINS), the fraction of the pixels in each bin. Values outside count in the outermost bins."""
    numbers = np.clip(np.round(ab.reshape(-1, 2) / BIN).astype(int) + BINS // 2, 0, BINS - 1)
    return np.stack([np.bincount(column, minlength=BINS) for column in numbers.T]) / len(numbers)


def moments(answer: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The means of x, y, x², y² and xy over the pixels of two ab pictures (…, 2): (5, 2), for `concordance`."""
    x, y = (ab.reshape(-1, 2).astype(float) for ab in (answer, truth))
    return np.stack([part.mean(axis=0) for part in (x, y, x * x, y * y, x * y)])


def concordance(means: np.ndarray) -> float:
    """Lin's concordance correlation coefficient (1989) of the predicted a and b with the original ones, from `moments`.

    2 cov / (var + var + (difference of the means)²); numerator and denominator are summed over a and b. Equal colours
    give 1, any single colour for all pixels gives 0. It is low for colours that are wrong and for colours that are too
    pale.
    """
    x, y, xx, yy, xy = means
    spread = (xx - x**2) + (yy - y**2) + (x - y) ** 2
    return float(2 * (xy - x * y).sum() / max(spread.sum(), 1e-9))


def measure(answer: np.ndarray, truth: np.ndarray) -> dict[str, float | np.ndarray]:
    """The figures of one coloured picture, both (h, w, 3) uint8, with what `mean_figures` needs of it.

    psnr (dB) and ssim are scikit-image's, on RGB. ab_mae is the mean absolute error of a and b.
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    ab, true_ab = to_lab(answer)[1], to_lab(truth)[1]
    # The settings of Wang et al. 2004.
    settings = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    with np.errstate(divide="ignore"):  # equal pictures have an infinite PSNR
        psnr = float(peak_signal_noise_ratio(truth, answer, data_range=255))
    return {
        "concordance": concordance(moments(ab, true_ab)),
        "psnr": psnr,
        "ssim": float(structural_similarity(truth, answer, **settings)),
        "ab_mae": float(np.abs(ab - true_ab).mean()),
        "colourfulness": colourfulness(answer),
        "true_colourfulness": colourfulness(truth),
        "moments": moments(ab, true_ab),
        "histogram": histogram(ab),
        "true_histogram": histogram(true_ab),
    }


def mean_figures(rows: list[dict]) -> Callable[[np.ndarray], dict[str, float]]:
    """The figures of many pictures, measured by `measure`, as a function of the pictures' weights.

    PSNR, SSIM, error and colourfulness are means over pictures. Concordance is that of all pixels together. The
    intersections are of the histograms of all pixels, as in table 7 of Isola et al. (2017): they ask how often a colour
    occurs, not where.
    """
    means = {name: np.array([row[name] for row in rows]) for name in ("psnr", "ssim", "ab_mae", "colourfulness")}
    all_moments, answers, truths = (
        np.stack([row[name] for row in rows]) for name in ("moments", "histogram", "true_histogram")
    )

    def figures(weights: np.ndarray) -> dict[str, float]:
        fractions = weights / weights.sum()
        a, b = np.minimum(np.tensordot(fractions, answers, 1), np.tensordot(fractions, truths, 1)).sum(axis=1)
        return {
            "concordance": concordance(np.tensordot(fractions, all_moments, 1)),
            **{name: float(fractions @ values) for name, values in means.items()},
            "intersection_a": float(a),
            "intersection_b": float(b),
        }

    return figures
