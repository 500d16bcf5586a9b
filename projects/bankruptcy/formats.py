"""Tables of firms, .arff tables and series in .ts files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import UserError
from common.inputs.tables import as_categories, cell_text, is_empty, read_table, to_numbers, with_columns
from common.inputs.text import read_lines
from projects.bankruptcy.encoding import LARGEST, MAX_STEPS, check_values

MIN_NUMBERS = 0.5  # a column with at least this fraction of numbers is a variable
# sales_2015, sales t-1: a column of one row a firm
YEARLY = r"(.+?)(?:[ _.-]?(?=(?:19|20)\d\d$)|[ _.-](?=t-?\d+$))(.+)"
MAX_VARIABLES = 2000


@dataclass
class Found:
    """What a file holds: the name, the series (time, variables) and the label of each firm; "" for an unknown label.

    said: sentences on what was filled in or left out.
    """

    variables: list[str]
    names: list[str] = field(default_factory=list)
    series: list[np.ndarray] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)  # all that a .ts file declares


def read(path: Path, roles: dict[str, str], variables: Sequence[str] | None = None) -> Found:
    """The firms or series of a file, by its ending.

    roles: the columns of a table, {"firm", "time", "label"}. variables: those that a run needs; None: all that are
    numbers. Raises UserError for whatever is wrong with the file.
    """
    ending = path.suffix.lower()
    found = read_ts(path) if ending == ".ts" else read_arff(path, roles) if ending == ".arff" else None
    if found is None:
        return read_firms(path, read_table(path), roles, variables)
    if variables is not None and list(variables) != found.variables:
        raise UserError(
            f"{path} has the variables {shown(found.variables)}; the run was trained on {shown(variables)}."
        )
    return found


def shown(names: Sequence[str]) -> str:
    """A list of names, cut short."""
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "")


# Tables


def read_firms(path: Path, frame: pd.DataFrame, roles: dict[str, str], variables: Sequence[str] | None = None) -> Found:
    """The firms of a table: a row a firm and time where it has the column of the time, else a row a firm."""
    firm, time, label = (roles[role] for role in ("firm", "time", "label"))
    frame = with_columns(frame, [], path, [firm, time, label])
    if time in frame:
        frame = with_columns(frame, [firm], path)
        return _long(path, frame, firm, time, label, variables)
    names = as_categories(frame, firm, path).tolist() if firm in frame else [str(i + 2) for i in range(len(frame))]
    if repeated := next((name for name, count in pd.Series(names).value_counts().items() if count > 1), None):
        raise UserError(f"{path} has the firm {repeated!r} in more than one row, and no column {time!r}.")
    columns = [name for name in frame if name not in (firm, label)]
    parts = {name: match.groups() for name in columns if (match := re.fullmatch(YEARLY, name))}
    if len(parts) == len(columns) > 0 and len({moment for _, moment in parts.values()}) > 1:
        return _wide(path, frame, names, parts, label, variables)
    numbers = _numbers(path, frame, columns, variables)
    return Found(list(numbers), names, list(numbers.to_numpy()[:, None, :]), _labels(frame, label))


def _wide(path, frame, names, parts, label, variables) -> Found:
    """A row a firm, with a column for each variable and year. Years without any value at the ends are no steps."""
    numbers = _numbers(path, frame, list(parts), None)
    moments = sorted({moment for _, moment in parts.values()}, key=_moment)
    known = list(dict.fromkeys(parts[column][0] for column in numbers))
    _need(path, known, variables)
    known = list(variables or known)
    values = np.full((len(frame), len(moments), len(known)), np.nan)
    for column in numbers:
        name, moment = parts[column]
        if name in known:
            values[:, moments.index(moment), known.index(name)] = numbers[column]
    found = Found(known, names, labels=_labels(frame, label))
    for one in values:
        filled = np.flatnonzero(~np.isnan(one).all(axis=1))
        found.series.append(one[filled[0] : filled[-1] + 1] if len(filled) else one[-1:])
    return found


def _moment(text: str) -> int:
    """The place in time of a column's ending: 2015, or t-1, which is one step before t0."""
    return int(text) if text.isdigit() else -abs(int(text[1:]))


def _long(path, frame, firm, time, label, variables) -> Found:
    """A row a firm and time. A series ends with the firm's last row that has a label, where any row has one."""
    names = as_categories(frame, firm, path)
    times, whole = _times(path, frame, time)
    columns = [name for name in frame if name not in (firm, time, label)]
    numbers = _numbers(path, frame, columns, variables)
    values, labels = numbers.to_numpy(), _labels(frame, label)
    found, order = Found(list(numbers)), np.lexsort((times, pd.factorize(names)[0]))
    firms = pd.factorize(names)[0][order]
    same = (np.diff(firms) == 0) & (np.diff(times[order]) == 0)
    if same.any():
        row = order[np.flatnonzero(same)[0] + 1]
        raise UserError(f"{path}, row {int(frame.index[row]) + 2}: the firm {names.iloc[row]!r} has this {time} twice.")
    steps = np.diff(times[order])[np.diff(firms) == 0]
    step = steps.min() if whole and len(steps) else 0
    labelled, filled, later = any(labels), 0, 0
    for rows in np.split(order, np.flatnonzero(np.diff(firms)) + 1):
        if labelled and (known := [place for place, row in enumerate(rows) if labels[row]]):
            later += len(rows) - known[-1] - 1
            rows = rows[: known[-1] + 1]
        places = np.arange(len(rows))
        if step and len(rows) > 1:
            places = np.round((times[rows] - times[rows[0]]) / step).astype(int)
            if places[-1] >= MAX_STEPS:
                raise UserError(f"{path}: the firm {names.iloc[rows[0]]!r} would have {places[-1] + 1:,} steps.")
        one = np.full((places[-1] + 1, len(found.variables)), np.nan)
        one[places] = values[rows]
        filled += len(one) - len(rows)
        found.names.append(names.iloc[rows[0]])
        found.series.append(one)
        found.labels.append(labels[rows[-1]])
    if filled:
        found.said.append(f"{filled:,} missing steps are gaps")
    if later:
        found.said.append(f"{later:,} rows after the last label of their firm are left out")
    return found


def _times(path: Path, frame: pd.DataFrame, time: str) -> tuple[np.ndarray, bool]:
    """The times as numbers (rows,), and whether they are whole numbers, such as years, so that a gap can be seen.

    202012 is the month before 202101, and 20201231 the day before 20210101.
    """
    numbers = to_numbers(frame[time])
    year, month = np.divmod(numbers, 100)
    if (np.clip(year, 1900, 2099) == year).all() and (np.clip(month, 1, 12) == month).all():
        return 12 * year + month, True
    compact = (np.clip(numbers, 19000101, 20991231) == numbers).all()
    if compact or np.isnan(numbers).all():
        form = "%Y%m%d" if compact else "mixed"
        dates = pd.to_datetime(frame[time].astype(str), errors="coerce", utc=True, format=form)
        numbers = ((dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)).to_numpy(float)
        whole = False
    else:
        whole = bool((numbers[~np.isnan(numbers)] % 1 == 0).all())
    wrong = np.flatnonzero(~(np.abs(numbers) <= LARGEST))
    if len(wrong):
        value = str(frame[time].iloc[wrong[0]])[:40]
        place = f"{path}, row {int(frame.index[wrong[0]]) + 2}"
        raise UserError(f"{place}: {time} is {value!r}; expected a number, such as a year, or a date.")
    return numbers, whole


def _need(path: Path, columns: Sequence[str], variables: Sequence[str] | None) -> None:
    if absent := [name for name in variables or () if name not in columns]:
        raise UserError(f"{path} lacks {shown(absent)}, which the run was trained on.")
    if not columns:
        raise UserError(f"{path} has no column of numbers to learn from.")


def _numbers(path: Path, frame: pd.DataFrame, columns: Sequence[str], variables: Sequence[str] | None) -> pd.DataFrame:
    """The variables as numbers, nan where a cell is empty. A column that mostly holds no numbers is left out."""
    result = {}
    for name in [name for name in columns if variables is None or name in variables]:
        numbers, empty = to_numbers(frame[name]), is_empty(frame[name]).to_numpy()
        wrong = np.flatnonzero(~empty & ~(np.abs(numbers) <= LARGEST))
        if len(wrong) > (1 - MIN_NUMBERS) * max(1, (~empty).sum()) and variables is None:
            continue
        if len(wrong):
            place = f"{path}, row {int(frame.index[wrong[0]]) + 2}"
            value = str(frame[name].iloc[wrong[0]])[:40]
            raise UserError(f"{place}: {name} is {value!r}; expected a number or nothing.")
        result[name] = numbers
    _need(path, list(result), variables)
    if len(result) > MAX_VARIABLES:
        raise UserError(f"{path} has {len(result):,} columns of numbers; at most {MAX_VARIABLES:,} are read.")
    found = pd.DataFrame(result, index=frame.index)
    found = found[list(variables)] if variables is not None else found
    check_values(found.to_numpy(), list(found), str(path))
    return found


def _labels(frame: pd.DataFrame, label: str) -> list[str]:
    """The label of each row; "" where it is empty, or where the table has none."""
    if label not in frame:
        return [""] * len(frame)
    empty = is_empty(frame[label])
    return ["" if none else cell_text(value) for value, none in zip(frame[label], empty, strict=True)]


def read_arff(path: Path, roles: dict[str, str]) -> Found:
    """An .arff table, a row a firm: numeric attributes, and the class in the last one."""
    from scipy.io import arff

    try:
        with path.open(encoding="utf-8") as file:
            rows, about = arff.loadarff(file)
    except (arff.ArffError, arff.ParseArffError, ValueError, StopIteration, NotImplementedError, IndexError) as error:
        first = (str(error).splitlines() or ["it has no line @data"])[0][:200]
        raise UserError(f"{path} is no .arff table that can be read ({first}).") from None
    names, kinds = about.names(), about.types()
    label = roles["label"] if roles["label"] in names else names[-1]
    if wrong := [name for name, kind in zip(names, kinds, strict=True) if kind != "numeric" and name != label]:
        raise UserError(f"{path}: the attribute {wrong[0]!r} is not numeric.")
    variables = [name for name in names if name != label]
    if not variables or not len(rows):
        raise UserError(f"{path} has no column of numbers to learn from.")
    values = np.column_stack([rows[name] for name in variables]).astype(float)
    texts = [value.decode() if isinstance(value, bytes) else cell_text(value) for value in rows[label]]
    labels = ["" if text in ("?", "nan") else text for text in texts]
    return Found(variables, [str(row + 1) for row in range(len(rows))], list(values[:, None, :]), labels)


def read_ts(path: Path) -> Found:
    """The series of a `.ts` file (UEA and UCR archives): variables separated by `:`, values by `,`, the class last.

    `?` and NaN are missing values. Raises UserError with the line for whatever is wrong, and for time stamps and
    numeric targets, which are not read.
    """
    head: dict[str, str] = {}
    found, begun, labelled = Found([]), False, False
    for number, line in enumerate(read_lines(path), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not begun:
            key, _, value = text.partition(" ")
            head[key.lower()] = value.strip()
            begun = key.lower() == "@data"
            if begun:
                if head.get("@timestamps", "false").lower() == "true":
                    raise UserError(f"{path} has time stamps, which are not read.")
                if "@targetlabel" in head and head["@targetlabel"].lower() != "false":
                    raise UserError(f"{path} has numbers as targets; expected classes.")
                first, *found.classes = head.get("@classlabel", "false").split()
                labelled = first.lower() == "true"
            elif not key.startswith("@"):
                raise UserError(f"{path}, line {number}: expected a line that begins with @ or #, before @data.")
            continue
        *parts, label = text.split(":") if labelled else [*text.split(":"), ""]
        if labelled and (not parts or (found.classes and label.strip() not in found.classes)):
            raise UserError(f"{path}, line {number}: its class is {label.strip()[:40]!r}; expected one of @classLabel.")
        one = _variables(path, number, parts)
        if not found.variables:
            found.variables = [f"x{place + 1}" for place in range(one.shape[1])]
        elif one.shape[1] != len(found.variables):
            raise UserError(f"{path}, line {number}: it has {one.shape[1]} variables; expected {len(found.variables)}.")
        found.names.append(str(len(found.names) + 1))
        found.series.append(one)
        found.labels.append(label.strip())
    if not found.series:
        raise UserError(f"{path} holds no series after a line @data.")
    return found


def _variables(path: Path, number: int, parts: list[str]) -> np.ndarray:
    """The variables of one line as (time, variables). A variable that ends early is missing at the end."""
    rows = []
    for part in parts:
        try:
            rows.append([np.nan if cell.strip() in ("?", "") else float(cell) for cell in part.split(",")])
        except ValueError:
            raise UserError(f"{path}, line {number}: a value is no number.") from None
    length = max(map(len, rows))
    if length > MAX_STEPS or len(rows) > MAX_VARIABLES:
        raise UserError(
            f"{path}, line {number}: {len(rows):,} variables of {length:,} steps; at most {MAX_VARIABLES:,} and "
            f"{MAX_STEPS:,} are read."
        )
    values = np.array([row + [np.nan] * (length - len(row)) for row in rows]).T
    if (np.abs(values) > LARGEST).any():
        raise UserError(f"{path}, line {number}: a number is beyond {LARGEST:g}.")
    return values
