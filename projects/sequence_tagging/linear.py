"""The baselines' linear models over hashed features of words, affixes and neighbours, alone or with a CRF on top."""

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from common.data import Split
from common.inputs.sequences import Ragged, batch_width, bucket_batches, bucket_limits
from projects.sequence_tagging.encoding import AFFIX, decode, forms, normalise, numbered, tag_numbers

WEIGHTS = 2**18  # features are hashed into as many; a bucket has a weight for each tag
WORD, SHAPE, ENDING = 0, 1, 2 + AFFIX  # columns of `token_features`; behind ENDING come the longer ones
# Columns of the token itself, and of its neighbours by distance.
NEIGHBOURS = [
    *((0, column) for column in range(2 + 2 * AFFIX)),
    *((distance, column) for distance in (-1, 1) for column in (WORD, SHAPE, ENDING + 1, ENDING + 2)),
    *((-2, WORD), (2, WORD)),
]
FEATURES = len(NEIGHBOURS) + 2  # and the pairs of a word with its neighbours
BUCKETS_OF_LENGTH = 5
EPOCHS, RATES, BATCH = 4, (0.01, 0.03), 64  # the tuning budget: of two rates and four epochs the best on validation

Tags = list[list[str]]


def token_features(token: str) -> list[int]:
    """Hashes of a token: the word itself, and its form (see `encoding.forms`)."""
    return [crc32(normalise(token).encode("utf-8", "surrogatepass")), *forms(token)]


def features(sentences: Sequence[Sequence[str]]) -> Ragged:
    """The buckets of each token's FEATURES, end to end: row i holds those of sentence i, one token after the other."""
    flat = ["", "", *(token for sentence in sentences for token in [*sentence, "", ""])]
    distinct, codes = numbered(flat)
    table = np.array([token_features(token) for token in distinct], np.uint64)[codes]
    lengths = np.array([len(sentence) for sentence in sentences], int)
    starts = np.concatenate([[0], np.cumsum(lengths + 2)])[:-1] + 2
    places = np.concatenate([np.arange(start, start + n) for start, n in zip(starts, lengths, strict=True)])
    columns = [_mixed(table[places + distance, column], number) for number, (distance, column) in enumerate(NEIGHBOURS)]
    for number, distance in enumerate((-1, 1), start=len(NEIGHBOURS)):
        pair = table[places, WORD] * np.uint64(31) + table[places + distance, WORD]
        columns.append(_mixed(pair, number))
    ids = np.stack(columns, axis=1).astype(np.int32).ravel()
    return Ragged(ids, np.concatenate([[0], np.cumsum(lengths * FEATURES)]))


def _mixed(hashes: np.ndarray, number: int) -> np.ndarray:
    """Buckets 1 … WEIGHTS - 1 of hashes; one hash has another bucket in each column."""
    spread = (hashes + np.uint64(number) * np.uint64(0x9E3779B9)) * np.uint64(0x9E3779B97F4A7C15)
    return (spread >> np.uint64(40)) % np.uint64(WEIGHTS - 1) + np.uint64(1)


def fitted(train: Split, validation: Split, meta: dict[str, Any], crf: bool, seed: int) -> Callable[[Sequence], Tags]:
    """A function from sentences to tags: multinomial logistic regression, or a linear-chain CRF on the same features.

    Trained with Adam. Of RATES and EPOCHS the pair with the most right tags on validation is kept.
    """
    from common.stream import Stream
    from projects.sequence_tagging.model import linear_model

    rows, targets = features(train.inputs), tag_numbers(train.targets, meta["tags"])
    lengths = targets.lengths
    limits = bucket_limits(lengths, BUCKETS_OF_LENGTH)

    def load(batch: np.ndarray, random: np.random.Generator) -> tuple:
        width = batch_width(lengths, limits, batch)
        return _padded(rows, batch, width), targets.padded(batch, width) - 2

    stream = Stream(lambda epoch, random: bucket_batches(lengths, limits, BATCH, random), load, seed)
    held, best = features(validation.inputs), (-1, meta, None)
    for rate in RATES:
        model = linear_model(FEATURES, WEIGHTS, len(meta["tags"]), crf, rate)
        for epoch in range(EPOCHS):
            stream.epoch = epoch
            model.fit(stream, shuffle=False, verbose=0)
            known = {**meta, "transitions": model.layers[-1].as_json()} if crf else meta
            answers = _tagged(model, held, known)
            right = sum(
                a == b for pair in zip(answers, validation.targets, strict=True) for a, b in zip(*pair, strict=True)
            )
            if right > best[0]:
                best = right, known, model.get_weights()
    model.set_weights(best[2])
    return lambda sentences: _tagged(model, features(sentences), best[1])


def _padded(rows: Ragged, batch: np.ndarray, width: int) -> np.ndarray:
    return rows.padded(batch, width * FEATURES).reshape(len(batch), -1, FEATURES)


def _tagged(model: Any, rows: Ragged, meta: dict[str, Any]) -> Tags:
    lengths = rows.lengths // FEATURES
    limits = bucket_limits(lengths, BUCKETS_OF_LENGTH)
    tags: Tags = [[] for _ in lengths]
    for batch in bucket_batches(lengths, limits, 4 * BATCH):
        logits = model.predict_on_batch(_padded(rows, batch, batch_width(lengths, limits, batch)))
        for row, numbers in zip(batch, decode(logits, lengths[batch], meta)[0], strict=True):
            tags[row] = [meta["tags"][number] for number in numbers[: lengths[row]]]
    return tags
