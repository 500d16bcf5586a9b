"""How many frames a second are labelled, on the machine that runs it.

    python -m benchmarks.video_labelling [--model gru]

- live: frame by frame, as from a camera, by the causal step
- batches: a film of 2,000 frames in memory
- onnx: the causal step in ONNX Runtime (with the extra `export`)

The networks are untrained: their speed does not depend on their weights.
"""

import argparse
import dataclasses
import importlib.util
import itertools
import tempfile
import time
from collections.abc import Callable

import numpy as np

from common.cli import start_keras

FRAMES = 2_000
META = {
    "labels": list("abcdefgh"),
    "rate": 8.0,
    "frames": 48,
    "mean": [90.0] * 3,
    "variance": [2500.0] * 3,
    "shown": True,
}


def per_second(call: Callable[[], object], frames: int) -> float:
    """The best of three, after one that compiles."""
    call()
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return frames / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=("simple_rnn", "gru", "lstm"), default="gru")
    model = parser.parse_args().model
    start_keras()
    from projects.video_labelling.config import Config
    from projects.video_labelling.model import build_models
    from projects.video_labelling.predict import Predictor

    film = np.random.default_rng(0).integers(0, 256, (FRAMES, 64, 64, 3), dtype=np.uint8)
    config = Config(model=model)
    predictors = {
        causal: Predictor(build_models(dataclasses.replace(config, causal=causal), META)[1], {**META, "examples": []})
        for causal in (True, False)
    }
    live = per_second(lambda: list(predictors[True].live(iter(film[:300]))), 300)
    print(f"{model}, live: {live:,.0f} frames a second")
    for causal, predictor in predictors.items():
        batches = per_second(lambda one=predictor: one.logits([one.features(film)]), FRAMES)
        print(f"{model}, batches, {'causal' if causal else 'from both sides'}: {batches:,.0f} frames a second")
    if importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        step = predictors[True].networks["step"]
        inputs = {name: np.zeros((1, *part.shape[1:]), np.float32) for name, part in step.input.items()}
        step(inputs)
        with tempfile.TemporaryDirectory() as folder:
            step.export(f"{folder}/step.onnx", format="onnx", verbose=False)
            session = onnxruntime.InferenceSession(f"{folder}/step.onnx", providers=["CPUExecutionProvider"])
        alone = per_second(lambda: [session.run(None, inputs) for _ in itertools.repeat(None, 300)], 300)
        print(f"{model}, onnx: {alone:,.0f} frames a second")


if __name__ == "__main__":
    main()
