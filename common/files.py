"""Files and folders: names, locks, and writing under a temporary name, so that nobody reads a half-written file."""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import portalocker
from portalocker import LockFlags

from common.errors import UserError
from common.schema import mismatch

MAX_JSON_BYTES = 64 << 20  # the largest JSON file that is read
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
FORMULA = "=+-@\t\r"  # a spreadsheet computes a cell that begins with one of these
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}(\..+)?")  # the names that `replacing` and `new_folder` give


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder. It is moved over `path` when the block ends well, else deleted.

    The temporary name keeps the suffix of `path`, because Keras and pandas choose the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as written:  # Windows syncs only what may be written
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):  # the error of a full disk names no file
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`. It becomes `path` when the block ends well, else it is deleted.

    `path` may be an empty folder. Missing parents are made. Raises UserError when the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.is_dir():
            path.rmdir()  # Windows does not rename over a folder, not even an empty one
        temporary.rename(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def folder_name(source: Path) -> str:
    """A name for the folder of results on `source`: its own name, and a digest of its whole path.

    So two files of one name have two folders, and no name leads out of the folder above.
    """
    whole = source.resolve()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", whole.name).strip(".-") or "data"
    return f"{plain[:60]}-{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def quoted(cell: str) -> str:
    """A cell with an apostrophe before it, where a spreadsheet would compute it. A number stays as it is."""
    return f"'{cell}" if cell.startswith(tuple(FORMULA)) and not re.match(NUMBER, cell.strip()) else cell


def utf8_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises UserError when it is something else."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: it is not UTF-8 ({error.reason} at byte {error.start:,}).") from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name, then rename it to `path`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON under a temporary name, then rename it to `path`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, specification: Any = object) -> Any:
    """The content of a JSON file, checked against a specification (see common/schema.py).

    Raises UserError when the file is missing or damaged, or holds something else. It names the file and the place.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UserError(f"{path} is damaged: it has more than {MAX_JSON_BYTES:,} bytes.")
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_refuse)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half of a pair of surrogates is a ValueError
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path} does not exist.") from None
    except RecursionError:
        raise UserError(f"{path} is damaged: it is nested too deeply.") from None
    except ValueError as error:  # not JSON, not UTF-8, or a number that JSON does not have
        raise UserError(f"{path} is damaged: {error}.") from None
    if wrong := mismatch(value, specification):
        raise UserError(f"{path} is damaged: {wrong}.")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which JSON does not have")


def sweep(folder: Path) -> None:
    """Remove the temporaries that a killed process has left anywhere in a folder."""
    for path in list(folder.rglob(".*")):
        if TEMPORARY.fullmatch(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def files_in(folder: Path, pattern: str) -> list[Path]:
    """The regular files in a folder that match, by name: no temporaries, no links, nothing outside of the folder."""
    return sorted(
        path
        for path in folder.glob(pattern)
        if not path.name.startswith(".") and path.is_file() and not path.is_symlink()
    )


def check_regular(folder: Path) -> None:
    """Raise UserError when a folder is or holds a symbolic link, which may lead to any file, or a pipe or the like."""
    for path in [folder, *(Path(place, name) for place, *parts in os.walk(folder) for name in parts[0] + parts[1])]:
        if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
            raise UserError(f"{path} is a symbolic link, or no regular file; only regular files are read.")


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the operating system's lock on `path`. The lock ends with the process, even by `kill -9`.

    Yields True when the lock is held. With `wait=False` it yields False when another process holds the lock. The lock
    file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = LockFlags.EXCLUSIVE if wait else LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING
    with path.open("a+b") as file:
        try:
            portalocker.lock(file, flags)
            held = True
        except portalocker.AlreadyLocked:
            held = False
        try:
            yield held
        finally:
            if held:
                portalocker.unlock(file)
