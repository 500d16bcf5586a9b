"""Firms that live and fail by a structural model, generated: share prices to see, assets and debt hidden behind them.

The assets follow a diffusion (Merton 1974) whose volatility switches between a calm and a turbulent regime (as in
Hamilton 1989), with sudden falls (as in Zhou 2001). A firm fails on the first day on which its assets are below its
debt (Black & Cox 1976). Interest is zero and the debt may be called on any day. So the shares are worth assets - debt,
a down-and-out call whose barrier is its strike.

With a constant volatility and without falls, the distance to default of Merton's formula would say all that can be
known. Regime and falls leave something to learn: how long turbulence has lasted, and whether a fall was one of many.
"""

import functools
from dataclasses import dataclass

import numpy as np

YEAR = 252  # trading days
VOLATILITY = np.array([0.12, 0.40])  # volatility of the assets in a year: calm, turbulent
SWITCHES = np.array([0.5, 1.5])  # changes of regime a year: from calm to turbulent, and back
FALLS = np.array([0.3, 2.0])  # sudden falls a year, in each regime
FALL, SPREAD = -0.12, 0.08  # mean and standard deviation of the logarithm of a fall
DRIFT = 0.04  # drift of the assets in a year, apart from the falls
HEALTH = (0.10, 1.60)  # log(assets / debt) of a firm on its first day: uniform
REPORTED = 0.25  # standard deviation of log(reported debt / debt): what is reported is not all


@dataclass(frozen=True)
class Market:
    """Daily values of generated firms: price (firms, days), nan from the day of failure on; reported debt (firms,).

    Hidden from the networks: health, which is log(assets / debt), and regime (0 calm, 1 turbulent) of each day, both
    (firms, days); failed (firms,), the day of failure, `days` where a firm lives on.
    """

    price: np.ndarray
    debt: np.ndarray
    health: np.ndarray
    regime: np.ndarray
    failed: np.ndarray


def log_returns(
    firms: int, days: int, random: np.random.Generator, regime: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithmic returns of the assets and the regime of each day, both (firms, days).

    regime: of the first day; None: calm or turbulent as often as in the long run.
    """
    switch = 1 - np.exp(-SWITCHES / YEAR)
    turbulent = SWITCHES[0] / SWITCHES.sum()
    state = random.random(firms) < turbulent if regime is None else np.full(firms, bool(regime))
    returns, regimes = np.empty((firms, days), "float32"), np.empty((firms, days), bool)
    for day in range(days):
        now = state.astype(int)
        falls = random.poisson(FALLS[now] / YEAR)
        noise = VOLATILITY[now] / np.sqrt(YEAR) * random.standard_normal(firms)
        jump = falls * FALL + np.sqrt(falls) * SPREAD * random.standard_normal(firms)
        returns[:, day] = (DRIFT - VOLATILITY[now] ** 2 / 2) / YEAR + noise + jump
        regimes[:, day] = state
        state = state ^ (random.random(firms) < switch[now])
    return returns, regimes


def simulate(firms: int, days: int, random: np.random.Generator) -> Market:
    """`firms` firms over `days` days. Their debt is between 1 and 1,000; the reported debt differs from it."""
    returns, regime = log_returns(firms, days, random)
    health = random.uniform(*HEALTH, (firms, 1)) + np.cumsum(returns, axis=1)
    below = health <= 0
    failed = np.where(below.any(axis=1), below.argmax(axis=1), days)
    debt = np.exp(random.uniform(0, np.log(1000), firms))
    price = debt[:, None] * np.expm1(np.maximum(health, 0))
    price[np.arange(days) >= failed[:, None]] = np.nan
    return Market(price, debt * np.exp(REPORTED * random.standard_normal(firms)), health, regime, failed)


@functools.cache
def depths(horizon: int = YEAR, paths: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """How far log(assets) falls within `horizon` days, sorted, (paths,), after a calm and after a turbulent day."""
    random, result = np.random.default_rng(0), []
    for regime in (0, 1):
        # The first of these days is the one that is already known: only its regime counts.
        returns, _ = log_returns(paths, horizon + 1, random, regime)
        result.append(np.sort(-np.cumsum(returns[:, 1:], axis=1).min(axis=1)))
    return result[0], result[1]


def true_risk(health: np.ndarray, regime: np.ndarray, table: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The probability that a firm fails within the horizon of `depths`, for who sees its hidden assets and regime.

    It is the fraction of simulated paths that fall at least as deep as the assets are above the debt. health, regime:
    arrays of one shape, which is that of the result.
    """
    deeper = [1 - np.searchsorted(part, health, side="left") / len(part) for part in table]
    return np.where(regime, deeper[1], deeper[0])
