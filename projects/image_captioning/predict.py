"""From a picture to its caption, with alternatives and where the network looked; from a folder to a table of captions.

python -m projects.image_captioning.predict --input picture.png --language ko
python -m projects.image_captioning.predict --input pictures --output captions.csv
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.data import Split
from common.inputs.images import answer_folder, picture_text, read_picture, text_pictures
from common.inputs.vocabulary import Vocabulary
from projects.image_captioning import encoding

ROWS = (1, 16, 64)  # pictures that are captioned at once: each number is compiled
EXAMPLES = 12


class Predictor:
    """Captions pictures of any size.

    networks: {"encoder", "decoder"}, see model.py. meta: see `encoding.describe`; after training also examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        pictures = text_pictures(example["picture"] for example in meta.get("examples", []))
        self.examples = [{"picture": picture} for picture in pictures]

    @property
    def vocabulary(self) -> Vocabulary:
        return encoding.vocabulary_of(self.meta)

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """{"picture": (h, w, 3) uint8} -> the encoder's input (1, height, width, 3) float32, 0 … 255."""
        return encoding.encode(raw, self.meta)

    def decode(self, ids: Any) -> str:
        """The caption of ids, up to <eos>."""
        return encoding.decode(ids, self.meta)

    def encode_split(self, split: Split, batch_size: int, seed: int | None = None, mirror: bool = False) -> Any:
        """A stream of batches for `fit`; a seed shuffles it anew in each epoch."""
        ids = encoding.encode_captions(split.targets, self.meta)
        return encoding.picture_stream(split.inputs, ids, self.meta["shape"], batch_size, seed, mirror)

    def write(self, pictures: np.ndarray, language: str, beam: int | None = None) -> dict[str, np.ndarray]:
        """What `writer.write` gives for pictures (n, height, width, 3) at the network's size, n one of ROWS."""
        from common.layers.writer import write

        beam = min(beam or self.meta["beam"], len(self.vocabulary))
        return write(self.networks, pictures, beam, self.meta["length"], encoding.start_of(language, self.meta))

    def captions(self, inputs: encoding.Inputs, languages: Sequence[str], beam: int | None = None) -> list[str]:
        """The captions of all pictures in the first language, then in the second one.

        inputs: pictures at the network's size, or files. beam: None: that of training's knob.
        """
        result: dict[str, list[str]] = {language: [] for language in languages}
        for begin in range(0, len(inputs), ROWS[-1]):
            rows = np.arange(begin, min(begin + ROWS[-1], len(inputs)))
            size = next(size for size in ROWS if size >= len(rows))
            pictures = encoding.pixels(inputs, np.resize(rows, size), self.meta["shape"])
            for language in languages:
                result[language] += map(self.decode, self.write(pictures, language, beam)["tokens"][: len(rows), 0])
        return [text for language in languages for text in result[language]]

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{"picture", and perhaps "language", "beam", "temperature", "seed"} -> the caption and how it was written.

        caption, language. words: those of the caption, with "<eos>" where it was written. alternatives: [{caption,
        score}], one for each place of the beam, with the mean log-probability of a symbol; empty with a temperature,
        which draws each word. attention: for each word the weights of the GRID × GRID places, row by row, where the
        model looks. Raises UserError for what is no picture.
        """
        from projects.image_captioning.model import sample

        picture, settings = self.encode(raw), encoding.settings_of(raw, self.meta)
        language = settings["language"]
        if settings["temperature"]:
            start = encoding.start_of(language, self.meta)
            drawn = settings["temperature"], settings["seed"]
            written = sample(self.networks, picture, start, self.meta["length"], *drawn)
            tokens, alternatives = written["tokens"][0], []
        else:
            written = self.write(picture, language, settings["beam"])
            texts = map(self.decode, written["tokens"][0])
            alternatives = [
                {"caption": text, "score": float(score)}
                for text, score in zip(texts, written["scores"][0], strict=True)
            ]
            tokens = written["tokens"][0, 0]
            written = {name: array[:, 0] for name, array in written.items()}
        ended = self.vocabulary.eos in tokens  # otherwise the caption was cut at the greatest length
        words = [*self.vocabulary.decode(tokens), *["<eos>"] * ended]
        answer = {"caption": self.decode(tokens), "language": language, "words": words, "alternatives": alternatives}
        if "attention" in written:
            answer["attention"] = written["attention"][0, : len(words)].round(4).tolist()
        return answer

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer with a growing caption, a word at a time; the last one is that of `predict`.

        A caption is written in a moment, and a beam may change its mind until the end. So it is complete before the
        first word is given.
        """
        answer = self.predict(raw)
        for count in range(len(answer["words"])):
            words = [word for word in answer["words"][:count] if word != "<eos>"]
            yield {**answer, "caption": " ".join(words), "words": answer["words"][:count]}
        yield answer

    def choose_examples(self, validation: Split) -> None:
        """Keep EXAMPLES validation pictures with their captions."""
        rows = np.unique(np.linspace(0, len(validation) - 1, EXAMPLES).astype(int))
        pictures = encoding.pixels(validation.inputs, rows, self.meta["shape"])
        self.meta["examples"] = [
            {"picture": picture_text(picture), "captions": validation.targets[row]}
            for picture, row in zip(pictures, rows, strict=True)
        ]
        self.examples = [{"picture": picture} for picture in pictures]


def caption_folder(
    predictor: Predictor, folder: Path, target: Path, language: str, quote_formulas: bool = False
) -> tuple[int, int]:
    """Write a CSV with image and caption for every picture below `folder`; see `answer_folder`."""

    def answer(inputs: np.ndarray) -> list[tuple[str]]:
        return [(caption,) for caption in predictor.captions(inputs, [language])]

    def encode(path: Path) -> np.ndarray:
        return predictor.encode({"picture": read_picture(path, encoding.MAX_FILE_PIXELS)})

    return answer_folder(folder, target, ("image", "caption"), encode, answer, ROWS[-1], quote_formulas)


@dataclass(frozen=True)
class Options:
    """A picture or a folder of pictures to caption, and the run that does it."""

    input: Path  # a picture, or a folder of pictures: PNG, JPEG, WebP, BMP, TIFF or GIF
    output: Path | None = None  # for a folder: the .csv file of captions with image and caption
    language: str | None = None  # the caption's language, where the run knows several; left out: the first one
    quote_formulas: bool = False  # in .csv an apostrophe before a cell that a spreadsheet would compute (= + - @ first)
    beam: int | None = None  # captions that are kept while one is written (1: greedy); left out: as in training
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        cli.check_folder(self)


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor = run.load()
        asked = {"language": options.language, "beam": options.beam}
        if options.input.is_dir():
            language = options.language or predictor.meta["languages"][0]
            rows, left_out = caption_folder(predictor, options.input, options.output, language, options.quote_formulas)
            print(f"{rows:,} pictures, {left_out:,} files left out, by run {run.id}; written to {options.output}")
        else:
            raw = {name: value for name, value in asked.items() if value is not None}
            answer = predictor.predict({"picture": read_picture(options.input, encoding.MAX_FILE_PIXELS), **raw})
            print(answer["caption"])
            for other in answer["alternatives"][1:]:
                print(f"  {other['score']:.3f}  {other['caption']}")
