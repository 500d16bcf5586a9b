"""Folders of files: which files are copies of each other, and which part of the data a folder holds."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.files import file_sha256

MAX_NAMED = 12  # files that were left out and are named; the others are only counted


def content_keys(paths: Iterable[Path]) -> dict[Path, str]:
    """A key for the content of each file. Files with equal keys are copies of each other, byte for byte.

    Only files of the same size can be copies, so few files are read.
    """
    sizes = {path: path.stat().st_size for path in paths}
    count = Counter(sizes.values())
    return {path: file_sha256(path) if count[size] > 1 else str(path) for path, size in sizes.items()}


def part_of(folder: Path, *names: str) -> Path | None:
    """The folder in `folder` that is called by the first of these names: Test, test_set or seg_test; or None.

    Of several the one with the shortest name is taken, and of these the last one: of val2014 and val2017 the latter.
    """
    places = sorted(filter(Path.is_dir, folder.iterdir()), reverse=True) if folder.is_dir() else []
    for name in names:
        if found := [path for path in places if re.fullmatch(rf"(.*[_ -])?{name}\d*([_ -].*)?", path.name.casefold())]:
            return min(found, key=lambda path: len(path.name))
    return None


def left_out_words(left_out: Sequence[str]) -> str:
    """What stands in the source of the data of files that were left out: a few words on each, the first ones named."""
    more = f" and {len(left_out) - MAX_NAMED:,} more" if len(left_out) > MAX_NAMED else ""
    return f". {len(left_out):,} files left out: {'; '.join(left_out[:MAX_NAMED])}{more}" if left_out else ""
