"""Downloads with a checksum, from a server on this machine; archives that are read without unpacking."""

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

import pytest

from common.errors import UserError
from common.inputs import downloads
from common.inputs.downloads import archive_files, download
from projects.text_classification.standard import archive_members

CONTENT = b"the field's own data"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def home(tmp_path):
    """The address of a folder with `set.bin`, and the paths that were asked for."""
    folder, asked = tmp_path / "home", []
    folder.mkdir()
    (folder / "set.bin").write_bytes(CONTENT)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(folder), **kwargs)

        def log_message(self, *args):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once(home, tmp_path):
    address, asked = home
    path = tmp_path / "data" / "new" / "set.bin"
    for _ in range(2):
        assert download(f"{address}/set.bin", path, SHA256) == path
        assert path.read_bytes() == CONTENT
    assert len(asked) == 1


def test_what_arrives_with_another_checksum_is_refused_and_not_kept(home, tmp_path):
    address, _ = home
    path = tmp_path / "data" / "set.bin"
    with pytest.raises(UserError, match=r"set\.bin"):
        download(f"{address}/set.bin", path, "0" * 64)
    assert not path.exists()


def test_a_file_in_place_with_another_checksum_is_refused_and_left_alone(home, tmp_path):
    address, asked = home
    path = tmp_path / "set.bin"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="SHA-256"):
        download(f"{address}/set.bin", path, SHA256)
    assert path.read_bytes() == b"mine" and not asked


@pytest.mark.parametrize("place", ["/no-such-file", None], ids=["a refusal", "no network"])
def test_without_the_file_the_message_says_what_to_put_where(place, home, tmp_path):
    address = f"{home[0]}{place}" if place else "http://localhost:9/set.bin"  # nobody listens there
    with pytest.raises(UserError) as refused:
        download(address, tmp_path / "data" / "set.bin", SHA256)
    assert address in str(refused.value) and str(tmp_path / "data") in str(refused.value)


TWO = bytes(range(256)) * 200  # much of the archive
FILES = {"set/a.txt": b"one", "set/b.txt": TWO, "set/empty": b""}


@pytest.fixture(params=["set.zip", "set.tar", "set.tar.gz"])
def archive(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            file.mkdir("set")
            for name, content in FILES.items():
                file.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
            folder, link = tarfile.TarInfo("set"), tarfile.TarInfo("set/link")
            folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "/etc/passwd"
            for entry in (folder, link):
                file.addfile(entry)
            for name, content in FILES.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                file.addfile(entry, io.BytesIO(content))
    return path


def test_the_files_of_an_archive_are_read_and_nothing_else(archive, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert dict(archive_files(archive)) == FILES, "no folder and no link"
    assert archive_members(archive, ("b.txt", "a.txt")) == [TWO, b"one"]
    with pytest.raises(UserError, match=r"holds no file c\.txt"):
        archive_members(archive, ("a.txt", "c.txt"))
    assert sorted(tmp_path.rglob("*")) == before, "nothing is unpacked"


def test_a_file_that_would_grow_too_large_is_left_out(archive, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_MEMBER_BYTES", 0)
    assert dict(archive_files(archive)) == {"set/empty": b""}


def test_an_archive_that_is_cut_short_is_named(archive):
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 3])
    with pytest.raises(UserError, match=r"set\.[a-z.]+ is not a complete archive"):
        list(archive_files(archive))
