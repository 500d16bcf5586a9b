"""Fixtures: one toy run for each project, trained once and shared by all tests that only read it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from common import cli, runs
from common.project import Project, project_names

ROOT = Path(__file__).parents[1]
PROJECTS = project_names()
# For what takes long and asks the same of each project: one of them in every run of the tests, the others with the slow ones.
QUICK = "text_classification" if "text_classification" in PROJECTS else PROJECTS[0]  # a fork holds another one
one_now_others_slow = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name != QUICK else []) for name in PROJECTS]
)


def refused(arguments, message):
    """The command ends with status 2 and a sentence, before a heavy package is imported."""
    script = (
        "import runpy, sys\n"
        "sys.argv[0] = 'projects'\n"
        "try: runpy.run_module('projects', run_name='__main__', alter_sys=False)\n"
        "except SystemExit as stop: code = stop.code\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules), 'a heavy package was imported'\n"
        "sys.exit(code)"
    )
    run = subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2 and message in run.stderr and "Traceback" not in run.stderr, run.stderr


@pytest.fixture(autouse=True)
def own_runs_folder(tmp_path, monkeypatch):
    """No test reads or writes the runs and data of whoever works here."""
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("KERAS_PORTFOLIO_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """name -> a finished toy run of that project on its built-in data."""
    finished = {}

    def run(name: str) -> runs.Run:
        if name not in finished:
            folder = tmp_path_factory.mktemp("trained")
            project = Project(name)
            finished[name] = runs.start(project, project.toy, "builtin", folder / "data", folder / "runs")
            cli.train_run(finished[name])
        return finished[name]

    return run


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of real data sets, for the tests that measure on them; skips where there is none."""
    folder = Path(os.environ.get("KERAS_PORTFOLIO_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        pytest.skip("no folder of real data sets: set KERAS_PORTFOLIO_DATASETS")
    return folder
