"""Odd inputs and damaged files, asked of every project. A new project is asked here without a line."""

import importlib
import json
import random

import pytest

from common import files, runs
from common.errors import UserError
from common.project import Project
from tests.conftest import PROJECTS
from tests.odd import ask, not_finite, replaced

every_project = pytest.mark.parametrize("name", PROJECTS)


@every_project
def test_meta_of_any_content_is_refused_or_answers(name, copied, monkeypatch):
    """What meta.json must hold is said in full, and a run with another content has a sentence or a finite answer."""
    run, specification = copied(name), Project(name).encoding.META
    file, networks, dice = run.path / "meta.json", run.networks(), random.Random(0)
    meta = files.read_json(file, specification)
    assert set(meta) <= {key.removesuffix("?") for key in specification}, "META lacks a name"
    monkeypatch.setattr(runs.Run, "networks", lambda run: networks)  # so that they are opened once
    refused = taken = 0
    for _ in range(200):
        files.write_text(file, json.dumps(replaced(meta, dice)))
        try:
            predictor = run.load()
            taken += 1
            # A new Predictor may compile a loop, so a few are asked here. `tests/campaign.py` asks all of them.
            answer = next(predictor.stream(predictor.examples[0])) if taken <= 5 else {}
        except UserError as error:
            refused += 1
            assert str(error).endswith(".")
        else:
            assert not not_finite(answer), file.read_text()[:500]
    assert refused > 50


@every_project
def test_an_odd_input_gets_a_sentence_or_a_finite_answer(name, trained):
    """200 inputs that resemble an example. `tests/campaign.py` asks thousands."""
    asked, failures = ask(trained(name), seed=0, count=200)
    assert asked >= 200 and not failures, failures[0]


@every_project
def test_new_data_is_read_before_anything_is_fitted(name, trained, tmp_path, monkeypatch):
    """A wrong file is refused at once, and not after the minutes that baselines may take."""
    run, evaluation = trained(name), importlib.import_module(f"projects.{name}.evaluate")
    monkeypatch.setattr(evaluation, "baselines", lambda *args: pytest.fail("fitted"), raising=False)
    (tmp_path / "wrong.csv").write_bytes(b"\x00\x01\xff")
    with pytest.raises(UserError, match=r"wrong\.csv"):
        Project(name).evaluate(run, str(tmp_path / "wrong.csv"))
