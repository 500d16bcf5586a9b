"""Files as people have them, given to the projects: names of a Mac, capitals, other endings, folders in folders.

What the readers promise of such files stands in test_tables, test_images, test_folders and test_text_input.
"""

import gzip
import os
import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from common.inputs import images
from common.project import Project
from common.runs import checked_data
from projects.adding_problem.data import load_data as load_sequences
from projects.colorization.data import photographs
from projects.fraud_detection.config import Config as FraudConfig
from projects.fraud_detection.data import infer_kinds
from projects.fraud_detection.data import load_data as load_transactions
from projects.image_classification.data import load_data, load_labelled, pictures_of
from projects.image_classification.predict import classify_folder
from projects.sequence_tagging.formats import read_tagged
from projects.sequence_tagging.predict import tag_file
from projects.super_resolution.data import list_folder
from projects.text_classification.config import Config as TextConfig
from projects.text_classification.data import labelled
from projects.text_classification.data import load_data as load_texts
from projects.translation.config import Config as TranslationConfig
from projects.translation.data import load_data as load_pairs
from projects.translation.predict import translate_file
from tests.commands import ask, run_here


def apart(text: str) -> str:
    """As a Mac writes it: Hangul and accents in parts."""
    return unicodedata.normalize("NFD", text)


def picture(seed: int, side: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


def write_classes(folder, classes=("red", "green", "blue"), count=12, start=0):
    """A folder with one sub-folder a class."""
    for place, name in enumerate(classes):
        for number in range(count):
            images.write_picture(picture(start + 100 * place + number), folder / name / f"{number}.png")
    return folder


def toy(name: str):
    return Project(name).toy


# Folders of pictures


def test_folders_in_a_class_belong_to_it_and_what_is_left_out_is_named(tmp_path):
    write_classes(tmp_path, count=6)
    write_classes(tmp_path / "red", ("more",), 3, start=900)
    (tmp_path / "red" / "more" / "notes.txt").write_text("hello")
    images.write_picture(picture(999), tmp_path / "beside.png")
    content = pictures_of(tmp_path)
    assert np.bincount(content.labels).tolist() == [6, 6, 9]
    assert content.left_out == ["beside.png is in no class", "red/more/notes.txt is no picture"]
    pictures, left_out = photographs(tmp_path)
    assert len(pictures) == 1 and left_out == ["blue is no picture", "green is no picture", "red is no picture"]
    images.write_picture(picture(998, 80), tmp_path / "a_HR.png")
    assert list_folder(tmp_path, 2)[1][-1] == "beside.png is not called …_HR"
    for benchmark in (["benchmarks.super_resolution", "--baselines-only"], ["benchmarks.blur"]):
        done = run_here(*benchmark, "--data", tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("names", ["Train/Test", "Training/Testing", "train/Valid", "training_set/test_set"])
def test_train_and_test_are_known_in_other_words(names, tmp_path):
    train, test = names.split("/")
    write_classes(tmp_path / train)
    write_classes(tmp_path / test, count=3, start=500)
    write_classes(tmp_path / "more", count=1)
    splits = load_data(replace(toy("image_classification"), size=16), str(tmp_path), tmp_path)
    assert splits.sizes["test"] == 9 and sum(splits.sizes.values()) == 45
    assert f"{test} is the test" in splits.source.source and "more is not read" in splits.source.source


def test_a_class_of_a_mac_is_the_same_class(tmp_path):
    """In train and test, twice in one folder, and in new data."""
    write_classes(tmp_path / "train", ("강아지", "고양이"))
    write_classes(tmp_path / "test", (apart("강아지"), apart("고양이")), 3, start=500)
    write_classes(tmp_path / "test", ("강아지",), 2, start=800)
    splits = load_data(replace(toy("image_classification"), size=16), str(tmp_path), tmp_path)
    assert splits.meta["classes"] == ["강아지", "고양이"] and splits.sizes["test"] == 8
    new, _ = load_labelled(tmp_path / "test", {"classes": ["고양이", "강아지"]})
    assert np.bincount(new.targets).tolist() == [3, 5]


def test_a_folder_of_any_pictures_is_classified(trained, tmp_path, capsys):
    """By content, in folders below too; as many pixels as training reads; a name may be quoted."""
    run, folder = trained("image_classification"), tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    (folder / "more" / "=1+1").write_bytes(images.picture_bytes(picture(1), "JPEG"))
    images.write_picture(np.zeros((4100, 5000, 3), np.uint8), folder / "phone.jpg")
    (folder / "photo.heic").write_bytes(b"ftypheic")
    assert classify_folder(run.load(), folder, tmp_path / "a.csv") == (2, 1)
    assert "photo.heic is no picture" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "a.csv")["file"].tolist() == ["more/=1+1", "phone.jpg"]
    classify_folder(run.load(), folder / "more", tmp_path / "b.csv", quote_formulas=True)
    assert pd.read_csv(tmp_path / "b.csv")["file"].tolist() == ["'=1+1"]
    command = ("projects.image_classification.predict", "--runs-dir", run.path.parents[1], "--input")
    assert run_here(*command, folder / "phone.jpg").returncode == 0
    (tmp_path / "in.csv").mkdir()
    done = run_here(*command, folder, "--output", tmp_path / "in.csv")
    assert done.returncode == 2 and "in.csv is a folder; expected a file" in done.stderr


# Texts and tables


def test_labels_and_columns_of_a_mac_are_the_same(tmp_path):
    kinds = ["긍정", apart("긍정"), "부정", apart("부정")]
    frame = pd.DataFrame({apart("리뷰"): [f"영화 {i}" for i in range(80)], apart("평점"): kinds * 20})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    splits = load_texts(TextConfig(text="리뷰", label="평점"), str(tmp_path / "a.csv"), tmp_path)
    assert splits.meta["classes"] == ["긍정", "부정"]
    assert labelled(tmp_path / "a.parquet", splits.meta).targets.tolist() == [0, 0, 1, 1] * 20


def test_a_prompt_of_a_mac_is_the_same_prompt(trained):
    predictor = trained("char_rnn").load()
    asked, same = ({"prompt": prompt, "length": 5} for prompt in (apart("hé 한"), "hé 한"))
    assert predictor.predict(asked) == predictor.predict(same)


def test_tables_of_tagged_words_in_other_forms(trained, tmp_path):
    rows = "sentence,word,tag\n1,Née,명사\n1,.,PUNCT\n2,Go,VERB\n"
    contents = {
        "a.csv": rows,
        "B.CSV": rows,
        "c.tsv": apart(rows.replace(",", "\t")),
        "d.txt": "Née 명사\n. PUNCT\n\nGo VERB",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        tagged = read_tagged(tmp_path / name)
        assert tagged.sentences == [("Née", "."), ("Go",)] and tagged.tags == [("명사", "PUNCT"), ("VERB",)], name
    predictor = trained("sequence_tagging").load()
    with pytest.raises(UserError, match=r"B\.CSV is a table; expected a text file"):
        tag_file(predictor, tmp_path / "B.CSV", tmp_path / "out.csv")
    (tmp_path / "in.txt").write_text("x = 1\n")
    tag_file(predictor, tmp_path / "in.txt", tmp_path / "out.csv", quote_formulas=True)
    assert pd.read_csv(tmp_path / "out.csv")["word"].tolist()[:3] == ["x", "'=", "1"]


def test_pairs_of_sentences_in_other_forms(trained, tmp_path):
    """Capitals, a packed table, a file without an ending; a page takes a limited number of each."""
    rows = [(f"sentence {i}", f"Satz {i}") for i in range(60)]
    table = "en,de\n" + "".join(",".join(row) + "\n" for row in rows)
    (tmp_path / "A.CSV").write_text(table)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(table.encode()))
    (tmp_path / "pairs").write_text("".join("\t".join(row) + "\n" for row in rows))
    for name in ("A.CSV", "b.csv.gz", "pairs"):
        splits = load_pairs(TranslationConfig(unit="char"), str(tmp_path / name), tmp_path)
        texts = [text for part in (splits.train, splits.validation, splits.sealed_test) for text in part.inputs]
        assert sorted(texts) == sorted(first for first, _ in rows), name
    predictor = trained("translation").load()
    packed = tmp_path / "IN.CSV.gz"
    packed.write_bytes(gzip.compress(apart("수,글\n=1+1,5 March 2025\n").encode()))
    translate_file(predictor, packed, tmp_path / "out.csv", apart("글"))
    assert list(pd.read_csv(tmp_path / "out.csv")) == ["수", "글", "translation"]
    for name, content, most in (("a.csv", "text\nnoon\nnoon\n", "1 rows"), ("a.txt", "noon\n" * 3, "2 lines")):
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=f"more than {most}, the most that this page takes"):
            translate_file(predictor, tmp_path / name, tmp_path / f"out-{name}", max_rows=int(most[0]))


def test_repeated_sequences_are_counted(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.random((40, 5)), columns=[f"x{i}" for i in range(1, 6)]).assign(first=1, second=3)
    pd.concat([frame, frame.head(3)]).to_csv(tmp_path / "own.csv", index=False)
    splits = load_sequences(toy("adding_problem"), str(tmp_path / "own.csv"), tmp_path)
    assert sum(splits.sizes.values()) == 40 and "3 repeated ones removed" in splits.source.source


@pytest.mark.parametrize("cell", ["R$ 1,50", "₽5", "1 234,50 zł", "+1,5", "kr 12", "5 ₺"])
def test_amounts_of_other_countries_are_no_categories(cell, tmp_path):
    with pytest.raises(UserError, match=r"row 2: payment is .*; expected a number without"):
        infer_kinds(pd.DataFrame({"payment": [cell] * 9}, dtype=str), tmp_path)


def test_a_column_whose_name_has_another_meaning_is_refused(tmp_path):
    pd.DataFrame({"history": ["good", "bad"] * 9, "fraud": [0, 1] * 9}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match="a column called 'history'"):
        load_transactions(FraudConfig(target="fraud"), str(tmp_path / "a.csv"), tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")
def test_a_pipe_is_refused(tmp_path):
    """It can be read only once, and a table is opened twice: its first rows would be lost."""
    os.mkfifo(tmp_path / "pipe")
    asked = (
        ("predict", "--input", tmp_path / "pipe", "--output", tmp_path / "a.csv"),
        ("evaluate", "--data", tmp_path / "pipe"),
    )
    for command, *arguments in asked:
        done = ask(f"projects.text_classification.{command}", *arguments)
        assert done.returncode == 2 and "pipe does not exist, or is no file or folder" in done.stderr
    with pytest.raises(UserError, match="nor a file or folder"):
        checked_data(Project("text_classification"), str(tmp_path / "pipe"))
