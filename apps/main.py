"""The gallery of all projects: `python -m streamlit run apps/main.py`.

It reads each project's card and its runs, nothing else. The picture of a card is `docs/<name>.card.png`; a project without one
gets a drawing of its topology. On a dark page it is `docs/<name>.card.dark.png`, where there is one.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from apps import shared, state
from apps.i18n import language, language_switch, plain, t, term
from common import report, runs
from common.project import Project, project_names

COLUMNS = 3
NO_BREAK = "\N{NO-BREAK SPACE}"
GREY, COLOURS = "#8794A3", ("#E69F00", "#0072B2", "#009E73")  # readable on white and on dark
# The steps, of three, that have an input, a hidden state and an output.
TOPOLOGIES = {
    "one-to-one": ([1], [1], [1]),
    "one-to-many": ([0], [0, 1, 2], [0, 1, 2]),
    "many-to-one": ([0, 1, 2], [0, 1, 2], [2]),
    "many-to-many": ([0, 1, 2], [0, 1, 2], [0, 1, 2]),
}


def gallery() -> None:
    st.set_page_config(page_title=t("Gallery", "갤러리"), layout="wide")
    state.enter("gallery")
    language_switch()
    st.title(t("Keras portfolio", "케라스 포트폴리오"))
    st.write(
        t(
            "Small, complete deep-learning projects. Try a model, see its data, look inside it, and train it again.",
            "작지만 처음부터 끝까지 갖춘 딥러닝 프로젝트 모음입니다. 모델을 써 보고, 데이터를 살펴보고, 모델 속을 들여다보고, 다시 학습시켜 보세요.",
        )
    )
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            t(
                "**Laboratory** · the worked numbers of the lectures, to touch: change one and see what follows.",
                "**실험실** · 강의에 나오는 숫자 예제를 직접 바꾸어 보며, 결과가 어떻게 달라지는지 살펴봅니다.",
            ),
            width="stretch",
        )
        st.page_link(laboratory, label=t("Open", "열기"), icon=":material/science:", width="content")
    names = list(PAGES)
    _train_all()
    for left in range(0, len(names), COLUMNS):
        for column, name in zip(st.columns(COLUMNS), names[left : left + COLUMNS], strict=False):
            card = column.container(
                border=True, height="stretch", key=f"card-{name}"
            )  # style.css makes all of it the link
            with card, shared.errors_shown():
                _card(Project(name))
    st.caption(
        t(
            "A score belongs to the best run by validation. It is measured on the test split, with a 95 % bootstrap interval.",
            "검증 점수가 가장 좋은 실행을 테스트 데이터로 평가한 점수입니다. 대괄호 안은 95 % 부트스트랩 신뢰구간입니다.",
        )
    )


@st.fragment(run_every=5)
@shared.errors_shown()
def _train_all() -> None:
    """While a project has no finished run: a button that trains every default, or how far that has come."""
    from apps import training

    process = training.all_in_progress()
    if process is None and all(map(shared.best_run, map(Project, PAGES))):
        return
    from common.tools.train_all import minutes, waiting

    todo = waiting(runs.runs_dir())
    if not (process or todo):
        return
    about = max(1, round(minutes(todo)))
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if process is None:
            st.markdown(
                t(
                    f"Projects that have not been trained yet: {len(todo)}. All of them take about {about} min on two idle cores.",
                    f"아직 학습하지 않은 프로젝트가 {len(todo)}개 있습니다. 다른 작업이 없는 코어 두 개로 모두 학습하는 데 약 {about}분이 걸립니다.",
                ),
                width="stretch",
            )
            if st.button(t("Train them all", "모두 학습하기"), type="primary", key="train-all"):
                training.launch_all()
                st.rerun()
        else:
            left, done = len(todo), len(PAGES) - len(todo)
            st.markdown(
                t(
                    f"Training all projects: {done} of {len(PAGES)} have begun or are finished, {left} wait (about {about} min).",
                    f"모든 프로젝트를 학습하고 있습니다. {len(PAGES)}개 중 {done}개를 시작했거나 마쳤고, {left}개가 기다리고 있습니다(약 {about}분).",
                ),
                width="stretch",
            )
            if st.button(t("Stop", "멈추기"), key="stop-all"):
                process.terminate()
                process.wait(10)
                st.rerun()


def _card(project: Project) -> None:
    card = project.card
    dark = ".dark" if st.context.theme.type == "dark" else ""
    pictures = [shared.ROOT / "docs" / f"{project.name}.card{suffix}.png" for suffix in (dark, "")]
    picture = next((path for path in pictures if path.exists()), None)
    st.image(str(picture) if picture else drawing(card.TOPOLOGY, cover=True), width="stretch", alt="")
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
    """METRIC of the best run on its test split, with the best baseline's beside it."""
    entry = shared.best_run(project)
    if entry is None:
        st.caption(
            t("Not trained yet. Its page can train it.", "아직 학습하지 않았습니다. 페이지에서 학습할 수 있습니다.")
        )
        return
    (metric, mode), test = project.metric(entry["data"]), entry["report"]["test"]
    figure = test["model"][metric]
    label = f"{plain(term(metric))} {'↑' if mode == 'max' else '↓'} · {plain(Path(entry['data']).name)}"
    st.metric(label, report.number(figure["value"]))
    lines = [f"{plain(term(entry['report']['model']))} {interval(figure)}"]
    if name := report.best_baseline(test, metric, mode):
        verdict = test["comparison"].get(name, {}).get(metric, {}).get("verdict", "")
        words, beside = plain(term(name)), test["baselines"][name][metric]
        lines.append(f"{t('baseline', '기준 모델')} {words} {report.number(beside['value'])} {interval(beside)}")
        lines.append(shared.compared(verdict, words))
    if not entry["complete"]:
        lines.append(
            t(
                "A first try: stopped early, or the smallest setting.",
                "맛보기입니다. 중간에 멈추었거나 가장 작은 설정으로 학습했습니다.",
            )
        )
    st.caption("  \n".join(lines))


def interval(figure: dict[str, Any]) -> str:
    """`\\[0.697, 0.824\\]`, escaped for Markdown; "" where there is no interval."""
    if figure.get("low") is None:
        return ""
    return rf"\[{report.number(figure['low'])},{NO_BREAK}{report.number(figure['high'])}\]"


def drawing(topology: str, cover: bool = False) -> str:
    """An SVG of 96 × 96: inputs below, hidden states, outputs above, over three steps, as lectures draw it.

    cover: draw it on a tinted panel of 16 : 9, for a project that has no picture.
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
laboratory = st.Page(shared.ROOT / "apps" / "laboratory.py", title=t("Laboratory", "실험실"), icon=":material/science:")
st.session_state["pages"] = PAGES  # the laboratory links them
home = st.Page(gallery, title=t("Gallery", "갤러리"), icon=":material/grid_view:", default=True)
st.navigation([home, laboratory, *PAGES.values()], expanded=True).run()
