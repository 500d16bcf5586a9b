"""How much of the gradient reaches a word that is many steps back, through SimpleRNN, GRU and LSTM."""

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons, shared, training
from apps.i18n import t, term
from common import runs
from common.project import Project
from common.runs import Run

TITLE = {"en": "Long-term dependencies", "ko": "장기 의존성"}
PROJECT = "adding_problem"
QUESTION = {
    "en": "A SimpleRNN keeps nine tenths of the gradient at each step. How much is left after 40 steps?",
    "ko": "SimpleRNN이 단계마다 기울기의 10분의 9를 유지합니다. 40단계 뒤에는 얼마가 남습니까?",
}
ANSWER = {
    "en": "0.9 to the power of 40 is 0.015. So 1.5 % is left. With 1.1 in place of 0.9 the gradient would grow to the 45-fold. A forget gate near 1 is the way out of both.",
    "ko": "0.9를 40번 곱하면 0.015이므로 1.5 %가 남습니다. 0.9 대신 1.1이면 45배로 커집니다. 1에 가까운 망각 게이트는 두 문제를 모두 피하는 방법입니다.",
}
EXAMPLE = {"cell": "SimpleRNN", "steps": 10, "scale": 1.0, "keep": 1.0, "seed": 0}
UNITS, GATES = 16, {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}
NEAR = "the birds are in the sky"
FAR = "I grew up in Korea and spent many very happy years there with my whole family near the sea , where we went to school , learnt to swim , worked in the garden and met our friends , so today I speak fluent Korean"


def parts_of(cell: str, steps: int, scale: float, keep: float, seed: int) -> tuple[np.ndarray, ...]:
    """x (steps, UNITS), kernel and recurrent kernel (UNITS, gates · UNITS), bias (gates · UNITS,), v (UNITS,).

    All weights are normal with the deviation scale / √UNITS. keep: the bias of the gate that keeps the state, f or z.
    """
    random = np.random.default_rng(seed)
    x, v = random.normal(size=(steps, UNITS)), random.normal(size=UNITS)
    kernel, recurrent = random.normal(0, scale / UNITS**0.5, (2, UNITS, GATES[cell] * UNITS))
    bias = np.zeros(GATES[cell] * UNITS)
    if cell != "SimpleRNN":
        first = 0 if cell == "GRU" else UNITS
        bias[first : first + UNITS] = keep
    return x, kernel, recurrent, bias, v


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))


def compute(cell: str, steps: int, scale: float, keep: float, seed: int) -> dict[str, np.ndarray]:
    """The norm of ∂(v · h_T)/∂x_t for each step t: (steps,). States start at zero."""
    xs, kernel, recurrent, bias, v = parts_of(cell, steps, scale, keep, seed)
    h, c, kept = np.zeros(UNITS), np.zeros(UNITS), []
    split = lambda z: np.split(z, GATES[cell])  # noqa: E731
    for x in xs:
        if cell == "SimpleRNN":
            new = np.tanh(x @ kernel + h @ recurrent + bias)
            kept.append((new,))
            h = new
        elif cell == "GRU":
            (az, ar, ag), (uz, ur, ug) = split(x @ kernel + bias), split(h @ recurrent)
            z, r = sigmoid(az + uz), sigmoid(ar + ur)
            g = np.tanh(ag + r * ug)
            kept.append((z, r, g, ug, h))
            h = z * h + (1 - z) * g
        else:
            i, f, g, o = split(x @ kernel + h @ recurrent + bias)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            kept.append((i, f, g, o, c))
            c = f * c + i * g
            kept[-1] += (np.tanh(c),)
            h = o * kept[-1][-1]
    dh, dc, norms = v, np.zeros(UNITS), []
    for step in reversed(kept):
        straight = 0.0  # the gradient that reaches the state before without any weight
        if cell == "SimpleRNN":
            da = du = dh * (1 - step[0] ** 2)
        elif cell == "GRU":
            z, r, g, ug, before = step
            dg = dh * (1 - z) * (1 - g**2)
            dz, dr = dh * (before - g) * z * (1 - z), dg * ug * r * (1 - r)
            da, du, straight = np.concatenate([dz, dr, dg]), np.concatenate([dz, dr, dg * r]), dh * z
        else:
            i, f, g, o, before, tanh_c = step
            dc = dc + dh * o * (1 - tanh_c**2)
            da = du = np.concatenate([dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)])  # fmt: skip
            dc = dc * f
        norms.append(np.linalg.norm(kernel @ da))
        dh = recurrent @ du + straight
    return {"norms": np.array(norms[::-1])}


def keras(cell: str, steps: int, scale: float, keep: float, seed: int) -> dict[str, np.ndarray]:
    import keras
    import numpy as np
    import tensorflow as tf

    random, first = np.random.default_rng(seed), 0 if cell == "GRU" else 16
    x, v = tf.constant(random.normal(size=(1, steps, 16)), "float32"), random.normal(size=16)
    layer = getattr(keras.layers, cell)(16)
    layer.build(x.shape)
    bias = layer.get_weights()[2]
    bias.flat[first : first + 16] = keep  # the gate that keeps the state: z of a GRU, f of an LSTM
    kernels = random.normal(0, scale / 4, (2, *layer.cell.kernel.shape))
    layer.set_weights([*kernels, bias])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.ops.sum(layer(x)[0] * v)
    return {"norms": np.linalg.norm(tape.gradient(y, x)[0], axis=1)}


def draw(state: lessons.State) -> dict[str, Any]:
    sentence = state.choice(t("Sentence", "문장"), "sentence", {"near": t("the hint is near", "단서가 가까운 문장"), "far": t("the hint is forty words back", "단서가 마흔 단어 앞에 있는 문장")})  # fmt: skip
    words = (NEAR if sentence == "near" else FAR).split()
    hint, steps = words.index("birds" if sentence == "near" else "Korea"), len(words) - 1
    left, right = st.columns(2)
    with left:
        scale = state.slider(t("Scale of the weights", "가중치의 크기"), "scale", 1.0, 0.1, 2.0, 0.1)
        cell = state.choice(t("Network", "신경망"), "cell", {name: name for name in GATES})
    with right:
        keep = state.slider(t("Bias of the gate that keeps: f, z", "상태를 유지하는 게이트(f, z)의 편향"), "keep", 1.0, -2.0, 8.0, 0.5)  # fmt: skip
        seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 1000)
    values = {"cell": cell, "steps": steps, "scale": scale, "keep": keep, "seed": seed}
    norms = compute(**values)["norms"]
    share = norms / max(norms[-1], 1e-38)
    st.write(t(f"The network has read “… {' '.join(words[-6:-1])}” and writes the last word, “{words[-1]}”. The hint is “{words[hint]}”, {steps - hint} words before it.", f"신경망이 “… {' '.join(words[-6:-1])}”까지 읽고 다음 단어를 예측합니다(정답: “{words[-1]}”). 단서는 {steps - hint}단어 앞의 “{words[hint]}”입니다."))  # fmt: skip
    st.altair_chart(_words(words, np.minimum(share, 1), hint))
    st.caption(t("Blue: how much of the gradient reaches the word, compared with the last word that was read. The frame marks the hint. The weights are untrained.", "파란색이 진할수록 그 단어까지 도달하는 기울기가 큽니다(마지막으로 읽은 단어 기준). 테두리는 단서이고, 가중치는 학습하기 전의 값입니다."))  # fmt: skip
    lessons.paper(rf"\frac{{\lVert \partial y/\partial x_{{{hint + 1}}} \rVert}}{{\lVert \partial y/\partial x_{{{steps}}} \rVert}} &= \frac{{{lessons.tex(norms[hint])}}}{{{lessons.tex(norms[-1])}}} = {lessons.tex(share[hint])}")  # fmt: skip
    st.subheader(t("The gradient by distance", "거리에 따른 기울기"))
    rows = []
    for name in GATES:
        by_step = compute(**{**values, "cell": name, "steps": 60})["norms"][::-1]
        rows += [{"distance": d, "gradient": max(norm / max(by_step[0], 1e-38), 1e-30), "network": name} for d, norm in enumerate(by_step)]  # fmt: skip
    st.altair_chart(
        alt.Chart(pd.DataFrame(rows), height=340)
        .mark_line()
        .encode(
            x=alt.X("distance", title=t("steps back", "거슬러 간 단계")),
            y=alt.Y("gradient", title=t("gradient, last step = 1", "기울기(마지막 단계 = 1)"), scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e", tickCount=6)),
            color=alt.Color("network", title=None, sort=None, legend=alt.Legend(orient="top")),
            tooltip=lessons.tooltip("network", "distance", "gradient .3e"),
        )
    )  # fmt: skip
    st.caption(t("All three have 16 units and weights of the same scale. Raise the gates' bias and see which curves become flat.", "셋 모두 유닛이 16개이고 가중치의 크기가 같습니다. 게이트의 편향을 올리면서 어떤 곡선이 평평해지는지 살펴보세요."))  # fmt: skip
    _trained()
    return values


def _trained() -> None:
    """What trained networks reach on the adding problem, and buttons that train those which are missing."""
    st.subheader(t("After training: the adding problem", "학습한 뒤: 덧셈 문제"))
    st.write(t("The task: 100 random numbers, two of them marked; the answer is the sum of the two. A network that has forgotten the first one has a squared error of about 1/6 = 0.167.", "난수 100개 중 두 수에 표시가 있고, 정답은 두 수의 합입니다. 첫째 수를 잊은 신경망의 제곱 오차는 약 1/6 = 0.167입니다."))  # fmt: skip
    project = Project(PROJECT)
    if run := training.in_progress(project):
        training.follow(run)
        return
    last = st.session_state.get(f"{project.name}-followed")
    if last and not Run(Path(last)).finished:
        training.outcome(project)
    newest = newest_runs(project)
    if newest:
        table = {t("network", "신경망"): newest.keys(), t("numbers in a sequence", "수열의 길이"): [run.config.length for run in newest.values()], term("mean_squared_error"): [run.report["test"]["model"]["mean_squared_error"]["value"] for run in newest.values()]}  # fmt: skip
        st.dataframe(pd.DataFrame(table), hide_index=True, column_config={term("mean_squared_error"): st.column_config.NumberColumn(format="%.5f")})  # fmt: skip
        names = {"before": t("before training", "학습 전"), "after": t("after training", "학습 후")}
        columns = ("distance", *names)
        parts = [
            shared.table_file(run, "gradient", numbers=columns).assign(network=name) for name, run in newest.items()
        ]
        rows = (
            pd.concat(parts).rename(columns=names).melt(["distance", "network"], list(names.values()), "when", "norm")
        )
        chart = alt.Chart(rows.assign(norm=rows["norm"].clip(lower=1e-12)), height=340).mark_line().encode(
            x=alt.X("distance:Q", title=t("steps back", "거슬러 간 단계")),
            y=alt.Y("norm:Q", title=t("norm of the gradient", "기울기의 크기"), scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e", tickCount=6)),
            color=alt.Color("network:N", title=None, sort=None, legend=alt.Legend(orient="top")),
            strokeDash=alt.StrokeDash("when:N", title=None, sort=list(names.values())[::-1], legend=alt.Legend(orient="top")),
        )  # fmt: skip
        st.altair_chart(chart)
    missing = [name for name in MODELS if name not in newest]
    if missing:
        minutes = project.card.MINUTES
        st.caption(t(f"Not trained yet on this machine. Each takes about {minutes:g} minutes.", f"아직 이 컴퓨터에서 학습하지 않은 신경망입니다. 하나에 약 {minutes:g}분이 걸립니다."))  # fmt: skip
    with st.container(horizontal=True):
        for name in missing:
            label = t(f"Train {name}", f"{name} 학습하기")
            st.button(label, key=f"long_dependencies-train-{name}", on_click=train, args=(name,))


MODELS = {"SimpleRNN": ("simple_rnn", 1e-3), "GRU": ("gru", 5e-3), "LSTM": ("lstm", 5e-3)}  # name: model, learning rate


def newest_runs(project: Project) -> dict[str, Run]:
    """{SimpleRNN, GRU, LSTM: its newest finished run}, without those that have none."""
    finished = [entry["run"] for entry in runs.list_runs(project, runs.runs_dir()) if entry["status"] == "finished"]
    by_model = {run.config.model: run for run in reversed(finished)}
    return {name: by_model[model] for name, (model, _) in MODELS.items() if model in by_model}


def train(name: str) -> None:
    """Start a training of 100 numbers, as the project's README does."""
    project, (model, rate) = Project(PROJECT), MODELS[name]
    config = project.config_class(model=model, length=100, learning_rate=rate)
    training.launch(runs.start(project, config, "builtin", runs.data_dir(), runs.runs_dir()))


def _words(words: list[str], shares: np.ndarray, hint: int) -> alt.LayerChart:
    """The words in rows of five, each as blue as its share; the last word has none."""
    place = np.arange(len(words))
    frame = pd.DataFrame({"word": words, "share": np.append(shares, 0), "row": place // 5, "column": place % 5, "hint": place == hint})  # fmt: skip
    base = alt.Chart(frame, height=30 * (len(words) // 5 + 1)).encode(x=alt.X("column:O", axis=None), y=alt.Y("row:O", axis=None))  # fmt: skip
    cells = base.mark_rect(color=lessons.BLUE, strokeWidth=3, stroke=lessons.RED).encode(
        fillOpacity=alt.FillOpacity("share", scale=alt.Scale(domain=[0, 1], range=[0, lessons.SHADE]), legend=None),
        strokeOpacity=alt.condition("datum.hint", alt.value(1), alt.value(0)),
        tooltip=lessons.tooltip("word", "share .2e"),
    )  # fmt: skip
    return cells + base.mark_text(color=lessons.ink(), fontSize=13).encode(text="word")
