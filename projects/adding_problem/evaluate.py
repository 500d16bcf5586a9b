"""Baselines and figures; the only place that opens the test split.

python -m projects.adding_problem.evaluate --run best
python -m projects.adding_problem.evaluate --run best --data sequences.csv
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, Splits, load_splits, scored_on
from common.evaluation import score_table
from common.report import Report
from common.runs import Run
from projects.adding_problem.data import read_sequences
from projects.adding_problem.metrics import DIRECTIONS, TOLERANCE, figures, gradient_by_distance
from projects.adding_problem.predict import Predictor

SHOWN = 500  # test sequences in the figure of answers
PROBED = 200  # validation sequences over which the gradient is averaged


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test sequences, or on a file of sequences as long as those of training."""
    config, predictor, splits = run.config, run.load(), load_splits(run.config, run)
    source, held = splits.source, splits.validation
    notes = [f"An answer within {TOLERANCE} of the truth counts as right."]
    if data:  # read first: a wrong file is refused before anything is fitted
        (test, repeated), looks = read_sequences(Path(data), splits.meta["length"]), 1
        source = scored_on(Path(data), source)
        notes += [f"{repeated:,} repeated sequences count once."] if repeated else []
    scorers = baselines(splits)  # fitted before the test split is opened
    if not data:
        test, looks = splits.open_test(run)
    answers = predictor.score(test.inputs)
    table = score_table(
        figures(test.targets, answers),
        {name: figures(test.targets, score(test.inputs)) for name, score in scorers.items()},
        DIRECTIONS,
        test.weights,
        seed=config.seed,
    )
    reach = reaches(config, splits, predictor)
    shown = answers_table(test, answers)
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=figures(held.targets, predictor.score(held.inputs))(held.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.score(test.inputs[:500]), len(test.inputs[:500])),
        failures=shown.reindex(shown["error"].abs().sort_values(ascending=False).index).head(10).to_dict("records"),
        figures={"answers": answers_figure(shown.head(SHOWN)), "gradient": gradient_figure(reach)},
        tables={"answers": shown.head(SHOWN), "gradient": reach},
        notes=notes,
    )


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """{name: sequences (n, length, 2) -> answers (n, 1)}: the mean of the training sums, and a linear regression.

    The regression reads all numbers and marks. It cannot multiply one by the other. Neither has a setting to tune.
    """
    from sklearn.linear_model import LinearRegression

    x, y = splits.train.inputs, splits.train.targets
    linear = LinearRegression().fit(x.reshape(len(x), -1), y)
    return {
        "mean": lambda inputs: np.full((len(inputs), 1), y.mean()),
        "linear_regression": lambda inputs: linear.predict(inputs.reshape(len(inputs), -1)),
    }


def reaches(config: Any, splits: Splits, predictor: Predictor) -> pd.DataFrame:
    """How far back the gradient reaches, before and after training: distance to the end, and the two norms."""
    from projects.adding_problem.model import build_model

    probed = splits.validation.inputs[:PROBED]
    before = gradient_by_distance(build_model(config, splits.meta), probed)
    after = gradient_by_distance(predictor.networks["model"], probed)
    return pd.DataFrame({"distance": np.arange(len(before)), "before": before, "after": after})


def answers_table(test: Split, answers: np.ndarray) -> pd.DataFrame:
    """For each sequence: the marked places (from 1), the right sum, the answer and the error."""
    places = np.argsort(-test.inputs[..., 1], axis=1, kind="stable")[:, :2] + 1
    truth, answer = test.targets[:, 0].astype(float), answers[:, 0].astype(float)
    columns = {"first": places[:, 0], "second": places[:, 1], "truth": truth, "answer": answer}
    return pd.DataFrame({**columns, "error": answer - truth})


def answers_figure(table: pd.DataFrame) -> Any:
    """Answer against truth, a dot a test sequence."""
    figure, axis = report.new_figure(width=4.5)
    axis.plot([0, 2], [0, 2], color="0.6", linestyle=":")
    axis.scatter(table["truth"], table["answer"], s=8)
    axis.set(xlabel="right sum", ylabel="answer of the network", xlim=(0, 2), ylim=(-0.1, 2.1))
    return figure


def gradient_figure(reach: pd.DataFrame) -> Any:
    """The norm of the gradient by distance to the end, before and after training, on a logarithmic scale."""
    figure, axis = report.new_figure(width=5.5)
    for name in ("before", "after"):
        axis.plot(reach["distance"], reach[name].clip(lower=1e-12), label=f"{name} training")
    axis.set(xlabel="steps before the end", ylabel="norm of the gradient", yscale="log")
    axis.legend(frameon=False)
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
