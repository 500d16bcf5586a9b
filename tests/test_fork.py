"""Forks: every project becomes a repository that stands alone, and what cannot become one is refused in one sentence."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from common import runs
from common.errors import UserError
from common.project import Project
from common.tools import fork as forking
from common.tools.fork import fork
from tests.conftest import PROJECTS, ROOT, one_now_others_slow

every_project = pytest.mark.parametrize("name", PROJECTS)
AUTHOR = {f"GIT_{who}_{what}": "someone@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture(autouse=True)
def an_author(monkeypatch):
    for key, value in AUTHOR.items():
        monkeypatch.setenv(key, value)


@pytest.fixture(scope="module")
def forked(trained, tmp_path_factory):
    """name -> a fork of that project with its toy run, made once."""
    made = {}

    def make(name: str):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("forks") / f"my-{name}"
            fork(Project(name), made[name], run=trained(name))
        return made[name]

    return make


def alone(folder, *command: str, **settings: str) -> subprocess.CompletedProcess:
    """A command from a fork's root, with nothing of the suite in its environment unless the settings say so."""
    dropped = ("PYTHONPATH", "KERAS_PORTFOLIO_RUNS", "KERAS_PORTFOLIO_DATA", "PYTEST_CURRENT_TEST")
    environment = {key: value for key, value in os.environ.items() if key not in dropped} | settings
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


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
    for path in folder.rglob("*"):
        if ".git" in path.relative_to(folder).parts or path.suffix not in (".py", ".md", ".toml", ".txt", ".yml"):
            continue
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text, path
        # Documents speak of no other project; code may know a word of it, such as a translation, and points at none.
        mention = r"\b{}\b" if path.suffix == ".md" else r"\b(?:projects|apps|tests)[./](?:test_)?{}\b"
        assert not {other for other in others if re.search(mention.format(other), text)}, path
        if path.suffix == ".md":
            for link in re.findall(r"\]\(([^)\s]+)\)", text):
                assert re.match(r"\w+:|#", link) or (path.parent / link).exists(), f"{path}: {link}"


@every_project
def test_every_import_of_a_fork_is_there(name, forked):
    """What the code imports from the suite's folders lies in the fork, and what else it imports is on its package list."""
    folder = forked(name)
    rooms = {"common", "projects", "apps", "benchmarks", "tests"}
    listed = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert listed["tool"]["setuptools"] == {"packages": []}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []  # fmt: skip
            for module in modules:
                if module.split(".")[0] in rooms:
                    file = folder / module.replace(".", "/")
                    assert file.with_suffix(".py").is_file() or (file / "__init__.py").is_file(), f"{path}: {module}"
    wanted = {re.split(r"[^\w.-]", line)[0] for line in listed["project"]["dependencies"]}
    suite = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    dropped = {re.split(r"[^\w.-]", line)[0] for line in suite} - wanted
    assert {"keras", "tensorflow", "streamlit", "tensorboard"} <= wanted
    imported = set().union(*(forking._imported(path) for path in folder.rglob("*.py")))
    tops = {module.split(".")[0] for module in imported}
    for package in dropped:
        provided = {module for module, packages in forking.importlib.metadata.packages_distributions().items() if package in packages}  # fmt: skip
        assert provided and not provided & tops, package


PAGE = """
import json, sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("streamlit_app.py", default_timeout=200).run()
assert not app.exception and not app.error, (app.exception, app.error)
import apps.shared, common.runs, projects
print(json.dumps({"title": app.title[0].value, "buttons": [button.key for button in app.button], "answers": len(app.json), "files": [apps.shared.__file__, common.runs.__file__, projects.__file__]}))
"""


@one_now_others_slow
def test_the_page_of_a_fork_works_at_once(name, forked):
    """With the run that it carries, from its root, while the suite can be imported from elsewhere on the path."""
    folder = forked(name)
    child = alone(folder, "-c", PAGE, PYTHONPATH=str(ROOT))
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout.splitlines()[-1])
    assert found["title"] == Project(name).card.TITLE["en"]
    assert found["answers"] == 1 and "train-default" not in found["buttons"]
    assert all(file.startswith(str(folder)) for file in found["files"]), "a page of the fork ran the suite's code"


@every_project
def test_the_commands_of_a_fork_are_its_own(name, forked, tmp_path):
    folder = forked(name)
    # The fork's card is changed, so that it can be told from the suite's.
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    card = changed / "projects" / name / "__init__.py"
    card.write_text(forking._with_title(card.read_text(encoding="utf-8"), "Quite another title"), encoding="utf-8")
    for root, title in ((changed, "Quite another title"), (ROOT, Project(name).card.TITLE["en"])):
        elsewhere = str(ROOT if root == changed else changed)
        helped = alone(root, "-m", f"projects.{name}.train", "--help", PYTHONPATH=elsewhere)
        assert helped.returncode == 0 and title in helped.stdout, helped.stderr
    listed = alone(folder, "-m", "projects", "list")
    assert listed.returncode == 0 and not [other for other in PROJECTS if other != name and other in listed.stdout]


def test_a_fork_can_be_forked(forked, tmp_path):
    name = PROJECTS[0]
    done = alone(forked(name), "-m", "projects", "fork", name, str(tmp_path / f"my-{name}"), "--run", "latest")
    assert done.returncode == 0, done.stderr
    for file in ("README.md", "pyproject.toml", ".gitignore", "ARCHITECTURE.md", "data/README.md"):
        first, second = (
            (folder / file).read_text(encoding="utf-8") for folder in (forked(name), tmp_path / f"my-{name}")
        )
        assert first == second, file


def test_the_structure_test_and_the_linter_pass_in_a_fork(tmp_path):
    name = PROJECTS[-1]
    fork(Project(name), tmp_path / "fork", 'A title with "quotes"')
    for command in (
        ["pytest", "-q", "-p", "no:cacheprovider", "tests/test_structure.py"],
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--check", "."],
    ):
        done = alone(tmp_path / "fork", "-m", *command)
        assert done.returncode == 0, done.stdout + done.stderr


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
    ]
    for arguments, words in cases:
        with pytest.raises(UserError, match=words):
            fork(project, *arguments)
    (unfinished.path / "report.json").write_text("{}")
    monkeypatch.setattr(forking, "MAX_RUN_MB", 0)
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


def test_a_carried_run_tells_nothing_of_this_machine(trained, tmp_path):
    name = PROJECTS[0]
    run = runs.Run(tmp_path / "runs" / name / trained(name).id)
    shutil.copytree(trained(name).path, run.path)
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
    """As a stranger would: fork, new environment, both commands of the README; then the suite in the same environment."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    name = re.search(r"python -m projects\.(\w+)\.train", readme)[1]
    folder, venv = tmp_path / "my-fork", tmp_path / "venv"
    fork(Project(name), folder)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    binaries = venv / ("Scripts" if os.name == "nt" else "bin")
    dropped = ("PYTHONPATH", "PYTHONHOME", "KERAS_PORTFOLIO_RUNS", "KERAS_PORTFOLIO_DATA")
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    environment |= {"PATH": f"{binaries}{os.pathsep}{environment['PATH']}", "VIRTUAL_ENV": str(venv)}

    def shell(command: str, root=folder) -> str:
        done = subprocess.run(command, shell=True, cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    commands = [line for line in (folder / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("python -m pip install")]  # fmt: skip
    assert len(commands) == 2
    for command in commands:
        shell(command)
    assert len(list((folder / "runs" / name).glob("*/report.json"))) == 1
    # The suite in the same environment: from its own root each runs its own code, from elsewhere there is the suite's.
    shell("python -m pip install -q --no-deps -e .", ROOT)
    where = 'python -c "import common, projects, apps; print(common.__file__, projects.__file__, apps.__file__)"'
    for root in (folder, ROOT):
        assert all(file.startswith(str(root)) for file in shell(where, root).split())
    assert all(file.startswith(str(ROOT)) for file in shell(where, tmp_path).split())
