"""Train a character model: `python -m projects.char_rnn.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.char_rnn.config import Config

WARM_UP = 0.05  # fraction of the steps in which the learning rate rises


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit with the state carried along, choose epoch and cache on validation, save."""
    from common.data import load_splits
    from common.training import OneCycle, fit
    from projects.char_rnn.batches import batch_shape, text_batches
    from projects.char_rnn.data import choose_examples
    from projects.char_rnn.metrics import choose_weight, validation_callback, with_hidden
    from projects.char_rnn.model import build_model
    from projects.char_rnn.predict import Predictor

    splits = load_splits(config, run)
    text, validation = splits.train.inputs, splits.validation.inputs
    run.log(f"{splits.source.source}\n{splits.sizes} blocks")
    model = build_model(config, splits.meta, batch_shape(text, config))
    reader = with_hidden(model.network)
    watch = [validation_callback(reader, validation), OneCycle(config.learning_rate, config.epochs, WARM_UP)]
    fit(model, text_batches(text, config), None, config, run, [*watch, *callbacks])
    meta = {**splits.meta, "examples": choose_examples(validation, splits.meta)}
    meta["network_votes"] = choose_weight(reader, validation)
    run.log(f"{meta['network_votes']:g} votes of the network beside those of its cache")
    run.save(Predictor({"model": model.network}, meta))


if __name__ == "__main__":
    train_command(__spec__.parent)
