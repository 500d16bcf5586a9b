"""Callbacks of the training: the learning rate's schedule, sample pictures, a warning of a collapsed discriminator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from common.inputs.images import read_picture, write_picture
from common.runs import Run
from projects.colorization.data import Picture, evenly, shrunk
from projects.colorization.encoding import AB_SCALE, inputs_and_targets, middle
from projects.colorization.figures import grid_figure
from projects.colorization.lab import grey, to_lab, to_rgb

SAMPLES = 8  # pictures of the validation split, the same in every epoch
SHOWN_EPOCHS = 6  # rows of figures/samples.png
COLLAPSE_EPOCHS = 3  # consecutive epochs before a collapse is reported
PINNED = 0.005  # an accuracy this near to 0 or 1, or a loss this near to 0, teaches nothing


class LinearDecay(keras.callbacks.Callback):
    """Pix2Pix's schedule: the rate stays for the first half of the epochs; then it falls linearly towards zero."""

    def __init__(self, model: keras.Model, epochs: int):
        super().__init__()
        self.epochs = epochs
        # This is the initial rate. A restored checkpoint would bring the rate of its last epoch.
        self.rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = self.rate * min(1.0, 2 * (1 - epoch / self.epochs))


class WatchDiscriminator(keras.callbacks.Callback):
    """Logs once that the discriminator has collapsed."""

    def __init__(self, run: Run):
        super().__init__()
        self.run_folder = run

    def on_epoch_end(self, epoch, logs=None):
        history = self.run_folder.history  # the epochs before this one
        if not collapse(history) and (sentence := collapse([*history, logs])):
            self.run_folder.log(f"warning: {sentence}")


def collapse(history: Sequence[dict[str, float]]) -> str | None:
    """A sentence about the first COLLAPSE_EPOCHS consecutive epochs in which the discriminator taught nothing, or None.

    It teaches nothing when its accuracy is pinned at 1 (or 0) or its loss at 0: then the adversarial gradient of the
    generator has no direction.
    """
    consecutive = 0
    for number, row in enumerate(history, start=1):
        if "discriminator_loss" not in row:
            return None
        accuracy, loss = row["discriminator_accuracy"], row["discriminator_loss"]
        pinned = min(accuracy, 1 - accuracy) < PINNED or loss < PINNED
        consecutive = consecutive + 1 if pinned else 0
        if consecutive == COLLAPSE_EPOCHS:
            return (
                f"the discriminator has collapsed: in epochs {number - COLLAPSE_EPOCHS + 1} to {number} its accuracy "
                f"was {accuracy:.3f} and its loss {loss:.4f}, so the generator learns from L1 alone. Try a smaller "
                "--discriminator-rate or another --patch."
            )
    return None


class Samples(keras.callbacks.Callback):
    """Saves the network's answers for the sample pictures after every epoch, side by side."""

    def __init__(self, run: Run, pictures: Sequence[Picture], size: int):
        super().__init__()
        self.run_folder, self.truth = run, sample_pictures(pictures, size)
        self.inputs, _ = inputs_and_targets(self.truth)

    def on_epoch_end(self, epoch, logs=None):
        ab = AB_SCALE * keras.ops.convert_to_numpy(self.model(self.inputs, training=False))
        answers = to_rgb(to_lab(self.truth)[0], ab)
        write_picture(np.concatenate(answers, axis=1), _strip(self.run_folder, epoch + 1))


def sample_pictures(pictures: Sequence[Picture], size: int) -> np.ndarray:
    """The middle squares (n, size, size, 3) uint8 of at most SAMPLES of the pictures."""
    return np.stack([middle(shrunk(pictures[i], size), size) for i in evenly(len(pictures), SAMPLES)])


def samples_figure(run: Run, truth: np.ndarray) -> Any:
    """Rows of pictures: grey, the answers after a few epochs from the first to the last, and the originals `truth`."""
    rows = {"grey": list(grey(truth))}
    for epoch in np.unique(np.geomspace(1, len(run.history), SHOWN_EPOCHS).round().astype(int)):
        rows[f"epoch {epoch}"] = np.split(read_picture(_strip(run, epoch)), len(truth), axis=1)
    rows["original"] = list(truth)
    return grid_figure(list(rows.values()), list(rows), [])


def _strip(run: Run, epoch: int) -> Path:
    """The file with the answers after an epoch, counted from 1."""
    return run.path / "figures" / "samples" / f"epoch-{epoch:03d}.png"
