"""The figures of a risk, as functions of row weights (see `common.evaluation`)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from common.evaluation import Figures, classification_figures, ranking, softmax
from projects.bankruptcy.data import CHECKS, at_check
from projects.bankruptcy.encoding import Series

RISK = {"average_precision": "max", "roc_auc": "max", "recall_in_riskiest_5": "max", "brier": "min"}
LEAD = {"lead_days": "max"}
CLASSES = {"accuracy": "max", "macro_f1": "max", "mcc": "max", "ece": "min"}
RISKIEST = 0.05  # fraction of the firms that somebody can look into
FALSE_ALARMS = 0.05  # fraction of the firms that live on for which the alarm rings

Scorer = Callable[[Series], np.ndarray]  # series -> logits (n, classes)


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Logits (n, 2) -> log(p / (1 - p)) of the failure, (n,). A probability would round the highest ones to 1."""
    return logits[:, 1] - logits[:, 0]


def validation_score(validation: Series, meta: dict[str, Any]) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from the network's outputs to the figures by which training chooses."""
    return lambda logits: figures(validation, logits, meta["task"])(validation.weights)


def figures(series: Series, logits: np.ndarray, task: str) -> Figures:
    """Every figure of these logits (n, classes): those in RISK, or those in CLASSES.

    recall_in_riskiest_5: the fraction of the failures that is among the riskiest 5 % of the firms. brier: the mean
    squared difference between risk and outcome (Brier 1950).
    """
    targets, probabilities = series.targets, softmax(np.asarray(logits, float))
    if task == "classes":
        return classification_figures(targets, probabilities)
    scores = log_odds(logits)
    ranked, order = ranking(targets, scores), np.argsort(-scores, kind="stable")
    squared = (probabilities[:, 1] - targets) ** 2

    def weighted(weights: np.ndarray) -> dict[str, float]:
        part = weights[order]
        room = np.clip(RISKIEST * part.sum() - (np.cumsum(part) - part), 0, part)
        failures = weights @ targets
        recall = room @ targets[order] / failures if failures else float("nan")
        values, _, _ = ranked(weights)
        return values | {"recall_in_riskiest_5": float(recall), "brier": float(weights @ squared / weights.sum())}

    return weighted


def alarm_threshold(validation: Series, logits: np.ndarray) -> float:
    """The risk above which the alarm rings for 5 % of the validation firms that live on."""
    risks = softmax(np.asarray(logits, float))[:, 1]
    return float(np.quantile(risks[validation.targets == 0], 1 - FALSE_ALARMS))


def risks_until_failure(series: Series, score: Scorer) -> np.ndarray:
    """The risk of each failing firm at each check (n, checks); nan once it has failed, and for firms that live on."""
    result = np.full((len(series), len(CHECKS)), np.nan)
    for check, day in enumerate(CHECKS):
        rows = np.flatnonzero(series.failed > day)  # nan compares as False
        if len(rows):
            result[rows, check] = softmax(np.asarray(score(at_check(series, rows, check)), float))[:, 1]
    return result


def lead_days(series: Series, risks: np.ndarray, threshold: float) -> np.ndarray:
    """Days from the first alarm to the failure: (n,). 0 where none rang in time; nan for a firm that lives on."""
    alarms = risks >= threshold
    first = CHECKS[alarms.argmax(axis=1)]
    return np.where(np.isnan(series.failed), np.nan, np.where(alarms.any(axis=1), series.failed - first, 0.0))


def lead_figures(days: np.ndarray) -> Figures:
    """weights -> {"lead_days"}: the mean of `lead_days` over the firms that fail."""
    failing = ~np.isnan(days)

    def weighted(weights: np.ndarray) -> dict[str, float]:
        total = weights[failing].sum()
        return {"lead_days": float(weights[failing] @ days[failing] / total) if total else float("nan")}

    return weighted


def calibration(targets: np.ndarray, risks: np.ndarray, groups: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Mean risk and fraction that failed, in groups of equally many firms of similar risk: two arrays (groups,)."""
    parts = [part for part in np.array_split(np.argsort(risks, kind="stable"), groups) if len(part)]
    return np.array([risks[part].mean() for part in parts]), np.array([targets[part].mean() for part in parts])
