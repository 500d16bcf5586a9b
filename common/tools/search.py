"""Search over a project's knobs: `python -m projects search NAME`. It reads validation alone.

A search is a folder `runs/<project>/searches/<id>/`, itself a runs folder in which each trial is an unfinished run:

    search.json    what was asked            journal.log             Optuna's record of every trial; processes share it
    trials.csv     the table                 figures/*.png           parallel coordinates, importance, progress
    <project>/     a run folder a trial      locks/                  which process works on which trial

The same command goes on with a search that was stopped or killed, and a second process that runs it joins in. Which
values a trial tries depends on the seed, its number and what has been found so far (but for tpe), so a search that was
killed goes on as if it had not been.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import shlex
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from common import config as config_module
from common import report, runs
from common.config import Knob
from common.errors import UserError
from common.files import locked, read_json, replacing, write_json
from common.project import Project
from common.runs import Run

STRATEGIES = ("coarse_to_fine", "random", "grid", "tpe")
MOST_LEVELS = 5  # of one knob in a grid: more are better spent on another knob
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}

Space = dict[str, Any]  # Optuna's distribution of each knob


class Stopped(Exception):
    """The search was asked to stop; the trial stays as it is and goes on later."""


@dataclass(frozen=True)
class Search:
    """One search: what was asked, and its folder."""

    project: Project
    config: Any  # the knobs that are not searched
    data: str
    data_dir: Path
    folder: Path
    strategy: str
    budget: int  # the number of trials it was planned for
    knobs: tuple[Knob, ...]

    @property
    def space(self) -> Space:
        return {knob.name: distribution(knob) for knob in self.knobs}

    def tried(self, params: dict[str, Any]) -> dict[str, Any]:
        """The knobs of a trial as it used them: floats with three significant digits."""
        space = self.space
        return {knob.name: rounded(space[knob.name], params[knob.name]) for knob in self.knobs if knob.name in params}


def open_search(
    project: Project,
    config: Any,
    data: str,
    data_dir: Path,
    runs_dir: Path,
    strategy: str,
    trials: int,
    names: tuple[str, ...] = (),
) -> Search:
    """The search that these arguments describe; its folder is made when it is not there yet.

    names: the knobs to search; without them, those with a search range that `config` leaves at their default.
    """
    config_module.check(config)
    data = runs.checked_data(project, data)
    if trials < 1:
        raise UserError(f"--trials is {trials}; the least it may be is 1.")
    knobs = searched(config, names)
    asked: dict[str, Any] = {
        "project": project.name,
        "data": data,
        "data_dir": str(data_dir.resolve()),
        "strategy": strategy,
        "knobs": [knob.name for knob in knobs],
        "config": dataclasses.asdict(config),
    }
    if strategy == "grid":
        asked["trials"] = trials  # a finer grid has other points, so it is another search
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    folder = runs_dir / project.name / "searches" / f"{strategy}-s{config.seed}-{digest}"
    try:
        with locked(folder / "locks" / "search"):
            if not (folder / "search.json").exists():
                created = time.strftime("%Y-%m-%dT%H:%M:%S%z")
                write_json(folder / "search.json", {**asked, "trials": trials, "created": created})
    except OSError as error:
        raise UserError(f"The search folder {folder} cannot be made: {error.strerror or error}.") from None
    budget = read_json(folder / "search.json")["trials"]
    return Search(project, config, data, data_dir, folder, strategy, budget, knobs)


def searched(config: Any, names: tuple[str, ...] = ()) -> tuple[Knob, ...]:
    """The knobs to search, the learning rate first."""
    knobs = {knob.name: knob for knob in config_module.knobs(type(config))}
    possible = [name for name, knob in knobs.items() if knob.search or knob.choices or knob.kind is bool]
    for name in names:
        if name not in possible:
            raise UserError(f"{name!r} is not a knob that can be searched; those are: {', '.join(possible)}.")
    if not names:
        names = tuple(n for n, knob in knobs.items() if knob.search and getattr(config, n) == knob.default)
    if not names:
        raise UserError("No knob is left to search: all that have a range were given a value. Name some with --knobs.")
    chosen = (knobs[name] for name in dict.fromkeys(names))
    return tuple(sorted(chosen, key=lambda knob: knob.name != "learning_rate"))


def distribution(knob: Knob) -> BaseDistribution:
    """A knob's search range in Optuna's terms; all choices where it has choices."""
    if knob.choices or knob.kind is bool:
        return CategoricalDistribution(knob.choices or (False, True))
    assert knob.search
    if knob.kind is int:
        return IntDistribution(int(knob.search.low), int(knob.search.high), log=knob.search.log)
    return FloatDistribution(knob.search.low, knob.search.high, log=knob.search.log)


def rounded(distribution: BaseDistribution, value: Any) -> Any:
    """A float with three significant digits, within its range; anything else as it is."""
    if not isinstance(distribution, FloatDistribution):
        return value
    return min(max(float(f"{value:.3g}"), distribution.low), distribution.high)


def value_at(distribution: Any, share: float, margin: float = 0.0) -> Any:
    """The value at `share` (0 to 1) of a range, by ratio where it is logarithmic.

    margin: of an int, how far below the lowest and above the highest the range begins and ends: with 0.5 all ints have
    an equal part of it.
    """
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(share * len(distribution.choices)), len(distribution.choices) - 1)]
    margin = margin if isinstance(distribution, IntDistribution) else 0.0
    ends = (distribution.low - margin, distribution.high + margin)
    low, high = (math.log(end) if distribution.log else end for end in ends)
    value = low + share * (high - low)
    value = math.exp(value) if distribution.log else value
    value = round(value) if isinstance(distribution, IntDistribution) else value
    return min(max(rounded(distribution, value), distribution.low), distribution.high)


def share_of(distribution: Any, value: Any) -> float:
    """Where in its range a value lies, 0 to 1: the inverse of `value_at`."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    low, value, high = (math.log(x) if distribution.log else x for x in (distribution.low, value, distribution.high))
    return (value - low) / (high - low) if high > low else 0.5


def drawn(distribution: Any, random: np.random.Generator, around: Any = None, width: float = 1.0) -> Any:
    """A value drawn evenly from the part of the range, `width` of it, that lies around `around`.

    A choice is kept with probability 1 - width, else drawn from all.
    """
    if isinstance(distribution, CategoricalDistribution):
        keep = around is not None and random.random() >= width
        return around if keep else value_at(distribution, random.random())
    start = 0.0 if around is None else min(max(share_of(distribution, around) - width / 2, 0.0), 1.0 - width)
    return value_at(distribution, start + width * random.random(), margin=0.5)


def grid(space: Space, budget: int, defaults: dict[str, Any]) -> list[dict[str, Any]]:
    """The points of the largest grid within the budget: evenly spaced values, both ends included.

    No knob gets more than `MOST_LEVELS` values, an earlier knob at least as many as a later one, and a knob that gets
    one keeps its default. Knobs with choices get all of them or one.
    """

    def levels(names: list[str], most: int, left: int) -> Iterator[tuple[int, ...]]:
        if not names:
            yield ()
            return
        first = space[names[0]]
        possible: tuple[int, ...] = tuple(range(1, most + 1))
        if isinstance(first, CategoricalDistribution):
            possible = (1, len(first.choices))
        elif isinstance(first, IntDistribution):
            possible = tuple(n for n in possible if n <= first.high - first.low + 1)
        for count in possible:
            if count <= left:
                narrower = most if isinstance(first, CategoricalDistribution) else count
                for rest in levels(names[1:], narrower, left // count):
                    yield (count, *rest)

    # Of the largest, the one that spreads over the most knobs.
    counts = max(levels(list(space), MOST_LEVELS, budget), key=lambda found: (math.prod(found), -max(found)))
    points: list[dict[str, Any]] = [{}]
    for (name, distribution), count in zip(space.items(), counts, strict=True):
        values = [defaults[name]]
        if isinstance(distribution, CategoricalDistribution) and count > 1:
            values = list(distribution.choices)
        elif count > 1:
            values = [value_at(distribution, i / (count - 1)) for i in range(count)]
        points = [{**point, name: value} for point in points for value in values]
    return points


def phase(number: int, budget: int, space: Space) -> str:
    """Where coarse-to-fine stands at trial `number`: "learning rate", "coarse" or "fine".

    The learning rate alone gets a quarter of the trials (three at least), the coarse phase 2/5 of all.
    """
    first = max(3, round(budget / 4)) if "learning_rate" in space and len(space) > 1 else 0
    if number < first:
        return "learning rate"
    return "coarse" if number < first + max(1, round(0.4 * budget)) else "fine"


class Sampler(optuna.samplers.BaseSampler):
    """Grid, random and coarse-to-fine: a trial follows from the seed, its number and what was found so far."""

    def __init__(self, search: Search):
        self.search = search
        defaults = {knob.name: getattr(search.config, knob.name) for knob in search.knobs}
        self.defaults = defaults
        self.points = grid(search.space, search.budget, defaults) if search.strategy == "grid" else []

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        return self.search.space

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        if self.search.strategy == "grid":
            return self.points[trial.number]
        random = np.random.default_rng([self.search.config.seed, trial.number])
        if self.search.strategy == "random":
            return {name: drawn(distribution, random) for name, distribution in search_space.items()}
        return self._coarse_to_fine(study, trial.number, search_space, random)

    def _coarse_to_fine(
        self, study: optuna.Study, number: int, space: Space, random: np.random.Generator
    ) -> dict[str, Any]:
        """First the learning rate, then random values of everything, then random values around the best."""
        stage = phase(number, self.search.budget, space)
        best = best_trial(study)
        found = best.params if best else self.defaults
        if stage == "learning rate":
            # One at random from each of as many equal parts of the range, the parts in random order.
            parts = sum(phase(n, self.search.budget, space) == stage for n in range(self.search.budget)) or 1
            order = np.random.default_rng(self.search.config.seed).permutation(parts)
            share = (order[number % parts] + random.random()) / parts
            return {**self.defaults, "learning_rate": value_at(space["learning_rate"], share)}
        if stage == "coarse":
            widths = {name: 0.5 if name == "learning_rate" and best else 1.0 for name in space}
        else:
            widths = dict.fromkeys(space, 0.25)
        return {name: drawn(space[name], random, found[name], widths[name]) for name in space}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError("every knob is in the relative search space")


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best complete trial so far."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    choose = max if study.direction == optuna.study.StudyDirection.MAXIMIZE else min
    return choose(complete, key=value_of, default=None)


def value_of(trial: FrozenTrial) -> float:
    """The validation METRIC of a complete trial."""
    assert trial.value is not None
    return trial.value


def open_study(search: Search) -> optuna.Study:
    """The Optuna study in the search's folder, shared by every process that works on it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = str(search.folder / "journal.log")
    storage = JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file)))  # the lock that Windows has too
    with locked(search.folder / "locks" / "search"):
        study = optuna.create_study(
            storage=storage,
            study_name=search.folder.name,
            direction="maximize" if search.project.card.METRIC[1] == "max" else "minimize",
            # Weak: the best epoch so far is below the median of the complete trials at that epoch.
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
            load_if_exists=True,
        )
        if search.strategy == "tpe":
            # It draws from a stream: a process that joins or goes on must not draw what another has drawn.
            starts = study.user_attrs.get("starts", 0)
            study.set_user_attr("starts", starts + 1)
            study.sampler = optuna.samplers.TPESampler(
                seed=1000 * search.config.seed + starts, n_startup_trials=max(3, search.budget // 3)
            )
        else:
            study.sampler = Sampler(search)
    return study


def standing(values: list[float], mode: str, epochs: bool) -> float:
    """What a training is worth after these rows of its history.

    epochs: each row is an epoch, and the best is kept. Otherwise each is a part of the validation split (a picture that
    is learnt from alone), and all count: their mean.
    """
    if any(value != value for value in values):
        return math.nan
    if not epochs:
        return float(np.mean(values))
    return max(values) if mode == "max" else min(values)


def run_search(search: Search, trials: int, console: Console | None = None) -> optuna.Study:
    """Work on a search until it has `trials` trials; prints progress, writes table and figures; returns the study.

    A failed trial is recorded with its error. Ctrl-C or a file `stop` in the search's folder ends it after the current
    batch with `Stopped`, after table and figures have been written; a trial in progress goes on from its last epoch
    when the search does, and so does one whose process was killed.
    """
    from common.cli import start_keras

    start_keras()
    console = console or Console(file=sys.stdout)
    study = open_study(search)
    if isinstance(study.sampler, Sampler) and search.strategy == "grid":
        trials = min(trials, len(study.sampler.points))
    (search.folder / "stop").unlink(missing_ok=True)
    _announce(search, study, trials, console)
    stopped = False
    try:
        with _interruptible() as interrupted, _Bar(console, trials) as bar:
            while not stopped:
                with contextlib.ExitStack() as held:
                    trial = _next_trial(search, study, trials, held)
                    if trial is None:
                        break
                    try:
                        _run_trial(search, study, trial, bar, interrupted)
                        bar.finished(search, study, trial.number)
                    except Stopped:
                        stopped = True
                    write_table(search, study)
    except UserError:
        shutil.rmtree(search.folder)  # the data or the knobs are wrong: nothing was learnt
        raise
    write_figures(search, study)
    if stopped:
        raise Stopped
    return study


def _next_trial(
    search: Search, study: optuna.Study, trials: int, held: contextlib.ExitStack
) -> optuna.trial.Trial | None:
    """A trial that its process has left behind, or a new one, with its lock held; None when there is nothing to do."""
    locks = search.folder / "locks"
    with locked(locks / "search"):
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if held.enter_context(locked(locks / str(left.number), wait=False)):
                # Optuna offers no other way to go on with a trial of an earlier process.
                trial = optuna.trial.Trial(study, left._trial_id)
                break
        else:
            if len(study.get_trials(deepcopy=False)) >= trials:
                return None
            trial = study.ask()
            held.enter_context(locked(locks / str(trial.number)))
        for knob in search.knobs:
            _suggest(trial, knob)
        if search.strategy == "coarse_to_fine":
            trial.set_user_attr("phase", phase(trial.number, search.budget, search.space))
    return trial


def _suggest(trial: optuna.trial.Trial, knob: Knob) -> None:
    """Have the sampler choose a value, unless the trial has one."""
    found = distribution(knob)
    if isinstance(found, CategoricalDistribution):
        trial.suggest_categorical(knob.name, found.choices)
    elif isinstance(found, IntDistribution):
        trial.suggest_int(knob.name, found.low, found.high, log=found.log)
    elif isinstance(found, FloatDistribution):
        trial.suggest_float(knob.name, found.low, found.high, log=found.log)


def _run_trial(
    search: Search, study: optuna.Study, trial: optuna.trial.Trial, bar: "_Bar", interrupted: threading.Event
) -> None:
    """Train once and tell the study what came of it; raises Stopped, and the UserError of a first trial in vain."""
    began, watch = time.perf_counter(), _Watch(search, trial, bar, interrupted)
    attributes = trial.user_attrs
    state: TrialState | None = None
    value = None
    try:
        watch.check_stop()
        value = watch.train()
        state = TrialState.COMPLETE
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except Stopped:
        raise
    except Exception as error:
        state = TrialState.FAIL
        trial.set_user_attr("error", f"{type(error).__name__}: {error}".splitlines()[0])
        if watch.run:
            with (watch.run.path / "log.txt").open("a", encoding="utf-8") as file:
                file.write(traceback.format_exc())
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        if isinstance(error, UserError) and not watch.values and not others:
            raise  # the first trial could not even begin: every other would say the same
    finally:
        trial.set_user_attr("seconds", attributes.get("seconds", 0.0) + time.perf_counter() - began)
        trial.set_user_attr("epochs", len(watch.values))
        if state is not None:
            study.tell(trial, value, state=state)
            watch.tidy()


class _Watch:
    """The training of one trial: reports each epoch, and raises to prune or to stop."""

    def __init__(self, search: Search, trial: optuna.trial.Trial, bar: "_Bar", interrupted: threading.Event):
        self.search, self.trial, self.bar, self.interrupted = search, trial, bar, interrupted
        self.metric, self.mode = search.project.card.METRIC
        self.run: Run | None = None
        self.values: list[float] = []
        self.reported = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        self.looked = 0.0

    def train(self) -> float:
        """Train the trial's config, from its checkpoint where there is one; returns the validation METRIC."""
        import keras

        from common.cli import fresh_session

        search = self.search
        fresh_session()
        name = self.trial.user_attrs.get("run")
        if name:
            self.run = Run(search.folder / search.project.name / name)
        else:
            config = dataclasses.replace(search.config, **search.tried(self.trial.params))
            self.run = runs.start(search.project, config, search.data, search.data_dir, search.folder)
            self.trial.set_user_attr("run", self.run.id)
        self.config = self.run.config
        self.values = [row[f"val_{self.metric}"] for row in self.run.history]
        self.bar.begin(self.trial.number, self.config, search)
        callback = keras.callbacks.LambdaCallback(
            on_epoch_end=self.epoch_ended, on_train_batch_end=lambda batch, logs=None: self.check_stop()
        )
        # What a training prints goes into its log.txt; the terminal is the search's.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            keras.utils.set_random_seed(self.config.seed)
            search.project.train(self.config, self.run, (callback,))
        self.values = [row[f"val_{self.metric}"] for row in self.run.history]
        return self.value()

    def value(self) -> float:
        value = standing(self.values, self.mode, hasattr(self.config, "epochs"))
        if value != value:
            raise UserError(f"val_{self.metric} is not a number any more.")
        return value

    def epoch_ended(self, epoch: int, logs: dict[str, Any]) -> None:
        if f"val_{self.metric}" not in logs:
            raise UserError(f"{self.search.project.name} does not report val_{self.metric} at the end of an epoch.")
        self.values.append(float(logs[f"val_{self.metric}"]))
        value = self.value()
        self.bar.epoch(len(self.values), value)
        if epoch not in self.reported:
            self.trial.report(value, epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned
        self.check_stop(at_once=True)

    def check_stop(self, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self.looked > 0.5:
            self.looked = time.monotonic()
            if self.interrupted.is_set() or (self.search.folder / "stop").exists():
                raise Stopped

    def tidy(self) -> None:
        """A trial leaves its knobs, curve and log; its network is one training away."""
        if self.run:
            shutil.rmtree(self.run.path / "checkpoint", ignore_errors=True)
            for file in self.run.path.glob("*.keras"):
                file.unlink()


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second ends the process. `fit` would take it for a training's end."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(*_: Any) -> None:
        if interrupted.is_set():
            raise SystemExit(130)
        interrupted.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def rows(search: Search, study: optuna.Study) -> list[dict[str, Any]]:
    """Every trial in the order of its number: what it tried and what came of it."""
    metric = search.project.card.METRIC[0]
    table = []
    for trial in study.get_trials(deepcopy=False):
        attributes = trial.user_attrs
        # A pruned trial is worth what it had reached; it is never the best.
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
                **search.tried(trial.params),
                "run": attributes.get("run"),
                "error": attributes.get("error"),
            }
        )
    return table


def write_table(search: Search, study: optuna.Study) -> None:
    with replacing(search.folder / "trials.csv") as temporary:
        pd.DataFrame(rows(search, study)).to_csv(temporary, index=False)


def train_line(search: Search, params: dict[str, Any]) -> str:
    """The command that trains this trial's config as a run of its own: every knob that is not at its default."""
    config = dataclasses.replace(search.config, **search.tried(params))
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


# What a search shows.


def _announce(search: Search, study: optuna.Study, trials: int, console: Console) -> None:
    done = len(study.get_trials(deepcopy=False))
    before = f", {done} of them begun before" if done else ""
    console.print(
        f"{search.strategy.replace('_', ' ')} search of {', '.join(knob.name for knob in search.knobs)}: "
        f"{trials} trials{before}, chosen by validation {search.project.card.METRIC[0]}",
        highlight=False,
    )
    console.print(f"folder {search.folder}", highlight=False, soft_wrap=True)


def _shown(value: Any) -> str:
    """A knob's value for people."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class _Bar:
    """A line for each trial that ends, and in a terminal a bar with the epoch of the trial in progress."""

    def __init__(self, console: Console, trials: int):
        self.console, self.trials = console, trials
        self.progress = Progress(
            TextColumn("{task.completed}/{task.total} trials"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[now]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self.task = self.progress.add_task("", total=trials, now="loading …")

    def __enter__(self) -> "_Bar":
        self.progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()

    def begin(self, number: int, config: Any, search: Search) -> None:
        self.number, self.epochs = number, getattr(config, "epochs", None)
        self.progress.update(self.task, completed=number, now=f"trial {number}: loading …")

    def epoch(self, epoch: int, value: float) -> None:
        of = f"/{self.epochs}" if self.epochs else ""
        self.progress.update(self.task, now=f"trial {self.number}: epoch {epoch}{of}, {report.number(value)}")

    def finished(self, search: Search, study: optuna.Study, number: int) -> None:
        row = rows(search, study)[number]
        best = best_trial(study)
        knobs = "  ".join(f"{name} {_shown(row[name])}" for name in search.space)
        metric = search.project.card.METRIC[0]
        star = "★" if best and best.number == number else " "
        self.progress.console.print(
            f"{number:3d}  {row.get('phase', ''):<13}  {row['state']:<8}  {report.number(row[metric]):>7} {star}"
            f" {row['epochs'] or 0:3d} epochs {row['seconds'] or 0:6.1f} s  {row['error'] or knobs}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def print_result(search: Search, console: Console | None = None, most: int = 10) -> None:
    """The best trials as a table, how many were pruned or failed, and the command that trains the best."""
    study = open_study(search)
    console = console or Console()
    console = console if console.is_terminal else Console(width=160)
    metric, mode = search.project.card.METRIC
    found = rows(search, study)
    sign = -1 if mode == "max" else 1
    complete = sorted((row for row in found if row["state"] == "complete"), key=lambda row: sign * row[metric])
    counts = {state: sum(row["state"] == state for row in found) for state in STATES.values()}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    table = Table(title=f"Best of {len(found)} trials ({told})", title_justify="left")
    for column in ("trial", f"validation {metric.replace('_', ' ')}", "epochs", "s", *search.space):
        table.add_column(column.replace("_", " "), justify="right", overflow="fold")
    for i, row in enumerate(complete[:most]):
        table.add_row(
            str(row["trial"]),
            report.number(row[metric]),
            str(row["epochs"]),
            f"{row['seconds']:.1f}",
            *(_shown(row[name]) for name in search.space),
            style="bold" if i == 0 else None,
        )
    console.print(table)
    for row in found:
        if row["error"]:
            console.print(f"trial {row['trial']} failed: {row['error']}", highlight=False, markup=False)
    console.print(f"table and figures in {search.folder}", highlight=False, soft_wrap=True)
    if best := best_trial(study):
        print(f"\n  train the best:  {train_line(search, best.params)}")
    else:
        print("\nNo trial is complete yet.")


def write_figures(search: Search, study: optuna.Study) -> None:
    """Parallel coordinates, importance and progress, as far as there are trials enough for each."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < 2:
        return
    figures = {"parallel_coordinates": parallel_figure(search, study), "progress": progress_figure(search, study)}
    if len({trial.value for trial in complete}) > 1:
        figures["importance"] = importance_figure(search, study)
    for name, figure in figures.items():
        report.save_figure(figure, search.folder / "figures" / f"{name}.png")


def parallel_figure(search: Search, study: optuna.Study) -> Any:
    """A line a trial through the values that it tried; the better, the darker; pruned ones grey, the best on top."""
    from matplotlib import colormaps

    metric, mode = search.project.card.METRIC
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    space = search.space
    figure, axis = report.new_figure(width=max(6.0, 1.6 * (len(space) + 1)), height=4.2)
    values = np.array([value_of(trial) for trial in complete])
    low, high = values.min(), values.max()
    best = best_trial(study)
    assert best

    def heights(trial: FrozenTrial) -> list[float]:
        return [share_of(space[name], trial.params[name]) for name in space]

    places = list(range(len(space) + 1))
    for trial in pruned:
        axis.plot(places[:-1], heights(trial), color="0.75", linewidth=0.8, zorder=1)
    # The worst first, so that the best lie on top.
    for trial in sorted(complete, key=value_of, reverse=mode == "min"):
        height = (value_of(trial) - low) / (high - low) if high > low else 0.5
        good = height if mode == "max" else 1 - height
        axis.plot(
            places,
            [*heights(trial), height],
            color=report.COLOURS[5] if trial is best else colormaps["viridis_r"](0.1 + 0.8 * good),
            linewidth=2.8 if trial is best else 1.2,
            alpha=1.0 if trial is best else 0.8,
            zorder=3 if trial is best else 2,
            label=f"best: {report.number(trial.value)}" if trial is best else None,
        )
    paper = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    for place, name in enumerate(space):
        axis.axvline(place, color="0.5", linewidth=0.8, zorder=0)
        for value in _marks(space[name]):
            height = share_of(space[name], value)
            axis.text(place - 0.04, height, _shown(value), ha="right", va="center", fontsize=8, bbox=paper, zorder=4)
    axis.axvline(places[-1], color="0.5", linewidth=0.8, zorder=0)
    for share in (0.0, 0.5, 1.0):
        text = report.number(low + share * (high - low))
        axis.text(places[-1] + 0.04, share, text, ha="left", va="center", fontsize=8)
    axis.set_xticks(places, [*(name.replace("_", "\n") for name in space), f"validation\n{metric.replace('_', ' ')}"])
    axis.set(yticks=[], ylim=(-0.05, 1.05), xlim=(-0.35, places[-1] + 0.35))
    axis.grid(False)
    axis.spines[["left", "bottom"]].set_visible(False)
    figure.legend(loc="outside upper right", frameon=False, fontsize=8)
    return figure


def _marks(distribution: Any) -> list[Any]:
    """The values that are written beside an axis: all choices, all of a few ints, else both ends and the middle."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution) and distribution.high - distribution.low < 6:
        return list(range(distribution.low, distribution.high + 1))
    return [value_at(distribution, share) for share in (0.0, 0.5, 1.0)]


def importance_figure(search: Search, study: optuna.Study) -> Any:
    """Which knobs decided, by PED-ANOVA (Watanabe et al. 2023): how far the better trials' values differ from all."""
    found = optuna.importance.get_param_importances(study)
    names = sorted(search.space, key=lambda name: found.get(name, 0.0))
    figure, axis = report.new_figure(width=6.0, height=0.6 + 0.5 * max(3, len(names)))
    axis.barh([name.replace("_", " ") for name in names], [found.get(name, 0.0) for name in names], height=0.6)
    complete = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    axis.set(xlabel=f"importance (PED-ANOVA, {complete} complete trials: a hint, not a measurement)", xlim=(0, None))
    axis.grid(False, axis="y")
    axis.set_axisbelow(True)
    return figure


def progress_figure(search: Search, study: optuna.Study) -> Any:
    """Every trial in its order, and the best so far."""
    metric, mode = search.project.card.METRIC
    figure, axis = report.new_figure(width=7.0)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best_so_far = (np.maximum if mode == "max" else np.minimum).accumulate([value_of(trial) for trial in complete])
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
