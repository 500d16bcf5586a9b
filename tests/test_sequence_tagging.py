"""What only sequence tagging promises: exact labels of programs, the CRF, the figures, files as people have them."""

import itertools
import tracemalloc
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from common import runs
from common.errors import UserError
from common.project import Project
from projects.sequence_tagging import data, encoding, formats
from projects.sequence_tagging.config import Config
from projects.sequence_tagging.features import features
from projects.sequence_tagging.metrics import directions, figures
from projects.sequence_tagging.model import OUTSIDE, Transitions, tag_loss
from projects.sequence_tagging.predict import ENDINGS, tag_file
from projects.sequence_tagging.programs import NEW_LINE, UNLABELLED, code_tokens, labelled_code
from projects.sequence_tagging.viterbi import best_tags, marginals
from tests.commands import run_here

SENTENCE = [("She", "PRON"), ("is", "AUX"), ("here", "ADV"), (".", "PUNCT")]


def names(source: str) -> list[tuple[str, str]]:
    pieces = [zip(tokens, labels, strict=True) for tokens, labels, _ in labelled_code(source)]
    return [(token, label) for piece in pieces for token, label in piece if label != UNLABELLED]


def test_labels_follow_the_scopes_of_python():
    source = """
import math as m
LIMIT = 3

@register
class Shape(Base, kind=LIMIT):
    sides = 4

    def __area(self, r, *rest, scale=LIMIT, **more):
        global LIMIT
        try:
            total = [q * r for q in rest if q.ok]
        except ValueError as error:
            print(error, m.pi, total, self.__area)

        def inner():
            return total

        return sorted(more, key=lambda x: x + r), inner
"""
    expected = """
math:import m:import LIMIT:global register:global Shape:class Base:global kind:keyword_argument LIMIT:global
sides:class_variable __area:function self:parameter r:parameter rest:parameter scale:parameter LIMIT:global
more:parameter LIMIT:global total:local q:local r:parameter q:local rest:parameter q:local ok:attribute
ValueError:builtin error:local print:builtin error:local m:import pi:attribute total:local self:parameter
__area:attribute inner:function total:enclosing sorted:builtin more:parameter key:keyword_argument x:parameter
x:parameter r:enclosing inner:local
"""
    assert [f"{token}:{label}" for token, label in names(source)] == expected.split()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = [i for i in range(3)]", "x:global i:local i:local range:builtin"),
        ("def f():\n    open = 1\n    return open", "f:function open:local open:local"),
        ("def f(open):\n    return [open for _ in open]", "f:function open:parameter open:parameter _:local open:parameter"),
        ("len = 3\nprint(len)", "len:global print:builtin len:global"),
        ("é = 'ü'; é.x", "é:global é:global x:attribute"),
        ("def f():\n    from a.b import c\n    return c", "f:function a:import b:import c:import c:import"),
        ("try:\n    pass\nexcept E:\n    [a for a in b]\nelse:\n    {c: d for c, d in e}",
         "E:global a:local a:local b:global c:local d:local c:local d:local e:global"),
    ],
)  # fmt: skip
def test_each_kind_of_scope(source, expected):
    assert sorted(f"{token}:{label}" for token, label in names(source)) == sorted(expected.split())


def test_a_class_is_a_piece_with_its_variables_and_each_method_is_one():
    source = (
        "class A:\n    x = 1\n    y = x\n\n    @b\n    def f(self):\n        pass\n\n    z = 2\n\nclass B:\n    x = 1\n"
    )
    texts = [text for *_, text in labelled_code(source)]
    assert [text.split()[:2] for text in texts] == [["class", "A:"], ["@b", "def"], ["class", "B:"]]
    assert texts[0].count("\n") == 4 and "z" not in "".join(texts)


def test_every_name_of_a_package_gets_a_label():
    """Also of this very project: no scope is taken for another one."""
    for file in Path(data.__file__).parent.glob("*.py"):
        for tokens, labels, text in labelled_code(file.read_text(encoding="utf-8")):
            assert len(tokens) == len(labels)
            assert [token for token, *_ in code_tokens(text.lstrip() if text[0] == " " else text)][:1] == tokens[:1]


def paths_of(lengths, tags):
    return list(itertools.product(range(tags), repeat=int(lengths)))


def path_score(path, logits, between, first, last):
    inner = sum(between[a, b] for a, b in itertools.pairwise(path))
    return sum(logits[i, tag] for i, tag in enumerate(path)) + inner + first[path[0]] + last[path[-1]]


def test_crf_agrees_with_all_paths_one_by_one():
    random = np.random.default_rng(0)
    tags, lengths = 3, np.array([4, 1, 3])
    logits = random.normal(size=(3, 4, tags)).astype("float32")
    layer = Transitions()
    layer.build(logits.shape)
    weights = {name: random.normal(size=shape) for name, shape in (("between", (3, 3)), ("first", 3), ("last", 3))}
    layer.set_weights(list(weights.values()))
    assert {name: np.shape(kept) for name, kept in layer.as_json().items()} == {n: w.shape for n, w in weights.items()}
    best, likely = best_tags(logits, lengths, **weights), np.exp(marginals(logits, lengths, **weights))
    targets = np.full((3, 4), OUTSIDE)
    for row, length in enumerate(lengths):
        paths = paths_of(length, tags)
        scores = np.array([path_score(path, logits[row], **weights) for path in paths])
        chances = np.exp(scores - np.logaddexp.reduce(scores))
        assert tuple(best[row, :length]) == paths[int(scores.argmax())]
        for place, tag in np.ndindex(int(length), tags):
            through = sum(chance for path, chance in zip(paths, chances, strict=True) if path[place] == tag)
            assert likely[row, place, tag] == pytest.approx(through, abs=1e-6)
        right = paths[row]
        targets[row, :length] = right
        if length > 1:
            targets[row, 1] = -1  # no tag: any is right
        fits = [path for path in paths if all(t in (-1, tag) for t, tag in zip(targets[row], path, strict=False))]
        chance = sum(c for path, c in zip(paths, chances, strict=True) if path in fits)
        loss = np.asarray(layer.loss(targets[row : row + 1], logits[row : row + 1]))
        assert loss[0] == pytest.approx(-np.log(chance), abs=1e-4)


def test_crf_learns_what_the_logits_cannot_know():
    """The tags alternate, the inputs say nothing: transitions alone can tell."""
    inputs = keras.Input((None, 2))
    top = Transitions()
    model = keras.Model(inputs, top(keras.layers.Dense(2)(inputs)))
    model.compile(keras.optimizers.Adam(0.1), top.loss)
    x, y = np.zeros((64, 6, 2), "float32"), np.tile([0, 1, 0, 1, 0, 1], (64, 1))
    model.fit(x, y, epochs=60, verbose=0)
    transitions = {name: np.array(values) for name, values in top.as_json().items()}
    answers = best_tags(model.predict(x[:1], verbose=0), np.array([6]), **transitions)
    assert answers.tolist() == [[0, 1, 0, 1, 0, 1]]


def test_loss_ignores_padding_and_tokens_without_a_tag():
    logits = np.random.default_rng(1).normal(size=(1, 4, 3)).astype("float32")
    short = float(np.mean(tag_loss(np.array([[2, 1]]), logits[:, :2])))
    assert float(np.mean(tag_loss(np.array([[2, 1, -1, OUTSIDE]]), logits))) == pytest.approx(short, rel=1e-5)


def test_figures_equal_those_of_seqeval():
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    random = np.random.default_rng(2)
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    for _ in range(20):
        truth = [repaired(random.choice(tags, size=9)) for _ in range(6)]
        answers = [[str(tag) for tag in random.choice(tags, size=9)] for _ in range(6)]
        ours = figures(answers, truth, [[False] * 9] * 6, True)(np.ones(6))
        assert ours["f1"] == pytest.approx(f1_score(truth, answers, mode="strict", scheme=IOB2))
        assert ours["conlleval_f1"] == pytest.approx(f1_score(truth, answers))
    assert next(iter(directions("f1", True))) == "f1" and "f1" not in directions("accuracy", False)


def repaired(tags) -> list[str]:
    """A truth never continues what is not there."""
    found = formats.Tagged()
    found.add([("w", str(tag)) for tag in [*tags]])
    formats.as_bio(found, Path("x"))
    return list(found.tags[0])


def test_figures_count_each_sentence_by_its_weight():
    answers, truth = [["A", "B"], ["A"]], [["A", "A"], ["_"]]
    scored = figures(answers, truth, [[True, False], [True]], False)
    assert scored(np.ones(2)) == {"accuracy": 0.5, "macro_f1": pytest.approx(2 / 3), "unseen_accuracy": 1.0}
    assert np.isnan(scored(np.array([0.0, 1.0]))["accuracy"]), "a sentence without a tag tells nothing"


@pytest.mark.parametrize(
    ("written", "expected", "noted"),
    [
        ("I-PER I-PER O I-LOC B-LOC", "B-PER I-PER O B-LOC B-LOC", 0),  # IOB1
        ("B-PER E-PER S-LOC O", "B-PER I-PER B-LOC O", 0),  # IOBES
        ("B-PER L-PER U-LOC O", "B-PER I-PER B-LOC O", 0),  # BILOU
        ("B_PS I O B_LC", "B-PS I-PS O B-LC", 0),  # a bare I continues
        ("B-PER I-LOC O I-PER", "B-PER B-LOC O B-PER", 2),  # I- that continue nothing
        ("NOUN VERB", "NOUN VERB", 0),
        ("O O", "O O", 0),
    ],
)
def test_schemes_become_bio(tmp_path, written, expected, noted):
    file = tmp_path / "names.conll"
    file.write_text("".join(f"w{i} {tag}\n" for i, tag in enumerate(written.split())), encoding="utf-8")
    tagged = formats.read_tagged(file)
    assert " ".join(tagged.tags[0]) == expected
    assert [note.split()[0] for note in tagged.notes] == [str(noted)] * bool(noted)
    assert not noted or "line 2" in tagged.notes[0]


def test_conllu_leaves_out_ranges_and_empty_nodes(tmp_path):
    file = tmp_path / "a.conllu"
    file.write_text(
        "# text = Don't go.\n1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_\n1\tDo\tdo\tAUX\t_\t_\t0\troot\t_\t_\n"
        "2\tn't\tnot\tPART\t_\t_\t1\tadvmod\t_\t_\n2.1\tgo\t_\tVERB\t_\t_\t_\t_\t_\t_\n3\tgo\tgo\t_\t_\t_\t1\tx\t_\t_\n\n",
        encoding="utf-8",
    )
    tagged = formats.read_tagged(file)
    assert tagged.sentences == [("Do", "n't", "go")] and tagged.tags == [("AUX", "PART", "_")]
    assert tagged.texts == ["Don't go."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.conll", "a X\nb X\n\nc d X\n", "line 4: 3 columns; expected 2 as before"),
        ("a.conll", "a\nb\n", "line 1: 1 columns; expected 2 at least"),
        ("a.tsv", "a\tX\n\tX\n", "line 2: the word is empty"),
        ("a.conll", "\n\n", "holds no sentence"),
        ("a.conllu", "1\tonly three\tcolumns\n", "line 1: 3 columns; expected the 10 of CoNLL-U"),
        ("a.conllu", "x\t" + "\t".join("abcdefghi") + "\n", "line 1 is no CoNLL-U"),
        ("a.csv", "sentence,word\n1,a\n", "tag"),
        ("a.csv", "sentence,word,tag\n1,a,X\n2,b,X\n1,c,X\n", "row 4: sentence 1 was ended before"),
        ("a.csv", "sentence,word,tag\n1,,X\n", "row 2: the word is empty"),
        ("a.conll", b"a X\n\xff\xfe X\n", "is not UTF-8: byte 4 (line 2)"),
    ],
)
def test_wrong_files_are_named_with_their_line(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        formats.read_tagged(file)
    assert message in str(error.value) and name in str(error.value)


def test_csv_and_columns_give_the_same_sentences(tmp_path):
    table, columns = tmp_path / "a.csv", tmp_path / "a.txt"
    table.write_text("sentence,word,tag\n" + "".join(f"1,{w},{t}\n" for w, t in SENTENCE) + "2,Go,VERB\n", "utf-8")
    columns.write_text("\ufeff" + "".join(f"{w}\t{t}\n" for w, t in SENTENCE) + "\n\ufeff\nGo\tVERB\n", "utf-8")
    a, b = formats.read_tagged(table), formats.read_tagged(columns)
    assert a.sentences == b.sentences and a.tags == b.tags and len(a) == 2


@pytest.fixture
def own_file(tmp_path) -> Path:
    """Three hundred small sentences with names."""
    random = np.random.default_rng(0)
    people, places = ["Ada", "Kim", "이순신", "Bo"], ["Oslo", "Seoul", "Rome"]
    lines = []
    for number in range(300):
        person, place = random.choice(people), random.choice(places)
        rows = [(person, "B-PER"), ("went", "O"), (f"to{number}", "O"), (place, "B-LOC"), (".", "O")]
        lines += [f"{word} {tag}" for word, tag in rows] + [""]
    file = tmp_path / "own.conll"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_own_names_are_learnt_with_a_crf_and_scored_again(own_file, tmp_path):
    """A training on a file of one's own, an answer, and `evaluate --data` with tags that fit and with others."""
    where = ["--runs-dir", str(tmp_path / "runs")]
    done = run_here(
        "projects.sequence_tagging.train", "--data", str(own_file), "--crf", "--model", "gru", "--units", "16",
        "--embedding", "16", "--letters", "8", "--epochs", "6", "--learning-rate", "2e-2", "--dropout", "0.1", *where,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = runs.find(Project("sequence_tagging"), "latest", tmp_path / "runs")
    assert run.report["test"]["model"]["f1"]["value"] > 0.95
    assert {"most_frequent", "logistic_regression", "linear_crf"} == set(run.report["test"]["baselines"])
    predictor = run.load()
    assert np.shape(predictor.meta["transitions"]["between"]) == (3, 3)
    answer = predictor.predict({"text": "Ada went to5 Rome ."})
    assert answer["spans"] == [{"label": "PER", "text": "Ada"}, {"label": "LOC", "text": "Rome"}]
    (tags,), (likely,) = predictor.tag([["Ada", "went", "to5", "Rome"]])
    predictor.meta["temperature"] *= 5
    (again,), (softer,) = predictor.tag([["Ada", "went", "to5", "Rome"]])
    assert again == tags and np.all(softer < likely)
    for limit in (0.0, 1.0):
        predictor.meta["caution_below"] = limit
        assert predictor.predict({"text": "Ada went to5 Rome ."})["unfamiliar"] is bool(limit)
    cautions = pd.read_csv(run.path / "caution.csv").set_index("inputs")["flagged"]
    assert cautions["test"] < 0.15 < 0.5 < cautions["random letters"]
    predictor.meta["transitions"]["first"] = [-1e3 * (tag != "O") for tag in predictor.meta["tags"]]
    raw = {"text": "Ada went to5 Rome ."}
    assert predictor.predict(raw)["tokens"][0]["tag"] == "O" and predictor.without_crf(raw)[0] == "B-PER"
    again = run_here("projects.sequence_tagging.evaluate", "--data", str(own_file), *where)
    assert again.returncode == 0, again.stderr
    other = tmp_path / "other.conll"
    other.write_text("Ada B-NAME\nwent O\n", encoding="utf-8")
    refused = run_here("projects.sequence_tagging.evaluate", "--data", str(other), *where)
    assert refused.returncode == 2 and "never seen: B-NAME" in refused.stderr


@pytest.mark.parametrize("tag", ["O", "NOUN"])
def test_one_tag_alone_is_refused(tmp_path, tag):
    file = tmp_path / "same.conll"
    file.write_text("\n\n".join(f"w{i} {tag}\nx {tag}" for i in range(40)), encoding="utf-8")
    with pytest.raises(UserError, match="hold 1 tags; expected at least two"):
        data.load_data(Config(), str(file), tmp_path)


def test_text_is_cut_into_words_as_the_treebank_does():
    for text, expected in (
        ("Don't e-mail John's boss, Dr. Lee (U.S.), at 12:30: a@b.com!!",
         "Do n't e - mail John 's boss , Dr. Lee ( U.S. ) , at 12:30 : a@b.com !!"),
        ("가까운 1.5배로, 어디?", "가까운 1.5배로 , 어디 ?"),
    ):  # fmt: skip
        assert [token for token, _ in encoding.tokens(text, "words")] == expected.split()
    assert encoding.tokens("def f(x):\n  return x", "code")[-2:] == [("x", 19), (NEW_LINE, 20)]
    assert [token for token, _ in encoding.tokens("def f(((", "code")] == ["def", "f", "((("]
    assert encoding.tokens("가 나", "syllables") == [("가", 0), (" ", 1), ("나", 2)]


def test_a_long_text_is_tagged_in_pieces_without_a_seam(trained):
    predictor = trained("sequence_tagging").load()
    sentence = ["x", "=", "f", "(", "y", ")", NEW_LINE] * 715
    (tags,), (likely,) = predictor.tag([sentence])
    assert len(tags) == len(likely) == len(sentence) == 5_005
    middle = predictor.tag([sentence[7 * 50 : 7 * 60]])[0][0]
    # Far from both ends of a piece nothing depends on where the text was cut.
    assert tags[7 * 52 : 7 * 58] == middle[7 * 2 : 7 * 8]


def test_tags_do_not_depend_on_the_other_sentences(trained):
    predictor = trained("sequence_tagging").load()
    sentences = [["return", "x", NEW_LINE], ["a"] * 40, ["import", "os", NEW_LINE]]
    together = predictor.tag(sentences)
    for number, sentence in enumerate(sentences):
        (tags,), (likely,) = predictor.tag([sentence])
        assert tags == together[0][number]
        np.testing.assert_allclose(likely, together[1][number], atol=1e-5)


@pytest.mark.parametrize("text", ["x", "\U0001f600 ☂ ∑", "x " * 3_000, "'''", "\\", "\0", "if", "λ = 'é'"])
def test_odd_texts_get_an_answer(trained, text):
    answer = trained("sequence_tagging").load().predict({"text": text})
    assert answer["tokens"] and all(np.isfinite(row["probability"]) for row in answer["tokens"])


def test_only_names_of_a_program_have_a_tag(trained):
    answer = trained("sequence_tagging").load().predict({"text": "def area(r): return r ** 2"})
    assert {row["token"] for row in answer["tokens"] if row["tag"] != UNLABELLED} == {"area", "r"}
    assert len(pd.read_csv(trained("sequence_tagging").path / "neighbours.csv")), "between two names stands a sign"


def test_influence_is_zero_where_nothing_is_read(trained):
    effects = trained("sequence_tagging").load().influence({"text": "def area(r):\n    return r"}, 3)
    assert len(effects) == len(encoding.tokens("def area(r):\n    return r", "code"))
    assert all(np.isfinite(effects)) and any(effects)


def test_a_file_is_tagged_line_by_line(trained, tmp_path):
    predictor = trained("sequence_tagging").load()
    source = tmp_path / "in.txt"
    source.write_text("x = 1\n\nimport os\n", encoding="utf-8")
    table, columns = (tmp_path / f"out{ending}" for ending in ENDINGS)
    assert tag_file(predictor, source, table) == tag_file(predictor, source, columns) == 3
    frame = pd.read_csv(table)
    assert list(frame.columns) == ["sentence", "word", "tag", "probability"] and set(frame["sentence"]) == {1, 3}
    assert columns.read_text(encoding="utf-8").count("\n\n") == 2
    with pytest.raises(UserError, match="must end in"):
        tag_file(predictor, source, tmp_path / "out.xlsx")


def test_one_long_token_does_not_widen_the_others(trained):
    """A docstring is one token. An array of texts gives each of them the room of the longest."""
    sentences = [["x", "=", f"'{n}'"] for n in range(1_000)] + [["'" + "x" * 100_000 + "'"]]
    tracemalloc.start()
    trained("sequence_tagging").load().encode(sentences)
    features(sentences)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000
