"""Train a character model: `python -m projects.char_rnn.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.char_rnn.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training part with the state carried along, choose the epoch on validation, save."""
    from common.data import load_splits
    from common.training import OneCycle, fit
    from projects.char_rnn.learn import WARM_UP, Pieces, Validate
    from projects.char_rnn.model import build_model
    from projects.char_rnn.predict import Predictor, choose_examples

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes} blocks")
    pieces = Pieces(splits.train.inputs, config, epoch=len(run.history))
    model = build_model(config, splits.meta, pieces.batch, pieces.sequence)
    predictor = Predictor({"model": model.network}, {**splits.meta, "window": config.window})
    watch = [Validate(predictor, splits.validation.inputs), OneCycle(config.learning_rate, config.epochs, WARM_UP)]
    fit(model, pieces, None, config, run, [*watch, *callbacks])
    predictor.meta["examples"] = choose_examples(splits.validation.inputs, predictor)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
