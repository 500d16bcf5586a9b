"""Baselines and figures; the only place that opens the test split.

python -m projects.image_classification.evaluate --run best
python -m projects.image_classification.evaluate --run best --data FOLDER
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Source, Split, Splits, load_splits
from common.evaluation import best_temperature, classification_figures, probabilities, score_table
from common.inputs.images import picture_text
from common.report import Report
from common.runs import Run
from projects.image_classification.data import Inputs, fingerprint, labelled
from projects.image_classification.predict import BATCH, Predictor, in_colour

DIRECTIONS = {"accuracy": "max", "macro_f1": "max", "mcc": "max", "ece": "min"}
BASELINE_SIDE = 32  # pixels: larger pictures are averaged down for the baselines
BASELINE_NUMBERS = 20_000_000  # pixels × pictures that the baselines learn from: seconds; of a larger set, a sample
SVC_PICTURES = 10_000  # more would take minutes
COMPONENTS = 50  # of the principal components, for the nearest neighbours and the support vector machine
NEIGHBOURS = (1, 3, 5)
GRID = (4, 6)  # the picture of the most confident errors
KEPT = 120  # errors and samples that the page can show

Scorer = Callable[[Inputs], np.ndarray]  # pictures -> probabilities (n, classes)


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on a folder of new pictures with the run's classes."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    scorers = baselines(splits)  # fitted and tuned before the test split is opened
    source, notes = (
        splits.source,
        [f"Log-odds are divided by {predictor.meta['temperature']:.2f}, chosen on validation."],
    )
    if (most := min(learnt := baseline_pictures(splits), SVC_PICTURES)) < len(splits.train):
        notes.append(
            f"Of {len(splits.train):,} training pictures the baselines learnt from {learnt:,}, drawn at random, the "
            f"support vector machine from {most:,}."
        )
    if data:
        test, left_out = labelled(Path(data), predictor.meta)
        looks, about = 1, f"Scored on {data}; trained on: {source.source}"
        source = Source(Path(data).name, about, fingerprint([test.inputs]), "picture")
        notes += [f"Left out: {'; '.join(left_out[:20])} ({len(left_out)} files)."] if left_out else []
    else:
        test, looks = splits.open_test(run)
    shares = {config.model: probabilities(predictor.score(test.inputs))}
    shares |= {name: score(test.inputs) for name, score in scorers.items()}
    model, *others = (classification_figures(test.targets, values) for values in shares.values())
    table = score_table(
        model, dict(zip(scorers, others, strict=True)), DIRECTIONS, test.weights, test.units, seed=config.seed
    )
    validation = probabilities(predictor.score(splits.validation.inputs))
    classes, answers = predictor.classes, shares[config.model].argmax(axis=1)
    wrong = errors(test, shares[config.model], predictor)
    sample = test.inputs[:BATCH]
    return Report(
        source=source,
        sizes=splits.sizes if not data else {**splits.sizes, "test": len(test)},
        validation=classification_figures(splits.validation.targets, validation)(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=predictor.networks["model"].count_params(),
        inference_per_second=report.throughput(lambda: predictor.score(sample), len(sample)),
        failures=wrong.drop(columns="picture").head(10).to_dict("records"),
        figures={
            "confusion": report.confusion_figure(test.targets, answers, classes),
            "recall": recall_figure(test, answers, classes),
            "reliability": report.reliability_figure(
                test.targets, {name: values for name, values in shares.items() if name != "majority"}
            ),
            **({"errors": errors_figure(wrong)} if len(wrong) else {}),
        },
        tables={
            "errors": wrong,
            "classes": by_class(test, answers, classes),
            "sample": sample_of(splits.train, predictor),
        },
        notes=notes,
    )


def features(inputs: Inputs, shape: list[int]) -> np.ndarray:
    """Pictures as the baselines see them: (n, numbers) float32 of 0 … 1, none larger than BASELINE_SIDE."""
    from projects.image_classification.stream import Pictures

    stream, parts = Pictures(inputs, None, shape, BATCH), []
    block = -(-shape[0] // BASELINE_SIDE)
    for start in range(0, len(inputs), BATCH):
        pixels = stream.pixels(np.arange(start, min(start + BATCH, len(inputs)))).astype("float32") / 255
        side = shape[0] // block * block
        cut = pixels[:, :side, :side].reshape(len(pixels), side // block, block, side // block, block, shape[2])
        parts.append(cut.mean(axis=(2, 4)).reshape(len(pixels), -1))
    return np.concatenate(parts)


def baselines(splits: Splits) -> dict[str, Scorer]:
    """The naive rule and the strongest cheap models on pixels, tuned on validation: two settings, three and three.

    Of a set with more than BASELINE_NUMBERS pixels they learn from a random sample, the support vector machine, whose
    time grows with the square, from at most SVC_PICTURES. The last ones are kept: `compare` asks for them once a model.
    """
    if not (_last and _last[0] is splits):
        _last[:] = splits, _fitted(splits)
    return _last[1]


_last: list[Any] = []  # splits, and the baselines that were fitted on them


def _fitted(splits: Splits) -> dict[str, Scorer]:
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    shape, classes = splits.meta["shape"], len(splits.meta["classes"])
    targets = np.asarray(splits.train.targets)
    frequency = np.bincount(targets, minlength=classes) / len(targets)
    rows = np.random.default_rng(0).permutation(len(targets))[: baseline_pictures(splits)]
    inputs = splits.train.inputs
    seen = features(inputs[rows] if isinstance(inputs, np.ndarray) else [inputs[i] for i in rows], shape)
    reduced = PCA(min(COMPONENTS, *seen.shape), random_state=0).fit(seen)
    labels, small = targets[rows], reduced.transform(seen)
    chosen_by, held_out = features(splits.validation.inputs, shape), np.asarray(splits.validation.targets)
    small_chosen_by = reduced.transform(chosen_by)

    def best(models: list[Any], numbers: np.ndarray) -> Any:
        return max(models, key=lambda model: model.score(numbers, held_out))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its 60 rounds are a budget
        linear = best(
            [LogisticRegression(C=c, max_iter=60, tol=1e-3).fit(seen, labels) for c in (0.01, 1.0)], chosen_by
        )
    neighbours = best(
        [KNeighborsClassifier(k, algorithm="brute").fit(small, labels) for k in NEIGHBOURS if k <= len(labels)],
        small_chosen_by,
    )
    few = slice(SVC_PICTURES)  # the rows are in random order
    machine = best([SVC(C=c).fit(small[few], labels[few]) for c in (1.0, 3.0, 10.0)], small_chosen_by)

    def log_odds(numbers: np.ndarray) -> np.ndarray:
        found = machine.decision_function(numbers)
        return np.stack([-found, found], axis=1) if found.ndim == 1 else found

    temperature = best_temperature(log_odds(small_chosen_by), held_out)  # its margins are no log-odds as they come

    def components(inputs: Inputs) -> np.ndarray:
        return reduced.transform(features(inputs, shape))

    return {
        "majority": lambda inputs: np.tile(frequency, (len(inputs), 1)),
        "logistic_regression": lambda inputs: linear.predict_proba(features(inputs, shape)),
        "nearest_neighbours": lambda inputs: neighbours.predict_proba(components(inputs)),
        "svc": lambda inputs: probabilities(log_odds(components(inputs)) / temperature),
    }


def baseline_pictures(splits: Splits) -> int:
    """How many training pictures the baselines learn from."""
    height, _, channels = splits.meta["shape"]
    side = height // -(-height // BASELINE_SIDE)
    return min(len(splits.train), BASELINE_NUMBERS // (side * side * channels))


def errors(split: Split, shares: np.ndarray, predictor: Predictor, most: int = KEPT) -> pd.DataFrame:
    """The most confident errors, the surest first: file or row, truth, answer, probability, and the picture (PNG)."""
    answers, targets = shares.argmax(axis=1), np.asarray(split.targets)
    wrong = np.flatnonzero(answers != targets)
    rows = wrong[np.argsort(-shares[wrong, answers[wrong]], kind="stable")][:most]
    return pd.DataFrame(
        {
            "file": [_name(split, row) for row in rows],
            "truth": [predictor.classes[k] for k in targets[rows]],
            "answer": [predictor.classes[k] for k in answers[rows]],
            "probability": shares[rows, answers[rows]],
            "picture": _pictures(split, rows, predictor),
        }
    )


def by_class(split: Split, answers: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """For each class: pictures in the test, recall, precision, and what it is most often taken for."""
    targets = np.asarray(split.targets)
    count = len(classes)
    table = np.bincount(targets * count + answers, minlength=count * count).reshape(count, count)
    right, others = np.diag(table), table - np.diag(np.diag(table))
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = right / table.sum(axis=1), right / table.sum(axis=0)
    return pd.DataFrame(
        {
            "class": classes,
            "pictures": table.sum(axis=1),
            "recall": recall,
            "precision": precision,
            "taken_for": [classes[row.argmax()] if row.any() else "" for row in others],
        }
    )


def sample_of(train: Split, predictor: Predictor, most: int = KEPT) -> pd.DataFrame:
    """Training pictures to look at, as many of each class."""
    targets, count = np.asarray(train.targets), len(predictor.classes)
    each = max(1, most // count)
    rows = np.concatenate([np.flatnonzero(targets == k)[:each] for k in range(count)])[: max(most, count)]
    return pd.DataFrame(
        {"class": [predictor.classes[k] for k in targets[rows]], "picture": _pictures(train, rows, predictor)}
    )


def _pictures(split: Split, rows: np.ndarray, predictor: Predictor) -> list[str]:
    from projects.image_classification.stream import Pictures

    stream = Pictures(split.inputs, None, predictor.meta["shape"], 1)
    return [picture_text(in_colour(stream.pixels(np.array([row]))[0])) for row in rows]


def _name(split: Split, row: int) -> str:
    if isinstance(split.inputs, np.ndarray):
        return f"row {row}"
    return f"{split.inputs[row].parent.name}/{split.inputs[row].name}"


def recall_figure(split: Split, answers: np.ndarray, classes: list[str]) -> Any:
    """Which share of each class was found, the worst first."""
    table = by_class(split, answers, classes).dropna(subset="recall").sort_values("recall", ascending=False)
    figure, axis = report.new_figure(width=5.5, height=float(np.clip(0.3 * len(table) + 1, 3, 12)))
    bars = axis.barh(table["class"], table["recall"], color=report.COLOURS[0])
    axis.bar_label(bars, [f"{value:.3f}" for value in table["recall"]], padding=3, fontsize=8)
    axis.set(xlabel="recall", xlim=(0, 1.12))
    axis.set_xticks(np.linspace(0, 1, 6))
    return figure


def errors_figure(wrong: pd.DataFrame) -> Any:
    """The most confident errors as pictures: truth, answer and how sure it was."""
    from common.inputs.images import text_picture

    rows, columns = GRID
    rows = min(rows, -(-len(wrong) // columns))
    figure, axes = report.new_figure(columns=columns, rows=rows, width=1.5, height=1.75)
    for axis in np.ravel(axes):
        axis.axis("off")
    for axis, line in zip(np.ravel(axes), wrong.itertuples(), strict=False):
        axis.imshow(text_picture(line.picture))
        axis.set_title(f"{line.truth} → {line.answer}\n{line.probability:.0%}", fontsize=8)
    return figure


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
