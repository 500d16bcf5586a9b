"""Train a labeller of films: `python -m projects.video_labelling.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.video_labelling.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training films, choose epoch and temperature on validation, save into the run."""
    from common.data import load_splits
    from common.layers.speed import fuse
    from common.training import OneCycle, fit
    from projects.video_labelling.model import build_models
    from projects.video_labelling.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}, {len(splits.meta['labels'])} labels")
    model, networks = build_models(config, splits.meta)
    predictor = Predictor(networks, dict(splits.meta))
    training = predictor.encode_split(splits.train, config.batch_size, config.seed, config.augment)
    validation = predictor.encode_split(splits.validation, config.batch_size)
    schedule = OneCycle(config.learning_rate, config.epochs)
    fit(fuse(model), training, validation, config, run, [schedule, *callbacks])
    predictor.calibrate(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
