"""Lists of pictures with ground truth, packaged ones or those of a folder, and how each of them is shrunk."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.data import Source, Split, Splits
from common.errors import UserError
from common.files import file_sha256
from common.inputs.folders import left_out_words
from common.inputs.images import find_pictures, packaged_photograph, read_picture
from projects.super_resolution.config import Config
from projects.super_resolution.encoding import MIN_SIDE, check_pixels, kernel_name, true_kernel
from projects.super_resolution.resize import as_uint8, shrink

# builtin: photographs in scikit-image and scikit-learn.
VALIDATION = ("chelsea", "coffee")
TEST = ("astronaut", "camera", "motorcycle", "china", "flower")
# Subfolders in which the usual downloads of the sets keep the originals.
LAYOUTS = ("original", "GTmod12", "HR", "image_SRF_{scale}")
VALIDATION_EVERY = 5  # every fifth picture of a folder is validation


@dataclass(frozen=True)
class Picture:
    """A ground-truth picture on disk. `window`: only its middle square with that side."""

    name: str
    path: Path
    window: int | None = None

    @property
    def sha256(self) -> str:
        return file_sha256(self.path)


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `Picture`s. There is no training split: each network learns from the picture that it enlarges.

    data: `builtin`, or the path of a folder: every fifth picture (at least one) is validation, the others are the test.
    Each split has at most `config.pictures`. Targets are the pictures' names, because pictures differ in size and are
    read one at a time.
    """
    left_out: list[str] = []
    if data == "builtin":
        validation, test = (
            [Picture(name, packaged_photograph(name), config.window) for name in names] for names in (VALIDATION, TEST)
        )
        words = f"Windows of {config.window} × {config.window} pixels of photographs in scikit-image and scikit-learn"
    else:
        pictures, left_out = list_folder(Path(data), config.scale)
        if len(pictures) < 2:
            raise UserError(
                f"{data} has {len(pictures)} picture; expected at least two: one to choose by, one to test."
            )
        validation = pictures[::VALIDATION_EVERY]
        test = [picture for picture in pictures if picture not in validation]
        words = f"{len(pictures)} pictures of the folder {Path(data).name}"
    validation, test = validation[: config.pictures], test[: config.pictures]
    for picture in (*validation, *test):
        degraded(picture, config)  # reports a bad picture before anything is learnt
    assumed = {"true": "", "bicubic": " (bicubic is assumed)", "estimate": " (which is estimated)"}[config.assume]
    source = Source(
        name=data if data == "builtin" else Path(data).name,
        source=f"{words}, each shrunk {config.scale} times by {kernel_name(config)}{assumed}. There is no training "
        f"split: every network learns from the one shrunk picture that it enlarges{left_out_words(left_out)}.",
        sha256=fingerprint([*validation, *test]),
        unit="picture",
    )
    return Splits(as_split([]), as_split(validation), as_split(test), {}, source)


def fingerprint(pictures: list[Picture]) -> str:
    """SHA-256 of the files' contents and of the windows."""
    digest = hashlib.sha256("".join(picture.sha256 for picture in pictures).encode())
    digest.update(repr([picture.window for picture in pictures]).encode())
    return digest.hexdigest()


def as_split(pictures: list[Picture]) -> Split:
    """Pictures as inputs, their names as targets."""
    return Split(pictures, np.array([picture.name for picture in pictures]), np.ones(len(pictures)))


def list_folder(folder: Path, scale: int) -> tuple[list[Picture], list[str]]:
    """(the ground-truth pictures, a few words on each other file) of a folder, or of its subfolder in LAYOUTS.

    Where some names end in `_HR`, only these are ground truth. The others are shrunk copies.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; expected a folder of ground-truth pictures.")
    for place in (folder, *(folder / layout.format(scale=scale) for layout in LAYOUTS)):
        found, others = find_pictures(place) if place.is_dir() else ([], [])
        if found:
            paths = [path for path in found if path.stem.upper().endswith("_HR")] or found
            unique = len({path.stem for path in paths}) == len(paths)  # if not, only the suffix tells a.png from a.jpg
            left_out = [f"{path.name} is no picture" for path in others]
            left_out += [f"{path.name} is not called …_HR" for path in found if path not in paths]
            return [Picture(path.stem if unique else path.name, path) for path in paths], left_out
    raise UserError(f"{folder} has no pictures (.png, .jpg, …), nor has a subfolder original, GTmod12 or HR.")


def degraded(picture: Picture, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """(shrunk, truth), both (h, w, 3) uint8. The sides of the truth are cut to multiples of the scale.

    Raises UserError for a picture that is too small or too large.
    """
    truth = read_picture(picture.path)
    if picture.window:
        top, left = ((side - picture.window) // 2 for side in truth.shape[:2])
        truth = truth[top : top + picture.window, left : left + picture.window]
    scale = config.scale
    truth = truth[: truth.shape[0] // scale * scale, : truth.shape[1] // scale * scale]
    height, width = truth.shape[:2]
    if min(height, width) < scale * MIN_SIDE:
        raise UserError(
            f"{picture.path} is too small: a side has {min(height, width)} pixels, and at scale {scale} at least "
            f"{scale * MIN_SIDE} are needed."
        )
    check_pixels(height // scale, width // scale, scale, f"{picture.path}, shrunk,")
    return as_uint8(shrink(truth.astype(float), scale, true_kernel(config))), truth
