"""The adding problem: how far back can a recurrent network remember? Two marked numbers, and their sum at the end."""

TITLE = {"en": "The adding problem", "ko": "덧셈 문제"}
PROBLEM = {
    "en": "Two numbers in a long sequence are marked. Does the network still know the first one at the end?",
    "ko": "긴 수열에서 두 수에 표시가 있습니다. 신경망은 수열 끝에서도 첫 번째 수를 기억하고 있을까요?",
}
TOPOLOGY = "many-to-one"  # a number and a mark at every step in, one sum out
METRIC = ("mean_squared_error", "min")
MINUTES = 0.8  # what the default's whole command takes on two cores
DATA = {
    "builtin": "generated: random numbers in [0, 1], two of them marked (default)",
    "PATH": "a CSV file: columns x1, x2, …, first, second; a sequence a row, with the places of its marks from 1",
}
UPLOAD = ("csv", "xlsx", "parquet")  # what the page takes as your own data
LIMITS = (
    "The sequences are generated. The score tells how far back a network remembers, and nothing else.",
    "The numbers must lie between 0 and 1, and exactly two of them are marked.",
)
PREDICT_HINT = (
    "add two numbers of a sequence",
    'python -m projects.adding_problem.predict --numbers "0.3 0.9 0.1 0.5" --first 1 --second 4',
)
