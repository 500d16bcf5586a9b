"""Generated firms, or the user's own: tables of firms and series in .ts files."""

import dataclasses
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from common.data import Source, Splits, hold_out_tenth, split_rows
from common.errors import UserError
from common.files import file_sha256
from projects.bankruptcy.config import Config
from projects.bankruptcy.encoding import Series, fit_encoding
from projects.bankruptcy.formats import Found, read, shown

DAYS = 250  # days of a generated firm up to the decision
CHECKS = np.arange(0, 252, 21)  # days after the decision, a month apart, on which a risk is asked for again
HELD = 0.2  # fraction of the firms for training that are validation
VARIABLES = ["price", "debt"]  # a generated firm's price of all its shares, and the debt that it reports
CLASSES = ["survives", "fails"]


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """The splits of `builtin`, or of the file at the path `data`. Inputs and targets: see `encoding.Series`."""
    return generated(config) if data == "builtin" else own(config, Path(data))


def generated(config: Config) -> Splits:
    """Firms of `simulate`, which are alive after DAYS days; the target is failure within the following year.

    `config.firms` are drawn for training and validation, and as many again for the test: they cost nothing, and a large
    test tells small differences apart.
    """
    from projects.bankruptcy import simulate

    market = simulate.simulate(2 * config.firms, DAYS + simulate.YEAR, np.random.default_rng(config.seed))
    alive = np.flatnonzero(market.failed >= DAYS)
    values = np.stack([market.price, np.broadcast_to(market.debt[:, None], market.price.shape)], axis=2)[alive]
    failed = market.failed[alive] - (DAYS - 1.0)
    days = DAYS - 1 + CHECKS
    truth = simulate.true_risk(market.health[alive][:, days], market.regime[alive][:, days], simulate.depths())
    series = Series(
        inputs=values[:, :DAYS].astype("float32"),
        targets=(failed <= simulate.YEAR).astype(int),
        truth=np.where(failed[:, None] > CHECKS, truth, np.nan),
        after=values[:, DAYS:].astype("float32"),
        failed=np.where(failed <= simulate.YEAR, failed, np.nan),
    )
    half = int((alive < config.firms).sum())
    rows = np.split(np.arange(len(series)), [half - int(HELD * half), half])
    parts = [series.part(part) for part in rows]
    source = Source(
        name="builtin",
        source=f"Generated: share prices of {len(series):,} firms over {DAYS} days, driven by hidden assets and debt; "
        f"{series.targets.mean():.1%} fail within a year; not real firms.",
        sha256=hashlib.sha256(series.inputs.tobytes()).hexdigest(),
        unit="firm",
    )
    return with_meta(config, parts, VARIABLES, CLASSES, source, horizon=simulate.YEAR)


def with_meta(
    config: Config, parts: list[Series], variables: list[str], classes: list[str], source: Source, **known: Any
) -> Splits:
    """The splits of three parts, with `meta` fitted on the first. known: what else goes into meta."""
    task = known.pop("task", "risk")
    return Splits(*parts, fit_encoding(parts[0], variables, classes, config.length, task) | known, source)


def own(config: Config, path: Path) -> Splits:
    """The user's own file: firms of which some fail, or the classes of a `.ts` file."""
    roles = {"firm": config.firm, "time": config.time, "label": config.target}
    if len(set(roles.values())) < len(roles):
        raise UserError(f"Firm, time and target must be different columns; given are: {shown(list(roles.values()))}.")
    found, ts = read(path, roles), path.suffix.lower() == ".ts"
    classes = [name for name in found.classes if name in found.labels] if ts else two_classes(found, path, config)
    if len(classes) < 2:
        raise UserError(f"{path} has series of {len(classes)} classes; at least two are needed.")
    series, said = as_series(found, classes)
    other = path.with_name(path.name.replace("_TRAIN", "_TEST"))
    if ts and other != path and other.is_file():  # the official test part of an archive's set
        test, _ = as_series(read(other, roles, found.variables), classes)
        rest = np.arange(len(series))
        said.append(f"the test is {other.name}")
    elif ts:
        rest, held = hold_out_tenth(series.targets, config.seed)
        test = series.part(held)
    if ts:
        train, validation = hold_out_tenth(series.targets[rest], config.seed)
        parts = [series.part(rest[train]), series.part(rest[validation]), test]
    else:
        parts = [series.part(rows) for rows in split_rows(series.targets, seed=config.seed)]
    about = f"{path.name}: {len(series):,} series of {len(classes)} classes; " + "; ".join(said)
    source = Source(path.name, about, file_sha256(path), "series" if ts else "firm")
    return with_meta(config, parts, found.variables, classes, source, task="classes" if ts else "risk", roles=roles)


def two_classes(found: Found, path: Path, config: Config) -> list[str]:
    """The values of the target: of firms that live on, and of those that fail, which is the rarer one unless given."""
    counts = Counter(label for label in found.labels if label)
    if not counts:
        raise UserError(f"{path} has no labels: say --target COLUMN, the column that tells which firms failed.")
    if len(counts) != 2:
        raise UserError(f"{path}: the target has {len(counts)} values ({shown(list(counts))}); expected two.")
    (common, _), (rare, _) = counts.most_common()
    failing = config.positive or rare
    if failing not in counts:
        raise UserError(f"--positive {failing}: the target's values are {shown(list(counts))}.")
    return [rare if failing == common else common, failing]


def as_series(found: Found, classes: list[str]) -> tuple[Series, list[str]]:
    """The series with a known label, each content once, and sentences on what was left out."""
    kept: dict[bytes, int] = {}
    for row, (one, label) in enumerate(zip(found.series, found.labels, strict=True)):
        if label in classes:
            kept.setdefault(one.tobytes() + str(one.shape).encode(), row)
    known = sum(label in classes for label in found.labels)
    unknown = len(found.labels) - known
    said = [*found.said, f"{known - len(kept):,} repeated series and {unknown:,} without a label left out"]
    targets = np.array([classes.index(found.labels[row]) for row in kept.values()], int)
    return Series([found.series[row] for row in kept.values()], targets), said


def labelled(path: Path, meta: dict[str, Any]) -> Series:
    """The series of a new file with labels, for `evaluate --data`. Raises UserError for an unknown label."""
    found = read(path, meta["roles"], meta["variables"])
    if unknown := [label for label in found.labels if label and label not in meta["classes"]]:
        raise UserError(f"{path} has the label {unknown[0]!r}; the run knows {shown(meta['classes'])}.")
    series, _ = as_series(found, meta["classes"])
    if not len(series):
        raise UserError(f"{path} has no series with a label.")
    return series


def at_check(series: Series, rows: np.ndarray, check: int) -> Series:
    """The same firms (row numbers) as they are known CHECKS[check] days after the decision."""
    part, day = series.part(rows), int(CHECKS[check])
    windows = np.concatenate([part.inputs, part.after[:, :day]], axis=1)[:, day:]
    return dataclasses.replace(part, inputs=windows, truth=part.truth[:, [check]], after=None, failed=None)
