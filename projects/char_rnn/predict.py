"""From a prompt to a text that is written character by character, and the command that prints it as it is written."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.evaluation import softmax
from common.inputs.text import from_jamo, settled, to_jamo
from common.inputs.vocabulary import Vocabulary
from projects.char_rnn import cache
from projects.char_rnn.encoding import DEFAULTS, beginning, check_settings, decode, encode, targets_of
from projects.char_rnn.metrics import STEPS, surprise, with_hidden


class Predictor:
    """Encodes text, runs the network and writes.

    networks: {"model": [ids, states …] -> [logits, states …]}. meta: {"vocabulary", "jamo": whether Hangul syllables
    are taken apart, "examples": raw inputs, "network_votes": the weight of its vote beside the cache's}.
    It writes without the cache.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        self.networks, self.meta = networks, meta
        self.vocabulary, self.jamo = Vocabulary.from_json(meta["vocabulary"]), meta["jamo"]
        self._loops: dict[bool, Any] = {}  # the compiled loops, without and with top-k and top-p

    @cached_property
    def reader(self) -> Any:
        """The network with its hidden states as further outputs, as `metrics.read` takes it."""
        return with_hidden(self.networks["model"])

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Prompts to start from, with their settings."""
        return self.meta["examples"]

    def encode(self, text: str) -> np.ndarray:
        """Ids (characters,) int32."""
        return encode(text, self.vocabulary, self.jamo)

    def decode(self, ids: Any) -> str:
        """Ids back to text."""
        return decode(ids, self.vocabulary, self.jamo)

    def decode_symbols(self, ids: Any) -> str:
        """Ids back to text with one character for each id: jamo stay apart."""
        return decode(ids, self.vocabulary, jamo=False)

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Write, and yield the text so far.

        raw: {"prompt", "length": characters to write, "temperature", "top_k", "top_p", "seed", "stop": a text before
        which writing ends}. What is left out is as in `DEFAULTS`. Yields {"text": prompt and continuation, "unknown":
        the prompt's characters that the vocabulary does not have, "stopped": whether the stop text came}.
        """
        from projects.char_rnn.generate import make_loop, write

        raw = check_settings(raw)
        prompt, stop = (to_jamo(raw[name]) if self.jamo else raw[name] for name in ("prompt", "stop"))
        ids = self.vocabulary.encode(prompt or beginning(self.vocabulary))
        filtered = raw["top_k"] > 0 or raw["top_p"] < 1
        if filtered not in self._loops:
            self._loops[filtered] = make_loop(self.networks["model"], filtered)
        settings = {name: raw[name] for name in ("length", "temperature", "top_k", "top_p", "seed")}
        unknown, text = self.vocabulary.unknown(prompt), prompt
        for piece in write(self.networks["model"], self._loops[filtered], ids[None], **settings):
            text += self.decode_symbols(piece[0])
            end = text.find(stop, len(prompt)) if stop else -1
            text = text if end < 0 else text[:end]
            yield {"text": from_jamo(text) if self.jamo else text, "unknown": unknown, "stopped": end >= 0}
            if end >= 0:
                return

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The last answer of `stream`."""
        *_, last = self.stream(raw)
        return last

    def inside(self, text: str) -> dict[str, Any]:
        """What the network and its cache do while they read a text.

        "nats": (characters,), how much each character surprises. "probabilities": (characters + 1, symbols);
        probabilities[i] is the distribution before the i-th character, given the text before it. "cache": (characters
        + 1,), how much of each comes from the cache, 0 to 1. "hidden": the hidden states (characters, units) of each
        recurrent layer by name. `encoding.beginning` is read before the text, so that its first character has a
        distribution too.
        """
        ids = np.concatenate([self.encode(beginning(self.vocabulary)), self.encode(text)])
        states = [np.zeros((1, state.shape[1]), "float32") for state in self.reader.inputs[1:]]
        rows: list[list[np.ndarray]] = []
        for begin in range(0, len(ids), STEPS):  # pieces of one length, because each new length is compiled
            piece = np.pad(ids[begin : begin + STEPS], (0, max(0, begin + STEPS - len(ids))))
            logits, *rest = self.reader.predict_on_batch([piece[None], *states])
            states = rest[: len(states)]
            rows.append([part[0] for part in (logits, *rest[len(states) :])])
        logits, *hidden = (np.concatenate(parts)[: len(ids)] for parts in zip(*rows, strict=True))
        targets = targets_of(ids[1:])
        following, voted = np.append(targets, -1), []
        for begin in range(0, len(ids), cache.LENGTH):
            span = slice(max(0, begin - cache.LENGTH), begin + cache.LENGTH)
            voted.append(cache.votes(hidden[-1][span], following[span], begin - span.start, logits.shape[1]))
        votes, weight = np.concatenate(voted), self.meta["network_votes"]
        probabilities = cache.mix(softmax(logits), votes, weight)
        total = votes.sum(axis=1)
        by_layer = {f"{self.reader.name}_{i}": states[1:] for i, states in enumerate(hidden, start=1)}
        nats, _ = surprise(probabilities[:-1], targets)
        return {"nats": nats, "probabilities": probabilities, "cache": total / (weight + total), "hidden": by_layer}


@dataclass(frozen=True)
class Options:
    """What to continue, how, and with which run."""

    prompt: str = ""  # the beginning of the text
    length: int = DEFAULTS["length"]  # characters to write
    temperature: float = DEFAULTS["temperature"]  # 0: always the most probable character; 1: as the network has learnt
    top_k: int = DEFAULTS["top_k"]  # draw from the k most probable characters only; 0: from all
    top_p: float = DEFAULTS["top_p"]  # draw only from the most probable ones that together have this probability
    seed: int = DEFAULTS["seed"]  # the same seed writes the same text
    stop: str = DEFAULTS["stop"]  # end before this text
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        check_settings(self.raw)

    @property
    def raw(self) -> dict[str, Any]:
        """What the Predictor takes."""
        return {name: value for name, value in vars(self).items() if name not in ("run", "runs_dir")}


def print_text(predictor: Predictor, raw: dict[str, Any]) -> None:
    """Print the text while it is written, and on stderr which characters of the prompt are unknown."""
    printed = ""
    for answer in predictor.stream(raw):
        if not printed and answer["unknown"]:
            listed = " ".join(map(repr, answer["unknown"]))
            print(f"not in this run's vocabulary, read as unknown characters: {listed}", file=sys.stderr)
        # In jamo the last syllable may still get a final consonant.
        ready = answer["text"][: settled(answer["text"])] if predictor.jamo else answer["text"]
        print(ready[len(printed) :], end="", flush=True)
        printed = ready
    print(answer["text"][len(printed) :])


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        print_text(run.load(), options.raw)
