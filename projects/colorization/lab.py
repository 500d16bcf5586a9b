"""CIE L*a*b* (D65): a picture's lightness and its colours apart; how colourful a picture is."""

import warnings

import numpy as np


def to_lab(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) uint8 sRGB -> L (…, 1) in 0 … 100 and ab (…, 2), float32, by scikit-image."""
    from skimage.color import rgb2lab

    lab = rgb2lab(picture).astype("float32")
    return lab[..., :1], lab[..., 1:]


def to_rgb(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """L (…, 1) and ab (…, 2) -> (…, 3) uint8 sRGB. Colours outside of sRGB are clipped to its range."""
    from skimage.color import lab2rgb
    from skimage.util import img_as_ubyte

    lab = np.concatenate([lightness, ab], axis=-1).astype(float)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Conversion from CIE-LAB")  # about negative Z values, which it clips
        return img_as_ubyte(np.clip(lab2rgb(lab), 0, 1))


def grey(picture: np.ndarray) -> np.ndarray:
    """(…, 3) uint8 -> the same lightness without colour, (…, 3) uint8."""
    lightness, ab = to_lab(picture)
    return to_rgb(lightness, 0 * ab)


def enlarged(ab: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """ab (h, w, 2) resized to `shape` (height, width) by bicubic interpolation."""
    from PIL import Image

    if ab.shape[:2] == tuple(shape):
        return ab
    channels = [Image.fromarray(np.ascontiguousarray(channel)) for channel in np.moveaxis(ab, -1, 0).astype("float32")]
    return np.stack([channel.resize(shape[::-1], Image.Resampling.BICUBIC) for channel in channels], axis=-1)


def colourfulness(picture: np.ndarray) -> float:
    """M3 of Hasler & Süsstrunk, "Measuring colourfulness in natural images" (2003), eq. 9, of (h, w, 3) uint8.

    0 is grey. The authors call 15 slightly, 33 moderately and 59 quite colourful.
    """
    red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2 - blue]).reshape(2, -1)
    return float(np.hypot(*opponents.std(axis=1)) + 0.3 * np.hypot(*opponents.mean(axis=1)))
