"""The page of image classification: `python -m streamlit run apps/image_classification.py`."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import canvas, shared
from apps.i18n import language, t, term
from common.inputs.images import MAX_PIXELS, text_picture
from common.runs import Run
from projects.image_classification.predict import SHOWN

SHOWN_SIDE = 336  # pixels to which the network's small pictures are enlarged, so that each of their pixels is a square
TILES = 64  # maps or kernels of a layer that are shown
ACROSS = 6  # errors in a row


def try_it(run: Run) -> None:
    predictor = shared.predictor(run)
    labels = [t("One picture", "사진 하나"), t("Two models", "두 모델 비교"), t("Its errors", "틀린 예")]
    # Only the open one is drawn: a second model is not loaded for nothing.
    one, two, errors = st.tabs(labels, on_change="rerun", key=f"views-{language()}")
    with one:
        if one.open:
            _one_picture(predictor)
    with two, shared.errors_shown():
        if two.open:
            _two_models(run)
    with errors, shared.errors_shown():
        if errors.open:
            _errors(run)


def _raw(predictor: Any, key: str) -> dict | None:
    """The picture that the visitor has chosen, drawn or uploaded."""
    ways = {
        "example": t("an example", "예시"),
        **({"draw": t("draw", "그리기")} if predictor.meta["strokes"] else {}),
        "upload": t("my own", "내 사진"),
    }
    way = st.segmented_control(
        t("Picture", "사진"),
        list(ways),
        default="example",
        format_func=ways.__getitem__,
        key=f"{key}-way",
        required=True,
    )
    if way == "draw":
        picture = canvas.drawing(
            t("Draw a digit with the mouse or a finger.", "마우스나 손가락으로 숫자를 그려 보세요."),
            t("Clear", "지우기"),
            f"{key}-board",
        )
        st.caption(t("Draw a digit with the mouse or a finger.", "마우스나 손가락으로 숫자를 그려 보세요."))
        return None if picture is None else {"picture": picture}
    if way == "upload":
        label = t("A picture, grey or in colour", "흑백 또는 컬러 사진")
        picture, _ = shared.picture_upload(label, MAX_PIXELS, f"{key}-upload")
        return None if picture is None else {"picture": picture}
    examples = predictor.examples
    number = st.select_slider(
        t("Example", "예시"), range(len(examples)), format_func=lambda i: str(i + 1), key=f"{key}-example"
    )
    return examples[number]


@st.fragment  # while one draws, nothing else is drawn again
def _one_picture(predictor: Any) -> None:
    with shared.errors_shown():
        left, right = st.columns([2, 3])
        with left:
            raw = _raw(predictor, "one")
        if raw is not None:
            _answered(predictor, raw, right)


def _answered(predictor: Any, raw: dict, right: Any) -> None:
    answer = predictor.predict(raw)
    with right:
        first, second = st.columns(2)
        first.metric(t("Class", "분류"), answer["label"], border=True)
        second.metric(t("Probability", "확률"), f"{answer['probability']:.1%}", border=True)
        _bars(predictor, answer["classes"])
    _heat(predictor, raw, answer)
    shared.show_answer(answer)


def _bars(predictor: Any, shares: dict[str, float]) -> None:
    """Few classes keep their places, so that one can watch them; of many, the likeliest stand first."""
    order = [name for name in predictor.classes if name in shares] if len(predictor.classes) <= SHOWN else list(shares)
    rows = pd.DataFrame({"label": order, "probability": [shares[name] for name in order]})
    st.altair_chart(
        alt.Chart(rows, height=60 + 24 * len(rows))
        .mark_bar(cornerRadius=3, color="#0072B2")
        .encode(
            x=alt.X(
                "probability", title=t("probability", "확률"), scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
            ),
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
            tooltip=["label", alt.Tooltip("probability", format=".2%")],
        )
    )


def _heat(predictor: Any, raw: dict, answer: dict) -> None:
    """What the network got, and where it looked, for a class of the visitor's choice."""
    from common.layers import explain

    model = predictor.networks["model"]
    methods = {
        "grad_cam": "Grad-CAM",
        "cam": t("class-activation map", "클래스 활성화 맵 (CAM)"),
        "saliency": t("gradient by pixel", "픽셀별 기울기"),
    }
    left, right = st.columns(2)
    names = sorted(answer["classes"], key=lambda name: -answer["classes"][name])
    label = left.selectbox(t("Evidence for", "무엇의 근거"), names, key=f"heat-{answer['label']}")
    method = right.selectbox(
        t("Method", "방법"), explain.methods_for(model), format_func=methods.__getitem__, key="heat-method"
    )
    seen = _seen(predictor, raw)
    heat = predictor.looked_at(raw, label, method)
    columns = st.columns(2)
    columns[0].image(_large(seen), caption=t("what the network sees", "신경망이 보는 것"), width="stretch")
    columns[1].image(
        _large(explain.overlaid(seen, heat)),
        caption=t(f"where the evidence for “{label}” is", f"‘{label}’의 근거가 있는 곳"),
        width="stretch",
    )
    if not heat.any():
        st.caption(t("Nothing in the picture speaks for this class.", "사진에서 이 분류를 뒷받침하는 곳이 없습니다."))


def _seen(predictor: Any, raw: dict) -> np.ndarray:
    """The network's input as a picture (height, width, 3) uint8."""
    inputs = predictor.encode(raw)[0]
    return np.repeat(inputs, 3 // inputs.shape[-1], axis=-1).astype(np.uint8)


def _large(picture: np.ndarray) -> np.ndarray:
    """Every pixel as a square, so that a small picture is not blurred by the browser."""
    times = max(1, SHOWN_SIDE // picture.shape[0])
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _two_models(run: Run) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    from common.layers import explain

    left, right = st.columns([1, 2])
    with left:
        raw = _raw(shared.predictor(run), "two")
    if raw is None:
        return
    labels = []
    with right:
        for column, one in zip(st.columns(2), (run, second), strict=True):
            predictor = shared.predictor(one)
            answer = predictor.predict(raw)
            labels.append(answer["label"])
            with column:
                st.subheader(one.config.model)
                accuracy = one.report["test"]["model"]["accuracy"]["value"]
                parameters = one.report["parameters"]
                st.caption(
                    f"{one.id} · {t('parameters', '파라미터')} {parameters:,} · {t('test', '테스트')} {accuracy:.3f}"
                )
                probability = f"{answer['probability']:.1%}"
                st.metric(
                    t("Class", "분류"), answer["label"], probability, delta_color="off", delta_arrow="off", border=True
                )
                _bars(predictor, answer["classes"])
                method = explain.methods_for(predictor.networks["model"])[0]
                heat = explain.overlaid(_seen(predictor, raw), predictor.looked_at(raw, None, method))
                st.image(_large(heat), width="stretch")
    if labels[0] != labels[1]:
        st.warning(t("The two models disagree on this picture.", "두 모델이 이 사진을 다르게 분류합니다."))


def _errors(run: Run) -> None:
    errors = _table(run, "errors")
    if errors.empty:
        st.success(t("No error on the test split.", "테스트 데이터에서 틀린 예가 없습니다."))
        return
    pairs = errors.groupby(["truth", "answer"]).size().sort_values(ascending=False)
    labels = {f"{truth} → {answer} ({count})": (truth, answer) for (truth, answer), count in pairs.items()}
    everything = t("all pairs", "모든 쌍")
    chosen = st.selectbox(t("Taken for another: truth → answer", "혼동한 쌍: 정답 → 답"), [everything, *labels])
    if chosen != everything:
        truth, answer = labels[chosen]
        errors = errors[(errors["truth"] == truth) & (errors["answer"] == answer)]
    st.caption(
        t(
            f"The most confident errors of the test split, the surest first ({len(errors)}).",
            f"테스트 데이터에서 가장 확신하며 틀린 순서입니다 ({len(errors)}개).",
        )
    )
    shown = list(errors.head(36).itertuples())
    for start in range(0, len(shown), ACROSS):
        for column, error in zip(st.columns(ACROSS), shown[start : start + ACROSS], strict=False):
            caption = f"{error.truth} → {error.answer} · {error.probability:.0%}"
            column.image(_large(text_picture(error.picture)), caption=caption, width="stretch")


def _table(run: Run, name: str) -> pd.DataFrame:
    """A table of the run, with the names of classes as they are written: 007 is not 7, and NA is a name."""
    shared.table_file(run, name)  # says so where there is none
    names = dict.fromkeys(("class", "taken_for", "truth", "answer"), str)
    return pd.read_csv(run.path / f"{name}.csv", converters=names)


def data(run: Run) -> None:
    content, sample = run.report, _table(run, "sample")
    st.write(content["data"]["source"])
    for column, (name, size) in zip(st.columns(3), content["data"]["sizes"].items(), strict=True):
        column.metric(term(name), f"{size:,}")
    classes = list(dict.fromkeys(sample["class"]))
    chosen = st.multiselect(t("Classes", "분류"), classes, classes[:10], key="classes")
    for name in chosen or classes[:10]:
        pictures = [text_picture(text) for text in sample[sample["class"] == name]["picture"][:12]]
        left, right = st.columns([1, 9], vertical_alignment="center")
        left.markdown(f"**{name}**".replace("_", r"\_"))
        right.image(_row(pictures), width="stretch")
    st.subheader(t("Class by class, on the test split", "테스트 데이터에서 분류별로"))
    percent = {"min_value": 0, "max_value": 1, "format": "percent"}
    st.dataframe(
        _table(run, "classes"),
        hide_index=True,
        column_config={
            "class": t("class", "분류"),
            "pictures": t("pictures", "사진 수"),
            "recall": st.column_config.ProgressColumn(term("recall"), **percent),
            "precision": st.column_config.ProgressColumn(term("precision"), **percent),
            "taken_for": t("most often taken for", "가장 자주 혼동한 분류"),
        },
    )


def _row(pictures: list[np.ndarray], places: int = 12) -> np.ndarray:
    """Pictures of one size side by side, with room for `places` of them; transparent where there is none (RGBA)."""
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
        st.subheader(t("From the picture to one number", "사진에서 숫자 하나까지"))
        _to_a_number(predictor, model, names)
        st.subheader(t("The first layer's kernels", "첫 층의 커널"))
        _first_kernels(model, names[0])
    else:
        st.info(
            t(
                "This network has no convolution: see its layers below.",
                "이 신경망에는 합성곱이 없습니다. 아래에서 층을 볼 수 있습니다.",
            )
        )
    st.subheader(t("The network", "신경망"))
    shared.drawing(model)
    st.subheader(t("The code that builds it", "모델을 만드는 코드"))
    shared.code(run.project, "model")


def _to_a_number(predictor: Any, model: Any, names: list[str]) -> None:
    """Feature maps of a layer; click on one, click into it, and see how that number comes about."""
    from common.layers import explain

    left, middle = st.columns(2)
    number = left.select_slider(
        t("Example", "예시"), range(len(predictor.examples)), format_func=lambda i: str(i + 1), key="inside-example"
    )
    inputs = predictor.encode(predictor.examples[number])
    maps = explain.feature_maps(model, inputs)
    layer = middle.selectbox(t("Layer", "층"), list(maps), index=list(maps).index(names[0]), key="inside-layer")
    found = maps[layer][..., :TILES]
    height, width, count = found.shape
    across = int(np.ceil(np.sqrt(count)))
    st.caption(
        t(
            f"{layer}: {maps[layer].shape[-1]} maps of {height} × {width}. Click on a map; with a convolution, then into it.",
            f"{layer}: {height} × {width} 크기의 맵 {maps[layer].shape[-1]}개. 맵을 누르고, 합성곱이라면 그 안의 한 곳을 누르세요.",
        )
    )
    first, second, third = st.columns([3, 2, 4])
    with first:
        place = canvas.clicked(_tiled(found, across), t("The layer's maps", "층의 맵들"), f"maps-{layer}")
    x, y = place or (0.0, 0.0)
    rows = -(-count // across)
    channel = min(int(y * rows) * across + int(x * across), count - 1)
    with second:
        st.caption(t(f"Map {channel + 1}", f"맵 {channel + 1}"))
        place = canvas.clicked(_map(found[..., channel]), t("One map, enlarged", "확대한 맵"), f"map-{layer}-{channel}")
    x, y = place or (0.5, 0.5)
    row, column = int(y * height), int(x * width)
    with third:
        st.metric(
            t(f"Row {row + 1}, column {column + 1}", f"{row + 1}행 {column + 1}열"),
            f"{found[row, column, channel]:.3f}",
        )
        if layer in names:
            _arithmetic(explain.one_number(model, inputs, layer, row, column, channel))


def _arithmetic(parts: dict[str, Any]) -> None:
    """Input under the kernel × kernel, added up: the number, for the input channel that adds most (or the only one)."""
    each = parts["products"].sum(axis=(0, 1))
    strongest = int(np.abs(each).argmax())
    names = (("patch", t("input", "입력")), ("kernel", t("× kernel", "× 커널")), ("products", t("= products", "= 곱")))
    for key, name in names:
        values = np.round(parts[key][..., strongest], 2)
        st.caption(name + ("" if len(each) == 1 else t(f", channel {strongest + 1}", f", 채널 {strongest + 1}")))
        st.code("\n".join(" ".join(f"{value:6.2f}" for value in line) for line in values), language=None)
    rest = float(each.sum() - each[strongest])
    others = "" if len(each) == 1 else t(f" + {rest:.3f} (other channels)", f" + {rest:.3f} (나머지 채널)")
    bias = t("bias", "편향")
    st.markdown(f"{each[strongest]:.3f}{others} + {parts['bias']:.3f} ({bias}) = **{parts['sum']:.3f}**")


def _first_kernels(model: Any, name: str) -> None:
    from common.layers import explain

    found = explain.kernels(model, name)
    if found.shape[2] == 3:
        strongest = np.abs(found).max(axis=(0, 1, 2))
        pictures = np.round(127.5 + 127.5 * found / np.maximum(strongest, 1e-9)).astype(np.uint8)
        tiles = [pictures[..., i] for i in range(min(TILES, found.shape[3]))]
        st.image(_large(_mosaic(tiles, 8)), width=640)
    else:
        st.image(_large(_tiled(found[:, :, 0, :TILES], 8)), width=640)
    st.caption(
        t(
            f"{name}: {found.shape[3]} kernels of {found.shape[0]} × {found.shape[1]}. Grey is 0 in colour kernels; else orange adds, blue takes away.",
            f"{name}: {found.shape[0]} × {found.shape[1]} 커널 {found.shape[3]}개. 컬러 커널에서는 회색이 0이고, 흑백에서는 주황이 더하고 파랑이 뺍니다.",
        )
    )


def _map(values: np.ndarray) -> np.ndarray:
    """(h, w) numbers -> (h, w, 3) uint8: orange above zero, blue below, black at zero."""
    strongest = max(float(np.abs(values).max()), 1e-9)
    share = values[..., None] / strongest
    orange, blue = np.array([255, 176, 32]), np.array([64, 160, 255])
    return np.round(np.where(share > 0, share * orange, -share * blue)).astype(np.uint8)


def _tiled(maps: np.ndarray, across: int) -> np.ndarray:
    """Maps (h, w, n) as one picture, `across` in a row."""
    return _mosaic([_map(maps[..., i]) for i in range(maps.shape[-1])], across)


def _mosaic(tiles: list[np.ndarray], across: int) -> np.ndarray:
    """Pictures (h, w, 3) of one size in rows, a grey line around each."""
    tiles = [np.pad(tile, [(0, 1), (0, 1), (0, 0)], constant_values=96) for tile in tiles]
    tiles += [np.full_like(tiles[0], 96)] * (-len(tiles) % across)
    return np.concatenate([np.concatenate(tiles[i : i + across], axis=1) for i in range(0, len(tiles), across)])


shared.page("image_classification", try_it, data, inside)
