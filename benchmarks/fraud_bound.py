"""What is left to learn in the generated transactions: the average precision of one who knows how they were made.

    python -m benchmarks.fraud_bound

The recipe is known, and so are each card's mean amount and which terminals and cards are compromised: now, or as it was
a week ago (with the end of what had begun by then). No label of the test week is known. An amount above 220 is fraud,
and so is everything at a compromised terminal. Of a leaked card a third costs five times as much, so Bayes' rule for
the amount gives the probability. It is not used that five times an amount is a whole number of five cents.
"""

from pathlib import Path

import numpy as np
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from projects.fraud_detection import simulate
from projects.fraud_detection.config import Config
from projects.fraud_detection.data import load_data
from projects.fraud_detection.simulate import (
    CUSTOMERS_PER_DAY,
    DELAY,
    MAX_GENUINE_AMOUNT,
    TERMINALS_PER_DAY,
)

NEGATIVE = norm.cdf(-2)  # the part of the recipe's amounts that is drawn again between 0 and twice the mean


def density(amount: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The density of a genuine amount of a card with this mean: (rows,)."""
    again = NEGATIVE / (2 * mean) * (amount <= 2 * mean)
    return norm.pdf(amount, mean, mean / 2) + again


def main() -> None:
    customers, days, seed = Config().customers, 183, simulate.WORLD_SEED
    terminals, test = 2 * customers, load_data(Config(), "builtin", Path()).sealed_test

    # The generator again, with what it hides: mean amounts, compromised terminals and leaked cards on each day.
    first = np.random.default_rng(seed)
    first.uniform(0, simulate.SIDE, (customers, 2))
    mean_amount = first.uniform(5, 100, customers)
    random = np.random.default_rng(seed)
    day, _, customer, terminal, amount = simulate._genuine(customers, terminals, days, random)
    every_day, every_terminal = np.divmod(np.arange(days * terminals), terminals)
    grid = simulate._at_fraudulent_terminal(every_day, every_terminal, terminals, days, random)
    compromised = grid.reshape(days, terminals).T
    scenario = np.zeros(len(day), np.int8)
    leaked = simulate._leak_customers(day, customer, amount, scenario, customers, days, random) > 0

    day, customer, terminal, amount = (values[test.rows] for values in (day, customer, terminal, amount))
    mean, share = mean_amount[customer], leaked[customer, day] / 3
    weeks = {"now": (compromised[terminal, day] * 1.0, share)}
    # What began in the last week is not known; then there is the chance that one of so many has begun.
    late = compromised[terminal, day] & compromised[terminal, day - DELAY]
    late_share = (leaked[customer, day] & leaked[customer, day - DELAY]) / 3
    weeks["a week ago"] = (
        np.maximum(late, TERMINALS_PER_DAY * DELAY / terminals),
        np.maximum(late_share, CUSTOMERS_PER_DAY * DELAY / customers / 3),
    )
    print("| what is known of terminals and cards | average precision | of the frauds at terminals | of leaked cards |")
    print("|---|---:|---:|---:|")
    kinds = test.cards["scenario"].to_numpy()
    for name, (at_terminal, stolen) in weeks.items():
        five_times, once = stolen * density(amount / 5, mean) / 5, (1 - stolen) * density(amount, mean)
        fraud = 1 - (1 - at_terminal) * (1 - five_times / np.maximum(five_times + once, 1e-300))
        fraud[amount > MAX_GENUINE_AMOUNT] = 1
        cells = [
            average_precision_score(test.targets[rows], fraud[rows])
            for rows in (kinds >= 0, np.isin(kinds, (0, 2)), np.isin(kinds, (0, 3)))
        ]
        print(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
