"""search: what is tried, what is kept, what survives; that the test split stays closed."""

import dataclasses
import functools
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import optuna
import pytest
import tyro
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from common import cli, memory, runs
from common.data import Splits
from common.errors import UserError
from common.files import locked
from common.project import Project
from common.tools.search import figures, sampler, space
from common.tools.search import run as running
from tests.commands import ask
from tests.conftest import PROJECTS, ROOT, one_now_others_slow, refused

NAME = "fraud_detection"
needs_its_knobs = pytest.mark.skipif(NAME not in PROJECTS, reason=f"a fork without {NAME}")


# What is tried.


@functools.cache
def default_space():
    return {knob.name: space.distribution(knob) for knob in space.searched_knobs(Project(NAME).config_class())}


@needs_its_knobs
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400))
def test_a_grid_fills_its_budget_and_no_more(budget):
    defaults = vars(Project(NAME).config_class())
    points = space.grid(default_space(), budget, defaults)
    assert budget / 2 < len(points) <= budget
    assert len({tuple(point.items()) for point in points}) == len(points)
    for name, distribution in default_space().items():
        values = sorted({point[name] for point in points})
        assert len(values) <= space.MAX_LEVELS
        if len(values) == 1:
            assert values == [defaults[name]]
        else:
            assert (values[0], values[-1]) == (distribution.low, distribution.high)
    assert len({point["learning_rate"] for point in points}) == max(
        len({point[name] for point in points}) for name in default_space()
    )


@needs_its_knobs
def test_a_grid_holds_every_choice_of_a_knob():
    project = Project(NAME)
    asked = {knob.name: space.distribution(knob) for knob in space.searched_knobs(project.toy, ("units", "model"))}
    points = space.grid(asked, 10, vars(project.toy))
    assert len(points) == 10 and {point["model"] for point in points} == set(asked["model"].choices)


@needs_its_knobs
@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1), st.sampled_from(["learning_rate", "batch_size", "layers", "units", "dropout"]))
def test_a_value_and_its_place_in_the_range_agree(share, name):
    distribution = default_space()[name]
    value = space.value_at(distribution, share)
    assert distribution.low <= value <= distribution.high
    steps = distribution.high - distribution.low if isinstance(value, int) else 1000
    assert space.position_of(distribution, value) == pytest.approx(share, abs=0.01 + 0.6 / steps)


@needs_its_knobs
def test_draws_are_even_by_ratio_and_every_int_has_its_part():
    random = np.random.default_rng(0)
    rates = [space.draw(default_space()["learning_rate"], random) for _ in range(2000)]
    assert np.mean(np.array(rates) < 1e-3) == pytest.approx(0.5, abs=0.04)
    layers = [space.draw(default_space()["layers"], random) for _ in range(2000)]
    assert np.bincount(layers)[1:] / 2000 == pytest.approx([0.25] * 4, abs=0.04)
    near = [space.draw(default_space()["learning_rate"], random, 1e-4, 0.25) for _ in range(200)]
    assert max(near) <= 1e-4 * 100**0.25 * 1.01, "a quarter of the range, at its end"


def fake_training(values, **details):
    """A `train` that reports `values(config)` epoch by epoch through the callbacks and history.csv, and learns nothing."""

    def train(config, run, callbacks=()):
        metric = run.metric[0]
        begun = len(run.history)
        for epoch, value in list(enumerate(values(config)))[begun:]:
            if "each" in details:
                details["each"](config, run, epoch)
            for callback in callbacks:
                callback.on_train_batch_end(0)
            for callback in callbacks:
                callback.on_epoch_end(epoch, {f"val_{metric}": value})
            rows = [*run.history, {"epoch": epoch + 1, f"val_{metric}": value, "seconds": 0.0}]
            lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
            (run.path / "history.csv").write_text("\n".join(lines) + "\n")

    return property(lambda project: train)


def hill(config):
    """Best at a learning rate of 2e-3 and 128 units; it climbs over three epochs."""
    distance = abs(math.log10(config.learning_rate / 2e-3)) + 0.2 * abs(math.log2(config.units / 128))
    return [0.9 - 0.3 * distance - 0.01 * (3 - epoch) for epoch in range(3)]


def opened(folder, strategy="coarse_to_fine", trials=20, names=(), **knobs):
    project = Project(NAME)
    config = dataclasses.replace(project.config_class(), **knobs)
    return space.open_search(project, config, "builtin", folder / "data", folder / "runs", strategy, trials, names)


def tried(search, study):
    return [(row["state"], row["average_precision"], *(row[name] for name in search.space)) for row in figures.rows(search, study)]  # fmt: skip


@pytest.fixture
def nothing_is_trained(monkeypatch):
    """For `fake_training`: there is no network to let go of, and no test pulls the plug of the disk."""
    monkeypatch.setattr(memory, "fresh_session", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda file: None)


@needs_its_knobs
def test_coarse_to_fine_keeps_the_lectures_order(tmp_path, monkeypatch, nothing_is_trained):
    monkeypatch.setattr(Project, "train", fake_training(hill))
    search = opened(tmp_path)
    study = running.run_search(search, 20)
    rows, defaults = figures.rows(search, study), vars(search.config)
    stages = [row["phase"] for row in rows]
    assert stages == ["learning rate"] * 5 + ["coarse"] * 8 + ["fine"] * 7
    first = rows[:5]
    assert all(row[name] == defaults[name] for row in first for name in search.space if name != "learning_rate")
    parts = [int(5 * space.position_of(search.space["learning_rate"], row["learning_rate"])) for row in first]
    assert sorted(parts) == [0, 1, 2, 3, 4], "one trial in each fifth of the range"
    best = max(first, key=lambda row: row["average_precision"])["learning_rate"]
    for row in rows[5:13]:
        assert abs(math.log10(row["learning_rate"] / best)) < 2 * 0.5 * 1.01, "within half the range around the best"
    assert len({row["units"] for row in rows[5:13]}) > 4
    spread = [np.std([math.log(row["units"]) for row in part]) for part in (rows[5:13], rows[13:])]
    assert spread[1] < spread[0], "the fine phase is narrower"
    complete = [row["average_precision"] for row in rows if row["state"] == "complete"]
    assert max(complete) == sampler.best_trial(study).value > 0.8


@needs_its_knobs
@pytest.mark.parametrize("strategy", space.STRATEGIES)
def test_every_strategy_stays_in_its_ranges_and_spends_its_trials(strategy, tmp_path, monkeypatch, nothing_is_trained):
    monkeypatch.setattr(Project, "train", fake_training(hill))
    search = opened(tmp_path, strategy, 12, ("learning_rate", "units", "model"))
    study = running.run_search(search, 12)
    rows = figures.rows(search, study)
    assert len(rows) == (12 if strategy != "grid" else len(study.sampler.points)) and len(rows) >= 10
    for row in rows:
        assert 1e-4 <= row["learning_rate"] <= 1e-2 and 32 <= row["units"] <= 512
        assert row["model"] in search.space["model"].choices
    assert len({row["learning_rate"] for row in rows}) > 2
    assert {path.stem for path in (search.folder / "figures").glob("*.png")} >= {"parallel_coordinates", "progress"}


# What survives.


@needs_its_knobs
@pytest.mark.parametrize(
    ("strategy", "how"), [("coarse_to_fine", "Ctrl-C"), ("random", "stop file"), ("grid", "stop file")]
)
def test_a_stopped_search_goes_on_as_if_it_had_not_been(strategy, how, tmp_path, monkeypatch, nothing_is_trained):
    monkeypatch.setattr(running, "write_figures", lambda search, study: None)
    whole = opened(tmp_path / "whole", strategy, 10)
    monkeypatch.setattr(Project, "train", fake_training(hill))
    expected = tried(whole, running.run_search(whole, 10))
    search, begun = opened(tmp_path / "cut", strategy, 10), []

    def stop_in_the_fourth(config, run, epoch):
        begun.append((run.id, epoch))
        if len({run_id for run_id, _ in begun}) == 4 and epoch == 1:
            (search.folder / "stop").touch() if how == "stop file" else signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Project, "train", fake_training(hill, each=stop_in_the_fourth))
    with pytest.raises(running.Stopped):
        running.run_search(search, 10)
    states = [row["state"] for row in figures.rows(search, sampler.open_study(search))]
    assert states[3] == "running" and len(states) == 4 and "running" not in states[:3]
    before = len(begun)
    monkeypatch.setattr(Project, "train", fake_training(hill, each=lambda config, run, epoch: begun.append((run.id, epoch))))  # fmt: skip
    study = running.run_search(search, 10)
    assert tried(search, study) == expected
    assert begun[before] == (begun[before - 1][0], 1), "the trial went on in its own run, with its second epoch"
    assert running.run_search(search, 10) and len(figures.rows(search, study)) == 10, "nothing is left to do"


@needs_its_knobs
@pytest.mark.parametrize("left", [b"", b'{"op_code": 6, "wor', b"\0" * 40, b"\xff\n"])
def test_a_search_goes_on_after_a_torn_record(left, tmp_path, monkeypatch, nothing_is_trained):
    """A full disk or a lost machine leaves a part of the journal's last record."""
    monkeypatch.setattr(running, "write_figures", lambda search, study: None)
    monkeypatch.setattr(Project, "train", fake_training(hill))
    search = opened(tmp_path, "random", 5)
    expected = tried(search, running.run_search(search, 5))
    journal = search.folder / "journal.log"
    whole = journal.read_bytes()
    for cut in (1, 30):  # the last trial is running again
        journal.write_bytes(whole[:-cut] if not left else whole + left)
        assert tried(search, running.run_search(search, 5)) == expected
    journal.write_bytes(whole.replace(b"\n", b"torn\n", 1))
    with pytest.raises(UserError, match="line 1 is damaged"):
        running.run_search(search, 5)


# A process that searches with a slow training, which learns nothing and notes its process. It needs of Keras two names.
WORKER = """
import os, sys, time, types
from pathlib import Path
sys.modules["keras"] = types.SimpleNamespace(
    callbacks=types.SimpleNamespace(LambdaCallback=types.SimpleNamespace),
    utils=types.SimpleNamespace(set_random_seed=lambda seed: None),
)
from common.project import Project
from tests import test_search
folder, trials, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
def each(config, run, epoch):
    (run.path / f"by-{os.getpid()}").touch()
    time.sleep(pause)
Project.train = test_search.fake_training(test_search.hill, each=each)
test_search.memory.fresh_session = lambda: None
search = test_search.opened(folder, "random", trials)
(folder / f"ready-{os.getpid()}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
test_search.running.run_search(search, trials)
"""


def workers(folder, count, trials, pause):
    """That many processes, waiting for the file `go`."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WORKER, str(folder), str(trials), str(pause)]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(count)]  # fmt: skip
    deadline = time.monotonic() + 120
    while len(list(folder.glob("ready-*"))) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    (folder / "go").touch()
    return started


@needs_its_knobs
def test_two_processes_share_a_search_and_a_killed_one_is_replaced(tmp_path, monkeypatch, nothing_is_trained):
    shared = tmp_path / "shared"
    one, other = workers(shared, 2, 5, 0.2)
    search = opened(shared, "random", 5)
    trials = search.folder / NAME
    deadline = time.monotonic() + 120
    while not list(trials.glob(f"*/by-{one.pid}")) and time.monotonic() < deadline:
        time.sleep(0.01)
    one.kill()  # the kill comes in the middle of a trial
    one.wait()
    assert other.wait(timeout=300) == 0, other.stderr.read()
    study = sampler.open_study(search)
    rows = figures.rows(search, study)
    assert [row["trial"] for row in rows] == list(range(5)), "no trial too many, none lost"
    assert {row["state"] for row in rows} <= {"complete", "pruned"}, [row["error"] for row in rows]
    left_behind = [row for row in rows if list((trials / row["run"]).glob(f"by-{one.pid}"))]
    assert left_behind and list((trials / left_behind[-1]["run"]).glob(f"by-{other.pid}")), (
        "the other took its trial over"
    )
    # The values are those that one process alone would have tried.
    monkeypatch.setattr(Project, "train", fake_training(hill))
    alone = opened(tmp_path / "alone", "random", 5)
    alone_rows = figures.rows(alone, running.run_search(alone, 5))
    assert [[row[name] for name in search.space] for row in rows] == [
        [row[name] for name in alone.space] for row in alone_rows
    ]


def test_runs_that_start_in_one_moment_have_folders_of_their_own(tmp_path, monkeypatch):
    project = Project(PROJECTS[0])
    monkeypatch.setattr(time, "strftime", lambda form: "20200101-000000")

    def start(_):
        return runs.start(project, project.toy, "builtin", tmp_path, tmp_path).path

    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(start, range(24)))
    assert len(paths) == 24 and all((path / "run.json").exists() for path in paths)


def test_an_optuna_that_keeps_its_ids_elsewhere_is_named():
    study = optuna.create_study()
    first, second = study.ask(), study.ask()
    running = study.get_trials(deepcopy=False)
    assert sampler.resume_trial(study, running[1]).number == second.number
    for changed in (types.SimpleNamespace(number=0), types.SimpleNamespace(number=0, _trial_id=running[1]._trial_id)):
        with pytest.raises(RuntimeError, match=r"Optuna .* does not keep .* FrozenTrial._trial_id, .* trial 0"):
            sampler.resume_trial(study, changed)
    assert sampler.resume_trial(study, running[0]).number == first.number


def test_a_lock_ends_with_its_process(tmp_path):
    script = "import sys, time; from pathlib import Path; from common.files import locked\nwith locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "lock")], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout.readline().strip() == b"held"
    with locked(tmp_path / "lock", wait=False) as held:
        assert not held
    process.kill()
    process.wait()
    with locked(tmp_path / "lock", wait=False) as held:
        assert held


@needs_its_knobs
def test_a_failed_trial_is_recorded_and_the_search_goes_on(tmp_path, monkeypatch, nothing_is_trained):
    def fails_when_high(config, run, epoch):
        if config.learning_rate > 2e-3 and epoch == 1:
            raise RuntimeError("out of memory\nand more")
        if config.learning_rate < 2e-4:
            raise UserError("too small")

    monkeypatch.setattr(Project, "train", fake_training(hill, each=fails_when_high))
    search = opened(tmp_path, "random", 12)
    study = running.run_search(search, 12)
    rows = figures.rows(search, study)
    failed = [row for row in rows if row["state"] == "failed"]
    assert len(rows) == 12 and failed and len(failed) < 12
    assert {row["error"] for row in failed} <= {"RuntimeError: out of memory", "UserError: too small"}
    assert all(row["learning_rate"] > 2e-3 or row["learning_rate"] < 2e-4 for row in failed)
    assert "Traceback" in (search.folder / NAME / failed[0]["run"] / "log.txt").read_text()
    assert "failed" in (search.folder / "trials.csv").read_text()
    figures.print_result(search)


@needs_its_knobs
def test_a_metric_that_is_not_a_number_fails_its_trial(tmp_path, monkeypatch, nothing_is_trained):
    monkeypatch.setattr(
        Project, "train", fake_training(lambda config: [0.5, math.nan] if config.units < 100 else [0.5])
    )
    search = opened(tmp_path, "random", 8)
    rows = figures.rows(search, running.run_search(search, 8))
    assert {row["state"] == "failed" for row in rows if row["units"] < 100} == {True}
    assert {row["state"] == "failed" for row in rows if row["units"] >= 100} == {False}


@needs_its_knobs
def test_a_search_that_cannot_begin_leaves_nothing(tmp_path, capsys):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n")
    search = space.open_search(Project(NAME), Project(NAME).toy, str(wrong), tmp_path, tmp_path / "runs", "random", 5)
    with pytest.raises(UserError, match=r"--target"):
        running.run_search(search, 5)
    assert not search.folder.exists()


@needs_its_knobs
def test_weak_trials_are_pruned_and_never_the_best(tmp_path, monkeypatch, nothing_is_trained):
    def late(config):
        """Weak for three epochs, and the best of all if it were let go on."""
        return [0.1, 0.1, 0.1, 0.1, 0.99] if config.dropout > 0.25 else [0.5, 0.6, 0.7, 0.7, 0.8]

    monkeypatch.setattr(Project, "train", fake_training(late))
    search = opened(tmp_path, "random", 16)
    study = running.run_search(search, 16)
    rows = figures.rows(search, study)
    pruned = [row for row in rows if row["state"] == "pruned"]
    assert pruned and all(row["dropout"] > 0.25 and row["epochs"] == 3 for row in pruned)
    assert rows[sampler.best_trial(study).number]["state"] == "complete"


@needs_its_knobs
def test_a_metric_that_should_be_small(tmp_path, monkeypatch, nothing_is_trained):
    monkeypatch.setattr(Project(NAME).card, "METRIC", ("loss", "min"))
    monkeypatch.setattr(Project, "train", fake_training(lambda config: [config.units, config.units + 1.0]))
    search = opened(tmp_path, "random", 8)
    study = running.run_search(search, 8)
    complete = [row for row in figures.rows(search, study) if row["state"] == "complete"]
    assert sampler.best_trial(study).value == min(row["units"] for row in complete)


def test_what_a_training_is_worth():
    assert running.objective([0.1, 0.7, 0.5], "max", epochs=True) == 0.7
    assert running.objective([0.1, 0.7, 0.5], "min", epochs=True) == 0.1
    assert running.objective([30.0, 20.0], "max", epochs=False) == 25.0, "parts of the validation split all count"
    assert math.isnan(running.objective([0.1, math.nan], "max", epochs=True))


# The real thing.


@one_now_others_slow
def test_a_search_never_opens_the_test_split(name, tmp_path, monkeypatch):
    """Two real trials of every project; they stay out of the list of runs, and leave no network behind."""

    def refuse(*args):
        raise AssertionError("the test split was opened during a search")

    monkeypatch.setattr(Splits, "open_test", refuse)
    project = Project(name)
    search = space.open_search(
        project, project.toy, "builtin", tmp_path / "own-data", tmp_path / "own", "random", 2, ("learning_rate",)
    )
    study = running.run_search(search, 2)
    rows = figures.rows(search, study)
    assert [row["state"] for row in rows] == ["complete"] * 2, [row["error"] for row in rows]
    assert all(row["seconds"] > 0 and row["epochs"] >= 1 for row in rows)
    assert runs.list_runs(project, tmp_path / "own") == []
    assert not list(search.folder.rglob("*.keras")) and not list(search.folder.rglob("checkpoint"))
    assert not (tmp_path / "own" / name / "looks.csv").exists()
    # The line that trains the best, as the project's own command line reads it.
    words = shlex.split(figures.train_command(search, sampler.best_trial(study).params))
    assert words[:3] == ["python", "-m", f"projects.{name}.train"]
    flags = words[words.index("--runs-dir") + 2 :]
    read = tyro.cli(project.config_class, args=flags, config=cli.STYLE)
    assert read == runs.Run(search.folder / name / rows[sampler.best_trial(study).number]["run"]).config


@needs_its_knobs
def test_a_stopped_training_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    project = Project(NAME)
    search = space.open_search(
        project, project.toy, "builtin", tmp_path / "data", tmp_path / "runs", "random", 1, ("dropout",)
    )
    epoch_ended = running.TrialTraining.epoch_ended

    def stop_after_the_second(training, epoch, logs):
        if epoch == 1:
            signal.raise_signal(signal.SIGINT)
        epoch_ended(training, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(running.TrialTraining, "epoch_ended", stop_after_the_second)
        with pytest.raises(running.Stopped):
            running.run_search(search, 1)
    (run,) = (entry["run"] for entry in runs.list_runs(project, search.folder))
    first = run.history
    assert [row["epoch"] for row in first] == [1], "the epoch in which it was stopped does not count"
    study = running.run_search(search, 1)
    assert [row["epoch"] for row in run.history] == [1, 2, 3] and run.history[:1] == first
    assert sampler.best_trial(study).value == max(row["val_average_precision"] for row in run.history)


@needs_its_knobs
def test_the_page_shows_the_search(tmp_path, monkeypatch, nothing_is_trained):
    monkeypatch.setattr(Project, "train", fake_training(hill))
    running.run_search(opened(tmp_path, "random", 3, ("learning_rate",)), 3)  # trials in the runs folder of the page
    for language, named in (("en", {"learning rate", "trial"}), ("ko", {"학습률", "trial"})):
        app = AppTest.from_file(str(ROOT / "apps" / f"{NAME}.py"), default_timeout=120)
        app.query_params["language"], app.query_params["tab"] = language, "train"
        app.run()
        assert not app.exception and not app.error
        shown = [frame.value for frame in app.dataframe if named <= set(frame.value)]
        assert shown and sorted(shown[0]["trial"]) == [0, 1, 2]
        # Lines of all trials, the progress and the importance of the knobs, in the colours of the page.
        assert len(app.get("vega_lite_chart")) == 3 and not app.get("imgs")


# The command.


@needs_its_knobs
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "There is no project 'nothing'"),
        ([NAME, "--strategy", "guess"], "strategy"),
        ([NAME, "--trials", "0"], "--trials"),
        ([NAME, "--knobs", "colour"], "colour"),
        ([NAME, "--knobs", "epochs"], "epochs"),
        ([NAME, "--data", "no/such.csv"], "no/such.csv"),
        ([NAME, "--units", "0"], "--units"),
        ([NAME, "--no-such-flag"], "no-such-flag"),
    ],
)
def test_search_refuses_before_tensorflow(arguments, message, tmp_path):
    refused(["search", *arguments, "--runs-dir", str(tmp_path)], message)
    assert not list(tmp_path.rglob("*.json"))


def test_help_lists_the_knobs_of_the_project():
    helped = ask("projects", "search", PROJECTS[0], "--help")
    assert helped.returncode == 0 and "--trials" in helped.stdout and "--learning-rate" in helped.stdout


@needs_its_knobs
def test_knobs_that_were_set_are_held(tmp_path):
    assert next(iter(opened(tmp_path).space)) == "learning_rate"
    held = opened(tmp_path, dropout=0.3)
    assert "dropout" not in held.space and held.config.dropout == 0.3
    assert list(opened(tmp_path, names=("units", "learning_rate"), units=64).space) == ["learning_rate", "units"]
    with pytest.raises(UserError, match="No knob is left"):
        opened(tmp_path, learning_rate=0.002, batch_size=64, layers=1, units=8, dropout=0.0, history=4)


@needs_its_knobs
def test_the_same_request_is_the_same_search(tmp_path):
    assert opened(tmp_path).folder == opened(tmp_path, trials=40).folder, "more trials go on with it"
    assert opened(tmp_path).folder != opened(tmp_path, units=64).folder
    assert opened(tmp_path).folder != opened(tmp_path, "random").folder
    assert opened(tmp_path, "grid").folder != opened(tmp_path, "grid", 40).folder, "a finer grid has other points"
    asked = json.loads((opened(tmp_path).folder / "search.json").read_text())
    assert asked["strategy"] == "coarse_to_fine" and asked["trials"] == 20
