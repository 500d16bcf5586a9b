"""What a network's answers are worth, and how far back its gradient reaches."""

from typing import Any

import numpy as np

from common.evaluation import Figures

DIRECTIONS = {"mean_squared_error": "min", "within_0.04": "max"}
TOLERANCE = 0.04  # an answer this near to the truth counts as right (Hochreiter & Schmidhuber 1997)


def figures(targets: np.ndarray, answers: np.ndarray) -> Figures:
    """row weights -> the mean squared error, and the fraction of answers within 0.04 of the truth; arrays (n, 1)."""
    squared = (answers - targets)[:, 0].astype(float) ** 2
    right = squared < TOLERANCE**2

    def weighted(weights: np.ndarray) -> dict[str, float]:
        total = weights.sum()
        return {"mean_squared_error": float(weights @ squared / total), "within_0.04": float(weights @ right / total)}

    return weighted


def gradient_by_distance(model: Any, x: np.ndarray) -> np.ndarray:
    """How strongly the answer depends on each step, the last one first: (length,).

    The norm of the gradient of the answer with respect to the input of a step, as a mean over sequences (n, length, 2).
    """
    from keras import ops

    from common.layers.explain import gradient

    gradients = ops.convert_to_numpy(gradient(model, ops.convert_to_tensor(x), 0))
    return np.linalg.norm(gradients, axis=2).mean(axis=0)[::-1].astype(float)
