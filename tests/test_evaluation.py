"""Figures equal scikit-learn's, and intervals cover the truth as often as they claim."""

import numpy as np
import pytest

from common.evaluation import best_temperature, classification_figures, score_table, softmax
from projects.fraud_detection.metrics import ranking_figures

DIRECTIONS = {"average_precision": "max", "cost": "min"}


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
    reverse = score_table(
        scored(poor, targets), {"good": scored(good, targets)}, DIRECTIONS, np.ones(2000), resamples=300
    )
    assert {entry["verdict"] for entry in reverse["comparison"]["good"].values()} == {"worse"}
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
    """Twenty copies of each of fifty values hold no more than the fifty: the interval is about sqrt(20) times as wide."""
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


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_classification_figures_equal_scikit_learn(classes, weighted):
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    random = np.random.default_rng(classes)
    targets = random.integers(classes, size=400)
    probabilities = random.dirichlet(np.ones(classes), 400) + np.eye(classes)[targets] * 0.3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    weights = random.integers(0, 4, 400).astype(float) if weighted else np.ones(400)
    figures = classification_figures(targets, probabilities)(weights)
    answers = probabilities.argmax(axis=1)
    assert figures["accuracy"] == pytest.approx(accuracy_score(targets, answers, sample_weight=weights))
    assert figures["macro_f1"] == pytest.approx(f1_score(targets, answers, average="macro", sample_weight=weights))
    assert figures["mcc"] == pytest.approx(matthews_corrcoef(targets, answers, sample_weight=weights))


def test_calibration_error_by_hand():
    """Four answers of 0.9, three of them right; two of 0.6, both right: (4 · 0.15 + 2 · 0.4) / 6."""
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.4, 0.6]] * 2)
    targets = np.array([0, 0, 0, 1, 1, 1])
    assert classification_figures(targets, probabilities)(np.ones(6))["ece"] == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert classification_figures(np.array([0, 1]), certain)(np.ones(2))["ece"] == 0


def test_a_class_that_nobody_has_does_not_count():
    figures = classification_figures(np.array([0, 1]), np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))(np.ones(2))
    assert figures["macro_f1"] == 1 and figures["mcc"] == 1
    assert classification_figures(np.array([0, 0]), np.array([[0.9, 0.1]] * 2))(np.ones(2))["mcc"] == 0


def test_perfect_validation_does_not_make_it_certain():
    """All 90 right: the temperature stays where one error in 92 would not surprise."""
    logits = np.full((90, 10), -3.0)
    logits[:, 0] = 3.0
    temperature = best_temperature(logits, np.zeros(90, int))
    assert 0.9 < softmax(logits / temperature).max() < 0.995
