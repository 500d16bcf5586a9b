"""Every knob of the character models, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of the model and its training. A search tries those that have a range."""

    model: Literal["simple_rnn", "gru", "lstm"] = "gru"  # recurrent layer, simplest first
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # same seed, same figures
    jamo: bool = False  # take Hangul syllables apart into jamo: 67 symbols instead of thousands
    characters: Annotated[int | None, Bounds(min=1000)] = None  # read only so many characters; None: the whole text
    layers: Annotated[int, Bounds(min=1, max=6), Search(1, 3)] = 1  # number of recurrent layers
    units: Annotated[int, Bounds(min=1, max=4096), Search(64, 512, log=True)] = 384  # width of each recurrent layer
    embedding: Annotated[int, Bounds(min=0, max=4096)] = 0  # numbers learnt for each character; 0: one-hot input

    epochs: Annotated[int, Bounds(min=1)] = 8  # passes over the text; the learning rate falls to zero in the last one
    batch_size: Annotated[int, Bounds(min=1), Search(8, 128, log=True)] = 16  # places of the text read in parallel
    sequence: Annotated[int, Bounds(min=2), Search(32, 256, log=True)] = 64  # characters a gradient flows back through
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 1e-2, log=True)] = 4e-3  # Adam's peak learning rate
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.6)] = 0.1  # after each recurrent layer
    patience: Annotated[int, Bounds(min=1)] = 6  # epochs without a better validation value before training stops
    window: Annotated[int, Bounds(min=2)] = 256  # characters between zero states in the fixed-window figure


# The smallest setting that still learns something. The tests use it.
TOY = Config(characters=80_000, units=16, epochs=2, batch_size=64, sequence=32, learning_rate=1e-2, window=64)

# The lecture's toy. The page trains it and shows every number inside.
HELLO = Config(model="simple_rnn", layers=1, units=8, dropout=0.0, epochs=6, learning_rate=2e-2)
