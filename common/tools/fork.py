"""A new repository out of one project: it trains, passes its tests and opens its page without the suite.

It holds the project, its page and its tests, all of `common/` with its tests, the theme, a package list of its own, the
case study as README, a CI workflow and a first commit. What belongs to other projects stays behind; which files those
are is read from their imports: no list of files is kept by hand.

The new repository installs its dependencies and no package of its own: `common`, `projects` and `apps` are found from
its root (`python -m …` and `streamlit_app.py` put it first). So it can share an environment with the suite or another
fork, and none of them runs the code of another.
"""

import ast
import importlib.metadata
import json
import os
import posixpath
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError
from common.files import new_folder, read_json, write_json, write_text
from common.project import Project, project_names
from common.runs import Run

ROOT = Path(__file__).parents[2]
MAX_RUN_MB = 50  # GitHub warns of files above it, and a page should open at once
LEFT_OUT_OF_A_RUN = ("checkpoint", "tensorboard", "evaluations", "log.txt", "stop")
GENERAL_TESTS = ("__init__.py", "conftest.py", "test_contract.py", "test_structure.py")  # they ask whatever is there
RUN_IT = "To run it, with Python 3.11 to 3.13:"  # above it the case study's first screen, below it the commands
OWN_SECTIONS = ("Deploy the page", "Make it your own", "Where it comes from")


def fork(project: Project, directory: Path, title: str | None = None, run: Run | None = None) -> list[str]:
    """Make the repository `directory` out of a project; returns its files. Nothing stays behind where it fails.

    title: what the page and the README are called instead of the project's own title. run: a finished run to carry
    along, so that the page has something to show at once. Raises UserError, before anything is written where it can.
    """
    directory = directory.resolve()
    _check(directory, title)
    case_study = _case_study(project.name)
    files = carried(project.name, case_study)
    run_files = _check_run(run) if run else []
    with new_folder(directory) as folder:
        for file in files:
            _copy(ROOT / file, folder / file)
        _write_documents(folder, project, directory.name, title, case_study, files, run)
        for file in run_files:
            _copy(run.path / file, folder / "runs" / project.name / run.id / file)  # type: ignore[union-attr]
        if run:
            _write_run(folder, run)
        _commit(folder, title or project.card.TITLE["en"])
        return sorted(path.relative_to(folder).as_posix() for path in _files(folder) if ".git" not in path.parts)


def _check(directory: Path, title: str | None) -> None:
    """Raise UserError for what is wrong with where and how, before anything is written."""
    if not shutil.which("git"):
        raise UserError("fork makes a git repository, and there is no git here: install it from https://git-scm.com.")
    for needed in ("pyproject.toml", "LICENSE", "tests", ".streamlit"):
        if not (ROOT / needed).exists():
            raise UserError(f"fork copies from a checkout of the source, and {ROOT} has no {needed}.")
    if directory.is_relative_to(ROOT):
        raise UserError(f"{directory} lies inside {ROOT}; give a directory outside of it, such as ../{directory.name}.")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UserError(f"{directory} is not an empty directory; give a new one.")
    if not directory.parent.is_dir():
        raise UserError(f"{directory.parent} does not exist; make it first.")
    if title is not None and (not title.strip() or not title.isprintable() or len(title) > 80):
        raise UserError("--title must be one line of 1 to 80 characters.")


def _check_run(run: Run) -> list[str]:
    """The files of a finished run that go along; a UserError where it is not finished or too large."""
    if not run.finished:
        raise UserError(f"The run {run.id} is not finished; only a finished run is carried along.")
    files = [path.relative_to(run.path) for path in _files(run.path)]
    files = [file for file in files if file.parts[0] not in LEFT_OUT_OF_A_RUN and not file.parts[0].startswith(".")]
    sizes = {file.as_posix(): (run.path / file).stat().st_size for file in files}
    if sum(sizes.values()) > MAX_RUN_MB * 1e6:
        largest = max(sizes, key=sizes.__getitem__)
        raise UserError(
            f"The run {run.id} has {sum(sizes.values()) / 1e6:.0f} MB (most in {largest}); a repository should carry "
            f"at most {MAX_RUN_MB}: train a smaller model for it."
        )
    return list(sizes)


# Which files go along


def carried(name: str, case_study: str) -> list[str]:
    """The files of the suite that a fork of the project takes as they are, relative to the root.

    Of the pages and benchmarks those that the project's own import or its case study names; of the tests those that
    need nothing that stays behind.
    """
    own = [f"apps/{name}.py", *(f"benchmarks/{bench}.py" for bench in re.findall(r"benchmarks\.(\w+)", case_study))]
    reached, waiting = set(), [file for file in own if (ROOT / file).is_file()]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += _local_imports(ROOT / file, ("apps", "benchmarks"))
    files = reached | {f"{file.split('/')[0]}/__init__.py" for file in reached}
    files |= {"LICENSE", "projects/__init__.py", "projects/__main__.py"}
    for room in ("common", ".streamlit", f"projects/{name}"):
        files |= {path.relative_to(ROOT).as_posix() for path in _files(ROOT / room)}
    files |= {path.relative_to(ROOT).as_posix() for path in _files(ROOT / "apps") if path.suffix != ".py"}
    files |= {link for link in _links(case_study, name) if link.startswith("docs/") and (ROOT / link).is_file()}
    files -= {f"projects/{name}/README.md"}  # the case study is the fork's own README
    stays = _stays_behind(name, files)
    for test in sorted((ROOT / "tests").glob("*.py")):
        if test.name in (*GENERAL_TESTS, f"test_{name}.py") or not _needs(test, stays):
            files |= {f"tests/{test.name}", *_local_imports(test, ("tests",))}
    return sorted(file for file in files if (ROOT / file).is_file())


def _stays_behind(name: str, files: set[str]) -> set[str]:
    """Words that a test which goes along must not hold: other projects, and files of the suite that stay behind."""
    rooms = [path for room in ("apps", "benchmarks", "docs", ".ci") for path in _files(ROOT / room)]
    behind = {path.relative_to(ROOT).as_posix() for path in rooms if path.parent.name != "tests"} - files
    words = set(project_names()) - {name}
    for file in behind:
        words |= {file, file.removesuffix(".py").replace("/", ".")}
        last = posixpath.basename(file)
        if "." in last and not any(posixpath.basename(other) == last for other in files):
            words.add(last)
    return words


def _needs(path: Path, words: set[str]) -> bool:
    """Whether a Python file imports or names, in a string, one of the words."""
    texts = _imported(path) | _strings(path)
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words for text in texts)


def _imported(path: Path) -> set[str]:
    """Every dotted name that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _strings(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _local_imports(path: Path, rooms: tuple[str, ...]) -> list[str]:
    """The files of the given folders that a file imports."""
    found = []
    for name in _imported(path):
        parts = name.split(".")
        if parts[0] in rooms:
            for length in (len(parts), len(parts) - 1):
                file = "/".join(parts[:length]) + ".py"
                if (ROOT / file).is_file():
                    found.append(file)
    return found


def _files(folder: Path) -> list[Path]:
    """The files under a folder, without what Python leaves there."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


# What is written anew


def _write_documents(
    folder: Path, project: Project, called: str, title: str | None, case_study: str, files: list[str], run: Run | None
) -> None:
    name, card = project.name, project.card
    others = set(project_names()) - {name}
    dropped = unneeded_packages(files)
    slug = next(filter(None, (_slug(text) for text in (called, title or "", name))))
    text = pyproject((ROOT / "pyproject.toml").read_text(encoding="utf-8"), slug, card.PROBLEM["en"], dropped, files)
    write_text(folder / "pyproject.toml", text)
    write_text(folder / "README.md", readme(name, title or card.TITLE["en"], case_study, files, run))
    for document in ("ARCHITECTURE.md", "data/README.md"):
        if (ROOT / document).is_file():
            text = _without(others, (ROOT / document).read_text(encoding="utf-8"))
            write_text(folder / document, text)
    write_text(folder / "streamlit_app.py", STREAMLIT_APP.format(name=name))
    write_text(folder / ".github" / "workflows" / "test.yml", WORKFLOW)
    write_text(folder / ".gitignore", gitignore((ROOT / ".gitignore").read_text(encoding="utf-8"), name, run))
    if title:
        card_file = folder / "projects" / name / "__init__.py"
        write_text(card_file, _with_title(card_file.read_text(encoding="utf-8"), title))
    if run:
        packages = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
        write_text(folder / "requirements.txt", requirements(packages))
        # A host reaches the page from outside its container; the commands of the README bind it to this machine.
        settings = folder / ".streamlit" / "config.toml"
        write_text(settings, re.sub(r"(?m)^address = .*\n", "", settings.read_text(encoding="utf-8")))


def unneeded_packages(files: Iterable[str]) -> set[str]:
    """The dependencies that only files which stay behind import.

    A package that nobody imports by name (a plug-in, a backend) stays on the list: its need cannot be seen.
    """
    files = set(files)
    everything = {path.relative_to(ROOT).as_posix() for room in ("common", "projects", "apps", "tests", "benchmarks") for path in _files(ROOT / room) if path.suffix == ".py"}  # fmt: skip # noqa: E501

    def used(paths: Iterable[str]) -> set[str]:
        words = set().union(*(_imported(ROOT / path) | _strings(ROOT / path) for path in paths))
        return {word.split(".")[0] for word in words}

    needed = used(file for file in files if file.endswith(".py"))
    elsewhere = used(everything - files)
    modules: dict[str, set[str]] = {}
    for module, packages in importlib.metadata.packages_distributions().items():
        for package in packages:
            modules.setdefault(_normal(package), set()).add(module)
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {_normal(re.split(r"[^\w.-]", line)[0]) for line in listed}
    return {name for name in names if modules.get(name, set()) & elsewhere and not modules[name] & needed}


def pyproject(text: str, name: str, description: str, dropped: set[str], files: list[str]) -> str:
    """The suite's pyproject.toml as the fork's: its own name, the packages that it needs, no package of its own."""
    for key, value in (("name", name), ("version", "0.1.0"), ("description", description)):
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        text = re.sub(rf"(?m)^{key} = .*$", lambda _, line=line: line, text, count=1)  # type: ignore[misc]
    lines = []
    for line in text.splitlines():
        package = re.match(r'\s+"([\w.-]+)', line)
        if package and _normal(package[1]) in dropped:
            continue
        if line.startswith("bench = ") and not any(file.startswith("benchmarks/") for file in files):
            continue
        lines.append(line)
    text = "\n".join(lines) + "\n"
    text = re.sub(r"(?ms)^\[tool\.setuptools.*?(?=^\[(?!tool\.setuptools)|\Z)", NO_PACKAGES, text)
    if tomllib.loads(text)["tool"]["setuptools"] != {"packages": []}:
        raise RuntimeError("the sections [tool.setuptools…] of pyproject.toml do not stand together any more")
    return text


def requirements(packages: list[str]) -> str:
    """requirements.txt: the packages in the versions in which the run is known to work here."""
    lines = ["# The versions that the run in runs/ was carried along with; pyproject.toml has the ranges."]
    for package in packages:
        name = re.split(r"[^\w.-]", package)[0]
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(package)
    return "\n".join(lines) + "\n"


def gitignore(text: str, name: str, run: Run | None) -> str:
    """The suite's .gitignore; a run that is carried along, and how often its test split was looked at, are kept."""
    if not run:
        return text
    kept = f"/runs/*/*\n!/runs/{name}/{run.id}/\n!/runs/{name}/looks.csv\n"
    return re.sub(r"(?m)^/runs/.*\n(^!/runs/.*\n)*", kept, text, count=1)


def readme(name: str, title: str, case_study: str, files: list[str], run: Run | None) -> str:
    """README.md: the case study's first screen, the two commands, its rest, then what to do with the repository."""
    case_study = _relinked(case_study, name, files)
    first, _, rest = case_study.partition("\n## ")
    first = re.sub(r"^# .*\n", "", first, count=1).strip()
    local = " --server.address localhost" if run else ""
    text = README.format(title=title, first=first, run_it=RUN_IT, name=name, local=local, rest=f"## {rest.strip()}")
    if run:
        text += DEPLOY_WITH_RUN.format(name=name, run=run.id)
    else:
        text += DEPLOY.format(name=name)
    return text + YOUR_OWN.format(name=name)


def _case_study(name: str) -> str:
    """The project's README; in a fork, what the fork's README has of it."""
    own = ROOT / "projects" / name / "README.md"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    first, *sections = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## ")
    sections = [section for section in sections if section.splitlines()[0] not in OWN_SECTIONS]
    return "\n## ".join([first.partition(RUN_IT)[0].rstrip() + "\n", *sections])


def _links(text: str, name: str) -> list[str]:
    """The files that a case study links to, relative to the root."""
    return [target for _, target in _relative_links(text, name)]


def _relative_links(text: str, name: str) -> list[tuple[str, str]]:
    """(as written, relative to the root) of every link that is no address."""
    base = f"projects/{name}" if (ROOT / "projects" / name / "README.md").is_file() else ""
    written = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"\w+:|#", link)]
    return [(link, posixpath.normpath(posixpath.join(base, link))) for link in written]


def _relinked(text: str, name: str, files: list[str]) -> str:
    """The links of a case study as seen from the root; one to what stays behind becomes plain text."""
    there = {*files, "ARCHITECTURE.md", "data/README.md", "pyproject.toml"}
    for written, target in _relative_links(text, name):
        if target in there or any(file.startswith(target + "/") for file in files):
            text = text.replace(f"]({written})", f"]({target})")
        else:
            text = re.sub(rf"!?\[([^\]]*)\]\({re.escape(written)}\)", r"\1", text)
    return text


def _without(names: set[str], text: str) -> str:
    """A document without the rows, list items and paragraphs that speak of other projects."""
    parts = re.split(r"(?m)^(?=\|)|^(?=- )|(?<=\n)(?=\n)", text)
    kept = [part for part in parts if not any(re.search(rf"\b{re.escape(name)}\b", part) for name in names)]
    return "".join(kept).rstrip() + "\n"


def _with_title(text: str, title: str) -> str:
    """A card with another TITLE, the same in both languages."""
    node = next(n for n in ast.parse(text).body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "TITLE")
    lines = text.splitlines()
    quoted = repr(title) if '"' in title else json.dumps(title, ensure_ascii=False)  # as ruff would quote it
    lines[node.lineno - 1 : node.end_lineno] = ["TITLE = {", f'    "en": {quoted},', f'    "ko": {quoted},', "}"]
    return "\n".join(lines) + "\n"


def _write_run(folder: Path, run: Run) -> None:
    """Of a carried run: its model card at the front, its looks at the test split, and no path of this machine."""
    target = folder / "runs" / run.project.name / run.id
    request = run.request
    private = {request["data_dir"]: "data", str(run.path.parent.resolve()): f"runs/{run.project.name}"}
    if Path(request["data"]).is_absolute():
        private[str(Path(request["data"]).parent)] = "data"
    for file in _files(target):
        if file.suffix in (".json", ".md", ".csv", ".txt"):
            text = file.read_text(encoding="utf-8")
            for path, instead in private.items():
                for written in {path, json.dumps(path)[1:-1]}:  # JSON doubles the backslashes of Windows
                    whole = rf"(?<![\w/.:-]){re.escape(written)}(?![\w-])"  # not the end of an address, say
                    text = re.sub(whole, lambda _, instead=instead: instead, text)  # type: ignore[misc]
            write_text(file, text)
    write_json(target / "run.json", {**read_json(target / "run.json"), "data_dir": "data"})
    _copy(target / "MODEL_CARD.md", folder / "MODEL_CARD.md")
    if (run.path.parent / "looks.csv").is_file():
        _copy(run.path.parent / "looks.csv", target.parent / "looks.csv")


def _commit(folder: Path, title: str) -> None:
    """git init and a first commit by whoever git is configured for; without a name git is asked nothing further."""
    outer = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
    environment = {key: value for key, value in os.environ.items() if key not in outer}

    def git(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["git", "-c", "user.useConfigOnly=true", *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    steps = (
        ("init", "-q", "-b", "main"),
        ("var", "GIT_AUTHOR_IDENT"),
        ("add", "-A", "-f", "."),  # also what a global ignore file would leave out
        ("commit", "-q", "-m", title),
    )
    for step in steps:
        done = git(*step)
        if done.returncode and step[0] == "var":
            raise UserError(
                'git does not know whose commit it is: git config --global user.name "Your Name" and '
                "git config --global user.email you@example.org, then fork again."
            )
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise UserError(f"git {step[0]} failed: {words[-1]}")


def _slug(text: str) -> str:
    """A package name out of any text; empty where no letter of it can be used."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


NO_PACKAGES = """[tool.setuptools]
# `pip install -e .` brings the dependencies and installs no package: the code is found from this folder, so two
# repositories of this kind in one environment cannot run each other's.
packages = []

"""

STREAMLIT_APP = '''"""The page as a host starts it: `streamlit run streamlit_app.py`, with the code beside this file."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parent / "apps" / "{name}.py"))
'''

WORKFLOW = """name: test
on: [push, pull_request]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.13"]
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: ${{ matrix.python }}
          cache: pip
          cache-dependency-path: pyproject.toml
      - run: python -m pip install -e ".[test]"
      - run: python -m pytest -m "not slow"
      - run: python -m ruff check . && python -m ruff format --check . && python -m mypy
"""

README = """# {title}

{first}

{run_it}

```
python -m venv .venv && source .venv/bin/activate      # Windows: python -m venv .venv, then .venv\\Scripts\\activate
python -m pip install -e . && python -m projects.{name}.train
python -m streamlit run apps/{name}.py{local}
python -m pip install -e ".[test]" && python -m pytest -m "not slow"
```

{rest}

"""

DEPLOY_WITH_RUN = """## Deploy the page

This repository carries the run `{run}` ([model card](MODEL_CARD.md)) and `requirements.txt`, so the page has
something to show at once. On [Streamlit Community Cloud](https://share.streamlit.io):

1. Push to GitHub: `git remote add origin ADDRESS && git push -u origin main`.
2. *Create app*, choose the repository and the branch `main`; the main file is `streamlit_app.py`. Under *Advanced
   settings* choose a Python from 3.11 to 3.13.
3. After a push, *Reboot app* in its menu. What is trained on the page is lost when it restarts; what should stay is
   trained here and committed.

`.streamlit/config.toml` names no address, because a host reaches the page from outside; on your own machine
`--server.address localhost` keeps it to yourself. `.gitignore` leaves out all other runs.

"""

DEPLOY = """## Deploy the page

A page needs a run to show, and this repository carries none yet. Train one, keep it and list the packages:

```
git add -f runs/{name}/RUN
echo "-e ." > requirements.txt && git add requirements.txt && git commit -m "A run to show"
```

In `.streamlit/config.toml` remove the line `address`, because a host reaches the page from outside. Then push to
GitHub and, on [Streamlit Community Cloud](https://share.streamlit.io), choose *Create app*, the repository, and the
main file `streamlit_app.py`.

"""

YOUR_OWN = """## Make it your own

- **Data**: `python -m projects.{name}.train --help` says what `--data` takes;
  [data/README.md](data/README.md) says where each set comes from.
- **Knobs**: one commented line each in [config.py](projects/{name}/config.py). `python -m projects --help` lists the
  commands around them.
- **Model**: [model.py](projects/{name}/model.py), plain Keras. [ARCHITECTURE.md](ARCHITECTURE.md) is one page on how
  it fits together.
- **Words**: title, problem and limits are in [the card](projects/{name}/__init__.py). The figures in this README are
  of the run that it describes: put in those of yours, with the command that printed them.
- **Licence**: keep the notice in [LICENSE](LICENSE) and add a line with your name.

## Where it comes from

Forked from the project `{name}` of keras-portfolio (MIT).
"""
