"""From a sentence to its translation, with its alternatives and where the network looked; from a file to a file.

python -m projects.translation.predict --text "March fourth, twenty twenty-five"
python -m projects.translation.predict --input sentences.txt --output translated.txt
"""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.data import Split
from common.errors import UserError
from common.files import replacing
from common.inputs.sequences import Ragged
from common.inputs.tables import as_texts, cell_text, is_table, score_table_file, with_columns
from common.inputs.text import read_lines
from common.inputs.vocabulary import Vocabulary
from projects.translation.encoding import checked, cut, decode, encode, joined, normalise, read_limit, vocabulary_of

CHUNK_ROWS = 2_000  # sentences of a file that are translated together


class Predictor:
    """Encodes sentences, writes translations and shows how.

    networks: {"encoder", "decoder"}, see model.py. meta: see `encoding.describe`; after training also examples.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta

    @property
    def examples(self) -> list[dict[str, Any]]:
        """A few sentences of the validation split."""
        return self.meta["examples"]

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols of translations."""
        return vocabulary_of(self.meta, "target")

    def encode(self, texts: Sequence[str], side: str = "source") -> Ragged:
        """Sentences as ids. side: "source" or "target"."""
        return encode(texts, self.meta, side)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of a translation's ids, up to `<eos>`."""
        return decode(ids, self.meta)

    def encode_split(self, split: Split, batch_size: int, seed: int | None = None, symbol_dropout: float = 0.0) -> Any:
        """A stream of batches for `fit`; a seed shuffles it anew in each epoch."""
        from projects.translation.batches import pair_stream

        sources, targets = self.encode(split.inputs), self.encode(split.targets, "target")
        return pair_stream(sources, targets, self.meta["limits"], batch_size, seed, symbol_dropout)

    def translate(self, texts: Sequence[str], beam: int | None = None) -> list[str]:
        """The translation of each sentence. beam: None: that of training's knob. An empty text stays empty."""
        result = [""] * len(texts)
        filled = [i for i, text in enumerate(texts) if text.strip()]
        for rows, written in self._written([texts[i] for i in filled], beam):
            for row, tokens in zip(rows, written["tokens"][:, 0], strict=False):  # padded rows come last
                result[filled[row]] = self.decode(tokens)
        return result

    def _written(self, texts: Sequence[str], beam: int | None) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """(row numbers, what `writer.write` gives) for batches of sentences."""
        from common.layers.writer import write
        from projects.translation.batches import source_batches

        longest = read_limit(self.meta)
        beam = min(beam or self.meta["beam"], len(self.vocabulary))
        for rows, source, length in source_batches(self.encode(texts).shortened(longest), self.meta, longest):
            yield rows, write(self.networks, source, beam, length)

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{"text", and perhaps "beam"} -> the translation and how it was made.

        translation, score: the text, and the mean log-probability of its symbols. alternatives: [{translation, score}],
        one for each place of the beam. source, target: the pieces, with "<eos>" where it was read or written.
        attention: for each piece of the target the weights of the source's pieces, where the model has attention.
        unknown: the source's pieces that are not in the vocabulary. unread: how many pieces in the middle of a long
        sentence were left out. Raises UserError for an empty text.
        """
        text, beam = checked(raw)
        pieces = cut(normalise(text, self.meta["lower"]), self.meta["unit"], self.meta["source"]["pieces"])
        ((_, written),) = self._written([text], beam)
        written = {name: array[0] for name, array in written.items()}
        texts = [self.decode(tokens) for tokens in written["tokens"]]
        ended = self.vocabulary.eos in written["tokens"][0]  # otherwise it has been cut at its greatest length
        target = [*self.vocabulary.decode(written["tokens"][0]), *["<eos>"] * ended]
        unread = max(0, len(pieces) + 1 - read_limit(self.meta))
        source = [*pieces, "<eos>"]
        if unread:
            half = (read_limit(self.meta) + 1) // 2
            source = [*source[:half], *source[half + unread :]]
        answer = {
            "translation": texts[0],
            "score": float(written["scores"][0]),
            "alternatives": [
                {"translation": other, "score": float(score)}
                for other, score in zip(texts, written["scores"], strict=True)
            ],
            "source": source,
            "target": target,
            "unknown": vocabulary_of(self.meta, "source").unknown(pieces),
            "unread": unread,
        }
        if "attention" in written:
            answer["attention"] = written["attention"][0, : len(target), : len(source)].round(4).tolist()
        return answer

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer with a growing translation, a piece at a time; the last one is that of `predict`.

        A search is over in a moment, and one with a beam may change its mind until its end. So it is over before the
        first piece is given.
        """
        answer = self.predict(raw)
        for count in range(len(answer["target"])):
            pieces = [piece for piece in answer["target"][:count] if piece != "<eos>"]
            yield {**answer, "translation": joined(pieces), "target": answer["target"][:count]}
        yield answer

    def choose_examples(self, validation: Split, count: int = 8) -> None:
        """Keep a few sentences of different lengths as examples, a long one first."""
        texts = sorted(set(validation.inputs), key=lambda text: (len(text), text))
        chosen = [texts[int(place * (len(texts) - 1))] for place in np.linspace(0.9, 0.1, count)]
        self.meta["examples"] = [{"text": text} for text in dict.fromkeys(chosen)]


def translate_file(
    predictor: Predictor,
    source: Path,
    target: Path,
    column: str | None = None,
    beam: int | None = None,
    quote_formulas: bool = False,
    max_rows: int | None = None,
) -> tuple[int, int]:
    """Translate a file. Returns the number of sentences, and of those that are so long that their middle was not read.

    A table (CSV, TSV, Parquet): `column`, or the one that training had, is translated into the new column
    `translation`. Any other file: a sentence a line, its translation on the same line; empty lines stay empty. Files
    are read in pieces, so they can be of any size, and `target` exists only once all of it has been written.
    quote_formulas, max_rows: as in `score_table_file`; the latter limits the lines of a text, too.
    """
    too_long = 0

    def translated(texts: Sequence[str]) -> list[str]:
        nonlocal too_long
        too_long += int((predictor.encode(texts).lengths > read_limit(predictor.meta)).sum())
        return predictor.translate(texts, beam)

    if is_table(source):
        name = cell_text(column) if column else predictor.meta["columns"][0]

        def scored(frame: pd.DataFrame) -> pd.DataFrame:
            frame = with_columns(frame, [name], source)
            return pd.DataFrame({"translation": translated(as_texts(frame, name))})

        done = score_table_file(source, target, scored, max_rows, CHUNK_ROWS, quote_formulas=quote_formulas)
        return done, too_long
    if max_rows is not None and sum(1 for _ in read_lines(source)) > max_rows:
        raise UserError(f"{source} has more than {max_rows:,} lines, the most that this page takes.")
    done = 0
    lines = read_lines(source)
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        while chunk := list(itertools.islice(lines, CHUNK_ROWS)):
            file.writelines(line + "\n" for line in translated(chunk))
            done += len(chunk)
            print(f"\r{done:,} sentences", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return done, too_long


@dataclass(frozen=True)
class Options:
    """A sentence or a file to translate, and the run that does it."""

    text: str | None = None  # one sentence
    input: Path | None = None  # a text file with a sentence in each line, or a CSV, TSV or Parquet file
    output: Path | None = None  # the translations: a text file, or .csv or .parquet for a table
    quote_formulas: bool = False  # in tables an apostrophe before each text that a spreadsheet would compute (= + - @)
    column: str | None = None  # the table's column with the sentences; left out: as in training
    beam: int | None = None  # translations that are kept while one is written (1: greedy); left out: as in training
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        cli.check_asked(self, "text")
        if self.beam is not None and not 1 <= self.beam <= 32:
            raise UserError(f"--beam is {self.beam}; expected a number from 1 to 32.")


def _print_answer(answer: dict[str, Any]) -> None:
    print(answer["translation"])
    for other in answer["alternatives"][1:]:
        print(f"  {other['score']:.3f}  {other['translation']}")
    if answer["unknown"]:
        print(f"not in the training sentences: {', '.join(answer['unknown'])}", file=sys.stderr)
    if answer["unread"]:
        print(f"too long: {answer['unread']} pieces in its middle were not read", file=sys.stderr)


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor = run.load()
        if options.text is not None:
            _print_answer(predictor.predict({"text": options.text, "beam": options.beam}))
        else:
            asked = options.input, options.output, options.column, options.beam, options.quote_formulas
            done, too_long = translate_file(predictor, *asked)
            left_out = f", {too_long:,} of them too long: their middle was not read" if too_long else ""
            print(f"{done:,} sentences{left_out}, by run {run.id}; written to {options.output}", file=sys.stderr)
