"""fit(): Keras' own `model.fit` with progress, a checkpoint that survives `kill -9`, early stopping and plateau."""

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from common.checkpoint import Checkpoint
from common.layers.speed import speed_up
from common.runs import Run, Terminated
from common.stream import Stream, array_stream, reraise_stream_errors

WARM_UP = 0.15  # fraction of the steps in which the learning rate rises
INITIAL_RATE = 0.04  # learning rate of the first step, as a fraction of the peak


def fit(
    model: keras.Model,
    train: Any,
    validation: Any,
    config: Any,
    run: Run,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    score: Callable[[np.ndarray], dict[str, float]] | None = None,
    part: str = "",
) -> None:
    """Train a compiled model and leave it with the weights of its best epoch.

    train, validation: `(inputs, targets)` or `(inputs, targets, weights)`, or a `common.stream.Stream`. Arrays are
    shuffled anew in each epoch. config: a Config with the knobs epochs, batch_size, patience and seed.
    score: validation predictions -> figures, kept as `val_<name>` after every epoch. Without it Keras itself must
    report METRIC. `val_<METRIC>` decides which epoch is the best, when to stop early (`config.patience` epochs without
    a better value) and when to halve the learning rate (after half of that).
    part: the name of the network, where a run trains several one after the other.

    Training goes on from the run's checkpoint, and then ends with the same weights as one that was never interrupted.
    Ctrl-C, or the run's stop file, ends it after the current batch with the best epoch so far. Ctrl-C before the end
    of the first epoch is passed on, and so is SIGTERM.
    """
    name, mode = run.metric
    metric = f"val_{name}"
    stopping = keras.callbacks.EarlyStopping(metric, patience=config.patience, mode=mode)
    patience = max(1, config.patience // 2)
    plateau = keras.callbacks.ReduceLROnPlateau(metric, factor=0.5, patience=patience, mode=mode, min_lr=1e-6)
    checkpoint = Checkpoint(run, metric, mode, {"early_stopping": stopping, "plateau": plateau}, part)
    checkpoint.restore(speed_up(model))
    if checkpoint.state["done"]:
        run.log(f"This training had ended after epoch {checkpoint.state['epoch']}; nothing is left to train.")
    else:
        stream = train if isinstance(train, Stream) else array_stream(*_parts(train), config.batch_size, config.seed)
        stream.epoch = checkpoint.state["epoch"]  # Keras reads two batches before the first epoch, for their shapes
        # The order matters. First comes what adds to the epoch's figures, then what decides by them. The checkpoint
        # comes last, so that it saves what the others have decided.
        ordered = [
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(stream, "epoch", epoch)),
            *([Score(validation, score, config.batch_size)] if score else []),
            *callbacks,
            stopping,
            plateau,
            *([keras.callbacks.TensorBoard(run.path / "tensorboard")] if run.tensorboard else []),
            StopFile(run.stop_file),
            ProgressReport(run, metric, checkpoint, config.epochs),
            checkpoint,
        ]
        try:
            with reraise_stream_errors(stream, validation):
                (run.fit or keras.Model.fit)(
                    model,
                    stream,
                    validation_data=validation,
                    validation_batch_size=None if isinstance(validation, Stream) else config.batch_size,
                    shuffle=False,  # the stream shuffles; Keras would do it from a thread, in another order each time
                    epochs=config.epochs,
                    initial_epoch=checkpoint.state["epoch"],
                    callbacks=ordered,
                    verbose=0,
                )
        except KeyboardInterrupt as interrupt:
            # SIGTERM leaves no time to evaluate: the run stays unfinished, with its last checkpoint.
            if isinstance(interrupt, Terminated) or checkpoint.state["best_epoch"] == 0:
                raise
            run.stop_file.touch()  # the report then says that it was stopped by hand, as it does for the page's stop
            run.log("Stopped by Ctrl-C: the best epoch so far is kept.")
        checkpoint.finish()
    checkpoint.load_best(model)


def _parts(data: Any) -> tuple[Any, Any, Any]:
    """(inputs, targets, weights) of what `fit` takes; a stream holds its targets itself."""
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


def written_figures(compute: Callable[[], dict[str, float]]) -> keras.callbacks.Callback:
    """A callback that adds the figures of `compute()`, such as those of written texts, to each epoch's logs."""

    def add(epoch: int, logs: dict[str, float]) -> None:
        logs.update({f"val_{name}": value for name, value in compute().items()})

    return keras.callbacks.LambdaCallback(on_epoch_end=add)


def one_cycle(done: float, peak: float, warm_up: float = WARM_UP) -> float:
    """The learning rate after the fraction `done` of all steps: a linear rise to `peak`, a cosine down to 0.

    The one-cycle policy of Smith & Topin (2018), without its momentum.
    warm_up: fraction of the steps in which the rate rises.
    """
    if done < warm_up:
        return peak * (INITIAL_RATE + (1 - INITIAL_RATE) * done / warm_up)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm_up) / (1 - warm_up))))


class OneCycle(keras.callbacks.Callback):
    """Sets the optimiser's learning rate before each step by `one_cycle`.

    The rate depends on epoch and step alone, so a resumed training goes on as it would have.
    """

    def __init__(self, peak: float, epochs: int, warm_up: float = WARM_UP):
        super().__init__()
        self.peak, self.epochs, self.warm_up, self.epoch = peak, epochs, warm_up, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        done = (self.epoch + batch / self.params["steps"]) / self.epochs
        self.model.optimizer.learning_rate = one_cycle(done, self.peak, self.warm_up)


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

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn(f"epoch {epoch + 1}/{self.epochs}"),
                BarColumn(),
                TextColumn("loss {task.fields[loss]:.4f}  left"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self.steps = self.bar.add_task("", total=self.params.get("steps"), loss=float("nan"))
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
        star = "*" if self.checkpoint.is_better(logs) else " "
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
