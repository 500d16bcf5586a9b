"""What the networks are measured against: two formulas of the field, and the strongest cheap classical models."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.data import Splits
from projects.bankruptcy.encoding import Series, encode, padded
from projects.bankruptcy.metrics import Scorer, figures
from projects.bankruptcy.simulate import YEAR

WINDOWS = (5, 20, 60)  # steps, besides the whole series, over which columns are summed up
FLAT = 20  # last steps that are kept as they are
PASSES = 30  # passes of the iteration for the value of the assets
FEW_ROWS = 10_000  # boosting on so few rows takes half the time on one thread: the threads wait for each other
TINY = 1e-6

# Altman's Z: the weights of five ratios, for quoted firms (1968) and with book values (1983)
Z_QUOTED, Z_PRIVATE = (1.2, 1.4, 3.3, 0.6, 1.0), (0.717, 0.847, 3.107, 0.420, 0.998)
ACCOUNTS = ["current_assets", "total_current_liabilities", "retained_earnings", "ebit", "market_value"]
ACCOUNTS += ["total_liabilities", "net_sales", "total_assets"]  # what the ratios of quoted firms are made of
POLISH_RATIOS = ("Attr3", "Attr6", "Attr7", "Attr8", "Attr9")  # the same ratios in the Polish table


def fitted(splits: Splits) -> dict[str, Scorer]:
    """{name: series -> logits (n, classes)}, fitted on training and chosen on validation."""
    found: dict[str, Scorer] = {}
    variables = splits.meta["variables"]
    if {"price", "debt"} <= set(variables):
        found["distance_to_default"] = best(
            splits, [as_risk(splits, lambda s, w=w: -distance_to_default(s, variables, w)) for w in (60, YEAR)]
        )
    if ratios := altman_ratios(variables):
        found["altman_z"] = as_risk(splits, lambda series: -ratios(series))
    if splits.train.truth is not None:
        found["oracle"] = oracle
    return {**found, **learnt(splits)}


def learnt(splits: Splits) -> dict[str, Scorer]:
    """Logistic regression and gradient boosting on flattened and summed-up series, each the best of a few settings."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    meta, x, y = splits.meta, summary(splits.train.inputs, splits.meta), splits.train.targets
    held = summary(splits.validation.inputs, meta)

    def chosen(models: Sequence[Any]) -> Scorer:
        with threadpool_limits(None if len(x) > FEW_ROWS else 1, user_api="openmp"):
            for model in models:
                model.fit(x, y)
        worth = [value(splits, log_probabilities(model, held, meta)) for model in models]
        model = models[int(np.argmax(worth))]
        return lambda series: log_probabilities(model, summary(series.inputs, meta), meta)

    return {
        "logistic_regression": chosen(
            [make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300)) for c in (0.01, 0.1, 1.0)]
        ),
        "gradient_boosting": chosen(
            [
                HistGradientBoostingClassifier(
                    learning_rate=0.05, max_iter=200, max_leaf_nodes=leaves, early_stopping=False, random_state=0
                )
                for leaves in (6, 15, 31)
            ]
        ),
    }


def log_probabilities(model: Any, x: np.ndarray, meta: dict[str, Any]) -> np.ndarray:
    """Log-probabilities (n, classes). A class that training lacks has the probability 1e-6."""
    probabilities = np.full((len(x), len(meta["classes"])), TINY)
    probabilities[:, model.classes_] = model.predict_proba(x)
    return np.log(np.maximum(probabilities, 1e-12))


def value(splits: Splits, logits: np.ndarray) -> float:
    """The first figure of these logits on validation: the METRIC."""
    held = splits.validation
    return next(iter(figures(held, logits, splits.meta["task"])(held.weights).values()))


def best(splits: Splits, scorers: Sequence[Scorer]) -> Scorer:
    """The scorer with the best METRIC on validation."""
    return max(scorers, key=lambda score: value(splits, score(splits.validation)))


def summary(series: Sequence[np.ndarray], meta: dict[str, Any]) -> np.ndarray:
    """Series -> (n, features): the last steps, and mean, spread, least and greatest value over several windows."""
    x = encode(series, meta)[..., : -1 if meta["length"] > 1 else None]
    parts = [x[:, -FLAT:].reshape(len(x), -1)]
    for steps in sorted({*(w for w in WINDOWS if w < x.shape[1]), x.shape[1]} - {1}):
        window = x[:, -steps:]
        parts += [window.mean(axis=1), window.std(axis=1), window.min(axis=1), window.max(axis=1)]
    return np.concatenate(parts, axis=1)


# The formulas


def as_risk(splits: Splits, index: Any) -> Scorer:
    """An index (series -> (n,), higher is riskier) as logits: a logistic regression of the training targets on it."""
    from sklearn.linear_model import LogisticRegression

    known = index(splits.train)
    spread = known.std() or 1.0
    model = LogisticRegression(C=1e6).fit(known[:, None] / spread, splits.train.targets)
    slope, shift = max(float(model.coef_[0, 0]), TINY), float(model.intercept_[0])

    def score(series: Series) -> np.ndarray:
        log_odds = slope * index(series) / spread + shift
        return np.stack([np.zeros_like(log_odds), log_odds], axis=1)

    return score


def distance_to_default(series: Series, variables: Sequence[str], window: int) -> np.ndarray:
    """Merton's (1974) distance to default within a year, without drift and interest: (n,), in standard deviations.

    The shares are a call on the assets. Their value and volatility solve the call's two equations; the iteration starts
    at shares + debt (as in Bharath & Shumway 2008, where it is compared with better ones). The volatility of the shares
    is that of the last `window` days.
    """
    from scipy.stats import norm

    values, _ = padded(series.inputs, max(map(len, series.inputs)))
    price, debt = (values[..., list(variables).index(name)].astype(float) for name in ("price", "debt"))
    shares, owed = price[:, -1], debt[:, -1]
    returns = np.diff(np.log(price), axis=1)[:, -window:]
    daily = np.sqrt(np.nanmean(returns**2, axis=1)) if returns.shape[1] else np.full(len(price), 0.02)
    volatility = np.maximum(np.nan_to_num(daily, nan=0.02), 1e-4) * np.sqrt(YEAR)
    assets, spread = shares + owed, volatility * shares / (shares + owed)
    for _ in range(PASSES):
        first = np.log(assets / owed) / spread + spread / 2
        inside = np.maximum(norm.cdf(first), 1e-3)
        assets = (shares + owed * norm.cdf(first - spread)) / inside
        spread = np.clip(volatility * shares / assets / inside, 0.01, 5.0)
    return np.nan_to_num(np.log(assets / owed) / spread - spread / 2)


def altman_ratios(variables: Sequence[str]) -> Any:
    """series -> Altman's Z (n,) of their last step, where the variables for it are known; else None."""

    def last(series: Series, names: Sequence[str]) -> np.ndarray:
        values = np.array([np.asarray(one)[-1] for one in series.inputs], float)
        return values[:, [list(variables).index(name) for name in names]].T

    def weighted(ratios: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
        # A few ratios are huge, because their denominator is nearly 0.
        parts = [w * np.nan_to_num(np.clip(ratio, -10, 10)) for w, ratio in zip(weights, ratios, strict=True)]
        return np.sum(parts, axis=0)

    def of_accounts(series: Series) -> np.ndarray:
        current, due, retained, ebit, market, owed, sales, assets = last(series, ACCOUNTS)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = [(current - due) / assets, retained / assets, ebit / assets, market / owed, sales / assets]
        return weighted(ratios, Z_QUOTED)

    if set(ACCOUNTS) <= set(variables):
        return of_accounts
    if set(POLISH_RATIOS) <= set(variables):
        return lambda series: weighted(last(series, POLISH_RATIOS), Z_PRIVATE)
    return None


def oracle(series: Series) -> np.ndarray:
    """The true probabilities, for who sees the hidden assets and their regime: an upper bound, no competitor."""
    assert series.truth is not None
    risk = np.clip(series.truth[:, 0], TINY, 1 - TINY)
    return np.log(np.stack([1 - risk, risk], axis=1))
