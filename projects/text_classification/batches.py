"""Texts as batches of similar length, so that little padding is computed."""

from typing import Any

import keras
import numpy as np

from projects.text_classification.ngrams import Ragged

FINE = 24  # buckets of length where a new length costs nothing


class Batches(keras.utils.PyDataset):
    """Encoded texts in batches; the texts of a batch come from one bucket of length.

    inputs: {name of the network's input: Ragged}; the buckets go by the last one. targets: (n,) class numbers, or None.
    limits: the buckets' greatest lengths, to which batches of that input are padded, so that a recurrent network meets
    only so many shapes; none: many buckets, and a batch is as long as its longest text.
    seed: None: in order of length; else drawn anew each epoch.
    """

    def __init__(
        self,
        inputs: dict[str, Ragged],
        targets: Any,
        batch_size: int,
        limits: list[int] | None = None,
        seed: int | None = None,
    ):
        super().__init__()
        self.inputs, self.targets, self.batch_size, self.limits = inputs, targets, batch_size, limits
        self.random = None if seed is None else np.random.default_rng(seed)
        *_, self.main = inputs.values()
        lengths = self.main.lengths
        edges = limits or np.unique(np.quantile(lengths, np.linspace(0, 1, FINE + 1)[1:], method="higher"))
        self.bucket = np.searchsorted(edges, np.minimum(lengths, edges[-1]))
        self.on_epoch_end()

    def shuffled(self, batch_size: int, seed: int) -> "Batches":
        """The same texts for training."""
        return Batches(self.inputs, self.targets, batch_size, self.limits, seed)

    def on_epoch_end(self) -> None:
        rows = np.argsort(self.main.lengths, kind="stable")
        if self.random is not None:
            rows = self.random.permutation(rows)
        self.batches = []
        for bucket in np.unique(self.bucket):
            own = rows[self.bucket[rows] == bucket]
            self.batches += [own[i : i + self.batch_size] for i in range(0, len(own), self.batch_size)]
        if self.random is not None:
            self.random.shuffle(self.batches)
        # Keras takes a dimension that is the same in the first two batches for one that never changes.
        self.batches.insert(1, self.batches.pop(int(np.argmax([self._unlike_first(b) for b in self.batches]))))

    def _unlike_first(self, rows: np.ndarray) -> int:
        """In how many of the inputs this batch has another length than the first one."""
        widths = [[self._width(name, part) for name in self.inputs] for part in (self.batches[0], rows)]
        return sum(a != b for a, b in zip(*widths, strict=True))

    def _width(self, name: str, rows: np.ndarray) -> int:
        if self.limits and self.inputs[name] is self.main:
            return self.limits[self.bucket[rows[0]]]
        return max(1, int(self.inputs[name].lengths[rows].max()))

    @property
    def order(self) -> np.ndarray:
        """Which text each row of a prediction belongs to."""
        return np.concatenate(self.batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int):
        rows = self.batches[index]
        encoded = {name: ragged.padded(rows, self._width(name, rows)) for name, ragged in self.inputs.items()}
        inputs = encoded if len(encoded) > 1 else next(iter(encoded.values()))
        return (inputs,) if self.targets is None else (inputs, self.targets[rows])
