"""Reading a user's CSV, TSV or Parquet file.

A mistake in a file is a UserError whose sentence names the file, the column and the row. Rows are counted as an editor
shows them: the header is row 1. They are counted from the frame's index, so a frame that has lost rows keeps its index.
"""

import csv
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError
from common.files import replacing

CHUNK_ROWS = 200_000
MIN_ARROW_BYTES = 1 << 24  # a smaller CSV file is read by pandas alone, which takes no longer


def read_header(path: Path) -> list[str]:
    """The column names of a CSV, TSV or Parquet file."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        try:
            return pyarrow.parquet.read_schema(path).names
        except (OSError, ValueError) as error:  # pyarrow's own errors derive from these
            raise UserError(f"{path} is not a Parquet file: {error}.") from None
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file, delimiter=_separator(path)), [])
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: byte {error.start} cannot be read. Save it as UTF-8.") from None
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    if not header:
        raise UserError(f"{path} is empty; expected a header row and data rows.")
    return header


def read_table(path: Path, max_rows: int | None = None) -> pd.DataFrame:
    """A whole CSV, TSV or Parquet file with at least one row. Reading ends once there are more than `max_rows` rows."""
    chunks, rows = [], 0
    for chunk in read_chunks(path):
        chunks.append(chunk)
        rows += len(chunk)
        if max_rows is not None and rows > max_rows:
            break
    frame = pd.concat(chunks, ignore_index=True)
    if frame.empty:
        raise UserError(f"{path} has a header but no rows.")
    return frame


def read_chunks(path: Path, rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    """The table in pieces of `rows` rows, so that a file of any size can be read."""
    header = read_header(path)
    if repeated := {name for name in header if header.count(name) > 1}:
        raise UserError(f"{path} has the column {min(repeated)!r} more than once.")
    if path.suffix == ".parquet":
        import pyarrow.parquet

        # With pre_buffer, Arrow's default, each part of the file that has been read stays in memory until the end.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
            if file.metadata.num_rows == 0:
                yield file.schema_arrow.empty_table().to_pandas()
            start = 0
            for batch in file.iter_batches(rows):
                yield batch.to_pandas().set_axis(range(start, start := start + batch.num_rows), axis=0)
        return
    try:
        pieces, complete = yield from _number_chunks(path, header, rows)
        if complete:
            return
        with pd.read_csv(path, sep=_separator(path), chunksize=rows, encoding="utf-8-sig") as reader:
            yield from islice(reader, pieces, None)
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from None
    except pd.errors.ParserError as error:
        raise UserError(f"{path} is not a regular CSV file: {str(error).strip()}.") from None


def ahead(pieces: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The same pieces. While one is used, a thread reads the next one."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, pieces, None)
        while (piece := following.result()) is not None:
            following = thread.submit(next, pieces, None)
            yield piece


def _number_chunks(path: Path, header: list[str], rows: int) -> Generator[pd.DataFrame, None, tuple[int, bool]]:
    """The pieces of a large CSV file of numbers. Returns how many there were, and whether the file was read to its end.

    Arrow parses numbers on all cores, several times as fast as pandas. It stops at the first value that is no number,
    and pandas reads on from that piece: pandas tells what the value is, and in which row.
    """
    import pyarrow
    import pyarrow.csv

    if path.stat().st_size < MIN_ARROW_BYTES:
        return 0, False
    kinds = pd.read_csv(path, sep=_separator(path), nrows=1000, encoding="utf-8-sig").dtypes
    if not all(kind in ("int64", "float64") for kind in kinds):
        return 0, False
    types = {name: pyarrow.int64() if kind == "int64" else pyarrow.float64() for name, kind in kinds.items()}
    waiting: list[pyarrow.RecordBatch] = []
    waiting_rows = pieces = 0

    def frame(table: pyarrow.Table) -> pd.DataFrame:
        start = pieces * rows
        return table.to_pandas().set_axis(range(start, start + table.num_rows), axis=0)

    try:
        reader = pyarrow.csv.open_csv(
            path,
            # Blocks of 1 MiB fit the processor's cache. With blocks of 8 MiB a row costs twice the time.
            read_options=pyarrow.csv.ReadOptions(column_names=header, skip_rows=1, block_size=1 << 20),
            parse_options=pyarrow.csv.ParseOptions(delimiter=_separator(path)),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types),
        )
        for batch in reader:
            waiting.append(batch)
            waiting_rows += batch.num_rows
            while waiting_rows >= rows:
                table = pyarrow.Table.from_batches(waiting)
                yield frame(table.slice(0, rows))
                pieces += 1
                waiting, waiting_rows = table.slice(rows).to_batches(), waiting_rows - rows
    except pyarrow.ArrowInvalid:
        return pieces, False
    if waiting_rows:
        yield frame(pyarrow.Table.from_batches(waiting))
    return pieces + 1, True


def _separator(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def check_columns(frame: pd.DataFrame, wanted: list[str], path: Path) -> None:
    """Raise UserError for the first wanted column that the frame lacks."""
    for column in wanted:
        if column not in frame:
            raise UserError(f"{path} has no column {column!r}; it has: {', '.join(map(str, frame.columns[:40]))}.")


def check_numbers(frame: pd.DataFrame, columns: list[str], path: Path | str) -> None:
    """Raise UserError for the first value that is not a finite number."""
    for column in columns:
        numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            value = frame[column].iloc[wrong[0]]
            shown = "is empty" if pd.isna(value) else f"is {value!r}" if isinstance(value, str) else f"is {value}"
            raise UserError(f"{path}, row {int(frame.index[wrong[0]]) + 2}: {column} {shown}; expected a number.")


def as_categories(frame: pd.DataFrame, column: str, path: Path | str) -> pd.Series:
    """The column as text. Raises UserError for an empty value."""
    empty = np.flatnonzero(frame[column].isna())
    if len(empty):
        raise UserError(f"{path}, row {int(frame.index[empty[0]]) + 2}: {column} is empty; expected a category.")
    return frame[column].astype(str)


def score_table_file(
    source: Path,
    target: Path,
    score: Callable[[pd.DataFrame], pd.DataFrame],
    max_rows: int | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> int:
    """Write `source` (CSV, TSV or Parquet) and the columns that `score` adds to `target` (.csv or .parquet).

    score: rows of the table, indexed as in the file -> as many rows of new columns. The file is read in pieces, so it
    can be of any size. `target` exists only once all of it has been written. Returns the number of rows.
    max_rows: how many rows are allowed (a page limits what a visitor may ask for). Raises UserError for more.
    """
    import pyarrow
    import pyarrow.parquet

    if target.suffix not in (".csv", ".parquet"):
        raise UserError(f"--output {target} must end in .csv or .parquet.")
    rows = 0
    writer = None
    with replacing(target) as temporary:
        for chunk in ahead(read_chunks(source, chunk_rows)):
            if chunk.empty:
                raise UserError(f"{source} has a header but no rows.")
            if max_rows is not None and rows + len(chunk) > max_rows:
                raise UserError(f"{source} has more than {max_rows:,} rows, the largest number that this page scores.")
            scored = pd.concat([chunk.reset_index(drop=True), score(chunk)], axis=1)
            if target.suffix == ".csv":
                scored.to_csv(temporary, mode="a", header=rows == 0, index=False)
            else:
                table = pyarrow.Table.from_pandas(scored, preserve_index=False)
                if writer is None:
                    # Numbers rarely repeat: a dictionary of them would take most of the time, and save nothing.
                    texts = [field.name for field in table.schema if not _is_number(field.type)]
                    writer = pyarrow.parquet.ParquetWriter(temporary, table.schema, use_dictionary=texts)
                writer.write_table(table.cast(writer.schema))
            rows += len(scored)
            print(f"\r{rows:,} rows scored", end="", file=sys.stderr, flush=True)
        if writer:
            writer.close()
    print(file=sys.stderr)
    return rows


def _is_number(kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_boolean(kind)
