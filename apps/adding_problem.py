"""The page of the adding problem: `python -m streamlit run apps/adding_problem.py`."""

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import t, term
from common.data import load_splits
from common.report import COLOURS
from common.runs import Run
from projects.adding_problem.data import generate
from projects.adding_problem.encoding import as_raw

SHOWN_SEQUENCES = 12  # sequences on the Data tab
SHOWN_UNITS = 32  # hidden units in the heat map, those that change most


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    raw = _sequence(predictor)
    with shared.errors_shown():
        answer = predictor.predict(raw)
        left, middle, right = st.columns(3)
        left.metric(t("The network's answer", "신경망의 답"), f"{answer['sum']:.3f}")
        middle.metric(t("The right sum", "정답"), f"{answer['truth']:.3f}")
        right.metric(t("Error", "오차"), f"{answer['error']:+.3f}")
        estimates, _ = predictor.on_the_way(raw)
        st.altair_chart(_chart(raw, estimates), width="stretch")
        st.caption(
            t(
                "Bars: the numbers, the marked ones in orange. Line: what the network would answer if the sequence ended there. It jumps at the marks. Then it drifts: the network has learnt to be right at the length that it was trained on.",
                "막대는 수열의 수이고, 표시된 두 수는 주황색입니다. 선은 수열이 그 위치에서 끝났다면 신경망이 냈을 답입니다. 선은 표시된 위치에서 크게 바뀌고, 그 뒤 조금씩 변합니다. 신경망은 학습한 길이에서 맞는 답을 내도록 학습했기 때문입니다.",
            )
        )
        shared.show_answer(answer)
        shared.tries(
            {"length": str(len(raw["numbers"])), "answer": f"{answer['sum']:.3f}", "truth": f"{answer['truth']:.3f}"},
            "sums",
        )


def _sequence(predictor) -> dict:
    """The sequence that the visitor has chosen: an example, or a new random one of any length."""
    kinds = {"example": t("an example", "예시"), "random": t("a new sequence", "새 수열")}
    if state.choice(t("Sequence", "수열"), "kind", kinds) == "example":
        return shared.numbered_example(predictor.examples)
    trained = predictor.meta["length"]
    left, right = st.columns(2)
    longest = max(500, 2 * trained)
    with left:
        label = t(f"Length (trained on {trained})", f"길이(학습한 길이: {trained})")
        length = state.slider(label, "length", trained, 2, longest)
    seed = right.number_input(
        t("Random seed", "난수 시드"), 0, 2**31, step=1, key=state.kept("seed", 0, low=0, high=2**31)
    )
    return as_raw(generate(1, length, np.random.default_rng(int(seed))).inputs[0])


def _chart(raw: dict, estimates: np.ndarray) -> alt.LayerChart:
    places = np.arange(1, len(raw["numbers"]) + 1)
    frame = pd.DataFrame({"place": places, "number": raw["numbers"], "estimate": estimates})
    frame["kind"] = np.where(
        np.isin(places, [raw["first"], raw["second"]]), t("marked", "표시됨"), t("other", "나머지")
    )
    limits = alt.Scale(domain=[0, len(places) + 1], nice=False)
    x = alt.X("place:Q", scale=limits, title=t("place in the sequence", "수열에서의 위치"))
    colours = alt.Scale(domain=[t("marked", "표시됨"), t("other", "나머지")], range=[COLOURS[1], "#9aa0a6"])
    bars = (
        alt.Chart(frame)
        .mark_bar(width=max(1, min(12, 600 / len(frame))), opacity=0.5)
        .encode(
            x=x,
            y=alt.Y("number:Q", title=t("number; answer so far", "수, 지금까지의 답")),
            color=alt.Color("kind:N", scale=colours, title=None, legend=alt.Legend(orient="top")),
            tooltip=shared.tooltip("place", "number", "estimate"),
        )
    )
    line = alt.Chart(frame).mark_line(color=COLOURS[0], strokeWidth=2).encode(x=x, y="estimate:Q")
    marked = frame[frame["kind"] == t("marked", "표시됨")]
    dots = alt.Chart(marked).mark_point(filled=True, size=90, color=COLOURS[1], opacity=1).encode(x=x, y="number:Q")
    return bars + line + dots


def data(run: Run) -> None:
    shared.data_head(run)
    st.write(
        t(
            "Each sequence has random numbers between 0 and 1, and two of them are marked. The answer is their sum. Whoever remembers nothing does best by answering 1, the mean. The squared error is then 1/6 on average.",
            "수열은 0과 1 사이의 난수로 이루어지며, 그중 두 수에 표시가 있습니다. 정답은 두 수의 합입니다. 아무것도 기억하지 못하면 평균인 1이라고 답하는 것이 최선이며, 이때 제곱 오차의 평균은 1/6입니다.",
        )
    )
    train = load_splits(run.config, run).train
    rows = []
    for number, x in enumerate(train.inputs[:SHOWN_SEQUENCES], start=1):
        rows += [(number, place + 1, float(v), bool(mark)) for place, (v, mark) in enumerate(x)]
    frame = pd.DataFrame(rows, columns=["sequence", "place", "number", "marked"])
    base = alt.Chart(frame).encode(
        x=alt.X("place:Q", title=t("place in the sequence", "수열에서의 위치")),
        y=alt.Y("sequence:O", title=t("sequence", "수열")),
    )
    numbers = base.mark_tick(thickness=2).encode(
        color=alt.Color(
            "number:Q",
            scale=alt.Scale(scheme="greys"),
            title=t("number", "수"),
            legend=alt.Legend(orient="top", gradientLength=160),
        )
    )
    marks = base.transform_filter("datum.marked").mark_point(color=COLOURS[1], size=80, filled=True)
    st.altair_chart(numbers + marks, width="stretch")
    st.caption(
        t(
            f"The first {min(SHOWN_SEQUENCES, len(train))} training sequences. Orange: the marked places.",
            f"학습 데이터의 처음 {min(SHOWN_SEQUENCES, len(train))}개 수열입니다. 주황색 점이 표시된 위치입니다.",
        )
    )


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("How far back the gradient reaches", "기울기는 얼마나 먼 과거까지 전달될까요?"))
    _gradient(shared.table_file(run, "gradient"))
    st.subheader(t("What the state remembers", "상태가 기억하는 것"))
    _states(predictor)
    st.subheader(t("The network", "신경망 구조"))
    shared.drawing(predictor.networks["model"])
    shared.code(run.project)


def _gradient(table: pd.DataFrame) -> None:
    names = {"before": t("before training", "학습 전"), "after": t("after training", "학습 후")}
    frame = table.rename(columns=names).melt("distance", list(names.values()), "when", "norm")
    frame["norm"] = frame["norm"].clip(lower=1e-12)
    chart = (
        alt.Chart(frame)
        .mark_line()
        .encode(
            x=alt.X("distance:Q", title=t("steps before the end", "끝에서부터 거슬러 올라간 단계 수")),
            y=alt.Y("norm:Q", scale=alt.Scale(type="log"), title=t("norm of the gradient", "기울기의 크기")).axis(
                format="~e"
            ),
            color=alt.Color(
                "when:N", scale=alt.Scale(range=list(COLOURS[:2])), title=None, legend=alt.Legend(orient="top")
            ),
        )
    )
    st.altair_chart(chart, width="stretch")
    st.caption(
        t(
            "The gradient of the answer with respect to each number, as a mean over validation sequences. Where it is near 0, training cannot learn from that place: the gradient has vanished.",
            "각 수에 대한 답의 기울기를 검증 데이터에서 평균한 값입니다. 값이 0에 가까운 위치에서는 학습이 이루어지지 않습니다. 기울기 소실이 일어난 것입니다.",
        )
    )


def _states(predictor) -> None:
    raw = predictor.examples[0]
    _, states = predictor.on_the_way(raw)
    busiest = np.argsort(-states.std(axis=0))[:SHOWN_UNITS]
    frame = pd.DataFrame(states[:, np.sort(busiest)])
    frame["place"] = np.arange(1, len(frame) + 1)
    frame = frame.melt("place", var_name="unit", value_name="value")
    limit = float(np.abs(states).max())
    heat = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("place:Q", bin=alt.Bin(step=1), title=t("place in the sequence", "수열에서의 위치")).axis(
                tickMinStep=20
            ),
            y=alt.Y("unit:O", title=t("hidden unit", "은닉 유닛")).axis(labels=False, ticks=False),
            color=alt.Color(
                "value:Q",
                scale=alt.Scale(scheme="blueorange", domain=[-limit, limit]),
                title=term("state"),
                legend=alt.Legend(orient="top", gradientLength=160),
            ),
        )
    )
    marks = pd.DataFrame({"place": [raw["first"], raw["second"]]})
    rules = alt.Chart(marks).mark_rule(color=COLOURS[5], strokeDash=[4, 3], strokeWidth=2).encode(x="place:Q")
    st.altair_chart(heat + rules, width="stretch")
    st.caption(
        t(
            "Each row is a hidden unit while the first example is read. Dashed: the two marks. Some units react for a few steps only. Others carry a trace of the marked numbers to the end.",
            "각 행은 첫 번째 예시를 읽는 동안 한 은닉 유닛이 가지는 값입니다. 점선은 두 표시의 위치입니다. 몇 단계 동안만 반응하는 유닛도 있고, 표시된 수의 흔적을 끝까지 간직하는 유닛도 있습니다.",
        )
    )


shared.page("adding_problem", try_it, data, inside)
