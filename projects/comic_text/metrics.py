"""Figures of masks, read lines and cleaned pages. Each page gives counts; a test set is a weighted sum of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from common.data import Split
from projects.comic_text.data import cached
from projects.comic_text.encoding import normalise

BEST_HIGH, BEST_LOW = ("iou", "f1", "relaxed_f1"), ("cer", "cer_latin", "cer_hangul", "wer")
DIRECTIONS = dict.fromkeys(BEST_HIGH, "max") | dict.fromkeys(BEST_LOW, "min") | {"lines_right": "max", "psnr": "max"}
NEAR = 1  # pixels that a border may be off in the relaxed figures
Counts = Mapping[str, float]


def validation_iou(find: Callable[[np.ndarray], np.ndarray], validation: Split) -> float:
    """METRIC, of the masks (h, w) bool that `find` makes of the pictures of all validation pages together."""
    pages, both, either = cached(tuple(validation.inputs)), 0, 0
    for row in range(len(validation)):
        mask, truth = find(pages[row][..., :3]), pages[row][..., 3] > 0
        both, either = both + int((mask & truth).sum()), either + int((mask | truth).sum())
    return both / max(1, either)


def mask_counts(mask: np.ndarray, truth: np.ndarray) -> Counts:
    """Pixels that are right, too many and missed, both masks (h, w) bool; "near" ones are not off by more than NEAR.

    After the relaxed figures of Del Gobbo & Matuk Herrera (2020): nobody can say to the pixel where a stroke ends.
    """
    from scipy import ndimage

    wide = np.ones((2 * NEAR + 1,) * 2)
    near_truth, near_mask = (ndimage.binary_dilation(one, wide) for one in (truth, mask))
    return {
        "right": float((mask & truth).sum()),
        "extra": float((mask & ~truth).sum()),
        "missed": float((truth & ~mask).sum()),
        "far_extra": float((mask & ~near_truth).sum()),
        "far_missed": float((truth & ~near_mask).sum()),
    }


def reading_counts(read: Sequence[str], truth: Sequence[str]) -> Counts:
    """Errors and lengths in characters and words of lines that were read, by jiwer; of Latin and Hangul lines apart."""
    import jiwer

    counts: Counter = Counter()
    for text, wanted in zip(map(normalise, read), map(normalise, truth), strict=True):
        if not wanted:
            continue
        script = "hangul" if any("가" <= one <= "힣" for one in wanted) else "latin"
        letters, words = jiwer.process_characters(wanted, text), jiwer.process_words(wanted, text)
        wrong = letters.substitutions + letters.deletions + letters.insertions
        for kind in ("characters", script):
            counts[f"{kind}_wrong"] += wrong
            counts[kind] += len(wanted)
        counts["words_wrong"] += words.substitutions + words.deletions + words.insertions
        counts["words"] += len(wanted.split())
    return dict(counts)


def line_counts(found: Sequence[str], truth: Sequence[str]) -> Counts:
    """How many true lines a page has, and how many of them are among the found ones, letter for letter."""
    wanted = Counter(text for text in map(normalise, truth) if text)
    return {"lines": wanted.total(), "lines_right": (wanted & Counter(map(normalise, found))).total()}


def clean_counts(clean: np.ndarray, truth: np.ndarray, under: np.ndarray) -> Counts:
    """The squared error of a cleaned page (h, w, 3) where lettering was: `under` (h, w) bool."""
    difference = clean[under].astype(float) - truth[under]
    return {"squared": float((difference**2).sum()), "under": float(difference.size)}


def figures(pages: Sequence[Counts]) -> Callable[[np.ndarray], dict[str, float]]:
    """Page weights (n,) -> the figures of DIRECTIONS, each of all pages together; nan where nothing was counted."""
    names = sorted({name for page in pages for name in page})
    table = np.array([[page.get(name, 0.0) for name in names] for page in pages])

    def weighted(weights: np.ndarray) -> dict[str, float]:
        total: dict[str, float] = Counter(dict(zip(names, (weights @ table).tolist(), strict=True)))
        right, wrong = total["right"], total["extra"] + total["missed"]
        # What is near to a border counts as right.
        far = total["far_extra"] + total["far_missed"]
        near = right + (wrong - far) / 2
        error = _ratio(total["squared"], total["under"])
        return {
            "iou": _ratio(right, right + wrong),
            "f1": _ratio(2 * right, 2 * right + wrong),
            "relaxed_f1": _ratio(2 * near, 2 * near + far),
            "cer": _ratio(total["characters_wrong"], total["characters"]),
            "cer_latin": _ratio(total["latin_wrong"], total["latin"]),
            "cer_hangul": _ratio(total["hangul_wrong"], total["hangul"]),
            "wer": _ratio(total["words_wrong"], total["words"]),
            "lines_right": _ratio(total["lines_right"], total["lines"]),
            "psnr": float(10 * np.log10(255**2 / np.maximum(error, 1e-3))),
        }

    return weighted


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")
