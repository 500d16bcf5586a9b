"""From a page to its mask, its lines and a new page; from a folder of pages to new ones and a table of lines.

python -m projects.comic_text.predict --input page.png --output new.png --translator translation
python -m projects.comic_text.predict --input pages --output new.zip --glossary names.csv
python -m projects.comic_text.predict --input page.png --output new.png --edited lines.csv
"""

import csv
import io
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from common import cli, runs
from common.data import Split
from common.errors import UserError
from common.files import replacing
from common.inputs.images import SUFFIXES, find_pictures, picture_text, read_picture, text_pictures
from common.layers.answers import answers
from common.project import Project
from projects.comic_text import encoding, layout, redraw
from projects.comic_text.data import line_rows
from projects.comic_text.encoding import plain
from projects.comic_text.layout import Block
from projects.comic_text.lettering import Face, faces, missing

LINES = 16  # lines that are read at once; each width is compiled for this number
EXAMPLES = 4
SURE = 0.4  # confidence that one line of a found block must have: the others are mostly no lettering
CLEAR = 0.95  # confidence with which a line is taken as it is seen; of another one the likeliest words are looked for
FAMILIAR = 0.6  # mean confidence of the lines of a page that needs no caution; chosen on validation


class Predictor:
    """Reads pages and letters them again.

    networks: {"segmentation", "reader"} and perhaps "autoencoder", see model.py. meta: {"depth", "credit", "examples"}.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        pictures = text_pictures(example["picture"] for example in meta["examples"])
        self.examples = [{"picture": picture} for picture in pictures]

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """{"picture": (h, w, 3) uint8} -> the segmentation's input (1, h', w', 3) float32, filled up to its step."""
        return encoding.encode(raw, self.meta)

    def decode(self, logits: np.ndarray) -> list[tuple[str, float]]:
        """The reader's output -> (text, confidence) of each line."""
        return encoding.decode(logits)

    def logits(self, picture: np.ndarray, name: str = "segmentation") -> np.ndarray:
        """The answer of the U-Net `name` for a page (h, w, 3) of any size, (h, w, channels).

        Large pages are read in windows, with the same answer; see `encoding.windows`.
        """
        height, width = picture.shape[:2]
        depth, network, answer = self.meta["depth"], self.networks[name], None
        for rows, columns, kept_rows, kept_columns in encoding.windows(height, width, depth):
            part = self.encode({"picture": picture[rows, columns]})
            output = np.asarray(network.predict_on_batch(part))[0]
            answer = np.zeros((height, width, output.shape[-1]), np.float32) if answer is None else answer
            top, left = kept_rows.start - rows.start, kept_columns.start - columns.start
            size = (kept_rows.stop - kept_rows.start, kept_columns.stop - kept_columns.start)
            answer[kept_rows, kept_columns] = output[top : top + size[0], left : left + size[1]]
        return answer

    def mask(self, picture: np.ndarray) -> np.ndarray:
        """Where there is lettering: (h, w) bool."""
        return self.logits(picture)[..., 0] > 0

    def read(self, crops: Sequence[np.ndarray]) -> list[tuple[str, float]]:
        """(text, confidence) of upright lines (h, w, 3) uint8; the confidence is that of `decode`."""
        lines = [encoding.line_pixels(crop) for crop in crops]
        result: list[tuple[str, float]] = [("", 0.0)] * len(lines)
        for width in encoding.WIDTHS:
            fit = [i for i, line in enumerate(lines) if encoding.width_for(line) == width]
            if fit:
                logits = answers(self.networks["reader"], encoding.filled([lines[i] for i in fit], width), (LINES,))
                for i, (text, confidence), steps in zip(fit, self.decode(logits), logits, strict=True):
                    result[i] = (encoding.searched(steps, text) if SURE <= confidence < CLEAR else text, confidence)
        return result

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{"picture", and perhaps "order", "blocks"} -> the mask, what is read, and the new page.

        mask: (h, w) uint8, 255 where there is lettering. blocks, in the order of reading: [{"box": [left, top, right,
        bottom], "lines": [{"text", "confidence"}], "text": its lines with spaces between, "translation": as it was
        given, or None}]. clean: the page (h, w, 3) without the lettering of these blocks. page: the new page, where a
        block with a translation says that; a block without keeps its lettering. unfamiliar: whether the answer comes
        with a caution; see `familiarity`. missing: the characters of the translations that the fonts do not have.

        A block of which no line is read with the confidence SURE is left out.
        raw["blocks"]: boxes instead of those that are found, each with its own text or translation where that is known.
        An empty translation leaves the place empty. Raises UserError for what cannot be used.
        """
        picture, mask, found, answers = self._found(raw)
        clean, face = redraw.without(picture, mask, found), faces("train")[0]  # a font that every installation has
        pairs = zip(found, answers, strict=True)
        words = [(block, plain(said["translation"])) for block, said in pairs if said["translation"] is not None]
        return {
            "mask": np.uint8(mask) * 255,
            "blocks": answers,
            "clean": clean,
            "page": draw(picture, mask, clean, words, face),
            "unfamiliar": mean_confidence(answers) < FAMILIAR,
            "missing": missing(" ".join(text for _, text in words), face),
        }

    def familiarity(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """How well pages are read (n,): the mean confidence of their lines, nan where no block is found."""
        return np.array([mean_confidence(self._found({"picture": picture})[-1]) for picture in pictures])

    def _found(self, raw: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, list[Block], list[dict[str, Any]]]:
        """(page, mask, blocks, what each of them says as in the answer of `predict`)."""
        picture = encoding.checked(raw)
        mask = self.mask(picture)
        if "blocks" in raw:
            found = [layout.lines_in(mask, tuple(int(side) for side in block["box"])) for block in raw["blocks"]]
            return picture, mask, found, self._texts(picture, found, raw["blocks"])
        found = layout.blocks(mask, raw.get("order", "left"))
        answers = self._texts(picture, found, [{}] * len(found))
        sure = [max((line["confidence"] for line in answer["lines"]), default=0.0) >= SURE for answer in answers]
        return picture, mask, list(compress(found, sure)), list(compress(answers, sure))

    def _texts(self, picture: np.ndarray, found: Sequence[Block], asked: Sequence[dict]) -> list[dict[str, Any]]:
        crops = [line_crops(picture, block) for block in found]
        read = iter(self.read([crop for block_crops in crops for crop in block_crops]))
        answers = []
        for block, block_crops, wanted in zip(found, crops, asked, strict=True):
            lines = [dict(zip(("text", "confidence"), next(read), strict=True)) for _ in block_crops]
            text = wanted.get("text")
            text = " ".join(line["text"] for line in lines if line["text"]) if text is None else text
            words = wanted.get("translation")
            answers.append({"box": list(block.box), "lines": lines, "text": text, "translation": words})
        return answers

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer of `predict`; there is nothing to show before it."""
        yield self.predict(raw)

    def choose_examples(self, validation: Split) -> None:
        """Keep the EXAMPLES validation pages with the most lines, and what these say."""
        from projects.comic_text.data import read

        samples = [(page, read(page)) for page in validation.inputs[: 10 * EXAMPLES]]
        samples.sort(key=lambda pair: -len(pair[1].lines or pair[0].texts))
        self.meta["examples"] = [
            {"picture": picture_text(sample.picture), "lines": [line.text for line in sample.lines] or list(page.texts)}
            for page, sample in samples[:EXAMPLES]
        ]
        self.examples = [{"picture": sample.picture} for _, sample in samples[:EXAMPLES]]


def mean_confidence(answers: Sequence[dict[str, Any]]) -> float:
    """Of all lines of the blocks of an answer; nan where there is none."""
    sure = [line["confidence"] for answer in answers for line in answer["lines"]]
    return sum(sure) / len(sure) if sure else float("nan")


def cautions(answer: dict[str, Any]) -> list[str]:
    """What one should know before one takes an answer of `predict` as it is, a text each."""
    said = []
    if answer["unfamiliar"]:
        said.append(
            "The lines of this page are read with less confidence than on nearly all pages of validation. Perhaps it "
            "is in another script, it lies on its side, or it has no lettering. Take the text as a guess."
        )
    if answer["missing"]:
        said.append(f"The fonts do not have these characters: {answer['missing']}. An empty box is drawn for each.")
    return said


def line_crops(picture: np.ndarray, block: Block) -> list[np.ndarray]:
    """The lines of a block as upright crops (h, w, 3), with a small margin. A box without lettering is one line."""
    left, top, right, bottom = block.box
    part = layout.turned(picture[top:bottom, left:right], block.angle)
    if not block.lines:
        return [part]
    crops, (source, x, y) = [], (part, 0, 0) if block.angle else (picture, left, top)
    for above, below, begin, end in block.lines:
        edge = encoding.margin(below - above)
        rows = slice(max(0, y + above - edge), y + below + edge)
        crops.append(source[rows, max(0, x + begin - edge) : x + end + edge])
    return crops


def draw(
    picture: np.ndarray, mask: np.ndarray, clean: np.ndarray, words: Sequence[tuple[Block, str]], face: Face
) -> np.ndarray:
    """The new page: the blocks of `words` say what stands beside them there, the others keep their lettering."""
    page = picture.copy()
    for block, _ in words:
        left, top, right, bottom = redraw.wider(block.box, redraw.GROW, picture.shape)
        page[top:bottom, left:right] = clean[top:bottom, left:right]
    for block, text in words:
        if text.strip():
            seen = redraw.look(picture, mask, block)
            room = redraw.balloon(clean, block, seen.paper) if seen.flat else block.box
            redraw.lettered(page, text, block, seen, room, face)
    return page


# --- translations ----------------------------------------------------------------------------------------------------

COPYRIGHT = 0x8298  # number of this field in EXIF data
COLUMNS = ("page", "left", "top", "right", "bottom", "text", "confidence", "translation")  # columns of the lines' table
Translate = Callable[[str], str | None]


def translator(name: str | None, glossary: Path | None, runs_dir: Path) -> Translate:
    """A function from a text to its translation, or to None where nobody knows one.

    name: a finished run whose answer is text, "project" or "project/run", such as "translation/best". Projects do not
    import each other: the run is found by name, and asked in the form of its own examples. glossary: a table with the
    columns source and target; it wins over the run.
    """
    from common.inputs.tables import as_texts, read_table, with_columns

    known: dict[str, str] = {}
    if glossary:
        table = with_columns(read_table(glossary), ["source", "target"], glossary)
        pairs = zip(as_texts(table, "source"), as_texts(table, "target"), strict=True)
        known = {encoding.normalise(source).casefold(): target for source, target in pairs}
    ask = _asked_run(name, runs_dir) if name else None

    def translate(text: str) -> str | None:
        plain = encoding.normalise(text)
        if plain.casefold() in known:
            return known[plain.casefold()]
        return ask(plain) if ask and plain else None

    return translate


def _asked_run(name: str, runs_dir: Path) -> Callable[[str], str]:
    project, _, run = name.partition("/")
    predictor = runs.find(Project(project), run or "best", runs_dir).load()
    example = predictor.examples[0]
    asks_text = isinstance(example, str) or (isinstance(example, dict) and "text" in example)
    if not asks_text or not isinstance(next(iter(predictor.predict(example).values())), str):
        raise UserError(f"The run {name} does not answer a text with a text; name a run of translation.")
    return lambda text: next(iter(predictor.predict(text if isinstance(example, str) else {"text": text}).values()))


def read_edited(file: Path) -> dict[str, list[dict[str, Any]]]:
    """{page: blocks} of a table with COLUMNS, as --lines has written it and somebody has edited it.

    A block whose translation is empty keeps its lettering; a translation of one hyphen leaves its place empty.
    """
    pages: dict[str, list[dict[str, Any]]] = {}
    for row in line_rows(file, "translation"):
        pages.setdefault(row["page"], []).append(block_of(row["box"], row["text"], row["translation"]))
    return pages


def block_of(box: Sequence[int], text: str, words: str) -> dict[str, Any]:
    """A row of the table of lines as `predict` takes it: without a text it is read; a hyphen leaves its place empty."""
    words = words.strip()
    return {"box": [*box], "text": text.strip() or None, "translation": "" if words == "-" else words or None}


def letter_again(
    predictor: Predictor, picture: np.ndarray, translate: Translate, order: str, blocks: list[dict] | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """(the new page, the answer). Where no block has a translation, the new page is the one without lettering."""
    raw: dict[str, Any] = {"picture": picture, "order": order}
    answer = predictor.predict(raw if blocks is None else {**raw, "blocks": blocks})
    if blocks is None:
        known = [{**block, "translation": translate(block["text"])} for block in answer["blocks"]]
        if any(block["translation"] is not None for block in known):
            names = ("box", "text", "translation")
            answer = predictor.predict({**raw, "blocks": [{name: block[name] for name in names} for block in known]})
    translated = any(block["translation"] is not None for block in answer["blocks"])
    return answer["page"] if translated else answer["clean"], answer


def as_file(page: np.ndarray, credit: str, suffix: str = ".png") -> bytes:
    """A page (h, w, 3) uint8 as a file, with the credit as Copyright in its EXIF data, where the format has such."""
    from PIL import Image

    exif, file = Image.Exif(), io.BytesIO()
    if credit:
        exif[COPYRIGHT] = credit
    Image.fromarray(page).save(file, Image.registered_extensions()[suffix], quality=95, exif=exif)
    return file.getvalue()


def letter_page(predictor: Predictor, options: "Options", translate: Translate, credit: str = "") -> int:
    """Letter one page, and write the table of its lines beside it; the number of its blocks. See `letter_folder`."""
    edited = read_edited(options.edited).get(options.input.name, []) if options.edited else None
    picture = read_picture(options.input, encoding.MAX_PIXELS)
    page, answer = letter_again(predictor, picture, translate, options.order, edited)
    for sentence in cautions(answer):
        print(sentence, file=sys.stderr)
    with replacing(options.output) as temporary:
        temporary.write_bytes(as_file(page, credit, options.output.suffix.lower()))
    with replacing(options.lines or options.output.with_suffix(".csv")) as temporary:
        temporary.write_bytes(table_of([(options.input.name, block) for block in answer["blocks"]]))
    return len(answer["blocks"])


def letter_folder(
    predictor: Predictor,
    folder: Path,
    target: Path,
    translate: Translate,
    order: str = "left",
    edited: dict[str, list[dict[str, Any]]] | None = None,
    credit: str = "",
) -> tuple[int, int]:
    """Letter each page below a folder, into a .zip with the pages and the table of their lines; (pages, left out).

    One page at a time is in memory. A file that is no picture, is damaged or too large is named on stderr and left out.
    Cautions are written there too. credit: what the new pages, and CREDIT.txt beside them, must say of the authors.
    """
    paths, others = find_pictures(folder, deep=True)
    if not paths:
        raise UserError(f"{folder} holds no picture.")
    done, rows, left_out = 0, [], len(others)
    for path in others:
        print(f"left out: {path} is no picture", file=sys.stderr)
    with replacing(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in paths:
            name = path.relative_to(folder).as_posix()
            try:
                picture = read_picture(path, encoding.MAX_PIXELS)
                blocks = None if edited is None else edited.get(name, [])
                page, answer = letter_again(predictor, picture, translate, order, blocks)
            except UserError as error:
                print(f"\nleft out: {error}", file=sys.stderr)
                left_out += 1
                continue
            for sentence in cautions(answer):
                print(f"\n{name}: {sentence}", file=sys.stderr)
            archive.writestr(str(Path(name).with_suffix(".png").as_posix()), as_file(page, credit))
            rows += [(name, block) for block in answer["blocks"]]
            done += 1
            print(f"\r{done:,} pages", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        if not done:
            raise UserError(f"None of the {len(paths):,} files in {folder} is a picture that can be read.")
        archive.writestr("lines.csv", table_of(rows))
        if credit:
            archive.writestr("CREDIT.txt", f"{credit}\n")
    return done, left_out


def table_of(rows: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    """A .csv file with COLUMNS of (page, block): what was read, to be edited and read again."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for name, block in rows:
        lines = [line["confidence"] for line in block["lines"]]
        words = "-" if block["translation"] == "" else block["translation"] or ""
        table.writerow([name, *block["box"], block["text"], round(min(lines, default=0.0), 3), words])
    return text.getvalue().encode("utf-8-sig")  # Excel reads Hangul so


@dataclass(frozen=True)
class Options:
    """A page or a folder of pages to letter again, and where the words come from."""

    input: Path  # a page, or a folder of pages: PNG, JPEG, WebP, BMP, TIFF or GIF
    output: Path  # the new page, in the format of its suffix; of a folder: a .zip file of new pages and lines.csv
    translator: str | None = None  # a run whose answer is text, such as translation or translation/best
    glossary: Path | None = None  # a .csv file with the columns source and target; it wins over the translator
    lines: Path | None = None  # for one page: the .csv file of what was read; left out: beside the output
    edited: Path | None = None  # such a file with your corrections and translations, to be drawn
    order: Literal["left", "right"] = "left"  # where reading begins; right: manga
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        endings = (".zip",) if self.input.is_dir() else SUFFIXES
        if self.output.suffix.lower() not in endings:
            raise UserError(f"--output {self.output} must end in one of {', '.join(endings)}.")
        for name in ("glossary", "edited"):
            if (file := getattr(self, name)) and not file.is_file():
                raise UserError(f"--{name} {file} does not exist, or is no file.")


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        translate = translator(options.translator, options.glossary, options.runs_dir)
        predictor, own = run.load(), (run.data_dir / run.data).resolve()
        credit = predictor.meta["credit"] if options.input.resolve().is_relative_to(own) else ""
        if options.input.is_dir():
            edited = read_edited(options.edited) if options.edited else None
            count, left_out = letter_folder(
                predictor, options.input, options.output, translate, options.order, edited, credit
            )
            rest = f", {left_out:,} files left out" if left_out else ""
            print(f"{count:,} pages lettered by run {run.id}{rest}; written to {options.output}")
        else:
            count = letter_page(predictor, options, translate, credit)
            print(f"{count:,} blocks lettered by run {run.id}; written to {options.output}")
