"""The ladder: one Dense unit, hidden layers, an autoencoder of the normal, a GRU over the card's history, several."""

from dataclasses import replace

import keras
import numpy as np
from keras import layers, ops

from common.errors import UserError
from common.layers import blocks
from projects.fraud_detection.batches import Batches
from projects.fraud_detection.config import Config
from projects.fraud_detection.predict import encoded_width
from projects.fraud_detection.stream import STREAM_FROM

STEPS_A_CALL = 8  # training steps in one call of the compiled function
LOGISTIC_RATE = (
    30  # one unit's loss is convex and bears large steps; after as many of the others' it is far from its end
)
BOTTLENECK = 4  # numbers that the autoencoder has to make do with, one for so many units of its hidden layers


def build_models(config: Config, meta: dict) -> dict[str, tuple[keras.Model, Config]]:
    """The compiled networks of a rung by name, each with the knobs that it is trained with.

    An ensemble has `members` of them: the mlp and, where the data knows cards and times, the gru in turn; each starts
    from a seed of its own and meets the rows in another order.
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
    """A compiled model from encoded columns (batch, width), or histories of them, to the log-odds of fraud (batch, 1).

    The output is a log-odds, not a probability: with one fraud in hundreds of rows a float32 sigmoid would round the
    surest scores to exactly 1 and lose their order.
    """
    keras.utils.set_random_seed(config.seed)
    if config.model == "autoencoder":
        return autoencoder(config, meta)
    if config.model == "gru":
        inputs, x = last_transactions(config, meta)
    else:
        inputs = x = keras.Input((encoded_width(meta),), name="columns")
    if config.model != "logistic":
        x = blocks.dense_stack(x, [config.units] * config.layers, dropout=config.dropout, name="hidden")
    outputs = layers.Dense(1, name="log_odds")(x)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    if config.imbalance == "focal":
        loss = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)  # Lin et al. 2017
    return compiled(keras.Model(inputs, outputs, name=config.model), config, loss)


def last_transactions(config: Config, meta: dict):
    """What the card did, read by a GRU in order of time: (inputs (batch, history, width), tensor (batch, features)).

    The transaction itself is the last step; it reaches the hidden layers also directly, beside the GRU's last state. A
    step of zeros is no transaction: it is masked, and changes no state.
    """
    if not knows_cards(meta):
        raise UserError(
            "The gru needs to know which card a row belongs to and when (--group and --time COLUMN), in a table of at "
            f"most {STREAM_FROM:,} rows."
        )
    inputs = keras.Input((config.history, encoded_width(meta) + 2), name="history")
    x = layers.Masking(name="masked")(inputs)
    x = blocks.recurrent_stack(x, "gru", [max(1, config.units // 2)], return_sequences=False, name="gru")
    return inputs, layers.Concatenate(name="state_and_transaction")([x, inputs[:, -1, :]])


def autoencoder(config: Config, meta: dict) -> keras.Model:
    """Columns squeezed through few numbers and restored: (batch, width) -> log of the mean squared error (batch, 1).

    It learns from normal transactions alone (see `reconstruction_loss`), so what it cannot restore is not normal.
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
    """The error of the normal transactions (targets 0); frauds add nothing."""
    return (1 - targets) * ops.exp(log_errors)


def compiled(model: keras.Model, config: Config, loss) -> keras.Model:
    # A recurrent layer compiles its own loop (common.layers.recurrent); XLA around the whole model would be slower.
    # The steps of the other networks are so short that calling one costs as much as what it computes: eight steps a
    # call take half the time (0.7 s instead of 1.4 s an epoch of 135,000 rows).
    own = {"jit_compile": False} if config.model == "gru" else {"steps_per_execution": STEPS_A_CALL}
    model.compile(optimizer=blocks.optimizer("adam", step_size(config)), loss=loss, **own)
    return model


def step_size(config: Config) -> float:
    return config.learning_rate * (LOGISTIC_RATE if config.model == "logistic" else 1)


def schedule(config: Config) -> list[keras.callbacks.Callback]:
    """The callback that lowers the learning rate along half a cosine (Loshchilov & Hutter 2017), if that is asked."""
    if config.schedule != "cosine":
        return []
    return [
        keras.callbacks.LearningRateScheduler(
            lambda epoch, _: step_size(config) * 0.5 * (1 + np.cos(np.pi * epoch / config.epochs))
        )
    ]


def knows_cards(meta: dict) -> bool:
    """Whether the data can give a card's history: it says whose a row is and when, and is not streamed."""
    return "card" in meta and "time" in meta and not meta.get("streamed")


def treated(train, config: Config):
    """Training data after `config.imbalance`, as `model.fit` takes it: (inputs, targets[, weights]), or `Batches`.

    train: (inputs, targets), or the `Batches` of a streamed table, whose pieces are treated one by one.

    class_weights: each class weighs half of all. resampling: frauds are drawn again until there are as many as normal
    rows (of a streamed table as many rows are taken as without). The focal loss is the model's.
    """
    if isinstance(train, Batches):
        return Batches(train.spool, train.meta, config.batch_size, config.seed, lambda rows: treated(rows, config))
    inputs, targets = train
    frauds = np.flatnonzero(targets == 1)
    if config.imbalance == "class_weights":
        return (
            inputs,
            targets,
            np.where(targets == 1, 0.5 / targets.mean(), 0.5 / (1 - targets.mean())).astype("float32"),
        )
    if config.imbalance == "resampling":
        more = np.random.default_rng(config.seed).choice(frauds, max(0, len(targets) - 2 * len(frauds)))
        rows = np.concatenate([np.arange(len(targets)), more])
        return inputs[rows], targets[rows]
    return inputs, targets
