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
        app.session_state[f"{name}-tab-en"] = tab
    return app.run()


@every_project
def test_page_without_a_run_offers_training(name):
    app = page(name)
    assert not app.exception and not app.error
    assert any(button.key == "train-default" for button in app.button)
    app = page(name, "Train")
    assert not app.exception and not app.error
    names = [knob.name.replace("_", " ") for knob in config.knobs(Project(name).config_class)]
    fields = [*app.number_input, *app.selectbox, *app.checkbox, *app.text_input]
    assert set(names) <= {field.label for field in fields}


def test_a_training_is_started_and_stopped_on_the_page():
    """The button starts a process. Its run is stopped by hand; it is finished and says so, and the page shows it."""
    app, project = page(LONG, "Train"), Project(LONG)
    knobs = dataclasses.replace(project.toy, epochs=1000, patience=1000)
    for field in [*app.number_input, *app.selectbox, *app.checkbox]:
        if (name := field.label.replace(" ", "_")) in vars(knobs):
            field.set_value(getattr(knobs, name))
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
    assert run.finished and any(run.id in success.value for success in app.success)
    assert len(run.history) < 1000
    assert f"stopped by hand after {len(run.history)} epochs" in (run.path / "MODEL_CARD.md").read_text()
