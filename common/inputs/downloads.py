"""Data sets from their official homes: downloads with a checksum, and archives that are read without unpacking."""

import gzip
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from common.errors import UserError

MAX_MEMBER_BYTES = 500_000_000  # unpacked size of a file in an archive; larger files are skipped
MAX_ARCHIVE_BYTES, MAX_ARCHIVE_FILES = 1_000_000_000, 200_000  # unpacked, of all files together
MAX_NAME_BYTES = 256  # the average size of a file's entry in the list at the end of a .zip


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


def find_file(file: str, folders: Sequence[Path], home: str) -> Path:
    """The file in the first of these folders that holds it; a missing one is a UserError that names the first folder.

    It is for sets that a user fetches from their `home`, where no address gives the file alone.
    """
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    raise UserError(f"{file} is not in {folders[0]}. Get it from {home} and put it there.")


def archive_files(
    path: Path, max_bytes: int = MAX_ARCHIVE_BYTES, max_files: int = MAX_ARCHIVE_FILES
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file in a .zip, .tar or .tar.gz; nothing is written to disk.

    Files of more than MAX_MEMBER_BYTES are skipped. Raises UserError for an archive that is damaged, encrypted or
    compressed in an unusual way, that unpacks to more than `max_bytes`, or that holds more than `max_files` entries.
    """
    entries = _zip(path, max_bytes, max_files) if path.suffix == ".zip" else _tar(path, max_bytes)
    expanded = 0
    try:
        for number, (name, size, read) in enumerate(entries, start=1):
            expanded += size
            if expanded > max_bytes or number > max_files:
                raise TooLarge
            if read and size <= MAX_MEMBER_BYTES:
                yield name, read()
    except UserError:
        raise
    except TooLarge:
        words = f"holds more than {max_files:,} files or unpacks to more than {max_bytes:,} bytes"
        raise UserError(f"{path} {words}; it is not read.") from None
    except Exception as error:  # a damaged or foreign archive makes these modules raise nearly anything
        reason = str(error) or type(error).__name__
        raise UserError(f"{path} is not a complete archive: {reason}.") from None


class TooLarge(Exception):
    """An archive holds more than is read."""


# What an archive holds: (name, size when unpacked, function that gives the content; None for a folder or a link).
Entries = Iterator[tuple[str, int, Callable[..., bytes] | None]]


def _zip(path: Path, max_bytes: int, max_files: int) -> Entries:
    with path.open("rb") as file:
        # The list of files at the end says how long it is. Python reads the whole list before anything can be counted.
        file.seek(max(0, path.stat().st_size - 65_557))
        _, found, end = file.read().rpartition(b"PK\5\6")
    if found and int.from_bytes(end[8:12], "little") > MAX_NAME_BYTES * max_files:
        raise TooLarge
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > max_bytes:
            raise TooLarge
        for entry in archive.infolist():
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UserError(f"{path}: {entry.filename} is compressed in an unusual way; make a plain .zip.")
            yield entry.filename, entry.file_size, None if entry.is_dir() else partial(archive.read, entry)


def _tar(path: Path, max_bytes: int) -> Entries:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as file:
        bounded: Any = _Bounded(file, max_bytes)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                yield member.name, member.size, content.read if content else None


class _Bounded:
    """A file to read that raises TooLarge beyond `limit` bytes: a few MB of gzip may unpack to many GB."""

    def __init__(self, file: Any, limit: int) -> None:
        self.file, self.limit, self.tell = file, limit, file.tell

    def read(self, size: int) -> bytes:
        if self.tell() + size > self.limit:
            raise TooLarge
        return self.file.read(size)

    def seek(self, place: int) -> int:
        if place > self.limit:
            raise TooLarge
        return self.file.seek(place)


def unpack(path: Path, folder: Path, max_bytes: int, max_files: int) -> None:
    """Write the files of an archive into a folder that exists; see `archive_files`.

    Hidden files, and those that a Mac adds, are left out. Raises UserError for a name that leads out of the folder.
    """
    for name, content in archive_files(path, max_bytes, max_files):
        place = PurePosixPath(name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in name:
            raise UserError(f"{path} holds a file whose name leads out of its folder: {name[:100]!r}.")
        if any(part.startswith((".", "__MACOSX")) for part in place.parts):
            continue
        target = folder.joinpath(*place.parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except (OSError, ValueError) as error:  # a name that is too long, or stands for a folder and a file
            reason = getattr(error, "strerror", None) or error  # the whole text would name a folder of the server
            raise UserError(f"{path}: {name[:100]!r} cannot be written: {reason}.") from None
