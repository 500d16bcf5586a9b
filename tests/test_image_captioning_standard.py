"""The standard set of image captioning, read from real files where they are there."""

import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from projects.image_captioning.config import Config
from projects.image_captioning.standard import load_data


def test_flickr8k_is_read_in_its_official_split(datasets):
    splits = load_data(Config(), "flickr8k", datasets)
    assert len(splits.train) == 6000 and len(splits.validation) + len(splits.sealed_test) in (1000, 2000)
    assert {len(row["en"]) for row in splits.train.targets} == {5} and splits.meta["captions"] == 5


def test_flickr8k_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"captions\.txt is not in"):
        load_data(Config(), "flickr8k", tmp_path)
    folder = tmp_path / "flickr8k"
    folder.mkdir()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / "00.png")
    (folder / "captions.txt").write_text("image,caption\n00.png,A cat .\n")
    (folder / "Flickr_8k.trainImages.txt").write_text("00.png\n")
    with pytest.raises(UserError, match=r"holds 1 names; expected 6,000"):
        load_data(Config(), "flickr8k", tmp_path)
    (folder / "Flickr_8k.trainImages.txt").write_text("other.png\n")
    with pytest.raises(UserError, match=r"names 'other\.png'"):
        load_data(Config(), "flickr8k", tmp_path)
