"""What every page has: its tabs, the choice of a run, the score table, and small parts for the project's own tabs.

A page calls `page(name, try_it, data, inside)`. The three functions draw what only this project has. TensorFlow is
loaded when a predictor is first asked for, after the page has been painted. pandas is imported where a table is drawn,
because the gallery draws none.
"""

import gc
import importlib.util
import json
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from apps.i18n import language, language_switch, plain, t, term
from common import report, runs
from common.errors import UserError
from common.files import check_regular, files_in
from common.project import Project
from common.runs import Run

ROOT = Path(__file__).parents[1]
MAX_UPLOAD_MB = 50


def page(name: str, try_it: Callable[[Run], None], data: Callable[[Run], None], inside: Callable[[Run], None]) -> None:
    """Draw a project's page. The three functions draw a tab each, for the run that the visitor has chosen."""
    project = Project(name)
    card = project.card
    st.set_page_config(page_title=card.TITLE[language()], layout="wide")
    language_switch()
    st.title(plain(card.TITLE[language()]))
    st.caption(card.PROBLEM[language()])
    run = _pick_run(project)
    labels = {
        "try": t("Try it", "써 보기"),
        "data": t("Data", "데이터"),
        "results": t("Results", "결과"),
        "inside": t("Inside", "모델 속"),
    }
    if training := part("training"):
        labels["train"] = t("Train", "학습")
    # Only the open tab is drawn. The others would load and compute for nothing.
    tabs = dict(
        zip(labels, st.tabs(list(labels.values()), on_change="rerun", key=f"{name}-tab-{language()}"), strict=True)
    )
    drawings = {"try": try_it, "data": data, "results": _results, "inside": inside}
    for tab, draw in drawings.items():
        if tabs[tab].open:
            with tabs[tab], errors_shown():
                if run is None:
                    _no_run_yet(project)
                else:
                    check_regular(run.path)
                    draw(run)
    if training and tabs["train"].open:
        with tabs["train"], errors_shown():
            training.tab(project)


def part(name: str) -> Any:
    """The module `apps/<name>.py`; None where a fork has left it out."""
    return importlib.import_module(f"apps.{name}") if importlib.util.find_spec(f"apps.{name}") else None


@contextmanager
def errors_shown():
    """Show what a user can mend in a red box, and what is wrong with a file. Streamlit logs any other error and tells so."""
    try:
        yield
    except (UserError, OSError) as error:
        st.error(plain(error))


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


def picture_input(examples: list[dict[str, Any]], label: str, max_pixels: int) -> tuple[Any, str]:
    """The picture that the visitor has chosen: an example or an upload.

    Returns the picture, an array (height, width, 3) of uint8, and a name for what is made of it; (None, "") while nothing
    is uploaded. label: the label of the upload.
    """
    count = len(examples)
    number = st.selectbox(
        t("Picture", "사진"),
        range(count + 1),
        key="picture",
        format_func=lambda i: t("my own", "내 사진") if i == count else t(f"example {i + 1}", f"예시 {i + 1}"),
    )
    if number < count:
        return examples[number]["picture"], f"example-{number + 1}"
    return picture_upload(label, max_pixels)


def picture_upload(label: str, max_pixels: int, key: str | None = None) -> tuple[Any, str]:
    """An uploaded picture, an array (height, width, 3) of uint8, and its name without the ending; (None, "") before."""
    uploaded = st.file_uploader(
        label,
        type=["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"],
        max_upload_size=MAX_UPLOAD_MB,
        help=t(f"At most {max_pixels:,} pixels.", f"최대 {max_pixels:,}픽셀입니다."),
        key=key,
    )
    if uploaded is None:
        return None, ""
    return _fitting(uploaded.getvalue(), uploaded.name, max_pixels), uploaded.name.rpartition(".")[0]


def _fitting(content: bytes, name: str, max_pixels: int) -> Any:
    """The picture. One with too many pixels is shrunk if the visitor wants it; None before that."""
    from common.inputs.images import MAX_SHRUNK, picture_header, shrunk_picture

    width, height, _ = picture_header(content, MAX_SHRUNK, name)
    if width * height > max_pixels:
        st.warning(
            t(
                f"The picture has {width * height:,} pixels ({width} × {height}); at most {max_pixels:,} are taken.",
                f"사진이 {width * height:,}픽셀({width} × {height})입니다. 최대 {max_pixels:,}픽셀까지 쓸 수 있습니다.",
            )
        )
        if not st.toggle(t("Shrink it until it fits", "맞는 크기로 줄이기"), key="shrink"):
            return None
    return shrunk_picture(content, max_pixels, name)


def example_text(examples: Sequence[str], label: str, max_characters: int, key: str) -> str:
    """The text that the visitor has chosen: an example, which may be edited. label: the label of the field."""
    number = st.selectbox(
        t("Start from an example", "예시로 시작하기"),
        range(len(examples)),
        format_func=lambda i: f"{i + 1}: {examples[i][:80]}",
        key=f"{key}-example",
    )
    return st.text_area(label, examples[number], max_chars=max_characters, key=f"{key}-text-{number}", height=120)


def caution(run: Run, sentence: str) -> None:
    """A caution that the input may be of another kind than the training data, with how often it is right.

    sentence: what the caution is based on. The shares are those of caution.csv; see `report.caution_table`.
    """
    st.warning(sentence)
    shares = table_file(run, "caution", ("inputs",), ("count", "flagged"))
    parts = [
        f"{term(kind)} {float(share):.0%}" for kind, share in zip(shares["inputs"], shares["flagged"], strict=True)
    ]
    st.caption(t("Inputs that get this caution: ", "이 주의가 붙는 입력의 비율: ") + ", ".join(parts))


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
    place.image(path.read_bytes(), caption=plain(path.stem.replace("_", " ")), width="stretch")


def table(frame: Any) -> None:
    """Draw a pandas.DataFrame as wide as the page: headings in the page's language, numbers to four digits."""
    named = {column: " ".join(term(part) for part in str(column).split(" ")) for column in frame.columns}
    digits = st.column_config.NumberColumn(format="%.4g")
    formats = {named[column]: digits for column in frame.columns if frame[column].dtype.kind == "f"}
    st.dataframe(frame.rename(columns=named), hide_index=True, column_config=formats)


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
    return st.selectbox(t("Compare with", "비교할 실행"), others, format_func=lambda other: other.id)


def code(project: Project, file: str) -> None:
    """The source of one file of the project, such as `model`."""
    st.code((project.folder / f"{file}.py").read_text(encoding="utf-8"), language="python")


def drawing(model: Any) -> None:
    """A functional model as a table: a row for each layer, with its output shape and its number of parameters."""
    import pandas as pd
    from keras import tree

    columns = [t("layer", "층"), t("kind", "종류"), t("output shape", "출력 모양"), t("parameters", "파라미터")]
    rows = []
    for layer in model.layers:
        shapes = ", ".join(str(tuple(part.shape)) for part in tree.flatten(layer.output))
        rows.append([layer.name, type(layer).__name__, shapes, layer.count_params()])
    numbers = st.column_config.NumberColumn(format="localized")
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, column_config={columns[-1]: numbers})


def best_run(project: Project) -> dict[str, Any] | None:
    """The finished entry of `runs.list_runs` that the gallery shows: the best one, on the default data first; or None."""
    finished = [entry for entry in runs.list_runs(project, runs.runs_dir()) if entry["status"] == "finished"]
    return runs.best(project, runs.default_first(finished)) if finished else None


def verdict(word: str) -> str:
    """How the network is, as a report says it, in the page's language, with a sign; "" for anything else."""
    words = {
        "better": t("▲ better", "▲ 더 좋음"),
        "not distinguishable": t("= not distinguishable", "= 차이를 구별할 수 없음"),
        "worse": t("▼ worse", "▼ 더 나쁨"),
        "undefined": t("– undefined", "– 정의되지 않음"),
    }
    return words.get(word, "")


def compared(word: str, baseline: str) -> str:
    """A verdict of a report as a sentence that says who is better; "" where there is no verdict."""
    sentences = {
        "better": t(f"The network is better than {baseline}.", f"신경망이 기준 모델({baseline})보다 좋습니다."),
        "not distinguishable": t(
            f"The network and {baseline} cannot be told apart.",
            f"신경망과 기준 모델({baseline})의 차이를 구별할 수 없습니다.",
        ),
        "worse": t(f"The network is worse than {baseline}.", f"신경망이 기준 모델({baseline})보다 나쁩니다."),
    }
    return sentences.get(word, "")


def _pick_run(project: Project) -> Run | None:
    finished = [entry for entry in runs.list_runs(project, runs.runs_dir()) if entry["status"] == "finished"]
    if not finished:
        return None
    best = runs.best(project, finished)
    entries = {entry["run"].id: entry for entry in finished}
    chosen = st.sidebar.selectbox(
        t("Run", "실행"),
        list(entries),
        index=list(entries).index(best["run"].id),
        format_func=lambda name: ("★ " if entries[name] is best and best["complete"] else "") + name,
        help=t(
            "★ marks the best run by validation among those on the same data. A stopped run or the smallest setting has none.",
            "★는 같은 데이터로 학습한 실행 가운데 검증 점수가 가장 좋은 실행입니다. 중간에 멈춘 실행과 가장 작은 설정에는 붙지 않습니다.",
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


def _results(run: Run) -> None:
    import pandas as pd

    content = run.report
    test = content["test"]
    st.text(
        t(
            report.measured_on(content),
            f"테스트 데이터는 {content['data']['sizes']['test']:,}행이며, 서로 독립인 단위는 {test['units']:,}개({test['unit']})입니다. "
            + (
                "대괄호 안은 95 % 부트스트랩 신뢰구간입니다. "
                if test["comparison"]
                else "신뢰구간을 구하기에는 너무 적습니다. "
            )
            + f"지금까지 이 테스트 데이터로 {test['looks']}번 평가했습니다.",
        )
    )
    _, *body = report.rows(content)
    signs = {"max": "↑", "min": "↓"}
    scores = pd.DataFrame({t("model", "모델"): [term(name) for name in (content["model"], *test["baselines"])]})
    if test["comparison"]:
        scores[t("the network is", "신경망 판정")] = [verdict(row[-1]) for row in body]
    for column, (metric, direction) in enumerate(content["directions"].items(), start=1):
        scores[f"{term(metric)} {signs[direction]}"] = [row[column] for row in body]
    st.dataframe(scores, hide_index=True)
    st.caption(
        t(
            "↑ higher is better, ↓ lower is better",
            "↑는 클수록, ↓는 작을수록 좋은 값입니다. 그림 안의 글자는 명령줄과 같은 영어입니다.",
        )
    )
    _figures(run.path / "figures")
    if content["failures"]:
        st.subheader(t("Worst errors", "가장 크게 틀린 예측"))
        table(pd.DataFrame(content["failures"]))
    tool_results("compare", run.project)
    if (model_card := run.path / "MODEL_CARD.md").exists():
        st.download_button(
            t("Download the model card", "모델 카드 내려받기"),
            model_card.read_bytes(),
            f"{run.id}-MODEL_CARD.md",
        )


def _figures(folder: Path) -> None:
    """The pictures of a folder: the wide ones as wide as the page, then the others in two columns of similar height."""
    from PIL import Image

    sizes = {}
    for path in files_in(folder, "*.png"):
        with Image.open(path) as picture:
            sizes[path] = picture.size
    for path, (width, height) in sizes.items():
        if width > 2 * height:
            figure(st, path)
    columns, filled = st.columns(2), [0.0, 0.0]
    for path, (width, height) in sizes.items():
        if width <= 2 * height:
            shorter = filled.index(min(filled))
            figure(columns[shorter], path)
            filled[shorter] += height / width + 0.05  # the picture and its caption, in widths of a column


def latest(project: Project, pattern: str) -> Path | None:
    """The file that a tool has written last for this project; pattern: below the project's runs. None where there is none."""
    files = (runs.runs_dir() / project.name).glob(pattern)
    file = max(files, key=lambda file: file.stat().st_mtime, default=None)
    if file is not None:
        check_regular(file.parent)
    return file


def tool_results(tool: str, project: Project) -> None:
    """Draw what a tool has written last for this project, by `apps/<tool>_results.py`."""
    if results := part(f"{tool}_results"):
        results.draw(project)
