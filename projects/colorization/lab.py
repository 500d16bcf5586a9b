"""Lightness and colour apart: CIE L*a*b* (D65), scaled for the network, and what is measured on it."""

import warnings

import numpy as np

L_SCALE, AB_SCALE = 50.0, 110.0  # L / 50 - 1 and ab / 110 lie in [-1, 1]: sRGB's a is -86 … 98, its b -108 … 94


def to_lab(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(…, 3) uint8 sRGB -> L (…, 1) in 0 … 100 and ab (…, 2), float32, by scikit-image."""
    from skimage.color import rgb2lab

    lab = rgb2lab(picture).astype("float32")
    return lab[..., :1], lab[..., 1:]


def to_rgb(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """L (…, 1) and ab (…, 2) -> (…, 3) uint8 sRGB; colours that sRGB lacks at that lightness are cut to its edge."""
    from skimage.color import lab2rgb
    from skimage.util import img_as_ubyte

    lab = np.concatenate([lightness, ab], axis=-1).astype(float)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Conversion from CIE-LAB")  # says that it cut negative Z, which is meant
        return img_as_ubyte(np.clip(lab2rgb(lab), 0, 1))


def enlarged(ab: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """ab (h, w, 2) resized to `shape` (height, width) by bicubic interpolation."""
    from PIL import Image

    if ab.shape[:2] == tuple(shape):
        return ab
    channels = [Image.fromarray(np.ascontiguousarray(channel)) for channel in np.moveaxis(ab, -1, 0).astype("float32")]
    return np.stack([channel.resize(shape[::-1], Image.Resampling.BICUBIC) for channel in channels], axis=-1)
