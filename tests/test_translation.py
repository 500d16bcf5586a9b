"""What translation promises beside the contract."""

import datetime
import itertools
import random

import numpy as np
import pandas as pd
import pytest
import sacrebleu

from common import runs
from common.errors import UserError
from common.inputs.sequences import Ragged
from common.project import Project
from projects.translation import data, spoken
from projects.translation.batches import pair_stream, source_batches
from projects.translation.config import TOY, Config
from projects.translation.encoding import (
    choose_unit,
    cut,
    disagreement,
    encode,
    joined,
    normalise,
    processor,
    read_limit,
    train_pieces,
)
from projects.translation.evaluate import baselines, by_length
from projects.translation.ibm import WordTranslation
from projects.translation.metrics import figures
from projects.translation.predict import translate_file
from tests.commands import run_here
from tests.conftest import refused

SENTENCES = [("the house", "das haus"), ("the book", "das buch"), ("a book", "ein buch"), ("a house", "ein haus")]
FOUR = [("en", "de"), *SENTENCES]


@pytest.fixture(scope="module")
def predictor(request):
    return request.getfixturevalue("trained")("translation").load()


# numbers, dates, times and amounts in words


@pytest.mark.parametrize(
    "spell, values",
    [
        (spoken.english, {0: "zero", 21: "twenty-one", 340: "three hundred forty", 1012: "one thousand twelve"}),
        (spoken.german, {1: "eins", 21: "einundzwanzig", 101: "einhunderteins", 2017: "zweitausendsiebzehn"}),
        (spoken.german_year, {1984: "neunzehnhundertvierundachtzig", 2005: "zweitausendfünf"}),
        (spoken.french, {71: "soixante et onze", 80: "quatre-vingts", 81: "quatre-vingt-un", 200: "deux cents", 1999: "mille neuf cent quatre-vingt-dix-neuf"}),
        (spoken.spanish, {22: "veintidós", 31: "treinta y uno", 100: "cien", 2025: "dos mil veinticinco"}),
        (lambda n: spoken.before_noun(spoken.spanish(n)), {1: "un", 21: "veintiún", 31: "treinta y un", 100: "cien"}),
        (spoken.korean, {0: "영", 10: "십", 19: "십구", 1100: "천백", 12345: "만 이천삼백사십오", 100000: "십만"}),
        (spoken.english_ordinal, {1: "first", 12: "twelfth", 20: "twentieth", 31: "thirty-first"}),
        (spoken.german_ordinal, {1: "erste", 7: "siebte", 16: "sechzehnte", 21: "einundzwanzigste"}),
        (spoken.suffixed, {1: "1st", 11: "11th", 22: "22nd", 23: "23rd"}),
    ],
)  # fmt: skip
def test_numbers_in_words(spell, values):
    assert {n: spell(n) for n in values} == values


@pytest.mark.parametrize("spell", [spoken.english, spoken.german, spoken.french, spoken.spanish, spoken.korean])
def test_no_two_numbers_are_spelled_alike(spell):
    assert len({spell(n) for n in range(20_000)}) == 20_000


def test_times_in_words():
    assert spoken.german_clock(14 * 60 + 30) == "halb drei nachmittags"
    assert spoken.german_clock(14 * 60 + 25) == "fünf vor halb drei nachmittags"
    assert spoken.english_clock(23 * 60 + 45) == "quarter to twelve in the evening"
    assert spoken.korean_clock(30) == "오전 열두 시 반"
    assert spoken.french_clock(12 * 60 + 50) == "une heure moins dix de l'après-midi"
    assert spoken.spanish_clock(13 * 60 + 15) == "la una y cuarto de la tarde"


def test_no_text_stands_for_two_values():
    """Also not for one who types in lower case and leaves out hyphens. Days 1 to 12 of all months are the risk."""
    days = [datetime.date(year, month, day) for year in (1970, 2001, 2007, 2011, 2069) for month in range(1, 13) for day in (1, 2, 7, 11, 12, 28)]  # fmt: skip
    draw = random.Random(0)
    amounts = [100 * n for n in range(60)] + [int(10 ** draw.uniform(0, 6)) for _ in range(300)]
    values = {"date": days, "time": range(1440), "amount": amounts}
    seen: dict[str, str] = {}
    for language, kind in itertools.product(spoken.LANGUAGES, values):
        for currency, form in spoken.forms(language, kind):
            for value in values[kind]:
                value = value * 1000 if currency == "KRW" else value
                iso = spoken.iso(kind, value, currency)
                for text in (form(value), *(variant(normalise(form(value))) for variant in data.VARIANTS)):
                    text = normalise(text, lower=True)
                    assert seen.setdefault(text, iso) == iso, f"{text!r} is {seen[text]} and {iso}"
    assert len(seen) > 30_000


def test_no_value_of_the_test_is_in_training_in_any_language(tmp_path):
    splits = data.load_data(Config(pairs=4000), "builtin", tmp_path)

    def values(split):  # an amount is the same in all currencies
        return {target.partition(" ")[2].removesuffix(".00") or target for target in split.targets}

    train, validation, test = map(values, (splits.train, splits.validation, splits.sealed_test))
    assert len(test) > 500
    assert not train & test and not train & validation and not validation & test
    assert data.load_data(Config(pairs=500, seed=3), "builtin", tmp_path).sealed_test.inputs == splits.sealed_test.inputs[:125]  # fmt: skip


def test_training_has_more_times_and_the_test_no_text_twice():
    shares = {}
    for part in ("train", "test"):
        texts, targets = data.generated(part, 4000)
        shares[part] = np.mean([":" in target for target in targets])
        assert part == "train" or len(set(texts)) == 4000
    assert 0.32 < shares["train"] < 0.38 and 0.12 < shares["test"] < 0.18


def test_the_toy_pairs_are_right(tmp_path):
    pairs = dict(zip(*data.generated("train", 2000), strict=True))
    for text, iso in pairs.items():
        if text.startswith("de: ") and iso[4] == "-":
            day, month, year = text[4:].split(".")
            assert (int(day), int(month)) == (int(iso[8:]), int(iso[5:7])) and iso.startswith((year, f"19{year}", f"20{year}"))  # fmt: skip
        if iso[2:3] == ":":
            assert datetime.time.fromisoformat(iso)
    assert any(text.startswith("de: ") for text in pairs)


def test_reverse_needs_sentences(tmp_path):
    with pytest.raises(UserError, match="many texts for one date"):
        data.load_data(Config(reverse=True), "builtin", tmp_path)


# own data


def write(path, rows, separator="\t"):
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def numbered(count=60):
    return [(f"sentence number {spoken.english(i)}", f"Satz Nummer {spoken.german(i)}") for i in range(count)]


def load(path, **knobs):
    return data.load_data(Config(unit="char", **knobs), str(path), path.parent)


def inputs_of(splits):
    return [text for part in (splits.train, splits.validation, splits.sealed_test) for text in part.inputs]


def test_tables_and_folders_give_the_same_pairs(tmp_path):
    rows = numbered()
    (tmp_path / "both").mkdir()
    for place, ending in enumerate(("de", "en")):
        (tmp_path / "both" / f"text.{ending}").write_text("\n".join(row[1 - place] for row in rows), encoding="utf-8")
    paths = [
        write(tmp_path / "a.tsv", [("en", "de"), *rows]),
        write(tmp_path / "a.csv", [("en", "de"), *rows], ","),
        write(tmp_path / "deu.txt", [(*row, "CC-BY") for row in rows]),
    ]
    expected = sorted(english for english, _ in rows)
    for path in paths:
        assert sorted(inputs_of(load(path))) == expected
    splits = load(tmp_path / "both", source="en", target="de")
    assert sorted(inputs_of(splits)) == expected and splits.meta["direction"] == "en → de"
    back = load(paths[0], reverse=True)
    assert back.meta["direction"] == "de → en" and sorted(inputs_of(back)) == sorted(german for _, german in rows)
    assert back.train.targets[0].startswith("sentence")


def test_a_quote_in_a_tsv_is_part_of_the_text(tmp_path):
    rows = [("en", "de"), ('say "hello', 'sag "hallo'), *numbered()]
    assert 'say "hello' in inputs_of(load(write(tmp_path / "a.tsv", rows)))


def test_no_sentence_is_in_two_parts_whatever_the_direction(tmp_path):
    rows = [(f"sentence {i // 2}.", f"Satz {(i + 1) // 2}!") for i in range(400) if i % 8 != 7]
    splits = load(write(tmp_path / "a.tsv", [("en", "de"), *rows, ("SENTENCE 3", "Satz")]))
    parts = (splits.train, splits.validation, splits.sealed_test)
    for side in ("inputs", "targets"):
        keys = [{text.casefold().strip(".!") for text in getattr(part, side)} for part in parts]
        assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]


def test_extra_pairs_are_learnt_from_alone(tmp_path):
    for ending, lines in zip(("en", "de"), zip(*numbered(), strict=True), strict=True):
        write(tmp_path / f"a.{ending}", [(line,) for line in lines])
    plain = load(tmp_path, source="en", target="de")
    held_out = plain.validation.inputs[0].upper() + "!"
    write(tmp_path / "extra.en", [("all new",), (held_out,), ("all new",), ("other",), ("c",)])
    write(tmp_path / "extra.de", [("ganz neu",), ("a",), ("ganz neu",), (plain.sealed_test.targets[0],), ("",)])
    splits = load(tmp_path, source="en", target="de")
    pairs = [list(zip(part.train.inputs, part.train.targets, strict=True)) for part in (plain, splits)]
    assert pairs[1] == [*pairs[0], ("all new", "ganz neu")]
    for part in ("validation", "sealed_test"):
        assert getattr(splits, part).inputs == getattr(plain, part).inputs
    assert splits.source.sha256 != plain.source.sha256 and "1 of 5 extra pairs" in splits.source.source


@pytest.mark.parametrize(
    "rows, message",
    [
        ([*FOUR, ("only one",)], "line 6: 1 cells, the last of them 'only one', but the header has 2"),
        ([*FOUR, ("one", "two", "three")], "line 6: 3 cells, the last of them 'three', but the header has 2"),
        (FOUR, "4 different sentences with a translation; at least 30"),
        ([("en", "de", "fr"), ("a", "b", "c")], "Say --source COLUMN and --target COLUMN; it has: en, de, fr"),
        ([("en", "de")], "has a header but no rows"),
        ([], "is empty; expected a header row"),
    ],
)
def test_a_table_that_is_wrong_is_named(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        load(write(tmp_path / "a.tsv", rows))


def test_files_that_are_wrong_are_named(tmp_path):
    folder = tmp_path / "both"
    folder.mkdir()
    with pytest.raises(UserError, match="it has: no files"):
        load(folder)
    (folder / "a.en").write_text("one\ntwo\n")
    (folder / "a.de").write_text("eins\n")
    with pytest.raises(UserError, match=r"a\.de has 1 lines and a\.en has 2"):
        load(folder)
    with pytest.raises(UserError, match="no second column"):
        load(write(tmp_path / "a.txt", [("one",), ("two",)]))
    with pytest.raises(UserError, match=r"a\.txt, line 7: 3 cells; expected 2"):
        load(write(tmp_path / "a.txt", [*numbered(6), ("one", "two", "three")]))
    with pytest.raises(UserError, match=r"a\.txt has no pairs"):
        load(write(tmp_path / "a.txt", []))
    (tmp_path / "a.csv").write_text('en,de\none,eins\n"two,zwei\nthree,drei\n')
    with pytest.raises(UserError, match=r"a\.csv, line 3: unexpected end of data.* quotation mark"):
        load(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes("en,de\nsize,größe\n".encode("latin-1"))
    with pytest.raises(UserError, match="line 2: the byte 0xf6 is not UTF-8 text"):
        load(tmp_path / "b.csv")
    with pytest.raises(UserError, match="it has: de, en"):
        load(folder, source="fr", target="de")


# encoding


@pytest.mark.parametrize("unit", ["char", "jamo", "word", "subword"])
def test_pieces_join_to_the_sentence(unit):
    texts = ["Don't stop, Tom!", "나는 학교에 갔다.", "“Äpfel” kosten 3,50 €", "a _b_ c_d", ""]
    model = train_pieces(texts * 3, 30) if unit == "subword" else ""
    for text in texts:
        assert joined(cut(normalise(text), unit, model)) == text


def test_subwords_are_the_same_each_time():
    texts = [text for pair in numbered() for text in pair]
    assert train_pieces(texts, 60) == train_pieces(texts, 60)


def test_the_unit_is_chosen_from_the_data():
    assert choose_unit(["2025-03-04", "EUR 12.50"]) == "char"
    assert choose_unit(["this is a sentence", "나는 어제 학교에 갔다"]) == "subword"


@pytest.mark.parametrize(
    "change, wrong",
    [
        *(({"limits": limits}, "limits") for limits in ([[5, 5], [5, 6]], [])),
        *(({"examples": examples}, "examples") for examples in ([], [{"text": " "}])),
        ({"columns": ["a"]}, "columns"),
        ({"source": {"vocabulary": {"symbols": ["a"], "bos": True, "eos": True}, "pieces": ""}}, "the source has 5"),
    ],
)
def test_a_meta_that_does_not_fit_is_named(predictor, change, wrong):
    assert not disagreement(predictor.meta, predictor.networks)
    assert wrong in disagreement({**predictor.meta, **change}, predictor.networks)
    assert "expected decoder, encoder" in disagreement(predictor.meta, {"model": None})


def test_damaged_subwords_are_named(predictor):
    for pieces in ("", "no base64", "bm90IGEgbW9kZWw="):
        with pytest.raises(UserError, match="are damaged"):
            processor(pieces)
    with pytest.raises(UserError, match="are damaged"):
        disagreement({**predictor.meta, "unit": "subword"}, predictor.networks)


def test_lower_case_is_for_both_sides_and_for_what_is_asked(tmp_path):
    splits = load(write(tmp_path / "a.tsv", [("en", "de"), *numbered()]), lower=True)
    assert splits.train.targets[0].startswith("satz nummer")
    first, second = encode(["SENTENCE", "sentence"], splits.meta, "source")
    np.testing.assert_array_equal(first, second)


# batches


def test_a_batch_holds_each_pair_once_and_the_target_one_step_later():
    random_lengths = np.random.default_rng(0).integers(1, 30, (2, 500))
    sources, targets = (Ragged.of([np.full(n, 5 + i) for i, n in enumerate(part)]) for part in random_lengths)
    limits = [[10, 12], [20, 22], [30, 31]]
    stream = pair_stream(sources, targets, limits, 32, seed=0)
    seen = []
    for i in range(len(stream)):
        inputs, following = stream[i]
        assert [inputs["source"].shape[1], following.shape[1] + 1] in limits
        np.testing.assert_array_equal(inputs["target"][:, 1:], following[:, :-1])
        seen += list(inputs["source"][:, 0] - 5)
    assert sorted(seen) == list(range(500))
    widths = [stream[i][0]["source"].shape[1] for i in (0, 1)]
    assert widths[0] != widths[1], "Keras would take the width for a fixed one"


def test_a_pair_without_room_is_not_learnt_from_but_scored():
    sources = Ragged.of([np.arange(5, 5 + n) for n in (3, 100, 4)])
    targets = Ragged.of([np.arange(5, 5 + n) for n in (3, 3, 4)])
    trained, scored = (pair_stream(sources, targets, [[10, 10]], 2, seed) for seed in (0, None))
    assert sum(len(rows) for rows in trained.batches) == 2 and sum(len(rows) for rows in scored.batches) == 3


def test_symbol_dropout_leaves_padding_and_ends():
    rows = Ragged.of([np.r_[np.full(60, 7), 3]] * 64)
    (inputs, _) = pair_stream(rows, rows, [[64, 64]], 64, 0, symbol_dropout=0.3)[0]
    source = inputs["source"]
    assert (source[:, 60] == 3).all() and (source[:, 61:] == 0).all()
    assert 0.25 < (source[:, :60] == 1).mean() < 0.35


def test_every_sentence_is_in_one_source_batch(predictor):
    lengths = [1, 2, 60, 400, 3] * 30
    sources = Ragged.of([np.full(n, 5) for n in lengths]).shortened(read_limit(predictor.meta))
    seen = [row for rows, *_ in source_batches(sources, predictor.meta, read_limit(predictor.meta)) for row in rows]
    assert sorted(seen) == list(range(len(lengths)))


# figures and baselines


def test_figures_are_those_of_sacrebleu():
    translations = ["the cat sat on the mat", "", "한국어 번역입니다.", "a dog, a cat"]
    references = ["the cat sat on a mat", "nothing", "한국어 번역이다.", "a dog, a cat"]
    weighted = figures(translations, references)
    for counts in ([1, 1, 1, 1], [3, 0, 2, 1]):
        rows = np.repeat(range(4), counts)
        drawn = [[texts[i] for i in rows] for texts in (translations, references)]
        values = weighted(np.array(counts, float))
        assert values["bleu"] == pytest.approx(sacrebleu.corpus_bleu(drawn[0], [drawn[1]]).score, abs=1e-9)
        assert values["chrf"] == pytest.approx(sacrebleu.corpus_chrf(drawn[0], [drawn[1]]).score, abs=1e-9)
        assert values["exact_match"] == counts[3] / sum(counts)


def test_ibm_model_1_finds_the_words():
    """The example of Brown et al.'s idea: only co-occurrence says which word belongs to which."""
    model = WordTranslation(*zip(*SENTENCES, strict=True))
    assert model.translate("a book") == "ein buch" and model.translate("the house") == "das haus"
    assert model.translate("the zebra") == "das zebra" and model.translate("") == ""


def test_one_step_of_ibm_model_1_by_hand():
    """Two pairs: after the steps t(das | the) stays ahead of t(haus | the), as the plain loops of the paper have it."""
    sources, targets = zip(*SENTENCES[:3], strict=True)
    words = [(["", *s.split()], t.split()) for s, t in zip(sources, targets, strict=True)]
    table = {(e, f): 1.0 for es, fs in words for e in es for f in fs}
    for _ in range(5):
        counts = dict.fromkeys(table, 0.0)
        for es, fs in words:
            for f in fs:
                total = sum(table[e, f] for e in es)
                for e in es:
                    counts[e, f] += table[e, f] / total
        sums = {e: sum(value for (other, _), value in counts.items() if other == e) for e, _ in counts}
        table = {(e, f): value / sums[e] for (e, f), value in counts.items()}
    best = {e.strip("▁"): max((v, f) for (other, f), v in table.items() if other == e)[1] for e, _ in table}
    model = WordTranslation(sources, targets)
    assert {e.strip("▁"): f.strip("▁") for e, f in model.best.items() if e} == {e: f for e, f in best.items() if e}


def test_the_nearest_sentence_is_the_sentence_itself(tmp_path):
    splits = load(write(tmp_path / "a.tsv", [("en", "de"), *numbered(80)]))
    nearest = baselines(splits)["nearest_sentence"]
    assert nearest(splits.train.inputs[:20]) == splits.train.targets[:20]


def test_quality_by_length_covers_all_sentences(predictor, tmp_path):
    splits = data.load_data(TOY, "builtin", tmp_path)
    split = splits.validation
    table = by_length(predictor, split, {"a": list(split.targets), "b": [""] * len(split)}, "exact_match")
    assert table["sentences"].sum() == len(split) and (table["a"] == 1).all() and (table["b"] == 0).all()
    assert (table["from"].to_numpy()[1:] > table["to"].to_numpy()[:-1]).all()


# METRIC


def test_the_data_says_which_figure_chooses():
    project = Project("translation")
    assert project.metric("builtin") == ("exact_match", "max")
    assert project.metric("tatoeba") == project.metric("/some/file.tsv") == ("chrf", "max")


def test_a_run_on_sentences_is_chosen_by_chrf(tmp_path):
    path = write(tmp_path / "a.tsv", [("en", "de"), *numbered(30)])
    run = runs.start(Project("translation"), TOY, str(path), tmp_path, tmp_path / "runs")
    assert run.metric == ("chrf", "max")


# answers and files


@pytest.mark.parametrize(
    "text", ["word " * 400, "x" * 5000, "Ω≈ç√∫˜µ", "これは日本語です", "😀", "\u0000", "a\tb", "▁▁"], ids=range(8)
)
def test_any_text_gets_an_answer(predictor, text):
    answer = predictor.predict({"text": text})
    assert isinstance(answer["translation"], str)
    assert len(answer["attention"]) == len(answer["target"])
    assert all(len(row) == len(answer["source"]) for row in answer["attention"])
    np.testing.assert_allclose(np.sum(answer["attention"], axis=1), 1, atol=0.05)


def test_what_is_not_known_or_not_read_is_named(predictor):
    assert predictor.predict({"text": "Ω 5"})["unknown"] == ["Ω"]
    answer = predictor.predict({"text": "word " * 400})
    assert answer["unread"] > 0 and len(answer["source"]) == read_limit(predictor.meta)
    assert predictor.predict({"text": "5 March 2025"})["unread"] == 0


@pytest.mark.parametrize(
    "raw, message",
    [
        *(({"text": text}, "The sentence is empty") for text in ("", " \n")),
        ({}, "text is missing"),
        ({"text": 3}, "text is 3; expected a text"),
        (None, "expected"),
        *(({"text": "5 March", "beam": beam}, f"beam is {beam}; expected") for beam in (0, 33, True)),
    ],
)
def test_what_cannot_be_translated_is_refused(predictor, raw, message):
    with pytest.raises(UserError, match=message):
        predictor.predict(raw)


def test_a_beam_gives_as_many_alternatives_the_best_first(predictor):
    answer = predictor.predict({"text": "5 March 2025", "beam": 3})
    scores = [other["score"] for other in answer["alternatives"]]
    assert len(scores) == 3 and scores == sorted(scores, reverse=True)
    assert answer["translation"] == answer["alternatives"][0]["translation"]


def test_the_translation_grows_piece_by_piece(predictor):
    answers = list(predictor.stream({"text": "5 March 2025"}))
    texts = [answer["translation"] for answer in answers]
    assert texts[0] == "" and answers[-1] == predictor.predict({"text": "5 March 2025"})
    assert len(answers) == len(answers[-1]["target"]) + 1 and len(set(texts)) > 2
    assert all(later.startswith(text) for text, later in itertools.pairwise(texts))


def test_a_sentence_is_translated_alike_alone_and_among_others(predictor):
    texts = [example["text"] for example in predictor.examples] * 4 + ["", "half past two in the afternoon"]
    together = predictor.translate(texts)
    assert together[-2] == ""
    assert [predictor.predict({"text": text})["translation"] for text in texts[:8]] == together[:8]


def test_a_text_file_keeps_its_lines(predictor, tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("5 March 2025\n\n\r\n오후 두 시\n" + "last " * 500, encoding="utf-8")
    assert translate_file(predictor, source, target) == (5, 1)
    lines = target.read_text(encoding="utf-8").split("\n")
    assert len(lines) == 6 and lines[1] == lines[2] == lines[5] == ""
    assert lines[0] == predictor.predict({"text": "5 March 2025"})["translation"]


def test_a_table_gets_a_column(predictor, tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("id,text\n1,5 March 2025\n2,\n", encoding="utf-8")
    assert translate_file(predictor, source, target) == (2, 0)
    frame = pd.read_csv(target, keep_default_na=False)
    assert list(frame) == ["id", "text", "translation"] and frame["translation"][1] == ""
    source.write_text("id,text\n=1+1,5 March 2025\n", encoding="utf-8")
    for quoted, cell in ((False, "=1+1"), (True, "'=1+1")):
        translate_file(predictor, source, target, quote_formulas=quoted)
        assert pd.read_csv(target)["id"][0] == cell
    with pytest.raises(UserError, match="no column 'sentence'"):
        translate_file(predictor, source, target, "sentence")


def test_the_command_refuses_before_it_loads():
    module = "projects.translation.predict"
    refused([], "Give either --text or --input", module)
    refused(["--text", "a", "--beam", "0"], "expected a number from 1 to 32", module)
    refused(["--input", __file__], "--input needs --output", module)
    refused(["--text", "a", "--output", "b.txt"], "--output needs --input", module)


def test_new_pairs_are_scored(copied, tmp_path):
    run = copied("translation")
    path = write(tmp_path / "new.tsv", [("text", "iso"), ("5 March 2025", "2025-03-05"), ("noon", "12:00")])
    done = run_here("projects.translation.evaluate", "--data", path, "--run", run.id)
    assert done.returncode == 0 and "2 rows" in done.stdout, done.stderr
    done = run_here("projects.translation.evaluate", "--data", write(path, [("a", "b"), ("1", "2")]), "--run", run.id)
    assert done.returncode == 2 and "--source COLUMN" in done.stderr
