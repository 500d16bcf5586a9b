"""Nine trials as a grid, at random, and refined, where one knob matters and the other hardly does."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import knobs, lessons
from apps.i18n import t
from common import config, runs
from common.project import Project, project_names

TITLE = {"en": "Grid, random, refine", "ko": "격자 탐색, 무작위 탐색, 좁혀 가는 탐색"}
PROJECT = "fraud_detection"
QUESTION = {
    "en": "There are four knobs, and 81 trials can be paid for. How many values of each knob does a grid try, and how many does a random search try?",
    "ko": "하이퍼파라미터가 네 개이고 81번 시도할 수 있습니다. 격자 탐색과 무작위 탐색은 하이퍼파라미터마다 값을 몇 개씩 시도합니까?",
}
ANSWER = {
    "en": "A grid tries 3 values of each knob, because 3 · 3 · 3 · 3 = 81. A random search tries 81 values of each. Which knob matters is not known before, so random search wastes less (Bergstra & Bengio 2012).",
    "ko": "3 · 3 · 3 · 3 = 81이므로 격자 탐색은 값을 3개씩만 시도하고, 무작위 탐색은 81개씩 시도합니다. 어떤 하이퍼파라미터가 중요한지 미리 알 수 없으므로 무작위 탐색이 시도를 덜 낭비합니다(Bergstra & Bengio 2012).",
}
RATES, DECAYS = (-3.0, 0.3), (-6.0, -3.0)  # powers of ten: learning rate, and L2, which hardly matters here
X, Y, STEPS = np.array([[1.0, 0.2], [0.3, -0.5], [-0.8, 0.4]]), np.array([1.0, -0.4, -0.2]), 20


def trials(kind: str, seed: int) -> np.ndarray:
    """Nine trials: (9, 2), learning rate and L2 as powers of ten."""
    random = np.random.default_rng(seed)
    (a, b), (c, d) = RATES, DECAYS
    if kind == "grid":
        return np.array([(x, y) for x in np.linspace(a, b, 3) for y in np.linspace(c, d, 3)])
    points = np.column_stack([random.uniform(a, b, 9), random.uniform(c, d, 9)])
    if kind == "refine":  # five at random, then four near the best of them, in a quarter of the range
        best = points[np.argmin(losses(points[:5]))]
        width = np.array([b - a, d - c]) / 8
        points[5:] = np.clip(best + random.uniform(-width, width, (4, 2)), (a, c), (b, d))
    return points


def losses(points: np.ndarray) -> np.ndarray:
    """The mean squared error of a linear unit after STEPS steps of gradient descent from zero, for each trial: (n,)."""
    rates, decays = 10.0**points.T
    w = np.zeros((len(points), 2))
    for _ in range(STEPS):
        gradient = 2 * (w @ X.T - Y) @ X / len(Y) + 2 * decays[:, None] * w
        w = w - rates[:, None] * gradient
    return ((w @ X.T - Y) ** 2).mean(axis=1)


EXAMPLE = {"points": trials("grid", 0)}


def compute(points: np.ndarray) -> dict[str, np.ndarray]:
    """points: (n, 2). The loss of each trial."""
    return {"loss": losses(points)}


def keras(points: np.ndarray) -> dict[str, np.ndarray]:
    import keras

    x, y, results = np.array([[1.0, 0.2], [0.3, -0.5], [-0.8, 0.4]]), np.array([1.0, -0.4, -0.2]), []
    for rate, decay in 10.0**points:
        small = keras.regularizers.L2(decay)
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", kernel_regularizer=small)
        model = keras.Sequential([keras.Input([2]), layer])
        model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
        for _ in range(20):
            model.train_on_batch(x, y)
        results.append(float(np.mean((model(x)[:, 0].numpy() - y) ** 2)))
    return {"loss": np.array(results)}


def draw(state: lessons.State) -> dict[str, Any]:
    names = {"grid": t("grid", "격자"), "random": t("random", "무작위"), "refine": t("refine", "좁혀 가기")}
    kind = state.choice(t("Search", "탐색 방법"), "kind", names)
    seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 1000)
    points = trials(kind, seed)
    loss = compute(points)["loss"]
    a, b = (part.ravel() for part in np.meshgrid(np.linspace(*RATES, 57)[:-1], np.linspace(*DECAYS, 26)[:-1]))
    c, d = a + (RATES[1] - RATES[0]) / 56, b + (DECAYS[1] - DECAYS[0]) / 25  # a cell from (a, b) to (c, d)
    middle = np.column_stack([(a + c) / 2, (b + d) / 2])
    surface = pd.DataFrame({"rate": 10**a, "rate2": 10**c, "decay": 10**b, "decay2": 10**d, "loss": np.clip(losses(middle), 0, 0.5)})  # fmt: skip
    tried = pd.DataFrame({"rate": 10 ** points[:, 0], "decay": 10 ** points[:, 1], "loss": loss, "trial": range(1, 10), "best": loss == loss.min()})  # fmt: skip
    x = alt.X("rate", title=t("learning rate: it matters", "학습률(중요함)"), scale=alt.Scale(type="log", domain=[10 ** RATES[0], 10 ** RATES[1]], nice=False), axis=alt.Axis(format="~g", tickCount=4, grid=False))  # fmt: skip
    y = alt.Y("decay", title=t("L2: it hardly matters", "L2(거의 중요하지 않음)"), scale=alt.Scale(type="log", domain=[10 ** DECAYS[0], 10 ** DECAYS[1]], nice=False), axis=alt.Axis(format=".0e", tickCount=4, grid=False))  # fmt: skip
    back = alt.Chart(surface, height=360).mark_rect(opacity=0.45).encode(x=x, x2="rate2", y=y, y2="decay2", color=alt.Color("loss", scale=alt.Scale(scheme="blues", reverse=True), legend=alt.Legend(title=t("loss", "손실"), orient="top", gradientLength=150)))  # fmt: skip
    marks = alt.Chart(tried).mark_circle(size=130, opacity=1, stroke="white").encode(x=x, y=y, color=alt.condition("datum.best", alt.value(lessons.GREEN), alt.value(lessons.RED)), tooltip=lessons.tooltip("trial", "rate", "decay", "loss"))  # fmt: skip
    st.altair_chart(back + marks)
    st.caption(t("Each point is a real training of 20 steps. Green is the best of the nine.", "점마다 실제로 20단계를 학습했습니다. 초록색 점이 아홉 번 가운데 가장 좋은 결과입니다."))  # fmt: skip
    rows = []
    for other, name in names.items():
        places = trials(other, seed)
        rows.append({t("search", "탐색"): name, t("learning rates tried", "시도한 학습률의 수"): len(np.unique(places[:, 0].round(9))), t("values of L2 tried", "시도한 L2 값의 수"): len(np.unique(places[:, 1].round(9))), t("lowest loss", "가장 낮은 손실"): lessons.plain(losses(places).min())})  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    best = np.argmin(loss)
    rate, decay = 10 ** points[best]
    st.caption(t("The best trial: learning rate α, L2 λ, loss E", "가장 좋은 시도: 학습률 α, L2 λ, 손실 E"))
    lessons.paper(
        rf"\alpha &= {lessons.tex(rate)}", rf"\lambda &= {lessons.tex(decay)}", f"E &= {lessons.tex(loss[best])}"
    )
    _recorded()
    return {"points": points}


def _recorded() -> None:
    """The same count on the newest search that `python -m projects search` has recorded on this machine."""
    st.subheader(t("A real search", "실제 탐색"))
    files = [file for name in project_names() for file in (runs.runs_dir() / name).glob("searches/*/trials.csv")]
    if not files:
        st.info(t("No search has been recorded yet. This command makes one: `python -m projects search char_rnn --trials 9`", "아직 기록된 탐색이 없습니다. 다음 명령으로 만들 수 있습니다: `python -m projects search char_rnn --trials 9`"))  # fmt: skip
        return
    file = max(files, key=lambda file: file.stat().st_mtime)
    table = pd.read_csv(file)
    project = Project(file.parents[2].name)
    names = [knob.name for knob in config.knobs(project.config_class) if knob.name in table]
    st.caption(f"{project.name} · {file.parent.name} · {len(table)}")
    st.dataframe(pd.DataFrame({t("knob", "하이퍼파라미터"): [knobs.name(project.name, name) for name in names], t("different values", "서로 다른 값의 수"): [table[name].nunique() for name in names]}), hide_index=True)  # fmt: skip
