"""Every knob of translation, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of data, model and training; a search tries those that have a range."""

    model: Literal["seq2seq", "attention", "transformer"] = "attention"  # rung of the ladder
    cell: Literal["gru", "lstm"] = "gru"  # seq2seq, attention: the recurrent layer
    reverse_source: bool = True  # seq2seq: read the sentence from its end (Sutskever et al. 2014)
    seed: Annotated[int, Bounds(min=0)] = 0  # same seed, same figures; it draws the random splits too
    reverse: bool = False  # from the second language into the first one
    lower: bool = False  # both languages in lower case, as published figures of Multi30k have them
    unit: Literal["auto", "char", "jamo", "word", "subword"] = "auto"  # what a sentence is made of; auto: from the data
    vocabulary: Annotated[int, Bounds(min=0)] = 0  # words or subwords of each language; 0: decided from the data
    pairs: Annotated[int, Bounds(min=100)] = 200_000  # how many pairs to learn from (builtin only)
    source: str | None = None  # your own data: column, or ending of the files, to translate from
    target: str | None = None  # your own data: column, or ending of the files, to translate into
    beam: Annotated[int, Bounds(min=1, max=32)] = 1  # translations that are kept while one is written; 1: greedy

    epochs: Annotated[int, Bounds(min=0)] = 0  # at most; 0: 600,000 pairs are read in all, in 3 to 40 epochs
    batch_size: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 128  # pairs in a training step
    patience: Annotated[int, Bounds(min=1)] = 4  # epochs without a better validation value before stopping
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 5e-3, log=True)] = 3e-3  # Adam's peak rate
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.5)] = 0.0  # of embeddings and of each layer
    symbol_dropout: Annotated[float, Bounds(min=0, max=0.5)] = 0.0  # of the source's symbols: they become unknown ones
    units: Annotated[int, Bounds(min=1), Search(64, 512, log=True)] = 128  # width of each layer
    embedding: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 64  # numbers for each symbol
    layers: Annotated[int, Bounds(min=1, max=8), Search(1, 4)] = 1  # layers of the encoder and of the decoder
    heads: Annotated[int, Bounds(min=1, max=16)] = 4  # transformer: of the attention; they share the units
    label_smoothing: Annotated[float, Bounds(min=0, max=0.5)] = 0.0  # part of the probability that all symbols share


# The smallest setting that still learns something. The tests and the notebook's test run use it.
TOY = Config(pairs=1024, epochs=2, batch_size=64, units=16, embedding=8, learning_rate=1e-2)
