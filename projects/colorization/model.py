"""The ladder: a U-Net on L1, and the same U-Net with a discriminator at its side (Pix2Pix, Isola et al. 2017)."""

import keras
from keras import layers, ops

from common.layers import blocks
from projects.colorization.config import Config

MOST_CHANNELS = 8  # times the width: the deepest levels grow no further


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model from lightness (batch, h, w, 1) to ab (batch, h, w, 2), both scaled to about -1 … 1.

    h and w: any multiples of 2 ** depth.
    """
    keras.utils.set_random_seed(config.seed)
    return Colorizer(unet(config), patch_gan(config) if config.model == "gan" else None, config)


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


class Colorizer(keras.Model):
    """The generator, its running average and, for a GAN, the discriminator, in one model that `fit` trains.

    Called, it answers with the average, which is what is scored and kept: single epochs of so few photographs differ by
    half a decibel. The checkpoint saves all of it, with both optimisers.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model | None, config: Config):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.averaged = keras.models.clone_model(generator)
        self.averaged.set_weights(generator.get_weights())
        self.averaged.trainable = False
        self.l1_weight, self.decay = config.l1_weight, config.average
        self.compile(keras.optimizers.Adam(config.learning_rate, beta_1=0.5))
        # Built here: a checkpoint cannot restore what an optimiser does not have yet.
        self.optimizer.build(generator.trainable_variables)
        names = ["loss"]
        if discriminator:
            self.second_optimizer = keras.optimizers.Adam(config.discriminator_rate, beta_1=0.5)
            self.second_optimizer.build(discriminator.trainable_variables)
            names += ["adversarial_loss", "discriminator_loss", "discriminator_accuracy"]
        self.log = {name: keras.metrics.Mean(name) for name in names}
        self.agreement = Concordance()
        self.built = True

    def call(self, lightness, training=False):
        return self.averaged(lightness, training=False)

    def train_step(self, data):
        lightness, ab, _ = keras.utils.unpack_x_y_sample_weight(data)
        found = self._adversarial_step(lightness, ab) if self.discriminator else self._l1_step(lightness, ab)
        for slow, fast in zip(self.averaged.weights, self.generator.weights, strict=True):
            slow.assign(self.decay * slow + (1 - self.decay) * fast)
        for name, value in found.items():
            self.log[name].update_state(value)
        return {name: self.log[name].result() for name in found}

    def _l1_step(self, lightness, ab):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            l1 = ops.mean(ops.abs(ab - self.generator(lightness, training=True)))
        _apply(tape, self.optimizer, l1, self.generator)
        return {"loss": l1}

    def _adversarial_step(self, lightness, ab):
        """One step of both networks; originals and answers go through the discriminator in one batch."""
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            painted = self.generator(lightness, training=True)
            twice, both = ops.concatenate([lightness, lightness]), ops.concatenate([ab, painted])
            real, fake = ops.split(self.discriminator([twice, both], training=True), 2)
            l1 = ops.mean(ops.abs(ab - painted))
            adversarial = ops.mean(ops.softplus(-fake))  # -log of the share of "real" that it is given
            judging = (ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))) / 2
            loss = self.l1_weight * l1 + adversarial
        _apply(tape, self.optimizer, loss, self.generator)
        _apply(tape, self.second_optimizer, judging, self.discriminator)
        right = (ops.mean(ops.cast(real > 0, "float32")) + ops.mean(ops.cast(fake < 0, "float32"))) / 2
        return {
            "loss": l1,
            "adversarial_loss": adversarial,
            "discriminator_loss": judging,
            "discriminator_accuracy": right,
        }

    def test_step(self, data):
        lightness, ab, _ = keras.utils.unpack_x_y_sample_weight(data)
        painted = self(lightness, training=False)
        self.log["loss"].update_state(ops.mean(ops.abs(ab - painted), axis=(1, 2, 3)))
        self.agreement.update_state(ab, painted)
        return {"loss": self.log["loss"].result(), "concordance": self.agreement.result()}

    @property
    def metrics(self):
        return [*self.log.values(), self.agreement]


def _apply(tape, optimizer, loss, network) -> None:
    variables = network.trainable_variables
    optimizer.apply(tape.gradient(loss, variables), variables)


class Concordance(keras.metrics.Metric):
    """`scores.concordance` of everything since the last reset, from (n, h, w, 2) ab of any scale."""

    def __init__(self, name: str = "concordance", **keywords):
        super().__init__(name=name, **keywords)
        self.sums = self.add_weight(shape=(5, 2), initializer="zeros", name="sums")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, wanted, found, sample_weight=None):
        parts = (found, wanted, found * found, wanted * wanted, found * wanted)
        self.sums.assign_add(ops.stack([ops.sum(part, axis=(0, 1, 2)) for part in parts]))
        self.count.assign_add(ops.cast(ops.prod(ops.shape(wanted)[:3]), "float32"))

    def result(self):
        x, y, xx, yy, xy = ops.unstack(self.sums / ops.maximum(self.count, 1.0))
        spread = (xx - x * x) + (yy - y * y) + (x - y) ** 2
        return 2 * ops.sum(xy - x * y) / ops.maximum(ops.sum(spread), 1e-9)
