"""Vocabularies: one convention for symbols of every kind, and nothing lost on the way to JSON and back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.inputs.vocabulary import PADDING, UNKNOWN, UNKNOWN_SIGN, Vocabulary


@pytest.mark.parametrize(
    ("ends", "first"), [({}, 2), ({"bos": True}, 3), ({"eos": True}, 3), ({"bos": True, "eos": True}, 4)]
)
def test_padding_is_0_unknown_is_1_then_the_ends_then_the_symbols(ends, first):
    words = Vocabulary(["the", "cat"], **ends)
    assert (PADDING, UNKNOWN) == (0, 1) and words.first == first and len(words) == first + 2
    assert words.encode(["the", "cat", "dog"]).tolist() == [first, first + 1, UNKNOWN]
    special = [i for i in (words.bos, words.eos) if i is not None]
    assert special == list(range(2, first)) and (words.bos is not None) == ends.get("bos", False)
    assert words.encode(["the"]).dtype == np.int32
    begin = [words.bos] if words.bos else []
    assert words.decode([PADDING, *begin, first, UNKNOWN, first + 1]) == ["the", UNKNOWN_SIGN, "cat"]
    assert words.decode([first, words.eos or PADDING, first]) == ["the"] * (1 if words.eos else 2), (
        "<eos> ends the text"
    )


def test_words_are_kept_by_how_often_they_occur():
    text = list("abbcccddd")
    assert Vocabulary.of_words(text, 10).symbols == ["c", "d", "b", "a"], "of equal counts, the one that came first"
    assert Vocabulary.of_words(text, 2).symbols == ["c", "d"]
    assert Vocabulary.of_words(text, 10, min_count=2).symbols == ["c", "d", "b"]
    assert Vocabulary.of_words(text, 10, eos=True).eos == 2
    assert Vocabulary.of_words([], 10).symbols == []


def test_characters_of_any_script_are_kept_by_how_often_they_occur():
    characters = Vocabulary.of_characters(["한글 한", "x😀"], 10)
    assert characters.symbols[0] == "한" and set(characters.symbols) == set("한글 x😀")
    assert "".join(characters.decode(characters.encode("한😀?"))) == f"한😀{UNKNOWN_SIGN}"
    assert "한" in characters and "?" not in characters
    assert characters.unknown("한?!?") == ["?", "!"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=30), st.booleans(), st.booleans())
def test_what_is_known_comes_back(texts, other, bos, eos):
    """Of any text, through JSON: known characters as they are, each other one as the sign for unknown."""
    made = Vocabulary.of_characters(texts, 1000, bos=bos, eos=eos)
    vocabulary = Vocabulary.from_json(json.loads(json.dumps(made.to_json())))
    assert vocabulary.symbols == made.symbols and (vocabulary.bos, vocabulary.eos) == (made.bos, made.eos)
    ids = vocabulary.encode(other)
    assert len(ids) == len(other) and PADDING not in ids and (ids < len(vocabulary)).all()
    known = set("".join(texts))
    assert vocabulary.decode(ids) == [letter if letter in known else UNKNOWN_SIGN for letter in other]


def test_learning_gives_new_characters_the_next_ids():
    vocabulary = Vocabulary()
    assert vocabulary.learn("abca").tolist() == [2, 3, 4, 2]
    assert vocabulary.learn("da").tolist() == [5, 2] and vocabulary.symbols == list("abcd")
    assert vocabulary.encode("dx").tolist() == [5, UNKNOWN]


def test_no_symbols_have_no_ids():
    words = Vocabulary(["a"])
    assert words.encode([]).shape == words.encode("").shape == (0,)
    assert words.encode([]).dtype == words.encode("").dtype == np.int32 and words.decode([]) == []
