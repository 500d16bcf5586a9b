"""What mask detection promises beside the contract."""

import io
import itertools
import shutil
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from common.data import Split
from common.errors import UserError
from projects.mask_detection import augment, encoding, metrics, scenes
from projects.mask_detection.config import TOY, Config
from projects.mask_detection.data import load_data
from projects.mask_detection.evaluate import errors_table
from projects.mask_detection.model import answering, build_model
from projects.mask_detection.onestage import giou_loss
from projects.mask_detection.predict import COLOURS, Predictor, detect_folder, ink, picture_stream
from projects.mask_detection.regions import moves, roi_align
from tests.commands import run_here
from tests.conftest import ROOT, refused

CLASSES = scenes.CLASSES


def target(boxes, labels=None, masks=None):
    boxes = np.array(boxes, "float32").reshape(-1, 4)
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels, int)
    return {"boxes": boxes, "labels": labels, "masks": masks or [None] * len(boxes)}


def meta(kind="centernet", size=64):
    return {"classes": CLASSES, "size": size, "kind": kind, "generated": True, "threshold": 0.3, "examples": ["x"]}


# scenes


def test_boxes_of_scenes_are_those_of_their_masks():
    pictures, targets = scenes.generated("train", 12, 96)
    assert pictures.shape == (12, 96, 96, 3) and pictures.dtype == np.uint8
    assert {int(label) for one in targets for label in one["labels"]} == {0, 1, 2}
    for one in targets:
        for box, mask in zip(one["boxes"], one["masks"], strict=True):
            left, top, right, bottom = box.astype(int)
            assert mask.shape == (bottom - top, right - left)
            np.testing.assert_array_equal(scenes.mask_box(mask), [0, 0, right - left, bottom - top])
    again, _ = scenes.generated("train", 3, 96)
    np.testing.assert_array_equal(again, pictures[:3])


def test_no_face_and_no_place_of_a_photograph_is_in_two_parts():
    for ranges in (scenes.FACES, scenes.PLACES):
        ends = [ranges[part] for part in ("train", "validation", "test")]
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(ends))


# from boxes to what is learnt, and back


@pytest.mark.parametrize("kind", ["centernet", "fcos"])
def test_what_is_learnt_is_decoded_to_the_same_boxes(kind):
    """A network that answers exactly what it should learn finds exactly the true boxes."""
    boxes = [[3, 5, 15, 21], [30, 8, 62, 50], [40, 52, 49, 63]]
    learnt = encoding.learnt(*list(target(boxes, [0, 1, 2]).values())[:2], 3, 128, kind)
    heat = np.clip(learnt[:, :3], 1e-4, 1 - 1e-4)
    output = np.concatenate([np.log(heat / (1 - heat)), learnt[:, 3:7]], axis=1)
    if kind == "fcos":
        output = np.concatenate([output, np.zeros((len(output), 1))], axis=1)
    found = encoding.decode(output, (128, 128), meta(kind, 128), least=0.5)
    assert set(found["labels"]) == {0, 1, 2} and len(found["boxes"]) == 3
    order = np.argsort(found["labels"])
    np.testing.assert_allclose(found["boxes"][order], boxes, atol=0.1)


def test_no_faces_and_many_faces_have_targets():
    empty = encoding.learnt(np.zeros((0, 4)), np.zeros(0, int), 3, 64, "centernet")
    assert empty.shape == (256, 8) and not empty.any()
    random = np.random.default_rng(0)
    corners = random.uniform(0, 300, (115, 2))
    many = np.concatenate([corners, corners + random.uniform(5, 20, (115, 2))], axis=1)
    learnt = encoding.learnt(many, random.integers(0, 3, 115), 3, 320, "centernet")
    assert np.isfinite(learnt).all() and 100 < (learnt[:, :3] == 1).sum() <= 115


def test_suppression_keeps_the_best_of_each_class():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [30, 30, 40, 40]], float)
    scores = np.array([[0.9, 0], [0.8, 0], [0, 0.7], [0.1, 0.005]])
    kept, rows, labels = encoding.suppressed(boxes, scores)
    assert rows[kept].tolist() == [0, 2, 3] and labels[kept].tolist() == [0, 1, 0]
    kept, rows, _ = encoding.suppressed(boxes[:0], scores[:0])
    assert not len(kept) and not len(rows)


def test_giou_is_that_of_its_paper():
    """1 - GIoU, worked by hand: boxes of 2 × 2 and 4 × 2 around one place that share 2 × 2."""
    true, answer = np.log([[1.0, 1, 1, 1]]), np.log([[1.0, 1, 3, 1]])
    assert float(giou_loss(true, answer)[0]) == pytest.approx(1 - 0.5)
    answer = np.log([[1.0, 3, 1, 0.5]])  # shares 2 × 1.5 of 4 and 7; the box around both is 2 × 4
    assert float(giou_loss(true, answer)[0]) == pytest.approx(1 - 3 / 8 + (8 - 8) / 8)


# augmentation


def test_a_changed_picture_has_its_boxes_where_the_faces_went():
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[20:40, 30:50] = 255
    random, seen = np.random.default_rng(0), 0
    for _ in range(30):
        new, one = augment.changed(
            picture, target([[30, 20, 50, 40]], masks=[np.ones((20, 20), bool)]), 64, 0.5, random
        )
        assert new.shape == (64, 64, 3)
        for box, mask in zip(one["boxes"], one["masks"], strict=True):
            bright = scenes.mask_box(new.mean(axis=-1) > new.mean(axis=-1).max() - 30)
            if bright is not None and new.max() - new.min() > 120:
                seen += 1
                assert encoding.iou(bright[None], box[None])[0, 0] > 0.75
            assert mask.all() and mask.size
    assert seen > 15


def test_pasted_faces_lie_where_no_face_is():
    random, picture = np.random.default_rng(0), np.full((100, 100, 3), 100, np.uint8)
    cut = [(np.full((20, 16, 3), 250, np.uint8), 2)]
    for _ in range(10):
        new, one = augment.paste_in(picture, target([[10, 10, 60, 60]]), cut, random)
        assert (encoding.iou(one["boxes"][1:], one["boxes"][:1]) < 0.05).all()
        assert set(one["labels"][1:]) <= {2} and len(one["masks"]) == len(one["boxes"])
        for box in one["boxes"][1:]:
            left, top, right, bottom = box.astype(int)
            assert new[top:bottom, left:right].mean() > 200
    assert (picture == 100).all(), "the picture that is kept does not change"


def test_a_score_can_be_read_on_the_colour_of_its_box():
    inks = {colour: ink(tuple(bytes.fromhex(colour[1:]))) for colour in COLOURS}
    assert {colour for colour, name in inks.items() if name == "white"} == {"#0072B2"}  # on the others black is better


def test_pictures_with_rare_classes_are_drawn_more_often():
    targets = [target([[0, 0, 9, 9]], [0])] * 90 + [target([[0, 0, 9, 9]], [2])] * 10
    from projects.mask_detection.predict import balance, rare_classes

    counts = np.array([90, 0, 10])
    weights = balance(targets, counts)
    assert weights[-1] == pytest.approx(3 * weights[0]) and weights.sum() == pytest.approx(1)
    assert rare_classes(counts).tolist() == [False, False, True]


# figures


def random_answers(pictures=25):
    random, truths, answers = np.random.default_rng(3), [], []
    for _ in range(pictures):
        count = random.integers(0, 6)
        corners = random.uniform(0, 50, (count, 2))
        boxes = np.concatenate([corners, corners + random.uniform(5, 40, (count, 2))], axis=1)
        truths.append({"boxes": boxes, "labels": random.integers(0, 2, count)})
        noise = np.concatenate([boxes, boxes[: count // 2]]) + random.normal(0, 2, (count + count // 2, 4))
        labels = np.concatenate([truths[-1]["labels"], 1 - truths[-1]["labels"][: count // 2]])
        answers.append({"boxes": noise, "labels": labels, "scores": random.random(len(noise))})
    return truths, answers


def test_figures_are_those_of_pycocotools():
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truths, answers = random_answers()
    ours = metrics.figures(metrics.matched(truths, answers, 2))(np.ones(len(truths)))
    sets = []
    for rows in (truths, answers):
        one = COCO()
        one.dataset = {
            "images": [{"id": number + 1} for number in range(len(rows))],
            "categories": [{"id": 0}, {"id": 1}],
            "annotations": metrics._annotations(rows, False),
        }
        one.createIndex()
        sets.append(one)
    evaluation = COCOeval(*sets, iouType="bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert ours["ap50_95"] == pytest.approx(evaluation.stats[0], abs=1e-9)
    assert ours["ap50"] == pytest.approx(evaluation.stats[1], abs=1e-9)
    assert ours["ar100"] == pytest.approx(evaluation.stats[8], abs=1e-9)
    assert 0.1 < ours["ap50_95"] < ours["ap50"] < 0.95


def test_a_picture_with_weight_two_counts_as_two_pictures():
    truths, answers = random_answers(8)
    weights = np.array([1, 2, 0, 3, 1, 1, 0, 2])
    rows = np.repeat(np.arange(8), weights)
    weighted = metrics.figures(metrics.matched(truths, answers, 2))(weights.astype(float))
    repeated = metrics.matched([truths[row] for row in rows], [answers[row] for row in rows], 2)
    for name, value in metrics.figures(repeated)(np.ones(len(rows))).items():
        assert weighted[name] == pytest.approx(value, abs=0.02), name  # copies have equal scores, whose order is free


def test_figures_of_masks_that_fill_their_boxes_are_those_of_the_boxes():
    random = np.random.default_rng(5)
    truths, answers = [], []
    for faces in (0, 1, 4):
        corner, size = random.integers(0, 40, (faces, 2)), random.integers(8, 24, (faces, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        rows = {"labels": random.integers(0, 2, faces), "scores": random.random(faces)}
        moved = np.clip(boxes + random.integers(-3, 4, boxes.shape), 0, 64)
        for part, corners in ((truths, boxes), (answers, moved)):
            whole = np.zeros((faces, 64, 72), bool)
            for k, (left, top, right, bottom) in enumerate(corners):
                whole[k, top:bottom, left:right] = True
            part.append({"boxes": corners.astype("float32"), "whole": whole, **rows})
        del truths[-1]["scores"]
    boxed, masked = (
        metrics.figures(metrics.matched(truths, answers, 2, masks=masks))(np.ones(3)) for masks in (False, True)
    )
    assert masked == pytest.approx(boxed) and 0.2 < boxed["ap50_95"] < 1


def test_figures_without_faces_or_answers():
    nothing = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int), "scores": np.zeros(0)}
    one = target([[0, 0, 9, 9]])
    assert np.isnan(metrics.figures(metrics.matched([nothing], [nothing], 2))(np.ones(1))["ap50"])
    missed = metrics.matched([one, one], [nothing, nothing], 2)
    assert metrics.figures(missed)(np.ones(2)) == {"ap50": 0, "ap50_95": 0, "ar100": 0}
    assert metrics.best_threshold(missed) == 0.3
    found = metrics.matched([one, nothing], [{**one, "scores": np.array([0.8])}, nothing], 2)
    assert metrics.figures(found)(np.ones(2))["ap50_95"] == pytest.approx(1)
    assert metrics.best_threshold(found) == pytest.approx(0.4)


def test_every_kind_of_error_is_told(predictor):
    truth = target([[0, 0, 20, 20], [40, 40, 60, 60], [0, 40, 20, 60], [40, 0, 60, 20]], [0, 1, 0, 2])
    boxes = [[0, 0, 20, 20], [1, 0, 21, 20], [40, 40, 60, 60], [8, 40, 34, 60], [90, 90, 99, 99], [40, 0, 60, 20]]
    found = target(boxes, [0, 0, 2, 0, 1, 2])
    found |= {"scores": np.linspace(0.99, 0.94, 6), "shape": (100, 100)}
    table = errors_table(Split([None], [truth]), [found], predictor)
    assert sorted(table["kind"]) == ["background", "class", "double", "missed", "place"]
    assert table.set_index("kind")["truth"]["missed"] == CLASSES[0]


# networks


@pytest.fixture(scope="module")
def predictor(request):
    return request.getfixturevalue("trained")("mask_detection").load()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcos", "mask_rcnn"])  # the contract trains centernet
def test_each_network_learns_two_scenes_and_is_saved(name, tmp_path):
    """Gradients are finite from the first step on; the saved network is plain Keras and answers the same."""
    config = Config(model=name, size=64, width=4, channels=8, pictures=8, proposals=8, batch_size=8, learning_rate=0.01)
    splits = load_data(config, "builtin", tmp_path)
    model = build_model(config, splits.meta)
    stream = picture_stream(splits.train, splits.meta, config, training=True)
    x, y = stream[0]
    losses = [float(model.train_on_batch(x, y)) for _ in range(12)]
    assert np.isfinite(losses).all() and losses[-1] < 0.8 * losses[0]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    network = answering(model)
    network.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    full = {**splits.meta, "threshold": 0.1, "examples": []}
    assert encoding.disagreement({**full, "examples": ["x"]}, {"model": opened}) == ""
    one, other = (Predictor({"model": one}, full) for one in (network, opened))
    raw = {"picture": splits.train.inputs[0]}
    first, second = one.predict(raw), other.predict(raw)
    assert first["objects"] == second["objects"]
    if name == "mask_rcnn":
        assert first["masks"].shape == (len(first["objects"]), 64, 64) and first["masks"].dtype == bool
        assert "gives" in encoding.disagreement({**full, "examples": ["x"], "kind": "fcos"}, {"model": opened})
        held = splits.validation
        figures = metrics.figures(one.matches(held, masks=True), "mask_")(held.weights)
        assert 0 <= figures["mask_ap50_95"] <= figures["mask_ap50"] <= 1
    keras.backend.clear_session()


def test_roi_align_is_bilinear_interpolation():
    """Against scipy's interpolation at the middle of each bin."""
    from scipy.ndimage import map_coordinates

    random = np.random.default_rng(0)
    features = random.normal(size=(2, 10, 12, 3)).astype("float32")
    boxes = np.array([[[4, 8, 30, 20.5], [0, 0, 48, 40]], [[10, 2, 11, 39], [-5, -5, 60, 50]]], "float32")
    pooled = np.asarray(roi_align(features, boxes, 7))
    assert pooled.shape == (2, 2, 7, 7, 3)
    for picture in range(2):
        for number, box in enumerate(boxes[picture]):
            x, y = (low + (np.arange(7) + 0.5) / 7 * (high - low) for low, high in ((box[0], box[2]), (box[1], box[3])))
            places = np.meshgrid(np.clip(y / 4 - 0.5, 0, 9), np.clip(x / 4 - 0.5, 0, 11), indexing="ij")
            for channel in range(3):
                wanted = map_coordinates(features[picture, ..., channel], places, order=1)
                np.testing.assert_allclose(pooled[picture, number, ..., channel], wanted, atol=1e-5)


def test_moves_and_moved_are_inverse():
    random = np.random.default_rng(0)
    boxes, true = (np.sort(random.uniform(0, 50, (6, 2, 2)), axis=1).reshape(6, 4).astype("float32") for _ in range(2))
    boxes, true = (one + np.array([0, 0, 9, 9], "float32") for one in (boxes, true))
    np.testing.assert_allclose(encoding.moved(boxes, np.asarray(moves(boxes, true))), true, atol=1e-3)


def test_a_mask_is_pasted_where_it_belongs():
    whole = encoding.pasted(np.ones((28, 28)), np.array([10.0, 20, 30, 26]), (50, 60))
    np.testing.assert_array_equal(scenes.mask_box(whole), [10, 20, 30, 26])
    half = np.zeros((28, 28))
    half[:, 14:] = 1
    np.testing.assert_array_equal(
        scenes.mask_box(encoding.pasted(half, np.array([10.0, 20, 30, 26]), (50, 60))), [20, 20, 30, 26]
    )
    assert not encoding.pasted(half, np.array([5.0, 5, 5, 5]), (50, 60)).any()


def test_a_backbone_of_keras_needs_no_network_in_tests(monkeypatch):
    plain = keras.applications.MobileNetV2
    monkeypatch.setattr(keras.applications, "MobileNetV2", lambda **words: plain(**{**words, "weights": None}))
    model = build_model(Config(backbone="mobilenet_v2", size=64, channels=8), meta())
    assert model.output.shape == (None, 256, 7)
    keras.backend.clear_session()


# data


def folder_of(path, count=24, boxes="0 0.5 0.5 0.4 0.4\n"):
    """A folder of YOLO files."""
    random = np.random.default_rng(0)
    path.mkdir()
    for number in range(count):
        Image.fromarray(random.integers(0, 255, (40, 50, 3)).astype(np.uint8)).save(path / f"{number}.png")
        (path / f"{number}.txt").write_text(boxes)
    (path / "classes.txt").write_text("face\n")


def test_your_own_folder_from_training_to_boxes(tmp_path):
    folder_of(tmp_path / "own")
    (tmp_path / "own" / "0.txt").write_text("0 0.5 0.5 0.4 0.4\n0 3 3 0.1 0.1\n")
    shutil.copy(tmp_path / "own" / "1.png", tmp_path / "own" / "copy.png")
    shutil.copy(tmp_path / "own" / "1.txt", tmp_path / "own" / "copy.txt")
    splits = load_data(TOY, str(tmp_path / "own"), tmp_path)
    assert sum(splits.sizes.values()) == 25 and splits.meta["classes"] == ["face"] and not splits.meta["generated"]
    assert "0.txt, line 2: the box" in splits.source.source
    parts = [{path.stem for path in split.inputs} for split in (splits.train, splits.validation)]
    assert all(("1" in part) == ("copy" in part) for part in parts)
    x, y = picture_stream(splits.train, splits.meta, TOY, training=True)[0]
    assert x.shape == (8, 64, 64, 3) and (y[..., 0] == 1).any()
    with pytest.raises(UserError, match="boxes only"):
        load_data(Config(model="mask_rcnn"), str(tmp_path / "own"), tmp_path)
    with pytest.raises(UserError, match="multiple of 32"):
        load_data(Config(size=100), "builtin", tmp_path)
    folder_of(tmp_path / "few", 5)
    with pytest.raises(UserError, match="5 different pictures"):
        load_data(TOY, str(tmp_path / "few"), tmp_path)


def test_commands_score_and_write_what_they_find(trained, tmp_path):
    run = trained("mask_detection")
    place = ["--run", run.id, "--runs-dir", str(run.path.parents[1])]
    folder_of(tmp_path / "own", 3)
    refusal = run_here("projects.mask_detection.evaluate", "--data", str(tmp_path / "own"), *place)
    assert refusal.returncode == 2 and "the class 'face', which this run does not know" in refusal.stderr
    Image.new("RGB", (9, 9)).save(tmp_path / "own" / "cut.png")
    content = (tmp_path / "own" / "cut.png").read_bytes()
    (tmp_path / "own" / "cut.png").write_bytes(content[: len(content) // 2])
    table = tmp_path / "boxes.csv"
    words = ["--input", str(tmp_path / "own"), "--output", str(table), "--pictures", str(tmp_path / "drawn")]
    done = run_here("projects.mask_detection.predict", *words, "--threshold", "0.02", *place)
    assert done.returncode == 0 and "cut.png" in done.stderr, done.stderr
    frame = pd.read_csv(table)
    assert list(frame) == ["file", "label", "score", "left", "top", "right", "bottom"] and len(frame)
    assert (frame["left"] < frame["right"]).all() and set(frame["label"]) <= set(CLASSES)
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 3
    one = ["--input", str(tmp_path / "own" / "0.png"), "--output", str(tmp_path / "one.png")]
    done = run_here("projects.mask_detection.predict", *one, *place)
    assert done.returncode == 0 and "with_mask:" in done.stdout and (tmp_path / "one.png").is_file()
    refused(["--input", str(tmp_path / "own")], "needs --output FILE.csv", "projects.mask_detection.predict")
    refused([*one, "--threshold", "2"], "expected a number from 0 to 1", "projects.mask_detection.predict")


def test_a_folder_without_pictures_is_refused(predictor, tmp_path):
    with pytest.raises(UserError, match="holds no picture"):
        detect_folder(predictor, tmp_path, tmp_path / "a.csv")


# the page


def opened(**query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "apps" / "mask_detection.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception and not app.error
    return app


def test_the_page_counts_errors_and_reads_a_folder(copied, tmp_path):
    run = copied("mask_detection")
    slider = opened(part="one").slider[0].set_value(1.0).run()
    assert not slider.exception and {metric.value for metric in slider.metric} == {"0"}
    kinds = pd.read_csv(run.path / "kinds.csv")
    shown = opened(part="errors").dataframe[0].value
    assert shown.iloc[:, 1].sum() == len(kinds)
    app = opened(part="folder")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        picture = io.BytesIO()
        Image.new("RGB", (40, 40), "red").save(picture, "PNG")
        archive.writestr("a.png", picture.getvalue())
        archive.writestr("b.txt", "no picture")
    app.file_uploader[0].set_value(("own.zip", packed.getvalue(), "application/zip")).run()
    assert not app.exception and not app.error
    assert "Files left out: 1" in app.success[0].value
    film = io.BytesIO()
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "green", "blue")]
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:])
    app = opened(part="film")
    app.file_uploader[0].set_value(("a.gif", film.getvalue(), "image/gif")).run()
    assert not app.exception and not app.error
    assert app.slider[0].max == 3
