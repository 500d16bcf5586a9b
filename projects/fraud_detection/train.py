"""Train a fraud detector: `python -m projects.fraud_detection.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.fraud_detection.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training split, choose epoch and threshold on validation, save into the run."""
    from functools import partial

    from common.data import load_splits
    from common.training import fit
    from projects.fraud_detection.encoding import taken_for
    from projects.fraud_detection.metrics import validation_score
    from projects.fraud_detection.model import build_models, schedule, training_data
    from projects.fraud_detection.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}\n{taken_for(splits.meta)}")
    built = build_models(config, splits.meta)  # one network, or those of the ensemble with their own seeds
    predictor = Predictor({name: model for name, (model, _) in built.items()}, dict(splits.meta))
    for name, (model, knobs) in built.items():
        encode = partial(predictor.encode_split, name=name)
        fit(
            model,
            training_data(splits.train, encode, knobs),
            encode(splits.validation),
            knobs,
            run,
            [*callbacks, *schedule(knobs)],
            score=validation_score(splits.validation, config),
            part=name if len(built) > 1 else "",
        )
    if config.model == "autoencoder" or config.imbalance != "none":
        predictor.calibrate(splits.validation)  # the scores are no logits of fraud
    predictor.choose_threshold(splits.validation)
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
