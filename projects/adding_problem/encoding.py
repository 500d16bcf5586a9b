"""From a sequence with two marked places to the network's numbers, and the checks of one raw input."""

import math
from typing import Any

import numpy as np

from common.errors import UserError
from common.saved import unlike
from common.schema import Between, check_input

MAX_LENGTH = 5000  # numbers of a sequence that are read

# What a raw input holds: the numbers and the places, from 1, of the marks.
RAW = {"numbers": [Between(0.0, 1.0)], "first": Between(1, MAX_LENGTH), "second": Between(1, MAX_LENGTH)}
META = {"length": Between(2, MAX_LENGTH), "examples": [RAW]}  # meta.json (see common/schema.py)


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the network, in a few words; empty where it does."""
    if not meta["examples"]:
        return "examples is empty"
    return unlike(networks, {"model": ([(None, None, 2)], [(None, 1)])})


def describe(length: int) -> dict[str, Any]:
    """The `meta` of sequences. length: how many numbers a training sequence has."""
    return {"length": length}


def encode(numbers: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """The network's input (n, length, 2), float32: each number, and beside it 1 where it is marked, else 0.

    numbers: (n, length). marks: (n, 2) places from 0.
    """
    x = np.zeros((*numbers.shape, 2), "float32")
    x[..., 0] = numbers
    np.put_along_axis(x[..., 1], marks, 1.0, axis=1)
    return x


def sums(x: np.ndarray) -> np.ndarray:
    """The right answers (n, 1) of encoded sequences (n, length, 2): the sum of the marked numbers."""
    return (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True)


def check(raw: Any) -> np.ndarray:
    """A raw input {"numbers": [0 … 1, …], "first": place, "second": place}, encoded: (1, length, 2).

    The places count from 1. Raises UserError for anything else.
    """
    check_input(raw, RAW)
    numbers, places = raw["numbers"], (raw["first"], raw["second"])
    if not 2 <= len(numbers) <= MAX_LENGTH:
        raise UserError(f"The sequence has {len(numbers):,} numbers; expected 2 to {MAX_LENGTH:,}.")
    if places[0] == places[1] or max(places) > len(numbers):
        raise UserError(f"The marks are at {places[0]} and {places[1]}; expected two places from 1 to {len(numbers)}.")
    return encode(np.array([numbers], "float32"), np.array([places]) - 1)


def as_raw(x: np.ndarray) -> dict[str, Any]:
    """One encoded sequence (length, 2) as a raw input."""
    first, second = (int(place) + 1 for place in np.flatnonzero(x[:, 1]))
    return {"numbers": [round(float(number), 4) for number in x[:, 0]], "first": first, "second": second}


def decode(x: np.ndarray, output: float) -> dict[str, float]:
    """The answer for one encoded sequence (length, 2): {"sum", "truth", "error"}."""
    truth = float(sums(x[None])[0, 0])
    if not math.isfinite(output):
        raise UserError("The network's answer is not a finite number: its weights are damaged.")
    return {"sum": float(output), "truth": truth, "error": float(output) - truth}
