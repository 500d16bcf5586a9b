"""The building blocks of the lectures, as functions that apply plain Keras layers.

A block hides no layer. It is the few lines that one would write by hand, so `model.summary()` lists exactly the layers
that are named here.
"""

from collections.abc import Sequence

import keras
from keras import layers


def dense(x, units: int, activation: str | None = "relu", dropout: float = 0.0, name: str | None = None):
    """A fully connected layer, followed by dropout when `dropout` > 0.

    x: tensor (batch, …, features). Returns a tensor (batch, …, units).
    """
    x = layers.Dense(units, activation=activation, name=name)(x)
    return layers.Dropout(dropout, name=name and f"{name}_dropout")(x) if dropout else x


def dense_stack(x, units: Sequence[int], activation: str = "relu", dropout: float = 0.0, name: str = "hidden"):
    """One `dense` block for each entry of `units`, named `name_1`, `name_2`, …

    The default name is not `dense`, because Keras itself gives layers without a name names like `dense_1`.
    """
    for i, width in enumerate(units, start=1):
        x = dense(x, width, activation, dropout, f"{name}_{i}")
    return x


NORMS = {
    # With Keras' own momentum of 0.99 the averages need several hundred steps to settle. Some epochs here have ten.
    "batch": lambda name: layers.BatchNormalization(momentum=0.9, name=name),
    "instance": lambda name: layers.GroupNormalization(groups=-1, name=name),  # each channel of each picture alone
}
POOLS = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}


def conv(
    x,
    filters: int,
    kernel: int = 3,
    strides: int = 1,
    padding: str = "same",
    norm: str | None = None,
    activation: str | None = "relu",
    pool: str | None = None,
    dropout: float = 0.0,
    name: str | None = None,
):
    """A 2-D convolution, then optionally, in this order: normalisation, activation, 2 × 2 pooling, dropout.

    x: tensor (batch, height, width, channels). norm: `batch`, `instance` or None. The convolution has no bias before a
    normalisation, which would subtract it again. pool: `max`, `average` or None; pooling halves height and width.
    Returns a tensor (batch, height', width', filters).
    """

    def part(kind: str) -> str | None:
        return name and f"{name}_{kind}"

    x = layers.Conv2D(filters, kernel, strides, padding, use_bias=norm is None, name=name)(x)
    x = NORMS[norm](part("norm"))(x) if norm else x
    x = layers.Activation(activation, name=part(activation))(x) if activation else x
    x = POOLS[pool](2, name=part("pool"))(x) if pool else x
    return layers.Dropout(dropout, name=part("dropout"))(x) if dropout else x


def residual(x, filters: int, strides: int = 1, dropout: float = 0.0, name: str = "residual"):
    """A residual stage of two 3 × 3 convolutions with batch normalisation: relu(x + F(x)) (He et al. 2016, figure 2).

    If `strides` or `filters` change the shape, the shortcut is a 1 × 1 convolution of every `strides`-th pixel in both
    directions. Dropout acts between the two convolutions (Zagoruyko & Komodakis 2016).
    x: tensor (batch, height, width, channels). Returns (batch, height / strides, width / strides, filters).
    """
    shortcut = x
    if strides > 1:
        # The pixels are picked before the convolution and not by its strides. The result is the same. TensorFlow 2.21
        # with oneDNN on a CPU writes beyond its memory, and may crash, in the gradient of a 1 × 1 convolution with
        # strides (8 channels, an odd number of pictures).
        shortcut = layers.MaxPooling2D(1, strides, "same", name=f"{name}_picked")(x)
    if strides > 1 or x.shape[-1] != filters:
        shortcut = conv(shortcut, filters, 1, norm="batch", activation=None, name=f"{name}_shortcut")
    y = conv(x, filters, 3, strides, norm="batch", dropout=dropout, name=f"{name}_1")
    y = conv(y, filters, 3, norm="batch", activation=None, name=f"{name}_2")
    return layers.Activation("relu", name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, y]))


def dilated(x, filters: int, length: int, causal: bool = True, mask=None):
    """1-D convolutions whose dilation doubles until one output sees `length` steps (van den Oord et al. 2016).

    x: tensor (batch, time, features). causal: an output sees the steps up to its own; else as many on both sides, as in
    MS-TCN (Abu Farha & Gall 2019). mask: (batch, time) of bool, False for padding, which then has no influence.
    Returns a tensor (batch, time, filters).
    """
    dilation, seen = 1, 1
    while seen < length:
        padding = "causal" if causal else "same"
        x = layers.Conv1D(
            filters, 3, padding=padding, dilation_rate=dilation, activation="relu", name=f"dilation_{dilation}"
        )(x)
        if mask is not None:
            x = x * keras.ops.cast(mask, x.dtype)[..., None]
        seen += (2 if causal else 1) * dilation
        dilation *= 2
    return x


RECURRENT = {"simple_rnn": layers.SimpleRNN, "gru": layers.GRU, "lstm": layers.LSTM}


def recurrent_stack(
    x,
    cell: str,
    units: Sequence[int],
    dropout: float = 0.0,
    bidirectional: bool = False,
    return_sequences: bool = True,
    return_states: bool = False,
    initial_states: Sequence[Sequence] | None = None,
    name: str = "recurrent",
    **options,
):
    """One SimpleRNN, GRU or LSTM layer for each entry of `units`, named `name_1`, `name_2`, …; dropout after each.

    x: tensor (batch, time, features). Every layer uses its mask (of `Embedding(mask_zero=True)` or `Masking`). Masked
    steps change no state, so sequences of different length can share a batch.
    cell: "simple_rnn", "gru" or "lstm". Dropout acts between layers and after the last one, not from step to step
    (Zaremba et al. 2014). options: passed on to each Keras layer, such as `stateful` or `recurrent_dropout`.
    Returns a tensor (batch, time, units). Without `return_sequences` it is the last output, (batch, units). A
    bidirectional stack has twice the units. With `return_states` the last states are returned too: for each layer a
    list of (batch, units), one for simple_rnn and gru, h and c for lstm, and those of both directions if bidirectional.
    `initial_states` has the same form, so a decoder can start where an encoder ended. Without it states start at zero.
    Raises ValueError for an unknown cell.
    """
    if cell not in RECURRENT:
        raise ValueError(f"unknown cell {cell!r}; expected one of {', '.join(RECURRENT)}")
    states = []
    for i, width in enumerate(units):
        sequences = return_sequences or i + 1 < len(units)
        layer_name = f"{name}_{i + 1}"
        layer = RECURRENT[cell](
            width, return_sequences=sequences, return_state=return_states, name=layer_name, **options
        )
        if bidirectional:
            layer = layers.Bidirectional(layer, name=layer_name)
        x = layer(x, initial_state=None if initial_states is None else list(initial_states[i]))
        if return_states:
            x, *last = x
            states.append(last)
        if dropout:
            x = layers.Dropout(dropout, name=f"{layer_name}_dropout")(x)
    return (x, states) if return_states else x


OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad")


def make_optimizer(
    name: str = "adam", learning_rate: float = 1e-3, weight_decay: float = 0.0
) -> keras.optimizers.Optimizer:
    """One of the optimisers that the lectures compare, by name.

    `sgd` has Nesterov momentum 0.9. Weight decay is decoupled (Loshchilov & Hutter 2019) and acts on kernels only:
    decaying biases and normalisation scales costs accuracy and regularises nothing.
    Raises ValueError for an unknown name.
    """
    classes = {
        "adam": lambda: keras.optimizers.Adam(learning_rate, weight_decay=weight_decay or None),
        "adamw": lambda: keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay),
        "sgd": lambda: keras.optimizers.SGD(learning_rate, 0.9, nesterov=True, weight_decay=weight_decay or None),
        "rmsprop": lambda: keras.optimizers.RMSprop(learning_rate, weight_decay=weight_decay or None),
        "adagrad": lambda: keras.optimizers.Adagrad(learning_rate, weight_decay=weight_decay or None),
    }
    if name not in classes:
        raise ValueError(f"unknown optimizer {name!r}; expected one of {', '.join(OPTIMIZERS)}")
    result = classes[name]()
    if weight_decay:
        result.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return result
