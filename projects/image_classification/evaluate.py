"""Baselines and test figures. Only this file opens the test split.

python -m projects.image_classification.evaluate --run best
python -m projects.image_classification.evaluate --run best --data FOLDER
"""

import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, Splits, load_splits, scored_on
from common.evaluation import best_temperature, classification_figures, confidence, score_table, softmax
from common.inputs.folders import left_out_words
from common.inputs.images import picture_text, text_picture
from common.report import Report
from common.runs import Run
from projects.image_classification.data import fingerprint, load_labelled
from projects.image_classification.encoding import Inputs, in_colour, pixels
from projects.image_classification.familiarity import foreign_pictures
from projects.image_classification.predict import BATCH, Predictor

DIRECTIONS = {"accuracy": "max", "macro_f1": "max", "mcc": "max", "ece": "min"}
BASELINE_SIDE = 32  # pixels; the baselines see larger pictures averaged down
BASELINE_NUMBERS = 20_000_000  # pixels × pictures that the baselines learn from; of a larger set they take a sample
SVC_PICTURES = 10_000  # more would take the support vector machine minutes
COMPONENTS = 50  # principal components for the nearest neighbours and the support vector machine
NEIGHBOURS = (1, 3, 5)
GRID = (4, 6)  # rows and columns of the figure with the most confident errors
MAX_TABLE = 120  # errors and samples that the page can show

Scorer = Callable[[Inputs], np.ndarray]  # pictures -> probabilities (n, classes)


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on a folder of new pictures with the run's classes."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    source, temperature = splits.source, predictor.meta["temperature"]
    notes = [f"Logits are divided by {temperature:.2f}, chosen on validation."]
    if data:  # read first: a wrong folder is refused before anything is fitted
        test, left_out = load_labelled(Path(data), predictor.meta)
        looks, source = 1, scored_on(Path(data), source, fingerprint([test.inputs]), "picture")
        notes[-1] = notes[-1][:-1] + left_out_words(left_out) + "."
    scorers = baselines(splits)  # fitted and tuned before the test split is opened
    total, count = len(splits.train), baseline_pictures(splits)
    if (few := min(count, SVC_PICTURES)) < total:
        notes.append(
            f"Of {total:,} training pictures the baselines learnt from {count:,}, drawn at random, the support vector "
            f"machine from {few:,}."
        )
    if not data:
        test, looks = splits.open_test(run)
    scores = {config.model: softmax(predictor.score(test.inputs))}
    scores |= {name: score(test.inputs) for name, score in scorers.items()}
    model, *others = (classification_figures(test.targets, values) for values in scores.values())
    named = dict(zip(scorers, others, strict=True))
    table = score_table(model, named, DIRECTIONS, test.weights, test.units, seed=config.seed)
    validation = softmax(predictor.score(splits.validation.inputs))
    classes, answers = predictor.classes, scores[config.model].argmax(axis=1)
    errors, by_class = errors_table(test, scores[config.model], predictor), classes_table(test, answers, classes)
    figures = {
        "confusion": report.confusion_figure(test.targets, answers, classes),
        "recall": recall_figure(by_class),
        "reliability": report.reliability_figure(
            {name: confidence(test.targets, values) for name, values in scores.items() if name != "majority"}
        ),
    }
    foreign = {
        kind: np.concatenate([predictor.encode({"picture": picture}) for picture in pictures])
        for kind, pictures in foreign_pictures().items()
    }
    familiarity = {kind: predictor.familiarity(inputs) for kind, inputs in {"test": test.inputs, **foreign}.items()}
    cautions = report.caution_table(predictor.meta["familiar"]["limit"], familiarity)
    basis = "the last layer's input is farther from the nearest class mean than that of nearly all validation pictures"
    notes.append(report.caution_note(f"{basis} (Mahalanobis distance)", cautions))
    batch = test.inputs[:BATCH]
    return Report(
        source=source,
        sizes=splits.sizes if not data else {**splits.sizes, "test": len(test)},
        validation=classification_figures(splits.validation.targets, validation)(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.score(batch), len(batch)),
        failures=errors.drop(columns="picture").head(10).to_dict("records"),
        figures=figures | ({"errors": errors_figure(errors)} if len(errors) else {}),
        tables={
            "errors": errors,
            "classes": by_class,
            "caution": cautions,
            "sample": sample_table(splits.train, predictor),
        },
        notes=notes,
    )


def features(inputs: Inputs, shape: list[int], rows: np.ndarray | None = None) -> np.ndarray:
    """Pictures as the baselines see them: (n, numbers) float32, 0 … 1. Larger ones are averaged to BASELINE_SIDE."""
    rows = np.arange(len(inputs)) if rows is None else rows
    block = -(-shape[0] // BASELINE_SIDE)
    side, parts = shape[0] // block, []
    for start in range(0, len(rows), BATCH):
        x = pixels(inputs, rows[start : start + BATCH], shape)[:, : side * block, : side * block]
        x = x.astype("float32") / 255
        x = x.reshape(len(x), side, block, side, block, shape[2]).mean(axis=(2, 4))
        parts.append(x.reshape(len(x), -1))
    return np.concatenate(parts)


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Scorer]:
    """The naive rule and the strongest cheap classical models, tuned on validation: two settings, three and three.

    Of a set with more than BASELINE_NUMBERS pixels they learn from a random sample. The support vector machine learns
    from at most SVC_PICTURES, because its time grows with their square.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    shape, classes = splits.meta["shape"], len(splits.meta["classes"])
    targets = np.asarray(splits.train.targets)
    frequencies = np.bincount(targets, minlength=classes) / len(targets)
    rows = np.random.default_rng(0).permutation(len(targets))[: baseline_pictures(splits)]
    x, y = features(splits.train.inputs, shape, rows), targets[rows]
    pca = PCA(min(COMPONENTS, *x.shape), random_state=0).fit(x)
    reduced = pca.transform(x)
    x_validation, y_validation = features(splits.validation.inputs, shape), np.asarray(splits.validation.targets)
    reduced_validation = pca.transform(x_validation)

    def best(models: list[Any], numbers: np.ndarray) -> Any:
        return max(models, key=lambda model: model.score(numbers, y_validation))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 60 iterations are the budget
        linear = best([LogisticRegression(C=c, max_iter=60, tol=1e-3).fit(x, y) for c in (0.01, 1.0)], x_validation)
    counts = [k for k in NEIGHBOURS if k <= len(y)]
    neighbours = best([KNeighborsClassifier(k, algorithm="brute").fit(reduced, y) for k in counts], reduced_validation)
    few = slice(SVC_PICTURES)  # the rows are in random order
    machine = best([SVC(C=c).fit(reduced[few], y[few]) for c in (1.0, 3.0, 10.0)], reduced_validation)

    def margins(numbers: np.ndarray) -> np.ndarray:
        margin = machine.decision_function(numbers)
        return np.stack([-margin, margin], axis=1) if margin.ndim == 1 else margin

    temperature = best_temperature(margins(reduced_validation), y_validation)  # margins become logits by it

    def components(inputs: Inputs) -> np.ndarray:
        return pca.transform(features(inputs, shape))

    return {
        "majority": lambda inputs: np.tile(frequencies, (len(inputs), 1)),
        "logistic_regression": lambda inputs: linear.predict_proba(features(inputs, shape)),
        "nearest_neighbours": lambda inputs: neighbours.predict_proba(components(inputs)),
        "svc": lambda inputs: softmax(margins(components(inputs)) / temperature),
    }


def baseline_pictures(splits: Splits) -> int:
    """How many training pictures the baselines learn from."""
    height, _, channels = splits.meta["shape"]
    side = height // -(-height // BASELINE_SIDE)
    return min(len(splits.train), BASELINE_NUMBERS // (side * side * channels))


def errors_table(split: Split, scores: np.ndarray, predictor: Predictor) -> pd.DataFrame:
    """The most confident errors, the most confident first: file or row, truth, answer, probability, picture (PNG)."""
    answers, targets = scores.argmax(axis=1), np.asarray(split.targets)
    wrong = np.flatnonzero(answers != targets)
    rows = wrong[np.argsort(-scores[wrong, answers[wrong]], kind="stable")][:MAX_TABLE]
    files = [f"row {row}" for row in rows]
    if not isinstance(split.inputs, np.ndarray):
        files = [f"{split.inputs[row].parent.name}/{split.inputs[row].name}" for row in rows]
    return pd.DataFrame(
        {
            "file": files,
            "truth": [predictor.classes[k] for k in targets[rows]],
            "answer": [predictor.classes[k] for k in answers[rows]],
            "probability": scores[rows, answers[rows]],
            "picture": _picture_texts(split, rows, predictor),
        }
    )


def classes_table(split: Split, answers: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """For each class: test pictures, recall, precision, and the class that it is most often taken for."""
    targets = np.asarray(split.targets)
    count = len(classes)
    table = np.bincount(targets * count + answers, minlength=count * count).reshape(count, count)
    correct, wrong = np.diag(table), table - np.diag(np.diag(table))
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = correct / table.sum(axis=1), correct / table.sum(axis=0)
    return pd.DataFrame(
        {
            "class": classes,
            "pictures": table.sum(axis=1),
            "recall": recall,
            "precision": precision,
            "taken_for": [classes[row.argmax()] if row.any() else "" for row in wrong],
        }
    )


def sample_table(train: Split, predictor: Predictor) -> pd.DataFrame:
    """About MAX_TABLE training pictures, the same number of each class: class, picture (PNG)."""
    targets, count = np.asarray(train.targets), len(predictor.classes)
    each = max(1, MAX_TABLE // count)
    rows = np.concatenate([np.flatnonzero(targets == k)[:each] for k in range(count)])
    return pd.DataFrame(
        {"class": [predictor.classes[k] for k in targets[rows]], "picture": _picture_texts(train, rows, predictor)}
    )


def _picture_texts(split: Split, rows: np.ndarray, predictor: Predictor) -> list[str]:
    shape = predictor.meta["shape"]
    return [picture_text(in_colour(pixels(split.inputs, [row], shape)[0])) for row in rows]


def recall_figure(table: pd.DataFrame) -> Any:
    """The recall of each class in a `classes_table`, the lowest first."""
    table = table.dropna(subset="recall").sort_values("recall", ascending=False)
    figure, axis = report.new_figure(width=5.5, height=float(np.clip(0.3 * len(table) + 1, 3, 12)))
    bars = axis.barh(table["class"], table["recall"], color=report.COLOURS[0])
    axis.bar_label(bars, [f"{value:.3f}" for value in table["recall"]], padding=3, fontsize=8)
    axis.set(xlabel="recall", xlim=(0, 1.12))
    axis.set_xticks(np.linspace(0, 1, 6))
    return figure


def errors_figure(errors: pd.DataFrame) -> Any:
    """The most confident errors as pictures: truth, answer and probability."""
    rows, columns = min(GRID[0], -(-len(errors) // GRID[1])), GRID[1]
    # One axis for all pictures: matplotlib's layout takes half a second for an axis each.
    figure, axis = report.new_figure(width=1.5 * columns, height=1.75 * rows)
    axis.axis("off")
    for number, line in enumerate(errors.head(rows * columns).itertuples()):
        y, x = divmod(number, columns)
        top, left = 1.3 * y, 1.1 * x
        axis.imshow(text_picture(line.picture), extent=(left, left + 1, top + 1, top))
        title = f"{line.truth} → {line.answer}\n{line.probability:.0%}"
        axis.text(left + 0.5, top - 0.05, title, ha="center", fontsize=8)
    axis.set(xlim=(0, 1.1 * columns - 0.1), ylim=(1.3 * rows - 0.3, -0.3))
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
