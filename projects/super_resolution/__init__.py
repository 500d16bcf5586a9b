"""Zero-shot super-resolution: a small network that learns from the one picture it is to enlarge."""

TITLE = {"en": "Super-resolution from one image", "ko": "이미지 한 장으로 배우는 초해상도"}
PROBLEM = {
    "en": "How far can a picture be enlarged when the only thing to learn from is the picture itself?",
    "ko": "배울 자료가 그 사진 한 장뿐일 때, 사진을 얼마나 선명하게 키울 수 있을까?",
}
TOPOLOGY = "one-to-one"  # one picture in, one larger picture out
METRIC = ("psnr", "max")
DATA = {
    "builtin": "windows of photographs that scikit-image and scikit-learn bring, shrunk here (default)",
    "PATH": "a folder of ground-truth pictures: Set5, Set14, BSD68, BSD100 or your own",
}
LIMITS = (
    "Detail that does not recur anywhere in the picture cannot be learnt from it; faces are not invented.",
    "The network learns to undo one way of shrinking, which it is told or which is estimated among Gaussians; a "
    "picture that was shrunk otherwise, or was compressed hard, gains less and may show its artefacts more clearly.",
    "PSNR and SSIM measure closeness to the original, not how pleasing a picture is.",
)
PREDICT_HINT = (
    "enlarge a photo",
    "python -m projects.super_resolution.predict --input photo.jpg --output big.png",
)
# Why `export` has nothing to write for this project.
NO_EXPORT = (
    "A network that has learnt from one picture is of no use for another, so a run keeps pictures and no network."
)
