"""The page of image captioning: `python -m streamlit run apps/image_captioning.py`."""

import hashlib
import time
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import shared, state
from apps.i18n import language, plain, t, term
from common.inputs.images import MAX_PIXELS, text_picture
from common.runs import Run
from projects.image_captioning import scenes
from projects.image_captioning.encoding import GRID, MAX_BEAM, squeezed

MIN_SIDE = 320  # pixels; smaller pictures are enlarged to about this side
WORD_SIDE = 104  # pixels of the picture beside each word
PAUSE = 0.06  # seconds between two words
COLUMNS = 4  # errors in a row


def try_it(run: Run) -> None:
    in_scenes = shared.predictor(run).meta["scenes"]
    compose = {"scene": (t("Compose a scene", "장면 만들기"), lambda: _scene(run))} if in_scenes else {}
    shared.parts(
        "part",
        {
            "one": (t("One picture", "사진 한 장"), lambda: _one_picture(run)),
            **compose,
            "two": (t("Two models", "두 모델 비교"), lambda: _two_models(run)),
            "errors": (t("Worst captions", "가장 나쁜 캡션"), lambda: _errors(run)),
        },
    )


def _picture(predictor: Any, key: str) -> tuple[Any, str]:
    """The picture that the visitor has chosen, and its name; (None, "") while there is none."""
    return shared.picture_input(predictor.examples, key, t("A picture", "사진"), MAX_PIXELS)


def _one_picture(run: Run) -> None:
    predictor = shared.predictor(run)
    with shared.errors_shown():
        left, right = st.columns([2, 3])
        with left:
            picture, name = _picture(predictor, "one")
        if picture is None:
            return
        with right:
            settings = _settings(predictor)
            known = _known(predictor, picture) if predictor.meta["scenes"] else None
            answer = _written(run, {"picture": picture, **settings}, known)
        _details(predictor, picture, answer)
        shared.show_answer(answer)
        shared.tries({"picture": name, "caption": answer["caption"]}, "captions")


def _settings(predictor: Any) -> dict[str, Any]:
    """What the visitor asks of the writer; nothing where it is as in training."""
    asked: dict[str, Any] = {}
    languages = predictor.meta["languages"]
    if len(languages) > 1:
        names = {"en": t("English", "영어"), "ko": t("Korean", "한국어")}
        named = {name: names.get(name, name) for name in languages}
        chosen = state.choice(t("Caption in", "캡션 언어"), "written", named)
        asked |= {"language": chosen} if chosen != languages[0] else {}
    first, second = st.columns(2)
    with first:
        label = t("Beam: captions that are kept while one is written", "빔: 캡션을 쓰는 동안 유지하는 후보 수")
        beam = state.slider(label, "beam", predictor.meta["beam"], 1, MAX_BEAM)
    with second:
        label = t(
            "Temperature: 0 searches, above 0 words are drawn", "온도: 0이면 탐색, 0보다 크면 단어를 무작위로 뽑기"
        )
        temperature = state.slider(label, "temperature", 0.0, 0.0, 2.0, 0.1)
    asked |= {"beam": beam} if beam != predictor.meta["beam"] else {}
    if temperature:
        key = state.kept("seed", 0, low=0, high=1000)
        seed = second.number_input(t("Draw number", "뽑기 번호"), 0, 1000, key=key)
        asked |= {"temperature": temperature, "seed": seed}
    return asked


def _known(predictor: Any, picture: np.ndarray) -> scenes.Scene | None:
    """What an example shows, from its captions."""
    for example, described in zip(predictor.examples, predictor.meta["examples"], strict=True):
        if example["picture"] is picture:
            written_in, captions = next(iter(described["captions"].items()))
            stated = scenes.parse(captions[0], written_in)
            return stated.scene if stated else None
    return None


def _written(run: Run, raw: dict, scene: scenes.Scene | None = None) -> dict:
    """The answer, its caption written word by word in a frame. One that was shown before stands there at once.

    scene: what the picture shows, where that is known; then wrong facts are marked.
    """
    settings = tuple((name, value) for name, value in raw.items() if name != "picture")
    shown = hashlib.sha256(np.ascontiguousarray(raw["picture"])).hexdigest()
    key = ("caption", run.id, shown, settings)
    paper = st.container(border=True).empty()
    if key not in st.session_state:
        answers = list(shared.predictor(run).stream(raw))
        for answer in answers:
            paper.markdown(f"#### {plain(answer['caption'])} ▌")
            time.sleep(PAUSE)
        st.session_state[key] = answers[-1]
    answer = st.session_state[key]
    wrong = scenes.wrong_places(answer["caption"], answer["language"], scene) if scene else []
    paper.markdown(f"#### {_marked(answer['caption'], wrong) or '–'}")
    if scene and wrong:
        right = scenes.captions(scene, answer["language"])[0]
        st.caption(
            t(f"Marked words are wrong. Right is: {plain(right)}", f"표시한 단어는 틀렸습니다. 정답: {plain(right)}")
        )
    elif scene and scenes.right_facts(answer["caption"], answer["language"], scene)["count"] < 1:
        st.caption(t("The caption leaves a group out.", "캡션에 빠진 묶음이 있습니다."))
    elif scene:
        st.caption(t("Every fact is right.", "모든 사실이 맞습니다."))
    return answer


def _marked(caption: str, wrong: list[tuple[int, int]]) -> str:
    """Markdown of a caption with the wrong parts on red."""
    text, done = "", 0
    for begin, end in wrong:
        text += f"{plain(caption[done:begin])} :red-background[{plain(caption[begin:end])}] "
        done = end
    return (text + plain(caption[done:])).strip()


def _details(predictor: Any, picture: np.ndarray, answer: dict) -> None:
    """Where it looked for each word, and the other captions of the beam."""
    st.subheader(t("Where it looked", "단어마다 본 곳"))
    if "attention" in answer:
        small = squeezed(picture, (WORD_SIDE, WORD_SIDE, 3))
        with st.container(horizontal=True):
            for word, weights in zip(answer["words"], answer["attention"], strict=True):
                st.image(_lit(small, np.array(weights)), caption=plain(word), width=WORD_SIDE)
        st.caption(
            t(
                f"The network looks at {GRID} × {GRID} places. The lighter a place, the more it looked there before it wrote the word.",
                f"신경망은 {GRID} × {GRID}개의 자리를 봅니다. 밝은 자리일수록 그 단어를 쓰기 전에 더 많이 본 곳입니다.",
            )
        )
    else:
        st.write(
            t(
                "This model looks at no place. It wrote the whole caption from one vector of the picture.",
                "이 모델은 자리를 따로 보지 않습니다. 사진을 나타내는 벡터 하나로 캡션 전체를 썼습니다.",
            )
        )
    if len(answer["alternatives"]) > 1:
        st.subheader(t("Alternatives", "다른 캡션 후보"))
        shared.table(pd.DataFrame(answer["alternatives"]))
        st.caption(
            t(
                "The score is the mean log-probability of a word. 0 would be certain.",
                "점수는 단어 하나의 로그 확률을 평균한 값입니다. 0이면 완전히 확신하는 것입니다.",
            )
        )


def _lit(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A picture (h, w, 3) in which the places that were looked at are light. weights: (GRID²,)."""
    from PIL import Image

    light = np.uint8(255 * weights.reshape(GRID, GRID) / max(float(weights.max()), 1e-9))
    smooth = np.asarray(Image.fromarray(light).resize(picture.shape[1::-1], Image.Resampling.BICUBIC))[..., None] / 255
    return np.uint8(picture * (0.3 + 0.7 * smooth) + 40 * smooth * (1 - picture / 255))


def _enlarged(picture: np.ndarray) -> np.ndarray:
    """Every pixel as a square, so that the browser does not blur a small picture."""
    times = max(1, MIN_SIDE // picture.shape[0])
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _scene(run: Run) -> None:
    """A scene that the visitor puts together, with handwriting and photographs of the test."""
    predictor = shared.predictor(run)
    with shared.errors_shown():
        left, right = st.columns([3, 2])
        with left:
            first = _group(0, scenes.Group(1, "small", "red", "7", "left"))
            groups = [first]
            if st.toggle(
                t("A second group at the other side", "반대쪽에 묶음 하나 더"), key=state.kept("second-group", True)
            ):
                other = scenes.Group(2, "large", "blue", "square", scenes.SIDES[first.side])
                groups.append(_group(1, other))
            key = state.kept("drawing", 0, low=0, high=1000)
            number = st.number_input(
                t("Drawing: handwriting and photograph", "그림 번호: 글씨와 배경"), 0, 1000, key=key
            )
        scene = tuple(groups)
        picture = scenes.drawn(scene, np.random.default_rng(number), "test")
        with right:
            st.image(_enlarged(picture), width=MIN_SIDE)
            if scenes.is_held_out(scene):
                st.caption(
                    t(
                        "No training picture has this combination of colour, thing and side.",
                        "색, 사물, 위치를 이렇게 조합한 학습 사진은 없습니다.",
                    )
                )
        answer = _written(run, {"picture": picture, **_settings(predictor)}, scene)
        _details(predictor, picture, answer)
        shared.show_answer(answer)


def _group(number: int, default: scenes.Group) -> scenes.Group:
    """The facts of a group, chosen by clicking. A second group is at the side opposite to the first one."""
    choices: dict[str, tuple] = {
        "count": scenes.COUNTS,
        "size": tuple(scenes.SIZES),
        "colour": tuple(scenes.COLOURS),
        "thing": scenes.THINGS,
    }
    labels = {
        "count": t("How many", "개수"),
        "size": t("Size", "크기"),
        "colour": t("Colour", "색"),
        "thing": t("Thing", "사물"),
        "side": t("Side", "위치"),
    }
    choices |= {"side": tuple(scenes.SIDES)} if number == 0 else {}
    chosen: dict[str, Any] = {"side": default.side}
    with st.container(border=True):
        for name, values in choices.items():
            said = {value: _said(name)(value) for value in values}
            chosen[name] = state.choice(labels[name], f"{name}-{number}", said, getattr(default, name))
    return scenes.Group(**chosen)


def _said(name: str) -> Any:
    """How a fact is said in the language of the page."""
    words = scenes.WORDS[language()]
    if name == "count":
        return str
    if name == "side":
        sides = {
            "left": t("left", "왼쪽"),
            "right": t("right", "오른쪽"),
            "top": t("top", "위쪽"),
            "bottom": t("bottom", "아래쪽"),
        }
        return sides.__getitem__
    return words[name].__getitem__


def _two_models(run: Run) -> None:
    second = shared.second_run(run)
    if second is None:
        return
    with shared.errors_shown():
        left, right = st.columns([1, 2])
        with left:
            picture, _ = _picture(shared.predictor(run), "two")
        if picture is None:
            return
        with right:
            for one in (run, second):
                predictor = shared.predictor(one)
                st.markdown(f"**{term(one.config.model)}**")
                st.caption(plain(one.id))
                known = _known(shared.predictor(run), picture) if predictor.meta["scenes"] else None
                answer = _written(one, {"picture": picture}, known)
                if "attention" in answer:
                    _details(predictor, picture, answer)


def _errors(run: Run) -> None:
    errors = shared.table_file(run, "errors", ("picture", "language", "caption", "right_caption"), ("score",))
    if errors.empty:
        st.success(t("Every fact of every test caption is right.", "테스트 캡션의 모든 사실이 맞습니다."))
        return
    for begin in range(0, len(errors), COLUMNS):
        rows = errors[begin : begin + COLUMNS].itertuples()
        for column, row in zip(st.columns(COLUMNS), rows, strict=False):
            column.image(_enlarged(text_picture(row.picture)), width="stretch")
            column.text(row.caption or "–")
            column.caption(
                t(f"One of the right ones: {plain(row.right_caption)}", f"정답 가운데 하나: {plain(row.right_caption)}")
            )


def data(run: Run) -> None:
    shared.data_head(run)
    sample = shared.table_file(run, "sample", ("picture", "captions"))
    for begin in range(0, len(sample), COLUMNS):
        for column, row in zip(st.columns(COLUMNS), sample[begin : begin + COLUMNS].itertuples(), strict=False):
            column.image(_enlarged(text_picture(row.picture)), width="stretch")
            for caption in row.captions.split(" | "):
                column.text(caption)


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    if predictor.meta["scenes"]:
        st.subheader(t("Which facts are right", "맞은 사실의 비율"))
        facts = shared.table_file(run, "facts", ("fact", "scenes", "language"), ("share", "captions"))
        kinds = {"seen": t("combinations of training", "학습한 조합"), "held_out": t("new combinations", "새로운 조합")}
        facts = facts.assign(scenes=facts["scenes"].map(kinds), fact=facts["fact"].map(term))
        scale = alt.Scale(range=["#0072B2", "#E69F00"])
        st.altair_chart(
            alt.Chart(facts, height=320)
            .mark_point(filled=True, size=90)
            .encode(
                x=alt.X("share:Q", title=t("share of the captions", "캡션의 비율"), scale=alt.Scale(zero=False)),
                y=alt.Y("fact:N", sort=None, title=None),
                color=alt.Color("scenes:N", title=None, scale=scale, legend=alt.Legend(orient="bottom")),
                shape=alt.Shape(
                    "language:N", title=None, legend=alt.Legend(orient="bottom", symbolFillColor="#8794A3")
                ),
                tooltip=shared.tooltip("fact", "scenes", "language", "share .1%", "captions"),
            )
        )
    for name in ("encoder", "decoder"):
        st.subheader(t(name.capitalize(), {"encoder": "인코더", "decoder": "디코더"}[name]))
        shared.drawing(predictor.networks[name])
    shared.code(run.project)


shared.page("image_captioning", try_it, data, inside)
