"""One step of learning: forward, error, every partial derivative in numbers, and the new weights."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t
from apps.lessons.l04_activations import sigmoid

TITLE = {"en": "One step of learning", "ko": "학습의 한 단계"}
PROJECT = "fraud_detection"
QUESTION = {
    "en": "All weights start at zero. Why do the two hidden units stay equal forever?",
    "ko": "모든 가중치를 0으로 시작하면, 왜 두 은닉 유닛은 계속 같은 값을 가집니까?",
}
ANSWER = {
    "en": "Both get the same inputs and send to the output by the same weight. So both get the same gradient, and the step keeps them equal. Random starts break this symmetry.",
    "ko": "두 유닛은 같은 입력을 받고 같은 가중치로 출력에 연결됩니다. 그래서 기울기가 같고, 한 단계 뒤에도 같습니다. 무작위로 초기화하면 이 대칭이 깨집니다.",
}
EXAMPLE = {
    "x": np.array([1.0, 0.5]),
    "target": 1.0,
    "rate": 0.5,
    "w": np.array([[0.1, 0.4], [0.8, 0.6]]),  # (input, hidden unit)
    "b": np.array([0.1, 0.2]),
    "v": np.array([0.3, 0.9]),
    "c": 0.1,
}
CORNERS, XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0.0, 1, 1, 0])
END, MOST_STEPS = 1e-4, 20_000


def compute(x, target, rate, w, b, v, c) -> dict[str, Any]:
    """Forward, backward and one step of a 2–2–1 network of sigmoids, E = ½ (y − t)². The names are those on the page."""
    h = sigmoid(x @ w + b)
    y = float(sigmoid(h @ v + c))
    delta = (y - target) * y * (1 - y)
    deltas = delta * v * h * (1 - h)
    gradients = {"dE/dw": np.outer(x, deltas), "dE/db": deltas, "dE/dv": delta * h, "dE/dc": delta}
    new = {"new w": w, "new b": b, "new v": v, "new c": c}
    new = {name: old - rate * gradient for (name, old), gradient in zip(new.items(), gradients.values(), strict=True)}
    return {"h": h, "y": y, "E": 0.5 * (y - target) ** 2, **gradients, **new}


def keras(x, target, rate, w, b, v, c) -> dict[str, Any]:
    import keras
    import numpy as np
    import tensorflow as tf

    hidden, output = keras.layers.Dense(2, "sigmoid"), keras.layers.Dense(1, "sigmoid")
    model = keras.Sequential([keras.Input((2,)), hidden, output])
    model.set_weights([w, b, v[:, None], np.array([c])])
    with tf.GradientTape() as tape:
        y = model(x[None])[0, 0]
        error = 0.5 * (y - target) ** 2
    gradients = tape.gradient(error, model.trainable_variables)
    keras.optimizers.SGD(rate).apply(gradients, model.trainable_variables)
    result = {"y": float(y), "E": float(error)}
    for name, gradient, new in zip("wbvc", gradients, model.get_weights(), strict=True):
        result |= {f"dE/d{name}": np.squeeze(gradient), f"new {name}": np.squeeze(new)}
    return result


def start(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """w, b, v, c: "given" (EXAMPLE's), "uniform" in 0–1 as in the lecture, "zeros", or Glorot's (biases 0)."""
    random = np.random.default_rng(seed)
    if kind == "given":
        return EXAMPLE["w"], EXAMPLE["b"], EXAMPLE["v"], EXAMPLE["c"]
    if kind == "zeros":
        return np.zeros((2, 2)), np.zeros(2), np.zeros(2), 0.0
    if kind == "uniform":
        return random.random((2, 2)), random.random(2), random.random(2), float(random.random())
    # Uniform within ±√(6 / (inputs + outputs)): Glorot and Bengio, 2010.
    hidden, output = random.uniform(-np.sqrt(6 / 4), np.sqrt(6 / 4), (2, 2)), random.uniform(-np.sqrt(2), np.sqrt(2), 2)
    return hidden, np.zeros(2), output, 0.0


def train(
    weights: tuple, x: np.ndarray, targets: np.ndarray, rate: float, steps: int, end: float = 0.0
) -> tuple[tuple, list]:
    """Gradient descent on the mean of ½ (y − t)² over the rows of x. Returns the weights and the error before each step.

    It ends when the error is below `end`.
    """
    w, b, v, c = weights
    errors: list[float] = []
    for _ in range(steps):
        h = sigmoid(x @ w + b)
        y = sigmoid(h @ v + c)
        errors.append(float(0.5 * ((y - targets) ** 2).mean()))
        if errors[-1] < end:
            errors.pop()
            break
        delta = (y - targets) * y * (1 - y) / len(x)
        deltas = delta[:, None] * v * h * (1 - h)
        w, b, v, c = w - rate * x.T @ deltas, b - rate * deltas.sum(0), v - rate * h.T @ delta, c - rate * delta.sum()
    return (w, b, v, float(c)), errors


train_once = st.cache_data(train, max_entries=200, show_spinner=False)


def draw(state: lessons.State) -> dict[str, Any]:
    kinds = {
        "given": t("given", "주어진 값"),
        "uniform": t("random 0–1", "0–1 난수"),
        "zeros": t("zeros", "모두 0"),
        "glorot": "Glorot",
    }
    kind = state.choice(t("The weights start as", "가중치 초깃값"), "start", kinds)
    columns = st.columns(4)
    with columns[0]:
        x = state.numbers(t("Inputs", "입력"), "x", EXAMPLE["x"], 1, 2)[0]
    with columns[1]:
        target = state.number(t("Target t", "정답 t"), "target", 1.0, 0.0, 1.0, 0.1)
    with columns[2]:
        rate = state.number(t("Learning rate α", "학습률 α"), "rate", 0.5, 0.0, 100.0, 0.1)
    with columns[3]:
        seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 9999)
    steps = state.number(t("Steps done", "진행한 단계 수"), "steps", 0, 0, MOST_STEPS)
    with st.container(horizontal=True):
        for label, more in (
            (t("1 step", "1단계"), 1),
            (t("10 steps", "10단계"), 10),
            (t("to the end", "끝까지"), MOST_STEPS),
        ):
            goal = min(steps + more, MOST_STEPS)
            st.button(label, on_click=state.put, kwargs={"steps": goal}, key=state.key(f"add{more}"))
        st.button(t("start again", "처음부터"), on_click=state.put, kwargs={"steps": 0}, key=state.key("again"))
    weights, errors = train_once(start(kind, seed), x[None], np.array([target]), rate, steps, END)
    values = dict(zip(("x", "target", "rate", "w", "b", "v", "c"), (x, target, rate, *weights), strict=True))
    if len(errors) < steps:
        st.info(
            t(
                f"The error is below {END:g} after {len(errors)} steps.",
                f"{len(errors)}단계 만에 오차가 {END:g} 아래로 내려갔습니다.",
            )
        )
    _one_step(values)
    if errors:
        curve = pd.DataFrame({"step": range(len(errors)), "E": errors}).iloc[:: len(errors) // 400 + 1]
        st.altair_chart(
            alt.Chart(curve, height=280).mark_line().encode(x=alt.X("step", title=t("step", "단계")), y="E")
        )
    _starts(seed, {name: text for name, text in kinds.items() if name != "given"})
    return values


def _one_step(values: dict[str, Any]) -> None:
    """The drawing, and every number of the step as on paper."""
    tex, x, v = lessons.tex, values["x"], values["v"]
    step = compute(**values)
    h, y, delta, deltas = step["h"], step["y"], step["dE/dc"], step["dE/db"]
    places = {"x1": (0, 0), "x2": (0, -1), "h1": (1, 0), "h2": (1, -1), "y": (2, -0.5)}
    edges = [(f"x{i + 1}", f"h{j + 1}", float(values["w"][i, j])) for i in range(2) for j in range(2)]
    edges += [(f"h{j + 1}", "y", float(v[j])) for j in range(2)]
    texts = {"x1": tex(x[0]), "x2": tex(x[1]), "h1": f"{h[0]:.3f}", "h2": f"{h[1]:.3f}", "y": f"{y:.3f}"}
    st.altair_chart(lessons.network(places, edges, {"y": lessons.GREEN}, 260, texts))
    st.markdown(t("**Forward**", "**순전파**"))
    lessons.paper(
        *(
            rf"h_{j + 1} &= \sigma({lessons.weighted_sum(x, values['w'][:, j])} + {lessons.signed(values['b'][j])}) \\ &= {tex(h[j])}"
            for j in range(2)
        ),
        rf"y &= \sigma({lessons.weighted_sum(h, v)} + {lessons.signed(values['c'])}) \\ &= {tex(y)}",
        rf"E &= \tfrac12 (y - t)^2 = {tex(step['E'])}",
    )
    st.markdown(t("**Backward**: every partial derivative", "**역전파**: 모든 편미분"))
    lessons.paper(
        rf"\delta &= (y - t)\,y\,(1 - y) = {tex(delta)}",
        *(rf"\delta_{j + 1} &= \delta\,v_{j + 1}\,h_{j + 1}(1 - h_{j + 1}) = {tex(deltas[j])}" for j in range(2)),
    )
    rows = [("v", j, rf"\delta\,h_{j + 1}", step["dE/dv"][j], v[j], step["new v"][j]) for j in range(2)]
    lines = [_line(f"v_{j + 1}", how, g, old, new) for _, j, how, g, old, new in rows]
    lines.append(_line("c", r"\delta", delta, values["c"], step["new c"]))
    for j in range(2):
        for i in range(2):
            lines.append(
                _line(
                    f"w_{{{i + 1}{j + 1}}}",
                    rf"\delta_{j + 1}\,x_{i + 1}",
                    step["dE/dw"][i, j],
                    values["w"][i, j],
                    step["new w"][i, j],
                )
            )
        lines.append(_line(f"b_{j + 1}", rf"\delta_{j + 1}", deltas[j], values["b"][j], step["new b"][j]))
    lessons.paper(*(first for first, _ in lines))
    st.markdown(t("**New weights**: new w = old w − α · ∂E/∂w", "**새 가중치**: 새 w = 이전 w − α · ∂E/∂w"))
    rate = tex(values["rate"])
    lessons.paper(*(second.replace("RATE", rate) for _, second in lines))


def _line(name: str, how: str, gradient: float, old: float, new: float) -> tuple[str, str]:
    tex = lessons.tex
    derivative = rf"\frac{{\partial E}}{{\partial {name}}} &= {how} = {tex(gradient)}"
    return derivative, rf"{name} &= {tex(old)} - RATE \cdot {lessons.signed(gradient)} = {tex(new)}"


def _starts(seed: int, kinds: dict[str, str]) -> None:
    """The error of XOR over 1,500 steps for each way to start."""
    st.subheader(t("Where the weights start: XOR", "가중치 초깃값 비교: XOR"))
    parts = []
    for kind, text in kinds.items():
        errors = train_once(start(kind, seed), CORNERS, XOR, 4.0, 1500)[1][::10]
        parts.append(pd.DataFrame({"step": range(0, 1500, 10), "E": errors, "start": text}))
    colour = alt.Color("start:N", title=None, legend=alt.Legend(orient="top"))
    st.altair_chart(
        alt.Chart(pd.concat(parts), height=320)
        .mark_line()
        .encode(x=alt.X("step", title=t("step", "단계")), y="E", color=colour)
    )
    st.caption(
        t(
            "Learning rate 4. Other seeds give other starts; zeros never get below 0.125.",
            "학습률 4입니다. 난수 시드를 바꾸면 초깃값이 달라집니다. 모두 0이면 오차가 0.125 아래로 내려가지 못합니다.",
        )
    )
