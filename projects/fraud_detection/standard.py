"""The field's named data sets: ULB's real transactions and the Fraud Detection Handbook's."""

from pathlib import Path

import numpy as np
import pandas as pd

from common.data import Source, Splits, split_rows
from common.errors import UserError
from common.files import file_sha256, replacing
from common.inputs.tables import check_numbers, read_header, read_table, with_columns
from projects.fraud_detection.config import Config
from projects.fraud_detection.data import (
    CARD,
    FRAUD,
    HANDBOOK_COLUMNS,
    TIME,
    ULB_COLUMNS,
    WEEK,
    as_splits,
    handbook_splits,
    two_classes,
)
from projects.fraud_detection.encoding import Transactions, times_of
from projects.fraud_detection.simulate import DELAY, FEATURES

ULB_NORMALS, ULB_FRAUDS = 284_315, 492  # rows of the whole table
HANDBOOK_FILE = "simulated_transformed.parquet"


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits as `data.load_data` returns them. data: `ulb`, `handbook`, or the path of a table with either's header."""
    if data == "ulb":
        return _ulb(config, _find_ulb(data_dir))
    if data == "handbook":
        return _handbook(config, _find_handbook(data_dir))
    path = Path(data)
    return _ulb(config, path) if read_header(path) == ULB_COLUMNS else _handbook(config, path)


def _find_ulb(data_dir: Path) -> Path:
    """The table in `data_dir` or in its folder creditcard/. Without one it is downloaded from OpenML and kept there."""
    for folder in (data_dir, data_dir / "creditcard"):
        for path in sorted(folder.glob("creditcard*.csv")):
            return path
    from sklearn.datasets import fetch_openml

    try:
        frame = fetch_openml(data_id=1597, as_frame=True, data_home=data_dir / "openml", parser="pandas").frame
    except OSError as error:
        raise UserError(
            f"There is no creditcard.csv in {data_dir} and OpenML cannot be reached ({error}). Download the file "
            f"from https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud and put it into {data_dir}."
        ) from None
    with replacing(path := data_dir / "creditcard.csv") as temporary:
        frame.to_csv(temporary, index=False)
    return path


def _ulb(config: Config, path: Path) -> Splits:
    """ULB's table, or a part of it. A part has fewer normals; each is weighted so that they stand for all 284,315."""
    frame = read_table(path)
    wanted = [column for column in ULB_COLUMNS if column != "Time" or "Time" in frame]  # OpenML's copy lacks Time
    frame = with_columns(frame, wanted, path)
    frame = check_numbers(frame, wanted, path)
    whole = len(frame)
    frame = frame.drop_duplicates(ignore_index=True)
    targets = two_classes(frame["Class"], path)
    normals = int((targets == 0).sum())
    # The whole table has repeats too. Without them it is still the whole table, and its normals count once.
    part = whole < ULB_NORMALS + ULB_FRAUDS
    weights = np.where(targets == 0, ULB_NORMALS / normals if part else 1.0, 1.0)
    extent = (
        f"a part of it: {normals:,} normals, each weighted {ULB_NORMALS / normals:.2f}" if part else "the whole table"
    )
    source = Source(
        name="ulb",
        source=f"Credit-card transactions of two days in September 2013, ULB and Worldline ({extent}); "
        f"{int(targets.sum())} frauds; {whole - len(frame)} exact repeats removed.",
        sha256=file_sha256(path),
        unit="transaction",
        weighted=part,
    )
    times = frame["Time"].to_numpy() if config.split == "time" and "Time" in frame else None
    if config.split == "time" and times is None:
        raise UserError(f"{path} has no column Time, so it cannot be split by time.")
    rows = split_rows(targets, times=times, seed=config.seed)
    return as_splits(
        Transactions(frame[wanted[:-1]], targets, weights), rows, {"target": "Class", "classes": ["0", "1"]}, source
    )


def _find_handbook(data_dir: Path) -> Path:
    for folder in (data_dir, data_dir / "fraud_handbook"):
        if (folder / HANDBOOK_FILE).exists():
            return folder / HANDBOOK_FILE
    raise UserError(
        f"There is no {HANDBOOK_FILE} in {data_dir}. It is the Fraud Detection Handbook's simulated-data-transformed "
        "(https://github.com/Fraud-Detection-Handbook/simulated-data-transformed) as one Parquet table; data/README.md "
        "says how to make it."
    )


def _handbook(config: Config, path: Path) -> Splits:
    """The Fraud Detection Handbook's protocol for one training week, which begins on `config.start`.

    Seven days of training, seven until their labels are known, seven of test. A card is blocked once its fraud is known
    (frauds from the training week on, a week later), so its rows are not in the test. Validation is the week before
    training: its labels are known too, and training keeps the latest week with known labels. Blocked cards are removed
    from it by the same rule, as if it were the test of a training two weeks before it.
    """
    frame = with_columns(read_table(path), HANDBOOK_COLUMNS, path)
    frame[list(FEATURES)] = check_numbers(frame, list(FEATURES), path)
    frame[FRAUD] = two_classes(frame[FRAUD], path)
    frame[TIME] = pd.to_datetime(times_of(frame[TIME], path), unit="s")
    frame = frame.sort_values(TIME, kind="stable", ignore_index=True)
    start, days = _days_from(config.start, frame[TIME], path)
    cards, frauds = frame[CARD].to_numpy(), frame[FRAUD].to_numpy()

    def test_rows(first: int) -> np.ndarray:
        """The test week of the training week that begins on day `first` (from `start`), without blocked cards."""
        begin = first + WEEK + DELAY
        week = (days >= begin) & (days < begin + WEEK)
        return np.flatnonzero(week & ~known_before(cards, days, frauds, DELAY, first))

    rows = [np.flatnonzero((days >= 0) & (days < WEEK)), test_rows(-2 * WEEK - DELAY), test_rows(0)]
    source = Source(
        name="handbook",
        source=f"The Fraud Detection Handbook's simulated transactions: training {start:%Y-%m-%d} and six days on, a "
        f"week's delay, a week of test; cards that were known as compromised are removed; not real transactions.",
        sha256=file_sha256(path),
        unit="terminal",
    )
    return handbook_splits(frame, rows, source)


def _days_from(asked: str | None, times: pd.Series, path: Path) -> tuple[pd.Timestamp, np.ndarray]:
    """The first day of training, and for each row the number of days since then. times: (rows,), sorted."""
    start = pd.to_datetime(asked or "", errors="coerce", utc=True)
    if pd.isna(start):
        raise UserError(f"--start is {asked!r}; expected a date such as 2018-08-15.")
    start = start.tz_localize(None).normalize()
    days = (times.dt.normalize() - start).dt.days.to_numpy()
    if days[0] > -WEEK or days[-1] < 3 * WEEK - 1:
        first, last = (times.iloc[row].normalize() for row in (0, -1))
        earliest, latest = first + pd.Timedelta(days=WEEK), last - pd.Timedelta(days=3 * WEEK - 1)
        raise UserError(
            f"--start is {asked}; a week before it and three from it on must be in {path.name}, so it may be "
            f"{earliest:%Y-%m-%d} to {latest:%Y-%m-%d}."
        )
    return start, days


def known_before(cards: np.ndarray, days: np.ndarray, frauds: np.ndarray, delay: int, since: int) -> np.ndarray:
    """Which rows belong to a card that was known as compromised when they were made: (rows,) bool.

    cards, days, frauds (0 or 1): (rows,), the whole table. A fraud of day d is known from day d + delay + 1 on. Only
    frauds from day `since` on count.
    """
    counted = (frauds == 1) & (days >= since)
    first = pd.Series(days[counted]).groupby(cards[counted]).min()
    return (days - pd.Series(cards).map(first).to_numpy(float)) > delay  # nan: never compromised; compares as False
