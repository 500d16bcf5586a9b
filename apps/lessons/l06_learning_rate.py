"""The learning rate: too small, right, too large; on a curve, and on the network of lesson 5."""

from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t
from apps.lessons.l05_one_step import CORNERS, XOR, start, train_once

TITLE = {"en": "Learning rate", "ko": "학습률"}
PROJECT = "image_classification"
QUESTION = {
    "en": "On the parabola E = w², which learning rate reaches the minimum in one step? From which learning rate on does w never converge?",
    "ko": "포물선 E = w²에서 한 단계 만에 최솟값에 도달하는 학습률은 얼마입니까? 학습률이 얼마 이상이면 w가 수렴하지 않습니까?",
}
ANSWER = {
    "en": "The step is w − α · 2w = (1 − 2α) w. With α = 0.5 it is 0. With α = 1 it is −w, so w jumps back and forth. Above 1 it grows.",
    "ko": "한 단계는 w − α · 2w = (1 − 2α) w입니다. α = 0.5이면 0이 됩니다. α = 1이면 −w가 되어 양쪽을 오가고, 1보다 크면 점점 커집니다.",
}
EXAMPLE = {"curve": "valleys", "w": 2.0, "rate": 0.05, "steps": 20}
FORMULAS = {"parabola": "E = w^2", "valleys": r"E = \tfrac14 w^4 - w^2 + \tfrac12 w"}
FAR = 1e6  # a path that gets so far is cut off


def error(curve: str, w: Any) -> tuple[Any, Any]:
    """E and ∂E/∂w of a curve of FORMULAS."""
    return (w**2, 2 * w) if curve == "parabola" else (w**4 / 4 - w**2 + w / 2, w**3 - 2 * w + 0.5)


def compute(curve: str, w: float, rate: float, steps: int) -> dict[str, Any]:
    """w: the path of gradient descent, before the first step and after each; it ends where |w| is above FAR."""
    path = [w]
    while len(path) <= steps and abs(path[-1]) <= FAR:
        path.append(path[-1] - rate * error(curve, path[-1])[1])
    return {"w": np.array(path)}


def keras(curve: str, w: float, rate: float, steps: int) -> dict[str, Any]:
    import keras
    import numpy as np
    import tensorflow as tf

    w, optimizer = keras.Variable(w), keras.optimizers.SGD(rate)
    path = [float(w)]
    while len(path) <= steps and abs(path[-1]) <= 1e6:
        with tf.GradientTape() as tape:
            E = w**2 if curve == "parabola" else w**4 / 4 - w**2 + w / 2
        optimizer.apply([tape.gradient(E, w.value)], [w])
        path.append(float(w))
    return {"w": np.array(path)}


def draw(state: lessons.State) -> dict[str, Any]:
    curve = state.choice(
        t("Curve", "곡선"), "curve", {"parabola": t("a parabola", "포물선"), "valleys": t("two valleys", "두 골짜기")}
    )
    st.latex(FORMULAS[curve])
    columns = st.columns(3)
    with columns[0]:
        w = state.number(t("Start w", "w의 초깃값"), "w", 2.0, -3.0, 3.0, 0.1)
    with columns[1]:
        rate = state.number(t("Learning rate α", "학습률 α"), "rate", 0.1, 0.0, 10.0, 0.05)
    with columns[2]:
        steps = state.number(t("Steps", "단계 수"), "steps", 10, 1, 100)
    path = compute(curve, w, rate, steps)["w"]
    line = np.linspace(-3, 3, 121)
    hill = pd.DataFrame({"w": line, "E": error(curve, line)[0]})
    walk = pd.DataFrame({"w": path, "E": error(curve, path)[0], "step": range(len(path))})
    walk = walk[walk["w"].abs() <= 3]
    scale = alt.Scale(domain=[-3, 3])
    base = alt.Chart(walk).encode(x=alt.X("w:Q", scale=scale), y="E:Q", order="step")
    ground = alt.Chart(hill).mark_line(color=lessons.GREY).encode(x=alt.X("w:Q", scale=scale), y="E:Q")
    trace = base.mark_line(color=lessons.ORANGE, strokeWidth=1.5)
    dots = base.mark_circle(color=lessons.RED, size=70, opacity=1).encode(tooltip=lessons.tooltip("step", "w", "E"))
    st.altair_chart((ground + trace + dots).properties(height=340))
    lines = []
    for old, new in pairwise(path[:5]):
        slope = lessons.signed(error(curve, old)[1])
        lines.append(rf"w &\leftarrow {lessons.tex(old)} - {lessons.tex(rate)} \cdot {slope} = {lessons.tex(new)}")
    lessons.paper(*lines, *([r"&\;\;\vdots", rf"w &= {lessons.tex(path[-1])}"] if len(path) > 5 else []))
    _verdict(curve, path, steps)
    _network(state)
    return {"curve": curve, "w": w, "rate": rate, "steps": steps}


def _verdict(curve: str, path: np.ndarray, steps: int) -> None:
    slope = abs(error(curve, path[-1])[1])
    if len(path) <= steps or abs(path[-1]) > max(3, abs(path[0])):
        st.error(t("Too large: w diverges.", "너무 큽니다. w가 발산합니다."))
    elif slope < 0.01:
        st.success(t("w has converged: the slope is almost 0.", "w가 수렴했습니다. 기울기가 거의 0입니다."))
    elif np.all(np.diff(np.sign(np.diff(path))) == 0):
        st.info(
            t(
                "w has not arrived yet. A small learning rate needs more steps.",
                "w가 아직 최솟값에 도달하지 않았습니다. 학습률이 작으면 더 많은 단계가 필요합니다.",
            )
        )
    else:
        st.warning(t("w jumps back and forth over the minimum.", "w가 최솟값의 양쪽을 오갑니다."))


def _network(state: lessons.State) -> None:
    """The error of lesson 5's network on XOR, by learning rate."""
    st.subheader(t("On the network of lesson 5: XOR", "5단원의 신경망에서: XOR"))
    own = state.number(t("Your learning rate", "직접 정한 학습률"), "own", 10.0, 0.0, 1000.0, 1.0)
    seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 9999)
    parts = []
    for rate in sorted({0.1, 1.0, 5.0, 100.0, own}):
        errors = train_once(start("glorot", seed), CORNERS, XOR, rate, 600)[1][::5]
        parts.append(pd.DataFrame({"step": range(0, 600, 5), "E": errors, "α": lessons.plain(rate)}))
    colour = alt.Color("α:N", sort=None, legend=alt.Legend(orient="top"))
    chart = alt.Chart(pd.concat(parts), height=340).mark_line()
    st.altair_chart(chart.encode(x=alt.X("step:Q", title=t("step", "단계")), y="E:Q", color=colour))
