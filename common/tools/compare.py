"""Compare the models of a project's ladder: `python -m projects compare NAME`.

Every model is trained once per seed, as an ordinary run, and evaluated once. A comparison is a folder
`runs/<project>/comparisons/<id>/`:

    compare.json                  what was asked, and the run of each model and seed
    table.csv, table.md           one row per model, then one per baseline
    pairs.csv, points.csv         one row per seed and pair; one row per run
    figures/models.png            test scores with intervals; figures/models.json: its numbers
    comparison.json               all of this, for the page; written last

The models are ranked by validation. All models of a seed are trained and tested on the same split, so two of them are
compared on the same bootstrap resamples. The spread over seeds shows how much a score depends on the seed. A verdict is
given over all seeds only if every seed has that verdict.
"""

import dataclasses
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import config as config_module
from common import report, runs
from common.data import looks
from common.errors import UserError
from common.files import check_regular, locked, read_json, replacing, write_json, write_text
from common.project import Project
from common.runs import Run


@dataclass(frozen=True)
class Comparison:
    """What is compared, and the comparison's folder."""

    project: Project
    config: Any  # the knobs that all models share, with the first seed
    models: tuple[str, ...]  # choices of the knob `model`; the project's name if there is no such knob
    seeds: tuple[int, ...]
    data: str
    data_dir: Path
    runs_dir: Path
    folder: Path

    def config_of(self, model: str, seed: int) -> Any:
        """The config of one run."""
        chosen = {"model": model} if hasattr(self.config, "model") else {}
        return dataclasses.replace(self.config, **chosen, seed=seed)


def open_comparison(
    project: Project, config: Any, models: tuple[str, ...], seeds: int, data: str, data_dir: Path, runs_dir: Path
) -> Comparison:
    """The comparison that these arguments describe. The same ones with other models or seeds give the same folder.

    models: choices of the knob `model`; empty: all. seeds: the number of seeds, counted from the config's.
    Raises UserError for a wrong value, an unknown model or data, or a folder that cannot be made.
    """
    config_module.check(config)
    data = runs.checked_data(project, data)
    ladder = next((knob for knob in config_module.knobs(type(config)) if knob.name == "model" and knob.choices), None)
    if ladder and config.model != ladder.default:
        raise UserError(f"compare trains several models: use --models {config.model} instead of --model.")
    if ladder is None and models:
        raise UserError(f"{project.name} has one model only: leave --models out and compare its seeds.")
    known = ladder.choices if ladder and ladder.choices else (project.name,)
    if unknown := [model for model in models if model not in known]:
        raise UserError(f"{project.name} has no model {', '.join(unknown)}; there are: {', '.join(known)}.")
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}; the least it may be is 1.")
    request = {
        "project": project.name,
        "data": data,
        "data_dir": str(data_dir.resolve()),
        "config": dataclasses.asdict(config),
    }
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
    folder = runs_dir / project.name / "comparisons" / digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be made: {error.strerror or error}.") from None
    check_regular(folder)
    if not (folder / "compare.json").exists():
        write_json(folder / "compare.json", {**request, "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "runs": {}})
    return Comparison(
        project=project,
        config=config,
        models=tuple(dict.fromkeys(models)) or known,
        seeds=tuple(range(config.seed, config.seed + seeds)),
        data=data,
        data_dir=data_dir,
        runs_dir=runs_dir,
        folder=folder,
    )


def compare(comparison: Comparison) -> dict[str, Any]:
    """Train and evaluate the runs that are missing, write tables and picture, and return what `summary` returns.

    Runs that this comparison has finished are used again, and an interrupted one is continued. Ctrl-C, or a training
    that is stopped, raises KeyboardInterrupt; the same call continues the comparison. Raises UserError if another
    process is at work on it.
    """
    with locked(comparison.folder / "lock", wait=False) as acquired:
        if not acquired:
            raise UserError(f"Another process is at work on the comparison in {comparison.folder}.")
        finished: dict[tuple[str, int], Run] = {}
        keys = [(model, seed) for seed in comparison.seeds for model in comparison.models]
        for number, (model, seed) in enumerate(keys, start=1):
            print(f"\n{number}/{len(keys)}  {model}, seed {seed}", flush=True)
            finished[model, seed] = _finished_run(comparison, model, seed)
        content = summary(comparison, finished)
        write(comparison, content)
        return content


def _finished_run(comparison: Comparison, model: str, seed: int) -> Run:
    """The run of this model and seed: an earlier one, an interrupted one that is continued, or a new one."""
    request = read_json(comparison.folder / "compare.json", {"runs": {str: str}})
    key = f"{model} {seed}"
    folder = comparison.runs_dir / comparison.project.name
    if key in request["runs"] and (folder / request["runs"][key] / "run.json").exists():
        run = runs.find(comparison.project, request["runs"][key], comparison.runs_dir)
        if run.finished:
            print(f"the run {run.id} is finished")
            return run
    else:
        config = comparison.config_of(model, seed)
        run = runs.start(comparison.project, config, comparison.data, comparison.data_dir, comparison.runs_dir)
        request["runs"][key] = run.id
        write_json(comparison.folder / "compare.json", request)
    from common import cli, memory

    cli.start_keras()
    memory.fresh_session()
    cli.train_run(run)
    if run.stop_file.exists():
        # A stopped training must not be compared with complete ones.
        del request["runs"][key]
        write_json(comparison.folder / "compare.json", request)
        raise KeyboardInterrupt
    return run


def summary(comparison: Comparison, finished: dict[tuple[str, int], Run]) -> dict[str, Any]:
    """The tables, and what was compared.

    finished: {(model, seed): finished run}. Returns {"table": one row per model, ranked by mean validation METRIC, then
    one per baseline; "pairs": one row per seed and pair with the best model; "points": one row per run; "test_splits":
    the number of different test splits; …}. Raises UserError if the models of a seed were tested on different rows.
    """
    metric, direction = comparison.project.metric(comparison.data)
    reports = {key: run.report for key, run in finished.items()}
    fingerprints = _test_splits(comparison)
    splits = {key: fingerprints.get(run.id, run.id) for key, run in finished.items()}
    for seed in comparison.seeds:
        if len({splits[model, seed] for model in comparison.models}) > 1:
            raise UserError(f"The models of seed {seed} were tested on different rows: has the data been changed?")
    points = [
        {
            "model": model,
            "seed": seed,
            "run": finished[model, seed].id,
            "validation": content["validation"][metric],
            **{part: content["test"]["model"][metric].get(part) for part in ("value", "low", "high")},
            "parameters": content["parameters"],
            "seconds": content["timing"]["train_seconds"],
        }
        for (model, seed), content in reports.items()
    ]
    frame = pd.DataFrame(points)
    means = frame.groupby("model", sort=False)["validation"].mean().sort_values(ascending=direction == "min")
    first = str(means.index[0])
    pairs = _pairs(comparison, finished, first)
    table = [_row(name, frame[frame["model"] == name].to_dict("list"), pairs, first) for name in means.index]
    baselines: dict[str, list[dict[str, Any]]] = {}
    for seed in comparison.seeds:
        for name, figures in reports[first, seed]["test"]["baselines"].items():
            baselines.setdefault(name, []).append(figures[metric])
    for name, figures in baselines.items():
        columns = {part: [figure.get(part) for figure in figures] for part in ("value", "low", "high")}
        table.append(_row(name, columns, pairs, first))
    return {
        "project": comparison.project.name,
        "metric": metric,
        "direction": direction,
        "first": first,
        "seeds": list(comparison.seeds),
        "unit": reports[first, comparison.seeds[0]]["test"]["unit"],
        "units": reports[first, comparison.seeds[0]]["test"]["units"],
        "test_splits": len(set(splits.values())),
        "models": list(means.index),
        "table": table,
        "reference_only": reports[first, comparison.seeds[0]]["test"].get("reference_only", []),
        "pairs": pairs,
        "points": points,
    }


def _pairs(comparison: Comparison, finished: dict[tuple[str, int], Run], first: str) -> list[dict[str, Any]]:
    """For each seed, the model `first` beside each other model and each baseline: difference, interval, verdict."""
    metric = comparison.project.metric(comparison.data)[0]
    pairs = []
    for seed in comparison.seeds:
        run = finished[first, seed]
        for model in comparison.models:
            if model != first:
                result = report.pair(run, finished[model, seed])
                pairs.append({"seed": seed, "model": first, "other": model, **result})
        for name, results in run.report["test"]["comparison"].items():
            pairs.append({"seed": seed, "model": first, "other": name, **results[metric]})
    return pairs


def _row(name: str, columns: dict[str, list], pairs: list[dict[str, Any]], first: str) -> dict[str, Any]:
    """A row of the table: means over the seeds, their standard deviation, and the outer ends of their intervals."""
    values = [value for value in columns["value"] if value is not None]
    lows, highs = ([end for end in columns[part] if end is not None] for part in ("low", "high"))
    verdicts = [pair["verdict"] for pair in pairs if pair["other"] == name]
    row: dict[str, Any] = {"model": name}
    for part in ("validation", "parameters", "seconds"):
        row[part] = float(np.mean(columns[part])) if part in columns else None
    return {
        **row,
        "test": float(np.mean(values)) if values else None,
        "low": min(lows, default=None),
        "high": max(highs, default=None),
        "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "first": name == first,
        "verdict": overall(verdicts),
        "verdicts": verdicts,
    }


def overall(verdicts: list[str]) -> str:
    """The verdict of every seed if all agree, else "not distinguishable"; empty without verdicts."""
    if not verdicts:
        return ""
    return verdicts[0] if len(set(verdicts)) == 1 else "not distinguishable"


def _test_splits(comparison: Comparison) -> dict[str, str]:
    """{run id: fingerprint of the test split that it was scored on}, from looks.csv."""
    return {run: split for split, run in looks(comparison.runs_dir / comparison.project.name / "looks.csv")}


# What a comparison shows.


def described(content: dict[str, Any]) -> str:
    """What was compared, on which data, and what the columns mean."""
    count = len(content["seeds"])
    models = f"{len(content['models'])} model{'s' if len(content['models']) > 1 else ''}"
    seeds = f"seeds {content['seeds'][0]} to {content['seeds'][-1]}" if count > 1 else f"seed {content['seeds'][0]}"
    split = (
        "all on one test split"
        if content["test_splits"] == 1
        else f"each seed draws its own split, the same for every model ({content['test_splits']} test splits)"
    )
    return (
        f"{content['project']}: {models}, {seeds}, {split}. "
        f"Ranked by validation {content['metric'].replace('_', ' ')}. Test: the mean over seeds, the outer ends of "
        f"the seeds' 95 % intervals over {content['units']:,} units ({content['unit']}), and the standard deviation "
        f"over seeds. Each seed gives a verdict by paired bootstrap; it is shown if all seeds agree."
    )


def rows(content: dict[str, Any]) -> list[list[str]]:
    """The table as text; the first row is the header."""
    metric = content["metric"].replace("_", " ")
    lines = [
        ["", f"validation {metric}", f"test {metric}", "± seeds", "parameters", "training s", f"{content['first']} is"]
    ]
    for row in content["table"]:
        verdicts = row["verdicts"]
        agreeing = sum(verdict == row["verdict"] for verdict in verdicts)
        split = ", ".join(f"{verdicts.count(name)} {name}" for name in dict.fromkeys(verdicts))
        lines.append(
            [
                row["model"].replace("_", " "),
                report.number(row["validation"]) if row["validation"] is not None else "",
                report.cell({"value": row["test"], "low": row["low"], "high": row["high"]}),
                report.number(row["spread"]) if row["spread"] is not None else "",
                f"{row['parameters']:,.0f}" if row["parameters"] is not None else "",
                report.number(row["seconds"]) if row["seconds"] is not None else "",
                row["verdict"] if agreeing == len(verdicts) else f"{row['verdict']} ({split})",
            ]
        )
    return lines


def write(comparison: Comparison, content: dict[str, Any]) -> None:
    """Write table.csv, table.md, pairs.csv, points.csv, the picture and, last, comparison.json."""
    folder = comparison.folder
    lines = rows(content)
    table = [{key: value for key, value in row.items() if key not in ("verdicts", "first")} for row in content["table"]]
    for name, part in (("table", table), ("pairs", content["pairs"]), ("points", content["points"])):
        with replacing(folder / f"{name}.csv") as temporary:
            pd.DataFrame(part).to_csv(temporary, index=False)
    write_text(folder / "table.md", "\n".join([described(content), "", *report.markdown_table(lines)]) + "\n")
    report.save_figure(figure(content), folder / "figures" / "models.png")
    write_json(folder / "comparison.json", report.plain({**content, "rows": lines, "described": described(content)}))


def print_table(comparison: Comparison, content: dict[str, Any]) -> None:
    """Print the table, what it shows, and where the files are."""
    from rich.console import Console
    from rich.table import Table

    header, *body = rows(content)
    table = Table()
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i in (0, len(header) - 1) else "right")
    for i, line in enumerate(body):
        table.add_row(*line, style="bold" if i == 0 else None)
    console = Console()
    console = console if console.is_terminal else Console(width=160)
    console.print()
    console.print(described(content), highlight=False)
    console.print(table)
    console.print(f"table, pairs and picture in {comparison.folder}", highlight=False, soft_wrap=True)


def figure(content: dict[str, Any]) -> Any:
    """The test score of every run with its interval, over its number of parameters and over its training time."""
    drawn, axes = report.new_figure(columns=2, width=5.4, height=4.2)
    for axis, column, label in zip(axes, ("parameters", "seconds"), ("parameters", "seconds of training"), strict=True):
        _draw_points(axis, content, column)
        if best := _best_baseline(content):
            _draw_baseline(axis, best)
        axis.margins(x=0.2, y=0.12)
        axis.set_xlabel(label)
    axes[0].set_xscale("log")
    axes[0].xaxis.set_major_formatter("{x:,.0f}")
    axes[0].xaxis.set_minor_formatter("")
    axes[1].set_xlim(left=0)
    axes[0].set_ylabel(f"test {content['metric'].replace('_', ' ')}, 95 % interval")
    axes[1].sharey(axes[0])
    if len(content["models"]) > 1:
        points = [axes[1].get_legend_handles_labels()[0][i] for i in range(len(content["models"]))]
        drawn.legend(handles=points, loc="outside upper center", ncols=6, frameon=False)
    return drawn


def _draw_points(axis: Any, content: dict[str, Any], column: str) -> None:
    """The test score of every run, with its interval, over a column of "points"."""
    points = pd.DataFrame(content["points"])
    for number, model in enumerate(content["models"]):
        seeds = points[points["model"] == model].sort_values("seed")
        colour = report.COLOURS[number % len(report.COLOURS)]
        # Runs of one model have the same number of parameters, so they are drawn side by side.
        shift = 1 + 0.06 * (np.arange(len(seeds)) - (len(seeds) - 1) / 2) * (column == "parameters")
        places, values = seeds[column].to_numpy(float) * shift, seeds["value"].to_numpy(float)
        if seeds["low"].notna().all():
            ends = seeds["low"].to_numpy(float), seeds["high"].to_numpy(float)
            axis.vlines(places, *ends, color=colour, alpha=0.55, linewidth=1.6, label=model.replace("_", " "))
        axis.plot(places, values, "o", color=colour, label=model.replace("_", " "), markersize=6)


def _draw_baseline(axis: Any, row: dict[str, Any]) -> None:
    """A dashed line at the test score of a baseline, with its name."""
    axis.axhline(row["test"], color="0.5", linestyle="--", linewidth=1, zorder=0, label=row["model"].replace("_", " "))
    axis.text(
        0.01,
        row["test"],
        f"{row['model'].replace('_', ' ')} {report.number(row['test'])}",
        transform=axis.get_yaxis_transform(),
        va="bottom",
        fontsize=8,
        color="0.35",
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
    )


def _best_baseline(content: dict[str, Any]) -> dict[str, Any] | None:
    """The row of the table with the best baseline; None if no baseline has a test score."""
    others = {*content["models"], *content["reference_only"]}
    baselines = [row for row in content["table"] if row["model"] not in others and row["test"] is not None]
    if not baselines:
        return None
    return (max if content["direction"] == "max" else min)(baselines, key=lambda row: row["test"])
