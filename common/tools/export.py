"""The networks of a finished run in formats that other programs open: SavedModel, LiteRT and ONNX.

Each exported network is run by the runtime of its format and by Keras on the same inputs. The largest difference, the
sizes and the times are printed and kept. An export folder holds

    <network>, <network>.tflite or <network>.onnx      the exported networks
    preprocessing.json                                 their inputs and outputs, and the run's meta.json
    preprocessing.py                                   the project's code that encodes inputs and decodes outputs
    example.py, <network>-example.npz                  runs each network without Keras and without this code base
    README.md                                          the table

The folder is written under a temporary name and renamed when it is complete.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import re
import time
from collections.abc import Callable, Iterator
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
from common.tools.sources import functions, standalone

TRIAL_ROWS = 32  # rows of the inputs on which an export and Keras are compared
TRIAL_SIZE = 16  # size of a free dimension (time, height, width) of these inputs
MAX_STEPS = 512  # time steps of an unrolled recurrent layer, each of which adds its own operations to the file
TOLERANCE = 1e-3  # largest difference from Keras, as a fraction of the largest output; above it the export is refused

Network = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Format:
    """One export format."""

    suffix: str  # the suffix of its files
    packages: dict[str, str]  # name to import -> name to install
    limits: tuple[str, ...]  # what it cannot do, as sentences
    runtime: str  # the package that example.py needs besides NumPy
    example: tuple[str, str, str]  # the lines of example.py that import the runtime, open a network and call it


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
            "It predicts and cannot be trained on; it uses only operations that LiteRT's own runtime has.",
            "Recurrent layers are unrolled: each time step has its own operations.",
            "Every dimension but the batch is fixed (--size).",
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
        limits=("It predicts and cannot be trained on; it is traced and compared on the CPU.",),
        runtime="onnxruntime",
        example=(
            "import onnxruntime",
            'network = onnxruntime.InferenceSession(here / about["file"], providers=["CPUExecutionProvider"])',
            "dict(zip([part.name for part in network.get_outputs()], network.run(None, inputs)))",
        ),
    ),
}

EXAMPLE = '''"""Runs the exported networks without Keras and without the project's code: python example.py"""
import json
from pathlib import Path
import numpy as np
{imports}
here = Path(__file__).parent
for name, about in json.loads((here / "preprocessing.json").read_text(encoding="utf-8"))["networks"].items():
    saved = np.load(here / f"{{name}}-example.npz")
    inputs = {{part["name"]: saved[part["name"]] for part in about["inputs"]}}
    {opened}
    outputs = {called}
    for part in about["outputs"]:
        value, expected = np.asarray(outputs[part["name"]]), saved["expected " + part["name"]]
        print(name, part["name"], value.shape, "largest difference from Keras:", abs(value - expected).max())
'''

PREPROCESSING = '''"""The functions {names} of the project {project}, with everything of its code base that they use.

This file needs: {packages}. `meta` is the entry "meta" of preprocessing.json.
"""

{source}'''


def check(project: Project, form: str) -> None:
    """Raise `UserError` for what is wrong before a run is looked for and Keras is loaded."""
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

    size: the size that free dimensions (time, height, width) get; for LiteRT only. Raises `UserError` if there is
    nothing to export or if the format cannot hold a network; then nothing is written.
    """
    check(run.project, form)
    if not run.finished:
        raise UserError(f"The run {run.id} is not finished; only a finished run is exported.")
    if not any(run.path.glob("*.keras")):
        raise UserError(f"The run {run.id} keeps no network, so there is nothing to export.")
    if output.exists():
        raise UserError(f"{output} exists already; remove it or give another --output.")
    if size is not None and (form != "litert" or size < 1):
        raise UserError(f"--size {size}: it is for LiteRT only, and at least 1.")
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
            "tried_on": f"{TRIAL_ROWS} rows of standard normal numbers; whole numbers from the embedding's vocabulary",
            "code": write_preprocessing(run.project, folder),
            "meta": {key: value for key, value in read_json(run.path / "meta.json").items() if key != "examples"},
            "versions": versions(form),
        }
        write_json(folder / "preprocessing.json", content)
        imports, opened, called = FORMATS[form].example
        write_text(folder / "example.py", EXAMPLE.format(imports=imports, opened=opened, called=called))
        write_text(folder / "README.md", readme(run, content))
    return content


def write_preprocessing(project: Project, folder: Path) -> dict[str, Any]:
    """Write preprocessing.py and describe it: {"file", "functions": {name: docstring}, "packages": what it needs}.

    It holds the functions `encode`, `encode_…`, `decode` and `decode_…` of the project's encoding.py, with everything
    that they use; see `common.tools.sources`.
    """
    module = f"projects.{project.name}.encoding"
    names = [name for name in functions(module) if re.fullmatch(r"(en|de)code(_\w+)?", name)]
    source, packages = standalone(module, names)
    words = {"names": ", ".join(names), "packages": ", ".join(packages) or "Python alone"}
    text = PREPROCESSING.format(**words, project=project.name, source=source)
    write_text(folder / "preprocessing.py", text)
    docstrings = {name: inspect.getdoc(getattr(importlib.import_module(module), name)) or "" for name in names}
    return {"file": "preprocessing.py", "functions": docstrings, "packages": packages}


def obstacle(network: Any, form: str, size: int | None) -> str:
    """Why the format cannot hold this network, as a sentence; empty if no reason is known."""
    if form != "litert":
        return ""
    free = [part.name for part in network.inputs if None in part.shape[1:]]
    if free and size is None:
        return (
            f"LiteRT needs fixed sizes, and {', '.join(free)} has a free one: give --size N (it holds for all of them)."
        )
    steps = size if free else max((part.shape[1] for part in network.inputs if len(part.shape) > 1), default=0)
    if is_recurrent(network) and steps and steps > MAX_STEPS:
        return f"LiteRT needs recurrent layers unrolled, and {steps} steps are more than {MAX_STEPS}."
    inner = [layer for layer in network.layers if hasattr(layer, "layers") and is_recurrent(layer)]
    if any(None in part.shape[1:] for model in inner for part in model.inputs):
        return f"LiteRT needs recurrent layers unrolled, and the sub-model {inner[0].name} has a free size of its own."
    return ""


def is_recurrent(network: Any) -> bool:
    """Whether a recurrent layer is anywhere in a network or layer, also inside a wrapper or a sub-model."""
    return any("unroll" in config for config in configs(network.get_config()))


def configs(config: Any) -> Iterator[dict[str, Any]]:
    """Every dict in the config of a network: those of its layers, wrapped layers and sub-models too."""
    if isinstance(config, dict):
        yield config
    for part in config.values() if isinstance(config, dict) else config if isinstance(config, (list, tuple)) else ():
        yield from configs(part)


def export_network(name: str, network: Any, form: str, folder: Path, size: int | None) -> dict[str, Any]:
    """Write one network, compare it with Keras, and describe it: inputs, outputs, difference, size, milliseconds.

    Raises UserError if the format's converter fails, or if an output differs from Keras by more than TOLERANCE.
    """
    import keras

    path, trained = folder / (name + FORMATS[form].suffix), network
    if form == "litert":
        network = fixed(network, size)
    inputs = trial_inputs(network, rows=TRIAL_ROWS)
    network(as_arguments(network, inputs), training=False)  # Keras exports only a model that has been called
    outputs = keras.tree.flatten(trained(as_arguments(trained, inputs), training=False))
    expected = [keras.ops.convert_to_numpy(part) for part in outputs]
    with cli.quiet_stderr():
        convert(network, form, path)
        exported = opened(form, path)
        answers = exported(inputs)
    differences, names = [], output_names(answers)
    for key, wanted in zip(names, expected, strict=True):
        answer = np.asarray(answers[key])
        if answer.shape != wanted.shape or not np.allclose(
            answer, wanted, atol=TOLERANCE * max(1e-6, np.abs(wanted).max())
        ):
            raise UserError(f"The exported network {name} answers otherwise than Keras ({key}); nothing was written.")
        differences.append(float(np.abs(answer - wanted).max()))
    arrays: dict[str, Any] = inputs | {f"expected {key}": wanted for key, wanted in zip(names, expected, strict=True)}
    np.savez(folder / f"{name}-example.npz", **arrays)
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
    """Write a network by Keras' own `export`. A failure of its converter is a `UserError` with its first line."""
    import tensorflow as tf

    options: dict[str, Any] = {"savedmodel": {"format": "tf_saved_model"}}.get(form, {"format": form})
    failures: tuple[type[Exception], ...] = (ValueError, RuntimeError, NotImplementedError)
    if form == "litert":
        # LiteRT's runtime does not have the operations that only TensorFlow has.
        options["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
        failures += (converter_error(),)
    try:
        network.export(str(path), verbose=False, **options)
    except failures as error:
        words = str(error).strip().splitlines()[0][:300]
        raise UserError(
            f"The network {path.stem} cannot be exported as {form}; nothing was written. {words}"
        ) from error


def converter_error() -> type[Exception]:
    """The error of TensorFlow's LiteRT converter. No public module of TensorFlow has it."""
    try:
        from tensorflow.lite.python.convert_phase import ConverterError
    except ImportError:
        import tensorflow as tf

        raise RuntimeError(
            f"TensorFlow {tf.__version__} has moved tensorflow.lite.python.convert_phase.ConverterError, so a network "
            "that LiteRT cannot hold would not be recognised: install TensorFlow 2.21 to export to LiteRT."
        ) from None
    return ConverterError


def opened(form: str, path: Path) -> Network:
    """Open an exported file in the runtime of its format: a function from named arrays to named arrays."""
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
        outputs = signature(**{key: tf.constant(value) for key, value in inputs.items()})
        return {key: value.numpy() for key, value in outputs.items()}

    return run


def output_names(answers: dict[str, np.ndarray]) -> list[str]:
    """The names of the outputs in Keras' order: outputs of a list by their number, of a dict in alphabetical order."""
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
    # Unrolled and read from its end, a layer would set the wrong steps to zero: Keras forgets to turn the mask around.
    # Without that it gives zeros until the first symbol, which is what the padding at the end of a text needs.
    for layer in copy._flatten_layers(include_self=False, recursive=True):
        if getattr(layer, "go_backwards", False):
            layer.zero_output_for_mask = False
    return copy


def _unrolled(config: Any) -> Any:
    """A layer's config with every `unroll` set to True, in wrapped layers too."""
    if isinstance(config, dict):
        return {key: True if key == "unroll" else _unrolled(value) for key, value in config.items()}
    return [_unrolled(item) for item in config] if isinstance(config, list) else config


def trial_inputs(network: Any, rows: int) -> dict[str, np.ndarray]:
    """Random named inputs of the right shapes and types; whole numbers are ids that every embedding has.

    Half of the rows of ids end with 0, the padding, so a format that reads padding otherwise than Keras is found out.
    """
    random = np.random.default_rng(0)
    ids = min((config["input_dim"] for config in configs(network.get_config()) if "input_dim" in config), default=2)
    inputs = {}
    for part in network.inputs:
        shape = (rows, *(length or TRIAL_SIZE for length in part.shape[1:]))
        kind = np.dtype(part.dtype)
        values = random.normal(size=shape) if kind.kind == "f" else random.integers(1, ids, shape)
        if kind.kind != "f" and values.ndim == 2:
            values[::2, values.shape[1] - values.shape[1] // 4 :] = 0
        inputs[part.name] = values.astype(kind)
    return inputs


def as_arguments(network: Any, inputs: dict[str, np.ndarray]) -> Any:
    """Named inputs in the structure that the network takes."""
    import keras

    return keras.tree.pack_sequence_as(network.input, [inputs[part.name] for part in network.inputs])


def milliseconds(call: Callable[[], Any], seconds: float = 0.3) -> float:
    """The median time of a call in milliseconds, after three calls to warm up."""
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


def versions(form: str) -> dict[str, str]:
    """The versions of the packages that made and compared the export."""
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
    code = content["code"]
    lines = [
        f"# {run.project.card.TITLE['en']}: {content['format']}",
        "",
        f"The networks of run `{content['run']}` of the project `{content['project']}`, for use without its code.",
        "",
        *markdown_table(table(content)),
        "",
        "Times are medians over calls with one row, measured on the machine that exported, with each runtime's default "
        "number of threads; for Keras, of `predict_on_batch`.",
        "",
        *(f"- {limit}" for limit in content["limits"]),
        "",
        f"- `python example.py` runs the networks. It needs NumPy and {FORMATS[content['format']].runtime}.",
        "- `preprocessing.json` has the inputs and outputs of each network and the run's `meta`.",
        f"- `{code['file']}` has the functions {', '.join(f'`{name}`' for name in code['functions'])}, copied from the "
        "project with every function, class and constant of its code base that they use. "
        f"It needs: {', '.join(code['packages']) or 'Python alone'}.",
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
