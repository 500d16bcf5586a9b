"""Figures of tagged sentences. Each is a function of sums over sentences, so a resample costs one product."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from projects.sequence_tagging.encoding import spans
from projects.sequence_tagging.programs import UNLABELLED

FIGURES = {"accuracy": "max", "macro_f1": "max", "unseen_accuracy": "max"}
SPAN_FIGURES = {"f1": "max", "precision": "max", "recall": "max", "conlleval_f1": "max"}

Tags = Sequence[Sequence[str]]


def directions(metric: str, with_spans: bool) -> dict[str, str]:
    """The figures and which way is better, METRIC first."""
    known = {**(SPAN_FIGURES if with_spans else {}), **FIGURES}
    return {metric: known[metric], **known}


def figures(
    answers: Tags, targets: Tags, unseen: Sequence[Sequence[bool]], with_spans: bool
) -> Callable[[np.ndarray], dict[str, float]]:
    """The figures of a corpus, as a function of the sentences' weights (n,).

    accuracy: fraction of the tokens that have a tag and got it. macro_f1: mean of the tags' F1. unseen_accuracy:
    accuracy on words that training never had. Of stretches: precision, recall and f1 by seqeval's strict scheme IOB2,
    where an I- that continues nothing is no stretch; conlleval_f1: where it begins one (Tjong Kim Sang & Buchholz
    2000).
    """
    tags = sorted({tag for row in targets for tag in row} - {UNLABELLED})
    number = {tag: place for place, tag in enumerate(tags)}
    counts = np.zeros((len(targets), 4 + 3 * len(tags)))  # right, tokens, the same of unseen words; of each tag
    for row, (given, right, new) in enumerate(zip(answers, targets, unseen, strict=True)):
        for answer, tag, unknown in zip(given, right, new, strict=True):
            if tag == UNLABELLED:
                continue
            hit = answer == tag
            counts[row, :4] += hit, 1, hit and unknown, unknown
            counts[row, 4 + 3 * number[tag] : 7 + 3 * number[tag]] += hit, 1, 0
            if answer in number:
                counts[row, 6 + 3 * number[answer]] += 1
    chunks = [_chunk_counts(answers, targets, strict) for strict in (True, False)] if with_spans else []

    def weighted(weights: np.ndarray) -> dict[str, float]:
        sums = weights @ counts
        hits, actual, predicted = sums[4:].reshape(-1, 3).T
        present = actual > 0
        result = {
            "accuracy": _ratio(sums[0], sums[1]),
            "macro_f1": float(np.mean(2 * hits[present] / (actual + predicted)[present])) if present.any() else np.nan,
            "unseen_accuracy": _ratio(sums[2], sums[3]),
        }
        if with_spans:
            (hit, given, right), lenient = (weights @ part for part in chunks)
            result |= {
                "f1": _ratio(2 * hit, given + right),
                "precision": _ratio(hit, given),
                "recall": _ratio(hit, right),
                "conlleval_f1": _ratio(2 * lenient[0], lenient[1] + lenient[2]),
            }
        return result

    return weighted


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _chunk_counts(answers: Tags, targets: Tags, strict: bool) -> np.ndarray:
    """(n, 3): for each sentence the stretches that are right, those of the answer, and those of the truth."""
    pairs = [(chunks(given, strict), chunks(right, strict)) for given, right in zip(answers, targets, strict=True)]
    return np.array([(len(given & right), len(given), len(right)) for given, right in pairs], float)


def chunks(tags: Sequence[str], strict: bool) -> set[tuple[str, int, int]]:
    """(label, first token, token after the last) of each stretch. strict: those alone that begin with B-."""
    return {(label, first, end) for label, first, end in spans(tags) if not strict or tags[first][0] == "B"}


def validation_callback(predictor: Any, trained: Any, validation: Any) -> Any:
    """A Keras callback that tags the validation split and adds its figures to the logs of each epoch."""
    import keras

    def add_figures(epoch: int, logs: dict[str, float]) -> None:
        predictor.read_transitions(trained)
        values = predictor.figures(validation)(validation.weights)
        logs.update({f"val_{name}": float(np.nan_to_num(value)) for name, value in values.items()})

    return keras.callbacks.LambdaCallback(on_epoch_end=add_figures)
