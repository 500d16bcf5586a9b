"""Reading films frame by frame: GIF and folders of pictures with Pillow, MP4, AVI, WebM … with PyAV, an extra.

A film is never in memory as a whole. Frames come at a steady rate, whatever the times in the file.
"""

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.inputs.images import MAX_PIXELS, SUFFIXES, find_pictures, read_picture

VIDEOS = (".mp4", ".avi", ".webm", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".wmv")
ANIMATIONS = (".gif", ".webp", ".png", ".apng")
MAX_SECONDS = 6 * 3600.0  # the longest film that is read
NO_DURATION = 0.1  # seconds that a frame of an animation lasts where its file says 0, as browsers have it


def is_film(path: Path) -> bool:
    """Whether a path looks like a film: a file with a known ending, or a folder that directly holds pictures."""
    if path.is_dir():
        return any(child.suffix.lower() in SUFFIXES for child in path.iterdir() if not child.name.startswith("."))
    return path.suffix.lower() in (*VIDEOS, ".gif")


def read_film(path: Path, rate: float, most: int, name: str | None = None) -> Iterator[np.ndarray]:
    """The frames (h, w, 3) uint8 RGB of a film, `rate` a second, upright, one after the other.

    At each of the times 0, 1 / rate, … the frame that is shown then. Pictures of a folder are such frames, in the
    order of their names. most: pixels of the longer side; a larger frame is shrunk. name: what messages call the film.
    Raises UserError, when the first frame is asked for or on the way, for what is no film or is damaged.
    """
    name = name or str(path)
    if not path.exists():
        raise UserError(f"{name} does not exist.")
    if path.is_dir():
        yield from _folder(path, most, name)
        return
    count = 0
    timed = _animation(path, name) if path.suffix.lower() in ANIMATIONS else _video(path, name)
    for end, picture in timed:
        if end > MAX_SECONDS:
            raise UserError(f"{name} is longer than {MAX_SECONDS / 3600:.0f} hours.")
        if count >= end * rate - 1e-6:
            continue  # it is over before the next time
        frame = _shrunk(picture, most)
        while count < end * rate - 1e-6:
            count += 1
            yield frame
    if not count:
        raise UserError(f"{name} holds no frame.")


def _folder(path: Path, most: int, name: str) -> Iterator[np.ndarray]:
    pictures, _ = find_pictures(path)
    if not pictures:
        raise UserError(f"{name} holds no picture; expected the frames of a film.")
    shape: tuple | None = None
    for file in sorted(pictures, key=_number):
        frame = read_picture(file)
        if shape is not None and frame.shape != shape:
            raise UserError(
                f"{file} has {frame.shape[1]} × {frame.shape[0]} pixels; the frames before it have "
                f"{shape[1]} × {shape[0]}."
            )
        shape = frame.shape
        yield _shrunk(frame, most)


def _number(path: Path) -> list:
    """For sorting: frame10 comes after frame9."""
    digits = "".join(c if c.isdigit() else " " for c in path.stem).split()
    return [int(digits[-1][-18:]) if digits else -1, path.name]


def _animation(path: Path, name: str) -> Iterator[tuple[float, Any]]:
    """(when it ends in seconds, Pillow picture in RGB) of each frame."""
    from PIL import Image

    end = 0.0
    try:
        with Image.open(path) as film:
            _check_size(film.width, film.height, name)
            for i in range(getattr(film, "n_frames", 1)):
                film.seek(i)
                end += film.info.get("duration", 0) / 1000 or NO_DURATION
                yield end, film.convert("RGB")
    except (Image.UnidentifiedImageError, Image.DecompressionBombError):
        raise UserError(f"{name} is not a film that can be read.") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:  # Pillow's, for damaged files
        raise UserError(f"{name} is damaged after {end:.1f} seconds: {error}.") from None


def _video(path: Path, name: str) -> Iterator[tuple[float, Any]]:
    """(when it ends in seconds, Pillow picture in RGB) of each frame, by PyAV. A phone's rotation is applied."""
    if not importlib.util.find_spec("av"):
        raise UserError(f'{name} needs PyAV: python -m pip install -e ".[video]". A GIF needs nothing.')
    import av

    end, pending = 0.0, None
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{name} holds no picture track.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if stream.codec_context is None:
                raise UserError(f"{name} is not a film that can be read: its codec is unknown.")
            _check_size(stream.codec_context.width, stream.codec_context.height, name)
            usual = float(1 / stream.average_rate) if stream.average_rate else 0.04
            first = None
            for frame in container.decode(stream):
                time = frame.time if frame.time is not None else end
                first = time if first is None else first
                if pending is not None:
                    end = max(end, time - first)  # a frame is shown until the next one comes
                    yield end, pending
                pending = _upright(frame)
            if pending is not None:
                yield end + usual, pending
    except av.error.FFmpegError as error:
        words = f"is damaged after {end:.1f} seconds" if pending is not None else "is not a film that can be read"
        raise UserError(f"{name} {words}: {error.strerror}.") from None


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise UserError(f"{name} has frames of {width:,} × {height:,} pixels; at most {MAX_PIXELS:,} are taken.")


def _upright(frame: Any) -> Any:
    """The picture of a decoded frame, turned as the file says."""
    picture = frame.to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


def _shrunk(picture: Any, most: int) -> np.ndarray:
    """A Pillow picture or an array (h, w, 3) as an array whose longer side has at most `most` pixels."""
    from PIL import Image

    if isinstance(picture, np.ndarray):
        if max(picture.shape[:2]) <= most:
            return picture
        picture = Image.fromarray(picture)
    factor = most / max(picture.size)
    if factor < 1:
        size = [max(1, round(factor * length)) for length in picture.size]
        picture = picture.resize(size, Image.Resampling.BOX)
    return np.asarray(picture)


def write_gif(frames: Iterator[np.ndarray], rate: float, path: Path) -> None:
    """Write frames (h, w, 3) uint8 as a GIF that repeats. rate: frames a second; a GIF counts hundredths of seconds."""
    from PIL import Image

    from common.files import replacing

    pictures = (Image.fromarray(frame) for frame in frames)
    first = next(pictures)
    with replacing(path) as temporary:
        first.save(
            temporary, "GIF", save_all=True, append_images=pictures, duration=round(100 / rate) * 10, loop=0, disposal=1
        )
