"""What every page has: its tabs, the choice of a run, the score table, and small parts for the project's own tabs.

A page calls `page(name, try_it, data, inside)`. The three functions draw what only this project has. TensorFlow is
loaded when a predictor is first asked for, after the page has been painted. pandas is imported where a table is drawn,
because the gallery draws none.
"""

import gc
import importlib
import importlib.util
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from apps import state
from apps.i18n import about, korean, language, language_switch, plain, t, term
from common import report, runs
from common.errors import UserError, as_user_error
from common.files import check_regular, files_in
from common.inputs.encodings import NOTES
from common.project import Project
from common.runs import Run

ROOT = Path(__file__).parents[1]
MAX_UPLOAD_MB = 50
MAX_SHOWN = 240  # pixels of a side of the upload that a page shows
MAX_TRIES = 50  # tries of a visitor that a page remembers
SHADE = 0.45  # how opaque a colour behind a text is at most: the text can be read on it in both themes
WORDS, LABELS = ("error", "kind", "file"), ("truth", "answer", "label", "page")  # texts of ours, and names in the data


def labels(run: Run) -> Callable[[str], str]:
    """What a class of the data is called: in the page's language if the data is the project's, as it is if a user's own."""
    return str if Path(run.data).is_absolute() else korean


def page(
    name: str,
    try_it: Callable[[Run], None],
    data: Callable[[Run], None],
    inside: Callable[[Run], None],
    named: Callable[[str], str] = str,
    called: Callable[[Run], Callable[[str], str]] = labels,
) -> None:
    """Draw a project's page. The three functions draw a tab each, for the run that the visitor has chosen.

    named: a column of the data as people say it. called: a class of it, or a text that consists of classes.
    """
    project = Project(name)
    card = project.card
    st.set_page_config(page_title=card.TITLE[language()], layout="wide")
    state.enter(name, st.session_state.get("run", ""))
    language_switch()
    st.title(plain(card.TITLE[language()]))
    st.write(card.PROBLEM[language()])
    run = None
    with errors_shown():
        run = _pick_run(project)
    state.shows(run.id if run else "")

    def shown(draw: Callable[[Run], None]) -> None:
        if run is None:
            _no_run_yet(project)
        else:
            check_regular(run.path)
            draw(run)

    drawings = {
        "try": (t("Try it", "써 보기"), lambda: shown(try_it)),
        "data": (t("Data", "데이터"), lambda: shown(data)),
        "results": (t("Results", "결과"), lambda: shown(lambda run: _results(run, named, called(run)))),
        "inside": (t("Inside", "모델 속"), lambda: shown(inside)),
    }
    if training := part("training"):
        drawings["train"] = (t("Train", "학습"), lambda: training.tab(project))
    parts("tab", drawings)
    state.leave()


def part(name: str) -> Any:
    """The module `apps/<name>.py`; None where a fork has left it out."""
    return importlib.import_module(f"apps.{name}") if importlib.util.find_spec(f"apps.{name}") else None


def parts(key: str, drawings: dict[str, tuple[str, Callable[[], None]]]) -> None:
    """Tabs: {name: (label, function that draws it)}. Only the open one is drawn: the others would compute for nothing."""
    tabs = state.tabs(key, {name: label for name, (label, _) in drawings.items()})
    for name, (_, draw) in drawings.items():
        if tabs[name].open:
            with tabs[name], errors_shown():
                draw()


@contextmanager
def errors_shown():
    """Show what a user can mend in a red box, and what is wrong with a file. Streamlit logs any other error and tells so."""
    try:
        yield
    except (UserError, OSError) as error:
        st.error(plain(korean(as_user_error(error) or error)))


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(path: str, modified: float) -> Any:
    from common.cli import start_keras

    start_keras()
    predictor = Run(Path(path)).load()
    freeze()
    return predictor


def freeze() -> None:
    """Spare TensorFlow's many objects the collection of garbage that Streamlit makes after every click: 0.25 s each time."""
    gc.collect()
    gc.freeze()


def predictor(run: Run) -> Any:
    """The run's Predictor, loaded once for all visitors."""
    with st.spinner(t("Loading the model …", "모델을 불러오는 중 …")):
        return _load(str(run.path), (run.path / "report.json").stat().st_mtime)


def picture_input(
    examples: Sequence[dict[str, Any]], key: str, label: str, max_pixels: int, draw: Callable | None = None
) -> tuple[Any, str]:
    """The picture that the visitor has chosen: an example, an upload, a photo of the camera, or what `draw()` returns.

    Returns the picture, an array (height, width, 3) of uint8, and a name for what is made of it; (None, "") while there
    is none. label: the label of the upload.
    """
    from apps import canvas

    ways = {
        "example": t("an example", "예시"),
        **({"draw": t("draw", "그리기")} if draw else {}),
        "upload": t("my own", "내 사진"),
        "camera": t("camera", "카메라"),
    }
    way = state.choice(t("Picture", "사진"), f"{key}-way", ways)
    if way == "example":
        labels = [t(f"example {i + 1}", f"예시 {i + 1}") for i in range(len(examples))]
        number = canvas.thumbnails([example["picture"] for example in examples], labels, f"{key}-example")
        return examples[number]["picture"], f"example-{number + 1}"
    if way == "draw" and draw:
        return draw(), "drawing"
    if way == "camera":
        return _picture(state.camera(t("Take a photo", "사진 찍기"), f"{key}-camera"), max_pixels)
    return picture_upload(label, max_pixels, f"{key}-upload")


def picture_upload(label: str, max_pixels: int, key: str) -> tuple[Any, str]:
    """An uploaded picture, an array (height, width, 3) of uint8, and its name without the ending; (None, "") before."""
    kinds = ["png", "jpg", "jpeg", "jfif", "webp", "bmp", "tif", "tiff", "gif"]
    help = t(f"At most {max_pixels:,} pixels.", f"최대 {max_pixels:,}픽셀입니다.")
    return _picture(state.upload(label, kinds, key, MAX_UPLOAD_MB, help), max_pixels)


def _picture(file: tuple[str, bytes] | None, max_pixels: int) -> tuple[Any, str]:
    """The picture of a file, shown, and its name. One with too many pixels is shrunk if the visitor wants it."""
    if file is None:
        return None, ""
    from common.inputs.images import MAX_SHRUNK, picture_header, shrunk_picture

    name, content = file
    width, height, _ = picture_header(content, MAX_SHRUNK, name)
    if width * height > max_pixels:
        st.warning(
            t(
                f"The picture has {width * height:,} pixels ({width} × {height}); at most {max_pixels:,} are taken.",
                f"사진이 {width * height:,}픽셀({width} × {height})입니다. 최대 {max_pixels:,}픽셀까지 쓸 수 있습니다.",
            )
        )
        if not st.toggle(t("Shrink it until it fits", "맞는 크기로 줄이기"), key=state.kept("shrink", False)):
            return None, ""
    picture = shrunk_picture(content, max_pixels, name)
    step = max(1, max(picture.shape[:2]) // MAX_SHOWN)
    st.image(picture[::step, ::step], caption=plain(name))
    return picture, name.rpartition(".")[0]


def numbered_example(examples: Sequence[Any]) -> Any:
    """The example whose number the visitor has chosen."""
    return examples[state.choice(t("Example", "예시"), "example", {i: str(i + 1) for i in range(len(examples))})]


def example_text(examples: Sequence[str], label: str, max_characters: int, key: str, button: str = "") -> str:
    """The text that the visitor has typed. Chips put an example into the field. label: of the field; button: beside it."""
    text_key, chip = state.kept(key, examples[0]), f"{key}-chip"

    def put() -> None:
        if (number := st.session_state[chip]) is not None:
            st.session_state[text_key], st.session_state[chip] = examples[number], None

    left, right = st.columns([6, 1], vertical_alignment="bottom")
    text = left.text_area(label, max_chars=max_characters, key=text_key, height=110)
    right.button(button or t("Answer", "답 보기"), type="primary", key=f"{key}-go", width="stretch")
    st.pills(
        t("Examples", "예시"),
        range(len(examples)),
        format_func=lambda i: plain(_short(examples[i])),
        key=chip,
        on_change=put,
        label_visibility="collapsed",
    )
    return text


def _short(text: str, most: int = 48) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def tries(tried: dict[str, str], file: str) -> None:
    """Remember what this visitor has tried on this page and what came out: a folded table, and a file to download."""
    import pandas as pd

    past = state.memory().setdefault("tries", [])
    if tried not in past:
        past.insert(0, tried)
        del past[MAX_TRIES:]
    rows = pd.DataFrame(past)
    with st.expander(t(f"What you have tried ({len(past)})", f"지금까지 써 본 것 ({len(past)})")):
        table(rows)
        label = t("Download as CSV", "CSV로 내려받기")
        st.download_button(label, rows.to_csv(index=False), f"{file}.csv", "text/csv", key=f"tries-{file}")


def caution(run: Run, sentence: str) -> None:
    """A caution that the input may be of another kind than the training data, with how often it is right.

    sentence: what the caution is based on. The shares are those of caution.csv; see `report.caution_table`.
    """
    st.warning(sentence)
    shares = table_file(run, "caution", ("inputs",), ("count", "flagged"))
    pairs = zip(shares["inputs"], shares["flagged"], strict=True)
    parts = ", ".join(f"{term(kind)} {float(share):.0%}" for kind, share in pairs)
    st.caption(t("Inputs that get this caution: ", "이 주의가 붙는 입력의 비율: ") + parts)


def show_answer(answer: dict[str, Any]) -> None:
    """The answer exactly as `predict` returned it, as JSON that a visitor can unfold; see `report.plain`."""
    with st.expander(t("The answer as data", "결과를 데이터로 보기")):
        st.json(json.dumps(report.plain(answer), ensure_ascii=False))


def table_file(run: Run, name: str, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> Any:
    """A table (pandas.DataFrame) of a run folder, with these columns. Texts are read as they are: 007 is not 7."""
    import pandas as pd

    path = run.path / f"{name}.csv"
    if not path.exists():
        raise UserError(t(f"The run has no {name}.csv.", f"이 실행에는 {name}.csv가 없습니다."))
    try:
        table = pd.read_csv(path, converters=dict.fromkeys(texts, str)).fillna(dict.fromkeys(texts, ""))
        table[[*texts, *numbers]][[*numbers]].apply(pd.to_numeric)
    except (ValueError, KeyError, TypeError) as error:  # what pandas raises for columns and bytes that are wrong
        raise UserError(f"{path} is damaged: {error}.") from None
    return table


def figure(place: Any, path: Path) -> None:
    """Draw a picture file, with its name, as wide as `place`, the page or a column."""
    place.image(path.read_bytes(), caption=plain(about(path.stem, "figures") or term(path.stem)), width="stretch")


def table(frame: Any) -> None:
    """Draw a pandas.DataFrame as wide as the page: headings in the page's language, numbers to four digits."""
    named = {column: " ".join(term(part) for part in str(column).split(" ")) for column in frame.columns}
    digits = st.column_config.NumberColumn(format="%.4g")
    formats = {named[column]: digits for column in frame.columns if frame[column].dtype.kind == "f"}
    st.dataframe(frame.rename(columns=named), hide_index=True, column_config=formats)


def converted(file: tuple[str, bytes], ending: str, doing: str, convert: Callable) -> tuple[Any, bytes]:
    """What `convert(source, target)` returns for an uploaded file, and the target's content. doing: said meanwhile."""
    with on_disk(file) as source, st.spinner(doing):
        target = source.parent / "result" / f"result{ending}"
        target.parent.mkdir()
        return convert(source, target), target.read_bytes()


@contextmanager
def on_disk(file: tuple[str, bytes]) -> Iterator[Path]:
    """The path of an uploaded file (name, content) while the block runs; then the page says how it was read.

    Messages name it without the server's folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(file[0]).name  # the last part of a name alone, so that it cannot lead elsewhere
        path.write_bytes(file[1])
        outside = NOTES.set([])
        try:
            yield path
        except UserError as error:
            raise UserError(str(error).replace(str(path).removesuffix(path.name), "")) from None
        finally:
            for note in NOTES.get():
                st.caption(plain(korean(note)))
            NOTES.reset(outside)


def tooltip(*columns: str, **titles: str) -> list[Any]:
    """What stands beside the pointer: columns of a chart, each with its format after a space; titles: of some of them."""
    import altair as alt

    fields = [column.partition(" ")[::2] for column in columns]
    names = [field.partition(":")[0] for field, _ in fields]
    named = [titles.get(name) or about(name, "columns") or term(name) for name in names]
    return [alt.Tooltip(a, title=b, format=c or alt.Undefined) for (a, c), b in zip(fields, named, strict=True)]


def ink() -> str:
    """The colour of text in the page's theme."""
    return st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor")


def second_run(run: Run) -> Run | None:
    """Another finished run on the same data, chosen by the visitor. Where there is none: None, and the page says so."""
    others = [
        entry["run"]
        for entry in runs.list_runs(run.project, runs.runs_dir())
        if entry["status"] == "finished" and entry["data"] == run.data and entry["run"].id != run.id
    ]
    if not others:
        st.info(
            t(
                "This needs a second finished run on the same data. Train another model.",
                "같은 데이터로 학습을 마친 실행이 하나 더 필요합니다. 다른 모델을 학습해 보세요.",
            )
        )
        return None
    names = {other.id: other for other in others}
    key = state.kept("second", others[0].id, names)
    return names[st.selectbox(t("Compare with", "비교할 실행"), list(names), key=key)]


def data_head(run: Run) -> None:
    """Where the data comes from, and how many rows each split has."""
    content = run.report["data"]
    st.text(korean(content["source"]))
    for column, (name, size) in zip(st.columns(3), content["sizes"].items(), strict=True):
        column.metric(term(name), f"{size:,}", border=True)


def code(project: Project, file: str = "model") -> None:
    """The source of one file of the project, folded."""
    with st.expander(t("The code that builds it", "모델을 만드는 코드")):
        st.code((project.folder / f"{file}.py").read_text(encoding="utf-8"), language="python")


def drawing(model: Any) -> None:
    """A functional model: a row for each layer, with its output shape and its number of parameters; beside it a diagram."""
    import pandas as pd
    from keras import tree

    right = st.container()
    if charts := part("charts"):
        left, right = st.columns([2, 3])
        with left.container(height=420, border=True):
            st.graphviz_chart(charts.diagram(model), width="content")
    columns = [t("layer", "층"), t("kind", "종류"), t("output shape", "출력 모양"), t("parameters", "파라미터")]
    rows = []
    for layer in model.layers:
        shapes = ", ".join(str(tuple(part.shape)) for part in tree.flatten(layer.output))
        rows.append([layer.name, type(layer).__name__, shapes, layer.count_params()])
    numbers = st.column_config.NumberColumn(format="localized")
    right.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, column_config={columns[-1]: numbers})


def best_run(project: Project) -> dict[str, Any] | None:
    """The finished entry of `runs.list_runs` that the gallery shows: the best one, on the default data first; or None."""
    finished = [entry for entry in runs.list_runs(project, runs.runs_dir()) if entry["status"] == "finished"]
    return runs.best(project, runs.default_first(finished)) if finished else None


def verdict(word: str) -> str:
    """How the network is, as a report says it, in the page's language, with a sign; "" for anything else."""
    signs = {"better": "▲", "not distinguishable": "=", "worse": "▼", "undefined": "–"}
    return f"{signs[word]} {korean(word)}" if word in signs else ""


def compared(word: str, baseline: str) -> str:
    """A verdict of a report as a sentence that says who is better; "" where there is no verdict."""
    sentences = {
        "better": f"The network is better than {baseline}.",
        "not distinguishable": f"The network and {baseline} cannot be told apart.",
        "worse": f"The network is worse than {baseline}.",
    }
    return korean(sentences.get(word, ""))


def _pick_run(project: Project) -> Run | None:
    finished = [entry for entry in runs.list_runs(project, runs.runs_dir()) if entry["status"] == "finished"]
    if not finished:
        return None
    best = runs.best(project, runs.default_first(finished))  # as the gallery
    entries = {entry["run"].id: entry for entry in finished}
    chosen = st.sidebar.selectbox(
        t("Run", "실행"),
        list(entries),
        key=state.kept("run", best["run"].id, entries),
        format_func=lambda name: ("★ " if entries[name] is best and best["complete"] else "") + name,
        help=t(
            "★ marks the best run by validation on the built-in data, or else on the data of the latest run. A stopped run or the smallest setting has none.",
            "★는 내장 데이터로 학습한 실행 가운데 검증 점수가 가장 좋은 실행입니다. 그런 실행이 없으면 최근 실행과 같은 데이터에서 고릅니다. 중간에 멈춘 실행과 가장 작은 설정에는 붙지 않습니다.",
        ),
    )
    data = entries[chosen]["data"]
    metric = project.metric(data)[0]
    value, data = report.number(entries[chosen]["report"]["validation"][metric]), Path(data).name
    st.sidebar.caption(t("validation ", "검증 ") + plain(f"{term(metric)} {value} · {data}"))
    return entries[chosen]["run"]


def _no_run_yet(project: Project) -> None:
    st.info(
        t(
            "No model has been trained yet. The default trains on built-in data in a few minutes and needs no network.",
            "아직 학습한 모델이 없습니다. 기본 설정은 내장 데이터로 몇 분이면 학습이 끝나며, 인터넷 연결이 필요 없습니다.",
        )
    )
    st.code(f"python -m projects.{project.name}.train", language="bash")
    if training := part("training"):
        training.offer(project)


def _results(run: Run, named: Callable[[str], str], called: Callable[[str], str]) -> None:
    """The tab. named, called: see `page`."""
    import pandas as pd

    content = run.report
    st.text(korean(report.measured_on(content)))
    _scores(content)
    figures(run.path / "figures", ("samples", "errors"), (), called)  # pages show these two in other tabs
    if content["failures"]:
        st.subheader(t("Worst errors", "가장 크게 틀린 예측"))
        failures = pd.DataFrame(content["failures"])
        for column in failures.columns.intersection([*WORDS, *LABELS]):
            said = korean if column in WORDS else called
            failures[column] = [said(cell) if isinstance(cell, str) else cell for cell in failures[column]]
        table(failures.rename(columns=named))
    tool_results("compare", run.project)
    if (model_card := run.path / "MODEL_CARD.md").exists():
        label = t("Download the model card", "모델 카드 내려받기")
        st.download_button(label, model_card.read_bytes(), f"{run.id}-MODEL_CARD.md")


def _scores(content: dict[str, Any]) -> None:
    """The score table: the network first, then the baselines. Each heading says what its metric is when one points at it."""
    import pandas as pd

    test, signs = content["test"], {"max": "↑", "min": "↓"}
    _, *body = report.rows(content)
    scores = pd.DataFrame({t("model", "모델"): [term(name) for name in (content["model"], *test["baselines"])]})
    help = {}
    for column, (metric, direction) in enumerate(content["directions"].items(), start=1):
        heading = f"{term(metric)} {signs[direction]}"
        scores[heading] = [row[column] for row in body]
        help[heading] = st.column_config.TextColumn(help=about(metric) or None)
        if column == 1 and test["comparison"]:  # the verdict is on METRIC; a phone shows these columns alone
            scores[t("the network is", "신경망 판정")] = [verdict(row[-1]) for row in body]
    st.dataframe(scores, hide_index=True, column_config=help)
    st.caption(t("↑ higher is better, ↓ lower is better", "↑는 클수록, ↓는 작을수록 좋은 값입니다."))


def figures(folder: Path, without: Sequence[str] = (), only: Sequence[str] = (), called: Callable = korean) -> None:
    """The figures of a folder: drawn by `apps/charts.py`, the others as pictures, wide ones first. called: see `page`."""
    from PIL import Image

    names = [path.stem for path in files_in(folder, "*.png") if path.stem not in without]
    names = [name for name in names if not only or name in only]
    if charts := part("charts"):
        names = charts.draw(folder, names, called)
    wide = {}
    for name in names:
        with Image.open(folder / f"{name}.png") as picture:
            wide[name] = picture.width > 2 * picture.height
    narrow = [name for name in names if not wide[name]]
    for row in [*([name] for name in names if wide[name]), *(narrow[i : i + 2] for i in range(0, len(narrow), 2))]:
        for place, name in zip(st.columns(1 if wide[row[0]] else 2), row, strict=False):
            figure(place, folder / f"{name}.png")
            place.caption(about(name))


def last_output(project: Project, pattern: str) -> Path | None:
    """The file that a tool has written last for this project; pattern: below the project's runs. None where there is none."""
    file = max((runs.runs_dir() / project.name).glob(pattern), key=lambda file: file.stat().st_mtime, default=None)
    if file is not None:
        check_regular(file.parent)
    return file


def tool_results(tool: str, project: Project) -> None:
    """Draw what a tool has written last for this project, by `apps/<tool>_results.py`."""
    if results := part(f"{tool}_results"):
        results.draw(project)
