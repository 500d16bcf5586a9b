"""Recurrent blocks, and accelerate: the same numbers as Keras' own layers, beside NumPy and beside finite differences."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from common.layers import blocks, recurrent
from common.layers.recurrent import accelerate
from tests.conftest import ROOT, refused

CELLS = {"simple_rnn": layers.SimpleRNN, "gru": layers.GRU, "lstm": layers.LSTM}


REAL_MIN_UNITS, REAL_RECURRENCE = recurrent.MIN_UNITS, recurrent._recurrence


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Toy layers are accelerated too, without the seconds of XLA; `compiled` asks for both."""
    monkeypatch.setattr(recurrent, "MIN_UNITS", 1)
    monkeypatch.setattr(recurrent, "_recurrence", lambda *settings: REAL_RECURRENCE(*settings[:-1], False))


@pytest.fixture(params=[True, False], ids=["xla", "plain"])
def compiled(request, plain, monkeypatch):
    if request.param:
        monkeypatch.setattr(recurrent, "_recurrence", REAL_RECURRENCE)


def values(*tensors):
    return [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(tensors)]


def randomised(layer, shape, random):
    layer.build(shape)
    layer.set_weights([random.normal(size=weight.shape) * 0.5 for weight in layer.weights])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(layer, x, states, mask):
    """The recurrences as the textbooks write them, one row and one step after the other: (outputs, last states)."""
    kernel, recurrent_kernel, *rest = (np.asarray(weight, "float64") for weight in layer.get_weights())
    outputs = np.zeros((*x.shape[:2], layer.units))
    finals = [np.array(state, "float64") for state in states]
    for row in range(len(x)):
        h, *c = (state[row] for state in finals)
        shown = np.zeros_like(h)
        for t in range(x.shape[1]):
            if mask is None or mask[row, t]:
                inner = h @ recurrent_kernel
                if isinstance(layer, layers.GRU):
                    bias, second = rest[0] if rest else np.zeros((2, len(inner)))
                    outer, inner = x[row, t] @ kernel + bias, inner + second
                    z, r = sigmoid(np.split(outer, 3)[0] + np.split(inner, 3)[0]), None
                    r = sigmoid(np.split(outer, 3)[1] + np.split(inner, 3)[1])
                    candidate = np.tanh(np.split(outer, 3)[2] + r * np.split(inner, 3)[2])
                    h = z * h + (1 - z) * candidate
                elif isinstance(layer, layers.LSTM):
                    i, f, g, o = np.split(x[row, t] @ kernel + inner + (rest[0] if rest else 0), 4)
                    c = [sigmoid(f) * c[0] + sigmoid(i) * np.tanh(g)]
                    h = sigmoid(o) * np.tanh(c[0])
                else:
                    h = np.tanh(x[row, t] @ kernel + inner + (rest[0] if rest else 0))
                shown = h
            outputs[row, t] = shown
        for state, value in zip(finals, (h, *c), strict=True):
            state[row] = value
    return outputs, finals


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_accelerated_layers_compute_the_recurrences(cell, use_bias, masked, compiled):
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 6, 4)).astype("float32")
    mask = random.random((3, 6)) > 0.3 if masked else None
    layer = CELLS[cell](5, use_bias=use_bias, return_sequences=True, return_state=True)
    accelerate(randomised(layer, x.shape, random))
    start = [random.normal(size=(3, 5)).astype("float32") for _ in layer.state_size]
    expected, finals = reference(layer, x, start, mask)
    outputs, *states = values(layer(x, mask=mask, initial_state=start))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    for state, wanted in zip(states, finals, strict=True):
        np.testing.assert_allclose(state, wanted, atol=1e-5)


def outputs_and_gradients(layer, x, states, mask, training, upstream):
    """Outputs of a layer, and the gradients of their product with `upstream` for input, states and weights."""
    inputs = [tf.constant(value) for value in (x, *states)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        keywords = {"initial_state": inputs[1:]} if states else {}
        results = keras.tree.flatten(layer(inputs[0], mask=mask, training=training, **keywords))
        if not upstream:
            upstream.extend(np.random.default_rng(1).normal(size=value.shape).astype(x.dtype) for value in results)
        loss = sum(tf.reduce_sum(weight * value) for weight, value in zip(upstream, results, strict=True))
    return values(results), values(tape.gradient(loss, [*inputs, *(w.value for w in layer.trainable_variables)]))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_layer_gives_keras_outputs_and_gradients(data):
    """Over kinds, shapes, masks, states, directions, dropout, dtypes, and what is left to Keras."""
    same_as_keras(data.draw)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_compiled_layer_gives_keras_outputs_and_gradients(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "_recurrence", REAL_RECURRENCE)
        same_as_keras(data.draw)


def same_as_keras(draw):
    cell = draw(st.sampled_from(sorted(CELLS)), "cell")
    dtype = draw(st.sampled_from(["float32", "float32", "float32", "float64", "mixed_bfloat16"]), "dtype")
    options = {
        name: draw(st.booleans(), name)
        for name in ("use_bias", "return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
    }
    if draw(st.integers(0, 9), "rare") == 0:
        rare = [{"unroll": True}, {"activation": "relu"}, {"recurrent_dropout": 0.3}]
        rare += [{"reset_after": False}] if cell == "gru" else []
        options |= draw(st.sampled_from(rare), "option")
    dropout = draw(st.sampled_from([0.0, 0.0, 0.4]), "dropout")
    batch, time, features, units = (draw(st.integers(1, most), str(most)) for most in (40, 5, 3, 4))
    training = draw(st.booleans(), "training")
    random = np.random.default_rng(draw(st.integers(0, 99), "seed"))

    def build():
        # The same seed: stock and accelerated layer draw the same dropout
        return CELLS[cell](units, dropout=dropout, dtype=dtype, seed=3, **options)

    kind = "float64" if dtype == "float64" else "float32"
    x = random.normal(size=(batch, time, features)).astype(kind)
    ours, stock = randomised(build(), x.shape, random), build()
    stock.build(x.shape)
    stock.set_weights(ours.get_weights())
    given_states = draw(st.booleans(), "given states")
    states = [random.normal(size=(batch, units)).astype(kind) for _ in ours.state_size] if given_states else []
    mask = tf.constant(random.random((batch, time)) > 0.4) if draw(st.booleans(), "masked") else None
    accelerate(ours)

    upstream: list = []
    expected = outputs_and_gradients(stock, x, states, mask, training, upstream)
    result = outputs_and_gradients(ours, x, states, mask, training, upstream)
    for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(result), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(other, one, atol=1e-12 if kind == "float64" else 1e-5, rtol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_finite_differences(cell, compiled):
    """In float64, against the central difference of the loss along a random direction of everything at once."""
    random = np.random.default_rng(0)
    layer = CELLS[cell](3, dtype="float64", return_sequences=True, return_state=True)
    x = random.normal(size=(2, 5, 4))
    states = [random.normal(size=(2, 3)) for _ in layer.state_size]
    accelerate(randomised(layer, x.shape, random))
    mask = tf.constant([[True, True, False, True, False], [False, True, True, True, True]])
    weights, upstream = layer.get_weights(), []
    _, gradients = outputs_and_gradients(layer, x, states, mask, True, upstream)
    direction = [random.normal(size=gradient.shape) for gradient in gradients]

    def loss(step):
        moved = [value + step * change for value, change in zip([x, *states, *weights], direction, strict=True)]
        layer.set_weights(moved[1 + len(states) :])
        results = values(layer(moved[0], mask=mask, initial_state=moved[1 : 1 + len(states)]))
        return sum(np.sum(weight * value) for weight, value in zip(upstream, results, strict=True))

    slope = sum(np.sum(gradient * change) for gradient, change in zip(gradients, direction, strict=True))
    assert slope == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-7)


def language_model(cell="lstm", **options):
    start = keras.Input((None,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=options.pop("mask_zero", False))(start)
    x = blocks.recurrent_stack(x, cell, (6, 5), **options)
    x = x[0] if isinstance(x, tuple) else x
    return keras.Model(start, layers.Dense(7)(x))


def losses(model, batches):
    """The loss of each batch of another size and length, trained one after the other."""
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(0)
    result = []
    for shape in batches:
        x = random.integers(0, 7, shape)
        result.append(float(model.train_on_batch(x, x if len(model.output_shape) == 3 else x[:, 0])))
    return result


@pytest.mark.parametrize(
    "cell, compiled",
    [
        ("lstm", False),
        ("lstm", True),
        *(pytest.param(cell, False, marks=pytest.mark.slow) for cell in CELLS if cell != "lstm"),
    ],
)
def test_training_goes_as_with_keras_alone(cell, compiled, monkeypatch):
    """A masked model in the graph of `fit`: a batch of odd size, then one row of another length."""
    if compiled:
        monkeypatch.setattr(recurrent, "_recurrence", REAL_RECURRENCE)
    bidirectional = not compiled
    model = language_model(cell, bidirectional=bidirectional, mask_zero=True, return_sequences=False)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    batches = [(33, 3), (1, 4)]
    assert losses(accelerate(model), batches) == pytest.approx(losses(twin, batches), abs=1e-5)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_small_layers_are_left_to_keras(monkeypatch):
    monkeypatch.setattr(recurrent, "MIN_UNITS", REAL_MIN_UNITS)
    assert "inner_loop" not in vars(accelerate(layers.GRU(REAL_MIN_UNITS - 1)))
    assert "inner_loop" in vars(accelerate(layers.GRU(REAL_MIN_UNITS)))


def test_reaches_layers_in_wrappers_and_nested_models():
    inner_in = keras.Input((None, 3))
    inner = keras.Model(inner_in, layers.Bidirectional(layers.GRU(2, return_sequences=True))(inner_in), name="inner")
    start = keras.Input((None, 3))
    model = accelerate(keras.Model(start, layers.LSTM(2)(inner(start))))
    wrapper = model.get_layer("inner").layers[-1]
    reached = [wrapper.forward_layer, wrapper.backward_layer, model.layers[-1]]
    assert all(layer.inner_loop.__func__ is recurrent._inner_loop for layer in reached)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(2, recurrent_dropout=0.1),
        lambda: layers.LSTM(2, unroll=True),
        lambda: layers.LSTM(2, activation="relu"),
        lambda: layers.LSTM(2, recurrent_activation="hard_sigmoid"),
        lambda: layers.LSTM(2, implementation=1),
        lambda: layers.LSTM(2, dtype="mixed_bfloat16"),
        lambda: layers.GRU(2, reset_after=False),
        lambda: layers.RNN(layers.LSTMCell(2)),
        lambda: type("Mine", (layers.LSTM,), {})(2),
    ],
)
def test_what_is_rare_is_left_to_keras(layer):
    made = layer()
    assert "inner_loop" not in vars(accelerate(made))
    made(np.ones((1, 2, 3), "float32"))


def test_a_second_derivative_is_refused():
    layer = accelerate(layers.LSTM(2))
    x = tf.ones((1, 3, 2))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(layer(x))
        slope = inner.gradient(y, x)
    with pytest.raises(NotImplementedError, match="second derivative"):
        outer.gradient(slope, x)


def test_the_installed_keras_is_the_one_this_code_was_written_for():
    """The one point that is replaced: its arguments, who calls it, and the answers of all three layers."""
    import inspect

    arguments = list(inspect.signature(layers.RNN.inner_loop).parameters)
    assert arguments == ["self", "sequences", "initial_state", "mask", "training"]
    assert recurrent._differences() == []


@pytest.fixture
def forgotten():
    """The question whether this Keras is known is asked anew, before and after."""
    recurrent._usable.cache_clear()
    yield
    recurrent._usable.cache_clear()


def _other_gates(monkeypatch):
    real = layers.LSTMCell._compute_carry_and_output_fused
    monkeypatch.setattr(
        layers.LSTMCell,
        "_compute_carry_and_output_fused",
        lambda self, z, c: real(self, [z[i] for i in (1, 0, 2, 3)], c),
    )


def _other_method(monkeypatch):
    monkeypatch.setattr(layers.RNN, "renamed", layers.RNN.inner_loop, raising=False)
    for made in (layers.LSTM, layers.RNN):

        def call(self, sequences, initial_state=None, mask=None, training=False):
            start = [keras.ops.zeros((2, 2))] * 2 if initial_state is None else initial_state
            _, outputs, states = self.renamed(sequences, start, mask, training)
            return outputs, *states

        monkeypatch.setattr(made, "call", call)


def _no_walk(monkeypatch):
    monkeypatch.delattr(layers.Layer, "_flatten_layers")


def _no_dropout_mask(monkeypatch):
    cell = next(cell for cell in layers.LSTMCell.__mro__ if "get_dropout_mask" in vars(cell))
    monkeypatch.delattr(cell, "get_dropout_mask")


@pytest.mark.parametrize(
    "change, names",
    [
        (_other_gates, "LSTM"),
        (_other_method, "LSTM"),
        (_no_walk, "all layers .*_flatten_layers"),
        (_no_dropout_mask, "LSTM .*get_dropout_mask"),
    ],
)
def test_an_unknown_keras_keeps_its_own_layers_with_one_warning(change, names, monkeypatch, forgotten):
    layer = layers.LSTM(2)
    change(monkeypatch)
    with pytest.warns(UserWarning, match=f"Keras {keras.__version__} computes .*{names}"):
        accelerate(layer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accelerate(layer)
    assert "inner_loop" not in vars(layer)


def test_nothing_changes_on_a_gpu_or_another_backend(monkeypatch, forgotten):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["a GPU"])
    assert "inner_loop" not in vars(accelerate(layers.LSTM(2)))
    recurrent._usable.cache_clear()
    monkeypatch.undo()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert "inner_loop" not in vars(accelerate(layers.LSTM(2)))


def test_asking_leaves_random_numbers_and_names_alone(forgotten):
    def first_layer():
        keras.utils.set_random_seed(0)
        keras.backend.clear_session()
        recurrent._usable()
        layer = layers.LSTM(2)
        layer.build((1, 2, 3))
        return layer.name, layer.get_weights()[0]

    name, weights = first_layer()  # asks
    again, same = first_layer()  # knows
    assert name == again
    np.testing.assert_array_equal(weights, same)


CHILD = """
import sys
import keras, numpy as np
for name in ("common", "projects"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} could be imported")
folder = sys.argv[1]
model = keras.saving.load_model(f"{folder}/model.keras", safe_mode=True)
np.save(f"{folder}/outputs.npy", model.predict(np.load(f"{folder}/x.npy"), verbose=0))
"""


def test_a_saved_model_opens_without_this_code(tmp_path):
    """Isolated, and in another folder: neither `common` nor `projects` is on the path."""
    model = accelerate(language_model("lstm", return_states=True, mask_zero=True))
    x = np.random.default_rng(0).integers(0, 7, (3, 6))
    losses(model, [(3, 6)])
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    if (ROOT / "common").is_dir() and subprocess.run(
        [sys.executable, "-c", "import common"], cwd=tmp_path, env=environment, capture_output=True
    ).returncode == 0:
        command[2] = "import sys; sys.modules.update(common=None, projects=None)\n" + CHILD  # installed: hide it
    child = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, atol=1e-5)
    again = accelerate(keras.saving.load_model(tmp_path / "model.keras"))
    assert again.get_layer("recurrent_1").inner_loop.__func__ is recurrent._inner_loop
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stack_is_made_of_plain_keras_layers(cell):
    x = keras.Input((None, 3))
    outputs, states = blocks.recurrent_stack(x, cell, (4, 2), dropout=0.5, return_states=True, stateful=False)
    model = keras.Model(x, outputs)
    kinds = [type(layer) for layer in model.layers[1:]]
    assert kinds == [CELLS[cell], layers.Dropout] * 2
    assert [layer.name for layer in model.layers[1:]] == [
        "recurrent_1",
        "recurrent_1_dropout",
        "recurrent_2",
        "recurrent_2_dropout",
    ]
    assert outputs.shape == (None, None, 2)
    size = 2 if cell == "lstm" else 1
    assert [[state.shape for state in layer] for layer in states] == [[(None, 4)] * size, [(None, 2)] * size]


def test_a_stack_of_an_unknown_cell():
    with pytest.raises(ValueError, match="'elman'; expected one of simple_rnn, gru, lstm"):
        blocks.recurrent_stack(keras.Input((None, 3)), "elman", (2,))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_padding_changes_nothing(cell, bidirectional):
    """With a mask, a sequence gives the same alone and padded beside a longer one."""
    model = accelerate(language_model(cell, mask_zero=True, bidirectional=bidirectional, return_sequences=False))
    short, padded = np.array([[3, 1, 2]]), np.array([[3, 1, 2, 0, 0], [1, 1, 4, 5, 6]])
    np.testing.assert_allclose(values(model(short))[0][0], values(model(padded))[0][0], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_decoder_starts_where_the_encoder_ended(cell):
    """The last states of one stack, given to a second one with the same weights, continue the sequence."""
    x, first, second = keras.Input((5, 3)), keras.Input((2, 3)), keras.Input((3, 3))
    whole = keras.Model(x, blocks.recurrent_stack(x, cell, (4, 2)))
    _, states = blocks.recurrent_stack(first, cell, (4, 2), return_states=True, name="encoder")
    outputs = blocks.recurrent_stack(second, cell, (4, 2), initial_states=states, name="decoder")
    both = keras.Model([first, second], outputs)
    for i in (1, 2):
        for side in ("encoder", "decoder"):
            both.get_layer(f"{side}_{i}").set_weights(whole.get_layer(f"recurrent_{i}").get_weights())
    data = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    expected = values(whole(data))[0][:, 2:]
    np.testing.assert_allclose(values(accelerate(both)([data[:, :2], data[:, 2:]]))[0], expected, atol=1e-6)


def test_state_is_carried_in_stateful_layers():
    """`stateful` is Keras' own and stays so: two halves in two calls are the whole sequence."""
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    layer = layers.LSTM(4, return_sequences=True, stateful=True)
    layer.build((2, None, 3))
    accelerate(layer)
    whole = values(layer(x))[0]
    layer.reset_state()
    halves = [values(layer(x[:, :3]))[0], values(layer(x[:, 3:]))[0]]
    np.testing.assert_allclose(np.concatenate(halves, 1), whole, atol=1e-6)


def test_a_wrong_size_for_the_benchmark_is_a_sentence():
    for size in ("2x", "2x3x4", "2x3x4x0", "2x3x4x5x6", "ax3x4x5"):
        refused(["--sizes", size], f"{size!r} is not LAYERSxUNITSxBATCHxTIME", "benchmarks.recurrent")
