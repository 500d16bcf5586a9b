"""Boxes around objects in pictures, and their masks: reading the formats that people have.

A box is (left, top, right, bottom) in pixels of the upright picture, from its top left corner. The right and bottom
edges lie outside: a box around the whole picture is (0, 0, width, height).
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as shown
from typing import Any
from xml.parsers import expat

import numpy as np

from common.errors import UserError
from common.files import read_json, utf8_text
from common.inputs.images import check_picture, find_pictures, picture_header

MAX_FILE_PIXELS = 50_000_000  # the largest picture with boxes
MAX_XML_BYTES = 4 << 20
MAX_DEPTH = 100  # the greatest depth of elements in an XML file
MAX_LABEL = 200  # characters

# What a COCO file must hold. Other names in it are not read.
COCO = {
    "images": [{"id": object, "file_name": str}],
    "annotations": [{"image_id": object, "category_id": object, "bbox": object}],
    "categories": [{"id": object, "name": str}],
}


@dataclass(frozen=True)
class Annotated:
    """A picture file with its objects.

    boxes: (n, 4) float32, inside the picture. labels: the class of each. shapes: for each a list of polygons
    [x, y, x, y, …], a run-length code {"size": [height, width], "counts": …}, or None; see `run_lengths`. texts: what
    each says, "" where a file does not tell.
    """

    path: Path
    size: tuple[int, int]  # width, height
    boxes: np.ndarray
    labels: list[str]
    shapes: list[Any] = field(repr=False)
    texts: list[str] = field(repr=False)


def read_boxes(folder: Path) -> tuple[list[Annotated], list[str]]:
    """(the pictures of a folder with their objects, by path; a few words on each thing that was left out).

    The folder may hold, at any depth: PASCAL VOC files (.xml), COCO files (.json), or YOLO text files beside the
    pictures or in a folder `labels`, with the names of the classes in `data.yaml` or `classes.txt`.
    A picture without objects is kept. A box that crosses the border is clipped. Left out, and named with file and line
    or number, are: a box that is empty, has swapped corners or lies outside; a picture that is missing, damaged or of
    another size than its annotation says; a picture without an annotation; in COCO files also crowds.
    Raises UserError for a folder without annotations, with two formats, and for a file that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected one with pictures and their boxes.")
    pictures, others = find_pictures(folder, deep=True)
    kinds = {
        "PASCAL VOC (.xml)": [path for path in others if path.suffix.lower() == ".xml"],
        "COCO (.json)": [path for path in others if path.suffix.lower() == ".json"],
        "YOLO (.txt)": _yolo_files(folder, pictures, others),
    }
    found = [kind for kind, files in kinds.items() if files]
    if len(found) != 1:
        raise UserError(
            f"{folder} holds annotations of {' and of '.join(found)}; expected one format."
            if found
            else f"{folder} holds no annotations; expected PASCAL VOC (.xml), COCO (.json) or YOLO (.txt) files."
        )
    left_out: list[str] = []
    entries = Reader(folder, pictures, left_out)
    {"P": _read_voc, "C": _read_coco, "Y": _read_yolo}[found[0][0]](kinds[found[0]], entries, others)
    annotated = sorted(entries.done, key=lambda one: one.path)
    known = entries.seen
    left_out += [f"{path.relative_to(folder).as_posix()} has no annotation" for path in pictures if path not in known]
    return annotated, left_out


class Reader:
    """The pictures of a folder, and what has been read of them so far."""

    def __init__(self, folder: Path, pictures: Sequence[Path], left_out: list[str]):
        self.folder, self.left_out = folder, left_out
        self.done: list[Annotated] = []
        self.seen: set[Path] = set()  # pictures that an annotation names
        self.by_name: dict[str, list[Path]] = {}
        for path in pictures:
            self.by_name.setdefault(path.name, []).append(path)
            self.by_name.setdefault(path.stem, []).append(path)

    def picture(self, name: str, place: str, near: Path) -> tuple[Path, tuple[int, int]] | None:
        """(path, (width, height)) of the picture that a file names; None, and a few words in `left_out`, without one.

        Of several with that name, the one whose folder's path is most like that of the file is taken.
        """
        name = name.replace("\\", "/").rpartition("/")[2]
        found = self.by_name.get(name) or self.by_name.get(Path(name).stem)
        if not found:
            self.left_out.append(f"{place}: the picture {name[:MAX_LABEL]!r} is missing")
            return None
        path = max(found, key=lambda path: len({*path.parts} & {*near.parts}))
        if path in self.seen:
            self.left_out.append(f"{place}: the picture {name[:MAX_LABEL]!r} has an annotation already")
            return None
        self.seen.add(path)
        try:
            width, height, _ = picture_header(path, MAX_FILE_PIXELS)
            check_picture(path, MAX_FILE_PIXELS)
        except UserError as error:
            fault = str(error).removeprefix(str(path)).strip().rstrip(".")
            self.left_out.append(f"{path.relative_to(self.folder).as_posix()} {fault}")
            return None
        return path, (width, height)

    def add(self, path: Path, size: tuple[int, int], objects: Iterable[tuple]) -> None:
        """Keep a picture with the sound ones of its objects: (place, corners, label, shape, and perhaps its text)."""
        boxes, labels, shapes, texts = [], [], [], []
        for place, corners, label, shape, *text in objects:
            if fault := box_fault(corners, size):
                self.left_out.append(f"{place}: {fault}")
            else:
                boxes.append(clipped(np.array(corners, float), *size))
                labels.append(label)
                shapes.append(shape)
                texts.append("".join(text))
        self.done.append(Annotated(path, size, np.array(boxes, "float32").reshape(-1, 4), labels, shapes, texts))

    def place(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()


def box_fault(corners: Sequence[float], size: tuple[int, int]) -> str:
    """What is wrong with (left, top, right, bottom) in a picture of (width, height); empty where nothing is."""
    if not _are_numbers(corners):
        return f"the box {shown(list(corners))} holds something else than numbers"
    left, top, right, bottom = corners
    words = "({:g}, {:g}, {:g}, {:g})".format(*corners)
    if right < left or bottom < top:
        return f"the box {words} has swapped corners"
    if right <= max(left, 0) or left >= size[0] or bottom <= max(top, 0) or top >= size[1]:
        empty = right == left or bottom == top
        return f"the box {words} is empty" if empty else f"the box {words} lies outside of {size[0]} × {size[1]} pixels"
    return ""


def _are_numbers(values: Any) -> bool:
    """Whether this is a list of numbers that can be places in a picture; NaN cannot."""
    return isinstance(values, (list, tuple)) and all(
        isinstance(value, (int, float)) and abs(value) < 1e9 for value in values
    )


def _label(value: Any, place: str) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > MAX_LABEL:
        raise UserError(f"{place}: the class is {shown(value)}; expected a name of at most {MAX_LABEL} characters.")
    return name


def _read_voc(files: Sequence[Path], reader: Reader, others: Sequence[Path]) -> None:
    for file in files:
        root, place = read_xml(file), reader.place(file)
        if root.name != "annotation":
            raise UserError(f"{file} is no PASCAL VOC file: it begins with <{root.name[:40]}>, not <annotation>.")
        found = reader.picture(root.text("filename") or file.stem, place, file)
        if found is None:
            continue
        path, size = found
        stated = [root.text("size/width"), root.text("size/height")]
        if all(re.fullmatch(r"[1-9]\d{0,6}", text) for text in stated) and tuple(map(int, stated)) != size:
            words = f"{' × '.join(stated)} pixels, the picture has {size[0]} × {size[1]}"
            reader.left_out.append(f"{place}: the annotation is of {words}")
            continue
        objects = []
        for part in root.children:
            if part.name == "object":
                where = f"{place}, line {part.line}"
                corners = [_number(part.text(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
                objects.append((where, corners, _label(part.text("name"), where), None))
        reader.add(path, size, objects)


def _number(text: Any) -> Any:
    """The number in a text; the text itself where it holds none, for the message."""
    try:
        return float(text)
    except ValueError:
        return text


@dataclass
class Element:
    """A part of an XML file: its name, its line, its text and its parts."""

    name: str
    line: int
    content: str = ""
    children: list["Element"] = field(default_factory=list)

    def text(self, path: str) -> str:
        """The text of the first part at this path, such as size/width; empty where there is none."""
        first, _, rest = path.partition("/")
        part = next((part for part in self.children if part.name == first), None)
        return "" if part is None else part.text(rest) if rest else part.content.strip()


def read_xml(file: Path) -> Element:
    """The root of an XML file, with the line of each element. Raises UserError for what is damaged or too large.

    Python's own ElementTree does not keep lines. A document type is refused: an entity in it may expand without end.
    """
    if file.stat().st_size > MAX_XML_BYTES:
        raise UserError(f"{file} has more than {MAX_XML_BYTES:,} bytes; expected the boxes of one picture.")
    parser, top = expat.ParserCreate(), Element("", 0)
    open_elements = [top]

    def start(name: str, attributes: dict) -> None:
        if len(open_elements) > MAX_DEPTH:
            raise UserError(f"{file}, line {parser.CurrentLineNumber}: elements are nested too deeply.")
        element = Element(name, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def text(content: str) -> None:
        open_elements[-1].content += content

    def doctype(*parts: Any) -> None:
        raise UserError(f"{file}, line {parser.CurrentLineNumber}: a document type is not read; remove it.")

    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda name: open_elements.pop()
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(file.read_bytes(), True)
    except expat.ExpatError as error:
        raise UserError(f"{file} is damaged: {error}.") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not know
        raise UserError(f"{file} is damaged: {error}.") from None
    return top.children[0]


def _read_coco(files: Sequence[Path], reader: Reader, others: Sequence[Path]) -> None:
    for file in files:
        content, place = read_json(file, COCO), reader.place(file)
        names = {
            _id(one["id"]): _label(one["name"], f"{file}, categories[{i}]")
            for i, one in enumerate(content["categories"])
        }
        objects: dict[str, list] = {_id(one["id"]): [] for one in content["images"]}
        for number, one in enumerate(content["annotations"]):
            where = f"{place}, annotations[{number}]"
            if _id(one["image_id"]) not in objects:
                reader.left_out.append(f"{where}: its image_id {shown(one['image_id'])} is not among the images")
            elif _id(one["category_id"]) not in names:
                raise UserError(f"{file}, annotations[{number}]: the category {shown(one['category_id'])} has no name.")
            elif one.get("iscrowd") in (1, True):
                reader.left_out.append(f"{where}: a crowd is not one object")
            elif not _are_numbers(one["bbox"]) or len(one["bbox"]) != 4:
                reader.left_out.append(f"{where}: the box {shown(one['bbox'])} holds something else than four numbers")
            else:
                left, top, width, height = one["bbox"]
                corners = (left, top, left + width, top + height)
                label, shape = names[_id(one["category_id"])], one.get("segmentation") or None
                objects[_id(one["image_id"])].append((where, corners, label, shape, _text(one)))
        for number, one in enumerate(content["images"]):
            found = reader.picture(one["file_name"], f"{place}, images[{number}]", file)
            if found:
                path, size = found
                parts = objects[_id(one["id"])]
                for where, _, _, shape, _ in parts:
                    if shape is not None and (fault := shape_fault(shape, size)):
                        raise UserError(f"{reader.folder / where}: the mask {fault}.")
                reader.add(path, size, parts)


def _text(annotation: dict[str, Any]) -> str:
    """What an annotation says: `utf8_string` as in COCO-Text, or the attribute `text`, as CVAT writes it."""
    attributes = annotation.get("attributes")
    text = annotation.get("utf8_string", attributes.get("text") if isinstance(attributes, dict) else "")
    return text.strip() if isinstance(text, str) else ""


def _id(value: Any) -> str:
    """An id of a COCO file: a number or a text. 1 and 1.0 are one id."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def shape_fault(shape: Any, size: tuple[int, int]) -> str:
    """What is wrong with the mask of an object in a picture of (width, height); empty where nothing is."""
    if isinstance(shape, list):
        fits = all(_are_numbers(one) and len(one) >= 6 and len(one) % 2 == 0 for one in shape)
        return "" if fits else "holds a polygon that is no list of three or more points x, y"
    counts = shape.get("counts") if isinstance(shape, dict) else None
    if not isinstance(counts, str) and not (isinstance(counts, list) and all(type(count) is int for count in counts)):
        return "is neither a list of polygons nor a run-length code with size and counts"
    if shape.get("size") != [size[1], size[0]]:
        return f"has the size {shown(shape.get('size'))} (height, width), the picture [{size[1]}, {size[0]}]"
    counts = run_lengths(counts)
    if counts is None or min(counts, default=0) < 0 or sum(counts) != size[0] * size[1]:
        return "has run lengths that do not add up to the pixels of the picture"
    return ""


def run_lengths(counts: str | list[int]) -> list[int] | None:
    """The run lengths of a mask, column by column, zeros first; None for a text that is no such code.

    COCO's compressed code is a text: five bits a character from the character 48 on, the sixth bit says that the number
    goes on, and from the third number on each is the difference to the one two places before (`rleFrString`).
    """
    if isinstance(counts, list):
        return counts
    numbers: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return None
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            numbers.append(value + numbers[-2] if len(numbers) > 2 else value)
            value = shift = 0
    return None if shift else numbers


def _yolo_files(folder: Path, pictures: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    """The .txt files that have the name of a picture, or whose folder is called labels."""
    stems = {path.stem for path in pictures}
    return [
        path
        for path in others
        if path.suffix.lower() == ".txt"
        and path.name != "classes.txt"
        and (path.stem in stems or "labels" in path.parts)
    ]


def _read_yolo(files: Sequence[Path], reader: Reader, others: Sequence[Path]) -> None:
    names = _yolo_names(reader.folder, others)
    for file in files:
        place = reader.place(file)
        found = reader.picture(file.stem, place, file)
        if found is None:
            continue
        path, (width, height) = found
        objects = []
        for number, line in enumerate(utf8_text(file).splitlines(), start=1):
            parts = [_number(part) for part in line.split()]
            if not parts:
                continue
            where = f"{place}, line {number}"
            if any(isinstance(part, str) for part in parts) or len(parts) < 5:
                raise UserError(f"{file}, line {number} is {line[:80]!r}; expected a class number and four numbers.")
            if parts[0] not in range(len(names)):
                raise UserError(
                    f"{file}, line {number}: the class {line.split()[0][:40]} has none of the {len(names)} names."
                )
            points, shape = np.array(parts[1:]), None
            if len(parts) > 5:  # a polygon
                if len(points) < 6 or len(points) % 2:
                    raise UserError(f"{file}, line {number}: a polygon needs three or more points x y.")
                points = points.reshape(-1, 2) * (width, height)
                shape, corners = [points.ravel().tolist()], [*points.min(axis=0), *points.max(axis=0)]
            else:
                centre, half = points[:2] * (width, height), points[2:] * (width, height) / 2
                corners = [*(centre - half), *(centre + half)]
            objects.append((where, [float(number) for number in corners], names[int(parts[0])], shape))
        reader.add(path, (width, height), objects)


def _yolo_names(folder: Path, others: Sequence[Path]) -> list[str]:
    """The names of the classes: a line each in classes.txt or *.names, or `names:` in a YAML file.

    Only the two forms that people write are read: `names: [a, b]`, and a line `0: a` or `- a` for each class.
    """
    files = [path for path in others if path.name == "classes.txt" or path.suffix in (".names", ".yaml", ".yml")]
    if not files:
        raise UserError(f"{folder} has no names of the classes; put them, a line each, into {folder / 'classes.txt'}.")
    file = files[0]
    lines = [line.split(" #")[0].rstrip() for line in utf8_text(file).splitlines()]
    if file.suffix in (".yaml", ".yml"):
        start = next((i for i, line in enumerate(lines) if line.startswith("names:")), None)
        if start is None:
            raise UserError(f"{file} has no line that begins with names:.")
        inline = lines[start].removeprefix("names:").strip().strip("[]{}")
        below = itertools.takewhile(re.compile(r"\s*(-|\d+\s*:|$)").match, lines[start + 1 :])
        lines = inline.split(",") if inline else [*below]
    names = [re.sub(r"^\s*(-|\d+\s*:)\s*", "", line).strip().strip("'\"") for line in lines]
    return [_label(name, str(file)) for name in names if name]


def clipped(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes (…, 4) cut to the picture, of the same type."""
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))
