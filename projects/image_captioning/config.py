"""Every knob of image captioning, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of data, model and training; a search tries those that have a range."""

    model: Literal["lstm", "attention", "transformer"] = "attention"  # how the writer gets to know the picture
    cell: Literal["gru", "lstm"] = "lstm"  # lstm, attention: the recurrent layer
    seed: Annotated[int, Bounds(min=0)] = 0  # same seed, same figures; it draws the random splits too
    pictures: Annotated[int, Bounds(min=100, max=200_000)] = 24_000  # how many scenes to learn from (builtin only)
    size: Literal[64, 128, 256] = 128  # side in pixels that other pictures are squeezed to
    backbone: Literal["none", "mobilenet_v2", "resnet50_v2"] = "none"  # a frozen encoder from ImageNet; downloads it
    beam: Annotated[int, Bounds(min=1, max=32)] = 1  # captions that are kept while one is written; 1: greedy

    epochs: Annotated[int, Bounds(min=1)] = 5  # passes over the training pictures
    batch_size: Annotated[int, Bounds(min=1), Search(16, 128, log=True)] = 32  # pictures in a training step
    patience: Annotated[int, Bounds(min=1)] = 1000  # epochs without a better validation value before stopping
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 5e-3, log=True)] = 2e-3  # Adam's peak rate
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.5)] = 0.0  # of embeddings and the writer's layers
    width: Annotated[int, Bounds(min=1), Search(8, 48, log=True)] = 24  # channels of the first convolution
    units: Annotated[int, Bounds(min=2), Search(64, 512, log=True)] = 128  # width of the writer's layers
    embedding: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 64  # numbers for each word
    layers: Annotated[int, Bounds(min=1, max=8), Search(1, 3)] = 1  # layers of the decoder
    heads: Annotated[int, Bounds(min=1, max=16)] = 4  # transformer: of the attention; they share the units
    label_smoothing: Annotated[float, Bounds(min=0, max=0.5)] = 0.0  # part of the probability that all words share
    mirror: bool = False  # mirror half of the training pictures; not for captions that say left and right


# The smallest setting that still learns something. The tests and the notebook's test run use it.
TOY = Config(pictures=128, epochs=2, batch_size=32, width=4, units=16, embedding=8, learning_rate=1e-2)
