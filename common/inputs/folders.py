"""Folders of files: which files are copies of each other."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from common.files import file_sha256


def content_keys(paths: Iterable[Path]) -> dict[Path, str]:
    """A key for the content of each file. Files with equal keys are copies of each other, byte for byte.

    Only files of the same size can be copies, so few files are read.
    """
    sizes = {path: path.stat().st_size for path in paths}
    count = Counter(sizes.values())
    return {path: file_sha256(path) if count[size] > 1 else str(path) for path, size in sizes.items()}
