"""Every project trains its toy on the JAX backend, with figures as on TensorFlow. Needs the package of `.[jax]`."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECTS, ROOT

TENSORFLOW_ALONE = {"colorization": "two networks with an optimiser each, in one step"}
TRAIN = """
import os, sys
from pathlib import Path
from common import cli, runs
from common.project import Project
project, folder = Project(sys.argv[1]), Path(sys.argv[2])
cli.train_run(runs.start(project, project.toy, "builtin", folder / "data", folder / "runs"))
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX: pip install -e '.[jax]'")
@pytest.mark.parametrize("name", PROJECTS)
def test_a_toy_trains_on_jax_as_on_tensorflow(name, trained, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-c", TRAIN, name, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    if name in TENSORFLOW_ALONE:
        assert done.returncode and "on TensorFlow alone" in done.stderr
        return
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(next((tmp_path / "runs" / name).glob("*/report.json")).read_text())
    expected = trained(name).report["test"]["model"]
    metric = trained(name).project.metric("builtin")[0]
    ours, theirs = (figures[metric] for figures in (report["test"]["model"], expected))
    if "low" in ours:  # the random numbers of the two are different, so the networks are
        assert ours["low"] <= theirs["high"] and theirs["low"] <= ours["high"], (ours, theirs)
    else:
        assert ours["value"] == pytest.approx(
            theirs["value"], rel=0.05, abs=0.02
        )  # a toy may have learnt next to nothing
