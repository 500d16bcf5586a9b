"""Every knob of sequence tagging, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of data, network and training. A search tries those that have a range."""

    model: Literal["window", "simple_rnn", "gru", "lstm"] = "lstm"  # what reads the words: a window of five, or a layer
    crf: bool = False  # score neighbouring tags too: a linear-chain CRF on top of the network
    seed: Annotated[int, Bounds(min=0)] = 0  # same seed, same figures
    sentences: Annotated[int, Bounds(min=60)] = 12_000  # pieces of programs that are read (builtin only)

    epochs: Annotated[int, Bounds(min=1)] = 7  # at most; early stopping may end training sooner
    batch_size: Annotated[int, Bounds(min=1), Search(16, 128, log=True)] = 32  # sentences in a training step
    patience: Annotated[int, Bounds(min=1)] = 3  # epochs without a better validation value before stopping
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 1e-2, log=True)] = 2e-3  # Adam's peak rate

    units: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 96  # of the layer that reads, in each direction
    embedding: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 96  # numbers for each known word
    letters: Annotated[int, Bounds(min=1), Search(16, 128)] = 64  # filters over the letters of each word
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.1, 0.6)] = 0.5  # of the numbers of each word
    word_dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.4)] = 0.2  # of words, shown as unknown ones
    vocabulary: Annotated[int, Bounds(min=10)] = 20_000  # the most frequent words of training; others are unknown


# The smallest setting that still learns something. The tests and the notebook's test run use it.
TOY = Config(model="gru", sentences=240, epochs=2, units=8, embedding=8, letters=8, learning_rate=1e-2)
