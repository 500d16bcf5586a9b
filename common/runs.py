"""The run folder `runs/<project>/<id>/`: all that passes between training and the rest of the suite.

    run.json       what was asked: data, data folder, when        config.json   every knob
    meta.json      what prediction needs besides the networks     <network>.keras
    history.csv    one row an epoch, written while training       log.txt
    checkpoint/    where a killed training goes on                figures/*.png
    report.json, MODEL_CARD.md

`report.json` is written last and by one rename. A run is finished when this file exists.
"""

import csv
import dataclasses
import functools
import os
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import config as config_module
from common.errors import UserError
from common.files import read_json, replacing, write_json
from common.layers.speed import speed_up
from common.project import Project


def runs_dir() -> Path:
    """Where runs are kept unless a command says otherwise: $KERAS_PORTFOLIO_RUNS, else `runs`."""
    return Path(os.environ.get("KERAS_PORTFOLIO_RUNS", "runs"))


def data_dir() -> Path:
    """Where data sets are kept unless a command says otherwise: $KERAS_PORTFOLIO_DATA, else `data`."""
    return Path(os.environ.get("KERAS_PORTFOLIO_DATA", "data"))


RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Run:
    """A run folder that exists, and the options with which this process uses it."""

    path: Path
    tensorboard: bool = False

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def project(self) -> Project:
        return Project(self.path.parent.name)

    @property
    def metric(self) -> tuple[str, str]:
        """What validation chooses by: (name, "max" or "min")."""
        return self.project.card.METRIC

    @property
    def request(self) -> dict[str, Any]:
        return read_json(self.path / "run.json")

    @property
    def data(self) -> str:
        """`builtin`, the name of a standard set, or a path."""
        return self.request["data"]

    @property
    def data_dir(self) -> Path:
        return Path(self.request["data_dir"])

    @property
    def config(self) -> Any:
        return config_module.from_dict(self.project.config_class, read_json(self.path / "config.json"))

    @property
    def finished(self) -> bool:
        return (self.path / "report.json").exists()

    @property
    def report(self) -> dict[str, Any]:
        return read_json(self.path / "report.json")

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of history.csv so far; empty before the first epoch has ended."""
        if not (self.path / "history.csv").exists():
            return []
        with (self.path / "history.csv").open(newline="", encoding="utf-8") as file:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]

    @property
    def stop_file(self) -> Path:
        """A training that finds this file ends after the current batch, as it does by Ctrl-C."""
        return self.path / "stop"

    def log(self, message: str) -> None:
        """Print a line and keep it in log.txt."""
        print(message, flush=True)
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(message + "\n")

    def save(self, predictor: Any) -> None:
        """Write the predictor's networks and its meta.json, each beside and renamed."""
        for name, network in predictor.networks.items():
            with replacing(self.path / f"{name}.keras") as temporary:
                network.save(temporary)
        write_json(self.path / "meta.json", predictor.meta)

    def networks(self) -> dict[str, Any]:
        """{name: Keras model} of this run. Only `.keras` files in its folder are opened."""
        import keras

        if not (self.path / "meta.json").exists():
            raise UserError(f"The run {self.id} has saved no model yet.")
        networks = {}
        for file in sorted(self.path.glob("*.keras")):
            if file.name.startswith("."):
                continue
            if not zipfile.is_zipfile(file):
                raise UserError(f"{file} is damaged.")
            networks[file.stem] = speed_up(keras.saving.load_model(file, compile=False, safe_mode=True))
        return networks

    def load(self) -> Any:
        """The project's Predictor with the networks of this run."""
        return self.project.predictor_class(self.networks(), read_json(self.path / "meta.json"))


def start(project: Project, config: Any, data: str, data_dir: Path, runs_dir: Path, tensorboard: bool = False) -> Run:
    """Make a new run folder and write run.json and config.json. The id is made of time, model and seed.

    data: the name of one of the project's data sets, or the path of a file or folder. Raises UserError for anything
    else.
    """
    config_module.check(config)
    data = checked_data(project, data)
    words = [time.strftime("%Y%m%d-%H%M%S"), getattr(config, "model", ""), f"s{config.seed}"]
    stem = "-".join(word for word in words if word)
    for suffix in ["", *(f"-{i}" for i in range(2, 1000))]:
        path = runs_dir / project.name / (stem + suffix)
        try:
            path.mkdir(parents=True)
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"The run folder {path} cannot be made: {error.strerror or error}.") from None
    write_json(path / "config.json", dataclasses.asdict(config))
    write_json(
        path / "run.json",
        {"data": data, "data_dir": str(data_dir.resolve()), "created": time.strftime("%Y-%m-%dT%H:%M:%S%z")},
    )
    return Run(path, tensorboard)


def checked_data(project: Project, data: str) -> str:
    """`data` as a run keeps it: the name of a data set, or an absolute path. Raises UserError for anything else."""
    names = project.data_names
    if data in names:
        return data
    if not Path(data).exists():
        raise UserError(f"--data {data} is neither {' nor '.join(names)} nor a file or folder that exists.")
    return str(Path(data).resolve())  # the page and a later evaluation may run elsewhere


def find(project: Project, which: str, runs_dir: Path) -> Run:
    """A run by its id, or the `best` or `latest` finished one. Raises UserError when there is none.

    `best` is the best by validation among the runs on the same data as the latest finished run. Figures on different
    data cannot be compared.
    """
    if which not in ("best", "latest"):
        if not RUN_NAME.fullmatch(which):
            raise UserError(f"{which!r} is not the name of a run.")
        path = runs_dir / project.name / which
        if not (path / "run.json").is_file():
            latest = ", ".join(entry["run"].id for entry in list_runs(project, runs_dir)[:5]) or "none"
            raise UserError(f"There is no run {which} under {path.parent}; the latest there: {latest}.")
        return Run(path)
    finished = [entry for entry in list_runs(project, runs_dir) if entry["status"] == "finished"]
    if not finished:
        raise UserError(
            f"{project.name} has no finished run under {runs_dir / project.name}; "
            f"`python -m projects.{project.name}.train` makes one."
        )
    if which == "latest":
        return finished[0]["run"]
    return best(project, [entry for entry in finished if entry["data"] == finished[0]["data"]])["run"]


def best(project: Project, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of `list_runs` with the best validation METRIC."""
    name, mode = project.card.METRIC
    worst = float("-inf") if mode == "max" else float("inf")
    choose: Callable = max if mode == "max" else min

    def value(entry: dict[str, Any]) -> float:
        figure = entry["report"].get("validation", {}).get(name)
        return worst if figure is None else figure

    return choose(entries, key=value)


def list_runs(project: Project, runs_dir: Path) -> list[dict[str, Any]]:
    """Every run of a project, newest first: {run, status, data, created, report}.

    status: `finished`, `unfinished` (it trains, was stopped or was killed; `--resume` goes on) or `damaged` (a file
    of it cannot be read). report: the keys LISTED of report.json.
    """
    entries = []
    for path in (runs_dir / project.name).glob("*/run.json"):
        status, data, created, report = _listed(
            Run(path.parent), project.card.METRIC[0], _stamp(path), _stamp(path.with_name("report.json"))
        )
        entries.append({"run": Run(path.parent), "status": status, "data": data, "created": created, "report": report})
    return sorted(entries, key=lambda entry: (entry["created"], entry["run"].id), reverse=True)


LISTED = ("model", "data", "validation", "test", "timing")  # the keys of report.json that lists and pages show


def _stamp(path: Path) -> tuple[int, int]:
    """The time at which a file was last written, and its size; zeros where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


# A page lists the runs at every click, and there may be hundreds. A run is read again only when its files have changed.
@functools.lru_cache(maxsize=5000)
def _listed(run: Run, metric: str, *stamps: tuple[int, int]) -> tuple[str, str, str, dict[str, Any]]:
    """(status, data, created, report) of a run for `list_runs`. stamps: `_stamp` of its files, as the cache's key."""
    data, created = "?", ""
    try:
        request = run.request
        data, created = str(request["data"]), str(request["created"])
        if not run.finished:
            return "unfinished", data, created, {}
        content = run.report
        report = {key: content[key] for key in LISTED}
        # A report that lacks what lists show counts as damaged.
        _ = report["validation"][metric], report["data"]["sizes"], report["timing"]["total_seconds"]
        test = report["test"]
        _ = test["model"][metric]["value"], test["baselines"].items(), test["comparison"].items()
        return "finished", data, created, report
    except (UserError, AttributeError, KeyError, TypeError, ValueError, OSError):
        return "damaged", data, created, {}
