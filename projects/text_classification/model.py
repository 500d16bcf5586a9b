"""The ladder: a linear layer over a bag of n-grams, convolution, recurrent networks, both together."""

import keras
import numpy as np
from keras import layers, ops

from common import blocks
from projects.text_classification.batches import Batches
from projects.text_classification.config import Config


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model from encoded texts to the log-odds (batch, classes) of each class.

    Inputs: `ngrams` (batch, any) buckets for the bag, `sequence` (batch, any) numbers of words or characters for the
    networks; 0 is padding in both. Of two classes the log-odds are (-z, z).
    """
    classes, inputs, outputs = len(meta["classes"]), [], []
    if config.model in ("bag", "ensemble"):
        inputs.append(keras.Input((None,), dtype="int32", name="ngrams"))
        outputs.append(bag(inputs[-1], config, meta["buckets"], classes))
    if config.model != "bag":
        inputs.append(keras.Input((None,), dtype="int32", name="sequence"))
        network = config.partner if config.model == "ensemble" else config.model
        x = layers.Embedding(len(meta["vocabulary"]) + 2, config.embedding, mask_zero=True, name="embedding")(
            inputs[-1]
        )
        x = layers.SpatialDropout1D(config.dropout, name="embedding_dropout")(x)
        x = convolutions(x, inputs[-1], config) if network == "cnn" else recurrent(x, inputs[-1], network, config)
        x = layers.Dropout(config.dropout, name="pooled_dropout")(x)
        outputs.append(_log_odds(layers.Dense(1 if classes == 2 else classes, name="network")(x)))
    model = keras.Model(inputs, ops.stack(outputs, axis=1) if len(outputs) == 2 else outputs[0], name=config.model)
    model.compile(
        optimizer=blocks.optimizer("adam", config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # lengths vary, and XLA would compile the whole model anew for each
    )
    return model


def convolutions(x, sequence, config: Config):
    """Kim's network (2014): filters over 3, 4 and 5 words or characters, each kept where it fires most.

    x: (batch, time, features); sequence: (batch, time), 0 where there is padding. Returns (batch, 3 units). Padding is
    zero before the filters and after them, so it changes nothing: of rectified values the greatest is never below 0.
    """
    mask = ops.expand_dims(ops.cast(ops.not_equal(sequence, 0), "float32"), -1)
    x = layers.Multiply(name="masked")([x, mask])
    pooled = []
    for width in (3, 4, 5):
        y = layers.Conv1D(config.units, width, padding="same", activation="relu", name=f"filters_{width}")(x)
        y = layers.Multiply(name=f"masked_{width}")([y, mask])
        pooled.append(layers.GlobalMaxPooling1D(name=f"strongest_{width}")(y))
    return layers.Concatenate(name="pooled")(pooled)


def recurrent(x, sequence, cell: str, config: Config):
    """A bidirectional SimpleRNN, GRU or LSTM, its states pooled over time: the mean and the greatest of each.

    x: (batch, time, features) with a mask. Returns (batch, 4 units). Pooling lets the first word reach the answer as
    directly as the last one.
    """
    x = blocks.recurrent_stack(x, cell, [config.units], bidirectional=True, name=cell)
    there = ops.expand_dims(ops.not_equal(sequence, 0), -1)
    greatest = ops.max(ops.where(there, x, -1.0), axis=1)  # states lie between -1 and 1
    mean = layers.GlobalAveragePooling1D(name="mean")(x)
    return layers.Concatenate(name="pooled")([mean, greatest])


def bag(ngrams, config: Config, buckets: int, classes: int):
    """NB-SVM (Wang & Manning 2012) as layers: a linear layer over the presence of n-grams, each scaled by its naive
    Bayes log-count ratio. A sum of embeddings is a dense layer over a sparse vector that nobody has to write out.

    The ratios are set by `start_from_naive_bayes` and stay; the weights on them are learnt, starting from 1, which is
    naive Bayes itself. Bucket 0 has ratio 0, so padding adds nothing.
    """
    width = 1 if classes == 2 else classes
    ratios = layers.Embedding(buckets, width, embeddings_initializer="zeros", trainable=False, name="ratios")(ngrams)
    weights = layers.Embedding(buckets, width, embeddings_initializer="ones", name="weights")(ngrams)
    x = layers.Multiply(name="weighted_ratios")([ratios, weights])
    count = ops.sum(ops.cast(ops.not_equal(ngrams, 0), "float32"), axis=1, keepdims=True)
    x = ops.sum(x, axis=1) / ops.sqrt(ops.maximum(count, 1.0))
    return _log_odds(layers.Dense(width, kernel_initializer="identity", name="bag")(x))


def _log_odds(x):
    """Of two classes one number z is enough; both columns make every ladder rung look the same."""
    return ops.concatenate([-x, x], axis=-1) if x.shape[-1] == 1 else x


def start_from_naive_bayes(model: keras.Model, train: Batches, alpha: float = 1.0) -> None:
    """Set the bag's ratios from the training texts: log of how much likelier each n-gram is in a class than outside.

    For class k and bucket j, with n texts of the class holding j: log((n_kj + alpha) / sum) minus the same for all
    other classes together. Does nothing where the model has no bag.
    """
    if "ngrams" not in train.inputs:
        return
    layer, found = model.get_layer("ratios"), train.inputs["ngrams"]
    buckets, width = layer.input_dim, layer.output_dim
    labels = np.repeat(train.targets.reshape(len(found), -1)[:, 0], found.lengths)
    classes = [1] if width == 1 else range(width)
    total = np.bincount(found.ids, minlength=buckets).astype(float)
    ratios = np.zeros((buckets, width), "float32")
    for column, k in enumerate(classes):
        inside = np.bincount(found.ids[labels == k], minlength=buckets) + alpha
        outside = total + 2 * alpha - inside
        ratios[:, column] = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    ratios[total == 0] = 0
    layer.set_weights([ratios])
