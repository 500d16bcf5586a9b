"""Fraud detection on ULB's table over several seeds: mean and standard deviation of each figure, and the baselines'.

    python -m benchmarks.fraud_seeds --data PATH/TO/creditcard.csv [--seeds 0 1 2 3 4] [--batch-size 512]

Each seed draws its own stratified split (60/15/25), and trains and scores by the project's `train` and `evaluate`.
Seeds 0 to 4 are scikit-learn's `StratifiedShuffleSplit(5, test_size=0.25, random_state=0)`.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from common import cli, runs
from common.project import Project

FIGURES = ("average_precision", "roc_auc", "recall_at_precision", "f1", "cost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="creditcard.csv, whole or in part")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--batch-size", type=int, default=512)
    args = parser.parse_args()

    project = Project("fraud_detection")
    values: dict[str, dict[str, list[float]]] = {}
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in args.seeds:
            config = project.config_class(model=args.model, seed=seed, batch_size=args.batch_size)
            run = runs.start(project, config, args.data, Path(folder), Path(folder))
            content = cli.train_run(run)
            seconds.append(content["timing"]["total_seconds"])
            for name, figures in {args.model: content["test"]["model"], **content["test"]["baselines"]}.items():
                for figure in FIGURES:
                    values.setdefault(name, {}).setdefault(figure, []).append(figures[figure]["value"])

    print(f"\nmean ± standard deviation over seeds {args.seeds}; median {np.median(seconds):.0f} s a seed\n")
    print("| model | " + " | ".join(figure.replace("_", " ") for figure in FIGURES) + " |")
    print("|---|" + "---:|" * len(FIGURES))
    for name, figures in values.items():
        cells = [f"{np.mean(figures[f]):.3f} ± {np.std(figures[f], ddof=1):.3f}" for f in FIGURES]
        print(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    print("\naverage precision by seed")
    for name, figures in values.items():
        print(f"  {name:<20}", *(f"{value:.3f}" for value in figures["average_precision"]))


if __name__ == "__main__":
    main()
