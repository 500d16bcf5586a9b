"""Zero-shot super-resolution: a small network learns from the one picture that it enlarges."""

TITLE = {"en": "Super-resolution from one image", "ko": "이미지 한 장으로 배우는 초해상도"}
PROBLEM = {
    "en": "How far can a picture be enlarged when the only thing to learn from is the picture itself?",
    "ko": "배울 자료가 그 사진 한 장뿐일 때, 사진을 얼마나 선명하게 확대할 수 있을까요?",
}
TOPOLOGY = "one-to-one"  # one picture in, one larger picture out
METRIC = ("psnr", "max")
MINUTES = 7.0  # what the default's whole command takes on two cores
DATA = {
    "builtin": "windows of photographs that scikit-image and scikit-learn bring; they are shrunk here (default)",
    "PATH": "a folder of ground-truth pictures: Set5, Set14, BSD68, BSD100 or your own",
}
UPLOAD = ("zip",)  # what the page takes as your own data; the pictures' folder, packed
LIMITS = (
    "Detail that occurs only once in the picture cannot be learnt from it. No face is invented.",
    "The network learns to undo one way of shrinking. It is given, or it is estimated among Gaussian blurs. A picture "
    "that was shrunk in another way, or was compressed strongly, gains less and may show its artefacts more clearly.",
    "PSNR and SSIM measure how close the answer is to the original, not how pleasing it is.",
)
PREDICT_HINT = ("enlarge a photo", "python -m projects.super_resolution.predict --input photo.jpg --output big.png")
# Why `export` has nothing to write for this project.
NO_EXPORT = (
    "A network that has learnt from one picture is of no use for another one, so a run keeps pictures and no network."
)
