"""Every knob of the adding problem, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of the sequences, the network and its training. A search tries those that have a range."""

    model: Literal["simple_rnn", "irnn", "gru", "lstm"] = "gru"  # recurrent layer, the one that forgets first, first
    seed: Annotated[int, Bounds(min=0)] = 0  # same seed, same sequences, same figures
    length: Annotated[int, Bounds(min=2, max=500)] = 200  # numbers in a sequence
    sequences: Annotated[int, Bounds(min=100, max=1_000_000)] = 10_000  # sequences to learn from
    units: Annotated[int, Bounds(min=1, max=1024), Search(16, 256, log=True)] = 64  # width of the recurrent layer
    chrono: bool = True  # lstm, gru: biases that remember about as long as a sequence (Tallec & Ollivier 2018)

    epochs: Annotated[int, Bounds(min=1)] = 12  # passes over the sequences
    batch_size: Annotated[int, Bounds(min=1), Search(16, 256, log=True)] = 64  # sequences a gradient is averaged over
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(1e-4, 2e-2, log=True)] = 5e-3  # Adam's first step size
    clip: Annotated[float, Bounds(min=1e-3), Search(0.1, 10.0, log=True)] = 1.0  # largest norm of a step's gradient
    patience: Annotated[int, Bounds(min=1)] = 8  # epochs without a better validation value before training stops


# The smallest setting that still learns something. The tests use it.
TOY = Config(length=8, sequences=2000, units=16, epochs=2, learning_rate=2e-2)
