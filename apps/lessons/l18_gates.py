"""The gates of an LSTM and a GRU, step by step, with one unit, so that every gate is one number."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "The gates of LSTM and GRU", "ko": "LSTM과 GRU의 게이트"}
PROJECT = "adding_problem"
QUESTION = {
    "en": "Keras starts the bias of the forget gate at 1. The other numbers start near 0. After how many steps has the cell lost half of what it held?",
    "ko": "케라스는 망각 게이트의 편향을 1에서 시작하고, 다른 값은 0 근처에서 시작합니다. 셀에 담긴 값은 몇 단계 뒤에 절반이 됩니까?",
}
ANSWER = {
    "en": "The forget gate is σ(1) = 0.731. The cell keeps 0.731 of its value at each step, and 0.731² = 0.534, 0.731³ = 0.391. So half is lost after a little more than two steps. With a bias of 5 it takes about 103 steps.",
    "ko": "망각 게이트는 σ(1) = 0.731입니다. 셀은 단계마다 값의 0.731배를 유지하고 0.731² = 0.534, 0.731³ = 0.391이므로, 두 단계를 조금 넘기면 절반이 됩니다. 편향이 5이면 약 103단계가 걸립니다.",
}
# Rows: from the input, from the state, bias. Columns: the gates in the order of Keras.
REMEMBERS = {
    "lstm": np.array([[6.0, 0, 4, 0], [0, 0, 0, 0], [-3, 5, 0, 3]]),  # i f g o
    "gru": np.array([[-6.0, 0, 4], [0, 0, 0], [3, 3, 0]]),  # z r h
}
FORGETS = {
    "lstm": np.array([[6.0, 0, 4, 0], [0, 0, 0, 0], [-3, 1, 0, 3]]),
    "gru": np.array([[-6.0, 0, 4], [0, 0, 0], [0.5, 3, 0]]),
}
EXAMPLE = {"x": np.array([1.0, 0, 0, 0, 0, -1, 0, 0]), "weights": FORGETS["lstm"], "cell": "lstm"}
COLUMNS = {"lstm": ("i", "f", "g", "o"), "gru": ("z", "r", "g")}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))


def compute(x: np.ndarray, weights: np.ndarray, cell: str) -> dict[str, np.ndarray]:
    """x: (steps,). weights: (3, gates). Each gate, the candidate g, and the states by step, from zero states."""
    h = c = 0.0
    rows = []
    for value in x:
        a = weights[0] * value + weights[1] * h + weights[2]
        if cell == "lstm":
            i, f, g, o = sigmoid(a[0]), sigmoid(a[1]), np.tanh(a[2]), sigmoid(a[3])
            c = f * c + i * g
            h = o * np.tanh(c)
            rows.append({"i": i, "f": f, "g": g, "o": o, "c": c, "h": h})
        else:
            z, r = sigmoid(a[0]), sigmoid(a[1])
            g = np.tanh(weights[0, 2] * value + r * weights[1, 2] * h + weights[2, 2])
            h = z * h + (1 - z) * g
            rows.append({"z": z, "r": r, "g": g, "h": h})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def keras(x: np.ndarray, weights: np.ndarray, cell: str) -> dict[str, np.ndarray]:
    from keras import layers

    layer = layers.LSTM(1, return_sequences=True) if cell == "lstm" else layers.GRU(1, return_sequences=True)
    layer.build((None, len(x), 1))
    # A GRU of Keras has a second bias, for the state.
    bias = weights[2] if cell == "lstm" else np.stack([weights[2], 0 * weights[2]])
    layer.set_weights([weights[:1], weights[1:2], bias])
    return {"h": layer(x[None, :, None])[0, :, 0].numpy()}


def draw(state: lessons.State) -> dict[str, Any]:
    cell = state.choice(t("Cell", "셀"), "cell", {"lstm": "LSTM", "gru": "GRU"})
    left, right = st.columns(2)
    for column, label, matrix in ((left, t("A cell that forgets", "망각하는 셀"), FORGETS), (right, t("A cell that remembers", "기억하는 셀"), REMEMBERS)):  # fmt: skip
        text = "; ".join(" ".join(map(lessons.plain, row)) for row in matrix[cell])
        column.button(label, on_click=state.put, kwargs={f"weights-{cell}": text}, width="stretch")
    x = state.numbers(t("Inputs, one a step", "입력(단계마다 하나)"), "x", EXAMPLE["x"], 1)[0][:60]
    label = t(f"Weights (rows: x, h, bias; columns: {' '.join(COLUMNS[cell])})", f"가중치(행: x, h, 편향. 열: {' '.join(COLUMNS[cell])})")  # fmt: skip
    weights = state.numbers(label, f"weights-{cell}", FORGETS[cell], 3, len(COLUMNS[cell]))
    values = {"x": x, "weights": weights, "cell": cell}
    result = compute(**values)
    names = {"x": t("input x", "입력 x"), "i": t("input gate i", "입력 게이트 i"), "f": t("forget gate f", "망각 게이트 f"), "o": t("output gate o", "출력 게이트 o"), "z": t("update gate z", "갱신 게이트 z"), "r": t("reset gate r", "리셋 게이트 r"), "g": t("candidate g", "후보 g"), "c": t("cell c", "셀 c"), "h": t("hidden state h", "은닉 상태 h")}  # fmt: skip
    st.altair_chart(_bars({names[name]: {"x": x, **result}[name] for name in names if name == "x" or name in result}))
    step = state.slider(t("Step on paper", "식으로 보일 단계"), "step", 1, 1, len(x)) if len(x) > 1 else 1
    now = {name: lessons.tex(value[step - 1]) for name, value in result.items()}
    before = {name: lessons.tex(value[step - 2]) if step > 1 else "0" for name, value in result.items()}
    signed = {name: f"({text})" if text.startswith("-") else text for name, text in (now | {"h0": before["h"], "c0": before.get("c", "0")}).items()}  # fmt: skip

    def gate(name: str, function: str, reset: str = "") -> str:
        w = weights[:, COLUMNS[cell].index(name)]
        return rf"{name}_{{{step}}} &= {function}({lessons.signed(w[0])} \cdot {lessons.signed(x[step - 1])} + {reset}{lessons.signed(w[1])} \cdot {signed['h0']} + {lessons.signed(w[2])}) = {now[name]}"  # fmt: skip

    if cell == "lstm":
        lessons.paper(
            gate("i", r"\sigma"), gate("f", r"\sigma"), gate("g", r"\tanh"), gate("o", r"\sigma"),
            rf"c_{{{step}}} &= f c_{{{step - 1}}} + i g", rf"&= {signed['f']} \cdot {signed['c0']} + {signed['i']} \cdot {signed['g']} = {now['c']}",
            rf"h_{{{step}}} &= o \tanh c_{{{step}}}", rf"&= {signed['o']} \cdot \tanh {signed['c']} = {now['h']}",
        )  # fmt: skip
    else:
        lessons.paper(
            gate("z", r"\sigma"), gate("r", r"\sigma"), gate("g", r"\tanh", rf"{signed['r']} \cdot "),
            rf"h_{{{step}}} &= z h_{{{step - 1}}} + (1-z) g", rf"&= {signed['z']} \cdot {signed['h0']} + (1 - {signed['z']}) \cdot {signed['g']} = {now['h']}",
        )  # fmt: skip
    st.write(
        t(
            "The cell that forgets has a forget gate of 0.731 (a GRU: an update gate of 0.622): at each step without input the state shrinks by this factor. The cell that remembers has a gate near 1, so the first input is still there at the end.",
            "망각하는 셀의 망각 게이트는 0.731(GRU에서는 갱신 게이트 0.622)이어서, 입력이 없는 단계마다 상태가 이 비율로 줄어듭니다. 기억하는 셀은 게이트가 1에 가까워서 처음 입력이 끝까지 남아 있습니다.",
        )
    )
    return values


def _bars(series: dict[str, np.ndarray]) -> alt.LayerChart:
    """A row of bars for each series, up for positive numbers; a bar as high as its row is 1, or the largest input."""
    rows = []
    for place, (name, values) in enumerate(series.items()):
        largest = max(1.0, float(np.abs(values).max()))
        zero = -1.7 * place
        rows += [{"step": n + 1, "name": name, "value": float(v), "zero": zero, "top": zero + 0.55 * float(v) / largest} for n, v in enumerate(values)]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame["text"] = frame["value"].map("{:.2f}".format)
    y = alt.Y("zero:Q", axis=None, scale=alt.Scale(domain=[-1.7 * len(series) + 0.9, 1.1], nice=False))
    step = alt.X("step:O", title=t("step", "단계"), axis=alt.Axis(labelAngle=0))
    base = alt.Chart(frame, height=74 * len(series))
    bars = base.mark_bar(width={"band": 0.5}, opacity=lessons.SHADE).encode(
        x=step, y=y, y2="top", color=alt.condition("datum.value < 0", alt.value(lessons.ORANGE), alt.value(lessons.BLUE)),
        tooltip=lessons.tooltip("name", "step", "value .4f"),
    )  # fmt: skip
    lines = alt.Chart(frame.drop_duplicates("name"))
    zero = lines.mark_rule(color=lessons.GREY).encode(y="zero:Q")
    label = lines.mark_text(align="left", dy=-35, fontWeight="bold", color=lessons.ink(), x=2).encode(y="zero:Q", text="name")  # fmt: skip
    layers = bars + zero + label
    if len(next(iter(series.values()))) <= 10:
        layers += base.mark_text(dy=9, fontSize=10, color=lessons.ink()).encode(x=step, y="zero:Q", text="text")
    return layers
