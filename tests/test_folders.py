"""Copies among files: found by content, whatever the files are called."""

from common.inputs import folders


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
