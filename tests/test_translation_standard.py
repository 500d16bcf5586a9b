"""The standard sets of translation, read from real files where they are there."""

import itertools

import pytest

from common.errors import UserError
from common.project import Project
from projects.translation.config import Config


def test_tatoeba_and_multi30k(datasets):
    project = Project("translation")
    tatoeba = project.load_data("tatoeba")(Config(unit="jamo"), "tatoeba", datasets)
    assert sum(tatoeba.sizes.values()) == 3322 and tatoeba.meta["direction"] == "en → ko"
    parts = (tatoeba.train, tatoeba.validation, tatoeba.sealed_test)
    for first, second in itertools.combinations(parts, 2):
        assert not set(first.inputs) & set(second.inputs) and not set(first.targets) & set(second.targets)
    multi = project.load_data("multi30k")(Config(unit="word", reverse=True, lower=True), "multi30k", datasets)
    assert multi.sizes == {"train": 28_998, "validation": 507, "test": 507} and multi.meta["direction"] == "de → en"


def test_a_standard_set_that_is_not_there_is_named(tmp_path):
    for name, file in (("tatoeba", "kor.txt"), ("multi30k", "train.en")):
        with pytest.raises(UserError, match=f"{file} is not in .*Get it from https"):
            Project("translation").load_data(name)(Config(), name, tmp_path)
