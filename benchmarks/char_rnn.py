"""Writing text: characters per second of our compiled loop, of the naive loop and of PyTorch, measured in turn.

    python -m benchmarks.char_rnn [--units 256] [--layers 2] [--rounds 5]

The network is an LSTM with random weights and a vocabulary of 65 characters; temperature 0.8, all cores.
`naive`: `model.predict` of the last 256 characters for every character, with Keras' own layers.
`PyTorch`: `nn.LSTM` one step at a time, with the state carried along, without gradients, drawn by `torch.multinomial`.
Compilation is not counted; `first call` says how long it takes. PyTorch is left out where it is not installed
(`pip install -e ".[bench]"`).
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

SYMBOLS, WINDOW, TEMPERATURE = 65, 256, 0.8


def ours(units: int, layers: int, batch: int) -> Callable[[int], None]:
    """A function that writes a given number of characters in each of `batch` texts."""
    from common.inputs.vocabulary import Vocabulary
    from common.layers.recurrent import accelerate
    from projects.char_rnn.config import Config
    from projects.char_rnn.encoding import FIRST, describe
    from projects.char_rnn.generate import make_loop, write
    from projects.char_rnn.model import build_network

    vocabulary = Vocabulary(map(chr, range(32, 32 + SYMBOLS)))
    config = Config(model="lstm", units=units, layers=layers)
    network = accelerate(build_network(config, describe(vocabulary, jamo=False)))
    loop = make_loop(network, filtered=False)
    prompt = np.full((batch, 1), FIRST, "int32")

    def run(length: int) -> None:
        for _ in write(network, loop, prompt, length, TEMPERATURE):
            pass

    return run


def naive(units: int, layers: int, batch: int) -> Callable[[int], None]:
    """The common simple loop: it reads the whole window again for every character."""
    import keras

    inputs = x = keras.Input((WINDOW, SYMBOLS))
    for _ in range(layers):
        x = keras.layers.LSTM(units, return_sequences=True)(x)
    model = keras.Model(inputs, keras.layers.Dense(SYMBOLS, "softmax")(x))
    random = np.random.default_rng(0)

    def run(length: int) -> None:
        ids = np.zeros((batch, WINDOW), int)
        for _ in range(length):
            probabilities = model.predict(np.eye(SYMBOLS, dtype="float32")[ids[:, -WINDOW:]], verbose=0)[:, -1]
            sums = (probabilities ** (1 / TEMPERATURE)).cumsum(axis=1)
            new = (sums < random.random((batch, 1)) * sums[:, -1:]).sum(axis=1)
            ids = np.concatenate([ids, new[:, None]], axis=1)

    return run


def pytorch(units: int, layers: int, batch: int) -> Callable[[int], None]:
    """PyTorch's `nn.LSTM`, one step at a time, with the state carried along."""
    import torch

    lstm = torch.nn.LSTM(SYMBOLS, units, layers, batch_first=True)
    output = torch.nn.Linear(units, SYMBOLS)

    def run(length: int) -> None:
        with torch.inference_mode():
            ids, state = torch.zeros(batch, 1, dtype=torch.long), None
            for _ in range(length):
                hidden, state = lstm(torch.nn.functional.one_hot(ids, SYMBOLS).float(), state)
                ids = torch.multinomial(torch.softmax(output(hidden[:, 0]) / TEMPERATURE, dim=-1), 1)

    return run


def speed(run: Callable[[int], None], length: int, batch: int) -> float:
    """Characters per second, over all texts."""
    began = time.perf_counter()
    run(length)
    return length * batch / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    from common import cli

    cli.start_keras()
    print(
        f"{args.layers} x {args.units} LSTM, {platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}\n"
    )
    print("| texts at once | ours, characters/s | first call | naive | PyTorch | ours / naive | ours / PyTorch |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for batch in (1, 64):
        makers = {"ours": ours, "naive": naive} | ({"pytorch": pytorch} if find_spec("torch") else {})
        runs = {name: make(args.units, args.layers, batch) for name, make in makers.items()}
        lengths = {
            "ours": 2048 if batch == 1 else 512,
            "naive": 10 if batch == 1 else 2,
            "pytorch": 1024 if batch == 1 else 256,
        }
        began = time.perf_counter()
        runs["ours"](64)
        first = time.perf_counter() - began
        for name in runs:
            runs[name](max(1, lengths[name] // 4))
        rounds = [
            {name: speed(run, lengths[name], batch) for name, run in runs.items()} for _ in range(args.rounds)
        ]  # a ratio compares two speeds of the same round
        cells = [f"{np.median([speeds['ours'] for speeds in rounds]):,.0f}", f"{first:.1f} s"]
        for name in ("naive", "pytorch"):
            cells.append(f"{np.median([speeds[name] for speeds in rounds]):,.0f}" if name in runs else "–")
        for name in ("naive", "pytorch"):
            ratio = np.median([speeds["ours"] / speeds[name] for speeds in rounds]) if name in runs else None
            cells.append("–" if ratio is None else f"{ratio:,.1f}")
        print(f"| {batch} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
