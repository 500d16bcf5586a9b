"""Korean and English side by side: `t("Train", "학습")`.

Both texts stand where they are used, so none can be missing; a test holds that the second one is Korean.
"""

import streamlit as st

LANGUAGES = {"en": "English", "ko": "한국어"}


def t(english: str, korean: str) -> str:
    """The text in the language chosen at the side."""
    return {"en": english, "ko": korean}[language()]


def language() -> str:
    """The language chosen at the side; at first the one that the address asks for (`?language=ko`), else English."""
    if "language" not in st.session_state:
        asked = st.query_params.get("language")
        st.session_state["language"] = asked if asked in LANGUAGES else "en"
    return st.session_state["language"]


def language_switch() -> None:
    """The switch at the side. Session and address carry the choice over all pages and a reload."""
    st.sidebar.segmented_control(
        "Language · 언어",
        list(LANGUAGES),
        default=language(),
        format_func=LANGUAGES.__getitem__,
        key="language-switch",
        required=True,
        on_change=_choose,
    )
    if language() == "en":
        st.query_params.pop("language", None)
    else:
        st.query_params["language"] = language()


def _choose() -> None:
    # A widget's own state is forgotten when its page is left; this one stays.
    st.session_state["language"] = st.session_state["language-switch"]


ACRONYMS = ("ece", "f1", "mcc", "mlp", "psnr", "roc_auc", "ssim", "svc", "vgg")
# What the field calls the names that code uses. A name that is not here stays as it is, in both languages.
TERMS = {
    "accuracy": "정확도",
    "augment": "데이터 증강",
    "average_precision": "평균 정밀도",
    "balanced_accuracy": "균형 정확도",
    "batch_size": "배치 크기",
    "bicubic": "바이큐빅",
    "cost": "비용",
    "data": "데이터",
    "depth": "깊이",
    "dropout": "드롭아웃",
    "epochs": "에폭",
    "gradient_boosting": "그래디언트 부스팅",
    "kernel": "커널",
    "lanczos": "란초시",
    "layers": "층",
    "learning_rate": "학습률",
    "logistic": "로지스틱 회귀",
    "logistic_regression": "로지스틱 회귀",
    "loss": "손실",
    "majority": "최빈값",
    "mlp": "다층 퍼셉트론",
    "mixed_precision": "혼합 정밀도",
    "model": "모델",
    "nearest": "최근접",
    "nearest_neighbours": "최근접 이웃",
    "patience": "조기 종료까지 기다릴 에폭",
    "perplexity": "퍼플렉시티",
    "precision": "정밀도",
    "recall": "재현율",
    "recall_at_precision": "정밀도를 지킨 재현율",
    "recipe": "학습 방법",
    "seed": "난수 시드",
    "size": "크기",
    "steps": "스텝",
    "super_resolution": "초해상도",
    "svc": "서포트 벡터 머신",
    "temperature": "온도",
    "test": "테스트",
    "train": "학습",
    "units": "유닛 수",
    "validation": "검증",
    "weight_decay": "가중치 감쇠",
    "width": "너비",
    "window": "창 크기",
}


def term(name: str) -> str:
    """A metric, model or knob as the page's reader calls it: `average_precision` -> "average precision", "평균 정밀도"."""
    english = name.upper().replace("_", "-") if name in ACRONYMS else name.replace("_", " ")
    return TERMS.get(name, english) if language() == "ko" else english
