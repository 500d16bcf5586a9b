"""Exports: each format opens in its own runtime, without this code, and answers as Keras does."""

import builtins
import dataclasses
import functools
import importlib
import inspect
import json
import sys
import types

import keras
import numpy as np
import pytest
from keras import layers

from common import runs
from common.errors import UserError
from common.project import Project
from common.tools import export, sources
from tests.children import asked_one_by_one
from tests.commands import ask
from tests.conftest import PROJECTS, QUICK

EXPORTED = [name for name in PROJECTS if not hasattr(Project(name).card, "NO_EXPORT")]


# Formats whose packages are not among the dependencies: skipped without them, and selected by `-m export`.
every_format = pytest.mark.parametrize(
    "form",
    [
        pytest.param(form, marks=[pytest.mark.export] if about.packages else [])
        for form, about in export.FORMATS.items()
    ],
)


def needs(form: str) -> None:
    for module in export.FORMATS[form].packages:
        pytest.importorskip(module, reason='python -m pip install -e ".[export]"')


@pytest.fixture(autouse=True)
def timed_by_one_call(monkeypatch):
    """The times that an export tells are of no interest here."""
    monkeypatch.setattr(export, "milliseconds", functools.partial(export.milliseconds, seconds=1e-9))


# A process that runs the example.py of a folder.
EXAMPLES = """
import runpy, sys

def answer(folder):
    runpy.run_path(folder + "/example.py", run_name="__main__")
    ours = [name for name in sys.modules if name.split(".")[0] in ("common", "projects", "apps")]
    assert not ours, ours
"""


@pytest.fixture(scope="session")
def run_example(tmp_path_factory):
    """folder -> what its example.py prints where neither Keras nor this code can be imported from."""
    with asked_one_by_one(EXAMPLES, tmp_path_factory.mktemp("elsewhere")) as run:
        yield run


def dense() -> keras.Model:
    inputs = keras.Input((6,), name="columns")
    return keras.Model(inputs, layers.Dense(2)(layers.Dense(8, activation="relu")(inputs)))


def pictures(size: int | None = None) -> keras.Model:
    inputs = x = keras.Input((size, size, 3), name="picture")
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    x = layers.UpSampling2D(2)(layers.MaxPooling2D(2)(x))
    return keras.Model(inputs, layers.Conv2D(3, 3, padding="same")(x))


def recurrent(kind: type = layers.LSTM, steps: int | None = None) -> keras.Model:
    inputs = keras.Input((steps,), dtype="int32", name="characters")
    x = kind(8, return_sequences=True)(layers.Embedding(20, 4)(inputs))
    return keras.Model(inputs, layers.Dense(20)(x))


def one_step() -> keras.Model:
    """A character and a state in, the next and the new state out: names in no alphabetical order, three outputs."""
    inputs = keras.Input((1,), dtype="int32", name="character")
    state = [keras.Input((8,), name="state_h"), keras.Input((8,), name="a_state_c")]
    x, *after = layers.LSTM(8, return_state=True)(layers.Embedding(20, 4)(inputs), initial_state=state)
    return keras.Model([inputs, *state], [layers.Dense(20)(x), *after])


def both_ways() -> keras.Model:
    inputs = keras.Input((5, 4), name="series")
    return keras.Model(inputs, layers.Bidirectional(layers.GRU(6))(inputs))


def nested() -> keras.Model:
    inside = keras.Input((None,), dtype="int32")
    encoder = keras.Model(inside, layers.GRU(8)(layers.Embedding(20, 4)(inside)), name="encoder")
    inputs = keras.Input((None,), dtype="int32", name="words")
    return keras.Model(inputs, {"score": layers.Dense(1)(encoder(inputs)), "code": encoder(inputs)})


MODELS = {
    "dense": dense,
    "pictures": pictures,
    "lstm": recurrent,
    "gru_fixed": lambda: recurrent(layers.GRU, 6),
    "simple_rnn": lambda: recurrent(layers.SimpleRNN),
    "one_step": one_step,
    "both_ways": both_ways,
    "nested": nested,
}


@every_format
@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_network_answers_as_in_keras(form, model, tmp_path):
    needs(form)
    keras.utils.set_random_seed(0)
    network = MODELS[model]()
    size = 6 if form == "litert" else None
    if model == "nested" and form == "litert":
        assert "sub-model encoder" in export.obstacle(network, form, size)
        return
    assert not export.obstacle(network, form, size)
    about = export.export_network("network", network, form, tmp_path, size)
    assert about["largest_difference"] < 1e-5 < about["largest_output"]
    assert about["bytes"] == export.size_of(tmp_path / about["file"]) > 500
    assert about["milliseconds"] > 0 and about["keras_milliseconds"] > 0
    # Another number of rows and, where it is free, another length.
    inputs = export.trial_inputs(export.fixed(network, size) if form == "litert" else network, rows=3)
    answers = export.opened(form, tmp_path / about["file"])(inputs)
    expected = keras.tree.flatten(network(export.as_arguments(network, inputs)))
    for part, wanted in zip(about["outputs"], expected, strict=True):
        np.testing.assert_allclose(answers[part["name"]], wanted, atol=1e-5)


def test_what_litert_cannot_do_is_said_before():
    assert "--size" in export.obstacle(recurrent(), "litert", None)
    assert not export.obstacle(recurrent(), "litert", 12)
    assert "unrolled" in export.obstacle(recurrent(), "litert", export.MAX_STEPS + 1)
    assert "unrolled" in export.obstacle(recurrent(steps=export.MAX_STEPS + 1), "litert", None)
    assert not export.obstacle(recurrent(), "onnx", None) and not export.obstacle(recurrent(), "savedmodel", None)


def test_a_network_that_answers_otherwise_is_refused(tmp_path, monkeypatch):
    """The comparison is a real one: a runtime that is off by a little more than the tolerance is caught."""
    opened = export.opened

    def off(form, path):
        network = opened(form, path)
        return lambda inputs: {key: value + 2e-3 * abs(value).max() for key, value in network(inputs).items()}

    monkeypatch.setattr(export, "opened", off)
    with pytest.raises(UserError, match="answers otherwise"):
        export.export_network("network", dense(), "savedmodel", tmp_path, None)


@every_format
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name != QUICK else []) for name in EXPORTED]
)
def test_a_run_is_exported_whole(name, form, trained, run_example, tmp_path, capfd):
    needs(form)
    run, output = trained(name), tmp_path / "exported"
    size = 16 if form == "litert" and any(None in part.shape[1:] for n in run.networks().values() for part in n.inputs) else None  # fmt: skip
    content = export.export(run, form, output, size)
    printed = capfd.readouterr().out
    assert all(limit in printed for limit in export.FORMATS[form].limits)
    assert json.loads((output / "preprocessing.json").read_text(encoding="utf-8")) == json.loads(json.dumps(content))
    assert set(content["networks"]) == {file.stem for file in run.path.glob("*.keras")}
    assert all(content["code"]["functions"].values()), "encode or decode has no docstring"
    assert inspect.getdoc(run.project.predictor_class.encode), "Predictor.encode has no docstring"
    assert all(about["file"] in (output / "README.md").read_text() for about in content["networks"].values())
    differences = [float(line.rpartition(" ")[2]) for line in run_example(str(output)).splitlines()]
    assert len(differences) == sum(len(about["outputs"]) for about in content["networks"].values())
    scale = max(1e-6, *(about["largest_output"] for about in content["networks"].values()))
    assert max(differences) < export.TOLERANCE * scale
    with pytest.raises(UserError, match="exists already"):
        export.export(run, form, output)


def test_a_tensorflow_that_moved_its_error_is_named(tmp_path, monkeypatch):
    assert issubclass(export.converter_error(), Exception)
    monkeypatch.setitem(sys.modules, "tensorflow.lite.python.convert_phase", None)
    with pytest.raises(RuntimeError, match=r"TensorFlow .* has moved .*ConverterError"):
        export.convert(dense(), "litert", tmp_path / "network.tflite")


def without_this_code(source, monkeypatch):
    """The module that a source makes where nothing of this code base can be imported."""
    really = builtins.__import__

    def refusing(name, *others):
        assert name.split(".")[0] not in ("common", "projects", "apps", "sample"), f"{name} was imported"
        return really(name, *others)

    module = types.ModuleType("exported")
    vars(module)["__builtins__"] = {**vars(builtins), "__import__": refusing}
    monkeypatch.setitem(sys.modules, "exported", module)  # dataclasses look for it
    exec(compile(source, "preprocessing.py", "exec"), vars(module))
    return module


def calls_of_encode(project, raw, predictor, monkeypatch):
    """(arguments, result) of each call of the project's `encode` while the Predictor answers, or encodes the prompt."""
    encoding, predict = (importlib.import_module(f"projects.{project.name}.{file}") for file in ("encoding", "predict"))
    calls, encode = [], encoding.encode

    def recording(*arguments):
        calls.append((arguments, encode(*arguments)))
        return calls[-1][1]

    for module in (encoding, predict):
        if getattr(module, "encode", None) is encode:
            monkeypatch.setattr(module, "encode", recording)
    predictor.predict(raw)
    if not calls:
        predictor.encode(raw["prompt"])
    return calls


def arrays(encoded):
    """The arrays of what was encoded: one, rows of different length, or several of these."""
    if isinstance(encoded, tuple):
        return [array for part in encoded for array in arrays(part)]
    return [encoded] if isinstance(encoded, np.ndarray) else list(vars(encoded).values())


@pytest.mark.parametrize("name", EXPORTED)
def test_the_exported_code_encodes_without_this_code(name, trained, tmp_path, monkeypatch):
    project, predictor = Project(name), trained(name).load()
    about = export.write_preprocessing(project, tmp_path)
    assert {"encode", "decode"} <= set(about["functions"])
    assert not {"keras", "tensorflow", "streamlit", "tyro"} & set(about["packages"])
    exported = without_this_code((tmp_path / about["file"]).read_text(encoding="utf-8"), monkeypatch)

    def of_the_export(value):
        """An argument as it is; an object of this code base as one of the exported class of its name."""
        if type(value).__module__.split(".")[0] not in sources.PACKAGES:
            return value
        copy = object.__new__(getattr(exported, type(value).__name__))
        vars(copy).update(vars(value))
        return copy

    calls = calls_of_encode(project, predictor.examples[0], predictor, monkeypatch)
    encode = importlib.import_module(f"projects.{name}.encoding").encode
    if {"meta", "name"} <= set(inspect.signature(encode).parameters):  # networks of other kinds have other inputs
        config = dataclasses.replace(project.toy, model="gru")
        splits = project.load_data("builtin")(config, "builtin", tmp_path)
        calls.append((arguments := (splits.validation.inputs[:50], splits.meta, "gru"), encode(*arguments)))
    assert calls
    for arguments, encoded in calls:
        expected, answers = arrays(encoded), arrays(exported.encode(*map(of_the_export, arguments)))
        assert len(expected) == len(answers) and sum(array.size for array in expected)
        for answer, wanted in zip(answers, expected, strict=True):
            assert answer.dtype == wanted.dtype
            np.testing.assert_array_equal(answer, wanted)


SAMPLE = {
    "sample/__init__.py": "",
    "sample/tables.py": """
import math
import os.path
from dataclasses import dataclass

LIMIT, UNUSED = 3, 4
# 크기: the comment above a definition goes along
SIZE = LIMIT + 1


@dataclass(frozen=True)
class Row:
    value: float
    owner: Unknown | None = None

    def rounded(self):
        return min(math.floor(self.value), SIZE)


def decode(row):
    return f"{row}: {os.path.basename('a/b')}"


class Column:
    pass


class Table:
    pass


def round(value):
    return LIMIT


def unused():
    raise NotImplementedError
""",
    "sample/encoding.py": """
from sample import tables
from sample.tables import LIMIT as MOST, Column

SIZE = 100


def encode(values: tables.Table | list[Column], unused: Unknown = None) -> Nothing:
    '''크기.'''
    from sample.tables import Row

    rows = [Row(value) for value in values]
    LIMIT = "local"
    return [(row.rounded(), SIZE, MOST, LIMIT, round(row.value), tables.round(0)) for row in rows], tables.decode(MOST)


def decode(row):
    return [decode, encode(row)[0][0][:2], tables.SIZE] if row else never()


def never():
    import json

    return json
""",
}


def write_package(files, folder, monkeypatch):
    """Write the package `sample` and have it taken for this code base."""
    (folder / "sample").mkdir()
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    monkeypatch.setattr(sources, "ROOT", folder)
    monkeypatch.setattr(sources, "PACKAGES", ("sample",))
    sources._module.cache_clear()


def test_functions_are_copied_with_all_that_they_use(tmp_path, monkeypatch):
    """Names of other modules, imports inside functions, two definitions of a name, and one that a builtin has."""
    write_package(SAMPLE, tmp_path, monkeypatch)
    source, packages = sources.standalone("sample.encoding", ["encode", "decode"])
    assert packages == [] and "# 크기: the comment above" in source and "class Row" in source
    assert "class Column" in source and "class Table" in source, "a parameter may be one"
    assert "def unused" not in source and source.count("LIMIT, UNUSED = 3, 4") == 1
    exported = without_this_code(source, monkeypatch)
    assert exported.encode([2.6, 9.5]) == ([(2, 100, 3, "local", 3, 3), (4, 100, 3, "local", 10, 3)], "3: b")
    assert exported.decode([2.6]) == [exported.decode, (2, 100), 4]
    assert sources.functions("sample.tables") == ["decode", "round", "unused"]


def test_what_cannot_be_copied_is_said(tmp_path, monkeypatch):
    files = {
        "sample/__init__.py": "",
        "sample/other.py": "import numpy as np\ndef f():\n    return np",
        "sample/value.py": "from sample import other\ndef encode():\n    return [other]",
        "sample/clash.py": "import math as np\nfrom sample.other import f\ndef encode():\n    return f(), np",
    }
    write_package(files, tmp_path, monkeypatch)
    with pytest.raises(RuntimeError, match=r"sample\.other is used as a value"):
        sources.standalone("sample.value", ["encode"])
    with pytest.raises(RuntimeError, match="np is taken"):
        sources.standalone("sample.clash", ["encode"])


def test_the_example_imports_neither_keras_nor_this_code():
    for form in export.FORMATS.values():
        imports, opened, called = form.example
        text = export.EXAMPLE.format(imports=imports, opened=opened, called=called)
        compile(text, "example.py", "exec")
        assert not {"import keras", "from common", "from projects"} & set(text.splitlines())


def test_a_project_without_networks_says_why(tmp_path):
    for name in set(PROJECTS) - set(EXPORTED):
        with pytest.raises(UserError, match="cannot be exported"):
            export.check(Project(name), "onnx")


@pytest.mark.parametrize("name", EXPORTED[:1])
def test_nothing_is_written_where_nothing_can_be_exported(name, tmp_path):
    project = Project(name)
    run = runs.start(project, project.toy, "builtin", tmp_path / "data", tmp_path / "runs")
    with pytest.raises(UserError, match="not finished"):
        export.export(run, "savedmodel", tmp_path / "exported")
    (run.path / "report.json").write_text("{}")
    with pytest.raises(UserError, match="keeps no network"):
        export.export(run, "savedmodel", tmp_path / "exported")
    (run.path / "model.keras").touch()
    with pytest.raises(UserError, match="--size"):
        export.export(run, "savedmodel", tmp_path / "exported", size=3)
    assert not list(tmp_path.glob("*exported*"))


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    for name in EXPORTED[:1]:
        with pytest.raises(UserError, match="pip install onnx onnxruntime tf2onnx"):
            export.check(Project(name), "onnx")


@pytest.mark.parametrize("command", ["export", "fork", "notebook"])
def test_help_and_refusal_come_before_keras(command):
    helped = ask("projects", command, "--help")
    assert helped.returncode == 0, helped.stderr
    for words in (["--no-such-flag"], ["no_such_project"]):
        refused = ask("projects", command, *words)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr, refused.stderr


def test_what_is_exported_is_what_keras_has_saved(copied):
    """The networks of a run are plain. Only a Predictor's are made faster, in ways that ONNX cannot hold."""
    import keras

    run = copied("fraud_detection" if "fraud_detection" in PROJECTS else PROJECTS[0])
    keras.Sequential([keras.Input((None, 3)), keras.layers.GRU(64)]).save(run.path / "wide.keras")
    assert "inner_loop" not in vars(run.networks()["wide"].layers[0])
