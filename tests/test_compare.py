"""compare and list: paired verdicts, what is used again, what is refused; a table whatever lies in the folders."""

import functools
import importlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from streamlit.testing.v1 import AppTest

from apps.i18n import term
from common import cli, runs
from common.errors import UserError
from common.evaluation import paired, score_table
from common.files import read_json, write_json
from common.project import Project
from common.tools import compare
from common.tools import list as overview
from projects.fraud_detection.metrics import ranking_figures
from tests import reports
from tests.commands import ask
from tests.conftest import PROJECTS, ROOT, refused

NAME = "fraud_detection"
needs_a_ladder = pytest.mark.skipif(NAME not in PROJECTS, reason=f"a fork without {NAME}")


def sample(seed: int, rows: int = 400):
    random = np.random.default_rng(seed)
    targets = (random.random(rows) < 0.2).astype(int)
    scores = [targets * gain + random.normal(size=rows) for gain in (1.5, 1.0)]
    figures = [ranking_figures(targets, score, 0.5, 0.5, 10, 1) for score in scores]
    return figures, np.ones(rows), random.integers(0, 60, rows)


def test_runs_paired_later_have_the_interval_of_runs_paired_at_once():
    (good, poor), weights, units = sample(0)
    directions = {"average_precision": "max", "cost": "min"}
    at_once = score_table(good, {"other": poor}, directions, weights, units, seed=7)
    alone = [score_table(figures, {}, {}, weights, units, seed=7) for figures in (good, poor)]
    assert alone[0]["draws"] == alone[1]["draws"] == at_once["draws"]
    for metric, direction in directions.items():
        later = paired(*(np.array(table["resampled"][metric]) for table in alone), direction)
        wanted = at_once["comparison"]["other"][metric]
        assert later == {key: wanted[key] for key in ("low", "high", "verdict")}


def test_other_resamples_have_another_name():
    (good, _), weights, units = sample(0)
    draws = [
        score_table(good, {}, {}, weights, units, seed=0)["draws"],
        score_table(good, {}, {}, weights, units, seed=1)["draws"],
        score_table(good, {}, {}, weights, units[::-1], seed=0)["draws"],
        score_table(good, {}, {}, 2 * weights, units, seed=0)["draws"],
    ]
    assert len(set(draws)) == 4


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ([], ""),
        (["better"], "better"),
        (["better", "better"], "better"),
        (["better", "not distinguishable"], "not distinguishable"),
        (["better", "worse"], "not distinguishable"),
        (["too few units"], "too few units"),
    ],
)
def test_a_verdict_holds_when_every_seed_agrees(verdicts, wanted):
    assert compare.overall(verdicts) == wanted


def opened(folder, models=("logistic", "mlp"), seeds=1, **knobs):
    project = Project(NAME)
    config = type(project.toy)(**{**vars(project.toy), **knobs})
    return compare.open_comparison(project, config, models, seeds, "builtin", folder / "data", folder / "runs")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of both models on toy settings, whose second training crashed once; (comparison, content, folder)."""
    folder = tmp_path_factory.mktemp("compared")
    comparison, train_run, started = opened(folder), cli.train_run, []
    evaluate = importlib.import_module(f"projects.{NAME}.evaluate")

    def crash_at_the_second(run, callbacks=()):
        started.append(run.id)
        if len(started) == 2:
            raise RuntimeError("crash")
        return train_run(run, callbacks)

    with pytest.MonkeyPatch.context() as patch:
        # An interval of a hundred resamples is as good to compare with as one of a thousand.
        patch.setattr(evaluate, "score_table", functools.partial(score_table, resamples=100))
        patch.setattr(cli, "train_run", crash_at_the_second)
        with pytest.raises(RuntimeError, match="crash"):
            compare.compare(comparison)
        content = compare.compare(opened(folder))
    assert started[1:] == [started[1]] * 2 and started[0] != started[1], "the finished run was trained again"
    return comparison, content, folder


@needs_a_ladder
def test_the_ladder_is_ranked_by_validation_and_paired_on_the_test_split(compared):
    comparison, content, folder = compared
    entries = runs.list_runs(comparison.project, folder / "runs")
    assert len(entries) == 2 and {entry["status"] for entry in entries} == {"finished"}
    by_model = {entry["report"]["model"]: entry for entry in entries}
    metric = comparison.project.metric(comparison.data)[0]
    ranked = sorted(by_model, key=lambda model: -by_model[model]["report"]["validation"][metric])
    assert content["models"] == ranked and content["first"] == ranked[0]
    assert [entry["report"]["test"]["looks"] for entry in reversed(entries)] == [1, 2], "one look a model"
    pair = next(pair for pair in content["pairs"] if pair["other"] == ranked[1])
    first, second = (pd.read_csv(by_model[model]["run"].path / "resampled.csv")[metric].to_numpy() for model in ranked)
    assert [pair["low"], pair["high"]] == pytest.approx(list(np.percentile(first - second, [2.5, 97.5])))
    values = [by_model[model]["report"]["test"]["model"][metric]["value"] for model in ranked]
    assert pair["difference"] == pytest.approx(values[0] - values[1])
    names = [row["model"] for row in content["table"]]
    assert names == [*ranked, *by_model[ranked[0]]["report"]["test"]["baselines"]]
    row = content["table"][0]
    assert row["low"] <= row["test"] <= row["high"] and row["seconds"] > 0 and row["parameters"] > 0
    assert "resampled" not in by_model[ranked[0]]["report"]["test"]
    for file in (
        "table.csv",
        "table.md",
        "pairs.csv",
        "points.csv",
        "figures/models.png",
        "figures/models.json",
        "comparison.json",
    ):
        assert (comparison.folder / file).stat().st_size > 100, file


@needs_a_ladder
def test_a_finished_comparison_trains_nothing(compared, monkeypatch):
    _, content, folder = compared
    monkeypatch.setattr(cli, "train_run", None)
    assert compare.compare(opened(folder))["table"] == content["table"]
    assert opened(folder, seeds=2).folder == opened(folder, ("mlp",)).folder, "more seeds go on in the same folder"
    assert opened(folder, learning_rate=0.02).folder != opened(folder).folder


@needs_a_ladder
def test_models_tested_on_different_rows_are_not_compared(compared, monkeypatch):
    comparison, content, folder = compared
    monkeypatch.setattr(compare, "_test_splits", lambda comparison: {})
    with pytest.raises(UserError, match="different rows"):
        compare.compare(opened(folder))
    monkeypatch.undo()
    finished = {
        (point["model"], point["seed"]): runs.Run(folder / "runs" / NAME / point["run"]) for point in content["points"]
    }
    report = finished["logistic", 0].path / "report.json"
    before = read_json(report)
    try:
        write_json(report, {**before, "test": {**before["test"], "draws": "of another seed"}})
        pairs = compare.summary(comparison, finished)["pairs"]
        assert pairs[0]["verdict"] == "not paired" and pairs[0]["low"] is None
    finally:
        write_json(report, before)


@needs_a_ladder
def test_a_second_process_at_the_same_comparison_is_refused(compared):
    comparison, _, folder = compared
    with compare.locked(comparison.folder / "lock"), pytest.raises(UserError, match="Another process"):
        compare.compare(opened(folder))


@needs_a_ladder
@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"runs": {"mlp 0": 1}}', '{"runs": {"mlp 0": "../%s/x", "logistic 0": "../%s/x"}}']
)
def test_a_damaged_record_of_a_comparison_is_a_sentence(text, compared, monkeypatch):
    comparison, _, folder = compared
    record, outside = comparison.folder / "compare.json", folder / "runs" / NAME / "x"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    before = record.read_text()
    try:
        record.write_text(text.replace("%s", NAME))
        with pytest.raises(UserError, match=r"compare\.json is damaged|not the name of a run"):
            compare.compare(comparison)
    finally:
        record.write_text(before)
        shutil.rmtree(outside)


@needs_a_ladder
def test_a_comparison_in_a_linked_folder_is_refused(tmp_path):
    place = opened(tmp_path).folder
    shutil.rmtree(place)
    place.symlink_to(tmp_path)
    with pytest.raises(UserError, match="symbolic link"):
        opened(tmp_path)


@needs_a_ladder
@pytest.mark.parametrize(("language", "tab"), [("en", "Results"), ("ko", "결과")])
def test_the_page_shows_the_comparison(compared, monkeypatch, language, tab):
    _, content, folder = compared
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(folder / "runs"))
    app = AppTest.from_file(str(ROOT / "apps" / f"{NAME}.py"), default_timeout=120)
    app.query_params["language"] = language
    app.query_params["tab"] = "results"
    app.run()
    assert not app.exception and not app.error
    heading = {"en": "parameters", "ko": "파라미터"}[language]
    (shown,) = [frame.value for frame in app.dataframe if heading in frame.value]
    assert list(shown[heading]) == [
        f"{row['parameters']:,.0f}" if row["parameters"] is not None else "" for row in content["table"]
    ]
    title = {"en": "seconds of training", "ko": "학습 시간(초)"}[language]
    charts = [part.proto.spec for part in app.get("vega_lite_chart")]
    assert any(json.dumps(title) in chart and "rule" in chart for chart in charts), (
        "the page draws it, with the intervals"
    )
    monkeypatch.setattr("apps.i18n.language", lambda: language)
    assert list(shown.iloc[:, 0]) == [term(row["model"]) for row in content["table"]]


@needs_a_ladder
def test_the_page_says_that_an_old_comparison_has_no_figure(compared, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(shutil.copytree(compared[2] / "runs", tmp_path / "old")))
    for file in tmp_path.glob("old/*/comparisons/*/figures/*"):
        file.unlink()
    app = AppTest.from_file(str(ROOT / "apps" / f"{NAME}.py"), default_timeout=120)
    app.query_params["tab"] = "results"
    app.run()
    assert not app.exception and any(f"compare {NAME}" in caption.value for caption in app.caption)


@needs_a_ladder
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "There is no project 'nothing'"),
        ([NAME, "--models", "mlp,forest"], "forest"),
        ([NAME, "--model", "logistic"], "--models logistic"),
        ([NAME, "--seeds", "0"], "--seeds"),
        ([NAME, "--data", "no/such.csv"], "no/such.csv"),
        ([NAME, "--epochs", "0"], "--epochs"),
        ([NAME, "--no-such-flag"], "no-such-flag"),
    ],
)
def test_compare_refuses_before_tensorflow(arguments, message, tmp_path):
    refused(["compare", *arguments, "--runs-dir", str(tmp_path)], message)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.slow
@pytest.mark.skipif("super_resolution" not in PROJECTS, reason="a fork without super_resolution")
def test_a_project_without_a_ladder_is_compared_over_seeds(tmp_path):
    project = Project("super_resolution")
    with pytest.raises(UserError, match="one model only"):
        compare.open_comparison(project, project.toy, ("a",), 1, "builtin", tmp_path, tmp_path)
    content = compare.compare(compare.open_comparison(project, project.toy, (), 2, "builtin", tmp_path, tmp_path))
    assert content["models"] == ["super_resolution"] and content["test_splits"] == 1
    assert content["table"][0]["spread"] is not None and content["table"][0]["low"] is None


# list


@pytest.fixture
def finished(request):
    """A finished run: of the comparison where there is one, else a toy run."""
    if NAME not in PROJECTS:
        return request.getfixturevalue("trained")(PROJECTS[0])
    comparison, _, folder = request.getfixturevalue("compared")
    return runs.find(comparison.project, "best", folder / "runs")


@pytest.mark.parametrize("width", [80, 200])
def test_list_is_readable_at_any_width(finished, width):
    run = finished
    console = Console(width=width, record=True, force_terminal=True, file=None, quiet=False)
    overview.print_projects(run.path.parents[1], console)
    text = console.export_text()
    assert all(len(line) <= width for line in text.splitlines())
    for name in PROJECTS:
        assert name in text, "a name is broken over two lines"
    assert (run.id in text) == (width >= overview.WIDE)
    figure = run.report["test"]["model"][run.metric[0]]
    assert f"{figure['value']:.3f}"[:5] in text


def test_list_says_that_there_is_no_such_folder(tmp_path, capsys, monkeypatch):
    overview.print_projects(tmp_path / "nowhere")
    printed = capsys.readouterr().out
    assert "There is no folder" in printed and not [name for name in PROJECTS if name in printed]
    overview.print_projects(tmp_path)
    assert "There is no folder" not in capsys.readouterr().out
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path / "later"))
    overview.print_projects(tmp_path / "later")
    printed = capsys.readouterr().out
    assert "There is no folder" in printed and all(name in printed for name in PROJECTS), "a new clone"


@pytest.mark.parametrize("command", ["list", "compare", "search", "export", "fork", "notebook", "train-all"])
def test_help_of_the_tools_names_what_is_needed(command):
    helped = ask("projects", command, "--help")
    assert helped.returncode == 0 and "{None}" not in helped.stdout and "options options" not in helped.stdout
    assert ("PROJECT" in helped.stdout) == (command not in ("list", "train-all"))
    if command in ("compare", "search"):
        assert f"{command} PROJECT --help" in helped.stdout and "--seed " not in helped.stdout.replace(
            "knob --seed", ""
        )
        known = ask("projects", command, PROJECTS[0], "--help")
        assert "--seed INT" in known.stdout and "{None}" not in known.stdout


def test_list_survives_what_lies_in_the_folder(tmp_path):
    project = Project(PROJECTS[0])
    assert overview.overview(project, tmp_path)["runs"] == 0

    def started():
        return runs.start(project, project.config_class(), "builtin", tmp_path, tmp_path)

    metric, content = project.metric("builtin")[0], reports.content(project, 0.5)
    figure = {"value": 0.25, "low": 0.125, "high": 0.5}
    timing = {**content["timing"], "total_seconds": 90}
    good = reports.finish(started(), 0.5, test={**content["test"], "model": {metric: figure}}, timing=timing)
    half = [started(), started(), started()]
    for run, report in zip(
        half, ({"validation": {metric: 0.9}}, {"validation": {metric: 0.8}, "test": []}, {}), strict=True
    ):
        write_json(run.path / "report.json", report)
    broken = started()
    (broken.path / "report.json").write_text("{")
    row = overview.overview(project, tmp_path)
    assert row["best"] == good.id and "0.250 [0.125, 0.500]" in row["score"] and row["minutes"] == "1.5"
    assert row["runs"] == 5 and set(row["damaged"]) == {broken.id, *(run.id for run in half)}
    assert all("is damaged" in reason for reason in row["damaged"].values())
    overview.print_projects(tmp_path, Console(width=80))
