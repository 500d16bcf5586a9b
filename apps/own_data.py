"""Data of one's own in the tab Train: an upload, or what the owner of the server offers.

A visitor must not reach other files of the server. So paths are offered only from the folders that the environment variable
KERAS_PORTFOLIO_PAGE_DATA names, and it names none by default. A fork leaves this file out; then a page offers the project's
own data sets alone.
"""

import collections
import hashlib
import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from apps import state
from apps.i18n import t
from common import runs
from common.errors import UserError
from common.files import check_regular, new_folder
from common.inputs.downloads import unpack
from common.project import Project

UPLOAD = "upload"  # the choice of an upload, in the address
FOLDERS = "KERAS_PORTFOLIO_PAGE_DATA"  # separated as in PATH
MAX_MB = 50  # limit of an upload; Streamlit's server refuses more than .streamlit/config.toml says
MAX_UNPACKED_BYTES, MAX_FILES = 500_000_000, 20_000  # limits of an uploaded .zip
MAX_ROWS, TABLES = 1_000_000, (".csv", ".tsv", ".xlsx", ".parquet")  # limits of an uploaded table
MAX_KEPT_BYTES = 5_000_000_000  # the limit of all uploads together


def offered() -> dict[str, str]:
    """{name: path} of the files and folders in the folders that the server's configuration names."""
    folders = [Path(folder) for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]
    places = [place for folder in folders if folder.is_dir() for place in sorted(folder.iterdir())]
    shown = [place for place in places if not place.name.startswith(".") and not place.is_symlink()]
    return {f"{place.parent.name}/{place.name}": str(place) for place in shown}


def choose(project: Project, about: str) -> tuple[str, Callable[[], str]]:
    """Let the visitor choose the data of a training: what is chosen, and a function that gives it as `runs.start` takes it."""
    kinds, paths = getattr(project.card, "UPLOAD", ()), offered()
    options = [*project.data_names, *paths, *([UPLOAD] if kinds else [])]
    data = st.selectbox(
        t("Data", "데이터"),
        options,
        format_func=lambda name: t("your own file", "내 파일") if name == UPLOAD else name,
        help=about,
        key=state.kept("data", options[0], options),
    )
    uploaded = None
    if data == UPLOAD:
        label = f"{t('your own file', '내 파일')} ({', '.join(kinds)})"
        uploaded = state.upload(label, kinds, "own-data", MAX_MB)

    def chosen() -> str:
        if data == UPLOAD:
            if uploaded is None:
                raise UserError(t("Upload a file first.", "먼저 파일을 올려 주세요."))
            return kept(*uploaded)
        if data in paths and Path(paths[data]).is_dir():
            check_regular(Path(paths[data]))
        return paths.get(data, data)

    return data, chosen


def kept(uploaded: str, content: bytes) -> str:
    """The path under which an upload of this name is kept, for the training and for what is later read again; a .zip is unpacked.

    Uploads lie in `uploads/` of the data folder. Raises UserError for a bad archive, and when there are too many of them.
    """
    uploads = runs.data_dir() / "uploads"
    name = re.sub(r"[^\w.-]+", "-", Path(uploaded).name).strip(".-")[-80:] or "data"
    name = re.sub(r"(?i)\.zip$", ".zip", name)
    folder = uploads / hashlib.sha256(name.encode() + content).hexdigest()[:16]
    if not folder.exists():
        if sum(path.stat().st_size for path in uploads.rglob("*") if path.is_file()) > MAX_KEPT_BYTES:
            raise UserError(f"{uploads} is full: the owner of this server has to remove old uploads.")
        with new_folder(folder) as new:
            (new / name).write_bytes(content)
            try:
                if (file := new / name).suffix == ".zip":
                    file.with_suffix("").mkdir()
                    unpack(file, file.with_suffix(""), MAX_UNPACKED_BYTES, MAX_FILES)
                    file.unlink()
                elif file.suffix.lower() in TABLES:  # a project that takes tables has the code that reads them
                    importlib.import_module("common.inputs.tables").check_upload(file, MAX_ROWS)
                else:  # a text
                    collections.deque(importlib.import_module("common.inputs.text").read_text(file), 0)
            except UserError as error:
                raise UserError(str(error).replace(str(new / name), uploaded)) from None
    (place,) = folder.iterdir()
    inside = list(place.iterdir()) if place.is_dir() else []
    return str(inside[0] if len(inside) == 1 and inside[0].is_dir() else place)  # a folder that was packed as a whole
