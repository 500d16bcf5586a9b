"""What image captioning promises beside the contract."""

import dataclasses
import functools
import json
import math

import keras
import numpy as np
import pandas as pd
import pytest
import sacrebleu
from PIL import Image
from streamlit.testing.v1 import AppTest

from common import runs, scenery
from common.data import load_splits
from common.errors import UserError
from common.layers.decoding import START, STOP
from common.layers.writer import write
from projects.image_captioning import backbone, data, scenes
from projects.image_captioning.config import TOY, Config
from projects.image_captioning.encoding import (
    describe,
    disagreement,
    encode_captions,
    normalise,
    pixels,
    squeezed,
    vocabulary_of,
)
from projects.image_captioning.evaluate import blind_writer, features
from projects.image_captioning.metrics import cider, facts, figures, rows_of, variety
from projects.image_captioning.model import PLACES, build_model, sample
from projects.image_captioning.predict import Predictor, caption_folder
from tests.commands import run_here
from tests.conftest import ROOT, refused

LADDER = ("lstm", "attention", "transformer")
every_model = pytest.mark.parametrize("name", LADDER)
SCENE = (scenes.Group(1, "small", "red", "7", "left"), scenes.Group(2, "large", "blue", "square", "right"))


@pytest.fixture(scope="module")
def predictor(request):
    return request.getfixturevalue("trained")("image_captioning").load()


# the grammar


def test_a_scene_is_said_as_a_person_would():
    assert scenes.captions(SCENE, "en")[0] == "a small red 7 to the left of two large blue squares"
    assert scenes.captions(SCENE, "ko")[1] == "큰 파란색 정사각형 두 개가 작은 빨간색 7 한 개의 오른쪽에 있습니다"
    assert scenes.captions(SCENE[1:], "en") == [
        "two large blue squares on the right",
        "on the right there are two large blue squares",
    ]


@pytest.mark.parametrize("language", scenes.LANGUAGES)
def test_every_caption_states_its_scene(language):
    random = np.random.default_rng(0)
    for number in range(300):
        scene = scenes.random_scene(random, new=number % 2 == 0)
        for caption in scenes.captions(scene, language):
            stated = scenes.parse(caption, language)
            assert set(stated.scene) == set(scene) and normalise(caption) == caption
            for group, places in zip(stated.scene, stated.places, strict=True):
                begin, end = places["colour"]
                assert caption[begin:end] == scenes.WORDS[language]["colour"][group.colour]
            assert set(scenes.right_facts(caption, language, scene).values()) == {1.0}
            assert not scenes.wrong_places(caption, language, scene)


OTHER = {"count": 3, "size": "large", "colour": "pink", "thing": "star"}


@pytest.mark.parametrize("language", scenes.LANGUAGES)
@pytest.mark.parametrize("fact", OTHER)
def test_one_wrong_fact_is_found_and_marked(fact, language):
    said = (SCENE[0]._replace(**{fact: OTHER[fact]}), SCENE[1])
    for caption in scenes.captions(said, language):
        right = scenes.right_facts(caption, language, SCENE)
        assert right == dict.fromkeys(scenes.FACTS, 1.0) | {fact: 0.5}
        ((begin, end),) = scenes.wrong_places(caption, language, SCENE)
        assert caption[begin:end] == scenes.WORDS[language][fact][OTHER[fact]]


def test_sides_that_are_swapped_are_wrong():
    caption = "a small red 7 to the right of two large blue squares"
    assert scenes.right_facts(caption, "en", SCENE)["side"] == 0
    ((begin, end),) = scenes.wrong_places(caption, "en", SCENE)
    assert caption[begin:end] == "to the right of"


def test_a_group_too_few_or_too_many_is_wrong():
    assert scenes.right_facts("a small red 7 on the left", "en", SCENE) == dict.fromkeys(scenes.FACTS, 0.5)
    caption = scenes.captions(SCENE, "en")[0]
    assert scenes.right_facts(caption, "en", SCENE[:1]) == dict.fromkeys(scenes.FACTS, 0.5)
    marked = [caption[begin:end] for begin, end in scenes.wrong_places(caption, "en", SCENE[:1])]
    assert marked == ["to the left of", "two", "large", "blue", "square"]


@pytest.mark.parametrize("caption", ["", "a small red", "a small red 7 on the left and a cat", "small red 7"])
def test_what_is_no_sentence_states_nothing(caption):
    assert scenes.parse(caption, "en") is None
    assert set(scenes.right_facts(caption, "en", SCENE).values()) == {0.0}
    assert scenes.wrong_places(caption, "en", SCENE) == [(0, len(caption))]


# the scenes


def test_some_combinations_are_in_the_test_alone(tmp_path):
    assert 0.08 < len(scenes.held_out()) / (len(scenes.COLOURS) * len(scenes.THINGS) * len(scenes.SIDES)) < 0.12
    splits = data.load_data(Config(pictures=200), "builtin", tmp_path)
    for split, new in ((splits.train, [False] * 200), (splits.validation, [False] * 50), (splits.sealed_test, [False] * 50 + [True] * 50)):  # fmt: skip
        rows = rows_of(split.targets)
        _, held = facts([row[0] for row in rows.references], rows.references, rows.languages)
        assert held.tolist() == new * 2
    more = data.load_data(Config(pictures=240, seed=3), "builtin", tmp_path)
    np.testing.assert_array_equal(more.train.inputs[:200], splits.train.inputs)


def test_no_handwriting_and_no_photograph_is_in_two_parts():
    rows = [np.concatenate(list(scenery.digits_of(part).rows.values())) for part in scenery.PARTS]
    assert len(np.unique(np.concatenate(rows))) == sum(map(len, rows)) == 5000
    begins_and_ends = [place for part in scenery.PARTS.values() for place in part]
    assert begins_and_ends == sorted(begins_and_ends) and begins_and_ends[-1] == scenery.PHOTO
    for photo in scenery.photographs():
        assert len(photo) == scenery.PHOTO and photo.shape[1] >= scenes.SIDE


@pytest.mark.parametrize("side", scenes.SIDES)
def test_things_stand_apart_at_their_side(side):
    random = np.random.default_rng(0)
    for count in scenes.COUNTS:
        for size in (12, 20):
            for _ in range(50):
                group = scenes.Group(count, "small", "red", "1", side)
                places = scenes.places(group, size, random)
                assert len(places) == count
                across, along = (0, 1) if side in ("left", "right") else (1, 0)
                first = scenes.SIDE // 2 if side in ("right", "bottom") else 0
                assert all(first <= place[across] <= first + scenes.SIDE // 2 - size for place in places)
                steps = np.diff([place[along] for place in places])
                assert (steps >= size + scenes.GAP).all()
                assert min(p[along] for p in places) >= 0 and max(p[along] for p in places) <= scenes.SIDE - size
                assert abs(np.mean([place[along] for place in places]) + size / 2 - scenes.SIDE / 2) <= 6


def test_a_thing_has_its_colour_and_its_size():
    for size in (12, 20):
        for thing in scenes.THINGS:
            mask = scenes.mask_of(thing, size, np.random.default_rng(0), "train")
            assert max(mask.shape) == size and mask.min() >= 0 and mask.max() == 1
    scene = (scenes.Group(3, "large", "red", "square", "left"),)
    picture = scenes.drawn(scene, np.random.default_rng(0), "train").astype(int)
    red = (picture[..., 0] > 180) & (picture[..., 1] < 90)
    assert red[:, :32].sum() > 3 * 15 * 15 and not red[:, 32:].any()


# captions as ids


def captions_of(*texts):
    return {"own": list(texts)}


@functools.cache
def described(**knobs):
    rows = [captions_of("a dog runs", "the dog"), captions_of("a cat sits on the mat")] * 4
    pictures = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3)).astype(np.uint8)
    return describe(Config(**knobs), pictures, rows, scenes=False), rows


def test_captions_become_ids_and_come_back():
    meta, rows = described()
    ids = encode_captions([*rows[:2], captions_of("A DOG, a cat!")], meta)
    assert ids.shape == (3, 2, 8) and meta["length"] == 7
    assert (ids[:, 0, 0] == START).all() and not ids[1, 1].any(), "a picture with one caption has a row of padding"
    vocabulary = vocabulary_of(meta)
    assert [" ".join(vocabulary.decode(row[1:])) for row in ids[:, 0]] == ["a dog runs", "a cat sits on the mat", "a dog a cat"]  # fmt: skip


def test_a_long_caption_loses_its_end():
    meta, _ = described()
    ids = encode_captions([captions_of("the dog " * 20)], meta)
    assert (ids[0, 0] > STOP).sum() == meta["length"] and STOP not in ids


def test_languages_have_signs(predictor):
    ids = encode_captions(
        [{"en": ["a small red 7 on the left"], "ko": ["왼쪽에 작은 빨간색 7 한 개가 있습니다"]}], predictor.meta
    )
    assert predictor.vocabulary.decode(ids[0, :2, 0]) == ["<en>", "<ko>"]
    assert predictor.meta["languages"] == ["en", "ko"] and predictor.meta["captions"] == 4


def test_a_picture_is_squeezed_and_not_cut():
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, :150] = 200
    small = squeezed(picture, (64, 64, 3))
    assert small.shape == (64, 64, 3) and (small[:, :30] == 200).all() and not small[:, 34:].any()


def test_meta_that_does_not_fit_is_named(predictor):
    good = predictor.meta
    assert not disagreement(good, predictor.networks)
    vocabulary = good["vocabulary"]
    for change, said in (
        ({"vocabulary": vocabulary | {"symbols": vocabulary["symbols"][:-1]}}, "words"),
        ({"vocabulary": vocabulary | {"eos": False}}, "ends"),
        ({"languages": ["en", "de"]}, "language"),
        ({"shape": [32, 32, 3]}, "reads"),
        ({"examples": []}, "empty"),
    ):
        assert said in disagreement({**good, **change}, predictor.networks)
    assert "expected decoder, encoder" in disagreement(good, {"encoder": predictor.networks["encoder"]})


# the networks


@functools.cache
def built(name):
    meta, rows = described()
    model = build_model(dataclasses.replace(TOY, model=name, units=32, layers=2 if name == "transformer" else 1), meta)
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:  # large weights, so that the answers depend on all that is read
        if len(weight.shape) > 1:
            weight.assign(random.normal(size=weight.shape) / np.sqrt(np.prod(weight.shape[:-1])))
    return model, meta, rows


def parts(model):
    return {name: model.get_layer(name) for name in ("encoder", "decoder")}


def pictures_of(count):
    return np.random.default_rng(1).integers(0, 255, (count, 64, 64, 3)).astype("float32")


@every_model
def test_writing_and_training_share_one_step(name):
    model, meta, _ = built(name)
    written = write(parts(model), pictures_of(3), 1, meta["length"])
    tokens = written["tokens"][:, 0]
    target = np.concatenate([np.full((3, 1), START), tokens[:, :-1]], axis=1).astype("int32")
    both = np.stack([target, target], axis=1)  # a picture is encoded once for two captions
    logits = np.array(model({"picture": pictures_of(3), "target": both}), float)
    np.testing.assert_allclose(logits[:, 0], logits[:, 1], atol=1e-5)
    real = tokens > 0
    logits[..., :STOP] = -np.inf
    np.testing.assert_array_equal(tokens[real], logits[:, 0].argmax(axis=-1)[real])
    if name != "lstm":
        assert written["attention"].shape == (3, 1, meta["length"], PLACES)
        np.testing.assert_allclose(written["attention"][:, 0].sum(axis=-1)[real], 1, atol=1e-5)


@every_model
def test_each_caption_is_of_its_own_picture(name):
    model, meta, rows = built(name)
    ids = encode_captions(rows[:2], meta)[..., :-1]
    together = np.array(model({"picture": pictures_of(2), "target": ids}))
    alone = np.array(model({"picture": pictures_of(2)[1:], "target": ids[1:]}))
    np.testing.assert_allclose(together[1], alone[0], atol=1e-5)
    assert (
        np.abs(together[0, 0] - np.array(model({"picture": pictures_of(2)[1:], "target": ids[:1]}))[0, 0]).max() > 0.01
    )


@every_model
def test_the_writer_without_the_picture_sees_none(name):
    meta, _ = described()
    model = build_model(dataclasses.replace(TOY, model=name), meta, blind=True)
    captions = [write(parts(model), pictures_of(2)[i : i + 1], 1, 5)["scores"] for i in (0, 1)]
    np.testing.assert_array_equal(*captions)


@every_model
def test_a_caption_that_never_ends_is_cut(name, monkeypatch):
    from common.layers import writer

    model, meta, _ = built(name)
    monkeypatch.setattr(writer, "unwritten", lambda size: np.where(np.arange(size) <= STOP, -1e9, 0).astype("float32"))
    writer._writer.cache_clear()
    predictor = Predictor(parts(model), meta)
    answer = predictor.predict({"picture": pictures_of(1)[0].astype(np.uint8)})
    writer._writer.cache_clear()
    assert len(answer["words"]) == meta["length"] and "<eos>" not in answer["words"]


@every_model
def test_drawing_at_a_low_temperature_is_greedy_search(name):
    model, meta, _ = built(name)
    greedy = write(parts(model), pictures_of(3), 1, meta["length"])["tokens"][:, 0]
    drawn = [sample(parts(model), pictures_of(3), START, meta["length"], t, 1)["tokens"] for t in (1e-6, 2.0, 2.0)]
    np.testing.assert_array_equal(drawn[0], greedy)
    np.testing.assert_array_equal(drawn[1], drawn[2])
    assert (drawn[1] != greedy).any()
    ends = (drawn[1] == STOP).argmax(axis=1)
    assert all(not row[end + 1 :].any() for row, end in zip(drawn[1], ends, strict=True) if STOP in row)


def test_the_transformer_of_three_grids_has_three_sizes():
    meta, _ = described()
    for size in (64, 128):
        model = build_model(dataclasses.replace(TOY, model="attention"), {**meta, "shape": [size, size, 3]})
        assert model.get_layer("encoder").output["memory"].shape[1:] == (PLACES, TOY.units)


# what a visitor hands in


@pytest.mark.parametrize("picture", [np.zeros((64, 64, 3)), np.full((1, 1, 3), 255), np.zeros((5, 900, 3))])
def test_a_blank_or_odd_picture_gets_a_caption(picture, predictor):
    answer = predictor.predict({"picture": picture.astype(np.uint8)})
    assert isinstance(answer["caption"], str) and len(answer["words"]) <= predictor.meta["length"]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"picture": "x"}, "no picture"),
        ({"picture": np.zeros((4, 4, 3))}, "uint8"),
        ({"language": "de"}, "does not write 'de'"),
        ({"beam": 0}, "beam"),
        ({"beam": 99}, "beam"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_an_odd_input_is_refused(change, said, predictor):
    with pytest.raises(UserError, match=said):
        predictor.predict({"picture": np.zeros((64, 64, 3), np.uint8), **change})


def test_beam_language_and_temperature_are_obeyed(predictor):
    raw = predictor.examples[0]
    answer = predictor.predict({**raw, "beam": 3, "language": "ko"})
    assert len(answer["alternatives"]) == 3 and answer["language"] == "ko"
    scores = [one["score"] for one in answer["alternatives"]]
    assert scores == sorted(scores, reverse=True)
    drawn = predictor.predict({**raw, "temperature": 1.5, "seed": 3})
    assert drawn == predictor.predict({**raw, "temperature": 1.5, "seed": 3}) and not drawn["alternatives"]
    assert len(answer["attention"]) == len(answer["words"]) and len(answer["attention"][0]) == PLACES


# figures


def test_facts_are_counted_by_caption_and_weighted():
    references = [scenes.captions(SCENE, "en"), scenes.captions(SCENE[:1], "en")]
    captions = [references[0][1], "a small blue 7 on the left"]
    weighted = figures(captions, references, ["en", "en"], True)
    assert weighted(np.array([1.0, 3.0]))["facts"] == 0.25
    assert weighted(np.ones(2))["single_facts"] == 0.9
    held = [scenes.is_held_out(SCENE), scenes.is_held_out(SCENE[:1])]
    assert math.isnan(weighted(np.ones(2))["facts_held_out"]) == (not any(held))


def test_bleu_and_chrf_are_those_of_sacrebleu():
    captions = ["a dog runs on the grass", "two men", "a cat"]
    references = [["a dog runs on grass", "the dog is running"], ["two men play"], ["a cat sits", "a cat", "the cat"]]
    streams = [[row[i] if i < len(row) else None for row in references] for i in range(3)]
    found = figures(captions, references, ["own"] * 3, False)(np.ones(3))
    assert found["bleu_4"] == pytest.approx(sacrebleu.corpus_bleu(captions, streams).score)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(captions, streams).score)
    for order in (1, 2, 3):
        bleu = sacrebleu.BLEU(max_ngram_order=order)
        assert found[f"bleu_{order}"] == pytest.approx(bleu.corpus_score(captions, streams).score)


def test_cider_by_hand():
    """Two pictures with a reference each. Words of both have no weight, and the length differs by one pair of words."""
    references = [["a dog"], ["a cat"]]
    same = cider(["a dog", "a dog"], references, ["own"] * 2)
    # One and two words agree, and there are no three or four: 10 * (1 + 1 + 0 + 0) / 4.
    assert same.tolist() == [5.0, 0.0]
    longer = cider(["a dog dog", "a cat"], references, ["own"] * 2)[0]
    # The word dog counts once at most, beside a vector of length 2: 1/2. Of the pairs "a dog", "dog dog" one is shared.
    penalty = math.exp(-1 / (2 * 6.0**2))
    assert longer == pytest.approx(10 * penalty * (1 / 2 + 1 / math.sqrt(2)) / 4)


def test_cider_is_that_of_the_reference_implementation():
    """The values are those that pycocoevalcap 1.2 gives; on 400 pictures of Flickr8k all agreed to 1e-15."""
    captions = ["a dog runs on the green grass", "two men", "a cat sits on a mat and looks"]
    references = [
        ["a dog runs on grass", "the dog is running on the green grass"],
        ["two men play football", "men run"],
        ["a cat sits on the mat", "the cat looks", "a cat on a mat"],
    ]
    assert cider(captions, references, ["own"] * 3) == pytest.approx([4.8645552873, 2.1438053865, 2.984641058])


def test_new_captions_are_counted():
    assert variety(["a", "b", "b", "c"], {"a", "z"}) == {"distinct": 3, "new": 2}


def test_the_nearest_picture_is_the_same_one():
    pictures, _ = scenes.generated("train", 12)
    found = features(pictures, np.arange(12), (64, 64, 3))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal((found @ found.T).argmax(axis=1), np.arange(12))


def test_the_blind_writer_says_one_thing_in_each_language(tmp_path):
    splits = data.load_data(Config(pictures=100), "builtin", tmp_path)
    said = blind_writer(splits, dataclasses.replace(TOY, width=1))(splits.validation.inputs, ["en", "ko"])
    assert len(said) == 50 and len(set(said[:25])) == len(set(said[25:])) == 1


# own data


def folder_of(tmp_path, count=30, suffix=".png"):
    random = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(random.integers(0, 255, (40, 60, 3)).astype(np.uint8)).save(tmp_path / f"{number:02d}{suffix}")
    rows = [(f"{number:02d}{suffix}", f"picture number {word}") for number in range(count) for word in ("one", "two")]
    pd.DataFrame(rows, columns=["image", "caption"]).to_csv(tmp_path / "captions.csv", index=False)
    return tmp_path


def test_a_folder_is_split_by_picture(tmp_path):
    folder = folder_of(tmp_path)
    (folder / "01.png").write_bytes((folder / "00.png").read_bytes())
    splits = data.load_data(Config(size=64), str(folder), tmp_path)
    names = [{path.name for path in part.inputs} for part in (splits.train, splits.validation, splits.sealed_test)]
    assert sum(map(len, names)) == len(set.union(*names)) == 30
    assert any({"00.png", "01.png"} <= part for part in names), "copies of a picture stay together"
    assert splits.train.targets[0] == {"own": ["picture number one", "picture number two"]}
    assert splits.meta["captions"] == 2 and splits.meta["shape"] == [64, 64, 3] and not splits.meta["scenes"]


def test_coco_captions_are_read(tmp_path):
    folder = folder_of(tmp_path)
    (folder / "captions.csv").unlink()
    content = {
        "images": [{"id": n, "file_name": f"{n:02d}.png", "width": 60} for n in range(30)],
        "annotations": [{"id": n, "image_id": n % 30, "caption": f" Caption {n}.\n"} for n in range(60)],
    }
    (folder / "captions.json").write_text(json.dumps(content))
    paths, captions = data.read_folder(folder)
    assert len(paths) == 30 and captions[3] == {"own": ["Caption 3.", "Caption 33."]}
    content["annotations"][5]["image_id"] = 99
    (folder / "captions.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="a caption of the image 99"):
        data.read_folder(folder)
    (folder / "captions.json").write_text(json.dumps({"images": []}))
    with pytest.raises(UserError, match="no COCO captions: annotations is missing"):
        data.read_folder(folder)
    (folder / "captions.json").write_text("{")
    with pytest.raises(UserError, match="is no JSON"):
        data.read_folder(folder)


def test_a_wrong_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        data.load_data(Config(), str(tmp_path / "none"), tmp_path)
    with pytest.raises(UserError, match=r"no captions\.csv and 0 \.json files"):
        data.load_data(Config(), str(tmp_path), tmp_path)
    folder = folder_of(tmp_path, 5)
    with pytest.raises(UserError, match="has 5 different pictures with a caption"):
        data.load_data(Config(), str(folder), tmp_path)
    (folder / "03.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"03\.png is not a picture"):
        data.load_data(Config(), str(folder), tmp_path)
    (folder / "03.png").unlink()
    with pytest.raises(UserError, match=r"no picture '03\.png'"):
        data.load_data(Config(), str(folder), tmp_path)
    (folder / "captions.csv").write_text("file,caption\n00.png,x\n")
    with pytest.raises(UserError, match="no column 'image'"):
        data.load_data(Config(), str(folder), tmp_path)


def test_a_folder_is_learnt_from_evaluated_and_captioned(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    folder = folder_of(tmp_path / "pictures")
    command = ["--data", str(folder), "--size", "64", "--epochs", "1", "--width", "2", "--units", "8", "--mirror"]
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path / "runs"))
    done = run_here("projects.image_captioning.train", *command)
    assert done.returncode == 0, done.stderr
    done = run_here("projects.image_captioning.evaluate", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    done = run_here("projects.image_captioning.predict", "--input", str(folder), "--output", str(tmp_path / "said.csv"))
    assert done.returncode == 0, done.stderr
    said = pd.read_csv(tmp_path / "said.csv", keep_default_na=False)
    assert list(said) == ["image", "caption"] and len(said) == 30


def test_a_backbone_looks_once_and_becomes_part_of_the_run(tmp_path, monkeypatch):
    """With a small network in place of a downloaded one. Its weights are random and stay as they are."""

    def small(include_top, weights, input_shape):
        assert not include_top and weights is None and input_shape == (256, 256, 3)
        x = keras.layers.AveragePooling2D(32)(inputs := keras.Input(input_shape))
        return keras.Model(inputs, keras.layers.Dense(1280)(x))

    (tmp_path / "pictures").mkdir()
    folder = folder_of(tmp_path / "pictures")
    monkeypatch.setitem(backbone.NETWORKS, "mobilenet_v2", small)
    monkeypatch.setattr(backbone, "load", functools.partial(backbone.load, weights=None))
    command = ["--data", folder, "--size", "64", "--epochs", "1", "--units", "8", "--backbone", "mobilenet_v2"]
    command += ["--data-dir", tmp_path / "data", "--mirror"]
    assert (done := run_here("projects.image_captioning.train", *command)).returncode == 0, done.stderr
    run = runs.Run(next((tmp_path / "runs" / "image_captioning").glob("2*")))
    predictor, made = run.load(), sorted((tmp_path / "data" / "grids").iterdir())
    splits = load_splits(run.config, run)
    kept = [np.load(file) for file in made]
    whole = predictor.networks["encoder"]
    assert whole.input.shape[1:] == (64, 64, 3) and sorted(map(len, kept)) == sorted(
        splits.sizes[k] for k in ("train", "validation")
    )
    frozen = next(layer for layer in whole.layers if layer.name == "mobilenet_v2")
    assert not frozen.trainable_weights
    first = pixels(splits.train.inputs, [0], (64, 64, 3)).astype("float32")
    grid = next(part for part in kept if len(part) == len(splits.train))[:1]
    np.testing.assert_allclose(np.array(frozen(first)), grid, atol=2e-2)
    pictures = pixels(splits.validation.inputs, [0], (64, 64, 3))
    assert predictor.captions(pictures, ["own"]) == [predictor.predict({"picture": pictures[0]})["caption"]]
    made[0].write_bytes(made[0].read_bytes()[:200])
    with pytest.raises(UserError, match=f"{made[0].name}.*Delete it"):  # the next training reads it
        data.seen_by(frozen, splits, run)


@pytest.mark.slow
@pytest.mark.parametrize("name", backbone.NETWORKS)
def test_each_backbone_gives_the_grid_that_it_promises(name):
    network = backbone.load(name, (128, 128, 3), weights=None)
    assert network.output.shape[1:] == backbone.grid_shape(name) and not network.trainable_weights


def test_a_backbone_without_its_weights_is_a_sentence(monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure on https://example.org")

    monkeypatch.setitem(backbone.NETWORKS, "resnet50_v2", offline)
    with pytest.raises(UserError, match=r"weights of resnet50_v2 could not be loaded.*URL fetch failure"):
        backbone.load("resnet50_v2", (64, 64, 3))


def test_a_damaged_picture_is_left_out_of_a_folder(tmp_path, predictor):
    folder = folder_of(tmp_path, 3)
    (folder / "01.png").write_bytes(b"damaged")
    (folder / "02.png").rename(folder / "=02.png")
    out = tmp_path / "out.csv"
    for quote, name in ((False, "=02.png"), (True, "'=02.png")):
        assert caption_folder(predictor, folder, out, "en", quote) == (2, 2), "it and the captions"
        assert name in pd.read_csv(out)["image"].tolist()
        out.unlink()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        caption_folder(predictor, tmp_path / "empty", tmp_path / "x.csv", "en")


def test_a_folder_needs_an_output(tmp_path):
    refused(["--input", str(tmp_path)], "needs --output FILE.csv", "projects.image_captioning.predict")


# the page


def test_the_page_marks_what_is_wrong(copied):
    copied("image_captioning")
    app = AppTest.from_file(str(ROOT / "apps" / "image_captioning.py"), default_timeout=60)
    app.query_params["part"] = "scene"
    app.run()
    assert not app.exception and not app.error
    shown = " ".join(part.value for part in app.markdown)
    assert ":red-background" in shown or "–" in shown, "the toy's caption cannot be right"


def test_saved_networks_write_the_same(tmp_path, predictor):
    raw = predictor.examples[1]
    for name, network in predictor.networks.items():
        network.save(tmp_path / f"{name}.keras")
    opened = {name: keras.saving.load_model(tmp_path / f"{name}.keras") for name in predictor.networks}
    assert Predictor(opened, predictor.meta).predict(raw)["caption"] == predictor.predict(raw)["caption"]
