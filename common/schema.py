"""What a JSON value must look like: a specification is written like the value itself.

It is a type (`float` stands for any finite number, `str` for any text that UTF-8 can hold, `object` for anything), a
`Between`, a text or None as they are, or a tuple of alternatives. `[kind]` is a list of one kind, `{str: kind}` a dict
with any names. Any other dict says what each of its names holds; a name that ends in `?` may be missing.
"""

import json
import re
import reprlib
import sys
from dataclasses import dataclass
from typing import Any

from common.errors import UserError

NAMES = {"str": "a text", "bool": "true or false", "dict": "an object"}


@dataclass(frozen=True)
class Between:
    """A number from `low` to `high`. It must be whole where both are whole."""

    low: float
    high: float


def mismatch(value: Any, specification: Any, place: str = "") -> str:
    """How a value differs from a specification, in a few words that name the place; empty where it does not."""
    if isinstance(specification, tuple):
        if any(not mismatch(value, one, place) for one in specification):
            return ""
        return mismatch(value, specification[0], place)
    if isinstance(specification, list):
        if not isinstance(value, list):
            return _wrong(value, place, "a list")
        one = specification[0][0] if isinstance(specification[0], tuple) else specification[0]
        one = Between(-sys.float_info.max, sys.float_info.max) if one is float else one
        if isinstance(one, Between) and all(type(x) is type(one.low) and one.low <= x <= one.high for x in value):
            return ""  # the usual case of a long list, answered fast
        parts = ((item, specification[0], f"{place}[{i}]") for i, item in enumerate(value))
        return next(filter(None, (mismatch(*part) for part in parts)), "")
    if isinstance(specification, dict):
        if not isinstance(value, dict):
            return _wrong(value, place, "an object")
        if str in specification:
            named = dict.fromkeys(value, specification[str])
        else:
            asked = [name for name in specification if name[-1] != "?" or name[:-1] in value]
            named = {name.removesuffix("?"): specification[name] for name in asked}
        for name, one in named.items():
            inner = f"{place}.{name}" if place else name
            if name not in value:
                return f"{inner} is missing"
            if wrong := mismatch(value[name], one, inner):
                return wrong
        return ""
    if specification is None:
        return "" if value is None else _wrong(value, place, "null")
    if isinstance(specification, str):
        same = isinstance(value, str) and value == specification  # an array would be compared part by part
        return "" if same else _wrong(value, place, json.dumps(specification))
    if isinstance(specification, Between):
        low, high = specification.low, specification.high
        whole = isinstance(low, int) and isinstance(high, int)
        if wrong := mismatch(value, int if whole else float, place):
            return wrong
        return "" if low <= value <= high else _wrong(value, place, f"{low:,} to {high:,}")
    if specification is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # A NaN, an infinity and a whole number that no float holds all fail this comparison.
        return "" if number and abs(value) <= sys.float_info.max else _wrong(value, place, "a finite number")
    if specification is int:
        return "" if isinstance(value, int) and not isinstance(value, bool) else _wrong(value, place, "a whole number")
    if specification is str and isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        return _wrong(value, place, "a text that UTF-8 can hold")
    return "" if isinstance(value, specification) else _wrong(value, place, NAMES[specification.__name__])


def check_input(raw: Any, specification: Any) -> None:
    """Raise UserError where a raw input, which a person or a page gives a Predictor, does not fit a specification."""
    if wrong := mismatch(raw, specification):
        raise UserError(f"The input cannot be used: {wrong}.")


def _wrong(value: Any, place: str, expected: str) -> str:
    return f"{place or 'it'} is {shown(value)}; expected {expected}"


def shown(value: Any) -> str:
    """A value in a message, cut short."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
