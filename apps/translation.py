"""The page of translation: `python -m streamlit run apps/translation.py`."""

import json

import altair as alt
import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import t, term
from common.runs import Run
from projects.translation.encoding import MAX_CHARACTERS, SPACE

MAX_CELLS = 10_000  # of an attention picture


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    examples = [example["text"] for example in predictor.examples]
    number = st.selectbox(
        t("Start from an example", "예시로 시작하기"),
        range(len(examples)),
        format_func=lambda i: examples[i],
        key="example",
    )
    text = st.text_area(
        t("Sentence (you can edit it)", "문장 (고쳐 쓸 수 있습니다)"),
        examples[number],
        max_chars=MAX_CHARACTERS,
        key=f"text-{number}",
        height=80,
    )
    beam = st.slider(
        t("Beam: translations that are kept while one is written", "빔: 번역을 쓰는 동안 유지하는 후보 수"),
        1,
        10,
        predictor.meta["beam"],
        key="beam",
    )
    with shared.errors_shown():
        raw = {"text": text} if beam == predictor.meta["beam"] else {"text": text, "beam": beam}
        answer = predictor.predict(raw)
        with st.container(border=True):
            st.caption(predictor.meta["direction"])
            st.text(answer["translation"] or "–")
        if answer["unknown"]:
            st.warning(
                t("Not in the training sentences: ", "학습 문장에 없는 조각: ") + " ".join(answer["unknown"][:40])
            )
        if answer["unread"]:
            st.warning(
                t(
                    f"The sentence is too long: {answer['unread']} pieces in its middle were not read.",
                    f"문장이 너무 길어 가운데의 조각 {answer['unread']}개를 읽지 않았습니다.",
                )
            )
        if len(answer["alternatives"]) > 1:
            st.subheader(t("Alternatives", "다른 번역 후보"))
            shared.table(pd.DataFrame(answer["alternatives"]))
            st.caption(
                t(
                    "The score is the mean log-probability of a symbol.",
                    "점수는 기호 하나의 로그 확률을 평균한 값입니다.",
                )
            )
        if "attention" in answer:
            _attention(answer)
        shared.show_answer(answer)


def _attention(answer: dict) -> None:
    """Where the network looked while it wrote each piece: one row a piece of the translation."""
    source, target = ([piece.replace(SPACE, "␣") for piece in answer[side]] for side in ("source", "target"))
    if len(source) * len(target) > MAX_CELLS:
        return
    cells = pd.DataFrame(
        {"x": j, "y": i, "source": source[j], "target": target[i], "weight": weight}
        for i, row in enumerate(answer["attention"])
        for j, weight in enumerate(row)
    )
    st.subheader(t("Where it looked", "어디를 보았는지"))
    labels = {"x": source, "y": target}

    def axis(side: str, title: str) -> alt.Axis:
        return alt.Axis(labelExpr=f"{json.dumps(labels[side])}[datum.value]", title=title, labelAngle=0, ticks=False)

    st.altair_chart(
        alt.Chart(cells, height=80 + 18 * len(target))
        .mark_rect()
        .encode(
            x=alt.X("x:O", axis=axis("x", t("the sentence", "원문"))),
            y=alt.Y("y:O", axis=axis("y", t("its translation", "번역문"))),
            color=alt.Color("weight", scale=alt.Scale(scheme="blues"), legend=None),
            tooltip=["target", "source", alt.Tooltip("weight", format=".2f")],
        )
    )
    st.caption(
        t(
            "A row is a piece of the translation. Dark cells are the pieces of the sentence that it looked at.",
            "한 줄이 번역문의 조각 하나입니다. 짙은 칸일수록 그 조각을 쓸 때 원문에서 더 많이 본 조각입니다.",
        )
    )


def data(run: Run) -> None:
    content = run.report["data"]
    st.write(content["source"])
    st.write(
        t(
            "An epoch reads every training pair once. The loss is computed after each batch, and then the weights change.",
            "에포크 하나는 학습 문장 쌍을 모두 한 번씩 읽는 것입니다. 배치마다 손실을 계산하고 가중치를 고칩니다.",
        )
    )
    shared.table(shared.table_file(run, "sample"))


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("Quality by length", "문장 길이에 따른 품질"))
    lengths = shared.table_file(run, "lengths")
    metric = run.metric[0]
    models = lengths.melt(["from", "to", "sentences"], var_name="model", value_name=metric)
    models = models.assign(model=models["model"].map(term), middle=(models["from"] + models["to"]) / 2)
    st.altair_chart(
        alt.Chart(models)
        .mark_line(point=True)
        .encode(
            x=alt.X("middle", title=t("symbols of the source", "원문의 기호 수")),
            y=alt.Y(metric, title=term(metric)),
            color=alt.Color("model", title=None),
            tooltip=["model", "from", "to", "sentences", alt.Tooltip(metric, format=".3f")],
        )
    )
    for name in ("encoder", "decoder"):
        st.subheader(t(name.capitalize(), {"encoder": "인코더", "decoder": "디코더"}[name]))
        shared.drawing(predictor.networks[name])
    shared.code(run.project, "model")


shared.page("translation", try_it, data, inside)
