"""Train a colorizer: `python -m projects.colorization.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.colorization.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training photographs, choose the epoch on validation, save the generator into the run.

    The pictures are read from disk batch by batch. The model of `gan` holds two networks; the run keeps the generator.
    The sample pictures are saved after every epoch.
    """
    from common.data import load_splits
    from common.training import fit
    from projects.colorization.data import picture_stream
    from projects.colorization.model import build_model
    from projects.colorization.predict import Predictor
    from projects.colorization.watch import LinearDecay, Samples, WatchDiscriminator

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    model = build_model(config, splits.meta)
    training = picture_stream(splits.train.inputs, config.size, config.batch_size, config.zoom, config.seed)
    validation = picture_stream(splits.validation.inputs, config.size, config.batch_size)
    watchers = [
        LinearDecay(model, config.epochs),
        WatchDiscriminator(run),
        Samples(run, splits.validation.inputs, config.size),
    ]
    fit(model, training, validation, config, run, [*watchers, *callbacks])
    run.save(Predictor({"model": model.averaged}, splits.meta))


if __name__ == "__main__":
    train_command(__spec__.parent)
