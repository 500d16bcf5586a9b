"""Fonts, and text as pixels: drawn for generated pages, and fitted into a balloon of a real one."""

import importlib.resources
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

import common
from common.errors import UserError

# Where the fonts are split: by family, so that no style of a test font has been seen.
# matplotlib's, in every installation. The cm fonts are Knuth's Computer Modern.
BASE = {
    "train": "DejaVuSans DejaVuSans-Bold DejaVuSans-Oblique DejaVuSans-BoldOblique DejaVuSansMono DejaVuSansMono-Bold "
    "STIXGeneral STIXGeneralBol STIXGeneralItalic STIXGeneralBolIta cmr10 cmb10 cmtt10",
    "validation": "cmss10",
    "test": "DejaVuSerif DejaVuSerif-Bold DejaVuSerif-Italic DejaVuSerif-BoldItalic",
}
# The project's own font of the 2,350 syllables of KS X 1001.
HANGUL = Path(common.__file__).parent / "fonts" / "Hangul.ttf"
# Those of the packages of .[fonts]: package and file, for Latin letters, with a font for Hangul beside them.
SANS, SERIF = ("pylopdf_fonts_ko", "NotoSansKR-Regular.otf"), ("pylopdf_fonts_ko", "NotoSerifKR-Regular.otf")
EXTRA = {
    "train": (
        (("font_amatic_sc", "files/AmaticSC-Bold.ttf"), SANS),
        (("font_fredoka_one", "files/FredokaOne-Regular.ttf"), SANS),
        (("font_lato", "files/Lato-Regular.ttf"), SANS),
        (("font_lato", "files/Lato-BoldItalic.ttf"), SANS),
    ),
    "validation": (),
    "test": ((("font_intuitive", "files/Intuitive.ttf"), SERIF),),
}
TEX = "cm"  # fonts with TeX's own table: these signs are where they are in ASCII
TEX_SIGNS = "!#%&'()*+,-./:;=?@[]"
CAPITALS = "AmaticSC"  # the font that draws small letters as capitals
SIGNS = "!\"#$%&'()*+,-./:;=?@[]"
LEADING = 1.15  # distance of two base lines, in sizes of the font
BREAK = re.compile("(?<=[가-힣ㄱ-ㆎ])(?=[가-힣ㄱ-ㆎ])")  # a word may be broken between two Korean syllables


@dataclass(frozen=True)
class Face:
    """A font for Latin letters and, for Hangul, the one that stands beside it."""

    latin: Path
    hangul: Path

    @property
    def signs(self) -> str:
        return TEX_SIGNS if self.latin.name.startswith(TEX) else SIGNS


def faces(split: str, fonts: str = "base") -> list[Face]:
    """The faces of "train", "validation" or "test". fonts: "base", or "all" with those of the packages of .[fonts].

    Raises UserError where a package is not installed.
    """
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    extra = [Face(_packaged(*latin), _packaged(*hangul)) for latin, hangul in EXTRA[split]] if fonts == "all" else []
    # Where there are other Hangul fonts, training has two in turn, and the test has one of which training has no style.
    own = [] if extra and split == "test" else [HANGUL]
    hangul = [*own, *(face.hangul for face in extra[:1])]
    base = enumerate(BASE[split].split())
    return [*(Face(folder / f"{name}.ttf", hangul[i % len(hangul)]) for i, name in base), *extra]


def _packaged(package: str, file: str) -> Path:
    if not importlib.util.find_spec(package):
        raise UserError(f'The fonts of the package {package} are not there; pip install -e ".[fonts]" brings them.')
    return Path(str(importlib.resources.files(package).joinpath(file)))


def is_hangul(character: str) -> bool:
    """Whether it is a syllable, or a jamo that stands alone, such as ㅋ."""
    return "가" <= character <= "힣" or "ㄱ" <= character <= "ㆎ"


@lru_cache(maxsize=16)
def _characters(path: Path) -> frozenset[int]:
    """The code points of the characters that a font has."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(path)).get_charmap())


def missing(text: str, face: Face) -> str:
    """The characters of a plain text that the fonts of a face do not have, each once."""
    parts = runs_of("".join(text.split()), face)
    return "".join(dict.fromkeys(one for path, part in parts for one in part if ord(one) not in _characters(path)))


@lru_cache(maxsize=512)
def font(path: Path, size: int):
    """Pillow's font of a size in pixels."""
    from PIL import ImageFont

    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def runs_of(text: str, face: Face) -> list[tuple[Path, str]]:
    """A text as parts that one font draws: [(font, part), …]. A space belongs to the part before it."""
    parts: list[tuple[Path, str]] = []
    for character in text:
        path = face.hangul if is_hangul(character) else face.latin
        if parts and (character == " " or parts[-1][0] == path):
            parts[-1] = (parts[-1][0], parts[-1][1] + character)
        else:
            parts.append((path, character))
    return parts


def length(text: str, face: Face, size: int) -> float:
    """The width of a line in pixels."""
    return sum(font(path, size).getlength(part) for path, part in runs_of(text, face))


def draw_lines(
    lines: Sequence[str], face: Face, size: int, stroke: int = 0, spacing: float = LEADING
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(letters, letters with outline) of each line: coverages 0 … 255, all of one shape (h, w) uint8.

    stroke: width of the outline in pixels. The lines stand below each other, in the middle.
    """
    from PIL import Image, ImageDraw

    widths = [length(line, face, size) for line in lines]
    margin = size // 2 + stroke
    step = size * spacing
    shape = (round(step * (len(lines) - 1) + 1.5 * size) + 2 * margin, round(max(widths)) + 2 * margin)
    letters, outlined = [], []
    for number, (line, width) in enumerate(zip(lines, widths, strict=True)):
        left = margin + (max(widths) - width) / 2
        base = margin + size + number * step
        layers = []
        for thick in {0, stroke}:
            layer = Image.new("L", shape[::-1])
            pen, x = ImageDraw.Draw(layer), left
            for path, part in runs_of(line, face):
                pen.text((x, base), part, 255, font(path, size), anchor="ls", stroke_width=thick)
                x += font(path, size).getlength(part)
            layers.append(np.asarray(layer))
        letters.append(layers[0])
        outlined.append(np.maximum(layers[-1], layers[0]))
    return letters, outlined


def rotated(coverage: np.ndarray, angle: float) -> np.ndarray:
    """A coverage (h, w) uint8, turned so that its lines rise by an angle in degrees; it grows as it needs."""
    from PIL import Image

    return np.asarray(Image.fromarray(coverage).rotate(angle, Image.Resampling.BICUBIC, expand=True))


def wrapped(text: str, face: Face, size: int, width: float) -> list[str] | None:
    """A text in lines no wider than `width`; None where a word alone is wider.

    It is broken at spaces, and a Korean word between two syllables too, where it would not fit otherwise.
    """
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if length(joined, face, size) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for piece in BREAK.split(word):
            if lines[-1] and length(lines[-1] + piece, face, size) > width:
                lines.append("")
            if length(piece, face, size) > width:
                return None
            lines[-1] += piece
    return lines


def fitted(
    text: str, face: Face, width: float, height: float, largest: int, smallest: int = 8
) -> tuple[list[str], int]:
    """(lines, size): the largest size of at most `largest` pixels at which a text fits into width × height pixels.

    At the smallest size it may run over, rather than be unreadable.
    """
    for size in range(max(largest, smallest), smallest - 1, -1):
        lines = wrapped(text, face, size, width)
        if lines and size * (LEADING * (len(lines) - 1) + 1.2) <= height:
            return lines, size
    return wrapped(text, face, smallest, width) or [text], smallest
