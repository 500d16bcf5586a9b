"""Grid, random and coarse-to-fine search on fraud detection with the same budget: the best result of each.

    python -m benchmarks.search [--trials 20] [--seeds 3] [--customers 600] [--epochs 6] [--folder FOLDER]

Every strategy runs the same number of trials and prunes weak ones. A seed changes the weights, the order of the rows
and the values that are tried; the data stays the same. The best trial of each search (by validation) is then trained
and tested as an ordinary run, and so are the default knobs. With --folder, a benchmark that was stopped continues.
"""

import argparse
import dataclasses
import io
import resource
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from common import cli, report, runs
from common.project import Project
from common.tools.search import figures, sampler, space
from common.tools.search import run as running

STRATEGIES = ("grid", "random", "coarse_to_fine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--customers", type=int, default=600, help="few of the default 5,000, so that a trial is short")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="where searches and runs are kept; without it, a temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(args, args.folder or Path(temporary))


def measure(args: argparse.Namespace, folder: Path) -> None:
    """Run all searches of all seeds in `folder`, test the best trial of each, and print the tables."""
    project = Project("fraud_detection")
    metric = project.metric("builtin")[0]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in ("default", *STRATEGIES)}
    for seed in range(args.seeds):
        base = project.config_class(customers=args.customers, epochs=args.epochs, seed=seed)
        results["default"].append({"config": base, **tested(project, base, folder)})
        for strategy in STRATEGIES:
            search = space.open_search(project, base, "builtin", folder, folder, strategy, args.trials)
            study = running.run_search(search, args.trials, Console(width=160))
            best = sampler.best_trial(study)
            assert best
            trials = figures.rows(search, study)
            config = dataclasses.replace(base, **search.values(best.params))
            row = {
                "config": config,
                "best": best.value,
                "trial": best.number,
                "pruned": sum(trial["state"] == "pruned" for trial in trials),
                "seconds": [trial["seconds"] for trial in trials],
                **tested(project, config, folder),
            }
            results[strategy].append(row)
            print(f"seed {seed}, {strategy}: {row}", flush=True)
    print_tables(results, metric, args)


def tested(project: Project, config: Any, folder: Path) -> dict[str, Any]:
    """Train and evaluate one config as an ordinary run: {"validation", "test"}, METRIC on both splits."""
    run = runs.start(project, config, "builtin", folder, folder / "tested")
    with redirect_stdout(io.StringIO()):
        content = cli.train_run(run)
    metric = project.metric("builtin")[0]
    return {"validation": content["validation"][metric], "test": content["test"]["model"][metric]}


def print_tables(results: dict[str, list[dict[str, Any]]], metric: str, args: argparse.Namespace) -> None:
    """One table with a row per strategy, and one with a row per strategy and seed, in Markdown."""
    name = metric.replace("_", " ")
    print(f"\n{args.trials} trials each, seeds 0 to {args.seeds - 1}; mean ± standard deviation over seeds\n")
    lines = [["search", f"best validation {name}", f"test {name}", "found at trial", "pruned", "seconds a trial"]]
    for strategy, rows in results.items():
        lines.append(
            [
                strategy.replace("_", " "),
                spread([row.get("best", row["validation"]) for row in rows]),
                spread([row["test"]["value"] for row in rows]),
                *(
                    [
                        ", ".join(str(row["trial"]) for row in rows),
                        ", ".join(str(row["pruned"]) for row in rows),
                        f"{np.median([second for row in rows for second in row['seconds']]):.1f}",
                    ]
                    if "trial" in rows[0]
                    else ["", "", ""]
                ),
            ]
        )
    print("\n".join(report.markdown_table(lines)))
    lines = [["search", "seed", f"validation {name}", f"test {name}", "learning rate", "batch", "layers", "units", "dropout"]]  # fmt: skip # noqa: E501
    for strategy, rows in results.items():
        for seed, row in enumerate(rows):
            config = row["config"]
            knobs = (config.learning_rate, config.batch_size, config.layers, config.units, config.dropout)
            value = report.number(row.get("best", row["validation"]))
            lines.append([strategy.replace("_", " "), seed, value, report.cell(row["test"]), *map(str, knobs)])
    print("\n" + "\n".join(report.markdown_table(lines)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(f"\n{sum(len(row.get('seconds', ())) for rows in results.values() for row in rows)} trials in one process, at a peak of {peak:.0f} MiB")  # fmt: skip # noqa: E501


def spread(values: list[float]) -> str:
    """Mean ± standard deviation; a single value as it is."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


if __name__ == "__main__":
    main()
