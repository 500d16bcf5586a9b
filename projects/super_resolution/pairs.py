"""What a network learns from: aligned pairs that are made of the one picture, and random crops of them."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from projects.super_resolution.encoding import fold_in, turned
from projects.super_resolution.resize import enlarge, imresize, quantise, shrink

SIZES = (1.0, 0.9, 0.8, 0.7, 0.6)  # sizes of the fathers: the picture at its full size, and smaller copies
FULL_SIZE_FRACTION = 0.25  # the part of the crops that comes from fathers at full size
MAX_PAIR_PIXELS = 6_000_000  # the most pixels of one source's fathers; a pixel of a pair takes 24 bytes


class Pairs:
    """Pairs of one picture. The words are the paper's: a son is a father made smaller.

    A father is the picture at one of SIZES, cut at one of fold × fold offsets, so that all positions of the small
    pixels' grid occur. Its son is the father shrunk and rounded to whole levels. The question is the son, enlarged by
    the linear estimate. The correction is what that estimate lacks. Crops are turned and mirrored at random.
    """

    def __init__(
        self,
        sources: list[np.ndarray],
        scale: Fraction,
        crop: int,
        kernel: np.ndarray | None,
        random: np.random.Generator,
    ):
        """sources: the picture, and the answer of the round before, which is used at the smaller sizes only."""
        self.random, self.fold = random, scale.numerator
        # A crop is smaller than the smaller copies, and its side is a multiple of the fold.
        limit = int(0.7 * min(sources[0].shape[:2])) - self.fold
        self.crop = max(min(crop, limit) // self.fold, 4) * self.fold
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []  # (question, correction)
        weights: list[float] = []
        for source in sources:
            sizes = SIZES if source is sources[0] else SIZES[1:]
            made = [(size == 1, self._pair(father, scale, kernel)) for size, father in self._fathers(source, sizes)]
            count = {True: 0, False: 0}  # pairs at full size, and at smaller sizes
            for full, _ in made:
                count[full] += 1
            fraction = {True: FULL_SIZE_FRACTION, False: 1 - FULL_SIZE_FRACTION}
            for full, pair in made:
                self.pairs.append(pair)
                weights.append((fraction[full] if all(count.values()) else 1.0) / count[full])
        self.probabilities = np.array(weights) / np.sum(weights)

    def _fathers(self, source: np.ndarray, sizes: tuple[float, ...]) -> Iterator[tuple[float, np.ndarray]]:
        """(size, father) of every size and offset that holds a crop, in random order up to MAX_PAIR_PIXELS."""
        fold, pixels = self.fold, 0
        first, *rest = [(size, down, right) for down in range(fold) for right in range(fold) for size in sizes]
        self.random.shuffle(rest)
        for size, down, right in [first, *rest]:
            if pixels > MAX_PAIR_PIXELS:
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
        """A random crop: (question, correction), each (crop, crop, 3) float32, Y Cb Cr divided by 255."""
        pair = self.pairs[self.random.choice(len(self.pairs), p=self.probabilities)]
        top, left = (
            self.random.integers((side - self.crop) // self.fold + 1) * self.fold for side in pair[0].shape[:2]
        )
        turns, mirrored = self.random.integers(4), self.random.integers(2)
        question, correction = (
            turned(part[top : top + self.crop, left : left + self.crop], turns, mirrored) for part in pair
        )
        return question, correction

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """`draw_crop`, folded for the network: each (1, crop / fold, crop / fold, 3 fold²)."""
        question, correction = self.draw_crop()
        return fold_in(question, self.fold), fold_in(correction, self.fold)
