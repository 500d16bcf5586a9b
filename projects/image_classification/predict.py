"""Which class does a picture show, how probable is it, and where did the network look? Also for a whole folder."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.data import Split
from common.evaluation import best_temperature, caution_limit
from common.inputs.images import answer_folder, picture_text, read_picture, text_pictures
from common.layers.answers import answers
from projects.image_classification import encoding
from projects.image_classification.config import Config
from projects.image_classification.familiarity import closeness, fit_classes

BATCH = 256  # pictures that are answered at once
EXAMPLES = 12
FITTED = 10_000  # training pictures from which is learnt what is familiar
CAUTION = "The picture is unlike those of training: the answer is a guess."


class Predictor:
    """Classifies pictures of any size.

    networks: {"model": pixels -> logits}. meta: what `encoding.describe` says of the input; after training also
    `temperature`, and `examples` as PNG in base64.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.examples = [{"picture": picture} for picture in text_pictures(meta.get("examples", []))]

    @property
    def classes(self) -> list[str]:
        return self.meta["classes"]

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """{"picture": (h, w, 3) uint8} -> the network's input (1, height, width, channels); see `encoding.encode`."""
        return encoding.encode(raw, self.meta)

    def decode(self, logits: np.ndarray) -> list[dict[str, Any]]:
        """The network's logits (n, classes) -> a list of {"label", "probability", "classes"}."""
        return encoding.decode(logits / self.meta["temperature"], self.classes)

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One picture -> {"label", "probability", "classes": {label: probability}, "unfamiliar"}.

        The most probable class is first. unfamiliar: whether the answer comes with a caution (see `familiarity`).
        """
        features, logits = np.split(answers(self.features_and_logits, self.encode(raw)), [-len(self.classes)], axis=1)
        near = closeness(features.astype(float), self.meta["familiar"])[0]
        return {**self.decode(logits)[0], "unfamiliar": bool(near < self.meta["familiar"]["limit"])}

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer of `predict`. There is nothing to show before it."""
        yield self.predict(raw)

    def heat_map(self, raw: dict[str, Any], label: str | None = None, method: str = "grad_cam") -> np.ndarray:
        """Where the evidence for a class is: (height, width) of the network's input, 0 … 1.

        label: the class; None: the class of the answer. method: a name of `explain.METHODS`.
        """
        from common.layers import explain

        number = self.classes.index(label or self.predict(raw)["label"])
        return explain.METHODS[method](self.networks["model"], self.encode(raw), number)[0]

    def encode_split(self, split: Split, config: Config | None = None) -> Any:
        """The split as a stream of batches. With a `config` it is for training: shuffled and changed at random."""
        training = (config.batch_size, self.meta["augment"], config.seed) if config else (BATCH,)
        return encoding.picture_stream(split.inputs, np.asarray(split.targets), self.meta["shape"], *training)

    def score(self, inputs: encoding.Inputs) -> np.ndarray:
        """Calibrated logits (n, classes) of pictures at the network's size, or of files. They may be any number."""
        from common.stream import reraise_stream_errors

        stream = encoding.picture_stream(inputs, None, self.meta["shape"], BATCH)
        with reraise_stream_errors(stream):
            logits = np.concatenate([answers(self.networks["model"], stream[i][0]) for i in range(len(stream))])
        return logits.astype(float) / self.meta.get("temperature", 1.0)

    @functools.cached_property
    def features_and_logits(self) -> Any:
        """The network with what its last layer reads beside the logits: pixels -> (n, numbers + classes)."""
        import keras

        model = self.networks["model"]
        features = keras.ops.cast(model.layers[-1].input, "float32")
        return keras.Model(model.input, keras.ops.concatenate([features, model.output], axis=-1))

    def features(self, inputs: encoding.Inputs) -> np.ndarray:
        """What the last layer reads of pictures at the network's size, or of files: (n, numbers)."""
        stream = encoding.picture_stream(inputs, None, self.meta["shape"], BATCH)
        both = np.concatenate([answers(self.features_and_logits, stream[i][0]) for i in range(len(stream))])
        return both[:, : -len(self.classes)].astype(float)

    def familiarity(self, inputs: encoding.Inputs) -> np.ndarray:
        """How much pictures are like those of training (n,); see `familiarity.closeness`."""
        return closeness(self.features(inputs), self.meta["familiar"])

    def calibrate(self, validation: Split, train: Split) -> None:
        """Keep the temperature that gives the validation labels the highest probability, and the limit of the caution.

        What is familiar is learnt from at most FITTED training pictures, the limit is chosen on validation.
        """
        self.meta["temperature"] = best_temperature(self.score(validation.inputs), np.asarray(validation.targets))
        rows = np.unique(np.linspace(0, len(train) - 1, FITTED).astype(int))
        inputs = train.inputs[rows] if isinstance(train.inputs, np.ndarray) else [train.inputs[row] for row in rows]
        self.meta["familiar"] = fit_classes(self.features(inputs), np.asarray(train.targets)[rows])
        self.meta["familiar"]["limit"] = caution_limit(self.familiarity(validation.inputs))

    def choose_examples(self, validation: Split) -> None:
        """Keep EXAMPLES validation pictures, of as many classes as possible."""
        targets = np.asarray(validation.targets)
        by_class = [np.flatnonzero(targets == number) for number in range(len(self.classes))]
        rows = [members[turn] for turn in range(EXAMPLES) for members in by_class if turn < len(members)][:EXAMPLES]
        pictures = encoding.pixels(validation.inputs, rows, self.meta["shape"])
        self.meta["examples"] = [picture_text(encoding.in_colour(picture)) for picture in pictures]
        self.examples = [{"picture": encoding.in_colour(picture)} for picture in pictures]


def classify_folder(predictor: Predictor, folder: Path, target: Path, quote_formulas: bool = False) -> tuple[int, int]:
    """Write a CSV with file, predicted and probability for every picture below `folder`; see `answer_folder`."""

    def answer(inputs: np.ndarray) -> list[tuple[str, str]]:
        decoded = predictor.decode(answers(predictor.networks["model"], inputs))
        return [(row["label"], f"{row['probability']:.6f}") for row in decoded]

    def encode(path: Path) -> np.ndarray:
        return predictor.encode({"picture": read_picture(path, encoding.MAX_FILE_PIXELS)})

    return answer_folder(folder, target, ("file", "predicted", "probability"), encode, answer, BATCH, quote_formulas)


@dataclass(frozen=True)
class Options:
    """What to classify, and by which run."""

    input: Path  # a picture, or a folder of pictures: PNG, JPEG, WebP, BMP, TIFF or GIF, grey or in colour
    output: Path | None = None  # for a folder: the .csv file of answers with file, predicted, probability
    quote_formulas: bool = False  # an apostrophe before a cell that a spreadsheet would compute (= + - @ first)
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        cli.check_folder(self)


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        if options.input.is_dir():
            rows, left_out = classify_folder(run.load(), options.input, options.output, options.quote_formulas)
            print(f"{rows:,} pictures, {left_out:,} files left out, by run {run.id}; written to {options.output}")
        else:
            answer = run.load().predict({"picture": read_picture(options.input, encoding.MAX_FILE_PIXELS)})
            for number, (label, probability) in enumerate(list(answer["classes"].items())[:5]):
                print(f"{'  ' if number else ''}{label}  {probability:.1%}")
            if answer["unfamiliar"]:
                print(CAUTION)
