"""What only super-resolution promises."""

import json
import time
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from common import cli, runs
from common.errors import UserError
from common.inputs import images
from projects.super_resolution import blur, encoding, learn, predict, resize
from projects.super_resolution.config import TOY, Config, recipe
from projects.super_resolution.data import degraded, list_folder, load_data
from projects.super_resolution.metrics import scores
from projects.super_resolution.model import build_model
from projects.super_resolution.pairs import Pairs
from projects.super_resolution.predict import Predictor
from projects.super_resolution.resize import baseline
from tests.commands import run_here
from tests.conftest import ROOT

QUICK = replace(TOY, steps=8)


def flat(*shape: int) -> np.ndarray:
    return np.zeros((*shape, 3), np.uint8)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).integers(0, 256, (*shape, 3)).astype(np.uint8)


def predictor(config: Config = QUICK) -> Predictor:
    return Predictor({}, {"config": asdict(config)})


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """(shrunk, truth) of a real photograph's window."""
    picture = load_data(TOY, "builtin", tmp_path_factory.mktemp("none")).validation.inputs[1]
    return degraded(picture, TOY)


def test_bicubic_is_matlabs():
    """Halving and doubling a line, with weights worked out by hand from Keys' kernel."""
    weights = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
    line = np.arange(16.0) ** 2
    half = resize.imresize(np.tile(line[:, None, None], (1, 16, 1)), (8, 8))[:, 0, 0]
    assert half[3] == pytest.approx(weights @ line[3:11])
    mirrored = np.concatenate([line[:3][::-1], line[:5]])
    assert half[0] == pytest.approx(weights @ mirrored)
    double = resize.imresize(np.tile(line[:, None, None], (1, 16, 1)), (32, 32))[:, 0, 0]
    assert double[8] == pytest.approx(np.array([-3, 29, 111, -9]) / 128 @ line[[2, 3, 4, 5]])


@pytest.mark.parametrize("method", resize.METHODS)
def test_resizing_keeps_a_flat_picture_and_its_symmetry(method):
    np.testing.assert_allclose(resize.imresize(np.full((9, 14, 3), 77.0), (27, 28), method), 77)
    picture = np.random.default_rng(0).uniform(0, 255, (10, 12, 3))
    if method != "nearest":
        upside_down = resize.imresize(picture[::-1], (20, 24), method)
        np.testing.assert_allclose(upside_down, resize.imresize(picture, (20, 24), method)[::-1])


def test_nearest_repeats_pixels():
    np.testing.assert_array_equal(baseline(noise(5, 7), 3, "nearest"), noise(5, 7).repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (6, 6), (3, 8)])
def test_kernel_is_centred(scale, shape):
    """A slope blurred by a symmetric kernel and sampled is the slope at the centres of the small pixels."""
    slope = np.tile(np.arange(60.0)[None, :, None], (60, 1, 1))
    small = resize.shrink(slope, scale, np.ones(shape))
    middle = len(small) // 2
    assert small[middle, middle, 0] == pytest.approx(scale * middle + (scale - 1) / 2)


@pytest.mark.parametrize("kernel", [None, resize.gaussian_kernel(2, 1, 35, 2)], ids=["bicubic", "gaussian"])
def test_back_projection_makes_it_consistent(kernel, example):
    low = example[0].astype(float)
    shape = (2 * low.shape[0], 2 * low.shape[1])
    estimates = [resize.enlarge(low, 2, shape, kernel, times) for times in (0, 1, 4, 16)]
    errors = [np.abs(resize.shrink(estimate, 2, kernel) - low).mean() for estimate in estimates]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.25 * errors[0]


@pytest.mark.slow
def test_bicubic_on_set5_is_the_published_one(datasets):
    """33.66 dB in every paper; ± 0.05 because of how Y is rounded."""
    pairs = [degraded(picture, Config()) for picture in list_folder(datasets / "super_resolution" / "Set5", 2)[0]]
    psnr = [scores(baseline(low, 2, "bicubic"), truth, 2)["psnr"] for low, truth in pairs]
    assert len(psnr) == 5 and np.mean(psnr) == pytest.approx(33.66, abs=0.05)


def test_folding_and_turning_are_undone():
    picture = np.random.default_rng(0).normal(size=(60, 84, 3))
    for fold in (2, 3, 4):
        np.testing.assert_array_equal(encoding.fold_out(encoding.fold_in(picture, fold), fold), picture)
    for view in product(range(4), range(2)):
        np.testing.assert_array_equal(encoding.turned_back(encoding.turned(picture, *view), *view), picture)


@pytest.fixture
def random_network():
    model, random = build_model(QUICK, {"fold": 2}), np.random.default_rng(0)
    model.set_weights([random.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    return model


def test_self_ensemble_turns_with_the_picture(random_network):
    base = np.random.default_rng(1).uniform(0, 255, (24, 40, 3))
    answer = learn.correction(random_network, base, 2)
    for view in [(1, 0), (2, 0), (0, 1), (3, 1)]:
        seen = learn.correction(random_network, encoding.turned(base, *view), 2)
        np.testing.assert_allclose(seen, encoding.turned(answer, *view), atol=1e-2)
    alone = learn.correction(random_network, encoding.turned(base, 1, 0), 2, ensemble=False)
    plain = learn.correction(random_network, base, 2, ensemble=False)
    assert np.abs(alone - encoding.turned(plain, 1, 0)).max() > 1, "one view alone should not turn with the picture"


def test_tiles_change_nothing(random_network, monkeypatch):
    folded = np.random.default_rng(1).normal(size=(1, 37, 50, 12)).astype("float32")
    whole = learn.tiled(random_network, folded)
    monkeypatch.setattr(learn, "TILE", 16)
    np.testing.assert_allclose(learn.tiled(random_network, folded), whole, atol=1e-4)


def test_pairs_hold_what_was_lost(example):
    source = resize.to_ycbcr(example[0].astype(float))
    pairs = Pairs([source], Fraction(2), 16, None, np.random.default_rng(0))
    question, correction = pairs.pairs[0]
    np.testing.assert_allclose(255 * (question + 0.5 + correction), source, atol=1e-3)
    assert pairs.probabilities.sum() == pytest.approx(1)
    folded, target = pairs.draw()
    assert folded.shape == target.shape == (1, 8, 8, 12)


def test_a_recipe_can_be_changed_and_a_network_starts_as_the_linear_estimate():
    assert recipe(Config())["steps"] == 1000 and recipe(Config(steps=5))["steps"] == 5
    model = build_model(QUICK, {"fold": 2})
    assert not np.any(model.predict(np.ones((1, 8, 8, 12)), verbose=0))


def test_learning_beats_bicubic(example):
    low, truth = example
    answers = list(predictor(replace(TOY, steps=160)).stream({"picture": low}))
    assert [a["progress"] for a in answers] == sorted(a["progress"] for a in answers)
    assert answers[-1]["progress"] == 1 and answers[-1]["picture"].shape == truth.shape
    losses = [answer["loss"] for answer in answers if answer["loss"] is not None]
    assert np.mean(losses[-20:]) < np.mean(losses[:10])
    assert len({answer["picture"].tobytes() for answer in answers}) > 3, "the picture does not improve on the way"
    gain = scores(answers[-1]["picture"], truth, 2)["psnr"] - scores(baseline(low, 2, "bicubic"), truth, 2)["psnr"]
    assert gain > 1


def test_previews_do_not_change_the_answer(example):
    raw = {"picture": example[0]}
    *_, seen = predictor().stream(raw)
    np.testing.assert_array_equal(seen["picture"], predictor().predict(raw)["picture"])


def test_closing_the_stream_ends_the_learning(example, monkeypatch):
    steps = []
    draw = Pairs.draw
    monkeypatch.setattr(Pairs, "draw", lambda self: steps.append(1) or draw(self))
    stream = predictor(replace(QUICK, steps=1000)).stream({"picture": example[0]})
    next(stream), next(stream)
    stream.close()
    assert 0 < len(steps) < 100
    with pytest.raises(StopIteration):
        next(stream)


TWO_STAGES, ENSEMBLE = {"stages": "two"}, {"networks": 2, "rounds": 2}
SLOPE, ONE_STAGE = {"stages": "two", "schedule": "slope"}, {"stages": "one"}


@pytest.mark.parametrize(("scale", "how"), [(3, {}), (4, ONE_STAGE), (2, SLOPE), (3, TWO_STAGES), (4, ENSEMBLE)])
def test_every_scale_and_recipe(scale, how, example):
    answer = predictor(replace(QUICK, scale=scale, steps=3, **how)).predict({"picture": example[0][:33, :38]})
    assert answer["picture"].shape == (33 * scale, 38 * scale, 3) and answer["picture"].dtype == np.uint8


@pytest.mark.parametrize("shape", [(16, 16), (16, 900)])
def test_smallest_and_longest_pictures(shape):
    answer = predictor(replace(QUICK, steps=2, crop=80)).predict({"picture": noise(*shape), "scale": 4})
    assert answer["picture"].shape == (shape[0] * 4, shape[1] * 4, 3)


def test_a_given_kernel_is_used(example):
    """With the true blur, and with the estimated one, the answer is far better than when bicubic is assumed."""
    config = replace(TOY, kernel="gaussian")
    low, truth = degraded(load_data(config, "builtin", ROOT).validation.inputs[1], config)
    configs = [replace(config, assume=assumed) for assumed in ("true", "bicubic", "estimate")]
    answers = [predictor(one).predict({"picture": low}) for one in configs]
    true, assumed, estimated = (scores(answer["picture"], truth, 2)["psnr"] for answer in answers)
    bicubic = scores(baseline(low, 2, "bicubic"), truth, 2)["psnr"]
    assert true > bicubic + 2 and true > assumed + 1
    assert estimated > bicubic + 2 and estimated > assumed + 1
    assert [answer["kernel"].split()[0] for answer in answers] == ["given", "bicubic", "Gaussian"]


@pytest.mark.parametrize("shape", [None, (2.0, 1.0, 35.0), (1.6, 1.6, 0.0)])
def test_the_blur_is_found(shape):
    """In seven photographs: both sigmas within a quarter, and no blur where there was none."""
    config = replace(TOY, pictures=None, window=128)
    if shape:
        config = replace(config, kernel="gaussian", blur_along=shape[0], blur_across=shape[1], blur_angle=shape[2])
    splits = load_data(config, "builtin", ROOT)
    pictures = (*splits.validation.inputs, *splits.sealed_test.inputs)
    estimates = [blur.estimate_blur(degraded(picture, config)[0], 2) for picture in pictures]
    if shape is None:
        assert estimates == [None] * 7
        return
    estimates = np.array(estimates)
    np.testing.assert_allclose(estimates[:, :2], np.tile(shape[:2], (7, 1)), rtol=0.25)
    if shape[0] > shape[1]:
        assert np.abs(estimates[:, 2] - shape[2]).max() < 15


@pytest.mark.parametrize("picture", [np.zeros((64, 64, 3)), np.full((900, 33, 3), 200), np.ones((16, 900, 3))])
def test_no_blur_is_read_off_nothing(picture):
    assert blur.estimate_blur(picture.astype(np.uint8), 2) is None
    assert blur.resolve_kernel("estimate", picture.astype(np.uint8), 3) == (None, "bicubic, estimated")


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("waves", [0.1, 0.3, 0.45])
def test_responses_are_those_of_shrinking(scale, waves):
    """A wave (in waves per small pixel), when shrunk, is the same wave times the root of the response."""
    places = (np.arange(60 * scale) - (60 * scale - 1) / 2) / scale
    large = np.tile(np.cos(2 * np.pi * waves * places)[None, :, None], (60 * scale, 1, 1))
    small = np.cos(2 * np.pi * waves * (np.arange(60) - 29.5))
    u, v = np.array([waves]), np.zeros(1)
    gaussian = resize.gaussian_kernel(0.4 * scale, 0.6 * scale, 0, scale)
    for kernel, power in (
        (None, blur.bicubic_power(u, v, scale)),
        (gaussian, blur.gaussian_power(u, v, (0.4, 0, 0.6))),
        (gaussian.T, blur.gaussian_power(v, u, (0.4, 0, 0.6))),
    ):
        shrunk = resize.shrink(large, scale, kernel)[30, 10:50, 0]
        np.testing.assert_allclose(shrunk, np.sqrt(power) * small[10:50], atol=0.01)


def test_slope_rule():
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.1, learn.SLOPE_WINDOW)
    assert not learn.is_flat(list(np.linspace(2, 1, learn.SLOPE_WINDOW) + noise))
    assert learn.is_flat(list(1 + noise))
    assert not learn.is_flat(list(1 + noise[:-1])), "too few to tell"


def test_finished_pictures_are_not_done_again(tmp_path, monkeypatch):
    """The command is stopped in its second picture: the run stays, and goes on there."""
    began, super_resolve = [], learn.super_resolve
    place = tmp_path / "runs" / "super_resolution"

    def counted(*args, **keywords):
        began.append(1)
        if len(began) == 2:
            (next(place.glob("2*")) / "stop").touch()
        return super_resolve(*args, **keywords)

    monkeypatch.setattr(learn, "super_resolve", counted)
    command, where = "projects.super_resolution.train", ("--runs-dir", tmp_path / "runs")
    knobs = {
        name: getattr(QUICK, name) for name in ("quality", "steps", "width", "blocks", "crop", "pictures", "window")
    }
    flags = [word for name, value in knobs.items() for word in (f"--{name}", value)]
    assert run_here(command, *flags, *where).returncode == cli.INTERRUPTED
    run = runs.Run(next(place.glob("2*")))
    assert len(began) == 2 and not run.finished and len(run.history) == 1
    kept = run.path / "pictures" / "validation" / "chelsea.png"
    written = kept.stat().st_mtime_ns
    assert run_here(command, "--resume", run.id, *where).returncode == 0
    assert run.finished and len(began) == 5, "one was stopped; one of validation and two of the test were left"
    assert kept.stat().st_mtime_ns == written
    assert len(run.history) == 2
    assert not list(run.path.glob("*.keras"))


def test_a_stored_answer_is_not_learnt_again(trained, monkeypatch):
    loaded = trained("super_resolution").load()
    monkeypatch.setattr(learn, "super_resolve", lambda *args: pytest.fail("learnt again"))
    raw = loaded.examples[0]
    assert loaded.predict(raw)["picture"].shape == (80, 80, 3)
    assert loaded.predict({**raw, "scale": 2})["progress"] == 1
    assert loaded.kept({**raw, "scale": 3}) is None and loaded.kept({**raw, "kernel": np.ones((3, 3))}) is None
    assert json.loads(json.dumps(loaded.meta)) == loaded.meta and len(loaded.meta["examples"]) == 2


def test_evaluate_on_another_folder(copied, tmp_path):
    for name in ("one", "two"):
        images.write_picture(noise(48, 40), tmp_path / "mine" / f"{name}.png")
    run = copied("super_resolution")
    result = run.project.evaluate(run, str(tmp_path / "mine"))
    assert result.sizes["test"] == 2 and list(result.tables["pictures"]["picture"]) == ["one", "two"]
    assert result.test["model"]["psnr"]["values"] == list(result.tables["pictures"]["psnr network"])


def test_folder_layouts(tmp_path):
    picture = flat(64, 64)
    for name in ("img_001_SRF_2_HR", "img_001_SRF_2_LR", "img_002_SRF_2_HR"):
        images.write_picture(picture, tmp_path / "Set5" / "image_SRF_2" / f"{name}.png")
    assert [one.name for one in list_folder(tmp_path / "Set5", 2)[0]] == ["img_001_SRF_2_HR", "img_002_SRF_2_HR"]
    images.write_picture(picture, tmp_path / "Set14" / "GTmod12" / "baboon.png")
    assert [picture.name for picture in list_folder(tmp_path / "Set14", 3)[0]] == ["baboon"]
    images.write_picture(picture, tmp_path / "Set14" / "GTmod12" / "baboon.jpg")
    assert [picture.name for picture in list_folder(tmp_path / "Set14", 3)[0]] == ["baboon.jpg", "baboon.png"]
    for number in range(6):
        images.write_picture(picture, tmp_path / "BSD68" / f"{number}.jpg")
    (tmp_path / "BSD68" / "readme.txt").write_text("not a picture")
    splits = load_data(QUICK, str(tmp_path / "BSD68"), tmp_path)
    assert splits.sizes == {"train": 0, "validation": 2, "test": 2}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"picture": flat(1, 1)}, "1 × 1 pixels; .* at least 16"),
        ({"picture": flat(9000, 8)}, "8 × 9000 pixels; .* at least 16"),
        ({"picture": flat(2000, 1001)}, "at most 2,000,000"),
        ({"picture": flat(1001, 1000), "scale": 4}, "at most 1,000,000 can be enlarged 4 times"),
        ({"picture": np.zeros((20, 20), np.uint8)}, "expected uint8"),
        ({"picture": np.zeros((20, 20, 3))}, "expected uint8"),
        ({"kernel": np.ones(5)}, "expected numbers"),
        ({"kernel": np.ones((65, 3))}, "at most 64"),
        ({"kernel": np.zeros((3, 3))}, "add up to more than 0"),
        ({"kernel": -np.ones((3, 3))}, "add up to more than 0"),
        ({"kernel": np.full((3, 3), np.nan)}, "finite"),
        ({"kernel": np.array([["a"]])}, "expected numbers"),
    ],
)
def test_bad_raw_input(raw, words):
    with pytest.raises(UserError, match=words):
        next(predictor().stream({"picture": flat(20, 20), **raw}))


def test_bad_folders(tmp_path, monkeypatch):
    def refused(place, words):
        with pytest.raises(UserError, match=words):
            load_data(QUICK, str(place), tmp_path)

    refused(tmp_path, "has no pictures")
    images.write_picture(flat(64, 64), tmp_path / "one.png")
    refused(tmp_path, "expected at least two")
    refused(tmp_path / "one.png", "expected a folder")
    images.write_picture(flat(20, 64), tmp_path / "two.png")
    refused(tmp_path, "two.png is too small")
    images.write_picture(flat(64, 66), tmp_path / "two.png")
    monkeypatch.setattr(encoding, "MAX_PIXELS", 32 * 32)
    refused(tmp_path, "two.png, shrunk, has 1,056 pixels; at most 1,024")


def enlarge(*arguments):
    return run_here("projects.super_resolution.predict", *arguments)


def test_command(trained, tmp_path, example):
    """A picture, a kernel and a run's knobs go in, a larger picture comes out."""
    run = trained("super_resolution")
    images.write_picture(example[0], tmp_path / "small.png")
    np.save(tmp_path / "kernel.npy", np.ones((3, 3)))
    done = enlarge(
        "--input", tmp_path / "small.png", "--output", tmp_path / "big.png", "--scale", 3, "--kernel", tmp_path / "kernel.npy",
        "--run", run.id, "--runs-dir", run.path.parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert images.read_picture(tmp_path / "big.png").shape == (120, 120, 3)
    assert not list(tmp_path.glob(".*"))


def test_command_refuses(tmp_path, monkeypatch):
    images.write_picture(flat(8, 900), tmp_path / "thin.png")
    images.write_picture(flat(20, 20), tmp_path / "fine.png")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name, words in (("none.png", "does not exist"), ("thin.png", "at least 16")):
        done = enlarge("--input", tmp_path / name, "--output", tmp_path / "big.png")
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    for change, words in [
        ({"output": tmp_path / "big.txt"}, "must end in"),
        ({"kernel": tmp_path / "none.npy"}, "does not exist"),
        ({"kernel": tmp_path / "fine.png"}, "is not a .npy file"),
        ({"kernel": tmp_path / "objects.npy"}, "is not a .npy file"),
    ]:
        options = predict.Options(**{"input": tmp_path / "fine.png", "output": tmp_path / "big.png", **change})
        with pytest.raises(UserError, match=words):
            predict.enlarge_file(predictor(), options)
    assert not (tmp_path / "big.png").exists()


@pytest.fixture
def page(trained, monkeypatch):
    """A function that opens the page."""
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(trained("super_resolution").path.parents[1]))
    return lambda: AppTest.from_file(str(ROOT / "apps" / "super_resolution.py"), default_timeout=120)


def test_page_learns_once(page, monkeypatch):
    """What is not kept is learnt when asked for, shown, and not learnt again."""
    app = page().run()
    assert not [button for button in app.button if button.key == "enlarge"], "the example's answer is kept"
    app.session_state["scale"] = 3
    app.run()
    assert not app.exception and not app.json
    next(button for button in app.button if button.key == "enlarge").click().run()
    wait_for(app)
    assert not app.exception and json.loads(app.json[0].value)["picture"]["shape"] == [120, 120, 3]
    monkeypatch.setattr(learn, "super_resolve", lambda *args: pytest.fail("learnt again"))
    again = page()
    again.query_params["scale"] = "3"
    again.run()
    assert not again.exception and again.json[0].value == app.json[0].value


def wait_for(app) -> None:
    """The learning runs in a thread, and the page looks at it every second."""
    for _ in range(600):
        app.run()
        if app.json or app.exception or app.error:
            return
        time.sleep(0.1)


def test_page_says_what_it_refuses(trained, page):
    """A bad upload is a red box and not a traceback; the next good one is taken, and a kernel is asked for or found."""
    app = page().run()
    app.session_state["picture-way"] = "upload"
    app.run()
    for content, words in [
        (images.picture_bytes(flat(1, 1)), "1 × 1 pixels"),
        (images.picture_bytes(flat(9000, 8)), "8 × 9000 pixels"),
        (images.picture_bytes(flat(1, 3000)), "3000 × 1 pixels"),
        (b"hello", "mine.png is not a picture"),
    ]:
        app.file_uploader[0].upload("mine.png", content, "image/png").run()
        assert not app.exception and words in app.error[0].value
    app.file_uploader[0].upload("phone.jpg", images.picture_bytes(flat(2720, 4000), "JPEG"), "image/jpeg").run()
    assert not app.exception and not app.error and "at most 2,000,000" in app.warning[0].value
    assert not [button for button in app.button if button.key == "enlarge"]
    app.toggle(key="shrink").set_value(True).run()
    assert not app.exception and not app.error and app.button(key="enlarge")
    app.file_uploader[0].upload("mine.png", images.picture_bytes(flat(24, 30)), "image/png").run()
    assert not app.exception and not app.error and app.button(key="enlarge")
    app.selectbox(key="kernel").set_value("file").run()
    assert not [button for button in app.button if button.key == "enlarge"], "the kernel is not there yet"
    app.file_uploader[1].upload("kernel.npy", b"hello", "application/octet-stream").run()
    assert not app.exception and "kernel.npy is not" in app.error[0].value
    app.selectbox(key="kernel").set_value("estimate").run()
    app.button(key="enlarge").click().run()
    wait_for(app)
    assert not app.exception and json.loads(app.json[0].value)["kernel"] == "bicubic, estimated"
