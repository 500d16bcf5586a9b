"""From generated dates, times and amounts, or pairs of sentences of your own, to train, validation and test."""

import datetime
import hashlib
import itertools
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.data import Source, Split, Splits
from common.errors import UserError
from common.files import file_sha256, files_in
from common.inputs.tables import as_texts, is_table, read_header, read_table
from common.inputs.text import read_text
from projects.translation import spoken
from projects.translation.config import Config
from projects.translation.encoding import describe, normalise

KINDS = {"date": 0.5, "time": 0.15, "amount": 0.35}  # fractions of the built-in pairs
LEARNT = {"date": 0.3, "time": 0.35, "amount": 0.35}  # those of training: the clock is learnt slowest
PARTS = {"train": range(75), "validation": range(75, 80), "test": range(80, 100)}  # parts of a hundred values
MAX_TEST, MAX_VALIDATION = 10_000, 2_000  # pairs of the built-in data, groups of other data
TYPED = 0.25  # fraction of the built-in texts that are written with less care
VARIANTS: list[Callable[[str], str]] = [  # what people leave out; a comma between digits stays
    str.lower,
    lambda text: text.replace(", ", " "),
    lambda text: text.replace("-", " "),
    lambda text: text.replace(".m.", "m"),
]
MIN_GROUPS = 30  # groups of pairs; fewer cannot be split
BUILTIN = ["text", "iso"]  # names of the columns
EXTRA = "extra"  # name of the parallel files whose pairs are learnt from alone

Pairs = tuple[list[str], list[str]]  # texts, and the translation of each


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of sentences (lists of str) with their translations; `meta` describes the encoding.

    data: `builtin`, the path of a table, or a folder with two parallel text files.
    """
    return _builtin(config) if data == "builtin" else _own(config, Path(data))


def _builtin(config: Config) -> Splits:
    """Dates, times and amounts in words, into ISO form.

    A day, a time or an amount is in one part with all its texts in all languages. Its part is a hash of the value, so
    the split depends on no knob. Amounts are the same in all currencies.
    """
    import babel

    if config.reverse:
        raise UserError("--reverse needs pairs of sentences: the built-in data has many texts for one date.")
    counts = {
        "train": config.pairs,
        "validation": min(MAX_VALIDATION, config.pairs // 4),
        "test": min(MAX_TEST, config.pairs // 4),
    }
    parts = [generated(part, count) for part, count in counts.items()]
    source = Source(
        name="builtin",
        source="Generated: dates from 1970 to 2069, times of the day and amounts of money as they are written in "
        f"{', '.join(spoken.LANGUAGES.values())}, by the patterns of the CLDR (Babel {babel.__version__}) and own "
        "tables of spelled-out numbers; the target is the ISO form. No day, time or amount of the test is in training, "
        "in any language.",
        sha256=hashlib.sha256(repr(parts).encode()).hexdigest(),
        unit="value",
    )
    return with_meta(config, parts, source, BUILTIN, [np.array(targets) for _, targets in parts])


def part_of(kind: str, value: Any) -> str:
    """The part, train, validation or test, that all texts of a value belong to."""
    place = zlib.crc32(f"{kind} {value}".encode()) % 100
    return next(name for name, places in PARTS.items() if place in places)


def generated(part: str, count: int) -> Pairs:
    """`count` texts of one part with their ISO forms; training repeats some. The same call gives the same pairs."""
    random = np.random.default_rng(list(PARTS).index(part))
    forms = {kind: [form for language in spoken.LANGUAGES for form in spoken.forms(language, kind)] for kind in KINDS}
    probabilities = LEARNT if part == "train" else KINDS
    texts: list[str] = []
    targets: list[str] = []
    seen: set[str] = set()
    while len(texts) < count:
        kind = str(random.choice(list(probabilities), p=list(probabilities.values())))
        currency, form = forms[kind][random.integers(len(forms[kind]))]
        value = draw(kind, currency, random)
        if part_of(kind, value) != part:
            continue
        text = normalise(form(value))
        if random.random() < TYPED:
            text = VARIANTS[random.integers(len(VARIANTS))](text)
        if part == "train" or text not in seen:
            texts.append(text)
            targets.append(spoken.iso(kind, value, currency))
            seen.add(text)
    return texts, targets


def draw(kind: str, currency: str, random: np.random.Generator) -> Any:
    """A day, a minute of the day, or an amount in hundredths: up to 10,000, of the won in tens up to ten million."""
    if kind == "date":
        days = (spoken.LAST_DAY - spoken.FIRST_DAY).days
        return spoken.FIRST_DAY + datetime.timedelta(int(random.integers(days + 1)))
    if kind == "time":
        return int(random.integers(24 * 60))
    whole = int(10 ** random.uniform(0, 4))
    if currency == "KRW":
        return int(10 ** random.uniform(1, 6)) * 1000
    return whole * 100 + (0 if random.random() < 0.3 else int(random.integers(100)))


def _own(config: Config, path: Path) -> Splits:
    """Any pairs of sentences; see `read_pairs`."""
    pairs, columns = read_pairs(path, config.source, config.target)
    sha256 = hashlib.sha256("\n".join(map(file_sha256, files_of(path))).encode()).hexdigest()
    extra = read_extra(path, columns) if path.is_dir() else None
    return split_pairs(config, pairs, columns, Source(path.name, f"{path.name}.", sha256, "sentence group"), extra)


def files_of(path: Path) -> list[Path]:
    """The files of a data set: the file itself, or those in the folder."""
    return files_in(path, "*.*") if path.is_dir() else [path]


def read_pairs(path: Path, source: str | None, target: str | None) -> tuple[Pairs, list[str]]:
    """(texts, translations) and the names of the two languages, as far as the data has names.

    A table has a header; source and target name its columns. Any other file has no header: its first two
    columns, separated by tabs, are taken, as in the files of Tatoeba. A folder has parallel text files: train.en and
    train.de; source and target are the endings. Names may be left out where there are two only. Its files of the name
    `extra` are not read here; see `read_extra`. Raises UserError.
    """
    if path.is_dir():
        return read_folder(path, source, target)
    if not is_table(path):
        return read_lines(path), ["first", "second"]
    header = read_header(path)
    if source is None and target is None and len(header) == 2:
        source, target = header
    missing = [flag for flag, name in (("--source", source), ("--target", target)) if name not in header]
    if missing:
        raise UserError(
            f"Which columns of {path} hold the two languages? Say {' and '.join(f'{m} COLUMN' for m in missing)}; "
            f"it has: {', '.join(header[:40])}."
        )
    frame, names = read_table(path), [str(source), str(target)]
    return (as_texts(frame, names[0]), as_texts(frame, names[1])), names


def read_lines(path: Path) -> Pairs:
    """The first two cells of each line of a file without a header. Tabs separate them. Empty lines are left out."""
    pairs: Pairs = ([], [])
    width = 0
    for number, line in enumerate("".join(read_text(path)).split("\n"), start=1):
        cells = line.split("\t")
        width = width or (len(cells) if line else 0)
        if line and len(cells) != width:
            raise UserError(f"{path}, line {number}: {len(cells)} cells; expected {width} as in the first line.")
        if width == 1:
            raise UserError(f"{path} has no second column; expected two sentences a line, separated by a tab.")
        for part, cell in zip(pairs, cells if line else (), strict=False):
            part.append(cell)
    if not width:
        raise UserError(f"{path} has no pairs of sentences.")
    return pairs


def read_folder(folder: Path, source: str | None, target: str | None) -> tuple[Pairs, list[str]]:
    """The pairs of all parallel text files in a folder; see `read_pairs`."""
    endings = sorted({file.suffix[1:] for file in files_of(folder)})
    if source is None and target is None and len(endings) == 2:
        source, target = endings
    if source not in endings or target not in endings:
        raise UserError(
            f"Which files of {folder} hold the two languages? Say --source ENDING and --target ENDING; "
            f"it has: {', '.join(endings[:40]) or 'no files'}."
        )
    pairs: Pairs = ([], [])
    for file in files_in(folder, f"*.{source}"):
        if file.stem != EXTRA:
            for part, lines in zip(pairs, read_parallel(folder, file.stem, (source, target)), strict=True):
                part.extend(lines)
    return pairs, [source, target]


def read_extra(folder: Path, endings: Sequence[str]) -> Pairs | None:
    """The pairs of extra.en and extra.de, which are learnt from and never scored; None where they are not there."""
    return read_parallel(folder, EXTRA, endings) if (folder / f"{EXTRA}.{endings[0]}").is_file() else None


def read_parallel(folder: Path, stem: str, endings: Sequence[str]) -> Pairs:
    """The lines of two text files of one name and two endings. Line n of one translates line n of the other."""
    files = [folder / f"{stem}.{ending}" for ending in endings]
    first, second = ("".join(read_text(file)).removesuffix("\n").split("\n") for file in files)
    if len(first) != len(second):
        raise UserError(
            f"{files[0]} has {len(first):,} lines and {files[1].name} has {len(second):,}; "
            "each line needs its translation."
        )
    return first, second


def split_pairs(
    config: Config, pairs: Pairs, columns: Sequence[str], source: Source, extra: Pairs | None = None
) -> Splits:
    """Splits of pairs without an official split: a tenth of the groups is the test, a tenth validation.

    A sentence that has two translations, or is the translation of two, is one group with all of them. So no sentence
    of one part is in another, whatever the direction. Repeated pairs and empty sentences are left out.
    extra: more pairs to learn from. Those that share a sentence with validation or test are left out.
    """
    rows = distinct(pairs)
    groups = sentence_groups(rows)
    count = int(groups.max(initial=-1)) + 1
    if count < MIN_GROUPS:
        raise UserError(f"{source.name} has {count} different sentences with a translation; at least {MIN_GROUPS} are needed.")  # fmt: skip # noqa: E501
    order = np.random.default_rng(config.seed).permutation(count)
    held = max(2, min(MAX_VALIDATION, count // 10))
    parts = [order[2 * held :], order[:held], order[held : 2 * held]]
    chosen = [np.flatnonzero(np.isin(groups, part)) for part in parts]
    split_rows = [[rows[i] for i in part] for part in chosen]
    about = f"{source.source} {len(rows):,} distinct pairs in {count:,} groups; {len(pairs[0]) - len(rows):,} repeated or empty ones left out."  # fmt: skip # noqa: E501
    if extra:
        held_out = {key for row in (*split_rows[1], *split_rows[2]) for key in sentence_keys(row)}
        more = [row for row in distinct(extra) if not held_out & set(sentence_keys(row))]
        split_rows[0] = list(dict.fromkeys([*split_rows[0], *more]))
        about += f" {len(more):,} of {len(extra[0]):,} extra pairs are learnt from too."
    splits: list[Pairs] = [([first for first, _ in part], [second for _, second in part]) for part in split_rows]
    source = Source(source.name, about, source.sha256, source.unit)
    return with_meta(config, splits, source, columns, [None, *(groups[part] for part in chosen[1:])])


def distinct(pairs: Pairs) -> list[tuple[str, str]]:
    """The pairs, normalised, each once and none with an empty sentence."""
    rows = zip(*([normalise(text) for text in part] for part in pairs), strict=True)
    return [row for row in dict.fromkeys(rows) if all(row)]


def sentence_keys(row: tuple[str, str]) -> list[tuple[int, str]]:
    """(side, sentence) of both sentences of a pair, without case and punctuation."""
    return [(side, re.sub(r"\W+", " ", text.casefold()).strip()) for side, text in enumerate(row)]


def sentence_groups(rows: Sequence[tuple[str, str]]) -> np.ndarray:
    """The number of each pair's group: pairs that share a sentence, up to case and punctuation, are in one group."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    keys = [sentence_keys(row) for row in rows]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(itertools.chain(*keys)))}
    first, second = np.array([[numbers[key] for key in pair] for pair in keys], int).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows)), (first, second)), (len(numbers), len(numbers)))
    return np.unique(connected_components(graph, directed=False)[1][first], return_inverse=True)[1]


def with_meta(
    config: Config,
    parts: Sequence[Pairs],
    source: Source,
    columns: Sequence[str],
    units: Sequence[np.ndarray | None] = (),
) -> Splits:
    """The splits of training, validation and test, with what encoding learns from the training pairs.

    columns: names of the two languages; with `reverse` the second one is translated into the first one.
    """
    way = -1 if config.reverse else 1
    columns = list(columns)[::way]
    units = units or [None] * len(parts)  # type: ignore[list-item]
    if config.lower:
        parts = [([text.lower() for text in first], [text.lower() for text in second]) for first, second in parts]
    splits = [Split(*part[::way], units=groups) for part, groups in zip(parts, units, strict=True)]
    meta = describe(splits[0].inputs, splits[0].targets, " → ".join(columns), columns, config)
    return Splits(*splits, meta | {"reverse": config.reverse}, source)


def labelled(path: Path, meta: dict[str, Any]) -> Split:
    """New pairs for a finished run: the same two columns or endings, in a table, a folder or a .txt file."""
    way = -1 if meta["reverse"] else 1
    pairs, _ = read_pairs(path, *meta["columns"][::way])
    return Split(*([normalise(text, meta["lower"]) for text in part] for part in pairs[::way]))
