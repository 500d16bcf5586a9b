"""The field's standard sets: two treebanks for parts of speech, three sets for names."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.data import Source, Splits
from common.errors import UserError
from common.files import file_sha256
from common.inputs.downloads import find_file
from common.inputs.text import read_lines
from projects.sequence_tagging.config import Config
from projects.sequence_tagging.data import with_meta
from projects.sequence_tagging.features import SPACE
from projects.sequence_tagging.formats import Tagged, as_bio, blocks, read_columns, read_conllu

UD = "https://github.com/UniversalDependencies"
NAME = re.compile(r"<([^<>]+):([A-Z]+)>")  # a name in a sentence of klp2016: <text:label>


def read_wikiann(path: Path) -> Tagged:
    """Columns with the language before each word: `en:Paris<TAB>B-LOC`."""
    tagged = Tagged()
    for line, block in blocks(read_lines(path)):
        cells = [text.split("\t") for text in block]
        if not all(len(row) == 2 and ":" in row[0] for row in cells):
            raise UserError(f"{path}: the sentence that begins in line {line:,} is not in WikiANN's form.")
        tagged.add([(word.partition(":")[2], tag) for word, tag in cells], line=line)
    return tagged


def read_klp(path: Path) -> Tagged:
    """Names marked in Korean sentences, a syllable a token. The line with `$` has the marks: $<이순신:PS>은 …"""
    tagged = Tagged()
    for line, block in blocks(read_lines(path)):
        marked = next((text[1:].strip() for text in block if text.startswith("$")), "")
        rows: list[tuple[str, str]] = []
        end = 0
        for match in [*NAME.finditer(marked), None]:
            outside = marked[end : match.start()] if match else marked[end:]
            rows += [(character, "O") for character in outside]
            if match:
                name, label = match.groups()
                rows += [(character, f"{'I' if place else 'B'}-{label}") for place, character in enumerate(name)]
                end = match.end()
        rows = [(SPACE if character.isspace() else character, tag) for character, tag in rows]
        tagged.add(rows, "".join(character for character, _ in rows), line)
    return tagged


# How each set is read, the names of its parts (training, the part that is the test here), and its home.
SETS: dict[str, tuple[Callable[[Path], Tagged], str, str, str, str]] = {
    "ud_english_ewt": (read_conllu, "en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu", "words", f"{UD}/UD_English-EWT"),
    "ud_korean_gsd": (read_conllu, "ko_gsd-ud-train.conllu", "ko_gsd-ud-dev.conllu", "words", f"{UD}/UD_Korean-GSD"),
    "wikiann_en": (read_wikiann, "train", "dev", "words", "https://github.com/afshinrahimi/mmner"),
    "wnut17": (
        read_columns,
        "wnut17train.conll",
        "emerging.dev.conll",
        "words",
        "https://github.com/leondz/emerging_entities_17",
    ),
    "klp2016": (read_klp, "ner.train", "ner.dev", "syllables", "https://github.com/krikit/annie"),
}


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of a standard set, as `data.load_data` gives them for other data.

    The official development part is the test. A tenth of the official training part is validation, by document
    where the file names documents. So the official test stays unseen; `evaluate --data FILE` scores it.
    """
    read, *files, reading, home = SETS[data]
    folders = [data_dir / data, data_dir / "ner" / data, data_dir]
    paths = [find_file(file, folders, home) for file in files]
    rest, test = (read(path) for path in paths)
    for part, path in zip((rest, test), paths, strict=True):
        as_bio(part, path)
    documents = np.unique(np.array(rest.documents), return_inverse=True)[1]
    order = np.random.default_rng(config.seed).permutation(documents.max() + 1)[documents]
    held = order < np.quantile(order, 0.1)
    parts = [rest.part(np.flatnonzero(~held)), rest.part(np.flatnonzero(held)), test]
    about = (
        f"{data}: a tenth of the official training part is validation, the official development part is the test. "
        "Training sentences that one of these holds too were left out."
    )
    return with_meta(config, parts, Source(data, about, file_sha256(paths[0]), "sentence"), reading)
