"""From sentences to the network's numbers, and from its logits back to tags.

`describe` fits `meta` on the training sentences. It is plain JSON and holds all that encoding needs.
"""

import itertools
import re
import tokenize
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from common.errors import UserError
from common.evaluation import TEMPERATURE, softmax
from common.inputs.sequences import Ragged
from common.inputs.text import to_jamo
from common.inputs.vocabulary import JSON, PADDING, Vocabulary
from common.saved import unlike
from common.schema import Between, check_input
from projects.sequence_tagging.config import Config
from projects.sequence_tagging.features import AFFIXES, FEATURES, SPACE, features, forms, normalise, numbered
from projects.sequence_tagging.programs import code_tokens
from projects.sequence_tagging.viterbi import best_tags, marginals

READINGS = ("code", "words", "syllables")  # how a typed text is cut into tokens
LETTERS = 24  # letters of a word, with Hangul taken apart; a longer word loses its middle
BUCKETS = 2**15  # shapes, beginnings and endings are hashed into so many
MIN_COUNT = 2  # occurrences of a word or a letter in training from which on it is known
MAX_CHARACTERS = 100_000  # the longest text that is read
WIDTHS = (16, 32, 64, 128)  # lengths that sentences are padded to when they are tagged
OVERLAP = 16  # tokens that the pieces of a longer sentence have in common at each side
ROWS = 64  # sentences that are tagged at once
MAX_TAGS = 500

# What meta.json holds (see common/schema.py).
META = {
    "tags": [str],
    "reading": READINGS,
    "spans": bool,
    "words": JSON,
    "letters": JSON,
    "temperature": TEMPERATURE,
    "caution_below": Between(0.0, 1.0),
    "transitions?": {"between": [[float]], "first": [float], "last": [float]},
    "examples": [{"text": str}],
}

# English as Universal Dependencies cut it: addresses, numbers and abbreviations whole, "n't", "'s" and hyphens alone.
WORDS = re.compile(
    r"""https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|[@#]\w+   # addresses, names and subjects of messages
    |\d+(?:[.,:/]\d+)*[^\W_]*                                       # 3,000  12:30  4th  1990s  1.5배로
    |\w+(?:\.[a-z]{2,4})+\b                                         # names of files and sites
    |(?:[^\W\d_]\.){2,}                                             # U.S.
    |(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc|No|Inc|Corp|Ltd|Co|Jan|Feb|Aug|Sept|Oct|Nov|Dec)\.
    |[^\W_]+?(?=n['’]t\b)|n['’]t\b                                  # do n't
    |['’](?:s|re|ve|ll|d|m|S)\b                                     # John 's
    |[^\W_]+(?:['’][^\W\d_]{3,})?                                  # a word
    |[:;=8][-o]?[)(DPp]|[.!?:]{2,}|([^\w\s])\1+|\S                 # :-) ... -- !!""",
    re.VERBOSE,
)


def tokens(text: str, reading: str) -> list[tuple[str, int]]:
    """(token, its place in the text) for a typed text.

    "code": as Python's own tokeniser; a text that is no program is read as words. "words": see WORDS. "syllables": each
    character, with one SPACE for the blanks between words.
    """
    if reading == "syllables":
        return [(SPACE if m.group().isspace() else m.group(), m.start()) for m in re.finditer(r"\s+|\S", text.strip())]
    if reading == "code":
        lines = text.splitlines(keepends=True)
        starts = [0, *itertools.accumulate(map(len, lines))]
        try:
            return [(token, starts[line - 1] + column) for token, line, column in code_tokens(text)]
        except (SyntaxError, tokenize.TokenError):
            pass  # half a program is read as words
    return [(match.group(), match.start()) for match in WORDS.finditer(text)]


def describe(sentences: Sequence[Sequence[str]], tags: list[str], reading: str, config: Config) -> dict[str, Any]:
    """`meta` of the training sentences. tags: all tags that training has."""
    words = [normalise(token) for tokens in sentences for token in tokens]
    letters = (to_jamo(token) for tokens in sentences for token in tokens)
    return {
        "tags": tags,
        "reading": reading,
        "spans": are_spans(tags),
        "words": Vocabulary.of_words(words, config.vocabulary, MIN_COUNT).to_json(),
        "letters": Vocabulary.of_characters(letters, 2_000, MIN_COUNT).to_json(),
        "temperature": 1.0,  # this one and the next: until `Predictor.calibrate`
        "caution_below": 0.0,
    }


def are_spans(tags: Sequence[str]) -> bool:
    """Whether the tags mark stretches of words, such as names: O, and B- and I- before a label."""
    return "O" in tags and all(tag == "O" or tag[:2] in ("B-", "I-") for tag in tags)


def encode(sentences: Sequence[Sequence[str]], meta: dict[str, Any]) -> tuple[Ragged, np.ndarray]:
    """Sentences of tokens -> (ids of their words, the spelling of every token, end to end).

    The spelling is (tokens, LETTERS + AFFIXES + FEATURES): the ids of its letters, the buckets of its form, and the
    buckets of its features (see features.py).
    """
    words, letters = Vocabulary.from_json(meta["words"]), Vocabulary.from_json(meta["letters"])
    flat = [token for sentence in sentences for token in sentence]
    ids = words.encode([normalise(token) for token in flat])
    starts = np.concatenate([[0], np.cumsum([len(sentence) for sentence in sentences], dtype=int)])
    distinct, codes = numbered(flat)
    if not distinct:
        return Ragged(ids, starts), np.zeros((0, LETTERS + AFFIXES + FEATURES), np.int32)
    spelled = Ragged.of([letters.encode(to_jamo(token)) for token in distinct]).shortened(LETTERS)
    buckets = np.array([forms(token) for token in distinct], np.int64) % (BUCKETS - 1) + 1
    of_words = np.hstack([spelled.padded(np.arange(len(distinct)), LETTERS), buckets])[codes]
    return Ragged(ids, starts), np.hstack([of_words, features(sentences)]).astype(np.int32)


def padded(words: Ragged, spelling: np.ndarray, rows: np.ndarray, width: int = 0) -> dict[str, np.ndarray]:
    """The network's input for some sentences of `encode`: words (n, width), letters and forms (n, width, …)."""
    places = Ragged(np.arange(1, len(words.ids) + 1), words.starts).padded(rows, width)
    spelled = np.concatenate([np.full((1, spelling.shape[1]), PADDING), spelling])[places].astype(np.int32)
    letters, forms, features = np.split(spelled, [LETTERS, LETTERS + AFFIXES], axis=-1)
    return {"words": words.padded(rows, width), "letters": letters, "forms": forms, "features": features}


def windows(length: int) -> list[tuple[int, int, int, int]]:
    """(begin, end, first, last) of each piece in which a sentence of this length is tagged.

    A piece is read from `begin` to `end`; its tags count from `first` to `last`. Up to the greatest width there is one.
    """
    if length <= WIDTHS[-1]:
        return [(0, length, 0, length)]
    step = WIDTHS[-1] - 2 * OVERLAP
    starts = range(0, length, step)
    return [(max(0, i - OVERLAP), min(i + step + OVERLAP, length), i, min(i + step, length)) for i in starts]


def tag_numbers(tags: Sequence[Sequence[str]], known: Sequence[str]) -> Ragged:
    """The tags of each sentence as numbers: 2 for the first known tag, 1 where a token has none of them."""
    number = {tag: place for place, tag in enumerate(known, start=2)}
    return Ragged.of([np.array([number.get(tag, 1) for tag in row], np.int32) for row in tags])


def decode(logits: np.ndarray, lengths: np.ndarray, meta: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, width, tags) of sentences of these lengths -> (numbers of the tags, their probabilities): (n, width).

    With a CRF the tags are those of the likeliest path. The scores are divided by the temperature first.
    """
    answers, scores = paths(logits, lengths, meta)
    likely = softmax(scores / meta["temperature"])
    return answers, np.take_along_axis(likely, answers[..., None], axis=-1)[..., 0]


def paths(logits: np.ndarray, lengths: np.ndarray, meta: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """(numbers of the tags (n, width), scores (n, width, tags)), of logits as in `decode`.

    The softmax of the scores is the probability of each tag: without a CRF they are the logits; with one they are the
    logarithm of the sum over all paths through the tag.
    """
    if "transitions" not in meta:
        return logits.argmax(axis=-1), logits
    transitions = {name: np.array(values) for name, values in meta["transitions"].items()}
    return best_tags(logits, lengths, **transitions), marginals(logits, lengths, **transitions)


def spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """(label, first token, token after the last) of each stretch. An I- that continues none begins one."""
    found: list[list] = []
    for place, tag in enumerate(tags):
        begins = tag[:2] == "B-" or not (found and found[-1][0] == tag[2:] and found[-1][2] == place)
        if tag[:2] in ("B-", "I-") and begins:
            found.append([tag[2:], place, place + 1])
        elif tag[:2] == "I-":
            found[-1][2] = place + 1
    return [(label, first, end) for label, first, end in found]


def checked(raw: Any) -> str:
    """The text of a raw input, composed (NFC) as training texts are. Raises UserError where it is empty or too long."""
    check_input(raw, {"text": str})
    text = unicodedata.normalize("NFC", raw["text"])
    if not text.strip():
        raise UserError("The text is empty; expected at least one word.")
    if len(text) > MAX_CHARACTERS:
        raise UserError(f"The text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.")
    return text


def disagreement(meta: dict[str, Any], networks: dict[str, Any]) -> str:
    """How the content of meta.json does not fit itself or the networks, in a few words; empty where it does."""
    count = len(meta["tags"])
    if not count or not meta["examples"] or len(set(meta["tags"])) < count:
        return "tags or examples are missing, or a tag is there twice"
    if (transitions := meta.get("transitions")) is not None:
        sizes = {len(row) for row in [*transitions["between"], transitions["first"], transitions["last"]]}
        if sizes != {count} or len(transitions["between"]) != count:
            return f"its transitions are not between {count} tags"
    for network in networks.values():
        known = [len(Vocabulary.from_json(meta["words"]))]
        if [weight.shape[0] for weight in network.get_layer("word_embedding").weights] != known:
            return f"it knows {known[0]:,} words, but the network another number"
    inputs = [(None, None, FEATURES), (None, None, AFFIXES), (None, None, LETTERS), (None, None)]
    return unlike(networks, dict.fromkeys(networks or ["model"], (inputs, [(None, None, count)])))
