"""Which values each trial tries, and the study: Optuna's record of all trials."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from common.errors import UserError
from common.files import locked
from common.tools.search.space import Search, Space, draw, grid, value_at

FIRST_TRIALS = 1 / 4  # fraction of the trials that vary the learning rate alone
COARSE_TRIALS = 2 / 5  # fraction of the trials in the coarse phase
COARSE_WIDTH = 0.5  # fraction of the learning rate's range that the coarse phase covers
FINE_WIDTH = 0.25  # fraction of each knob's range that the fine phase covers


def phase(number: int, budget: int, space: Space) -> str:
    """The phase of a coarse-to-fine search at trial `number`: "learning rate", "coarse" or "fine"."""
    first = max(3, round(FIRST_TRIALS * budget)) if "learning_rate" in space and len(space) > 1 else 0
    if number < first:
        return "learning rate"
    return "coarse" if number < first + max(1, round(COARSE_TRIALS * budget)) else "fine"


class Sampler(optuna.samplers.BaseSampler):
    """Grid, random and coarse-to-fine. A trial's values depend on the seed, its number and the results so far."""

    def __init__(self, search: Search):
        self.search = search
        self.points = grid(search.space, search.budget, search.defaults) if search.strategy == "grid" else []

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        return self.search.space

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        if self.search.strategy == "grid":
            return self.points[trial.number]
        random = np.random.default_rng([self.search.config.seed, trial.number])
        if self.search.strategy == "random":
            return {name: draw(distribution, random) for name, distribution in search_space.items()}
        return self._coarse_to_fine(study, trial.number, search_space, random)

    def _coarse_to_fine(
        self, study: optuna.Study, number: int, space: Space, random: np.random.Generator
    ) -> dict[str, Any]:
        """First the learning rate alone, then random values of all knobs, then random values around the best trial."""
        current = phase(number, self.search.budget, space)
        best = best_trial(study)
        center = best.params if best else self.search.defaults
        if current == "learning rate":
            # Stratified: the range is cut into as many equal parts as there are trials, taken in random order.
            parts = sum(phase(n, self.search.budget, space) == current for n in range(self.search.budget)) or 1
            order = np.random.default_rng(self.search.config.seed).permutation(parts)
            position = (order[number % parts] + random.random()) / parts
            return {**self.search.defaults, "learning_rate": value_at(space["learning_rate"], position)}
        if current == "coarse":
            widths = {name: COARSE_WIDTH if name == "learning_rate" and best else 1.0 for name in space}
        else:
            widths = dict.fromkeys(space, FINE_WIDTH)
        return {name: draw(space[name], random, center[name], widths[name]) for name in space}

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
    """The Optuna study in the search's folder. All processes that work on the search share it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = search.folder / "journal.log"
    lock = JournalFileOpenLock(str(file))  # this kind of lock works on Windows
    with locked(search.folder / "locks" / "search"):
        mend_journal(file, lock)
        storage = JournalStorage(JournalFileBackend(str(file), lock))
        study = optuna.create_study(
            storage=storage,
            study_name=search.folder.name,
            direction="maximize" if search.project.metric(search.data)[1] == "max" else "minimize",
            # Prunes a trial whose best epoch so far is below the median of the complete trials at that epoch.
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
            load_if_exists=True,
        )
        if search.strategy == "tpe":
            # TPE draws from one random stream, so each process that opens the study needs a seed of its own.
            starts = study.user_attrs.get("starts", 0)
            study.set_user_attr("starts", starts + 1)
            study.sampler = optuna.samplers.TPESampler(
                seed=1000 * search.config.seed + starts, n_startup_trials=max(3, search.budget // 3)
            )
        else:
            study.sampler = Sampler(search)
    return study


def mend_journal(file: Path, lock: JournalFileOpenLock) -> None:
    """Cut off what a full disk or a lost machine has left of the last record. A trial repeats what is lost with it.

    Raises UserError where a line before it is damaged, because all later records depend on it.
    """
    if not file.exists():
        return
    lock.acquire()  # no other process is writing a record now
    try:
        lines = file.read_bytes().splitlines(keepends=True)
        damaged = [number for number, line in enumerate(lines) if not _is_record(line)]
        if damaged and damaged[0] < len(lines) - 1:
            raise UserError(f"{file}, line {damaged[0] + 1} is damaged: start a new search with another --seed.")
        if damaged:
            os.truncate(file, sum(map(len, lines[:-1])))
    finally:
        lock.release()


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def resume_trial(study: optuna.Study, trial: FrozenTrial) -> optuna.trial.Trial:
    """A trial that another process has left running, so that this process can continue it.

    Optuna has no public function for this. `optuna.trial.Trial` takes the id that the storage uses, which a
    `FrozenTrial` keeps in `_trial_id`. Raises RuntimeError if this version of Optuna does that in another way.
    """
    identifier = getattr(trial, "_trial_id", None)
    resumed = None if identifier is None else optuna.trial.Trial(study, identifier)
    if resumed is None or resumed.number != trial.number:
        raise RuntimeError(
            f"Optuna {optuna.__version__} does not keep a trial's id in FrozenTrial._trial_id, so the search cannot "
            f"continue trial {trial.number}: install an Optuna 5.0, or start a new search with another --seed."
        )
    return resumed
