"""Activation functions: their values, their derivatives, where they saturate, and what ten of them do to a signal."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Activation functions", "ko": "활성화 함수"}
PROJECT = "image_classification"
QUESTION = {
    "en": "The largest derivative of the sigmoid is 0.25. What is left of a gradient, at most, after ten layers of sigmoids with weights of 1?",
    "ko": "시그모이드의 도함수는 최댓값이 0.25입니다. 가중치가 1인 시그모이드 층 열 개를 지나면 기울기는 최대 얼마나 남습니까?",
}
ANSWER = {
    "en": "0.25 to the power of 10, about 0.00000095. This is the vanishing gradient. The derivative of ReLU is 1 where its input is positive.",
    "ko": "0.25의 10제곱, 약 0.00000095입니다. 이것이 기울기 소실입니다. ReLU는 입력이 양수이면 도함수가 1입니다.",
}
EXAMPLE = {"function": "sigmoid", "x": np.array([-2.0, -0.5, 1.0, 3.0]), "z": np.array([2.0, 1.0, 0.1])}
FORMULAS = {
    "step": r"f(x) = 1 \text{ if } x > 0 \text{ else } 0",
    "sigmoid": r"f(x) = \frac{1}{1 + e^{-x}}, \quad f' = f\,(1 - f)",
    "tanh": r"f(x) = \tanh x, \quad f' = 1 - f^2",
    "relu": r"f(x) = \max(0, x)",
    "leaky_relu": r"f(x) = \max(0.2\,x,\; x)",
    "elu": r"f(x) = x \text{ if } x > 0 \text{ else } e^x - 1",
    "softplus": r"f(x) = \ln(1 + e^x), \quad f' = \frac{1}{1 + e^{-x}}",
    "silu": r"f(x) = \frac{x}{1 + e^{-x}}",
}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def activate(function: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a function of FORMULAS, and its derivatives. At a corner, the derivative is that on the left."""
    s, on = sigmoid(x), (x > 0).astype(float)
    small = np.minimum(x, 0)
    return {
        "step": (on, np.zeros_like(x)),
        "sigmoid": (s, s * (1 - s)),
        "tanh": (np.tanh(x), 1 - np.tanh(x) ** 2),
        "relu": (x * on, on),
        "leaky_relu": (np.where(on, x, 0.2 * x), np.where(on, 1, 0.2)),
        "elu": (np.where(on, x, np.expm1(small)), np.where(on, 1, np.exp(small))),
        "softplus": (np.logaddexp(0, x), s),
        "silu": (x * s, s * (1 + x * (1 - s))),
    }[function]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def compute(function: str, x: np.ndarray, z: np.ndarray) -> dict[str, Any]:
    """y, dy: values and derivatives at x. p, dp: softmax of z, and its Jacobian p_i ([i = j] − p_j)."""
    y, dy = activate(function, x)
    p = softmax(z)
    return {"y": y, "dy": dy, "p": p, "dp": np.diag(p) - np.outer(p, p)}


def keras(function: str, x: np.ndarray, z: np.ndarray) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    x, z = tf.constant(x), tf.constant(z)
    # Keras has no step: its derivative is 0, so nothing could learn through it.
    f = (lambda x: keras.ops.cast(x > 0, x.dtype)) if function == "step" else keras.activations.get(function)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, z])
        y, p = f(x), keras.activations.softmax(z[None])[0]
    dy, dp = tape.gradient(y, x, unconnected_gradients="zero"), tape.jacobian(p, z)
    return {"y": y.numpy(), "dy": dy.numpy(), "p": p.numpy(), "dp": dp.numpy()}


def stack(function: str, x: np.ndarray, weight: float, depth: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """x after 0 to `depth` layers x ← f(weight · x), and its derivative by the first x: two arrays (depth + 1, n)."""
    values, slopes = [x], [np.ones_like(x)]
    for _ in range(depth):
        y, dy = activate(function, weight * values[-1])
        values.append(y)
        slopes.append(slopes[-1] * dy * weight)
    return np.array(values), np.array(slopes)


def draw(state: lessons.State) -> dict[str, Any]:
    names = {name: name.replace("_", " ") for name in FORMULAS}
    names["step"] = t("step", "계단 함수")
    left, right = st.columns(2)
    with left:
        function = state.choice(
            t("Function", "함수"), "function", dict(sorted(names.items(), key=lambda name: name[0] != "sigmoid"))
        )
    with right:
        x = state.numbers(t("Inputs", "입력"), "x", EXAMPLE["x"], 1)[0]
    y, dy = activate(function, x)
    st.latex(FORMULAS[function])
    line = np.linspace(-6, 6, 241)
    values, slopes = activate(function, line)
    kinds = ("f(x)", "f′(x)")
    curves = pd.DataFrame({"x": np.tile(line, 2), "y": np.r_[values, slopes], "kind": np.repeat(kinds, len(line))})
    points = pd.DataFrame({"x": np.tile(x, 2), "y": np.r_[y, dy], "kind": np.repeat(kinds, len(x))})
    points = points[points["x"].abs() <= 6]
    colour = alt.Color("kind:N", title=None, sort=kinds, legend=alt.Legend(orient="top"))
    flat = pd.DataFrame({"x": line[np.abs(slopes) < 0.01]})
    shade = alt.Chart(flat).mark_rule(color=lessons.GREY, opacity=0.15, strokeWidth=3).encode(x="x:Q")
    drawn = alt.Chart(curves).mark_line().encode(x="x:Q", y=alt.Y("y:Q", title=None), color=colour)
    dots = (
        alt.Chart(points)
        .mark_circle(size=80, opacity=1)
        .encode(x="x:Q", y="y:Q", color=colour, tooltip=lessons.tooltip("x", "y"))
    )
    st.altair_chart((shade + drawn + dots).properties(height=360))
    st.caption(
        t(
            "Grey: the function is saturated there. Its derivative is below 0.01, so a weight hardly learns.",
            "회색: 함수가 포화된 구간입니다. 도함수가 0.01보다 작아서 가중치가 거의 학습되지 않습니다.",
        )
    )
    lessons.paper(
        *(
            rf"f({lessons.tex(a)}) &= {lessons.tex(b)},& f' &= {lessons.tex(c)}"
            for a, b, c in zip(x[:8], y, dy, strict=False)
        )
    )
    _stack(state, function)
    st.subheader(t("Softmax: several numbers become probabilities", "소프트맥스: 여러 값을 확률로 바꿉니다"))
    z = state.numbers("z", "z", EXAMPLE["z"], 1)[0]
    p = softmax(z)
    lessons.paper(
        *(
            rf"p_{{{i + 1}}} &= \frac{{e^{{{lessons.tex(a)}}}}}{{\sum_j e^{{z_j}}}} = {lessons.tex(b)}"
            for i, (a, b) in enumerate(zip(z[:8], p, strict=False))
        )
    )
    st.caption(t("Its derivatives: row i, column j holds ∂pᵢ/∂zⱼ.", "도함수입니다. i행 j열이 ∂pᵢ/∂zⱼ입니다."))
    st.altair_chart(lessons.heat((np.diag(p) - np.outer(p, p))[:8, :8]))
    return {"function": function, "x": x, "z": z}


def _stack(state: lessons.State, function: str) -> None:
    """What up to ten layers of one unit each do to a signal, and to its gradient."""
    st.subheader(t("Ten layers, one after the other", "층 열 개를 차례로 지나면"))
    weight = state.slider(t("The weight of each layer", "각 층의 가중치"), "weight", 1.0, -3.0, 3.0, 0.1)
    line = np.linspace(-3, 3, 61)
    values, slopes = stack(function, line, weight)
    depths = (1, 2, 5, 10)
    curves = pd.DataFrame(
        {"x": np.tile(line, 4), "y": values[list(depths)].ravel(), "depth": np.repeat(depths, len(line))}
    )
    colour = alt.Color("depth:N", title=t("layers", "층 수"), legend=alt.Legend(orient="top"))
    st.altair_chart(alt.Chart(curves, height=340).mark_line().encode(x="x", y=alt.Y("y", title=None), color=colour))
    largest = np.abs(slopes[list(depths)]).max(axis=1)
    lessons.paper(
        *(
            rf"\text{{{t('layers:', '층 수:')}}}\ {depth} && \max |\partial y / \partial x| &= {lessons.tex(slope)}"
            for depth, slope in zip(depths, largest, strict=True)
        )
    )
