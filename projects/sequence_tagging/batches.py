"""Batches of sentences of similar length."""

import numpy as np

from common.inputs.sequences import Ragged, batch_width, bucket_batches, bucket_limits
from common.inputs.vocabulary import UNKNOWN
from common.stream import Stream
from projects.sequence_tagging.encoding import padded

BUCKETS = 6
LONGEST = 200  # tokens; a longer sentence loses its middle in training


def tag_stream(
    words: Ragged,
    spelling: np.ndarray,
    tags: Ragged,
    batch_size: int,
    seed: int | None = None,
    word_dropout: float = 0.0,
) -> Stream:
    """Batches (inputs of `encoding.padded`, tags (n, T)), as the losses of model.py read them.

    tags: see `encoding.tag_numbers`. seed: shuffles anew in each epoch. word_dropout: this fraction of the words is
    shown as unknown ones; their spelling stays.
    """
    kept = Ragged(np.arange(len(words.ids)), words.starts).shortened(LONGEST)
    words, tags = (Ragged(part.ids[kept.ids], kept.starts) for part in (words, tags))
    spelling, lengths = spelling[kept.ids], words.lengths
    limits = bucket_limits(lengths, BUCKETS)

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        width = batch_width(lengths, limits, rows)
        inputs = padded(words, spelling, rows, width)
        if word_dropout:
            hidden = (inputs["words"] > 0) & (random.random(inputs["words"].shape) < word_dropout)
            inputs["words"] = np.where(hidden, UNKNOWN, inputs["words"]).astype(np.int32)
        return inputs, tags.padded(rows, width) - 2

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        return bucket_batches(lengths, limits, batch_size, None if seed is None else random)

    return Stream(plan, load, seed or 0)
