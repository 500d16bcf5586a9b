"""The shared parts: config, files, runs, splits, blocks, figures."""

import dataclasses
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import config, report, runs
from common.config import Bounds, Search
from common.data import Source, Split, Splits, split_rows
from common.errors import UserError
from common.files import folder_name, read_json, replacing, write_json
from common.layers import blocks
from common.project import Project
from tests import reports
from tests.commands import ask
from tests.conftest import PROJECTS


@dataclass(frozen=True)
class Config:
    model: Literal["small", "large"] = "small"  # which rung
    rate: Annotated[float, Search(1e-4, 1e-1, log=True), Bounds(min=0)] = 1e-3  # step size, "# quoted"
    layers: Annotated[int, Bounds(min=1, max=4)] = 2  # depth
    column: str | None = None  # optional name


def test_knobs_are_read_from_the_dataclass():
    model, rate, layers, column = config.knobs(Config)
    assert model.choices == ("small", "large") and model.kind is str and model.help == "which rung"
    assert rate.search == Search(1e-4, 1e-1, log=True) and rate.kind is float and rate.bounds.min == 0
    assert layers.kind is int and layers.bounds == Bounds(1, 4)
    assert column.optional and column.kind is str and column.default is None


@pytest.mark.parametrize(
    ("wrong", "flag"),
    [
        ({"layers": 0}, "--layers"),
        ({"layers": 9}, "--layers"),
        ({"rate": float("nan")}, "--rate"),
        ({"model": "x"}, "--model"),
    ],
)
def test_a_knob_out_of_bounds_is_named(wrong, flag):
    with pytest.raises(UserError, match=flag):
        config.check(Config(**wrong))


def test_a_knob_is_composed_as_the_names_of_columns_are(tmp_path):
    """On a Mac a column's name may be typed or copied in parts."""
    project = Project("text_classification" if "text_classification" in PROJECTS else PROJECTS[0])
    texts = [knob.name for knob in config.knobs(project.config_class) if knob.kind is str and not knob.choices]
    if not texts:
        pytest.skip("this project has no knob that is a text")
    asked = dataclasses.replace(project.config_class(), **{texts[0]: "\u1100\u1161"})
    assert getattr(runs.start(project, asked, "builtin", tmp_path, tmp_path).config, texts[0]) == "가"


def test_config_survives_json():
    settings = Config(layers=3, column="a")
    assert config.from_dict(Config, json.loads(json.dumps(dataclasses.asdict(settings)))) == settings
    with pytest.raises(UserError, match="colour"):
        config.from_dict(Config, {"colour": 1})


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, 1)
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(target) == 1 and list(tmp_path.iterdir()) == [target]


def test_a_damaged_json_file_is_named(tmp_path):
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(UserError, match=r"b\.json is damaged"):
        read_json(tmp_path / "b.json")


def test_results_on_two_files_of_one_name_have_two_folders(tmp_path):
    names = {folder_name(tmp_path / folder / "mine.csv") for folder in ("a", "b")}
    assert len(names) == 2 and all(name.startswith("mine.csv-") for name in names)
    assert folder_name(tmp_path / "mine.csv") == folder_name(tmp_path / "." / "mine.csv")
    for odd in ("..", ".", "내 자료", "a" * 300, "/", "..hidden"):
        name = folder_name(tmp_path / odd)
        assert Path(name).name == name and not name.startswith(".") and len(name) < 100, odd


@pytest.fixture
def project():
    return Project(PROJECTS[0])


def finished(project, folder, data: str, value: float | None) -> runs.Run:
    """A finished run. A larger value makes it a better run, whatever METRIC's direction; None: METRIC is undefined."""
    run = runs.start(project, project.config_class(), data, folder, folder)
    _, mode = project.metric("builtin")
    if mode == "min" and value is not None:
        value = -value
    return reports.finish(run, value)


def test_runs_are_found(project, tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        runs.find(project, "best", tmp_path)
    (tmp_path / "other.csv").write_text("")
    other = finished(project, tmp_path, str(tmp_path / "other.csv"), 0.9)
    good = finished(project, tmp_path, "builtin", 0.8)
    last = finished(project, tmp_path, "builtin", 0.7)
    (tmp_path / project.name / "junk").mkdir()
    damaged = finished(project, tmp_path, "builtin", 1.0)
    (damaged.path / "report.json").write_text("{")
    unfinished = runs.start(project, project.config_class(), "builtin", tmp_path, tmp_path)
    assert runs.find(project, "latest", tmp_path) == last
    assert runs.find(project, "best", tmp_path) == good, "best compares runs on the same data only"
    assert runs.find(project, other.id, tmp_path) == other
    status = {entry["run"].id: entry["status"] for entry in runs.list_runs(project, tmp_path)}
    assert status[damaged.id] == "damaged" and status[unfinished.id] == "unfinished" and status[good.id] == "finished"


def test_a_stopped_a_toy_or_an_easier_run_takes_no_star(project, tmp_path):
    good, second = finished(project, tmp_path, "builtin", 0.8), finished(project, tmp_path, "builtin", 0.7)
    second.check_data("0", ["seed", "epochs"])
    assert runs.find(project, "best", tmp_path) == good, "a knob that has its default changes nothing"
    finished(project, tmp_path, "builtin", 0.9).stop_file.touch()
    toy = runs.start(project, project.toy, "builtin", tmp_path, tmp_path)
    reports.finish(toy, 0.95 if project.metric("builtin")[1] == "max" else -0.95)
    assert runs.find(project, "best", tmp_path) == good
    easier = runs.start(project, project.config_class(epochs=1), "builtin", tmp_path, tmp_path)
    reports.finish(easier, 0.99 if project.metric("builtin")[1] == "max" else -0.99)
    easier.check_data("1", ["epochs"])  # as if loading the data had read this knob
    assert runs.find(project, "best", tmp_path) == easier, "the latest run says which data is compared"
    entries = [entry for entry in runs.list_runs(project, tmp_path) if entry["status"] == "finished"]
    assert runs.best(project, runs.default_first(entries))["run"] == good, "the gallery shows the default data"
    (tmp_path / "alone").mkdir()
    reports.finish(runs.start(project, project.toy, "builtin", tmp_path, tmp_path / "alone"), 0.5)
    assert not runs.list_runs(project, tmp_path / "alone")[0]["complete"]
    assert runs.find(project, "best", tmp_path / "alone").finished, "where there is nothing else, it answers"


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", "", ".hidden", "no-such-run", "x" * 200])
def test_a_run_name_cannot_leave_the_folder(project, tmp_path, name):
    with pytest.raises(UserError):
        runs.find(project, name, tmp_path)


def test_an_unknown_project_is_named():
    with pytest.raises(UserError, match="no project 'nothing'"):
        Project("nothing")


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 300), st.integers(0, 5), st.sampled_from(["random", "groups", "times"]))
def test_splits_partition_the_rows(rows, seed, kind):
    random = np.random.default_rng(seed)
    targets = np.arange(rows) % 2
    groups = random.integers(0, 12, rows) if kind == "groups" else None
    times = random.integers(0, 3 * rows, rows) if kind == "times" else None
    parts = split_rows(targets, groups=groups, times=times, seed=seed)
    assert sorted(np.concatenate(parts)) == list(range(rows))
    train, validation, test = parts
    if groups is not None:
        assert not set(groups[train]) & set(groups[test]) and not set(groups[train]) & set(groups[validation])
    if times is not None:
        assert times[train].max() < times[validation].min() and times[validation].max() < times[test].min()
    if kind == "random":
        assert abs(targets[test].mean() - targets.mean()) < 0.05


def test_too_few_rows_to_split():
    with pytest.raises(UserError, match="rows"):
        split_rows([0, 1, 0])


def test_looks_at_a_test_split_are_counted(project, tmp_path):
    def splits(targets):
        part = Split([[1]], np.array(targets))
        return Splits(part, part, part, {}, Source("a", "a", "0", "row"))

    run = runs.start(project, project.config_class(), "builtin", tmp_path, tmp_path)
    other = runs.start(project, project.config_class(), "builtin", tmp_path, tmp_path)
    assert [splits([1]).open_test(each)[1] for each in (run, other, run)] == [1, 2, 3]
    assert splits([2]).open_test(run)[1] == 1, "another test split has a count of its own"


def test_a_split_of_texts_has_one_fingerprint(project, tmp_path):
    """Texts and ragged lists too; weights are one unless given."""
    run = runs.start(project, project.config_class(), "builtin", tmp_path, tmp_path)
    for targets in (["a", "b"], np.array(["a", None], object), [[1], [1, 2]]):
        part = Split([0, 1], targets)
        assert part.weights.tolist() == [1, 1]
        splits = Splits(part, part, part, {}, Source("a", "a", "0", "row"))
        assert [splits.open_test(run)[1] for _ in range(2)] == [1, 2]


def test_best_survives_an_undefined_metric(project, tmp_path):
    good = finished(project, tmp_path, "builtin", 0.5)
    finished(project, tmp_path, "builtin", None)
    assert runs.find(project, "best", tmp_path) == good


def test_dense_blocks_are_plain_layers():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, blocks.dense_stack(inputs, [4, 5], dropout=0.5, name="hidden"))
    assert [(type(layer).__name__, layer.name) for layer in model.layers[1:]] == [
        ("Dense", "hidden_1"),
        ("Dropout", "hidden_1_dropout"),
        ("Dense", "hidden_2"),
        ("Dropout", "hidden_2_dropout"),
    ]
    assert model.count_params() == 3 * 4 + 4 + 4 * 5 + 5


@pytest.mark.parametrize("name", blocks.OPTIMIZERS)
def test_every_optimizer_learns_a_line(name):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(256, 1)).astype("float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(blocks.make_optimizer(name, 0.3 if name == "adagrad" else 0.05, weight_decay=1e-4), "mse")
    before = model.evaluate(x, 2 * x, verbose=0)
    model.fit(x, 2 * x, epochs=20, verbose=0)
    assert model.evaluate(x, 2 * x, verbose=0) < before / 20


def test_weight_decay_spares_biases():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, bias_initializer="ones")])
    model.compile(blocks.make_optimizer("adamw", 0.1, weight_decay=0.5), "mse")
    kernel = model.get_weights()[0].copy()
    zeros = np.zeros((4, 1), "float32")
    model.fit(zeros, zeros + 1, epochs=1, verbose=0)  # the bias is right already and the input zero: no gradient
    after, bias = model.get_weights()
    assert abs(after) < abs(kernel) and bias == 1


def test_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match="adam"):
        blocks.make_optimizer("lion king")


def test_run_folders_of_one_second_are_told_apart(project, tmp_path):
    names = {runs.start(project, project.config_class(), "builtin", tmp_path, tmp_path).id for _ in range(5)}
    assert len(names) == 5


def test_a_run_folder_that_cannot_be_made(project, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        runs.start(project, project.config_class(), "builtin", tmp_path, Path(tmp_path / "file"))


def test_figures_draw_hangul(tmp_path):
    """Every syllable of KS X 1001 and the jamo come from the bundled font; a missing glyph would be a warning."""
    syllables = "".join(bytes([row, cell]).decode("euc_kr") for row in range(0xB0, 0xC9) for cell in range(0xA1, 0xFF))
    figure, axis = report.new_figure()
    axis.set(title="손실 loss 0.5", ylabel="ㄱㅎㅏㅣ")
    figure.text(0, 0, "\n".join(syllables[i : i + 100] for i in range(0, 2350, 100)), fontsize=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report.save_figure(figure, tmp_path / "hangul.png")
    axis.set_title("龘")  # neither font has it, so the check above would have failed
    with pytest.warns(UserWarning, match="missing from font"):
        report.save_figure(figure, tmp_path / "missing.png")


def test_a_command_that_loads_a_heavy_package_is_noticed():
    with pytest.raises(AssertionError, match="has imported sklearn"):
        ask("sklearn")
    helped = ask(f"projects.{PROJECTS[0]}.train", "--help")
    assert helped.returncode == 0, "the next command has another child"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (-1e-17, "0.000"), (1.24e-4, "1.2e-04"), (0.0006, "0.001"), (9.9994, "9.999"), (1234.5, "1,234")],
)
def test_a_figure_is_shown_with_about_four_digits(value, shown):
    """A small error is not shown as 0, and the rounding of floats is not shown at all."""
    assert report.number(value) == shown
