"""What every page has: its five rooms, the run picker, the score table, and training in a process of its own.

A page calls `page(name, try_it, data, inside)` with three functions that draw what only this project has. TensorFlow is
loaded when a predictor is first asked for, after the page has been painted; pandas where a table is drawn, so that the
gallery does without.
"""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from apps.i18n import language, language_switch, t, term
from common import config as config_module
from common import report, runs
from common.errors import UserError
from common.files import read_json
from common.project import Project
from common.runs import Run

ROOT = Path(__file__).parents[1]
MAX_UPLOAD_MB = 50


def page(name: str, try_it: Callable[[Run], None], data: Callable[[Run], None], inside: Callable[[Run], None]) -> None:
    """Draw a project's page. The three functions are called with the run chosen at the side."""
    project = Project(name)
    card = project.card
    st.set_page_config(page_title=card.TITLE[language()], layout="wide")
    language_switch()
    st.title(card.TITLE[language()])
    st.caption(card.PROBLEM[language()])
    run = _pick_run(project)
    rooms = {
        "try": t("Try it", "써 보기"),
        "data": t("Data", "데이터"),
        "results": t("Results", "결과"),
        "inside": t("Inside", "모델 속"),
        "train": t("Train", "학습"),
    }
    # Only the open tab is drawn: the others would load and compute for nothing.
    tabs = dict(
        zip(rooms, st.tabs(list(rooms.values()), on_change="rerun", key=f"{name}-tab-{language()}"), strict=True)
    )
    drawings = {"try": try_it, "data": data, "results": _results, "inside": inside}
    for room, draw in drawings.items():
        if tabs[room].open:
            with tabs[room], errors_shown():
                if run is None:
                    _no_run_yet(project)
                else:
                    draw(run)
    if tabs["train"].open:
        with tabs["train"], errors_shown():
            _train(project)


@contextmanager
def errors_shown():
    """What the user can mend is said in a red box; anything else is Streamlit's to log."""
    try:
        yield
    except UserError as error:
        st.error(str(error))


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(path: str, modified: float) -> Any:
    from common.cli import start_keras

    start_keras()
    predictor = Run(Path(path)).load()
    # Streamlit collects garbage after every click. TensorFlow's hundred thousands of objects stay for good: frozen, they
    # are not walked through each time, which took a quarter of a second.
    gc.collect()
    gc.freeze()
    return predictor


def predictor(run: Run) -> Any:
    """The run's Predictor, loaded once for all visitors."""
    with st.spinner(t("Loading the model …", "모델을 불러오는 중 …")):
        return _load(str(run.path), (run.path / "report.json").stat().st_mtime)


def picture_input(examples: list[dict[str, Any]], label: str, max_pixels: int) -> tuple[Any, str]:
    """The picture that the visitor has chosen, an example's or an upload, and a name for what is made of it.

    (array (height, width, 3) uint8, name); (None, "") while nothing is uploaded. label: what the upload is called.
    """
    own = len(examples)
    number = st.selectbox(
        t("Picture", "사진"),
        range(own + 1),
        key="picture",
        format_func=lambda i: t("my own", "내 사진") if i == own else t(f"example {i + 1}", f"예시 {i + 1}"),
    )
    if number < own:
        return examples[number]["picture"], f"example-{number + 1}"
    return picture_upload(label, max_pixels)


def picture_upload(label: str, max_pixels: int, key: str | None = None) -> tuple[Any, str]:
    """An uploaded picture (height, width, 3) uint8 and its name without the ending; (None, "") while there is none."""
    uploaded = st.file_uploader(
        label,
        type=["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"],
        max_upload_size=MAX_UPLOAD_MB,
        help=t(f"At most {max_pixels:,} pixels.", f"최대 {max_pixels:,} 픽셀."),
        key=key,
    )
    if uploaded is None:
        return None, ""
    from common.inputs.images import read_picture

    return read_picture(uploaded.getvalue(), max_pixels, uploaded.name), uploaded.name.rpartition(".")[0]


def show_answer(answer: dict[str, Any]) -> None:
    """The answer exactly as `predict` returned it, folded away under what the page draws of it; see `report.plain`."""
    with st.expander(t("The answer as data", "답을 데이터로 보기")):
        st.json(json.dumps(report.plain(answer), ensure_ascii=False))


def table_file(run: Run, name: str) -> Any:
    """A table (pandas.DataFrame) that `evaluate` left in the run folder."""
    import pandas as pd

    path = run.path / f"{name}.csv"
    if not path.exists():
        raise UserError(t(f"The run has no {name}.csv.", f"이 실행에는 {name}.csv가 없습니다."))
    return pd.read_csv(path)


def table(frame: Any) -> None:
    """A table (pandas.DataFrame) as wide as the page: headings in the reader's words, numbers to four digits."""
    named = {column: " ".join(term(part) for part in str(column).split(" ")) for column in frame.columns}
    numbers = [named[column] for column in frame.columns if frame[column].dtype.kind == "f"]
    st.dataframe(
        frame.rename(columns=named),
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="%.4g") for name in numbers},
    )


def second_run(run: Run) -> Run | None:
    """Another finished run on the same data, chosen by the visitor; None, and a sentence, where there is none."""
    others = [
        entry["run"]
        for entry in runs.list_runs(run.project, runs.runs_dir())
        if entry["status"] == "finished" and entry["data"] == run.data and entry["run"].id != run.id
    ]
    if not others:
        st.info(
            t(
                "A second finished run on the same data is needed: train another model in the tab Train.",
                "같은 데이터로 학습한 두 번째 모델이 필요합니다. 학습 탭에서 다른 모델을 학습하세요.",
            )
        )
        return None
    return st.selectbox(t("Compare with", "비교할 실행"), others, format_func=lambda other: other.id)


def code(project: Project, room: str) -> None:
    """The project's own source of one room, such as the code that builds the model."""
    st.code((project.folder / f"{room}.py").read_text(encoding="utf-8"), language="python")


def drawing(model: Any) -> None:
    """A functional model as a table: one row a layer, with its output shape and its number of parameters."""
    import pandas as pd
    from keras import tree

    st.dataframe(
        pd.DataFrame(
            {
                t("layer", "층"): layer.name,
                t("kind", "종류"): type(layer).__name__,
                t("output shape", "출력 모양"): ", ".join(
                    str(tuple(part.shape)) for part in tree.flatten(layer.output)
                ),
                t("parameters", "파라미터"): layer.count_params(),
            }
            for layer in model.layers
        ),
        hide_index=True,
        column_config={t("parameters", "파라미터"): st.column_config.NumberColumn(format="localized")},
    )


def best_run(project: Project, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The best finished entry of `runs.list_runs` by validation, among those on the data of the latest; None: no run."""
    finished = [entry for entry in entries if entry["status"] == "finished"]
    return runs.best(project, [e for e in finished if e["data"] == finished[0]["data"]]) if finished else None


def verdict(found: str) -> str:
    """How the network does beside a baseline: a sign and a word; nothing where none was given."""
    words = {
        "better": t("▲ better", "▲ 더 낫다"),
        "not distinguishable": t("= not distinguishable", "= 구별되지 않는다"),
        "worse": t("▼ worse", "▼ 더 못하다"),
        "undefined": t("– undefined", "– 정의되지 않음"),
    }
    return words.get(found, "")


def _pick_run(project: Project) -> Run | None:
    finished = [entry for entry in runs.list_runs(project, runs.runs_dir()) if entry["status"] == "finished"]
    best = best_run(project, finished)
    if best is None:
        return None
    metric = project.card.METRIC[0]
    entries = {entry["run"].id: entry for entry in finished}
    chosen = st.sidebar.selectbox(
        t("Run", "실행"),
        list(entries),
        index=list(entries).index(best["run"].id),
        format_func=lambda name: ("★ " if entries[name] is best else "") + name,
        help=t("★ is the best by validation.", "★는 검증 기준으로 가장 좋은 실행입니다."),
    )
    value, data = report.number(entries[chosen]["report"]["validation"][metric]), Path(entries[chosen]["data"]).name
    st.sidebar.caption(t(f"validation {term(metric)} {value} · {data}", f"검증 {term(metric)} {value} · {data}"))
    return entries[chosen]["run"]


def _no_run_yet(project: Project) -> None:
    st.info(
        t(
            "Nothing has been trained yet. The default trains on built-in data in a few minutes, without a network.",
            "아직 학습한 모델이 없습니다. 기본 설정은 내장 데이터로 몇 분 안에, 네트워크 없이 학습합니다.",
        )
    )
    training = _in_progress(project)
    if training:
        st.write(t("A training is running: see the tab Train.", "학습이 진행 중입니다. 학습 탭을 보세요."))
    elif st.button(t("Train the default", "기본 모델 학습하기"), type="primary", key="train-default"):
        launch(runs.start(project, project.config_class(), "builtin", runs.data_dir(), runs.runs_dir()))
        st.success(t("Training has started: see the tab Train.", "학습을 시작했습니다. 학습 탭을 보세요."))


def _results(run: Run) -> None:
    import pandas as pd

    content = run.report
    test = content["test"]
    st.write(
        t(
            report.measured_on(content),
            f"테스트 데이터 {content['data']['sizes']['test']:,}행, 독립 단위 {test['units']:,}개({test['unit']})"
            + ("를 다시 뽑은 95 % 부트스트랩 구간. " if test["comparison"] else ": 구간을 말하기에는 너무 적습니다. ")
            + f"이 테스트 데이터를 {test['looks']}번 보았습니다.",
        )
    )
    _, *body = report.rows(content)
    signs = {"max": "↑", "min": "↓"}
    scores = pd.DataFrame({t("model", "모델"): [term(name) for name in (content["model"], *test["baselines"])]})
    if test["comparison"]:
        scores[t("the network is", "신경망이")] = [verdict(row[-1]) for row in body]
    for column, (metric, way) in enumerate(content["directions"].items(), start=1):
        scores[f"{term(metric)} {signs[way]}"] = [row[column] for row in body]
    st.dataframe(scores, hide_index=True)
    st.caption(
        t(
            "↑ higher is better, ↓ lower is better",
            "↑ 클수록, ↓ 작을수록 좋은 값입니다. 그림 속 글은 명령줄과 같은 영어입니다.",
        )
    )
    _figures(run.path / "figures")
    if content["failures"]:
        st.subheader(t("Worst errors", "가장 크게 틀린 예"))
        table(pd.DataFrame(content["failures"]))
    _comparison(run.project)
    if (model_card := run.path / "MODEL_CARD.md").exists():
        st.download_button(
            t("Download the model card", "모델 카드 내려받기"),
            model_card.read_text(encoding="utf-8"),
            f"{run.id}-MODEL_CARD.md",
        )


def _figures(folder: Path) -> None:
    """The pictures of a folder: the wide ones over the whole page, then the others in two columns of like height."""
    from PIL import Image

    sizes = {}
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            sizes[path] = picture.size
    for path, (width, height) in sizes.items():
        if width > 2 * height:
            st.image(str(path), caption=path.stem.replace("_", " "), width="stretch")
    columns, filled = st.columns(2), [0.0, 0.0]
    for path, (width, height) in sizes.items():
        if width <= 2 * height:
            shorter = filled.index(min(filled))
            columns[shorter].image(str(path), caption=path.stem.replace("_", " "), width="stretch")
            filled[shorter] += height / width + 0.05


def _latest(project: Project, pattern: str) -> Path | None:
    """The newest of the files that match, under the project's folder of runs."""
    files = (runs.runs_dir() / project.name).glob(pattern)
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def _comparison(project: Project) -> None:
    """What `python -m projects compare` wrote last, if it has been run."""
    import pandas as pd

    file = _latest(project, "comparisons/*/comparison.json")
    if file is None:
        return
    content = read_json(file)
    st.subheader(t("The models side by side", "모델 비교"))
    st.caption(
        t(
            content["described"],
            f"검증 {content['metric']} 순서. 시드 {len(content['seeds'])}개의 평균, 시드별 95 % 구간의 바깥 끝, 시드 사이의 표준편차. "
            "판정은 시드마다 같은 테스트 데이터에서 짝지어 비교한 것이며, 모든 시드가 같을 때만 말합니다.",
        )
    )
    metric, first = term(content["metric"]), term(content["first"])
    headings = [
        t("model", "모델"),
        t(f"validation {metric}", f"검증 {metric}"),
        t(f"test {metric}", f"테스트 {metric}"),
        t("± seeds", "± 시드"),
        t("parameters", "파라미터"),
        t("training s", "학습(초)"),
        t(f"{first} is", f"{first}이(가)"),
    ]
    _, *body = content["rows"]
    models = [term(row["model"]) for row in content["table"]]
    lines = [[name, *row[1:-1], verdict(row[-1]) or row[-1]] for name, row in zip(models, body, strict=True)]
    st.dataframe(pd.DataFrame(lines, columns=headings), hide_index=True)
    st.image(str(file.with_name("comparison.png")), width="stretch")


def _search(project: Project) -> None:
    """What `python -m projects search` found last, if it has been run."""
    import pandas as pd

    file = _latest(project, "searches/*/trials.csv")
    if file is None:
        return
    with st.expander(t(f"The latest search: {file.parent.name}", f"최근 탐색: {file.parent.name}")):
        name, way = project.card.METRIC
        trials = pd.read_csv(file).sort_values(["state", name], ascending=[True, way == "min"])
        table(trials.drop(columns=["run"]).dropna(axis="columns", how="all"))
        figures = {path.stem: str(path) for path in (file.parent / "figures").glob("*.png")}
        if "parallel_coordinates" in figures:
            st.image(figures.pop("parallel_coordinates"), width="stretch")
        for column, name in zip(st.columns(2), sorted(figures), strict=False):
            column.image(figures[name], caption=name.replace("_", " "), width="stretch")


# Training runs in a process of its own, so that a closed page does not end it and a stop needs no signal.


@st.cache_resource
def _processes() -> dict[str, subprocess.Popen]:
    """The trainings that this server started, by run folder."""
    return {}


def launch(run: Run) -> None:
    """Start (or go on with) a run in a process of its own."""
    with _console(run).open("w", encoding="utf-8") as console:
        _processes()[str(run.path)] = subprocess.Popen(
            [sys.executable, "-m", f"projects.{run.project.name}.train"]
            + ["--resume", run.id]
            + ["--runs-dir", str(run.path.parents[1].resolve())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )


def _console(run: Run) -> Path:
    """What the process prints: beside the run folder, which the process removes when its data cannot be used."""
    return run.path.with_name(f"{run.id}.console.txt")


def _in_progress(project: Project) -> Run | None:
    for path, process in _processes().items():
        run = Run(Path(path))
        if process.poll() is None and run.path.parent.name == project.name:
            return run
    return None


def _train(project: Project) -> None:
    training = _in_progress(project)
    if training:
        _follow(training)
        return
    last = st.session_state.get(f"{project.name}-followed")
    if last:
        _outcome(Run(Path(last)))
    unfinished = [entry["run"] for entry in runs.list_runs(project, runs.runs_dir()) if entry["status"] == "unfinished"]
    if unfinished:
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        chosen = left.selectbox(t("Unfinished run", "끝나지 않은 실행"), unfinished, format_func=lambda run: run.id)
        if right.button(t("Go on with it", "이어서 학습"), key="resume"):
            launch(chosen)
            st.rerun()
    _search(project)
    with st.form("knobs", border=False):
        data = st.text_input(
            t("Data", "데이터"),
            "builtin",
            help="\n\n".join(f"`{name}`: {text}" for name, text in project.card.DATA.items()),
        )
        values = _knob_inputs(project.config_class)
        command = f"`python -m projects.{project.name}.train --help`"
        st.caption(
            t(
                f"The knobs of {command}; an empty one is chosen by the project.",
                f"{command}에 나오는 설정과 같습니다. 그래서 도움말은 영어입니다. 비워 둔 설정은 프로젝트가 정합니다.",
            )
        )
        if st.form_submit_button(t("Start training", "학습 시작"), type="primary"):
            config = project.config_class(**values)
            launch(runs.start(project, config, data.strip(), runs.data_dir(), runs.runs_dir()))
            st.rerun()


def _knob_inputs(config_class: type) -> dict[str, Any]:
    """One input for each knob, three in a row, with its help and its bounds."""
    values: dict[str, Any] = {}
    knobs = config_module.knobs(config_class)
    for left in range(0, len(knobs), 3):
        for column, knob in zip(st.columns(3, vertical_alignment="bottom"), knobs[left : left + 3], strict=False):
            english, bounds = knob.name.replace("_", " "), knob.bounds
            # In Korean the command line's name stands beside, because help and other tools use it.
            label = english if term(knob.name) == english else f"{term(knob.name)} · {english}"
            if knob.choices:
                value = column.selectbox(label, knob.choices, knob.choices.index(knob.default), help=knob.help)
            elif knob.kind is bool:
                value = column.checkbox(label, knob.default, help=knob.help)
            elif knob.kind is str:
                value = column.text_input(label, knob.default or "", help=knob.help).strip() or None
            else:
                value = column.number_input(
                    label,
                    value=knob.default,
                    min_value=None if bounds.min is None else knob.kind(bounds.min),
                    max_value=None if bounds.max is None else knob.kind(bounds.max),
                    format="%d" if knob.kind is int else "%g",
                    step=1 if knob.kind is int else 10.0**-4,
                    help=knob.help,
                )
            values[knob.name] = value
    return values


@st.fragment(run_every=1.5)
def _follow(run: Run) -> None:
    """The live curve of a running training, its last lines, and the stop button."""
    name = run.path.parent.name
    console = _tail(_console(run))
    st.session_state.update({f"{name}-followed": str(run.path), f"{name}-console": console})
    if _processes()[str(run.path)].poll() is not None:
        st.rerun()
    st.subheader(t(f"Training {run.id}", f"학습 중: {run.id}"))
    history, epochs = run.history, getattr(run.config, "epochs", None)
    done = len(history)
    if epochs:
        st.progress(done / epochs, t(f"epoch {done} of at most {epochs}", f"에폭 {done} / 최대 {epochs}"))
    else:
        st.write(t(f"{done} done", f"{done}개 완료"))
    _curves(run, history)
    if run.stop_file.exists():
        st.write(t("Stopping: what has been learnt so far is kept.", "멈추는 중: 지금까지 배운 것을 남깁니다."))
    elif st.button(t("Stop", "멈추기"), key="stop", disabled=not console):  # a stop counts from its first line on
        run.stop_file.touch()
        st.rerun(scope="fragment")
    st.code(console or "…", language=None)


def _outcome(run: Run) -> None:
    """How the training that one has followed ended."""
    if run.finished:
        metric = run.metric[0]
        value = report.number(run.report["validation"].get(metric))
        st.success(
            t(
                f"{run.id} is finished: validation {metric} {value}. See the tab Results.",
                f"{run.id} 학습이 끝났습니다. 검증 {metric} {value}. 결과 탭을 보세요.",
            )
        )
    else:
        st.error(t(f"{run.id} ended before it was finished:", f"{run.id} 학습이 중간에 끝났습니다:"))
        st.code(st.session_state[f"{run.path.parent.name}-console"] or "–", language=None)
    if run.history:
        _curves(run, run.history)


def _curves(run: Run, history: list[dict[str, float]]) -> None:
    import pandas as pd

    if not history:
        return
    rows, metric = pd.DataFrame(history), run.metric[0]
    left, right = st.columns(2)
    losses = [column for column in ("loss", "val_loss") if column in rows]
    left.line_chart(rows, x="epoch", y=losses, x_label=t("epoch", "에폭"), y_label=t("loss", "손실"), height=260)
    right.line_chart(
        rows, x="epoch", y=f"val_{metric}", x_label=t("epoch", "에폭"), y_label=f"validation {metric}", height=260
    )


def _tail(path: Path, lines: int = 12) -> str:
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
