"""Intervals for one rate and for the difference of two rates on the same items, and Cohen's h.

`alpha` is the two-sided error: an interval has confidence 1 - alpha, and each bound alone 1 - alpha / 2. A
one-sided bound at confidence 0.95 is therefore the bound of the interval at alpha 0.1.
"""

from math import asin, sqrt

import numpy as np
from scipy.stats import norm

from workflow_scripts.core.statistics.tables import PairedTable

HALVINGS = 60


def normal_quantile(alpha: float) -> float:
    """The standard normal's upper alpha / 2 quantile."""
    return float(norm.isf(alpha / 2))


def wilson(successes: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """Wilson's score interval for one rate (Wilson 1927, JASA 22:209), n > 0."""
    z, rate = normal_quantile(alpha), successes / n
    centre = rate + z**2 / (2 * n)
    half = z * sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return low, high


def _correlation(table: PairedTable) -> float:
    """Phi between the arms, its numerator shrunk by n / 2 when positive (Newcombe's method 10)."""
    margins = (
        table.baseline_successes
        * (table.n - table.baseline_successes)
        * table.candidate_successes
        * (table.n - table.candidate_successes)
    )
    product = table.both * table.neither - table.only_baseline * table.only_candidate
    if margins == 0:
        return 0.0
    return (max(product - table.n / 2, 0.0) if product > 0 else product) / sqrt(margins)


def newcombe(table: PairedTable, alpha: float = 0.05) -> tuple[float, float]:
    """Square-and-add Wilson interval of the difference (Newcombe 1998, Stat Med 17:2635, method 10)."""
    rate_1, rate_2 = table.baseline_successes / table.n, table.candidate_successes / table.n
    low_1, high_1 = wilson(table.baseline_successes, table.n, alpha)
    low_2, high_2 = wilson(table.candidate_successes, table.n, alpha)
    phi = _correlation(table)

    def distance(a: float, b: float) -> float:
        return sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    low = table.difference - distance(rate_2 - low_2, high_1 - rate_1)
    high = table.difference + distance(high_2 - rate_2, rate_1 - low_1)
    return max(-1.0, low), min(1.0, high)


def _is_compatible(n, only_baseline, only_candidate, difference, z: float) -> np.ndarray:
    """Whether Tango's score test does not reject a true paired difference; elementwise."""
    x, y = only_candidate, only_baseline
    # The likelihood's maximum, given the difference, in the probability that only the baseline succeeds.
    linear = (2 * n - x + y) * difference - x - y
    root = np.sqrt(np.maximum(0.0, linear**2 + 8 * n * y * difference * (1 - difference)))
    probability = np.maximum(0.0, (root - linear) / (4 * n))
    variance = np.maximum(0.0, n * (2 * probability + difference * (1 - difference)))
    return (x - y - n * difference) ** 2 <= z**2 * variance


def tango_bounds(n: int, only_baseline, only_candidate, alpha: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Score interval for the paired difference (Tango 1998, Stat Med 17:891), by bisection; elementwise.

    `only_baseline` and `only_candidate` are counts out of n items, arrays of one shape; so are the bounds.
    """
    z = normal_quantile(alpha)
    y, x = np.asarray(only_baseline, dtype=float), np.asarray(only_candidate, dtype=float)

    def bound(end: float) -> np.ndarray:
        inside, outside = (x - y) / n, np.full_like(x, end)
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            compatible = _is_compatible(n, y, x, middle, z)
            inside, outside = np.where(compatible, middle, inside), np.where(compatible, outside, middle)
        return inside

    return bound(-1.0), bound(1.0)


def tango(table: PairedTable, alpha: float = 0.05) -> tuple[float, float]:
    """Tango's score interval for one table."""
    low, high = tango_bounds(table.n, table.only_baseline, table.only_candidate, alpha)
    return float(low), float(high)


def cohens_h(baseline_rate: float, candidate_rate: float) -> float:
    """Cohen's h (1988): the difference of the rates on the arcsine scale, in [-pi, pi]."""
    return 2 * asin(sqrt(candidate_rate)) - 2 * asin(sqrt(baseline_rate))
