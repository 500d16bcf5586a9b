"""Compare the simulated transactions with the handbook's own file: seconds, memory, and a table in Markdown.

    python -m benchmarks.fraud_simulation PATH/TO/simulated_transformed.parquet [--seeds 4 0 1 2 3]

The file is the Fraud Detection Handbook's simulated-data-transformed as one Parquet table. Both tables are cut to the
dates in the file. KS is the Kolmogorov-Smirnov distance: the largest gap between the two cumulative distributions.

The first table shows the first seed. With several seeds a second table shows the worst column of each, and the distance
between two of our seeds. That distance is chance: each seed draws new customers, and 5,000 of them are few.
The peak memory is that of the process so far. At the first seed the file is not yet read, so it is the simulation's.
It comes from the resource module, which Windows does not have.
"""

import argparse
import resource
import sys
import time
from itertools import combinations

import numpy as np
import pandas as pd

from projects.fraud_detection.simulate import FEATURES, WORLD_SEED, add_features, simulate

KEPT = [*FEATURES, "TX_DATETIME", "TX_FRAUD", "TX_FRAUD_SCENARIO"]


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference between the empirical distribution functions of two samples."""
    a, b = np.sort(a), np.sort(b)
    points = np.concatenate([a, b])
    gap = np.searchsorted(a, points, "right") / len(a) - np.searchsorted(b, points, "right") / len(b)
    return float(np.abs(gap).max())


def distances(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, float]:
    return {name: ks_distance(ours[name].to_numpy(), theirs[name].to_numpy()) for name in FEATURES}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="the handbook's transformed transactions, one Parquet table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[WORLD_SEED], metavar="SEED")
    args = parser.parse_args()

    tables: dict[int, pd.DataFrame] = {}
    theirs = None
    for seed in args.seeds:
        begin = time.perf_counter()
        table = simulate(seed=seed)
        middle = time.perf_counter()
        table = add_features(table)
        end = time.perf_counter()
        print(
            f"seed {seed}: {len(table):,} transactions, {table['TX_FRAUD'].sum():,} frauds; simulate "
            f"{middle - begin:.2f} s, add_features {end - middle:.2f} s; peak of the process {peak_mib():,.0f} MiB"
        )
        if theirs is None:
            theirs = pd.read_parquet(args.file, columns=KEPT)
        inside = table["TX_DATETIME"].between(theirs["TX_DATETIME"].min(), theirs["TX_DATETIME"].max())
        tables[seed] = table.loc[inside, KEPT]

    ours = tables[args.seeds[0]]
    gaps = {seed: distances(table, theirs) for seed, table in tables.items()}
    print(f"\n| column | mean, handbook | mean, seed {args.seeds[0]} | KS |\n|---|---:|---:|---:|")
    for name, gap in gaps[args.seeds[0]].items():
        print(f"| {name} | {theirs[name].mean():.4f} | {ours[name].mean():.4f} | {gap:.4f} |")

    print(f"\n| fraud rate | handbook | {' | '.join(f'seed {s}' for s in tables)} |\n|---|---:|{'---:|' * len(tables)}")
    for label, kinds in (("all", (1, 2, 3)), ("scenario 1", (1,)), ("scenario 2", (2,)), ("scenario 3", (3,))):
        rates = [table["TX_FRAUD_SCENARIO"].isin(kinds).mean() for table in (theirs, *tables.values())]
        print(f"| {label} | {' | '.join(f'{100 * rate:.3f} %' for rate in rates)} |")

    if len(tables) > 1:
        print("\n| compared | worst column | KS |\n|---|---|---:|")
        pairs = {f"seed {seed} with the handbook": gap for seed, gap in gaps.items()}
        for a, b in combinations(tables, 2):
            pairs[f"seed {a} with seed {b}"] = distances(tables[a], tables[b])
        for label, gap in pairs.items():
            worst = max(gap, key=gap.get)
            print(f"| {label} | {worst} | {gap[worst]:.4f} |")


if __name__ == "__main__":
    main()
