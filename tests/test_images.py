"""Reading pictures: of every kind one kind of array, and damage is told from what is only unusual."""

import numpy as np
from PIL import Image

from common.inputs.images import check_picture, read_picture


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_kinds_of_pictures_become_one_kind(tmp_path):
    """Transparent, 16-bit grey and turned pictures."""
    clear = np.zeros((20, 20, 4), np.uint8)
    clear[:, :10] = [200, 0, 0, 255]
    Image.fromarray(clear).save(tmp_path / "clear.png")
    picture = read_picture(tmp_path / "clear.png")
    assert picture[5, 5].tolist() == [200, 0, 0] and picture[5, 15].tolist() == [255, 255, 255]
    deep = (np.arange(400).reshape(20, 20) * 160).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    picture = read_picture(tmp_path / "deep.png")
    np.testing.assert_allclose(picture, np.stack([deep / 257] * 3, axis=-1), atol=1)
    turned = Image.fromarray(noise(10, 20, 3))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    assert read_picture(tmp_path / "turned.png").shape == (20, 10, 3)


def test_a_file_with_something_behind_its_end_is_decoded_before_it_is_judged(tmp_path):
    """A camera's film behind the photograph is no damage."""
    Image.fromarray(noise(30, 30, 3)).save(tmp_path / "film.jpg")
    (tmp_path / "film.jpg").write_bytes((tmp_path / "film.jpg").read_bytes() + b"\0" * 5000)
    check_picture(tmp_path / "film.jpg")
