"""What only colorization promises."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from common import cli, runs, stream
from common.checkpoint import Checkpoint
from common.errors import UserError
from common.inputs import images
from common.project import Project
from common.runs import Run
from projects.colorization import evaluate, lab, metrics, model, watch
from projects.colorization.config import TOY, Config
from projects.colorization.data import EXAMPLES, REGIONS, Picture, load_data, photographs, picture_stream, shrunk
from projects.colorization.encoding import MAX_PIXELS, inputs_and_targets, middle, resized, scaled_shape
from projects.colorization.predict import colour_file
from tests.commands import run_here
from tests.conftest import ROOT

PROJECT = Project("colorization")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight small pictures of colour gradients."""
    return written(tmp_path_factory.mktemp("photographs"), {f"{n}.png": gradient(n) for n in range(8)})


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder with a test set: 48 training, 8 validation and 8 test pictures."""
    names = [f"train/{n}.png" for n in range(56)] + [f"val/{n}.png" for n in range(8)]
    return written(tmp_path_factory.mktemp("many"), {name: gradient(n) for n, name in enumerate(names)})


def written(place, pictures):
    """The folder `place`, after the pictures have been written there."""
    for name, picture in pictures.items():
        images.write_picture(picture, place / name)
    return place


def gradient(number: int, height: int = 30, width: int = 24) -> np.ndarray:
    """Dark is one colour and light another, so that lightness tells the colour."""
    light = np.linspace(0, 1, height * width).reshape(height, width, 1)
    noise = np.random.default_rng(number).normal(0, 4, (height, width, 3))
    return np.clip(light * [250, 200, 60] + (1 - light) * [20, 40, 120] + noise, 0, 255).astype(np.uint8)


@settings(deadline=None, max_examples=50)
@given(st.binary(min_size=3, max_size=600))
def test_lab_and_back_is_within_one_level(content):
    picture = np.frombuffer(content[: len(content) // 3 * 3], np.uint8).reshape(1, -1, 3)
    assert np.abs(lab.to_rgb(*lab.to_lab(picture)).astype(int) - picture).max() <= 1
    inputs, targets = inputs_and_targets(picture)
    assert np.abs(inputs).max() <= 1.0001 and np.abs(targets).max() <= 1
    assert inputs.dtype == targets.dtype == np.float32


def test_lab_of_every_corner_and_of_a_grid():
    levels = np.array([0, 1, 2, 3, 5, 8, 16, 32, 64, 127, 128, 200, 254, 255], np.uint8)
    picture = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(14, -1, 3)
    assert np.abs(lab.to_rgb(*lab.to_lab(picture)).astype(int) - picture).max() <= 1


def test_no_ab_is_grey():
    assert np.ptp(lab.grey(noise(9, 9, 3)), axis=-1).max() <= 1


def test_enlarging_colours():
    ab = np.random.default_rng(0).normal(0, 20, (6, 8, 2)).astype("float32")
    assert lab.enlarged(ab, (6, 8)) is ab
    assert lab.enlarged(ab, (13, 40)).shape == (13, 40, 2)
    np.testing.assert_allclose(lab.enlarged(np.full((6, 8, 2), 7.0), (60, 16)), 7, atol=1e-4)


def test_colourfulness_by_hand():
    """Half red, half grey: rg is 200 or 0, yb 100 or 0, so mean and standard deviation are 100 and 50 each."""
    picture = np.zeros((4, 4, 3), np.uint8)
    assert lab.colourfulness(picture + 77) == 0
    picture[:2, :, 0] = 200
    assert lab.colourfulness(picture) == pytest.approx(1.3 * np.hypot(100, 50))


def test_histogram_by_hand():
    ab = np.zeros((8, 8, 2))
    ab[:4, :, 0] = 50
    fractions = metrics.histogram(ab)
    middle_bin = metrics.BINS // 2
    assert fractions.sum(axis=1).tolist() == [1, 1]
    assert fractions[0, middle_bin] == fractions[0, middle_bin + 10] == 0.5 and fractions[1, middle_bin] == 1
    assert metrics.histogram(np.full((2, 2, 2), 1000.0))[0, -1] == 1


def test_concordance_by_hand():
    """Variance 4 and mean 2 in a, nothing in b: half as strong, cov is 2, the variances 4 and 1, the means 2 and 1."""
    ab = np.zeros((4, 4, 2))
    ab[:2, :, 0] = 4

    def of(answer):
        return metrics.concordance(metrics.moments(answer, ab))

    assert of(ab) == pytest.approx(1) and of(0 * ab) == of(0 * ab + 7) == 0
    assert of(ab / 2) == pytest.approx(2 * 2 / (4 + 1 + 1))
    assert of(ab[::-1]) == pytest.approx(-1), "the right colours in the wrong place"
    assert of(ab) > of(1.5 * ab)


def test_keras_concordance_is_numpys():
    truth, answer = (np.random.default_rng(seed).normal(0, 30, (3, 16, 20, 2)).astype("float32") for seed in (0, 1))
    answer += truth
    metric = model.Concordance()
    metric.update_state(truth[:1], answer[:1])
    metric.update_state(truth[1:], answer[1:])
    assert float(metric.result()) == pytest.approx(metrics.concordance(metrics.moments(answer, truth)), abs=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_figures_are_functions_of_weights():
    """Weight two is the picture twice; the intersection is the corpus', which single pictures may not have."""
    pairs = [(noise(12, 12, 3, seed=n), noise(12, 12, 3, seed=n + 9)) for n in range(3)]
    rows = [metrics.measure(*pair) for pair in pairs]
    assert rows[0]["psnr"] < 15 and metrics.measure(pairs[0][1], pairs[0][1])["ssim"] == pytest.approx(1)
    twice = metrics.mean_figures([*rows, rows[1]])(np.ones(4))
    assert metrics.mean_figures(rows)(np.array([1.0, 2.0, 1.0])) == pytest.approx(twice)
    red, green = (np.full((12, 12, 3), colour, np.uint8) for colour in ((200, 60, 60), (60, 150, 60)))
    swapped = [metrics.measure(red, green), metrics.measure(green, red)]
    assert metrics.mean_figures(swapped)(np.ones(2))["intersection_a"] == pytest.approx(1)
    assert metrics.mean_figures(swapped)(np.ones(2))["concordance"] < -0.9


def test_baselines_learn_what_there_is_to_learn(folder):
    """Where lightness tells the colour, both classical baselines nearly find it, and grey does not."""
    splits = load_data(TOY, str(folder), ROOT)
    rows = evaluate.score(splits.validation.inputs, 16, evaluate.baselines(splits))
    error = {name: rows[name][0]["ab_mae"] for name in rows}
    assert list(error) == ["grey", "mean_colour_per_lightness", "nearest_neighbour"]
    assert error["mean_colour_per_lightness"] < 0.2 * error["grey"]
    assert error["nearest_neighbour"] < 0.2 * error["grey"]


def test_generator_is_small_and_of_any_size():
    generator = model.unet(Config())
    assert generator.count_params() <= 2_000_000
    for height, width in ((64, 64), (16, 48)):
        assert generator(np.zeros((1, height, width, 1), "float32")).shape == (1, height, width, 2)


@pytest.mark.parametrize("down", ["max", "average"])
def test_other_ways_of_halving(down):
    assert model.unet(replace(TOY, down=down))(np.zeros((2, 8, 12, 1), "float32")).shape == (2, 8, 12, 2)


@pytest.mark.parametrize("patch", [1, 16, 70])
def test_discriminator_sees_its_patch_and_no_more(patch):
    """Which input pixels move the output in the middle: a square of `patch` pixels."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    network = model.patch_gan(replace(TOY, patch=patch))
    lightness, ab = (tf.constant(noise(1, 144, 144, channels).astype("float32") / 128 - 1) for channels in (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(ab)
        judged = network([lightness, ab], training=False)
        rows, columns = judged.shape[1:3]
        one = judged[0, rows // 2, columns // 2, 0]
    seen = np.abs(tape.gradient(one, ab).numpy()[0]).sum(axis=-1) > 0
    assert seen.any(axis=1).sum() == seen.any(axis=0).sum() == patch


def test_a_step_teaches_both_networks_and_the_average_follows():
    gan = model.build_model(replace(TOY, average=0.9), {})
    before = {name: getattr(gan, name).get_weights() for name in ("generator", "discriminator", "averaged")}
    data = inputs_and_targets(noise(4, 16, 16, 3))
    gan.run_eagerly = True  # tracing takes longer than a single step
    gan.train_on_batch(*data)
    for name, weights in before.items():
        moved = [np.abs(a - b).max() for a, b in zip(getattr(gan, name).get_weights(), weights, strict=True)]
        assert max(moved) > 1e-5, name
    for old, new, slow in zip(before["averaged"], gan.generator.weights, gan.averaged.weights, strict=True):
        assert new.path.split("/")[-2:] == slow.path.split("/")[-2:], "the average of another weight"
        np.testing.assert_allclose(slow.numpy(), 0.9 * old + 0.1 * new.numpy(), atol=1e-6)
    np.testing.assert_allclose(gan(data[0]), gan.averaged(data[0], training=False), atol=1e-6)


def test_each_loss_moves_its_own_network_at_its_own_rate():
    import tensorflow as tf

    config = replace(TOY, dropout=0.0, discriminator_rate=3e-2)
    gan, other = model.build_model(config, {}), model.build_model(config, {})
    x, y = map(tf.constant, inputs_and_targets(noise(4, 16, 16, 3)))
    with tf.GradientTape(persistent=True) as tape:
        answer = other.generator(x, training=True)
        real, fake = tf.split(other.discriminator([tf.concat([x, x], 0), tf.concat([y, answer], 0)], training=True), 2)
        loss = config.l1_weight * tf.reduce_mean(abs(y - answer)) + tf.reduce_mean(tf.nn.softplus(-fake))
        judging = (tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))) / 2
    gan.run_eagerly = True
    gan.train_on_batch(x, y)
    for name, value, rate in (("generator", loss, 1e-2), ("discriminator", judging, 3e-2)):
        variables = getattr(other, name).trainable_variables
        keras.optimizers.Adam(rate, beta_1=0.5).apply(tape.gradient(value, variables), variables)
        for ours, theirs in zip(getattr(gan, name).trainable_variables, variables, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["l1", "gan"])
def test_it_learns_the_colours_of_gradients(name, folder):
    config = replace(TOY, model=name, learning_rate=1e-2, dropout=0.0)
    colorizer = model.build_model(config, {})
    pictures, _ = photographs(folder)
    batches = picture_stream(pictures, 16, 8, zoom=1.2)
    for batches.epoch in range(150):
        colorizer.train_on_batch(*batches[0])
    truth = np.stack([middle(shrunk(picture, 16), 16) for picture in pictures])
    inputs, targets = inputs_and_targets(truth)
    error = np.abs(np.asarray(colorizer(inputs, training=False)) - targets).mean()
    assert error < 0.6 * np.abs(targets).mean()


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 4:
            raise RuntimeError("stop")


@pytest.fixture(scope="module")
def resumed(many, tmp_path_factory):
    """(a run that was stopped after four epochs and resumed, the model that its checkpoint gave back).

    The generator cannot learn, so the discriminator soon knows every answer.
    """
    place = tmp_path_factory.mktemp("resumed")
    config = replace(TOY, patch=16, width=8, epochs=6, learning_rate=1e-8, discriminator_rate=1e-2)
    run = runs.start(PROJECT, config, str(many), place, place / "runs")
    with pytest.raises(RuntimeError):
        cli.train_run(run, (Stop(),))
    restored = model.build_model(config, {})
    Checkpoint(run, "val_concordance", "max", {}).restore(restored)
    cli.train_run(run)
    return run, restored


def test_resume_restores_both_networks_and_the_optimizer(resumed):
    run, restored = resumed
    fresh = model.build_model(run.config, {}).discriminator.get_weights()
    optimizer, trained = restored.optimizer, [restored.generator, restored.discriminator]
    assert int(optimizer.iterations.numpy()) == 4 * 48 // run.config.batch_size
    assert len(optimizer.variables) == 2 + 2 * sum(len(network.trainable_variables) for network in trained)
    assert all(np.abs(variable.numpy()).sum() > 0 for variable in optimizer.variables[2:])
    assert any(np.abs(a - b).max() > 0 for a, b in zip(fresh, restored.discriminator.get_weights(), strict=True))


def test_a_resumed_training_goes_on_with_schedule_and_figures(resumed):
    run = resumed[0]
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5, 6]
    rates = [row["learning_rate"] for row in run.history]
    parts = (1, 1, 1, 1, 2 / 3, 1 / 3)
    assert rates == pytest.approx([run.config.learning_rate * part for part in parts]), "the schedule starts anew"
    strips = sorted((run.path / "figures" / "samples").glob("*.png"))
    assert [strip.stem for strip in strips] == [f"epoch-{number:03d}" for number in (1, 2, 3, 4, 5, 6)]
    assert images.read_picture(strips[0]).shape == (16, 16 * watch.SAMPLES, 3)
    for figure in ("samples", "losses"):
        assert images.read_picture(run.path / "figures" / f"{figure}.png").size


def test_a_collapsed_discriminator_is_reported_once(resumed):
    """The log and the card say it; three consecutive epochs count across a resumption."""
    run = resumed[0]
    assert run.history[0]["discriminator_accuracy"] < 0.95, "it was pinned before it had learnt"
    assert run.history[-1]["discriminator_accuracy"] > 0.99
    assert (run.path / "log.txt").read_text().count("the discriminator has collapsed") == 1
    assert "the discriminator has collapsed" in (run.path / "MODEL_CARD.md").read_text()


def test_only_consecutive_epochs_are_a_collapse():
    fine = {"discriminator_accuracy": 0.7, "discriminator_loss": 0.6}
    pinned = {"discriminator_accuracy": 1.0, "discriminator_loss": 0.02}
    wrong = {"discriminator_accuracy": 0.0, "discriminator_loss": 3.0}
    silent = {"discriminator_accuracy": 0.9, "discriminator_loss": 0.001}
    assert watch.collapse([fine] * 9) is None and watch.collapse([{"loss": 1.0}] * 9) is None
    assert watch.collapse([fine, pinned, pinned, fine, pinned, pinned]) is None
    for row in (pinned, wrong, silent):
        assert "in epochs 2 to 4" in watch.collapse([fine, row, row, row, fine])


@pytest.fixture(scope="module")
def both(trained, many, tmp_path_factory):
    """(finished run of `gan`, finished run of `l1`), alone in a runs folder."""
    place = tmp_path_factory.mktemp("both")
    gan = Run(shutil.copytree(trained("colorization").path, place / "colorization" / trained("colorization").id))
    l1 = runs.start(PROJECT, replace(TOY, model="l1", epochs=2), str(many), place / "data", place)
    cli.train_run(l1)
    return gan, l1


@pytest.mark.parametrize("number", [0, 1])
def test_both_models_leave_a_plain_keras_model_and_plain_meta(number, both):
    run = both[number]
    assert run.finished and ("discriminator_loss" in run.history[0]) == (number == 0)
    meta, networks = run.load().meta, run.load().networks
    assert networks["model"].count_params() == run.report["parameters"]
    assert json.loads(json.dumps(meta)) == meta and len(meta["examples"]) == EXAMPLES


def test_regions_do_not_touch():
    """No pixel of a photograph is in two splits."""
    splits = load_data(Config(), "builtin", ROOT)
    seen = [{}, {}, {}]
    for owner, split in zip(seen, (splits.train, splits.validation, splits.sealed_test), strict=True):
        for picture in split.inputs:
            left, top, right, bottom = picture.box
            mask = owner.setdefault(picture.path, np.zeros((2000, 2000), bool))
            mask[top:bottom, left:right] = True
            width, height = Image.open(picture.path).size
            assert right <= width and bottom <= height
    assert len(seen[0]) == len(seen[1]) == len(seen[2]) == 7 and len(REGIONS) == 3
    for path, mask in seen[0].items():
        assert not (mask & seen[1][path]).any() and not (mask & seen[2][path]).any()
        assert not (seen[1][path] & seen[2][path]).any()
    assert set(splits.sealed_test.units) == {picture.name.split()[0] for picture in splits.train.inputs}


LAYOUTS = ["train val", "train2017 val2017", "images/train images/val", "data/images/train data/images/val"]


@pytest.mark.parametrize(("train", "test"), [layout.split() for layout in LAYOUTS])
def test_layouts_with_a_test_set(train, test, tmp_path):
    written(tmp_path / train, {f"{n}.jpg": gradient(n) for n in range(10)})
    written(tmp_path / test, {f"v{n}.jpg": gradient(n) for n in (9, 20, 21)})  # 9 is a copy of a training photograph
    splits = load_data(TOY, str(tmp_path), tmp_path)
    assert splits.sizes == {"train": 8, "validation": 1, "test": 3}
    names = {picture.name for part in (splits.train, splits.validation) for picture in part.inputs}
    assert names == {f"{number}.jpg" for number in range(9)}


def test_flat_folder(folder):
    splits = load_data(TOY, str(folder), ROOT)
    assert sum(splits.sizes.values()) == 8 and min(splits.sizes.values()) >= 1
    assert load_data(replace(TOY, seed=1), str(folder), ROOT).sizes == splits.sizes


def test_official_layout_of_bsds(datasets):
    splits = load_data(Config(), str(datasets / "bsds500"), ROOT)
    assert splits.sizes == {"train": 170, "validation": 30, "test": 100}


def test_copies_and_grey_photographs_are_left_out(tmp_path):
    written(tmp_path, {"a.png": gradient(1), "copy.png": gradient(1), "b.png": gradient(2)})
    Image.fromarray(gradient(3)[..., 0]).save(tmp_path / "grey.png")
    assert [picture.name for picture in photographs(tmp_path)[0]] == ["a.png", "b.png"]


def test_pictures_without_colour_are_not_scored(trained, tmp_path):
    run = trained("colorization")
    written(tmp_path / "mine", {"colour.png": gradient(1), "grey.png": np.repeat(gradient(2)[..., :1], 3, axis=2)})
    result = run.project.evaluate(run, str(tmp_path / "mine"))
    assert result.sizes["test"] == 2 and list(result.tables["pictures"]["photograph"]) == ["colour.png"]
    assert any("1 test photographs without colour" in note for note in result.notes)
    (tmp_path / "mine" / "colour.png").unlink()
    for place, words in (("mine", "nothing to compare"), ("", "not a folder with colour"), ("none", "not a folder")):
        with pytest.raises(UserError, match=words):
            run.project.evaluate(run, str(tmp_path / place))


def test_stream_of_batches(folder, monkeypatch):
    pictures, _ = photographs(folder)
    plain = picture_stream(pictures, 16, 3)
    batches = [plain[i] for i in range(len(plain))]
    assert [len(inputs) for inputs, _ in batches] == [3, 3, 2]
    truth = middle(shrunk(pictures[3], 16), 16)
    np.testing.assert_array_equal(batches[1][0][0], inputs_and_targets(truth)[0])
    drawn, resumed = (picture_stream(pictures, 16, 3, zoom=2.0) for _ in range(2))
    first = drawn[0][0]
    np.testing.assert_array_equal(drawn[0][0], first)
    drawn.epoch = resumed.epoch = 1
    assert first.shape == (3, 16, 16, 1) and not np.array_equal(drawn[0][0], first)
    np.testing.assert_array_equal(drawn[1][0], resumed[1][0])
    assert not np.array_equal(picture_stream(pictures, 16, 3, zoom=2.0, seed=1)[0][0], first)
    caches = []
    cache = stream.Cache
    monkeypatch.setattr(stream, "Cache", lambda make: caches.append(cache(make, 5000)) or caches[0])
    tight = picture_stream(pictures, 16, 8)
    np.testing.assert_array_equal(tight[0][0], np.concatenate([inputs for inputs, _ in batches]))
    assert 0 < caches[0].bytes <= 5000 and len(caches[0]) < 8


def test_shrinking_a_box(tmp_path):
    picture = noise(40, 60, 3)
    images.write_picture(picture, tmp_path / "a.png")
    boxed = shrunk(Picture("a", tmp_path / "a.png", (10, 5, 30, 25)), 20)
    np.testing.assert_array_equal(boxed, picture[5:25, 10:30])
    assert shrunk(Picture("a", tmp_path / "a.png"), 16).shape == (16, 24, 3)
    assert resized(picture, scaled_shape(40, 60, 0.001)).shape == (1, 1, 3)


def test_bad_folders(tmp_path):
    def refused(words, place=tmp_path):
        with pytest.raises(UserError, match=words):
            load_data(TOY, str(place), tmp_path)

    refused("has 0 colour photographs")
    written(tmp_path, {"a.png": gradient(0), "b.png": gradient(1)})
    refused("has 2 colour photographs")
    refused("expected a folder", tmp_path / "a.png")
    written(tmp_path, {"c.png": noise(30, 8, 3)})
    refused("c.png has 8 × 30 pixels")
    (tmp_path / "c.png").write_text("hello")
    refused("not a picture")
    written(tmp_path, {"train/a.png": gradient(0), "val/b.png": gradient(1)})
    refused("1 photographs to learn from and 1 to test")


def test_a_damaged_photograph_ends_the_training_with_its_name(tmp_path):
    """Its header is fine, so it is found only when it is decoded, inside TensorFlow's pipeline."""
    for part in ("train", "val"):
        written(tmp_path / part, {f"{part}-{n}.png": gradient(n + len(part)) for n in range(6)})
    for cut in sorted((tmp_path / "train").glob("*.png")):
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    run = runs.start(PROJECT, TOY, str(tmp_path), tmp_path, tmp_path / "runs")
    with pytest.raises(UserError, match=r"\.png is damaged or cut short"):
        PROJECT.train(run.config, run)


@pytest.mark.parametrize("shape", [(16, 16), (16, 9000), (9000, 16), (33, 70), (500, 300)])
def test_every_size_is_coloured(shape, trained):
    picture = noise(*shape, 3)
    answer = trained("colorization").load().predict({"picture": picture})
    assert answer["picture"].shape == picture.shape and answer["picture"].dtype == np.uint8
    assert answer["colourfulness"] == pytest.approx(lab.colourfulness(answer["picture"]))


def test_only_lightness_is_looked_at(trained):
    """A picture and its grey version get nearly the same colours, and the answer keeps the lightness."""
    predictor = trained("colorization").load()
    picture = predictor.examples[0]["picture"]
    answers = [predictor.predict({"picture": part})["picture"] for part in (picture, lab.grey(picture))]
    assert np.abs(answers[0].astype(int) - answers[1]).mean() < 3
    assert np.abs(lab.to_lab(answers[0])[0] - lab.to_lab(picture)[0]).mean() < 2


def test_a_square_is_answered_as_it_is_scored(trained):
    """The page and the figures show the same colours."""
    predictor = trained("colorization").load()
    picture = noise(16, 16, 3)
    scored = evaluate.coloured_by({"network": predictor.colours}, picture[None])["network"][0]
    np.testing.assert_array_equal(predictor.predict({"picture": picture})["picture"], scored)


BAD = {
    "1 × 1 pixels; each side needs at least 16": noise(1, 1, 3),
    "8 × 9000 pixels; each side needs at least 16": noise(9000, 8, 3),
    "at most 16,000,000": np.zeros((MAX_PIXELS // 1000 + 1, 1000, 3), np.uint8),
    r"uint8 \(20, 20\); expected uint8": noise(20, 20),
    "float64 .*; expected uint8": np.zeros((20, 20, 3)),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_raw_input(words, trained):
    with pytest.raises(UserError, match=words):
        trained("colorization").load().predict({"picture": BAD[words]})


def test_pictures_of_other_kinds_are_converted(trained, tmp_path):
    predictor = trained("colorization").load()
    colours = Image.fromarray(noise(20, 30, 3))
    kinds = {"cmyk.jpg": "CMYK", "palette.gif": "P", "alpha.png": "RGBA", "grey.jpg": "L", "bilevel.png": "1"}
    for name, kind in kinds.items():
        colours.convert(kind).save(tmp_path / name)
        assert colour_file(predictor, tmp_path / name, tmp_path / "out.png") == (30, 20)
        assert images.read_picture(tmp_path / "out.png").shape == (20, 30, 3)


def test_command(trained, tmp_path):
    run = trained("colorization")
    Image.fromarray(noise(40, 50)).save(tmp_path / "grey.jpg")
    where = ("--run", "best", "--runs-dir", run.path.parents[1])
    command = "projects.colorization.predict"
    done = run_here(command, "--input", tmp_path / "grey.jpg", "--output", tmp_path / "colour.png", *where)
    assert done.returncode == 0, done.stderr
    assert np.ptp(images.read_picture(tmp_path / "colour.png"), axis=-1).max() > 0
    missing = run_here(command, "--input", tmp_path / "none.png", "--output", tmp_path / "no.png", *where)
    assert missing.returncode == 2 and "does not exist" in missing.stderr and "Traceback" not in missing.stderr
    images.write_picture(noise(8, 9000, 3), tmp_path / "long.png")
    for source, target, words in [("long.png", "no.png", "9000 × 8 pixels"), ("grey.jpg", "no.txt", "must end in")]:
        with pytest.raises(UserError, match=words):
            colour_file(run.load(), tmp_path / source, tmp_path / target)
    assert not (tmp_path / "no.png").exists()


def page(run, monkeypatch):
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(run.path.parents[1]))
    return AppTest.from_file(str(ROOT / "apps" / "colorization.py"), default_timeout=120).run()


def test_page_says_what_it_refuses(trained, monkeypatch):
    """A bad upload is a red box and not a traceback; the next good one is coloured."""
    app = page(trained("colorization"), monkeypatch)
    app.session_state["picture-way"] = "upload"
    app.run()
    for content, words in [
        (images.picture_bytes(np.zeros((1, 1, 3), np.uint8)), "1 × 1 pixels"),
        (images.picture_bytes(np.zeros((9000, 8, 3), np.uint8)), "8 × 9000 pixels"),
        (images.picture_bytes(np.zeros((1, 4000, 3), np.uint8)), "4000 × 1 pixels"),
        (b"hello", "mine.png is not a picture"),
    ]:
        app.file_uploader[0].upload("mine.png", content, "image/png").run()
        assert not app.exception and words in app.error[0].value
    app.file_uploader[0].upload("mine.png", images.picture_bytes(noise(20, 30, 3)), "image/png").run()
    assert not app.exception and not app.error
    assert json.loads(app.json[0].value)["picture"]["shape"] == [20, 30, 3]


def test_page_shows_several_runs_side_by_side(both, monkeypatch):
    app = page(both[0], monkeypatch)
    assert not app.exception
    alone = len(app.get("image"))
    chosen = next(box for box in app.selectbox if box.label == "Run").value
    other = next(run.id for run in both if run.id != chosen)
    app.multiselect(key="others").set_value([other]).run()
    assert not app.exception and not app.error
    assert len(app.get("image")) == alone + 1
