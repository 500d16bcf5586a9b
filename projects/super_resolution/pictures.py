"""The pictures of a run: each is enlarged once, scored, and kept in the run folder with its figures."""

import csv
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from common.files import read_json, replacing, write_json
from common.inputs.images import picture_text, read_picture, write_picture
from common.runs import Run
from projects.super_resolution.config import Config
from projects.super_resolution.data import Picture, degraded
from projects.super_resolution.encoding import assumed_kernel
from projects.super_resolution.metrics import scores
from projects.super_resolution.resize import baseline

# The figures of an enlarged picture, as they are kept.
KEPT = {
    **dict.fromkeys(("name", "sha256", "kernel"), str),
    **dict.fromkeys(("val_psnr", "val_ssim", "bicubic_psnr", "seconds"), float),
    "loss": (float, None),
    "curve": [[float]],
}
HISTORY = ("loss", "val_psnr", "val_ssim", "bicubic_psnr", "seconds")  # columns of history.csv


def enlarge_all(
    pictures: list[Picture], config: Config, folder: Path, run: Run, callbacks: Iterable = (), history: bool = False
) -> list[dict[str, Any]]:
    """Enlarge and score each picture, and keep the answer and its figures in `folder`. What is kept is not done again.

    Returns a row for each picture: name, figures, error of the training, seconds.
    history: also write the run's history.csv, a row for each picture.
    callbacks: Keras callbacks. Their epoch is a picture, and their batch an answer so far of `super_resolve`.
    Raises KeyboardInterrupt when the run's stop file appears.
    """
    import keras

    watchers = keras.callbacks.CallbackList(list(callbacks), epochs=len(pictures), steps=None)
    watchers.on_train_begin()
    rows: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures):
        kept = folder / f"{picture.name}.json"
        if kept.exists() and (row := read_json(kept, KEPT))["sha256"] == picture.sha256:
            rows.append(row)
            run.log(f"{picture.name}: kept from an earlier start")
            continue
        watchers.on_epoch_begin(number)
        row, answer = _enlarge(picture, config, run, watchers.on_train_batch_end)
        write_picture(answer, folder / f"{picture.name}.png")
        write_json(kept, row)  # last: a picture is done when its figures exist
        rows.append(row)
        if history:
            _write_history(run, rows)
        watchers.on_epoch_end(number, {name: row[name] for name in HISTORY})
        run.log(
            f"{number + 1:3d}/{len(pictures)}  {picture.name:<14} psnr {row['val_psnr']:.2f} dB (bicubic "
            f"{row['bicubic_psnr']:.2f})  ssim {row['val_ssim']:.4f}  {row['seconds']:.0f} s"
        )
    watchers.on_train_end()
    if history:
        _write_history(run, rows)
    return rows


def _enlarge(
    picture: Picture, config: Config, run: Run, on_batch_end: Callable[[int, dict], None]
) -> tuple[dict[str, Any], np.ndarray]:
    """Learn from one shrunk picture. Returns (its row, the enlarged picture)."""
    from projects.super_resolution.learn import super_resolve

    low, truth = degraded(picture, config)
    curve = []
    for batch, answer in enumerate(super_resolve(low, config, assumed_kernel(config), previews=False)):
        if run.stop_file.exists():
            raise KeyboardInterrupt
        show_progress(picture.name, answer)
        if answer["loss"] is not None:
            curve.append([answer["progress"], answer["loss"]])
            on_batch_end(batch, {"loss": answer["loss"]})
    figures = scores(answer["picture"], truth, config.scale)
    row = {
        "name": picture.name,
        "sha256": picture.sha256,
        "val_psnr": figures["psnr"],
        "val_ssim": figures["ssim"],
        "bicubic_psnr": scores(baseline(low, config.scale, "bicubic"), truth, config.scale)["psnr"],
        "loss": answer["loss"],
        "seconds": answer["seconds"],
        "kernel": answer["kernel"],
        "curve": curve,
    }
    return row, answer["picture"]


def kept_picture(folder: Path, picture: Picture) -> np.ndarray:
    """The enlarged picture that `enlarge_all` has kept."""
    return read_picture(folder / f"{picture.name}.png")


def kept_example(folder: Path, picture: Picture, row: dict[str, Any], config: Config) -> dict[str, Any]:
    """A shrunk picture with its kept answer, for the Predictor's `meta`."""
    answer = {name: row[name] for name in ("loss", "seconds", "kernel")}
    answer |= {"picture": picture_text(kept_picture(folder, picture)), "progress": 1.0}
    return {"picture": picture_text(degraded(picture, config)[0]), "answer": answer}


def show_progress(name: str, answer: dict[str, Any]) -> None:
    """Rewrite one line of the terminal: progress, error, seconds left. Does nothing without a terminal."""
    if not sys.stderr.isatty():
        return
    progress, seconds = answer["progress"], answer["seconds"]
    left = f"{seconds / progress * (1 - progress):4.0f} s left" if progress > 0.02 else ""
    error = "" if answer["loss"] is None else f"error {255 * answer['loss']:.2f} levels"
    end = "\n" if progress == 1 else ""
    print(f"\r\x1b[K{name}  {progress:4.0%}  {error}  {left}", end=end, file=sys.stderr, flush=True)


def _write_history(run: Run, rows: list[dict[str, Any]]) -> None:
    with replacing(run.path / "history.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("epoch", *HISTORY))
        writer.writerows((number, *(row[name] for name in HISTORY)) for number, row in enumerate(rows, start=1))
