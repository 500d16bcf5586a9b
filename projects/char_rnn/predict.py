"""From a prompt to a text that is written character by character, and the command that prints it as it is written."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common import cli, runs
from common.errors import UserError
from common.inputs.text import Encoder, decode, from_jamo, settled, to_jamo

LANES, STEPS = 64, 64  # a long text is read in 64 places at once, 64 characters a call
WARM_UP = 512  # characters that each place reads before those that it is scored on
MOST_PROMPT, MOST_LENGTH = 10_000, 100_000
DEFAULTS = {"length": 500, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "seed": 0, "stop": ""}


class Predictor:
    """Encodes text, runs the network and writes.

    networks: {"model": [ids, states …] -> [log-odds, states …]}. meta: {"vocabulary": list of characters,
    "jamo": whether Hangul is taken apart, "window": length of a fixed window, "examples"}.
    """

    def __init__(self, networks: dict[str, Any], meta: dict[str, Any]):
        from common.layers.recurrent import accelerate

        self.networks = {name: accelerate(network) for name, network in networks.items()}
        self.meta = meta
        self.vocabulary: list[str] = meta["vocabulary"]
        self._encoder = Encoder(self.vocabulary)
        self._loops: dict[bool, Any] = {}
        self._inside: Any = None

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Prompts to start from, with their settings."""
        return self.meta["examples"]

    def encode(self, text: str) -> np.ndarray:
        """Ids (characters,) int32; unknown characters have the id `len(vocabulary)`."""
        return self._encoder.encode(to_jamo(text) if self.meta["jamo"] else text)

    def decode(self, ids: Any) -> str:
        """Ids -> text."""
        text = self.decode_plain(ids)
        return from_jamo(text) if self.meta["jamo"] else text

    def stream(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Write, and yield what there is so far.

        raw: {"prompt": text, "length": characters to write, "temperature", "top_k", "top_p", "seed", "stop": a text at
        which to end}; what is left out is as in `DEFAULTS`. Yields {"text": prompt and continuation, "unknown": the
        prompt's characters that the network does not know (it reads nothing in their place), "stopped": whether the
        stop text came}.
        """
        from projects.char_rnn.generate import make_loop, write

        raw = check_settings(raw)
        prompt, stop = (to_jamo(raw[name]) if self.meta["jamo"] else raw[name] for name in ("prompt", "stop"))
        ids = self._encoder.encode(prompt or self.beginning)
        filtered = raw["top_k"] > 0 or raw["top_p"] < 1
        if filtered not in self._loops:
            self._loops[filtered] = make_loop(self.networks["model"], filtered)
        knobs = {name: raw[name] for name in ("length", "temperature", "top_k", "top_p", "seed")}
        unknown, text = self._encoder.unknown(prompt), prompt
        for piece in write(self.networks["model"], self._loops[filtered], ids[None], **knobs):
            text += decode(piece[0], self.vocabulary)
            end = text.find(stop, len(prompt)) if stop else -1
            text = text if end < 0 else text[:end]
            yield {
                "text": from_jamo(text) if self.meta["jamo"] else text,
                "unknown": unknown,
                "stopped": end >= 0,
            }
            if end >= 0:
                return

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The last answer of `stream`."""
        *_, last = self.stream(raw)
        return last

    def decode_plain(self, ids: Any) -> str:
        """Ids -> text of one character for each id: jamo stay apart."""
        return decode(ids, self.vocabulary)

    @property
    def beginning(self) -> str:
        """What stands before a text without a prompt: the end of a line, else the first character of the training."""
        return "\n" if "\n" in self.vocabulary else self.vocabulary[0]

    def score(self, stream: Any, window: int | None = None) -> dict[str, np.ndarray]:
        """Figures of a whole text for each of its blocks: {"nats", "right", "characters"}, sums (blocks,).

        stream: `data.Stream`. window: every so many characters the state is set to zero; None: it is carried
        along. Then the text is read in 64 places at once, each of which first reads the 512 characters before it: what
        the state still holds of more distant ones does not show in the figures (a test compares).
        Characters that are not in the vocabulary are read but not scored.
        """
        from projects.char_rnn.data import BLOCK

        sums = {name: np.zeros(len(stream)) for name in ("nats", "right", "characters")}
        for places, following, log_odds, counted in self._read(stream, window):
            nats, right = surprise(log_odds, following)
            for name, values in (("nats", nats), ("right", right), ("characters", counted)):
                sums[name] += np.bincount((places[counted] + 1) // BLOCK, values[counted], minlength=len(stream))
        return sums

    def by_place(self, stream: Any, window: int) -> tuple[np.ndarray, np.ndarray]:
        """(nats, characters) summed over all windows of a text, for each place in the window: (window,) each."""
        sums = np.zeros((2, window))
        for places, following, log_odds, counted in self._read(stream, window):
            nats, _ = surprise(log_odds, following)
            for row, values in zip(sums, (nats, counted), strict=True):
                row += np.bincount(places[counted] % window, values[counted], minlength=window)
        return sums[0], sums[1]

    def _read(self, stream: Any, window: int | None) -> Iterator[tuple[np.ndarray, ...]]:
        """The network's log-odds over a text: (places, next ids, log-odds, counted), each (lanes, steps, …).

        Every call has the same shape, because each new shape is compiled; what is read for the state's sake alone, or
        lies beyond the end, is not counted.
        """
        network, characters, symbols = self.networks["model"], stream.characters - 1, len(self.vocabulary)
        lanes, steps = (LANES, STEPS) if characters >= LANES * STEPS else (1, min(STEPS, characters))
        zeros = [np.zeros((lanes, state.shape[1]), "float32") for state in network.inputs[1:]]
        if window is None:
            length = -(-characters // lanes)
            groups = [(np.arange(lanes) * length, -(WARM_UP // steps) * steps if lanes > 1 else 0, length)]
        else:
            starts = np.arange(0, characters, window)
            groups = [(starts[i : i + lanes], 0, window) for i in range(0, len(starts), lanes)]
        for starts, first, length in groups:
            starts = np.pad(starts, (0, lanes - len(starts)), constant_values=characters)
            states = zeros
            for step in range(first, length, steps):
                places = starts[:, None] + np.arange(step, step + steps)
                inside = (places >= 0) & (places < characters)
                ids, following = np.zeros((2, lanes, steps), "int32")
                for lane in np.flatnonzero(inside.any(axis=1)):
                    begin, end = places[lane][inside[lane]][[0, -1]]
                    read = stream.read(int(begin), int(end) + 2)
                    ids[lane, inside[lane]], following[lane, inside[lane]] = read[:-1], read[1:]
                log_odds, *states = network.predict_on_batch([ids, *states])
                states = [state * inside.any(axis=1)[:, None] for state in states]  # nothing stands before the text
                here = np.arange(step, step + steps)
                counted = inside & (here >= 0) & (here < length)
                yield places, following, log_odds, counted & (following < symbols)

    def inside(self, text: str) -> dict[str, np.ndarray]:
        """What the network does while it reads a text: {"nats": (characters,), "shares": (characters + 1, symbols),
        and for each recurrent layer, by name, its hidden states (characters, units)}.

        shares[i]: the distribution before the i-th character, from the state that the text so far has left; nats[i]:
        how much the i-th character surprised. `beginning` precedes the text, so that its first character has one too.
        """
        import keras

        network = self.networks["model"]
        if self._inside is None:
            recurrent = [layer for layer in network.layers if isinstance(layer, keras.layers.RNN)]
            self._names = [layer.name for layer in recurrent]
            hidden = [layer.output[0] for layer in recurrent]
            self._inside = keras.Model(network.inputs, [*network.outputs, *hidden])
        ids = np.concatenate([self.encode(self.beginning), self.encode(text)])
        states = [np.zeros((1, state.shape[1]), "float32") for state in network.inputs[1:]]
        rows: list[list[np.ndarray]] = []
        for begin in range(0, len(ids), STEPS):
            piece = np.pad(ids[begin : begin + STEPS], (0, max(0, begin + STEPS - len(ids))))
            log_odds, *rest = self._inside.predict_on_batch([piece[None], *states])
            states = rest[: len(states)]
            rows.append([part[0] for part in (log_odds, *rest[len(states) :])])
        log_odds, *hidden = (np.concatenate(parts)[: len(ids)] for parts in zip(*rows, strict=True))
        nats, _ = surprise(log_odds[:-1], ids[1:])
        shares = np.exp(log_odds - log_odds.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return {"nats": nats, "shares": shares, **{n: h[1:] for n, h in zip(self._names, hidden, strict=True)}}


def check_settings(raw: dict[str, Any]) -> dict[str, Any]:
    """The raw input with every setting filled in; a UserError says what is out of range."""
    raw = {"prompt": "", **DEFAULTS, **raw}
    for name, least, most in (
        ("length", 1, MOST_LENGTH),
        ("temperature", 0, 5),
        ("top_k", 0, 10_000),
        ("top_p", 0, 1),
        ("seed", 0, 2**53),
    ):
        value = raw[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise UserError(f"{name.replace('_', '-')} is {value!r}; expected {least:,} to {most:,}.")
    if len(raw["prompt"]) > MOST_PROMPT:
        raise UserError(f"The prompt has {len(raw['prompt']):,} characters; at most {MOST_PROMPT:,} are read.")
    return raw


def choose_examples(stream: Any, predictor: Predictor, count: int = 4) -> list[dict[str, Any]]:
    """Prompts from the validation part: beginnings of lines, spread over it; of a single word its first letter."""
    if stream.characters < 100:
        text = predictor.decode(stream.read(0, stream.characters))
        return [{"prompt": text[0], "length": len(text) - 1, "temperature": 0.0}]
    prompts = []
    for i in range(count):
        begin = stream.characters * i // count
        text = predictor.decode(stream.read(begin, begin + 2000))
        lines = [line.strip() for line in text.splitlines()[1:-1]] or [text]
        prompts.append(" ".join(next((line for line in lines if len(line) > 15), text)[:40].split(" ")[:4]))
    return [{"prompt": prompt, "length": 300, "temperature": 0.8, "seed": 0} for prompt in prompts]


def surprise(log_odds: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(nats, right): -log of the probability given to each id (unknown: 0), and whether it was the likeliest."""
    known = np.minimum(ids, log_odds.shape[-1] - 1)
    top = log_odds.max(axis=-1)
    of = np.take_along_axis(log_odds, known[..., None], axis=-1)[..., 0]
    total = np.log(np.exp(log_odds - top[..., None]).sum(axis=-1)) + top
    nats = np.where(ids == known, total - of, 0.0)
    return nats, (log_odds.argmax(axis=-1) == ids)


@dataclass(frozen=True)
class Options:
    """What to continue, how, and by which run."""

    prompt: str = ""  # the beginning of the text
    length: int = DEFAULTS["length"]  # characters to write
    temperature: float = DEFAULTS["temperature"]  # 0: always the likeliest; 1: as the network has learnt it
    top_k: int = DEFAULTS["top_k"]  # draw from the k likeliest characters only; 0: from all
    top_p: float = DEFAULTS["top_p"]  # draw only from the likeliest that together have this probability
    seed: int = DEFAULTS["seed"]  # the same seed writes the same text
    stop: str = DEFAULTS["stop"]  # end where this text would begin
    run: str = "best"  # id of a run, best (by validation) or latest
    runs_dir: Path = field(default_factory=runs.runs_dir)  # where the run folders are

    def __post_init__(self) -> None:
        check_settings(self.raw)

    @property
    def raw(self) -> dict[str, Any]:
        """What the Predictor takes."""
        return {name: value for name, value in vars(self).items() if name not in ("run", "runs_dir")}


if __name__ == "__main__":
    with cli.predict_command(Options, __spec__.parent) as (options, run):
        predictor, shown = run.load(), ""
        for answer in predictor.stream(options.raw):
            if not shown and answer["unknown"]:
                listed = " ".join(map(repr, answer["unknown"]))
                print(f"not in this run's vocabulary, read as nothing: {listed}", file=sys.stderr)
            # in jamo the last syllable may still get a final consonant
            ready = answer["text"] if not predictor.meta["jamo"] else answer["text"][: settled(answer["text"])]
            print(ready[len(shown) :], end="", flush=True)
            shown = ready
        print(answer["text"][len(shown) :])
