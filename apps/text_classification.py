"""The page of text classification: `python -m streamlit run apps/text_classification.py`."""

import io
import re
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import plain, t, term
from common.inputs.tables import KINDS
from common.runs import Run
from projects.text_classification.encoding import MAX_CHARACTERS
from projects.text_classification.predict import score_file

MAX_ROWS = 100_000  # rows of an uploaded file
MAX_PASTED = 2_000_000  # characters of a text that a visitor may paste
MAX_MARKED = 1500  # characters of a text that is shown with its pieces marked
MAX_BARS = 8  # pieces with a bar
MAX_ERRORS = 300  # rows in the table that `evaluate` writes
BLUE, ORANGE = "#0072B2", "#E69F00"


def try_it(run: Run) -> None:
    shared.parts(
        "part",
        {
            "one": (t("One text", "글 한 편"), lambda: _one_text(run)),
            "two": (t("Two models", "두 모델 비교"), lambda: _two_models(run)),
            "file": (t("A file", "파일"), lambda: _file(run)),
            "errors": (t("Errors", "오답"), lambda: _errors(run)),
        },
    )


def _answer(run: Run, text: str) -> dict:
    """The run's answer for a text. It is cached, because an explanation classifies the text once for each of its words."""
    return _predicted(shared.predictor(run), run.id, (run.path / "report.json").stat().st_mtime, text)


@st.cache_data(max_entries=200, show_spinner=False)
def _predicted(_predictor, run_id: str, modified: float, text: str) -> dict:
    return _predictor.predict(text)


def _text(predictor, key: str) -> str:
    label = t("Text (you can edit it, in any language)", "글(어느 언어로든 고쳐 쓸 수 있습니다)")
    return shared.example_text(predictor.examples, label, MAX_PASTED, key)


def _one_text(run: Run) -> None:
    text = _text(shared.predictor(run), "one")
    with shared.errors_shown():
        answer = _answer(run, text)
        label = shared.labels(run)(answer["label"])
        first, second = st.columns(2)
        first.metric(t("Label", "예측 클래스"), plain(label), border=True)
        second.metric(term("probability"), f"{answer['probability']:.1%}", border=True)
        if answer["unfamiliar"]:
            shared.caution(
                run,
                t(
                    "Less speaks for this answer than in nearly all texts of the kind that it learnt: perhaps this is another language, another kind of text, or no text. Take the answer as a guess.",
                    "학습한 종류의 글치고는 이 답의 근거가 약합니다. 다른 언어이거나 다른 종류의 글이거나 뜻이 없는 글일 수 있으므로, 이 답은 추측으로 보아야 합니다.",
                ),
            )
        if len(text) > MAX_CHARACTERS:
            read = f"{MAX_CHARACTERS:,}"
            st.info(t(f"Only the first {read} characters were read.", f"앞의 {read}자만 읽었습니다."))
        st.markdown(_marked(text, answer["carried_by"]))
        left, right = st.columns(2)
        with left:
            _class_bars(run, answer["classes"])
        with right:
            _piece_bars(answer)
        st.caption(
            t(
                "Orange pieces speak for the label, blue ones against it. A bar shows by how much the label's log-odds, log(p / (1 − p)), fall when this piece alone is left out.",
                "주황색 조각은 이 클래스를 뒷받침하고, 파란색 조각은 이 클래스에 반대되는 근거입니다. 막대는 그 조각 하나를 뺐을 때 이 클래스의 로그 오즈 log(p / (1 − p))가 얼마나 내려가는지를 나타냅니다.",
            )
        )
        shared.show_answer(answer)
        shared.tries({"text": text, "label": label, "probability": f"{answer['probability']:.1%}"}, "texts")


def _bars(rows: pd.DataFrame, colour, **axes) -> None:
    chart = alt.Chart(rows, height=70 + 32 * len(rows)).mark_bar(cornerRadius=3)
    st.altair_chart(chart.encode(color=colour, **axes))


def _class_bars(run: Run, probabilities: dict[str, float]) -> None:
    probabilities = {shared.labels(run)(label): probability for label, probability in probabilities.items()}
    rows = pd.DataFrame(probabilities.items(), columns=["label", "probability"])
    _bars(
        rows,
        alt.value(BLUE),
        x=alt.X("probability", title=term("probability")).scale(domain=[0, 1]).axis(format="%"),
        y=alt.Y("label", sort=list(probabilities), title=None, axis=alt.Axis(labelOverlap=False)),
        tooltip=shared.tooltip("label", "probability .2%"),
    )


def _piece_bars(answer: dict) -> None:
    if not (pieces := sorted(answer["carried_by"], key=lambda piece: -abs(piece["effect"]))[:MAX_BARS]):
        return
    rows = pd.DataFrame([{**piece, "piece": piece["piece"][:40], "at": i} for i, piece in enumerate(pieces)])
    words = ", ".join("'" + re.sub(r"[\\'\n\r]", " ", piece) + "'" for piece in rows["piece"])  # for Vega
    _bars(
        rows,
        alt.condition("datum.effect > 0", alt.value(ORANGE), alt.value(BLUE)),
        x=alt.X("effect", title=t("log-odds: ← against · for the label →", "로그 오즈: ← 반대 · 뒷받침 →")),
        # Two equal words have two bars: the place is the key, and the word its label.
        y=alt.Y("at:O", title=None, axis=alt.Axis(labelExpr=f"[{words}][datum.value]", labelOverlap=False)),
        tooltip=shared.tooltip("piece", "effect +.3f"),
    )


def _marked(text: str, pieces: list[dict]) -> str:
    """The text as Markdown, with a coloured background behind the pieces that carried the answer."""
    strongest = max((abs(piece["effect"]) for piece in pieces), default=0.0)
    parts, done = [], 0
    for piece in pieces:
        if piece["end"] > MAX_MARKED:
            break
        between = text[done : piece["start"]]
        parts.append(" " if between.isspace() else plain(between))
        word = plain(text[piece["start"] : piece["end"]])
        colour = "orange" if piece["effect"] > 0 else "blue"
        parts.append(f":{colour}-background[{word}]" if abs(piece["effect"]) > 0.2 * strongest else word)
        done = piece["end"]
    return "".join(parts) + plain(text[done:MAX_MARKED]) + (" …" if len(text) > MAX_MARKED else "")


def _two_models(run: Run) -> None:
    if (second := shared.second_run(run)) is None:
        return
    text = _text(shared.predictor(run), "two")
    with shared.errors_shown():
        answers = [_answer(one, text) for one in (run, second)]
        for column, one, answer in zip(st.columns(2), (run, second), answers, strict=True):
            with column:
                st.subheader(one.config.model)
                st.caption(plain(one.id))
                st.metric(
                    t("Label", "예측 클래스"),
                    plain(shared.labels(one)(answer["label"])),
                    f"{answer['probability']:.1%}",
                    delta_color="off",
                    border=True,
                )
                _class_bars(one, answer["classes"])
                st.markdown(_marked(text, answer["carried_by"]))
        if answers[0]["label"] != answers[1]["label"]:
            st.warning(t("The two models disagree on this text.", "두 모델이 이 글을 다르게 분류합니다."))


def _file(run: Run) -> None:
    predictor = shared.predictor(run)
    column = predictor.meta["text"]
    name = plain(column)
    st.write(
        t(
            f"Upload a table with a column “{name}”. You get it back with the columns `predicted` and `probability`.",
            f"‘{name}’ 열이 있는 표를 올리면 `predicted` 열과 `probability` 열을 더해 돌려줍니다.",
        )
    )
    example = pd.DataFrame({column: predictor.examples}).to_csv(index=False)
    st.download_button(t("An example of such a file", "예시 파일"), example, "texts.csv", "text/csv")
    label = " / ".join(kind.upper() for kind in KINDS)
    uploaded = state.upload(label, KINDS, "file", shared.MAX_UPLOAD_MB)
    if uploaded is None:
        return
    doing = t("Labelling …", "분류하는 중 …")
    with shared.errors_shown():
        rows, content = shared.converted(
            uploaded, ".csv", doing, lambda source, target: score_file(predictor, source, target, max_rows=MAX_ROWS)
        )
        scored = pd.read_csv(io.BytesIO(content))
        st.success(t(f"Texts labelled: {rows:,}.", f"글 {rows:,}편을 분류했습니다."))
        label = t("Download the labelled file", "결과 파일 내려받기")
        st.download_button(label, content, f"labelled-{Path(uploaded[0]).stem}.csv", "text/csv")
        st.bar_chart(scored["predicted"].value_counts(), horizontal=True, height=260)
        st.dataframe(scored.head(200), hide_index=True)


def _errors(run: Run) -> None:
    errors = shared.table_file(run, "errors", ("text", "truth", "answer"), ("probability",))
    pairs = shared.table_file(run, "confusions", ("truth", "answer"), ("count",))
    if errors.empty:
        st.success(t("There is no error on the test split.", "테스트 데이터에 오답이 없습니다."))
        return
    labels = [f"{truth} → {answer} ({count})" for truth, answer, count in pairs.itertuples(index=False)]
    options = ["", *labels]
    chosen = st.selectbox(
        t("Confused classes: truth → answer", "혼동한 클래스: 정답 → 예측"),
        options,
        format_func=lambda name: _pair(run, name) if name else t("all pairs", "모든 쌍"),
        key=state.kept("pair", "", options),
    )
    if chosen:
        pair = pairs.iloc[labels.index(chosen)]
        errors = errors[(errors["truth"] == pair["truth"]) & (errors["answer"] == pair["answer"])]
    sides = errors[["truth", "answer"]].map(shared.labels(run))
    st.dataframe(
        errors.assign(**sides),
        hide_index=True,
        column_config={
            "text": st.column_config.TextColumn(t("text", "글"), width="large"),
            "truth": t("truth", "정답"),
            "answer": t("answer", "예측"),
            "probability": st.column_config.ProgressColumn(
                term("probability"), format="percent", min_value=0, max_value=1
            ),
        },
    )
    st.caption(
        t(
            f"The wrong answers on the test split with the highest probabilities, {MAX_ERRORS} at most.",
            f"테스트 데이터의 오답을 확률이 높은 순서로 최대 {MAX_ERRORS}개까지 보여 줍니다.",
        )
    )


def _pair(run: Run, name: str) -> str:
    """`Danish → Norwegian (12)` in the page's language."""
    label = shared.labels(run)
    return re.sub(r"^(.*) → (.*) (\(\d+\))$", lambda m: f"{label(m[1])} → {label(m[2])} {m[3]}", name)


def data(run: Run) -> None:
    shared.data_head(run)
    sample = shared.table_file(run, "sample", ("text", "class"))
    classes = sorted(sample["class"].unique())
    called, key = shared.labels(run), state.kept("classes", classes[:3], classes)
    chosen = st.multiselect(t("Classes", "클래스"), classes, format_func=called, key=key)
    shown = sample[sample["class"].isin(chosen)] if chosen else sample
    lengths = sample["text"].str.len().rename("length")
    title = t("characters of a text (cut at 400)", "글자 수 (400자에서 자름)")
    x = alt.X("length", bin=alt.Bin(maxbins=40), axis=alt.Axis(format="d"), title=title)
    y = alt.Y("count()", title=t("texts in the sample", "표본의 글 수"))
    st.altair_chart(alt.Chart(pd.DataFrame(lengths), height=200).mark_bar(color=BLUE).encode(x=x, y=y))
    st.caption(
        t(
            f"{len(sample)} training texts, up to the same number of each class.",
            f"학습 데이터에서 클래스마다 같은 수까지 뽑은 글 {len(sample)}편입니다.",
        )
    )
    wide = st.column_config.TextColumn(term("text"), width="large")
    shown = shown.assign(**{"class": shown["class"].map(called)})
    st.dataframe(shown, hide_index=True, height=320, column_config={"text": wide, "class": term("class")})


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    if "bag" in predictor.networks:
        st.subheader(t("What speaks for each class", "클래스를 판단하는 근거"))
        ngrams = shared.table_file(run, "ngrams", ("class", "ngram"), ("effect", "texts"))
        classes = predictor.meta["classes"]
        key = state.kept("class", classes[0], classes)
        label = st.selectbox(t("Class", "클래스"), classes, format_func=shared.labels(run), key=key)
        shown = ngrams[ngrams["class"] == label].sort_values("effect", ascending=False)
        _bars(
            shown.assign(ngram=shown["ngram"].str.replace(" ", "␣")),  # n-grams that differ by a space
            alt.value(BLUE),
            x=alt.X("effect", title=t("ratio × weight", "비율 × 가중치")),
            y=alt.Y("ngram", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
            tooltip=shared.tooltip("ngram", "effect .3f", "texts"),
        )
        st.caption(
            t(
                "The n-grams that add most to the logit of this class over the training texts. ␣ is a space.",
                "학습 데이터에서 이 클래스의 로짓을 가장 많이 높이는 n-gram입니다. ␣는 공백입니다.",
            )
        )
    st.subheader(t("The network", "신경망"))
    for name, network in predictor.networks.items():
        st.caption(plain(name))
        shared.drawing(network)
    shared.code(run.project)


shared.page("text_classification", try_it, data, inside)
