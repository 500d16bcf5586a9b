"""The latest search over a project's knobs, as `python -m projects search` has written it. It stands in the tab Train."""

from typing import Any

import streamlit as st

from apps import knobs, shared
from apps.i18n import about, plain, t, term
from common import config
from common.files import read_json
from common.project import Project
from common.runs import Run


def draw(project: Project) -> None:
    """The trials of the latest search, best first, and its figures; nothing where there is none."""
    file = shared.last_output(project, "searches/*/trials.csv")
    if file is None:
        return
    name = plain(file.parent.name)
    with st.expander(t(f"The latest search: {name}", f"최근 탐색: {name}")):
        metric, direction = project.metric(read_json(file.parent / "search.json", {"data": str})["data"])
        trials = shared.table_file(Run(file.parent), "trials", ("state",), (metric,))
        trials = trials.sort_values(["state", metric], ascending=[True, direction == "min"])
        names = [knob.name for knob in config.knobs(project.config_class) if knob.name in trials]
        named = {name: knobs.name(project.name, name).partition(" · ")[0] for name in names}
        named[metric] = t(f"validation {term(metric)}", f"검증 {term(metric)}")
        trials = trials.drop(columns=["run"], errors="ignore").dropna(axis="columns", how="all")
        shared.table(trials.rename(columns=named))
        complete = trials[trials["state"] == "complete"]
        varied = [name for name in names if name != "epochs" and name in complete and complete[name].nunique() > 1]
        if varied and len(complete) > 1:
            st.markdown(f"**{about('parallel_coordinates', 'figures')}**")
            _parallel(complete[[*varied, metric]].rename(columns=named), direction)
            st.caption(about("parallel_coordinates"))
        shared.figures(file.parent / "figures", without=("parallel_coordinates",))


def _parallel(trials: Any, direction: str) -> None:
    """Parallel coordinates: a line for each trial, the score last. Heights are ranks, so that any values fit; darker is better."""
    import altair as alt

    ranks = trials.rank(method="dense")
    heights = (ranks - 1) / (ranks.max() - 1).clip(lower=1)
    score = heights.iloc[:, -1] if direction == "max" else 1 - heights.iloc[:, -1]
    rows = heights.assign(trial=range(len(heights)), quality=score).melt(["trial", "quality"], var_name="knob")
    rows["said"] = trials.astype(str).assign(trial=range(len(trials))).melt("trial")["value"]
    st.altair_chart(
        alt.Chart(rows, height=300)
        .mark_line(point=True)
        .encode(
            x=alt.X("knob:N", sort=None, title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("value:Q", title=None, axis=None),
            detail="trial:N",
            opacity=alt.Opacity("quality:Q", scale=alt.Scale(range=[0.15, 1]), legend=None),
            tooltip=shared.tooltip("knob:N", "said:N"),
        )
    )
