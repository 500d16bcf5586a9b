"""chrF and BLEU of sacrebleu, in two steps: each text is counted once, and a figure is a function of summed counts."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np


def chrf_metric() -> Any:
    """chrF2 (Popović 2015)."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def bleu_metric(order: int = 4) -> Any:
    """BLEU of 1 to `order` words (Papineni et al. 2002), with the tokens of mteval-13a."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(max_ngram_order=order)


def statistics(metric: Any, texts: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """What sacrebleu counts in each text: (n, counts). For BLEU the first two are the lengths in tokens.

    references: one or several for each text.
    """
    streams = list(itertools.zip_longest(*references))  # the first reference of each text, then the second ones, …
    # The names with underscores are sacrebleu's own; its bootstrap is made of them. ARCHITECTURE.md lists them.
    return np.array(metric._extract_corpus_statistics(list(texts), streams), float)


def score(metric: Any, sums: np.ndarray) -> float:
    """The figure that follows from sums of `statistics`."""
    return float(metric._compute_score_from_stats(list(sums)).score)
