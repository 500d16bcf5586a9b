"""What text classification promises beside the contract."""

import dataclasses
import itertools
import re
import unicodedata

import keras
import numpy as np
import pandas as pd
import pytest

from common import cli, evaluation, runs
from common.errors import UserError
from common.inputs.vocabulary import UNKNOWN, Vocabulary
from common.project import Project
from projects.text_classification import data, encoding
from projects.text_classification.batches import text_batches
from projects.text_classification.config import TOY, Config
from projects.text_classification.encoding import checked, choose_unit, sequences, symbols
from projects.text_classification.model import bag, build_models, interpolate, reproducible, start_from_naive_bayes
from projects.text_classification.ngrams import apart, bags, kinds_of, normalise, spelled, split_units
from projects.text_classification.predict import pieces, score_file

TEXTS = ["the film was good", "a bad film", "", "😀", "그 영화 정말 재미있다", "x" * 3000]


@pytest.fixture(scope="module")
def predictor(request):
    return request.getfixturevalue("trained")("text_classification").load()


# n-grams


@pytest.mark.parametrize("unit", ["word", "char", "jamo"])
def test_bags_hold_the_distinct_ngrams_of_each_text_alone(unit):
    """As many ids as a plain loop finds n-grams, the same for a text alone as among others."""
    kinds = kinds_of({unit: (1, 2, 3)}, 2**30)
    rows = bags(TEXTS, kinds)
    for i, text in enumerate(TEXTS):
        plain = re.findall(r"[^\W_]+|[^\w\s]", text) if unit == "word" else list(f" {text} ")
        if unit == "jamo":
            plain = list(unicodedata.normalize("NFD", f" {text} "))
        expected = {tuple(plain[j : j + n]) for n in (1, 2, 3) for j in range(len(plain) - n + 1)}
        assert len(rows[i]) == len(expected) + 1 and (np.diff(rows[i]) > 0).all() and (rows[i] > 0).all()
        np.testing.assert_array_equal(rows[i], bags([text], kinds).ids)


def test_a_bag_of_two_units_is_both_bags_together():
    shapes = {"word": (1, 2)}, {"char": (3,)}, {"word": (1, 2), "char": (3,)}
    words, letters, both = (
        np.split(rows.ids, rows.starts[1:-1]) for rows in (bags(TEXTS, kinds_of(orders, 2**30)) for orders in shapes)
    )
    for one, two, together in zip(words, letters, both, strict=True):
        assert set(together) == set(one) | set(two)


@pytest.mark.parametrize("unit", ["word", "char", "jamo"])
def test_a_bucket_is_spelled_as_an_ngram_that_falls_into_it(unit):
    texts, kinds = [normalise(text) for text in TEXTS if text], apart(kinds_of({unit: (1, 2, 3)}, 3), [2**28] * 3)
    ids = bags(texts, kinds).ids
    names = spelled(texts, kinds, ids)
    longest = {n: {names[i] for i in set(ids) - {1} if (i - 2) >> 28 == n - 1} for n in (1, 2, 3)}
    assert all(names_of_kind for names_of_kind in longest.values()), "each kind has buckets of its own"
    assert unit != "word" or all(len(split_units(name, unit)) == n for n in longest for name in longest[n])
    assert set(names) == set(ids) - {1}
    assert {"good", "was good", "the film was"} <= set(names.values()) if unit == "word" else "goo" in names.values()


def test_normalise():
    assert normalise("A <br /> B\n\t C") == "a b c"
    assert normalise(unicodedata.normalize("NFD", "한국")) == "한국"
    assert len(split_units("don't stop!", "word")) == 3


def test_kinds_of_ngrams_stay_below_the_number_of_buckets(predictor):
    assert encoding.disagreement({**predictor.meta, "kinds": []}, predictor.networks) == "a list is empty"
    texts = [f"word number {i % 7} of {i % 5} words" for i in range(100)]
    for most in (10, 30, 100, 2**24):
        kinds = encoding.ngram_kinds("char", texts, most)
        assert kinds and encoding.buckets_of(kinds) <= most and all(kind["buckets"] > 0 for kind in kinds)
    assert [(kind["unit"], kind["n"]) for kind in kinds] == [("word", n) for n in (1, 2, 3)] + [
        ("char", n) for n in range(1, 7)
    ]


def test_the_unit_is_chosen_from_the_texts():
    assert choose_unit(["재미있는 영화였다 정말 오랜만에 본 좋은 작품"] * 5) == "char"
    assert choose_unit(["Norwegen", "drei Tage"] * 5) == "char"
    assert choose_unit(["see you at the station at five then, bring the tickets"] * 5) == "char"
    review = "this is one sentence of a rather long review of a film that nobody but the reviewer ever saw"
    assert choose_unit([review] * 5) == "word"


# data


def write(path, rows, header="text,label"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def rows_of(count=40):
    return [f"{('good', 'bad')[i % 2]} film number {i},{('pos', 'neg')[i % 2]}" for i in range(count)]


def load(path, **knobs):
    return data.load_data(Config(**knobs), str(path), path.parent)


def test_own_file(tmp_path):
    splits = load(write(tmp_path / "a.csv", [*rows_of(), "good film number 0,pos", ",pos"]))
    assert sum(splits.sizes.values()) == 40 and "2 empty or repeated" in splits.source.source
    assert splits.meta["classes"] == ["neg", "pos"]
    tabs = write(tmp_path / "b.tsv", [row.replace(",", "\t") for row in rows_of()], "review\tstars")
    assert sum(load(tabs, text="review", label="stars").sizes.values()) == 40


def test_ten_folds_hold_each_text_once(tmp_path):
    path = write(tmp_path / "a.csv", rows_of(100))
    tested = [text for fold in range(1, 11) for text in load(path, fold=fold).sealed_test.inputs]
    assert len(tested) == 100 == len(set(tested))


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (rows_of(), "text,stars", "--label COLUMN"),
        (rows_of(), "review,stars", "--text COLUMN and --label COLUMN"),
        ([f"film {i},pos" for i in range(30)], "text,label", "one value only"),
        ([*rows_of(), "a film,"], "text,label", "row 42: label is empty"),
        ([f"film {i},{i}" for i in range(40)], "text,label", "40 different values"),
        ([*rows_of(), "so so,neutral"], "text,label", "'neutral' has 1 distinct texts"),
        ([], "text,label", "no rows"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, rows, header, message):
    with pytest.raises(UserError, match=re.escape(message)):
        load(write(tmp_path / "bad.csv", rows, header))


def test_a_file_in_two_encodings_is_one_sentence(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes("text,label\n영화,pos\n".encode() + "영화,neg\n".encode("cp949"))
    with pytest.raises(UserError, match="UTF-8"):
        load(path)


def test_unseen_labels_are_named_with_their_row(tmp_path, predictor):
    with pytest.raises(UserError, match="row 3: label is 'Klingon'"):
        data.labelled(write(tmp_path / "new.csv", ["3 dager,Norwegian", "tre,Klingon"]), predictor.meta)


# predictions


def test_the_caution_applies_to_few_validation_texts_and_is_part_of_the_answer(trained):
    run = trained("text_classification")
    predictor = run.load()
    validation = data.load_data(TOY, "builtin", run.data_dir).validation
    texts, concepts = validation.inputs, dict(zip(validation.inputs, validation.units, strict=True))
    assert not any(concepts[text].startswith("message ") for text in predictor.examples), "no messages of a program"
    familiarity = predictor.familiarity(texts, predictor.score(texts))
    assert np.mean(familiarity < 0) == pytest.approx(0.03, abs=0.01)
    for row in (int(familiarity.argmin()), int(familiarity.argmax())):
        assert predictor.predict(texts[row])["unfamiliar"] == (familiarity[row] < 0)
    table = pd.read_csv(run.path / "caution.csv")
    assert list(table["inputs"]) == ["test", "other languages", "random letters", "lines of a program"]
    assert table["flagged"].between(0, 1).all() and "comes with a caution" in (run.path / "MODEL_CARD.md").read_text()
    for text in ("Καλημέρα, τι κάνεις;", "สวัสดีครับ วันนี้เป็นอย่างไร", "नमस्ते, आप कैसे हैं?", "Добро утро, как си?"):
        assert predictor.predict(text)["unfamiliar"], "no class has shown these letters"
    assert "all classes" in encoding.disagreement({**predictor.meta, "letters": ["a"]}, predictor.networks)


def test_the_answer_is_complete(predictor):
    answer = predictor.predict(predictor.examples[0])
    assert answer["label"] in predictor.meta["classes"]
    assert sum(answer["classes"].values()) == pytest.approx(1)
    assert answer["probability"] == max(answer["classes"].values())
    for piece in answer["carried_by"]:
        assert predictor.examples[0][piece["start"] : piece["end"]] == piece["piece"]


@pytest.mark.parametrize("text", ["", "   \n ", None])
def test_an_empty_text_is_one_sentence(predictor, text):
    with pytest.raises(UserError, match="empty"):
        predictor.predict(text)


@pytest.mark.parametrize("text", ["😀😀 🎉", "\ud800 lone", "\x00\x01", "é" * 10, "가" * 100, "<br/>"])
def test_odd_texts_get_a_sensible_answer(predictor, text):
    answer = predictor.predict(text)
    assert isinstance(answer["unfamiliar"], bool)
    assert np.isfinite([piece["effect"] for piece in answer["carried_by"]]).all()


def test_a_megabyte_is_cut_and_answered(predictor):
    assert len(predictor.predict("hele verden " * 90_000)["carried_by"]) <= 250


def test_pieces_cover_the_text_in_order():
    for text in ("one", "two words", "many words in a row " * 400, "a\n\nb  c d"):
        spans = pieces(text)
        assert all(start < end for start, end in spans)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        assert len(spans) <= 250
        covered = "".join(text[start:end] for start, end in spans)
        assert covered.replace(" ", "").replace("\n", "") == re.sub(r"\s", "", text)
    assert checked("x" * 200_000) == "x" * 100_000


def test_a_batch_answers_as_each_text_alone(predictor):
    """Padding adds nothing: a short text's answer is the same beside a long one."""
    for texts in ([text for text in TEXTS if text] * 60, ["3 dage", "Kongeriget Danmark og alle dets øer " * 40]):
        alone = np.concatenate([predictor.score([text]) for text in texts[:6]])
        np.testing.assert_allclose(predictor.score(texts)[:6], alone, atol=1e-5)


def test_score_file_streams_and_leaves_nothing_half_written(tmp_path, predictor, monkeypatch):
    monkeypatch.setattr("projects.text_classification.predict.CHUNK_ROWS", 7)
    source = tmp_path / "in.csv"
    pd.DataFrame({"text": [*predictor.examples, "", "null"] * 3, "id": range(30)}).to_csv(source, index=False)
    assert score_file(predictor, source, tmp_path / "out.csv") == 30
    scored = pd.read_csv(tmp_path / "out.csv")
    assert list(scored) == ["text", "id", "predicted", "probability"] and scored["id"].tolist() == list(range(30))
    expected = predictor.decode(predictor.score(predictor.examples))
    assert scored["predicted"][:8].tolist() == expected["predicted"].tolist()
    with pytest.raises(UserError, match="no column 'review'"):
        score_file(predictor, source, tmp_path / "no.csv", "review")
    with pytest.raises(UserError, match="more than 10 rows"):
        score_file(predictor, source, tmp_path / "no.csv", max_rows=10)
    assert not (tmp_path / "no.csv").exists() and not list(tmp_path.glob(".*"))


def test_deleting_what_carried_the_answer_moves_it_more_than_chance(trained):
    """The check of the attribution: over validation texts, without its three top pieces a text loses more of its
    answer's log-odds than without three pieces drawn at random."""
    run = trained("text_classification")
    predictor = run.load()
    texts = [text for text in data.load_data(TOY, "builtin", run.data_dir).validation.inputs if len(text) > 15][:40]
    random = np.random.default_rng(0)
    gain = []
    for text in texts:
        label = int(predictor.score([text])[0].argmax())
        spans, effects = pieces(text), np.array([part["effect"] for part in predictor.predict(text)["carried_by"]])
        chosen = [np.argsort(-effects)[:3], *(random.permutation(len(spans))[:3] for _ in range(5))]
        variants = [without(text, [spans[i] for i in some]) for some in chosen]
        left = evaluation.class_log_odds(predictor.score([text, *variants]).astype(float), label)
        gain.append((left[0] - left[1]) - (left[0] - left[2:].mean()))
    resampled = [random.choice(gain, len(gain)).mean() for _ in range(1000)]
    assert np.percentile(resampled, 2.5) > 0


def without(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + " " + text[end:]
    return text


# the networks


@pytest.mark.parametrize("classes", [2, 3])
def test_the_bag_is_logistic_regression_on_naive_bayes_features(classes):
    """The logits are those of the formula, written out on a dense matrix. A class is compared with the mean class, and
    of two the second with the first. A text has one length, and an n-gram one weight, whatever the class.
    """
    texts, targets = ["ja ja", "ja nein", "nein", "oui", "oui non", "yes no", "no"], np.array([0, 0, 0, 1, 1, 2, 2])
    texts, targets = [text for text, k in zip(texts, targets, strict=True) if k < classes], targets[targets < classes]
    kinds = apart(kinds_of({"word": (1, 2)}, 3), [200, 310])
    rows = bags(texts, kinds)
    model = bag(Config(), {"classes": ["de", "fr", "en"][:classes], "kinds": kinds})
    start_from_naive_bayes(model, kinds, text_batches(rows, None, 4, targets))
    weights = np.random.default_rng(0).normal(size=(512, 1)).astype("float32")
    model.get_layer("weights").set_weights([weights])

    present = np.zeros((len(texts), 512))
    present[np.repeat(np.arange(len(texts)), rows.lengths), rows.ids] = 1
    counts = np.stack([present[targets == k].sum(0) for k in range(classes)])
    likely = np.zeros((classes, 512))
    for part in (slice(2, 202), slice(202, 512)):  # a kind of n-grams each
        inside = counts[:, part] + 2 / classes
        likely[:, part] = np.log(inside / inside.sum(axis=1, keepdims=True))
    likely[:, counts.sum(0) < 2] = 0
    likely[:, 1] = np.log([3, 2, 2][:classes])  # the constant stands for the frequency of the class
    ratios = (likely[1:] - likely[:1] if classes == 2 else likely - likely.mean(axis=0)).T
    length = np.sqrt((present @ np.square(ratios)).mean(axis=1, keepdims=True))
    expected = present @ (ratios * weights) / length
    expected = np.hstack([-expected, expected]) if classes == 2 else expected
    np.testing.assert_allclose(model(rows.padded(np.arange(len(texts)), 9)), expected, atol=1e-5)


def test_interpolation_finds_the_weights_at_which_the_labels_are_likeliest():
    """Weights that know nothing are given up for one weight a kind of n-grams; weights that know all are kept."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefgh"), 5)) for _ in range(600)]
    kinds = apart(kinds_of({"word": (1,), "char": (1,)}, 3), [64, 32])
    rows = bags(texts, kinds)
    present = np.zeros((600, 98))
    present[np.repeat(np.arange(600), rows.lengths), rows.ids] = 1
    ratios, weights = random.normal(size=(2, 98, 1)).astype("float32")
    ratios[:2] = 0
    of_kind = np.repeat([0.0, 1.0, -0.5], [2, 64, 32])[:, None]
    scaled = present * ratios[:, 0] / np.linalg.norm(present * ratios[:, 0], axis=1, keepdims=True)
    for truth in (10 * of_kind, 10 * weights):
        targets = (random.random(600) < 1 / (1 + np.exp(-2 * (scaled @ truth)[:, 0]))).astype(int)
        model = bag(Config(), {"classes": ["no", "yes"], "kinds": kinds})
        for name, values in (("ratios", ratios), ("weights", 10 * weights)):
            model.get_layer(name).set_weights([values])
        interpolate(model, kinds, text_batches(rows, None, 100, targets))
        error = (model.get_layer("weights").get_weights()[0] - truth)[2:]
        assert np.linalg.norm(error) < 0.25 * np.linalg.norm(truth[2:])


def test_the_gradients_of_an_ngram_are_added_up_in_one_order():
    """TensorFlow's threads alone would give other last digits each time."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    values, rows = random.normal(size=(20_000, 30)).astype("float32"), random.integers(5000, size=20_000)
    steps = []
    for _ in range(60):
        weights, optimizer = keras.Variable(np.zeros((5000, 30), "float32")), reproducible(keras.optimizers.SGD(1.0))
        optimizer.apply([tf.IndexedSlices(values, rows, (5000, 30))], [weights])
        steps.append(keras.ops.convert_to_numpy(weights))
    expected = np.zeros((5000, 30))
    np.add.at(expected, rows, -values)
    np.testing.assert_allclose(steps[0], expected, atol=1e-4)
    assert all((step == steps[0]).all() for step in steps)


def test_batches_hold_every_text_once_and_few_shapes():
    texts = ["a b c d e f g h"[: 1 + i % 15] for i in range(500)]
    rows = sequences(texts, Vocabulary.of_words("abcdefgh ", 100), 400)
    stream = text_batches(rows, [4, 8, 15], 32, np.arange(500), seed=0)
    orders = []
    for epoch in (0, 1, 0):
        stream.epoch = epoch
        batches = [stream[i] for i in range(len(stream))]
        orders.append(np.concatenate([targets for _, targets in batches]))
        assert sorted(orders[-1]) == list(range(500))
        np.testing.assert_array_equal(orders[-1], np.concatenate(stream.batches))
        assert {inputs.shape[1] for inputs, _ in batches} <= {4, 8, 15}
        assert sum(len(inputs) != 32 for inputs, _ in batches) <= 1
        assert batches[0][0].shape[1] != batches[1][0].shape[1], "Keras would take the length for fixed"
    assert (orders[0] != orders[1]).any() and (orders[0] == orders[2]).all(), "an epoch has one order"


def test_sequences_keep_the_beginning_and_the_end():
    vocabulary = Vocabulary.of_words("abcdef", 100)
    rows = sequences(["abcdef", [], ["zzz", "a"]], vocabulary, 4)
    expected = [vocabulary.encode(list("abef")).tolist(), [UNKNOWN], [UNKNOWN, *vocabulary.encode(["a"])]]
    assert [rows[i].tolist() for i in range(3)] == expected
    assert UNKNOWN not in expected[0]
    assert symbols("a b c", "word", pairs=True) == ["a", "a b", "b", "b c", "c"] and not symbols("", "word", pairs=True)


@pytest.mark.parametrize("length", [1, 7, 90])
def test_regions_are_sums_over_a_window_and_padding_adds_nothing(length):
    """As a plain loop over the windows, also where the text is shorter than a window."""
    meta = {"classes": ["no", "yes"], "vocabulary": {"symbols": ["a", "b"]}}
    model = build_models(Config(model="region_cnn", units=3), meta)["region_cnn"]
    text = np.random.default_rng(length).integers(1, 4, size=length)
    table, output = (np.asarray(model.get_layer(name).get_weights()[0]) for name in ("embedding", "logits"))
    words = np.where(text[:, None] == UNKNOWN, 0, table[text])
    (window,), (stride,) = model.get_layer("means").pool_size, model.get_layer("means").strides
    regions = [words[max(0, end - window) : end].sum(axis=0) for end in range(0, length + window, stride)]
    expected = np.max(regions, axis=0) @ output[:, 0]
    for padded in (text, np.pad(text, (0, 9))):
        np.testing.assert_allclose(model(padded[None])[0], [-expected, expected], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["region_cnn", "simple_rnn", "gru", "lstm", "ensemble"])
def test_every_rung_trains_resumes_exactly_and_answers_alone_as_among_others(kind, tmp_path):
    project = Project("text_classification")
    config = dataclasses.replace(TOY, model=kind, languages=2)
    run, crashed = (
        runs.start(project, config, "builtin", tmp_path / "data", tmp_path / name) for name in ("runs", "crashed")
    )
    cli.train_run(run)
    names = ["bag", "region_cnn"] if kind == "ensemble" else [kind]
    epochs = list(range(1, 1 + 2 * len(names)))
    assert [row["epoch"] for row in run.history] == epochs
    predictor = run.load()
    assert sorted(predictor.networks) == names
    texts = [*predictor.examples, "et land " * 100]
    np.testing.assert_allclose(predictor.score(texts)[:2], predictor.score(texts[:2]), atol=1e-4)
    assert run.report["test"]["model"]["accuracy"]["value"] > 0.5

    if kind in ("region_cnn", "simple_rnn", "lstm"):
        return  # resumed as the ensemble's region_cnn and the gru are
    begun = []

    def crash(epoch, logs):
        """Fail at the beginning of the last epoch."""
        begun.append(epoch)
        if len(begun) == len(epochs):
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        cli.train_run(crashed, (keras.callbacks.LambdaCallback(on_epoch_begin=crash),))
    before = crashed.history
    assert [row["epoch"] for row in before] == epochs[:-1]
    cli.train_run(crashed)
    assert crashed.finished and crashed.history[: len(before)] == before
    figures = ([{**row, "seconds": 0} for row in one.history] for one in (run, crashed))
    assert next(figures) == next(figures)
    assert crashed.report["validation"] == run.report["validation"] and crashed.report["test"] == run.report["test"]
    for name, network in crashed.load().networks.items():
        for resumed, uninterrupted in zip(network.get_weights(), predictor.networks[name].get_weights(), strict=True):
            np.testing.assert_array_equal(resumed, uninterrupted)


@pytest.mark.parametrize("other", ["DE", "De", "1.0", "01"])
def test_one_class_written_in_two_ways_is_refused(other, tmp_path):
    with pytest.raises(UserError, match="would be two classes"):
        load(write(tmp_path / "a.csv", [f"ein text {i},{('en', '0', '1', 'de', other)[i % 5]}" for i in range(200)]))


@pytest.mark.parametrize("other", ["1\u200b", "\ufeff1\u00a0"])
def test_a_class_is_what_one_sees_of_it(other, tmp_path):
    path = write(tmp_path / "a.csv", [f"ein text {i},{(other, '0', '1')[i % 3]}" for i in range(200)])
    assert load(path).meta["classes"] == ["0", "1"]
