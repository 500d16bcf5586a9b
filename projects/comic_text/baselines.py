"""What there is without a network: Otsu's threshold with connected components, and the nearest known glyph."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from projects.comic_text import layout
from projects.comic_text.data import ink
from projects.comic_text.lettering import draw_lines, faces
from projects.comic_text.pages import syllables

HEIGHTS = (5, 48)  # pixels of a component that may be a letter
FULL = (0.08, 0.95)  # the part of its box that a letter may fill
NEIGHBOURS = 1  # components of a like height, nearly at its own height on the page, that a letter must have
SIDE = 16  # pixels of a glyph that is compared


def otsu_mask(picture: np.ndarray) -> np.ndarray:
    """The dark components of a page (h, w, 3) that have the size of letters and stand beside others: (h, w) bool."""
    from scipy.spatial import cKDTree
    from skimage.filters import threshold_otsu

    grey = picture.mean(axis=2)
    if np.ptp(grey) < 1:
        return np.zeros(grey.shape, bool)
    labels, sizes, boxes = layout.components(grey <= threshold_otsu(grey))
    wide, high = (boxes[:, 2:] - boxes[:, :2]).T
    filled = sizes / (wide * high)
    letter = (high >= HEIGHTS[0]) & (high <= HEIGHTS[1]) & (wide <= 3 * high) & (filled > FULL[0]) & (filled < FULL[1])
    rows = np.flatnonzero(letter)
    middles = (boxes[rows, :2] + boxes[rows, 2:]) / 2
    kept = np.zeros(len(boxes) + 1, bool)
    if len(rows):
        i, j = cKDTree(middles / high[rows].mean()).query_pairs(3.0, output_type="ndarray").T
        large, small = np.maximum(high[rows[i]], high[rows[j]]), np.minimum(high[rows[i]], high[rows[j]])
        across, down = np.abs(middles[i] - middles[j]).T
        beside = (across < 2 * large) & (down < 0.6 * large) & (small > 0.5 * large)
        neighbours = np.bincount(np.concatenate([i[beside], j[beside]]), minlength=len(rows))
        kept[rows[neighbours >= NEIGHBOURS] + 1] = True
    return kept[labels]


@lru_cache(maxsize=1)
def _glyphs() -> tuple[np.ndarray, list[str]]:
    """(glyphs as vectors of length 1, what they are), in the faces that the reader learns from."""
    known, names = [], []
    for number, face in enumerate(faces("train")):
        letters = [chr(code) for code in range(0x21, 0x7B) if chr(code).isalnum() or chr(code) in face.signs]
        for character in letters + (syllables() if number == 0 else []):
            coverage = draw_lines([character], face, 24)[0][0] > 127
            if coverage.any():
                known.append(_vector(_cut(coverage), 24))
                names.append(character)
    return np.stack(known), names


def nearest_glyphs(crops: Sequence[np.ndarray]) -> list[str]:
    """The text of upright lines (h, w, 3): cut at empty columns, each piece read as the nearest known glyph."""
    known, names = _glyphs()
    return [_line(ink(crop), known, names) for crop in crops]


def _line(mask: np.ndarray, known: np.ndarray, names: list[str]) -> str:
    height, last = mask.shape[0], None
    pieces = []
    for begin, end in layout.runs(mask.any(axis=0)):
        if last is not None and begin - last > 0.25 * height:
            pieces.append(None)
        pieces.append(_vector(_cut(mask[:, begin:end]), 0.9 * height))
        last = end
    vectors = [piece for piece in pieces if piece is not None]
    if not vectors:
        return ""
    best = iter((np.stack(vectors) @ known.T).argmax(axis=1))
    return "".join(" " if piece is None else names[next(best)] for piece in pieces)


def _cut(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _vector(glyph: np.ndarray, size: float) -> np.ndarray:
    """A glyph (h, w) bool as SIDE × SIDE numbers, and its height and width compared with the line, of length 1."""
    from PIL import Image

    small = np.asarray(Image.fromarray(np.uint8(glyph) * 255).resize((SIDE, SIDE), Image.Resampling.BOX), float)
    vector = np.concatenate([small.ravel() / 255 - 0.4, 4 * np.array(glyph.shape) / size])
    return (vector / np.linalg.norm(vector)).astype(np.float32)
