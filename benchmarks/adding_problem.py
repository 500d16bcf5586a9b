"""After how many steps does each network solve the adding problem, and up to which length?

    python -m benchmarks.adding_problem --figure docs/adding_problem.steps.png

Each network of the ladder is trained at each length and seed with the default knobs. The two without gates have a
smaller learning rate. Every 50 steps the network is scored on 500 validation sequences. It has solved the task when
their mean squared error is below 0.01; the mean has 1/6.
"""

import argparse
from pathlib import Path

import numpy as np

from common import cli

EVERY = 50
SOLVED = 0.01
RATES = {"simple_rnn": 1e-3, "irnn": 1e-3}  # 5e-3, the default, makes both diverge


def steps_to_solve(config, most: int) -> tuple[int | None, float]:
    """(steps until the task is solved, None where it is not within `most`; the last validation error)."""
    from common.layers.speed import speed_up
    from projects.adding_problem.data import load_data
    from projects.adding_problem.model import build_model

    splits = load_data(config, "builtin", Path())
    model = build_model(config, splits.meta)
    speed_up(model)
    x, y = splits.train.inputs, splits.train.targets
    probed = splits.validation.inputs[:500], splits.validation.targets[:500]
    random, step, error = np.random.default_rng(config.seed), 0, np.inf
    while step < most:
        rows = random.permutation(len(x))[: EVERY * config.batch_size]
        model.fit(x[rows], y[rows], batch_size=config.batch_size, shuffle=False, verbose=0)
        step += EVERY
        error = float(model.evaluate(*probed, batch_size=500, verbose=0)[0])
        if error < SOLVED:
            return step, error
    return None, error


def draw(rows: list[dict], path: Path, most: int) -> None:
    """Steps against length: a line a network through the medians, a dot a seed, a cross where it was not solved."""
    from common import report

    figure, axis = report.new_figure(width=6.5)
    for number, name in enumerate(dict.fromkeys(row["model"] for row in rows)):
        own, colour, aside = [row for row in rows if row["model"] == name], report.COLOURS[number], 1.5 * number
        lengths = sorted({row["length"] for row in own})
        medians = [np.median([row["steps"] or np.inf for row in own if row["length"] == length]) for length in lengths]
        axis.plot(np.add(lengths, aside), medians, color=colour, label=name.replace("_", " "))
        for solved, marker in ((True, "o"), (False, "x")):
            dots = [row for row in own if bool(row["steps"]) == solved]
            x = [row["length"] + aside for row in dots]
            axis.scatter(x, [row["steps"] or most for row in dots], 25, colour, marker)
    axis.set(xlabel="numbers in a sequence", ylabel="training steps until solved", ylim=(0, None))
    axis.text(0.98, 0.93, f"x: not solved in {most:,} steps", transform=axis.transAxes, ha="right", va="top")
    axis.legend(frameon=False, loc="center right")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["simple_rnn", "irnn", "gru", "lstm"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[20, 50, 100, 200])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2000, help="give up after so many steps")
    parser.add_argument("--no-chrono", action="store_true", help="start lstm and gru with Keras' own biases")
    parser.add_argument("--figure", type=Path, help="also draw the table into this PNG file")
    options = parser.parse_args()
    cli.start_keras()
    from projects.adding_problem.config import Config

    rows = []
    print("| network | length | " + " | ".join(f"seed {seed}" for seed in options.seeds) + " |")
    print("|---|---:|" + "---:|" * len(options.seeds))
    for name in options.models:
        for length in options.lengths:
            cells = []
            for seed in options.seeds:
                rate = RATES.get(name, Config.learning_rate)
                steps, error = steps_to_solve(
                    Config(name, seed, length, chrono=not options.no_chrono, learning_rate=rate), options.steps
                )
                rows.append({"model": name, "length": length, "seed": seed, "steps": steps})
                cells.append(f"{steps:,}" if steps else f"not solved ({error:.3f})")
            print(f"| {name} | {length} | " + " | ".join(cells) + " |", flush=True)
    if options.figure:
        draw(rows, options.figure, options.steps)


if __name__ == "__main__":
    main()
