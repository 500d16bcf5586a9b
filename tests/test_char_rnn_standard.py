"""Tiny Shakespeare."""

import pytest

from common.errors import UserError
from projects.char_rnn import standard
from projects.char_rnn.config import TOY, Config
from projects.char_rnn.data import FRACTIONS
from projects.char_rnn.standard import load_data


def test_shakespeare_is_the_usual_file_or_none(tmp_path, monkeypatch):
    (tmp_path / "tiny_shakespeare").mkdir()
    (tmp_path / "tiny_shakespeare" / "input.txt").write_text("something else")
    with pytest.raises(UserError, match="SHA-256"):
        load_data(TOY, "shakespeare", tmp_path)
    monkeypatch.setattr(standard, "URL", "http://127.0.0.1:9/input.txt")
    with pytest.raises(UserError, match=r"input\.txt is not in .*other.tiny_shakespeare and .* put it there"):
        load_data(TOY, "shakespeare", tmp_path / "other")
    assert not [path for path in (tmp_path / "other").rglob("*") if path.is_file()]


def test_shakespeare_is_split_as_usual(datasets):
    splits = load_data(Config(), "shakespeare", datasets)
    test = splits.sealed_test.inputs
    assert test.characters == 1_115_394 - int(0.9 * 1_115_394), "the usual last tenth"
    assert splits.train.inputs.stop == test.start, "the test part follows the training part"
    assert len(splits.meta["vocabulary"]["symbols"]) == 65 and sum(FRACTIONS.values()) == pytest.approx(1)
