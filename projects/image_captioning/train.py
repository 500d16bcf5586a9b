"""Train a captioner: `python -m projects.image_captioning.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.image_captioning.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Load, build, fit on the training pictures, choose the epoch by captions of validation, save into the run."""
    import functools

    from common.data import load_splits
    from common.layers.speed import fuse
    from common.training import OneCycle, fit, written_figures
    from projects.image_captioning.metrics import split_figures
    from projects.image_captioning.model import build_model
    from projects.image_captioning.predict import Predictor

    splits = load_splits(config, run)
    meta = splits.meta
    run.log(
        f"{splits.source.source}\n{splits.sizes}, {len(meta['vocabulary']['symbols']):,} words, {meta['shape']} pixels"
    )
    model = fuse(build_model(config, meta))
    predictor = Predictor({name: model.get_layer(name) for name in ("encoder", "decoder")}, dict(meta))
    training = predictor.encode_split(splits.train, config.batch_size, config.seed, config.mirror)
    validation = predictor.encode_split(splits.validation, config.batch_size)
    write = functools.partial(predictor.captions, beam=1)
    score = written_figures(lambda: split_figures(write, splits.validation, meta["scenes"]))
    schedule = OneCycle(config.learning_rate, config.epochs)
    fit(model, training, validation, config, run, [score, schedule, *callbacks])
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
