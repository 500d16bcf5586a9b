"""Super-resolution on a folder of ground-truth pictures: the tables of README and EXPERIMENTS, a line per picture.

    python -m benchmarks.super_resolution --data FOLDER [--scale 2] [--quality default] [--kernel gaussian]
        [--assume estimate] [--schedule slope] [--stages two] [--seed 0] [--only NAME …] [--save FOLDER]

PSNR (dB) and SSIM are on Y of Y'CbCr without a border of `scale` pixels. `Y rounded` is the same PSNR with Y rounded to
whole levels first, as MATLAB's rgb2ycbcr does for uint8. `start` is the linear estimate that the network corrects.
Seconds are by the clock, CPU seconds of all cores together. Both include the learning.
"""

import argparse
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from common import cli
from common.inputs.images import write_picture
from projects.super_resolution.blur import resolve_kernel
from projects.super_resolution.config import Config
from projects.super_resolution.data import degraded, list_folder
from projects.super_resolution.encoding import assumed_kernel
from projects.super_resolution.evaluate import BASELINES
from projects.super_resolution.metrics import scores
from projects.super_resolution.predict import Predictor
from projects.super_resolution.resize import as_uint8, baseline, enlarge, to_rgb, to_ycbcr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--scale", type=int, default=2, choices=(2, 3, 4))
    parser.add_argument("--quality", default="default", choices=("fast", "default", "best"))
    parser.add_argument("--kernel", default="bicubic", choices=("bicubic", "gaussian"))
    parser.add_argument("--assume", default="true", choices=("true", "bicubic", "estimate"))
    parser.add_argument("--schedule", default="cosine", choices=("cosine", "slope"))
    parser.add_argument("--stages", default="auto", choices=("auto", "one", "two"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="names of pictures")
    parser.add_argument("--save", type=Path, help="keep the enlarged pictures here")
    parser.add_argument("--baselines-only", action="store_true", help="learn nothing")
    args = parser.parse_args()
    config = Config(
        quality=args.quality, scale=args.scale, kernel=args.kernel, assume=args.assume,
        schedule=args.schedule, stages=args.stages, seed=args.seed,
    )  # fmt: skip
    cli.start_keras()
    predictor = Predictor({}, {"config": asdict(config)})
    print(f"{args.data.name} ×{args.scale}, quality {args.quality}, schedule {args.schedule}")
    print(f"kernel {args.kernel}, assumed {args.assume}")
    print(f"{platform.machine()}, {os.cpu_count()} cores, load at the start {os.getloadavg()[0]:.1f}\n")
    names = [*BASELINES, "start", *([] if args.baselines_only else ["network"])]
    print("| picture | " + " | ".join(names) + " | Y rounded | SSIM bicubic | SSIM network | seconds | CPU seconds |"
          + " kernel |" * (args.assume == "estimate"))  # fmt: skip
    print("|---|" + "---:|" * (len(names) + 5) + "---|" * (args.assume == "estimate"))
    table = []
    for picture in list_folder(args.data, args.scale)[0]:
        if args.only and picture.name not in args.only:
            continue
        low, truth = degraded(picture, config)
        answers = {name: baseline(low, args.scale, name) for name in BASELINES}
        kernel, kernel_name = resolve_kernel(assumed_kernel(config), low, args.scale)
        estimate = enlarge(to_ycbcr(low.astype(float)), args.scale, truth.shape[:2], kernel)
        answers["start"] = as_uint8(to_rgb(estimate))
        wall, cpu = time.perf_counter(), time.process_time()
        if not args.baselines_only:
            answers["network"] = predictor.predict({"picture": low})["picture"]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        figures = {name: scores(answer, truth, args.scale) for name, answer in answers.items()}
        last, ssim = names[-1], {name: values["ssim"] for name, values in figures.items()}
        line = [figures[name]["psnr"] for name in names]
        line += [_rounded(answers[last], truth, args.scale), ssim["bicubic"], ssim[last], wall, cpu]
        table.append(line)
        _print(picture.name, line, len(names), kernel_name if args.assume == "estimate" else "")
        if args.save:
            write_picture(answers[last], args.save / f"{picture.name}.png")
    _print("**mean**", np.mean(table, axis=0), len(names), " " * (args.assume == "estimate"))


def _rounded(answer: np.ndarray, truth: np.ndarray, border: int) -> float:
    y, true_y = (np.round(to_ycbcr(picture.astype(float))[..., 0]) for picture in (answer, truth))
    error = np.mean(np.square(y - true_y)[border:-border, border:-border])
    return float(10 * np.log10(255**2 / error))


def _print(name: str, line, methods: int, kernel: str) -> None:
    psnr, ssim, seconds = line[: methods + 1], line[methods + 1 : methods + 3], line[methods + 3 :]
    cells = [f"{v:.2f}" for v in psnr] + [f"{v:.4f}" for v in ssim] + [f"{v:.0f}" for v in seconds]
    print(f"| {name} | " + " | ".join([*cells, *([kernel] if kernel else [])]) + " |", flush=True)


if __name__ == "__main__":
    main()
