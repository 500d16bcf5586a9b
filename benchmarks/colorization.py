"""Both models of colorization on one folder of photographs: the README's tables, and how the two compare.

    python -m benchmarks.colorization --data FOLDER [--epochs 60] [--seed 0] [--patch 16] [--l1-weight 20]
    python -m benchmarks.colorization --runs l1-RUN gan-RUN          # two finished runs
    python -m benchmarks.colorization --data FOLDER --patches 1 16 70 --seeds 0 1       # on validation only

Every figure is of the test split, with its 95 % bootstrap interval over photographs. The lines under the tables
compare the PSNR with that of grey, and both models with each other. The third form opens no test split: it prints each
training's best validation concordance, by which the epoch is chosen.
"""

import argparse
import tempfile
import time
from itertools import product
from pathlib import Path

from common import cli, runs
from common.project import Project
from common.runs import Run
from projects.colorization.config import Config

DIGITS = {
    "concordance": 3, "psnr": 2, "ssim": 3, "ab_mae": 2, "colourfulness": 1, "intersection_a": 3, "intersection_b": 3,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder of photographs, as the project's --data takes it")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patch", type=int, default=Config.patch, choices=(1, 16, 70))
    parser.add_argument("--l1-weight", type=float, default=Config.l1_weight)
    parser.add_argument(
        "--patches", type=int, nargs="+", choices=(1, 16, 70), help="compare these patches on validation"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="for --patches")
    parser.add_argument("--runs", nargs=2, help="ids of a finished l1 and a finished gan run, instead of training")
    parser.add_argument("--runs-dir", type=Path, default=runs.runs_dir())
    args = parser.parse_args()
    with cli.user_errors():
        project = Project("colorization")
        if args.data and args.patches:
            return _by_validation(project, args)
        if args.runs:
            pair = [runs.find(project, name, args.runs_dir) for name in args.runs]
        elif args.data:
            pair = [_trained(project, model, args) for model in ("l1", "gan")]
        else:
            parser.error("--data or --runs is needed")
    for run in pair:
        _print(run)
    l1, gan = (run.report["test"]["model"] for run in pair)
    grey = pair[0].report["test"]["baselines"]["grey"]["psnr"]["value"]
    for name, figures in (("l1", l1), ("gan", gan)):
        print(f"PSNR of {name} above grey: {figures['psnr']['value'] - grey:+.2f} dB")
    print(f"PSNR of gan compared with l1: {gan['psnr']['value'] - l1['psnr']['value']:+.2f} dB")
    print(f"gan is {gan['colourfulness']['value'] / l1['colourfulness']['value']:.2f} times as colourful as l1")


def _by_validation(project: Project, args: argparse.Namespace) -> None:
    """Train each patch with each seed, and print a row for each training."""
    cli.start_keras()
    print("| patch | seed | epoch kept | validation concordance | validation L1 | seconds |")
    print("|---:|---:|---:|---:|---:|---:|")
    for patch, seed in product(args.patches, args.seeds):
        config = Config(epochs=args.epochs, seed=seed, patch=patch, l1_weight=args.l1_weight)
        with tempfile.TemporaryDirectory() as folder:
            run = runs.start(project, config, str(args.data), runs.data_dir(), Path(folder))
            began = time.perf_counter()
            project.train(config, run)
            seconds, best = time.perf_counter() - began, max(run.history, key=lambda row: row["val_concordance"])
        print(
            f"| {patch} | {seed} | {best['epoch']:.0f} | {best['val_concordance']:.3f} | {best['val_loss']:.4f} "
            f"| {seconds:.0f} |",
            flush=True,
        )


def _trained(project: Project, model: str, args: argparse.Namespace) -> Run:
    config = Config(model=model, epochs=args.epochs, seed=args.seed, patch=args.patch, l1_weight=args.l1_weight)
    run = runs.start(project, config, str(args.data), runs.data_dir(), args.runs_dir)
    cli.train_run(run)
    return run


def _print(run: Run) -> None:
    content = run.report
    test, seconds = content["test"], content["timing"]["total_seconds"]
    print(f"\n{run.id}: {content['data']['sizes']}, {content['parameters']:,} parameters, {seconds / 60:.1f} minutes\n")
    print("| | " + " | ".join(name.replace("_", " ") for name in DIGITS) + " |")
    print("|---|" + "---:|" * len(DIGITS))
    for name, figures in {f"**{content['model']}**": test["model"], **test["baselines"]}.items():
        cells = [_cell(figures[metric], digits) for metric, digits in DIGITS.items()]
        print(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    print()


def _cell(figure: dict, digits: int) -> str:
    value = f"{figure['value']:.{digits}f}"
    if figure.get("low") is None:
        return value
    return f"{value} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


if __name__ == "__main__":
    main()
