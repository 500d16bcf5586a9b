"""Baselines and figures. Only this file opens the test split.

python -m projects.colorization.evaluate --run best
python -m projects.colorization.evaluate --run best --data FOLDER
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, Splits, load_splits, scored_on
from common.errors import UserError
from common.evaluation import score_table
from common.inputs.folders import left_out_words
from common.report import Report
from common.runs import Run
from projects.colorization.data import Picture, as_split, fingerprint, photographs, shrunk
from projects.colorization.encoding import middle
from projects.colorization.figures import grid_figure, histograms_figure, losses_figure
from projects.colorization.lab import to_lab, to_rgb
from projects.colorization.metrics import DIRECTIONS, mean_figures, measure

BATCH = 32  # pictures that are in memory at once
MIN_COLOUR = 8  # levels: a photograph whose channels differ nowhere by more has no colours to compare with
FIT_PICTURES, FIT_PIXELS = 400, 40_000  # the baselines are fitted to at most this many training pictures and pixels
NEIGHBOURS = (1, 5, 20)  # the values of k that validation chooses from, for the nearest-neighbour baseline
TUNING_PICTURES = 50  # the most validation pictures that choose k
SMOOTHING = 3.0  # levels of lightness: standard deviation over which the mean colour is smoothed
GRID = 5  # pictures in each of the figures of worst and best answers
FAILURE_COLUMNS = ("photograph", "psnr grey", "psnr network", "gain", "colourfulness network", "colourfulness original")

Method = Callable[[np.ndarray], np.ndarray]  # a way to colour: lightness (n, h, w) in 0 … 100 -> ab (n, h, w, 2)


def squares(pictures: Sequence[Picture], size: int) -> Iterator[np.ndarray]:
    """The middle squares in batches (n, size, size, 3) uint8."""
    for start in range(0, len(pictures), BATCH):
        yield np.stack([middle(shrunk(picture, size), size) for picture in pictures[start : start + BATCH]])


def score(pictures: Sequence[Picture], size: int, methods: dict[str, Method]) -> dict[str, list[dict[str, Any] | None]]:
    """{method: the figures of each picture}. A picture without colours has None."""
    rows: dict[str, list] = {name: [] for name in methods}
    for batch in squares(pictures, size):
        coloured = np.ptp(batch, axis=-1).max(axis=(1, 2)) > MIN_COLOUR
        for name, answers in coloured_by(methods, batch).items():
            rows[name] += [measure(*pair) if has else None for *pair, has in zip(answers, batch, coloured, strict=True)]
    return rows


def coloured_by(methods: dict[str, Method], truth: np.ndarray) -> dict[str, np.ndarray]:
    """{method: its answer (n, h, w, 3) uint8 to the lightness of `truth` (n, h, w, 3)}."""
    lightness, _ = to_lab(truth)
    return {name: to_rgb(lightness, method(lightness[..., 0])) for name, method in methods.items()}


def scored(rows: list[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """The rows of pictures with colours."""
    return [row for row in rows if row]


def texture(lightness: np.ndarray) -> np.ndarray:
    """Lightness (n, h, w) -> the features of each pixel (n, h, w, 5) for the nearest-neighbour baseline.

    They are the lightness, and its mean and twice its standard deviation around the pixel, in squares of 5 and of 15.
    """
    from scipy.ndimage import uniform_filter

    features = [lightness]
    for side in (5, 15):
        around = (1, side, side)
        mean = uniform_filter(lightness, around, mode="nearest")
        square = uniform_filter(lightness**2, around, mode="nearest")
        features += [mean, 2 * np.sqrt(np.maximum(square - mean**2, 0))]
    return np.stack(features, axis=-1).astype("float32")


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Method]:
    """Grey, mean colour per lightness, and nearest neighbour, fitted on pixels of the training photographs.

    The nearest-neighbour baseline gives a pixel the mean colour of the k training pixels with the most similar texture.
    k is the one of NEIGHBOURS with the best concordance on validation pictures.
    """
    size, validation = splits.meta["size"], splits.validation
    features, colours = _training_pixels(splits.train.inputs, size)
    levels = np.clip(features[:, 0].round().astype(int), 0, 100)
    near = np.exp(-0.5 * ((np.arange(101)[:, None] - np.arange(101)) / SMOOTHING) ** 2)
    sums = np.stack([np.bincount(levels, channel, 101) for channel in colours.T], axis=-1)
    mean_colour = (near @ sums) / np.maximum(near @ np.bincount(levels, minlength=101), 1e-9)[:, None]
    nearest = {k: _nearest_neighbours(features, colours, k) for k in NEIGHBOURS}
    few = validation.inputs[:: -(-len(validation) // TUNING_PICTURES)]
    tried = {k: scored(rows) for k, rows in score(few, size, nearest).items()}
    best = max(tried, key=lambda k: mean_figures(tried[k])(np.ones(len(tried[k])))["concordance"])
    return {
        "grey": lambda lightness: np.zeros((*lightness.shape, 2), "float32"),
        "mean_colour_per_lightness": lambda lightness: mean_colour[lightness.round().astype(int)],
        "nearest_neighbour": nearest[best],
    }


def _training_pixels(pictures: Sequence[Picture], size: int) -> tuple[np.ndarray, np.ndarray]:
    """(texture (n, 5), ab (n, 2)) of random pixels of random training pictures."""
    random = np.random.default_rng(0)
    chosen = random.permutation(len(pictures))[:FIT_PICTURES]
    count = min(max(1, FIT_PIXELS // len(chosen)), size * size)
    features, colours = [], []
    for batch in squares([pictures[i] for i in chosen], size):
        lightness, ab = to_lab(batch)
        for picture_features, picture_ab in zip(texture(lightness[..., 0]), ab, strict=True):
            rows = random.choice(size * size, count, replace=False)
            features.append(picture_features.reshape(-1, 5)[rows])
            colours.append(picture_ab.reshape(-1, 2)[rows])
    return np.concatenate(features), np.concatenate(colours)


def _nearest_neighbours(features: np.ndarray, colours: np.ndarray, k: int) -> Method:
    from scipy.spatial import cKDTree

    tree = cKDTree(features)

    def method(lightness: np.ndarray) -> np.ndarray:
        _, rows = tree.query(texture(lightness), k=[*range(1, k + 1)], workers=-1)
        return colours[rows].mean(axis=-2)

    return method


def _other_test(folder: Path) -> tuple[Split, list[str]]:
    """The colour photographs of another folder, to score a finished run on, and what was left out."""
    pictures, left_out = photographs(folder) if folder.is_dir() else ([], [])
    if not pictures:
        raise UserError(f"{folder} is not a folder with colour photographs in it.")
    return as_split(pictures), left_out


def evaluate(run: Run, data: str | None = None) -> Report:
    """Colour and score the test squares, or all photographs of another folder. The baselines are scored alike."""
    size = run.config.size
    other, left_out = _other_test(Path(data)) if data else (None, [])
    splits, predictor = load_splits(run.config, run), run.load()
    methods = {"network": predictor.colours, **baselines(splits)}
    validation = scored(score(splits.validation.inputs, size, {"network": methods["network"]})["network"])
    test, looks = (other, 1) if other else splits.open_test(run)
    source = scored_on(Path(data), splits.source, fingerprint(test.inputs)) if data else splits.source
    all_rows = score(test.inputs, size, methods)
    coloured = np.array([row is not None for row in all_rows["network"]])
    if not coloured.any():
        raise UserError(f"None of the {len(test)} test photographs has colours; there is nothing to compare with.")
    rows = {name: scored(all_rows[name]) for name in methods}
    pictures = [picture for picture, kept in zip(test.inputs, coloured, strict=True) if kept]
    table = _table(pictures, rows)
    order = table["gain"].argsort().to_numpy()
    count = min(GRID, len(table) // 2)
    chosen = {"worst": order[:count], "best": order[::-1][:count]} if count else {}
    lightness, _ = to_lab(next(squares(pictures, size)))
    training_figures, training_notes = _training(run, splits.validation.inputs)
    notes = [
        f"The originals' colourfulness is {table['colourfulness original'].mean():.2f}: more than that is not better.",
        "PSNR and SSIM are on RGB; the intersections are of the whole test's histograms of a and of b.",
    ]
    if not coloured.all():
        notes.append(f"{int((~coloured).sum())} test photographs without colour are left out.")
    notes[-1] = notes[-1][:-1] + left_out_words(left_out) + "."
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=mean_figures(validation)(np.ones(len(validation))),
        test={"unit": "photograph", "looks": looks, **_compared(rows, test, coloured)},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.colours(lightness[..., 0]), len(lightness)),
        failures=table.iloc[order[:8]][list(FAILURE_COLUMNS)].to_dict("records"),
        figures={
            **{name: _grid([pictures[i] for i in few], size, methods) for name, few in chosen.items()},
            "histograms": histograms_figure(rows, test.weights[coloured]),
            **training_figures,
        },
        tables={"pictures": table},
        notes=notes + training_notes,
    )


def _training(run: Run, validation: Sequence[Picture]) -> tuple[dict[str, Any], list[str]]:
    """(figures, notes) about the training: losses, sample pictures, a collapsed discriminator."""
    from projects.colorization.watch import collapse, sample_pictures, samples_figure

    samples = samples_figure(run, sample_pictures(validation, run.config.size))
    sentence = collapse(run.history)
    notes = [f"In this training {sentence}"] if sentence else []
    return {"losses": losses_figure(run.history), "samples": samples}, notes


def _compared(rows: dict[str, list[dict[str, Any]]], test: Split, coloured: np.ndarray) -> dict[str, Any]:
    """The table of figures with intervals and verdicts. rows: the figures of the test's coloured pictures."""
    figures = {name: mean_figures(lines) for name, lines in rows.items()}
    units = None if test.units is None else test.units[coloured]
    return score_table(figures.pop("network"), figures, DIRECTIONS, test.weights[coloured], units)


def _table(pictures: Sequence[Picture], rows: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """One line a picture: the figures of the network and of every baseline. `gain` is the PSNR above grey."""
    table = pd.DataFrame({"photograph": [picture.name for picture in pictures]})
    for figure in ("psnr", "ssim", "ab_mae", "concordance", "colourfulness"):
        for name, lines in rows.items():
            table[f"{figure} {name}"] = [row[figure] for row in lines]
    table["colourfulness original"] = [row["true_colourfulness"] for row in rows["network"]]
    table["gain"] = table["psnr network"] - table["psnr grey"]
    return table


def _grid(pictures: Sequence[Picture], size: int, methods: dict[str, Method]) -> Any:
    """A row for each picture: the original and the answer of every method."""
    truth = next(squares(pictures, size))
    columns = {"original": truth, **coloured_by(methods, truth)}
    names = [name.replace("_", " ").replace("mean colour per", "mean per") for name in columns]
    return grid_figure(list(zip(*columns.values(), strict=True)), [], names)


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
