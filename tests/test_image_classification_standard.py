"""The standard sets of image classification: from files as their homes publish them, what is refused, and real ones."""

import gzip
import tarfile

import keras
import numpy as np
import pytest

from common.errors import UserError
from common.project import Project
from projects.image_classification import standard
from projects.image_classification.config import Config
from projects.image_classification.data import load_data

PROJECT = Project("image_classification")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def small_mnist(monkeypatch, rows=(20, 10)):
    monkeypatch.setitem(standard.SIZES, "mnist", rows)
    return [(noise(count, 28, 28, seed=count), np.arange(count) % 10) for count in rows]


def test_mnist_from_keras_file_and_from_the_homes_files(tmp_path, monkeypatch):
    (x, y), (u, v) = small_mnist(monkeypatch)
    (tmp_path / "mnist").mkdir()
    np.savez(tmp_path / "mnist" / "mnist.npz", x_train=x, y_train=y, x_test=u, y_test=v)
    from_npz = standard.official("mnist", tmp_path)
    (tmp_path / "mnist" / "mnist.npz").unlink()
    for name, values in zip(standard.IDX, (x, y, u, v), strict=True):
        head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
        (tmp_path / "mnist" / f"{name}.gz").write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))
    from_idx = standard.official("mnist", tmp_path)
    for part, other, pictures in zip(from_npz, from_idx, (x, u), strict=True):
        np.testing.assert_array_equal(part[0], pictures[..., None])
        for a, b in zip(part, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_cifar10_from_its_binary_version(tmp_path, monkeypatch):
    monkeypatch.setitem(standard.SIZES, "cifar10", (50, 10))
    tables = {name: noise(10, 3073, seed=i) for i, name in enumerate(standard.BATCHES)}
    place = tmp_path / "cifar10" / "cifar-10-batches-bin"
    place.mkdir(parents=True)
    for name, table in tables.items():
        table[:, 0] %= 10
        (place / name).write_bytes(table.tobytes())
    train, test = standard.official("cifar10", tmp_path)
    assert train[0].shape == (50, 32, 32, 3) and test[0].shape == (10, 32, 32, 3)
    row = tables["data_batch_1.bin"][3]
    assert train[1][3] == row[0] and train[0][3, 1, 2].tolist() == [row[1 + 34], row[1 + 1024 + 34], row[1 + 2048 + 34]]
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(place, "cifar-10-batches-bin")
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    np.testing.assert_array_equal(standard.official("cifar10", tmp_path)[0][0], train[0])


def test_damaged_standard_sets_are_refused(tmp_path, monkeypatch):
    (x, y), (u, v) = small_mnist(monkeypatch)
    path = tmp_path / "mnist" / "mnist.npz"
    path.parent.mkdir()

    def refused(words: str, name: str = "mnist") -> None:
        with pytest.raises(UserError, match=words):
            standard.official(name, tmp_path)

    np.savez(path, x_train=x[:-1], y_train=y[:-1], x_test=u, y_test=v)
    refused("Is the file complete")
    np.savez(path, x_train=x, y_train=y + 1, x_test=u, y_test=v)
    refused("from 0 to 9")
    np.savez(path, x_train=x)
    refused("not laid out")
    path.write_bytes(path.read_bytes()[:200])
    refused("damaged")
    path.unlink()
    for name in standard.IDX:
        (path.parent / name).write_bytes(b"nothing")
    refused("does not begin as an IDX file")
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"nothing")
    refused("not the complete binary version", "cifar10")
    (tmp_path / "cifar-10-binary.tar.gz").unlink()
    (tmp_path / "cifar-10-batches-bin").mkdir()
    refused("not the complete binary version.*data_batch_1.bin", "cifar10")


def test_without_file_and_network_it_says_which_file_to_put_where(tmp_path, monkeypatch):
    def refuse():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", refuse)
    words = r"cannot be downloaded \(URL fetch failure\). Put .*fashion_mnist/train-images"
    with pytest.raises(UserError, match=words):
        PROJECT.load_data("fashion_mnist")(Config(), "fashion_mnist", tmp_path)


def test_real_mnist(datasets):
    splits = PROJECT.load_data("mnist")(Config(), "mnist", datasets)
    assert splits.sizes == {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert splits.meta["mean"][0] == pytest.approx(33.3, abs=0.1)
    assert splits.meta["augment"] == "strokes" and splits.meta["strokes"]


def test_real_folder(datasets):
    splits = load_data(Config(), str(datasets / "cifar10_folder"), datasets)
    assert sum(splits.sizes.values()) == 6000 and splits.sizes["test"] == 1000
    assert splits.meta["shape"] == [32, 32, 3]
