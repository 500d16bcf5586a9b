"""What the adding problem promises: exact targets, plain layers that start as their papers say, clear refusals."""

import keras
import numpy as np
import pandas as pd
import pytest

from common.data import split_rows
from common.errors import UserError
from projects.adding_problem import encoding
from projects.adding_problem.config import TOY, Config
from projects.adding_problem.data import generate, load_data, read_sequences
from projects.adding_problem.metrics import figures, gradient_by_distance
from projects.adding_problem.model import build_model, every_step
from tests.commands import run_here

META = {"length": 30}
RAW = {"numbers": [0.25, 0.5, 0.125, 1.0], "first": 3, "second": 1}


def table(path, rows=40, length=5):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.random((rows, length)).round(3), columns=[f"x{i + 1}" for i in range(length)])
    frame["first"], frame["second"] = 2, random.integers(3, length + 1, rows)
    frame.to_csv(path, index=False)
    return frame


def test_targets_are_the_sums_of_two_different_places():
    split = generate(5000, 7, np.random.default_rng(0))
    marks = split.inputs[..., 1]
    assert set(np.unique(marks)) == {0, 1} and (marks.sum(axis=1) == 2).all()
    chosen = np.sort(np.where(marks == 1, split.inputs[..., 0], -1), axis=1)[:, -2:]
    np.testing.assert_allclose(split.targets[:, 0], chosen.sum(axis=1), rtol=1e-6)
    assert (marks.mean(axis=0) > 0.25).all(), "every place is marked equally often, 2 in 7"
    assert split.targets.mean() == pytest.approx(1, abs=0.02)
    error = figures(split.targets, np.ones_like(split.targets))(np.ones(5000))
    assert error["mean_squared_error"] == pytest.approx(1 / 6, abs=0.01)


def test_raw_input_and_encoding_go_both_ways():
    x = encoding.check(RAW)
    assert x.shape == (1, 4, 2) and encoding.sums(x)[0, 0] == 0.375
    assert encoding.as_raw(x[0]) == {**RAW, "first": 1, "second": 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"numbers": [0.5]}, "expected 2 to"),
        ({"numbers": [0.5] * 6000}, "expected 2 to"),
        ({"numbers": [0.5, 2.0, 0.1, 0.2]}, r"numbers\[1\] is 2.0"),
        ({"numbers": [0.5, float("nan"), 0.1, 0.2]}, r"numbers\[1\] is nan"),
        ({"numbers": "0.5"}, "a list"),
        ({"first": 0}, "first is 0"),
        ({"second": 5}, "two places from 1 to 4"),
        ({"second": 1.5}, "second is 1.5"),
        ({"first": 1}, "two places from 1 to 4"),
    ],
)
def test_a_wrong_sequence_is_named(change, words):
    with pytest.raises(UserError, match=words):
        encoding.check({**RAW, **change})
    with pytest.raises(UserError):
        encoding.check([RAW])


@pytest.mark.parametrize("name", ["simple_rnn", "irnn", "gru", "lstm"])
def test_every_step_is_the_same_network(name):
    """After each number: what the network answers for the sequence up to there."""
    model = build_model(Config(model=name, units=8), META)
    x = generate(1, 9, np.random.default_rng(1)).inputs
    answers, states = every_step(model)(x)
    assert states.shape == (1, 9, 8)
    for end in range(1, 10):
        np.testing.assert_allclose(answers[0, end - 1], model(x[:, :end])[0], atol=1e-6)


def test_irnn_starts_by_copying_its_state():
    model = build_model(Config(model="irnn", units=6), META)
    kernel, recurrent, bias = model.get_layer("recurrent").get_weights()
    np.testing.assert_array_equal(recurrent, np.eye(6))
    assert np.abs(kernel).max() < 0.01 and not bias.any()


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_chrono_initialisation_remembers_up_to_the_length(name):
    """The gate that keeps is open so far that a unit forgets after between 1 and `length` steps."""
    model = build_model(Config(model=name, units=400), {"length": 100})
    bias = model.get_layer("recurrent").get_weights()[-1]
    keep = bias[0, :400] if name == "gru" else bias[400:800]
    steps = 1 + np.exp(keep)  # 1 / (1 - sigmoid(bias))
    assert steps.min() >= 2 and steps.max() <= 100 and steps.mean() == pytest.approx(51, abs=5)
    if name == "lstm":
        np.testing.assert_allclose(bias[:400], -keep)
    plain = build_model(Config(model=name, units=400, chrono=False), {"length": 100})
    assert set(np.unique(plain.get_layer("recurrent").get_weights()[-1])) <= {0.0, 1.0}


def test_the_gradient_vanishes_in_a_simple_rnn_and_not_in_an_identity():
    """Norms by distance: a SimpleRNN whose state shrinks by half a step, an identity that keeps everything."""
    x = generate(20, 40, np.random.default_rng(0)).inputs
    shrinking, copying = (build_model(Config(model=name, units=8), META) for name in ("simple_rnn", "irnn"))
    kernel, _, bias = shrinking.get_layer("recurrent").get_weights()
    shrinking.get_layer("recurrent").set_weights([kernel, 0.5 * np.eye(8), bias])
    gone = gradient_by_distance(shrinking, x)
    assert len(gone) == 40 and gone[39] < gone[0] * 0.5**38
    kernel, recurrent, bias = copying.get_layer("recurrent").get_weights()
    copying.get_layer("recurrent").set_weights([np.abs(kernel), recurrent, bias])  # every ReLU stays open
    kept = gradient_by_distance(copying, x)
    np.testing.assert_allclose(kept, kept[0], rtol=1e-4)


def test_own_sequences_are_read_and_split(tmp_path):
    frame = table(tmp_path / "own.csv")
    pd.concat([frame, frame.head(3)]).to_csv(tmp_path / "own.csv", index=False)
    splits = load_data(TOY, str(tmp_path / "own.csv"), tmp_path)
    assert sum(splits.sizes.values()) == 40 and splits.meta == {"length": 5}
    expected = sorted(frame["x2"] + [row[f"x{row['second']:.0f}"] for _, row in frame.iterrows()])
    whole, _ = read_sequences(tmp_path / "own.csv")
    np.testing.assert_allclose(sorted(whole.targets[:, 0]), expected, atol=1e-6)
    assert all(len(part) for part in split_rows(np.zeros(40)))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("x2", "1.5", "row 3: a number is not between 0 and 1"),
        ("x2", "", "row 3"),
        ("x2", "a", "row 3"),
        ("first", "6", "row 3: a mark is no place from 1 to 5"),
        ("first", "2.5", "row 3: a mark is no place from 1 to 5"),
        ("second", "2", "row 3: first and second are the same place"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row(tmp_path, column, value, words):
    frame = table(tmp_path / "own.csv").astype(str)
    frame.loc[1, column] = value
    frame.to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(UserError, match=words):
        read_sequences(tmp_path / "own.csv")


@pytest.mark.parametrize("rows", [1, 2])
def test_a_table_of_too_few_rows_is_named_without_classes(rows, tmp_path):
    table(tmp_path / "own.csv").head(rows).to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(UserError, match=f"The {rows} rows cannot be split in three"):
        load_data(TOY, str(tmp_path / "few.csv"), tmp_path)


def test_a_missing_column_and_another_length_are_named(tmp_path):
    table(tmp_path / "own.csv").drop(columns="x3").to_csv(tmp_path / "gap.csv", index=False)
    with pytest.raises(UserError, match="x"):
        read_sequences(tmp_path / "gap.csv")
    with pytest.raises(UserError, match="5 numbers; expected 8 as in training"):
        read_sequences(tmp_path / "own.csv", length=8)


def test_predict_answers_a_sequence_and_a_file(trained, tmp_path, capsys):
    run = trained("adding_problem")
    place = ["--run", run.id, "--runs-dir", str(run.path.parents[1])]
    answered = run_here("projects.adding_problem.predict", "--numbers", "0.5 0.25 0.125", "--second", "3", *place)
    assert answered.returncode == 0 and "the right sum is 0.6250" in answered.stdout, answered.stderr
    table(tmp_path / "own.csv")
    files = ["--input", str(tmp_path / "own.csv"), "--output", str(tmp_path / "sums.csv")]
    scored = run_here("projects.adding_problem.predict", *files, *place)
    assert scored.returncode == 0, scored.stderr
    sums, whole = pd.read_csv(tmp_path / "sums.csv"), pd.read_csv(tmp_path / "own.csv")
    pd.testing.assert_frame_equal(sums[whole.columns], whole)
    first = whole.iloc[0]
    raw = {"numbers": list(first[:5]), "first": int(first["first"]), "second": int(first["second"])}
    answer = run.load().predict(raw)
    assert sums["sum"][0] == pytest.approx(answer["sum"], abs=1e-5)
    assert sums["truth"][0] == pytest.approx(answer["truth"], abs=1e-5)
    whole.assign(note="=1+1").to_csv(tmp_path / "own.csv", index=False)
    assert run_here("projects.adding_problem.predict", *files, "--quote-formulas", *place).returncode == 0
    assert set(pd.read_csv(tmp_path / "sums.csv")["note"]) == {"'=1+1"}
    wrong = {"0.5 x": "'x' is no number", "0,5 0,25": "'0,5' is no number", "0.5 0.2 0.1": "marks", "": "0 numbers"}
    for numbers, words in wrong.items():
        refused = run_here("projects.adding_problem.predict", "--numbers", numbers, "--second", "9", *place)
        assert refused.returncode == 2 and words in refused.stderr and "could not" not in refused.stderr
    assert run_here("projects.adding_problem.predict", *place).returncode == 2


@pytest.mark.slow
def test_a_gru_remembers_over_a_hundred_steps():
    """The promise of the README at half its length; 900 steps are enough."""
    config = Config(length=100, epochs=6)
    splits = load_data(config, "builtin", None)
    model = build_model(config, splits.meta)
    model.fit(splits.train.inputs, splits.train.targets, batch_size=64, epochs=6, verbose=0)
    loss, _ = model.evaluate(splits.validation.inputs, splits.validation.targets, batch_size=500, verbose=0)
    assert loss < 0.01
    keras.backend.clear_session()
