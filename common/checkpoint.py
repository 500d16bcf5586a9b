"""The checkpoint of a training: all that it needs to go on after a kill. A kill never leaves half a checkpoint."""

import csv
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from common.errors import UserError
from common.files import read_json, replacing, write_text
from common.runs import Run

KEPT = 2  # checkpoints: when the last one is damaged, training goes back to the one before it
STATE = {
    "epoch": int,
    "best": (float, None),
    "best_loss": (float, None),
    "best_epoch": int,
    "done": bool,
    "before": [{str: float}],
    "history": [{str: float}],
    "counters": {str: {str: (float, None)}},
}
# What Keras' callbacks count. The names are Keras' own: a version that renames one fails here, in `getattr`.
COUNTERS = {
    keras.callbacks.EarlyStopping: ("wait", "best"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}


class Checkpoint(keras.callbacks.Callback):
    """Saves after every epoch all that a training needs to go on.

    Each epoch writes a new folder `checkpoint/<epoch>/`: every variable of the model, which includes the states of its
    random generators; every variable of each attribute that is an optimiser, so a GAN may have two; the best weights;
    epoch, best value, history and the counters of early stopping and plateau. The folder is synced to disk, and only
    then a pointer file is moved over the old one. Keras' `BackupAndRestore` writes in place and forgets the counters.
    """

    def __init__(self, run: Run, metric: str, mode: str, counted: dict[str, keras.callbacks.Callback], part: str = ""):
        """metric, mode: `val_<METRIC>` and "max" or "min". counted: the callbacks of COUNTERS, by any name. part: the
        name of the network, where a run trains several one after the other."""
        super().__init__()
        self.folder, self.history_file = run.path / "checkpoint" / part, run.path / "history.csv"
        self.pointer = self.folder / "latest"
        self.metric, self.mode, self.counted = metric, mode, counted
        self.state: dict[str, Any] = {
            "epoch": 0,
            "best": None,
            "best_loss": None,
            "best_epoch": 0,
            "done": False,
            "before": run.history,  # the epochs of the networks that were trained before this one
            "history": [],
            "counters": {},
        }
        self.best_weights: list[np.ndarray] = []

    def is_better(self, logs: dict[str, float]) -> bool:
        """Whether these figures of an epoch are better than the best so far.

        Of two epochs with the same value of the metric, the one with the smaller validation loss is the better one:
        accuracy on a few hundred examples takes few different values.
        """
        value, best = logs[self.metric], self.state["best"]
        if value != value:
            raise UserError(f"{self.metric} is not a number any more: try a smaller --learning-rate.")
        if best is None or value == best:
            return best is None or logs.get("val_loss", 0.0) < (self.state["best_loss"] or 0.0)
        return value > best if self.mode == "max" else value < best

    def restore(self, model: keras.Model) -> None:
        """Load the last complete checkpoint into the model and its optimisers, if there is one."""
        for optimizer in _optimizers(model).values():
            if not optimizer.built:
                optimizer.build(model.trainable_variables)
        if not self.pointer.exists():
            return
        latest = self.pointer.read_text(encoding="utf-8", errors="replace")
        saved = sorted((path for path in self.folder.iterdir() if path.is_dir() and path.name <= latest), reverse=True)
        for folder in saved:
            try:
                state = read_json(folder / "state.json", STATE)
                parts = {name: _read(folder / f"{name}.npz") for name in (*_variables(model), "best")}
            except (UserError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                print(f"The checkpoint {folder} is damaged ({error}); going back to the one before it.", flush=True)
                continue
            self.state, self.best_weights = state, parts.pop("best")
            for name, variables in _variables(model).items():
                _assign(variables, parts[name], folder)
            self._write_history()
            return
        raise UserError(f"No checkpoint in {self.folder} can be read: delete that folder to train from the beginning.")

    def on_train_begin(self, logs=None):
        # Keras' callbacks reset their counters at the start of `fit`. This one stands behind them in the list.
        for name, values in self.state["counters"].items():
            for key, value in values.items():
                setattr(self.counted[name], key, value)

    def on_epoch_end(self, epoch, logs=None):
        logs = {key: float(value) for key, value in logs.items()}
        if self.is_better(logs):
            self.state.update(best=logs[self.metric], best_loss=logs.get("val_loss"), best_epoch=epoch + 1)
            self.best_weights = [np.array(value) for value in self.model.get_weights()]
        self.state["epoch"] = epoch + 1
        before = self.state["before"]
        place = {"network": 1 + (before[-1].get("network", 0) if before else 0), "epochs": self.params["epochs"]}
        self.state["history"].append({"epoch": len(before) + epoch + 1, **place, **logs})
        self.state["counters"] = {
            name: {key: getattr(callback, key) for key in COUNTERS[type(callback)]}
            for name, callback in self.counted.items()
        }
        self._save()

    def finish(self) -> None:
        """Mark the training as ended, so that a resumption goes straight to what comes after it."""
        self.state["done"] = True
        self._save()

    def load_best(self, model: keras.Model) -> None:
        """Give the model the weights of its best epoch."""
        model.set_weights(self.best_weights)

    def _save(self) -> None:
        name = f"{self.state['epoch']:05d}{'-done' if self.state['done'] else ''}"
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)  # a kill may have left half of this very epoch
        folder.mkdir(parents=True)
        for group, variables in _variables(self.model).items():
            np.savez(folder / f"{group}.npz", *[keras.ops.convert_to_numpy(variable) for variable in variables])
        np.savez(folder / "best.npz", *self.best_weights)
        (folder / "state.json").write_text(json.dumps(self.state))
        for file in folder.iterdir():
            _sync(file)
        _sync(folder)
        write_text(self.pointer, name)
        self._write_history()
        saved = sorted(path for path in self.folder.iterdir() if path.is_dir())
        for old in saved[:-KEPT]:
            shutil.rmtree(old)

    def _write_history(self) -> None:
        """Write history.csv whole from the checkpoint's state: a resumed run never holds an epoch twice."""
        rows = self.state["before"] + self.state["history"]
        with replacing(self.history_file) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys(), extrasaction="ignore")  # rows of an older version hold less
            writer.writeheader()
            writer.writerows(rows)


def _optimizers(model: keras.Model) -> dict[str, keras.optimizers.Optimizer]:
    optimizers = {name: value for name, value in vars(model).items() if isinstance(value, keras.optimizers.Optimizer)}
    if not optimizers:  # a checkpoint without an optimiser's state would resume with other figures
        raise RuntimeError(f"Keras {keras.__version__} does not keep a model's optimiser as an attribute of the model.")
    return optimizers


def _variables(model: keras.Model) -> dict[str, list]:
    return {"model": model.variables} | {name: opt.variables for name, opt in _optimizers(model).items()}


def _read(path: Path) -> list[np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def _assign(variables: list, values: list[np.ndarray], folder: Path) -> None:
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise UserError(f"The checkpoint {folder} is of another model than this run's config.json describes.")
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
