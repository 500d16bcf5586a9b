"""The page without its lettering, and with other words in its place."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from projects.comic_text.layout import Block
from projects.comic_text.lettering import LEADING, Face, draw_lines, fitted, rotated

GROW = 2  # pixels that are removed around the lettering: its soft edge, and what JPEG has made of it
RING = 4  # pixels around that, whose colours say what lies below
FLAT = 14.0  # a ring whose colours differ less from their median is flat
PAPER = 28  # a pixel that differs less from the paper belongs to it
ROOM = 0.6  # a balloon is looked for this much beyond the lettering, in its own width and height
MOST_INPAINTED = 3_000  # pixels of one block; where there are more, they are inpainted at half the size


@dataclass(frozen=True)
class Look:
    """How the lettering of a block looks: its colours, whether its paper is flat, the height of a line in pixels."""

    ink: tuple[int, int, int]
    paper: tuple[int, int, int]
    flat: bool
    outline: tuple[int, int, int] | None
    height: int


def without(picture: np.ndarray, mask: np.ndarray, blocks: list[Block]) -> np.ndarray:
    """The page (h, w, 3) uint8 without the lettering of these blocks.

    Where the paper around it is flat, it is filled with its colour. Elsewhere the pixels are the solution of the
    biharmonic equation with the page around them as its border (Damelin & Hoang 2018, scikit-image).
    """
    clean = picture.copy()
    for block in blocks:
        rows, columns, letters, ring, paper = _around(picture, mask, block)
        part, gone = picture[rows, columns], _grown(letters, GROW)
        if not gone.any():
            continue
        if _is_flat(part[ring], paper):
            clean[rows, columns][gone] = paper.astype(np.uint8)
        else:
            # The solution overshoots where the page around is rough; it may be no darker or lighter than that.
            low, high = np.quantile(part[ring], (0.05, 0.95), axis=0)
            clean[rows, columns][gone] = np.clip(_inpainted(part, gone)[gone], low, high)
    return clean


def _around(picture: np.ndarray, mask: np.ndarray, block: Block) -> tuple[slice, slice, np.ndarray, np.ndarray, Any]:
    """(rows, columns) of the page around a block; in them its letters, the ring around these, and the ring's colour."""
    (left, top, right, bottom), (x, y, far, low) = block.box, wider(block.box, GROW + RING + 2, picture.shape)
    letters = np.zeros((low - y, far - x), bool)
    letters[top - y : bottom - y, left - x : right - x] = mask[top:bottom, left:right]
    ring = _grown(letters, GROW + RING) & ~_grown(letters, GROW)
    paper = np.median(picture[y:low, x:far][ring], axis=0) if ring.any() else np.full(3, 255.0)
    return slice(y, low), slice(x, far), letters, ring, paper


def _inpainted(part: np.ndarray, gone: np.ndarray) -> np.ndarray:
    from PIL import Image
    from skimage.restoration import inpaint_biharmonic

    if gone.sum() > MOST_INPAINTED and min(part.shape[:2]) > 8:
        half = (max(1, part.shape[1] // 2), max(1, part.shape[0] // 2))
        small = np.asarray(Image.fromarray(part).resize(half, Image.Resampling.BOX))
        missing = np.asarray(Image.fromarray(gone).resize(half, Image.Resampling.BOX)) > 0
        answer = Image.fromarray(_inpainted(small, missing)).resize(part.shape[1::-1], Image.Resampling.BICUBIC)
        return np.asarray(answer)
    solved = inpaint_biharmonic(part, gone, split_into_regions=True, channel_axis=-1)
    return np.uint8(np.round(np.clip(solved, 0, 1) * 255))


def look(picture: np.ndarray, mask: np.ndarray, block: Block) -> Look:
    """How the lettering of a block looks on the page."""
    from scipy import ndimage

    rows, columns, letters, ring, paper = _around(picture, mask, block)
    part = picture[rows, columns]
    heights = [below - above for above, below, _, _ in block.lines] or [block.box[3] - block.box[1]]
    if not letters.any():
        dark = paper.mean() < 110
        return Look((255,) * 3 if dark else (0,) * 3, _colour(paper), True, None, int(np.median(heights)))
    depth = ndimage.distance_transform_cdt(np.pad(letters, 1), "chessboard")[1:-1, 1:-1]
    inner = np.median(part[depth >= max(1, 0.7 * depth.max())], axis=0)
    # The darkest or lightest pixels of thin strokes are nearest to their colour: their edges are mixed with the paper.
    distance = np.abs(part[letters].astype(float) - paper).sum(axis=1)
    ink = np.median(part[letters][distance >= np.quantile(distance, 0.8)], axis=0) if depth.max() < 4 else inner
    flat = _is_flat(part[ring], paper)
    edge = np.median(part[(depth == 1) | (depth == 2)], axis=0)
    outlined = depth.max() >= 4 and np.abs(edge - inner).max() > 60
    outline = _colour(edge) if outlined else None
    if not flat and outline is None:  # on a drawing, letters without an outline would hardly be read
        outline = (255,) * 3 if ink.mean() < 128 else (0,) * 3
    return Look(_colour(ink), _colour(paper), flat, outline, int(np.median(heights)))


def balloon(clean: np.ndarray, block: Block, paper: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The largest box around a block in which the cleaned page is flat paper, as far as ROOM allows."""
    left, top, right, bottom = block.box
    height, width = clean.shape[:2]
    reach = (ROOM * (right - left), ROOM * (bottom - top) + 12)
    low = (max(0, int(left - reach[0])), max(0, int(top - reach[1])))
    high = (min(width, int(right + reach[0])), min(height, int(bottom + reach[1])))
    paperlike = np.abs(clean[low[1] : high[1], low[0] : high[0]].astype(int) - paper).max(axis=2) < PAPER
    box = [left - low[0], top - low[1], right - low[0], bottom - low[1]]
    moving = {0: -2, 2: 2, 1: -2, 3: 2}  # pixels by which each side moves outwards, until it meets something
    while moving:
        for side, pixels in list(moving.items()):
            new, strip = list(box), list(box)
            new[side] = strip[side] = box[side] + pixels
            strip[(side + 2) % 4] = box[side]  # between the old side and the new one
            inside = min(new) >= 0 and new[2] <= paperlike.shape[1] and new[3] <= paperlike.shape[0]
            if inside and paperlike[strip[1] : strip[3], strip[0] : strip[2]].mean() > 0.97:
                box = new
            else:
                del moving[side]
    margin = 3
    grown = (box[0] + margin + low[0], box[1] + margin + low[1], box[2] - margin + low[0], box[3] - margin + low[1])
    return min(left, grown[0]), min(top, grown[1]), max(right, grown[2]), max(bottom, grown[3])


def lettered(
    page: np.ndarray, text: str, block: Block, seen: Look, room: tuple[int, int, int, int], face: Face
) -> None:
    """Draw a text into the room of a block on the page (h, w, 3) uint8: fitted, centred, with its outline."""
    angle = block.angle
    width, height = room[2] - room[0], room[3] - room[1]
    if angle:  # along the lines, the room of a turned block is about as long as the block and as high as its lines
        width = round(np.hypot(width, 0.3 * height))
        height = max(20, round(sum(below - above for above, below, _, _ in block.lines) * 1.4))
    largest = max(10, round(1.25 * seen.height))
    lines, size = fitted(text, face, width, height, largest, smallest=min(largest, 10))
    stroke = max(1, size // 12) if seen.outline else 0
    letters, outlined = draw_lines(lines, face, size, stroke, LEADING)
    layers = [rotated(np.maximum.reduce(group), angle) for group in (outlined, letters)]
    middle = ((room[0] + room[2]) / 2, (room[1] + room[3]) / 2)
    rows, columns = (np.flatnonzero(layers[0].any(axis=axis)) for axis in (1, 0))
    box = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) if len(rows) else (0, 1, 0, 1)
    for coverage, colour in zip(layers, (seen.outline, seen.ink), strict=True):
        if colour is None:
            continue
        part = coverage[box[0] : box[1], box[2] : box[3]]
        top, left = round(middle[1] - part.shape[0] / 2), round(middle[0] - part.shape[1] / 2)
        over(page, part, top, left, colour)


def over(page: np.ndarray, coverage: np.ndarray, top: int, left: int, colour: tuple[int, int, int]) -> None:
    """Lay a colour over the page as a coverage 0 … 255 says; what lies beyond the page is cut off."""
    height, width = page.shape[:2]
    cut = coverage[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    top, left = max(0, top), max(0, left)
    rows, columns = slice(top, top + cut.shape[0]), slice(left, left + cut.shape[1])
    part = cut[..., None] / 255
    page[rows, columns] = np.uint8(np.round(page[rows, columns] * (1 - part) + np.array(colour) * part))


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    from scipy import ndimage

    return ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=pixels) if mask.any() else mask


def wider(box: tuple[int, int, int, int], pixels: int, shape: tuple) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return max(0, left - pixels), max(0, top - pixels), min(shape[1], right + pixels), min(shape[0], bottom + pixels)


def _is_flat(ring: np.ndarray, paper: np.ndarray) -> bool:
    """Whether 85 % of the pixels around have about one colour: a balloon's edge or a neighbour may be among them.

    So it is where there is nothing around.
    """
    return not len(ring) or float(np.quantile(np.abs(ring.astype(float) - paper).max(axis=1), 0.85)) < FLAT


def _colour(values: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
