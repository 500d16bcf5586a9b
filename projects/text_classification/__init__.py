"""Text classification: from naive Bayes features to convolutional and recurrent networks, in any language."""

TITLE = {"en": "Text classification", "ko": "텍스트 분류"}
PROBLEM = {
    "en": "Which class does a text belong to: its language, its sentiment, its topic?",
    "ko": "글 한 편은 어느 갈래에 속할까? 언어, 감성, 주제를 가려냅니다.",
}
TOPOLOGY = "many-to-one"  # many words in, one label out
METRIC = ("accuracy", "max")
DATA = {
    "builtin": "which language: names, units and dates in 30 languages, from Babel's CLDR (default)",
    "imdb": "50,000 film reviews, positive or negative, official split",
    "nsmc": "200,000 Korean film reviews (Naver), positive or negative, official split",
    "rt_polarity": "10,662 sentences of film reviews, positive or negative",
    "sms_spam": "5,574 text messages, spam or not",
    "PATH": "your own CSV, TSV or Parquet file with the columns --text and --label",
}
LIMITS = (
    "It knows the kind of text that it was trained on; on another kind its probabilities mean little.",
    "Sentiment of film reviews says nothing of irony, of mixed feelings or of other subjects.",
    "Language identification was learnt from short names and phrases; a text in a language that is not on the list "
    "still gets one of the labels.",
    "A label is not a decision about the person who wrote the text.",
)
PREDICT_HINT = (
    "classify a text",
    'python -m projects.text_classification.predict --text "3 Tage"',
)
