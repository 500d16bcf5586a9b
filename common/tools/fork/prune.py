"""Removes from Python files the top-level definitions that nothing names, and the imports that are no longer used.

A name means what its file says. So a definition stays when the code that stays uses it: by its name in its own file,
or by an import of it or of its file. What cannot be followed counts for every definition of that name: an attribute of
any other value, a name that its file does not bind, a word in a string that is no sentence. So too much may stay, but
never too little.
"""

import ast
import functools
import re
from dataclasses import dataclass, field

WIDTH = 120  # the longest line that the formatter leaves
IMPORT = (ast.Import, ast.ImportFrom)
DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(eq=False)
class Part:
    """A top-level statement with the comments directly above it, or a line of comment that stands apart."""

    first: int  # the number of its first line, counted from 0
    end: int  # the number of the line after it
    node: ast.stmt | None = None
    defines: set[str] = field(default_factory=set)  # it goes unless one of these is named; empty: it always stays
    variables: set[str] = field(default_factory=set)  # the variables in it
    attributes: set[tuple[str, str]] = field(default_factory=set)  # (variable, attribute) of each `variable.attribute`
    words: set[str] = field(default_factory=set)  # attributes of other values, and the words of its strings


def pruned(sources: dict[str, str]) -> dict[str, str]:
    """{path: text} of the same files without the definitions that no code uses which stays."""
    files = {path: parts(text, path) for path, text in sources.items()}
    modules = {path[:-3].replace("/", ".").removesuffix(".__init__"): path for path in sources}
    tops = {module.split(".")[0] for module in modules}
    defined = {path: set().union(*(part.defines for part in every)) for path, every in files.items()}
    bound = {path: _bound_names(text) for path, text in sources.items()}
    used: set[tuple[str, str]] = set()  # (path, name)
    words: set[str] = set()  # names that may mean any definition

    def use(path: str, name: str) -> None:
        """Mark what a name of a file means, in the file that defines it."""
        if (path, name) in used:
            return
        used.add((path, name))
        for imported in bound[path].get(name, ()):
            module, _, last = imported.rpartition(".")
            if module in modules and imported not in modules:
                use(modules[module], last)
        if name not in bound[path] and name not in defined[path]:
            words.add(name)

    def use_attribute(path: str, variable: str, attribute: str) -> None:
        imported = bound[path].get(variable, set())
        for module in imported & set(modules):
            use(modules[module], attribute)
        if not imported or any(name not in modules and name.split(".")[0] in tops for name in imported):
            words.add(attribute)

    waiting = {part: path for path, every in files.items() for part in every if not isinstance(part.node, IMPORT)}
    while new := [
        part
        for part, path in waiting.items()
        if not part.defines or part.defines & words or any((path, name) in used for name in part.defines)
    ]:
        for part in new:
            path = waiting.pop(part)
            words |= part.words
            for name in part.variables:
                use(path, name)
            for attribute in part.attributes:
                use_attribute(path, *attribute)
    return {path: _joined(text, files[path], set(waiting)) for path, text in sources.items()}


def _bound_names(text: str) -> dict[str, set[str]]:
    """{name: what a file imports by it, as dotted names}; nothing for its arguments, variables and inner functions."""
    names: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.arg):
            names.setdefault(node.arg, set())
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.id, set())
        elif isinstance(node, DEFINITION):
            names.setdefault(node.name, set())
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                names.setdefault(_bound(alias), set()).add(alias.name if alias.asname else _bound(alias))
    return names


def without(text: str, names: set[str]) -> str:
    """A Python file without the top-level definitions of these names."""
    every = parts(text)
    return _joined(text, every, {part for part in every if part.node and _defined(part.node) & names})


@functools.cache
def parts(text: str, path: str = "") -> list[Part]:
    """The top-level statements of a Python file, in order, with the comments between them."""
    lines, statements = text.splitlines(), ast.parse(text).body
    here = set().union(*map(_defined, statements))
    every: list[Part] = []
    end = 0
    for node in statements:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
        comments = [i for i in range(end, first) if lines[i].startswith("#")]
        while comments and comments[-1] == first - 1:
            first = comments.pop()
        every += [Part(i, i + 1) for i in comments]
        end = node.end_lineno or 0
        defines = set() if _is_called(node, path, here) else _defined(node)
        if fixture := _fixture(node) if path.startswith("tests/") else "":
            defines = {fixture}
        every.append(Part(first, end, node, defines, *_named(node)))
    return every + [Part(i, i + 1) for i in range(end, len(lines)) if lines[i].startswith("#")]


def _defined(node: ast.stmt) -> set[str]:
    """The names that a statement defines; empty where it does anything else."""
    if isinstance(node, DEFINITION):
        return {node.name}
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [name for target in targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])]
        variables = {name.id for name in names if isinstance(name, ast.Name)}
        return variables if len(variables) == len(names) else set()
    if isinstance(node, ast.If):  # such as a function for Windows and one for the other systems
        inner = [_defined(child) for child in (*node.body, *node.orelse) if not isinstance(child, IMPORT)]
        return set().union(*inner) if all(inner) else set()
    return set()


def _is_called(node: ast.stmt, path: str, here: set[str]) -> bool:
    """Whether a definition is called although no code names it: by pytest, or by what its decorator puts it into.

    A decorator of the same file may put it into a list, as `@app.command` does. An imported one, such as `dataclass`
    or `functools.cache`, does not.
    """
    decorators = getattr(node, "decorator_list", [])
    if path.startswith("tests/"):
        return bool(decorators) or any(name.lower().startswith(("test", "pytest")) for name in _defined(node))
    return any(re.split(r"\W", ast.unparse(decorator))[0] in here for decorator in decorators)


def _fixture(node: ast.stmt) -> str:
    """What stands for a fixture of pytest in the words of those who ask for it; "" for anything else.

    A test asks by the name of an argument, or by a string. A fixture with `autouse` is always used.
    """
    decorators = " ".join(ast.unparse(decorator) for decorator in getattr(node, "decorator_list", []))
    is_asked_for = "pytest.fixture" in decorators and "autouse" not in decorators
    return f"fixture {node.name}" if is_asked_for and isinstance(node, DEFINITION) else ""


def _named(node: ast.stmt) -> tuple[set[str], set[tuple[str, str]], set[str]]:
    """(variables, attributes of variables, words) in a statement, as `Part` has them.

    Docstrings do not count: they speak of code and do not use it.
    """
    variables, attributes, words, docstrings = set(), set(), set(), set()
    for inner in [] if isinstance(node, IMPORT) else ast.walk(node):
        if isinstance(inner, ast.Name):
            variables.add(inner.id)
        elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            attributes.add((inner.value.id, inner.attr))
        elif isinstance(inner, ast.Attribute):
            words.add(inner.attr)
        elif isinstance(inner, ast.alias):
            variables.add(_bound(inner))  # an import inside a function, used or not
        elif isinstance(inner, ast.arg):
            words.add(f"fixture {inner.arg}")
        elif isinstance(inner, ast.Expr):
            docstrings.add(inner.value)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner not in docstrings:
            is_sentence = re.search(r"\w \w", inner.value) and "import" not in inner.value
            found = set() if is_sentence else set(re.findall(r"\w+", inner.value))
            words |= found | {f"fixture {word}" for word in found}
    return variables, attributes, words


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _joined(text: str, every: list[Part], gone: set[Part]) -> str:
    """The text without the parts that are gone, and without the imports and comments that lose their use by it."""
    if not gone:
        return text
    gone = gone | _empty_headings(every, gone)
    unused = set().union(*(part.variables for part in every))
    unused -= set().union(*(part.variables for part in every if part not in gone))
    lines, written = text.splitlines(), list[str]()
    blank = end = 0
    last: ast.stmt | None = None
    for part in every:
        blank, end = max(blank, part.first - end), part.end
        own = [] if part in gone else lines[part.first : part.end]
        if own and isinstance(part.node, IMPORT):
            own = _with_fewer_names(part.node, unused, own)
        if own:
            if isinstance(last, IMPORT) and isinstance(part.node, (ast.Assign, ast.AnnAssign)):
                blank = min(blank, 1)  # as the formatter has it
            written += [""] * (blank if written else 0) + own
            blank, last = 0, part.node
    return "\n".join(written) + "\n"


def _empty_headings(every: list[Part], gone: set[Part]) -> set[Part]:
    """The comments that stand apart, where all statements down to the next such comment are gone."""
    empty: set[Part] = set()
    heading: list[Part] = []
    below: list[Part] = []
    for part in [*every, Part(0, 0)]:
        if part.node:
            below.append(part)
        else:
            if below:
                empty |= set(heading) if gone.issuperset(below) else set()
                heading, below = [], []
            heading.append(part)
    return empty


def _with_fewer_names(node: ast.Import | ast.ImportFrom, unused: set[str], own: list[str]) -> list[str]:
    """The lines of an import without the unused names; none where no name is left."""
    names = [alias for alias in node.names if _bound(alias) not in unused]
    if len(names) == len(node.names):
        return own
    if not names:
        return []
    line = ast.unparse(ast.ImportFrom(node.module, names, 0) if isinstance(node, ast.ImportFrom) else ast.Import(names))
    comments = [above for above in own if above.startswith("#")]
    if len(line) <= WIDTH:
        return [*comments, line]
    head, _, listed = line.partition(" import ")
    return [*comments, f"{head} import (", *(f"    {name}," for name in listed.split(", ")), ")"]
