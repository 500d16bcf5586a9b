"""Korean and English side by side: `t("Train", "학습")`.

Both texts stand where they are used, so none can be missing; a test holds that the second one is Korean.
"""

import streamlit as st

LANGUAGES = {"en": "English", "ko": "한국어"}


def t(english: str, korean: str) -> str:
    """The text in the language chosen at the side."""
    return {"en": english, "ko": korean}[language()]


def language() -> str:
    return st.session_state.get("language", "en")


def language_switch() -> None:
    """The switch at the side; `?language=ko` in the address opens a page in Korean."""
    if "language" not in st.session_state:
        asked = st.query_params.get("language")
        st.session_state["language"] = asked if asked in LANGUAGES else "en"
    st.sidebar.segmented_control(
        "Language · 언어", list(LANGUAGES), format_func=LANGUAGES.__getitem__, key="language", required=True
    )
