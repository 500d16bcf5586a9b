"""Two parts of a page that Streamlit lacks: a canvas to draw on, and a picture that reports where it was clicked.

Both are custom components of Streamlit itself (`st.components.v2`), a few lines of plain JavaScript each. They are
registered once, when this module is imported. Their HTML, CSS and JavaScript hold no data.
"""

import base64
from typing import Any

import numpy as np
import streamlit as st

from common.errors import UserError
from common.inputs.images import picture_bytes, text_picture
from common.schema import mismatch

SIDE = 280  # pixels of the drawing
MAX_CHARACTERS = 400_000  # of a drawing as text; a canvas of 280 × 280 needs a few thousand

CSS = """
.board { display: flex; flex-direction: column; gap: 0.5rem; }
canvas { width: 100%; aspect-ratio: 1; touch-action: none; cursor: crosshair; image-rendering: pixelated;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); background: #000; }
button { align-self: flex-start; font: inherit; padding: 0.3rem 0.9rem; cursor: pointer; color: var(--st-text-color);
         background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color);
         border-radius: var(--st-base-radius); }
button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }
"""

# The drawing is sent while the pen moves, at most every 150 ms, and once more when the pen is lifted.
DRAW = """
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const canvas = parentElement.querySelector("canvas");
  const button = parentElement.querySelector("button");
  const pen = canvas.getContext("2d");
  button.textContent = data.clear;
  canvas.setAttribute("aria-label", data.label);
  if (canvas.ready) return;
  canvas.ready = true;
  const wipe = () => { pen.fillStyle = "#000"; pen.fillRect(0, 0, canvas.width, canvas.height); };
  let last = null, timer = null, sent = 0;
  const send = () => { timer = null; sent = Date.now(); setStateValue("drawing", canvas.toDataURL("image/png")); };
  const soon = () => { if (timer === null) timer = setTimeout(send, Math.max(0, 150 - (Date.now() - sent))); };
  const place = (event) => {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * canvas.height / box.height];
  };
  const line = (from, to) => {
    pen.strokeStyle = "#fff"; pen.lineWidth = 22; pen.lineCap = "round"; pen.lineJoin = "round";
    pen.beginPath(); pen.moveTo(...from); pen.lineTo(...to); pen.stroke();
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event); line(last, last); soon(); event.preventDefault();
  };
  canvas.onpointermove = (event) => {
    if (last === null) return;
    const next = place(event); line(last, next); last = next; soon();
  };
  canvas.onpointerup = canvas.onpointercancel = () => { if (last !== null) { last = null; soon(); } };
  button.onclick = () => { wipe(); clearTimeout(timer); timer = null; setStateValue("drawing", null); };
  wipe();
}
"""

CLICK = """
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const canvas = parentElement.querySelector("canvas");
  const pen = canvas.getContext("2d");
  canvas.setAttribute("aria-label", data.label);
  const picture = new Image();
  picture.onload = () => {
    canvas.width = picture.width; canvas.height = picture.height;
    canvas.style.aspectRatio = picture.width + " / " + picture.height;
    pen.drawImage(picture, 0, 0);
  };
  picture.src = data.picture;
  canvas.onclick = (event) => {
    const box = canvas.getBoundingClientRect();
    const part = (at, length) => Math.min(0.999999, Math.max(0, at / length));
    setStateValue("place", [part(event.clientX - box.left, box.width), part(event.clientY - box.top, box.height)]);
  };
}
"""

BOARD = f'<canvas width="{SIDE}" height="{SIDE}" tabindex="0" role="img"></canvas><button type="button"></button>'
_board = st.components.v2.component("drawing_board", html=f'<div class="board">{BOARD}</div>', css=CSS, js=DRAW)
_clickable = st.components.v2.component(
    "clickable_picture", html='<div class="board"><canvas role="img"></canvas></div>', css=CSS, js=CLICK
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
