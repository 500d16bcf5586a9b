"""Learning from one picture: its own smaller copies are the questions, it is the answer.

Shocher, Cohen & Irani, "Zero-Shot Super-Resolution using Deep Internal Learning", CVPR 2018. What is taken over and
what differs is in README.md.
"""

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from projects.super_resolution.config import Config, recipe
from projects.super_resolution.model import build_model
from projects.super_resolution.resize import (
    as_uint8,
    back_project,
    enlarge,
    imresize,
    quantise,
    shrink,
    to_rgb,
    to_ycbcr,
)

FATHERS = (1.0, 0.9, 0.8, 0.7, 0.6)  # the picture itself and smaller copies of it
OWN_SHARE = 0.25  # of the crops come from the picture at its own size
PAIR_PIXELS = 6_000_000  # at most this many pixels of pairs are kept (24 bytes each)
FINAL_BACK_PROJECTIONS = 3
TILE = 192  # side of the tiles that the network answers at once, in folded pixels; bounds memory
STAGES = {2: (Fraction(3, 2), Fraction(2)), 3: (Fraction(3, 2), Fraction(3)), 4: (Fraction(2), Fraction(4))}
ANSWER_SHARE = 0.05  # the time that answering takes beside learning, for the progress bar
SLOPE_EVERY, SLOPE_WINDOW, SLOPE_RATIO = 60, 256, 1.5  # schedule "slope": when to look, how far back, how flat is flat
LEAST_RATE = 1e-6  # schedule "slope" stops below it


def stages(config: Config, kernel: np.ndarray | None) -> tuple[Fraction, ...]:
    """The scales at which there is a picture, the last one being the one asked for."""
    two = config.stages == "two" or (config.stages == "auto" and config.scale == 4)
    return STAGES[config.scale] if two and kernel is None else (Fraction(config.scale),)


def last_fold(config: Config, kernel: np.ndarray | None) -> int:
    """What `model.build_model` needs for the last stage."""
    scales = (Fraction(1), *stages(config, kernel))
    return (scales[-1] / scales[-2]).numerator


def super_resolve(
    low: np.ndarray, config: Config, kernel: np.ndarray | None = None, previews: bool = True
) -> Iterator[dict[str, Any]]:
    """Learn from `low` (h, w, 3) uint8 and enlarge it `config.scale` times.

    kernel: the blur by which the picture was shrunk, or None for bicubic. Yields {"picture": uint8 array of the large
    picture as it is so far, "progress": 0…1, "loss", "seconds"} about eighty times a network; the last has progress 1.
    The picture changes about ten times on the way (without `previews` only at the end). Closing the generator
    ends the learning.
    """
    import keras

    began = time.perf_counter()
    knobs, scales = recipe(config), stages(config, kernel)
    small = to_ycbcr(low.astype(float))
    shape = (low.shape[0] * config.scale, low.shape[1] * config.scale)
    preview = as_uint8(to_rgb(enlarge(small, config.scale, shape, kernel)))
    source, reached, loss, done = small, Fraction(1), None, 0.0
    networks = [1] * (knobs["rounds"] - 1) + [knobs["networks"]]  # of each round
    share = 1 / (len(scales) * sum(networks))  # of one network in the whole

    def so_far() -> dict[str, Any]:
        progress = min(done, 0.999)
        return {"picture": preview, "progress": progress, "loss": loss, "seconds": time.perf_counter() - began}

    yield so_far()
    for stage, scale in enumerate(scales):
        factor, reached = scale / reached, scale
        fold = factor.numerator
        base = enlarge(source, factor, tuple(round(side * scale) for side in small.shape[:2]), kernel)
        fathers = [source]
        for turn, count in enumerate(networks):
            corrections: list[np.ndarray] = []
            for network in range(count):
                seed = config.seed + 1009 * network + 211 * turn + 17 * stage
                keras.utils.set_random_seed(seed)
                model = build_model(config, {"fold": fold})
                pairs = Pairs(fathers, factor, knobs["crop"], kernel, np.random.default_rng(seed))
                before, shown = done, int(10 * done)
                for learnt, loss in fit(model, pairs, config):  # noqa: B007
                    done = before + share * (1 - ANSWER_SHARE) * learnt
                    if previews and int(10 * done) > shown:
                        shown = int(10 * done)
                        drafts = [*corrections, correction(model, base, fold, ensemble=False)]
                        preview = as_uint8(to_rgb(imresize(base + np.mean(drafts, axis=0), shape)))
                    yield so_far()
                corrections.append(correction(model, base, fold))
                done = before + share
                yield so_far()
            answer = base + np.mean(corrections, axis=0)
            answer = back_project(answer, small, scale, FINAL_BACK_PROJECTIONS, kernel)
            fathers = [source, answer]
        source = answer
    preview = as_uint8(to_rgb(source))
    yield {**so_far(), "progress": 1.0}


def fit(model: Any, pairs: "Pairs", config: Config) -> Iterator[tuple[float, float]]:
    """Train the model on crops, one a step; yields (share of the steps done, mean loss since) about 80 times."""
    steps = recipe(config)["steps"]
    every = max(1, steps // 80)
    losses: list[float] = []
    lowered = said = 0
    for step in range(1, steps + 1):
        losses.append(float(model.train_on_batch(*pairs.draw())))
        if config.schedule == "slope" and step % SLOPE_EVERY == 0 and is_flat(losses[lowered:][-SLOPE_WINDOW:]):
            rate, lowered = float(model.optimizer.learning_rate) / 10, step
            if rate < LEAST_RATE:
                break
            model.optimizer.learning_rate = rate
        if step % every == 0 or step == steps:
            yield step / steps, float(np.mean(losses[said:]))
            said = step


def is_flat(losses: list[float]) -> bool:
    """Whether the error still falls: the paper fits a line and compares its slope with the deviation around it.

    True when the whole fall of the fitted line over the window is smaller than the standard deviation around it times
    `SLOPE_RATIO`; never before the window is full.
    """
    if len(losses) < SLOPE_WINDOW:
        return False
    steps = np.arange(len(losses))
    slope, start = np.polyfit(steps, losses, 1)
    around = np.std(losses - (start + slope * steps))
    return -slope * len(losses) < SLOPE_RATIO * around


class Pairs:
    """Aligned pairs of one picture, and random crops of them.

    A father is the picture at one of the sizes `FATHERS`, cut at one of fold × fold offsets, so that every position of
    the small pixels' grid is met; its son is the father shrunk and rounded to whole levels. The question is the son
    enlarged by the linear estimate, the answer what that estimate lacks. Turned and mirrored at random.
    """

    def __init__(
        self,
        sources: list[np.ndarray],
        scale: Fraction,
        crop: int,
        kernel: np.ndarray | None,
        random: np.random.Generator,
    ):
        """sources: the picture, and the enlarged one of the round before, which is a father only when made smaller."""
        self.random, self.fold = random, scale.numerator
        # A crop leaves room to move in a smaller copy too, and is a whole number of folds.
        room = int(0.7 * min(sources[0].shape[:2])) - self.fold
        self.crop = max(min(crop, room) // self.fold, 4) * self.fold
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []
        shares: list[float] = []
        for source in sources:
            own = source is sources[0]
            made = [
                (size, self._pair(father, scale, kernel))
                for size, father in self._fathers(source, FATHERS if own else FATHERS[1:])
            ]
            count = {True: 0, False: 0}  # of pairs at the picture's own size, and at smaller ones
            for size, _ in made:
                count[size == 1] += 1
            for size, pair in made:
                share = {True: OWN_SHARE, False: 1 - OWN_SHARE}[size == 1] if all(count.values()) else 1.0
                self.pairs.append(pair)
                shares.append(share / count[size == 1])
        self.shares = np.array(shares) / np.sum(shares)

    def _fathers(self, source: np.ndarray, sizes: tuple[float, ...]) -> Iterator[tuple[float, np.ndarray]]:
        """(size, father) of every size and offset that holds a crop, at random until `PAIR_PIXELS` are reached."""
        fold, pixels = self.fold, 0
        wanted = [(size, down, right) for down in range(fold) for right in range(fold) for size in sizes]
        rest = wanted[1:]
        self.random.shuffle(rest)
        for size, down, right in [wanted[0], *rest]:
            if pixels > PAIR_PIXELS:
                return
            scaled = source if size == 1 else imresize(source, tuple(round(size * side) for side in source.shape[:2]))
            father = scaled[int(down) :, int(right) :]
            father = father[: father.shape[0] // fold * fold, : father.shape[1] // fold * fold]
            if min(father.shape[:2]) >= self.crop:
                pixels += father.shape[0] * father.shape[1]
                yield size, father

    @staticmethod
    def _pair(father: np.ndarray, scale: Fraction, kernel: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        son = quantise(shrink(father, scale, kernel))
        question = enlarge(son, scale, father.shape[:2], kernel)
        return (question / 255 - 0.5).astype("float32"), ((father - question) / 255).astype("float32")

    def draw_crop(self) -> tuple[np.ndarray, np.ndarray]:
        """One random crop: (question, what it lacks), each (crop, crop, 3) float32, Y Cb Cr divided by 255."""
        pair = self.pairs[self.random.choice(len(self.pairs), p=self.shares)]
        top, left = (
            self.random.integers((side - self.crop) // self.fold + 1) * self.fold for side in pair[0].shape[:2]
        )
        turns, mirrored = self.random.integers(4), self.random.integers(2)
        question, lacking = (
            turned(part[top : top + self.crop, left : left + self.crop], turns, mirrored) for part in pair
        )
        return question, lacking

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """`draw_crop` folded for the network, each (1, crop / fold, crop / fold, 3 fold²)."""
        question, lacking = self.draw_crop()
        return fold_in(question, self.fold), fold_in(lacking, self.fold)


def turned(picture: np.ndarray, turns: int, mirrored: int) -> np.ndarray:
    """(h, w, c) mirrored left to right if `mirrored`, then turned by `turns` quarters."""
    return np.rot90(picture[:, ::-1] if mirrored else picture, turns)


def turned_back(picture: np.ndarray, turns: int, mirrored: int) -> np.ndarray:
    """What undoes `turned`."""
    back = np.rot90(picture, -turns)
    return back[:, ::-1] if mirrored else back


def fold_in(picture: np.ndarray, fold: int) -> np.ndarray:
    """(h, w, c) -> (1, h / fold, w / fold, c fold²): each fold × fold square becomes channels (space to depth)."""
    height, width, channels = picture.shape
    squares = picture.reshape(height // fold, fold, width // fold, fold, channels).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(squares.reshape(1, height // fold, width // fold, channels * fold**2))


def fold_out(folded: np.ndarray, fold: int) -> np.ndarray:
    """What undoes `fold_in`."""
    _, height, width, channels = folded.shape
    squares = folded.reshape(height, width, fold, fold, channels // fold**2).transpose(0, 2, 1, 3, 4)
    return squares.reshape(height * fold, width * fold, channels // fold**2)


def correction(model: Any, base: np.ndarray, fold: int, ensemble: bool = True) -> np.ndarray:
    """What the network adds to the linear estimate `base` (h, w, 3) in levels of Y, Cb, Cr.

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
    """model(folded), a tile at a time so that memory does not grow with the picture; exactly the same values.

    A tile carries a margin as wide as the network sees (one position for each 3×3 convolution) that is cut off again.
    """
    import keras

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
