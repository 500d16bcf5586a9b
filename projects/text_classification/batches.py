"""Texts as batches of similar length, so that little padding is computed."""

from typing import Any

import keras
import numpy as np

from projects.text_classification.ngrams import Ragged

FINE = 24  # buckets of length where a new length costs nothing


class Batches(keras.utils.PyDataset):
    """Encoded texts in batches; the texts of a batch come from one bucket of length.

    rows: the encoded texts. targets: (n,) class numbers, or None. limits: the buckets' greatest lengths, to which
    batches are padded, so that a recurrent network, which is compiled for each shape, meets few; none: many buckets,
    and a batch is as long as its longest text. seed: None: in order of length; else drawn anew each epoch.
    """

    def __init__(
        self, rows: Ragged, targets: Any, batch_size: int, limits: list[int] | None = None, seed: int | None = None
    ):
        super().__init__()
        self.rows, self.targets, self.batch_size, self.limits = rows, targets, batch_size, limits
        self.random = None if seed is None else np.random.default_rng(seed)
        lengths = rows.lengths
        edges = limits or np.unique(np.quantile(lengths, np.linspace(0, 1, FINE + 1)[1:], method="higher"))
        self.bucket = np.searchsorted(edges, np.minimum(lengths, edges[-1]))
        self.on_epoch_end()

    def shuffled(self, batch_size: int, seed: int) -> "Batches":
        """The same texts for training."""
        return Batches(self.rows, self.targets, batch_size, self.limits, seed)

    def on_epoch_end(self) -> None:
        order = np.argsort(self.rows.lengths, kind="stable")
        if self.random is not None:
            order = self.random.permutation(order)
        self.batches, left = [], order[:0]
        for bucket in np.unique(self.bucket):
            own = np.concatenate([left, order[self.bucket[order] == bucket]])
            full = len(own) // self.batch_size * self.batch_size
            self.batches += np.split(own[:full], full // self.batch_size) if full else []
            left = own[full:]  # what fills no batch goes with the longer ones: a batch of another size is another shape
        if len(left):
            self.batches.append(left)
        if self.random is not None:
            self.random.shuffle(self.batches)
        # Keras takes a length that is the same in the first two batches for one that never changes.
        widths = [self.width_of(rows) for rows in self.batches]
        other = next((i for i, width in enumerate(widths) if width != widths[0]), 0)
        self.batches.insert(1, self.batches.pop(other))

    def width_of(self, rows: np.ndarray) -> int:
        """To which length a batch of these texts is padded."""
        return self.limits[self.bucket[rows].max()] if self.limits else max(1, int(self.rows.lengths[rows].max()))

    @property
    def order(self) -> np.ndarray:
        """Which text each row of a prediction belongs to."""
        return np.concatenate(self.batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        rows = self.batches[index]
        padded = self.rows.padded(rows, self.width_of(rows))
        return (padded,) if self.targets is None else (padded, self.targets[rows])
