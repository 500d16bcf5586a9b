"""The ladder: a linear layer over a bag of n-grams, convolution, recurrent networks, both together."""

import keras
import numpy as np
from keras import layers, ops

from common.layers import blocks
from projects.text_classification.batches import Batches
from projects.text_classification.config import Config
from projects.text_classification.ngrams import EVERY
from projects.text_classification.predict import best_mix


def build_models(config: Config, meta: dict) -> dict[str, keras.Model]:
    """The compiled models of a rung by name: one, or both parts of the ensemble."""
    if config.model == "ensemble":
        return {"bag": bag(config, meta), config.partner: network(config, meta, config.partner)}
    return {config.model: bag(config, meta) if config.model == "bag" else network(config, meta, config.model)}


def bag(config: Config, meta: dict) -> keras.Model:
    """NB-SVM (Wang & Manning 2012) as layers: logistic regression on the presence of n-grams, each scaled by its naive
    Bayes log-count ratio, texts brought to length 1. A sum of embeddings is a dense layer over a sparse vector that
    nobody has to write out.

    Input: buckets of n-grams (batch, any), 0 is padding. Output: log-odds (batch, classes), of two classes (-z, z).
    The ratios are set by `start_from_naive_bayes` and stay; what is learnt is one weight on each, and `interpolate`
    brings the weights nearer to each other. An n-gram that naive Bayes finds telling moves faster. Bucket 0 has ratio
    0, so padding adds nothing.
    """
    width, buckets = columns(meta), meta["buckets"]
    ngrams = keras.Input((None,), dtype="int32", name="ngrams")
    ratios = layers.Embedding(buckets, width, embeddings_initializer="zeros", trainable=False, name="ratios")(ngrams)
    weights = layers.Embedding(buckets, width, embeddings_initializer="zeros", name="weights")(ngrams)
    x = layers.Multiply(name="weighted_ratios")([ratios, weights])
    length = ops.sqrt(ops.sum(ops.square(ratios), axis=1))
    x = ops.sum(x, axis=1) / ops.maximum(length, 1e-3)
    # Plain gradient descent leaves the weights of the n-grams that a batch does not hold alone, so a step takes as long
    # as the batch is wide; Adam would walk through all of them. The rate is per text, whatever the batch size; (-z, z)
    # has twice the slope of a column a class, and moves twice as far by it.
    rate = config.bag_learning_rate / (4 if width == 1 else 1)
    descent = keras.optimizers.SGD(rate * config.batch_size)
    return compiled(keras.Model(ngrams, log_odds(x), name="bag"), descent)


def network(config: Config, meta: dict, kind: str) -> keras.Model:
    """A convolutional or recurrent network over embeddings learnt from nothing.

    Input: numbers of words or characters (batch, any), 0 is padding. Output: log-odds (batch, classes). In training
    whole words are left out at random, so that no text is known by a name of a person or a film that it alone holds.
    """
    sequence = keras.Input((None,), dtype="int32", name="sequence")
    x = layers.Embedding(len(meta["vocabulary"]) + 2, config.embedding, name="embedding")(sequence)
    x = layers.Dropout(config.dropout, noise_shape=(None, None, 1), name="word_dropout")(x)
    there = ops.expand_dims(ops.cast(ops.not_equal(sequence, 0), "float32"), -1)
    x = layers.Multiply(name="masked")([x, there])
    x = convolutions(x, there, config) if kind == "cnn" else recurrent(x, there, kind, config)
    x = layers.Dropout(config.dropout, name="pooled_dropout")(x)
    x = layers.Dense(columns(meta), name="log_odds")(x)
    model = keras.Model(sequence, log_odds(x), name=kind)
    return compiled(model, blocks.optimizer("adam", config.learning_rate))


def convolutions(x, there, config: Config):
    """Kim's network (2014): filters over 3, 4 and 5 words or characters, each kept where it fires most.

    x: (batch, time, features), zero where there is padding; there: (batch, time, 1), 0 at padding. Returns (batch, 3
    units). What filters see of padding alone is set to zero: of rectified values the greatest is never below 0.
    """
    pooled = [
        layers.GlobalMaxPooling1D(name=f"strongest_{width}")(filters(x, there, width, config.units))
        for width in (3, 4, 5)
    ]
    return layers.Concatenate(name="pooled")(pooled)


def filters(x, there, width: int, count: int):
    """Rectified filters over `width` words or characters, zero at padding: (batch, time, count)."""
    x = layers.Conv1D(count, width, padding="same", activation="relu", name=f"filters_{width}")(x)
    return layers.Multiply(name=f"masked_{width}")([x, there])


def recurrent(x, there, cell: str, config: Config):
    """A bidirectional SimpleRNN, GRU or LSTM over the strongest of every four places of filters over five words or
    characters (as C-LSTM, Zhou et al. 2015), its states pooled over time: the mean and the greatest of each.

    x, there: as above. Returns (batch, 4 units). Filters read phrases, so the recurrent layer has a quarter of the
    steps and each says more. Pooling lets the first word reach the answer as directly as the last one.
    """
    x = layers.Concatenate(name="and_where")([filters(x, there, 5, 2 * config.units), there])
    # Filled up at the end alone: `padding="same"` shifts the places by how much padding a text happens to have.
    x = layers.MaxPooling1D(4, name="strongest")(layers.ZeroPadding1D((0, 3), name="filled_up")(x))
    there = x[:, :, -1:]
    x = layers.Masking(name="mask")(x)  # what is zero in every column, the one that says where text is included
    x = blocks.recurrent_stack(x, cell, [config.units], bidirectional=True, name=cell)
    greatest = ops.max(ops.where(there > 0, x, -1.0), axis=1)  # states lie between -1 and 1
    mean = layers.GlobalAveragePooling1D(name="mean")(x)
    return layers.Concatenate(name="pooled")([mean, greatest])


def columns(meta: dict) -> int:
    """How many numbers a model gives: of two classes one is enough."""
    return 1 if len(meta["classes"]) == 2 else len(meta["classes"])


def log_odds(x):
    """(batch, classes) of what a model gives: one number z for two classes is (-z, z)."""
    return ops.concatenate([-x, x], axis=-1) if x.shape[-1] == 1 else x


def compiled(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """For training on class numbers. Without XLA: lengths vary, and it would compile the whole model for each."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    return model


def start_from_naive_bayes(model: keras.Model, train: Batches, alpha: float = 1.0, least: int = 2) -> None:
    """Set the bag's ratios from the training texts: how much likelier each n-gram is in a class than outside.

    For class k and bucket j, with n_kj texts of the class that hold it: the log of (n_kj + alpha) / sum_j, minus the
    same for all other classes together. An n-gram of fewer than `least` texts gets 0: where it is the only one, its
    ratio is nothing but the label of its own text. The bucket that every text has gets the log-odds of the class. Does
    nothing to a model that is no bag.
    """
    if model.name != "bag":
        return
    layer, found = model.get_layer("ratios"), train.rows
    buckets, width = layer.input_dim, layer.output_dim
    targets, labels = train.targets, np.repeat(train.targets, found.lengths)
    total = np.bincount(found.ids, minlength=buckets).astype(float)
    ratios = np.zeros((buckets, width), "float32")
    for column, k in enumerate([1] if width == 1 else range(width)):
        inside = np.bincount(found.ids[labels == k], minlength=buckets) + alpha
        outside = total + 2 * alpha - inside
        ratios[:, column] = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
        share = np.mean(targets == k)
        ratios[EVERY, column] = np.log(share / (1 - share))
    ratios[total < least] = 0
    layer.set_weights([ratios])


def interpolate(model: keras.Model, validation: Batches) -> None:
    """Bring the bag's weights nearer to naive Bayes, which has one weight for all: (1 - share) mean |w| + share w.

    Wang and Manning take a share of 0.25; here it is the one that makes the validation labels likeliest. Does nothing
    to a model that is no bag.
    """
    if model.name != "bag":
        return
    layer, used = model.get_layer("weights"), np.asarray(model.get_layer("ratios").embeddings) != 0
    learnt = np.asarray(layer.embeddings)
    even = np.where(used, np.abs(learnt[used]).mean(), 0)

    def log_odds(weights: np.ndarray) -> np.ndarray:
        layer.set_weights([weights])
        return model.predict(validation, verbose=0)

    share = best_mix(np.stack([log_odds(even), log_odds(learnt)]), validation.targets[validation.order])
    layer.set_weights([(1 - share) * even + share * learnt])
