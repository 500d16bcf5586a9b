"""Sequence tagging: a label for every word, read with its neighbours on both sides."""

TITLE = {"en": "Sequence tagging", "ko": "시퀀스 태깅"}
PROBLEM = {
    "en": "What is each word of a sentence: a noun, a verb, a part of somebody's name? And each name in a program?",
    "ko": "문장의 단어는 각각 무엇일까요? 명사일까요, 동사일까요, 사람 이름일까요? 프로그램 속의 이름은 또 무엇일까요?",
}
TOPOLOGY = "many-to-many"  # a word in, a tag out, at every step
METRIC = {
    "builtin": ("accuracy", "max"),
    "ud_english_ewt": ("accuracy", "max"),
    "ud_korean_gsd": ("accuracy", "max"),
    "wikiann_en": ("f1", "max"),
    "wnut17": ("f1", "max"),
    "klp2016": ("f1", "max"),
    "PATH": ("accuracy", "max"),
}
MINUTES = 2.8  # what the default's whole command takes on two cores
DATA = {
    "builtin": "what each name in a program is: Python's own standard library, labelled by its parser (default)",
    "PATH": "your own file: CoNLL columns, CoNLL-U (.conllu), or a CSV with sentence, word and tag",
}
STANDARD = {
    "ud_english_ewt": "parts of speech: Universal Dependencies, English Web Treebank, 14,545 sentences",
    "ud_korean_gsd": "parts of speech: Universal Dependencies, Korean GSD, 5,350 sentences",
    "wikiann_en": "names in English: WikiANN, 30,000 sentences of Wikipedia",
    "wnut17": "names in English: WNUT 2017, 4,403 messages of social media",
    "klp2016": "names in Korean: the contest of 2016, 3,294 sentences, a syllable at a time",
}
UPLOAD = ("conllu", "conll", "txt", "tsv", "csv", "xlsx")  # what the page takes as your own data
LIMITS = (
    "It has learnt one kind of text with one set of tags; on another kind its tags mean little.",
    "Words that were never seen are tagged by their letters and their neighbours alone.",
    "A name that the network finds is a guess about words, and no fact about a person.",
)
PREDICT_HINT = (
    "tag a line of Python",
    'python -m projects.sequence_tagging.predict --text "def area(r): return math.pi * r ** 2"',
)
