"""Every knob of text classification, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of data, model and training; a search tries those that have a range."""

    model: Literal["bag", "region_cnn", "simple_rnn", "gru", "lstm", "ensemble"] = "bag"  # rung of the ladder
    partner: Literal["region_cnn", "simple_rnn", "gru", "lstm"] = "region_cnn"  # ensemble: the network beside the bag
    unit: Literal["auto", "word", "char", "jamo"] = "auto"  # what a text is made of; auto: decided from the texts
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # same seed, same figures; it draws the random splits too
    fold: Annotated[int, Bounds(min=0, max=10)] = 0  # 1 to 10: this tenth is the test (10-fold); 0: a quarter is
    languages: Annotated[int, Bounds(min=2, max=30)] = 30  # how many languages to tell apart (builtin only)
    text: str | None = None  # your own file: the column with the text
    label: str | None = None  # your own file: the column with the class

    epochs: Annotated[int, Bounds(min=1)] = 12  # at most; early stopping usually ends training sooner
    batch_size: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 128  # texts in a training step
    patience: Annotated[int, Bounds(min=1)] = 3  # epochs without a better validation value before stopping
    bag_learning_rate: Annotated[float, Bounds(min=1e-8), Search(0.5, 8.0, log=True)] = 2.0  # bag, ensemble: SGD's rate

    learning_rate: Annotated[float, Bounds(min=1e-8), Search(3e-4, 3e-3, log=True)] = 1e-3  # not bag: Adam's peak
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.1, 0.6)] = 0.5  # not bag: dropout of words and features
    units: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 64  # not bag: filters or cells
    embedding: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 64  # not bag, region_cnn: numbers of a word
    vocabulary: Annotated[int, Bounds(min=10)] = 10_000  # not bag: known words or characters
    max_units: Annotated[int, Bounds(min=8)] = 400  # not bag: units read of a text; a longer one loses its middle


# The smallest setting that still learns something. The tests and the notebook's test run use it.
TOY = Config(languages=3, epochs=2, batch_size=128, units=8, embedding=8, learning_rate=1e-2)
