"""The page of comic text in a real browser: what is found and typed, tall pages, a folder, and what is downloaded."""

import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from common.inputs.images import picture_bytes, write_picture
from projects.comic_text import pages
from tests.browser import browser, executable, served, settle
from tests.conftest import copy_run
from tests.test_comic_text import paper, with_words

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(executable() is None, reason="no Chromium: install one"),
]
ROW = 35  # pixels of a row of a table
RUN_DATA = "By A, CC BY 4.0"


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """The toy run in a folder of its own, with a credit; it takes every pixel for lettering."""
    run = copy_run(trained("comic_text"), tmp_path_factory.mktemp("lettering") / "runs")
    meta = run.path / "meta.json"
    meta.write_text(meta.read_text().replace('"credit": ""', f'"credit": "{RUN_DATA}"'))
    network = run.networks()["segmentation"]
    kernel, bias = network.get_layer("quarters").get_weights()
    network.get_layer("quarters").set_weights([0 * kernel, 0 * bias + 1])
    network.save(run.path / "segmentation.keras")
    return run


@pytest.fixture(scope="module")
def opened(run):
    """A function that opens the page at an address such as page-way=upload."""
    with browser() as chromium, served("apps/comic_text.py", run.path.parents[1]) as address:

        def open_page(query: str):
            page = chromium.new_page(viewport={"width": 1280, "height": 1400}, accept_downloads=True)
            page.set_default_timeout(120_000)
            page.goto(f"{address}/?{query}")
            settle(page)
            return page

        yield open_page


def upload(page, field: str, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        page.locator(f".st-key-{field} input[type=file]").set_input_files(file)
    page.get_by_text(name).first.wait_for()
    settle(page)


def downloaded(page, button: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_bytes()


def cell(page, row: int, column: int, text: str) -> None:
    """Type into the table: row 1 is the first, column 1 the text, 2 the translation, 4 to 7 the sides."""
    grid = page.get_by_test_id("stDataFrame").first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    page.mouse.click(box["x"] + 150, box["y"] + (row + 0.5) * ROW)
    for key in ["ArrowLeft"] * 9 + ["ArrowRight"] * column + ["Enter"]:
        page.keyboard.press(key)
    page.wait_for_timeout(500)
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
    page.keyboard.press("Enter")
    page.wait_for_timeout(1000)
    settle(page)


def lines(page) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(downloaded(page, "Download the lines as CSV").decode("utf-8-sig"))))


def has_no_error(page) -> bool:
    return not page.get_by_test_id("stException").count() and not page.get_by_test_id("stAlertContentError").count()


TABLE = "page,left,top,right,bottom,text,confidence,translation\npage.png,90,60,260,110,Old words,1,New\n"


def test_what_is_typed_into_the_table_outlives_another_tab_and_language(opened):
    page = opened("page-way=upload")
    upload(page, "page-upload", "page.png", picture_bytes(with_words("Old words", 100)[0]))
    upload(page, "comic-glossary", "lines.csv", TABLE.encode())
    page.get_by_role("button", name="Fill the translations").click()
    page.get_by_role("heading", name="The new page").wait_for()
    settle(page)
    cell(page, 1, 2, "Typed")
    cell(page, 1, 4, "80")
    wanted = [("Typed", "80")]
    assert [(row["translation"], str(int(float(row["left"])))) for row in lines(page)] == wanted
    for tab in ("Results", "Try it"):
        page.get_by_role("tab", name=tab, exact=True).click()
        settle(page)
    page.get_by_role("heading", name="The new page").wait_for()
    settle(page)
    assert [(row["translation"], str(int(float(row["left"])))) for row in lines(page)] == wanted
    page.get_by_role("radio", name="한국어").click()
    page.get_by_role("heading", name="새 페이지").wait_for()
    page.get_by_role("radio", name="English").click()
    page.get_by_role("heading", name="The new page").wait_for()
    settle(page)
    assert [(row["translation"], str(int(float(row["left"])))) for row in lines(page)] == wanted
    assert has_no_error(page)
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_role("button", name="Start again")).to_be_disabled(timeout=120_000)
    assert "Typed" not in str(lines(page))
    page.close()


def test_an_added_row_waits_for_its_sides(opened):
    page = opened("page-way=upload")
    upload(page, "page-upload", "page.png", picture_bytes(with_words("Old words", 100)[0]))
    upload(page, "comic-glossary", "lines.csv", TABLE.encode())
    page.get_by_role("button", name="Fill the translations").click()
    page.get_by_role("heading", name="The new page").wait_for()
    settle(page)
    before = downloaded(page, "Download as PNG")
    grid = page.get_by_test_id("stDataFrame").first
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    for row in (2, 1):  # below the last row is a new one; a second click on a chosen cell would open it
        page.mouse.click(box["x"] + 150, box["y"] + (row + 0.5) * ROW)
        page.wait_for_timeout(1000)
        settle(page)
    cell(page, 2, 2, "Added")
    assert [(row["left"], row["translation"]) for row in lines(page)] == [("90.0", "New"), ("", "Added")]
    assert downloaded(page, "Download as PNG") == before and has_no_error(page)
    page.close()


def test_a_page_its_mask_and_the_new_page(opened, run):
    picture = pages.render(1, "test", shape=(320, 224)).picture
    mask = run.load().mask(picture)
    assert mask.all()
    page = opened("page-way=upload")
    upload(page, "page-upload", "tiny.png", picture_bytes(paper(8, 8)))
    expect(page.get_by_test_id("stAlertContentError")).to_contain_text("at least 16")
    assert not page.get_by_test_id("stException").count()
    upload(page, "page-upload", "page.png", picture_bytes(picture))
    page.get_by_text("Found lettering is red").wait_for()
    settle(page)
    addresses = page.get_by_test_id("stImage").locator("img").evaluate_all("all => all.map(one => one.src)")
    shown = [np.asarray(Image.open(io.BytesIO(page.request.get(one).body())).convert("RGB")) for one in addresses]
    same = [one for one in shown if one.shape == picture.shape]
    marked = max(same, key=lambda one: np.abs(one.astype(int) - picture).mean())  # the other one is the upload
    red = (marked[..., 0].astype(int) - picture[..., 0] > 20) | (np.abs(marked.astype(int) - picture).max(axis=2) > 20)
    assert red[mask].mean() > 0.8 and marked[mask][:, 0].mean() > marked[mask][:, 1].mean() + 50
    assert page.locator(".wipe img").count() == 2
    upload(page, "comic-glossary", "lines.csv", TABLE.replace("90,60,260,110", "20,20,200,80").encode())
    page.get_by_role("button", name="Fill the translations").click()
    page.get_by_role("heading", name="The new page").wait_for()
    page.get_by_text("A page of the data of this run").click()
    settle(page)
    new = Image.open(io.BytesIO(downloaded(page, "Download as PNG")))
    assert new.getexif()[0x8298] == RUN_DATA
    ys, xs = np.nonzero(np.abs(np.asarray(new).astype(int) - picture).max(axis=2) > 40)
    assert len(ys) > 50 and xs.max() < 210 and ys.max() < 90
    before, after = page.locator(".wipe img").evaluate_all("all => all.map(one => one.src)")
    assert before != after and has_no_error(page)
    page.close()


def test_a_tall_page_is_shown_in_parts_of_its_full_width(opened):
    page = opened("page-way=upload")
    strip = np.concatenate([pages.render(seed, "test", shape=(1000, 300)).picture for seed in range(3)])
    upload(page, "page-upload", "strip.png", picture_bytes(strip))
    page.get_by_role("slider", name="Part of the page").wait_for()
    settle(page)
    sizes = page.locator(".wipe img").evaluate_all("all => all.map(one => [one.naturalWidth, one.naturalHeight])")
    assert sizes == [[300, 600]] * 2, "a fifth of the strip, not shrunk"
    page.get_by_role("slider", name="Part of the page").press("ArrowRight")
    page.wait_for_url("**rows=2**")
    settle(page)
    assert has_no_error(page)
    page.close()


def test_a_folder_of_pages(opened, tmp_path):
    for name in ("a", "b"):
        write_picture(with_words("Old words", 100)[0], tmp_path / f"{name}.png")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("a.png", "b.png"):
            archive.write(tmp_path / name, name)
    page = opened("part=folder")
    assert page.get_by_role("combobox", name="Translate with").count()
    upload(page, "comic-zip", "pages.zip", packed.getvalue())
    upload(page, "comic-table", "lines.csv", TABLE.replace("page.png", "a.png").encode())
    page.get_by_text("A page of the data of this run").click()
    settle(page)
    page.get_by_role("button", name="Letter the pages").click()
    page.get_by_text("Pages: 2. Files left out: 0.").wait_for()
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "Download as ZIP"))) as archive:
        assert sorted(archive.namelist()) == ["CREDIT.txt", "a.png", "b.png", "lines.csv"]
        assert archive.read("CREDIT.txt").decode() == f"{RUN_DATA}\n"
        assert "New" in archive.read("lines.csv").decode("utf-8-sig")
    assert has_no_error(page)
    page.close()
