"""From pictures and captions to the network's numbers, and from ids back to a caption."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.inputs.images import input_picture, read_picture
from common.inputs.sequences import Ragged
from common.inputs.vocabulary import JSON, Vocabulary
from common.saved import no_writer, unlike
from common.schema import Between, check_input
from projects.image_captioning.config import Config

GRID = 8  # rows and columns of the places at which the writer looks
MAX_FILE_PIXELS = 50_000_000  # a camera's picture
MAX_SAMPLE = 500  # pictures from which mean and variance are computed
MAX_CAPTIONS = 10  # captions of one picture that are learnt from
MAX_WORDS = 100  # the longest caption
LONGEST = 0.99  # this part of the training captions fits into the greatest length; the others are cut
MAX_CHARACTERS = 5_000  # the longest caption that is read
MIN_COUNT = 2  # times that a word must occur; a rarer one is unknown, or it would never be met as an unknown one
MAX_VOCABULARY = 20_000
MAX_BEAM = 10
MAX_TEMPERATURE = 3.0
WORD = re.compile(r"\w+(?:['’]\w+)*")

Inputs = np.ndarray | list[Path]  # pictures (n, height, width, 3) uint8, or files that are read when needed
Captions = dict[str, list[str]]  # the captions of one picture by language

# What a raw input holds beside its picture. temperature: 0 searches for the most probable captions.
RAW = {
    "language?": str,
    "beam?": Between(1, MAX_BEAM),
    "temperature?": Between(0.0, MAX_TEMPERATURE),
    "seed?": Between(0, 2**31),
}
META = {  # meta.json (see common/schema.py)
    "languages": [str],
    "scenes": bool,
    "vocabulary": JSON,
    "shape": [Between(1, 1024)],
    "mean": [float],
    "variance": [float],
    "captions": Between(1, MAX_CAPTIONS),
    "length": Between(2, MAX_WORDS),
    "beam": Between(1, 32),
    "examples": [{"picture": str, "captions": {str: [str]}}],
}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the networks, in a few words; empty where it does."""
    vocabulary = vocabulary_of(meta)
    if not meta["languages"] or not meta["examples"] or vocabulary.bos is None or vocabulary.eos is None:
        return "languages or examples are empty, or the vocabulary lacks its ends"
    if len(meta["languages"]) > 1 and vocabulary.unknown(map(sign, meta["languages"])):
        return "the vocabulary lacks a language"
    if wrong := no_writer(networks):
        return wrong
    encoder, decoder = networks["encoder"], networks["decoder"]
    if decoder.output["logits"].shape[-1] != len(vocabulary):
        return f"it has {len(vocabulary):,} words, but its network {decoder.output['logits'].shape[-1]:,}"
    shapes = [(None, *tensor.shape[1:]) for tensor in encoder.outputs]
    return unlike({"encoder": encoder}, {"encoder": ([(None, *meta["shape"])], shapes)})


def describe(config: Config, pictures: Inputs, captions: Sequence[Captions], scenes: bool) -> dict[str, Any]:
    """`meta`: what encoding needs to know, from the training pictures alone.

    scenes: whether the captions are of the grammar of scenes, so that what they state can be read.
    captions, length: how many captions of a picture are learnt from, and how many symbols of each.
    """
    languages = sorted({language for row in captions for language in row})
    rows = np.unique(np.linspace(0, len(pictures) - 1, MAX_SAMPLE).astype(int))
    sample = pixels(pictures, rows, (config.size, config.size, 3)).astype("float32")
    words = [normalise(text).split() for row in captions for texts in row.values() for text in texts]
    vocabulary = Vocabulary.of_words((word for row in words for word in row), MAX_VOCABULARY, MIN_COUNT)
    signs = list(map(sign, languages)) if len(languages) > 1 else []
    return {
        "languages": languages,
        "scenes": scenes,
        "vocabulary": Vocabulary([*signs, *vocabulary.symbols], bos=True, eos=True).to_json(),
        "shape": list(sample.shape[1:]),
        "mean": sample.mean(axis=(0, 1, 2)).tolist(),
        "variance": np.maximum(sample.var(axis=(0, 1, 2)), 1.0).tolist(),
        "captions": min(MAX_CAPTIONS, max(sum(map(len, row.values())) for row in captions)),
        "length": min(MAX_WORDS, int(np.quantile([len(row) for row in words], LONGEST)) + 1),
        "beam": config.beam,
    }


def vocabulary_of(meta: dict[str, Any]) -> Vocabulary:
    return Vocabulary.from_json(meta["vocabulary"])


def sign(language: str) -> str:
    """The symbol that stands before a caption of this language."""
    return f"<{language}>"


def start_of(language: str, meta: dict[str, Any]) -> int:
    """The id before the first word. With several languages it says in which one the network writes."""
    vocabulary = vocabulary_of(meta)
    return int(vocabulary.encode([sign(language)])[0]) if len(meta["languages"]) > 1 else int(vocabulary.bos or 0)


def normalise(text: str) -> str:
    """The words of a caption in lower case, with single spaces and no punctuation, as published figures have it."""
    text = unicodedata.normalize("NFC", text[:MAX_CHARACTERS].encode("utf-8", "replace").decode())
    return " ".join(WORD.findall(text.lower()))


def encode_captions(captions: Sequence[Captions], meta: dict[str, Any]) -> np.ndarray:
    """Ids (pictures, captions, length + 1): the sign of the language or <bos>, the words, <eos>, then padding.

    A caption that has no room loses its end, and so its <eos>. A picture with fewer captions has rows of padding.
    """
    vocabulary, most = vocabulary_of(meta), meta["captions"]
    starts = {language: start_of(language, meta) for language in meta["languages"]}
    rows = [[(starts[name], text) for name, texts in row.items() for text in texts][:most] for row in captions]
    words = [normalise(text).split() for row in rows for _, text in row]
    ids = np.split(vocabulary.encode([word for row in words for word in row]), np.cumsum(list(map(len, words)))[:-1])
    begins = (start for row in rows for start, _ in row)
    ended = [[start, *part, vocabulary.eos][: meta["length"] + 1] for start, part in zip(begins, ids, strict=True)]
    padded = Ragged.of([np.array(row, np.int32) for row in ended]).padded(np.arange(len(ended)), meta["length"] + 1)
    result = np.zeros((len(rows), most, meta["length"] + 1), np.int32)
    result[np.arange(most) < np.array([len(row) for row in rows])[:, None]] = padded
    return result


def pixels(inputs: Inputs, rows: Sequence[int] | np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The pictures of these rows (n, height, width, 3) uint8, at the network's size."""
    if isinstance(inputs, np.ndarray):
        return inputs[rows]
    return np.stack([read(inputs[row], shape) for row in rows])


def read(path: Path, shape: Sequence[int]) -> np.ndarray:
    """The picture in a file at the network's size (height, width, 3) uint8."""
    return squeezed(read_picture(path, MAX_FILE_PIXELS), shape)


def squeezed(picture: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(h, w, 3) uint8 -> the whole picture at `shape`, whatever its own shape, by Pillow's bicubic filter."""
    from PIL import Image

    if list(picture.shape[:2]) == list(shape[:2]):
        return picture
    return np.asarray(Image.fromarray(picture).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def picture_stream(
    inputs: Inputs,
    captions: np.ndarray,
    shape: Sequence[int],
    batch_size: int,
    seed: int | None = None,
    mirror: bool = False,
) -> Any:
    """A `common.stream.Stream` of ({"picture", "target" (n, captions, length)}, the next symbols of all targets).

    captions: of `encode_captions`. seed: shuffles anew in each epoch; None keeps the order. mirror: half of the
    pictures are mirrored. Files are decoded when they are first needed; small ones are kept as far as a Cache takes
    them.
    """
    from common.stream import Cache, Stream, row_batches

    cache = Cache(lambda row: read(inputs[row], shape))

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        return row_batches(len(inputs), batch_size, None if seed is None else random)

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        pictures = inputs[rows] if isinstance(inputs, np.ndarray) else np.stack([cache[int(row)] for row in rows])
        if mirror:
            turned = random.random(len(rows)) < 0.5
            pictures = np.where(turned[:, None, None, None], pictures[:, :, ::-1], pictures)
        ids = captions[rows]
        return {"picture": pictures.astype("float32"), "target": ids[..., :-1]}, ids[..., 1:]

    return Stream(plan, load, seed or 0)


def encode(raw: dict[str, Any], meta: dict[str, Any]) -> np.ndarray:
    """{"picture": (h, w, 3) uint8} -> the encoder's input (1, height, width, 3) float32, 0 … 255.

    Raises UserError for an array of another kind or with too many pixels.
    """
    return squeezed(input_picture(raw, MAX_FILE_PIXELS), meta["shape"])[None].astype("float32")


def decode(ids: Iterable[int], meta: dict[str, Any]) -> str:
    """The caption of ids, up to its first <eos>."""
    return " ".join(vocabulary_of(meta).decode(ids))


def settings_of(raw: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """What a raw input asks of the writer, else as in training. Raises UserError for what RAW does not have."""
    check_input({name: value for name, value in raw.items() if name != "picture"}, RAW)
    settings = {"language": meta["languages"][0], "beam": meta["beam"], "temperature": 0.0, "seed": 0}
    settings |= {name: value for name, value in raw.items() if name in settings}
    if settings["language"] not in meta["languages"]:
        raise UserError(
            f"The network does not write {settings['language']!r}; it writes {', '.join(meta['languages'])}."
        )
    return settings
