"""Figures; the only place that opens the test split.

python -m projects.bankruptcy.evaluate --run best
python -m projects.bankruptcy.evaluate --run best --data firms.csv
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Splits, load_splits, scored_on
from common.evaluation import confidence, score_table, softmax
from common.report import Report
from common.runs import Run
from projects.bankruptcy import baselines as classical
from projects.bankruptcy.data import labelled
from projects.bankruptcy.encoding import Series, as_raw
from projects.bankruptcy.metrics import (
    CLASSES,
    FALSE_ALARMS,
    LEAD,
    RISK,
    Scorer,
    alarm_threshold,
    calibration,
    figures,
    lead_days,
    lead_figures,
    risks_until_failure,
)

CAUTION = "the lowest or highest value of the series, or its mean change a step, lies beyond those of training"
WORST = 6  # errors of each kind in the report
DRAWN = 3  # missed failures that are drawn
SHOWN = 1500  # firms in the figure of true and predicted risks
KEPT = 12  # training series that a run keeps, for the page
RATES = np.array([0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3])  # false alarms, of the lead times


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test series, or on a new labelled file."""
    config, predictor, splits = run.config, run.load(), load_splits(run.config, run)
    meta, held, source = predictor.meta, splits.validation, splits.source
    if data:  # read first: a wrong file is refused before anything is fitted
        test, looks, source = labelled(Path(data), meta), 1, scored_on(Path(data), source)
    scorers: dict[str, Scorer] = {config.model: predictor.score, **baselines(splits)}
    if data:
        scorers.pop("oracle", None)
    else:
        test, looks = splits.open_test(run)
    logits = {name: score(test) for name, score in scorers.items()}
    scored = {name: figures(test, values, meta["task"]) for name, values in logits.items()}
    directions, early = (RISK, {}) if meta["task"] == "risk" else (CLASSES, {})
    if test.after is not None:
        directions, early = {**RISK, **LEAD}, {name: risks_until_failure(test, s) for name, s in scorers.items()}
        for name, score in scorers.items():
            threshold = alarm_threshold(held, score(held))
            scored[name] = both(scored[name], lead_figures(lead_days(test, early[name], threshold)))
    model, *others = scored
    table = score_table(
        scored[model], {name: scored[name] for name in others}, directions, test.weights, test.units, seed=config.seed
    )
    drawn, tables, failures = shown(test, logits, splits, early)
    familiar = {kind: predictor.familiarity(series) for kind, series in changed(test).items()}
    tables["caution"] = report.caution_table(meta["caution_below"], familiar)
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=figures(held, predictor.score(held), meta["task"])(held.weights),
        test={"unit": source.unit, "looks": looks, **table, "reference_only": ["oracle"]},
        directions=directions,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.score(test.inputs[:256]), len(test.inputs[:256])),
        failures=failures,
        figures=drawn,
        tables=tables,
        notes=[*notes(test, meta, table, config.base_rate), report.caution_note(CAUTION, tables["caution"])],
    )


def changed(test: Series) -> dict[str, list[np.ndarray]]:
    """{kind: series}: the test series; one variable in another unit; their steps in random order; all steps alike."""
    random = np.random.default_rng(0)
    unit = np.array([100.0] + [1.0] * (test.inputs[0].shape[1] - 1))
    return {
        "test": list(test.inputs),
        "the first column times 100": [series * unit for series in test.inputs],
        "steps in random order": [random.permutation(series) for series in test.inputs],
        "all steps alike": [np.repeat(series[-1:], len(series), axis=0) for series in test.inputs],
    }


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Scorer]:
    return classical.fitted(splits)


def both(one: Any, other: Any) -> Any:
    """Two functions of row weights as one."""
    return lambda weights: one(weights) | other(weights)


def notes(test: Series, meta: dict[str, Any], table: dict[str, Any], base_rate: float | None) -> list[str]:
    """Sentences for the model card: base rates, the oracle, the alarm."""
    if meta["task"] == "classes":
        return [f"The network reads {meta['length']} time steps; shorter series are padded and masked."]
    said = [f"Of the training firms {meta['failing']:.1%} fail, of the test firms {np.mean(test.targets):.1%}."]
    if base_rate is not None:
        said.append(f"The risks have been moved to a base rate of {base_rate:.1%}; their order is the same.")
    if "oracle" in table["baselines"]:
        known = [part["average_precision"]["value"] for part in (table["model"], table["baselines"]["oracle"])]
        said.append(
            "The oracle sees the hidden assets and the regime of volatility, so it is an upper bound, no competitor. "
            f"The network reaches {known[0] / known[1]:.0%} of its average precision."
        )
        said.append(
            f"Lead days: from the first alarm to the failure, at a threshold that {FALSE_ALARMS:.0%} of the validation "
            "firms that live on exceed; a failure without an alarm counts as 0."
        )
    return said


# What the report shows


def shown(
    test: Series, logits: dict[str, np.ndarray], splits: Splits, early: dict[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, pd.DataFrame], list[dict[str, Any]]]:
    """(figures, tables, failures) of the report."""
    meta, probabilities = splits.meta, {name: softmax(np.asarray(part, float)) for name, part in logits.items()}
    model, tables = next(iter(logits)), {"sample": sample(splits)}
    own = probabilities[model]
    if meta["task"] == "classes":
        answers = own.argmax(axis=1)
        sure = {name: confidence(test.targets, part) for name, part in probabilities.items()}
        drawn = {"confusion": report.confusion_figure(test.targets, answers, meta["classes"])}
        drawn["reliability"] = report.reliability_figure(sure)
        wrong = np.flatnonzero(answers != test.targets)
        worst = wrong[np.argsort(-own[wrong].max(axis=1))][:10]
        failures = [
            {
                "answer": meta["classes"][answers[row]],
                "label": meta["classes"][test.targets[row]],
                "probability": float(own[row].max()),
                "steps": len(test.inputs[row]),
            }
            for row in worst
        ]
        return drawn, tables, failures
    risks = {name: part[:, 1] for name, part in probabilities.items()}
    drawn = {"precision_recall": curve_figure(test, risks), "calibration": calibration_figure(test, risks)}
    missed = np.flatnonzero(test.targets == 1)
    missed = missed[np.argsort(risks[model][missed])][:WORST]
    alarmed = np.flatnonzero(test.targets == 0)
    alarmed = alarmed[np.argsort(-risks[model][alarmed])][:WORST]
    failures = [failure(test, row, risks, meta, "missed failure") for row in missed]
    failures += [failure(test, row, risks, meta, "false alarm") for row in alarmed]
    if meta["length"] > 1:
        drawn["misses"] = misses_figure(test, missed, meta["variables"], risks[model])
    if early:
        held = test.targets == 0
        tables["lead"] = lead_table(test, {name: part[held] for name, part in risks.items()}, early)
        drawn["lead"] = lead_figure(tables["lead"])
        truth = pd.DataFrame({"truth": test.truth[:, 0], "risk": risks[model], "failed": test.targets})
        tables["truth"] = truth.head(SHOWN).round(5)
    return drawn, tables, failures


def failure(test: Series, row: int, risks: dict[str, np.ndarray], meta: dict[str, Any], kind: str) -> dict[str, Any]:
    """One line of the worst errors."""
    result: dict[str, Any] = {"error": kind, **{name: float(part[row]) for name, part in risks.items()}}
    if test.failed is not None:
        result["days_to_failure"] = None if np.isnan(test.failed[row]) else int(test.failed[row])
    last = np.asarray(test.inputs[row], float)[-1]
    return result | {name: float(value) for name, value in list(zip(meta["variables"], last, strict=True))[:4]}


def sample(splits: Splits) -> pd.DataFrame:
    """Some training series of each class as a long table: series, class, step and the variables."""
    train, meta, rows = splits.train, splits.meta, []
    count = len(meta["classes"])
    for label in range(count):
        rows += np.flatnonzero(train.targets == label)[: max(2, KEPT // count)].tolist()
    frames = []
    for number, row in enumerate(rows, start=1):
        values = as_raw(np.asarray(train.inputs[row], float), meta["variables"][:20])
        steps = np.arange(1, len(train.inputs[row]) + 1)
        label = meta["classes"][train.targets[row]]
        frames.append(pd.DataFrame({"series": number, "class": label, "step": steps, **values}))
    return pd.concat(frames)


def lead_table(test: Series, alive: dict[str, np.ndarray], early: dict[str, np.ndarray]) -> pd.DataFrame:
    """For each model and fraction of false alarms: threshold, mean days from alarm to failure, fraction found in time.

    alive: the risks of the test firms that live on; early: those of the failing firms at each check.
    """
    rows = []
    for name, risks in early.items():
        for rate in RATES:
            threshold = float(np.quantile(alive[name], 1 - rate))
            days = lead_days(test, risks, threshold)
            days = days[~np.isnan(days)]
            rows.append((name, rate, threshold, days.mean(), np.median(days), (days > 0).mean()))
    columns = ["model", "false_alarms", "threshold", "mean_days", "median_days", "found"]
    return pd.DataFrame(rows, columns=columns)


def curves(lines: dict[str, Any], width: float = 5.5, marker: str = ".", diagonal: Any = (), **settings: str) -> Any:
    """A line for each model, {name: (x, y)}; the first one is the thickest. settings: of the axes."""
    figure, axis = report.new_figure(width=width)
    if diagonal:
        axis.plot(diagonal, diagonal, color="0.6", linestyle=":")
    for number, (name, (x, y)) in enumerate(lines.items()):
        axis.plot(x, y, marker=marker, label=name.replace("_", " "), linewidth=2 if number == 0 else 1.2)
    axis.set(**settings)
    axis.legend(frameon=False, fontsize=8)
    return figure


def lead_figure(table: pd.DataFrame) -> Any:
    lines = {name: (part["false_alarms"], part["mean_days"]) for name, part in table.groupby("model", sort=False)}
    return curves(lines, xlabel="fraction of false alarms", ylabel="mean days from alarm to failure", xscale="log")


def curve_figure(test: Series, risks: dict[str, np.ndarray]) -> Any:
    from sklearn.metrics import precision_recall_curve

    lines = {}
    for name, values in risks.items():
        precision, recall, _ = precision_recall_curve(test.targets, values)
        lines[name] = (recall, precision)
    found, right = "recall (fraction of the failures found)", "precision (fraction of the alarms that fail)"
    return curves(lines, width=6.0, marker="", xlabel=found, ylabel=right)


def calibration_figure(test: Series, risks: dict[str, np.ndarray]) -> Any:
    """Mean risk and fraction that failed, in ten groups of equally many firms."""
    low = 1e-3
    lines = {name: np.maximum(calibration(test.targets, values), low) for name, values in risks.items()}
    labels = {"xlabel": "risk", "ylabel": "fraction that failed"}
    return curves(lines, diagonal=[low, 1], xscale="log", yscale="log", **labels)


def misses_figure(test: Series, rows: np.ndarray, variables: list[str], risks: np.ndarray) -> Any:
    """The failing firms with the lowest risk: their first variable, with the days after the decision where known."""
    figure, axes = report.new_figure(columns=DRAWN, width=3.6, height=2.6)
    for axis, row in zip(np.ravel(axes), rows, strict=False):
        before = np.asarray(test.inputs[row], float)[:, 0]
        steps = np.arange(-len(before) + 1, 1)
        axis.plot(steps, before, color=report.COLOURS[0])
        if test.after is not None:
            axis.plot(np.arange(test.after.shape[1] + 1), [before[-1], *test.after[row, :, 0]], color=report.COLOURS[1])
        axis.axvline(0, color="0.4", linestyle="--")
        axis.set(title=f"risk {risks[row]:.3f}", xlabel="steps from the decision", ylabel=variables[0])
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
