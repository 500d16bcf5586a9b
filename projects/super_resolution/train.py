"""Learn from pictures, one by one: `python -m projects.super_resolution.train --help`."""

from common.cli import train_command
from common.runs import Run
from projects.super_resolution.config import Config


def train(config: Config, run: Run, callbacks=()) -> None:
    """Enlarge every validation picture, each by a network that learns from it alone, and keep the pictures.

    An epoch of this project is a picture. Pictures that an earlier start has finished are not done again. The stop
    file and Ctrl-C end it at once and leave the run unfinished: `--resume` goes on with the next picture.
    """
    from dataclasses import asdict

    from common.data import load_splits
    from projects.super_resolution.data import degraded
    from projects.super_resolution.evaluate import enlarge_all, kept_picture
    from projects.super_resolution.predict import Predictor

    splits = load_splits(config, run)
    run.log(f"{splits.source.source}\n{splits.sizes}")
    predictor = Predictor({}, {"config": asdict(config)})
    folder = run.path / "pictures" / "validation"
    rows = enlarge_all(splits.validation.inputs, predictor, folder, run, callbacks, history=True)
    for picture, row in list(zip(splits.validation.inputs, rows, strict=True))[:2]:
        low, _ = degraded(picture, config)
        answer = {
            "picture": kept_picture(folder, picture),
            "progress": 1.0,
            "loss": row["loss"],
            "seconds": row["seconds"],
            "kernel": row["kernel"],
        }
        predictor.keep_example(low, answer)
    run.save(predictor)


if __name__ == "__main__":
    train_command(__spec__.parent)
