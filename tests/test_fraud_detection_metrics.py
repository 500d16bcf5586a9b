"""The figures of a detector, compared with scikit-learn and with their definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score

from projects.fraud_detection.metrics import best_f1_threshold, card_precision, ranking_figures


@settings(max_examples=200, deadline=None)
@given(st.integers(5, 80), st.integers(0, 10_000), st.integers(0, 3), st.booleans())
def test_ranking_figures_equal_scikit_learn(rows, seed, decimals, weighted):
    """Ties (coarse scores), zero weights and a threshold that falls on a score included."""
    random = np.random.default_rng(seed)
    targets = (random.random(rows) < 0.3).astype(int)
    targets[:2] = 0, 1
    scores = np.round(random.normal(size=rows) + targets, decimals)
    weights = random.integers(0, 4, rows).astype(float) if weighted else np.ones(rows)
    weights[:2] = 1
    threshold = float(random.choice(scores))
    result = ranking_figures(targets, scores, threshold, 0.5, 10.0, 1.0)(weights)
    assert result["average_precision"] == pytest.approx(average_precision_score(targets, scores, sample_weight=weights))
    assert result["roc_auc"] == pytest.approx(roc_auc_score(targets, scores, sample_weight=weights))
    alarms = scores >= threshold
    assert result["f1"] == pytest.approx(f1_score(targets, alarms, sample_weight=weights, zero_division=0))
    kept = weights > 0
    precision, recall, _ = precision_recall_curve(targets[kept], scores[kept], sample_weight=weights[kept])
    assert result["recall_at_precision"] == pytest.approx(recall[precision >= 0.5].max())
    missed, false = weights[(targets == 1) & ~alarms].sum(), weights[(targets == 0) & alarms].sum()
    assert result["cost"] == pytest.approx(1000 * (10 * missed + false) / weights.sum())


def test_one_class_only_has_no_figures():
    assert np.isnan(ranking_figures(np.ones(3), np.arange(3.0), 0, 0.5, 1, 1)(np.ones(3))["average_precision"])


def test_threshold_holds_on_the_next_sample():
    """Chosen on 70 positives: on another sample it is better than the argmax of F1, and near the best threshold."""
    gained, lost = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)

        def sample(positives, random=random):
            targets = np.repeat([1, 0], [positives, 15 * positives])
            return targets, random.normal(size=len(targets)) * 2 + 5 * targets, np.where(targets, 1.0, 35.0)

        validation, test = sample(70), sample(1000)
        precision, recall, thresholds = precision_recall_curve(*validation[:2], sample_weight=validation[2])
        naive = thresholds[np.argmax((2 * precision * recall / (precision + recall + 1e-12))[:-1])]
        f1 = [
            f1_score(test[0], test[1] >= threshold, sample_weight=test[2])
            for threshold in (best_f1_threshold(*validation), naive, best_f1_threshold(*test))
        ]
        gained.append(f1[0] - f1[1])
        lost.append(f1[2] - f1[0])
    assert np.mean(gained) > 0 and np.mean(lost) < 0.1


def test_threshold_separates_what_can_be_separated():
    targets, scores = np.repeat([0, 1], 50), np.concatenate([np.linspace(0, 1, 50), np.linspace(9, 10, 50)])
    assert 1 < best_f1_threshold(targets, scores, np.ones(100)) < 9


def test_threshold_of_equal_scores():
    assert np.isfinite(best_f1_threshold(np.array([0, 1, 1]), np.ones(3), np.ones(3)))


def slow_card_precision(cards, days, targets, scores, listed):
    """The definition, day by day."""
    table = pd.DataFrame({"card": cards, "day": days, "target": targets, "score": scores})
    blocked, precisions = set(), []
    for _, day in table.groupby("day"):
        best = day.groupby("card").agg(score=("score", "max"), target=("target", "max"))
        best = best[~best.index.isin(blocked)].sort_values("score", ascending=False).head(listed)
        blocked |= set(best.index[best["target"] == 1])
        precisions.append(best["target"].sum() / listed)
    return np.mean(precisions)


@pytest.mark.parametrize("seed", range(3))
def test_card_precision_as_a_function_of_weights(seed):
    random = np.random.default_rng(seed)
    cards, days, scores = random.integers(0, 60, 900), random.integers(0, 5, 900), random.normal(size=900)
    targets = (random.random(900) < 0.1).astype(int)
    figure = card_precision(cards, days, targets, scores, 10)
    whole = figure(np.ones(900))["card_precision_at_100"]
    assert whole == pytest.approx(slow_card_precision(cards, days, targets, scores, 10))
    kept = random.random(900) < 0.6
    without = slow_card_precision(cards[kept], days[kept], targets[kept], scores[kept], 10)
    assert figure(kept.astype(float))["card_precision_at_100"] == pytest.approx(without)
