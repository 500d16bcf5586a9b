"""The figure by which training chooses the best epoch."""

from collections.abc import Callable

import numpy as np

from common.stream import Stream
from projects.text_classification.batches import stream_targets


def accuracy_of(validation: Stream) -> Callable[[np.ndarray], dict[str, float]]:
    """A function from the logits of the validation stream to {"accuracy": fraction of correct answers}."""
    targets = stream_targets(validation)
    return lambda logits: {"accuracy": float((logits.argmax(axis=1) == targets).mean())}
