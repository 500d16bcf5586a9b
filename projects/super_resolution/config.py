"""Every knob of super-resolution, one line each."""

from dataclasses import dataclass
from typing import Annotated, Literal

from common.config import Bounds, Search


@dataclass(frozen=True)
class Config:
    """Knobs of the science; a search tries those that have a range."""

    quality: Literal["fast", "default", "best"] = "default"  # how long to learn: see RECIPES below
    scale: Literal[2, 3, 4] = 2  # how many times wider and higher
    seed: Annotated[int, Bounds(min=0)] = 0  # same seed, same picture

    kernel: Literal["bicubic", "gaussian"] = "bicubic"  # how the ground truth is shrunk
    blur_along: Annotated[float, Bounds(min=0.1, max=8)] = 2.0  # gaussian: its longer sigma, in large pixels
    blur_across: Annotated[float, Bounds(min=0.1, max=8)] = 1.0  # gaussian: its shorter sigma, in large pixels
    blur_angle: Annotated[float, Bounds(min=0, max=180)] = 35.0  # gaussian: where the longer axis points, in degrees
    assume: Literal["true", "bicubic", "estimate"] = "true"  # the kernel to undo; estimate: read off each small picture

    stages: Literal["auto", "one", "two"] = "auto"  # auto: ×4 by way of ×2; ×2, ×3 and a gaussian kernel at once
    schedule: Literal["cosine", "slope"] = "cosine"  # slope: the paper's, a tenth when the error's fitted line is flat
    learning_rate: Annotated[float, Bounds(min=1e-8), Search(5e-4, 4e-3, log=True)] = 2e-3  # Adam's highest step size
    # None: as the quality's recipe below says.
    steps: Annotated[int | None, Bounds(min=1)] = None  # crops that each network learns from, one a step
    networks: Annotated[int | None, Bounds(min=1, max=16)] = None  # seeds averaged in the last round
    rounds: Annotated[int | None, Bounds(min=1, max=8)] = None  # later ones learn from the last answer too
    width: Annotated[int | None, Bounds(min=1)] = None  # channels of each convolution
    blocks: Annotated[int | None, Bounds(min=1, max=20)] = None  # residual blocks, two convolutions each
    crop: Annotated[int | None, Bounds(min=8)] = None  # side of a crop, in large pixels

    pictures: Annotated[int | None, Bounds(min=1)] = None  # the most in each of validation and test; else all
    window: Annotated[int, Bounds(min=64, max=300)] = 256  # builtin: side of the window cut from each photograph


# What each quality means. Measured choices: README.md, "What was tried".
RECIPES = {
    "fast": {"steps": 600, "networks": 1, "rounds": 1, "width": 64, "blocks": 3, "crop": 64},
    "default": {"steps": 1000, "networks": 1, "rounds": 1, "width": 64, "blocks": 3, "crop": 80},
    "best": {"steps": 1200, "networks": 2, "rounds": 3, "width": 64, "blocks": 3, "crop": 80},
}

# The smallest setting that still learns something: what the tests use.
TOY = Config(quality="fast", steps=60, width=16, blocks=1, crop=32, pictures=2, window=80)


def recipe(config: Config) -> dict[str, int]:
    """The numbers of the quality, where the config does not say otherwise; the keys are those of RECIPES."""
    return {
        name: value if getattr(config, name) is None else getattr(config, name)
        for name, value in RECIPES[config.quality].items()
    }
