"""Train an image classifier: `python -m projects.image_classification.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.image_classification.config import Config, effective


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training pictures, choose epoch and temperature on validation, save into the run."""
    from common.data import load_splits
    from common.layers.speed import fuse
    from common.training import OneCycle, fit
    from projects.image_classification.model import build_model
    from projects.image_classification.predict import Predictor

    splits = load_splits(config, run)
    meta = splits.meta
    run.log(f"{splits.source.source}\n{splits.sizes}, pictures of {meta['shape']}, augmentation: {meta['augment']}")
    model = fuse(build_model(config, meta))
    predictor = Predictor({"model": model}, dict(meta))
    knobs = effective(config)
    schedule = [OneCycle(knobs.learning_rate, knobs.epochs)] if config.recipe == "one_cycle" else []
    training = predictor.encode_split(splits.train, knobs)
    validation = predictor.encode_split(splits.validation)
    fit(model, training, validation, knobs, run, [*schedule, *callbacks])
    predictor.calibrate(splits.validation, splits.train)
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
