"""Batches of stretches of films, and how training films are changed at random."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.stream import Cache, Stream, row_batches
from projects.video_labelling.encoding import SIDE, UNLABELLED

CACHE_BYTES = 768 * 2**20  # frames that stay in memory; others are read or drawn again in each epoch
LEAST = 0.75  # side of the smallest piece that is cut out of a frame, as a fraction


def film_stream(
    films: Sequence[Any],
    targets: Sequence[np.ndarray],
    frames: int,
    batch_size: int,
    seed: int | None = None,
    augment: bool = False,
) -> Stream:
    """Batches ({"frames" (n, frames, SIDE, SIDE, 3) uint8, "mask" (n, frames)}, labels, weights (n, frames)).

    A film is cut into stretches of `frames` frames. A shorter one is padded; padding and unlabelled frames have the
    weight 0. seed: shuffles anew in each epoch. augment: each film is mirrored with probability 0.5, cut and lit anew.
    """
    cache = Cache(lambda row: films[row].pixels(), CACHE_BYTES)
    parts = [(row, begin) for row, target in enumerate(targets) for begin in range(0, len(target), frames)]

    def load(batch: np.ndarray, random: np.random.Generator) -> tuple:
        pixels = np.zeros((len(batch), frames, SIDE, SIDE, 3), np.uint8)
        mask, labels = np.zeros((len(batch), frames), np.float32), np.full((len(batch), frames), UNLABELLED)
        for i, number in enumerate(batch):
            row, begin = parts[number]
            film, target = cache[row][begin : begin + frames], targets[row][begin : begin + frames]
            pixels[i, : len(film)] = changed(film, random) if augment else film
            mask[i, : len(film)] = 1
            labels[i, : len(film)] = target
        known = (labels != UNLABELLED).astype(np.float32)
        return {"frames": pixels, "mask": mask}, np.maximum(labels, 0), known

    def plan(epoch: int, random: np.random.Generator) -> list[np.ndarray]:
        return row_batches(len(parts), batch_size, None if seed is None else random)

    return Stream(plan, load, seed or 0)


def changed(film: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A film (T, SIDE, SIDE, 3) uint8, mirrored, cut and lit at random: all of its frames in the same way."""
    side = random.uniform(LEAST, 1.0) * SIDE
    top, left = random.uniform(0, SIDE - side, 2)
    rows, columns = ((begin + (np.arange(SIDE) + 0.5) * side / SIDE).astype(int) for begin in (top, left))
    columns = columns[::-1] if random.random() < 0.5 else columns
    light, contrast = random.normal(0, 15), random.uniform(0.75, 1.25)
    values = np.clip((np.arange(256) - 128) * contrast + 128 + light, 0, 255).astype(np.uint8)
    return values[film[:, rows][:, :, columns]]
