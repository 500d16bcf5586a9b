"""Search, scoring and training on a Ray cluster of two local nodes, with a worker killed in each."""

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common import runs
from common.data import load_splits
from common.errors import UserError
from common.project import Project
from common.tools.cluster import nodes, score
from common.tools.search import figures, space
from common.tools.search import run as running
from tests.commands import run_here
from tests.conftest import PROJECTS, ROOT, refused

NAME = "fraud_detection"
pytestmark = pytest.mark.skipif(NAME not in PROJECTS, reason="these tests score tables and train on them")
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install -e '.[cluster]'")
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX: pip install -e '.[cluster]'")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes on this machine, each with one processor."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20, "memory": 4 << 30}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        yield cluster
    finally:
        cluster.shutdown()


def command(*words, **environment):
    """A command of this repository in a process of its own."""
    words, pipe = [sys.executable, "-m", *map(str, words)], subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment})  # fmt: skip


def wait_for(answer, process, seconds=200):
    """What `answer()` gives once it is true; fails when the command has ended before."""
    deadline = time.monotonic() + seconds
    while not (found := answer()):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "nothing has happened"
        time.sleep(0.02)
    return found


def kill_worker(cluster, title):
    """`kill -9` of a worker of this cluster that is busy with `title`; its process id."""
    raylets = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            busy = place.joinpath("cmdline").read_text().startswith(title)
            parent = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):  # it has ended, or has another name
            continue
        if busy and parent in raylets:
            os.kill(int(place.name), signal.SIGKILL)
            return int(place.name)
    return 0


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@needs_ray
@pytest.mark.slow
def test_a_search_whose_worker_is_killed_ends_as_on_one_machine(cluster, tmp_path):
    knobs = {"customers": 100, "batch_size": 256, "layers": 1, "units": 8, "epochs": 15, "patience": 100}
    flags = [word for knob, value in knobs.items() for word in (f"--{knob.replace('_', '-')}", value)]
    words = ["--strategy", "random", "--trials", 3, "--knobs", "learning_rate", "--runs-dir", tmp_path / "many"]
    process = command("projects", "search", NAME, *words, *flags, "--cluster", cluster.address)

    def histories():
        found = {path: table(path) for path in tmp_path.glob(f"many/{NAME}/searches/*/{NAME}/*/history.csv")}
        return len(found) == 2 and all(found.values()) and found

    before = wait_for(histories, process)
    assert kill_worker(cluster, "ray::train_trial")
    said = process.communicate(timeout=200)[0]
    assert process.returncode == 0 and "3 complete" in said, said
    assert all(len(rows) < 15 and table(path)[: len(rows)] == rows for path, rows in before.items()), "from checkpoints"

    project = Project(NAME)
    config, place = project.config_class(**knobs), (tmp_path / "data", tmp_path / "one")
    alone = space.open_search(project, config, "builtin", *place, "random", 3, ("learning_rate",))
    expected = figures.rows(alone, running.run_search(alone, 3))
    rows = table(next(tmp_path.glob(f"many/{NAME}/searches/*/trials.csv")))
    names = ("trial", "state", "average_precision", "epochs", "learning_rate")
    assert [[row[name] for name in names] for row in rows] == [[str(row[name]) for name in names] for row in expected]


@needs_ray
@needs_jax
@pytest.mark.slow
def test_a_training_whose_worker_is_killed_ends_as_in_one_process(cluster, tmp_path):
    """2,226 rows, so both workers take as many of every batch; dropout draws the same numbers for the same rows."""
    words = ["--customers", 101, "--batch-size", 256, "--layers", 1, "--units", 8, "--epochs", 12, "--patience", 100]
    module = f"projects.{NAME}.train"
    process = command(module, *words, "--runs-dir", tmp_path / "many", "--cluster", cluster.address, "--workers", 2)

    def history(runs_dir):
        return next((table(path) for path in (tmp_path / runs_dir).glob(f"{NAME}/*/history.csv")), [])

    before = wait_for(lambda: history("many"), process)
    assert kill_worker(cluster, "ray::Worker.train")
    alone = command(module, *words, "--runs-dir", tmp_path / "one", KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    said = [one.communicate(timeout=300)[0] for one in (process, alone)]
    assert process.returncode == alone.returncode == 0, said
    assert "a worker has died; all begin again after epoch" in said[0]
    rows, expected = history("many"), history("one")
    assert len(before) < 12 and rows[: len(before)] == before, "it went on from the checkpoint"
    for row, other in zip(rows, expected, strict=True):
        for name in ("loss", "val_loss", "val_average_precision"):
            assert float(row[name]) == pytest.approx(float(other[name]), rel=1e-4), (row, other)
    (run,) = runs.list_runs(Project(NAME), tmp_path / "many")
    assert run["status"] == "finished" and len((tmp_path / "many" / NAME / "looks.csv").read_text().splitlines()) == 1


@needs_ray
@pytest.mark.slow
def test_parts_are_scored_once_and_a_killed_worker_is_replaced(cluster, copied, tmp_path):
    run = copied(NAME)
    part = load_splits(run.config, run).validation
    frame = part.inputs.assign(TX_DATETIME=part.cards["time"], TX_FRAUD=part.targets)
    frame = frame.assign(CUSTOMER_ID=part.cards["card"], TERMINAL_ID=part.cards["terminal"])
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "below").mkdir(parents=True)
    for number, name in enumerate(("a.csv", "b.tsv", "below/c.csv")):
        rows = frame.iloc[np.sort(np.random.default_rng(number).integers(len(frame), size=40_000))]
        rows.to_csv(source / name, index=False, sep="\t" if name.endswith("tsv") else ",")
    frame.iloc[:5].to_csv(source / "old.csv", index=False)
    target.mkdir()
    (target / "old.csv").write_text("as it was")
    words = ["--runs-dir", tmp_path / "runs", "--input", source.as_uri(), "--output", target]
    process = command(f"projects.{NAME}.predict", *words, "--cluster", cluster.address)
    wait_for(lambda: list(target.rglob(".*.csv")), process)
    assert kill_worker(cluster, "ray::score_part")
    said = process.communicate(timeout=200)[0]
    assert process.returncode == 0 and "1 of 4 parts exist already" in said, said
    assert (target / "old.csv").read_text() == "as it was"
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()) == [
        "a.csv", "b.csv", "below/c.csv", "old.csv", "plan.json",
    ]  # fmt: skip
    alone = tmp_path / "alone.csv"
    for name in ("a.csv", "b.tsv", "below/c.csv"):
        run_here(f"projects.{NAME}.predict", *words[:2], "--input", source / name, "--output", alone)
        assert (target / name).with_suffix(".csv").read_bytes() == alone.read_bytes()
    # A worker has read the same files as they lie in the folder.
    assert score.score_part(NAME, source, ["a.csv"], tmp_path / "again.csv", [str(word) for word in words[:2]])[0] == 0
    assert (tmp_path / "again.csv").read_bytes() == (target / "a.csv").read_bytes()


@pytest.mark.slow
def test_pictures_are_answered_many_at_once_and_in_order(copied, tmp_path, monkeypatch, capsys):
    run = copied("image_classification")
    source, target = tmp_path / "in", tmp_path / "out"
    for number in range(7):
        path = source / f"{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (9, 9, 3), np.uint8)).save(path)
    (source / "1" / "3.png").write_bytes(b"damaged")
    (source / "notes.txt").write_text("no picture")
    monkeypatch.setattr(score, "PICTURES", 3)
    monkeypatch.setattr(runs.Run, "load", runs.Run.load)  # a worker keeps its networks; this process may not
    words = ["--runs-dir", str(tmp_path / "runs")]
    plan = score._plan(run.project, source, target, "", {"run": "latest", "runs_dir": words[1], "others": []})
    assert "notes.txt is no picture" in capsys.readouterr().err and plan["run"] == run.id
    assert {name: len(files) for name, files in plan["parts"].items()} == {
        "pictures-00000.csv": 3, "pictures-00001.csv": 3, "pictures-00002.csv": 1,
    }  # fmt: skip
    assert [*score._parts(source.as_uri(), "", set(), 0)] == [*plan["parts"].items()], "of a bucket"
    rows = []
    for name, files in plan["parts"].items():
        place = source if rows else source.as_uri()
        status, said = score.score_part(run.project.name, place, files, target / name, words)
        assert status == 0, said
        rows += table(target / name)
    run_here("projects.image_classification.predict", *words, "--input", source, "--output", tmp_path / "alone.csv")
    assert rows == table(tmp_path / "alone.csv") and len(rows) == 6
    # A picture that is new has a part of its own, and the parts before it stay.
    Image.new("RGB", (9, 9)).save(source / "0" / "0a.png")
    again = score._plan(run.project, source, target, "", plan["asked"] | {})
    assert again["parts"] == {**plan["parts"], "pictures-00003.csv": ["0/0a.png"]}


def asked(run="latest", **others):
    return {"run": run, "runs_dir": "runs", "others": [], **others}


def test_a_plan_goes_on_for_the_same_command_alone(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    with pytest.raises(UserError, match="holds no file"):
        score._plan(Project(NAME), source, target, "", asked(None))
    for name in ("a.csv", "b.parquet", "c.txt"):
        (source / name).touch()
    plan = score._plan(Project(NAME), source, target, "", asked(None))
    assert plan["parts"] == {"a.csv": ["a.csv"], "b.parquet": ["b.parquet"], "c.csv": ["c.txt"]}
    assert [name for name, _ in score._parts(source, ".conll", {"b.parquet"}, 0)] == ["a.conll", "c.conll"]
    with pytest.raises(UserError, match="of another command"):
        score._plan(Project(NAME), source, target, ".parquet", asked(None))
    (source / "a.tsv").touch()
    with pytest.raises(UserError, match=r"Two files .* the part a.csv"):
        score._plan(Project(NAME), source, target, "", asked(None))
    assert json.loads((target / "plan.json").read_text()) == plan


def test_the_command_refuses_before_it_starts_a_cluster(tmp_path, monkeypatch):
    module, file = f"projects.{NAME}.predict", tmp_path / "a.csv"
    file.touch()
    both = ["--cluster", "local", "--input", str(tmp_path), "--output"]
    refused(["--cluster=local", "--input", str(file), "--output", str(tmp_path)], "is no folder", module)
    refused([*both, str(file)], "is a file; with --cluster, it is a folder", module)
    refused([*both, str(tmp_path / "out")], "has no finished run", module)
    for uri, said in (
        (f"{tmp_path.as_uri()}/nothing", "is no folder"),
        ("nowhere://bucket/folder", "cannot be read: Unrecognized filesystem type"),
        ("s3://key:secret@bucket/folder", "holds a key"),
    ):
        refused([*both[:2], f"--input={uri}", "--output", str(tmp_path / "out")], said, module)
    if importlib.util.find_spec("ray") and importlib.util.find_spec("jax"):
        refused(["--cluster=local", "--workers=0"], "--workers is 0", f"projects.{NAME}.train")
        for address in ("127.0.0.1:1", "head", "127.0.0.1:port"):
            with (
                pytest.raises(UserError, match=rf"No Ray cluster answers at --cluster {address}"),
                nodes.connected(address, tmp_path),
            ):
                pass
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UserError, match=r'needs Ray: python -m pip install -e "\.\[cluster\]"'),
        nodes.connected("local", tmp_path),
    ):
        pass
