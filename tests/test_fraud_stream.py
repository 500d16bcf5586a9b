"""Tables that are streamed: what is read, how it is split, and that training and scoring do without the whole."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow
import pytest

from common import cli, runs
from common.errors import UserError
from common.evaluation import score_table
from common.inputs import tables
from common.project import Project
from projects.fraud_detection import data, stream
from projects.fraud_detection.config import TOY, Config
from projects.fraud_detection.data import load_data
from projects.fraud_detection.model import build_models, treated
from projects.fraud_detection.predict import Predictor, encode, score_file

NAME = "fraud_detection"


@pytest.fixture
def small(monkeypatch):
    """A table of more than 500 rows is streamed, in pieces of 200; at most 100 rows are held out for each part."""
    monkeypatch.setattr(score_table, "__defaults__", (None, 20, 0))  # nothing is asked of the intervals here
    monkeypatch.setattr(data, "STREAM_FROM", 500)
    monkeypatch.setattr(stream, "HELD_OUT", 100)
    monkeypatch.setattr(tables.read_chunks, "__defaults__", (200,))
    load_data.cache_clear()


def own(rows: int = 1500, seed: int = 0) -> pd.DataFrame:
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
    frame = own().drop(columns=["card", "when", "weight"])
    splits = load_data(Config(target="fraud"), str(write(frame, tmp_path, f"large.{kind}")), tmp_path)
    spool = splits.train.spool
    assert splits.sizes == {"train": 1300, "validation": 100, "test": 100} and "streamed" in splits.source.source
    seen = [spool.training(number)[0] for number in range(len(spool.counts))]
    parts = [pd.concat(seen), splits.validation.inputs, splits.sealed_test.inputs]
    payments = [set(np.float32(part["payment"])) for part in parts]
    assert sum(map(len, payments)) == 1500 and not payments[0] & payments[1] and not payments[1] & payments[2]
    assert set().union(*payments) == set(np.float32(frame["payment"]))
    there = pd.concat(parts).set_index(np.float32(pd.concat(parts)["payment"]))["country"].sort_index()
    assert (there == frame.set_index(np.float32(frame["payment"]))["country"].sort_index()).all()
    before = spool.folder.stat().st_mtime_ns
    load_data.cache_clear()
    again = load_data(Config(target="fraud", seed=1), str(tmp_path / f"large.{kind}"), tmp_path)
    assert again.train.spool.folder.stat().st_mtime_ns == before, "it is spooled once"


def test_repeated_rows_and_groups_stay_together(small, tmp_path):
    frame = own().drop(columns=["when", "weight"])
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
    frame = own().drop(columns=["card", "weight"])
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
    frame = own().drop(columns=["card", "when"]).astype({column: object})
    frame.loc[1200, column] = value
    with pytest.raises(UserError, match=message):
        load_data(Config(target="fraud", weight="weight"), str(write(frame, tmp_path)), tmp_path)


def test_batches_hold_every_training_row_once_an_epoch(small, tmp_path):
    config = Config(target="fraud", batch_size=64, model="logistic")
    splits = load_data(config, str(write(own().drop(columns=["card", "when", "weight"]), tmp_path)), tmp_path)
    ((model, _),) = build_models(config, splits.meta).values()
    predictor = Predictor({"model": model}, dict(splits.meta))
    batches = treated(predictor.encode_split(splits.train), config)
    epochs = []
    for _ in range(2):
        rows = [batches[index] for index in range(len(batches))]
        assert max(len(targets) for _, targets in rows) == 64
        epochs.append(np.concatenate([inputs for inputs, _ in rows]))
        batches.on_epoch_end()
    assert not np.array_equal(epochs[0], epochs[1])
    expected = np.concatenate([encode(splits.train.spool.training(i)[0], splits.meta) for i in range(8)])
    for rows in epochs:
        np.testing.assert_array_equal(np.sort(rows[:, 0]), np.sort(expected[:, 0]))
    weighted = treated(predictor.encode_split(splits.train), dataclasses.replace(config, imbalance="class_weights"))
    assert len(weighted[0]) == 3


def test_training_on_a_stream_end_to_end(small, tmp_path):
    config = dataclasses.replace(TOY, target="fraud", group="card", epochs=2)
    path = write(own().drop(columns=["when", "weight"]), tmp_path)
    run = runs.start(Project(NAME), config, str(path), tmp_path, tmp_path / "runs")
    cli.train_run(run)
    assert run.finished and run.report["data"]["sizes"]["train"] > 1000
    rows, _ = score_file(run.load(), path, tmp_path / "scored.parquet")
    assert rows == 1500
    with pytest.raises(UserError, match="at most"):
        cli.train_run(
            runs.start(Project(NAME), dataclasses.replace(config, model="gru"), str(path), tmp_path, tmp_path / "runs")
        )


def numbers(rows: int = 5000) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"a": random.normal(size=rows), "b": random.integers(0, 9, rows), "c": random.random(rows)})


def chunks(path, rows=700):
    return list(tables.read_chunks(path, rows))


@pytest.mark.parametrize("name", ["n.csv", "n.tsv"])
def test_arrow_reads_what_pandas_reads(name, tmp_path, monkeypatch):
    frame = numbers()
    frame.loc[4000, "c"] = np.nan
    frame.to_csv(tmp_path / name, index=False, sep="\t" if name.endswith("tsv") else ",")
    slow = chunks(tmp_path / name)
    monkeypatch.setattr(tables, "ARROW_FROM", 0)
    assert len(list(tables._number_chunks(tmp_path / name, ["a", "b", "c"], 700))) == 8
    for ours, theirs in zip(chunks(tmp_path / name), slow, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-15)


@pytest.mark.parametrize("value", ["twelve", "1.5", "", "2024-01-01"])
def test_where_arrow_meets_something_else_pandas_reads_on(value, tmp_path, monkeypatch):
    frame = numbers().astype({"b": object})
    frame.loc[3000, "b"] = value
    frame.to_csv(tmp_path / "n.csv", index=False)
    slow = chunks(tmp_path / "n.csv")
    monkeypatch.setattr(tables, "ARROW_FROM", 0)
    for ours, theirs in zip(chunks(tmp_path / "n.csv"), slow, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-15)
    with (tmp_path / "n.csv").open("a") as file:
        file.write("1,2,3,4\n")
    with pytest.raises(UserError, match="line 5002"):
        chunks(tmp_path / "n.csv")


def test_reading_ends_once_there_is_enough(tmp_path):
    numbers().to_csv(tmp_path / "n.csv", index=False)
    assert len(tables.read_table(tmp_path / "n.csv")) == 5000
    assert len(tables.read_table(tmp_path / "n.csv", most=5000)) == 5000


def test_reading_ahead_changes_nothing_and_passes_a_mistake_on():
    def pieces():
        yield from "abc"
        raise UserError("row 4")

    found = []
    with pytest.raises(UserError, match="row 4"):
        found.extend(tables.ahead(pieces()))
    assert found == [*"abc"]
    assert list(tables.ahead(iter("ab"))) == ["a", "b"] and not list(tables.ahead(iter("")))


def test_a_parquet_file_is_not_kept_in_memory(tmp_path):
    path = tmp_path / "n.parquet"
    numbers(200_000).to_parquet(path, index=False, row_group_size=5000)
    before = pyarrow.total_allocated_bytes()
    kept = max(pyarrow.total_allocated_bytes() - before for _ in tables.read_chunks(path, 5000))
    assert kept < path.stat().st_size / 4
