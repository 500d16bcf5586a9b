"""What every project promises, asked of each folder under projects/. A new project is tested here without a line."""

import json
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from common import cli, config, runs
from common.data import Splits
from common.project import Project
from common.report import plain
from tests.commands import ask
from tests.conftest import PROJECTS, ROOT

every_project = pytest.mark.parametrize("name", PROJECTS)


def page(name: str) -> AppTest:
    return AppTest.from_file(str(ROOT / "apps" / f"{name}.py"), default_timeout=120)


def start(name: str, folder) -> runs.Run:
    project = Project(name)
    return runs.start(project, project.toy, "builtin", folder / "data", folder / "runs")


@every_project
def test_card(name):
    card = Project(name).card
    for text in (card.TITLE, card.PROBLEM):
        assert set(text) == {"en", "ko"} and all(text.values())
    assert card.TOPOLOGY in ("one-to-one", "one-to-many", "many-to-one", "many-to-many")
    pairs = card.METRIC.values() if isinstance(card.METRIC, dict) else [card.METRIC]
    assert {mode for _, mode in pairs} <= {"max", "min"}
    assert 0 < card.MINUTES <= 30
    assert "builtin" in card.DATA and "PATH" in card.DATA
    assert card.LIMITS and len(card.PREDICT_HINT) == 2
    for file in ("config", "encoding", "data", "model", "predict", "evaluate", "train"):
        assert (ROOT / "projects" / name / f"{file}.py").is_file(), file
    # In a repository of this project alone the case study is the repository's README.
    folder = ROOT / "projects" / name if len(PROJECTS) > 1 else ROOT
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert len(readme) > 1500, "the README is the case study: problem, data, models, results, limits, next steps"
    assert "@@" not in readme and "TODO" not in readme
    assert (ROOT / "apps" / f"{name}.py").is_file() and (ROOT / "tests" / f"test_{name}.py").is_file()


@every_project
def test_every_knob_has_help_and_a_legal_default(name):
    config_class = Project(name).config_class
    config.check(config_class())
    for knob in config.knobs(config_class):
        assert len(knob.help) > 10, f"{knob.name} has no comment"
        if knob.search:
            low, high = (knob.kind(value) for value in (knob.search.low, knob.search.high))
            assert low <= knob.default <= high, f"{knob.name}: the default is outside the search range"
            for value in (low, high):
                config.check(config_class(**{knob.name: value}))


@every_project
@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_help_and_refusal_come_before_tensorflow(name, command):
    """`ask` fails when TensorFlow, Keras or scikit-learn has been imported."""
    helped, refused = (ask(f"projects.{name}.{command}", flag) for flag in ("--help", "--no-such-flag"))
    assert helped.returncode == 0 and "--runs-dir" in helped.stdout, helped.stderr
    assert "{None}" not in helped.stdout and "options options" not in helped.stdout
    assert refused.returncode == 2 and "Traceback" not in refused.stderr, refused.stderr


@every_project
def test_splits_share_nothing(name, trained, tmp_path):
    """No input of one split is in another."""
    splits = Project(name).load_data("builtin")(Project(name).toy, "builtin", tmp_path)
    parts = (splits.train, splits.validation, splits.sealed_test)
    rows = [set(map(_key, _rows(part.inputs))) for part in parts]
    assert rows[1] and rows[2]
    # Only what learns from its very input, and so saves no network, may have nothing to train on.
    assert rows[0] or not trained(name).load().networks
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]
    assert list(splits.sizes) == ["train", "validation", "test"]


def _rows(inputs):
    """The inputs one by one: of a frame, of a dict or tuple of arrays, of a list."""
    if isinstance(inputs, pd.DataFrame):
        return inputs.itertuples(index=False, name=None)
    if isinstance(inputs, (dict, tuple)):
        return zip(*(inputs.values() if isinstance(inputs, dict) else inputs), strict=True)
    return inputs


def _key(row):
    return json.dumps(plain(row), default=repr)


@every_project
def test_report_and_card_are_complete(name, trained):
    run, project = trained(name), Project(name)
    content = run.report
    metric, _ = project.metric("builtin")
    assert content["validation"][metric] is not None
    assert content["test"]["looks"] >= 1
    assert content["test"]["baselines"], "no baseline was scored"
    assert next(iter(content["directions"])) == metric, "tables give the verdict on the first metric"
    assert set(content["test"]["model"]) == set(content["directions"])
    for figures in content["test"]["baselines"].values():
        assert set(figures) <= set(content["directions"])
    verdicts = {"better", "not distinguishable", "worse", "undefined"}
    for compared in content["test"]["comparison"].values():
        assert {entry["verdict"] for entry in compared.values()} <= verdicts
    assert content["timing"]["total_seconds"] > 0 and content["environment"]["keras"]
    assert (run.path / "MODEL_CARD.md").stat().st_size > 500
    assert sorted((run.path / "figures").glob("*.png"))
    assert not list(run.path.glob(".*")), "a temporary file stayed behind"


class Crash(keras.callbacks.Callback):
    """Fails in the middle of the second epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.params["epochs"] > 1 and getattr(self, "epoch", 0) == 1:
            raise RuntimeError("crash")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


@pytest.fixture
def sealed(monkeypatch):
    """The test split can be opened by `evaluate` alone."""
    open_test, evaluate = Splits.open_test, cli.evaluate_on_one_thread

    def refuse(*args):
        raise AssertionError("the test split was opened during training")

    def opened(*args):
        with monkeypatch.context() as patched:
            patched.setattr(Splits, "open_test", open_test)
            return evaluate(*args)

    monkeypatch.setattr(Splits, "open_test", refuse)
    monkeypatch.setattr(cli, "evaluate_on_one_thread", opened)


@every_project
def test_a_crashed_training_ends_with_the_figures_of_one_that_was_not(name, trained, sealed, tmp_path):
    """Same seed, same figures to the last digit; no epoch is lost or done twice; training never opens the test split."""
    whole, run = trained(name), start(name, tmp_path)
    with pytest.raises(RuntimeError, match="crash"):
        cli.train_run(run, (Crash(),))
    assert not run.finished
    assert [entry["status"] for entry in runs.list_runs(run.project, tmp_path / "runs")] == ["unfinished"]
    first = run.history
    assert [row["epoch"] for row in first] == [1]
    cli.train_run(run)
    assert run.finished
    assert [row["epoch"] for row in run.history] == [row["epoch"] for row in whole.history]
    assert run.history[0] == first[0], "the epoch before the crash was trained again"
    assert not (run.path / "checkpoint").exists(), "a finished run keeps nothing to go on with"
    assert _figures(run) == _figures(whole)


def _figures(run: runs.Run) -> tuple[list, dict]:
    """History and report without what differs between two runs with the same figures: times, the run's id, the looks."""
    content = _without(run.report, "timing", "run")
    content["test"] = _without(content["test"], "looks")
    content["failures"] = [_without(row, "seconds") for row in content["failures"]]
    return [_without(row, "seconds") for row in run.history], content


def _without(row: dict, *keys: str) -> dict:
    return {key: value for key, value in row.items() if key not in keys}


@every_project
def test_only_evaluate_reaches_the_test_split(name):
    """What `test_a_crashed_training…` asks of the toy setting, asked of the text of all files."""
    for file in (ROOT / "projects" / name).glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "sealed_test" not in text, f"{file} reaches past open_test"
        assert "open_test" not in text or file.name == "evaluate.py", f"{file} opens the test split"


# One child for all projects: starting TensorFlow is most of the cost. It first opens every network while `common` and
# `projects` cannot be imported, because a saved model must open in plain Keras. Then it asks every Predictor.
CHILD = """
import json, pathlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("common", "projects", "apps"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import keras, numpy as np

folders = [pathlib.Path(p) for p in sys.argv[1:]]
for folder in folders:
    for file in folder.glob("*.keras"):
        network = keras.saving.load_model(file, compile=False, safe_mode=True)
        with np.load(folder / f"{file.stem}-inputs.npz") as saved:
            outputs = network(keras.tree.pack_sequence_as(network.input, [saved[key] for key in saved.files]))
        flat = [keras.ops.convert_to_numpy(part) for part in keras.tree.flatten(outputs)]
        np.savez(folder / f"{file.stem}-outputs.npz", *flat)
sys.meta_path.pop(0)
from common.report import plain
from common.runs import Run
for folder in folders:
    predictor = Run(folder).load()
    (folder / "answer.json").write_text(json.dumps(plain(predictor.predict(predictor.examples[0]))))
"""


def test_saved_networks_give_the_same_in_a_fresh_process(copied):
    finished = [copied(name) for name in PROJECTS]
    predictors = [run.load() for run in finished]
    expected = {}
    random = np.random.default_rng(0)
    for run, predictor in zip(finished, predictors, strict=True):
        for name, network in predictor.networks.items():
            sizes = [(2, *(size or 4 for size in part.shape[1:])) for part in network.inputs]
            inputs = [np.abs(random.normal(size=size)) for size in sizes]  # no id is negative
            inputs = [values.astype(part.dtype) for values, part in zip(inputs, network.inputs, strict=True)]
            np.savez(run.path / f"{name}-inputs.npz", *inputs)
            outputs = network(keras.tree.pack_sequence_as(network.input, inputs))
            expected[run.path, name] = [keras.ops.convert_to_numpy(part) for part in keras.tree.flatten(outputs)]
    command = [sys.executable, "-c", CHILD, *(str(run.path) for run in finished)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    for (folder, name), values in expected.items():
        with np.load(folder / f"{name}-outputs.npz") as saved:
            for key, value in zip(saved.files, values, strict=True):
                np.testing.assert_allclose(saved[key], value, atol=1e-6)
    for run, predictor in zip(finished, predictors, strict=True):
        answer = json.loads(json.dumps(plain(predictor.predict(predictor.examples[0]))))
        fresh = json.loads((run.path / "answer.json").read_text())
        keras.tree.assert_same_structure(fresh, answer)
        for value, wanted in zip(keras.tree.flatten(fresh), keras.tree.flatten(answer), strict=True):
            assert value == (pytest.approx(wanted, abs=1e-6) if isinstance(wanted, float) else wanted)


@every_project
def test_stream_ends_with_what_predict_answers(name, trained):
    predictor = trained(name).load()
    assert predictor.examples
    example = predictor.examples[0]
    *_, last = predictor.stream(example)
    assert plain(last) == plain(predictor.predict(example))


@every_project
def test_page_without_a_run_says_how_to_train(name):
    app = page(name).run()
    assert not app.exception and not app.error
    assert [code.value for code in app.code] == [f"python -m projects.{name}.train"]


@every_project
@pytest.mark.parametrize("language", ["en", "ko"])
def test_page_shows_exactly_what_predict_answers_and_every_tab_draws(name, language, copied):
    run = copied(name)

    def opened(tab: str = "") -> AppTest:
        app = page(name)
        app.query_params["language"] = language
        if tab:
            app.query_params["tab"] = tab
        app.run()
        assert not app.exception and not app.error
        return app

    app = opened()
    assert app.title[0].value == run.project.card.TITLE[language]
    predictor = run.load()
    assert json.loads(app.json[0].value) == json.loads(json.dumps(plain(predictor.predict(predictor.examples[0]))))
    assert {"What you have tried (1)", "지금까지 써 본 것 (1)"} & {part.label for part in app.expander}
    for tab in ("data", "results", "inside", "train"):
        assert len(opened(tab).main.children) > 1, tab
