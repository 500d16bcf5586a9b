"""Symbols as numbers, with one convention for characters, jamo, words and subwords.

Id 0 is padding, which Keras masks. Id 1 is an unknown symbol. Then come `<bos>` and `<eos>`, the beginning and the end
of a sequence, where a project asks for them. Then come the symbols in their order. A vocabulary is saved as plain JSON.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

PADDING, UNKNOWN = 0, 1
JSON = {"symbols": [str], "bos": bool, "eos": bool}  # what `Vocabulary.to_json` returns (see common/schema.py)
UNKNOWN_SIGN = "\ufffd"  # stands for an unknown symbol in decoded text


class Vocabulary:
    """The symbols of a text and their ids.

    symbols: distinct texts; the first one has the id `first`. bos, eos: whether the vocabulary has these ids. As
    attributes they are the ids, or None.
    """

    def __init__(self, symbols: Iterable[str] = (), bos: bool = False, eos: bool = False):
        self.symbols = list(symbols)
        self.bos = UNKNOWN + 1 if bos else None
        self.eos = UNKNOWN + 1 + bos if eos else None
        self.first = UNKNOWN + 1 + bos + eos
        self._ids = {symbol: i for i, symbol in enumerate(self.symbols, start=self.first)}
        self._characters = np.zeros(0, np.int32)  # code point -> id; filled when a string is first encoded

    def __len__(self) -> int:
        """The number of ids, with padding and unknown: the input size of an embedding."""
        return self.first + len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._ids

    @classmethod
    def of_words(cls, words: Iterable[str], max_size: int, min_count: int = 1, **ends: bool) -> "Vocabulary":
        """The words that occur at least `min_count` times, the most frequent first, at most `max_size` of them."""
        codes, distinct = pd.factorize(np.fromiter(words, object))
        return cls(_most_frequent(distinct, np.bincount(codes, minlength=len(distinct)), max_size, min_count), **ends)

    @classmethod
    def of_characters(cls, texts: Iterable[str], max_size: int, min_count: int = 1, **ends: bool) -> "Vocabulary":
        """As `of_words`, for the single characters of the texts."""
        codes, counts = np.unique(_code_points("".join(texts)), return_counts=True)
        return cls(_most_frequent([chr(code) for code in codes], counts, max_size, min_count), **ends)

    def encode(self, symbols: str | Sequence[str]) -> np.ndarray:
        """Ids (n,) int32 of the characters of a string, or of the words of a sequence; UNKNOWN for unknown ones."""
        if isinstance(symbols, str):
            return self._table()[_code_points(symbols)]
        codes, distinct = pd.factorize(np.fromiter(symbols, object, len(symbols)))
        ids = np.array([self._ids.get(symbol, UNKNOWN) for symbol in distinct], np.int32)
        return ids[codes] if len(codes) else np.zeros(0, np.int32)

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The symbols of these ids up to `<eos>`, without padding and `<bos>`; an unknown one becomes UNKNOWN_SIGN."""
        result = []
        for i in ids:
            if i == self.eos:
                break
            if self.first <= i < len(self):
                result.append(self.symbols[i - self.first])
            elif i == UNKNOWN:
                result.append(UNKNOWN_SIGN)
        return result

    def learn(self, text: str) -> np.ndarray:
        """As `encode`, but each new character gets the next id. So one pass encodes a text of any size."""
        codes = _code_points(text)
        ids = self._table()[codes]
        if (ids == UNKNOWN).any():
            new, first = np.unique(codes[ids == UNKNOWN], return_index=True)
            for code in new[np.argsort(first)]:
                self._characters[code] = self._ids[chr(code)] = len(self)
                self.symbols.append(chr(code))
            ids = self._characters[codes]
        return ids

    def unknown(self, symbols: Iterable[str]) -> list[str]:
        """The distinct symbols that have no id, in order of appearance."""
        return [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._ids]

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as `from_json` reads it."""
        return {"symbols": self.symbols, "bos": self.bos is not None, "eos": self.eos is not None}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Vocabulary":
        """The vocabulary that `to_json` has written."""
        return cls(values["symbols"], values["bos"], values["eos"])

    def _table(self) -> np.ndarray:
        if not len(self._characters):
            self._characters = np.full(0x110000, UNKNOWN, np.int32)
            single = [symbol for symbol in self.symbols if len(symbol) == 1]
            self._characters[[ord(symbol) for symbol in single]] = [self._ids[symbol] for symbol in single]
        return self._characters


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _most_frequent(symbols: Sequence[str], counts: np.ndarray, max_size: int, min_count: int) -> list[str]:
    order = np.argsort(-counts, kind="stable")
    return [str(symbols[i]) for i in itertools.islice(order, max_size) if counts[i] >= min_count]
