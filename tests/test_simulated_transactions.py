"""The simulated card transactions: the recipe's rules hold, and every window feature is exactly right."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.fraud_detection.simulate import (
    CUSTOMER_FEATURES,
    FEATURES,
    TERMINAL_FEATURES,
    _at_fraudulent_terminal,
    _leak_customers,
    add_features,
    simulate,
)

DAY = 86_400
START = pd.Timestamp("2018-04-01")
SMALL = {"customers": 200, "terminals": 800, "days": 40}


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    return simulate(**SMALL, seed=3)


def frame(seconds, customer, terminal, cents, fraud) -> pd.DataFrame:
    """A table of transactions, sorted by time, with what add_features needs and nothing else."""
    order = np.argsort(seconds, kind="stable")
    seconds = np.asarray(seconds, np.int64)[order]
    return pd.DataFrame(
        {
            "TX_DATETIME": START + pd.to_timedelta(seconds, unit="s"),
            "TX_TIME_SECONDS": seconds,
            "CUSTOMER_ID": np.asarray(customer)[order],
            "TERMINAL_ID": np.asarray(terminal)[order],
            "TX_AMOUNT": np.asarray(cents)[order] / 100,
            "TX_FRAUD": np.asarray(fraud)[order],
        }
    )


def brute_force(table: pd.DataFrame) -> pd.DataFrame:
    """The 14 features by looking at every pair of rows."""
    rows = list(table.itertuples(index=False))
    result = {name: [] for name in FEATURES[1:]}
    for i, row in enumerate(rows):
        result["TX_DURING_WEEKEND"].append(int(row.TX_DATETIME.weekday() in (5, 6)))
        result["TX_DURING_NIGHT"].append(int(row.TX_DATETIME.time() < pd.Timestamp("07:00").time()))
        for w in (1, 7, 30):
            amounts = [
                past.TX_AMOUNT
                for past in rows[: i + 1]
                if past.CUSTOMER_ID == row.CUSTOMER_ID and row.TX_TIME_SECONDS - w * DAY < past.TX_TIME_SECONDS
            ]
            result[f"CUSTOMER_ID_NB_TX_{w}DAY_WINDOW"].append(len(amounts))
            result[f"CUSTOMER_ID_AVG_AMOUNT_{w}DAY_WINDOW"].append(sum(amounts) / len(amounts))
            frauds = [
                past.TX_FRAUD
                for past in rows
                if past.TERMINAL_ID == row.TERMINAL_ID
                and row.TX_TIME_SECONDS - (7 + w) * DAY < past.TX_TIME_SECONDS <= row.TX_TIME_SECONDS - 7 * DAY
            ]
            result[f"TERMINAL_ID_NB_TX_{w}DAY_WINDOW"].append(len(frauds))
            result[f"TERMINAL_ID_RISK_{w}DAY_WINDOW"].append(sum(frauds) / len(frauds) if frauds else 0)
    return pd.DataFrame(result)


def assert_same_features(table: pd.DataFrame) -> None:
    computed, expected = add_features(table), brute_force(table)
    for name in FEATURES[1:]:
        # Counts and flags are exact; fractions and means are stored as float32.
        exact = "AVG" not in name and "RISK" not in name
        np.testing.assert_allclose(computed[name], expected[name], rtol=0 if exact else 1e-6, atol=0 if exact else 1e-6)


# Quarter days make equal times and rows exactly on the edge of a window; the odd second lands just beside an edge.
times = st.builds(lambda quarter, odd: quarter * DAY // 4 + odd, st.integers(0, 4 * 45), st.sampled_from([0, 0, 0, 1]))
transaction = st.tuples(times, st.integers(0, 2), st.integers(0, 2), st.integers(0, 50_000), st.integers(0, 1))


@settings(max_examples=100, deadline=None)
@given(st.lists(transaction, min_size=1, max_size=40))
def test_windows_equal_brute_force(transactions):
    assert_same_features(frame(*zip(*transactions, strict=True)))


def test_windows_equal_brute_force_on_a_busy_table():
    rng = np.random.default_rng(0)
    seconds = rng.integers(0, 60 * 24, 400) * 3600  # whole hours: many equal times
    table = frame(
        seconds, rng.integers(0, 4, 400), rng.integers(0, 4, 400), rng.integers(0, 9999, 400), rng.random(400) < 0.3
    )
    assert table.duplicated(["TX_TIME_SECONDS", "CUSTOMER_ID"]).any()
    assert table.duplicated(["TX_TIME_SECONDS", "TERMINAL_ID"]).any()
    assert_same_features(table)


def test_equal_times_later_row_counts_the_earlier():
    table = add_features(frame([DAY] * 3, [5] * 3, [9] * 3, [100, 200, 600], [0, 1, 0]))
    assert table["CUSTOMER_ID_NB_TX_1DAY_WINDOW"].tolist() == [1, 2, 3]
    assert table["CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW"].tolist() == [1, 1.5, 3]
    assert table["TERMINAL_ID_NB_TX_30DAY_WINDOW"].tolist() == [0, 0, 0]


def test_window_edges():
    """A transaction leaves the customer's window after exactly w days, and enters the terminal's after exactly 7."""
    table = add_features(
        frame([0, DAY - 1, DAY, 7 * DAY - 1, 7 * DAY, 8 * DAY], [1] * 6, [1] * 6, [100] * 6, [1, 0, 0, 0, 0, 0])
    )
    assert table["CUSTOMER_ID_NB_TX_1DAY_WINDOW"].tolist() == [1, 2, 2, 1, 2, 1]
    assert table["TERMINAL_ID_NB_TX_1DAY_WINDOW"].tolist() == [0, 0, 0, 0, 1, 2]
    assert table["TERMINAL_ID_RISK_1DAY_WINDOW"].tolist() == [0, 0, 0, 0, 1, 0]
    np.testing.assert_allclose(table["TERMINAL_ID_RISK_7DAY_WINDOW"], [0, 0, 0, 0, 1, 1 / 3], rtol=1e-6)


def test_features_do_not_depend_on_names_of_groups_or_index(small):
    renamed = small.assign(
        CUSTOMER_ID="c" + small["CUSTOMER_ID"].astype(str), TERMINAL_ID=-small["TERMINAL_ID"] * 10**9
    )
    renamed.index = renamed.index[::-1]
    np.testing.assert_array_equal(add_features(renamed)[list(FEATURES)], add_features(small)[list(FEATURES)])
    assert add_features(renamed).index.equals(renamed.index)


def test_features_look_at_no_later_row(small):
    """Cutting the table off changes nothing in what is left: no feature knows the future."""
    cut = len(small) // 2
    pd.testing.assert_frame_equal(add_features(small)[:cut], add_features(small[:cut]))


def test_add_features_leaves_its_argument_alone(small):
    before = small.copy()
    with_features = add_features(small)
    pd.testing.assert_frame_equal(small, before)
    assert list(with_features.columns) == [*small.columns, *FEATURES[1:]]
    assert add_features(small[:0])[list(FEATURES)].shape == (0, 15)


def test_feature_names():
    assert len(FEATURES) == len(set(FEATURES)) == 15
    assert set(CUSTOMER_FEATURES) | set(TERMINAL_FEATURES) < set(FEATURES)


def test_add_features_errors(small):
    with pytest.raises(ValueError, match="sorted by TX_TIME_SECONDS"):
        add_features(small[::-1])
    with pytest.raises(ValueError, match="columns CUSTOMER_ID, TX_FRAUD, which are missing"):
        add_features(small.drop(columns=["CUSTOMER_ID", "TX_FRAUD"]))
    with pytest.raises(ValueError, match="missing ones in TX_AMOUNT"):
        add_features(small.assign(TX_AMOUNT=np.nan))
    with pytest.raises(ValueError, match="finite amounts"):
        add_features(small.assign(TX_AMOUNT=np.inf))
    with pytest.raises(ValueError, match="only 0 and 1"):
        add_features(small.assign(TX_FRAUD=2))
    with pytest.raises(ValueError, match="dates in TX_DATETIME"):
        add_features(small.assign(TX_DATETIME="2018-04-01"))
    with pytest.raises(ValueError, match="whole numbers in TX_TIME_SECONDS"):
        add_features(small.assign(TX_TIME_SECONDS=0.5))


def test_same_seed_same_table(small):
    pd.testing.assert_frame_equal(simulate(**SMALL, seed=3), small)
    assert not simulate(**SMALL, seed=4).equals(small)


def test_table_is_consistent(small):
    seconds = small["TX_TIME_SECONDS"]
    assert seconds.is_monotonic_increasing
    assert (small["TX_DATETIME"] == START + pd.to_timedelta(seconds, unit="s")).all()
    assert (small["TX_TIME_DAYS"] == seconds // DAY).all()
    assert (seconds % DAY > 0).all()
    assert (small["TRANSACTION_ID"] == np.arange(len(small))).all()
    assert small["TX_TIME_DAYS"].between(0, SMALL["days"] - 1).all()
    assert small["CUSTOMER_ID"].between(0, SMALL["customers"] - 1).all()
    assert small["TERMINAL_ID"].between(0, SMALL["terminals"] - 1).all()
    cents = small["TX_AMOUNT"].astype(float) * 100
    assert (small["TX_AMOUNT"] >= 0).all()
    np.testing.assert_allclose(cents, cents.round(), atol=0.01)


def test_start_sets_the_date_only(small):
    later = simulate(**SMALL, seed=3, start="2024-02-28 15:00")
    assert later["TX_DATETIME"].min().normalize() == pd.Timestamp("2024-02-28")
    pd.testing.assert_frame_equal(later.drop(columns="TX_DATETIME"), small.drop(columns="TX_DATETIME"))


def test_scenarios(small):
    scenario = small["TX_FRAUD_SCENARIO"]
    assert set(scenario) == {0, 1, 2, 3}
    assert (small["TX_FRAUD"] == (scenario > 0)).all()
    assert (small.loc[scenario == 1, "TX_AMOUNT"] > 220).all()
    assert (small.loc[scenario == 0, "TX_AMOUNT"] <= 220).all()
    cents = (small.loc[scenario == 3, "TX_AMOUNT"].astype(float) * 100).round()
    assert (cents % 5 == 0).all()  # five times whole cents


def test_scenario_2_takes_a_terminal_for_28_days():
    """One drawing day, and a visit to every terminal on each of 29 days: two terminals are fraudulent on 28 of them."""
    day, terminal = np.divmod(np.arange(29 * 1000), 1000)
    fraudulent = _at_fraudulent_terminal(day, terminal, 1000, 1, np.random.default_rng(0)).reshape(29, 1000)
    assert sorted(fraudulent.sum(axis=0))[-3:] == [0, 28, 28]
    assert fraudulent.sum(axis=1).tolist() == [2] * 28 + [0]


def test_scenario_3_takes_a_customer_for_14_days():
    table = simulate(customers=3000, terminals=3000, days=60)
    days = table[table["TX_FRAUD_SCENARIO"] == 3].groupby("CUSTOMER_ID")["TX_TIME_DAYS"]
    spans = days.max() - days.min() + 1
    assert (spans == 14).any()
    assert (spans <= 14).mean() > 0.9  # the others were drawn twice


def test_leaks_are_where_and_as_long_as_cards_are_leaked():
    day, customer = np.divmod(np.arange(60 * 500), 500)
    amount, scenario = np.ones(len(day)), np.zeros(len(day), np.int8)
    leaks = _leak_customers(day, customer, amount, scenario, 500, 60, np.random.default_rng(0))
    stolen = scenario == 3
    assert leaks.shape == (500, 60) and leaks[:, 13:].sum() == 47 * 3 * 14 and (leaks[customer, day][stolen] > 0).all()
    assert ((amount > 1) == stolen).all()


def test_scenario_3_takes_a_third_of_the_transactions():
    """With three customers all are drawn every day; on the last day a third of that day's transactions is taken."""
    counts = []
    for seed in range(20):
        table = simulate(customers=3, terminals=10_000, days=1, seed=seed)
        counts.append(((table["TX_FRAUD_SCENARIO"] == 3).sum(), len(table) // 3))
    assert any(expected for _, expected in counts)
    assert all(count == expected for count, expected in counts)


@pytest.mark.parametrize("sizes", [(2, 10, 1), (3, 1, 1), (3, 2, 0)])
def test_sizes_too_small(sizes):
    with pytest.raises(ValueError, match="customers >= 3, terminals >= 2 and days >= 1"):
        simulate(*sizes)


def test_nobody_in_reach():
    table = simulate(customers=3, terminals=2, days=5, seed=0)
    assert table.empty
    assert add_features(table).empty
