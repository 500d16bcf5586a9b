"""Generated comic pages with exact masks, boxes and strings, and generated lines for the reader.

A page is a function of a seed: panels of photographs and shapes; balloons, captions and sound effects over them;
lettering in the fonts of one split; screen tones, ink, blur and JPEG damage.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from common.inputs.images import PHOTOGRAPHS, packaged_photograph, read_picture
from projects.comic_text.encoding import HEIGHT, STRIDE, line_pixels, normalise, to_symbols, to_text
from projects.comic_text.lettering import CAPITALS, Face, draw_lines, faces, length, rotated

SHAPE = (640, 448)  # height and width of a page in pixels
LANGUAGES = ("en", "ko")
KOREAN = 0.4  # the Korean part of the pages, and of the lines
# The part of each photograph's width that a split gets; the gaps between the parts are in no split.
REGIONS = {"train": (0.0, 0.6), "validation": (0.61, 0.79), "test": (0.8, 1.0)}
COVERED = 51  # a pixel is lettering where at least a fifth of it is covered; so are the masks of pepper_carrot
WORDS = 8000  # the most frequent ones of a language
# Words of the list that no page for learners should show.
IMPROPER = re.compile(
    "sex|fuck|shit|porn|bitch|dick|cock|pussy|nigg|rape|nude|ass$|cunt|섹스|섹|시발|씨발|새끼|강간|자지|보지"
)
ENDS = ("", "", ".", ".", "!", "?", "...", "!!", "?!")
SOUNDS = {
    "en": "BANG BOOM CRASH POW WHAM ZAP SPLASH SNIFF Grrr Argh VROOM Click Wow Oh",
    "ko": "쾅 펑 으악 콰당 휙 덜컹 쿵쿵 두둥 후루룩 철썩 하하하 앗 쉿 부르릉 헉",
}


@dataclass(frozen=True)
class Line:
    """A line of lettering: box (left, top, right, bottom) in pixels, text, and the degrees by which it rises."""

    box: tuple[int, int, int, int]
    text: str
    angle: float = 0.0


@dataclass(frozen=True)
class Sample:
    """A page (h, w, 3) uint8 with what is known of it: masks (h, w) of lettering, the page without it, the lines."""

    picture: np.ndarray
    text: np.ndarray | None = None
    clean: np.ndarray | None = None
    lines: tuple[Line, ...] = ()


@lru_cache(maxsize=2)
def words(language: str) -> list[str]:
    """The most frequent words of a language in wordfreq, of letters that the reader knows."""
    from wordfreq import top_n_list

    known = (word for word in top_n_list(language, WORDS) if to_text(to_symbols(word)) == normalise(word))
    return [word for word in known if not IMPROPER.search(word)]


@lru_cache(maxsize=1)
def syllables() -> list[str]:
    """The 2,350 syllables of KS X 1001."""
    return [bytes([row, cell]).decode("euc_kr") for row in range(0xB0, 0xC9) for cell in range(0xA1, 0xFF)]


def sentence(random: np.random.Generator, language: str, count: int, face: Face) -> str:
    """`count` words with punctuation, of signs that the face has."""
    vocabulary = words(language)
    # The rank is spread evenly on a logarithmic scale: frequent words are frequent, and rare ones do occur.
    chosen = [vocabulary[int(len(vocabulary) ** random.random()) - 1] for _ in range(count)]
    if language == "ko":
        for i in np.flatnonzero(random.random(count) < 0.15):  # syllables that are rare in words
            chosen[i] = "".join(random.choice(syllables(), int(random.integers(1, 5))))
    elif random.random() < 0.1:
        letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
        chosen[0] = "".join(random.choice(letters, int(random.integers(2, 8))))
    if random.random() < 0.12:
        chosen[int(random.integers(count))] = str(int(10 ** (4 * random.random())))
    if random.random() < 0.25:
        i = int(random.integers(count))
        sign = str(random.choice(list(face.signs)))
        chosen[i] = {"(": f"({chosen[i]})", '"': f'"{chosen[i]}"', "'": f"'{chosen[i]}'"}.get(sign, chosen[i] + sign)
    text = " ".join(chosen) + str(random.choice(ENDS))
    style = random.random()
    capitals = style < 0.35 or face.latin.name.startswith(CAPITALS)
    return text.upper() if capitals else text[:1].upper() + text[1:] if style < 0.8 else text


def drawn(
    random: np.random.Generator, lines: Sequence[str], face: Face, size: int, stroke: int, spacing: float = 1.0
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`draw_lines`, a fifth of them thicker: there is one weight of Hangul in the base installation."""
    if not stroke and random.random() < 0.2:
        _, thick = draw_lines(lines, face, size, 1, spacing)
        return thick, thick
    return draw_lines(lines, face, size, stroke, spacing)


# --- pages -----------------------------------------------------------------------------------------------------------


class Drawing:
    """A page while it is drawn: `art` has everything but the lettering, `picture` that too. Both (h, w, 3) float32."""

    def __init__(self, random: np.random.Generator, split: str, fonts: str, shape: tuple[int, int]):
        self.random, self.split, self.shape = random, split, shape
        self.faces = faces(split, fonts)
        self.language = "ko" if random.random() < KOREAN else "en"
        self.art = np.full((*shape, 3), random.choice((255, 255, 250, 20)), np.float32)
        self.letters: list[tuple[np.ndarray, tuple, tuple]] = []  # (coverage, place, colour) in the order of drawing
        self.text = np.zeros(shape, bool)
        self.taken = np.zeros(shape, bool)  # where a balloon or lettering is
        self.lines: list[Line] = []


def render(seed: int, split: str, fonts: str = "base", shape: tuple[int, int] = SHAPE) -> Sample:
    """The page of a seed, in the fonts and from the photographs of a split."""
    random = np.random.default_rng((seed, ("train", "validation", "test").index(split)))
    page = Drawing(random, split, fonts, shape)
    panels, silent = _panels(random, shape), random.random() < 0.08
    for box in panels:
        _panel(page, box)
    for box in [] if silent else panels:
        for _ in range(int(random.integers(0, 5))):
            _lettered(page, box)
    picture = page.art.copy()
    for coverage, (top, left), colour in page.letters:
        rows, columns = slice(top, top + coverage.shape[0]), slice(left, left + coverage.shape[1])
        part = coverage[..., None] / 255
        picture[rows, columns] = picture[rows, columns] * (1 - part) + np.float32(colour) * part
    picture, clean = _worn(random, picture, page.art)
    return Sample(picture, page.text, clean, tuple(page.lines))


def _panels(random: np.random.Generator, shape: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Boxes of panels: rows, each of one to three panels."""
    gap, boxes, (height, width) = int(random.integers(4, 14)), [], shape
    edges = np.cumsum([0, *random.dirichlet(np.full(int(random.integers(2, 4)), 12.0))]) * (height - gap) + gap
    for top, bottom in pairwise(edges):
        cuts = np.cumsum([0, *random.dirichlet(np.full(int(random.integers(1, 4)), 12.0))]) * (width - gap) + gap
        boxes += [(int(left), int(top), int(right) - gap, int(bottom) - gap) for left, right in pairwise(cuts)]
    return boxes


@lru_cache(maxsize=3 * len(PHOTOGRAPHS))
def _photograph(name: str, split: str) -> np.ndarray:
    """The part of a photograph that a split gets."""
    picture = read_picture(packaged_photograph(name))
    left, right = (round(picture.shape[1] * side) for side in REGIONS[split])
    return picture[:, left:right]


def scenery(random: np.random.Generator, split: str, height: int, width: int) -> np.ndarray:
    """(height, width, 3) float32: a part of a photograph, or a gradient with shapes; perhaps with ink or tones."""
    from PIL import Image, ImageDraw, ImageFilter

    if random.random() < 0.6:
        # Turned, mirrored and with exchanged colours: eight photographs are few, and strokes of any kind must be met.
        photograph = np.rot90(_photograph(str(random.choice(list(PHOTOGRAPHS))), split), int(random.integers(4)))
        photograph = photograph[:, :: int(random.choice((1, -1))), random.permutation(3)]
        side = random.uniform(0.3, 1.0)
        h, w = (max(16, int(side * length)) for length in photograph.shape[:2])
        top, left = int(random.integers(photograph.shape[0] - h + 1)), int(random.integers(photograph.shape[1] - w + 1))
        picture = Image.fromarray(photograph[top : top + h, left : left + w]).resize((width, height))
        if random.random() < 0.5:  # as if painted: flat colours and ink at the edges
            colours = int(random.integers(6, 24))
            edges = np.asarray(picture.convert("L").filter(ImageFilter.FIND_EDGES), np.float32)
            pixels = np.asarray(picture.quantize(colours, Image.Quantize.FASTOCTREE).convert("RGB"), np.float32)
            ink = np.clip(edges * random.uniform(0.5, 3) - 30, 0, 255)[..., None] / 255
            pixels = pixels * (1 - ink)
        else:
            pixels = np.asarray(picture, np.float32)
    else:
        ends = random.uniform(0, 255, (2, 3)) * (0.3, 1)[int(random.random() < 0.8)]
        ramp = np.linspace(0, 1, height)[:, None, None]
        picture = Image.fromarray(np.uint8(np.broadcast_to(ends[0] * (1 - ramp) + ends[1] * ramp, (height, width, 3))))
        pen = ImageDraw.Draw(picture)
        for _ in range(int(random.integers(2, 14))):
            colour, thick = tuple(random.integers(0, 256, 3).tolist()), int(random.integers(0, 5))
            x, y = random.uniform(-0.2, 1.0) * width, random.uniform(-0.2, 1.0) * height
            w, h = random.uniform(0.02, 0.6, 2) * (width, height)
            kind = random.random()
            if kind < 0.3:
                pen.ellipse((x, y, x + w, y + h), colour, (0, 0, 0), thick)
            elif kind < 0.5:
                pen.rectangle((x, y, x + w, y + h), colour, (0, 0, 0), thick)
            elif kind < 0.75:  # curls and zigzags: thin strokes that are no letters
                points = random.uniform(-0.3, 0.3, (int(random.integers(3, 9)), 2)).cumsum(axis=0) * (w, h) + (x, y)
                pen.line([tuple(point) for point in points], colour, 1 + thick, joint="curve")
            else:
                pen.arc((x, y, x + w, y + h), *sorted(random.uniform(0, 360, 2)), fill=colour, width=1 + thick)
        pixels = np.asarray(picture, np.float32)
    if random.random() < 0.25:  # a screen tone
        pitch, y, x = int(random.integers(3, 8)), *np.mgrid[:height, :width]
        dots = ((x % pitch - pitch / 2) ** 2 + (y % pitch - pitch / 2) ** 2) < (pitch * random.uniform(0.2, 0.45)) ** 2
        pixels = np.where(dots[..., None], pixels * random.uniform(0.0, 0.8), pixels)
    if random.random() < 0.2:  # speed lines, or rain
        layer = Image.new("L", (width, height))
        pen = ImageDraw.Draw(layer)
        slope = random.uniform(-1, 1)
        for _ in range(int(random.integers(10, 60))):
            x, y, reach = random.uniform(0, width), random.uniform(0, height), random.uniform(5, height)
            pen.line((x, y, x + slope * reach, y + reach), 255, int(random.integers(1, 3)))
        part = np.asarray(layer, np.float32)[..., None] / 255 * random.uniform(0.3, 1)
        pixels = pixels * (1 - part) + random.choice((0, 255)) * part
    return pixels


def _panel(page: Drawing, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    if right - left < 8 or bottom - top < 8:
        return
    pixels = scenery(page.random, page.split, bottom - top, right - left)
    border = int(page.random.integers(0, 4))
    if border:
        ink = float(page.random.choice((0, 0, 30, 255)))
        pixels = pixels.copy()
        pixels[:border] = pixels[-border:] = ink
        pixels[:, :border] = pixels[:, -border:] = ink
    page.art[top:bottom, left:right] = pixels


def _lettered(page: Drawing, panel: tuple[int, int, int, int]) -> None:
    """Put a balloon, a caption or a sound effect into a panel, where it has room."""
    random, kind = page.random, page.random.random()
    face = page.faces[int(random.integers(len(page.faces)))]
    sound, bare = kind < 0.2, kind < 0.3
    lines, size, angle = _words(random, page.language, face, sound)
    width = panel[2] - panel[0]
    lines = [line for line in lines if length(line, face, size) < 0.95 * width]
    if not lines:
        return
    stroke = int(random.integers(1, max(2, size // 8) + 1)) if sound or bare or random.random() < 0.05 else 0
    stroke = 0 if bare and random.random() < 0.3 else stroke
    letters, outlined = drawn(random, lines, face, size, stroke, random.uniform(1.05, 1.4))
    letters, outlined = ([rotated(one, angle) for one in group] for group in (letters, outlined))
    together = np.maximum.reduce(outlined)
    rows, columns = (np.flatnonzero((together >= COVERED).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    height, wide = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    pad = 2 if bare else int(size * random.uniform(0.35, 0.9)) + 2
    shape = "none" if bare else str(random.choice(("ellipse", "ellipse", "round", "spikes", "caption")))
    grow = 0.22 if shape in ("ellipse", "spikes") else 0.0
    outer_h, outer_w = int(height * (1 + 2 * grow)) + 2 * pad, int(wide * (1 + 2 * grow)) + 2 * pad
    for _ in range(8):
        y = int(random.integers(panel[1] - pad // 2, max(panel[1], panel[3] - outer_h) + 1))
        x = int(random.integers(panel[0] - pad // 2, max(panel[0], panel[2] - outer_w) + 1))
        inside = y >= 0 and x >= 0 and y + outer_h <= page.shape[0] and x + outer_w <= page.shape[1]
        if inside and not page.taken[y : y + outer_h, x : x + outer_w].any():
            break
    else:
        return
    page.taken[y : y + outer_h, x : x + outer_w] = True
    dark = random.random() < 0.12
    if bare:
        dark_art = page.art[y : y + outer_h, x : x + outer_w].mean() < 110
        colour, around = _colours_on_art(random, dark_art, stroke)
    else:
        colour, around = _colours_on_paper(random, dark)
        _balloon(page, shape, (x, y, x + outer_w, y + outer_h), around, dark)
    top, left = y + (outer_h - height) // 2, x + (outer_w - wide) // 2
    for text, inner, outer in zip(lines, letters, outlined, strict=True):
        inner, outer = inner[part], outer[part]
        covered = outer >= COVERED
        if stroke:
            page.letters.append((outer, (top, left), tuple(around)))
        page.letters.append((inner, (top, left), tuple(colour)))
        # On paper of its own colour an outline cannot be seen.
        seen = covered if bare else inner >= COVERED
        page.text[top : top + height, left : left + wide] |= seen
        ys, xs = np.nonzero(seen)
        if len(ys):
            box = (left + int(xs.min()), top + int(ys.min()), left + int(xs.max()) + 1, top + int(ys.max()) + 1)
            page.lines.append(Line(box, text, angle))


def _words(random: np.random.Generator, language: str, face: Face, sound: bool) -> tuple[list[str], int, float]:
    """The lines of a sound effect or of a balloon, their size in pixels and their angle in degrees."""
    if sound:
        lines = [str(random.choice(SOUNDS[language].split())) + str(random.choice(("", "!", "!!", "...")))]
        return lines, int(random.integers(24, 64)), random.uniform(-25, 25)
    count = int(random.integers(1, 6))
    lines = [sentence(random, language, int(random.integers(1, 5)), face) for _ in range(count)]
    size = int(random.integers(14, 26) if random.random() < 0.85 else random.integers(26, 36))
    return lines, size, random.uniform(-5, 5) if random.random() < 0.15 else 0.0


def _colours_on_art(random: np.random.Generator, dark: bool, stroke: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours of letters and of their outline (stroke: its width) on dark or light art.

    The outline stands out from the art below it, and the letters from their outline: so do those of artists.
    """
    around = random.uniform(200, 256, 3) if dark else random.uniform(0, 50, 3)
    colour = random.uniform(0, 120, 3) if dark else random.uniform(130, 256, 3)
    if random.random() < 0.5:  # one strong colour
        colour[int(random.integers(3))] = 200.0 if dark else 255.0
    colour = np.full(3, 0.0 if dark else 255.0) if random.random() < 0.3 else colour
    return colour if stroke else around, around  # without an outline it is the lettering that stands out


def _colours_on_paper(random: np.random.Generator, dark: bool) -> tuple[np.ndarray, np.ndarray]:
    """Colours of letters and of the paper around them."""
    paper = random.uniform(0, 70, 3) if dark else random.uniform(200, 256, 3)
    paper = np.full(3, 255.0) if not dark and random.random() < 0.6 else paper
    colour = random.uniform(190, 256, 3) if dark else random.uniform(0, 90, 3)
    colour = np.zeros(3) if not dark and random.random() < 0.6 else colour
    return colour, paper


def _balloon(page: Drawing, shape: str, box: tuple[int, int, int, int], paper: np.ndarray, dark: bool) -> None:
    """Draw a balloon or caption into the art, at three times the size for smooth edges."""
    from PIL import Image, ImageDraw

    random, times = page.random, 3
    left, top, right, bottom = box
    reach = 24  # pixels that a tail may have below
    h, w = bottom - top + reach, right - left
    ink, layer = Image.new("L", (w * times, h * times)), Image.new("L", (w * times, h * times))
    line = int(random.integers(0, 4)) * times * 2 // 3
    inner = (times, times, (right - left) * times - times, (bottom - top) * times - times)
    fills = [(ImageDraw.Draw(ink), line), (ImageDraw.Draw(layer), 0)]
    middle = np.array([(inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2])
    tail = random.uniform(-0.3, 0.3)
    around = np.linspace(0, 2 * np.pi, 2 * int(random.integers(9, 16)), endpoint=False)
    spikes = np.where(np.arange(len(around)) % 2, 1.0, random.uniform(0.78, 0.9))
    for pen, grow in fills:
        a = (inner[0] - grow, inner[1] - grow, inner[2] + grow, inner[3] + grow)
        radius = np.array([(a[2] - a[0]) / 2, (a[3] - a[1]) / 2])
        if shape == "ellipse":
            pen.ellipse(a, 255)
        elif shape == "spikes":
            points = middle + np.stack([np.cos(around), np.sin(around)], axis=1) * spikes[:, None] * radius
            pen.polygon([tuple(point) for point in points], 255)
        else:
            pen.rounded_rectangle(a, 0 if shape == "caption" else 10 * times, 255)
        if shape != "caption" and tail > -0.15:
            x, foot = middle[0] + tail * radius[0], inner[3] + (reach - 4) * times
            pen.polygon([(x - 8 * times - grow, inner[3] - 6 * times), (x + 8 * times + grow, inner[3] - 6 * times),
                         (x + 40 * tail * times, foot + grow)], 255)  # fmt: skip
    bottom = min(page.shape[0], bottom + reach)
    colour = 230.0 if dark else float(random.choice((0, 0, 40)))
    for image, tone in ((ink, np.full(3, colour)), (layer, paper)):
        part = np.asarray(image.resize((w, h), Image.Resampling.BOX), np.float32)[: bottom - top, :, None] / 255
        page.art[top:bottom, left:right] = page.art[top:bottom, left:right] * (1 - part) + tone * part


def _worn(random: np.random.Generator, picture: np.ndarray, art: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the page as it is found, the art in the same tones) uint8: grey, blurred, noisy or with JPEG damage at times."""
    from PIL import Image, ImageFilter

    if random.random() < 0.2:
        picture, art = (np.repeat(one.mean(axis=2, keepdims=True), 3, axis=2) for one in (picture, art))
    if random.random() < 0.3:
        picture = picture + random.normal(0, random.uniform(1, 6), picture.shape)
    image = Image.fromarray(np.uint8(np.clip(picture, 0, 255)))
    if random.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.8)))
    if random.random() < 0.7:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=int(random.integers(55, 96)))
        image = Image.open(content)
    return np.asarray(image), np.uint8(np.clip(art, 0, 255))


# --- lines -----------------------------------------------------------------------------------------------------------


def line(random: np.random.Generator, split: str, fonts: str, width: int, language: str = "") -> tuple[np.ndarray, str]:
    """A line for the reader (HEIGHT, w, 1), w at most `width`, and its text, which has room for its symbols.

    It is drawn as on a page, cut out with a margin as uncertain as a found box, and brought to the reader's height.
    """
    from PIL import Image, ImageFilter

    language = language or ("ko" if random.random() < KOREAN else "en")
    everything = faces(split, fonts)
    face = everything[int(random.integers(len(everything)))]
    size = int(random.integers(14, 40))
    stroke = int(random.integers(1, max(2, size // 9) + 1)) if random.random() < 0.1 else 0
    text = sentence(random, language, int(random.integers(1 + width // 150, 2 + width // 40)), face)
    while True:
        # No line is higher than 1.25 sizes: what is too long even then need not be drawn to be known as too long.
        if length(text, face, size) * 1.15 * HEIGHT <= width * 1.25 * size or len(text) < 2:
            letters, outlined = drawn(random, [text], face, size, stroke)
            ys, xs = np.nonzero(outlined[0] >= COVERED)
            if len(ys) and (np.ptp(xs) + 5) * HEIGHT / (np.ptp(ys) + 1) * 1.15 <= width:
                break
            if len(text) < 3 and len(ys) == 0:
                return line(random, split, fonts, width, language)
        text = text.rpartition(" ")[0] or text[: len(text) // 2]
    box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    inner, outer = letters[0], outlined[0]
    if random.random() < 0.5:  # a little turned, slanted, wider or narrower
        slant, wide = random.uniform(-0.25, 0.25), random.uniform(0.8, 1.15)
        turn = random.uniform(-0.02, 0.02)
        middle = box.reshape(2, 2).mean(axis=0)
        matrix = np.array([[1 / wide, slant], [turn, 1.0]])
        shift = middle - matrix @ middle
        affine = (Image.Transform.AFFINE, (*matrix[0], shift[0], *matrix[1], shift[1]), Image.Resampling.BILINEAR)
        inner, outer = (np.asarray(Image.fromarray(one).transform(one.shape[::-1], *affine)) for one in (inner, outer))
        ys, xs = np.nonzero(outer >= COVERED)
        if not len(ys):
            return line(random, split, fonts, width, language)
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    margin = np.maximum(1, np.round(random.uniform(0.04, 0.16, 4) * (box[3] - box[1]))).astype(int)
    left, top = np.maximum(box[:2] - margin[:2], 0)
    right, bottom = box[2:] + margin[2:]
    inner, outer = inner[top:bottom, left:right], outer[top:bottom, left:right]
    dark = random.random() < 0.2
    ink, paper = random.uniform(0, 90, 3), random.uniform(180, 256, 3)
    ink, paper = (paper, ink) if dark else (ink, paper)
    ground = np.broadcast_to(paper.astype(np.float32), (*inner.shape, 3))
    if stroke:
        ground = scenery(random, split, *inner.shape)
        part = outer[..., None] / 255
        ground = ground * (1 - part) + paper * part
    part = inner[..., None] / 255
    pixels = ground * (1 - part) + ink * part + random.normal(0, random.uniform(0, 10), ground.shape)
    image = Image.fromarray(np.uint8(np.clip(pixels, 0, 255)))
    if random.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.0)))
    if random.random() < 0.4:  # a smaller page: the line is enlarged by the reader
        height = int(random.integers(11, 24))
        image = image.resize((max(STRIDE, round(image.width * height / image.height)), height), Image.Resampling.BOX)
    return line_pixels(np.asarray(image))[:, :width], text
