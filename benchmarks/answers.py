"""How long an answer takes beside the network alone, for each project with a finished run; medians in milliseconds.

    python -m benchmarks.answers [--runs-dir runs] [--rounds 30]

- one: `Predictor.predict` of an example
- its network: the same calls of its networks on ready arrays, in ONNX Runtime
- a thousand: a thousand examples to their answers, encoded and decoded
- plain Keras: `model.predict` on the ready arrays of that thousand, once for each length of text

What writes step by step (char_rnn, translation) and what trains (super_resolution) is measured by `benchmarks.decoding`
and `benchmarks.super_resolution`. ONNX Runtime comes with the extra `export`.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.errors import UserError
from common.project import Project

COUNT = 1000
GOAL_MS, GOAL_ONNX, GOAL_KERAS = 2.0, 2.0, 0.8  # one: at most 2 ms + 2 x ONNX; a thousand: at least 0.8 x plain Keras


def fraud_detection(predictor: Any) -> Callable[[list], Any]:
    import pandas as pd

    from projects.fraud_detection.encoding import checked

    return lambda raws: predictor.decode(predictor.score(checked(pd.DataFrame(raws), predictor.meta, "the examples")))


def image_classification(predictor: Any) -> Callable[[list], Any]:
    from projects.image_classification.encoding import in_colour, squared

    shape = predictor.meta["shape"]

    def call(raws: list) -> Any:
        return predictor.decode(predictor.score(np.stack([squared(in_colour(raw["picture"]), shape) for raw in raws])))

    return call


def adding_problem(predictor: Any) -> Callable[[list], Any]:
    def call(raws: list) -> Any:
        x = np.concatenate([predictor.encode(raw) for raw in raws])
        return [predictor.decode(*pair) for pair in zip(x, predictor.score(x)[:, 0], strict=True)]

    return call


def text_classification(predictor: Any) -> Callable[[list], Any]:
    return lambda raws: predictor.decode(predictor.score(raws))


MANY = {
    call.__name__: call for call in (fraud_detection, image_classification, adding_problem, text_classification)
}  # how a file of a thousand is answered; colorization answers one picture after the other


def recorded(predictor: Any, call: Callable[[], Any]) -> list[tuple[Any, list[np.ndarray]]]:
    """(network, its inputs) of every call of a network that `call` makes."""
    calls: list[tuple[Any, list[np.ndarray]]] = []
    for network in predictor.networks.values():

        def spy(x: Any, network: Any = network, ask: Callable = network.predict_on_batch) -> Any:
            calls.append((network, [np.array(part) for part in (x if isinstance(x, list) else [x])]))
            return ask(x)

        network.predict_on_batch = spy
    try:
        call()
    finally:
        for network in predictor.networks.values():
            del network.predict_on_batch
    return calls


def median(call: Callable[[], Any], rounds: int) -> float:
    """Milliseconds. The first three calls are not counted: they compile."""
    spent = []
    for turn in range(rounds + 3):
        begin = time.perf_counter()
        call()
        if turn >= 3:
            spent.append(time.perf_counter() - begin)
    return 1000 * float(np.median(spent))


def onnx(networks: dict[str, Any]) -> dict[int, Callable[[list[np.ndarray]], Any]]:
    """{id of the network: a function that runs it in ONNX Runtime}."""
    import onnxruntime

    sessions = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, network in networks.items():
            network.export(f"{folder}/{name}.onnx", format="onnx", verbose=False)
            session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
            names = [entry.name for entry in session.get_inputs()]
            sessions[id(network)] = lambda x, session=session, names=names: session.run(
                None, dict(zip(names, x, strict=True))
            )
    return sessions


def measure(project: Project, runs_dir: Path, rounds: int) -> str:
    """One row of the table."""
    run = runs.find(project, "latest", runs_dir)
    from common.saved import load_network

    plain = {name: load_network(run.path / f"{name}.keras") for name in run.load().networks}
    predictor = run.load()
    plain_of = {id(network): name for name, network in predictor.networks.items()}
    example = predictor.examples[0]
    calls = [(plain_of[id(network)], x) for network, x in recorded(predictor, lambda: predictor.predict(example))]
    for name, x in calls:
        plain[name](x if len(x) > 1 else x[0])  # Keras exports a network that has been called
    sessions = onnx(plain)
    one = median(lambda: predictor.predict(example), rounds)
    alone = median(lambda: [sessions[id(plain[name])](x) for name, x in calls], rounds)
    cells = [f"{one:.1f}", f"{alone:.1f}", "yes" if one <= GOAL_MS + GOAL_ONNX * alone else "no"]
    if project.name in MANY:
        raws = (list(predictor.examples) * COUNT)[:COUNT]
        many = MANY[project.name](predictor)
        batches = [(plain_of[id(network)], x) for network, x in recorded(predictor, lambda: many(raws))]
        ours = median(lambda: many(raws), max(3, rounds // 6))
        ready: dict[tuple, list] = {}  # the inputs of each network and shape, and the size of their batches
        for name, x in batches:
            ready.setdefault((name, *(part.shape[1:] for part in x)), []).append(x)
        arrays = [(key[0], list(map(np.concatenate, zip(*x, strict=True))), len(x[0][0])) for key, x in ready.items()]
        keras = median(
            lambda: [plain[name].predict(x if len(x) > 1 else x[0], size, verbose=0) for name, x, size in arrays],
            max(3, rounds // 6),
        )
        cells += [f"{ours:.0f}", f"{keras:.0f}", "yes" if GOAL_KERAS * ours <= keras else "no"]
    return f"| {project.name} | " + " | ".join([*cells, *["", "", ""]][:6]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    cli.start_keras()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| project | one | its network | within 2 ms + 2 × | a thousand | plain Keras | at 0.8 × or more |")
    print("|---|---:|---:|---|---:|---:|---|")
    for name in (*MANY, "colorization"):
        try:
            print(measure(Project(name), args.runs_dir, args.rounds), flush=True)
        except UserError as error:
            print(f"| {name} | {error} |")


if __name__ == "__main__":
    main()
