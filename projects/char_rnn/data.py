"""From a text to its validation, training and test parts, three stretches of it in this order, as ids."""

import hashlib
import itertools
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from common.data import Source, Split, Splits
from common.errors import UserError
from common.inputs.text import read_text, to_jamo
from common.inputs.vocabulary import UNKNOWN, Vocabulary
from projects.char_rnn.config import Config
from projects.char_rnn.encoding import FIRST, decode, describe, encode

# Fractions of the text, in its own order. The test part follows the training part, as in the usual 90/10 split. The
# characters of the play in the last tenth of tiny Shakespeare first appear just before it. Without the 5 % before the
# test part in training, an n-gram loses 0.16 nats on the test part.
FRACTIONS = {"validation": 0.05, "train": 0.85, "test": 0.10}
BLOCK = 1000  # characters of a block, the unit of the bootstrap
CHUNK = 1 << 20  # characters that are counted at a time
MIN_CHARACTERS = 1000  # a shorter text cannot be cut in three
MAX_SYMBOLS = 5000  # different characters; a file with more holds words or binary data
IN_MEMORY = 8 << 20  # bytes; a larger file is encoded into a temporary file, and batches are read from there
STDLIB_CHARACTERS = 1_000_000  # the set `stdlib` has at most as many


@dataclass(frozen=True, eq=False)
class TextPart:
    """A stretch of an encoded text, in memory or in a file. As a sequence it is its blocks of `BLOCK` characters.

    ids: uint16, of the whole text. start, stop: where the part begins and ends. table: id in `ids` -> id in the
    vocabulary of the training part; None where both are the same.
    """

    ids: np.ndarray | BinaryIO
    start: int
    stop: int
    table: np.ndarray | None = None

    @property
    def characters(self) -> int:
        return self.stop - self.start

    def read(self, start: int, stop: int) -> np.ndarray:
        """Ids, int32, of the characters from `start` to `stop` of this part."""
        start, stop = self.start + start, min(self.start + stop, self.stop)
        if isinstance(self.ids, np.ndarray):
            ids = self.ids[start:stop]
        else:  # plain reads, because the pages of a memory map would count as memory in use
            self.ids.seek(2 * start)
            ids = np.frombuffer(self.ids.read(2 * (stop - start)), np.uint16)
        return ids.astype(np.int32) if self.table is None else self.table[ids]

    def __len__(self) -> int:
        return -(-self.characters // BLOCK)

    def __getitem__(self, block: int) -> np.ndarray:
        if not 0 <= block < len(self):
            raise IndexError(block)
        return self.read(block * BLOCK, (block + 1) * BLOCK)


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """The splits of `builtin`, `hello`, `stdlib` or the UTF-8 file at this path, as `split_text` makes them."""
    if data == "hello":
        return _hello()
    if data == "builtin":
        return split_text(config, _builtin(), data, "The reference topics of this Python (pydoc_data.topics)")
    if data == "stdlib":
        return split_text(config, _stdlib(), data, "Modules of this Python's standard library")
    path, file = Path(data), None
    if path.is_dir():
        raise UserError(f"{path} is a folder; expected a UTF-8 text file.")
    pieces = read_text(path)
    if path.is_file() and path.stat().st_size > IN_MEMORY:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=data_dir)  # noqa: SIM115  # the system deletes it when this process ends
    return split_text(config, pieces, path.name, path.name, file)


def split_text(config: Config, pieces: Iterable[str], name: str, title: str, file: BinaryIO | None = None) -> Splits:
    """Cut a text in three. The inputs of each split are a `TextPart`, its rows are blocks, which the bootstrap draws.

    pieces: the text, piece by piece. title: how the report names it. file: where the ids are kept when they are too
    many for memory. `meta` holds the vocabulary: the characters of the training part, in the order in which they first
    appear in the text.
    """
    ids, all_symbols, sha256 = encode_all(_first(pieces, config.characters), file, config.jamo, name)
    characters = len(ids) if isinstance(ids, np.ndarray) else ids.seek(0, os.SEEK_END) // 2
    if characters < MIN_CHARACTERS:
        count = "is empty" if not characters else f"has {characters:,} character{'s' if characters > 1 else ''}"
        raise UserError(f"{name} {count}; expected at least {MIN_CHARACTERS:,} for training, validation and test.")
    edges = [0, *(int(characters * part) for part in np.cumsum(list(FRACTIONS.values()))[:2]), characters]
    limits = dict(zip(FRACTIONS, itertools.pairwise(edges), strict=True))
    known = np.flatnonzero(counts(TextPart(ids, *limits["train"]), len(all_symbols)))
    vocabulary = Vocabulary(all_symbols.symbols[i - FIRST] for i in known)
    if len(known) < 2:
        raise UserError(f"{name} holds one character only, again and again; there is nothing to choose from.")
    table = np.full(len(all_symbols), UNKNOWN, np.int32)
    table[known] = np.arange(FIRST, len(vocabulary))
    source = Source(
        name=name,
        source=f"{title}: {characters:,} characters{' (jamo)' if config.jamo else ''}, {len(known)} different ones in "
        f"the training part; the first {FRACTIONS['validation']:.0%} validation, the next {FRACTIONS['train']:.0%} "
        f"train, the last {FRACTIONS['test']:.0%} test.",
        sha256=sha256,
        unit=f"block of {BLOCK:,} characters",
    )
    parts = {split: as_split(TextPart(ids, *limits[split], table)) for split in FRACTIONS}
    return Splits(parts["train"], parts["validation"], parts["test"], describe(vocabulary, config.jamo), source)


def counts(part: TextPart, size: int) -> np.ndarray:
    """How often each id below `size` occurs in a part, (size,). The part is read a chunk at a time."""
    result = np.zeros(size, int)
    for start in range(0, part.characters, CHUNK):
        result += np.bincount(part.read(start, start + CHUNK), minlength=size)
    return result


def as_split(part: TextPart) -> Split:
    """A split with a row for each block. Its targets are its own characters, so it needs no list of them."""
    return Split(part, range(len(part)))


def encode_all(
    pieces: Iterable[str], file: BinaryIO | None, jamo: bool, name: str
) -> tuple[np.ndarray | BinaryIO, Vocabulary, str]:
    """Encode a text piece by piece, into `file` where there is one: (ids, all characters, SHA-256)."""
    vocabulary, digest = Vocabulary(), hashlib.sha256()
    kept = [np.zeros(0, np.uint16)]
    for piece in pieces:
        digest.update(piece.encode("utf-8", "surrogatepass"))
        ids = vocabulary.learn(to_jamo(piece) if jamo else piece).astype(np.uint16)
        if len(vocabulary.symbols) > MAX_SYMBOLS:
            korean = not jamo and any("가" <= symbol <= "힣" for symbol in vocabulary.symbols)
            raise UserError(
                f"{name} has more than {MAX_SYMBOLS:,} different characters, too many for a network that chooses one "
                f"at each step{'; --jamo takes Hangul syllables apart.' if korean else ': is it a text?'}"
            )
        if file:
            file.write(ids.tobytes())
        else:
            kept.append(ids)
    return file or np.concatenate(kept), vocabulary, digest.hexdigest()


def read_labelled(path: Path, vocabulary: Vocabulary, jamo: bool) -> tuple[TextPart, str]:
    """Another text for a finished run, encoded with the run's vocabulary: (text, SHA-256)."""
    digest, kept = hashlib.sha256(), []
    for piece in read_text(path):
        digest.update(piece.encode())
        kept.append(encode(piece, vocabulary, jamo).astype(np.uint16))
    ids = np.concatenate(kept)
    if len(ids) < 2:
        raise UserError(f"{path} has {len(ids)} characters; expected at least two: one to read and one to predict.")
    return TextPart(ids, 0, len(ids)), digest.hexdigest()


def choose_examples(part: TextPart, meta: dict[str, Any], count: int = 4) -> list[dict[str, Any]]:
    """Raw inputs whose prompts are beginnings of lines, from places spread over a part, lines of words first.

    A text of less than 100 characters is a single word (`hello`): its prompt is the first letter.
    """

    def text(start: int, stop: int) -> str:
        return decode(part.read(start, stop), Vocabulary.from_json(meta["vocabulary"]), meta["jamo"])

    if part.characters < 100:
        word = text(0, part.characters)
        return [{"prompt": word[0], "length": len(word) - 1, "temperature": 0.0}]
    prompts = []
    for start in (part.characters * i // count for i in range(count)):
        excerpt = text(start, start + 2000)
        lines = [line.strip() for line in excerpt.splitlines()[1:-1]] or [excerpt]
        long = [line for line in lines if len(line) > 15] or [excerpt]
        in_words = [line for line in long if re.fullmatch(r"[^\W\d_]+(,? [^\W\d_]+){3}.*", line[:40])]
        prompts.append(" ".join((in_words or long)[0][:40].split(" ")[:4]))
    return [{"prompt": prompt, "length": 300, "temperature": 0.8, "seed": 0} for prompt in prompts]


def _first(pieces: Iterable[str], characters: int | None) -> Iterator[str]:
    """The first `characters` of a text; None: all of it."""
    for piece in pieces:
        yield piece[:characters]
        characters = None if characters is None else max(0, characters - len(piece))
        if characters == 0:
            return


def _hello() -> Splits:
    """The word is training, validation and test at once, because the task is to know it by heart."""
    text = "hello"
    ids, vocabulary, sha256 = encode_all([text], None, False, text)
    source = Source(
        text,
        "The word hello: h, e, l, l in, e, l, l, o out. It is training, validation and test at once; the task is to "
        "know it by heart.",
        sha256,
        unit="word",
    )
    split = as_split(TextPart(ids, 0, len(text)))
    return Splits(split, split, split, describe(vocabulary, False), source)


def _builtin() -> Iterator[str]:
    """The reference topics in a fixed mixed order, each paragraph once.

    Topics quote each other's sections at length. A paragraph that is repeated in the test part would be one that the
    network has seen in training.
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
        raise UserError(f"{folder} holds no Python source: this Python was installed without it.")


def _mixed(names: Iterable[str]) -> list[str]:
    """Names in an order that is the same on every machine and separates what the alphabet puts side by side."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
