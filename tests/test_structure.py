"""Who may import whom, and what appears nowhere."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import PROJECTS, ROOT

FILES = [path for room in ("common", "projects", "apps") for path in sorted((ROOT / room).rglob("*.py"))]
ids = [str(path.relative_to(ROOT)) for path in FILES]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_run_one_way(path):
    """apps -> projects -> common -> keras; no project imports another; Streamlit in apps/ alone."""
    room, names = path.relative_to(ROOT).parts[0], imported(path)
    tops = {name.split(".")[0] for name in names}
    allowed = {"common": {"common"}, "projects": {"common", "projects"}, "apps": {"common", "projects", "apps"}}[room]
    assert tops & {"common", "projects", "apps"} <= allowed
    assert "streamlit" not in tops or room == "apps"
    if room == "projects":
        others = set(PROJECTS) - {path.relative_to(ROOT).parts[1]}
        assert not {name.split(".")[1] for name in names if name.startswith("projects.")} & others


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


@pytest.mark.parametrize("path", sorted((ROOT / "apps").glob("*.py")), ids=lambda path: path.name)
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
