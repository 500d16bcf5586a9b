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
    classes = len(meta["classes"])
    ngrams = keras.Input((None,), dtype="int32", name="ngrams")
    model = keras.Model(ngrams, bag(ngrams, config, meta["buckets"], classes), name=config.model)
    model.compile(
        optimizer=blocks.optimizer("adam", config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # lengths vary, and XLA would compile the whole model anew for each
    )
    return model


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
    labels = np.repeat(train.targets, found.lengths)
    classes = [1] if width == 1 else range(width)
    total = np.bincount(found.ids, minlength=buckets).astype(float)
    ratios = np.zeros((buckets, width), "float32")
    for column, k in enumerate(classes):
        inside = np.bincount(found.ids[labels == k], minlength=buckets) + alpha
        outside = total + 2 * alpha - inside
        ratios[:, column] = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    ratios[total == 0] = 0
    layer.set_weights([ratios])
