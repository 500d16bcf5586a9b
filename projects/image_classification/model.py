"""The ladder: a perceptron, then the convolutional networks of 1998 to 2015, each scaled to small pictures."""

import contextlib

import keras
from keras import layers

from common.layers import blocks
from projects.image_classification.config import Config, effective

SMALL = 20  # pixels a side; in smaller pictures LeNet pads its second convolution and a stem has no stride
STAGES = 3  # sizes of feature maps in vgg, googlenet and resnet, each half of the one before


def build_model(config: Config, meta: dict) -> keras.Model:
    """The compiled network.

    Input: pixels (batch, height, width, channels), 0 … 255. Output: logits (batch, classes).
    """
    keras.utils.set_random_seed(config.seed)
    config = effective(config)
    with precision(config.mixed_precision):
        pixels = keras.Input(meta["shape"], name="pixels")
        # Not keras.layers.Normalization: in an ONNX export its constants would become inputs of their own.
        scale = [1 / variance**0.5 for variance in meta["variance"]]
        offset = [-mean * factor for mean, factor in zip(meta["mean"], scale, strict=True)]
        x = layers.Rescaling(scale, offset, dtype="float32", name="standardise")(pixels)
        x = LADDER[config.model](x, config)
        logits = layers.Dense(len(meta["classes"]), dtype="float32", name="logits")(x)
    model = keras.Model(pixels, logits, name=config.model)
    optimizer = "sgd" if config.recipe == "alexnet" else "adamw"
    model.compile(
        optimizer=blocks.make_optimizer(optimizer, config.learning_rate, config.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=gpu() is not None,
    )
    return model


def mlp(x, config: Config):
    """A multilayer perceptron. Every pixel is a feature, so a digit that has moved is another input."""
    x = layers.Flatten(name="flatten")(x)
    return blocks.dense_stack(x, [16 * config.width, 8 * config.width], dropout=config.dropout)


def lenet(x, config: Config):
    """LeNet-5 (LeCun et al. 1998): two convolutions of 5 × 5, average pooling, tanh, three dense layers.

    As in the paper: the layers, their sizes, tanh. Different: no trainable pooling, no sparse connections between S2
    and C3, no Gaussian output units. Pictures of under SMALL pixels need padding in the second convolution.
    """
    padding = "valid" if x.shape[1] >= SMALL else "same"
    x = blocks.conv(x, 6, 5, activation="tanh", pool="average", name="c1")
    x = blocks.conv(x, 16, 5, padding=padding, activation="tanh", pool="average", name="c3")
    x = layers.Flatten(name="flatten")(x)
    x = blocks.dense(x, 120, "tanh", name="c5")
    return blocks.dense(x, 84, "tanh", config.dropout, name="f6")


def alexnet(x, config: Config):
    """AlexNet (Krizhevsky et al. 2012): five convolutions, overlapping max pooling, two wide dense layers with dropout.

    As in the paper: the five convolutions with widths as 3 : 8 : 12 : 12 : 8, the places of the pooling, pooling of
    3 × 3 with stride 2, ReLU, dropout. Different: the first convolution is 5 × 5 with stride 1 and not 11 × 11 with
    stride 4; no local response normalisation; no division over two GPUs.
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
    """VGG (Simonyan & Zisserman 2015): only 3 × 3 convolutions, in pairs. The channels double after each max pooling.

    As in the paper: the pairs, the doubling, two wide dense layers with dropout. Different: three sizes of feature maps
    and not five, nine layers with weights and not 11 to 19.
    """
    for stage in range(STAGES):
        width = config.width * 2**stage
        x = blocks.conv(x, width, name=f"conv{stage + 1}_1")
        x = blocks.conv(x, width, pool="max", name=f"conv{stage + 1}_2")
    x = layers.Flatten(name="flatten")(x)
    return blocks.dense_stack(x, [16 * config.width, 16 * config.width], dropout=config.dropout, name="fc")


def stem(x, config: Config):
    """The first convolution of googlenet and resnet: 5 × 5 with stride 2, or 3 × 3 with stride 1.

    The papers have 7 × 7 with stride 2 and then pooling. A picture of under SMALL pixels is too small for a stride.
    """
    kernel, strides = (5, 2) if config.stride_stem and x.shape[1] >= SMALL else (3, 1)
    return blocks.conv(x, config.width, kernel, strides, norm="batch", name="stem")


def googlenet(x, config: Config):
    """GoogLeNet (Szegedy et al. 2015): inception blocks, then the mean over the picture instead of wide dense layers.

    As in the paper: the four branches in the proportions of inception 3a, stem and pooling, global average pooling,
    dropout. Different: `depth` blocks at each of two sizes and not nine, no auxiliary classifiers. Batch normalisation
    is added, as in the authors' next version.
    """
    x = stem(x, config)
    for stage in range(STAGES - 1):
        unit = config.width * 2**stage // 8
        filters = [max(1, unit * factor) for factor in (4, 6, 8, 1, 2, 2)]  # inception 3a: 64, 96, 128, 16, 32, 32
        for number in range(config.depth):
            x = inception(x, filters, f"inception{stage + 1}_{number + 1}")
        if stage + 2 < STAGES:
            x = layers.MaxPooling2D(3, 2, "same", name=f"pool{stage + 1}")(x)
    return global_mean(x, config)


def inception(x, filters: list[int], name: str):
    """An inception stage: four branches side by side on the same input (Szegedy et al. 2015, figure 2b).

    filters: six numbers, as in the paper's table 1: for the 1 × 1 branch; for the reduction and the convolution of the
    3 × 3 branch; for those of the 5 × 5 branch; and for the projection after 3 × 3 max pooling.
    x: tensor (batch, height, width, channels). Returns (batch, height, width, filters of the four branches together).
    """

    def conv(x, filters: int, size: int, part: str):
        return blocks.conv(x, filters, size, norm="batch", name=f"{name}_{part}")

    one, reduce_3, three, reduce_5, five, projected = filters
    branches = [
        conv(x, one, 1, "1x1"),
        conv(conv(x, reduce_3, 1, "3x3_reduce"), three, 3, "3x3"),
        conv(conv(x, reduce_5, 1, "5x5_reduce"), five, 5, "5x5"),
        conv(layers.MaxPooling2D(3, 1, "same", name=f"{name}_pool")(x), projected, 1, "projected"),
    ]
    return layers.Concatenate(name=name)(branches)


def resnet(x, config: Config):
    """ResNet (He et al. 2016): residual stages. Each halves the feature maps and doubles the channels.

    As in the paper: basic blocks, projection shortcuts, batch normalisation, global average pooling. Different: three
    sizes of feature maps and not four, 6 · `depth` + 2 layers and not 18 to 152. Dropout before the last layer is
    added.
    """
    x = stem(x, config)
    for stage in range(STAGES):
        for number in range(config.depth):
            strides = 2 if stage and not number else 1
            x = blocks.residual(x, config.width * 2**stage, strides, name=f"stage{stage + 1}_{number + 1}")
    return global_mean(x, config)


def global_mean(x, config: Config):
    """The mean of each channel over the picture (batch, channels), and dropout."""
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return layers.Dropout(config.dropout, name="mean_dropout")(x) if config.dropout else x


LADDER = {"mlp": mlp, "lenet": lenet, "alexnet": alexnet, "vgg": vgg, "googlenet": googlenet, "resnet": resnet}


def gpu():
    """The first device that Keras sees and that is no CPU, or None."""
    return next((device for device in keras.distribution.list_devices() if not device.lower().startswith("cpu")), None)


@contextlib.contextmanager
def precision(choice: str):
    """Layers made in this block compute in bfloat16 when `choice` is `on`, or `auto` and there is a GPU.

    Weights stay float32. bfloat16 has the range of float32, so the loss needs no scaling. Most CPUs have no bfloat16
    instructions and would be slower.
    """
    before = keras.config.dtype_policy()
    if choice == "on" or (choice == "auto" and gpu() is not None):
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
