"""Train a network on the adding problem: `python -m projects.adding_problem.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.adding_problem.config import Config

EXAMPLES = 6


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training sequences, choose the epoch on validation, save into the run."""
    from common.data import load_splits
    from common.training import fit
    from projects.adding_problem.encoding import as_raw
    from projects.adding_problem.model import build_model
    from projects.adding_problem.predict import Predictor

    splits = load_splits(config, run)
    train, validation = splits.train, splits.validation
    run.log(f"{splits.source.source}\n{splits.sizes}")
    model = build_model(config, splits.meta)
    fit(model, (train.inputs, train.targets), (validation.inputs, validation.targets), config, run, callbacks)
    examples = [as_raw(x) for x in validation.inputs[:EXAMPLES]]
    run.save(Predictor({"model": model}, {**splits.meta, "examples": examples}))


if __name__ == "__main__":
    train_command(__spec__.parent)
