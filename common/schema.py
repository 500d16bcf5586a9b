"""What a JSON value must look like: a specification is written like the value itself.

It is a type (`float` stands for any finite number, `object` for anything), None, or a tuple of alternatives. `[kind]`
is a list of values of one kind. `{str: kind}` is a dict with any names. Any other dict says what each of its names
holds; a name that ends in `?` may be missing.
"""

import json
import math
from typing import Any

NAMES = {str: "a text", bool: "true or false", dict: "an object", list: "a list"}


def mismatch(value: Any, specification: Any, place: str = "") -> str:
    """How a value differs from a specification, in a few words that name the place; empty where it does not."""
    if isinstance(specification, tuple):
        if any(not mismatch(value, one, place) for one in specification):
            return ""
        return mismatch(value, specification[0], place)
    if isinstance(specification, list):
        if not isinstance(value, list):
            return _wrong(value, place, "a list")
        parts = ((item, specification[0], f"{place}[{i}]") for i, item in enumerate(value))
        return next(filter(None, (mismatch(*part) for part in parts)), "")
    if isinstance(specification, dict):
        if not isinstance(value, dict):
            return _wrong(value, place, "an object")
        if str in specification:
            named = dict.fromkeys(value, specification[str])
        else:
            optional = {name for name in specification if name.endswith("?") and name[:-1] not in value}
            named = {name.removesuffix("?"): specification[name] for name in specification if name not in optional}
        for name, one in named.items():
            inner = f"{place}.{name}" if place else name
            if name not in value:
                return f"{inner} is missing"
            if wrong := mismatch(value[name], one, inner):
                return wrong
        return ""
    if specification is None:
        return "" if value is None else _wrong(value, place, "null")
    if specification is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return "" if number else _wrong(value, place, "a finite number")
    if specification is int:
        return "" if isinstance(value, int) and not isinstance(value, bool) else _wrong(value, place, "a whole number")
    return "" if isinstance(value, specification) else _wrong(value, place, NAMES.get(specification, "another type"))


def _wrong(value: Any, place: str, expected: str) -> str:
    return f"{place or 'its content'} is {json.dumps(value, default=str)[:40]}; expected {expected}"
