"""From raw texts to the networks' numbers, and from their logits back to labels.

`describe` fits `meta` on the training texts. It is plain JSON and holds all that encoding needs.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from common.errors import UserError
from common.evaluation import TEMPERATURE, best_temperature, softmax
from common.inputs.sequences import Ragged, bucket_limits
from common.inputs.vocabulary import JSON, UNKNOWN, Vocabulary
from common.saved import unlike
from common.schema import Between
from projects.text_classification.config import Config
from projects.text_classification.ngrams import apart, bags, kinds_of, normalise, split_units

SHORT_TEXT = 16  # words; where the median text has fewer, characters say more: text messages have 12, sentences 20
LONG_TEXT = 64  # words; where the median text has as many, the bag takes no n-grams of letters
ORDERS = {"word": [1, 2, 3], "char": [1, 2, 3, 4, 5, 6], "jamo": [1, 2, 3, 4, 5, 6, 7, 8]}  # lengths of the n-grams
MAX_WEIGHTS = 2**24  # weights of the bag: buckets × columns
COUNTED = 2**24  # buckets of each kind of n-grams while their number is counted
MAX_CHARACTERS = 100_000  # the longest text that is read; what follows is not read
LENGTH_BUCKETS = 6  # lengths that a network is compiled for; more where its layers cost nothing to compile
EAST_ASIAN = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u4e00-\u9fff\uac00-\ud7a3]")  # Hangul, Kana, Han

# What meta.json holds (see common/schema.py).
META = {
    "classes": [str],
    "text": str,
    "label": str,
    "unit": ("word", "char", "jamo"),
    "vocabulary?": JSON,
    "max_units?": Between(1, 2**24),
    "limits?": [Between(1, 2**24)],
    "kinds?": [{"unit": tuple(ORDERS), "n": Between(1, 32), "first": Between(2, 2**24), "buckets": Between(1, 2**24)}],
    "letters": [str],  # of each class: all letters of its training texts
    "mix": Between(0.0, 1.0),
    "temperature": TEMPERATURE,
    "caution_below": [float],  # of each class
    "examples": [str],
}


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the networks, in a few words; empty where it does."""
    if not (meta["examples"] and all(meta.get("limits", [1])) and meta.get("kinds", [1])):
        return "a list is empty"
    if {len(meta["letters"]), len(meta["caution_below"])} != {len(meta["classes"])}:
        return "letters or caution_below is not about all classes"
    for name, network in networks.items():
        needed = {"kinds"} if name == "bag" else {"vocabulary", "max_units", "limits"}
        if not needed <= set(meta):
            return f"it lacks what the network {name} needs"
        rows = buckets_of(meta["kinds"]) if name == "bag" else len(Vocabulary.from_json(meta["vocabulary"]))
        if [tuple(weight.shape)[:1] for weight in network.weights[:1]] != [(rows,)]:
            return f"it has {rows:,} symbols or buckets, but the network {name} reads another number"
    shapes = ([(None, None)], [(None, len(meta["classes"]))])
    return unlike(networks, dict.fromkeys(networks or ["model"], shapes))


def describe(texts: Sequence[str], targets: np.ndarray, classes: list[str], config: Config) -> dict[str, Any]:
    """`meta`: classes, columns, unit, and what the networks of this config need. Fitted on the training texts.

    targets: class numbers. For the bag: the kinds of n-grams. For other networks: the vocabulary, the greatest length
    of a text, and the limits of the buckets of length.
    """
    texts = [normalise(text) for text in texts]
    unit = choose_unit(texts) if config.unit == "auto" else config.unit
    meta: dict[str, Any] = {
        "classes": classes,
        "text": config.text or "text",
        "label": config.label or "label",
        "unit": unit,
        "letters": [
            "".join(sorted(filter(str.isalpha, set().union(*itertools.compress(texts, targets == label)))))
            for label in range(len(classes))
        ],
    }
    if config.model != "bag":
        pairs = "region_cnn" in (config.model, config.model == "ensemble" and config.partner)
        # Twice from the beginning, so that the symbols of all texts need not be in memory together.
        rows = (symbols(text, unit, pairs) for text in texts)
        vocabulary = Vocabulary.of_words(itertools.chain.from_iterable(rows), config.vocabulary, min_count=2)
        max_units = config.max_units * (2 if pairs else 1)
        lengths = np.clip([len(symbols(text, unit, pairs)) for text in texts], 1, max_units)
        meta |= {
            "vocabulary": vocabulary.to_json(),
            "max_units": max_units,
            "limits": bucket_limits(lengths, 4 * LENGTH_BUCKETS if pairs else LENGTH_BUCKETS),
        }
    if config.model in ("bag", "ensemble"):
        meta["kinds"] = ngram_kinds(unit, texts, MAX_WEIGHTS // columns(classes))
    return meta


def columns(classes: Sequence[str]) -> int:
    """How many numbers a model computes for a text: one for each class; of two classes one is enough."""
    return 1 if len(classes) == 2 else len(classes)


def strange_letters(texts: Sequence[str], labels: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    """The fraction of each text's letters that its class has not shown in training: class numbers (n,) -> (n,)."""
    known = {k: set(meta["letters"][k]) for k in set(labels)}
    rows = [list(filter(str.isalpha, normalise(text[:MAX_CHARACTERS]))) for text in texts]
    strange = [sum(letter not in known[k] for letter in row) for row, k in zip(rows, labels, strict=True)]
    return np.array(strange) / np.maximum(list(map(len, rows)), 1)


def choose_unit(texts: Sequence[str]) -> str:
    """Characters where texts are short, or where a third of the letters is Hangul, Kana or Han; else words.

    Most words of a short text are new to the model, but their parts are not. Korean attaches particles and endings, so
    known words take new forms. Long texts hold enough known words, and take less time as words.
    """
    sample = texts[:: max(1, len(texts) // 2000)]
    letters = sum(sum(map(str.isalpha, text)) for text in sample)
    east_asian = sum(len(EAST_ASIAN.findall(text)) for text in sample)
    short = np.median([len(text.split()) for text in sample]) < SHORT_TEXT
    return "char" if short or east_asian > letters / 3 else "word"


def ngram_kinds(unit: str, texts: Sequence[str], most: int) -> list[dict[str, Any]]:
    """The kinds of n-grams for the bag: of words and letters together; of words alone where texts are long.

    Words carry the meaning. Letters recognise a word in a form that was not seen before. Long texts hold enough known
    words, and six times as many n-grams of letters. There are twice as many buckets as n-grams, so that few share one,
    but not more than `most`. A kind has its share of them by its n-grams that occur in two texts. While there are more
    of these than buckets, the longest kind is left out.
    """
    long = np.median([len(text.split()) for text in texts[:: max(1, len(texts) // 2000)]]) >= LONG_TEXT
    letters = "jamo" if unit == "jamo" else "char"
    units = ("word",) if unit == "word" and long else ("word", letters)
    kinds = kinds_of({name: ORDERS[name] for name in units}, 3)
    wide = apart(kinds, [COUNTED] * len(kinds))
    ids, occurrences = np.unique(bags(texts, wide).ids, return_counts=True)
    edges = [kind["first"] for kind in wide] + [np.inf]
    counts, distinct = 1 + np.histogram(ids[occurrences > 1], edges)[0], 1 + np.histogram(ids, edges)[0]
    while len(kinds) > 1 and counts.sum() > most - 2:
        longest = max(range(len(kinds)), key=lambda i: kinds[i]["n"])
        kinds.pop(longest)
        counts, distinct = np.delete(counts, longest), np.delete(distinct, longest)
    buckets = min(most - 2, 2 * distinct.sum())
    return apart(kinds, [int(buckets * count / counts.sum()) for count in counts])


def buckets_of(kinds: Sequence[dict[str, Any]]) -> int:
    """How many buckets all kinds have together, with those of padding and of the constant."""
    return max(kind["first"] + kind["buckets"] for kind in kinds)


def symbols(text: str, unit: str, pairs: bool = False) -> Sequence[str]:
    """A text as words, characters or jamo; with `pairs`, after each the pair of it and the next one: a, "a b", b."""
    units = split_units(text, unit)
    if not pairs:
        return units
    both = itertools.zip_longest(units, map(" ".join, itertools.pairwise(units)))
    return list(itertools.chain.from_iterable(both))[:-1]


def sequences(rows: Sequence[Sequence[str]], vocabulary: Vocabulary, max_units: int) -> Ragged:
    """Rows of symbols as ids; an empty row as one unknown symbol.

    A row of more than `max_units` loses its middle: reviews give their opinion at the beginning and at the end.
    """
    ids = vocabulary.encode(list(itertools.chain.from_iterable(rows)))
    lengths = np.array([len(row) for row in rows], int)
    empty = lengths == 0
    ids = np.insert(ids, (np.cumsum(lengths) - lengths)[empty], UNKNOWN)
    return Ragged(ids, np.concatenate([[0], np.cumsum(lengths + empty)])).shortened(max_units)


def encode(texts: Sequence[str], meta: dict[str, Any], name: str) -> Ragged:
    """Raw texts as the input of a network: buckets of n-grams for the one named "bag", ids for any other."""
    cleaned = [normalise(text[:MAX_CHARACTERS]) for text in texts]
    if name == "bag":
        return bags(cleaned, meta["kinds"])
    rows = [symbols(text, meta["unit"], pairs=name == "region_cnn") for text in cleaned]
    return sequences(rows, Vocabulary.from_json(meta["vocabulary"]), meta["max_units"])


def decode(logits: np.ndarray, meta: dict[str, Any]) -> pd.DataFrame:
    """Calibrated logits (texts, classes) -> a table with the columns predicted and probability."""
    likely = softmax(logits)
    return pd.DataFrame(
        {"predicted": [meta["classes"][k] for k in likely.argmax(axis=1)], "probability": likely.max(axis=1)}
    )


def checked(raw: Any) -> str:
    """The text, cut to the length that is read. Raises UserError where it is empty."""
    if not isinstance(raw, str) or not raw.strip():
        raise UserError("The text is empty; expected at least one word.")
    return raw[:MAX_CHARACTERS]


def mixed(logits: np.ndarray, mix: float) -> np.ndarray:
    """The weighted mean of logits (networks, texts, classes): `mix` is the weight of the last network.

    Of a single network it is that network's logits.
    """
    return (1 - mix) * logits[0] + mix * logits[-1]


def best_mix(logits: np.ndarray, targets: np.ndarray) -> float:
    """The weight of the last network at which the labels are likeliest, each mix with its own best temperature.

    It maximises the likelihood and not the accuracy: on a thousand texts the accuracy is nearly the same for half of
    all weights, and its maximum is chance.
    """
    from scipy.optimize import minimize_scalar
    from sklearn.metrics import log_loss

    def loss(mix: float) -> float:
        both = mixed(logits, mix)
        likely = softmax(both / best_temperature(both, targets))
        return log_loss(targets, likely, labels=range(likely.shape[1]))

    return round(float(minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 0.01}).x), 2)
