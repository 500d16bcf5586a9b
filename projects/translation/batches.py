"""Batches of pairs of similar length, and the few shapes that a translation is written in."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from common.inputs.sequences import Ragged, batch_width, bucket_batches
from common.inputs.vocabulary import UNKNOWN
from common.stream import Stream

ROWS = (1, 8, 64)  # sentences that are translated at once: each number is compiled
LONG = 200  # symbols of a sentence; of longer ones fewer are translated at once
MORE, FACTOR = 10, 2  # a translation has at most FACTOR times the symbols of its bucket, and MORE


def pair_stream(
    sources: Ragged,
    targets: Ragged,
    limits: list[list[int]],
    batch_size: int,
    seed: int | None = None,
    symbol_dropout: float = 0.0,
) -> Stream:
    """Batches ({"source": (n, S), "target": (n, T)}, (n, T)): the network reads a target and predicts its next symbols.

    limits: of meta. A pair is in the first bucket where both of its sentences have room. seed: shuffles anew in each
    epoch, and pairs that have no room are left out; None: all pairs in the order of length, the longest ones cut.
    symbol_dropout: this fraction of the source's symbols is replaced by the unknown one.
    """
    most = np.array(limits)
    fit = np.flatnonzero((sources.lengths <= most[-1, 0]) & (targets.lengths <= most[-1, 1]))
    sources, targets = sources.shortened(int(most[-1, 0])), targets.shortened(int(most[-1, 1]))
    places = [np.searchsorted(most[:, side], part.lengths) for side, part in enumerate((sources, targets))]
    # The number of a bucket takes the place of a length, because two lengths go with it.
    buckets, numbers = np.maximum(*places) + 1, range(1, len(limits) + 1)

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        width = limits[batch_width(buckets, numbers, rows) - 1]
        source, target = sources.padded(rows, width[0]), targets.padded(rows, width[1])
        if symbol_dropout:
            dropped = (random.random(source.shape) < symbol_dropout) & (source >= 4)
            source = np.where(dropped, UNKNOWN, source).astype(np.int32)
        return {"source": source, "target": target[:, :-1]}, target[:, 1:]

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        if seed is None:
            return bucket_batches(buckets, numbers, batch_size)
        return [fit[rows] for rows in bucket_batches(buckets[fit], numbers, batch_size, random)]

    return Stream(plan, load, seed or 0)


def source_batches(sources: Ragged, meta: dict[str, Any], longest: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """(row numbers, padded sources, greatest length of a translation) for all sentences, in few shapes.

    The last rows of a padded batch repeat others. longest: the greatest number of ids of a source.
    """
    last = len(meta["limits"]) - 1
    limits = [meta["limits"][i] for i in sorted({last // 3, max(last - 1, 0), last})]
    widths = [*(width for width, _ in limits), longest]
    lengths = [FACTOR * length + MORE for _, length in limits]
    lengths.append(lengths[-1])
    bucket = np.searchsorted(widths, sources.lengths)
    for number in np.unique(bucket):
        rows = np.flatnonzero(bucket == number)
        rows = rows[np.argsort(sources.lengths[rows], kind="stable")]
        most = ROWS[-1] if widths[number] < LONG else ROWS[1]
        size = next(size for size in ROWS if size >= min(len(rows), most))
        for part in np.split(rows, range(size, len(rows), size)):
            yield part, sources.padded(np.resize(part, size), widths[number]), lengths[number]
