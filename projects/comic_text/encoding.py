"""From a page and its lines to the networks' numbers, and from their outputs to a mask and to text."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from common.errors import UserError
from common.inputs.images import input_picture
from common.saved import unlike
from common.schema import Between, check_input

MIN_SIDE = 16  # pixels; a smaller picture holds no lettering
MAX_PIXELS = 16_000_000
WINDOW = 1024  # pixels of a window's side; larger pages are read in several
HEIGHT = 32  # pixels, of a line that is read
STRIDE = 4  # columns of a line for each symbol that the reader may write
WIDTHS = (128, 256, 512, 1024)  # lines are filled up to these: each width is compiled
MAX_BLOCKS, MAX_TEXT = 500, 2000
BLANK = 0  # CTC's symbol for nothing
BEAMS = 8  # texts that the search for the likeliest one keeps at each step
LIKELY = -6.0  # log-probability that a symbol must have to be tried there
WORDS = 0.3  # how much the frequency of words counts there, beside what is seen; chosen on validation
UNKNOWN = 1e-8  # frequency of a word that is on no list
# The jamo that NFD splits a syllable into. First, middle and last consonants are different symbols, so the way back is
# unique: NFC.
JAMO = "".join(map(chr, [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]))
LATIN = "".join(map(chr, [*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B)]))
SYMBOLS = " !\"#$%&'()*+,-./:;=?@[]" + LATIN + JAMO  # symbol number i + 1
# Signs that are read as others: quotation marks, dashes, dots.
PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})

# A raw input beside its picture. blocks: those to read and letter instead of the ones that are found.
RAW = {
    "order?": ("left", "right"),  # where reading begins
    "blocks?": [{"box": [Between(-100_000, 100_000)], "text?": (str, None), "translation?": (str, None)}],
}
META = {  # meta.json (see common/schema.py)
    "depth": Between(1, 5),
    "credit": str,
    "examples": [{"picture": str, "lines": [str]}],
}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit the networks, in a few words; empty where it does."""
    page = (None, None, None, 3)
    expected = {
        "segmentation": ([page], [(None, None, None, 1)]),
        "reader": ([(None, HEIGHT, None, 1)], [(None, None, len(SYMBOLS) + 1)]),
    }
    if "autoencoder" in networks:
        expected["autoencoder"] = ([page], [page])
    if wrong := unlike(networks, expected):
        return wrong
    depth = sum(layer.name.startswith("double_") for layer in networks["segmentation"].layers)
    if depth != meta["depth"]:
        return f"depth is {meta['depth']}, but the network has {depth} halvings"
    return "" if meta["examples"] else "examples is empty"


def checked(raw: dict[str, Any]) -> np.ndarray:
    """The picture of a raw input {"picture", "order"?, "blocks"?}. Raises UserError for anything else."""
    picture = input_picture(raw, MAX_PIXELS, MIN_SIDE)
    check_input({key: value for key, value in raw.items() if key != "picture"}, RAW)
    blocks = raw.get("blocks", [])
    if len(blocks) > MAX_BLOCKS:
        raise UserError(f"There are {len(blocks):,} boxes; at most {MAX_BLOCKS} are taken.")
    height, width = picture.shape[:2]
    for number, block in enumerate(blocks, start=1):
        if len(block["box"]) != 4:
            raise UserError(f"Box {number} has {len(block['box'])} numbers; expected left, top, right and bottom.")
        if not inside(block["box"], width, height):
            raise UserError(f"Box {number} does not lie in the picture of {width} × {height} pixels.")
        for length in (len(block.get(name) or "") for name in ("text", "translation")):
            if length > MAX_TEXT:
                raise UserError(f"The text of box {number} has {length:,} characters; at most {MAX_TEXT:,} are taken.")
    return picture


def inside(box: Sequence[int], width: int, height: int) -> bool:
    """Whether a box (left, top, right, bottom) has pixels, all of them in a picture of this size."""
    left, top, right, bottom = box
    return 0 <= left < right <= width and 0 <= top < bottom <= height


def encode(raw: dict[str, Any], meta: dict[str, Any]) -> np.ndarray:
    """{"picture": (h, w, 3) uint8} -> the segmentation's input (1, h', w', 3) float32, filled up to its step.

    Raises UserError for what is no picture.
    """
    return padded(checked(raw), step(meta["depth"]))[None].astype(np.float32)


def halo(depth: int) -> int:
    """Pixels around a pixel that the segmentation's answer may depend on, rounded up to its step.

    At half resolution five 3 × 3 convolutions reach 5 pixels. After each further halving there are three, which reach
    twice as far each time; pooling and repeating pixels reach as far as another two.
    """
    reach = 2 * (6 + sum(5 * 2**level for level in range(1, depth + 1)))
    return -(-reach // step(depth)) * step(depth)


def step(depth: int) -> int:
    """Both sides of what the segmentation reads must be multiples of this number."""
    return 2 ** (depth + 1)


def windows(height: int, width: int, depth: int) -> Iterator[tuple[slice, slice, slice, slice]]:
    """How a page is read in pieces: (rows, columns) that are read, and (rows, columns) of it that are kept.

    Each piece has the halo around it, and begins at a multiple of the step. So every pixel has the answer that it would
    have if the page were read whole: there are no seams.
    """
    border, every = halo(depth), WINDOW - WINDOW % step(depth)
    for top in range(0, height, every):
        for left in range(0, width, every):
            rows = slice(max(0, top - border), min(height, top + every + border))
            columns = slice(max(0, left - border), min(width, left + every + border))
            yield rows, columns, slice(top, min(height, top + every)), slice(left, min(width, left + every))


def padded(picture: np.ndarray, multiple: int) -> np.ndarray:
    """(h, w, 3), its last row and column repeated until both sides are multiples of `multiple`."""
    height, width = picture.shape[:2]
    return np.pad(picture, [(0, -height % multiple), (0, -width % multiple), (0, 0)], mode="edge")


def plain(text: str) -> str:
    """A text with jamo composed to syllables, and full-width letters and signs (！) as ordinary ones."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(unicodedata.normalize("NFKC", one) if "！" <= one <= "～" else one for one in composed)


def normalise(text: str) -> str:
    """A text as it is read: plain, typographic signs as those of a keyboard, one space between words."""
    return " ".join(plain(text).translate(PLAIN).split())


def to_symbols(text: str) -> list[int]:
    """The symbols 1 … of a text; what the reader does not know is left out."""
    return [SYMBOLS.index(one) + 1 for one in unicodedata.normalize("NFD", normalise(text)) if one in SYMBOLS]


def to_text(symbols: Sequence[int]) -> str:
    """Symbols 1 … as a text, its jamo composed to syllables."""
    return unicodedata.normalize("NFC", "".join(SYMBOLS[symbol - 1] for symbol in symbols)).strip()


def margin(height: int) -> int:
    """Pixels of paper around a line of this height that is read: tight around capitals there is more ink than paper."""
    return max(2, round(0.1 * height))


def line_pixels(crop: np.ndarray) -> np.ndarray:
    """A line (h, w, 3) uint8, upright -> (HEIGHT, w', 1) float32: 0 is the lettering, about 1 what is around it.

    Contrast and polarity are the same for all lines: the border counts as paper.
    """
    from PIL import Image

    grey = np.asarray(Image.fromarray(np.ascontiguousarray(crop)).convert("L"))
    width = int(np.clip(round(grey.shape[1] * HEIGHT / grey.shape[0]), STRIDE, WIDTHS[-1]))
    grey = np.asarray(Image.fromarray(grey).resize((width, HEIGHT), Image.Resampling.BILINEAR), np.float32)
    paper = np.median(np.concatenate([grey[:2].ravel(), grey[-2:].ravel(), grey[:, :2].ravel(), grey[:, -2:].ravel()]))
    low, high = np.percentile(grey, (1, 99))
    ink = low if paper - low > high - paper else high
    return np.clip((grey - ink) / (paper - ink if abs(paper - ink) > 1 else 1.0), -0.5, 1.5)[..., None]


def width_for(line: np.ndarray) -> int:
    """The one of WIDTHS to which a line (HEIGHT, w, 1) is filled up."""
    return next(width for width in WIDTHS if width >= line.shape[1])


def filled(lines: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Lines (HEIGHT, w, 1) at the left of (n, HEIGHT, width, 1) float32, with paper after them."""
    batch = np.ones((len(lines), HEIGHT, width, 1), np.float32)
    for row, line in zip(batch, lines, strict=True):
        row[:, : line.shape[1]] = line
    return batch


def decode(logits: np.ndarray) -> list[tuple[str, float]]:
    """What the reader says, greedily: the best symbol of each step, without repeats and blanks (Graves et al. 2006).

    logits: (n, steps, symbols + 1). Returns [(text, confidence)]; confidence is the geometric mean of the probabilities
    of the symbols that are written, and 0 where there is none.
    """
    best = logits.argmax(axis=-1)
    sure = logits.max(axis=-1) - np.logaddexp.reduce(logits, axis=-1)  # log-probability of the best symbol
    result = []
    for symbols, values in zip(best, sure, strict=True):
        new = np.flatnonzero((symbols != BLANK) & (symbols != np.concatenate([[BLANK], symbols[:-1]])))
        confidence = float(np.exp(values[new].mean())) if len(new) else 0.0
        result.append((to_text([int(symbol) for symbol in symbols[new]]), confidence))
    return result


def searched(logits: np.ndarray, read: str) -> str:
    """What one line says, if words are as frequent as in wordfreq. logits: (steps, symbols + 1); read: by `decode`.

    Prefix beam search (Hannun et al. 2014) finds the BEAMS likeliest texts. Of those with as many words as `read` it is
    the one with the largest log P(text) + WORDS · Σ log P(word).
    """
    from wordfreq import get_frequency_dict  # it keeps what it has read
    from wordfreq.numbers import smash_numbers  # in its lists, 12 is 00

    lists = get_frequency_dict("en"), get_frequency_dict("ko")
    beams: dict[tuple, Any] = {(): (0.0, -np.inf)}  # log-probabilities: that the last step is blank, and that it is not
    for step in logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True):
        longer: dict[tuple, Any] = defaultdict(lambda: [-np.inf, -np.inf])
        for text, (blank, written) in beams.items():
            either = np.logaddexp(blank, written)
            for symbol in np.flatnonzero(step > LIKELY).tolist():
                ways = [((*text, symbol), 1, either)] if symbol else [(text, 0, either)]
                if text[-1:] == (symbol,):  # the same symbol goes on, or is written again after a blank
                    ways = [(text, 1, written), ((*text, symbol), 1, blank)]
                for new, end, before in ways:
                    longer[new][end] = np.logaddexp(longer[new][end], before + step[symbol])
        beams = dict(sorted(longer.items(), key=lambda pair: -np.logaddexp(*pair[1]))[:BEAMS])
    found = {to_text(symbols): np.logaddexp(*ends) for symbols, ends in beams.items()}

    def value(text: str) -> float:
        words = (smash_numbers(word.strip(SYMBOLS[: -len(LATIN + JAMO)])) for word in text.casefold().split())
        return found[text] + WORDS * sum(np.log(max(known.get(word, UNKNOWN) for known in lists)) for word in words)

    return max((text for text in found if len(text.split()) == len(read.split())), key=value, default=read)
