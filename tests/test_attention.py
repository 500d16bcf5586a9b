"""Attention: the same as Keras' own, no look at padding, no look ahead."""

import keras
import numpy as np
import pytest

from common.layers.attention import attend, causal_mask, place_signals


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    query, memory = random.normal(size=(2, 3, 8)), random.normal(size=(2, 5, 8))
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
    return query.astype("float32"), memory.astype("float32"), mask


@pytest.mark.parametrize("heads", [1, 4])
def test_it_is_the_attention_of_keras(arrays, heads):
    query, memory, mask = arrays
    keras_layer = keras.layers.MultiHeadAttention(heads, 8 // heads, use_bias=False)
    keras_layer.build(query.shape, memory.shape)
    identity = np.eye(8, dtype="float32")  # no projections: what is left is the attention itself
    keras_layer.set_weights([identity.reshape(weight.shape) for weight in keras_layer.weights])
    expected, weights = keras_layer(query, memory, attention_mask=mask[:, None], return_attention_scores=True)
    context, mean = attend(query, memory, memory, mask, heads)
    np.testing.assert_allclose(context, expected, atol=1e-6)
    np.testing.assert_allclose(mean, np.mean(weights, axis=1), atol=1e-6)


def test_padding_is_never_looked_at(arrays):
    query, memory, mask = arrays
    context, weights = attend(query, memory, memory, mask, 2)
    assert not np.asarray(weights)[0, :, 3:].any()
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, atol=1e-6)
    other = np.where(mask[..., None], memory, 100).astype("float32")
    np.testing.assert_array_equal(attend(query, other, other, mask, 2)[0], context)
    assert np.abs(attend(query, other, other, None, 2)[0] - context).max() > 1, "without the mask it is"


def test_no_step_looks_ahead(arrays):
    memory = arrays[1]
    mask = np.asarray(causal_mask(memory))
    np.testing.assert_array_equal(mask, np.tile(np.tri(5, dtype=bool), (2, 1, 1)))
    context, _ = attend(memory, memory, memory, mask, 2)
    later = memory.copy()
    later[:, 3:] = 7
    changed, _ = attend(later, later, later, mask, 2)
    np.testing.assert_array_equal(np.asarray(context)[:, :3], np.asarray(changed)[:, :3])


def test_places_are_sines_and_cosines_of_any_length():
    signals = np.asarray(place_signals(np.array([[0, 1, 5000]]), 6))
    waves = np.array([1, 5000])[:, None] / 10_000 ** (np.arange(0, 6, 2) / 6)
    np.testing.assert_allclose(signals[0, 0], [0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(signals[0, 1:], np.concatenate([np.sin(waves), np.cos(waves)], axis=1), atol=1e-3)
