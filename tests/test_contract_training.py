"""The tab Train of every page, which a fork may leave out."""

import dataclasses
import time

import pytest
from streamlit.testing.v1 import AppTest

from apps import training
from common import config, runs
from common.project import Project
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
    assert any(f"About {Project(name).card.MINUTES:g} minutes" in part.value for part in app.caption)


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
