"""The Predictor, and the command that scores a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.errors import UserError
from common.inputs.tables import score_table_file
from common.layers.answers import answers
from projects.fraud_detection.encoding import (
    Transactions,
    as_raw,
    cards_of,
    checked,
    decode,
    encode,
    encode_histories,
    probability,
    transaction,
)
from projects.fraud_detection.metrics import best_f1_threshold

SIZES = (1, 64, 1024, 8192)  # rows that a network is given in one call


class Predictor:
    """Encodes raw transactions, runs the networks and answers with a probability and a decision.

    networks: {name: Keras model}, called "model", or one name for each member of an ensemble. A network reads encoded
    columns (rows, width), or histories (rows, time, width). meta: `encoding.fit_encoding`, and once they are chosen the
    calibration, the threshold and the examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta

    @property
    def history(self) -> int:
        """How many transactions of a card a network reads, with the scored one. 0 where all read just the one."""
        return max(network.input.shape[1] if len(network.input.shape) == 3 else 0 for network in self.networks.values())

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Six transactions of the validation split, a fraud and a normal one in turn."""
        return self.meta["examples"]

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Raw rows -> (rows, width) float32 for a network."""
        return encode(frame, self.meta)

    def decode(self, logits: np.ndarray) -> pd.DataFrame:
        """Logits (rows,) -> columns fraud_probability and is_fraud."""
        return decode(logits, self.meta)

    def inputs(self, split: Transactions, name: str = "model") -> np.ndarray:
        """The input of the network of this name: (rows, width), or (rows, time, width) for histories."""
        shape = self.networks[name].input.shape
        return encode_histories(split, self.meta, shape[1]) if len(shape) == 3 else self.encode(split.inputs)

    def encode_split(self, split: Transactions, name: str = "model") -> tuple[np.ndarray, np.ndarray]:
        """(inputs, targets) as `fit` takes them.

        The weights are left out, because they belong to the figures. In training, a part of ULB whose normals count
        35 times would outweigh the frauds (gradient boosting falls from 0.87 to about 0.7 average precision).
        """
        return self.inputs(split, name), split.targets.astype("float32")

    def score(self, rows: pd.DataFrame | Transactions) -> np.ndarray:
        """Logits of fraud (rows,) of a split, or of raw rows that have passed `checked`. An ensemble gives the mean."""
        split = rows if isinstance(rows, Transactions) else Transactions.unlabelled(rows)
        encoded: dict[int, np.ndarray] = {}  # networks of one kind read the same input
        total = np.zeros(len(split.inputs), "float32")
        for name, network in self.networks.items():
            rank = len(network.input.shape)
            if rank not in encoded:
                encoded[rank] = self.inputs(split, name)
            total += answers(network, encoded[rank], SIZES)[:, 0]
        return self.calibrated(total / len(self.networks))

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """The mean output of the networks -> logits."""
        slope, shift = self.meta.get("calibration", (1.0, 0.0))
        return slope * raw + shift

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One transaction {column: value} -> {"fraud_probability", "is_fraud", "threshold", "moved_by"}.

        It may hold the card's earlier transactions, the oldest first: {…, "history": [{"hours_before": 2.5, column:
        value, …}, …]}. A network that reads no history ignores them. `moved_by`: the row's `contributions`, the largest
        first.
        """
        split = transaction(raw, self.meta, with_history=bool(self.history))
        scores = self._without_each(split)[:, 0]
        moved = dict(zip(split.inputs.columns, (scores[0] - scores[1:]).tolist(), strict=True))
        return {
            "fraud_probability": float(probability(scores[0])),
            "is_fraud": bool(scores[0] >= self.meta["threshold"]),
            "threshold": float(probability(self.meta["threshold"])),
            "moved_by": dict(sorted(moved.items(), key=lambda item: -abs(item[1]))),
        }

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer of `predict`, which is the only one."""
        yield self.predict(raw)

    def contributions(self, rows: pd.DataFrame | Transactions) -> pd.DataFrame:
        """For each value, by how much the logit would fall if the value were the typical one of the training rows.

        rows: a split or checked rows. Returns a frame like its inputs; positive values speak for fraud. This is
        occlusion (Zeiler & Fergus 2014) of one column at a time, so two columns that say the same share no credit. The
        card's earlier transactions stay as they are.
        """
        split = rows if isinstance(rows, Transactions) else Transactions.unlabelled(rows)
        scores = self._without_each(split)
        return pd.DataFrame((scores[0] - scores[1:]).T, columns=split.inputs.columns)

    def _without_each(self, split: Transactions) -> np.ndarray:
        """Logits (1 + columns, rows): as the rows are, then with each column in turn set to its typical value."""
        count, times = len(split.inputs), 1 + len(self.meta["columns"])
        variants = {}
        for place, (name, column) in enumerate(self.meta["columns"].items(), start=1):
            variants[name] = np.tile(split.inputs[name].to_numpy(), times)
            typical = column.get("median", (column.get("categories") or [None])[0])
            variants[name][place * count : (place + 1) * count] = typical
        encoded = self.encode(pd.DataFrame(variants))
        total = np.zeros(len(encoded))
        for name, network in self.networks.items():
            inputs = encoded
            if len(network.input.shape) == 3:
                inputs = np.tile(self.inputs(split, name), (times, 1, 1))
                inputs[:, -1, : encoded.shape[1]] = encoded  # the last step is the transaction itself
            total += answers(network, inputs, SIZES)[:, 0]
        return self.calibrated(total / len(self.networks)).reshape(times, count)

    def calibrate(self, validation: Transactions) -> None:
        """Fit what maps scores that are no logits (reconstruction errors, or scores after `balanced`) to logits.

        It is Platt's scaling (1999): slope and shift of a logistic regression of the validation targets on the scores.
        The order of the scores stays.
        """
        from sklearn.linear_model import LogisticRegression

        self.meta.pop("calibration", None)
        raw = self.score(validation).astype(float)
        spread = raw.std() or 1.0
        model = LogisticRegression(C=1e6).fit(raw[:, None] / spread, validation.targets, validation.weights)
        # A slope of 0 or less would reverse the order. Such scores carry no information, and keep their order.
        self.meta["calibration"] = [max(float(model.coef_[0, 0]) / spread, 1e-6), float(model.intercept_[0])]

    def choose_threshold(self, validation: Transactions) -> None:
        """Keep the threshold (a logit) with the best F1 on validation."""
        scores = self.score(validation).astype(float)
        self.meta["threshold"] = best_f1_threshold(validation.targets, scores, validation.weights)

    def choose_examples(self, validation: Transactions) -> None:
        """Keep six validation rows: a fraud and a normal one in turn, from clear cases over doubtful to wrong ones."""
        scores = self.score(validation)
        self.meta["examples"] = []
        for ranks in ((0.9, 0.1), (0.5, 0.5), (0.1, 0.999)):  # among the frauds, among the normal rows
            for label, rank in zip((1, 0), ranks, strict=True):
                rows = np.flatnonzero(validation.targets == label)
                row = rows[np.argsort(scores[rows])[int(rank * (len(rows) - 1))]]
                self.meta["examples"].append(as_raw(validation, row, self.history))


def score_file(
    predictor: Predictor, source: Path, target: Path, max_rows: int | None = None, quote_formulas: bool = False
) -> tuple[int, int]:
    """Write `source` (CSV or Parquet) with fraud_probability and is_fraud added to `target`. Returns (rows, alarms).

    max_rows, quote_formulas: as in `score_table_file`.
    """
    numbers = [name for name, column in predictor.meta["columns"].items() if "median" in column]
    alarms = 0
    past: tuple[pd.DataFrame, pd.DataFrame] | None = None  # each card's last rows, where a network reads them

    def score(frame: pd.DataFrame) -> pd.DataFrame:
        nonlocal alarms, past
        rows = checked(frame, predictor.meta, source)
        if predictor.history:
            cards = cards_of(frame, predictor.meta, source)
            rows, past = _after(past, rows, cards, predictor, source)
        answer = predictor.decode(predictor.score(rows))
        alarms += int(answer["is_fraud"].sum())
        return answer

    rows = score_table_file(source, target, score, max_rows, numbers=numbers, quote_formulas=quote_formulas)
    return rows, alarms


def _after(past, rows: pd.DataFrame, cards: pd.DataFrame, predictor: Predictor, source: Path):
    """(the rows of this piece of a file, with each card's rows before it; what the next piece needs of both)."""
    begin = 0 if past is None else len(past[0])
    if past is not None:
        cards, rows = (pd.concat([old, new]) for old, new in zip(past, (cards, rows), strict=True))
    times = cards["time"].to_numpy(float)
    latest = np.maximum.accumulate(times)
    if (early := np.flatnonzero(times[begin:] < latest[begin:])).size:
        row = int(cards.index[begin + early[0]]) + 2
        raise UserError(
            f"{source}, row {row}: {predictor.meta['time']} is earlier than in a row above. Histories are read in the "
            "order of the file: sort it by that column."
        )
    part = Transactions.unlabelled(rows, cards).part(np.arange(begin, len(rows)))
    kept = np.sort(cards.reset_index(drop=True).groupby("card").tail(predictor.history - 1).index)
    return part, (cards.iloc[kept], rows.iloc[kept])


@dataclass(frozen=True)
class Options:
    """Which file to score, and with which run."""

    input: Path  # CSV or Parquet file with the columns that the run was trained on
    output: Path  # .csv or .parquet: the same rows with fraud_probability and is_fraud
    quote_formulas: bool = False  # an apostrophe before each text that a spreadsheet would compute (= + - @ first)
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        rows, alarms = score_file(run.load(), options.input, options.output, quote_formulas=options.quote_formulas)
        print(f"{rows:,} rows, {alarms:,} called fraud, by run {run.id}; written to {options.output}")
