"""From raw transactions to the numbers that a network reads, and from its output to an answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.data import Split
from common.errors import UserError
from common.inputs.tables import LARGEST, as_categories, check_numbers, to_numbers, with_columns
from common.saved import unlike
from common.schema import Between, check_input, mismatch, shown
from projects.fraud_detection.cards import SECONDS_PER_DAY, SECONDS_PER_HOUR, has_relations, histories, relations
from projects.fraud_detection.simulate import DELAY

MAX_CATEGORIES = 50  # values of a categorical column that are told apart; rarer ones are encoded as zeros
MAX_DATE = 60  # characters
LIMIT = 5.0  # a scaled number is clipped at this distance from the median; its logarithm is not
MAX_STEPS = 1000  # steps of a raw transaction's history
TINY = 1e-30  # a scale below it is that of a column without spread
DATE = r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?!\d)"  # 03/04/2021: the day or the month first
YEAR_FIRST = r"^(\d{4}) ?[년./-] ?(\d{1,2}) ?[월./-] ?(\d{1,2})(?!\d) ?일?"
LAST = 20  # transactions of a card and of a terminal that the mlp reads
STEP_RELATIONS = ("log TX_AMOUNT", "amount to others, 30")  # what it reads of each, besides time and label
STEP_WIDTH = len(STEP_RELATIONS) + 4
AMOUNT_BINS = 39
MAX_DAYS = 60  # an earlier transaction is as far away as one of this age
ROWS_AT_ONCE = 512  # rows encoded at once: their numbers fit the processor's cache


@dataclass(frozen=True)
class Transactions(Split):
    """Rows of feature columns. They may know their cards, and the whole table that they are a part of.

    inputs: data frame of raw feature columns. cards: data frame of the same rows with `card`, `time` (seconds) and,
    where they are known, `terminal` and `scenario`. table, rows: the whole table, and the row numbers of this part in
    it. A network that reads what a card or a terminal did before finds it there, with the targets that are known by
    then. It looks back only, so no row sees a later one.
    """

    cards: pd.DataFrame | None = None
    table: "Transactions | None" = None
    rows: np.ndarray | None = None

    @classmethod
    def unlabelled(cls, frame: pd.DataFrame, cards: pd.DataFrame | None = None) -> "Transactions":
        """Checked rows without targets, apart from the frauds that the column `fraud` of `cards` knows."""
        known = cards is not None and "fraud" in cards
        return cls(frame, cards["fraud"].to_numpy() if known else np.zeros(len(frame), int), cards=cards)

    def part(self, rows: Sequence | np.ndarray) -> "Transactions":
        """The rows of these numbers. The part knows this table."""
        cards = None if self.cards is None else self.cards.iloc[rows].reset_index(drop=True)
        units = None if self.units is None else np.asarray(self.units)[rows]
        inputs = self.inputs.iloc[rows].reset_index(drop=True)
        return Transactions(inputs, self.targets[rows], self.weights[rows], units, cards, self, np.asarray(rows))

    def whole(self) -> "tuple[Transactions, np.ndarray]":
        """The table that these rows are a part of, and their numbers in it."""
        return (self, np.arange(len(self.inputs))) if self.table is None else (self.table, self.rows)

    def batches(self, encode: Callable[["Transactions"], tuple], batch_size: int, seed: int) -> Any:
        """What `fit` trains on: arrays here; a Stream for a table that does not fit in memory."""
        return encode(self)


# What meta.json holds (see common/schema.py)

FACTOR = Between(1e-38, 1e38)
CELL = (Between(-1e30, 1e30), str, bool, None)  # a value of a raw transaction
META = {
    **dict.fromkeys(("target", "card?", "terminal?", "time?", "weight?"), str),
    "classes": [str],  # the two values of the target: normal, fraud
    "day_first?": bool,  # whether the dates of training are like 03/04/2021
    "streamed?": bool,
    "columns": {str: ({"median": float, "scale": FACTOR, "low": float, "high": float}, {"categories": [str]})},
    "relations?": {str: {"mean": float, "scale": FACTOR}},
    "amounts?": [float],  # ascending: the edges of the bins in which the mlp reads the amount
    "calibration?": [Between(-1e9, 1e9)],
    "threshold": float,
    "caution_below": Between(-1e38, 0.0),
    "examples": [{str: object}],
}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the networks, in a few words; empty where it does."""
    if len(meta.get("calibration", "ab")) != 2 or len(meta["classes"]) != 2 or not meta["examples"]:
        return "calibration or classes has other than two values, or there is no example"
    if "relations" in meta:
        numbers = pd.DataFrame([{name: 0.0 for name, column in meta["columns"].items() if "median" in column}])
        if not has_relations(numbers) or set(relations(numbers)) != set(meta["relations"]):
            return "relations does not fit columns"
    if "terminal" in meta and not ("relations" in meta and len(meta.get("amounts", ())) == AMOUNT_BINS + 1):
        return "it knows terminals and not amounts"
    width, expected = encoded_width(meta), {}
    reads = {"columns": (width,)}
    if "terminal" in meta:
        reads |= {"amount": (AMOUNT_BINS,), "card": (LAST, STEP_WIDTH), "terminal": (LAST, STEP_WIDTH)}
    for name, network in (networks or {"model": None}).items():
        parts = (network.inputs if network else None) or ()
        shapes = [(None, *reads.get(part.name, (*part.shape[1:2], width + 2))) for part in parts]  # the rest: histories
        expected[name] = (shapes or [(None, width)], [(None, 1)])
    return unlike(networks, expected)


# From training rows to `meta`


def fit_encoding(train: pd.DataFrame, known: dict[str, Any]) -> dict[str, Any]:
    """`meta` of a run: what is known of the raw table, and what encoding needs to know of its training rows.

    known: the names of columns, "target" and perhaps "card", "time", "weight"; "classes", the target's two values,
    normal and fraud; and perhaps "day_first", how dates are read.
    """
    meta: dict[str, Any] = {**known, "columns": describe(train)}
    if has_relations(train):
        meta["relations"] = {
            name: {"mean": float(values.mean()), "scale": float(values.std() or 1.0)}
            for name, values in relations(train).items()
        }
    if "terminal" in meta:  # the more edges, the larger the amount: half of them lie above 99 % of all amounts
        ranks = 1 - np.geomspace(1, 1e-4, AMOUNT_BINS + 1)
        meta["amounts"] = np.quantile(train["TX_AMOUNT"].to_numpy(float), ranks).tolist()
    return meta


def describe(train: pd.DataFrame) -> dict[str, dict]:
    """{column: {"median", "scale", "low", "high"}} of numbers, {column: {"categories"}} of text: frequent values.

    The scale is made of quartiles, because a few huge amounts do not change them.
    """
    columns: dict[str, dict] = {}
    for name in train:
        values = train[name]
        if pd.api.types.is_numeric_dtype(values):
            low, median, high = np.percentile(values.to_numpy(float), [25, 50, 75])
            # 1.349 is the interquartile range of the standard normal distribution. A column that is mostly one value
            # has a range of 0; then the scale is its standard deviation.
            scale = next((scale for scale in ((high - low) / 1.349, values.std()) if scale > TINY), 1.0)
            ends = {"low": float(values.min()), "high": float(values.max())}
            columns[name] = {"median": float(median), "scale": float(scale), **ends}
        else:
            columns[name] = {"categories": values.value_counts().index[:MAX_CATEGORIES].tolist()}
    return columns


def taken_for(meta: dict[str, Any]) -> str:
    """What the target and each column have been taken for, as lines for the log."""
    columns = meta["columns"].items()
    numbers = [name for name, column in columns if "median" in column]
    categories = [name for name, column in columns if "categories" in column]
    dates = {True: ", its dates with the day first", False: ", its dates with the month first", None: ""}
    lines = [
        "{target}: {classes[1]} is the fraud (1), {classes[0]} is normal (0)".format(**meta),
        f"time: {meta['time']}{dates[meta.get('day_first')]}" if "time" in meta else "",
        f"numbers: {', '.join(numbers)}" if numbers else "",
        f"categories: {', '.join(categories)}" if categories else "",
    ]
    return "\n".join(filter(None, lines))


# From raw rows to the network's input


def encode(frame: pd.DataFrame, meta: dict[str, Any], limit: float = LIMIT) -> np.ndarray:
    """Raw rows -> (rows, width) float32: two columns a number, one for each frequent category, then the `relations`.

    A number is centred and scaled to r. It enters as r clipped to ±limit, and as sign(r) log(1 + |r|). Frauds lie tens
    of scales from the median, and there only the order of magnitude matters.
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
        table, places = frame[numbers].to_numpy(float), np.array(places)
        median = np.array([meta["columns"][name]["median"] for name in numbers])
        scale = np.array([meta["columns"][name]["scale"] for name in numbers], "float32")
        for begin in range(0, len(table), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            ratio = np.subtract(table[rows], median, order="C").astype("float32") / scale
            np.clip(ratio, -LARGEST, LARGEST, out=ratio)  # a new value may be tiny scales away: its log stays finite
            encoded[rows, places] = np.clip(ratio, -limit, limit)
            encoded[rows, places + 1] = np.copysign(np.log1p(np.abs(ratio)), ratio)
    if "relations" in meta:
        for name, values in relations(frame).items():
            ratio = (values - meta["relations"][name]["mean"]) / meta["relations"][name]["scale"]
            encoded[:, at] = np.clip(ratio, -LARGEST, LARGEST)
            at += 1
    return encoded


def encoded_width(meta: dict[str, Any]) -> int:
    """The number of columns that `encode` returns."""
    columns = (len(column.get("categories", ("linear", "log"))) for column in meta["columns"].values())
    return sum(columns) + len(meta.get("relations", ()))


def encode_histories(split: Transactions, meta: dict[str, Any], length: int) -> np.ndarray:
    """Each row after the earlier rows of its card, the oldest first: (rows, length, encoded_width + 2) float32.

    The two columns more are log(1 + hours until the row itself), and 1. Steps that the card does not have are 0 in all
    columns, and the network masks them. Without cards each row is the only one of its card.
    """
    table, rows = split.whole()
    if table.cards is None:
        steps, times = np.full((len(rows), length), -1), np.zeros(len(table.inputs))
        steps[:, -1] = rows
    else:
        times = table.cards["time"].to_numpy(float)
        steps = histories(table.cards["card"].to_numpy(), times, length, rows)
    mask = steps >= 0
    used, place = np.unique(steps[mask], return_inverse=True)  # a row is in several histories and is encoded once
    encoded = np.zeros((*steps.shape, encoded_width(meta) + 2), "float32")
    encoded[mask, :-2] = encode(table.inputs.iloc[used], meta)[place]
    step_times = np.where(mask, times[steps], times[rows, None])
    encoded[..., -2] = np.log1p((times[rows, None] - step_times) / SECONDS_PER_HOUR)
    encoded[..., -1] = mask
    return encoded


def encode_before(split: Transactions, meta: dict[str, Any], key: str, length: int) -> np.ndarray:
    """What the row's card or terminal did before, the oldest transaction first: (rows, length, STEP_WIDTH) float32.

    key: `card` or `terminal`. The columns are the STEP_RELATIONS; the age in weeks; 1 where it is known when the row
    is made whether that transaction was fraud, which takes DELAY days; 1 where it is known that it was; and 1. Steps
    that the card or terminal does not have are 0 in all columns.
    """
    table, rows = split.whole()
    encoded = np.zeros((len(rows), length, STEP_WIDTH), "float32")
    if table.cards is None or key not in table.cards:
        return encoded
    times = table.cards["time"].to_numpy(float)
    steps = histories(table.cards[key].to_numpy(), times, length + 1, rows)[:, :-1]  # the row itself is left out
    mask = steps >= 0
    used, place = np.unique(steps[mask], return_inverse=True)
    values = relations(table.inputs.iloc[used])
    for column, name in enumerate(STEP_RELATIONS):
        scaled = (values[name] - meta["relations"][name]["mean"]) / meta["relations"][name]["scale"]
        encoded[mask, column] = np.clip(scaled, -LARGEST, LARGEST)[place]
    days = (np.repeat(times[rows], mask.sum(axis=1)) - times[steps[mask]]) / SECONDS_PER_DAY
    known = days >= DELAY
    encoded[mask, -4] = np.minimum(days, MAX_DAYS) / 7
    encoded[mask, -3], encoded[mask, -2], encoded[mask, -1] = known, known & (table.targets[steps[mask]] == 1), 1
    return encoded


def encode_amounts(frame: pd.DataFrame, meta: dict[str, Any]) -> np.ndarray:
    """The amount in bins: (rows, AMOUNT_BINS) float32, each 0 below its bin, 1 above, and linear in it.

    It is the piecewise linear encoding of Gorishniy et al. (2022). A network finds a sharp limit in it that it does not
    find in one number.
    """
    edges = np.array(meta["amounts"])
    width = np.maximum(np.diff(edges), 0.01)  # a cent: many may pay the same amount
    return np.clip((frame["TX_AMOUNT"].to_numpy(float)[:, None] - edges[:-1]) / width, 0, 1).astype("float32")


def encode_input(split: Transactions, meta: dict[str, Any], name: str, length: int) -> np.ndarray:
    """What the network's input of this name reads of each row: (rows, width), or (rows, length, width)."""
    if name in ("card", "terminal"):
        return encode_before(split, meta, name, length)
    if name == "amount":
        return encode_amounts(split.inputs, meta)
    return encode(split.inputs, meta) if name == "columns" else encode_histories(split, meta, length)


# From the network's output to an answer


def probability(logits: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(logits, float)))


def decode(logits: np.ndarray, meta: dict[str, Any]) -> pd.DataFrame:
    """Logits (rows,) -> columns fraud_probability and is_fraud."""
    return pd.DataFrame({"fraud_probability": probability(logits), "is_fraud": logits >= meta["threshold"]})


# Checks of raw input


def checked(frame: pd.DataFrame, meta: dict[str, Any], path: Path | str) -> pd.DataFrame:
    """The feature columns alone, each of its kind. Raises UserError for a missing value or one of another kind."""
    frame = with_columns(frame, list(meta["columns"]), path)
    features = frame[list(meta["columns"])]
    numbers = [name for name, column in meta["columns"].items() if "median" in column]
    typed = all(isinstance(kind, np.dtype) and kind.kind in "fiu" for kind in features.dtypes)
    if typed and len(numbers) == features.shape[1] and (np.abs(features.to_numpy()) <= LARGEST).all():
        return features.astype(float)  # the usual case of a large Parquet file, answered fast
    values = check_numbers(frame, numbers, path)
    columns = {name: values[name] if name in values else as_categories(frame, name, path) for name in features}
    return pd.DataFrame(columns)


def times_of(values: pd.Series, path: Path | str, day_first: bool | None = None) -> np.ndarray:
    """Seconds (rows,) float64. Numbers stay as they are; other values must be dates, and not in the future.

    day_first: how dates such as 03/04/2021 are read; None: as `is_day_first` tells. A date needs a year of four digits.
    """
    numbers = to_numbers(values)
    if pd.api.types.is_numeric_dtype(values) or not np.isnan(numbers).any():
        check_numbers(values.to_frame(), [values.name], path)
        return numbers
    times = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    if times.isna().any():
        text = values.astype(str).str.strip().str.replace(YEAR_FIRST, r"\1-\2-\3", regex=True)
        first = is_day_first(values, path) if day_first is None else day_first
        text = text.str.replace(DATE, r"\3-\2-\1" if first else r"\3-\1-\2", regex=True)
        # pandas would take the time of today for a missing date, and the other order for a month of 13.
        wrong = text.str.match(r"\d{4}-(?:1[3-9]|[2-9]\d)-") | ~text.str.contains(r"\d{4}", regex=True)
        wrong |= text.str.len() > MAX_DATE  # pandas would take seconds for a long text
        times = pd.to_datetime(text.mask(wrong), errors="coerce", format="mixed", utc=True)
    if times.isna().any():
        row = times.index[np.argmax(times.isna())]
        raise UserError(f"{path}, row {row + 2}: {values.name} is {values[row]!r}; expected a date or a number.")
    future = times > pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=1)  # a day more: the time zone may be unknown
    if future.any():
        row = times.index[np.argmax(future)]
        raise UserError(f"{path}, row {row + 2}: {values.name} is {values[row]}, which lies in the future.")
    return ((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(float)


def is_day_first(values: pd.Series, path: Path | str) -> bool | None:
    """Whether the dates of a column, such as 03/04/2021, have the day first; None where it has none of that form.

    A number above 12 tells, and it tells for the whole column. Raises UserError where it cannot be known.
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return None
    parts = values.astype(str).str.strip().str.extract(DATE).dropna()
    if parts.empty:
        return None
    days = [parts.index[parts[place].astype(int) > 12] for place in (0, 1)]  # rows in which this number is a day
    if bool(len(days[0])) == bool(len(days[1])):
        rows = [days[0][0], days[1][0]] if len(days[0]) else [parts.index[0]]
        shown = " and ".join(f"{values[row]!r} in row {row + 2}" for row in rows)
        why = "have the day in two places" if len(days[0]) else "may have the day or the month first"
        raise UserError(f"{path}: the dates of {values.name} {why} ({shown}); write them as 2021-12-31.")
    return bool(len(days[0]))


def transaction(raw: Any, meta: dict[str, Any], with_history: bool) -> Transactions:
    """One raw transaction, and what its card and its terminal did before where that is asked, as a part of one row.

    raw: {column: value, "history": [{"hours_before": 2.5, column: value, …}, …]}. The history may be left out. Where
    terminals are known, it may also hold "terminal_history", a list like it, and in both the target of a step, where it
    is known. Raises UserError with the step and the column that is wrong.
    """
    lists = {"card": "history", "terminal": "terminal_history"} if "terminal" in meta else {"card": "history"}
    check_input(raw, {f"{name}?": [dict] for name in lists.values()})
    if not with_history:
        return Transactions.unlabelled(_frame([_single(raw, meta, "the transaction")], meta))
    steps, cards = [], []
    for whose, name in lists.items():
        past = raw.get(name, [])
        if len(past) > MAX_STEPS:
            raise UserError(f"The {name} has {len(past):,} transactions; at most {MAX_STEPS:,} are taken.")
        for number, step in enumerate(past, start=1):
            said = f"transaction {number} of the {name}"
            steps.append(_single(step, meta, said))
            hours = step.get("hours_before")
            if not (_is_number(hours) and 0 <= hours <= LARGEST):
                raise UserError(f"{said}: hours_before is {shown(hours)}; expected a number that is not negative.")
            fraud = step.get(meta["target"], 0) if "terminal" in meta else 0
            if not (_is_number(fraud) and fraud in (0, 1)):
                raise UserError(f"{said}: {meta['target']} is {shown(fraud)}; expected 0 or 1.")
            cards.append({"card": 1, "terminal": 1, "time": -SECONDS_PER_HOUR * hours, "fraud": int(fraud), whose: 0})
    steps.append(_single(raw, meta, "the transaction"))
    cards.append({"card": 0, "terminal": 0, "time": 0.0, "fraud": 0})
    return Transactions.unlabelled(_frame(steps, meta), pd.DataFrame(cards)).part([len(cards) - 1])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _frame(rows: list[dict[str, Any]], meta: dict[str, Any]) -> pd.DataFrame:
    """The rows of `_single` as a table."""
    kinds = {name: float for name, column in meta["columns"].items() if "median" in column}
    return pd.DataFrame(rows, dtype=float) if len(kinds) == len(meta["columns"]) else pd.DataFrame(rows).astype(kinds)


def _single(raw: dict[str, Any], meta: dict[str, Any], name: str) -> dict[str, Any]:
    """The checked values of one raw transaction, by their text, as in a file. Messages call it `name`."""
    values = {column: raw[column] for column in meta["columns"] if column in raw}
    values = {column: value.item() if isinstance(value, np.generic) else value for column, value in values.items()}
    numbers = [values.get(name) for name, column in meta["columns"].items() if "median" in column]
    plain = all(type(value) in (int, float) and abs(value) <= LARGEST for value in numbers)
    if plain and len(numbers) == len(meta["columns"]):
        return values  # the usual case, answered fast
    if wrong := mismatch(values, {column + "?": CELL for column in meta["columns"]}):
        raise UserError(f"{name}: {wrong}.")
    cells = {column: ["" if value is None else str(value)] for column, value in values.items()}
    try:
        return checked(pd.DataFrame(cells), meta, name).iloc[0].to_dict()
    except UserError as error:
        raise UserError(str(error).replace(f"{name}, row 2", name)) from None


def as_raw(split: Transactions, row: int, meta: dict[str, Any], lengths: dict[str, int]) -> dict[str, Any]:
    """A row of a split as `transaction` takes it.

    lengths: {"card" or "terminal": how many of its last transactions, with this one, are told}. A step has its target
    where terminals are known, and where the target is known by then.
    """
    raw = _plain(split.inputs.iloc[row])
    table, rows = split.whole()
    for (whose, length), name in zip(lengths.items(), ("history", "terminal_history"), strict=True):
        if not length:
            continue
        times = table.cards["time"].to_numpy(float)
        (steps,) = histories(table.cards[whose].to_numpy(), times, length, rows[[row]])
        raw[name] = []
        for step in steps[:-1][steps[:-1] >= 0]:
            hours = float(times[rows[row]] - times[step]) / SECONDS_PER_HOUR
            known = "terminal" in meta and hours >= 24 * DELAY
            target = {meta["target"]: int(table.targets[step])} if known else {}
            raw[name].append({"hours_before": hours, **target, **_plain(table.inputs.iloc[step])})
    return raw


def _plain(row: pd.Series) -> dict[str, Any]:
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
