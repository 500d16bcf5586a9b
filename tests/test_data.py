"""Splits that are loaded once: what is kept, and what makes the data be read again."""

import dataclasses
import functools
import os
import types
from pathlib import Path

import numpy as np
import pytest

from common.data import Source, Split, Splits, hold_out_tenth, load_splits
from common.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config:
    rows: int = 3
    learning_rate: float = 0.1
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Loader:
    """The part of a Project that `load_splits` uses. `load_data` of these takes (config, data, data_dir)."""

    function: object
    data_names: tuple[str, ...] = ("builtin", "random")

    def load_data(self, data):
        return self.function


def run_on(function, data: str, data_dir: Path):
    """The part of a Run that `load_splits` uses."""
    unchecked = {"check_data": lambda sha256, knobs: None}
    return types.SimpleNamespace(project=Loader(function), data=data, data_dir=data_dir, **unchecked)


def splits_of(rows: int, meta=None) -> Splits:
    part = Split(list(range(rows)), list(range(rows)))
    return Splits(part, part, part, meta or {}, Source("a", "a", "0", "row"))


def test_data_is_loaded_again_only_for_the_knobs_that_it_reads(tmp_path):
    loads = []

    def load_data(config, data, data_dir):
        """Reads rows; the seed for one set only."""
        loads.append(config.rows)
        return splits_of(config.rows, {"seed": config.seed if data == "random" else 0})

    builtin, drawn = run_on(load_data, "builtin", tmp_path), run_on(load_data, "random", tmp_path)
    first = load_splits(Config(), builtin)
    assert load_splits(Config(learning_rate=0.2, seed=1), builtin) is first and loads == [3]
    assert len(load_splits(Config(rows=4), builtin).train) == 4 and loads == [3, 4]
    assert load_splits(Config(rows=4, seed=1), drawn).meta == {"seed": 1}
    assert load_splits(Config(rows=4, seed=2), drawn).meta == {"seed": 2} and len(loads) == 4
    elsewhere = run_on(load_data, "random", tmp_path / "elsewhere")
    assert load_splits(Config(rows=4, seed=2), elsewhere) and len(loads) == 5


def test_another_project_has_other_splits(tmp_path):
    def one(config, data, data_dir):
        return splits_of(1)

    def two(config, data, data_dir):
        return splits_of(2)

    assert [len(load_splits(Config(), run_on(function, "builtin", tmp_path)).train) for function in (one, two)] == [
        1,
        2,
    ]


def test_the_last_splits_alone_are_kept(tmp_path):
    """Two data sets at once could fill the memory."""
    loads = []

    def load_data(config, data, data_dir):
        loads.append(data)
        return splits_of(1)

    for data in ("builtin", "random", "builtin"):
        load_splits(Config(), run_on(load_data, data, tmp_path))
    assert loads == ["builtin", "random", "builtin"]


@pytest.mark.parametrize("look", [vars, dataclasses.asdict, hash, lambda config: dataclasses.replace(config, rows=1)])
def test_what_looks_at_the_whole_config_depends_on_all_of_it(look, tmp_path):
    loads = []

    def load_data(config, data, data_dir):
        loads.append(look(config))
        assert isinstance(config, Config)
        return splits_of(1)

    for rate in (0.1, 0.1, 0.2):
        load_splits(Config(learning_rate=rate), run_on(load_data, "builtin", tmp_path))
    assert len(loads) == 2


def test_a_load_that_fails_is_not_kept(tmp_path):
    outcomes = [UserError("wrong"), splits_of(1)]

    def load_data(config, data, data_dir):
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    run = run_on(load_data, "builtin", tmp_path)
    with pytest.raises(UserError):
        load_splits(Config(), run)
    assert load_splits(Config(), run)


def first_file(config, data, data_dir):
    """Reads one file: the path itself, the first file of a folder, or what the data folder keeps of a named set."""
    path = Path(data) if Path(data).exists() else data_dir / "random" / "set.txt"
    path = sorted(path.iterdir())[0] if path.is_dir() else path
    return splits_of(int(path.read_text()))


@pytest.mark.parametrize("kind", ["file", "folder", "named"])
def test_a_replaced_file_is_read_again(kind, tmp_path):
    file = {"file": tmp_path / "a.txt", "folder": tmp_path / "a" / "b.txt", "named": tmp_path / "random" / "set.txt"}[
        kind
    ]
    file.parent.mkdir(exist_ok=True)
    data = {"file": str(file), "folder": str(file.parent), "named": "random"}[kind]
    run = run_on(first_file, data, tmp_path)
    file.write_text("3")
    first = load_splits(Config(), run)
    assert len(first.train) == 3 and load_splits(Config(), run) is first
    file.write_text("5")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000_000))  # a clock may be too coarse for two writes in a row
    assert len(load_splits(Config(), run).train) == 5


def test_a_file_that_joins_the_folder_is_read(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    run = run_on(first_file, str(folder), tmp_path)
    for name, rows in (("b.txt", 3), ("a.txt", 4)):
        (folder / name).write_text(str(rows))
        assert len(load_splits(Config(), run).train) == rows


def test_what_loading_downloads_does_not_make_it_load_again(tmp_path):
    loads = []

    def load_data(config, data, data_dir):
        loads.append(data)
        (data_dir / "random").mkdir(exist_ok=True)
        (data_dir / "random" / "set.txt").write_text("downloaded")
        return splits_of(1)

    run = run_on(load_data, "random", tmp_path)
    assert load_splits(Config(), run) is load_splits(Config(), run) and loads == ["random"]


def test_baselines_are_fitted_once_for_splits():
    fitted = []

    @functools.lru_cache(maxsize=1)
    def baselines(splits):
        fitted.append(splits)
        return {"mean": len(splits.train)}

    one, other = splits_of(1), splits_of(1)
    assert baselines(one) is baselines(one) and fitted == [one]
    assert baselines(other) == {"mean": 1} and fitted[1] is other, "equal splits are not the same ones"
    assert baselines(one) and len(fitted) == 3, "the last ones alone are kept"


def test_a_tenth_is_held_out_with_the_fractions_of_the_classes():
    targets = np.repeat(["a", "b"], [150, 50])
    train, validation = hold_out_tenth(targets, seed=0)
    assert sorted([*train, *validation]) == list(range(200)) and len(validation) == 20
    assert (np.diff(train) > 0).all() and (np.diff(validation) > 0).all()
    assert (targets[validation] == "a").sum() == 15
    again, other = (hold_out_tenth(targets, seed)[1].tolist() for seed in (0, 1))
    assert validation.tolist() == again != other


def test_a_fingerprint_does_not_depend_on_the_kind_of_number(tmp_path):
    """The same targets as Python's, as NumPy's scalars or as an array are one test split, whatever NumPy prints."""
    folder = tmp_path / "run"
    folder.mkdir()
    run = types.SimpleNamespace(path=folder, id="run")
    kinds = [[1, 0, 2], np.array([1, 0, 2]), list(np.array([1, 0, 2])), np.array([1, 0, 2], np.uint8)]
    looks = []
    for targets in kinds:
        part = Split([0, 1, 2], targets)
        looks.append(Splits(part, part, part, {}, Source("a", "a", "0", "row")).open_test(run)[1])
    assert looks == [1, 2, 3, 4]
    ragged = [np.array([1, 2]), np.array([3])]  # as boxes or symbols are
    part = Split([0, 1], ragged)
    assert Splits(part, part, part, {}, Source("a", "a", "0", "row")).open_test(run)[1] == 1
