"""Train the three networks of comic text: `python -m projects.comic_text.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.comic_text.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load; fit the autoencoder, the reader and the segmentation one after the other; save all of them into the run.

    The segmentation comes last: METRIC is its IoU. Before it nothing is found, so the IoU of those epochs is 0, and of
    epochs with the same METRIC `fit` keeps the one with the smallest validation loss.
    """
    from dataclasses import replace

    import keras

    from common.data import load_splits
    from common.layers.speed import fuse
    from common.training import OneCycle, fit
    from projects.comic_text import model
    from projects.comic_text.data import learnt, line_batches, squares, tiles
    from projects.comic_text.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    learnt_from, validation = learnt(config, splits.train.inputs), splits.validation.inputs
    nothing_found = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update({"iou": 0.0, "val_iou": 0.0})
    )

    def fitted(network, training, held, epochs, name, extra=()):
        # Early stopping looks at METRIC, so it is for the segmentation alone.
        knobs = replace(config, epochs=epochs, patience=10**6 if extra else config.patience)
        run.log(f"{name}: {network.count_params():,} parameters")
        schedule = OneCycle(config.learning_rate, epochs)
        fit(fuse(network), training, held, knobs, run, [*extra, schedule, *callbacks], part=name)

    networks = {}
    segmentation = model.segmentation(config)
    if config.model == "pretrained":
        networks["autoencoder"] = autoencoder = model.autoencoder(config)
        pages, held = squares(splits.train.inputs, config, damage=True), tiles(validation, config, damage=True)
        fitted(autoencoder, pages, held, config.autoencoder_epochs, "autoencoder", [nothing_found])
        model.start_from(segmentation, autoencoder)
    networks["reader"] = reader = model.reader(config)
    lines = line_batches(config, "train", learnt_from), line_batches(config, "validation")
    fitted(reader, *lines, config.reader_epochs, "reader", [nothing_found])
    networks["segmentation"] = segmentation
    # As many steps for a part of the labels as for all of them: otherwise fewer steps would be compared, not labels.
    times = max(1, len(splits.train) // len(learnt_from))
    fitted(
        segmentation,
        squares(learnt_from, config, times=times),
        tiles(validation, config),
        config.epochs,
        "segmentation",
    )
    predictor = Predictor(networks, dict(splits.meta))
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
