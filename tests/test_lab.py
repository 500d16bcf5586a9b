"""The project's own conversions of colours give what scikit-image gives."""

import numpy as np
import pytest
from skimage.color import lab2rgb

from projects.colorization import lab


def test_lab_is_that_of_scikit_image():
    """But for rounding, which differs between processors. From ab beyond sRGB too."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (90, 120, 3)).astype(np.uint8)
    lightness, ab = lab.to_lab(picture)
    np.testing.assert_allclose(lab.lightness(picture), lightness, atol=1e-4)
    assert (lab.to_rgb(lightness, ab) == picture).mean() > 0.99
    wild = random.normal(0, 60, ab.shape).astype("float32")
    with pytest.warns(UserWarning, match="Conversion from CIE-LAB"):
        coloured = lab2rgb(np.concatenate([lightness, wild], axis=-1).astype(float))
    difference = lab.to_rgb(lightness, wild) - np.rint(255 * coloured)
    assert np.abs(difference).max() <= 1 and (difference == 0).mean() > 0.9999
