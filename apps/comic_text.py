"""The page of comic text: `python -m streamlit run apps/comic_text.py`."""

import hashlib
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from apps import canvas, shared, state
from apps.i18n import korean, language, plain, t, term
from common import runs
from common.errors import UserError
from common.files import files_in
from common.inputs.downloads import unpack
from common.inputs.images import text_picture
from common.inputs.text import readable
from common.project import Project
from common.runs import Run
from projects.comic_text import encoding, layout, predict

MAX_PIXELS = 8_000_000  # pixels of a visitor's page
MAX_WIDTH = 1000  # pixels of a page's width that are shown; the download has the full size
TALL = 2.0  # a page that is more times as high as it is wide is shown in parts
MAX_ZIP_BYTES, MAX_ZIP_FILES, MAX_PAGES = 200_000_000, 200, 40  # limits of a visitor's folder
SIDES = ["left", "top", "right", "bottom"]
RED = np.array([230, 30, 60])


def try_it(run: Run) -> None:
    one, more = t("One page", "한 쪽"), t("A folder of pages", "여러 쪽")
    shared.parts("part", {"page": (one, lambda: _one_page(run)), "folder": (more, lambda: _folder(run))})


# --- one page --------------------------------------------------------------------------------------------------------


def _one_page(run: Run) -> None:
    predictor = shared.predictor(run)
    left, right = st.columns([3, 7])
    picture = None  # stays None where the picture is refused
    with left, shared.errors_shown():
        label = t("A comic page", "만화 한 쪽")
        picture, name = shared.picture_input(predictor.examples, "page", label, MAX_PIXELS)
        order = _order()
    if picture is None:
        return
    raw = {"picture": picture, **({"order": order} if order != "left" else {})}
    with shared.errors_shown():
        with right:
            found, rows = _answer(run, raw), _part(picture)
            if not found["blocks"]:
                st.info(t("No lettering was found on this page.", "이 페이지에서 글자를 찾지 못했습니다."))
            _warn(found)
            st.image(_shown(_marked(picture, found)[rows]), width="stretch")
            st.caption(
                t(
                    "Found lettering is red; boxes have the numbers of the table.",
                    "찾은 글자는 빨간색입니다. 박스의 번호는 아래 표의 번호와 같습니다.",
                )
            )
        blocks = _edited(run, picture, found)
        answer = _answer(run, {**raw, "blocks": blocks}) if blocks is not None else found
        _warn({**answer, "unfamiliar": False})  # the table begins with what was found
        credit = predictor.meta["credit"] if name.startswith("example-") else _credit(predictor)
        _new_page(picture, answer, rows, name, credit)
        shared.show_answer(answer)
        texts = {part: [block[part] for block in answer["blocks"] if block[part]] for part in ("text", "translation")}
        read, new = (" / ".join(words)[:2000] for words in texts.values())
        shared.tries({"page": name, "boxes": str(len(answer["blocks"])), "read": read, "translation": new}, "pages")


def _order() -> str:
    names = {"left": t("left to right", "왼쪽에서 오른쪽"), "right": t("right to left", "오른쪽에서 왼쪽")}
    return state.choice(t("Order of reading", "읽는 순서"), "order", names)


def _answer(run: Run, raw: dict[str, Any]) -> dict[str, Any]:
    """What `predict` answers; the last few answers of this visitor are kept."""
    shown = hashlib.sha256(np.ascontiguousarray(raw["picture"])).hexdigest()
    key = (run.id, shown, repr({name: value for name, value in raw.items() if name != "picture"}))
    known = st.session_state.setdefault("comic-answers", {})
    if key not in known:
        with st.spinner(t("Reading the page …", "페이지를 읽는 중 …")):
            known[key] = shared.predictor(run).predict(raw)
        if len(known) > 6:
            known.pop(next(iter(known)))
    return known[key]


def _part(picture: np.ndarray) -> slice:
    """The rows of a page that are shown. Of a tall one the visitor chooses the part: a whole strip cannot be read."""
    height, width = picture.shape[:2]
    count = int(np.ceil(height / (TALL * width)))
    number = state.slider(t("Part of the page", "페이지의 부분"), "rows", 1, 1, count) if count > 1 else 1
    return slice((number - 1) * height // count, number * height // count)


def _shown(pixels: np.ndarray) -> np.ndarray:
    """A page (h, w, 3) or (h, w), shrunk where it is wider than MAX_WIDTH."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((MAX_WIDTH, image.height))
    return np.asarray(image)


def _warn(answer: dict[str, Any]) -> None:
    for sentence in predict.cautions(answer):
        st.warning(plain(korean(sentence)))


def _credit(predictor: Any) -> str:
    """The credit that goes into the files; a visitor says whether an uploaded page is one of the run's data."""
    credit, label = predictor.meta["credit"], t("A page of the data of this run", "이 실행의 데이터에 있는 페이지")
    is_own = credit and st.checkbox(label, key=state.kept("credited", False), help=plain(korean(credit)))
    return credit if is_own else ""


def _marked(picture: np.ndarray, answer: dict[str, Any]) -> np.ndarray:
    """The page with the mask in red, and a numbered frame around each block."""
    from PIL import Image, ImageDraw

    pixels = picture.copy()
    on = answer["mask"] > 0
    pixels[on] = np.uint8(0.3 * pixels[on] + 0.7 * RED)
    image = Image.fromarray(pixels)
    pen, size = ImageDraw.Draw(image), max(12, picture.shape[1] // 45)
    for number, block in enumerate(answer["blocks"], start=1):
        left, top, right, bottom = block["box"]
        pen.rectangle((left - 3, top - 3, right + 2, bottom + 2), outline=(0, 110, 200), width=max(2, size // 8))
        pen.text((left - 3, top - 4), str(number), (255, 255, 255), font_size=size, anchor="ls", stroke_width=3,
                 stroke_fill=(0, 110, 200))  # fmt: skip
    return np.asarray(image)


def _edited(run: Run, picture: np.ndarray, found: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The blocks as the visitor wants them; None where nothing has been changed."""
    st.subheader(t("What it says, and what it shall say", "읽은 글과 새로 쓸 글"))
    memory, shown = state.memory(), hashlib.sha256(np.ascontiguousarray(picture)).hexdigest()[:16]
    key = f"blocks-{shown}-{run.id}"
    sure = [min((line["confidence"] for line in block["lines"]), default=0.0) for block in found["blocks"]]
    pairs = zip(found["blocks"], sure, strict=True)
    start = _table([[*block["box"], readable(block["text"]), one, ""] for block, one in pairs])
    _fill(run, memory.get(key, start), key)
    field = f"{key}-{language()}-{memory.get(f'{key}-drawn', 0)}"
    if field not in st.session_state:  # a new field, also after another tab: it begins with what the last one had
        memory[f"{key}-first"] = memory.get(key, start)
    whole = {side: st.column_config.NumberColumn(term(side), step=1, width="small") for side in SIDES}
    table = st.data_editor(
        memory[f"{key}-first"],
        num_rows="dynamic",
        hide_index=False,
        column_order=("text", "translation", "confidence", *SIDES),  # a phone shows the first ones
        column_config={
            **whole,
            "text": st.column_config.TextColumn(t("text", "읽은 글"), max_chars=encoding.MAX_TEXT),
            "confidence": st.column_config.NumberColumn(term("confidence"), format="%.2f", disabled=True),
            "translation": st.column_config.TextColumn(t("translation", "새로 쓸 글"), max_chars=encoding.MAX_TEXT),
        },
        key=field,
    )
    table = memory[key] = table.set_axis(pd.RangeIndex(1, len(table) + 1))
    st.caption(
        t(
            "Type a translation, and the block is lettered again; a hyphen leaves its place empty. Move a box by its numbers; add or remove rows; join two rows by one box around both. A row without a text is read; one without its four sides waits for them.",
            "‘새로 쓸 글’에 글을 쓰면 그 자리에 새 글자를 넣고, 붙임표(-) 하나만 쓰면 그 자리를 비웁니다. 숫자를 고쳐 박스를 옮기거나, 행을 더하거나 지울 수 있습니다. 두 박스를 합치려면 둘을 감싸는 박스 하나로 바꿉니다. ‘읽은 글’이 비어 있는 행은 새로 읽고, 네 변이 다 있지 않은 행은 채울 때까지 기다립니다.",
        )
    )
    left, right = st.columns(2)
    if left.button(t("Start again", "처음부터 다시"), key="comic-reset", disabled=table.equals(start)):
        memory.pop(key)
        memory[f"{key}-drawn"] = memory.get(f"{key}-drawn", 0) + 1
        st.rerun()
    right.download_button(
        t("Download the lines as CSV", "읽은 글을 CSV로 내려받기"),
        table.assign(page="page")[list(predict.COLUMNS)].to_csv(index=False).encode("utf-8-sig"),
        "lines.csv",
        "text/csv",
    )
    if table.equals(start):
        return None
    rows = table.dropna(subset=SIDES).fillna({"text": "", "translation": ""})
    return [_block(row, picture) for row in rows.to_dict("records")]


def _fill(run: Run, rows: pd.DataFrame, key: str) -> None:
    """Fill the column of translations from a table that the visitor uploads, or by a run that answers text with text."""
    memory = state.memory()
    chosen, file = _words("comic-glossary")
    if not st.button(t("Fill the translations", "번역 채우기"), key="comic-fill", disabled=not (chosen or file)):
        return
    with shared.on_disk(file) if file else nullcontext() as place, st.spinner(t("Translating …", "번역하는 중 …")):
        if file and place and b"translation" in file[1][:400].lower():
            blocks = [block for page in predict.read_edited(place).values() for block in page]
            words = ["-" if block["translation"] == "" else block["translation"] or "" for block in blocks]
            pairs = zip(blocks, words, strict=True)
            memory[key] = _table([[*block["box"], block["text"], 1.0, word] for block, word in pairs])
        else:
            translate = predict.translator(chosen or None, place, runs.runs_dir())
            words = [translate(str(text)) if pd.notna(text) else None for text in rows["text"]]
            pairs = zip(words, rows["translation"], strict=True)
            memory[key] = rows.assign(translation=[old if word is None else word for word, old in pairs])
    memory[f"{key}-drawn"] = memory.get(f"{key}-drawn", 0) + 1


def _words(key: str) -> tuple[str, tuple[str, bytes] | None]:
    """Where the new words come from: (a run, or "" for none; an uploaded table, or None)."""
    left, right = st.columns(2)
    with left:
        label, nothing = t("Translate with", "번역에 쓸 실행"), t("no run", "쓰지 않음")
        chosen = state.select(label, "translator", _translators(), nothing)
    with right:
        label = t("Glossary, or edited lines (CSV)", "용어집 또는 고친 글 (CSV)")
        return chosen, state.upload(label, ["csv"], key, 2)


@st.cache_data(ttl=30, show_spinner=False)
def _translators() -> list[str]:
    """The finished runs of projects that answer a text with a text."""
    from common.project import project_names

    if "translation" not in project_names():
        return []
    entries = runs.list_runs(Project("translation"), runs.runs_dir())
    return [f"translation/{entry['run'].id}" for entry in entries if entry["status"] == "finished"]


def _table(rows: list[list[Any]]) -> pd.DataFrame:
    """The table of blocks; its index is the number that the frames on the page have."""
    index = pd.RangeIndex(1, len(rows) + 1)
    return pd.DataFrame(rows, columns=[*SIDES, "text", "confidence", "translation"], index=index)


def _block(row: dict[str, Any], picture: np.ndarray) -> dict[str, Any]:
    """A row of the table as `predict` takes it, its box brought into the page."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (int(row[side]) for side in SIDES)
    box = [max(0, left), max(0, top), min(width, right), min(height, bottom)]
    if box[0] >= box[2] or box[1] >= box[3]:
        raise UserError(f"The box {left}, {top}, {right}, {bottom} does not lie on the page.")
    return predict.block_of(box, row["text"], row["translation"])


def _new_page(picture: np.ndarray, answer: dict[str, Any], rows: slice, name: str, credit: str) -> None:
    """The wipe between the old and the new page, both in these rows alone, and the download of the whole page."""
    lettered = any(block["translation"] is not None for block in answer["blocks"])
    new = answer["page"] if lettered else answer["clean"]
    st.subheader(t("The new page", "새 페이지") if lettered else t("Without the lettering", "글자를 지운 페이지"))
    with st.columns([1, 4, 1])[1]:
        label = t("Left of the line: as it was", "선의 왼쪽: 원래 모습")
        canvas.wipe(_shown(picture[rows]), _shown(new[rows]), label, "comic-wipe")
    if credit:
        st.caption(plain(credit))
    label = t("Download as PNG", "PNG로 내려받기")
    st.download_button(label, predict.as_file(new, credit), f"{name}-new.png", "image/png", type="primary")


# --- a folder --------------------------------------------------------------------------------------------------------


def _folder(run: Run) -> None:
    """A .zip of pages in, a .zip of new pages and their lines out."""
    st.write(
        t(
            "Upload a .zip of pages, and a table of translations if you have one. You get the pages lettered again, or without lettering, and lines.csv. Edit that file and upload it with the same pages to have your words drawn.",
            "페이지를 담은 .zip 파일을 올려 주세요. 번역 표가 있으면 함께 올립니다. 새 글자를 넣은 페이지나 글자를 지운 페이지와 lines.csv를 돌려줍니다. lines.csv를 고쳐 같은 페이지와 함께 다시 올리면 고친 글을 그려 넣습니다.",
        )
    )
    with shared.errors_shown():
        pages = state.upload(t("Pages (.zip)", "페이지 (.zip)"), ["zip"], "comic-zip", 50)
        chosen, table = _words("comic-table")
        order, predictor = _order(), shared.predictor(run)
        credit = _credit(predictor)
        if pages is None or not st.button(t("Letter the pages", "글자 다시 넣기"), type="primary", key="comic-go"):
            return
        written = shared.on_disk(table) if table else nullcontext()
        with shared.on_disk(pages) as packed, written as place, st.spinner(t("Lettering …", "글자를 넣는 중 …")):
            folder, target = packed.parent / "pages" / (packed.stem.strip(".") or "pages"), packed.parent / "lettered"
            folder.mkdir(parents=True)
            unpack(packed, folder, MAX_ZIP_BYTES, MAX_ZIP_FILES)
            count = sum(path.is_file() for path in folder.rglob("*"))
            if count > MAX_PAGES:
                raise UserError(f"The archive holds {count:,} files; at most {MAX_PAGES} pages are lettered here.")
            edited = (
                predict.read_edited(place) if table and place and b"translation" in table[1][:400].lower() else None
            )
            translate = predict.translator(chosen or None, place if edited is None else None, runs.runs_dir())
            done, left_out = predict.letter_folder(predictor, folder, target, translate, order, edited, credit)
            content = target.read_bytes()
        st.success(
            t(f"Pages: {done}. Files left out: {left_out}.", f"{done}쪽을 마쳤고, 파일 {left_out}개는 제외했습니다.")
        )
        st.download_button(t("Download as ZIP", "ZIP으로 내려받기"), content, "pages-new.zip", "application/zip")


def data(run: Run) -> None:
    shared.data_head(run)
    st.subheader(t("Pages to learn from", "학습에 쓰는 페이지"))
    table = shared.table_file(run, "sample", ("page", "picture", "lines"))
    rows = table.to_dict("records")
    for place, row in zip(st.columns(len(rows)), rows, strict=True):
        place.image(text_picture(row["picture"]), width="stretch")
        place.text(row["page"])
    shared.table(table[["page", "lines"]])
    st.subheader(t("Figures of the test pages", "테스트 페이지별 점수"))
    shared.table(shared.table_file(run, "pages", ("page",)))
    st.subheader(t("Lines that were read wrongly", "잘못 읽은 줄"))
    shared.table(shared.table_file(run, "lines", ("page", "text", "read"), ("errors",)))


def inside(run: Run) -> None:
    predictor = shared.predictor(run)
    picture = predictor.examples[0]["picture"]
    st.subheader(t("How sure the segmentation is", "분할 신경망의 확신도"))
    left, right = st.columns(2)
    left.image(_shown(picture), width="stretch")
    probability = 1 / (1 + np.exp(-np.clip(predictor.logits(picture)[..., 0], -30, 30)))
    right.image(_shown(np.uint8(255 * probability)), width="stretch")
    if "autoencoder" in predictor.networks:
        _restored(predictor, picture)
    _steps(run, predictor, picture)
    st.subheader(t("The networks", "신경망 구조"))
    names = {file.stem: term(file.stem) for file in files_in(run.path, "*.keras")}
    chosen = state.choice(t("Network", "신경망"), "network", names, "segmentation")
    shared.drawing(predictor.networks[chosen])
    shared.code(run.project)


def _restored(predictor: Any, picture: np.ndarray) -> None:
    """What the autoencoder makes of a damaged part of a page."""
    from projects.comic_text.data import damaged

    st.subheader(t("What the autoencoder restores", "오토인코더의 복원"))
    square = picture[:256, :256].astype(np.float32)
    square = square[: square.shape[0] // 16 * 16, : square.shape[1] // 16 * 16]
    noisy = np.clip(damaged(square[None], np.random.default_rng(0))[0], 0, 255)
    restored = predictor.logits(noisy.astype(np.uint8), "autoencoder")
    shown = {
        t("the page", "원래 페이지"): square,
        t("damaged: the input", "손상한 입력"): noisy,
        t("restored", "복원한 결과"): np.clip(restored, 0, 255),
    }
    for place, (label, pixels) in zip(st.columns(3), shown.items(), strict=True):
        place.image(np.uint8(pixels), caption=label, width="stretch")


def _steps(run: Run, predictor: Any, picture: np.ndarray) -> None:
    """The reader's symbols step by step: before repeats and blanks are removed, and jamo composed."""
    st.subheader(t("How a line is read", "한 줄을 읽는 과정"))
    crops = [crop for block in layout.blocks(predictor.mask(picture)) for crop in predict.line_crops(picture, block)]
    if not crops:
        st.caption(t("No line was found on the first example.", "첫 번째 예시에서 줄을 찾지 못했습니다."))
        return
    number = state.slider(t("Line", "줄"), "line", 1, 1, max(2, len(crops)))
    crop = crops[min(number, len(crops)) - 1]
    line = encoding.line_pixels(crop)
    batch = encoding.filled([line], encoding.width_for(line))
    logits = np.asarray(predictor.networks["reader"].predict_on_batch(batch))
    count = -(-line.shape[1] // encoding.STRIDE)
    best = logits[0, :count].argmax(axis=-1)
    symbols = "".join("·" if one == encoding.BLANK else readable(encoding.SYMBOLS[one - 1]) for one in best)
    st.image(np.repeat(np.repeat(crop, 2, axis=0), 2, axis=1))
    st.code(" ".join(symbols), language=None)
    text, confidence = predictor.decode(logits[:, :count])[0]
    read = predictor.read([crop])[0][0]
    st.caption(
        t(
            f"One symbol for each {encoding.STRIDE} columns; a dot is CTC's blank. Repeats and blanks are removed, jamo are composed: “{plain(text)}”, confidence {confidence:.2f}. With the frequencies of words: “{plain(read)}”.",
            f"{encoding.STRIDE}열마다 기호 하나를 씁니다. 가운뎃점은 CTC의 빈칸 기호입니다. 반복과 빈칸을 없애고 자모를 모은 결과는 다음과 같습니다: ‘{plain(text)}’, 확신도 {confidence:.2f}. 단어 빈도까지 고려하면: ‘{plain(read)}’.",
        )
    )


shared.page("comic_text", try_it, data, inside)
