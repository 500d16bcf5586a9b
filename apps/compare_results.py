"""The latest comparison of a project's models, as `python -m projects compare` has written it. It stands in the tab Results."""

import pandas as pd
import streamlit as st

from apps import shared
from apps.i18n import plain, t, term
from common.files import files_in, read_json
from common.project import Project

COMPARISON = {
    "described": str,
    "metric": str,
    "first": str,
    "seeds": [object],
    "rows": [[str]],
    "table": [{"model": str}],
}


def draw(project: Project) -> None:
    """The table and the figure of the latest comparison; nothing where there is none."""
    file = shared.last_output(project, "comparisons/*/comparison.json")
    if file is None:
        return
    content = read_json(file, COMPARISON)
    st.subheader(t("The models side by side", "모델 비교"))
    st.caption(
        t(
            plain(content["described"]),
            f"검증 데이터의 {plain(term(content['metric']))} 순서입니다. 시드 {len(content['seeds'])}개의 평균, 시드별 95 % 신뢰구간의 바깥쪽 끝, 시드 사이의 표준편차를 보여 줍니다. 판정은 시드마다 같은 테스트 데이터에서 짝지어 비교한 결과이며, 모든 시드가 같을 때만 적습니다.",
        )
    )
    metric, first = term(content["metric"]), term(content["first"])
    headings = [
        t("model", "모델"),
        t(f"validation {metric}", f"검증 {metric}"),
        t(f"test {metric}", f"테스트 {metric}"),
        t("± seeds", "± 시드"),
        t("parameters", "파라미터"),
        t("training s", "학습(초)"),
        t(f"{first} is", f"{first}: 판정"),
    ]
    _, *body = content["rows"]
    models = [term(row["model"]) for row in content["table"]]
    lines = [[name, *row[1:-1], shared.verdict(row[-1]) or row[-1]] for name, row in zip(models, body, strict=True)]
    st.dataframe(pd.DataFrame(lines, columns=headings), hide_index=True)
    if files_in(file.parent / "figures", "*.png"):
        shared.figures(file.parent / "figures")
    else:
        st.caption(
            t(
                f"This comparison is an old one, without a figure. `python -m projects compare {project.name}` draws one.",
                f"그림 없이 저장된 예전 비교입니다. `python -m projects compare {project.name}` 명령이 그림을 그립니다.",
            )
        )
