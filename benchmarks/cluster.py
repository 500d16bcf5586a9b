"""What a Ray cluster adds to a trial, a scored part and a training step, on this machine: it proves no speed.

    python -m benchmarks.cluster [--rows 50000] [--customers 1000] [--epochs 8]

One local cluster of Ray. A worker there and this process do the same work; the difference is what Ray adds. Then two
workers, with one thread each, score a part each, and this process scores both, one after the other. The bytes of a step
of training are those that pass the loopback interface while two processes train, less what passes in the same time
while one does. For 2, 8 and 64 hosts the table is arithmetic: a ring sends 2 (N - 1) / N times the gradients from
each host, and 10 Gbit/s carry 1.25 bytes a nanosecond; neither latency nor anything else of a network is in it.
"""

import argparse
import csv
import dataclasses
import itertools
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import seconds
from common import cli, runs
from common.project import Project
from common.tools.cluster.nodes import connected, unseen, worker_needs
from common.tools.cluster.score import score_part
from common.tools.cluster.search import train_trial
from common.tools.search import run as running
from common.tools.search.sampler import open_study
from common.tools.search.space import open_search

NAME, LINE = "fraud_detection", 1.25e9  # bytes a second of 10 Gbit/s
HOSTS, LARGE = (2, 8, 64), 25_600_000  # parameters of a ResNet-50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000, help="of a scored part")
    parser.add_argument("--customers", type=int, default=1000, help="whose transactions are trained on")
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work(Path(temporary), args.rows)
        steps(Path(temporary), args)


def started() -> tuple[float, float]:
    """In a worker: (processor seconds since the process began, MB of memory) once TensorFlow runs."""
    cli.start_keras()
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(folder: Path, rows: int) -> None:
    """Print what a task, a worker, a scored part and a trial cost."""
    project = Project(NAME)
    run = runs.start(project, project.toy, "builtin", folder, folder / "runs")
    cli.train_run(run)
    train = project.load_data("builtin")(project.toy, "builtin", folder).train
    frame = train.inputs.assign(TX_DATETIME=train.cards["time"], TX_FRAUD=train.targets)
    frame = frame.assign(CUSTOMER_ID=train.cards["card"], TERMINAL_ID=train.cards["terminal"])
    numbers = np.sort(np.random.default_rng(0).integers(len(frame), size=rows))
    frame.iloc[numbers].to_csv(folder / "part.csv", index=False)
    search = open_search(project, project.toy, "builtin", folder, folder / "runs", "random", 100, ("learning_rate",))
    study = open_study(search)

    def trial() -> int:
        """A new trial that asks for the same knobs."""
        new = study.ask()
        for knob in search.knobs:
            running._suggest(new, knob)
        return new.number

    words = ["--runs-dir", str(folder / "runs")]
    part, other = ((NAME, folder, ["part.csv"], folder / f"scored-{number}.csv", words) for number in range(2))
    began = time.perf_counter()
    with connected("local", folder) as ray:
        print(f"a local cluster starts in {time.perf_counter() - began:.1f} s")
        needs = worker_needs(ray)
        options = {**needs, "num_cpus": ray.cluster_resources()["CPU"]}  # one worker, for all of them
        begin, score, train, empty = (ray.remote(**options)(f) for f in (started, score_part, train_trial, unseen))
        spent, memory = ray.get(begin.remote())
        print(f"a worker with TensorFlow: {spent:.1f} s of processor time to start, {memory:.0f} MB")
        print(f"an empty task: {1e3 * seconds(lambda: [ray.get(empty.remote([])) for _ in range(200)]) / 200:.1f} ms")
        calls = {
            f"a part of {rows:,} rows": (lambda: ray.get(score.remote(*part)), lambda: score_part(*part)),
            "a trial (toy)": (lambda: ray.get(train.remote(search, trial())), lambda: train_trial(search, trial())),
        }
        for name, (there, here) in calls.items():
            far, near = medians(there, here)
            print(f"{name}: {far:.2f} s in a worker, {near:.2f} s in this process (medians of 5)")
        score = ray.remote(**needs)(score_part)  # as many workers at once as fit
        far, near = medians(
            lambda: ray.get([score.remote(*part), score.remote(*other)]),
            lambda: [score_part(*part), score_part(*other)],
        )
        print(f"two such parts: {far:.2f} s on two workers, {near:.2f} s in this process (medians of 5)")


def medians(there: Callable[[], Any], here: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of five calls of each, in turn, after one that loads networks and data."""
    for answer in (there(), here()):
        if isinstance(answer, tuple) and answer[0]:  # `score_part` answers (exit status, what it printed)
            raise SystemExit("\n".join(answer[1]))
    pairs = [(seconds(there), seconds(here)) for _ in range(5)]
    far, near = (statistics.median(column) for column in zip(*pairs, strict=True))
    return far, near


def loopback() -> int:
    """Bytes that the loopback interface has sent since the machine started (Linux)."""
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


def steps(folder: Path, args: argparse.Namespace) -> None:
    """Print what a step costs with one process and with two, and the arithmetic for more hosts."""
    config = dataclasses.replace(Project(NAME).config_class(), customers=args.customers)
    measured = {}
    for workers in (1, 2):
        place = folder / f"runs-{workers}"
        words = ["--cluster", "local", "--workers", workers, "--runs-dir", place, "--data-dir", folder]
        words += ["--customers", args.customers, "--epochs", args.epochs, "--patience", args.epochs]
        command = [sys.executable, "-m", f"projects.{NAME}.train", *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        marks: list[tuple[float, int]] = []  # after each epoch: the time, and the bytes so far
        while process.poll() is None:
            history = next(place.glob(f"{NAME}/*/history.csv"), None)
            if history and len(history.read_text().splitlines()) - 1 > len(marks):
                marks.append((time.perf_counter(), loopback()))
            time.sleep(0.002)
        if process.returncode:
            raise SystemExit(f"the training with {workers} workers ended with status {process.returncode}")
        measured[workers] = (place, [later - former for (_, former), (_, later) in itertools.pairwise(marks)])
    place, sent = measured[2]
    (run,) = (entry["run"] for entry in runs.list_runs(Project(NAME), place))
    parameters = run.report["parameters"]
    count = -(-run.report["data"]["sizes"]["train"] // config.batch_size)
    for workers, (where, _) in measured.items():
        with next(where.glob(f"{NAME}/*/history.csv")).open(newline="") as file:
            epochs = [float(row["seconds"]) for row in csv.DictReader(file)][1:]  # the first one compiles
        print(f"{workers} process{'es' * (workers > 1)}: {1e3 * statistics.median(epochs) / count:.2f} ms a step")
    step = (statistics.median(sent) - statistics.median(measured[1][1])) / count
    print(
        f"{parameters:,} parameters, {4 * parameters / 1e6:.3f} MB of gradients: {step / 1e6:.3f} MB a step on loopback"
    )
    print("\narithmetic, not measured: milliseconds a step for the gradients at 10 Gbit/s")
    for name, size in ((NAME, parameters), ("25.6 million parameters (ResNet-50)", LARGE)):
        times = ", ".join(f"{hosts} hosts {1e3 * 2 * (hosts - 1) / hosts * 4 * size / LINE:.2f}" for hosts in HOSTS)
        print(f"  {name}: {times}")


if __name__ == "__main__":
    main()
