"""What a run survives: kills, full disks, two processes at once, damaged and foreign files."""

import csv
import dataclasses
import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from common import cli, files, runs, schema
from common.checkpoint import Checkpoint
from common.errors import UserError, as_user_error
from common.inputs.images import picture_text, text_pictures
from common.project import Project
from common.records import REPORT
from common.saved import load_network
from common.tools.export import export
from common.tools.fork import fork
from tests import reports
from tests.commands import ask
from tests.conftest import PROJECTS, QUICK, ROOT
from tests.test_training import ToyRun, fit, toy_model

NAME = PROJECTS[0]


@pytest.fixture
def project():
    return Project(NAME)


def start(project, folder) -> runs.Run:
    return runs.start(project, project.config_class(), "builtin", folder / "data", folder / "runs")


# Files: temporaries, names, schema.


def test_temporaries_are_swept_and_never_read(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "history.png").write_text("whole")
    half = tmp_path / "figures" / ".history.0123abcd.png"
    half.write_text("half")
    (tmp_path / ".model.89abcdef").mkdir()
    (tmp_path / ".gitignore").write_text("stays")
    (tmp_path / "figures" / "link.png").symlink_to(ROOT / "README.md")
    assert [path.name for path in files.files_in(tmp_path / "figures", "*.png")] == ["history.png"]
    files.sweep(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [".gitignore", "figures", "figures/history.png", "figures/link.png"]


def test_a_folder_of_results_has_a_name_of_its_own(tmp_path):
    names = [
        files.folder_name(tmp_path / path) for path in ("a/new.csv", "b/new.csv", "a/..", "새 자료.csv", ".", "a/*?")
    ]
    assert len(set(names)) == len(names) - 1, "a/.. and . are one folder"
    assert all(files.TEMPORARY.fullmatch(name) is None and runs.RUN_NAME.fullmatch(name) for name in names)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, key=st.sampled_from(sorted(REPORT)))
def test_any_value_in_a_report_is_taken_or_named(value, key, tmp_path):
    project = Project(NAME)
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**reports.content(project, 0.5), key: value}))
    try:
        content = files.read_json(file, REPORT)
    except UserError as error:
        assert str(file) in str(error)
    else:
        assert not schema.mismatch(content, REPORT)


def test_an_array_is_no_text():
    assert "left" in schema.mismatch({"order": np.zeros((2, 2))}, {"order": ("left", "right")})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1, 10**400, True, "1", None, [1]])
def test_one_wrong_number_in_a_list_is_found_and_named(wrong):
    numbers = [0, 0.5, 1, wrong, 0.5]
    assert schema.mismatch(numbers[:3], [schema.Between(0.0, 1.0)]) == ""
    assert schema.mismatch(numbers, [schema.Between(0.0, 1.0)]).startswith("[3] is ")
    assert schema.mismatch([1, 2.0], [schema.Between(1, 5)]).startswith("[1] is 2.0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged"),
        ("[" * 100_000, "too deeply"),
        ('{"data": NaN}', "NaN"),
        ('"\ud800"', "damaged"),
        ("1e999", "finite"),
        ("", "damaged"),
    ],
)
def test_json_that_is_none(text, words, tmp_path):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=words):
        files.read_json(tmp_path / "a.json", float)


# Lists: one damaged run stops no other.


def test_damaged_runs_are_listed_with_a_reason_and_hurt_nobody(project, tmp_path):
    metric, _ = project.metric("builtin")
    good = reports.finish(start(project, tmp_path), 0.5)

    def damaged(text: str, name: str = "report.json") -> runs.Run:
        run = reports.finish(start(project, tmp_path), 0.6)
        (run.path / name).write_text(text)
        return run

    content = reports.content(project, 0.5)
    request = json.loads((good.path / "run.json").read_text())
    texts = [
        "{" * 5000,
        json.dumps({**content, "validation": {metric: float("nan")}}),
        json.dumps({**content, "validation": {metric: "0.9"}}),
        json.dumps({**content, "validation": {}}),
        json.dumps({**content, "timing": {}}),
        json.dumps({**content, "directions": {metric: "up"}}),
        "[]",
    ]
    requests = [
        json.dumps({**request, "created": "2999-01-01T00:00:00+0000"}),
        json.dumps({**request, "created": "yesterday"}),
        json.dumps({**request, "data": 5}),
        "null",
    ]
    config = dataclasses.asdict(good.config)
    configs = ["{", "[]", json.dumps({**config, "seed": "0"}), json.dumps({**config, "unknown": 1})]
    bad = [damaged(text) for text in texts] + [damaged(text, "run.json") for text in requests]
    bad += [damaged(text, "config.json") for text in configs]
    bad += [damaged(text, "meta.json") for text in ("", "{}", "[]", '{"examples": NaN}', '{"examples": [], "a": 1e999')]
    entries = {entry["run"].id: entry for entry in runs.list_runs(project, tmp_path / "runs")}
    for run in bad:
        assert entries[run.id]["status"] == "damaged" and entries[run.id]["reason"].endswith("."), run
    assert runs.find(project, "best", tmp_path / "runs") == good == runs.find(project, "latest", tmp_path / "runs")
    for command in (["list"], ["compare", NAME, "--help"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "projects",
                *command,
                *(["--runs-dir", str(tmp_path / "runs")] * (command == ["list"])),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_a_run_is_read_again_when_its_meta_changes(project, tmp_path):
    run = reports.finish(start(project, tmp_path), 0.5)
    for text, status in (("{", "damaged"), ('{"examples": []}', "finished")):
        (run.path / "meta.json").write_text(text)
        assert [entry["status"] for entry in runs.list_runs(project, tmp_path / "runs")] == [status]


def test_a_list_of_many_runs_is_fast(project, tmp_path):
    """200 finished runs whose meta.json has a megabyte, as pictures make it: two seconds, and no time the second time."""
    for _ in range(200):
        run = reports.finish(start(project, tmp_path), 0.5)
        files.write_json(run.path / "meta.json", {"examples": ["x" * 1_000_000]})
    began = time.process_time()
    assert len(runs.list_runs(project, tmp_path / "runs")) == 200
    first = time.process_time() - began
    runs.list_runs(project, tmp_path / "runs")
    print(f"{first:.2f} s, {time.process_time() - began - first:.3f} s")
    assert first <= 2 and time.process_time() - began - first <= 0.2


def test_the_pictures_of_a_meta_are_bounded_together():
    white = picture_text(np.full((3000, 3000, 3), 255, np.uint8))
    assert len(text_pictures([white])) == 1
    with pytest.raises(UserError, match=r"7,000,000 are taken"):
        text_pictures([white, white])


def test_a_config_of_other_types_is_refused(project, tmp_path):
    run = start(project, tmp_path)
    defaults = dataclasses.asdict(project.config_class())
    for name in defaults:
        for value in ([], {}, "\x00", -1e30):
            files.write_json(run.path / "config.json", {**defaults, name: value})
            try:
                assert isinstance(getattr(run.config, name), str)
            except UserError:
                pass
    files.write_json(run.path / "config.json", [1])
    with pytest.raises(UserError, match="expected an object"):
        _ = run.config


# Files of a run: regular ones alone.

READERS = {
    "load": lambda run, place: run.load(),
    "find": lambda run, place: runs.find(run.project, run.id, run.path.parents[1]),
    "resume": lambda run, place: run.training().__enter__(),
    "fork": lambda run, place: fork(run.project, place / "fork", run=run),
    "export": lambda run, place: export(run, "savedmodel", place / "export"),
}


@pytest.mark.parametrize(
    "file", ["run.json", "report.json", "meta.json", "history.csv", "log.txt", "*.keras", "MODEL_CARD.md", "*.csv",
             "figures/*.png", "figures", "new.csv", "a folder", "a pipe", "the run"],
)  # fmt: skip
def test_no_reader_of_a_run_follows_a_link_out_of_its_folder(file, copied, tmp_path):
    """A run folder may come from somebody else. A link in it would let a fork, a page or a prompt show any file."""
    run, outside = copied(QUICK), tmp_path / "outside"
    outside.mkdir()
    for path in run.path.glob("*.*"):
        shutil.copy(path, outside)
    (outside / "secret.csv").write_text("secret\n1\n")
    path = next(iter(sorted(run.path.glob(file))), run.path / file.replace(" ", "-"))
    if file == "the run":
        path = run.path
        shutil.copytree(path, outside / "run")
        shutil.rmtree(path)
        path.symlink_to(outside / "run")
    elif file == "a pipe":
        os.mkfifo(path)
    else:
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(outside if file in ("figures", "a folder") else outside / "secret.csv")
    for name, read in READERS.items():
        with pytest.raises(UserError, match=r"a symbolic link|no regular file"):
            print(name, read(run, tmp_path))
        assert not (tmp_path / name).exists()
    (entry,) = runs.list_runs(run.project, run.path.parents[1])
    assert entry["status"] == "damaged" and entry["reason"]
    page = AppTest.from_file(str(ROOT / "apps" / f"{QUICK}.py"), default_timeout=60).run()
    assert not page.exception and any(button.key == "train-default" for button in page.button), "no run to show"


def test_a_link_that_comes_later_is_seen_by_the_page(copied, tmp_path):
    run = copied(QUICK)
    assert [entry["status"] for entry in runs.list_runs(run.project, run.path.parents[1])] == ["finished"]
    (run.path / "figures" / "a.png").symlink_to(ROOT / "README.md")  # the run folder itself has not changed
    page = AppTest.from_file(str(ROOT / "apps" / f"{QUICK}.py"), default_timeout=60).run()
    assert not page.exception and "symbolic link" in page.error[0].value


def test_a_fork_refuses_a_run_whose_texts_are_not_utf8(copied, tmp_path):
    run = copied(QUICK)
    (run.path / "MODEL_CARD.md").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"MODEL_CARD\.md is damaged: it is not UTF-8"):
        fork(run.project, tmp_path / "fork", run=run)


# Locks.


def test_a_run_that_trains_is_refused_to_others_and_listed(project, tmp_path):
    run = start(project, tmp_path)
    holder = (
        "import sys, time, pathlib\n"
        "from common.runs import Run\n"
        "with Run(pathlib.Path(sys.argv[1])).training():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", holder, str(run.path)], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline().strip() == b"held"
        assert [entry["status"] for entry in runs.list_runs(project, tmp_path / "runs")] == ["training"]
        with pytest.raises(UserError, match="training in another process"):
            cli.train_run(run)
    finally:
        process.kill()  # the lock ends with the process
        process.wait()
    assert [entry["status"] for entry in runs.list_runs(project, tmp_path / "runs")] == ["unfinished"]
    with run.training():
        pass


# Checkpoints.


def crash_at(epoch: int):
    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, number, logs=None):
            if number == epoch:
                raise RuntimeError("crash")

    return Crash()


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A training that crashed after four epochs, and one that went to its end: (folder, its run, its weights)."""
    folder = tmp_path_factory.mktemp("crashed")
    with pytest.raises(RuntimeError):
        fit(toy_model(), ToyRun(folder), [crash_at(4)])
    whole, model = ToyRun(tmp_path_factory.mktemp("whole")), toy_model()
    fit(model, whole)
    return folder, whole, model.get_weights()


@pytest.mark.parametrize(
    ("file", "damage"),
    [("model.npz", b""), ("best.npz", b"half"), ("state.json", b"{"), ("optimizer.npz", None), ("state.json", b"{}")],
)
def test_a_damaged_checkpoint_goes_back_to_the_one_before(file, damage, crashed, tmp_path, capsys):
    folder, whole, weights = crashed
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoint" / "00004" / file
    path.unlink() if damage is None else path.write_bytes(damage)
    run, model = ToyRun(tmp_path), toy_model()
    fit(model, run)
    assert "going back" in capsys.readouterr().out
    assert [{**row, "seconds": 0} for row in run.history] == [{**row, "seconds": 0} for row in whole.history]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))


def test_no_checkpoint_that_can_be_read_is_said(tmp_path):
    run = ToyRun(tmp_path)
    with pytest.raises(RuntimeError):
        fit(toy_model(), run, [crash_at(2)])
    for folder in (tmp_path / "checkpoint").iterdir():
        if folder.is_dir():
            (folder / "state.json").write_text("{}")
    with pytest.raises(UserError, match="delete that folder"):
        fit(toy_model(), run)


def test_sigterm_leaves_the_checkpoint_and_no_report(tmp_path):
    run = ToyRun(tmp_path)

    class Terminate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise runs.Terminated

    with pytest.raises(runs.Terminated):
        fit(toy_model(), run, [Terminate()])
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert not (tmp_path / "stop").exists()
    assert not Checkpoint(run, "val_loss", "min", {}).state["done"]


# Networks.


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("network") / "model.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.1)]).save(path)
    return path


def rewritten(source: Path, target: Path, **members: bytes | None) -> Path:
    """A copy of a `.keras` file with some members replaced; None leaves one out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = members.get(name.replace(".", "_"), old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def test_a_network_that_is_whole_is_opened(network):
    assert load_network(network).count_params() == 8


def test_damaged_and_foreign_networks_are_refused_in_a_sentence(network, tmp_path):
    whole = network.read_bytes()
    config_text = zipfile.ZipFile(network).read("config.json").decode()
    cases: list[Path] = []

    def case(content: bytes) -> None:
        cases.append(tmp_path / f"{len(cases)}.keras")
        cases[-1].write_bytes(content)

    case(b"")
    case(b"no zip")
    case(whole[: len(whole) // 2])
    for change in (
        {"config_json": b"{"},
        {"config_json": b"[]"},
        {"config_json": b"{}"},
        {"config_json": ("[" * 100_000).encode()},
        {"config_json": config_text.replace('"units": 2', '"units": 2000000000').encode()},
        {"config_json": config_text.replace('"units": 2', '"units": "two"').encode()},
        {"config_json": config_text.replace('"class_name": "Dense"', '"class_name": "Lambda"').encode()},
        {"config_json": config_text.replace('"module": "keras.layers"', '"module": "os"').encode()},
        {"model_weights_h5": b""},
        {"model_weights_h5": b"no HDF5"},
        {"model_weights_h5": None},
        {"metadata_json": None},
    ):
        cases.append(rewritten(network, tmp_path / f"{len(cases)}.keras", **change))
    with zipfile.ZipFile(network) as old, zipfile.ZipFile(tmp_path / "packed.keras", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    for file in [*cases, tmp_path / "packed.keras"]:
        with pytest.raises(UserError, match=file.name):
            print(file.name, load_network(file))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), bytes_=st.binary(min_size=1, max_size=8))
def test_any_byte_of_a_network_may_be_wrong(place, bytes_, network, tmp_path):
    content = bytearray(network.read_bytes())
    at = int(place * (len(content) - 1))
    content[at : at + len(bytes_)] = bytes_
    (tmp_path / "model.keras").write_bytes(content)
    try:
        load_network(tmp_path / "model.keras")  # a weight may be another number
    except UserError as error:
        assert "model.keras" in str(error)


# The system.


def test_errors_of_the_system_that_a_user_can_mend(tmp_path):
    assert "No space" in str(as_user_error(OSError(errno.ENOSPC, "No space left on device", str(tmp_path))))
    assert as_user_error(OSError(errno.EIO, "Input/output error")) is None
    with pytest.raises(OSError, match=r"No space .*a\.json"), files.replacing(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, "No space left on device")  # a write names no file
    with pytest.raises(SystemExit) as stop, cli.user_errors():
        raise OSError(errno.EROFS, "Read-only file system", "runs/looks.csv")
    assert stop.value.code == 2
    with pytest.raises(OSError, match="output"), cli.user_errors():
        raise OSError(errno.EIO, "Input/output error")


def test_an_interrupt_that_a_library_swallows_still_ends_the_block():
    with pytest.raises(KeyboardInterrupt), cli.noticing_interrupts():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt:
            pass
    with pytest.raises(runs.Terminated), cli.noticing_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child")
def test_ctrl_c_never_shows_a_traceback_of_imports(tmp_path):
    script = (
        "import runpy, sys\n"
        f"sys.argv = ['-m', '--runs-dir', {str(tmp_path)!r}]\n"
        "import projects\n"
        "print('begins', flush=True)\n"
        f"runpy.run_module('projects.{NAME}.train', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", script]
    for seconds in (0, 0.03, 0.06, 0.1, 0.2, 0.4):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors, errors
        assert process.returncode in (-signal.SIGINT, cli.INTERRUPTED)
    left = runs.list_runs(Project(NAME), tmp_path)
    assert {entry["status"] for entry in left} <= {"unfinished"} and len(left) == len(list(tmp_path.glob("*/*")))


def test_a_crash_before_anything_was_learnt_leaves_no_run(tmp_path, monkeypatch):
    def crash(run):
        run.log("begun")
        raise RuntimeError("crash")

    monkeypatch.setattr(cli, "train_run", crash)
    monkeypatch.setattr(sys, "argv", ["train", "--runs-dir", str(tmp_path)])
    with pytest.raises(RuntimeError):
        cli.train_command(f"projects.{NAME}")
    assert not list(tmp_path.glob("*/*"))


def test_a_full_disk_ends_a_training_with_the_name_of_the_run(tmp_path, monkeypatch, capsys):
    def full(run):
        raise OSError(errno.ENOSPC, "No space left on device")  # what a write to a full disk raises names no file

    monkeypatch.setattr(cli, "train_run", full)
    monkeypatch.setattr(sys, "argv", ["train", "--runs-dir", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        cli.train_command(f"projects.{NAME}")
    said = capsys.readouterr().err
    assert stop.value.code == 2 and f"error: {tmp_path}" in said and "No space left" in said


def test_output_of_another_encoding_and_a_pipe_that_closes():
    script = "from common import cli\nwith cli.user_errors():\n    print('한국어 ↓ é')\n    print('x\\n' * {count})\n"
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [sys.executable, "-c", script.format(count=1)], cwd=ROOT, env=environment, capture_output=True
    )
    assert done.returncode == 0 and done.stdout.startswith(b"??? ? \xe9") and not done.stderr, done.stderr
    process = subprocess.Popen(
        [sys.executable, "-c", script.format(count=10**6)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.read(20)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(60) == 1


def test_a_damaged_ledger_of_looks_ends_no_evaluation(project, tmp_path):
    from common.data import Source, Split, Splits, looks

    run = start(project, tmp_path)
    part = Split([0, 1], [0, 1])
    splits = Splits(part, part, part, {}, Source("a", "a", "0", "row"))
    assert splits.open_test(run)[1] == 1
    with (run.path.parent / "looks.csv").open("ab") as file:
        file.write(b'\xff\x00\x00,,\n"half a li')
    assert splits.open_test(run)[1] >= 1
    assert splits.open_test(run)[1] >= 2
    ledger, secret = run.path.parent / "looks.csv", tmp_path / "secret"
    assert looks(ledger)[0][1] == run.id, "what a comparison reads"
    ledger.rename(secret)
    ledger.symlink_to(secret)
    before = secret.read_bytes()
    for read in (lambda: splits.open_test(run), lambda: looks(ledger)):
        with pytest.raises(UserError, match="symbolic link"):
            read()
    assert secret.read_bytes() == before


def test_a_run_on_changed_data_is_refused(project, tmp_path):
    run = start(project, tmp_path)
    run.check_data("one")
    run.check_data("one")
    with pytest.raises(UserError, match="has changed"):
        run.check_data("two")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_training_goes_on(trained, tmp_path):
    """A real `kill -9` in the middle of an epoch, for one project, because all projects share this code."""
    name = "fraud_detection"
    project = Project(name)
    run = runs.start(project, project.toy, "builtin", tmp_path / "data", tmp_path / "runs")
    command = [sys.executable, "-m", f"projects.{name}.train", "--resume", run.id]
    command += ["--runs-dir", str(tmp_path / "runs")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not (run.path / "history.csv").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = run.history
    assert before, process.stdout.read()
    assert not run.finished
    with (run.path / "history.csv").open(newline="") as file:
        assert all(None not in row.values() for row in csv.DictReader(file)), "history.csv is half-written"
    resumed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert run.finished
    epochs = [row["epoch"] for row in run.history]
    assert epochs == [row["epoch"] for row in trained(name).history] == list(range(1, len(epochs) + 1))
    assert run.history[: len(before)] == before
    again = ask(*command[2:])
    assert again.returncode == 2 and "finished" in again.stderr
