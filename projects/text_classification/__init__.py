"""Text classification: from naive Bayes features to convolutional and recurrent networks, in any language."""

TITLE = {"en": "Text classification", "ko": "텍스트 분류"}
PROBLEM = {
    "en": "Which class does a text belong to: its language, its sentiment, its topic?",
    "ko": "이 글은 어느 클래스에 속할까요? 언어, 감성, 주제를 분류합니다.",
}
TOPOLOGY = "many-to-one"  # many words in, one label out
METRIC = ("accuracy", "max")
MINUTES = 8.0  # processor time of the default's whole command, with AVX2 alone
DATA = {
    "builtin": "which language: sentences and words in 30 languages, from installed packages (default)",
    "PATH": "your own CSV, TSV or Parquet file with the columns --text and --label",
}
STANDARD = {
    "imdb": "50,000 film reviews, positive or negative, official split",
    "nsmc": "200,000 Korean film reviews (Naver), positive or negative, official split",
    "rt_polarity": "10,662 sentences of film reviews, positive or negative",
    "sms_spam": "5,574 text messages, spam or not",
}
UPLOAD = ("csv", "tsv", "xlsx", "parquet")  # what the page takes as your own data
LIMITS = (
    "It has learnt one kind of text; on another kind its probabilities mean little.",
    "A model of film reviews does not recognise irony or mixed feelings, and knows no other subject.",
    "The default knows 30 languages; a text in another one still gets one of these labels, often with a caution.",
    "A label is not a decision about the person who wrote the text.",
)
PREDICT_HINT = ("classify a text", 'python -m projects.text_classification.predict --text "I love pizza"')
