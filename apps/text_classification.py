"""The page of text classification: `python -m streamlit run apps/text_classification.py`."""

import re
import tempfile
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import language, t
from common.runs import Run
from projects.text_classification.predict import HARDLY, MOST_CHARACTERS, score_file

MAX_ROWS = 100_000  # that a visitor may have labelled at once
MAX_CHARACTERS = 2_000_000  # that a visitor may paste
SHOWN = 8  # bars of classes and pieces


def try_it(run: Run) -> None:
    rooms = {
        t("One text", "글 하나"): _one_text,
        t("Two models", "두 모델 비교"): _two_models,
        t("A file", "파일"): _file,
        t("Its errors", "틀린 예"): _errors,
    }
    # Only the open tab is drawn: each of the others would classify a text that nobody sees.
    tabs = st.tabs(list(rooms), on_change="rerun", key=f"rooms-{language()}")
    for tab, draw in zip(tabs, rooms.values(), strict=True):
        if tab.open:
            with tab:
                draw(run)


def _answer(run: Run, text: str) -> dict:
    """What the run says of a text, kept: explaining it costs a text for each of its words."""
    return _predicted(shared.predictor(run), run.id, (run.path / "report.json").stat().st_mtime, text)


@st.cache_data(max_entries=200, show_spinner=False)
def _predicted(_predictor, run_id: str, modified: float, text: str) -> dict:
    return _predictor.predict(text)


def _text(predictor, key: str) -> str:
    """A text to start from, open to editing."""
    examples = predictor.examples
    number = st.selectbox(
        t("Start from an example", "예시로 시작하기"),
        range(len(examples)),
        format_func=lambda i: f"{i + 1}: {examples[i][:80]}",
        key=f"{key}-example",
    )
    return st.text_area(
        t("Text (edit me, in any language)", "글 (고쳐 보세요, 어느 언어든)"),
        examples[number],
        max_chars=MAX_CHARACTERS,
        key=f"{key}-text-{number}",
        height=120,
    )


def _one_text(run: Run) -> None:
    text = _text(shared.predictor(run), "one")
    with shared.errors_shown():
        answer = _answer(run, text)
        first, second, third = st.columns(3)
        first.metric(t("Label", "분류"), answer["label"], border=True)
        second.metric(t("Probability", "확률"), f"{answer['probability']:.1%}", border=True)
        third.metric(t("Known from training", "학습 때 본 조각"), f"{answer['known']:.0%}", border=True)
        if answer["known"] < HARDLY:
            st.warning(
                t(
                    "Hardly anything of this text occurs in the training texts: the answer is a guess.",
                    "이 글에는 학습 데이터에 나온 조각이 거의 없습니다. 답은 짐작일 뿐입니다.",
                )
            )
        if len(text) > MOST_CHARACTERS:
            st.info(
                t(
                    f"The first {MOST_CHARACTERS:,} characters were read.",
                    f"앞의 {MOST_CHARACTERS:,}자만 읽었습니다.",
                )
            )
        st.markdown(_marked(text, answer["carried_by"]))
        left, right = st.columns(2)
        with left:
            _class_bars(answer["classes"])
        with right:
            _piece_bars(answer)
        st.caption(
            t(
                "Orange speaks for the label, blue against it: how far its log-odds fall when this one piece is left out.",
                "주황은 이 분류를 뒷받침하고 파랑은 반대합니다. 그 조각 하나를 빼면 로그 오즈가 얼마나 내려가는지를 나타냅니다.",
            )
        )
        shared.show_answer(answer)


def _class_bars(shares: dict[str, float]) -> None:
    rows = pd.DataFrame(shares.items(), columns=["label", "probability"])
    st.altair_chart(
        alt.Chart(rows, height=70 + 34 * len(rows))
        .mark_bar(cornerRadius=3, color="#0072B2")
        .encode(
            x=alt.X(
                "probability", title=t("probability", "확률"), scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
            ),
            y=alt.Y("label", sort=list(shares), title=None, axis=alt.Axis(labelOverlap=False)),
            tooltip=["label", alt.Tooltip("probability", format=".2%")],
        )
    )


def _piece_bars(answer: dict) -> None:
    pieces = sorted(answer["carried_by"], key=lambda piece: -abs(piece["effect"]))[:SHOWN]
    if not pieces:
        return
    rows = pd.DataFrame([{**piece, "piece": piece["piece"][:40], "at": i} for i, piece in enumerate(pieces)])
    st.altair_chart(
        alt.Chart(rows, height=70 + 30 * len(rows))
        .mark_bar(cornerRadius=3)
        .encode(
            x=alt.X("effect", title=t("log-odds: ← against · for the label →", "로그 오즈: ← 반대 · 이 분류 →")),
            # Two equal words are two bars, so the place is the key and the word its label.
            y=alt.Y(
                "at:O",
                title=None,
                axis=alt.Axis(labelExpr=_label_expression(rows["piece"]), labelOverlap=False),
            ),
            color=alt.condition("datum.effect > 0", alt.value("#E69F00"), alt.value("#0072B2")),
            tooltip=["piece", alt.Tooltip("effect", format="+.3f")],
        )
    )


def _label_expression(labels: pd.Series) -> str:
    """A Vega expression that names each place by its word."""
    quoted = ", ".join("'" + re.sub(r"[\\'\n\r]", " ", label) + "'" for label in labels)
    return f"[{quoted}][datum.value]"


def _marked(text: str, pieces: list[dict], most: int = 1500) -> str:
    """The text as Markdown, with the pieces that carried the answer on a coloured ground."""
    strongest = max((abs(piece["effect"]) for piece in pieces), default=0.0)
    parts, done = [], 0
    for piece in pieces:
        if piece["end"] > most:
            break
        parts.append(_escaped(text[done : piece["start"]]))
        word = _escaped(text[piece["start"] : piece["end"]])
        colour = "orange" if piece["effect"] > 0 else "blue"
        parts.append(f":{colour}-background[{word}]" if abs(piece["effect"]) > 0.2 * strongest else word)
        done = piece["end"]
    rest = text[done:most]
    return "".join(parts) + _escaped(rest) + (" …" if len(text) > most else "")


def _escaped(text: str) -> str:
    """So that Markdown shows a text as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~>$:<&])", r"\\\1", text).replace("\n", "  \n")


def _two_models(run: Run) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    text = _text(shared.predictor(run), "two")
    with shared.errors_shown():
        answers = [_answer(one, text) for one in (run, second)]
        for column, one, answer in zip(st.columns(2), (run, second), answers, strict=True):
            with column:
                st.subheader(one.config.model)
                st.caption(one.id)
                st.metric(
                    t("Label", "분류"), answer["label"], f"{answer['probability']:.1%}", delta_color="off", border=True
                )
                _class_bars(answer["classes"])
                st.markdown(_marked(text, answer["carried_by"]))
        if answers[0]["label"] != answers[1]["label"]:
            st.warning(t("The two models disagree on this text.", "두 모델이 이 글을 다르게 분류합니다."))


def _file(run: Run) -> None:
    predictor = shared.predictor(run)
    column = predictor.meta["text"]
    st.write(
        t(
            f"A table with a column `{column}` comes back with two more: `predicted` and `probability`.",
            f"`{column}` 열이 있는 표를 올리면 `predicted`와 `probability` 열을 더해 돌려줍니다.",
        )
    )
    example = pd.DataFrame({column: predictor.examples}).to_csv(index=False)
    st.download_button(t("An example of such a file", "예시 파일"), example, "texts.csv", "text/csv")
    uploaded = st.file_uploader(
        "CSV / TSV / Parquet", type=["csv", "tsv", "parquet"], max_upload_size=shared.MAX_UPLOAD_MB
    )
    if uploaded is None:
        return
    with tempfile.TemporaryDirectory() as folder, shared.errors_shown():
        # The visitor's name for the file is shown in messages, so keep its last part and nothing of its path.
        source, target = Path(folder) / Path(uploaded.name).name, Path(folder) / "labelled.csv"
        source.write_bytes(uploaded.getbuffer())
        try:
            with st.spinner(t("Labelling …", "분류하는 중 …")):
                rows = score_file(predictor, source, target, most=MAX_ROWS)
        except shared.UserError as error:
            raise shared.UserError(str(error).replace(str(source), source.name)) from None
        scored = pd.read_csv(target)
        st.success(t(f"{rows:,} texts labelled.", f"글 {rows:,}편을 분류했습니다."))
        st.download_button(
            t("Download the labelled file", "결과 파일 내려받기"),
            target.read_bytes(),
            f"labelled-{source.stem}.csv",
            "text/csv",
        )
        st.bar_chart(scored["predicted"].value_counts(), horizontal=True, height=260)
        st.dataframe(scored.head(200), hide_index=True)


def _errors(run: Run) -> None:
    errors, pairs = shared.table_file(run, "errors"), shared.table_file(run, "confusions")
    if errors.empty:
        st.success(t("No error on the test split.", "테스트 데이터에서 틀린 예가 없습니다."))
        return
    labels = [
        f"{pair.truth} → {pair.answer} ({pair.count_})"
        for pair in pairs.rename(columns={"count": "count_"}).itertuples()
    ]
    everything = t("all pairs", "모든 쌍")
    chosen = st.selectbox(t("Taken for another: truth → answer", "혼동한 쌍: 정답 → 답"), [everything, *labels])
    if chosen != everything:
        pair = pairs.iloc[labels.index(chosen)]
        errors = errors[(errors["truth"] == pair["truth"]) & (errors["answer"] == pair["answer"])]
    st.dataframe(
        errors,
        hide_index=True,
        column_config={
            "text": st.column_config.TextColumn(t("text", "글"), width="large"),
            "truth": t("truth", "정답"),
            "answer": t("answer", "답"),
            "probability": st.column_config.ProgressColumn(
                t("probability", "확률"), format="percent", min_value=0, max_value=1
            ),
        },
    )
    st.caption(
        t("The 300 most confident errors of the test split.", "테스트 데이터에서 가장 확신하며 틀린 300개입니다.")
    )


def data(run: Run) -> None:
    content, sample = run.report, shared.table_file(run, "sample")
    st.write(content["data"]["source"])
    sizes = content["data"]["sizes"]
    for column, (name, size) in zip(st.columns(3), sizes.items(), strict=True):
        column.metric(name, f"{size:,}")
    classes = sorted(sample["class"].astype(str).unique())
    chosen = st.multiselect(t("Classes", "분류"), classes, classes[:3])
    shown = sample[sample["class"].astype(str).isin(chosen)] if chosen else sample
    lengths = sample["text"].str.len().rename("length")
    st.altair_chart(
        alt.Chart(pd.DataFrame(lengths), height=200)
        .mark_bar(color="#0072B2")
        .encode(
            x=alt.X(
                "length",
                bin=alt.Bin(maxbins=40),
                axis=alt.Axis(format="d"),
                title=t("characters of a text (at most 400 shown)", "글자 수 (400자까지)"),
            ),
            y=alt.Y("count()", title=t("texts in the sample", "표본의 글 수")),
        )
    )
    st.caption(
        t(
            f"{len(sample)} training texts, as many of each class as there is room for.",
            f"학습 데이터에서 분류마다 같은 수로 뽑은 {len(sample)}편입니다.",
        )
    )
    st.dataframe(shown, hide_index=True, height=320, column_config={"text": st.column_config.TextColumn(width="large")})


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    if "bag" in predictor.networks:
        st.subheader(t("What speaks for each class", "분류마다 무엇을 보고 판단하는가"))
        ngrams = shared.table_file(run, "ngrams")
        label = st.selectbox(t("Class", "분류"), predictor.meta["classes"])
        own = ngrams[ngrams["class"].astype(str) == label]
        st.altair_chart(
            alt.Chart(own)
            .mark_bar(cornerRadius=3, color="#0072B2")
            .encode(
                x=alt.X("effect", title=t("ratio × weight", "비율 × 가중치")),
                y=alt.Y("ngram", sort=None, title=None),
                tooltip=["ngram", "effect", "texts"],
            )
        )
        st.caption(
            t(
                "The n-grams that add most to this class's log-odds over the training texts. A space is shown as it is.",
                "학습 데이터 전체에서 이 분류의 로그 오즈를 가장 많이 올리는 n-gram입니다. 빈칸도 글자 그대로 나타납니다.",
            )
        )
    st.subheader(t("The network", "신경망"))
    for name, network in predictor.networks.items():
        st.caption(name)
        shared.drawing(network)
    st.subheader(t("The code that builds it", "모델을 만드는 코드"))
    shared.code(run.project, "model")


shared.page("text_classification", try_it, data, inside)
