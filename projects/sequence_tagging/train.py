"""Train a tagger: `python -m projects.sequence_tagging.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.sequence_tagging.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training split, choose epoch and temperature on validation, save into the run."""
    from common.data import load_splits
    from common.training import OneCycle, fit
    from projects.sequence_tagging.metrics import validation_callback
    from projects.sequence_tagging.model import build_models
    from projects.sequence_tagging.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}, {len(splits.meta['tags'])} tags")
    # The network answers and is kept. With a CRF, what is trained has one more layer on top: the transitions.
    network, trained = build_models(config, splits.meta)
    predictor = Predictor({"model": network}, dict(splits.meta))
    train = predictor.encode_split(splits.train, config.batch_size, config.seed, config.word_dropout)
    validation = predictor.encode_split(splits.validation, config.batch_size)
    score = validation_callback(predictor, trained, splits.validation)
    schedule = OneCycle(config.learning_rate, config.epochs)
    fit(trained, train, validation, config, run, [score, schedule, *callbacks])
    predictor.read_transitions(trained)
    predictor.calibrate(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
