"""The field's standard set: Flickr8k (Hodosh et al. 2013), in its official split."""

from pathlib import Path

from common.data import Source, Splits
from common.errors import UserError
from common.inputs.text import read_lines
from projects.image_captioning.config import Config
from projects.image_captioning.data import fingerprint, make_splits, read_folder

HOME = "https://github.com/goodwillyoga/Flickr8k_dataset"
LISTS = {part: f"Flickr_8k.{part}Images.txt" for part in ("train", "dev", "test")}
SIZES = {"train": 6_000, "dev": 1_000, "test": 1_000}


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `flickr8k`: captions.txt, the three lists, and the pictures in a folder Images.

    Where the list of the test is not there, every second picture of dev is the test and the others are validation.
    """
    folder = data_dir / "flickr8k"
    if not (folder / "captions.txt").is_file():
        raise UserError(
            f"captions.txt is not in {folder}. Put the captions, the lists Flickr_8k.*Images.txt and the folder Images "
            f"of Flickr8k there; see {HOME}."
        )
    paths, captions = read_folder(folder, "en")
    rows = {path.name: row for row, path in enumerate(paths)}
    train, validation = (_listed(folder / LISTS[part], rows, SIZES[part]) for part in ("train", "dev"))
    if (folder / LISTS["test"]).is_file():
        test, about = _listed(folder / LISTS["test"], rows, SIZES["test"]), "the official test"
    else:
        validation, test = validation[::2], validation[1::2]
        about = "every second picture of the official dev list, because the test list is not there"
    source = Source(
        "flickr8k",
        f"Flickr8k, five captions a picture; the test is {about}. Pictures are squeezed to {config.size} × "
        f"{config.size} pixels.",
        fingerprint(paths, captions),
        "picture",
    )
    chosen = (train, validation, test)
    parts = [([paths[row] for row in part], [captions[row] for row in part]) for part in chosen]
    return make_splits(config, parts, source)


def _listed(file: Path, rows: dict[str, int], expected: int) -> list[int]:
    """The rows of the pictures that a list names. Raises UserError where one has no caption or some are missing."""
    names = [line.strip() for line in read_lines(file) if line.strip()]
    if lost := next((name for name in names if name not in rows), None):
        raise UserError(f"{file} names {lost!r}, which has no caption or no picture.")
    if len(names) != expected:
        raise UserError(f"{file} holds {len(names):,} names; expected {expected:,}. Is the file complete?")
    return [rows[name] for name in names]
