"""Built-in scenes: a grammar of groups of things, drawn on photographs, with captions in English and Korean.

A scene has one or two groups. All things of a group are alike: so many, of one size, of one colour, at one side of the
picture. Those are its facts. A caption states all of them, and `parse` reads them back.
"""

import functools
import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from common.scenery import DIGITS, PARTS, digits_of, ink_box, piece_of_photograph

SIDE = 64  # pixels of a picture
COLOURS = {
    "red": (228, 40, 40),
    "green": (40, 190, 60),
    "blue": (70, 110, 255),
    "yellow": (245, 220, 40),
    "pink": (245, 110, 205),
    "white": (250, 250, 250),
}
SHAPES = {  # corners in a square of side 1; a circle has none
    "circle": (),
    "square": ((0.05, 0.05), (0.95, 0.05), (0.95, 0.95), (0.05, 0.95)),
    "triangle": ((0.5, 0.0), (1.0, 0.95), (0.0, 0.95)),
    "star": tuple(
        (0.5 + r * np.sin(np.pi * i / 5), 0.52 - r * np.cos(np.pi * i / 5)) for i, r in enumerate([0.52, 0.2] * 5)
    ),
}
THINGS = (*DIGITS, *SHAPES)
SIZES = {"small": (12, 14), "large": (18, 20)}  # pixels, the least and the most
SIDES = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}  # each with the opposite one
COUNTS = (1, 2, 3)
DIM = (0.25, 0.5)  # what the photograph's light is multiplied by, so that the things stand out
HELD_OUT = 0.1  # fraction of the combinations of colour, thing and side that occur in the test alone
GAP = 1  # pixels between two things
LANGUAGES = ("en", "ko")


class Group(NamedTuple):
    """Things that are alike. Two groups of a scene are at opposite sides."""

    count: int
    size: str
    colour: str
    thing: str
    side: str


Scene = tuple[Group, ...]
FACTS = Group._fields

# How the facts are said. A group's facts are put into `group`, groups and side into one of the three sentences.
WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "count": dict(zip(COUNTS, ("a", "two", "three"), strict=True)),
        "size": {"small": "small", "large": "large"},
        "colour": {colour: colour for colour in COLOURS},
        "thing": {thing: thing for thing in THINGS},
        "alone": {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"},
        "side": {"left": "to the left of", "right": "to the right of", "top": "above", "bottom": "below"},
        "group": "{count} {size} {colour} {thing}{s}",
        "one": ("{first} {alone}", "{alone} there {is_} {first}"),
        "two": "{first} {side} {second}",
    },
    "ko": {
        "count": dict(zip(COUNTS, ("한", "두", "세"), strict=True)),
        "size": {"small": "작은", "large": "큰"},
        "colour": dict(zip(COLOURS, ("빨간색", "초록색", "파란색", "노란색", "분홍색", "흰색"), strict=True)),
        "thing": {thing: thing for thing in DIGITS}
        | {"circle": "원", "square": "정사각형", "triangle": "삼각형", "star": "별"},
        "alone": {"left": "왼쪽에", "right": "오른쪽에", "top": "위쪽에", "bottom": "아래쪽에"},
        "side": {"left": "왼쪽에", "right": "오른쪽에", "top": "위쪽에", "bottom": "아래쪽에"},
        "group": "{size} {colour} {thing} {count} 개{s}",
        "one": ("{first}가 {alone} 있습니다", "{alone} {first}가 있습니다"),
        "two": "{first}가 {second}의 {side} 있습니다",
    },
}


def captions(scene: Scene, language: str) -> list[str]:
    """The two captions of a scene: with the side before or after the group, or with either group first."""
    words = WORDS[language]

    def said(group: Group) -> str:
        facts = {name: words[name][getattr(group, name)] for name in FACTS[:-1]}
        return words["group"].format(**facts, s="s" if language == "en" and group.count > 1 else "")

    first = scene[0]
    if len(scene) == 1:
        parts = {"first": said(first), "alone": words["alone"][first.side], "is_": "is" if first.count == 1 else "are"}
        return [sentence.format(**parts) for sentence in words["one"]]
    return [
        words["two"].format(first=said(one), second=said(other), side=words["side"][one.side])
        for one, other in (scene, scene[::-1])
    ]


@functools.cache
def _patterns(language: str) -> list[re.Pattern]:
    """The sentences as regular expressions. The name of a part is that of the fact, with the number of its group."""
    words = WORDS[language]

    def either(name: str, number: int) -> str:
        return f"(?P<{name}_{number}>{'|'.join(map(re.escape, words[name].values()))})"

    def group(number: int) -> str:
        parts = {name: either(name, number) for name in FACTS[:-1]}
        return words["group"].format(**parts, s="s?" if language == "en" else "")

    parts = {"first": group(0), "second": group(1), "alone": either("alone", 0), "side": either("side", 0)}
    return [re.compile(sentence.format(**parts, is_="(?:is|are)")) for sentence in (*words["one"], words["two"])]


class Stated(NamedTuple):
    """What a caption states: a scene, and for each group where in the caption each fact stands, (begin, end)."""

    scene: Scene
    places: tuple[dict[str, tuple[int, int]], ...]


def parse(caption: str, language: str) -> Stated | None:
    """What a caption states; None where it is no sentence of the grammar."""
    words = WORDS[language]
    meaning = {name: {word: value for value, word in words[name].items()} for name in (*FACTS[:-1], "alone", "side")}
    for pattern in _patterns(language):
        if not (match := pattern.fullmatch(caption)):
            continue
        said = match.groupdict()
        kind = "alone" if "alone_0" in said else "side"
        side = meaning[kind][said[f"{kind}_0"]]
        groups, places = [], []
        for number, at in enumerate((side, SIDES[side])[: 1 + ("count_1" in said)]):
            facts = {name: meaning[name][said[f"{name}_{number}"]] for name in FACTS[:-1]}
            groups.append(Group(**facts, side=at))
            places.append(
                {name: match.span(f"{name}_{number}") for name in FACTS[:-1]} | {"side": match.span(f"{kind}_0")}
            )
        return Stated(tuple(groups), tuple(places))
    return None


def aligned(groups: Scene, scene: Scene) -> list[Group | None]:
    """For each group of a caption the one of the scene that it means, so that most facts agree. None: one too many."""

    def agreeing(order: Sequence) -> int:
        return sum(
            a == b for group, truth in zip(groups, order, strict=True) for a, b in zip(group, truth or (), strict=False)
        )

    padded = [*scene, *[None] * (len(groups) - len(scene))]
    return list(max(itertools.permutations(padded, len(groups)), key=agreeing))


def right_facts(caption: str, language: str, scene: Scene) -> dict[str, float]:
    """For each of FACTS the fraction of the scene's groups of which the caption states it, and states it right.

    All are 1 where the caption is right. A group that is not there makes all of them less, and where a caption is no
    sentence of the grammar they are 0.
    """
    stated = parse(caption, language)
    if stated is None:
        return dict.fromkeys(FACTS, 0.0)
    pairs = [(group, truth) for group, truth in zip(stated.scene, aligned(stated.scene, scene), strict=True) if truth]
    groups = max(len(scene), len(stated.scene))
    return {name: sum(getattr(a, name) == getattr(b, name) for a, b in pairs) / groups for name in FACTS}


def wrong_places(caption: str, language: str, scene: Scene) -> list[tuple[int, int]]:
    """Where in a caption something stands that is not so: (begin, end) of each wrong fact, in order.

    A group too many is wrong as a whole. So is a caption that is no sentence of the grammar.
    """
    stated = parse(caption, language)
    if stated is None:
        return [(0, len(caption))]
    rows = zip(stated.scene, stated.places, aligned(stated.scene, scene), strict=True)
    wrong = {
        places[name]
        for group, places, truth in rows
        for name in FACTS
        if truth is None or getattr(group, name) != getattr(truth, name)
    }
    return sorted(wrong)


@functools.cache
def held_out() -> frozenset[tuple[str, str, str]]:
    """The combinations of colour, thing and side that occur in the test alone."""
    every = list(itertools.product(COLOURS, THINGS, SIDES))
    order = np.random.default_rng(0).permutation(len(every))
    return frozenset(every[i] for i in order[: int(HELD_OUT * len(every))])


def is_held_out(scene: Scene) -> bool:
    """Whether a scene has a combination that occurs in the test alone."""
    return any((group.colour, group.thing, group.side) in held_out() for group in scene)


def random_scene(random: np.random.Generator, new: bool) -> Scene:
    """One or two groups of different things. new: with a combination that occurs in the test alone, or without one."""
    while True:
        side = str(random.choice(list(SIDES)))
        kinds = [DIGITS, tuple(SHAPES)]
        sides = (side, SIDES[side])[: random.integers(1, 3)]
        scene = tuple(
            Group(
                int(random.choice(COUNTS)),
                str(random.choice(list(SIZES))),
                str(random.choice(list(COLOURS))),
                str(random.choice(kinds[random.integers(2)])),
                at,
            )
            for at in sides
        )
        if len({group.thing for group in scene}) == len(scene) and is_held_out(scene) == new:
            return scene


def drawn(scene: Scene, random: np.random.Generator, part: str) -> np.ndarray:
    """A picture of the scene: (SIDE, SIDE, 3) uint8. part: whose digits and photographs are taken."""
    picture = piece_of_photograph(SIDE, random, part) * np.float32(random.uniform(*DIM))
    if random.random() < 0.5:
        picture = picture[:, ::-1].copy()
    for group in scene:
        size = int(random.integers(SIZES[group.size][0], SIZES[group.size][1] + 1))
        colour = np.clip(np.array(COLOURS[group.colour]) + random.normal(0, 8, 3), 0, 255)
        for x, y in places(group, size, random):
            mask = mask_of(group.thing, size, random, part)
            height, width = mask.shape
            y, x = y + (size - height) // 2, x + (size - width) // 2
            place = picture[y : y + height, x : x + width]
            place += mask[..., None] * (colour - place)
    return np.round(picture).astype(np.uint8)


def places(group: Group, size: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """The upper left corner (x, y) of each thing: one after the other along the side, in that half of the picture.

    Their middle is near the middle of that side. So a group at the left is not at the top too.
    """
    free = SIDE - group.count * size - (group.count - 1) * GAP
    begins = np.sort(random.integers(0, free + 1, group.count)) + np.arange(group.count) * (size + GAP)
    middle = begins.mean() + size / 2
    shift = SIDE / 2 + random.uniform(-5, 5) - middle
    begins = begins + int(np.clip(round(shift), -begins[0], SIDE - size - begins[-1]))
    half = SIDE // 2
    depth = random.integers(0, half - size + 1, group.count) + (half if group.side in ("right", "bottom") else 0)
    pairs = zip(depth.tolist(), begins.tolist(), strict=True)
    return [(a, b) if group.side in ("left", "right") else (b, a) for a, b in pairs]


def mask_of(thing: str, size: int, random: np.random.Generator, part: str) -> np.ndarray:
    """How much of each pixel a thing covers: (height, width) of 0 … 1; the longer side is `size`."""
    if thing in SHAPES:
        return _shape(thing, size)
    digits = digits_of(part)
    return _digit(digits.pictures[random.choice(digits.rows[thing])], size)


@functools.cache
def _shape(thing: str, size: int) -> np.ndarray:
    from PIL import Image, ImageDraw

    fine = 8 * size  # drawn larger and averaged, so that edges are smooth
    image = Image.new("L", (fine, fine))
    draw, corners = ImageDraw.Draw(image), SHAPES[thing]
    if corners:
        draw.polygon([(x * fine, y * fine) for x, y in corners], fill=255)
    else:
        draw.ellipse((0, 0, fine - 1, fine - 1), fill=255)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX), np.float32) / 255


def _digit(picture: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    box = Image.fromarray(picture[ink_box(picture)])
    factor = size / max(box.size)
    box = box.resize([max(1, round(factor * length)) for length in box.size], Image.Resampling.BICUBIC)
    return np.minimum(np.asarray(box, np.float32) * (1.2 / 255), 1.0)


def generated(part: str, count: int, new: bool = False) -> tuple[np.ndarray, list[Scene]]:
    """`count` scenes: pictures (count, SIDE, SIDE, 3) uint8, and what they show. The first ones are always the same.

    part: train, validation or test. new: with combinations that occur in the test alone.
    """
    random = np.random.default_rng((list(PARTS).index(part), int(new)))
    scenes, pictures = [], np.empty((count, SIDE, SIDE, 3), np.uint8)
    for number in range(count):
        scenes.append(random_scene(random, new))
        pictures[number] = drawn(scenes[-1], random, part)
    return pictures, scenes
