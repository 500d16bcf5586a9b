"""Recurrent layers on a CPU: ours, Keras' own with and without XLA, and PyTorch; one training step, measured in turn.

    python -m benchmarks.recurrent [--cells lstm gru simple_rnn] [--sizes 2x256x64x100 …] [--rounds 15]

A step is the forward pass, the backward pass and Adam's update of a language model with a vocabulary of 65: an
embedding of 64 numbers, the recurrent layers, one dense layer, and the cross-entropy of every step. Each contender runs
in a process of its own, with its own defaults and all cores. In each round they take turns: one step that is not timed,
then three that are, of which the median counts. A ratio compares two contenders in the same round, and the table has
the median over the rounds: while the machine is slow it is slow for both. `first step` is the time of the first step,
compilation included. PyTorch is left out where it is not installed (`pip install -e ".[bench]"`).

    python -m benchmarks.recurrent --products [--cells …] [--sizes …]

times the matrix products of such a step alone, in the shapes in which the accelerated layers compute them. The
difference between their sum and the whole step is what another way to write the layers could save at most.
"""

import argparse
import itertools
import multiprocessing
import os
import platform
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.timing import median_seconds, seconds

VOCABULARY, EMBEDDING = 65, 64
CELLS = ("lstm", "gru", "simple_rnn")
SIZES = ("1x128x32x50", "2x256x64x100", "2x512x64x100", "3x128x128x64")
CONTENDERS = ("ours", "keras", "keras + XLA", "pytorch")


def keras_step(contender: str, cell: str, depth: int, units: int, inputs: np.ndarray, targets: np.ndarray):
    """A function that trains one step with Keras and returns the loss."""
    from common import cli

    cli.start_keras()
    import keras

    from common.layers.blocks import recurrent_stack
    from common.layers.recurrent import accelerate

    start = keras.Input((inputs.shape[1],), dtype="int32")
    x = keras.layers.Embedding(VOCABULARY, EMBEDDING)(start)
    x = recurrent_stack(x, cell, [units] * depth)
    model = keras.Model(start, keras.layers.Dense(VOCABULARY)(x))
    if contender == "ours":
        accelerate(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=contender == "keras + XLA")
    return lambda: float(model.train_on_batch(inputs, targets))


def torch_step(cell: str, depth: int, units: int, inputs: np.ndarray, targets: np.ndarray):
    """The same with PyTorch."""
    import torch
    from torch import nn

    kind = {"lstm": nn.LSTM, "gru": nn.GRU, "simple_rnn": nn.RNN}[cell]
    embedding = nn.Embedding(VOCABULARY, EMBEDDING)
    recurrent = kind(EMBEDDING, units, depth, batch_first=True)
    dense = nn.Linear(units, VOCABULARY)
    weights = [weight for part in (embedding, recurrent, dense) for weight in part.parameters()]
    optimizer = torch.optim.Adam(weights)
    x, y = torch.from_numpy(inputs), torch.from_numpy(targets)

    def step() -> float:
        optimizer.zero_grad()
        logits = dense(recurrent(embedding(x))[0])
        loss = nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), y.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def work(pipe, contender: str, cell: str, depth: int, units: int, batch: int, time_steps: int) -> None:
    """One contender: sends the seconds of its first step, then those of a step for each True that it receives."""
    random = np.random.default_rng(0)
    inputs, targets = random.integers(0, VOCABULARY, (2, batch, time_steps))
    if contender == "pytorch":
        step = torch_step(cell, depth, units, inputs, targets)
    else:
        step = keras_step(contender, cell, depth, units, inputs, targets)
    pipe.send(seconds(step))
    while pipe.recv():
        step()
        pipe.send(float(np.median([seconds(step) for _ in range(3)])))


def measure(names: list[str], cell: str, size: tuple[int, int, int, int], rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of the first steps (contenders,) and of the steps in each round (rounds, contenders)."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, first = [], [], []
    for name in names:
        pipe, other_end = context.Pipe()
        process = context.Process(target=work, args=(other_end, name, cell, *size), daemon=True)
        process.start()
        other_end.close()
        pipes.append(pipe)
        processes.append(process)
        first.append(pipe.recv())
    table = []
    for _ in range(rounds):
        row = []
        for pipe in pipes:
            pipe.send(True)
            row.append(pipe.recv())
        table.append(row)
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(False)
        process.join()
    return np.array(first), np.array(table)


def products(cell: str, depth: int, units: int, batch: int, time_steps: int) -> list[tuple[str, float, float]]:
    """(name, GFLOP, ms) of each kind of matrix product of the recurrent layers, for one training step."""
    from common import cli

    cli.start_keras()
    import tensorflow as tf

    width, rows = {"lstm": 4, "gru": 3, "simple_rnn": 1}[cell] * units, batch * time_steps
    normal = tf.random.Generator.from_seed(0).normal
    x, d = normal((rows, units)), normal((rows, width))
    kernel, parts = normal((units, width)) / width, (batch // 2, batch - batch // 2)  # two halves, on two threads

    def loop(state: Any, product: Callable[[Any], Any]) -> Any:
        """As many products as there are steps, each of the result of the one before."""
        step = lambda t, state: (t + 1, state + 1e-3 * product(state)[:, :1])  # noqa: E731
        return tf.while_loop(lambda t, _: t < time_steps, step, (0, state))[1]

    def loops(columns: int, product: Callable[[Any], Any]) -> Callable[[], Any]:
        compiled = tf.function(lambda state: loop(state, product), jit_compile=True, autograph=False)
        states = [normal((part, columns)) for part in parts]
        return lambda: [compiled(state) for state in states]

    kinds = {
        "all steps at once, forward (x K)": (depth, lambda: tf.matmul(x, kernel)),
        "all steps at once, gradient of x": (depth, lambda: tf.matmul(d, kernel, transpose_b=True)),
        "all steps at once, gradients of K and R": (2 * depth, lambda: tf.matmul(x, d, transpose_a=True)),
        "step by step, forward (h R)": (depth, loops(units, lambda h: tf.matmul(h, kernel))),
        "step by step, gradient of h": (depth, loops(width, lambda d: tf.matmul(d, kernel, transpose_b=True))),
    }
    each = 2e-9 * rows * units * width
    timed = [(name, count, tf.function(call, autograph=False)) for name, (count, call) in kinds.items()]
    return [(name, count * each, 1000 * count * median_seconds(call, 15)) for name, count, call in timed]


def print_products(cells: Sequence[str], sizes: Sequence[tuple[int, ...]]) -> None:
    """A table of `products` for each cell and size."""
    for cell, size in itertools.product(cells, sizes):
        rows = products(cell, *size)
        print(f"\n| {cell}, {'x'.join(map(str, size))}: products of | GFLOP | ms | GFLOP/s |\n|---|---:|---:|---:|")
        for name, work, spent in [*rows, ("all of them", *np.sum([row[1:] for row in rows], axis=0))]:
            print(f"| {name} | {work:.1f} | {spent:.0f} | {1000 * work / spent:.0f} |")


def size(text: str) -> tuple[int, ...]:
    """(layers, units, batch, time steps) of `2x256x64x100`. argparse makes a sentence of the error."""
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){3}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not LAYERSxUNITSxBATCHxTIME, such as {SIZES[0]}")
    return tuple(int(part) for part in text.split("x"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument(
        "--sizes", nargs="+", type=size, default=[size(text) for text in SIZES], help="LAYERSxUNITSxBATCHxTIME"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--products", action="store_true", help="the matrix products of a step alone")
    args = parser.parse_args()

    if args.products:
        return print_products(args.cells, args.sizes)
    names = [name for name in CONTENDERS if name != "pytorch" or find_spec("torch")]
    if "pytorch" not in names:
        print("PyTorch is not installed: its column is left out.\n")
    print(f"{platform.machine()}, {os.cpu_count()} cores, load at the start {os.getloadavg()[0]:.1f}\n")
    print("| cell | layers × units, batch × time | " + " | ".join(f"{name}, ms" for name in names), end=" | ")
    print(" | ".join(f"{name} / ours" for name in names[1:]) + " | first step of ours, s |")
    print("|---|---|" + "---:|" * (2 * len(names)))
    for cell in args.cells:
        for depth, units, batch, time_steps in args.sizes:
            first, spent = measure(names, cell, (depth, units, batch, time_steps), args.rounds)
            ratios = np.median(spent[:, 1:] / spent[:, :1], axis=0)
            cells = [f"{1000 * value:.1f}" for value in np.median(spent, axis=0)] + [f"{r:.2f}" for r in ratios]
            line = [cell, f"{depth} × {units}, {batch} × {time_steps}", *cells, f"{first[0]:.1f}"]
            print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
