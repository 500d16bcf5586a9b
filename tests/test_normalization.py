"""fuse: the same numbers as Keras' own batch normalisation, and no trace of it in the saved file."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from common.layers import blocks, normalization
from common.layers.normalization import fuse


def network(**options) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 5, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm", **options)(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x * x))
    model.get_layer("conv").bias.assign([1.0, -2.0, 0.5, 3.0])
    if model.get_layer("norm").scale:
        model.get_layer("norm").gamma.assign([1.0, 2.0, 0.5, -1.0])
    return model


def test_training_gives_keras_numbers():
    """Outputs, gradients of all weights and of the input, moving averages, for several steps; then the answers."""
    stock, ours = network(), fuse(network())
    assert "call" in vars(ours.get_layer("norm")) and "call" not in vars(stock.get_layer("norm"))
    x = tf.constant(np.random.default_rng(0).normal(2, 3, (7, 6, 5, 3)).astype("float32"))
    for _ in range(3):
        results = []
        for model in (stock, ours):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = model(x, training=True)
                loss = tf.reduce_sum(y * tf.range(28.0)[:, None][:7])
            values = [weight.value for weight in model.trainable_variables]
            results.append([y, *tape.gradient(loss, [x, *values]), *model.non_trainable_variables])
        assert len(results[0]) == 1 + 1 + 4 + 2
        for one, two in zip(*results, strict=True):
            scale = float(np.abs(one).max())
            np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-4 * max(scale, 1.0))
    np.testing.assert_allclose(ours(x, training=False), stock(x, training=False), rtol=1e-4, atol=1e-5)


def test_keras_calls_the_replacement():
    """Keras has to call the layer's own `call`. If it stopped doing so, training would only be slow, without an error."""

    def kernels(model):
        step = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.ones((2, 6, 5, 3)))
        return [operation for operation in step.graph.get_operations() if operation.type == "FusedBatchNormV3"]

    assert len(kernels(fuse(network()))) == 1 and not kernels(network())
    inner = network()
    inputs = keras.Input((6, 5, 3))
    assert len(kernels(fuse(keras.Model(inputs, inner(inputs))))) == 1, "a model inside a model"


@pytest.fixture
def forgotten():
    """The answer of `_usable` is kept for the process; these tests need a new one, and leave none behind."""
    normalization._usable.cache_clear()
    yield
    normalization._usable.cache_clear()


STOCK_CALL, STOCK = keras.layers.BatchNormalization.call, keras.layers.BatchNormalization.__call__


def forgetful(self, *arguments, **options):
    vars(self).pop("call", None)
    return STOCK(self, *arguments, **options)


def doubled(self, inputs, training=None, mask=None):
    return 2 * STOCK_CALL(self, inputs, training, mask)


def gone(self, inputs, training=None, mask=None):
    raise AttributeError("no attribute 'gamma'")


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("__call__", forgetful, "does not call"),
        ("call", doubled, "other numbers"),
        ("call", gone, "AttributeError: .*no attribute 'gamma'"),
    ],
)
def test_an_unknown_keras_keeps_its_own_layers_with_one_warning(name, changed, words, monkeypatch, forgotten):
    models = [network(), network()]
    monkeypatch.setattr(keras.layers.BatchNormalization, name, changed)
    with pytest.warns(UserWarning, match=words):
        fuse(models[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuse(models[1])
    assert all("call" not in vars(model.get_layer("norm")) for model in models)


def test_what_is_saved_is_keras_own(tmp_path):
    model = fuse(network())
    model.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras")
    assert "call" not in vars(opened.get_layer("norm"))
    x = np.ones((2, 6, 5, 3), "float32")
    np.testing.assert_allclose(opened(x), model(x), atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"axis": 1}, {"scale": False}, {"dtype": "mixed_bfloat16"}, {"synchronized": True}]
)
def test_other_layers_stay_as_they_are(options):
    assert "call" not in vars(fuse(network(**options)).get_layer("norm"))


def test_a_frozen_layer_keeps_its_averages():
    model = fuse(network())
    model.get_layer("norm").trainable = False
    before = [np.array(weight) for weight in model.get_layer("norm").weights]
    x = np.random.default_rng(0).normal(size=(4, 6, 5, 3)).astype("float32")
    np.testing.assert_allclose(model(x, training=True), model(x, training=False), atol=1e-6)
    for one, two in zip(before, model.get_layer("norm").weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_it_learns_in_fit():
    inputs = keras.Input((8, 8, 1))
    x = blocks.conv(inputs, 4, norm="batch", name="c")
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fuse(model).fit(np.random.default_rng(0).normal(3, 2, (32, 8, 8, 1)), np.arange(32) % 2, batch_size=8, verbose=0)
    assert np.abs(model.get_layer("c_norm").moving_mean).max() > 0.01
