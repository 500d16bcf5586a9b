"""A card's transactions in order: what came before each one, and the precision of a list of cards.

Rows of one card are ordered by time; rows of one instant keep the order of the file, so each sees those above it.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from projects.fraud_detection.simulate import FEATURES, WINDOWS

LISTED = 100  # cards that an investigator looks into on a day
LIKELY = 8  # times as many may come on the list in a resample: some are absent, some were found before
SECONDS_PER_HOUR, SECONDS_PER_DAY = 3600, 86_400


def has_relations(frame: pd.DataFrame) -> bool:
    """Whether a table has the handbook's columns."""
    return set(FEATURES) <= set(frame)


def relations(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the handbook's columns say of each other: {name: (rows,)}.

    The log of 1 + each column; for each window of days the log of how many times the card's mean the amount is, the
    mean with and without this transaction itself; and the log of 1 + the terminal's number of frauds, which is its risk
    times its number of transactions. A network could learn quotients and products, from more examples than a week has.
    """
    amount = frame["TX_AMOUNT"].to_numpy(float)
    found = {f"log {name}": np.log1p(np.maximum(frame[name].to_numpy(float), 0)) for name in FEATURES}
    log_amount = found["log TX_AMOUNT"]
    for w in WINDOWS:
        count = frame[f"CUSTOMER_ID_NB_TX_{w}DAY_WINDOW"].to_numpy(float)
        mean = frame[f"CUSTOMER_ID_AVG_AMOUNT_{w}DAY_WINDOW"].to_numpy(float)
        others = (mean * count - amount) / np.maximum(count - 1, 1)
        found[f"amount to mean, {w}"] = log_amount - np.log1p(np.maximum(mean, 0))
        found[f"amount to others, {w}"] = np.where(count > 1, log_amount - np.log1p(np.maximum(others, 0)), 0)
        frauds = frame[f"TERMINAL_ID_NB_TX_{w}DAY_WINDOW"] * frame[f"TERMINAL_ID_RISK_{w}DAY_WINDOW"]
        found[f"terminal frauds, {w}"] = np.log1p(np.maximum(frauds.to_numpy(float), 0))
    return found


def histories(cards: np.ndarray, times: np.ndarray, length: int) -> np.ndarray:
    """The last `length` rows of each row's card: row numbers (rows, length), oldest first, the row itself last.

    cards, times: (rows,), in any order. -1 where the card has no such row: one that is seen for the first time has
    -1 everywhere but in the last place.
    """
    order = np.lexsort((times, pd.factorize(cards)[0]))  # lexsort is stable: equal times keep their order
    own = np.asarray(cards)[order]
    found = np.full((len(order), length), -1)
    for back in range(length):
        there = np.zeros(len(order), bool)
        there[back:] = own[back:] == own[: len(own) - back]
        found[order[there], length - 1 - back] = order[np.flatnonzero(there) - back]
    return found


def known_before(cards: np.ndarray, days: np.ndarray, frauds: np.ndarray, delay: int, since: int) -> np.ndarray:
    """Which rows belong to a card that was known as compromised when they were made: (rows,) bool.

    A fraud of day d is known from day d + delay + 1 on. Only frauds from day `since` on are taken into account.
    cards, days, frauds (0 or 1): (rows,), the whole table.
    """
    counted = (frauds == 1) & (days >= since)
    first = pd.Series(days[counted]).groupby(cards[counted]).min()
    return (days - pd.Series(cards).map(first).to_numpy(float)) > delay  # nan, never compromised, compares as False


def card_precision(
    cards: np.ndarray, days: np.ndarray, targets: np.ndarray, scores: np.ndarray, listed: int = LISTED
) -> Callable[[np.ndarray], dict[str, float]]:
    """Card precision at 100, as a function of row weights.

    cards, days, targets (0 or 1), scores: (rows,). On each day the cards are ranked by their highest score; of the
    first `listed`, the share that has a fraud on that day; the mean over days. A card that was found is blocked and not
    listed again (Le Borgne et al. 2022, chapter 4, "card precision top-k"). Returns weights (rows,) ->
    {"card_precision_at_100"}: a row of weight 0 is not there; a card takes as many places as its highest row weighs.
    """
    code, day = pd.factorize(cards)[0], np.unique(days, return_inverse=True)[1]
    scores, frauds = np.asarray(scores, float), np.asarray(targets) == 1
    # Hardly any card can come on the list; the first so many of each day stand for all, unless that turns out too few.
    highest = pd.Series(scores).groupby([day, code]).transform("max")
    rank = highest.groupby(day).rank(method="min", ascending=False).to_numpy()
    likely = np.flatnonzero(rank <= LIKELY * listed)
    least = np.array([scores_of.min() for _, scores_of in highest[likely].groupby(day[likely])])
    least[np.bincount(day[likely]) == np.bincount(day)] = -np.inf  # nobody was left out on this day
    few = _list_of(likely, code, day, scores, frauds, listed, least)
    every = _list_of(np.arange(len(code)), code, day, scores, frauds, listed, np.full(len(least), -np.inf))

    def figures(weights: np.ndarray) -> dict[str, float]:
        found = few(weights)
        return {"card_precision_at_100": every(weights) if np.isnan(found) else found}

    return figures


def _list_of(rows, code, day, scores, frauds, listed: int, least: np.ndarray) -> Callable[[np.ndarray], float]:
    """`card_precision` of these rows alone: weights of all rows -> the figure, or nan where others might be listed.

    code, day: numbers of cards and days. least: for each day the lowest score down to which the rows are complete.
    """
    rows = rows[np.lexsort((-scores[rows], code[rows], day[rows]))]  # a card's rows of a day together, highest first
    ordered, fraud = scores[rows], frauds[rows]
    starts = np.flatnonzero(np.r_[True, (np.diff(code[rows]) != 0) | (np.diff(day[rows]) != 0)])
    card, at = code[rows][starts], day[rows][starts]
    days = [slice(*np.searchsorted(at, (number, number + 1))) for number in range(len(least))]
    places_of_rows = np.arange(len(rows))

    def figure(weights: np.ndarray) -> float:
        weights = weights[rows]
        there = weights > 0
        if not there.any():
            return np.nan if np.isfinite(least).any() else 0.0
        first = np.minimum.reduceat(np.where(there, places_of_rows, len(rows)), starts)
        gone = first == len(rows)  # no row of this card on this day
        first = np.minimum(first, len(rows) - 1)
        highest, places = np.where(gone, -np.inf, ordered[first]), np.where(gone, 0.0, weights[first])
        compromised = np.logical_or.reduceat(there & fraud, starts)
        blocked = np.zeros(code.max() + 1, bool)
        longest = int(np.ceil(listed / weights[there].min()))  # so many cards fill the list in any case
        found = 0.0
        for number, own in enumerate(days):
            score = np.where(blocked[card[own]], -np.inf, highest[own])
            top = np.argpartition(-score, min(longest, len(score) - 1))[: longest + 1]
            top = top[np.argsort(-score[top], kind="stable")]
            top = top[np.isfinite(score[top])]
            filled = np.cumsum(places[own][top])
            room = np.clip(listed - (filled - places[own][top]), 0, places[own][top])
            complete = len(top) and filled[-1] >= listed and score[top][room > 0].min() >= least[number]
            if not complete and np.isfinite(least[number]):
                return np.nan
            hit = (room > 0) & compromised[own][top]
            found += float(room[hit].sum())
            blocked[card[own][top[hit]]] = True
        return found / (listed * len(days))

    return figure
