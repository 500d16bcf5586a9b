"""Video labelling: a label for every frame of a film, from what has happened before it and after it."""

TITLE = {"en": "Video labelling", "ko": "동영상 프레임 레이블링"}
PROBLEM = {
    "en": "What happens in each frame of a film? One frame does not tell whether a digit moves, blinks or has turned "
    "back. A network that remembers can tell.",
    "ko": "동영상의 프레임마다 무슨 일이 일어나고 있을까요? 프레임 한 장으로는 숫자가 움직이는지, "
    "깜박이는지, 되돌아왔는지 알 수 없습니다. 앞뒤 프레임을 기억하는 신경망은 알 수 있습니다.",
}
TOPOLOGY = "many-to-many"  # a frame in, a label out, at every step
MINUTES = 3.8  # what the default's whole command takes on two cores
METRIC = ("frame_accuracy", "max")
DATA = {
    "builtin": "handwritten digits that move, turn, blink and meet on photographs, a label for each frame (default; "
    "generated)",
    "PATH": "a folder of films (GIF; MP4, AVI, WebM with the extra [video]) or of folders of frames, with labels.csv "
    "(film, from, to, label) or one folder for each label",
}
STANDARD = {"fight_clips": "238 surveillance clips of about two seconds, fight or not, joined into films"}
UPLOAD = ("zip",)  # what the page takes as your own data; the films' folder, packed
LIMITS = (
    "It is no means to watch people. On films of a kind that it has not seen it is wrong without a sign of it.",
    "It names what its training films show and nothing else.",
    "It sees frames of 64 × 64 pixels; what is smaller than a few of these pixels is lost.",
    "The built-in films are generated. A model of them knows eight things that a digit does.",
)
PREDICT_HINT = ("label a film", "python -m projects.video_labelling.predict --input film.gif")
