"""Korean and English side by side: `t("Train", "학습")`.

Both texts stand where they are used, so none can be missing. `texts.json` has the Korean of messages, sources and help.
"""

import functools
import json
import re
from pathlib import Path

import streamlit as st

LANGUAGES = {"en": "English", "ko": "한국어"}
FOLDER = Path(__file__).parent
LONGEST = 2000  # characters of a message that is looked for
# One for each language, because what is handed to a component makes Streamlit import pandas, which the gallery does not need.
_tell = {
    name: st.components.v2.component(
        f"page_language_{name}", js=f"export default function () {{ document.documentElement.lang = '{name}'; }}"
    )
    for name in LANGUAGES
}


def t(english: str, korean: str) -> str:
    """The text in the language that the visitor has chosen."""
    return {"en": english, "ko": korean}[language()]


def plain(text: object) -> str:
    """Markdown that shows any text as it is. U+2060, of no width, breaks up the links and icons that Streamlit makes."""
    marked = re.sub(r":(?=[^\W\d]|/)|@(?=\w)|\bwww(?=\.)|[-<>~](?=[-=>])", "\\g<0>\u2060", str(text), flags=re.I)
    marked = re.sub(r"[\\`*\[\]<>~$|&]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", marked)
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", marked.strip())]
    return "  \n".join(re.sub(r"^(\d+(?=[.)](?:\s|$))|(?=[-+#=]+(?:\s|$)))", r"\1\\", line) for line in lines)


def language() -> str:
    """ "en" or "ko": what the visitor has chosen; at first what the address asks for (`?language=ko`), else English."""
    if "language" not in st.session_state:
        asked = st.query_params.get("language")
        st.session_state["language"] = asked if asked in LANGUAGES else "en"
    return st.session_state["language"]


@functools.cache
def _texts() -> dict:
    """`texts.json`: {"sentences": {English with {} for what changes: Korean}, "about": {metric or figure: [en, ko]},
    "figures": {figure: [en, ko]}, "columns": {column of a chart: [en, ko]}}: how they are read, and what they are called."""
    return json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))


@functools.cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    """The sentences with something that changes: (pattern, Korean). Its groups are a fixed text, a part, a fixed text, …"""
    texts = [(text.split("{}"), korean) for text, korean in _texts()["sentences"].items() if "{}" in text]
    # Each part is the shortest one, for good (?>): to try others takes minutes where a long text nearly fits.
    inner = [
        (first, "".join(f"(?>(.*?)({re.escape(part)}))" for part in fixed), last, k)
        for (first, *fixed, last), k in texts
    ]
    return [(re.compile(f"({re.escape(a)}){b}(.*)({re.escape(c)})", re.S), korean) for a, b, c, korean in inner]


@functools.lru_cache(maxsize=5000)
def in_korean(text: str) -> str:
    """The Korean of an English sentence, label or message that `texts.json` has; else the text as it is.

    Sentences are put into Korean one by one, if all have theirs, and so are parts: {0}. The first, longest pattern is taken.
    """
    if text in _texts()["sentences"] or len(text) > LONGEST:
        return _texts()["sentences"].get(text, text)
    sentences = re.split(r"(?<=\.)(?<! al\.) ", text)  # not after "et al."
    if len(sentences) > 1 and all(" " not in sentence or in_korean(sentence) != sentence for sentence in sentences):
        return " ".join(map(in_korean, sentences))
    if fits := [(match.groups(), korean) for pattern, korean in _patterns() if (match := pattern.fullmatch(text))]:
        groups, korean = min(fits, key=lambda fit: [(-1) ** (i + 1) * len(part) for i, part in enumerate(fit[0])])
        return re.sub(r"\{(\d)\}", lambda place: in_korean(groups[2 * int(place[1]) + 1]), korean)
    space, parts = (" ", sentences) if len(sentences) > 1 else ("; ", text.split("; "))
    return space.join(map(in_korean, parts)) if len(parts) > 1 else text


def korean(text: object) -> str:
    """A text from below the pages, in the language of the page."""
    return in_korean(str(text)) if language() == "ko" else str(text)


def about(name: str, part: str = "about") -> str:
    """What a metric means, or how a figure is read; part "figures" or "columns": what it is called. "" for others."""
    english, korean = _texts()[part].get(name, ("", ""))
    return {"en": english, "ko": korean}[language()]


def language_switch() -> None:
    """The switch in the sidebar. The session keeps the choice on all pages, the address keeps it after a reload."""
    st.html(FOLDER / "style.css")
    with st.sidebar:
        _tell[language()](key=f"page-language-{language()}")
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
    # Streamlit forgets a widget's state when its page is left. This copy stays.
    st.session_state["language"] = st.session_state["language-switch"]


# Metrics, models, knobs and columns: the Korean term, or a pair, where the English one is not spelt as the name is.
TERMS: dict[str, str | list[str]] = json.loads((FOLDER / "terms.json").read_text(encoding="utf-8"))


def term(name: str) -> str:
    """A metric, model or knob in the page's language: `average_precision` -> "average precision" or "평균 정밀도"."""
    key = name.replace(" ", "_")
    english = " ".join(pair[0] if isinstance(pair := TERMS.get(word), list) else word for word in key.split("_"))
    pair = spelt if isinstance(spelt := TERMS.get(key, english), list) else [english, spelt]
    return pair[list(LANGUAGES).index(language())]
