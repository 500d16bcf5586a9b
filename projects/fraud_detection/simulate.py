"""Generated card transactions with fraud labels, made by a published recipe.

The recipe is the "Transaction data simulator" and the "Baseline feature transformation" of Le Borgne, Siblini, Lebichot
and Bontempi, "Reproducible Machine Learning for Credit Card Fraud Detection - Practical Handbook" (2022), chapter 3,
https://fraud-detection-handbook.github.io/fraud-detection-handbook/. The method is theirs; the code is written afresh.

These are no real payments, and not the handbook's data file: the distribution is the same, the random numbers are
others. Fraud follows three simple rules, so a score on this data says nothing about fraud in the world.
"""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

SECONDS_PER_DAY = 86_400
SIDE = 100.0  # side of the square in which customers and terminals lie; it has no unit
RADIUS = 5.0  # largest distance between a customer and a terminal, in the unit of SIDE
MAX_GENUINE_AMOUNT = 220.0  # scenario 1: every larger amount is fraud
TERMINALS_PER_DAY, TERMINAL_FRAUD_DAYS = 2, 28  # scenario 2: terminals that are compromised on each day, for how long
CUSTOMERS_PER_DAY, CUSTOMER_FRAUD_DAYS = 3, 14  # scenario 3: customers whose card leaks on each day, for how long
WINDOWS = (1, 7, 30)  # days
WORLD_SEED = 4  # one of four seeds, of 20, whose columns are within a KS distance of 0.02 of the handbook's file
DELAY = 7  # days until it is known whether a transaction was fraud

CUSTOMER_FEATURES = tuple(f"CUSTOMER_ID_{kind}_{w}DAY_WINDOW" for w in WINDOWS for kind in ("NB_TX", "AVG_AMOUNT"))
TERMINAL_FEATURES = tuple(f"TERMINAL_ID_{kind}_{w}DAY_WINDOW" for w in WINDOWS for kind in ("NB_TX", "RISK"))
FEATURES = ("TX_AMOUNT", "TX_DURING_WEEKEND", "TX_DURING_NIGHT", *CUSTOMER_FEATURES, *TERMINAL_FEATURES)
"""The 15 columns that a model may use."""

NEEDED = ("TX_DATETIME", "TX_TIME_SECONDS", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")


def simulate(
    customers: int = 5000, terminals: int = 10000, days: int = 183, start: str = "2018-04-01", seed: int = WORLD_SEED
) -> pd.DataFrame:
    """Draw the transactions of `customers` at `terminals` over `days` days, frauds included.

    Returns one row for each transaction, in the order of time, about 1.94 * customers * days rows:
    TRANSACTION_ID int32, the row number; TX_DATETIME datetime64[ns]; CUSTOMER_ID and TERMINAL_ID int32, from 0;
    TX_AMOUNT float32, whole cents; TX_TIME_SECONDS and TX_TIME_DAYS int32, since midnight of `start`;
    TX_FRAUD int8, 0 or 1; TX_FRAUD_SCENARIO int8, 0 for a genuine transaction, else the scenario 1-3 of the fraud.

    The same arguments give the same table (with one NumPy version). The default size is the handbook's. It gives 1.773
    million rows (standard deviation over 20 seeds: 0.015 million), 0.845 % of them fraud (0.012 %); the handbook's file
    has 1.754 million and 0.837 %. The number of compromised terminals and cards a day is fixed, so a smaller table has
    more fraud: 3.9 % with 1000 customers and 2000 terminals. A customer without a terminal in reach makes no
    transactions. The time of day in `start` is ignored.

    Raises ValueError for fewer customers or terminals than the fraud of one day needs (3 and 2), or for no days.
    """
    if customers < CUSTOMERS_PER_DAY or terminals < TERMINALS_PER_DAY or days < 1:
        raise ValueError(
            f"simulate needs customers >= {CUSTOMERS_PER_DAY}, terminals >= {TERMINALS_PER_DAY} and days >= 1; "
            f"got {customers}, {terminals} and {days}."
        )
    rng = np.random.default_rng(seed)
    day, second, customer, terminal, amount = _genuine(customers, terminals, days, rng)
    scenario = np.zeros(len(day), np.int8)
    scenario[amount > MAX_GENUINE_AMOUNT] = 1
    scenario[_at_fraudulent_terminal(day, terminal, terminals, days, rng)] = 2
    _leak_customers(day, customer, amount, scenario, customers, days, rng)  # the last, so its label overrides others
    seconds = day * SECONDS_PER_DAY + second
    midnight = np.datetime64(pd.Timestamp(start).normalize(), "ns")
    return pd.DataFrame(
        {
            "TRANSACTION_ID": np.arange(len(day), dtype=np.int32),
            "TX_DATETIME": midnight + (seconds * 10**9).astype("timedelta64[ns]"),
            "CUSTOMER_ID": customer.astype(np.int32),
            "TERMINAL_ID": terminal.astype(np.int32),
            "TX_AMOUNT": amount.round(2).astype(np.float32),
            "TX_TIME_SECONDS": seconds.astype(np.int32),
            "TX_TIME_DAYS": day.astype(np.int32),
            "TX_FRAUD": (scenario > 0).astype(np.int8),
            "TX_FRAUD_SCENARIO": scenario,
        }
    )


def _genuine(customers: int, terminals: int, days: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Day, second of the day, customer, terminal and amount of each transaction before fraud, in the order of time."""
    home = rng.uniform(0, SIDE, (customers, 2))
    mean_amount = rng.uniform(5, 100, customers)
    mean_per_day = rng.uniform(0, 4, customers)
    places = rng.uniform(0, SIDE, (terminals, 2))
    in_reach = cKDTree(places).query_ball_point(home, RADIUS, return_sorted=True)
    choices = np.array([len(ids) for ids in in_reach])
    first = np.cumsum(choices) - choices  # index of each customer's first terminal in the flat list
    flat = np.concatenate([np.asarray(ids, np.int64) for ids in in_reach])
    mean_per_day[choices == 0] = 0

    made = rng.poisson(mean_per_day, (days, customers)).ravel()
    day, customer = np.divmod(np.repeat(np.arange(days * customers), made), customers)
    second = rng.normal(SECONDS_PER_DAY / 2, 20_000, len(day)).astype(np.int64)
    kept = (second > 0) & (second < SECONDS_PER_DAY)  # the recipe drops times outside the day: 3 %
    day, second, customer = day[kept], second[kept], customer[kept]
    order = np.argsort(day * SECONDS_PER_DAY + second, kind="stable")
    day, second, customer = day[order], second[order], customer[order]

    mean = mean_amount[customer]
    amount = rng.normal(mean, mean / 2)
    negative = amount < 0
    amount[negative] = rng.uniform(0, 2 * mean[negative])
    terminal = flat[first[customer] + rng.integers(0, choices[customer])]
    return day, second, customer, terminal, amount.round(2)


def _at_fraudulent_terminal(
    day: np.ndarray, terminal: np.ndarray, terminals: int, days: int, rng: np.random.Generator
) -> np.ndarray:
    """Scenario 2: which transactions are at a terminal on the day it was drawn or on one of the 27 days after it."""
    fraudulent = np.zeros((terminals, days + TERMINAL_FRAUD_DAYS), bool)
    for today in range(days):
        drawn = rng.choice(terminals, TERMINALS_PER_DAY, replace=False)
        fraudulent[drawn, today : today + TERMINAL_FRAUD_DAYS] = True
    return fraudulent[terminal, day]


def _leak_customers(
    day: np.ndarray,
    customer: np.ndarray,
    amount: np.ndarray,
    scenario: np.ndarray,
    customers: int,
    days: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Scenario 3, in place: a third of the transactions of the drawn customers in 14 days cost five times as much.

    The third is drawn among the transactions of the day's three customers together, not of each of them. Returns how
    many leaks each customer's card has on each day: (customers, days).
    """
    leaks = np.zeros((customers, days), np.int8)
    by_customer = np.argsort(customer, kind="stable")
    key = customer[by_customer] * days + day[by_customer]
    for today in range(days):
        drawn = rng.choice(customers, CUSTOMERS_PER_DAY, replace=False)
        leaks[drawn, today : today + CUSTOMER_FRAUD_DAYS] += 1
        begin = np.searchsorted(key, drawn * days + today)
        end = np.searchsorted(key, drawn * days + min(today + CUSTOMER_FRAUD_DAYS, days))
        rows = np.concatenate([by_customer[b:e] for b, e in zip(begin, end, strict=True)])
        stolen = rng.choice(rows, len(rows) // 3, replace=False)
        amount[stolen] *= 5
        scenario[stolen] = 3
    return leaks


def add_features(transactions: pd.DataFrame) -> pd.DataFrame:
    """A copy of `transactions` with the 14 columns of FEATURES that are computed, not recorded.

    It needs the columns TX_DATETIME (datetime), TX_TIME_SECONDS (whole seconds since any moment, never decreasing),
    CUSTOMER_ID and TERMINAL_ID (of any kind), TX_AMOUNT and TX_FRAUD (0 or 1). Other columns and the index stay.

    TX_DURING_WEEKEND, TX_DURING_NIGHT (before 7 o'clock): int8, 0 or 1. All others float32, for w = 1, 7, 30 days:
    CUSTOMER_ID_NB_TX and _AVG_AMOUNT: the number of the customer's transactions in (t - w, t] up to this row, and their
    mean amount. TERMINAL_ID_NB_TX and _RISK: the number of the terminal's transactions in (t - 7 - w, t - 7], and the
    fraction of fraud among them (0 without any). It takes 7 days until a fraud is known. Windows that begin before the
    first row (up to 37 days back) hold less than they would with earlier data.

    Among rows with equal times a later row counts the earlier ones, and not the other way round. Counts and risks are
    exact. Averages have the rounding of a float64 running sum over the whole table, which is far below a cent.

    Raises ValueError for a missing column, a missing or infinite value, a wrong type, or rows out of order.
    """
    if missing := [name for name in NEEDED if name not in transactions.columns]:
        raise ValueError(f"add_features needs the columns {', '.join(missing)}, which are missing.")
    if empty := [name for name in NEEDED if transactions[name].isna().any()]:
        raise ValueError(f"add_features needs a value in every row; there are missing ones in {', '.join(empty)}.")
    when, time = transactions["TX_DATETIME"], transactions["TX_TIME_SECONDS"]
    if not pd.api.types.is_datetime64_any_dtype(when) or not pd.api.types.is_integer_dtype(time):
        raise ValueError(
            "add_features needs dates in TX_DATETIME and whole numbers in TX_TIME_SECONDS; "
            f"got {when.dtype} and {time.dtype}."
        )
    if not time.is_monotonic_increasing:
        raise ValueError("add_features needs its rows sorted by TX_TIME_SECONDS: sort_values('TX_TIME_SECONDS').")
    amount = transactions["TX_AMOUNT"].to_numpy(np.float64)
    fraud = transactions["TX_FRAUD"].to_numpy(np.float64)
    if not np.isfinite(amount).all() or not np.isin(fraud, (0, 1)).all():
        raise ValueError("add_features needs finite amounts in TX_AMOUNT and only 0 and 1 in TX_FRAUD.")

    columns = {
        "TX_DURING_WEEKEND": (when.dt.day_of_week >= 5).to_numpy(np.int8),
        "TX_DURING_NIGHT": (when.dt.hour <= 6).to_numpy(np.int8),
    }
    seconds = time.to_numpy(np.int64)
    columns.update(zip(CUSTOMER_FEATURES, _windows(transactions["CUSTOMER_ID"], seconds, amount, 0), strict=True))
    columns.update(zip(TERMINAL_FEATURES, _windows(transactions["TERMINAL_ID"], seconds, fraud, DELAY), strict=True))
    return transactions.assign(**columns)


def _windows(group: pd.Series, seconds: np.ndarray, values: np.ndarray, delay: int) -> list[np.ndarray]:
    """For each w of WINDOWS: the number and the mean of the group's values in (t - delay - w, t - delay] days."""
    code = pd.factorize(group)[0].astype(np.int64)
    order = np.argsort(code, kind="stable")  # the rows are sorted by time, so this sorts by (group, time)
    # The key is one number for group and time. The distance between two groups is larger than times and windows reach,
    # so the search for a row ends among the rows of its group or just before them.
    reach = (delay + max(WINDOWS)) * SECONDS_PER_DAY
    span = int(np.ptp(seconds)) + reach + 1 if len(seconds) else 1
    key = code[order] * span + (seconds[order] - seconds[:1])
    total = np.concatenate([[0.0], np.cumsum(values[order])])
    # Without a delay the window ends with the row itself. A search would include later rows of the same second.
    end = np.searchsorted(key, key - delay * SECONDS_PER_DAY, "right") if delay else np.arange(1, len(key) + 1)
    result = []
    for w in WINDOWS:
        begin = np.searchsorted(key, key - (delay + w) * SECONDS_PER_DAY, "right")
        count = end - begin
        for sorted_values in (count, (total[end] - total[begin]) / np.maximum(count, 1)):
            column = np.empty(len(key), np.float32)
            column[order] = sorted_values
            result.append(column)
    return result
