"""Colorization: a U-Net colours grey photographs; a discriminator keeps it from answering grey-brown."""

TITLE = {"en": "Colorization with Pix2Pix", "ko": "Pix2Pix로 흑백 사진에 색 입히기"}
PROBLEM = {
    "en": "Which colours fit a black-and-white photograph, when many are possible?",
    "ko": "가능한 색이 여럿일 때, 흑백 사진에는 어떤 색이 어울릴까요?",
}
TOPOLOGY = "one-to-one"  # one picture in, one picture out
METRIC = ("concordance", "max")  # compares predicted a and b with the originals: README.md, "How an epoch is chosen"
MINUTES = 1.2  # what the default's whole command takes on two cores
DATA = {
    "builtin": "squares of seven photographs that scikit-image and scikit-learn bring, split by region (default)",
    "PATH": "a folder of photographs: BSDS500 or COCO (subfolders train… and val…), or your own pictures in one folder",
}
UPLOAD = ("zip",)  # what the page takes as your own data; the pictures' folder, packed
LIMITS = (
    "The colours are plausible, not true: nothing in a grey picture tells a red car from a blue one.",
    "The network has seen a few hundred photographs, most of them taken outdoors by day. It colours people, rooms and "
    "things faintly or wrongly.",
    "It does not restore historical photographs: a predicted colour is no evidence of the real one.",
)
PREDICT_HINT = ("colour a photo", "python -m projects.colorization.predict --input grey.jpg --output colour.png")
