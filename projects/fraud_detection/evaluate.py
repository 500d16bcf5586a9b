"""Baselines and figures; the only place that opens the test split.

python -m projects.fraud_detection.evaluate --run best
python -m projects.fraud_detection.evaluate --run best --data new_labelled.csv
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Source, Splits, load_splits
from common.errors import UserError
from common.evaluation import best_f1_threshold, ranking_figures, score_table
from common.inputs.tables import file_sha256
from common.report import Report
from common.runs import Run
from projects.fraud_detection.cards import SECONDS_PER_DAY, card_precision
from projects.fraud_detection.config import Config
from projects.fraud_detection.data import labelled
from projects.fraud_detection.predict import Transactions, encode, probability

DIRECTIONS = {"average_precision": "max", "roc_auc": "max", "recall_at_precision": "max", "f1": "max", "cost": "min"}
CARD_DIRECTIONS = {"average_precision": "max", "card_precision_at_100": "max", **DIRECTIONS}  # where cards are known
MOST_KEPT = 300_000  # scored rows that a run keeps, for the page and for figures over several runs

Scorer = Callable[[pd.DataFrame], np.ndarray]


def ranking(split: Transactions, config: Config) -> Callable[[np.ndarray], dict[str, float]]:
    """Predicted log-odds of a split -> its threshold-free figures, for the choice of the best epoch."""

    def score(predictions: np.ndarray) -> dict[str, float]:
        figures = _figures(split, predictions[:, 0], 0.0, config)(split.weights)
        return {
            name: figures[name] for name in ("average_precision", "roc_auc", "card_precision_at_100") if name in figures
        }

    return score


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on new labelled data with the run's columns."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    # The baselines are fitted and their thresholds chosen before the test split is opened.
    scorers = {name: (score, _threshold(score, splits.validation)) for name, score in baselines(splits).items()}
    source = splits.source
    if data:
        test, looks = labelled(Path(data), predictor.meta), 1
        source = Source(
            Path(data).name,
            f"Scored on {data}; trained on: {source.source}",
            file_sha256(Path(data)),
            "row" if test.units is None else predictor.meta["card"],
            "weight" in predictor.meta,
        )
    else:
        test, looks = splits.open_test(run)
    if predictor.history and test.cards is None:
        raise UserError(
            f"{data} must have the columns {predictor.meta['card']} and {predictor.meta['time']}: "
            "this network reads a card's history."
        )
    scores = predictor.score(test).astype(float)
    threshold = predictor.meta["threshold"]
    baseline_scores = {name: score(test.inputs) for name, (score, _) in scorers.items()}
    directions = DIRECTIONS if test.cards is None else CARD_DIRECTIONS
    table = score_table(
        _figures(test, scores, threshold, config),
        {name: _figures(test, baseline_scores[name], limit, config) for name, (_, limit) in scorers.items()},
        directions,
        test.weights,
        test.units,
        seed=config.seed,
    )
    validation = predictor.score(splits.validation).astype(float)
    return Report(
        source=source,
        sizes=splits.sizes if not data else {**splits.sizes, "test": len(test)},
        validation=_figures(splits.validation, validation, threshold, config)(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=directions,
        parameters=sum(network.count_params() for network in predictor.networks.values()),
        inference_per_second=report.throughput(lambda: predictor.score(test), len(test)),
        failures=_failures(test, scores, threshold),
        figures={
            "precision_recall": _curve_figure(test, {config.model: scores, **baseline_scores}),
            "scores": _score_figure(test, scores, threshold),
        },
        tables={
            "thresholds": _threshold_table(test, scores, config),
            "sample": _sample(splits.train),
            **_kept(test, {"score": scores, **baseline_scores}),
            **_scenarios(
                test,
                {config.model: scores >= threshold}
                | {name: baseline_scores[name] >= limit for name, (_, limit) in scorers.items()},
            ),
        },
        notes=[
            f"Recall is given at a precision of at least {config.min_precision}; cost is per 1,000 transactions at "
            f"{config.cost_miss:g} a missed fraud and {config.cost_alarm:g} a false alarm.",
            f"The threshold ({probability(threshold):.3f}) has the best F1 on validation.",
        ],
    )


_fitted: dict = {}  # the last splits and their baselines


def baselines(splits: Splits) -> dict[str, Scorer]:
    """The naive rule and the strongest cheap models, tuned on validation: 4 settings each, of the slow forest 2.

    They are fitted once for splits, so that the models of a ladder meet the same ones.
    """
    if _fitted.get("splits") is not splits:
        _fitted.clear()
        _fitted.update(splits=splits, scorers=_fit_baselines(splits))
    return _fitted["scorers"]


def _fit_baselines(splits: Splits) -> dict[str, Scorer]:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    train, meta = splits.train, splits.meta

    def fitted(model, limit: float = 5.0) -> Scorer:
        model.fit(encode(train.inputs, meta, limit), train.targets)  # unweighted, as the network; see `encode_split`
        if isinstance(model, RandomForestClassifier):
            return lambda frame: model.predict_proba(encode(frame, meta, limit))[:, 1]
        return lambda frame: model.decision_function(encode(frame, meta, limit))

    regressions = (
        fitted(LogisticRegression(C=strength, max_iter=1000), limit)
        for strength in (0.1, 1.0)
        for limit in (5.0, np.inf)
    )
    forests = (
        fitted(
            RandomForestClassifier(
                50, min_samples_leaf=2, max_features="sqrt", max_samples=share, n_jobs=-1, random_state=0
            )
        )
        for share in (0.1, 0.3)
    )
    boosters = (
        fitted(
            HistGradientBoostingClassifier(
                learning_rate=rate, max_leaf_nodes=leaves, early_stopping=False, random_state=0
            )
        )
        for rate in (0.05, 0.1)
        for leaves in (8, 31)
    )
    return {
        "spending_rule": spending_rule(splits),
        "logistic_regression": _best(regressions, splits.validation),
        "random_forest": _best(forests, splits.validation),
        "gradient_boosting": _best(boosters, splits.validation),
    }


def spending_rule(splits: Splits) -> Scorer:
    """The larger the amount, the more suspicious; without an amount, the single column that ranks best in training."""
    numbers = [name for name, column in splits.meta["columns"].items() if "median" in column]
    amounts = [name for name in numbers if "amount" in name.lower()]
    if amounts:
        return lambda frame: frame[min(amounts, key=len)].to_numpy(float)
    if not numbers:
        return lambda frame: np.zeros(len(frame))
    choices = [(name, sign) for name in numbers for sign in (1.0, -1.0)]

    def precision(choice: tuple[str, float]) -> float:
        return _average_precision(splits.train, choice[1] * splits.train.inputs[choice[0]].to_numpy(float))

    name, sign = max(choices, key=precision)
    return lambda frame: sign * frame[name].to_numpy(float)


def _best(scorers, validation: Transactions) -> Scorer:
    return max(scorers, key=lambda score: _average_precision(validation, score(validation.inputs)))


def _average_precision(split: Transactions, scores: np.ndarray) -> float:
    return ranking_figures(split.targets, scores, 0, 1, 0, 0)(split.weights)["average_precision"]


def _threshold(score: Scorer, validation: Transactions) -> float:
    return best_f1_threshold(validation.targets, score(validation.inputs), validation.weights)


def _figures(split: Transactions, scores: np.ndarray, threshold: float, config: Config):
    """Row weights -> every figure; the cards' own only where a split knows them."""
    ranked = ranking_figures(
        split.targets, scores, threshold, config.min_precision, config.cost_miss, config.cost_alarm
    )
    if split.cards is None:
        return ranked
    days = (split.cards["time"].to_numpy() // SECONDS_PER_DAY).astype(int)
    listed = card_precision(split.cards["card"].to_numpy(), days, split.targets, scores)
    return lambda weights: ranked(weights) | listed(weights)


def _failures(test: Transactions, scores: np.ndarray, threshold: float, count: int = 5) -> list[dict]:
    """The frauds that scored lowest and the normal transactions that scored highest."""
    missed = np.flatnonzero((test.targets == 1) & (scores < threshold))
    alarms = np.flatnonzero((test.targets == 0) & (scores >= threshold))
    worst = [("missed fraud", row) for row in missed[np.argsort(scores[missed])][:count]]
    worst += [("false alarm", row) for row in alarms[np.argsort(-scores[alarms])][:count]]
    return [
        {"error": kind, "fraud_probability": float(probability(scores[row])), **test.inputs.iloc[row].to_dict()}
        for kind, row in worst
    ]


def _threshold_table(test: Transactions, scores: np.ndarray, config: Config) -> pd.DataFrame:
    """Precision, recall, alarms and cost at 200 thresholds, evenly spaced in rank among the scores above the median."""
    thresholds = np.unique(np.quantile(scores, 1 - np.geomspace(0.5, 1 / len(scores), 200)))
    rows = []
    for threshold in thresholds:
        alarm = scores >= threshold
        hits = float(test.weights[alarm & (test.targets == 1)].sum())
        raised, frauds = float(test.weights[alarm].sum()), float(test.weights[test.targets == 1].sum())
        cost = config.cost_miss * (frauds - hits) + config.cost_alarm * (raised - hits)
        rows.append(
            {
                "threshold": float(probability(threshold)),
                "precision": hits / raised,
                "recall": hits / frauds,
                "alarms_per_1000": 1000 * raised / test.weights.sum(),
                "cost_per_1000": 1000 * cost / test.weights.sum(),
            }
        )
    return pd.DataFrame(rows)


def _kept(test: Transactions, scores: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """{"scores": the test rows with whose they are, target, weight and every score}, where cards are known."""
    if test.cards is None or len(test) > MOST_KEPT:
        return {}
    amounts = [name for name in test.inputs if "amount" in name.lower()]
    shown = {"amount": test.inputs[min(amounts, key=len)].round(2)} if amounts else {}
    rounded = {name: np.float32(values) for name, values in scores.items()}
    return {"scores": test.cards.assign(**shown, target=test.targets, weight=test.weights, **rounded)}


def _scenarios(test: Transactions, alarms: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """{"scenarios": of the frauds of each scenario, the share that each model raises an alarm for}, where known."""
    if test.cards is None or "scenario" not in test.cards:
        return {}
    rows = []
    for scenario in sorted(test.cards["scenario"][test.targets == 1].unique()):
        own = ((test.cards["scenario"] == scenario) & (test.targets == 1)).to_numpy()
        rows.append(
            {
                "scenario": scenario,
                "frauds": int(own.sum()),
                **{name: alarm[own].mean() for name, alarm in alarms.items()},
            }
        )
    return {"scenarios": pd.DataFrame(rows)}


def _sample(train: Transactions, count: int = 200) -> pd.DataFrame:
    """Training rows to look at, as many frauds as normal ones."""
    rows = np.concatenate([np.flatnonzero(train.targets == label)[:count] for label in (0, 1)])
    return train.inputs.iloc[rows].assign(target=train.targets[rows])


def _curve_figure(test: Transactions, scores: dict[str, np.ndarray]):
    from sklearn.metrics import PrecisionRecallDisplay

    figure, axis = report.new_figure()
    for i, (name, values) in enumerate(scores.items()):
        PrecisionRecallDisplay.from_predictions(
            test.targets,
            values,
            sample_weight=test.weights,
            name=name.replace("_", " "),
            ax=axis,
            curve_kwargs={"color": report.COLOURS[i], "linewidth": 2 if i == 0 else 1.2},
        )
    axis.set(xlabel="recall (share of frauds found)", ylabel="precision (share of alarms that are frauds)")
    axis.set_aspect("auto")
    axis.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def _score_figure(test: Transactions, scores: np.ndarray, threshold: float):
    figure, axis = report.new_figure()
    bins = np.linspace(scores.min(), scores.max(), 60)
    for label, name in ((0, "normal"), (1, "fraud")):
        rows = test.targets == label
        axis.hist(scores[rows], bins, weights=test.weights[rows], label=name, alpha=0.75, color=report.COLOURS[label])
    axis.axvline(threshold, color="0.3", linestyle="--", label="threshold")
    axis.set(xlabel="score (log-odds of fraud)", ylabel="transactions", yscale="log")
    axis.legend(frameon=False)
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
