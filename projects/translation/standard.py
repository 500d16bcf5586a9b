"""The field's standard sets: Tatoeba's English-Korean pairs and Multi30k."""

import hashlib
from pathlib import Path

from common.data import Source, Splits
from common.errors import UserError
from common.files import file_sha256
from common.inputs.downloads import find_file
from projects.translation.config import Config
from projects.translation.data import Pairs, read_extra, read_pairs, read_parallel, split_pairs, with_meta

TATOEBA = "https://www.manythings.org/anki/kor-eng.zip"
MULTI30K = "https://github.com/multi30k/dataset/tree/master/data/task1/raw"
ROWS = {"train": 29_000, "val": 1_014, "test": 1_000}
TEST = ("test", "test2016", "test_2016_flickr")  # names that the test of 2016 goes by


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `tatoeba` or `multi30k`, as `data.load_data` gives them for other data."""
    return _tatoeba(config, data_dir) if data == "tatoeba" else _multi30k(config, data_dir)


def _tatoeba(config: Config, data_dir: Path) -> Splits:
    """Pairs of Tatoeba as manythings.org offers them: English, Korean, attribution, separated by tabs.

    The pairs of extra.en and extra.ko beside it are learnt from too, where these files are there.
    """
    path, languages = find_file("kor.txt", [data_dir / "tatoeba", data_dir], TATOEBA), ["en", "ko"]
    pairs, _ = read_pairs(path, None, None)
    extra = read_extra(path.parent, languages)
    about = "English-Korean sentence pairs of Tatoeba (CC BY 2.0 FR), as manythings.org offers them."
    sha256 = file_sha256(path) if extra is None else hashlib.sha256(repr((pairs, extra)).encode()).hexdigest()
    return split_pairs(config, pairs, languages, Source("tatoeba", about, sha256, "sentence group"), extra)


def _multi30k(config: Config, data_dir: Path) -> Splits:
    """Multi30k, task 1 (Elliott et al. 2016), from raw text files.

    Where the test of 2016 is in the folder, it is the test and `val` is validation. Else every second line of `val` is
    the test, and the others are validation.
    """
    train_file = find_file("train.en", [data_dir / "multi30k", data_dir], MULTI30K)
    folder, languages = train_file.parent, ["en", "de"]
    train, validation = (_checked(folder, part, ROWS[part]) for part in ("train", "val"))
    name = next((name for name in TEST if (folder / f"{name}.en").is_file()), None)
    if name:
        test, about = _checked(folder, name, ROWS["test"]), "the test of 2016"
    else:
        test, about = (validation[0][1::2], validation[1][1::2]), "every second line of val, because no test is there"
        validation = (validation[0][::2], validation[1][::2])
    seen = {*test[0], *test[1], *validation[0], *validation[1]}
    kept = [(en, de) for en, de in zip(*train, strict=True) if en not in seen and de not in seen]
    left_out = len(train[0]) - len(kept)
    train = ([en for en, _ in kept], [de for _, de in kept])
    source = Source(
        "multi30k",
        f"Multi30k, task 1: captions of Flickr pictures, English and German. The test is {about}. {left_out:,} "
        "training pairs were left out, because a sentence of theirs is in validation or test.",
        file_sha256(train_file),
        "sentence",
    )
    return with_meta(config, [train, validation, test], source, languages)


def _checked(folder: Path, name: str, expected: int) -> Pairs:
    pairs = read_parallel(folder, name, ("en", "de"))
    if len(pairs[0]) != expected:
        raise UserError(
            f"{folder / name}.en holds {len(pairs[0]):,} lines; expected {expected:,}. Is the file complete?"
        )
    return pairs
