"""From a text to ids and back, and the checks of what the network is asked to write.

A vocabulary is learnt from the training part: 0 is padding, 1 an unknown character, `FIRST` the first known one. The
network reads ids. It gives one logit for each known character, so the logit of an id has the index `id - FIRST`.
"""

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

from common.errors import UserError
from common.inputs.text import from_jamo, to_jamo
from common.inputs.vocabulary import JSON, Vocabulary
from common.saved import unlike
from common.schema import Between, check_input

FIRST = Vocabulary().first  # id of the first known character
MAX_PROMPT, MAX_LENGTH = 10_000, 100_000  # characters that are read and written
# What a raw input holds besides its prompt; see `Predictor.stream`.
RAW = {
    "prompt": str,
    "length": Between(1, MAX_LENGTH),
    "temperature": Between(0.0, 5.0),
    "top_k": Between(0, 10_000),
    "top_p": Between(0.0, 1.0),
    "seed": Between(0, 2**53),
    "stop": str,
}
DEFAULTS = {"length": 500, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "seed": 0, "stop": ""}

# meta.json (see common/schema.py)
META = {"vocabulary": JSON, "jamo": bool, "examples": [{str: object}], "network_votes": Between(1e-3, 1e6)}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the network, in a few words; empty where it does."""
    symbols = meta["vocabulary"]["symbols"]
    if Vocabulary.from_json(meta["vocabulary"]).first != FIRST or not all(len(symbol) == 1 for symbol in symbols):
        return "vocabulary is not one of single characters"
    if not meta["examples"]:
        return "examples is empty"
    states = [(None, tensor.shape[-1]) for network in networks.values() for tensor in network.inputs[1:]]
    return unlike(networks, {"model": ([(None, None), *states], [(None, None, len(symbols)), *states])})


def describe(vocabulary: Vocabulary, jamo: bool) -> dict[str, Any]:
    """The `meta` of a text. jamo: whether Hangul syllables are taken apart before they are encoded."""
    return {"vocabulary": vocabulary.to_json(), "jamo": jamo}


def encode(text: str, vocabulary: Vocabulary, jamo: bool) -> np.ndarray:
    """Ids (characters,) int32."""
    return vocabulary.encode(to_jamo(text) if jamo else text)


def decode(ids: Iterable[int], vocabulary: Vocabulary, jamo: bool) -> str:
    """Ids back to text. With `jamo` the parts of Hangul syllables are put together again."""
    text = "".join(vocabulary.decode(ids))
    return from_jamo(text) if jamo else text


def targets_of(ids: np.ndarray) -> np.ndarray:
    """The index of each id's logit; -1 for an unknown character, which has none."""
    return np.maximum(ids - FIRST, -1)


def beginning(vocabulary: Vocabulary) -> str:
    """What stands before a text without a prompt: a line end, or the first known character where there is none."""
    return "\n" if "\n" in vocabulary else vocabulary.symbols[0]


def check_settings(raw: dict[str, Any]) -> dict[str, Any]:
    """The raw input with the defaults filled in and its texts composed (NFC), as training texts are.

    Raises UserError for a setting that is out of range.
    """
    check_input(raw, {str: object})
    raw = {"prompt": "", **DEFAULTS, **raw}
    check_input(raw, RAW)
    if len(raw["prompt"]) > MAX_PROMPT:
        raise UserError(f"The prompt has {len(raw['prompt']):,} characters; at most {MAX_PROMPT:,} are read.")
    return {**raw, **{name: unicodedata.normalize("NFC", raw[name]) for name in ("prompt", "stop")}}
