"""The networks of a finished run in formats that other programs open: SavedModel, LiteRT and ONNX.

Each file is run once by the runtime of its format, beside Keras, on the same inputs: the largest difference, the sizes
and the milliseconds are printed and kept. An export folder holds

    <network>, <network>.tflite or <network>.onnx      what was exported
    preprocessing.json                                 inputs, outputs, meta.json, and how raw input is encoded
    <network>-example.npz, example.py                  a run of it without Keras and without this code
    README.md                                          the table

It appears under its name only when all of it is there.
"""

import ast
import importlib.metadata
import importlib.util
import inspect
import re
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import cli
from common.errors import UserError
from common.files import new_folder, read_json, write_json, write_text
from common.project import Project
from common.report import markdown_table
from common.runs import Run

TRIED_ROWS = 32
TRIED_SIZE = 16  # what a free dimension (time, height, width) has in the trial run
MOST_STEPS = 512  # of an unrolled recurrent layer: each one is written out
TOLERANCE = 1e-3  # of the largest output: beyond it an export is refused as wrong

Network = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Format:
    """One format: how its files end, what must be installed, what it cannot do, and how to use it from Python."""

    suffix: str
    packages: dict[str, str]  # name to import -> name to install
    limits: tuple[str, ...]
    runtime: str  # what example.py needs besides NumPy
    example: tuple[str, str, str]  # imports; how to open; how to call: the lines that differ in example.py


FORMATS = {
    "savedmodel": Format(
        suffix="",
        packages={},
        limits=("It runs in TensorFlow and TensorFlow Serving; it predicts and cannot be trained on.",),
        runtime="tensorflow",
        example=(
            "import tensorflow as tf",
            'network = tf.saved_model.load(here / about["file"]).signatures["serving_default"]',
            "network(**{key: tf.constant(value) for key, value in inputs.items()})",
        ),
    ),
    "litert": Format(
        suffix=".tflite",
        packages={"ai_edge_litert": "ai-edge-litert"},
        limits=(
            "It predicts and cannot be trained on; only LiteRT's own operations are used, which its runtime brings.",
            "Recurrent layers are unrolled, each step written out; every dimension but the batch is fixed (--size).",
        ),
        runtime="ai-edge-litert",
        example=(
            "from ai_edge_litert.interpreter import Interpreter",
            'network = Interpreter(str(here / about["file"])).get_signature_runner()',
            "network(**inputs)",
        ),
    ),
    "onnx": Format(
        suffix=".onnx",
        packages={"onnx": "onnx", "onnxruntime": "onnxruntime", "tf2onnx": "tf2onnx"},
        limits=("It predicts and cannot be trained on; it is traced and tried on the CPU.",),
        runtime="onnxruntime",
        example=(
            "import onnxruntime",
            'network = onnxruntime.InferenceSession(here / about["file"], providers=["CPUExecutionProvider"])',
            "dict(zip([part.name for part in network.get_outputs()], network.run(None, inputs)))",
        ),
    ),
}

EXAMPLE = '''"""Run the exported networks without Keras and without the project's code: python example.py"""
import json
from pathlib import Path
import numpy as np
{imports}
here = Path(__file__).parent
for name, about in json.loads((here / "preprocessing.json").read_text(encoding="utf-8"))["networks"].items():
    kept = np.load(here / f"{{name}}-example.npz")
    inputs = {{part["name"]: kept[part["name"]] for part in about["inputs"]}}
    {opened}
    outputs = {called}
    for part in about["outputs"]:
        value, expected = np.asarray(outputs[part["name"]]), kept["expected " + part["name"]]
        print(name, part["name"], value.shape, "largest difference from Keras:", abs(value - expected).max())
'''


def check(project: Project, form: str) -> None:
    """Raise `UserError` for what can be said before a run is looked for and Keras is loaded."""
    if reason := getattr(project.card, "NO_EXPORT", ""):
        raise UserError(f"{project.name} cannot be exported. {reason}")
    missing = [name for module, name in FORMATS[form].packages.items() if not importlib.util.find_spec(module)]
    if missing:
        raise UserError(
            f"--format {form} needs {', '.join(missing)}: python -m pip install {' '.join(missing)} "
            '(or all formats at once: python -m pip install -e ".[export]").'
        )


def export(run: Run, form: str, output: Path, size: int | None = None) -> dict[str, Any]:
    """Write the run's networks as `form` into the new folder `output`; returns the content of preprocessing.json.

    size: what the free dimensions (time, height, width) are fixed to; for LiteRT alone, which needs it. Raises
    `UserError` where there is nothing to export or the format cannot hold a network; then nothing stays behind.
    """
    check(run.project, form)
    if not run.finished:
        raise UserError(f"The run {run.id} is not finished; only a finished run is exported.")
    if not any(run.path.glob("*.keras")):
        raise UserError(f"The run {run.id} keeps no network, so there is nothing to export.")
    if output.exists():
        raise UserError(f"{output} exists already; remove it or give another --output.")
    if size is not None and (form != "litert" or size < 1):
        raise UserError(f"--size {size}: it is for LiteRT alone, and at least 1.")
    cli.start_keras()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(f"Exports are made with the tensorflow backend, not with {keras.backend.backend()}.")
    networks = run.networks()
    for name, network in networks.items():
        if reason := obstacle(network, form, size):
            raise UserError(f"The network {name} cannot be exported as {form}: {reason}")
    for limit in FORMATS[form].limits:
        print(limit)
    with new_folder(output) as folder:
        content = {
            "project": run.project.name,
            "run": run.id,
            "format": form,
            "limits": list(FORMATS[form].limits),
            "networks": {name: export_network(name, network, form, folder, size) for name, network in networks.items()},
            "tried_on": f"{TRIED_ROWS} rows of standard normal numbers; whole numbers from the embedding's vocabulary",
            "encode": coding(run.project.predictor_class, "encode"),
            "decode": coding(run.project.predictor_class, "decode"),
            "meta": {key: value for key, value in read_json(run.path / "meta.json").items() if key != "examples"},
            "versions": versions(form),
        }
        write_json(folder / "preprocessing.json", content)
        imports, opened, called = FORMATS[form].example
        write_text(folder / "example.py", EXAMPLE.format(imports=imports, opened=opened, called=called))
        write_text(folder / "README.md", readme(run, content))
    return content


def obstacle(network: Any, form: str, size: int | None) -> str:
    """Why the format cannot hold this network, as a sentence; empty when nothing is known against it."""
    if form != "litert":
        return ""
    free = [part.name for part in network.inputs if None in part.shape[1:]]
    if free and size is None:
        return (
            f"LiteRT needs fixed sizes, and {', '.join(free)} has a free one: give --size N (it holds for all of them)."
        )
    steps = size if free else max((part.shape[1] for part in network.inputs if len(part.shape) > 1), default=0)
    if is_recurrent(network) and steps and steps > MOST_STEPS:
        return f"LiteRT needs recurrent layers unrolled, and {steps} steps are more than {MOST_STEPS}."
    inner = [layer for layer in network.layers if hasattr(layer, "layers") and is_recurrent(layer)]
    if any(None in part.shape[1:] for model in inner for part in model.inputs):
        return f"LiteRT needs recurrent layers unrolled, and the sub-model {inner[0].name} has a free size of its own."
    return ""


def is_recurrent(network: Any) -> bool:
    """Whether a recurrent layer is anywhere in the network, also inside a wrapper or a sub-model."""
    import keras

    inner = [getattr(layer, "layer", layer) for layer in network._flatten_layers()]
    return any(isinstance(layer, keras.layers.RNN) for layer in inner)


def export_network(name: str, network: Any, form: str, folder: Path, size: int | None) -> dict[str, Any]:
    """Write one network, run it beside Keras, and describe it: inputs, outputs, difference, size, milliseconds."""
    import keras

    path = folder / (name + FORMATS[form].suffix)
    if form == "litert":
        network = fixed(network, size)
    inputs = trial_inputs(network, rows=TRIED_ROWS)
    answer = network(as_arguments(network, inputs), training=False)  # a model that was never called is not exported
    expected = [keras.ops.convert_to_numpy(part) for part in keras.tree.flatten(answer)]
    with cli.quiet_stderr():
        convert(network, form, path)
        exported = opened(form, path)
        answers = exported(inputs)
    differences, names = [], output_names(answers)
    for key, wanted in zip(names, expected, strict=True):
        found = np.asarray(answers[key])
        if found.shape != wanted.shape or not np.allclose(
            found, wanted, atol=TOLERANCE * max(1e-6, np.abs(wanted).max())
        ):
            raise UserError(f"The exported network {name} answers otherwise than Keras ({key}); nothing was written.")
        differences.append(float(np.abs(found - wanted).max()))
    kept: dict[str, Any] = inputs | {f"expected {key}": wanted for key, wanted in zip(names, expected, strict=True)}
    np.savez(folder / f"{name}-example.npz", **kept)
    one = {key: value[:1] for key, value in inputs.items()}
    return {
        "file": path.name,
        "inputs": [
            {"name": part.name, "shape": list(part.shape), "dtype": str(np.dtype(part.dtype))}
            for part in network.inputs
        ],
        "outputs": [
            {"name": key, "shape": list(part.shape), "dtype": str(np.dtype(part.dtype))}
            for key, part in zip(names, network.outputs, strict=True)
        ],
        "largest_difference": max(differences),
        "largest_output": max(float(np.abs(part).max()) for part in expected),
        "bytes": size_of(path),
        "parameters": network.count_params(),
        "milliseconds": milliseconds(lambda: exported(one)),
        "keras_milliseconds": milliseconds(lambda: network.predict_on_batch(as_arguments(network, one))),
    }


def convert(network: Any, form: str, path: Path) -> None:
    """Keras' own `export`; what its converter cannot do is a `UserError` with the first line of its words."""
    import tensorflow as tf

    options: dict[str, Any] = {"savedmodel": {"format": "tf_saved_model"}}.get(form, {"format": form})
    if form == "litert":  # without TensorFlow's own operations, which LiteRT's runtime does not bring
        options["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    try:
        network.export(str(path), verbose=False, **options)
    except (ValueError, RuntimeError, NotImplementedError, _converter_error()) as error:
        words = str(error).strip().splitlines()[0][:300]
        raise UserError(
            f"The network {path.stem} cannot be exported as {form}; nothing was written. {words}"
        ) from error


def _converter_error() -> type[Exception]:
    from tensorflow.lite.python.convert_phase import ConverterError

    return ConverterError


def opened(form: str, path: Path) -> Network:
    """The exported file in the runtime of its format: a function from named arrays to named arrays."""
    if form == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [part.name for part in session.get_outputs()]
        return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))
    if form == "litert":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(str(path)).get_signature_runner()
        return lambda inputs: runner(**inputs)
    import tensorflow as tf

    loaded = tf.saved_model.load(path)

    def run(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        signature = loaded.signatures["serving_default"]
        found = signature(**{key: tf.constant(value) for key, value in inputs.items()})
        return {key: value.numpy() for key, value in found.items()}

    return run


def output_names(answers: dict[str, np.ndarray]) -> list[str]:
    """The names of the outputs in Keras' order: of a list by its number, of a dict by the alphabet."""
    numbered = all(re.fullmatch(r"output_\d+", key) for key in answers)
    return sorted(answers, key=lambda key: int(key.rpartition("_")[2]) if numbered else key)


def fixed(network: Any, size: int | None) -> Any:
    """A copy of the network with its free dimensions fixed to `size` and its recurrent layers unrolled."""
    import keras

    def unrolled(layer: Any) -> Any:
        return type(layer).from_config(_unrolled(layer.get_config()))

    inputs = [
        keras.Input([size if length is None else length for length in part.shape[1:]], dtype=part.dtype, name=part.name)
        for part in network.inputs
    ]
    structure = keras.tree.pack_sequence_as(network.input, inputs)
    copy = keras.models.clone_model(network, input_tensors=structure, clone_function=unrolled, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def _unrolled(config: Any) -> Any:
    """A layer's config with `unroll` set wherever there is one, in wrapped layers too."""
    if isinstance(config, dict):
        return {key: True if key == "unroll" else _unrolled(value) for key, value in config.items()}
    return [_unrolled(item) for item in config] if isinstance(config, list) else config


def trial_inputs(network: Any, rows: int) -> dict[str, np.ndarray]:
    """Named inputs of the right shapes and types; whole numbers stay within the smallest embedding."""
    import keras

    random = np.random.default_rng(0)
    layers = network._flatten_layers()
    most = min((layer.input_dim for layer in layers if isinstance(layer, keras.layers.Embedding)), default=2)
    inputs = {}
    for part in network.inputs:
        shape = (rows, *(length or TRIED_SIZE for length in part.shape[1:]))
        kind = np.dtype(part.dtype)
        values = random.normal(size=shape) if kind.kind == "f" else random.integers(0, most, shape)
        inputs[part.name] = values.astype(kind)
    return inputs


def as_arguments(network: Any, inputs: dict[str, np.ndarray]) -> Any:
    """Named inputs in the structure in which the network takes them."""
    import keras

    return keras.tree.pack_sequence_as(network.input, [inputs[part.name] for part in network.inputs])


def milliseconds(call: Callable[[], Any], seconds: float = 0.3) -> float:
    """The median time of a call; the first ones are warm-up."""
    for _ in range(3):
        call()
    spent: list[float] = []
    while sum(spent) < seconds and len(spent) < 500:
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent)) * 1000


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def coding(predictor_class: type, method: str) -> list[dict[str, str]]:
    """How raw input is encoded, or an output decoded: the method, and the project's functions that it calls by name."""
    module = sys.modules[predictor_class.__module__]
    waiting, found = [getattr(predictor_class, method, None)], []
    seen = set()
    while waiting:
        function = waiting.pop(0)
        if function is None or function in seen:
            continue
        seen.add(function)
        source = textwrap.dedent(inspect.getsource(function))
        says = inspect.getdoc(function) or ""
        found.append({"function": f"{function.__module__}.{function.__qualname__}", "says": says, "source": source})
        names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        named = [vars(module).get(name) for name in sorted(names)]
        waiting += [value for value in named if inspect.isfunction(value) and value.__module__ == module.__name__]
    return found


def versions(form: str) -> dict[str, str]:
    """The versions that made and tried the export."""
    packages = ["keras", "tensorflow", "numpy", *FORMATS[form].packages.values()]
    return {package: importlib.metadata.version(package) for package in packages}


def table(content: dict[str, Any]) -> list[list[str]]:
    """The export as text: a header and a row for each network."""
    header = ["network", "file", "size", "parameters", "largest difference from Keras", "one row", "Keras, one row"]
    return [header] + [
        [
            name,
            about["file"],
            f"{about['bytes'] / 1e6:.2f} MB",
            f"{about['parameters']:,}",
            f"{about['largest_difference']:.1e} (of {about['largest_output']:.2g})",
            f"{about['milliseconds']:.2f} ms",
            f"{about['keras_milliseconds']:.2f} ms",
        ]
        for name, about in content["networks"].items()
    ]


def readme(run: Run, content: dict[str, Any]) -> str:
    """README.md of an export: what it is, the table, how to use it."""
    lines = [
        f"# {run.project.card.TITLE['en']}: {content['format']}",
        "",
        f"The networks of run `{content['run']}` of the project `{content['project']}`, to be used without its code.",
        "",
        *markdown_table(table(content)),
        "",
        "Milliseconds are the median of calls with one row on the machine that exported, with each runtime's default "
        "threads; Keras by `predict_on_batch`.",
        "",
        *(f"- {limit}" for limit in content["limits"]),
        "",
        f"`python example.py` runs them (it needs NumPy and {FORMATS[content['format']].runtime}). "
        "`preprocessing.json` has the inputs and outputs, how raw input is encoded and outputs are decoded (in words "
        "and in the project's own code), and the run's `meta.json` that this needs.",
    ]
    return "\n".join(lines) + "\n"


def print_table(content: dict[str, Any], output: Path) -> None:
    """The table in the terminal, and where the files are."""
    from rich.console import Console
    from rich.table import Table

    header, *body = table(content)
    shown = Table()
    for i, name in enumerate(header):
        shown.add_column(name, justify="left" if i < 2 else "right")
    for row in body:
        shown.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(shown)
    print(f"written to {output}; try it: python {output / 'example.py'}")
