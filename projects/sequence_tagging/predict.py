"""From a text to a tag for each of its words; from a file to a file.

python -m projects.sequence_tagging.predict --text "def area(r): return math.pi * r ** 2"
python -m projects.sequence_tagging.predict --input sentences.txt --output tagged.csv
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common import cli, runs
from common.data import Split
from common.errors import UserError
from common.evaluation import best_temperature, caution_limit, class_log_odds
from common.files import quoted, replacing
from common.inputs.sequences import Ragged
from common.inputs.tables import is_table
from common.inputs.text import read_lines
from common.inputs.vocabulary import UNKNOWN_SIGN, Vocabulary
from projects.sequence_tagging import encoding
from projects.sequence_tagging.encoding import ROWS, WIDTHS, checked, padded, spans, tokens, windows
from projects.sequence_tagging.features import normalise
from projects.sequence_tagging.metrics import figures
from projects.sequence_tagging.programs import UNLABELLED, is_name

CHUNK_LINES = 2_000  # lines of a file that are tagged together
CAUTION = "The text is unlike those of training: its tags are guesses."
ENDINGS = (".csv", ".conll")  # endings of a file of tags


class Predictor:
    """Cuts texts into tokens and tags them.

    networks: {"model": see `model.build_models`}. meta: see `encoding.META`.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.words = Vocabulary.from_json(meta["words"])

    @property
    def examples(self) -> list[dict[str, Any]]:
        """A few sentences of the validation split."""
        return self.meta["examples"]

    def encode(self, sentences: Sequence[Sequence[str]]) -> tuple[Ragged, np.ndarray]:
        """Sentences of tokens as ids and spelling; see `encoding.encode`."""
        return encoding.encode(sentences, self.meta)

    def decode(self, logits: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits as numbers of tags and their probabilities; see `encoding.decode`."""
        return encoding.decode(logits, lengths, self.meta)

    def encode_split(self, split: Split, batch_size: int, seed: int | None = None, word_dropout: float = 0.0) -> Any:
        """A stream of batches for `fit`; a seed shuffles it anew in each epoch."""
        from projects.sequence_tagging.batches import tag_stream

        tags = encoding.tag_numbers(split.targets, self.meta["tags"])
        return tag_stream(*self.encode(split.inputs), tags, batch_size, seed, word_dropout)

    def read_transitions(self, trained: Any) -> None:
        """Keep the transitions of a network that is trained with a CRF; other networks have none."""
        if trained.layers[-1].name == "transitions":
            self.meta["transitions"] = trained.layers[-1].as_json()

    def logits(self, words: Ragged, spelling: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(rows, lengths, logits (n, width, tags)) of encoded sentences, in batches of few shapes."""
        lengths = words.lengths
        bucket = np.searchsorted(WIDTHS, lengths)
        for number in np.unique(bucket):
            rows = np.flatnonzero(bucket == number)
            size = next((size for size in (1, ROWS // 8) if len(rows) <= size), ROWS)
            for part in np.split(rows, range(size, len(rows), size)):
                filled = np.resize(part, size)  # the last batch repeats some rows, so that its shape is known
                inputs = padded(words, spelling, filled, WIDTHS[number])
                output = self.networks["model"].predict_on_batch(inputs)[: len(part)]
                yield part, lengths[part], output

    def tag(self, sentences: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[np.ndarray]]:
        """The tags of each sentence of tokens, and their probabilities. What is no name in a program is UNLABELLED.

        A long sentence is tagged in pieces that overlap; see `encoding.windows`.
        """
        pieces = [(row, *piece) for row, sentence in enumerate(sentences) for piece in windows(len(sentence))]
        encoded = self.encode([sentences[row][begin:end] for row, begin, end, *_ in pieces])
        tags = [np.zeros(len(sentence), int) for sentence in sentences]
        likely = [np.zeros(len(sentence)) for sentence in sentences]
        for numbers, lengths, logits in self.logits(*encoded):
            for number, answers, values in zip(numbers, *self.decode(logits, lengths), strict=True):
                row, begin, _, first, last = pieces[number]
                tags[row][first:last] = answers[first - begin : last - begin]
                likely[row][first:last] = values[first - begin : last - begin]
        names = [[self.meta["tags"][tag] for tag in row] for row in tags]
        if self.meta["reading"] == "code":  # operators and Python's keywords have no tag
            pairs = [zip(sentence, row, strict=True) for sentence, row in zip(sentences, names, strict=True)]
            names = [[tag if is_name(token) else UNLABELLED for token, tag in pair] for pair in pairs]
        return names, likely

    def familiarity(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """How much sentences are like those of training (n,): see `mean_probability`."""
        return np.array([mean_probability(*answer) for answer in zip(*self.tag(sentences), strict=True)])

    def calibrate(self, validation: Split) -> None:
        """Choose the temperature, which changes no tag, on beginnings of sentences; then the limit of the caution."""
        numbers = encoding.tag_numbers(validation.targets, self.meta["tags"])
        scores, targets = [], []
        for rows, lengths, logits in self.logits(*self.encode([row[: WIDTHS[-1]] for row in validation.inputs])):
            _, values = encoding.paths(logits, lengths, self.meta)
            for row, length, part in zip(rows, lengths, values, strict=True):
                tags = numbers[row][:length] - 2
                scores.append(part[:length][tags >= 0])
                targets.append(tags[tags >= 0])
        self.meta["temperature"] = best_temperature(np.concatenate(scores), np.concatenate(targets))
        self.meta["caution_below"] = caution_limit(self.familiarity(validation.inputs))

    def figures(self, split: Split) -> Any:
        """The figures of a split, as a function of the sentences' weights."""
        return figures(self.tag(split.inputs)[0], split.targets, self.unseen(split.inputs), self.meta["spans"])

    def unseen(self, sentences: Sequence[Sequence[str]]) -> list[list[bool]]:
        """Which tokens are no words of the vocabulary."""
        return [[normalise(token) not in self.words for token in sentence] for sentence in sentences]

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """{"text"} -> {"tokens": [{token, start, tag, probability, known}], "spans": [{label, text}], "unfamiliar"}.

        start: the token's place in the text. known: whether training had the word. spans: of tags with B- and I-.
        unfamiliar: whether the answer comes with a caution; see `familiarity`.
        Raises UserError for an empty text.
        """
        text = checked(raw)
        cut = tokens(text, self.meta["reading"])
        sentence = [token for token, _ in cut]
        (tags,), (likely,) = self.tag([sentence])
        (unseen,) = self.unseen([sentence])
        rows = [
            {"token": token, "start": start, "tag": tag, "probability": float(value), "known": not new}
            for (token, start), tag, value, new in zip(cut, tags, likely, unseen, strict=True)
        ]
        stretches = spans(tags) if self.meta["spans"] else []
        ends = [start + len(token) for token, start in cut]
        return {
            "tokens": rows,
            "spans": [{"label": label, "text": text[cut[a][1] : ends[b - 1]]} for label, a, b in stretches],
            "unfamiliar": bool(mean_probability(tags, likely) < self.meta["caution_below"]),
        }

    def without_crf(self, raw: dict[str, Any]) -> list[str]:
        """The tag of each token by its own logits alone, as a network without a CRF answers."""
        alone = Predictor(self.networks, {name: value for name, value in self.meta.items() if name != "transitions"})
        return [row["tag"] for row in alone.predict(raw)["tokens"]]

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answer alone: the network reads both ways, so no tag is settled before the last word."""
        yield self.predict(raw)

    def influence(self, raw: dict[str, Any], place: int) -> list[float]:
        """How much each token supports the tag of the token at `place`: (tokens,), in log-odds of the network's logits.

        Each token is replaced by one that nobody knows; what the tag's log-odds lose is the token's part.
        """
        sentence = [token for token, _ in tokens(checked(raw), self.meta["reading"])]
        first = max(0, min(place - WIDTHS[-1] // 2, len(sentence) - WIDTHS[-1]))
        seen = sentence[first : first + WIDTHS[-1]]
        hidden = [[*seen[:i], UNKNOWN_SIGN, *seen[i + 1 :]] for i in range(len(seen))]
        outputs = np.zeros((1 + len(hidden), len(self.meta["tags"])))
        for rows, _, logits in self.logits(*self.encode([seen, *hidden])):
            outputs[rows] = logits[:, place - first]
        odds = class_log_odds(outputs, int(outputs[0].argmax()))
        result = np.zeros(len(sentence))
        result[first : first + len(seen)] = odds[0] - odds[1:]
        return result.tolist()


def mean_probability(tags: Sequence[str], likely: np.ndarray) -> float:
    """The mean probability of a sentence's tags; 1 where no token has one."""
    values = [value for tag, value in zip(tags, likely, strict=True) if tag != UNLABELLED]
    return float(np.mean(values)) if values else 1.0


def tag_file(predictor: Predictor, source: Path, target: Path, quote_formulas: bool = False) -> int:
    """Tag a text file, a sentence a line, into a file as `Options` say; the number of lines. Empty lines stay out.

    `target` exists only once all of it has been written. In .conll a blank line follows each sentence.
    """
    if target.suffix not in ENDINGS:
        raise UserError(f"{target} must end in {' or '.join(ENDINGS)}.")
    if is_table(source):
        raise UserError(f"{source} is a table; expected a text file with a sentence in each line.")
    table, done = target.suffix == ".csv", 0
    lines = read_lines(source)
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        if table:
            file.write("sentence,word,tag,probability\n")
        while chunk := list(itertools.islice(lines, CHUNK_LINES)):
            cut = [[token for token, _ in tokens(text, predictor.meta["reading"])] for text in chunk]
            for number, (words, tags, likely) in enumerate(zip(cut, *predictor.tag(cut), strict=True), start=done + 1):
                if table and words:
                    shown = [quoted(word) for word in words] if quote_formulas else words
                    columns = {"sentence": number, "word": shown, "tag": tags, "probability": likely.round(4)}
                    pd.DataFrame(columns).to_csv(file, header=False, index=False)
                elif words:
                    file.writelines(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))
                    file.write("\n")
            done += len(chunk)
            print(f"\r{done:,} lines", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return done


@dataclass(frozen=True)
class Options:
    """A text or a file to tag, and the run that does it."""

    text: str | None = None  # one text
    input: Path | None = None  # a text file with a sentence in each line
    output: Path | None = None  # the tags: .csv (sentence, word, tag, probability) or .conll (word and tag)
    quote_formulas: bool = False  # in .csv an apostrophe before a word that a spreadsheet would compute (= + - @ first)
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        cli.check_asked(self, "text")


def _print_answer(answer: dict[str, Any]) -> None:
    width = max(len(row["token"]) for row in answer["tokens"])
    for row in answer["tokens"]:
        if row["tag"] != UNLABELLED:
            known = "" if row["known"] else "  (a new word)"
            print(f"{row['token']:<{width}}  {row['tag']:<17} {row['probability']:.1%}{known}")
    if answer["unfamiliar"]:
        print(CAUTION)
    for span in answer["spans"]:
        print(f"{span['label']}: {span['text']}")


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor = run.load()
        if options.text is not None:
            _print_answer(predictor.predict({"text": options.text}))
        else:
            lines = tag_file(predictor, options.input, options.output, options.quote_formulas)
            print(f"{lines:,} lines, by run {run.id}; written to {options.output}", file=sys.stderr)
