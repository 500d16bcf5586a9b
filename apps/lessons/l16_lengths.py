"""Sequences of different length in one batch: padding, the mask, and buckets."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t
from common.errors import UserError
from common.inputs.sequences import bucket_batches, bucket_limits

TITLE = {"en": "Sequences of different length", "ko": "길이가 다른 시퀀스"}
PROJECT = "text_classification"
QUESTION = {
    "en": "Why does a network that writes text need a symbol <eos>, although its training sentences have an end?",
    "ko": "학습 문장에는 끝이 있는데도, 글을 쓰는 신경망에는 왜 <eos> 기호가 필요합니까?",
}
ANSWER = {
    "en": "The end of an array is not something that the network can write. Only a symbol can be written. After “the bird” the network gives a probability to each next word and to <eos>; when <eos> is drawn, the sentence is over.",
    "ko": "배열의 끝은 신경망이 출력할 수 있는 것이 아닙니다. 출력할 수 있는 것은 기호뿐입니다. 신경망은 다음에 올 단어들과 <eos>에 확률을 주고, <eos>가 뽑히면 문장이 끝납니다.",
}
SENTENCES = "the birds are in the sky; the birds sing; sky"
EXAMPLE = {
    "ids": np.array([[2, 3, 4, 5, 2, 6], [2, 3, 7, 0, 0, 0], [6, 0, 0, 0, 0, 0]]),
    "embedding": np.array([0, 0.0, 0.3, 0.9, -0.6, 0.1, 0.8, -0.4]),
    "w": 0.9,
    "u": 0.5,
    "b": 0.2,
}


def compute(ids: np.ndarray, embedding: np.ndarray, w: float, u: float, b: float) -> dict[str, Any]:
    """ids: (sentences, steps), 0 is padding. embedding: a number for each id. One recurrent unit, h = tanh(w x + u h + b).

    The last state of each sentence and the mean of its numbers, with the mask and without it.
    """
    x, mask = embedding[ids], ids != 0
    with_mask, without = np.zeros(len(ids)), np.zeros(len(ids))
    for step in range(ids.shape[1]):
        without = np.tanh(w * x[:, step] + u * without + b)
        with_mask = np.where(mask[:, step], np.tanh(w * x[:, step] + u * with_mask + b), with_mask)
    means = (x * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    return {"state": with_mask, "state without mask": without, "mean": means, "mean without mask": x.mean(axis=1)}


def keras(ids: np.ndarray, embedding: np.ndarray, w: float, u: float, b: float) -> dict[str, Any]:
    from keras import layers

    rnn, mean = layers.SimpleRNN(1), layers.GlobalAveragePooling1D()
    rnn.build((None, None, 1))
    rnn.set_weights([np.array([[w]]), np.array([[u]]), np.array([b])])
    x = layers.Embedding(len(embedding), 1, mask_zero=True, weights=[embedding[:, None]])(ids)
    plain = layers.Embedding(len(embedding), 1, weights=[embedding[:, None]])(ids)
    last = {"state": rnn(x)[:, 0].numpy(), "state without mask": rnn(plain)[:, 0].numpy()}
    return {**last, "mean": mean(x)[:, 0].numpy(), "mean without mask": mean(plain)[:, 0].numpy()}


def read(text: str, eos: bool) -> tuple[np.ndarray, list[str]]:
    """Sentences with ; between, as ids (sentences, steps) with padding at the end, and the symbol of each id."""
    sentences = [line.split() + (["<eos>"] if eos else []) for line in text.split(";") if line.split()]
    if not sentences:
        raise UserError(t("Sentences: at least one word is needed.", "문장: 단어가 하나는 있어야 합니다."))
    if len(sentences) > 12 or max(map(len, sentences)) > 16:
        raise UserError(
            t("Sentences: at most 12, of at most 16 words.", "문장: 최대 12개이고, 각각 최대 16단어입니다.")
        )
    symbols = ["<pad>", "<unk>", *dict.fromkeys(word for sentence in sentences for word in sentence)]
    ids = np.zeros((len(sentences), max(map(len, sentences))), int)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = [symbols.index(word) for word in sentence]
    return ids, symbols


def padded_part(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    """The part of all cells of these batches that is padding. batches: row numbers."""
    cells = sum(len(batch) * max(1, lengths[batch].max()) for batch in batches)
    return float(1 - lengths[np.concatenate(batches)].sum() / cells)


def draw(state: lessons.State) -> dict[str, Any]:
    text = state.text(t("Sentences, with ; between", "문장(;으로 구분)"), "sentences", SENTENCES)
    eos = state.toggle(t("An <eos> at the end of each", "문장 끝마다 <eos>"), "eos")
    ids, symbols = read(text, eos)
    left, middle, right = st.columns(3)
    with left:
        w = state.number(t("w, from the input", "w(입력의 가중치)"), "w", 0.9, -5.0, 5.0, 0.1)
    with middle:
        u = state.number(t("u, from the state", "u(상태의 가중치)"), "u", 0.5, -5.0, 5.0, 0.1)
    with right:
        b = state.number("b", "b", 0.2, -5.0, 5.0, 0.1)
    # The numbers of the first words are the example's; other words get theirs from a fixed seed.
    more = np.random.default_rng(0).uniform(-1, 1, len(symbols)).round(2)
    embedding = np.concatenate([EXAMPLE["embedding"], more])[: len(symbols)]
    values = {"ids": ids, "embedding": embedding, "w": w, "u": u, "b": b}
    st.caption(t("The batch as the network gets it. Each sentence is a row, each word a number, and 0 is padding.", "신경망이 받는 배치입니다. 문장마다 한 행, 단어마다 번호 하나이고, 0은 패딩입니다."))  # fmt: skip
    st.altair_chart(lessons.heat(ids))
    words = pd.DataFrame({t("id", "번호"): range(len(symbols)), t("word", "단어"): symbols, "x": embedding})
    with st.expander(t("The vocabulary and the number x of each word", "어휘와 각 단어의 값 x")):
        st.dataframe(words, hide_index=True)
    result = compute(**values)
    lessons.paper(r"h_t &= \tanh(w\,x_t + u\,h_{t-1} + b)", r"h_t &= h_{t-1} \quad \text{" + t("where the mask is 0", "마스크가 0인 곳") + "}")  # fmt: skip
    names = {"state": t("last state, mask", "마지막 상태, 마스크"), "state without mask": t("last state, no mask", "마지막 상태, 마스크 없음"), "mean": t("mean, mask", "평균, 마스크"), "mean without mask": t("mean, no mask", "평균, 마스크 없음")}  # fmt: skip
    table = pd.DataFrame({names[name]: value for name, value in result.items()})
    table.insert(0, t("sentence", "문장"), [" ".join(symbols[i] for i in row if i) for row in ids])
    st.dataframe(table, hide_index=True, column_config={name: st.column_config.NumberColumn(format="%.4f") for name in names.values()})  # fmt: skip
    wrong = float(np.abs(result["state"] - result["state without mask"]).max())
    st.write(
        t(
            f"Without a mask the network reads the padding as if it were words: here the last state is wrong by up to {wrong:.4f}. The same sentence would even get another answer in a batch with a longer one.",
            f"마스크가 없으면 신경망이 패딩을 단어처럼 읽습니다. 여기서는 마지막 상태가 최대 {wrong:.4f}만큼 달라집니다. 같은 문장이라도 더 긴 문장과 한 배치에 있으면 답이 달라집니다.",
        )
    )
    _buckets(state)
    return values


def _buckets(state: lessons.State) -> None:
    st.subheader(t("Buckets: less padding", "버킷: 패딩 줄이기"))
    left, right = st.columns(2)
    with left:
        batch = state.slider(t("Batch size", "배치 크기"), "batch", 16, 1, 64)
    with right:
        buckets = state.slider(t("Buckets", "버킷 수"), "buckets", 6, 1, 12)
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(2.3, 0.7, 1000).astype(int), 1, 60)
    parts = [padded_part(lengths, bucket_batches(lengths, bucket_limits(lengths, n), batch, random)) for n in (1, buckets)]  # fmt: skip
    first, second = st.columns(2)
    first.metric(t("padding, random batches", "무작위 배치의 패딩"), f"{parts[0]:.1%}")
    second.metric(t("padding, batches from buckets", "버킷 배치의 패딩"), f"{parts[1]:.1%}")
    st.caption(t("1,000 sentences of 1 to 60 words, lengths drawn at random. A bucket holds sentences of similar length, and a batch comes from one bucket.", "길이를 무작위로 정한 1–60단어 문장 1,000개입니다. 버킷에는 길이가 비슷한 문장이 모이고, 배치는 한 버킷에서 만듭니다."))  # fmt: skip
