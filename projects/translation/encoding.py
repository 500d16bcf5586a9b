"""From sentences to ids and back: characters, jamo, words or subwords.

`describe` fits `meta` on the training pairs. It is plain JSON and holds all that encoding needs. A sentence is cut into
pieces that join to the sentence again: a space is written "▁" and belongs to the piece after it, as in sentencepiece.
"""

import base64
import functools
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from common.errors import UserError
from common.inputs.sequences import Ragged
from common.inputs.text import from_jamo, to_jamo
from common.inputs.vocabulary import JSON, Vocabulary
from common.saved import no_writer
from common.schema import Between, check_input
from projects.translation.config import Config

SPACE = "▁"
WORDS = re.compile(rf"{SPACE}?\w+|{SPACE}?[^\w{SPACE}]|{SPACE}")
SIDES = ("source", "target")
QUANTILES = (0.4, 0.8, 0.97)  # lengths that the network is compiled for, besides the longest one
FEW_PAIRS = 2000  # fewer pairs all have one length: compiling others would take longer than it saves
LONGEST = 2.5  # pairs of more than so many times the last quantile are not learnt from
SHORT_TARGET = 4  # words; where the median target has fewer, it is no sentence, and characters are its units
PIECES_PER_PAIR = 0.3  # size of a subword vocabulary for each training pair, from 500 to MAX_VOCABULARY
MAX_VOCABULARY = 8000
MAX_CHARACTERS = 20_000  # the longest sentence that is read; what follows is not read
MARGIN = 1.5  # a sentence is read to this many times the longest one of training
MAX_IDS = 2000  # the longest sentence that is learnt from
MAX_BEAM = 32
RAW = {"text": str, "beam?": (Between(1, MAX_BEAM), None)}
SIDE = {"vocabulary": JSON, "pieces": str}
META = {  # meta.json (see common/schema.py)
    "unit": ("char", "jamo", "word", "subword"),
    "lower": bool,
    "reverse": bool,
    "direction": str,
    "columns": [str],
    "beam": Between(1, MAX_BEAM),
    "source": SIDE,
    "target": SIDE,
    "limits": [[Between(1, MAX_IDS)]],
    "examples": [{"text": str}],
}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the networks, in a few words; empty where it does."""
    limits = meta["limits"]
    if not limits or any(len(row) != 2 for row in limits) or (np.diff(limits, axis=0) <= 0).any():
        return "limits are not pairs that grow"
    if len(meta["columns"]) != 2 or not meta["examples"] or not all(map(_filled, meta["examples"])):
        return "columns are not two, or examples is empty"
    if wrong := no_writer(networks):
        return wrong
    sizes = (networks["encoder"].weights[0].shape[0], networks["decoder"].output["logits"].shape[-1])
    for side, size in zip(SIDES, sizes, strict=True):
        vocabulary = vocabulary_of(meta, side)
        if vocabulary.bos is None or vocabulary.eos is None or len(vocabulary) != size:
            return f"the {side} has {len(vocabulary):,} symbols, but its network {size:,}"
        if meta["unit"] == "subword":
            processor(meta[side]["pieces"])
    return ""


def _filled(example: dict[str, Any]) -> bool:
    return bool(example["text"].strip())


def describe(
    sources: Sequence[str], targets: Sequence[str], direction: str, columns: Sequence[str], config: Config
) -> dict[str, Any]:
    """`meta` of the training pairs.

    direction: such as "German → English". columns: names of the two columns in the user's own files.
    limits: for each bucket of lengths, the greatest number of ids of a source and of a target. The numbers of both
    sides grow from bucket to bucket; see `batches`.
    """
    texts = {side: [normalise(text, config.lower) for text in part] for side, part in zip(SIDES, (sources, targets), strict=True)}  # fmt: skip # noqa: E501
    unit = choose_unit(texts["target"]) if config.unit == "auto" else config.unit
    size = config.vocabulary or int(np.clip(PIECES_PER_PAIR * len(sources), 500, MAX_VOCABULARY))
    meta: dict[str, Any] = {
        "unit": unit,
        "lower": config.lower,
        "direction": direction,
        "columns": list(columns),
        "beam": config.beam,
    }
    for side in SIDES:
        model = train_pieces(texts[side], size) if unit == "subword" else ""
        pieces = (cut(text, unit, model) for text in texts[side])
        # A character or word that occurs once would never be met as an unknown one, so it is taken for unknown.
        vocabulary = Vocabulary.of_words(
            (piece for row in pieces for piece in row), size if unit == "word" else 2**20, 2, bos=True, eos=True
        )
        meta[side] = {"vocabulary": vocabulary.to_json(), "pieces": model}
    lengths = [np.maximum(encode(texts[side], meta, side).lengths, 1) for side in SIDES]
    meta["limits"] = bucket_limits(*lengths)
    return meta


def bucket_limits(sources: np.ndarray, targets: np.ndarray) -> list[list[int]]:
    """The greatest lengths [source, target] of each bucket, by the QUANTILES of both."""
    rows = []
    for lengths in (sources, targets):
        limits = np.quantile(lengths, QUANTILES)
        longest = min(lengths.max(), LONGEST * limits[-1], MAX_IDS)
        rows.append(np.ceil([*limits[: len(sources) // FEW_PAIRS * len(limits)], longest]).astype(int))
    # Keras takes a length that the first two batches share for a fixed one. So no two buckets share one.
    steps = np.arange(len(rows[0]))
    return np.stack([np.maximum.accumulate(part - steps) + steps for part in rows], axis=1).tolist()


def choose_unit(targets: Sequence[str]) -> str:
    """Characters where the median target has fewer than SHORT_TARGET words, such as a date; subwords for sentences."""
    short = np.median([len(text.split()) for text in targets[:: max(1, len(targets) // 2000)]]) < SHORT_TARGET
    return "char" if short else "subword"


def normalise(text: str, lower: bool = False) -> str:
    """One line with single spaces, composed (NFC), in lower case where asked."""
    text = text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()  # half a surrogate pair is no character
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text.lower() if lower else text


def cut(text: str, unit: str, model: str = "") -> list[str]:
    """A normalised text as pieces. model: of `train_pieces`, for subwords."""
    if unit in ("char", "jamo"):
        return list((to_jamo(text) if unit == "jamo" else text).replace(" ", SPACE))
    if unit == "word":
        return WORDS.findall((SPACE + text).replace(" ", SPACE)) if text else []
    return processor(model).encode(text, out_type=str)


def joined(pieces: Iterable[str]) -> str:
    """The text of pieces of any unit."""
    return from_jamo("".join(pieces).replace(SPACE, " ")).strip()


def train_pieces(texts: Sequence[str], size: int) -> str:
    """A sentencepiece model (unigram, Kudo 2018) of `size` pieces beside the single characters, in base64.

    One thread, and every sentence is read, so that the same texts give the same model.
    """
    import sentencepiece

    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=written,
            vocab_size=size + len(set().union(*texts)),
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            max_sentence_length=4 * MAX_CHARACTERS,
            num_threads=1,
            minloglevel=3,
        )
    except (RuntimeError, OSError) as error:
        raise UserError(f"The training texts cannot be cut into subwords ({error}); try --unit char.") from None
    return base64.b64encode(written.getvalue()).decode()


@functools.lru_cache(maxsize=8)
def processor(model: str) -> Any:
    """The sentencepiece processor of a model in base64. Raises UserError where it is none."""
    import sentencepiece

    try:
        result = sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(model, validate=True))
    except (RuntimeError, ValueError):
        result = None
    if not result or not result.get_piece_size():  # an empty model has no pieces
        raise UserError("The subwords of this run's meta.json are damaged.")
    return result


def vocabulary_of(meta: dict[str, Any], side: str) -> Vocabulary:
    return Vocabulary.from_json(meta[side]["vocabulary"])


def encode(texts: Sequence[str], meta: dict[str, Any], side: str) -> Ragged:
    """Texts as ids, each with `<eos>` at its end; a target has `<bos>` before it."""
    vocabulary = vocabulary_of(meta, side)
    ends = [[vocabulary.bos] if side == "target" else [], [vocabulary.eos]]
    rows = [cut(normalise(text, meta["lower"]), meta["unit"], meta[side]["pieces"]) for text in texts]
    flat = vocabulary.encode([piece for row in rows for piece in row])
    parts = np.split(flat, np.cumsum([len(row) for row in rows])[:-1]) if rows else []
    return Ragged.of([np.concatenate([ends[0], part, ends[1]]).astype(np.int32) for part in parts])


def read_limit(meta: dict[str, Any]) -> int:
    """The greatest number of ids of a source that is read, with `<eos>`."""
    return int(MARGIN * meta["limits"][-1][0])


def decode(ids: Iterable[int], meta: dict[str, Any]) -> str:
    """The text of a translation's ids, up to its first `<eos>`."""
    return joined(vocabulary_of(meta, "target").decode(ids))


def checked(raw: Any) -> tuple[str, int | None]:
    """(sentence, beam or None) of a raw input; see RAW. Raises UserError for anything else, and for an empty text."""
    check_input(raw, RAW)
    if not raw["text"].strip():
        raise UserError("The sentence is empty; expected at least one word.")
    return raw["text"], raw.get("beam")
