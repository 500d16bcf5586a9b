"""accelerate(model): Keras' own LSTM, GRU and SimpleRNN layers, several times faster on a CPU.

Keras' generic loop does everything at every time step: both products, the gates one operation at a time, and in the
backward pass a small product for the weights. Here, as in Appleyard et al. 2016 (arXiv:1604.01946), the input's share
of all steps is one product before the loop, the gradients of all weights are one product each after it, and what
stays in the loop, h_(t-1) times the recurrent kernel and the gates, is compiled by XLA.

A model is written, saved and opened with `keras.layers.LSTM`; only what these instances do inside is replaced, at one
point: their method `inner_loop`. Outputs and gradients are the same to float32's rounding.
"""

import functools
import types
import warnings
from typing import Any

import keras
import numpy as np
from keras import layers


def accelerate(model: Any) -> Any:
    """Make the recurrent layers of a built or loaded model fast on a CPU; returns the same model.

    model: a Keras model or layer. Reaches every `keras.layers.LSTM`, `GRU` and `SimpleRNN` in it, also inside
    `Bidirectional` and nested models. It changes nothing that is saved: call it again after loading.

    Left as they are: layers with `recurrent_dropout`, `unroll`, `implementation=1`, other activations than tanh and
    sigmoid, `reset_after=False` or a 16-bit compute dtype; everything on a GPU and on other backends than TensorFlow.
    Where the installed Keras computes something else than this code (asked once a process, by trying), all layers stay
    as they are and a warning says so. Each new batch size and sequence length is compiled once, for about a second.
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
                f"Keras {keras.__version__} computes {', '.join(wrong)} otherwise than common/recurrent.py expects: "
                "recurrent layers run at Keras' own speed.",
                stacklevel=3,
            )
    return not wrong


def _differences() -> list[str]:
    """The layers, by name, whose answers on a small masked example are not the ones that `_inner_loop` gives.

    A trial says more than a version number: it passes where Keras changed something else, and fails where Keras'
    weights, gates, masks or the method that is replaced changed. Names and seeds are given, so that the names
    and the random numbers of what is made afterwards stay as they would have been.
    """
    random = np.random.default_rng(0)
    x, mask = random.normal(size=(2, 4, 3)).astype("float32"), np.array([[0, 1, 0, 1], [1, 1, 1, 0]], bool)
    wrong = []
    for make, states in ((layers.SimpleRNN, 1), (layers.GRU, 1), (layers.LSTM, 2)):
        start = [random.normal(size=(2, 2)).astype("float32") for _ in range(states)]
        try:
            layer = make(2, return_sequences=True, return_state=True, go_backwards=True, seed=0, name="trial")
            layer.build(x.shape)
            for weight in layer.weights:
                weight.assign(random.normal(size=weight.shape))
            expected = layer(x, mask=mask, initial_state=start)
            calls = []

            def ours(self, *args, calls=calls, **kwargs):
                calls.append(self)
                return _inner_loop(self, *args, **kwargs, compiled=False)

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
    x = tf.transpose(x, [1, 0, 2])
    states = keras.tree.flatten(initial_state)
    mask = keras.tree.flatten(mask)[0] if mask is not None else None
    if mask is not None:
        mask = tf.transpose(tf.cast(mask, "bool"))[:, :, None]
    if layer.go_backwards:
        x = tf.reverse(x, [0])
        mask = None if mask is None else tf.reverse(mask, [0])

    kernel, recurrent = (tf.convert_to_tensor(weight, dtype) for weight in (cell.kernel, cell.recurrent_kernel))
    bias = None if cell.bias is None else tf.convert_to_tensor(cell.bias, dtype)
    inside = []  # the GRU's second bias is multiplied by the reset gate, so it belongs into the loop
    if isinstance(layer, layers.GRU):
        bias, second = (bias[0], bias[1]) if bias is not None else (None, tf.zeros_like(recurrent[0]))
        inside = [second]
    projected = tf.matmul(x, kernel)
    if bias is not None:
        projected = projected + bias

    run = _recurrence(type(layer).__name__, mask is not None, bool(training), compiled)
    hidden, *states = run(projected, recurrent, *inside, *states, *([] if mask is None else [mask]))
    outputs = hidden
    if mask is not None:
        # Keras gives zeros until the first step that counts, even where the initial state is another
        counts = mask if layer.zero_output_for_mask else tf.cumsum(tf.cast(mask, "int32")) > 0
        outputs = tf.where(counts, hidden, tf.zeros_like(hidden))
    last = outputs[-1]
    outputs = tf.transpose(outputs, [1, 0, 2]) if layer.return_sequences else last[:, None, :]
    return last, outputs, states


@functools.cache
def _recurrence(kind: str, masked: bool, training: bool, compiled: bool):
    """The loop over time with its own gradient, as a function of tensors.

    projected (time, batch, gates × units), recurrent kernel (units, gates × units), [the GRU's second bias], states
    (batch, units), [mask (time, batch, 1)] -> hidden states (time, batch, units), last states.
    In training the forward loop keeps what the backward loop needs; otherwise the backward pass, which nobody may
    ask for, repeats it.
    """
    import tensorflow as tf

    forward, backward = {"LSTM": _lstm, "GRU": _gru, "SimpleRNN": _simple_rnn}[kind]()
    if compiled:
        compiler = functools.partial(tf.function, jit_compile=True, autograph=False)
    else:
        compiler = lambda function: function  # noqa: E731
    keep, plain = (compiler(functools.partial(forward, masked=masked, keep=keep)) for keep in (True, False))
    back = compiler(functools.partial(backward, masked=masked))

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


def _arrays(tf, like, sizes):
    """TensorArrays over the time steps of `like` (time, batch, …), with these widths."""
    time, batch = tf.shape(like)[0], like.shape[1]
    return [tf.TensorArray(like.dtype, time, element_shape=(batch, size)) for size in sizes]


def _simple_rnn():
    """h_t = tanh(x_t + h_(t-1) R)."""
    import tensorflow as tf

    def forward(projected, recurrent, h0, mask=None, masked=False, keep=True):
        def step(t, h, hs):
            new = tf.tanh(projected[t] + tf.matmul(h, recurrent))
            h = tf.where(mask[t], new, h) if masked else new
            return t + 1, h, hs.write(t, h)

        time = tf.shape(projected)[0]
        start = (0, h0, *_arrays(tf, projected, [h0.shape[1]]))
        _, h, hs = tf.while_loop(lambda t, *_: t < time, step, start, maximum_iterations=time)
        return (hs.stack(), h), ()

    def backward(inputs, results, kept, upstream, masked):
        _, recurrent, h0 = inputs[:3]
        hidden, (d_hidden, d_h) = results[0], upstream

        def step(t, dh, dxs):
            dh = dh + d_hidden[t]
            valid = inputs[3][t] if masked else None
            dx = dh * (1 - hidden[t] ** 2)
            if masked:
                dx = tf.where(valid, dx, 0)
            back = tf.matmul(dx, recurrent, transpose_b=True)
            return t - 1, tf.where(valid, back, dh) if masked else back, dxs.write(t, dx)

        time = tf.shape(hidden)[0]
        start = (time - 1, d_h, *_arrays(tf, hidden, [h0.shape[1]]))
        _, d_h0, dxs = tf.while_loop(lambda t, *_: t >= 0, step, start, maximum_iterations=time)
        dx = dxs.stack()
        return dx, _weights_gradient(tf, h0, hidden, dx), d_h0

    return forward, backward


def _weights_gradient(tf, h0, hidden, d_gates):
    """The sum over all steps of h_(t-1)ᵀ d_gates_t, as one product."""
    before = tf.concat([h0[None], hidden[:-1]], 0)
    return tf.einsum("tbu,tbg->ug", before, d_gates)


def _lstm():
    """i, f, g, o = σ, σ, tanh, σ of x_t + h_(t-1) R;  c_t = f c_(t-1) + i g;  h_t = o tanh(c_t)."""
    import tensorflow as tf

    def forward(projected, recurrent, h0, c0, mask=None, masked=False, keep=True):
        units = h0.shape[1]

        def step(t, h, c, hs, *kept):
            i, f, g, o = tf.split(projected[t] + tf.matmul(h, recurrent), 4, axis=1)
            i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
            new_c = f * c + i * g
            new_h = o * tf.tanh(new_c)
            h, c = (tf.where(mask[t], new_h, h), tf.where(mask[t], new_c, c)) if masked else (new_h, new_c)
            values = (c, tf.concat([i, f, g, o], 1)) if keep else ()
            return t + 1, h, c, hs.write(t, h), *(a.write(t, value) for a, value in zip(kept, values, strict=True))

        time = tf.shape(projected)[0]
        start = (0, h0, c0, *_arrays(tf, projected, [units, units, 4 * units] if keep else [units]))
        _, h, c, hs, *kept = tf.while_loop(lambda t, *_: t < time, step, start, maximum_iterations=time)
        return (hs.stack(), h, c), tuple(array.stack() for array in kept)

    def backward(inputs, results, kept, upstream, masked):
        _, recurrent, h0, c0 = inputs[:4]
        (cs, gates), (d_hidden, d_h, d_c) = kept, upstream
        before = tf.concat([c0[None], cs[:-1]], 0)

        def step(t, dh, dc, dxs):
            dh = dh + d_hidden[t]
            i, f, g, o = tf.split(gates[t], 4, axis=1)
            tanh_c = tf.tanh(cs[t])
            into_c = dc + dh * o * (1 - tanh_c**2)
            dx = [
                into_c * g * i * (1 - i),
                into_c * before[t] * f * (1 - f),
                into_c * i * (1 - g**2),
                dh * tanh_c * o * (1 - o),
            ]
            dx = tf.concat(dx, 1)
            if masked:
                valid = inputs[4][t]
                dx = tf.where(valid, dx, 0)
                back = tf.matmul(dx, recurrent, transpose_b=True)
                dh, dc = tf.where(valid, back, dh), tf.where(valid, into_c * f, dc)
            else:
                dh, dc = tf.matmul(dx, recurrent, transpose_b=True), into_c * f
            return t - 1, dh, dc, dxs.write(t, dx)

        time = tf.shape(gates)[0]
        start = (time - 1, d_h, d_c, *_arrays(tf, gates, [4 * h0.shape[1]]))
        _, d_h0, d_c0, dxs = tf.while_loop(lambda t, *_: t >= 0, step, start, maximum_iterations=time)
        dx = dxs.stack()
        return dx, _weights_gradient(tf, h0, results[0], dx), d_h0, d_c0

    return forward, backward


def _gru():
    """z, r = σ(x + s), with s = h_(t-1) R + b;  g = tanh(x + r s);  h_t = z h_(t-1) + (1 - z) g."""
    import tensorflow as tf

    def forward(projected, recurrent, bias, h0, mask=None, masked=False, keep=True):
        units = h0.shape[1]

        def step(t, h, hs, *kept):
            s_z, s_r, s_g = tf.split(tf.matmul(h, recurrent) + bias, 3, axis=1)
            x_z, x_r, x_g = tf.split(projected[t], 3, axis=1)
            z, r = tf.sigmoid(x_z + s_z), tf.sigmoid(x_r + s_r)
            g = tf.tanh(x_g + r * s_g)
            new = z * h + (1 - z) * g
            h = tf.where(mask[t], new, h) if masked else new
            values = (tf.concat([z, r, g, s_g], 1),) if keep else ()
            return t + 1, h, hs.write(t, h), *(a.write(t, value) for a, value in zip(kept, values, strict=True))

        time = tf.shape(projected)[0]
        start = (0, h0, *_arrays(tf, projected, [units, 4 * units] if keep else [units]))
        _, h, hs, *kept = tf.while_loop(lambda t, *_: t < time, step, start, maximum_iterations=time)
        return (hs.stack(), h), tuple(array.stack() for array in kept)

    def backward(inputs, results, kept, upstream, masked):
        _, recurrent, _, h0 = inputs[:4]
        hidden, (gates,), (d_hidden, d_h) = results[0], kept, upstream
        before = tf.concat([h0[None], hidden[:-1]], 0)

        def step(t, dh, dxs, dss):
            dh = dh + d_hidden[t]
            z, r, g, s_g = tf.split(gates[t], 4, axis=1)
            dg = dh * (1 - z) * (1 - g**2)
            dz, dr = dh * (before[t] - g) * z * (1 - z), dg * s_g * r * (1 - r)
            dx, ds = tf.concat([dz, dr, dg], 1), tf.concat([dz, dr, dg * r], 1)
            if masked:
                valid = inputs[4][t]
                dx, ds = tf.where(valid, dx, 0), tf.where(valid, ds, 0)
                dh = tf.where(valid, dh * z, dh) + tf.matmul(ds, recurrent, transpose_b=True)
            else:
                dh = dh * z + tf.matmul(ds, recurrent, transpose_b=True)
            return t - 1, dh, dxs.write(t, dx), dss.write(t, ds)

        time = tf.shape(gates)[0]
        units = h0.shape[1]
        start = (time - 1, d_h, *_arrays(tf, gates, [3 * units, 3 * units]))
        _, d_h0, dxs, dss = tf.while_loop(lambda t, *_: t >= 0, step, start, maximum_iterations=time)
        ds = dss.stack()
        return dxs.stack(), _weights_gradient(tf, h0, hidden, ds), tf.reduce_sum(ds, [0, 1]), d_h0

    return forward, backward
