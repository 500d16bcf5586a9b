"""From a picture to its class, its probability and where the network looked; and from a folder to a table."""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.data import Split
from common.errors import UserError
from common.evaluation import best_temperature, probabilities
from common.inputs.images import MAX_PIXELS, picture_text, text_picture
from projects.image_classification.config import Config

BATCH = 256  # pictures that are answered at once
EXAMPLES = 12
SHOWN = 10  # classes of an answer, the likeliest
DARK, LIGHT = 32, 128  # levels: the training pictures' ground is dark below, another picture's border is light above
BOX = 20 / 28  # of the side: MNIST's digits were scaled into this box and centred by their mass (LeCun et al. 1998)
FAINT = 0.15  # of the strongest ink: what is fainter is paper


class Predictor:
    """Classifies pictures of any size and says where it looked.

    networks: {"model": pixels -> log-odds}. meta: what `data.describe` says of the input, the temperature and, once
    they are chosen, the examples (PNG in base64).
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self._examples = [{"picture": text_picture(text)} for text in meta.get("examples", [])]

    @property
    def examples(self) -> list[dict[str, Any]]:
        """[{"picture": (h, w, 3) uint8}, …]: pictures of the validation split, of different classes."""
        return self._examples

    @property
    def classes(self) -> list[str]:
        return self.meta["classes"]

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """{"picture": (h, w, 3) uint8} -> the network's input (1, height, width, channels) float32 of 0 … 255.

        A picture of another size is shrunk to its middle square. Where the network learnt on a dark ground, a picture
        with a light border is turned into its negative; where it learnt pen strokes, they are scaled and centred as
        MNIST's are. Raises UserError for another kind of array.
        """
        picture = checked(raw)
        shape = self.meta["shape"]
        if list(picture.shape[:2]) == shape[:2]:
            fitted = squared_to(picture, shape)
        else:
            if self.meta["ground"] < DARK and border(picture) > LIGHT:
                picture = 255 - picture
            fitted = as_digit(picture, shape[0])[..., None] if self.meta["strokes"] else squared_to(picture, shape)
        return fitted[None].astype("float32")

    def decode(self, log_odds: np.ndarray) -> list[dict[str, Any]]:
        """Calibrated log-odds (n, classes) -> for each {"label", "probability", "classes": the likeliest SHOWN}."""
        answers = []
        for shares in probabilities(log_odds):
            order = np.argsort(-shares, kind="stable")[:SHOWN]
            answers.append(
                {
                    "label": self.classes[order[0]],
                    "probability": float(shares[order[0]]),
                    "classes": {self.classes[k]: float(shares[k]) for k in order},
                }
            )
        return answers

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One picture -> {"label", "probability", "classes"}."""
        log_odds = np.asarray(self.networks["model"](self.encode(raw), training=False))
        return self.decode(log_odds / self.meta["temperature"])[0]

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """There is nothing to show before the answer."""
        yield self.predict(raw)

    def looked_at(self, raw: dict[str, Any], label: str | None = None, method: str = "grad_cam") -> np.ndarray:
        """Where the evidence for `label` (left out: for the answer) was: (height, width) of the input, 0 … 1.

        method: `grad_cam`, `cam` (networks that end in a mean over the picture) or `saliency` (any network).
        """
        from common.layers import explain

        inputs = self.encode(raw)
        k = self.classes.index(label or self.predict(raw)["label"])
        return explain.METHODS[method](self.networks["model"], inputs, k)[0]

    def encode_split(self, split: Split, config: Config | None = None, epoch: int = 0) -> Any:
        """The split's pictures as a stream of batches; with `config` for training: shuffled and changed."""
        from projects.image_classification.stream import Pictures

        training = {} if config is None else {"augment": self.meta["augment"], "seed": config.seed, "epoch": epoch}
        size = BATCH if config is None else config.batch_size
        return Pictures(split.inputs, np.asarray(split.targets), self.meta["shape"], size, **training)

    def score(self, inputs: Any) -> np.ndarray:
        """Calibrated log-odds (n, classes) of pictures at the network's size, or of files; in batches, whatever n."""
        from common.training import problems_said
        from projects.image_classification.stream import Pictures

        stream = Pictures(inputs, None, self.meta["shape"], BATCH)
        with problems_said(stream):
            found = [np.asarray(self.networks["model"](stream[i][0], training=False)) for i in range(len(stream))]
        return np.concatenate(found).astype(float) / self.meta.get("temperature", 1.0)

    def calibrate(self, validation: Split) -> None:
        """Keep the temperature that makes the validation labels likeliest."""
        self.meta["temperature"] = best_temperature(self.score(validation.inputs), np.asarray(validation.targets))

    def choose_examples(self, validation: Split) -> None:
        """Keep some validation pictures, of as many classes as there are room for, to start from."""
        from projects.image_classification.stream import Pictures

        stream, targets = Pictures(validation.inputs, None, self.meta["shape"], 1), np.asarray(validation.targets)
        rows = [np.flatnonzero(targets == k) for k in range(len(self.classes))]
        order = [int(own[turn]) for turn in range(EXAMPLES) for own in rows if turn < len(own)][:EXAMPLES]
        pictures = [in_colour(stream.pixels(np.array([row]))[0]) for row in order]
        self.meta["examples"] = [picture_text(picture) for picture in pictures]
        self._examples = [{"picture": picture} for picture in pictures]


def checked(raw: Any) -> np.ndarray:
    """The picture of a raw input; a UserError for another kind of array or too many pixels."""
    picture = np.asarray(raw["picture"])
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or 0 in picture.shape:
        raise UserError(f"The picture is {picture.dtype} {picture.shape}; expected uint8 (height, width, 3).")
    if picture.shape[0] * picture.shape[1] > MAX_PIXELS:
        raise UserError(
            f"The picture has {picture.shape[0] * picture.shape[1]:,} pixels; at most {MAX_PIXELS:,} are taken."
        )
    return picture


def squared_to(picture: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    from projects.image_classification.stream import squared

    return squared(picture, shape)


def in_colour(picture: np.ndarray) -> np.ndarray:
    """(h, w, 1 or 3) uint8 -> (h, w, 3)."""
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def border(picture: np.ndarray) -> float:
    """The middle level (median) along the border."""
    return float(np.median(np.concatenate([picture[[0, -1]].ravel(), picture[:, [0, -1]].ravel()])))


def as_digit(picture: np.ndarray, side: int) -> np.ndarray:
    """Light strokes on dark (h, w, 3) uint8 -> (side, side) uint8 as MNIST was made: scaled into a box of 20/28 of the
    side, its proportions kept, and moved until its centre of mass is in the middle. Without ink: all dark."""
    from PIL import Image
    from scipy.ndimage import shift

    ink = np.asarray(Image.fromarray(picture).convert("L")).astype(float)
    ink = np.clip(ink - np.median(ink), 0, None)  # the paper is most of the picture
    there = ink > FAINT * max(ink.max(), 1.0)
    if not there.any():
        return np.zeros((side, side), np.uint8)
    ink = ink * (255 / ink.max())
    (top, *_, bottom), (left, *_, right) = (np.flatnonzero(there.any(axis=axis))[[0, -1]] for axis in (1, 0))
    cut = Image.fromarray(ink[top : bottom + 1, left : right + 1].astype(np.uint8))
    factor = BOX * side / max(cut.size)
    cut = cut.resize([max(1, round(factor * length)) for length in cut.size], Image.Resampling.BOX)
    canvas = np.zeros((side, side))
    width, height = cut.size
    y, x = (side - height) // 2, (side - width) // 2
    canvas[y : y + height, x : x + width] = np.asarray(cut)
    mass = canvas.sum()
    centre = [float((canvas.sum(axis=axis) @ np.arange(side)) / mass) for axis in (1, 0)]
    moved = shift(canvas, [side / 2 - at for at in centre], order=1)  # MNIST's digits have it at 14.0, not at 13.5
    return np.clip(np.round(moved), 0, 255).astype(np.uint8)


def classify_folder(predictor: Predictor, folder: Path, target: Path) -> tuple[int, int]:
    """Write a CSV with file, predicted and probability for every picture in `folder`; (rows, files left out).

    A file that is no picture, damaged or too large is named on stderr and left out.
    """
    from common.files import replacing
    from common.inputs.images import find_pictures, read_picture

    rows = left_out = 0
    paths = find_pictures(folder)
    if not paths:
        raise UserError(f"{folder} holds no picture.")
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "predicted", "probability"])
        for start in range(0, len(paths), BATCH):
            names, inputs = [], []
            for path in paths[start : start + BATCH]:
                try:
                    inputs.append(predictor.encode({"picture": read_picture(path)}))
                    names.append(path.name)
                except UserError as error:
                    print(f"\nleft out: {error}", file=sys.stderr)
                    left_out += 1
            if inputs:
                log_odds = np.asarray(predictor.networks["model"](np.concatenate(inputs), training=False))
                answers = predictor.decode(log_odds / predictor.meta["temperature"])
                table.writerows([n, a["label"], f"{a['probability']:.6f}"] for n, a in zip(names, answers, strict=True))
                rows += len(names)
            print(f"\r{rows:,} pictures", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if not rows:
            raise UserError(f"None of the {len(paths):,} files in {folder} is a picture that can be read.")
    return rows, left_out


@dataclass(frozen=True)
class Options:
    """What to classify, and by which run."""

    input: Path  # a picture, or a folder of pictures: PNG, JPEG, WebP, BMP, TIFF or GIF, grey or in colour
    output: Path | None = None  # a folder's answers as .csv: file, predicted, probability
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        if self.input.is_dir() and (self.output is None or self.output.suffix != ".csv"):
            raise UserError("A folder needs --output FILE.csv.")


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        if options.input.is_dir():
            rows, left_out = classify_folder(run.load(), options.input, options.output)
            print(f"{rows:,} pictures, {left_out:,} files left out, by run {run.id}; written to {options.output}")
        else:
            from common.inputs.images import read_picture

            answer = run.load().predict({"picture": read_picture(options.input)})
            print(f"{answer['label']}  {answer['probability']:.1%}")
            for label, share in list(answer["classes"].items())[1:5]:
                print(f"  {label}  {share:.1%}")
