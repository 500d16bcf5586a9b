"""The commands around the projects: `python -m projects --help`. They know a project by its contract alone."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional
from tyro.extras import SubcommandApp

from common import cli, runs
from common.project import Project, project_names

app = SubcommandApp()


@dataclass(frozen=True)
class Where:
    """Where run folders are."""

    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


@app.command(name="list")
def list_projects(where: Where) -> None:
    """Every project: its data, how many runs it has, and the best of them with its score on the test split."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Projects", title_justify="left")
    for column in ("project", "problem", "data", "runs", "best run", "test score [95 % interval]", "minutes"):
        table.add_column(column, justify="right" if column in ("runs", "minutes") else "left", overflow="fold")
    for name in project_names():
        project = Project(name)
        entries = runs.list_runs(project, where.runs_dir)
        finished = [entry for entry in entries if entry["status"] == "finished"]
        best = runs.find(project, "best", where.runs_dir) if finished else None
        table.add_row(
            name,
            project.card.TITLE["en"],
            ", ".join(project.card.DATA),
            str(len(entries)),
            best.id if best else "—",
            score_text(best) if best else "—",
            f"{best.report['timing']['total_seconds'] / 60:.1f}" if best else "—",
        )
    Console().print(table)


def score_text(run: Any) -> str:
    """`average_precision 0.763 [0.741, 0.785]`: METRIC of a finished run on its test split."""
    metric, _ = run.metric
    found = run.report["test"]["model"][metric]
    interval = "" if found.get("low") is None else f" [{found['low']:.3g}, {found['high']:.3g}]"  # too few units
    return f"{metric} {found['value']:.3g}{interval}"


@app.command
def export(
    name: Positional[str],
    where: Where,
    format: Literal["savedmodel", "litert", "onnx"],
    run: str = "best",
    output: Path | None = None,
    size: int | None = None,
) -> None:
    """Write a run's networks in a format that other programs open, and compare each with Keras.

    Args:
        name: the project.
        format: SavedModel for TensorFlow Serving, LiteRT for phones and small machines, ONNX for other runtimes.
        run: id of a run, best (by validation) or latest.
        output: the new folder; left out, exports/<project>/<run>-<format>.
        size: LiteRT only: what free dimensions (time, height, width) are fixed to.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # an LSTM traced on a GPU holds an operation that ONNX lacks
    from common import export

    export.check(Project(name), format)
    found = runs.find(Project(name), run, where.runs_dir)
    output = output or Path("exports") / name / f"{found.id}-{format}"
    export.print_table(export.export(found, format, output, size), output)


@app.command
def fork(
    name: Positional[str],
    directory: Positional[Path],
    where: Where,
    title: str | None = None,
    run: str | None = None,
) -> None:
    """Make a new repository out of one project: its page, tests, README, CI workflow and a first commit.

    Args:
        name: the project.
        directory: the new folder; it must not exist, or be empty.
        title: what the page and the README are called; left out, the project's own title.
        run: carry a run along, so that the page works at once when deployed: an id, best (by validation) or latest.
    """
    from common.fork import fork

    project = Project(name)
    found = runs.find(project, run, where.runs_dir) if run else None
    files = fork(project, directory, title, found)
    if found and found.data != "builtin":
        print(f"Note: the run holds samples of {found.data}: publish it only if you may.")
    print(f"{len(files)} files and a first commit in {directory}. Go on there:\n\n  cd {directory}")
    print(f"  python -m pip install -e . && python -m projects.{name}.train")


@app.command
def notebook(name: Positional[str], output: Path | None = None) -> None:
    """Write a notebook for Colab or Jupyter that walks through a project: data, model, training, figures, own input.

    Args:
        name: the project.
        output: the new file; left out, NAME.ipynb here.
    """
    from common import notebook

    output = output or Path(f"{name}.ipynb")
    notebook.write(Project(name), output)
    print(f"written to {output}: open it in Jupyter, or upload it to https://colab.research.google.com")


if __name__ == "__main__":
    with cli.user_errors():
        app.cli(prog="python -m projects", description=__doc__, config=cli.STYLE)
