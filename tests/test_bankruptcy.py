"""What bankruptcy promises: a simulation whose risks are known, files of firms read as they are, exact figures."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from streamlit.testing.v1 import AppTest

from apps import canvas
from common.errors import UserError
from common.evaluation import softmax
from common.project import Project
from projects.bankruptcy import baselines, encoding, formats, rocket, simulate
from projects.bankruptcy.config import TOY, Config
from projects.bankruptcy.data import CHECKS, DAYS, at_check, load_data
from projects.bankruptcy.encoding import Series
from projects.bankruptcy.forecast import Forecast, forecast, read_prices, verdict, without_comments
from projects.bankruptcy.metrics import figures, lead_days, lead_figures
from projects.bankruptcy.model import build_model
from projects.bankruptcy.predict import Predictor
from tests.commands import run_here
from tests.conftest import ROOT

ROLES = {"firm": "firm", "time": "time", "label": "label"}


@pytest.fixture(scope="module")
def market():
    return simulate.simulate(6000, DAYS + simulate.YEAR, np.random.default_rng(3))


# The simulation


def test_a_firm_fails_on_the_first_day_on_which_its_assets_are_below_its_debt(market):
    days = np.arange(market.price.shape[1])
    for row in range(0, 6000, 60):
        below = np.flatnonzero(market.health[row] <= 0)
        assert market.failed[row] == (below[0] if len(below) else len(days))
    dead = days >= market.failed[:, None]
    assert np.isnan(market.price[dead]).all() and (market.price[~dead] > 0).all()


def test_prices_tell_the_assets_to_who_knows_the_debt(market):
    """log(1 + price / debt) is the health; the reported debt is wrong by 25 %."""
    alive = market.failed > 0
    ratio = market.price[alive, 0] / market.debt[alive]
    error = np.log(ratio / np.expm1(market.health[alive, 0]))
    assert error.mean() == pytest.approx(0, abs=0.02) and error.std() == pytest.approx(0.25, abs=0.02)


def test_default_rate_and_calibration_of_the_oracle(market):
    """About 9 % of the living firms fail within a year, and in every group as many as the true risks say."""
    alive = market.failed >= DAYS
    failed = market.failed[alive] < DAYS + simulate.YEAR
    risks = simulate.true_risk(market.health[alive, DAYS - 1], market.regime[alive, DAYS - 1], simulate.depths())
    assert 0.07 < failed.mean() < 0.11
    assert risks.mean() == pytest.approx(failed.mean(), abs=0.012)
    for part in np.array_split(np.argsort(risks), 8):
        spread = np.sqrt(np.maximum(risks[part] * (1 - risks[part]), 1e-4).mean() / len(part))
        assert abs(risks[part].mean() - failed[part].mean()) < 4 * spread
    assert roc_auc_score(failed, risks) > 0.88


def test_the_regime_matters_and_so_do_falls():
    calm, turbulent = simulate.depths(paths=4000)
    assert (turbulent > 0.3).mean() > 2 * (calm > 0.3).mean()
    returns, regime = simulate.log_returns(2000, 252, np.random.default_rng(0))
    assert regime.mean() == pytest.approx(0.25, abs=0.02)
    assert returns[regime].std() > 2 * returns[~regime].std()
    assert (returns < -0.08).sum() > 10 * (returns > 0.08).sum(), "sudden falls, no sudden rises"


def test_the_splits_of_generated_firms(tmp_path):
    splits = load_data(TOY, "builtin", tmp_path)
    train, validation = splits.train, splits.validation
    assert train.inputs.shape[1:] == (DAYS, 2) and not np.isnan(train.inputs).any()
    assert splits.meta["length"] == 20 and splits.meta["horizon"] == 252
    failing = train.targets == 1
    assert np.isnan(train.failed[~failing]).all() and (train.failed[failing] <= 252).all()
    day = int(train.failed[failing][0])
    after = train.after[failing][0, :, 0]
    assert np.isnan(after[day - 1]) and not np.isnan(after[: day - 1]).any()
    rows = np.flatnonzero(validation.failed > CHECKS[3])
    later = at_check(validation, rows, 3)
    assert later.inputs.shape[1] == DAYS and not np.isnan(later.inputs).any()
    np.testing.assert_array_equal(later.inputs[:, -1], validation.after[rows, CHECKS[3] - 1])
    assert load_data(TOY, "builtin", tmp_path).source == splits.source


# Encoding


def meta_of(series, variables, targets=None, length=8, task="risk"):
    targets = np.arange(len(series)) % 2 if targets is None else targets
    return encoding.fit_encoding(Series(series, targets), variables, ["lives", "fails"], length, task)


def test_a_price_is_read_by_its_changes_and_its_ratio_to_the_debt():
    random = np.random.default_rng(0)
    price = np.exp(random.normal(0, 0.02, (30, 12)).cumsum(axis=1))
    series = [np.column_stack([row, np.full(12, 2.0)]) for row in price]
    meta = meta_of(series, ["price", "debt"])
    assert list(meta["channels"]) == ["return", "price to debt"] and meta["missing"] == []
    x = encoding.encode(series, meta)
    assert x.shape == (30, 8, 3) and (x[..., -1] == 1).all()
    np.testing.assert_allclose(encoding.encode([one * 7 for one in series], meta), x, atol=1e-5)
    channel = meta["channels"]["return"]
    expected = np.arcsinh((np.diff(np.log(price[0]))[-7:] - channel["median"]) / channel["scale"])
    np.testing.assert_allclose(x[0, 1:, 0], expected, atol=1e-5)


def test_short_series_stand_at_the_end_and_gaps_are_flagged():
    series = [np.arange(10.0)[:, None] + row for row in range(4)]
    series[1][4] = np.nan
    meta = meta_of(series, ["x"])
    assert meta["missing"] == ["x"] and encoding.width(meta) == 3
    x = encoding.encode([np.array([[1.0], [np.nan], [3.0]])], meta)
    assert not x[0, :5].any() and x[0, 5:, 2].tolist() == [1, 1, 1]
    assert x[0, 5:, 1].tolist() == [0, 1, 0] and x[0, 6, 0] == 0


def test_traits_are_of_the_steps_that_there_are():
    series = [np.cumsum(np.random.default_rng(row).normal(size=(12, 1)), axis=0) for row in range(9)]
    meta = meta_of(series, ["x"])
    x = encoding.encode([series[0], np.array([[3.0], [np.nan], [5.0]]), np.array([[4.0]])], meta)
    long, short, single = encoding.traits(x, 1)
    values = x[0, :, 0]
    np.testing.assert_allclose(long, [values.min(), values.max(), np.abs(np.diff(values)).mean()], rtol=1e-6)
    a, b, c = x[1, -3:, 0]
    np.testing.assert_allclose(short, [min(a, b, c), max(a, b, c), (abs(b - a) + abs(c - b)) / 2], rtol=1e-6)
    assert single.tolist() == [x[2, -1, 0]] * 2 + [0]
    predictor = Predictor({}, meta)
    assert predictor.familiarity(series).tolist() == [0] * 9
    unlike = predictor.familiarity([100 * series[0], 0 * series[0], series[0][::-1] + 1000])
    assert (unlike < 0).all() and unlike[2] < -1


@pytest.mark.parametrize("name", ["simple_rnn", "gru", "lstm"])
def test_a_recurrent_network_skips_the_steps_before_a_short_series(name):
    """The padded series has the answer of a network that reads the short one alone."""
    series = [np.random.default_rng(row).normal(size=(8, 2)) for row in range(6)]
    meta = meta_of(series, ["a", "b"])
    model = build_model(Config(model=name, units=5), meta)
    short = build_model(Config(model=name, units=5), {**meta, "length": 3})
    short.set_weights(model.get_weights())
    x = encoding.encode([one[-3:] for one in series], meta)
    np.testing.assert_allclose(model(x), short(x[:, -3:]), atol=1e-6)


def test_accounts_become_fractions_of_the_assets():
    values = np.array([[[50.0, 200.0], [0.0, 0.0]]])
    result = encoding.channels(values, ["debt", "total_assets"])
    np.testing.assert_allclose(result[0, 0], [0.25, np.log(200)])
    assert np.isnan(result[0, 1]).all()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"price": [1.0, 2.0]}, "has no 'debt'"),
        ({"price": [1.0, 2.0], "debt": [1.0]}, "price 2, debt 1"),
        ({"price": [1.0, 0.0], "debt": [1.0, 1.0]}, "a price that is not above 0"),
        ({"price": [1.0, 1e31], "debt": [1.0, 1.0]}, "beyond 1e"),
        ({"price": [], "debt": []}, "price 0, debt 0"),
        ({"price": "12", "debt": [1.0]}, "a list"),
        ([1.0], "an object"),
    ],
)
def test_a_wrong_series_is_named(trained, raw, words):
    with pytest.raises(UserError, match=words):
        trained("bankruptcy").load().predict(raw)


# MiniRocket


def test_kernels_answer_as_their_definition_says():
    """A kernel is a dilated convolution with three weights of 2 and six of -1 on the sum of some channels."""
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 40, 2)).astype("float32")
    for dilation in (1, 3):
        for kernel in (0, 1, 40, 83):
            weights = np.full(9, -1.0)
            weights[list(rocket.KERNELS[kernel])] = 2
            (answer,) = rocket.answers(x, dilation, (0, 1), [kernel])
            padded = np.pad(x.sum(axis=2), ((0, 0), (4 * dilation, 4 * dilation)))
            expected = sliding_window_view(padded, 8 * dilation + 1, axis=1)[..., ::dilation] @ weights
            inside = kernel % 2 == 1 and 8 * dilation < 40
            part = expected[:, 4 * dilation : 40 - 4 * dilation] if inside else expected
            np.testing.assert_allclose(answer, part, atol=1e-4)
    assert len(rocket.KERNELS) == 84


@pytest.mark.parametrize(("length", "channels"), [(250, 2), (29, 12), (5, 1), (1, 3)])
def test_features_are_fractions_above_quantiles(length, channels):
    x = np.random.default_rng(0).normal(size=(20, length, channels)).astype("float32")
    biases = rocket.fit_biases(x, 504)
    assert len(biases) == 504 and biases == rocket.fit_biases(x, 504)
    features = rocket.encode_kernels(x, biases, 504)
    assert features.shape == (20, 504) and features.min() >= 0 and features.max() <= 1
    if length > 5:
        assert features.mean() == pytest.approx(0.5, abs=0.05), "biases are quantiles, spread evenly"
    np.testing.assert_array_equal(rocket.encode_kernels(x[3:4], biases, 504)[0], features[3])


# Figures and baselines


def test_figures_equal_scikit_learn_and_weights_repeat_rows():
    random = np.random.default_rng(0)
    targets, logits = random.integers(0, 2, 300), random.normal(size=(300, 2)).round(1)
    counts = random.integers(0, 3, 300)
    series = Series(np.zeros((300, 1, 1)), targets)
    values = figures(series, logits, "risk")(counts.astype(float))
    repeated = np.repeat(np.arange(300), counts)
    scores, risks = (logits[:, 1] - logits[:, 0])[repeated], softmax(logits)[repeated, 1]
    assert values["average_precision"] == pytest.approx(average_precision_score(targets[repeated], scores))
    assert values["roc_auc"] == pytest.approx(roc_auc_score(targets[repeated], scores))
    assert values["brier"] == pytest.approx(brier_score_loss(targets[repeated], risks))


def test_recall_among_the_riskiest():
    """Of 100 firms five are looked into; of the ten that fail three are among them."""
    targets, scores = np.zeros(100, int), np.arange(100.0)
    targets[[99, 98, 95, *range(7)]] = 1
    logits = np.stack([np.zeros(100), scores], axis=1)
    values = figures(Series(np.zeros((100, 1, 1)), targets), logits, "risk")(np.ones(100))
    assert values["recall_in_riskiest_5"] == pytest.approx(0.3)


def test_lead_days_count_from_the_first_alarm_to_the_failure():
    risks = np.full((4, len(CHECKS)), np.nan)
    risks[0, :5], risks[1, :3], risks[2, :1] = [0.1, 0.6, 0.2, 0.7, 0.9], 0.1, 0.9
    series = Series(np.zeros((4, 1, 1)), np.array([1, 1, 1, 0]), failed=np.array([100.0, 60.0, 11.0, np.nan]))
    days = lead_days(series, risks, 0.5)
    assert days[:3].tolist() == [100 - 21, 0, 11] and np.isnan(days[3])
    assert lead_figures(days)(np.ones(4)) == {"lead_days": 30.0}
    assert lead_figures(days)(np.array([2.0, 0, 1, 5])) == {"lead_days": pytest.approx((2 * 79 + 11) / 3)}


def test_distance_to_default_solves_merton():
    """From known assets and volatility to the shares by Black & Scholes, and back."""
    from scipy.stats import norm

    assets, debt, spread = 150.0, 100.0, 0.3
    d1 = np.log(assets / debt) / spread + spread / 2
    shares = assets * norm.cdf(d1) - debt * norm.cdf(d1 - spread)
    daily = spread * assets / shares * norm.cdf(d1) / np.sqrt(252)
    steps = daily * np.where(np.arange(60) % 2, 1.0, -1.0)
    price = shares * np.exp(np.concatenate([[0], np.cumsum(steps)]))
    series = Series([np.column_stack([price, np.full(61, debt)])], np.array([0]))
    (distance,) = baselines.distance_to_default(series, ["price", "debt"], 60)
    assert distance == pytest.approx(d1 - spread, abs=1e-3)


def test_altman_z_of_an_example():
    firm = {"current_assets": 60.0, "total_current_liabilities": 20, "retained_earnings": 30, "ebit": 10}
    firm |= {"market_value": 100, "total_liabilities": 50, "net_sales": 150, "total_assets": 100}
    z = baselines.altman_ratios(list(firm))(Series([np.array([[*firm.values()]])], np.array([0])))
    assert z[0] == pytest.approx(1.2 * 0.4 + 1.4 * 0.3 + 3.3 * 0.1 + 0.6 * 2 + 1.5)
    assert baselines.altman_ratios(["price"]) is None


# Files


def long_table(firms=40, seed=0) -> pd.DataFrame:
    random, rows = np.random.default_rng(seed), []
    for firm in range(firms):
        for year in range(2000, 2000 + int(random.integers(3, 7))):
            label = "yes" if firm % 4 == 0 else "no"
            rows.append((f"F{firm}", year, random.normal(), random.normal() + firm % 4, label))
    return pd.DataFrame(rows, columns=["firm", "time", "a", "b", "label"])


def written(path, frame):
    frame.to_csv(path, index=False)
    return path


def test_a_long_table_is_one_series_a_firm(tmp_path):
    frame = long_table().sample(frac=1, random_state=0)
    frame = frame[~((frame["firm"] == "F1") & (frame["time"] == 2001))]
    frame.loc[(frame["firm"] == "F2") & (frame["time"] == frame[frame["firm"] == "F2"]["time"].max()), "label"] = ""
    found = formats.read(written(tmp_path / "a.csv", frame), ROLES)
    assert found.variables == ["a", "b"] and len(found.series) == 40
    gap = found.series[found.names.index("F1")]
    assert np.isnan(gap[1]).all() and not np.isnan(gap[[0, 2]]).any()
    before = int((frame["firm"] == "F2").sum())
    assert len(found.series[found.names.index("F2")]) == before - 1, "the label of the last year is not known yet"
    assert found.said == ["1 missing steps are gaps", "1 rows after the last label of their firm are left out"]
    one = frame[frame["firm"] == "F5"].sort_values("time")
    np.testing.assert_array_equal(found.series[found.names.index("F5")], one[["a", "b"]])
    splits = load_data(Config(), str(tmp_path / "a.csv"), tmp_path)
    assert splits.meta["classes"] == ["no", "yes"] and sum(splits.sizes.values()) == 40


def test_a_wide_table_and_a_table_of_one_year(tmp_path):
    wide = pd.DataFrame(
        {"firm": ["a", "b"], "x_2001": [1, ""], "x_2000": [2, 3], "y_2001": [5, ""], "y_2000": [6, 7], "label": [0, 1]}
    )
    found = formats.read(written(tmp_path / "w.csv", wide), ROLES)
    assert found.variables == ["x", "y"] and found.labels == ["0", "1"]
    assert found.series[0].tolist() == [[2, 6], [1, 5]] and found.series[1].tolist() == [[3, 7]]
    before = pd.DataFrame({"firm": ["a", "b"], "x t-1": [1, 2], "x t-2": [3, 4], "label": [0, 1]})
    found = formats.read(written(tmp_path / "t.csv", before), ROLES)
    assert found.variables == ["x"] and found.series[0].tolist() == [[3], [1]]
    plain = pd.DataFrame({"cost1": [1, 2, 3], "cost2": ["", 5, 6], "name": ["u", "v", "w"], "label": [0, 1, 0]})
    found = formats.read(written(tmp_path / "p.csv", plain), ROLES)
    assert found.variables == ["cost1", "cost2"] and found.series[0].shape == (1, 2) and np.isnan(found.series[0][0, 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.assign(time="soon"), "time is 'soon'; expected a number, such as a year, or a date"),
        (lambda f: pd.concat([f, f.head(1)]), "has this time twice"),
        (lambda f: f.assign(b=["1", "x", *["2"] * (len(f) - 2)]), "row 3: b is 'x'"),
        (lambda f: f.drop(columns="firm"), "no column 'firm'"),
        (lambda f: f.drop(columns=["a", "b"]), "no column of numbers"),
        (lambda f: f.drop(columns="label"), "say --target"),
        (lambda f: f.assign(label=f["time"]), "expected two"),
        (lambda f: f.assign(label="no"), "expected two"),
        (lambda f: f.drop(columns="time"), "in more than one row"),
        (lambda f: f.assign(firm=["", *f["firm"][1:]]), "firm is empty"),
        (lambda f: pd.concat([f, f.head(1).assign(time=90_000)]), "would have"),
        (lambda f: f.assign(price=0.0, debt=1.0), "a price that is not above 0"),
    ],
)
def test_a_wrong_table_is_a_sentence(tmp_path, change, words):
    frame = change(long_table())
    with pytest.raises(UserError, match=words):
        load_data(Config(), str(written(tmp_path / "a.csv", frame)), tmp_path)


@pytest.mark.parametrize(
    "times, steps", [((202011, 202012, 202101, 202103), 5), ((20201230, 20201231, 20210101, 20210104), 4)]
)
def test_months_and_days_without_a_separator_are_times(tmp_path, times, steps):
    """A month that is missing is a gap, the end of a year is none. Days have no gaps: shares rest at weekends."""
    rows = pd.DataFrame({"firm": "a", "time": times, "x": range(4), "label": 0})
    (path := tmp_path / "t.csv").write_text(rows.to_csv(index=False))
    assert [len(series) for series in formats.read(path, ROLES).series] == [steps]
    path.write_text(rows.to_csv(index=False).replace(str(times[1]), "20201332"))
    with pytest.raises(UserError, match=r"row 3.*20201332|would have"):
        formats.read(path, ROLES)


def test_dates_order_a_table_and_names_must_differ(tmp_path):
    frame = long_table().assign(time=lambda f: f["time"].astype(str) + "-03-01")
    found = formats.read(written(tmp_path / "a.csv", frame.iloc[::-1]), ROLES)
    one = long_table().query("firm == 'F3'")
    np.testing.assert_array_equal(found.series[found.names.index("F3")], one[["a", "b"]])
    with pytest.raises(UserError, match="different columns"):
        load_data(Config(firm="time"), str(tmp_path / "a.csv"), tmp_path)
    with pytest.raises(UserError, match="--positive maybe"):
        load_data(Config(positive="maybe"), str(tmp_path / "a.csv"), tmp_path)


TS = """#comment
@problemName toy
@univariate false
@classLabel true u v
@data
1,2,3:4,5,?:u
1,2:3,4,7:v
"""


def test_a_ts_file_with_unequal_lengths_and_gaps(tmp_path):
    (tmp_path / "t.ts").write_text(TS)
    found = formats.read(tmp_path / "t.ts", ROLES)
    assert found.variables == ["x1", "x2"] and found.labels == ["u", "v"] and found.classes == ["u", "v"]
    np.testing.assert_array_equal(found.series[0], [[1, 4], [2, 5], [3, np.nan]])
    np.testing.assert_array_equal(found.series[1], [[1, 3], [2, 4], [np.nan, 7]])
    with pytest.raises(UserError, match="the run was trained on x1"):
        formats.read(tmp_path / "t.ts", ROLES, ["x1"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("@univariate false", "@timeStamps true", "time stamps"),
        ("@classLabel true u v", "@targetLabel true", "numbers as targets"),
        (":v\n", ":w\n", "line 7: its class is 'w'"),
        ("3,4,7", "3,x,7", "line 7: a value is no number"),
        ("1,2:3,4,7", "1,2", "line 7: it has 1 variables; expected 2"),
        ("1,2:3", "1,1e40:3", "line 7: a number is beyond"),
        ("@data", "data", "line 5: expected a line that begins with @"),
        ("1,2,3:4,5,?:u\n1,2:3,4,7:v\n", "", "holds no series"),
    ],
)
def test_a_wrong_ts_file_is_a_sentence(tmp_path, old, new, words):
    (tmp_path / "t.ts").write_text(TS.replace(old, new))
    with pytest.raises(UserError, match=words):
        formats.read(tmp_path / "t.ts", ROLES)


def test_an_arff_table(tmp_path):
    head = "@relation r\n@attribute A numeric\n@attribute B numeric\n@attribute class {0,1}\n@data\n"
    (tmp_path / "p.arff").write_text(head + "1.5,?,0\n2,3,1\n")
    found = formats.read(tmp_path / "p.arff", ROLES)
    assert found.variables == ["A", "B"] and found.labels == ["0", "1"]
    np.testing.assert_array_equal(found.series[0], [[1.5, np.nan]])
    for text, words in (("no table", "no .arff table"), (head, "no column of numbers"), (head + "a,b,0\n", "no .arff")):
        (tmp_path / "p.arff").write_text(text)
        with pytest.raises(UserError, match=words):
            formats.read(tmp_path / "p.arff", ROLES)


def test_the_metric_of_series_is_accuracy():
    project = Project("bankruptcy")
    assert project.metric("some/Vowels_TRAIN.ts") == ("accuracy", "max")
    assert project.metric("firms.csv") == project.metric("builtin") == ("average_precision", "max")


# Commands


def series_file(path, count=60, classes=3):
    """Series of unequal length whose class is the period of a sine."""
    random, lines = np.random.default_rng(0), ["@classLabel true a b c", "@data"]
    for number in range(count):
        length, label = int(random.integers(12, 25)), number % classes
        wave = np.sin(np.arange(length) * (0.5 + 0.6 * label) + random.uniform(0, 6)) + random.normal(0, 0.1, length)
        lines.append(",".join(f"{value:.3f}" for value in wave) + ":" + "abc"[label])
    path.write_text("\n".join(lines))
    return path


def test_series_are_learnt_scored_and_evaluated_on_a_new_file(tmp_path):
    file, place = series_file(tmp_path / "waves.ts"), ["--runs-dir", str(tmp_path / "runs")]
    knobs = ["--model", "rocket", "--kernels", "84", "--epochs", "15", "--learning-rate", "0.02", "--batch-size", "16"]
    done = run_here("projects.bankruptcy.train", "--data", str(file), *knobs, *place)
    assert done.returncode == 0, done.stderr
    done = run_here("projects.bankruptcy.evaluate", "--data", str(series_file(tmp_path / "new.ts", 30)), *place)
    assert done.returncode == 0 and "30 rows" in done.stdout, done.stderr
    done = run_here("projects.bankruptcy.predict", "--input", str(file), "--output", str(tmp_path / "out.csv"), *place)
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(tmp_path / "out.csv")
    right = scored["answer"].to_numpy() == np.array(list("abc") * 20)
    assert len(scored) == 60 and right.mean() > 0.8 and scored["steps"].between(12, 24).all()


def test_firms_of_a_table_are_learnt_and_scored_without_labels(tmp_path):
    file, place = written(tmp_path / "own.csv", long_table(120)), ["--runs-dir", str(tmp_path / "runs")]
    knobs = ["--model", "gru", "--units", "8", "--epochs", "2", "--base-rate", "0.03"]
    done = run_here("projects.bankruptcy.train", "--data", str(file), *knobs, *place)
    assert done.returncode == 0, done.stderr
    new = written(tmp_path / "new.csv", long_table(9, seed=1).drop(columns="label"))
    done = run_here("projects.bankruptcy.predict", "--input", str(new), "--output", str(tmp_path / "out.csv"), *place)
    assert done.returncode == 0, done.stderr
    scored = pd.read_csv(tmp_path / "out.csv")
    assert list(scored) == ["firm", "risk", "alarm", "steps"] and len(scored) == 9
    assert scored["risk"].mean() < 0.1, "the base rate is 3 %"
    half = long_table(9, seed=1)
    half.loc[half["time"] > 2001, "label"] = ""
    source, target = written(tmp_path / "half.csv", half), tmp_path / "half_out.csv"
    done = run_here("projects.bankruptcy.predict", "--input", str(source), "--output", str(target), *place)
    pd.testing.assert_frame_equal(pd.read_csv(target), scored, obj="scores do not depend on which labels are known")
    named = written(tmp_path / "named.csv", long_table(9, seed=1).assign(firm=lambda t: "=" + t["firm"].astype(str)))
    quoting = ["--input", str(named), "--output", str(target), "--quote-formulas"]
    done = run_here("projects.bankruptcy.predict", *quoting, *place)
    assert done.returncode == 0 and pd.read_csv(target)["firm"].str.startswith("'=").all(), done.stderr
    done = run_here("projects.bankruptcy.evaluate", "--data", str(new), *place)
    assert done.returncode == 2 and "no series with a label" in done.stderr


def test_the_predictor_slides_and_occludes(trained):
    predictor = trained("bankruptcy").load()
    raw = predictor.examples[0]
    ends, logits = predictor.over_time(raw, 9)
    assert ends[-1] == len(raw["price"]) and len(logits) == len(ends) <= 9
    cut = {name: values[: ends[0]] for name, values in raw.items()}
    np.testing.assert_allclose(predictor.decode(logits[0])["risk"], predictor.predict(cut)["risk"], atol=1e-6)
    starts, parts = predictor.occlusion(raw)
    assert len(starts) == len(parts) and np.isfinite(parts).all() and np.abs(parts).max() > 0
    level = {"price": [5.0] * 30, "debt": [4.0] * 30}
    np.testing.assert_allclose(predictor.occlusion(level)[1], 0, atol=1e-5)
    keras.backend.clear_session()


# The page


def opened(**address) -> AppTest:
    app = AppTest.from_file(str(ROOT / "apps" / "bankruptcy.py"), default_timeout=120)
    for name, value in address.items():
        app.query_params[name.replace("_", "-")] = str(value)
    app.run()
    assert not app.exception and not app.error, [*app.exception, *app.error]
    return app


def percent(app: AppTest, label: str) -> float:
    return float(next(part.value for part in app.metric if label in part.label).rstrip("%"))


def test_the_page_cuts_shocks_and_draws(copied, monkeypatch):
    predictor = copied("bankruptcy").load()
    raw = predictor.examples[1]
    cut = {name: values[:200] for name, values in raw.items()}
    app = opened(example=1, end=200, shock=True, shock_day=190, shock_size=-80)
    assert percent(app, "Risk of failure") == pytest.approx(100 * predictor.predict(cut)["risk"], abs=0.06)
    price = np.array(cut["price"])
    price[189:] *= 0.2
    after = predictor.predict({**cut, "price": price.tolist()})["risk"]
    assert percent(app, "after the shock") == pytest.approx(100 * after, abs=0.06)

    falling, places = np.zeros((280, 280, 3), np.uint8), np.arange(20, 260)
    for thick in (-1, 0, 1):
        falling[places + thick, places] = 255
    risks = []
    for picture in (falling, falling[::-1]):
        monkeypatch.setattr(canvas, "sketch", lambda *_, picture=picture: picture)
        app = opened(way="draw", noise=0.0)
        risks.append(json.loads(app.json[0].value)["probabilities"]["fails"])
    assert risks[0] > risks[1], "a price that falls is riskier than one that rises"
    monkeypatch.setattr(canvas, "sketch", lambda *_: None)
    assert any("Draw a line" in part.value for part in opened(way="draw").info)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_scores_a_file_and_shows_lead_times(copied, language):
    run = copied("bankruptcy")
    predictor = run.load()
    app = opened(part="file", language=language)
    raw = predictor.examples[0]
    rows = pd.DataFrame(raw).assign(firm="a, b", time=range(len(raw["price"])))
    app.file_uploader(key="firms").upload("my.csv", rows.to_csv(index=False).encode(), "text/csv").run()
    assert not app.exception and not app.error, [*app.exception, *app.error]
    assert float(app.dataframe[0].value["risk"].iloc[0]) == pytest.approx(predictor.predict(raw)["risk"], abs=1e-5)
    app.file_uploader(key="firms").upload("my.csv", b"firm,time,price\na,1,5\n", "text/csv").run()
    assert not app.exception and "my.csv" in app.error[0].value and "debt" in app.error[0].value
    table = pd.read_csv(run.path / "lead.csv").query("model == 'mlp' and false_alarms == 0.1").iloc[0]
    app = opened(part="alarm", rate=0.1, language=language)
    assert app.metric[1].value == f"{table['found']:.0%}" and app.metric[2].value == f"{table['mean_days']:.0f}"


def test_tomorrows_price_is_forecast_beside_todays(copied, tmp_path):
    """A price that returns to its mean can be forecast; a table of the lectures' form is read as it is."""
    copied("bankruptcy")
    random, price = np.random.default_rng(0), [10.0]
    for _ in range(299):
        price.append(10 + 0.2 * (price[-1] - 10) + random.normal())
    rows = [f"d{day},{day % 7},{value}" for day, value in enumerate(price)]
    table = "\n".join(["# from somewhere", "# Date,Volume,Close", *rows]).encode()
    (tmp_path / "prices.csv").write_bytes(without_comments(table))
    values = read_prices(tmp_path / "prices.csv").to_numpy()
    assert values.shape == (300, 2) and values[:, 1] == pytest.approx(price)
    done = forecast(values, "mlp", True, 0)
    assert len(done.truth) == 90 and done.truth == pytest.approx(price[210:], rel=1e-4)
    assert done.last == pytest.approx(price[209:-1], rel=1e-4) and verdict(done)[0] == "better"
    noisy, same = (Forecast(done.truth, done.last, done.last + k * random.normal(size=90)) for k in (3, 0))
    assert verdict(noisy)[0] == "worse" and verdict(same) == ("not distinguishable", 1)
    app = opened(part="forecast", network="mlp", predicts="change", latest_first=False)
    assert not app.run().exception, "the answer that is remembered is shown as the first time"
    app.file_uploader(key="prices").upload("prices.csv", table, "text/csv").run()
    assert not app.exception and not app.error, [*app.exception, *(part.value for part in app.error)]
    own, naive = (np.sqrt((errors**2).mean()) for errors in done.errors())
    assert [part.value for part in app.metric] == [f"{own:.4f}", f"{naive:.4f}"]
    assert any("The network is better than persistence" in part.value for part in app.markdown)
    wrong = {"a,b\nx,y\n": "numbers", "p\n" + "1\n" * 9: "9 days", "p\n1\nx\n" + "1\n" * 90: "row 2"}
    for content, words in wrong.items():
        app.file_uploader(key="prices").upload("bad.csv", content.encode(), "text/csv").run()
        assert not app.exception and words in app.error[0].value
