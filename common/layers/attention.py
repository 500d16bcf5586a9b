"""Attention: each query looks at all keys and takes the mean of their values, weighted by how well they fit."""

import numpy as np
from keras import layers, ops


def attend(query, key, value, mask=None, heads: int = 1):
    """Scaled dot-product attention with `heads` heads side by side (Vaswani et al. 2017, equation 1).

    query: (batch, queries, units). key, value: (batch, keys, units). mask: boolean, True where a query may look:
    (batch, keys), or (batch, queries, keys). Every query must be allowed at least one key.
    Returns the context (batch, queries, units) and the weights (batch, queries, keys), which are the mean over the
    heads and sum to 1. With one head this is the attention of Luong et al. 2015 with its score divided by √units.

    Keras' `MultiHeadAttention` computes the same. It projects keys and values in each call. Here the caller projects
    them, so that a decoder can keep those of the steps before.
    """
    size = query.shape[-1] // heads

    def split(x):  # (batch, heads, time, size)
        return layers.Permute((2, 1, 3))(layers.Reshape((-1, heads, size))(x))

    scores = ops.matmul(split(query), ops.swapaxes(split(key), -1, -2)) * size**-0.5
    if mask is not None:
        mask = mask[:, None, None] if len(mask.shape) == 2 else mask[:, None]
        scores = ops.where(mask, scores, -1e9)
    weights = ops.softmax(scores)
    context = layers.Permute((2, 1, 3))(ops.matmul(weights, split(value)))
    return layers.Reshape((-1, heads * size))(context), ops.mean(weights, axis=1)


def causal_mask(x):
    """(batch, time, time), True where the second step is not later than the first. x: (batch, time, …), its shape."""
    place = ops.cumsum(ops.ones_like(x[:, :, 0], dtype="int32"), axis=1)
    return place[:, :, None] >= place[:, None, :]


def place_signals(place, units: int):
    """Sines and cosines of each place (batch, time), from short waves to long ones: (batch, time, units).

    They tell a network without recurrence where a symbol stands (Vaswani et al. 2017, section 3.5). There is no
    greatest place.
    """
    frequency = (10_000.0 ** (-np.arange(0, units, 2) / units)).astype("float32")
    angle = ops.cast(place, "float32")[:, :, None] * frequency
    return ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=-1)
