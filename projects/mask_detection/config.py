"""Every knob of mask detection, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """The knobs. A search tries those that have a range."""

    model: Literal["centernet", "fcos", "mask_rcnn"] = "centernet"  # the detector; mask_rcnn has two stages and masks
    backbone: Literal["resnet", "mobilenet_v2"] = "resnet"  # small, from nothing; or with weights that are downloaded
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # of every random draw; the same seed gives the same figures

    size: Annotated[int, Bounds(min=64, max=640)] = 160  # side in pixels of the square that a picture is fitted into
    width: Annotated[int, Bounds(min=4, max=64), Search(8, 24, log=True)] = 16  # channels of the first convolution
    depth: Annotated[int, Bounds(min=1, max=4), Search(1, 2)] = 1  # residual blocks at each size
    channels: Annotated[int, Bounds(min=8, max=256), Search(24, 64, log=True)] = 40  # of the pyramid and the heads
    proposals: Annotated[int, Bounds(min=4, max=200)] = 24  # mask_rcnn: regions that the second stage looks at

    pictures: Annotated[int, Bounds(min=8, max=20_000)] = 3000  # generated training scenes
    scale: Annotated[float, Bounds(min=0, max=2)] = 0.4  # random scaling: of the logarithm of the factor
    paste: Annotated[float, Bounds(min=0, max=1)] = 0.5  # fraction of pictures that get faces of rare classes

    epochs: Annotated[int, Bounds(min=1)] = 16  # passes over the training pictures
    batch_size: Annotated[int, Bounds(min=1), Search(8, 32, log=True)] = 16  # pictures in one training step
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(1e-3, 8e-3, log=True)] = 4e-3  # AdamW's peak learning rate
    weight_decay: Annotated[float, Bounds(min=0), Search(1e-3, 0.1, log=True)] = 0.02  # AdamW's weight decay
    patience: Annotated[int, Bounds(min=1)] = 1000  # epochs without a better AP50 before training stops


# The smallest setting that still learns something, for tests.
TOY = Config(size=64, width=4, channels=8, pictures=48, epochs=2, batch_size=8, learning_rate=0.02)
