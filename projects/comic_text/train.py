"""Train the three networks of comic text: `python -m projects.comic_text.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.comic_text.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load; fit the autoencoder, the segmentation and the reader one after the other; save all of them into the run.

    METRIC is the IoU of the segmentation. Before it nothing is found, so the IoU of those epochs is 0, and after it the
    IoU stands: `fit` keeps, of epochs with the same METRIC, the one with the smallest validation loss. Callbacks from
    outside, such as those of a search, look at METRIC too, so they are for the segmentation alone.
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

    def fitted(network, training, held, epochs, name, iou=None):
        # Early stopping looks at METRIC as well.
        knobs = replace(config, epochs=epochs, patience=config.patience if iou is None else 10**6)
        constant = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda _, logs: logs.update({"iou": iou, "val_iou": iou})
        )
        outside = callbacks if iou is None else [constant]
        run.log(f"{name}: {network.count_params():,} parameters")
        fit(fuse(network), training, held, knobs, run, [*outside, OneCycle(config.learning_rate, epochs)], part=name)

    networks = {"segmentation": model.segmentation(config)}
    if config.model == "pretrained":
        networks["autoencoder"] = autoencoder = model.autoencoder(config)
        pages, held = squares(splits.train.inputs, config, damage=True), tiles(validation, config, damage=True)
        fitted(autoencoder, pages, held, config.autoencoder_epochs, "autoencoder", iou=0.0)
        model.start_from(networks["segmentation"], autoencoder)
    # As many steps for a part of the labels as for all of them: otherwise fewer steps would be compared, not labels.
    pages = squares(learnt_from, config, times=max(1, len(splits.train) // len(learnt_from)))
    fitted(networks["segmentation"], pages, tiles(validation, config), config.epochs, "segmentation")
    networks["reader"] = model.reader(config)
    lines = line_batches(config, "train", learnt_from), line_batches(config, "validation")
    reached = max(row["val_iou"] for row in run.history)
    fitted(networks["reader"], *lines, config.reader_epochs, "reader", iou=reached)
    predictor = Predictor(networks, dict(splits.meta))
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
