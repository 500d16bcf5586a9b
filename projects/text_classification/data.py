"""From sentences of installed packages, or a file of your own, to train, validation and test."""

import dataclasses
import hashlib
import itertools
import random
import re
from collections import Counter
from collections.abc import Collection, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from common.data import Source, Split, Splits, hold_out_tenth, split_rows
from common.errors import UserError
from common.files import file_sha256
from common.inputs.tables import as_categories, as_texts, read_table, with_columns
from projects.text_classification.config import Config
from projects.text_classification.encoding import describe
from projects.text_classification.languages import LANGUAGES, PACKAGES, as_typed, sentences, word_sequences
from projects.text_classification.ngrams import normalise

MAX_CLASSES = 200
MIN_TEXTS = 5  # texts of each class, so that every split has some


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of texts (lists of str) with class numbers; `meta` names the classes and describes the encoding.

    data: `builtin`, or the path of a CSV, TSV or Parquet file.
    """
    return _builtin(config) if data == "builtin" else _own(config, Path(data))


def _builtin(config: Config) -> Splits:
    """Sentences in many languages. A concept is in one split with all its translations.

    Training also has sequences of random words, and some of its texts are changed as people type. The split does
    not depend on the seed, so that seeds are compared on one test split.
    """
    languages = list(LANGUAGES)[: config.languages]
    rows = pd.DataFrame(sentences(languages), columns=["text", "language", "concept"])
    rows["key"] = rows["text"].map(normalise)
    rows = rows[rows["key"].str.contains(r"[^\W\d_]{2}") & ~rows.duplicated(["key", "language"])]
    rows = rows[~rows.duplicated("key", keep=False)]  # a text of two languages has no one answer
    targets = rows["language"].map({code: i for i, code in enumerate(languages)}).to_numpy()
    concepts = rows["concept"].to_numpy()
    texts = rows["text"].tolist()
    train, *others = split_rows(targets, groups=concepts, seed=0)
    held_out = set(rows["key"].to_numpy()[np.concatenate(others)])
    learnt = [(texts[i], targets[i]) for i in train]
    for i, code in enumerate(languages):
        learnt += [(text, i) for text in word_sequences(code, [texts[row] for row in train if targets[row] == i])]
    chance = random.Random(0)
    learnt = [(as_typed(text, chance), i) for text, i in learnt]
    learnt = [(text, i) for text, i in learnt if normalise(text) not in held_out]
    splits = [Split([text for text, _ in learnt], np.array([i for _, i in learnt]))]
    splits += [Split([texts[i] for i in part], targets[part], units=concepts[part]) for part in others]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    source = Source(
        name="builtin",
        source=f"{len(rows):,} sentences in {len(languages)} languages of the packages {packages}, split by "
        f"concept, and {len(learnt) - len(train):,} sequences of random words, in training alone.",
        sha256=hashlib.sha256("\n".join(text for split in splits for text in split.inputs).encode()).hexdigest(),
        unit="concept",
    )
    return with_meta(config, splits, source, [LANGUAGES[code] for code in languages])


def _own(config: Config, path: Path) -> Splits:
    """Any table with a text and a class."""
    text, label = config.text or "text", config.label or "label"
    frame = with_columns(read_table(path), [], path, [text, label])
    if missing := [flag for flag, name in (("--text", text), ("--label", label)) if name not in frame]:
        raise UserError(
            f"Which columns of {path} hold the text and the class? Say {' and '.join(f'{m} COLUMN' for m in missing)}; "
            f"it has: {', '.join(map(str, frame.columns[:40]))}."
        )
    labels = as_categories(frame, label, path)
    counts = labels.value_counts()
    if len(counts) < 2:
        raise UserError(
            f"{path}: the column {label!r} has one value only ({counts.index[0]}); expected two classes or more."
        )
    if len(counts) > min(MAX_CLASSES, len(frame) // 4):
        raise UserError(f"{path}: the column {label!r} has {len(counts):,} different values; that is not a class.")
    for one, other in itertools.combinations(counts.index, 2):
        if _plain(one) == _plain(other):
            raise UserError(f"{path}: {one!r} and {other!r} of {label!r} would be two classes; write it in one way.")
    about = f"{path.name}, column {text!r} by {label!r}."
    source = Source(path.name, about, file_sha256(path), "text")
    splits = split_texts(config, as_texts(frame, text), labels.tolist(), source)
    return dataclasses.replace(splits, meta={**splits.meta, "text": text, "label": label})


def _plain(label: str) -> str:
    """A label without what people write in different ways: capitals, and 1.0 or 01 for 1."""
    return f"{float(label):g}" if re.fullmatch(r"\d+(\.\d+)?", label) else label.casefold()


def distinct(
    texts: Sequence[str], labels: Sequence[str], excluded: Collection[str] = ()
) -> tuple[list[str], list[str], int]:
    """(texts, their labels, how many were left out): without empty texts, repeated ones and those `excluded`.

    excluded: normalised texts. Of texts that are equal when normalised, the first one stays.
    """
    seen = set(excluded)
    kept: list[tuple[str, str]] = []
    for text, label in zip(texts, labels, strict=True):
        key = normalise(text)
        if key and key not in seen:
            seen.add(key)
            kept.append((text, label))
    return [text for text, _ in kept], [label for _, label in kept], len(texts) - len(kept)


def split_texts(config: Config, texts: Sequence[str], labels: Sequence[str], source: Source) -> Splits:
    """Splits of texts without an official split: a random quarter is the test, or the tenth that `fold` names.

    Raises UserError where a class has fewer than MIN_TEXTS distinct texts.
    """
    texts, labels, left_out = distinct(texts, labels)
    classes = sorted(set(labels), key=lambda label: (len(label), label) if label.isdigit() else (0, label))
    targets = np.array([classes.index(label) for label in labels])
    counts = Counter(labels)
    if len(counts) < 2 or min(counts.values()) < MIN_TEXTS:
        rare = min(counts, key=counts.__getitem__)
        raise UserError(
            f"{source.name}: class {rare!r} has {counts[rare]} distinct texts; each needs at least {MIN_TEXTS}, and "
            "two classes."
        )
    if config.fold:
        from sklearn.model_selection import StratifiedKFold

        folds = StratifiedKFold(10, shuffle=True, random_state=config.seed).split(targets, targets)
        rest, test = list(folds)[config.fold - 1]
        parts = [*(rest[rows] for rows in hold_out_tenth(targets[rest], config.seed)), test]
    else:
        parts = list(split_rows(targets, seed=config.seed))
    splits = [Split([texts[i] for i in part], targets[part]) for part in parts]
    about = f"{source.source} {len(texts):,} distinct texts; {left_out:,} empty or repeated ones removed."
    return with_meta(config, splits, dataclasses.replace(source, source=about), classes)


def with_meta(config: Config, splits: Sequence[Split], source: Source, classes: list[str]) -> Splits:
    """The splits of training, validation and test, with what encoding learns from the training texts."""
    return Splits(*splits, describe(splits[0].inputs, splits[0].targets, classes, config), source)


def labelled(path: Path, meta: dict) -> Split:
    """New labelled data for a finished run: the same two columns. A class that the run does not know is a UserError."""
    frame = with_columns(read_table(path), [meta["text"], meta["label"]], path)
    labels = as_categories(frame, meta["label"], path)
    if (unknown := ~labels.isin(meta["classes"])).any():
        row = int(labels.index[np.argmax(unknown)]) + 2
        raise UserError(
            f"{path}, row {row}: {meta['label']} is {labels[row - 2]!r}; this run knows {', '.join(meta['classes'])}."
        )
    return Split(as_texts(frame, meta["text"]), labels.map(meta["classes"].index).to_numpy())
