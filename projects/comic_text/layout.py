"""From the mask of the lettering to lines and blocks of lines, in the order of reading."""

from dataclasses import dataclass, field

import numpy as np

SPECK = 4  # pixels of a component that is no letter
TURNS = np.arange(-30, 31, 2)  # degrees that are tried
LEVEL = 5  # degrees; a block that rises less is read as it is
MIN_BLOCK = 30  # pixels of lettering in a block


@dataclass(frozen=True)
class Block:
    """Lines that belong together, mostly those of a balloon.

    box: (left, top, right, bottom) in pixels of the page. angle: degrees by which its lines rise. lines: (top, bottom,
    left, right) of each line in the crop of the box, turned back by the angle.
    """

    box: tuple[int, int, int, int]
    angle: float = 0.0
    lines: list[tuple[int, int, int, int]] = field(default_factory=list)


def components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the components of a mask: labels 1 … (h, w), sizes (n,) in pixels, boxes (n, 4): left, top, right, bottom."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, np.ones((3, 3)))
    boxes = [(c.start, r.start, c.stop, r.stop) for r, c in ndimage.find_objects(labels)]
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:], np.array(boxes, int).reshape(-1, 4)


def blocks(mask: np.ndarray, order: str = "left") -> list[Block]:
    """The blocks of a mask (h, w). order: where reading begins, "left" or "right"."""
    _, sizes, boxes = components(mask)
    boxes, found = boxes[sizes >= SPECK], []
    for group in _groups(boxes):
        left, top = boxes[group, :2].min(axis=0)
        right, bottom = boxes[group, 2:].max(axis=0)
        if mask[top:bottom, left:right].sum() >= MIN_BLOCK:
            found.append(lines_in(mask, (int(left), int(top), int(right), int(bottom))))
    return in_order([block for block in found if block.lines], order)


def _groups(boxes: np.ndarray) -> list[np.ndarray]:
    """Which components are one block: those that are as near to each other as letters and lines are.

    The distance is compared with the larger height of the two, since the parts of a Korean syllable are small. A small
    part is near to a letter only within it or beside it.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not len(boxes):
        return []
    heights = (boxes[:, 3] - boxes[:, 1]).astype(float)
    sizes = np.minimum(np.maximum(heights, 0.5 * (boxes[:, 2] - boxes[:, 0])), 2.5 * max(np.median(heights), 8))
    # Only components whose middles are near can touch. The longest one decides how far that is.
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    far = (boxes[:, 2:] - boxes[:, :2]).max() + 1.2 * sizes.max()
    i, j = cKDTree(middles).query_pairs(far, p=np.inf, output_type="ndarray").T
    gap_x, gap_y = np.maximum(np.maximum(boxes[i, :2], boxes[j, :2]) - np.minimum(boxes[i, 2:], boxes[j, 2:]), 0).T
    large, small = np.maximum(sizes[i], sizes[j]), np.minimum(sizes[i], sizes[j])
    alike = small > 0.4 * large
    near = (gap_x < np.where(alike, 0.95, 0.6) * large) & (gap_y < np.where(alike, 0.8, 0.5) * large)
    graph = coo_matrix((np.ones(near.sum()), (i[near], j[near])), (len(boxes), len(boxes)))
    count, labels = connected_components(graph, directed=False)
    return [np.flatnonzero(labels == label) for label in range(count)]


def lines_in(mask: np.ndarray, box: tuple[int, int, int, int]) -> Block:
    """The block of a box: its angle and its lines, by the sums of the mask along the rows."""
    left, top, right, bottom = box
    part = mask[top:bottom, left:right]
    angle = _angle(part)
    upright = turned(part, angle)
    rows = upright.sum(axis=1)
    found: list[tuple[int, int, int, int]] = []
    for begin, end in runs(rows > 0.06 * np.percentile(rows, 90)):
        columns = np.flatnonzero(upright[begin:end].any(axis=0))
        found.append((begin, end, int(columns[0]), int(columns[-1]) + 1))
    return Block(box, angle, _joined(found))


def runs(on: np.ndarray) -> list[tuple[int, int]]:
    """(begin, end) of each run of what is true in (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _joined(lines: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Lines of which the low ones (dots, strokes below a syllable) are part of the nearer neighbour."""
    while len(lines) > 1:
        heights = np.array([bottom - top for top, bottom, _, _ in lines])
        low = int(heights.argmin())
        if heights[low] >= 0.45 * np.median(heights) or heights[low] >= 0.45 * heights.max():
            break
        above = lines[low][0] - lines[low - 1][1] if low else np.inf
        below = lines[low + 1][0] - lines[low][1] if low + 1 < len(lines) else np.inf
        first = low - 1 if above <= below else low
        a, b = lines[first], lines[first + 1]
        lines[first : first + 2] = [(a[0], b[1], min(a[2], b[2]), max(a[3], b[3]))]
    return lines


def _angle(part: np.ndarray) -> float:
    """The degrees by which the lines of a mask rise: turned back, its rows differ most. 0 where that is unsure."""
    from scipy import ndimage

    height, width = part.shape
    if width < 1.2 * height / 3 or width < 24:
        return 0.0
    step = max(1, max(height, width) // 160)
    y, x = np.nonzero(part[::step, ::step])
    if not len(y):  # a box that a visitor has drawn may hold no lettering
        return 0.0
    best = level = angle = 0.0
    for turn in TURNS:
        radians = np.radians(turn)
        rows = np.round(y * np.cos(radians) + x * np.sin(radians)).astype(int)
        sums = ndimage.uniform_filter1d(np.bincount(rows - rows.min()).astype(float), 2)
        value = float((sums**2).sum())
        level = value if turn == 0 else level
        if value > best:
            best, angle = value, float(turn)
    return angle if abs(angle) > LEVEL and best > 1.12 * level else 0.0


def turned(array: np.ndarray, angle: float) -> np.ndarray:
    """A mask or picture turned back by the angle at which its lines rise, with what it needs around it."""
    from PIL import Image

    if not angle:
        return array
    if array.dtype == bool:
        return np.asarray(Image.fromarray(array).rotate(-angle, expand=True))
    fill = tuple(int(value) for value in np.median(array.reshape(-1, 3), axis=0))
    return np.asarray(Image.fromarray(array).rotate(-angle, Image.Resampling.BILINEAR, expand=True, fillcolor=fill))


def in_order(found: list[Block], order: str) -> list[Block]:
    """Blocks in the order of reading: from above, and those at one height from the left, or from the right."""
    rows: list[list[Block]] = []
    for block in sorted(found, key=lambda block: block.box[1]):
        middle = (block.box[1] + block.box[3]) / 2
        row = next((row for row in rows[-2:] if row[0].box[1] <= middle <= row[0].box[3]), None)
        rows.append([block]) if row is None else row.append(block)
    sign = 1 if order == "left" else -1
    return [block for row in rows for block in sorted(row, key=lambda block: sign * (block.box[0] + block.box[2]))]
