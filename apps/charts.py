"""The figures of a report and the diagram of a network, drawn in the colours of the page and in its language.

`common.drawn` keeps their numbers beside each picture. `apps/shared.py` finds this file by its name; a fork may leave both out.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import altair as alt
import pandas as pd
import streamlit as st

from apps.i18n import about, korean, plain, t, term
from common.errors import UserError
from common.files import read_json
from common.report import COLOURS

GREY = "#8794A3"  # readable on white and on dark
NUMBERS = [(float, None)]  # JSON has no infinity
MARK = {
    "kind": str,
    "name?": str,
    "dashed?": bool,
    **dict.fromkeys(("x?", "y?"), (float, NUMBERS)),
    **dict.fromkeys(("x2?", "y2?"), NUMBERS),
    "values?": [NUMBERS],
    **dict.fromkeys(("low?", "high?"), float),
}
AXIS = {"label": str, "log": bool, "range": [float], "names": [[object]]}
PANEL = {"title": str, "marks": [MARK], "x": AXIS, "y": AXIS}
PARTS = {
    "line": "xy",
    "points": "xy",
    "steps": "xy",
    "intervals": ("x", "y", "y2"),
    "bars": ("x", "y", "x2", "y2"),
}  # lists of one length
CLASS_AXES, CLASS_LEGENDS = ("confusion", "recall", "gains"), ("recall_curves",)  # figures with names of the data
LEGEND_LETTERS = 16  # letters of the longest name, where two stand side by side on a phone; one of Hangul counts twice
LEGEND_ROW = 20  # pixels


def draw(folder: Path, names: list[str], called: Callable[[str], str] = korean) -> list[str]:
    """Draw those of these figures that have numbers, each with a sentence on how to read it. Returns the others.

    called: what a class of the data, or a picture of it, is called on the page.
    """
    charts = {name: _panels(folder / f"{name}.json") for name in names}
    rows: list[list[tuple[str, dict[str, Any]]]] = []
    for name in sorted((name for name, panels in charts.items() if panels), key=lambda name: -len(charts[name])):
        wide = len(charts[name]) > 1 or _is_long(charts[name][0])
        if wide or not rows or len(rows[-1]) > 1 or rows[-1][0][0] == name or _is_long(rows[-1][0][1]):
            rows.append([])
        rows[-1] += [(name, panel) for panel in charts[name]]
    for row in rows:
        across = 1 if _is_long(row[0][1]) else 3 if len(row) == 3 else 2
        columns = [column for _ in range(0, len(row), across) for column in st.columns(across, gap="large")]
        for number, (column, (name, panel)) in enumerate(zip(columns, row, strict=False)):
            first = number == 0 or row[number - 1][0] != name
            with column:
                st.markdown(f"**{plain(about(name, 'figures') or term(name))}**" if first else "&nbsp;")
                marks, axes = called if name in CLASS_LEGENDS else _name, called if name in CLASS_AXES else korean
                chart(panel, marks, axes, narrow=across == 3)
                if first:
                    st.caption(about(name))
    return [name for name in names if not charts[name]]


def _label(label: str) -> str:
    """The label of an axis. That of a learning curve, or of scores on the test, ends in the name of a metric."""
    split, _, metric = label.partition(" ")
    if split in ("validation", "test") and metric and "," not in metric:
        return f"{term(split)} {term(metric)}"
    return korean(label)


def _name(name: str) -> str:
    """What a mark is called, in the page's language: a model as in the tables, with what stands in brackets after it."""
    called, space, figure = name.partition(" (")
    return translated if (translated := korean(name)) != name else term(called) + space + figure


def _width(name: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in name)


def _is_long(panel: dict[str, Any]) -> bool:
    """Whether a panel needs the width of the page: a matrix with many columns."""
    return any(mark["kind"] == "matrix" and len(mark["values"][0]) > 40 for mark in panel["marks"])


def _panels(path: Path) -> list[dict[str, Any]]:
    """The numbers of a figure; [] where there are none. Raises UserError where they do not fit each other."""
    panels = read_json(path, [PANEL]) if path.exists() else []
    for panel in panels:
        for mark in panel["marks"]:
            parts = [mark.get(part) for part in PARTS.get(mark["kind"], ())]
            lists = all(isinstance(part, list) for part in parts) and len({len(part) for part in parts if part}) < 2
            rule = mark["kind"] == "rule" and [type(mark.get(side)) for side in "xy"].count(float) == 1
            matrix = (
                mark["kind"] == "matrix" and len({len(row) for row in mark.get("values", [])}) == 1 and "low" in mark
            )
            if not (lists if parts else rule or matrix) or len(panel["x"]["range"]) + len(panel["y"]["range"]) != 4:
                raise UserError(f"{path} is damaged: its marks do not fit each other.")
    return panels


def chart(panel: dict[str, Any], marks: Callable = _name, axes: Callable = korean, narrow: bool = False) -> None:
    """Draw a panel of `report.drawn`: a layer for each mark, a colour for each name.

    marks, axes: what the names of marks, and those at the axes, are in the page's language. narrow: three stand side by
    side.
    """
    named = [not mark.get("name", "_").startswith("_") for mark in panel["marks"]]
    for mark, has in zip(panel["marks"], named, strict=True):
        mark["name"] = marks(mark["name"]) if has else "_"
    for side in "xy":
        panel[side]["names"] = [(place, axes(str(name))) for place, name in panel[side]["names"]]
    names = list(dict.fromkeys(mark["name"] for mark, has in zip(panel["marks"], named, strict=True) if has))
    columns = 1 if narrow or max(map(_width, names), default=0) > LEGEND_LETTERS else 2
    colour = alt.Color(
        "name:N",
        title=None,
        sort=names,
        scale=alt.Scale(domain=names, range=list(COLOURS)[: len(names)]),
        legend=alt.Legend(orient="top", columns=columns, labelLimit=300, symbolType="square")
        if len(names) > 1
        else None,
    )
    layers = [_layer(panel, mark, colour if has else None) for mark, has in zip(panel["marks"], named, strict=True)]
    matrix = next((mark for mark in panel["marks"] if mark["kind"] == "matrix"), None)
    legend = LEGEND_ROW * math.ceil(len(names) / columns) if len(names) > 1 else 0
    height = max(
        320 + legend, 150 + 6 * _width(_label(panel["y"]["label"]))
    )  # a title is cut where the axis is shorter
    if matrix is not None:
        height = 150 + len(matrix["values"]) * (26 if len(matrix["values"]) <= 12 else 14)  # below stand names, upright
    elif panel["y"]["names"]:
        height = 90 + 24 * len(panel["y"]["names"]) + legend
    title = {"title": korean(panel["title"])} if panel["title"] else {}
    st.altair_chart(alt.layer(*layers).properties(height=min(800, height), **title))


def _layer(panel: dict[str, Any], mark: dict[str, Any], colour: alt.Color | None) -> alt.Chart:
    x, y = _axis(panel, "x"), _axis(panel, "y")
    if mark["kind"] == "matrix":
        return _matrix(panel, mark)
    if mark["kind"] == "rule":
        side = "x" if "x" in mark else "y"
        layer = alt.Chart(pd.DataFrame({side: [mark[side]], "name": [mark["name"]]}))
        layer = layer.mark_rule(strokeDash=[5, 4], strokeWidth=2, color=GREY)
        return layer.encode(**{side: x if side == "x" else y}, **({"color": colour} if colour else {}))
    frame = pd.DataFrame({key: mark[key] for key in ("x", "y", "x2", "y2") if key in mark})
    frame["name"] = mark["name"]
    for column in ("x", "y", "x2", "y2"):
        if column in frame and panel[column[0]]["log"]:
            frame[column] = frame[column].clip(lower=max(panel[column[0]]["range"][0], 1e-12))
    tooltip = [alt.Tooltip(f"{side}:Q", title=_label(panel[side]["label"]) or side, format=".4g") for side in "xy"]
    base = alt.Chart(frame).encode(x=x, y=y, **({"color": colour} if colour else {}), tooltip=tooltip)
    first = {} if colour else {"color": GREY if mark.get("dashed") else COLOURS[0]}
    if mark["kind"] == "bars":
        return base.mark_rect(opacity=0.8, **first).encode(x2="x2", y2="y2")
    if mark["kind"] == "intervals":
        return base.mark_rule(strokeWidth=2, opacity=0.6, **first).encode(y2="y2")
    if mark["kind"] == "points":
        return base.mark_circle(size=40, opacity=0.7, **first)
    dash = {"strokeDash": [4, 4]} if mark.get("dashed") else {}
    few = len(frame) <= 40 and not dash
    shape = {"interpolate": "step-after"} if mark["kind"] == "steps" else {"point": few}
    return base.mark_line(strokeWidth=2, **dash, **shape, **first)


def _axis(panel: dict[str, Any], side: str) -> alt.X | alt.Y:
    """An axis with the label, scale and range of the figure; whole numbers for epochs."""
    given, kind = panel[side], {"x": alt.X, "y": alt.Y}[side]
    axis: dict[str, Any] = {}
    if given["names"]:
        words = dict(given["names"])
        expression = "[" + ", ".join(f"'{_quoted(name)}'" for name in words.values()) + "]"
        axis = {
            "values": list(words),
            "labelExpr": f"{expression}[indexof({list(words)}, datum.value)]",
            "labelLimit": 180,
            **({"minExtent": min(180, 7 * max(map(_width, words.values())))} if side == "y" else {}),
        }
    elif given["label"] == "epoch":
        axis = {"tickMinStep": 1, "format": "d"}
    elif given["log"]:
        axis = {"format": "~g", "tickCount": 5}
    low, high = given["range"]
    scale = alt.Scale(type="log" if given["log"] else "linear", domain=[low, high], nice=False, clamp=True)
    return kind(
        f"{side}:Q", title=_label(given["label"]) or None, scale=scale, axis=alt.Axis(grid=not given["names"], **axis)
    )


def _matrix(panel: dict[str, Any], mark: dict[str, Any]) -> alt.Chart:
    """A cell for each number, darker or lighter; with a middle at 0 where numbers have both signs."""
    words = {side: dict(panel[side]["names"]) for side in ("x", "y")}
    cells = pd.DataFrame(
        [(i, j, value) for i, row in enumerate(mark["values"]) for j, value in enumerate(row)],
        columns=["y", "x", "value"],
    )
    encodings = {}
    for side, kind in (("x", alt.X), ("y", alt.Y)):
        labels = (
            "[" + ", ".join(f"'{_quoted(words[side].get(i, ''))}'" for i in range(int(cells[side].max()) + 1)) + "]"
        )
        axis = alt.Axis(
            labelExpr=f"{labels}[datum.value]", ticks=False, labelAngle=0 if side == "y" else -90, labelOverlap=True
        )
        encodings[side] = kind(f"{side}:O", title=_label(panel[side]["label"]) or None, axis=axis)
        cells[f"{side}_name"] = cells[side].map(words[side])
    if mark["low"] < 0:
        scale = alt.Scale(scheme="blueorange", domain=[mark["low"], 0, mark["high"]])
        shade: dict[str, Any] = {
            "color": alt.Color("value:Q", scale=scale, title=None, legend=alt.Legend(orient="top", gradientLength=160))
        }
    else:
        scale = alt.Scale(domain=[mark["low"], mark["high"]], range=[0.03, 1])
        shade = {"color": alt.value(COLOURS[0]), "opacity": alt.Opacity("value:Q", scale=scale, legend=None)}
    tooltip = [alt.Tooltip(f"{side}_name:N", title=_label(panel[side]["label"]) or side) for side in "yx"]
    tooltip.append(alt.Tooltip("value:Q", title=t("value", "값"), format=".3g"))
    return alt.Chart(cells).mark_rect().encode(**encodings, **shade, tooltip=tooltip)


def _quoted(text: str) -> str:
    """A text inside a Vega expression."""
    return "".join(" " if sign in "\\'\n\r" else sign for sign in text)


def diagram(model: Any) -> str:
    """The layers of a functional model and what each reads, in Graphviz' language, readable on light and on dark ground."""
    lines = [
        'digraph { bgcolor="transparent"; nodesep=0.2; ranksep=0.25;',
        'node [shape=box, style="rounded,filled", color="#0072B2", fillcolor="#0072B2", fontcolor="#FFFFFF", fontsize=11, '
        'fontname="sans-serif", margin="0.12,0.05"];',
        'edge [color="#8794A3", arrowsize=0.6];',
    ]
    shapes = {layer.name: getattr(layer.output, "shape", None) for layer in model.layers}
    before = ""
    for layer in model.get_config()["layers"]:
        name = layer.get("name", layer["config"]["name"])
        shape = shapes.get(name)
        size = " × ".join("?" if side is None else str(side) for side in tuple(shape)[1:]) if shape else ""
        label = json.dumps(layer["class_name"])[:-1] + (f"\\n{size}" if size else "") + '"'
        fill = ', fillcolor="#A65200", color="#A65200"' if layer["class_name"] == "InputLayer" else ""
        lines.append(f"{json.dumps(name)} [label={label}{fill}];")
        sources = _sources(layer["inbound_nodes"]) if "inbound_nodes" in layer else [before] if before else []
        lines += [f"{json.dumps(source)} -> {json.dumps(name)};" for source in dict.fromkeys(sources)]
        before = name
    return "\n".join([*lines, "}"])


def _sources(node: Any) -> list[str]:
    """The names of the layers that a layer's configuration says it reads."""
    if isinstance(node, dict):
        history = node.get("keras_history")
        return [history[0]] if history else [name for part in node.values() for name in _sources(part)]
    return [name for part in node for name in _sources(part)] if isinstance(node, (list, tuple)) else []
