"""Does a network that predicts tomorrow's share price beat the price of today?

    python -m benchmarks.forecasting FOLDER/data-02-stock_daily.csv

The table of a well-known course: a line a day with Open, High, Low, Volume and Close, the latest day first. A network
reads seven days and predicts the next Close; the first 70 % of the days teach. Persistence answers with the last Close.
Errors are in units of the range of the test days, as in the course. The page of bankruptcy does the same for one table.
"""

import argparse
from pathlib import Path

import numpy as np

from common import cli
from projects.bankruptcy.forecast import forecast, verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    cli.start_keras()
    values = np.loadtxt(options.file, delimiter=",")[::-1]
    rows, naive = [], 0.0
    for kind in ("mlp", "lstm"):
        for what in ("the price", "its change"):
            for seed in options.seeds:
                done = forecast(values, kind, what == "its change", seed)
                error, naive = (np.sqrt((part**2).mean()) for part in done.errors())
                word, p = verdict(done)
                rows.append(f"| {kind}, predicts {what}, seed {seed} | {error:.4f} | {word} (p = {p:.3f}) |")
    print("| | root mean squared error | Diebold–Mariano against persistence |\n|---|---:|---:|")
    print(f"| persistence: the last Close | {naive:.4f} | |", *rows, sep="\n")


if __name__ == "__main__":
    main()
