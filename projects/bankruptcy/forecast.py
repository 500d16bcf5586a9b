"""Tomorrow's share price from the last days, beside the price of today. A network has to beat that.

Squared errors are compared by the test of Diebold & Mariano (1995) with the correction of Harvey et al. (1997). For one
day ahead that is the paired t-test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import UserError
from common.inputs.tables import read_table, to_numbers

DAYS, PART = 7, 0.7  # days that are read; fraction of the days that teach
UNITS, EPOCHS, BATCH, RATE = 32, 100, 32, 3e-3
LEAST = 60  # days of a table


@dataclass(frozen=True)
class Forecast:
    """For each test day, each (n,): the price, the price of the day before, and the network's forecast."""

    truth: np.ndarray
    last: np.ndarray
    predicted: np.ndarray

    def errors(self) -> tuple[np.ndarray, np.ndarray]:
        """Errors of the network and of persistence (n,), as fractions of the range of the test days."""
        unit = np.ptp(self.truth)
        return (self.predicted - self.truth) / unit, (self.last - self.truth) / unit


def windows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, DAYS, columns) and the last column of the day after each, (n,)."""
    x = np.stack([values[day : day + DAYS] for day in range(len(values) - DAYS)])
    return x, values[DAYS:, -1]


def verdict(forecast: Forecast) -> tuple[str, float]:
    """Whether the network is "better" or "worse" than persistence, or "not distinguishable"; and p."""
    from scipy.stats import ttest_rel

    own, naive = (errors**2 for errors in forecast.errors())
    statistic, p = ttest_rel(own, naive) if np.ptp(own - naive) > 0 else (0.0, 1.0)
    return "not distinguishable" if p > 0.05 else "worse" if statistic > 0 else "better", float(p)


def network(kind: str, columns: int, seed: int):
    """An LSTM ("lstm") or a multilayer perceptron ("mlp") from windows (batch, DAYS, columns) to one number."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    inputs = x = keras.Input((DAYS, columns))
    x = layers.LSTM(UNITS)(x) if kind == "lstm" else layers.Dense(UNITS, activation="relu")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(RATE), "mean_squared_error")
    return model


def forecast(
    values: np.ndarray, kind: str, change: bool, seed: int, after_epoch: Callable[[float], None] | None = None
) -> Forecast:
    """Train on the first days and forecast each of the others, one day ahead.

    values: (days, columns), the earliest day first; the last column is forecast. change: the network predicts how the
    price changes, not the price. after_epoch: is told the fraction of the training that is done.
    """
    import keras

    begin = int(PART * len(values))
    teach, test = values[:begin], values[begin - DAYS :]
    low, high = teach.min(axis=0), teach.max(axis=0)
    spread = np.where(high > low, high - low, 1)
    (x, y), (held, truth) = (windows((part - low) / spread) for part in (teach, test))
    last = held[:, -1, -1]
    known = y - x[:, -1, -1] if change else y
    mean, deviation = known.mean(), known.std() or 1.0
    model = network(kind, x.shape[-1], seed)
    told = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, _: after_epoch((epoch + 1) / EPOCHS) if after_epoch else None
    )
    model.fit(x, (known - mean) / deviation, BATCH, EPOCHS, verbose=0, callbacks=[told])
    predicted = model.predict(held, verbose=0)[:, 0] * deviation + mean + (last if change else 0)
    return Forecast(*(part * spread[-1] + low[-1] for part in (truth, last, predicted)))


def without_comments(content: bytes) -> bytes:
    """A table without the lines before it that begin with #. The last of them names the columns: it loses its #."""
    lines = content.split(b"\n")
    comments = next((number for number, line in enumerate(lines) if not line.startswith(b"#")), len(lines))
    return b"\n".join([lines[comments - 1].lstrip(b"# "), *lines[comments:]]) if comments else content


def read_prices(path: Path) -> pd.DataFrame:
    """The columns of numbers of a table of prices, a row for each day.

    A column without any number, such as a date, is left out. Raises UserError for fewer than LEAST days and for a
    missing number.
    """
    frame = read_table(path)
    numbers = pd.DataFrame({column: to_numbers(frame[column]) for column in frame.columns})
    numbers = numbers.loc[:, np.isfinite(numbers).any()]
    if numbers.empty:
        raise UserError(f"{path}: no column holds numbers.")
    wrong = ~np.isfinite(numbers)
    if wrong.any(axis=None):
        row, column = np.argwhere(wrong.to_numpy())[0]
        raise UserError(f"{path}: column {numbers.columns[column]!r}, row {row + 1} of the table: this is no number.")
    if len(numbers) < LEAST:
        raise UserError(f"{path}: {len(numbers)} days; a forecast needs at least {LEAST}.")
    return numbers
