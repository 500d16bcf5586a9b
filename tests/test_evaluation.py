"""Figures against scikit-learn, intervals against what they claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score

from common.evaluation import best_f1_threshold, classification_figures, ranking_figures, score_table

DIRECTIONS = {"average_precision": "max", "cost": "min"}


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
    found = ranking_figures(targets, scores, threshold, 0.5, 10.0, 1.0)(weights)
    assert found["average_precision"] == pytest.approx(average_precision_score(targets, scores, sample_weight=weights))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(targets, scores, sample_weight=weights))
    alarms = scores >= threshold
    assert found["f1"] == pytest.approx(f1_score(targets, alarms, sample_weight=weights, zero_division=0))
    kept = weights > 0
    precision, recall, _ = precision_recall_curve(targets[kept], scores[kept], sample_weight=weights[kept])
    assert found["recall_at_precision"] == pytest.approx(recall[precision >= 0.5].max())
    missed, false = weights[(targets == 1) & ~alarms].sum(), weights[(targets == 0) & alarms].sum()
    assert found["cost"] == pytest.approx(1000 * (10 * missed + false) / weights.sum())


def test_one_class_only_has_no_figures():
    assert np.isnan(ranking_figures(np.ones(3), np.arange(3.0), 0, 0.5, 1, 1)(np.ones(3))["average_precision"])


def scored(scores, targets):
    return ranking_figures(targets, scores, 0.5, 0.5, 10, 1)


def test_verdicts():
    random = np.random.default_rng(0)
    targets = (random.random(2000) < 0.2).astype(int)
    good, poor = targets + random.normal(size=2000), 0.2 * targets + random.normal(size=2000)
    alike = good + 1e-3 * random.normal(size=2000)
    baselines = {"poor": scored(poor, targets), "alike": scored(alike, targets)}
    table = score_table(scored(good, targets), baselines, DIRECTIONS, np.ones(2000), resamples=300)
    assert table["comparison"]["poor"]["average_precision"]["verdict"] == "better"
    assert table["comparison"]["poor"]["cost"]["verdict"] == "better"
    assert table["comparison"]["alike"]["average_precision"]["verdict"] == "not distinguishable"
    turned = score_table(
        scored(poor, targets), {"good": scored(good, targets)}, DIRECTIONS, np.ones(2000), resamples=300
    )
    assert {entry["verdict"] for entry in turned["comparison"]["good"].values()} == {"worse"}
    value = table["model"]["average_precision"]
    assert value["low"] < value["value"] < value["high"]


def mean_of(values):
    return lambda weights: {"mean": float(np.average(values, weights=weights))}


def test_intervals_cover_the_truth_at_the_stated_rate():
    """95 % of the intervals of a mean hold the true mean: between 90 and 99 of 100, at 200 units each."""
    random = np.random.default_rng(1)
    inside = 0
    for seed in range(100):
        table = score_table(mean_of(random.normal(size=200)), {}, {}, np.ones(200), resamples=200, seed=seed)
        inside += table["model"]["mean"]["low"] <= 0 <= table["model"]["mean"]["high"]
    assert 90 <= inside <= 99


def test_rows_that_depend_on_each_other_widen_the_interval():
    """Twenty copies of each of fifty values are fifty values: by unit the interval is about sqrt(20) times as wide."""
    values = np.repeat(np.random.default_rng(2).normal(size=50), 20)
    by_row = score_table(mean_of(values), {}, {}, np.ones(1000))["model"]["mean"]
    by_unit = score_table(mean_of(values), {}, {}, np.ones(1000), np.repeat(np.arange(50), 20))["model"]["mean"]
    ratio = (by_unit["high"] - by_unit["low"]) / (by_row["high"] - by_row["low"])
    assert ratio == pytest.approx(np.sqrt(20), rel=0.15)


def test_few_units_get_values_and_no_verdict():
    table = score_table(
        mean_of(np.arange(30.0)), {"zero": mean_of(np.zeros(30))}, {"mean": "max"}, np.ones(30), np.arange(30) % 5
    )
    assert table["units"] == 5 and table["comparison"] == {}
    assert len(table["model"]["mean"]["values"]) == 5 and "low" not in table["model"]["mean"]


def test_same_seed_same_intervals():
    tables = [score_table(mean_of(np.arange(50.0)), {}, {}, np.ones(50), resamples=50, seed=3) for _ in range(2)]
    assert tables[0] == tables[1]


def test_threshold_holds_on_the_next_sample():
    """From 70 positives: better than the argmax of F1 on them, and near the best there is, on a sample of its own."""
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


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_classification_figures_equal_scikit_learn(classes, weighted):
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    random = np.random.default_rng(classes)
    targets = random.integers(classes, size=400)
    shares = random.dirichlet(np.ones(classes), 400) + np.eye(classes)[targets] * 0.3
    shares /= shares.sum(axis=1, keepdims=True)
    weights = random.integers(0, 4, 400).astype(float) if weighted else np.ones(400)
    found = classification_figures(targets, shares)(weights)
    answers = shares.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(accuracy_score(targets, answers, sample_weight=weights))
    assert found["macro_f1"] == pytest.approx(f1_score(targets, answers, average="macro", sample_weight=weights))
    assert found["mcc"] == pytest.approx(matthews_corrcoef(targets, answers, sample_weight=weights))


def test_calibration_error_by_hand():
    """Four answers of 0.9, three of them right; two of 0.6, both right: (4 · 0.15 + 2 · 0.4) / 6."""
    shares = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    targets = np.array([0, 0, 0, 1, 1, 1])
    assert classification_figures(targets, shares)(np.ones(6))["ece"] == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert classification_figures(np.array([0, 1]), sure)(np.ones(2))["ece"] == 0


def test_a_class_that_nobody_has_does_not_count():
    figures = classification_figures(np.array([0, 1]), np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))(np.ones(2))
    assert figures["macro_f1"] == 1 and figures["mcc"] == 1
    assert classification_figures(np.array([0, 0]), np.array([[0.9, 0.1]] * 2))(np.ones(2))["mcc"] == 0
