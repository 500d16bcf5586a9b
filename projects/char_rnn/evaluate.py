"""Baselines and figures; the only place that opens the test split.

python -m projects.char_rnn.evaluate --run best
python -m projects.char_rnn.evaluate --run best --data another.txt
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Source, load_splits
from common.evaluation import score_table
from common.report import Report
from common.runs import Run
from projects.char_rnn.data import BLOCK, Stream, read_labelled
from projects.char_rnn.ngram import MOST_CHARACTERS, KneserNey, best_order
from projects.char_rnn.predict import Predictor

DIRECTIONS = {
    "nats_per_character": "min",
    "bits_per_character": "min",
    "nats_fixed_window": "min",
    "accuracy": "max",
}
TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
LOOK = 6000  # characters of which the hidden states and the greatest surprises are looked at

Sums = dict[str, np.ndarray]


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test part, or on another text with the run's vocabulary."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    train, validation = splits.train.inputs, splits.validation.inputs
    # The baselines are fitted, and the length of the contexts chosen, before the test part is opened.
    scorers, order = baselines(train, validation)
    source = splits.source
    if data:
        test, sha256 = read_labelled(Path(data), config, predictor.vocabulary)
        looks, name = 1, Path(data).name
        source = Source(name, f"Scored on {name}; trained on: {source.source}", sha256, splits.source.unit)
    else:
        split, looks = splits.open_test(run)
        test = split.inputs
    window = config.window
    began = time.perf_counter()
    carried = predictor.score(test)
    seconds = time.perf_counter() - began
    windows = predictor.score(test, window)
    table = score_table(
        figures(carried, windows),
        {name: figures(score(test, None), score(test, window)) for name, score in scorers.items()},
        DIRECTIONS,
        np.ones(len(test)),
        seed=config.seed,
    )
    look = predictor.decode_plain(validation.read(0, LOOK))
    inside = predictor.inside(look)
    hidden = {name: states for name, states in inside.items() if name not in ("nats", "shares")}
    unseen = int(test.characters - 1 - carried["characters"].sum())
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=figures(predictor.score(validation), predictor.score(validation, window))(np.ones(len(validation))),
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=len(test) / seconds,
        failures=surprises(predictor, predictor.decode_plain(test.read(0, LOOK))),
        figures={"position": _position_figure(predictor, validation, window), "hidden": _hidden_figure(look, hidden)},
        tables={
            "samples": samples(predictor),
            "units": units_table(look, hidden),
            "frequencies": _frequencies(train, predictor),
        },
        notes=[
            f"Rows are blocks of {BLOCK:,} characters. nats_per_character and bits_per_character are means over every "
            f"character of the part with the state carried along; nats_fixed_window starts from zero every {window} "
            "characters.",
            f"{unseen:,} characters of the test part do not occur in training: they are read, but scored for no model.",
            f"The n-gram's contexts have up to {order} characters, chosen on validation"
            + (f"; it counts the last {MOST_CHARACTERS:,} characters." if train.characters > MOST_CHARACTERS else "."),
        ],
    )


def figures(carried: Sums, windows: Sums) -> Callable[[np.ndarray], dict[str, float]]:
    """Sums over blocks -> the figures as a function of the blocks' weights."""

    def of(weights: np.ndarray) -> dict[str, float]:
        characters = weights @ carried["characters"]
        nats = float(weights @ carried["nats"] / characters)
        return {
            "nats_per_character": nats,
            "bits_per_character": nats / math.log(2),
            "nats_fixed_window": float(weights @ windows["nats"] / (weights @ windows["characters"])),
            "accuracy": float(weights @ carried["right"] / characters),
        }

    return of


def baselines(train: Stream, validation: Stream) -> tuple[dict[str, Callable[[Stream, int | None], Sums]], int]:
    """Uniform, unigram and the Kneser-Ney n-gram, whose longest context is chosen on validation; and that length."""
    ids = train.read(max(0, train.characters - MOST_CHARACTERS), train.characters)
    model = KneserNey(ids, train.symbols)
    order = best_order(model, validation, BLOCK)
    counts = np.bincount(ids, minlength=train.symbols).astype(float)

    def fixed(shares: np.ndarray) -> Callable[[Stream, int | None], Sums]:
        """The same distribution everywhere."""
        nats, right = -np.log(shares), np.arange(train.symbols) == shares.argmax()

        def score(stream: Stream, window: int | None) -> Sums:
            sums = {name: np.zeros(len(stream)) for name in ("nats", "right", "characters")}
            for block, ids in enumerate(stream):
                ids = ids[ids < train.symbols] if block else ids[1:][ids[1:] < train.symbols]
                for name, values in (("nats", nats[ids]), ("right", right[ids]), ("characters", np.ones(len(ids)))):
                    sums[name][block] = values.sum()
            return sums

        return score

    return {
        "uniform": fixed(np.full(train.symbols, 1 / train.symbols)),
        "unigram": fixed((counts + 1) / (counts + 1).sum()),
        "kneser_ney": lambda stream, window: model.score(stream, BLOCK, order, window),
    }, order


def samples(predictor: Predictor) -> pd.DataFrame:
    """The first example continued at several temperatures: columns temperature, text."""
    raw = predictor.examples[0]
    return pd.DataFrame(
        {"temperature": t, "text": predictor.predict({**raw, "temperature": t, "seed": 0})["text"]}
        for t in TEMPERATURES
    )


def surprises(predictor: Predictor, text: str, count: int = 8) -> list[dict[str, Any]]:
    """The characters of a text that surprised most: what stood before, what was expected, what came."""
    inside = predictor.inside(text)
    symbols = predictor.encode(text)
    rows = []
    for place in np.argsort(-inside["nats"])[:count]:
        likeliest = int(inside["shares"][place].argmax())
        rows.append(
            {
                "before": repr(text[max(0, place - 40) : place])[1:-1],
                "expected": repr(predictor.vocabulary[likeliest])[1:-1],
                "expected_probability": float(inside["shares"][place, likeliest]),
                "came": repr(text[place])[1:-1],
                "its_probability": float(inside["shares"][place, symbols[place]]),
            }
        )
    return rows


def units_table(text: str, hidden: dict[str, np.ndarray]) -> pd.DataFrame:
    """Which unit goes with which property of the text; see `units.reactions`."""
    from projects.char_rnn.units import reactions

    return reactions(text, hidden)


def _frequencies(train: Stream, predictor: Predictor) -> pd.DataFrame:
    ids = train.read(0, min(train.characters, MOST_CHARACTERS))
    counts = np.bincount(ids, minlength=train.symbols)
    order = np.argsort(-counts, kind="stable")[:100]
    return pd.DataFrame(
        {"character": [repr(predictor.vocabulary[i])[1:-1] for i in order], "share": counts[order] / len(ids)}
    )


def _position_figure(predictor: Predictor, validation: Stream, window: int):
    """What starting from zero costs: nats at each place of a window, on validation."""
    nats, counts = predictor.by_place(validation, window)
    carried = predictor.score(validation)
    figure, axis = report.new_figure()
    places = np.flatnonzero(counts)
    axis.plot(places + 1, nats[places] / counts[places], color=report.COLOURS[0], label="from zero at each window")
    mean = carried["nats"].sum() / carried["characters"].sum()
    axis.axhline(mean, color=report.COLOURS[1], label="state carried along, mean")
    axis.set(xlabel="characters read since the window began", ylabel="nats per character", xscale="log")
    axis.legend(frameon=False)
    return figure


def _hidden_figure(text: str, hidden: dict[str, np.ndarray], characters: int = 80, units: int = 40):
    """The most active units of the last layer over the beginning of the text."""
    name, states = list(hidden.items())[-1]
    states = states[:characters]
    chosen = np.argsort(-states.std(axis=0), kind="stable")[:units]
    figure, axis = report.new_figure(width=11.0, height=5.0)
    image = axis.imshow(
        states[:, np.sort(chosen)].T, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="none"
    )
    axis.set_xticks(range(len(states)), [c if c.isprintable() else "↵" for c in text[: len(states)]], fontsize=7)
    axis.set_yticks(range(len(chosen)), [str(unit) for unit in np.sort(chosen)], fontsize=5)
    axis.set(xlabel="the text, character by character", ylabel=f"unit of {name}")
    axis.grid(False)
    figure.colorbar(image, ax=axis, label="hidden state")
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
