"""Batch, mini-batch, iteration, epoch: how many steps an epoch has, whose gradient is how noisy, steps against time."""

import math
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Batch, mini-batch, iteration, epoch", "ko": "배치, 미니배치, 반복, 에포크"}
PROJECT = "text_classification"
QUESTION = {
    "en": "There are 50,000 pictures, and the batch size is 128. How many iterations does an epoch have, and how many pictures are in the last batch?",
    "ko": "이미지가 50,000장이고 배치 크기는 128입니다. 한 에포크는 몇 번의 반복이고, 마지막 배치에는 이미지가 몇 장 있습니까?",
}
ANSWER = {
    "en": "50,000 / 128 = 390.6, so 391 iterations. The last batch has 50,000 − 390 · 128 = 80 pictures.",
    "ko": "50,000 / 128 = 390.6이므로 391번입니다. 마지막 배치에는 50,000 − 390 · 128 = 80장이 있습니다.",
}
EXAMPLE = {"samples": 2000, "batch": 500, "rate": 0.1, "epochs": 2, "seed": 0}
MOST = 20_000  # samples


def data(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points near the line y = 2 x − 1: x and y, (samples,) each."""
    random = np.random.default_rng(seed)
    x = random.standard_normal(samples)
    return x, 2 * x - 1 + 0.5 * random.standard_normal(samples)


def compute(samples: int, batch: int, rate: float, epochs: int, seed: int) -> dict[str, Any]:
    """Mini-batch gradient descent on the mean squared error of y = w x + b, in the order of the data.

    iterations: steps in all. path: w and b before the first step and after each, (iterations + 1, 2).
    """
    x, y = data(samples, seed)
    w = b = 0.0
    path = [(w, b)]
    for _ in range(epochs):
        for first in range(0, samples, batch):
            part = x[first : first + batch]
            error = w * part + b - y[first : first + batch]
            w, b = w - rate * 2 * float((error * part).mean()), b - rate * 2 * float(error.mean())
            path.append((w, b))
    return {"iterations": len(path) - 1, "end": np.array(path[-1]), "path": np.array(path)}


def keras(samples: int, batch: int, rate: float, epochs: int, seed: int) -> dict[str, Any]:
    import keras
    import numpy as np

    random = np.random.default_rng(seed)
    x = random.standard_normal(samples)
    y = 2 * x - 1 + 0.5 * random.standard_normal(samples)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(rate), "mean_squared_error")
    model.fit(x[:, None], y, batch_size=batch, epochs=epochs, shuffle=False, verbose=0)
    return {"iterations": int(model.optimizer.iterations), "end": [float(a.squeeze()) for a in model.get_weights()]}


def gradients(batch: int, draws: int, seed: int) -> np.ndarray:
    """(draws, 2): the gradients by w and b at (0, 0) of random batches from 2,000 points."""
    x, y = data(2000, seed)
    chosen = np.random.default_rng(seed).integers(0, len(x), (draws, batch))
    return -2 * np.stack([(y * x)[chosen].mean(axis=1), y[chosen].mean(axis=1)], axis=1)


def draw(state: lessons.State) -> dict[str, Any]:
    columns = st.columns(3)
    with columns[0]:
        samples = state.number(t("Samples", "샘플 수"), "samples", 2000, 1, MOST)
        rate = state.number(t("Learning rate α", "학습률 α"), "rate", 0.1, 0.0, 2.0, 0.05)
    with columns[1]:
        batch = state.number(t("Batch size", "배치 크기"), "batch", 500, 1, MOST)
        seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 9999)
    with columns[2]:
        epochs = state.number(t("Epochs", "에포크 수"), "epochs", 2, 1, 20)
    steps = math.ceil(samples / batch)
    last = samples - (steps - 1) * batch
    text = {
        name: rf"\text{{{word}}}"
        for name, word in (
            ("i", t("iterations in an epoch", "에포크당 반복")),
            ("a", t("iterations in all", "전체 반복")),
            ("l", t("last batch", "마지막 배치")),
        )
    }
    lessons.paper(
        rf"{text['i']} &= \lceil {samples} / {batch} \rceil = {steps}",
        rf"{text['l']} &= {samples} - {steps - 1} \cdot {batch} \\ &= {last}",
        rf"{text['a']} &= {epochs} \cdot {steps} = {epochs * steps}",
    )
    if samples * epochs / batch > 4000:
        st.info(
            t(
                "The drawings show at most 4,000 iterations, so they have fewer epochs.",
                "그림에서는 반복을 4,000번까지만 계산하므로 에포크 수를 줄였습니다.",
            )
        )
        epochs = max(1, 4000 // steps)
        samples = min(samples, 4000 * batch)
    values = {"samples": samples, "batch": batch, "rate": rate, "epochs": epochs, "seed": seed}
    _against_time(values)
    _noise(state, batch, seed)
    return values


def _against_time(values: dict[str, Any]) -> None:
    """The error by iterations and by samples seen, for the chosen batch and three others."""
    st.subheader(t("Steps against time", "반복 횟수와 시간"))
    x, y = data(values["samples"], values["seed"])
    parts = []
    for batch in sorted(
        {values["batch"], 32, 256, values["samples"]}
        if values["samples"] > 256
        else {values["batch"], values["samples"]}
    ):
        path = compute(**{**values, "batch": batch})["path"] if math.ceil(len(x) / batch) <= 4000 else None
        if path is not None:
            at = np.unique(np.linspace(0, len(path) - 1, 60).astype(int))
            losses = [float(((w * x + b - y) ** 2).mean()) for w, b in path[at]]
            seen = np.minimum(at * batch, values["epochs"] * len(x)) / len(x)
            parts.append(
                pd.DataFrame({"iterations": at, "epochs": seen, "loss": np.minimum(losses, 1e6), "batch": str(batch)})
            )
    table = pd.concat(parts)
    colour = alt.Color("batch:N", sort=None, title=t("batch size", "배치 크기"), legend=alt.Legend(orient="top"))
    titles = {"iterations": t("iterations", "반복"), "epochs": t("epochs (time of computing)", "에포크(계산 시간)")}
    for column, (name, title) in zip(st.columns(2), titles.items(), strict=True):
        chart = alt.Chart(table, height=320).mark_line()
        column.altair_chart(
            chart.encode(
                x=alt.X(f"{name}:Q", title=title),
                y=alt.Y("loss:Q", title=t("loss", "손실"), scale=alt.Scale(type="symlog")),
                color=colour,
            )
        )
    st.caption(
        t(
            "A large batch makes a better step. A small batch makes more steps in the same time.",
            "큰 배치는 한 번의 갱신이 더 정확하고, 작은 배치는 같은 시간에 더 여러 번 갱신합니다.",
        )
    )


def _noise(state: lessons.State, batch: int, seed: int) -> None:
    """Gradients of 200 random batches: how far they scatter, by batch size."""
    st.subheader(t("How noisy is the gradient?", "기울기에는 잡음이 얼마나 있습니까?"))
    sizes = sorted({1, 10, 100, min(batch, 2000)})
    parts = [pd.DataFrame(gradients(size, 200, seed), columns=["w", "b"]).assign(batch=str(size)) for size in sizes]
    colour = alt.Color("batch:N", sort=None, title=t("batch size", "배치 크기"), legend=alt.Legend(orient="top"))
    dots = alt.Chart(pd.concat(parts), height=360).mark_circle(size=30, opacity=0.6)
    st.altair_chart(dots.encode(x=alt.X("w:Q", title="∂E/∂w"), y=alt.Y("b:Q", title="∂E/∂b"), color=colour))
    spread = [float(np.hypot(*part[["w", "b"]].std())) for part in parts]
    lessons.paper(
        *(
            rf"\text{{{t('batch size', '배치 크기')}}}\ {size}: &&\ \text{{{t('spread', '흩어진 정도')}}} &= {lessons.tex(far)}"
            for size, far in zip(sizes, spread, strict=True)
        )
    )
    st.caption(t("A hundred times the batch, a tenth of the noise.", "배치가 100배이면 잡음은 10분의 1입니다."))
