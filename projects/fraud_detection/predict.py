"""The Predictor, and the command that scores a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.errors import UserError
from common.evaluation import caution_limit, within
from common.inputs.tables import score_table_file
from common.layers.answers import answers
from projects.fraud_detection.data import cards_of
from projects.fraud_detection.encoding import (
    Transactions,
    as_raw,
    checked,
    decode,
    encode,
    encode_input,
    encoded_width,
    probability,
    transaction,
)
from projects.fraud_detection.metrics import best_f1_threshold

SIZES = (1, 32, 1024, 8192)  # rows that a network is given in one call


class Predictor:
    """Encodes raw transactions, runs the networks and answers with a probability and a decision.

    networks: {name: Keras model}, called "model", or one name for each member of an ensemble. The names of a network's
    inputs say what it reads (`encoding.encode_input`). meta: `encoding.fit_encoding`, and once they are chosen the
    calibration, the threshold and the examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta

    @property
    def history(self) -> int:
        """How many transactions of a card a network reads, with the scored one. 0 where all read just the one."""
        return self.longest("card")

    def longest(self, whose: str) -> int:
        """The most transactions of a `card` or a `terminal` that a network reads, with the scored one."""
        more = {whose: 1} | ({"history": 0} if whose == "card" else {})  # the history has the scored one as its last
        parts = [part for network in self.networks.values() for part in network.inputs]
        return max((part.shape[1] + more[part.name] for part in parts if part.name in more), default=0)

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Six transactions of the validation split, a fraud and a normal one in turn."""
        return self.meta["examples"]

    def example_rows(self) -> pd.DataFrame:
        """The examples as rows of a file that `score_file` takes, in the order of time.

        Where a network reads what cards and terminals did before, those transactions are rows too.
        """
        if not self.history:
            return pd.DataFrame(self.examples)
        rows, roles = [], {name: self.meta[name] for name in ("card", "terminal") if name in self.meta}
        now = pd.Timestamp("2024-06-30T12:00")
        for number, raw in enumerate(self.examples, start=1):
            one = {name: value for name, value in raw.items() if name in self.meta["columns"]}
            lists = {"card": raw.get("history", []), "terminal": raw.get("terminal_history", [])}
            for whose, steps in [*lists.items(), ("both", [{"hours_before": 0, **one}])]:
                for step in steps:
                    row = {**step, self.meta["time"]: now - pd.Timedelta(hours=step["hours_before"])}
                    row |= {name: str(number) if whose in (role, "both") else "other" for role, name in roles.items()}
                    row |= {self.meta["target"]: step.get(self.meta["target"], 0)} if "terminal" in roles else {}
                    rows.append(row)
        frame = pd.DataFrame(rows).drop(columns="hours_before")
        return frame.sort_values(self.meta["time"], kind="stable", ignore_index=True)

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Raw rows -> (rows, width) float32 for a network."""
        return encode(frame, self.meta)

    def decode(self, logits: np.ndarray) -> pd.DataFrame:
        """Logits (rows,) -> columns fraud_probability and is_fraud."""
        return decode(logits, self.meta)

    def inputs(self, split: Transactions, name: str = "model") -> Any:
        """What the network of this name reads: (rows, width) or (rows, time, width), or a tuple of several."""
        return _in_order(self.networks[name], partial(encode_input, split, self.meta))

    def encode_split(self, split: Transactions, name: str = "model") -> tuple[Any, np.ndarray]:
        """(inputs, targets) as `fit` takes them.

        The weights are left out, because they belong to the figures. In training, a part of ULB whose normals count
        35 times would outweigh the frauds (gradient boosting falls from 0.87 to about 0.7 average precision).
        """
        return self.inputs(split, name), split.targets.astype("float32")

    def score(self, rows: pd.DataFrame | Transactions) -> np.ndarray:
        """Logits of fraud (rows,) of a split, or of raw rows that have passed `checked`. An ensemble gives the mean."""
        split = rows if isinstance(rows, Transactions) else Transactions.unlabelled(rows)
        return self._logits(partial(encode_input, split, self.meta), "float32")

    def _logits(self, encoded: Callable[[str, int], np.ndarray], kind: str) -> np.ndarray:
        """The calibrated mean of the networks' outputs: (rows,) of this kind of number. encoded: see `_in_order`."""
        encoded = cache(encoded)  # networks of one kind read the same input
        outputs = [answers(network, _in_order(network, encoded), SIZES)[:, 0] for network in self.networks.values()]
        slope, shift = self.meta.get("calibration", (1.0, 0.0))
        return slope * np.mean(outputs, axis=0, dtype=kind) + shift

    def familiarity(self, rows: pd.DataFrame) -> np.ndarray:
        """How like the training rows each row is (rows,): `within` their range, in scales of each number."""
        numbers = {name: column for name, column in self.meta["columns"].items() if "median" in column}
        scale, low, high = (np.array([about[key] for about in numbers.values()]) for key in ("scale", "low", "high"))
        return within(rows[list(numbers)].to_numpy(float) / scale, low / scale, high / scale)

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One transaction {column: value} -> {"fraud_probability", "is_fraud", "threshold", "unfamiliar", "moved_by"}.

        It may hold the earlier transactions of its card, the oldest first: {…, "history": [{"hours_before": 2.5,
        column: value, …}, …]}, and where terminals are known those at its terminal, as "terminal_history" (see
        `encoding.transaction`). A network that reads no history ignores them. `unfamiliar`: whether the answer comes
        with a caution; see `familiarity`. `moved_by`: the row's `contributions`, and by how much the logit would fall
        without each of these lists, the largest first.
        """
        split = transaction(raw, self.meta, with_history=bool(self.history))
        lists = [name for name in ("history", "terminal_history") if self.history and isinstance(raw.get(name), list)]
        scores = self._without_each(split, lists)[:, 0]
        moved = dict(zip([*split.inputs.columns, *lists], (scores[0] - scores[1:]).tolist(), strict=True))
        return {
            "fraud_probability": float(probability(scores[0])),
            "is_fraud": bool(scores[0] >= self.meta["threshold"]),
            "threshold": float(probability(self.meta["threshold"])),
            "unfamiliar": bool(self.familiarity(split.inputs)[0] < self.meta["caution_below"]),
            "moved_by": dict(sorted(moved.items(), key=lambda item: -abs(item[1]))),
        }

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer of `predict`, which is the only one."""
        yield self.predict(raw)

    def contributions(self, rows: pd.DataFrame | Transactions) -> pd.DataFrame:
        """For each value, by how much the logit would fall if the value were the typical one of the training rows.

        rows: a split or checked rows. Returns a frame like its inputs; positive values speak for fraud. This is
        occlusion (Zeiler & Fergus 2014) of one column at a time, so two columns that say the same share no credit. The
        earlier transactions stay as they are.
        """
        split = rows if isinstance(rows, Transactions) else Transactions.unlabelled(rows)
        scores = self._without_each(split)
        return pd.DataFrame((scores[0] - scores[1:]).T, columns=split.inputs.columns)

    def _without_each(self, split: Transactions, lists: Sequence[str] = ()) -> np.ndarray:
        """Logits (1 + columns + lists, rows): as they are, each column at its typical value, without each list."""
        count, times = len(split.inputs), 1 + len(self.meta["columns"]) + len(lists)
        variants = {}
        for place, (name, column) in enumerate(self.meta["columns"].items(), start=1):
            variants[name] = np.tile(split.inputs[name].to_numpy(), times)
            typical = column.get("median", (column.get("categories") or [None])[0])
            variants[name][place * count : (place + 1) * count] = typical
        changed = Transactions.unlabelled(pd.DataFrame(variants))

        def encoded(name: str, length: int) -> np.ndarray:
            if name in ("columns", "amount"):
                return encode_input(changed, self.meta, name, length)
            x = np.tile(encode_input(split, self.meta, name, length), (times, 1, 1))
            if name == "history":  # its last step is the transaction itself
                x[:, -1, : encoded_width(self.meta)] = self.encode(changed.inputs)
            for place, left_out in enumerate(lists, start=times - len(lists)):
                if name in (left_out, {"history": "card", "terminal_history": "terminal"}[left_out]):
                    x[place * count : (place + 1) * count, : x.shape[1] - (name == "history")] = 0
            return x

        return self._logits(encoded, "float64").reshape(times, count)

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
        """Keep the threshold (a logit) with the best F1 on validation, and the limit of the caution."""
        scores = self.score(validation).astype(float)
        self.meta["threshold"] = best_f1_threshold(validation.targets, scores, validation.weights)
        self.meta["caution_below"] = caution_limit(self.familiarity(validation.inputs))

    def choose_examples(self, validation: Transactions) -> None:
        """Keep six validation rows: a fraud and a normal one in turn, from clear cases over doubtful to wrong ones."""
        scores = self.score(validation)
        self.meta["examples"] = []
        lengths = {whose: self.longest(whose) for whose in ("card", "terminal")}
        for ranks in ((0.9, 0.1), (0.5, 0.5), (0.1, 0.999)):  # among the frauds, among the normal rows
            for label, rank in zip((1, 0), ranks, strict=True):
                rows = np.flatnonzero(validation.targets == label)
                row = rows[np.argsort(scores[rows])[int(rank * (len(rows) - 1))]]
                self.meta["examples"].append(as_raw(validation, row, self.meta, lengths))


def _in_order(network: Any, encoded: Callable[[str, int], np.ndarray]) -> Any:
    """What a network reads, in the order of its inputs. encoded: name and length of an input -> its array."""
    arrays = [encoded(part.name, part.shape[1]) for part in network.inputs]
    return tuple(arrays) if len(arrays) > 1 else arrays[0]


def score_file(
    predictor: Predictor, source: Path, target: Path, max_rows: int | None = None, quote_formulas: bool = False
) -> tuple[int, int]:
    """Write `source` (CSV or Parquet) with fraud_probability and is_fraud added to `target`. Returns (rows, alarms).

    max_rows, quote_formulas: as in `score_table_file`.
    """
    numbers = [name for name, column in predictor.meta["columns"].items() if "median" in column]
    alarms = 0
    past: tuple[pd.DataFrame, pd.DataFrame] | None = None  # last rows of cards and terminals

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
    """(the rows of this piece of a file, with what a network reads before them; what the next piece needs of both)."""
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
    numbered = cards.reset_index(drop=True)
    longest = {whose: predictor.longest(whose) - 1 for whose in ("card", "terminal") if whose in cards}
    latest = [numbered.groupby(whose).tail(max(0, length)).index for whose, length in longest.items()]
    kept = np.unique(np.concatenate(latest))
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
