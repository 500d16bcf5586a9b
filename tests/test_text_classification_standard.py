"""The standard sets of text classification, in the layouts in which their homes pack them."""

import gzip
import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from common.errors import UserError
from common.project import Project
from projects.text_classification import standard
from projects.text_classification.config import Config


def write(path: Path, rows: list[str], header: str) -> None:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def test_every_set_has_its_files_with_a_checksum():
    names = set(Project("text_classification").card.STANDARD)
    assert names == set(standard.HOMES) == set(standard.ROWS) == set(standard.ABOUT)
    for files in standard.HOMES.values():
        assert all(url.startswith("https://") and re.fullmatch("[0-9a-f]{64}", sha256) for url, sha256 in files)


def test_the_homes_archives_are_read_without_unpacking(tmp_path, monkeypatch):
    def tar(path, files):
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))

    monkeypatch.setattr(standard, "ROWS", {"imdb": (3, 1), "rt_polarity": (3,), "sms_spam": (2,)})
    with zipfile.ZipFile(tmp_path / "sms+spam+collection.zip", "w") as archive:
        archive.writestr("SMSSpamCollection", "ham\tOk lar\nspam\tWIN £100\n")
    assert standard.whole("sms_spam", tmp_path)[:2] == (["Ok lar", "WIN £100"], ["ham", "spam"])
    reviews = {
        "rt-polaritydata/rt-polarity.neg": b"bad \ndull \n",
        "rt-polaritydata/rt-polarity.pos": "café ".encode("latin-1"),
    }
    tar(tmp_path / "rt_polarity" / "rt-polaritydata.tar.gz", reviews)
    texts, labels, _ = standard.whole("rt_polarity", tmp_path)
    assert texts == ["bad", "dull", "café"] and labels == ["negative", "negative", "positive"]
    names = ("train/pos/1_9", "train/neg/10_2", "train/neg/9_1", "test/pos/0_10", "train/unsup/0_0")
    tar(tmp_path / "imdb" / "aclImdb_v1.tar.gz", {f"aclImdb/{name}.txt": name.encode() for name in names})
    train, test, _ = standard.official("imdb", tmp_path)
    assert train == (["train/neg/9_1", "train/neg/10_2", "train/pos/1_9"], ["negative", "negative", "positive"])
    assert test == (["test/pos/0_10"], ["positive"])


def test_a_broken_archive_a_short_file_and_no_network_are_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "sms+spam+collection.zip").write_bytes(b"PK not a zip")
    with pytest.raises(UserError, match="not a complete archive"):
        standard.whole("sms_spam", tmp_path)
    (tmp_path / "SMSSpamCollection").write_text("ham\tOk\n", encoding="utf-8")
    with pytest.raises(UserError, match="holds 1 texts; sms_spam has 5,574"):
        standard.whole("sms_spam", tmp_path)
    home = ((tmp_path / "nowhere" / "ratings_train.txt").as_uri(), "0" * 64)
    monkeypatch.setattr(standard, "HOMES", {"nsmc": [home, home]})
    with pytest.raises(UserError, match=r"put it there as ratings_train\.txt"):
        standard.official("nsmc", tmp_path)
    assert not list((tmp_path / "nsmc").glob("*"))


def test_an_official_split_leaves_test_texts_out_of_training(tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "ROWS", {"nsmc": (42, 2)})
    rows = [f"{i}\t영화 {i}\t{i % 2}" for i in range(40)] + ["40\t최고\t1", "41\t영화 3\t1"]
    write(tmp_path / "ratings_train.txt", rows, "id\tdocument\tlabel")
    write(tmp_path / "ratings_test.txt", ["50\t최고\t1", "51\t영화 99\t0"], "id\tdocument\tlabel")
    splits = standard.load_data(Config(), "nsmc", tmp_path)
    assert splits.sizes == {"train": 36, "validation": 4, "test": 2} and "2 repeated texts" in splits.source.source
    assert splits.meta["classes"] == ["negative", "positive"]


def test_quotes_are_packing_in_imdb_and_signs_in_nsmc(tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "ROWS", {"imdb": (3, 1), "nsmc": (3, 1)})
    rows = ["0\t0\tplain", '1\t0\t"He said ""no"" twice"', '2\t1\tone " alone']
    for part, written in (("train", rows), ("test", rows[1:2])):
        (tmp_path / f"{part}.tsv.gz").write_bytes(gzip.compress("\n".join(["id\tlabel\ttext", *written, ""]).encode()))
        write(tmp_path / f"ratings_{part}.txt", written, "id\tlabel\tdocument")
    assert standard.official("imdb", tmp_path)[0][0] == ["plain", 'He said "no" twice', 'one " alone']
    assert standard.official("nsmc", tmp_path)[0][0] == ["plain", '"He said ""no"" twice"', 'one " alone']


def test_imdb_validates_on_the_end_of_each_class(tmp_path, monkeypatch):
    """Reviews of one film stand together: those of a film in training are not in validation."""
    monkeypatch.setattr(standard, "ROWS", {"imdb": (200, 2)})
    train = [f"{label}\tfilm {i // 5} {label} seen {i}" for label in (0, 1) for i in range(100)]
    for part, rows in (("train", train), ("test", ["0\tother", "1\tanother"])):
        (tmp_path / f"{part}.tsv.gz").write_bytes(gzip.compress("\n".join(["label\ttext", *rows, ""]).encode()))
    splits = standard.load_data(Config(seed=3), "imdb", tmp_path)
    assert splits.sizes == {"train": 180, "validation": 20, "test": 2}
    films = [{text.split()[1] for text in part.inputs} for part in (splits.train, splits.validation)]
    assert films[1] == {"18", "19"} and not films[0] & films[1]
