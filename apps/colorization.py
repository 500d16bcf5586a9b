"""The page of colorization: `python -m streamlit run apps/colorization.py`."""

from pathlib import Path

import numpy as np
import streamlit as st

from apps import shared, state
from apps.i18n import plain, t
from common import runs
from common.data import load_splits
from common.files import files_in
from common.inputs.images import picture_bytes
from common.runs import Run
from projects.colorization.data import evenly, shrunk
from projects.colorization.encoding import middle
from projects.colorization.figures import tiled
from projects.colorization.lab import colourfulness, grey

MAX_PIXELS = 8_000_000  # pixels of a visitor's picture: the answer takes 100 bytes a pixel
SHOWN_SIDE = 1200  # pixels of the longer side on the page; the download has the full size
SHOWN_PICTURES, ACROSS = 18, 9  # pictures of each split on the Data tab, and how many stand in a row


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    left, right = st.columns([3, 7])
    picture = None  # stays None where the picture is refused
    with left, shared.errors_shown():
        label = t("A picture, grey or in colour", "흑백 또는 컬러 사진")
        picture, name = shared.picture_input(predictor.examples, "picture", label, MAX_PIXELS)
        others = _other_runs(run)
    if picture is None:
        return
    raw = {"picture": picture}
    with right, shared.errors_shown():
        with st.spinner(t("Colouring …", "색을 입히는 중 …")):
            answer = predictor.predict(raw)
            answers = {_label(run, run.config.model, run.data): answer}
            for other in others:
                answers[_label(other, other.config.model, other.data)] = shared.predictor(other).predict(raw)
        _side_by_side(picture, answers)
        st.download_button(
            t("Download as PNG", "PNG로 내려받기"),
            picture_bytes(answer["picture"]),
            f"{name}-colour.png",
            "image/png",
            type="primary",
        )
        st.caption(
            t(
                "The colours are plausible, not true. A grey picture does not tell its original colours.",
                "예측한 색은 그럴듯한 색일 뿐, 실제 색이 아닙니다. 흑백 사진에는 원래 색에 대한 정보가 없습니다.",
            )
        )
        shared.show_answer(answer)
        size = f"{picture.shape[1]} × {picture.shape[0]}"
        tried = {"picture": name, "size": size, "colourfulness": f"{answer['colourfulness']:.0f}"}
        shared.tries(tried, "coloured")


def _other_runs(run: Run) -> list[Run]:
    """The finished runs that the visitor compares with the chosen one."""
    finished = {
        entry["run"].id: _label(entry["run"], entry["report"]["model"], entry["data"])  # no file of hundreds is read
        for entry in runs.list_runs(run.project, runs.runs_dir())
        if entry["status"] == "finished" and entry["run"].id != run.id
    }
    if not finished:
        return []
    chosen = st.multiselect(
        t("Compare with other runs", "다른 실행과 비교"),
        list(finished),
        format_func=finished.__getitem__,
        max_selections=3,
        key=state.kept("others", [], finished),
        placeholder=t("Choose runs", "실행 고르기"),
    )
    return [Run(run.path.with_name(name)) for name in chosen]


def _label(run: Run, model: str, data: str) -> str:
    return f"{model} · {Path(data).name} · {run.id}"


def _side_by_side(picture: np.ndarray, answers: dict[str, dict]) -> None:
    """The original, the grey picture and the answer of each run."""
    coloured = np.ptp(picture, axis=-1).max() > 0
    shown = [
        (picture, t("original", "원본") + (f" ({colourfulness(picture):.0f})" if coloured else "")),
        (grey(picture), t("the network's input", "신경망의 입력")),
        *((answer["picture"], f"{label} ({answer['colourfulness']:.0f})") for label, answer in answers.items()),
    ]
    across = 3 if len(shown) in (3, 5, 6) else 2
    for start in range(0, len(shown), across):
        for column, (pixels, caption) in zip(st.columns(across), shown[start : start + across], strict=False):
            step = -(-max(pixels.shape[:2]) // SHOWN_SIDE)
            column.image(pixels[::step, ::step], caption=plain(caption), width="stretch")
    st.caption(t("In brackets: the colourfulness (0 is grey).", "괄호 안은 색채도입니다(0은 무채색)."))


def data(run: Run) -> None:
    shared.data_head(run)
    config = run.config
    splits = load_splits(config, run)
    parts = {t("Training", "학습 데이터"): splits.train, t("Validation", "검증 데이터"): splits.validation}
    for title, split in parts.items():
        st.subheader(f"{title}: {len(split):,}")
        pictures = [split.inputs[i] for i in evenly(len(split), SHOWN_PICTURES)]
        squares = [middle(shrunk(picture, config.size), config.size) for picture in pictures]
        squares += [np.full_like(squares[0], 255)] * (-len(squares) % ACROSS)
        st.image(tiled([squares[i : i + ACROSS] for i in range(0, len(squares), ACROSS)]), width="stretch")
    st.subheader(t("How often each colour occurs", "색상별 빈도"))
    shared.figures(run.path / "figures", only=("histograms",))
    st.subheader(t("Figures of the test pictures", "테스트 사진별 점수"))
    shared.table(shared.table_file(run, "pictures"))


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("During the training", "학습 과정"))
    strips = files_in(run.path / "figures" / "samples", "epoch-*.png")
    number = len(strips)
    if len(strips) > 1:
        epochs = range(1, len(strips) + 1)
        number = st.select_slider(t("Epoch", "에포크"), epochs, key=state.kept("epoch", len(strips), epochs))
    if strips:
        shared.figure(st, strips[number - 1])
    shared.figures(run.path / "figures", only=("losses",))
    st.subheader(t("Feature maps of each level of the U-Net", "U-Net 각 단계의 특징 맵"))
    _levels(predictor)
    st.subheader(t("The network", "신경망 구조"))
    shared.drawing(predictor.networks["model"])
    shared.code(run.project)


def _levels(predictor) -> None:
    """The three feature maps with the largest deviation of every halving and doubling, for the first example."""
    import keras

    network = predictor.networks["model"]
    levels = [layer for layer in network.layers if layer.name.endswith(("leaky_relu", "relu"))]
    outputs = keras.Model(network.input, [layer.output for layer in levels])(predictor.encode(predictor.examples[0]))
    for column, layer, maps in zip(st.columns(len(levels)), levels, outputs, strict=True):
        maps = np.asarray(maps)[0]
        for channel in np.argsort(-maps.std(axis=(0, 1)))[:3]:
            values = maps[..., channel]
            values = (255 * (values - values.min()) / max(np.ptp(values), 1e-9)).astype(np.uint8)
            column.image(values, width="stretch")
        column.caption(f"{plain(layer.name.rpartition('_')[0])}, {maps.shape[0]} × {maps.shape[1]}")


shared.page("colorization", try_it, data, inside)
