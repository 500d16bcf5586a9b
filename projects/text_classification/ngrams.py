"""Texts as bags of hashed n-grams of words, characters or Hangul jamo, computed with NumPy for all texts at once.

Each n-gram is hashed to a number, its bucket (Weinberger et al. 2009), so a model needs no vocabulary of a million
n-grams. Two n-grams that fall into one bucket share a weight.

The n-grams of one unit and one length are a kind: {"unit", "n", "first", "buckets"}, where `first` is the number of the
first of its buckets. Bucket 0 is padding and bucket 1 is `CONSTANT`.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from common.inputs.sequences import Ragged
from common.inputs.text import from_jamo, to_jamo

CONSTANT = 1  # a bucket that every text has: a constant input
CHUNK_TEXTS = 10_000  # texts hashed at a time, so that the keys of a large corpus need not be in memory together
TAG = re.compile(r"<[^<>]{1,40}>")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_+")  # words with their apostrophes; punctuation marks one by one


def normalise(text: str) -> str:
    """The text composed (NFC) and in lower case; HTML tags and runs of white space become one space."""
    return " ".join(TAG.sub(" ", unicodedata.normalize("NFC", text)).lower().split())


def split_units(text: str, unit: str) -> Sequence[str]:
    """A text as its words, characters or jamo."""
    if unit == "word":
        return WORD.findall(text)
    return to_jamo(text) if unit == "jamo" else text


def kinds_of(orders: Mapping[str, Sequence[int]], buckets: int) -> list[dict[str, Any]]:
    """The kinds of n-grams of these lengths: {unit ("word", "char", "jamo"): lengths}, all in the same buckets."""
    return [
        {"unit": unit, "n": n, "first": CONSTANT + 1, "buckets": buckets - CONSTANT - 1}
        for unit, lengths in orders.items()
        for n in lengths
    ]


def apart(kinds: Sequence[dict[str, Any]], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """The same kinds, each in as many buckets of its own as `sizes` says."""
    first = np.cumsum([CONSTANT + 1, *sizes])
    return [{**kind, "first": int(first[i]), "buckets": int(sizes[i])} for i, kind in enumerate(kinds)]


def bags(texts: Sequence[str], kinds: Sequence[dict[str, Any]]) -> Ragged:
    """The buckets of the distinct n-grams of each text, ascending: `CONSTANT`, then those of the `kinds`."""
    if len(texts) > CHUNK_TEXTS:
        parts = [bags(texts[i : i + CHUNK_TEXTS], kinds) for i in range(0, len(texts), CHUNK_TEXTS)]
        lengths = np.concatenate([part.lengths for part in parts])
        return Ragged(np.concatenate([part.ids for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))
    # A key is the text's number in the upper 32 bits and the bucket in the lower ones, so one sort orders both.
    keys = [np.arange(len(texts), dtype=np.uint64) << np.uint64(32) | np.uint64(CONSTANT)]
    for unit, group in itertools.groupby(kinds, key=itemgetter("unit")):
        for _, text, _, bucket in _hashed(_padded_units(texts, unit), list(group)):
            keys.append(text.astype(np.uint64) << np.uint64(32) | bucket)
    distinct = np.concatenate(keys)
    distinct.sort()
    distinct = distinct[np.diff(distinct, prepend=np.uint64(2**64 - 1)) != 0]
    starts = np.searchsorted(distinct >> np.uint64(32), np.arange(len(texts) + 1, dtype=np.uint64))
    return Ragged((distinct & np.uint64(2**32 - 1)).astype("int32"), starts)


def spelled(texts: Sequence[str], kinds: Sequence[dict[str, Any]], wanted: np.ndarray) -> dict[int, str]:
    """An n-gram of these texts for each `wanted` bucket that one falls into: {bucket: n-gram}."""
    names: dict[int, str] = {}
    for unit, group in itertools.groupby(kinds, key=itemgetter("unit")):
        rows = _padded_units(texts, unit)
        symbols, separator = list(itertools.chain.from_iterable(rows)), " " if unit == "word" else ""
        for n, _, place, bucket in _hashed(rows, list(group)):
            present, first = np.unique(bucket, return_index=True)
            for i in np.flatnonzero(np.isin(present, wanted)):
                start = place[first[i]]
                names.setdefault(int(present[i]), from_jamo(separator.join(symbols[start : start + n])))
    return names


def _padded_units(texts: Sequence[str], unit: str) -> list[Sequence[str]]:
    """The units of each text. A space before and after it marks that its ends are ends of words."""
    return [split_units(f" {text} ", unit) for text in texts]


def _codes(rows: Sequence[Sequence[str]], unit: str) -> np.ndarray:
    """A 64-bit hash of each word or character of all rows, end to end."""
    if unit == "word":
        index, distinct = pd.factorize(np.array(list(itertools.chain.from_iterable(rows)), object))
        hashed = [hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest() for word in distinct]
        return np.array([int.from_bytes(digest, "little") for digest in hashed], np.uint64)[index]
    flat = np.frombuffer("".join(rows).encode("utf-32-le", "surrogatepass"), np.uint32)
    return _mix_bits(flat.astype(np.uint64))


def _hashed(rows: Sequence[Sequence[str]], kinds: Sequence[dict[str, Any]]) -> Iterator[tuple]:
    """For each of the `kinds`, all of one unit: (n, text, place, bucket), arrays with an entry for each n-gram.

    text: the row's number. place: of the n-gram's first unit among all units end to end.
    """
    codes, lengths = _codes(rows, kinds[0]["unit"]), np.array([len(row) for row in rows], int)
    text = np.repeat(np.arange(len(lengths)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))  # units from here to the end of the text
    grams = codes.copy()
    for n in range(1, max(kind["n"] for kind in kinds) + 1):
        if n > 1 and len(grams):
            grams = grams[:-1] * np.uint64(0x9E3779B97F4A7C15) + codes[n - 1 :]
        for first, buckets in ((kind["first"], kind["buckets"]) for kind in kinds if kind["n"] == n):
            place = np.flatnonzero(left[: len(grams)] >= n)
            hashed = _mix_bits(grams[place] + np.uint64(n)) % np.uint64(buckets)
            yield n, text[place], place, hashed + np.uint64(first)


def _mix_bits(values: np.ndarray) -> np.ndarray:
    """The last step of SplitMix64 (Steele et al. 2014): every input bit changes every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
