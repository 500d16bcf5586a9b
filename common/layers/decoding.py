"""Writing step by step: one loop for all networks, and the rules that choose what is written.

    network:  step(t, tokens, state) -> logits, state, seen
    rule:     choose(t, logits, memory) -> tokens, parents, memory

A row is one text that is being written. `tokens` (rows,) are the last ones. `state` is whatever the network hands on to
its next step, and `memory` whatever the rule hands on; each is an array, or a list or dict of arrays. `seen` is a dict
of arrays that are kept from every step, such as the attention. `parents` (rows,) says which row each row goes on from;
None: each from itself.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

PADDING = 0  # what stands after the end of a text, as everywhere in the suite
START, STOP = 2, 3  # the ids of <bos> and <eos>, as in every vocabulary that has both
IMPOSSIBLE = -1e9  # log-probability of what must not be written


def compiled(function: Callable, jit_compile: bool = False) -> Callable:
    """The function as one graph under TensorFlow, compiled once for each shape; the same function on other backends."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=jit_compile, autograph=False)


def write(
    step: Callable,
    choose: Callable,
    tokens: Any,
    state: Any,
    memory: Any,
    length: int,
    seen: dict[str, Any] | None = None,
    goes_on: Callable[[Any], Any] = lambda memory: True,
) -> tuple[dict[str, Any], Any, Any]:
    """Write at most `length` tokens in each row; see above for `step` and `choose`.

    tokens: (rows,) int32, what stands before the first one. seen: arrays (rows, …) of the shapes that `step` gives.
    goes_on: memory -> whether another step is needed.
    Returns {"tokens": (length, rows), and each name of `seen`: (length, rows, …)}, the last state and the last memory.
    What was not written is zeros.
    """
    kept = {"tokens": tokens, **(seen or {})}
    written = {name: ops.zeros((length, *ops.shape(array)), array.dtype) for name, array in kept.items()}

    def body(t, tokens, state, memory, written):
        logits, state, seen = step(t, tokens, state)
        tokens, parents, memory = choose(t, logits, memory)
        if parents is not None:
            state, seen = (_rows(values, parents, 0) for values in (state, seen))
            written = _rows(written, parents, 1)
        for name, array in {"tokens": tokens, **seen}.items():
            place = (t, *[0] * len(array.shape))
            written = {**written, name: ops.slice_update(written[name], place, array[None])}
        return t + 1, tokens, state, memory, written

    start = (0, tokens, state, memory, written)
    last = ops.while_loop(lambda t, tokens, state, memory, written: (t < length) & goes_on(memory), body, start)
    return last[4], last[2], last[3]


def _rows(values, parents, axis):
    return keras.tree.map_structure(lambda array: ops.take(array, parents, axis=axis), values)


def beam_search(
    step: Callable,
    state: Any,
    sentences: int,
    start: int,
    stop: int,
    length: int,
    beam: int = 1,
    penalty: float = 1.0,
    seen: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The `beam` most probable texts that the search finds for each sentence, the best one first.

    A beam of 1 is greedy search. At each step every hypothesis is continued by its most probable tokens, and the
    hypotheses with the best scores stay. A score is the sum of the log-probabilities / length ** penalty (Wu et
    al. 2016, section 7); without this division (penalty 0) short texts win. `stop` counts as a token of the text. A
    hypothesis that has ended keeps its place while no other has a better score.

    step: as above, over sentences × beam rows; the hypotheses of a sentence are neighbours, and so are the rows of
    `state` and `seen`. start, stop: ids of the tokens before and after a text.
    Returns {"tokens": (sentences, beam, length) int32 with `stop` and then padding, "scores": (sentences, beam), and
    each name of `seen`: (sentences, beam, length, …)}.
    """
    rows = sentences * beam
    first = ops.arange(sentences)[:, None] * beam  # the first row of each sentence

    def choose(t, logits, memory):
        total, count, ended = memory  # (sentences, beam) each: sum of log-probabilities, tokens, whether `stop` came
        width = min(beam, logits.shape[-1])
        likely, ids = ops.top_k(logits, width)
        likely = likely - ops.logsumexp(logits, axis=-1, keepdims=True)
        likely, ids = (ops.reshape(values, (sentences, beam, width)) for values in (likely, ids))
        totals = total[:, :, None] + ops.where(ended[:, :, None], _only_one(width), likely)
        ids = ops.where(ended[:, :, None], PADDING, ids)  # an ended text has one continuation, without cost
        count = ops.where(ended, count, count + 1)
        scores = totals / ops.cast(count, "float32")[:, :, None] ** penalty
        _, place = ops.top_k(ops.reshape(scores, (sentences, beam * width)), beam)
        parent = place // width

        def taken(values, places):
            return ops.take_along_axis(ops.reshape(values, (sentences, -1)), places, axis=1)

        tokens = taken(ids, place)
        memory = (taken(totals, place), taken(count, parent), taken(ended, parent) | (tokens == stop))
        parents = None if beam == 1 else ops.reshape(first + parent, (rows,))
        return ops.reshape(tokens, (rows,)), parents, memory

    # The hypotheses of a sentence are all the same at first. Only one of them may be continued.
    total = ops.tile(_only_one(beam)[None], (sentences, 1))
    memory = (total, ops.zeros((sentences, beam), "int32"), ops.zeros((sentences, beam), "bool"))
    tokens = ops.full((rows,), start, "int32")
    goes_on = lambda memory: ops.logical_not(ops.all(memory[2]))  # noqa: E731
    written, _, (total, count, _) = write(step, choose, tokens, state, memory, length, seen, goes_on)
    result = {
        name: ops.reshape(ops.swapaxes(array, 0, 1), (sentences, beam, length, *array.shape[2:]))
        for name, array in written.items()
    }
    return {**result, "scores": total / ops.cast(count, "float32") ** penalty}


def _only_one(size: int):
    """Log-probabilities (size,): the first is 0 and all others are impossible."""
    return ops.where(ops.arange(size) == 0, 0.0, IMPOSSIBLE)
