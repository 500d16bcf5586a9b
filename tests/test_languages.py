"""The built-in data of text_classification: sentences in 30 languages, and what its default answers to others."""

import random

import numpy as np
import pytest

from common import runs
from common.project import Project
from projects.text_classification import data, languages
from projects.text_classification.config import Config
from projects.text_classification.ngrams import normalise
from tests.development_sentences import DEVELOPMENT
from tests.sentences import FURTHER, SENTENCES, UNLISTED


def test_builtin_keeps_translations_together_and_repeats_nothing(tmp_path):
    splits = data.load_data(Config(languages=6), "builtin", tmp_path)
    parts = (splits.train, splits.validation, splits.sealed_test)
    concepts = [set(part.units) for part in parts[1:]]
    assert not concepts[0] & concepts[1]
    train, *held_out = ({normalise(text) for text in part.inputs} for part in parts)
    assert not train & held_out[0] and not train & held_out[1] and not held_out[0] & held_out[1]
    assert sum(map(len, held_out)) == sum(len(part) for part in parts[1:]) > 1000
    # Nothing of training has a concept of the held-out texts: a command or a message in another language either.
    purpose: dict[str, str] = {}
    for text, _, concept in languages.sentences(list(languages.LANGUAGES)[:6]):
        purpose.setdefault(normalise(text), concept)
    learnt = {purpose[text] for text in train & set(purpose)}
    assert len(learnt) > 100 and not learnt & (concepts[0] | concepts[1])
    assert [len(np.unique(part.targets)) for part in parts] == [6, 6, 6]


def test_every_language_has_sentences_of_every_package_that_knows_it():
    """The packages are read as files, so a new release may move them."""
    for code in languages.LANGUAGES:
        assert len(set(languages._messages(code))) > 500 and len(set(languages._commands(code))) > 30, code
        texts = languages.word_sequences(code, ["one two three"])
        assert len(set(texts)) > 2000, code
    without = {code for code in languages.LANGUAGES if len(set(languages._sayings(code))) < 500}
    assert without == {"gl", "sk", "sl", "id", "ms", "ro", "vi"}


def test_galician_words_are_as_frequent_as_their_relatives():
    """wordfreq has no Galician: "non" is Portuguese "não", and "chaqueta" is Spanish alone."""
    known, portuguese, spanish = map(languages.frequencies, ("gl", "pt", "es"))
    assert known["quero"] == portuguese["quero"] and known["non"] == portuguese["não"]
    assert known["información"] == portuguese["informação"] and known["chaqueta"] == spanish["chaqueta"] / 2
    assert "uma" not in known and min(known.values()) > 0


def test_a_word_of_another_language_is_as_rare_as_it_is():
    """wordfreq has "love" among the 5,000 most frequent Italian words; it is 20 times as frequent in English."""
    words = {code: " ".join(languages.word_sequences(code, [])).split() for code in ("en", "it")}
    assert words["en"].count("love") > 2 > words["it"].count("love") and words["it"].count("amore") >= 2


def test_templates_of_commands_are_filled_in():
    commands = {text for text, _ in languages._commands("en")}
    assert not any(set(text) & set("[](){}<>|") for text in commands)
    assert any(text.startswith("turn") for text in commands)


def test_texts_are_changed_as_people_type():
    chance = random.Random(0)
    typed = {languages.as_typed("Où est-ce, ça ? がぎ й", chance) for _ in range(100)}
    assert typed == {"Où est-ce, ça ? がぎ й", "Où est-ce ça  がぎ й", "Ou est-ce, ca ? がぎ й", "Ou est-ce ca  がぎ й"}


def test_the_test_split_is_the_same_for_every_seed(tmp_path):
    first, second = (data.load_data(Config(languages=2, seed=seed), "builtin", tmp_path) for seed in (0, 7))
    assert first.sealed_test.inputs == second.sealed_test.inputs


def test_the_sentences_to_judge_by_are_not_those_to_choose_by():
    sets = [{normalise(text) for text, _ in pairs} for pairs in (DEVELOPMENT, SENTENCES, FURTHER)]
    assert list(map(len, sets)) == [336, 180, 60] and len(set.union(*sets)) == sum(map(len, sets))
    assert not {name for _, name in UNLISTED} & set(languages.LANGUAGES.values())


@pytest.mark.slow
def test_the_default_answers_what_people_type(tmp_path):
    """Ordinary sentences that nobody trained on; with the accents and punctuation, and without."""
    config = Config(epochs=4)
    run = runs.start(Project("text_classification"), config, "builtin", tmp_path / "data", tmp_path / "runs")
    Project("text_classification").train(config, run)
    predictor = run.load()
    texts, truth = zip(*SENTENCES, strict=True)
    answers = predictor.decode(predictor.score(texts))["predicted"]
    assert (answers == np.array(truth)).mean() >= 0.9
    kinds = {**languages.foreign_texts(), "listed": texts, "unlisted": [text for text, _ in UNLISTED]}
    flagged = {kind: (predictor.familiarity(rows, predictor.score(rows)) < 0).mean() for kind, rows in kinds.items()}
    assert flagged["random letters"] > 0.9 and flagged["other languages"] > 0.7 and flagged["unlisted"] > 0.7
    assert flagged["listed"] <= 0.05
    examples = {normalise(text) for text in predictor.examples}
    assert {f"saying {text}" for text in examples} <= languages.quotations(), "sayings, and no message of a program"
