"""Train a detector: `python -m projects.mask_detection.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.mask_detection.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training pictures, choose epoch and threshold on validation, save into the run."""
    from common.data import load_splits
    from common.layers.speed import fuse
    from common.training import OneCycle, fit, written_figures
    from projects.mask_detection.metrics import best_threshold, figures
    from projects.mask_detection.model import answering, build_model
    from projects.mask_detection.predict import Predictor

    splits = load_splits(config, run)
    validation = splits.validation
    run.log(f"{splits.source.source}\n{splits.sizes}, {len(splits.meta['classes'])} classes")
    model = fuse(build_model(config, splits.meta))
    predictor = Predictor({"model": answering(model)}, dict(splits.meta))
    run.log(f"{model.count_params():,} parameters")

    def score() -> dict[str, float]:
        return figures(predictor.matches(validation))(validation.weights)

    training, held = (predictor.encode_split(part, config, part is splits.train) for part in (splits.train, validation))
    steps = [OneCycle(config.learning_rate, config.epochs), written_figures(score), *callbacks]
    fit(model, training, held, config, run, steps)
    predictor.meta["threshold"] = best_threshold(predictor.matches(validation))
    predictor.choose_examples(validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
