"""Every knob of image classification, one line each."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of the science; a search tries those that have a range."""

    model: Literal["mlp", "lenet", "alexnet", "vgg", "googlenet", "resnet"] = "resnet"  # rung of the ladder
    recipe: Literal["one_cycle", "alexnet"] = "one_cycle"  # alexnet: the 2012 paper's; it sets what RECIPE lists
    seed: Annotated[int, Bounds(min=0)] = 0  # same seed, same figures; it draws the random splits too

    width: Annotated[int, Bounds(min=1), Search(8, 32, log=True)] = 16  # channels of the first stage (not lenet's)
    depth: Annotated[int, Bounds(min=1, max=9), Search(1, 3)] = 1  # residual or inception stages at each size
    stride_stem: bool = True  # googlenet, resnet: the first convolution steps by two, as theirs; without: slower, finer
    size: Annotated[int, Bounds(min=8, max=256)] = 32  # side in pixels that a folder's pictures are shrunk to
    augment: Literal["auto", "none", "strokes", "objects"] = "auto"  # strokes: turned, scaled; objects: mirrored too

    epochs: Annotated[int, Bounds(min=1)] = 30  # passes over the training pictures
    batch_size: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 64  # pictures a step
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(1e-3, 1e-2, log=True)] = 4e-3  # AdamW's largest step
    weight_decay: Annotated[float, Bounds(min=0), Search(1e-3, 0.1, log=True)] = 0.02  # AdamW's, decoupled
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.5)] = 0.2  # before the last layers
    patience: Annotated[int, Bounds(min=1)] = 1000  # epochs without a better accuracy before it stops: never
    mixed_precision: Literal["auto", "on", "off"] = "auto"  # bfloat16 inside the network; auto: where there is a GPU


# Krizhevsky et al. 2012, section 5: SGD with momentum 0.9 and weight decay 0.0005, batches of 128, dropout 0.5, a rate
# of 0.01 that is lowered when validation stops improving (here: halved after five epochs, and ten end the training).
RECIPE = {"batch_size": 128, "learning_rate": 0.01, "weight_decay": 5e-4, "dropout": 0.5, "patience": 10}


def effective(config: Config) -> Config:
    """The knobs that training goes by: the config's own, or with those of the AlexNet recipe in their place."""
    return replace(config, **RECIPE) if config.recipe == "alexnet" else config


# The smallest setting that still learns something: what the tests use.
TOY = Config(model="lenet", epochs=2, batch_size=128)
