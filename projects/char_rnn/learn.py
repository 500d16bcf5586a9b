"""What training reads and when: many places of a text in parallel; and the validation figures of a whole text."""

from typing import Any

import keras
import numpy as np

from projects.char_rnn.config import Config

MOST_STEPS, LEAST_STEPS = 4000, 50  # batches of an epoch: a longer text takes several, a shorter one is read again
RESET = 0.02  # chance at each piece that a row starts from zero, so that beginnings are learnt too
WARM_UP = 0.05  # share of the training in which the learning rate rises


class Pieces(keras.utils.PyDataset):
    """The text as `fit` takes it: row r of batch i is the i-th piece after the r-th of `batch_size` places.

    So each row goes on where it ended in the batch before, and `Reader` can carry the state. An item is
    ((ids (batch, sequence), keep (batch, 1)), next ids (batch, sequence)).
    """

    def __init__(self, stream: Any, config: Config, epoch: int = 0):
        """stream: `data.Stream`. epoch: how many have been trained already; it decides where the rows begin."""
        super().__init__()
        self.stream, self.epoch, self.seed = stream, epoch, config.seed
        characters = stream.characters - 1
        self.sequence = min(config.sequence, characters)
        self.batch = max(1, min(config.batch_size, characters // (2 * self.sequence)))
        self.distance = characters // self.batch  # between the places where the rows begin
        # one piece is left out, so that an epoch can begin somewhere within the first
        self.whole = max(1, self.distance // self.sequence - 1)
        self.steps = (
            min(self.whole, MOST_STEPS) if self.whole > LEAST_STEPS else self.whole * -(-LEAST_STEPS // self.whole)
        )

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int):
        piece = self.epoch * self.steps + step
        turn, piece = divmod(piece, self.whole)  # how often the text has been read, and where in it this is
        shift = self.distance - self.whole * self.sequence
        shift = int(np.random.default_rng((self.seed, turn)).integers(shift + 1)) if shift else 0
        starts = np.arange(self.batch) * self.distance + shift + piece * self.sequence
        rows = np.stack([self.stream.read(int(start), int(start) + self.sequence + 1) for start in starts])
        anew = np.random.default_rng((self.seed, turn, piece)).random((self.batch, 1)) < RESET
        keep = np.where(anew | (piece == 0), 0, 1).astype("float32")
        return (rows[:, :-1], keep), rows[:, 1:]

    def on_epoch_end(self) -> None:
        self.epoch += 1


class Validate(keras.callbacks.Callback):
    """Adds the validation figures of the whole stream, state carried along, to the epoch's logs."""

    def __init__(self, predictor: Any, stream: Any):
        super().__init__()
        self.predictor, self.stream = predictor, stream

    def on_epoch_end(self, epoch, logs=None):
        sums = self.predictor.score(self.stream)
        nats, right = (float(sums[name].sum() / sums["characters"].sum()) for name in ("nats", "right"))
        logs.update(val_loss=nats, val_nats_per_character=nats, val_accuracy=right)
