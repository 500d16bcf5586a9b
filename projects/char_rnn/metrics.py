"""How well a network predicts a whole text: sums for each block of it, and the figures that follow from them."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from projects.char_rnn.data import BLOCK, TextPart
from projects.char_rnn.encoding import targets_of

ROWS, STEPS = 64, 64  # a long text is read at 64 places in parallel, 64 characters a call
WARM_UP = 512  # characters that each place reads before the first one that is scored
DIRECTIONS = {"nats_per_character": "min", "bits_per_character": "min", "nats_fixed_window": "min", "accuracy": "max"}

Sums = dict[str, np.ndarray]  # "nats", "correct" and "characters", (blocks,) each
Scored = tuple[np.ndarray, np.ndarray, np.ndarray]  # of some characters: place in the text, nats, correct


def block_sums(part: TextPart, scored: Iterable[Scored]) -> Sums:
    """Sums over each block of a text: of nats, of correct predictions and of the characters that were scored."""
    sums = {name: np.zeros(len(part)) for name in ("nats", "correct", "characters")}
    for places, nats, correct in scored:
        for name, values in (("nats", nats), ("correct", correct), ("characters", None)):
            sums[name] += np.bincount(places // BLOCK, values, minlength=len(part))
    return sums


def score(network: Any, part: TextPart, window: int | None = None) -> Sums:
    """The sums of a network; see `score_characters`."""
    return block_sums(part, score_characters(network, part, window))


def score_places(network: Any, part: TextPart, window: int) -> tuple[np.ndarray, np.ndarray]:
    """(nats, characters) summed over all windows of a text, for each place in the window: (window,) each."""
    sums = np.zeros((2, window))
    for places, nats, _ in score_characters(network, part, window):
        for total, values in zip(sums, (nats, None), strict=True):
            total += np.bincount((places - 1) % window, values, minlength=window)
    return sums[0], sums[1]


def surprise(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(nats, correct): -log of each target's probability (0 for target -1), and whether it was the most probable."""
    largest = logits.max(axis=-1)
    chosen = np.take_along_axis(logits, np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    log_total = np.log(np.exp(logits - largest[..., None]).sum(axis=-1)) + largest
    return np.where(targets >= 0, log_total - chosen, 0.0), logits.argmax(axis=-1) == targets


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
    """A Keras callback that adds the figures of the whole validation part to the logs of each epoch."""
    import keras

    def add_figures(epoch: int, logs: dict[str, float]) -> None:
        sums = score(network, part)
        values = figures(sums, sums)(np.ones(len(part)))
        nats, accuracy = values["nats_per_character"], values["accuracy"]
        logs.update(val_loss=nats, val_nats_per_character=nats, val_accuracy=accuracy)

    return keras.callbacks.LambdaCallback(on_epoch_end=add_figures)


def score_characters(network: Any, part: TextPart, window: int | None = None) -> Iterator[Scored]:
    """Run the network over a text, and score each character from the second on that is in the vocabulary.

    window: the state is set to zero every so many characters. None: it is carried along. Then each of the 64 places
    first reads the 512 characters before it; what the state holds of more distant ones does not show in the figures (a
    test compares). Every call has the same shape, because each new shape is compiled.
    """
    characters = part.characters - 1  # the last character is only predicted
    rows, steps = (ROWS, STEPS) if characters >= ROWS * STEPS else (1, min(STEPS, characters))
    if window is None:
        length = -(-characters // rows)
        groups = [(np.arange(rows) * length, -(WARM_UP // steps) * steps if rows > 1 else 0, length)]
    else:
        starts = np.arange(0, characters, window)
        groups = [(starts[i : i + rows], 0, window) for i in range(0, len(starts), rows)]
    for starts, first, length in groups:
        starts = np.pad(starts, (0, rows - len(starts)), constant_values=characters)
        states = [np.zeros((rows, state.shape[1]), "float32") for state in network.inputs[1:]]
        for step in range(first, length, steps):
            offsets = np.arange(step, step + steps)
            places = starts[:, None] + offsets
            inside = (places >= 0) & (places < characters)
            ids, following = np.zeros((2, rows, steps), "int32")
            for row in np.flatnonzero(inside.any(axis=1)):
                begin, end = places[row][inside[row]][[0, -1]]
                text = part.read(int(begin), int(end) + 2)
                ids[row, inside[row]], following[row, inside[row]] = text[:-1], text[1:]
            logits, *states = network.predict_on_batch([ids, *states])
            states = [state * inside.any(axis=1)[:, None] for state in states]  # zero before the beginning of the text
            targets = targets_of(following)
            scored = inside & (offsets >= 0) & (offsets < length) & (targets >= 0)
            nats, correct = surprise(logits, targets)
            yield places[scored] + 1, nats[scored], correct[scored]
