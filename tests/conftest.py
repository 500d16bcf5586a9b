"""Fixtures: a toy run for each project, trained once and shared by all processes. Hooks: which tests run together."""

import functools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from common import cli, runs
from common.files import locked
from common.project import Project, project_names
from tests.commands import ask

ROOT = Path(__file__).parents[1]
PROJECTS = project_names()
# For what takes long and asks the same of each project: one of them in every run of the tests, the others with the slow ones.
QUICK = "text_classification" if "text_classification" in PROJECTS else PROJECTS[0]  # a fork holds another one
one_now_others_slow = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name != QUICK else []) for name in PROJECTS]
)
ONE_SERVER = ("test_browser",)  # files whose tests share a server for all projects
TOY_BUDGET = 8  # seconds for the whole toy training of a project
toy_seconds: dict[str, float] = {}  # project -> seconds, of the toy runs that this process has trained
# Each run of AppTest asks all packages whether they bring components of Streamlit. They stay the same: asked once.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)


def group(nodeid: str) -> str:
    """The tests of one group run in one process.

    A project's own tests and what the other files ask of it are a group, because they use the same run and the same
    networks. Every other file is a group.
    """
    file, _, rest = nodeid.partition("::")
    stem = Path(file).stem
    if stem not in ONE_SERVER:
        parameters = rest.partition("[")[2].rstrip("]").split("-")
        for name in PROJECTS:
            if name in parameters or f"{stem}_".startswith(f"test_{name}_"):
                return name
    return stem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so the processes end at about the same time: long tests, then the projects."""

    def place(item: pytest.Item) -> tuple[bool, bool, str]:
        has_long_timeout = item.get_closest_marker("timeout") is not None
        return not has_long_timeout, group(item.nodeid) not in PROJECTS, group(item.nodeid)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give whole groups to the processes. The `loadgroup` of pytest-xdist 3.8 has no effect with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    assert hasattr(LoadScopeScheduling, "_split_scope"), "pytest-xdist has another name for it"
    return ByGroup(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["toy_seconds"] = toy_seconds


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    """A process of pytest-xdist has ended: keep what it has timed."""
    toy_seconds.update(getattr(node, "workeroutput", {}).get("toy_seconds", {}))


def pytest_terminal_summary(terminalreporter) -> None:
    if toy_seconds:
        terminalreporter.section(f"toy training: project, seconds (budget {TOY_BUDGET})")
        for name, seconds in sorted(toy_seconds.items()):
            terminalreporter.line(f"{name:<25}{seconds:6.1f}{'  over the budget' if seconds > TOY_BUDGET else ''}")


def refused(arguments: list[str], message: str, module: str = "projects") -> None:
    """The command ends with status 2 and a sentence, before a heavy package is imported."""
    done = ask(module, *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.fixture(autouse=True)
def own_runs_folder(tmp_path, monkeypatch):
    """No test reads or writes the runs and data of the person who runs it."""
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KERAS_PORTFOLIO_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def trained(request, tmp_path_factory) -> Callable[[str], runs.Run]:
    """name -> a finished toy run of that project on its built-in data, for tests that only read it.

    The first process that asks trains it, and each process has a copy. A test that writes into a runs folder takes
    `copied`. Several runs of the tests on the same code share the folder that $KERAS_PORTFOLIO_TOYS names.
    """
    base, finished = tmp_path_factory.getbasetemp(), {}
    beside = base.parent if hasattr(request.config, "workerinput") else base  # beside the folders of several processes
    shared = Path(os.environ.get("KERAS_PORTFOLIO_TOYS", beside / "trained"))

    def run(name: str) -> runs.Run:
        if name not in finished:
            finished[name] = copy_run(_train_once(name, shared / name), base / "toys")
        return finished[name]

    return run


def _train_once(name: str, folder: Path) -> runs.Run:
    """The toy run of a project in this folder. It is trained if no process has done so."""
    project = Project(name)
    with locked(folder.with_suffix(".lock")):
        if not (folder / "finished").exists():
            run = runs.start(project, project.toy, "builtin", folder / "data", folder / "runs")
            began = time.perf_counter()
            cli.train_run(run)
            toy_seconds[name] = time.perf_counter() - began
            (folder / "finished").write_text(run.id)
    return runs.Run(folder / "runs" / name / (folder / "finished").read_text())


def copy_run(run: runs.Run, runs_dir: Path) -> runs.Run:
    """A copy of a run, alone in another runs folder."""
    return runs.Run(Path(shutil.copytree(run.path, runs_dir / run.project.name / run.id)))


@pytest.fixture
def copied(trained, tmp_path) -> Callable[[str], runs.Run]:
    """name -> the toy run of that project, alone in a runs folder that the test may change ($KERAS_PORTFOLIO_RUNS)."""
    return functools.cache(lambda name: copy_run(trained(name), tmp_path / "runs"))


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of real data sets, for the tests that measure on them; skips where there is none."""
    folder = Path(os.environ.get("KERAS_PORTFOLIO_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip("no folder of real data sets: set KERAS_PORTFOLIO_DATASETS")
    return folder
