"""The tab Train. A training runs in a process of its own: a closed page does not end it, and a file stops it.

`apps/shared.py` finds this file by its name. A fork may leave it out.
"""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from apps import shared
from apps.i18n import t, term
from common import config as config_module
from common import report, runs
from common.project import Project
from common.runs import Run

ROOT = Path(__file__).parents[1]


def tab(project: Project) -> None:
    """Draw the tab: the training that is running, or how the last one ended, and what can be started."""
    if run := in_progress(project):
        follow(run)
        return
    outcome(project)
    unfinished(project)
    shared.tool_results("search", project)
    start_form(project)


def offer(project: Project) -> None:
    """A button that trains the default, on the other tabs of a page that has no run yet."""
    if in_progress(project):
        st.write(t("A training is running: see the tab Train.", "학습이 진행 중입니다. 학습 탭을 보세요."))
    elif st.button(t("Train the default", "기본 모델 학습하기"), type="primary", key="train-default"):
        launch(runs.start(project, project.config_class(), "builtin", runs.data_dir(), runs.runs_dir()))
        st.success(t("Training has started: see the tab Train.", "학습을 시작했습니다. 학습 탭을 보세요."))


@st.cache_resource
def _processes() -> dict[str, subprocess.Popen]:
    """The trainings that this server has started: {run folder, or ALL: process}."""
    return {}


def launch(run: Run) -> None:
    """Start a run in a process of its own, or continue it."""
    place = ["--resume", run.id, "--runs-dir", str(run.path.parents[1].resolve())]
    _start(str(run.path), [f"projects.{run.project.name}.train", *place], _console(run))


ALL = "train-all"  # the key of the process that trains every default


def launch_all() -> None:
    """Start `python -m projects train-all` in a process of its own."""
    folder = runs.runs_dir().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    _start(ALL, ["projects", ALL, "--runs-dir", str(folder)], folder / f"{ALL}.console.txt")


def _start(key: str, command: list[str], console: Path) -> None:
    """Run `python -m` with these words. What it prints goes into the file `console`."""
    console.unlink(missing_ok=True)  # it might be a link, which would be followed
    with console.open("w", encoding="utf-8") as file:
        _processes()[key] = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )


def all_in_progress() -> subprocess.Popen | None:
    """The process that trains every default, while it runs."""
    process = _processes().get(ALL)
    return process if process is not None and process.poll() is None else None


def _console(run: Run) -> Path:
    """The file of what the process prints. It lies beside the run folder, which is removed when its data is refused."""
    return run.path.with_name(f"{run.id}.console.txt")


def in_progress(project: Project) -> Run | None:
    """The run of this project that this server is training, if any."""
    for path, process in _processes().items():
        run = Run(Path(path))
        if path != ALL and process.poll() is None and run.path.parent.name == project.name:
            return run
    return None


def unfinished(project: Project) -> None:
    """A choice of the unfinished runs, and a button that continues one; nothing where there is none."""
    entries = runs.list_runs(project, runs.runs_dir())
    stopped = [entry["run"] for entry in entries if entry["status"] == "unfinished"]
    if stopped:
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        chosen = left.selectbox(t("Unfinished run", "끝나지 않은 실행"), stopped, format_func=lambda run: run.id)
        if right.button(t("Continue it", "이어서 학습"), key="resume"):
            launch(chosen)
            st.rerun()


def start_form(project: Project) -> None:
    """The form that starts a training: data, every knob, and a button."""
    about = "\n\n".join(f"`{name}`: {text}" for name, text in project.data_names.items())
    if own_data := shared.part("own_data"):
        data = own_data.choose(project, about)
    else:
        data = partial(str, st.selectbox(t("Data", "데이터"), list(project.data_names), help=about, key="data"))
    with st.form("knobs", border=False):
        values = _knob_inputs(project.config_class)
        command = f"`python -m projects.{project.name}.train --help`"
        st.caption(
            t(
                f"These are the knobs of {command}. The project chooses those that are left empty.",
                f"{command}에 나오는 설정과 같으므로 도움말은 영어입니다. 비워 둔 설정은 프로젝트가 정합니다.",
            )
        )
        if st.form_submit_button(t("Start training", "학습 시작"), type="primary"):
            config = project.config_class(**values)
            launch(runs.start(project, config, data(), runs.data_dir(), runs.runs_dir()))
            st.rerun()


def _knob_inputs(config_class: type) -> dict[str, Any]:
    """An input for each knob, three in a row, with its help and its bounds. Returns {knob: value}."""
    values: dict[str, Any] = {}
    knobs = config_module.knobs(config_class)
    for left in range(0, len(knobs), 3):
        for column, knob in zip(st.columns(3, vertical_alignment="bottom"), knobs[left : left + 3], strict=False):
            english, bounds = knob.name.replace("_", " "), knob.bounds
            # The Korean page shows the command line's name too, because the help texts use it.
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
@shared.errors_shown()  # a fragment is drawn again without the page around it
def follow(run: Run) -> None:
    """A running training: its curves so far, its last lines, and a button that stops it."""
    name = run.path.parent.name
    console = _tail(_console(run))
    st.session_state.update({f"{name}-followed": str(run.path), f"{name}-console": console})
    if _processes()[str(run.path)].poll() is not None:
        st.rerun()
    st.subheader(t(f"Training {run.id}", f"학습 중: {run.id}"))
    history, epochs = run.history, getattr(run.config, "epochs", None) if run.path.exists() else None
    done = len(history)
    if epochs:
        st.progress(done / epochs, t(f"epoch {done} of at most {epochs}", f"에포크 {done}/{epochs}(최대)"))
    else:
        st.write(t(f"{done} done", f"{done}개 완료"))
    _curves(run, history)
    if run.stop_file.exists():
        st.write(
            t(
                "Stopping: what the model has learnt so far is kept.",
                "학습을 멈추는 중입니다. 지금까지 학습한 내용은 저장됩니다.",
            )
        )
    # A run can be stopped once it has printed a line.
    elif st.button(t("Stop", "학습 멈추기"), key="stop", disabled=not console):
        run.stop_file.touch()
        st.rerun(scope="fragment")
    st.code(console or "…", language=None)


def outcome(project: Project) -> None:
    """How the training ended that this visitor followed last; nothing where there is none."""
    last = st.session_state.get(f"{project.name}-followed")
    if last is None:
        return
    run = Run(Path(last))
    if run.finished:
        metric = run.metric[0]
        value = report.number(run.report["validation"].get(metric))
        st.success(
            t(
                f"{run.id} is finished: validation {term(metric)} {value}. See the tab Results.",
                f"{run.id} 학습이 끝났습니다. 검증 {term(metric)}: {value}. 결과 탭을 보세요.",
            )
        )
    else:
        st.error(t(f"{run.id} ended before it was finished:", f"{run.id} 학습이 중간에 끝났습니다:"))
        st.code(st.session_state[f"{project.name}-console"] or "–", language=None)
    if run.history:
        _curves(run, run.history)


def _curves(run: Run, history: list[dict[str, float]]) -> None:
    import pandas as pd

    if not history:
        return
    rows, metric = pd.DataFrame(history), run.metric[0]
    left, right = st.columns(2)
    losses = [column for column in ("loss", "val_loss") if column in rows]
    epoch, score = t("epoch", "에포크"), t(f"validation {term(metric)}", f"검증 {term(metric)}")
    left.line_chart(rows, x="epoch", y=losses, x_label=epoch, y_label=t("loss", "손실"), height=260)
    right.line_chart(rows, x="epoch", y=f"val_{metric}", x_label=epoch, y_label=score, height=260)


def _tail(path: Path, lines: int = 12) -> str:
    """The last lines of a text file; "" when there is none."""
    if path.is_symlink() or not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
