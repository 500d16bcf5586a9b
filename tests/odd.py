"""Odd inputs, made from the shape of good ones: what a Predictor may be asked."""

import math
import random
import time
import traceback
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.runs import Run

ANSWER_SECONDS = 0.5  # so long answers to each tenth odd input are read; of the others the first is read
# What a raw input may hold besides the keys of the examples.
ALSO: dict[str, dict[str, Any]] = {
    "char_rnn": {"top_k": 5, "top_p": 0.9, "stop": "the"},
    "comic_text": {"order": "right", "blocks": [{"box": [2, 2, 40, 30], "text": "Hi", "translation": "안녕"}]},
    "fraud_detection": {"history": [{"hours_before": 2.5}]},
    "super_resolution": {"scale": 2, "quality": "fast", "seed": 0, "kernel": [[0.1, 0.8, 0.1]] * 3},
}

TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\n",
        "a" * 5000,
        "👩‍👩‍👧 é",
        "가" * 300,
        "한글",
        "=1+1",
        "<b>x</b>",
        "../../etc",
        "nan",
        "1e999",
        "-0",
        "٣",
        "\ud800",
    ]
)
NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 3, 0.5, -0.5, 10**9, -(10**9), 10**400, 1e308, -1e308, 1e-320, math.nan, math.inf, -math.inf, True]
)
ARRAYS = st.sampled_from(
    [
        np.zeros((0,)),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((3000, 1, 3), np.uint8),
        np.zeros((1, 3000, 3), np.uint8),
        np.zeros((5, 0, 3), np.uint8),
        np.full((8, 8, 3), 255, np.uint8),
        np.full((8, 8, 3), np.nan),
        np.full((8, 8), 7, np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.int64) - 5,
        np.array([["a"]], object),
        np.array("x"),
        np.zeros((2, 2, 2, 2, 2)),
    ]
)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS | ARRAYS | st.binary(max_size=20)
ANYTHING = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=5), PLAIN, max_size=3)


def like(example: Any) -> st.SearchStrategy:
    """Values that resemble an example, with something odd about them, or none at all."""
    return ANYTHING | _changed(example)


def _changed(example: Any) -> st.SearchStrategy:
    """The example, with one of its parts replaced, left out or added."""
    if isinstance(example, dict) and example:
        name = st.sampled_from(sorted(example))
        replaced = name.flatmap(lambda key: like(example[key]).map(lambda value: {**example, key: value}))
        without = name.map(lambda key: {other: value for other, value in example.items() if other != key})
        added = ANYTHING.map(lambda value: {**example, "another": value})
        return replaced | replaced | without | added
    if isinstance(example, (list, tuple)) and len(example):
        kind = type(example)
        place = st.integers(0, len(example) - 1)
        replaced = place.flatmap(
            lambda i: like(example[i]).map(lambda value: kind([*example[:i], value, *example[i + 1 :]]))
        )
        return replaced | st.just(kind()) | place.map(lambda i: kind(example[:i])) | st.just(kind(list(example) * 3))
    if isinstance(example, str):
        return TEXTS | st.text(max_size=40) | TEXTS.map(lambda text: example[: len(example) // 2] + text)
    if isinstance(example, np.ndarray):
        changed = [
            example[:1],
            example[..., :1],
            example[::-1],
            example.astype(float) * 1e30,
            example.astype("float32") / 0.1,
        ]
        return ARRAYS | st.sampled_from(changed)
    if isinstance(example, (int, float)):
        return NUMBERS | st.integers() | st.floats()
    return ANYTHING


ODD_JSON = [None, True, 0, -1, 0.5, 10**30, 10**400, math.nan, 1e308, 1e-320]
ODD_JSON += ["", "a", "2999", "\ud800", "가" * 100, [], {}, [[[]]], {"a": None}]


def replaced(value: Any, dice: random.Random) -> Any:
    """A JSON value with one part somewhere in it replaced, repeated or left out."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name = dice.choice(sorted(value))
        if dice.random() < 0.2:
            return {key: part for key, part in value.items() if key != name}
        return {**value, name: replaced(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        place = dice.randrange(len(value))
        part = [] if dice.random() < 0.2 else [replaced(value[place], dice)] * dice.choice([1, 1, 2])
        return [*value[:place], *part, *value[place + 1 :]]
    return dice.choice(ODD_JSON)


def not_finite(answer: Any, place: str = "") -> str:
    """Where an answer holds a number that is none; empty where it holds no such number."""
    if isinstance(answer, dict):
        return next(filter(None, (not_finite(value, f"{place}.{name}") for name, value in answer.items())), "")
    if isinstance(answer, (list, tuple)):
        return next(filter(None, (not_finite(value, f"{place}[{i}]") for i, value in enumerate(answer))), "")
    if isinstance(answer, np.ndarray):
        return "" if answer.dtype.kind not in "fc" or np.isfinite(answer).all() else place
    return place if isinstance(answer, (float, np.floating)) and not math.isfinite(answer) else ""


def ask(run: Run, seed: int, count: int) -> tuple[int, list[str]]:
    """Ask a run's Predictor `count` odd inputs made from its first example: (how many were asked, what failed).

    `stream` ends with the answer of `predict`, and gives its first one early. The first one is read for every input,
    and the following ones for each tenth input, because a Predictor may train for seconds before the last.
    """
    predictor = run.load()
    example = predictor.examples[0]
    if run.project.name in ALSO:
        example = {**example, **ALSO[run.project.name]}
    failures: list[str] = []
    asked = 0

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(raw=like(example))
    def answer(raw: Any) -> None:
        nonlocal asked
        asked += 1
        deadline = time.monotonic() + (ANSWER_SECONDS if asked % 10 == 0 else 0)
        try:
            for part in predictor.stream(raw):
                if place := not_finite(part):
                    failures.append(f"{place} is not finite for {raw!r:.200}")
                if time.monotonic() > deadline:
                    break
        except UserError as error:
            if not str(error).strip():
                failures.append(f"an empty sentence for {raw!r:.200}")
        except Exception:
            failures.append(f"{raw!r:.200}\n{traceback.format_exc()[-1500:]}")

    answer()
    return asked, failures
