"""The page of sequence tagging: `python -m streamlit run apps/sequence_tagging.py`."""

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import plain, t, term
from common.runs import Run
from projects.sequence_tagging.encoding import MAX_CHARACTERS
from projects.sequence_tagging.predict import tag_file
from projects.sequence_tagging.programs import NEW_LINE, UNLABELLED

LINE = 84  # characters of a line of tagged words; a Hangul syllable counts two
MAX_DRAWN = 400  # tokens that are drawn
MAX_FILE_MB = 2
BLUE, ORANGE = "#0072B2", "#E69F00"
LONGEST = 130  # pixels of the longest name of a tag beside an axis
ALL = {"labelOverlap": False, "labelLimit": LONGEST}  # options of an axis of tags: it names each of them, in full


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


def _text(predictor, key: str) -> str:
    label = t("Text (you can edit it)", "글(고쳐 쓸 수 있습니다)")
    texts = [example["text"] for example in predictor.examples]
    return shared.example_text(texts, label, MAX_CHARACTERS, key, t("Tag", "태그 붙이기"))


def _one_text(run: Run) -> None:
    predictor = shared.predictor(run)
    text = unicodedata.normalize("NFC", _text(predictor, "one"))  # as it is read
    with shared.errors_shown():
        answer = predictor.predict({"text": text})
        _tagged(answer, text, predictor.meta)
        if answer["unfamiliar"]:
            shared.caution(
                run,
                t(
                    "The network is unsure of these tags: perhaps this text is of another kind than those that it learnt. Take the tags as guesses.",
                    "신경망이 이 태그들을 확신하지 못합니다. 학습한 글과 종류가 다른 글일 수 있으므로, 태그는 추측으로 보아야 합니다.",
                ),
            )
        if predictor.meta["spans"]:
            _names(answer)
        if "transitions" in predictor.meta:
            _by_crf(predictor, answer, text)
        _neighbours(predictor, answer, text)
        shared.show_answer(answer)
        tagged = [f"{row['token']}/{row['tag']}" for row in answer["tokens"] if row["tag"] not in (UNLABELLED, "O")]
        shared.tries({"text": text, "tag": " ".join(tagged)[:2000]}, "tagged")


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def _layout(answer: dict, text: str, reading: str) -> pd.DataFrame:
    """Where each token is drawn, in characters: a program as it was typed, other texts wrapped into lines."""
    rows, x, y = [], 0, 0
    for number, row in enumerate(answer["tokens"][:MAX_DRAWN]):
        if row["token"] in (NEW_LINE, " "):
            x += 1
            continue
        shown = row["token"].splitlines()[0][:60]
        wide = _width(shown)
        if reading == "code":
            before = text[: row["start"]]
            y, x = before.count("\n"), _width(before[before.rfind("\n") + 1 :])
        else:
            wide = max(wide, len(row["tag"]) * 0.85 + 0.6 if row["tag"] != "O" else 0)
            if x and x + wide > LINE:
                x, y = 0, y + 1
        rows.append({**row, "shown": shown, "x": x, "x2": x + wide, "y": y, "number": number})
        x += wide + (0 if reading == "syllables" else 0.6)
    return pd.DataFrame(rows)


def _tagged(answer: dict, text: str, meta: dict) -> None:
    """The words of a text on the colours of their tags, with the tags beneath."""
    frame = _layout(answer, text, meta["reading"])
    code = meta["reading"] == "code"
    frame["seen"] = np.where(frame["known"], t("yes", "예"), t("no", "아니요"))
    frame["middle"] = (frame["x"] + frame["x2"]) / 2
    frame["kind"] = frame["tag"].str.replace(r"^[BI]-", "", regex=True)
    with_tag = frame[~frame["tag"].isin([UNLABELLED, "O"])]
    ink = shared.ink()
    lines, longest = int(frame["y"].max()) + 1, max(float(frame["x2"].max()), 40.0)
    step = 26 if code else 46
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, longest], nice=False))
    y = alt.Y("y:O", axis=None, scale=alt.Scale(domain=list(range(lines))))
    tooltip = shared.tooltip("token", "tag", "probability .1%", "seen")
    kinds = sorted({tag.removeprefix("B-").removeprefix("I-") for tag in meta["tags"]} - {"O"})
    columns = 3 if max(map(len, kinds)) <= 10 else 2  # as many as a phone has room for
    scale = alt.Scale(domain=kinds, scheme="tableau20")
    legend = alt.Legend(title=None, orient="bottom", columns=columns)
    colour = alt.Color("kind:N", scale=scale, legend=legend)
    boxes = alt.Chart(with_tag).mark_rect(opacity=shared.SHADE, cornerRadius=3)
    layers = boxes.encode(x=x, x2="x2", y=y, color=colour, tooltip=tooltip)
    where = alt.X("middle:Q", axis=None, scale=alt.Scale(domain=[0, longest], nice=False))
    words = alt.Chart(frame).mark_text(font="monospace", fontSize=13, dy=0 if code else -8, color=ink)
    layers += words.encode(x=where, y=y, text="shown", tooltip=tooltip)
    if not code:
        tags = alt.Chart(with_tag).mark_text(fontSize=10, dy=9, color=ink)
        layers += tags.encode(x=where, y=y, text="tag")
    st.altair_chart(
        layers.properties(height=step * lines + 24 + 18 * -(-len(kinds) // columns), width=max(340, 7.85 * longest)),
        width="content",
    )
    if len(answer["tokens"]) > MAX_DRAWN:
        st.caption(t(f"Only the first {MAX_DRAWN} words are drawn.", f"앞의 {MAX_DRAWN}개 단어만 그렸습니다."))
    new = [row["token"] for row in answer["tokens"] if not row["known"] and row["tag"] not in (UNLABELLED, "O")]
    if new:
        st.text(t("New to the network: ", "학습 데이터에 없는 단어: ") + ", ".join(dict.fromkeys(new[:30])))


def _names(answer: dict) -> None:
    """The lecture's own question: is this word somebody's name?"""
    if not answer["spans"]:
        st.info(t("The network finds no name in this text.", "신경망이 이 글에서 이름을 찾지 못했습니다."))
        return
    st.subheader(t("Names", "이름"))
    shared.table(pd.DataFrame(answer["spans"])[["text", "label"]])


def _by_crf(predictor, answer: dict, text: str) -> None:
    """The words whose tag the CRF has changed, because neighbouring tags did not fit."""
    columns = [t("word", "단어"), t("without the CRF", "CRF 없이"), t("with the CRF", "CRF 적용")]
    pairs = zip(answer["tokens"], predictor.without_crf({"text": text}), strict=True)
    changed = [(row["token"], alone, row["tag"]) for row, alone in pairs if row["tag"] != alone]
    st.subheader(t(f"What the CRF changed: {len(changed)}", f"CRF가 바꾼 태그: {len(changed)}개"))
    if changed:
        shared.table(pd.DataFrame(changed, columns=columns))


def _neighbours(predictor, answer: dict, text: str) -> None:
    """What each word of the text says for or against the tag of one word."""
    places = [
        place
        for place, row in enumerate(answer["tokens"][:MAX_DRAWN])
        if row["tag"] != UNLABELLED and row["token"] not in (NEW_LINE, " ")
    ]
    if not places:
        return
    st.subheader(t("What its neighbours say", "주변 단어의 영향"))
    interesting = [i for i, place in enumerate(places) if answer["tokens"][place]["tag"] != "O"]
    first = places[interesting[len(interesting) // 2] if interesting else 0]
    place = st.selectbox(
        t("Word", "단어"),
        places,
        format_func=lambda place: f"{place + 1}: {answer['tokens'][place]['token']} – {answer['tokens'][place]['tag']}",
        key=state.kept("word", first, places),
    )
    kinds = [t("the word itself", "이 단어"), t("neighbour", "주변")]
    effects = np.array(predictor.influence({"text": text}, place)[:MAX_DRAWN])
    frame = pd.DataFrame(
        {
            "place": np.arange(len(effects)),
            "token": [row["token"] for row in answer["tokens"][: len(effects)]],
            "effect": effects,
            "kind": np.where(np.arange(len(effects)) == place, *kinds),
        }
    )
    strongest = frame.loc[frame["effect"].abs().sort_values(ascending=False).index].head(12).sort_values("place")
    labels = json.dumps([token[:30] for token in frame["token"]], ensure_ascii=False)
    st.altair_chart(
        alt.Chart(strongest, height=130 + 26 * len(strongest))
        .mark_bar(cornerRadius=3)
        .encode(
            x=alt.X("effect", title=t("log-odds: ← against · for the tag →", "로그 오즈: ← 반대 · 뒷받침 →")),
            y=alt.Y("place:O", title=None, axis=alt.Axis(labelExpr=f"{labels}[datum.value]", labelOverlap=False)),
            color=alt.Color("kind:N", title=None).scale(domain=kinds, range=[ORANGE, BLUE]).legend(orient="top"),
            tooltip=shared.tooltip("token", "effect +.2f"),
        )
    )
    st.caption(
        t(
            "A bar shows by how much the log-odds of the tag fall when this word is hidden. The twelve strongest words.",
            "막대는 그 단어를 가렸을 때 이 태그의 로그 오즈가 얼마나 내려가는지를 나타냅니다. 영향이 가장 큰 단어 12개입니다.",
        )
    )


def _two_models(run: Run) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    text = _text(shared.predictor(run), "two")
    with shared.errors_shown():
        answers = [shared.predictor(one).predict({"text": text}) for one in (run, second)]
        for one, answer in zip((run, second), answers, strict=True):
            st.subheader(one.config.model + (" + CRF" if one.config.crf else ""))
            st.caption(plain(one.id))
            _tagged(answer, text, shared.predictor(one).meta)
        pairs = zip(answers[0]["tokens"], answers[1]["tokens"], strict=True)
        different = [(a["token"], a["tag"], b["tag"]) for a, b in pairs if a["tag"] != b["tag"]]
        if different:
            st.warning(
                t("The two models disagree on these words.", "두 모델은 다음 단어에 서로 다른 태그를 붙였습니다.")
            )
            shared.table(pd.DataFrame(different, columns=[t("word", "단어"), "1", "2"]))


def _file(run: Run) -> None:
    predictor = shared.predictor(run)
    st.write(
        t(
            "Upload a text file with a sentence in each line. You get each word back with its tag.",
            "한 줄에 한 문장이 있는 텍스트 파일을 올리면 단어마다 태그를 붙여 돌려줍니다.",
        )
    )
    example = "\n".join(example["text"].replace("\n", " ") for example in predictor.examples) + "\n"
    st.download_button(t("An example of such a file", "예시 파일"), example, "sentences.txt", "text/plain")
    kinds = {".csv": "CSV", ".conll": "CoNLL"}
    ending = state.choice(t("Form of the result", "결과 형식"), "form", kinds)
    uploaded = state.upload(t("Text file", "텍스트 파일"), ["txt"], "file", MAX_FILE_MB)
    if uploaded is None:
        return
    doing = t("Tagging …", "태그를 붙이는 중 …")
    with shared.errors_shown():
        lines, content = shared.converted(
            uploaded, ending, doing, lambda source, target: tag_file(predictor, source, target)
        )
        st.success(t(f"Lines tagged: {lines:,}.", f"{lines:,}줄에 태그를 붙였습니다."))
        tagged = f"tagged-{Path(uploaded[0]).stem}{ending}"
        st.download_button(t("Download the result", "결과 파일 내려받기"), content, tagged, "text/plain")
        st.code(content.decode("utf-8")[:3000], language=None)


def _errors(run: Run) -> None:
    errors = shared.table_file(run, "errors", ("sentence", "answers"), ("wrong", "of"))
    if errors.empty:
        st.success(t("There is no error on the test split.", "테스트 데이터에 오답이 없습니다."))
        return
    names = {"wrong": t("wrong", "오답 수"), "of": t("tagged words", "태그가 있는 단어 수")}
    names |= {"sentence": t("sentence", "문장"), "answers": t("answers", "예측과 정답")}
    st.dataframe(errors, hide_index=True, column_config=names, height=480)
    st.caption(
        t(
            "Sentences of the test split with the most wrong tags first. “word: A, not B” means: the network said A, right is B.",
            "테스트 데이터에서 오답이 많은 문장부터 보여 줍니다. ‘단어: A, not B’는 신경망의 답이 A이고 정답이 B라는 뜻입니다.",
        )
    )


def _room(tags: Iterable[str]) -> int:
    """Pixels for the names beside an axis. Vega may measure them in another font, before the page's own is loaded."""
    return min(LONGEST, 8 * max(map(len, tags)))


def data(run: Run) -> None:
    shared.data_head(run)
    counts = shared.table_file(run, "by_tag", ("tag",), ("tokens",))
    st.altair_chart(
        alt.Chart(counts, height=60 + 22 * len(counts))
        .mark_bar(color=BLUE, cornerRadius=3)
        .encode(
            x=alt.X("tokens", title=t("words of the test split", "테스트 데이터의 단어 수")),
            y=alt.Y("tag", sort=None, title=None, axis=alt.Axis(minExtent=_room(counts["tag"]), **ALL)),
            tooltip=shared.tooltip("tag", "tokens"),
        )
    )
    sample = shared.table_file(run, "sample", ("sentence",), ("tokens",))
    sentence = t("training sentence: word/tag", "학습 문장: 단어/태그")
    names = {
        "tokens": st.column_config.NumberColumn(t("words", "단어 수"), width="small"),
        "sentence": st.column_config.TextColumn(sentence, width="large"),
    }
    st.dataframe(sample, hide_index=True, height=360, column_config=names)


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("Which tag follows which", "태그 다음에 오는 태그"))
    transitions = predictor.meta.get("transitions")
    tags = predictor.meta["tags"]
    if transitions:
        frame = pd.DataFrame(
            [(a, b, transitions["between"][i][j]) for i, a in enumerate(tags) for j, b in enumerate(tags)],
            columns=["tag", "next", "value"],
        )
        scale = alt.Scale(scheme="blueorange", domainMid=0)
        about = t(
            "The CRF's transition scores. Orange: the pair is likely; blue: the CRF avoids it.",
            "CRF의 전이 점수입니다. 주황색은 자주 이어지는 쌍, 파란색은 CRF가 피하는 쌍입니다.",
        )
    else:
        frame = shared.table_file(run, "neighbours", ("tag", "next"), ("share",)).rename(columns={"share": "value"})
        scale = alt.Scale(scheme="blues", domain=[0, 1])
        about = t(
            "How often a tag follows another in training; words without a tag between them are left out. This run has no CRF: it does not use these pairs. Train with `--crf` to see what a CRF makes of them.",
            "학습 데이터에서 한 태그 다음에 다른 태그가 오는 비율입니다. 그 사이에 있는 태그 없는 단어는 건너뜁니다. 이 실행에는 CRF가 없어서 이 쌍을 쓰지 않습니다. `--crf`로 학습하면 CRF가 이 쌍을 어떻게 쓰는지 볼 수 있습니다.",
        )
    st.altair_chart(
        alt.Chart(frame, height=170 + 22 * len(tags))
        .mark_rect()
        .encode(
            x=alt.X("next:N", sort=tags, title=t("next tag", "다음 태그"), axis=alt.Axis(labelAngle=-45, **ALL)),
            y=alt.Y("tag:N", sort=tags, title=t("tag", "태그"), axis=alt.Axis(minExtent=_room(tags), **ALL)),
            color=alt.Color("value:Q", scale=scale, title=None, legend=alt.Legend(orient="top", gradientLength=160)),
            tooltip=shared.tooltip("tag", "next", "value .2f"),
        )
    )
    st.caption(about)
    st.subheader(t("F1 by tag", "태그별 F1"))
    scores = shared.table_file(run, "by_tag", ("tag",), ("tokens",))
    scores = scores.rename(columns={name: term(name) for name in scores.columns[2:]})
    axis = alt.Axis(grid=True, minExtent=_room(scores["tag"]), **ALL)
    long = scores.melt(["tag", "tokens"], var_name="model", value_name="f1")
    st.altair_chart(
        alt.Chart(long, height=120 + 26 * len(scores))
        .mark_point(filled=True, size=70, opacity=0.9)
        .encode(
            x=alt.X("f1:Q", scale=alt.Scale(domain=[0, 1]), title="F1"),
            y=alt.Y("tag:N", sort=list(scores["tag"]), title=None, axis=axis),
            color=alt.Color("model:N", title=None, legend=alt.Legend(orient="top", columns=1)),
            tooltip=shared.tooltip("tag", "model", "f1 .3f", "tokens"),
        )
    )
    st.subheader(t("The network", "신경망"))
    shared.drawing(predictor.networks["model"])
    shared.code(run.project)


shared.page("sequence_tagging", try_it, data, inside, called=lambda run: str)  # tags are names
