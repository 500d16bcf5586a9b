"""How long an answer takes beside the network alone, for each project with a finished run; medians in milliseconds.

    python -m benchmarks.answers [--runs-dir runs] [--rounds 30] [--projects adding_problem …]

- one: `Predictor.predict` of an example
- its network: the same calls of its networks on ready arrays, in ONNX Runtime. Of a network that writes step by step
  the encoder once and the decoder for each symbol, without the choice of a symbol
- a thousand: a thousand examples to their answers, encoded and decoded; of films a thousand frames
- plain Keras: `model.predict` on the ready arrays of that thousand, once for each length of text

A page of comic_text and a photograph of colorization are answered one after the other, and `benchmarks.decoding` and
`benchmarks.char_rnn` measure many texts that are written together: these projects have no thousand. super_resolution
trains on the picture of a visitor and keeps no network: `benchmarks.super_resolution` measures it. ONNX Runtime comes
with the extra `export`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from common import cli, runs
from common.errors import UserError
from common.project import Project, project_names

COUNT = 1000
GOAL_MS, GOAL_ONNX, GOAL_KERAS = 2.0, 2.0, 0.8  # one: at most 2 ms + 2 x ONNX; a thousand: at least 0.8 x plain Keras

Call = Callable[[], Any]
Asked = tuple[Any, list[np.ndarray]]  # a network and its inputs, in the order of `network.inputs`


# How a file of many inputs is answered


def adding_problem(predictor: Any, raws: Sequence) -> Call:
    def call() -> Any:
        x = np.concatenate([predictor.encode(raw) for raw in raws])
        return [predictor.decode(*pair) for pair in zip(x, predictor.score(x)[:, 0], strict=True)]

    return call


def bankruptcy(predictor: Any, raws: Sequence) -> Call:
    from projects.bankruptcy.encoding import checked

    def call() -> Any:
        return [predictor.decode(row) for row in predictor.score([checked(raw, predictor.meta) for raw in raws])]

    return call


def fraud_detection(predictor: Any, raws: Sequence) -> Call:
    import pandas as pd

    from projects.fraud_detection.encoding import checked

    return lambda: predictor.decode(predictor.score(checked(pd.DataFrame(raws), predictor.meta, "the examples")))


def image_classification(predictor: Any, raws: Sequence) -> Call:
    from projects.image_classification.encoding import in_colour, squared

    shape = predictor.meta["shape"]

    def call() -> Any:
        return predictor.decode(predictor.score(np.stack([squared(in_colour(raw["picture"]), shape) for raw in raws])))

    return call


def mask_detection(predictor: Any, raws: Sequence) -> Call:
    def call() -> Any:
        outputs = predictor.outputs(np.concatenate([predictor.encode(raw) for raw in raws]))
        return [predictor.decode(output, raw["picture"].shape) for output, raw in zip(outputs, raws, strict=True)]

    return call


def sequence_tagging(predictor: Any, raws: Sequence) -> Call:
    from projects.sequence_tagging.encoding import tokens

    reading = predictor.meta["reading"]
    return lambda: predictor.tag([[token for token, _ in tokens(raw["text"], reading)] for raw in raws])


def text_classification(predictor: Any, raws: Sequence) -> Call:
    return lambda: predictor.decode(predictor.score(raws))


def video_labelling(predictor: Any, raws: Sequence) -> Call:
    films = raws[: COUNT // len(raws[0]["film"])]
    return lambda: predictor.logits([predictor.features(predictor.encode(raw)) for raw in films])


MANY = {
    call.__name__: call
    for call in (
        adding_problem,
        bankruptcy,
        fraud_detection,
        image_classification,
        mask_detection,
        sequence_tagging,
        text_classification,
        video_labelling,
    )
}


# What is measured


def recorded(call: Call) -> list[Asked]:
    """Every `predict_on_batch` that `call` makes, of any network."""
    import keras

    calls, ask = [], keras.Model.predict_on_batch

    def spy(network: Any, x: Any) -> Any:
        calls.append((network, [np.array(part) for part in keras.tree.flatten(x)]))
        return ask(network, x)

    with mock.patch.object(keras.Model, "predict_on_batch", spy):
        call()
    return calls


def medians(rounds: int, *calls: Call) -> list[float]:
    """Milliseconds of each of the calls, which take turns. The first three rounds are not counted: they compile."""
    spent = np.zeros((rounds + 3, len(calls)))
    for turn in range(rounds + 3):
        for place, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            spent[turn, place] = time.perf_counter() - begin
    return (1000 * np.median(spent[3:], axis=0)).tolist()


def packed(network: Any, x: Sequence[Any]) -> Any:
    """Inputs in the structure that the network takes."""
    import keras

    return keras.tree.pack_sequence_as(network.input, list(x))


def onnx(network: Any, x: Sequence[np.ndarray]) -> Callable[[Sequence[np.ndarray]], dict[str, np.ndarray]]:
    """A function that runs the network in ONNX Runtime: arrays in the order of its inputs -> {output: array}."""
    import onnxruntime

    network(packed(network, x), training=False)  # Keras exports a network that has been called
    with tempfile.TemporaryDirectory() as folder, cli.quiet_stderr():
        network.export(f"{folder}/network.onnx", format="onnx", verbose=False)
        session = onnxruntime.InferenceSession(f"{folder}/network.onnx", providers=["CPUExecutionProvider"])
    given = [part.name for part in session.get_outputs()]

    def run(x: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        # Keras converts the numbers of an input by itself.
        named = {part.name: np.asarray(values, part.dtype) for part, values in zip(network.inputs, x, strict=True)}
        return dict(zip(given, session.run(None, named), strict=True))

    return run


def written(predictor: Any, plain: dict[str, Any], example: Any) -> Call:
    """The networks of a writer in ONNX Runtime: the encoder once, the decoder for each symbol that is written."""
    from common.layers import writer

    asked: list[tuple] = []

    def spy(networks: Any, inputs: np.ndarray, *settings: Any, ask: Any = writer.write) -> Any:
        result = ask(networks, inputs, *settings)
        asked.append((inputs, int((result["tokens"][0, 0] > 0).sum())))
        return result

    with mock.patch.object(writer, "write", spy):
        predictor.predict(example)
    ((inputs, symbols),), (encoder, decoder) = asked, (plain["encoder"], plain["decoder"])
    x = np.asarray(inputs, encoder.inputs[0].dtype)
    names, target = [part.name for part in decoder.inputs], np.full((1, 1), writer.decoding.START, "int32")
    encode = onnx(encoder, [x])
    first = {**encode([x]), "target": target}
    decode = onnx(decoder, [first[name] for name in names])

    def call() -> None:
        state = {**encode([x]), "target": target}
        for _ in range(symbols):
            given = decode([state[name] for name in names])
            state |= {name.removeprefix("new_"): array for name, array in given.items() if name.startswith("new_")}

    return call


def characters(predictor: Any, plain: dict[str, Any], example: Any) -> Call:
    """The network of char_rnn in ONNX Runtime, for each character that is read or written."""
    from projects.char_rnn.encoding import check_settings

    raw, network = check_settings(example), plain["model"]
    count = len(predictor.encode(raw["prompt"])) - 1 + raw["length"]
    first = [np.ones((1, 1), "int32"), *(np.zeros((1, state.shape[1]), "float32") for state in network.inputs[1:])]
    step = onnx(network, first)

    def call() -> None:
        x = first
        for _ in range(count):
            _, *states = step(x).values()
            x = [first[0], *states]

    return call


def alone(predictor: Any, plain: dict[str, Any], example: Any) -> Call:
    """The calls of networks that `predict` makes, in ONNX Runtime on ready arrays."""
    names = {id(network): name for name, network in predictor.networks.items()}
    calls = recorded(lambda: predictor.predict(example))
    asked = [(plain.get(names.get(id(network), ""), network), x) for network, x in calls]
    sessions = {id(network): onnx(network, x) for network, x in asked}
    return lambda: [sessions[id(network)](x) for network, x in asked]


ALONE = {"char_rnn": characters, "image_captioning": written, "translation": written}


def plain_keras(predictor: Any, plain: dict[str, Any], call: Call) -> Call:
    """`model.predict` on the ready arrays of what `call` asks: once for each network and shape."""
    names = {id(network): name for name, network in predictor.networks.items()}
    ready: dict[tuple, list[list[np.ndarray]]] = {}
    for network, x in recorded(call):
        ready.setdefault((names[id(network)], *(part.shape[1:] for part in x)), []).append(x)
    asked = [
        (plain[key[0]], packed(plain[key[0]], map(np.concatenate, zip(*x, strict=True))), len(x[0][0]))
        for key, x in ready.items()
    ]
    return lambda: [network.predict(x, size, verbose=0) for network, x, size in asked]


def measure(project: Project, runs_dir: Path, rounds: int) -> str:
    """One row of the table."""
    from common.saved import load_network

    run = runs.find(project, "latest", runs_dir)
    predictor = run.load()
    # As they are saved: without what `speed` replaces, which ONNX does not hold.
    plain = {name: load_network(run.path / f"{name}.keras") for name in predictor.networks}
    example = predictor.examples[0]
    # One after the other: ONNX Runtime's threads go on waiting for a while, and take processor time from the next call.
    (one,) = medians(rounds, partial(predictor.predict, example))
    (network,) = medians(rounds, ALONE.get(project.name, alone)(predictor, plain, example))
    cells = [f"{one:.1f}", f"{network:.1f}", "yes" if one <= GOAL_MS + GOAL_ONNX * network else "no"]
    if project.name in MANY:
        many = MANY[project.name](predictor, (list(predictor.examples) * COUNT)[:COUNT])
        ours, keras = medians(max(3, rounds // 4), many, plain_keras(predictor, plain, many))
        cells += [f"{ours:.0f}", f"{keras:.0f}", "yes" if GOAL_KERAS * ours <= keras else "no"]
    return f"| {project.name} | " + " | ".join([*cells, *["–"] * 3][:6]) + " |"


def main() -> None:
    names = [name for name in project_names() if not hasattr(Project(name).card, "NO_EXPORT")]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--projects", nargs="+", choices=names, default=names)
    args = parser.parse_args()
    cli.start_keras()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| project | one | its network | within 2 ms + 2 × | a thousand | plain Keras | at 0.8 × or more |")
    print("|---|---:|---:|---|---:|---:|---|")
    for name in args.projects:
        try:
            print(measure(Project(name), args.runs_dir, args.rounds), flush=True)
        except UserError as error:
            print(f"| {name} | {error} |")


if __name__ == "__main__":
    main()
