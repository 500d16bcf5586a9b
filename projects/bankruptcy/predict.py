"""The Predictor, and the command that scores the firms of a file."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.errors import UserError
from common.evaluation import best_temperature, caution_limit, softmax, within
from common.files import quoted, replacing
from common.layers.answers import answers
from projects.bankruptcy import encoding
from projects.bankruptcy.encoding import Series, calibrated
from projects.bankruptcy.metrics import alarm_threshold, log_odds

SIZES = (1, 16, 128, 1024)  # rows that a network is given in one call
STREAMED = 12  # answers of `stream`
BLOCKS = 25  # parts of a series that are occluded one after the other
EXAMPLES = 6
SLOPES = (0.01, 100.0)  # slopes of the calibration: none reverses the order


class Predictor:
    """The risk of a firm, or the class of a series.

    networks: {"model": encoded series, or the features of rocket -> logits (n, classes)}. meta: see `encoding.META`.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.examples = list(meta.get("examples", []))

    def encode(self, series: Sequence[np.ndarray]) -> np.ndarray:
        """Series (time, variables) -> the network's input: (n, length, width), or (n, features) for rocket."""
        x = encoding.encode(series, self.meta)
        return encoding.encode_fixed(x, self.meta) if "biases" in self.meta else x

    def encode_split(self, split: Series) -> tuple[np.ndarray, np.ndarray]:
        """(inputs, targets) as `fit` takes them."""
        return self.encode(split.inputs), split.targets

    def decode(self, logits: np.ndarray) -> dict[str, Any]:
        """Logits (classes,) of one series -> the answer; see `encoding.decode`."""
        return encoding.decode(logits, self.meta)

    def score(self, series: Series | Sequence[np.ndarray]) -> np.ndarray:
        """Calibrated logits (n, classes)."""
        inputs = series.inputs if isinstance(series, Series) else series
        return calibrated(answers(self.networks["model"], self.encode(inputs), SIZES), self.meta)

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{variable: [values, the oldest first]} -> {"answer", "probabilities", "unfamiliar"}, of a firm {"risk", …}.

        unfamiliar: whether the answer comes with a caution; see `familiarity`.
        """
        series = [encoding.checked(raw, self.meta)]
        unfamiliar = bool(self.familiarity(series)[0] < self.meta["caution_below"])
        return {**self.decode(self.score(series)[0]), "unfamiliar": unfamiliar}

    def familiarity(self, series: Sequence[np.ndarray]) -> np.ndarray:
        """How like the training series each one is (n,): its `traits` are `within` the range of theirs."""
        learnt = self.meta["traits"]
        found = encoding.traits(encoding.encode(series, self.meta), len(self.meta["channels"]))
        return within(found, np.array(learnt["low"]), np.array(learnt["high"]))

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer as the series goes on; the last one is `predict`'s."""
        _, logits = self.over_time(raw, STREAMED)
        for row in logits[:-1]:
            yield self.decode(row)
        yield self.predict(raw)

    def over_time(self, raw: dict[str, Any], most: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` ends of the series, from its first whole window on, and the logits (ends, classes) at each."""
        values = encoding.checked(raw, self.meta)
        first = min(self.meta["length"], len(values))
        ends = np.unique(np.linspace(first, len(values), most).astype(int))
        return ends, self.score([values[:end] for end in ends])

    def occlusion(self, raw: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """How much each part of the window speaks for the answer: (first step of each part, log-odds that it adds).

        A part is replaced by a straight line between the values around it (Zeiler & Fergus 2014, for series): as if
        nothing had happened on these days. Of a firm the log-odds are those of the failure.
        """
        values = encoding.checked(raw, self.meta)
        starts = np.unique(np.linspace(max(0, len(values) - self.meta["length"]), len(values), BLOCKS + 1).astype(int))
        flat = [straightened(values, begin, end) for begin, end in itertools.pairwise(starts)]
        logits = self.score([values, *flat])
        label = 1 if self.meta["task"] == "risk" else int(logits[0].argmax())
        odds = logits[:, label] - np.logaddexp.reduce(np.delete(logits, label, axis=1), axis=1)
        return starts[:-1], odds[0] - odds[1:]

    def prepare(self, validation: Series, base_rate: float | None) -> None:
        """Choose on validation calibration, thresholds of alarm and caution, and examples; move to the base rate.

        Of a firm the calibration is Platt's scaling (1999), slope and shift of the log-odds; of classes a temperature.
        With another base rate the odds of a failure change by the ratio of the prior odds (Saerens et al. 2002).
        """
        raw = answers(self.networks["model"], self.encode(validation.inputs), SIZES)
        if self.meta["task"] == "risk":
            slope, shift = platt(log_odds(raw), validation.targets)
            if base_rate is not None:
                prior, asked = (rate / (1 - rate) for rate in (float(validation.targets.mean()), base_rate))
                shift += np.log(asked / prior)
            self.meta |= {"temperature": 1 / slope, "shift": float(shift)}
            self.meta["threshold"] = alarm_threshold(validation, calibrated(raw, self.meta))
        else:
            self.meta["temperature"] = best_temperature(raw, validation.targets)
        self.meta["caution_below"] = caution_limit(self.familiarity(validation.inputs))
        logits = calibrated(raw, self.meta)
        self.meta["examples"] = self.examples = [
            encoding.as_raw(values, self.meta["variables"]) for values in example_series(validation, logits)
        ]


def platt(scores: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Slope and shift of the logistic regression of the targets (n,) on log-odds (n,). Their order stays."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=100.0).fit(np.asarray(scores, float)[:, None], targets)
    return float(np.clip(model.coef_[0, 0], SLOPES[0], SLOPES[1])), float(model.intercept_[0])


def straightened(values: np.ndarray, begin: int, end: int) -> np.ndarray:
    """The values (time, variables) with a straight line from step begin - 1 to step `end`; level at the borders."""
    known = [place for place in (begin - 1, end) if 0 <= place < len(values)]
    result = values.copy()
    for place in range(values.shape[1]):
        between = values[known, place] if known else np.array([np.nanmean(values[:, place])])
        result[begin:end, place] = np.interp(range(begin, end), known or [0], between)
    return result


def example_series(validation: Series, logits: np.ndarray) -> list[np.ndarray]:
    """Six validation series: of each class in turn, first a typical one, then a clear and a doubtful one.

    A generated firm is shown with the days after the decision, up to its failure or half a year.
    """
    chosen = []
    classes = list(range(logits.shape[1]))[::-1]
    for place in range(EXAMPLES):
        label = classes[place % len(classes)]
        rows = np.flatnonzero(validation.targets == label)
        if len(rows):
            rank = (0.5, 0.9, 0.1)[min(2, place // len(classes))]
            chosen.append(int(rows[np.argsort(logits[rows, label])[int(rank * (len(rows) - 1))]]))
    if validation.after is None:
        return [np.asarray(validation.inputs[row]) for row in chosen]
    days = np.fmin(validation.failed - 1, 126).astype(int)  # 126 where nan says that the firm lives on
    return [np.concatenate([validation.inputs[row], validation.after[row, : days[row]]]) for row in chosen]


def score_file(predictor: Predictor, source: Path, target: Path, quote_formulas: bool = False) -> int:
    """Write a row for each firm of `source` to `target` (.csv or .parquet), its name and the answer; the number.

    quote_formulas: write an apostrophe before a text that a spreadsheet would compute.
    """
    import pandas as pd

    from projects.bankruptcy.formats import read

    if target.suffix not in (".csv", ".parquet"):
        raise UserError(f"--output {target} must end in .csv or .parquet.")
    meta = predictor.meta
    roles = {**meta["roles"], "label": ""}  # no label: a series goes on to its last row, whether that has one or not
    found = read(source, roles, meta["variables"])
    likely = softmax(predictor.score(found.series))
    said = quoted if quote_formulas else str
    table: dict[str, Any] = {roles["firm"]: [said(name) for name in found.names]}
    if meta["task"] == "risk":
        risks = likely[:, 1]
        table |= {"risk": risks.round(6), "alarm": (risks >= meta["threshold"]).astype(int)}
    else:
        answer = [said(meta["classes"][row]) for row in likely.argmax(1)]
        table |= {"answer": answer, "probability": likely.max(1).round(6)}
    frame = pd.DataFrame({**table, "steps": [len(series) for series in found.series]})
    with replacing(target) as temporary:
        frame.to_csv(temporary, index=False) if target.suffix == ".csv" else frame.to_parquet(temporary, index=False)
    return len(frame)


@dataclass(frozen=True)
class Options:
    """Which file to score, and with which run."""

    input: Path  # firms or series in the form that the run was trained on; labels are not needed
    output: Path  # .csv or .parquet: a row for each firm with its risk, or for each series with its class
    quote_formulas: bool = False  # an apostrophe before each text that a spreadsheet would compute (= + - @ first)
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        rows = score_file(run.load(), options.input, options.output, options.quote_formulas)
        print(f"{rows:,} scored, by run {run.id}; written to {options.output}")
