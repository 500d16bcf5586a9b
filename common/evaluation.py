"""Figures with intervals: bootstrap over the independent unit, and paired comparison with every baseline.

Every metric here is a function of *row weights*: a bootstrap resample that draws a unit twice is the same as giving
its rows double weight. So what can be computed once (sorting by score) is done once, and each of the thousand
resamples is a few cumulative sums.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

FEW_UNITS = 20  # below this an interval would be a guess: every value is listed instead and no verdict is given

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
    """Every figure of the model and its baselines with a 95 % interval, and the paired comparison.

    model, baselines: functions from row weights (n,) to {metric: value}, such as `ranking_figures` returns.
    directions: {metric: "max" or "min"}: which way is better. weights: (n,) how many real cases each row stands for.
    units: (n,) the independent unit of each row; None: each row is one. Percentile bootstrap (Efron & Tibshirani
    1993, chapter 13); the same resamples serve every model, so a difference is paired.

    Returns {"units", "model", "baselines", "comparison"} as in report.json. A verdict is "better" or "worse" only when
    the interval of the difference excludes zero, else "not distinguishable" ("undefined" where a metric is).
    With enough units also "draws", which names the resamples, and "resampled", the model's figures on each of them: two
    runs with the same draws can be paired later (`common.tools.compare`).
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
        for metric, way in directions.items():
            if metric not in values[name]:
                continue
            comparison[name][metric] = {
                "difference": values["model"][metric] - values[name][metric],
                **paired(samples("model", metric), samples(name, metric), way),
            }
    return {
        "units": count,
        "model": table.pop("model"),
        "baselines": table,
        "comparison": comparison,
        "draws": draws.hexdigest()[:16],
        "resampled": {metric: samples("model", metric).tolist() for metric in values["model"]},
    }


def paired(model: np.ndarray, other: np.ndarray, way: str) -> dict[str, Any]:
    """{"low", "high", "verdict"} of the difference model - other, from their figures on the same resamples (n,).

    way: "max" or "min", which is better.
    """
    interval = _interval(model - other)
    return {**interval, "verdict": _verdict(interval, way)}


def _interval(samples: np.ndarray) -> dict[str, float]:
    """The 2.5th and 97.5th percentile; resamples in which the metric is undefined are left out."""
    defined = samples[~np.isnan(samples)]
    if not len(defined):
        return {"low": float("nan"), "high": float("nan")}
    low, high = np.percentile(defined, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def _verdict(interval: dict[str, float], way: str) -> str:
    low, high = interval["low"], interval["high"]
    if low != low:
        return "undefined"
    if low > 0:
        return "better" if way == "max" else "worse"
    if high < 0:
        return "worse" if way == "max" else "better"
    return "not distinguishable"


def ranking_figures(
    targets: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    min_precision: float,
    cost_miss: float,
    cost_alarm: float,
) -> Figures:
    """The figures of a two-class detector, as a function of row weights.

    targets: (n,) 0 or 1. scores: (n,) higher is more suspicious. threshold: alarms are scores >= threshold.
    Returns weights (n,) -> {average_precision, roc_auc, recall_at_precision, f1, cost}; undefined ones are nan.

    `average_precision` and `roc_auc` equal scikit-learn's, ties included (a test holds it); sorting only once makes a
    resample about thirty times faster than calling scikit-learn. `recall_at_precision` is the highest recall among the
    thresholds whose precision is at least `min_precision`. `cost` is per 1,000 cases, in the unit of the unit costs.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, labels = scores[order], targets[order].astype(bool)
    positives = np.flatnonzero(labels)
    # A score is one threshold: rows that tie are let in together, up to the last of them.
    last = np.searchsorted(-ranked, -ranked[positives], side="right") - 1
    first = np.searchsorted(-ranked, -ranked[positives], side="left")
    alarms = int(np.searchsorted(-ranked, -threshold, side="right"))
    alarmed_positives = int(np.searchsorted(positives, alarms))
    # How many positives lie at or before `last`: the index into their own cumulative sum.
    caught_at = np.searchsorted(positives, last, side="right")

    def figures(weights: np.ndarray) -> dict[str, float]:
        ranked_weights = weights[order]
        seen = np.concatenate([[0.0], np.cumsum(ranked_weights)])
        own = ranked_weights[positives]
        caught = np.concatenate([[0.0], np.cumsum(own)])
        total, frauds = seen[-1], caught[-1]
        normals = total - frauds
        if frauds <= 0 or normals <= 0:
            return dict.fromkeys(("average_precision", "roc_auc", "recall_at_precision", "f1", "cost"), float("nan"))
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.nan_to_num(caught[caught_at] / seen[last + 1])
        enough = precision >= min_precision
        # Normals below a positive count whole, those that tie with it count half.
        above_through_ties = seen[last + 1] - caught[caught_at]
        above = seen[first] - caught[np.searchsorted(positives, first)]
        outranked = normals - (above + above_through_ties) / 2
        hits, false_alarms = caught[alarmed_positives], seen[alarms] - caught[alarmed_positives]
        misses = frauds - hits
        return {
            "average_precision": float(own @ precision / frauds),
            "roc_auc": float(own @ outranked / (frauds * normals)),
            "recall_at_precision": float(caught[caught_at][enough].max() / frauds) if enough.any() else 0.0,
            "f1": float(2 * hits / (2 * hits + false_alarms + misses)),
            "cost": float(1000 * (cost_miss * misses + cost_alarm * false_alarms) / total),
        }

    return figures


CONFIDENCE_BINS = 15


def classification_figures(targets: np.ndarray, probabilities: np.ndarray) -> Figures:
    """The figures of a classifier, as a function of row weights.

    targets: (n,) class numbers. probabilities: (n, classes), rows add up to 1; the answer is the likeliest class.
    Returns weights (n,) -> {accuracy, macro_f1, mcc, ece}. The first three equal scikit-learn's (a test holds it):
    macro F1 is the mean over the classes that occur, mcc is Matthews' correlation coefficient for any number of
    classes (Gorodkin 2004). `ece` is the expected calibration error (Guo et al. 2017): how far the probability of the
    answer is from its accuracy, in 15 bins of equal width, weighted by how many rows each holds.
    """
    classes = probabilities.shape[1]
    answers = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(targets)), answers]
    cell = targets * classes + answers
    bins = np.minimum((sure * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    gap = (answers == targets) - sure

    def figures(weights: np.ndarray) -> dict[str, float]:
        table = np.bincount(cell, weights, classes * classes).reshape(classes, classes)
        total, right = table.sum(), np.diag(table)
        true, given = table.sum(axis=1), table.sum(axis=0)
        there = true + given > 0
        covariance = right.sum() * total - true @ given
        spread = (total**2 - given @ given) * (total**2 - true @ true)
        return {
            "accuracy": float(right.sum() / total),
            "macro_f1": float(np.mean(2 * right[there] / (true + given)[there])),
            "mcc": float(covariance / np.sqrt(spread)) if spread > 0 else 0.0,
            "ece": float(np.abs(np.bincount(bins, weights * gap)).sum() / total),
        }

    return figures


def probabilities(log_odds: np.ndarray) -> np.ndarray:
    """Softmax over the classes: (n, classes) -> (n, classes) float64."""
    shares = np.exp(log_odds - log_odds.max(axis=1, keepdims=True), dtype=float)
    return shares / shares.sum(axis=1, keepdims=True)


def best_temperature(log_odds: np.ndarray, targets: np.ndarray) -> float:
    """What log-odds (n, classes) are to be divided by so that the class numbers (n,) are likeliest (Guo et al. 2017).

    It changes no answer, only how sure the answers are. A right label counts as (n + 1) / (n + 2), the rest of it for
    the other classes (Platt 1999): where all n answers are right, no temperature would be small enough otherwise.
    """
    from scipy.optimize import minimize_scalar

    log_odds, rows = log_odds.astype(float), np.arange(len(targets))
    wrong = 1 / (len(targets) + 2)

    def loss(log_temperature: float) -> float:
        logs = np.log(probabilities(log_odds / np.exp(log_temperature)) + 1e-12)
        right = logs[rows, targets]
        others = (logs.sum(axis=1) - right) / (logs.shape[1] - 1)
        return float(-((1 - wrong) * right + wrong * others).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def best_f1_threshold(targets: np.ndarray, scores: np.ndarray, weights: np.ndarray, bins: int = 2000) -> float:
    """The threshold with the highest weighted F1, after smoothing the scores of the few rows that there are.

    targets: (n,) 0 or 1; scores, weights: (n,). The threshold with the best F1 on the rows themselves lies just above
    one normal row, and the next sample has a normal above it: where one false alarm stands for 35 of them, that costs
    0.1 of F1. So every score is blurred by a Gaussian first, of the width of Silverman's rule of thumb (1986, eq. 3.28)
    for the positives' scores, and F1 is that of the blurred counts, on a grid of `bins` thresholds.
    """
    from scipy.special import ndtr

    positives = scores[targets == 1]
    width = 1.06 * positives.std() * len(positives) ** -0.2 or 1e-9
    edges = np.linspace(scores.min(), scores.max(), bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    rows, _ = np.histogram(scores, edges, weights=weights)
    hits, _ = np.histogram(positives, edges, weights=weights[targets == 1])
    above = ndtr((centres[:, None] - edges) / width)  # the share of a blurred score that lies above each threshold
    f1 = 2 * (hits @ above) / (rows @ above + hits.sum())
    return float(edges[np.argmax(f1)])
