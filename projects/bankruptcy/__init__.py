"""Bankruptcy: a firm's share price or accounts over time, and the probability that it fails."""

TITLE = {"en": "Bankruptcy", "ko": "기업 부도 예측"}
PROBLEM = {
    "en": "A firm is watched over time. Will it fail within a year, and how early can one know?",
    "ko": "한 기업을 시간에 따라 지켜봅니다. 1년 안에 부도가 날까요? 얼마나 일찍 알 수 있을까요?",
}
TOPOLOGY = "many-to-one"  # a series in, one probability out
METRIC = {
    **dict.fromkeys(("builtin", "bankruptcy_us", "polish_1", "polish_5"), ("average_precision", "max")),
    ".ts": ("accuracy", "max"),
    "PATH": ("average_precision", "max"),
}
MINUTES = 1.0  # what the default's whole command takes on two cores
DATA = {
    "builtin": "generated: share prices of firms whose hidden assets and debt decide whether they fail (default)",
    "PATH": "your own table of firms (a row a firm and time, or a row a firm), an .arff table, or series in a .ts file",
}
STANDARD = {
    "bankruptcy_us": "US companies, 1999 to 2018: 3, 4 or 5 years of 18 accounting figures; files in --data-dir",
    "polish_1": "Polish companies, 64 ratios of one year, failure within five years; .arff file in --data-dir",
    "polish_5": "Polish companies, 64 ratios of one year, failure within one year; .arff file in --data-dir",
}
UPLOAD = ("csv", "tsv", "xlsx", "parquet", "arff", "ts")  # what the page takes as your own data
LIMITS = (
    "The built-in firms are generated: no figure on them says how well real failures are predicted.",
    "A risk holds for firms like those of training, in times like theirs. After a crisis it has to be learnt again.",
    "A risk is no judgement on a firm, and no advice to buy or sell.",
)
PREDICT_HINT = (
    "score the firms of a table",
    "python -m projects.bankruptcy.predict --input firms.csv --output risks.csv",
)
