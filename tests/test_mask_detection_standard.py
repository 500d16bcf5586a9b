"""Kaggle's set of mask detection, read from real files where they are there, exports on pictures, a photograph in a browser."""

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common.errors import UserError
from common.tools import export
from projects.mask_detection import scenes, standard
from projects.mask_detection.config import TOY, Config
from projects.mask_detection.encoding import describe
from projects.mask_detection.model import answering, build_model
from projects.mask_detection.predict import picture_stream
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
@pytest.mark.export
@pytest.mark.parametrize("form", ["onnx", "litert"])
@pytest.mark.parametrize("name", ["fcos", "mask_rcnn"])
def test_an_export_answers_pictures_as_keras_does(name, form, tmp_path):
    for module in export.FORMATS[form].packages:
        pytest.importorskip(module, reason='python -m pip install -e ".[export]"')
    config = Config(model=name, size=64, width=4, channels=8, proposals=8)
    answering(build_model(config, describe(64, name, scenes.CLASSES, True))).save(tmp_path / "saved.keras")
    network = keras.saving.load_model(tmp_path / "saved.keras", compile=False)
    pictures = scenes.generated("test", 4, 64)[0].astype("float32")
    network(pictures, training=False)  # Keras exports only a model that has been called
    # Not `export_network`: in noise all peaks are equally high, and rounding decides which are proposed first.
    export.convert(network, form, tmp_path / f"model{export.FORMATS[form].suffix}")
    exported = export.opened(form, tmp_path / f"model{export.FORMATS[form].suffix}")
    for picture in pictures:
        answers = exported({"pixels": picture[None]})
        wanted = keras.tree.flatten(network.predict_on_batch(picture[None]))
        for key, value in zip(export.output_names(answers), wanted, strict=True):
            np.testing.assert_allclose(answers[key], value, atol=1e-4)
    keras.backend.clear_session()


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
        page.get_by_text("Faces, with their scores: ").wait_for()
        page.get_by_role("slider").first.press("End")
        page.get_by_text("Faces, with their scores: 0", exact=True).wait_for()
        assert not page.get_by_test_id("stException").count() and not page.get_by_test_id("stAlertContentError").count()
        page.close()


def test_photographs_without_masks_teach_boxes_and_scenes_teach_masks(tmp_path):
    home = tmp_path / "face_mask_detection"
    (home / "annotations").mkdir(parents=True)
    random = np.random.default_rng(0)
    box = "<bndbox><xmin>8</xmin><ymin>8</ymin><xmax>30</xmax><ymax>30</ymax></bndbox>"
    for number in range(40):
        Image.fromarray(random.integers(0, 255, (40, 50, 3)).astype(np.uint8)).save(home / f"photo{number}.png")
        (home / "annotations" / f"photo{number}.xml").write_text(
            f"<annotation><filename>photo{number}.png</filename><size><width>50</width><height>40</height></size>"
            f"<object><name>with_mask</name>{box}</object></annotation>"
        )
    plain, two_stages = (
        standard.load_data(Config(model=name, size=64), "face_mask_detection", tmp_path)
        for name in ("centernet", "mask_rcnn")
    )
    photographs = plain.sizes["train"]
    assert two_stages.sizes == {**plain.sizes, "train": photographs + photographs // 2}
    assert f"{photographs // 2} generated scenes" in two_stages.source.source
    has_mask = [[mask is not None for mask in one["masks"]] for one in two_stages.train.targets]
    assert not any(map(any, has_mask[:photographs])) and all(map(all, has_mask[photographs:]))
    x, y = picture_stream(two_stages.train, two_stages.meta, TOY, training=True)[0]
    assert x["pixels"].shape[1:] == (64, 64, 3) and (y["masks"] >= 0).any()
