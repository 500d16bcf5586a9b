"""The page of super-resolution: `python -m streamlit run apps/super_resolution.py`."""

import contextlib
import threading
from collections.abc import Iterator

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import canvas, shared, state
from apps.i18n import korean, plain, t
from common.data import load_splits
from common.inputs.images import picture_bytes
from common.runs import Run
from projects.super_resolution.blur import resolve_kernel
from projects.super_resolution.config import RECIPES, Config
from projects.super_resolution.data import degraded
from projects.super_resolution.encoding import MAX_PIXELS, assumed_kernel, kernel_name, parse_kernel
from projects.super_resolution.pairs import Pairs
from projects.super_resolution.resize import as_uint8, baseline, enlarge, to_rgb, to_ycbcr

MAX_RESULTS = 16  # answers that the page keeps, of all visitors together


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    left, right = st.columns([1, 2])
    raw = None  # stays None where the picture is refused
    with left, shared.errors_shown():
        raw, name = _input(predictor)
    if raw is None:
        return
    with right, shared.errors_shown():
        answer = predictor.kept(raw) or _learn(predictor, raw)
        if answer is not None:
            _compare(raw["picture"], answer["picture"])
            kernel = korean(answer["kernel"])
            st.caption(t(f"Kernel that was undone: {plain(kernel)}.", f"되돌린 커널: {plain(kernel)}."))
            st.download_button(
                t("Download as PNG", "PNG로 내려받기"),
                picture_bytes(answer["picture"]),
                f"{name}-large.png",
                "image/png",
            )
            shared.show_answer(answer)
            size = " → ".join(f"{part.shape[1]} × {part.shape[0]}" for part in (raw["picture"], answer["picture"]))
            seconds = f"{answer['seconds']:.0f}"
            shared.tries({"picture": name, "size": size, "kernel": kernel, "seconds": seconds}, "enlarged")


def _input(predictor) -> tuple[dict | None, str]:
    """(the raw input, a name for the download). The input is None while it is incomplete."""
    config = predictor.config
    picture, name = shared.picture_input(predictor.examples, "picture", t("A small picture", "작은 사진"), MAX_PIXELS)
    if picture is None:
        return None, ""
    scale = state.choice(t("Times larger", "배율"), "scale", {s: f"×{s}" for s in (2, 3, 4)}, config.scale)
    words = {
        "fast": t("fast: about 15 seconds", "빠름: 약 15초"),
        "default": t("default: about half a minute", "기본: 약 30초"),
        "best": t("best: some minutes", "최고: 몇 분"),
    }
    quality = st.selectbox(
        t("Quality (time on two cores, at ×2)", "품질(코어 두 개, ×2 기준 시간)"),
        list(RECIPES),
        format_func=words.__getitem__,
        key=state.kept("quality", config.quality, RECIPES),
    )
    raw = {"picture": picture, "scale": scale, "quality": quality}
    sources = {
        "run": t(f"as in this run ({_kernel_words(config)})", f"이 실행과 같음({_kernel_words(config)})"),
        "estimate": t("estimate it from the picture", "사진에서 추정"),
        "file": t("a kernel of your own (.npy)", "직접 올린 커널(.npy)"),
    }
    label = t("Kernel by which it was shrunk", "축소에 쓰인 커널")
    source = st.selectbox(
        label, list(sources), format_func=sources.__getitem__, key=state.kept("kernel", "run", sources)
    )
    complete = True
    if source == "estimate":
        raw["kernel"] = "estimate"
    if source == "file":
        label = t("Kernel (.npy, rows × columns)", "커널(.npy, 행 × 열)")
        file = state.upload(label, ["npy"], "kernel-file", 1)
        complete = file is not None
        if file:
            raw["kernel"] = parse_kernel(file[1], file[0])
    if complete:
        predictor.encode(raw)  # raises UserError for a picture that cannot be enlarged
    st.image(
        picture,
        caption=t(f"{picture.shape[1]} × {picture.shape[0]} pixels", f"{picture.shape[1]} × {picture.shape[0]} 픽셀"),
    )
    return (raw if complete else None), name


def _kernel_words(config: Config) -> str:
    return {
        "true": korean(kernel_name(config)),
        "bicubic": t("bicubic", "바이큐빅"),
        "estimate": t("estimated", "추정값"),
    }[config.assume]


class Learning:
    """A picture that is being enlarged, in a thread of its own: it goes on when its visitor opens another tab or page."""

    def __init__(self, stream: Iterator[dict]):
        self.answer: dict | None = None  # the last one so far
        self.losses: list[dict] = []
        self.done, self.failed, self.cancelled = False, "", False
        threading.Thread(target=self._run, args=(stream,), daemon=True).start()

    def _run(self, stream: Iterator[dict]) -> None:
        try:
            with contextlib.closing(stream):  # type: ignore[type-var]
                for answer in stream:
                    if self.cancelled:
                        return
                    if answer["loss"] is not None:
                        self.losses.append({"step": answer["progress"], "loss": 255 * answer["loss"]})
                    self.answer = answer
            self.done = True
        except shared.UserError as error:
            self.failed = str(error)


@st.cache_resource
def _learnings() -> dict[str, Learning]:
    """What all visitors have had enlarged, by `Predictor.key`. The oldest one is removed first."""
    return {}


def _learn(predictor, raw: dict) -> dict | None:
    """The finished answer; until then a button that starts the learning, or the picture so far, and None."""
    key, learnings = predictor.key(raw), _learnings()
    learning = learnings.get(key)
    if learning and learning.failed:
        raise shared.UserError(learnings.pop(key).failed)
    if learning and learning.done:
        return learning.answer
    if learning:
        _watch(raw, key)
        return None
    if st.button(t("Learn and enlarge", "학습하고 확대하기"), type="primary", key="enlarge"):
        while len(learnings) >= MAX_RESULTS:
            learnings.pop(next(iter(learnings))).cancelled = True
        learnings[key] = Learning(predictor.stream(raw))
        st.rerun()
    _so_far(raw, None)
    return None


@st.fragment(run_every=1.0)
@shared.errors_shown()
def _watch(raw: dict, key: str) -> None:
    """How far the learning has come, and a button that ends it."""
    learning = _learnings().get(key)
    if learning is None or learning.done or learning.failed:
        st.rerun()
        return
    if st.button(t("Cancel", "취소"), key="cancel"):
        learning.cancelled = True
        _learnings().pop(key)
        st.rerun()
    answer = learning.answer
    progress, seconds = (answer["progress"], answer["seconds"]) if answer else (0.0, 0.0)
    rest = f"{seconds / progress * (1 - progress):.0f}" if progress > 0.02 else ""
    st.progress(progress, f"{progress:.0%}" + (t(f", {rest} s left", f", {rest}초 남았습니다") if rest else ""))
    if learning.losses:
        st.altair_chart(_curve(learning.losses.copy()))  # the thread goes on
    _so_far(raw, answer["picture"] if answer else None)


def _so_far(raw: dict, picture: np.ndarray | None) -> None:
    words = (
        t("So far", "지금까지") if picture is not None else t("Bicubic, nothing learnt yet", "바이큐빅 보간(학습 전)")
    )
    st.image(
        baseline(raw["picture"], raw["scale"], "bicubic") if picture is None else picture,
        caption=words,
        width="stretch",
    )


def _curve(losses: list[dict]) -> alt.Chart:
    return (
        alt.Chart(pd.DataFrame(losses), height=180)
        .mark_line(color="#0072B2")
        .encode(
            x=alt.X("step", title=t("progress of the learning", "학습 진행률"), axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("loss", title=t("error (levels)", "오차(밝기 단계)"), scale=alt.Scale(type="log", nice=False)),
        )
    )  # fmt: skip


@st.fragment
@shared.errors_shown()
def _compare(low: np.ndarray, large: np.ndarray) -> None:
    """Before and after in one picture. The visitor moves the line between them."""
    scale = large.shape[0] // low.shape[0]
    methods = {"bicubic": t("bicubic", "바이큐빅 보간"), "nearest": t("pixels", "픽셀 그대로")}
    with st.container(horizontal=True, gap="medium"):  # wraps on a narrow page
        method = state.choice(t("Before", "전"), "before", methods)
        zoom = state.choice(t("Zoom", "확대"), "zoom", {z: f"{z}×" for z in (1, 2, 4)})
    label = t("The line between before and after", "전과 후를 나누는 선")
    canvas.wipe(*(_middle(picture, zoom) for picture in (baseline(low, scale, method), large)), label, "wipe")
    st.caption(
        t(
            f"Drag the line. Left of it: {methods[method]}. Right of it: the network's answer.",
            f"선을 끌어 보세요. 왼쪽은 {methods[method]}, 오른쪽은 신경망의 결과입니다.",
        )
    )


def _middle(picture: np.ndarray, zoom: int) -> np.ndarray:
    """The middle of the picture, with each pixel repeated `zoom` times in both directions."""
    height, width = picture.shape[:2]
    top, left = (height - height // zoom) // 2, (width - width // zoom) // 2
    part = picture[top : top + height // zoom, left : left + width // zoom]
    return part.repeat(zoom, axis=0).repeat(zoom, axis=1)


def data(run: Run) -> None:
    shared.data_head(run)
    config = run.config
    splits = load_splits(config, run)
    st.caption(
        t(
            "Validation pictures. Left: the original. Right: the network's input, shown at the same size.",
            "검증 사진입니다. 왼쪽은 원본, 오른쪽은 신경망의 입력입니다(같은 크기로 표시).",
        )
    )
    for picture in splits.validation.inputs[:6]:
        low, truth = degraded(picture, config)
        left, right = st.columns(2)
        left.image(truth, caption=f"{plain(picture.name)}: {truth.shape[1]} × {truth.shape[0]}", width="stretch")
        right.image(baseline(low, config.scale, "nearest"), caption=f"{low.shape[1]} × {low.shape[0]}", width="stretch")
    st.subheader(t("Figures of the test pictures", "테스트 사진별 점수"))
    shared.table(shared.table_file(run, "pictures"))


def inside(run: Run) -> None:
    from projects.super_resolution.learn import last_fold, stages
    from projects.super_resolution.model import build_model

    predictor = shared.predictor(run)
    config, low = predictor.config, predictor.examples[0]["picture"]
    kernel, _ = resolve_kernel(assumed_kernel(config), low, config.scale)
    answer = predictor.predict(predictor.examples[0])["picture"]
    st.subheader(t("What it learns from", "학습 데이터"))
    st.write(
        t(
            "The small picture is shrunk once more, and the network learns to undo that. Here are four random crops: the input above, the target below.",
            "작은 사진을 한 번 더 줄이고, 신경망은 이를 되돌리는 법을 배웁니다. 아래는 무작위로 자른 조각 네 개의 입력(위)과 정답(아래)입니다.",
        )
    )
    small = to_ycbcr(low.astype(float))
    pairs = Pairs([small], stages(config, kernel)[0], 64, kernel, np.random.default_rng(0))
    for column in st.columns(4):
        question, correction = pairs.draw_crop()
        question = 255 * (question + 0.5)
        for part in (question, question + 255 * correction):
            column.image(as_uint8(to_rgb(part)), width="stretch")
    st.subheader(t("What it adds", "신경망이 더하는 것"))
    estimate = as_uint8(to_rgb(enlarge(small, config.scale, answer.shape[:2], kernel)))
    added = np.clip(128 + 4 * (answer.astype(float) - estimate), 0, 255).astype(np.uint8)
    columns = st.columns(3)
    columns[0].image(estimate, caption=t("the start: a linear estimate", "출발점: 선형 추정"), width="stretch")
    columns[1].image(added, caption=t("what it adds, four times as strong", "더한 값(네 배로 확대)"), width="stretch")
    columns[2].image(answer, caption=t("the answer", "결과"), width="stretch")
    st.subheader(t("The network", "신경망 구조"))
    shared.drawing(build_model(config, {"fold": last_fold(config, kernel)}))
    shared.code(run.project)


shared.page("super_resolution", try_it, data, inside)
