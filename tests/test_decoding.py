"""The writing loop and the beam search, beside plain loops and a search of everything."""

import itertools

import numpy as np
import pytest
from keras import ops

from common.layers.decoding import beam_search, compiled, write

SYMBOLS, START, STOP, LENGTH = 5, 2, 3, 4  # 0 is padding; 4 is the only ordinary symbol besides 1 and 2
TABLES = np.random.default_rng(1).normal(size=(2, SYMBOLS * 3, SYMBOLS)).astype("float32") * 2


def after(sentence: int, history: int) -> np.ndarray:
    """Log-probabilities (symbols,) of the next symbol. They depend on everything that was written before."""
    logits = TABLES[sentence, history % len(TABLES[0])]
    return logits - np.log(np.exp(logits).sum())


def run(beam: int, penalty: float = 1.0, length: int = LENGTH) -> dict[str, np.ndarray]:
    """beam_search with a network that hands its history on, for both tables at once."""
    tables = ops.repeat(TABLES, beam, axis=0)

    def search(tables):
        def step(t, tokens, state):
            state = {"history": state["history"] * 7 + tokens}
            place = state["history"] % tables.shape[1]
            logits = ops.take_along_axis(tables, place[:, None, None], axis=1)[:, 0]
            return logits, state, {"read": ops.cast(tokens, "float32")[:, None]}

        state = {"history": ops.zeros((2 * beam,), "int32")}
        seen = {"read": ops.zeros((2 * beam, 1))}
        return beam_search(step, state, 2, START, STOP, length, beam, penalty, seen)

    result, plain = compiled(search)(tables), search(tables)
    assert all(np.allclose(result[name], plain[name], atol=1e-5) for name in plain), "compiled is as it is"
    return {name: np.asarray(array) for name, array in result.items()}


def everything(sentence: int, penalty: float = 1.0) -> list[tuple[float, list[int]]]:
    """(score, symbols) of each text of at most LENGTH symbols, the best one first."""
    found = {}
    for text in itertools.product(range(SYMBOLS), repeat=LENGTH):
        text = text[: text.index(STOP) + 1] if STOP in text else text
        total, history = 0.0, 0
        for before, symbol in itertools.pairwise((START, *text)):
            history = history * 7 + before
            total += after(sentence, history)[symbol]
        found[text] = total / len(text) ** penalty
    return sorted(((score, list(text)) for text, score in found.items()), reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_what_a_search_of_everything_finds(penalty):
    result = run(beam=SYMBOLS**3, penalty=penalty)
    for sentence in range(2):
        expected = everything(sentence, penalty)[:20]
        np.testing.assert_allclose(result["scores"][sentence, :20], [score for score, _ in expected], atol=1e-4)
        for tokens, (_, text) in zip(result["tokens"][sentence], expected, strict=False):
            assert tokens.tolist() == text + [0] * (LENGTH - len(text))


def test_a_beam_of_one_takes_the_most_probable_symbol_each_time():
    result = run(beam=1, length=9)
    for sentence in range(2):
        text, history = [START], 0
        while len(text) <= 9 and text[-1] != STOP:
            history = history * 7 + text[-1]
            text.append(int(after(sentence, history).argmax()))
        assert result["tokens"][sentence, 0].tolist() == text[1:] + [0] * (10 - len(text))


def test_short_texts_win_without_the_division_by_length():
    def length(penalty):
        return np.count_nonzero(run(beam=25, penalty=penalty)["tokens"][:, 0])

    assert length(0.0) < length(2.0)


def test_what_was_seen_belongs_to_its_hypothesis():
    """Each step has seen the symbol before its own, also where a hypothesis goes on from another row."""
    result = run(beam=4)
    for tokens, read in zip(result["tokens"].reshape(-1, LENGTH), result["read"].reshape(-1, LENGTH), strict=True):
        end = tokens.tolist().index(STOP) + 1 if STOP in tokens else LENGTH
        assert read[:end].tolist() == [START, *tokens[: end - 1]]


def test_the_loop_ends_when_nothing_goes_on():
    def step(t, tokens, state):
        return ops.one_hot(tokens + 1, 9), state + 1, {"twice": 2 * tokens}

    def choose(t, logits, memory):
        tokens = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return tokens, None, tokens

    start = np.int32([0, 3])
    for function in (write, compiled(write)):
        written, state, memory = function(
            step, choose, start, 0, start, 7, {"twice": start}, lambda memory: ops.max(memory) < 5
        )
        assert int(state) == 2, "two steps were computed"
        assert np.asarray(written["tokens"]).tolist() == [[1, 4], [2, 5], *[[0, 0]] * 5]
        assert np.asarray(written["twice"])[:2].tolist() == [[0, 6], [2, 8]]
        assert np.asarray(memory).tolist() == [2, 5]
