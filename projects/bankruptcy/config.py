"""Every knob of bankruptcy, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """The knobs of a training. A search tries those that have a range."""

    model: Literal["mlp", "cnn", "simple_rnn", "gru", "lstm", "rocket"] = "gru"  # which network of the ladder
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # same seed, same figures; it also draws random splits
    firms: Annotated[int, Bounds(min=100, max=200_000)] = 16_000  # firms to learn from; as many test (builtin only)
    length: Annotated[int, Bounds(min=1, max=1000)] = 250  # time steps that are read, the last ones of each series
    base_rate: Annotated[float | None, Bounds(min=1e-6, max=0.999)] = None  # fraction that fails where it will be used
    firm: str = "firm"  # your own table: the column that names the firm
    time: str = "time"  # your own table: the column of the time; a table without it has a row for each firm
    target: str = "label"  # your own table: the column that says whether the firm failed (two values)
    positive: str | None = None  # your own table: the target's value that is the failure; without it the rarer one

    units: Annotated[int, Bounds(min=1, max=1024), Search(16, 256, log=True)] = 64  # not rocket: width of the layers
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.5)] = 0.0  # not rocket: of the last hidden layer
    kernels: Annotated[int, Bounds(min=84, max=20_000), Search(500, 5000, log=True)] = 2016  # rocket: features
    epochs: Annotated[int, Bounds(min=1)] = 6  # passes over the training series
    batch_size: Annotated[int, Bounds(min=1), Search(16, 256, log=True)] = 128  # series in one training step
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(1e-4, 2e-2, log=True)] = 3e-3  # Adam's peak learning rate
    patience: Annotated[int, Bounds(min=1)] = 10  # epochs without a better validation figure before training stops


# The smallest setting that still learns something. The tests use it.
TOY = Config(model="mlp", firms=900, length=20, units=16, epochs=2, learning_rate=1e-2)
