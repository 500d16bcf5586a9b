"""The networks of translation: one step is the whole at once, padding changes nothing, saved and exported they answer the same."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

from common.inputs.vocabulary import Vocabulary
from common.layers.decoding import STOP
from common.layers.speed import speed_up
from common.layers.writer import first_state, make_loss
from common.layers.writer import write as translate
from common.saved import load_network
from common.tools import export
from projects.translation.config import TOY
from projects.translation.model import build_model

NEVER = range(STOP)  # ids that no translation holds
SIZES = {"source": 40, "target": 30}
META = {
    side: {"vocabulary": Vocabulary(map(str, range(size - 4)), True, True).to_json()} for side, size in SIZES.items()
}
LADDER = {
    "seq2seq": dataclasses.replace(TOY, model="seq2seq", reverse_source=True),
    "seq2seq_lstm": dataclasses.replace(TOY, model="seq2seq", cell="lstm", layers=2, reverse_source=False),
    "attention": dataclasses.replace(TOY, model="attention", units=64),
    "attention_lstm": dataclasses.replace(TOY, model="attention", cell="lstm", layers=2),
    "transformer": dataclasses.replace(TOY, model="transformer", layers=2, heads=4),
}
every_model = pytest.mark.parametrize("name", LADDER)


def built(name: str) -> keras.Model:
    """A model whose answers depend on all that it reads: its weights are large."""
    keras.utils.set_random_seed(0)
    model = build_model(LADDER[name], META)
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(random.normal(size=weight.shape) / np.sqrt(weight.shape[0]))
    return model


@pytest.fixture(scope="module")
def models():
    return functools.cache(lambda name: speed_up(built(name)))


def parts(model: keras.Model) -> dict[str, keras.Model]:
    return {name: model.get_layer(name) for name in ("encoder", "decoder")}


def sentences(rows: int = 3, width: int = 6) -> np.ndarray:
    source = np.random.default_rng(1).integers(4, SIZES["source"], (rows, width)).astype("int32")
    source[0, width - 2 :] = 0
    return source


@every_model
@pytest.mark.parametrize("beam", [1, 3])
def test_step_by_step_is_all_at_once(name, beam, models):
    """The scores of what was written, and its attention, against one call with the whole sentence."""
    model, source = models(name), sentences()
    written = translate(parts(model), source, beam, length=7)
    encoded = {key: np.repeat(value, beam, axis=0) for key, value in parts(model)["encoder"](source).items()}
    tokens = written["tokens"].reshape(3 * beam, 7)
    target = np.concatenate([np.full((3 * beam, 1), 2), tokens[:, :-1]], axis=1).astype("int32")
    decoder = parts(model)["decoder"]
    whole = decoder({"target": target, **first_state(decoder, encoded)})
    logits = np.array(whole["logits"], float)
    total = np.log(np.exp(logits).sum(axis=-1))
    allowed = np.where(np.isin(np.arange(SIZES["target"]), NEVER), -np.inf, logits)
    renormalised = allowed - np.log(np.exp(allowed).sum(axis=-1, keepdims=True))
    assert np.isfinite(total).all()
    real = tokens > 0
    nats = np.take_along_axis(renormalised, tokens[..., None], axis=-1)[..., 0]
    scores = np.where(real, nats, 0).sum(axis=1) / real.sum(axis=1)
    np.testing.assert_allclose(written["scores"].ravel(), scores, atol=1e-5)
    assert not np.isin(tokens[real], NEVER).any()
    if beam == 1:
        np.testing.assert_array_equal(tokens[real], allowed.argmax(axis=-1)[real])
    if name.startswith("seq2seq"):
        assert "attention" not in written
    else:
        attention = written["attention"].reshape(3 * beam, 7, -1)
        np.testing.assert_allclose(attention[real], np.asarray(whole["attention"])[real], atol=1e-5)


@every_model
def test_more_padding_changes_nothing(name, models):
    source = sentences()
    wide = np.pad(source, ((0, 0), (0, 4)))
    narrow, padded = (translate(parts(models(name)), ids, 2, 7) for ids in (source, wide))
    np.testing.assert_array_equal(narrow["tokens"], padded["tokens"])
    np.testing.assert_allclose(narrow["scores"], padded["scores"], atol=1e-5)
    if "attention" in padded:
        assert not padded["attention"][..., 6:].any() and not padded["attention"][0, ..., 4:].any()
        np.testing.assert_allclose(narrow["attention"], padded["attention"][..., :6], atol=1e-5)


@every_model
def test_each_sentence_is_translated_by_itself(name, models):
    source = sentences()
    together, alone = (translate(parts(models(name)), ids, 3, 7) for ids in (source, source[1:2]))
    np.testing.assert_array_equal(together["tokens"][1], alone["tokens"][0])


def test_it_writes_after_a_training_that_met_other_shapes():
    """The layers are then compiled for any number of rows, and TensorFlow knows none while it makes the loop."""
    fast, plain = speed_up(built("attention")), built("attention")
    batches = [(sentences(rows, 5 + rows), sentences(rows, 2 + rows) % SIZES["target"]) for rows in (2, 3, 4)]
    fast.evaluate((({"source": x, "target": y}, y) for x, y in batches), verbose=0)
    source = sentences(7, 11)  # a shape that no other test has
    answer, expected = (translate(parts(model), source, 2, 7) for model in (fast, plain))
    for key, array in expected.items():
        np.testing.assert_allclose(answer[key], array, atol=1e-5)


@every_model
def test_the_loss_does_not_see_padding(name, models):
    model, source = models(name), sentences()
    target = np.random.default_rng(2).integers(4, SIZES["target"], (3, 6)).astype("int32")
    target[:, 4:] = 0
    cut = model.evaluate({"source": source, "target": target[:, :3]}, target[:, 1:4], verbose=0)
    assert cut == pytest.approx(
        model.evaluate({"source": source, "target": target[:, :-1]}, target[:, 1:], verbose=0), abs=1e-5
    )


def test_smoothing_costs_what_the_uniform_distribution_costs():
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    targets = np.array([[1, 2, 0], [4, 0, 0]])
    likely = np.log(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))
    wanted = 0.9 * np.eye(5)[targets] + 0.1 / 5
    nats = -(wanted * likely).sum(axis=-1)[targets > 0].mean()
    assert float(make_loss(0.1)(targets, logits)) == pytest.approx(nats, abs=1e-5)


def test_the_source_is_read_from_its_end(models):
    """Without reversal the last symbol is the freshest one; with it the first one is."""
    source = sentences(1, 5)[:, :3]
    first, last = source.copy(), source.copy()
    first[0, 0], last[0, -1] = 5, 5
    for name, near, far in (("seq2seq", first, last), ("seq2seq_lstm", last, first)):
        encoder = parts(models(name))["encoder"]
        state = encoder(source)["h_1"]
        change = [float(np.abs(encoder(other)["h_1"] - state).sum()) for other in (near, far)]
        assert change[0] > 1.5 * change[1]


@every_model
def test_saved_models_keep_their_encoder_and_decoder(name, models, tmp_path):
    model, source = models(name), sentences()
    expected = translate(parts(model), source, 2, 7)
    model.save(tmp_path / "model.keras")
    whole = parts(speed_up(load_network(tmp_path / "model.keras")))
    for key, network in parts(model).items():
        network.save(tmp_path / f"{key}.keras")
    alone = {key: speed_up(load_network(tmp_path / f"{key}.keras")) for key in parts(model)}
    for networks in (whole, alone):
        answer = translate(networks, source, 2, 7)
        for key, array in expected.items():
            np.testing.assert_allclose(answer[key], array, atol=1e-6)


@pytest.mark.slow
@pytest.mark.export
@pytest.mark.parametrize("form", export.FORMATS)
@pytest.mark.parametrize("name", ["seq2seq", "attention_lstm", "transformer"])
def test_encoder_and_decoder_are_exported(name, form, models, tmp_path):
    for module in export.FORMATS[form].packages:
        pytest.importorskip(module)
    for part, network in parts(models(name)).items():
        about = export.export_network(part, network, form, tmp_path, 6 if form == "litert" else None)
        assert about["largest_difference"] < 1e-4
    assert not np.load(tmp_path / "encoder-example.npz")["source"][0, -1], "no padding was tried"
