"""Train a translator: `python -m projects.translation.train --help`."""

import dataclasses

from common.cli import train_command
from common.runs import Run
from projects.translation.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training split, choose the epoch by translations of validation, save into the run."""
    from common.data import load_splits
    from common.training import OneCycle, fit, written_figures
    from projects.translation.metrics import figures
    from projects.translation.model import build_model
    from projects.translation.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}, unit: {splits.meta['unit']}")
    if not config.epochs:
        config = dataclasses.replace(config, epochs=min(40, max(3, 600_000 // len(splits.train))))
    model = build_model(config, splits.meta)
    predictor = Predictor({name: model.get_layer(name) for name in ("encoder", "decoder")}, dict(splits.meta))
    train = predictor.encode_split(splits.train, config.batch_size, config.seed, config.symbol_dropout)
    validation = predictor.encode_split(splits.validation, config.batch_size)
    # The loss is computed, and the weights change, after each batch. A figure of whole sentences needs written ones, so
    # validation is translated after each epoch.
    held = splits.validation
    score = written_figures(lambda: figures(predictor.translate(held.inputs, beam=1), held.targets)(held.weights))
    schedule = OneCycle(config.learning_rate, config.epochs)
    fit(model, train, validation, config, run, [score, schedule, *callbacks])
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
