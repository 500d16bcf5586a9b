"""From a raw transaction to an answer, and from a file to a scored file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.data import Split
from common.errors import UserError
from common.evaluation import best_f1_threshold
from common.inputs.tables import as_categories, check_columns, check_numbers, score_table_file
from projects.fraud_detection.cards import SECONDS_PER_HOUR, histories, relations
from projects.fraud_detection.stream import Spool

SLICE = 8192  # rows that a network is given at once
BLOCK = 512  # rows that are encoded at once


@dataclass(frozen=True)
class Transactions(Split):
    """A split of feature rows that may know whose transactions they are, and the table that they were taken from.

    cards: the same rows, columns `card`, `time` (seconds) and, where they are known, `terminal` and `scenario`.
    table, table_cards, rows: the whole table and where the split's rows stand in it, so that a network that reads a
    card's history finds it. Histories look back only, so a row never sees a later one.
    """

    cards: pd.DataFrame | None = None
    table: pd.DataFrame | None = None
    table_cards: pd.DataFrame | None = None
    rows: np.ndarray | None = None
    spool: Spool | None = None  # of a table that is streamed: all of its training rows, of which `inputs` are a part

    def __len__(self) -> int:
        return len(self.targets) if self.spool is None else len(self.spool)

    @classmethod
    def taken(cls, table, targets, rows, cards=None, weights=None, units=None) -> "Transactions":
        """The given rows of a table; targets, cards, weights and units are those of the whole table."""

        def of(values):
            return None if values is None else np.asarray(values)[rows]

        own_cards = None if cards is None else cards.iloc[rows].reset_index(drop=True)
        inputs = table.iloc[rows].reset_index(drop=True)
        return cls(inputs, of(targets), of(weights), of(units), own_cards, table, cards, np.asarray(rows))

    @classmethod
    def unlabelled(cls, frame: pd.DataFrame) -> "Transactions":
        """Checked rows of which nothing else is known: each is the first of its card."""
        return cls(frame, np.zeros(len(frame), int))


class Predictor:
    """Encodes raw transactions, runs the networks and says what they found.

    networks: {name: Keras model}; one is called "model", those of an ensemble have names of their own. A network takes
    encoded columns (rows, width), or histories (rows, time, width). meta: the columns (`data.describe`), the names of
    the columns that have a role, and, once they are chosen, the calibration, the threshold and the examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        if self.history:
            from common.layers.recurrent import accelerate

            for network in networks.values():
                accelerate(network)

    @property
    def history(self) -> int:
        """How many transactions of a card a network reads, the scored one included; 0 where none reads more than it."""
        return max(network.input.shape[1] if len(network.input.shape) == 3 else 0 for network in self.networks.values())

    @property
    def examples(self) -> list[dict[str, Any]]:
        """A few transactions of the validation split, frauds and normal ones in turn."""
        return self.meta["examples"]

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Raw rows -> (rows, width) float32 for a network."""
        return encode(frame, self.meta)

    def inputs(self, split: Split, name: str = "model") -> np.ndarray:
        """The split as the network of this name takes it: (rows, width), or (rows, time, width) for histories."""
        shape = self.networks[name].input.shape
        return encode_histories(split, self.meta, shape[1]) if len(shape) == 3 else self.encode(split.inputs)

    def encode_split(self, split: Split, name: str = "model") -> Any:
        """(inputs, targets) as `model.fit` takes them, or `Batches` of a table that is streamed.

        Without the weights: they belong to the figures. In training, a part of ULB whose normals count 35-fold would
        drown the frauds (gradient boosting falls from 0.87 to about 0.7 average precision).
        """
        if isinstance(split, Transactions) and split.spool is not None:
            from projects.fraud_detection.batches import Batches

            return Batches(split.spool, self.meta)
        return self.inputs(split, name), split.targets.astype("float32")

    def score(self, rows: pd.DataFrame | Split) -> np.ndarray:
        """Log-odds of fraud (rows,) of a split, or of raw rows that have passed `checked`; of an ensemble the mean."""
        split = rows if isinstance(rows, Split) else Transactions.unlabelled(rows)
        encoded: dict[int, np.ndarray] = {}  # networks of one kind read the same
        total = np.zeros(len(split.inputs), "float32")
        for name, network in self.networks.items():
            rank = len(network.input.shape)
            if rank not in encoded:
                encoded[rank] = self.inputs(split, name)
            total += outputs(network, encoded[rank])
        return self.calibrated(total / len(self.networks))

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """What the networks give -> log-odds."""
        slope, shift = self.meta.get("calibration", (1.0, 0.0))
        return slope * raw + shift

    def decode(self, scores: np.ndarray) -> pd.DataFrame:
        """Log-odds -> columns fraud_probability and is_fraud."""
        return pd.DataFrame({"fraud_probability": probability(scores), "is_fraud": scores >= self.meta["threshold"]})

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One transaction {column: value} -> {"fraud_probability", "is_fraud", "threshold", "moved_by"}.

        It may bring the card's earlier transactions, oldest first: {…, "history": [{"hours_before": 2.5, column: value,
        …}, …]}; networks that read no history leave them aside. `moved_by` is the row's `contributions`, the largest
        first.
        """
        split = self._with_history(raw)
        score = float(self.score(split)[0])
        moved = self.contributions(split).iloc[0].to_dict()
        return {
            "fraud_probability": float(probability(score)),
            "is_fraud": score >= self.meta["threshold"],
            "threshold": float(probability(self.meta["threshold"])),
            "moved_by": dict(sorted(moved.items(), key=lambda item: -abs(item[1]))),
        }

    def _with_history(self, raw: dict[str, Any]) -> Transactions:
        """One raw transaction and what its card did before, as a split of one row."""
        past = list(raw.get("history", [])) if self.history else []
        names = [*(f"transaction {number} of the history" for number in range(1, len(past) + 1)), "the transaction"]
        steps = [_single(step, self.meta, name) for step, name in zip([*past, raw], names, strict=True)]
        frame = pd.concat(steps, ignore_index=True)
        given = [*(step.get("hours_before") for step in past), 0.0]
        hours = pd.to_numeric(pd.Series(given, dtype=object), errors="coerce").to_numpy(float)
        if (wrong := np.flatnonzero(~(np.isfinite(hours) & (hours >= 0)))).size:
            raise UserError(
                f"{names[wrong[0]]}: hours_before is {given[wrong[0]]!r}; expected a number that is not negative."
            )
        cards = pd.DataFrame({"card": 0, "time": -SECONDS_PER_HOUR * hours})
        return Transactions.taken(frame, np.zeros(len(frame), int), [len(frame) - 1], cards)

    def contributions(self, rows: pd.DataFrame | Split) -> pd.DataFrame:
        """For each value, by how much the log-odds would fall if it were the typical one of the training rows.

        rows: a split or checked rows. Returns a frame of the shape of its inputs: what speaks for fraud is positive.
        (Occlusion, Zeiler & Fergus 2014, on columns: one column at a time, so two columns that say the same thing share
        no credit. What came before the transaction stays as it is.)
        """
        split = rows if isinstance(rows, Split) else Transactions.unlabelled(rows)
        variants = [split.inputs]
        for name, column in self.meta["columns"].items():
            typical = column.get("median", (column.get("categories") or [None])[0])
            variants.append(split.inputs.assign(**{name: typical}))
        encoded = self.encode(pd.concat(variants, ignore_index=True))
        total = np.zeros(len(encoded))
        for name, network in self.networks.items():
            own = encoded
            if len(network.input.shape) == 3:
                own = np.tile(self.inputs(split, name), (len(variants), 1, 1))
                own[:, -1, : encoded.shape[1]] = encoded  # the last step is the transaction itself
            total += outputs(network, own)
        scores = self.calibrated(total / len(self.networks)).reshape(len(variants), len(split.inputs))
        return pd.DataFrame((scores[0] - scores[1:]).T, columns=split.inputs.columns)

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """There is nothing to show before the answer."""
        yield self.predict(raw)

    def choose_examples(self, validation: Split) -> None:
        """Keep six validation rows to start from: frauds and normal ones in turn, from sure over doubtful to wrong."""
        scores = self.score(validation)
        rows = []
        for ranks in ((0.9, 0.1), (0.5, 0.5), (0.1, 0.999)):  # of the frauds, of the normal ones
            for label, rank in zip((1, 0), ranks, strict=True):
                own = np.flatnonzero(validation.targets == label)
                rows.append(own[np.argsort(scores[own])[int(rank * (len(own) - 1))]])
        self.meta["examples"] = [_plain(validation.inputs.iloc[row]) for row in rows]
        if self.history:
            for example, row in zip(self.meta["examples"], rows, strict=True):
                example["history"] = self._history(validation, row)

    def _history(self, split: Transactions, row: int) -> list[dict[str, Any]]:
        """What the card of this row did before, oldest first, as `predict` takes it."""
        here, cards = split.rows[row], split.table_cards
        own = np.flatnonzero(cards["card"].to_numpy() == cards["card"].iloc[here])
        times = cards["time"].to_numpy(float)[own]
        steps = histories(np.zeros(len(own)), times, self.history)[np.searchsorted(own, here), :-1]
        return [
            {"hours_before": float(split.cards["time"].iloc[row] - times[step]) / SECONDS_PER_HOUR}
            | _plain(split.table.iloc[own[step]])
            for step in steps[steps >= 0]
        ]

    def choose_threshold(self, validation: Split) -> None:
        """Keep the threshold (a log-odds) with the best F1 on validation."""
        self.meta["threshold"] = best_f1_threshold(
            validation.targets, self.score(validation).astype(float), validation.weights
        )

    def calibrate(self, validation: Split) -> None:
        """Bring what is no log-odds (a reconstruction error, or scores learnt from treated frauds) to log-odds.

        Platt's scaling (1999): slope and shift of a logistic regression of the validation targets on the scores. The
        order of the scores stays.
        """
        from sklearn.linear_model import LogisticRegression

        self.meta.pop("calibration", None)
        raw = self.score(validation).astype(float)
        spread = raw.std() or 1.0
        model = LogisticRegression(C=1e6).fit(raw[:, None] / spread, validation.targets, validation.weights)
        # A slope of 0 or less would turn the order around: such scores say nothing, and keep theirs.
        self.meta["calibration"] = [max(float(model.coef_[0, 0]) / spread, 1e-6), float(model.intercept_[0])]


def outputs(network: Any, encoded: np.ndarray) -> np.ndarray:
    """What a network gives for encoded rows: (rows,) float32.

    Called in slices: `network.predict` sets up a pipeline and copies, which costs more than so small a network does. A
    recurrent network is compiled for each number of rows, so its last slice is filled up to one of three.
    """
    from keras import ops

    found = np.empty(len(encoded), "float32")
    for begin in range(0, len(encoded), SLICE):
        rows = encoded[begin : begin + SLICE]
        count = len(rows)
        if encoded.ndim == 3:
            size = next(size for size in (1, 64, SLICE) if size >= count)
            rows = np.concatenate([rows, np.zeros((size - count, *rows.shape[1:]), "float32")])
        found[begin : begin + count] = ops.convert_to_numpy(network(rows, training=False))[:count, 0]
    return found


def probability(log_odds: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(log_odds, float)))


def encode(frame: pd.DataFrame, meta: dict[str, Any], limit: float = 5.0) -> np.ndarray:
    """Two columns a number, and one for each frequent category, as `meta["columns"]` lists them: (rows, width) float32.

    A number is centred and scaled to r, and enters as r within `limit`, where differences count, and as
    sign(r) log(1 + |r|), because frauds lie tens of scales out, where only the order of magnitude counts. The
    handbook's columns are followed by their `relations`.
    """
    encoded = np.empty((len(frame), encoded_width(meta)), "float32")
    numbers, places, at = [], [], 0
    for name, column in meta["columns"].items():
        if "categories" in column:
            values = frame[name].to_numpy()
            for category in column["categories"]:
                encoded[:, at] = values == category
                at += 1
        else:
            numbers.append(name)
            places.append(at)
            at += 2
    if numbers:
        # All numbers of a few rows at once: what is read, scaled and written then stays in the processor's cache.
        table, places = frame[numbers].to_numpy(float), np.array(places)
        median = np.array([meta["columns"][name]["median"] for name in numbers])
        scale = np.array([meta["columns"][name]["scale"] for name in numbers], "float32")
        for begin in range(0, len(table), BLOCK):
            rows = slice(begin, begin + BLOCK)
            ratio = np.subtract(table[rows], median, order="C").astype("float32") / scale
            encoded[rows, places] = np.clip(ratio, -limit, limit)
            encoded[rows, places + 1] = np.copysign(np.log1p(np.abs(ratio)), ratio)
    if "relations" in meta:
        for name, values in relations(frame).items():
            encoded[:, at] = (values - meta["relations"][name]["mean"]) / meta["relations"][name]["scale"]
            at += 1
    return encoded


def encoded_width(meta: dict[str, Any]) -> int:
    """How many columns `encode` makes."""
    columns = (len(column.get("categories", ("linear", "log"))) for column in meta["columns"].values())
    return sum(columns) + len(meta.get("relations", ()))


def encode_histories(split: Split, meta: dict[str, Any], length: int) -> np.ndarray:
    """Each row with its card's rows before it, oldest first: (rows, length, encoded_width + 2) float32.

    Two more columns: log(1 + hours) until the row itself, and 1. Where the card has no such row, all columns are 0 (a
    mask). A split that knows no cards has each row for itself.
    """
    table, own, cards = split.inputs, np.arange(len(split.inputs)), None
    if isinstance(split, Transactions) and split.table_cards is not None:
        table, own, cards = split.table, split.rows, split.table_cards
    if cards is None:
        found = np.full((len(own), length), -1)
        found[:, -1] = own
        times = np.zeros(len(own))
    else:
        times = cards["time"].to_numpy(float)
        found = histories(cards["card"].to_numpy(), times, length)[own]
    there = found >= 0
    used, place = np.unique(found[there], return_inverse=True)  # a row is in several histories, and encoded once
    encoded = np.zeros((*found.shape, encoded_width(meta) + 2), "float32")
    encoded[there, :-2] = encode(table.iloc[used], meta)[place]
    earlier = np.where(there, times[found], times[own, None])
    encoded[..., -2] = np.log1p((times[own, None] - earlier) / SECONDS_PER_HOUR)
    encoded[..., -1] = there
    return encoded


def cards_of(frame: pd.DataFrame, meta: dict[str, Any], path: Path | str) -> pd.DataFrame:
    """Columns `card` and `time` (seconds) of raw rows, where the run knows which columns they are."""
    check_columns(frame, [meta["card"], meta["time"]], path)
    return pd.DataFrame({"card": as_categories(frame, meta["card"], path), "time": times_of(frame[meta["time"]], path)})


def times_of(values: pd.Series, path: Path | str) -> np.ndarray:
    """Seconds (rows,) float64: numbers as they are, anything else as dates, which may not lie in the future."""
    if pd.api.types.is_numeric_dtype(values):
        check_numbers(values.to_frame(), [values.name], path)
        return values.to_numpy(float)
    times = pd.to_datetime(values, errors="coerce", format="mixed", utc=True)
    if times.isna().any():
        row = times.index[np.argmax(times.isna())]
        raise UserError(f"{path}, row {row + 2}: {values.name} is {values[row]!r}; expected a date or a number.")
    future = times > pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=1)  # a day: the file may not tell its time zone
    if future.any():
        row = times.index[np.argmax(future)]
        raise UserError(f"{path}, row {row + 2}: {values.name} is {values[row]}, which lies in the future.")
    return ((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(float)


def _plain(row: pd.Series) -> dict[str, Any]:
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}


def checked(frame: pd.DataFrame, meta: dict[str, Any], path: Path | str) -> pd.DataFrame:
    """The feature columns alone, each of its kind; anything missing or of another kind is a UserError."""
    check_columns(frame, list(meta["columns"]), path)
    own = frame[list(meta["columns"])]
    numbers = all(
        "median" in column and isinstance(kind, np.dtype) and kind.kind in "fiu"
        for column, kind in zip(meta["columns"].values(), own.dtypes, strict=True)
    )
    if numbers and np.isfinite(own.to_numpy()).all():
        return own  # the usual case of a large file
    columns = {}
    for name, column in meta["columns"].items():
        if "categories" in column:
            columns[name] = as_categories(frame, name, path)
        else:
            check_numbers(frame, [name], path)
            columns[name] = pd.to_numeric(frame[name]).astype(float)
    return pd.DataFrame(columns)


def _single(raw: dict[str, Any], meta: dict[str, Any], name: str) -> pd.DataFrame:
    """One raw transaction as a checked row; a mistake is said of `name`, without the number of a row in a file."""
    own = {column: value for column, value in raw.items() if column != "history"}
    try:
        return checked(pd.DataFrame([own]), meta, name)
    except UserError as error:
        raise UserError(str(error).replace(f"{name}, row 2", name)) from None


def score_file(predictor: Predictor, source: Path, target: Path, most: int | None = None) -> tuple[int, int]:
    """Write `source` (CSV or Parquet) with fraud_probability and is_fraud added to `target`; (rows, alarms).

    most: how many rows are allowed (a page bounds what a visitor may ask for); more is a UserError.
    """
    alarms = 0
    past: tuple[pd.DataFrame, pd.DataFrame] | None = None  # the last rows of each card, where a network reads them

    def score(frame: pd.DataFrame) -> pd.DataFrame:
        nonlocal alarms, past
        rows = checked(frame, predictor.meta, source)
        if predictor.history:
            cards = cards_of(frame, predictor.meta, source)
            rows, past = _after(past, rows, cards, predictor, source)
        answer = predictor.decode(predictor.score(rows))
        alarms += int(answer["is_fraud"].sum())
        return answer

    return score_table_file(source, target, score, most), alarms


def _after(past, rows: pd.DataFrame, cards: pd.DataFrame, predictor: Predictor, source: Path):
    """(the rows of this piece of a file with those before them, what the next piece needs of both)."""
    if past is not None:
        cards, rows = (pd.concat([old, new]) for old, new in zip(past, (cards, rows), strict=True))
    begin = 0 if past is None else len(past[0])
    times = cards["time"].to_numpy(float)
    latest = np.maximum.accumulate(times)
    if (early := np.flatnonzero(times[begin:] < latest[begin:])).size:
        row = int(cards.index[begin + early[0]]) + 2
        raise UserError(
            f"{source}, row {row}: {predictor.meta['time']} is earlier than in a row above. Histories are read in the "
            "order of the file: sort it by that column."
        )
    split = Transactions.taken(rows, np.zeros(len(rows), int), np.arange(begin, len(rows)), cards)
    kept = np.sort(cards.reset_index(drop=True).groupby("card").tail(predictor.history - 1).index)
    return split, (cards.iloc[kept], rows.iloc[kept])


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
