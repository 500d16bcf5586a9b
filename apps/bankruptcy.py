"""The page of bankruptcy: `python -m streamlit run apps/bankruptcy.py`."""

import io
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import canvas, shared, state
from apps.i18n import plain, t, term
from common.inputs.tables import KINDS, check_upload
from common.report import COLOURS
from common.runs import Run
from projects.bankruptcy import simulate
from projects.bankruptcy.encoding import as_raw, checked
from projects.bankruptcy.forecast import DAYS, PART, Forecast, forecast, read_prices, verdict, without_comments
from projects.bankruptcy.predict import score_file

BLUE, ORANGE, RED = COLOURS[0], COLOURS[1], COLOURS[5]
GREY = "#8794A3"
ENDS = 60  # days at which the risk beneath a chart is asked for
MAX_ROWS = 100_000  # rows of an uploaded table
MAX_DAYS, MAX_COLUMNS = 3000, 20  # limits of an uploaded table of prices: what trains within half a minute
GENERATED_DAYS = 732  # days of a generated share, as many as in the table of the lectures
DRAWN_DAYS = 250  # days of a chart that is drawn by hand
RANGE = 20.0  # a drawn price may rise by this factor from the bottom to the top of the canvas
SHOWN_VARIABLES, SHOWN_ROWS = 6, 50
EXTENT = 55  # pixels for the labels of an axis, so that charts above each other have one scale


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    one = t("One firm", "기업 하나") if predictor.meta["task"] == "risk" else t("One series", "시계열 하나")
    drawings = {"one": (one, lambda: _one(run, predictor))}
    drawings["file"] = (t("A file", "파일 전체"), lambda: _file(predictor))
    if (run.path / "lead.csv").exists():
        drawings["alarm"] = (t("Alarm and lead time", "경보와 예고 시간"), lambda: _alarm(run))
    if has_price(predictor):
        drawings["forecast"] = (t("Tomorrow's price", "내일의 주가"), _forecast)
    shared.parts("part", drawings)


def has_price(predictor: Any) -> bool:
    return {"price", "debt"} <= set(predictor.meta["variables"])


# One firm


def _one(run: Run, predictor: Any) -> None:
    raw = _chosen(predictor)
    if raw is None:
        st.info(t("Draw a line from the left to the right.", "왼쪽에서 오른쪽으로 선을 그려 보세요."))
        return
    values = checked(raw, predictor.meta)
    length, least = len(values), max(2, predictor.meta["length"] // 5)
    if length > least:
        end = state.slider(t("The last day that is known", "알려진 마지막 날"), "end", length, least, length)
        raw = as_raw(values[:end], predictor.meta["variables"]) if end < length else raw
    answer = predictor.predict(raw)
    _answer(run, predictor, answer)
    if answer["unfamiliar"]:
        reason = t(
            "The lowest or highest value of this series, or its mean change a step, lies beyond all that the network has learnt from. Perhaps it has another unit. Take the answer as a guess.",
            "이 시계열의 최저값이나 최고값, 또는 평균 변화폭이 학습 데이터 전체의 범위를 벗어났습니다. 단위가 다를 수 있으므로, 결과는 추측으로 보아야 합니다.",
        )
        shared.caution(run, reason)
    shocked = _shock(predictor, raw) if has_price(predictor) else None
    if length > 2:
        _charts(predictor, raw, shocked)
    else:
        shared.table(pd.DataFrame({"variable": list(raw), "value": [values[0] for values in raw.values()]}))
    shared.show_answer(answer)
    said = {"steps": str(len(next(iter(raw.values())))), "answer": shared.labels(run)(answer["answer"])}
    likely = answer.get("risk", max(answer["probabilities"].values()))
    shared.tries({**said, "probability": f"{likely:.4f}"}, "risks")


def _chosen(predictor: Any) -> dict | None:
    """The series that the visitor has chosen: an example, or a chart that is drawn with the mouse."""
    ways = {"example": t("an example", "예시")}
    if has_price(predictor):
        ways["draw"] = t("draw a share price", "주가 그리기")
    if len(ways) > 1 and state.choice(t("Firm", "기업"), "way", ways) == "draw":
        return _drawn()
    return shared.numbered_example(predictor.examples)


def _drawn() -> dict | None:
    """A share price drawn with the mouse, with daily noise, beside the firm's debt."""
    left, right = st.columns([1, 1])
    with left:
        picture = canvas.sketch(t("a share price over a year", "1년 동안의 주가"), t("Clear", "지우기"), "chart")
    with right:
        label = t(
            "Price of all shares at the middle, as a multiple of the debt", "가운데 높이의 시가총액(부채의 몇 배)"
        )
        level = state.slider(label, "level", 1.0, 0.1, 5.0, 0.1)
        noise = state.slider(t("Daily fluctuation, %", "하루 변동폭(%)"), "noise", 2.0, 0.0, 8.0, 0.5)
        st.caption(
            t(
                f"From the bottom to the top the price rises by a factor of {RANGE:g}. A drawn line is smoother than any share, so chance moves it up and down every day.",
                f"맨 아래에서 맨 위까지 주가가 {RANGE:g}배 오릅니다. 손으로 그린 선은 실제 주가보다 매끄러우므로 날마다 우연한 등락을 더합니다.",
            )
        )
    if picture is None:
        return None
    ink = picture.max(axis=2) > 60
    columns = np.flatnonzero(ink.any(axis=0))
    if len(columns) < 10:
        return None
    rows = np.arange(len(ink))[:, None]
    heights = (ink * rows).sum(axis=0)[columns] / ink.sum(axis=0)[columns]
    places = np.linspace(columns[0], columns[-1], DRAWN_DAYS)
    above = 0.5 - np.interp(places, columns, heights) / len(ink)
    random = np.random.default_rng(0).standard_normal(DRAWN_DAYS)
    price = 100 * level * np.exp(np.log(RANGE) * above + noise / 100 * random / np.sqrt(2))
    return as_raw(np.column_stack([price, np.full(DRAWN_DAYS, 100.0)]), ["price", "debt"])


def _answer(run: Run, predictor: Any, answer: dict) -> None:
    left, middle, right = st.columns(3)
    if "risk" not in answer:
        left.metric(t("Answer", "답"), plain(shared.labels(run)(answer["answer"])))
        middle.metric(t("Probability", "확률"), f"{max(answer['probabilities'].values()):.1%}")
        likely = [(shared.labels(run)(name), value) for name, value in answer["probabilities"].items()]
        frame = pd.DataFrame(likely, columns=["class", "probability"])
        shared.table(frame.sort_values("probability", ascending=False))
        return
    within = t("within a year", "1년 안에") if "horizon" in predictor.meta else ""
    left.metric(t(f"Risk of failure {within}", f"{within} 부도가 날 확률").strip(), f"{answer['risk']:.1%}")
    middle.metric(t("Alarm from", "경보 기준"), f"{answer['threshold']:.1%}")
    right.metric(t("Alarm", "경보"), t("yes", "울림") if answer["alarm"] else t("no", "울리지 않음"))


def _shock(predictor: Any, raw: dict) -> dict | None:
    """The same firm with a sudden change of its price on one day, if the visitor wants it."""
    if not st.toggle(t("What would a shock do?", "충격이 오면 어떻게 될까요?"), key=state.kept("shock", False)):
        return None
    days = len(raw["price"])
    left, right = st.columns(2)
    key = state.kept("shock-day", max(2, days - 20), low=2, high=days)
    day = left.slider(t("On day", "충격이 온 날"), 2, days, key=key)
    key = state.kept("shock-size", -40, low=-90, high=100)
    size = right.slider(t("Change of the price, %", "주가 변화(%)"), -90, 100, key=key)
    price = np.array(raw["price"], float)
    price[day - 1 :] *= 1 + size / 100
    shocked = {**raw, **as_raw(price[:, None], ["price"])}
    st.metric(t("Risk after the shock", "충격 뒤의 부도 확률"), f"{predictor.predict(shocked)['risk']:.1%}")
    return shocked


def _charts(predictor: Any, raw: dict, shocked: dict | None) -> None:
    """The series, the risk beneath it as the window slides, and which days mattered."""
    names = predictor.meta["variables"]
    label, original = t("series", "시계열"), t("as it was", "원래")
    rows = [(original, raw), *([(t("with the shock", "충격 뒤"), shocked)] if shocked else [])]
    steps = np.arange(1, len(raw[names[0]]) + 1)
    x = alt.X("step:Q", title=t("day", "날") if has_price(predictor) else t("step", "단계"))
    x = x.scale(domain=[1, len(steps)], nice=False)
    if has_price(predictor):
        lines = [(kind, one["price"]) for kind, one in rows] + [(t("reported debt", "보고된 부채"), raw["debt"])]
        title, scale = t("shares; debt", "시가총액, 부채"), "log"
    else:
        key = state.kept("variables", names[:SHOWN_VARIABLES], names)
        lines = [(name, raw[name]) for name in st.multiselect(t("Variables", "변수"), names, key=key)]
        title, scale = t("value", "값"), "linear"
    if not lines:
        return
    frame = pd.concat(pd.DataFrame({"step": steps, "value": np.array(y, float), label: name}) for name, y in lines)
    y = alt.Y("value:Q", title=title).scale(type=scale, zero=False).axis(minExtent=EXTENT)
    colour = alt.Color(f"{label}:N", title=None, sort=None).scale(range=list(COLOURS)).legend(orient="top")
    marked = len(steps) <= 12
    above = alt.Chart(frame.dropna(), height=320).mark_line(point=marked).encode(x=x, y=y, color=colour)
    st.altair_chart(above, width="stretch")
    if predictor.meta["task"] == "risk" and len(steps) > predictor.meta["length"]:
        _risk_line(predictor, rows, x, label)
    _days(predictor, raw, x)


def _risk_line(predictor: Any, rows: list, x: alt.X, label: str) -> None:
    parts = []
    for kind, one in rows:
        ends, logits = predictor.over_time(one, ENDS)
        risks = [predictor.decode(row)["risk"] for row in logits]
        parts.append(pd.DataFrame({"step": ends, "risk": risks, label: kind}))
    colour = alt.Color(f"{label}:N", sort=None, legend=None).scale(range=list(COLOURS))
    y = alt.Y("risk:Q", title=t("risk", "부도 확률")).scale(domain=[0, 1]).axis(format="%", minExtent=EXTENT)
    line = alt.Chart(pd.concat(parts), height=220).mark_line(strokeWidth=2)
    line = line.encode(x=x, y=y, color=colour, tooltip=shared.tooltip("step", "risk .1%"))
    limit = pd.DataFrame({"risk": [predictor.meta["threshold"]]})
    rule = alt.Chart(limit).mark_rule(color=RED, strokeDash=[5, 4]).encode(y="risk:Q")
    st.altair_chart(line + rule, width="stretch")
    st.caption(
        t(
            f"The window of {predictor.meta['length']} days slides over the chart: the risk as it was known on each day. Dashed: the alarm rings above it.",
            f"{predictor.meta['length']}일짜리 창을 차트 위로 옮기며 날마다 그날까지의 정보로 구한 부도 확률입니다. 점선을 넘으면 경보가 울립니다.",
        )
    )


def _days(predictor: Any, raw: dict, x: alt.X) -> None:
    """Which days mattered: bars of what each part of the window adds to the log-odds of the answer."""
    starts, parts = predictor.occlusion(raw)
    signs = [t("raises it", "높임"), t("lowers it", "낮춤")]
    ends = np.append(starts[1:], len(next(iter(raw.values())))) + 1
    frame = pd.DataFrame({"step": starts + 1, "end": ends, "part": parts, "zero": 0.0})
    frame["sign"] = np.where(parts > 0, *signs)
    y = alt.Y("part:Q", title=t("adds to the log-odds", "로그 오즈 기여")).axis(minExtent=EXTENT)
    colour = alt.Color("sign:N", title=None).scale(domain=signs, range=[ORANGE, BLUE]).legend(orient="top")
    tooltip = shared.tooltip("step", "end", "part +.3f", step=t("from", "부터"))
    bars = alt.Chart(frame, height=300).mark_rect()
    bars = bars.encode(x=x, x2="end:Q", y=y, y2="zero:Q", color=colour, tooltip=tooltip)
    st.altair_chart(bars, width="stretch")
    st.caption(
        t(
            "Which days mattered: a part of the window is replaced by a straight line, as if nothing had happened then. What the answer loses is what these days add to it.",
            "어느 날이 중요했을까요? 창의 일부를 직선으로 바꾸어 그동안 아무 일도 없었던 것처럼 만듭니다. 이때 답이 줄어드는 만큼이 그날들이 답에 보탠 몫입니다.",
        )
    )


# A file of firms


def _file(predictor: Any) -> None:
    names, roles = predictor.meta["variables"], predictor.meta["roles"]
    st.write(
        t(
            "A table with a row for each firm and time, or with a row for each firm. Every firm gets one risk.",
            "기업과 시점마다 한 행, 또는 기업마다 한 행이 있는 표를 올립니다. 기업마다 부도 확률을 하나씩 계산합니다.",
        )
    )
    shown = [roles["firm"], roles["time"], *names[:20]]
    st.text(t("Columns: ", "열: ") + ", ".join(shown) + (" …" if len(names) > 20 else ""))
    label = t("Upload firms", "기업 데이터 올리기")
    uploaded = state.upload(label, [*KINDS, "arff", "ts"], "firms", shared.MAX_UPLOAD_MB)
    if uploaded is None:
        st.download_button(t("An example file", "예시 파일"), _example_file(predictor), "firms.csv", "text/csv")
        return

    def convert(source: Path, target: Path) -> int:
        if source.suffix.lower() not in (".arff", ".ts"):
            check_upload(source, MAX_ROWS)
        return score_file(predictor, source, target)

    rows, content = shared.converted(uploaded, ".csv", t("Scoring …", "계산하는 중 …"), convert)
    st.success(t(f"Firms scored: {rows:,}.", f"기업 {rows:,}개의 부도 확률을 계산했습니다."))
    name = f"scored-{Path(uploaded[0]).stem}.csv"
    st.download_button(t("Download the result", "결과 파일 내려받기"), content, name, "text/csv")
    st.dataframe(pd.read_csv(io.BytesIO(content), nrows=SHOWN_ROWS, dtype={roles["firm"]: str}), hide_index=True)


def _example_file(predictor: Any) -> str:
    """The examples as a long table."""
    roles = predictor.meta["roles"]
    firms = {f"firm {number}": pd.DataFrame(raw) for number, raw in enumerate(predictor.examples, start=1)}
    table = pd.concat(firms, names=[roles["firm"], roles["time"]])
    return table.rename(index=lambda row: row + 1, level=1).to_csv()


# Alarm and lead time


def _alarm(run: Run) -> None:
    table = shared.table_file(run, "lead", ("model",), ("false_alarms", "threshold", "mean_days", "found"))
    rates = sorted(table["false_alarms"].unique())
    rate = st.select_slider(
        t("Alarms for firms that live on", "살아남는 기업에 울리는 경보의 비율"),
        rates,
        key=state.kept("rate", 0.05 if 0.05 in rates else rates[0], rates),
        format_func=lambda value: f"{value:.1%}",
    )
    own = table[(table["model"] == table["model"].iloc[0]) & (table["false_alarms"] == rate)].iloc[0]
    left, middle, right = st.columns(3)
    left.metric(t("Alarm from a risk of", "경보 기준 확률"), f"{own['threshold']:.1%}")
    middle.metric(t("Failures announced in time", "미리 알린 부도"), f"{own['found']:.0%}")
    right.metric(t("Days from alarm to failure, mean", "경보에서 부도까지 평균 일수"), f"{own['mean_days']:.0f}")
    table["model"] = table["model"].map(term)
    x = alt.X("false_alarms:Q", title=t("false alarms", "오경보율")).scale(type="log").axis(format="%")
    colour = alt.Color("model:N", title=None, sort=None).scale(range=list(COLOURS)).legend(orient="top")
    rule = alt.Chart(pd.DataFrame({"false_alarms": [rate]})).mark_rule(color=GREY, strokeDash=[5, 4])
    for column, title in (
        ("mean_days", t("mean days from alarm to failure", "경보에서 부도까지 평균 일수")),
        ("found", t("failures announced in time", "미리 알린 부도의 비율")),
    ):
        tooltip = shared.tooltip("model", "false_alarms .1%", f"{column} .3g", **{column: title})
        lines = alt.Chart(table, height=340).mark_line(point=True)
        lines = lines.encode(x=x, y=alt.Y(f"{column}:Q", title=title), color=colour, tooltip=tooltip)
        st.altair_chart(lines + rule.encode(x="false_alarms:Q"), width="stretch")
    st.caption(
        t(
            "The test firms, asked again every month after the decision. A lower threshold rings earlier, and gives more false alarms. The oracle sees the hidden assets: nobody can be earlier for the same number of false alarms.",
            "테스트 기업에 대해 판단한 날부터 매달 부도 확률을 다시 구한 결과입니다. 기준을 낮추면 경보가 더 일찍 울리지만 오경보도 늘어납니다. 오라클은 숨은 자산을 보므로, 오경보율이 같다면 평균적으로 이보다 일찍 알 수는 없습니다.",
        )
    )


# Tomorrow's price


def _forecast() -> None:
    """A small network trained on the spot to forecast the next day's price, beside persistence: tomorrow is as today."""
    st.write(
        t(
            f"A network reads the prices of {DAYS} days and forecasts the next one. The first {PART:.0%} of the days teach. Beside it stands persistence: tomorrow's price is today's.",
            f"신경망이 {DAYS}일 동안의 주가를 읽고 다음 날의 주가를 예측합니다. 앞쪽 {PART:.0%}의 날로 학습합니다. 비교 대상은 ‘내일 주가는 오늘과 같다’고 답하는 지속성 예측입니다.",
        )
    )
    values = _prices()
    if values is None:
        return
    left, right = st.columns(2)
    with left:
        kinds = {"lstm": "LSTM", "mlp": t("multilayer perceptron", "다층 퍼셉트론")}
        kind = state.choice(t("Network", "신경망"), "network", kinds)
    with right:
        ways = {"price": t("the price", "주가"), "change": t("the change of the price", "주가의 변화")}
        what = state.choice(t("It predicts", "예측하는 것"), "predicts", ways)
    _forecast_figures(_trained(values.tobytes(), values.shape, kind, what == "change"))


@st.cache_data(max_entries=50, show_spinner=False)
def _trained(values: bytes, shape: tuple[int, int], kind: str, change: bool) -> Forecast:
    bar = st.progress(0.0, t("Training …", "학습하는 중 …"))  # Streamlit repeats only what is drawn in here
    done = forecast(np.frombuffer(values).reshape(shape), kind, change, 0, bar.progress)
    bar.empty()
    return done


def _prices() -> np.ndarray | None:
    """(days, columns), the earliest day first, the price to forecast last: a generated share, or the visitor's table."""
    label = t("Upload a table of prices, a row for each day", "하루에 한 행인 주가 표 올리기")
    uploaded = state.upload(label, KINDS, "prices", shared.MAX_UPLOAD_MB)
    if uploaded is None:
        seed = state.slider(t("Share, generated", "생성한 주가의 번호"), "share", 1, 1, 20)
        market = simulate.simulate(50, GENERATED_DAYS, np.random.default_rng(seed))
        return market.price[market.failed >= GENERATED_DAYS][0][:, None].astype(float)

    def convert(source: Path, target: Path) -> None:
        source.write_bytes(without_comments(source.read_bytes()))
        check_upload(source, MAX_ROWS)
        read_prices(source).to_parquet(target)

    _, content = shared.converted(uploaded, ".parquet", t("Reading …", "읽는 중 …"), convert)
    table = pd.read_parquet(io.BytesIO(content))
    names = {name: plain(name) for name in table}
    price = state.choice(t("Price to forecast", "예측할 주가"), "column", names, table.columns[-1])
    latest_first = st.toggle(
        t("The first row is the latest day", "첫 행이 가장 최근 날짜임"), key=state.kept("latest-first", True)
    )
    kept = [name for name in names if name != price][: MAX_COLUMNS - 1]
    values = table[[*kept, price]].to_numpy(float)
    values = values[::-1] if latest_first else values
    if len(values) > MAX_DAYS:
        st.info(t(f"The latest {MAX_DAYS:,} days are used.", f"최근 {MAX_DAYS:,}일만 사용합니다."))
    return np.ascontiguousarray(values[-MAX_DAYS:])


def _forecast_figures(done: Forecast) -> None:
    own, naive = (float(np.sqrt((errors**2).mean())) for errors in done.errors())
    word, p = verdict(done)
    left, right = st.columns(2)
    unit = t("Root mean squared error, as a share of the prices' range", "평균 제곱근 오차, 주가 범위에 대한 비율")
    left.metric(t("Error of the network", "신경망의 오차"), f"{own:.4f}", help=unit)
    right.metric(t("Error of persistence", "지속성 예측의 오차"), f"{naive:.4f}")
    st.write(shared.compared(word, t("persistence", "지속성 예측")) + f" (Diebold–Mariano, p = {p:.3f})")
    names = [t("price", "실제 주가"), t("network", "신경망"), t("persistence", "지속성 예측")]
    values = dict(zip(names, (done.truth, done.predicted, done.last), strict=True))
    days = np.arange(1, len(done.truth) + 1)
    lines = pd.DataFrame({"day": days, **values}).melt("day", var_name="line")
    chart = alt.Chart(lines, height=320).mark_line(strokeWidth=1.6)
    chart = chart.encode(
        x=alt.X("day:Q", title=t("test day", "테스트 날")).scale(nice=False, domain=[1, len(days)]),
        y=alt.Y("value:Q", title=t("price", "주가")).scale(zero=False),
        color=alt.Color("line:N", title=None).scale(domain=names, range=[GREY, ORANGE, BLUE]).legend(orient="top"),
        tooltip=shared.tooltip("day", "value .5g", "line"),
    )
    st.altair_chart(chart.interactive(bind_y=False), width="stretch")
    st.caption(
        t(
            "The forecast follows the price, and so does persistence: both lines are the price of a day ago, more or less. Zoom in with the wheel.",
            "예측이 주가를 잘 따라가는 것처럼 보입니다. 그러나 지속성 예측도 마찬가지입니다. 두 선 모두 하루 전의 주가와 거의 같습니다. 마우스 휠로 확대해 보세요.",
        )
    )
    changes = pd.DataFrame({"true": done.truth - done.last, "predicted": done.predicted - done.last})
    dots = alt.Chart(changes, height=320).mark_circle(size=28, opacity=0.6, color=ORANGE)
    dots = dots.encode(
        x=alt.X("true:Q", title=t("true change from today to tomorrow", "오늘에서 내일까지의 실제 변화")),
        y=alt.Y("predicted:Q", title=t("forecast of the change", "예측한 변화")),
        tooltip=shared.tooltip("true .4g", "predicted .4g"),
    )
    st.altair_chart(dots, width="stretch")
    correct = float((np.sign(changes["true"]) == np.sign(changes["predicted"])).mean())
    st.caption(
        t(
            f"The same days without yesterday's price. A useful forecast would rise from the lower left to the upper right. The direction is right on {correct:.0%} of the days; a coin has 50%.",
            f"같은 날들에서 어제의 주가를 뺀 그림입니다. 쓸모 있는 예측이라면 왼쪽 아래에서 오른쪽 위로 올라갑니다. 방향이 맞은 날은 {correct:.0%}입니다. 동전 던지기는 50%입니다.",
        )
    )


def data(run: Run) -> None:
    shared.data_head(run)
    if run.data == "builtin":
        st.write(
            t(
                "Each firm owns assets and owes debt. The assets move by chance: calmly, or in turbulent times, with sudden falls. The firm fails on the first day on which they are below the debt. The network sees neither. It sees the price of the shares, and a debt that is reported inexactly.",
                "기업마다 자산과 부채가 있습니다. 자산은 우연히 움직입니다. 평온한 시기와 요동치는 시기가 있고, 갑자기 떨어지기도 합니다. 자산이 처음으로 부채보다 적어지는 날 부도가 납니다. 신경망은 자산과 부채를 보지 못합니다. 주가와, 정확하지 않게 보고된 부채만 봅니다.",
            )
        )
    table = shared.table_file(run, "sample", ("class",), ("series", "step"))
    variables = [name for name in table.columns if name not in ("series", "class", "step")]
    if not variables:
        return
    key = state.kept("shown", variables[0], variables)
    name = st.selectbox(t("Variable", "변수"), variables, key=key)
    if table["step"].max() == 1:
        shared.table(table.drop(columns="step"))
        return
    table["class"] = table["class"].map(shared.labels(run))
    kept = table.dropna(subset=[name])
    log = pd.api.types.is_numeric_dtype(kept[name]) and len(kept) > 0 and kept[name].min() > 0
    lines = alt.Chart(kept.rename(columns={name: "value"}), height=380).mark_line()
    lines = lines.encode(
        x=alt.X("step:Q", title=t("step", "단계")),
        y=alt.Y("value:Q", title=name).scale(type="log" if log else "linear", zero=False),
        color=alt.Color("class:N", title=None, sort=None).scale(range=list(COLOURS)).legend(orient="top"),
        detail="series:N",
        tooltip=shared.tooltip("series", "class", "step", "value", value=name),
    )
    st.altair_chart(lines, width="stretch")
    st.caption(
        t("Series of the training split, some of each class.", "학습 데이터의 시계열을 클래스마다 몇 개씩 보여 줍니다.")
    )


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    if (run.path / "truth.csv").exists():
        st.subheader(t("What the network thinks, and what is true", "신경망의 판단과 실제 확률"))
        _truth(shared.table_file(run, "truth", (), ("truth", "risk", "failed")))
    st.subheader(t("The network", "신경망 구조"))
    shared.drawing(predictor.networks["model"])
    shared.code(run.project)


def _truth(table: pd.DataFrame) -> None:
    frame = table.assign(outcome=np.where(table["failed"] == 1, t("failed", "부도"), t("lived on", "생존")))
    scale = alt.Scale(type="log", domain=[1e-3, 1], clamp=True)
    dots = alt.Chart(frame, height=380).mark_circle(size=28, opacity=0.6)
    dots = dots.encode(
        x=alt.X("truth:Q", scale=scale, title=t("true risk", "실제 확률")),
        y=alt.Y("risk:Q", scale=scale, title=t("risk of the network", "신경망이 답한 확률")),
        color=alt.Color("outcome:N", title=None).scale(range=[ORANGE, BLUE]).legend(orient="top"),
        tooltip=shared.tooltip("truth .2%", "risk .2%", "outcome"),
    )
    line = alt.Chart(pd.DataFrame({"x": [1e-3, 1], "y": [1e-3, 1]})).mark_line(color=GREY, strokeDash=[4, 4])
    st.altair_chart(dots + line.encode(x="x:Q", y="y:Q"), width="stretch")
    st.caption(
        t(
            "Each dot is a test firm. The true risk is known, because the firms are generated: it is the fraction of many simulated futures in which the firm fails. The network sees less, so it cannot always be on the line.",
            "점 하나가 테스트 기업 하나입니다. 생성한 기업이므로 실제 확률을 알 수 있습니다. 시뮬레이션한 여러 미래 가운데 부도가 나는 비율입니다. 신경망은 일부만 보므로 항상 점선 위에 있을 수는 없습니다.",
        )
    )


shared.page("bankruptcy", try_it, data, inside)
