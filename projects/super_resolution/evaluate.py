"""Baselines and figures; the only place that opens the test split.

python -m projects.super_resolution.evaluate --run best
python -m projects.super_resolution.evaluate --run best --data FOLDER
"""

import csv
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, load_splits
from common.evaluation import score_table
from common.files import read_json, replacing, write_json
from common.inputs.images import read_picture, write_picture
from common.report import Report
from common.runs import Run
from projects.super_resolution.blur import resolve_kernel
from projects.super_resolution.config import Config, recipe
from projects.super_resolution.data import Picture, as_split, assumed_kernel, degraded, list_folder
from projects.super_resolution.predict import Predictor, show_progress
from projects.super_resolution.resize import as_uint8, imresize, to_ycbcr

DIRECTIONS = {"psnr": "max", "ssim": "max"}
BASELINES = ("nearest", "bicubic", "lanczos")
HISTORY = ("loss", "val_psnr", "val_ssim", "bicubic_psnr", "seconds")


def scores(answer: np.ndarray, truth: np.ndarray, scale: int) -> dict[str, float]:
    """{"psnr" in dB, "ssim"} of two (h, w, 3) uint8 pictures, on Y of Y'CbCr without a border of `scale` pixels.

    scikit-image's functions; SSIM with the Gaussian window of Wang et al. 2004. Y is not rounded.
    """
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    found, wanted = (to_ycbcr(picture.astype(float))[scale:-scale, scale:-scale, 0] for picture in (answer, truth))
    ssim = structural_similarity(
        wanted, found, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    with np.errstate(divide="ignore"):
        return {"psnr": float(peak_signal_noise_ratio(wanted, found, data_range=255)), "ssim": float(ssim)}


def baseline(low: np.ndarray, scale: int, method: str) -> np.ndarray:
    """`low` (h, w, 3) uint8 enlarged by nearest, bicubic or lanczos."""
    shape = (low.shape[0] * scale, low.shape[1] * scale)
    return as_uint8(imresize(low.astype(float), shape, method))


def enlarge_all(
    pictures: list[Picture],
    predictor: Predictor,
    folder: Path,
    run: Run,
    callbacks: Iterable = (),
    history: bool = False,
) -> list[dict[str, Any]]:
    """Enlarge and score each picture, and keep picture and figures in `folder`; what is kept there is not done again.

    Returns one row a picture: name, figures, error while learning, seconds. history: also write the run's history.csv,
    a row a picture. callbacks: Keras callbacks; an epoch is a picture and a batch a report of `stream`.
    Raises KeyboardInterrupt when the run's stop file appears.
    """
    import keras

    watchers = keras.callbacks.CallbackList(list(callbacks), epochs=len(pictures), steps=None)
    watchers.on_train_begin()
    rows: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures):
        kept = folder / f"{picture.name}.json"
        if kept.exists() and read_json(kept)["sha256"] == picture.sha256:
            rows.append(read_json(kept))
            run.log(f"{picture.name}: kept from an earlier start")
            continue
        watchers.on_epoch_begin(number)
        row, answer = _enlarge(picture, predictor, run, watchers.on_train_batch_end)
        write_picture(answer, folder / f"{picture.name}.png")
        write_json(kept, row)  # last: a picture is done when its figures are there
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
    picture: Picture, predictor: Predictor, run: Run, watch: Callable[[int, dict], None]
) -> tuple[dict[str, Any], np.ndarray]:
    """Learn from one shrunk picture; (its row, the enlarged picture)."""
    config = predictor.config
    low, truth = degraded(picture, config)
    curve = []
    for batch, answer in enumerate(predictor.stream({"picture": low}, previews=False)):
        if run.stop_file.exists():
            raise KeyboardInterrupt
        show_progress(picture.name, answer)
        if answer["loss"] is not None:
            curve.append([answer["progress"], answer["loss"]])
            watch(batch, {"loss": answer["loss"]})
    found = scores(answer["picture"], truth, config.scale)
    row = {
        "name": picture.name,
        "sha256": picture.sha256,
        "val_psnr": found["psnr"],
        "val_ssim": found["ssim"],
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


def _write_history(run: Run, rows: list[dict[str, Any]]) -> None:
    with replacing(run.path / "history.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("epoch", *HISTORY))
        writer.writerows((number, *(row[name] for name in HISTORY)) for number, row in enumerate(rows, start=1))


def evaluate(run: Run, data: str | None = None) -> Report:
    """Enlarge and score the test pictures, or all pictures of another folder; baselines by the same code."""
    config = run.config
    predictor = Predictor({}, {"config": vars(config)})
    splits = load_splits(config, run)
    if data:
        test, looks = as_split(list_folder(Path(data), config.scale)), 1
        folder = run.path / "evaluations" / Path(data).stem / "pictures"
    else:
        test, looks = splits.open_test(run)
        folder = run.path / "pictures" / "test"
    rows = enlarge_all(test.inputs, predictor, folder, run)
    table = pd.DataFrame(_row(picture, row, config, folder) for picture, row in zip(test.inputs, rows, strict=True))
    compared = score_table(
        _means(table, "network"), {name: _means(table, name) for name in BASELINES}, DIRECTIONS, test.weights
    )
    table["gain"] = table["psnr network"] - table["psnr bicubic"]
    validation = pd.DataFrame(run.history)
    mean_seconds = float(table["seconds"].mean())
    worst = table.sort_values("gain")[["picture", "psnr bicubic", "psnr network", "gain", "ssim network", "seconds"]]
    return Report(
        source=splits.source,
        sizes={**splits.sizes, "test": len(test)},
        validation={"psnr": float(validation["val_psnr"].mean()), "ssim": float(validation["val_ssim"].mean())},
        test={"unit": "picture", "looks": looks, **compared},
        directions=DIRECTIONS,
        parameters=_parameters(config, degraded(test.inputs[0], config)[0]),
        inference_per_second=1 / mean_seconds,
        failures=worst.to_dict("records"),
        figures={"history": _curves_figure(rows), "gains": _gain_figure(table), **_failures(test, config, folder)},
        tables={"pictures": table},
        notes=[
            f"{mean_seconds:.1f} s a picture on the machine that trained it, learning included.",
            "PSNR and SSIM are on Y without a border of `scale` pixels, Y not rounded. Under 20 pictures every value "
            "is listed (pictures.csv) and no verdict is given.",
            "The knobs were chosen by hand on pictures of Set5; figures on Set5 are therefore no test of the recipe.",
        ],
    )


def _row(picture: Picture, row: dict[str, Any], config: Config, folder: Path) -> dict[str, Any]:
    """One line of pictures.csv: each figure of the network and of every baseline."""
    low, truth = degraded(picture, config)
    line: dict[str, Any] = {"picture": picture.name, "width": truth.shape[1], "height": truth.shape[0]}
    found = {}
    for method in BASELINES:
        began = time.perf_counter()
        answer = baseline(low, config.scale, method)
        line[f"seconds {method}"] = time.perf_counter() - began
        found[method] = scores(answer, truth, config.scale)
    found["network"] = {"psnr": row["val_psnr"], "ssim": row["val_ssim"]}
    for figure in DIRECTIONS:
        line |= {f"{figure} {name}": values[figure] for name, values in found.items()}
    return {**line, "seconds": row["seconds"], "kernel": row["kernel"]}


def _means(table: pd.DataFrame, name: str) -> Callable[[np.ndarray], dict[str, float]]:
    """The mean figures over pictures, as a function of the pictures' weights."""

    def figures(weights: np.ndarray) -> dict[str, float]:
        return {figure: float(np.average(table[f"{figure} {name}"], weights=weights)) for figure in DIRECTIONS}

    return figures


def _parameters(config: Config, low: np.ndarray) -> int:
    """Of all networks together that learn in the last stage from `low`."""
    from projects.super_resolution.learn import last_fold
    from projects.super_resolution.model import build_model

    kernel, _ = resolve_kernel(assumed_kernel(config), low, config.scale)
    model = build_model(config, {"fold": last_fold(config, kernel)})
    return recipe(config)["networks"] * model.count_params()


def _curves_figure(rows: list[dict[str, Any]]) -> Any:
    """How the error falls while the network learns, a line a picture."""
    figure, axis = report.new_figure(width=8)
    for row in rows[:6]:
        axis.plot([point[0] for point in row["curve"]], [255 * point[1] for point in row["curve"]], label=row["name"])
    axis.set(xlabel="share of the learning", ylabel="error on crops of the picture itself (levels)", yscale="log")
    axis.legend(frameon=False, fontsize=8)
    return figure


def _gain_figure(table: pd.DataFrame) -> Any:
    """PSNR of every method, picture by picture."""
    shown = table.head(24)
    figure, axis = report.new_figure(width=8)
    for number, name in enumerate(("network", *BASELINES)):
        axis.plot(shown[f"psnr {name}"], range(len(shown)), "o", label=name, color=report.COLOURS[number])
    axis.set(xlabel="PSNR on Y (dB)", yticks=range(len(shown)), yticklabels=shown["picture"])
    axis.invert_yaxis()
    axis.legend(frameon=False)
    return figure


def _failures(test: Split, config: Config, folder: Path, count: int = 4, side: int = 48) -> dict[str, Any]:
    """The squares with the largest error of the network, beside the ground truth and bicubic; one a picture."""
    found = []
    for picture in test.inputs:
        low, truth = degraded(picture, config)
        answer, bicubic = kept_picture(folder, picture), baseline(low, config.scale, "bicubic")
        size = min(side, *truth.shape[:2])
        wrong = np.square(to_ycbcr(answer.astype(float)) - to_ycbcr(truth.astype(float)))[..., 0]
        sums = np.pad(wrong, ((1, 0), (1, 0))).cumsum(0).cumsum(1)  # of every square at once
        squares = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
        top, left = np.unravel_index(np.argmax(squares), squares.shape)
        crops = [part[top : top + size, left : left + size] for part in (truth, bicubic, answer)]
        found.append((squares.max() / size**2, picture.name, crops))
    found = sorted(found, key=lambda entry: -entry[0])[:count]
    figure, axes = report.new_figure(columns=3, rows=len(found), width=2.6, height=2.6)
    for line, (error, name, crops) in zip(np.reshape(axes, (len(found), 3)), found, strict=True):
        titles = (f"{name}: original", "bicubic", f"network ({10 * np.log10(255**2 / max(error, 1e-9)):.1f} dB here)")
        for axis, crop, title in zip(line, crops, titles, strict=True):
            axis.imshow(crop, interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.axis("off")
    return {"worst_crops": figure}


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
