"""Korean and English side by side: `t("Train", "학습")`.

Both texts stand where they are used, so none can be missing. A test checks that the second one is Korean. What comes from
below the pages, which speak English (messages, sources, help), has its Korean in `texts.json`; see `korean`.
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
    "figures": {figure: [en, ko]}}: what a metric means or how a figure is read, and what a figure is called."""
    return json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))


@functools.cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    """The sentences with something that changes, as patterns: those that begin with fixed text, and long ones, first."""
    open_ones = [text for text in _texts()["sentences"] if "{}" in text]
    open_ones.sort(key=lambda text: (text.startswith("{}"), -len(text)))
    return [
        (re.compile("(.*?)".join(map(re.escape, text.split("{}"))), re.DOTALL), _texts()["sentences"][text])
        for text in open_ones
    ]


@functools.lru_cache(maxsize=5000)
def in_korean(text: str) -> str:
    """The Korean of an English sentence, label or message that `texts.json` has; else the text as it is.

    Korean may say the parts in another order: {0}, {1}. Parts that are sentences themselves are put into Korean too.
    """
    if text in _texts()["sentences"] or len(text) > LONGEST:
        return _texts()["sentences"].get(text, text)
    for pattern, korean in _patterns():
        if match := pattern.fullmatch(text):
            return re.sub(r"\{(\d)\}", lambda place: in_korean(match[int(place[1]) + 1]), korean)
    return text


def korean(text: object) -> str:
    """A text from below the pages, in the language of the page."""
    return in_korean(str(text)) if language() == "ko" else str(text)


def about(name: str, part: str = "about") -> str:
    """What a metric means, or how a figure is read; part "figures": what a figure is called. "" for others."""
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


ACRONYMS = ("bleu", "ece", "f1", "gan", "gru", "l1", "lstm", "mcc", "mlp", "psnr", "roc_auc", "ssim", "svc", "vgg")
# The Korean terms for metrics, models, knobs and columns. A name that is not here stays English on the Korean page.
TERMS = {
    "ab_mae": "ab 평균 절대 오차",
    "accuracy": "정확도",
    "answer": "답",
    "attention": "어텐션",
    "augment": "데이터 증강",
    "autoencoder": "오토인코더",
    "average_precision": "평균 정밀도",
    "bag_alone": "bag 단독",
    "balanced_accuracy": "균형 정확도",
    "batch_size": "배치 크기",
    "beam": "빔 크기",
    "bicubic": "바이큐빅",
    "bits_per_character": "글자당 비트 수",
    "card_precision_at_100": "카드 정밀도@100",
    "cnn_alone": "CNN 단독",
    "colourfulness": "색채도",
    "concordance": "일치 상관계수",
    "cost": "비용",
    "data": "데이터",
    "depth": "깊이",
    "dropout": "드롭아웃",
    "ece": "기대 보정 오차",
    "ensemble": "앙상블",
    "epochs": "에포크 수",
    "exact_match": "완전 일치율",
    "gain": "향상",
    "gradient_boosting": "그래디언트 부스팅",
    "grey": "무채색",
    "gru_alone": "GRU 단독",
    "height": "높이",
    "history": "이력 길이",
    "imbalance": "불균형 처리",
    "intersection_a": "a 히스토그램 교집합",
    "intersection_b": "b 히스토그램 교집합",
    "kernel": "커널",
    "kneser_ney": "크네저-나이 n-gram",
    "label": "예측 클래스",
    "label_smoothing": "레이블 스무딩",
    "lanczos": "란초시",
    "layers": "층 수",
    "learning_rate": "학습률",
    "length": "길이",
    "length_gap": "길이 차이",
    "linear_regression": "선형 회귀",
    "logistic": "로지스틱 회귀",
    "logistic_regression": "로지스틱 회귀",
    "loss": "손실",
    "lstm_alone": "LSTM 단독",
    "macro_f1": "매크로 F1",
    "majority": "최빈 클래스",
    "majority_class": "최빈 클래스",
    "mcc": "매튜스 상관계수",
    "mean": "평균",
    "mean_colour_per_lightness": "밝기별 평균색",
    "mean_squared_error": "평균 제곱 오차",
    "mixed_precision": "혼합 정밀도",
    "mlp": "다층 퍼셉트론",
    "model": "모델",
    "naive_bayes": "나이브 베이즈",
    "nats_fixed_window": "고정 창 내트 수",
    "nats_per_character": "글자당 내트 수",
    "nearest": "최근접",
    "nearest_neighbour": "최근접 이웃",
    "nearest_neighbours": "최근접 이웃",
    "nearest_sentence": "가장 가까운 문장의 번역",
    "network": "신경망",
    "original": "원본",
    "patience": "조기 종료까지 기다릴 에포크 수",
    "perplexity": "퍼플렉시티",
    "photograph": "사진",
    "picture": "사진",
    "precision": "정밀도",
    "predicted": "예측",
    "probability": "확률",
    "prompt": "시작 글",
    "random_forest": "랜덤 포레스트",
    "recall": "재현율",
    "recall_at_precision": "정밀도 고정 재현율",
    "recipe": "학습 방법",
    "reference": "참조 번역",
    "score": "점수",
    "seconds": "초",
    "seed": "난수 시드",
    "sentences": "문장 수",
    "simple_rnn_alone": "SimpleRNN 단독",
    "size": "크기",
    "source": "원문",
    "spending_rule": "금액 규칙",
    "state": "상태",
    "steps": "단계 수",
    "super_resolution": "초해상도",
    "svc": "서포트 벡터 머신",
    "target": "번역문",
    "temperature": "온도",
    "test": "테스트",
    "text": "글",
    "tfidf_logistic_regression": "TF-IDF + 로지스틱 회귀",
    "train": "학습",
    "transaction": "거래",
    "transformer": "트랜스포머",
    "translation": "번역",
    "truth": "정답",
    "uniform": "균등 분포",
    "unigram": "유니그램",
    "units": "유닛 수",
    "validation": "검증",
    "verdict": "판정",
    "weight_decay": "가중치 감쇠",
    "width": "너비",
    "window": "창 크기",
    "within_0.04": "오차 0.04 이내 비율",
    "word_by_word": "단어별 번역",
}


def term(name: str) -> str:
    """A metric, model or knob in the page's language: `average_precision` -> "average precision" or "평균 정밀도"."""
    english = name.upper().replace("_", "-") if name in ACRONYMS else name.replace("_", " ")
    return TERMS.get(name, english) if language() == "ko" else english
