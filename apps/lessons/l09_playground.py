"""Points in the plane and a network of one's own: the decision surface and both losses, live while it trains."""

import time
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import canvas, lessons
from apps.i18n import t
from apps.lessons.l04_activations import activate, sigmoid
from apps.state import upload
from common.errors import UserError

TITLE = {"en": "Playground", "ko": "놀이터"}
PROJECT = "fraud_detection"
QUESTION = {
    "en": "The training loss falls and the test loss rises. What is happening, and which three cures does this page have?",
    "ko": "학습 손실은 내려가는데 테스트 손실은 올라갑니다. 무슨 일이 일어나고 있으며, 이 페이지에 있는 세 가지 해결책은 무엇입니까?",
}
ANSWER = {
    "en": "The network learns the noise of the training points: over-fitting. More points, L2 on the weights, and dropout each help. So does stopping where the test loss is lowest.",
    "ko": "신경망이 학습 데이터의 잡음까지 외우는 과적합입니다. 점을 늘리거나, 가중치에 L2 규제를 주거나, 드롭아웃을 쓰면 나아집니다. 테스트 손실이 가장 낮을 때 멈추는 방법도 있습니다.",
}
EPOCHS, CHUNK = 2000, 0.15  # epochs at most; seconds of training between two drawings
LONGEST = 2000  # characters of the visitor's points
OVERFIT = {"data": "moons", "points": 30, "noise": 0.35, "layers": 3, "units": 32, "activation": "relu", "dropout": 0.0, "l2": 0.0, "optimiser": "Adam", "rate": 0.01, "batch": 10}  # fmt: skip
SPIRAL = OVERFIT | {"data": "spiral", "points": 300, "noise": 0.05, "activation": "tanh", "batch": 30}


def points(data: str, count: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x (count, 2), about −1 to 1, and y (count,), 0 or 1."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 2
    u = random.random(count)
    if data == "spiral":
        angle = 3.5 * np.pi * u**0.5 + np.pi * y
        x = (0.1 + 0.85 * u**0.5)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    elif data == "moons":
        angle = np.pi * (u + y)
        x = np.stack([0.6 * np.cos(angle) - 0.3 + 0.6 * y, 0.6 * np.sin(angle) - 0.15 + 0.3 * y], axis=1)
    elif data == "circles":
        radius = np.where(y, 0.35 * u**0.5, 0.65 + 0.25 * u)
        angle = random.random(count) * 2 * np.pi
        x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:  # XOR
        x = 1.8 * random.random((count, 2)) - 0.9
        y = (x[:, 0] * x[:, 1] < 0).astype(int)
    return np.round(x + noise * random.standard_normal(x.shape), 3), y


def first_weights(layers: int, units: int, seed: int) -> list[np.ndarray]:
    """Kernel and bias of each layer in turn, as Glorot and Bengio start them: uniform within ±√(6 / (in + out)); biases 0."""
    random, weights = np.random.default_rng(seed), []
    for a, b in pairwise([2, *[units] * layers, 1]):
        weights += [random.uniform(-1, 1, (a, b)) * np.sqrt(6 / (a + b)), np.zeros(b)]
    return weights


def forward(weights: list, x: np.ndarray, activation: str, dropout: float = 0.0, random: Any = None) -> tuple:
    """Logits (n,) and, for each hidden layer, what the backward pass needs: input, derivative, mask of dropout."""
    kept = []
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        y, slope = activate(activation, x @ w + b)
        mask = (random.random(y.shape) >= dropout) / (1 - dropout) if dropout else 1.0
        kept.append((x, slope, mask))
        x = y * mask
    return (x @ weights[-2] + weights[-1])[:, 0], [*kept, (x, None, None)]


def loss(logits: np.ndarray, y: np.ndarray) -> float:
    """The mean binary cross-entropy."""
    return float((np.logaddexp(0, logits) - y * logits).mean())


def gradients(weights: list, x: np.ndarray, y: np.ndarray, activation: str, l2: float, dropout: float, random: Any) -> list:  # fmt: skip
    """Of the loss plus l2 times the sum of the squared kernels, in the order of `weights`."""
    logits, kept = forward(weights, x, activation, dropout, random)
    delta = ((sigmoid(logits) - y) / len(y))[:, None]
    found: list[np.ndarray] = []
    for layer in range(len(kept) - 1, -1, -1):
        w = weights[2 * layer]
        found = [kept[layer][0].T @ delta + 2 * l2 * w, delta.sum(axis=0), *found]
        if layer:
            _, slope, mask = kept[layer - 1]
            delta = delta @ w.T * mask * slope
    return found


def new_learner(setting: dict[str, Any]) -> dict[str, Any]:
    weights = first_weights(setting["layers"], setting["units"], setting["seed"])
    zeros = [np.zeros_like(w) for w in weights]
    return {"weights": weights, "m": zeros, "s": zeros, "step": 0, "losses": []}


def train_epoch(learner: dict[str, Any], x: np.ndarray, y: np.ndarray, setting: dict[str, Any]) -> None:
    """One epoch, in place. Order and dropout are functions of seed and epoch. SGD and Adam as in Keras."""
    random = np.random.default_rng([setting["seed"], len(learner["losses"])])
    batch = min(setting["batch"], len(x))
    order = random.permutation(len(x)) if batch < len(x) else np.arange(len(x))
    for first in range(0, len(x), batch):
        part = order[first : first + batch]
        how = (setting["activation"], setting["l2"], setting["dropout"], random)
        slopes = gradients(learner["weights"], x[part], y[part], *how)
        rate, learner["step"] = setting["rate"], learner["step"] + 1
        if setting["optimiser"] == "Adam":
            learner["m"] = [0.9 * m + 0.1 * g for m, g in zip(learner["m"], slopes, strict=True)]
            learner["s"] = [0.999 * s + 0.001 * g**2 for s, g in zip(learner["s"], slopes, strict=True)]
            rate *= np.sqrt(1 - 0.999 ** learner["step"]) / (1 - 0.9 ** learner["step"])
            slopes = [m / (np.sqrt(s) + 1e-7) for m, s in zip(learner["m"], learner["s"], strict=True)]
        learner["weights"] = [np.clip(w - rate * g, -1e6, 1e6) for w, g in zip(learner["weights"], slopes, strict=True)]


def compute(x, y, layers, units, activation, l2, optimiser, rate, seed) -> dict[str, Any]:
    """losses: of 20 epochs, each one step on all points without dropout, with the penalty; before each step."""
    setting = {"layers": layers, "units": units, "activation": activation, "dropout": 0.0, "l2": l2, "optimiser": optimiser, "rate": rate, "batch": len(x), "seed": seed}  # fmt: skip
    learner, losses = new_learner(setting), []
    for _ in range(20):
        penalty = l2 * sum(float((w**2).sum()) for w in learner["weights"][::2])
        losses.append(loss(forward(learner["weights"], x, activation)[0], y) + penalty)
        train_epoch(learner, x, y, setting)
    return {"losses": np.array(losses)}


def keras(x, y, layers, units, activation, l2, optimiser, rate, seed) -> dict[str, Any]:
    import keras
    import numpy as np

    random, model = np.random.default_rng(seed), keras.Sequential([keras.Input((2,))])
    for size, function in [(units, activation)] * layers + [(1, None)]:
        model.add(keras.layers.Dense(size, function, kernel_regularizer=keras.regularizers.L2(l2)))
    for layer in model.layers:
        a, b = layer.kernel.shape
        layer.set_weights([random.uniform(-1, 1, (a, b)) * np.sqrt(6 / (a + b)), np.zeros(b)])
    rule = getattr(keras.optimizers, optimiser)(rate)
    model.compile(rule, keras.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(x, y[:, None], batch_size=len(x), epochs=20, shuffle=False, verbose=0)
    return {"losses": history.history["loss"]}


EXAMPLE = {**dict(zip("xy", points("moons", 40, 0.1, 0), strict=True)), "layers": 2, "units": 8, "activation": "tanh", "l2": 0.001, "optimiser": "Adam", "rate": 0.03, "seed": 0}  # fmt: skip


def draw(state: lessons.State) -> dict[str, Any]:
    _experiments(state)
    names = {"moons": t("two moons", "두 반달"), "circles": t("circles", "원"), "xor": "XOR", "spiral": t("spiral", "나선"), "own": t("my own points", "내 점")}  # fmt: skip
    data = state.choice(t("Points", "점"), "data", names)
    seed = state.number(t("Seed", "난수 시드"), "seed", 0, 0, 9999)
    if data == "own":
        x, y = _own(state)
        test = np.zeros(len(x), bool)
        test[np.random.default_rng(seed).permutation(len(x))[: len(x) * 3 // 10]] = True
        if len(set(y[~test])) < 2 or not test.any():
            raise UserError(t("At least 4 points of both classes are needed: click some more.", "두 클래스의 점이 모두 있어야 하고, 합하여 4개 이상이어야 합니다. 점을 더 찍어 주세요."))  # fmt: skip
        (x, y), (x_test, y_test) = (x[~test], y[~test]), (x[test], y[test])
    else:
        left, right = st.columns(2)
        with left:
            count = state.number(t("Training points", "학습 데이터의 점 수"), "points", 100, 4, 500)
        with right:
            noise = state.number(t("Noise", "잡음"), "noise", 0.15, 0.0, 1.0, 0.05)
        x, y = points(data, count, noise, seed)
        x_test, y_test = points(data, 300, noise, seed + 10_000)
    setting = _network(state) | {"seed": seed}
    _train(state, setting, (x, y), (x_test, y_test))
    return {"x": x, "y": y} | {name: value for name, value in setting.items() if name not in ("dropout", "batch")}


def _experiments(state: lessons.State) -> None:
    """Buttons that set every knob for an experiment of the lecture."""
    st.caption(t("Experiments: each button sets the knobs.", "실험: 버튼을 누르면 설정값이 바뀝니다."))
    experiments = {
        t("over-fitting", "과적합"): OVERFIT,
        t("… with more points", "… 점 늘리기"): OVERFIT | {"points": 400, "batch": 40},
        t("… with L2", "… L2 규제"): OVERFIT | {"l2": 0.01},
        t("… with dropout", "… 드롭아웃"): OVERFIT | {"dropout": 0.5},
        t("shallow and wide", "얕고 넓게"): SPIRAL | {"layers": 1, "units": 24},
        t("deep and narrow", "깊고 좁게"): SPIRAL | {"layers": 3, "units": 6},
    }
    with st.container(horizontal=True):
        for place, (label, knobs) in enumerate(experiments.items()):
            st.button(label, on_click=state.put, kwargs=knobs, key=state.key(f"experiment{place}"))


def _network(state: lessons.State) -> dict[str, Any]:
    """The knobs of the network and of its training."""
    columns = st.columns(3)
    with columns[0]:
        names = {"tanh": "tanh", "relu": "ReLU", "sigmoid": "sigmoid"}
        activation = state.choice(t("Activation", "활성화 함수"), "activation", names)
        layers = state.number(t("Hidden layers", "은닉층 수"), "layers", 2, 0, 5)
        units = state.number(t("Units in each", "층마다 유닛 수"), "units", 8, 1, 64)
    with columns[1]:
        optimiser = state.choice(t("Optimiser", "옵티마이저"), "optimiser", {"Adam": "Adam", "SGD": "SGD"})
        rate = state.number(t("Learning rate", "학습률"), "rate", 0.01, 0.0, 10.0, 0.005)
        batch = state.number(t("Batch size", "배치 크기"), "batch", 20, 1, 500)
    with columns[2]:
        dropout = state.slider(t("Dropout", "드롭아웃"), "dropout", 0.0, 0.0, 0.9, 0.05)
        l2 = state.number("L2", "l2", 0.0, 0.0, 1.0, 0.001)
    return {"layers": layers, "units": units, "activation": activation, "dropout": dropout, "l2": l2, "optimiser": optimiser, "rate": rate, "batch": batch}  # fmt: skip


def _own(state: lessons.State) -> tuple[np.ndarray, np.ndarray]:
    """Points that the visitor has clicked or uploaded; the latter are moved and scaled to −1 to 1."""
    label = t("Points: x y class; …", "점: x y 클래스; …")
    csv = t("A CSV with the columns x, y, class (0 or 1)", "x, y, 클래스(0 또는 1) 열이 있는 CSV")
    if (uploaded := upload(csv, ["csv", "txt"], state.key("csv"), 1)) is not None:
        return read_points(uploaded[1].decode("utf-8", errors="replace"), uploaded[0])
    kind = state.choice(
        t("A click adds a point of class", "클릭하면 추가되는 점의 클래스"), "class", {"0": "0", "1": "1"}
    )
    written = st.session_state.get(state.key("own"), st.query_params.get(state.key("own"), ""))
    with st.columns(2)[0]:
        prompt = t("Click to add points.", "클릭하여 점을 추가하세요.")
        place = canvas.clicked(_picture(written), prompt, state.key("canvas"))
    if place and place != st.session_state.get(state.key("last")):
        st.session_state[state.key("last")] = place
        added = f"{2 * place[0] - 1:.2f} {1 - 2 * place[1]:.2f} {kind}"
        more = f"{written}; {added}" if written.strip() else added
        if len(more) > LONGEST:
            raise UserError(t("There is no room for more points: use a CSV.", "점을 더 추가할 수 없습니다. CSV를 사용해 주세요."))  # fmt: skip
        state.put(own=more)
        st.rerun()
    matrix = lessons.matrix_of(state.text(label, "own", "", LONGEST), label, columns=3)
    return matrix[:, :2], _classes(matrix[:, 2], label)


def _classes(values: np.ndarray, label: str) -> np.ndarray:
    if not np.isin(values, (0, 1)).all():
        raise UserError(t(f"{label}: a class must be 0 or 1.", f"{label}: 클래스는 0 또는 1이어야 합니다."))
    return values.astype(int)


def read_points(text: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A CSV of x, y, class, with or without a line of names. Raises UserError: one sentence."""
    lines = [line for line in text.replace("\r", "\n").replace(";", ",").split("\n") if line.strip()]
    if lines and lines[0].lstrip("\ufeff \"'")[:1].isalpha():
        lines = lines[1:]
    matrix = lessons.matrix_of(";".join(lines), name, columns=3, most=3000)
    x = matrix[:, :2]
    middle, half = (x.max(axis=0) + x.min(axis=0)) / 2, np.maximum((x.max(axis=0) - x.min(axis=0)) / 2, 1e-9)
    return np.round((x - middle) / half, 3), _classes(matrix[:, 2], name)


def _picture(written: str) -> np.ndarray:
    """The points of the field as a picture (240, 240, 3); without those that cannot be read, which the field names."""
    picture = np.full((240, 240, 3), 235, np.uint8)
    picture[120], picture[:, 120] = 200, 200
    for part in written.split(";"):
        try:
            x, y, kind = map(float, part.split())
        except ValueError:
            continue
        if abs(x) <= 1 and abs(y) <= 1:
            row, column = int(119.5 * (1 - y)), int(119.5 * (1 + x))
            picture[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5] = (
                (213, 94, 0) if kind else (0, 114, 178)
            )
    return picture


def _train(state: lessons.State, setting: dict[str, Any], train: tuple, test: tuple) -> None:
    """The buttons, and the drawing that goes on by itself while the network trains."""
    kept, running = state.key("learner"), state.key("running")
    asked = (setting, *(part.tobytes() for part in (*train, *test)))
    if kept not in st.session_state or st.session_state[kept][0] != asked:
        st.session_state[kept] = (asked, new_learner(setting))

    on = st.session_state.get(running, False)
    with st.container(horizontal=True):
        label, change = t("Stop", "학습 멈추기") if on else t("Train", "학습"), {running: not on}
        st.button(label, type="primary", on_click=st.session_state.update, args=(change,), key=state.key("train"))
        again = {kept: (asked, new_learner(setting))}
        st.button(t("Start again", "처음부터"), on_click=st.session_state.update, args=(again,), key=state.key("again"))

    @st.fragment(run_every=0.2 if on else None)
    def live() -> None:
        learner = st.session_state[kept][1]
        if not learner["losses"]:
            _note_losses(learner, setting, train, test)
        if st.session_state.get(running, False):
            end = time.perf_counter() + CHUNK
            while time.perf_counter() < end and len(learner["losses"]) <= EPOCHS:
                train_epoch(learner, *train, setting)
                _note_losses(learner, setting, train, test)
            if len(learner["losses"]) > EPOCHS:
                st.session_state[running] = False
                st.rerun()
        _drawing(learner, setting, train, test)

    live()


def _note_losses(learner: dict[str, Any], setting: dict[str, Any], *splits: tuple) -> None:
    learner["losses"].append([loss(forward(learner["weights"], x, setting["activation"])[0], y) for x, y in splits])


def _drawing(learner: dict[str, Any], setting: dict[str, Any], train: tuple, test: tuple) -> None:
    """The decision surface with the points, and both losses."""
    losses = np.minimum(np.array(learner["losses"]), 1e3)
    epoch, best = len(losses) - 1, int(losses[:, 1].argmin())
    columns = st.columns(3)
    columns[0].metric(t("epoch", "에포크"), epoch)
    columns[1].metric(t("training loss", "학습 손실"), f"{losses[-1, 0]:.3f}")
    columns[2].metric(t("test loss", "테스트 손실"), f"{losses[-1, 1]:.3f}")
    line = np.linspace(-1.3, 1.3, 36)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    probability = sigmoid(forward(learner["weights"], grid, setting["activation"])[0]).reshape(36, 36)
    shades = alt.Scale(domain=[0, 0.5, 1], range=[lessons.BLUE, "#FFFFFF00", lessons.ORANGE])
    colour = alt.Color("z:Q", scale=shades, legend=None)
    ground = lessons.surface(line, line, probability, colour).encode(opacity=alt.value(0.55))
    kinds = {"train": train, "test": (test[0][:150], test[1][:150])}
    dots = pd.concat([pd.DataFrame({"x": x[:, 0], "y": x[:, 1], "class": y.astype(str), "split": name}) for name, (x, y) in kinds.items()])  # fmt: skip
    dots = dots[(dots["x"].abs() < 1.3) & (dots["y"].abs() < 1.3)]
    colour = alt.Color("class:N", scale=alt.Scale(domain=["0", "1"], range=[lessons.BLUE, lessons.RED]), legend=None)
    learnt = dots["split"] == "train"
    dots = dots.assign(size=np.where(learnt, 70, 30), opacity=np.where(learnt, 1, 0.35))
    marks = alt.Chart(dots).mark_circle(stroke="#FFFFFF", strokeWidth=0.6)
    size, opacity = alt.Size("size:Q", scale=None), alt.Opacity("opacity:Q", scale=None)
    told = lessons.tooltip("x:Q", "y:Q", "class:N", "split:N")
    marks = marks.encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), color=colour, size=size, opacity=opacity, tooltip=told)
    st.altair_chart(alt.layer(ground, marks).resolve_scale(color="independent").properties(height=420))
    if epoch:
        at = np.unique(np.linspace(0, epoch, 150).astype(int))
        names = (t("training", "학습"), t("test", "테스트"))
        curve = pd.DataFrame({"epoch": np.tile(at, 2), "loss": losses[at].T.ravel(), "split": np.repeat(names, len(at))})  # fmt: skip
        split = alt.Color("split:N", title=None, sort=names, legend=alt.Legend(orient="top"))
        x, y = alt.X("epoch:Q", title=t("epoch", "에포크")), alt.Y("loss:Q", title=t("loss", "손실"))
        st.altair_chart(alt.Chart(curve, height=280).mark_line().encode(x=x, y=y, color=split))
    st.caption(
        t(
            f"Large points train, small ones test. The test loss was lowest in epoch {best}: {losses[best, 1]:.3f}.",
            f"큰 점은 학습용, 작은 점은 테스트용입니다. 테스트 손실의 최솟값: {losses[best, 1]:.3f}(에포크 {best}).",
        )
    )
