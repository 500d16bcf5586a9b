"""Histories of cards, the models that read them, and how training treats rare frauds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import cli, report
from common.errors import UserError
from common.evaluation import score_table
from common.layers.answers import answers
from common.project import Project
from projects.fraud_detection.cards import SECONDS_PER_DAY, histories
from projects.fraud_detection.config import TOY, Config
from projects.fraud_detection.data import labelled, load_data
from projects.fraud_detection.encoding import AMOUNT_BINS, LAST, Transactions, encode_amounts, encode_before
from projects.fraud_detection.model import balanced, build_models
from projects.fraud_detection.predict import Predictor, score_file
from projects.fraud_detection.simulate import DELAY
from tests.test_fraud_detection import NAME, load, payments, trained_on, write

OWN = {"group": "card", "time": "when"}


def test_histories_follow_time_and_then_the_file():
    cards = np.array(["a", "b", "a", "a", "b", "c"])
    times = np.array([5.0, 1.0, 3.0, 5.0, 0.0, 9.0])  # unordered, and two of card a at one instant
    assert histories(cards, times, 3).tolist() == [
        [-1, 2, 0],
        [-1, 4, 1],
        [-1, -1, 2],
        [2, 0, 3],  # the later row of one instant sees the earlier one, not the other way round
        [-1, -1, 4],
        [-1, -1, 5],  # a card seen once
    ]


@pytest.fixture(scope="module")
def generated():
    return load_data(TOY, "builtin", Path())


@pytest.mark.parametrize("key", ["card", "terminal"])
def test_no_label_is_read_before_it_is_known(key, generated):
    """Not the row's own, no later one and none that is younger than the delay; those that are known are."""
    (table, rows), meta = generated.validation.whole(), generated.meta
    times, read = table.cards["time"].to_numpy(), 0
    for row in rows[::50]:
        young = times > times[row] - DELAY * SECONDS_PER_DAY
        later = (times > times[row]) | (np.arange(len(times)) == row)

        def encoded(targets, inputs=table.inputs, row=row):
            return encode_before(Transactions(inputs, targets, cards=table.cards).part([row]), meta, key, LAST)

        expected = encoded(table.targets)
        others = table.inputs.where(np.repeat(~later[:, None], table.inputs.shape[1], axis=1), 999.0)
        hidden = encoded(np.where(young, 1 - table.targets, table.targets), others)
        np.testing.assert_array_equal(hidden, expected)
        flipped = encoded(np.where(young, table.targets, 1 - table.targets))
        assert (flipped[..., -2] + expected[..., -2] == expected[..., -3]).all()
        read += expected[..., -3].sum()
    assert read > 20


def test_known_frauds_are_those_of_the_risk_columns(generated):
    """Of the week that ended a week ago: counted in the histories, and as risk times number."""
    encoded = encode_before(generated.validation, generated.meta, "terminal", 400)
    ages, frauds = encoded[..., -4], encoded[..., -2]
    frame = generated.validation.inputs
    expected = frame["TERMINAL_ID_NB_TX_7DAY_WINDOW"] * frame["TERMINAL_ID_RISK_7DAY_WINDOW"]
    counted = (frauds * (ages < 2)).sum(axis=1)
    assert counted.max() > 3 and np.abs(counted - expected).max() < 1e-4


def test_bins_of_the_amount(generated):
    edges = np.unique(generated.meta["amounts"])
    amounts = pd.DataFrame({"TX_AMOUNT": [-1.0, edges[3], (edges[3] + edges[4]) / 2, 1e30]})
    bins = encode_amounts(amounts, generated.meta)
    assert bins.sum(axis=1) == pytest.approx([0, 3, 3.5, AMOUNT_BINS], abs=1e-3)


def test_what_a_terminal_did_before_changes_the_answer(generated, trained):
    """Its known frauds do. A step that is wrong is named."""
    predictor = trained(NAME).load()
    example = next(example for example in predictor.examples if len(example["terminal_history"]) > 10)
    steps = example["terminal_history"]
    frauds = [step | {"TX_FRAUD": int("TX_FRAUD" in step)} for step in steps]
    answer, changed, without = (
        predictor.predict(example | {"terminal_history": past})["fraud_probability"] for past in (steps, frauds, [])
    )
    assert len({answer, changed, without}) == 3
    moved = predictor.predict(example)["moved_by"]["terminal_history"]
    assert moved == pytest.approx(np.log(answer / (1 - answer)) - np.log(without / (1 - without)), rel=1e-3, abs=1e-4)
    mistakes = [({"TX_FRAUD": "yes"}, "TX_FRAUD is 'yes'; expected 0 or 1"), ({"hours_before": -1}, "hours")]
    for name in ("history", "terminal_history"):
        for wrong, message in mistakes:
            steps = [{**example[name][0], **wrong}, *example[name][1:]]
            with pytest.raises(UserError, match=f"transaction 1 of the {name}: {message}"):
                predictor.predict(example | {name: steps})


def test_a_file_without_terminals_is_refused(trained, tmp_path):
    predictor = trained(NAME).load()
    for column in ("TX_FRAUD", "TX_DATETIME", "TERMINAL_ID"):
        path = write(predictor.example_rows().drop(columns=column), tmp_path / "table.csv")
        with pytest.raises(UserError, match=f"no column '{column}'"):
            score_file(predictor, path, tmp_path / "never.csv")
    with pytest.raises(UserError, match="must have the columns CUSTOMER_ID, TERMINAL_ID, TX_DATETIME: this network"):
        Project(NAME).evaluate(trained(NAME), str(path))


@pytest.fixture
def quick_report(monkeypatch):
    """For tests that ask nothing of intervals and of the speed."""
    monkeypatch.setattr(score_table, "__defaults__", (None, 20, 0))
    monkeypatch.setattr(report.throughput, "__defaults__", (0.01,))


def test_the_order_of_the_file_does_not_matter_where_times_differ(tmp_path):
    knobs = {**OWN, "model": "gru", "history": 4, "units": 8, "layers": 1}
    inputs = []
    for rows in (payments(600), payments(600).sample(frac=1, random_state=1)):
        splits = load(rows, tmp_path, **knobs)
        built = build_models(Config(**knobs), splits.meta)
        predictor = Predictor({key: model for key, (model, _) in built.items()}, splits.meta)
        times = splits.validation.cards["time"].to_numpy()
        inputs.append(predictor.inputs(splits.validation)[np.argsort(times)])
    np.testing.assert_allclose(inputs[0], inputs[1])
    steps = inputs[0][:, :, -1].sum(axis=1)
    assert set(steps) <= {1, 2, 3, 4} and (steps == 4).any() and (inputs[0][:, -1, -1] == 1).all()


def test_the_gru_needs_cards(tmp_path):
    meta = load(payments(), tmp_path).meta
    with pytest.raises(UserError, match="--group and --time"):
        build_models(Config(model="gru"), meta)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """A run of an mlp and a gru."""
    folder = tmp_path_factory.mktemp("ensemble")
    path = write(payments(600), folder / "table.csv")
    return trained_on(path, folder, **OWN, epochs=1, units=32, history=4, model="ensemble", members=2)


def test_a_history_changes_what_the_gru_says_and_a_file_is_scored_in_pieces(ensemble, tmp_path, monkeypatch):
    from common.inputs import tables

    path = Path(ensemble.data)
    both = ensemble.load()
    predictor = Predictor({"model": both.networks["gru_2"]}, both.meta)
    example = next(example for example in predictor.examples if example["history"])
    alone = {name: value for name, value in example.items() if name != "history"}
    assert predictor.predict(example)["fraud_probability"] != predictor.predict(alone)["fraud_probability"]
    for hours in (-3, "soon", None):
        wrong = [{**example["history"][0], "hours_before": hours}, *example["history"][1:]]
        with pytest.raises(UserError, match="transaction 1 of the history: hours_before is"):
            predictor.predict(example | {"history": wrong})
    with pytest.raises(UserError, match="the transaction: payment is '€ 12'; expected"):
        predictor.predict(example | {"payment": "€ 12"})
    split = labelled(path, predictor.meta)
    whole = predictor.decode(predictor.score(split))["fraud_probability"]
    monkeypatch.setattr(tables, "CHUNK_ROWS", 70)
    score_file(predictor, path, tmp_path / "scored.csv")
    np.testing.assert_allclose(pd.read_csv(tmp_path / "scored.csv")["fraud_probability"], whole, rtol=1e-4)
    late = write(payments(600).iloc[::-1], tmp_path / "reversed.csv")
    with pytest.raises(UserError, match="row 3: when is earlier"):
        score_file(predictor, late, tmp_path / "never.csv")


def test_an_autoencoder_learns_from_normal_rows_alone(tmp_path):
    splits = load(payments(600), tmp_path, **OWN)
    ((model, _),) = build_models(replace(TOY, model="autoencoder", units=16), splits.meta).values()
    predictor = Predictor({"model": model}, dict(splits.meta))
    inputs, targets = predictor.encode_split(splits.train)
    model.fit(inputs, targets, epochs=1, verbose=0)
    before = [weight.copy() for weight in model.get_weights()]
    model.fit(inputs[targets == 1], targets[targets == 1], epochs=1, verbose=0)
    model.optimizer.learning_rate = 0.0
    frauds_alone = [np.abs(a - b).max() for a, b in zip(before, model.get_weights(), strict=True)]
    assert max(frauds_alone) < 0.2, "Adam's momentum may go on for a while; the frauds add no gradient"
    raw = predictor.score(splits.validation)
    predictor.calibrate(splits.validation)
    calibrated = predictor.score(splits.validation)
    assert (np.argsort(raw, kind="stable") == np.argsort(calibrated, kind="stable")).all()


def test_the_ensemble_is_the_mean_of_its_members_and_is_evaluated_on_new_data(quick_report, ensemble, tmp_path):
    cli.train_run(ensemble)  # the training has ended: what is left is the evaluation
    predictor = ensemble.load()
    assert set(predictor.networks) == {"mlp_1", "gru_2"}
    split = labelled(Path(ensemble.data), predictor.meta)
    alone = [Predictor({name: network}, predictor.meta) for name, network in predictor.networks.items()]
    members = [answers(one.networks[name], one.inputs(split, name))[:, 0] for one in alone for name in one.networks]
    np.testing.assert_allclose(predictor.score(split), (members[0] + members[1]) / 2, atol=1e-5)
    assert (ensemble.path / "scores.csv").exists() and ensemble.report["test"]["model"]["card_precision_at_100"]
    before = ensemble.report
    again = Project(NAME).evaluate(ensemble, str(write(payments(200, seed=5), tmp_path / "new.csv")))
    assert again.sizes["test"] == 200 and again.test["baselines"] and before["data"]["name"] == "table.csv"
    assert ensemble.report == before, "an evaluation on other data leaves the run as it is"


@pytest.mark.parametrize("imbalance", ["none", "class_weights", "focal", "resampling"])
def test_the_treatments_of_rare_frauds(imbalance):
    inputs, targets = np.arange(100, dtype="float32")[:, None], (np.arange(100) < 10).astype("float32")
    result = balanced((inputs, targets), Config(imbalance=imbalance))
    if imbalance == "class_weights":
        assert result[2][targets == 1].sum() == pytest.approx(50) and result[2].sum() == pytest.approx(100)
    elif imbalance == "resampling":
        assert result[1].sum() == 90 and len(result[1]) == 180 and (result[0][result[1] == 1] < 10).all()
    else:
        assert len(result) == 2 and result[1] is targets


def test_new_labelled_data_keeps_its_weights(quick_report, tmp_path):
    frame = payments(600).assign(stands_for=np.where(payments(600)["fraud"] == "yes", 1, 30))
    run = trained_on(write(frame, tmp_path / "table.csv"), tmp_path, **OWN, epochs=1, units=32, weight="stands_for")
    new, meta = tmp_path / "new.csv", run.load().meta
    assert labelled(write(frame, new), meta).weights.sum() == frame["stands_for"].sum()
    evaluated = Project(NAME).evaluate(run, str(new))
    unweighted = Project(NAME).evaluate(run, str(write(frame.assign(stands_for=1), new)))
    value = [report.test["model"]["average_precision"]["value"] for report in (evaluated, unweighted)]
    assert value[0] < value[1], "thirty times as many normal rows leave less precision"
    with pytest.raises(UserError, match="no column 'stands_for'"):
        labelled(write(payments(), new), meta)


def test_transactions_keep_the_order_of_their_table():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    split = Transactions(frame, np.array([0, 1, 0])).part([2, 0])
    assert split.inputs["a"].tolist() == [3.0, 1.0] and split.targets.tolist() == [0, 0] and len(split) == 2
