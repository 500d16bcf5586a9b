"""Sequences of different length: stored end to end, padded, and put into batches of similar length."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.inputs.vocabulary import PADDING


@dataclass(frozen=True)
class Ragged:
    """Rows of different length, stored end to end: row i is ids[starts[i]:starts[i + 1]]. No id is PADDING."""

    ids: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> "Ragged":
        """The rows stored end to end."""
        ids = np.concatenate(rows) if len(rows) else np.zeros(0, np.int32)
        return cls(ids.astype(np.int32), np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=int)]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.ids[self.starts[row] : self.starts[row + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """The length of each row: (rows,)."""
        return np.diff(self.starts)

    def padded(self, rows: np.ndarray, width: int = 0) -> np.ndarray:
        """The rows of these numbers as (n, width) int32, with padding at the end.

        The result is as wide as the longest row where this is wider than `width`, and at least 1 wide.
        """
        lengths = self.lengths[rows]
        result = np.full((len(rows), max(width, 1, int(lengths.max(initial=0)))), PADDING, np.int32)
        inside = np.arange(result.shape[1]) < lengths[:, None]
        source = np.repeat(self.starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        result[inside] = self.ids[source]
        return result

    def shortened(self, max_length: int) -> "Ragged":
        """Rows of at most `max_length`. A longer row keeps its beginning and its end, and loses its middle."""
        lengths = self.lengths
        place = np.arange(len(self.ids)) - np.repeat(self.starts[:-1], lengths)
        length = np.repeat(lengths, lengths)
        kept = (place < (max_length + 1) // 2) | (place >= length - max_length // 2)
        ends = np.cumsum(np.minimum(lengths, max_length))
        return Ragged(self.ids[kept], np.concatenate([[0], ends]))


def bucket_limits(lengths: np.ndarray, buckets: int) -> list[int]:
    """The greatest length of each bucket, ascending. At most `buckets` buckets, each with about as many rows."""
    quantiles = np.quantile(np.maximum(lengths, 1), np.linspace(0, 1, buckets + 1)[1:])
    return sorted({int(np.ceil(value)) for value in quantiles})


def bucket_batches(
    lengths: np.ndarray, limits: Sequence[int], batch_size: int, random: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Row numbers in batches of similar length, so that little padding is computed.

    lengths: (rows,). limits: the greatest length of each bucket, ascending; longer rows go into the last one. random:
    shuffles rows and batches; None: in the order of length.

    All batches but one have `batch_size` rows, because another size would be another shape to compile. So the rows of a
    bucket that are left over join the next bucket. The second batch is of another bucket than the first one, where
    there is any. Keras looks at the first two batches, and would take a length that both have for a fixed one.
    """
    bucket = np.searchsorted(limits, np.minimum(lengths, limits[-1]))
    order = np.argsort(lengths, kind="stable")
    order = order if random is None else random.permutation(order)
    batches: list[np.ndarray] = []
    rest = order[:0]
    for number in range(len(limits)):
        rows = np.concatenate([rest, order[bucket[order] == number]])
        full = len(rows) // batch_size * batch_size
        batches += np.split(rows[:full], full // batch_size) if full else []
        rest = rows[full:]
    batches += [rest] if len(rest) else []
    if random is not None:
        batches = [batches[i] for i in random.permutation(len(batches))]
    widths = [batch_width(lengths, limits, rows) for rows in batches]
    other = next((i for i, width in enumerate(widths) if width != widths[0]), 0)
    batches.insert(1, batches.pop(other))
    return batches


def batch_width(lengths: np.ndarray, limits: Sequence[int], rows: np.ndarray) -> int:
    """The length that a batch of these rows is padded to: the limit of the bucket of the longest one."""
    longest = min(int(lengths[rows].max(initial=1)), limits[-1])
    return int(limits[int(np.searchsorted(limits, longest))])
