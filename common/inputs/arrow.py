"""Tables read by Arrow: text files ten times as fast as by Python's `csv`, and Parquet files.

`common/inputs/tables.py` finds this file by its name. A fork may leave it out; then text files are read by `csv`.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute as compute
import pyarrow.csv
import pyarrow.parquet
from pyarrow import types

from common.errors import UserError
from common.inputs.delimited import MAX_LINE, Layout, binary, read_rows, text_errors

PIECE_BYTES = 1 << 27  # bytes of a piece
BLOCK = 1 << 24  # bytes that are read at once


def read_pieces(
    path: Path, text: Layout | None, rows: int, numbers: Collection[str]
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """A table in pieces of at most `rows` rows, twice: with NumPy's types, and with the file's own types.

    text: the layout of a text file; None: it is a Parquet file. numbers: as in `tables.read_chunks`.
    """
    batches = _parquet_batches(path, rows) if text is None else _text_batches(path, text, numbers)
    start, count, size = text.above if text else 0, 0, 0
    waiting: list[pyarrow.RecordBatch] = []

    def piece(table: pyarrow.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
        index = range(start, start + table.num_rows)
        frames = (table.to_pandas(), table.to_pandas(types_mapper=pd.ArrowDtype))
        return frames[0].set_axis(index, axis=0), frames[1].set_axis(index, axis=0)

    for batch in batches:
        if waiting and batch.schema != waiting[-1].schema:  # the numbers are texts from here on
            yield piece(pyarrow.Table.from_batches(waiting))
            start, waiting, count, size = start + count, [], 0, 0
        waiting.append(batch)
        count, size = count + batch.num_rows, size + batch.nbytes
        while count >= rows or size >= PIECE_BYTES:
            table = pyarrow.Table.from_batches(waiting)
            yield piece(table.slice(0, rows))
            start += min(rows, count)
            waiting, count = table.slice(rows).to_batches(), max(0, count - rows)
            size = sum(batch.nbytes for batch in waiting)
    if count:
        yield piece(pyarrow.Table.from_batches(waiting))


# Text files


class _Odd(Exception):
    """A file has something that needs the careful reader."""


def _text_batches(path: Path, text: Layout, numbers: Collection[str]) -> Iterator[pyarrow.RecordBatch]:
    """The rows as batches of text, and of float64 in the columns `numbers` as far as these hold numbers alone.

    Arrow reads plain files alone. Where it meets anything else, `read_rows` reads on from that row: it takes only what
    is certain, and says what is wrong and in which line.
    """
    rows = 0
    try:
        for batch in _plain_batches(path, text, numbers):
            yield batch
            rows += batch.num_rows
    except (_Odd, pyarrow.ArrowInvalid):
        careful, most = read_rows(path, text, rows), max(1, MAX_LINE // len(text.header))
        while part := [row for row, _ in zip(careful, range(most), strict=False)]:
            columns = [pyarrow.array(cells, pyarrow.string()) for cells in zip(*part, strict=True)]
            yield pyarrow.RecordBatch.from_arrays(columns, text.header)


def _plain_batches(path: Path, text: Layout, numbers: Collection[str]) -> Iterator[pyarrow.RecordBatch]:
    """The rows of a file in which each line is a row. Raises _Odd at a quotation mark, a blank line or a NUL byte.

    It is raised, too, where a column of `numbers` has a cell that is no finite number.

    Arrow is given the bytes. Given the file, a thread of it would wait for Python when reading ends early.
    """
    odd = (b"\0", b"\n\n") + ((b'"',) if text.separator != "\t" else ())
    kinds = {name: pyarrow.float64() if name in numbers else pyarrow.string() for name in text.header}
    # Parts of 1 MiB fit the processor's cache. With parts of 8 MiB a row costs twice the time.
    options = {
        "read_options": pyarrow.csv.ReadOptions(column_names=text.header, block_size=1 << 20),
        "parse_options": pyarrow.csv.ParseOptions(delimiter=text.separator, quote_char=False, ignore_empty_lines=False),
        "convert_options": pyarrow.csv.ConvertOptions(column_types=kinds, null_values=[]),
    }

    def parsed(lines: bytes) -> Iterator[pyarrow.RecordBatch]:
        for batch in pyarrow.csv.read_csv(pyarrow.BufferReader(lines), **options).to_batches():
            if not all(np.isfinite(batch.column(name)).all() for name in kinds if kinds[name] == pyarrow.float64()):
                raise _Odd
            yield batch

    with text_errors(path), binary(path, text.packed) as file:
        head = [file.readline(MAX_LINE) for _ in range(text.above + 1)]
        if text.encoding != "utf-8-sig" or len(text.header) == 1 or b"\r" in head[-1][:-2] or head[-1][-1:] != b"\n":
            raise _Odd
        last, rest = head[-1], b""
        while block := file.read(BLOCK):
            seen = last + block
            if any(mark in seen for mark in odd) or (b"\r" in seen and (b"\n\r" in seen or b"\r\r" in seen)):
                raise _Odd
            lines, end, rest = (rest + block).rpartition(b"\n")
            last = block[-1:]
            if len(rest) > MAX_LINE:
                raise _Odd
            if lines:
                yield from parsed(lines + end)
        if rest:
            yield from parsed(rest)


# Parquet files


def parquet_header(path: Path) -> list[str]:
    with _parquet(path) as file:
        return _composed(file.schema_arrow.names)


def _composed(names: Iterable[str]) -> list[str]:
    return [unicodedata.normalize("NFC", name) for name in names]


@contextmanager
def _parquet(path: Path, **options: Any) -> Iterator[pyarrow.parquet.ParquetFile]:
    """The open file. What Arrow raises for a damaged one becomes a UserError."""
    try:
        # With pre_buffer, Arrow's default, each part of the file that has been read stays in memory until the end.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, **options) as file:
            yield file
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise UserError(f"{path} is not a Parquet file that can be read: {reason}.") from None


def _parquet_batches(path: Path, rows: int) -> Iterator[pyarrow.RecordBatch]:
    """Batches of at most `rows` rows. Texts are read as places in a list, so their size is known before it is taken."""
    with _parquet(path) as file:
        schema = file.schema_arrow
    for field in schema:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if not (_is_text(kind) or types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind)):
            raise UserError(f"{path}: the column {field.name} holds {field.type}; expected numbers, texts or times.")
    texts = [field.name for field in schema if _is_text(field.type)]
    with _parquet(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(rows):
            batch.validate(full=True)
            coded = [column for column in batch.columns if types.is_dictionary(column.type)]
            size = batch.nbytes + sum(
                compute.sum(compute.binary_length(column.dictionary).take(column.indices)).as_py() or 0
                for column in coded
            )
            step = -(-batch.num_rows // (1 + size // PIECE_BYTES))
            for begin in range(0, batch.num_rows, max(1, step)):
                part = batch.slice(begin, step)
                columns = [
                    column.cast(column.type.value_type) if types.is_dictionary(column.type) else column
                    for column in part.columns
                ]
                yield pyarrow.RecordBatch.from_arrays(columns, _composed(batch.schema.names))


def _is_text(kind: pyarrow.DataType) -> bool:
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind)


@contextmanager
def parquet_writer(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that adds rows to a Parquet file. The first ones decide the types."""
    writer = None

    def write(frame: pd.DataFrame) -> None:
        nonlocal writer
        table = pyarrow.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
        if writer is None:
            # Numbers rarely repeat: a dictionary of them would take most of the time, and save nothing.
            texts = [field.name for field in table.schema if _is_text(field.type)]
            writer = pyarrow.parquet.ParquetWriter(path, table.schema, use_dictionary=texts)
        writer.write_table(table.cast(writer.schema))

    try:
        yield write
    finally:
        if writer:
            writer.close()
