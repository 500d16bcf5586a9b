"""The page of super-resolution: `python -m streamlit run apps/super_resolution.py`."""

import contextlib
import io

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import t
from common.inputs.images import picture_bytes
from common.runs import Run
from projects.super_resolution.blur import resolve_kernel
from projects.super_resolution.config import RECIPES, Config
from projects.super_resolution.data import assumed_kernel, degraded, kernel_name, load_data
from projects.super_resolution.evaluate import baseline
from projects.super_resolution.learn import Pairs, last_fold, stages
from projects.super_resolution.model import build_model
from projects.super_resolution.predict import MAX_PIXELS, checked_kernel
from projects.super_resolution.resize import as_uint8, enlarge, to_rgb, to_ycbcr

KEPT_RESULTS = 16


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    left, right = st.columns([1, 2])
    raw = None  # so it stays where a picture is refused
    with left, shared.errors_shown():
        raw, name = _input(predictor)
    if raw is None:
        return
    with right, shared.errors_shown():
        answer = predictor.kept(raw) or _results().get(predictor.key(raw))
        if answer is None:
            answer = _learn(predictor, raw, left)
        if answer is not None:
            _compare(raw["picture"], answer["picture"])
            st.caption(t(f"Kernel that was undone: {answer['kernel']}.", f"되돌린 커널: {answer['kernel']}."))
            st.download_button(
                t("Download as PNG", "PNG로 내려받기"),
                picture_bytes(answer["picture"]),
                f"{name}-large.png",
                "image/png",
            )
            shared.show_answer(answer)


def _input(predictor) -> tuple[dict | None, str]:
    """The raw input that the visitor has put together, and a name for the download."""
    config = predictor.config
    picture, name = shared.picture_input(predictor.examples, t("A small picture", "작은 사진"), MAX_PIXELS)
    if picture is None:
        return None, ""
    scale = st.segmented_control(
        t("Times larger", "배율"),
        (2, 3, 4),
        default=config.scale,
        format_func=lambda s: f"×{s}",
        key="scale",
        required=True,
    )
    words = {
        "fast": t("fast: the quickest", "빠르게"),
        "default": t("default: about half a minute", "기본: 30초쯤"),
        "best": t("best: some minutes", "최고: 몇 분"),
    }
    quality = st.selectbox(
        t("Quality (time on two cores, at ×2)", "품질 (코어 두 개, ×2 기준 시간)"),
        list(RECIPES),
        list(RECIPES).index(config.quality),
        format_func=words.__getitem__,
    )
    raw = {"picture": picture, "scale": scale, "quality": quality}
    ways = {
        "run": t(f"as in this run ({_kernel_words(config)})", f"이 실행과 같음 ({_kernel_words(config)})"),
        "estimate": t("estimate it from the picture", "사진에서 추정"),
        "file": t("a kernel of your own (.npy)", "직접 올린 커널 (.npy)"),
    }
    way = st.selectbox(
        t("How it was made small", "어떻게 줄였는가"), list(ways), format_func=ways.__getitem__, key="kernel"
    )
    complete = True
    if way == "estimate":
        raw["kernel"] = "estimate"
    if way == "file":
        label = t("Kernel (.npy, rows × columns)", "커널 (.npy, 행 × 열)")
        file = st.file_uploader(label, type=["npy"], max_upload_size=1)
        complete = file is not None
        if complete:
            raw["kernel"] = _kernel(file.getvalue(), file.name)
    st.image(
        picture,
        caption=t(f"{picture.shape[1]} × {picture.shape[0]} pixels", f"{picture.shape[1]} × {picture.shape[0]} 픽셀"),
    )
    return (raw if complete else None), name


def _kernel_words(config: Config) -> str:
    return {"true": kernel_name(config), "bicubic": "bicubic", "estimate": t("estimated", "추정")}[config.assume]


def _kernel(content: bytes, name: str) -> np.ndarray | None:
    try:
        return checked_kernel(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
    except (ValueError, OSError, EOFError):
        raise shared.UserError(
            t(f"{name} is not a .npy file of numbers.", f"{name}: 숫자로 된 .npy 파일이 아닙니다.")
        ) from None


@st.cache_resource
def _results() -> dict[str, dict]:
    """Finished answers of all visitors, by picture, knobs and kernel; the oldest make room."""
    return {}


def _learn(predictor, raw: dict, left) -> dict | None:
    """The picture while it learns, the curve in the column `left`; None before it is asked for and when it is cancelled."""
    buttons, bar, picture = st.container(horizontal=True), st.empty(), st.empty()  # a tall picture hides no button
    picture.image(
        baseline(raw["picture"], raw["scale"], "bicubic"),
        caption=t("Bicubic, nothing learnt yet", "바이큐빅 (아직 학습 전)"),
        width="stretch",
    )
    if not buttons.button(t("Learn and enlarge", "학습하고 키우기"), type="primary", key="enlarge"):
        return None
    # Any click ends this script at its next line and closes the stream; this button exists to be clicked.
    buttons.button(t("Cancel", "취소"), key="cancel")
    chart, losses, shown = left.empty(), [], None
    with contextlib.closing(predictor.stream(raw)) as stream:
        for answer in stream:
            progress, seconds = answer["progress"], answer["seconds"]
            words = f"{progress:.0%}"
            if progress > 0.02:
                rest = seconds / progress * (1 - progress)
                words += t(f", {rest:.0f} s left", f", {rest:.0f}초 남음")
            bar.progress(progress, words)
            if answer["loss"] is not None:
                losses.append({"step": progress, "loss": 255 * answer["loss"]})
                chart.altair_chart(_curve(losses))
            if answer["picture"] is not shown:
                shown = answer["picture"]
                picture.image(shown, caption=t("So far", "지금까지"), width="stretch")
    results = _results()
    while len(results) >= KEPT_RESULTS:
        results.pop(next(iter(results)))
    results[predictor.key(raw)] = answer
    st.rerun()


def _curve(losses: list[dict]) -> alt.Chart:
    return (
        alt.Chart(pd.DataFrame(losses), height=180)
        .mark_line(color="#0072B2")
        .encode(
            x=alt.X("step", title=t("share of the learning", "학습 진행"), axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("loss", title=t("error (levels)", "오차 (밝기 단계)"), scale=alt.Scale(type="log", nice=False)),
        )
    )  # fmt: skip


@st.fragment
def _compare(low: np.ndarray, large: np.ndarray) -> None:
    """Before and after in one picture, with a line to push from one to the other."""
    scale = large.shape[0] // low.shape[0]
    methods = {"bicubic": t("bicubic", "바이큐빅"), "nearest": t("pixels", "픽셀")}
    controls = st.container(horizontal=True, gap="medium")  # wraps where it is narrow
    method = controls.segmented_control(
        t("Before", "전"), list(methods), default="bicubic", format_func=methods.__getitem__, required=True
    )
    zoom = controls.segmented_control(
        t("Zoom", "확대"), (1, 2, 4), default=1, format_func=lambda z: f"{z}×", required=True
    )
    share = controls.slider(t("← before · after →", "← 전 · 후 →"), 0, 100, 50, format="%d %%", key="wipe", width=170)
    pictures = [_middle(picture, zoom) for picture in (baseline(low, scale, method), large)]
    st.image(wiped(*pictures, share / 100), width="stretch")
    st.caption(
        t(
            f"Left of the line: {methods[method]}. Right of it: what the network made of it.",
            f"선의 왼쪽은 {methods[method]}, 오른쪽은 신경망이 만든 그림입니다.",
        )
    )


def _middle(picture: np.ndarray, zoom: int) -> np.ndarray:
    height, width = picture.shape[:2]
    top, left = (height - height // zoom) // 2, (width - width // zoom) // 2
    part = picture[top : top + height // zoom, left : left + width // zoom]
    return part.repeat(zoom, axis=0).repeat(zoom, axis=1)


def wiped(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """`before` left of a white line at `share` of the width, `after` right of it."""
    column = round(share * before.shape[1])
    both = np.concatenate([before[:, :column], after[:, column:]], axis=1)
    if 0 < column < before.shape[1]:
        both[:, column : column + max(1, before.shape[1] // 300)] = 255
    return both


def data(run: Run) -> None:
    st.write(run.report["data"]["source"])
    config = run.config
    splits = load_data(config, run.data, run.data_dir)
    st.caption(
        t(
            "Validation pictures: the original, and what the network is given (shown at the same size).",
            "검증 사진입니다. 왼쪽은 원본, 오른쪽은 신경망이 받는 사진(같은 크기로 표시)입니다.",
        )
    )
    for picture in splits.validation.inputs[:6]:
        low, truth = degraded(picture, config)
        left, right = st.columns(2)
        left.image(truth, caption=f"{picture.name}: {truth.shape[1]} × {truth.shape[0]}", width="stretch")
        right.image(baseline(low, config.scale, "nearest"), caption=f"{low.shape[1]} × {low.shape[0]}", width="stretch")
    st.subheader(t("Figures of the test pictures", "테스트 사진별 수치"))
    shared.table(shared.table_file(run, "pictures"))


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    config, low = predictor.config, predictor.examples[0]["picture"]
    kernel, _ = resolve_kernel(assumed_kernel(config), low, config.scale)
    answer = predictor.predict(predictor.examples[0])["picture"]
    st.subheader(t("What it learns from", "무엇으로 배우는가"))
    st.write(
        t(
            "The small picture is shrunk once more; undoing that is the lesson. Here are four of the random crops: above the "
            "question, below the answer.",
            "작은 사진을 한 번 더 줄이고, 그것을 되돌리는 것이 학습 과제입니다. 무작위로 자른 조각 네 개의 문제(위)와 정답(아래)입니다.",
        )
    )
    small = to_ycbcr(low.astype(float))
    pairs = Pairs([small], stages(config, kernel)[0], 64, kernel, np.random.default_rng(0))
    for column in st.columns(4):
        question, lacking = pairs.draw_crop()
        question = 255 * (question + 0.5)
        for part in (question, question + 255 * lacking):
            column.image(as_uint8(to_rgb(part)), width="stretch")
    st.subheader(t("What it adds", "무엇을 더하는가"))
    estimate = as_uint8(to_rgb(enlarge(small, config.scale, answer.shape[:2], kernel)))
    added = np.clip(128 + 4 * (answer.astype(float) - estimate), 0, 255).astype(np.uint8)
    columns = st.columns(3)
    columns[0].image(estimate, caption=t("where it starts: a linear estimate", "출발점: 선형 추정"), width="stretch")
    columns[1].image(added, caption=t("what it adds, four times as strong", "더한 것 (네 배로 과장)"), width="stretch")
    columns[2].image(answer, caption=t("the answer", "결과"), width="stretch")
    st.subheader(t("The network", "신경망"))
    shared.drawing(build_model(config, {"fold": last_fold(config, kernel)}))
    st.subheader(t("The code that builds it", "모델을 만드는 코드"))
    shared.code(run.project, "model")


shared.page("super_resolution", try_it, data, inside)
