"""Who may import whom, and what appears nowhere. What is asked is read from the source, so nothing is run."""

import ast
import functools
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conftest import PROJECTS, ROOT

FOLDERS = ("common", "projects", "apps")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
ids = [str(path.relative_to(ROOT)) for path in FILES]


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Every name that a file imports, those inside functions too: `common.runs`, `common.runs.Run`."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def module(path: Path) -> str:
    """`common.runs` for common/runs.py; a package for its `__init__.py`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in FILES}


@functools.cache
def imported_files(path: Path) -> frozenset[Path]:
    """The files of this repository that a file imports. `from common import runs` imports runs.py."""
    files = set()
    for name in imported(path):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]  # the last part may be a function or a class
        files |= {MODULES[name]} if name else set()
    return frozenset(files)


def reached(path: Path, among: Iterable[Path] = FILES) -> set[Path]:
    """The files that a file imports, and those that they import, and so on; all of them `among` these."""
    found, todo, among = set(), [path], set(among)
    while todo:
        new = (imported_files(todo.pop()) & among) - found
        found |= new
        todo += new
    return found


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_run_one_way(path):
    """apps -> projects -> common -> keras; no project imports another; Streamlit in apps/ alone."""
    folder, names = path.relative_to(ROOT).parts[0], imported(path)
    tops = {name.split(".")[0] for name in names}
    allowed = {"common": {"common"}, "projects": {"common", "projects"}, "apps": {"common", "projects", "apps"}}[folder]
    assert tops & {*FOLDERS, "benchmarks", "docs", "tests"} <= allowed
    assert "streamlit" not in tops or folder == "apps"
    if folder == "projects":
        others = set(PROJECTS) - {path.relative_to(ROOT).parts[1]}
        assert not {name.split(".")[1] for name in names if name.startswith("projects.")} & others


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_no_files_import_each_other_in_a_circle(path):
    circle = [other for other in reached(path) if path in reached(other)]
    assert not circle, f"{module(path)} is in a circle with {', '.join(sorted(map(module, circle)))}"


ORDER = ("__init__", "config", "encoding", "data", "standard", "model", "metrics", "predict", "evaluate", "train")


@pytest.mark.parametrize("name", PROJECTS)
def test_the_files_of_a_project_import_in_the_drawn_order(name):
    """Each file of ORDER reaches those before it only, through other files of the project too."""
    folder = ROOT / "projects" / name
    files = set(folder.rglob("*.py"))
    for place, file in enumerate(ORDER):
        if (path := folder / f"{file}.py").exists():
            later = {folder / f"{other}.py" for other in ORDER[place:]} & reached(path, files)
            assert not later, f"{module(path)} reaches {', '.join(sorted(map(module, later)))}"


def test_standard_sets_are_loaded_by_name_only():
    """No file imports a project's `standard.py`, so a fork can leave it out. `common/project.py` finds it by its name."""
    standard = {f"projects.{name}.standard" for name in PROJECTS}
    for path in FILES:
        assert not {module(file) for file in imported_files(path)} & standard, path


def test_only_the_command_and_pages_import_tools():
    """`common/tools/` works on any project, so nothing that a project needs may depend on it."""
    tools = ROOT / "common" / "tools"
    for path in FILES:
        if (
            tools not in path.parents
            and path != ROOT / "projects" / "__main__.py"
            and ROOT / "apps" not in path.parents
        ):
            assert not [file for file in imported_files(path) if tools in file.parents], path


@pytest.mark.parametrize("folder", ["inputs", "layers"])
def test_inputs_and_layers_know_nothing_of_runs(folder):
    """They import each other within their folder, errors and files, and nothing else of `common/`."""
    own = ROOT / "common" / folder
    allowed = {ROOT / "common" / f"{name}.py" for name in ("__init__", "errors", "files")}
    for path in own.glob("*.py"):
        others = {file for file in imported_files(path) if own not in file.parents}
        assert others <= allowed, f"{module(path)} imports {', '.join(sorted(map(module, others - allowed)))}"


def test_every_part_of_common_is_in_the_drawing():
    """The names of files and folders of `common/` in ARCHITECTURE.md: no other stands there, and none is left out."""
    if len(PROJECTS) == 1:
        pytest.skip("a fork has a drawing of its own")
    drawing = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("```")[1].partition("  common/ ")[2]
    words = re.split(r"(?:inputs|layers|tools)/", drawing.partition("\n    ▼")[0])
    for folder, drawn in zip(("", "inputs", "layers", "tools"), words, strict=True):
        paths = [path for path in (ROOT / "common" / folder).glob("*") if (path / "__init__.py").exists() or path.suffix == ".py"]  # fmt: skip
        names = {path.stem for path in paths} - {"__init__", "inputs", "layers", "tools"}
        assert names == set(
            re.findall(r"\w+", drawn.rpartition(": ")[2] if folder else drawn.partition(" the run: ")[2])
        )


def plain_name(requirement: str) -> str:
    """The name of a distribution as packaging tools compare it, without version and extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def test_every_package_that_is_imported_is_declared():
    """What a training, a page or a command needs is a dependency; tools, tests and benchmarks may have extras."""
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {*map(plain_name, package["dependencies"]), "jax"}  # JAX is imported where Keras runs on it alone
    extras = {plain_name(line) for lines in package.get("optional-dependencies", {}).values() for line in lines}
    optional = [ROOT / folder for folder in ("common/tools", "common/fonts", "tests", "benchmarks", "docs")]
    optional.append(ROOT / "projects" / "video_labelling" / "video.py")  # PyAV: a GIF is read without it
    optional.append(ROOT / "common" / "inputs" / "workbook.py")  # openpyxl: a CSV file is read without it
    brought_by = importlib.metadata.packages_distributions()
    here = {path.name for path in ROOT.iterdir()}
    for path in {*FILES, *(path for folder in optional for path in folder.rglob("*.py"))}:
        declared = needed | (extras if set(optional) & {path, *path.parents} else set())
        for top in {name.split(".")[0] for name in imported(path)} - sys.stdlib_module_names - here:
            # A package that is not installed is taken to be called as its module.
            assert set(map(plain_name, brought_by.get(top, [top]))) & declared, f"{path} imports {top}"


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nothing_unsafe(path):
    text = path.read_text(encoding="utf-8")
    assert not {name.split(".")[0] for name in imported(path)} & {"pickle", "joblib", "dill", "cloudpickle"}
    for pattern in (
        r"\bLambda\(",
        "unsafe_allow_html",
        r"allow_pickle=True",
        r"safe_mode=False",
        r"\beval\(",
        r"shell=True",
    ):
        assert not re.search(pattern, text), pattern


@pytest.mark.parametrize("name", PROJECTS)
def test_heavy_packages_are_imported_inside_functions(name):
    """`train.py` and the card import Config and the command line only, so that --help answers at once."""
    for file in ("__init__.py", "config.py", "train.py"):
        tree = ast.parse((ROOT / "projects" / name / file).read_text(encoding="utf-8"))
        top = [node.names[0].name if isinstance(node, ast.Import) else node.module for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]  # fmt: skip
        allowed = ("common.cli", "common.runs", "common.config", f"projects.{name}.config", "dataclasses", "typing")
        assert set(top) <= set(allowed), file


@pytest.mark.parametrize("path", sorted((ROOT / "apps").rglob("*.py")), ids=lambda path: path.name)
def test_every_text_has_both_languages(path):
    """t(english, korean): two arguments, the second with Hangul, the first without."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "t":
            assert len(node.args) == 2, f"line {node.lineno}"
            english, korean = (ast.unparse(argument) for argument in node.args)
            assert re.search("[가-힣]", korean) and not re.search("[가-힣]", english), f"line {node.lineno}"


def test_readme_commands_are_the_ones_that_are_tested():
    """Both commands stand above the first section, in the suite as in a fork of it."""
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")[0]
    trained = re.search(r"python -m pip install -e \. && python -m projects\.(\w+)\.train", first_screen)
    assert trained and trained[1] in PROJECTS
    assert 'python -m pip install -e ".[test]" && python -m pytest -m "not slow"' in first_screen


def test_every_fragment_of_a_page_shows_errors_itself():
    """Streamlit draws a fragment again without the page around it, so what the page catches is not caught then.

    The fragment of a lesson reads no file of a run.
    """
    for path in (ROOT / "apps").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                texts = [ast.unparse(decorator) for decorator in node.decorator_list]
                if any(text.startswith("st.fragment") for text in texts):
                    code = "\n".join([*texts, *(ast.unparse(part) for part in node.body[:2])])
                    assert "errors_shown()" in code, f"{path}: {node.name}"
