"""From a text to its label, its probability and the words that carried it; from a file to a labelled file.

python -m projects.text_classification.predict --text "I love pizza"
python -m projects.text_classification.predict --input texts.csv --output labelled.csv
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.data import Split
from common.evaluation import best_temperature, caution_limit, class_log_odds, softmax
from common.inputs.sequences import Ragged
from common.inputs.tables import as_texts, cell_text, score_table_file, with_columns
from common.layers.answers import answers
from projects.text_classification.encoding import best_mix, checked, decode, encode, mixed, strange_letters
from projects.text_classification.languages import quotations

BATCH = 128  # texts that are classified at once
CHUNK_ROWS = 10_000  # rows of a piece, where a file is scored in pieces
FEW = 30  # a class that fewer validation texts are taken for has the limit of all
CAUTION = "Less speaks for this answer than in nearly all texts of the kind that it learnt: the answer is a guess."


class Predictor:
    """Encodes texts, runs the networks and explains the answer.

    networks: {"bag" or the kind of network: Keras model from encoded texts to logits}; two for the ensemble. meta:
    classes and encoding (`describe`); after training also mix, temperature and examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta

    @property
    def examples(self) -> list[str]:
        """A few texts of the validation split, of different classes."""
        return self.meta["examples"]

    def encode(self, texts: Sequence[str], name: str) -> Ragged:
        """Texts as rows of numbers for the network of this name."""
        return encode(texts, self.meta, name)

    def encode_split(self, split: Split, name: str, batch_size: int = BATCH, seed: int | None = None):
        """A stream of batches with targets for the network of this name; a seed shuffles it anew in each epoch."""
        return self._batches(split.inputs, name, batch_size, np.asarray(split.targets), seed)

    def _batches(self, texts: Sequence[str], name: str, batch_size: int = BATCH, targets=None, seed=None):
        from projects.text_classification.batches import text_batches

        limits = None if name == "bag" else self.meta["limits"]
        return text_batches(self.encode(texts, name), limits, batch_size, targets, seed)

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated logits (texts, classes)."""
        return self.calibrated(self.logits(texts))

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Mixed and calibrated logits (texts, classes) from those of each network (networks, texts, classes)."""
        return mixed(logits, self.meta["mix"]) / self.meta["temperature"]

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """The logits of each network: (networks, texts, classes), in the order of their names, the bag first."""
        result = np.empty((len(self.networks), len(texts), len(self.meta["classes"])), "float32")
        for logits, name in zip(result, sorted(self.networks), strict=True):
            network, stream = self.networks[name], self._batches(texts, name)
            for index, rows in enumerate(stream.batches):
                logits[rows] = answers(network, stream[index][0])
        return result

    def decode(self, logits: np.ndarray) -> pd.DataFrame:
        """Calibrated logits (texts, classes) -> a table with the columns predicted and probability."""
        return decode(logits, self.meta)

    def predict(self, raw: str) -> dict[str, Any]:
        """One text -> {"label", "probability", "classes", "unfamiliar", "carried_by"}.

        classes: the five likeliest with their probabilities. unfamiliar: whether the answer comes with a caution.
        carried_by: the `contributions` to this label. Raises UserError for an empty text.
        """
        text = checked(raw)
        without_each = [text[:start] + " " + text[end:] for start, end in pieces(text)]
        scores = self.score([text, *without_each])
        likely = softmax(scores[:1])[0]
        order = np.argsort(-likely)[:5]
        label = int(order[0])
        return {
            "label": self.meta["classes"][label],
            "probability": float(likely[label]),
            "classes": {self.meta["classes"][k]: float(likely[k]) for k in order},
            "unfamiliar": bool(self.familiarity([text], scores[:1])[0] < 0),
            "carried_by": [
                {"piece": text[start:end], "start": start, "end": end, "effect": effect}
                for (start, end), effect in zip(pieces(text), contributions(scores, label), strict=True)
            ],
        }

    def stream(self, raw: str) -> Iterator[dict[str, Any]]:
        """The answer alone: a classifier has no steps to show before it."""
        yield self.predict(raw)

    def familiarity(self, texts: Sequence[str], scores: np.ndarray) -> np.ndarray:
        """How far texts are above the limit of the caution: calibrated logits (n, classes) -> (n,).

        It is the largest logit (Hendrycks et al. 2022), made smaller by letters that the class has not shown in
        training, and for a bag by n-grams that speak against the class: a long text has a large logit from a few.
        """
        labels = scores.argmax(axis=1)
        familiar = scores.max(axis=1) * (1 - strange_letters(texts, labels, self.meta)) ** 10
        if "bag" in self.networks:
            rows = self.encode(texts, "bag")
            speak = self.effects[rows.ids, np.repeat(labels, rows.lengths)] > 0
            familiar *= (np.add.reduceat(speak, rows.starts[:-1], dtype=float) / rows.lengths) ** 2
        return familiar - np.array(self.meta["caution_below"])[labels]

    @cached_property
    def effects(self) -> np.ndarray:
        """What an n-gram adds to each logit, before the division by the text's length: (buckets, classes)."""
        layer = self.networks["bag"].get_layer
        effects = np.asarray(layer("ratios").embeddings) * np.asarray(layer("weights").embeddings)
        return np.hstack([-effects, effects]) if effects.shape[1] == 1 else effects

    def calibrate(self, validation: Split) -> None:
        """Choose the mix of the networks, and the temperature (Guo et al. 2017), by the likelihood of the labels.

        The temperature changes no answer, only its probability. Then choose the limit of the caution.
        """
        logits = self.logits(validation.inputs).astype(float)
        self.meta["mix"] = best_mix(logits, validation.targets)
        self.meta["temperature"] = best_temperature(mixed(logits, self.meta["mix"]), validation.targets)
        scores = self.calibrated(logits)
        self.meta["caution_below"] = [0.0] * logits.shape[2]
        labels, familiar = scores.argmax(axis=1), self.familiarity(validation.inputs, scores)
        answered = [labels == k if (labels == k).sum() >= FEW else labels >= 0 for k in range(logits.shape[2])]
        self.meta["caution_below"] = [caution_limit(familiar[rows]) for rows in answered]

    def choose_examples(self, validation: Split, count: int = 8) -> None:
        """Keep a few texts of the validation split: of the classes in turn, of medium length.

        Of the built-in data, first of the languages that have a saying; what a program says comes last.
        """
        rows = pd.DataFrame({"label": validation.targets, "length": list(map(len, validation.inputs)), "kind": 0})
        if validation.units is not None:
            units = pd.Series(validation.units)
            rows["kind"] = (~units.isin(quotations())).astype(int) + units.str.startswith("message ")
        rows["odd"] = (rows.groupby(["label", "kind"])["length"].rank(pct=True) - 0.5).abs() > 0.25
        rows = rows.sample(frac=1, random_state=0).sort_values(["kind", "odd"], kind="stable")
        rows["turn"] = rows.groupby("label").cumcount()
        chosen = rows.sort_values(["turn", "kind", "label"]).index[:count]
        self.meta["examples"] = [validation.inputs[row] for row in chosen]


def pieces(text: str) -> list[tuple[int, int]]:
    """(start, end) of what is left out in turn: words, or letters where there are fewer than three words.

    A long text has runs of words as pieces, so that a text of any length is explained in a few seconds.
    """
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    if len(spans) < 3:
        spans = [match.span() for match in re.finditer(r"\S", text)]
    most = int(np.clip(2_000_000 // max(len(text), 1), 16, 250))
    run = -(-len(spans) // most) if spans else 1
    return [(spans[i][0], spans[min(i + run, len(spans)) - 1][1]) for i in range(0, len(spans), run)]


def contributions(scores: np.ndarray, label: int) -> list[float]:
    """For each of `pieces`, by how much the log-odds of `label` would fall without it.

    scores: calibrated logits (1 + pieces, classes), of the whole text and then without each piece. This is occlusion
    (Zeiler & Fergus 2014) on words. Two pieces that say the same have small effects both, because the other remains.
    """
    with_all, *without = class_log_odds(scores.astype(float), label)
    return [float(with_all - value) for value in without]


def score_file(
    predictor: Predictor,
    source: Path,
    target: Path,
    column: str | None = None,
    max_rows: int | None = None,
    quote_formulas: bool = False,
) -> int:
    """Write `source` (CSV, TSV or Parquet) with the columns predicted and probability added to `target`; returns rows.

    column: which one holds the text; None: the one that the run was trained on. max_rows, quote_formulas: as in
    `score_table_file`.
    """
    column = cell_text(column) if column else predictor.meta["text"]

    def label(frame: pd.DataFrame) -> pd.DataFrame:
        frame = with_columns(frame, [column], source)
        return predictor.decode(predictor.score(as_texts(frame, column)))

    return score_table_file(source, target, label, max_rows, CHUNK_ROWS, quote_formulas=quote_formulas)


@dataclass(frozen=True)
class Options:
    """A text or a file to classify, and the run that does it."""

    text: str | None = None  # one text
    input: Path | None = None  # CSV, TSV or Parquet file with a text in each row
    output: Path | None = None  # .csv or .parquet: the same rows with predicted and probability
    quote_formulas: bool = False  # an apostrophe before each text that a spreadsheet would compute (= + - @ first)
    column: str | None = None  # the file's column with the text; left out: as in training
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        cli.check_asked(self, "text")


def _print_answer(predictor: Predictor, text: str) -> None:
    answer = predictor.predict(text)
    for label, probability in answer["classes"].items():
        print(f"{'' if label == answer['label'] else '  '}{label}  {probability:.1%}")
    if answer["unfamiliar"]:
        print(CAUTION)
    strongest = sorted(answer["carried_by"], key=lambda piece: -piece["effect"])[:8]
    print("carried by: " + ", ".join(f"{piece['piece']} {piece['effect']:+.2f}" for piece in strongest))


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor = run.load()
        if options.text is not None:
            _print_answer(predictor, options.text)
        else:
            rows = score_file(predictor, options.input, options.output, options.column, None, options.quote_formulas)
            print(f"{rows:,} rows, by run {run.id}; written to {options.output}", file=sys.stderr)
