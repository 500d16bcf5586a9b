"""Translation: one network reads a sentence to its end, another writes it in the other language."""

TITLE = {"en": "Translation", "ko": "번역"}
PROBLEM = {
    "en": "One network reads to the end of the sentence, another then writes. How do dates in words become 2025-03-04, "
    "and German sentences English?",
    "ko": "한 신경망이 문장을 끝까지 읽고, 다른 신경망이 이어서 씁니다. 말로 쓴 날짜는 어떻게 2025-03-04가 되고, "
    "독일어 문장은 어떻게 영어가 될까요?",
}
TOPOLOGY = "many-to-many"  # a sentence in, then a sentence out
MINUTES = 2.6  # what the default's whole command takes on two cores
METRIC = {"builtin": ("exact_match", "max"), "PATH": ("chrf", "max")}  # PATH: all other data
DATA = {
    "builtin": "dates, times and amounts in words, in English, Korean, German, French and Spanish, into ISO form "
    "(default; generated)",
    "PATH": "a CSV or TSV file with two columns of text, or a folder with two text files of one name and two endings",
}
STANDARD = {
    "tatoeba": "English-Korean sentence pairs of Tatoeba (--reverse: Korean-English)",
    "multi30k": "English-German captions of Multi30k (--reverse: German-English)",
}
UPLOAD = ("csv", "tsv", "xlsx", "txt", "zip")  # what the page takes as your own data
LIMITS = (
    "It translates what resembles its training sentences. Of anything else it makes a sentence that reads well and "
    "means something else.",
    "It may leave out a negation, a name or a number, and the rest of the sentence does not show it.",
    "The built-in data is generated. A model of it knows dates from 1970 to 2069, times and amounts, and no sentence.",
    "A translation that matters needs a reader of both languages.",
)
PREDICT_HINT = ("translate", 'python -m projects.translation.predict --text "March fourth, twenty twenty-five"')
