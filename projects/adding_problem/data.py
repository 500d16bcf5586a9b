"""Sequences of random numbers with two marked places, generated; or the user's own from a CSV file."""

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from projects.adding_problem.config import Config
from projects.adding_problem.encoding import MAX_LENGTH, describe, encode, sums

VALIDATION, TEST = 2000, 5000  # generated sequences


def generate(count: int, length: int, random: np.random.Generator) -> Split:
    """Encoded sequences (count, length, 2) of uniform numbers with two different marked places; targets (count, 1).

    The task of Hochreiter & Schmidhuber 1997, in the form of Le et al. 2015.
    """
    first = random.integers(length, size=count)
    second = (first + random.integers(1, length, size=count)) % length
    x = encode(random.random((count, length), "float32"), np.stack([first, second], axis=1))
    return Split(x, sums(x))


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """The splits of `builtin`, or of the CSV file at the path `data`."""
    if data == "builtin":
        counts = (config.sequences, VALIDATION, TEST)
        random = np.random.default_rng(config.seed)
        parts = [generate(count, config.length, random) for count in counts]
        source = f"Generated: random numbers, {config.length} in a sequence, two of them marked; seed {config.seed}"
    else:
        whole, repeated = read_sequences(Path(data))
        rows = split_rows(np.zeros(len(whole)), seed=config.seed)
        parts = [Split(whole.inputs[part], whole.targets[part]) for part in rows]
        source = f"Sequences of {Path(data).name}, split at random; {repeated:,} repeated ones removed"
    fingerprint = hashlib.sha256(b"".join(part.inputs.tobytes() for part in parts)).hexdigest()
    meta = describe(parts[0].inputs.shape[1])
    return Splits(*parts, meta, Source(Path(data).name, source, fingerprint, "sequence"))


def read_sequences(path: Path, length: int | None = None) -> tuple[Split, int]:
    """(the sequences of a CSV file with the columns x1, x2, …, first, second; how many repeated ones were left out).

    length: how many numbers a sequence must have; None: any. Raises UserError for what is wrong, with its row.
    """
    from common.inputs.tables import read_table

    x = encoded_rows(read_table(path), path)
    if length and x.shape[1] != length:
        raise UserError(f"{path} has sequences of {x.shape[1]:,} numbers; expected {length:,} as in training.")
    distinct = np.unique(x, axis=0)
    return Split(distinct, sums(distinct)), len(x) - len(distinct)


def encoded_rows(frame: Any, path: Path) -> np.ndarray:
    """The rows of a table with the columns x1, x2, …, first, second, encoded: (rows, length, 2)."""
    from common.inputs.tables import check_numbers, with_columns

    length = max(2, sum(bool(re.fullmatch(r"x[1-9]\d*", name)) for name in frame.columns))
    names = [f"x{place}" for place in range(1, length + 1)]
    frame = with_columns(frame, [*names, "first", "second"], path)
    if length > MAX_LENGTH:
        raise UserError(f"{path} has sequences of {length:,} numbers; expected at most {MAX_LENGTH:,}.")
    values = check_numbers(frame, [*names, "first", "second"], path)
    numbers, marks = values[names].to_numpy(), values[["first", "second"]].to_numpy()
    for right, reason in (
        (((numbers >= 0) & (numbers <= 1)).all(axis=1), "a number is not between 0 and 1"),
        (np.isin(marks, np.arange(1, length + 1)).all(axis=1), f"a mark is no place from 1 to {length}"),
        (marks[:, 0] != marks[:, 1], "first and second are the same place"),
    ):
        if not right.all():
            raise UserError(f"{path}, row {int(frame.index[right.argmin()]) + 2}: {reason}.")
    return encode(numbers.astype("float32"), marks.astype(int) - 1)
