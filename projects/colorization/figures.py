"""The figures of a run: grids of pictures, the losses of the training, histograms of colours."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from common import report
from projects.colorization.metrics import BIN, BINS

GAP = 2  # white pixels between pictures


def tiled(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of pictures (h, w, 3) of one size as one picture."""
    edges = [(0, GAP), (0, GAP), (0, 0)]
    strips = [np.concatenate([np.pad(one, edges, constant_values=255) for one in row], axis=1) for row in rows]
    return np.concatenate(strips)[:-GAP, :-GAP]


def grid_figure(rows: Sequence[Sequence[np.ndarray]], row_names: Sequence[str], column_names: Sequence[str]) -> Any:
    """Rows of pictures (h, w, 3) of one size, with names at the left and above. Either list of names may be empty."""
    height, width = rows[0][0].shape[:2]
    figure, axis = report.new_figure(width=1.5 * len(rows[0]) + 0.5, height=1.5 * len(rows) + 0.5)
    axis.imshow(tiled(rows))
    axis.set_xticks((width + GAP) * np.arange(len(column_names)) + width / 2, column_names)
    axis.set_yticks((height + GAP) * np.arange(len(row_names)) + height / 2, row_names)
    axis.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    return figure


def losses_figure(history: Sequence[dict[str, float]]) -> Any:
    """L1 of training and validation. Of a GAN also both adversarial losses and the discriminator's accuracy."""
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


def histograms_figure(rows: dict[str, list[dict[str, Any]]], weights: np.ndarray) -> Any:
    """How often each a and each b occurs: in the originals, the network's answers and the baselines'.

    rows: {method: the figures of each picture, from `metrics.measure`}. weights: of the pictures.
    """
    figure, axes = report.new_figure(columns=2, width=5.0, height=3.6)
    centres = BIN * (np.arange(BINS) - BINS // 2)
    histograms = {"original": [row["true_histogram"] for row in rows["network"]]}
    histograms |= {name: [row["histogram"] for row in rows[name]] for name in rows if name != "grey"}
    for channel, axis in enumerate(axes):
        for name, lines in histograms.items():
            fractions = np.average(np.stack(lines), axis=0, weights=weights)[channel]
            style = {"color": "#888888", "linewidth": 3} if name == "original" else {}
            axis.plot(centres, np.maximum(fractions, 1e-5), label=name.replace("_", " "), **style)
        axis.set(xlabel=f"{'ab'[channel]}*", ylabel="fraction of the pixels", yscale="log", ylim=(1e-5, 1))
    axes[1].legend(frameon=False, fontsize=8)
    return figure
