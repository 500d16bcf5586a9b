"""The shared parts beside what one would use instead, in one run, alternating; medians and ratios.

    python -m benchmarks.foundation [--repeats 5]

- start-up: `train --help` beside the import of TensorFlow alone
- bootstrap: 1,000 resamples of 60,000 rows, beside scikit-learn's average precision (20, scaled up)
- training: one epoch of the mlp through `common.training.fit` (exact validation figures, checkpoint synced to disk,
  history, progress), beside Keras' plain `model.fit` of the same network with Keras' own approximate metric
- scoring: rows a second of the mlp beside scikit-learn's histogram gradient boosting, one process, from raw columns
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import seconds


def compare(what: str, repeats: int, ours: Callable[[], float], other: Callable[[], float], label: str) -> None:
    """Print the medians in seconds and the median of the ratios, pair by pair."""
    pairs = np.array([(ours(), other()) for _ in range(repeats)])
    print(
        f"| {what} | {np.median(pairs[:, 0]):.2f} s | {label} {np.median(pairs[:, 1]):.2f} s "
        f"| {np.median(pairs[:, 1] / pairs[:, 0]):.2f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats

    from common import cli

    cli.start_keras()
    import keras
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import average_precision_score

    from common import runs, training
    from common.evaluation import score_table
    from common.project import Project
    from projects.fraud_detection.data import load_data
    from projects.fraud_detection.encoding import encode
    from projects.fraud_detection.metrics import ranking_figures, validation_score
    from projects.fraud_detection.model import build_model
    from projects.fraud_detection.predict import Predictor

    print("| what | ours | beside | ratio (over 1: ours is faster) |\n|---|---:|---:|---:|")

    def process(*arguments: str) -> Callable[[], float]:
        return lambda: seconds(lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True))

    command = process("-m", "projects.fraud_detection.train", "--help")
    compare("start-up: --help", repeats, command, process("-c", "import tensorflow"), "import tensorflow")

    random = np.random.default_rng(0)
    targets = (random.random(60_000) < 0.01).astype(int)
    scores, units = random.normal(size=60_000) + 2 * targets, random.integers(0, 5000, 60_000)
    ones = np.ones(60_000)
    figures = ranking_figures(targets, scores, 1.0, 0.9, 120, 5)
    compare(
        "bootstrap: five figures, 1,000 resamples of 60,000 rows",
        repeats,
        lambda: seconds(lambda: score_table(figures, {}, {}, ones, units)),
        lambda: 50 * seconds(lambda: [average_precision_score(targets, scores, sample_weight=ones) for _ in range(20)]),
        "scikit-learn, average precision alone",
    )

    project = Project("fraud_detection")
    config = dataclasses.replace(project.config_class(), epochs=1)
    splits = load_data(config, "builtin", Path())
    predictor = Predictor({"model": build_model(config, splits.meta)}, {**splits.meta, "threshold": 0.0})
    train, validation = predictor.encode_split(splits.train), predictor.encode_split(splits.validation)
    ours, plain = build_model(config, splits.meta), build_model(config, splits.meta)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    plain.compile(keras.optimizers.Adam(1e-3), loss, weighted_metrics=[keras.metrics.AUC(curve="PR", from_logits=True)])

    def fit_ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = runs.start(project, config, "builtin", Path(folder), Path(folder))
            training.fit(ours, train, validation, config, run, score=validation_score(splits.validation, config))

    def fit_plain() -> None:
        plain.fit(*train, validation_data=validation, batch_size=config.batch_size, verbose=0)

    fit_ours(), fit_plain()  # the first call of each builds its functions
    what = f"training: an epoch of {len(splits.train):,} rows, {len(splits.validation):,} validated"
    compare(what, repeats, lambda: seconds(fit_ours), lambda: seconds(fit_plain), "plain model.fit")

    booster = HistGradientBoostingClassifier().fit(encode(splits.train.inputs, splits.meta), splits.train.targets)
    rows = splits.train.inputs
    compare(
        f"scoring {len(rows):,} rows",
        repeats,
        lambda: seconds(lambda: predictor.score(splits.train)),
        lambda: seconds(lambda: booster.decision_function(encode(rows, splits.meta))),
        "histogram gradient boosting",
    )


if __name__ == "__main__":
    main()
