"""From films to the network's numbers, and from logits back to labels and segments.

`describe` fits `meta` on the training films. It is plain JSON and holds all that encoding needs.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from common.errors import UserError
from common.evaluation import TEMPERATURE, softmax
from common.inputs.images import text_picture
from common.saved import unlike
from common.schema import Between, check_input
from projects.video_labelling.config import Config

SIDE = 64  # pixels of a frame as the network sees it
MAX_FRAMES = 100_000  # the longest film that is labelled
MAX_FRAME_PIXELS = 4_000_000
MAX_SAMPLE = 10  # films from which mean and variance are computed
UNLABELLED = -1  # a frame that nobody has labelled: neither learnt nor scored

# What a raw input holds beside its frames: how many of them are a second. Left out: the rate of training.
RAW = {"rate?": Between(0.01, 1000.0)}
META = {  # meta.json (see common/schema.py)
    "labels": [str],
    "rate": Between(0.1, 60.0),
    "frames": Between(4, 512),
    "mean": [float],
    "variance": [float],
    "temperature": TEMPERATURE,
    "caution_below": Between(0.0, 1.0),
    "shown": bool,  # whether its films may be shown; nobody in surveillance films has agreed to that
    "examples": [{"frames": Between(1, 512), "strip": str, "labels": [int]}],
}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the networks, in a few words; empty where it does."""
    labels = len(meta["labels"])
    if labels < 2 or not meta["examples"] or len(set(meta["labels"])) < labels:
        return "labels or examples are missing, or a label is there twice"
    if any(not -1 <= label < labels for example in meta["examples"] for label in example["labels"]):
        return "an example has a label that is not there"
    if "encoder" not in networks or networks["encoder"].output is None:
        return "it has no encoder"
    features, channels = networks["encoder"].output_shape[-1], networks["encoder"].input_shape[-1]
    if channels not in (3, 6):
        return f"its encoder reads {channels} channels"
    expected: dict[str, tuple] = {
        "encoder": ([(None, SIDE, SIDE, channels)], [(None, features)]),
        "labeller": ([(None, None, features), (None, None)], [(None, None, labels)]),
    }
    if "step" in networks:
        states = [(None, *part.shape[1:]) for part in networks["step"].inputs[1:]]
        expected["step"] = ([(None, SIDE, SIDE, channels), *states], [(None, labels), *states])
    if wrong := unlike(networks, expected):
        return wrong
    return "" if networks["labeller"].inputs[1].name == "mask" else "its labeller has no input with the name mask"


def describe(config: Config, labels: list[str], rate: float, films: Sequence[Any]) -> dict[str, Any]:
    """`meta` of the training films: each has a method `pixels`, (T, SIDE, SIDE, 3) uint8."""
    rows = np.unique(np.linspace(0, len(films) - 1, MAX_SAMPLE).astype(int))
    sample = np.concatenate([films[row].pixels() for row in rows]).reshape(-1, 3).astype(float)
    return {
        "labels": labels,
        "rate": rate,
        "frames": config.frames,
        "mean": sample.mean(axis=0).tolist(),
        "variance": np.maximum(sample.var(axis=0), 1.0).tolist(),
        "temperature": 1.0,  # this one and the next: until `Predictor.calibrate`
        "caution_below": 0.0,
    }


def checked(raw: Any) -> tuple[np.ndarray, float | None]:
    """The frames (T, h, w, 3) uint8 of a raw input, and their rate. Raises UserError for anything else."""
    film = raw.get("film") if isinstance(raw, dict) else None
    if not isinstance(film, np.ndarray) or film.ndim != 4 or film.shape[3] != 3 or film.dtype != np.uint8:
        raise UserError("The input holds no film; expected {'film': frames (T, height, width, 3) of uint8}.")
    check_input({name: value for name, value in raw.items() if name != "film"}, RAW)
    if not film.size:
        raise UserError("The film has no frame.")
    if len(film) > MAX_FRAMES:
        raise UserError(f"The film has {len(film):,} frames; at most {MAX_FRAMES:,} are labelled.")
    if film.shape[1] * film.shape[2] > MAX_FRAME_PIXELS:
        size = f"{film.shape[2]} × {film.shape[1]}"
        raise UserError(f"The frames have {size} pixels; at most {MAX_FRAME_PIXELS:,} are taken.")
    return film, raw.get("rate")


def encode(raw: dict[str, Any], meta: dict[str, Any]) -> np.ndarray:
    """{"film": (T, h, w, 3) uint8, "rate"} -> the network's frames (T', SIDE, SIDE, 3) uint8 at the rate of training.

    At each time the frame that is shown then. Raises UserError for what is no film.
    """
    film, rate = checked(raw)
    step = 1.0 if rate is None else rate / meta["rate"]  # frames of the film for each frame of the network
    count = int(np.ceil(len(film) / step - 1e-6))
    if count > MAX_FRAMES:
        raise UserError(f"The film has {count:,} frames; at most {MAX_FRAMES:,} are labelled.")
    shown = np.minimum((np.arange(count) * step + 1e-6).astype(int), len(film) - 1)
    small = {i: squeezed(film[i]) for i in np.unique(shown)}
    return np.stack([small[i] for i in shown])


def pairs(frames: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """Each frame with the one before it: (T, SIDE, SIDE, 3) -> (T, SIDE, SIDE, 6).

    before: the frame before the first one (1, SIDE, SIDE, 3). None: there is none, and it counts as unchanged.
    """
    before = frames[:1] if before is None else before
    return np.concatenate([frames, np.concatenate([before, frames[:-1]])], axis=-1)


def squeezed(frame: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 -> the whole frame at (SIDE, SIDE, 3), by Pillow's box filter."""
    from PIL import Image

    if frame.shape == (SIDE, SIDE, 3):
        return frame
    return np.asarray(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BOX))


def decode(logits: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    """Logits (…, labels), divided by the temperature -> probabilities."""
    return softmax(logits / meta["temperature"])


def segments(labels: Sequence[int] | np.ndarray) -> list[tuple[int, int, int]]:
    """(label, first frame, frame after the last) of each stretch of frames with one label; unlabelled ones stay out."""
    result, begin = [], 0
    for label, group in itertools.groupby(np.asarray(labels).tolist()):
        end = begin + len(list(group))
        if label != UNLABELLED:
            result.append((label, begin, end))
        begin = end
    return result


def strip_text(frames: np.ndarray) -> str:
    """Frames (T, SIDE, SIDE, 3) uint8 one below the other as JPEG in base64, which `meta.json` can hold."""
    import base64

    from common.inputs.images import picture_bytes

    return base64.b64encode(picture_bytes(frames.reshape(-1, SIDE, 3), "JPEG")).decode()


def example_film(example: dict[str, Any]) -> np.ndarray:
    """The frames (T, SIDE, SIDE, 3) of an example of meta.json. Raises UserError where the strip has another height."""
    strip = text_picture(example["strip"])
    if strip.shape != (example["frames"] * SIDE, SIDE, 3):
        raise UserError("meta.json is damaged: an example has another number of frames.")
    return strip.reshape(-1, SIDE, SIDE, 3)
