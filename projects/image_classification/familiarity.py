"""How much a picture is like those of training, and pictures of other kinds to measure that with."""

import string
from pathlib import Path
from typing import Any

import numpy as np

PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "moon",
    "rocket",
)
CROPS = 8  # squares of each photograph


def fit_classes(features: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """The mean of each class and one covariance for all (Lee et al. 2018), from what the last layer reads.

    features: (n, numbers). targets: (n,) class numbers. Returns {"whiten": (numbers, numbers) that makes the covariance
    the identity, "means": (classes, numbers) after it}, as lists.
    """
    classes, index = np.unique(targets, return_inverse=True)
    means = np.stack([features[index == k].mean(axis=0) for k in range(len(classes))]).astype(float)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov((features - means[index]).T)))
    whiten = vectors / np.sqrt(np.maximum(values, 1e-6 * values.max() + 1e-12))
    return {"whiten": whiten.tolist(), "means": (means @ whiten).tolist()}


def closeness(features: np.ndarray, fitted: dict[str, Any]) -> np.ndarray:
    """Minus the squared Mahalanobis distance to the nearest class mean: features (n, numbers) -> (n,)."""
    x = features @ np.array(fitted["whiten"])
    return -np.min([((x - mean) ** 2).sum(axis=1) for mean in np.array(fitted["means"])], axis=0)


def foreign_pictures(seed: int = 0) -> dict[str, list[np.ndarray]]:
    """{kind: pictures (h, w, 3) uint8} that a classifier of digits has not learnt."""
    import matplotlib
    import skimage.data
    from PIL import Image, ImageDraw, ImageFont

    random = np.random.default_rng(seed)
    photographs, letters = [], []
    for name in PHOTOGRAPHS:
        picture = np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("RGB"))
        for side in random.integers(min(picture.shape[:2]) // 3, min(picture.shape[:2]), CROPS):
            top, left = (random.integers(0, length - side + 1) for length in picture.shape[:2])
            photographs.append(picture[top : top + side, left : left + side])
    for name in ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono"):
        font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")), 44)
        for letter in string.ascii_letters:
            if letter not in "OoIlSsZz":  # they look like 0, 1, 5 and 2
                page = Image.new("RGB", (64, 64), "white")
                ImageDraw.Draw(page).text((32, 32), letter, "black", font, anchor="mm")
                letters.append(np.asarray(page))
    return {
        "photographs": photographs,
        "printed letters": letters,
        "blank pictures": [np.full((64, 64, 3), level, np.uint8) for level in range(0, 256, 5)],
        "noise": list(random.integers(0, 256, (50, 64, 64, 3), np.uint8)),
    }
