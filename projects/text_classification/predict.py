"""From a text to its label, its probability and the words that carried it; from a file to a labelled file.

python -m projects.text_classification.predict --text "I love pizza"
python -m projects.text_classification.predict --input texts.csv --output labelled.csv
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from projects.text_classification.encoding import best_mix, checked, decode, encode, mixed

BATCH = 128  # texts that are classified at once
CHUNK_ROWS = 10_000  # rows of a piece, where a file is scored in pieces
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
            "unfamiliar": bool(scores[0].max() < self.meta["caution_below"]),  # see `familiarity`
            "carried_by": [
                {"piece": text[start:end], "start": start, "end": end, "effect": effect}
                for (start, end), effect in zip(pieces(text), contributions(scores, label), strict=True)
            ],
        }

    def stream(self, raw: str) -> Iterator[dict[str, Any]]:
        """The answer alone: a classifier has no steps to show before it."""
        yield self.predict(raw)

    def familiarity(self, texts: Sequence[str]) -> np.ndarray:
        """How much the texts are like those of training: the largest logit (Hendrycks et al. 2022)."""
        return self.score(texts).max(axis=1)

    def calibrate(self, validation: Split) -> None:
        """Choose the mix of the networks, and the temperature (Guo et al. 2017), by the likelihood of the labels.

        The temperature changes no answer, only its probability. Then choose the limit of the caution.
        """
        logits = self.logits(validation.inputs).astype(float)
        self.meta["mix"] = best_mix(logits, validation.targets)
        self.meta["temperature"] = best_temperature(mixed(logits, self.meta["mix"]), validation.targets)
        self.meta["caution_below"] = caution_limit(self.calibrated(logits).max(axis=1))

    def choose_examples(self, validation: Split, count: int = 8) -> None:
        """Keep a few texts of the validation split: the classes in turn, of each a whole sentence of medium length.

        A saying rather than a message of a program, where the units tell them apart.
        """
        random = np.random.default_rng(0)
        lengths = np.array([len(text) for text in validation.inputs])
        whole = np.array([bool(re.search(r"\w[.!?。]$", text)) for text in validation.inputs])
        units = validation.units if validation.units is not None else lengths
        saying = whole & np.array([str(unit).startswith("saying ") for unit in units])
        chosen: list[int] = []
        for turn in range(count):
            label = turn % len(self.meta["classes"])
            rows = np.flatnonzero((validation.targets == label) & ~np.isin(np.arange(len(lengths)), chosen))
            rows = next((rows[kept[rows]] for kept in (saying, whole) if kept[rows].any()), rows)
            if len(rows):
                rows = rows[np.argsort(lengths[rows], kind="stable")]
                chosen.append(int(random.choice(rows[len(rows) // 4 : 1 + 3 * len(rows) // 4])))
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
