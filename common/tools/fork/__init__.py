"""A new repository out of one project: it trains, passes its tests and opens its page on its own.

It holds the project, its page, its tests, the files of `common/` that these import, the theme, a list of packages, the
case study as README, a CI workflow and a first commit. Nobody keeps a list of these files: `closure` reads the imports,
`prune` removes what nothing names. `--with` takes tools along.

The new repository installs its dependencies and no package of its own. `common`, `projects` and `apps` are found from
its root, which `python -m …` and `streamlit_app.py` put first. So it can share an environment with this repository or
with another fork, and none of them runs the code of another.

Each file imports only those before it: `prune`, `closure`, `templates`, `documents`, `carried_run`.
"""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError
from common.files import new_folder
from common.project import Project, project_names
from common.runs import Run
from common.tools.fork import documents, templates
from common.tools.fork.carried_run import check_run, write_run
from common.tools.fork.closure import ROOT, code_of_fork


def fork(
    project: Project, directory: Path, title: str | None = None, run: Run | None = None, extras: Iterable[str] = ()
) -> list[str]:
    """Make the repository `directory` out of a project. Returns its files. Where it fails, nothing stays behind.

    title: what the page and the README are called instead of the project's own title. run: a finished run to carry
    along. extras: tools and optional files of the project to take along, such as "search" and "standard". Raises
    UserError; where possible before anything is written.
    """
    directory, extras = directory.resolve(), set(extras)
    _check(directory, title)
    if run:
        check_run(run)
    sources = code_of_fork(project.name, extras)
    copied = _copied(project.name, sources)
    texts = _texts(project, directory.name, title, run, sources, copied, extras)
    with new_folder(directory) as folder:
        for path in copied:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="\n")
        if run:
            write_run(run, folder, title)
        _commit(folder, title or project.card.TITLE["en"])
        files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
        return sorted(path.as_posix() for path in files if path.parts[0] != ".git")


def _check(directory: Path, title: str | None) -> None:
    """Raise UserError where a fork cannot be made here, or not there, or not with this title."""
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


def _copied(name: str, sources: Iterable[str]) -> set[str]:
    """The files that go along as they are: the licence, fonts and the like, the theme, the README's pictures.

    A file that begins as a Python file does, such as `canvas.css` beside `canvas.py`, goes along with that one.
    """
    paths = [
        path for folder in ("common", "apps", ".streamlit") for path in (ROOT / folder).rglob("*") if path.is_file()
    ]
    files = {path.relative_to(ROOT).as_posix(): path for path in paths if path.suffix not in (".py", ".pyc")}
    code = {file: f"{file.rpartition('/')[0]}/{path.name.partition('.')[0]}.py" for file, path in files.items()}
    left = {file for file in files if (ROOT / code[file]).exists() and code[file] not in sources}
    return (set(files) - left) | {"LICENSE"} | documents.linked_files(name)


def _texts(
    project: Project,
    called: str,
    title: str | None,
    run: Run | None,
    sources: dict[str, str],
    copied: set[str],
    extras: set[str],
) -> dict[str, str]:
    """{path: text} of everything that is written: the code, and the documents around it."""
    name, others = project.name, set(project_names()) - {project.name}
    heading = title or project.card.TITLE["en"]
    texts = dict(sources)
    files = {*sources, *copied, "ARCHITECTURE.md", "data/README.md", "pyproject.toml"}
    for path in copied:
        if path.endswith(".md"):  # a page beside the case study
            text = documents.without_others((ROOT / path).read_text(encoding="utf-8"), others)
            texts[path] = documents.relinked(text, f"projects/{name}", f"projects/{name}", files)
    texts["pyproject.toml"] = documents.pyproject(project, called, title, sources, extras)
    texts["README.md"] = documents.readme(project, heading, files, run)
    texts["ARCHITECTURE.md"] = documents.architecture(project, sources)
    texts["data/README.md"] = documents.data_page(project, others, files)
    texts["streamlit_app.py"] = templates.STREAMLIT_APP.format(name=name)
    texts[".github/workflows/test.yml"] = templates.WORKFLOW
    texts[".gitignore"] = documents.gitignore(name, run)
    if title:
        card = f"projects/{name}/__init__.py"
        texts[card] = documents.card_with_title(sources[card], title)
    if run:
        packages = tomllib.loads(texts["pyproject.toml"])["project"]["dependencies"]
        texts["requirements.txt"] = documents.requirements(packages)
        # A host reaches the page from outside its container. The README's commands bind it to this machine.
        settings = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
        texts[".streamlit/config.toml"] = re.sub(r"(?m)^address = .*\n", "", settings)
    return texts


def _commit(folder: Path, title: str) -> None:
    """git init and a first commit, by the author that git is configured with. Raises UserError when there is none."""
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
