"""The standard sets by name: files in --data-dir as their homes publish them, else Keras' own loaders."""

import gzip
import zipfile
from pathlib import Path

import numpy as np

from common.data import Splits, hold_out_tenth
from common.errors import UserError
from common.inputs.downloads import archive_files
from projects.image_classification.config import Config
from projects.image_classification.data import DIGITS, make_splits

ABOUT = {
    "mnist": "MNIST (LeCun et al. 1998): handwritten digits, 28 × 28, grey.",
    "fashion_mnist": "Fashion-MNIST (Xiao et al. 2017): pictures of clothes, 28 × 28, grey.",
    "cifar10": "CIFAR-10 (Krizhevsky 2009): photographs of ten kinds of things, 32 × 32, colour.",
}
CLASSES = {
    "mnist": DIGITS,
    "fashion_mnist": ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"],
    "cifar10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
}
SHAPES = {"mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
SIZES = {"mnist": (60_000, 10_000), "fashion_mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR = ("cifar-10-binary.tar.gz", "cifar-10-batches-bin")
BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")

Arrays = tuple[np.ndarray, np.ndarray]  # pictures (n, height, width, channels) uint8, class numbers (n,)


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `mnist`, `fashion_mnist` or `cifar10`. A tenth of the official training part is validation."""
    (pictures, labels), test = official(data, data_dir)
    parts = [(pictures[rows], labels[rows]) for rows in hold_out_tenth(labels, config.seed)]
    about = f"{ABOUT[data]} Official split; a tenth of the training part is validation"
    return make_splits(config, data, [*parts, test], CLASSES[data], about, strokes=data == "mnist")


def official(name: str, data_dir: Path) -> tuple[Arrays, Arrays]:
    """The official training and test part. Raises UserError when number, shape or classes are not those of the set."""
    train, test, place = _local(name, data_dir) or _from_keras(name, data_dir)
    parts = []
    for (pictures, labels), rows in zip((train, test), SIZES[name], strict=True):
        pictures, labels = np.asarray(pictures), np.asarray(labels).reshape(-1).astype(int)
        shape = (rows, *SHAPES[name])
        if pictures.shape != shape and (*pictures.shape, 1) != shape:
            raise UserError(
                f"{place} holds pictures of shape {pictures.shape}; {name} has {shape}. Is the file complete?"
            )
        if len(labels) != rows or labels.min() < 0 or labels.max() >= len(CLASSES[name]):
            raise UserError(f"{place} holds {len(labels):,} labels; {name} has {rows:,}, from 0 to 9.")
        parts.append((pictures.reshape(shape).astype(np.uint8), labels))
    return parts[0], parts[1]


def _local(name: str, data_dir: Path) -> tuple[Arrays, Arrays, Path] | None:
    """The files in `data_dir` or its folder `name`: Keras' .npz, the IDX files, or CIFAR-10's binary version."""
    for folder in (data_dir / name, data_dir):
        if (npz := folder / f"{name}.npz").is_file():
            return *_read_npz(npz), npz
        for file in CIFAR if name == "cifar10" else ():
            if (folder / file).exists():
                return *_read_cifar(folder / file), folder / file
    for ending in ("", ".gz"):  # the files of MNIST and Fashion-MNIST have the same names, so each has its own folder
        files = [data_dir / name / (file + ending) for file in IDX]
        if all(file.is_file() for file in files):
            a, b, c, d = map(_read_idx, files)
            return (a, b), (c, d), data_dir / name
    return None


def _from_keras(name: str, data_dir: Path) -> tuple[Arrays, Arrays, str]:
    """Through Keras' own loader, which downloads into ~/.keras/datasets and checks what arrives."""
    import keras

    files = {
        "mnist": "mnist/mnist.npz",
        "fashion_mnist": f"the four files fashion_mnist/{IDX[0]}.gz, …",
        "cifar10": CIFAR[0],
    }
    print(f"{name} is not in {data_dir}: Keras loads it …", flush=True)
    try:
        train, test = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a plain Exception when the site cannot be reached
        raise UserError(
            f"{name} is not in {data_dir} and cannot be downloaded ({error}). Put {files[name]} there."
        ) from None
    return train, test, f"Keras' copy of {name}"


def _read_npz(path: Path) -> tuple[Arrays, Arrays]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged or not laid out as Keras' own: {error}.") from None


def _read_idx(path: Path) -> np.ndarray:
    """An IDX file of bytes: two zeros, the type (8: unsigned byte), the number of axes, their lengths, the data."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if content[:3] != b"\0\0\x08":
            raise ValueError("it does not begin as an IDX file of bytes does")
        axes = content[3]
        shape = np.frombuffer(content, ">i4", axes, 4)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, ValueError, EOFError, IndexError) as error:
        raise UserError(f"{path} is damaged: {error}.") from None


def _read_cifar(path: Path) -> tuple[Arrays, Arrays]:
    """The binary version, 3,073 bytes a picture: its class, then the red, the green and the blue plane."""
    try:
        if path.is_dir():
            contents = {name: (path / name).read_bytes() for name in BATCHES}
        else:
            contents = {Path(name).name: content for name, content in archive_files(path)}
        tables = [np.frombuffer(contents[name], np.uint8).reshape(-1, 3073) for name in BATCHES]
    except (OSError, UserError, KeyError, ValueError) as error:
        raise UserError(f"{path} is not the complete binary version of CIFAR-10: {error}") from None

    def pictures(table: np.ndarray) -> Arrays:
        return table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), table[:, 0]

    return pictures(np.concatenate(tables[:5])), pictures(tables[5])
