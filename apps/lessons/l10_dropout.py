"""Dropout: which units are off, why the rest is divided by 1 − rate, training against inference."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Dropout", "ko": "드롭아웃"}
PROJECT = "fraud_detection"
QUESTION = {
    "en": "A layer of 10 units has a dropout rate of 0.7. How many units are off on average, and by which factor does the output of the others grow?",
    "ko": "유닛 10개인 층의 드롭아웃 비율이 0.7입니다. 평균 몇 개의 유닛이 꺼지고, 남은 유닛의 출력은 몇 배가 됩니까?",
}
ANSWER = {
    "en": "7 of 10 are off on average. The others are multiplied by 1 / (1 − 0.7) = 3.33, so the mean of each output stays the same.",
    "ko": "평균 10개 중 7개가 꺼집니다. 나머지는 1 / (1 − 0.7) = 3.33배가 되므로 각 출력의 평균은 그대로입니다.",
}
EXAMPLE = {"h": np.array([1.0, 2.0, -0.5, 0.8, 1.5, 3.0, 0.2, -1.0, 0.6, 2.5]), "rate": 0.7}
DRAWS = 2000


def compute(h: np.ndarray, rate: float) -> dict[str, Any]:
    """inference: all units as they are. kept: a unit that stays on while training, h / (1 − rate)."""
    return {"inference": h, "kept": h / (1 - rate)}


def keras(h: np.ndarray, rate: float) -> dict[str, Any]:
    import keras
    import numpy as np

    layer = keras.layers.Dropout(rate, seed=0)
    inference = np.array(layer(h[None], training=False))[0]
    training = np.array(layer(np.tile(h, (1000, 1)), training=True))
    # Each unit is on in some of the 1,000 rows.
    kept = training[np.abs(training).argmax(axis=0), range(len(h))]
    return {"inference": inference, "kept": kept}


def masks(units: int, rate: float, draws: int, seed: int) -> np.ndarray:
    """(draws, units): 1 for a unit that is on, 0 for one that is off. Every unit of every draw is drawn for itself."""
    return (np.random.default_rng(seed).random((draws, units)) >= rate).astype(float)


def draw(state: lessons.State) -> dict[str, Any]:
    h = state.numbers(t("Outputs of the layer", "층의 출력"), "h", EXAMPLE["h"], 1)[0]
    columns = st.columns(3)
    with columns[0]:
        rate = state.slider(t("Rate", "드롭아웃 비율"), "rate", 0.7, 0.0, 0.95, 0.05)
    with columns[1]:
        step = state.number(t("Training step", "학습 단계"), "step", 1, 1, DRAWS)
    with columns[2]:
        training = state.choice(
            t("Mode", "모드"), "mode", {"training": t("training", "학습"), "inference": t("inference", "추론")}
        )
    drawn = masks(len(h), rate, DRAWS, 0)
    mask = drawn[step - 1] if training == "training" else np.ones(len(h))
    factor = 1 / (1 - rate) if training == "training" else 1.0
    y = h * mask * factor
    _nodes(h, mask, y)
    on = int(mask.sum())
    st.write(
        t(
            f"{len(h) - on} of {len(h)} units are off in this step.",
            f"이 단계에서는 유닛 {len(h)}개 중 {len(h) - on}개가 꺼져 있습니다.",
        )
    )
    if training == "training":
        lessons.paper(
            rf"\frac{{1}}{{1 - {lessons.tex(rate)}}} &= {lessons.tex(factor)}",
            *(
                rf"y_{{{i + 1}}} &= "
                + (rf"{lessons.signed(h[i])} \cdot {lessons.tex(factor)} = {lessons.tex(y[i])}" if mask[i] else "0")
                for i in range(min(len(h), 10))
            ),
        )
    else:
        st.write(t("Inference uses every unit and changes nothing.", "추론할 때는 모든 유닛을 그대로 사용합니다."))
    st.info(
        t(
            "The rate is the fraction of the outputs that become 0, not of the weights. Each step draws again, for each sample.",
            "드롭아웃 비율은 0이 되는 출력의 비율이며, 가중치의 비율이 아닙니다. 단계마다, 샘플마다 새로 뽑습니다.",
        )
    )
    _mean(h, rate, drawn)
    return {"h": h, "rate": rate}


def _mean(h: np.ndarray, rate: float, drawn: np.ndarray) -> None:
    """The mean sum of the outputs over the steps, with and without the division."""
    st.subheader(t("Why divide by 1 − rate?", "왜 1 − 비율로 나눕니까?"))
    sums = drawn @ h
    table = pd.DataFrame(
        {
            "step": range(1, DRAWS + 1),
            "divided": np.cumsum(sums / (1 - rate)) / range(1, DRAWS + 1),
            "not": np.cumsum(sums) / range(1, DRAWS + 1),
        }
    )
    table = table.iloc[::10].melt("step", var_name="kind", value_name="mean")
    table["kind"] = table["kind"].map(
        {"divided": t("divided by 1 − rate", "1 − 비율로 나눔"), "not": t("not divided", "나누지 않음")}
    )
    colour = alt.Color("kind:N", title=None, sort=None, legend=alt.Legend(orient="top"))
    lines = (
        alt.Chart(table)
        .mark_line()
        .encode(
            x=alt.X("step:Q", title=t("steps", "단계")),
            y=alt.Y("mean:Q", title=t("mean sum of the outputs", "출력 합의 평균")),
            color=colour,
        )
    )
    goal = (
        alt.Chart(pd.DataFrame({"mean": [h.sum()]})).mark_rule(strokeDash=[6, 4], color=lessons.GREY).encode(y="mean:Q")
    )
    st.altair_chart((lines + goal).properties(height=320))
    st.caption(
        t(
            "Dashed: the sum at inference. The next layer meets the same mean in training only with the division.",
            "점선은 추론할 때의 합입니다. 1 − 비율로 나누어야 학습할 때에도 다음 층이 받는 평균이 같습니다.",
        )
    )


def _nodes(h: np.ndarray, mask: np.ndarray, y: np.ndarray) -> None:
    """The units before and after: green where a unit is on, grey where it is off."""
    if len(h) > 12:
        return
    rows = [(i, "h", lessons.plain(h[i]), lessons.BLUE) for i in range(len(h))]
    rows += [
        (i, "y", lessons.plain(y[i]) if mask[i] else "0", lessons.GREEN if mask[i] else lessons.GREY)
        for i in range(len(h))
    ]
    units = pd.DataFrame(rows, columns=["unit", "row", "text", "colour"])
    units["shade"] = [1.0] * len(h) + [1.0 if on else 0.25 for on in mask]
    base = alt.Chart(units).encode(
        x=alt.X("unit:O", axis=None), y=alt.Y("row:N", title=None, axis=alt.Axis(labelFontSize=15))
    )
    dots = base.mark_circle(size=500).encode(
        color=alt.Color("colour:N", scale=None), opacity=alt.Opacity("shade:Q", scale=None)
    )
    st.altair_chart(
        (dots + base.mark_text(dy=22, fontSize=12, color=lessons.ink()).encode(text="text")).properties(height=170)
    )
