"""The ladder: a U-Net on L1, and the same U-Net with a discriminator at its side (Pix2Pix, Isola et al. 2017)."""

import keras
from keras import layers, ops

from common import blocks
from projects.colorization.config import Config
from projects.colorization.lab import AB_SCALE
from projects.colorization.scores import BIN, BINS, CELLS

MOST_CHANNELS = 8  # times the width: the deepest levels grow no further


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model from lightness (batch, h, w, 1) to ab (batch, h, w, 2), both scaled to about -1 … 1.

    h and w: any multiples of 2 ** depth.
    """
    keras.utils.set_random_seed(config.seed)
    generator = unet(config)
    if config.model == "l1":
        model = generator
        model.compile(optimizer=blocks.optimizer("adam", config.learning_rate), loss="mae", metrics=[palette])
        return model
    return Pix2Pix(generator, patch_gan(config), config)


def unet(config: Config) -> keras.Model:
    """The generator: halvings with skips across to the doublings (Ronneberger et al. 2015).

    A doubling repeats pixels and convolves, instead of a transposed convolution, whose chequered pattern shows in flat
    colours (Odena et al. 2016).
    """
    inputs = x = keras.Input((None, None, 1), name="lightness")
    pooled = None if config.down == "stride" else config.down
    skips, widths = [x], [config.width * min(2**level, MOST_CHANNELS) for level in range(config.depth)]
    for level, width in enumerate(widths, start=1):
        kernel, strides = (3, 1) if pooled else (4, 2)
        x = blocks.conv(x, width, kernel, strides, norm="batch", pool=pooled, name=f"down_{level}")
        skips.append(x)
    x = blocks.conv(x, widths[-1], norm="batch", name="middle")
    for level in reversed(range(config.depth)):
        x = layers.UpSampling2D(name=f"double_{level + 1}")(x)
        x = layers.Concatenate(name=f"skip_{level + 1}")([x, skips[level]])
        width = widths[level - 1] if level else max(1, config.width // 2)
        dropout = config.dropout if level >= config.depth - 2 else 0.0
        x = blocks.conv(x, width, norm="batch", dropout=dropout, name=f"up_{level + 1}")
    outputs = layers.Conv2D(2, 1, activation="tanh", name="ab")(x)
    return keras.Model(inputs, outputs, name="generator")


# kernel and stride of each convolution, so that an output sees a patch of this many pixels
PATCHES = {1: [(1, 1), (1, 1), (1, 1)], 16: [(4, 2), (4, 1), (4, 1)], 70: [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]}


def patch_gan(config: Config) -> keras.Model:
    """The discriminator: lightness and ab in, one log-odds of "real" for each patch out."""
    lightness, ab = keras.Input((None, None, 1), name="lightness"), keras.Input((None, None, 2), name="ab")
    x = layers.Concatenate(name="both")([lightness, ab])
    for number, (kernel, strides) in enumerate(PATCHES[config.patch][:-1]):
        width = config.width * min(2**number, MOST_CHANNELS)
        x = blocks.conv(
            x,
            width,
            kernel,
            strides,
            norm="batch" if number else None,
            activation="leaky_relu",
            name=f"judge_{number + 1}",
        )
    kernel, strides = PATCHES[config.patch][-1]
    outputs = layers.Conv2D(1, kernel, strides, "same", name="log_odds")(x)
    return keras.Model([lightness, ab], outputs, name="discriminator")


class Pix2Pix(keras.Model):
    """Generator and discriminator in one model: `fit` trains and its checkpoint saves both, with their optimisers.

    Called, it answers with the running average of the generator, which is what is scored and kept.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model, config: Config):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.averaged = keras.models.clone_model(generator)
        self.averaged.set_weights(generator.get_weights())
        self.averaged.trainable = False
        self.l1_weight, self.decay = config.l1_weight, config.average
        self.compile(keras.optimizers.Adam(config.learning_rate, beta_1=0.5))
        self.second_optimizer = keras.optimizers.Adam(config.discriminator_rate, beta_1=0.5)
        # Built here: a checkpoint cannot restore what an optimiser does not have yet.
        self.optimizer.build(generator.trainable_variables)
        self.second_optimizer.build(discriminator.trainable_variables)
        self.log = {
            name: keras.metrics.Mean(name)
            for name in ("loss", "adversarial_loss", "discriminator_loss", "discriminator_accuracy", "palette")
        }
        self.built = True

    def call(self, lightness, training=False):
        return self.averaged(lightness, training=False)

    def train_step(self, data):
        import tensorflow as tf

        lightness, ab, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape(persistent=True) as tape:
            painted = self.generator(lightness, training=True)
            judged = self.discriminator(
                [ops.concatenate([lightness, lightness]), ops.concatenate([ab, painted])], training=True
            )
            real, fake = ops.split(judged, 2)
            l1 = ops.mean(ops.abs(ab - painted))
            adversarial = ops.mean(ops.softplus(-fake))
            loss = self.l1_weight * l1 + adversarial
            judging = (ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))) / 2
        for network, optimizer, value in (
            (self.generator, self.optimizer, loss),
            (self.discriminator, self.second_optimizer, judging),
        ):
            variables = network.trainable_variables
            optimizer.apply(tape.gradient(value, variables), variables)
        del tape
        for slow, fast in zip(self.averaged.variables, self.generator.variables, strict=True):
            if "seed" not in slow.name:
                slow.assign(self.decay * slow + (1 - self.decay) * fast)
        right = (ops.mean(ops.cast(real > 0, "float32")) + ops.mean(ops.cast(fake < 0, "float32"))) / 2
        found = {
            "loss": l1,
            "adversarial_loss": adversarial,
            "discriminator_loss": judging,
            "discriminator_accuracy": right,
        }
        for name, value in found.items():
            self.log[name].update_state(value)
        return {name: self.log[name].result() for name in found}

    def test_step(self, data):
        lightness, ab, _ = keras.utils.unpack_x_y_sample_weight(data)
        painted = self(lightness, training=False)
        self.log["loss"].update_state(ops.mean(ops.abs(ab - painted), axis=(1, 2, 3)))
        self.log["palette"].update_state(palette(ab, painted))
        return {name: self.log[name].result() for name in ("loss", "palette")}

    @property
    def metrics(self):
        return [*super().metrics, *self.log.values()]


def palette(wanted, found):
    """`scores.palette` of each picture of a batch in Keras' operations: scaled ab (n, h, w, 2) -> (n,)."""
    height, width = ops.shape(wanted)[1:3]
    rows, columns = height // CELLS, width // CELLS

    def histograms(ab):
        numbers = ops.clip(ops.cast(ops.round(AB_SCALE * ab / BIN), "int32") + BINS // 2, 0, BINS - 1)
        cells = ops.reshape(numbers[:, : rows * CELLS, : columns * CELLS], (-1, CELLS, rows, CELLS, columns, 2))
        return ops.mean(ops.one_hot(cells, BINS), axis=(2, 4))

    return ops.mean(ops.sum(ops.minimum(histograms(wanted), histograms(found)), axis=-1), axis=(1, 2, 3))
