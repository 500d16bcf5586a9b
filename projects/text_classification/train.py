"""Train a text classifier: `python -m projects.text_classification.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.text_classification.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training split, choose epoch, mix and temperature on validation, save into the run."""
    from common.data import load_splits
    from common.training import OneCycle, fit
    from projects.text_classification.metrics import accuracy_of
    from projects.text_classification.model import build_models, interpolate, start_from_naive_bayes
    from projects.text_classification.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}, unit: {splits.meta['unit']}")
    predictor = Predictor(build_models(config, splits.meta), dict(splits.meta))
    for name, model in predictor.networks.items():
        train = predictor.encode_split(splits.train, name, config.batch_size, config.seed)
        validation = predictor.encode_split(splits.validation, name)
        schedule = [] if name == "bag" else [OneCycle(float(model.optimizer.learning_rate), config.epochs)]
        if name == "bag":
            start_from_naive_bayes(model, splits.meta["kinds"], train)
        score = accuracy_of(validation)
        fit(model, train, validation, config, run, [*schedule, *callbacks], score=score, part=name)
        if name == "bag":
            interpolate(model, splits.meta["kinds"], validation)
    predictor.calibrate(splits.validation)
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
