"""The stopwatch of the benchmarks."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def seconds(call: Callable[..., Any], *arguments: Any) -> float:
    """Wall seconds of one call."""
    begin = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begin


def median_seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """The median time of some calls, after one that is not counted: it compiles."""
    call()
    return float(np.median([seconds(call) for _ in range(repeats)]))
