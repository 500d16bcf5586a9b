"""Baselines and figures; the only place that opens the test split.

python -m projects.char_rnn.evaluate --run best
python -m projects.char_rnn.evaluate --run best --data another.txt
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Splits, load_splits, scored_on
from common.evaluation import score_table
from common.report import Report
from common.runs import Run
from projects.char_rnn.cache import mix
from projects.char_rnn.data import BLOCK, TextPart, read_labelled
from projects.char_rnn.encoding import FIRST, targets_of
from projects.char_rnn.metrics import (
    DIRECTIONS,
    Scored,
    Sums,
    block_sums,
    figures,
    read,
    score,
    score_characters,
    score_places,
    surprise,
)
from projects.char_rnn.ngram import MAX_CHARACTERS, KneserNey, best_order
from projects.char_rnn.predict import Predictor
from projects.char_rnn.units import reactions

SHARES = [i / 20 for i in range(20)]  # of the n-gram in the ensemble, that are tried on validation
TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
EXCERPT = 6000  # characters whose hidden states and largest surprises are shown


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test part, or on another text with the run's vocabulary."""
    config, predictor = run.config, run.load()
    splits, weight = load_splits(config, run), predictor.meta["network_votes"]
    train, validation = splits.train.inputs, splits.validation.inputs
    source = splits.source
    if data:  # read first: a wrong file is refused before anything is fitted
        test, sha256 = read_labelled(Path(data), predictor.vocabulary, predictor.jamo)
        looks, source = 1, scored_on(Path(data), source, sha256)
    # The baselines are fitted, and the length of their contexts is chosen, before the test part is opened.
    scorers, model, order = baselines(splits)
    validated = list(score_characters(predictor.reader, validation, weight=weight))
    share = best_share(validated, list(model.score_characters(validation, order)))
    if not data:
        split, looks = splits.open_test(run)
        test = split.inputs
    window = config.window
    began = time.perf_counter()
    carried = score(predictor.reader, test, weight=weight)
    seconds = time.perf_counter() - began
    scorers = {f"{config.model}_alone": partial(score, predictor.reader), **scorers}
    scorers["ensemble"] = partial(score_ensemble, predictor, model, order, share)
    table = score_table(
        figures(carried, score(predictor.reader, test, window, weight)),
        {name: figures(scorer(test, None), scorer(test, window)) for name, scorer in scorers.items()},
        DIRECTIONS,
        np.ones(len(test)),
        seed=config.seed,
    )
    in_windows = score(predictor.reader, validation, window, weight)
    chosen_by = figures(block_sums(validation, validated), in_windows)(np.ones(len(validation)))
    excerpt = predictor.decode_symbols(validation.read(0, EXCERPT))
    hidden = predictor.inside(excerpt)["hidden"]
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=chosen_by,
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=len(test) / seconds,
        failures=surprises(predictor, predictor.decode_symbols(test.read(0, EXCERPT))),
        figures={
            "position": _position_figure(
                chosen_by["nats_per_character"], *score_places(predictor.reader, validation, window, weight)
            ),
            "hidden": _hidden_figure(excerpt, hidden),
        },
        tables={
            "samples": samples(predictor),
            "units": reactions(excerpt, hidden),
            "frequencies": _frequencies(train, predictor.vocabulary.symbols),
        },
        notes=[
            f"Rows are blocks of {BLOCK:,} characters. nats_per_character and bits_per_character are means over every "
            "character of the part, with the state carried along. nats_fixed_window sets the state to zero every "
            f"{window} characters, and empties the cache.",
            f"The network has {weight:g} votes beside those of its cache. In the ensemble the n-gram has a share of "
            f"{share:.0%}, the network with its cache the rest. Validation chooses both.",
            f"{int(test.characters - 1 - carried['characters'].sum()):,} characters of the test part do not occur in "
            "training: they are read, but not scored for any model.",
            f"The n-gram's contexts have up to {order} characters, chosen on validation"
            + (f"; it counts the last {MAX_CHARACTERS:,} characters." if train.characters > MAX_CHARACTERS else "."),
        ],
    )


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> tuple[dict[str, Callable[[TextPart, int | None], Sums]], KneserNey, int]:
    """Uniform, unigram and the Kneser-Ney n-gram; the n-gram itself, and its longest context, chosen on validation."""
    train, symbols = splits.train.inputs, len(splits.meta["vocabulary"]["symbols"])
    ids = targets_of(train.read(max(0, train.characters - MAX_CHARACTERS), train.characters))
    model = KneserNey(ids, symbols)
    order = best_order(model, splits.validation.inputs)
    counts = np.bincount(ids, minlength=symbols).astype(float)
    scorers = {
        "uniform": partial(score_constant, np.full(symbols, 1 / symbols)),
        "unigram": partial(score_constant, (counts + 1) / (counts + 1).sum()),
        "kneser_ney": lambda part, window: model.score(part, order, window),
    }
    return scorers, model, order


def best_share(network: list[Scored], ngram: list[Scored]) -> float:
    """The n-gram's share of the ensemble that gives the fewest nats, both on all of a validation part."""
    mine, others = (np.exp(-nats_in_order(scored)) for scored in (network, ngram))
    return min(SHARES, key=lambda share: -np.log((1 - share) * mine + share * others).sum())


def nats_in_order(scored: Iterable[Scored]) -> np.ndarray:
    """The nats of all characters that were scored, in the order of the text."""
    places, nats, _ = (np.concatenate(values) for values in zip(*scored, strict=True))
    return nats[np.argsort(places)]


def score_ensemble(
    predictor: Predictor, model: KneserNey, order: int, share: float, part: TextPart, window: int | None
) -> Sums:
    """As `metrics.score`, for the network with its cache and the n-gram mixed; share: of the n-gram."""
    ids, weight = targets_of(part.read(0, part.characters)), predictor.meta["network_votes"]

    def scored() -> Iterator[Scored]:
        for places, targets, probabilities, votes in read(predictor.reader, part, window, looks_back=True):
            others = model.probabilities(ids, places, order, window)
            yield places, *surprise((1 - share) * mix(probabilities, votes, weight) + share * others, targets)

    return block_sums(part, scored())


def score_constant(probabilities: np.ndarray, part: TextPart, window: int | None) -> Sums:
    """As `metrics.score`, for a model that gives the same probabilities everywhere."""
    nats, correct = -np.log(probabilities), np.arange(len(probabilities)) == probabilities.argmax()

    def scored() -> Iterator[Scored]:
        for block, ids in enumerate(part):
            targets = targets_of(ids)
            known = np.flatnonzero(targets >= 0)
            known = known if block else known[known > 0]  # the first character of the text is not predicted
            yield block * BLOCK + known, nats[targets[known]], correct[targets[known]]

    return block_sums(part, scored())


def samples(predictor: Predictor) -> pd.DataFrame:
    """The first example continued at several temperatures: columns temperature, text."""
    raw = predictor.examples[0]
    return pd.DataFrame(
        {"temperature": t, "text": predictor.predict({**raw, "temperature": t, "seed": 0})["text"]}
        for t in TEMPERATURES
    )


def surprises(predictor: Predictor, text: str, count: int = 8) -> list[dict[str, Any]]:
    """The characters of a text that surprised most: what stood before, what was expected, what came."""
    inside, targets = predictor.inside(text), targets_of(predictor.encode(text))
    known = np.flatnonzero(targets >= 0)
    rows = []
    for place in known[np.argsort(-inside["nats"][known])[:count]]:
        probabilities = inside["probabilities"][place]
        expected = int(probabilities.argmax())
        rows.append(
            {
                "before": repr(text[max(0, place - 40) : place])[1:-1],
                "expected": repr(predictor.vocabulary.symbols[expected])[1:-1],
                "expected_probability": float(probabilities[expected]),
                "came": repr(text[place])[1:-1],
                "its_probability": float(probabilities[targets[place]]),
            }
        )
    return rows


def _frequencies(train: TextPart, symbols: list[str]) -> pd.DataFrame:
    """The 100 most frequent characters of the training part: columns character, fraction."""
    ids = train.read(0, min(train.characters, MAX_CHARACTERS))
    counts = np.bincount(ids - FIRST, minlength=len(symbols))
    order = np.argsort(-counts, kind="stable")[:100]
    characters = [repr(symbols[i])[1:-1] for i in order]
    return pd.DataFrame({"character": characters, "fraction": counts[order] / len(ids)})


def _position_figure(mean: float, nats: np.ndarray, characters: np.ndarray):
    """What starting from zero costs: nats at each place of a window, on validation."""
    figure, axis = report.new_figure()
    places = np.flatnonzero(characters)
    axis.plot(places + 1, nats[places] / characters[places], color=report.COLOURS[0], label="from zero at each window")
    axis.axhline(mean, color=report.COLOURS[1], label="state carried along, mean")
    axis.set(xlabel="characters read since the window began", ylabel="nats per character", xscale="log")
    axis.legend(frameon=False)
    return figure


def _hidden_figure(text: str, hidden: dict[str, np.ndarray], characters: int = 80, units: int = 40):
    """The most active units of the last layer over the beginning of the text."""
    name, states = list(hidden.items())[-1]
    states = states[:characters]
    chosen = np.sort(np.argsort(-states.std(axis=0), kind="stable")[:units])
    figure, axis = report.new_figure(width=11.0, height=5.0)
    image = axis.imshow(states[:, chosen].T, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="none")
    axis.set_xticks(range(len(states)), [c if c.isprintable() else "↵" for c in text[: len(states)]], fontsize=7)
    axis.set_yticks(range(len(chosen)), [str(unit) for unit in chosen], fontsize=5)
    axis.set(xlabel="the text, character by character", ylabel=f"unit of {name}")
    axis.grid(False)
    figure.colorbar(image, ax=axis, label="hidden state")
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
