"""What a matplotlib figure shows, as numbers beside its picture, so that a page draws it in its own colours."""

from pathlib import Path
from typing import Any

import numpy as np

from common.files import write_json
from common.report import plain


def write(figure: Any, path: Path) -> None:
    """Write the numbers of a figure as JSON; nothing for a figure that holds photographs."""
    if panels := drawn(figure):
        write_json(path, panels)


def drawn(figure: Any) -> list[dict[str, Any]]:
    """What a matplotlib figure shows, as numbers, so that a page draws it anew; [] for one that holds photographs.

    A dict for each of its axes, with labels, scales and `marks`: lines, points, intervals, bars, rules and matrices.
    """
    panels = []
    for axis in figure.axes:
        if axis.get_label() == "<colorbar>":
            continue
        marks: list[dict[str, Any]] = []
        for image in axis.images:
            if (values := np.asarray(image.get_array())).ndim != 2:
                return []
            low, high = image.get_clim()
            marks.append({"kind": "matrix", "values": _digits(values), "low": low, "high": high})
        for line in axis.lines:
            x, y = (np.asarray(part, float) for part in line.get_data())
            kind = "points" if line.get_linestyle() == "None" else "line"
            if len(x) == 2 and (flat := [name for name, part in (("x", x), ("y", y)) if part[0] == part[1]]):
                place = {flat[0]: float(x[0] if flat[0] == "x" else y[0])}
                marks.append({"kind": "rule", "name": line.get_label(), **place})
                continue
            kept = np.unique(np.linspace(0, len(x) - 1, 500).astype(int))  # a curve of a million points looks the same
            marks.append({"kind": kind, "name": line.get_label(), "x": _digits(x[kept]), "y": _digits(y[kept])})
            marks[-1]["dashed"] = line.get_linestyle() not in ("-", "None")
        for part in axis.collections:
            if hasattr(part, "get_segments"):  # upright lines, such as intervals
                upright = [s for s in part.get_segments() if len(s) == 2 and s[0][0] == s[1][0]]
                (x, y), (_, y2) = np.asarray(upright, float).reshape(-1, 2, 2).transpose(1, 2, 0)
                marks.append({"kind": "intervals", "x": _digits(x), "y": _digits(y), "y2": _digits(y2)})
            else:
                x, y = np.asarray(part.get_offsets(), float).T
                marks.append({"kind": "points", "x": _digits(x), "y": _digits(y)})
            marks[-1]["name"] = part.get_label()
        for bars in axis.containers:
            corners = np.array([bar.get_bbox().extents for bar in bars])
            named = dict(zip(("x", "y", "x2", "y2"), _digits(corners.T), strict=True))
            label = (
                bars.get_label() if bars.get_label()[0] != "_" else bars[0].get_label()
            )  # a histogram labels its first bar
            marks.append({"kind": "bars", "name": label or "_", **named})
        for stairs in (part for part in axis.patches if hasattr(part, "get_data")):
            values, edges, _ = stairs.get_data()
            marks.append(
                {
                    "kind": "steps",
                    "name": stairs.get_label() or "_",
                    "x": _digits(edges),
                    "y": _digits([*values, values[-1]]),
                }
            )
        panel: dict[str, Any] = {"title": axis.get_title(), "marks": marks}
        for side, part in (("x", axis.xaxis), ("y", axis.yaxis)):
            formatter, places = part.get_major_formatter(), part.get_majorticklocs()
            in_words = type(formatter).__name__ in ("FixedFormatter", "FuncFormatter", "StrCategoryFormatter")
            panel[side] = {
                "label": part.get_label_text(),
                "log": part.get_scale() == "log",
                "range": list(part.get_view_interval()),
                "names": list(zip(places, formatter.format_ticks(places), strict=True)) if in_words else [],
            }
        panels.append(panel)
    return plain(panels)


def _digits(values: Any) -> list:
    """Numbers to six digits."""
    return [_digits(value) if np.ndim(value) else float(f"{value:.6g}") for value in values]
