"""The texts that are written anew for a fork: README, ARCHITECTURE, list of packages, CI workflow, start of the page.

In all functions `files` are the paths of what the fork holds, and `run` is the run that it carries along, if any.
"""

import ast
import functools
import importlib.metadata
import json
import posixpath
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from common import report
from common.files import files_in
from common.project import Project
from common.runs import Run
from common.tools.fork import templates
from common.tools.fork.closure import CONTRACT, ROOT, imported, imported_files, tools

# README.md and the pages that it links to


def readme(project: Project, title: str, files: set[str], run: Run | None) -> str:
    """The case study's first screen, the commands, its other sections, then what to do with the repository."""
    name, study = project.name, case_study(project.name)
    first, _, rest = relinked(study, f"projects/{name}", ".", files).partition("\n## ")
    first = re.sub(r"^# .*\n", "", first, count=1).strip()
    if run:
        first = with_figures_of(run, first)
    local = " --server.address localhost" if run else ""
    return (
        templates.README.format(title=title, first=first, name=name, local=local, rest=rest.strip())
        + (templates.DEPLOY_WITH_RUN.format(run=run.id) if run else templates.DEPLOY.format(name=name))
        + templates.YOUR_OWN.format(name=name)
        + templates.ORIGIN.format(name=name)
        + left_behind(project, study, files)
    )


FIGURES = re.compile(r"\*\*-?\d|\d\.\d|!\[|^The default ")  # what tells of the run that the case study describes


def with_figures_of(run: Run, first: str) -> str:
    """The first screen of a case study with the score, the baselines and a picture of this run in place of its own."""
    question, *others = first.split("\n\n")
    kept = [line for line in re.split(r"(?<=[.?!*])\s+(?=[A-Z])", question) if not FIGURES.search(line)]
    kept = [" ".join(kept), *(text for text in others if text.startswith("```") or not FIGURES.search(text))]
    content, metric = run.report, run.metric[0]
    words = metric.replace("_", " ")
    headline = (
        f"This repository holds the run `{run.id}` ({content['model'].replace('_', ' ')}, {content['parameters']:,} "
        f"parameters). Its test {words} is **{report.cell(content['test']['model'][metric])}**. "
        f"{report.measured_on(content)}"
    )
    pictures = [path.name for path in files_in(run.path / "figures", "*.png")]
    shown = next((name for name in pictures if name != "history.png"), next(iter(pictures), None))
    place = f"runs/{run.project.name}/{run.id}/figures/{shown}"
    picture = [f"![{Path(place).stem.replace('_', ' ')}]({place})"] if shown else []
    table = "\n".join(report.markdown_table(report.rows(content)))
    return "\n\n".join([kept[0], headline, table, *picture, *kept[1:]])


def case_study(name: str) -> str:
    """The project's own README."""
    return (ROOT / "projects" / name / "README.md").read_text(encoding="utf-8")


def linked_files(name: str) -> set[str]:
    """The pictures and further pages that the case study links to, relative to the root."""
    paths = {posixpath.normpath(f"projects/{name}/{path}") for path, _ in _links(case_study(name))}
    paths = {path for path in paths if path.startswith(("docs/", f"projects/{name}/")) and not path.endswith(".py")}
    return {path for path in paths if (ROOT / path).is_file()}


def relinked(text: str, old: str, new: str, files: set[str]) -> str:
    """A page that moves from the folder `old` to `new`. A link to what the fork does not hold becomes plain text."""
    for path, anchor in _links(text):
        target = posixpath.normpath(posixpath.join(old, path))
        link = re.escape(path + anchor)
        if target in files or any(file.startswith(f"{target}/") for file in files):
            text = re.sub(rf"\]\({link}\)", f"]({posixpath.relpath(target, new)}{anchor})", text)
        else:
            text = re.sub(rf"!?\[([^\]]*)\]\({link}\)", r"\1", text)
    return text


def _links(text: str) -> set[tuple[str, str]]:
    """(path, "#section" or "") of every link that is no address and leaves the page."""
    links = re.findall(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", text)
    return {(path, anchor) for path, anchor in links if not re.match(r"\w+:", path)}


def left_behind(project: Project, study: str, files: set[str]) -> str:
    """A sentence on those commands of the case study that the fork does not hold; empty where it holds all."""
    pages = [path for path in linked_files(project.name) if path.endswith(".md")]
    study += "".join((ROOT / path).read_text(encoding="utf-8") for path in pages)
    commands = ["`python -m benchmarks.…`"] if "python -m benchmarks." in study else []
    for tool in tools():
        held = any(file.startswith((f"common/tools/{tool}/", f"common/tools/{tool}.py")) for file in files)
        commands += [f"`python -m projects {tool}`"] if f"python -m projects {tool}" in study and not held else []
    if f"projects/{project.name}/standard.py" not in files:
        standard = getattr(project.card, "STANDARD", {})
        commands += [f"`--data {data}`" for data in standard if f"--data {data}" in study]
    return f"These commands of the case study need keras-portfolio itself: {', '.join(commands)}.\n" if commands else ""


def without_others(text: str, others: set[str]) -> str:
    """A page without the rows, list items and paragraphs that name other projects."""
    pieces = re.split(r"(?m)^(?=\|)|^(?=- )|(?<=\n)(?=\n)", text)
    kept = [piece for piece in pieces if not any(re.search(rf"\b{re.escape(other)}\b", piece) for other in others)]
    return "".join(kept).rstrip() + "\n"


def data_page(project: Project, others: set[str], files: set[str]) -> str:
    """data/README.md with the data sets that the fork can load, and the sections that these refer to."""
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    first, *sections = without_others(text, others).split("\n## ")
    if f"projects/{project.name}/standard.py" not in files:
        first = re.sub(r" `--data-dir` \(.*\n.*\n", "\n", first)  # the folder of the standard sets
        for data in getattr(project.card, "STANDARD", {}):
            first = re.sub(rf"(?m)^\| {project.name} \| `{data}` .*\n", "", first)
    kept = [section for section in sections if f"](#{_anchor(section.splitlines()[0])})" in first]
    return "\n## ".join([first.rstrip() + "\n", *kept]).rstrip() + "\n"


def _anchor(heading: str) -> str:
    """What a link to a heading is called: "The packaged photographs" -> "the-packaged-photographs"."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


# ARCHITECTURE.md


def architecture(project: Project, sources: dict[str, str]) -> str:
    """ARCHITECTURE.md: how the parts of the fork depend on each other, and what each of its files holds.

    sources: {path: text} of the fork's Python files.
    """
    own = f"projects/{project.name}"
    folders: dict[str, list[str]] = {own: _in_order(own, sources), "apps": [], "common": []}
    for path in sorted(sources):
        if not path.startswith("projects/") and not path.endswith("__init__.py"):
            folders.setdefault(posixpath.dirname(path), []).append(path)
    stems = {folder: [posixpath.basename(path)[:-3] for path in paths] for folder, paths in folders.items()}
    shared = [f"{folder + '/':<16} {' '.join(names)}" for folder, names in stems.items() if "common" in folder]
    rows = [f"| [{path}]({path}) | {_first_sentence(sources[path])} |" for paths in folders.values() for path in paths]
    return templates.ARCHITECTURE.format(
        name=project.name,
        order=" → ".join(name for name in stems[own] if name != "__init__"),
        pages=" ".join(stems["apps"]),
        shared="\n".join(shared),
        rows="\n".join(rows),
    )


def _in_order(folder: str, sources: dict[str, str]) -> list[str]:
    """The files of a project in the order in which one reads them: each after those that it imports."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(path: str) -> None:
        if path in sources and path.startswith(f"{folder}/") and path not in seen:
            seen.add(path)
            for other in sorted(imported_files(sources[path])):
                visit(other)
            order.append(path)

    for path in [*(f"{folder}/{file}.py" for file in CONTRACT), *sorted(sources)]:
        visit(path)
    return order


def _first_sentence(text: str) -> str:
    """The first sentence of a Python file's docstring, as one line of a table."""
    paragraph = " ".join((ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0].replace("|", "\\|")


# pyproject.toml and what a host of the page needs


def pyproject(project: Project, directory: str, title: str | None, sources: dict[str, str], extras: set[str]) -> str:
    """The suite's pyproject.toml as the fork's: its own name, the packages that it needs, no package of its own.

    extras: the tools that go along; an optional list of packages that is called like a tool goes with it.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    name = next(filter(None, (_slug(word) for word in (directory, title or "", project.name))))
    for key, value in (("name", name), ("version", "0.1.0"), ("description", project.card.PROBLEM["en"])):
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        text = re.sub(rf"(?m)^{key} = .*$", lambda _, line=line: line, text, count=1)  # type: ignore[misc]
    text = re.sub(r"(?m)^# .*\n", "", text)  # the comments on the suite's releases
    for optional in tomllib.loads(text)["project"]["optional-dependencies"]:
        if optional not in {"test", *extras}:
            text = re.sub(rf"(?m)^{optional} = .*\n", "", text)
            text = re.sub(rf'(?m)^\s+"{optional}: .*\n', "", text)  # the marker of the tests that need it
    for package in unneeded_packages(text, sources):
        line = rf'"{package}(?![\w.-])[^"]*"'
        text = re.sub(rf"(?m)^\s+{line},.*\n", "", text)
        text = re.sub(rf", {line}|{line}, ", "", text)
    for file in re.findall(r'(?m)^"([\w/]+\.py)" = ', text):
        if file not in sources:
            text = re.sub(rf'(?m)^"{re.escape(file)}" = .*\n', "", text)
    text = re.sub(r"(?m)^addopts = .*", templates.ADDOPTS, text)
    text = re.sub(r"(?ms)^\[tool\.setuptools.*?(?=^\[(?!tool\.setuptools)|\Z)", templates.NO_PACKAGES, text)
    if tomllib.loads(text)["tool"]["setuptools"] != {"packages": []}:
        raise RuntimeError("the sections [tool.setuptools…] of pyproject.toml must stand together")
    return text


def unneeded_packages(text: str, sources: dict[str, str]) -> set[str]:
    """The packages that a pyproject.toml lists, the suite's code imports and the fork's code does not.

    A package that no code imports by its name stays on the list: nobody can see who needs it. So do Keras' backend and
    the plug-ins of pytest, which the fork needs although it imports none of them.
    """
    folders = ("common", "projects", "apps", "tests", "benchmarks", "docs")
    suite = [path.read_text(encoding="utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py")]
    needed, known = _packages_in(sources.values()), _packages_in(suite)
    lists = tomllib.loads(text)["project"]
    listed = sum(lists["optional-dependencies"].values(), lists["dependencies"])
    names = {re.split(r"[^\w.-]", line)[0] for line in listed}
    provided = {
        name: _modules_by_package().get(_normal(name), set())
        for name in names
        if not re.match("tensorflow|pytest", name)
    }
    return {name for name, modules in provided.items() if modules & known and not modules & needed}


@functools.cache
def _modules_by_package() -> dict[str, set[str]]:
    """{package: the names that it offers to import} of all packages that are installed here."""
    modules: dict[str, set[str]] = {}
    for module, packages in importlib.metadata.packages_distributions().items():
        for package in packages:
            modules.setdefault(_normal(package), set()).add(module)
    return modules


def _packages_in(texts: Iterable[str]) -> set[str]:
    """The packages that Python texts import, ask pytest to import, or name where they read files of packages."""
    texts = list(texts)
    asked = {name for text in texts for name in re.findall(r'importorskip\("(\w+)', text)}
    asked |= {name for text in texts if "importlib.resources" in text for name in re.findall(r'"(\w+)"', text)}
    return asked | {name.split(".")[0] for text in texts for name in imported(text)}


def requirements(packages: list[str]) -> str:
    """requirements.txt: the packages in the versions with which the run is known to work here."""
    lines = ["# The versions with which the run in runs/ was carried along. pyproject.toml has the ranges."]
    for package in packages:
        name = re.split(r"[^\w.-]", package)[0]
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(package)
    return "\n".join(lines) + "\n"


def gitignore(name: str, run: Run | None) -> str:
    """The suite's .gitignore. A run that is carried along and the count of looks at its test split are not ignored."""
    text = (ROOT / ".gitignore").read_text(encoding="utf-8")
    return text.replace("/runs/\n", f"/runs/*/*\n!/runs/{name}/{run.id}/\n!/runs/{name}/looks.csv\n") if run else text


def card_with_title(text: str, title: str) -> str:
    """A project's card with another TITLE, the same in both languages."""
    assignments = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    node = next(node for node in assignments if ast.unparse(node.targets[0]) == "TITLE")
    lines = text.splitlines()
    quoted = repr(title) if '"' in title else json.dumps(title, ensure_ascii=False)  # as the formatter quotes it
    lines[node.lineno - 1 : node.end_lineno] = ["TITLE = {", f'    "en": {quoted},', f'    "ko": {quoted},', "}"]
    return "\n".join(lines) + "\n"


def _slug(text: str) -> str:
    """A package name made of any text; empty when no letter of it can be used."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
