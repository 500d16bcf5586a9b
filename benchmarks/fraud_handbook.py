"""Fraud detection by the Fraud Detection Handbook's protocol: the mean of four test weeks, beside what was published.

    python -m benchmarks.fraud_handbook --data-dir FOLDER                       # the four test weeks
    python -m benchmarks.fraud_handbook --data-dir FOLDER --weeks earlier       # four earlier ones, to choose knobs on
    python -m benchmarks.fraud_handbook --data-dir FOLDER --models mlp ensemble --set units=256 dropout=0.5

Every week is a run of the project's own `train` and `evaluate`; with --runs-dir the runs stay, and those that are
finished are used again, so several processes can take a week each (`--only 1` … `--only 4`): the last makes the table.
The figures are the means of the weeks. A terminal or card is in several weeks, so it is drawn for all of them at once:
average precision is bootstrapped over terminals, card precision over cards, and every model meets the same resamples.
The earlier weeks end before the first test week begins.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from common import cli, config, runs
from common.evaluation import paired, ranking_figures
from common.project import Project
from projects.fraud_detection.cards import SECONDS_PER_DAY, card_precision

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
FIGURES = {"average_precision": "terminal", "card_precision_at_100": "card"}  # and what is resampled for each


def there(model: str, start: str, knobs: dict, runs_dir: Path) -> runs.Run | None:
    """The run of these knobs on this week: a finished one before one that was stopped."""
    project = Project("fraud_detection")
    wanted = project.config_class(model=model, start=start, **knobs)
    same = [
        entry["run"]
        for entry in runs.list_runs(project, runs_dir)
        if entry["data"] == "handbook" and entry["status"] != "damaged" and entry["run"].config == wanted
    ]
    return max(same, key=lambda run: run.finished, default=None)


def run_of(model: str, start: str, knobs: dict, data_dir: Path, runs_dir: Path) -> runs.Run:
    """The finished run of these knobs on this week: used again, or trained; one that was stopped goes on."""
    project = Project("fraud_detection")
    run = there(model, start, knobs, runs_dir)
    if run is None:
        run = runs.start(
            project, project.config_class(model=model, start=start, **knobs), "handbook", data_dir, runs_dir
        )
    elif run.finished:
        return run
    cli.train_run(run)
    cli.fresh_session()
    return run


def figure_of(table: pd.DataFrame, scores: np.ndarray, name: str):
    """A figure of one week as a function of row weights."""
    if name == "average_precision":
        return ranking_figures(table["target"].to_numpy(), scores, 0, 1, 0, 0)
    days = (table["time"].to_numpy() // SECONDS_PER_DAY).astype(int)
    return card_precision(table["card"].to_numpy(), days, table["target"].to_numpy(), scores)


def means(weeks: list[pd.DataFrame], models: list[str], name: str, resamples: int) -> dict[str, np.ndarray]:
    """{model: (1 + resamples,) mean of the weeks}: the value itself first, then one for each resample."""
    unit = FIGURES[name]
    count = 1 + max(int(week[unit].max()) for week in weeks)
    there = np.unique(np.concatenate([week[unit].to_numpy() for week in weeks]))
    random = np.random.default_rng(0)
    figures = {model: [figure_of(week, week[model].to_numpy(float), name) for week in weeks] for model in models}
    found = {model: [] for model in models}
    for draw in range(resamples + 1):
        drawn = np.ones(count) if draw == 0 else np.bincount(random.choice(there, len(there)), minlength=count)
        weights = [drawn[week[unit].to_numpy()].astype(float) for week in weeks]
        for model in models:
            values = [figure(own)[name] for figure, own in zip(figures[model], weights, strict=True)]
            found[model].append(np.mean(values))
    return {model: np.array(values) for model, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--weeks", choices=STARTS, default="test")
    parser.add_argument("--models", nargs="+", default=["logistic", "mlp", "autoencoder", "gru"])
    parser.add_argument("--set", nargs="*", default=[], metavar="KNOB=VALUE", help="knobs other than the default")
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
            every = [there(model, start, knobs, runs_dir) for model in args.models for start in starts]
            if not all(run is not None and run.finished for run in every):
                return  # the process that ends last makes the table
        for start in starts:
            found = {model: run_of(model, start, knobs, args.data_dir, runs_dir) for model in args.models}
            tables = {model: pd.read_csv(run.path / "scores.csv") for model, run in found.items()}
            week = tables[args.models[0]].drop(columns="score")
            weeks.append(week.assign(**{model: table["score"] for model, table in tables.items()}))
        knobs_said = found[args.models[0]].config
    fixed = ("card", "time", "terminal", "scenario", "amount", "target", "weight", *args.models)
    models = [*args.models, *(column for column in weeks[0] if column not in fixed)]
    rows = {name: means(weeks, models, name, args.resamples) for name in FIGURES}
    best = max(args.models, key=lambda model: rows["average_precision"][model][0])

    print(f"\nmean of the weeks after the trainings that start {', '.join(starts)}")
    print(f"knobs: {dataclasses.asdict(knobs_said)}\n")
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
            cells.append(
                ""
                if model == best
                else f"{compared['verdict']}: {gap:+.3f} [{compared['low']:+.3f}, {compared['high']:+.3f}]"
            )
        print("| " + " | ".join(cells) + " |")
    print("\n| published | average precision | card precision@100 |\n|---|---:|---:|")
    for name, (precision, cards) in PUBLISHED.items():
        print(f"| {name} | {precision:.3f} | {cards:.3f} |")


if __name__ == "__main__":
    main()
