"""Parts of a page that Streamlit lacks: a canvas to draw on, a picture that reports where it was clicked, a choice by
thumbnails, and a line between two pictures that the visitor drags.

All are custom components of Streamlit itself (`st.components.v2`), a few lines of plain JavaScript each. They are
registered once, when this module is imported. Their HTML, CSS and JavaScript hold no data.
"""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from apps import state
from common.errors import UserError
from common.inputs.images import text_picture
from common.schema import mismatch

SIDE = 280  # pixels of the drawing
MAX_CHARACTERS = 400_000  # of a drawing as text; a canvas of 280 × 280 needs a few thousand

CSS = """
.board { display: flex; flex-direction: column; gap: 0.5rem; }
canvas { width: 100%; aspect-ratio: 1; touch-action: none; cursor: crosshair; image-rendering: pixelated;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); background: #000; }
.board button { align-self: flex-start; font: inherit; padding: 0.3rem 0.9rem; cursor: pointer; color: var(--st-text-color);
         background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color);
         border-radius: var(--st-base-radius); }
.board button:hover, button:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.thumbnails { display: flex; flex-wrap: wrap; gap: 0.4rem; }
.thumbnails button { padding: 2px; line-height: 0; cursor: pointer; border: 2px solid transparent; background: none;
                     border-radius: var(--st-base-radius); }
.thumbnails button:hover, .thumbnails button[aria-pressed="true"] { border-color: var(--st-primary-color); }
.thumbnails img { width: 64px; height: 64px; object-fit: cover; border-radius: calc(var(--st-base-radius) - 3px); }
.wipe { position: relative; touch-action: pan-y; cursor: ew-resize; user-select: none; line-height: 0; }
.wipe img { width: 100%; display: block; pointer-events: none; border-radius: var(--st-base-radius); }
.wipe img.after { position: absolute; inset: 0; height: 100%; }
.wipe i { position: absolute; top: 0; bottom: 0; width: 3px; margin-left: -1px; background: #fff; box-shadow: 0 0 3px #000; }
.wipe i::after { content: "↔"; position: absolute; top: 50%; left: 50%; transform: translate(-50%, -50%); font: 16px/30px sans-serif;
                 width: 30px; text-align: center; background: #fff; color: #111; border-radius: 50%; box-shadow: 0 0 4px #000; }
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
  const before = new Image();  // what was drawn before another tab was open
  before.onload = () => pen.drawImage(before, 0, 0);
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
  button.onclick = () => { wipe(); clearTimeout(timer); timer = null; setStateValue("drawing", ""); };
  wipe();
  if (data.before) before.src = data.before;
}
"""


THUMBNAILS = """
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const place = parentElement.querySelector(".thumbnails");
  place.replaceChildren(...data.pictures.map((source, i) => {
    const button = document.createElement("button"), picture = new Image();
    button.type = "button"; button.setAttribute("aria-pressed", i === data.chosen); button.title = data.labels[i];
    picture.src = source; picture.alt = data.labels[i];
    button.append(picture);
    button.onclick = () => setStateValue("chosen", i);
    return button;
  }));
}
"""

# The line follows the pointer, and the arrow keys.
WIPE = """
export default function (component) {
  const { data, parentElement } = component;
  const place = parentElement.querySelector(".wipe"), line = place.querySelector("i");
  const [before, after] = place.querySelectorAll("img");
  before.src = data.before; after.src = data.after;
  place.setAttribute("aria-label", data.label);
  const move = (part) => {
    place.part_ = Math.min(1, Math.max(0, part));
    line.style.left = 100 * place.part_ + "%"; after.style.clipPath = `inset(0 0 0 ${100 * place.part_}%)`;
  };
  const follow = (event) => {
    const box = place.getBoundingClientRect();
    if (event.buttons || event.type === "pointerdown") move((event.clientX - box.left) / box.width);
  };
  place.onpointerdown = (event) => { place.setPointerCapture(event.pointerId); follow(event); };
  place.onpointermove = follow;
  place.onkeydown = (event) => {
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
    if (step) { move(place.part_ + step); event.preventDefault(); }
  };
  move(place.part_ ?? 0.5);
}
"""

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
_thumbnails = st.components.v2.component("thumbnails", html='<div class="thumbnails"></div>', css=CSS, js=THUMBNAILS)
_wipe = st.components.v2.component(
    "wipe",
    html='<div class="wipe" tabindex="0" role="slider"><img alt=""><img class="after" alt=""><i></i></div>',
    css=CSS,
    js=WIPE,
)


def drawing(label: str, clear: str, key: str) -> np.ndarray | None:
    """A canvas. Returns the drawing (280, 280, 3) uint8, white on black, or None while the canvas is empty.

    label: its name for screen readers. clear: the text of the button that empties it. Raises UserError when the browser
    sends something else than a picture.
    """
    memory = state.memory()
    before = memory.get(f"{key}-drawing")
    text = _board(data={"label": label, "clear": clear, "before": before}, key=key, on_drawing_change=_nothing).drawing
    text = before if text is None else text  # a canvas that is drawn anew has reported nothing yet
    if not text:
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
    small = [picture[:: max(1, len(picture) // 128), :: max(1, len(picture) // 128)] for picture in pictures]
    data = {"pictures": [_address(picture) for picture in small], "labels": list(labels), "chosen": chosen}
    _thumbnails(data=data, key=widget, on_chosen_change=changed)
    return chosen


def wipe(before: np.ndarray, after: np.ndarray, label: str, key: str) -> None:
    """Two pictures of one size (h, w, 3) uint8: `before` left of a line that the visitor drags, `after` right of it."""
    _wipe(data={"before": _address(before), "after": _address(after), "label": label}, key=key)


def _address(picture: np.ndarray) -> str:
    """A picture as the address of itself. A large one is a JPEG."""
    content, large = io.BytesIO(), picture.size > 1_000_000
    Image.fromarray(picture).save(content, *(("JPEG",) if large else ("PNG",)), **({"quality": 92} if large else {}))
    return f"data:image/{'jpeg' if large else 'png'};base64," + base64.b64encode(content.getvalue()).decode()


def _nothing() -> None:
    """The value is in the component's result, but Streamlit offers that value only where a callback is given."""
