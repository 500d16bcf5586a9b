"""Tables that do not fit in memory: checked and spooled to disk once, in pieces, then read piece by piece."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.files import new_folder, read_json, write_json

STREAM_FROM = 1_000_000  # rows: a table that is longer is streamed
HELD_OUT = 250_000  # rows of validation and of test, at most: more would only narrow intervals that are narrow already


@dataclass(frozen=True)
class Spool:
    """A folder of pieces piece-00000.npz, each with values (rows, columns) float32, targets, weights, keys and units.

    A category is kept as its number in the column's list, one that is not in it as -1. `keys` decide the split: below
    `cuts[0]` is train, below `cuts[1]` validation, the rest test.
    """

    folder: Path
    columns: dict[str, dict]
    cuts: tuple[float, float]
    counts: tuple[int, ...]  # training rows of each piece

    def __len__(self) -> int:
        return sum(self.counts)

    def piece(self, number: int) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"piece-{number:05d}.npz", allow_pickle=False) as file:
            return dict(file)

    def training(self, number: int) -> tuple[pd.DataFrame, np.ndarray]:
        """(inputs, targets) of the training rows of one piece."""
        piece = self.piece(number)
        own = piece["keys"] < self.cuts[0]
        return self.frame(piece["values"][own]), piece["targets"][own]

    def frame(self, values: np.ndarray) -> pd.DataFrame:
        """Kept values (rows, columns) as the columns that they came from."""
        frame = pd.DataFrame(values, columns=list(self.columns))
        for name, column in self.columns.items():
            if "categories" in column:
                labels = np.array([*column["categories"], "other"], object)
                frame[name] = labels[frame[name].to_numpy(int)]  # -1 is the last one
        return frame

    def held_out(self) -> list[dict[str, Any]]:
        """What validation and test hold, and as many training rows: frame, targets, weights, units of each."""
        parts: list[list[dict[str, np.ndarray]]] = [[], [], []]
        sizes = np.zeros(3, int)
        for number in range(len(self.counts)):
            piece = self.piece(number)
            part = np.searchsorted(self.cuts, piece["keys"], side="right")
            share = HELD_OUT * 1.02 * (number + 1) / len(self.counts)  # as many of each piece
            for which in range(3):
                room = int(min(max(share - sizes[which], 0), HELD_OUT - sizes[which])) if which == 0 else HELD_OUT
                rows = np.flatnonzero(part == which)[:room]
                sizes[which] += len(rows)
                parts[which].append({name: values[rows] for name, values in piece.items()})
        whole = [{name: np.concatenate([part[name] for part in own]) for name in own[0]} for own in parts]
        return [{**own, "frame": self.frame(own["values"])} for own in whole]


def spooled(folder: Path, columns: dict[str, dict], pieces: Callable[[], Iterator[dict[str, np.ndarray]]]) -> Spool:
    """The spool in `folder`: made from `pieces` unless it is there already.

    pieces: gives dicts with values, targets, weights, keys and, where rows depend on each other, units.
    """
    if not (folder / "spool.json").exists():
        with new_folder(folder) as temporary:
            keys = []
            for number, piece in enumerate(pieces()):
                np.savez(temporary / f"piece-{number:05d}.npz", **piece)
                keys.append(piece["keys"])
            every = np.concatenate(keys)
            held = min(0.2, HELD_OUT / len(every))
            cuts = [float(value) for value in np.quantile(every, [1 - 2 * held, 1 - held], method="higher")]
            write_json(temporary / "spool.json", {"cuts": cuts, "counts": [int((own < cuts[0]).sum()) for own in keys]})
    found = read_json(folder / "spool.json")
    return Spool(folder, columns, tuple(found["cuts"]), tuple(found["counts"]))
