"""The first sheet of an Excel workbook (.xlsx), as lines of CSV. So its cells are read as those of a CSV file.

`common/inputs/delimited.py` finds this file by its name. A fork may leave it out; then a workbook is refused.
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.inputs.encodings import say

# Bounds, which hold before anything is expanded
MAX_BYTES, MAX_STYLES = 16_000_000, 500_000  # of all parts, unpacked, and of the styles: XML takes 50 times the memory
MAX_CELLS = 20_000_000  # with the empty ones between two cells of a row
# What zipfile and openpyxl raise for damaged files.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,  # of XML
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # a part that has a password, or a compression that zipfile does not know
)


def lines(path: Path) -> Iterator[str]:
    """A line for each row of the first sheet, with every cell in quotation marks; a blank row is a blank line.

    A formula gives the value that Excel has saved for it. Raises UserError where openpyxl is missing, and for a file
    that is damaged or too large.
    """
    try:
        import openpyxl
    except ModuleNotFoundError:
        raise UserError(
            f"{path} is an Excel workbook: install openpyxl to have it read (python -m pip install openpyxl), or save "
            "the table as CSV (UTF-8)."
        ) from None
    try:
        with zipfile.ZipFile(path) as archive:  # it expands no part beyond the size that it names
            sizes = {part.filename: part.file_size for part in archive.infolist()}
        if sum(sizes.values()) > MAX_BYTES or sizes.get("xl/styles.xml", 0) > MAX_STYLES:
            raise UserError(
                f"{path} is too large for a workbook: {MAX_BYTES // 1_000_000} MB are taken, unpacked; save the table "
                "as CSV (UTF-8)."
            )
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            if len(book.worksheets) > 1:
                say(f"Of the {len(book.worksheets)} sheets of {path.name} the first one is read: {sheet.title}.")
            sheet.reset_dimensions()  # else each row has as many cells as the file claims
            cells = width = 0
            for row in sheet.iter_rows(values_only=True):
                cells += len(row)
                if cells > MAX_CELLS:
                    raise UserError(f"{path} has more than {MAX_CELLS:,} cells.")
                texts = [_text(value) for value in row]
                while texts and not texts[-1]:
                    texts.pop()
                width = width or len(texts)  # that of the header
                yield _line(texts + [""] * (width - len(texts)) if texts else texts)
        finally:
            book.close()
    except DAMAGE as error:
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise UserError(f"{path} is not an Excel workbook that can be read: {reason}.") from None


def _line(texts: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(texts)
    return line.getvalue()


def _text(value: Any) -> str:
    """A value as text, as a CSV file from Excel has it; a time as 2026-01-31 12:00:00."""
    if isinstance(value, bool):
        return str(value).upper()
    return "" if value is None else str(value)
