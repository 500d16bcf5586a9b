"""Generated pages, or a folder of pages with masks or boxes, in three splits; and batches of squares and of lines."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.files import file_sha256
from common.inputs.boxes import read_boxes
from common.inputs.images import find_pictures, picture_header, read_picture
from common.inputs.text import read_text
from common.schema import mismatch
from projects.comic_text import pages
from projects.comic_text.config import Config
from projects.comic_text.encoding import MAX_PIXELS, STRIDE, filled, inside, line_pixels, normalise, to_symbols
from projects.comic_text.pages import Line, Sample

CACHE_BYTES = 512 * 2**20  # pages with their masks that are kept in memory
SQUARES = 6  # squares of each page in an epoch
NEAR = 0.75  # the part of the training squares with lettering near their middle
LINE_WIDTHS = (128, 192, 320)  # widths of the reader's batches
LINES_A_SQUARE = 4  # lines in a training step, for each square in one of the segmentation
LINES = 256  # generated lines on which the reader is validated
BOXES = (".json", ".xml", ".txt")  # files of COCO, VOC and YOLO
TEXTS = {str: {"texts": [str]}}  # meta.json of pepper_carrot's layout


@dataclass(frozen=True)
class Page:
    """A page that is generated or read from disk when it is needed.

    group: pages of one group are in one split. seed, split, fonts, height: of a generated page. picture, text, clean,
    balloon: files of the page, of the mask of its lettering, of the art below lettering and balloons, and of the mask
    of the balloons; all but the first may be missing. texts: what its lines say, where it is known without their boxes.
    """

    name: str
    group: str
    seed: int | None = None
    split: str = ""
    fonts: str = "base"
    height: int = 0
    picture: Path | None = None
    text: Path | None = None
    clean: Path | None = None
    balloon: Path | None = None
    lines: tuple[Line, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        return self.seed is not None or self.text is not None or bool(self.lines)


def read(page: Page) -> Sample:
    """The page with what is known of it. Raises UserError for a file that is damaged or of another size."""
    if page.seed is not None:
        return pages.render(page.seed, page.split, page.fonts, (page.height, round(0.7 * page.height)))
    assert page.picture
    picture = read_picture(page.picture)
    text = clean = None
    if page.text:
        text = _same_size(page.text, picture).max(axis=2) > 127
    elif page.lines:  # nobody has drawn a mask
        text = np.zeros(picture.shape[:2], bool)
        for line in page.lines:
            left, top, right, bottom = line.box
            text[top:bottom, left:right] |= ink(picture[top:bottom, left:right])
    if page.clean:
        clean = _same_size(page.clean, picture)
        if page.balloon and text is not None:  # below the lettering of a balloon there is its paper, not the art
            balloon = _same_size(page.balloon, picture).max(axis=2) > 127
            if (paper := picture[balloon & ~text]).size:
                clean[balloon] = np.median(paper, axis=0)
    return Sample(picture, text, clean, page.lines)


def _same_size(path: Path, picture: np.ndarray) -> np.ndarray:
    """A mask, or the art, that belongs to a page."""
    array = read_picture(path)
    if array.shape != picture.shape:
        sizes = [f"{part.shape[1]} × {part.shape[0]}" for part in (array, picture)]
        raise UserError(f"{path} has {sizes[0]} pixels, but its page {sizes[1]}.")
    return array


def ink(part: np.ndarray) -> np.ndarray:
    """What is lettering in a crop (h, w, 3) uint8 by Otsu's threshold (1979): the side that its border is not on.

    So both dark and light letters are found.
    """
    from skimage.filters import threshold_otsu

    grey = part.mean(axis=2)
    if np.ptp(grey) < 1:
        return np.zeros(grey.shape, bool)
    dark = grey <= threshold_otsu(grey)
    border = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
    return ~dark if border.mean() > 0.5 else dark


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `Page`s. Targets are their names: the masks are read with the pages.

    data: `builtin`, or the path of a folder; see `read_folder`. A folder is split by the group of its pages.
    """
    if data == "builtin":
        parts = generated(config)
        source = Source(
            "builtin",
            "Comic pages generated from photographs of scikit-image and scikit-learn, shapes and fonts, in English and "
            f"Korean. The test has Latin {'and Hangul fonts' if config.fonts == 'all' else 'fonts'} of its own and its "
            "own parts of the photographs.",
            _generated_key(config),
            "page",
        )
    else:
        everything = read_folder(Path(data))
        labelled = [page for page in everything if page.labelled]
        groups = np.unique([page.group for page in labelled], return_inverse=True)[1]
        if (count := len(set(groups))) < 3:
            raise UserError(f"{data} has {count} pages or episodes with masks or boxes; at least 3 are needed.")
        rows = split_rows(labelled, groups=groups, seed=config.seed)
        parts = [[labelled[row] for row in part] for part in rows]
        held = {page.group for part in parts[1:] for page in part}
        parts[0] += [page for page in everything if not page.labelled and page.group not in held]
        source = Source(
            Path(data).name,
            f"{len(labelled)} pages with masks or boxes and {len(everything) - len(labelled)} without, of the folder "
            f"{Path(data).name}, split by page or episode. The reader learns from generated lines too.",
            fingerprint(everything),
            "page",
        )
    return make_splits(config, parts, source)


def make_splits(config: Config, parts: Sequence[list[Page]], source: Source, credit: str = "") -> Splits:
    """Splits of three lists of pages. credit: what a redrawn page of this data must say."""
    return Splits(*map(as_split, parts), {"depth": config.depth, "credit": credit, "examples": []}, source)


def as_split(part: Sequence[Page]) -> Split:
    return Split(list(part), np.array([page.name for page in part]))


def generated(config: Config) -> list[list[Page]]:
    """Three lists of generated pages."""
    sizes = {"train": config.pages, "validation": max(3, config.pages // 8), "test": max(20, config.pages // 4)}
    return [
        [Page(f"{split} {i}", f"{split} {i}", i, split, config.fonts, config.height) for i in range(size)]
        for split, size in sizes.items()
    ]


def _generated_key(config: Config) -> str:
    """SHA-256 of the first page of each split, and of how many there are."""
    digest = hashlib.sha256(f"{config.pages} {config.fonts} {config.height}".encode())
    for part in generated(config):
        sample = read(part[0])
        digest.update(sample.picture.tobytes())
        digest.update(repr(sample.lines).encode())
    return digest.hexdigest()


def fingerprint(everything: Sequence[Page]) -> str:
    """SHA-256 of the names and contents of the files, and of the lines."""
    rows = []
    for page in everything:
        files = filter(None, (page.picture, page.text, page.clean, page.balloon))
        rows.append([page.name, [file_sha256(path) for path in files], repr(page.lines)])
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def read_folder(folder: Path) -> list[Page]:
    """The pages of a folder. Raises UserError for whatever is missing or wrong.

    Pages are in `page`, or in `page_en`, `page_ko` …. Masks, white on black, have the names of their pages: those of
    the lettering are in `text`, `text_en` …, those of the balloons in `balloon` …. The art below both is in `art`.
    Where there is no mask, lines.csv may say where the lines are and what they say, a row each: page, left, top, right,
    bottom, text. meta.json may say what the pages say, as that of pepper_carrot. Where a name begins with an episode
    (E03P01), its pages are one group.
    A folder without `page` is one of pictures with boxes as `common.inputs.boxes` reads them (COCO, VOC, YOLO).
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected one with pages and masks.")
    places = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.split("_")[0] == "page")
    if not places:
        return _boxed(folder)
    found, texts, lines = [], _texts(folder / "meta.json"), _lines(folder / "lines.csv")
    for place in places:
        language = place.name.removeprefix("page")
        masks, balloons = (_by_stem(folder / f"{kind}{language}") for kind in ("text", "balloon"))
        art = _by_stem(folder / "art")
        for path in find_pictures(place)[0]:
            width, height, _ = picture_header(path, MAX_PIXELS)
            name = normalize("NFC", path.stem)
            said = tuple(line for text in texts.get(name + language, []) for line in text.split(" / "))
            episode = name.partition("P")[0]
            group = episode if episode[:1] == "E" and episode[1:].isdigit() else name
            own = lines.get(path.name, ())
            if outside := next((line.box for line in own if not inside(line.box, width, height)), None):
                raise UserError(f"lines.csv has the box {outside}, which does not lie in {path} ({width} × {height}).")
            files = {"text": masks.get(name), "clean": art.get(name), "balloon": balloons.get(name)}
            found.append(Page(name + language, group, picture=path, **files, lines=own, texts=said))
    if not found:
        raise UserError(f"{folder} has no folder page, page_en … with pictures in it.")
    return found


def _boxed(folder: Path) -> list[Page]:
    """The pages of a folder of pictures with boxes around their lettering."""
    if not any(path.suffix.lower() in BOXES for path in find_pictures(folder, deep=True)[1]):
        raise UserError(
            f"{folder} has neither folders page and text (page_en, text_en …) with pages and masks, nor boxes (COCO, "
            "PASCAL VOC or YOLO files)."
        )
    pages = []
    for one in read_boxes(folder)[0]:
        boxes = [tuple(int(side) for side in (*np.floor(box[:2]), *np.ceil(box[2:]))) for box in one.boxes]
        name = one.path.relative_to(folder).as_posix()
        pages.append(Page(name, name, picture=one.path, lines=tuple(map(Line, boxes, one.texts))))
    return pages


def line_rows(file: Path, *more: str) -> list[dict[str, Any]]:
    """The rows of a table of lines: page, box (left, top, right, bottom), text, and the columns named in `more`.

    A row whose four sides are empty is left out: somebody has begun to add a line.
    """
    from common.inputs.tables import as_texts, check_numbers, is_empty, read_table, with_columns

    sides, names = ["left", "top", "right", "bottom"], ["page", "text", *more]
    table = with_columns(read_table(file), [*names, *sides], file)
    table = table[~table[sides].apply(is_empty).all(axis=1)]
    boxes = np.asarray(check_numbers(table, sides, file)).astype(int).tolist()
    columns = {"box": map(tuple, boxes), **{name: as_texts(table, name) for name in names}}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _lines(file: Path) -> dict[str, tuple[Line, ...]]:
    """{file name of a page: its lines} of lines.csv; empty without one."""
    found: dict[str, tuple[Line, ...]] = {}
    for row in line_rows(file) if file.is_file() else ():
        found[row["page"]] = (*found.get(row["page"], ()), Line(row["box"], row["text"]))
    return found


def _by_stem(folder: Path) -> dict[str, Path]:
    return {normalize("NFC", path.stem): path for path in find_pictures(folder)[0]} if folder.is_dir() else {}


def _texts(file: Path) -> dict[str, list[str]]:
    """{name of a page: texts} of a meta.json; empty where there is none."""
    if not file.is_file():
        return {}
    try:
        content = json.loads("".join(read_text(file)))
    except ValueError as error:
        raise UserError(f"{file} is no JSON ({error}).") from None
    if wrong := mismatch({name: {"texts": page.get("texts")} for name, page in content.items()}, TEXTS):
        raise UserError(f"{file} holds no texts of pages: {wrong}.")
    return {name: page["texts"] for name, page in content.items()}


# --- batches ---------------------------------------------------------------------------------------------------------


def learnt(config: Config, train: Sequence[Page]) -> list[Page]:
    """The pages whose masks are learnt from: a part of the labelled ones, as the knob `labels` says."""
    labelled = [page for page in train if page.labelled]
    count = max(1, round(config.labels * len(labelled)))
    return [labelled[i] for i in sorted(np.random.default_rng(config.seed).permutation(len(labelled))[:count])]


def batches(network: str, splits: Splits, config: Config) -> tuple[Any, Any]:
    """The Streams of training and of validation that "autoencoder", "segmentation" or "reader" is fitted with."""
    train, validation = splits.train.inputs, splits.validation.inputs
    labelled = learnt(config, train)
    if network == "autoencoder":
        return squares(train, config, damage=True), tiles(validation, config, damage=True)
    if network == "segmentation":
        # As many steps for a part of the labels as for all: otherwise fewer steps would be compared, not labels.
        return squares(labelled, config, times=max(1, len(train) // len(labelled))), tiles(validation, config)
    return line_batches(config, "train", labelled), line_batches(config, "validation")


@lru_cache(maxsize=2)
def cached(train: tuple[Page, ...]) -> Any:
    """{row: the page's pixels and, as the fourth channel, its mask, (h, w, 4) uint8}, read when it is asked for."""
    from common.stream import Cache

    def arrays(row: int) -> np.ndarray:
        sample = read(train[row])
        text = np.zeros(sample.picture.shape[:2], bool) if sample.text is None else sample.text
        return np.concatenate([sample.picture, text[..., None].astype(np.uint8)], axis=2)

    return Cache(arrays, CACHE_BYTES)


def squares(train: Sequence[Page], config: Config, damage: bool = False, times: int = 1) -> Any:
    """A `common.stream.Stream` of random squares: pixels (n, crop, crop, 3), 0 … 255, and the mask (n, crop, crop, 1).

    Each page gives SQUARES · times of them in an epoch. damage: for the autoencoder, which learns the square from a
    damaged copy of it.
    """
    from common.stream import Stream

    cache = cached(tuple(train))

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        rows = np.concatenate([random.permutation(len(train)) for _ in range(SQUARES * times)])
        return np.split(rows, range(config.batch_size, len(rows), config.batch_size))

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        chosen = np.stack([random_square(cache[int(row)], config.crop, random) for row in rows])
        pixels, mask = recoloured(chosen[..., :3], random), chosen[..., 3:]
        return (damaged(pixels, random), pixels) if damage else (pixels, mask)

    return Stream(plan, load, config.seed)


def tiles(part: Sequence[Page], config: Config, damage: bool = False) -> Any:
    """A Stream of all squares of pages side by side, for validation; what lies beyond a page repeats its border."""
    from common.stream import Stream, row_batches

    cache, side = cached(tuple(part)), config.crop
    places = []
    for row in range(len(part)):
        height, width = cache[row].shape[:2]
        places += [(row, top, left) for top in range(0, height, side) for left in range(0, width, side)]

    def load(rows: np.ndarray, random: np.random.Generator) -> tuple:
        chosen = []
        for row, top, left in (places[i] for i in rows):
            square = cache[row][top : top + side, left : left + side]
            missing = [(0, side - length) for length in square.shape[:2]]
            pixels = np.pad(square[..., :3], [*missing, (0, 0)], mode="edge")
            chosen.append(np.concatenate([pixels, np.pad(square[..., 3:], [*missing, (0, 0)])], axis=2))
        pixels, mask = np.stack(chosen)[..., :3].astype(np.float32), np.stack(chosen)[..., 3:]
        return (damaged(pixels, np.random.default_rng(int(rows[0]))), pixels) if damage else (pixels, mask)

    return Stream(lambda epoch, random: row_batches(len(places), config.batch_size), load, config.seed)


def random_square(page: np.ndarray, side: int, random: np.random.Generator) -> np.ndarray:
    """A square (side, side, 4) of a page (h, w, 4); mostly with lettering near its middle, where there is any."""
    height, width = page.shape[:2]
    if height < side or width < side:
        page = np.pad(page, [(0, max(0, side - height)), (0, max(0, side - width)), (0, 0)], mode="edge")
        height, width = page.shape[:2]
    top, left = random.random() * (height - side), random.random() * (width - side)
    if random.random() < NEAR and len(lettered := np.flatnonzero(page[..., 3])):
        y, x = divmod(int(lettered[int(random.integers(len(lettered)))]), width)
        top, left = (place - side * random.uniform(0.2, 0.8) for place in (y, x))
    top, left = int(np.clip(top, 0, height - side)), int(np.clip(left, 0, width - side))
    return page[top : top + side, left : left + side]


def recoloured(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Squares (n, h, w, 3) as float32; each channel brighter or darker at times, channels exchanged, or a negative."""
    pixels = pixels.astype(np.float32)
    for square in pixels:
        if random.random() < 0.5:
            square *= random.uniform(0.7, 1.0, 3).astype(np.float32)
            square[:] = square[..., random.permutation(3)]
        if random.random() < 0.08:
            square[:] = 255 - square
    return pixels


def damaged(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Squares with noise, and with a quarter of their 16 × 16 fields made grey."""
    n, height, width, _ = pixels.shape
    gone = random.random((n, height // 16, width // 16, 1)) < 0.25
    gone = gone.repeat(16, axis=1).repeat(16, axis=2)
    return np.where(gone, np.float32(128), pixels + random.normal(0, 25, pixels.shape).astype(np.float32))


def line_batches(config: Config, split: str, own: Sequence[Page] = ()) -> Any:
    """A Stream of generated lines: (n, HEIGHT, w, 1) and their symbols (n, w / STRIDE), filled up with 0.

    split: the fonts and photographs that they are made of. own: pages whose lines have boxes and text; half of the
    lines are of these then. Validation has the same lines in every epoch.
    """
    from common.stream import Stream

    size = LINES_A_SQUARE * config.batch_size
    count = config.lines if split == "train" else min(LINES, config.lines)
    real = [(page, line) for page in own for line in page.lines if to_symbols(line.text)]

    def plan(epoch: int, random: np.random.Generator) -> list[tuple[int, int]]:
        random = random if split == "train" else np.random.default_rng(0)
        # The widths take turns, because Keras takes the first two batches' shapes for all, unless they differ.
        seeds = random.integers(1 << 30, size=max(1, count // size))
        return [(LINE_WIDTHS[i % len(LINE_WIDTHS)], int(seed)) for i, seed in enumerate(seeds)]

    def load(batch: tuple[int, int], random: np.random.Generator) -> tuple:
        width, seed = batch
        random, lines, texts = np.random.default_rng(seed), [], []
        while len(lines) < size:
            if real and random.random() < 0.5:
                line, text = own_line(*real[int(random.integers(len(real)))], random)
            else:
                line, text = pages.line(random, split, config.fonts, width)
            symbols = to_symbols(text)
            if 0 < room(symbols) <= min(line.shape[1], width) // STRIDE and line.shape[1] <= width:
                lines.append(line)
                texts.append(symbols)
        targets = np.zeros((size, width // STRIDE), np.int32)
        for row, symbols in zip(targets, texts, strict=True):
            row[: len(symbols)] = symbols
        return filled(lines, width), targets

    return Stream(plan, load, config.seed)


def room(symbols: Sequence[int]) -> int:
    """The steps that CTC needs: one for each symbol, and a blank between two that are the same."""
    return len(symbols) + sum(a == b for a, b in pairwise(symbols))


def own_line(page: Page, line: Line, random: np.random.Generator) -> tuple[np.ndarray, str]:
    """A line of a page on disk, cut out with a random margin."""
    left, top, right, bottom = line.box
    margin = np.maximum(1, np.round(random.uniform(0.04, 0.16, 4) * (bottom - top))).astype(int)
    picture = _page_pixels(page.picture)
    part = picture[max(0, top - margin[0]) : bottom + margin[1], max(0, left - margin[2]) : right + margin[3]]
    return line_pixels(part), normalise(line.text)


_page_pixels = lru_cache(maxsize=64)(read_picture)
