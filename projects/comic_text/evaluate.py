"""Baselines and figures; the only file that opens the test split.

python -m projects.comic_text.evaluate --run best
python -m projects.comic_text.evaluate --run best --data FOLDER
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import load_splits, scored_on
from common.errors import UserError
from common.evaluation import score_table
from common.inputs.images import PHOTOGRAPHS, packaged_photograph, picture_text, read_picture
from common.inputs.text import readable
from common.report import Report
from common.runs import Run
from projects.comic_text import layout, metrics, redraw
from projects.comic_text.baselines import nearest_glyphs, otsu_mask
from projects.comic_text.config import Config
from projects.comic_text.data import Page, as_split, fingerprint, read, read_folder
from projects.comic_text.encoding import margin, normalise
from projects.comic_text.pages import Line, Sample
from projects.comic_text.predict import FAMILIAR, Predictor, line_crops

SHOWN = 2  # pages in the figure
WORST = 24  # lines that were read wrongly, in the table
SAMPLES = 6  # training pages that the page of the project can show


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baseline on the test split, or on a folder of pages with masks or boxes."""
    other = other_pages(Path(data)) if data else None  # read first: a wrong folder is refused at once
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    network = (predictor.mask, lambda crops: [text for text, _ in predictor.read(crops)])
    methods: dict[str, tuple] = {"network": network, "otsu_and_glyphs": (otsu_mask, nearest_glyphs)}
    test, looks = (as_split(other), 1) if other else splits.open_test(run)
    source = scored_on(Path(data), splits.source, fingerprint(other)) if data else splits.source
    counts: dict[str, list] = {name: [] for name in methods}
    errors: list[dict[str, Any]] = []
    for page in test.inputs:
        sample = read(page)
        for name, method in methods.items():
            page_counts, read_lines = measured(page, sample, *method)
            counts[name].append(page_counts)
            if name == "network":
                errors += [{"page": page.name, **line, "read": readable(line["read"])} for line in read_lines]
    table = score_table(
        metrics.figures(counts["network"]),
        {"otsu_and_glyphs": metrics.figures(counts["otsu_and_glyphs"])},
        metrics.DIRECTIONS,
        test.weights,
        seed=config.seed,
    )
    order = np.argsort([metrics.figures([one])(np.ones(1))["iou"] for one in counts["network"]])
    worst = sorted(errors, key=lambda line: -line["errors"])[:WORST]
    shown = [test.inputs[i] for i in [*order[:1], *order[len(order) // 2 :][: SHOWN - 1]]]
    first = read(test.inputs[0]).picture
    familiarity = familiar(test.inputs, predictor).items()
    shares = [f"{kind} {np.isfinite(sure).mean():.1%}, {(sure < FAMILIAR).mean():.1%}" for kind, sure in familiarity]
    lines = sum(counts["lines"] for counts in counts["network"])
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation={"iou": metrics.validation_iou(predictor.mask, splits.validation)},
        test={"unit": "page", "looks": looks, **table},
        directions=metrics.DIRECTIONS,
        parameters=sum(network.count_params() for network in predictor.networks.values()),
        inference_per_second=report.throughput(lambda: predictor.predict({"picture": first}), 1),
        failures=worst[:10],
        figures={"pages": pages_figure(shown, predictor), "history": losses_figure(run, config)},
        tables={
            "lines": pd.DataFrame(worst, columns=["page", "text", "read", "errors"]),
            "pages": pages_table(test.inputs, counts),
            "sample": sample_of(splits.train.inputs),
        },
        notes=[
            f"The test has {lines:,.0f} lines. cer, wer: of the reader on true boxes. lines_right: the share of all "
            "lines that were found and read right, letter for letter.",
            "relaxed_f1: pixels that are one pixel off a border count as right (after Del Gobbo & Matuk Herrera 2020).",
            "psnr: of the cleaned page under the lettering, compared with the page before it was lettered.",
            "Pages on which a block is found, and pages with a caution, because the mean confidence of their lines is "
            f"under {FAMILIAR:.2f}: {'; '.join(shares)}.",
            "otsu_and_glyphs: dark components of Otsu's threshold that stand beside others of their size; each piece "
            "of a line is read as the nearest glyph of the fonts of training. The rest is the same for both.",
            "With one Hangul font in the base installation nothing is claimed of unseen Hangul fonts."
            if config.fonts == "base"
            else "The Hangul font of the test is none of those of training.",
        ],
    )


def familiar(pages: Sequence[Page], predictor: Predictor) -> dict[str, np.ndarray]:
    """{kind: familiarity} of pages, of the same pages before they were lettered, and of photographs."""
    kinds = {
        "test": (read(page).picture for page in pages),
        "without lettering": (sample.clean for sample in map(read, pages) if sample.clean is not None),
        "photographs": (read_picture(packaged_photograph(name)) for name in PHOTOGRAPHS),
    }
    familiarity = {kind: predictor.familiarity(pictures) for kind, pictures in kinds.items()}
    return {kind: values for kind, values in familiarity.items() if len(values)}


def other_pages(folder: Path) -> list[Page]:
    """The labelled pages of a folder. Raises UserError where there are none."""
    found = [page for page in read_folder(folder) if page.labelled]
    if not found:
        raise UserError(f"{folder} has no page with a mask or with boxes; there is nothing to compare with.")
    return found


def measured(page: Page, sample: Sample, find: Callable, read_lines: Callable) -> tuple[dict[str, float], list[dict]]:
    """(counts of a page for `metrics.figures`, its lines that were read wrongly in true boxes).

    find: finds lettering, (h, w, 3) -> (h, w) bool. read_lines: reads upright lines, [(h, w, 3)] -> [text].
    """
    mask = find(sample.picture)
    blocks = layout.blocks(mask)
    crops = [crop for block in blocks for crop in line_crops(sample.picture, block)]
    truth = [line.text for line in sample.lines] or list(page.texts)
    counts = {**metrics.mask_counts(mask, sample.text), **metrics.line_counts(read_lines(crops), truth)}
    if sample.clean is not None and sample.text.any():
        clean = redraw.without(sample.picture, mask, blocks)
        counts |= metrics.clean_counts(clean, sample.clean, sample.text)
    wrong = []
    if sample.lines:
        texts = read_lines([true_crop(sample.picture, line) for line in sample.lines])
        counts |= metrics.reading_counts(texts, truth)
        for text, line in zip(texts, sample.lines, strict=True):
            if normalise(text) != normalise(line.text):
                errors = metrics.reading_counts([text], [line.text])["characters_wrong"]
                wrong.append({"text": line.text, "read": text, "errors": errors})
    return counts, wrong


def true_crop(picture: np.ndarray, line: Line) -> np.ndarray:
    """A line cut out by its true box, upright."""
    left, top, right, bottom = line.box
    if not line.angle:
        edge = margin(bottom - top)
        return picture[max(0, top - edge) : bottom + edge, max(0, left - edge) : right + edge]
    # The box of a turned line is higher than the line: h = line · cos + length · sin, w = length · cos + line · sin.
    part = layout.turned(picture[top:bottom, left:right], line.angle)
    sine, cosine = abs(np.sin(np.radians(line.angle))), np.cos(np.radians(line.angle))
    width, height = right - left, bottom - top
    high, wide = (
        max(8.0, (one * cosine - other * sine) / max(cosine**2 - sine**2, 0.2))
        for one, other in ((height, width), (width, height))
    )
    edge, (y, x) = margin(round(high)), (side / 2 for side in part.shape[:2])
    rows = slice(max(0, round(y - high / 2 - edge)), round(y + high / 2 + edge))
    return part[rows, max(0, round(x - wide / 2 - edge)) : round(x + wide / 2 + edge)]


def pages_table(pages: Sequence[Page], counts: dict[str, list]) -> pd.DataFrame:
    """One line a page: its IoU and its lines that are right, of the network and of the baseline."""
    table = pd.DataFrame({"page": [page.name for page in pages]})
    for name, rows in counts.items():
        values = [metrics.figures([row])(np.ones(1)) for row in rows]
        for figure in ("iou", "lines_right", "psnr"):
            table[f"{figure} {name}"] = [value[figure] for value in values]
    return table


def pages_figure(pages: Sequence[Page], predictor: Predictor) -> Any:
    """The page with the worst IoU and ordinary ones: the page, the found lettering, the page without it."""
    figure, axes = report.new_figure(rows=len(pages), columns=3, width=2.6, height=3.6)
    for row, page in zip(np.reshape(axes, (len(pages), 3)), pages, strict=True):
        picture = read(page).picture
        answer = predictor.predict({"picture": picture})
        shown = (picture, np.repeat(answer["mask"][..., None], 3, axis=2), answer["clean"])
        for axis, pixels in zip(row, shown, strict=True):
            axis.imshow(pixels[::2, ::2])
            axis.axis("off")
    return figure


def losses_figure(run: Run, config: Config) -> Any:
    """The losses of the three networks, each over its own epochs, and the IoU of the segmentation."""
    names = [*(["autoencoder"] if config.model == "pretrained" else []), "segmentation", "reader"]
    # A network may have stopped early, so the rows say which network they are of.
    parts = {name: [row for row in run.history if row.get("network") == i] for i, name in enumerate(names, start=1)}
    figure, axes = report.new_figure(columns=len(parts) + 1, width=3.6, height=3.2)
    for axis, (name, rows) in zip(axes, parts.items(), strict=False):
        for key, label in (("loss", "train"), ("val_loss", "validation")):
            axis.plot(range(1, len(rows) + 1), [row[key] for row in rows], marker=".", label=label)
        axis.set(xlabel="epoch", ylabel="loss", title=name, yscale="log" if rows else "linear")
        axis.legend(frameon=False, fontsize=8)
    found = [row["val_iou"] for row in parts["segmentation"]]
    axes[-1].plot(range(1, len(found) + 1), found, marker=".")
    axes[-1].set(xlabel="epoch", ylabel="validation iou", title="segmentation")
    return figure


def sample_of(pages: Sequence[Page]) -> pd.DataFrame:
    """A few training pages for the page of the project: a small picture (PNG in base64), and what they say."""
    from PIL import Image

    rows = np.unique(np.linspace(0, len(pages) - 1, SAMPLES).astype(int))
    table = []
    for page in (pages[row] for row in rows):
        sample = read(page)
        lines = [line.text for line in sample.lines] or list(page.texts)
        image = Image.fromarray(sample.picture)
        image.thumbnail((320, 320))
        table.append({"page": page.name, "picture": picture_text(np.asarray(image)), "lines": " / ".join(lines)})
    return pd.DataFrame(table)


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
