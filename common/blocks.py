"""What the lectures draw, as functions that apply plain Keras layers.

A block never hides a layer that a reader would look for: each one is the two or three lines that one would write by
hand, so `model.summary()` lists exactly the layers named here.
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
    """One `dense` block for each entry of `units`, named `name_1`, `name_2`, … (`dense_1` is Keras' own)."""
    for i, width in enumerate(units, start=1):
        x = dense(x, width, activation, dropout, f"{name}_{i}")
    return x


NORMS = {
    # Keras' own momentum of 0.99 needs several hundred steps before its averages fit; here some epochs have ten.
    "batch": lambda name: layers.BatchNormalization(momentum=0.9, name=name),
    "instance": lambda name: layers.GroupNormalization(groups=-1, name=name),  # each channel of each picture by itself
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
    """A 2-D convolution, then what is asked for, in this order: normalisation, activation, 2 × 2 pooling, dropout.

    x: tensor (batch, height, width, channels). norm: `batch`, `instance` or None; the convolution has a bias only
    without one, because a normalisation would take it away again. pool: `max`, `average` or None, which halves height
    and width. Returns a tensor (batch, height', width', filters).
    """

    def part(kind: str) -> str | None:
        return name and f"{name}_{kind}"

    x = layers.Conv2D(filters, kernel, strides, padding, use_bias=norm is None, name=name)(x)
    x = NORMS[norm](part("norm"))(x) if norm else x
    x = layers.Activation(activation, name=part(activation))(x) if activation else x
    x = POOLS[pool](2, name=part("pool"))(x) if pool else x
    return layers.Dropout(dropout, name=part("dropout"))(x) if dropout else x


OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad")


def optimizer(name: str = "adam", learning_rate: float = 1e-3, weight_decay: float = 0.0) -> keras.optimizers.Optimizer:
    """One of the optimisers that the lectures compare, by name.

    `sgd` has Nesterov momentum 0.9. Weight decay is decoupled (Loshchilov & Hutter 2019) and reaches the kernels
    only: pulling biases and normalisation scales towards zero costs accuracy and regularises nothing.
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
    made = classes[name]()
    if weight_decay:
        made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made
