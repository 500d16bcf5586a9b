"""Fraud detection by the Fraud Detection Handbook's protocol: the means of four test weeks, and what was published.

    python -m benchmarks.fraud_handbook --data-dir FOLDER                       # the four test weeks
    python -m benchmarks.fraud_handbook --data-dir FOLDER --weeks earlier       # four earlier weeks, to choose knobs
    python -m benchmarks.fraud_handbook --data-dir FOLDER --models mlp ensemble --set units=256 dropout=0.5

Each week is a run of the project's `train` and `evaluate`. With --runs-dir the runs are kept, and finished ones are
used again. So four processes can train one week each (`--only 1` … `--only 4`); the last of them prints the table.

The figures are the means of the four weeks. Average precision is bootstrapped over terminals, card precision over
cards. A terminal or card occurs in several weeks, so each resample draws it for all weeks. All models meet the same
resamples. The earlier weeks end before the first test week begins.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from common import cli, config, memory, runs
from common.evaluation import paired
from common.project import Project
from projects.fraud_detection.cards import SECONDS_PER_DAY
from projects.fraud_detection.metrics import card_precision, ranking_figures

STARTS = {
    "test": ("2018-07-25", "2018-08-01", "2018-08-08", "2018-08-15"),
    "earlier": ("2018-06-20", "2018-06-27", "2018-07-04", "2018-07-11"),
}
# Le Borgne et al. 2022, chapters 5 and 7: the means of the four test weeks.
PUBLISHED = {
    "logistic regression": (0.623, 0.297),
    "decision tree": (0.579, 0.284),
    "random forest": (0.678, 0.299),
    "XGBoost": (0.687, 0.303),
    "multilayer perceptron": (0.675, 0.303),
    "LSTM": (0.665, 0.297),
    "convolutional network": (0.599, 0.288),
}
FIGURES = {"average_precision": "terminal", "card_precision_at_100": "card"}  # {figure: the unit that is resampled}


def existing_run(model: str, start: str, knobs: dict, runs_dir: Path) -> runs.Run | None:
    """The run of these knobs on this week, if there is one: a finished run rather than an unfinished one."""
    project = Project("fraud_detection")
    wanted = project.config_class(model=model, start=start, **knobs)
    same = [
        entry["run"]
        for entry in runs.list_runs(project, runs_dir)
        if entry["data"] == "handbook" and entry["status"] != "damaged" and entry["run"].config == wanted
    ]
    return max(same, key=lambda run: run.finished, default=None)


def run_of(model: str, start: str, knobs: dict, data_dir: Path, runs_dir: Path) -> runs.Run:
    """The finished run of these knobs on this week. It is used again, resumed or trained, as it is needed."""
    project = Project("fraud_detection")
    run = existing_run(model, start, knobs, runs_dir)
    if run is None:
        run = runs.start(
            project, project.config_class(model=model, start=start, **knobs), "handbook", data_dir, runs_dir
        )
    elif run.finished:
        return run
    cli.train_run(run)
    memory.fresh_session()
    return run


def figure_of(table: pd.DataFrame, scores: np.ndarray, name: str):
    """A figure of one week as a function of row weights."""
    if name == "average_precision":
        return ranking_figures(table["target"].to_numpy(), scores, 0, 1, 0, 0)
    days = (table["time"].to_numpy() // SECONDS_PER_DAY).astype(int)
    return card_precision(table["card"].to_numpy(), days, table["target"].to_numpy(), scores)


def means(weeks: list[pd.DataFrame], models: list[str], name: str, resamples: int) -> dict[str, np.ndarray]:
    """{model: (1 + resamples,) means of the weeks}: first the value itself, then one for each resample."""
    unit = FIGURES[name]
    count = 1 + max(int(week[unit].max()) for week in weeks)
    units = np.unique(np.concatenate([week[unit].to_numpy() for week in weeks]))
    random = np.random.default_rng(0)
    figures = {model: [figure_of(week, week[model].to_numpy(float), name) for week in weeks] for model in models}
    result = {model: [] for model in models}
    for draw in range(resamples + 1):
        drawn = np.ones(count) if draw == 0 else np.bincount(random.choice(units, len(units)), minlength=count)
        weights = [drawn[week[unit].to_numpy()].astype(float) for week in weeks]
        for model in models:
            values = [figure(week)[name] for figure, week in zip(figures[model], weights, strict=True)]
            result[model].append(np.mean(values))
    return {model: np.array(values) for model, values in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--weeks", choices=STARTS, default="test")
    parser.add_argument("--models", nargs="+", default=["logistic", "mlp", "autoencoder", "gru"])
    parser.add_argument("--set", nargs="*", default=[], metavar="KNOB=VALUE", help="knobs that differ from the default")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--runs-dir", type=Path, help="keep the runs here")
    parser.add_argument("--only", type=int, help="train week 1, 2, 3 or 4 alone (with --runs-dir)")
    args = parser.parse_args()
    kinds = {knob.name: knob.kind for knob in config.knobs(Project("fraud_detection").config_class)}
    knobs = {name: kinds[name](value) for name, value in (part.split("=") for part in args.set)}

    starts = STARTS[args.weeks]
    with tempfile.TemporaryDirectory() as folder:
        runs_dir, weeks = args.runs_dir or Path(folder), []
        if args.only is not None:
            for model in args.models:
                run_of(model, starts[args.only - 1], knobs, args.data_dir, runs_dir)
            every = [existing_run(model, start, knobs, runs_dir) for model in args.models for start in starts]
            if not all(run is not None and run.finished for run in every):
                return  # the process that ends last prints the table
        for start in starts:
            by_model = {model: run_of(model, start, knobs, args.data_dir, runs_dir) for model in args.models}
            tables = {model: pd.read_csv(run.path / "scores.csv") for model, run in by_model.items()}
            week = tables[args.models[0]].drop(columns="score")
            weeks.append(week.assign(**{model: table["score"] for model, table in tables.items()}))
        used = by_model[args.models[0]].config
    print(f"\nmean of the weeks after the trainings that start {', '.join(starts)}")
    print(f"knobs: {dataclasses.asdict(used)}\n")
    print_table(weeks, args.models, args.resamples)


def print_table(weeks: list[pd.DataFrame], trained: list[str], resamples: int) -> None:
    """The means with intervals, the value of each week, and how the best of our models compares with each other one."""
    fixed = ("card", "time", "terminal", "scenario", "amount", "target", "weight", *trained)
    models = [*trained, *(column for column in weeks[0] if column not in fixed)]
    rows = {name: means(weeks, models, name, resamples) for name in FIGURES}
    best = max(trained, key=lambda model: rows["average_precision"][model][0])
    print(
        f"| model | average precision | by week | card precision@100 | by week | {best} is (AP) | {best} is (CP@100) |"
    )
    print("|---|---:|---|---:|---|---|---|")
    for model in models:
        cells = [model.replace("_", " ")]
        for name in FIGURES:
            value, *drawn = rows[name][model]
            low, high = np.percentile(drawn, [2.5, 97.5])
            single = [figure_of(week, week[model].to_numpy(float), name)(np.ones(len(week)))[name] for week in weeks]
            cells += [f"{value:.3f} [{low:.3f}, {high:.3f}]", " ".join(f"{one:.3f}" for one in single)]
        for name in FIGURES:
            compared = paired(rows[name][best][1:], rows[name][model][1:], "max")
            gap = rows[name][best][0] - rows[name][model][0]
            interval = f"{gap:+.3f} [{compared['low']:+.3f}, {compared['high']:+.3f}]"
            cells.append("" if model == best else f"{compared['verdict']}: {interval}")
        print("| " + " | ".join(cells) + " |")
    print("\n| published | average precision | card precision@100 |\n|---|---:|---:|")
    for name, (precision, cards) in PUBLISHED.items():
        print(f"| {name} | {precision:.3f} | {cards:.3f} |")


if __name__ == "__main__":
    main()
