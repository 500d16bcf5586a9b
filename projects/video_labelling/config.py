"""Every knob of video labelling, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of data, network and training; a search tries those that have a range."""

    model: Literal["frame", "difference", "simple_rnn", "gru", "lstm", "tcn"] = "gru"  # what reads the frames in time
    causal: bool = False  # read forwards alone, as for a camera; else from both sides (not for frame and difference)
    seed: Annotated[int, Bounds(min=0)] = 0  # same seed, same figures; it draws the random splits too
    films: Annotated[int, Bounds(min=40, max=100_000)] = 1_200  # films to learn from (builtin only)
    rate: Annotated[float, Bounds(min=0.1, max=60)] = 8.0  # frames a second that are read of other films
    frames: Annotated[int, Bounds(min=4, max=512)] = 48  # frames of a film in a training step

    epochs: Annotated[int, Bounds(min=1)] = 12  # passes over the training films
    batch_size: Annotated[int, Bounds(min=1), Search(4, 32, log=True)] = 8  # films in a training step
    patience: Annotated[int, Bounds(min=1)] = 1000  # epochs without a better validation value before stopping
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 5e-3, log=True)] = 4e-3  # Adam's peak rate
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.6)] = 0.0  # of the numbers of each frame
    augment: bool = False  # mirror, cut and light training films at random (not where labels say left and right)
    width: Annotated[int, Bounds(min=1), Search(6, 32, log=True)] = 12  # channels of the first convolution
    features: Annotated[int, Bounds(min=2), Search(32, 256, log=True)] = 64  # numbers for each frame
    units: Annotated[int, Bounds(min=2), Search(32, 256, log=True)] = 64  # units of the temporal network, per direction


# The smallest setting that still learns something. The tests and the notebook's test run use it.
TOY = Config(films=40, epochs=2, batch_size=8, width=4, features=16, units=16, causal=True, learning_rate=1e-2)
