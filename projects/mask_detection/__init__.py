"""Mask detection: every face in a picture, and whether it wears a mask."""

TITLE = {"en": "Mask detection", "ko": "마스크 검출"}
PROBLEM = {
    "en": "Where are the faces in a picture, and who wears a mask, who wears it wrongly, and who wears none?",
    "ko": "사진 속 얼굴은 어디에 있고, 누가 마스크를 썼고, 누가 잘못 썼고, 누가 쓰지 않았을까요?",
}
TOPOLOGY = "one-to-one"  # one picture in, one map of boxes out
METRIC = ("ap50", "max")
MINUTES = 5.2  # what the default's whole command takes on two cores
DATA = {
    "builtin": "generated scenes: small faces of scikit-image, with and without drawn masks, on photographs (default)",
    "PATH": "your own folder of pictures with boxes: PASCAL VOC (.xml), COCO (.json) or YOLO (.txt)",
}
STANDARD = {
    "face_mask_detection": "Kaggle's Face Mask Detection: 853 photographs with 4,072 faces; boxes only",
}
UPLOAD = ("zip",)  # what the page takes as your own data; the folder, packed
LIMITS = (
    "It is no means to watch people. It errs, and it errs more often on some people than on others.",
    "The generated faces are a hundred small grey ones that were tinted. A network that has seen only these fails on "
    "most photographs.",
    "Nobody has measured how it depends on skin, age, light or kind of mask. The real set says nothing of its people.",
    "A small face is often missed; see the figures by size of face.",
    "A score is no probability. The same threshold means something else on other pictures.",
)
PREDICT_HINT = ("find the faces in a picture", "python -m projects.mask_detection.predict --input picture.jpg")
