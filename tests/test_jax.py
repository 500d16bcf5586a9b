"""Every project trains its toy on the JAX backend, with figures as on TensorFlow. Needs the package of `.[jax]`."""

import ast
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common import cli, runs
from common.project import Project
from tests.conftest import PROJECTS, ROOT

TRAIN = """
import os, sys
from pathlib import Path
from common import cli, runs
from common.project import Project
project, folder = Project(sys.argv[1]), Path(sys.argv[2])
cli.train_run(runs.start(project, project.toy, "builtin", folder / "data", folder / "runs"))
"""
# A toy GAN's concordance is between 0.02 and 0.44, by the seed. So its steps are compared in place of its figure.
STEPS = """
from tests.test_jax import steps
print(steps(folder / "weights.npz"))
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX: pip install -e '.[jax]'"),
]


def on_jax(script: str, name: str, folder: Path) -> str:
    """What a script prints in a process with the JAX backend."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", script, name, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("name", [name for name in PROJECTS if name != "colorization"])
def test_a_toy_trains_on_jax_as_on_tensorflow(name, trained, tmp_path):
    on_jax(TRAIN, name, tmp_path)
    report = json.loads(next((tmp_path / "runs" / name).glob("*/report.json")).read_text())
    expected = trained(name).report["test"]["model"]
    metric = trained(name).project.metric("builtin")[0]
    ours, theirs = (figures[metric] for figures in (report["test"]["model"], expected))
    if "low" in ours:  # the random numbers of the two are different, so the networks are
        assert ours["low"] <= theirs["high"] and theirs["low"] <= ours["high"], (ours, theirs)
    elif ours["value"] != pytest.approx(theirs["value"], rel=0.05, abs=0.02):  # it may have learnt next to nothing
        seeds = [theirs["value"], *(toy_figure(name, seed, tmp_path / f"{seed}") for seed in (1, 2))]
        assert 0.95 * min(seeds) <= ours["value"] <= 1.05 * max(seeds), "further off than seeds are on TensorFlow"


def toy_figure(name: str, seed: int, folder: Path) -> float:
    """METRIC of the toy with another seed, on TensorFlow."""
    project = Project(name)
    run = runs.start(project, dataclasses.replace(project.toy, seed=seed), "builtin", folder / "data", folder / "runs")
    cli.train_run(run)
    return run.report["test"]["model"][project.metric("builtin")[0]]["value"]


def steps(weights: Path) -> list[dict[str, float]]:
    """The figures of five steps of a toy GAN, and of its average. The first process that asks keeps its weights."""
    from projects.colorization import config, encoding, model

    gan = model.build_model(dataclasses.replace(config.TOY, dropout=0.0, discriminator_rate=3e-2), {})
    if weights.exists():
        with np.load(weights) as file:
            gan.set_weights([file[name] for name in file.files])
    else:
        np.savez(weights, *gan.get_weights())
    pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 16, 16, 3), np.uint8)
    batches = [encoding.inputs_and_targets(batch) for batch in pictures]
    figures = [gan.train_on_batch(*batch, return_dict=True) for batch in batches]
    figures.append(gan.test_on_batch(*batches[0], return_dict=True))
    return [{name: float(value) for name, value in step.items()} for step in figures]


@pytest.mark.skipif("colorization" not in PROJECTS, reason="a fork of another project")
def test_two_networks_train_on_jax_as_on_tensorflow(tmp_path):
    """From the same weights, on the same batches, without dropout, whose random numbers differ."""
    ours = steps(tmp_path / "weights.npz")
    theirs = ast.literal_eval(on_jax(TRAIN + STEPS, "colorization", tmp_path).splitlines()[-1])
    assert len(ours) == len(theirs) == 6 and all(0 < step["loss"] < 2 for step in ours)
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-3)
