"""Text files with a table, such as CSV and TSV, as people have them. Every cell is a text.

Each row is taken as the file has it, or refused in a sentence with its line. Nothing is guessed within a file.
"""

import csv
import gzip
import io
import itertools
import re
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from common.errors import UserError, load_part
from common.inputs.encodings import GZIP, HEAD, encoding_of, say

# Bounds, which hold before anything is expanded
MAX_LINE = 1 << 20  # characters of a line, and of a quoted cell of several lines
MAX_BLANK = 10_000  # blank lines one after the other

WORKBOOK, XLSX = "common.inputs.workbook", "xlsx"  # what reads .xlsx, which a fork may leave out; its lines' encoding
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

NO_TABLES = {
    **dict.fromkeys((b"<html", b"<HTML", b"<!DOCTYPE", b"<!doctype", b"<table", b"<?xml"), "a web page or XML"),
    **dict.fromkeys((b'{"', b'[{"', b"[{", b"{\n"), "JSON"),
}


@dataclass(frozen=True)
class Layout:
    """How a text file holds its table."""

    packed: bool  # whether gzip packed it
    encoding: str
    separator: str
    above: int  # lines above the header: 1 where Excel's `sep=;` stands there
    header: list[str]


def layout(path: Path) -> Layout:
    """What the beginning of a text file tells. Raises UserError where it is a file of another kind."""
    with text_errors(path):
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with binary(path, packed) as file:
            head = file.read(HEAD)
        workbook = head.startswith(b"PK") and path.suffix.lower() == ".xlsx"
        encoding = XLSX if workbook else encoding_of(path, head)
        if kind := next((kind for mark, kind in NO_TABLES.items() if head.startswith(mark)), ""):
            raise UserError(f"{path} is {kind}; save the table as CSV (UTF-8).")
        with binary(path, packed) as file:
            lines = _lines(path, file, encoding)
            first, above = next(lines, ""), 0
            while first and not first.strip() and above < MAX_BLANK:
                first, above = next(lines, ""), above + 1
            if named := re.fullmatch(r'"?sep=(.)"?\s*', first):  # Excel's own hint
                first, above = next(lines, ""), above + 1
            separator = named[1] if named else _separator(first, path)
            header: list[str] = next(_reader(itertools.chain([first], lines), separator), [])
    names = [unicodedata.normalize("NFC", name).strip().strip("\ufeff") for name in header]
    while names and not names[-1]:
        names.pop()  # commas at the end of each line
    if not names:
        raise UserError(f"{path} is empty; expected a header row and data rows.")
    names = [name or f"Unnamed: {number}" for number, name in enumerate(names)]
    return Layout(packed, encoding, separator, above, names)


def _separator(header: str, path: Path) -> str:
    """A comma, in a .tsv file a tab. Where the header has none: that by which it has most fields, which is said."""
    usual = "\t" if ".tsv" in path.suffixes[-2:] or path.suffix.lower() == ".tsv" else ","
    fields = {one: len(next(csv.reader([header], delimiter=one), [])) for one in (usual, *SEPARATORS)}
    found = usual if fields[usual] > 1 else max(fields, key=fields.__getitem__)
    if found != usual:
        say(f"{path.name} is read with {SEPARATORS[found]} between the columns.")
    return found


def _reader(lines: Iterator[str], separator: str) -> Any:
    """Rows of cells. In a file with tabs a quotation mark is a character like any other."""
    csv.field_size_limit(MAX_LINE)
    if separator == "\t":
        return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=separator, strict=True)


def binary(path: Path, packed: bool) -> IO[bytes]:
    """The bytes of a file, unpacked."""
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _lines(path: Path, file: IO[bytes], encoding: str) -> Iterator[str]:
    """The lines of a file. Raises UserError for one that is too long, and for a NUL byte."""
    if encoding == XLSX:
        yield from load_part(WORKBOOK, "An Excel workbook").lines(path)
        return
    text = io.TextIOWrapper(file, encoding, newline="")
    for number in itertools.count(1):
        try:
            line = text.readline(MAX_LINE + 1)
        except UnicodeDecodeError as error:
            before, byte = error.object[: error.start], error.object[error.start]
            place = number + before.decode(error.encoding, "replace").count("\n")
            wanted = "UTF-8" if encoding == "utf-8-sig" else f"{encoding}, as its beginning is,"
            raise UserError(
                f"{path}, line {place}: the byte 0x{byte:02x} is not {wanted} text. Save it as UTF-8."
            ) from None
        if len(line) > MAX_LINE:
            raise UserError(f"{path}, line {number}: the line has more than {MAX_LINE:,} characters.")
        if "\0" in line:
            raise UserError(f"{path}, line {number}: there is a NUL byte, so this is not a table as UTF-8 text.")
        if not line:
            return
        yield line


@contextmanager
def text_errors(path: Path) -> Iterator[None]:
    """What reading a text file raises, as a UserError."""
    try:
        yield
    except UnicodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from None
    except csv.Error as error:
        raise UserError(f"{path} has a header that cannot be read: {error}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None


def read_rows(path: Path, layout: Layout, skipped: int = 0) -> Iterator[list[str]]:
    """The rows after the first `skipped` ones, each of which is a line.

    Blank lines are rows of empty cells, except at the end. Raises UserError for a row with too few or too many cells
    and for quotation marks that do not fit. Cells beyond the header's that are empty are left out.
    """
    columns = len(layout.header)
    with text_errors(path), binary(path, layout.packed) as file:
        lines = _lines(path, file, layout.encoding)
        before = layout.above + (skipped and skipped + 1)
        for _ in range(before):
            next(lines)
        reader = _reader(lines, layout.separator)
        if not skipped:
            next(reader)  # the header, which may have several lines
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
                return
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
            yield from [[""] * columns] * blank
            yield row
            blank = 0
