"""Batches of a spooled table, for training."""

from typing import Any

import keras
import numpy as np

from projects.fraud_detection.predict import encode
from projects.fraud_detection.stream import Spool


class Batches(keras.utils.PyDataset):
    """The training rows of a spool: in each epoch the pieces in another order, and the rows of a piece too.

    One piece is in memory at a time. `treat` is what `model.treated` does to a piece.
    """

    def __init__(self, spool: Spool, meta: dict[str, Any], batch_size: int = 1, seed: int = 0, treat: Any = None):
        super().__init__()
        self.spool, self.meta, self.batch_size, self.seed, self.treat = spool, meta, batch_size, seed, treat
        self.random = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        counts = np.array(self.spool.counts)
        self.order = self.random.permutation(np.flatnonzero(counts))
        self.ends = np.cumsum(-(-counts[self.order] // self.batch_size))
        self.loaded, self.rows = -1, ()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int):
        place = int(np.searchsorted(self.ends, index, side="right"))
        if place != self.loaded:
            self.loaded, self.rows = place, self._piece(int(self.order[place]))
        before = self.ends[place - 1] if place else 0
        begin = (index - before) * self.batch_size
        return tuple(part[begin : begin + self.batch_size] for part in self.rows)

    def _piece(self, number: int) -> tuple[np.ndarray, ...]:
        frame, targets = self.spool.training(number)
        rows = encode(frame, self.meta), targets.astype("float32")
        mixed = self.random.permutation(len(targets))
        return tuple(part[mixed] for part in (self.treat(rows) if self.treat else rows))
