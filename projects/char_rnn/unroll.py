"""The recurrences in NumPy, one step after the other. The page shows them, and the tests compare Keras with them.

    SimpleRNN   h_t = tanh(W_xh x_t + W_hh h_(t-1) + b)                                    (Elman 1990)
    LSTM        i, f, o = sigmoid(W x_t + U h_(t-1) + b),  g = tanh(…),
                c_t = f c_(t-1) + i g,  h_t = o tanh(c_t)                                (Hochreiter & Schmidhuber 1997)
    GRU         z, r = sigmoid(…),  g = tanh(W x_t + r (U h_(t-1) + b_r) + b),
                h_t = z h_(t-1) + (1 - z) g                                             (Cho et al. 2014; r as in Keras)
    output      y_t = W_hy h_t + b_y,  p_t = softmax(y_t),  loss_t = -log p_t[target]

The weights are the same at every step. The states begin at zero.
"""

import itertools
from typing import Any

import numpy as np

from projects.char_rnn.encoding import FIRST


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def cell_step(kind: str, x: np.ndarray, states: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    """The states of one layer after one step. The first is h, which is also its output.

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
    """Read `ids` with one-hot input, from zero states. One dict for each step; each step predicts the next id.

    "x": (symbols,). "before", "states": the states before and after the step, a list for each layer as `cell_step`
    gives it. "logits", "probabilities": (symbols,). "target": index of the next character's logit, -1 for an unknown
    character. "loss": nats, 0 for an unknown character.
    """
    output, bias = network.get_layer("logits").get_weights()
    cells = [layer.get_weights() for layer in network.layers if layer.name.startswith(f"{kind}_") and layer.weights]
    states = [[np.zeros(weights[1].shape[0])] * (2 if kind == "lstm" else 1) for weights in cells]
    steps = []
    for current, following in itertools.pairwise(ids):
        x = h = np.eye(FIRST + len(bias))[current, FIRST:]  # an unknown character is all zeros
        before, states = states, []
        for weights, state in zip(cells, before, strict=True):
            states.append(cell_step(kind, h, state, weights))
            h = states[-1][0]
        logits = h @ output + bias
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        target = max(int(following) - FIRST, -1)
        loss = float(-np.log(probabilities[target])) if target >= 0 else 0.0
        step = {"x": x, "before": before, "states": states, "logits": logits, "probabilities": probabilities}
        steps.append({**step, "target": target, "loss": loss})
    return steps
