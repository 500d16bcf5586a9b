"""Two parts of a page that Streamlit lacks: a canvas to draw on, and a picture that reports where it was clicked.

Both are custom components of Streamlit itself (`st.components.v2`), a few lines of plain JavaScript each, in the files
`canvas.draw.js` and `canvas.click.js` beside this one. They are registered once, when this module is imported. Their
HTML, CSS and JavaScript hold no data.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from common.errors import UserError
from common.inputs.images import picture_bytes, text_picture
from common.schema import mismatch

SIDE = 280  # pixels of the drawing
MAX_CHARACTERS = 400_000  # of a drawing as text; a canvas of 280 × 280 needs a few thousand


def _file(ending: str) -> str:
    return Path(__file__).with_suffix(ending).read_text(encoding="utf-8")


BOARD = f'<canvas width="{SIDE}" height="{SIDE}" tabindex="0" role="img"></canvas><button type="button"></button>'
_board = st.components.v2.component(
    "drawing_board", html=f'<div class="board">{BOARD}</div>', css=_file(".css"), js=_file(".draw.js")
)
_clickable = st.components.v2.component(
    "clickable_picture",
    html='<div class="board"><canvas role="img"></canvas></div>',
    css=_file(".css"),
    js=_file(".click.js"),
)


def drawing(label: str, clear: str, key: str) -> np.ndarray | None:
    """A canvas. Returns the drawing (280, 280, 3) uint8, white on black, or None while the canvas is empty.

    label: its name for screen readers. clear: the text of the button that empties it. Raises UserError when the browser
    sends something else than a picture.
    """
    text = _board(data={"label": label, "clear": clear}, key=key, on_drawing_change=_nothing).drawing
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS or not text.startswith("data:image/png;base64,"):
        raise UserError("The drawing is not a picture.")
    picture = text_picture(text.partition(",")[2], SIDE * SIDE, "The drawing")
    if picture.shape != (SIDE, SIDE, 3):
        raise UserError(f"The drawing is not {SIDE} × {SIDE} pixels.")
    return picture if picture.any() else None


def clicked(picture: np.ndarray, label: str, key: str) -> tuple[float, float] | None:
    """A picture (h, w, 3) uint8 as wide as its column. Returns the last click (x, y) as fractions of its sides."""
    text = "data:image/png;base64," + base64.b64encode(picture_bytes(picture)).decode()
    place: Any = _clickable(data={"label": label, "picture": text}, key=key, on_place_change=_nothing).place
    # Anybody can send anything: what is no place in the picture is no click.
    if mismatch(place, [float]) or len(place) != 2 or not all(0 <= part < 1 for part in place):
        return None
    return float(place[0]), float(place[1])


def _nothing() -> None:
    """The value is in the component's result, but Streamlit offers that value only where a callback is given."""
