"""A project's knobs: a frozen dataclass. Beside each default stand its search range and its legal bounds.

    @dataclass(frozen=True)
    class Config:
        learning_rate: Annotated[float, Search(1e-4, 1e-2, log=True), Bounds(min=1e-8)] = 1e-3  # Adam's step size

The comment on the line is the help text, on the command line (tyro reads it) and on the page alike.
"""

import ast
import dataclasses
import functools
import inspect
import tokenize
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from common.errors import UserError
from common.schema import mismatch


@dataclass(frozen=True)
class Search:
    """The range in which a search tries a number. `log`: tried values are spaced by ratio (learning rates, widths)."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Bounds:
    """The values that a number may take. A run with another value is refused before anything is loaded."""

    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Knob:
    """One field of a Config, as the page and a search need it."""

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple | None
    optional: bool
    search: Search | None
    bounds: Bounds


def knobs(config_class: Callable) -> tuple[Knob, ...]:
    """The fields of a Config dataclass, in order, with type, default, help, choices, search range and bounds."""
    hints = typing.get_type_hints(config_class, include_extras=True)
    comments = _line_comments(config_class)
    result = []
    for field in dataclasses.fields(config_class):  # type: ignore[arg-type]
        hint = hints[field.name]
        extras: list[Any] = []
        if typing.get_origin(hint) is typing.Annotated:
            hint, *extras = typing.get_args(hint)
        optional = typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)
        if optional:
            hint = next(part for part in typing.get_args(hint) if part is not type(None))
        choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else None
        result.append(
            Knob(
                name=field.name,
                kind=type(choices[0]) if choices else hint,
                default=field.default,
                help=comments.get(field.name, ""),
                choices=choices,
                optional=optional,
                search=next((extra for extra in extras if isinstance(extra, Search)), None),
                bounds=next((extra for extra in extras if isinstance(extra, Bounds)), Bounds()),
            )
        )
    return tuple(result)


def check(config: Any) -> None:
    """Raise `UserError` for the first knob that has another type, or is outside its bounds or its choices."""
    for knob in knobs(type(config)):
        value, flag = getattr(config, knob.name), "--" + knob.name.replace("_", "-")
        if value is None and knob.optional:
            continue
        if knob.choices:
            if not isinstance(value, knob.kind) or value not in knob.choices:
                raise UserError(f"{flag} is {value!r}; expected one of {', '.join(map(str, knob.choices))}.")
        elif knob.kind in (int, float):
            smallest, largest = knob.bounds.min, knob.bounds.max
            if wrong := mismatch(value, knob.kind):
                raise UserError(f"{flag}: {wrong}.")
            if smallest is not None and value < smallest:
                raise UserError(f"{flag} is {value}; the least it may be is {smallest}.")
            if largest is not None and value > largest:
                raise UserError(f"{flag} is {value}; the most it may be is {largest}.")
        elif not isinstance(value, knob.kind):
            raise UserError(f"{flag} is {value!r}; expected {'a text' if knob.kind is str else 'true or false'}.")


def from_dict(config_class: Callable, values: dict[str, Any]) -> Any:
    """A Config from the content of `config.json`. Raises UserError for an unknown knob or an illegal value."""
    known = {field.name for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise UserError(f"The run's config.json has knobs that this version does not know: {', '.join(unknown)}.")
    config = config_class(**values)
    check(config)
    return config


@functools.cache
def _line_comments(config_class: Callable) -> dict[str, str]:
    """Map each field name to the comment on its line."""
    source = inspect.getsource(config_class)
    lines = iter(source.splitlines(keepends=True))
    by_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(lambda: next(lines, ""))
        if token.type == tokenize.COMMENT
    }
    fields = [node for node in ast.parse(source).body[0].body if isinstance(node, ast.AnnAssign)]  # type: ignore[attr-defined]
    return {node.target.id: by_line.get(node.end_lineno, "") for node in fields}  # type: ignore[union-attr, arg-type]
