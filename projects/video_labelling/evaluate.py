"""Baselines and figures; the only file that opens the test split.

python -m projects.video_labelling.evaluate --run best
python -m projects.video_labelling.evaluate --run best --data films
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from common import report
from common.cli import evaluate_command
from common.data import Split, Splits, load_splits, scored_on
from common.evaluation import confidence, score_table
from common.report import Report
from common.runs import Run
from common.scenery import piece_of_photograph
from projects.video_labelling.data import labelled
from projects.video_labelling.encoding import SIDE, UNLABELLED, segments
from projects.video_labelling.metrics import DIRECTIONS, delays, figures

BLOCKS = 8  # rows and columns of blocks in which a frame is compared with the one before it
LAGS = (-2, -1, 0, 1, 2)  # frames around a frame whose differences the boosting sees
MOST_ROWS = 20_000  # frames that the boosting learns from
CUT = 30.0  # mean difference of two frames, of 255, from which on there is a cut
WORST = 5
STRIP = 24  # frames of a strip

Labeller = Callable[[np.ndarray], dict[str, np.ndarray]]


def evaluate(run: Run, data: str | None = None) -> Report:
    """Score the run and its baselines on the test split, or on new labelled films."""
    config, predictor = run.config, run.load()
    splits = load_splits(config, run)
    source, names = splits.source, splits.meta["labels"]
    if data:  # read first: a wrong folder is refused before anything is fitted
        (test, sha256), looks = labelled(Path(data), predictor.meta), 1
        source = scored_on(Path(data), source, sha256=sha256, unit=source.unit)
    labeller = baselines(splits)  # fitted before the test split is opened
    if not data:
        test, looks = splits.open_test(run)
    likely = predictor.probabilities(test.inputs)
    answers = {config.model: [rows.argmax(axis=-1) for rows in likely]}
    others = [labeller(film.pixels()) for film in test.inputs]
    answers |= {name: [other[name] for other in others] for name in others[0]}
    scored = {name: figures(given, test.targets) for name, given in answers.items()}
    table = score_table(scored.pop(config.model), scored, DIRECTIONS, test.weights, test.units, seed=config.seed)
    given = answers[config.model]
    wrong = [np.mean((a != t)[t != UNLABELLED]) for a, t in zip(given, test.targets, strict=True)]
    worst = np.argsort(wrong, kind="stable")[::-1][:WORST]
    foreign = {kind: predictor.familiarity(films) for kind, films in foreign_films(test).items()}
    limit, familiar = predictor.meta["caution_below"], np.array([rows.max(axis=-1).mean() for rows in likely])
    cautions = report.caution_table(limit, {"test": familiar, **foreign})
    late = [n for a, t in zip(given, test.targets, strict=True) for n in delays(a, t)]
    flat = [np.concatenate(part) for part in (test.targets, given)]
    known = flat[0] != UNLABELLED
    sure = confidence(flat[0][known], np.concatenate(likely)[known])
    sample = test.inputs[0].pixels()
    return Report(
        source=source,
        sizes={**splits.sizes, "test": len(test)},
        validation=predictor.figures(splits.validation)(splits.validation.weights),
        test={"unit": source.unit, "looks": looks, **table},
        directions=DIRECTIONS,
        parameters=sum(predictor.networks[name].count_params() for name in ("encoder", "labeller")),
        inference_per_second=report.throughput(lambda: predictor.logits([predictor.features(sample)]), len(sample)),
        failures=[failure(test, given, row, names) for row in worst],
        figures={
            **({"errors": strips(test, given, worst)} if splits.meta["shown"] else {}),
            "confusion": report.confusion_figure(flat[0][known], flat[1][known], names),
            "reliability": report.reliability_figure({config.model: sure}),
        },
        tables={
            "caution": cautions,
            "by_label": by_label(test, answers, names),
            "sample": sample_of(splits.train, names),
        },
        notes=[
            "commonest_label: the most frequent label of training.",
            f"differences: gradient boosting on the mean differences of {BLOCKS} × {BLOCKS} blocks between "
            f"neighbouring frames, {len(LAGS)} of them around each frame, at most {MOST_ROWS:,} training frames.",
            "shots: what `differences` says most often between two cuts; a cut is where two frames differ by "
            f"{CUT:.0f} of 255 on average.",
            f"After a change of label the answer is right after {np.mean(late) if late else 0:.1f} frames on average "
            f"({np.quantile(late, 0.9) if late else 0:.0f} at the 90th percentile).",
            report.calibration_note(*sure, predictor.meta["temperature"]),
            report.caution_note(f"the mean probability of its frames' labels is under {limit:.2f}", cautions),
            "Speed is in frames per second.",
        ],
    )


@lru_cache(maxsize=1)
def baselines(splits: Splits) -> Labeller:
    """The frames of a film (T, SIDE, SIDE, 3) -> {baseline: the number of each frame's label}.

    The commonest label; boosting on differences of blocks; the same with a majority in each shot.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    targets = np.concatenate(splits.train.targets)
    commonest = int(np.bincount(targets[targets != UNLABELLED]).argmax())
    rows, labels, count = [], [], 0
    for film in np.random.default_rng(0).permutation(len(splits.train)):
        known = splits.train.targets[film] != UNLABELLED
        rows.append(differences(splits.train.inputs[film].pixels())[known])
        labels.append(splits.train.targets[film][known])
        count += len(labels[-1])
        if count >= MOST_ROWS:
            break
    boosting = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, early_stopping=False, random_state=0)
    boosting.fit(np.concatenate(rows), np.concatenate(labels))

    def answers(pixels: np.ndarray) -> dict[str, np.ndarray]:
        answer = boosting.predict(differences(pixels))
        constant = np.full(len(pixels), commonest)
        return {"commonest_label": constant, "differences": answer, "shots": majority(pixels, answer)}

    return answers


def changes(pixels: np.ndarray) -> np.ndarray:
    """How much each block differs from the frame before: (T, SIDE, SIDE, 3) uint8 -> (T, BLOCKS²), 0 for the first."""
    grey = pixels.astype(np.float32).mean(axis=-1)
    steps = np.abs(np.diff(grey, axis=0, prepend=grey[:1]))
    side = SIDE // BLOCKS
    return steps.reshape(-1, BLOCKS, side, BLOCKS, side).mean(axis=(2, 4)).reshape(-1, BLOCKS * BLOCKS)


def differences(pixels: np.ndarray) -> np.ndarray:
    """The changes of each frame and of its neighbours: (T, BLOCKS² + 3 · LAGS).

    Around each frame: the sum of its changes, and where they are, across and down. The blocks of the frame itself.
    """
    steps = changes(pixels)
    total = steps.sum(axis=1)
    places = np.indices((BLOCKS, BLOCKS)).reshape(2, -1)
    across, down = (steps @ place / np.maximum(total, 1e-6) for place in places[::-1])
    summary = np.stack([total, across, down], axis=1)
    count = len(pixels)
    around = [summary[np.clip(np.arange(count) + lag, 0, count - 1)] for lag in LAGS]
    return np.concatenate([steps, *around], axis=1)


def majority(pixels: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """The most frequent answer between two cuts, for all frames between them."""
    shot = np.cumsum(changes(pixels).mean(axis=1) > CUT)
    answers = [answer[shot == i] for i in np.unique(shot)]
    return np.concatenate([np.full(len(part), np.bincount(part).argmax()) for part in answers])


class Foreign(NamedTuple):
    """A film that is in memory."""

    frames: np.ndarray

    def pixels(self) -> np.ndarray:
        """The frames (T, SIDE, SIDE, 3) uint8."""
        return self.frames


def foreign_films(test: Split, count: int = 50) -> dict[str, list[Foreign]]:
    """{kind: films} that no network here has learnt: noise, a camera that moves, frames in random order."""
    random, length = np.random.default_rng(0), 48
    films: dict[str, list[Foreign]] = {"noise": [], "a moving camera": [], "frames in random order": []}
    known = [film.pixels() for film in test.inputs[:count]]
    for number in range(count):
        films["noise"].append(Foreign(random.integers(0, 256, (length, SIDE, SIDE, 3), np.uint8)))
        photo = piece_of_photograph(SIDE + length, random, "train")
        films["a moving camera"].append(Foreign(np.stack([photo[i : i + SIDE, i : i + SIDE] for i in range(length)])))
        films["frames in random order"].append(Foreign(random.permutation(known[number % len(known)])))
    return films


def by_label(test: Split, answers: dict[str, list[np.ndarray]], names: list[str]) -> pd.DataFrame:
    """Columns label, frames, and for each model the fraction of these frames that it gets right."""
    target = np.concatenate(test.targets)
    table = {"label": names, "frames": np.bincount(target[target != UNLABELLED], minlength=len(names))}
    for name, given in answers.items():
        right = np.concatenate(given) == target
        table[name] = [right[target == i].mean() if (target == i).any() else np.nan for i in range(len(names))]
    return pd.DataFrame(table)


def failure(test: Split, answers: list[np.ndarray], row: int, names: list[str]) -> dict[str, Any]:
    """One film as a row of the worst errors."""
    answer, target = answers[row], test.targets[row]

    def said(labels: np.ndarray) -> str:
        return ", ".join(f"{names[label]} {end - begin}" for label, begin, end in segments(labels)[:12])

    wrong = float(np.mean((answer != target)[target != UNLABELLED]))
    return {"film": row, "wrong": wrong, "truth": said(target), "answer": said(answer)}


def strips(test: Split, answers: list[np.ndarray], rows: Sequence[int]) -> Any:
    """The worst films as strips of frames; below them the true labels and the answers, as bands in `report.COLOURS`.

    There are no words in it, so that a page shows it in any language and on any ground.
    """
    figure, axes = report.new_figure(rows=len(rows), width=11, height=1.25)
    figure.patch.set_alpha(0)
    for axis, row in zip(np.ravel(axes), rows, strict=True):
        pixels, target = test.inputs[row].pixels(), test.targets[row]
        shown = np.linspace(0, len(pixels) - 1, min(STRIP, len(pixels))).astype(int)
        axis.imshow(np.concatenate(list(pixels[shown]), axis=1), extent=(0, len(pixels), 1, 3), aspect="auto")
        for labels, height in ((target, 0.5), (answers[row], 0.0)):
            for label, begin, end in segments(labels):
                colour = report.COLOURS[label % len(report.COLOURS)]
                axis.barh(height, end - begin, 0.45, begin, align="edge", color=colour)
        axis.set(xlim=(0, len(pixels)), ylim=(0, 3))
        axis.axis("off")
    return figure


def sample_of(train: Split, names: list[str]) -> pd.DataFrame:
    """How long the segments of the training films are: columns label, segments, frames (of all), median."""
    lengths: dict[str, list[int]] = {name: [] for name in names}
    for target in train.targets:
        for label, begin, end in segments(target):
            lengths[names[label]].append(end - begin)
    rows = [(name, len(n), sum(n), float(np.median(n)) if n else np.nan) for name, n in lengths.items()]
    return pd.DataFrame(rows, columns=["label", "segments", "frames", "median"])


if __name__ == "__main__":
    evaluate_command(__spec__.parent)
