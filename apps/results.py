"""The tab Results: the score table, the figures of the report, the worst errors, and what compared models.

The figures are drawn from the numbers that `common.report.drawn` keeps beside each picture, in the colours of the page and
in its language. Pictures are shown where there are no such numbers: photographs, and runs of an earlier version.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import about, korean, t, term
from common import report
from common.files import files_in
from common.runs import Run


def draw(run: Run, named: Callable[[str], str]) -> None:
    """The tab. named: what a column of the worst errors is called."""
    content = run.report
    test = content["test"]
    unit = korean(test["unit"])
    st.text(
        t(
            report.measured_on(content),
            f"테스트 데이터는 {content['data']['sizes']['test']:,}행이며, 서로 독립인 단위는 {test['units']:,}개({unit})입니다. "
            + (
                "대괄호 안은 95 % 부트스트랩 신뢰구간입니다. "
                if test["comparison"]
                else "신뢰구간을 구하기에는 너무 적습니다. "
            )
            + f"지금까지 이 테스트 데이터로 {test['looks']}번 평가했습니다.",
        )
    )
    _scores(content)
    figures(run.path / "figures", ("samples", "errors"))  # which pages show in other tabs
    if content["failures"]:
        st.subheader(t("Worst errors", "가장 크게 틀린 예측"))
        failures = pd.DataFrame(content["failures"]).rename(columns=named)
        shared.table(failures.map(lambda cell: korean(cell) if isinstance(cell, str) else cell))
    shared.tool_results("compare", run.project)
    if (model_card := run.path / "MODEL_CARD.md").exists():
        label = t("Download the model card", "모델 카드 내려받기")
        st.download_button(label, model_card.read_bytes(), f"{run.id}-MODEL_CARD.md")


def _scores(content: dict[str, Any]) -> None:
    """The score table: the network first, then the baselines. Each heading says what its metric is when one points at it."""
    test, signs = content["test"], {"max": "↑", "min": "↓"}
    _, *body = report.rows(content)
    scores = pd.DataFrame({t("model", "모델"): [term(name) for name in (content["model"], *test["baselines"])]})
    if test["comparison"]:
        scores[t("the network is", "신경망이")] = [shared.verdict(row[-1]) for row in body]
    help = {}
    for column, (metric, direction) in enumerate(content["directions"].items(), start=1):
        heading = f"{term(metric)} {signs[direction]}"
        scores[heading] = [row[column] for row in body]
        help[heading] = st.column_config.TextColumn(help=about(metric) or None)
    st.dataframe(scores, hide_index=True, column_config=help)
    st.caption(t("↑ higher is better, ↓ lower is better", "↑는 클수록, ↓는 작을수록 좋은 값입니다."))


def figures(folder: Path, without: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> None:
    """The figures of a folder: drawn by `apps/charts.py`, the others as pictures, wide ones first."""
    from PIL import Image

    names = [path.stem for path in files_in(folder, "*.png") if path.stem not in without]
    names = [name for name in names if not only or name in only]
    if charts := shared.part("charts"):
        names = charts.draw(folder, names)
    wide = {}
    for name in names:
        with Image.open(folder / f"{name}.png") as picture:
            wide[name] = picture.width > 2 * picture.height
    narrow = [name for name in names if not wide[name]]
    for row in [*([name] for name in names if wide[name]), *(narrow[i : i + 2] for i in range(0, len(narrow), 2))]:
        for place, name in zip(st.columns(1 if wide[row[0]] else 2), row, strict=False):
            shared.figure(place, folder / f"{name}.png")
            place.caption(about(name))
