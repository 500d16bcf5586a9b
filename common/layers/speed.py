"""What makes training faster on a CPU. Each part is a file that a fork may leave out; then nothing happens here."""

import importlib
import importlib.util
from typing import Any


def speed_up(model: Any) -> Any:
    """Make the recurrent layers of a built or loaded model faster. Returns the same model."""
    _apply("common.layers.recurrent", "accelerate", model)
    return model


def fuse(model: Any) -> Any:
    """Make the batch normalisations of a built model train faster. Returns the same model."""
    _apply("common.layers.normalization", "fuse", model)
    return model


def keep_freed_memory() -> None:
    """Keep large freed blocks of memory for the next step. It must come before Keras is imported."""
    _apply("common.memory", "keep_freed_memory")


def _apply(module: str, function: str, *arguments: Any) -> None:
    if importlib.util.find_spec(module):
        getattr(importlib.import_module(module), function)(*arguments)
