"""Find the faces in a picture, and say of each whether it wears a mask. Also for a whole folder."""

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
from common.files import quoted, replacing
from common.inputs.images import find_pictures, picture_text, read_picture, text_pictures, write_picture
from projects.mask_detection import augment, encoding, metrics
from projects.mask_detection.config import Config

BATCH = 16  # pictures that are answered at once
EXAMPLES = 6
COLOURS = ("#009E73", "#D55E00", "#E69F00", "#0072B2", "#CC79A7", "#56B4E9")  # colours of the classes, in turn
CACHE_BYTES = 600 * 2**20  # pictures of a folder that are kept in memory while a network learns
KEPT_SIDE = 1.5  # their longer side at most, in sides of the input


class Predictor:
    """Finds objects in pictures of any size.

    networks: {"model": see `model.build_model`}. meta: see `encoding.META`.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.examples = [{"picture": picture} for picture in text_pictures(meta.get("examples", []))]

    @property
    def classes(self) -> list[str]:
        return self.meta["classes"]

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """{"picture": (h, w, 3) uint8} -> (1, size, size, 3) float32; see `encoding.encode`."""
        return encoding.encode(raw, self.meta)

    def decode(self, output: Any, shape: Sequence[int], threshold: float | None = None) -> dict[str, Any]:
        """One picture's output -> the answer; see `predict`. shape: of the picture."""
        least = self.meta["threshold"] if threshold is None else threshold
        found = encoding.decode(output, shape, self.meta, least)
        objects = [
            {"label": self.classes[label], "score": float(score), "box": [round(float(side), 2) for side in box]}
            for box, score, label in zip(found["boxes"], found["scores"], found["labels"], strict=True)
        ]
        counts = {name: sum(one["label"] == name for one in objects) for name in self.classes}
        answer = {"objects": objects, "counts": counts}
        return {**answer, "masks": whole_masks(found, shape)} if "masks" in found else answer

    def predict(self, raw: dict[str, Any], threshold: float | None = None) -> dict[str, Any]:
        """{"objects": [{"label", "score", "box": [left, top, right, bottom]}], "counts": {class: number}}.

        The best object is first. mask_rcnn adds "masks", (objects, h, w) bool. threshold: the least score; None: the
        one with the best F1 on validation.
        """
        output = self.outputs(self.encode(raw))[0]
        return self.decode(output, raw["picture"].shape, threshold)

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer of `predict`. There is nothing to show before it."""
        yield self.predict(raw)

    def outputs(self, x: np.ndarray) -> list[Any]:
        """The network's output for each of the encoded pictures (n, size, size, 3): an array, or a list of four."""
        parts = []
        for begin in range(0, len(x), BATCH):
            rows = x[begin : begin + BATCH]
            size = 1 if len(rows) == 1 else BATCH  # each size is compiled once
            output = self.networks["model"].predict_on_batch(np.resize(rows, (size, *rows.shape[1:])))
            several = isinstance(output, (list, tuple))
            for k in range(len(rows)):
                parts.append([np.asarray(one[k]) for one in output] if several else np.asarray(output[k]))
        return parts

    def found(self, sources: Sequence[Path | np.ndarray]) -> list[dict[str, np.ndarray]]:
        """`encoding.decode` of each picture or file, with all scores, in pixels of the picture."""
        result = []
        for begin in range(0, len(sources), BATCH):
            pictures = [encoding.picture_of(source) for source in sources[begin : begin + BATCH]]
            x = np.concatenate([self.encode({"picture": picture}) for picture in pictures])
            for output, picture in zip(self.outputs(x), pictures, strict=True):
                result.append({**encoding.decode(output, picture.shape, self.meta), "shape": picture.shape[:2]})
        return result

    def matches(self, split: Split, found: Sequence[dict] | None = None, band: str = "all", masks: bool = False) -> Any:
        """`metrics.matched` of a split's targets and what was found there; lengths are in pixels of the input."""
        found = self.found(split.inputs) if found is None else found
        return matches_of(found, split.targets, self.meta, band, masks)

    def encode_split(self, split: Split, config: Config, training: bool = False) -> Any:
        """The split as a stream of batches; see `picture_stream`."""
        return picture_stream(split, self.meta, config, training)

    def choose_examples(self, validation: Split) -> None:
        """Keep EXAMPLES validation pictures with many objects, the fullest first, not larger than needed."""
        rows = np.argsort([-len(one["labels"]) for one in validation.targets], kind="stable")[:EXAMPLES]
        pictures = [small(encoding.picture_of(validation.inputs[row]), 3 * self.meta["size"]) for row in rows]
        self.meta["examples"] = [picture_text(picture) for picture in pictures]
        self.examples = [{"picture": picture} for picture in pictures]


def matches_of(
    found: Sequence[dict], targets: Sequence[dict], meta: dict[str, Any], band: str = "all", masks: bool = False
) -> Any:
    """`metrics.matched` of targets and `Predictor.found`'s boxes, both scaled to the network's input."""
    truths, answers = [], []
    for one, target in zip(found, targets, strict=True):
        factor = meta["size"] / max(one["shape"])
        truths.append({**target, "boxes": target["boxes"] * factor})
        answers.append({**one, "boxes": one["boxes"] * factor})
        if masks:
            truths[-1]["whole"] = [
                placed(mask, box, one["shape"]) for mask, box in zip(target["masks"], target["boxes"], strict=True)
            ]
            answers[-1]["whole"] = whole_masks(one, one["shape"])
    return metrics.matched(truths, answers, len(meta["classes"]), band, masks)


def placed(mask: np.ndarray, box: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The mask (h, w) bool of a picture, from the part of it inside a box."""
    whole = np.zeros(shape[:2], bool)
    left, top = np.floor(box[:2]).astype(int)
    whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    return whole


def whole_masks(found: dict[str, np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """The masks (n, h, w) bool of the objects of `encoding.decode`, as large as the picture."""
    masks = [encoding.pasted(mask, box, shape) for mask, box in zip(found["masks"], found["mask_boxes"], strict=True)]
    return np.stack(masks) if masks else np.zeros((0, *shape[:2]), bool)


def small(picture: np.ndarray, side: float) -> np.ndarray:
    """A picture whose longer side is at most `side`."""
    from PIL import Image

    factor = side / max(picture.shape[:2])
    if factor >= 1:
        return picture
    size = [max(8, round(factor * length)) for length in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def picture_stream(split: Split, meta: dict[str, Any], config: Config, training: bool) -> Any:
    """A `common.stream.Stream` of inputs (n, size, size, 3) float32 and what the network learns of them.

    training: pictures with rare classes are drawn more often, pictures are changed at random, and faces of rare classes
    are pasted in. Otherwise the order and the pictures stay.
    """
    from common.stream import Cache, Stream, row_batches

    side, classes = meta["size"], len(meta["classes"])

    def kept(row: int) -> np.ndarray:
        return small(encoding.picture_of(split.inputs[row]), KEPT_SIDE * side)

    cache = Cache(kept, CACHE_BYTES)

    def sample(row: int) -> tuple[np.ndarray, dict[str, Any]]:
        """A picture and its target, in the pixels of the kept picture."""
        source, target = split.inputs[row], split.targets[row]
        if isinstance(source, np.ndarray):
            return source, target
        picture = cache[row]
        width, height, factor = *picture.shape[1::-1], _factor(split, row, picture)
        return picture, {**target, "boxes": np.clip(target["boxes"] * factor, 0, [width, height, width, height])}

    counts = np.bincount(np.concatenate([one["labels"] for one in split.targets]).astype(int), minlength=classes)
    drawn, rare = balance(split.targets, counts), rare_classes(counts)
    places = [(row, k) for row, one in enumerate(split.targets) for k, label in enumerate(one["labels"]) if rare[label]]

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        if not training:
            return row_batches(len(split), config.batch_size)
        rows = random.choice(len(split), len(split), p=drawn)
        return np.split(rows, range(config.batch_size, len(rows), config.batch_size))

    def cut(random: np.random.Generator) -> list[tuple[np.ndarray, int]]:
        parts = []
        for number in random.integers(len(places), size=augment.PASTED):
            row, k = places[number]
            picture, target = sample(row)
            part = augment.cut_out(picture, target["boxes"][k])
            if min(part.shape[:2]) >= 8:
                parts.append((part, int(target["labels"][k])))
        return parts

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        x, y = [], []
        for row in rows:
            picture, target = sample(int(row))
            if training:
                picture, target = augment.changed(picture, target, side, config.scale, random)
                if places and random.random() < config.paste and (parts := cut(random)):
                    picture, target = augment.paste_in(picture, target, parts, random)
            else:
                picture, factor = encoding.fitted(picture, side)
                target = {**target, "boxes": target["boxes"] * factor}
            x.append(picture)
            if meta["kind"] == "mask_rcnn":
                y.append(encoding.learnt_regions(target, side, random))
            else:
                y.append(encoding.learnt(target["boxes"], target["labels"], classes, side, meta["kind"]))
        pixels = np.stack(x).astype("float32")
        if meta["kind"] != "mask_rcnn":
            return pixels, np.stack(y)
        given, targets = zip(*y, strict=True)
        joined = {name: np.stack([one[name] for one in targets]) for name in targets[0]}
        return {"pixels": pixels, "given": np.stack(given)}, joined

    return Stream(plan, load, config.seed)


def _factor(split: Split, row: int, picture: np.ndarray) -> float:
    """How much smaller a kept picture is than its file."""
    from common.inputs.images import picture_header

    return max(picture.shape[:2]) / max(picture_header(split.inputs[row], encoding.MAX_PIXELS)[:2])


def balance(targets: Sequence[dict[str, Any]], counts: np.ndarray) -> np.ndarray:
    """The probability of each picture: pictures with a rare class are drawn more often (LVIS, Gupta et al. 2019)."""
    most = max(counts.max(), 1)
    factors = np.sqrt(np.minimum(most / np.maximum(counts, 1), 25))
    weights = np.array([max((factors[label] for label in one["labels"]), default=1.0) for one in targets])
    return weights / weights.sum()


def rare_classes(counts: np.ndarray) -> np.ndarray:
    """Which classes have fewer than a fifth of the objects of the most frequent one."""
    return (counts > 0) & (counts < counts.max() / 5)


def drawn(picture: np.ndarray, answer: dict[str, Any], classes: Sequence[str]) -> np.ndarray:
    """A picture with the boxes, scores and masks of an answer, (h, w, 3) uint8. The colour of a box tells its class."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = picture.copy()
    for mask, one in zip(answer.get("masks", ()), answer["objects"], strict=False):
        colour = _colour(classes.index(one["label"]))
        canvas[mask] = (0.55 * canvas[mask] + 0.45 * np.array(colour)).astype(np.uint8)
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    width = max(1, round(max(picture.shape[:2]) / 250))
    font = ImageFont.load_default(max(10, round(max(picture.shape[:2]) / 40)))
    for one in reversed(answer["objects"]):  # the best one is drawn last
        colour = _colour(classes.index(one["label"]))
        draw.rectangle(one["box"], outline=colour, width=width)
        if "score" not in one:
            continue
        text = f"{one['score']:.2f}"
        furthest = max(0, image.width - draw.textlength(text, font) - 1)
        place = (min(one["box"][0], furthest), max(one["box"][1], font.size + 2))  # inside the picture
        left, top, right, bottom = draw.textbbox(place, text, font=font, anchor="lb")
        draw.rectangle([left - 1, top - 1, right + 1, bottom + 1], fill=colour)
        draw.text(place, text, fill=ink(colour), font=font, anchor="lb")
    return np.asarray(image)


def ink(colour: tuple[int, int, int]) -> str:
    """Black or white: what can be read better on a colour."""
    return "black" if np.dot(colour, (0.299, 0.587, 0.114)) > 96 else "white"


def _colour(number: int) -> tuple[int, int, int]:
    code = COLOURS[number % len(COLOURS)]
    return tuple(int(code[k : k + 2], 16) for k in (1, 3, 5))  # type: ignore[return-value]


def detect_folder(
    predictor: Predictor,
    folder: Path,
    target: Path,
    pictures: Path | None = None,
    threshold: float | None = None,
    quote_formulas: bool = False,
) -> tuple[int, int, int]:
    """Write a CSV with file, label, score, left, top, right, bottom, a row an object; (pictures, rows, files left out).

    pictures: a folder for the pictures with their boxes drawn in. A file that is no picture is named on stderr.
    """
    paths, others = find_pictures(folder, deep=True)
    if not paths:
        raise UserError(f"{folder} holds no picture.")
    for path in others:
        print(f"left out: {path} is no picture", file=sys.stderr)
    read, rows, left_out = 0, 0, len(others)
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "score", "left", "top", "right", "bottom"])
        for path in paths:
            try:
                picture = read_picture(path, encoding.MAX_PIXELS)
                answer = predictor.predict({"picture": picture}, threshold)
            except UserError as error:
                print(f"left out: {error}", file=sys.stderr)
                left_out += 1
                continue
            name = path.relative_to(folder).as_posix()
            cell = quoted(name) if quote_formulas else name
            table.writerows([cell, one["label"], f"{one['score']:.4f}", *one["box"]] for one in answer["objects"])
            read, rows = read + 1, rows + len(answer["objects"])
            if pictures:
                place = (pictures / name).with_suffix(".png")
                write_picture(drawn(picture, answer, predictor.classes), place)
        if not read:
            raise UserError(f"None of the {len(paths):,} files in {folder} is a picture that can be read.")
    return read, rows, left_out


@dataclass(frozen=True)
class Options:
    """Where to look, and by which run."""

    input: Path  # a picture, or a folder of pictures: PNG, JPEG, WebP, BMP, TIFF or GIF
    output: Path | None = None  # for a picture: the picture with its boxes; for a folder: the .csv file of boxes
    pictures: Path | None = None  # for a folder: where the pictures with their boxes go
    threshold: float | None = None  # least score of a box, 0 to 1; default: the best one on validation
    quote_formulas: bool = False  # an apostrophe before a file's name that a spreadsheet would compute (= + - @ first)
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        cli.check_folder(self)
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise UserError(f"--threshold is {self.threshold}; expected a number from 0 to 1.")


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor = run.load()
        if options.input.is_dir():
            read, rows, left_out = detect_folder(
                predictor, options.input, options.output, options.pictures, options.threshold, options.quote_formulas
            )
            print(f"{rows:,} objects in {read:,} pictures, {left_out:,} files left out, by run {run.id}")
            print(f"written to {options.output}")
        else:
            picture = read_picture(options.input, encoding.MAX_PIXELS)
            answer = predictor.predict({"picture": picture}, options.threshold)
            for one in answer["objects"]:
                print(f"{one['label']}  {one['score']:.2f}  at {', '.join(f'{side:.0f}' for side in one['box'])}")
            print(", ".join(f"{name}: {count}" for name, count in answer["counts"].items()))
            if options.output:
                write_picture(drawn(picture, answer, predictor.classes), options.output)
