"""Forks: every project becomes a repository that stands alone, and what cannot become one is refused in one sentence."""

import ast
import functools
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from common import runs
from common.errors import UserError
from common.project import Project
from common.tools.fork import carried_run, documents, fork
from common.tools.fork.closure import imported, tools
from tests import reports
from tests.children import asked_one_by_one
from tests.conftest import PROJECTS, ROOT, one_now_others_slow

every_project = pytest.mark.parametrize("name", PROJECTS)
AUTHOR = {f"GIT_{who}_{what}": "someone@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
# Lines of Python in a fork, tests included. The goals are 6,000 for fraud_detection and 5,000 for the others; these are
# the sizes that have been reached, so that no fork grows unseen.
LINES = {
    "bankruptcy": 7385,
    "char_rnn": 6050,
    "colorization": 5710,
    "comic_text": 8705,
    "fraud_detection": 7360,
    "image_captioning": 7625,
    "image_classification": 6535,
    "mask_detection": 7370,
    "sequence_tagging": 6750,
    "super_resolution": 5360,
    "text_classification": 6810,
    "translation": 7285,
    "video_labelling": 7090,
}
CODE = ("common", "projects", "apps", "tests", "benchmarks")


@pytest.fixture(autouse=True)
def an_author(monkeypatch):
    for key, value in AUTHOR.items():
        monkeypatch.setenv(key, value)


def finished_run(name: str, folder: Path) -> runs.Run:
    """A run that nobody trained: the files that a fork looks at."""
    project = Project(name)
    run = runs.start(project, project.toy, "builtin", folder / "data", folder / "runs")
    reports.finish(run, 0.4321, model="carried")
    (run.path / "MODEL_CARD.md").write_text(f"# {project.card.TITLE['en']}: carried\n")
    (run.path / "figures").mkdir()
    for figure in ("history", "scores"):
        (run.path / "figures" / f"{figure}.png").write_bytes(b"")
    return run


@pytest.fixture(scope="session")
def forked(tmp_path_factory):
    """(name, *extras) -> a fork of that project, made once: the plain one with a run, the others with a title."""
    made, base = {}, tmp_path_factory.mktemp("forks")

    def make(name: str, *extras: str) -> Path:
        key = "-".join([name, *extras])
        if key not in made:
            if extras:
                fork(Project(name), base / key, 'A title with "quotes"', extras=extras)
            else:
                fork(Project(name), base / key, run=finished_run(name, tmp_path_factory.mktemp("runs")))
            made[key] = base / key
        return made[key]

    return make


def alone(folder, *command: str, **settings: str) -> subprocess.CompletedProcess:
    """A command from a fork's root, with nothing of the suite in its environment unless the settings say so."""
    dropped = (
        "PYTHONPATH",
        "KERAS_PORTFOLIO_RUNS",
        "KERAS_PORTFOLIO_DATA",
        "KERAS_PORTFOLIO_TOYS",
        "PYTEST_CURRENT_TEST",
    )
    environment = {key: value for key, value in os.environ.items() if key not in dropped} | settings
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


def texts(folder: Path, *endings: str) -> dict[Path, str]:
    """{path: text} of the files with these endings, but not git's."""
    files = (path for path in folder.rglob("*") if path.suffix in endings and ".git" not in path.parts)
    return {path: path.read_text(encoding="utf-8") for path in files}


# What a fork holds


@every_project
def test_a_fork_is_whole(name, forked):
    folder = forked(name)
    git = ["git", "-C", str(folder)]
    assert (
        subprocess.run([*git, "log", "--format=%an"], capture_output=True, text=True).stdout == "someone@example.org\n"
    )
    assert not subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout
    assert not (folder / f"projects/{name}/README.md").exists(), "the case study would stand there twice"
    for file in (f"tests/test_{name}.py", f"apps/{name}.py", "LICENSE", "MODEL_CARD.md", ".streamlit/config.toml"):
        assert (folder / file).is_file(), file
    others = set(PROJECTS) - {name}
    for path, text in texts(folder, ".py", ".md", ".toml", ".txt", ".yml").items():
        assert str(ROOT) not in text, path
        # Documents speak of no other project; code may know a word of it, such as a translation, and points at none.
        mention = r"\b{}\b" if path.suffix == ".md" else r"\b(?:projects|apps|tests)[./](?:test_)?{}\b"
        assert not {other for other in others if re.search(mention.format(other), text)}, path
        if path.suffix == ".md":
            for link in re.findall(r"\]\(([^)\s]+)\)", text):
                assert re.match(r"\w+:|#", link) or (path.parent / link.partition("#")[0]).exists(), f"{path}: {link}"


@every_project
def test_score_and_picture_of_a_readme_are_those_of_the_run_that_is_carried(name, forked):
    folder = forked(name)
    (run,) = (folder / "runs" / name).iterdir()
    first = (folder / "README.md").read_text(encoding="utf-8").partition("```")[0]
    metric = Project(name).metric("builtin")[0].replace("_", " ")
    assert (
        f"`{run.name}` (carried" in first and f"{metric} is **0.432**" in first and "| mean | 0.432 | worse |" in first
    )
    assert f"![scores](runs/{name}/{run.name}/figures/scores.png)" in first and "docs/" not in first
    study = (ROOT / "projects" / name / "README.md").read_text(encoding="utf-8").partition("```")[0]
    for figure in set(re.findall(r"\d\.\d+", study)):
        assert figure not in first, f"{figure} belongs to another run"


def test_the_model_card_has_the_forks_title(tmp_path):
    run = finished_run(PROJECTS[0], tmp_path)
    fork(Project(PROJECTS[0]), tmp_path / "fork", "My own", run=run)
    for path in (tmp_path / "fork" / "MODEL_CARD.md", *(tmp_path / "fork" / "runs").rglob("MODEL_CARD.md")):
        assert path.read_text().startswith("# My own: carried\n")
    assert (tmp_path / "fork" / "README.md").read_text().startswith("# My own\n")


@every_project
def test_a_fork_holds_its_project_and_no_more(name, forked):
    """No other project, no tool, no benchmark, no test of shared parts, no loader of standard sets; short enough to read."""
    folder = forked(name)
    inside = [path.name for path in (folder / "projects").iterdir()]
    assert sorted(inside) == ["__init__.py", name]
    for missing in (
        "apps/training.py",
        "common/inputs/arrow.py",
        "common/inputs/workbook.py",
        "common/tools",
        "benchmarks",
        "docs/pictures.py",
        ".ci",
        "CONTRIBUTING.md",
        "apps/main.py",
    ):
        assert not (folder / missing).exists(), missing
    assert not (folder / f"projects/{name}/standard.py").exists()
    assert "STANDARD =" not in (folder / f"projects/{name}/__init__.py").read_text(encoding="utf-8")
    tests = {path.name for path in (folder / "tests").glob("test_*.py")} - {"test_contract.py"}
    assert tests and all(re.match(rf"test_{name}[_.]", test) for test in tests)
    sizes = {str(path.relative_to(folder)): text.count("\n") for path, text in texts(folder, ".py").items()}
    lines, largest = sum(sizes.values()), sorted(sizes.items(), key=lambda size: -size[1])
    assert lines <= LINES.get(name, 5000), (lines, largest[:6])


@every_project
def test_what_a_fork_describes_is_there(name, forked):
    """ARCHITECTURE.md lists every file. The README opens with the case study, and says what works in the suite alone."""
    folder = forked(name)
    architecture, readme, data_page = (
        (folder / file).read_text(encoding="utf-8") for file in ("ARCHITECTURE.md", "README.md", "data/README.md")
    )
    listed = set(re.findall(r"^\| \[([\w/.]+\.py)\]", architecture, re.MULTILINE))
    held = {path.relative_to(folder).as_posix() for path in texts(folder, ".py")} - {"streamlit_app.py"}
    assert listed == {file for file in held if not file.endswith("__init__.py")} | {f"projects/{name}/__init__.py"}
    study = (ROOT / "projects" / name / "README.md").read_text(encoding="utf-8").splitlines()
    question = next(line for line in study[1:] if line)
    assert readme.splitlines()[2].startswith(re.split(r"(?<=[.?!*])\s+(?=[A-Z])", question)[0])
    commands, _, origin = readme.partition("## Where it comes from")
    for command in re.findall(r"python -m (benchmarks|projects [a-z]+)\b", commands):
        assert f"`python -m {command}" in origin, command
    for data in getattr(Project(name).card, "STANDARD", {}):
        assert f"--data {data}" not in commands or f"`--data {data}`" in origin
        assert f"| `{data}` |" not in data_page
    assert "standard set" not in data_page
    for data in Project(name).card.DATA:
        assert f"| {name} | `{data}` |" in data_page


# What the code of a fork names is there


@functools.cache
def nodes_of(text: str) -> list[ast.AST]:
    """All nodes of a Python text, the module first. Most files are the same in many forks."""
    return list(ast.walk(ast.parse(text)))


@functools.cache
def defined(text: str) -> set[str]:
    """The names that a module has: what it defines or imports at the top, in branches too."""
    names = {"__file__", "__doc__", "__spec__", "__name__", "__path__"}
    for node in nodes_of(text)[0].body:
        for part in (node, *ast.walk(node)) if isinstance(node, (ast.If, ast.Try)) else (node,):
            if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
                names.add(part.name)
            elif isinstance(part, (ast.Assign, ast.AnnAssign)):
                names |= {name.id for name in ast.walk(part) if isinstance(name, ast.Name)}
            elif isinstance(part, (ast.Import, ast.ImportFrom)):
                names |= {alias.asname or alias.name.split(".")[0] for alias in part.names}
    return names


def unresolved(folder: Path) -> list[str]:
    """What the code of a repository takes from its own modules, by import or as an attribute, and they do not have."""

    @functools.cache
    def module(name: str) -> Path | None:
        path = folder / name.replace(".", "/")
        return next(filter(Path.is_file, (path.with_suffix(".py"), path / "__init__.py")), None)

    problems, sources = [], texts(folder, ".py")
    for path, text in sources.items():
        modules, nodes = {}, nodes_of(text)
        for node in nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] in CODE and not module(alias.name):
                        problems.append(f"{path}: {alias.name}")
                    elif alias.asname and (file := module(alias.name)):
                        modules[alias.asname] = file
            elif isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in CODE:
                for alias in node.names:
                    if file := module(f"{node.module}.{alias.name}"):
                        modules[alias.asname or alias.name] = file
                    elif not (file := module(node.module)) or alias.name not in defined(sources[file]):
                        problems.append(f"{path}: {node.module}.{alias.name}")
        local = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        local |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                file = None if node.value.id in local else modules.get(node.value.id)
                if file and node.attr not in defined(sources[file]):
                    problems.append(f"{path}: {node.value.id}.{node.attr}")
    return problems


@every_project
def test_every_import_of_a_fork_is_there(name, forked):
    """What the code takes from the fork's own files lies there, and what else it imports is on the list of packages."""
    folder = forked(name)
    assert not unresolved(folder)
    listed = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert listed["tool"]["setuptools"] == {"packages": []}
    wanted = {re.split(r"[^\w.-]", line)[0] for line in listed["project"]["dependencies"]}
    suite = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    dropped = {re.split(r"[^\w.-]", line)[0] for line in suite} - wanted
    assert {"keras", "tensorflow", "streamlit", "tensorboard"} <= wanted
    assert set(listed["project"]["optional-dependencies"]) == {"test"} and "optuna" in dropped
    modules = {module.split(".")[0] for text in texts(folder, ".py").values() for module in imported(text)}
    if "packaged_photograph(" in "".join(texts(folder, ".py").values()):
        assert {"scikit-image", "scikit-learn"} <= wanted, "the photographs lie in these packages"
    for package in dropped:
        provided = {module for module, packages in importlib.metadata.packages_distributions().items() if package in packages}  # fmt: skip
        assert provided and not provided & modules, package


def test_an_unresolved_name_is_noticed(forked, tmp_path):
    """The check above sees what it is for."""
    folder = tmp_path / "fork"
    shutil.copytree(forked(PROJECTS[0]), folder, ignore=shutil.ignore_patterns(".git"))
    (folder / "apps" / "new.py").write_text(
        "from common import runs\nfrom common.files import nothing\nruns.nowhere()\n"
    )
    (folder / "common" / "errors.py").unlink()
    problems = " ".join(unresolved(folder))
    assert "common.files.nothing" in problems and "runs.nowhere" in problems and "common.errors" in problems


README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST = re.search(r"python -m projects\.(\w+)\.train", README)[1]  # the project that the tests of tools use
TAKEN = [(FIRST, tool) for tool in tools()] + [(FIRST, *tools())]
TAKEN += [(name, "standard") for name in PROJECTS if (ROOT / "projects" / name / "standard.py").exists()][:1]
TAKEN += [(FIRST, "speed"), (FIRST, "training"), (FIRST, "upload"), (FIRST, "charts"), ("fraud_detection", "large")]


@pytest.mark.parametrize("taken", TAKEN, ids="+".join)
def test_what_is_taken_along_is_whole(taken, forked):
    """A tool's files, its part of the page, its tests, and a `projects/__main__.py` with its command and no other."""
    name, *extras = taken
    folder, chosen = forked(*taken), set(extras) - {"standard", "speed", "large", "training", "upload", "charts"}
    assert not unresolved(folder)
    assert (folder / f"projects/{name}/standard.py").exists() == ("standard" in extras)
    card = (folder / f"projects/{name}/__init__.py").read_text(encoding="utf-8")
    assert ("STANDARD =" in card) == ("standard" in extras)
    assert (folder / "common/layers/recurrent.py").exists() == ("speed" in extras)
    for file in ("apps/training.py", "tests/test_contract_training.py"):
        assert (folder / file).exists() == bool({"training", "upload"} & set(extras)), file
    assert (folder / "apps/own_data.py").exists() == ("upload" in extras)
    assert (folder / "apps/charts.py").exists() == (folder / "common/drawn.py").exists() == ("charts" in extras)
    for file in (
        "common/inputs/arrow.py",
        "common/inputs/workbook.py",
        f"projects/{name}/large.py",
        f"tests/test_{name}_large.py",
    ):
        assert (folder / file).exists() == ("large" in extras), file
    assert (folder / "common/memory.py").exists() == bool({"speed", "compare", "search"} & set(extras))
    assert not (folder / "common/layers/normalization.py").exists(), f"{name} has no batch normalisation"
    assert (folder / "common/tools").exists() == (folder / "projects/__main__.py").exists() == bool(chosen)
    for tool in chosen:
        assert list((folder / "common/tools").glob(f"{tool}*"))
        assert (folder / f"apps/{tool}_results.py").exists() == (ROOT / f"apps/{tool}_results.py").exists()
        if len(chosen) == len(tools()):  # a test that imports another tool too stays behind where that one does
            assert (folder / f"tests/test_{tool}.py").exists() == (ROOT / f"tests/test_{tool}.py").exists()
    if chosen:
        tree = ast.parse((folder / "projects/__main__.py").read_text(encoding="utf-8"))
        commands = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
        assert len(commands) == len(chosen)


def test_the_commands_of_the_tools_that_were_taken_along(forked):
    name = FIRST
    for extras in (["list"], tools()):
        helped = alone(forked(name, *extras), "-m", "projects", "--help")
        assert helped.returncode == 0 and _commands(helped.stdout) == set(extras), helped.stderr
    listed = alone(forked(name, "list"), "-m", "projects", "list")
    assert listed.returncode == 0 and name in listed.stdout
    assert not [other for other in PROJECTS if other != name and other in listed.stdout]
    searched = alone(forked(name, "search"), "-m", "projects", "search", name, "--help")
    assert searched.returncode == 0 and "--strategy" in searched.stdout and "--epochs" in searched.stdout


def _commands(help_text: str) -> set[str]:
    """The commands that a help text lists, by the names of their files."""
    return {command.replace("-", "_") for command in re.findall(r"• ([\w-]+)", help_text)}


def test_the_linter_passes_in_every_fork(forked):
    """Definitions and imports that were pruned leave nothing undefined, nothing unused and no untidy line."""
    folders = [forked(name) for name in PROJECTS] + [forked(*taken) for taken in TAKEN]
    for command in (["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."]):
        done = alone(folders[0].parent, "-m", *command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_structure_test_passes_in_a_fork(forked, tmp_path):
    """A fork does not hold this test, and keeps what it asks."""
    folder = tmp_path / "fork"
    shutil.copytree(forked(PROJECTS[-1]), folder)
    shutil.copy(ROOT / "tests" / "test_structure.py", folder / "tests")
    done = alone(folder, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/test_structure.py")
    assert done.returncode == 0, done.stdout + done.stderr


# Its commands and its page


# A process that shows the page of a fork, of another one after it. Each runs its own code: none is kept from the one before.
PAGES = """
import contextlib, json, os, sys
import streamlit
from streamlit.testing.v1 import AppTest

def answer(folder):
    os.chdir(folder)
    for variable in ("KERAS_PORTFOLIO_RUNS", "KERAS_PORTFOLIO_DATA"):
        os.environ.pop(variable, None)
    for name in [name for name in sys.modules if name.split(".")[0] in ("apps", "common", "projects")]:
        del sys.modules[name]
    streamlit.cache_resource.clear()
    streamlit.cache_data.clear()
    with contextlib.redirect_stdout(sys.stderr):
        app = AppTest.from_file(os.path.abspath("streamlit_app.py"), default_timeout=200).run()
    assert not app.exception and not app.error, (app.exception, app.error)
    import apps.shared, common.runs, projects
    files = [apps.shared.__file__, common.runs.__file__, projects.__file__]
    print(json.dumps({"title": app.title[0].value, "buttons": [button.key for button in app.button], "answers": len(app.json), "files": files}))
"""


@pytest.fixture(scope="session")
def shown(tmp_path_factory):
    """The folder of a fork -> what its page shows, while the suite can be imported from elsewhere on the path."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with asked_one_by_one(PAGES, elsewhere, PYTHONPATH=str(ROOT)) as ask:
        yield lambda folder: json.loads(ask(str(folder)))


@one_now_others_slow
def test_the_page_of_a_fork_works_at_once(name, trained, tmp_path, shown):
    """With the run that it carries, from its root."""
    folder = tmp_path / "fork"
    fork(Project(name), folder, run=trained(name))
    page = shown(folder)
    assert page["title"] == Project(name).card.TITLE["en"]
    assert page["answers"] == 1 and not [button for button in page["buttons"] if button and "train" in button]
    assert all(file.startswith(str(folder)) for file in page["files"]), "a page of the fork ran the suite's code"


HELP = """
import contextlib, io, runpy, sys
sys.path[0] = ""
for name in sys.argv[1:]:
    sys.argv = ["train", "--help"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        runpy.run_module(f"projects.{name}.train", run_name="__main__")
    print(name, printed.getvalue())
"""


def test_the_commands_of_a_fork_are_its_own(forked, tmp_path):
    """From a fork's root its own code runs although the suite is on the path, and the other way round."""
    changed = {}
    for name in PROJECTS:  # the fork's card is changed, so that it can be told from the suite's
        changed[name] = tmp_path / name
        shutil.copytree(forked(name), changed[name], ignore=shutil.ignore_patterns(".git"))
        card = changed[name] / "projects" / name / "__init__.py"
        text = documents.card_with_title(card.read_text(encoding="utf-8"), "Quite another title")
        card.write_text(text, encoding="utf-8")
        helped = alone(changed[name], "-m", f"projects.{name}.train", "--help", PYTHONPATH=str(ROOT))
        assert helped.returncode == 0 and "Quite another title" in helped.stdout, helped.stderr
    elsewhere = os.pathsep.join(map(str, changed.values()))
    helped = alone(ROOT, "-c", HELP, *PROJECTS, PYTHONPATH=elsewhere)
    assert helped.returncode == 0 and "Quite another title" not in helped.stdout, helped.stderr
    assert all(Project(name).card.TITLE["en"] in helped.stdout for name in PROJECTS)


# Its name, and what is refused


def test_title_and_name(tmp_path):
    name = PROJECTS[0]
    files = fork(Project(name), tmp_path / "My Repo_2", "내 프로젝트")
    folder = tmp_path / "My Repo_2"
    assert "README.md" in files and "requirements.txt" not in files
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# 내 프로젝트\n")
    assert '"en": "내 프로젝트"' in (folder / "projects" / name / "__init__.py").read_text(encoding="utf-8")
    package = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert package["name"] == "my-repo-2" and package["description"] == Project(name).card.PROBLEM["en"]
    assert 'address = "localhost"' in (folder / ".streamlit/config.toml").read_text()
    fork(Project(name), tmp_path / "한글")
    named = tomllib.loads((tmp_path / "한글" / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    assert named == name.replace("_", "-")


def test_an_empty_directory_may_be_there(tmp_path):
    (tmp_path / "empty").mkdir()
    fork(Project(PROJECTS[0]), tmp_path / "empty")
    assert (tmp_path / "empty" / "README.md").is_file()


def test_what_cannot_be_forked_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    project = Project(PROJECTS[0])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    unfinished = runs.start(project, project.toy, "builtin", tmp_path / "data", tmp_path / "runs")
    before = sorted(tmp_path.rglob("*"))
    cases = [
        ((tmp_path / "full",), "not an empty directory"),
        ((tmp_path / "full" / "file",), "not an empty directory"),
        ((tmp_path / "no" / "such",), "does not exist"),
        ((ROOT,), "lies inside"),
        ((ROOT / "projects" / "mine",), "lies inside"),
        ((tmp_path / "new", " "), "--title"),
        ((tmp_path / "new", "two\nlines"), "--title"),
        ((tmp_path / "new", None, unfinished), "not finished"),
        ((tmp_path / "new", None, None, ["nothing"]), "--with takes .*search.*; not nothing"),
        ((tmp_path / "new", None, None, ["fork"]), "--with takes .*; not fork"),
    ]
    for arguments, words in cases:
        with pytest.raises(UserError, match=words):
            fork(project, *arguments)
    (unfinished.path / "report.json").write_text("{}")
    monkeypatch.setattr(carried_run, "MAX_RUN_MB", 0)
    with pytest.raises(UserError, match="at most 0"):
        fork(project, tmp_path / "new", run=unfinished)
    (unfinished.path / "report.json").unlink()
    for key in AUTHOR:
        monkeypatch.delenv(key)
    for key in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(key, os.devnull)
    monkeypatch.delenv("EMAIL", raising=False)
    with pytest.raises(UserError, match="git config --global"):
        fork(project, tmp_path / "new")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="no git here"):
        fork(project, tmp_path / "new")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_carried_run_tells_nothing_of_this_machine(tmp_path):
    name = PROJECTS[0]
    run = finished_run(name, tmp_path)
    home = tmp_path / "home of someone"
    request = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps({**request, "data": str(home / "my.csv"), "data_dir": str(home)}))
    with (run.path / "MODEL_CARD.md").open("a") as file:
        file.write(f"\ntrained on {home / 'my.csv'}\n")
    (run.path / "checkpoint").mkdir(exist_ok=True)
    (run.path / "checkpoint" / "state").touch()
    files = fork(Project(name), tmp_path / "fork", run=run)
    carried = [file for file in files if file.startswith("runs/")]
    assert f"runs/{name}/{run.id}/report.json" in carried and not [file for file in carried if "checkpoint" in file]
    for file in files:
        assert str(tmp_path).encode() not in (tmp_path / "fork" / file).read_bytes(), file
    assert "trained on data/my.csv" in (tmp_path / "fork" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "==" in (tmp_path / "fork" / "requirements.txt").read_text()
    assert "address" not in (tmp_path / "fork" / ".streamlit/config.toml").read_text()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_two_commands_in_a_new_virtual_environment(tmp_path):
    """As a stranger would: fork, new environment, both commands of the README, the page; then the suite beside it.

    The project is the one whose default trains fastest.
    """
    name = min(PROJECTS, key=lambda project: Project(project).card.MINUTES)
    folder, venv = tmp_path / "my-fork", tmp_path / "venv"
    fork(Project(name), folder)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    binaries = venv / ("Scripts" if os.name == "nt" else "bin")
    dropped = ("PYTHONPATH", "PYTHONHOME", "KERAS_PORTFOLIO_RUNS", "KERAS_PORTFOLIO_DATA", "KERAS_PORTFOLIO_TOYS")
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    environment |= {"PATH": f"{binaries}{os.pathsep}{environment['PATH']}", "VIRTUAL_ENV": str(venv)}

    def shell(command: str, root=folder, **settings) -> str:
        began = time.perf_counter()
        done = subprocess.run(
            command, shell=True, cwd=root, env=environment, capture_output=True, text=True, **settings
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        print(f"{time.perf_counter() - began:6.0f} s  {command}")
        return done.stdout

    commands = [line for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("python -m pip install")]  # fmt: skip
    assert len(commands) == 2
    for command in commands:
        shell(command)
    assert len(list((folder / "runs" / name).glob("*/report.json"))) == 1
    environment["PAGES"] = f"{PAGES}\nanswer('.')"
    page = json.loads(shell('python -c "$PAGES"').splitlines()[-1])
    assert page["answers"] == 1 and all(file.startswith(str(folder)) for file in page["files"])
    # The suite in the same environment: from its own root each runs its own code, from elsewhere there is the suite's.
    shell("python -m pip install -q --no-deps -e .", ROOT)
    where = 'python -c "import common, projects, apps; print(common.__file__, projects.__file__, apps.__file__)"'
    for root in (folder, ROOT):
        assert all(file.startswith(str(root)) for file in shell(where, root).split())
    assert all(file.startswith(str(ROOT)) for file in shell(where, tmp_path).split())
