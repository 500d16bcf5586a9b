"""The page of mask detection: `python -m streamlit run apps/mask_detection.py`."""

import io
import itertools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import korean, plain, t, term
from common.errors import UserError
from common.inputs.images import FORMATS, MAX_PIXELS, picture_bytes, read_picture, text_picture
from common.runs import Run
from projects.mask_detection import encoding
from projects.mask_detection.predict import COLOURS, detect_folder, drawn

SHOWN_SIDE = 720  # pixels of a picture on the page; a smaller one is enlarged so that its boxes can be seen
MAX_FOLDER_MB, MAX_FILES = 50, 300  # limits of an uploaded folder
MAX_FRAMES = 120  # frames of a GIF
MAX_GIF_PIXELS = 2_000_000  # pixels of a frame
MARKS = [f':color[■]{{foreground="{colour}"}}' for colour in COLOURS]  # in the colours of the boxes


def try_it(run: Run) -> None:
    shared.parts(
        "part",
        {
            "one": (t("One picture", "이미지 하나"), lambda: _one_picture(run)),
            "count": (t("At an entrance", "입구에서 세기"), lambda: _entrance(run)),
            "folder": (t("A folder", "폴더"), lambda: _folder(run)),
            "film": (t("A GIF", "움직이는 GIF"), lambda: _film(run)),
            "errors": (t("Its errors", "오답"), lambda: _errors(run)),
        },
    )


def _unseen(predictor: Any) -> None:
    """What the run has never seen."""
    if predictor.meta["generated"]:
        st.info(
            t(
                "This run has only seen generated scenes with a hundred small grey faces that were tinted. It fails on most photographs. For your own photographs train on real ones: --data face_mask_detection.",
                "이 모델은 작은 흑백 얼굴 100개에 색을 입혀 만든 장면만 보았습니다. 실제 사진에서는 대부분 실패합니다. 직접 찍은 사진에는 실제 사진으로 학습한 모델을 쓰세요: --data face_mask_detection.",
            )
        )


def _threshold(predictor: Any, key: str) -> float:
    """The least score of a box that is shown."""
    best = round(predictor.meta["threshold"], 2)
    return st.slider(
        t("Least score of a box", "박스의 최소 점수"),
        0.0,
        1.0,
        step=0.01,
        key=state.kept(key, best, low=0.0, high=1.0),
        help=t(
            f"With {best:.2f} the F1 on validation is best. Less finds more faces and makes more false alarms.",
            f"{best:.2f}일 때 검증 데이터의 F1이 가장 높습니다. 낮추면 더 많이 찾지만 오경보도 늘어납니다.",
        ),
    )


def _said(run: Run, name: str) -> str:
    """A class in words."""
    return shared.labels(run)(encoding.said(name))


def _colours(run: Run) -> None:
    """Which colour of a box stands for which class."""
    pairs = zip(shared.predictor(run).classes, itertools.cycle(MARKS), strict=False)
    st.caption(" · ".join(f"{mark} {plain(_said(run, name))}" for name, mark in pairs))


def _counts(run: Run, answer: dict[str, Any]) -> None:
    columns = st.columns(len(answer["counts"]))
    for column, colour, (name, count) in zip(columns, itertools.cycle(MARKS), answer["counts"].items(), strict=False):
        column.metric(f"{colour} {plain(_said(run, name))}", count, border=True)


def _shown(picture: np.ndarray, answer: dict[str, Any], classes: list[str]) -> np.ndarray:
    """A picture with the boxes and masks of its answer, enlarged to about SHOWN_SIDE."""
    times = max(1, SHOWN_SIDE // max(picture.shape[:2]))
    picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    objects = [{**one, "box": [side * times for side in one["box"]]} for one in answer["objects"]]
    masks = [mask.repeat(times, axis=0).repeat(times, axis=1) for mask in answer.get("masks", ())]
    return drawn(picture, {"objects": objects, "masks": masks}, classes)


@st.fragment  # while the visitor moves the slider, the rest of the page is not drawn again
def _one_picture(run: Run) -> None:
    with shared.errors_shown():
        predictor = shared.predictor(run)
        left, right = st.columns([2, 3])
        with left:
            label = t("A picture with faces", "얼굴이 있는 이미지")
            picture, name = shared.picture_input(predictor.examples, "one", label, MAX_PIXELS)
            if picture is None:
                return
            threshold = _threshold(predictor, "threshold")
        raw = {"picture": picture}
        output = predictor.outputs(predictor.encode(raw))[0]  # asked once; the slider only chooses among its boxes
        answer = predictor.decode(output, picture.shape, threshold)
        with right:
            image = _shown(picture, answer, predictor.classes)
            found = t(f"Faces, with their scores: {len(answer['objects'])}", f"얼굴 {len(answer['objects'])}개와 점수")
            st.image(image, caption=found, width="stretch")
            _counts(run, answer)
            label = t("Download the picture", "이미지 내려받기")
            st.download_button(label, picture_bytes(image), f"{name}-faces.png", "image/png")
        _unseen(predictor)
        st.caption(
            t(
                "It is no means to watch people: it errs, and nobody has measured on whom it errs most.",
                "사람을 감시하는 도구가 아닙니다. 틀릴 때가 있고, 누구에게 더 자주 틀리는지는 아무도 재지 않았습니다.",
            )
        )
        if answer["objects"]:
            rows = pd.DataFrame(answer["objects"]).astype({"box": str})
            with st.expander(t("Every box", "모든 박스")):
                shared.table(rows.assign(label=[_said(run, name) for name in rows["label"]]))
        shared.show_answer(answer)
        counts = ", ".join(f"{_said(run, key)}: {count}" for key, count in answer["counts"].items())
        shared.tries({"picture": name, "counts": counts}, "pictures")


def _entrance(run: Run) -> None:
    """Counts only: neither the photo nor a box is shown or kept."""
    predictor = shared.predictor(run)
    st.write(
        t(
            "Take a photo: the page counts the faces and shows nothing else. It stores neither the photo nor a face.",
            "사진을 찍으면 얼굴 수만 세어 보여 줍니다. 사진도 얼굴도 저장하지 않습니다.",
        )
    )
    photo = st.camera_input(t("Take a photo", "사진 찍기"), key="entrance")  # kept nowhere, on purpose
    if photo is not None:
        picture = read_picture(photo.getvalue(), MAX_PIXELS, t("the photo", "사진"))
        _counts(run, predictor.predict({"picture": picture}))
    _unseen(predictor)


def _folder(run: Run) -> None:
    """Pictures in a .zip up; a table and the pictures with their boxes down."""
    predictor = shared.predictor(run)
    uploaded = state.upload(t("Pictures in a .zip", "이미지를 묶은 .zip"), ["zip"], "folder", MAX_FOLDER_MB)
    if uploaded is None:
        return
    threshold = _threshold(predictor, "folder-threshold")

    def convert(source: Path, target: Path) -> tuple[int, int, int]:
        from common.inputs.downloads import unpack

        folder, pictures = source.parent / "pictures" / source.stem, source.parent / "drawn"
        folder.mkdir(parents=True)
        unpack(source, folder, 4 * MAX_FOLDER_MB << 20, MAX_FILES)
        table = source.parent / "boxes.csv"
        counts = detect_folder(predictor, folder, table, pictures, threshold, quote_formulas=True)
        with zipfile.ZipFile(target, "w") as archive:
            archive.write(table, "boxes.csv")
            for path in sorted(pictures.rglob("*.png")):
                archive.write(path, path.relative_to(pictures).as_posix())
        return counts

    (read, rows, left_out), content = shared.converted(uploaded, ".zip", t("Looking …", "찾는 중 …"), convert)
    st.success(
        t(
            f"Faces: {rows:,}. Pictures: {read:,}. Files left out: {left_out:,}.",
            f"이미지 {read:,}장에서 얼굴 {rows:,}개를 찾았습니다. 파일 {left_out:,}개는 제외했습니다.",
        )
    )
    label = t("Download boxes.csv and the pictures", "boxes.csv와 이미지 내려받기")
    st.download_button(label, content, "faces.zip", "application/zip")


def _film(run: Run) -> None:
    """A GIF, frame by frame."""
    predictor = shared.predictor(run)
    uploaded = state.upload("GIF", ["gif"], "gif", 20)
    if uploaded is None:
        return
    frames = _frames(*uploaded)
    number = st.slider(
        t("Frame", "프레임"), 1, max(2, len(frames)), key=state.kept("frame", 1, low=1, high=len(frames))
    )
    threshold = _threshold(predictor, "gif-threshold")
    answers = [predictor.predict({"picture": frame}, threshold) for frame in frames]
    picture = frames[min(number, len(frames)) - 1]
    st.image(_shown(picture, answers[min(number, len(frames)) - 1], predictor.classes), width="stretch")
    counts = pd.DataFrame([{_said(run, name): n for name, n in answer["counts"].items()} for answer in answers])
    st.line_chart(counts, x_label=t("frame", "프레임"), y_label=t("faces", "얼굴 수"))


def _frames(name: str, content: bytes) -> list[np.ndarray]:
    """The first MAX_FRAMES frames (h, w, 3) of a GIF; a picture is a film of one frame. Raises UserError for anything else."""
    from PIL import Image, ImageSequence

    read_picture(content, MAX_GIF_PIXELS, name)  # a damaged or a large one is refused with a sentence
    with Image.open(io.BytesIO(content), formats=FORMATS) as film:
        try:
            parts = zip(range(MAX_FRAMES), ImageSequence.Iterator(film), strict=False)
            return [np.array(frame.convert("RGB")) for _, frame in parts]
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{name} is damaged or cut short: {error}.") from None


def _errors(run: Run) -> None:
    """The test pictures with the most errors, and how many errors of each kind there are."""
    kinds = shared.table_file(run, "kinds", texts=("kind", "truth", "answer"), numbers=("picture", "score"))
    errors = shared.table_file(run, "errors", texts=("file", "picture", "truth"), numbers=("errors",))
    names = {
        "missed": t("missed: no box overlaps the face by a half", "놓침: 얼굴과 절반 이상 겹치는 박스가 없습니다"),
        "class": t("class: the face has the wrong class", "클래스: 얼굴의 클래스가 틀렸습니다"),
        "place": t("place: the box overlaps a face too little", "위치: 박스가 얼굴과 너무 조금 겹칩니다"),
        "double": t("double: the face has a box already", "중복: 이미 박스가 있는 얼굴입니다"),
        "background": t("background: there is no face", "배경: 얼굴이 없는 곳입니다"),
    }
    counts = kinds["kind"].value_counts()
    rows = [{"kind": words, "errors": int(counts.get(name, 0))} for name, words in names.items()]
    shared.table(pd.DataFrame(rows))
    _colours(run)
    for row in errors.itertuples():
        name = plain(korean(row.file))
        st.write(t(f"**{name}**, errors: {int(row.errors)}", f"**{name}**: 오류 {int(row.errors)}개"))
        left, right = st.columns(2)
        left.image(text_picture(row.picture), caption=t("found", "찾은 것"), width="stretch")
        right.image(text_picture(row.truth), caption=t("the truth", "정답"), width="stretch")


def data(run: Run) -> None:
    shared.data_head(run)
    st.subheader(t("Training pictures with their boxes", "학습 이미지와 박스"))
    _colours(run)
    sample = shared.table_file(run, "sample", texts=("file", "picture"), numbers=("faces",))
    for begin in range(0, len(sample), 4):
        for column, row in zip(st.columns(4), sample.iloc[begin : begin + 4].itertuples(), strict=False):
            words = t(f"faces: {int(row.faces)}", f"얼굴 {int(row.faces)}개")
            column.image(text_picture(row.picture), caption=words, width="stretch")
    st.subheader(t("The test, class by class", "클래스별 테스트 결과"))
    classes = shared.table_file(run, "classes", texts=("class",))
    shared.table(classes.assign(**{"class": [_said(run, name) for name in classes["class"]]}))
    st.subheader(t("By size of face and by faces in a picture", "얼굴 크기와 한 장의 얼굴 수에 따른 결과"))
    sizes = shared.table_file(run, "sizes", texts=("group", "part"), numbers=("boxes",))
    sizes = sizes[sizes["boxes"] > 0].replace({"group": {"size": "face_size", "crowd": "faces_in_picture"}})
    shared.table(sizes.assign(group=sizes["group"].map(term), part=sizes["part"].map(term)))


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    label = t("A picture with faces", "얼굴이 있는 이미지")
    picture, _ = shared.picture_input(predictor.examples, "inside", label, MAX_PIXELS)
    if picture is not None:
        output = predictor.outputs(predictor.encode({"picture": picture}))[0]
        square = encoding.fitted(picture, predictor.meta["size"])[0]
        two_stages = isinstance(output, list)
        st.subheader(t("What the heat map sees", "히트맵이 보는 것"))
        _heat(run, predictor, output[0] if two_stages else output, square)
        if two_stages:
            st.subheader(t("The proposals, and what the second stage makes of them", "영역 제안과 두 번째 단계의 결과"))
            _proposals(predictor, output, square)
        st.subheader(t("What the suppression removes", "비최대 억제가 지우는 박스"))
        _suppression(predictor, output, square)
    st.subheader(t("The network", "신경망 구조"))
    shared.drawing(predictor.networks["model"])
    shared.code(run.project)


def _heat(run: Run, predictor: Any, output: np.ndarray, square: np.ndarray) -> None:
    """The heat of each class at each stride, over the network's input."""
    from common.layers.explain import overlaid

    meta, side = predictor.meta, predictor.meta["size"]
    classes = [t("a face", "얼굴")] if meta["kind"] == "mask_rcnn" else [_said(run, name) for name in predictor.classes]
    begin = 0
    for stride in encoding.STRIDES[meta["kind"]]:
        length = side // stride
        heat = 1 / (1 + np.exp(-output[begin : begin + length**2, : len(classes)].astype(float)))
        begin += length**2
        st.caption(
            t(
                f"stride {stride}: {length} × {length} places, the highest is {heat.max():.2f}",
                f"스트라이드 {stride}: {length} × {length}곳, 가장 높은 값 {heat.max():.2f}",
            )
        )
        for column, name, values in zip(st.columns(len(classes)), classes, heat.T, strict=True):
            column.image(
                overlaid(square, values.reshape(length, length).repeat(stride, axis=0).repeat(stride, axis=1)),
                caption=plain(name),
                width="stretch",
            )


def _boxes(square: np.ndarray, boxes: np.ndarray, colour: str) -> np.ndarray:
    """The network's input, enlarged, with boxes (n, 4) of one colour."""
    from PIL import Image, ImageDraw

    times = max(1, 480 // len(square))
    image = Image.fromarray(square.repeat(times, axis=0).repeat(times, axis=1))
    draw = ImageDraw.Draw(image)
    for box in boxes:
        left, top, right, bottom = (box * times).tolist()
        draw.rectangle([left, top, max(left, right), max(top, bottom)], outline=colour, width=2)
    return np.asarray(image)


def _proposals(predictor: Any, output: list[np.ndarray], square: np.ndarray) -> None:
    """Proposals, moved boxes and masks of the second stage."""
    boxes, scores = encoding.refined(output, predictor.meta)
    seen = scores.max(axis=1) >= predictor.meta["threshold"]
    words = (
        t(f"Proposals: {len(boxes)}, the peaks of the heat map", f"영역 제안 {len(boxes)}개: 히트맵의 봉우리"),
        t(
            f"{int(seen.sum())} of them are faces; their boxes are moved",
            f"그중 {int(seen.sum())}개가 얼굴이며 박스를 옮겼습니다",
        ),
    )
    pictures = (_boxes(square, output[1], "#56B4E9"), _boxes(square, boxes[seen], "#009E73"))
    for column, image, caption in zip(st.columns(2), pictures, words, strict=True):
        column.image(image, caption=caption, width="stretch")
    if seen.any():
        masks = [(255 * mask).astype(np.uint8).repeat(3, axis=0).repeat(3, axis=1) for mask in output[3][seen][:12]]
        captions = [f"{score:.2f}" for score in scores.max(axis=1)[seen][:12]]
        st.image(masks, caption=captions, width=84)


def _suppression(predictor: Any, output: Any, square: np.ndarray) -> None:
    """All boxes above the threshold, and those that stay."""
    two_stages = isinstance(output, list)
    boxes, scores = (encoding.refined if two_stages else encoding.candidates)(output, predictor.meta)
    kept, rows, _ = encoding.suppressed(boxes, scores, predictor.meta["threshold"])
    words = (
        t(f"Boxes above the threshold: {len(rows)}", f"임곗값을 넘은 박스 {len(rows)}개"),
        t(
            f"{len(kept)} stay: the best one of those that overlap",
            f"남은 박스 {len(kept)}개: 겹치는 것 가운데 가장 좋은 하나",
        ),
    )
    pictures = (_boxes(square, boxes[rows], "#D55E00"), _boxes(square, boxes[rows[kept]], "#009E73"))
    for column, image, caption in zip(st.columns(2), pictures, words, strict=True):
        column.image(image, caption=caption, width="stretch")


shared.page("mask_detection", try_it, data, inside, called=lambda run: lambda name: _said(run, name))
