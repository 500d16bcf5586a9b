"""The three networks: a U-Net that segments, the same as a denoising autoencoder, and a reader with CTC."""

from typing import Any

import keras
from keras import layers, ops

from common.layers import blocks
from projects.comic_text.config import Config
from projects.comic_text.encoding import HEIGHT, SYMBOLS


def build_models(config: Config) -> dict[str, keras.Model]:
    """The compiled networks of `config.model` by name, in the order in which they are trained."""
    networks = {"segmentation": segmentation(config), "reader": reader(config)}
    return networks if config.model == "plain" else {"autoencoder": autoencoder(config), **networks}


def segmentation(config: Config) -> keras.Model:
    """The compiled U-Net: pages (n, h, w, 3), 0 … 255 -> logits (n, h, w, 1), positive where there is lettering.

    h and w: multiples of 2 ** (depth + 1). The loss is the cross-entropy plus the Dice loss (Milletari et al. 2016):
    2 % of the pixels are lettering, and the cross-entropy alone is satisfied before thin strokes are found.
    """
    keras.utils.set_random_seed(config.seed)
    model = unet(config, 1, "segmentation")
    model.compile(blocks.make_optimizer("adam", config.learning_rate), loss=cross_entropy_and_dice)
    return model


def autoencoder(config: Config) -> keras.Model:
    """The compiled denoising autoencoder (Vincent et al. 2008): damaged pages (n, h, w, 3) -> pages, both 0 … 255.

    It is the same U-Net with three channels, so its encoder can start the segmentation (Brempong et al. 2022).
    """
    keras.utils.set_random_seed(config.seed)
    model = unet(config, 3, "autoencoder")
    model.compile(blocks.make_optimizer("adam", config.learning_rate), loss=scaled_error)
    return model


def unet(config: Config, channels: int, name: str) -> keras.Model:
    """A U-Net (Ronneberger et al. 2015) that computes at half resolution.

    Each pixel at half resolution ends in 2 × 2 pixels (depth to space, Shi et al. 2016): strokes are three pixels
    wide, so the answer has to be at full resolution, but most of the work need not. The last convolutions see the
    pixels themselves once more, as 4 × 3 channels: borders of strokes are found there.
    """
    pixels = keras.Input((None, None, 3), name="pixels")
    x = fine = ops.space_to_depth(layers.Rescaling(1 / 127.5, -1, name="scale")(pixels), 2)
    x = blocks.conv(x, config.width, norm="batch", name="down_0")
    x = blocks.conv(x, config.width, norm="batch", name="down_0_more")
    skips = []
    for level in range(1, config.depth + 1):
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"halve_{level}")(x)
        x = blocks.conv(x, config.width * 2**level, norm="batch", name=f"down_{level}")
        x = blocks.conv(x, config.width * 2**level, norm="batch", name=f"down_{level}_more")
    for level in reversed(range(config.depth)):
        width = config.width * 2**level
        x = blocks.conv(x, width, 1, norm="batch", name=f"narrow_{level}")
        x = layers.UpSampling2D(2, name=f"double_{level}")(x)
        x = layers.Concatenate(name=f"skip_{level}")([x, skips[level]])
        x = blocks.conv(x, width, norm="batch", name=f"up_{level}")
    x = blocks.conv(layers.Concatenate(name="fine")([x, fine]), 2 * config.width, norm="batch", name="last")
    x = layers.Conv2D(4 * channels, 3, padding="same", name="quarters")(x)
    x = ops.depth_to_space(x, 2)
    if channels == 3:
        x = layers.Rescaling(127.5, 127.5, name="unscale")(x)
    return keras.Model(pixels, x, name=name)


def start_from(model: keras.Model, pretrained: keras.Model) -> None:
    """Give the encoder of a U-Net the weights of another one's: all layers whose names begin with `down`."""
    for layer in model.layers:
        if layer.name.startswith("down"):
            layer.set_weights(pretrained.get_layer(layer.name).get_weights())


def cross_entropy_and_dice(mask: Any, logits: Any) -> Any:
    """mask, logits: (n, h, w, 1). The mean cross-entropy plus 1 - Dice over all pixels of the batch."""
    mask = ops.cast(mask, logits.dtype)
    entropy = ops.mean(ops.softplus(logits) - mask * logits)
    probabilities = ops.sigmoid(logits)
    both, each = ops.sum(probabilities * mask), ops.sum(probabilities) + ops.sum(mask)
    return entropy + 1 - (2 * both + 1) / (each + 1)


def scaled_error(page: Any, answer: Any) -> Any:
    """The mean squared error of pixels divided by 255."""
    return ops.mean(ops.square((ops.cast(page, answer.dtype) - answer) / 255))


def ctc(symbols: Any, logits: Any) -> Any:
    """CTC's loss of each line (n,). symbols: (n, most), at least one, then 0; logits: (n, steps, symbols + 1).

    Keras' own takes time with the square of `most`: three quarters of a step. TensorFlow has a kernel for sparse ones.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.losses.ctc(symbols, logits)
    import tensorflow as tf

    steps = tf.fill([tf.shape(logits)[0]], tf.shape(logits)[1])
    symbols = tf.sparse.from_dense(tf.cast(symbols, tf.int32))
    return tf.nn.ctc_loss(symbols, logits, None, steps, logits_time_major=False, blank_index=0)


def reader(config: Config) -> keras.Model:
    """The compiled reader, a CRNN (Shi et al. 2017): lines (n, HEIGHT, w, 1) -> logits (n, w / STRIDE, symbols + 1).

    Convolutions bring each strip of STRIDE columns to a vector, a bidirectional GRU lets it know its neighbours, and
    CTC (Graves et al. 2006) needs to know what is written, but not where.
    """
    keras.utils.set_random_seed(config.seed)
    width = config.reader_width
    x = line = keras.Input((HEIGHT, None, 1), name="line")
    x = blocks.conv(x, width, norm="batch", pool="max", name="strokes")
    x = blocks.conv(x, 2 * width, norm="batch", pool="max", name="parts")
    x = blocks.conv(x, 4 * width, norm="batch", name="letters")
    x = layers.MaxPooling2D((2, 1), name="letters_pool")(x)
    x = blocks.conv(x, 6 * width, norm="batch", name="words")
    x = layers.MaxPooling2D((2, 1), name="words_pool")(x)
    x = layers.Permute((2, 1, 3), name="columns_first")(x)
    x = layers.Reshape((-1, HEIGHT // 16 * 6 * width), name="columns")(x)
    x = layers.Dense(config.units, "relu", name="column")(x)
    x = blocks.recurrent_stack(x, "gru", [config.units], bidirectional=True, name="gru")
    logits = layers.Dense(len(SYMBOLS) + 1, name="logits")(x)
    model = keras.Model(line, logits, name="reader")
    optimizer = keras.optimizers.Adam(config.learning_rate, clipnorm=1.0)
    model.compile(optimizer, loss=ctc)
    return model
