"""Nothing that a visitor has typed, chosen or uploaded is lost; small values stand in the address."""

import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from tests.browser import browser, executable, served
from tests.conftest import ROOT

PAGE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import streamlit as st
from apps import state
from apps.i18n import language_switch, t
state.enter("page")
language_switch()
st.title("T")
tabs = state.tabs("tab", {{"a": t("First", "하나"), "b": t("Second", "둘")}})
if tabs["a"].open:
    with tabs["a"]:
        words = st.text_area(t("Text", "글"), key=state.kept("text", "hello"))
        beam = st.slider(t("Beam", "빔"), 1, 10, key=state.kept("beam", 3, low=1, high=10))
        kind = st.segmented_control(
            t("Kind", "종류"), ["u", "v"], format_func=lambda k: t(k, k + "!"), key=state.kept("kind", "u", ["u", "v"]),
            required=True)
        steps = st.number_input(t("Steps", "단계"), min_value=1, value=None, step=1, key=state.kept("steps", None, kind=int))
        names = st.multiselect(t("Names", "이름"), ["x", "y"], key=state.kept("names", ["x"], ["x", "y"]))
        file = state.upload(t("File", "파일"), ["txt"], "file", 1)
        st.text(f"{{words}} {{beam}} {{kind}} {{steps}} {{names}} {{file}}")
state.leave()
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "page.py"
    path.write_text(PAGE, encoding="utf-8")
    return path


def opened(script, **query: str) -> AppTest:
    app = AppTest.from_file(str(script), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def test_the_address_fills_the_fields(script):
    app = opened(script, text="a b", beam="7", kind="v", steps="12", names="x,y")
    assert app.text[0].value == "a b 7 v 12 ['x', 'y'] None"
    assert not opened(script, tab="b").text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beam", "0"),
        ("beam", "11"),
        ("beam", "1e3"),
        ("beam", "x"),
        ("kind", "z"),
        ("steps", "-"),
        ("names", "q"),
        ("tab", "c"),
    ],
)
def test_what_a_field_does_not_allow_is_ignored(script, key, value):
    app = opened(script, **{key: value})
    assert app.text[0].value == "hello 3 u None ['x'] None" and key not in app.query_params


def test_another_tab_loses_nothing_and_the_address_follows(script):
    app = opened(script)
    app.text_area[0].set_value("typed")
    app.slider[0].set_value(5).run()
    app.file_uploader[0].upload("n.txt", b"abc", "text/plain").run()
    assert dict(app.query_params) == {"text": "typed", "beam": "5"}
    for label in ("Second", "First"):
        app.session_state["tabs:tab:en"] = label
        app.run()
    assert not app.exception and app.text[0].value == "typed 5 u None ['x'] ('n.txt', b'abc')"
    app.slider[0].set_value(3).run()
    assert dict(app.query_params) == {"text": "typed"}, "a default needs no place in the address"
    app.button(key="file-remove").click().run()
    assert app.text[0].value.endswith("None")


@pytest.mark.skipif(executable() is None, reason="no Chromium: install one")
def test_language_and_reload_in_a_real_browser(script, tmp_path):
    with browser() as chromium, served(script, tmp_path, tmp_path) as address:
        page = chromium.new_page()
        page.set_default_timeout(60_000)

        def shows(text: str) -> None:
            expect(page.get_by_test_id("stText")).to_have_text(text, timeout=60_000)

        page.goto(f"{address}/?steps=7")
        shows("hello 3 u 7 ['x'] None")
        page.get_by_role("textbox", name="Text").fill("typed")
        page.get_by_role("tab", name="Second").click()  # leaving the field sends what was typed, with the click
        expect(page.get_by_test_id("stText")).to_have_count(0)
        page.get_by_role("tab", name="First").click()
        shows("typed 3 u 7 ['x'] None")
        page.get_by_role("radio", name="v").click()
        page.locator("input[type=file]").set_input_files({"name": "n.txt", "mimeType": "text/plain", "buffer": b"abc"})
        shows("typed 3 v 7 ['x'] ('n.txt', b'abc')")
        page.get_by_role("slider").press("ArrowRight")
        shows("typed 4 v 7 ['x'] ('n.txt', b'abc')")
        page.get_by_role("radio", name="한국어").click()
        page.get_by_role("tab", name="하나").wait_for()
        shows("typed 4 v 7 ['x'] ('n.txt', b'abc')")
        assert page.evaluate("document.documentElement.lang") == "ko"
        page.get_by_role("radio", name="English").click()
        page.get_by_role("tab", name="First").wait_for()
        shows("typed 4 v 7 ['x'] ('n.txt', b'abc')")
        assert page.evaluate("document.documentElement.lang") == "en"
        page.reload()
        shows("typed 4 v 7 ['x'] None")  # a file does not fit into an address
        page.close()
