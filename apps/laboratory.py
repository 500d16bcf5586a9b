"""The laboratory: worked numbers of the lectures, live. `python -m streamlit run apps/laboratory.py`, or in the gallery.

`apps/lessons/__init__.py` says what a lesson is. The address keeps the lesson and what the visitor has changed in it.
TensorFlow is loaded when a visitor asks what Keras gives, and never before.
"""

import ast
import importlib
import inspect
import textwrap
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons, shared
from apps.i18n import language, language_switch, t
from apps.state import enter, leave

FOLDER = shared.ROOT / "apps" / "lessons"


def all_lessons() -> dict[str, ModuleType]:
    """{name in the address: module}, in the order of their numbers: `perceptron` for `l01_perceptron.py`."""
    stems = sorted(path.stem for path in FOLDER.glob("l[0-9][0-9]_*.py"))
    return {stem.partition("_")[2]: importlib.import_module(f"apps.lessons.{stem}") for stem in stems}


@shared.errors_shown()
def page() -> None:
    modules = all_lessons()
    st.set_page_config(page_title=t("Laboratory", "실험실"), layout="centered")
    enter("laboratory")
    language_switch()
    st.title(t("Laboratory", "실험실"))
    titles = {name: f"{number}. {module.TITLE[language()]}" for number, (name, module) in _numbered(modules)}
    name = _choose_lesson(titles)
    lesson, state = modules[name], lessons.State(name)
    st.header(lesson.TITLE[language()])
    with shared.errors_shown():
        _keras(lesson, lesson.draw(state), state)
    st.subheader(t("A question", "질문"))
    st.markdown(lesson.QUESTION[language()])
    with st.expander(t("Answer", "답")):
        st.markdown(lesson.ANSWER[language()])
    lessons.project_link(lesson.PROJECT, t("The project that uses it: ", "이 내용을 쓰는 프로젝트: "))
    st.caption(
        t(
            "The address of this page holds every number above. Copy it to show them to others.",
            "이 페이지의 주소에는 위의 모든 값이 담겨 있습니다. 주소를 복사하여 보내면 다른 사람도 같은 화면을 볼 수 있습니다.",
        )
    )
    leave()


def _numbered(modules: dict[str, ModuleType]) -> list[tuple[int, tuple[str, ModuleType]]]:
    return [(int(module.__name__.rpartition(".l")[2][:2]), (name, module)) for name, module in modules.items()]


def _choose_lesson(titles: dict[str, str]) -> str:
    name = lessons.choice(t("Lesson", "단원"), "lesson", titles)
    for key in list(st.query_params):  # a lesson that was left needs its values in the address no more
        if "." in key and not key.startswith(f"{name}."):
            st.query_params.pop(key)
    return name


def _keras(lesson: ModuleType, values: dict[str, Any], state: lessons.State) -> None:
    """What Keras gives for the same numbers, on demand, and the code that does it."""
    st.subheader(t("In Keras", "케라스 코드"))
    if st.toggle(t("Show what Keras gives", "케라스의 결과 보기"), key=state.key("keras")):
        with st.spinner(t("Keras computes …", "케라스가 계산하는 중 …")):
            _start_keras()
            st.dataframe(side_by_side(lesson.compute(**values), lesson.keras(**values)), hide_index=True)
    st.code(code_to_copy(lesson, values), language="python")


@st.cache_resource(show_spinner=False)
def _start_keras() -> None:
    from common.cli import start_keras

    start_keras()
    shared.freeze()


def side_by_side(ours: dict[str, Any], theirs: dict[str, Any]) -> pd.DataFrame:
    """A row for each name that Keras has computed: by hand, Keras, and the largest difference."""
    rows = []
    for name, theirs_value in theirs.items():
        a, b = np.asarray(ours[name], float), np.asarray(theirs_value, float)
        rows.append(
            [
                name,
                *(" ".join(map(lessons.plain, x.ravel()[:12])) + (" …" if x.size > 12 else "") for x in (a, b)),
                lessons.plain(np.abs(a - b).max()),
            ]
        )
    columns = ["", t("by hand", "손계산"), "Keras", t("largest difference", "최대 차이")]
    return pd.DataFrame(rows, columns=columns)


def code_to_copy(lesson: ModuleType, values: dict[str, Any]) -> str:
    """The body of the lesson's function `keras`, with these values below its imports. It prints what the function returns."""
    source = textwrap.dedent(inspect.getsource(lesson.keras))
    statements, lines = ast.parse(source).body[0].body, source.splitlines()
    first = next(place for place, part in enumerate(statements) if not isinstance(part, (ast.Import, ast.ImportFrom)))
    imports = {line.strip() for line in lines[statements[0].lineno - 1 : statements[first].lineno - 1]} - {""}
    arrays = [name for name, value in values.items() if isinstance(value, np.ndarray)]
    given = [f"{name} = np.array({values[name].tolist()})" for name in arrays]
    if numbers := {name: repr(value) for name, value in values.items() if name not in arrays}:
        given.append(f"{', '.join(numbers)} = {', '.join(numbers.values())}")
    if arrays:
        imports |= {"import numpy as np"}
    body = textwrap.dedent("\n".join(lines[statements[first].lineno - 1 : statements[-1].lineno - 1]))
    result = textwrap.dedent("\n".join(lines[statements[-1].lineno - 1 :])).removeprefix("return ")
    return "\n".join([*sorted(imports), "", *given, body, f"print({result})"])


if __name__ == "__main__":  # also as a page of the gallery
    page()
