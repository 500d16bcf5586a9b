"""The classical model: character n-grams with interpolated, modified Kneser-Ney smoothing, vectorised."""

from typing import Any

import numpy as np
from scipy import sparse

MOST_CHARACTERS = 3_000_000  # of the end of the training text: the counts of more would not fit into memory
ORDERS = (4, 5, 6, 7, 8, 10, 12)  # lengths of the longest context that are tried on validation


class KneserNey:
    """The distribution of the next character after contexts of at most `longest` characters.

    Chen & Goodman 1999, section 3: each count is lowered by D1, D2 or D3+, estimated from the counts of counts; what is
    taken away is shared out by the next shorter context, whose counts are those of the *different* characters that
    stand before it. Under the empty context lies the uniform distribution.

    A context of k characters is the number of its last k - 1 together with the character before them, so contexts
    are found exactly, by k sorted look-ups.
    """

    def __init__(self, ids: np.ndarray, symbols: int, longest: int = max(ORDERS)):
        """ids: (characters,) of the training text, all below `symbols`; at least two."""
        self.symbols, self.longest = symbols, min(longest, len(ids) - 1)
        self.contexts: list[np.ndarray] = []  # for each length: the sorted keys of the contexts that occur
        pairs = []  # for each length: context * symbols + next character, once for each place
        numbers, before = np.zeros(len(ids), np.int64), 0
        for length in range(self.longest + 1):
            if length:
                keys = numbers[1:] * (symbols + 1) + ids[: len(numbers) - 1]
                known, numbers = np.unique(keys, return_inverse=True)
                self.contexts.append(known)
                before = length
            pairs.append(numbers * symbols + ids[before:])
        # the whole tables for a longest context, and those of different characters before it for shorter ones
        self.plain, self.continued = [], []
        for length in range(self.longest + 1):
            rows = len(self.contexts[length - 1]) if length else 1
            self.plain.append(_discounted(*np.unique(pairs[length], return_counts=True), rows, symbols))
            if length < self.longest:
                context, following = np.divmod(np.unique(pairs[length + 1]), symbols)
                shorter = self.contexts[length][context] // (symbols + 1)
                counted = np.unique(shorter * symbols + following, return_counts=True)
                self.continued.append(_discounted(*counted, rows, symbols))

    def shares(self, ids: np.ndarray, begin: int, order: int | None, window: int | None = None) -> np.ndarray:
        """The distributions (characters - begin, symbols) from which ids[begin:] came, float64.

        order: length of the longest context. window: contexts do not reach across every so many characters, counted
        from the beginning of `ids`.
        """
        order = self.longest if order is None else min(order, self.longest)
        places = np.arange(begin, len(ids))
        room = places if window is None else (places - 1) % window + 1  # a window's first character is read, not scored
        numbers = np.zeros(len(places), np.int64)
        shares = np.full((len(places), self.symbols), 1 / self.symbols)
        for length in range(order + 1):
            found = room >= length
            if length:
                keys = numbers * (self.symbols + 1) + ids[np.maximum(places - length, 0)]
                known = self.contexts[length - 1]
                place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
                found &= (numbers >= 0) & (known[place] == keys)
                numbers = np.where(found, place, -1)
            table, left = (self.plain if length == order else self.continued)[length]
            rows = numbers[found]
            shares[found] = table[rows].toarray() + left[rows, None] * shares[found]
        return shares

    def score(self, stream: Any, blocks: int, order: int, window: int | None = None) -> dict[str, np.ndarray]:
        """As `Predictor.score`: sums for each block of the stream, {"nats", "right", "characters"}."""
        sums = {name: np.zeros(len(stream)) for name in ("nats", "right", "characters")}
        size = max(1, 4_000_000 // self.symbols)  # characters at once: the distributions are dense
        for begin in range(1, stream.characters, size):
            # contexts that reach back to before this piece; with windows, from a window's beginning
            back = min(begin, self.longest)
            back = back if window is None else (begin - 1) % window + 1
            ids = stream.read(begin - back, begin + size)
            shares = self.shares(ids, back, order, window)
            ids = ids[back:]
            places = np.arange(begin, begin + len(ids)) // blocks
            counted = ids < self.symbols
            chosen = shares[np.arange(len(ids)), np.minimum(ids, self.symbols - 1)]
            values = {"nats": -np.log(chosen), "right": shares.argmax(axis=1) == ids, "characters": counted}
            for name, value in values.items():
                sums[name] += np.bincount(places[counted], value[counted], minlength=len(stream))
        return sums


def _discounted(keys: np.ndarray, counts: np.ndarray, rows: int, symbols: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts -> (discounted shares (rows, symbols), the share (rows,) that is left for the shorter context).

    keys: sorted context * symbols + next character.
    """
    n1, n2, n3, n4 = (max(1, int((counts == i).sum())) for i in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    discounts = np.clip(
        [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3], [0, 0.1, 0.1, 0.1], [0, 1, 2, 3]
    )
    taken = np.minimum(discounts[np.minimum(counts, 3)], counts)
    context, following = np.divmod(keys, symbols)
    totals = np.bincount(context, counts, minlength=rows)
    totals[totals == 0] = 1
    table = sparse.csr_array(((counts - taken) / totals[context], (context, following)), shape=(rows, symbols))
    return table, np.bincount(context, taken, minlength=rows) / totals


def best_order(model: KneserNey, stream: Any, blocks: int) -> int:
    """The length of the longest context with the fewest nats on a validation stream."""
    return min(
        (order for order in ORDERS if order <= model.longest),
        key=lambda order: model.score(stream, blocks, order)["nats"].sum(),
        default=model.longest,
    )
