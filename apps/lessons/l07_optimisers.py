"""Six optimisers on a ravine, a saddle and a bowl. Every path is that of Keras' optimiser of the same name."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Optimisers", "ko": "옵티마이저"}
PROJECT = "char_rnn"
QUESTION = {
    "en": "In the ravine, gradient descent jumps between the walls and hardly moves along the floor. Why does Adam move along both at the same speed?",
    "ko": "협곡에서 경사 하강법은 양쪽 벽 사이를 오갈 뿐, 바닥을 따라서는 거의 나아가지 못합니다. Adam은 왜 두 방향으로 같은 속도로 나아갑니까?",
}
ANSWER = {
    "en": "Adam divides each component of the step by the root of the mean square of that component's gradients. So the size of the gradient cancels, and its sign is what is left.",
    "ko": "Adam은 이동량의 각 성분을, 그 성분의 기울기를 제곱하여 평균한 값의 제곱근으로 나눕니다. 그래서 기울기의 크기는 상쇄되고 부호만 남습니다.",
}
EXAMPLE = {
    "surface": "ravine",
    "start": np.array([-4.0, 1.5]),
    "optimiser": "Adam",
    "rate": 0.1,
    "steps": 30,
    "noise": 0.3,
    "seed": 0,
}
SURFACES = {
    "ravine": r"f = \tfrac{1}{20} x^2 + y^2",
    "saddle": r"f = \tfrac12 x^2 - \tfrac12 y^2 + \tfrac18 y^4",
    "bowl": r"f = \tfrac12 x^2 + \tfrac12 y^2",
}
STARTS = {"ravine": (-4.0, 1.5), "saddle": (-3.0, 0.05), "bowl": (-3.0, 1.5)}
RULES = {
    "gradient descent": r"w \leftarrow w - \alpha g",
    "SGD": r"w \leftarrow w - \alpha \tilde g",
    "momentum": r"m \leftarrow 0.9\,m - \alpha \tilde g, \quad w \leftarrow w + m",
    "Adagrad": r"s \leftarrow s + \tilde g^2, \quad w \leftarrow w - \alpha \frac{\tilde g}{\sqrt{s}}",
    "RMSprop": r"s \leftarrow 0.9\,s + 0.1\,\tilde g^2, \quad w \leftarrow w - \alpha \frac{\tilde g}{\sqrt{s}}",
    "Adam": r"\begin{aligned} m &\leftarrow 0.9\,m + 0.1\,\tilde g \\ s &\leftarrow 0.999\,s + 0.001\,\tilde g^2 \\ w &\leftarrow w - \alpha \frac{m / (1 - 0.9^n)}{\sqrt{s / (1 - 0.999^n)}} \end{aligned}",
}


def height(surface: str, x: Any, y: Any) -> Any:
    return {"ravine": x**2 / 20 + y**2, "saddle": x**2 / 2 - y**2 / 2 + y**4 / 8, "bowl": x**2 / 2 + y**2 / 2}[surface]


def gradient(surface: str, w: np.ndarray) -> np.ndarray:
    x, y = w
    return np.array({"ravine": (x / 10, 2 * y), "saddle": (x, -y + y**3 / 2), "bowl": (x, y)}[surface])


def gradient_noise(optimiser: str, steps: int, noise: float, seed: int) -> np.ndarray:
    """(steps, 2): what a random mini-batch adds to the gradient; nothing for gradient descent, which sees all data."""
    scale = 0 if optimiser == "gradient descent" else noise
    return scale * np.random.default_rng(seed).standard_normal((steps, 2))


def compute(
    surface: str, start: np.ndarray, optimiser: str, rate: float, steps: int, noise: float, seed: int
) -> dict[str, Any]:
    """path: (steps + 1, 2). The constants are Keras' defaults, and 0.9 for the momentum."""
    w, m, s = start, np.zeros(2), np.full(2, 0.1 if optimiser == "Adagrad" else 0.0)
    path = [w]
    for n, added in enumerate(gradient_noise(optimiser, steps, noise, seed), start=1):
        g = gradient(surface, w) + added
        if optimiser in ("gradient descent", "SGD"):
            w = w - rate * g
        elif optimiser == "momentum":
            m = 0.9 * m - rate * g
            w = w + m
        elif optimiser == "Adam":
            m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
            w = w - rate * np.sqrt(1 - 0.999**n) / (1 - 0.9**n) * m / (np.sqrt(s) + 1e-7)
        else:
            s = s + g**2 if optimiser == "Adagrad" else 0.9 * s + 0.1 * g**2
            w = w - rate * g / np.sqrt(s + 1e-7)
        w = np.clip(w, -1e6, 1e6)
        path.append(w)
    return {"path": np.array(path)}


def keras(
    surface: str, start: np.ndarray, optimiser: str, rate: float, steps: int, noise: float, seed: int
) -> dict[str, Any]:
    import keras
    import numpy as np
    import tensorflow as tf

    kinds = {"gradient descent": ("SGD", {}), "momentum": ("SGD", {"momentum": 0.9})}
    name, options = kinds.get(optimiser, (optimiser, {}))
    rule, w = getattr(keras.optimizers, name)(rate, **options), keras.Variable(start, dtype="float64")
    scale, path = 0 if optimiser == "gradient descent" else noise, [start]
    for added in scale * np.random.default_rng(seed).standard_normal((steps, 2)):
        with tf.GradientTape() as tape:
            x, y = w[0], w[1]
            f = {"ravine": x**2 / 20 + y**2, "saddle": x**2 / 2 - y**2 / 2 + y**4 / 8, "bowl": (x**2 + y**2) / 2}
        rule.apply([tape.gradient(f[surface], w.value) + added], [w])
        path.append(w.numpy())
    return {"path": np.array(path)}


def draw(state: lessons.State) -> dict[str, Any]:
    surfaces = {"ravine": t("ravine", "협곡"), "saddle": t("saddle", "안장점"), "bowl": t("bowl", "그릇")}
    surface = state.choice(t("Surface", "곡면"), "surface", surfaces)
    names = {name: name for name in reversed(RULES)}
    names["gradient descent"] = t("gradient descent", "경사 하강법")
    names["momentum"] = t("momentum", "모멘텀")
    optimiser = state.choice(t("Optimiser", "옵티마이저"), "optimiser", names)
    columns = st.columns(4)
    with columns[0]:
        rate = state.number(t("Learning rate α", "학습률 α"), "rate", 0.1, 0.0, 10.0, 0.05)
    with columns[1]:
        steps = state.number(t("Steps", "단계 수"), "steps", 40, 1, 200)
    with columns[2]:
        noise = state.number(t("Noise of the gradient", "기울기의 잡음"), "noise", 0.3, 0.0, 10.0, 0.1)
    with columns[3]:
        seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 9999)
    st.latex(SURFACES[surface])
    st.latex(RULES[optimiser])
    st.caption(
        t(
            "g: the gradient of all data; g̃: that of a random mini-batch, which has noise. n: the number of the step.",
            "g는 전체 데이터의 기울기이고, g̃는 잡음이 있는 무작위 미니배치의 기울기입니다. n은 단계 번호입니다.",
        )
    )
    start = np.array(STARTS[surface])
    paths = {name: compute(surface, start, name, rate, steps, noise, seed)["path"] for name in RULES}
    st.altair_chart(_map(surface, paths, optimiser, names))
    ends = {names[name]: height(surface, *path[-1]) for name, path in paths.items()}
    table = pd.DataFrame(
        {t("optimiser", "옵티마이저"): ends.keys(), t("f at the end", "마지막 f 값"): map(lessons.plain, ends.values())}
    )
    st.dataframe(table, hide_index=True)
    return {
        "surface": surface,
        "start": start,
        "optimiser": optimiser,
        "rate": rate,
        "steps": steps,
        "noise": noise,
        "seed": seed,
    }


def _map(surface: str, paths: dict[str, np.ndarray], chosen: str, names: dict[str, str]) -> alt.LayerChart:
    """The surface from above, dark where it is low, and the paths; the chosen one is thick."""
    x, y = np.linspace(-5, 5, 41), np.linspace(-2.5, 2.5, 31)
    grey = alt.Color("z:Q", scale=alt.Scale(range=[lessons.GREY, "transparent"]), legend=None)
    ground = lessons.surface(x, y, np.sqrt(height(surface, x, y[:, None]) + 2.1), grey).encode(opacity=alt.value(0.6))
    parts = [
        pd.DataFrame(
            {"x": path[:, 0], "y": path[:, 1], "n": range(len(path)), "name": names[name], "chosen": name == chosen}
        )
        for name, path in paths.items()
    ]
    walks = pd.concat(parts)
    walks = walks[(walks["x"].abs() <= 5) & (walks["y"].abs() <= 2.5)]
    order = [names[name] for name in paths]
    colour = alt.Color(
        "name:N",
        title=None,
        sort=order,
        scale=alt.Scale(domain=order, range=list(lessons.COLOURS)),
        legend=alt.Legend(orient="top", columns=2),
    )
    width = alt.condition("datum.chosen", alt.value(4), alt.value(1.3))
    lines = (
        alt.Chart(walks)
        .mark_line()
        .encode(
            x=alt.X("x:Q", title="x", scale=alt.Scale(domain=[-5, 5])),
            y=alt.Y("y:Q", title="y", scale=alt.Scale(domain=[-2.5, 2.5])),
            color=colour,
            order="n:Q",
            strokeWidth=width,
            tooltip=lessons.tooltip("name", "n", "x", "y"),
        )
    )
    return alt.layer(ground, lines).resolve_scale(color="independent").properties(height=420)
