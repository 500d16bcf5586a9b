"""From a grey (or colour) picture to a coloured one, and the command that does it to a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.data import Split
from common.errors import UserError
from common.inputs.images import picture_text, text_picture

MAX_PIXELS = 8_000_000  # of the picture to be coloured
LEAST_SIDE = 16  # pixels: less shows nothing to colour
WORKING_SQUARES = 16  # the network sees a picture shrunk to at most that many squares of the size it has learnt on
EXAMPLES, EXAMPLE_SIDE = 6, 224


class Predictor:
    """Colours pictures of any size; only their lightness is looked at.

    networks: {"model": generator from lightness to ab}. meta: {"size": shorter side that it has learnt on, "depth": its
    halvings, "examples": pictures as PNG in base64}.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self._examples = [{"picture": text_picture(text)} for text in meta.get("examples", [])]

    @property
    def examples(self) -> list[dict[str, Any]]:
        """[{"picture": (h, w, 3) uint8}, …]: photographs of the validation split, in their own colours."""
        return self._examples

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """A raw {"picture": (h, w, 3) uint8} -> the network's input (1, h', w', 1), before padding.

        The picture is resized until its shorter side is what the network has learnt on, a very long one to less.
        Raises UserError for another kind of array, a side under 16 pixels or too many pixels.
        """
        from projects.colorization.data import resized
        from projects.colorization.lab import L_SCALE, to_lab

        picture = np.asarray(raw["picture"])
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise UserError(f"The picture is {picture.dtype} {picture.shape}; expected uint8 (height, width, 3).")
        height, width = picture.shape[:2]
        if min(height, width) < LEAST_SIDE:
            raise UserError(f"The picture has {width} × {height} pixels; each side needs at least {LEAST_SIDE}.")
        if height * width > MAX_PIXELS:
            raise UserError(f"The picture has {height * width:,} pixels; at most {MAX_PIXELS:,} are coloured.")
        size = self.meta["size"]
        factor = min(size / min(height, width), size * (WORKING_SQUARES / (height * width)) ** 0.5)
        return to_lab(resized(picture, factor))[0][None] / L_SCALE - 1

    def colours(self, inputs: np.ndarray) -> np.ndarray:
        """Network inputs (n, h, w, 1) of any h and w -> ab (n, h, w, 2) in their own units."""
        from projects.colorization.lab import AB_SCALE

        height, width = inputs.shape[1:3]
        step = 2 ** self.meta["depth"]
        padding = [(0, 0), (0, -height % step), (0, -width % step), (0, 0)]
        ab = self.networks["model"](np.pad(inputs, padding, mode="symmetric"), training=False)
        return AB_SCALE * np.asarray(ab)[:, :height, :width]

    def decode(self, ab: np.ndarray, raw: dict[str, Any]) -> dict[str, Any]:
        """ab (h', w', 2) of the shrunk picture, enlarged, under the lightness of the whole one."""
        from projects.colorization.lab import enlarged, to_lab, to_rgb
        from projects.colorization.scores import colourfulness

        lightness, _ = to_lab(raw["picture"])
        picture = to_rgb(lightness, enlarged(ab, lightness.shape[:2]))
        return {"picture": picture, "colourfulness": colourfulness(picture)}

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{"picture": (h, w, 3) uint8} -> {"picture": the coloured one, "colourfulness": of Hasler & Süsstrunk}."""
        return self.decode(self.colours(self.encode(raw))[0], raw)

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """There is nothing to show before the answer."""
        yield self.predict(raw)

    def encode_split(self, split: Split, batch_size: int, zoom: float | None = None, epoch: int = 0) -> Any:
        """The split's pictures as a stream of (input, target) batches; see `stream.Photographs`."""
        from projects.colorization.stream import Photographs

        return Photographs(split.inputs, self.meta["size"], batch_size, zoom, epoch)

    def choose_examples(self, validation: Split) -> None:
        """Keep some validation photographs, evenly over the list, to start from."""
        from projects.colorization.data import shrunk

        numbers = np.unique(np.linspace(0, len(validation) - 1, EXAMPLES).round().astype(int))
        kept = [shrunk(validation.inputs[i], EXAMPLE_SIDE) for i in numbers]
        self.meta["examples"] = [picture_text(picture) for picture in kept]
        self._examples = [{"picture": picture} for picture in kept]


@dataclass(frozen=True)
class Options:
    """Which picture to colour, and by which run."""

    input: Path  # the picture, grey or colour (only its lightness is looked at): PNG, JPEG, WebP, BMP, TIFF or GIF
    output: Path  # the coloured picture, by its suffix; .png loses nothing
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


def colour_file(predictor: Predictor, source: Path, target: Path) -> tuple[int, int]:
    """Colour `source` into `target`; returns (width, height)."""
    from common.inputs.images import SUFFIXES, read_picture, write_picture

    if target.suffix.lower() not in SUFFIXES:
        raise UserError(f"--output {target} must end in one of {', '.join(SUFFIXES)}.")
    picture = predictor.predict({"picture": read_picture(source, MAX_PIXELS)})["picture"]
    write_picture(picture, target)
    return picture.shape[1], picture.shape[0]


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        width, height = colour_file(run.load(), options.input, options.output)
        print(f"{width} × {height} pixels, coloured by run {run.id}; written to {options.output}")
