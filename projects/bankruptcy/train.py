"""Train a network to see bankruptcies coming: `python -m projects.bankruptcy.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.bankruptcy.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training series, choose epoch and threshold on validation, save into the run."""
    from common.data import load_splits
    from common.training import OneCycle, fit
    from projects.bankruptcy.encoding import encode
    from projects.bankruptcy.metrics import validation_score
    from projects.bankruptcy.model import build_model
    from projects.bankruptcy.predict import Predictor
    from projects.bankruptcy.rocket import fit_biases

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    meta = dict(splits.meta)
    if config.model == "rocket":
        x = encode(splits.train.inputs, meta)[..., :-1]
        meta |= {"kernels": config.kernels, "biases": fit_biases(x, config.kernels)}
    model = build_model(config, meta)
    predictor = Predictor({"model": model}, meta)
    fit(
        model,
        predictor.encode_split(splits.train),
        predictor.encode_split(splits.validation),
        config,
        run,
        [OneCycle(config.learning_rate, config.epochs), *callbacks],
        score=validation_score(splits.validation, meta),
    )
    predictor.prepare(splits.validation, config.base_rate)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
