"""How well a network predicts a whole text: sums for each block of it, and the figures that follow from them."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from common.evaluation import softmax
from projects.char_rnn import cache
from projects.char_rnn.data import BLOCK, TextPart
from projects.char_rnn.encoding import targets_of

ROWS, STEPS = 64, 64  # a long text is read at 64 places in parallel, 64 characters a call
PIECE = 4096  # characters whose distributions are in memory at once
WARM_UP = 512  # characters that each place reads before the first one that is scored
DIRECTIONS = {"nats_per_character": "min", "bits_per_character": "min", "nats_fixed_window": "min", "accuracy": "max"}

Sums = dict[str, np.ndarray]  # "nats", "correct" and "characters", (blocks,) each
Scored = tuple[np.ndarray, np.ndarray, np.ndarray]  # for some characters: place in the text, nats, correct
# (indices of a text's logits, places in it (n,), window) -> the distributions (n, symbols) before these places
Expected = Callable[[np.ndarray, np.ndarray, int | None], np.ndarray]


def block_sums(part: TextPart, scored: Iterable[Scored]) -> Sums:
    """Sums over each block of a text: of nats, of correct predictions and of the characters that were scored."""
    sums = {name: np.zeros(len(part)) for name in ("nats", "correct", "characters")}
    for places, nats, correct in scored:
        for name, values in (("nats", nats), ("correct", correct), ("characters", None)):
            sums[name] += np.bincount(places // BLOCK, values, minlength=len(part))
    return sums


def with_hidden(network: Any) -> Any:
    """The network with its hidden states at every step as further outputs: [logits, states …, hidden …]."""
    import keras

    hidden = [layer.output[0] for layer in network.layers if isinstance(layer, keras.layers.RNN)]
    return keras.Model(network.inputs, [*network.outputs, *hidden], name=network.name)


def score(network: Any, part: TextPart, window: int | None = None, weight: float | None = None) -> Sums:
    """The sums of a network; see `score_characters`."""
    return block_sums(part, score_characters(network, part, window, weight))


def score_characters(
    network: Any, part: TextPart, window: int | None = None, weight: float | None = None
) -> Iterator[Scored]:
    """Score each character from the second on that is in the vocabulary; network and window as in `read`.

    weight: of the network's vote beside its cache; None: without a cache.
    """
    for places, targets, probabilities, votes in read(network, part, window, weight is not None):
        expected = probabilities if weight is None else cache.mix(probabilities, votes, weight)
        yield places, *surprise(expected, targets)


def score_model(expected: Expected, part: TextPart, window: int | None = None) -> Iterator[Scored]:
    """As `score_characters`, for a model that needs not read the text from its beginning."""
    ids = targets_of(part.read(0, part.characters))
    for begin in range(1, len(ids), PIECE):
        places = begin + np.flatnonzero(ids[begin : begin + PIECE] >= 0)
        yield places, *surprise(expected(ids, places, window), ids[places])


def surprise(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(nats, correct): -log of each target's probability (0 for target -1), and whether it was the most probable."""
    chosen = np.take_along_axis(probabilities, np.maximum(targets, 0)[:, None], axis=1)[:, 0]
    return np.where(targets >= 0, -np.log(chosen), 0.0), probabilities.argmax(axis=1) == targets


def choose_weight(network: Any, part: TextPart) -> float:
    """The weight of the network's vote beside its cache that gives the fewest nats on a validation part."""
    of_targets = []
    for _, targets, probabilities, votes in read(network, part, looks_back=True):
        rows = np.arange(len(targets)), targets
        of_targets.append([probabilities[rows], votes[rows], votes.sum(axis=1)])
    mine, others, total = np.concatenate(of_targets, axis=1)
    return float(min(cache.WEIGHTS, key=lambda weight: -np.log((weight * mine + others) / (weight + total)).sum()))


def figures(carried: Sums, windows: Sums) -> Callable[[np.ndarray], dict[str, float]]:
    """The figures as a function of the blocks' weights.

    carried: sums with the state carried along. windows: sums with fixed windows.
    """

    def weighted(weights: np.ndarray) -> dict[str, float]:
        characters = weights @ carried["characters"]
        nats = float(weights @ carried["nats"] / characters)
        return {
            "nats_per_character": nats,
            "bits_per_character": nats / math.log(2),
            "nats_fixed_window": float(weights @ windows["nats"] / (weights @ windows["characters"])),
            "accuracy": float(weights @ carried["correct"] / characters),
        }

    return weighted


def validation_callback(network: Any, part: TextPart) -> Any:
    """A Keras callback that adds the figures of the whole validation part, without a cache, to each epoch's logs."""
    import keras

    def add_figures(epoch: int, logs: dict[str, float]) -> None:
        sums = score(network, part)
        values = figures(sums, sums)(np.ones(len(part)))
        nats, accuracy = values["nats_per_character"], values["accuracy"]
        logs.update(val_loss=nats, val_nats_per_character=nats, val_accuracy=accuracy)

    return keras.callbacks.LambdaCallback(on_epoch_end=add_figures)


def read(network: Any, part: TextPart, window: int | None = None, looks_back: bool = False) -> Iterator[tuple]:
    """Run the network over a text. Yields (places, targets, probabilities, votes) of some characters at a time.

    network: from `with_hidden`. places: (n,) of characters from the second on that are in the vocabulary. targets: (n,)
    the indices of their logits. probabilities: (n, symbols) before each of them. votes: (n, symbols) of the cache, None
    if it does not look back.

    window: the state is set to zero, and the cache emptied, every so many characters. None: they are carried along.
    Then each of the 64 places first reads the 512 characters before it; what the state holds of more distant ones does
    not show in the figures (a test compares). With a cache it reads as many as that holds. Every call has the same
    shape, because each new shape is compiled.
    """
    characters = part.characters - 1  # the last character is only predicted
    rows, steps = (ROWS, STEPS) if characters >= ROWS * STEPS else (1, min(STEPS, characters))
    if window is None:
        length = -(-characters // rows)
        warm_up = max(WARM_UP, cache.LENGTH) if looks_back else WARM_UP
        groups = [(np.arange(rows) * length, -(warm_up // steps) * steps if rows > 1 else 0, length)]
    else:
        starts = np.arange(0, characters, window)
        groups = [(starts[i : i + rows], 0, window) for i in range(0, len(starts), rows)]
    for starts, first, length in groups:
        starts = np.pad(starts, (0, rows - len(starts)), constant_values=characters)
        states = [np.zeros((rows, state.shape[1]), "float32") for state in network.inputs[1:]]
        past: deque = deque(maxlen=1 - (-cache.LENGTH // steps))  # (hidden, targets); the last one is the present piece
        for step in range(first, length, steps):
            offsets = np.arange(step, step + steps)
            places = starts[:, None] + offsets
            inside = (places >= 0) & (places < characters)
            ids, following = np.zeros((2, rows, steps), "int32")
            for row in np.flatnonzero(inside.any(axis=1)):
                begin, end = places[row][inside[row]][[0, -1]]
                text = part.read(int(begin), int(end) + 2)
                ids[row, inside[row]], following[row, inside[row]] = text[:-1], text[1:]
            logits, *rest = network.predict_on_batch([ids, *states])
            started = inside.any(axis=1)[:, None]  # the state is zero before the beginning of the text
            states = [state * started for state in rest[: len(states)]]
            targets = targets_of(following)
            if looks_back:
                past.append((rest[-1], targets))
            scored = inside & (offsets >= 0) & (offsets < length) & (targets >= 0)
            if not scored.any():
                continue
            probabilities, votes = softmax(logits[scored]), None
            if looks_back:
                of_rows = []
                for row in np.flatnonzero(scored.any(axis=1)):
                    hidden, came = (np.concatenate([piece[row] for piece in kind]) for kind in zip(*past, strict=True))
                    of_row = cache.votes(hidden, came, len(came) - steps, probabilities.shape[1])
                    of_rows.append(of_row[scored[row]])
                votes = np.concatenate(of_rows)
            yield places[scored] + 1, targets[scored], probabilities, votes
