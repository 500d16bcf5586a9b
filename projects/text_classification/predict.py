"""From a text to its label, its probability and the words that carried it; and from a file to a labelled file."""

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
from common.errors import UserError
from common.evaluation import best_temperature, probabilities
from common.inputs.tables import check_columns, score_table_file
from projects.text_classification.config import Config
from projects.text_classification.ngrams import Ragged, bags, normalise, sequences, vocabulary_of

LONG = 64  # words: of texts as long the bag takes words alone; of shorter ones letters too
ORDERS = {"word": [1, 2, 3], "char": [1, 2, 3, 4, 5, 6], "jamo": [1, 2, 3, 4, 5, 6, 7, 8]}  # n-grams of the bag
MOST_WEIGHTS = 2**22  # of the bag: buckets × columns
MOST_CHARACTERS = 100_000  # of one text; what follows is not read
HARDLY = 0.2  # of a text's words, characters or n-grams: where fewer are known, the answer is a guess
BUCKETS_OF_LENGTH = 6
BATCH = 128  # texts that are answered at once
FEW = 2 * BATCH
CHUNK_ROWS = 10_000  # of a file that is scored in pieces
SHORT = 16  # words: of text messages (12) characters tell more, of single sentences of reviews (20) words
EASTERN = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u4e00-\u9fff\uac00-\ud7a3]")


class Predictor:
    """Encodes texts, runs the network and says what it found.

    networks: {"bag" or the kind of network: Keras model from encoded texts to log-odds}; of the ensemble two. meta:
    classes and encoding (`describe`) and, once they are chosen, the mix, the temperature and the examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        if set(networks) & {"simple_rnn", "gru", "lstm"}:
            from common.layers.recurrent import accelerate

            for network in networks.values():
                accelerate(network)

    @property
    def examples(self) -> list[str]:
        """A few texts of the validation split, of different classes."""
        return self.meta["examples"]

    def encode(self, texts: Sequence[str], name: str, targets: Any = None):
        """Texts -> `Batches` for the network of this name, in order of length."""
        from projects.text_classification.batches import Batches

        return Batches(encode(texts, self.meta, name), targets, BATCH, None if name == "bag" else self.meta["limits"])

    def encode_split(self, split: Split, name: str):
        """`Batches` with targets, as `model.fit` takes them, for the network of this name."""
        return self.encode(split.inputs, name, np.asarray(split.targets))

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated log-odds (texts, classes)."""
        return self.blended(self.log_odds(texts))

    def blended(self, outputs: np.ndarray) -> np.ndarray:
        """The calibrated log-odds (texts, classes) that the networks' `outputs` (networks, texts, classes) come to."""
        return mixed(outputs, self.meta["mix"]) / self.meta["temperature"]

    def log_odds(self, texts: Sequence[str]) -> np.ndarray:
        """What each network gives: (networks, texts, classes), the bag first."""
        found = np.empty((len(self.networks), len(texts), len(self.meta["classes"])), "float32")
        for own, (name, network) in zip(found, sorted(self.networks.items()), strict=True):
            batches = self.encode(texts, name)
            if len(texts) <= FEW:  # `predict` costs more than so few texts do
                for rows in batches.batches:
                    # Filled up to one of a few sizes: a recurrent network is compiled for each.
                    size = next(size for size in (1, 16, BATCH) if size >= len(rows))
                    filled = np.resize(rows, size)
                    inputs = batches.rows.padded(filled, batches.width_of(rows))
                    own[rows] = np.asarray(network(inputs, training=False))[: len(rows)]
            else:
                own[batches.order] = network.predict(batches, verbose=0)
        return found

    def decode(self, log_odds: np.ndarray) -> pd.DataFrame:
        """Calibrated log-odds -> columns predicted and probability."""
        shares = probabilities(log_odds)
        best = shares.argmax(axis=1)
        return pd.DataFrame(
            {"predicted": [self.meta["classes"][k] for k in best], "probability": shares[np.arange(len(best)), best]}
        )

    def predict(self, raw: str) -> dict[str, Any]:
        """One text -> {"label", "probability", "classes", "known", "carried_by"}.

        classes: the five likeliest with their probabilities. known: which share of the text's words, characters or
        n-grams the training texts hold; 0 means that the answer is only a guess by how frequent the classes are.
        carried_by: the `contributions` to this label. Raises UserError for a text without any sign in it.
        """
        text = checked(raw)
        shares = probabilities(self.score([text]))[0]
        order = np.argsort(-shares)[:5]
        label = int(order[0])
        return {
            "label": self.meta["classes"][label],
            "probability": float(shares[label]),
            "classes": {self.meta["classes"][k]: float(shares[k]) for k in order},
            "known": self.known(text),
            "carried_by": [
                {"piece": text[start:end], "start": start, "end": end, "effect": effect}
                for (start, end), effect in zip(pieces(text), self.contributions(text, label), strict=True)
            ],
        }

    def stream(self, raw: str) -> Iterator[dict[str, Any]]:
        """There is nothing to show before the answer."""
        yield self.predict(raw)

    def contributions(self, text: str, label: int) -> list[float]:
        """For each of `pieces`, by how much the log-odds of `label` would fall without it.

        Occlusion (Zeiler & Fergus 2014) on words: one piece at a time is left out, so pieces that say the same thing
        share no credit.
        """
        variants = [text, *(text[:start] + " " + text[end:] for start, end in pieces(text))]
        log_odds = log_odds_of(self.score(variants).astype(float), label)
        return [float(value) for value in log_odds[0] - log_odds[1:]]

    def known(self, text: str) -> float:
        """The share of the text's words or characters (of the bag: n-grams) that occur in the training texts."""
        if "vocabulary" in self.meta:
            ids = encode([text], self.meta, "sequence").ids
            return float((ids <= len(self.meta["vocabulary"])).mean())
        ids = encode([text], self.meta, "bag").ids[1:]  # without the one that every text has
        ratios = self.networks["bag"].get_layer("ratios").embeddings
        return float((np.asarray(ratios)[ids] != 0).any(axis=1).mean()) if len(ids) else 0.0

    def calibrate(self, validation: Split) -> None:
        """Keep the mix of the ensemble's parts, and the temperature (Guo et al. 2017) that makes the validation labels
        likeliest, which changes no answer."""
        log_odds = self.log_odds(validation.inputs).astype(float)
        self.meta["mix"] = best_mix(log_odds, validation.targets)
        self.meta["temperature"] = best_temperature(mixed(log_odds, self.meta["mix"]), validation.targets)

    def choose_examples(self, validation: Split, count: int = 8) -> None:
        """Keep a few texts of the validation split, of as many classes as there are room for, short ones first."""
        random = np.random.default_rng(0)
        lengths = np.array([len(text) for text in validation.inputs])
        rows: list[int] = []
        for turn in range(count):
            label = turn % len(self.meta["classes"])
            own = np.flatnonzero((validation.targets == label) & ~np.isin(np.arange(len(lengths)), rows))
            if len(own):
                own = own[np.argsort(lengths[own], kind="stable")]
                rows.append(int(random.choice(own[len(own) // 4 : 1 + 3 * len(own) // 4])))
        self.meta["examples"] = [validation.inputs[row] for row in rows]


def describe(train: Split, classes: list[str], config: Config) -> dict[str, Any]:
    """What encoding needs to know, from the training texts alone: unit, n-grams, buckets, buckets of length."""
    texts = [normalise(text) for text in train.inputs]
    unit = choose_unit(texts) if config.unit == "auto" else config.unit
    meta: dict[str, Any] = {
        "classes": classes,
        "text": config.text or "text",
        "label": config.label or "label",
        "unit": unit,
        "orders": ngrams_of(unit, texts),
    }
    if config.model != "bag":
        meta["vocabulary"] = vocabulary_of(texts, unit, config.vocabulary)
        meta["most_units"] = config.most_units
        meta["limits"] = limits(sequences(texts, unit, meta["vocabulary"], config.most_units).lengths)
    if config.model not in ("bag", "ensemble"):
        return meta
    width = 1 if len(classes) == 2 else len(classes)
    distinct = len(np.unique(bags(texts, meta["orders"], MOST_WEIGHTS).ids))
    meta["buckets"] = int(
        min(MOST_WEIGHTS // 2 ** int(np.ceil(np.log2(width))), 2 ** np.ceil(np.log2(2 * distinct + 2)))
    )
    return meta


def choose_unit(texts: Sequence[str]) -> str:
    """Characters where texts are short, or a third of their letters is Hangul, Kana or Han; else words.

    In a text of a few words hardly any word has been seen before, and in Korean particles and endings make a new word
    of a known one all the time; parts of words have been seen. Long texts have words enough, and take less time so.
    """
    sample = texts[:: max(1, len(texts) // 2000)]
    letters = sum(sum(map(str.isalpha, text)) for text in sample)
    eastern = sum(len(EASTERN.findall(text)) for text in sample)
    short = np.median([len(text.split()) for text in sample]) < SHORT
    return "char" if short or eastern > letters / 3 else "word"


def ngrams_of(unit: str, texts: Sequence[str]) -> dict[str, list[int]]:
    """Which n-grams the bag takes of which units: words and letters together, of long texts words alone.

    Words say what is meant; letters recognise a word in a form that was not seen before. A long text has words enough,
    and six times as many n-grams of letters.
    """
    long = np.median([len(text.split()) for text in texts[:: max(1, len(texts) // 2000)]]) >= LONG
    letters = "jamo" if unit == "jamo" else "char"
    return {name: ORDERS[name] for name in ("word", *([] if unit == "word" and long else [letters]))}


def limits(lengths: np.ndarray) -> list[int]:
    """The greatest lengths of at most six buckets that hold about as many texts each."""
    quantiles = np.quantile(np.maximum(lengths, 1), np.linspace(0, 1, BUCKETS_OF_LENGTH + 1)[1:])
    return sorted({int(np.ceil(value)) for value in quantiles})


def encode(texts: Sequence[str], meta: dict[str, Any], name: str) -> Ragged:
    """Raw texts -> the input of a network: n-grams for the one named bag, a sequence for any other."""
    cleaned = [normalise(text[:MOST_CHARACTERS]) for text in texts]
    if name == "bag":
        return bags(cleaned, meta["orders"], meta["buckets"])
    return sequences(cleaned, meta["unit"], meta["vocabulary"], meta["most_units"])


def checked(raw: Any) -> str:
    """The text, cut to what is read; a UserError when there is nothing in it."""
    if not isinstance(raw, str) or not raw.strip():
        raise UserError("The text is empty; expected at least one word.")
    return raw[:MOST_CHARACTERS]


def pieces(text: str) -> list[tuple[int, int]]:
    """(start, end) of what is left out in turn: words; letters where there are under three words; runs in long texts.

    A long text is taken in runs of words, so that a text of any length is explained in a few seconds.
    """
    found = [match.span() for match in re.finditer(r"\S+", text)]
    if len(found) < 3:
        found = [match.span() for match in re.finditer(r"\S", text)]
    most = int(np.clip(2_000_000 // max(len(text), 1), 16, 250))
    run = -(-len(found) // most) if found else 1
    return [(found[i][0], found[min(i + run, len(found)) - 1][1]) for i in range(0, len(found), run)]


def mixed(log_odds: np.ndarray, mix: float) -> np.ndarray:
    """The weighted mean of log-odds (networks, texts, classes); `mix` is the share of the last one. Of one: its own."""
    return (1 - mix) * log_odds[0] + mix * log_odds[-1]


def best_mix(log_odds: np.ndarray, targets: np.ndarray) -> float:
    """The share of the last network at which, with the temperature that suits it, the labels are likeliest.

    Likelihood and not accuracy: on a thousand texts accuracy is much the same over half of the range, and its greatest
    value is chance.
    """
    from scipy.optimize import minimize_scalar
    from sklearn.metrics import log_loss

    def loss(mix: float) -> float:
        both = mixed(log_odds, mix)
        shares = probabilities(both / best_temperature(both, targets))
        return log_loss(targets, shares, labels=range(shares.shape[1]))

    return round(float(minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 0.01}).x), 2)


def log_odds_of(scores: np.ndarray, label: int) -> np.ndarray:
    """The log-odds of one class against all others: (texts,)."""
    others = np.delete(scores, label, axis=1)
    return scores[:, label] - np.logaddexp.reduce(others, axis=1)


def texts_of(frame: pd.DataFrame, column: str) -> list[str]:
    """A column as texts; an empty cell is an empty text."""
    return [text if isinstance(text, str) else "" if pd.isna(text) else str(text) for text in frame[column]]


def score_file(
    predictor: Predictor, source: Path, target: Path, column: str | None = None, most: int | None = None
) -> int:
    """Write `source` (CSV, TSV or Parquet) with the columns predicted and probability added to `target`; returns rows.

    column: which one holds the text; left out, the one that the run was trained on.
    most: how many rows are allowed; more is a UserError.
    """
    column = column or predictor.meta["text"]

    def label(frame: pd.DataFrame) -> pd.DataFrame:
        check_columns(frame, [column], source)
        return predictor.decode(predictor.score(texts_of(frame, column)))

    return score_table_file(source, target, label, most, CHUNK_ROWS)


@dataclass(frozen=True)
class Options:
    """A text or a file to classify, and by which run."""

    text: str | None = None  # one text
    input: Path | None = None  # CSV, TSV or Parquet file with a text in each row
    output: Path | None = None  # .csv or .parquet: the same rows with predicted and probability
    column: str | None = None  # the file's column with the text; left out, as in training
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        if (self.text is None) == (self.input is None):
            raise UserError("Say either --text or --input.")
        if self.input and not self.output:
            raise UserError("--input needs --output FILE.")


def _answer(predictor: Predictor, text: str) -> None:
    answer = predictor.predict(text)
    print(f"{answer['label']}  {answer['probability']:.1%}")
    for label, share in list(answer["classes"].items())[1:]:
        print(f"  {label}  {share:.1%}")
    if answer["known"] < HARDLY:
        print("Hardly anything of this text occurs in the training texts: the answer is a guess.")
    carried = sorted(answer["carried_by"], key=lambda piece: -piece["effect"])[:8]
    print("carried by: " + ", ".join(f"{piece['piece']} {piece['effect']:+.2f}" for piece in carried))


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor = run.load()
        if options.text is not None:
            _answer(predictor, options.text)
        else:
            rows = score_file(predictor, options.input, options.output, options.column)
            print(f"{rows:,} rows, by run {run.id}; written to {options.output}", file=sys.stderr)
