"""The sum of the two marked numbers, as the network remembers them. Also for a whole file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.errors import UserError
from common.layers.answers import answers
from projects.adding_problem import encoding


class Predictor:
    """Adds the marked numbers of a sequence of any length.

    networks: {"model": sequences (n, time, 2) -> sums (n, 1)}. meta: see `encoding.META`.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.examples = list(meta.get("examples", []))

    def encode(self, raw: dict[str, Any]) -> np.ndarray:
        """{"numbers", "first", "second"} -> (1, length, 2); see `encoding.check`."""
        return encoding.check(raw)

    def decode(self, x: np.ndarray, output: float) -> dict[str, float]:
        """{"sum", "truth", "error"} of one encoded sequence (length, 2)."""
        return encoding.decode(x, output)

    def predict(self, raw: dict[str, Any]) -> dict[str, float]:
        """{"sum": the network's answer, "truth": the right one, "error": their difference}."""
        x = self.encode(raw)
        return self.decode(x[0], self.score(x)[0, 0])

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, float]]:
        """What the network would answer after each number; the last answer is `predict`'s."""
        x = self.encode(raw)[0]
        for output in self.on_the_way(raw)[0][:-1]:
            yield self.decode(x, output)
        yield self.predict(raw)

    @cached_property
    def reader(self) -> Any:
        """The network that answers after every number."""
        from projects.adding_problem.model import every_step

        return every_step(self.networks["model"])

    def on_the_way(self, raw: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """After each number: the answer (length,) and the hidden state (length, units)."""
        answers, states = self.reader(self.encode(raw), training=False)
        return np.asarray(answers)[0, :, 0], np.asarray(states)[0]

    def score(self, x: np.ndarray) -> np.ndarray:
        """The answers (n, 1) for encoded sequences (n, length, 2)."""
        return answers(self.networks["model"], x, sizes=(1, 500))


def score_file(predictor: Predictor, source: Path, target: Path, quote_formulas: bool = False) -> int:
    """Write the sequences of `source` with the columns sum and truth added to `target`; the number of rows."""
    import pandas as pd

    from common.inputs.tables import score_table_file
    from projects.adding_problem.data import encoded_rows

    def score(frame: pd.DataFrame) -> pd.DataFrame:
        x = encoded_rows(frame, source)
        return pd.DataFrame({"sum": predictor.score(x)[:, 0], "truth": encoding.sums(x)[:, 0]})

    return score_table_file(source, target, score, quote_formulas=quote_formulas)


@dataclass(frozen=True)
class Options:
    """A sequence, or a file of sequences, and the run that adds."""

    numbers: str | None = None  # the sequence: numbers between 0 and 1, with spaces between them
    first: int = 1  # place of the first marked number, from 1
    second: int = 2  # place of the second marked number, from 1
    input: Path | None = None  # instead: a CSV file with the columns x1, x2, …, first, second
    output: Path | None = None  # for a file: the .csv or .parquet file with the answers
    quote_formulas: bool = False  # an apostrophe before each text that a spreadsheet would compute (= + - @ first)
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        cli.check_asked(self, "numbers")
        _ = self.raw  # it is read to be checked

    @property
    def raw(self) -> dict[str, Any]:
        numbers = []
        for part in (self.numbers or "").split():
            try:
                numbers.append(float(part.strip(",;")))
            except ValueError:
                raise UserError(
                    f"--numbers: {part[:40]!r} is no number; expected numbers such as 0.25, with spaces between them."
                ) from None
        return {"numbers": numbers, "first": self.first, "second": self.second}


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        if options.input:
            rows = score_file(run.load(), options.input, options.output, options.quote_formulas)
            print(f"{rows:,} sequences, by run {run.id}; written to {options.output}")
        else:
            answer = run.load().predict(options.raw)
            print(f"{answer['sum']:.4f}  (the right sum is {answer['truth']:.4f})")
