"""Reading pictures: of every kind one kind of array, and damage is told from what is only unusual."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from common.errors import UserError
from common.inputs import images
from common.inputs.images import check_picture, read_picture


def test_pictures_of_every_kind(tmp_path):
    random = np.random.default_rng(0)
    rgb = Image.fromarray(random.integers(0, 256, (20, 30, 3)).astype(np.uint8))
    clear = Image.fromarray(np.zeros((20, 30, 4), np.uint8))
    deep = Image.fromarray(np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    palette = rgb.convert("P")
    for name, picture, keywords in [
        ("cmyk.jpg", rgb.convert("CMYK"), {}),
        ("palette.png", palette, {}),
        ("palette.gif", palette, {"transparency": 0}),
        ("alpha.png", clear, {}),
        ("grey-alpha.png", clear.convert("LA"), {}),
        ("deep.png", deep, {}),
        ("grey.tif", rgb.convert("L"), {}),
        ("bilevel.png", rgb.convert("1"), {}),
        ("rgb.webp", rgb, {"lossless": True}),
        ("turned.jpg", rgb, {"exif": exif}),
    ]:
        picture.save(tmp_path / name, **keywords)
        pixels = read_picture(tmp_path / name)
        assert pixels.dtype == np.uint8 and pixels.shape == ((30, 20, 3) if name == "turned.jpg" else (20, 30, 3)), name
    assert (read_picture(tmp_path / "alpha.png") == 255).all(), "transparent pixels lie over white"
    grey = read_picture(tmp_path / "deep.png")[..., 0].ravel()
    np.testing.assert_array_equal(grey, np.round(np.linspace(0, 65535, 600).astype(np.uint16) / 257))
    np.testing.assert_array_equal(read_picture(tmp_path / "rgb.webp"), np.asarray(rgb))
    assert read_picture((tmp_path / "palette.png").read_bytes()).shape == (20, 30, 3)


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    Image.new("L", (9000, 8000)).save(tmp_path / "huge.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UserError, match=r"72,000,000 pixels \(9000 × 8000\)"):
        read_picture(tmp_path / "huge.png")


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / "real.tif")
    for name, words in [
        ("text.png", "is not a picture"),
        ("empty.png", "is not a picture"),
        ("cut.png", "damaged or cut short"),
        ("real.tif", "real numbers"),
        ("none.png", "does not exist"),
        ("", "is a folder"),
    ]:
        with pytest.raises(UserError, match=words):
            read_picture(tmp_path / name)


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


@pytest.mark.parametrize("orientation", range(10))
def test_a_picture_is_upright(orientation):
    """As Pillow turns it, and also where its EXIF holds a value that Pillow reads and cannot write: -1 / 0."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8))
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    picture.save(file, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    np.testing.assert_array_equal(read_picture(file.getvalue()), expected)
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack("<HHII", 0x011A, 10, 1, 38)
    odd = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + entries + bytes(4) + struct.pack("<iI", -1, 0)
    picture.save(file := io.BytesIO(), "PNG", exif=odd)
    np.testing.assert_array_equal(read_picture(file.getvalue()), expected)


def test_a_photograph_of_a_phone_is_shrunk_to_what_fits():
    photo = images.picture_bytes(np.random.default_rng(0).integers(0, 256, (2720, 4000, 3), dtype=np.uint8), "JPEG")
    with pytest.raises(UserError, match="10,880,000 pixels"):
        images.read_picture(photo, 2_000_000)
    picture = images.shrunk_picture(photo, 2_000_000, "phone.jpg")
    assert picture.shape == (1166, 1714, 3) and 1_990_000 < picture.shape[0] * picture.shape[1] <= 2_000_000
    small = np.full((4, 5, 3), 7, np.uint8)
    np.testing.assert_array_equal(images.shrunk_picture(images.picture_bytes(small), 2_000_000, "a"), small)
    line = images.picture_bytes(np.zeros((1, 3000, 3), np.uint8))
    assert images.shrunk_picture(line, 100, "a").shape[0] == 1


def test_pictures_of_a_folder_are_found_by_their_content_too(tmp_path):
    """A file called .jfif, .jpe or nothing at all is read; a camera's raw file, whose TIFF is a thumbnail, is not."""
    kinds = {"a.PNG": "PNG", "b.jfif": "JPEG", "c.jpe": "JPEG", "d": "WEBP", "more/e.dat": "GIF", "raw.nef": "TIFF"}
    for name, kind in kinds.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(images.picture_bytes(noise(9, 9, 3), kind))
    for name in ("f.heic", ".hidden.png", "__MACOSX/a.png", "empty"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"ftypheic" * bool(name[0] != "e"))
    pictures, others = images.find_pictures(tmp_path)
    assert [path.name for path in pictures] == ["a.PNG", "b.jfif", "c.jpe", "d"]
    assert [path.name for path in others] == ["empty", "f.heic", "more", "raw.nef"]
    assert all(read_picture(path).shape == (9, 9, 3) for path in pictures)
    pictures, others = images.find_pictures(tmp_path, deep=True)
    assert pictures[-1] == tmp_path / "more" / "e.dat" and [path.name for path in others] == [
        "empty",
        "f.heic",
        "raw.nef",
    ]
