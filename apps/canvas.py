"""Two small parts of a page that Streamlit lacks: a canvas to draw on, and a picture that says where it was clicked.

Both are custom components of Streamlit itself (`st.components.v2`), a few lines of plain JavaScript each. They are
registered when this module is imported, once; their HTML, CSS and JavaScript hold no data.
"""

import base64
from typing import Any

import numpy as np
import streamlit as st

from common.errors import UserError
from common.inputs.images import picture_bytes, read_picture

MOST_CHARACTERS = 400_000  # of a drawing as text; a canvas of 280 × 280 needs a few thousand

CSS = """
.board { display: flex; flex-direction: column; gap: 0.5rem; }
canvas { width: 100%; aspect-ratio: 1; touch-action: none; cursor: crosshair; image-rendering: pixelated;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); background: #000; }
button { align-self: flex-start; font: inherit; padding: 0.3rem 0.9rem; cursor: pointer; color: var(--st-text-color);
         background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color);
         border-radius: var(--st-base-radius); }
button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }
"""

# The drawing is sent while the pen moves, at most every 150 ms, and once more when it is lifted.
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
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
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

_board = st.components.v2.component(
    "drawing_board",
    html='<div class="board"><canvas width="280" height="280" tabindex="0" role="img"></canvas><button type="button"></button></div>',
    css=CSS,
    js=DRAW,
)
_clickable = st.components.v2.component(
    "clickable_picture", html='<div class="board"><canvas role="img"></canvas></div>', css=CSS, js=CLICK
)


def drawing(label: str, clear: str, key: str) -> np.ndarray | None:
    """A canvas; what has been drawn on it (280, 280, 3) uint8, white on black, or None while it is empty.

    label: what a screen reader calls it. clear: the button that wipes it.
    """
    found = _board(data={"label": label, "clear": clear}, key=key, on_drawing_change=_nothing)
    sent = found.drawing
    if not sent:
        return None
    if not isinstance(sent, str) or len(sent) > MOST_CHARACTERS or not sent.startswith("data:image/png;base64,"):
        raise UserError("The drawing is not a picture.")
    picture = read_picture(base64.b64decode(sent.partition(",")[2]), 1_000_000, "the drawing")
    return picture if picture.any() else None


def clicked(picture: np.ndarray, label: str, key: str) -> tuple[float, float] | None:
    """A picture (h, w, 3) uint8 that fills its column; where it was clicked last (x, y), as shares of its sides."""
    text = "data:image/png;base64," + base64.b64encode(picture_bytes(picture)).decode()
    place: Any = _clickable(data={"label": label, "picture": text}, key=key, on_place_change=_nothing).place
    return (float(place[0]), float(place[1])) if place else None


def _nothing() -> None:
    """The value is in the result; Streamlit wants a callback to know that there is one."""
