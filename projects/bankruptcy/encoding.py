"""From a series of a firm to the numbers that a network reads, and from its output to an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.data import Split
from common.errors import UserError
from common.evaluation import TEMPERATURE, softmax
from common.saved import unlike
from common.schema import Between, check_input
from projects.bankruptcy.rocket import encode_kernels

MAX_STEPS = 20_000  # the longest raw series
LARGEST = 1e30  # a number beyond it is taken for a mistake
MIN_SCALE = 1e-12


@dataclass(frozen=True)
class Series(Split):
    """Series with a class each.

    inputs: list of arrays (time, variables), nan where a value is missing; the last step is the moment of the decision.
    targets: (n,) class numbers; of two classes 1 is the failure.

    What a simulation knows besides: truth (n, checks), the firm's true risk at the decision and at each later check,
    nan once it has failed; after (n, days, variables), what came after the decision; failed (n,), the number of days
    from the decision to the failure, nan for a firm that lives on.
    """

    truth: np.ndarray | None = None
    after: np.ndarray | None = None
    failed: np.ndarray | None = None

    def part(self, rows: np.ndarray) -> "Series":
        """The series of these numbers."""
        known = {name: getattr(self, name) for name in ("truth", "after", "failed", "units")}
        parts = {name: None if values is None else values[rows] for name, values in known.items()}
        inputs = self.inputs[rows] if isinstance(self.inputs, np.ndarray) else [self.inputs[row] for row in rows]
        return Series(inputs, self.targets[rows], self.weights[rows], **parts)


# What meta.json holds (see common/schema.py)

RAW = {str: [(float, None)]}  # a raw input: the values of each variable, the oldest first; null where one is missing
META = {
    "task": ("risk", "classes"),  # two classes of which one is a failure; or classes of equal rank
    "variables": [str],
    "classes": [str],
    "length": Between(1, MAX_STEPS),
    "channels": {str: {"median": float, "scale": Between(MIN_SCALE, 1e38)}},
    "missing": [str],  # the channels that have gaps in training
    "kernels?": Between(84, 20_000),
    "biases?": [float],
    "failing": Between(0.0, 1.0),  # fraction of the training series that are of class 1
    "shift": Between(-50.0, 50.0),
    "temperature": TEMPERATURE,
    "threshold": Between(0.0, 1.0),
    "traits": {"low": [float], "high": [float]},  # of the training series; see `traits`
    "caution_below": Between(-1e38, 0.0),
    "roles": {"firm": str, "time": str, "label": str},  # the columns of a table
    "horizon?": Between(1, MAX_STEPS),  # generated firms: days within which they fail
    "examples": [RAW],
}


def width(meta: dict[str, Any]) -> int:
    """Numbers of a time step: one a channel, one for each channel with gaps, and one that says that there is a step."""
    return len(meta["channels"]) + len(meta["missing"]) + 1


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the network, in a few words; empty where it does."""
    if not meta["examples"] or not meta["variables"] or len(meta["classes"]) < 2:
        return "examples, variables or classes are too few"
    if meta["task"] == "risk" and len(meta["classes"]) != 2:
        return "a risk has two classes"
    if list(meta["channels"]) != channel_names(meta["variables"]) or not set(meta["missing"]) <= set(meta["channels"]):
        return "channels or missing does not fit variables"
    if {len(ends) for ends in meta["traits"].values()} != {3 * len(meta["channels"])}:
        return "traits does not fit channels"
    if ("biases" in meta) != ("kernels" in meta):
        return "kernels has no biases, or biases no kernels"
    shape = (None, meta["length"], width(meta))
    if "biases" in meta:
        shape = (None, len(meta["biases"]) + 2 * (width(meta) - 1))
    return unlike(networks, {"model": ([shape], [(None, len(meta["classes"]))])})


# From raw series to channels


def channel_names(variables: Sequence[str]) -> list[str]:
    """The names of `channels`, in order."""
    if {"price", "debt"} <= set(variables):
        return ["return", "price to debt", *(name for name in variables if name not in ("price", "debt"))]
    if "total_assets" in variables and len(variables) > 1:
        return [name if name == "total_assets" else f"{name} to total_assets" for name in variables]
    return list(variables)


def channels(values: np.ndarray, variables: Sequence[str]) -> np.ndarray:
    """What the network is to compare: (n, time, variables) -> (n, time, channels), nan where something is missing.

    A price and a debt become the logarithmic return of each day and log(price / debt): who owns twice the shares is not
    safer. Accounts become fractions of the total assets, and the logarithm of these. Other variables stay.
    """
    column = {name: values[..., place] for place, name in enumerate(variables)}
    with np.errstate(divide="ignore", invalid="ignore"):
        if {"price", "debt"} <= set(variables):
            price, debt = np.log(column.pop("price")), np.log(column.pop("debt"))
            returns = np.nan_to_num(np.diff(price, axis=1, prepend=price[:, :1]), posinf=0, neginf=0)
            result = [returns, price - debt, *column.values()]
        elif "total_assets" in variables and len(variables) > 1:
            assets = np.where(column["total_assets"] > 0, column["total_assets"], np.nan)
            result = [np.log(assets) if name == "total_assets" else part / assets for name, part in column.items()]
        else:
            result = list(column.values())
    stacked = np.stack(result, axis=-1)
    return np.where(np.isfinite(stacked), stacked, np.nan)


def padded(series: Sequence[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """The last `length` steps of each series, those of short ones at the end: (n, length, variables), (n, length) bool.

    The second array says where there is a step.
    """
    if isinstance(series, np.ndarray) and series.shape[1] >= length:
        return series[:, -length:], np.ones((len(series), length), bool)
    values = np.full((len(series), length, series[0].shape[1]), np.nan)
    present = np.zeros((len(series), length), bool)
    for row, one in enumerate(series):
        steps = min(length, len(one))
        values[row, length - steps :] = one[len(one) - steps :]
        present[row, length - steps :] = True
    return values, present


def fit_encoding(train: Series, variables: list[str], classes: list[str], length: int, task: str) -> dict[str, Any]:
    """`meta` of a run, as far as it is fitted: median and spread of each channel of the training series, and its gaps.

    length: the time steps that the network reads; shorter where no training series has so many.
    """
    length = min(length, max(map(len, train.inputs)))
    values, present = padded(train.inputs, length)
    known = channels(values, variables)[present]
    described = {}
    for place, name in enumerate(channel_names(variables)):
        column = known[~np.isnan(known[:, place]), place]
        low, median, high = np.percentile(column, [25, 50, 75]) if len(column) else (0.0, 0.0, 0.0)
        # 1.349 is the interquartile range of the standard normal distribution.
        spreads = ((high - low) / 1.349, column.std() if len(column) else 0.0)
        described[name] = {"median": float(median), "scale": float(next((s for s in spreads if s > MIN_SCALE), 1.0))}
    gaps = np.isnan(known).any(axis=0)
    meta = {
        "task": task,
        "variables": variables,
        "classes": classes,
        "length": length,
        "channels": described,
        "missing": [name for name, has in zip(described, gaps, strict=True) if has],
        "failing": float(np.average(train.targets == 1, weights=train.weights)),
        "shift": 0.0,
        "temperature": 1.0,
        "threshold": 0.5,
        "caution_below": 0.0,
        "roles": {"firm": "firm", "time": "time", "label": "label"},
    }
    learnt = traits(encode(train.inputs, meta), len(described))
    return {**meta, "traits": {"low": learnt.min(axis=0).tolist(), "high": learnt.max(axis=0).tolist()}}


def encode(series: Sequence[np.ndarray], meta: dict[str, Any]) -> np.ndarray:
    """Series -> (n, length, width) float32.

    A channel becomes arcsinh((x - median) / scale): nearly linear near the median, like a logarithm far from it, so
    that one huge ratio does not drown the others. A missing value is 0, the median, and 1 in a column of its own. The
    last column is 1. Where a short series has no step all columns are 0, and recurrent layers skip it.
    """
    values, present = padded(series, meta["length"])
    x = channels(values, meta["variables"])
    gaps = np.isnan(x)
    middle, scale = (np.array([about[part] for about in meta["channels"].values()]) for part in ("median", "scale"))
    names = list(meta["channels"])
    flagged = gaps[..., [names.index(name) for name in meta["missing"]]]
    scaled = np.where(gaps, 0.0, np.arcsinh((x - middle) / scale))
    result = np.concatenate([scaled, flagged, np.ones((*present.shape, 1))], axis=-1)
    return np.where(present[..., None], result, 0.0).astype("float32")


def traits(x: np.ndarray, channels: int) -> np.ndarray:
    """Encoded series (n, length, width) -> lowest, highest and mean change of each channel: (n, 3 × channels)."""
    present = x[..., -1:] > 0
    known = np.where(present, x[..., :channels], np.nan)
    changes = np.nansum(np.abs(np.diff(known, axis=1)), axis=1) / np.maximum(present.sum(axis=1) - 1, 1)
    return np.concatenate([np.nanmin(known, axis=1), np.nanmax(known, axis=1), changes], axis=1)


def encode_fixed(x: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    """Encoded series (n, length, width) -> what `rocket` reads, (n, features) float32.

    The weights of a kernel add up to 0, so it is blind to the level of a series. So the last value and the mean of each
    column stand beside its features.
    """
    x = x[..., :-1]
    kernels = encode_kernels(x, meta["biases"], meta["kernels"])
    return np.concatenate([kernels, x[:, -1], x.mean(axis=1)], axis=1)


# From the network's output to an answer


def calibrated(logits: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    """Outputs of the network (n, classes) -> logits, calibrated on validation and moved to the base rate asked for."""
    result = np.asarray(logits, float) / meta["temperature"]
    if meta["task"] == "risk":
        result[:, 1] += meta["shift"]
    return result


def decode(logits: np.ndarray, meta: dict[str, Any]) -> dict[str, Any]:
    """Logits (classes,) of one series -> {"answer", "probabilities"}; of a firm also {"risk", "alarm", "threshold"}.

    Raises UserError where the network's output is no finite number.
    """
    if not np.isfinite(logits).all():
        raise UserError("The network's answer is not a finite number: its weights are damaged.")
    (probabilities,) = softmax(np.asarray(logits, float)[None])
    answer = {
        "answer": meta["classes"][int(probabilities.argmax())],
        "probabilities": dict(zip(meta["classes"], probabilities.tolist(), strict=True)),
    }
    if meta["task"] == "risk":
        risk = float(probabilities[1])
        answer |= {"risk": risk, "alarm": risk >= meta["threshold"], "threshold": meta["threshold"]}
    return answer


# The checks of one raw input


def checked(raw: Any, meta: dict[str, Any]) -> np.ndarray:
    """A raw input {variable: [numbers or null]}, all of one length, as an array (time, variables).

    Raises UserError for anything else.
    """
    check_input(raw, RAW)
    for name in meta["variables"]:
        if name not in raw:
            raise UserError(f"The series has no {name!r}; it needs: {', '.join(meta['variables'])}.")
    lengths = {name: len(raw[name]) for name in meta["variables"]}
    if len(set(lengths.values())) > 1 or not 1 <= min(lengths.values()) <= MAX_STEPS:
        shown = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise UserError(f"All variables need as many values, 1 to {MAX_STEPS:,}; given are: {shown}.")
    values = np.array([raw[name] for name in meta["variables"]], float).T
    check_values(values, meta["variables"])
    return values


def check_values(values: np.ndarray, variables: Sequence[str], place: str = "The series") -> None:
    """Raise UserError where a number is too large, or a price or a debt is not above 0. values: (time, variables)."""
    if (np.abs(values) > LARGEST).any():
        raise UserError(f"{place} has a number beyond {LARGEST:g}.")
    if {"price", "debt"} <= set(variables):
        for name in ("price", "debt"):
            if (values[:, list(variables).index(name)] <= 0).any():
                raise UserError(f"{place} has a {name} that is not above 0.")


def as_raw(values: np.ndarray, variables: Sequence[str]) -> dict[str, list[float | None]]:
    """A series (time, variables) as a raw input, to six digits."""
    return {
        name: [None if np.isnan(value) else float(f"{value:.6g}") for value in values[:, place]]
        for place, name in enumerate(variables)
    }
