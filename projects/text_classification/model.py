"""The ladder: a linear layer over a bag of n-grams, a network over regions, recurrent networks, and two together."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from common.evaluation import softmax
from common.inputs.vocabulary import UNKNOWN
from common.layers import blocks
from common.stream import Stream
from projects.text_classification.batches import stream_targets
from projects.text_classification.config import Config
from projects.text_classification.encoding import best_mix, buckets_of, columns
from projects.text_classification.ngrams import CONSTANT

REGION, STRIDE = 40, 4  # places: 20 words and their pairs, and a new region every second word


def build_models(config: Config, meta: dict) -> dict[str, keras.Model]:
    """The compiled models of a rung by name: one, or both parts of the ensemble."""
    names = ["bag", config.partner] if config.model == "ensemble" else [config.model]
    return {name: bag(config, meta) if name == "bag" else network(config, meta, name) for name in names}


def bag(config: Config, meta: dict) -> keras.Model:
    """NB-SVM (Wang & Manning 2012) as layers: logistic regression on scaled n-grams.

    A text is the vector of its n-grams, each with its naive Bayes log-count ratio, divided by the vector's length (the
    root of the mean square of all classes). The sum of a text's embeddings is a dense layer over this sparse vector.

    Input: buckets of n-grams (batch, any), 0 is padding. Output: logits (batch, classes), of two classes (-z, z).
    `start_from_naive_bayes` sets the ratios, which are not trained. Each has one trained weight. So the weight of an
    n-gram with a large ratio learns faster. Bucket 0 has ratio 0, so padding adds nothing.
    """
    width, buckets = columns(meta["classes"]), buckets_of(meta["kinds"])
    ngrams = keras.Input((None,), dtype="int32", name="ngrams")
    ratios = layers.Embedding(buckets, width, embeddings_initializer="zeros", trainable=False, name="ratios")(ngrams)
    weights = layers.Embedding(buckets, 1, embeddings_initializer="zeros", name="weights")(ngrams)
    x = layers.Multiply(name="weighted_ratios")([ratios, weights])
    length = ops.sqrt(ops.sum(ops.mean(ops.square(ratios), axis=-1, keepdims=True), axis=1))
    x = ops.sum(x, axis=1) / ops.maximum(length, 1e-3)
    # Plain gradient descent changes only the weights of the n-grams in a batch; Adam would change all of them in each
    # step. The loss is a mean over the batch, so the rate times its size is the rate per text. (-z, z) has twice the
    # slope of a column for each class, and moves twice as far by it.
    rate = config.bag_learning_rate / (4 if width == 1 else 1)
    optimizer = reproducible(keras.optimizers.SGD(rate * config.batch_size))
    return compiled(keras.Model(ngrams, logits_of(x), name="bag"), optimizer)


def network(config: Config, meta: dict, kind: str) -> keras.Model:
    """A convolutional or recurrent network over embeddings, trained from random weights.

    Input: ids of words or characters (batch, any), 0 is padding. Output: logits (batch, classes).
    """
    sequence = keras.Input((None,), dtype="int32", name="sequence")
    size = 2 + len(meta["vocabulary"]["symbols"])  # padding and unknown
    x = regions(sequence, size, config.units) if kind == "region_cnn" else recurrent(sequence, size, kind, config)
    x = layers.Dropout(config.dropout, name="pooled_dropout")(x)
    x = layers.Dense(columns(meta["classes"]), name="logits")(x)
    optimizer = keras.optimizers.Adam(config.learning_rate)
    if kind == "region_cnn":
        # Adagrad moves the words of the batch alone, and a rare word as far as a frequent one when it first meets it.
        # Its steps become smaller from then on, so the first ones are larger than Adam's.
        rate = 50 * config.learning_rate
        optimizer = reproducible(keras.optimizers.Adagrad(rate, initial_accumulator_value=0.0, epsilon=1e-10))
    return compiled(keras.Model(sequence, logits_of(x), name=kind), optimizer)


def regions(sequence, size: int, units: int):
    """Bags of words and pairs in regions (bow-CNN, Johnson & Zhang 2015): the maximum of each unit over all regions.

    A region is the sum of the embeddings of its words and pairs: a filter with the same weights in each place. One
    region lies before the text and is empty, as padding is. So padding changes nothing, and no maximum is below 0.

    sequence: ids of `symbols` with pairs (batch, any); padding and unknown pairs add nothing. Returns (batch, units).
    """
    small = keras.initializers.RandomNormal(stddev=0.01)  # as in the paper
    x = layers.Embedding(size, units, embeddings_initializer=small, name="embedding")(sequence)
    x = x * ops.expand_dims(ops.cast(sequence > UNKNOWN, "float32"), -1)
    x = layers.ZeroPadding1D((REGION, REGION - 1), name="padded")(x)
    x = layers.AveragePooling1D(REGION, STRIDE, name="means")(x)  # faster than a difference of cumulative sums
    return REGION * layers.GlobalMaxPooling1D(name="strongest")(x)


def recurrent(sequence, size: int, cell: str, config: Config):
    """Filters over five words, their maximum over every four places, and a bidirectional SimpleRNN, GRU or LSTM.

    As C-LSTM (Zhou et al. 2015), with the states pooled over time: mean and maximum of each. Filters read phrases, so
    the recurrent layer has a quarter of the steps. Pooling makes the path from the first word to the answer as short
    as from the last. Training leaves out whole words at random, so that no text is known by one rare name in it.
    Returns (batch, 4 units).
    """
    x = layers.Embedding(size, config.embedding, name="embedding")(sequence)
    x = layers.Dropout(config.dropout, noise_shape=(None, None, 1), name="word_dropout")(x)
    mask = ops.expand_dims(ops.cast(ops.not_equal(sequence, 0), "float32"), -1)
    x = layers.Multiply(name="masked")([x, mask])
    x = layers.Conv1D(2 * config.units, 5, padding="same", activation="relu", name="filters")(x)
    x = layers.Concatenate(name="features_and_mask")([layers.Multiply(name="masked_filters")([x, mask]), mask])
    # Padded at the end alone: `padding="same"` would shift the places by the number of padded ones.
    x = layers.MaxPooling1D(4, name="max_of_four")(layers.ZeroPadding1D((0, 3), name="padded")(x))
    mask = x[:, :, -1:]
    x = layers.Masking(name="mask")(x)  # masks the steps where all features are 0, the mask itself included
    x = blocks.recurrent_stack(x, cell, [config.units], bidirectional=True, name=cell)
    maximum = ops.max(ops.where(mask > 0, x, -1.0), axis=1)  # states lie between -1 and 1
    mean = layers.GlobalAveragePooling1D(name="mean")(x)
    return layers.Concatenate(name="pooled")([mean, maximum])


def logits_of(x):
    """(batch, classes) of a model's outputs (batch, columns): a single number z for two classes becomes (-z, z)."""
    return ops.concatenate([-x, x], axis=-1) if x.shape[-1] == 1 else x


def compiled(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """Compile for class numbers as targets. Without XLA, which would compile the whole model for every length."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
    return model


def reproducible(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Make an optimiser add up the gradients of an embedding in a fixed order; returns it.

    The gradient of an embedding has a row for each n-gram of each text. TensorFlow's threads add the rows of one n-gram
    in any order, so the last digits of the weights would differ from run to run.
    """
    plain_step = optimizer.update_step

    def update_step(gradient, variable, learning_rate):
        if hasattr(gradient, "indices"):  # TensorFlow's sparse gradient; other backends have dense ones
            import tensorflow as tf

            rows, place = tf.unique(gradient.indices)
            sums = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
            gradient = tf.IndexedSlices(sums, rows, gradient.dense_shape)
        plain_step(gradient, variable, learning_rate)

    optimizer.update_step = update_step
    return optimizer


def start_from_naive_bayes(bag: keras.Model, kinds: Sequence[dict], train: Stream, min_count: int = 2) -> None:
    """Set the bag's ratios from the training texts: how much likelier each n-gram is in a class than in the mean class.

    For class k and bucket j, with n_kj texts of the class that hold it: log((n_kj + a) / sum_i (n_ki + a)), over the
    buckets i of its kind. a: 2 / classes, so all classes together get 2 more texts, as Wang and Manning's two do. The
    ratio of an n-gram in fewer than `min_count` texts is 0: an n-gram of one text would only repeat this text's label.
    The ratio of the constant is that of the frequencies of the classes.
    """
    layer, classes = bag.get_layer("ratios"), bag.output.shape[-1]
    counts = np.zeros((classes, layer.input_dim))
    for index in range(len(train)):
        ngrams, targets = train[index]
        np.add.at(counts, (np.repeat(targets, ngrams.shape[1]), ngrams.ravel()), 1.0)
    likely = np.zeros((classes, layer.input_dim))
    likely[:, CONSTANT] = np.log(counts[:, CONSTANT])
    for kind in kinds:
        part = slice(kind["first"], kind["first"] + kind["buckets"])
        inside = counts[:, part] + 2 / classes
        likely[:, part] = np.log(inside / inside.sum(axis=1, keepdims=True))
    likely[:, counts.sum(axis=0) < min_count] = 0
    ratios = likely[1:] - likely[:1] if layer.output_dim == 1 else likely - likely.mean(axis=0)
    layer.set_weights([ratios.T])


def interpolate(bag: keras.Model, kinds: Sequence[dict], validation: Stream) -> None:
    """Bring the bag's weights w nearer to those of naive Bayes v: (1 - b) v + b w.

    Wang and Manning have one v for all n-grams, and b = 0.25. Here each kind of n-grams has its own v, because the
    letters of a word repeat what the word says. v and b are the values at which the validation labels are likeliest.
    """
    from scipy.optimize import minimize
    from sklearn.metrics import log_loss

    layer, targets = bag.get_layer("weights"), stream_targets(validation)
    learnt = np.asarray(layer.embeddings)
    kind_of = np.searchsorted([kind["first"] for kind in kinds], np.arange(len(learnt)), side="right")

    def logits(weights: np.ndarray) -> np.ndarray:
        layer.set_weights([weights.reshape(learnt.shape)])
        return bag.predict(validation, verbose=0)

    parts = np.stack([logits(kind_of == number) for number in range(len(kinds) + 1)])  # first the constant, of weight 1

    def loss(weights: np.ndarray) -> float:
        return log_loss(targets, softmax(np.tensordot(np.r_[1, weights], parts, 1)), labels=range(parts.shape[-1]))

    bayes = np.r_[1, minimize(loss, np.ones(len(kinds))).x][kind_of].reshape(learnt.shape)
    b = best_mix(np.stack([logits(bayes), logits(learnt)]), targets)
    layer.set_weights([(1 - b) * bayes + b * learnt])
