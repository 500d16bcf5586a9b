"""What text classification promises beside the contract."""

import itertools
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from projects.text_classification import data, download
from projects.text_classification.config import TOY, Config
from projects.text_classification.ngrams import bags, codes, normalise, sequences, spelled, vocabulary_of
from projects.text_classification.predict import checked, choose_unit, pieces, score_file

TEXTS = ["the film was good", "a bad film", "", "😀", "그 영화 정말 재미있다", "x" * 3000]


@pytest.fixture(scope="module")
def predictor(request):
    return request.getfixturevalue("trained")("text_classification").load()


# n-grams


@pytest.mark.parametrize("unit", ["word", "char", "jamo"])
def test_bags_hold_the_distinct_ngrams_of_each_text_alone(unit):
    """As many ids as a plain loop finds n-grams, the same for a text alone as among others."""
    found = bags(TEXTS, {unit: (1, 2, 3)}, 2**30)
    for i, text in enumerate(TEXTS):
        plain = re.findall(r"[^\W_]+|[^\w\s]", text) if unit == "word" else list(f" {text} ")
        if unit == "jamo":
            plain = list(unicodedata.normalize("NFD", f" {text} "))
        expected = {tuple(plain[j : j + n]) for n in (1, 2, 3) for j in range(len(plain) - n + 1)}
        own = found.ids[found.starts[i] : found.starts[i + 1]]
        assert len(own) == len(expected) + 1 and (np.diff(own) > 0).all() and (own > 0).all()
        np.testing.assert_array_equal(own, bags([text], {unit: (1, 2, 3)}, 2**30).ids)


def test_a_bag_of_two_units_is_both_bags_together():
    shapes = {"word": (1, 2)}, {"char": (3,)}, {"word": (1, 2), "char": (3,)}
    words, letters, both = (
        np.split(found.ids, found.starts[1:-1]) for found in (bags(TEXTS, s, 2**30) for s in shapes)
    )
    for one, two, together in zip(words, letters, both, strict=True):
        assert set(together) == set(one) | set(two)


@pytest.mark.parametrize("unit", ["word", "char", "jamo"])
def test_a_bucket_is_spelled_as_an_ngram_that_falls_into_it(unit):
    texts, shape = [normalise(text) for text in TEXTS if text], ({unit: (1, 2, 3)}, 2**30)
    found = bags(texts, *shape)
    names = spelled(texts, *shape, found.ids)
    assert set(names) == set(found.ids) - {1}
    assert {"good", "was good", "the film was"} <= set(names.values()) if unit == "word" else "goo" in names.values()


def test_padding_keeps_every_id():
    found = bags(TEXTS, {"char": (1, 2)}, 1000)
    rows = np.array([4, 2, 0])
    padded = found.padded(rows, 50)
    assert padded.shape == (3, 50)
    for row, line in zip(rows, padded, strict=True):
        np.testing.assert_array_equal(line[line > 0], found.ids[found.starts[row] : found.starts[row + 1]])


def test_normalise():
    assert normalise("A <br /> B\n\t C") == "a b c"
    assert normalise(unicodedata.normalize("NFD", "한국")) == "한국"
    assert len(codes(["don't stop!"], "word")[0]) == 3


def test_the_unit_is_chosen_from_the_texts():
    assert choose_unit(["재미있는 영화였다 정말 오랜만에 본 좋은 작품"] * 5) == "char"
    assert choose_unit(["Norwegen", "drei Tage"] * 5) == "char"
    assert choose_unit(["see you at the station at five then, bring the tickets"] * 5) == "char"
    review = "this is one sentence of a rather long review of a film that nobody but the reviewer ever saw"
    assert choose_unit([review] * 5) == "word"


# data


def test_builtin_keeps_translations_together_and_repeats_nothing(tmp_path):
    splits = data.load_data(Config(languages=6), "builtin", tmp_path)
    parts = (splits.train, splits.validation, splits.sealed_test)
    concepts = [set(part.units) for part in parts]
    assert not concepts[0] & concepts[1] and not concepts[0] & concepts[2] and not concepts[1] & concepts[2]
    texts = [normalise(text) for part in parts for text in part.inputs]
    assert len(texts) == len(set(texts)) > 5000
    for part in parts:
        assert len(np.unique(part.targets)) == 6


def test_the_test_split_is_the_same_for_every_seed(tmp_path):
    first, second = (data.load_data(Config(languages=2, seed=seed), "builtin", tmp_path) for seed in (0, 7))
    assert first.sealed_test.inputs == second.sealed_test.inputs


def write(path, rows, header="text,label"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def rows_of(count=40):
    return [f"{('good', 'bad')[i % 2]} film number {i},{('pos', 'neg')[i % 2]}" for i in range(count)]


def own(path, **knobs):
    return data.load_data(Config(**knobs), str(path), path.parent)


def test_own_file(tmp_path):
    splits = own(write(tmp_path / "a.csv", [*rows_of(), "good film number 0,pos", ",pos"]))
    assert sum(splits.sizes.values()) == 40 and "2 empty or repeated" in splits.source.source
    assert splits.meta["classes"] == ["neg", "pos"]
    tabs = write(tmp_path / "b.tsv", [row.replace(",", "\t") for row in rows_of()], "review\tstars")
    assert sum(own(tabs, text="review", label="stars").sizes.values()) == 40


def test_ten_folds_hold_each_text_once(tmp_path):
    path = write(tmp_path / "a.csv", rows_of(100))
    tested = [text for fold in range(1, 11) for text in own(path, fold=fold).sealed_test.inputs]
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
        own(write(tmp_path / "bad.csv", rows, header))


def test_a_file_in_two_encodings_is_one_sentence(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes("text,label\n영화,pos\n".encode() + "영화,neg\n".encode("cp949"))
    with pytest.raises(UserError, match="UTF-8"):
        own(path)


def test_unseen_labels_are_named_with_their_row(tmp_path, predictor):
    path = write(tmp_path / "new.csv", ["3 dager,Norwegian", "tre,Klingon"])
    with pytest.raises(UserError, match="row 3: label is 'Klingon'"):
        data.labelled(path, predictor.meta)


# standard sets, as their homes pack them


def test_the_homes_archives_are_read_without_unpacking(tmp_path, monkeypatch):
    import io
    import tarfile
    import zipfile

    def tar(path, files):
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))

    monkeypatch.setattr(download, "ROWS", {"imdb": (3, 1), "rt_polarity": (3,), "sms_spam": (2,)})
    with zipfile.ZipFile(tmp_path / "sms+spam+collection.zip", "w") as archive:
        archive.writestr("SMSSpamCollection", "ham\tOk lar\nspam\tWIN £100\n")
    assert download.whole("sms_spam", tmp_path)[:2] == (["Ok lar", "WIN £100"], ["ham", "spam"])
    reviews = {
        "rt-polaritydata/rt-polarity.neg": b"bad \ndull \n",
        "rt-polaritydata/rt-polarity.pos": "café ".encode("latin-1"),
    }
    tar(tmp_path / "rt_polarity" / "rt-polaritydata.tar.gz", reviews)
    texts, labels, _ = download.whole("rt_polarity", tmp_path)
    assert texts == ["bad", "dull", "café"] and labels == ["negative", "negative", "positive"]
    names = ("train/pos/1_9", "train/neg/10_2", "train/neg/9_1", "test/pos/0_10", "train/unsup/0_0")
    tar(tmp_path / "imdb" / "aclImdb_v1.tar.gz", {f"aclImdb/{name}.txt": name.encode() for name in names})
    train, test, _ = download.official("imdb", tmp_path)
    assert train == (["train/neg/9_1", "train/neg/10_2", "train/pos/1_9"], ["negative", "negative", "positive"])
    assert test == (["test/pos/0_10"], ["positive"])


def test_a_broken_archive_a_short_file_and_no_network_are_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "sms+spam+collection.zip").write_bytes(b"PK not a zip")
    with pytest.raises(UserError, match="not a complete archive"):
        download.whole("sms_spam", tmp_path)
    (tmp_path / "SMSSpamCollection").write_text("ham\tOk\n", encoding="utf-8")
    with pytest.raises(UserError, match="holds 1 texts; sms_spam has 5,574"):
        download.whole("sms_spam", tmp_path)
    home = (tmp_path / "nowhere" / "ratings_train.txt").as_uri()
    monkeypatch.setattr(download, "HOMES", {"nsmc": (home, home)})
    with pytest.raises(UserError, match=r"put it there as ratings_train\.txt"):
        download.official("nsmc", tmp_path)
    assert not list((tmp_path / "nsmc").glob("*"))


def test_an_official_split_leaves_test_texts_out_of_training(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ROWS", {"nsmc": (42, 2)})
    rows = [f"{i}\t영화 {i}\t{i % 2}" for i in range(40)] + ["40\t최고\t1", "41\t영화 3\t1"]
    write(tmp_path / "ratings_train.txt", rows, "id\tdocument\tlabel")
    write(tmp_path / "ratings_test.txt", ["50\t최고\t1", "51\t영화 99\t0"], "id\tdocument\tlabel")
    splits = data.load_data(Config(), "nsmc", tmp_path)
    assert splits.sizes == {"train": 36, "validation": 4, "test": 2} and "2 repeated texts" in splits.source.source
    assert splits.meta["classes"] == ["negative", "positive"]


def test_quotes_are_packing_in_imdb_and_signs_in_nsmc(tmp_path, monkeypatch):
    import gzip

    monkeypatch.setattr(download, "ROWS", {"imdb": (3, 1), "nsmc": (3, 1)})
    rows = ["0\t0\tplain", '1\t0\t"He said ""no"" twice"', '2\t1\tone " alone']
    for part, own in (("train", rows), ("test", rows[1:2])):
        (tmp_path / f"{part}.tsv.gz").write_bytes(gzip.compress("\n".join(["id\tlabel\ttext", *own, ""]).encode()))
        write(tmp_path / f"ratings_{part}.txt", own, "id\tlabel\tdocument")
    assert download.official("imdb", tmp_path)[0][0] == ["plain", 'He said "no" twice', 'one " alone']
    assert download.official("nsmc", tmp_path)[0][0] == ["plain", '"He said ""no"" twice"', 'one " alone']


def test_imdb_validates_on_the_end_of_each_class(tmp_path, monkeypatch):
    """Reviews of one film stand together: those of a film in training are not in validation."""
    import gzip

    monkeypatch.setattr(download, "ROWS", {"imdb": (200, 2)})
    train = [f"{label}\tfilm {i // 5} {label} seen {i}" for label in (0, 1) for i in range(100)]
    for part, rows in (("train", train), ("test", ["0\tother", "1\tanother"])):
        (tmp_path / f"{part}.tsv.gz").write_bytes(gzip.compress("\n".join(["label\ttext", *rows, ""]).encode()))
    splits = data.load_data(Config(seed=3), "imdb", tmp_path)
    assert splits.sizes == {"train": 180, "validation": 20, "test": 2}
    films = [{text.split()[1] for text in part.inputs} for part in (splits.train, splits.validation)]
    assert films[1] == {"18", "19"} and not films[0] & films[1]


# predictions


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
    assert 0 <= answer["known"] <= 1 and np.isfinite([piece["effect"] for piece in answer["carried_by"]]).all()


def test_a_megabyte_is_cut_and_answered(predictor):
    answer = predictor.predict("hele verden " * 90_000)
    assert len(answer["carried_by"]) <= 250


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
    texts = [text for text in TEXTS if text] * 60
    together = predictor.score(texts)
    alone = np.concatenate([predictor.score([text]) for text in texts[:6]])
    np.testing.assert_allclose(together[:6], alone, atol=1e-4)


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
        score_file(predictor, source, tmp_path / "no.csv", most=10)
    assert not (tmp_path / "no.csv").exists() and not list(tmp_path.glob(".*"))


def test_deleting_what_carried_the_answer_moves_it_more_than_chance(trained):
    """The check of the attribution: over validation texts, without its three top pieces a text loses more of its
    answer's log-odds than without three pieces drawn at random."""
    from projects.text_classification.predict import log_odds_of

    run = trained("text_classification")
    predictor = run.load()
    texts = [text for text in data.load_data(TOY, "builtin", run.data_dir).validation.inputs if len(text) > 15][:40]
    random = np.random.default_rng(0)
    top, chance = [], []
    for text in texts:
        label = int(predictor.score([text])[0].argmax())
        spans, effects = pieces(text), np.array(predictor.contributions(text, label))
        chosen = [np.argsort(-effects)[:3], *(random.permutation(len(spans))[:3] for _ in range(5))]
        variants = [without(text, [spans[i] for i in some]) for some in chosen]
        left = log_odds_of(predictor.score([text, *variants]).astype(float), label)
        top.append(left[0] - left[1])
        chance.append(left[0] - left[2:].mean())
    gain = np.array(top) - np.array(chance)
    resampled = [random.choice(gain, len(gain)).mean() for _ in range(1000)]
    assert np.percentile(resampled, 2.5) > 0


def without(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + " " + text[end:]
    return text


# the network


def test_the_bag_is_logistic_regression_on_naive_bayes_features():
    """The log-odds are those of the formula, written out on a dense matrix."""
    from projects.text_classification.batches import Batches
    from projects.text_classification.model import bag, start_from_naive_bayes

    texts, targets = ["good film", "good fun", "good", "bad film", "bad luck"], np.array([1, 1, 1, 0, 0])
    buckets = 512
    found = bags(texts, {"word": (1, 2)}, buckets)
    model = bag(Config(), {"classes": ["no", "yes"], "buckets": buckets, "unit": "word"})
    start_from_naive_bayes(model, Batches(found, targets, 4))
    weights = np.random.default_rng(0).normal(size=(buckets, 1)).astype("float32")
    model.get_layer("weights").set_weights([weights])

    present = np.zeros((5, buckets))
    for row in range(5):
        present[row, found.ids[found.starts[row] : found.starts[row + 1]]] = 1
    inside, outside = present[targets == 1].sum(0) + 1, present[targets == 0].sum(0) + 1
    ratio = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    ratio[present.sum(0) < 2] = 0
    ratio[1] = np.log(3 / 2)  # what every text has stands for the share of the class
    scaled = present * ratio
    expected = scaled @ weights[:, 0] / np.linalg.norm(scaled, axis=1)
    log_odds = np.asarray(model(found.padded(np.arange(5), 9)))
    np.testing.assert_allclose(log_odds, np.stack([-expected, expected], axis=1), atol=1e-5)


def test_interpolation_finds_the_share_at_which_the_labels_are_likeliest():
    """Weights that know nothing are given up for naive Bayes' one weight; weights that know all are kept."""
    from projects.text_classification.batches import Batches
    from projects.text_classification.model import bag, interpolate

    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefgh"), 5)) for _ in range(300)]
    found = bags(texts, {"word": (1,)}, 64)
    present = np.zeros((300, 64))
    present[np.repeat(np.arange(300), found.lengths), found.ids] = 1
    ratios, weights = random.normal(size=(2, 64, 1)).astype("float32")
    ratios[:2] = 0
    for truth, expected in ((ratios * np.abs(weights).mean(), 0), (ratios * weights, 1)):
        targets = (random.random(300) < 1 / (1 + np.exp(-8 * (present @ truth)[:, 0]))).astype(int)
        model = bag(Config(), {"classes": ["no", "yes"], "buckets": 64, "unit": "word"})
        for name, values in (("ratios", ratios), ("weights", weights)):
            model.get_layer(name).set_weights([values])
        interpolate(model, Batches(found, targets, 100))
        share = 1 - np.linalg.norm(
            (model.get_layer("weights").get_weights()[0] - weights)[ratios != 0]
        ) / np.linalg.norm((np.abs(weights[ratios != 0]).mean() - weights)[ratios != 0])
        assert share == pytest.approx(expected, abs=0.25)


def test_two_texts_of_different_length_do_not_touch_each_other(predictor):
    """Padding adds nothing: a short text's answer is the same beside a long one."""
    short, long = "3 dage", "Kongeriget Danmark og alle dets øer " * 40
    np.testing.assert_allclose(predictor.score([short, long])[0], predictor.score([short])[0], atol=1e-5)


def test_batches_hold_every_text_once_and_few_shapes():
    from projects.text_classification.batches import Batches

    texts = ["a b c d e f g h"[: 1 + i % 15] for i in range(500)]
    found = sequences(texts, "char", vocabulary_of(texts, "char", 100), 400)
    batches = Batches(found, np.arange(500), 32, limits=[4, 8, 15], seed=0)
    for _ in range(2):
        seen = [batches[i] for i in range(len(batches))]
        assert sorted(np.concatenate([targets for _, targets in seen])) == list(range(500))
        assert {inputs.shape[1] for inputs, _ in seen} <= {4, 8, 15}
        assert sum(len(inputs) != 32 for inputs, _ in seen) <= 1
        assert seen[0][0].shape[1] != seen[1][0].shape[1], "Keras would take the length for fixed"
        batches.on_epoch_end()


def test_sequences_keep_the_beginning_and_the_end():
    vocabulary = vocabulary_of(["a b c d e f", "a b"], "word", 100, least=1)
    found = sequences(["a b c d e f", "", "zzz a"], "word", vocabulary, 4)
    unknown = len(vocabulary) + 1
    expected = [[vocabulary.index(word) + 1 for word in "abef"], [unknown], [unknown, vocabulary.index("a") + 1]]
    assert [found.ids[a:b].tolist() for a, b in itertools.pairwise(found.starts)] == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "simple_rnn", "gru", "lstm", "ensemble"])
def test_every_rung_trains_and_answers_alone_as_among_others(kind, tmp_path):
    import dataclasses

    from common import cli, runs
    from common.project import Project

    project = Project("text_classification")
    config = dataclasses.replace(TOY, model=kind, languages=2)
    run = runs.start(project, config, "builtin", tmp_path / "data", tmp_path / "runs")
    cli.train_run(run)
    rows = 4 if kind == "ensemble" else 2
    assert [row["epoch"] for row in run.history] == list(range(1, rows + 1))
    predictor = run.load()
    assert sorted(predictor.networks) == (["bag", "cnn"] if kind == "ensemble" else [kind])
    texts = [*predictor.examples, "et land " * 100]
    np.testing.assert_allclose(predictor.score(texts)[:2], predictor.score(texts[:2]), atol=1e-4)
    assert run.report["test"]["model"]["accuracy"]["value"] > 0.5


@pytest.mark.slow
def test_a_crashed_ensemble_goes_on_with_its_second_part(tmp_path):
    import dataclasses

    import keras

    from common import cli, runs
    from common.project import Project

    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if self.model.name == "cnn" and epoch == 1:
                raise RuntimeError("crash")

    project = Project("text_classification")
    config = dataclasses.replace(TOY, model="ensemble", languages=2)
    run = runs.start(project, config, "builtin", tmp_path / "data", tmp_path / "runs")
    with pytest.raises(RuntimeError, match="crash"):
        cli.train_run(run, (Crash(),))
    first = run.history
    assert [row["epoch"] for row in first] == [1, 2, 3]
    cli.train_run(run)
    assert run.finished and [row["epoch"] for row in run.history] == [1, 2, 3, 4] and run.history[:3] == first
