"""From Python's standard library or a file of your own to train, validation and test."""

import hashlib
import sysconfig
import textwrap
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.files import file_sha256
from projects.sequence_tagging.config import Config
from projects.sequence_tagging.encoding import MAX_TAGS, describe
from projects.sequence_tagging.features import numbered
from projects.sequence_tagging.formats import Tagged, read_tagged
from projects.sequence_tagging.programs import UNLABELLED, labelled_code

PACKAGES = 20  # modules and packages at least: each gives at most this part of the pieces
SHORTEST, LONGEST = 4, 120  # tokens of a piece of a program
SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "__pycache__"}
EXAMPLES = 8


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of sentences (tuples of tokens) with their tags (tuples of the same length).

    data: `builtin`, or the path of a file (see formats.py).
    """
    return _builtin(config) if data == "builtin" else _own(config, Path(data))


def _builtin(config: Config) -> Splits:
    """Functions, classes and statements of the standard library. No package is in two splits."""
    root = Path(sysconfig.get_paths()["stdlib"])
    places = [place for place in root.iterdir() if place.suffix == ".py" or any(place.glob("*.py"))]
    names = sorted(place.name for place in places if place.name not in SKIPPED)
    pieces, packages, seen = Tagged(), [], set()
    most = config.sentences // PACKAGES + 1
    for package in np.random.default_rng(config.seed).permutation(names):
        files = [root / package] if package.endswith(".py") else sorted((root / package).rglob("*.py"))
        found = 0
        for file in files:
            if found >= most or SKIPPED & set(file.relative_to(root).parts):
                continue
            try:
                parts = list(labelled_code(file.read_text(encoding="utf-8")))
            except (SyntaxError, tokenize.TokenError, UnicodeDecodeError):
                continue  # a few files hold mistakes on purpose, or other encodings
            for tokens, labels, text in parts:
                tagged = sum(label != UNLABELLED for label in labels)
                if found < most and SHORTEST <= len(tokens) <= LONGEST and tagged > 1 and tuple(tokens) not in seen:
                    seen.add(tuple(tokens))
                    pieces.add(list(zip(tokens, labels, strict=True)), text.strip("\n"))
                    packages.append(package)
                    found += 1
        if len(pieces) >= config.sentences:
            break
    pieces, groups = pieces.part(range(min(len(pieces), config.sentences))), np.array(packages)
    parts = split_rows(pieces.sentences, groups=groups[: len(pieces)], seed=config.seed)
    version = sysconfig.get_python_version()
    about = (
        f"Python {version}'s standard library: what each name in {len(pieces):,} pieces of it is, as Python's own "
        "parser and symbol table say. No module or package is in two parts."
    )
    sha256 = hashlib.sha256("\0".join(pieces.texts).encode()).hexdigest()
    source = Source("builtin", about, sha256, "piece of a program")
    return with_meta(config, [pieces.part(part) for part in parts], source, "code")


def _own(config: Config, path: Path) -> Splits:
    """A file split at random. A sentence that occurs twice is in one part."""
    tagged = read_tagged(path)
    groups = numbered(tagged.sentences)[1]
    parts = [tagged.part(np.sort(part)) for part in split_rows(tagged.sentences, groups=groups, seed=config.seed)]
    about = " ".join([f"{len(tagged):,} sentences of {path.name}, split at random by sentence.", *tagged.notes])
    source = Source(path.name, about, file_sha256(path), "sentence")
    return with_meta(config, parts, source, reading_of(tagged.sentences))


def reading_of(sentences: Sequence[tuple[str, ...]]) -> str:
    """How typed text has to be cut for a run on these sentences: by syllables where every token is one character."""
    return "syllables" if all(len(token) == 1 for tokens in sentences for token in tokens) else "words"


def with_meta(config: Config, parts: Sequence[Tagged], source: Source, reading: str) -> Splits:
    """Splits of train, validation and test. Training sentences that one of the others holds too are left out."""
    train, validation, test = parts
    held = {*validation.sentences, *test.sentences}
    train = train.part([i for i, tokens in enumerate(train.sentences) if tokens not in held])
    validation = validation.part(
        [i for i, tokens in enumerate(validation.sentences) if tokens not in set(test.sentences)]
    )
    tags = sorted({tag for row in train.tags for tag in row} - {UNLABELLED})
    if len(tags) < 2:
        raise UserError(f"The training sentences hold {len(tags)} tags; expected at least two different ones.")
    if len(tags) > MAX_TAGS:
        raise UserError(f"The training sentences hold {len(tags):,} different tags; at most {MAX_TAGS} can be learnt.")
    meta = describe(train.sentences, tags, reading, config)
    meta["examples"] = examples(validation, reading)
    splits = [Split(part.sentences, part.tags) for part in (train, validation, test)]
    return Splits(*splits, meta, source)


def examples(validation: Tagged, reading: str) -> list[dict[str, Any]]:
    """Short texts of middling length with many different tags, as raw inputs."""
    texts = [
        "".join(tokens) if reading == "syllables" else textwrap.dedent(text)
        for tokens, text in zip(validation.sentences, validation.texts, strict=True)
    ]
    # A long docstring or comment makes a text long, and says nothing.
    worth = [len(set(tags)) - abs(len(tags) - 25) / 9 for tags in validation.tags]
    worth = [value - max(0, len(text) - 240) / 40 for value, text in zip(worth, texts, strict=True)]
    best = sorted(range(len(texts)), key=lambda i: (-worth[i], texts[i]))[:EXAMPLES]
    return [{"text": texts[i]} for i in best]


def labelled(path: Path, meta: dict[str, Any]) -> Split:
    """New tagged sentences for a trained run. Tags that the run does not know are refused; `_` is no tag."""
    tagged = read_tagged(path)
    unknown = sorted({tag for tags in tagged.tags for tag in tags} - {*meta["tags"], UNLABELLED})
    if unknown:
        shown = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        raise UserError(
            f"{path} has tags that the run has never seen: {shown}. It knows {', '.join(meta['tags'][:30])}."
        )
    return Split(tagged.sentences, tagged.tags)
