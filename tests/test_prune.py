"""Pruning: what nothing names goes, what anything may name stays, and the text stays as the formatter leaves it."""

import ast
import textwrap

import pytest

from common.tools.fork.prune import pruned, without


def left(text: str, others: str = "", path: str = "common/part.py") -> str:
    """The file `path` after pruning beside another one, which has a statement that stays."""
    return pruned({path: textwrap.dedent(text).lstrip(), "tests/test_it.py": textwrap.dedent(others)})[path]


def names(text: str) -> set[str]:
    """What a Python file defines or imports at the top."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def test_what_nothing_names_goes_and_so_does_what_only_it_names():
    text = """
        def used():
            return helper()


        def helper():
            return 1


        def unused():
            return only_here(unused)


        def only_here(other):
            return other()
    """
    assert names(left(text, "from common.part import used\nassert used()\n")) == {"used", "helper"}


@pytest.mark.parametrize(
    "code",
    [
        "assert made",
        "assert part.made()",
        "monkeypatch.setattr(part, 'made', 1)",
        "getattr(part, 'made')",
        "run('''\nfrom common.part import made\n''')",
        "def test_it():\n    from common.part import made\n",
        "from common.part import made as other\nassert other",
        "def test_it(value: 'made'): ...",
        "assert f'{part.made}'",
    ],
)
def test_a_name_in_any_place_keeps_a_definition(code):
    text = """
        def made():
            return 1


        def other_one():
            return 2
    """
    assert names(left(text, f"import common.part as part\n{code}\n")) == {"made"}


@pytest.mark.parametrize(
    "code",
    [
        'def test_it():\n    """It speaks of `made`."""\n',
        "# made\n",
        "from common.part import made\n",
        "print('It is made of wood.')",
        "def test_it(made):\n    assert made\n",
        "def test_it():\n    made = 1\n    assert made\n",
        "def test_it():\n    def made(): ...\n    assert made()\n",
        "from common.other import made\nassert made",
        "from elsewhere import made\nassert made",
        "import elsewhere\nassert elsewhere.made()",
        "import common.other as other\nassert other.made()",
    ],
    ids=["docstring", "comment", "unused import", "sentence", "argument", "variable", "inner function"]
    + ["of another file", "of another package", "attribute of a package", "attribute of another file"],
)
def test_words_about_a_definition_do_not_keep_it(code):
    files = {"common/part.py": '"""A part."""\n\n\ndef made(): ...\n', "common/other.py": "def made(): ...\n"}
    assert "made" not in pruned(files | {"tests/test_it.py": code})["common/part.py"]


def test_a_name_is_followed_through_the_file_that_hands_it_on():
    files = {
        "common/part.py": "def made(): ...\n",
        "common/other.py": "from common.part import made\n",
        "tests/test_it.py": "from common import other\nassert other.made()\n",
    }
    assert names(pruned(files)["common/part.py"]) == {"made"}


def test_classes_dataclasses_constants_and_alternatives():
    text = """
        import os
        from dataclasses import dataclass

        LIMIT, SPARE = 3, 4
        UNUSED = 5
        typed: int = 6


        @dataclass(frozen=True)
        class Kept:
            limit: int = LIMIT


        @dataclass
        class Gone:
            other: int = UNUSED


        if os.name == "nt":
            import msvcrt

            def lock(): ...

        else:

            def lock(): ...


        if __name__ == "__main__":
            main()
    """
    kept = left(text, "from common.part import Kept\nassert Kept()\n")
    assert names(kept) == {"dataclass", "LIMIT", "SPARE", "Kept"}
    assert "msvcrt" not in kept and "main()" in kept and "os" not in names(kept)
    assert "msvcrt" in left(text, "from common.part import lock\nlock()\n")


def test_a_decorator_of_the_same_file_may_list_what_it_decorates():
    text = """
        import functools

        app = App()


        @app.command
        def kept(): ...


        @functools.cache
        def gone(): ...
    """
    assert names(left(text)) == {"app", "kept"}


def test_in_tests_only_helpers_go():
    text = """
        import pytest

        pytest_plugins = ()


        @pytest.fixture(autouse=True)
        def a_fixture(): ...


        @pytest.fixture
        def unused_fixture(): ...


        @pytest.fixture(scope="module")
        def asked_for(): ...


        @pytest.fixture
        def by_name(): ...


        def pytest_configure(): ...


        def test_it(): ...


        def helper(): ...
    """
    tests = "def test_that(asked_for, request):\n    request.getfixturevalue('by_name')\n"
    kept = names(left(text, tests, path="tests/conftest.py"))
    fixtures = {"a_fixture", "asked_for", "by_name"}
    assert kept == {"pytest", "pytest_plugins", "pytest_configure", "test_it", *fixtures}


def test_imports_that_were_used_go_and_others_stay():
    text = """
        import json
        import readline  # noqa: F401
        from collections.abc import Callable, Iterable
        from pathlib import Path


        def kept(values: Iterable): ...


        def gone(path: Path) -> Callable:
            return json.loads(path.read_text())
    """
    expected = """
        import readline  # noqa: F401
        from collections.abc import Iterable


        def kept(values: Iterable): ...
    """
    assert left(text, "from common.part import kept\nkept()\n") == textwrap.dedent(expected).lstrip()


def test_an_import_of_many_names_is_wrapped_as_the_formatter_does():
    many = [f"quite_a_long_name_{i}" for i in range(8)]
    text = "from elsewhere import (\n" + "".join(f"    {name},\n" for name in [*many, "last"]) + ")\n\n\n"
    text += f"def kept():\n    return {', '.join(many)}\n\n\ndef gone():\n    return last\n"
    kept = pruned({"common/part.py": text, "apps/page.py": "kept()\n"})["common/part.py"]
    assert kept.startswith("from elsewhere import (\n    quite_a_long_name_0,\n") and "last" not in kept
    ast.parse(kept)


def test_comments_and_empty_lines():
    text = '''
        """A part."""

        import json

        # What it is measured in.
        UNIT = "m"
        OTHER = "s"

        # The first chapter


        # Why it is made so.
        def gone():
            return json, UNIT


        # The second chapter, of
        # two lines


        def kept():
            # inside
            return OTHER


        # Why this one is made.
        @wrapped
        def also_gone(): ...


        # The end.
    '''
    expected = '''
        """A part."""

        OTHER = "s"


        # The second chapter, of
        # two lines


        def kept():
            # inside
            return OTHER


        # The end.
    '''
    assert left(text, "from common.part import kept\nkept()\n") == textwrap.dedent(expected).lstrip()


def test_a_file_with_nothing_to_prune_is_the_same_to_the_letter():
    text = "#!/usr/bin/env python\nimport json;\nkept = lambda: json\n\n\n\n\nkept()\n\n# end\n\n"
    assert left(text) == text


def test_without_removes_by_name_and_what_only_that_imported():
    text = "import json\n\nA = 1\nB = json\n\n\n@app.command\ndef c():\n    return A\n"
    assert without(text, {"B", "c"}) == "A = 1\n"
