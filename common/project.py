"""The contract: how commands, pages and tests find the parts of a project by the name of its folder.

    projects/<name>/__init__.py   the card (TITLE, PROBLEM, METRIC, …): imports no Keras
    projects/<name>/config.py     Config, and TOY, its smallest setting
    projects/<name>/encoding.py   META, what meta.json holds, and disagreement(meta, networks) -> str
    projects/<name>/data.py       load_data(config, data, data_dir) -> Splits
    projects/<name>/standard.py   the same for the sets that the card's STANDARD names, where a project has any
    projects/<name>/train.py      train(config, run, callbacks=()) -> None
    projects/<name>/evaluate.py   evaluate(run, data=None) -> Report
    projects/<name>/predict.py    Predictor(networks, meta)

Each attribute imports its module when it is first asked for, so that a list of projects or a `--help` stays fast.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError

PACKAGE = "projects"


@dataclass(frozen=True)
class Project:
    """One project by name. The text at the top of this file says what each attribute must be."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in (known := project_names()):
            raise UserError(f"There is no project {self.name!r}; there are: {', '.join(known)}.")

    def _module(self, file: str = "") -> Any:
        return importlib.import_module(f"{PACKAGE}.{self.name}{file and '.' + file}")

    @property
    def card(self) -> Any:
        return self._module()

    def metric(self, data: str) -> tuple[str, str]:
        """The figure by which validation chooses on this data: (name, "max" or "min").

        METRIC is that pair. Or it maps the name of a data set, or the ending of a file such as ".ts", to a pair, and
        "PATH" stands for all other data: a date is right or wrong, a sentence is more or less like its translation.
        """
        metric = self.card.METRIC
        if isinstance(metric, tuple):
            return metric
        return metric.get(data) or metric.get(Path(data).suffix.lower()) or metric["PATH"]

    @property
    def config_class(self) -> type:
        return self._module("config").Config

    @property
    def toy(self) -> Any:
        """A Config of the smallest setting, for tests."""
        return self._module("config").TOY

    @property
    def encoding(self) -> Any:
        return self._module("encoding")

    @property
    def data_names(self) -> dict[str, str]:
        """What `--data` takes besides a path: {name: sentence}. A fork may have left the standard sets out."""
        standard = getattr(self.card, "STANDARD", {}) if (self.folder / "standard.py").exists() else {}
        return {name: text for name, text in {**self.card.DATA, **standard}.items() if name != "PATH"}

    def load_data(self, data: str) -> Callable[..., Any]:
        """The function `load_data(config, data, data_dir)` for the set of this name, or for a path."""
        standard = data in self.data_names and data not in self.card.DATA
        return self._module("standard" if standard else "data").load_data

    @property
    def train(self) -> Callable[..., None]:
        return self._module("train").train

    @property
    def evaluate(self) -> Callable[..., Any]:
        return self._module("evaluate").evaluate

    @property
    def predictor_class(self) -> type:
        return self._module("predict").Predictor

    @property
    def folder(self) -> Path:
        return Path(self.card.__file__).parent


def project_names() -> list[str]:
    """The folders under `projects/` that hold a card, in alphabetical order."""
    package = importlib.import_module(PACKAGE)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg)
