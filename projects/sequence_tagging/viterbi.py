"""The likeliest tags of a sentence, and how likely each is, where neighbouring tags are scored too: a linear-chain CRF.

The score of a path of tags is the sum of its logits, of `between` for each pair of neighbours, of `first` for its first
tag and of `last` for its last one (Lafferty et al. 2001).
"""

import numpy as np


def best_tags(
    logits: np.ndarray, lengths: np.ndarray, between: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """The path with the highest score of each sentence (Viterbi 1967): (n, width), 0 behind the end.

    logits: (n, width, tags). lengths: (n,), 1 at least. between: (tags, tags), from a tag to the next. first, last:
    (tags,).
    """
    rows, width, _ = logits.shape
    score, came = logits[:, 0] + first, np.zeros(logits.shape, int)
    ends = [score]
    for step in range(1, width):
        ways = score[:, :, None] + between
        came[:, step] = ways.argmax(axis=1)
        score = ways.max(axis=1) + logits[:, step]
        ends.append(score)
    result = np.zeros((rows, width), int)
    every = np.arange(rows)
    tag = (np.stack(ends, axis=1)[every, lengths - 1] + last).argmax(axis=1)
    for step in range(width - 1, -1, -1):
        inside = step < lengths
        result[inside, step] = tag[inside]
        tag = np.where(inside, came[every, step, tag], tag)
    return result


def marginals(
    logits: np.ndarray, lengths: np.ndarray, between: np.ndarray, first: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """The log-probability of each tag at each place over all paths, by forward and backward sums: (n, width, tags).

    Arguments as in `best_tags`. What stands behind the end of a sentence means nothing.
    """
    width = logits.shape[1]
    forward, backward = np.zeros_like(logits, float), np.zeros_like(logits, float)
    forward[:, 0] = logits[:, 0] + first
    for step in range(1, width):
        forward[:, step] = np.logaddexp.reduce(forward[:, step - 1, :, None] + between, axis=1) + logits[:, step]
    backward[:, -1] = last
    for step in range(width - 2, -1, -1):
        onward = np.logaddexp.reduce(between + (backward[:, step + 1] + logits[:, step + 1])[:, None], axis=2)
        backward[:, step] = np.where((step >= lengths - 1)[:, None], last, onward)
    both = forward + backward
    return both - np.logaddexp.reduce(both, axis=-1, keepdims=True)
