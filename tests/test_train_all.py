"""`python -m projects train-all`: what it skips, resumes and survives."""

import pytest

from common import runs
from common.project import Project
from common.tools import train_all
from tests.conftest import PROJECTS


@pytest.fixture
def commands(monkeypatch):
    """The trainings that are started, in place of processes: {project: run id}. The second project fails."""
    started = {}

    def train(run):
        started[run.project.name] = run.id
        return int(run.project.name == PROJECTS[1])

    monkeypatch.setattr(train_all, "train", train)
    return started


def test_every_default_is_started_and_a_failure_does_not_end_it(commands, tmp_path, capsys):
    assert train_all.train_all(tmp_path, tmp_path / "data") == [PROJECTS[1]]
    assert list(commands) == PROJECTS
    for name, run_id in commands.items():
        run = runs.find(Project(name), run_id, tmp_path)
        assert run.config == Project(name).config_class() and run.data == "builtin"
    printed = capsys.readouterr()
    assert f"{len(PROJECTS)} defaults to train" in printed.out and "1 failed" in printed.out
    assert "failed with status 1" in printed.err


def test_what_was_interrupted_goes_on_and_what_is_there_is_skipped(commands, copied, tmp_path):
    """A finished toy run is no default; a finished default is skipped; an unfinished default is resumed."""
    toy = copied(PROJECTS[0])
    folder = toy.path.parents[1]
    first, second = (Project(name) for name in PROJECTS[:2])
    waits = runs.start(second, second.config_class(), "builtin", tmp_path, folder)
    (tmp_path / "own.csv").touch()
    own = runs.start(second, second.config_class(), str(tmp_path / "own.csv"), tmp_path, folder)
    assert train_all.default_run(first, folder) == (None, "missing")
    assert train_all.default_run(second, folder) == (waits, "unfinished")
    train_all.train_all(folder, tmp_path)
    assert commands[second.name] == waits.id != own.id
    default = runs.find(first, commands[first.name], folder)
    for file in ("meta.json", "report.json"):
        (default.path / file).write_bytes((toy.path / file).read_bytes())
    assert train_all.default_run(first, folder) == (default, "finished")
    commands.clear()
    train_all.train_all(folder, tmp_path)
    assert first.name not in commands
