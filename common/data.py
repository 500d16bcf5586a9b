"""The three splits of a data set: training, validation, and a test split that is opened once."""

import csv
import dataclasses
import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.files import check_regular, file_sha256
from common.runs import Run

TRAIN, VALIDATION, TEST = 0.60, 0.15, 0.25  # fractions of the rows in each split


@dataclass(frozen=True)
class Split:
    """Raw inputs with their targets.

    inputs: a data frame, a list of texts or paths, or arrays: what the project's Predictor encodes.
    targets: what is to be predicted, one for each input.
    weights: (rows,) how many real cases each row stands for; 1 unless given.
    units: (rows,) the independent unit that each row belongs to (terminal, document, photograph …). None: each row is
    a unit of its own.
    """

    inputs: Any
    targets: Any
    weights: np.ndarray = None  # type: ignore[assignment]
    units: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.weights is None:
            object.__setattr__(self, "weights", np.ones(len(self)))

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Source:
    """The origin of the data, for report.json."""

    name: str
    source: str
    sha256: str
    unit: str
    weighted: bool = False


def scored_on(path: Path, trained_on: Source, sha256: str = "", unit: str = "", weighted: bool = False) -> Source:
    """The origin of new labelled data, for the report of `evaluate --data`. sha256: of the file, unless it is given."""
    about = f"Scored on {path.name}; trained on: {trained_on.source}"
    return Source(path.name, about, sha256 or file_sha256(path), unit or trained_on.unit, weighted)


@dataclass(frozen=True, eq=False)
class Splits:
    """The three splits, `meta` (fitted on the training split alone) and the origin of the data.

    Read the test split through `open_test` only: it counts how often that split has been looked at.
    """

    train: Split
    validation: Split
    sealed_test: Split = field(repr=False)
    meta: dict[str, Any]
    source: Source

    @property
    def sizes(self) -> dict[str, int]:
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.sealed_test)}

    def open_test(self, run: Run) -> tuple[Split, int]:
        """The test split, and how often it has been opened under this runs folder, this time included.

        Each time is a line of `runs/<project>/looks.csv`. Only `evaluate` calls this.
        """
        # As JSON, because NumPy's numbers print differently from version to version.
        content = [self.source.sha256, self.sizes, list(self.sealed_test.targets)]
        text = json.dumps(content, default=lambda value: value.tolist())
        fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        ledger = run.path.parent / "looks.csv"
        check_regular(ledger)
        with ledger.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([fingerprint, run.id, time.strftime("%Y-%m-%dT%H:%M:%S%z")])
        return self.sealed_test, sum(split == fingerprint for split, _ in looks(ledger))


def looks(ledger: Path) -> list[tuple[str, str]]:
    """(fingerprint of the test split, run id) for each line of looks.csv. A damaged line is left out."""
    check_regular(ledger)
    with ledger.open(encoding="utf-8", errors="replace") as file:
        lines = [line.split(",") for line in file if "\0" not in line]
    return [(split, run) for split, run, *_ in filter(lambda line: len(line) > 1, lines)]


_last: dict[str, Any] = {}  # the splits that were loaded last, and what they depend on
_lock = threading.Lock()  # a page has a thread for each visitor


def load_splits(config: Any, run: Run) -> Splits:
    """The splits of a run's data, by its project's `load_data`. The last ones are kept.

    They are given again while data, files on disk and every knob that loading has read are the same. So training and
    evaluation of a run read the data once. So do trainings that differ in other knobs alone, such as the learning rate.
    Which knobs are read is recorded and not declared, so no list of them can go out of date.
    """
    splits, read = _load_once(config, run)
    run.check_data(splits.source.sha256, read)
    return splits


def _load_once(config: Any, run: Run) -> tuple[Splits, set[str]]:
    """The splits, and the names of the knobs on which they depend."""
    with _lock:
        place = (run.project, type(config), run.data, run.data_dir, _stamps(run))
        if _last.get("place") == place and all(
            getattr(config, name) == getattr(_last["config"], name) for name in _last["read"]
        ):
            return _last["splits"], _last["read"]
        _last.clear()
        read: set[str] = set()
        splits = run.project.load_data(run.data)(_watched(config, read), run.data, run.data_dir)
        _last.update(place=(*place[:-1], _stamps(run)), config=config, read=read, splits=splits)
        return splits, read


def _stamps(run: Run) -> tuple:
    """Path, time and size of each file that the run's data may be read from: a replaced file is read again."""
    path, files = Path(run.data), []
    if run.data in run.project.data_names:
        path, files = run.data_dir / run.data, list(run.data_dir.glob("*"))
    files += [path, *path.rglob("*")] if path.is_dir() else [path]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in sorted(files) if file.is_file())


def _watched(config: Any, read: set[str]) -> Any:
    """A copy of a Config that adds the name of each knob that is read to `read`."""
    names = {field.name for field in dataclasses.fields(config)}

    class Watched(type(config)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            read.update({name} & names if name != "__dict__" else names)  # vars(config) reads them all
            return super().__getattribute__(name)

    copy = object.__new__(Watched)
    for name in names:
        object.__setattr__(copy, name, getattr(config, name))  # a Config is frozen
    return copy


def hold_out_tenth(targets: Sequence, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted row numbers of training and of a tenth for validation, with the same fraction of each class.

    Raises UserError when a tenth of the rows would be fewer than the classes.
    """
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(1, test_size=0.1, random_state=seed)
    try:
        train, validation = next(splitter.split(targets, targets))
    except ValueError:  # scikit-learn's message names its own parameters
        raise UserError(
            f"{len(targets)} training rows are too few: a tenth of them is validation, and needs some of each class."
        ) from None
    return np.sort(train), np.sort(validation)


def split_rows(
    targets: Sequence, *, times: np.ndarray | None = None, groups: np.ndarray | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of train, validation and test.

    With `times`: in the order of time, the latest rows are the test, and rows of one instant stay together. With
    `groups`: no group is in two splits. Otherwise at random with the same fraction of each class: seeds 0 to 4 are the
    five splits of scikit-learn's `StratifiedShuffleSplit(5, random_state=0)`, seeds 5 to 9 those of random_state 1, ….
    The fractions are 60 %, 15 % and 25 %. Raises UserError when a split would be empty.
    """
    from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

    rows = np.arange(len(targets))
    if times is not None:
        order = np.argsort(times, kind="stable")
        ends = np.cumsum([TRAIN, VALIDATION]) * len(order)
        cuts = [np.searchsorted(times[order], times[order[min(int(end), len(order) - 1)]]) for end in ends]
        train, validation, test = np.split(order, cuts)
    elif groups is not None:
        if (count := len(set(groups))) < 3:
            raise UserError(f"{count} group{'s are' if count > 1 else ' is'} too few: no group may be in two parts.")
        rest, test = next(GroupShuffleSplit(1, test_size=TEST, random_state=seed).split(rows, groups=groups))
        inner = GroupShuffleSplit(1, test_size=VALIDATION / (TRAIN + VALIDATION), random_state=seed)
        train, validation = (rest[part] for part in next(inner.split(rest, groups=groups[rest])))
    else:
        labels = np.asarray(targets)
        series, number = divmod(seed, 5)
        outer = StratifiedShuffleSplit(5, test_size=TEST, random_state=series)
        inner = StratifiedShuffleSplit(1, test_size=VALIDATION / (TRAIN + VALIDATION), random_state=seed)
        try:
            rest, test = list(outer.split(rows, labels))[number]
            train, validation = (rest[part] for part in next(inner.split(rest, labels[rest])))
        except ValueError:  # scikit-learn's message names its own parameters
            if len(np.unique(labels)) > 1:
                raise UserError(f"{len(rows)} rows are too few: each class needs some in all three parts.") from None
            train = validation = test = rows[:0]
    if not (len(train) and len(validation) and len(test)):
        raise UserError(f"The {len(rows)} rows cannot be split in three: a part would be empty.")
    return train, validation, test
