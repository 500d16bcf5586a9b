"""What only the character models promise."""

import dataclasses
import itertools
import math
import re
import tracemalloc
from collections import Counter
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from common import cli, runs
from common.errors import UserError
from common.inputs.text import settled, to_jamo
from common.inputs.vocabulary import UNKNOWN, Vocabulary
from common.layers.speed import speed_up
from common.project import Project
from projects.char_rnn import batches as batches_module
from projects.char_rnn import cache, metrics, ngram
from projects.char_rnn import data as data_module
from projects.char_rnn.batches import batch_shape, text_batches
from projects.char_rnn.config import HELLO, TOY, Config
from projects.char_rnn.data import BLOCK, TextPart, encode_all, load_data, read_labelled
from projects.char_rnn.encoding import FIRST, beginning, check_settings, decode, encode, targets_of
from projects.char_rnn.evaluate import SHARES, baselines, best_share, nats_in_order, score_networks
from projects.char_rnn.generate import choose, make_loop, write
from projects.char_rnn.metrics import ROWS, STEPS, block_sums, figures, score, score_characters, score_model
from projects.char_rnn.model import build_model, build_network
from projects.char_rnn.ngram import KneserNey, best_order
from projects.char_rnn.predict import Predictor
from projects.char_rnn.units import properties, reactions
from projects.char_rnn.unroll import unroll
from tests.commands import run_here
from tests.conftest import ROOT, refused

PROJECT = Project("char_rnn")
SYMBOLS = list("helo wrd\n")
META = {"vocabulary": Vocabulary(SYMBOLS).to_json(), "jamo": False, "examples": [], "network_votes": 1.0}


def part_of(ids) -> TextPart:
    return TextPart(np.asarray(ids, np.uint16), 0, len(ids))


def zeros(network, rows):
    return [np.zeros((rows, state.shape[1]), "float32") for state in network.inputs[1:]]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """An untrained network of two layers. Its weights are enlarged, so that different texts give different logits."""
    keras.utils.set_random_seed(0)
    network = build_network(Config(model="lstm", layers=2, units=12, dropout=0.3), META)
    network.set_weights([1.5 * weight for weight in network.get_weights()])
    return Predictor({"model": network}, META)


@pytest.fixture(scope="module")
def some_ids():
    return np.random.default_rng(0).integers(UNKNOWN, FIRST + len(SYMBOLS), 6001)


# Encoding and data


@given(st.text())
def test_a_vocabulary_knows_what_it_has_learnt(sentence):
    ids, vocabulary, _ = encode_all([sentence], None, False, "a sentence")
    assert decode(ids, vocabulary, False) == sentence
    assert vocabulary.symbols == list(dict.fromkeys(sentence)), "in the order of first appearance"
    assert vocabulary.unknown(sentence + "\uf8ff") == [symbol for symbol in ["\uf8ff"] if symbol not in sentence]
    assert encode(sentence, vocabulary, False).tolist() == ids.tolist()


def load(path: Path, tmp_path: Path, config: Config = TOY):
    return load_data(config, str(path), tmp_path / "data")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"a", "has 1 character;"),
        (b"ab" * 300, "has 600 characters;"),
        (b"a" * 3000, "one character only"),
        (b"abc \xe9" * 400, "byte 4 "),
        ("".join(map(chr, range(0x4E00, 0x4E00 + 6000))).encode(), "is it a text"),
        ("".join(map(chr, range(0xAC00, 0xAC00 + 6000))).encode(), "--jamo"),
        (None, "cannot be read"),
        ("folder", "folder"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path if content == "folder" else tmp_path / "bad.txt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load(path, tmp_path)
    assert not list(tmp_path.glob("data/*")), "something half-written stayed behind"


def test_three_parts_and_a_vocabulary_of_the_training_part(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("Yab c" + "ab c" * 1099 + "Z", encoding="utf-8")
    splits = load(path, tmp_path)
    parts = [splits.validation.inputs, splits.train.inputs, splits.sealed_test.inputs]
    assert [part.characters for part in parts] == [220, 3741, 441]
    assert splits.meta["vocabulary"]["symbols"] == ["a", "b", " ", "c"], "Y and Z are not in the training part"
    assert list(splits.sizes.values()) == [4, 1, 1]
    joined = np.concatenate([part.read(0, part.characters) for part in parts])
    shown = decode(joined, Vocabulary.from_json(splits.meta["vocabulary"]), False)
    assert shown == re.sub("[YZ]", "\ufffd", path.read_text(encoding="utf-8"))
    assert np.concatenate(list(parts[1])).tolist() == joined[220:3961].tolist(), "blocks make up the part"
    limited = load(path, tmp_path, dataclasses.replace(TOY, characters=2000))
    assert sum(part.inputs.characters for part in (limited.train, limited.validation, limited.sealed_test)) == 2000


def test_a_large_file_is_read_from_disk(tmp_path, monkeypatch):
    path = tmp_path / "t.txt"
    path.write_text("한글 text é\n" * 3000, encoding="utf-8")
    in_memory = load(path, tmp_path)
    monkeypatch.setattr(data_module, "IN_MEMORY", 100)
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
        batches = text_batches(load(path, tmp_path, Config()).train.inputs, Config())
        for step in range(0, len(batches), 50):
            batches[step]
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0], f"peaks of {peaks} MB for 10 and 30 MB of text"


def test_builtin_repeats_no_paragraph():
    splits = load_data(Config(), "builtin", Path())
    vocabulary = Vocabulary.from_json(splits.meta["vocabulary"])
    parts = (splits.validation.inputs, splits.train.inputs, splits.sealed_test.inputs)
    whole = "".join(decode(part.read(0, part.characters), vocabulary, False) for part in parts)
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", whole) if paragraph.strip()]
    assert len(paragraphs) == len(set(paragraphs)) > 1000


def test_stdlib_is_python_source():
    splits = load_data(Config(), "stdlib", Path())
    train = splits.train.inputs
    assert 500_000 < train.characters < 1_000_000
    assert "import " in decode(train.read(0, 20_000), Vocabulary.from_json(splits.meta["vocabulary"]), False)


# The network


@pytest.mark.parametrize("kind", ["simple_rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_network_is_the_recurrence_of_the_lecture(kind, layers):
    """Against NumPy, step by step: logits, states and losses; an unknown character is all zeros."""
    keras.utils.set_random_seed(1)
    network = speed_up(build_network(Config(model=kind, layers=layers, units=7, dropout=0.4), META))
    random = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(random.normal(size=weight.shape))
    ids = np.array([0, 1, UNKNOWN - FIRST, 2, 2, 3, 8, 5]) + FIRST
    steps = unroll(network, kind, ids)
    logits, *states = network.predict_on_batch([ids[None, :-1].astype("int32"), *zeros(network, 1)])
    np.testing.assert_allclose(logits[0], [step["logits"] for step in steps], atol=1e-5)
    expected = [state for layer in steps[-1]["states"] for state in layer]
    np.testing.assert_allclose(np.concatenate(states), expected, atol=1e-5)
    targets = targets_of(ids[1:])
    assert targets.tolist() == [step["target"] for step in steps]
    known = targets >= 0
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(targets[known], logits[0][known])
    assert float(loss) == pytest.approx(np.mean([step["loss"] for step in steps if step["target"] >= 0]), abs=1e-5)


@pytest.mark.parametrize("embedding", [0, 5])
def test_a_text_may_be_read_in_pieces(embedding):
    network = build_network(Config(model="gru", layers=2, units=6, embedding=embedding), META)
    ids = np.random.default_rng(0).integers(UNKNOWN, FIRST + len(SYMBOLS), (2, 30)).astype("int32")
    whole, *_ = network.predict_on_batch([ids, *zeros(network, 2)])
    first, *states = network.predict_on_batch([ids[:, :11], *zeros(network, 2)])
    second, *_ = network.predict_on_batch([ids[:, 11:], *states])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)


def test_reader_carries_the_state_from_batch_to_batch():
    config = Config(model="lstm", layers=1, units=6, dropout=0.0)
    whole_model, model = build_model(config, META, (3, 16)), build_model(config, META, (3, 8))
    model.network.set_weights(whole_model.network.get_weights())
    ids = np.random.default_rng(0).integers(FIRST, FIRST + len(SYMBOLS), (3, 16)).astype("int32")
    go_on, anew = np.ones((3, 1), "float32"), np.zeros((3, 1), "float32")
    whole = np.asarray(whole_model([ids, anew]))
    first = np.asarray(model([ids[:, :8], anew]))
    second = np.asarray(model([ids[:, 8:], go_on]))
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
    again = np.asarray(model([ids[:, :8], np.array([[0], [1], [0]], "float32")]))
    np.testing.assert_allclose(again[[0, 2]], first[[0, 2]], atol=1e-6)
    assert np.abs(again[1] - first[1]).max() > 1e-4, "a row that is kept does not start from zero"


def test_rows_of_batches_go_on_where_they_ended():
    part, config = part_of(FIRST + np.arange(40_000) % 7919), Config(batch_size=4, sequence=16)
    batches = text_batches(part, config)
    shown = [batches[i] for i in range(len(batches))]
    for ((before, _), _), ((after, _), _) in itertools.pairwise(shown):
        assert ((after[:, 0] - before[:, -1]) % 7919 == 1).all()
    (ids, keep), targets = shown[5]
    assert ids.shape == targets.shape == batch_shape(part, config) == (4, 16) and keep.shape == (4, 1)
    assert (ids[:, 1:] - FIRST == targets[:, :-1]).all()
    assert not shown[0][0][1].any(), "the first piece starts from zero"
    fraction = np.mean([1 - keep for (_, keep), _ in shown[1:]])
    assert 0 < fraction < 0.06, "now and then a row starts anew, so that beginnings are learnt"
    batches.epoch = 1
    resumed = text_batches(part, config)
    resumed.epoch = 1
    assert (batches[3][1] == resumed[3][1]).all(), "a training that goes on reads what it would have read"
    assert (batches[3][1] != shown[3][1]).any()


def test_a_long_text_takes_several_epochs(monkeypatch):
    part, config = part_of(FIRST + np.arange(4 * 16 * 200) % 7919), Config(batch_size=4, sequence=16)
    pieces = len(text_batches(part, config))
    monkeypatch.setattr(batches_module, "MAX_STEPS", 60)
    batches = text_batches(part, config)
    assert len(batches) == 60 < pieces
    last, batches.epoch = batches[59], 1
    assert (targets_of(batches[0][0][0][:, 0]) == last[1][:, -1]).all(), "the next epoch goes on there"


# Figures


def by_hand(predictor, ids, window=None, weight=None):
    """-log p of each character from the second on, read one after the other in a single row; 0 for unknown ones.

    weight: of the network's vote beside its cache, which is a loop over the past; None: the network alone.
    """
    if window:
        pieces = [ids[begin : begin + window + 1] for begin in range(0, len(ids) - 1, window)]
        return np.concatenate([by_hand(predictor, piece, None, weight) for piece in pieces])
    steps, nats = unroll(predictor.networks["model"], "lstm", ids), []
    keys = [step["states"][-1][0] / max(np.linalg.norm(step["states"][-1][0]), 1e-6) for step in steps]
    for now, step in enumerate(steps):
        votes = (weight or 1) * step["probabilities"]
        for past in range(max(0, now - cache.LENGTH), now) if weight else ():
            if steps[past]["target"] >= 0:
                votes[steps[past]["target"]] += math.exp(cache.SHARPNESS * (keys[past] @ keys[now] - 1))
        nats.append(-math.log(votes[step["target"]] / votes.sum()) if step["target"] >= 0 else 0.0)
    return np.array(nats)


@pytest.mark.parametrize("weight", [None, 2.0])
@pytest.mark.parametrize("window", [None, 16, 100])
@pytest.mark.parametrize("characters", [50, 4200])
def test_scores_are_of_the_whole_text(predictor, some_ids, monkeypatch, window, characters, weight):
    monkeypatch.setattr(cache, "LENGTH", 60)
    ids = some_ids[:characters]
    assert (characters - 1 >= ROWS * STEPS) == (characters == 4200), "both ways of reading are tried"
    sums = score(predictor.reader, part_of(ids), window, weight)
    known = ids[1:] >= FIRST
    assert sums["characters"].sum() == known.sum(), "each known character is counted once"
    by_block = np.bincount(np.arange(1, characters) // BLOCK, by_hand(predictor, ids, window, weight))
    np.testing.assert_allclose(sums["nats"], by_block, rtol=1e-4)
    result = figures(sums, sums)(np.ones(len(by_block)))
    assert result["bits_per_character"] == pytest.approx(result["nats_per_character"] / math.log(2))
    assert result["nats_per_character"] == pytest.approx(by_block.sum() / known.sum()) and result["accuracy"] < 1


def test_the_cache_sees_only_the_past(predictor, some_ids):
    later = some_ids.copy()
    later[3000:] = later[3000:][::-1]
    of_both = [score_characters(predictor.reader, part_of(ids), weight=1.0) for ids in (some_ids, later)]
    before, after = map(nats_in_order, of_both)
    known = (some_ids[1:3000] >= FIRST).sum()
    np.testing.assert_array_equal(before[:known], after[:known])
    assert np.abs(before[known:] - after[known:]).max() > 0.1


def test_the_weight_of_the_network_is_chosen(predictor, some_ids):
    repeated = part_of(np.tile(some_ids[:300], 4))
    nats = {weight: score(predictor.reader, repeated, weight=weight)["nats"].sum() for weight in cache.WEIGHTS}
    assert metrics.choose_weight(predictor.reader, repeated) == min(nats, key=nats.get)
    assert min(nats.values()) < score(predictor.reader, repeated)["nats"].sum(), "a text that repeats itself"


def test_the_ensemble_mixes_probabilities(predictor, some_ids):
    targets, part = targets_of(some_ids), part_of(some_ids)
    expected = partial(KneserNey(targets[targets >= 0], len(SYMBOLS), 3).probabilities, order=3)
    for window in (None, 100):
        sums = score_networks(predictor, expected, 0.3, part, window)
        scored = (score_characters(predictor.reader, part, window, weight) for weight in (1.0, None))
        network, alone, ngram = map(nats_in_order, (*scored, score_model(expected, part, window)))
        ensemble = -np.log(0.7 * np.exp(-network) + 0.3 * np.exp(-ngram))
        totals = [values.sum() for values in (network, alone, ensemble)]
        np.testing.assert_allclose([values["nats"].sum() for values in sums], totals)
    known, unknown = ([(np.arange(9), np.full(9, nats), np.ones(9))] for nats in (0.1, 5.0))
    assert (best_share(known, unknown), best_share(unknown, known)) == (0, max(SHARES))


def kneser_ney_by_hand(training, context, symbols, discounts, highest=True):
    """The textbook's recursion with dictionaries: the distribution after `context`."""
    length = len(context)
    places = [i for i in range(length + (not highest), len(training)) if training[i - length : i] == context]
    different = {(training[i], training[i - length - 1]) for i in places}
    followers = Counter(training[i] for i in places) if highest else Counter(symbol for symbol, _ in different)
    uniform = np.full(symbols, 1 / symbols)
    lower = kneser_ney_by_hand(training, context[1:], symbols, discounts, False) if length else uniform
    if not followers:
        return lower
    taken = {symbol: min(count, discounts[min(count, 3)]) for symbol, count in followers.items()}
    result = sum(taken.values()) / followers.total() * lower
    for symbol, count in followers.items():
        result[symbol] += (count - taken[symbol]) / followers.total()
    return result


def test_kneser_ney_is_the_textbooks(monkeypatch):
    fixed = [0, 0.5, 0.8, 1.1]  # discounts, so that the recursion is compared and not their estimate
    monkeypatch.setattr(ngram, "_discounts", lambda counts: np.array(fixed))
    random = np.random.default_rng(0)
    training = random.integers(0, 4, 60)
    model = KneserNey(training, 4, longest=3)
    test = np.concatenate([training[:10], random.integers(-1, 4, 30)])  # -1 is unknown
    result = model.probabilities(test, np.arange(3, len(test)), None, 3)
    np.testing.assert_allclose(result.sum(axis=1), 1)
    text = tuple(training.tolist())
    occurring = {text[i : i + 3] for i in range(len(text) - 3)}  # a shorter one uses the tables that these reach below
    contexts = [tuple(test[place - 3 : place].tolist()) for place in range(3, len(test))]
    compared = [i for i, context in enumerate(contexts) if context in occurring]
    expected = [kneser_ney_by_hand(text, contexts[i], 4, fixed) for i in compared]
    np.testing.assert_allclose(result[compared], expected, atol=1e-9)


def test_the_ngram_is_scored_as_the_network(some_ids, monkeypatch):
    targets, part = targets_of(some_ids), part_of(some_ids)
    expected = partial(KneserNey(targets[targets >= 0], len(SYMBOLS), 5).probabilities, order=4)

    def nats(targets):
        """The nats of all characters but the first, in one piece."""
        probabilities, known = expected(targets, np.arange(1, len(targets)), None), targets[1:] >= 0
        return -np.log(probabilities[known, targets[1:][known]]).sum()

    whole, windows = (block_sums(part, score_model(expected, part, window)) for window in (None, 16))
    assert whole["characters"].sum() == (targets[1:] >= 0).sum()
    assert whole["nats"].sum() == pytest.approx(nats(targets))
    alone = sum(nats(targets[begin : begin + 17]) for begin in range(0, 6000, 16))
    assert windows["nats"].sum() == pytest.approx(alone)
    monkeypatch.setattr(metrics, "PIECE", 90)  # small pieces, with borders inside windows
    for window, sums in ((None, whole), (16, windows)):
        again = block_sums(part, score_model(expected, part, window))
        np.testing.assert_allclose([*again.values()], [*sums.values()])


def test_baselines_know_more_the_more_they_count():
    splits = load_data(dataclasses.replace(TOY, characters=250_000), "builtin", Path())
    validation, symbols = splits.validation.inputs, len(splits.meta["vocabulary"]["symbols"])
    expected, order = baselines(splits)
    nats = {name: nats_in_order(score_model(model, validation)).mean() for name, model in expected.items()}
    assert nats["uniform"] == pytest.approx(math.log(symbols))
    assert nats["kneser_ney"] < 1.6 < nats["unigram"] < nats["uniform"]
    assert order == best_order(expected["kneser_ney"].func.__self__, validation) >= 5


# Writing


def draws(probabilities, uniform, temperature=1.0, top_k=0, top_p=1.0, filtered=False):
    """One draw from these probabilities for each number of `uniform`."""
    logits = np.log(np.asarray(probabilities, "float32") + 1e-30)
    drawn = choose(np.tile(logits, (len(uniform), 1)), uniform, temperature, top_k, top_p, filtered)
    return np.asarray(drawn)


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
    uniform = np.linspace(0, 0.9999999, 101, dtype="float32")
    assert set(draws([0.1, 0.2, 0.4, 0.3], uniform, **settings).tolist()) == allowed


def test_draws_have_the_distribution_that_temperature_makes():
    probabilities = np.array([0.1, 0.2, 0.4, 0.3])
    uniform = (np.arange(10_000, dtype="float32") + 0.5) / 10_000
    for temperature in (0.5, 1.0, 2.0):
        expected = probabilities ** (1 / temperature) / (probabilities ** (1 / temperature)).sum()
        for filtered in (False, True):
            drawn = draws(probabilities, uniform, temperature, filtered=filtered)
            np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 10_000, expected, atol=1e-3)
    never = draws([0.5, 0.5, 0.0, 0.0], np.float32([0.0, 0.5, 0.99999994]))
    assert set(never.tolist()) <= {0, 1}, "a probability of zero"


@pytest.mark.parametrize("prompt", ["h", "hello world\n" * 12])
def test_the_compiled_loop_is_the_plain_one(predictor, prompt):
    """Greedy writing against one character after the other in NumPy, prompts shorter and longer than a call's loop."""
    ids = predictor.encode(prompt)
    for _ in range(70):
        steps = unroll(predictor.networks["model"], "lstm", np.append(ids, UNKNOWN))
        ids = np.append(ids, FIRST + steps[-1]["logits"].argmax())
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
    network, loop = predictor.networks["model"], make_loop(predictor.networks["model"], False)
    rows = np.array([predictor.encode("hello"), predictor.encode("world")])
    together = np.concatenate(list(write(network, loop, rows, 80, temperature=0.0)), axis=1)
    alone = [np.concatenate(list(write(network, loop, row[None], 80, temperature=0.0)), axis=1)[0] for row in rows]
    assert (np.array(alone) == together).all()


def test_unknown_characters_of_a_prompt_are_named_and_kept(predictor):
    answer = predictor.predict({"prompt": "hé llo é 한", "length": 5})
    assert answer["unknown"] == ["é", "한"] and answer["text"].startswith("hé llo é 한")
    assert len(predictor.predict({"prompt": "", "length": 5})["text"]) == 5


def test_korean_is_written_in_syllables(tmp_path):
    path = tmp_path / "ko.txt"
    path.write_text("나는 학교에 간다. 너는 집에 있다.\n" * 200, encoding="utf-8")
    config = dataclasses.replace(TOY, jamo=True, characters=None)
    splits = load(path, tmp_path, config)
    assert not any("가" <= symbol <= "힣" for symbol in splits.meta["vocabulary"]["symbols"])
    keras.utils.set_random_seed(0)
    predictor = Predictor({"model": build_network(config, splits.meta)}, splits.meta)
    answers = [answer["text"] for answer in predictor.stream({"prompt": "나는 하", "length": 150, "temperature": 1.0})]
    first = to_jamo(answers[-1][3])
    assert answers[-1][:3] == "나는 " and first.startswith(to_jamo("하")), "the last syllable may get a final"
    shown = [answer[: settled(answer)] for answer in answers]
    assert all(answers[-1].startswith(piece) for piece in shown), "what is printed is never taken back"


@pytest.mark.parametrize(
    "raw, message",
    [
        ({"length": 0}, "length is 0; expected 1 to"),
        ({"length": 1_000_000}, "length is 1000000"),
        ({"temperature": -1}, "temperature is -1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"prompt": "h" * 20_000}, "The prompt has 20,000 characters"),
    ],
)
def test_settings_out_of_range(predictor, raw, message):
    with pytest.raises(UserError, match=message):
        predictor.predict({"prompt": "h", **raw})


def test_the_command_refuses_before_it_loads_anything(tmp_path):
    assert check_settings({})["length"] == 500 and check_settings({"prompt": "x", "length": 7})["length"] == 7
    for length in ("0", "1000000"):
        refused(["--length", length, "--runs-dir", str(tmp_path)], f"length is {length}", "projects.char_rnn.predict")


def test_the_command_prints_what_predict_answers(trained):
    run = trained("char_rnn")
    raw = {"prompt": "The €", "length": 150, "temperature": 1.0, "seed": 1}
    expected = run.load().predict(raw)["text"] + "\n"
    flags = [f"--{name}={value}" for name, value in raw.items()]
    done = run_here("projects.char_rnn.predict", "--runs-dir", run.path.parents[1], *flags)
    assert done.stdout == expected
    assert "'€'" in done.stderr


# Units


def test_a_planted_unit_is_found():
    sentence = 'He said "yes, it is (so)" and left.\n    An indented line, 12 of them.\n' * 20
    result = properties(sentence)
    quote = sentence.index('"')
    assert result["inside quotes"][quote + 1] == 1 and result["inside quotes"][quote - 1] == 0
    assert result["inside brackets"][sentence.index("so")] == 1
    assert result["indentation"][sentence.index("An")] == 4 and result["end of a line"][sentence.index("\n")] == 1
    random = np.random.default_rng(0)
    hidden = {name: random.normal(size=(len(sentence), 9)) for name in ("lstm_1", "lstm_2")}
    hidden["lstm_2"][:, 4] = 0.3 - result["inside quotes"]
    hidden["lstm_1"][:, 7] = result["indentation"] + random.normal(size=len(sentence)) * 0.1
    table = reactions(sentence, hidden).set_index("property")
    assert tuple(table.loc["inside quotes", ["layer", "unit"]]) == ("lstm_2", 4)
    assert table.loc["inside quotes", "correlation"] == pytest.approx(-1)
    assert tuple(table.loc["indentation", ["layer", "unit"]]) == ("lstm_1", 7)


def test_inside_is_what_the_network_does(predictor, monkeypatch):
    sentence = "hello world\n" * 8
    monkeypatch.setattr(cache, "LENGTH", 20)
    inside = predictor.inside(sentence)
    ids = np.concatenate([predictor.encode(beginning(predictor.vocabulary)), predictor.encode(sentence)])
    steps = unroll(predictor.networks["model"], "lstm", np.append(ids, UNKNOWN))
    np.testing.assert_allclose(inside["nats"], by_hand(predictor, ids, weight=1.0), rtol=1e-4)
    np.testing.assert_allclose(inside["hidden"]["lstm_2"], [step["states"][1][0] for step in steps[1:]], atol=1e-5)
    alone, part = np.array([step["probabilities"] for step in steps]), inside["cache"][:, None]
    np.testing.assert_allclose(inside["probabilities"].sum(axis=1), 1)
    np.testing.assert_allclose(inside["probabilities"][0], alone[0], atol=1e-5)
    assert (inside["probabilities"] > (1 - part) * alone - 1e-5).all() and part[0] == 0 < part[1:].min()


# Whole runs


def hello(tmp_path, seed: int) -> runs.Run:
    run = runs.start(PROJECT, dataclasses.replace(HELLO, seed=seed), "hello", tmp_path / "data", tmp_path / "runs")
    cli.train_run(run)
    return run


def test_hello_is_known_by_heart(tmp_path, monkeypatch):
    run = hello(tmp_path, 0)
    assert run.report["validation"]["accuracy"] == 1.0
    predictor = run.load()
    assert predictor.vocabulary.symbols == ["h", "e", "l", "o"]
    assert predictor.predict(predictor.examples[0])["text"] == "hello"
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path / "runs"))
    app = AppTest.from_file(str(ROOT / "apps" / "char_rnn.py"), default_timeout=120).run()
    app.session_state["tabs:tab:en"] = "Inside"
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
        read_labelled(path, run.load().vocabulary, False)
