"""Does super-resolution find the blur by which a picture was shrunk? A row for each known kernel.

    python -m benchmarks.blur --data FOLDER [FOLDER …] [--scale 2] [--jpeg 90]

`found` is the fraction of pictures for which both sigmas are within 20 % of the true ones. `kept bicubic` is the
fraction for which no Gaussian fits better than bicubic. Sigmas are in large pixels: the median, and the range of the
middle four fifths.
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image

from projects.super_resolution.blur import estimate_blur
from projects.super_resolution.config import Config
from projects.super_resolution.data import degraded, list_folder

SHAPES = [(0.5, 0.5, 0), (0.75, 0.75, 0), (1, 1, 0), (1.5, 1.5, 0), (1, 0.5, 35), (1.5, 0.75, 100)]  # times the scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, nargs="+")
    parser.add_argument("--scale", type=int, default=2, choices=(2, 3, 4))
    parser.add_argument("--jpeg", type=int, help="store the shrunk pictures as JPEG of this quality")
    args = parser.parse_args()
    pictures = [picture for folder in args.data for picture in list_folder(folder, args.scale)[0]]
    stored = f", stored as JPEG of quality {args.jpeg}" if args.jpeg else ""
    print(f"{len(pictures)} pictures of {', '.join(folder.name for folder in args.data)}, ×{args.scale}{stored}\n")
    print("| kernel | kept bicubic | found | along | across | degrees off |\n|---|---:|---:|---:|---:|---:|")
    seconds = []
    for shape in (None, *SHAPES):
        answers = []
        for picture in pictures:
            config = Config(scale=args.scale)
            if shape:
                along, across, angle = args.scale * shape[0], args.scale * shape[1], shape[2]
                blur = {"blur_along": along, "blur_across": across, "blur_angle": angle}
                config = Config(scale=args.scale, kernel="gaussian", **blur)
            low, _ = degraded(picture, config)
            if args.jpeg:
                file = io.BytesIO()
                Image.fromarray(low).save(file, "JPEG", quality=args.jpeg)
                low = np.asarray(Image.open(file))
            began = time.perf_counter()
            answers.append(estimate_blur(low, args.scale))
            seconds.append(time.perf_counter() - began)
        shapes = np.array([answer for answer in answers if answer]).reshape(-1, 3)
        kept = f"{answers.count(None) / len(answers):.0%}"
        if shape is None:
            print(f"| bicubic | {kept} | | | | |")
            continue
        errors = np.abs(shapes[:, :2] / (along, across) - 1).max(axis=1)
        turn = np.abs((shapes[:, 2] - angle + 90) % 180 - 90)
        print(
            f"| {along:g}, {across:g}{f' at {angle}°' if along > across else ''} | {kept} "
            f"| {(errors <= 0.2).sum() / len(answers):.0%} | {_middle(shapes[:, 0])} | {_middle(shapes[:, 1])} "
            f"| {f'{np.median(turn):.0f}' if along > across and len(shapes) else ''} |",
            flush=True,
        )
    print(f"\n{np.mean(seconds):.2f} s an estimate")


def _middle(values: np.ndarray) -> str:
    if not len(values):
        return ""
    low, middle, high = np.percentile(values, (10, 50, 90))
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
