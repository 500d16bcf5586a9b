"""Figures of captions: facts that are stated and right, CIDEr-D, BLEU and chrF, and how many captions are new.

All are computed on captions without capitals and punctuation. A row is one caption: of one picture, in one language.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from common.data import Split
from common.overlap import bleu_metric, chrf_metric, score, statistics
from projects.image_captioning.encoding import Captions, Inputs, normalise
from projects.image_captioning.scenes import FACTS, Scene, is_held_out, parse, right_facts

ORDERS = (1, 2, 3, 4)  # numbers of words of an n-gram
SIGMA = 6.0  # width of CIDEr-D's penalty for another length
FACT_FIGURES = {"facts": "max", "facts_seen": "max", "facts_held_out": "max", "single_facts": "max"}
FIGURES = {"cider": "max", **{f"bleu_{order}": "max" for order in ORDERS}, "chrf": "max"}

Figures = Callable[[np.ndarray], dict[str, float]]


def directions(scenes: bool) -> dict[str, str]:
    """The figures and which way is better, METRIC first."""
    return {**(FACT_FIGURES if scenes else {}), **FIGURES}


def figures(
    captions: Sequence[str], references: Sequence[Sequence[str]], languages: Sequence[str], scenes: bool
) -> Figures:
    """The figures of a corpus, as a function of the rows' weights (n,).

    captions, languages: of each row. references: the captions of the same picture in the same language, normalised as
    by `encoding.normalise`. scenes: whether they are of the grammar of scenes. Then there are also
    facts: the fraction of the captions in which every fact of the scene is stated and right; facts_seen and
    facts_held_out: the same for scenes that have no combination of colour, thing and side of the test alone, and for
    those that have one; single_facts: the mean fraction of a scene's facts that are right.
    cider: CIDEr-D (Vedantam et al. 2015). bleu_1 … bleu_4, chrf: of sacrebleu, from 0 to 100.
    """
    bleus, chrf = [bleu_metric(order) for order in ORDERS], chrf_metric()
    bleu_counts, chrf_counts = (statistics(metric, captions, references) for metric in (bleus[-1], chrf))
    consensus = cider(captions, references, languages)
    right, new = facts(captions, references, languages) if scenes else (np.zeros((0, 0)), np.zeros(0, bool))

    def weighted(weights: np.ndarray) -> dict[str, float]:
        def mean(values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> float:
            total = weights[rows].sum()
            return float(weights[rows] @ values[rows] / total) if total else math.nan

        result = {}
        if scenes:
            whole = (right == 1).all(axis=1).astype(float)
            result = {"facts": mean(whole), "facts_seen": mean(whole, ~new), "facts_held_out": mean(whole, new)}
            result["single_facts"] = mean(right.mean(axis=1))
        # Two lengths, then for runs of 1 to 4 words how many are right, then how many there are.
        lengths, right_runs, runs = np.split(weights @ bleu_counts, [2, 2 + len(ORDERS)])
        result["cider"] = mean(consensus)
        for order, metric in zip(ORDERS, bleus, strict=True):
            result[f"bleu_{order}"] = score(metric, np.concatenate([lengths, right_runs[:order], runs[:order]]))
        return {**result, "chrf": score(chrf, weights @ chrf_counts)}

    return weighted


class Rows(NamedTuple):
    """The captions of all pictures in the first language, then in the second one: what a figure is computed on."""

    references: list[list[str]]
    languages: list[str]
    pictures: np.ndarray  # (n,) the number of each row's picture


def rows_of(targets: Sequence[Captions]) -> Rows:
    """A row for each picture and language. targets: of a split; all of them have the same languages."""
    languages = list(targets[0])
    references = [[normalise(text) for text in row[language]] for language in languages for row in targets]
    pictures = np.tile(np.arange(len(targets)), len(languages))
    return Rows(references, np.repeat(languages, len(targets)).tolist(), pictures)


def split_figures(write: Callable[[Inputs, list[str]], list[str]], split: Split, scenes: bool) -> dict[str, float]:
    """The figures of what `write(pictures, languages)` says about a split: the captions in the order of `rows_of`.

    Validation has no combination that is held out; a figure that is not defined is left out.
    """
    rows = rows_of(split.targets)
    captions = write(split.inputs, list(split.targets[0]))
    values = figures(captions, rows.references, rows.languages, scenes)(split.weights[rows.pictures])
    return {name: value for name, value in values.items() if not math.isnan(value)}


def scene_of(captions: Sequence[str], language: str) -> Scene:
    """The scene that reference captions state."""
    stated = parse(captions[0], language)
    assert stated is not None, captions[0]
    return stated.scene


def facts(
    captions: Sequence[str], references: Sequence[Sequence[str]], languages: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The fraction of a scene's groups of which each fact is right (n, FACTS), and whether a scene is held out (n,)."""
    shown = [scene_of(*row) for row in zip(references, languages, strict=True)]
    rows = [right_facts(*row) for row in zip(captions, languages, shown, strict=True)]
    return np.array([[row[name] for name in FACTS] for row in rows]), np.array(list(map(is_held_out, shown)))


def cider(captions: Sequence[str], references: Sequence[Sequence[str]], languages: Sequence[str]) -> np.ndarray:
    """CIDEr-D of each caption (n,), mostly from 0 to 10 (Vedantam et al. 2015, section 4 and its appendix).

    An n-gram counts for more when the references of few pictures have it. A caption is compared with each reference by
    the cosine of these weights, where no n-gram counts more often than in the reference, and less the more their
    lengths differ. The mean over the references and over 1 to 4 words, times 10.
    As in the authors' code, the pictures that are scored give the weights, and the length is that in pairs of words.
    """
    result = np.zeros(len(captions))
    for language in set(languages):
        rows = [row for row, other in enumerate(languages) if other == language]
        known = [[_counts(text) for text in references[row]] for row in rows]
        pictures = Counter(ngram for texts in known for ngram in set().union(*texts))
        for row, texts in zip(rows, known, strict=True):
            vector = _vector(_counts(captions[row]), pictures, len(rows))
            result[row] = np.mean([_likeness(vector, _vector(text, pictures, len(rows))) for text in texts]) * 10
    return result


def _counts(text: str) -> Counter:
    words = text.split()
    return Counter(tuple(words[i : i + order]) for order in ORDERS for i in range(len(words) - order + 1))


def _vector(counts: Counter, pictures: Counter, total: int) -> list[dict[tuple, float]]:
    """The weights of the n-grams of each order, and their norm under the key ()."""
    parts: list[dict[tuple, float]] = [{} for _ in ORDERS]
    for ngram, count in counts.items():
        parts[len(ngram) - 1][ngram] = count * (math.log(total) - math.log(max(1, pictures[ngram])))
    for part in parts:
        part[()] = math.sqrt(sum(weight**2 for weight in part.values()))
    pairs = sum(count for ngram, count in counts.items() if len(ngram) == 2)
    return [*parts, {(): pairs}]


def _likeness(caption: list[dict], reference: list[dict]) -> float:
    penalty = math.exp(-((caption[-1][()] - reference[-1][()]) ** 2) / (2 * SIGMA**2))
    total = 0.0
    for ours, theirs in zip(caption[:-1], reference[:-1], strict=True):
        if norms := ours[()] * theirs[()]:
            shared = sum(
                min(weight, theirs[ngram]) * theirs[ngram]
                for ngram, weight in ours.items()
                if ngram and ngram in theirs
            )
            total += shared / norms
    return total * penalty / len(ORDERS)


def variety(captions: Sequence[str], known: Collection[str]) -> dict[str, int]:
    """How many different captions were written, and how many of them no training picture has."""
    distinct = set(captions)
    return {"distinct": len(distinct), "new": len(distinct - set(known))}
