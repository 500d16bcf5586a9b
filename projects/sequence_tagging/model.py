"""The ladder: a window of five words, then layers that read the whole sentence from both sides. On top of it, a CRF."""

from typing import Any

import keras
from keras import layers, ops

from common.inputs.vocabulary import Vocabulary
from projects.sequence_tagging.config import Config
from projects.sequence_tagging.encoding import BUCKETS, LETTERS
from projects.sequence_tagging.features import AFFIXES, FEATURES, WEIGHTS

WINDOW = 2  # words on each side that `window` sees
LETTER_EMBEDDING = 24  # numbers for each letter
LETTER_WIDTH = 3  # letters that a filter sees
FORM_EMBEDDING = 24  # numbers for each shape, beginning and ending of a word
OUTSIDE = -2  # target behind the end of a sentence; -1 is a token without a tag


def build_models(config: Config, meta: dict[str, Any]) -> tuple[keras.Model, keras.Model]:
    """(the network, what is trained). It reads `encoding.padded` and gives logits (n, T, tags).

    What is trained is the network itself, or with `crf` the network with a `Transitions` layer on top.
    """
    keras.utils.set_random_seed(config.seed)
    words = keras.Input((None,), name="words", dtype="int32")
    letters = keras.Input((None, LETTERS), name="letters", dtype="int32")
    forms = keras.Input((None, AFFIXES), name="forms", dtype="int32")
    features = keras.Input((None, FEATURES), name="features", dtype="int32")
    inputs = {"words": words, "letters": letters, "forms": forms, "features": features}
    known = len(Vocabulary.from_json(meta["words"]))
    x = layers.Embedding(known, config.embedding, name="word_embedding")(words)
    # A filter slides over the letters of each word. Its strongest answer in the word is kept.
    spelled = layers.Embedding(len(Vocabulary.from_json(meta["letters"])), LETTER_EMBEDDING)(letters)
    spelled = layers.Conv2D(config.letters, (1, LETTER_WIDTH), padding="same", activation="relu")(spelled)
    form = layers.Embedding(BUCKETS, FORM_EMBEDDING)(forms)
    x = layers.Concatenate()([x, ops.max(spelled, axis=2), layers.Reshape((-1, AFFIXES * FORM_EMBEDDING))(form)])
    x = layers.Dropout(config.dropout, seed=config.seed)(x)
    mask = ops.not_equal(words, 0)
    inside = ops.cast(mask, "float32")[..., None]
    match config.model:
        case "window":
            x = layers.Conv1D(2 * config.units, 2 * WINDOW + 1, padding="same", activation="relu")(x * inside)
        case "simple_rnn":
            x = layers.Bidirectional(layers.SimpleRNN(config.units, return_sequences=True))(x, mask=mask)
        case "gru":
            x = layers.Bidirectional(layers.GRU(config.units, return_sequences=True))(x, mask=mask)
        case "lstm":
            x = layers.Bidirectional(layers.LSTM(config.units, return_sequences=True))(x, mask=mask)
    x = layers.Dropout(config.dropout, seed=config.seed + 1)(x)
    logits = layers.Dense(len(meta["tags"]), name="tags")(x * inside)
    # Beside the network stands a linear model, which learns rare words fast: wide and deep (Cheng et al. 2016).
    logits += linear(features, len(meta["tags"]), config.dropout, config.seed + 2)
    network = keras.Model(inputs, logits, name=config.model)
    optimizer = keras.optimizers.Adam(config.learning_rate, global_clipnorm=1.0)
    return network, compiled(network, config.crf, optimizer)


def linear(features: Any, tags: int, dropout: float = 0.0, seed: int = 0) -> Any:
    """A weight for each feature and tag: (n, T, FEATURES) buckets -> logits (n, T, tags). Dropout drops features."""
    weights = layers.Embedding(WEIGHTS, tags, embeddings_initializer="zeros")(features)
    return ops.sum(layers.Dropout(dropout, noise_shape=(None, None, FEATURES, 1), seed=seed)(weights), axis=2)


def linear_model(tags: int, crf: bool, rate: float) -> keras.Model:
    """For the baselines: the linear part alone."""
    inputs = keras.Input((None, FEATURES), dtype="int32")
    return compiled(keras.Model(inputs, linear(inputs, tags)), crf, keras.optimizers.Adam(rate))


def compiled(network: keras.Model, crf: bool, optimizer: Any) -> keras.Model:
    """What is trained: the network itself, or with a CRF the network with `Transitions` on top."""
    if not crf:
        network.compile(optimizer, tag_loss)
        return network
    top = Transitions(name="transitions")
    model = keras.Model(network.inputs, top(network.output))
    model.compile(optimizer, top.loss)
    return model


def tag_loss(targets: Any, logits: Any) -> Any:
    """Cross-entropy of each token (n, T), scaled so that its mean is the mean over the tokens that have a tag."""
    tagged = ops.cast(targets >= 0, logits.dtype)
    losses = ops.sparse_categorical_crossentropy(ops.maximum(targets, 0), logits, from_logits=True)
    return losses * tagged / ops.maximum(ops.mean(tagged), 1e-6)


class Transitions(layers.Layer):
    """Scores of neighbouring tags: the top of a linear-chain CRF (Lafferty et al. 2001). Logits pass through unchanged.

    Its `loss` is minus the log-probability of the right path. It is used in training alone; answers are made by
    `viterbi.best_tags`.
    """

    def build(self, input_shape):
        tags = input_shape[-1]
        self.between = self.add_weight(shape=(tags, tags), initializer="zeros", name="between")
        self.first = self.add_weight(shape=(tags,), initializer="zeros", name="first")
        self.last = self.add_weight(shape=(tags,), initializer="zeros", name="last")

    def call(self, logits):
        return logits

    def loss(self, targets: Any, logits: Any) -> Any:
        """(n,): log of the sum over all paths, minus the same over the paths that have the right tags.

        targets: (n, T) numbers of tags, OUTSIDE behind the end, -1 where a token has no tag: then any is right.
        """
        targets = ops.cast(targets, "int32")
        inside = targets != OUTSIDE
        right = (targets < 0)[..., None] | (ops.one_hot(targets, logits.shape[-1]) > 0)
        return self.log_sum(logits, inside) - self.log_sum(ops.where(right, logits, -1e6), inside)

    def log_sum(self, logits: Any, inside: Any) -> Any:
        """The logarithm of the sum of exp(score) over all paths: logits (n, T, tags), inside (n, T) -> (n,)."""
        # One array, because `scan` on TensorFlow cannot read two of unknown length.
        steps = ops.transpose(ops.concatenate([logits, ops.cast(inside, logits.dtype)[..., None]], axis=-1), (1, 0, 2))

        def step(score, now):
            going_on = ops.logsumexp(score[:, :, None] + self.between, axis=1) + now[:, :-1]
            return ops.where(now[:, -1:] > 0, going_on, score), None  # without a second result nothing is stacked

        score, _ = ops.scan(step, steps[0, :, :-1] + self.first, steps[1:])
        return ops.logsumexp(score + self.last, axis=-1)

    def as_json(self) -> dict[str, Any]:
        """The weights as they are kept in meta.json."""
        return {weight.name: ops.convert_to_numpy(weight).astype(float).tolist() for weight in self.weights}
