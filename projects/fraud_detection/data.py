"""The generated transactions, or a file of the user's own, as train, validation and test."""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.data import Source, Splits, split_rows
from common.errors import UserError, load_part
from common.files import file_sha256
from common.inputs.tables import (
    as_categories,
    cell_text,
    check_numbers,
    is_empty,
    read_header,
    read_table,
    to_numbers,
    with_columns,
)
from projects.fraud_detection.config import Config
from projects.fraud_detection.encoding import Transactions, checked, fit_encoding, is_day_first, times_of
from projects.fraud_detection.simulate import FEATURES

MAX_ROWS_IN_MEMORY = 1_000_000  # a table with more rows is read in pieces, see large.py
ULB_COLUMNS = ["Time", *(f"V{i}" for i in range(1, 29)), "Amount", "Class"]
# The columns of generated transactions and of the handbook's that are no features.
CARD, TERMINAL, TIME, FRAUD, SCENARIO = "CUSTOMER_ID", "TERMINAL_ID", "TX_DATETIME", "TX_FRAUD", "TX_FRAUD_SCENARIO"
HANDBOOK_COLUMNS = [CARD, TERMINAL, TIME, FRAUD, *FEATURES]
WEEK = 7  # days
MIN_NUMBERS = 0.5  # a column with at least this fraction of numbers is a column of numbers
PAIRS = {"1": "0", "true": "false", "yes": "no", "y": "n"}  # positive values, and the negative ones that they go with
SIGN = r"(?:[A-Z]{0,2}\$|[%원円元]|USD|EUR|GBP|JPY|KRW|CNY|CHF|INR|Fr\.?|Rs\.?|kr\.?|zł|Kč|Ft|lei|руб\.?|TL)"
# € 12.50, 12,50 EUR, 1,234.50, 1 234,50: texts that are meant as numbers
AMOUNT = rf"[+-]?(?:{SIGN} ?)?[+-]?(?:\d+(?:[.,]\d+)?|\d{{1,3}}(?:[., ']\d{{3}})+(?:[.,]\d+)?)(?: ?{SIGN})?"
MISSING = {"na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", ".", "?", "missing", "unknown", "없음"}
MAX_AMOUNT = 40  # characters of such a text
RESERVED = ("history", "hours_before")  # what a raw transaction holds besides its columns
CODE = r"0\d+"  # 0742: a number would lose the zero, so it is a code


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of raw rows (data frames of feature columns) with 0/1 targets.

    data: `builtin`, or the path of a CSV or Parquet file. Without `config.target`, a file with the header of a standard
    set is treated as that set. Raises UserError for whatever is wrong with a file.
    """
    if data == "builtin":
        return _generated(config)
    path = Path(data)
    if config.target is None:
        header = read_header(path)
        if header == ULB_COLUMNS or set(HANDBOOK_COLUMNS) <= set(header):
            standard = load_part("projects.fraud_detection.standard", "A table in a standard layout, without --target,")
            return standard.load_data(config, data, data_dir)
        raise UserError(f"Which column of {path} is to be predicted? Say --target COLUMN; it has: {', '.join(header)}.")
    roles = {"target": config.target, "card": config.group, "time": config.time, "weight": config.weight}
    roles = {role: column for role, column in roles.items() if column}
    if len(set(roles.values())) < len(roles):
        shown = ", ".join(f"{role} {column}" for role, column in roles.items())
        raise UserError(f"Target, card (--group), time and weight must be different columns; given are: {shown}.")
    frame = read_table(path, MAX_ROWS_IN_MEMORY)
    frame = with_columns(frame, [*roles.values(), *codes(config)], path)
    if taken := [name for name in RESERVED if name in frame]:
        raise UserError(f"{path} has a column called {taken[0]!r}, which is the name of something else; rename it.")
    if len(frame) > MAX_ROWS_IN_MEMORY:
        large = load_part("projects.fraud_detection.large", f"A table of more than {MAX_ROWS_IN_MEMORY:,} rows")
        meta = large.first_look(config, path, frame, roles)
        del frame  # the texts of a million rows take a gigabyte
        return large.load_data(config, path, meta, roles, data_dir)
    return _own(config, path, frame, roles)


def _generated(config: Config) -> Splits:
    """Generated transactions, split by time as a bank meets them.

    The parts are two weeks of training, a week until their labels are known, a week of validation, another week of
    delay, a week of test. The seed does not change them, so all seeds compare on one test split.
    """
    from projects.fraud_detection import simulate

    frame = simulate.add_features(simulate.simulate(config.customers, 2 * config.customers))
    day, last = frame["TX_TIME_DAYS"].to_numpy(), int(frame["TX_TIME_DAYS"].max())
    weeks = ((6, 4), (3, 2), (1, 0))  # train, validation and test: from and to, in weeks before the end
    rows = [np.flatnonzero((day > last - WEEK * begin) & (day <= last - WEEK * end)) for begin, end in weeks]
    fingerprint = hashlib.sha256(pd.util.hash_pandas_object(frame[["TX_AMOUNT", FRAUD]]).to_numpy().tobytes())
    source = Source(
        name="builtin",
        source=f"Generated by the recipe of the Fraud Detection Handbook: {len(frame):,} transactions of "
        f"{config.customers:,} customers over 183 days, of which four weeks are used; not real transactions.",
        sha256=fingerprint.hexdigest(),
        unit="terminal",
    )
    return handbook_splits(frame, rows, source)


def handbook_splits(frame: pd.DataFrame, rows: list[np.ndarray], source: Source) -> Splits:
    """Splits of a table with the handbook's columns, sorted by time. rows: the row numbers of the three parts."""
    seconds = (frame[TIME] - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
    cards = pd.DataFrame({"card": frame[CARD], "time": seconds.to_numpy(), "terminal": frame[TERMINAL]})
    if SCENARIO in frame:
        cards["scenario"] = frame[SCENARIO]
    table = Transactions(frame[list(FEATURES)], frame[FRAUD].to_numpy(), units=frame[TERMINAL].to_numpy(), cards=cards)
    known = {"target": FRAUD, "classes": ["0", "1"], "card": CARD, "terminal": TERMINAL, "time": TIME}
    return as_splits(table, rows, known, source)


def _own(config: Config, path: Path, frame: pd.DataFrame, roles: dict[str, str]) -> Splits:
    """A table of the user's own with a target of two values."""
    if len(frame.columns) == len(roles):
        raise UserError(f"{path} has no column left to predict from.")
    columns = list(roles.values())
    features = infer_kinds(frame.drop(columns=columns), path, codes(config))
    repeated = features.join(frame[columns]).duplicated()
    frame, features = frame[~repeated], features[~repeated]  # the index keeps the row numbers of the file
    classes = class_labels(frame[roles["target"]], path, config.positive)
    targets = as_targets(frame[roles["target"]], classes, path)
    weights = row_weights(frame, roles, path)
    groups = as_categories(frame, roles["card"], path).to_numpy() if "card" in roles else None
    known = {**roles, "classes": list(classes), **dates_of(frame, roles, path)}
    times = times_of(frame[roles["time"]], path, known.get("day_first")) if "time" in roles else None
    if config.split == "time" and times is None:
        raise UserError("--split time needs --time COLUMN for your own file.")
    cards = None if groups is None or times is None else pd.DataFrame({"card": groups, "time": times})
    source = Source(
        name=path.name,
        source=f"{path.name}: {len(frame):,} rows, {int(targets.sum()):,} positive; {repeated.sum()} exact repeats "
        "removed.",
        sha256=file_sha256(path),
        unit=config.group or "row",
        weighted=bool(config.weight),
    )
    table = Transactions(features, targets, weights, groups, cards)
    times = times if config.split in ("auto", "time") else None
    groups = groups if config.split == "auto" and times is None else None
    return as_splits(table, split_rows(targets, times=times, groups=groups, seed=config.seed), known, source)


def as_splits(table: Transactions, rows, known: dict[str, Any], source: Source) -> Splits:
    """The three parts of a table, and `meta` fitted on the first. rows: row numbers of each. known: `fit_encoding`."""
    parts = [table.part(numbers) for numbers in rows]
    check_classes(parts, source.name)
    return Splits(*parts, fit_encoding(parts[0].inputs, known), source)


def check_classes(parts: list[Transactions], name: str) -> None:
    """Raise UserError for the first part that does not hold both classes."""
    for which, part in zip(("training", "validation", "test"), parts, strict=True):
        if len(np.unique(part.targets)) < 2:
            raise UserError(f"The {which} part of {name} would hold one class only; more rows are needed.")


def labelled(path: Path, meta: dict) -> Transactions:
    """New labelled data for a finished run: the run's feature columns, its target, and the columns with another role.

    Which value of the target is the fraud, and how dates are read, is what the run has learnt from.

    A run that was trained with a weight needs that column here too. Cards and times are needed where the network reads
    them.
    """
    frame = read_table(path)
    frame = with_columns(frame, [meta["target"], *([meta["weight"]] if "weight" in meta else [])], path)
    targets = as_targets(frame[meta["target"]], meta["classes"], path)
    weights = row_weights(frame, meta, path)
    known = {meta.get("card"), meta.get("time"), meta.get("terminal", meta.get("time"))} <= set(frame)
    cards = cards_of(frame, meta, path).drop(columns="fraud", errors="ignore") if known else None
    units = as_categories(frame, meta["card"], path).to_numpy() if meta.get("card") in frame else None
    return Transactions(checked(frame, meta, path), targets, weights, units, cards).part(np.arange(len(frame)))


def cards_of(frame: pd.DataFrame, meta: dict[str, Any], path: Path | str) -> pd.DataFrame:
    """Columns `card` and `time` (seconds) of raw rows, for a run that knows which columns they are.

    Where the run knows terminals: also `terminal`, and `fraud`, the target (0 where nothing is known of a row).
    """
    names = [meta["card"], meta["time"], *([meta["terminal"], meta["target"]] if "terminal" in meta else [])]
    frame = with_columns(frame, names, path)
    times = times_of(frame[meta["time"]], path, meta.get("day_first"))
    cards = pd.DataFrame({"card": as_categories(frame, meta["card"], path), "time": times})
    if "terminal" in meta:
        cards["terminal"] = as_categories(frame, meta["terminal"], path)
        cards["fraud"] = as_targets(frame[meta["target"]], meta["classes"], path)
    return cards


# Columns


def codes(config: Config) -> list[str]:
    """The columns that `config.categories` names."""
    return [name.strip() for name in (config.categories or "").split(",") if name.strip()]


def dates_of(frame: pd.DataFrame, roles: dict[str, str], path: Path) -> dict[str, bool]:
    """{"day_first": …} where the column of the time has dates such as 03/04/2021, else {}."""
    first = is_day_first(frame[roles["time"]], path) if "time" in roles else None
    return {} if first is None else {"day_first": first}


def infer_kinds(features: pd.DataFrame, path: Path, categories: Collection[str] = ()) -> pd.DataFrame:
    """The columns as numbers (float) or categories (text).

    A column in which at least half of the values are meant as numbers is a column of numbers, and its other values are
    mistakes. Any other column is categorical. So is one with codes such as 0742, and those that `categories` names.
    Raises UserError for a mistake, an empty value, or an amount with a currency sign or commas.
    """
    columns = {}
    for name in features:
        values = features[name]
        numbers = to_numbers(values)
        typed = pd.api.types.is_numeric_dtype(values)
        other = values[np.isnan(numbers)]
        text = other[~is_empty(other)].astype(str).str.strip()
        amounts = text[text.isin([value for value in text.unique() if _is_amount(value)])]
        meant = len(values) - len(other) + len(amounts)
        filled = max(1, len(values) - len(other) + len(text))
        if meant and text.drop(amounts.index).str.lower().isin(MISSING).all():
            meant = filled
        code = name in categories or pd.api.types.is_bool_dtype(values)
        whole = np.flatnonzero(numbers == np.floor(numbers))  # others are no codes
        code = code or (not typed and values.iloc[whole].astype(str).str.fullmatch(CODE).any())
        if code or not (typed or meant >= MIN_NUMBERS * filled):
            columns[name] = as_categories(features, name, path)
        elif len(amounts):
            row = amounts.index[0]
            raise UserError(
                f"{path}, row {row + 2}: {name} is {values[row]!r}; expected a number without a currency sign, a per "
                "cent sign, commas, brackets and quotation marks, such as -1234.5."
            )
        else:
            hint = ", or --categories {column} where its values are codes"
            columns[name] = check_numbers(features, [name], path, hint)[name]
    return pd.DataFrame(columns, index=features.index)


def _is_amount(text: str) -> bool:
    """Whether a text that is no number is meant as one: 1 234,50 or $12 or (5.00) or “7” or 12- or １２."""
    if len(text) > MAX_AMOUNT:
        return False
    text = re.sub("[\u2010-\u2015\u2212]", "-", unicodedata.normalize("NFKC", text))
    text = "".join("$" if unicodedata.category(sign) == "Sc" else sign for sign in text)  # a sign of any currency
    text = text.strip(" '\"\u2018\u2019\u201c\u201d").replace("(", "").replace(")", "").removesuffix("-").strip()
    return bool(re.fullmatch(AMOUNT, text))


def two_classes(values: pd.Series, path: Path) -> np.ndarray:
    """Targets as 0 and 1, by the labels that `class_labels` finds."""
    return as_targets(values, class_labels(values, path), path)


def class_labels(values: pd.Series, path: Path, positive: str | None = None) -> tuple[str, str]:
    """The (negative, positive) value of a target, as text in small letters.

    The positive one is `positive`; else 1 beside 0, true beside false, yes beside no, or fraud; else the rarer one.
    """
    empty = np.flatnonzero(is_empty(values))
    if len(empty):
        raise UserError(f"{path}, row {int(values.index[empty[0]]) + 2}: the target {values.name} is empty.")
    counts = _as_text(values).value_counts()
    if len(counts) != 2:
        content = f"one value only ({counts.index[0]})" if len(counts) == 1 else f"{len(counts)} different values"
        raise UserError(f"{path}: the target {values.name} has {content}; expected two classes.")
    known = [name for name in counts.index if name == "fraud" or PAIRS.get(name) in counts.index]
    if positive is not None:
        known = [name for name in counts.index if name == _label(positive)]
        if not known:
            raise UserError(f"--positive is {positive!r}; the target {values.name} is {' or '.join(counts.index)}.")
    if not known and counts.iloc[0] == counts.iloc[1]:
        raise UserError(
            f"{path}: {' and '.join(counts.index)} are equally frequent in {values.name}; say by --positive VALUE "
            "which one is the fraud."
        )
    chosen = known[0] if known else counts.index[1]
    return next(name for name in counts.index if name != chosen), chosen


def as_targets(values: pd.Series, labels: Sequence[str], path: Path) -> np.ndarray:
    """0 for the first and 1 for the second of the labels."""
    text = _as_text(values)
    other = np.flatnonzero(~text.isin(labels))
    if len(other):
        row, value = int(values.index[other[0]]) + 2, values.iloc[other[0]]
        raise UserError(f"{path}, row {row}: the target {values.name} is {value!r}; expected {' or '.join(labels)}.")
    return (text == labels[1]).to_numpy(int)


def _as_text(values: pd.Series) -> pd.Series:
    return values.map({value: _label(value) for value in values.unique()}).astype(object)


def _label(value: Any) -> str:
    return cell_text(value).lower().removesuffix(".0")


def row_weights(frame: pd.DataFrame, roles: dict, path: Path) -> np.ndarray:
    """How many real cases each row stands for: the column with the role "weight", above 0; without it 1."""
    if "weight" not in roles:
        return np.ones(len(frame))
    weights = check_numbers(frame, [roles["weight"]], path)[roles["weight"]].to_numpy(float)
    if (weights <= 0).any():
        row = int(frame.index[np.argmax(weights <= 0)]) + 2
        raise UserError(f"{path}, row {row}: the weight must be greater than 0.")
    return weights
