"""The field's standard sets, as their files are."""

import pytest

from common.errors import UserError
from projects.sequence_tagging import standard
from projects.sequence_tagging.config import Config
from projects.sequence_tagging.metrics import chunks


def test_wikiann_and_klp_are_read_as_they_are(tmp_path):
    wiki, klp = tmp_path / "train", tmp_path / "ner.train"
    wiki.write_text("en:Rome\tB-LOC\nen::\tO\n\nen:x\tO\n", encoding="utf-8")
    assert standard.read_wikiann(wiki).sentences == [("Rome", ":"), ("x",)]
    klp.write_text("; 나도 이순신이다.\n$나도 <이순신:PS>이다.\n1\t나\tNP\tO\n", encoding="utf-8")
    tagged = standard.read_klp(klp)
    assert "".join(tagged.sentences[0]) == "나도 이순신이다."
    assert tagged.tags[0] == ("O", "O", "O", "B-PS", "I-PS", "I-PS", "O", "O", "O")
    wiki.write_text("Rome B-LOC\n", encoding="utf-8")
    with pytest.raises(UserError, match="not in WikiANN's form"):
        standard.read_wikiann(wiki)
    with pytest.raises(UserError, match="Get it from https://"):
        standard.load_data(Config(), "ud_korean_gsd", tmp_path)


@pytest.mark.parametrize("name", ["wnut17", "klp2016"])
def test_standard_sets_share_no_sentence(name, datasets):
    splits = standard.load_data(Config(), name, datasets)
    held = {*splits.validation.inputs, *splits.sealed_test.inputs}
    assert not held & set(splits.train.inputs) and splits.meta["spans"]
    assert chunks(splits.validation.targets[0], True) == chunks(splits.validation.targets[0], False)
