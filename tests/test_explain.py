"""Heat maps, feature maps and single numbers: what they claim about a network is true of it."""

import keras
import numpy as np
import pytest
from keras import layers

from common.errors import UserError
from common.layers import blocks, explain


def network(kind: str, side: int = 28, classes: int = 10) -> keras.Model:
    """A small network of one of four kinds for pictures (side, side, 1)."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((side, side, 1))
    x = layers.Rescaling(1 / 64, -0.6)(pixels)
    if kind == "lenet":
        x = blocks.conv(x, 6, 5, activation="tanh", pool="average", name="c1")
        x = blocks.conv(x, 16, 5, padding="valid", activation="tanh", pool="average", name="c3")
    elif kind == "alexnet":
        for number, filters in enumerate((8, 21), start=1):
            x = layers.MaxPooling2D(3, 2, "same")(blocks.conv(x, filters, 5, name=f"conv{number}"))
        x = blocks.conv(x, 32, name="conv3")
    elif kind == "resnet":
        kernel, strides = (5, 2) if side >= 28 else (3, 1)
        x = blocks.conv(x, 8, kernel, strides, norm="batch", name="stem")
        for number, filters in enumerate((8, 16, 32)):
            x = blocks.residual(x, filters, 2 if number else 1, name=f"stage{number + 1}")
        x = layers.GlobalAveragePooling2D()(x)
    if kind != "resnet":
        x = blocks.dense(layers.Flatten()(x), 16, dropout=0.2)
    return keras.Model(pixels, layers.Dense(classes)(x), name=kind)


@pytest.fixture(scope="module")
def taught():
    """A residual network that has learnt four patterns, anywhere in a picture; pictures, classes, patterns' corners."""
    model = network("resnet", side=24, classes=4)
    random = np.random.default_rng(0)
    labels, corners = random.integers(0, 4, 512), random.integers(0, 17, (512, 2))
    pictures = random.integers(0, 40, (512, 24, 24, 1)).astype("float32")
    rows, columns = np.mgrid[:8, :8]
    patterns = [rows % 4 < 2, columns % 4 < 2, (rows + columns) % 4 < 2, rows >= 0]
    for picture, label, (top, left) in zip(pictures, labels, corners, strict=True):
        picture[top : top + 8, left : left + 8, 0] += 200 * patterns[label]
    model.compile(keras.optimizers.AdamW(5e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(pictures, labels, batch_size=32, epochs=12, verbose=0)
    return model, pictures[:64], labels[:64], corners[:64]


def own_maps(method, model, pictures, labels):
    """Each picture's map for its own class: one call a class."""
    maps = np.zeros(pictures.shape[:3])
    for k in np.unique(labels):
        maps[labels == k] = explain.METHODS[method](model, pictures[labels == k], int(k))
    return maps


def test_one_picture_has_the_map_that_it_has_among_others(taught):
    model, pictures, labels, _ = taught
    for method in explain.METHODS.values():
        alone, among = (method(model, pictures[:count], int(labels[0])) for count in (1, 5))
        assert alone.shape == (1, 24, 24) and alone.max() == pytest.approx(1)
        np.testing.assert_allclose(alone[0], among[0], atol=1e-4)


def test_grad_cam_and_cam_agree_where_theory_says_so(taught):
    """In a network that ends in a mean and one dense layer, Grad-CAM is CAM (Selvaraju et al. 2017, section 3.1)."""
    model, pictures, *_ = taught
    for k in range(4):
        np.testing.assert_allclose(explain.grad_cam(model, pictures, k), explain.cam(model, pictures, k), atol=1e-3)


@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_heat_is_where_the_evidence_is(method, taught):
    """Only the patch tells the class, so the strongest place of the map lies on it, or a step of the map beside it."""
    model, pictures, labels, corners = taught
    assert (np.asarray(model(pictures, training=False)).argmax(axis=1) == labels).mean() > 0.9
    on_it = []
    for heat, (top, left) in zip(own_maps(method, model, pictures, labels), corners, strict=True):
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        on_it.append(top - 4 <= row < top + 12 and left - 4 <= column < left + 12)
    assert np.mean(on_it) > 0.85


@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_maps_change_when_the_weights_are_randomised(method, taught):
    """The sanity check of Adebayo et al. (2018): a map that ignores the weights explains the picture, not the network."""
    model, pictures, labels, _ = taught
    other = keras.models.clone_model(model)
    random = np.random.default_rng(1)
    other.set_weights(
        [
            random.permutation(weight.ravel()).reshape(weight.shape) if weight.ndim > 1 else weight
            for weight in model.get_weights()
        ]
    )
    before, again, after = (own_maps(method, one, pictures[:24], labels[:24]) for one in (model, model, other))
    np.testing.assert_allclose(before, again, atol=1e-5, err_msg="the same network gives the same map")
    pairs = [(one.ravel(), two.ravel()) for one, two in zip(before, after, strict=True)]
    assert np.mean([np.corrcoef(*pair)[0, 1] if pair[0].std() and pair[1].std() else 0.0 for pair in pairs]) < 0.5


def test_methods_suit_the_network():
    lenet, mlp = network("lenet"), network("mlp")
    assert explain.methods_for(network("resnet")) == ["grad_cam", "cam", "saliency"]
    assert explain.methods_for(lenet) == ["grad_cam", "saliency"] and explain.methods_for(mlp) == ["saliency"]
    picture = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1)).astype("float32")
    assert explain.last_maps(lenet).name == "c3_tanh"
    with pytest.raises(UserError, match="no convolution"):
        explain.grad_cam(mlp, picture, 0)
    with pytest.raises(UserError, match="does not end in a mean"):
        explain.cam(lenet, picture, 0)
    assert explain.saliency(mlp, picture, 0).max() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["lenet", "alexnet", "resnet"])
def test_one_number_is_the_sum_that_it_is_said_to_be(kind):
    """Every convolution, at the corners and in the middle: patch × kernel + bias is what the layer gave."""
    model = network(kind)
    picture = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1)).astype("float32")
    maps = explain.feature_maps(model, picture)
    assert len(explain.convolutions(model)) >= 2
    for layer in explain.convolutions(model):
        height, width, channels = maps[layer].shape
        for row, column in ((0, 0), (height - 1, width - 1), (height // 2, 0)):
            parts = explain.one_number(model, picture, layer, row, column, channels - 1)
            assert parts["sum"] == pytest.approx(maps[layer][row, column, channels - 1], rel=1e-3, abs=1e-4)
            assert parts["patch"].shape == parts["kernel"].shape == explain.kernels(model, layer).shape[:3]


def test_overlay_is_grey_where_nothing_is():
    picture, heat = np.random.default_rng(0).integers(0, 256, (10, 12, 3)).astype(np.uint8), np.zeros((10, 12))
    heat[:, 6:] = 1
    overlaid = explain.overlaid(picture, heat).astype(int)
    assert np.ptp(overlaid[:, :6], axis=-1).max() == 0 and np.ptp(overlaid[:, 6:], axis=-1).min() > 20
