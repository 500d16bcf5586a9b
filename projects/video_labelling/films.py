"""Built-in films: a handwritten digit on a photograph does something that no single frame tells.

A film has FRAMES frames and consists of segments with one label each. A cut, after which everything is drawn anew, may
stand between two segments, and so between two of the same label. Place, size, angle, a second digit and blank frames
have the same distribution under each label: places are on a torus (what leaves at one side comes in at the other), and
sizes and distances that change are matched by constant ones drawn from the same paths.
"""

import functools
from typing import NamedTuple

import numpy as np

from common.scenery import DIGITS, PARTS, digits_of, ink_box, piece_of_photograph

SIDE = 64  # pixels of a frame
FRAMES = 48  # frames of a film
RATE = 8.0  # frames a second
LENGTHS = (8, 12, 16)  # frames of a segment
BLANK = 4  # one frame of so many is blank: the photograph alone
# What the digit does. The labels after `turning` need more than two frames: blinking is off for one frame at a time,
# `back` moves against its first direction since the cut, `met` stands where another digit has touched it since the cut.
LABELS = ("still", "left", "right", "nearer", "turning", "blinking", "back", "met")
MEMORY = ("blinking", "back", "met")
AFTER_CUT = LABELS[:6]
WEIGHTS = {"still": 1.0, "left": 1, "right": 1, "nearer": 1, "turning": 0.9, "blinking": 1, "back": 7.0, "met": 14.0}
CUT = 0.3  # probability of a cut between two segments
SAME = 0.4  # probability that the label goes on after a cut, where it can
SPEED = (1.5, 3.0)  # pixels a frame
TURN = (14.0, 30.0)  # degrees a frame
GROWTH = (0.035, 0.055)  # growth of the logarithm of the size in one frame
SIZES = (10.0, 26.0)  # pixels, the least and the most, of the longer side
DIM = (0.25, 0.55)  # what the photograph's light is multiplied by


class Segment(NamedTuple):
    """Frames with one label. cut: it begins with a cut. direction: -1 left, 1 right, 0 where nothing moves."""

    label: str
    length: int
    cut: bool
    direction: int


class Recipe(NamedTuple):
    """Film number `number` of a part (train, validation or test); the same one each time."""

    part: str
    number: int

    def pixels(self) -> np.ndarray:
        """The frames (FRAMES, SIDE, SIDE, 3) uint8."""
        return drawn(*self._plan(), self.part)

    def labels(self) -> np.ndarray:
        """The number of each frame's label: (FRAMES,)."""
        return labels_of(self._plan()[0])

    def _plan(self) -> tuple[list[Segment], np.random.Generator]:
        random = np.random.default_rng((list(PARTS).index(self.part), self.number))
        return script(random), random


def labels_of(segments: list[Segment]) -> np.ndarray:
    """The number of each frame's label."""
    return np.repeat([LABELS.index(s.label) for s in segments], [s.length for s in segments])


def script(random: np.random.Generator) -> list[Segment]:
    """The segments of a film. A direction and a meeting are remembered until the next cut."""
    segments: list[Segment] = []
    left, first, grown = FRAMES, 0, False
    while left:
        last = segments[-1].label if segments else ""
        cut = not segments or last == "met" or random.random() < CUT
        if cut:
            first, grown = 0, False
        if cut and last in AFTER_CUT and random.random() < SAME:
            label = last
        else:
            allowed = AFTER_CUT if cut else [name for name in LABELS if _follows(name, last, first, grown)]
            weights = np.array([WEIGHTS[name] for name in allowed])
            label = str(random.choice(allowed, p=weights / weights.sum()))
        direction = {"left": -1, "right": 1, "back": -first}.get(label, 0)
        first, grown = first or direction, grown or label == "nearer"
        length = int(random.choice([n for n in LENGTHS if left == n or left - n >= LENGTHS[0]]))
        segments.append(Segment(label, length, cut, direction))
        left -= length
    return segments


def _follows(label: str, last: str, first: int, grown: bool) -> bool:
    """Whether a label may come after another one without a cut."""
    if label in ("left", "right"):
        return label != last and first in (0, -1 if label == "left" else 1)
    return label != last and {"back": first != 0, "met": last == "still", "nearer": not grown}.get(label, True)


class Paths(NamedTuple):
    """What is drawn in each frame: centres (FRAMES, 2), sizes and angles of two digits, and which of them is seen."""

    centres: np.ndarray  # (FRAMES, 2 digits, 2): x and y
    sizes: np.ndarray  # (FRAMES, 2 digits): pixels
    angles: np.ndarray  # (FRAMES, 2 digits): degrees
    seen: np.ndarray  # (FRAMES, 2 digits)
    shot: np.ndarray  # (FRAMES,): the number of cuts before


def paths(segments: list[Segment], random: np.random.Generator) -> Paths:
    """Draw the paths of the digits of a film."""
    rows = []
    for i, segment in enumerate(segments):
        if segment.cut:
            shot = [segment]
            for other in segments[i + 1 :]:
                if other.cut:
                    break
                shot.append(other)
            rows.append(_shot(shot, random))
    shots = np.repeat(np.arange(len(rows)), [len(row[0]) for row in rows])
    return Paths(*(np.concatenate(part) for part in zip(*rows, strict=True)), shots)


def _shot(segments: list[Segment], random: np.random.Generator) -> tuple[np.ndarray, ...]:
    length = sum(segment.length for segment in segments)
    velocity, turn, growth = np.zeros(length), np.zeros(length), np.zeros(length)
    offsets, seen = np.zeros((length, 2)), np.zeros((length, 2), bool)
    low, high = np.log(SIZES)
    grows = [s for s in segments if s.label == "nearer"]
    rate = random.uniform(*GROWTH)
    # A shot in which nothing grows has a size from the middle of a path of growth that it does not show.
    whole = rate * (grows[0].length if grows else random.choice(LENGTHS))
    size = random.uniform(low, high - whole) + (0 if grows else random.random() * whole)
    other = random.uniform(low, high - whole) + random.random() * whole
    begin = 0
    for i, segment in enumerate(segments):
        n, at = segment.length, slice(begin, begin + segment.length)
        velocity[at] = segment.direction * random.uniform(*SPEED)
        turn[at] = (segment.label == "turning") * random.choice([-1, 1]) * random.uniform(*TURN)
        growth[at] = (segment.label == "nearer") * rate
        shown = np.ones(n, bool)
        if segment.label == "blinking":
            shown[::BLANK] = False
        else:
            gap = n // BLANK
            start = random.integers(1, n - gap)
            shown[start : start + gap] = False
        meets = i + 1 < len(segments) and segments[i + 1].label == "met"
        if meets or segment.label != "met":
            towards = random.uniform(0, 2 * np.pi)
            speed = random.uniform(*SPEED)
        touch = 0.375 * (np.exp(size) + np.exp(other))
        if meets:  # the other digit comes in, and touches the digit when the next segment begins
            away = n - np.arange(n)
        elif segment.label == "met":  # and goes away again
            away = np.arange(n)
        else:  # it keeps a distance that it could have had then
            away = np.full(n, random.integers(0, n // 2 + 1))
        there = away <= n // 2 if meets else away < n // 2
        if not meets and segment.label != "met":
            there = np.full(n, random.random() < 0.5)
        offsets[at] = (touch + speed * away)[:, None] * [np.cos(towards), np.sin(towards)]
        seen[at] = np.stack([shown, shown & there], axis=1)
        begin += n
    velocity[0] = turn[0] = growth[0] = 0  # the first frame after a cut is where everything begins
    x, y = random.uniform(0, SIDE, 2)
    centre = np.stack([x + np.cumsum(velocity), np.full(length, y)], axis=1)
    sizes = np.exp(np.stack([size + np.cumsum(growth), np.full(length, other)], axis=1))
    angles = np.stack([random.uniform(0, 360) + np.cumsum(turn), np.full(length, random.uniform(0, 360))], axis=1)
    return np.stack([centre, centre + offsets], axis=1) % SIDE, sizes, angles, seen


def drawn(segments: list[Segment], random: np.random.Generator, part: str) -> np.ndarray:
    """The frames (FRAMES, SIDE, SIDE, 3) uint8 of a film. part: whose digits and photographs are taken."""
    path = paths(segments, random)
    frames = np.empty((len(path.shot), SIDE, SIDE, 3), np.float32)
    digits = digits_of(part)
    for shot in range(int(path.shot[-1]) + 1):
        photo = piece_of_photograph(SIDE, random, part) * np.float32(random.uniform(*DIM))
        at = np.flatnonzero(path.shot == shot)
        frames[at] = photo
        for i in (1, 0):
            picture = digits.pictures[random.choice(digits.rows[str(random.choice(DIGITS))])]
            colour = random.uniform(130, 255, 3).astype(np.float32)
            put(frames, at[path.seen[at, i]], picture, colour, path.centres[:, i], path.sizes[:, i], path.angles[:, i])
    return np.round(frames).astype(np.uint8)


def put(
    frames: np.ndarray,
    rows: np.ndarray,
    picture: np.ndarray,
    colour: np.ndarray,
    centres: np.ndarray,
    sizes: np.ndarray,
    angles: np.ndarray,
) -> None:
    """Draw a digit into frames (n, SIDE, SIDE, 3) float32, in place. rows: the numbers of the frames that show it.

    picture: (h, w) uint8, light on dark. centres (n, 2), sizes (n,) in pixels of the ink's longer side, angles (n,).
    """
    from scipy.ndimage import map_coordinates

    if not len(rows):
        return
    box = ink_box(picture)
    ink = np.minimum(picture[box].astype(np.float32) * (1.2 / 255), 1.0)
    reach = int(np.ceil(0.75 * sizes[rows].max())) + 1
    corner = np.floor(centres[rows]).astype(int) - reach  # (k, 2)
    steps = np.arange(2 * reach + 1)
    x = (corner[:, 0, None] + steps - centres[rows, 0, None])[:, None, :]
    y = (corner[:, 1, None] + steps - centres[rows, 1, None])[:, :, None]
    scale = (max(ink.shape) / sizes[rows])[:, None, None]
    turn = np.deg2rad(angles[rows])[:, None, None]
    across = scale * (np.cos(turn) * x + np.sin(turn) * y) + (ink.shape[1] - 1) / 2
    down = scale * (np.cos(turn) * y - np.sin(turn) * x) + (ink.shape[0] - 1) / 2
    mask = map_coordinates(ink, [down, across], order=1, mode="constant", output=np.float32)
    for row, (left, top), cover in zip(rows, corner, mask, strict=True):
        where = np.ix_((top + steps) % SIDE, (left + steps) % SIDE)
        place = frames[row][where]
        frames[row][where] = place + cover[..., None] * (colour - place)


@functools.cache
def recipes(part: str, count: int) -> tuple[list[Recipe], list[np.ndarray]]:
    """The first `count` films of a part with their labels."""
    films = [Recipe(part, number) for number in range(count)]
    return films, [film.labels() for film in films]
