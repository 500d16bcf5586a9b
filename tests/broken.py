"""Broken files of each kind that a page takes, {name without its ending: bytes}: no such file, damaged, or larger than it says."""

import gzip
import io
import struct
import zipfile

import numpy as np

from common.inputs.images import picture_bytes

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
MARKUP = b"<html><script>alert(1)</script></html>"
TABLE = b"one,two\n" + b"1,2\n" * 50
LINES = b"The cat sat on the mat.\n" * 200


def pictures() -> dict[str, bytes]:
    png, jpeg, webp, gif = (picture_bytes(NOISE, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF"))
    return {
        "empty": b"",
        "zeros": bytes(1000),
        "page": MARKUP,
        "table": TABLE,
        "packed": gzip.compress(png),
        "cut": png[:500],
        "cut-jpeg": jpeg[:300],
        "cut-webp": webp[: len(webp) // 2],
        "cut-gif": gif[:100],
        "wrong": png[:300] + bytes(200) + png[500:],
        "huge": png[:16] + b"\x00\x00\xea\x60\x00\x00\xea\x60" + png[24:],
        "<b>name": b"hello",
    }


def tables() -> dict[str, bytes]:
    """The last ones are tables, but not of any page."""
    return {
        "empty": b"",
        "zeros": bytes(1000),
        "header": b"one,two\n",
        "picture": picture_bytes(NOISE, "PNG"),
        "page": MARKUP,
        "packed": gzip.compress(TABLE),
        "cut-utf16": TABLE.decode().encode("utf-16")[:-1],
        "quote": b'one,two\n"1,2\n3,4\n',
        "ragged": b"one,two\n1,2\n3,4,5\n",
        "nul": b"one,two\n1,\x002\n",
        "wide": b"," * 20_000 + b"\n" + b"," * 20_000 + b"\n",
        "twice": b"one,one\n1,2\n",
        "korean": "글,분류\n한국어로 쓴 문장입니다,하나\n".encode("cp949"),
        "<b>other": TABLE,
    }


# Those that are refused when a visitor wants to train on them, before a training is started.
NO_TABLES = {name: content for name, content in tables().items() if name not in ("header", "korean", "<b>other")}


def texts() -> dict[str, bytes]:
    return {
        "zeros": bytes(1000),
        "nul": LINES + b"a\x00b\n",
        "picture": picture_bytes(NOISE, "PNG"),
        "jpeg": picture_bytes(NOISE, "JPEG"),
        "packed": gzip.compress(LINES),
        "zipped": archive({"a.txt": LINES}),
        "old-excel": b"\xd0\xcf\x11\xe0" + bytes(500),
        "pdf": b"%PDF-1.7\n" + NOISE.tobytes()[:300],
        "database": b"SQLite format 3\x00" + bytes(84),
        "cut-utf16": LINES.decode().encode("utf-16")[:-1],
        "latin": LINES + "Déjà vu\n".encode("latin-1"),
        "<b>byte": LINES + b"\xff\n",
    }


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return target.getvalue()


def archives() -> dict[str, bytes]:
    """The last ones are archives that hold no picture."""
    whole = archive({"a/1.txt": b"hello" * 300, "a/2.txt": b"hello" * 300})
    return {
        "empty": b"",
        "out": archive({"../../out.txt": b"hello"}),
        "zeros": bytes(1000),
        "page": MARKUP,
        "bomb": whole.replace(struct.pack("<I", 1500), b"\xff\xff\xff\x7f"),
        "picture": picture_bytes(NOISE, "PNG"),
        "packed": gzip.compress(whole),
        "cut": whole[:-40],
        "wrong": whole[:50] + b"\xff" * 9 + whole[59:],
        "root": archive({"/etc/out.txt": b"hello"}),
        "clash": archive({"a": b"hello", "a/b": b"hello"}),
        "method": archive({"a.txt": b"hello"}, zipfile.ZIP_LZMA),
        "long": archive({"n" * 300: b"hello"}),
        "nothing": archive({}),
        "broken": archive({"a/1.png": b"hello", "b/2.png": b""}),
        "<b>texts": archive({"notes.txt": b"hello"}),
    }


NO_ARCHIVES = {name: content for name, content in archives().items() if name not in ("nothing", "broken", "<b>texts")}


def films() -> dict[str, bytes]:
    gif = picture_bytes(NOISE, "GIF")
    return {
        "empty": b"",
        "zeros": bytes(1000),
        "page": MARKUP,
        "table": TABLE,
        "pdf": b"%PDF-1.7\n" + NOISE.tobytes()[:300],
        "noise": NOISE.tobytes(),
        "packed": gzip.compress(gif),
        "zipped": archive({"a.gif": gif}),
        "head": gif[:10],
        "cut": gif[:100],
        "huge": gif[:6] + b"\x60\xea\x60\xea" + gif[10:],
        "<b>none": gif[:13] + b"\x3b",
    }


def kernels() -> dict[str, bytes]:
    """The last ones are arrays, but no blur kernel."""

    def npy(array: np.ndarray) -> bytes:
        target = io.BytesIO()
        np.save(target, array)
        return target.getvalue()

    whole = npy(np.ones((5, 5)))
    return {
        "empty": b"",
        "zeros": bytes(1000),
        "table": TABLE,
        "picture": picture_bytes(NOISE, "PNG"),
        "cut": whole[:-9],
        "head": whole[:20],
        "lying": whole.replace(b"(5, 5)", b"(9999999, 9999999)"),
        "objects": npy(np.array([[{}]], object)),
        "words": npy(np.array([["a"]])),
        "cube": npy(np.ones((3, 3, 3))),
        "one-row": npy(np.ones(5)),
        "nothing": npy(np.zeros((5, 5))),
        "nan": npy(np.full((5, 5), np.nan)),
        "<b>huge": npy(np.ones((200, 200))),
    }
