"""Random changes to training pictures: rotation, scaling, shear, shift, bending and mirroring."""

import numpy as np

KNOTS = 4  # control points along each side for bending; the displacement between them is interpolated
# The largest change of each kind, drawn anew for every picture.
# rotation: degrees. scale: of the logarithm of each axis' scale. shear: horizontal, as a fraction of the height.
# shift, bend: fractions of the picture's side. mirror: whether half of the pictures are flipped from left to right.
# Bending is the elastic distortion of Simard et al. (2003), on a coarse grid instead of a smoothed field.
AUGMENTATIONS = {
    # No mirroring: a mirrored 2 is not a 2.
    "strokes": {"rotation": 12.0, "scale": 0.15, "shear": 0.2, "shift": 0.07, "bend": 0.06, "mirror": False},
    "objects": {"rotation": 0.0, "scale": 0.1, "shear": 0.0, "shift": 0.12, "bend": 0.0, "mirror": True},
}


def augment(pictures: np.ndarray, random: np.random.Generator, kind: str) -> np.ndarray:
    """Pictures (n, height, width, channels), each one changed at random. Returns float32 of the same shape.

    kind: a name of AUGMENTATIONS, or `none`. A place beyond the border has the colour of the border.
    """
    pictures = pictures.astype("float32")
    if kind == "none":
        return pictures
    count, height, width, _ = pictures.shape
    return _interpolated(pictures, *_source_places(count, height, width, random, AUGMENTATIONS[kind]))


def _source_places(count: int, height: int, width: int, random: np.random.Generator, limits: dict) -> np.ndarray:
    """Where each output pixel is read in the input picture: two arrays, x and y, (count, height * width) float32."""

    def drawn(kind: str, size: int | tuple[int, ...] = count) -> np.ndarray:
        return random.uniform(-limits[kind], limits[kind], size)

    angle, shear = np.deg2rad(drawn("rotation")), drawn("shear")
    scale_x, scale_y = np.exp(drawn("scale")), np.exp(drawn("scale"))
    if limits["mirror"]:
        scale_x *= random.choice([-1.0, 1.0], count)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine * scale_x, -sine * scale_y + shear], [sine * scale_x, cosine * scale_y]])
    sides, centre = np.array([[width], [height]]), np.array([[(width - 1) / 2], [(height - 1) / 2]])
    shift = drawn("shift", (count, 2, 1)) * sides + centre
    bend = drawn("bend", (count, 2, KNOTS**2)) * sides
    # A place is the matrix times the pixel's position from the centre, plus the shift, plus the displacement of the
    # control points around it. This is one small product for each picture. One large product for all pictures would
    # start BLAS threads, and they would take a core from TensorFlow while they wait.
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height))).reshape(2, -1) - centre
    basis = np.concatenate([grid, np.ones((1, grid.shape[1])), np.kron(_hat(height), _hat(width)).T])
    factors = np.concatenate([matrix.transpose(2, 0, 1), shift, bend], axis=2)
    return (factors.astype("float32") @ basis.astype("float32")).transpose(1, 0, 2)


def _hat(length: int) -> np.ndarray:
    """The weight of each of KNOTS evenly spaced control points at each pixel: (length, KNOTS); rows sum to 1."""
    position = np.linspace(0, KNOTS - 1, length)[:, None]
    return np.maximum(0, 1 - np.abs(position - np.arange(KNOTS)))


def _interpolated(pictures: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear interpolation of pictures (n, height, width, channels) at the places x, y, each (n, height * width)."""
    count, height, width, channels = pictures.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.minimum(x.astype("int32"), width - 2), np.minimum(y.astype("int32"), height - 2)
    across, down = (x - left).astype("float32")[..., None], (y - top).astype("float32")[..., None]
    first = np.arange(count, dtype="int32")[:, None] * (height * width) + top * width + left
    flat = pictures.reshape(-1, channels)
    upper, lower = (
        flat.take(first + row, axis=0) * (1 - across) + flat.take(first + row + 1, axis=0) * across
        for row in (0, width)
    )
    return (upper * (1 - down) + lower * down).reshape(pictures.shape)
