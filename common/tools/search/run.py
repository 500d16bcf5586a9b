"""The trials of a search: trained one after the other, pruned, stopped, continued; and their progress in the terminal.

Several processes may run the same search. The lock `locks/search` is held while a process chooses its next trial, and
the lock `locks/<number>` while it trains that trial. A lock ends with its process, so a trial whose lock is free but
whose state is "running" was left behind, and the next process continues it from its checkpoint.
"""

import contextlib
import dataclasses
import math
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from common import report, runs
from common.config import Knob
from common.errors import UserError
from common.files import locked
from common.runs import Run
from common.tools.search.figures import knob_text, rows, write_figures, write_table
from common.tools.search.sampler import Sampler, best_trial, open_study, phase, resume_trial
from common.tools.search.space import Search, distribution


class Stopped(Exception):
    """The search was asked to stop. Its current trial keeps its checkpoint and is continued later."""


def objective(values: list[float], direction: str, epochs: bool) -> float:
    """The value of a training, from the METRIC in each row of its history; NaN if one of them is NaN.

    epochs: whether a row is an epoch. Then the best counts, because the best epoch is kept. Otherwise a row is a part
    of the validation split (a picture that is trained on alone), and the mean counts.
    """
    if any(math.isnan(value) for value in values):
        return math.nan
    if not epochs:
        return float(np.mean(values))
    return max(values) if direction == "max" else min(values)


def run_search(
    search: Search, trials: int, console: Console | None = None, work: Callable[..., bool] | None = None
) -> optuna.Study:
    """Run a search until it has `trials` trials; print progress, write the table and the figures, return the study.

    A failed trial is recorded with its error. Ctrl-C or a file `stop` in the search's folder ends the search after the
    current batch: table and figures are written, then `Stopped` is raised. A trial that was stopped or whose process
    was killed continues from its last epoch when the search is run again. If the first trial cannot begin because of
    the data or the knobs, the folder is removed and the UserError is raised.
    work: what trains the trials; None: `one_by_one`, in this process.
    """
    console = console or Console(file=sys.stdout)
    study = open_study(search)
    if isinstance(study.sampler, Sampler) and search.strategy == "grid":
        trials = min(trials, len(study.sampler.points))
    (search.folder / "stop").unlink(missing_ok=True)
    _announce(search, study, trials, console)
    try:
        with _interruptible() as interrupted, ProgressBar(console, trials) as bar:
            stopped = (work or one_by_one)(search, study, trials, bar, interrupted)
    except UserError:
        shutil.rmtree(search.folder)  # no trial could be trained, so there is nothing to keep
        raise
    write_figures(search, study)
    if stopped:
        raise Stopped
    return study


def one_by_one(
    search: Search, study: optuna.Study, trials: int, bar: "ProgressBar", interrupted: threading.Event
) -> bool:
    """Train trial after trial in this process until none is left; whether the search was stopped before."""
    from common.cli import start_keras

    start_keras()
    while True:
        with contextlib.ExitStack() as locks:
            trial = next_trial(search, study, trials, locks)
            if trial is None:
                return False
            try:
                run_trial(search, study, trial, bar, interrupted)
            except Stopped:
                write_table(search, study)
                return True
            bar.finished(search, study, trial.number)
            write_table(search, study)


def next_trial(
    search: Search, study: optuna.Study, trials: int, locks: contextlib.ExitStack
) -> optuna.trial.Trial | None:
    """A trial that its process has left behind, else a new one, with its lock held in `locks`. None: none is left."""
    folder = search.folder / "locks"
    with locked(folder / "search"):
        for running in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not locks.enter_context(locked(folder / str(running.number), wait=False)):
                continue
            # Its process may have finished it since the list was read.
            if study.get_trials(deepcopy=False)[running.number].state == TrialState.RUNNING:
                trial = resume_trial(study, running)
                break
        else:
            if len(study.get_trials(deepcopy=False)) >= trials:
                return None
            trial = study.ask()
            locks.enter_context(locked(folder / str(trial.number)))
        for knob in search.knobs:
            _suggest(trial, knob)
        if search.strategy == "coarse_to_fine":
            trial.set_user_attr("phase", phase(trial.number, search.budget, search.space))
    return trial


def _suggest(trial: optuna.trial.Trial, knob: Knob) -> None:
    """Let the sampler choose the knob's value. A continued trial keeps the value that it has."""
    space = distribution(knob)
    if isinstance(space, CategoricalDistribution):
        trial.suggest_categorical(knob.name, space.choices)
    elif isinstance(space, IntDistribution):
        trial.suggest_int(knob.name, space.low, space.high, log=space.log)
    elif isinstance(space, FloatDistribution):
        trial.suggest_float(knob.name, space.low, space.high, log=space.log)


def run_trial(
    search: Search, study: optuna.Study, trial: optuna.trial.Trial, bar: "ProgressBar", interrupted: threading.Event
) -> None:
    """Train once and record the result. Raises Stopped, and the UserError of a first trial that could not begin."""
    began, training = time.perf_counter(), TrialTraining(search, trial, bar, interrupted)
    seconds = trial.user_attrs.get("seconds", 0.0)  # the seconds of earlier processes
    state: TrialState | None = None
    value = None
    try:
        training.check_stop()
        value = training.train()
        state = TrialState.COMPLETE
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except Stopped:
        raise
    except Exception as error:
        state = TrialState.FAIL
        trial.set_user_attr("error", f"{type(error).__name__}: {error}".splitlines()[0])
        if training.run:
            with (training.run.path / "log.txt").open("a", encoding="utf-8") as file:
                file.write(traceback.format_exc())
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        if isinstance(error, UserError) and not training.values and not others:
            raise  # the first trial could not begin, so no other could
    finally:
        trial.set_user_attr("seconds", seconds + time.perf_counter() - began)
        trial.set_user_attr("epochs", len(training.values))
        if state is not None:
            study.tell(trial, value, state=state)
            training.tidy()


class TrialTraining:
    """The training of one trial: it reports each epoch to the study, and raises to prune or to stop."""

    def __init__(self, search: Search, trial: optuna.trial.Trial, bar: "ProgressBar", interrupted: threading.Event):
        self.search, self.trial, self.bar, self.interrupted = search, trial, bar, interrupted
        self.metric, self.direction = search.project.metric(search.data)
        self.run: Run | None = None
        self.values: list[float] = []  # METRIC of each epoch
        self.reported = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        self.checked = 0.0  # when `check_stop` last looked for the stop file

    def train(self) -> float:
        """Train the trial's config, from its checkpoint if there is one; returns the trial's value."""
        import keras

        from common import memory

        search = self.search
        memory.fresh_session()
        name = self.trial.user_attrs.get("run")
        if name:
            self.run = Run(search.folder / search.project.name / name)
        else:
            config = dataclasses.replace(search.config, **search.values(self.trial.params))
            self.run = runs.start(search.project, config, search.data, search.data_dir, search.folder)
            self.trial.set_user_attr("run", self.run.id)
        self.config = self.run.config
        self.values = [row[f"val_{self.metric}"] for row in self.run.history]
        self.bar.begin(self.trial.number, self.config)
        callback = keras.callbacks.LambdaCallback(
            on_epoch_end=self.epoch_ended, on_train_batch_end=lambda batch, logs=None: self.check_stop()
        )
        # The terminal shows the search; what a training prints is in the log.txt of its run.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            keras.utils.set_random_seed(self.config.seed)
            search.project.train(self.config, self.run, (callback,))
        self.values = [row[f"val_{self.metric}"] for row in self.run.history]
        return self.value()

    def value(self) -> float:
        """The `objective` of the epochs so far; a UserError if it is not a number."""
        value = objective(self.values, self.direction, hasattr(self.config, "epochs"))
        if math.isnan(value):
            raise UserError(f"val_{self.metric} is not a number any more.")
        return value

    def epoch_ended(self, epoch: int, logs: dict[str, Any]) -> None:
        """Keras' `on_epoch_end`: report the epoch, then prune or stop if asked to."""
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
        """Raise Stopped after Ctrl-C or if the file `stop` is there. Looks twice a second unless `at_once`."""
        if at_once or time.monotonic() - self.checked > 0.5:
            self.checked = time.monotonic()
            if self.interrupted.is_set() or (self.search.folder / "stop").exists():
                raise Stopped

    def tidy(self) -> None:
        """Remove the trial's networks and checkpoint. Its knobs, history and log stay."""
        if self.run:
            shutil.rmtree(self.run.path / "checkpoint", ignore_errors=True)
            for file in self.run.path.glob("*.keras"):
                file.unlink()


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets. The second Ctrl-C ends the process.

    Without it, `fit` would take Ctrl-C for the end of one training, and the search would go on.
    """
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


def _announce(search: Search, study: optuna.Study, trials: int, console: Console) -> None:
    done = len(study.get_trials(deepcopy=False))
    before = f", {done} of them begun before" if done else ""
    console.print(
        f"{search.strategy.replace('_', ' ')} search of {', '.join(knob.name for knob in search.knobs)}: "
        f"{trials} trials{before}, chosen by validation {search.project.metric(search.data)[0]}",
        highlight=False,
    )
    console.print(f"folder {search.folder}", highlight=False, soft_wrap=True)


class ProgressBar:
    """One line for each trial that ends and, in a terminal, a bar with the epoch of the current trial."""

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

    def __enter__(self) -> "ProgressBar":
        self.progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()

    def begin(self, number: int, config: Any) -> None:
        self.number, self.epochs = number, getattr(config, "epochs", None)
        self.progress.update(self.task, completed=number, now=f"trial {number}: loading …")

    def epoch(self, epoch: int, value: float) -> None:
        total = f"/{self.epochs}" if self.epochs else ""
        self.progress.update(self.task, now=f"trial {self.number}: epoch {epoch}{total}, {report.number(value)}")

    def finished(self, search: Search, study: optuna.Study, number: int) -> None:
        row = rows(search, study)[number]
        best = best_trial(study)
        knobs = "  ".join(f"{name} {knob_text(row[name])}" for name in search.space)
        metric = search.project.metric(search.data)[0]
        star = "★" if best and best.number == number else " "
        self.progress.console.print(
            f"{number:3d}  {row.get('phase', ''):<13}  {row['state']:<8}  {report.number(row[metric]):>7} {star}"
            f" {row['epochs'] or 0:3d} epochs {row['seconds'] or 0:6.1f} s  {row['error'] or knobs}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
