"""The ladder: a U-Net with the L1 loss, and the same U-Net with a discriminator (Pix2Pix, Isola et al. 2017)."""

import keras
from keras import layers, ops

from common.layers import blocks
from projects.colorization.config import Config

MAX_CHANNELS = 8  # times `config.width`; deeper levels have no more channels than that


def build_model(config: Config, meta: dict) -> keras.Model:
    """A compiled model: lightness (n, h, w, 1) -> ab (n, h, w, 2), both about -1 … 1; 2 ** depth divides h and w."""
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
    networks and the optimiser.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model | None, config: Config):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.averaged = keras.models.clone_model(generator)
        self.averaged.set_weights(generator.get_weights())
        self.averaged.trainable = False
        self.l1_weight, self.decay = config.l1_weight if discriminator else 1.0, config.average
        self.compile(TwoRates(config, len(generator.trainable_variables)))
        # The optimiser is built here, because a checkpoint can restore only what is there.
        self.optimizer.build(self.trainable_variables)
        names = ["adversarial_loss", "discriminator_loss", "discriminator_accuracy"] if discriminator else []
        self.means = {name: keras.metrics.Mean(name) for name in ["loss", *names]}
        self.concordance = Concordance()
        self.built = True

    def call(self, lightness, training=False):
        return (self.generator if training else self.averaged)(lightness, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras differentiates: L1 and, for a GAN, the loss of each network, which moves this network alone."""
        self.learning, error = training, ops.abs(y - y_pred)
        if not training:
            self.means["loss"].update_state(ops.mean(error, axis=(1, 2, 3)))
            self.concordance.update_state(y, y_pred)
            return ops.mean(error)
        figures = {"loss": ops.mean(error), **(self._gan_losses(x, y, y_pred) if self.discriminator else {})}
        for name, value in figures.items():
            self.means[name].update_state(value)
        others = [figures[name] for name in ("adversarial_loss", "discriminator_loss") if name in figures]
        return sum(others, self.l1_weight * figures["loss"])

    def _gan_losses(self, lightness, ab, generated):
        """The discriminator reads originals and generated colours in one batch: once to learn, once as it is."""
        network, twice = self.discriminator, ops.concatenate([lightness, lightness])
        real, fake = ops.split(network([twice, ops.concatenate([ab, ops.stop_gradient(generated)])], training=True), 2)
        fixed = [ops.stop_gradient(ops.convert_to_tensor(weight)) for weight in network.trainable_variables]
        both = [twice, ops.concatenate([ab, generated])]
        judged, _ = network.stateless_call(fixed, network.non_trainable_variables, both, training=True)
        return {
            "adversarial_loss": ops.mean(ops.softplus(-ops.split(judged, 2)[1])),  # -log P(they are originals)
            "discriminator_loss": (ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))) / 2,
            "discriminator_accuracy": (ops.mean(real > 0) + ops.mean(fake < 0)) / 2,
        }

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        shown = self.means.values() if self.learning else [self.means["loss"], self.concordance]
        return {metric.name: metric.result() for metric in shown}

    def train_step(self, *arguments):
        """Keras' own step, then that of the running average. JAX gives and takes the values of all variables."""
        if keras.backend.backend() != "jax":
            logs = super().train_step(*arguments)
            self._average()
            return logs
        logs, (trainable, others, *rest) = super().train_step(*arguments)
        variables = [*self.trainable_variables, *self.non_trainable_variables]
        with keras.StatelessScope(zip(variables, [*trainable, *others], strict=True)) as scope:
            self._average()
        return logs, (trainable, [scope.get_current_value(each) for each in self.non_trainable_variables], *rest)

    def _average(self):
        for average, weight in zip(self.averaged.weights, self.generator.weights, strict=True):
            average.assign(self.decay * average + (1 - self.decay) * weight)


class TwoRates(keras.optimizers.Adam):
    """Adam for two networks, each at its own rate. `first`: how many of the variables are the generator's."""

    def __init__(self, config: Config, first: int):
        super().__init__(config.learning_rate, beta_1=0.5)
        self.first, self.ratio = first, config.discriminator_rate / config.learning_rate

    def update_step(self, gradient, variable, learning_rate):
        ratio = 1.0 if self._get_variable_index(variable) < self.first else self.ratio
        super().update_step(gradient, variable, learning_rate * ratio)


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
