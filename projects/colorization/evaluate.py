"""Baselines and figures; the only place that opens the test split.

python -m projects.colorization.evaluate --run best
python -m projects.colorization.evaluate --run best --data FOLDER
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, load_splits
from common.errors import UserError
from common.evaluation import score_table
from common.report import Report
from common.runs import Run
from projects.colorization.data import Picture, middle, photographs, shrunk
from projects.colorization.lab import L_SCALE, to_lab, to_rgb
from projects.colorization.scores import BIN, BINS, DIRECTIONS, corpus_figures, measure

BATCH = 32
COLOURLESS = 8  # levels between the channels of a pixel; a photograph without more than that has no colour to meet
FIT_PIXELS = 40_000  # of the training photographs: what the baselines learn from
NEIGHBOURS = (1, 5, 20)  # the nearest-neighbour baseline's tuning budget, on validation
GRID = 5  # worst and best pictures, each

Painter = Callable[[np.ndarray], np.ndarray]  # lightness (h, w) in 0 … 100 -> ab (h, w, 2)


def squares(pictures: Sequence[Picture], size: int) -> Iterator[np.ndarray]:
    """The middle squares in batches (n, size, size, 3) uint8; no more than one batch is in memory."""
    for start in range(0, len(pictures), BATCH):
        yield np.stack([middle(shrunk(picture, size), size) for picture in pictures[start : start + BATCH]])


def rows_of(pictures: Sequence[Picture], size: int, paint: dict[str, Painter]) -> dict[str, list[dict[str, Any]]]:
    """{name of painter: a row of figures for each picture}; pictures without colour get None."""
    rows: dict[str, list] = {name: [] for name in paint}
    for batch in squares(pictures, size):
        for truth in batch:
            lightness, _ = to_lab(truth)
            coloured = np.ptp(truth, axis=-1).max() > COLOURLESS
            for name, painter in paint.items():
                answer = to_rgb(lightness, painter(lightness[..., 0])) if coloured else None
                rows[name].append(measure(answer, truth) if coloured else None)
    return rows


def painter_of(predictor: Any) -> Painter:
    """The network as a baseline is: one square at a time."""
    return lambda lightness: predictor.colours(lightness[None, ..., None] / L_SCALE - 1)[0]


def texture(lightness: np.ndarray) -> np.ndarray:
    """What the nearest-neighbour baseline sees of each pixel (h, w, 5): lightness, and its mean and standard deviation
    around the pixel at two sizes."""
    from scipy.ndimage import uniform_filter

    features = [lightness]
    for side in (5, 15):
        mean = uniform_filter(lightness, side, mode="nearest")
        square = uniform_filter(lightness**2, side, mode="nearest")
        features += [mean, 2 * np.sqrt(np.maximum(square - mean**2, 0))]
    return np.stack(features, axis=-1).astype("float32")


def baselines(train: Split, validation: Split, size: int) -> dict[str, Painter]:
    """Painters fitted on pixels of the training photographs: grey, mean colour per lightness, nearest neighbour.

    nearest_neighbour copies the mean colour of the k training pixels nearest in lightness and texture; k of NEIGHBOURS
    by the concordance of (at most 50) validation pictures.
    """
    from scipy.spatial import cKDTree

    random = np.random.default_rng(0)
    chosen = random.permutation(len(train))[:400]  # enough pictures for so few pixels
    share = max(1, FIT_PIXELS // len(chosen))
    seen, colours = [], []
    for batch in squares([train.inputs[i] for i in chosen], size):
        for pixels in batch:
            lightness, ab = to_lab(pixels)
            at = random.choice(size * size, min(share, size * size), replace=False)
            seen.append(texture(lightness[..., 0]).reshape(-1, 5)[at])
            colours.append(ab.reshape(-1, 2)[at])
    features, colour = np.concatenate(seen), np.concatenate(colours)
    levels = np.clip(features[:, 0].round().astype(int), 0, 100)
    near = np.exp(-0.5 * ((np.arange(101)[:, None] - np.arange(101)) / 3) ** 2)  # levels borrow from their neighbours
    sums = np.stack([np.bincount(levels, part, 101) for part in colour.T], axis=-1)
    mean_colour = (near @ sums) / np.maximum(near @ np.bincount(levels, minlength=101), 1e-9)[:, None]
    tree = cKDTree(features)

    def nearest(k: int) -> Painter:
        def paint(lightness: np.ndarray) -> np.ndarray:
            _, found = tree.query(texture(lightness), k=[*range(1, k + 1)], workers=-1)
            return colour[found].mean(axis=-2)

        return paint

    few = validation.inputs[:: -(-len(validation) // 50)]
    tried = rows_of(few, size, {str(k): nearest(k) for k in NEIGHBOURS})
    kept = {name: [row for row in rows if row] for name, rows in tried.items()}
    best = max(kept, key=lambda name: corpus_figures(kept[name])(np.ones(len(kept[name])))["concordance"])
    return {
        "grey": lambda lightness: np.zeros((*lightness.shape, 2), "float32"),
        "mean_colour_per_lightness": lambda lightness: mean_colour[lightness.round().astype(int)],
        "nearest_neighbour": nearest(int(best)),
    }


def _other(folder: Path) -> Split:
    """The colour photographs of another folder, to score a finished run on."""
    pictures = photographs(folder) if folder.is_dir() else []
    if not pictures:
        raise UserError(f"{folder} is not a folder with colour photographs in it.")
    return Split(pictures, np.array([picture.name for picture in pictures]))


def evaluate(run: Run, data: str | None = None) -> Report:
    """Colour and score the test squares, or all photographs of another folder; baselines by the same code."""
    config = run.config
    size = config.size
    other = _other(Path(data)) if data else None
    splits = load_splits(config, run)
    predictor = run.load()
    network = painter_of(predictor)
    others = baselines(splits.train, splits.validation, size)
    chosen = rows_of(splits.validation.inputs, size, {"network": network})["network"]
    chosen = [row for row in chosen if row]
    test, looks = (other, 1) if other else splits.open_test(run)
    rows = rows_of(test.inputs, size, {"network": network, **others})
    kept = np.array([row is not None for row in rows["network"]])
    if not kept.any():
        raise UserError(f"None of the {len(test)} test photographs has colours; there is nothing to compare with.")
    rows = {name: [row for row in lines if row] for name, lines in rows.items()}
    tested = [picture for picture, has in zip(test.inputs, kept, strict=True) if has]
    compared = score_table(
        corpus_figures(rows["network"]),
        {name: corpus_figures(rows[name]) for name in others},
        DIRECTIONS,
        test.weights[kept],
        None if test.units is None else test.units[kept],
    )
    table = _table(tested, rows)
    true_colourfulness = float(table["colourfulness original"].mean())
    order = table["gain"].argsort().to_numpy()
    count = min(GRID, len(table) // 2)
    batch = next(squares(tested, size))
    inputs = to_lab(batch)[0] / L_SCALE - 1
    collapsed = _collapse(run)
    return Report(
        source=splits.source,
        sizes={**splits.sizes, "test": len(test)},
        validation=corpus_figures(chosen)(np.ones(len(chosen))),
        test={"unit": "photograph", "looks": looks, **compared},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.colours(inputs), len(batch)),
        failures=table.iloc[order[:8]][list(FAILURE_COLUMNS)].to_dict("records"),
        figures={
            **{
                name: _grid([tested[i] for i in which], size, {"network": network, **others})
                for name, which in (("worst", order[:count]), ("best", order[::-1][:count]))
                if count
            },
            "histograms": _histograms(rows, test.weights[kept]),
        },
        tables={"pictures": table},
        notes=[
            f"The originals' colourfulness is {true_colourfulness:.2f}: more than that is not better.",
            "PSNR and SSIM are on RGB; the intersections are of the whole test's histograms of a and of b.",
            *([f"{int((~kept).sum())} test photographs without colour are left out."] if not kept.all() else []),
            *([f"In this training {collapsed}"] if collapsed else []),
        ],
    )


FAILURE_COLUMNS = ("photograph", "psnr grey", "psnr network", "gain", "colourfulness network", "colourfulness original")


def _collapse(run: Run) -> str | None:
    from projects.colorization.watch import collapse

    return collapse(run.history)


def _table(pictures: Sequence[Picture], rows: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """One line a picture: the figures of the network and of every baseline; `gain` is the PSNR above grey."""
    table = pd.DataFrame({"photograph": [picture.name for picture in pictures]})
    for figure in ("psnr", "ssim", "ab_mae", "concordance", "colourfulness"):
        for name, lines in rows.items():
            table[f"{figure} {name}"] = [row[figure] for row in lines]
    table["colourfulness original"] = [row["true_colourfulness"] for row in rows["network"]]
    table["gain"] = table["psnr network"] - table["psnr grey"]
    return table


def _grid(pictures: Sequence[Picture], size: int, paint: dict[str, Painter]) -> Any:
    """Original, the network's answer and the baselines' of a few pictures, a row each."""
    columns = ["original", "network", *(name for name in paint if name != "network")]
    figure, axes = report.new_figure(columns=len(columns), rows=len(pictures), width=1.9, height=1.9)
    axes = np.reshape(axes, (len(pictures), -1))
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name.replace("_", " ").replace("mean colour per", "mean per"), fontsize=12)
    for line, picture in zip(axes, pictures, strict=True):
        truth = middle(shrunk(picture, size), size)
        lightness, _ = to_lab(truth)
        for axis, name in zip(line, columns, strict=True):
            axis.imshow(truth if name == "original" else to_rgb(lightness, paint[name](lightness[..., 0])))
            axis.axis("off")
    return figure


def _histograms(rows: dict[str, list[dict[str, Any]]], weights: np.ndarray) -> Any:
    """How often each a and each b occurs: in the originals, the network's answers and the baselines'."""
    figure, axes = report.new_figure(columns=2, width=5.0, height=3.6)
    edges = BIN * (np.arange(BINS) - BINS // 2) + BIN / 2
    lines = {"original": [row["true_histogram"] for row in rows["network"]]}
    lines |= {name: [row["histogram"] for row in rows[name]] for name in rows if name != "grey"}
    for channel, axis in enumerate(axes):
        for name, found in lines.items():
            share = np.average(np.stack(found), axis=0, weights=weights)[channel]
            style = {"color": "#888888", "linewidth": 3} if name == "original" else {}
            axis.plot(edges, np.maximum(share, 1e-5), label=name.replace("_", " "), **style)
        axis.set(xlabel=f"{'ab'[channel]}*", ylabel="share of the pixels", yscale="log", ylim=(1e-5, 1))
    axes[1].legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
