"""IBM model 1 (Brown et al. 1993): which word is the translation of which, learnt from pairs of sentences alone."""

from collections.abc import Sequence

import numpy as np

from projects.translation.encoding import cut, joined, normalise

STEPS = 5  # steps of expectation and maximisation
MAX_LINKS = 2**23  # pairs of a source word and a target word that are counted; what follows is not read
NULL = ""  # the empty source word, from which words without a counterpart come


class WordTranslation:
    """t(target word | source word), and the translation word by word that follows from it.

    A source sentence has the words e_0 = NULL, e_1 … e_l, a target f_1 … f_m; each f comes from one e, all places being
    equally likely. Starting from equal probabilities, STEPS steps of expectation and maximisation (section 4.1).
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]):
        self.best: dict[str, str] = {}
        source_ids: dict[str, int] = {NULL: 0}
        target_ids: dict[str, int] = {}
        e_parts, f_parts, groups, places, links = [], [], [], 0, 0
        for source, target in zip(sources, targets, strict=True):
            e = [0, *(source_ids.setdefault(word, len(source_ids)) for word in words(source))]
            f = [target_ids.setdefault(word, len(target_ids)) for word in words(target)]
            links += len(e) * len(f)
            if links > MAX_LINKS:
                break
            e_parts.append(np.tile(e, len(f)))
            f_parts.append(np.repeat(f, len(e)))
            groups.append(np.repeat(np.arange(places, places + len(f)), len(e)))  # the place of f in the whole text
            places += len(f)
        size = len(target_ids)
        pairs, link = np.unique(np.concatenate(e_parts) * size + np.concatenate(f_parts), return_inverse=True)
        group, source_of = np.concatenate(groups), pairs // size
        probability = np.full(len(pairs), 1 / size)
        for _ in range(STEPS):
            likely = probability[link]
            share = likely / np.bincount(group, likely)[group]
            counts = np.bincount(link, share)
            probability = counts / np.bincount(source_of, counts)[source_of]
        order = np.lexsort((probability, source_of))  # the last pair of each source word is its likeliest
        last = np.flatnonzero(np.diff(source_of[order], append=-1))
        names, target_names = list(source_ids), list(target_ids)
        for pair in pairs[order[last]]:
            self.best[names[pair // size]] = target_names[pair % size]

    def translate(self, text: str) -> str:
        """Each word replaced by its likeliest translation, in the order of the source; unknown words stay."""
        return joined(self.best.get(word, word) for word in words(text))


def words(text: str) -> list[str]:
    return cut(normalise(text), "word")
