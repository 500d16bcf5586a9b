"""Encoded texts as batches of similar length, so that little padding is computed."""

import numpy as np

from common.inputs.sequences import Ragged, batch_width, bucket_batches, bucket_limits
from common.stream import Stream

FINE_BUCKETS = 24  # buckets of length for the bag, to which a new length costs nothing


def text_batches(
    rows: Ragged, limits: list[int] | None, batch_size: int, targets: np.ndarray | None = None, seed: int | None = None
) -> Stream:
    """A stream of `(padded rows,)`, or of `(padded rows, targets)` where there are targets.

    limits: the lengths that batches are padded to. A recurrent network is compiled for each of them. None: lengths
    chosen from these rows. targets: (rows,) class numbers. seed: shuffles anew in each epoch; None: in order of length.
    """
    lengths = rows.lengths
    widths = limits or bucket_limits(lengths, FINE_BUCKETS)

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        return bucket_batches(lengths, widths, batch_size, None if seed is None else random)

    def load(batch: np.ndarray, random: np.random.Generator) -> tuple:
        padded = rows.padded(batch, batch_width(lengths, widths, batch))
        return (padded,) if targets is None else (padded, targets[batch])

    return Stream(plan, load, seed or 0)


def stream_targets(stream: Stream) -> np.ndarray:
    """The class numbers of a stream with targets, in its order."""
    return np.concatenate([stream[i][1] for i in range(len(stream))])
