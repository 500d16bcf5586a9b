"""A filter slides over a picture: each number of the result is a sum of products, over all channels."""

from typing import Any

import numpy as np
import streamlit as st

from apps import lessons
from apps.i18n import t
from common.errors import UserError

TITLE = {"en": "Convolution", "ko": "합성곱"}
PROJECT = "image_classification"
QUESTION = {
    "en": "A layer has 32 filters of 3 × 3. It reads a colour picture of 224 × 224 without padding. How many feature maps come out, how large are they, and how many weights does the layer have?",
    "ko": "어떤 층에 3 × 3 필터가 32개 있습니다. 이 층이 224 × 224 컬러 이미지를 패딩 없이 읽습니다. 특징 맵은 몇 장이고, 크기는 얼마이며, 가중치는 몇 개입니까?",
}
ANSWER = {
    "en": "32 feature maps, one for each filter, of 222 × 222. A filter has 3 · 3 · 3 = 27 weights, nine for each colour. With a bias for each filter these are 32 · 27 + 32 = 896.",
    "ko": "특징 맵은 필터마다 한 장이므로 32장이고, 크기는 222 × 222입니다. 필터 하나의 가중치는 색마다 9개씩 3 · 3 · 3 = 27개입니다. 필터마다 있는 편향까지 더하면 32 · 27 + 32 = 896개입니다.",
}
PICTURE = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]], float)
FILTER = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], float)
# More filters, for when several are asked: upright edges, level edges, the mean.
OTHERS = [np.array([[1, 0, -1]] * 3, float), np.array([[1, 0, -1]] * 3, float).T, np.full((3, 3), 1 / 9)]
EXAMPLE = {"x": PICTURE[:, :, None], "filters": FILTER[:, :, None, None], "stride": 1, "padding": "valid"}


def pad(x: np.ndarray, size: tuple[int, ...], stride: int, padding: str) -> np.ndarray:
    """x (h, w, channels) with the zeros that "same" puts around it: the result is then ⌈h / stride⌉ high."""
    if padding == "valid":
        return x
    missing = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in zip(x.shape, size, strict=False)]
    return np.pad(x, [(m // 2, m - m // 2) for m in missing] + [(0, 0)])


def compute(x: np.ndarray, filters: np.ndarray, stride: int, padding: str) -> dict[str, Any]:
    """x: (h, w, channels). filters: (k, l, channels, number). result: (h', w', number), a sum over the channels each."""
    windows = np.lib.stride_tricks.sliding_window_view(pad(x, filters.shape[:2], stride, padding), filters.shape[:2], (0, 1))  # fmt: skip
    return {"result": np.einsum("hwckl,klcn->hwn", windows[::stride, ::stride], filters)}


def keras(x: np.ndarray, filters: np.ndarray, stride: int, padding: str) -> dict[str, Any]:
    from keras import layers

    height, width, number = *filters.shape[:2], filters.shape[3]
    convolution = layers.Conv2D(number, (height, width), strides=stride, padding=padding, use_bias=False)
    convolution.build((None, *x.shape))
    convolution.set_weights([filters])
    return {"result": convolution(x[None])[0].numpy()}


def draw(state: lessons.State) -> dict[str, Any]:
    colours = {"": t("grey", "흑백")} if not state.toggle(t("A colour picture: three channels", "컬러 이미지: 채널 3개"), "colour") else {"red": t("red", "빨강"), "green": t("green", "초록"), "blue": t("blue", "파랑")}  # fmt: skip
    pictures, slices = [], []
    for turns, (name, colour) in enumerate(colours.items()):
        left, right = st.columns([3, 2])
        with left:
            label = t(f"Picture, {colour}", f"이미지({colour})") if name else t("Picture", "이미지")
            size = pictures[0].shape if pictures else (None, None)
            pictures.append(state.numbers(label, f"picture{name}", np.rot90(PICTURE, turns), *size))
        with right:
            label = t(f"Filter, {colour}", f"필터({colour})") if name else t("Filter", "필터")
            size = slices[0].shape if slices else (None, None)
            slices.append(state.numbers(label, f"filter{name}", FILTER, *size))
    left, middle, right = st.columns(3)
    with left:
        stride = state.number(t("Stride", "스트라이드"), "stride", 1, 1, 5)
    with middle:
        padding = state.choice(t("Padding", "패딩"), "padding", {"valid": "valid", "same": "same"})
    with right:
        number = state.number(t("Filters", "필터 수"), "number", 1, 1, 4)
    x, first = np.stack(pictures, -1), np.stack(slices, -1)
    k, wide = first.shape[:2]
    if padding == "valid" and (k > x.shape[0] or wide > x.shape[1]):
        raise UserError(t("The filter is larger than the picture.", "필터가 이미지보다 큽니다."))
    if number > 1 and (k, wide) != (3, 3):
        raise UserError(t("The other filters are 3 × 3, so yours must be 3 × 3 too.", "나머지 필터가 3 × 3이므로 첫째 필터도 3 × 3이어야 합니다."))  # fmt: skip
    more = [np.repeat(other[:, :, None], len(colours), axis=2) for other in OTHERS[: number - 1]]
    values = {"x": x, "filters": np.stack([first, *more], -1), "stride": stride, "padding": padding}
    result = compute(**values)["result"]
    _sizes(x.shape, values["filters"].shape, result.shape, stride, padding)
    st.subheader(t("From a result to its products", "결과 하나와 그 곱셈"))
    st.write(t("Choose a cell of the feature map, by a click or with the two fields.", "특징 맵의 칸을 클릭하거나, 행과 열을 입력하세요."))  # fmt: skip
    row, column = state.cell(result[:, :, 0], "result")
    padded = pad(x, (k, wide), stride, padding)
    marked = np.zeros(padded.shape[:2], bool)
    marked[row * stride : row * stride + k, column * stride : column * stride + wide] = True
    total, lines = [], []
    for channel, colour in enumerate(colours.values()):
        st.caption(t(f"Picture, {colour}: the marked numbers are multiplied by the filter", f"이미지({colour}): 표시한 숫자에 필터를 곱합니다"))  # fmt: skip
        st.altair_chart(lessons.heat(padded[:, :, channel], marked))
        window = padded[:, :, channel][marked].reshape(k, wide)
        name = r"\text{" + colour + "}: &" if len(colours) > 1 else "&"
        lines += [("&+ " if i else name) + lessons.weighted_sum(window[i], first[i, :, channel]) for i in range(k)]  # fmt: skip
        total.append(float((window * first[:, :, channel]).sum()))
        lines.append(f"&= {lessons.tex(total[-1])}")
    if len(total) > 1:
        lines.append(r"\text{" + t("sum", "합") + "}: &" + " + ".join(map(lessons.signed, total)) + f" = {lessons.tex(result[row, column, 0])}")  # fmt: skip
    lessons.paper(*lines)
    if number > 1:
        st.subheader(t("One feature map for each filter", "필터마다 특징 맵 한 장"))
        for place in range(number):
            st.caption(t(f"Filter {place + 1}, and the feature map that it gives", f"필터 {place + 1}: 필터와 특징 맵"))
            left, right = st.columns([1, 2])
            left.altair_chart(lessons.heat(values["filters"][:, :, 0, place]), key=f"filter-{place}")
            right.altair_chart(lessons.heat(result[:, :, place]), key=f"map-{place}")
    return values


def _sizes(x: tuple[int, ...], filters: tuple[int, ...], result: tuple[int, ...], stride: int, padding: str) -> None:
    """The sizes on paper, and how many feature maps there are."""
    if padding == "valid":
        lessons.paper(r"h' &= \left\lfloor\frac{h-k}{s}\right\rfloor + 1" + rf" = \left\lfloor\frac{{{x[0]}-{filters[0]}}}{{{stride}}}\right\rfloor + 1 = {result[0]}")  # fmt: skip
    else:
        lessons.paper(r"h' &= \left\lceil\frac{h}{s}\right\rceil" + rf" = \left\lceil\frac{{{x[0]}}}{{{stride}}}\right\rceil = {result[0]}")  # fmt: skip
    shape = " × ".join
    st.write(
        t(
            f"Picture {shape(map(str, x))} → feature maps {shape(map(str, result))}. There are as many feature maps as filters: {result[2]}. A colour picture does not give three times as many, because each filter has its own numbers for each channel and adds the channels up.",
            f"이미지 {shape(map(str, x))} → 특징 맵 {shape(map(str, result))}. 특징 맵의 수는 필터의 수와 같은 {result[2]}장입니다. 컬러 이미지라고 세 배가 되지는 않습니다. 필터가 채널마다 다른 숫자를 가지고 있고, 채널별 결과를 모두 더하기 때문입니다.",
        )
    )
