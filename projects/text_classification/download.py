"""The standard sets: where they live, how they are packed, and how to read them from `--data-dir`."""

import csv
import gzip
import re
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from common.errors import UserError
from common.files import replacing

ABOUT = {
    "imdb": "IMDB film reviews (Maas et al. 2011), 25,000 for training and 25,000 for the test, half of each positive.",
    "nsmc": "Naver sentiment movie corpus (Korean), 150,000 reviews for training and 50,000 for the test.",
    "rt_polarity": "Sentences of film reviews (Pang & Lee 2005), 5,331 positive and 5,331 negative.",
    "sms_spam": "SMS Spam Collection (Almeida et al. 2011), 5,574 messages, 747 of them spam.",
}
HOMES = {
    "imdb": ("https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",),
    "nsmc": tuple(
        f"https://raw.githubusercontent.com/e9t/nsmc/master/ratings_{part}.txt" for part in ("train", "test")
    ),
    "rt_polarity": ("https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz",),
    "sms_spam": ("https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",),
}
ROWS = {"imdb": (25_000, 25_000), "nsmc": (150_000, 50_000), "rt_polarity": (10_662,), "sms_spam": (5_574,)}
REVIEW = re.compile(r"[^/]+/(train|test)/(neg|pos)/(\d+)_\d+\.txt")
MOST_BYTES = 500_000_000  # of a download, and of any file in an archive

Labelled = tuple[list[str], list[str]]


def official(name: str, data_dir: Path) -> tuple[Labelled, Labelled, Path]:
    """(texts, labels) of the training part and of the test part of `imdb` or `nsmc`, and the file read."""
    if name == "nsmc":
        paths = _files(name, data_dir, ("ratings_train.txt", "ratings_test.txt"))
        train, test = (_columns(path, "document", "label", csv.QUOTE_NONE) for path in paths)
    else:
        paths = _files(name, data_dir, ("train.tsv.gz", "test.tsv.gz"), ("aclImdb_v1.tar.gz",))
        packed = len(paths) == 1
        train, test = (
            _acl(paths[0]) if packed else (_columns(path, "text", "label", csv.QUOTE_MINIMAL) for path in paths)
        )
    names = {"0": "negative", "1": "positive"}
    parts = [(texts, [names.get(label, label) for label in labels]) for texts, labels in (train, test)]
    for (texts, _), rows in zip(parts, ROWS[name], strict=True):
        _check(name, len(texts), rows, paths[0])
    return parts[0], parts[1], paths[0]


def whole(name: str, data_dir: Path) -> tuple[list[str], list[str], Path]:
    """Texts, labels and the file read of `rt_polarity` or `sms_spam`, which have no official split."""
    texts: list[str] = []
    labels: list[str] = []
    if name == "rt_polarity":
        paths = _files(name, data_dir, ("rt-polarity.neg", "rt-polarity.pos"), ("rt-polaritydata.tar.gz",))
        parts = [path.read_bytes() for path in paths] if len(paths) == 2 else _members(paths[0], (".neg", ".pos"))
        for label, part in zip(("negative", "positive"), parts, strict=True):
            lines = [line.strip() for line in _decoded(part).split("\n") if line.strip()]
            texts, labels = texts + lines, labels + [label] * len(lines)
    else:
        paths = _files(name, data_dir, ("SMSSpamCollection",), ("sms+spam+collection.zip",))
        packed = paths[0].suffix == ".zip"
        content = _members(paths[0], ("SMSSpamCollection",))[0] if packed else paths[0].read_bytes()
        for line in filter(None, _decoded(content).split("\n")):
            label, _, text = line.partition("\t")
            texts.append(text.strip())
            labels.append(label)
    _check(name, len(texts), ROWS[name][0], paths[0])
    return texts, labels, paths[0]


def _files(name: str, data_dir: Path, *choices: tuple[str, ...]) -> list[Path]:
    """The first choice of files that is there, in `data_dir` or its folder `name`; else the home's, downloaded."""
    for folder in (data_dir / name, data_dir):
        for choice in choices:
            if all((folder / file).is_file() for file in choice):
                return [folder / file for file in choice]
    return [_fetch(name, url, data_dir / name / url.rpartition("/")[2]) for url in HOMES[name]]


def _fetch(name: str, url: str, path: Path) -> Path:
    print(f"downloading {url} …", flush=True)
    try:
        with (
            replacing(path) as temporary,
            temporary.open("wb") as file,
            urllib.request.urlopen(url, timeout=60) as home,
        ):
            while block := home.read(1 << 20):
                file.write(block)
                if file.tell() > MOST_BYTES:
                    raise UserError(f"{url} is larger than {MOST_BYTES:,} bytes; that is not {name}.")
    except (OSError, urllib.error.URLError) as error:
        raise UserError(
            f"{name} is not in {path.parent} and its home cannot be reached ({error}). Download {url} and put it "
            f"there as {path.name}."
        ) from None
    return path


def _columns(path: Path, text: str, label: str, quoting: int) -> Labelled:
    """Two columns of a tab-separated file with a header.

    quoting: csv.QUOTE_NONE where quotes are only signs; csv.QUOTE_MINIMAL where a field that holds one stands in quotes
    itself and has its own doubled.
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


def _acl(path: Path) -> tuple[Labelled, Labelled]:
    """The reviews in the home's archive, one file each, in the order of their numbers: aclImdb/train/pos/0_9.txt."""
    reviews = []
    for name, content in _archive(path):
        if found := REVIEW.fullmatch(name):
            part, sign, number = found.groups()
            reviews.append((part, sign, int(number), content.decode("utf-8")))
    reviews.sort()
    signs = {"neg": "negative", "pos": "positive"}
    train, test = ([review for review in reviews if review[0] == part] for part in ("train", "test"))
    return tuple(([row[3] for row in rows], [signs[row[1]] for row in rows]) for rows in (train, test))


def _members(path: Path, endings: tuple[str, ...]) -> list[bytes]:
    """The content of the files in an archive with these endings, in that order."""
    found = {ending: content for name, content in _archive(path) for ending in endings if name.endswith(ending)}
    if missing := [ending for ending in endings if ending not in found]:
        raise UserError(f"{path} holds no file {missing[0]}.")
    return [found[ending] for ending in endings]


def _archive(path: Path):
    """(name, content) of every file in a .zip or .tar.gz; nothing is written to disk."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if entry.file_size <= MOST_BYTES and not entry.is_dir():
                        yield entry.filename, archive.read(entry)
        else:
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isfile() and member.size <= MOST_BYTES:
                        yield member.name, archive.extractfile(member).read()
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a complete archive: {error}. Delete it to download it again.") from None


def _decoded(content: bytes) -> str:
    """UTF-8 where it is, else Latin-1, which the older sets are in."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _check(name: str, found: int, expected: int, path: Path) -> None:
    if found != expected:
        raise UserError(f"{path} holds {found:,} texts; {name} has {expected:,}. Is the file complete?")
