"""What training reads: many places of a text in parallel, each batch going on where the one before it ended."""

import numpy as np

from common.stream import Stream
from projects.char_rnn.config import Config
from projects.char_rnn.data import TextPart
from projects.char_rnn.encoding import targets_of

MAX_STEPS = 4000  # batches of an epoch; a longer text takes several epochs
MIN_STEPS = 50  # batches of an epoch; a shorter text is read several times in each
RESET = 0.02  # probability that a row starts from a zero state, so that the network also learns how texts begin


def batch_shape(part: TextPart, config: Config) -> tuple[int, int]:
    """(rows, characters of a row) of each batch. A short text gives fewer than the configuration asks for."""
    characters = part.characters - 1  # the last character is only predicted
    sequence = min(config.sequence, characters)
    return max(1, min(config.batch_size, characters // (2 * sequence))), sequence


def text_batches(part: TextPart, config: Config) -> Stream:
    """The batches for `fit`: ((ids (rows, sequence), keep (rows, 1)), targets (rows, sequence)).

    The text is divided into as many stretches as a batch has rows. Row r of a batch is a piece of stretch r, and the
    next batch has the next piece, so the model can carry each row's state from batch to batch. keep is 0 where a row
    starts from a zero state, else 1. Each reading of the text begins at another place within the first piece.
    """
    rows, sequence = batch_shape(part, config)
    stretch = (part.characters - 1) // rows
    pieces = max(1, stretch // sequence - 1)  # pieces of a stretch; the beginning of reading may move by one piece
    steps = min(pieces, MAX_STEPS) if pieces > MIN_STEPS else pieces * -(-MIN_STEPS // pieces)
    margin = stretch - pieces * sequence

    def plan(epoch: int, random: np.random.Generator) -> list[tuple[int, int]]:
        """(number of the reading, number of the piece) for each batch."""
        first = (epoch + 1) * steps  # not epoch * steps: the figures in the README were measured with these numbers
        return [divmod(step, pieces) for step in range(first, first + steps)]

    def load(batch: tuple[int, int], random: np.random.Generator) -> tuple:
        reading, piece = batch
        # `random` belongs to one batch. All pieces of a reading need the same offset, so it has a generator of its own.
        offset = int(np.random.default_rng((config.seed, reading)).integers(margin + 1)) if margin else 0
        starts = np.arange(rows) * stretch + offset + piece * sequence
        ids = np.stack([part.read(int(start), int(start) + sequence + 1) for start in starts])
        reset = np.random.default_rng((config.seed, reading, piece)).random((rows, 1)) < RESET
        keep = np.where(reset | (piece == 0), 0, 1).astype("float32")
        return (ids[:, :-1], keep), targets_of(ids[:, 1:])

    return Stream(plan, load, config.seed)
