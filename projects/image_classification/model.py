"""The ladder: a perceptron, then the convolutional networks of 1998 to 2015, each scaled to small pictures."""

import contextlib

import keras
from keras import layers

from common.layers import blocks
from projects.image_classification.config import Config, effective

SMALL = 20  # pixels a side: below it LeNet pads and a stem does not step
STAGES = 3  # sizes at which vgg, googlenet and resnet look at the picture, each half of the one before


def build_model(config: Config, meta: dict) -> keras.Model:
    """The compiled network of a rung.

    Input: pixels (batch, height, width, channels), 0 … 255. Output: log-odds (batch, classes).
    """
    keras.utils.set_random_seed(config.seed)
    config = effective(config)
    with precision(config.mixed_precision):
        pixels = keras.Input(meta["shape"], name="pixels")
        # Not keras.layers.Normalization: its constants become inputs of their own in an ONNX export.
        scale = [1 / variance**0.5 for variance in meta["variance"]]
        shift = [-mean * one for mean, one in zip(meta["mean"], scale, strict=True)]
        x = layers.Rescaling(scale, shift, dtype="float32", name="standardise")(pixels)
        x = LADDER[config.model](x, config)
        log_odds = layers.Dense(len(meta["classes"]), dtype="float32", name="log_odds")(x)
    model = keras.Model(pixels, log_odds, name=config.model)
    rule = "sgd" if config.recipe == "alexnet" else "adamw"
    model.compile(
        optimizer=blocks.optimizer(rule, config.learning_rate, config.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=gpu() is not None,
    )
    return model


def mlp(x, config: Config):
    """No convolution: every pixel is a feature of its own, and a digit that moved is another picture."""
    x = layers.Flatten(name="flatten")(x)
    return blocks.dense_stack(x, [16 * config.width, 8 * config.width], dropout=config.dropout)


def lenet(x, config: Config):
    """LeNet-5 (LeCun et al. 1998): two convolutions of 5 × 5, average pooling, tanh, three dense layers.

    Kept: layers, their sizes, tanh. Not kept: trainable pooling, the sparse table between S2 and C3, the Gaussian
    output units. Pictures of under SMALL pixels are too small for a second convolution without padding.
    """
    padding = "valid" if x.shape[1] >= SMALL else "same"
    x = blocks.conv(x, 6, 5, activation="tanh", pool="average", name="c1")
    x = blocks.conv(x, 16, 5, padding=padding, activation="tanh", pool="average", name="c3")
    x = layers.Flatten(name="flatten")(x)
    x = blocks.dense(x, 120, "tanh", name="c5")
    return blocks.dense(x, 84, "tanh", config.dropout, name="f6")


def alexnet(x, config: Config):
    """AlexNet (Krizhevsky et al. 2012): five convolutions, overlapping max pooling, two wide dense layers with dropout.

    Kept: the five convolutions and where the pooling stands, their widths as 3 : 8 : 12 : 12 : 8, pooling of 3 × 3 by
    2, ReLU, dropout. Not kept: 11 × 11 by 4 (here 5 × 5 by 1), local response normalisation, two halves on two GPUs.
    """
    width = config.width

    def pooled(y, name: str):
        return layers.MaxPooling2D(3, 2, "same", name=name)(y)

    x = pooled(blocks.conv(x, width, 5, name="conv1"), "pool1")
    x = pooled(blocks.conv(x, 8 * width // 3, 5, name="conv2"), "pool2")
    x = blocks.conv(x, 4 * width, name="conv3")
    x = blocks.conv(x, 4 * width, name="conv4")
    x = pooled(blocks.conv(x, 8 * width // 3, name="conv5"), "pool5")
    x = layers.Flatten(name="flatten")(x)
    return blocks.dense_stack(x, [16 * width, 16 * width], dropout=config.dropout, name="fc")


def vgg(x, config: Config):
    """VGG (Simonyan & Zisserman 2015): nothing but 3 × 3, in pairs; each max pooling doubles the channels.

    Kept: the pairs, the doubling, two wide dense layers with dropout. Not kept: five sizes (here three), the depth of
    13 to 19 layers (here eight with weights, and `log_odds`).
    """
    for stage in range(STAGES):
        width = config.width * 2**stage
        x = blocks.conv(x, width, name=f"conv{stage + 1}_1")
        x = blocks.conv(x, width, pool="max", name=f"conv{stage + 1}_2")
    x = layers.Flatten(name="flatten")(x)
    return blocks.dense_stack(x, [16 * config.width, 16 * config.width], dropout=config.dropout, name="fc")


def stem(x, config: Config):
    """The first convolution of googlenet and resnet: 5 × 5 by 2 (theirs: 7 × 7 by 2, then pooling), or 3 × 3 by 1.

    A picture of under SMALL pixels cannot spare half of them.
    """
    kernel, strides = (5, 2) if config.stride_stem and x.shape[1] >= SMALL else (3, 1)
    return blocks.conv(x, config.width, kernel, strides, norm="batch", name="stem")


def googlenet(x, config: Config):
    """GoogLeNet (Szegedy et al. 2015): inception stages, then the mean over the picture instead of wide dense layers.

    Kept: the four branches in the proportions of inception 3a, stem and pooling, global average, dropout. Not kept:
    nine stages (here `depth` at each of two sizes), the two extra classifiers. Added: batch normalisation, as its
    authors did in the next version.
    """
    width = config.width
    x = stem(x, config)
    for stage in range(STAGES - 1):
        unit = width * 2**stage // 8
        filters = [max(1, unit * share) for share in (4, 6, 8, 1, 2, 2)]  # inception 3a: 64, 96, 128, 16, 32, 32
        for number in range(config.depth):
            x = blocks.inception(x, filters, "batch", name=f"inception{stage + 1}_{number + 1}")
        if stage + 2 < STAGES:
            x = layers.MaxPooling2D(3, 2, "same", name=f"pool{stage + 1}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return layers.Dropout(config.dropout, name="mean_dropout")(x) if config.dropout else x


def resnet(x, config: Config):
    """ResNet (He et al. 2016): residual stages, each halving the picture and doubling the channels, then the mean.

    Kept: basic blocks, projection shortcuts, batch normalisation, global average. Not kept: four sizes (here three), 18
    to 152 layers (here 6 · `depth` + 2). Added: dropout before the last layer.
    """
    x = stem(x, config)
    for stage in range(STAGES):
        for number in range(config.depth):
            strides = 2 if stage and not number else 1
            x = blocks.residual(x, config.width * 2**stage, strides, name=f"stage{stage + 1}_{number + 1}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return layers.Dropout(config.dropout, name="mean_dropout")(x) if config.dropout else x


LADDER = {"mlp": mlp, "lenet": lenet, "alexnet": alexnet, "vgg": vgg, "googlenet": googlenet, "resnet": resnet}


def gpu():
    """The first GPU that Keras sees, else None."""
    return next(iter(keras.distribution.list_devices("gpu")), None)


@contextlib.contextmanager
def precision(asked: str):
    """Layers made inside compute in bfloat16 where that is asked for, or it is `auto` and there is a GPU.

    Weights stay float32. bfloat16 keeps its range, so no loss scaling is needed. A CPU without instructions of its own
    for it is slower.
    """
    before = keras.config.dtype_policy()
    if asked == "on" or (asked == "auto" and gpu() is not None):
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
