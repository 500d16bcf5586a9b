"""Many weighted sums at once are a matrix product; and a weight as a tap that lets a colour flow into a mixture."""

from typing import Any

import numpy as np
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Weighted sums are a matrix product", "ko": "가중합은 행렬의 곱"}
PROJECT = "fraud_detection"
QUESTION = {
    "en": "A table has 1,000 rows of 30 columns, and a layer has 16 units. What is the shape of the weight matrix, and what is the shape of the result?",
    "ko": "표에 30개 열로 된 행이 1,000개 있고, 층에는 유닛이 16개 있습니다. 가중치 행렬과 결과의 모양은 각각 무엇입니까?",
}
ANSWER = {
    "en": "The weights are 30 × 16: a row for each column of the table, a column for each unit. The result is 1,000 × 16.",
    "ko": "가중치는 30 × 16입니다. 표의 열마다 행이 하나, 유닛마다 열이 하나 있습니다. 결과는 1,000 × 16입니다.",
}
EXAMPLE = {
    "x": np.array([[4.0, 3, 2], [2, 9, 1], [3, 3, 2], [2, 4, 1]]),  # a row for each sample, columns a b c
    "w": np.array([[1.0, 2], [3, 4], [5, 6]]),  # w1 w2; w3 w4; w5 w6
}
PAINTS = np.array([[0.85, 0.1, 0.15], [0.95, 0.8, 0.1], [0.1, 0.3, 0.85]])  # red, yellow, blue light
TARGET = np.array([0.2, 0.6, 0.4]) @ PAINTS


def compute(x: np.ndarray, w: np.ndarray) -> dict[str, Any]:
    """x: (samples, inputs), w: (inputs, units). y: (samples, units). y_columns: the same with a column for each sample."""
    return {"y": x @ w, "y_columns": w.T @ x.T}


def keras(x: np.ndarray, w: np.ndarray) -> dict[str, Any]:
    import keras

    layer = keras.layers.Dense(w.shape[1], use_bias=False)
    layer.build((None, w.shape[0]))
    layer.set_weights([w])
    y = layer(x)
    y_columns = keras.ops.matmul(keras.ops.transpose(w), keras.ops.transpose(x))
    return {"y": np.array(y), "y_columns": np.array(y_columns)}


def mixture(taps: np.ndarray) -> np.ndarray:
    """The weighted sum of the three colours: red, green and blue, each from 0 to 1."""
    return np.clip(taps @ PAINTS, 0, 1)


def draw(state: lessons.State) -> dict[str, Any]:
    st.write(
        t(
            "Each row of the table is a sample. Each column of the weights is a unit. Each cell of the result is one weighted sum: click it.",
            "표의 행 하나가 샘플 하나이고, 가중치의 열 하나가 유닛 하나입니다. 결과의 칸 하나가 가중합 하나입니다. 칸을 클릭해 보세요.",
        )
    )
    x = state.numbers(t("The table, columns a b c", "표(열 a b c)"), "x", EXAMPLE["x"])
    w = state.numbers(t("Weights", "가중치"), "w", EXAMPLE["w"], x.shape[1])
    y, y_columns = compute(x, w).values()
    columns = state.toggle(t("Samples as columns", "샘플을 열로 놓기"), "columns")
    row, unit = state.cell(y_columns if columns else y, "cell")
    sample, unit = (unit, row) if columns else (row, unit)
    marked_x, marked_w = np.zeros(x.shape, bool), np.zeros(w.shape, bool)
    marked_x[sample], marked_w[:, unit] = True, True
    left, right = st.columns(2)
    left.caption(t(f"Sample {sample + 1}", f"샘플 {sample + 1}"))
    right.caption(t(f"The weights of unit {unit + 1}", f"유닛 {unit + 1}의 가중치"))
    left.altair_chart(lessons.heat(x, marked_x))
    right.altair_chart(lessons.heat(w, marked_w))
    name = f"y_{{{sample + 1},{unit + 1}}}"
    letters = " + ".join(rf"{lessons.tex(a)} \cdot w_{{{i * w.shape[1] + unit + 1}}}" for i, a in enumerate(x[sample]))
    lessons.paper(
        f"{name} &= {letters}",
        f"&= {lessons.weighted_sum(x[sample], w[:, unit])}",
        f"&= {lessons.tex(y[sample, unit])}",
    )
    if x.size <= 24 and w.size <= 24:
        product = f"{lessons.tex(w.T)} {lessons.tex(x.T)}" if columns else f"{lessons.tex(x)} {lessons.tex(w)}"
        lessons.paper(f"&{product}", f"&= {lessons.tex(y_columns if columns else y)}")
    _taps(state)
    return {"x": x, "w": w}


def _taps(state: lessons.State) -> None:
    """Three taps, the mixture and the colour that is wanted."""
    st.subheader(t("A weight is a tap", "가중치는 수도꼭지입니다"))
    st.write(
        t(
            "Each weight lets one colour flow. The mixture is the weighted sum. Turn the taps until the mixture has the wanted colour. Training does the same.",
            "가중치 하나가 물감 하나의 양을 정하고, 섞인 색이 가중합입니다. 원하는 색이 될 때까지 꼭지를 돌려 보세요. 학습도 이와 같은 일을 합니다.",
        )
    )
    names = (t("Red tap", "빨간 꼭지"), t("Yellow tap", "노란 꼭지"), t("Blue tap", "파란 꼭지"))
    taps = np.zeros(3)
    for place, (column, name) in enumerate(zip(st.columns(3), names, strict=True)):
        with column:
            taps[place] = state.slider(name, f"tap{place + 1}", 0.5, 0.0, 1.0, 0.05)
    mixed = mixture(taps)
    colours = {f"w{i + 1}": _hex(paint) for i, paint in enumerate(PAINTS)}
    colours |= {"mixture": _hex(mixed), "wanted": _hex(TARGET)}
    places = {"w1": (0, 0), "w2": (0, -1), "w3": (0, -2), "mixture": (1, -1), "wanted": (1.4, -1)}
    texts = {"mixture": "", "wanted": "?"}
    edges = [(f"w{i + 1}", "mixture", float(tap)) for i, tap in enumerate(taps)]
    st.altair_chart(lessons.network(places, edges, colours, 240, texts))
    error = float(((mixed - TARGET) ** 2).sum())
    lessons.paper(
        rf"\text{{{t('error', '오차')}}} &= \textstyle\sum (\text{{{t('mixture', '섞인 색')}}} - \text{{{t('wanted', '원하는 색')}}})^2",
        f"&= {lessons.tex(error)}",
    )
    if error < 1e-3:
        st.success(t("The colour is right.", "원하는 색이 되었습니다."))


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)
