"""The page of the character models: `python -m streamlit run apps/char_rnn.py`."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import plain, t, term
from common import runs
from common.inputs.text import readable
from common.runs import Run
from projects.char_rnn.config import HELLO, Config
from projects.char_rnn.encoding import DEFAULTS
from projects.char_rnn.unroll import unroll

MAX_LENGTH = 5000  # characters that a visitor can have written at once
MAX_READ = 600  # characters that are looked into at once
VISIBLE = {" ": "␣", "\n": "↵", "\t": "⇥"}  # signs for characters that one cannot see


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    raw = _settings(predictor)
    key = ("char-answer", run.id, tuple(sorted(raw.items())))
    place = st.container(border=True)
    answer = st.session_state.get(key)
    if answer is None:
        paper = place.empty()
        for answer in predictor.stream(raw):
            paper.code(readable(answer["text"]) + "▌", language=None, wrap_lines=True)
        paper.code(readable(answer["text"]), language=None, wrap_lines=True)
        st.session_state[key] = answer
    else:
        place.code(readable(answer["text"]), language=None, wrap_lines=True)
    if answer["unknown"]:
        listed = plain(" ".join(map(repr, answer["unknown"])))
        st.warning(t(f"The vocabulary of this run does not have {listed}. The network reads them as unknown characters.", f"이 실행의 어휘에 없는 글자입니다: {listed}. 신경망은 이 글자를 모르는 글자로 읽습니다."))  # fmt: skip
    st.download_button(t("Download the text", "글 내려받기"), answer["text"], "text.txt", "text/plain")
    _next_characters(predictor, answer["text"])
    shared.show_answer(answer)
    shared.tries({"prompt": raw["prompt"], "text": answer["text"]}, "texts")


def _settings(predictor: Any) -> dict[str, Any]:
    """The raw input that the visitor has set. Chips bring the prompts of the examples."""
    examples = predictor.examples
    prompts, label = [example["prompt"] for example in examples], t("Prompt", "시작 글")
    prompt = shared.example_text(prompts, label, 2000, "prompt", t("Write", "이어 쓰기"))
    example = next((example for example in examples if example["prompt"] == prompt), examples[0] | {"prompt": prompt})
    start = {**DEFAULTS, **example}
    columns = dict(zip(("length", "temperature", "top_k", "top_p", "seed"), st.columns(5), strict=True))

    def asked(name: str, label: str, low: float, high: float, step: float, help: str | None = None) -> Any:
        field = columns[name].slider if isinstance(step, float) else columns[name].number_input
        key = state.kept(name.replace("_", "-"), type(step)(start[name]), low=low, high=high)
        return field(label, low, high, step=step, key=key, help=help)

    # fmt: off
    raw = {
        "prompt": prompt,
        "length": asked("length", t("Characters", "글자 수"), 1, MAX_LENGTH, 1),
        "temperature": asked("temperature", t("Temperature", "온도"), 0.0, 2.0, 0.05, t("The logits are divided by it. Near 0 the network always writes the most probable character. Above 1 it writes improbable characters more often.", "로짓을 이 값으로 나눕니다. 0에 가까우면 항상 확률이 가장 높은 글자를 쓰고, 1보다 크면 확률이 낮은 글자도 더 자주 씁니다.")),
        "top_k": asked("top_k", "top-k", 0, 1000, 1, t("It chooses among this many most probable characters. 0: among all.", "확률이 높은 글자부터 이 수만큼만 놓고 고릅니다. 0이면 모든 글자에서 고릅니다.")),
        "top_p": asked("top_p", "top-p", 0.05, 1.0, 0.05, t("It chooses among the most probable characters that have this probability together.", "확률이 높은 글자부터 더해 이 확률이 될 때까지의 글자 가운데에서 고릅니다.")),
        "seed": asked("seed", t("Seed", "난수 시드"), 0, 10**6, 1, t("Another seed, another text.", "시드를 바꾸면 다른 글이 나옵니다.")),
    }
    # fmt: on
    # A setting that is as in the example is not passed on. Then the answer shown is exactly the example's.
    return {name: value for name, value in raw.items() if name in example or value != DEFAULTS[name]}


def _next_characters(predictor: Any, text: str) -> None:
    """The distribution of the next character after any beginning of the text."""
    st.subheader(t("What comes next?", "다음 글자는?"))
    text = text[-MAX_READ:]
    symbols = predictor.decode_symbols(predictor.encode(text))
    key = state.kept("place", len(symbols), low=0, high=len(symbols))
    place = st.slider(t("Characters read", "읽은 글자 수"), 0, len(symbols), key=key)
    inside = _inside(predictor, text)
    probabilities = inside["probabilities"][place]
    order = np.argsort(-probabilities, kind="stable")[:12]
    characters = [shown(predictor.vocabulary.symbols[i]) for i in order]
    table = pd.DataFrame({"character": characters, "probability": probabilities[order]})
    left, right = st.columns(2)
    left.caption(t("The text so far", "여기까지의 글"))
    left.code(readable(symbols[max(0, place - 200) : place]) + "▌", language=None, wrap_lines=True)
    if place < len(symbols):
        symbol, nats = plain(repr(shown(symbols[place]))), f"{inside['nats'][place]:.2f}"
        left.write(t(f"The next character is {symbol}. Its surprise is {nats} nats.", f"다음 글자는 {symbol}이고, 정보량은 {nats}내트입니다."))  # fmt: skip
    cache = f"{inside['cache'][place]:.0%}"
    left.caption(t(f"{cache} of this distribution comes from the cache: the characters that came after similar states earlier in this text. The network writes without it.", f"이 분포의 {cache}는 캐시에서 옵니다. 캐시는 이 글의 앞부분에서 은닉 상태가 비슷했던 곳을 찾아 그다음에 온 글자를 참고합니다. 글을 쓸 때 신경망은 캐시를 쓰지 않습니다."))  # fmt: skip
    right.altair_chart(
        alt.Chart(table, height=330)
        .mark_bar(cornerRadius=3, color="#0072B2")
        .encode(
            x=alt.X("probability", title=t("probability", "확률"), axis=alt.Axis(format="%")),
            y=alt.Y("character", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
            tooltip=shared.tooltip("character", "probability .2%"),
        )
    )


def shown(character: str) -> str:
    """A character as one can see it."""
    return VISIBLE.get(character, readable(character))


def _inside(predictor: Any, text: str) -> dict[str, Any]:
    """`Predictor.inside`, kept for the last text, because the page is drawn again whenever a slider moves."""
    key = ("char-inside", id(predictor), text)
    if st.session_state.get("char-inside-key") != key:
        st.session_state.update({"char-inside-key": key, "char-inside": predictor.inside(text)})
    return st.session_state["char-inside"]


def data(run: Run) -> None:
    shared.data_head(run)
    table = shared.table_file(run, "frequencies", ("character",), ("fraction",)).head(60)
    table["character"] = table["character"].map(readable)
    fraction = t("fraction of the training part", "학습 데이터에서의 비율")
    st.altair_chart(
        alt.Chart(table, height=260)
        .mark_bar(color="#0072B2")
        .encode(
            x=alt.X("character:N", sort=None, title=t("character", "글자"), axis=alt.Axis(labelAngle=0)),
            y=alt.Y("fraction", title=fraction, axis=alt.Axis(format="%")),
            tooltip=shared.tooltip("character", "fraction .3%"),
        )
    )


def inside(run: Run) -> None:
    predictor = shared.predictor(run)

    def network() -> None:
        shared.drawing(predictor.networks["model"])
        shared.code(run.project)

    shared.parts(
        "inside",
        {
            "hello": (t("hello, step by step", "hello, 한 단계씩"), lambda: _hello(run)),
            "units": (t("Units", "유닛"), lambda: _units(run, predictor)),
            "network": (t("The network", "신경망"), network),
        },
    )


def _hello(run: Run) -> None:
    """The lecture's picture with the numbers of a run on `hello`."""
    st.write(t("The network reads one character at a time and predicts the next one. Its hidden state starts at zero. The three weights are the same at every step.", "신경망은 글자를 하나씩 읽고 다음 글자를 예측합니다. 은닉 상태는 0에서 시작합니다. 세 가중치는 모든 단계에서 같습니다."))  # fmt: skip
    st.latex(r"h_t=\tanh(W_{xh}\,x_t+W_{hh}\,h_{t-1}+b)\qquad y_t=W_{hy}\,h_t+b_y\qquad p_t=\mathrm{softmax}(y_t)")
    others = (entry["run"] for entry in runs.list_runs(run.project, run.path.parents[1]))
    hello = next((other for other in (run, *others) if _shows_hello(other)), None)
    if hello is None:
        st.info(t("This needs a SimpleRNN that has learnt the word. It is trained in a few seconds. Then open this tab again.", "이 단어를 학습한 SimpleRNN이 필요합니다. 학습은 몇 초면 끝납니다. 그다음 이 탭을 다시 여세요."))  # fmt: skip
        changed = {name: value for name, value in vars(HELLO).items() if value != getattr(Config(), name)}
        knobs = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in changed.items())
        st.code(f"python -m projects.char_rnn.train --data hello {knobs}", language="bash")
        training = shared.part("training")
        if training and st.button(t("Train hello", "hello 학습하기"), key="train-hello"):
            training.launch(runs.start(run.project, HELLO, "hello", runs.data_dir(), run.path.parents[1]))
            st.success(t("Training has started.", "학습을 시작했습니다."))
        return
    predictor = shared.predictor(hello)
    network, symbols, ids = predictor.networks["model"], predictor.vocabulary.symbols, predictor.encode("hello")
    steps = unroll(network, "simple_rnn", ids)
    numbers = _step_table(steps, symbols)
    words = numbers.map(lambda value: "" if value != value else f"{value:.3f}")
    st.dataframe(words.style.apply(lambda _: numbers.map(_shade), axis=None), height=36 * (len(numbers) + 1))
    st.caption(t("x is the one-hot input. h is the hidden state, zero at first; each column computes it from its own x and the h on its left. y are the logits. p is their softmax.", "x는 원-핫 입력입니다. h는 은닉 상태로 처음에는 0이며, 각 열은 자기 x와 왼쪽 열의 h로 계산합니다. y는 로짓, p는 로짓의 소프트맥스입니다."))  # fmt: skip
    for column, step in zip(st.columns(len(steps)), steps, strict=True):
        target = plain(symbols[step["target"]])
        column.metric(t(f"loss = -log p[{target}]", f"손실 = -log p[{target}]"), f"{step['loss']:.4f}", border=True)
    st.write(t("The weights", "가중치"))
    weights = [*network.get_layer("simple_rnn_1").get_weights(), *network.get_layer("logits").get_weights()]
    for name, values in zip(("W_xh", "W_hh", "b", "W_hy", "b_y"), weights, strict=True):
        with st.expander(f"{name}  {values.shape}"):
            st.dataframe(pd.DataFrame(np.atleast_2d(values)).style.format("{:+.3f}").map(_shade), hide_index=True)
    st.caption(t(f"The numbers are those of run {plain(hello.id)}.", f"실행 {plain(hello.id)}의 값입니다."))


def _shows_hello(run: Run) -> bool:
    """Whether this run is a network like the lecture's, trained on `hello`."""
    known = run.finished and run.data == "hello"
    return known and (run.config.model, run.config.layers, run.config.embedding) == ("simple_rnn", 1, 0)


def _step_table(steps: list[dict[str, Any]], symbols: list[str]) -> pd.DataFrame:
    """A column for each step of `unroll`, and one for the state before the first. Rows: x, h, y and p."""
    units, empty = len(steps[0]["before"][0][0]), np.full(len(symbols), np.nan)
    rows = [f"x[{symbol}]" for symbol in symbols] + [f"h[{unit}]" for unit in range(units)]
    rows += [f"y[{symbol}]" for symbol in symbols] + [f"p[{symbol}]" for symbol in symbols]
    table = {"t = 0": np.concatenate([empty, steps[0]["before"][0][0], empty, empty])}
    for i, step in enumerate(steps, start=1):
        read = symbols[int(step["x"].argmax())]
        column = [step["x"], step["states"][0][0], step["logits"], step["probabilities"]]
        table[f"t = {i}:  {read} → {symbols[step['target']]}"] = np.concatenate(column)
    return pd.DataFrame(table, index=rows)


def _shade(value: float) -> str:
    """A cell's colour: blue below zero, orange above, pale near zero."""
    if value != value:
        return ""
    strength = min(abs(value), 1.0) * 0.6
    return f"background-color: rgba({'230, 159, 0' if value > 0 else '0, 114, 178'}, {strength:.2f})"


def _units(run: Run, predictor: Any) -> None:
    """A text coloured by the activation of one unit, and the units that react to a property of the text."""
    samples = shared.table_file(run, "samples", ("text",))["text"]
    examples = [samples.iloc[0][:MAX_READ], *(example["prompt"] for example in predictor.examples)]
    text = shared.example_text(examples, t("Text", "글"), MAX_READ, "units-text", t("Look inside", "들여다보기"))
    if not text:
        return
    hidden = _inside(predictor, text)["hidden"]
    table = shared.table_file(run, "units", ("property", "layer"), ("unit", "correlation"))
    left, right = st.columns([2, 3])
    with left:
        st.caption(t("For each property of the validation text, the unit whose activation correlates most with it. Choose a row to see the unit.", "검증 데이터의 각 성질마다 활성값과의 상관계수가 가장 큰 유닛입니다. 행을 고르면 그 유닛이 보입니다."))  # fmt: skip
        titles = {"property": t("property", "성질"), "layer": t("layer", "층"), "unit": t("unit", "유닛")}
        correlation = st.column_config.NumberColumn(t("correlation", "상관계수"), format="%.2f")
        chosen = st.dataframe(
            table.assign(property=table["property"].map(term)),
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key=f"units-{run.id}",
            column_config={**titles, "correlation": correlation},
        )
        rows = chosen["selection"]["rows"] if len(table) else []
        start = table.iloc[rows[0] if rows else 0] if len(table) else {"layer": next(iter(hidden)), "unit": 0}
    with right:
        first, second = st.columns(2)
        names = list(hidden)
        at = names.index(start["layer"]) if start["layer"] in names else 0
        layer = first.selectbox(t("Layer", "층"), names, at, key=f"layer-{rows}")
        last = hidden[layer].shape[1] - 1
        unit = second.number_input(t("Unit", "유닛"), 0, last, min(int(start["unit"]), last), key=f"unit-{rows}")
        symbols = predictor.decode_symbols(predictor.encode(text))
        st.altair_chart(_coloured(symbols, hidden[layer][:, unit]))
        st.caption(t("The colour of a character is the unit's value after it has been read: orange +1, blue -1. Hover to see the number.", "글자의 색은 그 글자를 읽은 뒤의 유닛 값입니다. 주황은 +1, 파랑은 -1입니다. 마우스를 올리면 값이 보입니다."))  # fmt: skip


def _coloured(text: str, activation: np.ndarray, width: int = 64) -> alt.LayerChart:
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
        tooltip=shared.tooltip("character", "activation +.3f"),
    )
    colour = alt.Color(
        "activation",
        scale=alt.Scale(domain=[-1, 0, 1], range=["#4393c3", "#f7f7f7", "#E69F00"]),
        legend=alt.Legend(orient="top", title=None, gradientLength=160),
    )
    letters = base.mark_text(font="monospace", fontSize=13, color="#111111").encode(text="character")
    return base.mark_rect().encode(color=colour) + letters


shared.page("char_rnn", try_it, data, inside)
