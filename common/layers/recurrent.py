"""accelerate(model): Keras' own LSTM, GRU and SimpleRNN layers, faster on a CPU.

Keras' generic loop does everything at every time step: both products, the gates one operation at a time, and in the
backward pass a small product for the weights. Here, as in Appleyard et al. 2016 (arXiv:1604.01946), the input's share
of all steps is one product before the loop, the gradients of all weights are one product each after it, and what
stays in the loop, h_(t-1) times the recurrent kernel and the gates, is compiled by XLA.

A model is written, saved and opened with `keras.layers.LSTM`; only what these instances do inside is replaced, at one
point: their method `inner_loop`. Outputs and gradients are the same to float32's rounding.
"""

import functools
import os
import types
import warnings
from typing import Any

import keras
import numpy as np
from keras import layers

SMALLEST = 32  # units: each new shape is compiled for about a second, which a smaller layer hardly wins back
HALVED_FROM = 32  # rows: from here on the halves of a training batch are computed side by side


def accelerate(model: Any) -> Any:
    """Make the recurrent layers of a built or loaded model fast on a CPU; returns the same model.

    model: a Keras model or layer. Reaches every `keras.layers.LSTM`, `GRU` and `SimpleRNN` in it, also inside
    `Bidirectional` and nested models. It changes nothing that is saved: call it again after loading.

    Left as they are: layers of fewer than 32 units, with `recurrent_dropout`, `unroll`, `implementation=1`, other
    activations than tanh and sigmoid, `reset_after=False` or a 16-bit compute dtype; everything on a GPU and on other
    backends than TensorFlow. Where the installed Keras computes something else than this code (asked once a process,
    by trying), all layers stay as they are and a warning says so. Each new batch size and sequence length is compiled
    once, for about a second: keep lengths to a few. A mask is data and costs no compiling. There is no second
    derivative.
    """
    if _usable():
        for layer in model._flatten_layers(include_self=True, recursive=True):
            if _has_fast_form(layer):
                layer.inner_loop = types.MethodType(_inner_loop, layer)
    return model


def _has_fast_form(layer: Any) -> bool:
    """Whether this very layer computes what the code below does; subclasses may not."""
    if type(layer) not in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        return False
    cell = layer.cell
    return (
        cell.activation is keras.activations.tanh
        and getattr(cell, "recurrent_activation", keras.activations.sigmoid) is keras.activations.sigmoid
        and getattr(cell, "implementation", 2) != 1
        and getattr(cell, "reset_after", True)
        and not cell.recurrent_dropout
        and not layer.unroll
        and cell.compute_dtype in ("float32", "float64")
        and cell.units >= SMALLEST
    )


@functools.cache
def _usable() -> bool:
    """On TensorFlow without a GPU, and with a Keras whose layers compute what this code computes."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return False
    with tf.init_scope():
        if wrong := _differences():
            warnings.warn(
                f"Keras {keras.__version__} computes {', '.join(wrong)} otherwise than this file expects: "
                "recurrent layers run at Keras' own speed.",
                stacklevel=3,
            )
    return not wrong


def _differences() -> list[str]:
    """The layers, by name, whose answers on a small masked example are not the ones that `_inner_loop` gives.

    A trial says more than a version number: it passes where Keras changed something else, and fails where Keras'
    weights, gates, masks or the method that is replaced changed. Name, seed and initializers are given, so that names
    and random numbers of what is made afterwards stay as they would have been.
    """
    random = np.random.default_rng(0)
    x, mask = random.normal(size=(2, 4, 3)).astype("float32"), np.array([[0, 1, 0, 1], [1, 1, 1, 0]], bool)
    wrong = []
    for make, states in ((layers.SimpleRNN, 1), (layers.GRU, 1), (layers.LSTM, 2)):
        start = [random.normal(size=(2, 2)).astype("float32") for _ in range(states)]
        try:
            options = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros", "seed": 0, "name": "trial"}
            layer = make(2, return_sequences=True, return_state=True, go_backwards=True, **options)
            layer.build(x.shape)
            for weight in layer.weights:
                weight.assign(random.normal(size=weight.shape))
            expected = layer(x, mask=mask, initial_state=start)
            calls: list = []

            def ours(self, sequences, initial_state, mask, training=False, calls=calls):
                calls.append(self)
                return _inner_loop(self, sequences, initial_state, mask, training, compiled=False)

            layer.inner_loop = types.MethodType(ours, layer)
            found = layer(x, mask=mask, initial_state=start)
            same = calls and all(np.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))
        except Exception:  # whatever an unknown Keras raises here, its own layers still work
            same = False
        if not same:
            wrong.append(make.__name__)
    return wrong


def _inner_loop(layer: Any, sequences, initial_state, mask=None, training=False, compiled: bool = True):
    """What replaces `keras.layers.RNN.inner_loop`, with the same arguments and results.

    sequences: (batch, time, features); initial_state: list of (batch, units); mask: None or (batch, time).
    Returns the last output (batch, units), the outputs (batch, time, units), or (batch, 1, units) where the layer
    does not return sequences, and the list of last states.
    """
    import tensorflow as tf

    cell = layer.cell
    dtype = cell.compute_dtype
    x = tf.convert_to_tensor(sequences, dtype)
    if training and 0 < cell.dropout < 1:
        x = x * tf.expand_dims(cell.get_dropout_mask(sequences[:, 0, :]), 1)  # one mask for all steps
    states = keras.tree.flatten(initial_state)
    mask = [] if mask is None else [tf.cast(keras.tree.flatten(mask)[0], "bool")[:, :, None]]
    if layer.go_backwards:
        x, mask = tf.reverse(x, [1]), [tf.reverse(values, [1]) for values in mask]

    kernel, recurrent = (tf.convert_to_tensor(weight, dtype) for weight in (cell.kernel, cell.recurrent_kernel))
    double = isinstance(layer, layers.GRU)  # the GRU has one bias for the input and one for the state
    bias = tf.zeros([*([2] if double else []), kernel.shape[1]], dtype) if cell.bias is None else cell.bias
    bias = tf.convert_to_tensor(bias, dtype)

    run = _recurrence(type(layer).__name__, bool(mask), bool(training), compiled)

    def rows(x, *others):
        """(outputs, last states) of some rows of the batch."""
        start, mask = others[: len(states)], others[len(states) :]
        steps = [tf.transpose(values, [1, 0, 2]) for values in (x, *mask)]
        outputs, *last = run(steps[0], kernel, recurrent, bias, *start, *steps[1:])
        if mask:
            # Keras gives zeros until the first step that counts, even where the initial state is another
            counts = steps[1] if layer.zero_output_for_mask else tf.cumsum(tf.cast(steps[1], "int32")) > 0
            outputs = tf.where(counts, outputs, tf.zeros_like(outputs))
        return tf.transpose(outputs, [1, 0, 2]) if layer.return_sequences else outputs[-1][:, None, :], *last

    inputs = [x, *states, *mask]
    if training and os.cpu_count() != 1 and (x.shape[0] or HALVED_FROM) >= HALVED_FROM:
        # Halves of the batch on two threads: neither waits for the other at every step.
        half = tf.shape(x)[0] // 2
        halves = [rows(*(v[:half] for v in inputs)), rows(*(v[half:] for v in inputs))]
        outputs, *states = (tf.concat(pair, 0) for pair in zip(*halves, strict=True))
    else:
        outputs, *states = rows(*inputs)
    return outputs[:, -1], outputs, states


@functools.cache
def _recurrence(kind: str, masked: bool, training: bool, compiled: bool):
    """A whole layer with its own gradient, as a function of tensors.

    x (time, batch, features), kernel (features, gates × units), recurrent kernel (units, gates × units), bias, states
    (batch, units), [mask (time, batch, 1)] -> hidden states (time, batch, units), last states.
    In training the forward loop keeps what the backward loop needs; otherwise the backward pass, which nobody may
    ask for, repeats it.
    """
    import tensorflow as tf

    forward, backward = {"LSTM": _lstm, "GRU": _gru, "SimpleRNN": _simple_rnn}[kind]()
    keep, plain = (functools.partial(forward, masked=masked, keep=keep) for keep in (True, False))
    back = functools.partial(backward, masked=masked)
    if compiled:
        keep, plain, back = (tf.function(part, jit_compile=True, autograph=False) for part in (keep, plain, back))

    # Inside, stop_gradient keeps TensorFlow from building a gradient of the compiled loops besides the one given here.
    @tf.custom_gradient
    def run(*inputs):
        inner = [tf.stop_gradient(value) for value in inputs]
        results, kept = keep(*inner) if training else (plain(*inner)[0], None)

        def gradient(*upstream):
            saved = keep(*inner)[1] if kept is None else kept
            parts = (inputs, results, saved, upstream)

            @tf.custom_gradient
            def once(*values):
                values = keras.tree.pack_sequence_as(parts, [tf.stop_gradient(value) for value in values])
                return back(*values), _no_second_derivative

            found = once(*keras.tree.flatten(parts))
            return (*found, None) if masked else found

        return results, gradient

    return run


def _no_second_derivative(*_):
    raise NotImplementedError("accelerated recurrent layers have no second derivative: leave accelerate(model) out.")


# The loops. An array of steps is read and then overwritten in place wherever it can be: most of what is not spent in
# the products is spent on fresh memory. `x[t]` reads an array that stays.


def _project(tf, x, kernel):
    """x_t K for all steps, as one product and as an array of steps."""
    product = tf.matmul(tf.reshape(x, [-1, x.shape[2]]), kernel)
    return _steps(tf, tf.reshape(product, [*_size(tf, x), kernel.shape[1]]))


def _size(tf, x):
    """(time, batch), as numbers where they are known."""
    return [known or dynamic for known, dynamic in zip(x.shape[:2], tf.unstack(tf.shape(x)[:2]), strict=True)]


def _steps(tf, values):
    return tf.TensorArray(values.dtype, tf.shape(values)[0], element_shape=values.shape[1:]).unstack(values)


def _empty(tf, like, units):
    return tf.TensorArray(like.dtype, tf.shape(like)[0], element_shape=(like.shape[1], units))


def _loop(tf, x, step, *start, backwards=False):
    """step(t, *values) -> values, for every time step of x (time, …), or from the last to the first."""
    time = tf.shape(x)[0]
    if backwards:
        condition, first, change = (lambda t, *_: t >= 0), time - 1, -1
    else:
        condition, first, change = (lambda t, *_: t < time), tf.zeros_like(time), 1
    body = lambda t, *values: (t + change, *step(t, *values))  # noqa: E731
    return tf.while_loop(condition, body, (first, *start), maximum_iterations=time)[1:]


def _products(tf, x, kernel, d_gates):
    """Gradients of x and of the kernel where x_t K went into the gates of step t."""
    d_gates = tf.reshape(d_gates, [-1, d_gates.shape[2]])
    d_x = tf.reshape(tf.matmul(d_gates, kernel, transpose_b=True), tf.shape(x))
    return d_x, tf.matmul(tf.reshape(x, [-1, x.shape[2]]), d_gates, transpose_a=True)


def _before(tf, first, values):
    """The state before each step, of the first state and the states after each step."""
    return tf.concat([first[None], values[:-1]], 0)


def _recurrent_product(tf, h0, hidden, d_gates):
    """Gradient of the recurrent kernel: the sum over all steps of h_(t-1)ᵀ d_gates_t, as one product."""
    before = tf.reshape(_before(tf, h0, hidden), [-1, h0.shape[1]])
    return tf.matmul(before, tf.reshape(d_gates, [-1, d_gates.shape[2]]), transpose_a=True)


def _simple_rnn():
    """h_t = tanh(x_t K + h_(t-1) R + b)."""
    import tensorflow as tf

    def forward(x, kernel, recurrent, bias, h0, mask=None, masked=False, keep=True):
        def step(t, h, steps):
            new = tf.tanh(steps.read(t) + tf.matmul(h, recurrent) + bias)
            h = tf.where(mask[t], new, h) if masked else new
            return h, steps.write(t, h)

        h, hidden = _loop(tf, x, step, h0, _project(tf, x, kernel))
        return (hidden.stack(), h), ()

    def backward(inputs, results, kept, upstream, masked):
        x, kernel, recurrent, _, h0 = inputs[:5]
        hidden, (d_hidden, d_h) = results[0], upstream

        def step(t, dh, steps):
            dh = dh + d_hidden[t]
            d = dh * (1 - hidden[t] ** 2)
            if not masked:
                return tf.matmul(d, recurrent, transpose_b=True), steps.write(t, d)
            d = tf.where(inputs[5][t], d, tf.zeros_like(d))
            dh = tf.where(inputs[5][t], tf.zeros_like(dh), dh) + tf.matmul(d, recurrent, transpose_b=True)
            return dh, steps.write(t, d)

        d_h0, d = _loop(tf, x, step, d_h, _empty(tf, x, h0.shape[1]), backwards=True)
        d = d.stack()
        d_x, d_kernel = _products(tf, x, kernel, d)
        return d_x, d_kernel, _recurrent_product(tf, h0, hidden, d), tf.reduce_sum(d, [0, 1]), d_h0

    return forward, backward


def _lstm():
    """i, f, g, o = σ, σ, tanh, σ of x_t K + h_(t-1) R + b;  c_t = f c_(t-1) + i g;  h_t = o tanh(c_t)."""
    import tensorflow as tf

    def forward(x, kernel, recurrent, bias, h0, c0, mask=None, masked=False, keep=True):
        def step(t, h, c, steps, hidden, *cells):
            i, f, g, o = tf.split(steps.read(t) + tf.matmul(h, recurrent) + bias, 4, axis=1)
            i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
            new_c = f * c + i * g
            new_h = o * tf.tanh(new_c)
            h, c = (tf.where(mask[t], new_h, h), tf.where(mask[t], new_c, c)) if masked else (new_h, new_c)
            if keep:
                steps, cells = steps.write(t, tf.concat([i, f, g, o], 1)), (cells[0].write(t, c),)
            return h, c, steps, hidden.write(t, h), *cells

        units = h0.shape[1]
        arrays = [_empty(tf, x, units) for _ in range(2 if keep else 1)]
        h, c, gates, hidden, *cells = _loop(tf, x, step, h0, c0, _project(tf, x, kernel), *arrays)
        return (hidden.stack(), h, c), ((gates.stack(), cells[0].stack()) if keep else ())

    def backward(inputs, results, kept, upstream, masked):
        x, kernel, recurrent, _, h0, c0 = inputs[:6]
        (gates, cells), (d_hidden, d_h, d_c) = kept, upstream
        before = _before(tf, c0, cells)

        def step(t, dh, dc, steps):
            i, f, g, o = tf.split(gates[t], 4, axis=1)
            dh = dh + d_hidden[t]
            tanh_c = tf.tanh(cells[t])
            into_c = dc + dh * o * (1 - tanh_c**2)
            d_i, d_f = into_c * g * i * (1 - i), into_c * before[t] * f * (1 - f)
            d = tf.concat([d_i, d_f, into_c * i * (1 - g**2), dh * tanh_c * o * (1 - o)], 1)
            if not masked:
                return tf.matmul(d, recurrent, transpose_b=True), into_c * f, steps.write(t, d)
            valid = inputs[6][t]
            d = tf.where(valid, d, tf.zeros_like(d))
            dh = tf.where(valid, tf.zeros_like(dh), dh) + tf.matmul(d, recurrent, transpose_b=True)
            return dh, tf.where(valid, into_c * f, dc), steps.write(t, d)

        d_h0, d_c0, d = _loop(tf, x, step, d_h, d_c, _empty(tf, x, 4 * h0.shape[1]), backwards=True)
        d = d.stack()
        d_x, d_kernel = _products(tf, x, kernel, d)
        return d_x, d_kernel, _recurrent_product(tf, h0, results[0], d), tf.reduce_sum(d, [0, 1]), d_h0, d_c0

    return forward, backward


def _gru():
    """z, r = σ(x + s), with x = x_t K + b_1, s = h_(t-1) R + b_2;  g = tanh(x + r s);  h_t = z h_(t-1) + (1 - z) g."""
    import tensorflow as tf

    def forward(x, kernel, recurrent, bias, h0, mask=None, masked=False, keep=True):
        def step(t, h, steps, hidden, *inner):
            x_z, x_r, x_g = tf.split(steps.read(t) + bias[0], 3, axis=1)
            s_z, s_r, s_g = tf.split(tf.matmul(h, recurrent) + bias[1], 3, axis=1)
            z, r = tf.sigmoid(x_z + s_z), tf.sigmoid(x_r + s_r)
            g = tf.tanh(x_g + r * s_g)
            new = z * h + (1 - z) * g
            h = tf.where(mask[t], new, h) if masked else new
            if keep:
                steps, inner = steps.write(t, tf.concat([z, r, g], 1)), (inner[0].write(t, s_g),)
            return h, steps, hidden.write(t, h), *inner

        units = h0.shape[1]
        arrays = [_empty(tf, x, units) for _ in range(2 if keep else 1)]
        h, gates, hidden, *inner = _loop(tf, x, step, h0, _project(tf, x, kernel), *arrays)
        return (hidden.stack(), h), ((gates.stack(), inner[0].stack()) if keep else ())

    def backward(inputs, results, kept, upstream, masked):
        x, kernel, recurrent, _, h0 = inputs[:5]
        hidden, (gates, inner), (d_hidden, d_h) = results[0], kept, upstream
        before, units = _before(tf, h0, hidden), h0.shape[1]

        def step(t, dh, steps, d_inner):
            (z, r, g), s_g = tf.split(gates[t], 3, axis=1), inner[t]
            dh = dh + d_hidden[t]
            d_g = dh * (1 - z) * (1 - g**2)
            d = tf.concat([dh * (before[t] - g) * z * (1 - z), d_g * s_g * r * (1 - r), d_g], 1)
            stays = dh * z
            if masked:
                valid = inputs[5][t]
                d, d_g, stays = (
                    tf.where(valid, d, tf.zeros_like(d)),
                    tf.where(valid, d_g, tf.zeros_like(d_g)),
                    tf.where(valid, stays, dh),
                )
            d_s = tf.concat([d[:, : 2 * units], d_g * r], 1)
            dh = stays + tf.matmul(d_s, recurrent, transpose_b=True)
            return dh, steps.write(t, d), d_inner.write(t, d_g * r)

        arrays = [_empty(tf, x, 3 * units), _empty(tf, x, units)]
        d_h0, d, d_inner = _loop(tf, x, step, d_h, *arrays, backwards=True)
        d, d_inner = d.stack(), d_inner.stack()
        d_x, d_kernel = _products(tf, x, kernel, d)
        d_s = tf.concat([d[:, :, : 2 * units], d_inner], 2)
        d_bias = tf.stack([tf.reduce_sum(d, [0, 1]), tf.reduce_sum(d_s, [0, 1])])
        return d_x, d_kernel, _recurrent_product(tf, h0, hidden, d_s), d_bias, d_h0

    return forward, backward
