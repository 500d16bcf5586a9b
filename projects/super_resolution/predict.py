"""From a small picture to a large one, and the command that does it to a file."""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from common import cli, runs
from common.config import from_dict
from common.errors import UserError
from common.inputs.images import picture_text, text_picture
from projects.super_resolution.config import Config

MAX_PIXELS = 2_000_000  # of the picture to be enlarged
MAX_LARGE_PIXELS = 16_000_000  # of the enlarged one
MAX_KERNEL = 64  # rows and columns of a blur kernel


class Predictor:
    """Learns from the picture it is given. It has no networks: they are made, used and thrown away in `stream`.

    networks: {}. meta: {"config": the run's knobs, "examples": pictures with the answers that the run has computed,
    both as PNG in base64}.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.config = from_dict(Config, meta["config"])
        self._examples = [{"picture": text_picture(kept["picture"])} for kept in meta.get("examples", [])]
        self._answers = {
            self.key(raw): {**kept["answer"], "picture": text_picture(kept["answer"]["picture"])}
            for raw, kept in zip(self._examples, meta.get("examples", []), strict=True)
        }

    @property
    def examples(self) -> list[dict[str, Any]]:
        """[{"picture": (h, w, 3) uint8}, …]: shrunk validation pictures; their answers are kept, not computed again."""
        return self._examples

    def encode(self, raw: dict[str, Any]) -> tuple[np.ndarray, Config, np.ndarray | str | None]:
        """(picture, knobs, kernel) of a raw input, checked; a UserError says what is wrong.

        raw: {"picture": (h, w, 3) uint8}, and optionally "scale", "quality", "seed" instead of the run's own, "kernel":
        (rows, columns) weights of the blur by which the picture was shrunk (None: bicubic; "estimate": read off the
        picture; left out: the run's own).
        """
        from projects.super_resolution.data import LEAST_SIDE, assumed_kernel

        config = replace(self.config, **{name: raw[name] for name in ("scale", "quality", "seed") if name in raw})
        picture = np.asarray(raw["picture"])
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise UserError(f"The picture is {picture.dtype} {picture.shape}; expected uint8 (height, width, 3).")
        height, width = picture.shape[:2]
        if min(height, width) < LEAST_SIDE:
            raise UserError(
                f"The picture has {width} × {height} pixels; to learn from it each side needs at least {LEAST_SIDE}."
            )
        most = min(MAX_PIXELS, MAX_LARGE_PIXELS // config.scale**2)
        if height * width > most:
            raise UserError(
                f"The picture has {height * width:,} pixels; at most {most:,} can be enlarged {config.scale} times."
            )
        kernel = raw.get("kernel", assumed_kernel(config))
        return picture, config, kernel if isinstance(kernel, str) and kernel == "estimate" else checked_kernel(kernel)

    def key(self, raw: dict[str, Any]) -> str:
        """The same for the same picture, knobs and kernel: what a result is kept under."""
        picture, config, kernel = self.encode(raw)
        digest = hashlib.sha256(json.dumps([asdict(config), picture.shape]).encode() + picture.tobytes())
        digest.update(repr(None if kernel is None else kernel if isinstance(kernel, str) else kernel.tolist()).encode())
        return digest.hexdigest()

    def kept(self, raw: dict[str, Any]) -> dict[str, Any] | None:
        """The answer that the run has kept for this very input, or None."""
        return self._answers.get(self.key(raw))

    def stream(self, raw: dict[str, Any], previews: bool = True) -> Iterator[dict[str, Any]]:
        """Learn from the picture and yield {"picture", "progress", "loss", "seconds", "kernel"} as it improves.

        Closing the generator ends the learning. A result that the run has kept is given at once.
        """
        picture, config, kernel = self.encode(raw)
        if (known := self.kept(raw)) is not None:
            yield known
            return
        from projects.super_resolution.blur import resolve_kernel
        from projects.super_resolution.learn import super_resolve

        kernel, name = resolve_kernel(kernel, picture, config.scale)
        for answer in super_resolve(picture, config, kernel, previews):
            yield {**answer, "kernel": name}

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The last answer of `stream`; its picture is (h scale, w scale, 3) uint8."""
        *_, last = self.stream(raw, previews=False)
        return last

    def keep_example(self, low: np.ndarray, answer: dict[str, Any]) -> None:
        """Keep a picture and its answer in `meta`, to start from."""
        kept = {"picture": picture_text(low), "answer": {**answer, "picture": picture_text(answer["picture"])}}
        self.meta.setdefault("examples", []).append(kept)
        self._examples.append({"picture": low})
        self._answers[self.key({"picture": low})] = answer


def checked_kernel(kernel: Any) -> np.ndarray | None:
    """A blur kernel as floats that add up to 1, or None for bicubic; a UserError says what is wrong."""
    if kernel is None:
        return None
    kernel = np.asarray(kernel)
    if (
        kernel.ndim != 2
        or kernel.dtype.kind not in "fiu"
        or not 1 <= min(kernel.shape) <= max(kernel.shape) <= MAX_KERNEL
    ):
        raise UserError(
            f"The kernel is {kernel.dtype} {kernel.shape}; expected numbers, at most {MAX_KERNEL} × {MAX_KERNEL}."
        )
    kernel = kernel.astype(float)
    if not np.isfinite(kernel).all() or kernel.sum() <= 1e-6 * np.abs(kernel).sum() or not kernel.any():
        raise UserError("The kernel's weights must be finite and add up to more than 0.")
    return kernel / kernel.sum()


def read_kernel(name: str) -> np.ndarray | str | None:
    """What `Predictor.encode` takes for a kernel: of `bicubic`, `estimate`, or the path of a .npy file."""
    if name in ("bicubic", "estimate"):
        return None if name == "bicubic" else name
    path = Path(name)
    try:
        with path.open("rb") as file:
            return checked_kernel(np.lib.format.read_array(file, allow_pickle=False))
    except FileNotFoundError:
        raise UserError(f"--kernel {path} does not exist; expected bicubic, estimate or a .npy file.") from None
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"--kernel {path} is not a .npy file of numbers: {error}.") from None


@dataclass(frozen=True)
class Options:
    """Which picture to enlarge, and how."""

    input: Path  # the picture: PNG, JPEG, WebP, BMP, TIFF or GIF
    output: Path  # the enlarged picture, by its suffix; .png loses nothing
    scale: Literal[2, 3, 4] | None = None  # how many times wider and higher; else the run's, 2 without a run
    quality: Literal["fast", "default", "best"] | None = (
        None  # how long to learn; else the run's, default without a run
    )
    kernel: str | None = None  # how it was shrunk: bicubic, estimate, a .npy file; else the run's, bicubic without one
    seed: int | None = None  # same seed, same picture
    run: str | None = None  # id of a run, best or latest: take its knobs instead of the defaults; no run is needed
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


def enlarge_file(predictor: Predictor, options: Options) -> dict[str, Any]:
    """Enlarge `options.input` into `options.output`, saying how far it is; returns the answer."""
    from common.inputs.images import SUFFIXES, read_picture, write_picture

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


def show_progress(name: str, answer: dict[str, Any]) -> None:
    """One line on the terminal, written over: how far, the error, the time left; nothing where there is no terminal."""
    if not sys.stderr.isatty():
        return
    progress, seconds = answer["progress"], answer["seconds"]
    left = f"{seconds / progress * (1 - progress):4.0f} s left" if progress > 0.02 else ""
    error = "" if answer["loss"] is None else f"error {255 * answer['loss']:.2f} levels"
    end = "\n" if progress == 1 else ""
    print(f"\r\x1b[K{name}  {progress:4.0%}  {error}  {left}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        config = run.config if run else Config()
        answer = enlarge_file(Predictor({}, {"config": asdict(config)}), options)
        height, width = answer["picture"].shape[:2]
        print(f"{width} × {height} pixels (kernel: {answer['kernel']}); written to {options.output}")
