"""The classical model: character n-grams with interpolated, modified Kneser-Ney smoothing, vectorised."""

from functools import partial

import numpy as np
from scipy import sparse

from projects.char_rnn.data import TextPart
from projects.char_rnn.metrics import score_model

MAX_CHARACTERS = 3_000_000  # the n-gram counts the last ones of the training text; more would not fit into memory
ORDERS = (4, 5, 6, 7, 8, 10, 12)  # lengths of the longest context that are tried on validation


class KneserNey:
    """The distribution of the next character after contexts of at most `longest` characters.

    Chen & Goodman 1999, section 3: each count is lowered by a discount D1, D2 or D3+, which is estimated from the
    counts of counts. The probability that this frees is distributed by the next shorter context. The counts of a
    shorter context are the numbers of *different* characters before it. Below the empty context lies the uniform
    distribution.

    A context of k characters is numbered by the number of its last k - 1 characters and the character before them. So
    a context is found exactly, by k binary searches.
    """

    def __init__(self, ids: np.ndarray, symbols: int, longest: int = max(ORDERS)):
        """ids: (at least two,) of the training text, from 0 to symbols - 1: the indices of logits."""
        self.symbols, self.longest = symbols, min(longest, len(ids) - 1)
        self.contexts: list[np.ndarray] = []  # for each length: the sorted keys of the contexts that occur
        pairs = []  # for each length: context * symbols + next character, once for each place in the text
        numbers, before = np.zeros(len(ids), np.int64), 0
        for length in range(self.longest + 1):
            if length:
                keys = numbers[1:] * (symbols + 1) + ids[: len(numbers) - 1] + 1  # an unknown character is -1
                known, numbers = np.unique(keys, return_inverse=True)
                self.contexts.append(known)
                before = length
            pairs.append(numbers * symbols + ids[before:])
        # for each length: the table of the longest context, and the one that a longer context goes back to
        self.highest, self.lower = [], []
        for length in range(self.longest + 1):
            rows = len(self.contexts[length - 1]) if length else 1
            self.highest.append(_discounted(*np.unique(pairs[length], return_counts=True), rows, symbols))
            if length < self.longest:
                context, following = np.divmod(np.unique(pairs[length + 1]), symbols)
                shorter = self.contexts[length][context] // (symbols + 1)
                counted = np.unique(shorter * symbols + following, return_counts=True)
                self.lower.append(_discounted(*counted, rows, symbols))

    def probabilities(self, ids: np.ndarray, places: np.ndarray, window: int | None, order: int) -> np.ndarray:
        """The distributions (places, symbols) from which ids[places] were drawn, float64.

        window: contexts do not reach across every so many characters, counted from the beginning of `ids`. order:
        length of the longest context.
        """
        order = min(order, self.longest)
        # A window's first character is read and not scored.
        available = places if window is None else (places - 1) % window + 1
        numbers = np.zeros(len(places), np.int64)
        result = np.full((len(places), self.symbols), 1 / self.symbols)
        for length in range(order + 1):
            mask = available >= length
            if length:
                keys = numbers * (self.symbols + 1) + ids[np.maximum(places - length, 0)] + 1
                known = self.contexts[length - 1]
                position = np.minimum(np.searchsorted(known, keys), len(known) - 1)
                mask &= (numbers >= 0) & (known[position] == keys)
                numbers = np.where(mask, position, -1)
            table, left = (self.highest if length == order else self.lower)[length]
            rows = numbers[mask]
            result[mask] = table[rows].toarray() + left[rows, None] * result[mask]
        return result


def _discounted(keys: np.ndarray, counts: np.ndarray, rows: int, symbols: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts -> (discounted probabilities (rows, symbols), the probability (rows,) left for the shorter context).

    keys: sorted context * symbols + next character.
    """
    taken = np.minimum(_discounts(counts)[np.minimum(counts, 3)], counts)
    context, following = np.divmod(keys, symbols)
    totals = np.bincount(context, counts, minlength=rows)
    empty = totals == 0  # a context that occurs only at the very beginning has no character before it
    totals[empty] = 1
    table = sparse.csr_array(((counts - taken) / totals[context], (context, following)), shape=(rows, symbols))
    return table, np.where(empty, 1.0, np.bincount(context, taken, minlength=rows) / totals)


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from counts of 0, 1, 2, and 3 or more."""
    n1, n2, n3, n4 = (max(1, int((counts == i).sum())) for i in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    estimates = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.clip(estimates, [0, 0.1, 0.1, 0.1], [0, 1, 2, 3])


def best_order(model: KneserNey, part: TextPart) -> int:
    """The length of the longest context that gives the fewest nats on a validation part."""

    def nats(order: int) -> float:
        return sum(nats.sum() for _, nats, _ in score_model(partial(model.probabilities, order=order), part))

    return min((order for order in ORDERS if order <= model.longest), key=nats, default=model.longest)
