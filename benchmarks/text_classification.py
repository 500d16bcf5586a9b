"""Text classification beside what one would use instead, and the ten folds of a set without an official test part.

    python -m benchmarks.text_classification speed --data imdb --data-dir FOLDER [--texts 2000]
    python -m benchmarks.text_classification folds --data rt_polarity --data-dir FOLDER [--model bag]

speed: texts a second of the bag, from raw text, in training and in answering, and the latency of one text, beside
scikit-learn's TF-IDF pipeline; an epoch of the recurrent networks beside stock Keras layers; and which share of the
computed positions is padding with buckets of length and without. folds: accuracy and MCC over ten folds, each trained
by the project's own `train`.
"""

import argparse
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """The median of some calls, after one that is not counted."""
    call()
    spent = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return float(np.median(spent))


def speed(data: str, data_dir: Path, texts: int) -> None:
    """The table of times; `texts` of the training split are used, so that it takes minutes."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from projects.text_classification.config import Config
    from projects.text_classification.data import load_data
    from projects.text_classification.model import build_models, start_from_naive_bayes
    from projects.text_classification.predict import Predictor

    config = Config(model="ensemble", partner="lstm")
    splits = load_data(config, data, data_dir)
    # Spread over the file, which may hold one class after the other.
    chosen = np.unique(np.linspace(0, len(splits.train) - 1, texts).astype(int))
    split = dataclasses.replace(
        splits.train,
        inputs=[splits.train.inputs[i] for i in chosen],
        targets=np.asarray(splits.train.targets)[chosen],
        weights=np.ones(len(chosen)),
        units=None,
    )
    rows, unit = len(split), splits.meta["unit"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{rows:,} texts of {data} in {unit}s; {cores} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | ours | beside | ratio (over 1: ours is faster) |\n|---|---:|---:|---:|", flush=True)

    def line(what: str, ours: float, other: float, label: str, scale: float = 1.0, kind: str = "s") -> None:
        print(
            f"| {what} | {ours * scale:.3g} {kind} | {label} {other * scale:.3g} {kind} | {other / ours:.2f} |",
            flush=True,
        )

    def bag_epoch() -> Predictor:
        models = build_models(dataclasses.replace(config, model="bag"), splits.meta)
        predictor = Predictor(models, {**splits.meta, "mix": 0.0, "temperature": 1.0})
        train = predictor.encode_split(split, "bag")
        start_from_naive_bayes(models["bag"], train)
        models["bag"].fit(train.shuffled(config.batch_size, 0), epochs=5, shuffle=False, verbose=0)
        return predictor

    analyzer, ngrams = ("word", (1, 3)) if unit == "word" else ("char_wb", (1, 5))
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer=analyzer, ngram_range=ngrams, binary=True, min_df=2), LogisticRegression(C=10.0)
    )
    predictor = bag_epoch()
    pipeline.fit(split.inputs, split.targets)
    label = "scikit-learn's pipeline"
    line("train the bag, 5 epochs, from raw text", seconds(bag_epoch, 1), seconds(lambda: pipeline.fit(split.inputs, split.targets), 1), label)  # fmt: skip # noqa: E501
    line("answer all texts", seconds(lambda: predictor.score(split.inputs)), seconds(lambda: pipeline.predict_proba(split.inputs)), label)  # fmt: skip # noqa: E501
    one = [split.inputs[0]]
    line("answer one text", seconds(lambda: predictor.score(one), 20), seconds(lambda: pipeline.predict_proba(one), 20), label, 1000, "ms")  # fmt: skip # noqa: E501

    for kind in ("simple_rnn", "gru", "lstm"):
        small = dataclasses.replace(config, model=kind)
        stock = build_models(small, splits.meta)[kind]
        fast = Predictor(build_models(small, splits.meta), splits.meta)
        train = fast.encode_split(split, kind).shuffled(config.batch_size, 0)

        def epoch(model, train=train):
            return lambda: model.fit(train, shuffle=False, verbose=0)

        line(
            f"an epoch of the {kind}",
            seconds(epoch(fast.networks[kind]), 1),
            seconds(epoch(stock), 1),
            "stock Keras layers",
        )

    lengths = train.rows.lengths
    bucketed = sum(train.width_of(batch) * len(batch) for batch in train.batches)
    print(f"\npadding: {1 - lengths.sum() / bucketed:.1%} of the computed positions with buckets of length, ", end="")
    print(
        f"{1 - lengths.mean() / lengths.max():.1%} without; {1 - bucketed / (len(lengths) * lengths.max()):.1%} saved"
    )


def folds(data: str, data_dir: Path, model: str, runs_dir: Path) -> None:
    """A table with a line a fold, and mean and standard deviation."""
    from common import cli, runs
    from common.project import Project

    project = Project("text_classification")
    print("| fold | accuracy | MCC | naive Bayes | TF-IDF logistic regression | seconds |")
    print("|---:|---:|---:|---:|---:|---:|")
    table = []
    for fold in range(1, 11):
        config = project.config_class(model=model, fold=fold)
        content = cli.train_run(runs.start(project, config, data, data_dir, runs_dir))
        test = content["test"]
        figures = [test["model"][name]["value"] for name in ("accuracy", "mcc")]
        figures += [
            test["baselines"][name]["accuracy"]["value"] for name in ("naive_bayes", "tfidf_logistic_regression")
        ]
        table.append([*figures, content["timing"]["total_seconds"]])
        print(
            f"| {fold} | " + " | ".join(f"{value:.4f}" for value in table[-1][:-1]) + f" | {table[-1][-1]:.0f} |",
            flush=True,
        )
    for name, values in (("mean", np.mean(table, axis=0)), ("deviation", np.std(table, axis=0, ddof=1))):
        print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in values[:-1]) + f" | {values[-1]:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "folds"))
    parser.add_argument("--data", default="builtin", choices=("builtin", "imdb", "nsmc", "rt_polarity", "sms_spam"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--model", default="bag")
    parser.add_argument("--runs-dir", type=Path, help="keep the runs of the folds here")
    args = parser.parse_args()

    from common import cli

    cli.start_keras()
    if args.what == "speed":
        speed(args.data, args.data_dir, args.texts)
    else:
        with tempfile.TemporaryDirectory() as folder:
            folds(args.data, args.data_dir, args.model, args.runs_dir or Path(folder))


if __name__ == "__main__":
    main()
