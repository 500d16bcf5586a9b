"""Functions of this code base as one Python file that runs without the code base.

The file holds the functions, every function, class and constant of `common/` and `projects/` that they use, directly or
through others, and the imports of other packages that all of these need. It is made without running anything:

- The names that a definition reads from its module are taken from its byte code. A name that its module imports from
  this code base is looked up in the module it comes from. Imports inside functions and `module.name` count too.
- A name's definition is every statement at the top of its module that assigns it. A statement that only changes an
  object (`TABLE["x"] = 1`) is not found, nor a name that is looked up when the code runs (`getattr(module, name)`).
- The file does not evaluate annotations. What is used in annotations alone is left out, but for the classes that the
  parameters of the functions themselves name, so that a caller can make such a parameter.
- A name that two modules define is renamed in one of them, to `<module>_<name>`.
"""

import __future__

import ast
import builtins
import dis
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("common", "projects")  # these are copied; other packages are imported


@dataclass(frozen=True)
class Definition:
    """A name that a module of this code base defines."""

    module: str
    name: str


@dataclass(frozen=True)
class Import:
    """A name that comes from another package."""

    name: str
    statement: str


@dataclass
class Module:
    """The source of one module.

    statements: name -> the top-level statements that assign or import it. nested: id of a top-level statement -> name
    -> the import from this code base inside of it that binds the name.
    """

    source: bytes
    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    nested: dict[int, dict[str, ast.stmt]] = field(default_factory=dict)

    def offset(self, line: int, column: int = 0) -> int:
        """The place in `source` of a position in the syntax tree: lines from 1, columns in bytes from 0."""
        return [0, *accumulate(map(len, self.source.splitlines(keepends=True)))][line - 1] + column


def functions(module: str) -> list[str]:
    """The names of the functions that a module defines, in alphabetical order."""
    definitions = _module(module).statements
    return sorted(name for name in definitions if isinstance(definitions[name][-1], ast.FunctionDef))


def standalone(module: str, names: list[str]) -> tuple[str, list[str]]:
    """(source, packages): the functions `names` of a module with all that they use, and the packages to install.

    Raises RuntimeError for code that cannot be copied by the rules above.
    """
    entries = [Definition(module, name) for name in names]
    closure = Closure()
    for entry in entries:
        _collect(entry, closure)
        for target in _parameter_types(entry):
            _collect(target, closure)
    imports = [target for target in closure.targets if isinstance(target, Import)]
    definitions = [target for target in closure.targets if isinstance(target, Definition)]
    new_names = _new_names([*entries, *imports, *definitions], closure.hidden)
    # A statement that assigns several names is written once.
    statements = {id(one): (d.module, one) for d in definitions for one in _module(d.module).statements[d.name]}
    text, before = "\n".join(sorted({target.statement for target in imports})), ""
    for module, statement in statements.values():
        if module != before:
            text += f"\n\n\n# from {module}\n"
        else:
            text += "\n\n\n" if hasattr(statement, "body") else "\n"
        text += _rewritten(module, statement, new_names)
        before = "" if hasattr(statement, "body") else module
    used = [target.statement.split()[1] for target in imports]
    used += [name for _, statement in statements.values() for name in _imported_modules(statement)]
    packages = {name.split(".")[0] for name in used} - sys.stdlib_module_names
    return f"from __future__ import annotations\n\n{text.strip()}\n", sorted(packages)


@dataclass
class Closure:
    """What a set of functions uses.

    targets: the definitions and imports, each after those that it uses itself. hidden: target -> the local variables
    of the statements that use it under another name (`from module import LIMIT as MOST`): in the file, where all use
    one name, that name must be none of these.
    """

    targets: dict[Definition | Import, None] = field(default_factory=dict)
    hidden: dict[Definition | Import, set[str]] = field(default_factory=dict)
    begun: set[Definition] = field(default_factory=set)


def _collect(definition: Definition, closure: Closure) -> None:
    """Add a definition to the closure, after everything that it uses."""
    if definition in closure.begun:
        return
    closure.begun.add(definition)
    for statement in _module(definition.module).statements[definition.name]:
        for name in _assigned(statement):
            _collect(Definition(definition.module, name), closure)
        for target, expression in _uses(definition.module, statement):
            if ast.unparse(expression) != target.name:
                closure.hidden.setdefault(target, set()).update(_local_names(_code(statement)))
            if isinstance(target, Definition):
                _collect(target, closure)
            else:
                closure.targets[target] = None
    closure.targets[definition] = None


def _parameter_types(function: Definition) -> list[Definition]:
    """The definitions of this code base that the annotations of a function's parameters name."""
    node = _module(function.module).statements[function.name][-1]
    assert isinstance(node, ast.FunctionDef)
    names = [part for part in ast.walk(node.args) if isinstance(part, ast.Name)]
    targets = [target for target, _ in _meanings(function.module, node, names)]
    return [target for target in targets if isinstance(target, Definition)]


def _new_names(
    targets: list[Definition | Import], hidden: dict[Definition | Import, set[str]]
) -> dict[Definition | Import, str]:
    """The name of each target in the file. Earlier targets keep theirs; nothing is named like a builtin."""
    names: dict[Definition | Import, str] = {}
    taken: dict[str, Definition | Import | None] = dict.fromkeys(dir(builtins))
    for target in targets:
        name, local_names = target.name, hidden.get(target, set())
        if isinstance(target, Definition) and (taken.get(name, target) != target or name in local_names):
            name = f"{target.module.rpartition('.')[2]}_{name}"
        other = taken.get(name, target)
        packages = f"import {name}."  # `import a.b` and `import a.c` bind the same name to the same package
        same = all(isinstance(one, Import) and one.statement.startswith(packages) for one in (target, other))
        if (other != target and not same) or name in local_names:
            raise RuntimeError(f"{target} has no name in the file that is free: {name} is taken")
        taken[name], names[target] = target, name
    return names


@cache
def _module(name: str) -> Module:
    """Read a module of this code base. Imports from it inside functions are noted and taken out of the syntax tree."""
    path = ROOT / name.replace(".", "/")
    module = Module((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_bytes())
    for statement in ast.parse(module.source).body:
        if not isinstance(statement, (ast.Import, ast.ImportFrom)):
            module.nested[id(statement)] = _take_out_imports(statement)
        if not (isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)):
            for assigned in _assigned(statement):
                module.statements.setdefault(assigned, []).append(statement)
    return module


def _take_out_imports(statement: ast.stmt) -> dict[str, ast.stmt]:
    """Replace the imports from this code base inside a statement by `pass`; returns them by the names they bind."""
    nested: dict[str, ast.stmt] = {}
    for parent in ast.walk(statement):
        bodies: list[Any] = [getattr(parent, part, None) for part in ("body", "orelse", "finalbody")]
        for body in bodies:
            for i, node in enumerate(body if isinstance(body, list) else []):
                if isinstance(node, (ast.Import, ast.ImportFrom)) and _is_ours(_imported_modules(node)[0]):
                    nested |= dict.fromkeys(_bound(node), node)
                    body[i] = ast.copy_location(ast.Pass(), node)
    return nested


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in PACKAGES


def _imported_modules(tree: ast.AST) -> list[str]:
    """The modules that are imported anywhere in a syntax tree."""
    modules: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    return modules


def _bound(statement: ast.Import | ast.ImportFrom) -> dict[str, ast.alias]:
    """The names that an import binds."""
    return {alias.asname or alias.name.split(".")[0]: alias for alias in statement.names}


def _resolved(module: str, name: str, nested: dict[str, ast.stmt]) -> Definition | Import | str | None:
    """What a name of a module means: a definition, an import, a module of this code base, or None for a builtin."""
    statements = [nested[name]] if name in nested else _module(module).statements.get(name)
    if statements is None:
        return None
    statement = statements[-1]
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return Definition(module, name)
    alias = _bound(statement)[name]
    renamed = f" as {alias.asname}" if alias.asname else ""
    if isinstance(statement, ast.Import):
        if _is_ours(alias.name):
            return alias.name if alias.asname else name
        return Import(name, f"import {alias.name}{renamed}")
    origin = statement.module or ""
    if not _is_ours(origin):
        return Import(name, f"from {origin} import {alias.name}{renamed}")
    return _member(origin, alias.name)


def _member(module: str, name: str) -> Definition | Import | str | None:
    """What `module.name` means, as in `_resolved`; a name that the module does not define is a module inside it."""
    return _resolved(module, name, {}) if name in _module(module).statements else f"{module}.{name}"


def _uses(module: str, statement: ast.stmt) -> Iterator[tuple[Definition | Import, ast.expr]]:
    """Each definition or import that a statement uses, and the expression that uses it: `name` or `module.name`."""
    places = set(_global_places(_code(statement)))
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return _meanings(module, statement, [node for node in names if (node.lineno, node.col_offset) in places])


def _meanings(
    module: str, statement: ast.stmt, names: list[ast.Name]
) -> Iterator[tuple[Definition | Import, ast.expr]]:
    """What these names in a statement mean, with the expression: of the name of a module, `module.name`."""
    nested = _module(module).nested.get(id(statement), {})
    attributes = {id(node.value): node for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    for name in names:
        expression: ast.expr = name
        target = _resolved(module, name.id, nested)
        while isinstance(target, str):
            if id(expression) not in attributes:
                raise RuntimeError(f"{module}, line {name.lineno}: the module {target} is used as a value")
            attribute = attributes[id(expression)]
            expression, target = attribute, _member(target, attribute.attr)
        if target is not None:
            yield target, expression


def _code(statement: ast.stmt) -> CodeType:
    tree = ast.Module([statement], [])
    return compile(tree, "<statement>", "exec", __future__.annotations.compiler_flag, dont_inherit=True)


def _assigned(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement assigns or imports."""
    return [step.argval for step in dis.get_instructions(_code(statement)) if step.opname == "STORE_NAME"]


def _global_places(code: CodeType, top: bool = True) -> Iterator[tuple[int, int]]:
    """(line, column) of every name that is read from the module or assigned in it."""
    for step in dis.get_instructions(code):
        concerns_module = "GLOBAL" in step.opname or step.opname == "LOAD_NAME" or (top and step.opname == "STORE_NAME")
        if concerns_module and step.positions and step.positions.lineno:
            yield step.positions.lineno, step.positions.col_offset or 0
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_places(constant, top=False)


def _local_names(code: CodeType) -> set[str]:
    """The local variables of all functions in a statement."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return {*code.co_varnames, *code.co_cellvars}.union(*map(_local_names, inner))


def _rewritten(module: str, statement: ast.stmt, new_names: dict[Definition | Import, str]) -> str:
    """The text of a top-level statement, with the comment above it, new names, and without the imports inside it."""
    source = _module(module)
    edits = []
    for target, expression in _uses(module, statement):
        begin = source.offset(expression.lineno, expression.col_offset)
        end = source.offset(expression.end_lineno or 0, expression.end_col_offset or 0)
        edits.append((begin, end, new_names[target], ast.unparse(expression)))
    for node in source.nested.get(id(statement), {}).values():
        begin, end = source.offset(node.lineno), source.offset((node.end_lineno or 0) + 1)
        edits.append((begin, end, "", source.source[begin:end].decode()))
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        line = source.offset(statement.lineno)
        match = re.compile(rb"(def|class)\s+(\w+)").search(source.source, line)
        assert match
        edits.append((*match.span(2), new_names[Definition(module, statement.name)], statement.name))
    first = min(node.lineno for node in (statement, *getattr(statement, "decorator_list", ())))
    lines = source.source.splitlines()
    while first > 1 and lines[first - 2].startswith(b"#"):
        first -= 1
    begin, text = (
        source.offset(first),
        source.source[source.offset(first) : source.offset((statement.end_lineno or 0) + 1)],
    )
    for start, end, new, old in sorted(set(edits), reverse=True):
        if text[start - begin : end - begin].decode() != old:
            raise RuntimeError(f"{module}: {old!r} cannot be renamed")
        text = text[: start - begin] + new.encode() + text[end - begin :]
    return text.decode().rstrip()
