"""What pages owe to whoever visits a server: no foreign Markdown, no file of the server, a sentence for damaged files."""

import errno
import io
import json
import random
import re
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import streamlit as st
from PIL import Image
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from apps import charts, own_data
from apps.i18n import in_korean
from common import runs
from common.errors import UserError
from common.project import Project
from tests.browser import browser, executable, served, settle
from tests.campaign import damage
from tests.conftest import PROJECTS, QUICK, ROOT, one_now_others_slow

every_project = pytest.mark.parametrize("name", PROJECTS)
TABS = ("try", "data", "results", "inside", "train")
MARKED = "[x](http://evil.example) <img src=x> $x$ :red[x] **b** :smile: www.evil.example a@evil.example -> `c`"
# Parts of a page that show a text as it is. What stands in a field or in a selection is shown so, too; a label is not.
AS_IT_IS = ("text", "json", "code", "dataframe", "table", "vega_lite_chart", "bidi_component")
FIELDS = ("selectbox", "multiselect", "text_area", "text_input")


def opened(name: str, tab: str, language: str = "en") -> AppTest:
    """A page with one of its tabs open, after its first run."""
    app = AppTest.from_file(str(ROOT / "apps" / f"{name}.py"), default_timeout=120)
    app.query_params["language"] = language
    app.query_params["tab"] = tab
    return app.run()


def test_a_folder_of_runs_that_cannot_be_read_is_a_sentence(monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EACCES, "Permission denied", "runs")

    monkeypatch.setattr(runs, "list_runs", refuse)
    page = opened(QUICK, "try")
    assert not page.exception and "Permission denied" in page.error[0].value


def markdown(block) -> list[tuple[str, str]]:
    """(kind of element, text that is read as Markdown) of everything on a page."""
    texts = []
    for child in block.children.values():
        if hasattr(child, "children"):
            texts += [("block", str(child.proto)), *markdown(child)]
        elif child.type not in AS_IT_IS:
            shown = f"{child.proto.label} {child.proto.help}" if child.type in FIELDS else str(child.proto)
            texts.append((child.type, shown))
    return texts


@pytest.mark.parametrize(
    "name", [name for name in PROJECTS if "unfamiliar" in (ROOT / f"projects/{name}/predict.py").read_text("utf-8")]
)
def test_an_answer_to_an_unfamiliar_input_stands_beside_a_caution(name, copied, monkeypatch):
    predictor = type(copied(name).load())
    predict = predictor.predict
    for unfamiliar in (True, False):
        monkeypatch.setattr(predictor, "predict", lambda self, raw: {**predict(self, raw), "unfamiliar": unfamiliar})  # noqa: B023
        st.cache_data.clear()  # a page may keep the answer
        app = opened(name, "try")
        assert not app.exception and len(app.warning) == unfamiliar


@pytest.mark.skipif("text_classification" not in PROJECTS, reason="a fork of another project")
def test_a_text_whose_words_are_marked_keeps_its_spaces(copied):
    copied("text_classification")
    app, text = opened("text_classification", "try"), "one two three four five six seven, eight nine ten"
    app.text_area[0].set_value(text).run()
    assert text in [re.sub(r":\w+-background\[([^\]]*)\]", r"\1", part.value) for part in app.markdown]


def nodes(spec) -> list[dict]:
    """Every object of a chart's specification."""
    inside = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else []
    return [spec] * isinstance(spec, dict) + [node for part in inside for node in nodes(part)]


def cramped(spec: dict) -> list[str]:
    """What leaves a chart no room on a phone: a legend at its side, or a title that is longer than the axis beside it."""
    encodings = [node["encoding"] for node in nodes(spec) if isinstance(node.get("encoding"), dict)]
    channels = [
        encoding[name] for encoding in encodings for name in ("color", "shape", "size", "opacity") if name in encoding
    ]
    legends = [one.get("legend", {}) for one in channels if "field" in one and one.get("scale", {}) is not None]
    found = ["legend" for legend in legends if legend is not None and legend.get("orient") not in ("top", "bottom")]
    titles = [encoding["y"].get("title") or "" for encoding in encodings if "y" in encoding]
    height = spec["height"] if isinstance(spec.get("height"), (int, float)) else 300
    room = height - 80 - 65 * any(legend is not None for legend in legends)  # pixels
    return found + [
        title for title in titles if isinstance(title, str) and title.strip() and 6 * charts._width(title) > room
    ]


@every_project
def test_texts_of_a_run_are_never_read_as_markdown(name, copied):
    """Sources, labels, names and reports may come from anybody. Each tab shows them, and none of them as Markdown."""
    run = copied(name)
    content = run.report
    content["data"]["source"] = content["test"]["unit"] = MARKED
    content["test"]["baselines"] = {MARKED: next(iter(content["test"]["baselines"].values()))}
    content["failures"] = [{MARKED: MARKED}]
    (run.path / "report.json").write_text(json.dumps(content))
    for path in run.path.glob("*.csv"):
        table = pd.read_csv(path)
        texts = table.select_dtypes(exclude="number").columns.difference(["property", "layer", "picture", "n", "card"])
        table.assign(**dict.fromkeys(texts, MARKED)).to_csv(path, index=False)
    shown = 0
    for tab in TABS:
        app = opened(name, tab)
        assert not app.exception, tab
        for chart in app.get("vega_lite_chart"):
            assert not cramped(json.loads(chart.proto.spec)), f"{tab}: {chart.proto.spec[:2000]}"
        for kind, text in markdown(app.main) + markdown(app.sidebar):
            for mark in ("[x](", "<img", "$x$", ":red[", "**b**", "http://e", "www.e", "a@e", "`c`"):
                assert mark not in text.replace("\\\\", "\\"), f"{tab}, {kind}: {text[:300]}"
        shown += sum(part.value == MARKED for part in app.text)
    assert shown, "the source is shown as text"


def said(app: AppTest) -> set[str]:
    """What a page shows in words, cut where a text puts names together: cells and headings, charts, labels and choices."""
    texts = [text for kind in ("caption", "markdown", "metric") for text in (part.proto for part in app.get(kind))]
    shown = [str(getattr(part, name, "")) for part in texts for name in ("body", "label")]
    shown += [option for kind in ("selectbox", "multiselect") for part in app.get(kind) for option in part.options]
    frames = [part.value for part in app.dataframe]
    for part in app.get("vega_lite_chart"):
        fields = {node.get("field") for node in nodes(json.loads(part.proto.spec))}
        tables = [pa.ipc.open_stream(one.data.data).read_pandas() for one in part.proto.datasets]
        frames += [one[[column for column in one if column in fields]] for one in tables]
        for node in nodes(json.loads(part.proto.spec)):
            shown += [*node.get("scale", {}).get("domain", [])] if isinstance(node.get("scale"), dict) else []
            shown += node.get("labelExpr", "").split("'")
    shown += [str(cell) for frame in frames for cell in frame.select_dtypes(exclude="number").to_numpy().ravel()]
    return {piece.strip(" *") for text in map(str, shown) for piece in re.split(r"[,:·→(\]]|\d+", text)}


@pytest.mark.parametrize(
    "name",
    [name for name in PROJECTS if name in ("bankruptcy", "mask_detection", "text_classification", "video_labelling")],
)
def test_classes_are_korean_where_the_data_is_ours_and_stay_as_they_are_where_it_is_a_users(name, copied):
    run = copied(name)
    meta = run.load().meta
    classes = [
        one.replace("_", " ") for one in meta.get("labels", meta.get("classes")) if one != "mask_weared_incorrect"
    ]
    korean = {in_korean(one) for one in classes}
    assert not korean & {*classes}
    found = set()
    for tab in TABS[:4]:
        found |= said(opened(name, tab, "ko"))
    assert korean & found and not {*classes, *meta.get("classes", [])} & found
    request = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps({**request, "data": str(run.path / "own")}))
    found = set()
    for tab in TABS[:3]:
        found |= said(opened(name, tab, "ko"))
    assert {*classes} & found and not korean & found


@pytest.mark.skipif(executable() is None, reason="no Chromium: install one")
def test_plain_text_in_a_real_browser(tmp_path):
    """Streamlit makes links, icons and arrows after Markdown has been read. Only a browser shows what becomes of them."""
    texts = [
        *MARKED.split(" "),
        MARKED,
        "https://evil.example/p?a=1&b=2",
        "<- <-> -- >= <= ~=",
        ":material/home: :streamlit: ::red[x]{a} :red",
        "# heading",
        "1. one",
        "- item",
        "+ item",
        "a\n===",
        "| a |\n|---|\n| 1 |",
        "~~~\ncode\n~~~",
        "> quote",
        "&lt;b&gt; &#58;",
        "_i_ __b__ TX_AMOUNT a_b",
        "![i](http://evil.example/i.png)",
        "[^1] [x]: http://evil.example",
        "\\alpha \\(x\\) $$x$$ ~~s~~",
        "first\rsecond\r\nthird",
    ]
    script = tmp_path / "page.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport streamlit as st\nfrom apps.i18n import plain\n"
        f"st.title('T')\nfor text in {texts!r}:\n    st.markdown('@' + plain(text))\n    st.caption(plain(text))\n"
        "    st.metric(plain(text), plain(text))\n"
    )
    with browser() as chromium, served(script, tmp_path, tmp_path) as address:
        page = chromium.new_page()
        page.goto(address)
        settle(page)
        expect(page.get_by_test_id("stMetricValue")).to_have_count(len(texts), timeout=60_000)
        made = "a[href*=evil], img, .katex, strong, em, code, del, li, table, blockquote, hr, sup, [data-testid=stIconMaterial]"
        assert [part.inner_html() for part in page.get_by_test_id("stMain").locator(made).all()] == []
        parts = [part.text_content() for part in page.get_by_test_id("stMarkdownContainer").all()]
        parts = [part.replace("\u2060", "")[1:] for part in parts if part.startswith("@")]
        assert parts == [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
        page.close()


# The data of a training


@every_project
def test_a_visitor_reaches_no_path_of_the_server(name, tmp_path, monkeypatch):
    (tmp_path / "secret.txt").write_text("secret")
    app = opened(name, "train")
    assert not app.exception
    own = ["your own file"] if getattr(Project(name).card, "UPLOAD", ()) else []
    assert app.selectbox(key="data").options == [*Project(name).data_names, *own]
    assert not [part.label for part in app.text_input if "path" in part.label.lower() or part.value == "builtin"]
    place = tmp_path / "offered"
    (place / "folder").mkdir(parents=True)
    (place / "a.csv").write_text("a\n1\n")
    (place / ".hidden").write_text("")
    (place / "link.csv").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setenv(own_data.FOLDERS, str(place))
    assert own_data.offered() == {f"offered/{name}": str(place / name) for name in ("a.csv", "folder")}
    assert "offered/a.csv" in opened(name, "train").selectbox(key="data").options


def packed(*members: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in members:
            archive.writestr(name, part)
    return content.getvalue()


def test_an_upload_is_kept_once_and_a_zip_is_unpacked(tmp_path):
    data = tmp_path / "data" / "uploads"  # see conftest
    path = own_data.kept("../../내 자료.csv", b"a\n1\n")
    assert path.startswith(str(data)) and path.endswith("/내-자료.csv")
    assert own_data.kept("내 자료.csv", b"a\n1\n") == path
    whole = packed(("pets/cats/1.png", b"1"), ("pets/.hidden", b""), ("__MACOSX/pets/1.png", b""), ("pets/dogs/", b""))
    folder = own_data.kept("Pets.ZIP", whole)
    assert folder.endswith("/Pets/pets")
    files = sorted(str(path.relative_to(folder)) for path in data.glob("*/Pets/pets/**/*") if path.is_file())
    assert files == ["cats/1.png"]
    before = sorted(tmp_path.rglob("*"))
    for wrong in ("../../a.png", "/a.png", "c:\\a.png", "a/../../b.png", "..\\..\\a.png"):
        with pytest.raises(UserError, match=r"^up\.zip holds a file whose name leads out"):
            own_data.kept("up.zip", packed(("a/b.png", b"1"), (wrong, b"1")))
    with pytest.raises(UserError, match=r"^up\.zip: .* cannot be written"):
        own_data.kept("up.zip", packed(("a", b"1"), ("a/b", b"1")))
    with pytest.raises(UserError, match=r"^up\.zip is not a complete archive"):
        own_data.kept("up.zip", whole[:50])
    assert sorted(tmp_path.rglob("*")) == before, "nothing of a refused archive stays"


@pytest.mark.skipif("image_classification" not in PROJECTS, reason="a fork of another project")
def test_a_training_on_an_upload_begins_with_the_unpacked_folder(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("apps.training.launch", started.append)
    picture = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture, "PNG")
    app = opened("image_classification", "train")
    app.selectbox(key="data").set_value("upload").run()
    button = next(part for part in app.button if part.label == "Start training")
    button.click().run()
    assert [error.value for error in app.error] == ["Upload a file first."] and not started
    app.file_uploader(key="own-data").upload("p.zip", packed(("a/1.png", picture.getvalue())), "application/zip").run()
    next(part for part in app.button if part.label == "Start training").click().run()
    assert not app.exception and len(started) == 1
    assert started[0].data.startswith(str(tmp_path / "data" / "uploads"))


# Damaged files of a run


files_opened: set[str] = set()  # paths of the files that this process has opened since it was emptied
sys.addaudithook(lambda event, args: files_opened.add(str(args[0])) if event == "open" else None)


@one_now_others_slow
def test_a_damaged_file_of_a_run_is_a_sentence_on_every_tab(name, copied):
    """Each file is damaged on the tabs that read it. Those that no tab reads are damaged together, on every tab."""
    run, dice, read = copied(name), random.Random(0), {}
    for tab in TABS[:4]:
        files_opened.clear()
        assert not opened(name, tab).exception
        read[tab] = set(files_opened)
    files = [*sorted(run.path.glob("*.csv")), run.path / "MODEL_CARD.md", *sorted(run.path.glob("figures/**/*.png"))]
    readers = {path: [tab for tab in read if str(path) in read[tab]] for path in files}
    assert any(readers.values())
    unread = [path for path in files if not readers[path]]
    for paths, tabs in [*(([path], tabs) for path, tabs in readers.items() if tabs), (unread, TABS[:4])]:
        whole = {path: path.read_bytes() for path in paths}
        for content in (b"", b"\xff\xfe\x00", "half", b'"', None):
            for path in paths:
                if content is None:
                    damage(path, dice)
                else:
                    path.write_bytes(whole[path][: len(whole[path]) // 2] if content == "half" else content)
            for tab in tabs:
                app = opened(name, tab)
                assert not app.exception, f"{paths}, {tab}, {content!r:.20}: {app.exception[0].value}"
        for path in paths:
            path.write_bytes(whole[path])


SAID = {
    "en": ["my.csv is read as CP949.", "my.csv is read with semicolons between the columns."],
    "ko": ["my.csv 파일을 CP949 인코딩으로 읽었습니다.", "my.csv 파일의 열을 나누는 문자는 세미콜론입니다."],
}


@pytest.mark.parametrize("language", SAID)
def test_a_page_says_how_a_file_was_read(language, capsys):
    """A command prints it. A visitor does not see the terminal of the server."""

    def script():
        from apps import shared
        from common.inputs.tables import read_table

        with shared.on_disk(("my.csv", "글;값\n한국어로 쓴 문장;1\n".encode("cp949"))) as path:
            read_table(path)

    app = AppTest.from_function(script)
    app.query_params["language"] = language
    app.run()
    app.run()
    assert not app.exception and [part.value for part in app.caption] == SAID[language], "again each time"
