"""The tab Train of every page, which a fork may leave out."""

import dataclasses
import importlib.util
import re
import time
from types import SimpleNamespace

import pyarrow
import pytest
from streamlit.testing.v1 import AppTest

from apps import training
from common import config, runs
from common.project import Project
from tests import reports
from tests.conftest import PROJECTS, ROOT

every_project = pytest.mark.parametrize("name", PROJECTS)
LONG = "fraud_detection" if "fraud_detection" in PROJECTS else PROJECTS[0]  # one epoch of it takes an instant


def page(name: str, tab: str = "") -> AppTest:
    app = AppTest.from_file(str(ROOT / "apps" / f"{name}.py"), default_timeout=120)
    if tab:
        app.query_params["tab"] = tab
    return app.run()


@every_project
def test_page_without_a_run_offers_training(name):
    app = page(name)
    assert not app.exception and not app.error
    assert any(button.key == "train-default" for button in app.button)
    app = page(name, "train")
    assert not app.exception and not app.error
    knobs = config.knobs(Project(name).config_class)
    values = {knob.name: knob.default for knob in knobs}
    used = {knob.name for knob in knobs if training._is_used(knob, knobs, values, "builtin", True)}
    fields = [*app.number_input, *app.selectbox, *app.checkbox, *app.text_input]
    shown = {field.label.rpartition(" · ")[2].replace(" ", "_") for field in fields} & set(values)
    assert shown == used, "only the knobs that the default's model and data read"
    assert any(f"About {Project(name).card.MINUTES:g} min " in part.value for part in app.caption)


@pytest.mark.parametrize(
    ("name", "model", "there", "gone"),
    [
        ("text_classification", "ensemble", {"partner", "dropout"}, set()),
        ("text_classification", "gru", {"dropout"}, {"partner", "bag_learning_rate"}),
        ("fraud_detection", "gru", {"history"}, {"members", "target"}),
        ("text_classification", "region_cnn", {"units"}, {"embedding"}),
        ("translation", "transformer", {"heads"}, {"cell"}),
    ],
)
def test_only_the_knobs_of_the_chosen_model_are_asked_for(name, model, there, gone):
    if name not in PROJECTS:
        pytest.skip("a fork of another project")
    app = page(name, "train")
    app.selectbox(key="knob-model").set_value(model).run()
    keys = {part.key for part in [*app.number_input, *app.selectbox, *app.checkbox, *app.text_input]}
    assert {f"knob-{knob}" for knob in there} <= keys and not {f"knob-{knob}" for knob in gone} & keys
    assert model in app.query_params["knob-model"]
    assert not any("About" in part.value for part in app.caption), "the card knows the default's time alone"
    linked = AppTest.from_file(str(ROOT / "apps" / f"{name}.py"), default_timeout=120)
    linked.query_params.update({"tab": "train", "knob-model": model})
    linked.run()
    fields = [[*page.number_input, *page.selectbox, *page.checkbox, *page.text_input] for page in (app, linked)]
    assert [part.key for part in fields[0]] == [part.key for part in fields[1]], "an address draws the same at once"


# As comic text has it. Columns: network, the most epochs that it may take, loss, validation loss.
HISTORY = [(1, 2, 0.1, 0.2)] * 2 + [(2, 20, 0.5, 0.6)] * 20 + [(3, 10, 34.0, 35.0)] * 3


@pytest.mark.parametrize(("language", "words"), [("en", "Network 3: Epoch 3 of at most 10"), ("ko", "3번째 신경망: 최대 10에포크")])  # fmt: skip
def test_progress_is_that_of_the_network_that_learns(language, words, monkeypatch):
    """A run may train several networks. The bar and the curves are those of the last one, and so is where it was stopped."""
    project = Project(LONG)
    run = runs.start(project, project.toy, "builtin", runs.data_dir(), runs.runs_dir())
    head = f"epoch,network,epochs,loss,val_loss,val_{run.metric[0]},seconds"
    rows = [",".join(map(str, (number, *row, 0.5, 1.0))) for number, row in enumerate(HISTORY, start=1)]
    (run.path / "history.csv").write_text("\n".join([head, *rows]) + "\n")
    monkeypatch.setitem(training._processes(), str(run.path), process := SimpleNamespace(poll=lambda: None))
    app = AppTest.from_file(str(ROOT / "apps" / f"{LONG}.py"), default_timeout=120)
    app.query_params.update({"tab": "train", "language": language})
    app.run()
    assert not app.exception and not app.error
    (bar,) = [part.proto for part in app.get("progress")]
    assert bar.text.startswith(words) and bar.value == 30
    epochs, losses = drawn_losses(app)
    assert epochs == {1, 2, 3} and losses == {34.0, 35.0}, "the curves of one network alone"
    reports.finish(run, 0.5)
    run.stop_file.touch()
    process.poll = lambda: 0
    app.run()
    (told,) = [part.value for part in app.warning]
    assert ("networks: 2/2, 20/20, 3/10." if language == "en" else "에포크: 2/2, 20/20, 3/10.") in told


def drawn_losses(app: AppTest) -> tuple[set[float], set[float]]:
    """The epochs and the values of the first chart."""
    data = app.get("vega_lite_chart")[0].proto
    frame = pyarrow.ipc.open_stream(data.datasets[0].data.data).read_pandas()
    return set(frame["epoch"]), set(frame["value"])


def test_a_training_is_started_and_stopped_on_the_page():
    """The button starts a process. Its run is stopped by hand; it is finished and says so, and the page shows it."""
    app, project = page(LONG, "train"), Project(LONG)
    knobs = dataclasses.replace(project.toy, epochs=1000, patience=1000)
    for field in [*app.number_input, *app.selectbox, *app.checkbox]:
        if (name := field.label.replace(" ", "_")) in vars(knobs):
            field.set_value(getattr(knobs, name))
    app.run()
    next(button for button in app.button if "Start" in button.label).click().run()
    assert not app.exception
    (entry,) = runs.list_runs(project, runs.runs_dir())
    run, process = entry["run"], training._processes()[str(entry["run"].path)]
    assert run.config == knobs
    while not run.history and process.poll() is None:
        time.sleep(0.05)
    run.stop_file.touch()
    assert process.wait(120) == 0, training._console(run).read_text()
    app.run()
    assert run.finished
    assert any(f"{run.id} was stopped after epoch {len(run.history)} of 1000" in part.value for part in app.warning)
    assert len(run.history) < 1000
    assert f"stopped by hand after {len(run.history)} epochs" in (run.path / "MODEL_CARD.md").read_text()


@pytest.mark.skipif(importlib.util.find_spec("apps.own_data") is None, reason="a fork without uploads")
@pytest.mark.parametrize(
    ("language", "words"), [("en", "ended before it was finished"), ("ko", "학습이 중간에 끝났습니다")]
)
def test_a_training_that_refuses_its_data_says_so_on_the_page(language, words, tmp_path, monkeypatch):
    """The tab shows the sentence of the training in the page's language, and what can be started now."""
    (tmp_path / "offered").mkdir()
    (tmp_path / "offered" / "bad.csv").write_text("a,b\n1,2\n")
    monkeypatch.setenv("KERAS_PORTFOLIO_PAGE_DATA", str(tmp_path / "offered"))
    app = AppTest.from_file(str(ROOT / "apps" / f"{LONG}.py"), default_timeout=120)
    app.query_params.update({"tab": "train", "language": language, "data": "offered/bad.csv"})
    app.run()
    next(button for button in app.button if button.label in ("Start training", "학습 시작")).click().run()
    assert not app.exception and not app.error
    _, process = list(training._processes().items())[-1]
    assert process.wait(120) == 2
    app.run()
    (said,) = (part.value for part in app.error)
    assert not app.exception and words in said and "bad.csv" in said and "Traceback" not in said
    assert re.search("[가-힣]", said.partition(words)[2]) if language == "ko" else "Which column" in said
    assert any(button.label in ("Start training", "학습 시작") for button in app.button)
