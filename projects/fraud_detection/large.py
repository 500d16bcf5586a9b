"""Tables that do not fit in memory: checked and written to disk in pieces once, then trained on piece by piece."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.data import Source, Splits
from common.errors import UserError
from common.files import file_sha256, new_folder, read_json, write_json
from common.inputs.tables import ahead, as_categories, read_chunks, with_columns
from common.stream import Stream
from projects.fraud_detection import data
from projects.fraud_detection.config import Config
from projects.fraud_detection.encoding import Transactions, checked, describe, times_of

MAX_HELD_OUT = 250_000  # rows of validation and of test; with more, intervals that are narrow already would be narrower


@dataclass(frozen=True)
class Spool:
    """A folder of pieces piece-00000.npz, each with values (rows, columns) float32, targets, weights, keys and units.

    A category is kept as its number in the column's list, or as -1 where it is not in it. The keys decide the split:
    below `cuts[0]` is train, below `cuts[1]` is validation, the others are test.
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

    def training(self, number: int) -> Transactions:
        """The training rows of one piece."""
        piece = self.piece(number)
        mask = piece["keys"] < self.cuts[0]
        return Transactions(self.frame(piece["values"][mask]), piece["targets"][mask].astype(int))

    def frame(self, values: np.ndarray) -> pd.DataFrame:
        """Stored values (rows, columns) as the columns that they came from."""
        frame = pd.DataFrame(values, columns=list(self.columns))
        for name, column in self.columns.items():
            if "categories" in column:
                labels = np.array([*column["categories"], "other"], object)
                frame[name] = labels[frame[name].to_numpy(int)]  # -1 is the last one
        return frame

    def samples(self) -> list[dict[str, Any]]:
        """{"inputs", "targets", "weights", "units"} of a sample of the training rows, of validation and of test."""
        chosen: list[list[dict[str, np.ndarray]]] = [[], [], []]
        train_rows = 0
        for number in range(len(self.counts)):
            piece = self.piece(number)
            part = np.searchsorted(self.cuts, piece["keys"], side="right")
            rows = [np.flatnonzero(part == which) for which in range(3)]
            # Every piece gives about as many training rows, so that the sample is spread over the whole table.
            until = min(MAX_HELD_OUT, MAX_HELD_OUT * 1.02 * (number + 1) / len(self.counts))
            rows[0] = rows[0][: max(0, int(until - train_rows))]
            train_rows += len(rows[0])
            for which in range(3):
                chosen[which].append({name: values[rows[which]] for name, values in piece.items()})
        joined = [{name: np.concatenate([piece[name] for piece in parts]) for name in parts[0]} for parts in chosen]
        return [
            {
                "inputs": self.frame(part["values"]),
                "targets": part["targets"].astype(int),
                "weights": part["weights"],
                "units": part.get("units"),
            }
            for part in joined
        ]


def spooled(folder: Path, columns: dict[str, dict], pieces: Callable[[], Iterator[dict[str, np.ndarray]]]) -> Spool:
    """The spool in `folder`. It is made from `pieces` unless it exists.

    pieces: a function that yields dicts with values, targets, weights, keys and, where rows have groups, units.
    """
    if not (folder / "spool.json").exists():
        with new_folder(folder) as temporary:
            keys = []
            for number, piece in enumerate(pieces()):
                np.savez(temporary / f"piece-{number:05d}.npz", **piece)
                keys.append(piece["keys"])
            every = np.concatenate(keys)
            fraction = min(0.2, MAX_HELD_OUT / len(every))
            cuts = [float(cut) for cut in np.quantile(every, [1 - 2 * fraction, 1 - fraction], method="higher")]
            counts = [int((part < cuts[0]).sum()) for part in keys]
            write_json(temporary / "spool.json", {"cuts": cuts, "counts": counts})
    content = read_json(folder / "spool.json", {"cuts": [float], "counts": [int]})
    return Spool(folder, columns, tuple(content["cuts"]), tuple(content["counts"]))


@dataclass(frozen=True)
class LargeTable(Transactions):
    """The training rows of a spool. `inputs`, `targets` and `weights` are a sample of them."""

    spool: Spool = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.spool)

    def batches(self, encode: Callable[[Transactions], tuple], batch_size: int, seed: int) -> Stream:
        """All training rows, piece by piece: in each epoch the pieces in another order, and the rows of each piece.

        encode: the rows of a piece -> (inputs, targets[, weights]). Where it returns more rows than it was given
        (resampling), as many as it was given are used. One piece is in memory at a time.
        """
        counts = np.array(self.spool.counts)
        current: dict[tuple[int, int], tuple] = {}

        def plan(epoch: int, random: np.random.Generator) -> list[tuple[int, int, slice]]:
            pieces = random.permutation(np.flatnonzero(counts))
            seeds = random.integers(2**32, size=len(pieces))  # the order of the rows within each piece
            return [
                (int(piece), int(shuffle), slice(begin, min(begin + batch_size, counts[piece])))
                for piece, shuffle in zip(pieces, seeds, strict=True)
                for begin in range(0, counts[piece], batch_size)
            ]

        def load(batch: tuple[int, int, slice], random: np.random.Generator) -> tuple:
            piece, shuffle, rows = batch
            if (piece, shuffle) not in current:
                current.clear()
                arrays = encode(self.spool.training(piece))
                order = np.random.default_rng(shuffle).permutation(len(arrays[0]))
                current[piece, shuffle] = tuple(array[order] for array in arrays)
            return tuple(array[rows] for array in current[piece, shuffle])

        return Stream(plan, load, seed)


def first_look(config: Config, path: Path, first: pd.DataFrame, roles: dict[str, str]) -> dict[str, Any]:
    """`meta`, fitted on training rows among the `first` ones, of which there are more than `MAX_ROWS_IN_MEMORY`."""
    known = data.dates_of(first, roles, path)
    # The training rows are at least the first 60 %, or those with a key below 0.6.
    train = first.iloc[: int(0.6 * data.MAX_ROWS_IN_MEMORY)]
    features = data.infer_kinds(train.drop(columns=list(roles.values())), path, data.codes(config))
    if not _by_time(config, roles):
        features = features[_keys(config, path, {**roles, **known}, train, features) < 0.5]
    labels = data.class_labels(first[roles["target"]], path, config.positive)
    return {**roles, **known, "classes": list(labels), "streamed": True, "columns": describe(features)}


def _by_time(config: Config, roles: dict[str, Any]) -> bool:
    return "time" in roles and config.split in ("auto", "time")


def _keys(config: Config, path: Path, meta: dict[str, Any], frame: pd.DataFrame, features: pd.DataFrame) -> np.ndarray:
    """What decides the split of each row (rows,): its time, or a hash, 0 … 1, of its card or of its features."""
    if _by_time(config, meta):
        return times_of(frame[meta["time"]], path, meta.get("day_first"))
    cards = "card" in meta and config.split == "auto"
    by = as_categories(frame, meta["card"], path).to_frame() if cards else features
    return pd.util.hash_pandas_object(by, index=False).to_numpy() / 2.0**64


def load_data(config: Config, path: Path, meta: dict[str, Any], roles: dict[str, str], data_dir: Path) -> Splits:
    """Splits of a table of more than `data.MAX_ROWS_IN_MEMORY` rows. meta: what `first_look` has found.

    It is split by time, where that is given; then the file must be in the order of time. Otherwise it is split by a
    hash of the group or of the row, so that the rows of one group, and repeated rows, are in one split.
    """
    fingerprint = file_sha256(path)
    made_of = (fingerprint, roles, config.split, data.codes(config), tuple(meta["classes"]))
    name = hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]
    folder = data_dir / "spools" / name
    spool = spooled(folder, meta["columns"], lambda: _pieces(config, path, meta))
    train, *held_out = spool.samples()
    parts = [LargeTable(**train, spool=spool), *(Transactions(**part) for part in held_out)]
    data.check_classes(parts, path.name)
    source = Source(
        name=path.name,
        source=f"{path.name}, streamed: {len(spool):,} rows of training, of which the baselines and the samples see "
        f"{len(parts[0].targets):,}; repeated rows are kept, all of them in one split.",
        sha256=fingerprint,
        unit=config.group or "row",
        weighted=bool(config.weight),
    )
    return Splits(*parts, meta, source)


def _pieces(config: Config, path: Path, meta: dict[str, Any]) -> Iterator[dict[str, np.ndarray]]:
    """The table, checked, as the pieces of a spool. Raises UserError where times are not in their order."""
    latest = -np.inf
    numbers = [name for name, column in meta["columns"].items() if "median" in column]
    for frame in ahead(read_chunks(path, numbers=numbers)):
        names = [meta[role] for role in ("target", "card", "time", "weight") if role in meta]
        frame = with_columns(frame, names, path)
        rows = checked(frame, meta, path)
        keys = _keys(config, path, meta, frame, rows)
        for name, column in meta["columns"].items():
            if "categories" in column:
                rows[name] = pd.Categorical(rows[name], column["categories"]).codes
        piece = {
            "values": rows.to_numpy("float32"),
            "targets": data.as_targets(frame[meta["target"]], meta["classes"], path).astype("int8"),
            "weights": data.row_weights(frame, meta, path),
            "keys": keys,
        }
        if _by_time(config, meta):
            before = np.maximum.accumulate(np.append(latest, piece["keys"]))
            if (early := np.flatnonzero(piece["keys"] < before[:-1])).size:
                raise UserError(
                    f"{path}, row {int(frame.index[early[0]]) + 2}: {meta['time']} is earlier than in a row above. A "
                    f"table of more than {data.MAX_ROWS_IN_MEMORY:,} rows must be in order of time: sort it by that "
                    "column."
                )
            latest = before[-1]
        if "card" in meta:
            piece["units"] = pd.util.hash_array(as_categories(frame, meta["card"], path).to_numpy(object))
        yield piece
