"""The gallery of all projects: `python -m streamlit run apps/main.py`.

It knows a project by its card and its runs alone. A card's picture is `docs/<name>.card.png`, else drawn of its topology.
"""

import re
from pathlib import Path
from typing import Any

import streamlit as st

from apps import shared
from apps.i18n import language, language_switch, t, term
from common import report, runs
from common.project import Project, project_names

COLUMNS = 3
NO_BREAK = "\N{NO-BREAK SPACE}"
GREY, COLOURS = "#8794A3", ("#E69F00", "#0072B2", "#009E73")  # readable on white and on dark
# Which of three steps have an input, a hidden state and an output.
TOPOLOGIES = {
    "one-to-one": ([1], [1], [1]),
    "one-to-many": ([0], [0, 1, 2], [0, 1, 2]),
    "many-to-one": ([0, 1, 2], [0, 1, 2], [2]),
    "many-to-many": ([0, 1, 2], [0, 1, 2], [0, 1, 2]),
}


def gallery() -> None:
    st.set_page_config(page_title=t("Gallery", "갤러리"), layout="wide")
    language_switch()
    st.title(t("Keras portfolio", "케라스 포트폴리오"))
    st.write(
        t(
            "Small, complete deep-learning projects. Try one, see what it was taught with, look inside, train it again.",
            "작지만 완결된 딥러닝 프로젝트 모음입니다. 써 보고, 무엇으로 배웠는지 보고, 속을 들여다보고, 직접 학습시켜 보세요.",
        )
    )
    names = list(PAGES)
    for left in range(0, len(names), COLUMNS):
        for column, name in zip(st.columns(COLUMNS), names[left : left + COLUMNS], strict=False):
            with column.container(border=True, height="stretch"):
                _card(Project(name))
    st.caption(
        t(
            "Scores are of the best run by validation, on its test split, with a 95 % bootstrap interval.",
            "점수는 검증에서 가장 좋았던 실행의 테스트 점수이며, 대괄호 안은 95 % 부트스트랩 구간입니다.",
        )
    )


def _card(project: Project) -> None:
    card = project.card
    picture = shared.ROOT / "docs" / f"{project.name}.card.png"
    st.image(str(picture) if picture.exists() else drawing(card.TOPOLOGY, cover=True), width="stretch", alt="")
    st.markdown(f"#### {plain(card.TITLE[language()])}")
    st.write(card.PROBLEM[language()])
    with st.container(height="stretch", vertical_alignment="bottom"):
        _score(project)
        topologies = {
            "one-to-one": t("one to one", "일대일"),
            "one-to-many": t("one to many", "일대다"),
            "many-to-one": t("many to one", "다대일"),
            "many-to-many": t("many to many", "다대다"),
        }
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.image(drawing(card.TOPOLOGY), width=42, alt="")
            st.caption(topologies[card.TOPOLOGY], width="content")
            st.page_link(
                PAGES[project.name], label=t("Open", "열기"), icon=":material/arrow_forward:", icon_position="right"
            )


def _score(project: Project) -> None:
    """METRIC of the best run on its test split, beside the best baseline's."""
    entry = shared.best_run(project, runs.list_runs(project, runs.runs_dir()))
    if entry is None:
        st.caption(t("Not trained yet: its page does that.", "아직 학습 전입니다. 페이지에서 학습할 수 있습니다."))
        return
    (metric, mode), test = project.card.METRIC, entry["report"]["test"]
    ours = test["model"][metric]
    label = f"{plain(term(metric))} {'↑' if mode == 'max' else '↓'} · {plain(Path(entry['data']).name)}"
    st.metric(label, report.number(ours["value"]))
    lines = [f"{plain(term(entry['report']['model']))} {interval(ours)}"]
    scored = {name: found[metric] for name, found in test["baselines"].items() if found.get(metric)}
    scored = {name: figure for name, figure in scored.items() if figure["value"] is not None}
    if scored:
        name = (max if mode == "max" else min)(scored, key=lambda name: scored[name]["value"])
        verdict = test["comparison"].get(name, {}).get(metric, {}).get("verdict", "")
        beside = f"{plain(term(name))} {report.number(scored[name]['value'])} {interval(scored[name])}"
        lines.append(f"{t('baseline', '기준')} {beside} {shared.verdict(verdict)}")
    st.caption("  \n".join(lines))


def interval(figure: dict[str, Any]) -> str:
    """`\\[0.697, 0.824\\]`, escaped for Markdown, or nothing where there is no interval."""
    if figure.get("low") is None:
        return ""
    return rf"\[{report.number(figure['low'])},{NO_BREAK}{report.number(figure['high'])}\]"


def plain(text: str) -> str:
    """Text as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:])", r"\\\1", text)


def drawing(topology: str, cover: bool = False) -> str:
    """Inputs below, hidden states, outputs above, as the lectures draw it, over three steps: an SVG of 96 × 96.

    cover: on a tinted panel of 16 : 9, for a project that has no picture.
    """
    inputs, hidden, outputs = TOPOLOGIES[topology]
    centre = (16, 48, 80)
    lines = [(centre[i], 73, centre[i], 62) for i in inputs] + [(centre[i], 39, centre[i], 28) for i in outputs]
    lines += [(centre[i] + 9, 48, centre[i + 1] - 13, 48) for i in hidden[:-1]]
    boxes = [
        (i, y, colour)
        for row, y, colour in zip((inputs, hidden, outputs), (74, 40, 6), COLOURS, strict=True)
        for i in row
    ]
    view, panel = (
        ("-37 0 170 96", f'<rect x="-37" width="170" height="96" fill="{GREY}" opacity="0.15"/>')
        if cover
        else ("0 0 96 96", "")
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" width="{1360 if cover else 96}" height="{768 if cover else 96}">'
        f'<defs><marker id="a" viewBox="0 0 6 6" refX="3" refY="3" markerWidth="4" markerHeight="4" orient="auto"><path d="M0 0L6 3L0 6z" fill="{GREY}"/></marker></defs>{panel}'
        + "".join(
            f'<path d="M{x} {y}L{to} {up}" stroke="{GREY}" stroke-width="2" marker-end="url(#a)"/>'
            for x, y, to, up in lines
        )
        + "".join(
            f'<rect x="{centre[i] - 8}" y="{y}" width="16" height="16" rx="4" fill="{colour}"/>'
            for i, y, colour in boxes
        )
        + "</svg>"
    )


PAGES = {
    name: st.Page(shared.ROOT / "apps" / f"{name}.py", title=Project(name).card.TITLE[language()], url_path=name)
    for name in project_names()
}
home = st.Page(gallery, title=t("Gallery", "갤러리"), icon=":material/grid_view:", default=True)
st.navigation([home, *PAGES.values()], expanded=True).run()
