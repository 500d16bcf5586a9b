"""Folders: copies among files, found by content, and the parts of the data, found by name."""

import importlib

import pytest

from common.inputs import folders
from tests.conftest import PROJECTS


def test_copies_have_one_key(tmp_path):
    contents = {"a.png": b"one", "b/copy.png": b"one", "c.png": b"two", "d.png": b"longer", "e.png": b"", "f.png": b""}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    keys = folders.content_keys(tmp_path / name for name in contents)
    for first in contents:
        for second in contents:
            equal = keys[tmp_path / first] == keys[tmp_path / second]
            assert equal == (contents[first] == contents[second]), (first, second)


def test_a_file_of_a_size_of_its_own_is_not_read(tmp_path, monkeypatch):
    for name, content in (("a", b"1"), ("b", b"2"), ("c", b"only one of this size")):
        (tmp_path / name).write_bytes(content)
    read = []
    monkeypatch.setattr(folders, "file_sha256", lambda path: read.append(path.name) or path.name)
    folders.content_keys(sorted(tmp_path.iterdir()))
    assert sorted(read) == ["a", "b"]


def test_no_files_have_no_keys():
    assert folders.content_keys([]) == {}


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        ("train test", "train", "test"),
        ("Train Test VAL", "Train", "Test"),
        ("Training Testing", "Training", "Testing"),
        ("training_set test_set", "training_set", "test_set"),
        ("seg_train seg_test seg_pred", "seg_train", "seg_test"),
        ("train2014 train2017 val2017", "train2017", "val2017"),
        ("train validation attest", "train", "validation"),
        ("trains latest", None, None),
    ],
)
def test_parts_are_known_by_names_as_people_write_them(names, train, test, tmp_path):
    for name in names.split():
        (tmp_path / name).mkdir()
    (tmp_path / "training").touch() if train is None else None  # a file is no folder
    found = (
        folders.part_of(tmp_path, "train", "training"),
        folders.part_of(tmp_path, "test", "testing", "val", "validation"),
    )
    assert found == (train and tmp_path / train, test and tmp_path / test)


def test_what_is_left_out_is_counted_and_named():
    assert folders.left_out_words([]) == ""
    assert folders.left_out_words(["a.txt is no picture"]) == ". 1 files left out: a.txt is no picture"
    many = folders.left_out_words([f"{number}.txt" for number in range(1500)])
    assert many.startswith(". 1,500 files left out: 0.txt; 1.txt") and many.endswith("; 11.txt and 1,488 more")


# How the `fingerprint` of each project's data module takes one file.
OF_A_FILE = {
    "colorization": lambda data, path: data.fingerprint([data.Picture("a", path)]),
    "comic_text": lambda data, path: data.fingerprint([data.Page("a", "a", picture=path)]),
    "image_captioning": lambda data, path: data.fingerprint([path], [{"en": ["a dog"]}]),
    "image_classification": lambda data, path: data.fingerprint([[path]]),
    "mask_detection": lambda data, path: data.fingerprint([[]], [[path]]),
}


@pytest.mark.parametrize("name", OF_A_FILE)
def test_a_file_that_was_replaced_by_one_of_its_size_is_other_data(name, tmp_path):
    if name not in PROJECTS:
        pytest.skip("a fork of another project")
    data, path = importlib.import_module(f"projects.{name}.data"), tmp_path / "a.png"
    found = []
    for content in (b"one", b"two", b"one"):
        path.write_bytes(content)
        found.append(OF_A_FILE[name](data, path))
    assert found[0] == found[2] != found[1]
