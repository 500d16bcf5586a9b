"""What goes into a recurrent network and what comes out, and when its loss is computed and its weights change."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from apps import lessons
from apps.i18n import t
from common.errors import UserError
from common.project import Project, project_names

TITLE = {"en": "Topologies, and how they are trained", "ko": "순환 신경망의 형태와 학습"}
PROJECT = "char_rnn"
DELAYED = ("translation",)  # many-to-many as well, but these read the whole sequence before they write
QUESTION = {
    "en": "There are 1,000 sequences of 20 steps, the batch size is 50, and training runs for 10 epochs. Each step has a target. How many times do the weights change?",
    "ko": "20단계짜리 시퀀스가 1,000개이고 배치 크기는 50이며 10에포크 동안 학습합니다. 모든 단계에 정답이 있습니다. 가중치는 몇 번 바뀝니까?",
}
ANSWER = {
    "en": "200 times. An epoch has 1,000 / 50 = 20 batches, and the weights change once after each. The 20 steps of a sequence change nothing: their losses are averaged first.",
    "ko": "200번입니다. 한 에포크는 1,000 / 50 = 20개의 배치이고, 가중치는 배치마다 한 번 바뀝니다. 한 시퀀스의 20단계 안에서는 가중치가 바뀌지 않으며, 단계별 손실을 먼저 평균합니다.",
}
# Each topology: steps with an input, steps in all, steps with an output, recurrent layers.
FORMS = {
    "one-to-one": ([1], 1, [1], 1),
    "one-to-many": ([1], 3, [1, 2, 3], 1),
    "many-to-one": ([1, 2, 3], 3, [3], 1),
    "many-to-many": ([1, 2, 3], 3, [1, 2, 3], 1),
    "delayed": ([1, 2, 3], 5, [4, 5], 1),
    "deep": ([1, 2, 3], 3, [1, 2, 3], 2),
}
EXAMPLE = {
    "topology": "many-to-many",
    "units": 8,
    "features": 4,
    "probabilities": np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5]]),
    "targets": np.array([0, 1, 0]),
}


def compute(topology, units, features, probabilities, targets) -> dict[str, Any]:
    """Shapes of one sequence, the number of weights, the loss of each step with an output, and their mean.

    probabilities: (outputs, classes). targets: (outputs,), the right class of each.
    """
    inputs, _, outputs, depth = FORMS[topology]
    classes = probabilities.shape[1]
    sizes = [features] + [units] * depth
    losses = -np.log(np.clip(probabilities[np.arange(len(targets)), targets], 1e-7, 1 - 1e-7))
    return {
        "input shape": (len(inputs), features),
        "output shape": (len(outputs), classes),
        "weights": sum((a + units + 1) * units for a in sizes[:-1]) + (units + 1) * classes,
        "loss by step": losses,
        "loss": losses.mean(),
    }


def keras(topology, units, features, probabilities, targets) -> dict[str, Any]:
    import keras
    from keras import layers

    given, steps = {"one-to-one": (1, 1), "one-to-many": (1, 3), "delayed": (3, 5)}.get(topology, (3, 3))
    model = keras.Sequential([layers.Input((given, features)), layers.ZeroPadding1D((0, steps - given))])
    for _ in range(2 if topology == "deep" else 1):
        model.add(layers.SimpleRNN(units, return_sequences=True))
    model.add(layers.Cropping1D(({"many-to-one": 2, "delayed": 3}.get(topology, 0), 0)))  # steps without an output
    model.add(layers.Dense(probabilities.shape[1], activation="softmax"))
    by_step = keras.losses.SparseCategoricalCrossentropy(reduction=None)(targets, probabilities)
    loss = keras.losses.SparseCategoricalCrossentropy()(targets, probabilities)
    losses = {"loss by step": by_step.numpy(), "loss": float(loss), "weights": model.count_params()}
    return {"input shape": model.input_shape[1:], "output shape": model.output_shape[1:], **losses}


def draw(state: lessons.State) -> dict[str, Any]:
    names = {"many-to-many": t("many to many", "다대다"), "many-to-one": t("many to one", "다대일"), "one-to-many": t("one to many", "일대다"), "one-to-one": t("one to one", "일대일"), "delayed": t("many to many, delayed", "지연된 다대다"), "deep": t("deep", "심층")}  # fmt: skip
    topology = state.choice(t("Topology", "형태"), "topology", names)
    left, right = st.columns(2)
    with left:
        features = state.number(t("Numbers in an input", "입력의 차원"), "features", 4, 1, 1000)
    with right:
        units = state.number(t("Numbers in the state", "상태의 차원"), "units", 8, 1, 1000)
    inputs, steps, outputs, depth = FORMS[topology]
    places, edges, colours = {}, {}, {}
    for layer in range(1, depth + 1):
        for n in range(1, steps + 1):
            name = f"h{n}" if depth == 1 else f"h{n}{'′' * (layer - 1)}"
            places[name] = (n, layer)
            if n > 1:
                edges[f"h{n - 1}{'′' * (layer - 1)}", name] = ""
            if layer > 1:
                edges[f"h{n}", name] = ""
    for n in inputs:
        places[f"x{n}"], edges[f"x{n}", f"h{n}"], colours[f"x{n}"] = (n, 0), "", lessons.ORANGE
    for n in outputs:
        places[f"y{n}"], colours[f"y{n}"] = (n, depth + 1), lessons.GREEN
        edges[f"h{n}{'′' * (depth - 1)}", f"y{n}"] = ""
    st.altair_chart(lessons.diagram(places, edges, 240 if depth == 1 else 300, colours))
    st.subheader(t("The loss of a sequence", "시퀀스의 손실"))
    st.write(t("Each output is compared with its target. These are the probabilities that the network gives, a row for each output; the targets are classes from 1.", "출력마다 정답과 비교합니다. 아래는 신경망이 낸 확률이며 출력마다 한 행입니다. 정답은 1부터 세는 클래스 번호입니다."))  # fmt: skip
    start = EXAMPLE["probabilities"][: len(outputs)]
    probabilities = state.numbers(t("Probabilities", "확률"), f"probabilities-{len(outputs)}", start, len(outputs))
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-6):
        raise UserError(t("Probabilities: every row needs numbers from 0 to 1 with the sum 1.", "확률: 각 행은 0–1의 숫자이고 합이 1이어야 합니다."))  # fmt: skip
    targets = state.numbers(t("Targets", "정답"), f"targets-{len(outputs)}", EXAMPLE["targets"][: len(outputs)] + 1, 1, len(outputs))[0]  # fmt: skip
    if not np.isin(targets, np.arange(1, probabilities.shape[1] + 1)).all():
        raise UserError(t(f"Targets: whole numbers from 1 to {probabilities.shape[1]}.", f"정답: 1부터 {probabilities.shape[1]}까지의 정수여야 합니다."))  # fmt: skip
    values = {"topology": topology, "units": units, "features": features, "probabilities": probabilities, "targets": targets.astype(int) - 1}  # fmt: skip
    result = compute(**values)
    right_ones = [lessons.tex(row[k]) for row, k in zip(probabilities, values["targets"], strict=True)]
    lessons.paper(
        *(rf"E_{n} &= -\ln {p} = {lessons.tex(e)}" for n, p, e in zip(outputs, right_ones, result["loss by step"], strict=True)),
        rf"E &= \tfrac{{1}}{{{len(outputs)}}}({' + '.join(map(lessons.tex, result['loss by step']))}) = {lessons.tex(result['loss'])}",
    )  # fmt: skip
    st.write(t("The same mean over the steps, on sequences that training has not seen, is how a recurrent network is evaluated.", "순환 신경망을 평가할 때도 학습에 쓰지 않은 시퀀스에서 단계별 손실의 평균을 구합니다."))  # fmt: skip
    _training(state, result, steps, len(outputs))
    st.subheader(t("Projects with this topology", "이 형태의 프로젝트"))
    names = projects_of(topology)
    if not names:
        st.write(t("This suite has none yet.", "아직 이 형태의 프로젝트는 없습니다."))
    for name in names:
        lessons.project_link(name)
    return values


def projects_of(topology: str) -> list[str]:
    """The projects of the suite that have a topology of FORMS."""
    kind = {"delayed": "many-to-many", "deep": "many-to-many"}.get(topology, topology)
    same = [name for name in project_names() if kind == Project(name).card.TOPOLOGY]
    return [name for name in same if (name in DELAYED) == (topology == "delayed")]


def _training(state: lessons.State, result: dict[str, Any], steps: int, outputs: int) -> None:
    """The tensors of a batch, and what happens how often in an epoch."""
    st.subheader(t("A batch and an epoch", "배치와 에포크"))
    left, right = st.columns(2)
    with left:
        sequences = state.number(t("Sequences", "시퀀스 수"), "sequences", 12, 1, 1_000_000)
    with right:
        batch = state.number(t("Batch size", "배치 크기"), "batch", 4, 1, 10_000)
    shape = lambda name: " × ".join(map(str, (batch, *result[name])))  # noqa: E731
    rows = [
        (t("input tensor: batch, steps, numbers", "입력 텐서: 배치, 단계, 성분"), shape("input shape")),
        (t("output tensor: batch, steps, classes", "출력 텐서: 배치, 단계, 클래스"), shape("output shape")),
        (t("weights, the same at every step", "가중치의 수(모든 단계에서 같은 가중치)"), f"{result['weights']:,}"),
        (t("states computed in an epoch", "한 에포크에 계산하는 상태"), f"{sequences * steps:,}"),
        (t("losses computed in an epoch", "한 에포크에 계산하는 손실"), f"{sequences * outputs:,}"),
        (t("changes of the weights in an epoch, one after each batch", "한 에포크에 가중치가 바뀌는 횟수(배치마다 한 번)"), f"{-(-sequences // batch):,}"),
    ]  # fmt: skip
    st.table(pd.DataFrame(rows, columns=["", t("number", "수")]).set_index(""))
    st.caption(t("An epoch is over when every sequence has been read once.", "모든 시퀀스를 한 번씩 읽으면 한 에포크가 끝납니다."))  # fmt: skip
