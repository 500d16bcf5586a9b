"""What a row's card did before, and how the columns of a row relate to each other.

The rows of one card are ordered by time. Rows at the same time keep the order of the file: each sees those above it.
"""

from typing import Any

import numpy as np
import pandas as pd

from projects.fraud_detection.simulate import FEATURES, WINDOWS

SECONDS_PER_HOUR, SECONDS_PER_DAY = 3600, 86_400


def has_relations(frame: pd.DataFrame) -> bool:
    """Whether a table has the handbook's columns."""
    return set(FEATURES) <= set(frame)


def relations(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Ratios and products of the handbook's columns: {name: (rows,)}.

    They are: log(1 + column) of each column; for each window of days the log of the amount divided by the card's mean
    amount, with and without this transaction in the mean; and log(1 + number of the terminal's frauds), which is its
    risk times its number of transactions. A network needs more examples than a week has to learn ratios and products.
    """
    # Asking pandas for each column would take longer than the arithmetic of one row.
    columns = dict(zip(FEATURES, frame[list(FEATURES)].to_numpy(float).T, strict=True))
    result = {f"log {name}": np.log1p(np.maximum(values, 0)) for name, values in columns.items()}
    amount, log_amount = columns["TX_AMOUNT"], result["log TX_AMOUNT"]
    for w in WINDOWS:
        count, mean = (columns[f"CUSTOMER_ID_{kind}_{w}DAY_WINDOW"] for kind in ("NB_TX", "AVG_AMOUNT"))
        others = (mean * count - amount) / np.maximum(count - 1, 1)
        result[f"amount to mean, {w}"] = log_amount - np.log1p(np.maximum(mean, 0))
        result[f"amount to others, {w}"] = np.where(count > 1, log_amount - np.log1p(np.maximum(others, 0)), 0)
        frauds = columns[f"TERMINAL_ID_NB_TX_{w}DAY_WINDOW"] * columns[f"TERMINAL_ID_RISK_{w}DAY_WINDOW"]
        result[f"terminal frauds, {w}"] = np.log1p(np.maximum(frauds, 0))
    return result


def histories(keys: np.ndarray, times: np.ndarray, length: int, rows: Any = slice(None)) -> np.ndarray:
    """The last `length` rows with a row's key: row numbers (rows, length), the oldest first, the row itself last.

    keys (cards, terminals), times: (all rows,), in any order. rows: the numbers of those that are asked for. -1 stands
    where the key has no such row. So a key that is seen for the first time has -1 everywhere except in the last column.
    """
    codes = pd.factorize(keys)[0]
    order = np.lexsort((times, codes))  # lexsort is stable: equal times keep their order
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    steps = place[rows][:, None] - np.arange(length)[::-1]
    found = order[np.maximum(steps, 0)]
    return np.where((steps >= 0) & (codes[found] == codes[rows][:, None]), found, -1)
