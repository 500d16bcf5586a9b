"""One unit that says O or X, how it learns AND and OR, and why XOR needs a second layer."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Perceptron", "ko": "퍼셉트론"}
PROJECT = "fraud_detection"  # its `logistic` is one unit
QUESTION = {
    "en": "A unit has the weights 1 and 1. Which thresholds make it AND, and which make it OR?",
    "ko": "어떤 유닛의 두 가중치가 모두 1입니다. 임곗값이 얼마이면 AND가 되고, 얼마이면 OR가 됩니까?",
}
ANSWER = {
    "en": "The sums are 0, 1, 1 and 2. AND needs a threshold from 1 to below 2, so that the sum 2 alone is above it. OR needs one from 0 to below 1.",
    "ko": "가중합은 0, 1, 1, 2입니다. AND는 합이 2일 때만 임곗값을 넘어야 하므로 임곗값이 1 이상 2 미만이고, OR는 0 이상 1 미만입니다.",
}
EXAMPLE = {"x": np.array([4.0, 3.0, 2.0]), "w": np.array([1.0, 2.0, 3.0]), "threshold": 15.0}
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}


def compute(x: np.ndarray, w: np.ndarray, threshold: float) -> dict[str, Any]:
    """z: the weighted sum. y: 1 where it is above the threshold, else 0."""
    z = float(x @ w)
    return {"z": z, "y": float(z > threshold)}


def keras(x: np.ndarray, w: np.ndarray, threshold: float) -> dict[str, Any]:
    import keras

    layer = keras.layers.Dense(1)  # its bias is minus the threshold
    layer.build((None, len(x)))
    layer.set_weights([w[:, None], np.array([-threshold])])
    above = layer(x[None])[0, 0]
    return {"z": float(above) + threshold, "y": float(above > 0)}


def learn(targets: list[int], steps: int) -> list[dict[str, Any]]:
    """The perceptron's rule on the four corners in turn: w ← w + (t − y) x, threshold ← threshold − (t − y). All start at 0."""
    w, threshold, rows = np.zeros(2), 0.0, []
    for step in range(steps):
        x, target = CORNERS[step % 4], targets[step % 4]
        z = float(x @ w)
        y = int(z > threshold)
        w, threshold = w + (target - y) * x, threshold - (target - y)
        rows.append({"x₁": x[0], "x₂": x[1], "z": z, "y": y, "t": target, "w₁": w[0], "w₂": w[1], "θ": threshold})
    return rows


def two_layers(x: np.ndarray) -> np.ndarray:
    """XOR of corners (n, 2): OR and NAND, then AND of both. Returns (n, 3): OR, NAND, XOR."""
    either = x.sum(axis=1) > 0.5
    not_both = -x.sum(axis=1) > -1.5
    return np.stack([either, not_both, (either.astype(int) + not_both) > 1.5], axis=1).astype(int)


def draw(state: lessons.State) -> dict[str, Any]:
    left, middle, right = st.columns(3)
    with left:
        x = state.numbers(t("Inputs", "입력"), "x", EXAMPLE["x"], 1)[0]
    with middle:
        w = state.numbers(t("Weights", "가중치"), "w", EXAMPLE["w"], 1, len(x))[0]
    with right:
        threshold = state.number(t("Threshold", "임곗값"), "threshold", 15.0, -1000.0, 1000.0)
    values = {"x": x, "w": w, "threshold": threshold}
    z, y = compute(**values).values()
    if len(x) <= 6:
        places = {f"x{i + 1}": (0, -i) for i in range(len(x))} | {"z": (1, -(len(x) - 1) / 2)}
        edges = [(f"x{i + 1}", "z", float(w[i])) for i in range(len(x))]
        texts = {f"x{i + 1}": lessons.plain(x[i]) for i in range(len(x))} | {"z": "O" if y else "X"}
        colours = {"z": lessons.GREEN if y else lessons.RED}
        st.altair_chart(lessons.network(places, edges, colours, 80 + 60 * len(x), texts))
    verdict = r"> {} \Rightarrow \text{{O}}" if y else r"\le {} \Rightarrow \text{{X}}"
    lessons.paper(f"z &= {lessons.weighted_sum(x, w)}", f"&= {lessons.tex(z)} {verdict.format(lessons.tex(threshold))}")
    st.subheader(t("Learning a gate", "논리 게이트 학습하기"))
    gate = state.choice(t("Gate", "게이트"), "gate", {name: name for name in GATES})
    steps = state.slider(t("Steps", "단계 수"), "steps", 24, 1, 40)
    rows = learn(GATES[gate], steps)
    lessons.paper(r"w &\leftarrow w + (t - y)\,x", r"\theta &\leftarrow \theta - (t - y)")
    st.altair_chart(_plane(GATES[gate], rows[-1]))
    st.dataframe(pd.DataFrame(rows, index=range(1, steps + 1)), height=220)
    if gate == "XOR":
        st.write(
            t(
                "One line cannot separate the corners (0, 1) and (1, 0) from the other two, so the rule never converges. Two units draw two lines, OR and NAND. A third unit computes the AND of both:",
                "직선 하나로는 (0, 1)과 (1, 0)을 나머지 두 점과 나눌 수 없어서 학습이 끝나지 않습니다. 두 유닛이 직선 두 개(OR, NAND)를 긋고, 셋째 유닛이 둘의 AND를 구하면 됩니다.",
            )
        )
        table = pd.DataFrame(np.hstack([CORNERS, two_layers(CORNERS)]), columns=["x₁", "x₂", "OR", "NAND", "XOR"])
        st.dataframe(table, hide_index=True)
    return values


def _plane(targets: list[int], last: dict[str, Any]) -> alt.LayerChart:
    """The four corners, O and X, and where the weighted sum is above the threshold."""
    line, w, threshold = np.linspace(-0.5, 1.5, 201), last["w₂"], last["θ"] - last["w₁"] * np.linspace(-0.5, 1.5, 201)
    edge = np.clip(threshold / w, -0.5, 1.5) if w else np.where(threshold < 0, 1.5, -0.5)
    low, high = (edge, 1.5) if w > 0 else (-0.5, edge)
    above = pd.DataFrame({"x": line, "y": low, "y2": high})
    signs = ["O" if target else "X" for target in targets]
    corners = pd.DataFrame({"x": CORNERS[:, 0], "y": CORNERS[:, 1], "t": signs})
    scale, axis = alt.Scale(domain=[-0.52, 1.52], nice=False), alt.Axis(values=[0, 1], format="d")
    x, y = alt.X("x:Q", scale=scale, axis=axis, title="x₁"), alt.Y("y:Q", scale=scale, axis=axis, title="x₂")
    marks = alt.Chart(corners).mark_text(fontSize=26, fontWeight="bold", color=lessons.ink())
    marks = marks.encode(x=x, y=y, text="t")
    ground = alt.Chart(above).mark_area(color=lessons.GREEN, opacity=0.3).encode(x=x, y=y, y2="y2")
    return (ground + marks).properties(height=360)
