"""Boxes and masks: every format that people have, and a sentence with file and line for whatever is wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from common.inputs import boxes
from common.inputs.boxes import box_fault, read_boxes, shape_fault
from projects.mask_detection.data import shape_mask
from projects.mask_detection.encoding import fitted, iou
from projects.mask_detection.scenes import mask_box

VOC = """<annotation><filename>{name}</filename><size><width>40</width><height>30</height></size>
{objects}</annotation>"""
OBJECT = """<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>
"""


def picture(path, size=(40, 30), **keywords):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "red").save(path, **keywords)


def voc(folder, name="a", objects=(("mask", 1, 2, 11, 22),), **size):
    picture(folder / "images" / f"{name}.png", **size)
    (folder / "annotations").mkdir(exist_ok=True)
    text = VOC.format(name=f"{name}.png", objects="".join(OBJECT.format(*one) for one in objects))
    (folder / "annotations" / f"{name}.xml").write_text(text)


def coco(folder, annotations, images=({"id": 7, "file_name": "a.png"},)):
    picture(folder / "a.png")
    categories = [{"id": 1, "name": "mask"}]
    content = {"images": list(images), "annotations": list(annotations), "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))


def annotation(**changes):
    return {"image_id": 7, "category_id": 1, "bbox": [1, 2, 10, 20], **changes}


def yolo(folder, text, names="names: [face, mask]\n"):
    picture(folder / "images" / "a.png")
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / "a.txt").write_text(text)
    (folder / "data.yaml").write_text(names)


def test_three_formats_say_the_same(tmp_path):
    voc(tmp_path / "voc")
    (tmp_path / "coco").mkdir()
    coco(tmp_path / "coco", [annotation()])
    yolo(tmp_path / "yolo", "1 0.15 0.4 0.25 0.6666666667\n\n")
    for kind in ("voc", "coco", "yolo"):
        (one,), left_out = read_boxes(tmp_path / kind)
        assert one.path.name == "a.png" and one.size == (40, 30) and one.labels == ["mask"] and not left_out
        np.testing.assert_allclose(one.boxes, [[1, 2, 11, 22]], atol=1e-5)
        assert one.boxes.dtype == np.float32


@pytest.mark.parametrize(
    "names", ["names:\n  0: face\n  1: 'mask'  # worn\nnc: 2\n", "names:\n- face\n- mask\nnc: 2\n"]
)
def test_names_of_yolo_classes_and_polygons(tmp_path, names):
    yolo(tmp_path, "1 0.25 0.2 0.5 0.2 0.5 0.8\n", names)
    (one,), _ = read_boxes(tmp_path)
    assert one.labels == ["mask"]
    np.testing.assert_allclose(one.boxes, [[10, 6, 20, 24]], atol=1e-5)
    assert 60 < shape_mask(one.shapes[0], 40, 30).sum() < 120, "half of the box"


def test_wrong_boxes_are_left_out_and_named_with_file_and_line(tmp_path):
    bad = [("m", 5, 5, 5, 9), ("m", 9, 5, 5, 9), ("m", 41, 5, 50, 9), ("m", "x", 5, 9, 9), ("m", "nan", 5, 9, 9)]
    voc(tmp_path, "a", [("m", 35, -3, 55, 9), *bad])
    voc(tmp_path, "empty", [])
    voc(tmp_path, "other", size=(20, 20))
    voc(tmp_path, "gone")
    (tmp_path / "images" / "gone.png").unlink()
    voc(tmp_path, "cut")
    content = (tmp_path / "images" / "cut.png").read_bytes()
    (tmp_path / "images" / "cut.png").write_bytes(content[:-30])
    picture(tmp_path / "images" / "alone.png")
    (first, empty), left_out = read_boxes(tmp_path)
    np.testing.assert_array_equal(first.boxes, [[35, 0, 40, 9]], "a box that crosses the border is cut")
    assert empty.boxes.shape == (0, 4) and empty.labels == []
    words = "\n".join(left_out)
    for part in (
        "annotations/a.xml, line 3: the box (5, 5, 5, 9) is empty",
        "annotations/a.xml, line 4: the box (9, 5, 5, 9) has swapped corners",
        "annotations/a.xml, line 5: the box (41, 5, 50, 9) lies outside of 40 × 30 pixels",
        "annotations/a.xml, line 6: the box ['x', 5.0, 9.0, 9.0] holds something else than numbers",
        "annotations/a.xml, line 7: the box [nan",
        "annotations/other.xml: the annotation is of 40 × 30 pixels, the picture has 20 × 20",
        "annotations/gone.xml: the picture 'gone.png' is missing",
        "images/cut.png is damaged or cut short",
        "images/alone.png has no annotation",
    ):
        assert part in words
    assert len(left_out) == 9


def test_a_picture_that_lies_on_its_side_has_the_size_of_the_upright_one(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    coco(tmp_path, [annotation(bbox=[1, 2, 10, 35])])
    picture(tmp_path / "a.png", exif=exif)
    (one,), _ = read_boxes(tmp_path)
    assert one.size == (30, 40)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>', "document type"),
        ("<annotation><object></annotation>", "mismatched tag"),
        ("<a>" * 200, "nested too deeply"),
        ("<html></html>", "no PASCAL VOC file"),
        ("", "no element found"),
        ("<annotation><filename>a.png</filename><object><bndbox/></object></annotation>", "line 1: the class is ''"),
    ],
)
def test_a_wrong_xml_file_is_refused(tmp_path, text, words):
    voc(tmp_path)
    (tmp_path / "annotations" / "a.xml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_boxes(tmp_path)


def test_xml_that_is_too_large_is_refused(tmp_path, monkeypatch):
    voc(tmp_path)
    monkeypatch.setattr(boxes, "MAX_XML_BYTES", 100)
    with pytest.raises(UserError, match="100 bytes"):
        read_boxes(tmp_path)


def test_coco_masks_of_every_form_are_the_same(tmp_path):
    """pycocotools' own encoder says what each form means."""
    from pycocotools import mask as coco_mask

    random = np.random.default_rng(0)
    truth = np.zeros((30, 40), bool)
    truth[2:22, 1:11] = random.random((20, 10)) < 0.7
    truth[2, 1] = truth[21, 10] = True
    text = coco_mask.encode(np.asfortranarray(truth.astype(np.uint8)))["counts"].decode()
    flat = truth.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
    counts = np.diff([0, *edges, flat.size]).tolist()
    for code in (text, counts):
        shape = {"size": [30, 40], "counts": code}
        assert not shape_fault(shape, (40, 30))
        np.testing.assert_array_equal(shape_mask(shape, 40, 30), truth)
    np.testing.assert_array_equal(mask_box(truth), [1, 2, 11, 22])
    assert mask_box(np.zeros((3, 3), bool)) is None
    square = shape_mask([[3, 4, 9, 4, 9, 10, 3, 10]], 40, 30)
    np.testing.assert_array_equal(mask_box(square), [3, 4, 9, 10])
    assert square.sum() == 36
    coco(tmp_path, [annotation(segmentation=shape), annotation(segmentation=[[1, 2, 5, 2, 5, 8]]), annotation()])
    (one,), _ = read_boxes(tmp_path)
    assert one.shapes == [shape, [[1, 2, 5, 2, 5, 8]], None]


@pytest.mark.parametrize(
    "shape",
    [
        [[1, 2, 3]],
        [["x"] * 6],
        "abc",
        {"size": [30, 40], "counts": [5]},
        {"size": [30, 40], "counts": [1300, -100]},
        {"size": [40, 30], "counts": [1200]},
        {"size": [30, 40], "counts": "é"},
        {"size": [30, 40], "counts": "o" * 50},
        {"size": [30, 40], "counts": "P"},
    ],
)
def test_a_wrong_mask_is_refused(tmp_path, shape):
    coco(tmp_path, [annotation(segmentation=shape)])
    with pytest.raises(UserError, match=r"boxes.json, annotations\[0\]: the mask "):
        read_boxes(tmp_path)


def test_what_a_coco_file_cannot_mean(tmp_path):
    images = [{"id": 7, "file_name": "x/a.png"}, {"id": 8, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}]
    odd = [annotation(image_id=5), annotation(iscrowd=1), annotation(bbox=[1, 2, 3]), annotation(bbox=[1, 2, -3, 4])]
    coco(tmp_path, [annotation(image_id=7.0), *odd], images)
    (one,), left_out = read_boxes(tmp_path)
    assert len(one.boxes) == 1
    assert [word.partition(":")[0] for word in left_out] == [
        "boxes.json, annotations[1]",
        "boxes.json, annotations[2]",
        "boxes.json, annotations[3]",
        "boxes.json, annotations[4]",
        "boxes.json, images[1]",
        "boxes.json, images[2]",
    ]
    coco(tmp_path, [annotation(category_id=4)])
    with pytest.raises(UserError, match=r"annotations\[0\]: the category 4 has no name"):
        read_boxes(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2 .5 .5 .2 .2", "line 1: the class 2"),
        ("0.5 .5 .5 .2 .2", "line 1: the class 0.5"),
        ("0 .5 .5 .2 .2\nmask .5 .5 .2 .2", "line 2 is 'mask"),
        ("0 .5 .5 .2", "line 1 is"),
        ("0 .5 .5 .2 .2 .3", "polygon"),
    ],
)
def test_a_wrong_line_of_yolo_is_refused(tmp_path, text, words):
    yolo(tmp_path, text)
    with pytest.raises(UserError, match=words):
        read_boxes(tmp_path)


def test_a_folder_needs_one_format(tmp_path):
    with pytest.raises(UserError, match="not a folder"):
        read_boxes(tmp_path / "none")
    picture(tmp_path / "a.png")
    with pytest.raises(UserError, match="holds no annotations"):
        read_boxes(tmp_path)
    voc(tmp_path)
    yolo(tmp_path, "0 .5 .5 .2 .2")
    with pytest.raises(UserError, match="expected one format"):
        read_boxes(tmp_path)
    (tmp_path / "annotations" / "a.xml").unlink()
    (tmp_path / "data.yaml").unlink()
    with pytest.raises(UserError, match="names of the classes"):
        read_boxes(tmp_path)


def test_intersection_over_union():
    one = np.array([[0, 0, 10, 10], [0, 0, 0, 0]], float)
    other = np.array([[5, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30], [3, 3, 3, 3]], float)
    np.testing.assert_allclose(iou(one, other), [[1 / 3, 1, 0, 0], [0, 0, 0, 0]])
    assert iou(one[:0], other).shape == (0, 4)
    assert not box_fault([0, 0, 40, 30], (40, 30))


def test_a_picture_is_fitted_into_a_square():
    tall = np.zeros((60, 20, 3), np.uint8)
    square, factor = fitted(tall, 30)
    assert square.shape == (30, 30, 3) and factor == 0.5
    assert (square[:, 10:] == 127).all() and (square[:, :10] == 0).all()
    thin, _ = fitted(np.zeros((1, 5000, 3), np.uint8), 32)
    assert thin.shape == (32, 32, 3)
