"""Data sets from their official homes: downloads with a checksum, and archives that are read without unpacking."""

import gzip
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from common.errors import UserError

MAX_MEMBER_BYTES = 500_000_000  # unpacked size of a file in an archive; larger files are skipped


def download(url: str, path: Path, sha256: str) -> Path:
    """The file at `path`, downloaded from `url` if it is not there. Either way it must have this SHA-256.

    A download gets its name only when its checksum is right. Raises UserError if the home cannot be reached, or if the
    file has another checksum; the message says which file to put where.
    """
    import pooch

    if path.exists():
        if pooch.file_hash(str(path)) != sha256:
            raise UserError(f"{path} is not the file of {url}: its SHA-256 is not {sha256}.")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent)
    except (OSError, ValueError) as error:  # ValueError: a wrong checksum, or an address that pooch does not know
        raise UserError(
            f"{path.name} is not in {path.parent} and cannot be downloaded ({error}). Download {url} and put it there "
            f"as {path.name}."
        ) from None
    return path


def archive_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file in a .zip, .tar or .tar.gz; nothing is written to disk.

    Files of more than MAX_MEMBER_BYTES are skipped. Raises UserError if the archive is damaged or cut short.
    """
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if entry.file_size <= MAX_MEMBER_BYTES and not entry.is_dir():
                        yield entry.filename, archive.read(entry)
        else:
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isfile() and member.size <= MAX_MEMBER_BYTES:
                        yield member.name, archive.extractfile(member).read()  # type: ignore[union-attr]
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is not a complete archive: {error}. Delete it to download it again.") from None


def archive_members(path: Path, endings: tuple[str, ...]) -> list[bytes]:
    """The content of the file with each ending of a name, in the order of `endings`; a missing one is a UserError."""
    contents = {ending: content for name, content in archive_files(path) for ending in endings if name.endswith(ending)}
    if missing := [ending for ending in endings if ending not in contents]:
        raise UserError(f"{path} holds no file {missing[0]}.")
    return [contents[ending] for ending in endings]
