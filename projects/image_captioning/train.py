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
    from projects.image_captioning import backbone
    from projects.image_captioning.data import seen_by
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
    learnt, chosen = splits.train, splits.validation
    if config.backbone != "none":  # it looks at each picture once; the training sees what it gives
        frozen = backbone.load(config.backbone, meta["shape"])
        learnt, chosen = seen_by(frozen, splits, run)
    training = predictor.encode_split(learnt, config.batch_size, config.seed, config.mirror)
    validation = predictor.encode_split(chosen, config.batch_size)
    write = functools.partial(predictor.captions, beam=1)
    score = written_figures(lambda: split_figures(write, chosen, meta["scenes"]))
    schedule = OneCycle(config.learning_rate, config.epochs)
    fit(model, training, validation, config, run, [score, schedule, *callbacks])
    if config.backbone != "none":
        predictor.networks["encoder"] = backbone.on_top(predictor.networks["encoder"], frozen)
    predictor.choose_examples(splits.validation)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
