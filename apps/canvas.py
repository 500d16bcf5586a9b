"""Parts of a page that Streamlit lacks: a canvas to draw on, a picture that reports where it was clicked, a choice by
thumbnails, a line between two pictures that the visitor drags, a dragged path, and frames of the camera.

All are custom components of Streamlit itself (`st.components.v2`), a few lines of plain JavaScript each, in a
file beside this one. They are registered once, when this module is imported. Their HTML, CSS and JavaScript hold no data.
"""

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from apps import state
from common.errors import UserError
from common.inputs.images import text_picture
from common.schema import mismatch

SIDE = 280  # pixels of the drawing
MAX_CHARACTERS = 400_000  # limit of a drawing as text; a canvas of 280 × 280 needs a few thousand


def _component(name: str, html: str) -> Callable[..., Any]:
    """The component of `canvas.<name>.js`, in the style of canvas.css."""
    css, js = (Path(__file__).with_suffix(end).read_text(encoding="utf-8") for end in (".css", f".{name}.js"))
    return st.components.v2.component(name, html=html, css=css, js=js)


BOARD = f'<canvas width="{SIDE}" height="{SIDE}" tabindex="0" role="img"></canvas><button type="button"></button>'
WIPE = '<div class="wipe" tabindex="0" role="slider"><img alt=""><img class="after" alt=""><i></i></div>'
_board = _component("draw", f'<div class="board">{BOARD}</div>')
_clickable = _component("click", '<div class="board"><canvas role="img"></canvas></div>')
_thumbnails = _component("thumbnails", '<div class="thumbnails"></div>')
_wipe = _component("wipe", WIPE)
_drag = _component("drag", '<div class="board"><canvas role="img"></canvas></div>')
_record = _component("record", '<div class="board"><canvas role="img"></canvas><button type="button"></button></div>')


def sketch(label: str, clear: str, key: str) -> np.ndarray | None:
    """A canvas. Returns the drawing (280, 280, 3) uint8, white on black, or None while the canvas is empty.

    label: its name for screen readers. clear: the text of the button that empties it. Raises UserError when the browser
    sends something else than a picture.
    """
    memory = state.memory()
    before = memory.get(f"{key}-drawing")
    text = _board(data={"label": label, "clear": clear, "before": before}, key=key, on_drawing_change=_nothing).drawing
    text = before if text is None else text  # a canvas that is drawn anew has reported nothing yet
    if text is None or (isinstance(text, str) and not text):
        memory.pop(f"{key}-drawing", None)
        return None
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS or not text.startswith("data:image/png;base64,"):
        raise UserError("The drawing is not a picture.")
    picture = text_picture(text.partition(",")[2], SIDE * SIDE, "The drawing")
    if picture.shape != (SIDE, SIDE, 3):
        raise UserError(f"The drawing is not {SIDE} × {SIDE} pixels.")
    memory[f"{key}-drawing"] = text
    return picture if picture.any() else None


def clicked(picture: np.ndarray, label: str, key: str) -> tuple[float, float] | None:
    """A picture (h, w, 3) uint8 as wide as its column. Returns the last click (x, y) as fractions of its sides."""
    place: Any = _clickable(
        data={"label": label, "picture": _address(picture)}, key=key, on_place_change=_nothing
    ).place
    # Anybody can send anything: what is no place in the picture is no click.
    if mismatch(place, [float]) or len(place) != 2 or not all(0 <= part < 1 for part in place):
        return None
    return float(place[0]), float(place[1])


def thumbnails(pictures: Sequence[np.ndarray], labels: Sequence[str], key: str) -> int:
    """Small pictures (h, w, 3) uint8, of which the visitor chooses one; the number of the chosen one, at first 0."""
    widget = f"{key}-thumbnails"

    def changed() -> None:
        if (chosen := st.session_state[widget]["chosen"]) in range(len(pictures)):
            st.session_state[key] = chosen

    chosen = st.session_state[state.kept(key, 0, range(len(pictures)))]
    small = [picture[:: max(1, len(picture) // 128), :: max(1, picture.shape[1] // 128)] for picture in pictures]
    data = {"pictures": [_address(picture) for picture in small], "labels": list(labels), "chosen": chosen}
    _thumbnails(data=data, key=widget, on_chosen_change=changed)
    return chosen


def wipe(before: np.ndarray, after: np.ndarray, label: str, key: str) -> None:
    """Two pictures of one size (h, w, 3) uint8: `before` left of a line that the visitor drags, `after` right of it."""
    _wipe(data={"before": _address(before), "after": _address(after), "label": label}, key=key)


def dragged(picture: np.ndarray, label: str, key: str, pause: int, frames: int) -> list[tuple[float, float]]:
    """A picture (h, w, 3) uint8 over which the visitor drags. Returns the path as fractions (x, y) of its sides.

    A place is noted every `pause` milliseconds while the pointer is held down, at most `frames` of them.
    """
    data = {"label": label, "picture": _address(picture), "pause": pause, "frames": frames}
    path: Any = _drag(data=data, key=key, on_path_change=_nothing).path
    memory = state.memory()
    path = memory.get(f"{key}-path") if path is None else path  # a picture that is drawn anew has reported nothing yet
    if mismatch(path, [[float]]) or len(path) > frames:
        return []
    if not all(len(place) == 2 and all(0 <= part < 1 for part in place) for place in path):
        return []
    memory[f"{key}-path"] = path
    return [(float(x), float(y)) for x, y in path]


def recorded(words: dict[str, str], key: str, pause: int, frames: int) -> np.ndarray | None:
    """Frames of the visitor's camera (frames, 64, 64, 3) uint8, `pause` milliseconds apart; None before.

    words: {"start": text of the button, "refused": what it says without a camera}. Raises UserError for anything else.
    """
    data = {**words, "pause": pause, "frames": frames}
    memory = state.memory()
    strip = _record(data=data, key=key, on_strip_change=_nothing).strip or memory.get(f"{key}-strip")
    if strip is None:
        return None
    if (
        not isinstance(strip, str)
        or len(strip) > 20 * MAX_CHARACTERS
        or not strip.startswith("data:image/jpeg;base64,")
    ):
        raise UserError("The recording is not a picture.")
    picture = text_picture(strip.partition(",")[2], frames * 64 * 64, "The recording")
    if picture.shape != (frames * 64, 64, 3):
        raise UserError("The recording has another number of frames.")
    memory[f"{key}-strip"] = strip
    return picture.reshape(frames, 64, 64, 3)


def _address(picture: np.ndarray) -> str:
    """A picture as the address of itself. A large one is a JPEG."""
    content, large = io.BytesIO(), picture.size > 1_000_000
    Image.fromarray(picture).save(content, *(("JPEG",) if large else ("PNG",)), **({"quality": 92} if large else {}))
    return f"data:image/{'jpeg' if large else 'png'};base64," + base64.b64encode(content.getvalue()).decode()


def _nothing() -> None:
    """The value is in the component's result, but Streamlit offers that value only where a callback is given."""
