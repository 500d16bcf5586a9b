"""COCO's figures of detection. pycocotools matches the boxes; every figure here is a function of picture weights."""

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # thresholds of the intersection over union
RECALLS = np.linspace(0, 1, 101)  # COCO reads the precision at these
BANDS = {"all": (0, 1e5), "under 16": (0, 16), "16 to 32": (16, 32), "from 32": (32, 1e5)}  # pixels: root of the area


@dataclass(frozen=True)
class Matches:
    """The matched boxes of one class, the highest score first.

    picture: (n,) number of each box's picture. score: (n,). right: (10, n) bool, whether it matches a true box at each
    of THRESHOLDS. ignored: (10, n) bool, whether it counts neither way. truths: (pictures,) true boxes in each.
    """

    picture: np.ndarray
    score: np.ndarray
    right: np.ndarray
    ignored: np.ndarray
    truths: np.ndarray


def matched(
    truths: Sequence[dict[str, Any]],
    answers: Sequence[dict[str, Any]],
    classes: int,
    band: str = "all",
    masks: bool = False,
) -> list[Matches]:
    """The matches of each class, by COCO's rules, at most 100 boxes a picture (`pycocotools.cocoeval`).

    truths: for each picture {"boxes" (n, 4), "labels"}; answers: the same with "scores". masks: whether whole masks
    (n, height, width) under "whole" are compared, and not boxes. band: a name of BANDS; other sizes are ignored.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    sizes: list[dict] = [{}] * len(truths)
    if masks:
        sizes = [dict(zip(("height", "width"), row["whole"].shape[1:], strict=True)) for row in answers]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports on everything
        sets = []
        for rows in (truths, answers):
            found = COCO()
            found.dataset = {
                "images": [{"id": number, **size} for number, size in enumerate(sizes, start=1)],
                "categories": [{"id": number} for number in range(classes)],
                "annotations": _annotations(rows, masks),
            }
            found.createIndex()
            sets.append(found)
        evaluation = COCOeval(*sets, iouType="segm" if masks else "bbox")
        low, high = BANDS[band]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[low**2, high**2]], [band]
        evaluation.params.iouThrs = THRESHOLDS
        evaluation.evaluate()
    count, result = len(truths), []
    for number in range(classes):  # evalImgs is in the order of classes, then pictures
        rows = evaluation.evalImgs[number * count : (number + 1) * count]
        pictures, scores, right, ignored = [], [], [np.zeros((10, 0), bool)], [np.zeros((10, 0), bool)]
        held = np.zeros(count)
        for picture, row in enumerate(rows):
            if row is not None:
                pictures += [picture] * len(row["dtScores"])
                scores += row["dtScores"]
                right.append(row["dtMatches"] > 0)
                ignored.append(row["dtIgnore"].astype(bool))
                held[picture] = len(row["gtIgnore"]) - np.sum(row["gtIgnore"])
        order = np.argsort(-np.array(scores), kind="mergesort")
        right, ignored = (np.concatenate(part, axis=1)[:, order] for part in (right, ignored))
        result.append(
            Matches(np.array(pictures, int)[order], np.array(scores, float)[order], right & ~ignored, ignored, held)
        )
    return result


def _annotations(rows: Sequence[dict[str, Any]], masks: bool) -> list[dict[str, Any]]:
    """COCO's annotations of truths or answers; ids begin with 1, because pycocotools takes 0 for no match."""
    from pycocotools import mask as coco_mask

    result: list[dict[str, Any]] = []
    for number, row in enumerate(rows, start=1):
        boxes = np.asarray(row["boxes"], float)
        for k, (box, label) in enumerate(zip(boxes, row["labels"], strict=True)):
            size = box[2:] - box[:2]
            one = {"id": len(result) + 1, "image_id": number, "category_id": int(label), "iscrowd": 0}
            one |= {"bbox": [*box[:2], *size], "area": float(size.prod())}
            if masks:
                one["segmentation"] = coco_mask.encode(np.asfortranarray(row["whole"][k].astype(np.uint8)))
                one["area"] = float(row["whole"][k].sum())
            if "scores" in row:
                one["score"] = float(row["scores"][k])
            result.append(one)
    return result


def precision_recall(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(precision, recall), both (10, n), after each box, for weights (pictures,); nan where no true box has weight."""
    weight = weights[matches.picture]
    right = np.cumsum(matches.right * weight, axis=1)
    wrong = np.cumsum(~(matches.right | matches.ignored) * weight, axis=1)
    total = float(weights @ matches.truths)
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / (right + wrong), right / total if total > 0 else np.full(right.shape, np.nan)


def average_precision(matches: Matches, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(average precision, largest recall) at each of THRESHOLDS, (10,) each; nan for a class without true boxes.

    COCO's: the precision is made to fall only, and read at 101 recalls.
    """
    if not weights @ matches.truths > 0:
        return np.full(10, np.nan), np.full(10, np.nan)
    last = matches.right.any(axis=0).nonzero()[0]
    if not len(last):
        return np.zeros(10), np.zeros(10)
    end = last[-1] + 1  # what comes after the last right box changes nothing
    cut = Matches(
        matches.picture[:end], matches.score[:end], matches.right[:, :end], matches.ignored[:, :end], matches.truths
    )
    precision, recall = precision_recall(cut, weights)
    precision = np.nan_to_num(precision)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    read = np.zeros((10, len(RECALLS)))
    for k in range(10):
        places = np.searchsorted(recall[k], RECALLS, side="left")
        read[k, places < end] = precision[k, places[places < end]]
    return read.mean(axis=1), recall[:, -1]


def figures(matches: Sequence[Matches], prefix: str = "") -> Callable[[np.ndarray], dict[str, float]]:
    """{ap50, ap50_95, ar100}, each a mean over the classes that occur, as a function of picture weights."""

    def weighted(weights: np.ndarray) -> dict[str, float]:
        parts = [average_precision(one, weights) for one in matches]
        precision, recall = (np.array(part) for part in zip(*parts, strict=True))
        occurs = ~np.isnan(precision[:, 0])
        if not occurs.any():
            return dict.fromkeys((f"{prefix}ap50", f"{prefix}ap50_95", f"{prefix}ar100"), float("nan"))
        return {
            f"{prefix}ap50": float(precision[occurs, 0].mean()),
            f"{prefix}ap50_95": float(precision[occurs].mean()),
            f"{prefix}ar100": float(recall[occurs].mean()),
        }

    return weighted


def best_threshold(matches: Sequence[Matches]) -> float:
    """The score above which the boxes of all classes together have the best F1 at an overlap of a half."""
    scores = np.concatenate([one.score for one in matches])
    right = np.concatenate([one.right[0] for one in matches])
    order = np.argsort(-scores, kind="stable")
    caught = np.cumsum(right[order])
    total = sum(one.truths.sum() for one in matches)
    if not len(order) or not caught[-1]:
        return 0.3
    f1 = 2 * caught / (np.arange(1, len(order) + 1) + total)
    best = int(f1.argmax())
    lower = scores[order][best + 1] if best + 1 < len(order) else 0.0
    return float((scores[order][best] + lower) / 2)
