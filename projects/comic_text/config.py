"""Every knob of comic text, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of data, the three networks and training; a search tries those that have a range."""

    model: Literal["plain", "pretrained"] = "pretrained"  # pretrained: an autoencoder's encoder starts the segmentation
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # same seed, same figures
    pages: Annotated[int, Bounds(min=8, max=100_000)] = 240  # generated pages to learn from (builtin only)
    height: Literal[160, 640, 1280] = 640  # in pixels of generated pages; 0.7 of it is their width (builtin only)
    fonts: Literal["base", "all"] = "base"  # of generated lettering; all: those of the packages of .[fonts] too
    labels: Annotated[float, Bounds(min=0.0001, max=1)] = 1.0  # fraction of the training pages whose masks are learnt

    crop: Literal[32, 64, 128, 192, 256] = 192  # side in pixels of the squares that are learnt
    width: Annotated[int, Bounds(min=1, max=128), Search(8, 32, log=True)] = 16  # channels at half resolution
    depth: Annotated[int, Bounds(min=1, max=5)] = 3  # further halvings of the U-Net; each doubles the channels
    epochs: Annotated[int, Bounds(min=1)] = 20  # of the segmentation: passes over the training pages
    batch_size: Annotated[int, Bounds(min=1), Search(2, 16, log=True)] = 4  # squares in a step; 4 times as many lines
    patience: Annotated[int, Bounds(min=1)] = 1000  # epochs without a better validation value before stopping
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 1e-2, log=True)] = 2e-3  # Adam's peak rate
    autoencoder_epochs: Annotated[int, Bounds(min=1)] = 2  # pretrained: passes of the autoencoder over the pages

    lines: Annotated[int, Bounds(min=16, max=10_000_000)] = 12_288  # generated lines in an epoch of the reader
    reader_epochs: Annotated[int, Bounds(min=1)] = 10  # epochs of the reader
    reader_width: Annotated[int, Bounds(min=1, max=128)] = 16  # channels of the reader's first convolution
    units: Annotated[int, Bounds(min=1, max=1024)] = 128  # of the reader's recurrent layer, in each direction


# The smallest setting that still learns something, for the tests.
TOY = Config(
    model="plain",
    pages=8,
    height=160,
    crop=64,
    width=4,
    depth=1,
    epochs=2,
    learning_rate=1e-2,
    lines=16,
    reader_epochs=2,
    reader_width=4,
    units=8,
)
