"""What a visitor reads is in the language of the page: messages, sources, help and figures too (`apps/texts.json`)."""

import ast
import re

import pytest

from apps import i18n
from apps.i18n import in_korean
from common.config import knobs
from common.project import Project
from tests.conftest import PROJECTS, ROOT

HANGUL = re.compile("[가-힣]")
# Messages of commands that no page reaches.
FOLDERS = ("common", "common/inputs", "common/layers", "apps", *(f"projects/{name}" for name in PROJECTS))


def template(node: ast.expr) -> str:
    """The text of an expression, with {} for what changes."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return "{}"


def messages() -> list[tuple[str, str]]:
    """(place, text) of every message that is raised as a UserError, of every source of data and its unit."""
    found = []
    for folder in FOLDERS:
        for path in (ROOT / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                    continue
                if node.func.id == "UserError" and node.args:
                    found.append((f"{path.name}:{node.lineno}", template(node.args[0])))
                if node.func.id == "Source":
                    given = dict(zip(("name", "source", "sha256", "unit"), node.args, strict=False))
                    given |= {part.arg: part.value for part in node.keywords}
                    found += [(f"{path.name}:{node.lineno}", template(given[part])) for part in ("source", "unit")]
    return [(place, text) for place, text in found if re.search("[A-Za-z]{2}", text.replace("{}", ""))]


def test_every_message_has_its_korean():
    missing = [
        f"{place}: {text}" for place, text in messages() if not HANGUL.search(in_korean(text.replace("{}", "7")))
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("name", PROJECTS)
def test_knobs_and_data_have_their_korean(name):
    project = Project(name)
    texts = [knob.help for knob in knobs(project.config_class)] + list(project.data_names.values())
    assert not [text for text in texts if not HANGUL.search(in_korean(text))]


def test_parts_of_a_message_stay_and_are_put_into_korean_too():
    said = in_korean("my.csv, row 3: TX_AMOUNT is 'five'; expected a number.")
    assert said == "my.csv, 3행: TX_AMOUNT의 값이 'five'입니다. 수가 필요합니다."
    source = in_korean("Scored on a.csv; trained on: b.csv: 5 rows, 2 positive; 1 exact repeats removed.")
    assert source.startswith("평가한 데이터: a.csv. 학습한 데이터: b.csv: 5행, 그중 양성 2행.")
    assert in_korean("nobody says this") == "nobody says this"
    assert in_korean("x" * 5000 + " is damaged.") == "x" * 5000 + " is damaged.", "an endless text is not searched"


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

    assert [text for text in i18n._texts()["sentences"] if not is_used(text)] == ["noFight"]  # a label of RWF-2000


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
