"""A search whose trials are Ray tasks. Optuna decides in the process of the command, as on one machine."""

import contextlib
import dataclasses
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
from rich.console import Console

from common.errors import UserError
from common.tools.cluster.nodes import connected, places, worker_needs
from common.tools.search import run as running
from common.tools.search.figures import write_table
from common.tools.search.sampler import open_study, resume_trial
from common.tools.search.space import Search


@contextlib.contextmanager
def workers(address: str, data: str, data_dir: Path, runs_dir: Path) -> Iterator[Callable[..., bool]]:
    """What trains the trials of `common.tools.search.run.run_search` on the cluster at `address`.

    It trains as many at once as the cluster has places. Every node must see the data and the runs.
    """
    read = [path for path in (Path(data).resolve(), data_dir.resolve()) if path.exists()]
    with connected(address, runs_dir.resolve(), *read) as ray:
        yield functools.partial(on_workers, ray)


def on_workers(
    ray: Any,
    search: Search,
    study: optuna.Study,
    trials: int,
    bar: running.ProgressBar,
    interrupted: threading.Event,
) -> bool:
    """Train the trials on the workers until none is left; whether the search was stopped before.

    A task whose worker dies is begun again by Ray, in another process, and goes on from the trial's checkpoint. This
    process holds the locks of the trials that are trained.
    """
    # Workers have another working folder than this process.
    search = dataclasses.replace(search, folder=search.folder.resolve(), data_dir=search.data_dir.resolve())
    train = ray.remote(**worker_needs(ray), max_retries=-1)(train_trial)
    stop = search.folder / "stop"  # the workers look for it, too
    waiting: dict[Any, tuple[int, contextlib.ExitStack]] = {}
    stopped = False
    with contextlib.ExitStack() as held:
        while True:
            if interrupted.is_set():
                stop.touch()
            stopped = stopped or stop.exists()
            refused = refusal(study)
            while not stopped and not refused and len(waiting) < places(ray):
                locks = held.enter_context(contextlib.ExitStack())
                if (trial := running.next_trial(search, study, trials, locks)) is None:
                    break
                waiting[train.remote(search, trial.number)] = trial.number, locks
            if not waiting:
                break
            for task in ray.wait([*waiting], timeout=0.5)[0]:
                number, locks = waiting.pop(task)
                if ray.get(task):
                    bar.finished(search, study, number)
                else:
                    stopped = True
                write_table(search, study)
                locks.close()
    if refused:
        raise UserError(refused)
    return stopped


def refusal(study: optuna.Study) -> str:
    """The sentence of the first trial, where none has learnt yet and all that ended could not begin; else nothing."""
    trials = study.get_trials(deepcopy=False)
    ended = [trial.user_attrs.get("error", "") for trial in trials if trial.state.is_finished()]
    hopeless = not any(trial.intermediate_values for trial in trials)
    kind = f"{UserError.__name__}: "
    return ended[0].removeprefix(kind) if hopeless and ended and all(e.startswith(kind) for e in ended) else ""


def train_trial(search: Search, number: int) -> bool:
    """In a worker: train the trial with this number to its end; False where the search was stopped before."""
    from common.cli import start_keras

    start_keras()
    study = open_study(search)
    frozen = study.get_trials(deepcopy=False)[number]
    if frozen.state.is_finished():  # the worker before this one died after its last word
        return True
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        bar = running.ProgressBar(Console(file=nowhere), number)
        try:
            running.run_trial(search, study, resume_trial(study, frozen), bar, threading.Event())
        except running.Stopped:
            return False
        except UserError:
            pass  # only the first trial raises it; it is in the study, and `refusal` finds it
    return True
