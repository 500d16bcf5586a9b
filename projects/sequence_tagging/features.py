"""Hashed features of words: the word, its shape, beginnings and endings, and its neighbours."""

import re
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np

from common.inputs.text import to_jamo

AFFIX = 6  # letters of the longest beginning and ending of a word that has a number of its own
AFFIXES = 1 + 2 * AFFIX  # numbers of a word's form: its shape, its beginnings and its endings
WEIGHTS = 2**18  # features are hashed into as many; a bucket has a weight for each tag
WORD, SHAPE, ENDING = 0, 1, 2 + AFFIX  # columns of `token_features`; behind ENDING come the longer ones
# Columns of the token itself, and of its neighbours by distance.
NEIGHBOURS = [
    *((0, column) for column in range(2 + 2 * AFFIX)),
    *((distance, column) for distance in (-1, 1) for column in (WORD, SHAPE, ENDING + 1, ENDING + 2)),
    *((-2, WORD), (2, WORD)),
]
GRAMS = ((-1, 0), (0, 1), (-2, -1), (1, 2), (-1, 1))  # stretches of words around it, by the first and the last
FEATURES = len(NEIGHBOURS) + len(GRAMS) + 3  # and, of a syllable, the parts of its written word before and behind it
SPACE = " "  # a token of its own where text is read by syllables


def normalise(token: str) -> str:
    """How a token is looked up: in lower case, every digit a 0, a string of a program as its quotation mark."""
    if len(token) > 1 and token[-1] in "\"'" and token[0].lower() in "\"'rbfu":
        return '"'
    return re.sub(r"\d", "0", token.lower())


def forms(token: str) -> list[int]:
    """Hashes of a token's form: its shape, and its beginnings and endings of 1 to AFFIX letters (jamo in Korean)."""
    letters = to_jamo(token.lower())
    shape = "".join("X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in token[:8])
    parts = [f"{n}{letters[:n]}" for n in range(1, AFFIX + 1)], [f"{letters[-n:]}{n}" for n in range(1, AFFIX + 1)]
    return [crc32(text.encode("utf-8", "surrogatepass")) for text in (shape, *parts[0], *parts[1])]


def numbered(values: Sequence) -> tuple[list, np.ndarray]:
    """The distinct values in the order in which they appear, and for each value its number among them."""
    numbers: dict[Any, int] = {}
    codes = np.array([numbers.setdefault(value, len(numbers)) for value in values], int)
    return list(numbers), codes


def token_features(token: str) -> list[int]:
    """Hashes of a token: the word itself, and its form (see `forms`)."""
    return [crc32(normalise(token).encode("utf-8", "surrogatepass")), *forms(token)]


def features(sentences: Sequence[Sequence[str]]) -> np.ndarray:
    """(tokens, FEATURES): the buckets of each token's features, for the tokens of all sentences, end to end."""
    flat = ["", "", *(token for sentence in sentences for token in [*sentence, "", ""])]
    distinct, codes = numbered(flat)
    table = np.array([token_features(token) for token in distinct], np.uint64)[codes]
    inside = np.array([False, False, *(part for tokens in sentences for part in [True] * len(tokens) + [False] * 2)])
    places = np.flatnonzero(inside)
    columns = [_mixed(table[places + distance, column], number) for number, (distance, column) in enumerate(NEIGHBOURS)]
    for first, last in GRAMS:
        gram = sum(table[places + distance, WORD] << np.uint64(distance - first) for distance in range(first, last + 1))
        columns.append(_mixed(gram, len(columns)))
    before, behind = (np.zeros(len(flat), np.uint64) for _ in range(2))
    if SPACE in distinct:
        before, behind = _since_blank(flat), _since_blank(flat[::-1])[::-1]
    columns += [_mixed(part[places], len(columns) + n) for n, part in enumerate((before, behind, before + 31 * behind))]
    return np.stack(columns, axis=1).astype(np.int32)


def _since_blank(tokens: Sequence[str]) -> np.ndarray:
    """For each token the hash of what stands from the last blank to it, itself included."""
    hashes = [0]
    for token in tokens:
        hashes.append(0 if token in (SPACE, "") else crc32(token.encode("utf-8", "surrogatepass"), hashes[-1]))
    return np.array(hashes[1:], np.uint64)


def _mixed(hashes: np.ndarray, number: int) -> np.ndarray:
    """Buckets 1 … WEIGHTS - 1 of hashes; one hash has another bucket in each column."""
    spread = (hashes + np.uint64(number) * np.uint64(0x9E3779B9)) * np.uint64(0x9E3779B97F4A7C15)
    return (spread >> np.uint64(40)) % np.uint64(WEIGHTS - 1) + np.uint64(1)
