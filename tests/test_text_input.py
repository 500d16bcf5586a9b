"""Text files, and Hangul taken apart into jamo."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from common.inputs import text


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3) | st.sampled_from("aé ㅋ\n—")))
def test_jamo_there_and_back(sentence):
    apart = text.to_jamo(sentence)
    assert not any("가" <= symbol <= "힣" for symbol in apart)
    assert text.from_jamo(apart) == sentence


def test_jamo_by_hand():
    assert text.to_jamo("한글é") == "\u1112\u1161\u11ab\u1100\u1173\u11afé"  # é stays one character
    assert text.from_jamo("\u1112\u11ab") == "\u1112\u11ab", "no syllable without a vowel"
    assert [text.settled(word) for word in ("a가", "a간", "a\u1100", "a", "")] == [1, 2, 1, 1, 0]


def test_a_file_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "PIECE", 5)
    content = "\ufeffone\r\ntwo\rthree 한글 é\r\n"
    (tmp_path / "t.txt").write_bytes(content.encode())
    assert "".join(text.read_text(tmp_path / "t.txt")) == "one\ntwo\nthree 한글 é\n"


@pytest.mark.parametrize("before", [0, 3, 4, 9])
def test_the_byte_that_is_not_utf8_is_named(tmp_path, monkeypatch, before):
    monkeypatch.setattr(text, "PIECE", 4)
    path = tmp_path / "latin.txt"
    path.write_bytes(b"\n" * before + b"\xff" + b"abcdefgh")
    with pytest.raises(UserError, match=rf"byte {before} \(line {before + 1}\) is 0xff"):
        list(text.read_text(path))
    path.write_bytes(b"a" * before + "é".encode()[:1])  # cut off in the middle of a character
    with pytest.raises(UserError, match=rf"byte {before} "):
        list(text.read_text(path))
