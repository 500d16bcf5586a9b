"""What refusing an upload may cost: at most 1 GB of memory and 5 seconds, for whatever expands when it is read."""

import gzip
import importlib.util
import io
import json
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.errors import UserError
from common.inputs.downloads import archive_files
from common.inputs.images import read_picture
from common.project import Project
from tests import broken
from tests.conftest import PROJECTS, ROOT

MAX_SECONDS, MAX_BYTES = 5, 1_000_000_000
ZEROS = b"\0" * 1_000_000


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    joined = (
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part)) for kind, part in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(joined)


def squeezed(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(ZEROS) for _ in range(megabytes)) + packer.flush()


def saved(picture: Image.Image, kind: str, **keywords) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **keywords)
    return target.getvalue()


def scans() -> bytes:
    content = saved(Image.new("RGB", (4000, 3900)), "JPEG", progressive=True)
    last = content.rfind(b"\xff\xda")
    return content[:last] + content[last:-2] * 1000 + content[-2:]


def tar(kind: bytes, size: int, megabytes: int) -> bytes:
    member = tarfile.TarInfo("a")
    member.type, member.size = kind, size
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="w", compresslevel=9) as file:
        file.write(member.tobuf())
        for _ in range(megabytes):
            file.write(ZEROS)
    return target.getvalue()


def zipped(count: int, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for number in range(count):
            archive.writestr(f"a/{number}.png", content)
    return target.getvalue()


def lying_npy(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64


BOMBS: dict[str, Callable[[], bytes]] = {
    "pixels.png": lambda: png(60_000, 60_000),
    "text.png": lambda: png(10, 10, (b"zTXt", b"k\0\0" + squeezed(900))),
    "profile.png": lambda: png(10, 10, (b"iCCP", b"k\0\0" + squeezed(900))),
    "pixels.webp": lambda: saved(Image.new("RGB", (16_000, 8_000)), "WEBP", lossless=True, quality=0, method=0),
    "pixels.gif": lambda: saved(Image.new("1", (20_000, 20_000)), "GIF"),
    "pixels.tif": lambda: saved(Image.new("1", (60_000, 30_000)), "TIFF", compression="group4"),
    "scans.jpg": scans,
    "comment.png": lambda: b"P6 #" + b"a" * 40_000_000,
    "digits.png": lambda: b"P3 3900 4000 9\n" + b"9 " * 20_000_000,
    "bomb.zip": lambda: zipped(40, ZEROS * 50),
    "members.zip": lambda: zipped(100_000, b"", zipfile.ZIP_STORED),
    "dictionary.zip": lambda: zipped(1, ZEROS * 100, zipfile.ZIP_LZMA),
    "large.tar.gz": lambda: tar(tarfile.REGTYPE, 3_000_000_000, 1000),
    "header.tar.gz": lambda: tar(tarfile.XHDTYPE, 1_500_000_000, 1500),
    "kernel.npy": lambda: lying_npy("(10000000000,)"),
    "kernels.npy": lambda: lying_npy("(64, 64, 99999)"),
}
CHILD = """
import json, re, sys, time
from pathlib import Path
from common.errors import UserError
from common.inputs.downloads import unpack
from common.inputs.images import read_picture

path, began, said = Path(sys.argv[1]), time.perf_counter(), ""
try:
    if path.suffix in (".zip", ".gz"):
        from apps import own_data
        unpack(path, path.parent, own_data.MAX_UNPACKED_BYTES, own_data.MAX_FILES)
    elif path.suffix == ".npy":
        from projects.super_resolution.encoding import parse_kernel
        parse_kernel(path.read_bytes(), path.name)
    else:
        read_picture(path.read_bytes(), name=path.name)
except UserError as error:
    said = str(error)
seconds = time.perf_counter() - began
kilobytes = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])  # since this program began
print(json.dumps([said, seconds, 1024 * kilobytes]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process the most memory it had")
@pytest.mark.parametrize("name", BOMBS)
def test_what_expands_is_refused_cheaply(name, tmp_path):
    if name.endswith("npy") and "super_resolution" not in PROJECTS:
        pytest.skip("a fork of another project")
    (tmp_path / name).write_bytes(BOMBS[name]())
    command = [sys.executable, "-c", CHILD, str(tmp_path / name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said, seconds, memory = json.loads(done.stdout)
    print(f"{name}: {seconds:.2f} s, {memory / 1e6:,.0f} MB: {said}")
    assert said and seconds <= MAX_SECONDS and memory <= MAX_BYTES
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is unpacked"


def parquet(text: str, rows: int) -> bytes:
    target = io.BytesIO()
    column = pyarrow.DictionaryArray.from_arrays(np.zeros(rows, "int32"), [text])
    pyarrow.parquet.write_table(pyarrow.table({"text": column, "label": column}), target)
    return target.getvalue()


TABLES: dict[str, Callable[[], bytes]] = {
    "columns.csv": lambda: b"," * 40_000 + b"a\n" + b"," * 40_000 + b"1\n",
    "cells.csv": lambda: b",".join(b"c%d" % i for i in range(10_000)) + (b"\n" + b"," * 9_999) * 5_000,
    "rows.csv": lambda: b"text,label\n" + b"1,2\n" * 12_000_000,
    "blanks.csv": lambda: b"text,label\n" + (b" " * 100_000 + b"1x,2\n") * 400,
    "packed.csv": lambda: gzip.compress(b"text,label\n" + b"1,2\n" * 20_000_000, 1),
    "texts.parquet": lambda: parquet("x" * 1_000_000, 10_000),
    "rows.parquet": lambda: parquet("x", 50_000_000),
}


@pytest.mark.skipif(importlib.util.find_spec("apps.own_data") is None, reason="a fork without uploads")
@pytest.mark.parametrize("name", TABLES)
def test_a_table_to_train_on_is_bounded_as_one_to_score(name, tmp_path, monkeypatch):
    """In a process's own seconds, because this computer may be busy with other tests. `blanks.csv` is taken."""
    from apps import own_data

    monkeypatch.setenv("KERAS_PORTFOLIO_DATA", str(tmp_path))
    upload = f"../{name}", TABLES[name]()
    began, before = time.process_time(), pyarrow.default_memory_pool().max_memory()
    if name == "blanks.csv":
        assert own_data.kept(*upload).endswith(name)
    else:
        with pytest.raises(UserError, match=name.replace(".", r"\.")) as raised:
            own_data.kept(*upload)
        assert str(tmp_path) not in str(raised.value) and not list((tmp_path / "uploads").iterdir())
    assert time.process_time() - began <= MAX_SECONDS
    assert pyarrow.default_memory_pool().max_memory() <= max(before, MAX_BYTES)


@pytest.mark.skipif(importlib.util.find_spec("apps.own_data") is None, reason="a fork without uploads")
@pytest.mark.parametrize("name", PROJECTS)
def test_a_broken_file_to_train_on_is_a_sentence(name, tmp_path, monkeypatch):
    """Of each kind that the project takes: refused where it is uploaded, or where the training reads its data."""
    from apps import own_data

    monkeypatch.setenv("KERAS_PORTFOLIO_DATA", str(tmp_path))
    project, made = Project(name), {"zip": broken.archives(), "csv": broken.tables(), "tsv": broken.tables()}
    for kind in project.card.UPLOAD:
        for stem, content in made.get(kind, broken.texts()).items():
            with pytest.raises(UserError) as raised:
                path = own_data.kept(f"{stem}.{kind}", content)
                project.load_data(path)(project.toy, path, tmp_path)
            assert str(raised.value).endswith("."), (stem, kind)


def whole(kind: str) -> bytes:
    """A small file of each kind, to be damaged."""
    if kind in ("zip", "stored.zip"):
        return zipped(3, b"content" * 30, zipfile.ZIP_STORED if "stored" in kind else zipfile.ZIP_DEFLATED)
    if kind == "tar.gz":
        return tar(tarfile.REGTYPE, 1000, 1)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    return saved(picture, kind, **({"exif": picture.getexif()} if kind == "JPEG" else {}))


@settings(max_examples=600, deadline=None)
@given(
    kind=st.sampled_from(["zip", "stored.zip", "tar.gz", "PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"]),
    places=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8)), max_size=4),
    end=st.floats(0, 1) | st.just(1.0),
)
def test_any_bytes_of_an_archive_or_a_picture_may_be_wrong(kind, places, end, tmp_path_factory):
    content = bytearray(whole(kind))
    for place, new in places:
        at = int(place * len(content))
        content[at : at + len(new)] = new
    content = content[: int(end * len(content))]
    try:
        if kind in ("zip", "stored.zip", "tar.gz"):
            path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
            path.write_bytes(content)
            list(archive_files(path))
        else:
            assert read_picture(bytes(content)).dtype == np.uint8
    except UserError as error:
        assert str(error).endswith(".")
