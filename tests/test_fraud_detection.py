"""What only fraud detection promises: its files, its baselines, scoring a file, and every kind of bad input."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from common import runs
from common.data import Splits
from common.errors import UserError, load_part
from common.inputs.tables import KINDS, read_table
from common.project import Project
from projects.fraud_detection.config import TOY, Config
from projects.fraud_detection.data import infer_kinds, labelled, load_data, two_classes
from projects.fraud_detection.encoding import MAX_CATEGORIES, Transactions, encode, encoded_width, times_of
from projects.fraud_detection.evaluate import _sample, reliability, spending_rule
from projects.fraud_detection.predict import score_file
from tests.commands import run_here
from tests.conftest import ROOT

NAME = "fraud_detection"
TABLES = [kind for kind in KINDS if kind not in ("tsv", "xlsx")]  # what scoring writes: a fork may lack Parquet


def payments(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """A user's table: numbers, categories, a group and a time."""
    random = np.random.default_rng(seed)
    late = random.random(rows) < 0.3
    return pd.DataFrame(
        {
            "payment": random.gamma(2, 30, rows).round(2) * (1 + late),
            "country": random.choice(["KR", "DE", "FR"], rows),
            "card": random.integers(0, 40, rows),
            "when": pd.date_range("2024-01-01", periods=rows, freq="h").astype(str),
            "fraud": np.where(late, "yes", "no"),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    """The frame as a CSV or Parquet file."""
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


def load(frame: pd.DataFrame, folder: Path, **knobs) -> Splits:
    """The splits of a table of the user's own. Its target is `fraud`, unless the knobs say another."""
    return load_data(Config(**{"target": "fraud", **knobs}), str(write(frame, folder / "table.csv")), folder)


def trained_on(data: Path, folder: Path, **knobs) -> runs.Run:
    """A run after `train`, without its evaluation."""
    run = runs.start(Project(NAME), replace(TOY, target="fraud", **knobs), str(data), folder, folder / "runs")
    run.project.train(run.config, run)
    return run


def test_own_file_by_group_and_by_time(tmp_path):
    grouped = load(payments(), tmp_path, group="card")
    cards = [set(part.units) for part in (grouped.train, grouped.validation, grouped.sealed_test)]
    assert not cards[0] & cards[1] and not cards[0] & cards[2] and not cards[1] & cards[2]
    assert grouped.source.unit == "card"
    timed = load(payments(), tmp_path, time="when")
    assert list(timed.train.inputs.columns) == ["payment", "country", "card"], "target and time are no features"
    assert timed.train.targets.sum() > 0


def test_statistics_come_from_train_alone(tmp_path):
    splits = load(payments(), tmp_path, time="when")
    last = payments().tail(1).assign(payment=1e9, country="XX")
    changed = load(pd.concat([payments().iloc[:-1], last]), tmp_path, time="when")
    assert changed.meta["columns"] == splits.meta["columns"], "a row of the test split changed what was fitted"


def test_encoding(tmp_path):
    splits = load(payments(600).assign(bank=[f"b{i % 90}" for i in range(600)]), tmp_path)
    encoded = encode(splits.train.inputs, splits.meta)
    assert encoded.shape == (len(splits.train), encoded_width(splits.meta)) and encoded.dtype == np.float32
    country = splits.meta["columns"]["country"]["categories"]
    first = 2 * list(splits.meta["columns"]).index("country")  # two columns for each number before it
    assert (encoded[:, first : first + len(country)].sum(axis=1) == 1).all()
    unknown = splits.train.inputs.head(1).assign(country="never seen")
    assert not encode(unknown, splits.meta)[:, first : first + len(country)].any()
    assert len(splits.meta["columns"]["bank"]["categories"]) == MAX_CATEGORIES


POSITIVES = [
    ((0, 1), 1), (("no", "yes"), "yes"), ((False, True), True), ((1.0, 0.0), 1.0),
    (("a", "b"), "b"), ((1, 2), 2), ((1, -1), -1),
]  # fmt: skip


@pytest.mark.parametrize(("values", "positive"), POSITIVES)
def test_the_positive_class(values, positive, tmp_path):
    """1 beside 0, true, yes, y, fraud; else the rarer."""
    column = pd.Series([values[0]] * 3 + [values[1]] * 2, name="target")
    assert (two_classes(column, tmp_path) == (column == positive)).all()


def test_the_spending_rule_is_the_amount(tmp_path):
    splits = load(payments().assign(AMOUNT_PAID=1.0, amount=payments()["payment"]), tmp_path)
    frame = splits.train.inputs
    assert (spending_rule(splits)(frame) == frame["amount"]).all()
    without = load(payments().drop(columns="card"), tmp_path)
    assert (np.abs(spending_rule(without)(without.train.inputs)) == without.train.inputs["payment"]).all()


def changed(column: str, row: int, value) -> pd.DataFrame:
    frame = payments().astype({column: object})
    frame.loc[row, column] = value
    return frame


BAD = {
    "missing target": (payments(), {"target": "label"}, "no column 'label'"),
    "no target named": (payments(), {"target": None}, "--target"),
    "text in a number column": (changed("payment", 3, "12 €"), {}, r"row 5: payment is '12 €'"),
    "empty value": (changed("payment", 6, None), {}, "row 8: payment is empty"),
    "infinity": (changed("payment", 6, np.inf), {}, "row 8: payment is 'inf'"),
    "empty category": (changed("country", 2, None), {}, "row 4: country is empty"),
    "empty target": (changed("fraud", 2, None), {}, "row 4: the target fraud is empty"),
    "empty card": (changed("card", 3, ""), {"group": "card"}, "row 5: card is empty"),
    "one class": (payments().assign(fraud=0), {}, "one value only"),
    "three classes": (payments().assign(fraud=np.arange(300) % 3), {}, "3 different values"),
    "bad date": (payments().assign(when="soon"), {"time": "when"}, "row 2: when is 'soon'"),
    "future": (changed("when", 3, "2999-01-01"), {"time": "when"}, r"row 5: when is 2999-01-01.*future"),
    "weight of zero": (payments().assign(w=0), {"weight": "w"}, "row 2: the weight"),
    "header only": (payments().head(0), {}, "no rows"),
    "too few rows": (payments(4), {}, "rows"),
    "no feature": (payments()[["fraud"]], {}, "no column left"),
    "two roles for a column": (payments(), {"group": "fraud"}, "must be different columns"),
    "one card": (payments().assign(card=1), {"group": "card"}, "1 group is too few"),
    "two cards": (payments().assign(card=payments().index % 2), {"group": "card"}, "2 groups are too few"),
    "unknown positive": (payments(), {"positive": "maybe"}, "--positive is 'maybe'; the target fraud is no or yes"),
    "equally frequent": (payments().assign(fraud=["a", "b"] * 150), {}, "equally frequent .*--positive"),
    "unknown categories": (payments(), {"categories": "country, bank"}, "no column 'bank'"),
    "time without a column": (payments(), {"split": "time"}, "--time COLUMN"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_table(case, tmp_path):
    frame, knobs, message = BAD[case]
    with pytest.raises(UserError, match=message):
        load(frame, tmp_path, **knobs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "nowhere.csv"], f"neither {' nor '.join(Project(NAME).data_names)} nor a file"),
        (["train", "--epochs", "0"], "--epochs"),
        (["train", "--resume", "../../etc"], "not the name of a run"),
        (["train", "--model", "transformer"], "model"),
        (["predict", "--input", "nowhere.csv", "--output", "b.csv"], "does not exist"),
        (["evaluate", "--run", "best"], "no finished run"),
    ],
)
def test_bad_command_line(arguments, message, tmp_path):
    done = run_here(f"projects.{NAME}.{arguments[0]}", *arguments[1:], "--runs-dir", tmp_path)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("run.json")), "a run folder was left behind"


def test_what_a_fork_leaves_out_is_named():
    with pytest.raises(UserError, match=r"^A dream needs projects/fraud_detection/dreams\.py, which this copy"):
        load_part("projects.fraud_detection.dreams", "A dream")
    assert load_part("projects.fraud_detection.config", "A table").Config is Config


@pytest.fixture(scope="module")
def predictor(trained):
    return trained(NAME).load()


def test_scoring_a_file(predictor, tmp_path):
    rows = predictor.example_rows().assign(note="kept")
    for source, target in zip(TABLES, reversed(TABLES), strict=True):
        path, scored = write(rows, tmp_path / f"in.{source}"), tmp_path / f"out.{target}"
        assert score_file(predictor, path, scored)[0] == len(rows)
        result = pd.read_csv(scored) if target == "csv" else pd.read_parquet(scored)
        assert list(result.columns) == [*rows.columns, "fraud_probability", "is_fraud"]
        for example, row in zip(predictor.examples, result.tail(len(predictor.examples)).itertuples(), strict=True):
            single = predictor.predict(example)
            texts = {name: value if isinstance(value, list) else str(value) for name, value in example.items()}
            assert single == predictor.predict(texts)
            assert row.fraud_probability == pytest.approx(single["fraud_probability"], rel=1e-4)
            assert bool(row.is_fraud) == single["is_fraud"]


def coded(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """`payments` as texts, with words and codes that look like something else."""
    random = np.random.default_rng(seed)
    return payments(rows, seed).assign(
        mcc=random.choice(["0742", "5411", "0763", "A901"], rows, p=[0.5, 0.3, 0.19, 0.01]),
        online=random.choice(["TRUE", "FALSE", "unknown"], rows),
        country=random.choice(["NA", "None", "KR"], rows),
    )


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A network that was trained for an epoch on `coded`."""
    folder = tmp_path_factory.mktemp("own")
    path = write(coded(), folder / "table.csv")
    return trained_on(path, folder, epochs=1, group="card", time="when", split="stratified")


def test_words_and_codes_are_categories(own):
    columns = own.load().meta["columns"]
    assert set(columns["country"]["categories"]) == {"NA", "None", "KR"}
    assert {"0742", "0763"} < set(columns["mcc"]["categories"])
    assert "TRUE" in columns["online"]["categories"] and "median" in columns["payment"]
    log = (own.path / "log.txt").read_text()
    assert "numbers: payment" in log and "categories: country, mcc, online" in log and "fraud: yes is the fraud" in log


@pytest.mark.parametrize("kind", TABLES)
def test_a_row_has_the_same_score_alone_and_among_others(kind, own, tmp_path):
    """And its cells are the same in the output. A raw transaction is scored as the row of a file."""
    predictor, frame = own.load(), coded(200, seed=3).drop(columns=["card", "when"])
    frame["mcc"] = frame["mcc"].replace("A901", "5411")
    score_file(predictor, write(frame, tmp_path / f"all.{kind}"), tmp_path / "all_scored.csv")
    together = pd.read_csv(tmp_path / "all_scored.csv", dtype=str, keep_default_na=False)
    texts = together[["mcc", "online", "country"]]
    assert texts.equals(frame[list(texts)].astype(texts.dtypes))
    for row in range(0, 200, 40):
        score_file(predictor, write(frame.iloc[[row]], tmp_path / f"one.{kind}"), tmp_path / "one_scored.csv")
        (alone,) = pd.read_csv(tmp_path / "one_scored.csv", dtype=str)["fraud_probability"]
        raw = predictor.predict(frame.iloc[row].to_dict())["fraud_probability"]
        assert float(alone) == pytest.approx(float(together["fraud_probability"][row]), rel=1e-6) == raw


def test_new_data_has_the_classes_of_the_run(own, tmp_path):
    """Where frauds are the majority, too."""
    frame = coded(100, seed=4)
    frame["fraud"] = np.where(np.arange(100) < 70, "Yes", "no")
    path, meta = tmp_path / "new.csv", own.load().meta
    assert labelled(write(frame, path), meta).targets.tolist() == [1] * 70 + [0] * 30
    with pytest.raises(UserError, match="row 2: the target fraud is '1'; expected no or yes"):
        labelled(write(frame.assign(fraud=1), path), meta)


def test_an_answer_never_has_the_name_of_another_column(own, tmp_path):
    """The target is called is_fraud, as in the README."""
    frame = coded(20, seed=5).rename(columns={"fraud": "is_fraud"})
    for kind in TABLES:
        score_file(own.load(), write(frame, tmp_path / "in.csv"), tmp_path / f"out.{kind}")
        result = read_table(tmp_path / f"out.{kind}")
        assert list(result) == [*frame, "fraud_probability", "is_fraud_2"]
        assert result["is_fraud"].tolist() == frame["is_fraud"].tolist()


def test_odd_raw_transactions_are_sentences_and_answers_are_finite(own, predictor):
    for one in (own.load(), predictor):
        example = {name: value for name, value in one.examples[0].items() if name in one.meta["columns"]}
        for raw in (None, [], "x", 3, {}, {"history": []}):
            with pytest.raises(UserError):
                one.predict(raw)
        for name, column in one.meta["columns"].items():
            values = [[1], {"a": 1}, None, "", b"1", np.zeros(2), "\ud800", 10**5000, np.nan, np.inf, 1e308, "1e31"]
            for value in values if "median" in column else values[:7]:
                with pytest.raises(UserError, match=f"the transaction.*{name}"):
                    one.predict(example | {name: value})
            five = True if "categories" in column else 5
            for value in (-1e30, 1e30, 1e-320, np.float32(2), np.int64(3), " 4 ", five):
                answer = one.predict(example | {name: value})
                assert np.isfinite([answer["fraud_probability"], *answer["moved_by"].values()]).all()


def test_a_number_beyond_those_of_training_comes_with_a_caution(predictor):
    strict = type(predictor)(predictor.networks, {**predictor.meta, "caution_below": 0.0})
    usual = {name: column["median"] for name, column in predictor.meta["columns"].items()}
    for name, column in predictor.meta["columns"].items():
        low, high = column["low"], column["high"]
        for value, unfamiliar in ((low, False), (high, False), (low - 1, True), (high * 2 + 1, True)):
            assert strict.predict({**usual, name: value})["unfamiliar"] is unfamiliar


@pytest.mark.parametrize("value", ["0742", "742"])
def test_codes_may_be_named(value, tmp_path):
    frame = payments().assign(mcc=[value, "5411", "6011"] * 100)
    kinds = [load(frame, tmp_path, **knobs).meta["columns"]["mcc"] for knobs in ({}, {"categories": "mcc"})]
    assert value in kinds[1]["categories"] and ("categories" in kinds[0]) == value.startswith("0")


DATES = [
    ("%d/%m/%Y %H:%M", True),
    ("%m/%d/%Y %H:%M:%S", False),
    ("%d.%m.%Y %H:%M", True),
    ("%m-%d-%Y %H:%M", False),
    ("%Y년 %m월 %d일 %H:%M", None),
    ("%Y/%m/%d %H:%M", None),
    ("%Y.%m.%d. %H:%M", None),
    ("%d %b %Y %H:%M", None),
    ("%Y-%m-%dT%H:%M:%S+00:00", None),
]


@pytest.mark.parametrize(("form", "first"), DATES)
def test_a_column_of_dates_has_one_reading(form, first, tmp_path):
    """As the same dates written 2024-01-31, and the run keeps it for files where it cannot be told."""
    frame = payments(900).assign(when=pd.date_range("2024-01-01", periods=900, freq="5h"))
    text = frame.assign(when=frame["when"].dt.strftime(form))
    plain, written = (load(rows, tmp_path, group="card", time="when") for rows in (frame, text))
    assert written.train.cards["time"].tolist() == plain.train.cards["time"].tolist()
    assert written.meta.get("day_first") == first
    early, meta = frame["when"].dt.day <= 12, written.meta
    new = [labelled(write(rows[early].head(30), tmp_path / "new.csv"), meta) for rows in (frame, text)]
    assert new[0].cards["time"].tolist() == new[1].cards["time"].tolist()


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (["03/04/2021", "05/06/2021"], "may have the day or the month first .'03/04/2021' in row 2"),
        (["13/04/2021", "05/16/2021"], "day in two places .'13/04/2021' in row 2 and '05/16/2021' in row 3"),
        (["01/02/21", "13/02/21"], "row 2: when is '01/02/21'"),
        (["2021-01-01", "10:30"], "row 3: when is '10:30'"),
        (["2021-01-01", "2021-13-05"], "row 3: when is '2021-13-05'"),
        (["2021-01-01", "soon"], "row 3: when is 'soon'"),
        (["2021-01-01", ""], "row 3: when is ''"),
    ],
)
def test_dates_that_cannot_be_known_are_refused(dates, message, tmp_path):
    with pytest.raises(UserError, match=message):
        times_of(pd.Series(dates, name="when"), tmp_path)


def test_a_column_called_target_keeps_its_values_in_the_sample():
    sample = _sample(Transactions(pd.DataFrame({"target": [5.0, 7.0], "a": [1.0, 2.0]}), np.array([1, 0])))
    assert sample.to_dict("list") == {"target": [7, 5], "a": [2, 1], "target_": [0, 1]}


def test_a_failed_scoring_leaves_nothing(predictor, tmp_path, monkeypatch):
    """The mistake is in the second piece. The first has been written by then."""
    from common.inputs import tables

    rows = predictor.example_rows().astype({"TX_AMOUNT": object})
    rows.loc[20, "TX_AMOUNT"] = "$12"
    rows.to_csv(tmp_path / "in.csv", index=False)
    monkeypatch.setattr(tables, "CHUNK_ROWS", 10)
    for name in (f"out.{kind}" for kind in TABLES):
        with pytest.raises(UserError, match=r"row 22: TX_AMOUNT is '\$12'"):
            score_file(predictor, tmp_path / "in.csv", tmp_path / name)
    with pytest.raises(UserError, match=r"\.csv or \.parquet"):
        score_file(predictor, tmp_path / "in.csv", tmp_path / "out.xlsx")
    with pytest.raises(UserError, match="more than 15 rows"):
        score_file(predictor, tmp_path / "in.csv", tmp_path / "out.csv", max_rows=15)
    with pytest.raises(UserError, match="no column 'TX_AMOUNT'"):
        pd.DataFrame({"a": [1]}).to_csv(tmp_path / "other.csv", index=False)
        score_file(predictor, tmp_path / "other.csv", tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["in.csv", "other.csv"]


def test_contributions_of_a_logistic_regression_are_its_terms(tmp_path):
    """For one Dense unit the change of the logit is exactly weight times distance from the median."""
    numbers = payments().drop(columns=["country", "when"]).assign(hour=np.arange(300) % 24)
    predictor = trained_on(write(numbers, tmp_path / "table.csv"), tmp_path, model="logistic", epochs=2).load()
    frame = pd.DataFrame(predictor.examples)
    kernel = predictor.networks["model"].get_weights()[0][:, 0]
    expected = []
    for i, (name, column) in enumerate(predictor.meta["columns"].items()):
        ratio = (frame[name] - column["median"]) / column["scale"]
        linear, log = ratio.clip(-5, 5), np.sign(ratio) * np.log1p(abs(ratio))
        expected.append(kernel[2 * i] * linear + kernel[2 * i + 1] * log)
    np.testing.assert_allclose(predictor.contributions(frame), np.array(expected).T, atol=1e-4)


def test_scoring_a_file_on_the_page(copied):
    run = copied(NAME)
    app = AppTest.from_file(str(ROOT / "apps" / f"{NAME}.py"), default_timeout=60)
    app.query_params["part"] = "file"
    app.run()
    right = run.load().example_rows()
    wrong = right.astype(object)
    wrong.loc[1, "TX_AMOUNT"] = "five"
    app.file_uploader[0].upload("my file.csv", wrong.to_csv(index=False).encode(), "text/csv").run()
    assert not app.exception
    assert [error.value for error in app.error] == ["my file.csv, row 3: TX_AMOUNT is 'five'; expected a number."]
    app.file_uploader[0].upload("my file.csv", right.to_csv(index=False).encode(), "text/csv").run()
    assert not app.error and f"Rows: {len(right)}." in app.success[0].value


@pytest.mark.parametrize("text", ["2021 " + "1 " * 100_000, "2021-" + " " * 200_000 + "x", "2021" + "/" * 200_000])
def test_a_long_text_is_no_date_and_takes_no_time(text):
    began = time.process_time()
    with pytest.raises(UserError, match="expected a date") as raised:
        times_of(pd.Series([text] * 100, name="when"), "a.csv")
    assert time.process_time() - began < 1 and len(str(raised.value)) < 3000


AMOUNTS = [
    "63,70", "1,063.70", "1 063,70", "1\u00a0063.70", "６３．７", "\u221263.7", "63.7-", "(63.7)", "“63.7”", "'63.7'",
    ' "63.7"', "$1", "€63.7", "63.7 $", "₩63.7", "£ 63.7", "5 %",
]  # fmt: skip


@pytest.mark.parametrize("cell", AMOUNTS)
def test_no_column_of_amounts_becomes_categories_in_silence(cell, tmp_path):
    """All cells of a column are written in a way that no number is."""
    with pytest.raises(UserError, match=r"row 2: payment is .*without a currency sign, a per cent sign"):
        infer_kinds(payments().assign(payment=cell).drop(columns="fraud"), tmp_path)


@pytest.mark.parametrize("word", ["NA", "n/a", "-", "없음", "None", "#N/A"])
def test_words_for_missing_do_not_make_categories_of_numbers(word, tmp_path):
    frame = payments().drop(columns="fraud")
    frame["payment"] = frame["payment"].astype(str).where(np.arange(len(frame)) % 10 > 7, word)
    with pytest.raises(UserError, match=r"row 2: payment is .*; expected a number, or --categories payment"):
        infer_kinds(frame, tmp_path)
    assert infer_kinds(frame.assign(payment=word), tmp_path)["payment"].iloc[0] == word, "it may be a country"


def test_reliability_finds_probabilities_that_are_too_high():
    """Drawn by their own probability, frauds are as frequent as said; of doubled ones half as frequent."""
    random = np.random.default_rng(0)
    right = random.beta(0.05, 2, 200_000)
    split = Transactions(pd.DataFrame(index=range(len(right))), (random.random(len(right)) < right).astype(int))
    for factor in (1, 2):
        table = reliability(split, factor * right)
        assert table["weight"].sum() == pytest.approx(1) and table["probability"].is_monotonic_increasing
        assert table["weight"].iloc[-1] < 0.001 < 0.3 < table["weight"].iloc[0]
        top = table[table["probability"] > 0.05]
        assert (top["fraud"] * factor / top["probability"]).to_numpy() == pytest.approx(np.ones(len(top)), rel=0.2)
