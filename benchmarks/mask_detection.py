"""How many pictures of 320 pixels a detector answers in a second, beside its network in ONNX Runtime.

    python -m benchmarks.mask_detection [--models centernet fcos mask_rcnn] [--size 320] [--seconds 5]

The networks are not trained: what they cost does not depend on their weights. Pictures have the size of the input, with
some twenty faces each. "whole" is fitting, network, decoding, suppression and, for mask_rcnn, whole masks; one picture
at a time and sixteen at a time. "onnx" is the same network alone, sixteen at a time. ONNX Runtime comes with the extra
`export`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common.cli import start_keras


def rate(call: Callable[[], object], pictures: int, seconds: float) -> float:
    """Pictures a second: the median over calls."""
    call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return pictures / float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["centernet", "fcos", "mask_rcnn"])
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    start_keras()
    import onnxruntime

    from projects.mask_detection.config import Config
    from projects.mask_detection.encoding import candidates, describe
    from projects.mask_detection.model import answering, build_model
    from projects.mask_detection.predict import Predictor
    from projects.mask_detection.scenes import CLASSES, generated

    pictures, _ = generated("test", 16, options.size)
    print("model      parameters  whole, one  whole, sixteen  network  onnx   (pictures a second)")
    for name in options.models:
        config = Config(model=name, size=options.size, channels=options.channels)
        meta = {**describe(config.size, name, CLASSES, True), "threshold": 0.0, "examples": []}
        network = answering(build_model(config, meta))
        predictor = Predictor({"model": network}, meta)
        x = np.concatenate([predictor.encode({"picture": picture}) for picture in pictures])
        outputs = predictor.outputs(x)
        if name != "mask_rcnn":  # about twenty boxes a picture, as after a training; mask_rcnn has its proposals
            scores = np.concatenate([np.max(candidates(one, meta)[1], axis=1) for one in outputs])
            meta["threshold"] = float(np.quantile(scores, 1 - 20 * len(pictures) / len(scores)))

        def many(predictor: Predictor = predictor, x: np.ndarray = x) -> None:
            inputs = np.concatenate([predictor.encode({"picture": picture}) for picture in pictures])
            for output, picture in zip(predictor.outputs(inputs), pictures, strict=True):
                predictor.decode(output, picture.shape)

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            network.export(file, format="onnx", verbose=False)
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            given = session.get_inputs()[0].name
            rates = [
                rate(lambda p=predictor: p.predict({"picture": pictures[0]}), 1, options.seconds),
                rate(many, 16, options.seconds),
                rate(lambda p=predictor, x=x: p.outputs(x), 16, options.seconds),
                rate(lambda s=session, x=x, g=given: s.run(None, {g: x}), 16, options.seconds),
            ]
        columns = f"{rates[0]:10.1f}  {rates[1]:14.1f}  {rates[2]:7.1f}  {rates[3]:5.1f}"
        print(f"{name:10s} {network.count_params():10,}  {columns}")


if __name__ == "__main__":
    main()
