"""One step of a recurrent network, in the two ways in which lectures write it, and what readers ask about it."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "A recurrent step", "ko": "순환 신경망의 한 단계"}
PROJECT = "char_rnn"
QUESTION = {
    "en": "The state has 100 numbers and the input 50. How many numbers does a SimpleRNN learn, and how many more does it learn for a sequence that is twice as long?",
    "ko": "상태는 100차원이고 입력은 50차원입니다. SimpleRNN이 학습하는 파라미터는 몇 개입니까? 시퀀스가 두 배로 길어지면 몇 개가 늘어납니까?",
}
ANSWER = {
    "en": "W_xu has 100 · 50 numbers, W_xx has 100 · 100 and b has 100: 15,100 in all. A longer sequence adds none, because every step uses the same weights.",
    "ko": "W_xu에 100 · 50개, W_xx에 100 · 100개, b에 100개로 모두 15,100개입니다. 모든 단계가 같은 가중치를 쓰므로 시퀀스가 길어져도 늘어나지 않습니다.",
}
EXAMPLE = {
    "u": np.array([[1.0, 0], [0, 1], [1, 1]]),
    "w_in": np.array([[0.5, -0.5], [1.0, 0.25], [0.0, 1.0]]),
    "w_state": np.array([[0.5, 0, 0.25], [0, 0.5, 0], [-1.0, 0, 0.5]]),
    "b": np.array([0.0, 0.1, -0.1]),
    "start": np.zeros(3),
    "w_out": np.array([[1.0, -1, 0.5]]),
    "b_out": np.array([0.0]),
    "activation": "tanh",
}
FUNCTIONS = {"tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-np.clip(z, -500, 500)))}


def compute(u, w_in, w_state, b, start, w_out, b_out, activation) -> dict[str, Any]:
    """u: (steps, inputs). A matrix W is (where it goes, where it comes from). state: (steps, units). output: (steps, outputs)."""
    f, states = FUNCTIONS[activation], [start]
    for x in u:
        states.append(f(w_in @ x + w_state @ states[-1] + b))
    return {"state": np.array(states[1:]), "output": FUNCTIONS["sigmoid"](np.array(states[1:]) @ w_out.T + b_out)}


def keras(u, w_in, w_state, b, start, w_out, b_out, activation) -> dict[str, Any]:
    from keras import layers

    rnn = layers.SimpleRNN(len(b), activation=activation, return_sequences=True)
    rnn.build((None, *u.shape))
    rnn.set_weights([w_in.T, w_state.T, b])  # kernel, recurrent_kernel and bias: Keras keeps the transpose
    dense = layers.Dense(len(b_out), activation="sigmoid")
    dense.build((None, len(b)))
    dense.set_weights([w_out.T, b_out])
    states = rnn(u[None], initial_state=start[None].astype("float32"))
    return {"state": states[0].numpy(), "output": dense(states)[0].numpy()}


def draw(state: lessons.State) -> dict[str, Any]:
    names = {"h": "h, tanh", "x": t("state space: x, σ", "상태 공간: x, σ")}
    form = state.choice(t("Way of writing", "표기법"), "form", names)
    s, i, w_in, w_state, f = ("h", "x", "W_{xh}", "W_{hh}", r"\tanh") if form == "h" else ("x", "u", "W_{xu}", "W_{xx}", r"\sigma")  # fmt: skip
    w_out_name = "W_hy" if form == "h" else "W_yx"
    formulas = [f"{s}_t &= {f}({w_in}\\,{i}_t + {w_state}\\,{s}_{{t-1}} + b" + ("" if form == "h" else "_x") + ")"]
    lessons.paper(*formulas, *([] if form == "h" else [r"y_t &= \sigma(W_{yx}\,x_t + b_y)"]))
    plain = lambda name: name.replace("{", "").replace("}", "")  # noqa: E731
    u = state.numbers(t(f"Inputs {i}, a row for each step", f"입력 {i}, 단계마다 한 행"), "u", EXAMPLE["u"])
    left, right = st.columns(2)
    with left:
        w = state.numbers(plain(w_in), "w-in", EXAMPLE["w_in"], None, u.shape[1])
        b = state.numbers("b", "b", EXAMPLE["b"], 1, len(w))[0]
        w_out = state.numbers(w_out_name, "w-out", EXAMPLE["w_out"], None, len(w))
    with right:
        w_s = state.numbers(plain(w_state), "w-state", EXAMPLE["w_state"], len(w), len(w))
        start = state.numbers(t(f"Start {s}₀", f"초기 상태 {s}₀"), "start", EXAMPLE["start"], 1, len(w))[0]
        b_out = state.numbers("b_y", "b-out", EXAMPLE["b_out"], 1, len(w_out))[0]
    values = {"u": u, "w_in": w, "w_state": w_s, "b": b, "start": start, "w_out": w_out, "b_out": b_out, "activation": "tanh" if form == "h" else "sigmoid"}  # fmt: skip
    result = compute(**values)
    states = np.vstack([start, result["state"]])
    step = state.slider(t("Step", "단계"), "step", 1, 1, len(u)) if len(u) > 1 else 1
    col = lambda x: lessons.tex(np.reshape(x, (-1, 1)))  # noqa: E731
    st.latex(rf"{s}_{{{step}}} = {f}\left({lessons.tex(w)}{col(u[step - 1])} + {lessons.tex(w_s)}{col(states[step - 1])} + {col(b)}\right)")  # fmt: skip
    z = w @ u[step - 1] + w_s @ states[step - 1] + b
    st.latex(rf"= {f}{col(z)} = {col(states[step])}")
    st.latex(
        rf"y_{{{step}}} = \sigma({w_out_name[0]}_{{{w_out_name[2:]}}}\,{s}_{{{step}}} + b_y) = {col(result['output'][step - 1])}"
    )
    st.caption(t("The states: a column for each step, the start first", "상태: 단계마다 한 열, 맨 앞이 초기 상태"))
    st.altair_chart(lessons.heat(states.T))
    _questions(values, s, i)
    return values


def _questions(values: dict[str, Any], s: str, i: str) -> None:
    """What readers of the lecture asked: a sentence and a drawing each, computed when it is unfolded."""
    w, w_s, units = values["w_in"], values["w_state"], len(values["b"])

    def order() -> None:
        st.write(t(f"The first letter says where it goes, the second where it comes from. So a row belongs to a number of the state and a column to a number of the input, and W{i} is a product as on paper. The other form, W_xh, is read from left to right: from x to h. Keras keeps the transpose and computes {i}·kernel:", f"앞 글자는 도착하는 쪽, 뒤 글자는 출발하는 쪽입니다. 그래서 행은 상태의 성분에, 열은 입력의 성분에 해당하고, 종이에 쓰듯 W{i}로 곱합니다. 다른 표기의 W_xh는 왼쪽에서 오른쪽으로, x에서 h로 읽습니다. 케라스는 전치 행렬을 저장하고 {i}·kernel로 계산합니다."))  # fmt: skip
        left, right = st.columns(2)
        left.caption(f"W (→ {s}, ← {i}): {w.shape[0]} × {w.shape[1]}")
        left.altair_chart(lessons.heat(w), key="paper")
        right.caption(f"kernel: {w.shape[1]} × {w.shape[0]}")
        right.altair_chart(lessons.heat(w.T), key="kernel")

    def start() -> None:
        st.write(t("Zero, in Keras and nearly everywhere. It can also be learnt like a weight. Here is the first number of the state from three starts: the weights decide how fast the start is forgotten.", "케라스를 비롯해 거의 모든 곳에서 0입니다. 가중치처럼 학습할 수도 있습니다. 그림은 세 가지 초기 상태에서 출발한 상태의 첫째 성분입니다. 초기 상태를 얼마나 빨리 잊는지는 가중치가 정합니다."))  # fmt: skip
        starts = {t("zero", "0에서 시작"): np.zeros(units), t("one", "1에서 시작"): np.ones(units), t("random", "난수에서 시작"): np.random.default_rng(0).normal(size=units)}  # fmt: skip
        longer = np.tile(values["u"], (-(-12 // len(values["u"])), 1))
        lines = [{"t": n, "state": row[0], "start": name} for name, start in starts.items() for n, row in enumerate([start, *compute(**{**values, "u": longer, "start": start})["state"]])]  # fmt: skip
        st.altair_chart(alt.Chart(pd.DataFrame(lines), height=220).mark_line(point=True).encode(x=alt.X("t:Q", axis=alt.Axis(tickMinStep=1)), y=alt.Y("state", title=f"{s}₁"), color=alt.Color("start", title=None, sort=None, legend=alt.Legend(orient="top")), strokeDash=alt.StrokeDash("start", sort=None, legend=None)))  # fmt: skip

    def matrix() -> None:
        st.write(t("A matrix. For a state of 100 numbers and an input of 50, W_xu is 100 × 50 and W_xx is 100 × 100, drawn to scale:", "행렬입니다. 상태가 100차원, 입력이 50차원이면 W_xu는 100 × 50, W_xx는 100 × 100입니다. 비율대로 그리면 다음과 같습니다."))  # fmt: skip
        boxes = pd.DataFrame([("x_t", 0, 6, 100), ("W_xu", 22, 50, 100), ("u_t", 82, 6, 50), ("W_xx", 112, 100, 100), ("x_t−1", 222, 6, 100), ("b", 246, 6, 100)], columns=["name", "x", "width", "height"]).assign(x2=lambda f: f.x + f.width, middle=lambda f: f.x + f.width / 2, y=0)  # fmt: skip
        scale = alt.Scale(domain=[-8, 262])
        rectangles = alt.Chart(boxes, height=190).mark_rect(opacity=0.5, color=lessons.BLUE).encode(x=alt.X("x:Q", axis=None, scale=scale), x2="x2", y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-16, 104])), y2="height")  # fmt: skip
        signs = pd.DataFrame([(14, "="), (103, "+"), (239, "+")], columns=["x", "sign"])
        st.altair_chart(rectangles + alt.Chart(boxes).mark_text(color=lessons.ink(), y="height", dy=-8).encode(x="middle", text="name") + alt.Chart(signs).mark_text(fontSize=16, color=lessons.ink(), y=80).encode(x="x", text="sign"))  # fmt: skip

    def output() -> None:
        st.write(t("It shows the state alone. An output needs one more layer, which reads the state: W_hy. The project char_rnn has it: its page shows all three on “hello”.", "그 식은 상태만 보여 줍니다. 출력을 내려면 상태를 읽는 층 W_hy가 하나 더 필요합니다. char_rnn 프로젝트에 이 층이 있으며, 페이지에서 “hello”로 세 가중치를 모두 보여 줍니다."))  # fmt: skip
        st.altair_chart(
            lessons.diagram({"x": (0, 0), "h": (1, 0), "y": (2, 0)}, {("x", "h"): "W_xh", ("h", "y"): "W_hy"}, 110)
        )

    def same() -> None:
        st.write(t("No. The loop carries the state, and every step uses the same W. Training changes W after a batch; the loop itself never does, not from epoch to epoch either.", "아닙니다. 순환하면서 전달되는 것은 상태이고, 모든 단계가 같은 W를 씁니다. W는 배치가 끝난 뒤에 옵티마이저가 갱신합니다. 순환 자체는 에포크가 바뀌어도 W를 바꾸지 않습니다."))  # fmt: skip
        steps = range(1, 4)
        places = {f"{i}{n}": (n, 0.0) for n in steps} | {f"{s}{n}": (n, 1.0) for n in range(4)}
        one, two = lessons.plain(w[0, 0]), lessons.plain(w_s[0, 0])
        st.altair_chart(
            lessons.diagram(
                places, {(f"{i}{n}", f"{s}{n}"): one for n in steps} | {(f"{s}{n - 1}", f"{s}{n}"): two for n in steps}
            )
        )

    questions = {
        t("Why W_xu and not W_ux?", "왜 W_ux가 아니라 W_xu입니까?"): order,
        t(
            "What is the state before the first word: 0, 1 or random?",
            "첫 단어를 읽기 전의 상태는 0, 1, 난수 중 무엇입니까?",
        ): start,
        t("Is a weight a number or a matrix?", "가중치는 숫자입니까, 행렬입니까?"): matrix,
        t("Why does the first form have no W_hy?", "첫째 식에는 왜 W_hy가 없습니까?"): output,
        t("Do the weights change from step to step?", "가중치가 단계마다 바뀝니까?"): same,
    }
    st.subheader(t("What readers ask", "자주 묻는 질문"))
    for question, answer in questions.items():
        if (box := st.expander(question, on_change="rerun")).open:
            with box:
                answer()
