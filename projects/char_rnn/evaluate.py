"""Baselines and figures; the only place that opens the test split.

python -m projects.char_rnn.evaluate --run best
python -m projects.char_rnn.evaluate --run best --data another.txt
"""

import time
from collections.abc import Iterable
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
from projects.char_rnn import metrics
from projects.char_rnn.cache import mix
from projects.char_rnn.data import BLOCK, TextPart, read_labelled
from projects.char_rnn.encoding import FIRST, targets_of
from projects.char_rnn.metrics import DIRECTIONS, Expected, Scored, Sums, block_sums, figures, score_model, surprise
from projects.char_rnn.ngram import MAX_CHARACTERS, KneserNey, best_order
from projects.char_rnn.predict import Predictor
from projects.char_rnn.units import reactions

SHARES = [i / 20 for i in range(20)]  # the n-gram's shares in the ensemble that are tried on validation
TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
EXCERPT = 6000  # characters whose hidden states and largest surprises are shown


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test part, or on another text with the run's vocabulary."""
    config, predictor = run.config, run.load()
    splits, weight, window = load_splits(config, run), predictor.meta["network_votes"], config.window
    train, validation = splits.train.inputs, splits.validation.inputs
    source = splits.source
    if data:  # read first: a wrong file is refused before anything is fitted
        test, sha256 = read_labelled(Path(data), predictor.vocabulary, predictor.jamo)
        looks, source = 1, scored_on(Path(data), source, sha256)
    # The baselines are fitted, and what validation chooses is chosen, before the test part is opened.
    expected, order = baselines(splits)
    began = time.perf_counter()
    validated = list(metrics.score_characters(predictor.reader, validation, weight=weight))
    seconds = time.perf_counter() - began
    share = best_share(validated, score_model(expected["kneser_ney"], validation))
    if not data:
        split, looks = splits.open_test(run)
        test = split.inputs
    spans = (None, window)
    sums = [score_networks(predictor, expected["kneser_ney"], share, test, span) for span in spans]
    network, alone, ensemble = (figures(*of_both) for of_both in zip(*sums, strict=True))
    cheap = {
        name: figures(*(block_sums(test, score_model(model, test, span)) for span in spans))
        for name, model in expected.items()
    }
    table = score_table(
        network,
        {f"{config.model}_alone": alone, **cheap, "ensemble": ensemble},
        DIRECTIONS,
        np.ones(len(test)),
        seed=config.seed,
    )
    in_windows = list(metrics.score_characters(predictor.reader, validation, window, weight))
    chosen_by = figures(*(block_sums(validation, scored) for scored in (validated, in_windows)))(
        np.ones(len(validation))
    )
    excerpt = predictor.decode_symbols(validation.read(0, EXCERPT))
    hidden = predictor.inside(excerpt)["hidden"]
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=chosen_by,
        test={"unit": source.unit, "looks": looks, **table, "reference_only": ["ensemble"]},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=len(validation) / seconds,
        failures=surprises(predictor, predictor.decode_symbols(test.read(0, EXCERPT))),
        figures={"position": _position_figure(chosen_by["nats_per_character"], in_windows, window)},
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
            f"{int(test.characters - 1 - sums[0][0]['characters'].sum()):,} characters of the test part do not occur "
            "in training: they are read, but not scored for any model.",
            f"The n-gram's contexts have up to {order} characters, chosen on validation"
            + (f"; it counts the last {MAX_CHARACTERS:,} characters." if train.characters > MAX_CHARACTERS else "."),
        ],
    )


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> tuple[dict[str, Expected], int]:
    """Uniform, unigram and the Kneser-Ney n-gram; and the n-gram's longest context, which validation chooses."""
    train, symbols = splits.train.inputs, len(splits.meta["vocabulary"]["symbols"])
    ids = targets_of(train.read(max(0, train.characters - MAX_CHARACTERS), train.characters))
    model = KneserNey(ids, symbols)
    order = best_order(model, splits.validation.inputs)
    counts = np.bincount(ids, minlength=symbols) + 1
    return {
        "uniform": lambda ids, places, window: np.full((len(places), symbols), 1 / symbols),
        "unigram": lambda ids, places, window: np.tile(counts / counts.sum(), (len(places), 1)),
        "kneser_ney": partial(model.probabilities, order=order),
    }, order


def best_share(network: Iterable[Scored], ngram: Iterable[Scored]) -> float:
    """The n-gram's share of the ensemble that gives the fewest nats. Both have scored all of a validation part."""
    mine, others = (np.exp(-nats_in_order(scored)) for scored in (network, ngram))
    return min(SHARES, key=lambda share: -np.log((1 - share) * mine + share * others).sum())


def nats_in_order(scored: Iterable[Scored]) -> np.ndarray:
    """The nats of all characters that were scored, in the order of the text."""
    places, nats, _ = (np.concatenate(values) for values in zip(*scored, strict=True))
    return nats[np.argsort(places)]


def score_networks(
    predictor: Predictor, ngram: Expected, share: float, part: TextPart, window: int | None
) -> tuple[Sums, ...]:
    """The sums of the network with its cache, of the network alone, and of the first mixed with the n-gram."""
    ids, weight = targets_of(part.read(0, part.characters)), predictor.meta["network_votes"]
    scored: tuple[list[Scored], ...] = ([], [], [])
    for places, targets, alone, votes in metrics.read(predictor.reader, part, window, looks_back=True):
        network = mix(alone, votes, weight)
        ensemble = (1 - share) * network + share * ngram(ids, places, window)
        for rows, probabilities in zip(scored, (network, alone, ensemble), strict=True):
            rows.append((places, *surprise(probabilities, targets)))
    return tuple(block_sums(part, rows) for rows in scored)


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
    places = known[np.argsort(-inside["nats"][known])[:count]]
    likeliest = inside["probabilities"].argmax(axis=1)
    return [
        {
            "before": repr(text[max(0, place - 40) : place])[1:-1],
            "expected": repr(predictor.vocabulary.symbols[likeliest[place]])[1:-1],
            "expected_probability": float(inside["probabilities"][place].max()),
            "came": repr(text[place])[1:-1],
            "its_probability": float(inside["probabilities"][place, targets[place]]),
        }
        for place in places
    ]


def _frequencies(train: TextPart, symbols: list[str]) -> pd.DataFrame:
    """The 100 most frequent characters of the training part: columns character, fraction."""
    ids = train.read(0, min(train.characters, MAX_CHARACTERS))
    counts = np.bincount(ids - FIRST, minlength=len(symbols))
    order = np.argsort(-counts, kind="stable")[:100]
    return pd.DataFrame({"character": [repr(symbols[i])[1:-1] for i in order], "fraction": counts[order] / len(ids)})


def _position_figure(mean: float, in_windows: list[Scored], window: int):
    """What starting from zero costs: nats at each place of a window, on validation."""
    places, nats, _ = (np.concatenate(values) for values in zip(*in_windows, strict=True))
    places = (places - 1) % window
    figure, axis = report.new_figure()
    characters = np.maximum(np.bincount(places), 1)
    axis.plot(
        np.arange(len(characters)) + 1,
        np.bincount(places, nats) / characters,
        color=report.COLOURS[0],
        label="from zero at each window",
    )
    axis.axhline(mean, color=report.COLOURS[1], label="state carried along, mean")
    axis.set(xlabel="characters read since the window began", ylabel="nats per character", xscale="log")
    axis.legend(frameon=False)
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
