"""Writing: one compiled loop that carries the state from character to character."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import ops

CHUNK = 64  # characters that one call of the compiled loop writes


def make_loop(network: keras.Model, filtered: bool) -> Callable:
    """The compiled loop: what one call of it takes and gives is in `write`.

    filtered: whether top-k and top-p are asked for; sorting the characters at every step takes time of its own.
    """
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def loop(last, states, forced, uniform, temperature, top_k, top_p):
        def step(place, last, written, *states):
            log_odds, *states = network([last[:, None], *states], training=False)
            drawn = choose(log_odds[:, 0], uniform[place], temperature, top_k, top_p, filtered)
            last = ops.where(forced[place] >= 0, forced[place], drawn)
            return (place + 1, last, ops.slice_update(written, (place, 0), last[None]), *states)

        start = (0, last, ops.zeros_like(forced), *states)
        _, last, written, *states = ops.while_loop(lambda place, *_: place < CHUNK, step, start)
        return last, states, written

    return loop


def choose(log_odds, uniform, temperature, top_k, top_p, filtered: bool):
    """Draw one character for each row: ids (batch,) int32.

    log_odds: (batch, symbols). uniform: (batch,) in [0, 1): where in the distribution the draw falls, so that a seed
    gives the same text on every machine. temperature: 0 takes the likeliest. top_k: only the k likeliest (0: all).
    top_p: only the likeliest that together have this probability (Holtzman et al. 2020); always at least one.
    """
    shares = ops.softmax(log_odds / ops.maximum(temperature, 1e-4))
    if not filtered:
        return _at(shares, uniform)
    order = ops.argsort(-shares)
    shares = ops.take_along_axis(shares, order, axis=-1)
    rank = ops.arange(shares.shape[-1])
    kept = ((rank < top_k) | (top_k <= 0)) & (ops.cumsum(shares, axis=-1) - shares < top_p)
    place = _at(ops.where(kept | (rank == 0), shares, 0.0), uniform)
    return ops.cast(ops.take_along_axis(order, place[:, None], axis=-1)[:, 0], "int32")


def _at(shares, uniform):
    """The index at which the running sum of each row passes `uniform` of its total."""
    sums = ops.cumsum(shares, axis=-1)
    place = ops.sum(ops.cast(sums <= uniform[:, None] * sums[:, -1:], "int32"), axis=-1)
    # float32 rounding can carry the draw past the end, or onto a character of share zero at the end
    last = ops.sum(ops.cast(sums < sums[:, -1:], "int32"), axis=-1)
    return ops.minimum(place, last)


def write(
    network: keras.Model,
    loop: Callable,
    prompt: np.ndarray,
    length: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Continue each row of `prompt` by `length` characters; yields their ids (batch, n), some at a time.

    prompt: ids (batch, at least one). The prompt is read by the same loop, which is told what to choose: no second
    compilation, whatever its length.
    """
    batch, given = prompt.shape
    random = np.random.default_rng(seed)
    last = prompt[:, 0].astype("int32")
    states = [np.zeros((batch, state.shape[1]), "float32") for state in network.inputs[1:]]
    known = prompt[:, 1:].T.astype("int32")
    knobs = (np.float32(temperature), np.int32(top_k), np.float32(top_p))
    done = 0
    total = given - 1 + length
    while done < total:
        forced = np.full((CHUNK, batch), -1, "int32")
        told = known[done : done + CHUNK]
        forced[: len(told)] = told
        uniform = random.random((CHUNK, batch), "float32")
        last, states, written = loop(last, states, forced, uniform, *knobs)
        new = slice(len(told), min(CHUNK, total - done))
        if new.start < new.stop:
            yield np.asarray(written)[new].T
        done += CHUNK
