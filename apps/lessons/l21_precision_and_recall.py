"""A threshold over two heaps of scores: confusion matrix, ROC, precision and recall."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Precision and recall", "ko": "정밀도와 재현율"}
PROJECT = "fraud_detection"
QUESTION = {
    "en": "One payment in 600 is a fraud. A program answers “no fraud” to every payment. What are its accuracy, its recall and its precision?",
    "ko": "거래 600건 중 1건이 부정 거래입니다. 어떤 프로그램은 모든 거래에 “정상”이라고 답합니다. 정확도, 재현율, 정밀도는 각각 얼마입니까?",
}
ANSWER = {
    "en": "Its accuracy is 599 / 600 = 99.83%. Its recall is 0, because it finds none of the frauds. Its precision is 0 / 0 and so undefined. Move the threshold to its right end to see it.",
    "ko": "정확도는 599 / 600 = 99.83%입니다. 부정 거래를 하나도 찾지 못하므로 재현율은 0이고, 정밀도는 0 / 0이라 정의되지 않습니다. 임곗값을 오른쪽 끝으로 옮겨 보세요.",
}
EXAMPLE = {"frauds": 100, "others": 59_900, "distance": 3.0, "threshold": 2.0}


def scores(frauds: int, others: int, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Two heaps of scores, normal with deviation 1: around 0 the others, around `distance` the frauds. Seed 0."""
    random = np.random.default_rng(0)
    return random.normal(distance, 1, frauds), random.normal(0, 1, others)


def compute(frauds: int, others: int, distance: float, threshold: float) -> dict[str, float]:
    """Counts and figures of the rule “a fraud where the score is above the threshold”. Precision of no alarm at all is 0."""
    positive, negative = scores(frauds, others, distance)
    tp, fp = int((positive > threshold).sum()), int((negative > threshold).sum())
    fn, tn = frauds - tp, others - fp
    figures = {"accuracy": (tp + tn) / (frauds + others), "precision": tp / max(tp + fp, 1), "recall": tp / frauds}
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn, **figures}


def keras(frauds: int, others: int, distance: float, threshold: float) -> dict[str, float]:
    import numpy as np
    from keras import metrics

    random = np.random.default_rng(0)
    score = np.concatenate([random.normal(distance, 1, frauds), random.normal(0, 1, others)])
    target = np.repeat([1.0, 0.0], [frauds, others])
    alarm = (score > threshold).astype(float)
    found = {"tp": metrics.TruePositives(), "fp": metrics.FalsePositives(), "fn": metrics.FalseNegatives()}
    found |= {"tn": metrics.TrueNegatives(), "accuracy": metrics.BinaryAccuracy()}
    found |= {"precision": metrics.Precision(), "recall": metrics.Recall()}
    for metric in found.values():
        metric.update_state(target, alarm)
    return {name: float(metric.result()) for name, metric in found.items()}


def curves(frauds: int, others: int, distance: float) -> pd.DataFrame:
    """Recall, false-alarm rate and precision at 400 thresholds, those of both heaps' quantiles, descending."""
    positive, negative = (np.sort(part) for part in scores(frauds, others, distance))
    parts = np.linspace(0, 1, 200)
    thresholds = np.sort(np.concatenate([np.quantile(positive, parts), np.quantile(negative, parts)]))[::-1]
    tp = frauds - np.searchsorted(positive, thresholds, side="right")
    fp = others - np.searchsorted(negative, thresholds, side="right")
    frame = pd.DataFrame({"threshold": thresholds, "recall": tp / frauds, "false": fp / others, "precision": tp / np.maximum(tp + fp, 1)})  # fmt: skip
    return frame[tp + fp > 0]


def draw(state: lessons.State) -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        one_in = state.number(t("One fraud in … payments", "거래 몇 건 중 부정 거래 1건"), "one-in", 600, 2, 6000)
    with right:
        distance = state.slider(
            t("Distance between the distributions", "두 분포의 거리"), "distance", 3.0, 0.0, 6.0, 0.1
        )
    threshold = state.slider(t("Threshold", "임곗값"), "threshold", 2.0, -4.0, 10.0, 0.1)
    frauds = 60_000 // one_in
    values = {"frauds": frauds, "others": 60_000 - frauds, "distance": distance, "threshold": threshold}
    result = compute(**values)
    st.altair_chart(_heaps(values))
    st.caption(t("Both distributions are drawn to the same height. In fact there are far fewer frauds.", "두 분포를 같은 높이로 그렸습니다. 실제로는 부정 거래가 훨씬 적습니다."))  # fmt: skip
    alarm, quiet = t("alarm", "경보"), t("no alarm", "경보 없음")
    table = pd.DataFrame({"": [t("fraud", "부정 거래"), t("no fraud", "정상")], alarm: [f"{result['tp']:,} (TP)", f"{result['fp']:,} (FP)"], quiet: [f"{result['fn']:,} (FN)", f"{result['tn']:,} (TN)"]})  # fmt: skip
    st.dataframe(table, hide_index=True)
    tp, fp, tn = (result[name] for name in ("tp", "fp", "tn"))
    precision = f"{result['precision']:.4f}" if tp + fp else r"\text{" + t("undefined", "정의되지 않음") + "}"
    lessons.paper(
        rf"\text{{{t('accuracy', '정확도')}}} &= \frac{{TP+TN}}{{TP+FP+FN+TN}}",
        rf"&= \frac{{{tp + tn}}}{{60000}} = {result['accuracy']:.4f}",
        rf"\text{{{t('precision', '정밀도')}}} &= \frac{{TP}}{{TP+FP}} = \frac{{{tp}}}{{{tp + fp}}} = {precision}",
        rf"\text{{{t('recall', '재현율')}}} &= \frac{{TP}}{{TP+FN}} = \frac{{{tp}}}{{{frauds}}} = {result['recall']:.4f}",
    )
    never = values["others"] / 60_000
    st.write(
        t(
            f"A program that never raises an alarm has an accuracy of {never:.2%} and finds nothing. Your threshold has {result['accuracy']:.2%}. Where frauds are rare, accuracy says nothing; precision and recall do.",
            f"경보를 한 번도 울리지 않으면 정확도는 {never:.2%}이지만 부정 거래를 하나도 찾지 못합니다. 지금 임곗값의 정확도는 {result['accuracy']:.2%}입니다. 부정 거래가 드물 때는 정확도가 아니라 정밀도와 재현율을 보아야 합니다.",
        )
    )
    line = curves(frauds, values["others"], distance)
    here = pd.DataFrame(
        [{"false": fp / values["others"], "recall": result["recall"], "precision": result["precision"]}]
    )
    st.caption(t("ROC curve: the false-alarm rate is the fraction of the normal payments that raise an alarm", "ROC 곡선: 거짓 양성률은 정상 거래 가운데 경보가 울린 비율"))  # fmt: skip
    st.altair_chart(_curve(line, here, "false", t("false-alarm rate", "거짓 양성률"), "recall", t("recall", "재현율")))
    st.caption(t("Precision–recall curve: precision is the fraction of all alarms that are frauds", "정밀도–재현율 곡선: 정밀도는 모든 경보 가운데 부정 거래의 비율"))  # fmt: skip
    st.altair_chart(_curve(line, here, "recall", t("recall", "재현율"), "precision", t("precision", "정밀도")))
    return values


def _heaps(values: dict[str, Any]) -> alt.LayerChart:
    x = np.linspace(-4, 10, 211)
    bell = lambda centre: np.exp(-((x - centre) ** 2) / 2)  # noqa: E731
    names = (t("no fraud", "정상"), t("fraud", "부정 거래"))
    frame = pd.concat([pd.DataFrame({"score": x, "height": bell(centre), "heap": name}) for name, centre in zip(names, (0, values["distance"]), strict=True)])  # fmt: skip
    area = alt.Chart(frame, height=260).mark_area(opacity=0.5).encode(
        x=alt.X("score", title=t("score", "점수")), y=alt.Y("height", stack=None, axis=None),
        color=alt.Color("heap", title=None, sort=None, legend=alt.Legend(orient="top")),
    )  # fmt: skip
    rule = alt.Chart(pd.DataFrame({"score": [values["threshold"]]})).mark_rule(color=lessons.RED, strokeWidth=3)
    return area + rule.encode(x="score")


def _curve(line: pd.DataFrame, here: pd.DataFrame, x: str, x_title: str, y: str, y_title: str) -> alt.LayerChart:
    scale = alt.Scale(domain=[0, 1])
    base = {"x": alt.X(x, title=x_title, scale=scale), "y": alt.Y(y, title=y_title, scale=scale)}
    curve = alt.Chart(line, height=340).mark_line(color=lessons.BLUE).encode(**base, order=alt.Order("threshold", sort="descending"), tooltip=lessons.tooltip("threshold", x, y, **{x: x_title, y: y_title}))  # fmt: skip
    return curve + alt.Chart(here).mark_circle(size=140, color=lessons.RED, opacity=1).encode(**base)
