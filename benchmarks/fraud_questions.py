"""Four questions that fraud notebooks leave open, answered on ULB's table, whole or in part.

    python -m benchmarks.fraud_questions --data PATH/TO/creditcard.csv [--seeds 0 1 2 3 4] [--epochs 30]

1. Why does a logistic regression by gradient descent on raw columns find nothing (F1 0)?
2. Do class weights, the focal loss, resampling, dropout and early stopping help, and by how much of an interval?
3. How is the threshold to be chosen?
4. What would choosing on the test set have pretended?

Each seed draws its own split, as in benchmarks/fraud_seeds.py. Question 4 needs what a project's `train` never gets:
the test split after every epoch. So the trainings here are plain `model.fit` of the project's networks on its encoding.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from common import cli
from common.evaluation import best_f1_threshold, ranking_figures, score_table


def figures(split, scores, threshold):
    return ranking_figures(split.targets, scores, threshold, 0.9, 120.0, 5.0)


def fitted(model, train, parts: list, epochs: int, batch_size: int, seed: int) -> np.ndarray:
    """Trains the model and returns its scores after every epoch, one array (epochs, rows) for each of `parts`."""
    import keras

    found: list[list[np.ndarray]] = [[] for _ in parts]

    class AfterEpoch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for inputs, scores in zip(parts, found, strict=True):
                scores.append(np.asarray(self.model(inputs, training=False))[:, 0].astype(float))

    keras.utils.set_random_seed(seed)
    inputs, targets, *weights = train
    model.fit(
        inputs,
        targets,
        sample_weight=weights[0] if weights else None,
        epochs=epochs,
        batch_size=batch_size,
        verbose=0,
        callbacks=[AfterEpoch()],
    )
    return [np.array(scores) for scores in found]


def one_seed(config, data: str, epochs: int) -> dict:
    """Everything that the tables need of one split."""
    import keras
    from sklearn.preprocessing import StandardScaler

    from projects.fraud_detection.data import load_data
    from projects.fraud_detection.model import build_model, treated
    from projects.fraud_detection.predict import encode

    splits = load_data(config, data, Path("data"))
    train, validation, test = splits.train, splits.validation, splits.sealed_test
    raw = [part.inputs.to_numpy("float32") for part in (train, validation, test)]
    scaler = StandardScaler().fit(raw[0])
    scaled = [scaler.transform(part).astype("float32") for part in raw]
    encoded = [encode(part.inputs, splits.meta) for part in (train, validation, test)]
    targets = train.targets.astype("float32")

    def average_precision(split, scores) -> float:
        return figures(split, scores, 0.0)(split.weights)["average_precision"]

    answer: dict = {"scales": {}, "variants": {}}
    for name, (inputs, optimizer) in {
        "raw columns, SGD": (raw, keras.optimizers.SGD(0.01)),
        "raw columns, Adam": (raw, keras.optimizers.Adam(0.001)),
        "standardised, SGD": (scaled, keras.optimizers.SGD(0.01)),
        "standardised, Adam": (scaled, keras.optimizers.Adam(0.001)),
        "the project's encoding, Adam": (encoded, keras.optimizers.Adam(0.001)),
    }.items():
        keras.utils.set_random_seed(config.seed)
        model = keras.Sequential([keras.Input((inputs[0].shape[1],)), keras.layers.Dense(1)])
        model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
        (scores,) = fitted(model, (inputs[0], targets), [inputs[2]], epochs, config.batch_size, config.seed)
        found = figures(test, np.nan_to_num(scores[-1]), 0.0)(test.weights)
        answer["scales"][name] = [found["average_precision"], found["f1"], float(np.abs(inputs[0]).max(axis=0).max())]

    chosen: dict = {}
    for name, changes in {
        "default": {},
        "last epoch instead of the best": {},
        "no dropout": {"dropout": 0.0},
        "class weights": {"imbalance": "class_weights"},
        "focal loss": {"imbalance": "focal"},
        "resampling": {"imbalance": "resampling"},
    }.items():
        own = dataclasses.replace(config, **changes)
        model = build_model(own, splits.meta)
        on_validation, on_test = fitted(
            model, treated((encoded[0], targets), own), encoded[1:], epochs, config.batch_size, config.seed
        )
        by_epoch = [average_precision(validation, scores) for scores in on_validation]
        best = epochs - 1 if name.startswith("last") else int(np.argmax(by_epoch))
        chosen[name] = (on_validation[best], on_test[best], [average_precision(test, scores) for scores in on_test])
    thresholds = {
        name: best_f1_threshold(validation.targets, pair[0], validation.weights) for name, pair in chosen.items()
    }
    table = score_table(
        figures(test, chosen["default"][1], thresholds["default"]),
        {name: figures(test, pair[1], thresholds[name]) for name, pair in chosen.items() if name != "default"},
        {"average_precision": "max", "f1": "max"},
        test.weights,
        seed=config.seed,
    )
    answer["variants"] = table

    validated, tested, by_epoch = chosen["default"]
    candidates = np.unique(validated)
    on_validation = [figures(validation, validated, limit)(validation.weights) for limit in candidates]
    alarms = np.array([validated >= limit for limit in candidates]) @ np.stack(
        [validation.weights, validation.weights * (validation.targets == 1)], axis=1
    )
    precise = candidates[alarms[:, 1] / alarms[:, 0] >= 0.9]
    on_test = [figures(test, tested, limit)(test.weights)["f1"] for limit in np.unique(tested)]
    ways = {
        "probability 0.5": 0.0,
        "best F1 on validation": candidates[np.argmax([found["f1"] for found in on_validation])],
        "best F1 on validation, blurred (the project's)": thresholds["default"],
        "lowest cost on validation": candidates[np.argmin([found["cost"] for found in on_validation])],
        "precision 0.9 on validation": precise.min() if len(precise) else candidates.max(),
        "best F1 on the test itself": np.unique(tested)[np.argmax(on_test)],
    }
    answer["thresholds"] = {}
    for name, limit in ways.items():
        found, alarm = figures(test, tested, limit)(test.weights), tested >= limit
        raised, hits = test.weights[alarm].sum(), test.weights[alarm & (test.targets == 1)].sum()
        recall = hits / test.weights[test.targets == 1].sum()
        answer["thresholds"][name] = [found["f1"], found["cost"], hits / raised if raised else np.nan, recall]
    honest = average_precision(test, tested)
    every = {name: average_precision(test, pair[1]) for name, pair in chosen.items()}
    by_validation = max(chosen, key=lambda name: average_precision(validation, chosen[name][0]))
    answer["pretended"] = {
        "average precision, epoch": [honest, max(by_epoch)],
        "average precision, epoch and treatment": [every[by_validation], max(max(pair[2]) for pair in chosen.values())],
        "F1, threshold": [answer["thresholds"]["best F1 on validation, blurred (the project's)"][0], max(on_test)],
    }
    return answer


def rows(title: str, header: list[str], lines: list[list[str]]) -> None:
    print(f"\n{title}\n\n| " + " | ".join(header) + " |\n|---|" + "---:|" * (len(header) - 1))
    for line in lines:
        print("| " + " | ".join(line) + " |")


def spread(values: list[float]) -> str:
    return f"{np.nanmean(values):.3f} ± {np.nanstd(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="creditcard.csv, whole or in part")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=128)
    args = parser.parse_args()
    cli.start_keras()
    from projects.fraud_detection.config import Config

    found = [one_seed(Config(seed=seed, batch_size=args.batch_size), args.data, args.epochs) for seed in args.seeds]
    print(f"mean ± standard deviation over seeds {args.seeds}, {args.epochs} epochs")
    rows(
        "1. One Dense unit by gradient descent",
        ["columns, optimiser", "average precision", "F1 at 0.5", "largest value"],
        [
            [
                name,
                *(spread([one["scales"][name][i] for one in found]) for i in (0, 1)),
                f"{found[0]['scales'][name][2]:,.0f}",
            ]
            for name in found[0]["scales"]
        ],
    )
    lines = []
    for name in found[0]["variants"]["comparison"]:
        cells = [name]
        for figure in ("average_precision", "f1"):
            gaps = [one["variants"]["comparison"][name][figure] for one in found]
            half = np.mean([(gap["high"] - gap["low"]) / 2 for gap in gaps])
            mean = -np.mean([gap["difference"] for gap in gaps])
            other = [{"better": "worse", "worse": "better"}.get(gap["verdict"], gap["verdict"]) for gap in gaps]
            said = ", ".join(f"{other.count(kind)} {kind}" for kind in dict.fromkeys(other))
            cells += [f"{mean:+.3f} ± {half:.3f}", said]
        lines.append(cells)
    rows(
        "2. Difference to the default (none, dropout 0.2, best epoch by validation) ± half a seed's paired interval",
        ["change", "average precision", "seeds", "F1", "seeds"],
        lines,
    )
    rows(
        "3. Ways to choose the threshold, on the test",
        ["threshold", "F1", "cost per 1,000", "precision", "recall"],
        [
            [name, *(spread([one["thresholds"][name][i] for one in found]) for i in range(4))]
            for name in found[0]["thresholds"]
        ],
    )
    rows(
        "4. Chosen on validation, and what choosing on the test would have pretended",
        ["figure, what is chosen", "chosen on validation", "chosen on the test", "pretended"],
        [
            [
                name,
                *(spread([one["pretended"][name][i] for one in found]) for i in (0, 1)),
                f"{np.mean([b - a for a, b in (one['pretended'][name] for one in found)]):+.3f}",
            ]
            for name in found[0]["pretended"]
        ],
    )


if __name__ == "__main__":
    main()
