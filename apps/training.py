"""The tab Train. A training runs in a process of its own: a closed page does not end it, and a file stops it.

`apps/shared.py` finds this file by its name. A fork may leave it out.
"""

import itertools
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from apps import knobs as knob_names
from apps import shared, state
from apps.i18n import korean, plain, t, term
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
        ids = [run.id for run in stopped]
        chosen = left.selectbox(t("Unfinished run", "끝나지 않은 실행"), ids, key=state.kept("unfinished", ids[0], ids))
        if right.button(t("Continue it", "이어서 학습"), key="resume"):
            launch(stopped[ids.index(chosen)])
            st.rerun()


@st.fragment  # while a visitor sets knobs, the rest of the page is not drawn again
@shared.errors_shown()
def start_form(project: Project) -> None:
    """What a training needs: data, the knobs that matter most, the others folded, and a button. Says how long it takes."""
    about = "\n\n".join(f"`{name}`: {korean(text)}" for name, text in project.data_names.items())
    if own_data := shared.part("own_data"):
        data, chosen = own_data.choose(project, about)
    else:
        names = list(project.data_names)
        data = st.selectbox(t("Data", "데이터"), names, help=about, key=state.kept("data", names[0], names))
        chosen = partial(str, data)
    knobs = config_module.knobs(project.config_class)
    # What decides which knobs are used is known before they are drawn.
    values = {knob.name: knob.default for knob in knobs}
    for knob in (knob for knob in knobs if knob.choices):
        values[knob.name] = st.session_state[state.kept(f"knob-{knob.name}", knob.default, knob.choices)]
    used = [knob for knob in knobs if _is_used(knob, knobs, values, data, data in project.data_names)]
    first = sorted(used, key=lambda knob: MAIN.index(knob.name) if knob.name in MAIN else len(MAIN))[:4]
    for column, knob in zip(st.columns(len(first), vertical_alignment="bottom"), first, strict=True):
        values[knob.name] = _knob_input(project, column, knob)
    with st.expander(t("Advanced", "고급 설정")):
        rest = [knob for knob in knobs if knob not in first]
        shown = [knob for knob in rest if _is_used(knob, knobs, values, data, data in project.data_names)]
        for left in range(0, len(shown), 3):
            for column, knob in zip(st.columns(3, vertical_alignment="bottom"), shown[left : left + 3], strict=False):
                values[knob.name] = _knob_input(project, column, knob)
        st.caption(
            t(
                f"These are the knobs of `python -m projects.{project.name}.train --help`, as far as this model and this data use them. The project chooses those that are left empty.",
                f"`python -m projects.{project.name}.train --help`에 나오는 설정 가운데 이 모델과 데이터가 쓰는 것입니다. 비워 둔 설정은 프로젝트가 정합니다.",
            )
        )
    used_names = {knob.name for knob in [*first, *shown]}
    config = project.config_class(**{name: value for name, value in values.items() if name in used_names})
    left, right = st.columns([1, 4], vertical_alignment="center")
    right.caption(_expected(project, config, data))
    if left.button(t("Start training", "학습 시작"), type="primary", width="stretch"):
        launch(runs.start(project, config, chosen(), runs.data_dir(), runs.runs_dir()))
        st.rerun()


# The knobs that a visitor sees first, as far as a project has them.
MAIN = (
    "model",
    "quality",
    "scale",
    "kernel",
    "length",
    "epochs",
    "units",
    "width",
    "size",
    "learning_rate",
    "bag_learning_rate",
)


def _is_used(knob: config_module.Knob, knobs: tuple, values: dict[str, Any], data: str, named: bool) -> bool:
    """Whether a training with these values reads a knob. Its help says so: `lstm, gru: …`, `not bag: …`, `your own file: …`."""
    words = knob.help.partition(":")[0] if ":" in knob.help else ""
    if words.startswith("your own "):
        return not named
    if knob.help.endswith(" only)"):
        return data == knob.help[:-6].rpartition("(")[2]
    names = set(words.removeprefix("not ").split(", "))
    for other in knobs:
        if other is not knob and other.choices and names <= set(map(str, other.choices)):
            return (str(values[other.name]) in names) != words.startswith("not ")
    return True


def _expected(project: Project, config: Any, data: str) -> str:
    """How long a training takes: as the card says for the default, else as the last run like it did."""
    if data == "builtin" and config == project.config_class():
        minutes = project.card.MINUTES
        return t(f"About {minutes:g} min on two idle cores.", f"쉬고 있는 코어 두 개로 약 {minutes:g}분이 걸립니다.")
    model = getattr(config, "model", project.name)
    for entry in runs.list_runs(project, runs.runs_dir()):
        if entry["complete"] and entry["data"] == data and entry["report"]["model"] == model:
            minutes = entry["report"]["timing"]["total_seconds"] / 60
            return t(
                f"The last run like it took {minutes:.1f} minutes.", f"비슷한 지난 실행은 {minutes:.1f}분이 걸렸습니다."
            )
    return t(
        "Nobody has trained this here yet: the epochs will tell.",
        "아직 여기서 학습한 적이 없는 설정입니다. 걸리는 시간은 에포크가 진행되면 알 수 있습니다.",
    )


def _knob_input(project: Project, column: Any, knob: config_module.Knob) -> Any:
    """An input for a knob, with its help and its bounds. Returns the value."""
    bounds, label, help = knob.bounds, knob_names.name(project.name, knob.name), korean(knob.help)
    key = f"knob-{knob.name}"
    if knob.choices:
        kept = state.kept(key, knob.default, knob.choices)
        names = {choice: knob_names.choice(choice) for choice in knob.choices}  # in the language of this drawing
        return column.selectbox(label, knob.choices, key=kept, help=help, format_func=names.__getitem__)
    if knob.kind is bool:
        return column.checkbox(label, key=state.kept(key, knob.default), help=help)
    if knob.kind is str:
        return column.text_input(label, key=state.kept(key, knob.default or ""), help=help).strip() or None
    return column.number_input(
        label,
        value="min" if knob.default is not None else None,
        min_value=None if bounds.min is None else knob.kind(bounds.min),
        max_value=None if bounds.max is None else knob.kind(bounds.max),
        format="%d" if knob.kind is int else "%g",
        step=1 if knob.kind is int else 10.0**-4,
        key=state.kept(key, knob.default, low=bounds.min, high=bounds.max, kind=knob.kind),
        help=help,
    )


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
    networks, stopping = _networks(run), run.stop_file.exists()
    history = networks[-1] if networks else []
    done, epochs = len(history), _most(history)
    if "evaluating on the test split" in console:
        part = 1.0
        words = t(
            "The training is over. The baselines are being fitted and scored beside the network, then the report is written.",
            "학습이 끝났습니다. 기준 모델을 학습시켜 신경망과 함께 평가하고, 보고서를 쓰는 중입니다.",
        )
    elif not done and (run.path / "log.txt").exists():
        part, words = (
            0.0,
            t(
                "Loading the data; the first epoch has begun or follows.",
                "데이터를 불러오고 첫 번째 에포크를 시작하는 중입니다.",
            ),
        )
    elif not done:
        part, words = 0.0, t("Starting.", "시작하는 중입니다.")
    else:
        part = done / epochs if epochs else 0.0
        words = (
            t(f"Epoch {done} of at most {epochs} is done.", f"최대 {epochs}에포크 가운데 {done}에포크를 마쳤습니다.")
            if epochs
            else t(f"{done} done.", f"{done}개를 마쳤습니다.")
        )
        if len(networks) > 1:
            words = t(f"Network {len(networks)}: ", f"{len(networks)}번째 신경망: ") + words
    st.progress(min(1.0, part), words)
    _curves(run, history)
    if stopping:
        st.write(
            t(
                "Stopping: what the model has learnt so far is kept, and scored beside the baselines.",
                "학습을 멈추는 중입니다. 지금까지 학습한 내용은 저장하고, 기준 모델과 함께 평가합니다.",
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
    networks = _networks(run)
    history = networks[-1] if networks else []
    if run.finished:
        metric = run.metric[0]
        value = report.number(run.report["validation"].get(metric))
        done, most = len(history), _most(history)
        score = t(
            f"Validation {term(metric)} {value}. Choose this run at the left, and see the tab Results.",
            f"검증 {term(metric)}: {value}. 왼쪽에서 이 실행을 고르고 결과 탭을 보세요.",
        )
        if run.stop_file.exists():
            english = f"{run.id} was stopped after epoch {done}" + (f" of {most}. " if most else ". ")
            of_most = f"최대 {most}에포크 가운데 " if most else ""
            told = t(english, f"{run.id} 학습을 {of_most}{done}에포크 뒤에 멈추었습니다. ")
            if len(networks) > 1:  # each network after the one that was stopped has learnt for one epoch at most
                epochs = ", ".join(f"{len(rows)}/{_most(rows)}" for rows in networks)
                told = t(
                    f"{run.id} was stopped. Epochs of its networks: {epochs}. ",
                    f"{run.id} 학습을 멈추었습니다. 신경망별 에포크: {epochs}. ",
                )
            st.warning(told + score)
        else:
            st.success(t(f"{run.id} is finished. ", f"{run.id} 학습이 끝났습니다. ") + score)
    else:
        console = _tail(_console(run)) or st.session_state[f"{project.name}-console"]  # its last lines came last
        _, refused, reason = console.rpartition("error: ")
        told = t(f"{run.id} ended before it was finished:", f"{run.id} 학습이 중간에 끝났습니다:")
        st.error(plain(f"{told} {korean(reason.strip())}" if refused else told))
        st.code(console or "–", language=None)
    _curves(run, history)


def _networks(run: Run) -> list[list[dict[str, float]]]:
    """The rows of each network that a run has trained, one after the other. Each counts its epochs from 1."""
    groups = itertools.groupby(run.history, lambda row: row.get("network"))
    return [[{**row, "epoch": epoch} for epoch, row in enumerate(rows, start=1)] for _, rows in groups]


def _most(history: list[dict[str, float]]) -> int | None:
    """The most epochs that a network may take; None before the first one, and where a run counts something else."""
    return int(history[-1]["epochs"]) if history and "epochs" in history[-1] else None


def _curves(run: Run, history: list[dict[str, float]]) -> None:
    """Loss and validation METRIC over the epochs. A single epoch is a point."""
    import altair as alt
    import pandas as pd

    if not history:
        return
    metric = run.metric[0]
    names = {"loss": t("training loss", "학습 손실"), "val_loss": t("validation loss", "검증 손실")}
    score = t(f"validation {term(metric)}", f"검증 {term(metric)}")
    for column, lines, title in zip(
        st.columns(2), (names, {f"val_{metric}": score}), (t("loss", "손실"), score), strict=True
    ):
        rows = pd.DataFrame(history)[["epoch", *(name for name in lines if name in history[0])]]
        rows = rows.rename(columns=lines).melt("epoch", var_name="line", value_name="value")
        column.altair_chart(
            alt.Chart(rows, height=260)
            .mark_line(point=True)
            .encode(
                x=alt.X(
                    "epoch:Q",
                    title=t("epoch", "에포크"),
                    axis=alt.Axis(tickMinStep=1, format="d"),
                    scale=alt.Scale(nice=False, padding=10),
                ),
                y=alt.Y("value:Q", title=title, axis=alt.Axis(format="~g"), scale=alt.Scale(zero=False)),
                color=alt.Color(
                    "line:N",
                    title=None,
                    sort=list(lines.values()),
                    legend=alt.Legend(orient="top") if len(lines) > 1 else None,
                ),
                tooltip=shared.tooltip("line", "epoch", "value .4g"),
            )
        )


def _tail(path: Path, lines: int = 12) -> str:
    """The last lines of a text file; "" when there is none."""
    if path.is_symlink() or not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
