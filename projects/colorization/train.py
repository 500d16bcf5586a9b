"""Train a colorizer: `python -m projects.colorization.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.colorization.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training photographs, choose the epoch on validation, save the generator into the run.

    What differs from other projects: the pictures stream from disk, the model of `gan` holds two networks of which one
    is kept, and figures/ gets the sample pictures and the losses after every epoch.
    """
    from common.data import load_splits
    from common.training import fit, problems_said
    from projects.colorization.model import build_model
    from projects.colorization.predict import Predictor
    from projects.colorization.watch import LinearDecay, Samples, WatchDiscriminator

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    model = build_model(config, splits.meta)
    predictor = Predictor({"model": model.averaged}, dict(splits.meta))
    training = predictor.encode_split(splits.train, config.batch_size, config.zoom, epoch=len(run.history))
    validation = predictor.encode_split(splits.validation, config.batch_size)
    watchers = [
        LinearDecay(model, config.epochs),
        WatchDiscriminator(run),
        Samples(run, splits.validation.inputs, config.size),
    ]
    with problems_said(training, validation):
        fit(model, training, validation, config, run, [*watchers, *callbacks])
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
