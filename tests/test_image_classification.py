"""What only image classification promises."""

import gzip
import runpy
import subprocess
import sys
import tarfile
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from common import cli, runs
from common.errors import UserError
from common.evaluation import best_temperature, probabilities
from common.inputs import images
from common.layers import blocks, explain
from common.layers.normalization import fuse
from common.project import Project
from projects.image_classification import standard, stream
from projects.image_classification.config import RECIPE, TOY, Config, effective
from projects.image_classification.data import labelled, load_data, pictures_of
from projects.image_classification.evaluate import baselines, by_class, features
from projects.image_classification.model import LADDER, build_model
from projects.image_classification.predict import as_digit, border, classify_folder
from projects.image_classification.ties import TiesByLoss
from tests.browser import browser, executable, served, settle
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


# Blocks: the lectures' worked examples

PICTURE = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
KERNEL = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_convolution_of_the_lecture():
    inputs = keras.Input((5, 5, 1))
    model = keras.Model(inputs, blocks.conv(inputs, 1, 3, padding="valid", activation=None, name="conv"))
    model.get_layer("conv").set_weights([np.array(KERNEL, "float32")[..., None, None], np.zeros(1)])
    answer = np.asarray(model(np.array(PICTURE, "float32")[None, ..., None]))[0, ..., 0]
    np.testing.assert_array_equal(answer, [[4, 3, 4], [2, 4, 3], [2, 3, 4]])


@pytest.mark.parametrize(("kind", "expected"), [("max", [[2, 3], [2, 3]]), ("average", [[1.25, 2], [1, 1.5]])])
def test_pooling_of_the_lecture(kind, expected):
    picture = np.array([[1, 2, 3], [0, 2, 1], [2, 0, 3]], "float32")[None, ..., None]
    np.testing.assert_array_equal(np.asarray(blocks.POOLS[kind](2, strides=1)(picture))[0, ..., 0], expected)


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "side"),
    [
        (3, 1, "same", 9),
        (3, 1, "valid", 7),
        (3, 2, "same", 5),
        (3, 2, "valid", 4),
        (5, 1, "valid", 5),
        (4, 2, "same", 5),
    ],
)
def test_padding_and_stride_give_the_size_of_the_formula(kernel, strides, padding, side):
    """(n - k + 2p) / s + 1 without padding, ceil(n / s) with it."""
    inputs = keras.Input((9, 9, 2))
    assert blocks.conv(inputs, 4, kernel, strides, padding).shape == (None, side, side, 4)


def test_batch_normalisation_centres_each_channel():
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, blocks.conv(inputs, 5, norm="batch", activation=None, name="c"))
    outputs = np.asarray(model(noise(8, 6, 6, 3).astype("float32"), training=True))
    np.testing.assert_allclose(outputs.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=(0, 1, 2)), 1, atol=1e-2)
    assert not model.get_layer("c").use_bias


@pytest.mark.parametrize(("filters", "strides", "projected"), [(4, 1, False), (8, 1, True), (4, 2, True)])
def test_residual_stage(filters, strides, projected):
    """With its last scale at zero the stage is its shortcut: relu(x) where the shape stays."""
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, blocks.residual(inputs, filters, strides, name="r"))
    assert model.output_shape == (None, 6 // strides, 6 // strides, filters)
    assert any(layer.name == "r_shortcut" for layer in model.layers) == projected
    if not projected:
        model.get_layer("r_2_norm").gamma.assign(np.zeros(filters))
        x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("float32")
        np.testing.assert_allclose(model(x), np.maximum(x, 0), atol=1e-6)


@pytest.mark.parametrize("side", [6, 7])
def test_a_shortcut_is_a_convolution_with_strides(side):
    """Picking every second pixel and then convolving is what a 1 × 1 convolution with strides of two does."""
    inputs = keras.Input((side, side, 8))
    model = keras.Model(inputs, blocks.residual(inputs, 16, 2, name="r"))
    shortcut = model.get_layer("r_shortcut")
    ours = keras.Model(inputs, shortcut.output)
    strided = keras.layers.Conv2D(16, 1, 2, "same", use_bias=False)
    x = np.random.default_rng(0).normal(size=(3, side, side, 8)).astype("float32")
    strided.build(x.shape)
    strided.set_weights(shortcut.get_weights())
    np.testing.assert_allclose(ours(x), strided(x), atol=1e-6)


def test_inception_stage_puts_its_branches_side_by_side():
    inputs = keras.Input((8, 8, 6))
    model = keras.Model(inputs, blocks.inception(inputs, (4, 6, 8, 1, 2, 3), "batch", "i"))
    assert model.output_shape == (None, 8, 8, 4 + 8 + 2 + 3)
    sizes = {layer.name: layer.kernel_size[0] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}
    assert sizes == {
        "i_1x1": 1, "i_3x3_reduce": 1, "i_3x3": 3, "i_5x5_reduce": 1, "i_5x5": 5, "i_projected": 1,
    }  # fmt: skip


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
    pictures, labels = standard.packaged_digits()
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


def test_equal_accuracies_are_decided_by_the_loss():
    logs = [{"val_accuracy": 0.99, "val_loss": loss} for loss in (0.3, 0.1, 1e9)] + [
        {"val_accuracy": 0.9901, "val_loss": 5.0}
    ]
    for row in logs:
        TiesByLoss().on_epoch_end(0, row)
    values = [row["val_accuracy"] for row in logs]
    assert values[2] < values[0] < values[1] < values[3] and values[2] > 0.9898


def test_perfect_validation_does_not_make_it_certain():
    """All 90 right: the temperature stays where one error in 92 would not surprise."""
    log_odds = np.full((90, 10), -3.0)
    log_odds[:, 0] = 3.0
    temperature = best_temperature(log_odds, np.zeros(90, int))
    assert 0.9 < probabilities(log_odds / temperature).max() < 0.995


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
    pictures, labels = standard.small_digits()
    splits = load_data(TOY, "digits", tmp_path)
    assert splits.sizes == {"train": 718, "validation": 180, "test": 899}
    np.testing.assert_array_equal(splits.sealed_test.inputs, pictures[898:])
    np.testing.assert_array_equal(splits.sealed_test.targets, labels[898:])


def small_mnist(monkeypatch, rows=(20, 10)):
    monkeypatch.setitem(standard.SIZES, "mnist", rows)
    return [(noise(count, 28, 28, seed=count), np.arange(count) % 10) for count in rows]


def test_mnist_from_keras_file_and_from_the_homes_files(tmp_path, monkeypatch):
    (x, y), (u, v) = small_mnist(monkeypatch)
    (tmp_path / "mnist").mkdir()
    np.savez(tmp_path / "mnist" / "mnist.npz", x_train=x, y_train=y, x_test=u, y_test=v)
    from_npz = standard.official("mnist", tmp_path)
    (tmp_path / "mnist" / "mnist.npz").unlink()
    for name, values in zip(standard.IDX, (x, y, u, v), strict=True):
        head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
        (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))
    from_idx = standard.official("mnist", tmp_path)
    for part, other, pictures in zip(from_npz, from_idx, (x, u), strict=True):
        np.testing.assert_array_equal(part[0], pictures[..., None])
        for a, b in zip(part, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_cifar10_from_its_binary_version(tmp_path, monkeypatch):
    monkeypatch.setitem(standard.SIZES, "cifar10", (50, 10))
    tables = {name: noise(10, 3073, seed=i) for i, name in enumerate(standard.BATCHES)}
    place = tmp_path / "cifar10" / "cifar-10-batches-bin"
    place.mkdir(parents=True)
    for name, table in tables.items():
        table[:, 0] %= 10
        (place / name).write_bytes(table.tobytes())
    train, test = standard.official("cifar10", tmp_path)
    assert train[0].shape == (50, 32, 32, 3) and test[0].shape == (10, 32, 32, 3)
    row = tables["data_batch_1.bin"][3]
    assert train[1][3] == row[0] and train[0][3, 1, 2].tolist() == [row[1 + 34], row[1 + 1024 + 34], row[1 + 2048 + 34]]
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(place, "cifar-10-batches-bin")
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    np.testing.assert_array_equal(standard.official("cifar10", tmp_path)[0][0], train[0])


def test_damaged_standard_sets_are_refused(tmp_path, monkeypatch):
    (x, y), (u, v) = small_mnist(monkeypatch)
    path = tmp_path / "mnist" / "mnist.npz"
    path.parent.mkdir()
    np.savez(path, x_train=x[:-1], y_train=y[:-1], x_test=u, y_test=v)
    with pytest.raises(UserError, match="Is the file complete"):
        standard.official("mnist", tmp_path)
    np.savez(path, x_train=x, y_train=y + 1, x_test=u, y_test=v)
    with pytest.raises(UserError, match="from 0 to 9"):
        standard.official("mnist", tmp_path)
    np.savez(path, x_train=x)
    with pytest.raises(UserError, match="not laid out"):
        standard.official("mnist", tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="damaged"):
        standard.official("mnist", tmp_path)
    path.unlink()
    for name in standard.IDX:
        (path.parent / name).write_bytes(b"nothing")
    with pytest.raises(UserError, match="does not begin as an IDX file"):
        standard.official("mnist", tmp_path)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not the complete binary version"):
        standard.official("cifar10", tmp_path)


def test_without_file_and_network_it_says_which_file_to_put_where(tmp_path, monkeypatch):
    def refuse():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", refuse)
    with pytest.raises(
        UserError, match=r"cannot be downloaded \(URL fetch failure\). Put .*fashion_mnist/train-images"
    ):
        standard.official("fashion_mnist", tmp_path)


def test_real_mnist(datasets):
    splits = load_data(Config(), "mnist", datasets)
    assert splits.sizes == {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert splits.meta["mean"][0] == pytest.approx(33.3, abs=0.1)


# Folders


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


def test_real_folder(datasets):
    splits = load_data(Config(), str(datasets / "cifar10_folder"), datasets)
    assert sum(splits.sizes.values()) == 6000 and splits.sizes["test"] == 1000
    assert splits.meta["shape"] == [32, 32, 3]


def test_what_is_no_picture_is_left_out_named_and_counted(folder, tmp_path):
    write_classes(tmp_path, count=8)
    odd = tmp_path / "red"
    good = Image.fromarray(noise(60, 60, 3))
    good.save(odd / "cut.jpg")
    (odd / "cut.jpg").write_bytes((odd / "cut.jpg").read_bytes()[:-900])
    good.save(odd / "cut.png")
    (odd / "cut.png").write_bytes((odd / "cut.png").read_bytes()[:-900])
    good.save(odd / "cut.webp")
    (odd / "cut.webp").write_bytes((odd / "cut.webp").read_bytes()[:-300])
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
    left_out = []
    paths, labels, classes = pictures_of(tmp_path, left_out)
    assert classes == ["blue", "green", "red"]
    assert {path.name for path in paths if path.parent.name == "red"} == {
        *(f"{i}.png" for i in range(1, 8)),
        "named.jpg",
    }
    said = " | ".join(left_out)
    for words in (
        "red/cut.jpg is damaged or cut short", "red/cut.png is damaged or cut short", "red/cut.webp is ",
        "red/huge.png has far more pixels", "red/notes.txt is no picture", "red/paper.jpg is not a picture",
        "red/empty.jpg is not a picture", "green/copy.png is a copy of another", "blue/both.png is in two classes",
        "red/0.png is in two classes",
    ):  # fmt: skip
        assert words in said, words
    assert len(left_out) == 10 and len(paths) == 8 + 8 + 8 == len(labels)
    source = load_data(replace(TOY, size=16), str(tmp_path), tmp_path).source.source
    assert "10 files left out" in source and "red/cut.jpg" in source


def test_a_file_with_something_behind_its_end_is_decoded_before_it_is_judged(tmp_path):
    """A camera's film behind the photograph is no damage."""
    Image.fromarray(noise(30, 30, 3)).save(tmp_path / "film.jpg")
    (tmp_path / "film.jpg").write_bytes((tmp_path / "film.jpg").read_bytes() + b"\0" * 5000)
    images.check_picture(tmp_path / "film.jpg")


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
        labelled(folder, predictor.meta)
    write_classes(tmp_path / "two" / "train")
    write_classes(tmp_path / "two" / "test", classes=("red", "green", "grey"))
    with pytest.raises(UserError, match="the same classes; 'blue'"):
        load_data(TOY, str(tmp_path / "two"), tmp_path)


def test_kinds_of_pictures_become_one_kind(tmp_path):
    """Transparent, 16-bit grey and turned pictures, as the rules of common.inputs.images say."""
    clear = np.zeros((20, 20, 4), np.uint8)
    clear[:, :10] = [200, 0, 0, 255]
    Image.fromarray(clear).save(tmp_path / "clear.png")
    found = stream.read(tmp_path / "clear.png", (20, 20, 3))
    assert found[5, 5].tolist() == [200, 0, 0] and found[5, 15].tolist() == [255, 255, 255]
    deep = (np.arange(400).reshape(20, 20) * 160).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    found = stream.read(tmp_path / "deep.png", (20, 20, 1))
    np.testing.assert_allclose(found[..., 0], deep / 257, atol=1)
    turned = Image.fromarray(noise(10, 20, 3))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    assert images.read_picture(tmp_path / "turned.png").shape == (20, 10, 3)
    assert stream.read(tmp_path / "turned.png", (10, 10, 3)).shape == (10, 10, 3)


def test_grey_folders_stay_grey(tmp_path):
    for name in ("a", "b"):
        for number in range(8):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(noise(12, 12, seed=number + 10 * (name == "b"))).save(tmp_path / name / f"{number}.png")
    assert load_data(replace(TOY, size=8), str(tmp_path), tmp_path).meta["shape"] == [8, 8, 1]


def test_a_stream_of_files_keeps_what_fits(folder, monkeypatch):
    paths = sorted(folder.rglob("*.png"))
    whole = stream.Pictures(paths, np.arange(36), (16, 16, 3), 10)
    batches = [whole[i] for i in range(len(whole))]
    assert [len(pictures) for pictures, _ in batches] == [10, 10, 10, 6] and batches[0][0].dtype == np.float32
    np.testing.assert_array_equal(batches[1][0][2], stream.read(paths[12], (16, 16, 3)))
    assert len(whole.kept) == 36
    monkeypatch.setattr(images, "KEPT_BYTES", 5 * 16 * 16 * 3)
    tight = stream.Pictures(paths, np.arange(36), (16, 16, 3), 10)
    for i in range(len(tight)):
        np.testing.assert_array_equal(tight[i][0], batches[i][0])
    assert len(tight.kept) == 5


def test_an_epoch_is_drawn_from_its_number():
    pictures = noise(40, 8, 8, 1)
    first, resumed = (
        stream.Pictures(pictures, np.arange(40), (8, 8, 1), 16, "strokes", seed=1, epoch=epoch) for epoch in (0, 1)
    )
    first.on_epoch_begin()
    before = first[0][0]
    np.testing.assert_array_equal(first[0][0], before)
    first.on_epoch_begin()
    resumed.on_epoch_begin()
    np.testing.assert_array_equal(first[1][0], resumed[1][0])
    np.testing.assert_array_equal(first[1][1], resumed[1][1])
    assert not np.array_equal(first[0][0], before)
    assert sorted(np.concatenate([first[i][1] for i in range(3)])) == list(range(40))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["strokes", "objects"]), st.integers(0, 1000), st.integers(6, 20))
def test_changes_stay_in_range_and_keep_what_is_flat(kind, seed, side):
    random = np.random.default_rng(seed)
    pictures = noise(5, side, side, 2, seed=seed)
    found = stream.changed(pictures, random, kind)
    assert found.shape == pictures.shape and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 255.001
    flat = np.full((3, side, side, 1), 77, np.uint8)
    np.testing.assert_allclose(stream.changed(flat, random, kind), 77, atol=1e-3)


def test_digits_are_never_mirrored_and_objects_are(monkeypatch):
    """A picture that is bright on the left stays so as a stroke; as an object it is mirrored half of the time."""
    picture = np.zeros((400, 16, 16, 1), np.uint8)
    picture[:, :, :8] = 255
    for kind, low, high in (("strokes", 1.0, 1.0), ("objects", 0.4, 0.6)):
        found = stream.changed(picture, np.random.default_rng(0), kind)
        left = found[:, :, :8].mean(axis=(1, 2, 3)) > found[:, :, 8:].mean(axis=(1, 2, 3))
        assert low <= left.mean() <= high, kind
    np.testing.assert_array_equal(stream.changed(picture, np.random.default_rng(0), "none"), picture)


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


def test_training_on_a_folder(folder, tmp_path):
    """Three colours are told apart, and the run answers and scores new folders."""
    config = replace(TOY, size=16, epochs=6, batch_size=8)
    run = runs.start(PROJECT, config, str(folder), tmp_path, tmp_path / "runs")
    content = cli.train_run(run)
    assert content["test"]["model"]["accuracy"]["value"] > 0.7
    new = write_classes(tmp_path / "new", classes=("red", "blue"), count=3, side=30)
    (new / "red" / "notes.txt").write_text("hello")
    result = PROJECT.evaluate(run, str(new))
    assert result.sizes["test"] == 6 and any("notes.txt" in note for note in result.notes)


# Prediction


def test_a_drawing_is_centred_as_mnist_was():
    board = np.zeros((280, 280, 3), np.uint8)
    board[10:110, 20:40] = 255  # a stroke in the corner
    digit = as_digit(board, 28)
    rows, columns = (np.flatnonzero(digit.max(axis=axis) > 60) for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == pytest.approx(20, abs=1) and columns[-1] - columns[0] + 1 == pytest.approx(
        4, abs=1
    )
    mass = digit.astype(float)
    centre = [(mass.sum(axis=axis) @ np.arange(28)) / mass.sum() for axis in (1, 0)]
    assert centre == pytest.approx([14, 14], abs=0.3)
    assert as_digit(np.zeros((50, 50, 3), np.uint8), 28).max() == 0


def test_a_photographed_digit_is_read_as_the_scanned_one(predictor):
    """Enlarged, in the corner of a sheet, black on white: the answer stays."""
    for raw in predictor.examples[:4]:
        sheet = np.full((400, 300, 3), 255, np.uint8)
        sheet[30:198, 100:268] = 255 - raw["picture"].repeat(6, axis=0).repeat(6, axis=1)
        assert border(sheet) > 250
        seen, scanned = predictor.encode({"picture": sheet})[0, ..., 0], predictor.encode(raw)[0, ..., 0]
        assert np.corrcoef(seen.ravel(), scanned.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 900), (700, 500)])
def test_every_size_is_answered(predictor, shape):
    answer = predictor.predict({"picture": noise(*shape, 3)})
    assert answer["label"] in predictor.classes and 0 < answer["probability"] <= 1
    assert next(iter(answer["classes"])) == answer["label"] and len(answer["classes"]) == 10


@pytest.mark.parametrize(
    "picture", [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3)), np.zeros((0, 5, 3), np.uint8)]
)
def test_bad_raw_input(predictor, picture):
    with pytest.raises(UserError, match="expected uint8"):
        predictor.predict({"picture": picture})


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_commands(trained, tmp_path, monkeypatch, capsys):
    run = trained("image_classification")
    predictor = run.load()
    for number, raw in enumerate(predictor.examples[:3]):
        images.write_picture(raw["picture"], tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "paper.jpg").write_bytes(b"%PDF")
    command = ["-m", "projects.image_classification.predict", "--runs-dir", str(run.path.parents[1])]

    def asked(*arguments):  # in this process, which has loaded Keras
        monkeypatch.setattr(sys, "argv", [*command[1:], *map(str, arguments)])
        try:
            runpy.run_module(command[1], run_name="__main__")
            code = 0
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    capsys.readouterr()
    code, said, _ = asked("--input", tmp_path / "in" / "0.png")
    assert code == 0 and said.split()[0] == predictor.predict(predictor.examples[0])["label"]
    arguments = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out.csv")]
    table = subprocess.run([sys.executable, *command, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert table.returncode == 0 and "3 pictures, 1 files left out" in table.stdout and "paper.jpg" in table.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "file,predicted,probability" and len(lines) == 4
    for arguments, words in (
        (("--input", tmp_path / "none.png"), "does not exist"),
        (("--input", tmp_path / "in"), "needs --output"),
        (("--input", tmp_path / "in" / "paper.jpg"), "is not a picture"),
    ):
        code, _, said = asked(*arguments)
        assert code == 2 and words in said and "Traceback" not in said
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        classify_folder(predictor, tmp_path / "bare", tmp_path / "no.csv")
    assert not (tmp_path / "no.csv").exists()


# Evaluation


def test_class_table_by_hand():
    from common.data import Split

    split = Split(np.zeros((6, 1, 1, 1), np.uint8), np.array([0, 0, 0, 1, 1, 2]))
    table = by_class(split, np.array([0, 0, 1, 1, 0, 2]), ["a", "b", "c"])
    assert table["recall"].tolist() == pytest.approx([2 / 3, 1 / 2, 1]) and table["pictures"].tolist() == [3, 2, 1]
    assert table["precision"].tolist() == pytest.approx([2 / 3, 1 / 2, 1]) and table["taken_for"].tolist() == [
        "b",
        "a",
        "",
    ]


def test_baselines_see_pixels_of_at_most_32_a_side(tmp_path):
    pictures = noise(3, 96, 96, 3)
    found = features(pictures, [96, 96, 3])
    assert found.shape == (3, 32 * 32 * 3)
    np.testing.assert_allclose(found[1, :3], pictures[1, :3, :3].mean(axis=(0, 1)) / 255, rtol=1e-5)
    splits = load_data(TOY, "digits", tmp_path)
    scorers = baselines(splits)
    assert list(scorers) == ["majority", "logistic_regression", "nearest_neighbours", "svc"]
    for name, score in scorers.items():
        shares = score(splits.validation.inputs)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
        accuracy = (shares.argmax(axis=1) == splits.validation.targets).mean()
        assert accuracy < 0.2 if name == "majority" else accuracy > 0.9, name


def test_report_has_what_the_page_draws(trained):
    run = trained("image_classification")
    for figure in ("confusion", "recall", "reliability", "errors", "history"):
        assert images.read_picture(run.path / "figures" / f"{figure}.png").size
    assert run.report["failures"][0]["probability"] >= run.report["failures"][-1]["probability"]
    for table in ("errors", "classes", "sample"):
        assert (run.path / f"{table}.csv").stat().st_size > 100


# Inside


@pytest.fixture(scope="module")
def taught():
    """A residual network that has learnt patches of four patterns, anywhere; pictures, classes, the patches' corners."""
    keras.utils.set_random_seed(0)
    meta = {"shape": [24, 24, 1], "mean": [40.0], "variance": [4000.0], "classes": list("abcd")}
    model = fuse(build_model(Config(width=8, stride_stem=False, learning_rate=5e-3, dropout=0.0), meta))
    random = np.random.default_rng(0)
    labels, corners = random.integers(0, 4, 512), random.integers(0, 17, (512, 2))
    pictures = random.integers(0, 40, (512, 24, 24, 1)).astype("float32")
    rows, columns = np.mgrid[:8, :8]
    patterns = [rows % 4 < 2, columns % 4 < 2, (rows + columns) % 4 < 2, rows >= 0]
    for picture, label, (top, left) in zip(pictures, labels, corners, strict=True):
        picture[top : top + 8, left : left + 8, 0] += 200 * patterns[label]
    model.fit(pictures, labels, batch_size=32, epochs=12, verbose=0)
    return model, pictures[:64], labels[:64], corners[:64]


def own_maps(method, model, pictures, labels):
    """Each picture's map for its own class: one call a class."""
    maps = np.zeros(pictures.shape[:3])
    for k in np.unique(labels):
        maps[labels == k] = explain.METHODS[method](model, pictures[labels == k], int(k))
    return maps


def test_one_picture_has_the_map_that_it_has_among_others(taught):
    model, pictures, labels, _ = taught
    for method in explain.METHODS.values():
        alone, among = (method(model, pictures[:count], int(labels[0])) for count in (1, 5))
        assert alone.shape == (1, 24, 24) and alone.max() == pytest.approx(1)
        np.testing.assert_allclose(alone[0], among[0], atol=1e-4)


def test_grad_cam_and_cam_agree_where_theory_says_so(taught):
    """In a network that ends in a mean and one dense layer, Grad-CAM is CAM (Selvaraju et al. 2017, section 3.1)."""
    model, pictures, *_ = taught
    for k in range(4):
        np.testing.assert_allclose(explain.grad_cam(model, pictures, k), explain.cam(model, pictures, k), atol=1e-3)


@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_heat_is_where_the_evidence_is(method, taught):
    """Only the patch tells the class, so the strongest place of the map lies on it, or a step of the map beside it."""
    model, pictures, labels, corners = taught
    assert (np.asarray(model(pictures, training=False)).argmax(axis=1) == labels).mean() > 0.9
    on_it = []
    for heat, (top, left) in zip(own_maps(method, model, pictures, labels), corners, strict=True):
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        on_it.append(top - 4 <= row < top + 12 and left - 4 <= column < left + 12)
    assert np.mean(on_it) > 0.85


@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_maps_change_when_the_weights_are_randomised(taught, method):
    """The sanity check of Adebayo et al. (2018): a map that ignores the weights explains the picture, not the network."""
    model, pictures, labels, _ = taught
    other = keras.models.clone_model(model)
    random = np.random.default_rng(1)
    other.set_weights(
        [
            random.permutation(weight.ravel()).reshape(weight.shape) if weight.ndim > 1 else weight
            for weight in model.get_weights()
        ]
    )
    before, again, after = (own_maps(method, one, pictures[:24], labels[:24]) for one in (model, model, other))
    np.testing.assert_allclose(before, again, atol=1e-5, err_msg="the same network gives the same map")
    pairs = [(one.ravel(), two.ravel()) for one, two in zip(before, after, strict=True)]
    assert np.mean([np.corrcoef(*pair)[0, 1] if pair[0].std() and pair[1].std() else 0.0 for pair in pairs]) < 0.5


def test_methods_suit_the_network(taught):
    model, *_ = taught
    assert explain.methods_for(model) == ["grad_cam", "cam", "saliency"]
    lenet, mlp = (build_model(Config(model=name), GREY) for name in ("lenet", "mlp"))
    assert explain.methods_for(lenet) == ["grad_cam", "saliency"] and explain.methods_for(mlp) == ["saliency"]
    digit = noise(1, 28, 28, 1).astype("float32")
    assert explain.looking_layer(lenet).name == "c3_tanh"
    with pytest.raises(UserError, match="no convolution"):
        explain.grad_cam(mlp, digit, 0)
    with pytest.raises(UserError, match="does not end in a mean"):
        explain.cam(lenet, digit, 0)
    assert explain.saliency(mlp, digit, 0).max() == pytest.approx(1)


@pytest.mark.parametrize("name", ["lenet", "alexnet", "resnet"])
def test_one_number_is_the_sum_that_it_is_said_to_be(name):
    """Every convolution, at the corners and in the middle: patch × kernel + bias is what the layer gave."""
    model = build_model(Config(model=name, width=8), GREY)
    picture = noise(1, 28, 28, 1).astype("float32")
    maps = explain.feature_maps(model, picture)
    for layer in explain.convolutions(model):
        height, width, channels = maps[layer].shape
        for row, column in ((0, 0), (height - 1, width - 1), (height // 2, 0)):
            parts = explain.one_number(model, picture, layer, row, column, channels - 1)
            assert parts["sum"] == pytest.approx(maps[layer][row, column, channels - 1], rel=1e-3, abs=1e-4)
            assert parts["patch"].shape == parts["kernel"].shape == explain.kernels(model, layer).shape[:3]


def test_overlay_is_grey_where_nothing_is():
    picture, heat = noise(10, 12, 3), np.zeros((10, 12))
    heat[:, 6:] = 1
    found = explain.overlaid(picture, heat)
    assert np.ptp(found[:, :6].astype(int), axis=-1).max() == 0 and np.ptp(found[:, 6:].astype(int), axis=-1).min() > 20


# The page


def test_page_compares_two_models_and_shows_errors(trained, monkeypatch):
    first = trained("image_classification")
    second = runs.start(PROJECT, replace(TOY, model="mlp"), "builtin", first.data_dir, first.path.parents[1])
    cli.train_run(second)
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(first.path.parents[1]))
    app = AppTest.from_file(str(ROOT / "apps" / "image_classification.py"), default_timeout=120)
    pictures = []
    for view in ("One picture", "Two models", "Its errors"):
        app.session_state["views-en"] = view
        app.run()
        assert not app.exception and not app.error
        assert ({part.value for part in app.subheader} >= {"lenet", "mlp"}) == (view == "Two models")
        pictures.append(len(app.get("image")) + len(app.get("imgs")))
    assert pictures[:2] == [2, 2] and pictures[2] > 2


def test_what_a_browser_sends_is_checked(monkeypatch):
    from types import SimpleNamespace

    from apps import canvas

    def drawn(value):
        monkeypatch.setattr(canvas, "_board", lambda **keywords: SimpleNamespace(drawing=value))
        return canvas.drawing("label", "clear", "key")

    board = np.zeros((280, 280, 3), np.uint8)
    head = "data:image/png;base64,"
    assert drawn(None) is None and drawn(head + images.picture_text(board)) is None
    board[50:60] = 255
    np.testing.assert_array_equal(drawn(head + images.picture_text(board)), board)
    for wrong in (7, "hello", head + "A" * canvas.MOST_CHARACTERS):
        with pytest.raises(UserError, match="not a picture"):
            drawn(wrong)


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="no Chromium: install one")
def test_probabilities_follow_the_pen(trained):
    """In a real browser: a stroke is answered while the button is down, a second one changes the answer, Clear ends it."""
    run = trained("image_classification")
    with browser() as chromium, served("apps/image_classification.py", run.path.parents[1]) as address:
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(address)
        settle(page)
        page.get_by_role("radio", name="draw").click()
        board = page.get_by_role("img", name="Draw a digit with the mouse or a finger.")
        box = board.bounding_box()
        assert not page.get_by_test_id("stMetricValue").count(), "an empty canvas has no answer"

        def stroke(*places):
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*point, steps=8)

        def answer():
            return page.get_by_test_id("stMetricValue").all_inner_texts()

        stroke((0.5, 0.1), (0.5, 0.9))
        page.get_by_test_id("stMetricValue").first.wait_for()  # the button is still down
        page.mouse.up()
        settle(page)
        first = answer()
        stroke((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.2))
        page.mouse.up()
        page.wait_for_function(
            "before => [...document.querySelectorAll('[data-testid=stMetricValue]')].map(e => e.innerText).join() !== before",
            arg=",".join(first),
        )
        assert not page.get_by_test_id("stException").count() and not page.get_by_test_id("stAlertContentError").count()
        page.get_by_role("button", name="Clear").click()
        page.get_by_test_id("stMetricValue").first.wait_for(state="detached")
        page.close()
