"""Train a fraud detector: `python -m projects.fraud_detection.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.fraud_detection.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training split, choose epoch and threshold on validation, save into the run."""
    from common.training import fit
    from projects.fraud_detection.data import load_data
    from projects.fraud_detection.evaluate import ranking
    from projects.fraud_detection.model import build_model
    from projects.fraud_detection.predict import Predictor

    splits = load_data(config, run.data, run.data_dir)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    model = build_model(config, splits.meta)
    predictor = Predictor({"model": model}, dict(splits.meta))
    fit(
        model,
        predictor.encode_split(splits.train),
        predictor.encode_split(splits.validation),
        config,
        run,
        callbacks,
        score=ranking(splits.validation, config),
    )
    predictor.choose_threshold(splits.validation)
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
