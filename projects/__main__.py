"""The commands around the projects: `python -m projects --help`. They know a project by its contract alone."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg
from tyro.extras import SubcommandApp

from common import cli, runs
from common.project import Project

app = SubcommandApp()


@dataclass(frozen=True)
class Where:
    """Where run folders are."""

    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


@dataclass(frozen=True)
class On:
    """What to train on, and where runs are kept."""

    data: str = "builtin"  # builtin (needs no network), the name of a standard set, or the path of your own file
    data_dir: Path = field(default_factory=runs.data_dir)  # where standard sets are looked for and kept
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where run folders are written


@dataclass(frozen=True)
class CompareOptions:
    """What is compared."""

    models: str = ""  # the models, with commas between; without it every choice of --model
    seeds: int = 3  # how many seeds, counted from --seed


@dataclass(frozen=True)
class SearchOptions:
    """How to search."""

    strategy: Literal["coarse_to_fine", "random", "grid", "tpe"] = "coarse_to_fine"  # the lecture's order, or others
    trials: int = 20  # how many configs are tried; more than before goes on with the same search
    knobs: str = ""  # the knobs to search, with commas between; without it those that have a range


@dataclass(frozen=True)
class NoProjectYet:
    """`python -m projects COMMAND NAME --help` lists the knobs of NAME too."""


@app.command(name="list")
def list_projects(where: Where) -> None:
    """Every project: its data, how many runs it has, and the best of them beside the best baseline."""
    from common.tools.list import print_projects

    print_projects(where.runs_dir)


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
    from common.tools import export

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
    extras: Annotated[str, arg(name="with")] = "",
) -> None:
    """Make a new repository out of one project: its page, tests, README, CI workflow and a first commit.

    Args:
        name: the project.
        directory: the new folder; it must not exist, or be empty.
        title: what the page and the README are called; left out, the project's own title.
        run: carry a run along, so that the page works at once when deployed: an id, best (by validation) or latest.
        extras: tools to take along, such as search,export,compare; and standard, for the standard data sets.
    """
    from common.tools.fork import fork

    project = Project(name)
    found = runs.find(project, run, where.runs_dir) if run else None
    files = fork(project, directory, title, found, [word for word in extras.replace(" ", "").split(",") if word])
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
    from common.tools import notebook

    output = output or Path(f"{name}.ipynb")
    notebook.write(Project(name), output)
    print(f"written to {output}: open it in Jupyter, or upload it to https://colab.research.google.com")


@app.command
def compare(name: Positional[str], options: CompareOptions, on: On, config: Any) -> None:
    """Train the models of a project on the same split, over several seeds: one table, one picture, paired verdicts."""
    project = Project(name)
    from common.tools import compare as comparing

    models = tuple(word for word in options.models.replace(" ", "").split(",") if word)
    comparison = comparing.open_comparison(project, config, models, options.seeds, on.data, on.data_dir, on.runs_dir)
    try:
        comparing.print_table(comparison, comparing.compare(comparison))
    except KeyboardInterrupt:
        stopped()


@app.command
def search(name: Positional[str], options: SearchOptions, on: On, config: Any) -> None:
    """Search a project's knobs by validation alone. Ctrl-C stops it, the same command goes on, or joins in."""
    project = Project(name)
    from common.tools import search as searching

    names = tuple(word for word in options.knobs.replace("-", "_").replace(" ", "").split(",") if word)
    asked = searching.open_search(
        project, config, on.data, on.data_dir, on.runs_dir, options.strategy, options.trials, names
    )
    try:
        searching.run_search(asked, options.trials)
    except searching.Stopped:
        stopped()
    finally:
        if asked.folder.exists():
            searching.print_result(asked)


def stopped() -> None:
    print("stopped: the same command goes on", file=sys.stderr)
    raise SystemExit(cli.INTERRUPTED)


def take_the_knobs_of_the_named_project(arguments: list[str]) -> None:
    """`compare` and `search` take the knobs of the project that the command line names."""
    commands = {"compare": compare, "search": search}
    named = [argument for argument in arguments[1:2] if not argument.startswith("-")]
    for name, command in commands.items():
        known = named and arguments[0] == name
        command.__annotations__["config"] = Project(named[0]).config_class if known else NoProjectYet


if __name__ == "__main__":
    with cli.user_errors():
        take_the_knobs_of_the_named_project(sys.argv[1:])
        app.cli(prog="python -m projects", description=__doc__, config=cli.STYLE)
