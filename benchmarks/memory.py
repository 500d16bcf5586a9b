"""A training step that keeps freed memory (`common.memory.keep_freed_memory`) and one that does not, measured in turn.

    python -m benchmarks.memory [--repeats 3]

Two networks are trained, each time in a new process: two layers of 256 LSTM units with batches of 32 × 64 steps,
accelerated by `common.layers.recurrent`, and a convolutional network.
"""

import argparse
import subprocess
import sys

import numpy as np

STEP = """
import resource, sys, time
import numpy as np
from common import cli
if sys.argv[1] == "without":
    cli.keep_freed_memory = lambda: None
cli.start_keras()
import keras
from keras import layers
from common.layers.recurrent import accelerate

random = np.random.default_rng(0)
if sys.argv[2] == "lstm":
    x = keras.Input((64,), dtype="int32")
    h = layers.Dropout(0.4)(layers.Embedding(65, 65)(x))
    for _ in range(2):
        h = layers.Dropout(0.4)(layers.LSTM(256, return_sequences=True)(h))
    inputs = random.integers(0, 65, (640, 64))
    batch, targets, outputs = 32, inputs, layers.Dense(65)(h)
else:
    x = h = keras.Input((64, 64, 3))
    for filters in (32, 64, 128):
        h = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(h))
    inputs = random.normal(size=(640, 64, 64, 3)).astype("float32")
    batch, targets, outputs = 64, random.integers(0, 10, 640), layers.Dense(10)(layers.Flatten()(h))
model = accelerate(keras.Model(x, outputs))
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.fit(inputs, targets, batch_size=batch, verbose=0)
before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
model.fit(inputs, targets, batch_size=batch, epochs=3, verbose=0)
seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
steps = 3 * len(inputs) // batch
print(1e3 * seconds / steps, 1e3 * (after.ru_stime - before.ru_stime) / steps,
      (after.ru_minflt - before.ru_minflt) / steps, after.ru_maxrss / 1e6)
"""


def measured(how: str, network: str) -> list[float]:
    """[milliseconds a step, milliseconds a step in the system, page faults a step, largest memory in GB]."""
    command = [sys.executable, "-c", STEP, how, network]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return [float(word) for word in done.stdout.split()[-4:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print("| network | freed memory | ms a step | system ms a step | page faults a step | GB |")
    print("|---|---|---:|---:|---:|---:|")
    for network in ("lstm", "convolution"):
        pairs = np.array([[measured(how, network) for how in ("with", "without")] for _ in range(repeats)])
        for i, how in enumerate(("kept", "returned")):
            wall, system, faults, memory = np.median(pairs[:, i], axis=0)
            print(f"| {network} | {how} | {wall:.0f} | {system:.0f} | {faults:,.0f} | {memory:.2f} |")
        print(f"| {network} | returned / kept | {np.median(pairs[:, 1, 0] / pairs[:, 0, 0]):.2f} | | | |", flush=True)


if __name__ == "__main__":
    main()
