"""The convolutional blocks: the worked examples of the lectures, and the shapes of the papers."""

import keras
import numpy as np
import pytest

from common.layers import blocks
from projects.image_classification.model import inception

PICTURE = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
KERNEL = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_convolution_of_the_lecture():
    inputs = keras.Input((5, 5, 1))
    model = keras.Model(inputs, blocks.conv(inputs, 1, 3, padding="valid", activation=None, name="conv"))
    model.get_layer("conv").set_weights([np.array(KERNEL, "float32")[..., None, None], np.zeros(1)])
    answer = np.asarray(model(np.array(PICTURE, "float32")[None, ..., None]))[0, ..., 0]
    np.testing.assert_array_equal(answer, [[4, 3, 4], [2, 4, 3], [2, 3, 4]])


@pytest.mark.parametrize(("kind", "expected"), [("max", [[2, 3], [2, 3]]), ("average", [[1.25, 2], [1, 1.5]])])
def test_pooling_of_the_lecture(kind, expected):
    picture = np.array([[1, 2, 3], [0, 2, 1], [2, 0, 3]], "float32")[None, ..., None]
    np.testing.assert_array_equal(np.asarray(blocks.POOLS[kind](2, strides=1)(picture))[0, ..., 0], expected)


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "side"),
    [
        (3, 1, "same", 9),
        (3, 1, "valid", 7),
        (3, 2, "same", 5),
        (3, 2, "valid", 4),
        (5, 1, "valid", 5),
        (4, 2, "same", 5),
    ],
)
def test_padding_and_stride_give_the_size_of_the_formula(kernel, strides, padding, side):
    """(n - k + 2p) / s + 1 without padding, ceil(n / s) with it."""
    inputs = keras.Input((9, 9, 2))
    assert blocks.conv(inputs, 4, kernel, strides, padding).shape == (None, side, side, 4)


def test_batch_normalisation_centres_each_channel():
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, blocks.conv(inputs, 5, norm="batch", activation=None, name="c"))
    x = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3)).astype("float32")
    outputs = np.asarray(model(x, training=True))
    np.testing.assert_allclose(outputs.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(outputs.std(axis=(0, 1, 2)), 1, atol=1e-2)
    assert not model.get_layer("c").use_bias


@pytest.mark.parametrize(("filters", "strides", "projected"), [(4, 1, False), (8, 1, True), (4, 2, True)])
def test_residual_stage(filters, strides, projected):
    """With its last scale at zero the stage is its shortcut: relu(x) where the shape stays."""
    inputs = keras.Input((6, 6, 4))
    model = keras.Model(inputs, blocks.residual(inputs, filters, strides, name="r"))
    assert model.output_shape == (None, 6 // strides, 6 // strides, filters)
    assert any(layer.name == "r_shortcut" for layer in model.layers) == projected
    if not projected:
        model.get_layer("r_2_norm").gamma.assign(np.zeros(filters))
        x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("float32")
        np.testing.assert_allclose(model(x), np.maximum(x, 0), atol=1e-6)


@pytest.mark.parametrize("side", [6, 7])
def test_a_shortcut_is_a_convolution_with_strides(side):
    """Picking every second pixel and then convolving is what a 1 × 1 convolution with strides of two does."""
    inputs = keras.Input((side, side, 8))
    model = keras.Model(inputs, blocks.residual(inputs, 16, 2, name="r"))
    shortcut = model.get_layer("r_shortcut")
    ours = keras.Model(inputs, shortcut.output)
    strided = keras.layers.Conv2D(16, 1, 2, "same", use_bias=False)
    x = np.random.default_rng(0).normal(size=(3, side, side, 8)).astype("float32")
    strided.build(x.shape)
    strided.set_weights(shortcut.get_weights())
    np.testing.assert_allclose(ours(x), strided(x), atol=1e-6)


def test_inception_stage_puts_its_branches_side_by_side():
    inputs = keras.Input((8, 8, 6))
    model = keras.Model(inputs, inception(inputs, [4, 6, 8, 1, 2, 3], "i"))
    assert model.output_shape == (None, 8, 8, 4 + 8 + 2 + 3)
    sizes = {layer.name: layer.kernel_size[0] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}
    assert sizes == {
        "i_1x1": 1, "i_3x3_reduce": 1, "i_3x3": 3, "i_5x5_reduce": 1, "i_5x5": 5, "i_projected": 1,
    }  # fmt: skip


def test_convolution_block():
    inputs = keras.Input((8, 8, 3))
    x = blocks.conv(inputs, 5, 4, strides=2, norm="batch", activation="leaky_relu", dropout=0.5, name="down")
    built = keras.Model(inputs, blocks.conv(x, 7, padding="valid", pool="max", name="out"))
    names = [layer.name for layer in built.layers[1:]]
    assert names == ["down", "down_norm", "down_leaky_relu", "down_dropout", "out", "out_relu", "out_pool"]
    assert not built.get_layer("down").use_bias and built.get_layer("out").use_bias
    assert built.output_shape == (None, 1, 1, 7)
    instance = keras.Model(inputs, blocks.conv(inputs, 4, norm="instance", activation=None))
    outputs = instance.predict(np.random.default_rng(0).normal(5, 3, (2, 8, 8, 3)), verbose=0)
    np.testing.assert_allclose(outputs.mean(axis=(1, 2)), 0, atol=1e-4)
    average = keras.Model(inputs, blocks.conv(inputs, 4, 1, activation=None, pool="average", name="c"))
    plain = keras.Model(inputs, average.get_layer("c").output)
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(average(x)[0, 0, 0], np.mean(plain(x)[0, :2, :2], axis=(0, 1)), atol=1e-5)
