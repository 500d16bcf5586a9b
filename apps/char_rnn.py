"""The page of the character models: `python -m streamlit run apps/char_rnn.py`."""

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import t
from common import runs
from common.runs import Run
from projects.char_rnn.config import HELLO
from projects.char_rnn.predict import DEFAULTS
from projects.char_rnn.unroll import unroll

LONGEST = 5000  # characters that a visitor may have written at once
READ = 600  # characters that are looked into at once


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    number = st.selectbox(
        t("Start from an example", "예시로 시작하기"),
        range(len(predictor.examples)),
        format_func=lambda i: repr(predictor.examples[i]["prompt"]),
    )
    example = {**DEFAULTS, **predictor.examples[number]}
    prompt = st.text_area(t("Prompt", "시작 글"), example["prompt"], key=f"prompt-{number}", max_chars=2000)
    first, second, third, fourth, fifth = st.columns(5)
    raw = {
        "prompt": prompt,
        "length": first.number_input(t("Characters", "글자 수"), 1, LONGEST, example["length"], key=f"length-{number}"),
        "temperature": second.slider(
            t("Temperature", "온도"),
            0.0,
            2.0,
            float(example["temperature"]),
            0.05,
            key=f"temperature-{number}",
            help=t(
                "Log-odds are divided by it: towards 0 always the likeliest character, above 1 bolder than it has learnt.",
                "로그 오즈를 이 값으로 나눕니다. 0에 가까우면 늘 가장 그럴듯한 글자를, 1보다 크면 배운 것보다 과감하게 고릅니다.",
            ),
        ),
        "top_k": third.number_input(
            "top-k", 0, 1000, example["top_k"], key=f"top-k-{number}", help=t("0: all characters", "0: 모든 글자")
        ),
        "top_p": fourth.slider("top-p", 0.05, 1.0, float(example["top_p"]), 0.05, key=f"top-p-{number}"),
        "seed": fifth.number_input(t("Seed", "시드"), 0, 10**6, example["seed"], key=f"seed-{number}"),
    }
    # settings that are as the example has them are not passed on: what is shown is then the example's very answer
    given = predictor.examples[number]
    raw = {name: value for name, value in raw.items() if name in given or value != DEFAULTS[name]}
    key = ("char-answer", run.id, tuple(sorted(raw.items())))
    with shared.errors_shown():
        place = st.container(border=True)
        answer = st.session_state.get(key)
        if answer is None:
            paper = place.empty()
            for answer in predictor.stream(raw):
                paper.code(answer["text"] + "▌", language=None, wrap_lines=True)
            paper.code(answer["text"], language=None, wrap_lines=True)
            st.session_state[key] = answer
        else:
            place.code(answer["text"], language=None, wrap_lines=True)
        if answer["unknown"]:
            st.warning(
                t(
                    f"Not in this run's vocabulary, read as nothing: {' '.join(map(repr, answer['unknown']))}",
                    f"이 실행의 어휘에 없어서 빈 글자로 읽었습니다: {' '.join(map(repr, answer['unknown']))}",
                )
            )
        _next_characters(predictor, answer["text"])
        shared.show_answer(answer)


def _next_characters(predictor, text: str) -> None:
    """The distribution after any beginning of the text."""
    st.subheader(t("What comes next?", "다음 글자는?"))
    text = text[-READ:]
    symbols = predictor.decode_plain(predictor.encode(text))
    place = st.slider(t("After so many characters", "여기까지 읽은 뒤"), 0, len(symbols), len(symbols), key="place")
    inside = _inside(predictor, text)
    shares = inside["shares"][place]
    order = np.argsort(-shares, kind="stable")[:12]
    table = pd.DataFrame({"character": [shown(predictor.vocabulary[i]) for i in order], "probability": shares[order]})
    left, right = st.columns(2)
    left.caption(t("The text up to there", "그때까지의 글"))
    left.code(symbols[max(0, place - 200) : place] + "▌", language=None, wrap_lines=True)
    if place < len(symbols):
        came = f"{inside['nats'][place]:.2f}"
        left.write(
            t(
                f"Then came {shown(symbols[place])!r}: a surprise of {came} nats.",
                f"다음 글자는 {shown(symbols[place])!r}: 놀라움 {came} nats.",
            )
        )
    right.altair_chart(
        alt.Chart(table, height=260)
        .mark_bar(cornerRadius=3, color="#0072B2")
        .encode(
            x=alt.X("probability", title=t("probability", "확률"), axis=alt.Axis(format="%")),
            y=alt.Y("character", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
            tooltip=["character", alt.Tooltip("probability", format=".2%")],
        )
    )


def shown(character: str) -> str:
    """A character as one can see it."""
    return {" ": "␣", "\n": "↵", "\t": "⇥"}.get(character, character)


def _inside(predictor, text: str) -> dict[str, np.ndarray]:
    """`Predictor.inside`, kept for the last text: every move of a slider draws the page again."""
    key = ("char-inside", id(predictor), text)
    if st.session_state.get("char-inside-key") != key:
        st.session_state.update({"char-inside-key": key, "char-inside": predictor.inside(text)})
    return st.session_state["char-inside"]


def data(run: Run) -> None:
    content = run.report
    st.write(content["data"]["source"])
    for column, (name, size) in zip(st.columns(3), content["data"]["sizes"].items(), strict=True):
        column.metric(t(f"{name}, blocks", f"{name}, 블록"), f"{size:,}")
    table = shared.table_file(run, "frequencies").head(60)
    st.altair_chart(
        alt.Chart(table, height=260)
        .mark_bar(color="#0072B2")
        .encode(
            x=alt.X("character:N", sort=None, title=t("character", "글자"), axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share", title=t("share of the training part", "학습 부분에서의 비율"), axis=alt.Axis(format="%")),
            tooltip=["character", alt.Tooltip("share", format=".3%")],
        )
    )


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    hello, units, network = st.tabs(
        [t("hello, step by step", "hello, 한 단계씩"), t("Units", "유닛"), t("The network", "신경망")]
    )
    with hello:
        _hello(run)
    with units:
        _units(run, predictor)
    with network:
        shared.drawing(predictor.networks["model"])
        st.subheader(t("The code that builds it", "모델을 만드는 코드"))
        shared.code(run.project, "model")


def _hello(run: Run) -> None:
    """The lecture's picture with the numbers of a run on `hello`."""
    st.write(
        t(
            "One character in, a hidden state that starts at zero, and what comes next: the same three weights at every step.",
            "글자 하나가 들어오고, 은닉 상태는 0에서 시작하며, 다음 글자를 예측합니다. 세 가중치는 모든 단계에서 같습니다.",
        )
    )
    st.latex(r"h_t=\tanh(W_{xh}\,x_t+W_{hh}\,h_{t-1}+b)\qquad y_t=W_{hy}\,h_t+b_y\qquad p_t=\mathrm{softmax}(y_t)")
    found = next(
        (
            entry["run"]
            for entry in [{"run": run}, *runs.list_runs(run.project, run.path.parents[1])]
            if entry["run"].finished and entry["run"].data == "hello" and entry["run"].config.model == "simple_rnn"
            and entry["run"].config.layers == 1 and not entry["run"].config.embedding
        ),
        None,
    )  # fmt: skip
    if found is None:
        st.info(
            t(
                "This needs a SimpleRNN that has learnt the word: it takes seconds, and this button does it.",
                "이 단어를 배운 SimpleRNN이 필요합니다. 몇 초면 되고, 이 버튼이 학습시킵니다.",
            )
        )
        if st.button(t("Train hello", "hello 학습하기"), key="train-hello"):
            shared.launch(runs.start(run.project, HELLO, "hello", runs.data_dir(), run.path.parents[1]))
            st.success(
                t("Started: open this tab again in some seconds.", "시작했습니다. 몇 초 뒤 이 탭을 다시 여세요.")
            )
        return
    predictor = shared.predictor(found)
    symbols = predictor.vocabulary
    ids = predictor.encode("hello")
    steps = unroll(predictor.networks["model"], "simple_rnn", ids)
    width = len(steps[0]["states"][0][0])
    rows = [f"x[{symbol}]" for symbol in symbols] + [f"h[{unit}]" for unit in range(width)]
    rows += [f"y[{symbol}]" for symbol in symbols] + [f"p[{symbol}]" for symbol in symbols]
    empty = np.full(len(symbols), np.nan)
    table = {"t = 0": np.concatenate([empty, steps[0]["before"][0][0], empty, empty])}
    for i, step in enumerate(steps):
        column = np.concatenate([step["x"], step["states"][0][0], step["log_odds"], step["probabilities"]])
        table[f"t = {i + 1}:  {symbols[ids[i]]} → {symbols[ids[i + 1]]}"] = column
    numbers = pd.DataFrame(table, index=rows)
    words = numbers.map(lambda value: "" if value != value else f"{value:.3f}")
    st.dataframe(words.style.apply(lambda _: numbers.map(_shade), axis=None), height=36 * (len(rows) + 1))
    st.caption(
        t(
            "x: the one-hot input. h: the hidden state, zero at first; each column is made of its x and the h to its left. "
            "y: the log-odds. p: their softmax.",
            "x는 원-핫 입력, h는 처음에 0인 은닉 상태이며 각 열은 자기 x와 왼쪽 열의 h로 계산됩니다. y는 로짓, p는 소프트맥스입니다.",
        )
    )
    for column, step in zip(st.columns(len(steps)), steps, strict=True):
        target = symbols[step["target"]]
        column.metric(t(f"loss = -log p[{target}]", f"손실 = -log p[{target}]"), f"{step['loss']:.4f}", border=True)
    st.write(t("The weights", "가중치"))
    layer, output = (
        predictor.networks["model"].get_layer("simple_rnn_1"),
        predictor.networks["model"].get_layer("log_odds"),
    )
    names = ("W_xh", "W_hh", "b", "W_hy", "b_y")
    for name, values in zip(names, [*layer.get_weights(), *output.get_weights()], strict=True):
        with st.expander(f"{name}  {values.shape}"):
            st.dataframe(pd.DataFrame(np.atleast_2d(values)).style.format("{:+.3f}").map(_shade), hide_index=True)
    st.caption(t(f"The numbers of run {found.id}.", f"실행 {found.id}의 값입니다."))


def _shade(value: float) -> str:
    """A cell's colour: blue below zero, orange above, pale near it."""
    if value != value:
        return ""
    strength = min(abs(value), 1.0) * 0.6
    return f"background-color: rgba({'230, 159, 0' if value > 0 else '0, 114, 178'}, {strength:.2f})"


def _units(run: Run, predictor) -> None:
    """A text coloured by the activation of one unit, and the units that go with a property of the text."""
    samples = shared.table_file(run, "samples")["text"]
    text = st.text_area(t("Text", "글"), samples.iloc[0][:READ], max_chars=READ, height=120)
    if not text:
        return
    found = _inside(predictor, text)
    hidden = {name: states for name, states in found.items() if name not in ("nats", "shares")}
    table = shared.table_file(run, "units")
    left, right = st.columns([2, 3])
    with left:
        st.caption(
            t(
                "Units found by what they react to: of all units, the one whose activation goes most closely with a property "
                "of the validation text. Choose a row to see it.",
                "무엇에 반응하는지로 찾은 유닛입니다. 검증 글의 각 성질과 상관이 가장 큰 유닛을 모든 유닛에서 골랐습니다. 행을 골라 보세요.",
            )
        )
        words = table.assign(property=[_property(name) for name in table["property"]])
        chosen = st.dataframe(
            words,
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key=f"units-{run.id}",
            column_config={
                "property": t("property", "성질"),
                "layer": t("layer", "층"),
                "unit": t("unit", "유닛"),
                "correlation": st.column_config.NumberColumn(t("correlation", "상관"), format="%.2f"),
            },
        )
        rows = chosen["selection"]["rows"] if len(table) else []
        start = table.iloc[rows[0] if rows else 0] if len(table) else None
    with right:
        first, second = st.columns(2)
        names = list(hidden)
        layer = first.selectbox(
            t("Layer", "층"), names, names.index(start["layer"]) if start is not None else 0, key=f"layer-{rows}"
        )
        width = hidden[layer].shape[1]
        unit = second.number_input(
            t("Unit", "유닛"),
            0,
            width - 1,
            min(int(start["unit"]), width - 1) if start is not None else 0,
            key=f"unit-{rows}",
        )
        symbols = predictor.decode_plain(predictor.encode(text))
        st.altair_chart(_coloured(symbols, hidden[layer][:, unit]))
        st.caption(
            t(
                "Each character is coloured by what the unit holds after reading it: orange +1, blue -1. Hover for the number.",
                "각 글자는 그 글자를 읽은 뒤의 유닛 값으로 칠했습니다. 주황은 +1, 파랑은 -1이며, 가리키면 값이 보입니다.",
            )
        )


def _property(name: str) -> str:
    """The name of a property of the text, in the page's language."""
    words = {
        "place in the line": t("place in the line", "줄 안의 위치"),
        "end of a line": t("end of a line", "줄의 끝"),
        "indentation": t("indentation", "들여쓰기"),
        "inside quotes": t("inside quotes", "따옴표 안"),
        "inside brackets": t("inside brackets", "괄호 안"),
        "place in the word": t("place in the word", "단어 안의 위치"),
        "space": t("space", "빈칸"),
        "capital letter": t("capital letter", "대문자"),
        "digit": t("digit", "숫자"),
        "vowel": t("vowel", "모음"),
        "punctuation": t("punctuation", "문장 부호"),
    }
    return words[name]


def _coloured(text: str, activation: np.ndarray, width: int = 64) -> alt.Chart:
    """The text as a chart of coloured cells, wrapped at line ends and after `width` characters."""
    rows, row, column = [], 0, 0
    for character, value in zip(text, activation, strict=True):
        rows.append({"character": shown(character), "row": row, "column": column, "activation": float(value)})
        column += 1
        if character == "\n" or column == width:
            row, column = row + 1, 0
    base = alt.Chart(pd.DataFrame(rows), height=22 * (row + 1) + 60).encode(
        x=alt.X("column:O", axis=None, scale=alt.Scale(domain=list(range(width)), padding=0)),
        y=alt.Y("row:O", axis=None, scale=alt.Scale(padding=0)),
        tooltip=["character", alt.Tooltip("activation", format="+.3f")],
    )
    colour = alt.Color(
        "activation",
        scale=alt.Scale(domain=[-1, 0, 1], range=["#4393c3", "#f7f7f7", "#E69F00"]),
        legend=alt.Legend(orient="top", title=None, gradientLength=160),
    )
    letters = base.mark_text(font="monospace", fontSize=13, color="#111111").encode(text="character")
    return base.mark_rect().encode(color=colour) + letters


shared.page("char_rnn", try_it, data, inside)
