"""The latest search over a project's knobs, as `python -m projects search` has written it. It stands in the tab Train."""

import streamlit as st

from apps import knobs, shared
from apps.i18n import plain, t
from common import config
from common.files import files_in, read_json
from common.project import Project
from common.runs import Run


def draw(project: Project) -> None:
    """The trials of the latest search, best first, and its pictures; nothing where there is none."""
    file = shared.latest(project, "searches/*/trials.csv")
    if file is None:
        return
    name = plain(file.parent.name)
    with st.expander(t(f"The latest search: {name}", f"최근 탐색: {name}")):
        metric, direction = project.metric(read_json(file.parent / "search.json", {"data": str})["data"])
        trials = shared.table_file(Run(file.parent), "trials", ("state",), (metric,))
        trials = trials.sort_values(["state", metric], ascending=[True, direction == "min"])
        names = [knob.name for knob in config.knobs(project.config_class)]
        named = {name: knobs.name(project.name, name).partition(" · ")[0] for name in names}
        trials = trials.drop(columns=["run"], errors="ignore").dropna(axis="columns", how="all")
        shared.table(trials.rename(columns=named))
        figures = {path.stem: path for path in files_in(file.parent / "figures", "*.png")}
        if "parallel_coordinates" in figures:
            shared.figure(st, figures.pop("parallel_coordinates"))
        for column, name in zip(st.columns(2), figures, strict=False):
            shared.figure(column, figures[name])
