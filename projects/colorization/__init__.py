"""Colorization: grey photographs in, colours out, by a U-Net that a discriminator keeps from answering grey-brown."""

TITLE = {"en": "Colorization with Pix2Pix", "ko": "Pix2Pix로 흑백 사진에 색 입히기"}
PROBLEM = {
    "en": "Which colours does a black-and-white photograph deserve, when many would do?",
    "ko": "가능한 색이 여럿일 때, 흑백 사진에는 어떤 색이 어울릴까?",
}
TOPOLOGY = "one-to-one"  # one picture in, one picture out
METRIC = ("concordance", "max")  # of the answers' a and b with the originals': README.md, "What chooses"
DATA = {
    "builtin": "squares of seven photographs that scikit-image and scikit-learn bring, split by region (default)",
    "PATH": "a folder of photographs: BSDS500, COCO (subfolders train… and val…), or your own, all in one folder",
}
LIMITS = (
    "Colours are plausible, not true: nothing in a grey picture tells a red car from a blue one.",
    "It has seen a few hundred photographs, outdoors by day for the most part; people, rooms and things are tinted "
    "faintly, or wrongly.",
    "Not a restoration of historical photographs: a colour that it paints is no evidence of what was there.",
)
PREDICT_HINT = (
    "colour a photo",
    "python -m projects.colorization.predict --input grey.jpg --output colour.png",
)
