"""Figures of temporal action segmentation (Lea et al. 2017; Abu Farha & Gall 2019), each a function of film weights."""

from collections.abc import Callable, Sequence

import numpy as np

from projects.video_labelling.encoding import UNLABELLED, segments

OVERLAPS = (10, 25, 50)  # percent that a segment must share with a true one
F1S = {f"f1_{overlap}": "max" for overlap in OVERLAPS}
DIRECTIONS = {"frame_accuracy": "max", "edit": "max", **F1S, "oversegmentation": "min"}


def figures(answers: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Callable[[np.ndarray], dict[str, float]]:
    """The figures of labelled films, as a function of the films' weights (n,).

    answers, targets: the number of each frame's label, (T,) for each film. Unlabelled frames are left out.
    frame_accuracy: fraction of the frames that are right. edit: 1 minus the Levenshtein distance between the two orders
    of segments, as a fraction of the longer one; the mean over films. f1_K: of segments, where one is found if it has
    its label and an intersection over union of at least K %. oversegmentation: segments of the answer for each true
    one, 1 at best.
    """
    rows = []
    for answer, target in zip(answers, targets, strict=True):
        known = target != UNLABELLED
        given, true = segments(np.where(known, answer, UNLABELLED)), segments(target)
        found = [matches(given, true, overlap / 100) for overlap in OVERLAPS]
        right = (answer == target)[known].sum()
        rows.append([right, known.sum(), edit_score(given, true), len(given), len(true), *found])
    counts = np.array(rows, float)

    def weighted(weights: np.ndarray) -> dict[str, float]:
        right, frames, edit, given, true, *found = weights @ counts
        result = {"frame_accuracy": right / frames, "edit": edit / weights.sum()}
        result |= {f"f1_{k}": 2 * hits / (given + true) for k, hits in zip(OVERLAPS, found, strict=True)}
        return {name: float(value) for name, value in {**result, "oversegmentation": given / true}.items()}

    return weighted


Segments = Sequence[tuple[int, int, int]]


def edit_score(given: Segments, true: Segments) -> float:
    """1 - Levenshtein distance of the labels of two lists of segments / length of the longer one."""
    row = np.arange(len(true) + 1)
    for i, (label, *_) in enumerate(given, start=1):
        before, row = row, np.full(len(true) + 1, i)
        for j, (other, *_) in enumerate(true, start=1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (label != other))
    return 1 - row[-1] / max(len(given), len(true), 1)


def matches(given: Segments, true: Segments, overlap: float) -> int:
    """How many true segments are found. Each is found once, in the order of the given ones, as in MS-TCN's code."""
    found: set[int] = set()
    for label, begin, end in given:
        unions = [
            (min(end, e) - max(begin, b)) / (max(end, e) - min(begin, b)) if label == other else -1.0
            for other, b, e in true
        ]
        best = int(np.argmax(unions)) if unions else -1
        if unions and unions[best] >= overlap and best not in found:
            found.add(best)
    return len(found)


def delays(answer: np.ndarray, target: np.ndarray) -> list[int]:
    """For each true segment that begins after the first frame: the frames until the answer is right, or its length."""
    result = []
    for label, begin, end in segments(target)[1:]:
        right = np.flatnonzero(answer[begin:end] == label)
        result.append(int(right[0]) if len(right) else end - begin)
    return result
