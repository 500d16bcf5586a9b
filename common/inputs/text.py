"""Text files that are read in pieces, Hangul that is taken apart into jamo, and texts that are no sentences."""

import argparse
import inspect
import io
import random
import re
import string
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from common.errors import UserError
from common.inputs.encodings import HEAD, encoding_of

PIECE = 1 << 22  # characters read at a time
# Hangul syllables. The conjoining jamo that they consist of: leading consonant, vowel and, mostly, trailing consonant.
SYLLABLES = re.compile("[\uac00-\ud7a3]+")
JAMO = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?")
LONE = re.compile("[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2]")


def read_text(path: Path) -> Iterator[str]:
    """The text of a file in pieces of about 4 million characters, so that the whole file need not fit in memory.

    It is UTF-8, or what `encoding_of` finds, and comes composed (NFC): a Mac writes Hangul in parts. A byte-order mark
    is left out. Line ends become "\\n". The last piece is empty. Raises UserError for a file that cannot be read. For a
    byte that is not UTF-8 it names position and line. A NUL byte is no text either.
    """
    rest = ""
    try:
        with path.open("rb") as file:
            encoding = encoding_of(path, file.read(HEAD))
            file.seek(0)
            text = io.TextIOWrapper(file, encoding)
            try:
                while piece := text.read(PIECE):
                    if "\0" in piece:
                        raise UserError(f"{path} holds a NUL byte, so it is not a text file.")
                    piece = rest + piece
                    end = len(piece) - 1
                    while end > 0 and not piece[end].isascii():  # before such a character none is cut in two
                        end -= 1
                    rest = piece[end:]
                    if end > 0:
                        yield unicodedata.normalize("NFC", piece[:end])
            except UnicodeDecodeError as error:
                byte = file.tell() - len(error.object) + error.start
                file.seek(0)
                blocks = (file.read(min(PIECE, byte - start)) for start in range(0, byte, PIECE))
                line = 1 + sum(block.count(b"\n") for block in blocks)
                raise UserError(
                    f"{path} is not {encoding.removesuffix('-sig').upper()}: byte {byte:,} (line {line:,}) is "
                    f"0x{error.object[error.start]:02x}; save the file as UTF-8."
                ) from None
            if rest:
                yield unicodedata.normalize("NFC", rest)
            yield ""
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, without their ends. Raises UserError as `read_text` does."""
    rest = ""
    for piece in read_text(path):
        *lines, rest = (rest + piece).split("\n")
        yield from lines
    if rest:
        yield rest


def to_jamo(text: str) -> str:
    """Each Hangul syllable as its two or three conjoining jamo. Everything else stays as it is.

    So 67 jamo stand for 11,172 possible syllables (Unicode 15, section 3.12).
    """
    return SYLLABLES.sub(lambda match: unicodedata.normalize("NFD", match.group()), text)


def from_jamo(text: str) -> str:
    """Conjoining jamo back to syllables. Jamo that make no syllable stay as they are."""
    return JAMO.sub(lambda match: unicodedata.normalize("NFC", match.group()), text)


def readable(text: str) -> str:
    """A text to look at: jamo as syllables, else as letters (U+3131 to U+3163), because one alone is drawn broken."""
    composed = unicodedata.normalize("NFC", text)  # HANGUL JONGSEONG HIEUH, at an end, is HANGUL LETTER HIEUH alone
    return LONE.sub(lambda jamo: unicodedata.lookup("HANGUL LETTER " + unicodedata.name(jamo[0]).split()[-1]), composed)


def settled(text: str) -> int:
    """How many characters of a text will not change any more while it is written in jamo. text: after `from_jamo`.

    The last character may change as long as a vowel or a trailing consonant can join it.
    """
    last = text[-1:]
    syllable = "\uac00" <= last <= "\ud7a3"
    may_change = (ord(last) - 0xAC00) % 28 == 0 if syllable else "\u1100" <= last <= "\u1112"
    return len(text) - may_change


def random_letters(count: int, shortest: int, longest: int, chance: random.Random) -> list[str]:
    """Texts of `shortest` to `longest` words of two to nine random letters."""
    words = ["".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 9))) for _ in range(10 * count)]
    return [" ".join(words[i : i + chance.randint(shortest, longest)]) for i in range(0, len(words), 10)]


def program_lines() -> list[str]:
    """Lines of Python code, those of the module argparse: of more than two words, each once, sorted."""
    return sorted({line.strip() for line in inspect.getsource(argparse).splitlines() if len(line.split()) > 2})
