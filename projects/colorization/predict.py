"""The Predictor, and the command that colours a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.errors import UserError
from common.inputs.images import SUFFIXES, read_picture, text_pictures, write_picture
from common.layers.answers import answers
from projects.colorization import encoding


class Predictor:
    """Colours pictures of any size. Only their lightness is used.

    networks: {"model": the generator, from lightness to ab}. meta: {"size": shorter side of the pictures that it has
    learnt from, "depth": its halvings, "examples": pictures as PNG in base64}.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.examples = [{"picture": picture} for picture in text_pictures(meta["examples"])]

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """See `encoding.encode`."""
        return encoding.encode(raw, self.meta)

    def decode(self, output: np.ndarray, raw: dict[str, Any]) -> dict[str, Any]:
        """See `encoding.decode`."""
        return encoding.decode(output, raw, self.meta)

    def colours(self, lightness: np.ndarray) -> np.ndarray:
        """Lightness (n, h, w) of any h and w, 0 … 100 -> ab (n, h, w, 2)."""
        x = lightness[..., None] / encoding.L_SCALE - 1
        output = answers(self.networks["model"], encoding.padded(x, self.meta["depth"]))
        return encoding.AB_SCALE * output[:, : x.shape[1], : x.shape[2]]

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{"picture": (h, w, 3) uint8} -> {"picture": the coloured one, "colourfulness": see `lab.colourfulness`}."""
        return self.decode(answers(self.networks["model"], self.encode(raw))[0], raw)

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer of `predict`; there is nothing to show before it."""
        yield self.predict(raw)


@dataclass(frozen=True)
class Options:
    """The picture to colour, and the run that colours it."""

    input: Path  # the picture, grey or in colour (only its lightness is used): PNG, JPEG, WebP, BMP, TIFF or GIF
    output: Path  # the coloured picture, in the format of its suffix; .png is lossless
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


def colour_file(predictor: Predictor, source: Path, target: Path) -> tuple[int, int]:
    """Colour `source` into `target`. Returns (width, height)."""
    if target.suffix.lower() not in SUFFIXES:
        raise UserError(f"--output {target} must end in one of {', '.join(SUFFIXES)}.")
    picture = predictor.predict({"picture": read_picture(source)})["picture"]
    write_picture(picture, target)
    return picture.shape[1], picture.shape[0]


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        width, height = colour_file(run.load(), options.input, options.output)
        print(f"{width} × {height} pixels, coloured by run {run.id}; written to {options.output}")
