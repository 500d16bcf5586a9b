"""Baselines and figures; the only file that opens the test split.

python -m projects.sequence_tagging.evaluate --run best
python -m projects.sequence_tagging.evaluate --run best --data new.conllu
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, Splits, load_splits, scored_on
from common.evaluation import score_table
from common.report import Report
from common.runs import Run
from projects.sequence_tagging.data import labelled
from projects.sequence_tagging.encoding import normalise
from projects.sequence_tagging.linear import EPOCHS, FEATURES, RATES, fitted
from projects.sequence_tagging.metrics import directions, figures
from projects.sequence_tagging.programs import UNLABELLED

SHOWN = 300  # sentences in a table of the page
SAMPLE = 1_000  # sentences on which the speed is measured

Tagger = Callable[[Sequence], list[list[str]]]


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on new tagged sentences."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    source = splits.source
    if data:  # read first: a wrong file is refused before anything is fitted
        test, looks, source = labelled(Path(data), predictor.meta), 1, scored_on(Path(data), source)
    taggers = baselines(splits)  # fitted before the test split is opened
    if not data:
        test, looks = splits.open_test(run)
    with_spans, unseen = predictor.meta["spans"], predictor.unseen(test.inputs)
    answers = {config.model: predictor.tag(test.inputs)[0]}
    answers |= {name: tagger(test.inputs) for name, tagger in taggers.items()}
    scored = {name: figures(tags, test.targets, unseen, with_spans) for name, tags in answers.items()}
    ways = directions(run.metric[0] if with_spans else "accuracy", with_spans)
    table = score_table(scored.pop(config.model), scored, ways, test.weights, test.units, seed=config.seed)
    worst = errors(test, answers[config.model])
    sample = test.inputs[:SAMPLE]
    words = sum(len(tokens) for tokens in sample)
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=predictor.figures(splits.validation)(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=ways,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.tag(sample), words),
        failures=worst.head(10).to_dict("records"),
        figures={"confusion": confusion(test, answers[config.model], predictor.meta["tags"])},
        tables={
            "errors": worst.head(SHOWN),
            "by_tag": by_tag(test, answers, predictor.meta["tags"]),
            "sample": sample_of(splits.train),
            "neighbours": neighbours(splits.train, predictor.meta["tags"]),
        },
        notes=[
            "most_frequent: the most frequent tag of the word in training.",
            f"{' and '.join(list(taggers)[1:])}: {FEATURES} hashed features a word (the word, its shape, beginnings, "
            f"endings, neighbours), Adam; of the rates {', '.join(map(str, RATES))} and up to {EPOCHS} epochs the "
            "best on validation.",
            "Speed is in words per second.",
        ],
    )


@lru_cache(1)
def baselines(splits: Splits) -> dict[str, Tagger]:
    """The most frequent tag of each word; logistic regression on hashed features; for names a CRF on the same ones."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for tokens, tags in zip(splits.train.inputs, splits.train.targets, strict=True):
        for token, tag in zip(tokens, tags, strict=True):
            if tag != UNLABELLED:
                counts[normalise(token)][tag] += 1
    every = sum(counts.values(), Counter()).most_common(1)[0][0]
    usual = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}

    def most_frequent(sentences: Sequence) -> list[list[str]]:
        return [[usual.get(normalise(token), every) for token in tokens] for tokens in sentences]

    def linear(crf: bool) -> Tagger:
        return fitted(splits.train, splits.validation, dict(splits.meta), crf, seed=0)

    models = {"most_frequent": most_frequent, "logistic_regression": linear(False)}
    return {**models, "linear_crf": linear(True)} if splits.meta["spans"] else models


def errors(test: Split, answers: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The sentences with the largest fraction of wrong tags: wrong, of, sentence, and each wrong word with its tags."""
    rows = []
    for tokens, truth, answer in zip(test.inputs, test.targets, answers, strict=True):
        triples = [(w, t, a) for w, t, a in zip(tokens, truth, answer, strict=True) if t not in (UNLABELLED, a)]
        tagged = sum(tag != UNLABELLED for tag in truth)
        if triples:
            said = "; ".join(f"{word}: {a}, not {t}" for word, t, a in triples[:12])
            rows.append({"wrong": len(triples), "of": tagged, "sentence": " ".join(tokens)[:400], "answers": said})
    frame = pd.DataFrame(rows, columns=["wrong", "of", "sentence", "answers"])
    # A half of two words is no news; more wrong words come first, then the larger fraction.
    order = (-(frame["wrong"] ** 2 / frame["of"].clip(lower=1)).astype(float)).argsort(kind="stable")
    return frame.iloc[order].reset_index(drop=True)


def _flat(test: Split, answers: Sequence[Sequence[str]], tags: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the true tags and of the answers of all tokens that have a known tag."""
    number = {tag: place for place, tag in enumerate(tags)}
    pairs = [
        (number[t], number[a])
        for truth, answer in zip(test.targets, answers, strict=True)
        for t, a in zip(truth, answer, strict=True)
        if t in number
    ]
    truth, answer = np.array(pairs, int).reshape(-1, 2).T
    return truth, answer


def confusion(test: Split, answers: Sequence[Sequence[str]], tags: list[str]) -> Any:
    """Which tag is taken for which."""
    return report.confusion_figure(*_flat(test, answers, tags), tags)


def by_tag(test: Split, answers: dict[str, list[list[str]]], tags: list[str]) -> pd.DataFrame:
    """Columns tag, tokens, and the F1 of each model on that tag; the tag with the most tokens first."""
    columns: dict[str, Any] = {"tag": tags}
    for name, given in answers.items():
        truth, answer = _flat(test, given, tags)
        hits = np.bincount(truth[truth == answer], minlength=len(tags))
        both = np.bincount(truth, minlength=len(tags)) + np.bincount(answer, minlength=len(tags))
        columns.setdefault("tokens", np.bincount(truth, minlength=len(tags)))
        columns[name] = 2 * hits / np.maximum(both, 1)
    return pd.DataFrame(columns).sort_values("tokens", ascending=False, kind="stable").reset_index(drop=True)


def neighbours(train: Split, tags: list[str]) -> pd.DataFrame:
    """How often a tag is followed by another in training: columns tag, next, share of the first tag's followers."""
    counts = Counter((a, b) for row in train.targets for a, b in itertools.pairwise(row) if UNLABELLED not in (a, b))
    totals = Counter()
    for (a, _), count in counts.items():
        totals[a] += count
    rows = [{"tag": a, "next": b, "share": counts[a, b] / totals[a]} for a in tags for b in tags if counts[a, b]]
    return pd.DataFrame(rows, columns=["tag", "next", "share"])


def sample_of(train: Split) -> pd.DataFrame:
    """Training sentences for the page, from the whole split: the words, and the words with their tags."""
    rows = np.unique(np.linspace(0, len(train) - 1, SHOWN).astype(int))
    pairs = [zip(train.inputs[row], train.targets[row], strict=True) for row in rows]
    tagged = [" ".join(f"{token}/{tag}" if tag != UNLABELLED else token for token, tag in pair) for pair in pairs]
    return pd.DataFrame(
        {"tokens": [len(train.inputs[row]) for row in rows], "sentence": [text[:600] for text in tagged]}
    )


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
