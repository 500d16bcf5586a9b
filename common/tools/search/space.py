"""A search, and the values that its knobs can take: ranges, positions in a range, random values, grids."""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from common import config as config_module
from common import runs
from common.config import Knob
from common.errors import UserError
from common.files import check_regular, locked, read_json, write_json
from common.project import Project
from common.schema import Between

STRATEGIES = ("coarse_to_fine", "random", "grid", "tpe")
MAX_LEVELS = 5  # values of one knob in a grid; a larger budget goes to the other knobs

Space = dict[str, Any]  # knob name -> Optuna's distribution


@dataclass(frozen=True)
class Search:
    """What was asked, and the search's folder."""

    project: Project
    config: Any  # the values of the knobs that are not searched
    data: str
    data_dir: Path
    folder: Path
    strategy: str
    budget: int  # the number of trials that the search was planned for
    knobs: tuple[Knob, ...]

    @property
    def space(self) -> Space:
        return {knob.name: distribution(knob) for knob in self.knobs}

    @property
    def defaults(self) -> dict[str, Any]:
        """The values of the searched knobs in `config`."""
        return {knob.name: getattr(self.config, knob.name) for knob in self.knobs}

    def values(self, params: dict[str, Any]) -> dict[str, Any]:
        """The knobs as a trial with Optuna's `params` uses them: floats are rounded to three significant digits."""
        space = self.space
        return {knob.name: rounded(space[knob.name], params[knob.name]) for knob in self.knobs if knob.name in params}


def open_search(
    project: Project,
    config: Any,
    data: str,
    data_dir: Path,
    runs_dir: Path,
    strategy: str,
    trials: int,
    names: tuple[str, ...] = (),
) -> Search:
    """The search that these arguments describe. Its folder is made if it does not exist.

    names: the knobs to search. Without names: the knobs with a search range that have their default value in `config`.
    Raises UserError for a wrong value, unknown data, or a folder that cannot be made.
    """
    config_module.check(config)
    data = runs.checked_data(project, data)
    if trials < 1:
        raise UserError(f"--trials is {trials}; the least it may be is 1.")
    knobs = searched_knobs(config, names)
    request: dict[str, Any] = {
        "project": project.name,
        "data": data,
        "data_dir": str(data_dir.resolve()),
        "strategy": strategy,
        "knobs": [knob.name for knob in knobs],
        "config": dataclasses.asdict(config),
    }
    if strategy == "grid":
        request["trials"] = trials  # a grid with another number of trials has other points, so it is another search
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:6]
    folder = runs_dir / project.name / "searches" / f"{strategy}-s{config.seed}-{digest}"
    check_regular(folder)
    try:
        with locked(folder / "locks" / "search"):
            if not (folder / "search.json").exists():
                created = time.strftime("%Y-%m-%dT%H:%M:%S%z")
                write_json(folder / "search.json", {**request, "trials": trials, "created": created})
    except OSError as error:
        raise UserError(f"The search folder {folder} cannot be made: {error.strerror or error}.") from None
    budget = read_json(folder / "search.json", {"trials": Between(1, 10**9)})["trials"]
    return Search(project, config, data, data_dir, folder, strategy, budget, knobs)


def searched_knobs(config: Any, names: tuple[str, ...] = ()) -> tuple[Knob, ...]:
    """The knobs to search, the learning rate first. See `open_search` for `names`."""
    knobs = {knob.name: knob for knob in config_module.knobs(type(config))}
    possible = [name for name, knob in knobs.items() if knob.search or knob.choices or knob.kind is bool]
    for name in names:
        if name not in possible:
            raise UserError(f"{name!r} is not a knob that can be searched; those are: {', '.join(possible)}.")
    if not names:
        names = tuple(n for n, knob in knobs.items() if knob.search and getattr(config, n) == knob.default)
    if not names:
        raise UserError("No knob is left to search: all that have a range were given a value. Name some with --knobs.")
    chosen = (knobs[name] for name in dict.fromkeys(names))
    return tuple(sorted(chosen, key=lambda knob: knob.name != "learning_rate"))


def distribution(knob: Knob) -> BaseDistribution:
    """A knob's search range as Optuna's distribution; for a knob with choices, all choices."""
    if knob.choices or knob.kind is bool:
        return CategoricalDistribution(knob.choices or (False, True))
    assert knob.search
    if knob.kind is int:
        return IntDistribution(int(knob.search.low), int(knob.search.high), log=knob.search.log)
    return FloatDistribution(knob.search.low, knob.search.high, log=knob.search.log)


def rounded(distribution: BaseDistribution, value: Any) -> Any:
    """A float with three significant digits, clipped to its range. Other values are returned unchanged."""
    if not isinstance(distribution, FloatDistribution):
        return value
    return min(max(float(f"{value:.3g}"), distribution.low), distribution.high)


def value_at(distribution: Any, position: float, margin: float = 0.0) -> Any:
    """The value at a position (0 to 1) of the range, on a logarithmic scale if the distribution is logarithmic.

    margin: how far an int's range is extended below and above. With 0.5 every int gets an equal part of the range.
    """
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(position * len(distribution.choices)), len(distribution.choices) - 1)]
    margin = margin if isinstance(distribution, IntDistribution) else 0.0
    ends = (distribution.low - margin, distribution.high + margin)
    low, high = (math.log(end) if distribution.log else end for end in ends)
    value = low + position * (high - low)
    value = math.exp(value) if distribution.log else value
    value = round(value) if isinstance(distribution, IntDistribution) else value
    return min(max(rounded(distribution, value), distribution.low), distribution.high)


def position_of(distribution: Any, value: Any) -> float:
    """The position (0 to 1) of a value in its range: the inverse of `value_at`."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    low, value, high = (math.log(x) if distribution.log else x for x in (distribution.low, value, distribution.high))
    return (value - low) / (high - low) if high > low else 0.5


def draw(distribution: Any, random: np.random.Generator, around: Any = None, width: float = 1.0) -> Any:
    """A random value, uniform over a part of the range.

    width: the fraction of the range that the part covers. around: the value at its middle; near an end of the range
    the part is shifted inwards. A choice keeps the value `around` with probability 1 - width, else all are possible.
    """
    if isinstance(distribution, CategoricalDistribution):
        keep = around is not None and random.random() >= width
        return around if keep else value_at(distribution, random.random())
    start = 0.0 if around is None else min(max(position_of(distribution, around) - width / 2, 0.0), 1.0 - width)
    return value_at(distribution, start + width * random.random(), margin=0.5)


def grid(space: Space, budget: int, defaults: dict[str, Any]) -> list[dict[str, Any]]:
    """The points of the largest grid with at most `budget` points. Values are evenly spaced and include both ends.

    No knob gets more than `MAX_LEVELS` values, and no knob gets more than the one before it. A knob that gets one value
    keeps its default. A knob with choices gets all of them or one.
    """
    # Among grids of the same size, take the one that varies the most knobs.
    counts = max(_level_counts(space, budget), key=lambda counts: (math.prod(counts), -max(counts)))
    points: list[dict[str, Any]] = [{}]
    for (name, distribution), count in zip(space.items(), counts, strict=True):
        values = [defaults[name]]
        if isinstance(distribution, CategoricalDistribution) and count > 1:
            values = list(distribution.choices)
        elif count > 1:
            values = [value_at(distribution, i / (count - 1)) for i in range(count)]
        points = [{**point, name: value} for point in points for value in values]
    return points


def _level_counts(space: Space, budget: int, max_levels: int = MAX_LEVELS) -> Iterator[tuple[int, ...]]:
    """All ways to choose the number of values of each knob so that the grid has at most `budget` points."""
    if not space:
        yield ()
        return
    (_, first), *others = space.items()
    choices = isinstance(first, CategoricalDistribution)
    possible: tuple[int, ...] = (1, len(first.choices)) if choices else tuple(range(1, max_levels + 1))
    if isinstance(first, IntDistribution):
        possible = tuple(count for count in possible if count <= first.high - first.low + 1)
    for count in possible:
        if count <= budget:
            for rest in _level_counts(dict(others), budget // count, max_levels if choices else count):
                yield (count, *rest)
