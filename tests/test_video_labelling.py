"""What only video labelling promises: labels that one frame does not tell, memory, films as people have them."""

import csv
import importlib.util
import itertools
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier
from streamlit.testing.v1 import AppTest

from apps import canvas
from common.errors import UserError
from common.files import read_json, write_json
from common.inputs.images import picture_text
from common.layers import blocks
from common.project import Project
from projects.video_labelling import data, films, metrics
from projects.video_labelling.batches import changed, film_stream
from projects.video_labelling.config import Config
from projects.video_labelling.encoding import SIDE, UNLABELLED, encode
from projects.video_labelling.evaluate import changes, majority
from projects.video_labelling.model import build_models
from projects.video_labelling.predict import Predictor
from projects.video_labelling.video import read_film, write_gif
from tests.browser import browser, executable, served, settle
from tests.commands import run_here
from tests.conftest import ROOT

needs_av = pytest.mark.skipif(not importlib.util.find_spec("av"), reason="needs .[video]")
META = {
    "labels": ["a", "b", "c"],
    "rate": 8.0,
    "frames": 12,
    "mean": [90.0] * 3,
    "variance": [2500.0] * 3,
    "temperature": 1.0,
    "caution_below": 0.0,
    "examples": [],
}


def planned(count: int) -> list[tuple[list[films.Segment], films.Paths]]:
    """The segments and paths of the first training films."""
    plans = (films.Recipe("train", number)._plan() for number in range(count))
    return [(segments, films.paths(segments, random)) for segments, random in plans]


def test_labels_say_what_the_digit_does():
    for segments, path in planned(80):
        labels = films.labels_of(segments)
        steps = (np.diff(path.centres[:, 0], axis=0, prepend=path.centres[:1, 0]) + 32) % 64 - 32
        begins = np.cumsum([0, *(segment.length for segment in segments)])
        first = 0.0
        for segment, begin, end in zip(segments, begins, begins[1:], strict=False):
            first = 0.0 if segment.cut else first
            inside = slice(begin + segment.cut, end)
            across, turned, grown = (
                steps[inside, 0],
                np.diff(path.angles[:, 0])[begin : end - 1],
                np.diff(path.sizes[:, 0])[begin : end - 1],
            )
            moving = segment.label in ("left", "right", "back")
            assert moving == bool((abs(across) > 1).all()) and moving == bool(abs(across).any())
            if moving:
                assert np.sign(across[0]) == (
                    -np.sign(first) if segment.label == "back" else {"left": -1, "right": 1}[segment.label]
                )
                first = first or across[0]
            assert (segment.label == "turning") == bool(turned.any()) and (segment.label == "nearer") == bool(
                (grown > 0).any()
            )
            off = np.flatnonzero(~path.seen[begin:end, 0])
            assert len(off) == segment.length // films.BLANK
            assert (segment.label == "blinking") == (off[0] == 0)
            if segment.label == "met":
                gap = np.hypot(*((path.centres[begin, 1] - path.centres[begin, 0] + 32) % 64 - 32))
                assert gap < 0.5 * path.sizes[begin].sum(), "the digits touch when the label begins"
        assert len(labels) == films.FRAMES and segments[0].cut


def test_one_frame_does_not_tell_the_label():
    """Boosting on all that a frame shows, exactly as it was drawn, is within .05 of the most frequent label."""
    rows, labels = [], []
    for segments, path in planned(500):
        offset = (path.centres[:, 1] - path.centres[:, 0] + 32) % 64 - 32
        shown = np.c_[path.sizes, path.angles % 360, path.centres.reshape(-1, 4), offset, np.hypot(*offset.T)]
        shown[~path.seen[:, 0]] = -1
        shown[~path.seen[:, 1]] *= [1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0]  # nothing of a digit that is not there
        rows.append(np.c_[shown, path.seen])
        labels.append(films.labels_of(segments))
    x, y = np.concatenate(rows), np.concatenate(labels)
    half = len(x) // 2
    best = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=12, random_state=0).fit(x[:half], y[:half])
    most = np.bincount(y[:half]).argmax()
    assert best.score(x[half:], y[half:]) < (y[half:] == most).mean() + 0.05
    counts = np.bincount(y, minlength=len(films.LABELS)) / len(y)
    assert counts.max() < 0.25 and counts.min() > 0.05
    cuts = [(a.label == b.label) for segments, _ in planned(200) for a, b in itertools.pairwise(segments) if b.cut]
    assert 0.2 < np.mean(cuts) < 0.6, "cuts with and without a change of label"


def test_a_film_is_the_same_each_time_and_no_two_are():
    one = films.Recipe("train", 0).pixels()
    assert one.shape == (films.FRAMES, SIDE, SIDE, 3) and one.dtype == np.uint8
    np.testing.assert_array_equal(one, films.Recipe("train", 0).pixels())
    assert (
        len(
            {
                recipe.pixels().tobytes()
                for part in ("train", "validation", "test")
                for recipe in films.recipes(part, 2)[0]
            }
        )
        == 6
    )


def logits(labeller, features: np.ndarray, padding: int = 0) -> np.ndarray:
    mask = np.pad(np.ones((1, len(features)), "float32"), ((0, 0), (0, padding)))
    # What padding holds has no influence.
    filled = np.pad(features[None], ((0, 0), (0, padding), (0, 0)), constant_values=7)
    return np.asarray(labeller({"features": filled, "mask": mask}))[0, : len(features)]


@pytest.mark.parametrize("model", ["frame", "difference", "simple_rnn", "gru", "lstm", "tcn"])
def test_what_each_rung_sees(model):
    """Padding has no influence. A causal network knows nothing of later frames; `frame` knows its own frame alone."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(10, 6)).astype("float32")
    later, earlier = features.copy(), features.copy()
    later[6:], earlier[0] = 1, 1
    for causal in (True, False):
        networks = build_models(Config(model=model, causal=causal, width=2, features=6, units=8), META)[1]
        labeller = networks["labeller"]
        given = logits(labeller, features)
        np.testing.assert_allclose(logits(labeller, features, padding=6), given, atol=1e-5)
        foresees = not np.allclose(logits(labeller, later)[5], given[5], atol=1e-6)
        remembers = not np.allclose(logits(labeller, earlier)[5], given[5], atol=1e-6)
        assert foresees == (not causal and model not in ("frame", "difference"))
        assert remembers == (model not in ("frame", "difference"))
        assert ("step" in networks) == (causal and model in blocks.RECURRENT)
        if "step" in networks:
            frames = rng.integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
            predictor = Predictor(networks, META)
            whole = predictor.decode(predictor.logits([predictor.features(frames)])[0])
            np.testing.assert_allclose(list(predictor.live(iter(frames))), whole, atol=1e-5)


def test_padding_and_unlabelled_frames_are_not_learnt():
    recipe = films.Recipe("train", 0)
    target = recipe.labels()[:30]
    target[3:7] = UNLABELLED

    class Short:
        def pixels(self):
            return recipe.pixels()[:30]

    inputs, labels, weights = film_stream([Short()], [target], 48, 4)[0]
    assert inputs["frames"].shape == (1, 48, SIDE, SIDE, 3) and inputs["mask"].sum() == 30
    assert weights[0, :3].all() and not weights[0, 3:7].any() and not weights[0, 30:].any()
    model, _ = build_models(Config(width=2, features=4, units=4), {**META, "labels": list("abcdefgh"), "frames": 48})
    wrong = np.where(weights > 0, labels, 7 - labels)  # other labels where nobody has labelled
    losses = [model.evaluate(inputs, given, sample_weight=weights, verbose=0)[0] for given in (labels, wrong)]
    assert losses[0] == pytest.approx(losses[1])


def test_a_film_is_changed_as_a_whole():
    film = np.repeat(np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8), 5, axis=0)
    other = changed(film, np.random.default_rng(1))
    assert (other == other[:1]).all() and not (other == film).all() and other.shape == film.shape


def test_figures_of_segments():
    """The example worked by hand: three true segments, of which the second is found late and the third is torn in two."""
    target = np.array([0] * 10 + [1] * 10 + [2] * 10)
    answer = np.array([0] * 16 + [1] * 4 + [2] * 4 + [0] * 2 + [2] * 4)
    got = metrics.figures([answer], [target])(np.ones(1))
    assert got["frame_accuracy"] == pytest.approx(22 / 30)
    assert got["edit"] == pytest.approx(1 - 2 / 5)  # two segments too many among five
    assert got["f1_25"] == pytest.approx(2 * 3 / 8) and got["f1_50"] == pytest.approx(2 * 1 / 8)
    assert got["oversegmentation"] == pytest.approx(5 / 3)
    assert metrics.delays(answer, target) == [6, 0]
    ignored = np.where(np.arange(30) < 10, UNLABELLED, target)
    assert metrics.figures([answer], [ignored])(np.ones(1))["frame_accuracy"] == pytest.approx(12 / 20)
    two = metrics.figures([answer, target], [target, target])
    assert two(np.array([0.0, 1.0]))["f1_50"] == 1 and two(np.array([1.0, 1.0]))["frame_accuracy"] == pytest.approx(
        52 / 60
    )


def test_the_cut_detector_knows_cuts():
    dark, light = np.full((6, SIDE, SIDE, 3), 20, np.uint8), np.full((6, SIDE, SIDE, 3), 200, np.uint8)
    film = np.concatenate([dark, light])
    assert changes(film).shape == (12, 64) and np.flatnonzero(changes(film).mean(axis=1)).tolist() == [6]
    answer = np.array([1, 1, 0, 1, 1, 1, 2, 2, 0, 2, 2, 1])
    assert majority(film, answer).tolist() == [1] * 6 + [2] * 6


def gif(path, shades, durations):
    """A GIF of plain frames, each of a grey and with a duration in milliseconds."""
    pictures = [Image.new("RGB", (40, 20), (shade,) * 3) for shade in shades]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=list(durations))
    return path


def shades(path, rate: float, most: int = 64) -> list[int]:
    return [int(round(float(frame.mean()) / 10) * 10) for frame in read_film(path, rate, most)]


def test_frames_come_at_a_steady_rate(tmp_path):
    """A frame lasts as long as the file says: 100 ms, half a second, 200 ms."""
    path = gif(tmp_path / "a.gif", [0, 100, 200], [100, 500, 200])
    assert shades(path, 10) == [0] + [100] * 5 + [200] * 2
    assert shades(path, 5) == [0, 100, 100, 200]
    assert next(frame.shape for frame in read_film(path, 5, 20)) == (10, 20, 3)
    raw = {"film": np.stack(list(read_film(path, 10, 64))), "rate": 10.0}
    assert encode(raw, {**META, "rate": 5.0})[:, 0, 0, 0].round(-1).tolist() == [0, 100, 100, 200]


@needs_av
def test_films_of_phones(tmp_path):
    """Times that are not even, and a rotation flag, by PyAV; the film is as long as its times say."""
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=100)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for shade, time in ((0, 0), (100, 10), (200, 60)):  # hundredths of a second
            picture = np.full((32, 64, 3), shade, np.uint8)
            picture[:, :8] = 250  # the left edge is light
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    frames = list(read_film(path, 10, 64))
    assert [int(round(float(frame[:, 20:].mean()), -2)) for frame in frames[:7]] == [0] + [100] * 5 + [200]
    turned = tmp_path / "turned.mp4"
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # the place of the matrix: 90 degrees clockwise
    content[place : place + 36] = b"".join(
        v.to_bytes(4, "big", signed=True) for v in (0, 1 << 16, 0, -(1 << 16), 0, 0, 64 << 16, 0, 1 << 30)
    )
    turned.write_bytes(content)
    upright = next(read_film(turned, 10, 64))
    assert upright.shape == (64, 32, 3) and upright[:6].mean() > 200 > upright[12:].mean(), "its left edge is now above"
    turned.write_bytes(path.read_bytes()[:600])
    with pytest.raises(UserError, match=r"turned\.mp4 (is not a film|is damaged)"):
        list(read_film(turned, 10, 64))


def test_films_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.gif").write_text("no film")
    whole = gif(tmp_path / "a.gif", range(0, 250, 10), [100] * 25)
    Image.effect_noise((40, 20), 90).save(
        tmp_path / "noise.gif", save_all=True, append_images=[Image.effect_noise((40, 20), 90) for _ in range(9)]
    )
    (tmp_path / "cut.gif").write_bytes((tmp_path / "noise.gif").read_bytes()[:3000])
    (tmp_path / "odd").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "odd" / "0.png")
    Image.new("RGB", (8, 9)).save(tmp_path / "odd" / "1.png")
    (tmp_path / "a.mp4").write_bytes(b"0000")
    for name, words in [
        ("gone.gif", "does not exist"),
        ("empty", "holds no picture"),
        ("text.gif", "is not a film"),
        ("odd", "8 × 9 pixels"),
    ]:
        with pytest.raises(UserError, match=words):
            list(read_film(tmp_path / name, 8, 64))
    with pytest.raises(UserError, match=r"cut\.gif is damaged after 0\.\d seconds"):
        list(read_film(tmp_path / "cut.gif", 8, 64))
    monkeypatch.setattr("projects.video_labelling.video.MAX_SECONDS", 1.0)
    with pytest.raises(UserError, match="longer than"):
        list(read_film(whole, 8, 64))
    monkeypatch.setattr("projects.video_labelling.video.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs PyAV"):
        list(read_film(tmp_path / "a.mp4", 8, 64))


def frames_folder(place, shade: int, count: int):
    place.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (12, 10), (shade, i * 5, 0)).save(place / f"{i}.png")  # 10.png comes after 9.png
    return place


def test_a_folder_of_films_with_a_table(tmp_path):
    rows = ["film,from,to,label,source"]
    for i in range(8):
        frames_folder(tmp_path / f"film{i}", 10 * i, 16)
        rows += [f"film{i},0,0.75,up,person {i // 2}", f"film{i},1,2,down,person {i // 2}"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    splits = data.load_data(Config(), str(tmp_path), tmp_path)
    assert splits.meta["labels"] == ["down", "up"]
    parts = (splits.train, splits.validation, splits.sealed_test)
    for part in parts:
        for film, target in zip(part.inputs, part.targets, strict=True):
            assert target.tolist() == [1] * 6 + [UNLABELLED] * 2 + [0] * 8
            assert film.pixels().shape == (16, SIDE, SIDE, 3) and film.pixels()[10, 0, 0, 1] == 50
    units = [set(part.units) for part in parts]
    assert not units[0] & units[1] and not units[0] & units[2] and not units[1] & units[2]


def test_a_folder_for_each_label(tmp_path):
    for i in range(16):
        frames_folder(tmp_path / ("run", "walk")[i % 2] / f"clip{i}", i * 10, 6)
    splits = data.load_data(Config(seed=1), str(tmp_path), tmp_path)
    shown = []
    for part in (splits.train, splits.validation, splits.sealed_test):
        for film, target in zip(part.inputs, part.targets, strict=True):
            reds = film.pixels()[:, 0, 0, 0]
            assert target.tolist() == [int(red // 10 % 2) for red in reds], "a frame keeps the label of its clip"
            shown += reds[::6].tolist()
    assert sorted(shown) == [i * 10 for i in range(16)], "each clip is in one film of one split"


def test_a_checksum_changes_with_each_frame_and_each_label(tmp_path):
    for i in range(8):
        frames_folder(tmp_path / ("run", "walk")[i % 2] / f"clip{i}", i * 10, 6)
    before = data.load_data(Config(), str(tmp_path), tmp_path).source.sha256
    assert data.load_data(Config(), str(tmp_path), tmp_path).source.sha256 == before
    Image.new("RGB", (12, 10), (70, 99, 0)).save(tmp_path / "walk" / "clip7" / "3.png")
    changed = data.load_data(Config(), str(tmp_path), tmp_path).source.sha256
    (tmp_path / "walk" / "clip5").rename(tmp_path / "run" / "clip5")
    moved = data.load_data(Config(), str(tmp_path), tmp_path).source.sha256
    assert len({before, changed, moved}) == 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,0,1,x", "at least 6"),
        ("a,1,1,x", "line 2: from is 1 and to is 1"),
        ("a,0,1, ", "the label is empty"),
        ("a,0,2,x\na,1,3,y", "has both 'x' and 'y' at 1 seconds"),
        ("lost,0,1,x", "has no film 'lost'"),
        ("../a,0,1,x", "has no film '../a'"),
        ("a,zero,1,x", "zero"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, rows, words):
    frames_folder(tmp_path / "films" / "a", 0, 4)
    frames_folder(tmp_path / "a", 0, 4)
    (tmp_path / "films" / "labels.csv").write_text("film,from,to,label\n" + rows)
    with pytest.raises(UserError, match=words):
        data.load_data(Config(), str(tmp_path / "films"), tmp_path)


def test_raw_films_that_are_none(trained):
    predictor = trained("video_labelling").load()
    film = predictor.examples[0]["film"]
    for raw, words in [({}, "no film"), ({"film": film[0]}, "no film"), ({"film": film[:0]}, "no frame"), ({"film": film.astype(float)}, "no film"), ({"film": film, "rate": 0.0}, "rate is 0"), ({"film": np.tile(film, (4, 1, 1, 1)), "rate": 0.01}, "at most 100,000")]:  # fmt: skip
        with pytest.raises(UserError, match=words):
            predictor.predict(raw)
    one = predictor.predict({"film": film[:1]})
    assert len(one["labels"]) == 1 and one["segments"][0]["to"] == pytest.approx(1 / 8)


def test_a_film_goes_in_and_a_table_and_a_film_come_out(copied, tmp_path):
    run = copied("video_labelling")
    predictor = run.load()
    film = films.Recipe("test", 3).pixels()
    write_gif(iter(film), 10.0, tmp_path / "film.gif")
    done = run_here("projects.video_labelling.predict", "--input", str(tmp_path / "film.gif"), "--output", str(tmp_path / "labels.csv"), "--subtitled", str(tmp_path / "out.gif"), "--runs-dir", str(run.path.parents[1]))  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["from"] for row in rows[1:]] == [row["to"] for row in rows[:-1]] and rows[0]["from"] == "0.0"
    with Image.open(tmp_path / "out.gif") as written:
        assert written.size[0] == 256 and written.size[1] > 256
    # 48 frames at 10 a second are 4.8 seconds: 39 frames of the run's 8 a second.
    shown = list(read_film(tmp_path / "film.gif", 8.0, 256))
    whole = predictor.predict({"film": np.stack(shown)})
    assert len(shown) == 39 and [row["label"] for row in rows] == [part["label"] for part in whole["segments"]]


def test_a_longer_film_is_answered_as_a_whole(trained):
    """Films that are asked for together, each padded to another length, get what each gets alone."""
    predictor = trained("video_labelling").load()
    recipes = films.recipes("validation", 3)[0]
    long = np.concatenate([recipe.pixels() for recipe in recipes])
    parts = [predictor.features(frames) for frames in (long, long[:20], long[:48])]
    together = predictor.logits(parts)
    for features, rows in zip(parts, together, strict=True):
        np.testing.assert_allclose(rows, predictor.logits([features])[0], atol=1e-4)
    hidden = predictor.remembered({"film": long[:20]})
    assert hidden.shape == (20, Project("video_labelling").toy.units)


def test_the_temperature_changes_no_label_and_the_limit_decides_on_the_caution(copied):
    predictor = copied("video_labelling").load()
    film = predictor.examples[0]
    answer = predictor.predict(film)
    predictor.meta.update(temperature=predictor.meta["temperature"] * 5, caution_below=1.0)
    softer = predictor.predict(film)
    assert softer["labels"] == answer["labels"] and softer["unfamiliar"]
    assert np.max(softer["probabilities"], axis=1).mean() < np.max(answer["probabilities"], axis=1).mean()
    predictor.meta["caution_below"] = 0.0
    assert predictor.predict(film)["unfamiliar"] is False


def test_new_films_are_scored(copied, tmp_path):
    run = copied("video_labelling")
    folder = tmp_path / "new"
    folder.mkdir()
    write_gif(iter(films.Recipe("test", 0).pixels()), 8.0, folder / "a.gif")
    (folder / "labels.csv").write_text("film,from,to,label\na.gif,0,3,left\na.gif,3,6,met\n")
    assert Project("video_labelling").evaluate(run, str(folder)).sizes["test"] == 1
    (folder / "labels.csv").write_text("film,from,to,label\na.gif,0,3,dances\n")
    with pytest.raises(UserError, match="dances"):
        Project("video_labelling").evaluate(run, str(folder))


def test_fight_clips_are_split_by_source(datasets):
    splits = Project("video_labelling").load_data("fight_clips")(Config(), "fight_clips", datasets)
    parts = (splits.train, splits.validation, splits.sealed_test)
    units = [set(part.units) for part in parts]
    assert sum(map(len, units)) == 66 == len(set().union(*units))
    assert sum(len(target) for part in parts for target in part.targets) == 238 * 24
    assert splits.meta["labels"] == ["fight", "noFight"] and splits.meta["rate"] == 12.0
    assert not splits.meta["shown"]


def test_films_that_may_not_be_shown_are_not(copied):
    """A run on surveillance clips: the page offers no example, no strip, and no digit to drag."""
    run = copied("video_labelling")
    meta = read_json(run.path / "meta.json")
    labels = [f"label {i}" for i in range(len(meta["labels"]))]
    write_json(run.path / "meta.json", {**meta, "labels": labels, "shown": False})
    app = AppTest.from_file(str(ROOT / "apps" / "video_labelling.py"), default_timeout=120).run()
    assert not app.exception and app.segmented_control(key="one-way").options == ["my own", "camera"]
    app = AppTest.from_file(str(ROOT / "apps" / "video_labelling.py"), default_timeout=120)
    app.query_params["part"] = "errors"
    app.run()
    assert [info.value for info in app.info] == ["Films of this data set are not shown."]


def test_what_a_browser_sends_is_checked(monkeypatch):
    """A dragged path and a recording come from anybody's browser."""

    def dragged(path):
        monkeypatch.setattr(canvas, "_drag", lambda **keywords: SimpleNamespace(path=path))
        return canvas.dragged(np.zeros((4, 4, 3), np.uint8), "label", "key", 100, 3)

    def recorded(strip):
        monkeypatch.setattr(canvas, "_record", lambda **keywords: SimpleNamespace(strip=strip))
        return canvas.recorded({"start": "a", "refused": "b"}, "key", 100, 2)

    assert dragged([[0.5, 0.25], [0.0, 0.75]]) == [(0.5, 0.25), (0.0, 0.75)]
    for wrong in ("path", [[0.5]], [[0.5, 1.5]], [[0.1, 0.1]] * 4, [["a", "b"]], 7):
        assert dragged(wrong) == []
    strip = np.zeros((128, 64, 3), np.uint8)
    assert recorded("data:image/jpeg;base64," + picture_text(strip)).shape == (2, 64, 64, 3)
    for wrong, words in (("hello", "not a picture"), ([1], "not a picture"), ("data:image/jpeg;base64," + picture_text(strip[:9]), "number of frames")):  # fmt: skip
        with pytest.raises(UserError, match=words):
            recorded(wrong)


@pytest.mark.slow
@pytest.mark.skipif(executable() is None, reason="no Chromium: python -m playwright install chromium")
def test_a_film_in_a_browser(copied, tmp_path):
    """A real film is uploaded and labelled, and a drawn digit is dragged into a film."""
    run = copied("video_labelling")
    write_gif(iter(films.Recipe("test", 1).pixels()), 8.0, tmp_path / "mine.gif")
    with browser() as chromium, served("apps/video_labelling.py", run.path.parents[1]) as address:
        page = chromium.new_page(viewport={"width": 1300, "height": 1400})
        page.goto(f"{address}/?one-way=upload")
        settle(page)
        page.locator("input[type=file]").set_input_files(str(tmp_path / "mine.gif"))
        page.get_by_text("Labels as CSV").wait_for(timeout=60_000)
        with page.expect_download() as download:
            page.get_by_text("Labels as CSV").click()
        rows = list(csv.DictReader(download.value.path().open()))
        assert rows[0]["film"] == "mine" and float(rows[-1]["to"]) == pytest.approx(6, abs=0.3)
        page.goto(f"{address}/?one-way=drag")
        settle(page)
        board = page.locator("canvas").first
        box = board.bounding_box()
        page.mouse.move(box["x"] + 80, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 90, box["y"] + 200, steps=5)
        page.mouse.up()
        page.wait_for_timeout(1500)
        settle(page)
        photo = page.locator("canvas").last
        box = photo.bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
        page.mouse.down()
        for step in range(12):
            page.mouse.move(box["x"] + 20 + step * box["width"] / 15, box["y"] + box["height"] / 2)
            page.wait_for_timeout(120)
        page.mouse.up()
        page.get_by_text("Labels as CSV").wait_for(timeout=60_000)
        assert not page.get_by_text("Traceback").count() and not page.locator('[data-testid="stException"]').count()
