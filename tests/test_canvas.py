"""The canvas of apps/canvas.py: what a browser sends is checked, and a page answers while one draws."""

import base64
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps import canvas
from common.errors import UserError
from common.inputs.images import picture_text
from tests.browser import browser, executable, served, settle
from tests.odd import ANYTHING

HEAD = "data:image/png;base64,"


def sent(name: str, value, ask):
    """What `ask()` returns after the browser has sent this value for a part of the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, name, lambda **keywords: SimpleNamespace(drawing=value, place=value))
        return ask()


def drawn(value):
    return sent("_board", value, lambda: canvas.sketch("label", "clear", "key"))


def clicked(value):
    return sent("_clickable", value, lambda: canvas.clicked(np.zeros((4, 4, 3), np.uint8), "label", "key"))


def test_a_drawing_arrives_as_it_was_drawn():
    board = np.zeros((280, 280, 3), np.uint8)
    assert drawn(None) is None and drawn(HEAD + picture_text(board)) is None
    board[50:60] = 255
    np.testing.assert_array_equal(drawn(HEAD + picture_text(board)), board)
    for wrong in (7, "hello", HEAD + "A" * canvas.MAX_CHARACTERS):
        with pytest.raises(UserError, match="not a picture"):
            drawn(wrong)
    with pytest.raises(UserError, match="280 × 280"):
        drawn(HEAD + picture_text(board[:7]))


def test_a_click_is_a_place_in_the_picture():
    assert clicked([0.25, 0.75]) == (0.25, 0.75) and clicked([0, 0.0]) == (0.0, 0.0)
    for wrong in (
        None,
        [],
        [0.5],
        [0.5, 1.0],
        [-0.1, 0.5],
        [0.5, float("nan")],
        [1e308, 0],
        ["0", "0"],
        "00",
        {"0": 0},
    ):
        assert clicked(wrong) is None, wrong


PAYLOADS = ANYTHING | st.lists(st.floats(), max_size=3) | st.just([0.0] * 10**6) | st.text().map(HEAD.__add__)
PAYLOADS |= st.binary(max_size=60).map(lambda content: HEAD + base64.b64encode(content).decode())


@settings(max_examples=500, deadline=None)
@given(PAYLOADS)
def test_whatever_a_browser_sends_is_ignored_or_refused_in_a_sentence(value):
    assert (place := clicked(value)) is None or all(0 <= part < 1 for part in place)
    try:
        picture = drawn(value)
    except UserError as error:
        assert str(error).endswith(".")
    else:
        assert picture is None or picture.shape == (280, 280, 3)


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="no Chromium: install one")
def test_probabilities_follow_the_pen(trained):
    """In a real browser: a stroke is answered while the button is down, a second one changes the answer, Clear ends it."""
    run = trained("image_classification")
    with browser() as chromium, served("apps/image_classification.py", run.path.parents[1]) as address:
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(address)
        settle(page)
        page.get_by_role("radio", name="draw").click()
        board = page.get_by_role("img", name="Draw a digit with the mouse or a finger.")
        box = board.bounding_box()
        assert not page.get_by_test_id("stMetricValue").count(), "an empty canvas has no answer"

        def stroke(*places):
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*point, steps=8)

        def answer():
            return page.get_by_test_id("stMetricValue").all_inner_texts()

        stroke((0.5, 0.1), (0.5, 0.9))
        page.get_by_test_id("stMetricValue").first.wait_for()  # the button is still down
        page.mouse.up()
        settle(page)
        first = answer()
        stroke((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.2))
        page.mouse.up()
        page.wait_for_function(
            "before => [...document.querySelectorAll('[data-testid=stMetricValue]')].map(e => e.innerText).join() !== before",
            arg=",".join(first),
        )
        assert not page.get_by_test_id("stException").count() and not page.get_by_test_id("stAlertContentError").count()
        page.get_by_role("button", name="Clear").click()
        page.get_by_test_id("stMetricValue").first.wait_for(state="detached")
        page.close()
