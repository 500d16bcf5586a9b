"""Tensors: rank, shape and type of a number, a row, a sentence, a picture, a film; and how each is batched."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "Tensors", "ko": "텐서"}
PROJECT = "image_classification"
QUESTION = {
    "en": "A batch holds 32 colour films of 10 pictures of 64 × 64. What are its rank and its shape?",
    "ko": "64 × 64 컬러 이미지 10장으로 된 동영상 32개를 한 배치로 묶었습니다. 랭크와 모양은 각각 무엇입니까?",
}
ANSWER = {
    "en": "Rank 5: (32, 10, 64, 64, 3). The axes are film, time, row, column, colour.",
    "ko": "랭크 5, 모양은 (32, 10, 64, 64, 3)입니다. 축은 동영상, 시간, 행, 열, 색입니다.",
}
FACE = np.array(
    [
        [int(sign) for sign in row]
        for row in ["00111100", "01000010", "10100101", "10000001", "10100101", "10011001", "01000010", "00111100"]
    ]
)
EXAMPLE = {"x": np.array([[4.0, 3, 2], [2, 9, 1]])}


def examples() -> dict[str, np.ndarray]:
    """One tensor of each kind, without the axis of a batch. Pictures: 0 to 255; a sentence: the code of each character."""
    grey = (255 * FACE).astype(np.uint8)
    colour = np.stack([grey, grey // 2, 255 - grey], axis=-1)
    film = np.stack([np.roll(colour, step, axis=1) for step in range(4)])
    return {
        "number": np.array(3.14, np.float32),
        "row": np.array([4, 3, 2], np.float32),
        "sentence": characters("the birds are in the sky"),
        "grey": grey[..., None],
        "colour": colour,
        "film": film,
    }


def characters(text: str) -> np.ndarray:
    """The Unicode code of each character, (length,) int32."""
    return np.array([ord(sign) for sign in text], np.int32)


def compute(x: np.ndarray) -> dict[str, Any]:
    """Rank, shape and number of values of a tensor, and the shape of a batch of 32 of them."""
    return {"rank": x.ndim, "shape": x.shape, "size": x.size, "batch": (32, *x.shape)}


def keras(x: np.ndarray) -> dict[str, Any]:
    import keras

    tensor = keras.ops.convert_to_tensor(x)
    batch = keras.ops.stack([tensor] * 32)
    return {"rank": keras.ops.ndim(tensor), "shape": tensor.shape, "size": keras.ops.size(tensor), "batch": batch.shape}


def draw(state: lessons.State) -> dict[str, Any]:
    kinds = {
        "row": t("a row of a table", "표의 한 행"),
        "number": t("a number", "숫자"),
        "sentence": t("a sentence", "문장"),
        "grey": t("a grey picture", "흑백 이미지"),
        "colour": t("a colour picture", "컬러 이미지"),
        "film": t("a film", "영상"),
        "own": t("my own numbers", "직접 입력한 숫자"),
    }
    kind = state.choice(t("Kind", "종류"), "kind", kinds)
    if kind == "own":
        x = state.numbers(t("Numbers", "숫자"), "x", EXAMPLE["x"])
        x = x[0] if len(x) == 1 else x
    elif kind == "sentence":
        x = characters(state.text(t("Sentence", "문장"), "sentence", "the birds are in the sky", 200))
    else:
        x = examples()[kind]
    _picture(kind, x)
    axes = {
        "number": (),
        "row": (t("column", "열"),),
        "sentence": (t("place in the sentence", "문장 안의 위치"),),
        "grey": (t("row", "행"), t("column", "열"), t("channel: 1", "채널: 1개")),
        "colour": (t("row", "행"), t("column", "열"), t("channel: red, green, blue", "채널: 빨강, 초록, 파랑")),
        "film": (t("time", "시간"), t("row", "행"), t("column", "열"), t("channel", "채널")),
        "own": (t("row", "행"), t("column", "열"))[-x.ndim :],
    }[kind]
    info = compute(x)
    shape = ", ".join(map(str, x.shape)) + ("," if x.ndim == 1 else "")
    word = {
        name: rf"\text{{{text}}}"
        for name, text in (
            ("r", t("rank", "랭크")),
            ("s", t("shape", "모양")),
            ("t", t("type", "자료형")),
            ("n", t("values", "값의 개수")),
            ("b", t("a batch of 32", "배치(32개)")),
        )
    }
    lessons.paper(
        f"{word['r']} &= {info['rank']}",
        f"{word['s']} &= ({shape})",
        rf"{word['t']} &= \texttt{{{x.dtype}}}",
        f"{word['n']} &= " + (r" \cdot ".join(map(str, x.shape)) + " = " if x.ndim > 1 else "") + str(info["size"]),
        f"{word['b']} &= ({', '.join(map(str, info['batch']))}{',' if x.ndim == 0 else ''})",
    )
    rows = [(t("sample in the batch", "배치 안의 샘플"), 32), *zip(axes, x.shape, strict=True)]
    names = [t("axis", "축"), t("length", "길이")]
    st.dataframe(pd.DataFrame(rows, columns=names, index=range(len(rows))))
    st.write(_batching(kind))
    return {"x": x}


def _batching(kind: str) -> str:
    if kind == "sentence":
        return t(
            "Sentences have different lengths. A batch fills the shorter ones with 0, and a mask tells the layers to skip these places.",
            "문장은 길이가 서로 다릅니다. 배치에서는 짧은 문장의 뒤를 0으로 채우고, 마스크로 그 부분을 건너뛰게 합니다.",
        )
    if kind in ("grey", "colour", "film"):
        return t(
            "All pictures of a batch need one size. Keras puts the channels last. Values from 0 to 255 are usually divided by 255.",
            "한 배치의 이미지는 크기가 모두 같아야 합니다. 케라스는 채널을 마지막 축에 둡니다. 0–255의 값은 보통 255로 나눕니다.",
        )
    return t(
        "A batch stacks samples of one shape. This adds one axis in front.",
        "배치는 모양이 같은 샘플을 쌓은 것이며, 맨 앞에 축이 하나 늘어납니다.",
    )


def _picture(kind: str, x: np.ndarray) -> None:
    """The tensor as what it is: a picture, a row of pictures, or a table of its numbers."""
    if kind in ("grey", "colour", "film"):
        pictures = list(x) if kind == "film" else [x]
        big = [np.kron(picture, np.ones((16, 16, 1), np.uint8)) for picture in pictures]
        st.image([np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture for picture in big], width=128)
        st.caption(t("The numbers of its first channel:", "첫 채널의 숫자:"))
        st.altair_chart(lessons.heat(pictures[0][..., 0], height=240))
    elif x.size and x.ndim:
        st.altair_chart(lessons.heat(np.atleast_2d(x)[:12, :12]))
