"""Baselines and figures; the only file that opens the test split.

python -m projects.translation.evaluate --run best
python -m projects.translation.evaluate --run best --data new_pairs.tsv
"""

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
from common.files import file_sha256
from common.report import Report
from common.runs import Run
from projects.translation.data import files_of, labelled
from projects.translation.ibm import MAX_LINKS, STEPS, WordTranslation
from projects.translation.metrics import directions, figures, sentence_chrf
from projects.translation.predict import Predictor

NEIGHBOURS = 20_000  # training sentences among which the nearest one is looked for: the first ones
NGRAMS = (1, 4)  # lengths of the runs of letters by which two sentences are compared
BINS = 6  # bins of the source's length, each with about as many sentences
SAMPLE = 256  # sentences on which the speed is measured

Translator = Callable[[Sequence[str]], list[str]]


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on new pairs."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    source = splits.source
    if data:  # read first: a wrong file is refused before anything is fitted
        path = Path(data)
        test, looks = labelled(path, predictor.meta), 1
        source = scored_on(path, source, file_sha256(files_of(path)[0]), "sentence")
    translators = baselines(splits)  # fitted before the test split is opened
    if not data:
        test, looks = splits.open_test(run)
    translations = {config.model: predictor.translate(test.inputs)}
    translations |= {name: translate(test.inputs) for name, translate in translators.items()}
    scored = {name: figures(texts, test.targets) for name, texts in translations.items()}
    metric = run.metric[0]
    model = scored.pop(config.model)
    table = score_table(model, scored, directions(metric), test.weights, test.units, seed=config.seed)
    chosen_by = figures(predictor.translate(splits.validation.inputs), splits.validation.targets)
    worst = errors(test, translations[config.model], 300)
    lengths = by_length(predictor, test, translations, metric)
    sample = list(test.inputs[:SAMPLE])
    return Report(
        source=source,
        sizes=splits.sizes if not data else {**splits.sizes, "test": len(test)},
        validation=chosen_by(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=directions(metric),
        parameters=sum(network.count_params() for network in predictor.networks.values()),
        inference_per_second=report.throughput(lambda: predictor.translate(sample), len(sample)),
        failures=worst.head(10).to_dict("records"),
        figures={"length": length_figure(lengths, metric)},
        tables={"errors": worst, "lengths": lengths, "sample": sample_of(splits.train)},
        notes=[
            f"Sentences are taken as sequences of {predictor.meta['unit']}s and written with a beam of {config.beam}.",
            "chrF and BLEU are sacrebleu's on raw text: chrF2, and BLEU with 13a tokens, case-sensitive, one reference"
            + ("; both sides in lower case." if predictor.meta["lower"] else "."),
            f"nearest_sentence: the translation of the nearest of the first {NEIGHBOURS:,} training sentences, by the "
            f"cosine of TF-IDF weights of {NGRAMS[0]} to {NGRAMS[1]} letters.",
            f"word_by_word: IBM model 1, {STEPS} steps, at most {MAX_LINKS:,} pairs of words; each word is replaced by "
            "its likeliest translation.",
        ],
    )


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Translator]:
    """The translation of the nearest training sentence, and word by word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    sources, targets = splits.train.inputs[:NEIGHBOURS], splits.train.targets[:NEIGHBOURS]
    weights = TfidfVectorizer(analyzer="char_wb", ngram_range=NGRAMS, min_df=2, sublinear_tf=True, dtype=np.float32)
    known = weights.fit_transform(sources).T.tocsr()
    words = WordTranslation(splits.train.inputs, splits.train.targets)

    def nearest(texts: Sequence[str]) -> list[str]:
        rows = weights.transform(texts)
        places = [(rows[i : i + 256] @ known).toarray().argmax(axis=1) for i in range(0, len(texts), 256)]
        return [targets[place] for place in np.concatenate(places)]

    return {"nearest_sentence": nearest, "word_by_word": lambda texts: [words.translate(text) for text in texts]}


def errors(split: Split, translations: Sequence[str], count: int) -> pd.DataFrame:
    """The translations that are least like their references: source, reference, translation, chrf."""
    chrf = sentence_chrf(translations, split.targets)
    wrong = [i for i in np.argsort(chrf, kind="stable") if translations[i] != split.targets[i]][:count]
    columns = {"source": split.inputs, "reference": split.targets, "translation": translations}
    frame = pd.DataFrame({name: [shortened(texts[i]) for i in wrong] for name, texts in columns.items()})
    return frame.assign(chrf=chrf[wrong])


def by_length(predictor: Predictor, split: Split, translations: dict[str, list[str]], metric: str) -> pd.DataFrame:
    """METRIC of each model for sources of similar length: columns from, to (symbols), sentences, and the models."""
    lengths = predictor.encode(split.inputs).lengths - 1  # the lengths without <eos>
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, BINS + 1)[1:]).round().astype(int))
    rows = []
    for number, edge in enumerate(edges):
        low = edges[number - 1] + 1 if number else int(lengths.min())
        inside = np.flatnonzero((lengths >= low) & (lengths <= edge))
        if len(inside):
            row: dict[str, Any] = {"from": low, "to": edge, "sentences": len(inside)}
            for name, texts in translations.items():
                part = figures([texts[i] for i in inside], [split.targets[i] for i in inside])
                row[name] = part(np.ones(len(inside)))[metric]
            rows.append(row)
    return pd.DataFrame(rows)


def length_figure(lengths: pd.DataFrame, metric: str) -> Any:
    """METRIC against the length of the source: what attention is for."""
    figure, axis = report.new_figure()
    middle = (lengths["from"] + lengths["to"]) / 2
    for name in lengths.columns[3:]:
        axis.plot(middle, lengths[name], marker=".", label=name.replace("_", " "))
    axis.set(xlabel="symbols of the source", ylabel=f"test {metric.replace('_', ' ')}", ylim=(0, None))
    axis.legend(frameon=False)
    return figure


def sample_of(train: Split, count: int = 600) -> pd.DataFrame:
    """About `count` training pairs for the page, from the whole split."""
    rows = np.unique(np.linspace(0, len(train) - 1, count).astype(int))
    return pd.DataFrame({"source": [train.inputs[i] for i in rows], "target": [train.targets[i] for i in rows]})


def shortened(text: str, most: int = 400) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
