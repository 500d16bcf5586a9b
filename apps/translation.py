"""The page of translation: `python -m streamlit run apps/translation.py`."""

import json
import time
from pathlib import Path
from unicodedata import east_asian_width

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import plain, t, term
from common.inputs.tables import is_table
from common.inputs.text import readable
from common.runs import Run
from projects.translation.encoding import MAX_CHARACTERS, SPACE
from projects.translation.predict import translate_file

MAX_CELLS = 10_000  # cells of an attention picture
MAX_UNITS = 64  # units of a state that is drawn
MAX_FILE_MB, MAX_ROWS = 1, 20_000  # limits of an uploaded file
MAX_LINES = 50  # lines of a translated file that are shown
PAUSE, LONGEST_WRITING = 0.03, 1.0  # seconds between two pieces of a translation, and of the whole of it
LINE, LETTER = 40, 9  # letters in a line of the alignment, and pixels of a letter


def try_it(run: Run) -> None:
    shared.parts(
        "part",
        {
            "one": (t("One sentence", "문장 하나"), lambda: _one_sentence(run)),
            "two": (t("Two models", "두 모델 비교"), lambda: _two_models(run)),
            "file": (t("A file", "파일"), lambda: _file(run)),
        },
    )


def _sentence(predictor, key: str) -> str:
    label = t("Sentence (you can edit it)", "문장(고쳐 쓸 수 있습니다)")
    texts = [example["text"] for example in predictor.examples]
    return shared.example_text(texts, label, MAX_CHARACTERS, key, t("Translate", "번역하기"))


def _one_sentence(run: Run) -> None:
    predictor = shared.predictor(run)
    text = _sentence(predictor, "one")
    label = t("Beam: translations that are kept while one is written", "빔: 번역을 쓰는 동안 유지하는 후보 수")
    beam = state.slider(label, "beam", predictor.meta["beam"], 1, 10)
    with shared.errors_shown():
        raw = {"text": text} if beam == predictor.meta["beam"] else {"text": text, "beam": beam}
        answer = _written(run, raw)
        if len(answer["alternatives"]) > 1:
            st.subheader(t("Alternatives", "다른 번역 후보"))
            shared.table(pd.DataFrame(answer["alternatives"]))
            st.caption(
                t(
                    "The score is the mean log-probability of a symbol. 0 would be certain.",
                    "점수는 기호 하나의 로그 확률을 평균한 값입니다. 0이면 완전히 확신하는 것입니다.",
                )
            )
        _attention(answer)
        _state(predictor, answer, text)
        shared.show_answer(answer)
        shared.tries({"text": text, "translation": answer["translation"]}, "translations")


def _written(run: Run, raw: dict) -> dict:
    """The answer, its translation written piece by piece in a frame. An answer that was shown before stands at once."""
    key = ("translation", run.id, tuple(raw.items()))
    with st.container(border=True):
        st.caption(plain(shared.predictor(run).meta["direction"]))
        paper = st.empty()
    if key not in st.session_state:
        answers = list(shared.predictor(run).stream(raw))
        for answer in answers:
            paper.text(readable(answer["translation"]) + "▌")
            time.sleep(min(PAUSE, LONGEST_WRITING / len(answers)))
        st.session_state[key] = answers[-1]
    answer = st.session_state[key]
    paper.text(readable(answer["translation"]) or "–")
    if answer["unknown"]:
        unknown = " ".join(map(readable, answer["unknown"][:40]))
        # As text: what a visitor types is never read as Markdown.
        st.text(t(f"Not in the training sentences: {unknown}", f"학습 문장에 없는 조각: {unknown}"))
    if answer["unread"]:
        st.warning(
            t(
                f"The sentence is too long. Pieces in its middle that were not read: {answer['unread']}.",
                f"문장이 너무 길어 가운데의 조각 {answer['unread']}개를 읽지 않았습니다.",
            )
        )
    return answer


def _heat(cells: pd.DataFrame, labels: dict[str, list[str]], titles: dict[str, str], signed: bool, height: int):
    """A heat map. cells: columns x and y, which are numbers of `labels`, and value. The row under the pointer is framed."""
    row = alt.selection_point(fields=["y"], on="pointerover", empty=False)
    cells = cells.assign(**{f"{side}_name": [labels[side][place] for place in cells[side]] for side in ("x", "y")})

    def axis(side: str) -> alt.Axis:
        text = f"{json.dumps(labels[side], ensure_ascii=False)}[datum.value]"
        short = side == "y" or all(len(label) < 3 for label in labels[side][:-1])  # the last one is <eos>
        many = len(labels[side]) > 60  # more labels would cover their neighbours
        return alt.Axis(
            labelExpr=text, title=titles[side], labelAngle=0 if short else -60, labelOverlap=many, ticks=False
        )

    if signed:
        colour = alt.Color("value:Q", title=None).scale(scheme="blueorange", domainMid=0).legend(orient="top")
        shade = {"color": colour}
    else:  # colours from nothing to full, which work on light and dark ground
        scale = alt.Scale(type="sqrt", domain=[0, 1], range=[0.04, 1])
        shade = {"color": alt.value("#3A8FC8"), "opacity": alt.Opacity("value:Q", scale=scale, legend=None)}
    st.altair_chart(
        alt.Chart(cells, height=height)
        .mark_rect(stroke="#E69F00")
        .encode(
            x=alt.X("x:O", axis=axis("x")),
            y=alt.Y("y:O", axis=axis("y")),
            **shade,
            strokeWidth=alt.condition(row, alt.value(1.5), alt.value(0)),
            tooltip=shared.tooltip("y_name", "x_name", "value:Q .2f", y_name=titles["y"], x_name=titles["x"]),
        )
        .add_params(row)
        .configure_axis(labelColor=shared.ink(), titleColor=shared.ink())  # on a canvas, which style.css cannot reach
    )


def _shown(pieces: list[str]) -> list[str]:
    return [readable(piece).replace(SPACE, "␣") for piece in pieces]


def _lines(pieces: list[str], first: int) -> pd.DataFrame:
    """Where each piece stands in lines of LINE letters, from line `first` on: place, piece, left, right, line."""
    rows, left, line = [], 0, first
    for place, piece in enumerate(pieces):
        width = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in piece)
        if left and left + width > LINE:
            left, line = 0, line + 1
        text = piece.removeprefix(" ")  # the chart drops a space at the beginning
        rows.append((place, text, left, left + width, left + len(piece) - len(text), line))
        left += width
    return pd.DataFrame(rows, columns=["place", "piece", "left", "right", "begin", "line"])


def _alignment(answer: dict) -> None:
    """Sentence and translation as text. The piece under the pointer shades those that were looked at while it was written."""
    source, target = ([readable(piece).replace(SPACE, " ") for piece in answer[side]] for side in ("source", "target"))
    above = _lines(source, 0)
    below = _lines(target, int(above["line"].max()) + 2)  # an empty line stands between them
    looked = pd.DataFrame(
        {"written": i, "place": j, "weight": weight}
        for i, row in enumerate(answer["attention"])
        for j, weight in enumerate(row)
    ).merge(above, on="place")
    below["written"], lines = below["place"], list(range(int(below["line"].max()) + 1))
    pointer = alt.selection_point(fields=["written"], on="pointerover", clear=False, value=[{"written": 0}])
    scale = alt.Scale(domain=[0, LINE], nice=False)
    x, y = alt.X("left:Q", scale=scale, axis=None), alt.Y("line:O", axis=None, scale=alt.Scale(domain=lines))
    place = {"x": x, "x2": "right", "y": y, "tooltip": alt.value(None)}
    opacity = alt.Opacity("weight:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0, shared.SHADE]), legend=None)
    shade = alt.Chart(looked).transform_filter(pointer).mark_rect(color="#3A8FC8").encode(**place, opacity=opacity)
    here = alt.condition(pointer, alt.value(shared.SHADE), alt.value(0.001))  # at 0 nothing could be pointed at
    frame = alt.Chart(below).mark_rect(color="#E69F00").encode(**place, opacity=here).add_params(pointer)
    text = alt.Chart(pd.concat([above, below])).mark_text(
        align="left", baseline="middle", font="monospace", fontSize=LETTER / 0.6, color=shared.ink()
    )
    chart = shade + frame + text.encode(x=alt.X("begin:Q", scale=scale, axis=None), y=y, text="piece")
    st.altair_chart(chart.properties(width=LINE * LETTER, height=20 * len(lines)), width="content")
    st.caption(
        t(
            "Point at a piece of the translation below: above, the pieces that the network looked at while it wrote it are blue.",
            "아래 번역문의 조각에 마우스를 올리면, 신경망이 그 조각을 쓸 때 본 원문의 조각이 위에서 파랗게 보입니다.",
        )
    )


def _attention(answer: dict) -> None:
    """Where the network looked while it wrote each piece: a row for each piece of the translation."""
    source, target = _shown(answer["source"]), _shown(answer["target"])
    st.subheader(t("Where it looked", "어텐션이 본 곳"))
    if "attention" not in answer:
        st.write(
            t(
                "This model has no attention. It wrote the whole translation from the last state of the encoder.",
                "이 모델에는 어텐션이 없습니다. 인코더의 마지막 상태만으로 번역 전체를 썼습니다.",
            )
        )
        return
    if len(source) * len(target) > MAX_CELLS:
        st.write(t("The sentence is too long to be drawn.", "문장이 너무 길어 그림으로 나타낼 수 없습니다."))
        return
    _alignment(answer)
    cells = pd.DataFrame(
        {"x": j, "y": i, "value": weight} for i, row in enumerate(answer["attention"]) for j, weight in enumerate(row)
    )
    titles = {"x": t("the sentence", "원문"), "y": t("its translation", "번역문")}
    _heat(cells, {"x": source, "y": target}, titles, False, 80 + 18 * len(target))
    st.caption(
        t(
            "A row is a piece of the translation. The more colour a cell has, the more it looked at that piece of the sentence. Point at a row to read it.",
            "한 줄이 번역문의 조각 하나입니다. 색이 진한 칸일수록 그 조각을 쓸 때 원문에서 더 많이 본 조각입니다. 마우스를 올리면 그 줄의 값을 읽을 수 있습니다.",
        )
    )


def _state(predictor, answer: dict, text: str) -> None:
    """What passes from the encoder to the decoder: the last states, and the memory that attention looks at."""
    st.subheader(t("What the encoder gives the decoder", "인코더가 디코더에 넘기는 값"))
    ids = predictor.encode([text])
    if len(ids[0]) > predictor.meta["limits"][-1][0]:
        st.write(t("The sentence is too long to be drawn.", "문장이 너무 길어 그림으로 나타낼 수 없습니다."))
        return
    # One width for all sentences, because each width is compiled.
    source = ids.padded(np.array([0]), predictor.meta["limits"][-1][0])
    encoded = {name: np.asarray(array)[0] for name, array in predictor.networks["encoder"](source).items()}
    encoded.pop("mask", None)
    key = state.kept("state", next(iter(encoded)), encoded)
    name = st.segmented_control(t("Array", "배열"), list(encoded), key=key, label_visibility="collapsed", required=True)
    array = np.atleast_2d(encoded.get(name, next(iter(encoded.values()))))
    rows = _shown(answer["source"]) if name == "memory" else [str(name)]
    array = array[: len(rows), :MAX_UNITS]
    cells = pd.DataFrame({"x": j, "y": i, "value": float(v)} for i, row in enumerate(array) for j, v in enumerate(row))
    titles = {"x": t("unit", "유닛"), "y": t("piece", "조각")}
    _heat(cells, {"x": [str(i) for i in range(array.shape[1])], "y": rows}, titles, True, 90 + 18 * len(rows))
    st.caption(
        t(
            f"h and c are the last states of the encoder: the decoder starts from them. `memory` has a row for each piece of the sentence: attention looks at these rows. The first {MAX_UNITS} numbers of each are drawn.",
            f"h와 c는 인코더의 마지막 상태이며, 디코더는 이 값에서 시작합니다. `memory`에는 원문의 조각마다 한 줄이 있고, 어텐션은 이 줄들을 봅니다. 각각 앞의 숫자 {MAX_UNITS}개만 그렸습니다.",
        )
    )


def _two_models(run: Run) -> None:
    other = shared.second_run(run)
    if other is None:
        return
    text = _sentence(shared.predictor(run), "two")
    with shared.errors_shown():
        for column, chosen in zip(st.columns(2), (run, other), strict=True):
            with column:
                st.markdown(f"**{term(chosen.config.model)}**")
                st.caption(plain(chosen.id))
                answer = _written(chosen, {"text": text})
                st.metric(term("score"), f"{answer['score']:.3f}", border=True)
                _attention(answer)


def _file(run: Run) -> None:
    predictor = shared.predictor(run)
    name = plain(predictor.meta["columns"][0])
    st.write(
        t(
            f"Upload a text file with a sentence in each line, or a table with a column “{name}”. You get it back translated.",
            f"한 줄에 한 문장씩 적은 텍스트 파일이나 ‘{name}’ 열이 있는 표를 올리면 번역하여 돌려줍니다.",
        )
    )
    example = "".join(example["text"] + "\n" for example in predictor.examples)
    st.download_button(t("An example of such a file", "예시 파일"), example, "sentences.txt", "text/plain")
    uploaded = state.upload("TXT / CSV / TSV / XLSX", ["txt", "csv", "tsv", "xlsx"], "file", MAX_FILE_MB)
    if uploaded is None:
        return
    file = Path(uploaded[0])
    ending, doing = ".csv" if is_table(file) else ".txt", t("Translating …", "번역하는 중 …")
    with shared.errors_shown():
        (rows, too_long), content = shared.converted(
            uploaded, ending, doing, lambda source, target: translate_file(predictor, source, target, max_rows=MAX_ROWS)
        )
        st.success(t(f"Sentences translated: {rows:,}.", f"문장 {rows:,}개를 번역했습니다."))
        if too_long:
            st.warning(t(f"Sentences that are too long, whose middle was not read: {too_long:,}.", f"너무 긴 문장 {too_long:,}개는 가운데 부분을 읽지 않았습니다."))  # fmt: skip
        st.download_button(t("Download the translations", "번역 내려받기"), content, f"translated-{file.stem}{ending}")
        st.text(readable("\n".join(content.decode("utf-8").splitlines()[:MAX_LINES])))


def data(run: Run) -> None:
    shared.data_head(run)
    st.write(
        t(
            "- **When is the loss computed, and when do the weights change?** After each batch: the decoder reads the right translation, the loss is the cross-entropy of each next symbol, and one step of Adam changes all weights.\n- **What is an epoch here?** One pass over all training pairs, in batches of similar length, in a new order each time.\n- **How is such a network evaluated?** It writes its own translations of sentences that it has never seen. They are compared with the reference as raw text: exact matches, chrF and BLEU.",
            "- **손실은 언제 계산하고 가중치는 언제 갱신합니까?** 배치마다 계산합니다. 디코더가 정답 번역을 읽고, 다음 기호마다 구한 교차 엔트로피의 평균이 손실이며, Adam이 모든 가중치를 한 번 갱신합니다.\n- **여기서 에포크란 무엇입니까?** 길이가 비슷한 배치로 나눈 학습 문장 쌍을 매번 새로운 순서로 모두 한 번씩 읽는 것입니다.\n- **이런 신경망은 어떻게 평가합니까?** 학습하지 않은 문장을 번역하게 하고, 그 결과를 참조 번역과 글자 그대로 비교하여 완전 일치율, chrF, BLEU를 구합니다.",
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
            color=alt.Color("model", title=None, legend=alt.Legend(orient="top", columns=1)),
            tooltip=shared.tooltip("model", "from", "to", "sentences", f"{metric} .3f"),
        )
    )
    for name in ("encoder", "decoder"):
        st.subheader(t(name.capitalize(), {"encoder": "인코더", "decoder": "디코더"}[name]))
        shared.drawing(predictor.networks[name])
    shared.code(run.project)


shared.page("translation", try_it, data, inside)
