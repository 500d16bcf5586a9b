"""What a file is, from its first bytes: a file of another kind, or a text in some encoding."""

import re
import sys
from contextvars import ContextVar
from pathlib import Path

from common.errors import UserError

HEAD = 1 << 16  # bytes that are looked at
# How files were read, a sentence each, without repetition: of this process, or of what a page reads now.
NOTES: ContextVar[list[str]] = ContextVar("NOTES", default=[])  # noqa: B039
GZIP = b"\x1f\x8b"
OTHER_KINDS = {  # what is no text, by its first bytes
    GZIP: "a file compressed by gzip",
    b"PK\x03\x04": "an Excel workbook or Word document or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook or Word document",
    **dict.fromkeys((b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"), "a compressed file"),
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
}


def encoding_of(path: Path, head: bytes) -> str:
    """`utf-8-sig`, or UTF-16 or CP949 where that is certain: then it is said.

    head: the first HEAD bytes. Raises UserError for a file of another kind.
    """
    if kind := next((kind for mark, kind in OTHER_KINDS.items() if head.startswith(mark)), ""):
        raise UserError(f"{path} is {kind}; save the table as CSV, or the text as a text file (UTF-8).")
    if (encoding := _guessed(head)) != "utf-8-sig":
        say(f"{path.name} is read as {encoding.upper()}.")
    return encoding


def say(note: str) -> None:
    """Tell how a file is read, once: a command prints it, a page shows its NOTES."""
    if note not in (notes := NOTES.get()):
        notes.append(note)
        print(note, file=sys.stderr)


def _guessed(head: bytes) -> str:
    """CP949 is where nearly all of what is not ASCII would be Hangul of KS X 1001; others give rarer syllables."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):  # without a mark: half of the bytes of ASCII are zero
        zeros = [head[place::2].count(0) for place in (first, 1 - first)]
        odd = re.search("[\ufffd-\uffff]", head.decode(name, "replace")[:-1])  # no text holds these; the end may be cut
        if zeros[0] > 0.2 * len(head) / 2 and not zeros[1] and not odd:
            return name
    try:
        head[: len(head) - 3 if len(head) == HEAD else None].decode()  # the last character may be cut
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3 or len(head) < HEAD:
            korean = re.sub(r"[\x00-\x7f]", "", head.decode("euc_kr", "replace"))
            if len(re.findall("[가-힣]", korean)) > 0.9 * len(korean):
                return "cp949"
    return "utf-8-sig"
