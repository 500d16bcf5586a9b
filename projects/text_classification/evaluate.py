"""Baselines and figures; the only place that opens the test split.

python -m projects.text_classification.evaluate --run best
python -m projects.text_classification.evaluate --run best --data new_labelled.csv
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Source, Split, Splits, load_splits
from common.evaluation import best_temperature, classification_figures, probabilities, score_table
from common.inputs.tables import file_sha256
from common.report import Report
from common.runs import Run
from projects.text_classification.data import labelled
from projects.text_classification.ngrams import EVERY, bags, normalise, spelled
from projects.text_classification.predict import Predictor, encode

DIRECTIONS = {"accuracy": "max", "macro_f1": "max", "mcc": "max", "ece": "min"}
BASELINE_BUCKETS = 2**20
STEPS = 100  # of the logistic regression's solver, at most
BASELINE_ORDERS = {"word": (1, 2), "char": (1, 2, 3, 4), "jamo": (1, 2, 3, 4, 5, 6)}

Scorer = Callable[[Sequence[str]], np.ndarray]  # texts -> probabilities (texts, classes)


def accuracy_of(validation) -> Callable[[np.ndarray], dict[str, float]]:
    """Predicted log-odds of validation batches -> accuracy, for the choice of the best epoch."""
    targets = validation.targets[validation.order]
    return lambda log_odds: {"accuracy": float((log_odds.argmax(axis=1) == targets).mean())}


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on new labelled texts with the run's classes."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    scorers = baselines(splits)  # fitted and tuned before the test split is opened
    source = splits.source
    if data:
        test, looks = labelled(Path(data), predictor.meta), 1
        source = Source(
            Path(data).name, f"Scored on {data}; trained on: {source.source}", file_sha256(Path(data)), "text"
        )
    else:
        test, looks = splits.open_test(run)
    outputs, before = predictor.log_odds(test.inputs), predictor.log_odds(splits.validation.inputs)
    shares = {config.model: probabilities(predictor.blended(outputs))}
    shares |= parts_alone(sorted(predictor.networks), outputs, before, splits.validation.targets)
    shares |= {name: score(test.inputs) for name, score in scorers.items()}
    model, *others = (classification_figures(test.targets, values) for values in shares.values())
    table = score_table(
        model, dict(zip(list(shares)[1:], others, strict=True)), DIRECTIONS, test.weights, test.units, seed=config.seed
    )
    validation = probabilities(predictor.blended(before))
    classes = predictor.meta["classes"]
    sample = test.inputs[:2000]
    return Report(
        source=source,
        sizes=splits.sizes if not data else {**splits.sizes, "test": len(test)},
        validation=classification_figures(splits.validation.targets, validation)(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=sum(network.count_params() for network in predictor.networks.values()),
        inference_per_second=report.throughput(lambda: predictor.score(sample), len(sample)),
        failures=errors(test, shares[config.model], classes, 10).to_dict("records"),
        figures={
            "reliability": report.reliability_figure(
                test.targets, {name: values for name, values in shares.items() if name != "majority_class"}
            ),
            "confusion": report.confusion_figure(test.targets, shares[config.model].argmax(axis=1), classes),
        },
        tables={
            "errors": errors(test, shares[config.model], classes, 300),
            "confusions": confusions(test, shares[config.model], classes),
            "sample": sample_of(splits.train, classes),
            **({"ngrams": telling(predictor, splits.train)} if "bag" in predictor.networks else {}),
        },
        notes=[
            f"Texts are taken as a sequence of {predictor.meta['unit']}s.",
            f"Log-odds are divided by a temperature of {predictor.meta['temperature']:.2f}, chosen on validation.",
        ],
    )


def baselines(splits: Splits) -> dict[str, Scorer]:
    """The naive rule and the strongest cheap models over hashed n-grams, tuned on validation: 4 and 3 settings."""
    from scipy.sparse import csr_matrix
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB

    unit, classes = splits.meta["unit"], len(splits.meta["classes"])

    def counted(texts: Sequence[str]) -> csr_matrix:
        found = bags([normalise(text) for text in texts], {unit: BASELINE_ORDERS[unit]}, BASELINE_BUCKETS)
        return csr_matrix((np.ones(len(found.ids), "float32"), found.ids, found.starts), (len(found), BASELINE_BUCKETS))

    train = counted(splits.train.inputs)
    kept = np.flatnonzero(np.bincount(train.indices, minlength=BASELINE_BUCKETS) >= 2)  # as min_df=2

    def matrix(texts: Sequence[str]) -> csr_matrix:
        return counted(texts)[:, kept]

    train, validation = train[:, kept], matrix(splits.validation.inputs)
    weighting = TfidfTransformer().fit(train)
    frequency = np.bincount(splits.train.targets, minlength=classes) / len(splits.train)

    def best(models, prepare):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # its steps are a budget
            fitted = [model.fit(prepare(train), splits.train.targets) for model in models]
        chosen = max(fitted, key=lambda model: model.score(prepare(validation), splits.validation.targets))
        return lambda texts: chosen.predict_proba(prepare(matrix(texts)))

    return {
        "majority_class": lambda texts: np.tile(frequency, (len(texts), 1)),
        "naive_bayes": best((MultinomialNB(alpha=alpha) for alpha in (0.03, 0.1, 0.3, 1.0)), lambda counts: counts),
        "tfidf_logistic_regression": best(
            (LogisticRegression(C=strength, max_iter=STEPS) for strength in (1.0, 10.0, 100.0)),
            weighting.transform,
        ),
    }


def parts_alone(
    names: list[str], outputs: np.ndarray, before: np.ndarray, targets: np.ndarray
) -> dict[str, np.ndarray]:
    """Probabilities of each network of an ensemble by itself: what the ensemble has to be better than.

    outputs, before: log-odds (networks, texts, classes) of the test and of validation, whose `targets` choose each
    network's own temperature.
    """
    if len(names) == 1:
        return {}
    return {
        f"{name}_alone": probabilities(own / best_temperature(earlier, targets))
        for name, own, earlier in zip(names, outputs, before.astype(float), strict=True)
    }


def errors(split: Split, shares: np.ndarray, classes: list[str], count: int) -> pd.DataFrame:
    """The most confident errors, the surest first."""
    answers = shares.argmax(axis=1)
    wrong = np.flatnonzero(answers != split.targets)
    rows = wrong[np.argsort(-shares[wrong, answers[wrong]], kind="stable")][:count]
    return pd.DataFrame(
        {
            "text": [_shortened(split.inputs[row]) for row in rows],
            "truth": [classes[split.targets[row]] for row in rows],
            "answer": [classes[answers[row]] for row in rows],
            "probability": shares[rows, answers[rows]],
        }
    )


def confusions(split: Split, shares: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """The pairs of classes that are taken for each other, the most frequent first."""
    pairs = pd.DataFrame({"truth": split.targets, "answer": shares.argmax(axis=1)})
    pairs = pairs[pairs["truth"] != pairs["answer"]].value_counts().reset_index(name="count").head(100)
    return pairs.assign(**{name: pairs[name].map(classes.__getitem__) for name in ("truth", "answer")})


def sample_of(train: Split, classes: list[str], count: int = 600) -> pd.DataFrame:
    """Training texts to look at, as many of each class."""
    each = max(1, count // len(classes))
    rows = np.concatenate([np.flatnonzero(train.targets == label)[:each] for label in range(len(classes))])
    return pd.DataFrame(
        {
            "text": [_shortened(train.inputs[row]) for row in rows],
            "class": [classes[train.targets[row]] for row in rows],
        }
    )


def telling(predictor: Predictor, train: Split, each: int = 15, most: int = 4000) -> pd.DataFrame:
    """The n-grams that speak loudest for each class over the training texts, spelled from the first `most` texts.

    effect: ratio times weight, what the n-gram adds to the log-odds before division by the text's length; texts: how
    many training texts hold it. Ranked by their product.
    """
    meta = predictor.meta
    ratios, weights = (
        np.asarray(predictor.networks["bag"].get_layer(name).embeddings) for name in ("ratios", "weights")
    )
    effects, texts = ratios * weights, train.inputs[:: max(1, len(train) // most)]
    effects = np.hstack([-effects, effects]) if effects.shape[1] == 1 else effects
    counts = np.bincount(encode(texts, meta, "bag").ids, minlength=meta["buckets"])
    counts[EVERY] = 0
    top = np.argsort(-effects * counts[:, None], axis=0)[:each]
    names = spelled([normalise(text) for text in texts], meta["orders"], meta["buckets"], np.unique(top))
    rows = [
        {"class": name, "ngram": names[bucket], "effect": effects[bucket, k], "texts": counts[bucket]}
        for k, name in enumerate(meta["classes"])
        for bucket in top[:, k]
        if bucket in names and effects[bucket, k] > 0
    ]
    return pd.DataFrame(rows, columns=["class", "ngram", "effect", "texts"])


def _shortened(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
