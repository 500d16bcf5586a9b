"""Asking a network: each shape is compiled once, and a batch has one of a few sizes."""

from typing import Any

import numpy as np

SIZES = (1, 16, 128)  # rows of a batch, unless the caller knows better


def answers(network: Any, inputs: Any, sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    """The output of a network with one output, for any number of rows.

    inputs: (rows, …), or a tuple of such arrays. sizes: of batches, ascending; a batch that has fewer rows repeats its
    first ones.

    `predict_on_batch` runs the network as one graph. A call of the network would run its layers one after the other
    from Python, and `predict` would set up a pipeline each time; both cost more than a small network computes.
    """
    arrays, parts = inputs if isinstance(inputs, tuple) else (inputs,), []
    for begin in range(0, len(arrays[0]), sizes[-1]):
        rows = [array[begin : begin + sizes[-1]] for array in arrays]
        count = len(rows[0])
        size = next(size for size in sizes if size >= count)
        filled = [array if count == size else np.resize(array, (size, *array.shape[1:])) for array in rows]
        parts.append(np.asarray(network.predict_on_batch(filled if len(filled) > 1 else filled[0]))[:count])
    return np.concatenate(parts)
