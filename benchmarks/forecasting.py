"""Does a network that predicts tomorrow's share price beat the price of today?

    python -m benchmarks.forecasting FOLDER/data-02-stock_daily.csv

The table of a well-known course: a line a day with Open, High, Low, Volume and Close, the latest day first. A network
reads seven days and predicts the next Close; the first 70 % of the days teach. Persistence answers with the last Close.
Errors are in units of the range of the test days, as in the course. The test of Diebold & Mariano (1995), with the
correction of Harvey et al. (1997), compares squared errors with those of persistence.
"""

import argparse
from pathlib import Path

import numpy as np

from common import cli

DAYS, PART = 7, 0.7  # days that are read; fraction of the days that teach
UNITS, EPOCHS, BATCH, RATE = 32, 100, 32, 3e-3


def windows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, DAYS, columns) and the last column of the day after each, (n,)."""
    x = np.stack([values[day : day + DAYS] for day in range(len(values) - DAYS)])
    return x, values[DAYS:, -1]


def diebold_mariano(errors: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """(statistic, p) for one step ahead: above 0 the first errors (n,) are larger, squared, than the others."""
    from scipy.stats import t

    difference, n = errors**2 - others**2, len(errors)
    statistic = difference.mean() / np.sqrt(difference.var() / n) * np.sqrt((n - 1) / n)
    return float(statistic), float(2 * t.sf(abs(statistic), n - 1))


def network(kind: str, columns: int, seed: int):
    """An LSTM or a multilayer perceptron from windows (batch, DAYS, columns) to one number."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    inputs = x = keras.Input((DAYS, columns))
    x = layers.LSTM(UNITS)(x) if kind == "lstm" else layers.Dense(UNITS, activation="relu")(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(RATE), "mean_squared_error")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    cli.start_keras()
    values = np.loadtxt(options.file, delimiter=",")[::-1]
    begin = int(PART * len(values))
    teach, test = values[:begin], values[begin - DAYS :]
    low, high = teach.min(axis=0), teach.max(axis=0)
    (x, y), (held, truth) = (windows((part - low) / (high - low)) for part in (teach, test))
    unit = np.ptp(test[:, -1]) / (high - low)[-1]
    last = held[:, -1, -1]
    naive = (last - truth) / unit
    print("| | root mean squared error | Diebold–Mariano against persistence |\n|---|---:|---:|")
    print(f"| persistence: the last Close | {np.sqrt((naive**2).mean()):.4f} | |")
    for kind in ("mlp", "lstm"):
        for what in ("the price", "its change"):
            change = what == "its change"
            for seed in options.seeds:
                model = network(kind, x.shape[-1], seed)
                known = y - x[:, -1, -1] if change else y
                mean, spread = known.mean(), known.std()
                model.fit(x, (known - mean) / spread, BATCH, EPOCHS, verbose=0)
                predicted = model.predict(held, verbose=0)[:, 0] * spread + mean + (last if change else 0)
                errors = (predicted - truth) / unit
                statistic, p = diebold_mariano(errors, naive)
                verdict = "not distinguishable" if p > 0.05 else "worse" if statistic > 0 else "better"
                print(
                    f"| {kind}, predicts {what}, seed {seed} | {np.sqrt((errors**2).mean()):.4f} | "
                    f"{verdict} (p = {p:.3f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
