"""The recurrences written out in NumPy, one step after the other: what the page shows, and what the tests compare with.

    SimpleRNN   h_t = tanh(W_xh x_t + W_hh h_(t-1) + b)                                    (Elman 1990)
    LSTM        i, f, o = sigmoid(W x_t + U h_(t-1) + b),  g = tanh(…),
                c_t = f c_(t-1) + i g,  h_t = o tanh(c_t)                                (Hochreiter & Schmidhuber 1997)
    GRU         z, r = sigmoid(…),  g = tanh(W x_t + r (U h_(t-1) + b_r) + b),
                h_t = z h_(t-1) + (1 - z) g                                              (Cho et al. 2014; reset after)
    output      y_t = W_hy h_t + b_y,  p_t = softmax(y_t),  loss_t = -log p_t[target]

The same weights at every step; the states begin at zero.
"""

import itertools
from typing import Any

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def cell_step(kind: str, x: np.ndarray, states: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    """New states of one layer after one step; the first is h, its output.

    kind: simple_rnn, gru or lstm. x: (features,). states: [h] or [h, c], (units,) each. weights: a Keras layer's
    `get_weights()`: kernel (features, gates * units), recurrent kernel (units, gates * units), bias.
    """
    kernel, recurrent, bias = weights
    if kind == "simple_rnn":
        return [np.tanh(x @ kernel + states[0] @ recurrent + bias)]
    if kind == "lstm":
        h, c = states
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]
    (h,) = states
    (xz, xr, xg), (hz, hr, hg) = np.split(x @ kernel + bias[0], 3), np.split(h @ recurrent + bias[1], 3)
    z = sigmoid(xz + hz)
    return [z * h + (1 - z) * np.tanh(xg + sigmoid(xr + hr) * hg)]


def unroll(network: Any, kind: str, ids: np.ndarray) -> list[dict[str, Any]]:
    """Read `ids` from zero states, with one-hot input: for each step but the last character
    {"x": (symbols,), "before": states before, "states": states after, "log_odds", "probabilities": (symbols,),
    "target", "loss"}; states are lists over the layers of lists as `cell_step` gives them."""
    output, bias = network.get_layer("log_odds").get_weights()
    cells = [layer.get_weights() for layer in network.layers if layer.name.startswith(f"{kind}_") and layer.weights]
    symbols = len(bias)
    states = [[np.zeros(weights[1].shape[0])] * (2 if kind == "lstm" else 1) for weights in cells]
    steps = []
    for here, target in itertools.pairwise(ids):
        x = h = np.eye(symbols + 1)[here, :symbols]  # an unknown character is all zeros
        before, states = states, []
        for weights, state in zip(cells, before, strict=True):
            states.append(cell_step(kind, h, state, weights))
            h = states[-1][0]
        log_odds = h @ output + bias
        shares = np.exp(log_odds - log_odds.max())
        shares /= shares.sum()
        steps.append(
            {
                "x": x,
                "before": before,
                "states": states,
                "log_odds": log_odds,
                "probabilities": shares,
                "target": int(target),
                "loss": float(-np.log(shares[target])) if target < symbols else 0.0,
            }
        )
    return steps
