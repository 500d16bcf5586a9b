"""What only image classification promises."""

import functools
import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from common import cli, runs, stream
from common.data import Split
from common.errors import UserError
from common.inputs import images
from common.layers.speed import fuse
from common.project import Project
from projects.image_classification import encoding
from projects.image_classification.augment import augment
from projects.image_classification.config import RECIPE, TOY, Config, effective
from projects.image_classification.data import load_data, load_labelled, packaged_digits, pictures_of, small_digits
from projects.image_classification.encoding import as_digit, border_level, picture_stream, read
from projects.image_classification.evaluate import baselines, classes_table, features
from projects.image_classification.familiarity import closeness, fit_classes, foreign_pictures
from projects.image_classification.model import LADDER, build_model
from projects.image_classification.predict import Predictor, classify_folder
from tests.commands import run_here
from tests.conftest import ROOT

PROJECT = Project("image_classification")
GREY = {"shape": [28, 28, 1], "mean": [33.0], "variance": [6000.0], "classes": list("0123456789")}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def write_classes(folder, classes=("red", "green", "blue"), count=12, side=20):
    """A folder with one sub-folder a class: squares of one colour each, noisy."""
    for k, name in enumerate(classes):
        for number in range(count):
            picture = noise(side, side + 4, 3, seed=100 * k + number) // 4
            picture[..., k % 3] += 150
            images.write_picture(picture, folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_classes(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def predictor(request):
    return request.getfixturevalue("trained")("image_classification").load()


# The ladder


@pytest.mark.parametrize("name", LADDER)
@pytest.mark.parametrize("shape", [(8, 8, 1), (48, 48, 3)])
def test_every_rung_takes_every_size(name, shape):
    meta = GREY | {"shape": list(shape), "mean": [33.0] * shape[2], "variance": [6000.0] * shape[2]}
    model = build_model(Config(model=name, width=8), meta)
    answers = np.asarray(model(noise(2, *shape).astype("float32"), training=False))
    assert answers.shape == (2, 10) and np.isfinite(answers).all() and np.abs(answers[0] - answers[1]).max() > 0


@pytest.mark.parametrize("name", LADDER)
def test_every_rung_learns_saves_and_opens_again(name, tmp_path):
    """Sixteen digits by heart in a few steps; the file opens in plain Keras and gives the same answers."""
    pictures, labels = packaged_digits()
    rows = np.linspace(0, 4999, 16).astype(int)
    pixels, targets = pictures[rows].astype("float32"), labels[rows]
    model = fuse(build_model(Config(model=name, width=8, dropout=0.0, learning_rate=3e-3), GREY))
    model.fit(np.tile(pixels, (40, 1, 1, 1)), np.tile(targets, 40), batch_size=16, shuffle=False, verbose=0)
    answers = np.asarray(model(pixels, training=False))
    assert (answers.argmax(axis=1) == targets).mean() > 0.8
    model.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_allclose(opened(pixels, training=False), answers, atol=1e-4)


def test_alexnet_recipe_is_one_setting():
    config = Config(model="lenet", recipe="alexnet", batch_size=7, dropout=0.1)
    model = build_model(config, GREY)
    assert isinstance(model.optimizer, keras.optimizers.SGD) and model.optimizer.momentum == 0.9
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert model.get_layer("f6_dropout").rate == 0.5
    assert {name: getattr(effective(config), name) for name in RECIPE} == RECIPE
    assert effective(replace(config, recipe="one_cycle")).batch_size == 7


def test_alexnet_recipe_lowers_the_rate_when_validation_flattens(tmp_path, monkeypatch):
    """With a rate of nothing validation cannot improve: the rate is halved, and the training ends."""
    monkeypatch.setitem(RECIPE, "learning_rate", 1e-5)
    monkeypatch.setitem(RECIPE, "patience", 2)
    config = replace(TOY, recipe="alexnet", epochs=8)
    run = runs.start(PROJECT, config, "digits", tmp_path, tmp_path / "runs")
    monkeypatch.setattr(keras.callbacks.EarlyStopping, "_is_improvement", lambda *args: False)
    PROJECT.train(config, run)
    rates = [row["learning_rate"] for row in run.history]
    assert len(rates) < 8 and rates[0] == pytest.approx(1e-5)


def test_mixed_precision_keeps_weights_and_answers_in_float32():
    before = keras.config.dtype_policy().name
    model = build_model(replace(TOY, mixed_precision="on"), GREY)
    assert keras.config.dtype_policy().name == before
    assert model.get_layer("c3").compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    pixels = noise(4, 28, 28, 1).astype("float32")
    model.train_on_batch(pixels, np.array([0, 1, 2, 3]))
    assert np.asarray(model(pixels)).dtype == np.float32


# Data


def test_builtin_is_the_same_for_every_seed(tmp_path):
    one, two = (load_data(replace(TOY, seed=seed), "builtin", tmp_path) for seed in (0, 3))
    assert one.sizes == {"train": 3000, "validation": 750, "test": 1250}
    for a, b in ((one.train, two.train), (one.sealed_test, two.sealed_test)):
        np.testing.assert_array_equal(a.inputs, b.inputs)
    assert np.bincount(one.sealed_test.targets).tolist() == [125] * 10
    pixels = one.train.inputs / 1.0
    assert one.meta["mean"] == pytest.approx([pixels.mean()]) and one.meta["variance"] == pytest.approx([pixels.var()])


def test_digits_are_split_in_unshuffled_halves(tmp_path):
    pictures, labels = small_digits()
    splits = load_data(TOY, "digits", tmp_path)
    assert splits.sizes == {"train": 718, "validation": 180, "test": 899}
    np.testing.assert_array_equal(splits.sealed_test.inputs, pictures[898:])
    np.testing.assert_array_equal(splits.sealed_test.targets, labels[898:])


def test_a_folder_with_its_own_test(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "val", count=3, side=21)
    copied = (tmp_path / "train" / "red" / "0.png").read_bytes()
    (tmp_path / "val" / "red" / "copy.png").write_bytes(copied)
    splits = load_data(replace(TOY, size=16), str(tmp_path), tmp_path)
    assert sum(splits.sizes.values()) == 36 - 1 + 10 and splits.sizes["test"] == 10
    assert "0.png is a copy of another" in splits.source.source
    assert splits.meta["shape"] == [16, 16, 3] and splits.meta["classes"] == ["blue", "green", "red"]
    assert splits.meta["augment"] == "objects" and not splits.meta["strokes"]


def test_what_is_no_picture_is_left_out_named_and_counted(tmp_path):
    write_classes(tmp_path, count=8)
    odd = tmp_path / "red"
    good = Image.fromarray(noise(60, 60, 3))
    for name, missing in (("cut.jpg", 900), ("cut.png", 900), ("cut.webp", 300)):
        good.save(odd / name)
        (odd / name).write_bytes((odd / name).read_bytes()[:-missing])
    Image.new("1", (20_000, 20_000)).save(odd / "huge.png")
    (odd / "notes.txt").write_text("hello")
    (odd / "paper.jpg").write_bytes(b"%PDF-1.7 nothing")
    (odd / ".DS_Store").write_bytes(b"x")
    (odd / "empty.jpg").touch()
    (tmp_path / "green" / "copy.png").write_bytes((tmp_path / "green" / "0.png").read_bytes())
    (tmp_path / "blue" / "both.png").write_bytes((tmp_path / "red" / "0.png").read_bytes())
    (tmp_path / ".cache").mkdir()
    good.convert("P").save(odd / "animation.gif")
    (odd / "animation.gif").rename(odd / "named.jpg")
    content = pictures_of(tmp_path)
    assert content.classes == ["blue", "green", "red"]
    red = {path.name for path in content.paths if path.parent.name == "red"}
    assert red == {*(f"{i}.png" for i in range(1, 8)), "named.jpg"}
    said = " | ".join(content.left_out)
    for words in (
        "red/cut.jpg is damaged or cut short", "red/cut.png is damaged or cut short", "red/cut.webp is ",
        "red/huge.png has far more pixels", "red/notes.txt is no picture", "red/paper.jpg is not a picture",
        "red/empty.jpg is not a picture", "green/copy.png is a copy of another", "blue/both.png is in two classes",
        "red/0.png is in two classes",
    ):  # fmt: skip
        assert words in said, words
    assert len(content.left_out) == 10 and len(content.paths) == 8 + 8 + 8 == len(content.labels)
    source = load_data(replace(TOY, size=16), str(tmp_path), tmp_path).source.source
    assert "10 files left out" in source and "red/cut.jpg" in source


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda place: [(place / name).rename(place.parent / name) for name in ("green", "blue")], "has 1 sub-folder"),
        (lambda place: (place / "void").mkdir(), "void has no picture that can be read"),
        (lambda place: [(place / "red" / f"{i}.png").unlink() for i in range(4)], "red has 4 distinct pictures"),
    ],
)
def test_folders_that_are_refused(change, words, tmp_path):
    place = write_classes(tmp_path / "place", count=8)
    change(place)
    with pytest.raises(UserError, match=words):
        load_data(TOY, str(place), tmp_path)


def test_other_refusals(folder, tmp_path, predictor):
    with pytest.raises(UserError, match="is not a folder"):
        load_data(TOY, str(folder / "red" / "0.png"), tmp_path)
    with pytest.raises(UserError, match="blue is a class"):
        load_labelled(folder, predictor.meta)
    write_classes(tmp_path / "two" / "train", count=6)
    write_classes(tmp_path / "two" / "test", count=6, side=21)
    with pytest.raises(UserError, match="18 training rows are too few: a tenth of them is validation"):
        load_data(TOY, str(tmp_path / "two"), tmp_path)
    (tmp_path / "two" / "test" / "blue").rename(tmp_path / "two" / "test" / "grey")
    with pytest.raises(UserError, match="the same classes; 'blue'"):
        load_data(TOY, str(tmp_path / "two"), tmp_path)


def test_grey_folders_stay_grey(tmp_path):
    for name in ("a", "b"):
        for number in range(8):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(noise(12, 12, seed=number + 10 * (name == "b"))).save(tmp_path / name / f"{number}.png")
    assert load_data(replace(TOY, size=8), str(tmp_path), tmp_path).meta["shape"] == [8, 8, 1]


# Batches


def test_a_stream_of_files_keeps_what_fits(folder, monkeypatch):
    paths, opened = sorted(folder.rglob("*.png")), []
    monkeypatch.setattr(encoding, "read", lambda path, shape: opened.append(path) or read(path, shape))
    whole = picture_stream(paths, np.arange(36), (16, 16, 3), 10)
    batches = [whole[i] for i in range(len(whole))]
    assert [len(pictures) for pictures, _ in batches] == [10, 10, 10, 6] and batches[0][0].dtype == np.float32
    np.testing.assert_array_equal(batches[1][0][2], read(paths[12], (16, 16, 3)))
    assert len(opened) == 36 and whole[0] and len(opened) == 36
    monkeypatch.setattr(stream, "Cache", functools.partial(stream.Cache, max_bytes=5 * 16 * 16 * 3))
    tight = picture_stream(paths, np.arange(36), (16, 16, 3), 10)
    opened.clear()
    for i in [*range(len(tight)), *range(len(tight))]:
        np.testing.assert_array_equal(tight[i][0], batches[i][0])
    assert len(opened) == 36 + 31


def test_an_epoch_is_drawn_from_its_number():
    pictures = noise(40, 8, 8, 1)
    first, resumed = (picture_stream(pictures, np.arange(40), (8, 8, 1), 16, "strokes", seed=1) for _ in range(2))
    before = first[0][0]
    np.testing.assert_array_equal(first[0][0], before)
    first.epoch = resumed.epoch = 1
    np.testing.assert_array_equal(first[1][0], resumed[1][0])
    np.testing.assert_array_equal(first[1][1], resumed[1][1])
    assert not np.array_equal(first[0][0], before)
    assert sorted(np.concatenate([first[i][1] for i in range(3)])) == list(range(40))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["strokes", "objects"]), st.integers(0, 1000), st.integers(6, 20))
def test_changes_stay_in_range_and_keep_what_is_flat(kind, seed, side):
    random = np.random.default_rng(seed)
    pictures = noise(5, side, side, 2, seed=seed)
    changed = augment(pictures, random, kind)
    assert changed.shape == pictures.shape and changed.dtype == np.float32
    assert changed.min() >= 0 and changed.max() <= 255.001
    flat = np.full((3, side, side, 1), 77, np.uint8)
    np.testing.assert_allclose(augment(flat, random, kind), 77, atol=1e-3)


def test_digits_are_never_mirrored_and_objects_are():
    """A picture that is bright on the left stays so as a stroke; as an object it is mirrored half of the time."""
    picture = np.zeros((400, 16, 16, 1), np.uint8)
    picture[:, :, :8] = 255
    for kind, low, high in (("strokes", 1.0, 1.0), ("objects", 0.4, 0.6)):
        changed = augment(picture, np.random.default_rng(0), kind)
        left = changed[:, :, :8].mean(axis=(1, 2, 3)) > changed[:, :, 8:].mean(axis=(1, 2, 3))
        assert low <= left.mean() <= high, kind
    np.testing.assert_array_equal(augment(picture, np.random.default_rng(0), "none"), picture)


def test_a_damaged_file_ends_the_training_with_its_name(tmp_path):
    """Damage in the middle, which only decoding finds."""
    place = write_classes(tmp_path / "place", count=8, side=40)
    for path in (place / "red").glob("*.png"):
        content = bytearray(path.read_bytes())
        content[200:2000] = b"\0" * 1800
        path.write_bytes(content)
    run = runs.start(PROJECT, replace(TOY, size=16), str(place), tmp_path, tmp_path / "runs")
    with pytest.raises(UserError, match=r"red/\d\.png is damaged or cut short"):
        PROJECT.train(run.config, run)


class Kill(keras.callbacks.Callback):
    """Copies the run folder in the middle of the second epoch: what a kill would leave behind."""

    def __init__(self, run, copy):
        super().__init__()
        self.run_folder, self.copy = run.path, copy

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2 and not self.copy.exists() and self.model.optimizer.iterations > self.params["steps"]:
            shutil.copytree(self.run_folder, self.copy)


def test_training_on_a_folder(folder, tmp_path):
    """Three colours are told apart, and the run scores new folders. Killed and resumed, it ends with the same figures.

    Batch normalisation, dropout, shuffling, random changes and learning rates are the same to the last digit.
    """
    config = replace(TOY, model="resnet", size=16, epochs=6, batch_size=8)
    run = runs.start(PROJECT, config, str(folder), tmp_path, tmp_path / "runs")
    killed = runs.Run(tmp_path / "killed" / PROJECT.name / run.id)
    content = cli.train_run(run, (Kill(run, killed.path),))
    assert content["test"]["model"]["accuracy"]["value"] > 0.7
    new = write_classes(tmp_path / "new", classes=("red", "blue"), count=3, side=30)
    (new / "red" / "notes.txt").write_text("hello")
    result = PROJECT.evaluate(run, str(new))
    assert result.sizes["test"] == 6 and any("notes.txt" in note for note in result.notes)
    assert len(killed.history) == 1
    PROJECT.train(killed.config, killed)
    whole, resumed = ([{**row, "seconds": 0} for row in one.history] for one in (run, killed))
    assert len(whole) == 6 and whole == resumed
    weights = [one.load().networks["model"].get_weights() for one in (run, killed)]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


# Prediction


def test_a_drawing_is_centred_as_mnist_was():
    board = np.zeros((280, 280, 3), np.uint8)
    board[10:110, 20:40] = 255  # a stroke in the corner
    digit = as_digit(board, 28)
    rows, columns = (np.flatnonzero(digit.max(axis=axis) > 60) for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == pytest.approx(20, abs=1)
    assert columns[-1] - columns[0] + 1 == pytest.approx(4, abs=1)
    mass = digit.astype(float)
    centre = [(mass.sum(axis=axis) @ np.arange(28)) / mass.sum() for axis in (1, 0)]
    assert centre == pytest.approx([14, 14], abs=0.3)
    assert as_digit(np.zeros((50, 50, 3), np.uint8), 28).max() == 0


def test_a_photographed_digit_is_read_as_the_scanned_one(predictor):
    """Enlarged, in the corner of a sheet, black on white: the answer stays."""
    for raw in predictor.examples[:4]:
        sheet = np.full((400, 300, 3), 255, np.uint8)
        sheet[30:198, 100:268] = 255 - raw["picture"].repeat(6, axis=0).repeat(6, axis=1)
        assert border_level(sheet) > 250
        seen, scanned = predictor.encode({"picture": sheet})[0, ..., 0], predictor.encode(raw)[0, ..., 0]
        assert np.corrcoef(seen.ravel(), scanned.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 900), (700, 500)])
def test_every_size_is_answered(predictor, shape):
    answer = predictor.predict({"picture": noise(*shape, 3)})
    assert answer["label"] in predictor.classes and 0 < answer["probability"] <= 1
    assert next(iter(answer["classes"])) == answer["label"] and len(answer["classes"]) == 10


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((20, 20), np.uint8), "expected uint8"),
        (np.zeros((20, 20, 3)), "expected uint8"),
        (np.zeros((0, 5, 3), np.uint8), "5 × 0 pixels"),
    ],
)
def test_bad_raw_input(predictor, picture, words):
    with pytest.raises(UserError, match=words):
        predictor.predict({"picture": picture})


def test_commands(trained, tmp_path):
    run = trained("image_classification")
    predictor = run.load()
    for number, raw in enumerate(predictor.examples[:3]):
        images.write_picture(raw["picture"], tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "paper.jpg").write_bytes(b"%PDF")

    def command(*arguments):
        return run_here("projects.image_classification.predict", "--runs-dir", run.path.parents[1], *arguments)

    done = command("--input", tmp_path / "in" / "0.png")
    assert done.returncode == 0 and done.stdout.split()[0] == predictor.predict(predictor.examples[0])["label"]
    done = command("--input", tmp_path / "in", "--output", tmp_path / "out.csv")
    assert done.returncode == 0 and "3 pictures, 1 files left out" in done.stdout and "paper.jpg" in done.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "file,predicted,probability" and len(lines) == 4
    for arguments, words in (
        (("--input", tmp_path / "none.png"), "does not exist"),
        (("--input", tmp_path / "in"), "needs --output"),
        (("--input", tmp_path / "in" / "paper.jpg"), "is not a picture"),
    ):
        done = command(*arguments)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        classify_folder(predictor, tmp_path / "bare", tmp_path / "no.csv")
    assert not (tmp_path / "no.csv").exists()


# Evaluation


def test_class_table_by_hand():
    split = Split(np.zeros((6, 1, 1, 1), np.uint8), np.array([0, 0, 0, 1, 1, 2]))
    table = classes_table(split, np.array([0, 0, 1, 1, 0, 2]), ["a", "b", "c"])
    assert table["recall"].tolist() == pytest.approx([2 / 3, 1 / 2, 1]) and table["pictures"].tolist() == [3, 2, 1]
    assert table["precision"].tolist() == pytest.approx([2 / 3, 1 / 2, 1])
    assert table["taken_for"].tolist() == ["b", "a", ""]


def test_baselines_see_pixels_of_at_most_32_a_side(tmp_path):
    pictures = noise(3, 96, 96, 3)
    numbers = features(pictures, [96, 96, 3])
    assert numbers.shape == (3, 32 * 32 * 3)
    np.testing.assert_allclose(numbers[1, :3], pictures[1, :3, :3].mean(axis=(0, 1)) / 255, rtol=1e-5)
    splits = load_data(TOY, "digits", tmp_path)
    scorers = baselines(splits)
    assert list(scorers) == ["majority", "logistic_regression", "nearest_neighbours", "svc"]
    for name, score in scorers.items():
        scores = score(splits.validation.inputs)
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
        accuracy = (scores.argmax(axis=1) == splits.validation.targets).mean()
        assert accuracy < 0.2 if name == "majority" else accuracy > 0.9, name


def test_report_has_what_the_page_draws(trained):
    run = trained("image_classification")
    for figure in ("confusion", "recall", "reliability", "errors", "history"):
        assert images.read_picture(run.path / "figures" / f"{figure}.png").size
    assert run.report["failures"][0]["probability"] >= run.report["failures"][-1]["probability"]
    for table in ("errors", "classes", "sample"):
        assert (run.path / f"{table}.csv").stat().st_size > 100


# The page


def test_page_compares_two_models_and_shows_errors(trained, monkeypatch, tmp_path):
    """The second run is an untrained perceptron with the first one's report: enough to be compared on a picture."""
    first = trained("image_classification")
    shutil.copytree(first.path, tmp_path / "runs" / PROJECT.name / first.id)
    second = runs.start(PROJECT, replace(TOY, model="mlp"), "builtin", first.data_dir, tmp_path / "runs")
    model = build_model(second.config, first.load().meta)
    width = model.layers[-1].input.shape[-1]
    familiar = {"whiten": np.eye(width).tolist(), "means": [[0.0] * width], "limit": -1e9}
    second.save(Predictor({"model": model}, first.load().meta | {"familiar": familiar}))
    worse = {**first.report["validation"], "accuracy": 0.1}
    report = first.report | {"run": second.id, "model": "mlp", "validation": worse}
    (second.path / "report.json").write_text(json.dumps(report))
    second.stop_file.touch()  # it was stopped, so it is not the one that is shown first
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path / "runs"))
    app = AppTest.from_file(str(ROOT / "apps" / "image_classification.py"), default_timeout=120)
    pictures = []
    for view in ("One picture", "Two models", "Its errors"):
        app.session_state["tabs:part:en"] = view
        app.run()
        assert not app.exception and not app.error
        assert ({part.value for part in app.subheader} >= {"lenet", "mlp"}) == (view == "Two models")
        pictures.append(len(app.get("image")) + len(app.get("imgs")))
    assert pictures[:2] == [2, 2] and pictures[2] > 2


# the caution


def test_closeness_is_the_mahalanobis_distance_to_the_nearest_class_mean():
    from scipy.spatial.distance import mahalanobis

    random = np.random.default_rng(0)
    targets = random.integers(3, size=300)
    features = random.normal(size=(300, 4)) @ random.normal(size=(4, 4)) + 5.0 * targets[:, None]
    means = np.stack([features[targets == k].mean(axis=0) for k in range(3)])
    inverse = np.linalg.inv(np.cov((features - means[targets]).T))
    expected = [-min(mahalanobis(x, mean, inverse) ** 2 for mean in means) for x in features]
    np.testing.assert_allclose(closeness(features, fit_classes(features, targets)), expected, rtol=1e-6)
    constant = np.zeros((10, 2))  # what a network gives whose last layer never fires
    assert np.isfinite(closeness(constant, fit_classes(constant, np.arange(10) % 2))).all()


def test_a_picture_of_another_kind_gets_a_caution_and_few_validation_pictures_do(trained):
    run = trained("image_classification")
    predictor = run.load()
    splits = load_data(run.config, "builtin", run.data_dir)
    familiarity, limit = predictor.familiarity(splits.validation.inputs), predictor.meta["familiar"]["limit"]
    assert np.mean(familiarity < limit) == pytest.approx(0.03, abs=0.01)
    for row in (int(familiarity.argmin()), int(familiarity.argmax())):
        raw = {"picture": encoding.in_colour(splits.validation.inputs[row])}
        assert predictor.predict(raw)["unfamiliar"] == (familiarity[row] < limit)
    table = pd.read_csv(run.path / "caution.csv").set_index("inputs")["flagged"]
    assert list(table.index) == ["test", "photographs", "printed letters", "blank pictures", "noise"]
    noisy = np.concatenate([predictor.encode({"picture": one}) for one in foreign_pictures()["noise"]])
    assert table["noise"] == pytest.approx(np.mean(predictor.familiarity(noisy) < limit)) and table["test"] < 0.1


def test_a_meta_whose_caution_does_not_fit_the_network_is_refused(predictor):
    assert not encoding.disagreement(predictor.meta, predictor.networks)
    for name, value in (("whiten", [[1.0]]), ("means", []), ("means", [[0.0]])):
        meta = {**predictor.meta, "familiar": {**predictor.meta["familiar"], name: value}}
        assert "familiar" in encoding.disagreement(meta, predictor.networks)
