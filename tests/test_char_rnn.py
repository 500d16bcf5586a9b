"""What only the character models promise."""

import dataclasses
import itertools
import math
import re
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from common import cli, runs
from common.errors import UserError
from common.inputs import text
from common.layers.recurrent import accelerate
from common.project import Project
from projects.char_rnn import data as data_module
from projects.char_rnn.config import HELLO, TOY, Config
from projects.char_rnn.data import BLOCK, SHARES, Stream, load_data, read_labelled
from projects.char_rnn.evaluate import baselines, figures
from projects.char_rnn.generate import choose, make_loop, write
from projects.char_rnn.learn import Pieces
from projects.char_rnn.model import build_model, build_network
from projects.char_rnn.ngram import KneserNey, best_order
from projects.char_rnn.predict import LANES, STEPS, Predictor, check_settings
from projects.char_rnn.units import properties, reactions
from projects.char_rnn.unroll import unroll
from tests.conftest import ROOT

PROJECT = Project("char_rnn")
SYMBOLS = list("helo wrd\n")
META = {"vocabulary": SYMBOLS, "jamo": False, "window": 16, "examples": []}


def stream_of(ids, symbols=9) -> Stream:
    return Stream(np.asarray(ids, np.uint16), 0, len(ids), symbols)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """An untrained network of two layers whose weights are large enough to make a difference, not to make chaos."""
    keras.utils.set_random_seed(0)
    network = build_network(Config(model="lstm", layers=2, units=12, dropout=0.3), META)
    network.set_weights([1.5 * weight for weight in network.get_weights()])
    return Predictor({"model": network}, META)


@pytest.fixture(scope="module")
def some_ids():
    return np.random.default_rng(0).integers(0, len(SYMBOLS) + 1, 6001)  # unknown ones among them


# Text


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3) | st.sampled_from("aé ㅋ\n—")))
def test_jamo_there_and_back(sentence):
    apart = text.to_jamo(sentence)
    assert not any("가" <= symbol <= "힣" for symbol in apart)
    assert text.from_jamo(apart) == sentence


def test_jamo_by_hand():
    assert text.to_jamo("한글é") == "\u1112\u1161\u11ab\u1100\u1173\u11afé"  # é stays one character
    assert text.from_jamo("\u1112\u11ab") == "\u1112\u11ab", "no syllable without a vowel"
    assert [text.settled(word) for word in ("a가", "a간", "a\u1100", "a", "")] == [1, 2, 1, 1, 0]


@given(st.text())
def test_encoder_knows_what_it_has_learnt(sentence):
    encoder = text.Encoder()
    ids = encoder.encode(sentence, learn=True)
    assert text.decode(ids, encoder.symbols) == sentence
    assert encoder.symbols == list(dict.fromkeys(sentence)), "in the order of first appearance"
    assert encoder.unknown(sentence + "\uf8ff") == [symbol for symbol in ["\uf8ff"] if symbol not in sentence]


def test_a_file_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "PIECE", 5)
    content = "\ufeffone\r\ntwo\rthree 한글 é\r\n"
    (tmp_path / "t.txt").write_bytes(content.encode())
    assert "".join(text.read_text(tmp_path / "t.txt")) == "one\ntwo\nthree 한글 é\n"


@pytest.mark.parametrize("before", [0, 3, 4, 9])
def test_the_byte_that_is_not_utf8_is_named(tmp_path, monkeypatch, before):
    monkeypatch.setattr(text, "PIECE", 4)
    path = tmp_path / "latin.txt"
    path.write_bytes(b"\n" * before + b"\xff" + b"abcdefgh")
    with pytest.raises(UserError, match=rf"byte {before} \(line {before + 1}\) is 0xff"):
        list(text.read_text(path))
    path.write_bytes(b"a" * before + "é".encode()[:1])  # cut off in the middle of a character
    with pytest.raises(UserError, match=rf"byte {before} "):
        list(text.read_text(path))


# Data


def load(path: Path, tmp_path: Path, config: Config = TOY):
    return load_data(config, str(path), tmp_path / "data")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"a", "has 1 character;"),
        (b"ab" * 300, "has 600 characters;"),
        (b"abc \xe9" * 400, "byte 4 "),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 6000))).encode(), "is it a text"),
        ("".join(map(chr, range(0xAC00, 0xAC00 + 6000))).encode(), "--jamo"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load(path, tmp_path)
    assert not list(tmp_path.glob("data/*")), "something half-written stayed behind"


def test_a_folder_is_not_a_text(tmp_path):
    with pytest.raises(UserError, match="folder"):
        load(tmp_path, tmp_path)


def test_three_stretches_and_a_vocabulary_of_the_training_part(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("Yab c" + "ab c" * 1099 + "Z", encoding="utf-8")
    splits = load(path, tmp_path)
    parts = [splits.validation.inputs, splits.train.inputs, splits.sealed_test.inputs]
    assert [part.characters for part in parts] == [220, 3741, 441]
    assert splits.meta["vocabulary"] == ["a", "b", " ", "c"], "Y and Z are not in the training part"
    assert list(splits.sizes.values()) == [4, 1, 1]
    joined = np.concatenate([part.read(0, part.characters) for part in parts])
    shown = text.decode(joined, splits.meta["vocabulary"], "?")
    assert shown == re.sub("[YZ]", "?", path.read_text(encoding="utf-8"))
    assert np.concatenate(list(parts[1])).tolist() == joined[220:3961].tolist(), "blocks make up the stretch"
    limited = load(path, tmp_path, dataclasses.replace(TOY, characters=2000))
    assert sum(part.inputs.characters for part in (limited.train, limited.validation, limited.sealed_test)) == 2000


def test_a_large_file_is_read_from_disk(tmp_path, monkeypatch):
    path = tmp_path / "t.txt"
    path.write_text("한글 text é\n" * 3000, encoding="utf-8")
    in_memory = load(path, tmp_path)
    monkeypatch.setattr(data_module, "IN_MEMORY", 100)
    load_data.cache_clear()
    on_disk = load(path, tmp_path)
    assert not isinstance(on_disk.train.inputs.ids, np.ndarray)
    assert on_disk.meta == in_memory.meta and on_disk.source == in_memory.source
    for name in ("train", "validation", "sealed_test"):
        one, other = getattr(in_memory, name).inputs, getattr(on_disk, name).inputs
        assert one.read(0, one.characters).tolist() == other.read(0, other.characters).tolist()
        assert one.read(5, 9).tolist() == other.read(5, 9).tolist()


def test_memory_stays_flat(tmp_path):
    """Three times as much text takes no more memory to load and to read batches of."""
    peaks = []
    for megabytes in (10, 30):
        path = tmp_path / f"{megabytes}.txt"
        path.write_bytes(b"a text that is read in pieces of four million bytes\n" * (20_000 * megabytes))
        tracemalloc.start()
        pieces = Pieces(load(path, tmp_path, Config()).train.inputs, Config())
        for step in range(0, len(pieces), 50):
            pieces[step]
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
        load_data.cache_clear()
    assert peaks[1] < 1.05 * peaks[0], f"peaks of {peaks} MB for 10 and 30 MB of text"


def test_builtin_repeats_no_paragraph():
    splits = load_data(Config(), "builtin", Path())
    parts = [splits.train.inputs, splits.validation.inputs, splits.sealed_test.inputs]
    vocabulary = splits.meta["vocabulary"]
    seen, again = set(), 0
    for part in parts:
        for paragraph in text.decode(part.read(0, part.characters), vocabulary).split("\n\n"):
            key = " ".join(paragraph.split())
            again += key in seen and len(key) > 0
            seen.add(key)
    assert again <= 2, "only a paragraph cut by a border of the parts may meet itself"


def test_stdlib_is_python_source():
    splits = load_data(Config(), "stdlib", Path())
    train = splits.train.inputs
    assert 500_000 < train.characters < 1_000_000
    assert "import " in text.decode(train.read(0, 20_000), splits.meta["vocabulary"])


def test_shakespeare_is_the_usual_file_or_none(tmp_path, monkeypatch):
    (tmp_path / "tiny_shakespeare").mkdir()
    (tmp_path / "tiny_shakespeare" / "input.txt").write_text("something else")
    with pytest.raises(UserError, match="SHA-256"):
        load_data(TOY, "shakespeare", tmp_path)
    monkeypatch.setattr(data_module, "SHAKESPEARE_URL", "http://127.0.0.1:9/input.txt")
    with pytest.raises(UserError, match=r"other.tiny_shakespeare.input\.txt is not there .* put it there"):
        load_data(TOY, "shakespeare", tmp_path / "other")
    assert not [path for path in (tmp_path / "other").rglob("*") if path.is_file()]


def test_shakespeare_is_split_as_usual(datasets):
    splits = load_data(Config(), "shakespeare", datasets)
    test = splits.sealed_test.inputs
    assert test.characters == 1_115_394 - int(0.9 * 1_115_394), "the usual last tenth"
    assert splits.train.inputs.start + splits.train.inputs.characters == test.start, (
        "the test follows the training part"
    )
    assert len(splits.meta["vocabulary"]) == 65 and sum(SHARES.values()) == pytest.approx(1)


# The network


@pytest.mark.parametrize("kind", ["simple_rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_network_is_the_recurrence_of_the_lecture(kind, layers):
    """Against NumPy, step by step: log-odds, states and losses; an unknown character is all zeros."""
    keras.utils.set_random_seed(1)
    network, random = (
        build_network(Config(model=kind, layers=layers, units=7, dropout=0.4), META),
        np.random.default_rng(0),
    )
    accelerate(network)
    for weight in network.weights:
        weight.assign(random.normal(size=weight.shape))
    ids = np.array([0, 1, 9, 2, 2, 3, 8, 5])
    steps = unroll(network, kind, ids)
    zeros = [np.zeros((1, 7), "float32") for _ in network.inputs[1:]]
    log_odds, *states = network.predict_on_batch([ids[None, :-1].astype("int32"), *zeros])
    np.testing.assert_allclose(log_odds[0], [step["log_odds"] for step in steps], atol=1e-5)
    expected = [state for layer in steps[-1]["states"] for state in layer]
    np.testing.assert_allclose(np.concatenate(states), expected, atol=1e-5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        ids[1:][steps_known(ids)], log_odds[0][steps_known(ids)]
    )
    assert float(loss) == pytest.approx(np.mean([step["loss"] for step in steps if step["target"] < 9]), abs=1e-5)


def steps_known(ids):
    return np.flatnonzero(ids[1:] < len(SYMBOLS))


@pytest.mark.parametrize("embedding", [0, 5])
def test_a_text_may_be_read_in_pieces(embedding):
    network = build_network(Config(model="gru", layers=2, units=6, embedding=embedding), META)
    ids = np.random.default_rng(0).integers(0, len(SYMBOLS) + 1, (2, 30)).astype("int32")
    zeros = [np.zeros((2, 6), "float32")] * 2
    whole, *_ = network.predict_on_batch([ids, *zeros])
    first, *states = network.predict_on_batch([ids[:, :11], *zeros])
    second, *_ = network.predict_on_batch([ids[:, 11:], *states])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)


def test_reader_carries_the_state_from_batch_to_batch():
    config = Config(model="lstm", layers=1, units=6, dropout=0.0)
    whole_model, model = build_model(config, META, 3, 16), build_model(config, META, 3, 8)
    model.network.set_weights(whole_model.network.get_weights())
    ids = np.random.default_rng(0).integers(0, len(SYMBOLS), (3, 16)).astype("int32")
    go_on, anew = np.ones((3, 1), "float32"), np.zeros((3, 1), "float32")
    whole = np.asarray(whole_model([ids, anew]))
    first = np.asarray(model([ids[:, :8], anew]))
    second = np.asarray(model([ids[:, 8:], go_on]))
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
    again = np.asarray(model([ids[:, :8], np.array([[0], [1], [0]], "float32")]))
    np.testing.assert_allclose(again[[0, 2]], first[[0, 2]], atol=1e-6)
    assert np.abs(again[1] - first[1]).max() > 1e-4, "a row that is kept does not start from zero"


def test_rows_of_batches_go_on_where_they_ended():
    stream = stream_of(np.arange(40_000) % 7919, 10_000)
    config = Config(batch_size=4, sequence=16)
    pieces = Pieces(stream, config)
    shown = [pieces[i] for i in range(len(pieces))]
    for ((before, _), _), ((after, _), _) in itertools.pairwise(shown):
        assert ((after[:, 0] - before[:, -1]) % 7919 == 1).all()
    (ids, keep), following = shown[5]
    assert ids.shape == following.shape == (4, 16) and keep.shape == (4, 1)
    assert (ids[:, 1:] == following[:, :-1]).all()
    assert not shown[0][0][1].any(), "the first piece starts from zero"
    share = np.mean([1 - keep for (_, keep), _ in shown[1:]])
    assert 0 < share < 0.06, "now and then a row starts anew, so that beginnings are learnt"
    pieces.on_epoch_end()
    resumed = Pieces(stream, config, epoch=1)
    assert (pieces[3][1] == resumed[3][1]).all(), "a training that goes on reads what it would have read"
    assert (pieces[3][1] != shown[3][1]).any()


def test_a_long_text_takes_several_epochs(monkeypatch):
    from projects.char_rnn import learn

    monkeypatch.setattr(learn, "MOST_STEPS", 60)
    stream = stream_of(np.arange(4 * 16 * 200) % 7919, 10_000)
    pieces = Pieces(stream, Config(batch_size=4, sequence=16))
    assert len(pieces) == 60 < pieces.whole
    last, pieces.epoch = pieces[59], 1
    assert (pieces[0][0][0][:, 0] == (last[1][:, -1])).all(), "the next epoch goes on there"


# Figures


def step_by_step(predictor, ids, window=None):
    """-log p of each character from the second on, read one after the other in a single lane."""
    network = predictor.networks["model"]
    nats = []
    for begin in range(0, len(ids) - 1, window or len(ids)):
        part = ids[begin : begin + (window or len(ids)) + 1]
        steps = unroll(network, "lstm", part)
        nats += [step["loss"] for step in steps]
    return np.array(nats)


@pytest.mark.parametrize("window", [None, 16, 100])
@pytest.mark.parametrize("characters", [50, 6001])
def test_scores_are_of_the_whole_text(predictor, some_ids, window, characters):
    ids = some_ids[:characters]
    assert (characters - 1 >= LANES * STEPS) == (characters == 6001), "both ways of reading are tried"
    sums = predictor.score(stream_of(ids), window)
    expected = step_by_step(predictor, ids, window)
    counted = ids[1:] < len(SYMBOLS)
    assert sums["characters"].sum() == counted.sum(), "each known character is counted once"
    blocks = np.arange(1, characters) // BLOCK
    by_block = np.bincount(blocks, np.where(counted, expected, 0))
    np.testing.assert_allclose(sums["nats"], by_block, rtol=1e-4)
    assert sums["right"].sum() < counted.sum()


def test_figures_are_means_over_characters(predictor, some_ids):
    sums = predictor.score(stream_of(some_ids))
    found = figures(sums, sums)(np.ones(len(sums["nats"])))
    assert found["bits_per_character"] == pytest.approx(found["nats_per_character"] / math.log(2))
    assert found["nats_per_character"] == pytest.approx(sums["nats"].sum() / sums["characters"].sum())
    nats, counts = predictor.by_place(stream_of(some_ids), 16)
    windows = predictor.score(stream_of(some_ids), 16)
    assert nats.sum() == pytest.approx(windows["nats"].sum()) and counts.sum() == windows["characters"].sum()


def kneser_ney_by_hand(training, context, symbols, discounts):
    """The textbook's recursion with dictionaries: the distribution after `context`."""

    def shares(context, highest):
        length = len(context)
        followers = Counter()
        if highest:
            for i in range(length, len(training)):
                if training[i - length : i] == context:
                    followers[training[i]] += 1
        else:
            before = defaultdict(set)
            for i in range(length + 1, len(training)):
                if training[i - length : i] == context:
                    before[training[i]].add(training[i - length - 1])
            followers = Counter({symbol: len(found) for symbol, found in before.items()})
        lower = shares(context[1:], False) if length else np.full(symbols, 1 / symbols)
        total = sum(followers.values())
        if not total:
            return lower
        taken = {symbol: min(count, discounts(length, highest)[min(count, 3)]) for symbol, count in followers.items()}
        own = np.zeros(symbols)
        for symbol, count in followers.items():
            own[symbol] = (count - taken[symbol]) / total
        return own + sum(taken.values()) / total * lower

    return shares(context, True)


def test_kneser_ney_is_the_textbooks(monkeypatch):
    from projects.char_rnn import ngram

    # fixed discounts, so that the recursion is compared and not the estimate
    def fixed(keys, counts, rows, symbols):
        context, following = np.divmod(keys, symbols)
        taken = np.minimum(np.array([0, 0.5, 0.8, 1.1])[np.minimum(counts, 3)], counts)
        totals = np.bincount(context, counts, minlength=rows)
        safe = np.where(totals, totals, 1)
        table = ngram.sparse.csr_array(((counts - taken) / safe[context], (context, following)), shape=(rows, symbols))
        return table, np.where(totals, np.bincount(context, taken, minlength=rows) / safe, 1.0)

    monkeypatch.setattr(ngram, "_discounted", fixed)
    random = np.random.default_rng(0)
    training = random.integers(0, 4, 60)
    model = KneserNey(training, 4, longest=3)
    test = np.concatenate([training[:10], random.integers(0, 5, 30)])  # 4 is unknown
    found = model.shares(test, 3, 3)
    for place in range(3, len(test)):
        context = tuple(test[place - 3 : place].tolist())
        while context and not any(
            tuple(training[i : i + len(context)].tolist()) == context for i in range(len(training) - len(context))
        ):
            context = context[1:]
        if len(context) < 3:
            continue  # shorter contexts use the lower tables, which the recursion reaches below
        expected = kneser_ney_by_hand(tuple(training.tolist()), context, 4, lambda *_: [0, 0.5, 0.8, 1.1])
        np.testing.assert_allclose(found[place - 3], expected, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_ngram_is_scored_as_the_network(some_ids, monkeypatch):
    from projects.char_rnn import ngram

    training = some_ids[some_ids < len(SYMBOLS)]
    model = KneserNey(training, len(SYMBOLS), 5)
    stream = stream_of(some_ids)
    whole = model.score(stream, BLOCK, 4)
    assert whole["characters"].sum() == (some_ids[1:] < len(SYMBOLS)).sum()
    shares = model.shares(some_ids, 1, 4)
    known = some_ids[1:] < len(SYMBOLS)
    expected = -np.log(shares[known, some_ids[1:][known]]).sum()
    assert whole["nats"].sum() == pytest.approx(expected)
    # windows: each alone
    windows = model.score(stream, BLOCK, 4, 16)
    alone = 0.0
    for begin in range(0, 6000, 16):
        part = some_ids[begin : begin + 17]
        found = model.shares(part, 1, 4)
        inside = part[1:] < len(SYMBOLS)
        alone += -np.log(found[inside, part[1:][inside]]).sum()
    assert windows["nats"].sum() == pytest.approx(alone)
    monkeypatch.setattr(ngram, "DISTRIBUTIONS", 9 * 100)  # in small pieces, with borders inside windows
    for window, found in ((None, whole), (16, windows)):
        again = model.score(stream, BLOCK, 4, window)
        for name, values in found.items():
            np.testing.assert_allclose(again[name], values)


def test_baselines_know_more_the_more_they_count():
    splits = load_data(TOY, "builtin", Path())
    scorers, order = baselines(splits.train.inputs, splits.validation.inputs)
    nats = {}
    for name, score in scorers.items():
        sums = score(splits.validation.inputs, None)
        nats[name] = sums["nats"].sum() / sums["characters"].sum()
    assert nats["uniform"] == pytest.approx(math.log(len(splits.meta["vocabulary"])))
    assert nats["kneser_ney"] < 1.6 < nats["unigram"] < nats["uniform"]
    model = KneserNey(splits.train.inputs.read(0, splits.train.inputs.characters), splits.train.inputs.symbols)
    assert order == best_order(model, splits.validation.inputs, BLOCK) >= 5


# Writing


def logits(shares):
    return np.log(np.asarray([shares], "float32") + 1e-30)


@pytest.mark.parametrize(
    "settings, allowed",
    [
        ({}, {0, 1, 2, 3}),
        ({"temperature": 0.0}, {2}),
        ({"top_k": 2, "filtered": True}, {2, 3}),
        ({"top_k": 1, "filtered": True}, {2}),
        ({"top_p": 0.45, "filtered": True}, {2, 3}),
        ({"top_p": 0.0, "filtered": True}, {2}),
        ({"top_p": 0.9, "top_k": 3, "filtered": True}, {1, 2, 3}),
    ],
)
def test_only_allowed_characters_are_drawn(settings, allowed):
    given = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "filtered": False, **settings}
    shares = logits([0.1, 0.2, 0.4, 0.3])
    uniform = np.linspace(0, 0.9999999, 101, dtype="float32")
    drawn = [int(choose(shares, np.float32([u]), **given)[0]) for u in uniform]
    assert set(drawn) == allowed


def test_draws_have_the_distribution_that_temperature_makes():
    shares = np.array([0.1, 0.2, 0.4, 0.3])
    uniform = (np.arange(10_000, dtype="float32") + 0.5) / 10_000
    for temperature in (0.5, 1.0, 2.0):
        expected = shares ** (1 / temperature) / (shares ** (1 / temperature)).sum()
        for filtered in (False, True):
            drawn = choose(np.repeat(logits(shares), 10_000, axis=0), uniform, temperature, 0, 1.0, filtered)
            found = np.bincount(np.asarray(drawn), minlength=4) / 10_000
            np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_share_of_zero_is_never_drawn():
    shares = logits([0.5, 0.5, 0.0, 0.0])
    for uniform in (0.0, 0.5, 0.99999994):
        assert int(choose(shares, np.float32([uniform]), 1.0, 0, 1.0, False)[0]) in (0, 1)


@pytest.mark.parametrize("prompt", ["h", "hello world\n" * 12])
def test_the_compiled_loop_is_the_plain_one(predictor, prompt):
    """Greedy writing against one character after the other in NumPy, prompts shorter and longer than a call's loop."""
    ids = predictor.encode(prompt)
    for _ in range(70):
        steps = unroll(predictor.networks["model"], "lstm", np.append(ids, 0))
        ids = np.append(ids, steps[-1]["log_odds"].argmax())
    answer = predictor.predict({"prompt": prompt, "length": 70, "temperature": 0.0})
    assert answer["text"] == predictor.decode(ids)


def test_what_is_written_does_not_depend_on_how_much(predictor):
    raw = {"prompt": "he", "temperature": 1.0, "seed": 3}
    long = predictor.predict({**raw, "length": 200})["text"]
    for length in (1, 62, 63, 64, 65, 130):
        assert predictor.predict({**raw, "length": length})["text"] == long[: 2 + length]
    pieces = [answer["text"] for answer in predictor.stream({**raw, "length": 200})]
    assert len(pieces) > 2 and all(long.startswith(piece) for piece in pieces), "it is given as it is written"
    assert predictor.predict({**raw, "length": 200, "seed": 4})["text"] != long
    end = long[100:103]
    stopped = predictor.predict({**raw, "length": 200, "stop": end})
    assert stopped == {"text": long[: long.index(end, 2)], "unknown": [], "stopped": True}


def test_a_batch_writes_what_each_row_would(predictor):
    network = predictor.networks["model"]
    loop = make_loop(network, False)
    rows = np.array([predictor.encode("hello"), predictor.encode("world")])
    together = np.concatenate(list(write(network, loop, rows, 80, temperature=0.0)), axis=1)
    for row, found in zip(rows, together, strict=True):
        alone = np.concatenate(list(write(network, loop, row[None], 80, temperature=0.0)), axis=1)
        assert (alone[0] == found).all()


def test_unknown_characters_of_a_prompt_are_named_and_kept(predictor):
    answer = predictor.predict({"prompt": "hé llo é 한", "length": 5})
    assert answer["unknown"] == ["é", "한"] and answer["text"].startswith("hé llo é 한")
    assert len(predictor.predict({"prompt": "", "length": 5})["text"]) == 5


def test_korean_is_written_in_syllables(tmp_path):
    path = tmp_path / "ko.txt"
    path.write_text("나는 학교에 간다. 너는 집에 있다.\n" * 200, encoding="utf-8")
    config = dataclasses.replace(TOY, jamo=True, characters=None)
    splits = load(path, tmp_path, config)
    vocabulary = splits.meta["vocabulary"]
    assert not any("가" <= symbol <= "힣" for symbol in vocabulary)
    keras.utils.set_random_seed(0)
    network = build_network(config, splits.meta)
    predictor = Predictor({"model": network}, {**splits.meta, "window": 16})
    answers = [answer["text"] for answer in predictor.stream({"prompt": "나는 하", "length": 150, "temperature": 1.0})]
    first = text.to_jamo(answers[-1][3])
    assert answers[-1][:3] == "나는 " and first.startswith(text.to_jamo("하")), "the last syllable may get a final"
    shown = [answer[: text.settled(answer)] for answer in answers]
    assert all(answers[-1].startswith(piece) for piece in shown), "what is printed is never taken back"


@pytest.mark.parametrize(
    "raw, message",
    [
        ({"length": 0}, "length is 0; expected 1 to"),
        ({"length": 1_000_000}, "length is 1000000"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": -1}, "top-k is -1"),
        ({"top_p": 1.5}, "top-p is 1.5"),
        ({"prompt": "h" * 20_000}, "The prompt has 20,000 characters"),
    ],
)
def test_settings_out_of_range(predictor, raw, message):
    with pytest.raises(UserError, match=message):
        predictor.predict({"prompt": "h", **raw})


def test_the_command_refuses_before_it_loads_anything(tmp_path):
    for flags, message in ((["--length", "0"], "length is 0"), (["--length", "1000000"], "length is 1000000")):
        command = [sys.executable, "-m", "projects.char_rnn.predict", *flags, "--runs-dir", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_the_command_prints_what_predict_answers(trained):
    run = trained("char_rnn")
    raw = {"prompt": "The €", "length": 150, "temperature": 1.0, "seed": 1}
    command = [sys.executable, "-m", "projects.char_rnn.predict", "--runs-dir", str(run.path.parents[1])]
    command += [f"--{name}={value}" for name, value in raw.items()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == run.load().predict(raw)["text"] + "\n"
    assert "'€'" in done.stderr


# Units


def test_a_planted_unit_is_found():
    sentence = 'He said "yes, it is (so)" and left.\n    An indented line, 12 of them.\n' * 20
    found = properties(sentence)
    quote = sentence.index('"')
    assert found["inside quotes"][quote + 1] == 1 and found["inside quotes"][quote - 1] == 0
    assert found["inside brackets"][sentence.index("so")] == 1
    assert found["indentation"][sentence.index("An")] == 4 and found["end of a line"][sentence.index("\n")] == 1
    random = np.random.default_rng(0)
    hidden = {name: random.normal(size=(len(sentence), 9)) for name in ("lstm_1", "lstm_2")}
    hidden["lstm_2"][:, 4] = 0.3 - found["inside quotes"]
    hidden["lstm_1"][:, 7] = found["indentation"] + random.normal(size=len(sentence)) * 0.1
    table = reactions(sentence, hidden).set_index("property")
    assert tuple(table.loc["inside quotes", ["layer", "unit"]]) == ("lstm_2", 4)
    assert table.loc["inside quotes", "correlation"] == pytest.approx(-1)
    assert tuple(table.loc["indentation", ["layer", "unit"]]) == ("lstm_1", 7)


def test_inside_is_what_the_network_does(predictor):
    sentence = "hello world\n" * 8
    inside = predictor.inside(sentence)
    ids = np.concatenate([predictor.encode(predictor.beginning), predictor.encode(sentence)])
    steps = unroll(predictor.networks["model"], "lstm", np.append(ids, 0))
    np.testing.assert_allclose(inside["nats"], [step["loss"] for step in steps[:-1]], atol=1e-4)
    np.testing.assert_allclose(inside["shares"], [step["probabilities"] for step in steps], atol=1e-5)
    np.testing.assert_allclose(inside["lstm_2"], [step["states"][1][0] for step in steps[1:]], atol=1e-5)


# Whole runs


def hello(tmp_path, seed: int) -> runs.Run:
    run = runs.start(PROJECT, dataclasses.replace(HELLO, seed=seed), "hello", tmp_path / "data", tmp_path / "runs")
    cli.train_run(run)
    return run


def test_hello_is_known_by_heart(tmp_path, monkeypatch):
    run = hello(tmp_path, 0)
    assert run.report["validation"]["accuracy"] == 1.0
    predictor = run.load()
    assert predictor.vocabulary == ["h", "e", "l", "o"]
    assert predictor.predict(predictor.examples[0])["text"] == "hello"
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path / "runs"))
    app = AppTest.from_file(str(ROOT / "apps" / "char_rnn.py"), default_timeout=120).run()
    app.session_state["char_rnn-tab-en"] = "Inside"
    app.run()
    assert not app.exception and not app.error
    steps = unroll(predictor.networks["model"], "simple_rnn", predictor.encode("hello"))
    shown = [metric.value for metric in app.metric if metric.label.startswith("loss")]
    assert shown == [f"{step['loss']:.4f}" for step in steps]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_hello_with_twenty_seeds(tmp_path, seed):
    assert hello(tmp_path, seed).report["validation"]["accuracy"] == 1.0


def test_another_text_is_scored_with_the_runs_vocabulary(trained, tmp_path):
    run = trained("char_rnn")
    path = tmp_path / "other.txt"
    path.write_text("The value of the expression is 한 object.\n" * 100, encoding="utf-8")
    result = PROJECT.evaluate(run, str(path))
    assert result.sizes["test"] == 5 and result.test["looks"] == 1
    assert any(note.startswith("100 characters of the test part") for note in result.notes)
    path.write_text("x")
    with pytest.raises(UserError, match="at least two"):
        read_labelled(path, run.config, run.load().vocabulary)


def test_settings_are_filled_in():
    assert check_settings({})["length"] == 500 and check_settings({"prompt": "x", "length": 7})["length"] == 7
