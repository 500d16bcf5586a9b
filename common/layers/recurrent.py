"""accelerate(model): Keras' own LSTM, GRU and SimpleRNN layers, faster on a CPU.

Keras' generic loop does everything at every time step: both matrix products, the gates one operation at a time, and in
the backward pass a small product for the weights. Here (as in Appleyard et al. 2016, arXiv:1604.01946) the input of all
steps is multiplied once in training, before the loop. The gradient of each weight is one product, after the loop. What
stays in the loop, h_(t-1) times the recurrent kernel and the gates, is compiled by XLA.

A model is written, saved and opened with `keras.layers.LSTM`. Only the method `inner_loop` of its instances is
replaced. Outputs and gradients are the same up to float32's rounding.
"""

import functools
import os
import types
import warnings
from typing import Any

import keras
import numpy as np
from keras import layers

MIN_UNITS = 32  # a smaller layer does not win back the second in which each new shape is compiled
MIN_HALVED_ROWS = 32  # from this batch size on, the halves of a batch are computed on two threads


def accelerate(model: Any) -> Any:
    """Make the recurrent layers of a built or loaded model fast on a CPU. Returns the same model.

    model: a Keras model or layer. Every `keras.layers.LSTM`, `GRU` and `SimpleRNN` in it is reached, also inside
    `Bidirectional` and nested models. Nothing that is saved changes, so call it again after loading.

    These layers stay as they are: those with fewer than 32 units, `recurrent_dropout`, `unroll`, `implementation=1`,
    other activations than tanh and sigmoid, `reset_after=False` or a 16-bit compute dtype; and all layers on a GPU or
    on another backend than TensorFlow. All layers also stay, with a warning, if the installed Keras computes something
    else than this code; this is tried once in a process.

    Each new batch size and sequence length is compiled once, for about a second, so use few different lengths. A mask
    needs no compilation. There is no second derivative.
    """
    if not hasattr(layers.Layer, "_flatten_layers"):
        _usable()  # says so
        return model
    chosen = [layer for layer in model._flatten_layers(include_self=True, recursive=True) if _has_fast_form(layer)]
    if chosen and _usable():
        for layer in chosen:
            layer.inner_loop = types.MethodType(_inner_loop, layer)
    return model


def _has_fast_form(layer: Any) -> bool:
    """Whether this layer computes what the code below does. A subclass may compute something else."""
    if type(layer) not in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        return False
    cell, gated = layer.cell, type(layer) is not layers.SimpleRNN
    return (
        cell.activation is keras.activations.tanh
        and (not gated or cell.recurrent_activation is keras.activations.sigmoid)
        and (not gated or cell.implementation != 1)
        and (type(layer) is not layers.GRU or cell.reset_after)
        and not cell.recurrent_dropout
        and not layer.unroll
        and cell.compute_dtype in ("float32", "float64")
        and cell.units >= MIN_UNITS
    )


@functools.cache
def _usable() -> bool:
    """Whether this is TensorFlow without a GPU, and a Keras whose layers compute what this code computes."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return False
    with tf.init_scope():
        different = _differences()
    if different:
        warnings.warn(
            f"Keras {keras.__version__} computes {', '.join(different)} otherwise than {__name__} expects: recurrent "
            "layers run at Keras' own speed.",
            stacklevel=3,
        )
    return not different


def _differences() -> list[str]:
    """The layers whose answers on a small example are not those of `_inner_loop`, by name, with the error if any.

    The example has a mask, dropout and initial states, and reads backwards. Trying it says more than a version number:
    it fails if Keras changed weights, gates, masks, dropout or the method that is replaced, and only then. Name, seed
    and initializers are given, so the names and random numbers of later layers do not change.
    """
    if not hasattr(layers.Layer, "_flatten_layers"):
        return ["all layers (Layer._flatten_layers is gone)"]
    random = np.random.default_rng(0)
    x, mask = random.normal(size=(2, 4, 3)).astype("float32"), np.array([[0, 1, 0, 1], [1, 1, 1, 0]], bool)
    options = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros", "seed": 0, "name": "trial"}
    options |= {"return_sequences": True, "return_state": True, "go_backwards": True, "dropout": 0.5}
    different = []
    for make, count in ((layers.SimpleRNN, 1), (layers.GRU, 1), (layers.LSTM, 2)):
        states = [random.normal(size=(2, 2)).astype("float32") for _ in range(count)]
        calls: list[Any] = []

        def ours(self, sequences, initial_state, mask, training=False, calls=calls):
            calls.append(self)
            return _inner_loop(self, sequences, initial_state, mask, training, compiled=False)

        try:
            theirs, replaced = make(2, **options), make(2, **options)  # both have one seed, so dropout draws the same
            theirs.build(x.shape)
            replaced.build(x.shape)
            for weight, other in zip(theirs.weights, replaced.weights, strict=True):
                weight.assign(random.normal(size=weight.shape))
                other.assign(weight)
            replaced.inner_loop = types.MethodType(ours, replaced)
            expected, result = (
                layer(x, mask=mask, initial_state=states, training=True) for layer in (theirs, replaced)
            )
            same = calls and all(np.allclose(a, b, atol=1e-5) for a, b in zip(result, expected, strict=True))
            reason = ""
        except Exception as error:  # whatever an unknown Keras raises here, its own layers still work
            same, reason = False, f" ({type(error).__name__}: {' '.join(str(error).split())})"
        if not same:
            different.append(make.__name__ + reason)
    return different


def _inner_loop(layer: Any, sequences, initial_state, mask=None, training=False, compiled: bool = True):
    """Replaces `keras.layers.RNN.inner_loop`, with the same arguments and results.

    sequences: (batch, time, features); initial_state: list of (batch, units); mask: None or (batch, time).
    Returns the last output (batch, units), the outputs (batch, time, units) and the list of last states. A layer that
    does not return sequences has outputs of (batch, 1, units).
    """
    import tensorflow as tf

    cell = layer.cell
    dtype = cell.compute_dtype
    x = tf.convert_to_tensor(sequences, dtype)
    if training and 0 < cell.dropout < 1:
        x = x * tf.expand_dims(cell.get_dropout_mask(sequences[:, 0, :]), 1)  # the same mask at all steps
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
            # Keras gives zeros until the first step that counts, whatever the initial state is.
            counts = steps[1] if layer.zero_output_for_mask else tf.cumsum(tf.cast(steps[1], "int32")) > 0
            outputs = tf.where(counts, outputs, tf.zeros_like(outputs))
        return tf.transpose(outputs, [1, 0, 2]) if layer.return_sequences else outputs[-1][:, None, :], *last

    inputs = [x, *states, *mask]
    if os.cpu_count() != 1 and (x.shape[0] or MIN_HALVED_ROWS * bool(training)) >= MIN_HALVED_ROWS:
        # Two halves of the batch on two threads: neither waits for the other at every step.
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
    In training the forward loop keeps what the backward loop needs. Otherwise nobody may ask for the gradient, so the
    backward pass runs the forward loop again.
    """
    import tensorflow as tf

    cell = {"LSTM": _LSTM, "GRU": _GRU, "SimpleRNN": _SimpleRNN}[kind]
    keep, plain = (functools.partial(_forward, tf, cell, keep) for keep in (True, False))
    back = functools.partial(_backward, tf, cell)
    if compiled:
        keep, plain, back = (tf.function(part, jit_compile=True, autograph=False) for part in (keep, plain, back))

    # stop_gradient keeps TensorFlow from building a gradient of the compiled loops besides the one that is given here.
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

            gradients = once(*keras.tree.flatten(parts))
            return (*gradients, None) if masked else gradients

        return results, gradient

    return run


def _no_second_derivative(*_):
    raise NotImplementedError("accelerated recurrent layers have no second derivative: leave accelerate(model) out.")


# The cells. `states`: number of states. `kept`: number of arrays that the gradient needs of each step.
# `step` goes one step on: x_t K and h_(t-1) R (batch, gates × units), bias, states (batch, units) -> the new states and
# the arrays that are kept. The first of these is as wide as x_t K and overwrites it; the second has `units` columns.
# `gradient` goes one step back: the arrays that were kept, the states before and after the step, the gradients of the
# states after it -> the gradient of x_t K; that of the last `units` columns of h_(t-1) R, in a list that is empty where
# both are the same; and the gradients of the states before, without what reaches them through h_(t-1) R.


class _SimpleRNN:
    """h_t = tanh(x_t K + h_(t-1) R + b)."""

    states, kept = 1, 0

    @staticmethod
    def step(tf, x, s, bias, states):
        return [tf.tanh(x + s + bias)], []

    @staticmethod
    def gradient(tf, kept, before, after, d_states):
        return d_states[0] * (1 - after[0] ** 2), [], [tf.zeros_like(d_states[0])]


class _LSTM:
    """i, f, g, o = σ, σ, tanh, σ of x_t K + h_(t-1) R + b;  c_t = f c_(t-1) + i g;  h_t = o tanh(c_t)."""

    states, kept = 2, 1

    @staticmethod
    def step(tf, x, s, bias, states):
        i, f, g, o = tf.split(x + s + bias, 4, axis=1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        c = f * states[1] + i * g
        return [o * tf.tanh(c), c], [tf.concat([i, f, g, o], 1)]

    @staticmethod
    def gradient(tf, kept, before, after, d_states):
        (i, f, g, o), (dh, dc) = tf.split(kept[0], 4, axis=1), d_states
        tanh_c = tf.tanh(after[1])
        dc = dc + dh * o * (1 - tanh_c**2)
        d_i, d_f = dc * g * i * (1 - i), dc * before[1] * f * (1 - f)
        d = tf.concat([d_i, d_f, dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)], 1)
        return d, [], [tf.zeros_like(dh), dc * f]


class _GRU:
    """z, r = σ(x + s), with x = x_t K + b_1, s = h_(t-1) R + b_2;  g = tanh(x + r s);  h_t = z h_(t-1) + (1 - z) g."""

    states, kept = 1, 2

    @staticmethod
    def step(tf, x, s, bias, states):
        x_z, x_r, x_g = tf.split(x + bias[0], 3, axis=1)
        s_z, s_r, s_g = tf.split(s + bias[1], 3, axis=1)
        z, r = tf.sigmoid(x_z + s_z), tf.sigmoid(x_r + s_r)
        g = tf.tanh(x_g + r * s_g)
        return [z * states[0] + (1 - z) * g], [tf.concat([z, r, g], 1), s_g]

    @staticmethod
    def gradient(tf, kept, before, after, d_states):
        (z, r, g), s_g, dh = tf.split(kept[0], 3, axis=1), kept[1], d_states[0]
        d_g = dh * (1 - z) * (1 - g**2)
        d = tf.concat([dh * (before[0] - g) * z * (1 - z), d_g * s_g * r * (1 - r), d_g], 1)
        return d, [d_g * r], [dh * z]


# The loops. An array of steps is read and then overwritten in place wherever that is possible, because most of the time
# that the products leave is spent on fresh memory. `values[t]` reads an array that stays.


def _forward(tf, cell, keep, x, kernel, recurrent, bias, *rest):
    """((hidden states, last states), what `_backward` needs: kept arrays, the other states at all steps)."""
    states, mask = list(rest[: cell.states]), rest[cell.states :]
    units, width = states[0].shape[1], kernel.shape[1]
    arrays = []  # an answer keeps nothing of its steps, and is faster with a small product at each of them
    if keep:
        products = tf.tensordot(x, kernel, 1)  # x_t K of all steps
        arrays = [_empty(tf, x, width).unstack(products), *(_empty(tf, x, units) for _ in range(1, cell.kept))]
    history = [_empty(tf, x, units) for _ in range(cell.states if keep else 1)]

    def step(t, states, arrays, history):
        inputs = arrays[0].read(t) if keep else tf.matmul(x[t], kernel)
        new, kept = cell.step(tf, inputs, tf.matmul(states[0], recurrent), bias, states)
        if mask:
            new = [tf.where(mask[0][t], *pair) for pair in zip(new, states, strict=True)]
        if keep and kept:
            arrays = [array.write(t, values) for array, values in zip(arrays, kept, strict=True)]
        return new, arrays, [array.write(t, values) for array, values in zip(history, new, strict=False)]

    states, arrays, history = _loop(tf, x, step, states, arrays, history)
    hidden, *others = (array.stack() for array in history)
    kept = [array.stack() for array in arrays] if keep and cell.kept else []
    return (hidden, *states), (kept, others)


def _backward(tf, cell, inputs, results, saved, upstream):
    """The gradients of x, kernel, recurrent kernel, bias and states."""
    x, kernel, recurrent, bias, *rest = inputs
    states, mask = rest[: cell.states], rest[cell.states :]
    (kept, others), (d_hidden, *d_states) = saved, upstream
    units = states[0].shape[1]
    after = [results[0], *others]
    before = [tf.concat([first[None], values[:-1]], 0) for first, values in zip(states, after, strict=True)]
    arrays = [_empty(tf, x, kernel.shape[1]), *(_empty(tf, x, units) for _ in range(1, cell.kept))]

    def step(t, d_states, arrays):
        d_states = [d_states[0] + d_hidden[t], *d_states[1:]]
        now = ([values[t] for values in part] for part in (kept, before, after))
        d, inner, d_before = cell.gradient(tf, *now, d_states)
        if mask:
            d, *inner = (tf.where(mask[0][t], values, tf.zeros_like(values)) for values in (d, *inner))
            d_before = [tf.where(mask[0][t], *pair) for pair in zip(d_before, d_states, strict=True)]
        d_before[0] += tf.matmul(_of_state(tf, d, inner), recurrent, transpose_b=True)
        return d_before, [array.write(t, values) for array, values in zip(arrays, (d, *inner), strict=True)]

    d_states, arrays = _loop(tf, x, step, d_states, arrays, backwards=True)
    d, *inner = (array.stack() for array in arrays)
    d_s = _of_state(tf, d, inner)
    flat, flat_s = (tf.reshape(values, [-1, kernel.shape[1]]) for values in (d, d_s))
    d_x = tf.reshape(tf.matmul(flat, kernel, transpose_b=True), tf.shape(x))
    d_kernel = tf.matmul(tf.reshape(x, [-1, x.shape[2]]), flat, transpose_a=True)
    d_recurrent = tf.matmul(tf.reshape(before[0], [-1, units]), flat_s, transpose_a=True)
    d_bias = tf.reduce_sum(d, [0, 1])
    if len(bias.shape) == 2:
        d_bias = tf.stack([d_bias, tf.reduce_sum(d_s, [0, 1])])
    return d_x, d_kernel, d_recurrent, d_bias, *d_states


def _of_state(tf, d, inner):
    """The gradient of h_(t-1) R: that of x_t K, with other last columns where `inner` is given."""
    return tf.concat([d[..., : -inner[0].shape[-1]], inner[0]], -1) if inner else d


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
