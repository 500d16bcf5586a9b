"""Which Python files a fork holds: the project, its page, its tests, and whatever these reach by their imports.

An import inside a function counts. A file that the code finds by its name while it runs does not. So `standard.py`
stays behind, with the loaders of the standard sets.
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
# What trains faster on a CPU. common/layers/speed.py finds these files by their names.
SPEED = ("common/layers/recurrent.py", "common/layers/normalization.py", "common/memory.py")
TRAINING, UPLOAD = "apps/training.py", "apps/own_data.py"  # tabs and fields of a page, which find these by their names
CHARTS = ("apps/charts.py", "common/drawn.py")  # figures that a page draws, found by their names
# Parquet with a faster reader of text, and .xlsx; common/inputs/ finds both by their names.
TABLES = ("common/inputs/arrow.py", "common/inputs/workbook.py")
COMMANDS, CONFTEST = "projects/__main__.py", "tests/conftest.py"


def suite() -> dict[str, str]:
    """{path relative to the root: text} of every Python file of this repository that a fork may hold."""
    files = [path for folder in ("common", "projects", "apps", "tests") for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(files)}


def tools() -> list[str]:
    """The tools that a fork can take along: what `python -m projects` offers, but not `fork` itself."""
    return sorted(_tools_in((ROOT / COMMANDS).read_text(encoding="utf-8")) - {"fork"})


def code_of_fork(name: str, extras: Iterable[str] = ()) -> dict[str, str]:
    """{path: text} of the Python files of a fork of the project, without the definitions that nothing in it names.

    extras: what else to take along: tools, "speed", "training" (the page's tab Train), "upload" (the same with own
    data), "charts" (figures in the page's colours), "large" (Parquet, .xlsx, and tables that do not fit in memory), and
    files of the project that nothing imports, such as "standard", the loaders of standard sets. Raises UserError for
    anything else.
    """
    folder, sources = f"projects/{name}", suite()
    roots = [f"{folder}/{file}.py" for file in CONTRACT] + [f"apps/{name}.py", CONFTEST]
    unreached = {path for path in sources if path.startswith(f"{folder}/")} - reached(roots, sources)
    optional = {
        "speed": SPEED,
        "training": (TRAINING,),
        "upload": (TRAINING, UPLOAD),
        "charts": CHARTS,
        "large": TABLES,
    }
    for path in sorted(unreached):
        optional[Path(path).stem] = (*optional.get(Path(path).stem, ()), path)
    if unknown := set(extras) - {*tools(), *optional}:
        known = ", ".join([*tools(), *optional])
        raise UserError(f"--with takes {known}, with commas between; not {', '.join(sorted(unknown))}.")
    roots += [path for extra, paths in optional.items() if extra in extras for path in paths]
    unused = {"STANDARD": "standard", "UPLOAD": "upload"}
    gone = {constant for constant, extra in unused.items() if extra not in extras}
    sources[f"{folder}/__init__.py"] = without(sources[f"{folder}/__init__.py"], gone)
    # pytest's hooks group the tests of many projects for its processes. One project needs no groups.
    sources[CONFTEST] = without(sources[CONFTEST], set(re.findall(r"def (pytest_\w+|group)\b", sources[CONFTEST])))
    chosen = set(extras) - set(optional)
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
        roots = [
            path for path in roots if path not in (*SPEED, *TABLES) or "\ndef " in sources[path]
        ]  # the files left out are of no use to this project
    return files


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
    return without(text, gone)


def _tools_in(text: str) -> set[str]:
    """The tools that a Python text imports."""
    return {name.split(".")[2] for name in imported(text) if name.startswith("common.tools.")}


def _tests(name: str, chosen: set[str], sources: dict[str, str], files: set[str]) -> list[str]:
    """The contract test, the tests of the project and of its tools; not those that import what stays behind."""
    subjects = "|".join(["contract", name, *chosen])
    longer = "|".join(other for other in project_names() if other.startswith(f"{name}_"))  # their tests begin alike
    tests = [path for path in sources if re.match(rf"tests/test_({subjects})(_\w+)?\.py", path)]
    tests = [path for path in tests if not (longer and re.match(rf"tests/test_({longer})[_.]", path))]
    return [path for path in tests if {file for file in reached([path], sources) if "tests/" not in file} <= files]
