"""The page of image classification: `python -m streamlit run apps/image_classification.py`."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import canvas, shared, state
from apps.i18n import plain, t, term
from common.inputs.images import MAX_PIXELS, picture_bytes, text_picture
from common.runs import Run
from projects.image_classification.encoding import ANSWERED

MIN_SIDE = 336  # pixels; smaller pictures are enlarged to about this side, so that each of their pixels is a square
TILES = 64  # maps or kernels of a layer that are shown
COLUMNS = 6  # errors in a row
MAX_ERRORS = 36


def try_it(run: Run) -> None:
    shared.parts(
        "part",
        {
            "one": (t("One picture", "이미지 하나"), lambda: _one_picture(run)),
            "two": (t("Two models", "두 모델 비교"), lambda: _two_models(run)),
            "errors": (t("Its errors", "오답"), lambda: _errors(run)),
        },
    )


def _picture(predictor: Any, key: str) -> tuple[Any, str]:
    """The picture that the visitor has chosen, drawn or uploaded, and its name; (None, "") while there is none."""

    def draw() -> np.ndarray | None:
        label = t("Draw a digit with the mouse or a finger.", "마우스나 손가락으로 숫자를 그려 보세요.")
        st.caption(label)
        return canvas.sketch(label, t("Clear", "지우기"), f"{key}-board")

    label = t("A picture, grey or in colour", "흑백 또는 컬러 이미지")
    return shared.picture_input(predictor.examples, key, label, MAX_PIXELS, draw if predictor.meta["strokes"] else None)


@st.fragment  # while the visitor draws, the rest of the page is not drawn again
def _one_picture(run: Run) -> None:
    with shared.errors_shown():
        predictor = shared.predictor(run)
        left, right = st.columns([2, 3])
        with left:
            picture, name = _picture(predictor, "one")
        if picture is None:
            return
        raw = {"picture": picture}
        answer = predictor.predict(raw)
        with right:
            first, second = st.columns(2)
            first.metric(t("Class", "클래스"), plain(answer["label"]), border=True)
            second.metric(t("Probability", "확률"), f"{answer['probability']:.1%}", border=True)
            _bars(predictor, answer["classes"])
            if name == "drawing":
                label = t("Download the drawing", "그림 내려받기")
                st.download_button(label, picture_bytes(picture), "drawing.png", "image/png")
        if answer["unfamiliar"]:
            words = t(
                "This picture is unlike those of training (Mahalanobis distance of the last layer's input): a guess.",
                "학습한 이미지와 다른 이미지입니다(마지막 층 입력의 마할라노비스 거리 기준). 이 답은 추측으로 보아야 합니다.",
            )
            shared.caution(run, words)
        _heat(predictor, raw, answer)
        shared.show_answer(answer)
        shared.tries(
            {"picture": name, "label": answer["label"], "probability": f"{answer['probability']:.1%}"}, "pictures"
        )


def _bars(predictor: Any, probabilities: dict[str, float]) -> None:
    """One bar a class. Up to ANSWERED classes keep their places; of more, the most probable are shown first."""
    few = len(predictor.classes) <= ANSWERED
    order = [name for name in predictor.classes if name in probabilities] if few else list(probabilities)
    rows = pd.DataFrame({"label": order, "probability": [probabilities[name] for name in order]})
    scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(format="%")
    st.altair_chart(
        alt.Chart(rows, height=60 + 24 * len(rows))
        .mark_bar(cornerRadius=3, color="#0072B2")
        .encode(
            x=alt.X("probability", title=t("probability", "확률"), scale=scale, axis=axis),
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
            tooltip=shared.tooltip("label", "probability .2%"),
        )
    )


def _heat(predictor: Any, raw: dict, answer: dict) -> None:
    """The network's input, and a heat map over it for the class that the visitor chooses."""
    from common.layers import explain

    methods = {
        "grad_cam": "Grad-CAM",
        "cam": t("class activation map", "클래스 활성화 맵 (CAM)"),
        "saliency": t("gradient of each pixel", "픽셀별 기울기"),
    }
    left, right = st.columns(2)
    names = sorted(answer["classes"], key=lambda name: -answer["classes"][name])
    key = state.kept(f"heat-{answer['label']}", names[0], names)
    label = left.selectbox(t("Evidence for the class", "근거를 볼 클래스"), names, key=key)
    suitable = explain.methods_for(predictor.networks["model"])
    key = state.kept("heat-method", suitable[0], suitable)
    method = right.selectbox(t("Method", "방법"), suitable, format_func=methods.__getitem__, key=key)
    picture = _network_input(predictor, raw)
    heat = predictor.heat_map(raw, label, method)
    columns = st.columns(2)
    columns[0].image(_enlarged(picture), caption=t("the network's input", "신경망의 입력"), width="stretch")
    columns[1].image(
        _enlarged(explain.overlaid(picture, heat)),
        caption=t(f"the evidence for “{plain(label)}”", f"‘{plain(label)}’의 근거가 되는 부분"),
        width="stretch",
    )
    if not heat.any():
        st.caption(t("Nothing speaks for this class.", "이 클래스를 뒷받침하는 부분이 없습니다."))


def _network_input(predictor: Any, raw: dict) -> np.ndarray:
    """The network's input as a picture (height, width, 3) uint8."""
    x = predictor.encode(raw)[0]
    return np.repeat(x, 3 // x.shape[-1], axis=-1).astype(np.uint8)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    """Every pixel as a square, so that the browser does not blur a small picture."""
    times = max(1, MIN_SIDE // picture.shape[0])
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _two_models(run: Run) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    left, right = st.columns([1, 2])
    with left:
        picture, _ = _picture(shared.predictor(run), "two")
    if picture is None:
        return
    raw, labels = {"picture": picture}, []
    with right:
        for column, one in zip(st.columns(2), (run, second), strict=True):
            with column:
                labels.append(_model_answer(one, raw))
    if labels[0] != labels[1]:
        st.warning(t("The two models disagree on this picture.", "두 모델이 이 이미지를 다르게 분류합니다."))


def _model_answer(run: Run, raw: dict) -> str:
    """Draw the answer of one of two models; return its label."""
    from common.layers import explain

    predictor, content = shared.predictor(run), run.report
    answer = predictor.predict(raw)
    accuracy, parameters = content["test"]["model"]["accuracy"]["value"], content["parameters"]
    st.subheader(run.config.model)
    st.caption(f"{plain(run.id)} · {t('parameters', '파라미터')} {parameters:,} · {t('test', '테스트')} {accuracy:.3f}")
    probability = f"{answer['probability']:.1%}"
    label = plain(answer["label"])
    st.metric(t("Class", "클래스"), label, probability, delta_color="off", delta_arrow="off", border=True)
    _bars(predictor, answer["classes"])
    method = explain.methods_for(predictor.networks["model"])[0]
    heat = predictor.heat_map(raw, answer["label"], method)
    st.image(_enlarged(explain.overlaid(_network_input(predictor, raw), heat)), width="stretch")
    return answer["label"]


def _errors(run: Run) -> None:
    errors = shared.table_file(run, "errors", ("truth", "answer", "picture"), ("probability",))
    if errors.empty:
        st.success(t("There is no error on the test split.", "테스트 데이터에 오답이 없습니다."))
        return
    pairs = errors.groupby(["truth", "answer"]).size().sort_values(ascending=False)
    labels = {f"{truth} → {answer} ({count})": (truth, answer) for (truth, answer), count in pairs.items()}
    label, nothing = t("Confused pair: truth → answer", "혼동한 쌍: 정답 → 예측"), t("all pairs", "모든 쌍")
    chosen = state.select(label, "pair", list(labels), nothing)
    if chosen:
        truth, answer = labels[chosen]
        errors = errors[(errors["truth"] == truth) & (errors["answer"] == answer)]
    pages = -(-len(errors) // MAX_ERRORS)
    first = MAX_ERRORS * (st.pagination(pages, key="errors-page") - 1) if pages > 1 else 0
    shown = list(errors[first : first + MAX_ERRORS].itertuples())
    st.caption(
        t(
            f"Errors {first + 1} to {first + len(shown)} of {len(errors)} on the test split, the highest probability first.",
            f"테스트 데이터의 오답 {len(errors)}개 가운데 {first + 1}번째부터 {first + len(shown)}번째까지, 예측 확률이 높은 순서입니다.",
        )
    )
    for start in range(0, len(shown), COLUMNS):
        for column, error in zip(st.columns(COLUMNS), shown[start : start + COLUMNS], strict=False):
            caption = plain(f"{error.truth} → {error.answer} · {error.probability:.0%}")
            column.image(_enlarged(text_picture(error.picture)), caption=caption, width="stretch")


def data(run: Run) -> None:
    shared.data_head(run)
    sample = shared.table_file(run, "sample", ("class", "picture"))
    classes = list(dict.fromkeys(sample["class"]))
    chosen = st.multiselect(t("Classes", "클래스"), classes, key=state.kept("classes", classes[:10], classes))
    for name in chosen or classes[:10]:
        pictures = [text_picture(text) for text in sample[sample["class"] == name]["picture"][:12]]
        left, right = st.columns([1, 9], vertical_alignment="center")
        left.markdown(f"**{plain(name)}**")
        right.image(_row(pictures), width="stretch")
    st.subheader(t("Each class on the test split", "테스트 데이터의 클래스별 결과"))
    percent = {"min_value": 0, "max_value": 1, "format": "percent"}
    st.dataframe(
        shared.table_file(run, "classes", ("class", "taken_for"), ("pictures", "recall", "precision")),
        hide_index=True,
        column_config={
            "class": t("class", "클래스"),
            "pictures": t("pictures", "이미지 수"),
            "recall": st.column_config.ProgressColumn(term("recall"), **percent),
            "precision": st.column_config.ProgressColumn(term("precision"), **percent),
            "taken_for": t("most often taken for", "가장 자주 혼동한 클래스"),
        },
    )


def _row(pictures: list[np.ndarray], places: int = 12) -> np.ndarray:
    """Pictures of one size side by side (RGBA). Places without a picture are transparent."""
    side = pictures[0].shape[0]
    row = np.zeros((side, places * (side + 2), 4), np.uint8)
    for number, picture in enumerate(pictures[:places]):
        row[:, number * (side + 2) : number * (side + 2) + side] = np.dstack([picture, np.full(picture.shape[:2], 255)])
    times = max(1, 96 // side)
    return row.repeat(times, axis=0).repeat(times, axis=1)


def inside(run: Run) -> None:
    from common.layers import explain

    predictor = shared.predictor(run)
    model = predictor.networks["model"]
    if names := explain.convolutions(model):
        st.subheader(t("From the picture to one number", "이미지에서 숫자 하나까지"))
        _to_a_number(predictor, model, names)
        st.subheader(t("The kernels of the first layer", "첫 합성곱층의 커널"))
        _first_kernels(model, names[0])
    else:
        st.info(t("This network has no convolution.", "이 신경망에는 합성곱층이 없습니다."))
    st.subheader(t("The network", "신경망"))
    shared.drawing(model)
    shared.code(run.project)


def _to_a_number(predictor: Any, model: Any, names: list[str]) -> None:
    """The feature maps of a layer. A click chooses a map, a click into it chooses a number, which is then computed."""
    from common.layers import explain

    left, middle = st.columns(2)
    with left:
        pictures = [example["picture"] for example in predictor.examples]
        labels = [t(f"example {i + 1}", f"예시 {i + 1}") for i in range(len(pictures))]
        number = canvas.thumbnails(pictures, labels, "inside-example")
    x = predictor.encode(predictor.examples[number])
    maps = explain.feature_maps(model, x)
    layer = middle.selectbox(t("Layer", "층"), list(maps), key=state.kept("layer", names[0], maps))
    shown = maps[layer][..., :TILES]
    height, width, count = shown.shape
    across = int(np.ceil(np.sqrt(count)))
    total = maps[layer].shape[-1]
    named = plain(layer)
    st.caption(
        t(
            f"{named}: {total} feature maps of {height} × {width}. Click on a map. In a convolution, then click on a place in the map.",
            f"{named}: {height} × {width} 크기의 특징 맵 {total}개. 특징 맵을 클릭하세요. 합성곱층이면 특징 맵 안의 한 곳을 클릭할 수 있습니다.",
        )
    )
    first, second, third = st.columns([3, 2, 4])
    with first:
        place = canvas.clicked(_tiled(shown, across), t("All maps of the layer", "층의 모든 특징 맵"), f"maps-{layer}")
    x_place, y_place = place or (0.0, 0.0)
    channel = min(int(y_place * -(-count // across)) * across + int(x_place * across), count - 1)
    with second:
        st.caption(t(f"Map {channel + 1}", f"특징 맵 {channel + 1}"))
        label = t("One map, enlarged", "확대한 특징 맵")
        place = canvas.clicked(_map(shown[..., channel]), label, f"map-{layer}-{channel}")
    x_place, y_place = place or (0.5, 0.5)
    row, column = int(y_place * height), int(x_place * width)
    with third:
        heading = t(f"Row {row + 1}, column {column + 1}", f"{row + 1}행 {column + 1}열")
        st.metric(heading, f"{shown[row, column, channel]:.3f}")
        if layer in names:
            _arithmetic(explain.one_number(model, x, layer, row, column, channel))


def _arithmetic(parts: dict[str, Any]) -> None:
    """Input × kernel, summed, for the input channel with the largest sum; the other channels as one number."""
    sums = parts["products"].sum(axis=(0, 1))
    largest = int(np.abs(sums).argmax())
    names = (("patch", t("input", "입력")), ("kernel", t("× kernel", "× 커널")), ("products", t("= products", "= 곱")))
    for key, name in names:
        values = np.round(parts[key][..., largest], 2)
        st.caption(name + ("" if len(sums) == 1 else t(f", channel {largest + 1}", f", 채널 {largest + 1}")))
        st.code("\n".join(" ".join(f"{value:6.2f}" for value in line) for line in values), language=None)
    rest = float(sums.sum() - sums[largest])
    others = "" if len(sums) == 1 else t(f" + {rest:.3f} (other channels)", f" + {rest:.3f} (나머지 채널)")
    bias = t("bias", "편향")
    st.markdown(f"{sums[largest]:.3f}{others} + {parts['bias']:.3f} ({bias}) = **{parts['sum']:.3f}**")


def _first_kernels(model: Any, name: str) -> None:
    from common.layers import explain

    kernels = explain.kernels(model, name)
    height, width, channels, filters = kernels.shape
    if channels == 3:
        largest = np.abs(kernels).max(axis=(0, 1, 2))
        pictures = np.round(127.5 + 127.5 * kernels / np.maximum(largest, 1e-9)).astype(np.uint8)
        mosaic = _mosaic([pictures[..., i] for i in range(min(TILES, filters))], 8)
        signs = t("Grey means 0.", "회색은 0을 뜻합니다.")
    else:
        mosaic = _tiled(kernels[:, :, 0, :TILES], 8)
        signs = t("Orange means positive, blue negative.", "주황색은 양수, 파란색은 음수입니다.")
    st.image(_enlarged(mosaic), width=640)
    size = f"{height} × {width}"
    name = plain(name)
    st.caption(t(f"{name}: {filters} kernels of {size}.", f"{name}: {size} 크기의 커널 {filters}개.") + " " + signs)


def _map(values: np.ndarray) -> np.ndarray:
    """(h, w) numbers -> (h, w, 3) uint8: orange above zero, blue below zero, black at zero."""
    fraction = values[..., None] / max(float(np.abs(values).max()), 1e-9)
    orange, blue = np.array([255, 176, 32]), np.array([64, 160, 255])
    return np.round(np.where(fraction > 0, fraction * orange, -fraction * blue)).astype(np.uint8)


def _tiled(maps: np.ndarray, across: int) -> np.ndarray:
    """Maps (h, w, n) as one picture, `across` in a row."""
    return _mosaic([_map(maps[..., i]) for i in range(maps.shape[-1])], across)


def _mosaic(tiles: list[np.ndarray], across: int) -> np.ndarray:
    """Pictures (h, w, 3) of one size in rows, with a grey line around each."""
    tiles = [np.pad(tile, [(0, 1), (0, 1), (0, 0)], constant_values=96) for tile in tiles]
    tiles += [np.full_like(tiles[0], 96)] * (-len(tiles) % across)
    return np.concatenate([np.concatenate(tiles[i : i + across], axis=1) for i in range(0, len(tiles), across)])


shared.page("image_classification", try_it, data, inside)
