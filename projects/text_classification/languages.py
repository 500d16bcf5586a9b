"""Sentences and words in 30 languages, from packages that `pip install` brings."""

import functools
import itertools
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from common.inputs.text import program_lines, random_letters
from projects.text_classification.ngrams import normalise

# Close relatives first, so that a small number of languages is not a trivial task.
LANGUAGES = {
    "da": "Danish", "nb": "Norwegian", "ko": "Korean", "es": "Spanish", "pt": "Portuguese", "en": "English",
    "sv": "Swedish", "gl": "Galician", "cs": "Czech", "sk": "Slovak", "hr": "Croatian", "sl": "Slovenian",
    "id": "Indonesian", "ms": "Malay", "ru": "Russian", "uk": "Ukrainian", "fi": "Finnish", "et": "Estonian",
    "de": "German", "nl": "Dutch", "fr": "French", "it": "Italian", "ro": "Romanian", "pl": "Polish",
    "hu": "Hungarian", "is": "Icelandic", "tr": "Turkish", "vi": "Vietnamese", "ja": "Japanese", "zh": "Chinese",
}  # fmt: skip
PACKAGES = ("Django", "home-assistant-intents", "mimesis", "simplemma", "stopwordsiso", "wordfreq")
OTHER_CODES = {
    ("mimesis", "nb"): "no",
    ("django", "zh"): "zh_Hans",
    ("home_assistant_intents", "zh"): "zh-CN",
    ("wordfreq", "hr"): "sh",
    ("stopwordsiso", "nb"): "no",
}
SAYINGS = {"text": ["quotes", "text", "words", "color"], "food": None, "person": ["occupation"]}  # what mimesis has
FOREIGN = ("ar", "bg", "ca", "cy", "el", "eu", "hi", "lt", "sq", "sw")  # languages to try the caution with
SPACELESS = ("ja", "zh")  # written without spaces between words
CHARACTERS = 30_000  # limit for one package in one language; a few have ten times as many as others
DRAWN, LISTED, COMMON = 12_500, 5000, 100  # numbers of words of each language; see `word_sequences`
FLATTENED = 0.85  # exponent of a word's frequency; under 1, so that rarer words are drawn too
UNLISTED = ("gl", "et")  # wordfreq lacks them
RARE = 1e-6  # frequency of a word that is only known to exist
BORROWED = 10  # times as frequent as in this language, in another one
# What Portuguese and Galician write in different ways, and the common form; Galician letters first.
SPELLINGS = (
    ("ñ", "nh"), ("ll", "lh"), ("ción(s?)$|[çs]ão$", r"cion\1"), ("[çs]ões$", "cions"), ("ão$", "on"), ("ões$", "ons"),
    ("m$", "n"), ("ç", "z"), ("z(?=[ei])", "c"), ("ss", "s"), ("j|g(?=[ei])", "x"),
)  # fmt: skip
COMMAND = re.compile(r"\[([^\[\]()]*)\]|\(([^\[\]()]*)\)|<([^<>]*)>|\{([^{}]*)\}")  # the innermost part of a template
GAP = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{[^}]*\}|<[^>]*>|&\w+;")  # what a program puts into a message


def sentences(languages: list[str]) -> Iterator[tuple[str, str, str]]:
    """(text, language, concept) of all packages, at most CHARACTERS of each and each language, in random order.

    A text and its translations are one concept, and so are the commands for one purpose.
    """
    for number, read in enumerate((_messages, _commands, _sayings)):
        for language in languages:
            rows = sorted(set(read(language)))
            random.Random(number).shuffle(rows)
            left = CHARACTERS
            for text, concept in rows:
                if len(text) > 4 if language in SPACELESS else len(text.split()) > 1:
                    yield text, language, concept
                    left -= len(text)
                    if left < 0:
                        break


def _messages(language: str) -> Iterator[tuple[str, str]]:
    """The messages of Django, sentence by sentence. The English ones are what the others translate."""
    import django
    from babel.messages.mofile import read_mo

    code = OTHER_CODES.get(("django", language), "de" if language == "en" else language)
    places = (f"{folder}/locale/{code}/LC_MESSAGES/*.mo" for folder in ("conf", "contrib/*"))
    for path in sorted(path for place in places for path in Path(django.__file__).parent.glob(place)):
        with path.open("rb") as file:
            catalog = read_mo(file)
        for message in catalog:
            original = message.id if isinstance(message.id, str) else message.id[0]
            translated = message.string if isinstance(message.string, str) else message.string[0]
            text = original if language == "en" else translated
            if original and (language == "en" or text != original):
                for part in re.split(r"\n+|(?<=[.!?])\s+", GAP.sub(" ", text)):
                    if part.strip():
                        yield " ".join(part.split()), f"message {original}"


def _commands(language: str, each: int = 20) -> Iterator[tuple[str, str]]:
    """What people say to Home Assistant: at most `each` commands for one purpose, drawn from its templates.

    `[a]` is optional, `(a|b)` a choice, `<a>` another template, `{a}` a value of a list.
    """
    import home_assistant_intents

    code = OTHER_CODES.get(("home_assistant_intents", language), language)
    content = json.loads(files(home_assistant_intents).joinpath("data", f"{code}.json").read_text("utf-8"))
    chance = random.Random(language)

    def part(match: re.Match) -> str:
        optional, choice, template, name = match.groups()
        if template is not None:
            return f"({content['expansion_rules'].get(template.strip(), '')})"
        if name is not None:
            values = content["lists"].get(name.partition(":")[0], {}).get("values") or [""]
            value = chance.choice(values)
            return value if isinstance(value, str) else str(value["in"])
        return chance.choice((choice or optional or "").split("|")) if choice or chance.random() < 0.6 else ""

    for purpose, intent in content["intents"].items():
        templates = [text for group in intent["data"] for text in group["sentences"]]
        for _ in range(each):
            text = chance.choice(templates)
            while len(text) < 2000 and COMMAND.search(text):
                text = COMMAND.sub(part, text, count=1)
            if len(text) < 200:
                yield " ".join(re.sub(r"[\[\](){}<>|]", " ", text).split()), f"command {purpose}"


def _sayings(language: str, parts: Mapping[str, Sequence[str] | None] = SAYINGS) -> Iterator[tuple[str, str]]:
    """Sayings, sentences, food and professions of mimesis, with its lists of single words.

    parts: {file: keys of what is read}, None for all keys.
    """
    import mimesis

    folder = files(mimesis).joinpath("datasets", OTHER_CODES.get(("mimesis", language), language))
    if not folder.is_dir():
        return

    for name, keys in parts.items():
        content = json.loads(folder.joinpath(f"{name}.json").read_text("utf-8"))
        left = [content.get(key) for key in keys or content]
        while left:
            item = left.pop()
            if isinstance(item, str):
                yield item, f"saying {normalise(item)}"
            elif item:
                left += item.values() if isinstance(item, dict) else item


def quotations() -> set[str]:
    """The concepts of `sentences` that are proverbs and famous sentences."""
    return {concept for language in LANGUAGES for _, concept in _sayings(language, {"text": ["quotes"]})}


@functools.cache
def foreign_texts(each: int = 40) -> dict[str, list[str]]:
    """{kind: texts} that the default has not learnt: languages that are not on its list, random letters, programs."""
    chance = random.Random(0)
    others = []
    for code in FOREIGN:
        messages = sorted({text for text, _ in _messages(code) if len(text.split()) > 1})
        others += chance.sample(messages, min(each, len(messages)))
    return {
        "other languages": others,
        "random letters": random_letters(len(others), 2, 6, chance),
        "lines of a program": chance.sample(program_lines(), len(others)),
    }


def word_sequences(language: str, texts: list[str]) -> list[str]:
    """Sequences of two to eight words, each as often as it is expected among DRAWN words; see `frequencies`.

    Of a language that wordfreq lacks, half of the words are those of the `texts`. The stop words of stopwordsiso are at
    least as frequent as the word in place COMMON, because they tell close relatives apart. The LISTED most frequent
    words occur at least twice: what one text alone holds would only repeat its label. BORROWED words do not: "love" is
    on the Italian list.
    """
    import stopwordsiso

    chance = random.Random(language)
    known, elsewhere = frequencies(language), _highest_frequencies()
    weights = {word: frequency**FLATTENED for word, frequency in known.items()}
    if language in UNLISTED:
        counts = Counter(word for text in texts for word in normalise(text).split())
        share = sum(weights.values()) / sum(count**FLATTENED for count in counts.values())
        weights |= {word: weights.get(word, 0) + share * count**FLATTENED for word, count in counts.items()}
    common = sorted(weights.values())[-COMMON:][0]
    code = OTHER_CODES.get(("stopwordsiso", language), language)
    for word in sorted(stopwordsiso.stopwords(code)) if stopwordsiso.has_lang(code) else ():
        weights[word] = max(weights.get(word, 0), common)
    weights = {word: weight for word, weight in weights.items() if any(map(str.isalpha, word))}
    drawn, total = [], sum(weights.values())
    for place, word in enumerate(sorted(weights, key=lambda word: (-weights[word], word))):
        least = 2 if place < LISTED and elsewhere.get(word, 0) < BORROWED * known.get(word, 1) else 0
        drawn += [word] * max(int(DRAWN * weights[word] / total + chance.random()), least)
    chance.shuffle(drawn)
    words, between = iter(drawn), "" if language in SPACELESS else " "
    sequences = iter(lambda: list(itertools.islice(words, chance.randint(2, 8))), [])
    return [between.join(sequence) for sequence in sequences]


@functools.cache
def frequencies(language: str) -> dict[str, float]:
    """The share of each word among all words, by wordfreq. For a language that it lacks, an estimate.

    The base forms of simplemma are as frequent as RARE. A Galician word, in any form, is as frequent as the same word
    in Portuguese, and else half as frequent as in Spanish.
    """
    import simplemma.strategies
    import wordfreq

    if language not in UNLISTED:
        groups = wordfreq.get_frequency_list(OTHER_CODES.get(("wordfreq", language), language), "small")
        return {word: 10 ** (-i / 100) for i, words in enumerate(groups) for word in words}
    table = simplemma.strategies.DefaultDictionaryFactory().get_dictionary(language)
    known = {word: RARE for word in sorted(set(table.values())) if word.isalpha() and word.islower()}
    if language == "gl":
        portuguese, spanish, spelt = frequencies("pt"), frequencies("es"), zip(table, respelled(table), strict=True)
        portuguese = highest(zip(respelled(portuguese), portuguese.values(), strict=True))
        related = {word: portuguese.get(same) or spanish.get(word, 0) / 2 for word, same in sorted(spelt)}
        known |= {word: frequency for word, frequency in related.items() if frequency}
    return known


@functools.cache
def _highest_frequencies() -> dict[str, float]:
    """The frequency of each word where it is most frequent. Estonian words are RARE, so none is BORROWED from there."""
    return highest(pair for code in LANGUAGES if code != "et" for pair in frequencies(code).items())


def highest(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The largest frequency of each word."""
    return dict(sorted(pairs, key=lambda pair: pair[1]))


def respelled(words: Iterable[str]) -> list[str]:
    """Portuguese or Galician words in a spelling that does not tell them apart: não and non are both non."""
    lines = "\n".join(words)  # one call for all words: a call for each takes ten times as long
    for letters, common in SPELLINGS:
        lines = re.sub(letters, common, lines, flags=re.MULTILINE)
    return without_accents(lines).split("\n")


def as_typed(text: str, chance: random.Random) -> str:
    """The text as people type it: sometimes without punctuation, sometimes without the accents of Latin letters."""
    if chance.random() < 0.3:
        text = without_punctuation(text)
    return without_accents(text) if chance.random() < 0.2 else text


def without_punctuation(text: str) -> str:
    return re.sub(r"[^\w\s'’-]", "", text)


def without_accents(text: str) -> str:
    """The text without the accents of Latin letters: é becomes e, and й and が stay."""
    apart = re.sub("(?<=[A-Za-z])[\u0300-\u036f]+", "", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", apart)
