"""Figures with intervals: bootstrap over independent units, and a paired comparison with every baseline.

Every metric here is a function of *row weights*. A resample that draws a unit twice is the same as one that gives its
rows double weight. So whatever does not depend on the weights, such as sorting by score, is computed once, and each of
the thousand resamples costs only a few sums.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from common.schema import Between

FEW_UNITS = 20  # with fewer units there is no interval: the figure of each unit is listed, and no verdict is given
CONFIDENCE_BINS = 15  # bins of the calibration error
UNFAMILIAR = 0.03  # fraction of the validation inputs to which the caution applies: of the test at most 5 % then
TEMPERATURE = Between(1e-2, 1e2)  # what `best_temperature` returns lies within it

Figures = Callable[[np.ndarray], dict[str, float]]


def score_table(
    model: Figures,
    baselines: Mapping[str, Figures],
    directions: Mapping[str, str],
    weights: np.ndarray,
    units: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Every figure of the model and of its baselines with a 95 % interval, and the paired comparison.

    model, baselines: functions from row weights (n,) to {metric: value}.
    directions: {metric: "max" or "min"}, which of them is better. weights: (n,) how many real cases a row stands for.
    units: (n,) the independent unit of each row; None: each row is one. The bootstrap takes percentiles (Efron &
    Tibshirani 1993, chapter 13). All models meet the same resamples, so the differences are paired.

    Returns {"units", "model", "baselines", "comparison"} as in report.json. A verdict is "better" or "worse" when the
    interval of the difference excludes zero, "undefined" when the metric is undefined on every resample, otherwise
    "not distinguishable". With at least FEW_UNITS units it also returns "draws", which identifies the resamples, and
    "resampled", the model's figures on each of them. Two runs with the same draws can be paired later.
    """
    models = {"model": model, **baselines}
    values = {name: figures(weights) for name, figures in models.items()}
    index = np.arange(len(weights)) if units is None else np.unique(units, return_inverse=True)[1]
    count = int(index.max()) + 1
    if count < FEW_UNITS:
        per_unit = {
            name: [figures(np.where(index == unit, weights, 0.0)) for unit in range(count)]
            for name, figures in models.items()
        }
        table = {
            name: {m: {"value": v, "values": [unit[m] for unit in per_unit[name]]} for m, v in values[name].items()}
            for name in models
        }
        return {"units": count, "model": table.pop("model"), "baselines": table, "comparison": {}}

    random = np.random.default_rng(seed)
    drawn: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    draws = hashlib.sha256(np.asarray(index, np.int64).tobytes() + np.asarray(weights, float).tobytes())
    for _ in range(resamples):
        counts = np.bincount(random.integers(count, size=count), minlength=count)
        draws.update(counts.astype(np.int32).tobytes())
        resampled = weights * counts[index]
        for name, figures in models.items():
            drawn[name].append(figures(resampled))

    def samples(name: str, metric: str) -> np.ndarray:
        return np.array([figures[metric] for figures in drawn[name]])

    table = {name: {m: {"value": v, **_interval(samples(name, m))} for m, v in values[name].items()} for name in models}
    comparison: dict[str, dict[str, Any]] = {}
    for name in baselines:
        comparison[name] = {}
        for metric, direction in directions.items():
            if metric not in values[name]:
                continue
            comparison[name][metric] = {
                "difference": values["model"][metric] - values[name][metric],
                **paired(samples("model", metric), samples(name, metric), direction),
            }
    return {
        "units": count,
        "model": table.pop("model"),
        "baselines": table,
        "comparison": comparison,
        "draws": draws.hexdigest()[:16],
        "resampled": {metric: samples("model", metric).tolist() for metric in values["model"]},
    }


def paired(model: np.ndarray, other: np.ndarray, direction: str) -> dict[str, Any]:
    """{"low", "high", "verdict"} of the difference model - other, from their figures (n,) on the same resamples.

    direction: "max" or "min", which of them is better.
    """
    interval = _interval(model - other)
    return {**interval, "verdict": _verdict(interval, direction)}


def _interval(samples: np.ndarray) -> dict[str, float]:
    """The 2.5th and the 97.5th percentile. Resamples in which the metric is undefined are left out."""
    defined = samples[~np.isnan(samples)]
    if not len(defined):
        return {"low": float("nan"), "high": float("nan")}
    low, high = np.percentile(defined, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def _verdict(interval: dict[str, float], direction: str) -> str:
    low, high = interval["low"], interval["high"]
    if low != low:
        return "undefined"
    if low > 0:
        return "better" if direction == "max" else "worse"
    if high < 0:
        return "worse" if direction == "max" else "better"
    return "not distinguishable"


def ranking(
    targets: np.ndarray, scores: np.ndarray
) -> Callable[[np.ndarray], tuple[dict[str, float], np.ndarray, np.ndarray]]:
    """How well scores put the positives first, as a function of row weights.

    targets: (n,) 0 or 1. scores: (n,) higher is more likely positive. Returns weights (n,) -> ({"average_precision",
    "roc_auc"}, precision, recall), the last two at the threshold of each positive, (positives,). With one class alone
    both figures are nan.

    They equal scikit-learn's, ties included (a test holds it). The scores are sorted only once, so a bootstrap
    resample is about thirty times faster than a call of scikit-learn.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, labels = scores[order], targets[order].astype(bool)
    positives = np.flatnonzero(labels)
    # Rows with equal scores are above the same thresholds, so each positive counts down to the last row of its tie.
    last = np.searchsorted(-ranked, -ranked[positives], side="right") - 1
    first = np.searchsorted(-ranked, -ranked[positives], side="left")
    # The number of positives at or before `last`, and before `first`: indices into their cumulative weights.
    through, before = np.searchsorted(positives, last, side="right"), np.searchsorted(positives, first)

    def weighted(weights: np.ndarray) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
        ranked_weights = weights[order]
        seen = np.concatenate([[0.0], np.cumsum(ranked_weights)])
        positive_weights = ranked_weights[positives]
        caught = np.concatenate([[0.0], np.cumsum(positive_weights)])
        total = caught[-1]
        negatives = seen[-1] - total
        if total <= 0 or negatives <= 0:
            return dict.fromkeys(("average_precision", "roc_auc"), float("nan")), np.zeros(0), np.zeros(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.nan_to_num(caught[through] / seen[last + 1])
        # A negative below a positive counts 1 for ROC-AUC, and one with the same score counts a half.
        above_through_ties, above = seen[last + 1] - caught[through], seen[first] - caught[before]
        outranked = negatives - (above + above_through_ties) / 2
        figures = {
            "average_precision": float(positive_weights @ precision / total),
            "roc_auc": float(positive_weights @ outranked / (total * negatives)),
        }
        return figures, precision, caught[through] / total

    return weighted


def classification_figures(targets: np.ndarray, probabilities: np.ndarray) -> Figures:
    """The figures of a classifier, as a function of row weights.

    targets: (n,) class numbers. probabilities: (n, classes), rows add up to 1. The answer is the most likely class.
    Returns weights (n,) -> {accuracy, macro_f1, mcc, ece}. The first three equal scikit-learn's (a test holds it).
    macro_f1 is the mean over the classes that occur. mcc is Matthews' correlation coefficient for any number of classes
    (Gorodkin 2004). ece: see `calibration_error`.
    """
    classes = probabilities.shape[1]
    cell = targets * classes + probabilities.argmax(axis=1)
    error = calibration_error(*confidence(targets, probabilities))

    def figures(weights: np.ndarray) -> dict[str, float]:
        confusion = np.bincount(cell, weights, classes * classes).reshape(classes, classes)
        total, correct = confusion.sum(), np.diag(confusion)
        actual, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
        present = actual + predicted > 0
        covariance = correct.sum() * total - actual @ predicted
        spread = (total**2 - predicted @ predicted) * (total**2 - actual @ actual)
        return {
            "accuracy": float(correct.sum() / total),
            "macro_f1": float(np.mean(2 * correct[present] / (actual + predicted)[present])),
            "mcc": float(covariance / np.sqrt(spread)) if spread > 0 else 0.0,
            "ece": error(weights),
        }

    return figures


def confidence(targets: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability of each answer, and whether it is right: (n,) and (n,), of class numbers and (n, classes)."""
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == targets


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> Callable[[np.ndarray], float]:
    """The expected calibration error (Guo et al. 2017), as a function of the answers' weights (n,).

    Arguments: see `confidence`. The distance between their means in 15 bins of equal width, weighted by the answers.
    """
    bins = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    gap = right - confidence
    return lambda weights: float(np.abs(np.bincount(bins, weights * gap)).sum() / weights.sum())


def caution_limit(familiarity: np.ndarray) -> float:
    """The familiarity below which an answer comes with a caution, from that of the validation inputs (n,).

    Inputs of another kind were seen by nobody, so the limit is chosen on those of the right kind alone.
    """
    return float(np.quantile(familiarity, UNFAMILIAR))


def within(values: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """A familiarity (n,) of rows of numbers (n, k): 0 where each lies between its `low` and `high`, those of training.

    Otherwise minus the distance by which the farthest one lies beyond.
    """
    return np.minimum(values - low, high - values).min(axis=1, initial=0.0)


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probabilities of the classes: logits (…, classes) -> (…, classes) float64."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=float)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def class_log_odds(logits: np.ndarray, label: int) -> np.ndarray:
    """log(p / (1 - p)) of one class against all others: logits (n, classes) -> (n,)."""
    return logits[:, label] - np.logaddexp.reduce(np.delete(logits, label, axis=1), axis=1)


def best_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that maximises the likelihood of the class numbers (n,) (Guo et al. 2017).

    logits: (n, classes); they are to be divided by it. It changes no answer, only the confidence. A target counts as
    (n + 1) / (n + 2), and the other classes share the rest (Platt 1999). Otherwise no temperature would be small enough
    where all n answers are right.
    """
    from scipy.optimize import minimize_scalar

    logits, rows = logits.astype(float), np.arange(len(targets))
    smoothing = 1 / (len(targets) + 2)

    def loss(log_temperature: float) -> float:
        logs = np.log(softmax(logits / np.exp(log_temperature)) + 1e-12)
        target = logs[rows, targets]
        others = (logs.sum(axis=1) - target) / (logs.shape[1] - 1)
        return float(-((1 - smoothing) * target + smoothing * others).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
