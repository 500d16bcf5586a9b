"""From a text to ids and back, and the checks of what the network is asked to write.

A vocabulary is learnt from the training part: 0 is padding, 1 an unknown character, `FIRST` the first known one. The
network reads ids. It gives one logit for each known character, so the logit of an id has the index `id - FIRST`.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from common.errors import UserError
from common.inputs.text import from_jamo, to_jamo
from common.inputs.vocabulary import Vocabulary

FIRST = Vocabulary().first  # id of the first known character
MAX_PROMPT, MAX_LENGTH = 10_000, 100_000  # characters that are read and written
# What a raw input holds besides its prompt; see `Predictor.stream`.
DEFAULTS = {"length": 500, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "seed": 0, "stop": ""}


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
    """The raw input with the defaults filled in. Raises UserError for a setting that is out of range."""
    raw = {"prompt": "", **DEFAULTS, **raw}
    for name, low, high in (
        ("length", 1, MAX_LENGTH),
        ("temperature", 0, 5),
        ("top_k", 0, 10_000),
        ("top_p", 0, 1),
        ("seed", 0, 2**53),
    ):
        value = raw[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise UserError(f"{name.replace('_', '-')} is {value!r}; expected {low:,} to {high:,}.")
    if len(raw["prompt"]) > MAX_PROMPT:
        raise UserError(f"The prompt has {len(raw['prompt']):,} characters; at most {MAX_PROMPT:,} are read.")
    return raw
