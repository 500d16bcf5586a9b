"""Kaggle's set of mask detection, read from real files where they are there, and a photograph in a real browser."""

import pandas as pd
import pytest

from common.errors import UserError
from projects.mask_detection import standard
from projects.mask_detection.config import TOY, Config
from tests.conftest import ROOT


def test_the_standard_set_is_split_by_its_list(tmp_path):
    listed = pd.read_csv(ROOT / "projects" / "mask_detection" / "face_mask_detection.csv")
    assert {standard.part_of_name(name) for name in listed["picture"]} == set(standard.SHARES)
    assert [standard.part_of_name(name) for name in listed["picture"]] == listed["part"].tolist()
    with pytest.raises(UserError, match="is missing; download the archive from https"):
        standard.load_data(TOY, "face_mask_detection", tmp_path)


def test_every_picture_of_the_standard_set_is_in_the_part_of_its_list(datasets):
    listed = pd.read_csv(ROOT / "projects" / "mask_detection" / "face_mask_detection.csv").set_index("picture")["part"]
    splits = standard.load_data(Config(size=320), "face_mask_detection", datasets)
    moved = 0
    for part, split in (("train", splits.train), ("validation", splits.validation)):
        moved += sum(listed[path.stem] != part for path in split.inputs)
        for one in split.targets:
            assert (one["boxes"][:, 2:] > one["boxes"][:, :2]).all() and (one["boxes"] >= 0).all()
    assert moved <= 4, "copies of a picture are in the part of the first one"
    assert len(splits.train) > 600


@pytest.mark.slow
def test_a_photo_in_a_browser(trained):
    """A photograph up, its boxes on the page, the threshold moved."""
    pytest.importorskip("playwright")
    from common.inputs.images import packaged_photograph
    from tests.browser import browser, executable, served, settle

    if executable() is None:
        pytest.skip("there is no Chromium")
    run = trained("mask_detection")
    with browser() as chromium, served("apps/mask_detection.py", run.path.parents[1]) as address:
        page = chromium.new_page()
        page.goto(address)
        settle(page)
        page.get_by_role("radio", name="my own").first.click()
        page.locator("input[type=file]").first.set_input_files(packaged_photograph("astronaut"))
        page.get_by_text("faces, with their scores").wait_for()
        page.get_by_role("slider").first.press("End")
        page.get_by_text("0 faces, with their scores").wait_for()
        assert not page.get_by_test_id("stException").count() and not page.get_by_test_id("stAlertContentError").count()
        page.close()
