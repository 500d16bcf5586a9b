"""The field's standard sets: where they are from, how their files are packed, and how they are split."""

import csv
import gzip
import re
from pathlib import Path

import numpy as np

from common.data import Source, Split, Splits, hold_out_tenth
from common.errors import UserError
from common.files import file_sha256
from common.inputs.downloads import archive_files, download
from projects.text_classification.config import Config
from projects.text_classification.data import distinct, split_texts, with_meta
from projects.text_classification.ngrams import normalise

ABOUT = {
    "imdb": "IMDB film reviews (Maas et al. 2011), 25,000 for training and 25,000 for the test, half of each positive.",
    "nsmc": "Naver sentiment movie corpus (Korean), 150,000 reviews for training and 50,000 for the test.",
    "rt_polarity": "Sentences of film reviews (Pang & Lee 2005), 5,331 positive and 5,331 negative.",
    "sms_spam": "SMS Spam Collection (Almeida et al. 2011), 5,574 messages, 747 of them spam.",
}
NSMC = "https://raw.githubusercontent.com/e9t/nsmc/master"
HOMES = {  # name: [(URL, SHA-256)]
    "imdb": [
        (
            "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
        )
    ],
    "nsmc": [
        (f"{NSMC}/ratings_train.txt", "e03b7d14e9e41be8d464a28057cd25d7396c53e67aa7fd5f7e552c59b0ee2940"),
        (f"{NSMC}/ratings_test.txt", "8ac9f64052f11dbf6ae0acb5e038f03d90a76f0eda7820cfb3a92d02edfcebda"),
    ],
    "rt_polarity": [  # a mirror, because no SHA-256 of the file at its home (www.cs.cornell.edu) is published
        (
            "https://storage.googleapis.com/seldon-datasets/sentence_polarity_v1/rt-polaritydata.tar.gz",
            "a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9",
        )
    ],
    "sms_spam": [
        (
            "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
            "1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3",
        )
    ],
}
ROWS = {"imdb": (25_000, 25_000), "nsmc": (150_000, 50_000), "rt_polarity": (10_662,), "sms_spam": (5_574,)}
REVIEW = re.compile(r"[^/]+/(train|test)/(neg|pos)/(\d+)_\d+\.txt")

Labelled = tuple[list[str], list[str]]  # texts, labels


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `imdb`, `nsmc`, `rt_polarity` or `sms_spam`, as `data.load_data` gives them for other data."""
    if data in ("imdb", "nsmc"):
        return _official_splits(config, data, *official(data, data_dir))
    texts, labels, path = whole(data, data_dir)
    return split_texts(config, texts, labels, Source(data, ABOUT[data], file_sha256(path), "text"))


def official(name: str, data_dir: Path) -> tuple[Labelled, Labelled, Path]:
    """(texts, labels) of the training part and of the test part of `imdb` or `nsmc`, and the first file read."""
    if name == "nsmc":
        paths = _files(name, data_dir, ("ratings_train.txt", "ratings_test.txt"))
        train, test = (_columns(path, "document", "label", csv.QUOTE_NONE) for path in paths)
    else:
        paths = _files(name, data_dir, ("train.tsv.gz", "test.tsv.gz"), ("aclImdb_v1.tar.gz",))
        if len(paths) == 1:
            train, test = _packed_reviews(paths[0])
        else:
            train, test = (_columns(path, "text", "label", csv.QUOTE_MINIMAL) for path in paths)
    names = {"0": "negative", "1": "positive"}
    parts = [(texts, [names.get(label, label) for label in labels]) for texts, labels in (train, test)]
    for (texts, _), rows in zip(parts, ROWS[name], strict=True):
        _check_rows(name, len(texts), rows, paths[0])
    return parts[0], parts[1], paths[0]


def whole(name: str, data_dir: Path) -> tuple[list[str], list[str], Path]:
    """Texts, labels and the first file read of `rt_polarity` or `sms_spam`, which have no official split."""
    texts: list[str] = []
    labels: list[str] = []
    if name == "rt_polarity":
        paths = _files(name, data_dir, ("rt-polarity.neg", "rt-polarity.pos"), ("rt-polaritydata.tar.gz",))
        packed = len(paths) == 1
        parts = archive_members(paths[0], (".neg", ".pos")) if packed else [path.read_bytes() for path in paths]
        for label, part in zip(("negative", "positive"), parts, strict=True):
            lines = [line.strip() for line in _decoded(part).split("\n") if line.strip()]
            texts, labels = texts + lines, labels + [label] * len(lines)
    else:
        paths = _files(name, data_dir, ("SMSSpamCollection",), ("sms+spam+collection.zip",))
        packed = paths[0].suffix == ".zip"
        content = archive_members(paths[0], ("SMSSpamCollection",))[0] if packed else paths[0].read_bytes()
        for line in filter(None, _decoded(content).split("\n")):
            label, _, text = line.partition("\t")
            texts.append(text.strip())
            labels.append(label)
    _check_rows(name, len(texts), ROWS[name][0], paths[0])
    return texts, labels, paths[0]


def _official_splits(config: Config, name: str, train: Labelled, test: Labelled, path: Path) -> Splits:
    """The official test part is the test; a tenth of the training part is validation.

    Training texts that are in the test too, and repeated ones, are left out. IMDB's files hold the reviews of a film
    one after the other, and its test has reviews of other films. So its validation is the end of each class: drawn at
    random, it would have films that the training part has too, and favour what learns names of films and actors.
    """
    texts, labels, left_out = distinct(*train, {normalise(text) for text in test[0]})
    classes = sorted(set(labels))
    targets = np.array([classes.index(label) for label in labels])
    parts = _hold_out_last_tenth(targets) if name == "imdb" else hold_out_tenth(targets, config.seed)
    splits = [Split([texts[i] for i in rows], targets[rows]) for rows in parts]
    splits.append(Split(list(test[0]), np.array([classes.index(label) for label in test[1]])))
    about = f"{ABOUT[name]} Official split; {left_out:,} repeated texts were left out of training."
    return with_meta(config, splits, Source(name, about, file_sha256(path), "text"), classes)


def _hold_out_last_tenth(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of training, and of the last tenth of each class for validation."""
    classes = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    validation = np.concatenate([rows[len(rows) - len(rows) // 10 :] for rows in classes])
    return np.setdiff1d(np.arange(len(targets)), validation), validation


def _files(name: str, data_dir: Path, *layouts: tuple[str, ...]) -> list[Path]:
    """The files of a set, from `data_dir` or its folder `name`; downloaded into that folder where there are none.

    layouts: the names of the files in each layout that is read; the first complete one is taken. Files that the user
    has put there may be another version of the set: their number of texts is checked, and no checksum.
    """
    for folder in (data_dir / name, data_dir):
        for layout in layouts:
            if all((folder / file).is_file() for file in layout):
                return [folder / file for file in layout]
    return [download(url, data_dir / name / url.rpartition("/")[2], sha256) for url, sha256 in HOMES[name]]


def _columns(path: Path, text: str, label: str, quoting: int) -> Labelled:
    """Two columns of a tab-separated file with a header.

    quoting: csv.QUOTE_NONE where a quote is part of the text; csv.QUOTE_MINIMAL where a field that holds a quote
    stands in quotes itself, with the inner quotes doubled.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        try:
            rows = list(csv.reader(file, delimiter="\t", quoting=quoting))
        except (UnicodeDecodeError, OSError, EOFError, csv.Error) as error:
            raise UserError(f"{path} cannot be read: {error}.") from None
    header, rows = (rows[0], rows[1:]) if rows else ([], [])
    if missing := {text, label} - set(header):
        raise UserError(f"{path} has no column {min(missing)!r}; it has: {', '.join(header[:20])}.")
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if wrong is not None:
        raise UserError(f"{path}, row {wrong + 2}: {len(rows[wrong])} columns; expected {len(header)}.")
    return [row[header.index(text)] for row in rows], [row[header.index(label)] for row in rows]


def _packed_reviews(path: Path) -> tuple[Labelled, Labelled]:
    """Training and test part of IMDB's archive, which has a file for each review: aclImdb/train/pos/0_9.txt.

    The reviews are in the order of their numbers.
    """
    reviews = []
    for name, content in archive_files(path):
        if match := REVIEW.fullmatch(name):
            part, sign, number = match.groups()
            reviews.append((part, sign, int(number), content.decode("utf-8")))
    reviews.sort()
    signs = {"neg": "negative", "pos": "positive"}
    train, test = ([review for review in reviews if review[0] == part] for part in ("train", "test"))
    return tuple(([row[3] for row in rows], [signs[row[1]] for row in rows]) for rows in (train, test))


def _decoded(content: bytes) -> str:
    """UTF-8 where it is valid, else Latin-1, which older sets use."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _check_rows(name: str, count: int, expected: int, path: Path) -> None:
    if count != expected:
        raise UserError(f"{path} holds {count:,} texts; {name} has {expected:,}. Is the file complete?")


def archive_members(path: Path, endings: tuple[str, ...]) -> list[bytes]:
    """The content of the file with each ending of a name, in the order of `endings`; a missing one is a UserError."""
    contents = {ending: content for name, content in archive_files(path) for ending in endings if name.endswith(ending)}
    if missing := [ending for ending in endings if ending not in contents]:
        raise UserError(f"{path} holds no file {missing[0]}.")
    return [contents[ending] for ending in endings]
