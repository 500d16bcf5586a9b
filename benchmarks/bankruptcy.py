"""The question of the lectures: would an MLP or a CNN not do as well as a recurrent network?

    python -m benchmarks.bankruptcy

Each network is trained with the same series, the same epochs and the same knobs, over three seeds. First on generated
firms, with windows of 20, 60 and 250 days, and with series of unequal length that are padded or cut. Then on three
small tasks whose answer lies in other places: in values at fixed places, in a form that may stand anywhere, and in the
order of two events that are far apart.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable

import numpy as np

from common import cli
from common.data import Split

LENGTH, SHORTEST = 250, 20  # days of the firms with series of unequal length
STEPS, SERIES = 100, 3000  # the small tasks: time steps, and series to learn from and to test
FORM = np.array([0.0, 1.0, 2.0, 3.0, 3.0, -1.0, -2.0, -1.0])  # the other class has it the other way round


def noise(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Series of noise (2 × SERIES, STEPS, 1) and the classes that they shall have (2 × SERIES,)."""
    return random.normal(size=(2 * SERIES, STEPS, 1)), random.integers(0, 2, 2 * SERIES)


def fixed_places(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The class is the sign of a weighted sum of ten values at fixed places."""
    x, _ = noise(random)
    weights = np.zeros(STEPS)
    weights[np.arange(5, STEPS, 10)] = np.random.default_rng(0).choice([-1.0, 1.0], 10)
    return x, (x[..., 0] @ weights > 0).astype(int)


def form_anywhere(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A form of eight steps at a random place; the classes have it forwards or backwards."""
    x, y = noise(random)
    places = random.integers(0, STEPS - len(FORM), len(x))
    for row, (place, label) in enumerate(zip(places, y, strict=True)):
        x[row, place : place + len(FORM), 0] += FORM if label else FORM[::-1]
    return x, y


def order_of_two(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A peak and a trough at random places, at least 20 steps apart; the class says which one came first."""
    x, y = noise(random)
    first = random.integers(0, STEPS - 20, len(x))
    second = first + random.integers(20, STEPS - first)
    sign = np.where(y == 1, 1.0, -1.0)
    x[np.arange(len(x)), first, 0] = 6 * sign
    x[np.arange(len(x)), second, 0] = -6 * sign
    return x, y


TASKS: dict[str, Callable] = {
    "values at fixed places": fixed_places,
    "a form anywhere": form_anywhere,
    "the order of two events": order_of_two,
}


def score(config, train: Split, test: Split, variables: list[str], task: str) -> float:
    """Train on one split and score the other: average precision of a risk, accuracy of classes."""
    import keras

    from common.layers.speed import speed_up
    from common.training import OneCycle
    from projects.bankruptcy.encoding import encode, fit_encoding
    from projects.bankruptcy.metrics import figures
    from projects.bankruptcy.model import build_model

    keras.backend.clear_session()
    meta = fit_encoding(train, variables, ["0", "1"], config.length, task)
    model = speed_up(build_model(config, meta))
    x, schedule = encode(train.inputs, meta), OneCycle(config.learning_rate, config.epochs)
    model.fit(x, train.targets, config.batch_size, config.epochs, verbose=0, callbacks=[schedule])
    logits = model.predict(encode(test.inputs, meta), batch_size=1024, verbose=0)
    return next(iter(figures(test, logits, task)(test.weights).values()))


def firms(config) -> tuple[Split, Split]:
    """Generated firms to learn from and to test on."""
    from pathlib import Path

    from projects.bankruptcy.data import load_data

    splits = load_data(config, "builtin", Path())
    return splits.train, splits.sealed_test


def shortened(split: Split, random: np.random.Generator) -> Split:
    """The same firms, each known for a random number of days."""
    days = random.integers(SHORTEST, LENGTH + 1, len(split))
    return dataclasses.replace(split, inputs=[one[-n:] for one, n in zip(split.inputs, days, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["mlp", "cnn", "gru"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--firms", type=int, default=5000, help="firms drawn to learn from, and as many to test")
    options = parser.parse_args()
    cli.start_keras()
    from projects.bankruptcy.config import Config
    from projects.bankruptcy.data import VARIABLES
    from projects.bankruptcy.encoding import Series

    began = time.process_time()
    print("| | " + " | ".join(options.models) + " |")
    print("|---|" + "---:|" * len(options.models))

    def row(name: str, one: Callable[[str, int], float]) -> None:
        scores = np.array([[one(model, seed) for seed in options.seeds] for model in options.models])
        cells = [f"{own.mean():.3f} ({own.min():.3f}–{own.max():.3f})" for own in scores]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)

    def prices(model: str, seed: int, length: int, unequal: bool = False) -> float:
        config = Config(model=model, seed=seed, firms=options.firms, length=length)
        train, test = firms(config)
        if unequal:
            random = np.random.default_rng(seed)
            train, test = shortened(train, random), shortened(test, random)
        return score(config, train, test, VARIABLES, "risk")

    for length in (20, 60, 250):
        row(f"window of {length} days", lambda model, seed, length=length: prices(model, seed, length))
    row("unequal lengths, padded and masked", lambda model, seed: prices(model, seed, LENGTH, True))
    row("unequal lengths, cut to the shortest", lambda model, seed: prices(model, seed, SHORTEST, True))
    for name, make in TASKS.items():

        def small(model: str, seed: int, make: Callable = make) -> float:
            x, y = make(np.random.default_rng(seed))
            parts = [Series(x[part], y[part]) for part in (slice(SERIES), slice(SERIES, None))]
            return score(Config(model=model, seed=seed, epochs=12, batch_size=64), *parts, ["x"], "classes")

        row(name, small)
    print(f"\n{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
