"""The baselines' linear models over hashed features of words, affixes and neighbours, alone or with a CRF on top."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from common.data import Split
from common.inputs.sequences import Ragged, batch_width, bucket_batches, bucket_limits
from projects.sequence_tagging.encoding import decode, encode, padded, tag_numbers

BUCKETS_OF_LENGTH = 5
EPOCHS, RATES, BATCH = 4, (0.01, 0.03), 64  # the tuning budget: of two rates and four epochs the best on validation

Tags = list[list[str]]


def fitted(train: Split, validation: Split, meta: dict[str, Any], crf: bool, seed: int) -> Callable[[Sequence], Tags]:
    """A function from sentences to tags: multinomial logistic regression, or a linear-chain CRF on the same features.

    Trained with Adam. Of RATES and EPOCHS the pair with the most right tags on validation is kept.
    """
    from common.stream import Stream
    from projects.sequence_tagging.model import linear_model

    encoded, targets = encode(train.inputs, meta), tag_numbers(train.targets, meta["tags"])
    lengths = targets.lengths
    limits = bucket_limits(lengths, BUCKETS_OF_LENGTH)

    def load(batch: np.ndarray, random: np.random.Generator) -> tuple:
        width = batch_width(lengths, limits, batch)
        return padded(*encoded, batch, width)["features"], targets.padded(batch, width) - 2

    stream = Stream(lambda epoch, random: bucket_batches(lengths, limits, BATCH, random), load, seed)
    held, best = encode(validation.inputs, meta), (-1, meta, None)
    for rate in RATES:
        model = linear_model(len(meta["tags"]), crf, rate)
        for epoch in range(EPOCHS):
            stream.epoch = epoch
            model.fit(stream, shuffle=False, verbose=0)
            known = {**meta, "transitions": model.layers[-1].as_json()} if crf else meta
            answers = _tagged(model, *held, known)
            right = sum(
                a == b for pair in zip(answers, validation.targets, strict=True) for a, b in zip(*pair, strict=True)
            )
            if right > best[0]:
                best = right, known, model.get_weights()
    model.set_weights(best[2])
    return lambda sentences: _tagged(model, *encode(sentences, meta), best[1])


def _tagged(model: Any, words: Ragged, spelling: np.ndarray, meta: dict[str, Any]) -> Tags:
    lengths = words.lengths
    limits = bucket_limits(lengths, BUCKETS_OF_LENGTH)
    tags: Tags = [[] for _ in lengths]
    for batch in bucket_batches(lengths, limits, 4 * BATCH):
        logits = model.predict_on_batch(padded(words, spelling, batch, batch_width(lengths, limits, batch))["features"])
        for row, numbers in zip(batch, decode(logits, lengths[batch], meta)[0], strict=True):
            tags[row] = [meta["tags"][number] for number in numbers[: lengths[row]]]
    return tags
