"""One training over several processes: data-parallel, by Keras' own distribution on JAX.

Each process takes an equal share of every batch. JAX adds the gradients of all, so all have the same weights after a
step. All run the project's `train` on the same splits. The first has the run folder, each other one a copy that is
thrown away. A process that dies ends the step of all: all are ended, and begin again from the last checkpoint.
"""

import dataclasses
import functools
import importlib.util
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.runs import Run, Terminated
from common.tools.cluster.nodes import connected, places, ray_package, worker_needs

LOCK_SECONDS = 120  # how long storage may keep the lock of a process that has died
ATTEMPTS = 3  # attempts in a row without a new epoch; after them the fault is no machine's


def train_run(run: Run, address: str, workers: int) -> None:
    """What `common.cli.train_run` does, over that many processes of the cluster at `address`, with its progress.

    Ctrl-C, or the run's stop file, ends the training after the epoch. Raises UserError where the cluster is too small.
    """
    from common import report

    if not importlib.util.find_spec("jax"):
        raise UserError('--cluster trains on JAX: python -m pip install -e ".[cluster]".')
    if not hasattr(run.config, "epochs"):
        raise UserError(f"{run.project.name} has no epochs whose batches could be shared: train it without --cluster.")
    if workers < 1:
        raise UserError(f"--workers is {workers}; the least it may be is 1.")
    run = dataclasses.replace(run, path=run.path.resolve())
    read = [path for path in (Path(run.data), run.data_dir) if path.is_absolute() and path.exists()]
    with connected(address, run.path, *read) as ray:
        if (room := places(ray)) < workers:
            raise UserError(f"--workers is {workers}; the cluster has room for {room}.")
        failed, epochs, told = 0, len(run.history), Told(run.path / "log.txt")
        while fault := _attempt(ray, run, workers, told):
            failed, epochs = (failed + 1, epochs) if len(run.history) <= epochs else (0, len(run.history))
            if failed == ATTEMPTS:
                raise fault
            print(f"a worker has died; all begin again after epoch {epochs}", flush=True)
            deadline = time.monotonic() + LOCK_SECONDS
            while run.is_training and time.monotonic() < deadline:
                time.sleep(0.5)
            if places(ray) < workers:
                print(f"waiting until the cluster has room for {workers} workers", flush=True)
            while places(ray) < workers:
                time.sleep(1)
    report.print_scores(run.report)


class Told:
    """Prints what has been added to a file since the last call."""

    def __init__(self, path: Path):
        self.path, self.place = path, path.stat().st_size if path.exists() else 0

    def __call__(self) -> None:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self.place)
                print(file.read().decode("utf-8", "replace"), end="", flush=True)
                self.place = file.tell()


def _attempt(ray: Any, run: Run, workers: int, told: Told) -> Exception | None:
    """Train with new processes until the run is finished. The error of a process that has died, if one has."""
    needs = worker_needs(ray)
    variables = {"KERAS_BACKEND": "jax"} | ({} if needs["num_gpus"] else {"JAX_PLATFORMS": "cpu"})
    options = {**needs, "runtime_env": {"env_vars": variables}, "scheduling_strategy": "SPREAD"}
    group = [ray.remote(**options)(Worker).remote(run, rank, workers) for rank in range(workers)]
    try:
        ray.get([worker.prepare.remote() for worker in group])  # all have copied before the first one writes
        coordinator = ray.get(group[0].free_address.remote())
        left = [worker.train.remote(coordinator) for worker in group]
        while left:
            try:
                done, left = ray.wait(left, timeout=0.5)
                told()
            except KeyboardInterrupt as interrupt:
                if isinstance(interrupt, Terminated) or run.stop_file.exists():
                    raise
                run.stop_file.touch()
                print("\nstopping after this epoch", flush=True)
                continue
            for outcome in ray.get(done):
                if isinstance(outcome, UserError):
                    raise outcome
    except ray.exceptions.RayError as error:
        return error
    finally:
        for worker in group:
            ray.kill(worker)
        told()
    return None


class Worker:
    """One of the processes of a training. rank: its number; the first one has the run folder."""

    def __init__(self, run: Run, rank: int, workers: int):
        self.run, self.rank, self.workers = run, rank, workers

    def free_address(self) -> str:
        """An address of this machine at which the others find the first process."""
        with socket.socket() as free:
            free.bind(("", 0))
            return f"{ray_package('ray.util').get_node_ip_address()}:{free.getsockname()[1]}"

    def prepare(self) -> None:
        """Give all processes but the first a copy of the run folder."""
        if self.rank:
            self.copies = tempfile.TemporaryDirectory()
            path = Path(self.copies.name) / self.run.project.name / self.run.id
            self.run = Run(Path(shutil.copytree(self.run.path, path)))

    def train(self, coordinator: str) -> UserError | None:
        """Train the run; the first process evaluates it, too. What the user can mend is returned."""
        import keras

        keras.distribution.initialize(coordinator, self.workers, self.rank)  # before anything starts the backend
        from common import cli

        run = dataclasses.replace(self.run, fit=functools.partial(shared_fit, self.run))
        try:
            if self.rank == 0:
                cli.train_run(run)
            else:
                keras.utils.set_random_seed(run.config.seed)
                run.project.train(run.config, run)
        except UserError as error:
            return error
        return None


def shared_fit(run: Run, model: Any, stream: Any, callbacks: list, **options: Any) -> Any:
    """What `keras.Model.fit` does, where each process trains on its share of every batch.

    Only while an epoch trains are the variables spread over all processes. Whatever the callbacks do at its end, such
    as scoring validation, each process does alone, with weights of its own.
    """
    import keras

    from common.training import StopFile

    distribution = keras.distribution.DataParallel(devices=keras.distribution.list_devices(), auto_shard_dataset=False)
    place = next(i for i, callback in enumerate(callbacks) if isinstance(callback, keras.callbacks.EarlyStopping))
    ordered = [
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _gather(_variables(model))),
        *callbacks[:place],
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _agree(model, run, logs)),
        *(callback for callback in callbacks[place:] if not isinstance(callback, StopFile)),
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: _spread(_variables(model), distribution)),
    ]
    _spread(_variables(model), distribution)
    try:
        return keras.Model.fit(model, share_of(stream), callbacks=ordered, **options)
    finally:
        _gather(_variables(model))
        model.test_function = None  # it was made for the variables of all processes


def _variables(model: Any) -> list:
    """Every variable of the model, its metrics and its optimisers."""
    from common.checkpoint import _variables as groups

    found = [variable for group in groups(model).values() for variable in group]
    return [*{id(variable): variable for variable in [*found, *model.metrics_variables]}.values()]


def _spread(variables: list, distribution: Any) -> None:
    """Give the variables the values that they have in the first process, as one array over all processes each."""
    import keras
    from jax.experimental import multihost_utils

    values = multihost_utils.broadcast_one_to_all([np.asarray(variable.value) for variable in variables])
    for variable, value in zip(variables, values, strict=True):
        layout = distribution.get_variable_layout(variable)
        variable.assign(keras.distribution.distribute_tensor(value, layout))
    keras.distribution.set_distribution(distribution)


def _gather(variables: list) -> None:
    """Give the variables arrays of this process alone."""
    import keras

    keras.distribution.set_distribution(None)
    for variable in variables:
        variable.assign(np.asarray(variable.value))


def _agree(model: Any, run: Run, logs: dict[str, float]) -> None:
    """All processes take the figures of the first, and stop when its run has a stop file: they must decide alike."""
    from jax.experimental import multihost_utils

    own = np.array([*(logs[name] for name in sorted(logs)), run.stop_file.exists()], np.float64)
    *values, stop = multihost_utils.broadcast_one_to_all(own.view(np.uint8)).view(np.float64)
    logs.update(zip(sorted(logs), map(float, values), strict=True))
    model.stop_training = model.stop_training or bool(stop)


def share_of(stream: Any) -> Any:
    """A stream of this process's share of each batch of `stream`: an equal part, in the order of the rows.

    Where the rows cannot be shared out equally, the first ones are taken again.
    """
    import jax
    import keras

    from common.stream import Stream

    count, rank = jax.process_count(), jax.process_index()

    def load(index: int, random: np.random.Generator) -> tuple:
        batch = stream[index]
        rows = len(keras.tree.flatten(batch)[0])
        share = np.resize(np.arange(rows), (count, -(-rows // count)))[rank]
        return keras.tree.map_structure(lambda array: array[share], batch)

    return Stream(lambda epoch, random: range(len(stream)), load)
