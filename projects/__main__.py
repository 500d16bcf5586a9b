"""The commands around the projects: `python -m projects --help`. They need nothing of a project but its contract."""

import contextlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg
from tyro.extras import SubcommandApp

from common import cli, runs
from common.errors import load_part
from common.project import Project

app = SubcommandApp()
Name = Positional[Annotated[str, arg(metavar="PROJECT")]]


@dataclass(frozen=True)
class Where:
    """Where the runs are."""

    runs_dir: Path = field(default_factory=runs.runs_dir)  # the folder that holds the run folders


@dataclass(frozen=True)
class DataOptions:
    """The data, and where the runs are written."""

    data: str = "builtin"  # builtin (needs no network), the name of a standard set, or the path of your own file
    data_dir: Path = field(default_factory=runs.data_dir)  # the folder where standard sets are looked for and kept
    runs_dir: Path = field(default_factory=runs.runs_dir)  # the folder where run folders are written


@dataclass(frozen=True)
class CompareOptions:
    """What to compare."""

    models: str = ""  # the models, separated by commas; without it, every choice of --model
    seeds: int = 3  # the number of seeds, counted up from the config's seed


@dataclass(frozen=True)
class SearchOptions:
    """How to search."""

    strategy: Literal["coarse_to_fine", "random", "grid", "tpe"] = "coarse_to_fine"  # how the values are chosen
    trials: int = 20  # the number of configs to try; a larger number continues the same search
    knobs: str = ""  # the knobs to search, separated by commas; without it, all that have a search range
    cluster: str | None = None  # train the trials on this Ray cluster: its address, or local; see docs/cluster.md


@dataclass(frozen=True)
class NoProjectYet:
    """Stands for the knobs where the command line names no project."""


def named_config() -> type:
    """The Config of the project that the command line names. `compare` and `search` have its knobs as flags."""
    command, name, *_ = [*sys.argv[1:], "", ""]
    named = command in ("compare", "search") and name and not name.startswith("-")
    return Project(name).config_class if named else NoProjectYet


@app.command(name="list")
def list_projects(where: Where) -> None:
    """List every project: its data, its number of runs, and its best run beside the best baseline."""
    from common.tools.list import print_projects

    print_projects(where.runs_dir)


@app.command(name="train-all")
def train_all(where: Where) -> None:
    """Train the default of every project in turn, so that every page has something to show.

    A default that is finished is skipped, one that was interrupted goes on, and one that fails does not end the others.
    Ctrl-C stops it; the same command continues.
    """
    from common.tools.train_all import train_all

    try:
        failed = train_all(where.runs_dir, runs.data_dir())
    except KeyboardInterrupt:
        stopped()
    raise SystemExit(1 if failed else 0)


@app.command
def export(
    name: Name,
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
        output: the new folder; without it, exports/<project>/<run>-<format>.
        size: LiteRT only: the size that free dimensions (time, height, width) get.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # an LSTM that is traced on a GPU has an operation that ONNX lacks
    from common.tools import export

    export.check(Project(name), format)
    chosen = runs.find(Project(name), run, where.runs_dir)
    output = output or Path("exports") / name / f"{chosen.id}-{format}"
    export.print_table(export.export(chosen, format, output, size), output)


@app.command
def fork(
    name: Name,
    directory: Positional[Annotated[Path, arg(metavar="FOLDER")]],
    where: Where,
    title: str | None = None,
    run: str | None = None,
    extras: Annotated[str, arg(name="with")] = "",
) -> None:
    """Make a new repository out of one project: its page, tests, README, CI workflow and a first commit.

    Args:
        name: the project.
        directory: the new folder; it must not exist, or be empty.
        title: the title of the page and the README; without it, the project's own title.
        run: take a run along, so that the page works at once when deployed: an id, best (by validation) or latest.
        extras: what else to take along, separated by commas: tools such as search or export; standard for the standard
            data sets; large for Parquet files and very large tables; training for the page's tab Train, upload for the
            same with a field for own data; charts for figures in the page's colours; speed for what trains faster on a
            CPU.
    """
    from common.tools.fork import fork

    project = Project(name)
    chosen = runs.find(project, run, where.runs_dir) if run else None
    files = fork(project, directory, title, chosen, [word for word in extras.replace(" ", "").split(",") if word])
    if chosen and chosen.data != "builtin":
        print(f"Note: the run holds samples of {chosen.data}: publish it only if you may.")
    print(f"{len(files)} files and a first commit in {directory}. Continue there:\n\n  cd {directory}")
    print(f"  python -m pip install -e . && python -m projects.{name}.train")


@app.command
def notebook(name: Name, output: Path | None = None) -> None:
    """Write a notebook for Colab or Jupyter about a project: data, model, training, figures, your own input.

    Args:
        name: the project.
        output: the new file; without it, NAME.ipynb in the current folder.
    """
    from common.tools import notebook

    output = output or Path(f"{name}.ipynb")
    notebook.write(Project(name), output)
    print(f"written to {output}: open it in Jupyter, or upload it to https://colab.research.google.com")


@app.command
def compare(
    name: Name,
    comparison: CompareOptions,
    data: DataOptions,
    config: Annotated[Any, arg(constructor_factory=named_config)],
) -> None:
    """Train the models of a project on the same data over several seeds: a table, a picture, paired verdicts.

    Ctrl-C stops it; the same command continues. `compare PROJECT --help` also lists the knobs of that project.

    Args:
        name: the project.
    """
    project = Project(name)
    from common.tools import compare as comparing

    models = tuple(word for word in comparison.models.replace(" ", "").split(",") if word)
    opened = comparing.open_comparison(
        project, config, models, comparison.seeds, data.data, data.data_dir, data.runs_dir
    )
    try:
        comparing.print_table(opened, comparing.compare(opened))
    except KeyboardInterrupt:
        stopped()


@app.command
def search(
    name: Name,
    strategy: SearchOptions,
    data: DataOptions,
    config: Annotated[Any, arg(constructor_factory=named_config)],
) -> None:
    """Search for good values of a project's knobs; only the validation split is used.

    Ctrl-C stops it; the same command continues. Several processes may run the same search at once.
    `search PROJECT --help` also lists the knobs of that project.

    Args:
        name: the project.
    """
    project = Project(name)
    from common.tools.search import figures, space
    from common.tools.search import run as running

    names = tuple(word for word in strategy.knobs.replace("-", "_").replace(" ", "").split(",") if word)
    where = data.data, data.data_dir, data.runs_dir
    with contextlib.ExitStack() as stack:
        work = None
        if strategy.cluster:
            cluster = load_part("common.tools.cluster.search", "--cluster")
            work = stack.enter_context(cluster.workers(strategy.cluster, *where))
        opened = space.open_search(project, config, *where, strategy.strategy, strategy.trials, names)
        try:
            running.run_search(opened, strategy.trials, work=work)
        except running.Stopped:
            stopped()
        finally:
            if opened.folder.exists():
                figures.print_result(opened)


def stopped() -> None:
    """Say how to continue, and exit with the status of Ctrl-C."""
    print("stopped: the same command continues", file=sys.stderr)
    raise SystemExit(cli.INTERRUPTED)


if __name__ == "__main__":
    with cli.user_errors():
        app.cli(prog="python -m projects", description=__doc__, config=cli.STYLE)
