"""From a raw transaction to an answer, and from a file to a scored file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.data import Split
from common.evaluation import best_f1_threshold
from common.tables import as_categories, check_columns, check_numbers, score_table_file


class Predictor:
    """Encodes raw transactions, runs the network and says what it found.

    networks: {"model": Keras model from encoded columns to log-odds}. meta: the columns (`data.describe`), the target's
    name, and, once they are chosen, the threshold and the examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta

    @property
    def examples(self) -> list[dict[str, Any]]:
        """A few transactions of the validation split, frauds and normal ones in turn."""
        return self.meta["examples"]

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Raw rows -> (rows, width) float32 for the network."""
        return encode(frame, self.meta)

    def encode_split(self, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """(inputs, targets) as `model.fit` takes them.

        Without the weights: they belong to the figures. In training, a part of ULB whose normals count 35-fold would
        drown the frauds (gradient boosting falls from 0.87 to about 0.7 average precision).
        """
        return self.encode(split.inputs), split.targets.astype("float32")

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Log-odds of fraud (rows,) of raw rows that have passed `checked`."""
        from keras import ops

        model, rows = self.networks["model"], self.encode(frame)
        if len(rows) <= 8192:  # `predict` sets up a pipeline, which for a few rows costs many times the sums themselves
            return ops.convert_to_numpy(model(rows, training=False))[:, 0]
        return model.predict(rows, batch_size=8192, verbose=0)[:, 0]

    def decode(self, scores: np.ndarray) -> pd.DataFrame:
        """Log-odds -> columns fraud_probability and is_fraud."""
        return pd.DataFrame({"fraud_probability": probability(scores), "is_fraud": scores >= self.meta["threshold"]})

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One transaction {column: value} -> {"fraud_probability", "is_fraud", "threshold", "moved_by"}.

        `moved_by` is the row's `contributions`, the largest first.
        """
        frame = checked(pd.DataFrame([raw]), self.meta, "the transaction")
        score = float(self.score(frame)[0])
        moved = self.contributions(frame).iloc[0].to_dict()
        return {
            "fraud_probability": float(probability(score)),
            "is_fraud": score >= self.meta["threshold"],
            "threshold": float(probability(self.meta["threshold"])),
            "moved_by": dict(sorted(moved.items(), key=lambda item: -abs(item[1]))),
        }

    def contributions(self, frame: pd.DataFrame) -> pd.DataFrame:
        """For each value, by how much the log-odds would fall if it were the typical one of the training rows.

        frame: checked rows. Returns a frame of the same shape: what speaks for fraud is positive. (Occlusion, Zeiler &
        Fergus 2014, on columns: one column at a time, so two columns that say the same thing share no credit.)
        """
        variants = [frame]
        for name, column in self.meta["columns"].items():
            variants.append(frame.assign(**{name: column.get("median", (column.get("categories") or [None])[0])}))
        scores = self.score(pd.concat(variants, ignore_index=True)).astype(float).reshape(len(variants), len(frame))
        return pd.DataFrame((scores[0] - scores[1:]).T, columns=frame.columns)

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """There is nothing to show before the answer."""
        yield self.predict(raw)

    def choose_examples(self, validation: Split) -> None:
        """Keep six validation rows to start from: frauds and normal ones in turn, from sure over doubtful to wrong."""
        scores = self.score(validation.inputs)
        rows = []
        for ranks in ((0.9, 0.1), (0.5, 0.5), (0.1, 0.999)):  # of the frauds, of the normal ones
            for label, rank in zip((1, 0), ranks, strict=True):
                own = np.flatnonzero(validation.targets == label)
                rows.append(own[np.argsort(scores[own])[int(rank * (len(own) - 1))]])
        self.meta["examples"] = [
            {name: value.item() if isinstance(value, np.generic) else value for name, value in record.items()}
            for record in validation.inputs.iloc[rows].to_dict("records")
        ]

    def choose_threshold(self, validation: Split) -> None:
        """Keep the threshold (a log-odds) with the best F1 on validation."""
        self.meta["threshold"] = best_f1_threshold(
            validation.targets, self.score(validation.inputs).astype(float), validation.weights
        )


def probability(log_odds: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(log_odds, float)))


def encode(frame: pd.DataFrame, meta: dict[str, Any], limit: float = 5.0) -> np.ndarray:
    """Two columns a number, and one for each frequent category, as `meta["columns"]` lists them: (rows, width) float32.

    A number is centred and scaled to r, and enters as r within `limit`, where differences count, and as
    sign(r) log(1 + |r|), because frauds lie tens of scales out, where only the order of magnitude counts.
    """
    parts = []
    for name, column in meta["columns"].items():
        values = frame[name].to_numpy()
        if "categories" in column:
            parts += [values == category for category in column["categories"]]
        else:
            ratio = (values.astype(float) - column["median"]) / column["scale"]
            parts += [np.clip(ratio, -limit, limit), np.sign(ratio) * np.log1p(np.abs(ratio))]
    return np.column_stack(parts).astype("float32")


def encoded_width(meta: dict[str, Any]) -> int:
    """How many columns `encode` makes."""
    return sum(len(column.get("categories", ("linear", "log"))) for column in meta["columns"].values())


def checked(frame: pd.DataFrame, meta: dict[str, Any], path: Path | str) -> pd.DataFrame:
    """The feature columns alone, each of its kind; anything missing or of another kind is a UserError."""
    check_columns(frame, list(meta["columns"]), path)
    columns = {}
    for name, column in meta["columns"].items():
        if "categories" in column:
            columns[name] = as_categories(frame, name, path)
        else:
            check_numbers(frame, [name], path)
            columns[name] = pd.to_numeric(frame[name]).astype(float)
    return pd.DataFrame(columns)


def score_file(predictor: Predictor, source: Path, target: Path, most: int | None = None) -> tuple[int, int]:
    """Write `source` (CSV or Parquet) with fraud_probability and is_fraud added to `target`; (rows, alarms).

    most: how many rows are allowed (a page bounds what a visitor may ask for); more is a UserError.
    """
    alarms = 0

    def score(frame: pd.DataFrame) -> pd.DataFrame:
        nonlocal alarms
        answer = predictor.decode(predictor.score(checked(frame, predictor.meta, source)))
        alarms += int(answer["is_fraud"].sum())
        return answer

    return score_table_file(source, target, score, most), alarms


@dataclass(frozen=True)
class Options:
    """Which file to score, and by which run."""

    input: Path  # CSV or Parquet file with the columns that the run was trained on
    output: Path  # .csv or .parquet: the same rows with fraud_probability and is_fraud
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        rows, alarms = score_file(run.load(), options.input, options.output)
        print(f"{rows:,} rows, {alarms:,} called fraud, by run {run.id}; written to {options.output}")
