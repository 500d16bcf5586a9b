"""Text files, and Hangul taken apart into jamo."""

import random
import unicodedata

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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_nul_byte_is_no_text(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(text, "PIECE", 4)
    (tmp_path / "t.txt").write_bytes("one\ntwo three\0\n".encode(encoding))
    with pytest.raises(UserError, match=r"t\.txt holds a NUL byte"):
        list(text.read_text(tmp_path / "t.txt"))


@pytest.mark.parametrize("encoding", ["cp949", "utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("piece", [5, 1 << 22])
def test_korean_text_in_the_encodings_of_windows(encoding, piece, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(text, "PIECE", piece)
    content = "나랏말싸미 듕귁에 달아\n문자와로 서르 사맛디 아니할쎄 abc\r\n" * 30
    path = tmp_path / f"{encoding}-{piece}.txt"
    path.write_bytes(content.encode(encoding))
    assert "".join(text.read_text(path)) == content.replace("\r", "")
    list(text.read_text(path))
    assert capsys.readouterr().err.count("is read as") == (not encoding.startswith("utf-8")), "it is said once"


@pytest.mark.parametrize("encoding", ["latin-1", "shift-jis", "koi8-r", "big5", "gbk"])
def test_an_encoding_that_is_not_certain_is_refused(encoding, tmp_path):
    words = {"latin-1": "Größe café naïve", "koi8-r": "Москва, Россия", "shift-jis": "こんにちは世界、日本語の文章です"}
    content = words.get(
        encoding, "你好世界，我們在這裡學習神經網路" if encoding == "big5" else "你好世界，我们在这里学习神经网络的知识"
    )
    (tmp_path / "t.txt").write_bytes(content.encode(encoding))
    with pytest.raises(UserError, match="save the file as UTF-8"):
        list(text.read_text(tmp_path / "t.txt"))


def test_a_byte_that_is_no_text_is_not_hidden_by_a_guess(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"a b\n\xff\xfe\0\n")  # as UTF-16 it would hold U+FFFE, which no text holds
    with pytest.raises(UserError, match=r"not UTF-8: byte 4 \(line 2\) is 0xff"):
        list(text.read_text(path))


@pytest.mark.parametrize("piece", [3, 1 << 22])
def test_a_text_of_a_mac_is_the_same_text(piece, tmp_path, monkeypatch):
    monkeypatch.setattr(text, "PIECE", piece)
    content = "나는 학교에 갔다.\n\nCafé, ấ\n끝"
    (tmp_path / "mac.txt").write_text(unicodedata.normalize("NFD", content), encoding="utf-8")
    assert "".join(text.read_text(tmp_path / "mac.txt")) == content
    assert list(text.read_lines(tmp_path / "mac.txt")) == content.split("\n")


KINDS = {
    b"PK\x03\x04": "Word document or another ZIP archive", b"\xd0\xcf\x11\xe0": "old Excel workbook or Word document", b"%PDF-1.7": "a PDF document",
    b"\x1f\x8b\x08": "compressed by gzip", b"PAR1": "a Parquet file",
}  # fmt: skip


@pytest.mark.parametrize("head", KINDS)
def test_a_file_of_another_kind_is_named(head, tmp_path):
    (tmp_path / "a.txt").write_bytes(head + bytes(range(200, 256)))
    with pytest.raises(
        UserError, match=rf"a\.txt is .*{KINDS[head]}; save the table as CSV, or the text as a text file"
    ):
        list(text.read_text(tmp_path / "a.txt"))


def test_random_letters_and_lines_of_a_program_stay_the_same():
    """The cautions of two projects are measured on them."""
    chance = random.Random(0)
    rows = text.random_letters(400, 2, 6, chance)
    assert len(rows) == 400 and rows[:2] == ["tkgnkuhm nhtqg isxr", "wyvx vnngfrvk lrzxuc mqv ahsje"]
    assert all(2 <= len(row.split()) <= 6 and row.replace(" ", "").islower() for row in rows)
    assert text.program_lines() == sorted(set(text.program_lines())) and len(text.program_lines()) > 1_000
