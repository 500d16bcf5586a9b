"""From a text to validation, train and test: three stretches of it, one after the other, as streams of ids."""

import hashlib
import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from common.data import Source, Split, Splits
from common.errors import UserError
from common.inputs.downloads import download
from common.inputs.text import Encoder, read_text, to_jamo
from projects.char_rnn.config import Config

# In the order of the text. The test follows the training part, as in the usual 90/10 split: whoever speaks in the last
# tenth of tiny Shakespeare begins to speak just before it (without that 5 %, an n-gram loses 0.16 nats on the test).
SHARES = {"validation": 0.05, "train": 0.85, "test": 0.10}
CHUNK = 1 << 20  # characters counted at a time
BLOCK = 1000  # characters of a block, the unit of the bootstrap
LEAST = 1000  # characters that can be cut in three
MOST_SYMBOLS = 5000  # more are words or binary data, not characters
IN_MEMORY = 8 << 20  # bytes of a file; a larger one is encoded into a temporary file and read from there
STDLIB_CHARACTERS = 1_000_000
SHAKESPEARE = "tiny_shakespeare/input.txt"
SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


class Stream:
    """A stretch of a text as ids, in memory or in a file. As a sequence it is its blocks of `BLOCK` characters.

    symbols: size of the vocabulary. table: id in the file -> id, where the file was encoded with more symbols.
    """

    def __init__(
        self, ids: np.ndarray | BinaryIO, start: int, stop: int, symbols: int, table: np.ndarray | None = None
    ):
        self.ids, self.start, self.characters, self.symbols = ids, start, stop - start, symbols
        self.table = table

    def read(self, start: int, stop: int) -> np.ndarray:
        """Ids of the characters from `start` to `stop` of this stretch, int32; the id `symbols` stands for unknown."""
        start, stop = self.start + start, self.start + min(stop, self.characters)
        if isinstance(self.ids, np.ndarray):
            ids = self.ids[start:stop]
        else:  # plain reads: a memory map of the whole file would count as memory in use
            self.ids.seek(2 * start)
            ids = np.frombuffer(self.ids.read(2 * (stop - start)), np.uint16)
        return np.minimum(ids.astype(np.int32) if self.table is None else self.table[ids], self.symbols)

    def __len__(self) -> int:
        return -(-self.characters // BLOCK)

    def __getitem__(self, block: int) -> np.ndarray:
        if not 0 <= block < len(self):
            raise IndexError(block)
        return self.read(block * BLOCK, (block + 1) * BLOCK)


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits whose inputs are `Stream`s; their rows are blocks of 1,000 characters, which the bootstrap draws.

    data: `builtin`, `hello`, `stdlib`, `shakespeare` or the path of a UTF-8 file. `meta` holds the vocabulary: the
    characters of the training part in the order of their first appearance in the text.
    """
    if data == "hello":
        return _hello()
    file = None
    if data == "builtin":
        pieces, name, words = _builtin(), data, "The reference topics of this Python (pydoc_data.topics)"
    elif data == "stdlib":
        pieces, name, words = _stdlib(), data, "Modules of this Python's standard library"
    elif data == "shakespeare":
        pieces, name, words = read_text(find_shakespeare(data_dir)), data, "Tiny Shakespeare"
    else:
        path = Path(data)
        if path.is_dir():
            raise UserError(f"{path} is a folder; expected a UTF-8 text file.")
        pieces, name, words = read_text(path), path.name, path.name
        if path.stat().st_size > IN_MEMORY:
            data_dir.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=data_dir)  # noqa: SIM115  # gone with this process, whatever ends it
    ids, symbols, sha256 = encode_all(limited(pieces, config.characters), file, config.jamo, name)
    characters = len(ids) if isinstance(ids, np.ndarray) else ids.seek(0, os.SEEK_END) // 2
    if characters < LEAST:
        count = "is empty" if not characters else f"has {characters:,} character{'s' if characters > 1 else ''}"
        raise UserError(f"{name} {count}; expected at least {LEAST:,}: to train on, to choose by and to test on.")
    edges = [0, *(int(characters * share) for share in np.cumsum(list(SHARES.values()))[:2]), characters]
    cuts = dict(zip(SHARES, itertools.pairwise(edges), strict=True))
    known = np.flatnonzero(counts(Stream(ids, *cuts["train"], len(symbols))))
    table = np.full(len(symbols), len(known), np.int32)
    table[known] = np.arange(len(known))
    vocabulary = [symbols[i] for i in known]
    source = Source(
        name=name,
        source=f"{words}: {characters:,} characters{' (jamo)' if config.jamo else ''}, {len(vocabulary)} different "
        f"ones in the training part; the first {SHARES['validation']:.0%} validation, the next {SHARES['train']:.0%} "
        f"train, the last {SHARES['test']:.0%} test.",
        sha256=sha256,
        unit=f"block of {BLOCK:,} characters",
    )
    parts = {name: as_split(Stream(ids, *cut, len(vocabulary), table)) for name, cut in cuts.items()}
    meta = {"vocabulary": vocabulary, "jamo": config.jamo}
    return Splits(parts["train"], parts["validation"], parts["test"], meta, source)


def counts(stream: Stream) -> np.ndarray:
    """How often each symbol occurs in a stretch, read a piece at a time."""
    found = np.zeros(stream.symbols, int)
    for start in range(0, stream.characters, CHUNK):
        found += np.bincount(stream.read(start, start + CHUNK), minlength=stream.symbols)
    return found


def as_split(stream: Stream) -> Split:
    """A split whose rows are the stream's blocks; what is to be predicted is the stream itself, one character on."""
    return Split(stream, range(len(stream)))


def limited(pieces: Iterable[str], characters: int | None) -> Iterator[str]:
    """The first `characters` of a text; None: all of it."""
    for piece in pieces:
        if characters is not None:
            piece = piece[:characters]
            characters -= len(piece)
        yield piece
        if characters == 0:
            return


def encode_all(
    pieces: Iterable[str], file: BinaryIO | None, jamo: bool, name: str
) -> tuple[np.ndarray | BinaryIO, list[str], str]:
    """Encode a text piece by piece, into `file` if there is one: (ids, symbols in order of appearance, SHA-256)."""
    encoder, digest = Encoder(), hashlib.sha256()
    kept = []
    for piece in pieces:
        digest.update(piece.encode("utf-8", "surrogatepass"))
        ids = encoder.encode(to_jamo(piece) if jamo else piece, learn=True)
        if len(encoder.symbols) > MOST_SYMBOLS:
            raise UserError(
                f"{name} has more than {MOST_SYMBOLS:,} different characters, too many for a network that chooses one "
                "at each step"
                + (
                    "; --jamo takes Hangul syllables apart."
                    if not jamo and any("가" <= symbol <= "힣" for symbol in encoder.symbols)
                    else ": is it a text?"
                )
            )
        if file:
            file.write(ids.astype(np.uint16).tobytes())
        else:
            kept.append(ids.astype(np.uint16))
    ids = file or (np.concatenate(kept) if kept else np.zeros(0, np.uint16))
    return ids, encoder.symbols, digest.hexdigest()


def _hello() -> Splits:
    """The word is training, validation and test at once: to know it by heart is the task."""
    text = "hello"
    ids, vocabulary, sha256 = encode_all([text], None, False, text)
    stream = Stream(ids, 0, len(text), len(vocabulary))
    source = Source(
        "hello",
        "The word hello: h, e, l, l in, e, l, l, o out. It is training, validation and test at once; the task is to "
        "know it by heart.",
        sha256,
        unit="word",
    )
    return Splits(*(as_split(stream) for _ in range(3)), {"vocabulary": vocabulary, "jamo": False}, source)


def _builtin() -> Iterator[str]:
    """The topics in a fixed mixed order, each paragraph once: topics quote each other's sections at length.

    A repeated paragraph of the test part would be one that training has seen.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    for name in _mixed(topics):
        paragraphs = []
        for paragraph in re.split(r"\n\s*\n", topics[name].strip("\n")):
            key = " ".join(paragraph.split())
            if key not in seen:
                seen.add(key)
                paragraphs.append(paragraph)
        if paragraphs:
            yield "\n\n".join(paragraphs) + "\n\n\n"


def _stdlib() -> Iterator[str]:
    """Whole modules of the standard library's top level in a fixed mixed order, up to a million characters."""
    folder, characters = Path(os.__file__).parent, 0
    for name in _mixed(path.name for path in folder.glob("*.py")):
        text = "".join(read_text(folder / name))
        characters += len(text)
        if characters > STDLIB_CHARACTERS:
            return
        yield text + "\n\n"
    if not characters:
        raise UserError(f"{folder} holds no Python source: this Python came without it.")


def _mixed(names: Iterable[str]) -> list[str]:
    """The same order everywhere, and not the alphabet's, in which what belongs together stands together."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def find_shakespeare(data_dir: Path) -> Path:
    """The file in `data_dir`, else a download kept there."""
    return download(SHAKESPEARE_URL, data_dir / SHAKESPEARE, SHAKESPEARE_SHA256)


def read_labelled(path: Path, config: Config, vocabulary: list[str]) -> tuple[Stream, str]:
    """Another text for a finished run, encoded with its vocabulary: (stream, SHA-256)."""
    encoder, digest, kept = Encoder(vocabulary), hashlib.sha256(), []
    for piece in read_text(path):
        digest.update(piece.encode())
        kept.append(encoder.encode(to_jamo(piece) if config.jamo else piece).astype(np.uint16))
    ids = np.concatenate(kept)
    if len(ids) < 2:
        raise UserError(f"{path} has {len(ids)} characters; expected at least two: one to read and one to predict.")
    return Stream(ids, 0, len(ids), len(vocabulary)), digest.hexdigest()
