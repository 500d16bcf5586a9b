"""The page of video labelling: `python -m streamlit run apps/video_labelling.py`."""

import html
import importlib.util
import itertools
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import canvas, shared, state
from apps.i18n import plain, t, term
from common.errors import UserError
from common.files import files_in
from common.report import COLOURS
from common.runs import Run
from common.scenery import piece_of_photograph
from projects.video_labelling import films
from projects.video_labelling.encoding import segments
from projects.video_labelling.predict import write_table
from projects.video_labelling.video import VIDEOS, read_film, write_gif

MAX_MB = 50  # limit of an upload
MAX_SECONDS = 600  # the longest film on the page
MOST = 160  # pixels of the longer side of a film on the page
WIDTH = 300  # pixels of a film as it is shown
EDGE = {"minExtent": 60, "maxExtent": 60}  # pixels left of an axis of time, so that two of them agree
DIGIT = 20  # pixels of a dragged digit
BLUE, ORANGE = "#0072B2", "#E69F00"


def try_it(run: Run) -> None:
    shared.parts(
        "part",
        {
            "one": (t("One film", "동영상 하나"), lambda: _one_film(run)),
            "two": (t("Two models", "두 모델 비교"), lambda: _two_models(run)),
            "errors": (t("Worst films", "가장 많이 틀린 동영상"), lambda: _errors(run)),
        },
    )


def _film(predictor: Any, key: str) -> tuple[dict[str, Any] | None, list[int], str]:
    """(raw film, its true labels where they are known, a name) that the visitor has chosen; None while there is none."""
    shown = predictor.meta["shown"]
    ways = {
        **({"example": t("an example", "예시")} if shown else {}),
        **({"drag": t("drag a digit", "숫자 끌기")} if predictor.meta["labels"] == list(films.LABELS) else {}),
        "upload": t("my own", "내 동영상"),
        "camera": t("camera", "카메라"),
    }
    way = state.choice(t("Film", "동영상"), f"{key}-way", ways)
    if way == "example":
        shown = [_liveliest(example["film"]) for example in predictor.examples]
        labels = [t(f"example {i + 1}", f"예시 {i + 1}") for i in range(len(shown))]
        number = canvas.thumbnails(shown, labels, f"{key}-example")
        return predictor.examples[number], predictor.meta["examples"][number]["labels"], f"example-{number + 1}"
    if way == "drag":
        return _dragged(key), [], "dragged"
    if way == "camera":
        return _recorded(key), [], "camera"
    return _uploaded(predictor, key)


def _said(run: Run, segments: str) -> str:
    """A label, or those of a film, each with the number of its frames: `still 16, left 8`."""
    parts = [re.split(r"(?= \d+$)", part) for part in segments.split(", ")]
    return ", ".join(shared.labels(run)(name) + "".join(frames) for name, *frames in parts)


def _liveliest(film: np.ndarray) -> np.ndarray:
    """The frame that differs most from the others: many are blank."""
    return film[np.abs(film - np.median(film, axis=0)).mean(axis=(1, 2, 3)).argmax()]


def _dragged(key: str) -> dict[str, Any] | None:
    """A film of a digit that the visitor draws and drags over a photograph."""
    left, right = st.columns(2)
    with left:
        drawn = canvas.sketch(t("Draw a digit", "숫자를 그리세요"), t("Clear", "지우기"), f"{key}-board")
    photo = piece_of_photograph(films.SIDE, np.random.default_rng(3), "test") * np.float32(0.4)
    frames = np.tile(photo, (films.FRAMES, 1, 1, 1)).astype(np.float32)
    digit = None if drawn is None else drawn[::10, ::10, 0]
    if digit is None or not (digit > 40).any():
        st.info(t("Draw a digit first.", "먼저 숫자를 그리세요."))
        return None
    middle = np.full((films.FRAMES, 2), films.SIDE / 2)

    def put(frames: np.ndarray, centres: np.ndarray) -> np.ndarray:
        rows, white = np.arange(len(frames)), np.full(3, 235, np.float32)
        films.put(frames, rows, digit, white, centres, np.full(len(rows), float(DIGIT)), np.zeros(len(rows)))
        return np.round(frames).astype(np.uint8)

    with right:
        background = put(frames[:1].copy(), middle[:1])[0].repeat(4, axis=0).repeat(4, axis=1)
        label = t("Hold the digit and drag it for up to six seconds", "숫자를 누른 채 최대 6초 동안 끌어 보세요")
        path = canvas.dragged(background, label, f"{key}-path", int(1000 / films.RATE), films.FRAMES)
        st.caption(label + ".")
    if len(path) < 4:
        return None
    return {"film": put(frames[: len(path)], np.array(path) * films.SIDE)}


def _recorded(key: str) -> dict[str, Any] | None:
    """A few seconds of the visitor's camera."""
    words = {
        "start": t("Record six seconds", "6초 녹화하기"),
        "refused": t("The camera cannot be used.", "카메라를 쓸 수 없습니다."),
    }
    frames = canvas.recorded(words, f"{key}-camera", int(1000 / films.RATE), films.FRAMES)
    st.caption(
        t(
            "The frames are sent to the server of this page at 64 × 64 pixels. They are not kept.",
            "프레임은 64 × 64픽셀로 줄여 이 페이지의 서버로 보내며, 저장하지 않습니다.",
        )
    )
    return None if frames is None else {"film": frames, "rate": films.RATE}


def _uploaded(predictor: Any, key: str) -> tuple[dict[str, Any] | None, list[int], str]:
    kinds = ["gif", *(kind[1:] for kind in VIDEOS if importlib.util.find_spec("av"))]
    file = state.upload(t("A film", "동영상"), kinds, f"{key}-upload", MAX_MB)
    if file is None:
        return None, [], ""
    name, content = file
    return {"film": _read(name, content, predictor.meta["rate"])}, [], Path(name).stem


@st.cache_data(max_entries=4, show_spinner=False)
def _read(name: str, content: bytes, rate: float) -> np.ndarray:
    """The frames of an uploaded film, at the rate of the run."""
    with _on_disk(name, content) as path:
        frames = []
        for frame in read_film(path, rate, MOST, name):
            frames.append(frame)
            if len(frames) > MAX_SECONDS * rate:
                raise UserError(f"{name} is longer than {MAX_SECONDS} seconds, the most that this page takes.")
    return np.stack(frames)


@contextmanager
def _on_disk(name: str, content: bytes = b"") -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film{Path(name).suffix.lower()}"
        path.write_bytes(content)
        yield path


@st.cache_data(max_entries=16, show_spinner=False)
def _gif(frames: np.ndarray, rate: float) -> bytes:
    with _on_disk("film.gif") as path:
        write_gif(iter(frames), rate, path)
        return path.read_bytes()


def _shown(raw: dict[str, Any], answer: dict[str, Any], place: int) -> np.ndarray:
    """The frame of a film that is shown at this place of the answer."""
    film = raw["film"]
    return film[min(int(place * raw.get("rate", answer["rate"]) / answer["rate"]), len(film) - 1)]


def _one_film(run: Run) -> None:
    predictor = shared.predictor(run)
    with shared.errors_shown():
        raw, truth, name = _film(predictor, "one")
        if raw is None:
            return
        answer = predictor.predict(raw)
        left, right = st.columns([1, 2])
        count = len(answer["labels"])
        with right:
            place = _marker(count, answer["rate"]) if count > 1 else 0
            _time_line(run, predictor.meta["labels"], answer, truth, place)
        with left:
            st.image(_shown(raw, answer, place), width=WIDTH)
            now = answer["labels"][place]
            st.markdown(
                f"**{plain(shared.labels(run)(now))}** {answer['probabilities'][place][predictor.meta['labels'].index(now)]:.0%}"
            )
            st.image(_gif(raw["film"], raw.get("rate", answer["rate"])), width=WIDTH)
        if answer["unfamiliar"]:
            shared.caution(
                run,
                t(
                    "The network is unsure of these labels: perhaps this film is of another kind than those that it learnt. Take the labels as guesses.",
                    "신경망이 이 레이블들을 확신하지 못합니다. 학습한 동영상과 종류가 다를 수 있으므로, 레이블은 추측으로 보아야 합니다.",
                ),
            )
        _memory(predictor, raw, answer, place)
        _downloads(raw, answer, name)
        shared.show_answer(answer)
        found = ", ".join(shared.labels(run)(part["label"]) for part in answer["segments"])
        shared.tries({"film": name, "labels": found[:2000]}, "labelled")


def _marker(count: int, rate: float) -> int:
    """The frame that the visitor looks at."""
    key = state.kept("frame", 1, low=1, high=count)
    return (
        st.slider(t("Frame", "프레임"), 1, count, key=key, help=t(f"{rate:g} frames a second", f"초당 {rate:g}프레임"))
        - 1
    )


def _bands(rows: dict[str, list[tuple[int, int, int]]], said: list[str], rate: float, place: int) -> alt.LayerChart:
    """Segments of frames as coloured bands, one row each, with a marker."""
    frame = pd.DataFrame(
        [
            (row, said[label], begin / rate, end / rate, (begin + end) / 2 / rate)
            for row, found in rows.items()
            for label, begin, end in found
        ],
        columns=["row", "label", "from", "to", "middle"],
    )
    frame["written"] = np.where(frame["to"] - frame["from"] > 0.07 * frame["to"].max(), frame["label"], "")
    x = alt.X("from:Q", axis=None, scale=alt.Scale(domain=[0, float(frame["to"].max())], nice=False))
    y = alt.Y("row:N", title=" ", sort=list(rows), axis=alt.Axis(**EDGE))
    colour = alt.Color("label:N", scale=alt.Scale(domain=said, scheme="tableau20"), legend=None)
    tooltip = shared.tooltip("label", "from .2f", "to .2f")
    bars = alt.Chart(frame).mark_bar(cornerRadius=3, opacity=shared.SHADE, height=22)
    bars = bars.encode(x=x, x2="to", y=y, color=colour, tooltip=tooltip)
    words = alt.Chart(frame).mark_text(fontSize=11, color=shared.ink()).encode(x="middle:Q", y=y, text="written")
    return (bars + words + _rule(place, rate)).properties(height=10 + 34 * len(rows))


def _rule(place: int, rate: float) -> alt.Chart:
    at = pd.DataFrame({"at": [(place + 0.5) / rate]})
    return alt.Chart(at).mark_rule(color=shared.ink(), strokeDash=[4, 3]).encode(x="at:Q")


def _time_line(run: Run, names: list[str], answer: dict[str, Any], truth: list[int], place: int) -> None:
    """The labels as bands, and below them the probability of each label, on one time axis."""
    rate, said = answer["rate"], [*map(shared.labels(run), names)]
    numbers = [names.index(label) for label in answer["labels"]]
    rows = {t("answer", "예측"): segments(numbers), **({t("truth", "정답"): segments(truth)} if truth else {})}
    likely = pd.DataFrame(answer["probabilities"], columns=said)
    likely["time"] = (np.arange(len(likely)) + 0.5) / rate
    long = likely.melt("time", var_name="label", value_name="probability")
    lines = (
        alt.Chart(long)
        .mark_line(interpolate="monotone")
        .encode(
            x=alt.X("time:Q", title=t("seconds", "초"), scale=alt.Scale(domain=[0, len(likely) / rate], nice=False)),
            y=alt.Y("probability:Q", title=t("probability", "확률")).scale(domain=[0, 1]).axis(**EDGE),
            color=alt.Color("label:N", title=None)
            .scale(domain=said, scheme="tableau20")
            .legend(orient="bottom", columns=3),
            tooltip=shared.tooltip("label", "time .2f", "probability .2f"),
        )
    )
    st.altair_chart(_bands(rows, said, rate, place))
    st.altair_chart((lines + _rule(place, rate)).properties(height=280))


def _memory(predictor: Any, raw: dict[str, Any], answer: dict[str, Any], place: int) -> None:
    """The hidden units of the recurrent layer over time."""
    hidden = predictor.remembered(raw)
    if hidden is None:
        return
    st.subheader(t("What it remembers", "신경망이 기억하는 것"))
    busiest = np.argsort(np.abs(np.diff(hidden, axis=0, prepend=hidden[:1])).sum(axis=0))[::-1][:24]
    busiest = busiest[np.argsort(hidden[:, busiest].argmax(axis=0), kind="stable")]
    rows = [(time, f"{row}", value) for row, unit in enumerate(busiest) for time, value in enumerate(hidden[:, unit])]
    frame = pd.DataFrame(rows, columns=["frame", "unit", "value"])
    frame["from"], frame["to"] = frame["frame"] / answer["rate"], (frame["frame"] + 1) / answer["rate"]
    cells = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("from:Q", title=t("seconds", "초")),
            x2="to",
            y=alt.Y(
                "unit:N",
                sort=[f"{row}" for row in range(len(busiest))],
                title=t("hidden unit", "은닉 유닛"),
                axis=alt.Axis(labels=False, ticks=False),
            ),
            color=alt.Color("value:Q", title=None).scale(scheme="blueorange", domainMid=0).legend(orient="top"),
            tooltip=shared.tooltip("from .2f", "value .2f"),
        )
    )
    st.altair_chart((cells + _rule(place, answer["rate"])).properties(height=260))
    st.caption(
        t(
            "The 24 hidden units that change most, each as a row. A unit that keeps its colour through a blank frame remembers.",
            "가장 많이 변하는 은닉 유닛 24개를 한 줄씩 그렸습니다. 숫자가 보이지 않는 프레임에서도 색이 그대로인 유닛은 기억하고 있는 것입니다.",
        )
    )


def _downloads(raw: dict[str, Any], answer: dict[str, Any], name: str) -> None:
    from projects.video_labelling.predict import subtitled

    left, right = st.columns(2)
    with _on_disk("labels.csv") as path:
        write_table({name: answer}, path)
        left.download_button(
            t("Labels as CSV", "레이블을 CSV로 내려받기"), path.read_bytes(), f"{plain(name)}.csv", "text/csv"
        )
    if right.toggle(t("Make a film with its labels", "레이블을 단 동영상 만들기"), key=state.kept("subtitled", False)):
        frames = (_shown(raw, answer, place) for place in range(len(answer["labels"])))
        content = _gif(np.stack(list(subtitled(frames, answer))), answer["rate"])
        right.download_button(
            t("Film with its labels as GIF", "레이블을 적은 동영상을 GIF로 내려받기"),
            content,
            f"{plain(name)}.gif",
            "image/gif",
        )


def _two_models(run: Run) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    with shared.errors_shown():
        raw, truth, _ = _film(shared.predictor(run), "two")
        if raw is None:
            return
        rows, names = {}, shared.predictor(run).meta["labels"]
        for one in (run, second):
            answer = shared.predictor(one).predict(raw)
            rows[f"{term(one.config.model)} · {one.id[-4:]}"] = segments(
                [names.index(label) for label in answer["labels"]]
            )
        if truth:
            rows[t("truth", "정답")] = segments(truth)
        left, right = st.columns([1, 2])
        with right:
            place = _marker(len(answer["labels"]), answer["rate"])
            st.altair_chart(_bands(rows, [*map(shared.labels(run), names)], answer["rate"], place))
        left.image(_shown(raw, answer, place), width=WIDTH)


def _errors(run: Run) -> None:
    if not shared.predictor(run).meta["shown"]:
        st.info(t("Films of this data set are not shown.", "이 데이터의 동영상은 보여 주지 않습니다."))
        return
    st.caption(
        t(
            "Below each film stand two bands in the colours of the labels: the truth, and under it the answer.",
            "동영상마다 아래에 레이블의 색으로 두 줄을 그렸습니다. 윗줄은 정답, 아랫줄은 예측입니다.",
        )
    )
    names = map(shared.labels(run), shared.predictor(run).meta["labels"])
    marks = zip(itertools.cycle(COLOURS), names, strict=False)
    st.html(" &emsp; ".join(f'<span style="color:{colour}">■</span> {html.escape(name)}' for colour, name in marks))
    for file in files_in(run.path / "figures", "errors.png"):
        st.image(file.read_bytes())


def data(run: Run) -> None:
    shared.data_head(run)
    sample = shared.table_file(run, "sample", ("label",), ("segments", "frames", "median"))
    sample["label"] = sample["label"].map(shared.labels(run))
    shared.table(sample.rename(columns={"label": t("a label", "레이블")}))


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("Right frames by label", "레이블별 정답 비율"))
    scores = shared.table_file(run, "by_label", ("label",), ("frames",))
    long = scores.melt(["label", "frames"], var_name="model", value_name="right")
    long["label"], long["model"] = long["label"].map(shared.labels(run)), long["model"].map(term)
    st.altair_chart(
        alt.Chart(long, height=80 + 30 * len(scores))
        .mark_point(filled=True, size=70, opacity=0.9)
        .encode(
            x=alt.X("right:Q", scale=alt.Scale(domain=[0, 1]), title=t("fraction of the frames", "맞힌 프레임의 비율")),
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False, grid=True)),
            color=alt.Color("model:N", title=None, legend=alt.Legend(orient="top", columns=2)),
            tooltip=shared.tooltip("label", "model", "right .3f", "frames"),
        )
    )
    for name, network in predictor.networks.items():
        st.subheader(
            {
                "encoder": t("The network that looks at a frame", "프레임을 보는 신경망"),
                "labeller": t("The network that reads in time", "시간 순서로 읽는 신경망"),
                "step": t("The same for one frame of a camera", "카메라의 프레임 하나를 읽는 신경망"),
            }[name]
        )
        shared.drawing(network)
    shared.code(run.project)


shared.page("video_labelling", try_it, data, inside, called=lambda run: lambda film: _said(run, film))
