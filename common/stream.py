"""What `fit` reads batch by batch. A batch is a function of seed, epoch and index alone.

So a training that is resumed reads what it would have read, and Keras may ask for a batch twice, ahead of time or from
a thread of its own.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

CACHE_BYTES = 256 * 2**20  # default size of a Cache; what does not fit is made again in every epoch


class Stream(keras.utils.PyDataset):
    """Batches for `model.fit` and `model.predict`.

    plan: (epoch, random generator) -> the batches of that epoch, as many in every epoch: whatever `load` takes, mostly
    row numbers. load: (one of them, random generator) -> `(inputs,)`, `(inputs, targets)` or `(…, weights)`.

    Both random generators are made of seed, epoch and, for `load`, the batch's index: no state is carried from one
    batch to the next. `common.training.fit` sets `epoch` before each epoch.
    """

    def __init__(
        self,
        plan: Callable[[int, np.random.Generator], Sequence[Any]],
        load: Callable[[Any, np.random.Generator], tuple],
        seed: int = 0,
    ):
        super().__init__()
        self.plan, self.load, self.seed = plan, load, seed
        self.error: Exception | None = None
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """The number of the current epoch, from 0."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self.batches = self.plan(epoch, np.random.default_rng((self.seed, epoch)))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple:
        batch = self.batches[index]
        try:
            # index + 1, because (seed, epoch, 0) would give the same numbers as (seed, epoch), which `plan` has used.
            return self.load(batch, np.random.default_rng((self.seed, self.epoch, index + 1)))
        except Exception as error:
            self.error = error  # TensorFlow replaces the error by its own; `reraise_stream_errors` gives it back
            raise


def row_batches(rows: int, batch_size: int, random: np.random.Generator | None = None) -> list[np.ndarray]:
    """Row numbers 0 … rows - 1 in batches: in order, or shuffled by `random`. The last batch may be smaller."""
    order = np.arange(rows) if random is None else random.permutation(rows)
    return np.split(order, range(batch_size, rows, batch_size))


def array_stream(inputs: Any, targets: Any, weights: Any, batch_size: int, seed: int) -> Stream:
    """A stream of arrays in memory, shuffled anew in each epoch.

    inputs: an array, or a tuple or dict of arrays, with one row an example. targets, weights: arrays (rows,), or None.
    There are no weights without targets: Keras cannot read such a batch from a stream.
    """
    parts = [inputs, targets, weights]
    while parts[-1] is None:
        parts.pop()
    rows = len(keras.tree.flatten(inputs)[0])

    def load(batch: np.ndarray, random: np.random.Generator) -> tuple:
        return tuple(keras.tree.map_structure(lambda array: array[batch], part) for part in parts)

    return Stream(lambda epoch, random: row_batches(rows, batch_size, random), load, seed)


@contextmanager
def reraise_stream_errors(*streams: Any) -> Iterator[None]:
    """An error inside a stream ends the block as it was raised, and not as TensorFlow's error about it."""
    try:
        yield
    except Exception:
        for stream in streams:
            if isinstance(stream, Stream) and stream.error:
                raise stream.error from None
        raise


class Cache(dict):
    """Arrays by key: `make(key)` is called when an array is first asked for; it is kept while `max_bytes` have room."""

    def __init__(self, make: Callable[[Any], np.ndarray], max_bytes: int = CACHE_BYTES):
        super().__init__()
        self.make, self.max_bytes, self.bytes = make, max_bytes, 0

    def __missing__(self, key: Hashable) -> np.ndarray:
        array = self.make(key)
        if self.bytes + array.nbytes <= self.max_bytes:
            self[key] = array
            self.bytes += array.nbytes
        return array
