"""Texts as sparse bags of hashed n-grams of words, characters or Hangul jamo, vectorised over all texts at once.

Hashing (Weinberger et al. 2009) keeps what must be saved to three numbers: no vocabulary of a million n-grams. Two
n-grams that fall into one bucket share a weight.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.inputs.text import Encoder, from_jamo, to_jamo

EVERY = 1  # the bucket that every text has: a constant input
AT_ONCE = 10_000  # texts
TAG = re.compile(r"<[^<>]{1,40}>")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_+")  # words with their apostrophes; signs one by one


def normalise(text: str) -> str:
    """Composed (NFC), lower case, HTML tags and any run of white space as one space."""
    return " ".join(TAG.sub(" ", unicodedata.normalize("NFC", text)).lower().split())


@dataclass(frozen=True)
class Ragged:
    """Rows of different length end to end: row i is ids[starts[i]:starts[i + 1]]; no id is 0, which is padding."""

    ids: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    def padded(self, rows: np.ndarray, width: int = 0) -> np.ndarray:
        """Some rows as (rows, width) int32, filled up with 0; as wide as the longest where `width` is less."""
        lengths = self.lengths[rows]
        out = np.zeros((len(rows), max(width, 1, int(lengths.max(initial=0)))), "int32")
        inside = np.arange(out.shape[1]) < lengths[:, None]
        where = np.repeat(self.starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        out[inside] = self.ids[where]
        return out


def words(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All words in one row as numbers into the distinct ones: (numbers, distinct words, words a text)."""
    rows = [WORD.findall(text) for text in texts]
    lengths = np.array([len(row) for row in rows], int)
    index, distinct = pd.factorize(np.fromiter(itertools.chain.from_iterable(rows), object, lengths.sum()))
    return index, distinct, lengths


def sequences(texts: Sequence[str], unit: str, vocabulary: Sequence[str], most: int) -> Ragged:
    """Each text as the ids of its words or characters: from 1 up in the order of the vocabulary.

    What the vocabulary does not hold has its size + 1. Of a text longer than `most` the middle is left out: reviews say
    what they mean at the beginning and at the end. A text with nothing in it becomes one unknown.
    """
    if unit == "word":
        index, distinct, lengths = words(texts)
        known = {word: i for i, word in enumerate(vocabulary, start=1)}
        table = np.array([known.get(word, len(vocabulary) + 1) for word in distinct], int)
        ids = table[index] if len(index) else index
    else:
        texts = [to_jamo(text) for text in texts] if unit == "jamo" else texts
        lengths = np.array([len(text) for text in texts], int)
        ids = Encoder(vocabulary).encode("".join(texts)) + 1
    ends = np.cumsum(lengths)
    at = np.arange(len(ids)) - np.repeat(ends - lengths, lengths)  # place within the text
    long = np.repeat(lengths, lengths)
    ids = ids[(at < (most + 1) // 2) | (at >= long - most // 2)]
    lengths = np.minimum(lengths, most)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    if (lengths == 0).any():
        ids = np.insert(ids, starts[:-1][lengths == 0], len(vocabulary) + 1)
        starts = np.concatenate([[0], np.cumsum(np.maximum(lengths, 1))])
    return Ragged(ids.astype("int32"), starts)


def vocabulary_of(texts: Sequence[str], unit: str, most: int, least: int = 2) -> list[str]:
    """The words or characters that occur `least` times, the most frequent first, at most `most`."""
    if unit == "word":
        index, distinct, _ = words(texts)
        counts = np.bincount(index, minlength=len(distinct))
    else:
        flat = "".join(to_jamo(text) for text in texts) if unit == "jamo" else "".join(texts)
        found, counts = np.unique(
            np.frombuffer(flat.encode("utf-32-le", "surrogatepass"), np.uint32), return_counts=True
        )
        distinct = [chr(code) for code in found]
    order = np.argsort(-counts, kind="stable")[:most]
    return [str(distinct[i]) for i in order if counts[i] >= least]


def codes(texts: Sequence[str], unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Each text as a row of 64-bit codes, one a word or character; returns (all codes in one row, lengths)."""
    if unit == "word":
        index, distinct, lengths = words(texts)
        hashed = [
            int.from_bytes(hashlib.blake2b(w.encode(errors="surrogatepass"), digest_size=8).digest(), "little")
            for w in distinct
        ]
        return np.array(hashed, np.uint64)[index], lengths
    if unit == "jamo":
        texts = [to_jamo(text) for text in texts]
    texts = [f" {text} " for text in texts]  # the ends of a text are ends of a word
    flat = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    return _mixed(flat.astype(np.uint64)), np.array([len(text) for text in texts], int)


def bags(texts: Sequence[str], orders: Mapping[str, Sequence[int]], buckets: int) -> Ragged:
    """The distinct n-grams of each text, hashed into buckets 2 to `buckets` - 1, after `EVERY`.

    orders: for each unit ("word", "char", "jamo") that n-grams are made of, how many of it at a time.
    """
    if len(texts) > AT_ONCE:  # so that the keys of a large corpus need not lie in memory together
        parts = [bags(texts[i : i + AT_ONCE], orders, buckets) for i in range(0, len(texts), AT_ONCE)]
        lengths = np.concatenate([part.lengths for part in parts])
        return Ragged(np.concatenate([part.ids for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))
    keys = [np.arange(len(texts), dtype=np.uint64) << np.uint64(32) | np.uint64(EVERY)]
    for unit, own in orders.items():
        for _, text, _, bucket in _hashed(*codes(texts, unit), own, buckets):
            keys.append(text.astype(np.uint64) << np.uint64(32) | bucket)
    found = np.concatenate(keys)
    found.sort()
    found = found[np.diff(found, prepend=np.uint64(2**64 - 1)) != 0]
    starts = np.searchsorted(found >> np.uint64(32), np.arange(len(texts) + 1, dtype=np.uint64))
    return Ragged((found & np.uint64(2**32 - 1)).astype("int32"), starts)


def spelled(
    texts: Sequence[str], orders: Mapping[str, Sequence[int]], buckets: int, wanted: np.ndarray
) -> dict[int, str]:
    """One n-gram of these texts for each of the `wanted` buckets that they hold: {bucket: n-gram}."""
    found: dict[int, str] = {}
    for unit, own in orders.items():
        if unit == "word":
            index, distinct, _ = words(texts)
            signs, glue = [str(distinct[i]) for i in index], " "
        else:
            signs, glue = list("".join(f" {to_jamo(text) if unit == 'jamo' else text} " for text in texts)), ""
        for n, _, place, bucket in _hashed(*codes(texts, unit), own, buckets):
            there, first = np.unique(bucket, return_index=True)
            for i in np.flatnonzero(np.isin(there, wanted)):
                at = place[first[i]]
                found.setdefault(int(there[i]), from_jamo(glue.join(signs[at : at + n])))
    return found


def _hashed(single: np.ndarray, lengths: np.ndarray, orders: Sequence[int], buckets: int) -> Iterator[tuple]:
    """For each n: (n, text, place, bucket) of every n-gram that lies within a text."""
    text = np.repeat(np.arange(len(lengths)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(single))  # codes from here to the end of the text
    grams = single.copy()
    for n in range(1, max(orders) + 1):
        if n > 1 and len(grams):
            grams = grams[:-1] * np.uint64(0x9E3779B97F4A7C15) + single[n - 1 :]
        if n in orders:
            place = np.flatnonzero(left[: len(grams)] >= n)
            yield n, text[place], place, _mixed(grams[place] + np.uint64(n)) % np.uint64(buckets - 2) + np.uint64(2)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al. 2014): every input bit moves every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
