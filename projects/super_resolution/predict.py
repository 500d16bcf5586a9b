"""The Predictor, and the command that enlarges a file."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from common import cli, runs
from common.config import from_dict
from common.errors import UserError
from common.inputs.images import SUFFIXES, read_picture, text_pictures, write_picture
from projects.super_resolution import encoding
from projects.super_resolution.config import Config
from projects.super_resolution.encoding import MAX_KERNEL_BYTES, MAX_PIXELS, parse_kernel
from projects.super_resolution.pictures import show_progress


class Predictor:
    """Learns from the picture that it enlarges. It has no networks: `stream` makes them and throws them away.

    networks: {}. meta: {"config": the run's knobs, "examples": pictures with the answers that the run has computed,
    both as PNG in base64}.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.config = from_dict(Config, meta["config"])
        kept = meta.get("examples", [])
        self._examples = [{"picture": picture} for picture in text_pictures(example["picture"] for example in kept)]
        answers = [example["answer"] for example in kept]
        enlarged = text_pictures(answer["picture"] for answer in answers)
        answers = [answer | {"picture": picture} for answer, picture in zip(answers, enlarged, strict=True)]
        self._answers = dict(zip(map(self.key, self._examples), answers, strict=True))

    @property
    def examples(self) -> list[dict[str, Any]]:
        """[{"picture": (h, w, 3) uint8}, …]: shrunk validation pictures. Their answers are kept."""
        return self._examples

    def encode(self, raw: dict[str, Any]) -> tuple[np.ndarray, Config, np.ndarray | str | None]:
        """See `encoding.encode`."""
        return encoding.encode(raw, self.config)

    def key(self, raw: dict[str, Any]) -> str:
        """The key of an answer: the same for the same picture, knobs and kernel."""
        picture, config, kernel = self.encode(raw)
        digest = hashlib.sha256(json.dumps([asdict(config), picture.shape]).encode() + picture.tobytes())
        digest.update(repr(kernel.tolist() if isinstance(kernel, np.ndarray) else kernel).encode())
        return digest.hexdigest()

    def kept(self, raw: dict[str, Any]) -> dict[str, Any] | None:
        """The answer that the run has kept for this input, or None."""
        return self._answers.get(self.key(raw))

    def stream(self, raw: dict[str, Any], previews: bool = True) -> Iterator[dict[str, Any]]:
        """Learn from the picture and yield the answers of `learn.super_resolve`. A kept answer is given at once.

        Closing the generator ends the learning.
        """
        picture, config, kernel = self.encode(raw)
        if (known := self.kept(raw)) is not None:
            yield known
            return
        from projects.super_resolution.learn import super_resolve

        yield from super_resolve(picture, config, kernel, previews)

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The last answer of `stream`. Its picture is (h scale, w scale, 3) uint8."""
        *_, last = self.stream(raw, previews=False)
        return last


def read_kernel(name: str) -> np.ndarray | str | None:
    """The kernel for `Predictor.encode`, from `bicubic`, `estimate`, or the path of a .npy file."""
    if name in ("bicubic", "estimate"):
        return None if name == "bicubic" else name
    path = Path(name)
    try:
        with path.open("rb") as file:
            return parse_kernel(file.read(MAX_KERNEL_BYTES), f"--kernel {path}")
    except FileNotFoundError:
        raise UserError(f"--kernel {path} does not exist; expected bicubic, estimate or a .npy file.") from None
    except OSError as error:
        raise UserError(f"--kernel {path} cannot be read: {error.strerror or error}.") from None


@dataclass(frozen=True)
class Options:
    """The picture to enlarge, and how."""

    input: Path  # the picture: PNG, JPEG, WebP, BMP, TIFF or GIF
    output: Path  # the enlarged picture, in the format of its suffix; .png is lossless
    scale: Literal[2, 3, 4] | None = None  # how many times wider and higher; default: the run's, or 2
    quality: Literal["fast", "default", "best"] | None = None  # how long to learn; default: the run's, or default
    kernel: str | None = None  # how it was shrunk: bicubic, estimate, or a .npy file; default: the run's, or bicubic
    seed: int | None = None  # same seed, same picture
    run: str | None = None  # id of a run, best or latest: use its knobs as defaults; no run is needed
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


def enlarge_file(predictor: Predictor, options: Options) -> dict[str, Any]:
    """Enlarge `options.input` into `options.output` and show the progress. Returns the answer."""
    if options.output.suffix.lower() not in SUFFIXES:
        raise UserError(f"--output {options.output} must end in one of {', '.join(SUFFIXES)}.")
    kernel = {"kernel": read_kernel(options.kernel)} if options.kernel else {}
    raw: dict[str, Any] = {"picture": read_picture(options.input, MAX_PIXELS), **kernel}
    for name in ("scale", "quality", "seed"):
        if getattr(options, name) is not None:
            raw[name] = getattr(options, name)
    for answer in predictor.stream(raw, previews=False):
        show_progress(options.input.name, answer)
    write_picture(answer["picture"], options.output)
    return answer


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        config = run.config if run else Config()
        answer = enlarge_file(Predictor({}, {"config": asdict(config)}), options)
        height, width = answer["picture"].shape[:2]
        print(f"{width} × {height} pixels (kernel: {answer['kernel']}); written to {options.output}")
