"""From Babel's CLDR or a file of your own to train, validation and test."""

import dataclasses
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.data import Source, Split, Splits, hold_out_tenth, split_rows
from common.errors import UserError
from common.files import file_sha256
from common.inputs.tables import as_categories, as_texts, check_columns, read_header, read_table
from projects.text_classification.config import Config
from projects.text_classification.encoding import describe
from projects.text_classification.ngrams import normalise

# Close relatives first, so that a small number of languages is not a trivial task.
LANGUAGES = {
    "da": "Danish", "nb": "Norwegian", "ko": "Korean", "es": "Spanish", "pt": "Portuguese", "en": "English",
    "sv": "Swedish", "gl": "Galician", "cs": "Czech", "sk": "Slovak", "hr": "Croatian", "sl": "Slovenian",
    "id": "Indonesian", "ms": "Malay", "ru": "Russian", "uk": "Ukrainian", "fi": "Finnish", "et": "Estonian",
    "de": "German", "nl": "Dutch", "fr": "French", "it": "Italian", "ro": "Romanian", "pl": "Polish",
    "hu": "Hungarian", "is": "Icelandic", "tr": "Turkish", "vi": "Vietnamese", "ja": "Japanese", "zh": "Chinese",
}  # fmt: skip
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629800, "year": 31557600}
MAX_CLASSES = 200
MIN_TEXTS = 5  # of each class, so that every split has some


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of texts (lists of str) with class numbers; `meta` names the classes and describes the encoding.

    data: `builtin`, or the path of a CSV, TSV or Parquet file.
    """
    return _builtin(config) if data == "builtin" else _own(config, Path(data))


def _builtin(config: Config) -> Splits:
    """Names, units and dates of the CLDR in many languages; a concept is in one split with all its translations.

    The split does not depend on the seed, so that seeds are compared on one test split.
    """
    import babel

    languages = list(LANGUAGES)[: config.languages]
    rows = pd.DataFrame(_cldr(languages), columns=["text", "language", "concept"])
    total = len(rows)
    rows["key"] = rows["text"].map(normalise)
    rows = rows[rows["text"].str.contains(r"[^\W\d_]") & ~rows.duplicated(["key", "language"], keep=False)]
    rows = rows[~rows.duplicated("key", keep=False)]  # a name of two languages has no one answer
    targets = rows["language"].map({code: i for i, code in enumerate(languages)}).to_numpy()
    concepts = rows["concept"].to_numpy()
    texts = rows["text"].tolist()
    parts = split_rows(targets, groups=concepts, seed=0)
    source = Source(
        name="builtin",
        source=f"Unicode CLDR as Babel {babel.__version__} brings it: {len(rows):,} names of territories, languages, "
        f"scripts, currencies, time zones, units and dates in {len(languages)} languages. Of {total:,} names, those "
        "that occur twice, in one language or in two, were removed. Split by concept.",
        sha256=hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        unit="concept",
    )
    splits = [Split([texts[i] for i in part], targets[part], units=concepts[part]) for part in parts]
    return with_meta(config, splits, source, [LANGUAGES[code] for code in languages])


def _cldr(languages: list[str]) -> Iterator[tuple[str, str, str]]:
    """(text, language, concept) of every name. Names that share a word stem are one concept.

    So a territory and the currencies of its code are one concept, and so are a language and its regional forms, and
    a unit and its plural.
    """
    from datetime import timedelta

    from babel import Locale
    from babel.dates import format_timedelta
    from babel.units import format_unit

    for language in languages:
        locale = Locale.parse(language)

        def names(kind, table, concept, language=language) -> Iterator[tuple[str, str, str]]:
            for code, name in table.items():
                if isinstance(name, str):
                    yield name, language, f"{kind} {concept(code)}"

        yield from names("place", locale.territories, str)
        yield from names("place", locale.currencies, lambda code: code[:2])
        yield from names("language", locale.languages, lambda code: code.partition("_")[0])
        yield from names("script", locale.scripts, str)
        yield from names("zone", {code: zone.get("city") for code, zone in locale.time_zones.items()}, str)
        for code, zone in locale.meta_zones.items():
            yield from names("zone", zone.get("long", {}), lambda _, code=code: code.partition("_")[0])
        for kind, table in (("month", locale.months), ("day", locale.days), ("quarter", locale.quarters)):
            yield from names(kind, table["stand-alone"]["wide"], str)
        for unit in locale.unit_display_names:
            for count in (1, 3):
                yield format_unit(count, unit, "long", locale=locale), language, f"unit {unit}"
        for unit in SECONDS:
            for direction in (-1, 1):
                delta = timedelta(seconds=direction * 3 * SECONDS[unit])
                yield format_timedelta(delta, unit, 1e9, True, locale=locale), language, f"unit duration-{unit}"


def _own(config: Config, path: Path) -> Splits:
    """Any table with a text and a class."""
    header = read_header(path)
    lower = {name.lower(): name for name in reversed(header)}
    text, label = config.text or lower.get("text", "text"), config.label or lower.get("label", "label")
    if missing := [flag for flag, name in (("--text", text), ("--label", label)) if name not in header]:
        raise UserError(
            f"Which columns of {path} hold the text and the class? Say {' and '.join(f'{m} COLUMN' for m in missing)}; "
            f"it has: {', '.join(header[:40])}."
        )
    frame = read_table(path)
    labels = as_categories(frame, label, path)
    texts = as_texts(frame, text)
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
    splits = split_texts(config, texts, labels.tolist(), source)
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
    return Splits(*splits, describe(splits[0].inputs, classes, config), source)


def labelled(path: Path, meta: dict) -> Split:
    """New labelled data for a finished run: the same two columns. A class that the run does not know is a UserError."""
    frame = read_table(path)
    check_columns(frame, [meta["text"], meta["label"]], path)
    labels = as_categories(frame, meta["label"], path)
    if (unknown := ~labels.isin(meta["classes"])).any():
        row = int(labels.index[np.argmax(unknown)]) + 2
        raise UserError(
            f"{path}, row {row}: {meta['label']} is {labels[row - 2]!r}; this run knows {', '.join(meta['classes'])}."
        )
    return Split(as_texts(frame, meta["text"]), labels.map(meta["classes"].index).to_numpy())
