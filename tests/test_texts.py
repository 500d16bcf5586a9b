"""What a visitor reads is in the language of the page: messages, sources, help and figures too (`apps/texts.json`)."""

import ast
import functools
import itertools
import os
import re
import sys
from collections.abc import Iterator

import pytest

from apps import i18n
from apps import knobs as knob_names
from apps.i18n import in_korean
from common.config import knobs
from common.errors import MENDABLE
from common.inputs.text import readable
from common.project import Project
from common.schema import Between, mismatch
from tests.conftest import PROJECTS, ROOT

HANGUL = re.compile("[가-힣]")
# A word of an English sentence, not of a name, a path or a quotation.
ENGLISH = re.compile(
    r"(?<![\w.'-])(is|are|was|has|have|does|can|cannot|may|must|needs|lacks|fits?|the|an?|its?|this|that|which|there|other"
    r"|of|to|at|in|for|from|with|without|between|by|as|before|after|until|and|or|not?|but|so|if|where|when|how|than|more"
    r"|most|least|only|each|every|all|too|out|expected|missing|empty|damaged)(?![\w.'-])",
    re.ASCII,
)
# What these functions return is a part of a message; the sentence around it.
REASONS = {
    "disagreement": "runs/meta.json is damaged: {}.",
    "unlike": "runs/meta.json is damaged: {}.",
    "no_writer": "runs/meta.json is damaged: {}.",
    "kernel_name": "{}",
    "left_out_words": "{}",
}
# Messages of commands that no page reaches.
FOLDERS = ("common", "common/inputs", "common/layers", "apps", *(f"projects/{name}" for name in PROJECTS))


def templates(node: ast.expr, assigned: dict[str, list[ast.expr]]) -> list[str]:
    """The texts that an expression may have, with {} for what changes. assigned: what the names near it may stand for."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.FormattedValue):
        return templates(node.value, assigned)
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in itertools.product(*(templates(part, assigned) for part in node.values))]
    if isinstance(node, ast.IfExp):
        return templates(node.body, assigned) + templates(node.orelse, assigned)
    if isinstance(node, ast.BinOp):
        sides = templates(node.left, assigned), templates(node.right, assigned)
        return ["".join(parts) for parts in itertools.product(*sides)] if sides != (["{}"], ["{}"]) else ["{}"]
    if isinstance(node, ast.Name) and node.id in assigned:
        return [text for value in assigned[node.id] for text in templates(value, {})]
    return ["{}"]


def assignments(function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
    """{name: what a function assigns to it}; a += b is both together."""
    assigned: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            before = assigned.get(node.target.id, [])
            assigned[node.target.id] = [ast.BinOp(value, ast.Add(), node.value) for value in before]
    return assigned


def said(node: ast.AST, function: str) -> list[tuple[ast.expr, str]]:
    """(expression, the text around it) of what a statement of a function says to a user."""
    if isinstance(node, ast.Return) and function in REASONS and node.value:
        return [(node.value, REASONS[function])]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("UserError", "say"):
            return [(node.args[0], "{}")]
        if node.func.id == "Source":
            given = dict(zip(("name", "source", "sha256", "unit"), node.args, strict=False))
            given |= {part.arg: part.value for part in node.keywords}
            return [(given["source"], "{}"), (given["unit"], "{}")]
    return []


def everything_said() -> Iterator[tuple[str, ast.expr, str, dict[str, list[ast.expr]]]]:
    """(place, expression, the text around it, what names near it may stand for) of all that a user is told."""
    for path in [path for folder in FOLDERS for path in (ROOT / folder).glob("*.py")]:
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                assigned = assignments(function)
                for node in ast.walk(function):
                    for part, around in said(node, function.name):
                        yield f"{path.name}:{node.lineno}", part, around, assigned


@functools.cache
def pieces() -> set[str]:
    """The texts of which messages are put together."""
    found = set()
    for _, part, _, assigned in everything_said():
        named = [value for name in ast.walk(part) for value in assigned.get(getattr(name, "id", ""), [])]
        for node in (node for whole in (part, *named) for node in ast.walk(whole)):
            found |= {text.strip() for text in templates(node, {})} if isinstance(node, ast.expr) else set()
    return found


@functools.cache
def messages() -> list[tuple[str, str]]:
    """(place, text) of every message that is raised as a UserError or said, of every source of data and its unit.

    What a function of REASONS returns is a part of a message.
    """
    found = []
    for place, part, around, assigned in everything_said():
        found += [(place, around.format(text)) for text in templates(part, assigned) if text]
    # A sentence of its own, such as that on the data, stands before some of them.
    found = [(place, re.sub(r"^\{\} (?=[A-Z]|\{\} distinct)", "", text)) for place, text in found]
    return [(place, text) for place, text in found if re.search("[A-Za-z]{2}", text.replace("{}", ""))]


def origins(node: ast.AST) -> list[tuple[int, str]]:
    """(line, text) of what stands in the code of a project's data and is neither a docstring nor a message of its own."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return []
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("UserError", "print"):
        return []
    texts = templates(node, {}) if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.IfExp)) else []
    if texts := [text for text in texts if re.search("[A-Za-z]{2}", text)]:
        return [(node.lineno, re.sub(r"^\{\} (?=[A-Z])", "", text.strip())) for text in texts]
    return [found for child in ast.iter_child_nodes(node) for found in origins(child)]


def english_in(korean: str) -> bool:
    """Whether a text is not Korean, or English words are left in it that are no names, quotations or commands."""
    return not HANGUL.search(korean) or bool(ENGLISH.search(korean))


def test_every_message_has_its_korean():
    said = {f"{place}: {text}": in_korean(text.replace("{}", "7")) for place, text in messages()}
    assert not {place: text for place, text in said.items() if english_in(text)}


@pytest.mark.parametrize("name", PROJECTS)
def test_where_data_comes_from_is_said_in_korean(name):
    """Whatever the sentence is made of: a constant, a part that is added, a few words on a file that is left out."""
    folder, wrong, sentences = ROOT / "projects" / name, {}, i18n._texts()["sentences"]
    for path in [path for path in (folder / "data.py", folder / "standard.py") if path.exists()]:
        texts = origins(ast.parse(path.read_text(encoding="utf-8")))
        parts = {text for _, text in texts}
        pairs = itertools.product({"{}", *parts}, ("", " "), parts)  # a part that is added to a sentence
        known = {part for one, space, two in pairs if one + space + two in sentences for part in (one, two)} | pieces()
        for line, text in texts:
            if len(re.findall("[A-Za-z]{2,}", text)) >= 3 and ENGLISH.search(text) and text not in known:
                said = [in_korean((text + end).replace("{}", "7")) for end in ("", ".")]
                if all(map(english_in, said)):
                    wrong[f"{path.name}:{line}"] = text
    assert not wrong


def test_several_sentences_are_put_into_korean_one_by_one():
    """None of them takes a place inside another, and each may stand first."""
    sms = "SMS Spam Collection (Almeida et al. 2011), 5,574 messages, 747 of them spam."
    left_out = "2 files left out: b.png is no picture; c.png has no colours."
    for before in (sms, "pairs.tsv.", left_out):
        for after in (
            "7 distinct pairs in 5 groups; 1 repeated or empty ones left out.",
            "7 distinct texts; 1 empty or repeated ones removed.",
            "7 of 8 extra pairs are learnt from too.",
            left_out,
        ):
            assert in_korean(f"{before} {after}") == f"{in_korean(before)} {in_korean(after)}"
            assert not english_in(in_korean(after))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems say it in other words")
def test_what_the_system_says_of_a_file_has_its_korean():
    said = {f"my file.csv: {os.strerror(code)}." for code in MENDABLE}
    assert not {text for text in said if not in_korean(text).startswith("my file.csv: ") or english_in(in_korean(text))}


def test_a_pattern_fits_its_own_text():
    """One sentence does not take the Korean of another that is like it, such as "{} is {}." for "{} is damaged."."""
    for text, korean in i18n._texts()["sentences"].items():
        for parts in (["7"] * 9, ["my file.csv", "3,000", "'a b'", "the value"] * 3):
            filled = in_korean(text.format(*parts) if "{}" in text else text)
            assert filled == re.sub(r"\{(\d)\}", lambda place: in_korean(parts[int(place[1])]), korean), text  # noqa: B023


@pytest.mark.parametrize(
    "specification",
    [str, int, float, bool, [int], {str: int}, {"b": int}, None, "text", Between(0, 1), Between(0.0, 1.0), [[float]]],
    ids=str,
)
def test_what_a_value_should_be_is_said_in_korean(specification):
    for value in ([{}], {"part": [5]}, 10**5000, float("nan"), "\ud800"):
        if wrong := mismatch(value, specification):
            for message in (f"runs/meta.json is damaged: {wrong}.", f"The input cannot be used: {wrong}."):
                assert not english_in(in_korean(message)), in_korean(message)


@pytest.mark.parametrize("name", PROJECTS)
def test_knobs_and_data_have_their_korean(name):
    project = Project(name)
    texts = [knob.help for knob in knobs(project.config_class)] + list(project.data_names.values())
    assert not [text for text in texts if not HANGUL.search(in_korean(text))]


@pytest.mark.parametrize("name", PROJECTS)
def test_knobs_and_their_choices_are_called_something_in_korean(name, monkeypatch):
    """Or by a proper name, such as AlexNet, that `apps/terms.json` has."""
    monkeypatch.setattr(i18n, "language", lambda: "ko")
    names = [knob_names.name(name, knob.name).partition(" · ")[0] for knob in knobs(Project(name).config_class)]
    assert len(set(names)) == len(names), "the columns of a search's table"
    for knob in knobs(Project(name).config_class):
        assert HANGUL.search(knob_names.name(name, knob.name)) or knob.name == "crf", knob.name
        for choice in map(str, knob.choices or ()):
            known = not {choice, f"choice.{choice}"}.isdisjoint(i18n.TERMS)
            assert known or choice.isdigit(), choice


def test_a_knob_is_not_called_as_a_column_or_a_knob_of_another_project(monkeypatch):
    monkeypatch.setattr(i18n, "language", lambda: "ko")
    cases = {
        ("fraud_detection", "target"): "예측할 열 · target",
        ("translation", "target"): "번역문 · target",
        ("fraud_detection", "positive"): "양성으로 볼 값 · positive",
        ("text_classification", "label"): "정답 열 · label",
        ("fraud_detection", "group"): "카드 열 · group",
        ("image_classification", "width"): "채널 수 · width",
    }
    assert {case: knob_names.name(*case) for case in cases} == cases
    assert [knob_names.choice(one) for one in ("auto", "mask_rcnn", 2)] == ["자동 · auto", "Mask R-CNN", "2"]


def test_parts_of_a_message_stay_and_are_put_into_korean_too():
    said = in_korean("my.csv, row 3: TX_AMOUNT is 'five'; expected a number.")
    assert said == "my.csv, 3행: TX_AMOUNT의 값이 'five'입니다. 수가 필요합니다."
    source = in_korean("Scored on a.csv; trained on: b.csv: 5 rows, 2 positive; 1 exact repeats removed.")
    assert source.startswith("평가한 데이터: a.csv. 학습한 데이터: b.csv: 5행, 그중 양성 2행.")
    assert in_korean("nobody says this") == "nobody says this"
    assert in_korean("x" * 5000 + " is damaged.") == "x" * 5000 + " is damaged.", "an endless text is not searched"
    for text in (", row : is ; expected ", "The columns of a.csv are b, c and d. "):  # each took minutes or seconds
        assert in_korean.__wrapped__(text * (2000 // len(text)))


def test_jamo_can_be_read():
    """Syllables are composed. A jamo that makes none is a letter of its own, because alone it is drawn as a broken shape."""
    jamo = [
        chr(code)
        for first, last in ((0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2))
        for code in range(first, last + 1)
    ]
    assert all("\u3131" <= readable(one) <= "\u3163" for one in jamo)
    assert readable("\u1112\u1161\u11ab \u1112 \u1161\u11ab \u11ab café") == "한 ㅎ ㅏㄴ ㄴ café"


def test_every_text_is_used():
    """Most of its runs of three words stand in the code: a message may be put together of several strings."""
    texts = []
    for path in [path for folder in ("common", "projects", "apps") for path in (ROOT / folder).rglob("*.py")]:
        source = path.read_text(encoding="utf-8")
        texts += [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
        texts += re.findall("  # (.*)", source)  # the help of knobs
    code = "\n".join(map(str, texts))
    code += code.replace("_", " ")

    def is_used(text: str) -> bool:
        words = [piece.split() for piece in text.split("{}")]
        runs = [" ".join(part[i : i + 3]) for part in words for i in range(max(1, len(part) - 2))]
        return 2 * sum(run in code for run in runs) > len(runs)

    elsewhere = {f"{{}}: {os.strerror(code)}." for code in MENDABLE} | {"noFight"}  # a label of RWF-2000
    assert not [text for text in i18n._texts()["sentences"] if not is_used(text) and text not in elsewhere]


def test_what_stands_beside_the_pointer_has_a_name_in_both_languages():
    """Charts ask `shared.tooltip` for it, which names every column; Altair itself shows the names of the code."""
    columns, asked = i18n._texts()["columns"], set()
    for path in sorted((ROOT / "apps").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if called == "Tooltip":
                assert any(part.arg == "title" for part in node.keywords), (path.name, ast.unparse(node))
            if called == "tooltip":
                given = {part.arg for part in node.keywords}
                asked |= {
                    re.split("[ :]", part.value)[0] for part in node.args if isinstance(part, ast.Constant)
                } - given
            is_asked = isinstance(node, ast.keyword) and node.arg == "tooltip" and isinstance(node.value, ast.List)
            assert not is_asked or not any(isinstance(part, ast.Constant) for part in node.value.elts), path.name
    assert set(columns) <= asked and list(columns) == sorted(columns)
    assert not {name for name in asked - {*columns, *i18n.TERMS} if len(name) > 1}
    for english, korean in columns.values():
        assert HANGUL.search(korean) and not HANGUL.search(english), english


def test_a_count_is_said_so_that_one_fits_too():
    """“Firms scored: 1” reads well, “1 firms scored” does not."""
    for path in sorted((ROOT / "apps").glob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "t"]
        for node in [part for call in calls for part in ast.walk(call.args[0]) if isinstance(part, ast.JoinedStr)]:
            for count, after in itertools.pairwise(node.values):
                if isinstance(count, ast.FormattedValue) and count.format_spec and isinstance(after, ast.Constant):
                    noun = re.match(r" ([a-z]+s)\b", str(after.value))
                    is_free = "," in ast.unparse(count.format_spec) and not ast.unparse(count.value).isupper()
                    assert not (noun and is_free) or noun[1] == "pixels", f"{path.name}: {ast.unparse(node)}"


def test_texts_are_in_both_languages():
    texts = i18n._texts()
    for english, korean in texts["sentences"].items():
        assert HANGUL.search(korean) and not HANGUL.search(english), english
        assert {int(part) for part in re.findall(r"\{(\d)\}", korean)} <= set(range(english.count("{}"))), english
    for english, korean in texts["about"].values():
        assert HANGUL.search(korean) and not HANGUL.search(english), english
    for name in PROJECTS:
        metric = Project(name).card.METRIC
        for pair in [metric] if isinstance(metric, tuple) else metric.values():
            assert pair[0] in texts["about"], f"{pair[0]} is not explained"


@pytest.mark.parametrize(
    ("english", "korean"), [("README.md", "README.ko.md"), ("docs/lectures.md", "docs/lectures.ko.md")]
)
def test_a_page_in_korean_has_the_figures_and_commands_of_the_english_one(english, korean):
    def figures(name: str) -> list[list[str]]:
        """Of each row of a table, its numbers in order of size; of each line of commands, what stands before a comment."""
        text = (ROOT / name).read_text(encoding="utf-8").replace(".ko.md", ".md")
        found = [sorted(re.findall(r"\d+(?:[.,]\d+)*", line)) for line in text.splitlines() if line.startswith("|")]
        commands = [line.split("  #")[0].split("--title")[0].rstrip() for line in re.findall("^python .*", text, re.M)]
        return [*found, commands]

    assert figures(english) == figures(korean)
