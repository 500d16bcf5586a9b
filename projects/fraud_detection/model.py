"""The ladder: logistic regression, multilayer perceptron, autoencoder, a GRU over the card's history, ensemble."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from common.errors import UserError
from common.layers import blocks
from projects.fraud_detection.config import Config
from projects.fraud_detection.data import MAX_ROWS_IN_MEMORY
from projects.fraud_detection.encoding import AMOUNT_BINS, LAST, STEP_WIDTH, Transactions, encoded_width

STEPS_A_CALL = 8  # training steps in one call of the compiled function
# The logistic regression's loss is convex, so it takes a 30 times larger learning rate. With the others' rate it would
# not converge in time.
LOGISTIC_RATE = 30
BOTTLENECK = 4  # the autoencoder's hidden layers are so many times as wide as its bottleneck


def build_models(config: Config, meta: dict) -> dict[str, tuple[keras.Model, Config]]:
    """{name: (compiled network, the knobs that it is trained with)}: one network, or the members of the ensemble.

    The members are the mlp and, where cards and times are known, the gru in turn. Each has its own seed, so it starts
    from other weights and sees the rows in another order.
    """
    if config.model != "ensemble":
        return {"model": (build_model(config, meta), config)}
    kinds = ("mlp", "gru") if knows_cards(meta) else ("mlp",)
    built = {}
    for number in range(config.members):
        member = replace(config, model=kinds[number % len(kinds)], seed=1000 * (config.seed + 1) + number)
        built[f"{member.model}_{number + 1}"] = (build_model(member, meta), member)
    return built


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model: encoded columns (batch, width), or histories of them -> logits of fraud (batch, 1).

    It has no sigmoid. Where one row in hundreds is fraud, a float32 sigmoid would round the highest scores to exactly
    1, and their order would be lost.
    """
    keras.utils.set_random_seed(config.seed)
    if config.model == "autoencoder":
        return autoencoder(config, meta)
    if config.model == "gru":
        inputs, x = last_transactions(config, meta)
    else:
        inputs = x = keras.Input((encoded_width(meta),), name="columns")
    if config.model == "mlp" and "terminal" in meta:
        amount = keras.Input((AMOUNT_BINS,), name="amount")
        before = [transactions_before(name, config) for name in ("card", "terminal")]
        inputs = [inputs, amount, *(steps for steps, _ in before)]
        x = layers.Concatenate(name="all")([x, amount, *(summary for _, summary in before)])
    if config.model != "logistic":
        x = blocks.dense_stack(x, [config.units] * config.layers, dropout=config.dropout, name="hidden")
    logits = layers.Dense(1, name="logits")(x)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    if config.imbalance == "focal":
        loss = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)  # Lin et al. 2017
    return compiled(keras.Model(inputs, logits, name=config.model), config, loss)


def last_transactions(config: Config, meta: dict):
    """A GRU over the card's last transactions: (inputs (batch, history, width), tensor (batch, features)).

    The transaction itself is the last step. The hidden layers get the GRU's last state and, beside it, the transaction.
    A step of zeros means that there was no transaction; it is masked.
    """
    if not knows_cards(meta):
        raise UserError(
            "The gru needs to know which card a row belongs to and when (--group and --time COLUMN), in a table of at "
            f"most {MAX_ROWS_IN_MEMORY:,} rows."
        )
    inputs = keras.Input((config.history, encoded_width(meta) + 2), name="history")
    x = layers.Masking(name="masked")(inputs)
    x = blocks.recurrent_stack(x, "gru", [max(1, config.units // 2)], return_sequences=False, name="gru")
    return inputs, layers.Concatenate(name="state_and_transaction")([x, inputs[:, -1, :]])


def transactions_before(name: str, config: Config):
    """What a card or terminal did before: (input (batch, LAST, STEP_WIDTH), its summary (batch, units / 2)).

    Each transaction goes through the same layers. The summary is the largest and the mean value of each unit over all
    of them (Deep Sets, Zaheer et al. 2017). Their order is told by their age. The last column of a step that does not
    exist is 0.
    """
    steps = keras.Input((LAST, STEP_WIDTH), name=name)
    x = blocks.dense_stack(steps, [max(1, config.units // 4)] * 2, name=f"{name}_step")
    x = layers.Multiply(name=f"{name}_masked")([x, steps[..., -1:]])
    pooled = [layers.GlobalMaxPooling1D(name=f"{name}_max")(x), layers.GlobalAveragePooling1D(name=f"{name}_mean")(x)]
    return steps, layers.Concatenate(name=f"{name}_summary")(pooled)


def autoencoder(config: Config, meta: dict) -> keras.Model:
    """Columns compressed to a few numbers and restored: (batch, width) -> log of the mean squared error (batch, 1).

    It learns from normal transactions only (see `reconstruction_loss`), so it restores frauds badly.
    """
    width = encoded_width(meta)
    inputs = keras.Input((width,), name="columns")
    x = blocks.dense_stack(inputs, [config.units] * config.layers, name="encoder")
    x = blocks.dense(x, max(1, config.units // BOTTLENECK), name="bottleneck")
    x = blocks.dense_stack(x, [config.units] * config.layers, name="decoder")
    restored = layers.Dense(width, name="restored")(x)
    error = ops.mean(ops.square(restored - inputs), axis=-1, keepdims=True)
    return compiled(keras.Model(inputs, ops.log(error + 1e-6), name="autoencoder"), config, reconstruction_loss)


def reconstruction_loss(targets, log_errors):
    """The error of the normal transactions (target 0). Frauds add nothing."""
    return (1 - targets) * ops.exp(log_errors)


def compiled(model: keras.Model, config: Config, loss) -> keras.Model:
    # A recurrent layer compiles its own loop (common.layers.recurrent); XLA around the whole model would be slower. The
    # steps of the other networks are short, and a call costs as much as a step computes. Eight steps a call halve the
    # time of an epoch (0.7 s instead of 1.4 s for 135,000 rows).
    options = {"jit_compile": False} if config.model == "gru" else {"steps_per_execution": STEPS_A_CALL}
    model.compile(optimizer=keras.optimizers.Adam(learning_rate(config)), loss=loss, **options)
    return model


def learning_rate(config: Config) -> float:
    return config.learning_rate * (LOGISTIC_RATE if config.model == "logistic" else 1)


def schedule(config: Config) -> list[keras.callbacks.Callback]:
    """The callback of `config.schedule`: half a cosine from epoch to epoch (Loshchilov & Hutter 2017), or none."""

    def half_cosine(epoch: int, _) -> float:
        return learning_rate(config) * 0.5 * (1 + np.cos(np.pi * epoch / config.epochs))

    return [keras.callbacks.LearningRateScheduler(half_cosine)] if config.schedule == "cosine" else []


def knows_cards(meta: dict) -> bool:
    """Whether a card's history can be read: cards and times are known, and the whole table is in memory."""
    return "card" in meta and "time" in meta and not meta.get("streamed")


def training_data(train: Transactions, encode: Callable[[Transactions], tuple], config: Config) -> Any:
    """What `fit` trains on: arrays, or a Stream of a large table. encode: rows -> (inputs, targets)."""
    return train.batches(lambda rows: balanced(encode(rows), config), config.batch_size, config.seed)


def balanced(rows: tuple, config: Config) -> tuple:
    """(inputs, targets) after `config.imbalance`: (inputs, targets) or (inputs, targets, weights).

    class_weights: each class has half of the weight. resampling: frauds are repeated at random until there are as many
    as normal rows. The focal loss is the model's.
    """
    inputs, targets = rows
    frauds = np.flatnonzero(targets == 1)
    if config.imbalance == "class_weights":
        class_sizes = np.where(targets == 1, len(frauds), len(targets) - len(frauds))
        return inputs, targets, (0.5 * len(targets) / class_sizes).astype("float32")
    if config.imbalance == "resampling" and len(frauds):
        more = np.random.default_rng(config.seed).choice(frauds, max(0, len(targets) - 2 * len(frauds)))
        chosen = np.concatenate([np.arange(len(targets)), more])
        return keras.tree.map_structure(lambda array: array[chosen], inputs), targets[chosen]
    return inputs, targets
