"""Learn from pictures, one after the other: `python -m projects.super_resolution.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.super_resolution.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Enlarge every validation picture, each by a network that learns from it alone, and keep the pictures.

    An epoch of this project is a picture. A resumed training goes on with the picture in which it was stopped, from the
    picture's beginning. The stop file and Ctrl-C end the training at once and leave the run unfinished.
    """
    from dataclasses import asdict

    from common.data import load_splits
    from projects.super_resolution.pictures import enlarge_all, kept_example
    from projects.super_resolution.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    folder, pictures = run.path / "pictures" / "validation", splits.validation.inputs
    rows = enlarge_all(pictures, config, folder, run, callbacks, history=True)
    examples = [kept_example(folder, *pair, config) for pair in zip(pictures[:2], rows, strict=False)]
    run.save(Predictor({}, {"config": asdict(config), "examples": examples}))


if __name__ == "__main__":
    train_command(__spec__.parent)
