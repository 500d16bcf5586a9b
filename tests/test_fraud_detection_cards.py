"""Histories of cards, the models that read them, and how training treats rare frauds."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common import cli, report, runs
from common.errors import UserError
from common.evaluation import score_table
from common.layers.answers import answers
from common.project import Project
from projects.fraud_detection import evaluate
from projects.fraud_detection.cards import SECONDS_PER_DAY, histories
from projects.fraud_detection.config import TOY, Config
from projects.fraud_detection.data import labelled, load_data
from projects.fraud_detection.encoding import AMOUNT_BINS, LAST, Transactions, encode_amounts, encode_before
from projects.fraud_detection.model import balanced, build_models
from projects.fraud_detection.predict import Predictor, score_file
from projects.fraud_detection.simulate import DELAY

NAME = "fraud_detection"


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
    ages, _, frauds, _ = np.moveaxis(
        encode_before(generated.validation, generated.meta, "terminal", 400)[..., -4:], 2, 0
    )
    frame = generated.validation.inputs
    expected = frame["TERMINAL_ID_NB_TX_7DAY_WINDOW"] * frame["TERMINAL_ID_RISK_7DAY_WINDOW"]
    counted = (frauds * (ages < 2)).sum(axis=1)
    assert counted.max() > 3 and np.abs(counted - expected).max() < 1e-4


def test_bins_of_the_amount(generated):
    edges = np.unique(generated.meta["amounts"])
    bins = encode_amounts(
        pd.DataFrame({"TX_AMOUNT": [-1.0, edges[3], (edges[3] + edges[4]) / 2, 1e30]}), generated.meta
    )
    assert bins.sum(axis=1) == pytest.approx([0, 3, 3.5, AMOUNT_BINS], abs=1e-3)


def test_what_a_terminal_did_before_changes_the_answer(generated, trained):
    """Its known frauds do. A step that is wrong is named."""
    predictor = trained(NAME).load()
    example = next(example for example in predictor.examples if len(example["terminal_history"]) > 10)
    frauds = [
        {**step, "TX_FRAUD": 1} if "TX_FRAUD" in step else step | {"TX_FRAUD": 0}
        for step in example["terminal_history"]
    ]
    answer, changed, without = (
        predictor.predict(example | {"terminal_history": steps})["fraud_probability"]
        for steps in (example["terminal_history"], frauds, [])
    )
    assert len({answer, changed, without}) == 3
    moved = predictor.predict(example)["moved_by"]["terminal_history"]
    assert moved == pytest.approx(np.log(answer / (1 - answer)) - np.log(without / (1 - without)), rel=1e-3, abs=1e-4)
    for name in ("history", "terminal_history"):
        for wrong, message in (
            ({"TX_FRAUD": "yes"}, "TX_FRAUD is 'yes'; expected 0 or 1"),
            ({"hours_before": -1}, "hours"),
        ):
            steps = [{**example[name][0], **wrong}, *example[name][1:]]
            with pytest.raises(UserError, match=f"transaction 1 of the {name}: {message}"):
                predictor.predict(example | {name: steps})


def test_a_file_without_terminals_is_refused(trained, table, tmp_path):
    predictor = trained(NAME).load()
    for column in ("TERMINAL_ID", "TX_FRAUD", "TX_DATETIME"):
        path = table(predictor.example_rows().drop(columns=column))
        with pytest.raises(UserError, match=f"no column '{column}'"):
            score_file(predictor, path, tmp_path / "never.csv")
    path = table(predictor.example_rows().drop(columns="TERMINAL_ID"))
    with pytest.raises(UserError, match="must have the columns CUSTOMER_ID, TERMINAL_ID, TX_DATETIME: this network"):
        Project(NAME).evaluate(trained(NAME), str(path))


def card_table(rows: int = 600) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "payment": random.gamma(2, 30, rows).round(2),
            "card": random.integers(0, 60, rows).astype(str),
            "when": pd.date_range("2024-01-01", periods=rows, freq="h").astype(str),
        }
    )
    return frame.assign(fraud=(frame["payment"] > 110).astype(int))


@pytest.fixture
def quick_report(monkeypatch):
    """For tests that ask nothing of intervals, of the learned baselines and of the speed."""
    monkeypatch.setattr(score_table, "__defaults__", (None, 20, 0))
    monkeypatch.setattr(evaluate, "baselines", lambda splits: {"spending_rule": evaluate.spending_rule(splits)})
    monkeypatch.setattr(report.throughput, "__defaults__", (0.01,))


@pytest.fixture
def table(tmp_path):
    def write(frame, name="table.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


OWN = {"target": "fraud", "group": "card", "time": "when"}


def test_the_order_of_the_file_does_not_matter_where_times_differ(table, tmp_path):
    config = Config(**OWN, model="gru", history=4, units=8, layers=1)
    frame = card_table()
    inputs = []
    for name, rows in (("a.csv", frame), ("b.csv", frame.sample(frac=1, random_state=1))):
        splits = load_data(config, str(table(rows, name)), tmp_path)
        built = build_models(config, splits.meta)
        predictor = Predictor({key: model for key, (model, _) in built.items()}, splits.meta)
        times = splits.validation.cards["time"].to_numpy()
        inputs.append(predictor.inputs(splits.validation)[np.argsort(times)])
    np.testing.assert_allclose(inputs[0], inputs[1])
    steps = inputs[0][:, :, -1].sum(axis=1)
    assert set(steps) <= {1, 2, 3, 4} and (steps == 4).any() and (inputs[0][:, -1, -1] == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"when": "2999-01-01"}, r"row 5: when is 2999-01-01.*future"), ({"card": ""}, "row 5: card is empty")],
)
def test_bad_cards_and_times(change, message, table, tmp_path):
    frame = card_table()
    for column, value in change.items():
        frame.loc[3, column] = value
    with pytest.raises(UserError, match=message):
        load_data(Config(**OWN), str(table(frame)), tmp_path)


@pytest.mark.parametrize("sign", ["€{}", "{} $", "₩{}", "£ {}"])
def test_a_currency_sign_is_named(sign, table, tmp_path):
    frame = card_table().assign(payment=[sign.format(value) for value in card_table()["payment"]])
    with pytest.raises(UserError, match=r"row 2: payment is .*without a currency sign"):
        load_data(Config(**OWN), str(table(frame)), tmp_path)


def test_the_gru_needs_cards(table, tmp_path):
    config = Config(target="fraud", model="gru")
    splits = load_data(config, str(table(card_table())), tmp_path)
    with pytest.raises(UserError, match="--group and --time"):
        build_models(config, splits.meta)


def trained_on(table, folder, **knobs) -> runs.Run:
    """A run after `train`, without its evaluation."""
    config = dataclasses.replace(TOY, **OWN, epochs=1, units=32, history=4, **knobs)
    run = runs.start(Project(NAME), config, str(table), folder, folder / "runs")
    Project(NAME).train(config, run)
    return run


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """A run of an mlp and a gru on `card_table`."""
    folder = tmp_path_factory.mktemp("ensemble")
    card_table().to_csv(folder / "table.csv", index=False)
    return trained_on(folder / "table.csv", folder, model="ensemble", members=2)


def test_a_history_changes_what_the_gru_says_and_a_file_is_scored_in_pieces(ensemble, table, tmp_path, monkeypatch):
    from common.inputs import tables

    frame = card_table()
    table(frame)
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
    split = labelled(tmp_path / "table.csv", predictor.meta)
    whole = predictor.decode(predictor.score(split))["fraud_probability"]
    monkeypatch.setattr(tables, "CHUNK_ROWS", 70)
    score_file(predictor, tmp_path / "table.csv", tmp_path / "scored.csv")
    np.testing.assert_allclose(pd.read_csv(tmp_path / "scored.csv")["fraud_probability"], whole, rtol=1e-4)
    late = table(frame.iloc[::-1], "reversed.csv")
    with pytest.raises(UserError, match="row 3: when is earlier"):
        score_file(predictor, late, tmp_path / "never.csv")


def test_an_autoencoder_learns_from_normal_rows_alone(table, tmp_path):
    config = dataclasses.replace(TOY, **OWN, model="autoencoder", epochs=2, units=16)
    splits = load_data(config, str(table(card_table())), tmp_path)
    built = build_models(config, splits.meta)
    ((model, _),) = built.values()
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


def test_the_ensemble_is_the_mean_of_its_members(quick_report, ensemble):
    cli.train_run(ensemble)  # the training has ended: what is left is the evaluation
    predictor = ensemble.load()
    assert set(predictor.networks) == {"mlp_1", "gru_2"}
    split = labelled(Path(ensemble.data), predictor.meta)
    alone = [Predictor({name: network}, predictor.meta) for name, network in predictor.networks.items()]
    members = [answers(one.networks[name], one.inputs(split, name))[:, 0] for one in alone for name in one.networks]
    np.testing.assert_allclose(predictor.score(split), (members[0] + members[1]) / 2, atol=1e-5)
    assert (ensemble.path / "scores.csv").exists() and ensemble.report["test"]["model"]["card_precision_at_100"]


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


def test_new_labelled_data_keeps_its_weights(quick_report, table, tmp_path):
    frame = card_table().assign(stands_for=np.where(card_table()["fraud"] == 1, 1, 30))
    run = trained_on(table(frame), tmp_path, weight="stands_for")
    meta = run.load().meta
    split = labelled(table(frame, "new.csv"), meta)
    assert split.weights.sum() == frame["stands_for"].sum()
    evaluated = Project(NAME).evaluate(run, str(tmp_path / "new.csv"))
    unweighted = Project(NAME).evaluate(run, str(table(frame.assign(stands_for=1), "ones.csv")))
    value = [report.test["model"]["average_precision"]["value"] for report in (evaluated, unweighted)]
    assert value[0] < value[1], "thirty times as many normal rows leave less precision"
    with pytest.raises(UserError, match="no column 'stands_for'"):
        labelled(table(card_table(), "without.csv"), meta)


def test_transactions_keep_the_order_of_their_table():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    split = Transactions(frame, np.array([0, 1, 0])).part([2, 0])
    assert split.inputs["a"].tolist() == [3.0, 1.0] and split.targets.tolist() == [0, 0] and len(split) == 2
