"""What goes along with the training: the rate's schedule, sample pictures and losses, the discriminator's health."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from common import report
from common.inputs.images import read_picture, write_picture
from common.runs import Run
from projects.colorization.data import Picture, middle, shrunk
from projects.colorization.lab import AB_SCALE, to_lab, to_rgb
from projects.colorization.stream import scaled

SAMPLES = 8  # fixed pictures of the validation split
SHOWN_EPOCHS = 6  # rows of figures/samples.png
COLLAPSE_EPOCHS = 3  # that many in a row are a collapse, fewer a mood
DRAWN_EVERY = 10.0  # seconds: drawing takes longer than an epoch of a small network
PINNED = 0.005  # accuracies this near to 0 or 1, and losses this near to 0


class LinearDecay(keras.callbacks.Callback):
    """Pix2Pix's schedule: every optimiser at its rate for the first half, then in a line towards zero."""

    def __init__(self, model: keras.Model, epochs: int):
        super().__init__()
        self.epochs = epochs
        self.optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
        # Read before a checkpoint is restored, which would bring back the rate of its last epoch.
        self.rates = [float(keras.ops.convert_to_numpy(optimizer.learning_rate)) for optimizer in self.optimizers]

    def on_epoch_begin(self, epoch, logs=None):
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.learning_rate = rate * min(1.0, 2 * (1 - epoch / self.epochs))


class WatchDiscriminator(keras.callbacks.Callback):
    """Says in the log, once, that the discriminator has collapsed."""

    def __init__(self, run: Run):
        super().__init__()
        self.run_folder = run

    def on_train_begin(self, logs=None):
        self.history: list[dict[str, float]] = list(self.run_folder.history)
        self.said = bool(collapse(self.history))

    def on_epoch_end(self, epoch, logs=None):
        self.history.append(dict(logs))
        sentence = collapse(self.history)
        if sentence and not self.said:
            self.run_folder.log(f"warning: {sentence}")
            self.said = True


def collapse(history: Sequence[dict[str, float]]) -> str | None:
    """A sentence on the first `COLLAPSE_EPOCHS` epochs in a row whose discriminator taught nothing, or None.

    It teaches nothing when it is always right (or always wrong): its accuracy is pinned at 1 (or 0), or its loss at 0,
    and the generator's adversarial gradient points nowhere.
    """
    in_a_row = 0
    for number, row in enumerate(history, start=1):
        if "discriminator_loss" not in row:
            return None
        accuracy, loss = row["discriminator_accuracy"], row["discriminator_loss"]
        pinned = min(accuracy, 1 - accuracy) < PINNED or loss < PINNED
        in_a_row = in_a_row + 1 if pinned else 0
        if in_a_row == COLLAPSE_EPOCHS:
            return (
                f"the discriminator has collapsed: in epochs {number - COLLAPSE_EPOCHS + 1} to {number} its accuracy "
                f"was {accuracy:.3f} and its loss {loss:.4f}, so the generator learns from L1 alone. Try a smaller "
                "--discriminator-rate or another --patch."
            )
    return None


class Samples(keras.callbacks.Callback):
    """The fixed pictures after every epoch in figures/samples/; figures/samples.png and losses.png over all epochs.

    The two figures are drawn after the first epoch, then at most every `DRAWN_EVERY` seconds, and at the end.
    """

    def __init__(self, run: Run, pictures: Sequence[Picture], size: int):
        super().__init__()
        self.run_folder = run
        chosen = np.unique(np.linspace(0, len(pictures) - 1, SAMPLES).round().astype(int))
        self.truth = np.stack([middle(shrunk(pictures[i], size), size) for i in chosen])
        self.inputs, _ = scaled(self.truth)
        self.drawn = -DRAWN_EVERY

    def on_train_begin(self, logs=None):
        self.history: list[dict[str, float]] = list(self.run_folder.history)

    def on_epoch_end(self, epoch, logs=None):
        ab = AB_SCALE * keras.ops.convert_to_numpy(self.model(self.inputs, training=False))
        answers = to_rgb(to_lab(self.truth)[0], ab)
        folder = self.run_folder.path / "figures"
        write_picture(np.concatenate(list(answers), axis=1), folder / "samples" / f"epoch-{epoch + 1:03d}.png")
        self.history.append({"epoch": epoch + 1, **logs})
        if time.monotonic() - self.drawn > DRAWN_EVERY:
            self._draw()

    def on_train_end(self, logs=None):
        self._draw()

    def _draw(self):
        folder = self.run_folder.path / "figures"
        if self.history:
            last = int(self.history[-1]["epoch"])
            report.save_figure(samples_figure(self.truth, folder / "samples", last), folder / "samples.png")
            report.save_figure(losses_figure(self.history), folder / "losses.png")
        self.drawn = time.monotonic()


def samples_figure(truth: np.ndarray, folder: Path, last: int) -> Any:
    """Grey, a few epochs from the first to `last`, and the originals (n, side, side, 3), a row each."""
    lightness, ab = to_lab(truth)
    rows = {"grey": np.concatenate(list(to_rgb(lightness, 0 * ab)), axis=1)}
    for epoch in np.unique(np.geomspace(1, last, SHOWN_EPOCHS).round().astype(int)):
        if (path := folder / f"epoch-{epoch:03d}.png").exists():
            rows[f"epoch {epoch}"] = read_picture(path)
    rows["original"] = np.concatenate(list(truth), axis=1)
    figure, axes = report.new_figure(rows=len(rows), width=1.15 * len(truth), height=1.3)
    for axis, (name, strip) in zip(axes, rows.items(), strict=True):
        axis.imshow(strip)
        axis.set(xticks=[], yticks=[])
        axis.set_title(name, loc="left", fontsize=8)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
    return figure


def losses_figure(history: Sequence[dict[str, float]]) -> Any:
    """L1 of training and validation; of a GAN also both adversarial losses and the discriminator's accuracy."""
    panels = [{"loss": "L1, training", "val_loss": "L1, validation"}]
    if "discriminator_loss" in history[0]:
        panels.append({"adversarial_loss": "generator, adversarial", "discriminator_loss": "discriminator"})
        panels.append({"discriminator_accuracy": "discriminator's accuracy"})
    figure, axes = report.new_figure(columns=len(panels), width=4.2, height=3.2)
    epochs = [row["epoch"] for row in history]
    for axis, lines in zip(np.ravel(axes), panels, strict=True):
        for name, label in lines.items():
            axis.plot(epochs, [row[name] for row in history], label=label, marker=".")
        axis.set(xlabel="epoch", ylabel="accuracy" if "discriminator_accuracy" in lines else "loss")
        axis.legend(frameon=False, fontsize=8)
    return figure
