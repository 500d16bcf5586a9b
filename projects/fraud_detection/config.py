"""Every knob of fraud detection, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """The knobs of a training. A search tries those that have a range."""

    model: Literal["logistic", "mlp", "autoencoder", "gru", "ensemble"] = "mlp"  # which model of the ladder
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # same seed, same figures; it also draws random splits
    split: Literal["auto", "stratified", "time"] = "auto"  # auto: by time or by group, where the data has them
    customers: Annotated[int, Bounds(min=20, max=20_000)] = 5000  # number of generated customers (builtin only)
    start: str | None = "2018-08-15"  # first of the seven days of training (handbook only)
    target: str | None = None  # your own file: the column to predict (two values)
    positive: str | None = None  # your own file: the target's value that is the fraud; without it the rarer one
    categories: str | None = None  # your own file: columns whose numbers are codes, as mcc,branch
    time: str | None = None  # your own file: the column of the time; training is on the past, the test on the future
    group: str | None = None  # your own file: the column of the card or customer; its rows stay in one split
    weight: str | None = None  # your own file: the column that says how many real cases a row stands for

    epochs: Annotated[int, Bounds(min=1)] = 30  # largest number of epochs; early stopping usually ends sooner
    batch_size: Annotated[int, Bounds(min=1), Search(128, 2048, log=True)] = 512  # rows in one training step
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(1e-4, 1e-2, log=True)] = 1e-3  # Adam's rate; logistic: ×30
    imbalance: Literal["none", "class_weights", "focal", "resampling"] = "none"  # how training treats rare frauds
    schedule: Literal["plateau", "cosine"] = "plateau"  # learning rate: halved without progress, or a cosine to 0
    layers: Annotated[int, Bounds(min=1, max=8), Search(1, 4)] = 2  # not logistic: hidden layers
    units: Annotated[int, Bounds(min=1), Search(32, 512, log=True)] = 128  # not logistic: width of each
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.5)] = 0.2  # not logistic: fraction of dropped units
    history: Annotated[int, Bounds(min=2, max=50), Search(3, 20)] = 8  # gru: transactions of a card that it reads
    members: Annotated[int, Bounds(min=2, max=20)] = 5  # ensemble: networks, each from its own seed
    patience: Annotated[int, Bounds(min=1)] = 8  # epochs without a better validation figure before training stops

    min_precision: Annotated[float, Bounds(min=0, max=1)] = 0.9  # recall is reported at this precision or more
    cost_miss: Annotated[float, Bounds(min=0)] = 120.0  # cost of a missed fraud; near ULB's mean fraud in euros
    cost_alarm: Annotated[float, Bounds(min=0)] = 5.0  # cost of looking into one false alarm


# The smallest setting that still learns something. The tests and the notebook's test run use it.
TOY = Config(customers=100, epochs=3, batch_size=256, units=8, layers=1, learning_rate=1e-2)
