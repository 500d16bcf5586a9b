"""Every knob of image classification, one line each."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """The knobs. A search tries those that have a range."""

    model: Literal["mlp", "lenet", "alexnet", "vgg", "googlenet", "resnet"] = "resnet"  # the network, oldest first
    recipe: Literal["one_cycle", "alexnet"] = "one_cycle"  # how to train; alexnet (2012) sets the knobs in RECIPE
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # of every random draw; the same seed gives the same figures

    width: Annotated[int, Bounds(min=1), Search(8, 32, log=True)] = 16  # not lenet: channels of the first stage
    depth: Annotated[int, Bounds(min=1, max=9), Search(1, 3)] = 1  # googlenet, resnet: blocks at each size
    stride_stem: bool = True  # googlenet, resnet: stride 2 in the first convolution; without it slower but finer
    size: Annotated[int, Bounds(min=8, max=256)] = 32  # side in pixels that a folder's pictures are shrunk to
    augment: Literal["auto", "none", "strokes", "objects"] = "auto"  # random changes in training; auto: by the data

    epochs: Annotated[int, Bounds(min=1)] = 30  # passes over the training pictures
    batch_size: Annotated[int, Bounds(min=1), Search(32, 256, log=True)] = 64  # pictures in one training step
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(1e-3, 1e-2, log=True)] = 4e-3  # AdamW's peak learning rate
    weight_decay: Annotated[float, Bounds(min=0), Search(1e-3, 0.1, log=True)] = 0.02  # AdamW's weight decay
    dropout: Annotated[float, Bounds(min=0, max=0.9), Search(0.0, 0.5)] = 0.2  # fraction, before the last layers
    patience: Annotated[int, Bounds(min=1)] = 1000  # epochs without a better accuracy before training stops
    mixed_precision: Literal["auto", "on", "off"] = "auto"  # bfloat16 inside the network; auto: only on a GPU


# Krizhevsky et al. 2012, section 5: SGD with momentum 0.9 and a weight decay of 0.0005, batches of 128, dropout of 0.5,
# a learning rate of 0.01 that is lowered when validation stops improving. Here it is halved after 5 epochs without an
# improvement, and training stops after 10.
RECIPE = {"batch_size": 128, "learning_rate": 0.01, "weight_decay": 5e-4, "dropout": 0.5, "patience": 10}


def effective(config: Config) -> Config:
    """The knobs that training uses: the config's own, or with RECIPE in their place for `recipe="alexnet"`."""
    return replace(config, **RECIPE) if config.recipe == "alexnet" else config


# The smallest setting that still learns something, for tests.
TOY = Config(model="lenet", epochs=2, batch_size=128)
