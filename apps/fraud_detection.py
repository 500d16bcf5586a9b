"""The page of fraud detection: `python -m streamlit run apps/fraud_detection.py`."""

import tempfile
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import language, t, term
from common import report
from common.report import COLOURS, pair
from common.runs import Run
from projects.fraud_detection.predict import checked, probability, score_file

MAX_ROWS = 500_000  # that a visitor may have scored at once


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    by_hand, card, by_file, threshold, two = st.tabs(
        [
            t("One transaction", "거래 하나"),
            t("A card's history", "카드 한 장의 이력"),
            t("A file", "파일"),
            t("The threshold", "임계값"),
            t("Two runs", "두 실행 비교"),
        ],
        on_change="rerun",
        key=f"fraud-part-{language()}",
    )
    with by_hand:
        _one_transaction(predictor)
    with by_file:
        _file(predictor)
    # The charts of these take longer to draw than the answer to compute.
    if card.open:
        with card, shared.errors_shown():
            _card(run, predictor)
    if threshold.open:
        with threshold:
            _threshold(run, predictor)
    if two.open:
        with two, shared.errors_shown():
            _two_runs(run)


def _one_transaction(predictor) -> None:
    number = st.selectbox(
        t("Start from an example", "예시로 시작하기"),
        range(len(predictor.examples)),
        format_func=lambda i: (
            f"{i + 1}: " + (t("a real fraud", "실제 부정 거래"), t("a normal one", "정상 거래"))[i % 2]
        ),
    )
    example = predictor.examples[number]
    values = {name: value for name, value in example.items() if name != "history"}
    shown = {name: value if isinstance(value, str) else f"{value:.6g}" for name, value in values.items()}
    result = st.container()
    left, right = st.columns([1.2, 1])  # the names of the handbook's columns are long, and differ late
    edited = left.data_editor(
        pd.DataFrame({"value": pd.Series(shown)}),
        key=f"transaction-{number}",
        height=420,
        column_config={
            "_index": st.column_config.TextColumn(t("column", "열"), width=290),
            "value": st.column_config.TextColumn(t("value (edit me)", "값 (고쳐 보세요)"), required=True, width=85),
        },
    )
    # What was not edited keeps its full precision instead of going through text.
    texts = edited["value"].to_dict()
    raw = example | {name: value if texts[name] == shown[name] else texts[name] for name, value in values.items()}
    if example.get("history"):
        left.caption(t("What the card did before, oldest first:", "이 카드의 이전 거래 (오래된 것부터):"))
        left.dataframe(pd.DataFrame(example["history"]), hide_index=True, height=180)
    with result, shared.errors_shown():
        answer = predictor.predict(raw)
        first, second, third = st.columns(3)
        verdict = t("Fraud", "부정 거래") if answer["is_fraud"] else t("Normal", "정상 거래")
        first.metric(t("Verdict", "판정"), verdict, border=True)
        second.metric(t("Probability of fraud", "부정 확률"), f"{answer['fraud_probability']:.2%}", border=True)
        third.metric(t("Threshold", "임계값"), f"{answer['threshold']:.2%}", border=True)
        moved = pd.DataFrame(list(answer["moved_by"].items())[:12], columns=["column", "moved"])
        right.altair_chart(
            alt.Chart(moved, height=360)
            .mark_bar(cornerRadius=3)
            .encode(
                x=alt.X(
                    "moved",
                    title=t("log-odds: ← normal · fraud →", "로그 오즈: ← 정상 · 부정 →"),
                    axis=alt.Axis(titleAnchor="end"),
                ),
                y=alt.Y("column", sort=None, title=None, axis=alt.Axis(labelLimit=230, labelFontSize=10)),
                color=alt.condition("datum.moved > 0", alt.value("#D55E00"), alt.value("#0072B2")),
                tooltip=["column", alt.Tooltip("moved", format="+.3f")],
            )
        )
        right.caption(
            t(
                "How far the score would move back if this one value were the training data's median.",
                "이 값 하나만 학습 데이터의 중앙값으로 바꾸면 점수가 얼마나 되돌아가는지를 나타냅니다.",
            )
        )
        with right:
            shared.show_answer(answer)


KIND_COLOURS = ["#0072B2", "#D55E00"]
GREY = "#888888"  # seen on a light page and on a dark one


def _scores(run: Run) -> pd.DataFrame:
    """The test rows that the run has scored, with the probability and in words what each is."""
    rows = shared.table_file(run, "scores")
    return rows.assign(
        probability=probability(rows["score"]),
        when=pd.to_datetime(rows["time"], unit="s"),
        kind=rows["target"].map({0: t("normal", "정상"), 1: t("fraud", "부정")}),
    )


def _no_cards(run: Run) -> bool:
    """Says so where the run's data does not tell which card a row belongs to."""
    if (run.path / "scores.csv").exists():
        return False
    st.info(
        t("This run's data does not say whose transactions they are.", "이 실행의 데이터에는 카드 정보가 없습니다.")
    )
    return True


def _card(run: Run, predictor) -> None:
    if _no_cards(run):
        return
    rows = _scores(run)
    cards = rows.groupby("card").agg(frauds=("target", "sum"), count=("target", "size"), highest=("score", "max"))
    cards = cards.sort_values(["frauds", "highest"], ascending=False).head(200)
    card = st.selectbox(
        t("Card", "카드"),
        list(cards.index),
        format_func=lambda name: t(
            f"{name}: {cards['frauds'][name]} frauds in {cards['count'][name]} transactions",
            f"{name}: 거래 {cards['count'][name]}건 중 부정 {cards['frauds'][name]}건",
        ),
    )
    own = rows[rows["card"] == card]
    limit = float(probability(predictor.meta["threshold"]))
    names = [t("normal", "정상"), t("fraud", "부정")]
    x = alt.X("when:T", title=None)
    y = alt.Y(
        "probability",
        title=t("probability of fraud", "부정 확률"),
        axis=alt.Axis(format="%"),
        scale=alt.Scale(domain=[0, 1]),
    )
    size = (
        {
            "size": alt.Size(
                "amount",
                title=t("amount", "금액"),
                scale=alt.Scale(range=[40, 500]),
                legend=alt.Legend(symbolFillColor=GREY, symbolStrokeWidth=0),
            )
        }
        if "amount" in own
        else {}
    )
    base = alt.Chart(own, height=340)
    points = base.mark_circle(opacity=0.85).encode(
        x=x,
        y=y,
        color=alt.Color(
            "kind", title=None, scale=alt.Scale(domain=names, range=KIND_COLOURS), legend=alt.Legend(orient="top")
        ),
        tooltip=["when:T", alt.Tooltip("probability", format=".2%"), "kind", *(["amount"] if "amount" in own else [])],
        **size,
    )
    rule = alt.Chart(pd.DataFrame({"probability": [limit]})).mark_rule(strokeDash=[4, 4], color=GREY).encode(y=y)
    st.altair_chart(base.mark_line(color=GREY, strokeWidth=1).encode(x=x, y=y) + points + rule)
    reads = predictor.history
    st.caption(
        t(
            "Test transactions of this card in order of time; the dashed line is the threshold. "
            + (f"The network reads the last {reads} of them." if reads else "The network reads each by itself."),
            "이 카드의 테스트 거래를 시간 순서로 나타냅니다. 점선은 임계값입니다. "
            + (f"신경망은 마지막 {reads}건을 함께 읽습니다." if reads else "신경망은 거래를 하나씩 따로 읽습니다."),
        )
    )
    shown = {
        "when": t("when", "시각"),
        "terminal": t("terminal", "단말기"),
        "scenario": t("scenario", "시나리오"),
        "amount": t("amount", "금액"),
        "kind": t("in truth", "실제"),
        "probability": t("probability of fraud", "부정 확률"),
    }
    table = own[[name for name in shown if name in own]].sort_values("when").rename(columns=shown)
    share = st.column_config.NumberColumn(format="percent")
    st.dataframe(table, hide_index=True, column_config={shown["probability"]: share})


def _scenario_chart(run: Run) -> None:
    """What share of each scenario's frauds is found, by the network and each baseline."""
    if not (run.path / "scenarios.csv").exists():
        return
    table = shared.table_file(run, "scenarios")
    labels = {
        1: t("1: large amount", "1: 큰 금액"),
        2: t("2: compromised terminal", "2: 탈취된 단말기"),
        3: t("3: leaked card", "3: 유출된 카드"),
    }
    table["scenario"] = [f"{labels.get(row.scenario, row.scenario)} ({row.frauds})" for row in table.itertuples()]
    models = [name for name in table if name not in ("scenario", "frauds")]
    long = table.melt("scenario", models, "model", "recall").assign(model=lambda rows: rows["model"].map(term))
    st.subheader(t("Which frauds are found", "어떤 부정 거래를 찾아내는가"))
    st.altair_chart(
        alt.Chart(long, height=260)
        .mark_bar(cornerRadius=2)
        .encode(
            x=alt.X("scenario", title=None, axis=alt.Axis(labelAngle=0, labelLimit=250)),
            xOffset=alt.XOffset("model", sort=[term(name) for name in models]),
            y=alt.Y("recall", title=t("recall", "재현율"), axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "model",
                title=None,
                sort=[term(name) for name in models],
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(range=list(COLOURS)),
            ),
            tooltip=["scenario", "model", alt.Tooltip("recall", format=".1%")],
        )
    )
    st.caption(
        t(
            "Recall on the test split, each model at its own threshold from validation; in brackets the number of frauds.",
            "테스트 데이터의 재현율. 모델마다 검증에서 고른 임계값을 씁니다. 괄호 안은 부정 거래 수입니다.",
        )
    )


def _two_runs(run: Run) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    both = (run, second)
    metrics = run.report["directions"]
    st.dataframe(
        pd.DataFrame(
            {
                t("run", "실행"): one.id,
                t("model", "모델"): term(one.config.model),
                **{term(name): report.cell(one.report["test"]["model"].get(name)) for name in metrics},
            }
            for one in both
        ),
        hide_index=True,
    )
    found = pair(run, second)
    difference = report.cell({"value": found["difference"], "low": found["low"], "high": found["high"]})
    first, other = st.columns(2)
    first.metric(t("Average precision, first minus second", "평균 정밀도 차이 (첫째 − 둘째)"), difference, border=True)
    other.metric(
        t("The first is", "첫째 실행이"),
        shared.verdict(found["verdict"]) or t("not paired: other test rows", "짝지을 수 없음: 테스트 행이 다름"),
        border=True,
    )
    if found["low"] is None or _no_cards(run) or _no_cards(second):
        return
    rows = _scores(run).assign(second=probability(shared.table_file(second, "scores")["score"]))
    frauds, normals = rows[rows["target"] == 1], rows[rows["target"] == 0]
    shown = pd.concat([frauds.head(1500), normals.nlargest(1000, "score")])
    names = [t("normal", "정상"), t("fraud", "부정")]
    whole, percent = alt.Scale(domain=[0, 1]), alt.Axis(format="%")
    same = pd.DataFrame({"probability": [0, 1], "second": [0, 1]})
    st.altair_chart(
        alt.Chart(same).mark_line(color=GREY, strokeDash=[4, 4]).encode(x="probability", y="second")
        + alt.Chart(shown, height=420)
        .mark_circle(opacity=0.5, size=36)
        .encode(
            x=alt.X("probability", title=run.id, axis=percent, scale=whole),
            y=alt.Y("second", title=second.id, axis=percent, scale=whole),
            color=alt.Color(
                "kind", title=None, scale=alt.Scale(domain=names, range=KIND_COLOURS), legend=alt.Legend(orient="top")
            ),
            tooltip=["card", "when:T", alt.Tooltip("probability", format=".1%"), alt.Tooltip("second", format=".1%")],
        )
    )
    st.caption(
        t(
            "The same test transactions by both: frauds, and the normal ones that the first takes most for fraud. Far from "
            "the diagonal the two disagree.",
            "같은 테스트 거래를 두 실행이 매긴 확률입니다. 부정 거래와, 첫째가 가장 의심하는 정상 거래를 보여 줍니다. 대각선에서 멀수록 두 실행의 판단이 다릅니다.",
        )
    )


def _file(predictor) -> None:
    st.write(
        t(
            "A CSV with the columns that this run was trained on comes back with two more: `fraud_probability`, `is_fraud`.",
            "학습 때와 같은 열을 가진 CSV를 올리면 `fraud_probability`와 `is_fraud` 열을 더해 돌려줍니다.",
        )
    )
    example = pd.DataFrame(predictor.examples).to_csv(index=False)
    st.download_button(t("An example of such a file", "예시 파일"), example, "transactions.csv", "text/csv")
    uploaded = st.file_uploader("CSV / Parquet", type=["csv", "parquet"], max_upload_size=shared.MAX_UPLOAD_MB)
    if uploaded is None:
        return
    with tempfile.TemporaryDirectory() as folder, shared.errors_shown():
        # The visitor's name for the file is shown in messages, so keep its last part and nothing of its path.
        source, target = Path(folder) / Path(uploaded.name).name, Path(folder) / "scored.csv"
        source.write_bytes(uploaded.getbuffer())
        try:
            with st.spinner(t("Scoring …", "점수 매기는 중 …")):
                rows, alarms = score_file(predictor, source, target, MAX_ROWS)
        except shared.UserError as error:
            raise shared.UserError(str(error).replace(str(source), source.name)) from None
        st.success(
            t(f"{rows:,} rows, {alarms:,} called fraud.", f"{rows:,}행 가운데 {alarms:,}행을 부정 거래로 판정했습니다.")
        )
        st.download_button(
            t("Download the scored file", "결과 파일 내려받기"),
            target.read_bytes(),
            f"scored-{source.stem}.csv",
            "text/csv",
        )
        preview = pd.read_csv(target, nrows=1000).sort_values("fraud_probability", ascending=False)
        st.dataframe(preview.head(200), hide_index=True)


def _threshold(run: Run, predictor) -> None:
    table, config = shared.table_file(run, "thresholds"), run.config
    chosen = float(probability(predictor.meta["threshold"]))
    start = int((table["threshold"] - chosen).abs().argmin())
    options = list(range(len(table)))
    position = st.select_slider(
        t("Threshold: alarm from this probability on", "임계값: 이 확률부터 경보"),
        options,
        value=start,
        format_func=lambda i: f"{table['threshold'][i]:.3%}",
    )
    row = table.iloc[position]
    columns = st.columns(4)
    columns[0].metric(t("Precision", "정밀도"), f"{row['precision']:.1%}")
    columns[1].metric(t("Recall", "재현율"), f"{row['recall']:.1%}")
    columns[2].metric(t("Alarms per 1,000", "1,000건당 경보"), f"{row['alarms_per_1000']:.2f}")
    columns[3].metric(t("Cost per 1,000", "1,000건당 비용"), f"{row['cost_per_1000']:.1f}")
    left, right = st.columns(2)
    names = {"precision": t("precision", "정밀도"), "recall": t("recall", "재현율")}
    lines = table.reset_index().rename(columns=names).melt("index", list(names.values()), "figure", "share")
    rule = alt.Chart(pd.DataFrame({"index": [position]})).mark_rule(strokeDash=[4, 4], color=GREY).encode(x="index")
    axis = alt.X("index", title=t("threshold, low → high", "임계값, 낮음 → 높음"), axis=alt.Axis(labels=False))
    share = alt.Y("share", title=None, axis=alt.Axis(format="%"))
    colours = alt.Color(
        "figure",
        title=None,
        scale=alt.Scale(domain=list(names.values()), range=["#0072B2", "#E69F00"]),
        legend=alt.Legend(orient="top"),
    )
    left.altair_chart(alt.Chart(lines).mark_line().encode(x=axis, y=share, color=colours) + rule)
    cost = alt.Y("cost_per_1000", title=t("cost per 1,000 transactions", "거래 1,000건당 비용"))
    right.altair_chart(alt.Chart(table.reset_index()).mark_line(color="#009E73").encode(x=axis, y=cost) + rule)
    st.caption(
        t(
            f"On the test split, at {config.cost_miss:g} a missed fraud and {config.cost_alarm:g} a false alarm. The slider "
            "starts at the threshold chosen on validation; moving it here is for looking, not for choosing.",
            f"테스트 데이터 기준이며, 놓친 부정 거래 한 건은 {config.cost_miss:g}, 오경보 한 건은 {config.cost_alarm:g}의 비용입니다. "
            "슬라이더는 검증에서 고른 임계값에서 시작하며, 여기서는 살펴보기만 하고 고르지는 않습니다.",
        )
    )
    _scenario_chart(run)


def data(run: Run) -> None:
    content, sample = run.report, shared.table_file(run, "sample")
    st.write(content["data"]["source"])
    sizes = content["data"]["sizes"]
    for column, (name, size) in zip(st.columns(3), sizes.items(), strict=True):
        column.metric(term(name), f"{size:,}")
    target = "target"
    feature = st.selectbox(t("Column", "열"), [column for column in sample if column != target])
    kinds = sample.assign(kind=sample[target].map({0: t("normal", "정상"), 1: t("fraud", "부정")}))
    kinds_in_order = [t("normal", "정상"), t("fraud", "부정")]
    number = pd.api.types.is_numeric_dtype(sample[feature])
    st.altair_chart(
        alt.Chart(kinds)
        .mark_bar(opacity=0.7)
        .encode(
            x=alt.X(f"{feature}:Q", bin=alt.Bin(maxbins=40), title=feature)
            if number
            else alt.X(f"{feature}:N", sort="-y"),
            y=alt.Y("count()", stack=None, title=t("transactions in the sample", "표본의 거래 수")),
            color=alt.Color(
                "kind",
                title=None,
                sort=kinds_in_order,
                scale=alt.Scale(domain=kinds_in_order, range=["#0072B2", "#E69F00"]),
                legend=alt.Legend(orient="top"),
            ),
        )
    )
    st.caption(
        t(
            f"{len(sample)} training rows, as many frauds as normal ones so that one sees both; in the data frauds are rare.",
            f"학습 데이터 {len(sample)}행. 둘 다 보이도록 부정과 정상을 같은 수로 뽑았으며, 실제로는 부정 거래가 드뭅니다.",
        )
    )
    st.dataframe(sample, hide_index=True, height=280)


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("Which columns it goes by", "어떤 열을 보고 판단하는가"))
    sample = checked(shared.table_file(run, "sample"), predictor.meta, "sample.csv")
    typical = predictor.contributions(sample).abs().mean().sort_values(ascending=False).head(15).reset_index()
    typical.columns = ["column", "moved"]
    moved = alt.X("moved", title=t("mean change of the log-odds, either way", "로그 오즈의 평균 변화 (방향 무관)"))
    st.altair_chart(
        alt.Chart(typical)
        .mark_bar(cornerRadius=3, color="#0072B2")
        .encode(x=moved, y=alt.Y("column", sort=None, title=None, axis=alt.Axis(labelLimit=250)))
    )
    st.subheader(t("The network", "신경망"))
    for name, network in predictor.networks.items():
        st.caption(name)
        shared.drawing(network)
    st.subheader(t("The code that builds it", "모델을 만드는 코드"))
    shared.code(run.project, "model")


shared.page("fraud_detection", try_it, data, inside)
