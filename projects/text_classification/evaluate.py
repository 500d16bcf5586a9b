"""Baselines and figures; the only file that opens the test split.

python -m projects.text_classification.evaluate --run best
python -m projects.text_classification.evaluate --run best --data new_labelled.csv
"""

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, Splits, load_splits, scored_on
from common.evaluation import best_temperature, classification_figures, confidence, score_table, softmax
from common.report import Report
from common.runs import Run
from projects.text_classification.data import labelled
from projects.text_classification.languages import foreign_texts
from projects.text_classification.ngrams import CONSTANT, bags, kinds_of, normalise, spelled
from projects.text_classification.predict import Predictor

DIRECTIONS = {"accuracy": "max", "macro_f1": "max", "mcc": "max", "ece": "min"}
BASELINE_BUCKETS = 2**20
BASELINE_ORDERS = {"word": (1, 2), "char": (1, 2, 3, 4), "jamo": (1, 2, 3, 4, 5, 6)}  # lengths of the n-grams
MAX_STEPS = 100  # steps of the logistic regression's solver

Scorer = Callable[[Sequence[str]], np.ndarray]  # texts -> probabilities (texts, classes)


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on new labelled texts with the run's classes."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    source = splits.source
    if data:  # read first: a wrong file is refused before anything is fitted
        test, looks, source = labelled(Path(data), predictor.meta), 1, scored_on(Path(data), source, unit="text")
    scorers = baselines(splits)  # fitted and tuned before the test split is opened
    if not data:
        test, looks = splits.open_test(run)
    logits, validation_logits = predictor.logits(test.inputs), predictor.logits(splits.validation.inputs)
    answers = {config.model: softmax(predictor.calibrated(logits))}
    if len(logits) > 1:  # the parts of an ensemble, each with its own temperature: it has to be better than they are
        for name, part, known in zip(sorted(predictor.networks), logits, validation_logits.astype(float), strict=True):
            answers[f"{name}_alone"] = softmax(part / best_temperature(known, splits.validation.targets))
    answers |= {name: score(test.inputs) for name, score in scorers.items()}
    figures = {name: classification_figures(test.targets, values) for name, values in answers.items()}
    table = score_table(figures.pop(config.model), figures, DIRECTIONS, test.weights, test.units, seed=config.seed)
    chosen_by = classification_figures(splits.validation.targets, softmax(predictor.calibrated(validation_logits)))
    classes, answered = predictor.meta["classes"], answers[config.model]
    sample = test.inputs[:2000]
    foreign = {kind: predictor.familiarity(texts, predictor.score(texts)) for kind, texts in foreign_texts().items()}
    sure = {name: confidence(test.targets, values) for name, values in answers.items() if name != "majority_class"}
    familiar = {"test": predictor.familiarity(test.inputs, predictor.calibrated(logits)), **foreign}
    cautions = report.caution_table(0.0, familiar)
    return Report(
        source=source,
        sizes=splits.sizes if not data else {**splits.sizes, "test": len(test)},
        validation=chosen_by(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=sum(network.count_params() for network in predictor.networks.values()),
        inference_per_second=report.throughput(lambda: predictor.score(sample), len(sample)),
        failures=errors(test, answered, classes, 10).to_dict("records"),
        figures={
            "reliability": report.reliability_figure(sure),
            "confusion": report.confusion_figure(test.targets, answered.argmax(axis=1), classes),
        },
        tables={
            "errors": errors(test, answered, classes, 300),
            "confusions": confusions(test, answered, classes),
            "caution": cautions,
            "sample": sample_of(splits.train, classes),
            **({"ngrams": top_ngrams(predictor, splits.train)} if "bag" in predictor.networks else {}),
        },
        notes=[
            f"Texts are taken as a sequence of {predictor.meta['unit']}s.",
            f"Logits are divided by a temperature of {predictor.meta['temperature']:.2f}, chosen on validation.",
            report.caution_note("little speaks for it, or the letters are not those of its class", cautions),
        ],
    )


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Scorer]:
    """The majority class, and the strongest cheap models over hashed n-grams, tuned on validation: 4 and 3 settings."""
    from scipy.sparse import csr_matrix
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import MultinomialNB

    unit, classes = splits.meta["unit"], len(splits.meta["classes"])

    def matrix(texts: Sequence[str]) -> csr_matrix:
        kinds = kinds_of({unit: BASELINE_ORDERS[unit]}, BASELINE_BUCKETS)
        rows = bags([normalise(text) for text in texts], kinds)
        return csr_matrix((np.ones(len(rows.ids), "float32"), rows.ids, rows.starts), (len(rows), BASELINE_BUCKETS))

    train = matrix(splits.train.inputs)
    kept = np.flatnonzero(np.bincount(train.indices, minlength=BASELINE_BUCKETS) >= 2)  # as scikit-learn's min_df=2
    train, validation = train[:, kept], matrix(splits.validation.inputs)[:, kept]
    weighting = TfidfTransformer().fit(train)
    frequency = np.bincount(splits.train.targets, minlength=classes) / len(splits.train)

    def regression(strength: float):
        if classes == 2:
            return LogisticRegression(C=strength, max_iter=MAX_STEPS)
        # One column for each class, by dual coordinate descent (Yu et al. 2011): all columns at once take many minutes.
        binary = LogisticRegression(C=strength, tol=0.01, solver="liblinear", dual=True, random_state=0)
        return OneVsRestClassifier(binary)

    def best(models, prepare) -> Scorer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # MAX_STEPS is a budget
            fitted = [model.fit(prepare(train), splits.train.targets) for model in models]
        chosen = max(fitted, key=lambda model: model.score(prepare(validation), splits.validation.targets))
        return lambda texts: chosen.predict_proba(prepare(matrix(texts)[:, kept]))

    return {
        "majority_class": lambda texts: np.tile(frequency, (len(texts), 1)),
        "naive_bayes": best([MultinomialNB(alpha=alpha) for alpha in (0.03, 0.1, 0.3, 1.0)], lambda counts: counts),
        "tfidf_logistic_regression": best([*map(regression, (1.0, 10.0, 100.0))], weighting.transform),
    }


def errors(split: Split, answered: np.ndarray, classes: list[str], count: int) -> pd.DataFrame:
    """The wrong answers with the highest probabilities. answered: probabilities (texts, classes)."""
    answers = answered.argmax(axis=1)
    wrong = np.flatnonzero(answers != split.targets)
    rows = wrong[np.argsort(-answered[wrong, answers[wrong]], kind="stable")][:count]
    return pd.DataFrame(
        {
            "text": [_shortened(split.inputs[row]) for row in rows],
            "truth": [classes[split.targets[row]] for row in rows],
            "answer": [classes[answers[row]] for row in rows],
            "probability": answered[rows, answers[rows]],
        }
    )


def confusions(split: Split, answered: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """The pairs of true class and wrong answer, the most frequent first."""
    pairs = pd.DataFrame({"truth": split.targets, "answer": answered.argmax(axis=1)})
    pairs = pairs[pairs["truth"] != pairs["answer"]].value_counts().reset_index(name="count").head(100)
    return pairs.assign(**{name: pairs[name].map(classes.__getitem__) for name in ("truth", "answer")})


def sample_of(train: Split, classes: list[str], count: int = 600) -> pd.DataFrame:
    """About `count` training texts for the page, equally many of each class."""
    each = max(1, count // len(classes))
    rows = np.concatenate([np.flatnonzero(train.targets == label)[:each] for label in range(len(classes))])
    texts = [_shortened(train.inputs[row]) for row in rows]
    return pd.DataFrame({"text": texts, "class": [classes[train.targets[row]] for row in rows]})


def top_ngrams(predictor: Predictor, train: Split, each: int = 15, max_texts: int = 4000) -> pd.DataFrame:
    """The `each` n-grams that add most to the logit of each class, over at most `max_texts` training texts.

    Columns: class, ngram, effect (ratio times weight, before the division by the text's length), texts (how many of
    these texts hold it). Ranked by effect times texts.
    """
    meta, effects = predictor.meta, predictor.effects
    texts = train.inputs[:: max(1, len(train) // max_texts)]
    counts = np.bincount(predictor.encode(texts, "bag").ids, minlength=len(effects))
    counts[CONSTANT] = 0
    top = np.argsort(-effects * counts[:, None], axis=0)[:each]
    names = spelled([normalise(text) for text in texts], meta["kinds"], np.unique(top))
    rows = [
        {"class": name, "ngram": names[bucket], "effect": effects[bucket, k], "texts": counts[bucket]}
        for k, name in enumerate(meta["classes"])
        for bucket in top[:, k]
        if bucket in names and effects[bucket, k] > 0
    ]
    table = pd.DataFrame(rows, columns=["class", "ngram", "effect", "texts"])
    # A word and the same letters inside a word are spelled alike; the stronger one stays. A chart draws bars by effect.
    table = table.sort_values(["class", "effect"], ascending=[True, False], kind="stable")
    return table.drop_duplicates(["class", "ngram"])


def _shortened(text: str, max_length: int = 400) -> str:
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
