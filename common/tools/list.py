"""`python -m projects list`: one row per project. Damaged runs are named below the table and do not stop it."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common import report, runs
from common.project import Project, project_names

WIDE = 120  # characters; a terminal at least as wide also shows the problem, the data sets and the run's name


def print_projects(runs_dir: Path, console: Console | None = None) -> None:
    """Print one row per project: data sets, number of runs, and the best run's test METRIC, baseline and minutes."""
    console = console or Console()
    console = console if console.is_terminal else Console(width=160)
    wide = console.width >= WIDE
    table = Table(title=f"Projects, with their runs under {runs_dir}", title_justify="left", show_lines=not wide)
    columns = ("project", *(("problem", "data") if wide else ()), "runs", *(("best run",) if wide else ()))
    for column in (*columns, "test score", "best baseline", "min"):
        numeric, unbroken = column in ("runs", "min"), column == "project"
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=unbroken)
    notes = [] if runs_dir.is_dir() else [f"There is no folder {runs_dir}."]
    if notes and runs_dir != runs.runs_dir():  # a new clone has no runs yet: it lists its projects
        console.print(notes[0], highlight=False)
        return
    for name in project_names():
        project = Project(name)
        row = overview(project, runs_dir)
        data = ", ".join([*project.data_names, *(["PATH"] if "PATH" in project.card.DATA else [])])
        cells = [name, *((project.card.TITLE["en"], data) if wide else ()), str(row["runs"])]
        table.add_row(*cells, *((row["best"],) if wide else ()), row["score"], row["baseline"], row["minutes"])
        notes += [f"{name}: {run} is damaged: {reason}" for run, reason in row["damaged"].items()]
        if row["training"]:
            notes.append(f"{name}: {row['training']} training now")
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)


def overview(project: Project, runs_dir: Path) -> dict[str, Any]:
    """The cells of one project's row. A run that cannot be read is counted as damaged and never chosen as the best."""
    entries = runs.list_runs(project, runs_dir)
    damaged = {entry["run"].id: entry["reason"] for entry in entries if entry["status"] == "damaged"}
    finished = [entry for entry in entries if entry["status"] == "finished"]
    row: dict[str, Any] = {
        "runs": len(entries),
        "training": sum(entry["status"] == "training" for entry in entries),
        "damaged": damaged,
        **dict.fromkeys(("best", "score", "baseline", "minutes"), "—"),
    }
    if finished:
        entry = runs.best(project, finished)
        row |= {"best": entry["run"].id, **_scores(project.metric(entry["data"]), entry["report"])}
    return row


def _scores(metric_and_direction: tuple[str, str], content: dict[str, Any]) -> dict[str, str]:
    """The cells "score", "baseline" and "minutes" of a finished run; content: its report."""
    metric, direction = metric_and_direction
    test, name = content["test"], metric.replace("_", " ")
    baseline = "—"
    if best := report.best_baseline(test, metric, direction):
        baseline = f"{best.replace('_', ' ')}\n{report.cell(test['baselines'][best][metric])}"
    return {
        "score": f"{name}\n{report.cell(test['model'][metric])}",
        "baseline": baseline,
        "minutes": f"{content['timing']['total_seconds'] / 60:.1f}",
    }
