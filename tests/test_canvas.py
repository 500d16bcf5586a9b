"""The canvas of apps/canvas.py: what a browser sends is checked, and a page answers while one draws."""

from types import SimpleNamespace

import numpy as np
import pytest

from apps import canvas
from common.errors import UserError
from common.inputs.images import picture_text
from tests.browser import browser, executable, served, settle


def test_what_a_browser_sends_is_checked(monkeypatch):
    def drawn(value):
        monkeypatch.setattr(canvas, "_board", lambda **keywords: SimpleNamespace(drawing=value))
        return canvas.drawing("label", "clear", "key")

    board = np.zeros((280, 280, 3), np.uint8)
    head = "data:image/png;base64,"
    assert drawn(None) is None and drawn(head + picture_text(board)) is None
    board[50:60] = 255
    np.testing.assert_array_equal(drawn(head + picture_text(board)), board)
    for wrong in (7, "hello", head + "A" * canvas.MAX_CHARACTERS):
        with pytest.raises(UserError, match="not a picture"):
            drawn(wrong)


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
