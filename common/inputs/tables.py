"""Reading a user's CSV, TSV, .xlsx or Parquet file.

The cells of a text file are read as text: `0742`, `TRUE`, `NA` and `None` stay what they are, and only an empty cell is
empty. Numbers are made of those columns alone that the caller calls numbers (`check_numbers`). So a row means the same
alone and among others. A Parquet file keeps its own types.

A mistake in a file is a UserError with file, column and row, as an editor counts them: the header is row 1. Rows are
counted from the frame's index, so a frame that has lost rows keeps its index.
"""

import importlib.util
import itertools
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError, load_part
from common.files import NUMBER, quoted, replacing
from common.inputs.delimited import WORKBOOK, Layout, layout, read_rows, text_errors

ARROW = "common.inputs.arrow"  # it reads text files faster, and Parquet files; a fork may leave it out
PARTS = {"parquet": ARROW, "xlsx": WORKBOOK}
KINDS = ("csv", "tsv", *(kind for kind in PARTS if importlib.util.find_spec(PARTS[kind])))  # what a page takes
CHUNK_ROWS = 200_000
LARGEST = 1e30  # a number beyond it is taken for a mistake; products of such numbers would overflow
BLANK = "[\\s\u200b\u2060\ufeff]"  # what cannot be seen at the ends of a category

# Bounds, which hold before anything is expanded
MAX_COLUMNS = 10_000
PIECE_CELLS = 1 << 23  # cells of a piece: a table with many columns is read in pieces of fewer rows
UPLOAD_CELLS, UPLOAD_BYTES = 20_000_000, 1 << 28  # limits of a whole table, where a page limits the rows


def read_header(path: Path) -> list[str]:
    """The column names of a CSV, TSV or Parquet file."""
    return _arrow().parquet_header(path) if _is_parquet(path) else layout(path).header


def read_table(path: Path, max_rows: int | None = None) -> pd.DataFrame:
    """A whole CSV, TSV or Parquet file with at least one row. Reading ends once there are more than `max_rows` rows."""
    chunks, rows = [], 0
    for chunk in read_chunks(path):
        chunks.append(chunk)
        rows += len(chunk)
        if max_rows is not None and rows > max_rows:
            break
    if not rows:
        raise UserError(f"{path} has a header but no rows.")
    return pd.concat(chunks)


def read_chunks(path: Path, rows: int | None = None, numbers: Collection[str] = ()) -> Iterator[pd.DataFrame]:
    """The table in pieces of at most `rows` rows (CHUNK_ROWS), so that a file of any size can be read.

    numbers: columns that will be numbers. Where nothing else is in them, Arrow reads them as such, in half the time.
    """
    return (frame for frame, _ in _pieces(path, rows, numbers))


def _pieces(
    path: Path, rows: int | None = None, numbers: Collection[str] = (), max_rows: int | None = None
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Each piece twice: as `read_chunks` gives it, and with the cells as they go to another file.

    max_rows: as on a page, where the cells and the bytes of the whole table are limited too."""
    text = None if _is_parquet(path) else layout(path)
    header = text.header if text else _arrow().parquet_header(path)
    if not 0 < len(header) <= MAX_COLUMNS:
        raise UserError(f"{path} has {len(header):,} columns; 1 to {MAX_COLUMNS:,} are taken.")
    if repeated := [name for name, count in Counter(header).items() if count > 1]:
        raise UserError(f"{path} has the column {min(repeated)!r} more than once.")
    if max_rows is not None and text:
        if text.packed:
            raise UserError(f"{path} is compressed by gzip; unpack it first.")
        with path.open("rb") as file:  # counting takes no time and no memory; ten thousand columns do
            cells = sum(block.count(text.separator.encode()) for block in iter(lambda: file.read(1 << 20), b""))
        _check_upload(path, 1, cells, 0, max_rows)
    rows = max(1, min(rows or CHUNK_ROWS, PIECE_CELLS // len(header)))
    if text is None or importlib.util.find_spec(ARROW):
        pieces = _arrow().read_pieces(path, text, rows, numbers)
    else:
        pieces = _text_pieces(path, text, rows)
    count = size = 0
    for frame, cells in pieces:
        if max_rows is not None:
            count, size = count + len(cells), size + int(cells.memory_usage(index=False).sum())
            _check_upload(path, count, count * len(header), size, max_rows)
        yield frame, cells


def _text_pieces(path: Path, text: Layout, rows: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The pieces of a text file without Arrow."""
    start, every = text.above, read_rows(path, text)
    while part := list(itertools.islice(every, rows)):
        columns = dict(zip(text.header, zip(*part, strict=True), strict=True))
        frame = pd.DataFrame(columns, index=range(start, start + len(part)), dtype=str)
        yield frame, frame
        start += len(part)


def _arrow() -> Any:
    return load_part(ARROW, "A Parquet file")


def is_table(path: Path) -> bool:
    """Whether a file is called as a table is, in capitals or packed too: .csv, .TSV, .xlsx, .parquet, .csv.gz."""
    return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".xlsx", ".parquet", ".pq"))


def _is_parquet(path: Path) -> bool:
    """The first bytes say so; a file with such a name is read as one too, so that the message says what is wrong."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return True
    with text_errors(path), path.open("rb") as file:
        return file.read(4) == b"PAR1"


def check_upload(path: Path, max_rows: int) -> None:
    """Raise UserError where a table cannot be read, or is larger than a page takes. Little of it is in memory."""
    for _ in _pieces(path, max_rows=max_rows):
        pass


def _check_upload(path: Path, rows: int, cells: int, size: int, max_rows: int) -> None:
    """Raise UserError where a table is larger than a page takes. size: its bytes, once it is expanded."""
    for value, most, what in (
        (rows, max_rows, f"{max_rows:,} rows"),
        (cells, UPLOAD_CELLS, f"{UPLOAD_CELLS:,} cells"),
        (size, UPLOAD_BYTES, f"{UPLOAD_BYTES >> 20} MB in memory"),
    ):
        if value > most:
            raise UserError(f"{path} has more than {what}, the most that this page takes.")


def ahead(pieces: Iterator[Any]) -> Iterator[Any]:
    """The same pieces. While one is used, a thread reads the next one."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, pieces, None)
        while (piece := following.result()) is not None:
            following = thread.submit(next, pieces, None)
            yield piece


# Columns and cells


def with_columns(frame: pd.DataFrame, wanted: list, path: Path | str, optional: Collection = ()) -> pd.DataFrame:
    """The frame; its first "Text" or "TEXT" is called "text" where that is asked for, by `wanted` or `optional`.

    Raises UserError for a wanted column that is missing."""
    named = [*wanted, *optional]
    others = {str(name).casefold(): name for name in reversed(frame.columns) if name not in named}
    frame = frame.rename(columns={others.get(name.casefold()): name for name in named if name not in frame})
    for column in wanted:
        if column not in frame:
            raise UserError(f"{path} has no column {column!r}; it has: {', '.join(map(str, frame.columns[:40]))}.")
    return frame


def to_numbers(values: pd.Series) -> np.ndarray:
    """(rows,) float64: nan where a value is no number, inf where it is too large for a float."""
    import pyarrow
    import pyarrow.compute as compute
    from pyarrow import types

    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(float, na_value=np.nan)
    cells = pyarrow.array(values, from_pandas=True)
    if not (types.is_string(cells.type) or types.is_large_string(cells.type) or types.is_decimal(cells.type)):
        return np.full(len(values), np.nan)
    try:
        numbers = compute.cast(cells, pyarrow.float64())
    except pyarrow.ArrowInvalid:  # a cell is no number, or has blanks around it
        cells = compute.utf8_trim_whitespace(cells)
        cells = compute.if_else(compute.match_substring_regex(cells, NUMBER), cells, None)
        numbers = compute.cast(cells, pyarrow.float64())
    return numbers.to_numpy(zero_copy_only=False)


def check_numbers(frame: pd.DataFrame, columns: Collection[str], path: Path | str, hint: str = "") -> pd.DataFrame:
    """These columns as numbers. Raise UserError for the first value that is not a finite number.

    hint: what the message adds, with {column} for the column's name.
    """
    numbers = {}
    for column in columns:
        numbers[column] = to_numbers(frame[column])
        wrong = np.flatnonzero(~(np.abs(numbers[column]) <= LARGEST))
        if len(wrong):
            value = frame[column].iloc[wrong[0]]
            shown = repr(str(value)[:40]) if isinstance(value, str) else value
            shown = "empty" if is_empty(frame[column]).iloc[wrong[0]] else shown
            limit = f" up to {LARGEST:g}" if np.isfinite(numbers[column][wrong[0]]) else ""
            place = f"{path}, row {int(frame.index[wrong[0]]) + 2}"
            raise UserError(f"{place}: {column} is {shown}; expected a number{limit}{hint.format(column=column)}.")
    return pd.DataFrame(numbers, index=frame.index)


def is_empty(values: pd.Series) -> pd.Series:
    """Which cells hold nothing, or blanks alone: (rows,) bool."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return values.isna()
    if _is_text(values):
        return values.isna() | (values.str.strip() == "")
    return values.isna() | values.isin([value for value in values.unique() if not str(value).strip()])


def cell_text(value: Any) -> str:
    """A value as the text of a category: without blanks around it, in one form of Unicode (NFC); 742.0 is 742."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return f"{value:.0f}"
    return re.sub(rf"^{BLANK}+|{BLANK}+$", "", unicodedata.normalize("NFC", str(value)))


def as_texts(frame: pd.DataFrame, column: str) -> list[str]:
    """The column as texts; an empty cell is an empty text."""
    return [text if isinstance(text, str) else "" if pd.isna(text) else str(text) for text in frame[column]]


def as_categories(frame: pd.DataFrame, column: str, path: Path | str) -> pd.Series:
    """The column as text (`cell_text`). Raises UserError for an empty value."""
    values = frame[column]
    empty = np.flatnonzero(is_empty(values))
    if len(empty):
        raise UserError(f"{path}, row {int(frame.index[empty[0]]) + 2}: {column} is empty; expected a category.")
    return values.map({value: cell_text(value) for value in values.unique()}).astype(object)


# A table with answers


def score_table_file(
    source: Path,
    target: Path,
    score: Callable[[pd.DataFrame], pd.DataFrame],
    max_rows: int | None = None,
    chunk_rows: int | None = None,
    numbers: Collection[str] = (),
    quote_formulas: bool = False,
) -> int:
    """Write `source` (CSV, TSV or Parquet) and the columns that `score` adds to `target` (.csv or .parquet).

    score: rows of the table, indexed as in the file -> as many rows of new columns. The file is read in pieces, so it
    can be of any size. `target` exists only once all of it has been written. Returns the number of rows.
    The cells of `source` are written as they are. Only in Parquet the columns `numbers` of a text file become numbers.
    A new column whose name is taken gets another one (`is_fraud_2`), which is said. max_rows: more are a UserError, as
    on a page. quote_formulas: write an apostrophe before a text that a spreadsheet would compute (= + - @ first).
    """
    if target.suffix not in (".csv", ".parquet"):
        raise UserError(f"--output {target} must end in .csv or .parquet.")
    if max_rows is not None:
        check_upload(source, max_rows)  # whatever is too large is refused before anything is scored
    rows, typed = 0, target.suffix == ".parquet"  # cells of a CSV file stay as they are
    with replacing(target) as temporary, _arrow().parquet_writer(temporary) if typed else nullcontext() as parquet:
        for frame, cells in ahead(_pieces(source, chunk_rows, numbers if typed else (), max_rows)):
            answer = score(frame)
            names = _free_names(list(answer), frame)
            if rows == 0 and names != list(answer):
                print(f"{source} has such columns already, so the answer's are: {', '.join(names)}", file=sys.stderr)
            cells = _without_formulas(cells) if quote_formulas else cells
            if typed:
                cells = cells.assign(
                    **{name: to_numbers(frame[name]) for name in {*numbers} & {*frame} if _is_text(frame[name])}
                )
            scored = pd.concat([cells, answer.set_axis(names, axis=1).set_axis(cells.index, axis=0)], axis=1)
            parquet(scored) if parquet else scored.to_csv(temporary, mode="a", header=rows == 0, index=False)
            rows += len(answer)
            print(f"{rows:,} rows scored", end="\r", file=sys.stderr, flush=True)  # a message may follow
        if not rows:
            raise UserError(f"{source} has a header but no rows.")
    print(file=sys.stderr)
    return rows


def _free_names(wanted: list[str], taken: Collection[str]) -> list[str]:
    """The wanted names; with _2, _3, … where another column has the name."""
    return [
        next(name for name in itertools.chain([want], (f"{want}_{n}" for n in itertools.count(2))) if name not in taken)
        for want in wanted
    ]


def _without_formulas(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with an apostrophe before each text, and each column name, that a spreadsheet would compute."""
    texts = {name: cells[name] for name in cells if _is_text(cells[name])}
    columns = {name: column.map(quoted, na_action="ignore").astype(column.dtype) for name, column in texts.items()}
    return cells.assign(**columns).rename(columns=quoted)


def _is_text(values: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(values)
