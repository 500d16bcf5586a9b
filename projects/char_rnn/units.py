"""What single units of the network react to: their activation beside simple properties of the text."""

import re

import numpy as np
import pandas as pd

LEAST_SHARE = 0.005  # of the characters that must have a property before it is looked for


def properties(text: str) -> dict[str, np.ndarray]:
    """Properties of each character of a text, (characters,) floats, by name; only of what has been read so far.

    Karpathy et al. 2016 (arXiv:1506.02078) looked for such units by eye.
    """
    since_break, indentation, quoted, word, depth = [], [], [], [], []
    column = indent = inside = length = brackets = 0
    begins = True
    for character in text:
        if character == "\n":
            column, indent, begins = 0, 0, True
        else:
            column += 1
            begins = begins and character == " "
            indent += begins
        inside = not inside if character == '"' else inside
        length = length + 1 if character.isalnum() or character == "_" else 0
        brackets = max(0, brackets + (character in "([{") - (character in ")]}"))
        brackets = 0 if character == "\n" and text[len(since_break) - 1 : len(since_break)] == "\n" else brackets
        since_break.append(column)
        indentation.append(indent)
        quoted.append(inside)
        word.append(length)
        depth.append(brackets > 0)
    characters = np.array(list(text))
    found = {
        "place in the line": np.minimum(since_break, 100),
        "end of a line": characters == "\n",
        "indentation": np.minimum(indentation, 20),
        "inside quotes": quoted,
        "inside brackets": depth,
        "place in the word": np.minimum(word, 12),
        "space": characters == " ",
        "capital letter": [character.isupper() for character in text],
        "digit": [character.isdigit() for character in text],
        "vowel": [character in "aeiouAEIOU" for character in text],
        "punctuation": [bool(re.match(r"[^\w\s]", character)) for character in text],
    }
    return {name: np.asarray(values, float) for name, values in found.items()}


def reactions(text: str, hidden: dict[str, np.ndarray]) -> pd.DataFrame:
    """For each property, the unit whose activation goes with it most closely: property, layer, unit, correlation.

    hidden: {layer: (characters, units)}. Properties that fewer than one character in 200 has are left out.
    """
    layers = np.concatenate([np.repeat(name, states.shape[1]) for name, states in hidden.items()])
    units = np.concatenate([np.arange(states.shape[1]) for states in hidden.values()])
    states = np.concatenate(list(hidden.values()), axis=1)
    states = states - states.mean(axis=0)
    scale = np.sqrt((states**2).sum(axis=0)) + 1e-12
    rows = []
    for name, values in properties(text).items():
        values = values - np.median(values) if name in ("place in the line", "place in the word") else values
        if not LEAST_SHARE < np.mean(values != 0) or values.std() == 0:
            continue
        centred = values - values.mean()
        correlation = centred @ states / (scale * np.sqrt((centred**2).sum()))
        best = int(np.argmax(np.abs(correlation)))
        rows.append((name, layers[best], int(units[best]), float(correlation[best])))
    table = pd.DataFrame(rows, columns=["property", "layer", "unit", "correlation"])
    return table.sort_values("correlation", key=abs, ascending=False, ignore_index=True)
