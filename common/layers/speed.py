"""Faster recurrent layers on a CPU, where common/layers/recurrent.py is present. A fork may leave that file out."""

import importlib
import importlib.util
from typing import Any

FILE = "common.layers.recurrent"


def speed_up(model: Any) -> Any:
    """Make the recurrent layers of a built or loaded model faster. Returns the same model."""
    if importlib.util.find_spec(FILE):
        importlib.import_module(FILE).accelerate(model)
    return model
