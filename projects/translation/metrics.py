"""Figures of translations on raw text: chrF and BLEU of sacrebleu, exact matches, and how far the length is off."""

from collections.abc import Callable, Sequence

import numpy as np

from common.overlap import bleu_metric, chrf_metric, score, statistics

FIGURES = {"exact_match": "max", "chrf": "max", "bleu": "max", "length_gap": "min"}

Figures = Callable[[np.ndarray], dict[str, float]]


def directions(metric: str) -> dict[str, str]:
    """The figures and which way is better, METRIC first."""
    return {metric: FIGURES[metric], **FIGURES}


def figures(translations: Sequence[str], references: Sequence[str]) -> Figures:
    """The figures of a corpus, as a function of the sentences' weights (n,).

    exact_match: fraction of the translations that equal their reference. chrf: chrF2 (Popović 2015), bleu: BLEU
    (Papineni et al. 2002) with the tokens of mteval-13a; both from 0 to 100. length_gap: |1 - r|, where r is the number
    of tokens of all translations, as a fraction of those of the references.
    """
    chrf, bleu = chrf_metric(), bleu_metric()
    exact = np.array([a == b for a, b in zip(translations, references, strict=True)], float)
    counts = {metric: statistics(metric, translations, [[text] for text in references]) for metric in (chrf, bleu)}

    def weighted(weights: np.ndarray) -> dict[str, float]:
        sums = {metric: weights @ part for metric, part in counts.items()}
        return {
            "exact_match": float(weights @ exact / weights.sum()),
            "chrf": score(chrf, sums[chrf]),
            "bleu": score(bleu, sums[bleu]),
            "length_gap": float(abs(1 - sums[bleu][0] / max(sums[bleu][1], 1))),
        }

    return weighted


def sentence_chrf(translations: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """The chrF of each sentence alone: (n,)."""
    metric = chrf_metric()
    return np.array([score(metric, row) for row in statistics(metric, translations, [[text] for text in references])])
