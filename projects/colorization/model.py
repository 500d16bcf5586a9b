"""The ladder: a U-Net with the L1 loss, and the same U-Net with a discriminator (Pix2Pix, Isola et al. 2017)."""

import keras
from keras import layers, ops

from common.errors import UserError
from common.layers import blocks
from projects.colorization.config import Config

MAX_CHANNELS = 8  # times `config.width`; deeper levels have no more channels than that


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model from lightness (batch, h, w, 1) to ab (batch, h, w, 2), both scaled to about -1 … 1.

    h and w: multiples of 2 ** depth. Raises UserError on other backends than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":  # two networks, each with its own optimiser, in one step
        raise UserError("Colorization trains its networks on TensorFlow alone: set KERAS_BACKEND=tensorflow.")
    keras.utils.set_random_seed(config.seed)
    return Colorizer(unet(config), patch_gan(config) if config.model == "gan" else None, config)


def unet(config: Config) -> keras.Model:
    """The generator (Ronneberger et al. 2015). Each halving is connected to the doubling of the same size.

    A doubling repeats the pixels and convolves them. A transposed convolution would leave a checkerboard pattern in
    flat colours (Odena et al. 2016).
    """
    inputs = x = keras.Input((None, None, 1), name="lightness")
    pooled = None if config.down == "stride" else config.down
    skips, widths = [x], [config.width * min(2**level, MAX_CHANNELS) for level in range(config.depth)]
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


# (kernel, stride) of each convolution of the discriminator, by the side of the patch that one output sees.
PATCHES = {1: [(1, 1), (1, 1), (1, 1)], 16: [(4, 2), (4, 1), (4, 1)], 70: [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]}


def patch_gan(config: Config) -> keras.Model:
    """The discriminator: from lightness and ab to a logit for each patch. Positive means original, not generated."""
    lightness, ab = keras.Input((None, None, 1), name="lightness"), keras.Input((None, None, 2), name="ab")
    x = layers.Concatenate(name="both")([lightness, ab])
    for number, (kernel, strides) in enumerate(PATCHES[config.patch][:-1]):
        width, norm = config.width * min(2**number, MAX_CHANNELS), "batch" if number else None
        name = f"judge_{number + 1}"
        x = blocks.conv(x, width, kernel, strides, norm=norm, activation="leaky_relu", name=name)
    kernel, strides = PATCHES[config.patch][-1]
    outputs = layers.Conv2D(1, kernel, strides, "same", name="logits")(x)
    return keras.Model([lightness, ab], outputs, name="discriminator")


class Colorizer(keras.Model):
    """The generator, its running average and, for a GAN, the discriminator, in one model that `fit` trains.

    When called, it answers with the averaged generator, which is the one that is scored and kept. The generator of a
    single epoch is too noisy: from one epoch to the next its PSNR changes by half a decibel. The checkpoint saves all
    networks and both optimisers.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model | None, config: Config):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.averaged = keras.models.clone_model(generator)
        self.averaged.set_weights(generator.get_weights())
        self.averaged.trainable = False
        self.l1_weight, self.decay = config.l1_weight, config.average
        self.compile(keras.optimizers.Adam(config.learning_rate, beta_1=0.5))
        # The optimisers are built here, because a checkpoint can restore only what is there.
        self.optimizer.build(generator.trainable_variables)
        names = ["loss"]
        if discriminator:
            self.discriminator_optimizer = keras.optimizers.Adam(config.discriminator_rate, beta_1=0.5)
            self.discriminator_optimizer.build(discriminator.trainable_variables)
            names += ["adversarial_loss", "discriminator_loss", "discriminator_accuracy"]
        self.means = {name: keras.metrics.Mean(name) for name in names}
        self.concordance = Concordance()
        self.built = True

    def call(self, lightness, training=False):
        return self.averaged(lightness, training=False)

    def train_step(self, data):
        lightness, ab, _ = keras.utils.unpack_x_y_sample_weight(data)
        figures = self._gan_step(lightness, ab) if self.discriminator else self._l1_step(lightness, ab)
        for average, weight in zip(self.averaged.weights, self.generator.weights, strict=True):
            average.assign(self.decay * average + (1 - self.decay) * weight)
        for name, value in figures.items():
            self.means[name].update_state(value)
        return {name: self.means[name].result() for name in figures}

    def _l1_step(self, lightness, ab):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            l1 = ops.mean(ops.abs(ab - self.generator(lightness, training=True)))
        _apply(tape, self.optimizer, l1, self.generator)
        return {"loss": l1}

    def _gan_step(self, lightness, ab):
        """One step of both networks. The discriminator reads originals and generated colours in one batch."""
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            generated = self.generator(lightness, training=True)
            twice, both = ops.concatenate([lightness, lightness]), ops.concatenate([ab, generated])
            real, fake = ops.split(self.discriminator([twice, both], training=True), 2)
            l1 = ops.mean(ops.abs(ab - generated))
            adversarial_loss = ops.mean(ops.softplus(-fake))  # -log of the probability that they are originals
            discriminator_loss = (ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))) / 2
            generator_loss = self.l1_weight * l1 + adversarial_loss
        _apply(tape, self.optimizer, generator_loss, self.generator)
        _apply(tape, self.discriminator_optimizer, discriminator_loss, self.discriminator)
        return {
            "loss": l1,
            "adversarial_loss": adversarial_loss,
            "discriminator_loss": discriminator_loss,
            "discriminator_accuracy": (ops.mean(real > 0) + ops.mean(fake < 0)) / 2,
        }

    def test_step(self, data):
        lightness, ab, _ = keras.utils.unpack_x_y_sample_weight(data)
        predicted = self(lightness, training=False)
        self.means["loss"].update_state(ops.mean(ops.abs(ab - predicted), axis=(1, 2, 3)))
        self.concordance.update_state(ab, predicted)
        return {"loss": self.means["loss"].result(), "concordance": self.concordance.result()}

    @property
    def metrics(self):
        return [*self.means.values(), self.concordance]


def _apply(tape, optimizer, loss, network) -> None:
    variables = network.trainable_variables
    optimizer.apply(tape.gradient(loss, variables), variables)


class Concordance(keras.metrics.Metric):
    """`metrics.concordance` of everything since the last reset, from ab (n, h, w, 2) on any scale."""

    def __init__(self, name: str = "concordance", **keywords):
        super().__init__(name=name, **keywords)
        self.sums = self.add_weight(shape=(5, 2), initializer="zeros", name="sums")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, truth, answer, sample_weight=None):
        parts = (answer, truth, answer * answer, truth * truth, answer * truth)
        self.sums.assign_add(ops.stack([ops.sum(part, axis=(0, 1, 2)) for part in parts]))
        self.count.assign_add(ops.cast(ops.prod(ops.shape(truth)[:3]), "float32"))

    def result(self):
        x, y, xx, yy, xy = ops.unstack(self.sums / ops.maximum(self.count, 1.0))
        spread = (xx - x * x) + (yy - y * y) + (x - y) ** 2
        return 2 * ops.sum(xy - x * y) / ops.maximum(ops.sum(spread), 1e-9)
