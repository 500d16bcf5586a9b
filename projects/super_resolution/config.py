"""Every knob of super-resolution, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """The knobs of a training. A search tries those that have a range."""

    quality: Literal["fast", "default", "best"] = "default"  # how long to learn: see RECIPES below
    scale: Literal[2, 3, 4] = 2  # how many times wider and higher
    seed: Annotated[int, Bounds(min=0, max=1_000_000)] = 0  # same seed, same picture

    kernel: Literal["bicubic", "gaussian"] = "bicubic"  # the filter that shrinks the ground truth
    blur_along: Annotated[float, Bounds(min=0.1, max=8)] = 2.0  # gaussian: sigma of the long axis, in large pixels
    blur_across: Annotated[float, Bounds(min=0.1, max=8)] = 1.0  # gaussian: sigma of the short axis, in large pixels
    blur_angle: Annotated[float, Bounds(min=0, max=180)] = 35.0  # gaussian: direction of the long axis, in degrees
    assume: Literal["true", "bicubic", "estimate"] = "true"  # kernel to undo; estimate: from each small picture

    stages: Literal["auto", "one", "two"] = "auto"  # auto: two for ×4 (first ×2) with a bicubic kernel, else one
    schedule: Literal["cosine", "slope"] = "cosine"  # slope (the paper's): a tenth of the rate when the loss is flat
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 4e-3, log=True)] = 2e-3  # Adam's largest rate
    # None: the value of the quality's recipe below.
    steps: Annotated[int | None, Bounds(min=1)] = None  # training steps of each network; each takes one crop
    networks: Annotated[int | None, Bounds(min=1, max=16)] = None  # networks of the last round; answers are averaged
    rounds: Annotated[int | None, Bounds(min=1, max=8)] = None  # a later round learns from the answer before it too
    width: Annotated[int | None, Bounds(min=1)] = None  # channels of each convolution
    blocks: Annotated[int | None, Bounds(min=1, max=20)] = None  # residual blocks of two convolutions
    crop: Annotated[int | None, Bounds(min=8)] = None  # side of a crop, in large pixels

    pictures: Annotated[int | None, Bounds(min=1)] = None  # at most this many in validation and in test; None: all
    window: Annotated[int, Bounds(min=64, max=300)] = 256  # builtin: side of the window cut from each photograph


# The numbers of each quality. How they were chosen: EXPERIMENTS.md.
RECIPES = {
    "fast": {"steps": 600, "networks": 1, "rounds": 1, "width": 64, "blocks": 3, "crop": 64},
    "default": {"steps": 1000, "networks": 1, "rounds": 1, "width": 64, "blocks": 3, "crop": 80},
    "best": {"steps": 1200, "networks": 2, "rounds": 3, "width": 64, "blocks": 3, "crop": 80},
}

# The smallest setting that still learns something, for the tests.
TOY = Config(quality="fast", steps=60, width=16, blocks=1, crop=32, pictures=2, window=80)


def recipe(config: Config) -> dict[str, int]:
    """The numbers of the quality, replaced by those that the config sets. The keys are those of RECIPES."""
    return {
        name: value if getattr(config, name) is None else getattr(config, name)
        for name, value in RECIPES[config.quality].items()
    }
