"""The gallery: with no run, with damaged ones, with many; both languages; nothing of TensorFlow."""

import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from apps import shared
from apps.i18n import TERMS
from common import report, runs
from common.project import Project
from common.tools import list as overview
from common.tools import train_all
from tests import reports
from tests.conftest import PROJECTS, ROOT


def gallery(language: str = "en") -> AppTest:
    app = AppTest.from_file(str(ROOT / "apps" / "main.py"), default_timeout=60)
    app.query_params["language"] = language
    app.run()
    assert not app.exception and not app.error
    return app


def titles(app: AppTest) -> list[str]:
    return [
        part.value.removeprefix("#### ").replace("\\", "") for part in app.markdown if part.value.startswith("#### ")
    ]


@pytest.fixture
def finished(copied):
    """A finished run of the first project, which a test may change."""
    return copied(PROJECTS[0])


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_project_has_a_card_before_anything_is_trained(language):
    app = gallery(language)
    assert titles(app) == [Project(name).card.TITLE[language] for name in PROJECTS]
    assert not app.metric


def test_card_shows_the_best_run_beside_the_best_baseline(finished):
    metric, mode = finished.metric
    content = finished.report
    test = content["test"]
    best = (max if mode == "max" else min)(figures[metric]["value"] for figures in test["baselines"].values())
    figure = {"value": 1e6 if mode == "max" else -1e6, "low": 0.0, "high": 0.0}
    test["baselines"]["oracle"], test["reference_only"] = {metric: figure}, ["oracle"]
    (finished.path / "report.json").write_text(json.dumps(content))
    app = gallery()
    assert "oracle" not in overview._scores((metric, mode), content)["baseline"]
    assert [part.value for part in app.metric] == [report.number(test["model"][metric]["value"])]
    assert any(report.number(best) in part.value.replace("\\", "") for part in app.caption)


def test_card_says_in_words_who_is_better(finished):
    """A sign beside the baseline's figure reads as if it were the baseline's."""
    content = finished.report
    for verdict, words in (("worse", "The network is worse than"), ("better", "The network is better than")):
        for compared in content["test"]["comparison"].values():
            compared[finished.metric[0]]["verdict"] = verdict
        (finished.path / "report.json").write_text(json.dumps(content))
        captions = " ".join(part.value for part in gallery().caption)
        assert words in captions and not {"▲", "▼"} & {*captions}


def test_a_stopped_run_has_no_star_and_a_note(finished):
    finished.stop_file.touch()
    assert any("A first try" in part.value for part in gallery().caption)
    page = AppTest.from_file(str(ROOT / "apps" / f"{finished.project.name}.py"), default_timeout=60).run()
    assert page.sidebar.selectbox[0].options == [finished.id]


def test_a_page_opens_the_run_that_its_card_shows(tmp_path, monkeypatch):
    """The best one on the default data, also where a later run is on other data; else the best one on the latest data."""
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path))
    project, other = Project(PROJECTS[0]), tmp_path / "other.csv"
    other.write_text("")
    sign = 1 if project.metric("builtin")[1] == "max" else -1

    def finish(data: str, value: float) -> str:
        run = runs.start(project, project.config_class(), data, tmp_path, tmp_path)
        return reports.finish(run, sign * value).id

    def opened() -> str:
        app = AppTest.from_file(str(ROOT / "apps" / f"{project.name}.py"), default_timeout=60)
        app.query_params["tab"] = "train"
        (field,) = [field for field in app.run().sidebar.selectbox if field.key == "run"]
        assert [option for option in field.options if option.startswith("★")] == [f"★ {field.value}"]
        assert shared.best_run(project)["run"].id == field.value
        return field.value

    own, _ = finish(str(other), 0.8), finish(str(other), 0.7)
    assert opened() == own
    best, _, _ = finish("builtin", 0.6), finish("builtin", 0.5), finish(str(other), 0.9)
    assert opened() == best


@pytest.mark.parametrize("content", ["{", "[]", '{"validation": null}'])
def test_a_damaged_report_is_left_out(finished, content):
    (finished.path / "report.json").write_text(content)
    assert not gallery().metric


def test_a_damaged_run_folder_is_left_out(finished):
    for name in ("run.json", "config.json", "meta.json", "report.json"):
        (finished.path / name).write_text("")
    shutil.rmtree(finished.path / "figures")
    assert not gallery().metric
    page = AppTest.from_file(str(ROOT / "apps" / f"{finished.project.name}.py"), default_timeout=60).run()
    assert not page.exception and any(button.key == "train-default" for button in page.button)


def test_folders_that_cannot_be_read_are_sentences_on_the_cards(monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EACCES, "Permission denied", "runs")

    monkeypatch.setattr(runs, "list_runs", refuse)
    app = AppTest.from_file(str(ROOT / "apps" / "main.py"), default_timeout=60)
    app.query_params["language"] = "ko"
    app.run()
    assert not app.exception and titles(app) == [Project(name).card.TITLE["ko"] for name in PROJECTS]
    assert len(app.error) > len(PROJECTS) and {error.value for error in app.error} == {"runs: 접근 권한이 없습니다."}


def test_two_hundred_runs(finished):
    for number in range(200):
        copy = finished.path.with_name(f"20200101-000000-s{number}")
        copy.mkdir()
        for name in ("run.json", "config.json", "meta.json", "report.json"):
            shutil.copy(finished.path / name, copy / name)
    (copy / "report.json").write_text("{")
    content = finished.report
    content["validation"][finished.metric[0]] = 1e9 if finished.metric[1] == "max" else -1e9
    content["test"]["model"][finished.metric[0]]["value"] = 0.123
    (finished.path.with_name("20200101-000000-s7") / "report.json").write_text(json.dumps(content))
    assert [part.value for part in gallery().metric] == ["0.123"]


def test_the_gallery_loads_neither_tensorflow_nor_tables():
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('apps/main.py', default_timeout=60).run()\n"
        "assert not app.exception and app.title\n"
        "assert not {'tensorflow', 'keras', 'sklearn', 'matplotlib', 'altair', 'pandas', 'pyarrow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_damaged_network_is_named_in_a_sentence(finished):
    networks = list(finished.path.glob("*.keras"))
    if not networks:
        pytest.skip(f"{finished.project.name} saves no network")
    networks[0].write_bytes(networks[0].read_bytes()[:1000])
    page = AppTest.from_file(str(ROOT / "apps" / f"{finished.project.name}.py"), default_timeout=60).run()
    assert not page.exception and [error.value for error in page.error] == [f"{networks[0]} is damaged."]


def test_field_terms_are_korean():
    for name, given in TERMS.items():
        english, korean = given if isinstance(given, list) else ("", given)
        assert name == name.lower().replace(" ", "_") and (re.search("[가-힣]", korean) or english == korean), name
    assert list(TERMS) == sorted(TERMS), "kept in alphabetical order, so that a reader finds a word"


def test_the_gallery_offers_to_train_while_a_project_has_no_run(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path))
    launched = []
    monkeypatch.setattr("apps.training.launch_all", lambda: launched.append(True))
    app = AppTest.from_file(str(ROOT / "apps" / "main.py"), default_timeout=60).run()
    assert not app.exception
    total = round(train_all.minutes([Project(name) for name in PROJECTS]))
    assert any(f"about {total} min " in part.value for part in app.markdown)
    app.button(key="train-all").click().run()
    assert launched and not app.exception


def test_streamlit_has_every_part_that_the_style_names():
    """The names are Streamlit's own, and a release may change them: then the rules of style.css would match nothing."""
    names = set(re.findall(r'data-testid\^?="(\w+)', (ROOT / "apps" / "style.css").read_text(encoding="utf-8")))
    scripts = (Path(streamlit.__file__).parent / "static").rglob("*.js")
    code = "".join(path.read_text(encoding="utf-8") for path in scripts)
    assert names and not [name for name in sorted(names) if name not in code]
