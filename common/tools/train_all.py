"""`python -m projects train-all`: the default of every project in turn, so that every page has something to show.

Each training is a process of its own. A default that is finished is skipped, one that was interrupted goes on, and one
that fails does not end the others.
"""

import subprocess
import sys
import time
from pathlib import Path

from common import runs
from common.errors import UserError
from common.project import Project, project_names
from common.runs import Run


def default_run(project: Project, runs_dir: Path) -> tuple[Run | None, str]:
    """The run of the project's default on built-in data and its status; (None, "missing") where there is none.

    The statuses are those of `runs.list_runs`. A finished run is preferred to one in training, and both to one that
    waits to be resumed.
    """
    found: dict[str, Run] = {}
    for entry in runs.list_runs(project, runs_dir):
        stopped = entry["status"] == "finished" and not entry["complete"]
        if stopped or entry["status"] == "damaged" or entry["data"] != "builtin":
            continue
        try:
            if entry["run"].config == project.config_class():
                found.setdefault(entry["status"], entry["run"])
        except UserError:  # an older version of the project had other knobs
            continue
    return next(
        ((found[status], status) for status in ("finished", "training", "unfinished") if status in found),
        (None, "missing"),
    )


def waiting(runs_dir: Path) -> list[Project]:
    """The projects whose default is neither finished nor in training."""
    projects = [Project(name) for name in project_names()]
    return [project for project in projects if default_run(project, runs_dir)[1] in ("unfinished", "missing")]


def minutes(projects: list[Project]) -> float:
    """The minutes that these defaults take on two idle cores, by their cards."""
    return sum(project.card.MINUTES for project in projects)


def train(run: Run) -> int:
    """Train a run in a process of its own; the exit status."""
    place = ["--resume", run.id, "--runs-dir", str(run.path.parents[1].resolve())]
    return subprocess.run([sys.executable, "-m", f"projects.{run.project.name}.train", *place]).returncode


def train_all(runs_dir: Path, data_dir: Path) -> list[str]:
    """Train what is missing and print the progress. Returns the names of the projects whose training failed."""
    todo, failed = waiting(runs_dir), []
    skipped = len(project_names()) - len(todo)
    print(
        f"{len(todo)} defaults to train, {skipped} there already; about {minutes(todo):.0f} minutes on two idle cores."
    )
    expected = spent = 0.0
    for number, project in enumerate(todo):
        pace = spent / expected if expected else 1.0  # this machine's minutes for a minute of the cards
        left = pace * minutes(todo[number:])
        print(f"\n[{number + 1}/{len(todo)}] {project.name}: about {left:.0f} minutes left in all", flush=True)
        run, _ = default_run(project, runs_dir)
        run = run or runs.start(project, project.config_class(), "builtin", data_dir, runs_dir)
        began = time.monotonic()
        status = train(run)
        spent, expected = spent + (time.monotonic() - began) / 60, expected + project.card.MINUTES
        if status:
            failed.append(project.name)
            print(f"{project.name} failed with status {status}; the others go on.", file=sys.stderr)
    print(f"\n{len(todo) - len(failed)} trained, {skipped} were there already, {len(failed)} failed.")
    return failed
