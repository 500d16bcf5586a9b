"""The page of fraud detection: `python -m streamlit run apps/fraud_detection.py`."""

import io
import re
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import plain, t, term
from common import report
from common.inputs.tables import KINDS, read_table
from common.runs import Run
from projects.fraud_detection.encoding import checked, probability
from projects.fraud_detection.predict import score_file

MAX_ROWS = 500_000  # rows of a file that a visitor may have scored
MAX_CARDS = 200  # cards to choose from
MAX_FRAUDS, MAX_NORMALS = 1500, 1000  # points in the comparison of two runs
NORMAL, FRAUD, GREEN = "#0072B2", "#D55E00", "#009E73"  # colours of Okabe and Ito, for colour-blind readers
GREY = "#888888"  # is visible on a light page and on a dark one
DASHED = {"strokeDash": [4, 4], "color": GREY}
WHOLE = alt.Scale(domain=[0, 1])
PERCENT = alt.Axis(format="%")


def _kinds() -> list[str]:
    return [t("normal", "정상"), t("fraud", "부정")]


def _kind_colour() -> alt.Color:
    scale = alt.Scale(domain=_kinds(), range=[NORMAL, FRAUD])
    return alt.Color("kind", title=None, sort=_kinds(), scale=scale, legend=alt.Legend(orient="top"))


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    shared.parts(
        "part",
        {
            "one": (t("One transaction", "거래 하나"), lambda: _one_transaction(run, predictor)),
            "card": (t("A card's history", "카드 한 장의 이력"), lambda: _card(run, predictor)),
            "file": (t("A file", "파일"), lambda: _file(predictor)),
            "threshold": (t("The threshold", "임곗값"), lambda: _threshold(run, predictor)),
            "two": (t("Two runs", "두 실행 비교"), lambda: _two_runs(run, predictor)),
        },
    )


def named(column: str) -> str:
    """A column as people say it: those of the Fraud Detection Handbook in words, any other as it is."""
    words = {
        "hours_before": t("hours before", "몇 시간 전"),
        "TX_FRAUD": t("known fraud (1: yes)", "확인된 부정 거래(1: 예)"),
        "history": t("card: earlier transactions", "카드: 이전 거래"),
        "terminal_history": t("terminal: earlier transactions", "단말기: 이전 거래"),
        "TX_AMOUNT": t("amount", "금액"),
        "TX_DURING_WEEKEND": t("on a weekend (1: yes)", "주말 거래(1: 예)"),
        "TX_DURING_NIGHT": t("at night (1: yes)", "야간 거래(1: 예)"),
        "fraud_probability": t("probability of fraud", "부정 거래일 확률"),
    }
    if column in words:
        return words[column]
    match = re.fullmatch(r"(CUSTOMER|TERMINAL)_ID_(NB_TX|AVG_AMOUNT|RISK)_(\d+)DAY_WINDOW", column)
    if not match:
        return column
    who = {"CUSTOMER": t("card", "카드"), "TERMINAL": t("terminal", "단말기")}[match[1]]
    what = {
        "NB_TX": t("transactions", "거래 수"),
        "AVG_AMOUNT": t("mean amount", "평균 금액"),
        "RISK": t("share of frauds", "부정 거래 비율"),
    }
    days = t(f"{match[3]} day" + "s" * (match[3] != "1"), f"{match[3]}일")
    return f"{who}: {what[match[2]]}, {days}"


def _one_transaction(run: Run, predictor) -> None:
    kinds = t("a real fraud", "실제 부정 거래"), t("a normal one", "정상 거래")
    numbers = {i: f"{i + 1}: {kinds[i % 2]}" for i in range(len(predictor.examples))}
    number = state.choice(t("Start from an example", "예시로 시작하기"), "example", numbers)
    example = predictor.examples[number]
    values = {name: value for name, value in example.items() if not isinstance(value, list)}
    shown = {name: value if isinstance(value, str) else f"{value:.6g}" for name, value in values.items()}
    result = st.container()
    left, right = st.columns([1.2, 1], gap="large")
    texts = {}
    with left:
        st.caption(t("Change a value and see what follows.", "값을 바꾸고 결과가 어떻게 달라지는지 보세요."))
        for place, name in enumerate(shown):
            if place % 2 == 0:
                pair = st.columns(2, vertical_alignment="bottom")
            key = state.kept(f"{number}-{name}", shown[name])
            texts[name] = pair[place % 2].text_input(plain(named(name)), max_chars=100, key=key)
    # A value that was not edited keeps all its digits.
    raw = example | {name: value if texts[name] == shown[name] else texts[name] for name, value in values.items()}
    past = {
        "history": t("Earlier transactions of this card, the oldest first:", "이 카드의 이전 거래 (오래된 것부터):"),
        "terminal_history": t(
            "Earlier transactions at this terminal, the oldest first. Whether one was fraud is known a week later:",
            "이 단말기의 이전 거래 (오래된 것부터). 부정 거래였는지는 일주일 뒤에 알려집니다:",
        ),
    }
    for name, title in past.items():
        if example.get(name):
            left.caption(title)
            left.dataframe(pd.DataFrame(example[name]).rename(columns=named), hide_index=True, height=180)
    with result, shared.errors_shown():
        answer = predictor.predict(raw)
        first, second, third = st.columns(3)
        verdict = t("Fraud", "부정 거래") if answer["is_fraud"] else t("Normal", "정상 거래")
        likely = f"{answer['fraud_probability']:.2%}"
        first.metric(t("Verdict", "판정"), verdict, border=True)
        second.metric(t("Probability of fraud", "부정 거래일 확률"), likely, border=True)
        third.metric(t("Threshold", "임곗값"), f"{answer['threshold']:.2%}", border=True)
        if answer["unfamiliar"]:
            shared.caution(
                run,
                t(
                    "A number of this transaction is smaller or larger than all that the network has learnt from. Perhaps it has another unit, or stands in another column. Take the answer as a guess.",
                    "이 거래에는 학습 데이터 전체의 범위를 벗어난 값이 있습니다. 단위가 다르거나 다른 열의 값일 수 있으므로, 결과는 추측으로 보아야 합니다.",
                ),
            )
        with right:
            _contributions({named(name): moved for name, moved in answer["moved_by"].items()})
            shared.show_answer(answer)
            changed = ", ".join(f"{named(name)} {text}" for name, text in texts.items() if text != shown[name])
            tried = {"transaction": f"{number + 1} {changed}".strip(), "verdict": verdict, "probability": likely}
            shared.tries(tried, "transactions")


def _contributions(moved_by: dict[str, float]) -> None:
    """How much each value moves the logit, the largest first."""
    title = t("change of the logit: ← normal · fraud →", "로짓의 변화: ← 정상 · 부정 →")
    st.altair_chart(
        alt.Chart(pd.DataFrame(list(moved_by.items())[:12], columns=["column", "moved"]), height=360)
        .mark_bar(cornerRadius=3)
        .encode(
            x=alt.X("moved", title=title, axis=alt.Axis(titleAnchor="end")),
            y=alt.Y("column", sort=None, title=None, axis=alt.Axis(labelLimit=230)),
            color=alt.condition("datum.moved > 0", alt.value(FRAUD), alt.value(NORMAL)),
            tooltip=shared.tooltip("column", "moved +.3f"),
        )
    )
    st.caption(
        t(
            "The logit is log(p / (1 − p)) of the probability p. Each bar shows by how much it would fall if this one value were the median of the training data, or if these earlier transactions were not known.",
            "로짓은 확률 p의 log(p / (1 − p))입니다. 막대는 이 값 하나만 학습 데이터의 중앙값으로 바꾸거나 이전 거래를 모른다고 할 때 로짓이 얼마나 줄어드는지 나타냅니다.",
        )
    )


def _scores(run: Run) -> pd.DataFrame | None:
    """The scored test rows of the run, with `probability`, `when` and `kind`. None, and a message, without cards."""
    if not (run.path / "scores.csv").exists():
        st.info(t("The data of this run has no cards.", "이 실행의 데이터에는 카드 정보가 없습니다."))
        return None
    rows = shared.table_file(run, "scores", ("card",), ("score", "time", "target"))
    return rows.assign(
        probability=probability(rows["score"]),
        when=pd.to_datetime(rows["time"], unit="s", errors="coerce"),
        kind=rows["target"].map(dict(enumerate(_kinds()))),
    )


def _card(run: Run, predictor) -> None:
    rows = _scores(run)
    if rows is None:
        return
    cards = rows.groupby("card").agg(frauds=("target", "sum"), count=("target", "size"), highest=("score", "max"))
    cards = cards.sort_values(["frauds", "highest"], ascending=False).head(MAX_CARDS)
    card = st.selectbox(
        t("Card", "카드"),
        list(cards.index),
        key=state.kept("card", cards.index[0], list(cards.index)),
        format_func=lambda name: t(
            f"{name}: transactions {cards['count'][name]}, frauds {cards['frauds'][name]}",
            f"{name}: 거래 {cards['count'][name]}건 중 부정 {cards['frauds'][name]}건",
        ),
    )
    rows = rows[rows["card"] == card]
    x = alt.X("when:T", title=None, axis=alt.Axis(format="%m-%d"))  # Vega names days and months in English alone
    y = alt.Y("probability", title=t("probability of fraud", "부정 거래일 확률"), axis=PERCENT, scale=WHOLE)
    base = alt.Chart(rows, height=340)
    tooltip = shared.tooltip("when:T %Y-%m-%d %H:%M", "probability .2%", "kind")
    points = base.mark_circle(opacity=0.85).encode(x=x, y=y, color=_kind_colour(), tooltip=tooltip)
    if "amount" in rows:
        legend = alt.Legend(symbolFillColor=GREY, symbolStrokeWidth=0, orient="bottom")
        size = alt.Size("amount", title=t("amount", "금액"), scale=alt.Scale(range=[40, 500]), legend=legend)
        points = points.encode(size=size, tooltip=[*tooltip, *shared.tooltip("amount")])
    limit = pd.DataFrame({"probability": [float(probability(predictor.meta["threshold"]))]})
    rule = alt.Chart(limit).mark_rule(**DASHED).encode(y=y)
    st.altair_chart(base.mark_line(color=GREY, strokeWidth=1).encode(x=x, y=y) + points + rule)
    reads = predictor.history
    st.caption(
        t(
            "The test transactions of this card in the order of time. The dashed line is the threshold. "
            + (f"The network reads the last {reads} of them." if reads else "The network reads each one alone."),
            "이 카드의 테스트 데이터 거래를 시간순으로 나타냅니다. 점선은 임곗값입니다. "
            + (f"신경망은 최근 거래 {reads}건을 함께 읽습니다." if reads else "신경망은 거래를 하나씩 따로 읽습니다."),
        )
    )
    shown = {
        "when": t("when", "시각"),
        "terminal": t("terminal", "단말기"),
        "scenario": t("scenario", "시나리오"),
        "amount": t("amount", "금액"),
        "kind": t("truth", "실제"),
        "probability": t("probability of fraud", "부정 거래일 확률"),
    }
    table = rows[[name for name in shown if name in rows]].sort_values("when").rename(columns=shown)
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(table, hide_index=True, column_config={shown["probability"]: percent})


def _scenario_chart(run: Run) -> None:
    """The recall of each scenario's frauds, by the network and by each baseline."""
    if not (run.path / "scenarios.csv").exists():
        return
    table = shared.table_file(run, "scenarios", (), ("scenario", "frauds"))
    labels = {
        1: t("1: large amount", "1: 큰 금액"),
        2: t("2: compromised terminal", "2: 탈취된 단말기"),
        3: t("3: leaked card", "3: 유출된 카드"),
    }
    table["scenario"] = [f"{labels.get(row.scenario, row.scenario)} ({row.frauds})" for row in table.itertuples()]
    models = [name for name in table if name not in ("scenario", "frauds")]
    recall = table.melt("scenario", models, "model", "recall").assign(model=lambda rows: rows["model"].map(term))
    order, scale = [term(name) for name in models], alt.Scale(range=list(report.COLOURS))
    st.subheader(t("Which frauds are found", "어떤 부정 거래를 찾아내는가"))
    st.altair_chart(
        alt.Chart(recall, height=260)
        .mark_bar(cornerRadius=2)
        .encode(
            x=alt.X("scenario", title=None, axis=alt.Axis(labelAngle=0, labelLimit=250)),
            xOffset=alt.XOffset("model", sort=order),
            y=alt.Y("recall", title=t("recall", "재현율"), axis=PERCENT, scale=WHOLE),
            color=alt.Color("model", title=None, sort=order, legend=alt.Legend(orient="top"), scale=scale),
            tooltip=shared.tooltip("scenario", "model", "recall .1%"),
        )
    )
    st.caption(
        t(
            "Recall on the test split. Each model has its own threshold, chosen on validation. The number of frauds is in brackets.",
            "테스트 데이터의 재현율입니다. 임곗값은 모델마다 검증 데이터에서 정했습니다. 괄호 안은 부정 거래의 수입니다.",
        )
    )


def _two_runs(run: Run, predictor) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    metrics = run.report["directions"]
    table = [
        {t("run", "실행"): one.id, t("model", "모델"): term(one.config.model)}
        | {term(name): report.cell(one.report["test"]["model"].get(name)) for name in metrics}
        for one in (run, second)
    ]
    st.dataframe(pd.DataFrame(table), hide_index=True)
    result = report.pair(run, second)
    difference = report.cell({"value": result["difference"], "low": result["low"], "high": result["high"]})
    left, right = st.columns(2)
    left.metric(t("Average precision, first minus second", "평균 정밀도의 차이 (첫째 − 둘째)"), difference, border=True)
    unpaired = t("not paired: other test rows", "비교할 수 없음: 테스트 데이터가 다름")
    right.metric(t("The first is", "첫째 실행의 판정"), shared.verdict(result["verdict"]) or unpaired, border=True)
    if result["low"] is None:
        return
    rows, others = _scores(run), _scores(second)
    if rows is None or others is None:
        return
    rows = rows.assign(second=others["probability"])
    frauds, normals = rows[rows["target"] == 1], rows[rows["target"] == 0]
    shown = pd.concat([frauds.head(MAX_FRAUDS), normals.nlargest(MAX_NORMALS, "score")])
    diagonal = pd.DataFrame({"probability": [0, 1], "second": [0, 1]})
    points = alt.Chart(shown, height=420).mark_circle(opacity=0.5, size=36)
    st.altair_chart(
        alt.Chart(diagonal).mark_line(**DASHED).encode(x="probability", y="second")
        + points.encode(
            x=alt.X("probability", title=run.id, axis=PERCENT, scale=WHOLE),
            y=alt.Y("second", title=second.id, axis=PERCENT, scale=WHOLE),
            color=_kind_colour(),
            tooltip=shared.tooltip("card", "when:T %Y-%m-%d %H:%M", "probability .1%", "second .1%"),
        )
    )
    st.caption(
        t(
            "The probabilities that both runs give to the same test transactions: to the frauds, and to the normal ones that the first run suspects most. Far from the diagonal the two runs disagree.",
            "같은 테스트 데이터의 거래에 두 실행이 매긴 확률입니다. 부정 거래와, 첫째 실행이 가장 의심하는 정상 거래를 보여 줍니다. 대각선에서 멀수록 두 실행의 판단이 다릅니다.",
        )
    )


def _file(predictor) -> None:
    st.write(
        t(
            "Give a CSV or Parquet file with the columns that this run was trained on. You get it back with two more columns: `fraud_probability` and `is_fraud`.",
            "학습할 때와 같은 열을 가진 CSV 또는 Parquet 파일을 올리면 `fraud_probability`와 `is_fraud` 열을 더해 돌려줍니다.",
        )
    )
    example = predictor.example_rows().to_csv(index=False)
    st.download_button(t("An example of such a file", "예시 파일"), example, "transactions.csv", "text/csv")
    label = " / ".join(kind.upper() for kind in KINDS)
    uploaded = state.upload(label, KINDS, "file", shared.MAX_UPLOAD_MB)
    if uploaded is None:
        return
    doing = t("Scoring …", "확률을 계산하는 중 …")
    with shared.errors_shown():
        (rows, alarms), content = shared.converted(
            uploaded, ".csv", doing, lambda source, target: score_file(predictor, source, target, MAX_ROWS)
        )
        english = f"Rows: {rows:,}. Called fraud: {alarms:,}."
        st.success(t(english, f"{rows:,}행 가운데 {alarms:,}행을 부정 거래로 판정했습니다."))
        label = t("Download the scored file", "결과 파일 내려받기")
        st.download_button(label, content, f"scored-{Path(uploaded[0]).stem}.csv", "text/csv")
        preview = pd.read_csv(io.BytesIO(content), nrows=1000).sort_values("fraud_probability", ascending=False)
        st.dataframe(preview.head(200), hide_index=True)


def _threshold(run: Run, predictor) -> None:
    figures = ("threshold", "precision", "recall", "alarms_per_1000", "cost_per_1000")
    table, config = shared.table_file(run, "thresholds", (), figures), run.config
    chosen = float(probability(predictor.meta["threshold"]))
    start = int((table["threshold"] - chosen).abs().argmin())
    position = st.select_slider(
        t("Threshold: an alarm from this probability on", "임곗값: 확률이 이 값 이상이면 경보"),
        list(range(len(table))),
        format_func=lambda i: f"{table['threshold'][i]:.2%}",
        key=state.kept("position", start, range(len(table))),
    )
    row = table.iloc[position]
    columns = st.columns(4)
    columns[0].metric(t("Precision", "정밀도"), f"{row['precision']:.1%}")
    columns[1].metric(t("Recall", "재현율"), f"{row['recall']:.1%}")
    columns[2].metric(t("Alarms per 1,000", "1,000건당 경보"), f"{row['alarms_per_1000']:.2f}")
    columns[3].metric(t("Cost per 1,000", "1,000건당 비용"), f"{row['cost_per_1000']:.1f} €")
    left, right = st.columns(2)
    names = {"precision": t("precision", "정밀도"), "recall": t("recall", "재현율")}
    table = table.reset_index().rename(columns=names)
    lines = table.melt("index", list(names.values()), "figure", "value")
    rule = alt.Chart(pd.DataFrame({"index": [position]})).mark_rule(**DASHED).encode(x="index")
    x = alt.X("index", title=t("threshold, low → high", "임곗값, 낮음 → 높음"), axis=alt.Axis(labels=False))
    scale = alt.Scale(domain=list(names.values()), range=[NORMAL, FRAUD])
    colour = alt.Color("figure", title=None, scale=scale, legend=alt.Legend(orient="top"))
    y = alt.Y("value", title=None, axis=PERCENT)
    left.altair_chart(alt.Chart(lines).mark_line().encode(x=x, y=y, color=colour) + rule)
    y = alt.Y("cost_per_1000", title=t("cost per 1,000 transactions, €", "거래 1,000건당 비용(€)"))
    right.altair_chart(alt.Chart(table).mark_line(color=GREEN).encode(x=x, y=y) + rule)
    cheapest = table.loc[table["cost_per_1000"].idxmin()]
    lowest = f"{cheapest['cost_per_1000']:.1f} €", f"{cheapest['threshold']:.2%}"
    st.caption(
        t(
            f"On the test split. A missed fraud costs {config.cost_miss:g} €, a false alarm {config.cost_alarm:g} €; both are knobs. The slider starts at {chosen:.2%}, the threshold with the best F1 on validation, which is the one that gives the verdicts. The lowest cost here, {lowest[0]}, is at {lowest[1]}: F1 and cost are different goals. Move the slider to look, not to choose: a threshold that is chosen on the test split looks better than it is.",
            f"테스트 데이터 기준입니다. 놓친 부정 거래 한 건의 비용은 {config.cost_miss:g} €, 오경보 한 건의 비용은 {config.cost_alarm:g} €이며 둘 다 설정입니다. 슬라이더는 검증 데이터에서 F1이 가장 높은 임곗값 {chosen:.2%}에서 시작하며, 판정에도 이 값을 씁니다. 여기서 비용이 가장 낮은 곳은 {lowest[1]}이고 그 비용은 {lowest[0]}입니다. F1과 비용은 서로 다른 목표이기 때문입니다. 테스트 데이터를 보고 고른 임곗값은 실제보다 좋아 보이므로, 여기서는 살펴보기만 합니다.",
        )
    )
    _scenario_chart(run)


def data(run: Run) -> None:
    shared.data_head(run)
    sample = shared.table_file(run, "sample", ("target",))
    *columns, answer = sample  # see `_sample` of projects/fraud_detection/evaluate.py
    feature = st.selectbox(t("Column", "열"), columns, format_func=named, key=state.kept("column", columns[0], columns))
    # Altair would read dots, colons and brackets in a column's name as its own signs.
    kinds = pd.DataFrame(
        {"value": sample[feature], "kind": sample[answer].astype(str).map(dict(zip("01", _kinds(), strict=True)))}
    )
    numeric = pd.api.types.is_numeric_dtype(kinds["value"])
    x = alt.X("value", title=named(feature), **({"bin": alt.Bin(maxbins=40)} if numeric else {"sort": "-y"}))
    y = alt.Y("count()", stack=None, title=t("transactions in the sample", "표본의 거래 수"))
    st.altair_chart(alt.Chart(kinds, height=320).mark_bar(opacity=0.7).encode(x=x, y=y, color=_kind_colour()))
    st.caption(
        t(
            f"{len(sample)} training rows, as many frauds as normal transactions, so that both can be seen. In the data frauds are rare.",
            f"학습 데이터 {len(sample)}행입니다. 둘 다 잘 보이도록 부정 거래와 정상 거래를 같은 수로 뽑았습니다. 실제 데이터에서는 부정 거래가 드뭅니다.",
        )
    )
    st.dataframe(sample.rename(columns=named), hide_index=True, height=280)


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("Which columns matter most", "어떤 열이 판단을 크게 바꾸는가"))
    sample = checked(read_table(run.path / "sample.csv"), predictor.meta, "sample.csv")
    typical = predictor.contributions(sample).abs().mean().sort_values(ascending=False).head(15).reset_index()
    typical.columns = ["column", "moved"]
    typical["column"] = typical["column"].map(named)
    x = alt.X("moved", title=t("mean absolute change of the logit", "로짓 변화의 절댓값 평균"))
    y = alt.Y("column", sort=None, title=None, axis=alt.Axis(labelLimit=250))
    st.altair_chart(alt.Chart(typical).mark_bar(cornerRadius=3, color=NORMAL).encode(x=x, y=y))
    st.subheader(t("The network", "신경망"))
    for name, network in predictor.networks.items():
        st.caption(plain(name))
        shared.drawing(network)
    shared.code(run.project)


shared.page("fraud_detection", try_it, data, inside, named)
