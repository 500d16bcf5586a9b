"""Train a fraud detector: `python -m projects.fraud_detection.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.fraud_detection.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training split, choose epoch and threshold on validation, save into the run."""
    from common.data import load_splits
    from common.training import fit
    from projects.fraud_detection.evaluate import ranking
    from projects.fraud_detection.model import build_models, schedule, treated
    from projects.fraud_detection.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    built = build_models(config, splits.meta)  # one network, or those of the ensemble, each with its own seed
    predictor = Predictor({name: model for name, (model, _) in built.items()}, dict(splits.meta))
    for name, (model, knobs) in built.items():
        fit(
            model,
            treated(predictor.encode_split(splits.train, name), knobs),
            predictor.encode_split(splits.validation, name),
            knobs,
            run,
            [*callbacks, *schedule(knobs)],
            score=ranking(splits.validation, config),
            part=name if len(built) > 1 else "",
        )
    if config.model == "autoencoder" or config.imbalance != "none":
        predictor.calibrate(splits.validation)  # what was learnt is not the log-odds of fraud
    predictor.choose_threshold(splits.validation)
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
