"""`python -m projects list`: every project at a glance, whatever lies in its run folders."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common import report, runs
from common.errors import UserError
from common.project import Project, project_names

WIDE = 120  # columns from which there is room for the problem, the data and the run's name


def print_projects(runs_dir: Path, console: Console | None = None) -> None:
    """A row a project: data, number of runs, the best run's test METRIC beside the best baseline, minutes."""
    console = console or Console()
    console = console if console.is_terminal else Console(width=160)
    wide = console.width >= WIDE
    table = Table(title=f"Projects, with their runs under {runs_dir}", title_justify="left", show_lines=not wide)
    columns = ("project", *(("problem", "data") if wide else ()), "runs", *(("best run",) if wide else ()))
    for column in (*columns, "test score", "best baseline", "min"):
        right, whole = column in ("runs", "min"), column == "project"
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=whole)
    notes = []
    for name in project_names():
        found = overview(Project(name), runs_dir)
        card = Project(name).card
        cells = [name, *((card.TITLE["en"], ", ".join(card.DATA)) if wide else ()), str(found["runs"])]
        table.add_row(*cells, *((found["best"],) if wide else ()), found["score"], found["baseline"], found["minutes"])
        if found["damaged"]:
            notes.append(f"{name}: {found['damaged']} damaged: {', '.join(found['damaged_runs'])}")
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)


def overview(project: Project, runs_dir: Path) -> dict[str, Any]:
    """What `list` says of one project; a run that cannot be read is counted and named, and never chosen."""
    entries = runs.list_runs(project, runs_dir)
    damaged = [entry["run"].id for entry in entries if entry["status"] == "damaged"]
    finished = [entry for entry in entries if entry["status"] == "finished"]
    row: dict[str, Any] = {
        "runs": len(entries),
        "damaged": len(damaged),
        "damaged_runs": damaged,
        **dict.fromkeys(("best", "score", "baseline", "minutes"), "—"),
    }
    while finished:
        entry = runs.best(project, [entry for entry in finished if entry["data"] == finished[0]["data"]])
        try:
            return row | {"best": entry["run"].id, **_scores(project, entry["report"])}
        except (UserError, KeyError, TypeError, ValueError, AttributeError):  # a report of other code, or half of one
            finished.remove(entry)
            row["damaged_runs"].append(entry["run"].id)
            row["damaged"] += 1
    return row


def _scores(project: Project, content: dict[str, Any]) -> dict[str, str]:
    metric, way = project.card.METRIC
    test, name = content["test"], metric.replace("_", " ")
    known = {other: figures[metric] for other, figures in test["baselines"].items() if metric in figures}
    known = {other: figure for other, figure in known.items() if figure["value"] is not None}
    baseline = "—"
    if known:
        best = (max if way == "max" else min)(known, key=lambda other: known[other]["value"])
        baseline = f"{best.replace('_', ' ')}\n{report.cell(known[best])}"
    return {
        "score": f"{name}\n{report.cell(test['model'][metric])}",
        "baseline": baseline,
        "minutes": f"{content['timing']['total_seconds'] / 60:.1f}",
    }
