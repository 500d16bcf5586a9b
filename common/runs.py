"""The run folder `runs/<project>/<id>/`, all that passes between training and the rest; see ARCHITECTURE.md.

`report.json` is written last and by one rename. A run is finished when this file exists.
"""

import contextlib
import csv
import dataclasses
import functools
import itertools
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from common import config as config_module
from common.errors import UserError
from common.files import check_regular, files_in, locked, new_folder, read_json, replacing, write_json
from common.layers.speed import speed_up
from common.project import Project
from common.records import META, TIME_FORMAT, read_report, read_request


def runs_dir() -> Path:
    """Where runs are kept unless a command says otherwise: $KERAS_PORTFOLIO_RUNS, else `runs`."""
    return Path(os.environ.get("KERAS_PORTFOLIO_RUNS", "runs"))


def data_dir() -> Path:
    """Where data sets are kept unless a command says otherwise: $KERAS_PORTFOLIO_DATA, else `data`."""
    return Path(os.environ.get("KERAS_PORTFOLIO_DATA", "data"))


LOCK_SECONDS = 2.0  # how long a training waits for the run's lock; `list_runs` holds it for an instant


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a container or a cluster sends: the training ends at once, and its last checkpoint stays."""


RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Run:
    """A run folder that exists, and the options with which this process uses it."""

    path: Path
    tensorboard: bool = False
    fit: Callable[..., Any] | None = None  # trains a model in place of `keras.Model.fit`, with its arguments

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def project(self) -> Project:
        return Project(self.path.parent.name)

    @property
    def metric(self) -> tuple[str, str]:
        """The figure by which validation chooses: (name, "max" or "min")."""
        return self.project.metric(self.data)

    @property
    def request(self) -> dict[str, Any]:
        return read_request(self.path / "run.json")

    @property
    def data(self) -> str:
        """The name of a data set, such as `builtin`, or a path."""
        return self.request["data"]

    @property
    def data_dir(self) -> Path:
        return Path(self.request["data_dir"])

    @property
    def config(self) -> Any:
        return config_module.from_dict(self.project.config_class, read_json(self.path / "config.json", {str: object}))

    @property
    def finished(self) -> bool:
        return (self.path / "report.json").exists()

    @property
    def report(self) -> dict[str, Any]:
        return read_report(self.path / "report.json", self.metric[0])

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of history.csv so far; empty before the first epoch has ended."""
        path = self.path / "history.csv"
        if not path.exists():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file, strict=True)]
        except (ValueError, TypeError, csv.Error) as error:
            raise UserError(f"{path} is damaged: {error}.") from None

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
        """Write the predictor's networks and its meta.json, each by one rename."""
        for name, network in predictor.networks.items():
            with replacing(self.path / f"{name}.keras") as temporary:
                network.save(temporary)
        write_json(self.path / "meta.json", predictor.meta)

    def networks(self) -> dict[str, Any]:
        """{name: Keras model} of this run. Only `.keras` files in its folder are opened."""
        from common.saved import load_network

        check_regular(self.path)
        if not (self.path / "meta.json").exists():
            raise UserError(f"The run {self.id} has saved no model yet.")
        return {file.stem: load_network(file) for file in files_in(self.path, "*.keras")}

    def load(self) -> Any:
        """The project's Predictor with the networks of this run. Raises UserError where a file of it is damaged."""
        networks, path, encoding = self.networks(), self.path / "meta.json", self.project.encoding
        meta = read_json(path, encoding.META)
        if wrong := encoding.disagreement(meta, networks):
            raise UserError(f"{path} is damaged: {wrong}.")
        return self.project.predictor_class({name: speed_up(network) for name, network in networks.items()}, meta)

    def check_data(self, sha256: str, knobs: Iterable[str] = ()) -> None:
        """Remember the checksum of the run's data. Raises UserError when it is not what the run began with.

        On changed data other rows would be the test split, and the network may have learnt from them. knobs: the names
        of those that loading has read, which are remembered too.
        """
        request = self.request
        if "sha256" not in request:
            write_json(self.path / "run.json", {**request, "sha256": sha256, "knobs": sorted(knobs)})
        elif request["sha256"] != sha256:
            raise UserError(
                f"The data of the run {self.id} ({self.data}) has changed since the run began: train a new run on it."
            )

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Hold the run's lock while it trains. Raises UserError when another process trains it."""
        check_regular(self.path)
        lock = self.path / "lock"
        deadline = time.monotonic() + LOCK_SECONDS
        with contextlib.ExitStack() as stack:
            while not stack.enter_context(locked(lock, wait=False)):
                if time.monotonic() > deadline:
                    raise UserError(f"The run {self.id} is training in another process.")
                time.sleep(0.1)
            yield
        if self.finished:
            lock.unlink(missing_ok=True)

    @property
    def is_training(self) -> bool:
        """Whether a process trains this run now."""
        lock = self.path / "lock"
        if not lock.exists():
            return False
        with locked(lock, wait=False) as free:
            return not free


def start(project: Project, config: Any, data: str, data_dir: Path, runs_dir: Path, tensorboard: bool = False) -> Run:
    """Make a new run folder and write run.json and config.json. The id is made of time, model and seed.

    data: the name of one of the project's data sets, or the path of a file or folder. Raises UserError for anything
    else.
    """
    config_module.check(config)
    data = checked_data(project, data)
    words = [time.strftime("%Y%m%d-%H%M%S"), getattr(config, "model", ""), f"s{config.seed}"]
    stem = "-".join(word for word in words if word)
    # A Mac writes Hangul in parts. Composed (NFC), as columns are read, the name of a column is found.
    knobs = {k: normalize("NFC", v) if isinstance(v, str) else v for k, v in dataclasses.asdict(config).items()}
    request = {"data": data, "data_dir": str(data_dir.resolve()), "created": time.strftime(TIME_FORMAT)}
    for suffix in itertools.chain([""], (f"-{i}" for i in itertools.count(2))):
        path = runs_dir / project.name / (stem + suffix)
        if path.exists():
            continue
        try:
            with new_folder(path) as folder:  # one rename makes it: a kill leaves no half-made run folder
                write_json(folder / "config.json", knobs)
                write_json(folder / "run.json", request)
            break
        except UserError:
            if not path.exists():  # otherwise another process has just taken this name
                raise
    return Run(path, tensorboard)


def checked_data(project: Project, data: str) -> str:
    """`data` as a run keeps it: the name of a data set, or an absolute path. Raises UserError for anything else."""
    names = project.data_names
    if data in names:
        return data
    if not (Path(data).is_file() or Path(data).is_dir()):  # a pipe could be read only once
        raise UserError(f"--data {data} is neither {' nor '.join(names)} nor a file or folder that exists.")
    return str(Path(data).resolve())  # the page and a later evaluation may run elsewhere


def find(project: Project, which: str, runs_dir: Path) -> Run:
    """A run by its id, or the `best` or `latest` finished one. Raises UserError when there is none.

    `best` is the best by validation among the complete runs on the same data as the latest one of them.
    """
    if which not in ("best", "latest"):
        if not RUN_NAME.fullmatch(which):
            raise UserError(f"{which!r} is not the name of a run.")
        path = runs_dir / project.name / which
        if not (path / "run.json").is_file():
            latest = ", ".join(entry["run"].id for entry in list_runs(project, runs_dir)[:5]) or "none"
            raise UserError(f"There is no run {which} under {path.parent}; the latest there: {latest}.")
        check_regular(path)
        return Run(path)
    finished = [entry for entry in list_runs(project, runs_dir) if entry["status"] == "finished"]
    if not finished:
        raise UserError(
            f"{project.name} has no finished run under {runs_dir / project.name}; "
            f"`python -m projects.{project.name}.train` makes one."
        )
    return (finished[0] if which == "latest" else best(project, finished))["run"]


def best(project: Project, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The finished entry of `list_runs` with the best validation METRIC among those that compete with the latest one.

    Figures on other data cannot be compared. A run that was stopped, or that has the smallest setting, competes only
    where there is no complete one.
    """
    entries = [entry for entry in entries if entry["complete"]] or entries
    name, mode = project.metric(entries[0]["data"])

    def value(entry: dict[str, Any]) -> float:
        figure = entry["report"].get("validation", {}).get(name)
        return float("-inf") if figure is None else figure if mode == "max" else -figure

    return max((entry for entry in entries if entry["on"] == entries[0]["on"]), key=value)


def default_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The complete ones of these finished entries that are on the default data, where there are any; else all."""
    return [entry for entry in entries if entry["complete"] and entry["on"] == ("builtin", {})] or entries


def list_runs(project: Project, runs_dir: Path) -> list[dict[str, Any]]:
    """Every run of a project, newest first: {run, status, data, created, report, reason}.

    status: `finished`, `training`, `unfinished` (it was stopped or killed; `--resume` goes on) or `damaged` (a file of
    it cannot be read; `reason` says which). report: the keys LISTED of report.json. on: the data, and {knob: value}
    of what loading has read besides the seed and what is not the default; runs with the same `on` can be compared.
    complete: the run is finished, was not stopped, and has not the smallest setting.
    """
    entries = []
    for path in (runs_dir / project.name).glob("*/run.json"):
        run = Run(path.parent)
        entry = {"run": run, **_listed(run, *map(_stamp, (run.path, *(path.with_name(name) for name in STAMPED))))}
        if entry["status"] == "unfinished" and run.is_training:
            entry["status"] = "training"
        entries.append(entry)
    return sorted(entries, key=lambda entry: (entry["created"], entry["run"].id), reverse=True)


STAMPED = ("run.json", "config.json", "meta.json", "report.json")
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
def _listed(run: Run, *stamps: tuple[int, int]) -> dict[str, Any]:
    """An entry of `list_runs` without its run. stamps: `_stamp` of the run's files, as the cache's key."""
    entry: dict[str, Any] = {"status": "damaged", "data": "?", "created": "", "report": {}, "reason": ""}
    entry.update(on=("?", {}), complete=False)
    try:
        check_regular(run.path)
        request = run.request
        config = vars(run.config)
        default, names = run.project.config_class, {*request.get("knobs", ())} & {*config} - {"seed"}
        knobs = {name: config[name] for name in names if config[name] != getattr(default, name, None)}
        entry.update(data=request["data"], created=request["created"], on=(request["data"], knobs))
        if run.finished:
            report = run.report
            read_json(run.path / "meta.json", META)
            toy = {**vars(run.project.toy), "seed": config.get("seed")} == config
            entry.update(
                status="finished",
                report={key: report[key] for key in LISTED},
                complete=not (toy or run.stop_file.exists()),
            )
        else:
            entry["status"] = "unfinished"
    except (UserError, OSError) as error:
        entry["reason"] = str(error)
    return entry
