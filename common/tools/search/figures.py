"""What a search shows: the table of trials, the result in the terminal, and the pictures."""

import dataclasses
import shlex
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from common import config as config_module
from common import report, runs
from common.files import replacing
from common.tools.search.sampler import best_trial, open_study, value_of
from common.tools.search.space import Search, position_of, value_at

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


def rows(search: Search, study: optuna.Study) -> list[dict[str, Any]]:
    """One row per trial, in the order of their numbers: state, METRIC, epochs, seconds, knobs, run and error."""
    metric = search.project.metric(search.data)[0]
    table = []
    for trial in study.get_trials(deepcopy=False):
        attributes = trial.user_attrs
        # A trial that is not complete shows its latest value. `best_trial` ignores it.
        last = trial.intermediate_values.get(max(trial.intermediate_values, default=-1))
        table.append(
            {
                "trial": trial.number,
                **({"phase": attributes.get("phase", "")} if search.strategy == "coarse_to_fine" else {}),
                "state": STATES[trial.state.name],
                metric: trial.value if trial.value is not None else last,
                "epochs": attributes.get("epochs"),
                "seconds": attributes.get("seconds"),
                **dict.fromkeys(search.space),
                **search.values(trial.params),
                "run": attributes.get("run"),
                "error": attributes.get("error"),
            }
        )
    return table


def write_table(search: Search, study: optuna.Study) -> None:
    """Write `rows` to trials.csv."""
    with replacing(search.folder / "trials.csv") as temporary:
        pd.DataFrame(rows(search, study)).to_csv(temporary, index=False)


def train_command(search: Search, params: dict[str, Any]) -> str:
    """The command that trains a trial's config as an ordinary run; it gives every knob that is not at its default."""
    config = dataclasses.replace(search.config, **search.values(params))
    words = ["python", "-m", f"projects.{search.project.name}.train"]
    if search.data != "builtin":
        words += ["--data", search.data]
    if search.data_dir != runs.data_dir():
        words += ["--data-dir", str(search.data_dir)]
    if (runs_dir := search.folder.parents[2]) != runs.runs_dir():
        words += ["--runs-dir", str(runs_dir)]
    for knob in config_module.knobs(type(config)):
        value, flag = getattr(config, knob.name), knob.name.replace("_", "-")
        if value == knob.default:
            continue
        words += [f"--{flag}" if value else f"--no-{flag}"] if knob.kind is bool else [f"--{flag}", str(value)]
    return shlex.join(words)


def knob_text(value: Any) -> str:
    """A knob's value as it is shown: floats with three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def print_result(search: Search, console: Console | None = None, limit: int = 10) -> None:
    """Print the best `limit` trials, the errors of failed ones, and the command that trains the best."""
    study = open_study(search)
    console = console or Console()
    console = console if console.is_terminal else Console(width=160)
    metric, direction = search.project.metric(search.data)
    trials = rows(search, study)
    sign = -1 if direction == "max" else 1
    complete = sorted((row for row in trials if row["state"] == "complete"), key=lambda row: sign * row[metric])
    counts = {state: sum(row["state"] == state for row in trials) for state in STATES.values()}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    table = Table(title=f"Best of {len(trials)} trials ({summary})", title_justify="left")
    for column in ("trial", f"validation {metric.replace('_', ' ')}", "epochs", "s", *search.space):
        table.add_column(column.replace("_", " "), justify="right", overflow="fold")
    for i, row in enumerate(complete[:limit]):
        table.add_row(
            str(row["trial"]),
            report.number(row[metric]),
            str(row["epochs"]),
            f"{row['seconds']:.1f}",
            *(knob_text(row[name]) for name in search.space),
            style="bold" if i == 0 else None,
        )
    console.print(table)
    for row in trials:
        if row["error"]:
            console.print(f"trial {row['trial']} failed: {row['error']}", highlight=False, markup=False)
    console.print(f"table and figures in {search.folder}", highlight=False, soft_wrap=True)
    if best := best_trial(study):
        print(f"\n  train the best:  {train_command(search, best.params)}")
    else:
        print("\nNo trial is complete yet.")


def write_figures(search: Search, study: optuna.Study) -> None:
    """Draw parallel coordinates and progress (from two complete trials on), and importance (if their values differ)."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < 2:
        return
    figures = {"parallel_coordinates": parallel_figure(search, study), "progress": progress_figure(search, study)}
    if len({trial.value for trial in complete}) > 1:
        figures["importance"] = importance_figure(search, study)
    for name, figure in figures.items():
        report.save_figure(figure, search.folder / "figures" / f"{name}.png")


def parallel_figure(search: Search, study: optuna.Study) -> Any:
    """Parallel coordinates: one line per trial. Better trials are darker, pruned ones grey, the best is on top."""
    from matplotlib import colormaps

    direction, space = search.project.metric(search.data)[1], search.space
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    figure, axis = report.new_figure(width=max(6.0, 1.6 * (len(space) + 1)), height=4.2)
    values = np.array([value_of(trial) for trial in complete])
    low, high = values.min(), values.max()
    best = best_trial(study)

    def heights(trial: FrozenTrial) -> list[float]:
        return [position_of(space[name], trial.params[name]) for name in space]

    for trial in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)):
        axis.plot(heights(trial), color="0.75", linewidth=0.8, zorder=1)
    # The worst trials are drawn first, so that the best are on top.
    for trial in sorted(complete, key=value_of, reverse=direction == "min"):
        height = (value_of(trial) - low) / (high - low) if high > low else 0.5
        quality = height if direction == "max" else 1 - height
        axis.plot(
            [*heights(trial), height],
            color=report.COLOURS[5] if trial is best else colormaps["viridis_r"](0.1 + 0.8 * quality),
            linewidth=2.8 if trial is best else 1.2,
            alpha=1.0 if trial is best else 0.8,
            zorder=3 if trial is best else 2,
            label=f"best: {report.number(trial.value)}" if trial is best else None,
        )
    _label_parallel_axes(axis, search, low, high)
    figure.legend(loc="outside upper right", frameon=False, fontsize=8)
    return figure


def _label_parallel_axes(axis: Any, search: Search, low: float, high: float) -> None:
    """Draw one vertical axis per knob and one for METRIC (from `low` to `high`), with values beside them."""
    space, metric = search.space, search.project.metric(search.data)[0]
    background = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    for place, name in enumerate(space):
        axis.axvline(place, color="0.5", linewidth=0.8, zorder=0)
        for value in _axis_values(space[name]):
            height = position_of(space[name], value)
            style = {"ha": "right", "va": "center", "fontsize": 8, "bbox": background, "zorder": 4}
            axis.text(place - 0.04, height, knob_text(value), **style)
    axis.axvline(len(space), color="0.5", linewidth=0.8, zorder=0)
    for height in (0.0, 0.5, 1.0):
        text = report.number(low + height * (high - low))
        axis.text(len(space) + 0.04, height, text, ha="left", va="center", fontsize=8)
    names = [*(name.replace("_", "\n") for name in space), f"validation\n{metric.replace('_', ' ')}"]
    axis.set_xticks(range(len(names)), names)
    axis.set(yticks=[], ylim=(-0.05, 1.05), xlim=(-0.35, len(space) + 0.35))
    axis.grid(False)
    axis.spines[["left", "bottom"]].set_visible(False)


def _axis_values(distribution: Any) -> list[Any]:
    """The values written beside an axis: all choices, all of up to six ints, else both ends and the middle."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution) and distribution.high - distribution.low < 6:
        return list(range(distribution.low, distribution.high + 1))
    return [value_at(distribution, position) for position in (0.0, 0.5, 1.0)]


def importance_figure(search: Search, study: optuna.Study) -> Any:
    """How much each knob mattered, by PED-ANOVA (Watanabe et al. 2023).

    PED-ANOVA measures how far the values of the better trials differ from those of all trials.
    """
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    names = sorted(search.space, key=lambda name: importances.get(name, 0.0))
    figure, axis = report.new_figure(width=6.0, height=0.6 + 0.5 * max(3, len(names)))
    axis.barh([name.replace("_", " ") for name in names], [importances.get(name, 0.0) for name in names], height=0.6)
    complete = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    axis.set(xlabel=f"importance (PED-ANOVA, {complete} complete trials: a hint, not a measurement)", xlim=(0, None))
    axis.grid(False, axis="y")
    axis.set_axisbelow(True)
    return figure


def progress_figure(search: Search, study: optuna.Study) -> Any:
    """METRIC of every trial in the order of their numbers, and the best so far."""
    metric, direction = search.project.metric(search.data)
    figure, axis = report.new_figure(width=7.0)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    accumulate = np.maximum.accumulate if direction == "max" else np.minimum.accumulate
    best_so_far = accumulate([value_of(trial) for trial in complete])
    axis.step([trial.number for trial in complete], best_so_far, where="post", color="0.6", label="best so far")
    groups: dict[str, list[FrozenTrial]] = {}
    for trial in complete:
        groups.setdefault(trial.user_attrs.get("phase", "complete"), []).append(trial)
    for name, trials in groups.items():
        axis.plot([trial.number for trial in trials], [trial.value for trial in trials], "o", label=name)
    pruned = [
        trial for trial in study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)) if trial.intermediate_values
    ]
    last = [trial.intermediate_values[max(trial.intermediate_values)] for trial in pruned]
    if pruned:
        axis.plot([trial.number for trial in pruned], last, "x", color="0.5", label="pruned")
    axis.set(xlabel="trial", ylabel=f"validation {metric.replace('_', ' ')}")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False, fontsize=8)
    return figure
