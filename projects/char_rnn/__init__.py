"""Character-level language models: from "hello" to Shakespeare, one character after the other."""

TITLE = {"en": "A text, one character after the other", "ko": "한 글자씩 이어 쓰는 언어 모델"}
PROBLEM = {
    "en": "Which character comes next, and what does a network write that has learnt nothing but that?",
    "ko": "다음 글자는 무엇일까요? 그것만 학습한 신경망은 어떤 글을 쓸까요?",
}
TOPOLOGY = "many-to-many"  # characters in, the next character at every step out
METRIC = ("nats_per_character", "min")
MINUTES = 1.5  # what the default's whole command takes on two cores
DATA = {
    "builtin": "CPython's own reference topics, technical English, on every machine (default)",
    "hello": "the lecture's toy: the word hello, vocabulary h, e, l, o",
    "stdlib": "Python source of the standard library",
    "PATH": "any UTF-8 text file; Korean too (--jamo takes syllables apart)",
}
STANDARD = {"shakespeare": "tiny Shakespeare: tiny_shakespeare/input.txt in --data-dir, or by download"}
UPLOAD = ("txt",)  # what the page takes as your own data
LIMITS = (
    "It continues a text in the manner of its training text. It has no knowledge, and what it writes is not true.",
    "It may repeat whole sentences of its training text.",
    "It can neither read nor write characters that its training text does not have.",
)
PREDICT_HINT = ("let it write", 'python -m projects.char_rnn.predict --prompt "The " --length 500')
