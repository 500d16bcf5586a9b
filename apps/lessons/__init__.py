"""What the lessons of the laboratory share: values kept in the address, numbers as on paper, drawings in the page's colours.

A lesson is a file `l<nn>_<name>.py` in this folder; the laboratory finds it there. It holds

- `TITLE`, `QUESTION`, `ANSWER`: `{"en": …, "ko": …}`, and `PROJECT`, the project that uses it;
- `EXAMPLE`: the lecture's numbers, as keyword arguments of the two functions that follow;
- `compute(**values) -> {name: numbers}` in NumPy, which imports no TensorFlow;
- `keras(**values) -> {name: numbers}`: the same names, some or all, computed by Keras. It imports what it needs, and its
  last line returns them: its body is the code that the page offers to copy, about ten lines, and a test runs that text;
- `draw(state) -> values`: draws with Streamlit and returns the keyword arguments that the visitor has chosen.
"""

import re
from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import state
from apps.i18n import language, t
from apps.shared import SHADE, ink, tooltip
from apps.state import kept
from common.errors import UserError
from common.project import Project

BLUE, ORANGE, GREEN, PINK, SKY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED)
GREY = "#8794A3"  # readable on white and on dark
LARGEST, MOST = 1e6, 400  # the largest number that is typed, and how many numbers one field takes


class State:
    """The values that a visitor can change in one lesson. Each is kept in the address as `<lesson>.<name>`.

    A value in the address that its field does not allow is ignored: the default stands there.
    """

    def __init__(self, lesson: str):
        self.lesson = lesson

    def key(self, name: str) -> str:
        return f"{self.lesson}.{name}"

    def number(self, label: str, name: str, value: float, low: float, high: float, step: float | None = None) -> Any:
        """A field for one number, a whole one where `value` is an int."""
        form, step = ("%d", step or 1) if isinstance(value, int) else ("%g", step)
        key = kept(self.key(name), value, low=low, high=high)
        chosen = st.number_input(label, low, high, step=step, format=form, key=key)
        return value if chosen is None else chosen

    def slider(self, label: str, name: str, value: float, low: float, high: float, step: float | None = None) -> Any:
        return state.slider(label, self.key(name), value, low, high, step)

    def toggle(self, label: str, name: str, value: bool = False) -> bool:
        return st.toggle(label, key=kept(self.key(name), value))

    def text(self, label: str, name: str, value: str, most: int = 500, help: str | None = None) -> str:
        """A field for text of at most `most` characters."""
        return st.text_input(label, max_chars=most, help=help, key=kept(self.key(name), value)) or ""

    def numbers(
        self, label: str, name: str, value: Any, rows: int | None = None, columns: int | None = None
    ) -> np.ndarray:
        """A field for a matrix, written as `1 2; 3 4`. Returns (rows, columns); one row where `rows` is 1.

        rows, columns: how many there must be; None: any number. Raises UserError for anything else than such a matrix.
        """
        start = "; ".join(" ".join(plain(x) for x in row) for row in np.atleast_2d(value))
        help = t("Numbers with spaces between, rows with ; between.", "숫자는 공백으로, 행은 ;으로 구분합니다.")
        return matrix_of(self.text(label, name, start, 2000, help), label, rows, columns)

    def choice(self, label: str, name: str, options: Mapping[str, str]) -> str:
        """One of `{name: text in the page's language}`; the first one at the start. The address keeps the name."""
        return choice(label, self.key(name), options)

    def put(self, **values: Any) -> None:
        """Set values, as `on_click=state.put, kwargs={…}` of a button. Streamlit allows it before the fields are drawn."""
        for name, value in values.items():
            st.session_state[self.key(name)] = value

    def cell(self, matrix: np.ndarray, name: str) -> tuple[int, int]:
        """A matrix in which the visitor chooses a cell, by a click or with two fields. Returns its row and column from 0."""
        rows, columns = matrix.shape
        row_name, column_name, chart = f"{name}-row", f"{name}-column", self.key(f"{name}-chart")
        left, right = st.columns(2)
        with left:
            row = self.number(t("Row", "행"), row_name, 1, 1, rows) - 1
        with right:
            column = self.number(t("Column", "열"), column_name, 1, 1, columns) - 1

        def clicked() -> None:
            if chosen := st.session_state[chart]["selection"]["cell"]:
                self.put(**{row_name: int(chosen[0]["row"]), column_name: int(chosen[0]["column"])})

        marked = np.zeros(matrix.shape, bool)
        marked[row, column] = True
        drawing = heat(matrix, marked).add_params(alt.selection_point("cell", fields=["row", "column"]))
        st.altair_chart(drawing, key=chart, on_select=clicked)
        return row, column


def choice(label: str, key: str, options: Mapping[str, str]) -> str:
    """A choice that the address keeps by its name."""
    if len(options) <= 6 and key != "lesson":
        return state.choice(label, key, options)
    key = kept(key, next(iter(options)), options)
    return st.selectbox(label, list(options), format_func=options.__getitem__, key=key)


def matrix_of(
    text: str, label: str, rows: int | None = None, columns: int | None = None, most: int = MOST
) -> np.ndarray:
    """`1 2; 3 4` as an array (rows, columns) of float64. Raises UserError: one sentence that begins with the label."""
    lines = [re.findall(r"[^\s,]+", line) for line in text.strip("; \n").split(";")]
    words = [word for line in lines for word in line]
    if not 0 < len(words) <= most:
        raise UserError(
            t(f"{label}: 1 to {most} numbers are needed.", f"{label}: 숫자가 1개에서 {most}개까지 필요합니다.")
        )
    for word in words:
        if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?", word, re.ASCII | re.IGNORECASE):
            shown = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", word[:20])  # signs of Markdown are shown as they are
            raise UserError(
                t(f"{label}: “{shown}” is not a number.", f"{label}: 숫자가 아닌 값이 있습니다(“{shown}”).")
            )
    values = np.array(words, float)
    if np.abs(values).max() > LARGEST:
        most = f"{LARGEST:,.0f}"
        raise UserError(
            t(f"{label}: a number is larger than {most}.", f"{label}: 절댓값이 {most}보다 큰 숫자가 있습니다.")
        )
    if len({len(line) for line in lines}) > 1:
        raise UserError(t(f"{label}: the rows have different lengths.", f"{label}: 행마다 숫자의 개수가 다릅니다."))
    matrix = values.reshape(len(lines), -1)
    if rows not in (None, len(matrix)):
        raise UserError(t(f"{label}: the number of rows must be {rows}.", f"{label}: 행이 {rows}개여야 합니다."))
    if columns not in (None, matrix.shape[1]):
        raise UserError(
            t(f"{label}: each row needs {columns} numbers.", f"{label}: 행마다 숫자가 {columns}개여야 합니다.")
        )
    return matrix


def plain(x: float) -> str:
    """A number with at most four significant digits after rounding, without trailing zeros: 0.25, 4, -1.234, 1e-05."""
    text = f"{float(x):.4g}"
    return "0" if text == "-0" else text


def tex(x: Any) -> str:
    """A number, a vector or a matrix as LaTeX."""
    if np.ndim(x) == 0:
        mantissa, _, exponent = plain(x).partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa.replace("inf", r"\infty")
    body = r" \\ ".join(" & ".join(map(tex, row)) for row in np.atleast_2d(x))
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def signed(x: float) -> str:
    """A factor within a product: a negative one in brackets."""
    return f"({tex(x)})" if x < 0 else tex(x)


def weighted_sum(x: Any, weights: Any) -> str:
    """`4 \\cdot 1 + 3 \\cdot (-2)` as LaTeX."""
    return " + ".join(rf"{signed(a)} \cdot {signed(b)}" for a, b in zip(np.ravel(x), np.ravel(weights), strict=True))


def paper(*lines: str) -> None:
    """Lines of LaTeX below each other, aligned at `&`."""
    # Beside Hangul, KaTeX reckons the first line too low: without this strut the top of a fraction would be cut off.
    strut = r"\rule{0pt}{2em}" if r"\frac" in lines[0] else ""
    st.latex(r"\begin{aligned}" + strut + r" \\[7pt] ".join(lines) + r"\end{aligned}")


def project_link(name: str, before: str = "") -> None:
    """A link to the page of a project, with a text before its title. Without the gallery: the command that opens it."""
    label = before + Project(name).card.TITLE[language()]
    if own_page := st.session_state.get("pages", {}).get(name):
        st.page_link(own_page, label=label, icon=":material/arrow_forward:")
    else:
        st.markdown(f"{label} · `python -m streamlit run apps/{name}.py`")


def heat(matrix: np.ndarray, marked: np.ndarray | None = None, height: int | None = None) -> alt.LayerChart:
    """A matrix (rows, columns) as coloured cells with their numbers: blue above zero, orange below. `marked` cells have a frame."""
    rows, columns = matrix.shape
    r, c = np.indices(matrix.shape)
    values = matrix.ravel().astype(float)
    largest = max(np.abs(values).max(), 1e-12)
    cells = pd.DataFrame(
        {"row": r.ravel() + 1, "column": c.ravel() + 1, "value": values, "strength": np.abs(values) / largest * SHADE}
    )
    framed = np.zeros(matrix.size, bool) if marked is None else marked.ravel()
    cells = cells.assign(text=[plain(x) for x in values], colour=np.where(values < 0, ORANGE, BLUE))
    cells = cells.assign(frame=np.where(framed, RED, GREY), edge=np.where(framed, 1.0, 0.3))
    # Channels are objects here and below: Altair takes 3 ms to make one from a text or a condition.
    base = alt.Chart(cells, height=height or min(44 * rows, 420)).encode(
        x=alt.X("column:O", title=None, axis=None), y=alt.Y("row:O", title=None, axis=None)
    )
    squares = base.mark_rect(strokeWidth=3).encode(
        color=alt.Color("colour:N", scale=None),
        fillOpacity=alt.FillOpacity("strength:Q", scale=None),
        stroke=alt.Stroke("frame:N", scale=None),
        strokeOpacity=alt.StrokeOpacity("edge:Q", scale=None),
        tooltip=tooltip("row:Q", "column:Q", "value:Q"),
    )
    size = 15 if columns <= 8 else 11
    return squares + base.mark_text(fontSize=size, color=ink()).encode(text=alt.Text("text:N"))


def on(colour: str) -> str:
    """Black or white: what can be read better on a colour such as `#0072B2`."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#000000" if luminance > 0.18 else "#FFFFFF"


def network(
    places: Mapping[str, tuple[float, float]],
    edges: list[tuple[str, str, float]],
    colours: Mapping[str, str] | None = None,
    height: int = 260,
    texts: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """A drawing of units and weights. Lines are thick where a weight is large, blue above zero, orange below.

    places: {unit: (x, y)}. edges: (from, to, weight). colours: of units, grey where not given. texts: what stands in a
    unit, its name where not given.
    """
    lines = pd.DataFrame(
        [(*places[a], *places[b], w, f"{plain(w)}", f"{a} → {b}") for a, b, w in edges],
        columns=["x", "y", "x2", "y2", "weight", "text", "edge"],
    )
    largest = max(lines["weight"].abs().max(), 1e-12) if len(lines) else 1
    lines["width"] = 1 + 4 * lines["weight"].abs() / largest
    lines["colour"] = np.where(lines["weight"] < 0, ORANGE, BLUE)
    # The number stands nearer to where the line starts, because the lines cross in the middle.
    lines["tx"], lines["ty"] = (
        lines["x"] + 0.3 * (lines["x2"] - lines["x"]),
        lines["y"] + 0.3 * (lines["y2"] - lines["y"]),
    )
    units = pd.DataFrame(
        [
            (x, y, name, (texts or {}).get(name, name), (colours or {}).get(name, GREY))
            for name, (x, y) in places.items()
        ],
        columns=["x", "y", "unit", "text", "colour"],
    )
    x, y = alt.X("x:Q", axis=None, scale=alt.Scale(padding=40)), alt.Y("y:Q", axis=None, scale=alt.Scale(padding=34))
    edge = (
        alt.Chart(lines)
        .mark_rule(opacity=0.7)
        .encode(
            x=x,
            y=y,
            x2=alt.X2("x2"),
            y2=alt.Y2("y2"),
            strokeWidth=alt.StrokeWidth("width:Q", scale=None),
            color=alt.Color("colour:N", scale=None),
            tooltip=tooltip("edge:N", "weight:Q"),
        )
    )
    label = (
        alt.Chart(lines)
        .mark_text(fontSize=13, dy=-9, color=ink())
        .encode(x=alt.X("tx:Q", axis=None), y=alt.Y("ty:Q", axis=None), text=alt.Text("text:N"))
    )
    colour = alt.Color("colour:N", scale=None)
    told = tooltip("unit:N", "text:N", text=t("value", "값"))
    node = alt.Chart(units).mark_circle(size=1900, opacity=1).encode(x=x, y=y, color=colour, tooltip=told)
    units["ink"] = units["colour"].map(on)
    name = alt.Chart(units).mark_text(fontSize=13, fontWeight="bold")
    name = name.encode(x=x, y=y, text=alt.Text("text:N"), color=alt.Color("ink:N", scale=None))
    return (edge + label + node + name).properties(height=height)


def surface(x: np.ndarray, y: np.ndarray, z: np.ndarray, colour: alt.Color) -> alt.Chart:
    """A function of two variables as coloured squares. x (columns,) and y (rows,): equal steps; z (rows, columns): `z` in `colour`."""
    a, b = np.meshgrid(x, y)
    half = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    edges = {"x": a - half[0], "x2": a + half[0], "y": b - half[1], "y2": b + half[1]}
    squares = pd.DataFrame({name: edge.ravel() for name, edge in edges.items()} | {"z": z.ravel()})
    return (
        alt.Chart(squares)
        .mark_rect()
        .encode(x=alt.X("x:Q", title="x"), x2=alt.X2("x2"), y=alt.Y("y:Q", title="y"), y2=alt.Y2("y2"), color=colour)
    )


def diagram(
    places: Mapping[str, tuple[float, float]],
    edges: Mapping[tuple[str, str], str],
    height: int = 240,
    colours: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """A drawing of boxes and arrows. places: {name: (x, y)}. edges: {(from, to): what stands beside the arrow}."""
    rows = []
    for (a, b), text in edges.items():
        (x, y), (x2, y2) = places[a], places[b]
        # The head of an arrow stands on its way, because how far the box reaches depends on the width of the page.
        ends = {"x": x, "y": y, "x2": x2, "y2": y2, "hx": x + 0.6 * (x2 - x), "hy": y + 0.6 * (y2 - y)}
        rows.append(ends | {"tx": x + 0.4 * (x2 - x), "ty": y + 0.4 * (y2 - y), "text": text, "turn": float(np.degrees(np.arctan2(x2 - x, y2 - y)))})  # fmt: skip
    units = pd.DataFrame([(*place, name, (colours or {}).get(name, SKY)) for name, place in places.items()], columns=["x", "y", "name", "colour"])  # fmt: skip
    x, y = (
        alt.X("x:Q", axis=None, scale=alt.Scale(padding=34, zero=False)),
        alt.Y("y:Q", axis=None, scale=alt.Scale(padding=30)),
    )
    # Every layer says that it has no axis: Vega-Lite fails where some say so and others are silent.
    at = lambda field: {"x": alt.X(f"{field[0]}:Q", axis=None), "y": alt.Y(f"{field[1]}:Q", axis=None)}  # noqa: E731
    lines = alt.Chart(pd.DataFrame(rows), height=height)
    arrow = lines.mark_rule(color=GREY, strokeWidth=2).encode(x=x, y=y, x2=alt.X2("x2"), y2=alt.Y2("y2"))
    head = lines.mark_point(shape="triangle-up", filled=True, size=90, color=GREY, opacity=1)
    head = head.encode(**at(("hx", "hy")), angle=alt.Angle("turn", scale=None))
    text = lines.encode(**at(("tx", "ty")), text=alt.Text("text:N"))
    level = text.transform_filter("datum.x != datum.x2").mark_text(fontSize=12, dy=-10, color=ink())
    upright = text.transform_filter("datum.x == datum.x2").mark_text(fontSize=12, dx=8, align="left", color=ink())
    box = alt.Chart(units).mark_square(size=1300, opacity=1).encode(x=x, y=y, color=alt.Color("colour:N", scale=None))
    units["ink"] = units["colour"].map(on)
    name = alt.Chart(units).mark_text(fontSize=12, fontWeight="bold")
    name = name.encode(x=x, y=y, text=alt.Text("name:N"), color=alt.Color("ink:N", scale=None))
    return arrow + head + level + upright + box + name
