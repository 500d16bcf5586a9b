"""Image captioning: one network looks at a picture, another writes a sentence about it."""

TITLE = {"en": "Image captioning", "ko": "이미지 캡셔닝"}
PROBLEM = {
    "en": "One picture goes in, a sentence comes out. How does a network write “a small red 7 above two blue squares”, "
    "and where does it look for each word?",
    "ko": "사진 한 장이 들어가고 문장 하나가 나옵니다. 신경망은 ‘작은 빨간색 7 한 개가 위쪽에 있습니다’와 같은 문장을 "
    "어떻게 쓰고, 단어마다 사진의 어디를 볼까요?",
}
TOPOLOGY = "one-to-many"  # one picture in, a sequence of words out
MINUTES = 3.4  # what the default's whole command takes on two cores
METRIC = {"builtin": ("facts", "max"), "PATH": ("cider", "max")}  # PATH: all other data
DATA = {
    "builtin": "scenes of handwritten digits and drawn shapes on photographs, with captions in English and Korean "
    "(default; generated)",
    "PATH": "a folder of pictures with captions.csv (columns image and caption) or a JSON file of COCO captions",
}
STANDARD = {"flickr8k": "8,000 photographs of Flickr8k with five captions each, official split"}
UPLOAD = ("zip",)  # what the page takes as your own data; the pictures' folder, packed
LIMITS = (
    "It knows only what its training captions name. Of anything else it says something that reads well and is wrong.",
    "It gives no sign when a caption is wrong.",
    "The built-in scenes are generated. A model of them knows ten digits, four shapes, six colours and nothing else.",
    "A caption is no description for people who cannot see the picture, unless somebody has checked it.",
)
PREDICT_HINT = ("caption a picture", "python -m projects.image_captioning.predict --input picture.png")
