"""What single units of the network react to: their activation beside simple properties of the text."""

import re

import numpy as np
import pandas as pd

MIN_FRACTION = 0.005  # the share of characters that must have a property; rarer properties are left out


def properties(text: str) -> dict[str, np.ndarray]:
    """Properties of each character of a text by name, (characters,) floats. They depend on the text so far alone.

    Karpathy et al. 2016 (arXiv:1506.02078) looked for units that react to them by eye.
    """
    rows = []
    column = indent = quoted = length = depth = 0
    line_start = True  # nothing but spaces since the line began
    previous = ""
    for character in text:
        if character == "\n":
            column, indent, line_start = 0, 0, True
        else:
            column += 1
            line_start = line_start and character == " "
            indent += line_start
        quoted = not quoted if character == '"' else quoted
        length = length + 1 if character.isalnum() or character == "_" else 0
        depth = max(0, depth + (character in "([{") - (character in ")]}"))
        depth = 0 if character == previous == "\n" else depth  # a bracket that is never closed ends with its paragraph
        previous = character
        rows.append((column, indent, quoted, length, depth > 0))
    in_line, indentation, in_quotes, in_word, in_brackets = np.array(rows, float).reshape(-1, 5).T
    characters = np.array(list(text))
    result = {
        "place in the line": np.minimum(in_line, 100),
        "end of a line": characters == "\n",
        "indentation": np.minimum(indentation, 20),
        "inside quotes": in_quotes,
        "inside brackets": in_brackets,
        "place in the word": np.minimum(in_word, 12),
        "space": characters == " ",
        "capital letter": [character.isupper() for character in text],
        "digit": [character.isdigit() for character in text],
        "vowel": [character in "aeiouAEIOU" for character in text],
        "punctuation": [bool(re.match(r"[^\w\s]", character)) for character in text],
    }
    return {name: np.asarray(values, float) for name, values in result.items()}


def reactions(text: str, hidden: dict[str, np.ndarray]) -> pd.DataFrame:
    """For each property the unit whose activation correlates most: columns property, layer, unit, correlation.

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
        if np.mean(values != 0) < MIN_FRACTION or values.std() == 0:
            continue
        centred = values - values.mean()
        correlation = centred @ states / (scale * np.sqrt((centred**2).sum()))
        best = int(np.argmax(np.abs(correlation)))
        rows.append((name, layers[best], int(units[best]), float(correlation[best])))
    table = pd.DataFrame(rows, columns=["property", "layer", "unit", "correlation"])
    return table.sort_values("correlation", key=abs, ascending=False, ignore_index=True)
