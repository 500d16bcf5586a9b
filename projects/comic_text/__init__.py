"""Comic text: find the lettering of a comic page, read it, remove it, and letter the page again."""

TITLE = {"en": "Comic text", "ko": "만화 글자"}
PROBLEM = {
    "en": "A comic page goes in. Which pixels are lettering, what do they say, and how does the page look with other "
    "words?",
    "ko": "만화 한 쪽이 들어갑니다. 어느 픽셀이 글자이고, 무엇이라고 쓰여 있으며, 다른 말로 바꾸면 어떤 모습이 될까요?",
}
TOPOLOGY = "many-to-many"  # pixels to a mask, columns of a line to symbols
METRIC = ("iou", "max")  # IoU of the lettering's pixels, over all pages together
MINUTES = 14.0  # what the default's whole command takes on two cores
DATA = {
    "builtin": "comic pages generated from photographs, shapes and fonts, in English and Korean (default)",
    "PATH": "a folder of pages (page, page_en …) with masks of the lettering (text, text_en …), or with COCO boxes",
}
STANDARD = {"pepper_carrot": "105 pages of David Revoy's webcomic in English, 55 of them also in Korean, with masks"}
UPLOAD = ("zip",)  # what the page takes as your own data; the pages' folder, packed
LIMITS = (
    "It reads the letters of English and the syllables of Korean. It reads other scripts and accents wrongly.",
    "Lettering that runs upwards, downwards or along a curve is found, but mostly read wrongly.",
    "Where lettering lay on a drawing, the cleaned page is a guess: nobody knows what was under it.",
    "Respect the rights in a comic: a redrawn page is an adaptation, which needs its author's permission.",
)
PREDICT_HINT = ("letter a page again", "python -m projects.comic_text.predict --input page.png --output new.png")
