"""Train the three networks of comic text: `python -m projects.comic_text.train --help`."""

from dataclasses import replace

from common.cli import train_command
from common.runs import Run
from projects.comic_text.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load; fit autoencoder, segmentation and reader one after the other; save all of them into the run.

    METRIC is the IoU of the segmentation as it stands. While another network learns it stays the same, so `fit` keeps
    the epoch with the smallest validation loss. Callbacks from outside look at METRIC: the segmentation alone has them.
    """
    from common.data import load_splits
    from common.layers.speed import fuse
    from common.training import OneCycle, fit, written_figures
    from projects.comic_text.data import batches
    from projects.comic_text.metrics import validation_iou
    from projects.comic_text.model import build_models, start_from
    from projects.comic_text.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    networks = build_models(config)
    predictor = Predictor(networks, dict(splits.meta))
    score = written_figures(lambda: {"iou": validation_iou(predictor.mask, splits.validation)})
    epochs = {"autoencoder": config.autoencoder_epochs, "segmentation": config.epochs, "reader": config.reader_epochs}
    for name, network in networks.items():
        run.log(f"{name}: {network.count_params():,} parameters")
        outside, patience = (callbacks, config.patience) if name == "segmentation" else ((), epochs[name])
        knobs = replace(config, epochs=epochs[name], patience=patience)
        steps = [score, OneCycle(config.learning_rate, epochs[name]), *outside]
        fit(fuse(network), *batches(name, splits, config), knobs, run, steps, part=name)
        if name == "autoencoder":
            start_from(networks["segmentation"], network)
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
