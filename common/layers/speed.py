"""Faster recurrent layers on a CPU, where the file that makes them faster is there. A fork may leave it out."""

import importlib
import importlib.util
from typing import Any

FILE = "common.layers.recurrent"


def speed_up(model: Any) -> Any:
    """Make the recurrent layers of a built or loaded model faster. Returns the same model; see `FILE` for how."""
    if importlib.util.find_spec(FILE):
        importlib.import_module(FILE).accelerate(model)
    return model
