"""Four questions that fraud notebooks leave open, answered on ULB's table, whole or in part.

    python -m benchmarks.fraud_questions --data PATH/TO/creditcard.csv [--seeds 0 1 2 3 4] [--epochs 30]

1. Why does a logistic regression by gradient descent on raw columns find nothing (F1 0)?
2. Do class weights, the focal loss, resampling, dropout and early stopping help, and by how much of an interval?
3. How should the threshold be chosen?
4. How much better do the figures look when the choice is made on the test set?

Each seed draws its own split, as in benchmarks/fraud_seeds.py. Question 4 needs the test split after every epoch, which
a project's `train` never gets. So the trainings here are plain `model.fit` of the project's networks on its encoding.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from common import cli
from common.evaluation import score_table
from projects.fraud_detection.encoding import encode
from projects.fraud_detection.metrics import average_precision, best_f1_threshold, ranking_figures

VARIANTS: dict[str, dict] = {
    "default": {},
    "last epoch instead of the best": {},
    "no dropout": {"dropout": 0.0},
    "class weights": {"imbalance": "class_weights"},
    "focal loss": {"imbalance": "focal"},
    "resampling": {"imbalance": "resampling"},
}


def figures(split, scores, threshold):
    return ranking_figures(split.targets, scores, threshold, 0.9, 120.0, 5.0)


def fitted(model, train, inputs: list, config, epochs: int) -> list[np.ndarray]:
    """Trains the model. Returns its scores after every epoch, one array (epochs, rows) for each of `inputs`."""
    import keras

    scores: list[list[np.ndarray]] = [[] for _ in inputs]

    class AfterEpoch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for rows, past in zip(inputs, scores, strict=True):
                past.append(np.asarray(self.model(rows, training=False))[:, 0].astype(float))

    keras.utils.set_random_seed(config.seed)
    x, y, *weights = train
    weights = weights[0] if weights else None
    callbacks = [AfterEpoch()]
    model.fit(x, y, sample_weight=weights, epochs=epochs, batch_size=config.batch_size, verbose=0, callbacks=callbacks)
    return [np.array(past) for past in scores]


def one_seed(config, data: str, epochs: int) -> dict:
    """The answers to the four questions on one split."""
    from common.project import Project

    splits = Project("fraud_detection").load_data(data)(config, data, Path("data"))
    parts = splits.train, splits.validation, splits.sealed_test
    encoded = [encode(part.inputs, splits.meta) for part in parts]
    chosen = variants(config, parts, encoded, splits.meta, epochs)
    _, validation, test = parts
    thresholds = {
        name: best_f1_threshold(validation.targets, scores, validation.weights)
        for name, (scores, _, _) in chosen.items()
    }
    table = score_table(
        figures(test, chosen["default"][1], thresholds["default"]),
        {name: figures(test, scores, thresholds[name]) for name, (_, scores, _) in chosen.items() if name != "default"},
        {"average_precision": "max", "f1": "max"},
        test.weights,
        seed=config.seed,
    )
    by_threshold = threshold_choices(validation, test, *chosen["default"][:2], thresholds["default"])
    return {
        "scales": scales(config, parts, encoded, epochs),
        "variants": table,
        "thresholds": by_threshold,
        "pretended": pretended(validation, test, chosen, by_threshold),
    }


def scales(config, parts, encoded: list[np.ndarray], epochs: int) -> dict[str, list[float]]:
    """Question 1: {columns and optimiser: [average precision, F1 at 0.5, largest value]} of one Dense unit."""
    import keras
    from sklearn.preprocessing import StandardScaler

    raw = [part.inputs.to_numpy("float32") for part in parts]
    scaler = StandardScaler().fit(raw[0])
    scaled = [scaler.transform(part).astype("float32") for part in raw]
    targets = parts[0].targets.astype("float32")
    answer = {}
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
        (scores,) = fitted(model, (inputs[0], targets), [inputs[2]], config, epochs)
        values = figures(parts[2], np.nan_to_num(scores[-1]), 0.0)(parts[2].weights)
        answer[name] = [values["average_precision"], values["f1"], float(np.abs(inputs[0]).max(axis=0).max())]
    return answer


def variants(config, parts, encoded: list[np.ndarray], meta: dict, epochs: int) -> dict[str, tuple]:
    """Question 2: {variant: (validation scores, test scores, the test's average precision after every epoch)}.

    The scores are those of the epoch that validation chose.
    """
    from projects.fraud_detection.model import balanced, build_model

    train, validation, test = parts
    chosen = {}
    for name, changes in VARIANTS.items():
        knobs = dataclasses.replace(config, **changes)
        rows = balanced((encoded[0], train.targets.astype("float32")), knobs)
        on_validation, on_test = fitted(build_model(knobs, meta), rows, encoded[1:], knobs, epochs)
        by_epoch = [average_precision(validation, scores) for scores in on_validation]
        best = epochs - 1 if name.startswith("last") else int(np.argmax(by_epoch))
        chosen[name] = on_validation[best], on_test[best], [average_precision(test, scores) for scores in on_test]
    return chosen


def threshold_choices(validation, test, validated: np.ndarray, tested: np.ndarray, blurred: float) -> dict:
    """Question 3: {how the threshold is chosen: [F1, cost, precision, recall] on the test}.

    validated, tested: the scores of validation and test. blurred: the threshold that the project chooses.
    """
    candidates = np.unique(validated)
    on_validation = [figures(validation, validated, limit)(validation.weights) for limit in candidates]
    alarms = np.array([validated >= limit for limit in candidates]) @ np.stack(
        [validation.weights, validation.weights * (validation.targets == 1)], axis=1
    )
    precise = candidates[alarms[:, 1] / alarms[:, 0] >= 0.9]
    on_test = [figures(test, tested, limit)(test.weights)["f1"] for limit in np.unique(tested)]
    thresholds = {
        "probability 0.5": 0.0,
        "best F1 on validation": candidates[np.argmax([values["f1"] for values in on_validation])],
        "best F1 on validation, blurred (the project's)": blurred,
        "lowest cost on validation": candidates[np.argmin([values["cost"] for values in on_validation])],
        "precision 0.9 on validation": precise.min() if len(precise) else candidates.max(),
        "best F1 on the test itself": np.unique(tested)[np.argmax(on_test)],
    }
    answer = {}
    for name, limit in thresholds.items():
        values, alarm = figures(test, tested, limit)(test.weights), tested >= limit
        raised, hits = test.weights[alarm].sum(), test.weights[alarm & (test.targets == 1)].sum()
        recall = hits / test.weights[test.targets == 1].sum()
        answer[name] = [values["f1"], values["cost"], hits / raised if raised else np.nan, recall]
    return answer


def pretended(validation, test, chosen: dict[str, tuple], by_threshold: dict) -> dict[str, list[float]]:
    """Question 4: {figure and what is chosen: [chosen on validation, chosen on the test]}."""
    on_test = {name: average_precision(test, scores) for name, (_, scores, _) in chosen.items()}
    by_validation = max(chosen, key=lambda name: average_precision(validation, chosen[name][0]))
    best_of_all = max(max(by_epoch) for _, _, by_epoch in chosen.values())
    return {
        "average precision, epoch": [on_test["default"], max(chosen["default"][2])],
        "average precision, epoch and treatment": [on_test[by_validation], best_of_all],
        "F1, threshold": [
            by_threshold["best F1 on validation, blurred (the project's)"][0],
            by_threshold["best F1 on the test itself"][0],
        ],
    }


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    print(f"\n{title}\n\n| " + " | ".join(header) + " |\n|---|" + "---:|" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def spread(answers: list[dict], question: str, name: str, column: int) -> str:
    """Mean ± standard deviation over the seeds."""
    values = [answer[question][name][column] for answer in answers]
    return f"{np.nanmean(values):.3f} ± {np.nanstd(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def variant_rows(answers: list[dict]) -> list[list[str]]:
    """Each variant's mean difference to the default, half of a seed's interval, and the verdicts of the seeds."""
    rows = []
    for name in answers[0]["variants"]["comparison"]:
        cells = [name]
        for figure in ("average_precision", "f1"):
            gaps = [answer["variants"]["comparison"][name][figure] for answer in answers]
            half = np.mean([(gap["high"] - gap["low"]) / 2 for gap in gaps])
            mean = -np.mean([gap["difference"] for gap in gaps])
            verdicts = [{"better": "worse", "worse": "better"}.get(gap["verdict"], gap["verdict"]) for gap in gaps]
            counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
            cells += [f"{mean:+.3f} ± {half:.3f}", counts]
        rows.append(cells)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="creditcard.csv, whole or in part")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=128)
    args = parser.parse_args()
    cli.start_keras()
    from projects.fraud_detection.config import Config

    answers = [one_seed(Config(seed=seed, batch_size=args.batch_size), args.data, args.epochs) for seed in args.seeds]
    first = answers[0]
    print(f"mean ± standard deviation over seeds {args.seeds}, {args.epochs} epochs")
    print_table(
        "1. One Dense unit by gradient descent",
        ["columns, optimiser", "average precision", "F1 at 0.5", "largest value"],
        [
            [name, *(spread(answers, "scales", name, i) for i in (0, 1)), f"{first['scales'][name][2]:,.0f}"]
            for name in first["scales"]
        ],
    )
    print_table(
        "2. Difference to the default (none, dropout 0.2, best epoch by validation) ± half a seed's paired interval",
        ["change", "average precision", "seeds", "F1", "seeds"],
        variant_rows(answers),
    )
    print_table(
        "3. Ways to choose the threshold, on the test",
        ["threshold", "F1", "cost per 1,000", "precision", "recall"],
        [[name, *(spread(answers, "thresholds", name, i) for i in range(4))] for name in first["thresholds"]],
    )
    rows = []
    for name in first["pretended"]:
        gap = np.mean([answer["pretended"][name][1] - answer["pretended"][name][0] for answer in answers])
        rows.append([name, *(spread(answers, "pretended", name, i) for i in (0, 1)), f"{gap:+.3f}"])
    print_table(
        "4. Chosen on validation, and on the test",
        ["figure, what is chosen", "chosen on validation", "chosen on the test", "pretended"],
        rows,
    )


if __name__ == "__main__":
    main()
