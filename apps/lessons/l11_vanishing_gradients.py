"""How large the gradient is in each layer of a deep network, and what keeps it from vanishing."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Vanishing gradients", "ko": "기울기 소실"}
PROJECT = "image_classification"
QUESTION = {
    "en": "Each layer computes y = f(x) + x. The derivative of f is 0.01 everywhere. By which factor does the gradient change through 50 layers, and by which factor without the shortcut?",
    "ko": "모든 층이 y = f(x) + x를 계산하고, f의 도함수는 어디에서나 0.01입니다. 층 50개를 지나면 기울기는 몇 배가 됩니까? 스킵 연결이 없으면 몇 배가 됩니까?",
}
ANSWER = {
    "en": "The derivative of a layer is 0.01 + 1 = 1.01. To the power of 50 this is 1.64, so the gradient hardly changes. Without the shortcut it is 0.01 to the power of 50, which is 10⁻¹⁰⁰: nothing is left.",
    "ko": "한 층의 도함수는 0.01 + 1 = 1.01이고, 50제곱하면 1.64이므로 기울기가 거의 그대로입니다. 스킵 연결이 없으면 0.01의 50제곱, 곧 10⁻¹⁰⁰이므로 아무것도 남지 않습니다.",
}
UNITS, ROWS, EPSILON = 32, 64, 1e-3
# Uniform weights, each between two numbers. Glorot & Bengio 2010: √(6 / (in + out)). He et al. 2015: √(6 / in).
STARTS = {"glorot": (-0.306, 0.306), "he": (-0.433, 0.433), "small": (-0.01, 0.01), "uniform": (0.0, 1.0)}
EXAMPLE = {"depth": 10, "activation": "sigmoid", "start": STARTS["glorot"], "normalise": False, "shortcuts": False, "seed": 0}  # fmt: skip


def weights_of(depth: int, start: tuple[float, float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A batch (ROWS, UNITS) and weights (depth, UNITS, UNITS). Biases are zero."""
    random = np.random.default_rng(seed)
    return random.normal(size=(ROWS, UNITS)), random.uniform(*start, (depth, UNITS, UNITS))


def compute(depth, activation, start, normalise, shortcuts, seed) -> dict[str, np.ndarray]:
    """The norm of ∂E/∂W of each layer (depth,), the first layer first. E is the mean square of the last layer's outputs.

    A layer: z = x W, normalised over the batch where asked, then the activation, plus x where there are shortcuts.
    """
    x, weights = weights_of(depth, start, seed)
    kept = []
    for w in weights:
        z = x @ w
        deviation = np.sqrt(z.var(axis=0) + EPSILON) if normalise else 1.0
        a = (z - z.mean(axis=0)) / deviation if normalise else z
        if activation == "relu":
            y, slope = np.maximum(a, 0), (a > 0) * 1.0
        elif activation == "tanh":
            y, slope = np.tanh(a), 1 - np.tanh(a) ** 2
        else:
            y = 1 / (1 + np.exp(-np.clip(a, -500, 500)))
            slope = y * (1 - y)
        kept.append((x, w, a, deviation, slope))
        x = y + x if shortcuts else y
    gradient, norms = 2 * x / x.size, []
    for x, w, a, deviation, slope in reversed(kept):
        d = gradient * slope
        if normalise:  # the backward pass of batch normalisation: Ioffe & Szegedy 2015
            d = (d - d.mean(axis=0) - a * (d * a).mean(axis=0)) / deviation
        norms.append(np.linalg.norm(x.T @ d))
        gradient = d @ w.T + (gradient if shortcuts else 0)
    return {"norms": np.array(norms[::-1])}


def keras(depth, activation, start, normalise, shortcuts, seed) -> dict[str, np.ndarray]:
    import keras
    import numpy as np
    import tensorflow as tf
    from keras import layers

    random, inputs = np.random.default_rng(seed), keras.Input([32])
    rows, x = random.normal(size=(64, 32)), inputs
    for w in random.uniform(*start, (depth, 32, 32)):
        y = layers.Dense(32, use_bias=False, kernel_initializer=keras.initializers.Constant(w))(x)
        y = layers.BatchNormalization()(y) if normalise else y
        y = layers.Activation(activation)(y)
        x = layers.add([x, y]) if shortcuts else y
    model = keras.Model(inputs, x)
    with tf.GradientTape() as tape:
        error = keras.ops.mean(model(rows, training=True) ** 2)
    gradients = tape.gradient(error, [w.value for w in model.trainable_variables if w.name == "kernel"])
    return {"norms": np.array([float(keras.ops.norm(g)) for g in gradients])}


def draw(state: lessons.State) -> dict[str, Any]:
    depth = state.slider(t("Layers", "층 수"), "depth", 10, 2, 50)
    activation = state.choice(t("Activation", "활성화 함수"), "activation", {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"})  # fmt: skip
    start = state.choice(t("Weights start as", "가중치 초깃값"), "start", {"glorot": "Glorot", "he": "He", "small": t("small: 0.01", "작은 값: 0.01"), "uniform": t("random in 0–1", "0–1 난수")})  # fmt: skip
    left, middle, right = st.columns(3)
    with left:
        normalise = state.toggle(t("Batch normalisation", "배치 정규화"), "normalise")
    with middle:
        shortcuts = state.toggle(t("Shortcuts", "스킵 연결"), "shortcuts")
    with right:
        seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 1000)
    values = {"depth": depth, "activation": activation, "start": STARTS[start], "normalise": normalise, "shortcuts": shortcuts, "seed": seed}  # fmt: skip
    norms = compute(**values)["norms"]
    f = {"sigmoid": r"\sigma", "tanh": r"\tanh", "relu": r"\mathrm{ReLU}"}[activation]
    z = r"\mathrm{BN}(x_{l-1} W_l)" if normalise else "x_{l-1} W_l"
    lessons.paper(rf"x_l &= {f}({z})" + (" + x_{l-1}" if shortcuts else ""), r"E &= \overline{x_L^2}")
    # Zero has no logarithm; what is smaller than the smallest float32 is zero for Keras.
    shown = pd.DataFrame({"layer": np.arange(1, depth + 1), "norm": np.maximum(norms, 1e-38)})
    st.altair_chart(
        alt.Chart(shown, height=340)
        .mark_line(point=True, color=lessons.BLUE)
        .encode(
            x=alt.X("layer:Q", title=t("layer, the input's first", "층, 입력 쪽부터"), axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("norm", title=t("size of ∂E/∂W", "∂E/∂W의 크기"), scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e", tickCount=6)),
            tooltip=lessons.tooltip("layer", "norm .3e"),
        )
    )  # fmt: skip
    ratio = norms[0] / norms[-1] if norms[-1] else 0.0
    lessons.paper(rf"\frac{{\lVert \partial E/\partial W_1 \rVert}}{{\lVert \partial E/\partial W_{{{depth}}} \rVert}} &= \frac{{{lessons.tex(norms[0])}}}{{{lessons.tex(norms[-1])}}} = {lessons.tex(ratio)}")  # fmt: skip
    if norms[0] < 1e-5 or ratio <= 1e-3:
        st.warning(t("The gradient vanishes: the first layer hardly learns. Try ReLU with He's start, batch normalisation, or shortcuts.", "기울기가 소실되어 첫 층은 거의 학습하지 못합니다. He 초기화를 쓴 ReLU, 배치 정규화, 스킵 연결을 시도해 보세요."))  # fmt: skip
    elif norms.max() < 1e3 and ratio < 1e3:
        st.success(t("The first layer learns about as fast as the last one.", "첫 층이 마지막 층과 비슷한 속도로 학습합니다."))  # fmt: skip
    else:
        st.warning(t("The gradient explodes: any usual learning rate makes steps that are far too large. Try batch normalisation.", "기울기가 폭발합니다. 보통의 학습률로는 갱신량이 지나치게 커집니다. 배치 정규화를 써 보세요."))  # fmt: skip
    return values
