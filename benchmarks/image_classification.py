"""Image classification beside a plain Keras script of the same network, and beside PyTorch.

    python -m benchmarks.image_classification [--data builtin] [--data-dir FOLDER] [--rounds 5] [--model resnet]

It measures training pictures a second, without and with random changes, classified pictures a second, and the time for
one picture. The contenders take turns, a few batches each; the figures are medians over the rounds. `plain Keras` is
`model.fit` on arrays; its random changes are Keras' own RandomRotation, RandomZoom and RandomTranslation. PyTorch (only
for `--model resnet`) makes them with `affine_grid` and `grid_sample`. PyTorch is in the extra `bench`; without it there
is no such column.
"""

import argparse
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import seconds

BATCHES = 24  # batches that a contender trains on in one turn


def medians(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each call: the median of the rounds in which they take turns. The first round is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, call in contenders.items():
            duration = seconds(call)
            if turn:
                spent[name].append(duration)
    return {name: float(np.median(values)) for name, values in spent.items()}


def torch_resnet(config: Any, meta: dict) -> Any:
    """The same residual network in PyTorch, for standardised pictures (n, channels, height, width)."""
    import torch
    from torch import nn

    class Stage(nn.Module):
        def __init__(self, before: int, after: int, stride: int):
            super().__init__()
            self.one = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.two = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
            short = [nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)]
            self.short = nn.Sequential(*short) if stride > 1 or before != after else nn.Identity()

        def forward(self, x):
            y = torch.relu(self.norms[0](self.one(x)))
            return torch.relu(self.norms[1](self.two(y)) + self.short(x))

    width, channels = config.width, meta["shape"][2]
    kernel, stride = (5, 2) if config.stride_stem and meta["shape"][0] >= 20 else (3, 1)
    parts = [nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for stage in range(3):
        for number in range(config.depth):
            parts.append(Stage(before, width * 2**stage, 2 if stage and not number else 1))
            before = width * 2**stage
    parts += [
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(config.dropout),
        nn.Linear(before, len(meta["classes"])),
    ]
    return nn.Sequential(*parts)


def torch_calls(config: Any, meta: dict, pictures: np.ndarray, targets: np.ndarray) -> dict[str, Callable[[], object]]:
    """Training without and with random changes, classifying all pictures, classifying one: in PyTorch."""
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    network = torch_resnet(config, meta)
    rule = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    mean, deviation = (torch.tensor(values).float().view(1, -1, 1, 1) for values in (meta["mean"], np.sqrt(meta["variance"])))  # fmt: skip # noqa: E501
    x = (torch.from_numpy(pictures.astype("float32")).permute(0, 3, 1, 2).contiguous() - mean) / deviation
    y = torch.from_numpy(targets)

    def train(change: bool) -> None:
        network.train()
        for start in range(0, len(x), config.batch_size):
            batch = x[start : start + config.batch_size]
            if change:
                turn, scale, shift = 0.2 * torch.randn(len(batch)), 1 + 0.1 * torch.randn(len(batch)), 0.05
                rows = [scale * torch.cos(turn), -torch.sin(turn), torch.sin(turn), scale * torch.cos(turn)]
                matrix = torch.stack(rows, 1).view(-1, 2, 2)
                theta = torch.cat([matrix, shift * torch.randn(len(batch), 2, 1)], dim=2)
                grid = functional.affine_grid(theta, list(batch.shape), align_corners=False)
                batch = functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
            rule.zero_grad()
            functional.cross_entropy(network(batch), y[start : start + config.batch_size]).backward()
            rule.step()

    def answer(batch: Any) -> Any:
        network.eval()
        with torch.inference_mode():
            return [network(part) for part in torch.split(batch, 256)]

    return {
        "train": lambda: train(False),
        "changed": lambda: train(True),
        "answer": lambda: answer(x),
        "one": lambda: [answer(x[:1]) for _ in range(20)],
    }


def keras_calls(config: Any, meta: dict, pictures: np.ndarray, targets: np.ndarray) -> dict[str, Callable[[], object]]:
    """The same four calls, written with Keras alone."""
    import keras
    from keras import layers

    from projects.image_classification.model import build_model

    plain = build_model(config, meta)
    inputs = keras.Input(meta["shape"])
    x = layers.RandomRotation(12 / 360, fill_mode="nearest")(inputs)
    x = layers.RandomTranslation(0.07, 0.07, fill_mode="nearest")(layers.RandomZoom(0.12, fill_mode="nearest")(x))
    changing = keras.Model(inputs, build_model(config, meta)(x))
    changing.compile("adamw", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    pixels = pictures.astype("float32")
    return {
        "train": lambda: plain.fit(pixels, targets, config.batch_size, verbose=0),
        "changed": lambda: changing.fit(pixels, targets, config.batch_size, verbose=0),
        "answer": lambda: plain.predict(pixels, batch_size=256, verbose=0),
        "one": lambda: [plain.predict(pixels[:1], verbose=0) for _ in range(20)],
    }


def our_calls(config: Any, meta: dict, pictures: np.ndarray, targets: np.ndarray) -> dict[str, Callable[[], object]]:
    """The same four calls in this project. One picture is classified from its RGB pixels to the probabilities."""
    from common.layers.normalization import fuse
    from common.training import OneCycle
    from projects.image_classification.encoding import in_colour, picture_stream
    from projects.image_classification.model import build_model
    from projects.image_classification.predict import Predictor

    model = fuse(build_model(config, meta))
    predictor = Predictor({"model": model}, {**meta, "temperature": 1.0})
    raw = {"picture": in_colour(pictures[0])}

    def train(augment: str) -> None:
        stream = picture_stream(pictures, targets, meta["shape"], config.batch_size, augment)
        model.fit(stream, shuffle=False, verbose=0, callbacks=[OneCycle(config.learning_rate, 1)])

    return {
        "train": lambda: train("none"),
        "changed": lambda: train(meta["augment"]),
        "answer": lambda: predictor.score(pictures),
        "one": lambda: [predictor.predict(raw) for _ in range(20)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="builtin", choices=("builtin", "mnist", "fashion_mnist", "cifar10"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--model", default="resnet")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    from common import cli
    from common.project import Project

    cli.start_keras()
    from projects.image_classification.config import Config

    config = Config(model=args.model, batch_size=args.batch_size)
    splits = Project("image_classification").load_data(args.data)(config, args.data, args.data_dir)
    rows = min(BATCHES * args.batch_size, len(splits.train)) // args.batch_size * args.batch_size
    pictures, targets = splits.train.inputs[:rows], np.asarray(splits.train.targets[:rows])
    made = {"ours": our_calls, "plain Keras": keras_calls}
    if args.model == "resnet" and importlib.util.find_spec("torch"):
        made["PyTorch"] = torch_calls
    calls = {name: make(config, splits.meta, pictures, targets) for name, make in made.items()}
    print(f"{args.model}, {rows:,} pictures of {args.data}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| what | " + " | ".join(calls) + " |\n|---|" + "---:|" * len(calls), flush=True)
    for what, key, count in (
        ("training, pictures a second", "train", rows),
        ("training with random changes, pictures a second", "changed", rows),
        ("classified pictures a second, in batches of 256", "answer", rows),
        ("one picture, ms", "one", None),
    ):
        spent = medians({name: contender[key] for name, contender in calls.items()}, args.rounds)
        cells = [f"{count / spent[name]:,.0f}" if count else f"{1000 * spent[name] / 20:.1f}" for name in calls]
        print(f"| {what} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
