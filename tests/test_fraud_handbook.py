"""The handbook's protocol, histories of cards, the ladder's other rungs, and figures by card."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from common import cli, runs
from common.errors import UserError
from common.evaluation import score_table
from common.project import Project
from projects.fraud_detection import simulate
from projects.fraud_detection.cards import card_precision, histories, known_before
from projects.fraud_detection.config import TOY, Config
from projects.fraud_detection.data import CARD, FRAUD, HANDBOOK_FILE, TIME, labelled, load_data
from projects.fraud_detection.model import build_models, treated
from projects.fraud_detection.predict import Predictor, Transactions, outputs, score_file

NAME = "fraud_detection"
START = "2018-05-20"


@pytest.fixture(scope="module")
def handbook(tmp_path_factory):
    """A folder with a small table in the layout of the handbook's."""
    folder = tmp_path_factory.mktemp("handbook")
    frame = simulate.add_features(simulate.simulate(200, 400, days=90))
    frame[frame["TX_TIME_DAYS"] >= 30].to_parquet(folder / HANDBOOK_FILE, index=False)
    return folder


def days_of(split) -> np.ndarray:
    return (pd.to_datetime(split.cards["time"], unit="s").dt.normalize() - pd.Timestamp(START)).dt.days.to_numpy()


def test_the_handbooks_weeks_and_blocked_cards(handbook):
    splits = load_data(Config(start=START), "handbook", handbook)
    parts = (splits.train, splits.validation, splits.sealed_test)
    assert [(days_of(part).min(), days_of(part).max()) for part in parts] == [(0, 6), (-7, -1), (14, 20)]
    table = pd.read_parquet(handbook / HANDBOOK_FILE)
    days = (table[TIME].dt.normalize() - pd.Timestamp(START)).dt.days
    kept = 0
    for day in range(14, 21):  # one day after the other, as the protocol tells it
        known = set(table[CARD][(table[FRAUD] == 1) & (days >= 0) & (days < day - 7)])
        own = table[days == day]
        kept += (~own[CARD].isin(known)).sum()
        there = set(splits.sealed_test.cards["card"][days_of(splits.sealed_test) == day])
        assert not there & known and there == set(own[CARD]) - known
    assert kept == len(splits.sealed_test) < (days.between(14, 20)).sum()
    by_path = load_data(Config(start=START), str(handbook / HANDBOOK_FILE), handbook)
    assert by_path.source == splits.source, "the file is known by its columns"


@pytest.mark.parametrize(
    ("start", "message"),
    [("soon", "expected a date"), ("2018-05-01", "2018-05-08 to 2018-06-09"), ("2019-01-01", "may be")],
)
def test_a_week_that_the_file_does_not_hold(start, message, handbook):
    with pytest.raises(UserError, match=message):
        load_data(Config(start=start), "handbook", handbook)


def test_the_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"simulated_transformed\.parquet"):
        load_data(Config(), "handbook", tmp_path)


def test_histories_follow_time_and_then_the_file():
    cards = np.array(["a", "b", "a", "a", "b", "c"])
    times = np.array([5.0, 1.0, 3.0, 5.0, 0.0, 9.0])  # unordered, and two of card a at one instant
    assert histories(cards, times, 3).tolist() == [
        [-1, 2, 0],
        [-1, 4, 1],
        [-1, -1, 2],
        [2, 0, 3],  # of one instant the later row of the file sees the earlier one, not the other way round
        [-1, -1, 4],
        [-1, -1, 5],  # a card seen once
    ]


def test_a_fraud_is_known_after_the_delay():
    cards, days, frauds = np.array([1, 1, 1, 2, 1]), np.array([0, 7, 8, 8, 1]), np.array([1, 0, 0, 0, 1])
    assert known_before(cards, days, frauds, delay=7, since=0).tolist() == [False, False, True, False, False]
    assert not known_before(cards, days, frauds, delay=7, since=2).any()


def slow_card_precision(cards, days, targets, scores, listed):
    """As the words say it, day by day."""
    table = pd.DataFrame({"card": cards, "day": days, "target": targets, "score": scores})
    blocked, found = set(), []
    for _, day in table.groupby("day"):
        best = day.groupby("card").agg(score=("score", "max"), target=("target", "max"))
        best = best[~best.index.isin(blocked)].sort_values("score", ascending=False).head(listed)
        blocked |= set(best.index[best["target"] == 1])
        found.append(best["target"].sum() / listed)
    return np.mean(found)


@pytest.mark.parametrize("seed", range(3))
def test_card_precision_as_a_function_of_weights(seed):
    random = np.random.default_rng(seed)
    cards, days, scores = random.integers(0, 60, 900), random.integers(0, 5, 900), random.normal(size=900)
    targets = (random.random(900) < 0.1).astype(int)
    figure = card_precision(cards, days, targets, scores, 10)
    found = figure(np.ones(900))["card_precision_at_100"]
    assert found == pytest.approx(slow_card_precision(cards, days, targets, scores, 10))
    kept = random.random(900) < 0.6
    without = slow_card_precision(cards[kept], days[kept], targets[kept], scores[kept], 10)
    assert figure(kept.astype(float))["card_precision_at_100"] == pytest.approx(without)


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
def few_resamples(monkeypatch):
    """For tests that ask nothing of the intervals."""
    monkeypatch.setattr(score_table, "__defaults__", (None, 20, 0))


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
    found = []
    for name, rows in (("a.csv", frame), ("b.csv", frame.sample(frac=1, random_state=1))):
        splits = load_data(config, str(table(rows, name)), tmp_path)
        built = build_models(config, splits.meta)
        predictor = Predictor({key: model for key, (model, _) in built.items()}, splits.meta)
        times = splits.validation.cards["time"].to_numpy()
        found.append(predictor.inputs(splits.validation)[np.argsort(times)])
    np.testing.assert_allclose(found[0], found[1])
    steps = found[0][:, :, -1].sum(axis=1)
    assert set(steps) <= {1, 2, 3, 4} and (steps == 4).any() and (found[0][:, -1, -1] == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"when": "2999-01-01"}, r"row 5: when is 2999-01-01.*future"),
        ({"card": ""}, "row 5: card is empty"),
    ],
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


def trained_on(table, tmp_path, finish=cli.train_run, **knobs) -> runs.Run:
    """finish: what takes the run to its end; without the test split it is the project's own `train`."""
    config = dataclasses.replace(TOY, **OWN, epochs=1, units=32, history=4, **knobs)
    run = runs.start(Project(NAME), config, str(table), tmp_path, tmp_path / "runs")
    finish(run)
    return run


def test_a_history_changes_what_the_gru_says_and_a_file_is_scored_in_pieces(table, tmp_path, monkeypatch):
    from common.inputs import tables

    frame = card_table()
    predictor = trained_on(table(frame), tmp_path, lambda run: Project(NAME).train(run.config, run), model="gru").load()
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
    monkeypatch.setattr(tables.score_table_file, "__defaults__", (None, 70))
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
    assert max(frauds_alone) < 0.2, "Adam's momentum may go on for a while, the frauds' own gradient is nought"
    raw = predictor.score(splits.validation)
    predictor.calibrate(splits.validation)
    calibrated = predictor.score(splits.validation)
    assert (np.argsort(raw, kind="stable") == np.argsort(calibrated, kind="stable")).all()


def test_the_ensemble_is_the_mean_of_its_members(few_resamples, table, tmp_path):
    run = trained_on(table(card_table()), tmp_path, model="ensemble", members=2)
    predictor = run.load()
    assert set(predictor.networks) == {"mlp_1", "gru_2"}
    split = labelled(tmp_path / "table.csv", predictor.meta)
    alone = [Predictor({name: network}, predictor.meta) for name, network in predictor.networks.items()]
    members = [outputs(one.networks[name], one.inputs(split, name)) for one in alone for name in one.networks]
    np.testing.assert_allclose(predictor.score(split), (members[0] + members[1]) / 2, atol=1e-5)
    assert (run.path / "scores.csv").exists() and run.report["test"]["model"]["card_precision_at_100"]


@pytest.mark.parametrize("imbalance", ["none", "class_weights", "focal", "resampling"])
def test_the_treatments_of_rare_frauds(imbalance):
    inputs, targets = np.arange(100, dtype="float32")[:, None], (np.arange(100) < 10).astype("float32")
    found = treated((inputs, targets), Config(imbalance=imbalance))
    if imbalance == "class_weights":
        assert found[2][targets == 1].sum() == pytest.approx(50) and found[2].sum() == pytest.approx(100)
    elif imbalance == "resampling":
        assert found[1].sum() == 90 and len(found[1]) == 180 and (found[0][found[1] == 1] < 10).all()
    else:
        assert len(found) == 2 and found[1] is targets


def test_new_labelled_data_keeps_its_weights(few_resamples, table, tmp_path):
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
    split = Transactions.taken(frame, np.array([0, 1, 0]), [2, 0])
    assert split.inputs["a"].tolist() == [3.0, 1.0] and split.targets.tolist() == [0, 0] and len(split) == 2


@pytest.mark.slow
def test_the_handbooks_logistic_regression_is_reproduced(datasets):
    """Published: average precision 0.623, card precision@100 0.297, the means of the four test weeks."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.preprocessing import StandardScaler

    found = []
    for start in ("2018-07-25", "2018-08-01", "2018-08-08", "2018-08-15"):
        splits = load_data(Config(start=start), "handbook", datasets)
        scaler = StandardScaler().fit(splits.train.inputs)
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(splits.train.inputs), splits.train.targets)
        test = splits.sealed_test
        scores = model.decision_function(scaler.transform(test.inputs))
        days = (test.cards["time"].to_numpy() // 86_400).astype(int)
        listed = card_precision(test.cards["card"].to_numpy(), days, test.targets, scores)(np.ones(len(test)))
        found.append([average_precision_score(test.targets, scores), listed["card_precision_at_100"]])
    assert np.mean(found, axis=0) == pytest.approx([0.623, 0.297], abs=0.005)
