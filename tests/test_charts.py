"""The figures of a report as a page draws them: the same numbers as in the picture, in the page's language."""

import json
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from apps import charts, i18n
from common import report
from common.drawn import drawn
from common.evaluation import confidence
from tests.conftest import QUICK, ROOT, one_now_others_slow


def marks(figure, panel: int = 0) -> list[dict]:
    return drawn(figure)[panel]["marks"]


def test_curves_keep_their_numbers_names_and_labels():
    history = [{"epoch": e, "loss": 1 / e, "val_loss": 2 / e, "val_accuracy": e / 10} for e in (1, 2, 3)]
    loss, score = drawn(report.history_figure(history, "accuracy"))
    assert [(mark["name"], mark["x"], mark["y"]) for mark in loss["marks"]] == [
        ("train", [1, 2, 3], [1, 0.5, 0.333333]),
        ("validation", [1, 2, 3], [2, 1, 0.666667]),
    ]
    assert score["x"]["label"] == "epoch" and score["y"]["label"] == "validation accuracy" and not score["y"]["log"]
    several = [{**row, "network": 1 + (row["epoch"] == 3)} for row in history]
    panels = drawn(report.history_figure(several, "accuracy"))
    assert [panel["title"] for panel in panels] == ["Network 1", "", "Network 2", ""]
    assert [panel["marks"][0]["x"] for panel in panels] == [[1, 2], [1, 2], [1], [1]], "each begins at its first epoch"


def test_bars_points_rules_steps_and_matrices():
    figure, axis = report.new_figure()
    axis.barh(["cat", "dog"], [0.25, 0.5])
    axis.axvline(0.3, label="threshold")
    axis.scatter([1, 2], [3, 4])
    bars = next(mark for mark in marks(figure) if mark["kind"] == "bars")
    assert bars["x2"] == [0.25, 0.5] and drawn(figure)[0]["y"]["names"] == [[0.0, "cat"], [1.0, "dog"]]
    assert {"kind": "rule", "name": "threshold", "x": 0.3} in marks(figure)
    assert next(mark for mark in marks(figure) if mark["kind"] == "points")["y"] == [3, 4]
    figure, axis = report.new_figure()
    axis.hist([1, 1, 2], bins=[1, 1.5, 2], label="normal")
    (bars,) = marks(figure)
    assert bars["name"] == "normal" and bars["y2"] == [2, 1]
    targets = np.array([0, 1, 1])
    (matrix,) = marks(report.confusion_figure(targets, np.array([0, 1, 0]), ["a", "b"]))
    assert matrix["values"] == [[1, 0], [0.5, 0.5]]
    answers = confidence(targets, np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
    assert [mark["kind"] for mark in marks(report.reliability_figure({"model": answers}), 1)] == ["steps"]


def test_a_figure_with_photographs_stays_a_picture():
    figure, axis = report.new_figure()
    axis.imshow(np.zeros((4, 4, 3)))
    assert drawn(figure) == []


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_legend_calls_models_as_the_tables_do_and_fits_a_phone(language, monkeypatch):
    shown, names = [], ["resnet", "spending rule (AP = 0.65)", "nearest", "naive bayes"]
    for module in (charts, i18n):
        monkeypatch.setattr(module, "t", lambda english, korean: {"en": english, "ko": korean}[language])
    monkeypatch.setattr(i18n, "language", lambda: language)
    monkeypatch.setattr(charts.st, "altair_chart", shown.append)
    figure, axis = report.new_figure()
    for name in names:
        axis.plot([0, 1], [0, 1], label=name)
    charts.chart(drawn(figure)[0])
    colour = shown[0].to_dict()["layer"][0]["encoding"]["color"]
    spelt = {"en": ["ResNet", "spending rule (AP = 0.65)", "nearest", "naive Bayes"]}
    spelt["ko"] = ["ResNet", "금액 규칙 (AP = 0.65)", "최근접", "나이브 베이즈"]
    assert colour["scale"]["domain"] == spelt[language] and colour["legend"]["columns"] == 1
    figure.axes[0].get_lines()[1].remove()  # the longest name
    charts.chart(drawn(figure)[0])
    charts.chart(drawn(figure)[0], narrow=True)
    placed = [chart.to_dict()["layer"][0]["encoding"]["color"]["legend"]["columns"] for chart in shown[1:]]
    assert placed == [2, 1]
    assert charts._width("가장 가까운 문장의 번역") > charts.LEGEND_LETTERS >= charts._width("그래디언트 부스")


def test_names_beside_an_axis_have_room(monkeypatch):
    """A browser may measure them before the font of the page is loaded, and would cut them."""
    shown = []
    monkeypatch.setattr(charts.st, "altair_chart", shown.append)
    figure, axis = report.new_figure()
    axis.barh(["astronaut", "cat"], [1, 2])
    charts.chart(drawn(figure)[0])
    assert shown[0].to_dict()["layer"][0]["encoding"]["y"]["axis"]["minExtent"] == 7 * len("astronaut")


def test_a_long_curve_is_thinned():
    figure, axis = report.new_figure()
    axis.plot(np.arange(100_000), np.arange(100_000))
    (line,) = marks(figure)
    assert len(line["x"]) <= 500 and (line["x"][0], line["x"][-1]) == (0, 99_999)


@one_now_others_slow
def test_results_are_charts_in_the_language_of_the_page(name, copied):
    run = copied(name)
    drawn_files = sorted(path.stem for path in (run.path / "figures").glob("*.json"))
    assert drawn_files
    app = AppTest.from_file(str(ROOT / "apps" / f"{name}.py"), default_timeout=120)
    app.query_params["tab"], app.query_params["language"] = "results", "ko"
    app.run()
    assert not app.exception and not app.error
    specs = [json.loads(part.proto.spec) for part in app.get("vega_lite_chart")]
    assert len(specs) >= len(drawn_files)
    colours = re.findall(
        r'"legend": \{"columns": 2[^}]*\}, "scale": \{"domain": (\[[^\]]*\])', json.dumps(specs, ensure_ascii=False)
    )
    assert all(len(word) <= 16 for names in colours for word in json.loads(names)), "a phone would cut the legend"
    domains = re.findall(r'"domain": (\["[^\]]*\])', json.dumps(specs, ensure_ascii=False))
    names = [name for domain in domains for name in json.loads(domain)]
    assert not [name for name in names if re.fullmatch("[^가-힣]*[ ,][^가-힣]*[a-z]{4,}", name)], "such as L1, training"
    titles = re.findall(r'"title": "([^"]+)"', json.dumps(specs, ensure_ascii=False))
    assert titles and not [title for title in titles if not re.search(r"[가-힣]|^[a-zA-Z]\*?$|^PSNR", title)], titles
    headings = [part.value for part in app.markdown if part.value.startswith("**")]
    assert headings and not [text for text in headings if not re.search("[가-힣]", text)]


PANEL = '[{"title": "", "marks": [%s], "x": {"label": "", "log": false, "range": [0, 1], "names": []}, "y": {"label": "", "log": true, "range": [0, 1], "names": []}}]'
MARKS = (
    '{"kind": "line"}',
    '{"kind": "line", "x": [1, 2], "y": [1]}',
    '{"kind": "pie", "x": [1], "y": [1]}',
    '{"kind": "rule"}',
    '{"kind": "matrix", "values": [[1, 2], [1]], "low": 0, "high": 1}',
)


@pytest.mark.parametrize("content", ["{", '[{"title": 3}]', *(PANEL % mark for mark in MARKS)])
def test_damaged_numbers_of_a_figure_are_a_sentence(content, copied):
    run = copied(QUICK)
    (run.path / "figures" / "history.json").write_text(content)
    app = AppTest.from_file(str(ROOT / "apps" / f"{QUICK}.py"), default_timeout=120)
    app.query_params["tab"] = "results"
    app.run()
    assert not app.exception and "history.json is damaged" in app.error[0].value
