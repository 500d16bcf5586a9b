"""The speed of text classification beside that of common alternatives, and ten-fold cross-validation.

    python -m benchmarks.text_classification speed --data imdb --data-dir FOLDER [--texts 2000]
    python -m benchmarks.text_classification languages [--runs-dir FOLDER]
    python -m benchmarks.text_classification development [--runs-dir FOLDER]
    python -m benchmarks.text_classification folds --data rt_polarity --data-dir FOLDER [--model bag]

languages: the best finished run of the default beside py3langid (Lui & Baldwin 2012), restricted to the same 30
languages: accuracy with 95 % intervals (Wilson 1927) on the run's test and on the sentences of tests/sentences.py, also
without accents and punctuation, and how many come with a caution. These intervals take each sentence for independent;
the report has those of the test over concepts. development: the same on the sentences of
tests/development_sentences.py alone, to choose data by.
speed: the time that the bag takes to train and to answer, from raw text, beside scikit-learn's TF-IDF pipeline; an
epoch of the recurrent networks beside stock Keras layers; the fraction of the computed positions that is padding, with
buckets of length and without. folds: accuracy and MCC over ten folds, for sets without an official test part. Each fold
is trained by the project's own `train`.
"""

import argparse
import dataclasses
import os
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import median_seconds

PIPELINE = "scikit-learn's pipeline"


def row(what: str, ours: float, label: str, other: float) -> None:
    """Print a line of the table; the times are in seconds."""
    cells = [f"{value:.3g} s" if value >= 0.05 else f"{1000 * value:.3g} ms" for value in (ours, other)]
    print(f"| {what} | {cells[0]} | {label} {cells[1]} | {other / ours:.2f} |", flush=True)


def speed(data: str, data_dir: Path, texts: int) -> None:
    """Print the table of times on `texts` texts of the training split."""
    from common.project import Project
    from projects.text_classification.config import Config

    config = Config(model="ensemble", partner="lstm")
    splits = Project("text_classification").load_data(data)(config, data, data_dir)
    # Spread over the file, because it may hold one class after the other.
    chosen = np.unique(np.linspace(0, len(splits.train) - 1, texts).astype(int))
    split = dataclasses.replace(
        splits.train,
        inputs=[splits.train.inputs[i] for i in chosen],
        targets=np.asarray(splits.train.targets)[chosen],
        weights=np.ones(len(chosen)),
        units=None,
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    unit = splits.meta["unit"]
    print(f"{len(split):,} texts of {data} in {unit}s; {cores} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | ours | beside | ratio (over 1: ours is faster) |\n|---|---:|---:|---:|", flush=True)
    speed_of_bag(config, splits.meta, split)
    speed_of_recurrent(config, splits.meta, split)


def speed_of_bag(config, meta: dict, split) -> None:
    """Training and answering of the bag, from raw text, beside scikit-learn's pipeline."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from projects.text_classification.model import build_models, start_from_naive_bayes
    from projects.text_classification.predict import Predictor

    def trained() -> Predictor:
        models = build_models(dataclasses.replace(config, model="bag"), meta)
        predictor = Predictor(models, {**meta, "mix": 0.0, "temperature": 1.0})
        train = predictor.encode_split(split, "bag", config.batch_size, seed=0)
        start_from_naive_bayes(models["bag"], meta["kinds"], train)
        models["bag"].fit(train, epochs=5, shuffle=False, verbose=0)
        return predictor

    analyzer, ngrams = ("word", (1, 3)) if meta["unit"] == "word" else ("char_wb", (1, 5))
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer=analyzer, ngram_range=ngrams, binary=True, min_df=2), LogisticRegression(C=10.0)
    )
    fitted = median_seconds(lambda: pipeline.fit(split.inputs, split.targets), 1)
    row("train the bag, 5 epochs, from raw text", median_seconds(trained, 1), PIPELINE, fitted)
    predictor = trained()
    for what, texts, repeats in (("answer all texts", split.inputs, 3), ("answer one text", split.inputs[:1], 20)):
        ours = median_seconds(lambda texts=texts: predictor.score(texts), repeats)
        row(what, ours, PIPELINE, median_seconds(lambda texts=texts: pipeline.predict_proba(texts), repeats))


def speed_of_recurrent(config, meta: dict, split) -> None:
    """An epoch of each recurrent network beside stock Keras layers, and the fraction of padding."""
    from common.inputs.sequences import batch_width
    from projects.text_classification.model import build_models
    from projects.text_classification.predict import Predictor

    for kind in ("simple_rnn", "gru", "lstm"):
        small = dataclasses.replace(config, model=kind)
        stock = build_models(small, meta)[kind]
        predictor = Predictor(build_models(small, meta), meta)
        train = predictor.encode_split(split, kind, config.batch_size, seed=0)

        def epoch(model, train=train):
            return lambda: model.fit(train, shuffle=False, verbose=0)

        ours = median_seconds(epoch(predictor.networks[kind]), 1)
        row(f"an epoch of the {kind}", ours, "stock Keras layers", median_seconds(epoch(stock), 1))
    lengths = predictor.encode(split.inputs, kind).lengths
    bucketed = sum(batch_width(lengths, meta["limits"], batch) * len(batch) for batch in train.batches)
    unbucketed = len(lengths) * lengths.max()
    print(f"\npadding: {1 - lengths.sum() / bucketed:.1%} of the computed positions with buckets of length, ", end="")
    print(f"{1 - lengths.sum() / unbucketed:.1%} without; {1 - bucketed / unbucketed:.1%} of the positions saved")


def folds(data: str, data_dir: Path, model: str, runs_dir: Path) -> None:
    """Print a table with a line for each fold, and the mean and standard deviation over the folds."""
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


def languages(runs_dir: Path | None, development: bool) -> None:
    """Print a table with the accuracy of the network and of py3langid, on the test and on ordinary sentences."""
    import py3langid
    from scipy.stats import binomtest

    from common import runs
    from common.data import load_splits
    from common.project import Project
    from projects.text_classification.languages import LANGUAGES, without_accents, without_punctuation
    from tests.development_sentences import DEVELOPMENT
    from tests.sentences import FURTHER, SENTENCES, UNLISTED

    run = runs.find(Project("text_classification"), "best", runs_dir or runs.runs_dir())
    predictor, codes = run.load(), [{"nb": "no"}.get(code, code) for code in LANGUAGES]
    py3langid.set_languages(codes)
    rows = []
    judged = {"development": DEVELOPMENT} if development else {"further": FURTHER, "ordinary": SENTENCES}
    for what, pairs in judged.items():
        texts, names = zip(*pairs, strict=True)
        truth = np.array([list(LANGUAGES.values()).index(name) for name in names])
        plain = [without_accents(without_punctuation(text)) for text in texts]
        rows += [(f"{what} sentences", texts, truth), ("the same without accents and punctuation", plain, truth)]
    if not development:
        test, _ = load_splits(run.config, run).open_test(run)
        rows += [
            ("test", test.inputs, test.targets),
            ("languages not on the list", [text for text, _ in UNLISTED], None),
        ]
    print("| texts | number | the network | py3langid | with a caution |\n|---|---:|---:|---:|---:|")
    for name, inputs, targets in rows:
        scores, shares = predictor.score(inputs), ["", ""]
        flagged = (predictor.familiarity(inputs, scores) < 0).mean()
        if targets is not None:
            theirs = np.array([codes.index(py3langid.classify(text)[0]) for text in inputs])
            for place, answered in enumerate((scores.argmax(axis=1), theirs)):
                right = binomtest(int((answered == targets).sum()), len(targets))
                low, high = right.proportion_ci(method="wilson")
                shares[place] = f"{right.statistic:.3f} [{low:.3f}, {high:.3f}]"
        print(f"| {name} | {len(inputs):,} | {shares[0]} | {shares[1]} | {flagged:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("languages", "development", "speed", "folds"))
    parser.add_argument("--data", default="builtin", help="builtin, or the name of a standard set")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--model", default="bag")
    parser.add_argument(
        "--runs-dir",
        type=Path,
        help="of languages, development: where the run is; of folds: where they are kept (left out: they are removed)",
    )
    args = parser.parse_args()

    from common import cli

    cli.start_keras()
    if args.what in ("languages", "development"):
        languages(args.runs_dir, development=args.what == "development")
    elif args.what == "speed":
        speed(args.data, args.data_dir, args.texts)
    else:
        with tempfile.TemporaryDirectory() as folder:
            folds(args.data, args.data_dir, args.model, args.runs_dir or Path(folder))


if __name__ == "__main__":
    main()
