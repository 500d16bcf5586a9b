"""What only comic_text promises: exact pages, no seams, lines from masks, CTC's text, cleaned and lettered pages."""

import csv
import io
import json
import re
import unicodedata
import zipfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score, jaccard_score

from common.errors import UserError
from common.inputs.images import SUFFIXES, write_picture
from projects.comic_text import baselines, data, encoding, evaluate, layout, lettering, metrics, pages, predict, redraw
from projects.comic_text.config import TOY, Config
from projects.comic_text.model import autoencoder, ctc, segmentation, start_from
from projects.comic_text.pages import Line
from projects.comic_text.predict import COPYRIGHT, FAMILIAR, SURE
from tests.commands import run_here
from tests.conftest import PROJECTS


def paper(height=200, width=400, value=255):
    return np.full((height, width, 3), value, np.uint8)


def written(picture, text, left, top, size=24, angle=0.0):
    """Dark lettering on a picture, in place; the mask of its covered pixels."""
    letters, _ = lettering.draw_lines(text.split("\n"), lettering.faces("train")[0], size)
    coverage = lettering.rotated(np.maximum.reduce(letters), angle)
    mask = np.zeros(picture.shape[:2], bool)
    mask[top : top + coverage.shape[0], left : left + coverage.shape[1]] = coverage >= pages.COVERED
    redraw.over(picture, coverage, top, left, (0, 0, 0))
    return mask


def with_words(text, left=40):
    """A page with these words, their mask, and the box around them."""
    picture = paper()
    mask = written(picture, text, left, 60)
    return picture, mask, layout.blocks(mask)[0].box


# --- generated pages -------------------------------------------------------------------------------------------------


def test_a_page_is_a_function_of_its_seed_and_its_parts_fit_each_other():
    lettered = 0
    for seed in range(6):
        sample = pages.render(seed, "test")
        again = pages.render(seed, "test")
        np.testing.assert_array_equal(sample.picture, again.picture)
        assert sample.lines == again.lines and sample.picture.shape == (*pages.SHAPE, 3)
        inside = np.zeros(pages.SHAPE, bool)
        for line in sample.lines:
            left, top, right, bottom = line.box
            assert sample.text[top:bottom, left:right].any() and encoding.to_symbols(line.text)
            inside[top:bottom, left:right] = True
        assert not (sample.text & ~inside).any(), "lettering outside of every line"
        lettered += len(sample.lines)
        if sample.text.any():  # what covers the art differs from it where it is, and hardly elsewhere
            off = np.abs(sample.picture.astype(int) - sample.clean).max(axis=2)
            assert off[sample.text].mean() > 2 * off[~sample.text].mean()
    assert lettered > 20


def test_no_font_and_no_photograph_is_in_two_splits():
    families = [{name.partition("-")[0] for name in names.split()} for names in lettering.BASE.values()]
    assert not families[0] & families[1] and not families[0] & families[2] and not families[1] & families[2]
    ends = sorted(pages.REGIONS.values())
    assert all(first[1] < second[0] for first, second in pairwise(ends)), "two splits share a part of a photograph"


def test_capitals_in_a_tight_box_keep_their_polarity():
    """Around bold capitals there would be more ink than paper, and the line would be read as its negative."""
    picture = paper()
    face = lettering.faces("train")[1]
    letters, _ = lettering.draw_lines(["TREE"], face, 40)
    picture[: letters[0].shape[0], : letters[0].shape[1]] = 255 - letters[0][..., None]
    box = Image.fromarray(letters[0] > 127).getbbox()
    line = encoding.line_pixels(evaluate.true_crop(picture, Line(box, "TREE")))
    assert np.median(line[:2]) > 0.9 and line.mean() > 0.4


def test_with_more_fonts_the_test_has_its_own_hangul():
    pytest.importorskip("pylopdf_fonts_ko")
    train, test = (lettering.faces(split, "all") for split in ("train", "test"))
    hangul = {face.hangul.name for face in train}
    assert len(hangul) == 2 and not hangul & {face.hangul.name for face in test}
    assert train[0].hangul != train[1].hangul, "training has its Hangul fonts in turn"
    assert not {face.latin for face in train} & {face.latin for face in test}
    amatic = next(face for face in train if face.latin.name.startswith("Amatic"))
    said = [pages.sentence(np.random.default_rng(seed), "en", 3, amatic) for seed in range(9)]
    assert all(text == text.upper() for text in said), "its small letters look like capitals"


def test_a_missing_package_of_fonts_is_named(monkeypatch):
    monkeypatch.setitem(lettering.EXTRA, "test", ((("no_such_fonts", "a.ttf"), lettering.SERIF),))
    with pytest.raises(UserError, match=r"no_such_fonts are not there; pip install -e \"\.\[fonts\]\""):
        lettering.faces("test", "all")


def test_generated_lines_have_room_for_what_they_say():
    stream = data.line_batches(TOY, "train")
    lines, symbols = stream[0]
    assert lines.shape == (data.LINES_A_SQUARE * TOY.batch_size, encoding.HEIGHT, data.LINE_WIDTHS[0], 1)
    assert len(symbols) == len(lines)
    for row in symbols:
        said = row[row > 0].tolist()
        assert said and data.room(said) <= symbols.shape[1]
    again, _ = data.line_batches(TOY, "train")[0]
    np.testing.assert_array_equal(lines, again)


# --- symbols ---------------------------------------------------------------------------------------------------------


def test_jamo_are_composed_to_what_they_were():
    for text in ("값을 닭이", "Hello, 세계!", "각각 끝"):
        assert encoding.to_text(encoding.to_symbols(text)) == text
    every = "".join(map(chr, range(0xAC00, 0xD7A4)))
    assert encoding.to_text(encoding.to_symbols(every)) == every
    assert encoding.normalise("“Wait …”  don’t") == '"Wait ..." don\'t'
    assert unicodedata.is_normalized("NFC", encoding.to_text(encoding.to_symbols("한글")))


def test_decoding_removes_repeats_and_blanks():
    symbols = encoding.to_symbols("aab")
    path = [0, symbols[0], symbols[0], 0, symbols[1], symbols[2], symbols[2], 0]
    logits = np.full((1, len(path), len(encoding.SYMBOLS) + 1), -20.0)
    logits[0, range(len(path)), path] = 20.0
    (text, confidence), *_ = encoding.decode(logits)
    assert text == "aab" and confidence == pytest.approx(1.0)
    assert encoding.decode(np.full((1, 4, 9), 0.0) + np.eye(9)[0])[0] == ("", 0.0)


def test_the_likeliest_words_are_searched_where_a_letter_is_unclear():
    def best(*steps):
        """(greedily, with words); the first symbol of a step is seen a little better than the next."""
        logits, names = np.full((len(steps), len(encoding.SYMBOLS) + 1), -20.0), ["", *encoding.SYMBOLS]
        for row, step in zip(logits, steps, strict=True):
            row[[names.index(symbol) for symbol in step]] = -0.1 * np.arange(len(step))
        read = encoding.decode(logits[None])[0][0]
        return read, encoding.searched(logits, read)

    assert best("t", "h", "oe", [""]) == ("tho", "the") and best("ᄉ", "ᅡ", "ᄅ", "ᅥᅡ", "ᆷ", [""])[1] == "사람"
    assert best("s", "e", ["", "e"], "e")[1] == "see", "a letter twice has a blank between"
    assert best([""])[1] == "" and best("1", ["2", ""])[1] == "12"
    assert best(["Z", ""], ["q", ""])[1] and best(*"ok", [" ", ""], *"Zq")[1] == "ok Zq", "a rare word is not left out"


def test_a_line_looks_alike_dark_on_light_and_light_on_dark():
    dark = paper(60, 160)
    written(dark, "Hello", 10, 0, 20)
    line, negative = encoding.line_pixels(dark), encoding.line_pixels(255 - dark)
    np.testing.assert_allclose(line, negative, atol=0.02)
    assert np.percentile(line, 90) == pytest.approx(1.0, abs=0.05) and line.min() < 0.1


# --- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 3])
def test_windows_have_no_seams(depth, monkeypatch):
    """A strip in windows has the answer that it has when it is read whole, to float32's rounding."""
    network = segmentation(Config(width=2, depth=depth))
    predictor = predict.Predictor({"segmentation": network}, {"depth": depth, "credit": "", "examples": []})
    picture = np.random.default_rng(0).integers(0, 256, (1024, 64, 3), dtype=np.uint8)
    whole = predictor.logits(picture)
    monkeypatch.setattr(encoding, "WINDOW", 16 * encoding.step(depth))
    assert len(list(encoding.windows(1024, 64, depth))) > 2
    np.testing.assert_allclose(predictor.logits(picture), whole, atol=1e-4)
    monkeypatch.setattr(encoding, "halo", lambda depth: 0)  # without a halo the test would find seams
    assert np.abs(predictor.logits(picture) - whole).max() > 1e-3


# --- layout ----------------------------------------------------------------------------------------------------------


def test_lines_and_blocks_of_two_balloons_are_found_in_the_order_of_reading():
    picture = paper(300, 600)
    mask = written(picture, "One line\nand more", 20, 40) | written(picture, "가을 하늘\n높고 푸른\n으으으", 350, 30)
    found = layout.blocks(mask)
    assert [len(block.lines) for block in found] == [2, 3]
    assert found[0].box[0] < found[1].box[0]
    assert [block.box for block in layout.blocks(mask, "right")] == [block.box for block in reversed(found)]
    assert layout.blocks(np.zeros((50, 50), bool)) == []
    assert layout.lines_in(np.zeros((50, 90), bool), (0, 0, 90, 50)).lines == []


@pytest.mark.parametrize("angle", [-20.0, 15.0])
def test_a_turned_line_is_one_line_and_is_turned_back(angle):
    picture = paper(300, 600)
    mask = written(picture, "Turned words here", 60, 40, 30, angle)
    (block,) = layout.blocks(mask)
    assert len(block.lines) == 1 and block.angle == pytest.approx(angle, abs=3)
    top, bottom, _, _ = block.lines[0]
    assert bottom - top < 50


# --- removal and lettering -------------------------------------------------------------------------------------------


def test_lettering_on_flat_paper_is_removed_without_a_trace():
    picture = paper(value=231)
    mask = written(picture, "Gone", 100, 60, 40)
    clean = redraw.without(picture, mask, layout.blocks(mask))
    np.testing.assert_array_equal(clean, paper(value=231))


def test_lettering_on_a_ramp_is_inpainted():
    ramp = np.repeat(np.tile(np.linspace(40, 220, 400).astype(np.uint8), (200, 1))[..., None], 3, axis=2)
    picture = ramp.copy()
    mask = written(picture, "Gone", 100, 60, 40)
    clean = redraw.without(picture, mask, layout.blocks(mask))
    assert np.abs(clean.astype(int) - ramp)[mask].mean() < 3 < np.abs(picture.astype(int) - ramp)[mask].mean()


def test_new_words_stand_in_the_balloon_and_are_as_large_as_they_can_be():
    face = lettering.faces("train")[0]
    lines, size = lettering.fitted("a few words that need lines", face, 120, 80, 30)
    assert len(lines) > 1 and max(lettering.length(line, face, size) for line in lines) <= 120
    bigger = lettering.wrapped("a few words that need lines", face, size + 1, 120)
    assert bigger is None or (size + 1) * (lettering.LEADING * (len(bigger) - 1) + 1.2) > 80
    korean = lettering.wrapped("아주아주긴낱말하나", face, 20, 60)
    assert len(korean) > 1 and "".join(korean) == "아주아주긴낱말하나"
    assert lettering.wrapped("Unbreakable", face, 30, 40) is None


def test_what_no_font_has_is_named():
    face = lettering.faces("train")[0]
    assert encoding.plain("ㅋㅋ！？Ａ") == "ㅋㅋ!?A" and encoding.plain("\u1112\u1161\u11ab") == "한"
    assert lettering.missing("ㅋㅋㅋ ㅠㅠ 한글 Ärger, Привет", face) == ""
    assert lettering.missing("日本 뷁 日", face) == "日本뷁"


def test_lettering_that_fills_its_page_is_removed():
    """Nothing is around it that could say what lies below."""
    black = paper(20, 20, 0)
    clean = redraw.without(black, np.ones((20, 20), bool), [layout.Block((0, 0, 20, 20))])
    np.testing.assert_array_equal(clean, paper(20, 20))


def test_a_balloon_bounds_the_new_words():
    picture = paper(300, 500, 90)
    picture[80:200, 100:380] = 255
    mask = written(picture, "Hi there", 170, 100, 24)
    (block,) = layout.blocks(mask)
    clean = redraw.without(picture, mask, [block])
    left, top, right, bottom = redraw.balloon(clean, block, (255, 255, 255))
    assert left >= 100 and top >= 80 and right <= 380 and bottom <= 200
    assert right - left > 1.3 * (block.box[2] - block.box[0])


def test_an_outline_is_kept():
    picture = np.random.default_rng(0).integers(60, 190, (200, 400, 3), dtype=np.uint8)
    (letters,), (outlined,) = lettering.draw_lines(["BOOM"], lettering.faces("train")[1], 60, 5)
    redraw.over(picture, outlined, 20, 40, (255, 255, 255))
    redraw.over(picture, letters, 20, 40, (200, 0, 0))
    mask, (height, width) = np.zeros(picture.shape[:2], bool), outlined.shape
    mask[20 : 20 + height, 40 : 40 + width] = outlined >= pages.COVERED
    seen = redraw.look(picture, mask, layout.lines_in(mask, (40, 20, 40 + width, 20 + height)))
    assert not seen.flat and seen.outline and min(seen.outline) > 200
    assert seen.ink[0] > 150 and max(seen.ink[1:]) < 60


# --- figures ---------------------------------------------------------------------------------------------------------


def test_mask_figures_are_those_of_scikit_learn_and_a_border_may_be_one_pixel_off():
    random = np.random.default_rng(0)
    truth, mask = random.random((2, 40, 50)) < 0.2
    figures = metrics.figures([metrics.mask_counts(mask, truth)])(np.ones(1))
    assert figures["iou"] == pytest.approx(jaccard_score(truth.ravel(), mask.ravel()))
    assert figures["f1"] == pytest.approx(f1_score(truth.ravel(), mask.ravel()))
    stroke = np.zeros((30, 30), bool)
    stroke[10:20, 10:13] = True
    shifted = np.roll(stroke, 1, axis=1)
    figures = metrics.figures([metrics.mask_counts(shifted, stroke)])(np.ones(1))
    assert figures["iou"] == pytest.approx(0.5) and figures["relaxed_f1"] == 1.0
    far = metrics.figures([metrics.mask_counts(np.roll(stroke, 8, axis=1), stroke)])(np.ones(1))
    assert far["relaxed_f1"] == 0.0


def test_reading_figures():
    counts = metrics.reading_counts(["Helo world", "안녕"], ["Hello world", "안녕"])
    found = metrics.line_counts(["안녕", "x"], ["Hello world", "안녕", "안녕"])
    figures = metrics.figures([{**counts, **found}])(np.ones(1))
    assert figures["cer"] == pytest.approx(1 / 13) and figures["wer"] == pytest.approx(1 / 3)
    assert figures["cer_latin"] == pytest.approx(1 / 11) and figures["cer_hangul"] == 0.0
    assert figures["lines_right"] == pytest.approx(1 / 3)
    assert np.isnan(figures["psnr"]) and np.isnan(figures["iou"])


def test_baselines_find_and_read_plain_lettering():
    picture, mask, (left, top, right, bottom) = with_words("Plain words")
    found = baselines.otsu_mask(picture)
    assert (found & mask).sum() / (found | mask).sum() > 0.5
    assert baselines.nearest_glyphs([picture[top - 2 : bottom + 2, left - 2 : right + 2]])[0].lower() == "plain words"
    assert not baselines.otsu_mask(paper()).any() and baselines.nearest_glyphs([paper(20, 40)]) == [""]


def test_a_true_line_that_rises_is_cut_out_upright():
    picture = paper(300, 600)
    mask = written(picture, "Rising words", 60, 40, 30, 20.0)
    crop = evaluate.true_crop(picture, Line(Image.fromarray(mask).getbbox(), "Rising words", 20.0))
    assert crop.shape[0] < 50 < crop.shape[1]


# --- data of one's own -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Four pages with masks, in the layout of pepper_carrot, two of one episode; one page without a mask."""
    for episode, number in (("E01", 0), ("E01", 1), ("E02", 0), ("E03", 0)):
        sample = pages.render(number + 10, "train", shape=(160, 128))
        write_picture(sample.picture, place(tmp_path, "page_en", f"{episode}P{number:02d}"))
        mask = np.repeat(np.uint8(sample.text)[..., None] * 255, 3, axis=2)
        write_picture(mask, place(tmp_path, "text_en", f"{episode}P{number:02d}"))
        write_picture(sample.clean, place(tmp_path, "art", f"{episode}P{number:02d}"))
    write_picture(paper(100, 100), place(tmp_path, "page_en", "E04P00"))
    (tmp_path / "meta.json").write_text('{"E01P00_en": {"texts": ["One / two", "three"], "text_frac": 0.1}}')
    return tmp_path


def place(folder, kind, name):
    (folder / kind).mkdir(exist_ok=True)
    return folder / kind / f"{name}.png"


def test_a_folder_is_split_by_episode_and_pages_without_a_mask_are_learnt_without_it(folder):
    splits = data.load_data(TOY, str(folder), folder)
    parts = [splits.train.inputs, splits.validation.inputs, splits.sealed_test.inputs]
    groups = [{page.group for page in part} for part in parts]
    assert all(groups) and not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    everything = {page.name: page for part in parts for page in part}
    assert everything["E01P00_en"].texts == ("One", "two", "three")
    assert not everything["E04P00_en"].labelled and everything["E04P00_en"] in parts[0]
    assert everything["E04P00_en"] not in data.learnt(TOY, parts[0])
    assert data.read(everything["E02P00_en"]).text.dtype == bool


def test_boxes_with_texts_are_labels_too(folder):
    picture, mask, (left, top, right, bottom) = with_words("Some words")
    write_picture(picture, place(folder, "page", "boxed"))
    row = f"boxed.png,{left - 2},{top - 2},{right + 2},{bottom + 2},Some words"
    (folder / "lines.csv").write_text(f"page,left,top,right,bottom,text\n{row}\n")
    (page,) = (page for page in data.read_folder(folder) if page.name == "boxed")
    found = data.read(page).text
    assert page.labelled and (found & mask).sum() / (found | mask).sum() > 0.6
    line, text = data.own_line(page, page.lines[0], np.random.default_rng(0))
    assert text == "Some words" and line.shape[0] == encoding.HEIGHT
    (folder / "lines.csv").write_text("page,left,top,right,bottom,text\nboxed.png,0,0,5000,20,x\n")
    with pytest.raises(UserError, match="does not lie in"):
        data.read_folder(folder)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({}, ""),
        ({"attributes": {"text": " Some words ", "occluded": False}}, "Some words"),
        ({"utf8_string": "Some words"}, "Some words"),
        ({"attributes": ["text"]}, ""),
        ({"utf8_string": 5}, ""),
    ],
)
def test_boxes_of_coco_are_labels_too(said, text, tmp_path):
    picture, mask, (left, top, right, bottom) = with_words("Some words")
    write_picture(picture, tmp_path / "a.png")
    box = [left - 2, top - 2, right - left + 4, bottom - top + 4]
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": box, **said}],
        "categories": [{"id": 1, "name": "text"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    (page,) = data.read_folder(tmp_path)
    assert [line.text for line in page.lines] == [text]
    found = data.read(page).text
    assert (found & mask).sum() / (found | mask).sum() > 0.6


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            lambda folder: write_picture(paper(20, 20), place(folder, "text_en", "E02P00")),
            "20 × 20 pixels, but its page 128 × 160",
        ),
        (lambda folder: (folder / "meta.json").write_text('{"E01P00_en": {"texts": 5}}'), "holds no texts of pages"),
        (lambda folder: (folder / "meta.json").write_text("{"), "is no JSON"),
        (lambda folder: [path.unlink() for path in (folder / "text_en").iterdir()], "0 pages or episodes with masks"),
        (
            lambda folder: [path.rename(folder / path.name[::-1]) for path in folder.iterdir()],
            "has neither folders page and text .* nor boxes",
        ),
    ],
)
def test_a_wrong_folder_is_refused_in_a_sentence(folder, fault, sentence):
    fault(folder)
    with pytest.raises(UserError, match=sentence):
        splits = data.load_data(TOY, str(folder), folder)
        list(map(data.read, splits.train.inputs + splits.validation.inputs + splits.sealed_test.inputs))


# --- the run ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def predictor(trained):
    return trained("comic_text").load()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({}, "holds no picture"),
        ({"picture": paper(8, 8)}, "each side needs at least 16"),
        ({"picture": paper(), "order": "down"}, "order"),
        ({"picture": paper(), "blocks": [{"box": [0, 0, 10]}]}, "Box 1 has 3 numbers"),
        ({"picture": paper(), "blocks": [{"box": [0, 0, 500, 10]}]}, "does not lie in the picture"),
        ({"picture": paper(), "blocks": [{"box": [9, 0, 5, 10]}]}, "does not lie in the picture"),
        ({"picture": paper(), "blocks": [{"box": [0, 0, 9, 9], "text": "x" * 3000}]}, "3,000 characters"),
        ({"picture": paper(), "blocks": [{"box": [0, 0, 9, 9]}] * 501}, "501 boxes"),
    ],
)
def test_a_wrong_input_is_refused_in_a_sentence(predictor, raw, sentence):
    with pytest.raises(UserError, match=sentence):
        predictor.predict(raw)


def test_given_boxes_are_taken_and_their_translations_drawn(predictor, monkeypatch):
    picture, mask, (left, top, right, bottom) = with_words("Old words", 100)
    monkeypatch.setattr(predictor, "mask", lambda picture: mask)
    block = {"box": [left, top, right, bottom], "text": "Old words"}
    kept = predictor.predict({"picture": picture, "blocks": [block]})
    np.testing.assert_array_equal(kept["page"], picture)
    np.testing.assert_array_equal(kept["clean"], paper())
    empty = predictor.predict({"picture": picture, "blocks": [{**block, "translation": ""}]})
    np.testing.assert_array_equal(empty["page"], paper())
    new = predictor.predict({"picture": picture, "blocks": [{**block, "translation": "새 글"}]})
    assert new["blocks"][0]["text"] == "Old words" and new["blocks"][0]["translation"] == "새 글"
    ink = new["page"].min(axis=2) < 128
    assert ink.sum() > 50 and not (ink & mask).all()
    xs = np.flatnonzero(ink.any(axis=0))
    assert abs((xs.min() + xs.max()) / 2 - (left + right) / 2) < 6, "the new words are not in the middle"
    chinese = predictor.predict({"picture": picture, "blocks": [{**block, "translation": "ㅋㅋ！日"}]})
    assert chinese["missing"] == "日" and "characters: 日." in predict.cautions(chinese)[-1] and new["missing"] == ""


def test_what_is_hardly_read_is_left_out_or_has_a_caution(predictor, monkeypatch):
    """A page without lettering, or in another script, has a mask too, and the reader writes something."""
    picture, mask, _ = with_words("Old words", 100)
    monkeypatch.setattr(predictor, "mask", lambda picture: mask)
    for confidence, blocks, unfamiliar in ((SURE - 0.01, 0, False), (SURE, 1, True), (FAMILIAR, 1, False)):
        monkeypatch.setattr(predictor, "read", lambda crops, sure=confidence: [("A", sure)] * len(crops))
        answer = predictor.predict({"picture": picture})
        assert len(answer["blocks"]) == blocks and answer["unfamiliar"] == unfamiliar == bool(predict.cautions(answer))
        assert np.isnan(predictor.familiarity([picture])[0]) == (not blocks)
    mask = np.zeros_like(mask)
    assert not predictor.predict({"picture": picture})["blocks"]


def test_the_report_says_how_often_there_is_a_caution(trained):
    notes = (trained("comic_text").path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for kind in ("test", "without lettering", "photographs"):
        assert re.search(rf"{kind} [\d.]+%, [\d.]+%", notes), notes


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix not in (".bmp", ".gif", ".ppm", ".pgm")])
def test_the_credit_of_a_page_is_in_its_file(suffix):
    said = Image.open(io.BytesIO(predict.as_file(paper(20, 30), "By A, CC BY 4.0", suffix)))
    assert said.size == (30, 20) and said.getexif()[COPYRIGHT] == "By A, CC BY 4.0"
    assert COPYRIGHT not in Image.open(io.BytesIO(predict.as_file(paper(20, 30), "", suffix))).getexif()


def test_pages_of_the_data_of_a_run_go_out_with_its_credit(copied, tmp_path):
    """The run knows whose pages those in its data folder are, and no others."""
    run = copied("comic_text")
    for file, change in (("meta.json", {"credit": "By A"}), ("run.json", {"data": "own", "data_dir": str(tmp_path)})):
        (run.path / file).write_text(json.dumps({**json.loads((run.path / file).read_text()), **change}))
    for folder in ("own", "other"):
        (tmp_path / folder).mkdir()
        write_picture(with_words("Old words")[0], tmp_path / folder / "a.png")
        for source, target in ((f"{folder}/a.png", f"{folder}.jpg"), (folder, f"{folder}.zip")):
            places = ("--input", tmp_path / source, "--output", tmp_path / target, "--runs-dir", run.path.parents[1])
            done = run_here("projects.comic_text.predict", *places)
            assert done.returncode == 0, done.stderr
        assert Image.open(tmp_path / f"{folder}.jpg").getexif().get(COPYRIGHT) == ("By A" if folder == "own" else None)
        with zipfile.ZipFile(tmp_path / f"{folder}.zip") as archive:
            assert ("CREDIT.txt" in archive.namelist()) == (folder == "own")


def test_a_folder_goes_out_as_pages_and_lines_and_comes_back_edited(predictor, tmp_path, capsys, monkeypatch):
    source = tmp_path / "pages"
    picture, mask, _ = with_words("Old words", 100)
    write_picture(picture, place(tmp_path, "pages", "a"))
    (source / "b.png").write_bytes(b"no picture")
    (source / "notes.txt").write_text("x")
    glossary = tmp_path / "glossary.csv"
    glossary.write_text("source,target\nxyz,새\n", encoding="utf-8")
    monkeypatch.setattr(predictor, "mask", lambda picture: mask)
    monkeypatch.setattr(predictor, "read", lambda crops: [("XYZ", 0.9)] * len(crops))
    done = predict.letter_folder(predictor, source, tmp_path / "new.zip", predict.translator(None, glossary, tmp_path))
    assert done == (1, 2) and "b.png" in capsys.readouterr().err
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        assert sorted(archive.namelist()) == ["a.png", "lines.csv"]
        lines = archive.read("lines.csv").decode("utf-8-sig")
        page = np.asarray(Image.open(io.BytesIO(archive.read("a.png"))))
    (row,) = csv.DictReader(io.StringIO(lines))
    assert (row["page"], row["text"], row["translation"]) == ("a.png", "XYZ", "새")
    assert (page != picture).any()
    table = tmp_path / "lines.csv"
    table.write_text(lines.replace("새", "-") + "a.png,,,,,a line that somebody has begun,,\n", encoding="utf-8")
    edited = predict.read_edited(table)
    assert [block["translation"] for block in edited["a.png"]] == [""]
    assert edited["a.png"][0]["box"] == [int(row[side]) for side in ("left", "top", "right", "bottom")]
    predict.letter_folder(predictor, source, tmp_path / "empty.zip", lambda text: None, "left", edited)
    with zipfile.ZipFile(tmp_path / "empty.zip") as archive:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(archive.read("a.png")))), paper())


def test_losses_are_those_of_each_network_where_one_stopped_early():
    rows = [
        {"network": number, "loss": number + epoch, "val_loss": 9.0, "val_iou": 0.5}
        for number, epochs in ((1, 2), (2, 3), (3, 1))
        for epoch in range(epochs)
    ]
    panels = evaluate.losses_figure(
        SimpleNamespace(history=rows), Config(autoencoder_epochs=5, epochs=9, reader_epochs=4)
    ).axes
    drawn = {panel.get_title(): panel.lines[0].get_ydata().tolist() for panel in panels[:3]}
    assert drawn == {"autoencoder": [1, 2], "segmentation": [2, 3, 4], "reader": [3]}
    assert panels[3].lines[0].get_xdata().tolist() == [1, 2, 3]


def test_pretraining_starts_the_encoder_and_only_it():
    config = Config(width=2, depth=1)
    network, pretrained = segmentation(config), autoencoder(config)
    pretrained.set_weights([weight + 1 for weight in pretrained.get_weights()])
    before = {layer.name: layer.get_weights() for layer in network.layers}
    start_from(network, pretrained)
    for layer in network.layers:
        of_encoder = layer.name.startswith("down")
        wanted = pretrained.get_layer(layer.name).get_weights() if of_encoder else before[layer.name]
        keras.tree.map_structure(np.testing.assert_array_equal, layer.get_weights(), wanted)


def test_the_fast_loss_of_ctc_is_that_of_keras():
    random = np.random.default_rng(0)
    logits = random.normal(size=(3, 12, 9)).astype(np.float32)
    symbols = np.array([[1, 1, 2, 0, 0], [8, 7, 8, 7, 8], [3, 0, 0, 0, 0]])
    np.testing.assert_allclose(ctc(symbols, logits), keras.losses.ctc(symbols, logits), rtol=1e-5)


def test_any_run_that_answers_text_translates_and_a_glossary_wins(trained, tmp_path):
    if "translation" not in PROJECTS:
        pytest.skip("a fork without a project of sentences")
    run = trained("translation")
    glossary = tmp_path / "glossary.csv"
    glossary.write_text("source,target\nPepper!,후추!\n", encoding="utf-8")
    translate = predict.translator(f"translation/{run.id}", glossary, run.path.parents[1])
    assert translate("PEPPER!") == "후추!" and isinstance(translate("Good morning"), str)
    assert predict.translator(None, None, tmp_path)("Good morning") is None
    with pytest.raises(UserError, match="does not answer a text with a text"):
        predict.translator(f"comic_text/{trained('comic_text').id}", None, trained("comic_text").path.parents[1])
    with pytest.raises(UserError, match="There is no project 'nobody'"):
        predict.translator("nobody/best", None, tmp_path)


def test_the_real_page_of_the_readme_says_whose_it_is():
    file = Path(__file__).parents[1] / "docs" / "comic_text.page.jpg"
    said = Image.open(file).getexif()[COPYRIGHT]
    for part in ("David Revoy", "CC BY 4.0", "Alex Gryson", "Jihoon Kim", "Changed:"):
        assert part in said
    assert file.stat().st_size < 300_000
