"""From AlexNet to ResNet: where the parameters are, counted from the sizes of the layers in the papers."""

import itertools
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t

TITLE = {"en": "From AlexNet to ResNet in parameters", "ko": "파라미터로 보는 AlexNet부터 ResNet까지"}
PROJECT = "image_classification"
QUESTION = {
    "en": "VGG-16 uses small filters only. Why does it still have 138 million parameters?",
    "ko": "VGG-16은 작은 필터만 씁니다. 그런데도 파라미터가 1억 3,800만 개나 되는 까닭은 무엇입니까?",
}
ANSWER = {
    "en": "Because of its dense layers. The first of them alone joins 7 · 7 · 512 = 25,088 numbers with 4,096 units: 102.8 million parameters. All its convolutions together have 14.7 million. GoogLeNet and ResNet take the mean of each feature map instead, and need one small dense layer.",
    "ko": "완전 연결층 때문입니다. 첫 번째 완전 연결층만 해도 7 · 7 · 512 = 25,088개의 숫자를 유닛 4,096개와 이어서 1억 280만 개입니다. 합성곱층은 모두 합해도 1,470만 개입니다. GoogLeNet과 ResNet은 특징 맵마다 평균을 구하므로 작은 완전 연결층 하나면 됩니다.",
}
EXAMPLE = {"channels": 64, "layers_of_three": 3}


def compute(channels: int, layers_of_three: int) -> dict[str, int]:
    """Weights without biases of n layers of 3 × 3 against one layer with the same field of view, 2 n + 1; C channels each."""
    field = 2 * layers_of_three + 1
    return {"stack": layers_of_three * 9 * channels**2, "single": field**2 * channels**2, "field": field}


def keras(channels: int, layers_of_three: int) -> dict[str, int]:
    import keras
    from keras import layers

    size = 41
    stack = keras.Sequential([layers.Input((size, size, channels))])
    for _ in range(layers_of_three):
        stack.add(layers.Conv2D(channels, 3, use_bias=False))
    field = size - stack.output_shape[1] + 1  # without padding a layer loses its field of view less one
    single = layers.Conv2D(channels, field, use_bias=False)
    single.build((None, size, size, channels))
    return {"stack": stack.count_params(), "single": single.count_params(), "field": field}


def conv(size: int, inputs: int, outputs: int) -> int:
    return (size * size * inputs + 1) * outputs


def dense(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def alexnet() -> tuple[int, int]:
    """Krizhevsky et al. 2012: parameters of convolutions and of dense layers. Layers 2, 4 and 5 see one GPU's half."""
    return (
        conv(11, 3, 96) + conv(5, 48, 256) + conv(3, 256, 384) + conv(3, 192, 384) + conv(3, 192, 256),
        dense(6 * 6 * 256, 4096) + dense(4096, 4096) + dense(4096, 1000),
    )


def vgg16() -> tuple[int, int]:
    """Simonyan & Zisserman 2014, configuration D."""
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    convolutions = sum(conv(3, a, b) for a, b in itertools.pairwise(widths))
    return convolutions, dense(7 * 7 * 512, 4096) + dense(4096, 4096) + dense(4096, 1000)


# Szegedy et al. 2014, table 1: 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool proj of each inception.
INCEPTIONS = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip


def googlenet() -> tuple[int, int]:
    """Szegedy et al. 2014, without the two auxiliary classifiers, which only training uses."""
    total, inputs = conv(7, 3, 64) + conv(1, 64, 64) + conv(3, 64, 192), 192
    for one, reduce3, three, reduce5, five, pool in INCEPTIONS:
        total += conv(1, inputs, one) + conv(1, inputs, reduce3) + conv(3, reduce3, three)
        total += conv(1, inputs, reduce5) + conv(5, reduce5, five) + conv(1, inputs, pool)
        inputs = one + three + five + pool
    return total, dense(inputs, 1000)


def resnet50() -> tuple[int, int]:
    """He et al. 2015: convolutions without biases; each is followed by a batch normalisation with two numbers a channel."""

    def normalised(size: int, inputs: int, outputs: int) -> int:
        return size * size * inputs * outputs + 2 * outputs

    total, inputs = normalised(7, 3, 64), 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        total += normalised(1, inputs, 4 * width)  # the shortcut of the first block, which changes the width
        for _ in range(blocks):
            total += normalised(1, inputs, width) + normalised(3, width, width) + normalised(1, width, 4 * width)
            inputs = 4 * width
    return total, dense(inputs, 1000)


# Name, year, count, layers with weights, and the top-5 error in percent with which the team took part in ILSVRC that year.
NETWORKS = (
    ("AlexNet", 2012, alexnet, 8, 15.3),
    ("VGG-16", 2014, vgg16, 16, 7.3),
    ("GoogLeNet", 2014, googlenet, 22, 6.67),
    ("ResNet-50", 2015, resnet50, 50, 3.57),
)


def draw(state: lessons.State) -> dict[str, Any]:
    st.subheader(t("Three small filters against a large one", "작은 필터 셋과 큰 필터 하나"))
    left, right = st.columns(2)
    with left:
        channels = state.number(t("Channels C", "채널 수 C"), "channels", 64, 1, 1024)
    with right:
        number = state.slider(t("Layers of 3 × 3", "3 × 3 층의 수"), "layers", 3, 1, 5)
    values = {"channels": channels, "layers_of_three": number}
    result = compute(**values)
    field = result["field"]
    lessons.paper(
        rf"{number} \cdot 3 \cdot 3 \cdot C^2 &= {9 * number}\,C^2 = {result['stack']}",
        rf"{field} \cdot {field} \cdot C^2 &= {field**2}\,C^2 = {result['single']}",
    )
    st.write(t(f"Both see {field} × {field} pixels. The small filters also have {number} activations where the large one has one.", f"둘 다 {field} × {field}픽셀을 봅니다. 작은 필터 쪽은 활성화 함수를 {number}번 지나고, 큰 필터는 한 번만 지납니다."))  # fmt: skip
    st.subheader(t("Where the parameters are", "파라미터가 있는 곳"))
    kinds = (t("convolutions", "합성곱층"), t("dense layers", "완전 연결층"))
    counts = [(name, kind, count) for name, _, f, _, _ in NETWORKS for kind, count in zip(kinds, f(), strict=True)]
    frame = pd.DataFrame(counts, columns=["network", "kind", "parameters"])
    frame["millions"] = frame["parameters"] / 1e6
    frame["order"] = [kinds.index(kind) for kind in frame["kind"]]  # the order of the parts of a bar: as in the legend
    st.altair_chart(
        alt.Chart(frame, height=280)
        .mark_bar()
        .encode(
            y=alt.Y("network", title=None, sort=None, axis=alt.Axis(labelOverlap=False)),
            x=alt.X("millions", title=t("parameters, millions", "파라미터, 백만 개")),
            order=alt.Order("order"),
            color=alt.Color("kind", title=None, sort=None, legend=alt.Legend(orient="top")),
            tooltip=lessons.tooltip("network", "kind", "parameters ,"),
        )
    )
    table = [{t("network", "신경망"): f"{name} ({year})", t("layers", "층 수"): depth, t("parameters", "파라미터"): f"{sum(f()):,}", t("in dense layers", "완전 연결층"): f"{f()[1] / sum(f()):.0%}", t("top-5 error, %", "상위 5개 오류율, %"): error} for name, year, f, depth, error in NETWORKS]  # fmt: skip
    st.dataframe(pd.DataFrame(table), hide_index=True)
    st.caption(
        t(
            "The parameters are counted from the papers' layers. The errors are those of each team in the ImageNet challenge of the year, on its test set, and each is that of an ensemble. AlexNet's had seen more training pictures, and ResNet's had networks of up to 152 layers.",
            "파라미터는 논문에 나온 층의 크기로 셌습니다. 오류율은 각 팀이 그해 ImageNet 대회의 테스트 데이터에서 앙상블로 얻은 값입니다. AlexNet 팀은 학습 이미지를 더 썼고, ResNet 팀은 최대 152층 신경망을 썼습니다.",
        )
    )
    st.write(
        t(
            "GoogLeNet's paper gives it 12 times fewer parameters than AlexNet, hence the five million of many lectures. Counted from its table there are 7.0 million, 1.0 of them in its only dense layer. The two large dense layers of AlexNet and VGG are gone, because the mean of each feature map takes their place.",
            "GoogLeNet 논문은 파라미터가 AlexNet의 12분의 1이라고 하므로 많은 강의가 500만 개라고 합니다. 논문의 표로 세면 700만 개이고, 그중 100만 개가 하나뿐인 완전 연결층에 있습니다. AlexNet과 VGG의 큰 완전 연결층 두 개는 사라졌고, 특징 맵의 평균이 그 자리를 대신합니다.",
        )
    )
    st.subheader(t("When gradients stopped vanishing", "기울기 소실을 해결한 과정"))
    years = [
        ("1991, 1994", t("Hochreiter, then Bengio et al.: gradients vanish", "Hochreiter와 Bengio 등: 기울기가 사라지는 현상을 밝힘")),
        ("2006", t("Hinton et al.: pretraining layer by layer, without ReLU", "Hinton 등: 층별 사전 학습. ReLU는 아직 쓰지 않음")),
        ("2010", t("Nair & Hinton: ReLU; Glorot & Bengio: initialisation", "Nair와 Hinton: ReLU. Glorot와 Bengio: 가중치 초기화")),
        ("2011", t("Glorot et al.: deep ReLU networks without pretraining", "Glorot 등: 사전 학습 없는 깊은 ReLU 신경망")),
        ("2012", t("Krizhevsky et al.: AlexNet, with ReLU and dropout", "Krizhevsky 등: ReLU와 드롭아웃을 쓴 AlexNet")),
        ("2015", t("Batch normalisation; He's initialisation; ResNet's shortcuts", "배치 정규화, He 초기화, ResNet의 스킵 연결")),
    ]  # fmt: skip
    st.table(pd.DataFrame(years, columns=[t("year", "연도"), t("what", "내용")]).set_index(t("year", "연도")))
    return values
