"""Tables that do not fit in memory: what is read, how it is split, and that training goes on after a crash."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from common import cli, report, runs
from common.errors import UserError
from common.evaluation import score_table
from common.inputs import tables
from common.project import Project
from projects.fraud_detection import data, evaluate, large
from projects.fraud_detection.config import TOY, Config
from projects.fraud_detection.data import load_data
from projects.fraud_detection.encoding import encode
from projects.fraud_detection.model import build_models, training_data
from projects.fraud_detection.predict import Predictor, score_file

NAME = "fraud_detection"


@pytest.fixture
def small(monkeypatch):
    """A table of more than 500 rows is large. It is read in pieces of 200, and at most 100 rows are held out a part."""
    monkeypatch.setattr(data, "MAX_ROWS_IN_MEMORY", 500)
    monkeypatch.setattr(large, "MAX_HELD_OUT", 100)
    monkeypatch.setattr(tables, "CHUNK_ROWS", 200)
    # Nothing is asked here of intervals, of the learned baselines and of the speed.
    monkeypatch.setattr(score_table, "__defaults__", (None, 20, 0))
    monkeypatch.setattr(evaluate, "baselines", lambda splits: {"spending_rule": evaluate.spending_rule(splits)})
    monkeypatch.setattr(report.throughput, "__defaults__", (0.01,))


def payments(rows: int = 1500, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    late = random.random(rows) < 0.3
    return pd.DataFrame(
        {
            "payment": random.gamma(2, 30, rows) * (1 + late),
            "hour": random.integers(0, 24, rows),
            "country": random.choice(["KR", "DE", "FR"], rows),
            "card": random.integers(0, 300, rows).astype(str),
            "when": pd.date_range("2024-01-01", periods=rows, freq="min").astype(str),
            "weight": 1.0 + late,
            "fraud": np.where(late, "yes", "no"),
        }
    )


def write(frame, tmp_path, name="large.csv"):
    path = tmp_path / name
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_table_is_spooled_and_every_row_has_one_place(kind, small, tmp_path):
    frame = payments().drop(columns=["card", "when", "weight"])
    splits = load_data(Config(target="fraud"), str(write(frame, tmp_path, f"large.{kind}")), tmp_path)
    spool = splits.train.spool
    assert splits.sizes == {"train": 1300, "validation": 100, "test": 100} and "streamed" in splits.source.source
    seen = [spool.training(number).inputs for number in range(len(spool.counts))]
    parts = [pd.concat(seen), splits.validation.inputs, splits.sealed_test.inputs]
    amounts = [set(np.float32(part["payment"])) for part in parts]
    assert sum(map(len, amounts)) == 1500 and not amounts[0] & amounts[1] and not amounts[1] & amounts[2]
    assert set().union(*amounts) == set(np.float32(frame["payment"]))
    country = pd.concat(parts).set_index(np.float32(pd.concat(parts)["payment"]))["country"].sort_index()
    assert (country == frame.set_index(np.float32(frame["payment"]))["country"].sort_index()).all()
    before = spool.folder.stat().st_mtime_ns
    again = load_data(Config(target="fraud", seed=1), str(tmp_path / f"large.{kind}"), tmp_path)
    assert again.train.spool.folder.stat().st_mtime_ns == before, "it is spooled once"


def test_repeated_rows_and_groups_stay_together(small, tmp_path):
    frame = payments().drop(columns=["when", "weight"])
    path = write(pd.concat([frame] * 3), tmp_path)
    for knobs in ({}, {"group": "card"}):
        splits = load_data(Config(target="fraud", **knobs), str(path), tmp_path)
        pieces = [splits.train.spool.piece(number) for number in range(len(splits.train.spool.counts))]
        keys, cuts = np.concatenate([piece["keys"] for piece in pieces]), splits.train.spool.cuts
        counts = pd.Series(keys).value_counts()
        assert (counts % 3 == 0).all() and len(splits.train) == (keys < cuts[0]).sum()
    assert splits.source.unit == "card" and len(np.unique(splits.sealed_test.units)) > 5


def test_by_time_the_past_is_trained_on(small, tmp_path):
    config = Config(target="fraud", time="when")
    frame = payments().drop(columns=["card", "weight"])
    splits = load_data(config, str(write(frame, tmp_path)), tmp_path)
    spool = splits.train.spool
    test = set(np.float32(frame["payment"].iloc[-100:]))
    assert set(np.float32(splits.sealed_test.inputs["payment"])) == test and len(spool) == 1300
    mixed = write(frame.sample(frac=1, random_state=0), tmp_path, "mixed.csv")
    with pytest.raises(UserError, match="in order of time"):
        load_data(config, str(mixed), tmp_path)
    assert not list((tmp_path / "spools").glob(".*")), "half a spool was left behind"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("payment", "12 €", "row 1202: payment is '12 €'"),
        ("fraud", "maybe", "row 1202: the target fraud is 'maybe'"),
        ("weight", -1, "row 1202: the weight"),
    ],
)
def test_a_mistake_far_down_is_named(column, value, message, small, tmp_path):
    frame = payments().drop(columns=["card", "when"]).astype({column: object})
    frame.loc[1200, column] = value
    with pytest.raises(UserError, match=message):
        load_data(Config(target="fraud", weight="weight"), str(write(frame, tmp_path)), tmp_path)


def test_batches_hold_every_training_row_once_an_epoch(small, tmp_path):
    config = Config(target="fraud", batch_size=64, model="logistic")
    splits = load_data(config, str(write(payments().drop(columns=["card", "when", "weight"]), tmp_path)), tmp_path)
    ((model, _),) = build_models(config, splits.meta).values()
    predictor = Predictor({"model": model}, dict(splits.meta))
    batches = training_data(splits.train, predictor.encode_split, config)
    epochs = []
    for epoch in range(2):
        batches.epoch = epoch
        rows = [batches[index] for index in range(len(batches))]
        assert max(len(targets) for _, targets in rows) == 64
        epochs.append(np.concatenate([inputs for inputs, _ in rows]))
    assert not np.array_equal(epochs[0], epochs[1])
    expected = np.concatenate([encode(splits.train.spool.training(i).inputs, splits.meta) for i in range(8)])
    for rows in epochs:
        np.testing.assert_array_equal(np.sort(rows[:, 0]), np.sort(expected[:, 0]))
    again = training_data(splits.train, predictor.encode_split, config)
    again.epoch = 1
    np.testing.assert_array_equal(again[len(again) - 1][0], rows[-len(again[len(again) - 1][0]) :], "not of state")
    weighted = training_data(
        splits.train, predictor.encode_split, dataclasses.replace(config, imbalance="class_weights")
    )
    assert len(weighted[0]) == 3
    resampled = training_data(splits.train, predictor.encode_split, dataclasses.replace(config, imbalance="resampling"))
    targets = np.concatenate([resampled[index][1] for index in range(len(resampled))])
    assert len(targets) == len(expected) and 0.45 < targets.mean() < 0.55


def test_parquet_and_csv_give_the_same(tmp_path):
    frame = payments(300)
    csv, parquet = (
        load_data(Config(target="fraud"), str(write(frame, tmp_path, f"a.{kind}")), tmp_path)
        for kind in ("csv", "parquet")
    )
    assert csv.meta == parquet.meta
    pd.testing.assert_frame_equal(csv.train.inputs, parquet.train.inputs, check_dtype=False)


class Crash(keras.callbacks.Callback):
    """Fails in the middle of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1:
            raise RuntimeError("crash")


def test_a_crashed_training_ends_with_the_figures_of_one_that_was_not(small, tmp_path):
    """Dropout and the order of pieces and rows included. Afterwards the run scores the file."""
    config = dataclasses.replace(TOY, target="fraud", group="card", batch_size=64)
    path = write(payments().drop(columns=["when", "weight"]), tmp_path)
    whole, crashed = (
        runs.start(Project(NAME), config, str(path), tmp_path, tmp_path / folder) for folder in ("whole", "crashed")
    )
    cli.train_run(whole)
    with pytest.raises(RuntimeError, match="crash"):
        cli.train_run(crashed, (Crash(),))
    assert [row["epoch"] for row in crashed.history] == [1] and not crashed.finished
    cli.train_run(crashed)
    histories = [[{**row, "seconds": 0.0} for row in run.history] for run in (whole, crashed)]
    assert histories[0] == histories[1] and len(histories[0]) == config.epochs
    first, second = ({**run.report, "run": "", "timing": {}} for run in (whole, crashed))
    assert first == second and first["data"]["sizes"]["train"] > 1000

    rows, _ = score_file(crashed.load(), path, tmp_path / "scored.parquet")
    scored, written = pd.read_parquet(tmp_path / "scored.parquet"), pd.read_csv(path)
    assert rows == 1500 and scored["payment"].tolist() == written["payment"].tolist(), "the run's numbers are numbers"
    config = dataclasses.replace(config, model="gru")
    with pytest.raises(UserError, match="at most"):
        cli.train_run(runs.start(Project(NAME), config, str(path), tmp_path, tmp_path / "runs"))
