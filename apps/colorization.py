"""The page of colorization: `python -m streamlit run apps/colorization.py`."""

from pathlib import Path

import numpy as np
import streamlit as st

from apps import shared
from apps.i18n import t
from common import runs
from common.inputs.images import picture_bytes
from common.runs import Run
from projects.colorization.data import load_data, middle, shrunk
from projects.colorization.lab import to_lab, to_rgb
from projects.colorization.predict import MAX_PIXELS
from projects.colorization.scores import colourfulness

SHOWN_SIDE = 1200  # pixels of the longer side: what is painted on the page; the download has them all


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    left, right = st.columns([1, 3])
    picture = None  # so it stays where one is refused
    with left, shared.errors_shown():
        label = t("A picture, grey or in colour", "흑백 또는 컬러 사진")
        picture, name = shared.picture_input(predictor.examples, label, MAX_PIXELS)
        others = _other_runs(run)
    if picture is None:
        return
    raw = {"picture": picture}
    with right, shared.errors_shown():
        with st.spinner(t("Colouring …", "색을 입히는 중 …")):
            answer = predictor.predict(raw)
            answers = {_label(run): answer}
            for other in others:
                answers[_label(other)] = shared.predictor(other).predict(raw)
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
                "The colours are plausible at best: nothing in a grey picture says what they really were.",
                "색은 기껏해야 그럴듯할 뿐입니다. 흑백 사진에는 실제 색에 대한 정보가 없습니다.",
            )
        )
        shared.show_answer(answer)


def _other_runs(run: Run) -> list[Run]:
    """The finished runs that the visitor wants beside the chosen one."""
    finished = [
        entry["run"]
        for entry in runs.list_runs(run.project, runs.runs_dir())
        if entry["status"] == "finished" and entry["run"].id != run.id
    ]
    if not finished:
        return []
    return st.multiselect(
        t("Compare with other runs", "다른 실행과 비교"),
        finished,
        format_func=_label,
        max_selections=3,
        key="others",
        placeholder=t("Choose runs", "실행 고르기"),
    )


def _label(run: Run) -> str:
    return f"{run.config.model} · {Path(run.data).name} · {run.id}"


def _side_by_side(picture: np.ndarray, answers: dict[str, dict]) -> None:
    """Original, grey, and each model's answer, at a size that a page can carry."""
    lightness, ab = to_lab(picture)
    grey = to_rgb(lightness, 0 * ab)
    coloured = np.ptp(picture, axis=-1).max() > 0
    shown = [
        (picture, t("original", "원본") + (f" ({colourfulness(picture):.0f})" if coloured else "")),
        (grey, t("what the network sees", "신경망이 보는 것")),
        *((answer["picture"], f"{label} ({answer['colourfulness']:.0f})") for label, answer in answers.items()),
    ]
    across = 3 if len(shown) in (3, 5, 6) else 2
    for start in range(0, len(shown), across):
        for column, (pixels, caption) in zip(st.columns(across), shown[start : start + across], strict=False):
            step = -(-max(pixels.shape[:2]) // SHOWN_SIDE)
            column.image(pixels[::step, ::step], caption=caption, width="stretch")
    st.caption(t("In brackets: colourfulness (0 is grey).", "괄호 안은 색채도(0이면 무채색)입니다."))


def data(run: Run) -> None:
    st.write(run.report["data"]["source"])
    config = run.config
    splits = load_data(config, run.data, run.data_dir)
    for title, split in (
        (t("Training", "학습"), splits.train),
        (t("Validation", "검증"), splits.validation),
    ):
        st.subheader(f"{title}: {len(split):,}")
        numbers = np.unique(np.linspace(0, len(split) - 1, 18).round().astype(int))
        pixels = [middle(shrunk(split.inputs[i], config.size), config.size) for i in numbers]
        st.image(_tiles(pixels), width="stretch")
    st.subheader(t("How often each colour occurs", "색의 빈도"))
    st.image(str(run.path / "figures" / "histograms.png"))
    st.subheader(t("Figures of the test pictures", "테스트 사진별 수치"))
    shared.table(shared.table_file(run, "pictures"))


def _tiles(pictures: list[np.ndarray], across: int = 9) -> np.ndarray:
    """Pictures of one size in rows, white between them."""
    framed = [np.pad(picture, [(0, 2), (0, 2), (0, 0)], constant_values=255) for picture in pictures]
    framed += [np.full_like(framed[0], 255)] * (-len(framed) % across)
    rows = [np.concatenate(framed[start : start + across], axis=1) for start in range(0, len(framed), across)]
    return np.concatenate(rows)


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    st.subheader(t("While it learnt", "배우는 동안"))
    strips = sorted((run.path / "figures" / "samples").glob("epoch-*.png"))
    if strips:
        number = (
            st.select_slider(t("Epoch", "에폭"), range(1, len(strips) + 1), len(strips), key="epoch")
            if len(strips) > 1
            else 1
        )
        st.image(str(strips[number - 1]), width="stretch")
    st.image(str(run.path / "figures" / "losses.png"))
    st.subheader(t("What each level of the U-Net sees", "U-Net의 각 층이 보는 것"))
    _levels(predictor)
    st.subheader(t("The network", "신경망"))
    shared.drawing(predictor.networks["model"])
    st.subheader(t("The code that builds it", "모델을 만드는 코드"))
    shared.code(run.project, "model")


def _levels(predictor) -> None:
    """The four most active channels of every halving and doubling, for the first example."""
    import keras

    network = predictor.networks["model"]
    levels = [layer for layer in network.layers if layer.name.endswith(("leaky_relu", "relu"))]
    inputs = predictor.encode(predictor.examples[0])
    step = 2 ** predictor.meta["depth"]
    inputs = np.pad(
        inputs, [(0, 0), (0, -inputs.shape[1] % step), (0, -inputs.shape[2] % step), (0, 0)], mode="symmetric"
    )
    seen = keras.Model(network.input, [layer.output for layer in levels])(inputs)
    columns = st.columns(len(levels))
    for column, layer, maps in zip(columns, levels, seen, strict=True):
        maps = np.asarray(maps)[0]
        strongest = np.argsort(-maps.std(axis=(0, 1)))[:3]
        for channel in strongest:
            values = maps[..., channel]
            values = (255 * (values - values.min()) / max(np.ptp(values), 1e-9)).astype(np.uint8)
            column.image(values, width="stretch")
        column.caption(f"{layer.name.rpartition('_')[0]}, {maps.shape[0]} × {maps.shape[1]}")


shared.page("colorization", try_it, data, inside)
