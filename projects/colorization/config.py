"""Every knob of colorization, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """The knobs of a training. A search tries those that have a range."""

    model: Literal["l1", "gan"] = "gan"  # l1: the U-Net with the L1 loss alone; gan: with a discriminator (Pix2Pix)
    patch: Literal[1, 16, 70] = 16  # gan: side in pixels of the patches that the discriminator judges
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # same seed, same figures

    size: Annotated[int, Bounds(min=16, max=256)] = 64  # side in pixels of the training squares
    width: Annotated[int, Bounds(min=1), Search(12, 32, log=True)] = 16  # channels after the first halving
    depth: Annotated[int, Bounds(min=1, max=6), Search(3, 4)] = 4  # halvings of the U-Net; each doubles the channels
    down: Literal["stride", "max", "average"] = "stride"  # how to halve: strided convolution (as Pix2Pix) or pooling
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0, 0.5)] = 0.2  # in the two deepest decoder levels
    zoom: Annotated[float, Bounds(min=1, max=4), Search(1.1, 3)] = 2.0  # random crops: largest divided by smallest side

    l1_weight: Annotated[float, Bounds(min=0), Search(5, 100, log=True)] = 20.0  # gan: L1's weight; adversarial has 1
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(2e-4, 4e-3, log=True)] = 1e-3  # of the U-Net
    discriminator_rate: Annotated[float, Bounds(min=0), Search(1e-4, 2e-3, log=True)] = 1e-3  # gan: Adam's rate
    average: Annotated[float, Bounds(min=0, max=0.9999)] = 0.99  # decay per step of the running average of the U-Net
    batch_size: Annotated[int, Bounds(min=1), Search(4, 16, log=True)] = 8  # pictures per step
    epochs: Annotated[int, Bounds(min=1)] = 40  # passes over the training pictures; the rates fall in the second half
    patience: Annotated[int, Bounds(min=1)] = 1000  # epochs without a better concordance before training stops


# The smallest setting that still learns something, for the tests.
TOY = Config(patch=1, size=16, width=4, depth=2, epochs=3, batch_size=8, learning_rate=1e-2, average=0.8)
