"""Baselines and figures; the only place that opens the test split.

python -m projects.mask_detection.evaluate --run best
python -m projects.mask_detection.evaluate --run best --data FOLDER
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, load_splits, scored_on
from common.evaluation import score_table
from common.inputs.folders import left_out_words
from common.inputs.images import picture_text, text_picture
from common.report import Report
from common.runs import Run
from projects.mask_detection.baselines import baselines
from projects.mask_detection.data import fingerprint, load_labelled
from projects.mask_detection.encoding import OVERLAP, iou, picture_of, said
from projects.mask_detection.metrics import BANDS, Matches, average_precision, figures, precision_recall
from projects.mask_detection.predict import COLOURS, Predictor, drawn, matches_of, small

DIRECTIONS = {"ap50": "max", "ap50_95": "max", "ar100": "max"}
CROWDS = {"1": (1, 1), "2 to 4": (2, 4), "5 to 10": (5, 10), "over 10": (11, 10**9)}  # faces in a picture
RESAMPLES = 300  # resamples for the interval of a class, a size or a crowd
SHOWN = 12  # pictures with errors, and training pictures, that the page shows
SHOWN_SIDE = 320  # pixels


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on a folder of new pictures with boxes."""
    config, predictor, splits = run.config, run.load(), load_splits(run.config, run)
    source, notes = splits.source, []
    if data:  # read first: a wrong folder is refused before anything is fitted
        (test, left_out), looks = load_labelled(Path(data), predictor.classes), 1
        source = scored_on(Path(data), source, fingerprint([test.targets], [test.inputs]), "picture")
        notes += [f"Scored on {len(test):,} new pictures{left_out_words(left_out)}."]
    detectors = baselines(splits)  # fitted and tuned before the test split is opened
    if not data:
        test, looks = splits.open_test(run)
    found = predictor.found(test.inputs)
    matches = predictor.matches(test, found)
    scores, directions = figures(matches), DIRECTIONS
    held = figures(predictor.matches(splits.validation))(splits.validation.weights)
    has_masks = "masks" in found[0] and all(mask is not None for one in test.targets for mask in one["masks"])
    if has_masks:
        masked = figures(predictor.matches(test, found, masks=True), "mask_")
        boxed, directions = scores, {**DIRECTIONS, **{f"mask_{name}": "max" for name in DIRECTIONS}}
        scores = lambda weights: {**boxed(weights), **masked(weights)}  # noqa: E731
    others = {
        name: figures(matches_of(detect(test.inputs), test.targets, predictor.meta))
        for name, detect in detectors.items()
    }
    table = score_table(scores, others, directions, test.weights, seed=config.seed)
    kinds = errors_table(test, found, predictor)
    worst = kinds.sort_values("score", ascending=False).head(10)
    worst = worst.assign(truth=worst["truth"].map(said), answer=worst["answer"].map(said))
    threshold = predictor.meta["threshold"]
    notes.append(f"Boxes with a score above {threshold:.2f}, chosen on validation, are shown and counted as errors.")
    classes = classes_table(matches, predictor.classes)
    sizes = sizes_table(test, found, predictor)
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=held,
        test={"unit": source.unit, "looks": looks, **table},
        directions=directions,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.found(test.inputs[:16]), len(test.inputs[:16])),
        failures=worst.to_dict("records"),
        figures={
            "recall_curves": curves_figure(matches, predictor.classes),
            "sizes": sizes_figure(sizes),
            "kinds": kinds_figure(kinds),
            "errors": errors_figure(errors := pictures_table(test, found, kinds, predictor), predictor.classes),
        },
        tables={
            "classes": classes,
            "sizes": sizes,
            "kinds": kinds,
            "errors": errors,
            "sample": sample_table(splits.train, predictor.classes),
        },
        notes=notes,
    )


def interval(matches: Matches, weights: np.ndarray) -> tuple[float, float, float]:
    """(AP50, low, high) of one class, the last two from RESAMPLES bootstrap resamples of the pictures."""
    random, count, values = np.random.default_rng(0), len(weights), []
    for _ in range(RESAMPLES):
        drawn_often = np.bincount(random.integers(count, size=count), minlength=count)
        values.append(average_precision(matches, weights * drawn_often)[0][0])
    values = [value for value in values if not np.isnan(value)]
    low, high = np.percentile(values, [2.5, 97.5]) if values else (np.nan, np.nan)
    return float(average_precision(matches, weights)[0][0]), float(low), float(high)


def classes_table(matches: Sequence[Matches], classes: Sequence[str]) -> pd.DataFrame:
    """For each class: true boxes, AP50 with its interval, AP50-95, and the largest recall."""
    rows = []
    for name, one in zip(classes, matches, strict=True):
        weights = np.ones(len(one.truths))
        precision, recall = average_precision(one, weights)
        ap50, low, high = interval(one, weights)
        rows.append([name, int(one.truths.sum()), ap50, low, high, precision.mean(), recall.mean()])
    return pd.DataFrame(rows, columns=["class", "boxes", "ap50", "low", "high", "ap50_95", "ar100"])


def sizes_table(test: Split, found: Sequence[dict], predictor: Predictor) -> pd.DataFrame:
    """AP50 with its interval by size of face and by faces in a picture: group, part, boxes, ap50, low, high.

    The class is not asked for here: a class has too few faces of a size. A face with the wrong class counts as found.
    """
    one_class = {**predictor.meta, "classes": ["face"]}

    def faces(rows: Sequence[dict]) -> list[dict]:
        return [{**row, "labels": np.zeros(len(row["labels"]), int)} for row in rows]

    rows, counts = [], np.array([len(one["labels"]) for one in test.targets])
    parts = [("size", band, np.ones(len(test))) for band in BANDS if band != "all"]
    parts += [
        ("crowd", name, ((counts >= low) & (counts <= high)).astype(float)) for name, (low, high) in CROWDS.items()
    ]
    for group, part, weights in parts:
        band = part if group == "size" else "all"
        (one,) = matches_of(faces(found), faces(test.targets), one_class, band)
        ap50, low, high = interval(one, weights)
        rows.append([group, part, int(weights @ one.truths), ap50, low, high])
    return pd.DataFrame(rows, columns=["group", "part", "boxes", "ap50", "low", "high"])


def errors_table(test: Split, found: Sequence[dict], predictor: Predictor) -> pd.DataFrame:
    """Each error above the threshold: picture, kind, truth, answer, score, left, top, right, bottom.

    kind (Bolya et al. 2020, in short): `class`: a face with the wrong class; `double`: a face that has a box already;
    `place`: a box that overlaps a face, but by less than a half; `background`: a box where no face is; `missed`: a
    face that no box overlaps by a half. The score of a missed face is 0.
    """
    rows, names = [], [*predictor.classes]
    for number, (target, one) in enumerate(zip(test.targets, found, strict=True)):
        overlap, taken = iou(one["boxes"].astype(float), target["boxes"].astype(float)), set()
        for k in np.flatnonzero(one["scores"] >= predictor.meta["threshold"]):
            place = overlap[k] if overlap.shape[1] else np.zeros(1)
            best, answer, score = int(place.argmax()), names[one["labels"][k]], float(one["scores"][k])
            truth = names[target["labels"][best]] if place[best] >= 0.1 else ""
            if place[best] >= OVERLAP and best not in taken:
                taken.add(best)
                kind = "" if answer == truth else "class"
            else:
                kind = "double" if place[best] >= OVERLAP else "place" if truth else "background"
            if kind:
                rows.append([number, kind, truth, answer, score, *one["boxes"][k].round(1).tolist()])
        for k in set(range(len(target["labels"]))) - taken:
            rows.append([number, "missed", names[target["labels"][k]], "", 0.0, *target["boxes"][k].tolist()])
    columns = ["picture", "kind", "truth", "answer", "score", "left", "top", "right", "bottom"]
    return pd.DataFrame(rows, columns=columns)


def pictures_table(test: Split, found: Sequence[dict], kinds: pd.DataFrame, predictor: Predictor) -> pd.DataFrame:
    """The SHOWN pictures with the most errors: file, errors, and as PNG with what was found and with the truth."""
    rows = []
    for number, errors in kinds["picture"].value_counts(sort=True).head(SHOWN).items():
        source = test.inputs[number]
        picture, one = picture_of(source), found[number]
        seen = one["scores"] >= predictor.meta["threshold"]
        answer = [
            {"label": predictor.classes[label], "score": score, "box": box.tolist()}
            for box, label, score in zip(one["boxes"][seen], one["labels"][seen], one["scores"][seen], strict=True)
        ]
        truth = truth_of(test.targets[number], predictor.classes)
        pictures = [shown(picture, objects, predictor.classes) for objects in (answer, truth)]
        name = source.name if isinstance(source, Path) else f"row {number}"
        rows.append([name, int(errors), *map(picture_text, pictures)])
    return pd.DataFrame(rows, columns=["file", "errors", "picture", "truth"])


def truth_of(target: dict[str, Any], classes: Sequence[str]) -> list[dict[str, Any]]:
    """A target as the objects of an answer."""
    return [
        {"label": classes[label], "box": box.tolist()}
        for box, label in zip(target["boxes"], target["labels"], strict=True)
    ]


def shown(picture: np.ndarray, objects: Sequence[dict], classes: Sequence[str]) -> np.ndarray:
    """A picture with boxes drawn in, as large as the page shows it."""
    factor = SHOWN_SIDE / max(picture.shape[:2])
    if factor > 1:
        factor = float(int(factor))
        picture = picture.repeat(int(factor), axis=0).repeat(int(factor), axis=1)
    else:
        picture = small(picture, SHOWN_SIDE)
    objects = [{**one, "box": [side * factor for side in one["box"]]} for one in objects]
    return drawn(picture, {"objects": objects}, classes)


def sample_table(train: Split, classes: Sequence[str]) -> pd.DataFrame:
    """Training pictures with their boxes: file, faces, picture (PNG)."""
    rows = []
    for number in np.linspace(0, len(train) - 1, min(SHOWN, len(train))).astype(int):
        source, target = train.inputs[number], train.targets[number]
        picture = shown(picture_of(source), truth_of(target, classes), classes)
        name = source.name if isinstance(source, Path) else f"row {number}"
        rows.append([name, len(target["labels"]), picture_text(picture)])
    return pd.DataFrame(rows, columns=["file", "faces", "picture"])


def curves_figure(matches: Sequence[Matches], classes: Sequence[str]) -> Any:
    """Precision against recall of each class, at an overlap of a half."""
    figure, axis = report.new_figure(width=5)
    for name, one in zip(classes, matches, strict=True):
        precision, recall = precision_recall(one, np.ones(len(one.truths)))
        if len(one.score) and one.truths.any():
            axis.plot(recall[0], precision[0], label=said(name))
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(frameon=False)
    return figure


def sizes_figure(table: pd.DataFrame) -> Any:
    """AP50 by size of face, with its interval."""
    rows = table[(table["group"] == "size") & (table["boxes"] > 0)]
    figure, axis = report.new_figure(width=5, height=3)
    axis.bar(rows["part"], rows["ap50"], color=report.COLOURS[0], label="AP50")
    axis.bar(rows["part"], rows["high"] - rows["low"], 0.12, rows["low"], color="0.5", label="95 %")
    axis.set(xlabel="side of the face in pixels of the input", ylabel="AP50", ylim=(0, 1))
    return figure


def kinds_figure(kinds: pd.DataFrame) -> Any:
    """How many errors of each kind there are."""
    names = ["missed", "class", "place", "double", "background"]
    counts = [int((kinds["kind"] == name).sum()) for name in names]
    figure, axis = report.new_figure(width=5, height=3)
    bars = axis.barh(names[::-1], counts[::-1], color=report.COLOURS[5])
    axis.bar_label(bars, padding=3, fontsize=8)
    axis.set(xlabel="errors")
    return figure


def errors_figure(errors: pd.DataFrame, classes: Sequence[str]) -> Any:
    """The pictures with the most errors: what was found, and below it the truth. The colours of the boxes are named."""
    from matplotlib.patches import Patch

    count = min(4, len(errors))
    figure, axes = report.new_figure(columns=max(count, 1), rows=2, width=3, height=3)
    axes = np.reshape(axes, (2, -1))
    for axis in axes.ravel():
        axis.axis("off")
    for column, row in enumerate(errors.head(count).itertuples()):
        for line, text in enumerate((row.picture, row.truth)):
            axes[line, column].imshow(text_picture(text))
            axes[line, column].set_title(("found", "truth")[line], fontsize=8)
    colours = zip(classes, itertools.cycle(COLOURS), strict=False)
    handles = [Patch(color=colour, label=said(name)) for name, colour in colours]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(COLOURS), frameon=False)
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
