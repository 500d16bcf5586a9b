"""The gallery and every page in a real browser: open, switch the language, get an answer, start and stop a training."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from common import runs
from common.inputs.images import picture_bytes
from common.project import Project
from tests import broken
from tests.browser import browser, executable, served, settle
from tests.conftest import PROJECTS, copy_run, one_now_others_slow

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium: install one, or run `python -m playwright install chromium`"
)
SLOW = 120_000  # milliseconds that a busy machine may take, with a server that loads TensorFlow


@pytest.fixture(scope="module")
def suite(trained, tmp_path_factory):
    """(function that opens a page, runs folder): the gallery with a finished and an unfinished run of each project."""
    folder = tmp_path_factory.mktemp("browser") / "runs"
    for name in PROJECTS:
        finished = copy_run(trained(name), folder)
        runs.start(Project(name), Project(name).toy, "builtin", finished.data_dir, folder)
    with pytest.MonkeyPatch.context() as patch, browser() as chromium:
        patch.setenv("KERAS_PORTFOLIO_DATA", str(folder.with_name("data")))  # where the server keeps uploads
        with served("apps/main.py", folder) as address:

            def open_page(path: str):
                page = chromium.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(SLOW)
                page.goto(f"{address}/{path}")
                settle(page)
                return page

            yield open_page, folder


def has_no_error(page) -> bool:
    """The page shows neither a traceback nor a red box."""
    return not page.get_by_test_id("stException").count() and not page.get_by_test_id("stAlertContentError").count()


def test_gallery(suite):
    open_page, _ = suite
    page = open_page("")
    cards = [Project(name).card for name in PROJECTS]
    expect(page.get_by_test_id("stMetric")).to_have_count(len(PROJECTS), timeout=SLOW)
    assert has_no_error(page)
    for card in cards:
        assert page.get_by_role("heading", name=card.TITLE["en"]).is_visible()
    page.get_by_role("radio", name="한국어").click()
    page.get_by_role("heading", name=cards[0].TITLE["ko"]).wait_for()
    box = page.locator(f".st-key-card-{PROJECTS[0]} img").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # the whole card is the link
    page.locator("h1", has_text=cards[0].TITLE["ko"]).wait_for()  # the language came along
    settle(page)
    assert has_no_error(page) and page.url.endswith(f"/{PROJECTS[0]}?language=ko")
    page.reload()
    page.locator("h1", has_text=cards[0].TITLE["ko"]).wait_for()
    page.close()


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_is_wider_than_the_screen(suite, width):
    open_page, _ = suite
    page = open_page("")
    page.set_viewport_size({"width": width, "height": 800})
    inner, outer = (
        page.get_by_test_id("stMain").evaluate(f"part => part.{side}Width") for side in ("scroll", "client")
    )
    assert inner <= outer <= width
    page.close()


def test_the_buttons_of_a_table_cover_no_text_on_a_phone(suite):
    """On a screen that is touched they are always seen."""
    page = suite[0](
        "text_classification?tab=results" if "text_classification" in PROJECTS else f"{PROJECTS[0]}?tab=results"
    )
    phone = page.context.browser.new_context(viewport={"width": 390, "height": 900}, has_touch=True, is_mobile=True)
    page, address = phone.new_page(), page.url
    page.goto(address)
    settle(page)
    buttons = page.get_by_test_id("stElementToolbar").first.bounding_box()
    text = page.get_by_test_id("stText").first.bounding_box()
    assert buttons["y"] >= text["y"] + text["height"]
    phone.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_what_is_typed_outlives_another_page(suite, width):
    open_page, _ = suite
    if "text_classification" not in PROJECTS:
        pytest.skip("a fork of another project")
    page = open_page("text_classification")
    page.set_viewport_size({"width": width, "height": 900})
    box = page.get_by_role("textbox").first
    box.fill("Guten Morgen, wie geht es Ihnen?")
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_text("What you have tried (2)")).to_be_visible(timeout=SLOW)
    page.get_by_role("tab", name="Results").click()
    page.get_by_text("higher is better").wait_for()
    settle(page)
    page.get_by_role("tab", name="Try it").click()
    expect(page.get_by_role("textbox").first).to_have_value("Guten Morgen, wie geht es Ihnen?", timeout=SLOW)
    address = page.url
    if width > 600:  # a phone hides the list of pages
        page.get_by_test_id("stSidebarNav").get_by_text("Gallery").click()
        page.locator("h1", has_text="Keras portfolio").wait_for()
        page.get_by_test_id("stSidebarNav").get_by_text(Project("text_classification").card.TITLE["en"]).click()
        expect(page.get_by_role("textbox").first).to_have_value("Guten Morgen, wie geht es Ihnen?", timeout=SLOW)
    page.goto(address)
    expect(page.get_by_role("textbox").first).to_have_value("Guten Morgen, wie geht es Ihnen?", timeout=SLOW)
    assert page.get_by_test_id("stMain").evaluate("part => part.scrollWidth") <= width
    page.close()


def test_a_field_for_files_is_korean_on_a_korean_page(suite):
    name = next(name for name in PROJECTS if Project(name).card.UPLOAD)
    page = suite[0](f"{name}?tab=train&data=upload&language=ko")
    field = page.get_by_test_id("stFileUploaderDropzone").first
    expect(field.get_by_test_id("stFileUploaderDropzoneInstructions")).to_be_hidden(timeout=SLOW)
    styles = "p => [getComputedStyle(p).fontSize, getComputedStyle(p, '::after').content]"
    assert field.locator("button p").evaluate(styles) == ["0px", '"파일 선택"']
    page.get_by_text("MB까지").first.wait_for()
    page.close()


@one_now_others_slow
def test_page(name, suite, trained):
    open_page, folder = suite
    page, card = open_page(name), Project(name).card
    page.get_by_text("The answer as data").click()
    predictor = trained(name).load()
    key = next(iter(predictor.predict(predictor.examples[0])))
    page.get_by_test_id("stJson").get_by_text(re.compile(rf'^"?{re.escape(key)}"?$')).first.wait_for()
    page.get_by_role("radio", name="한국어").click()
    page.locator("h1", has_text=card.TITLE["ko"]).wait_for()
    page.get_by_role("tab", name="학습", exact=True).click()
    page.get_by_role("button", name="이어서 학습").click()
    page.get_by_role("button", name="멈추기").click()  # waits until the training has begun
    page.get_by_text(re.compile("학습이 끝났습니다|멈추었습니다|중간에 끝났습니다")).first.wait_for()
    settle(page)
    assert not page.get_by_test_id("stException").count()
    (stopped,) = (
        entry["run"] for entry in runs.list_runs(Project(name), folder) if entry["run"].id != trained(name).id
    )
    assert len(stopped.history) < len(trained(name).history), "the stop came after the training"
    page.close()


# The fields for files of each page: (address, ending, broken files, button that reads the file).
PICTURES, TABLES, TEXTS = broken.pictures(), broken.tables(), broken.texts()
ARCHIVES, FILMS, KERNELS = broken.archives(), broken.films(), broken.kernels()
FIELDS: dict[str, list[tuple[str, str, dict[str, bytes], str]]] = {
    "bankruptcy": [("part=file", "csv", TABLES, ""), ("part=forecast", "csv", TABLES, "")],
    "colorization": [("picture-way=upload", "png", PICTURES, "")],
    "comic_text": [
        ("page-way=upload", "png", PICTURES, ""),
        ("part=folder", "zip", ARCHIVES, "Letter the pages"),
        ("page-way=example", "csv", TABLES, "Fill the translations"),
    ],
    "fraud_detection": [("part=file", "csv", TABLES, "")],
    "image_captioning": [("one-way=upload", "png", PICTURES, "")],
    "image_classification": [("one-way=upload", "png", PICTURES, "")],
    "laboratory": [("lesson=playground&playground.data=own", "csv", TABLES, "")],
    "mask_detection": [
        ("part=folder", "zip", ARCHIVES, ""),
        ("one-way=upload", "png", PICTURES, ""),
        ("part=film", "gif", FILMS, ""),
    ],
    "sequence_tagging": [("part=file", "txt", TEXTS, "")],
    "super_resolution": [("kernel=file", "npy", KERNELS, ""), ("picture-way=upload", "png", PICTURES, "")],
    "text_classification": [("part=file", "csv", TABLES, "")],
    "translation": [("part=file", "txt", TEXTS, ""), ("part=file", "csv", TABLES, "")],
    "video_labelling": [("one-way=upload", "gif", FILMS, ""), ("one-way=upload", "mp4", FILMS, "")],
}
# Data to train on, of each kind that a card names: refused before a training is started.
OWN_DATA = {"csv": broken.NO_TABLES, "txt": TEXTS, "zip": broken.NO_ARCHIVES}


def fields(name: str) -> list[tuple[str, str, dict[str, bytes], str]]:
    kinds = [kind for kind in OWN_DATA if name in PROJECTS and kind in Project(name).card.UPLOAD]
    own = [("tab=train&data=upload", kind, OWN_DATA[kind], "Start training") for kind in kinds]
    return [*FIELDS.get(name, ()), *own]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PROJECTS, "laboratory"])
def test_broken_files_are_a_sentence_each(name, suite):
    """One after the other: a dozen in the first field, a third of them in every other one. Each is named by its message."""
    page, number = suite[0](f"{name}?{fields(name)[0][0]}"), 0
    address = page.url.partition("?")[0]
    said = page.get_by_test_id("stAlertContentError")
    for place, (query, ending, files, button) in enumerate(fields(name)):
        if place:
            page.goto(f"{address}?{query}")
        field = page.locator("input[type=file]").first
        for stem in list(files)[:: 3 if place else 1]:
            number += 1
            shown = f"{stem}-{number}"
            file = {"name": f"{shown}.{ending}", "mimeType": "application/octet-stream", "buffer": files[stem]}
            with page.expect_response(lambda answer: answer.request.method == "PUT"):  # the file has arrived
                field.set_input_files(file)
            if button:
                expect(said).to_have_count(0, timeout=SLOW)  # what was said of the file before
                page.get_by_role("button", name=button).click()
            expect(said.filter(has_text=shown)).to_be_visible(timeout=SLOW)
            assert said.count() == 1 and not page.get_by_test_id("stException").count(), (query, shown)
    assert number > 10, "about a dozen"
    page.close()


@pytest.mark.slow
@pytest.mark.skipif("image_classification" not in PROJECTS, reason="a fork of another project")
def test_a_whole_picture_is_answered_after_broken_ones(suite):
    page = suite[0]("image_classification?one-way=upload")
    # A long name of a run fits into its field.
    run = page.locator("[data-testid=stSidebar] input[role=combobox]")
    name = "★ 20261129-134936-transformer-s0-2"
    assert run.evaluate("(field, name) => (field.value = name, field.scrollWidth <= field.clientWidth)", name)
    field = page.locator("input[type=file]").first
    for stem, content in PICTURES.items():
        field.set_input_files({"name": f"{stem}.png", "mimeType": "image/png", "buffer": content})
        expect(page.get_by_test_id("stAlertContentError")).to_contain_text(f"{stem}.png", timeout=SLOW)
    whole = picture_bytes(np.full((28, 28, 3), 255, np.uint8))
    field.set_input_files({"name": "whole.png", "mimeType": "image/png", "buffer": whole})
    expect(page.get_by_test_id("stMetric").first).to_be_visible(timeout=SLOW)
    settle(page)
    assert has_no_error(page)
    page.close()
