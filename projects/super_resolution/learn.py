"""Learning from one picture: the network enlarges its smaller copies, and the picture itself is the truth.

Shocher, Cohen & Irani, "Zero-Shot Super-Resolution using Deep Internal Learning", CVPR 2018. README.md says what
differs here.
"""

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from projects.super_resolution.blur import resolve_kernel
from projects.super_resolution.config import Config, recipe
from projects.super_resolution.encoding import fold_in, fold_out, turned, turned_back
from projects.super_resolution.model import build_model
from projects.super_resolution.pairs import Pairs
from projects.super_resolution.resize import as_uint8, back_project, enlarge, imresize, to_rgb, to_ycbcr

FINAL_BACK_PROJECTIONS = 3
TILE = 192  # side of the tiles that the network reads at once, in folded pixels; it bounds the memory
STAGES = {2: (Fraction(3, 2), Fraction(2)), 3: (Fraction(3, 2), Fraction(3)), 4: (Fraction(2), Fraction(4))}
REPORTS = 80  # answers so far from each network
PREVIEWS = 10  # times that the picture changes until the end
ANSWER_FRACTION = 0.05  # the part of a network's time that enlarging takes after training; for the progress bar
# Schedule "slope": steps between two checks, steps that a check looks at, and the ratio of `is_flat`.
SLOPE_EVERY, SLOPE_WINDOW, SLOPE_RATIO = 60, 256, 1.5
MIN_RATE = 1e-6  # schedule "slope": training ends when the learning rate falls below it


def stages(config: Config, kernel: np.ndarray | None) -> tuple[Fraction, ...]:
    """The scales of the intermediate pictures; the last one is `config.scale`."""
    two = config.stages == "two" or (config.stages == "auto" and config.scale == 4)
    return STAGES[config.scale] if two and kernel is None else (Fraction(config.scale),)


def last_fold(config: Config, kernel: np.ndarray | None) -> int:
    """The fold that `model.build_model` needs for the last stage."""
    scales = (Fraction(1), *stages(config, kernel))
    return (scales[-1] / scales[-2]).numerator


def super_resolve(
    low: np.ndarray, config: Config, kernel: np.ndarray | str | None = None, previews: bool = True
) -> Iterator[dict[str, Any]]:
    """Learn from `low` (h, w, 3) uint8 and enlarge it `config.scale` times.

    kernel: the blur by which the picture was shrunk; None is bicubic, "estimate" is estimated from the picture.
    Yields {"picture": the large picture so far (uint8), "progress": 0 … 1, "loss", "seconds", "kernel": its name} about
    REPORTS times per network. The last one has progress 1. The picture changes about PREVIEWS times; without `previews`
    only at the end. Closing the generator ends the learning.
    """
    began = time.perf_counter()
    kernel, name = resolve_kernel(kernel, low, config.scale)
    knobs, scales = recipe(config), stages(config, kernel)
    small = to_ycbcr(low.astype(float))
    shape = (low.shape[0] * config.scale, low.shape[1] * config.scale)
    picture = as_uint8(to_rgb(enlarge(small, config.scale, shape, kernel)))
    networks = [1] * (knobs["rounds"] - 1) + [knobs["networks"]]  # networks of each round
    fraction = 1 / (len(scales) * sum(networks))  # one network's part of the whole work
    source, reached, loss, done = small, Fraction(1), None, 0.0

    def answer(progress: float) -> dict[str, Any]:
        seconds = time.perf_counter() - began
        return {"picture": picture, "progress": progress, "loss": loss, "seconds": seconds, "kernel": name}

    yield answer(0.0)
    for stage, scale in enumerate(scales):
        factor, reached = scale / reached, scale
        base = enlarge(source, factor, tuple(round(side * scale) for side in small.shape[:2]), kernel)
        sources = [source]
        for round_number, count in enumerate(networks):
            corrections: list[np.ndarray] = []
            for network in range(count):
                seed = config.seed + 1009 * network + 211 * round_number + 17 * stage
                keras.utils.set_random_seed(seed)
                model = build_model(config, {"fold": factor.numerator})
                pairs = Pairs(sources, factor, knobs["crop"], kernel, np.random.default_rng(seed))
                before = done
                for learnt, loss in train_on_crops(model, pairs, config):  # noqa: B007
                    last, done = done, before + fraction * (1 - ANSWER_FRACTION) * learnt
                    if previews and int(PREVIEWS * done) > int(PREVIEWS * last):
                        drafts = [*corrections, correction(model, base, pairs.fold, ensemble=False)]
                        picture = as_uint8(to_rgb(imresize(base + np.mean(drafts, axis=0), shape)))
                    yield answer(done)
                corrections.append(correction(model, base, pairs.fold))
                done = before + fraction
                yield answer(min(done, 0.999))
            large = base + np.mean(corrections, axis=0)
            large = back_project(large, small, scale, FINAL_BACK_PROJECTIONS, kernel)
            sources = [source, large]
        source = large
    picture = as_uint8(to_rgb(source))
    yield answer(1.0)


def train_on_crops(model: Any, pairs: Pairs, config: Config) -> Iterator[tuple[float, float]]:
    """Train the model, one crop per step. Yields (fraction of the steps done, mean loss since the last time)."""
    steps = recipe(config)["steps"]
    every = max(1, steps // REPORTS)
    losses: list[float] = []
    lowered = reported = 0  # steps
    for step in range(1, steps + 1):
        losses.append(float(model.train_on_batch(*pairs.draw())))
        if config.schedule == "slope" and step % SLOPE_EVERY == 0 and is_flat(losses[lowered:][-SLOPE_WINDOW:]):
            rate, lowered = float(model.optimizer.learning_rate) / 10, step
            if rate < MIN_RATE:
                break
            model.optimizer.learning_rate = rate
        if step % every == 0 or step == steps:
            yield step / steps, float(np.mean(losses[reported:]))
            reported = step


def is_flat(losses: list[float]) -> bool:
    """Whether the loss has stopped falling. As in the paper, a line is fitted to it.

    True when the fall of the line over the window is less than SLOPE_RATIO times the standard deviation around the
    line. False while there are fewer than SLOPE_WINDOW losses.
    """
    if len(losses) < SLOPE_WINDOW:
        return False
    steps = np.arange(len(losses))
    slope, start = np.polyfit(steps, losses, 1)
    around = np.std(losses - (start + slope * steps))
    return -slope * len(losses) < SLOPE_RATIO * around


def correction(model: Any, base: np.ndarray, fold: int, ensemble: bool = True) -> np.ndarray:
    """What the network adds to the linear estimate `base` (h, w, 3), in levels of Y, Cb, Cr.

    ensemble: the mean over the eight turned and mirrored pictures, each turned back (geometric self-ensemble, Lim et
    al. 2017).
    """
    height, width = base.shape[:2]
    padded = np.pad(base, ((0, -height % fold), (0, -width % fold), (0, 0)), mode="symmetric")
    question = (padded / 255 - 0.5).astype("float32")
    views = [(turns, mirrored) for turns in range(4) for mirrored in range(2)] if ensemble else [(0, 0)]
    total = np.zeros(padded.shape)
    for view in views:
        answer = fold_out(tiled(model, fold_in(turned(question, *view), fold)), fold)
        total += turned_back(answer, *view)
    return 255 * (total / len(views))[:height, :width]


def tiled(model: Any, folded: np.ndarray) -> np.ndarray:
    """model(folded), one tile after the other, so that memory does not grow with the picture. The values are the same.

    A tile has a margin as wide as the network sees, one position for each 3×3 convolution. It is cut off again.
    """
    margin = sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers)
    _, height, width, _ = folded.shape
    rows = []
    for top in range(0, height, TILE):
        row = []
        for left in range(0, width, TILE):
            first, second = max(top - margin, 0), max(left - margin, 0)
            tile = folded[:, first : top + TILE + margin, second : left + TILE + margin]
            answer = keras.ops.convert_to_numpy(model(tile, training=False))
            row.append(answer[:, top - first : top - first + TILE, left - second : left - second + TILE])
        rows.append(np.concatenate(row, axis=2))
    return np.concatenate(rows, axis=1)
