"""Which Python files a fork holds: the project, its page, its tests, and whatever these reach by their imports.

What is imported inside a function counts. What is opened by a name that only exists while the code runs does not: see
OPTIONAL.
"""

import ast
import functools
import re
from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError
from common.project import project_names
from common.tools.fork.prune import pruned, without

ROOT = Path(__file__).parents[3]
CONTRACT = ("__init__", "config", "encoding", "data", "model", "predict", "evaluate", "train")
COMMANDS, TERMS = "projects/__main__.py", "apps/i18n.py"
# What is opened by name while the code runs: the standard data sets, and what makes recurrent layers faster.
OPTIONAL = {"standard": "projects/{name}/standard.py", "speed": "common/layers/recurrent.py"}


def suite() -> dict[str, str]:
    """{path relative to the root: text} of every Python file of this repository that a fork may hold."""
    files = [path for folder in ("common", "projects", "apps", "tests") for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(files)}


def tools() -> list[str]:
    """The tools that a fork can take along: what `python -m projects` offers, but not `fork` itself."""
    return sorted(_tools_in((ROOT / COMMANDS).read_text(encoding="utf-8")) - {"fork"})


def code_of_fork(name: str, extras: Iterable[str] = ()) -> dict[str, str]:
    """{path: text} of the Python files of a fork of the project, without the definitions that nothing in it names.

    extras: the tools to take along, and any of OPTIONAL. Raises UserError for others.
    """
    extras, sources, card = set(extras), suite(), f"projects/{name}/__init__.py"
    check_extras(name, extras)
    roots = [f"projects/{name}/{file}.py" for file in CONTRACT] + [f"apps/{name}.py", "tests/conftest.py"]
    roots += [OPTIONAL[extra].format(name=name) for extra in extras & set(OPTIONAL)]
    if "standard" not in extras:
        sources[card] = without(sources[card], {"STANDARD"})
    chosen = extras - set(OPTIONAL)
    for tool in chosen:
        roots += [path for path in sources if re.match(rf"common/tools/{tool}(/|\.py)|apps/{tool}_results\.py", path)]
    if chosen:
        roots.append(COMMANDS)
        sources[COMMANDS] = commands(sources[COMMANDS], chosen)
    roots += _tests(name, chosen, sources, reached(roots, sources))
    files: dict[str, str] = {}
    while files != sources:  # what is pruned away may have been all that reached a file
        files = {path: sources[path] for path in reached(roots, sources)}
        sources = pruned(files)
    return {path: terms(text, files) if path == TERMS else text for path, text in files.items()}


def terms(text: str, files: dict[str, str]) -> str:
    """`apps/i18n.py` with the terms alone that another file of the fork names."""
    words = set().union(*(re.findall(r"\w+", other) for path, other in files.items() if path != TERMS))
    entry = re.compile(r'    "(\w+)": "[^"]*",\n')
    return entry.sub(lambda line: line[0] if line[1] in words | {"en", "ko"} else "", text)


def check_extras(name: str, extras: set[str]) -> None:
    """Raise UserError for what cannot be taken along."""
    known = [*tools(), *OPTIONAL]
    if unknown := extras - set(known):
        raise UserError(f"--with takes {', '.join(known)}, with commas between; not {', '.join(sorted(unknown))}.")
    if "standard" in extras and not (ROOT / "projects" / name / "standard.py").is_file():
        raise UserError(f"--with standard: {name} has no standard sets.")


def reached(roots: Iterable[str], sources: dict[str, str]) -> set[str]:
    """The files that are roots or reached from them by imports, with the `__init__.py` of every folder above them."""
    files: set[str] = set()
    waiting = set(roots) & set(sources)
    while waiting:
        file = waiting.pop()
        files.add(file)
        above = {f"{'/'.join(file.split('/')[:depth])}/__init__.py" for depth in range(1, file.count("/") + 1)}
        waiting |= (above | imported_files(sources[file])) & set(sources) - files
    return files


def imported_files(text: str) -> set[str]:
    """The paths that the imports of a Python file may mean: for `from a import b` a/b.py, a.py and the two packages."""
    paths = [name.replace(".", "/") for name in imported(text)]
    paths += [path.rpartition("/")[0] for path in paths]
    return {f"{path}{ending}" for path in paths for ending in (".py", "/__init__.py")}


@functools.cache
def imported(text: str) -> frozenset[str]:
    """Every dotted name that a Python file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def commands(text: str, chosen: set[str]) -> str:
    """`projects/__main__.py` with the commands of the chosen tools alone."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    gone = {node.name for node in functions if _tools_in(ast.unparse(node)) - chosen}
    text = without(text, gone)
    for name in gone:  # also as the entry of a dict, such as {"search": search}
        text = re.sub(rf',? *"\w+": {name}\b', "", text).replace("{, ", "{")
    return text


def _tools_in(text: str) -> set[str]:
    """The tools that a Python text imports."""
    return {name.split(".")[2] for name in imported(text) if name.startswith("common.tools.")}


def _tests(name: str, chosen: set[str], sources: dict[str, str], files: set[str]) -> list[str]:
    """The tests of the project and of its chosen tools, and the contract test.

    A test file that imports what the fork does not hold stays behind.
    """
    subjects = "|".join(["contract", name, *chosen])
    longer = "|".join(other for other in project_names() if other.startswith(f"{name}_"))  # their tests begin alike
    tests = [path for path in sources if re.match(rf"tests/test_({subjects})(_\w+)?\.py", path)]
    tests = [path for path in tests if not (longer and re.match(rf"tests/test_({longer})[_.]", path))]
    return [path for path in tests if {file for file in reached([path], sources) if "tests/" not in file} <= files]
