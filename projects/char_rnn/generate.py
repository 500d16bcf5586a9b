"""Writing: the loop of `common.layers.decoding`, with characters that are drawn or given."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import ops

from common.layers import decoding
from projects.char_rnn.encoding import FIRST

CHUNK = 64  # characters that one call of the compiled loop writes


def make_loop(network: keras.Model, filtered: bool) -> Callable:
    """The compiled loop that `write` calls.

    filtered: whether top-k and top-p are asked for. They need the characters sorted at every step, which takes time.
    """

    def loop(last, states, forced, uniform, temperature, top_k, top_p):
        """(ids that were written (CHUNK, batch), states); forced: given ids (CHUNK, batch), or -1 to choose one."""
        forced, uniform = ops.convert_to_tensor(forced), ops.convert_to_tensor(uniform)

        def step(t, last, states):
            logits, *new = network([last[:, None], *states], training=False)
            states = [ops.reshape(state, before.shape) for state, before in zip(new, states, strict=True)]
            return logits[:, 0], states, {}

        def draw(t, logits, memory):
            drawn = choose(logits, uniform[t], temperature, top_k, top_p, filtered) + FIRST
            return ops.reshape(ops.where(forced[t] >= 0, forced[t], drawn), last.shape), None, memory

        written, states, _ = decoding.write(step, draw, last, states, (), CHUNK)
        return written["tokens"], states

    return decoding.compiled(loop, jit_compile=True)


def choose(logits, uniform, temperature, top_k, top_p, filtered: bool):
    """Draw one character for each row: indices (batch,) int32 into the logits (batch, symbols).

    uniform: (batch,) in [0, 1), the place in the distribution that is drawn. So a seed gives the same text on every
    machine. temperature: 0 takes the most probable character. top_k: only the k most probable ones (0: all). top_p:
    only the most probable ones that together have this probability, and always at least one (Holtzman et al. 2020).
    """
    best = ops.cast(ops.argmax(logits, axis=-1), "int32")
    probabilities = ops.softmax(logits / ops.maximum(temperature, 1e-3))
    if filtered:
        order = ops.argsort(-probabilities)
        probabilities = ops.take_along_axis(probabilities, order, axis=-1)
        rank = ops.arange(probabilities.shape[-1])
        before = ops.cumsum(probabilities, axis=-1) - probabilities  # together, the more probable characters have this
        allowed = (rank == 0) | (((rank < top_k) | (top_k <= 0)) & (before < top_p))
        place = _draw(ops.where(allowed, probabilities, 0.0), uniform)
        drawn = ops.cast(ops.take_along_axis(order, place[:, None], axis=-1)[:, 0], "int32")
    else:
        drawn = _draw(probabilities, uniform)
    return ops.where(temperature > 0, drawn, best)


def _draw(probabilities, uniform):
    """For each row the index at which the cumulative sum passes `uniform` of the row's total."""
    sums = ops.cumsum(probabilities, axis=-1)
    place = ops.sum(ops.cast(sums <= uniform[:, None] * sums[:, -1:], "int32"), axis=-1)
    # Rounding in float32 may carry the draw past the end, or to a character of probability zero at the end.
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
    """Continue each row of `prompt` by `length` characters. Yields their ids (batch, n), a chunk at a time.

    prompt: ids (batch, at least one). The loop reads the prompt too: its ids are forced and not chosen. So a prompt of
    any length needs no second compilation.
    """
    batch, given = prompt.shape
    random = np.random.default_rng(seed)
    last = prompt[:, 0].astype("int32")
    states = [np.zeros((batch, state.shape[1]), "float32") for state in network.inputs[1:]]
    rest = prompt[:, 1:].T.astype("int32")
    settings = (np.float32(temperature), np.int32(top_k), np.float32(top_p))
    total = given - 1 + length
    for done in range(0, total, CHUNK):
        forced = np.full((CHUNK, batch), -1, "int32")
        read = rest[done : done + CHUNK]
        forced[: len(read)] = read
        uniform = random.random((CHUNK, batch), "float32")
        written, states = loop(last, states, forced, uniform, *settings)
        last = written[-1]
        new = slice(len(read), min(CHUNK, total - done))
        if new.start < new.stop:
            yield np.asarray(written)[new].T
