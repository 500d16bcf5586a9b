"""Baselines and figures; the only file that opens the test split.

python -m projects.image_captioning.evaluate --run best
python -m projects.image_captioning.evaluate --run best --data FOLDER
"""

import dataclasses
import textwrap
from collections import Counter
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
from common.inputs.images import picture_text, text_picture
from common.report import Report
from common.runs import Run
from projects.image_captioning.config import Config
from projects.image_captioning.data import fingerprint, labelled
from projects.image_captioning.encoding import Inputs, encode_captions, normalise, picture_stream, pixels
from projects.image_captioning.metrics import Rows, cider, directions, facts, figures, rows_of, split_figures, variety
from projects.image_captioning.predict import Predictor
from projects.image_captioning.scenes import FACTS

NEIGHBOURS = 6_000  # training pictures among which the nearest one is looked for: the first ones
BLIND_PICTURES, BLIND_EPOCHS = 2_000, 3  # the captions that the writer without a picture learns from
SIDE = 64  # pixels of a picture whose outlines are compared
BINS = 4  # bins of each colour in the histogram
WORST, SHOWN = 36, 8  # errors that the page can show, and those in the figure
SAMPLE = 64  # pictures on which the speed is measured

Writer = Callable[[Inputs, list[str]], list[str]]  # (pictures, languages) -> captions in the order of `rows_of`


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on a folder of new pictures with captions."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    source, in_scenes = splits.source, predictor.meta["scenes"] and not data
    if data:  # read first: a wrong file is refused before anything is fitted
        test, looks = labelled(Path(data), predictor.meta), 1
        source = scored_on(Path(data), source, fingerprint(test.inputs, test.targets), "picture")
    # Without what only the encoder and the run have: it does not change a writer without a picture.
    knobs = dataclasses.replace(config, width=1, epochs=1, patience=1, mirror=False, beam=1, backbone="none")
    writers: dict[str, Writer] = {config.model: predictor.captions, **baselines(splits)}
    writers["without_picture"] = blind_writer(splits, knobs)  # all are fitted before the test split is opened
    if not data:
        test, looks = splits.open_test(run)
    rows = rows_of(test.targets)
    texts = {name: write(test.inputs, list(test.targets[0])) for name, write in writers.items()}
    scored = {name: figures(part, rows.references, rows.languages, in_scenes) for name, part in texts.items()}
    ours, ways, weights = texts[config.model], directions(in_scenes), test.weights[rows.pictures]
    model = scored.pop(config.model)
    table = score_table(model, scored, ways, weights, rows.pictures, seed=config.seed)
    worst = errors(predictor, test, rows, ours, in_scenes)
    tables = {"errors": worst, "sample": sample_of(predictor, splits.train)}
    if in_scenes:
        tables["facts"] = by_fact(rows, ours)
    sample = pixels(test.inputs, np.arange(min(SAMPLE, len(test))), predictor.meta["shape"])
    languages = predictor.meta["languages"][:1]
    known = {text for row in rows_of(splits.train.targets).references for text in row}
    kinds = variety(ours, known)
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=split_figures(predictor.captions, splits.validation, predictor.meta["scenes"]),
        test={"unit": source.unit, "looks": looks, **table},
        directions=ways,
        parameters=sum(network.count_params() for network in predictor.networks.values()),
        inference_per_second=report.throughput(lambda: predictor.captions(sample, languages), len(sample)),
        failures=worst.drop(columns="picture").head(10).to_dict("records"),
        figures={"errors": error_figure(worst)},
        tables=tables,
        notes=[
            f"{len(ours):,} captions of {len(test):,} pictures were written with a beam of {config.beam}; "
            f"{kinds['distinct']:,} are different, and {kinds['new']:,} of these no training picture has.",
            "Captions are compared without capitals and punctuation. BLEU and chrF are sacrebleu's (13a tokens, "
            "chrF2). CIDEr-D is computed as its authors' code does, on words as they are.",
            "commonest_caption: the caption that most training pictures have.",
            f"nearest_picture: a caption of the nearest of the first {NEIGHBOURS:,} training pictures, by the cosine "
            f"of a histogram of colours ({BINS} × {BINS} × {BINS} bins) and of oriented gradients (HOG).",
            "without_picture: the same writer that is told nothing about the picture, trained for "
            f"{BLIND_EPOCHS} epochs on the captions of the first {BLIND_PICTURES:,} training pictures.",
        ],
    )


@lru_cache(maxsize=1)  # `compare` evaluates several models on the same splits
def baselines(splits: Splits) -> dict[str, Writer]:
    """The commonest caption, and a caption of the nearest training picture."""
    train, shape = splits.train, splits.meta["shape"]
    commonest = {
        language: Counter(normalise(text) for row in train.targets for text in row[language]).most_common(1)[0][0]
        for language in splits.meta["languages"]
    }
    known = features(train.inputs, np.arange(min(NEIGHBOURS, len(train))), shape)

    def nearest(inputs: Inputs, languages: list[str]) -> list[str]:
        rows = (features(inputs, np.arange(len(inputs)), shape) @ known.T).argmax(axis=1)
        return [normalise(train.targets[row][language][0]) for language in languages for row in rows]

    def fixed(inputs: Inputs, languages: list[str]) -> list[str]:
        return [commonest[language] for language in languages for _ in range(len(inputs))]

    return {"commonest_caption": fixed, "nearest_picture": nearest}


def features(inputs: Inputs, rows: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """What the pictures of these rows look like: (n, numbers) float32 of length 1, half of it colours, half outlines.

    Colours: the square roots of a histogram. Outlines: histograms of oriented gradients (Dalal & Triggs 2005).
    """
    from skimage.feature import hog
    from skimage.transform import resize

    result = []
    for row in rows:
        picture = pixels(inputs, [row], shape)[0]
        bins = (picture // (256 // BINS)).astype(int).reshape(-1, 3) @ [BINS * BINS, BINS, 1]
        colours = np.sqrt(np.bincount(bins, minlength=BINS**3))
        grey = picture.mean(axis=2)
        grey = grey if len(grey) == SIDE else resize(grey, (SIDE, SIDE), anti_aliasing=True)
        outlines = hog(grey, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
        parts = [part / max(float(np.linalg.norm(part)), 1e-9) for part in (colours, outlines)]
        result.append(np.concatenate(parts).astype(np.float32) / np.sqrt(2))
    return np.stack(result)


@lru_cache(maxsize=4)
def blind_writer(splits: Splits, config: Config) -> Writer:
    """The same writer that is told nothing about the picture. It writes one caption in each language."""
    from projects.image_captioning.model import build_model

    model = build_model(config, splits.meta, blind=True)
    count = min(BLIND_PICTURES, len(splits.train))
    ids = encode_captions(splits.train.targets[:count], splits.meta)
    blank = np.zeros((count, *splits.meta["shape"]), np.uint8)
    stream = picture_stream(blank, ids, splits.meta["shape"], config.batch_size, config.seed)
    for epoch in range(BLIND_EPOCHS):
        stream.epoch = epoch
        model.fit(stream, shuffle=False, verbose=0)
    predictor = Predictor({name: model.get_layer(name) for name in ("encoder", "decoder")}, dict(splits.meta))

    def write(inputs: Inputs, languages: list[str]) -> list[str]:
        captions = predictor.captions(blank[:1], languages, beam=1)
        return [caption for caption in captions for _ in range(len(inputs))]

    return write


def errors(predictor: Predictor, split: Split, rows: Rows, captions: Sequence[str], in_scenes: bool) -> pd.DataFrame:
    """The worst captions: picture (PNG in base64), language, caption, right_caption, score from 0 (bad) on."""
    if in_scenes:
        score = facts(captions, rows.references, rows.languages)[0].mean(axis=1)
    else:
        score = cider(captions, rows.references, rows.languages)
    table = []
    for row in np.argsort(score, kind="stable")[:WORST]:
        if not in_scenes or score[row] < 1:
            picture = pixels(split.inputs, [rows.pictures[row]], predictor.meta["shape"])[0]
            said = {"caption": captions[row], "right_caption": rows.references[row][0], "score": float(score[row])}
            table.append({"picture": picture_text(picture), "language": rows.languages[row], **said})
    return pd.DataFrame(table, columns=["picture", "language", "caption", "right_caption", "score"])


def error_figure(worst: pd.DataFrame) -> Any:
    """The worst captions with their pictures."""
    figure, axes = report.new_figure(SHOWN // 2, 2, 2.6, 3.2)
    for axis in np.ravel(axes):
        axis.axis("off")
    for axis, row in zip(np.ravel(axes), worst.head(SHOWN).to_dict("records"), strict=False):
        axis.imshow(text_picture(row["picture"]))
        axis.set_title("\n".join(textwrap.wrap(row["caption"], 28)), fontsize=8)
    return figure


def by_fact(rows: Rows, captions: Sequence[str]) -> pd.DataFrame:
    """The share of the captions in which each fact is right: columns fact, scenes, language, share, captions."""
    right, new = facts(captions, rows.references, rows.languages)
    table = []
    for language in dict.fromkeys(rows.languages):
        for kind in ("seen", "held_out"):
            inside = (np.array(rows.languages) == language) & (new == (kind == "held_out"))
            values = {**dict(zip(FACTS, (right[inside] == 1).mean(axis=0), strict=True))}
            values["all"] = (right[inside] == 1).all(axis=1).mean()
            table += [
                {"fact": fact, "scenes": kind, "language": language, "share": share, "captions": int(inside.sum())}
                for fact, share in values.items()
            ]
    return pd.DataFrame(table)


def sample_of(predictor: Predictor, train: Split, count: int = 24) -> pd.DataFrame:
    """A few training pictures with a caption in each language for the page."""
    rows = np.unique(np.linspace(0, len(train) - 1, count).astype(int))
    pictures = pixels(train.inputs, rows, predictor.meta["shape"])
    texts = [" | ".join(texts[0] for texts in train.targets[row].values()) for row in rows]
    return pd.DataFrame({"picture": [picture_text(picture) for picture in pictures], "captions": texts})


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
