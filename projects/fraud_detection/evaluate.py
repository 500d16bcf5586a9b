"""The baselines and the report. Only this file opens the test split.

python -m projects.fraud_detection.evaluate --run best
python -m projects.fraud_detection.evaluate --run best --data new_labelled.csv
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Source, Splits, load_splits, scored_on
from common.errors import UserError
from common.evaluation import score_table
from common.report import Report
from common.runs import Run
from projects.fraud_detection.config import Config
from projects.fraud_detection.data import labelled
from projects.fraud_detection.encoding import LIMIT, Transactions, encode, probability
from projects.fraud_detection.metrics import average_precision, best_f1_threshold, figures

DIRECTIONS = {"average_precision": "max", "roc_auc": "max", "recall_at_precision": "max", "f1": "max", "cost": "min"}
CARD_DIRECTIONS = {"average_precision": "max", "card_precision_at_100": "max", **DIRECTIONS}  # where cards are known
MAX_KEPT = 300_000  # scored rows that a run keeps, for the page and for figures over several runs
FEW_ROWS = 10_000  # boosting on so few rows takes half the time on one thread: the threads wait for each other
WORST = 5  # errors of each kind in the report

Scorer = Callable[[pd.DataFrame], np.ndarray]


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on new labelled data with the run's columns."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    validation, source = splits.validation, splits.source
    if data:  # read first: a wrong file is refused before anything is fitted
        looks, (test, source) = 1, _new_data(Path(data), predictor, source)
    # The baselines are fitted, and their thresholds chosen, before the test split is opened.
    scorers = baselines(splits)
    thresholds = {config.model: predictor.meta["threshold"]}
    for name, score in scorers.items():
        thresholds[name] = best_f1_threshold(validation.targets, score(validation.inputs), validation.weights)
    if not data:
        test, looks = splits.open_test(run)
    scores = {config.model: predictor.score(test).astype(float)}
    scores |= {name: score(test.inputs) for name, score in scorers.items()}
    by_model = {name: figures(test, scores[name], thresholds[name], config) for name in scores}
    directions = DIRECTIONS if test.cards is None else CARD_DIRECTIONS
    model = by_model.pop(config.model)
    table = score_table(model, by_model, directions, test.weights, test.units, seed=config.seed)
    threshold, validated = thresholds[config.model], predictor.score(validation).astype(float)
    reliable = reliability(test, probability(scores[config.model]))
    cautions = report.caution_table(predictor.meta["caution_below"], _familiarity(predictor, test))
    calibration_error = float((reliable["weight"] * (reliable["fraud"] - reliable["probability"]).abs()).sum())
    return Report(
        source=source,
        sizes=splits.sizes if not data else {**splits.sizes, "test": len(test)},
        validation=figures(validation, validated, threshold, config)(validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=directions,
        parameters=sum(network.count_params() for network in predictor.networks.values()),
        inference_per_second=report.throughput(lambda: predictor.score(test), len(test)),
        failures=_failures(test, scores[config.model], threshold),
        figures={
            "precision_recall": _curve_figure(test, scores),
            "scores": _score_figure(test, scores[config.model], threshold),
            "reliability": _reliability_figure(reliable),
        },
        tables={
            "thresholds": _threshold_table(test, scores[config.model], threshold, config),
            "sample": _sample(splits.train),
            "caution": cautions,
            **_card_tables(test, scores, thresholds, config.model),
        },
        notes=[
            f"Recall is given at a precision of at least {config.min_precision}; cost is per 1,000 transactions at "
            f"{config.cost_miss:g} a missed fraud and {config.cost_alarm:g} a false alarm.",
            f"The threshold ({probability(threshold):.3f}) has the best F1 on validation.",
            f"Expected calibration error of the probability, in {len(reliable)} groups: {calibration_error:.4f}.",
            report.caution_note("a number is smaller or larger than those of training", cautions),
        ],
    )


def _new_data(path: Path, predictor: Any, trained_on: Source) -> tuple[Transactions, Source]:
    """A labelled file as a test split, and what the report says of it."""
    meta = predictor.meta
    test = labelled(path, meta)
    if predictor.history and test.cards is None:
        names = ", ".join(meta[role] for role in ("card", "terminal", "time") if role in meta)
        raise UserError(f"{path} must have the columns {names}: this network reads what was before.")
    unit = "row" if test.units is None else meta["card"]
    return test, scored_on(path, trained_on, unit=unit, weighted="weight" in meta)


# The baselines


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Scorer]:
    """The naive rule, and the strongest cheap models, each the best of a few settings by validation."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    train, meta = splits.train, splits.meta

    def fitted(model, limit: float = LIMIT) -> Scorer:
        with threadpool_limits(None if len(train.targets) > FEW_ROWS else 1, user_api="openmp"):
            model.fit(encode(train.inputs, meta, limit), train.targets)  # no row has a weight, as for the network
        if isinstance(model, RandomForestClassifier):
            model.set_params(n_jobs=1)  # several jobs add the trees in another order each time, and ties break
            return lambda frame: model.predict_proba(encode(frame, meta, limit))[:, 1]
        return lambda frame: model.decision_function(encode(frame, meta, limit))

    def best(scorers) -> Scorer:
        validation = splits.validation
        return max(scorers, key=lambda score: average_precision(validation, score(validation.inputs)))

    boosting = {"early_stopping": False, "random_state": 0}
    forest = {"n_estimators": 50, "min_samples_leaf": 2, "max_features": "sqrt", "n_jobs": -1, "random_state": 0}
    return {
        "spending_rule": spending_rule(splits),
        "logistic_regression": best(
            fitted(LogisticRegression(C=strength, max_iter=1000), limit)
            for strength in (0.1, 1.0)
            for limit in (LIMIT, np.inf)
        ),
        "random_forest": best(
            fitted(RandomForestClassifier(max_samples=fraction, **forest)) for fraction in (0.1, 0.3)
        ),
        "gradient_boosting": best(
            fitted(HistGradientBoostingClassifier(learning_rate=rate, max_leaf_nodes=leaves, **boosting))
            for rate in (0.05, 0.1)
            for leaves in (8, 31)
        ),
    }


def spending_rule(splits: Splits) -> Scorer:
    """The larger the amount, the more suspicious. Without an amount: the column that ranks best in training."""
    numbers = [name for name, column in splits.meta["columns"].items() if "median" in column]
    amounts = [name for name in numbers if "amount" in name.lower()]
    if amounts:
        return lambda frame: frame[min(amounts, key=len)].to_numpy(float)
    if not numbers:
        return lambda frame: np.zeros(len(frame))
    choices = [(name, sign) for name in numbers for sign in (1.0, -1.0)]

    def precision(choice: tuple[str, float]) -> float:
        return average_precision(splits.train, choice[1] * splits.train.inputs[choice[0]].to_numpy(float))

    name, sign = max(choices, key=precision)
    return lambda frame: sign * frame[name].to_numpy(float)


# What the report shows


def _familiarity(predictor: Any, test: Transactions) -> dict[str, np.ndarray]:
    """{kind: (rows,)} of the test rows, of rows in another unit, and of rows whose columns have been confused."""
    frame, numbers = test.inputs, [name for name, column in predictor.meta["columns"].items() if "median" in column]
    moved = frame[numbers].set_axis(np.roll(numbers, 1), axis=1)
    rows = {"test": frame, "numbers times 100": 100 * frame[numbers], "numbers one column on": moved}
    return {kind: predictor.familiarity(part) for kind, part in rows.items()}


def _failures(test: Transactions, scores: np.ndarray, threshold: float) -> list[dict]:
    """The missed frauds with the lowest scores, and the false alarms with the highest."""
    missed = np.flatnonzero((test.targets == 1) & (scores < threshold))
    alarms = np.flatnonzero((test.targets == 0) & (scores >= threshold))
    worst = [("missed fraud", row) for row in missed[np.argsort(scores[missed])][:WORST]]
    worst += [("false alarm", row) for row in alarms[np.argsort(-scores[alarms])][:WORST]]
    return [
        {"error": kind, "fraud_probability": float(probability(scores[row])), **test.inputs.iloc[row].to_dict()}
        for kind, row in worst
    ]


def _threshold_table(test: Transactions, scores: np.ndarray, chosen: float, config: Config) -> pd.DataFrame:
    """Precision, recall, alarms and cost at 200 thresholds, evenly spaced in the log of rank, from the median up.

    The chosen one is among them, unless no score reaches it.
    """
    thresholds = np.unique(
        [*np.quantile(scores, 1 - np.geomspace(0.5, 1 / len(scores), 200)), min(chosen, scores.max())]
    )
    order = np.argsort(-scores)
    alarms = np.searchsorted(-scores[order], -thresholds, side="right")  # rows at or above each threshold
    raised = np.cumsum(test.weights[order])[alarms - 1]
    hits = np.cumsum((test.weights * test.targets)[order])[alarms - 1]
    total, frauds = test.weights.sum(), test.weights @ test.targets
    cost = config.cost_miss * (frauds - hits) + config.cost_alarm * (raised - hits)
    return pd.DataFrame(
        {
            "threshold": probability(thresholds),
            "precision": hits / raised,
            "recall": hits / frauds,
            "alarms_per_1000": 1000 * raised / total,
            "cost_per_1000": 1000 * cost / total,
        }
    )


def _card_tables(
    test: Transactions, scores: dict[str, np.ndarray], thresholds: dict[str, float], model: str
) -> dict[str, pd.DataFrame]:
    """{"scores": every test row with its card, target and scores; "scenarios": recall by scenario}, where known."""
    tables: dict[str, pd.DataFrame] = {}
    if test.cards is None:
        return tables
    if len(test) <= MAX_KEPT:
        amounts = [name for name in test.inputs if "amount" in name.lower()]
        shown = {"amount": test.inputs[min(amounts, key=len)].round(2)} if amounts else {}
        rounded = {"score" if name == model else name: np.float32(values) for name, values in scores.items()}
        tables["scores"] = test.cards.assign(**shown, target=test.targets, weight=test.weights, **rounded)
    if "scenario" in test.cards:
        frauds = test.cards.assign(**{name: scores[name] >= thresholds[name] for name in scores})[test.targets == 1]
        recall = frauds.groupby("scenario")[list(scores)].mean()
        recall.insert(0, "frauds", frauds.groupby("scenario").size())
        tables["scenarios"] = recall.reset_index()
    return tables


def _sample(train: Transactions, count: int = 200) -> pd.DataFrame:
    """Training rows to look at, as many frauds as normal ones. The answer is the last column.

    It is called `target`, or `target_` where the data has another column of that name.
    """
    rows = np.concatenate([np.flatnonzero(train.targets == label)[:count] for label in (0, 1)])
    answer = "target"
    while answer in train.inputs:
        answer += "_"
    return train.inputs.iloc[rows].assign(**{answer: train.targets[rows]})


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
    axis.set(xlabel="recall (fraction of frauds found)", ylabel="precision (fraction of alarms that are frauds)")
    axis.set_aspect("auto")
    axis.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def reliability(test: Transactions, probabilities: np.ndarray, groups: int = 15) -> pd.DataFrame:
    """How far probabilities of fraud are right, in groups that become smaller towards the top, down to one in 2,000.

    Columns: probability (its mean), fraud (the fraction that is fraud), weight (the group's share of all). Equal steps
    of probability would put nearly all transactions into the first group.
    """
    order = np.argsort(probabilities, kind="stable")
    cuts = len(order) - np.geomspace(len(order), max(1, len(order) // 2000), groups).astype(int)[1:]
    parts = [rows for rows in np.split(order, np.unique(cuts)) if test.weights[rows].sum() > 0]
    means = [[np.average(x[rows], weights=test.weights[rows]) for x in (probabilities, test.targets)] for rows in parts]
    table = pd.DataFrame(means, columns=["probability", "fraud"])
    return table.assign(weight=[test.weights[rows].sum() / test.weights.sum() for rows in parts])


def _reliability_figure(table: pd.DataFrame):
    figure, axis = report.new_figure()
    seen = table[(table > 0).all(axis=1)]  # a group without a fraud has no place on an axis of logarithms
    low = float(seen[["probability", "fraud"]].min().min()) if len(seen) else 1e-3
    axis.plot([low, 1], [low, 1], color="0.6", linestyle=":")
    axis.plot(seen["probability"], seen["fraud"], marker=".", color=report.COLOURS[0])
    axis.set(xlabel="probability of fraud", ylabel="fraction that is fraud", xscale="log", yscale="log")
    return figure


def _score_figure(test: Transactions, scores: np.ndarray, threshold: float):
    figure, axis = report.new_figure()
    bins = np.linspace(scores.min(), scores.max(), 60)
    for label, name in ((0, "normal"), (1, "fraud")):
        rows = test.targets == label
        axis.hist(scores[rows], bins, weights=test.weights[rows], label=name, alpha=0.75, color=report.COLOURS[label])
    axis.axvline(threshold, color="0.3", linestyle="--", label="threshold")
    axis.set(xlabel="score (logit of fraud)", ylabel="transactions", yscale="log")
    axis.legend(frameon=False)
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
