"""Fraud detection's speed and memory: compared with gradient boosting and a plain Keras script, and on large files.

    python -m benchmarks.fraud                                                     # generation, training, scoring
    python -m benchmarks.fraud --table creditcard.csv --rows 10000000 --folder SCRATCH         # and ten million rows

The first part runs in one process, and the contenders take turns. It times the generation of the data, an epoch of the
mlp by `fit` and by a plain Keras script (StandardScaler, the same network, model.fit and model.predict), the fit of
scikit-learn's histogram gradient boosting with its default settings, and scoring by each of the three.

The second part repeats the rows of a table in ULB's layout into a CSV and a Parquet file. It scores each by the code of
`predict`, and trains on each for an epoch. Each task has its own process, so its peak memory is that of the task alone
(resource.getrusage; not on Windows).
"""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import seconds


def compare(repeats: int) -> None:
    """Print the first part: a table of medians."""
    from common import cli

    cli.start_keras()
    import keras
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import StandardScaler

    from common import runs, training
    from common.project import Project
    from projects.fraud_detection import simulate
    from projects.fraud_detection.data import load_data
    from projects.fraud_detection.metrics import validation_score
    from projects.fraud_detection.model import build_models
    from projects.fraud_detection.predict import Predictor

    generated: list[pd.DataFrame] = []
    drawn = seconds(lambda: generated.append(simulate.simulate()))
    with_features = seconds(lambda: simulate.add_features(generated[0]))
    project = Project("fraud_detection")
    config = dataclasses.replace(project.config_class(), epochs=1)
    splits = load_data(config, "builtin", Path())
    frame, targets = splits.train.inputs, splits.train.targets
    ((network, _),) = build_models(config, splits.meta).values()
    predictor = Predictor({"model": network}, {**splits.meta, "threshold": 0.0})

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = runs.start(project, config, "builtin", Path(folder), Path(folder))
            train, validation = predictor.encode_split(splits.train), predictor.encode_split(splits.validation)
            training.fit(network, train, validation, config, run, score=validation_score(splits.validation, config))

    scaler = StandardScaler().fit(frame)
    plain = keras.Sequential(
        [
            keras.Input((frame.shape[1],)),
            *(keras.layers.Dense(config.units, "relu") for _ in range(config.layers)),
            keras.layers.Dense(1),
        ]
    )
    plain.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    booster = HistGradientBoostingClassifier(random_state=0)

    def script() -> None:
        validation = scaler.transform(splits.validation.inputs), splits.validation.targets
        plain.fit(scaler.transform(frame), targets, batch_size=config.batch_size, validation_data=validation, verbose=0)

    calls = {
        f"train on {len(frame):,} rows (networks: one epoch)": (ours, script, lambda: booster.fit(frame, targets)),
        f"score {len(frame):,} rows": (
            lambda: predictor.score(splits.train),
            lambda: plain.predict(scaler.transform(frame), batch_size=8192, verbose=0),
            lambda: booster.decision_function(frame),
        ),
    }
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | ours | plain Keras script | gradient boosting |\n|---|---:|---:|---:|")
    print(f"| generate {len(generated[0]):,} transactions | {drawn:.2f} s | | |")
    print(f"| their features | {with_features:.2f} s | | |")
    for what, contenders in calls.items():
        for call in contenders:
            call()  # the first call compiles
        times = np.array([[seconds(call) for call in contenders] for _ in range(repeats)])
        print(f"| {what} | " + " | ".join(f"{value:.2f} s" for value in np.median(times, axis=0)) + " |", flush=True)


def enlarged(table: Path, rows: int, folder: Path) -> list[Path]:
    """The table's rows repeated to `rows`, as CSV and as Parquet."""
    import pyarrow
    import pyarrow.parquet

    header, _, body = table.read_bytes().partition(b"\n")
    lines = body.splitlines(keepends=True)
    times, rest = divmod(rows, len(lines))
    csv, parquet = folder / "large.csv", folder / "large.parquet"
    with csv.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(body)
        file.write(b"".join(lines[:rest]))
    whole = pyarrow.Table.from_pandas(pd.read_csv(table), preserve_index=False)
    with pyarrow.parquet.ParquetWriter(parquet, whole.schema, use_dictionary=False) as writer:
        for count in [whole.num_rows] * times + [rest]:
            writer.write_table(whole.slice(0, count))
    return [csv, parquet]


def child(*arguments: str) -> dict:
    """Run this file with `--child` in a process of its own. Returns what it prints, as a dict."""
    command = [sys.executable, "-m", "benchmarks.fraud", "--child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measured(task: str, path: str, other: str) -> None:
    """Score or train in this process. Prints the seconds, and the peak memory of the process in MiB."""
    from common import cli, runs
    from common.project import Project

    project = Project("fraud_detection")
    cli.start_keras()
    if task == "score":
        from projects.fraud_detection.predict import score_file

        predictor = runs.find(project, "latest", Path(other)).load()
        target = Path(path).with_name("scored.parquet")
        spent = seconds(lambda: score_file(predictor, Path(path), target))
        target.unlink()
    else:
        config = project.config_class(target="Class", epochs=1, batch_size=4096)
        run = runs.start(project, config, path, Path(path).parent, Path(other))
        spent = seconds(lambda: project.train(config, run))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    epoch = run.history[0]["seconds"] if task == "train" else 0.0
    print(json.dumps({"seconds": spent, "peak": peak, "epoch": epoch}))


def at_size(table: Path, rows: int, folder: Path) -> None:
    """Print the second part: seconds, rows a second and peak memory of large files."""
    from common import cli, runs
    from common.project import Project

    project = Project("fraud_detection")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        runs_dir = Path(scratch) / "runs"
        run = runs.start(project, project.config_class(target="Class"), str(table), Path(scratch), runs_dir)
        cli.train_run(run)
        print("\n| what | seconds | rows a second | peak memory |\n|---|---:|---:|---:|", flush=True)
        for path in enlarged(table, rows, Path(scratch)):
            size = path.stat().st_size / 2**30
            result = child("score", str(path), str(runs_dir))
            what = f"score {rows:,} rows, {path.suffix[1:]} of {size:.1f} GiB"
            print(
                f"| {what} | {result['seconds']:.0f} | {rows / result['seconds']:,.0f} | {result['peak']:,.0f} MiB |",
                flush=True,
            )
            result = child("train", str(path), str(Path(scratch) / "more"))
            what = f"train on {path.suffix[1:]}: check, spool and one epoch ({result['epoch']:.0f} s of it)"
            print(
                f"| {what} | {result['seconds']:.0f} | {rows / result['seconds']:,.0f} | {result['peak']:,.0f} MiB |",
                flush=True,
            )


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        return measured(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--table", type=Path, help="creditcard.csv or a part of it, whose rows are repeated")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="folder for the large files; they are removed at the end")
    args = parser.parse_args()
    compare(args.repeats)
    if args.table:
        at_size(args.table, args.rows, args.folder or Path(tempfile.gettempdir()))


if __name__ == "__main__":
    main()
