"""What a visitor has typed, chosen and uploaded outlives another tab, another page, another language and another run.

Streamlit forgets a field that it does not draw. So each page calls `enter` first and `leave` last, and each field takes its
key from `kept`. Small values stand in the address too: a link shows the page as it was. Files stay in the session alone.
"""

import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import streamlit as st

from apps.i18n import language, plain, t

MOST = 2000  # characters of a value in the address
NUMBERS = {int: r"-?\d{1,12}", float: r"-?\d{1,12}(\.\d{1,20})?(e-?\d\d)?"}


def enter(page: str, run: str = "") -> None:
    """Begin to draw a page. run: the one that is shown, as far as it is known."""
    now, state = (page, language(), run), st.session_state
    last = state.setdefault("state.place", now)
    drawn = state.setdefault("state.drawn", {})  # {key: default} of the fields that were drawn last
    live = {**state["state.live"], **drawn} if state.get("state.interrupted") else drawn
    kept_here = memory()
    for key in {*kept_here, *live} & {*state}:
        if key in live and state[key] != live[key]:
            kept_here[key] = state[key]
        elif key in live:
            kept_here.pop(key, None)
        if now != last or key not in live:
            del state[key]
    if now != last:
        for key in [key for key in state if str(key).startswith("tabs:")]:
            del state[key]
    state.update({"state.place": now, "state.drawn": {}, "state.live": live, "state.interrupted": True})


def shows(run: str) -> None:
    """The page shows this run. Streamlit takes the fields of another run for other fields."""
    st.session_state["state.place"] = (*st.session_state["state.place"][:2], run)


def leave() -> None:
    """The page is drawn to its end."""
    st.session_state["state.interrupted"] = False


def memory() -> dict[str, Any]:
    """{key: value} of the page that is drawn: what is not as it was at first."""
    place = st.session_state.setdefault("state.place", ("", language(), ""))
    return st.session_state.setdefault("state.memory", {}).setdefault(place[0], {})


def kept(
    key: str,
    default: Any,
    allowed: Collection | None = None,
    low: float | None = None,
    high: float | None = None,
    kind: type | None = None,
) -> str:
    """The key of a field, which is given its value here: the visitor's, else that of the address, else the default.

    The field itself takes no value, index or default. allowed: the values that it offers; low, high: the bounds of a
    number; kind: its type, where the default is None. Any other value, from the address or from another run, becomes the default.
    """
    state, values = st.session_state, memory()
    drawn, live = state.setdefault("state.drawn", {}), state.setdefault("state.live", {})
    before = drawn.get(key, live.get(key))  # its default when last drawn
    if key in state and before is not None and before != default and state[key] == before:
        del state[key]  # nobody has touched it, so it follows the new default
        values.pop(key, None)
    known = next((place for place in (state, values) if key in place), None)
    value = _asked(key, default, kind or type(default)) if known is None else known[key]
    parts = value if isinstance(value, list) else [value]
    if allowed is not None and not all(part in allowed for part in parts):
        value = default
    if value is not None and ((low is not None and value < low) or (high is not None and value > high)):
        value = default
    if key not in state or state[key] != value:
        state[key] = value
    values[key] = value
    state["state.drawn"][key] = default
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    if value == default or value is None or len(text) > MOST:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != text:
        st.query_params[key] = text
    return key


def _asked(key: str, default: Any, kind: type) -> Any:
    """The value of this key in the address, of this kind; else the default."""
    text = st.query_params.get(key)
    if text is None or len(text) > MOST:
        return default
    if kind is bool:
        return {"True": True, "False": False}.get(text, default)
    if kind is list:
        return text.split(",")
    if kind in NUMBERS:
        return kind(text) if re.fullmatch(NUMBERS[kind], text, re.ASCII) else default
    return text


def choice(label: str, key: str, options: Mapping[Any, str], default: Any = None) -> Any:
    """One of {value: text in the page's language}, as buttons; without a default the first one at the start."""
    key = kept(key, next(iter(options)) if default is None else default, options)
    return st.segmented_control(label, list(options), format_func=options.__getitem__, key=key, required=True)


def select(label: str, key: str, names: Sequence[str], nothing: str) -> str:
    """One of the names from a list, or "" where none is chosen, which the list calls `nothing`."""
    names = ["", *names]
    return st.selectbox(label, names, format_func=lambda name: name or nothing, key=kept(key, "", names))


def slider(label: str, key: str, value: Any, low: Any, high: Any, step: Any = None, help: str | None = None) -> Any:
    """A number from low to high."""
    return st.slider(label, low, high, step=step, key=kept(key, value, low=low, high=high), help=help)


def tabs(key: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """`st.tabs` by name: {name: tab} for {name: label}. The address keeps the name of the open one."""
    state, names = st.session_state, {label: name for name, label in labels.items()}
    widget = f"tabs:{key}:{language()}"
    if state.get(widget) in names:
        state[key] = names[state[widget]]
    kept(key, next(iter(labels)), labels)
    state.setdefault(widget, labels[state[key]])
    return dict(zip(labels, st.tabs(list(labels.values()), on_change="rerun", key=widget), strict=True))


def upload(
    label: str, kinds: Sequence[str], key: str, max_mb: int, help: str | None = None
) -> tuple[str, bytes] | None:
    """An uploaded file as (name, content), which another tab, page or language does not lose; None while there is none."""
    file = _file(functools.partial(st.file_uploader, label, type=list(kinds), max_upload_size=max_mb, help=help), key)
    st.caption(f"{t(f'Up to {max_mb} MB', f'{max_mb}MB까지')} · {', '.join(kinds).upper()}")  # Streamlit's is English
    return file


def camera(label: str, key: str) -> tuple[str, bytes] | None:
    """A photo of the visitor's camera, as `upload` gives a file."""
    return _file(functools.partial(st.camera_input, label), key)


def _file(field: Callable[..., Any], key: str) -> tuple[str, bytes] | None:
    values, file_key = memory(), f"{key}-file"

    def changed() -> None:
        file = st.session_state[key]
        values[file_key] = None if file is None else (file.name, file.getvalue())

    drawn = field(key=key, on_change=changed)
    file = values.get(file_key)
    if file and drawn is None:  # Streamlit draws a new, empty field where another tab had been open
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(plain(file[0]), width="content")
            if st.button(t("Remove", "지우기"), key=f"{key}-remove"):
                values[file_key] = None
                st.rerun()
    return file
