"""From a sequence with two marked places to the network's numbers, and the checks of one raw input."""

import math
from typing import Any

import numpy as np

from common.errors import UserError

MAX_LENGTH = 5000  # numbers of a sequence that are read

META = {"length": int, "examples?": [{"numbers": [float], "first": int, "second": int}]}


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
    if not isinstance(raw, dict) or not isinstance(raw.get("numbers"), (list, tuple)):
        raise UserError("Expected numbers (a list), first and second (places from 1).")
    numbers = raw["numbers"]
    if not 2 <= len(numbers) <= MAX_LENGTH:
        raise UserError(f"The sequence has {len(numbers):,} numbers; expected 2 to {MAX_LENGTH:,}.")
    for place, number in enumerate(numbers, start=1):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= 1:
            raise UserError(f"Number {place} is {str(number)[:40]!r}; expected a number between 0 and 1.")
    for name in ("first", "second"):
        place = raw.get(name)
        if isinstance(place, bool) or not isinstance(place, int) or not 1 <= place <= len(numbers):
            raise UserError(f"{name} is {str(place)[:40]!r}; expected a place from 1 to {len(numbers)}.")
    if raw["first"] == raw["second"]:
        raise UserError(f"first and second are both {raw['first']}; expected two different places.")
    return encode(np.array([numbers], "float32"), np.array([[raw["first"] - 1, raw["second"] - 1]]))


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
