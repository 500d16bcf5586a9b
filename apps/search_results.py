"""The latest search over a project's knobs, as `python -m projects search` has written it. It stands in the tab Train."""

import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import t
from common import runs
from common.files import read_json
from common.project import Project


def draw(project: Project) -> None:
    """The trials of the latest search, best first, and its pictures; nothing where there is none."""
    files = (runs.runs_dir() / project.name).glob("searches/*/trials.csv")
    file = max(files, key=lambda file: file.stat().st_mtime, default=None)
    if file is None:
        return
    with st.expander(t(f"The latest search: {file.parent.name}", f"최근 탐색: {file.parent.name}")):
        metric, direction = project.metric(read_json(file.parent / "search.json", {str: object})["data"])
        trials = pd.read_csv(file).sort_values(["state", metric], ascending=[True, direction == "min"])
        shared.table(trials.drop(columns=["run"]).dropna(axis="columns", how="all"))
        figures = {path.stem: str(path) for path in (file.parent / "figures").glob("*.png")}
        if "parallel_coordinates" in figures:
            st.image(figures.pop("parallel_coordinates"), width="stretch")
        for column, name in zip(st.columns(2), sorted(figures), strict=False):
            column.image(figures[name], caption=name.replace("_", " "), width="stretch")
