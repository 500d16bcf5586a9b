"""Baselines and figures; the only file that opens the test split.

python -m projects.sequence_tagging.evaluate --run best
python -m projects.sequence_tagging.evaluate --run best --data new.conllu
"""

import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, Splits, load_splits, scored_on
from common.evaluation import score_table
from common.inputs.text import program_lines, random_letters
from common.report import Report
from common.runs import Run
from projects.sequence_tagging.data import labelled
from projects.sequence_tagging.encoding import tokens
from projects.sequence_tagging.features import FEATURES, normalise
from projects.sequence_tagging.linear import EPOCHS, RATES, fitted
from projects.sequence_tagging.metrics import directions, figures
from projects.sequence_tagging.predict import mean_probability
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
    tags, with_spans, unseen = predictor.meta["tags"], predictor.meta["spans"], predictor.unseen(test.inputs)
    given, likely = predictor.tag(test.inputs)
    answers = {config.model: given}
    answers |= {name: tagger(test.inputs) for name, tagger in taggers.items()}
    scored = {name: figures(given, test.targets, unseen, with_spans) for name, given in answers.items()}
    ways = directions(run.metric[0] if with_spans else "accuracy", with_spans)
    table = score_table(scored.pop(config.model), scored, ways, test.weights, test.units, seed=config.seed)
    sure = certainty(test, given, likely)
    foreign = {kind: predictor.familiarity(rows) for kind, rows in foreign_texts(predictor.meta["reading"]).items()}
    familiar = {"test": np.array([mean_probability(*answer) for answer in zip(given, likely, strict=True)]), **foreign}
    cautions, limit = report.caution_table(predictor.meta["caution_below"], familiar), predictor.meta["caution_below"]
    worst = errors(test, given)
    sample = test.inputs[:SAMPLE]
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=predictor.figures(splits.validation)(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=ways,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.tag(sample), sum(map(len, sample))),
        failures=worst.head(10).to_dict("records"),
        figures={
            "confusion": report.confusion_figure(*_flat(test, given, tags), tags),
            "reliability": report.reliability_figure({config.model: sure}),
        },
        tables={
            "errors": worst.head(SHOWN),
            "by_tag": by_tag(test, answers, tags),
            "caution": cautions,
            "sample": sample_of(splits.train),
            "neighbours": neighbours(splits.train),
        },
        notes=[
            "most_frequent: the most frequent tag of the word in training.",
            f"{' and '.join(list(taggers)[1:])}: {FEATURES} hashed features a word (the word, its shape, beginnings, "
            f"endings, neighbours), Adam; of the rates {', '.join(map(str, RATES))} and up to {EPOCHS} epochs the "
            "best on validation.",
            report.calibration_note(*sure, predictor.meta["temperature"]),
            report.caution_note(f"the mean probability of its tags is under {limit:.2f}", cautions),
            "Speed is in words per second.",
        ],
    )


@lru_cache(1)
def baselines(splits: Splits) -> dict[str, Tagger]:
    """The most frequent tag of each word; logistic regression on hashed features; for names a CRF on the same ones."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for words, tags in zip(splits.train.inputs, splits.train.targets, strict=True):
        for word, tag in zip(words, tags, strict=True):
            if tag != UNLABELLED:
                counts[normalise(word)][tag] += 1
    every = sum(counts.values(), Counter()).most_common(1)[0][0]
    usual = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
    models = {"most_frequent": lambda rows: [[usual.get(normalise(token), every) for token in row] for row in rows]}
    for name, crf in {"logistic_regression": False, **({"linear_crf": True} if splits.meta["spans"] else {})}.items():
        models[name] = fitted(splits.train, splits.validation, dict(splits.meta), crf, seed=0)
    return models


def errors(test: Split, answers: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The sentences with the largest fraction of wrong tags: wrong, of, sentence, and each wrong word with its tags."""
    rows = []
    for words, truth, answer in zip(test.inputs, test.targets, answers, strict=True):
        triples = [(w, t, a) for w, t, a in zip(words, truth, answer, strict=True) if t not in (UNLABELLED, a)]
        tagged = sum(tag != UNLABELLED for tag in truth)
        if triples:
            said = "; ".join(f"{word}: {a}, not {t}" for word, t, a in triples[:12])
            rows.append({"wrong": len(triples), "of": tagged, "sentence": " ".join(words)[:400], "answers": said})
    frame = pd.DataFrame(rows, columns=["wrong", "of", "sentence", "answers"])
    # A half of two words is no news; more wrong words come first, then the larger fraction.
    order = (-(frame["wrong"] ** 2 / frame["of"].clip(lower=1)).astype(float)).argsort(kind="stable")
    return frame.iloc[order].reset_index(drop=True)


def _flat(test: Split, answers: Sequence[Sequence[str]], tags: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the true tags and of the answers of all tokens that have a known tag."""
    number = {tag: place for place, tag in enumerate(tags)}
    rows = [zip(*pair, strict=True) for pair in zip(test.targets, answers, strict=True)]
    known = [(number[t], number[a]) for row in rows for t, a in row if t in number]
    truth, answer = np.array(known, int).reshape(-1, 2).T
    return truth, answer


def certainty(test: Split, answers: Sequence[Sequence[str]], likely: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """The probability of each answer to a token that has a tag, and whether it is right: (n,) and (n,)."""
    rows = zip(test.targets, answers, likely, strict=True)
    triples = [(p, a == t) for row in rows for t, a, p in zip(*row, strict=True) if t != UNLABELLED]
    return np.array([p for p, _ in triples], float), np.array([right for _, right in triples], bool)


def foreign_texts(reading: str, count: int = 400) -> dict[str, list[list[str]]]:
    """{kind: texts as tokens} that the network has not learnt, whatever it was trained on.

    Sentences of Python's manual, except for words (they may be English); lines of a program, except for code; random
    letters.
    """
    from pydoc_data.topics import topics

    chance = random.Random(0)
    texts = {"random letters": random_letters(count, 4, 10, chance)}
    if reading != "words":
        parts = {" ".join(part.split()) for topic in topics.values() for part in re.split(r"(?<=[.!?])\s+", topic)}
        texts["sentences of a manual"] = sorted(filter(re.compile(r"[A-Z][\w ,'-]{30,200}[.!?]").fullmatch, parts))
    if reading != "code":
        texts["lines of a program"] = program_lines()
    drawn = {kind: chance.sample(rows, min(count, len(rows))) for kind, rows in texts.items()}
    return {kind: [[token for token, _ in tokens(row, reading)] for row in rows] for kind, rows in drawn.items()}


def by_tag(test: Split, answers: dict[str, list[list[str]]], tags: list[str]) -> pd.DataFrame:
    """Columns tag, tokens, and the F1 of each model on that tag; the tag with the most tokens first."""
    from sklearn.metrics import f1_score

    flat = {name: _flat(test, given, tags) for name, given in answers.items()}
    counts = np.bincount(next(iter(flat.values()))[0], minlength=len(tags))
    scores = {n: f1_score(*pair, labels=range(len(tags)), average=None, zero_division=0) for n, pair in flat.items()}
    return pd.DataFrame({"tag": tags, "tokens": counts, **scores}).sort_values("tokens", ascending=False, kind="stable")


def neighbours(train: Split) -> pd.DataFrame:
    """How often a tag is followed by another in training: columns tag, next, share. Unlabelled words are skipped."""
    pairs = [pair for row in train.targets for pair in itertools.pairwise(tag for tag in row if tag != UNLABELLED)]
    frame = pd.DataFrame(pairs, columns=["tag", "next"], dtype=object)
    return frame.groupby("tag")["next"].value_counts(normalize=True).rename("share").reset_index()


def sample_of(train: Split) -> pd.DataFrame:
    """Training sentences for the page, from the whole split: the words, and the words with their tags."""
    rows = np.unique(np.linspace(0, len(train) - 1, SHOWN).astype(int))
    pairs = [zip(train.inputs[row], train.targets[row], strict=True) for row in rows]
    tagged = [" ".join(f"{token}/{tag}" if tag != UNLABELLED else token for token, tag in pair)[:600] for pair in pairs]
    return pd.DataFrame({"tokens": [len(train.inputs[row]) for row in rows], "sentence": tagged})


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
