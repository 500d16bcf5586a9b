"""The figures of a fraud detector, as functions of row weights (see `common.evaluation`)."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from common.evaluation import Figures, ranking
from projects.fraud_detection.cards import SECONDS_PER_DAY
from projects.fraud_detection.config import Config
from projects.fraud_detection.encoding import Transactions

LISTED = 100  # cards that investigators can look into on one day


def validation_score(split: Transactions, config: Config) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from predicted logits (rows, 1) to the figures that need no threshold. Training chooses by them."""

    def score(predictions: np.ndarray) -> dict[str, float]:
        values = figures(split, predictions[:, 0], 0.0, config)(split.weights)
        return {n: values[n] for n in ("average_precision", "roc_auc", "card_precision_at_100") if n in values}

    return score


def figures(split: Transactions, scores: np.ndarray, threshold: float, config: Config) -> Figures:
    """Every figure of these scores. Card precision is among them only where the split knows its cards."""
    costs = config.min_precision, config.cost_miss, config.cost_alarm
    ranking = ranking_figures(split.targets, scores, threshold, *costs)
    if split.cards is None:
        return ranking
    days = (split.cards["time"].to_numpy() // SECONDS_PER_DAY).astype(int)
    listed = card_precision(split.cards["card"].to_numpy(), days, split.targets, scores)
    return lambda weights: ranking(weights) | listed(weights)


def average_precision(split: Transactions, scores: np.ndarray) -> float:
    return ranking_figures(split.targets, scores, 0, 1, 0, 0)(split.weights)["average_precision"]


def ranking_figures(
    targets: np.ndarray, scores: np.ndarray, threshold: float, min_precision: float, cost_miss: float, cost_alarm: float
) -> Figures:
    """The figures of a two-class detector, as a function of row weights.

    targets: (n,) 0 or 1. scores: (n,) higher is more suspicious. threshold: alarms are scores >= threshold.
    Returns weights (n,) -> {average_precision, roc_auc, recall_at_precision, f1, cost}; undefined ones are nan.

    `recall_at_precision` is the highest recall among the thresholds whose precision is at least `min_precision`. `cost`
    is per 1,000 cases, in the unit of `cost_miss` and `cost_alarm`.
    """
    ranked = ranking(targets, scores)
    positives = np.flatnonzero(targets)
    alarms = np.flatnonzero(scores >= threshold)
    caught = alarms[np.asarray(targets)[alarms] == 1]

    def weighted(weights: np.ndarray) -> dict[str, float]:
        values, precision, recall = ranked(weights)
        total, frauds = weights.sum(), weights[positives].sum()
        if np.isnan(values["roc_auc"]):
            return values | dict.fromkeys(("recall_at_precision", "f1", "cost"), float("nan"))
        hits = weights[caught].sum()
        false_alarms, misses = weights[alarms].sum() - hits, frauds - hits
        return values | {
            "recall_at_precision": float(recall[precision >= min_precision].max(initial=0.0)),
            "f1": float(2 * hits / (2 * hits + false_alarms + misses)),
            "cost": float(1000 * (cost_miss * misses + cost_alarm * false_alarms) / total),
        }

    return weighted


def card_precision(
    cards: np.ndarray, days: np.ndarray, targets: np.ndarray, scores: np.ndarray, listed: int = LISTED
) -> Figures:
    """Card precision at 100 (Le Borgne et al. 2022, chapter 4, "card precision top-k"), as a function of row weights.

    cards, days, targets (0 or 1), scores: (rows,). On each day the cards are ranked by their highest score, and the
    first `listed` are looked into. The figure is the fraction of them with a fraud on that day, as a mean over the
    days. A card in which a fraud was found is blocked, and is not listed on later days.
    Returns weights (rows,) -> {"card_precision_at_100"}. A row of weight 0 does not exist. A card takes as many of the
    places on the list as its highest row weighs.
    """
    card = pd.factorize(cards)[0].tolist()
    frauds: dict[tuple[int, int], list[int]] = {}  # the rows with fraud of a day and a card
    for row in np.flatnonzero(np.asarray(targets) == 1).tolist():
        frauds.setdefault((int(days[row]), card[row]), []).append(row)
    order = np.lexsort((card, -np.asarray(scores, float), days))  # day after day, the highest score first
    by_day = np.split(order, np.flatnonzero(np.diff(days[order])) + 1)
    ranking = [
        [(row, card[row], frauds.get((int(days[row]), card[row]), ())) for row in rows.tolist()] for rows in by_day
    ]

    def weighted(weights: np.ndarray) -> dict[str, float]:
        total, blocked = 0.0, set()
        for day in ranking:
            free, seen = float(listed), set(blocked)
            for row, code, fraud_rows in day:
                if code in seen or weights[row] == 0:
                    continue
                seen.add(code)
                places = min(weights[row], free)
                free -= places
                if fraud_rows and weights[fraud_rows].any():
                    total += places
                    blocked.add(code)
                if free == 0:
                    break
        return {"card_precision_at_100": float(total / (listed * len(ranking)))}

    return weighted


def best_f1_threshold(targets: np.ndarray, scores: np.ndarray, weights: np.ndarray, bins: int = 2000) -> float:
    """The threshold with the highest weighted F1, after the scores have been smoothed.

    targets: (n,) 0 or 1; scores, weights: (n,). With few positives, the threshold with the best F1 lies just above one
    negative row, and the next sample has a negative above it. Where one false alarm stands for 35 real ones, that costs
    0.1 of F1. So each score is blurred by a Gaussian whose width is Silverman's rule of thumb (1986, eq. 3.28) for the
    scores of the positives. F1 is computed of the blurred counts, on a grid of `bins` thresholds.
    """
    from scipy.special import ndtr

    positives = scores[targets == 1]
    width = 1.06 * positives.std() * len(positives) ** -0.2 or 1e-9
    edges = np.linspace(scores.min(), scores.max(), bins + 1)
    rows, _ = np.histogram(scores, edges, weights=weights)
    hits, _ = np.histogram(positives, edges, weights=weights[targets == 1])
    # The fraction of a blurred score above a threshold depends on how many bins lie between them: (edges, bins).
    fractions = ndtr((np.arange(-bins, bins) + 0.5) * (edges[1] - edges[0]) / width)
    above = np.lib.stride_tricks.sliding_window_view(fractions, bins)[::-1]
    f1 = 2 * (above @ hits) / (above @ rows + hits.sum())
    return float(edges[np.argmax(f1)])
