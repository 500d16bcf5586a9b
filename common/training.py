"""fit(): Keras' own `model.fit` with progress, a checkpoint that survives `kill -9`, early stop and plateau."""

import csv
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from common.config import TrainingKnobs
from common.errors import UserError
from common.files import replacing, write_text
from common.runs import Run

WARM_UP = 0.15  # of all steps: the rate rises
START = 0.04  # of the largest rate: where it begins


def fit(
    model: keras.Model,
    train: Any,
    validation: Any,
    config: TrainingKnobs,
    run: Run,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    score: Callable[[np.ndarray], dict[str, float]] | None = None,
    part: str = "",
) -> None:
    """Train a compiled model and leave it with the weights of its best epoch.

    train, validation: `(inputs, targets)` or `(inputs, targets, weights)`, or a `keras.utils.PyDataset`.
    score: validation predictions -> figures, computed after every epoch and kept as `val_<name>`; without it the
    project's METRIC must be one that Keras itself reports. The best epoch, the early stop (`config.patience` epochs
    without a better value) and the halving of the learning rate (after half of that) all go by `val_<METRIC>`.
    part: where a run trains several networks one after the other, the name of this one.

    Goes on from the run's checkpoint where there is one. Ctrl-C, or the run's stop file, ends training after the
    current batch with the best epoch so far; before the first epoch has ended, Ctrl-C is passed on.
    """
    name, mode = run.metric
    metric = f"val_{name}"
    stopping = keras.callbacks.EarlyStopping(metric, patience=config.patience, mode=mode)
    plateau = keras.callbacks.ReduceLROnPlateau(
        metric, factor=0.5, patience=max(1, config.patience // 2), mode=mode, min_lr=1e-6
    )
    checkpoint = Checkpoint(run, metric, mode, {"early_stopping": stopping, "plateau": plateau}, part)
    checkpoint.restore(model)
    if checkpoint.state["done"]:
        run.log(f"This training had ended after epoch {checkpoint.state['epoch']}; nothing is left to train.")
    else:
        # The order matters: first what adds to the epoch's figures, then what decides by them; the checkpoint comes
        # last so that it saves what the others decided.
        ordered = [
            *([Score(validation, score, config.batch_size)] if score else []),
            *callbacks,
            stopping,
            plateau,
            *([keras.callbacks.TensorBoard(run.path / "tensorboard")] if run.tensorboard else []),
            StopFile(run.stop_file),
            ProgressReport(run, metric, checkpoint, config.epochs),
            checkpoint,
        ]
        inputs, targets, weights = _parts(train)
        # Training that goes on must not shuffle as its first epochs did.
        keras.utils.set_random_seed(config.seed + checkpoint.state["epoch"])
        try:
            model.fit(
                inputs,
                targets,
                sample_weight=weights,
                validation_data=validation,
                batch_size=config.batch_size if isinstance(train, tuple) else None,
                # A PyDataset has its own order (a carried state needs it), and shuffles itself where it wants to: Keras
                # would do it from a thread, so that no two trainings were the same.
                shuffle=isinstance(train, tuple),
                epochs=config.epochs,
                initial_epoch=checkpoint.state["epoch"],
                callbacks=ordered,
                verbose=0,
            )
        except KeyboardInterrupt:
            if checkpoint.state["best_epoch"] == 0:
                raise
            run.stop_file.touch()  # the report says that a run was stopped by hand, whichever way
            run.log("Stopped by Ctrl-C: the best epoch so far is kept.")
        checkpoint.finish()
    checkpoint.load_best(model)


@contextmanager
def problems_said(*streams: Any) -> Iterator[None]:
    """What a stream could not read ends the training with the stream's own sentence, not with TensorFlow's traceback.

    TensorFlow replaces an error inside a `keras.utils.PyDataset` by its own; so the stream keeps it in `problem`.
    """
    try:
        yield
    except Exception:
        for stream in streams:
            if stream.problem:
                raise stream.problem from None
        raise


def timing(run: Run) -> dict[str, float]:
    """Seconds spent in training and per epoch, over all resumptions, from history.csv."""
    seconds = [row["seconds"] for row in run.history]
    return {"train_seconds": sum(seconds), "seconds_per_epoch": float(np.mean(seconds)) if seconds else 0.0}


def _parts(data: Any) -> tuple[Any, Any, Any]:
    """(inputs, targets, weights) of what `model.fit` takes; a PyDataset carries its own targets."""
    return (*data, None, None)[:3] if isinstance(data, tuple) else (data, None, None)


class Score(keras.callbacks.Callback):
    """Adds `val_<name>` figures, computed from the predictions of the whole validation split, to the epoch's logs."""

    def __init__(self, validation: Any, score: Callable[[np.ndarray], dict[str, float]], batch_size: int):
        super().__init__()
        self.inputs, self.score = _parts(validation)[0], score
        self.batch_size = max(batch_size, 1024)  # nothing is learnt here: a large batch only saves calls

    def on_epoch_end(self, epoch, logs=None):
        predictions = self.model.predict(self.inputs, batch_size=self.batch_size, verbose=0)
        logs.update({f"val_{name}": value for name, value in self.score(predictions).items()})


def one_cycle(share: float, largest: float, warm_up: float = WARM_UP) -> float:
    """The learning rate when this `share` of all steps is over: up in a straight line, then down to 0 along a cosine.

    The one-cycle policy of Smith & Topin (2018), momentum aside. warm_up: the share of the steps in which it rises.
    """
    if share < warm_up:
        return largest * (START + (1 - START) * share / warm_up)
    return largest * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - warm_up) / (1 - warm_up))))


class OneCycle(keras.callbacks.Callback):
    """Sets the optimiser's rate before each step, by epoch and step: a resumed training goes on as it would have."""

    def __init__(self, largest: float, epochs: int, warm_up: float = WARM_UP):
        super().__init__()
        self.largest, self.epochs, self.warm_up, self.epoch = largest, epochs, warm_up, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        share = (self.epoch + batch / self.params["steps"]) / self.epochs
        self.model.optimizer.learning_rate = one_cycle(share, self.largest, self.warm_up)


class StopFile(keras.callbacks.Callback):
    """Ends training after the current batch once the file is there; looks for it about twice a second."""

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.looked = path, 0.0

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self.looked > 0.5:
            self.looked = time.monotonic()
            self.model.stop_training = self.model.stop_training or self.path.exists()


class ProgressReport(keras.callbacks.Callback):
    """One line an epoch, in log.txt too; in a terminal also a bar with the time left while the epoch runs."""

    def __init__(self, run: Run, metric: str, checkpoint: "Checkpoint", epochs: int):
        super().__init__()
        self.run_folder, self.metric, self.checkpoint, self.epochs = run, metric, checkpoint, epochs
        self.console = Console()
        self.bar: Progress | None = None
        self.started = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        steps = self.params.get("steps")
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn(f"epoch {epoch + 1}/{self.epochs}"),
                BarColumn(),
                TextColumn("loss {task.fields[loss]:.4f}  left"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self.steps = self.bar.add_task("", total=steps, loss=float("nan"))
            self.bar.start()

    def on_train_batch_end(self, batch, logs=None):
        if self.bar:
            self.bar.update(self.steps, completed=batch + 1, loss=float((logs or {}).get("loss", float("nan"))))

    def on_epoch_end(self, epoch, logs=None):
        self._close()
        if self.metric not in logs:
            raise ValueError(
                f"{self.metric} is not among {sorted(logs)}: pass score= to fit, or compile with that metric."
            )
        logs["seconds"] = time.perf_counter() - self.started
        past = [row["seconds"] for row in self.checkpoint.state["history"]] + [logs["seconds"]]
        left = int(np.median(past) * (self.epochs - epoch - 1))
        loss, rate = logs.get("loss", math.nan), logs.get("learning_rate", math.nan)
        star = "*" if self.checkpoint.is_better(logs[self.metric]) else " "
        rest = "" if self.model.stop_training else f"  at most {left // 60}:{left % 60:02d} left"
        self.run_folder.log(
            f"epoch {epoch + 1:3d}/{self.epochs}  loss {loss:.4f}  {self.metric} {logs[self.metric]:.4f} {star}"
            f"  lr {float(rate):.1e}  {logs['seconds']:.1f} s{rest}"
        )

    def on_train_end(self, logs=None):
        self._close()

    def _close(self):
        if self.bar:
            self.bar.stop()
            self.bar = None


class Checkpoint(keras.callbacks.Callback):
    """Saves all that a training needs to go on, after every epoch, so that no kill can leave half of it.

    Each epoch writes a new folder `checkpoint/<epoch>/` (every variable of the model, which includes the state of its
    random generators; every variable of every optimiser; the best weights; epoch, best value, history and the counters
    of early stopping and plateau), syncs it to disk and then moves a pointer file over the old one. Keras'
    `BackupAndRestore` writes in place and forgets the counters.

    Every attribute of the model that is an optimiser is saved under its name, so a model with two (a GAN) needs
    nothing more; its optimisers must be built before `restore`, or they would start from zero.
    """

    def __init__(self, run: Run, metric: str, mode: str, counters: dict[str, keras.callbacks.Callback], part: str = ""):
        super().__init__()
        self.folder, self.history_file = run.path / "checkpoint" / part, run.path / "history.csv"
        self.pointer = self.folder / "latest"
        self.metric, self.mode, self.counters = metric, mode, counters
        self.state: dict[str, Any] = {
            "epoch": 0,
            "best": None,
            "best_epoch": 0,
            "done": False,
            "before": run.history,  # of the parts that were trained before this one
            "history": [],
            "counters": {},
        }
        self.best: list[np.ndarray] = []

    def is_better(self, value: float) -> bool:
        best = self.state["best"]
        if value != value:
            raise UserError(f"{self.metric} is not a number any more: try a smaller --learning-rate.")
        return best is None or (value > best if self.mode == "max" else value < best)

    def restore(self, model: keras.Model) -> None:
        """Load the last complete checkpoint into the model and its optimisers, if there is one."""
        for optimizer in _optimizers(model).values():
            if not optimizer.built:
                optimizer.build(model.trainable_variables)
        if not self.pointer.exists():
            return
        folder = self.folder / self.pointer.read_text()
        self.state = json.loads((folder / "state.json").read_text())
        for name, variables in _variables(model).items():
            _assign(variables, folder / f"{name}.npz")
        self.best = _read(folder / "best.npz")
        self._write_history()

    def on_train_begin(self, logs=None):
        # Keras' callbacks forget their counters at the start of a fit; this one runs after them.
        for name, values in self.state["counters"].items():
            vars(self.counters[name]).update(values)

    def on_epoch_end(self, epoch, logs=None):
        logs = {key: float(value) for key, value in logs.items()}
        if self.is_better(logs[self.metric]):
            self.state.update(best=logs[self.metric], best_epoch=epoch + 1)
            self.best = [np.array(value) for value in self.model.get_weights()]
        self.state["epoch"] = epoch + 1
        self.state["history"].append({"epoch": len(self.state["before"]) + epoch + 1, **logs})
        self.state["counters"] = {
            name: {key: value for key, value in vars(callback).items() if key in ("wait", "best", "cooldown_counter")}
            for name, callback in self.counters.items()
        }
        self._save()

    def finish(self) -> None:
        """Mark the training as ended, so that a resumption goes straight to what comes after it."""
        self.state["done"] = True
        self._save()

    def load_best(self, model: keras.Model) -> None:
        model.set_weights(self.best)

    def _save(self) -> None:
        name = f"{self.state['epoch']:05d}{'-done' if self.state['done'] else ''}"
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)  # what a kill may have left of this very epoch
        folder.mkdir(parents=True)
        for group, variables in _variables(self.model).items():
            np.savez(folder / f"{group}.npz", *[keras.ops.convert_to_numpy(variable) for variable in variables])
        np.savez(folder / "best.npz", *self.best)
        (folder / "state.json").write_text(json.dumps(self.state))
        for file in folder.iterdir():
            _sync(file)
        _sync(folder)
        write_text(self.pointer, name)
        self._write_history()
        for old in self.folder.iterdir():
            if old.is_dir() and old != folder:
                shutil.rmtree(old)

    def _write_history(self) -> None:
        """history.csv is written whole from the checkpoint's state: a resumed run never holds an epoch twice."""
        rows = self.state["before"] + self.state["history"]
        with replacing(self.history_file) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def _optimizers(model: keras.Model) -> dict[str, keras.optimizers.Optimizer]:
    return {name: value for name, value in vars(model).items() if isinstance(value, keras.optimizers.Optimizer)}


def _variables(model: keras.Model) -> dict[str, list]:
    return {"model": model.variables} | {name: opt.variables for name, opt in _optimizers(model).items()}


def _read(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def _assign(variables: list, path: Path) -> None:
    values = _read(path)
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise UserError(f"The checkpoint {path} is of another model than this run's config.json describes.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot sync a folder; the rename is atomic all the same
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
