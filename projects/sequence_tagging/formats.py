"""Files of tagged sentences: CoNLL columns, CoNLL-U, and tables with a sentence, a word and a tag in each row."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import UserError
from common.inputs.tables import as_texts, is_table, read_header, read_table, with_columns
from common.inputs.text import read_lines
from projects.sequence_tagging.programs import UNLABELLED

COLUMNS = ("sentence", "word", "tag")  # columns of a table
CHUNK = re.compile(r"([BIESLU])[-_](.+)")  # how tags of stretches begin: of IOB, BIO, IOBES and BILOU


@dataclass
class Tagged:
    """Sentences as tuples of tokens, their tags, and the text of each where the file has it."""

    sentences: list[tuple[str, ...]] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)  # where each sentence begins in the file
    documents: list[str] = field(default_factory=list)  # the document of each sentence, where the file says it
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sentences)

    def add(self, rows: Sequence[tuple[str, str]], text: str = "", line: int = 0, document: str = "") -> None:
        """Add a sentence of (token, tag); without rows nothing happens."""
        if rows:
            for cells, kept in zip(zip(*rows, strict=True), (self.sentences, self.tags), strict=True):
                kept.append(tuple(unicodedata.normalize("NFC", cell) for cell in cells))
            self.texts.append(text or " ".join(token for token, _ in rows))
            self.lines.append(line)
            self.documents.append(document or str(line))

    def part(self, rows) -> "Tagged":
        """The sentences of these numbers."""
        lists = (self.sentences, self.tags, self.texts, self.lines, self.documents)
        return Tagged(*([values[i] for i in rows] for values in lists))


def read_tagged(path: Path) -> Tagged:
    """The sentences of a file. Raises UserError that names the line for whatever is wrong with it."""
    if path.suffix.lower() == ".conllu":
        tagged = read_conllu(path)
    elif is_table(path) and (path.suffix.lower() != ".tsv" or set(COLUMNS) <= {*map(str.casefold, read_header(path))}):
        tagged = read_rows(path)
    else:
        tagged = read_columns(path)
    if not tagged:
        raise UserError(f"{path} holds no sentence.")
    as_bio(tagged, path)
    return tagged


def read_conllu(path: Path) -> Tagged:
    """Words with their universal parts of speech (UPOS). Ranges of words and empty nodes do not count."""
    import conllu

    tagged, document = Tagged(), ""
    for line, block in blocks(read_lines(path)):
        for number, text in enumerate(block, start=line):
            if not text.startswith("#") and (cells := text.count("\t") + 1) != 10:
                raise UserError(f"{path}, line {number:,}: {cells} columns; expected the 10 of CoNLL-U.")
        try:
            (sentence,) = conllu.parse("\n".join(block) + "\n\n")
        except (conllu.exceptions.ParseException, ValueError) as error:
            raise UserError(f"{path}: the sentence that begins in line {line:,} is no CoNLL-U: {error}.") from None
        rows = [(word["form"], word.get("upos") or UNLABELLED) for word in sentence if isinstance(word["id"], int)]
        if not all(token for token, _ in rows):
            raise UserError(f"{path}: a word of the sentence that begins in line {line:,} is empty.")
        document = sentence.metadata.get("newdoc id", document)
        tagged.add(rows, sentence.metadata.get("text", ""), line, document)
    return tagged


def read_columns(path: Path) -> Tagged:
    """CoNLL columns, separated by blanks or tabs: the first is the word, the last its tag; blank lines end a sentence.

    Lines that begin with -DOCSTART- or "# " are left out.
    """
    tagged, expected = Tagged(), 0
    for line, block in blocks(read_lines(path)):
        rows = []
        for number, text in enumerate(block, start=line):
            if text.startswith(("-DOCSTART-", "# ")):
                continue
            cells = text.split("\t") if "\t" in text else text.split()
            expected = expected or len(cells)
            if len(cells) != expected or len(cells) < 2:
                wanted = f"{expected} as before" if expected > 1 else "2 at least"
                raise UserError(f"{path}, line {number:,}: {len(cells)} columns; expected {wanted}.")
            rows.append((cells[0].strip(), cells[-1].strip()))
            if not all(rows[-1]):
                raise UserError(f"{path}, line {number:,}: {'the tag' if rows[-1][0] else 'the word'} is empty.")
        tagged.add(rows, line=line)
    return tagged


def read_rows(path: Path) -> Tagged:
    """A table with the columns sentence, word and tag, a word a row. Rows with one sentence stand together."""
    frame = with_columns(read_table(path), list(COLUMNS), path)
    tagged, rows, last, done = Tagged(), [], None, set()
    columns = [as_texts(frame, name) for name in COLUMNS]
    for number, (sentence, word, tag) in enumerate(zip(*columns, strict=True), start=2):
        if not word.strip() or not tag.strip():
            raise UserError(f"{path}, row {number:,}: {'the tag' if word.strip() else 'the word'} is empty.")
        if sentence != last:
            tagged.add(rows, line=number - len(rows))
            if sentence in done:
                raise UserError(
                    f"{path}, row {number:,}: sentence {sentence} was ended before; keep its rows together."
                )
            rows, last = [], sentence
            done.add(sentence)
        rows.append((word.strip(), tag.strip()))
    tagged.add(rows, line=len(frame) + 2 - len(rows))
    return tagged


def blocks(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, lines) of each stretch of lines that are not blank."""
    block: list[str] = []
    number = 0
    for number, line in enumerate(lines, start=1):
        line = line.strip("\ufeff")
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield number + 1 - len(block), block


def as_bio(tagged: Tagged, path: Path) -> None:
    """Write tags of stretches as B-, I- and O. Other tags stay as they are.

    IOB1 (B- only between neighbours of one label), IOBES and BILOU are understood. An I- that continues nothing begins
    a stretch, as the scorer of CoNLL-2000 reads it; in a file that is not IOB1 the first such line is noted.
    """
    distinct = {tag for tags in tagged.tags for tag in tags}
    if "O" not in distinct or not all(tag in ("O", "I", UNLABELLED) or CHUNK.fullmatch(tag) for tag in distinct):
        return
    wrong, lawful = [], 0
    for number, tags in enumerate(tagged.tags):
        written, open_label = [], ""
        for place, tag in enumerate(tags):
            parts = CHUNK.fullmatch(tag)
            kind, label = parts.groups() if parts else (tag, open_label)  # a lone I continues
            if kind in ("O", UNLABELLED) or not label:
                written.append("O")
                open_label = ""
            else:
                begins = kind in "BSU" or label != open_label
                if begins and kind in "IEL":
                    wrong.append((tagged.lines[number] + place, tag))
                elif kind == "B" and label != open_label:
                    lawful += 1
                written.append(f"{'B' if begins else 'I'}-{label}")
                open_label = "" if kind in "ESLU" else label
        tagged.tags[number] = tuple(written)
    if wrong and lawful:  # IOB1 has no B- where nothing of its label is before it
        line, tag = wrong[0]
        tagged.notes.append(
            f"{len(wrong):,} tags continue a stretch that is not there; the first is {tag} in line {line:,} of "
            f"{path.name}. Each is read as the beginning of a stretch."
        )
