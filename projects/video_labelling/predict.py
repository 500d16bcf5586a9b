"""From a film to a label for each of its frames; from a folder of films to a table.

python -m projects.video_labelling.predict --input film.gif
python -m projects.video_labelling.predict --input film.mp4 --output film.csv --subtitled film.gif
"""

import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.data import Split
from common.errors import UserError
from common.evaluation import best_temperature, caution_limit
from common.files import replacing
from projects.video_labelling import encoding
from projects.video_labelling.encoding import example_film, segments
from projects.video_labelling.video import is_film, read_film, write_gif

BATCHES = (1, 16, 48, 96)  # frames that the encoder reads at once: each number is compiled
CAUTION = "The film is unlike those of training: its labels are guesses."
WIDTH = 48  # frames that a film is padded to for the labeller, or 2, 4, 8, … times as many
TOGETHER = 16  # films that are labelled at once
MOST = 256  # pixels of the longer side of a film that is read from a file


class Predictor:
    """Labels films of any length.

    networks: {"encoder", "labeller"} and perhaps "step", see `model.build_models`. meta: see `encoding.META`.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.examples = [{"film": example_film(example)} for example in meta["examples"]]

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """A raw film as the network's frames (T, SIDE, SIDE, 3) uint8; see `encoding.encode`."""
        return encoding.encode(raw, self.meta)

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Logits (…, labels) as probabilities; see `encoding.decode`."""
        return encoding.decode(logits, self.meta)

    def encode_split(self, split: Split, batch_size: int, seed: int | None = None, augment: bool = False) -> Any:
        """A stream of batches for `fit`; a seed shuffles it anew in each epoch."""
        from projects.video_labelling.batches import film_stream

        return film_stream(split.inputs, split.targets, self.meta["frames"], batch_size, seed, augment)

    def seen(self, frames: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """Frames (T, SIDE, SIDE, 3) as the encoder reads them: alone, or each with the one before it."""
        alone = self.networks["encoder"].input_shape[-1] == 3
        return frames if alone else encoding.pairs(frames, before)

    def features(self, frames: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """What the encoder makes of frames (T, SIDE, SIDE, 3) uint8: (T, features). before: see `encoding.pairs`."""
        from common.layers.answers import answers

        parts = []
        for begin in range(0, len(frames), BATCHES[-1]):
            part = frames[begin : begin + BATCHES[-1]]
            parts.append(answers(self.networks["encoder"], self.seen(part, before), BATCHES))
            before = part[-1:]
        return np.concatenate(parts)

    def logits(self, features: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The logits (T, labels) of films, from their features (T, …). Films of similar length are read together."""
        widths = [WIDTH * 2 ** max(0, int(np.ceil(np.log2(len(film) / WIDTH)))) for film in features]
        result: list[Any] = [None] * len(features)
        for width in sorted(set(widths)):
            rows = [row for row, other in enumerate(widths) if other == width]
            size = 1 if len(rows) == 1 or width > 16 * WIDTH else TOGETHER
            for begin in range(0, len(rows), size):
                part = rows[begin : begin + size]
                padded = np.zeros((size, width, features[0].shape[-1]), np.float32)
                mask = np.zeros((size, width), np.float32)
                for i, row in enumerate(part):
                    padded[i, : len(features[row])], mask[i, : len(features[row])] = features[row], 1
                output = self.networks["labeller"].predict_on_batch({"features": padded, "mask": mask})
                for i, row in enumerate(part):
                    result[row] = output[i, : len(features[row])]
        return result

    def probabilities(self, films: Sequence[Any]) -> list[np.ndarray]:
        """The probabilities (T, labels) of each film; a film has a method `pixels`."""
        return [self.decode(rows) for rows in self.logits([self.features(film.pixels()) for film in films])]

    def answers(self, films: Sequence[Any]) -> list[np.ndarray]:
        """The number of the label of each frame (T,), for each film."""
        return [rows.argmax(axis=-1) for rows in self.probabilities(films)]

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{"film", and perhaps "rate"} -> {"rate", "labels", "probabilities", "segments", "unfamiliar"}.

        rate: frames a second of the answer. labels: one for each frame. probabilities: (T, labels), rounded.
        segments: [{label, from, to (seconds), probability: the mean of its frames}]. unfamiliar: whether the answer
        comes with a caution; see `familiarity`. Raises UserError for what is no film.
        """
        return self._answer(self.features(self.encode(raw)))

    def _answer(self, features: np.ndarray) -> dict[str, Any]:
        (logits,) = self.logits([features])
        likely, names, rate = self.decode(logits), self.meta["labels"], self.meta["rate"]
        numbers = likely.argmax(axis=-1)
        found = [
            {
                "label": names[label],
                "from": begin / rate,
                "to": end / rate,
                "probability": round(float(likely[begin:end, label].mean()), 4),
            }
            for label, begin, end in segments(numbers)
        ]
        labels = [names[number] for number in numbers]
        answer = {"rate": rate, "labels": labels, "probabilities": likely.round(4).tolist(), "segments": found}
        return answer | {"unfamiliar": bool(likely.max(axis=-1).mean() < self.meta["caution_below"])}

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer, as the film gets longer: after each eighth of it. What comes later may change what was said."""
        features = self.features(self.encode(raw))
        ends = np.unique(np.linspace(0, len(features), 9).astype(int)[1:-1])
        yield from (self._answer(features[:end]) for end in ends[ends > 0])
        yield self._answer(features)

    def live(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The probabilities (labels,) of each frame as soon as it is there, (SIDE, SIDE, 3) uint8 at the meta's rate.

        Raises UserError for a network that reads from both sides.
        """
        if (step := self.networks.get("step")) is None:
            raise UserError("This network does not answer frame by frame; train a recurrent one with --causal.")
        names = [name for name in step.input if name != "frame"]
        state = {name: np.zeros((1, *step.input[name].shape[1:]), np.float32) for name in names}
        before = None
        for frame in frames:
            output = step.predict_on_batch({"frame": self.seen(frame[None], before).astype(np.float32), **state})
            before = frame[None]
            state = {name: output[f"next_{name}"] for name in names}
            yield self.decode(output["logits"][0])

    def remembered(self, raw: dict[str, Any]) -> np.ndarray | None:
        """The hidden units (T, units) of the layer that reads in time, forwards; None where there is none."""
        import keras

        labeller = self.networks["labeller"]
        if "memory" not in {layer.name for layer in labeller.layers}:
            return None
        hidden = keras.Model(labeller.input, labeller.get_layer("memory").output)
        features = self.features(self.encode(raw))
        inputs = {"features": features[None], "mask": np.ones((1, len(features)), np.float32)}
        return np.asarray(hidden.predict_on_batch(inputs))[0]

    def familiarity(self, films: Sequence[Any]) -> np.ndarray:
        """How much films are like those of training (n,): the mean probability of their frames' labels."""
        return np.array([rows.max(axis=-1).mean() for rows in self.probabilities(films)])

    def calibrate(self, validation: Split) -> None:
        """Choose the temperature on the validation frames, which changes no label; then the limit of the caution."""
        logits = np.concatenate(self.logits([self.features(film.pixels()) for film in validation.inputs]))
        targets = np.concatenate(validation.targets)
        known = targets != encoding.UNLABELLED
        self.meta["temperature"] = best_temperature(logits[known], targets[known])
        self.meta["caution_below"] = caution_limit(self.familiarity(validation.inputs))

    def figures(self, split: Split) -> Any:
        """The figures of a split, as a function of the films' weights."""
        from projects.video_labelling.metrics import figures

        return figures(self.answers(split.inputs), split.targets)


def label_file(predictor: Predictor, path: Path, name: str | None = None) -> dict[str, Any]:
    """`predict`'s answer for a film on disk, which is read frame by frame: memory holds the features alone."""
    parts, before, frames = [], None, read_film(path, predictor.meta["rate"], MOST, name)
    while batch := list(itertools.islice(frames, BATCHES[-1])):
        small = np.stack([encoding.squeezed(frame) for frame in batch])
        parts.append(predictor.features(small, before))
        before = small[-1:]
        if sum(map(len, parts)) > encoding.MAX_FRAMES:
            raise UserError(f"{name or path} has more than {encoding.MAX_FRAMES:,} frames at the rate of the run.")
    return predictor._answer(np.concatenate(parts))


def write_table(answers: dict[str, dict[str, Any]], target: Path) -> None:
    """Write the segments of films, {name: answer}, as a CSV that is a labels.csv too, with a column probability."""
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["film", "from", "to", "label", "probability"])
        for name, answer in answers.items():
            for part in answer["segments"]:
                table.writerow([name, round(part["from"], 3), round(part["to"], 3), part["label"], part["probability"]])


def subtitled(frames: Iterator[np.ndarray], answer: dict[str, Any], side: int = 256) -> Iterator[np.ndarray]:
    """Frames (h, w, 3) with their label written below, enlarged to at least `side` pixels of width."""
    from PIL import Image, ImageDraw, ImageFont

    font_file = str(Path(cli.__file__).parent / "fonts" / "Hangul.ttf")
    for frame, label, likely in zip(frames, answer["labels"], answer["probabilities"], strict=False):
        factor = max(1, -(-side // frame.shape[1]))
        picture = Image.fromarray(frame).resize((frame.shape[1] * factor, frame.shape[0] * factor))
        page = Image.new("RGB", (picture.width, picture.height + 28), "black")
        page.paste(picture)
        latin = label.isascii()
        font = ImageFont.load_default(16) if latin else ImageFont.truetype(font_file, 16)
        ImageDraw.Draw(page).text((6, picture.height + 4), f"{label}  {max(likely):.0%}", "white", font)
        yield np.asarray(page)


@dataclass(frozen=True)
class Options:
    """A film or a folder of films to label, and the run that does it."""

    input: Path  # a film, a folder of frames, or a folder of films
    output: Path | None = None  # the segments as .csv (film, from, to, label, probability), a valid labels.csv too
    subtitled: Path | None = None  # for one film: a .gif of it with the labels written below
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        for path, ending in ((self.output, ".csv"), (self.subtitled, ".gif")):
            if path is not None and path.suffix != ending:
                raise UserError(f"{path} must end in {ending}.")


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor, path = run.load(), options.input
        films = sorted(filter(is_film, path.iterdir())) if path.is_dir() and not is_film(path) else [path]
        if not films:
            raise UserError(f"{path} holds no film.")
        if options.subtitled and len(films) > 1:
            raise UserError("--subtitled is for one film.")
        answers = {}
        for film in films:
            try:
                answers[film.name] = label_file(predictor, film)
            except UserError as error:
                if len(films) == 1:
                    raise
                print(f"left out: {error}", file=sys.stderr)
        for name, answer in answers.items():
            for part in answer["segments"]:
                print(f"{name}  {part['from']:7.2f} – {part['to']:7.2f} s  {part['label']}  {part['probability']:.0%}")
            if answer["unfamiliar"]:
                print(f"{name}  {CAUTION}")
        if options.output:
            write_table(answers, options.output)
        if options.subtitled:
            frames = read_film(path, predictor.meta["rate"], MOST)
            write_gif(subtitled(frames, answers[path.name]), predictor.meta["rate"], options.subtitled)
