"""Reading a user's CSV, TSV or Parquet file.

The cells of a text file are read as text: `0742`, `TRUE`, `NA` and `None` stay what they are, and only an empty cell is
empty. Numbers are made of those columns alone that the caller calls numbers (`check_numbers`). So a row means the same
alone and among others. A Parquet file keeps its own types.

A mistake in a file is a UserError whose sentence names the file, the column and the row. Rows are counted as an editor
shows them: the header is row 1. They are counted from the frame's index, so a frame that has lost rows keeps its index.
"""

import csv
import gzip
import io
import itertools
import re
import sys
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from common.errors import UserError
from common.files import replacing

CHUNK_ROWS = 200_000
LARGEST = 1e30  # a number beyond it is taken for a mistake; products of such numbers would overflow
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
FORMULA = r"^[=+\-@\t\r]"  # a spreadsheet computes a cell that begins with one of these

# Bounds, which hold before anything is expanded
MAX_COLUMNS = 10_000
MAX_LINE = 1 << 20  # characters of a line, and of a quoted cell of several lines
MAX_BLANK = 10_000  # blank lines one after the other
PIECE_CELLS, PIECE_BYTES = 1 << 23, 1 << 27  # of a piece: a table with many columns is read in pieces of fewer rows
UPLOAD_CELLS, UPLOAD_BYTES = 20_000_000, 1 << 28  # of a whole table, where a page limits the number of rows

BLOCK = 1 << 24  # bytes that are read at once
HEAD = 1 << 16  # the first bytes, which tell the kind of a file
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
OTHER_KINDS = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"BZh": "a file compressed by bzip2",
    b"\xfd7zXZ": "a file compressed by xz",
    b"\x28\xb5\x2f\xfd": "a file compressed by Zstandard",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
}


def read_header(path: Path) -> list[str]:
    """The column names of a CSV, TSV or Parquet file."""
    if _is_parquet(path):
        with _parquet(path) as file:
            return list(file.schema_arrow.names)
    return _layout(path).header


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

    numbers: columns that will be numbers. Where nothing else is in them, they are read as such, in half the time.
    """
    for start, table in _pieces(path, rows, numbers=numbers):
        yield _frame(table, start)


def _frame(table: Any, start: int) -> pd.DataFrame:
    return table.to_pandas().set_axis(range(start, start + table.num_rows), axis=0)


def _pieces(
    path: Path, rows: int | None = None, max_rows: int | None = None, numbers: Collection[str] = ()
) -> Iterator[tuple[int, Any]]:
    """(index of the first row, Arrow table) of each piece; of a file without rows one empty piece.

    max_rows: where a page limits them; then the cells and the bytes of the whole table are limited too.
    numbers: as in `read_chunks`.
    """
    import pyarrow

    parquet = _is_parquet(path)
    layout = None if parquet else _layout(path)
    header = read_header(path) if layout is None else layout.header
    if not 0 < len(header) <= MAX_COLUMNS:
        raise UserError(f"{path} has {len(header):,} columns; 1 to {MAX_COLUMNS:,} are taken.")
    if repeated := [name for name, count in Counter(header).items() if count > 1]:
        raise UserError(f"{path} has the column {min(repeated)!r} more than once.")
    if layout and max_rows is not None:
        if layout.packed:
            raise UserError(f"{path} is compressed by gzip; unpack it first.")
        with path.open("rb") as file:  # counting takes no time and no memory
            cells = sum(block.count(layout.separator.encode()) for block in iter(lambda: file.read(BLOCK), b""))
        _check_upload(path, 1, cells, 0, max_rows)
    rows = max(1, min(rows or CHUNK_ROWS, PIECE_CELLS // len(header)))
    batches = _parquet_batches(path, rows, max_rows) if layout is None else _text_batches(path, layout, numbers)
    first = start = layout.above if layout else 0
    waiting: list[pyarrow.RecordBatch] = []
    count = size = total = 0
    for batch in batches:
        if waiting and batch.schema != waiting[-1].schema:  # from here on the numbers are texts
            yield start, pyarrow.Table.from_batches(waiting)
            start, waiting, count, size = start + count, [], 0, 0
        waiting.append(batch)
        count, size, total = count + batch.num_rows, size + batch.nbytes, total + batch.nbytes
        if max_rows is not None:
            _check_upload(path, start - first + count, len(header), total, max_rows)
        while count >= rows or size >= PIECE_BYTES:
            table = pyarrow.Table.from_batches(waiting)
            yield start, table.slice(0, rows)
            start += min(rows, count)
            waiting, count = table.slice(rows).to_batches(), max(0, count - rows)
            size = sum(batch.nbytes for batch in waiting)
    if count or start == first:
        empty = pyarrow.table({name: pyarrow.array([], pyarrow.string()) for name in header})
        yield start, pyarrow.Table.from_batches(waiting) if count else empty


def _check_upload(path: Path, rows: int, columns: int, size: int, max_rows: int) -> None:
    """Raise UserError where a table is larger than a page takes. size: its bytes, once it is expanded."""
    if rows > max_rows:
        raise UserError(f"{path} has more than {max_rows:,} rows, the largest number that this page scores.")
    if rows * columns > UPLOAD_CELLS:
        raise UserError(f"{path} has more than {UPLOAD_CELLS:,} cells, the largest number that this page scores.")
    if size > UPLOAD_BYTES:
        raise UserError(f"{path} takes more than {UPLOAD_BYTES >> 20} MB of memory, the most that this page allows.")


def ahead(pieces: Iterator[Any]) -> Iterator[Any]:
    """The same pieces. While one is used, a thread reads the next one."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, pieces, None)
        while (piece := following.result()) is not None:
            following = thread.submit(next, pieces, None)
            yield piece


# Text files


@dataclass(frozen=True)
class _Layout:
    """How a text file holds its table."""

    packed: bool  # by gzip
    encoding: str
    separator: str
    above: int  # lines above the header: 1 where Excel's `sep=;` stands there
    header: list[str]


def _layout(path: Path) -> _Layout:
    """What the beginning of a text file tells. Raises UserError where it is a file of another kind."""
    with _text_errors(path):
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with _binary(path, packed) as file:
            head = file.read(HEAD)
        for mark, kind in OTHER_KINDS.items():
            if head.startswith(mark):
                raise UserError(f"{path} is {kind}; save the table as CSV (UTF-8).")
        encoding = _encoding(head)
        with _binary(path, packed) as file:
            lines = _lines(path, file, encoding)
            first, above = next(lines, ""), 0
            if named := re.fullmatch(r"sep=(.)\s*", first):  # Excel's own hint
                first, above = next(lines, ""), 1
            separator = named[1] if named else _separator(first, path)
            header: list[str] = next(_reader(itertools.chain([first], lines), separator), [])
    names = [unicodedata.normalize("NFC", name).strip() for name in header]
    while names and not names[-1]:
        names.pop()  # commas at the end of each line
    if not names:
        raise UserError(f"{path} is empty; expected a header row and data rows.")
    return _Layout(
        packed, encoding, separator, above, [name or f"Unnamed: {number}" for number, name in enumerate(names)]
    )


def _encoding(head: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or CP949, where nearly all of what is not ASCII would be Hangul."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        head[: len(head) - 3 if len(head) == HEAD else None].decode()  # the last character may be cut
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3 or len(head) < HEAD:
            korean = re.sub(r"[\x00-\x7f]", "", head.decode("cp949", "replace"))
            if len(re.findall("[가-힣]", korean)) > 0.9 * len(korean):
                return "cp949"
    return "utf-8-sig"


def _separator(header: str, path: Path) -> str:
    """A comma, in a .tsv file a tab. Where the header has none: the separator by which it has most fields."""
    usual = "\t" if ".tsv" in path.suffixes[-2:] or path.suffix.lower() == ".tsv" else ","

    def fields(separator: str) -> int:
        return len(next(csv.reader([header], delimiter=separator), []))

    return usual if fields(usual) > 1 else max((usual, ",", ";", "\t", "|"), key=fields)


def _reader(lines: Iterator[str], separator: str) -> Any:
    """Rows of cells. In a file with tabs a quotation mark is a character like any other."""
    csv.field_size_limit(MAX_LINE)
    if separator == "\t":
        return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=separator, strict=True)


def _binary(path: Path, packed: bool) -> IO[bytes]:
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _lines(path: Path, file: IO[bytes], encoding: str) -> Iterator[str]:
    """The lines of a file. Raises UserError for one that is too long, and for a NUL byte."""
    text = io.TextIOWrapper(file, encoding, newline="")
    for number in itertools.count(1):
        line = text.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise UserError(f"{path}, line {number}: the line has more than {MAX_LINE:,} characters.")
        if "\0" in line:
            raise UserError(f"{path}, line {number}: there is a NUL byte, so this is not a table as UTF-8 text.")
        if not line:
            return
        yield line


@contextmanager
def _text_errors(path: Path) -> Iterator[None]:
    """What reading a text file raises, as a UserError."""
    try:
        yield
    except UnicodeDecodeError as error:
        wanted = "UTF-8" if error.encoding.startswith("utf-8") else f"{error.encoding}, as its beginning is,"
        raise UserError(f"{path} is not {wanted} text ({error.reason}). Save it as UTF-8.") from None
    except UnicodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from None
    except csv.Error as error:
        raise UserError(f"{path} has a header that cannot be read: {error}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None


class _Odd(Exception):
    """A file has something that needs the careful reader."""


def _text_batches(path: Path, layout: _Layout, numbers: Collection[str]) -> Iterator[Any]:
    """The rows as Arrow batches of text, and of float64 in the columns `numbers` as far as these hold numbers alone.

    Arrow reads with all cores, ten times as fast as Python's `csv`. It reads plain files alone. Where it meets anything
    else, `csv` reads on from that row: it takes only what is certain, and says what is wrong and in which line.
    """
    import pyarrow

    rows = 0
    try:
        for batch in _plain_batches(path, layout, numbers):
            yield batch
            rows += batch.num_rows
    except (_Odd, pyarrow.ArrowInvalid):
        yield from _careful_batches(path, layout, rows)


def _plain_batches(path: Path, layout: _Layout, numbers: Collection[str]) -> Iterator[Any]:
    """The rows of a file in which each line is a row. Raises _Odd at a quotation mark, a blank line or a NUL byte.

    It is raised, too, where a column of `numbers` has a cell that is no finite number.

    Arrow is given the bytes. Given the file, a thread of it would wait for Python when reading ends early.
    """
    import pyarrow
    import pyarrow.csv

    odd = (b"\0", b"\n\n", b"\n\r", b"\r\r") + ((b'"',) if layout.separator != "\t" else ())
    kinds = {name: pyarrow.float64() if name in numbers else pyarrow.string() for name in layout.header}
    # Parts of 1 MiB fit the processor's cache. With parts of 8 MiB a row costs twice the time.
    options = {
        "read_options": pyarrow.csv.ReadOptions(column_names=layout.header, block_size=1 << 20),
        "parse_options": pyarrow.csv.ParseOptions(
            delimiter=layout.separator, quote_char=False, ignore_empty_lines=False
        ),
        "convert_options": pyarrow.csv.ConvertOptions(column_types=kinds, null_values=[]),
    }

    def parsed(lines: bytes) -> Iterator[Any]:
        for batch in pyarrow.csv.read_csv(pyarrow.BufferReader(lines), **options).to_batches():
            if not all(np.isfinite(batch.column(name)).all() for name in kinds if kinds[name] == pyarrow.float64()):
                raise _Odd
            yield batch

    with _text_errors(path), _binary(path, layout.packed) as file:
        head = [file.readline(MAX_LINE) for _ in range(layout.above + 1)]
        if layout.encoding != "utf-8-sig" or len(layout.header) == 1 or not head[-1].endswith(b"\n"):
            raise _Odd
        last, rest = head[-1], b""
        while block := file.read(BLOCK):
            if any(mark in last + block for mark in odd):
                raise _Odd
            lines, end, rest = (rest + block).rpartition(b"\n")
            last = block[-1:]
            if len(rest) > MAX_LINE:
                raise _Odd
            if lines:
                yield from parsed(lines + end)
        if rest:
            yield from parsed(rest)


def _careful_batches(path: Path, layout: _Layout, skipped: int) -> Iterator[Any]:
    """The rows after the first `skipped` ones, each of which is a line.

    Blank lines are rows of empty cells, except at the end. Raises UserError for a row with too few or too many cells
    and for quotation marks that do not fit. Cells beyond the header's that are empty are left out.
    """
    columns = len(layout.header)
    with _text_errors(path), _binary(path, layout.packed) as file:
        lines = _lines(path, file, layout.encoding)
        before = layout.above + (skipped and skipped + 1)
        for _ in range(before):
            next(lines)
        reader = _reader(lines, layout.separator)
        if not skipped:
            next(reader)  # the header, which may have several lines
        rows: list[list[str]] = []
        blank = 0
        while True:
            line = before + reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise UserError(
                    f"{path}, line {line}: {error}. A cell with a quotation mark is itself in quotation marks, and the "
                    "mark is doubled."
                ) from None
            if row is None:
                break
            if not row or (columns > 1 and len(row) == 1 and not row[0].strip()):
                blank += 1
                if blank > MAX_BLANK:
                    raise UserError(f"{path}, line {line}: more than {MAX_BLANK:,} blank lines follow each other.")
                continue
            if len(row) > columns and not any(row[columns:]):
                del row[columns:]
            if len(row) != columns:
                raise UserError(
                    f"{path}, line {line}: {len(row)} cells, the last of them {row[-1][:40]!r}, but the header has "
                    f"{columns}."
                )
            rows += [[""] * columns] * blank
            rows.append(row)
            blank = 0
            if len(rows) * columns > MAX_LINE:
                yield _text_batch(rows, layout.header)
                rows = []
        if rows:
            yield _text_batch(rows, layout.header)


def _text_batch(rows: list[list[str]], header: list[str]) -> Any:
    import pyarrow

    columns = [pyarrow.array(cells, pyarrow.string()) for cells in zip(*rows, strict=True)]
    return pyarrow.RecordBatch.from_arrays(columns, header)


# Parquet files


def _is_parquet(path: Path) -> bool:
    """By the first bytes; a file that is called so is read as one too, so that the message says what is wrong."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return True
    with _text_errors(path), path.open("rb") as file:
        return file.read(4) == PARQUET


@contextmanager
def _parquet(path: Path, **options: Any) -> Iterator[Any]:
    """The open file. What Arrow raises for a damaged one becomes a UserError."""
    import pyarrow
    import pyarrow.parquet

    try:
        # With pre_buffer, Arrow's default, each part of the file that has been read stays in memory until the end.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, **options) as file:
            yield file
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise UserError(f"{path} is not a Parquet file that can be read: {reason}.") from None


def _parquet_batches(path: Path, rows: int, max_rows: int | None) -> Iterator[Any]:
    """Batches of at most `rows` rows. Texts are read as places in a list, so their size is known before it is taken."""
    import pyarrow
    import pyarrow.compute as compute

    with _parquet(path) as file:
        schema = file.schema_arrow
        if max_rows is not None:
            _check_upload(path, file.metadata.num_rows, len(schema), 0, max_rows)
    for field in schema:
        if not _is_plain(field.type):
            raise UserError(f"{path}: the column {field.name} holds {field.type}; expected numbers, texts or times.")
    texts = [field.name for field in schema if _is_text(field.type)]
    with _parquet(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(rows):
            batch.validate(full=True)
            coded = [column for column in batch.columns if pyarrow.types.is_dictionary(column.type)]
            size = batch.nbytes + sum(
                compute.sum(compute.binary_length(column.dictionary).take(column.indices)).as_py() or 0
                for column in coded
            )
            step = -(-batch.num_rows // (1 + size // PIECE_BYTES))
            for begin in range(0, batch.num_rows, max(1, step)):
                part = batch.slice(begin, step)
                columns = [
                    column.cast(column.type.value_type) if pyarrow.types.is_dictionary(column.type) else column
                    for column in part.columns
                ]
                yield pyarrow.RecordBatch.from_arrays(columns, batch.schema.names)


def _is_text(kind: Any) -> bool:
    import pyarrow

    kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    return pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)


def _is_plain(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return _is_text(kind) or types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind)


# Columns and cells


def check_columns(frame: pd.DataFrame, wanted: list[str], path: Path | str) -> None:
    """Raise UserError for the first wanted column that the frame lacks."""
    for column in wanted:
        if column not in frame:
            raise UserError(f"{path} has no column {column!r}; it has: {', '.join(map(str, frame.columns[:40]))}.")


def to_numbers(values: pd.Series) -> np.ndarray:
    """(rows,) float64: nan where a value is no number, inf where it is too large for a float."""
    import pyarrow
    import pyarrow.compute as compute

    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(float, na_value=np.nan)
    cells = pyarrow.array(values, from_pandas=True)
    if not (_is_text(cells.type) or pyarrow.types.is_decimal(cells.type)):
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
            shown = f"is {str(value)[:40]!r}" if isinstance(value, str) else f"is {value}"
            shown = "is empty" if is_empty(frame[column]).iloc[wrong[0]] else shown
            limit = f" up to {LARGEST:g}" if np.isfinite(numbers[column][wrong[0]]) else ""
            place = f"{path}, row {int(frame.index[wrong[0]]) + 2}"
            raise UserError(f"{place}: {column} {shown}; expected a number{limit}{hint.format(column=column)}.")
    return pd.DataFrame(numbers, index=frame.index)


def is_empty(values: pd.Series) -> pd.Series:
    """Which cells hold nothing, or blanks alone: (rows,) bool."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return values.isna()
    return values.isna() | values.isin([value for value in values.unique() if not str(value).strip()])


def cell_text(value: Any) -> str:
    """A value as the text of a category: without blanks around it, in one form of Unicode (NFC); 742.0 is 742."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return f"{value:.0f}"
    return unicodedata.normalize("NFC", str(value)).strip()


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
    A new column whose name is taken gets another one (`is_fraud_2`), which is said.
    max_rows: how many rows are allowed (a page limits what a visitor may ask for). Raises UserError for more.
    quote_formulas: write an apostrophe before a text that a spreadsheet would compute (= + - @ first).
    """
    import pyarrow
    import pyarrow.parquet

    if target.suffix not in (".csv", ".parquet"):
        raise UserError(f"--output {target} must end in .csv or .parquet.")
    if max_rows is not None:
        for _ in _pieces(source, chunk_rows, max_rows):
            pass  # whatever is too large is refused before anything is scored
    rows = 0
    writer = None
    with replacing(target) as temporary:
        typed = numbers if target.suffix == ".parquet" else ()  # in CSV the cells stay as they are
        for start, table in ahead(_pieces(source, chunk_rows, max_rows, typed)):
            if not table.num_rows:
                raise UserError(f"{source} has a header but no rows.")
            frame = _frame(table, start)
            answer = score(frame)
            names = _free_names(list(answer), frame)
            if rows == 0 and names != list(answer):
                print(f"{source} has such columns already, so the answer's are: {', '.join(names)}", file=sys.stderr)
            answer = answer.set_axis(names, axis=1)
            table = _without_formulas(table) if quote_formulas else table
            if target.suffix == ".csv":
                cells = table.to_pandas(types_mapper=pd.ArrowDtype)
                scored = pd.concat([cells, answer.reset_index(drop=True)], axis=1)
                scored.to_csv(temporary, mode="a", header=rows == 0, index=False)
            else:
                for name in numbers:
                    place = table.schema.get_field_index(name)
                    if _is_text(table.schema.field(place).type):
                        table = table.set_column(place, name, pyarrow.array(to_numbers(frame[name])))
                added = pyarrow.Table.from_pandas(answer, preserve_index=False)
                for name in names:
                    table = table.append_column(name, added[name])
                if writer is None:
                    # Numbers rarely repeat: a dictionary of them would take most of the time, and save nothing.
                    texts = [field.name for field in table.schema if _is_text(field.type)]
                    writer = pyarrow.parquet.ParquetWriter(temporary, table.schema, use_dictionary=texts)
                writer.write_table(table.cast(writer.schema))
            rows += len(answer)
            print(f"\r{rows:,} rows scored", end="", file=sys.stderr, flush=True)
        if writer:
            writer.close()
    print(file=sys.stderr)
    return rows


def _free_names(wanted: list[str], taken: Collection[str]) -> list[str]:
    """The wanted names; with _2, _3, … where another column has the name."""
    return [
        next(name for name in itertools.chain([want], (f"{want}_{n}" for n in itertools.count(2))) if name not in taken)
        for want in wanted
    ]


def _without_formulas(table: Any) -> Any:
    """The table with an apostrophe before each text, and each column name, that a spreadsheet would compute."""
    import pyarrow.compute as compute

    for place, field in enumerate(table.schema):
        if _is_text(field.type):
            cells = table.column(place)
            number = compute.match_substring_regex(compute.utf8_trim_whitespace(cells), NUMBER)
            formula = compute.and_not(compute.match_substring_regex(cells, FORMULA), number)
            quoted = compute.binary_join_element_wise("'", cells, "")
            table = table.set_column(place, field.name, compute.if_else(formula, quoted, cells))
    return table.rename_columns([f"'{name}" if re.match(FORMULA, name) else name for name in table.schema.names])
