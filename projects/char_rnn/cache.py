"""A neural cache: the network looks back to where it was in a similar state, and to the characters that came then.

Grave, Joulin & Usunier 2017 (arXiv:1612.04426): each place of the past votes for the character that followed it. The
weight of its vote grows with the similarity of its state to the present one. Nothing is trained. Two things differ from
the article. The similarity is the cosine and not the inner product, so that one SHARPNESS suits networks of any width.
The votes are not made a distribution that has a fixed share: the network votes too, with a fixed weight. So the cache
says little where the past holds nothing similar.
"""

import numpy as np

LENGTH = 2048  # characters that it looks back
SHARPNESS = 15.0  # a place votes with the weight exp(SHARPNESS * (cosine - 1)): 1 for the very same state
WEIGHTS = 2.0 ** np.arange(-3, 11)  # weights of the network's vote that are tried on validation


def votes(hidden: np.ndarray, following: np.ndarray, begin: int, symbols: int) -> np.ndarray:
    """The votes of the past after each character from `begin` on: (characters - begin, symbols) float32.

    hidden: (characters, units), the state after each character. following: (characters,) the index of the logit of the
    character after each; -1, which gets no vote, where it is unknown.
    """
    keys = hidden / np.maximum(np.linalg.norm(hidden, axis=1, keepdims=True), 1e-6)
    first = int(np.argmax(following >= 0))  # the text may begin in between
    now, past = np.arange(begin, len(hidden))[:, None], np.arange(first, len(hidden))
    weights = np.exp(SHARPNESS * (keys[begin:] @ keys[first:].T - 1)) * ((past < now) & (past >= now - LENGTH))
    return weights.astype("float32") @ (following[first:, None] == np.arange(symbols)).astype("float32")


def mix(probabilities: np.ndarray, votes: np.ndarray, weight: float) -> np.ndarray:
    """What the network (n, symbols) and the votes of the past (n, symbols) expect together.

    weight: of the network's vote, which it divides among the symbols by their probabilities.
    """
    return (weight * probabilities + votes) / (weight + votes.sum(axis=1, keepdims=True, dtype=float))
