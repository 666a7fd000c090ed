"""Power of McNemar's test and the smallest lift it can find (Connor 1987, Biometrics 43:207).

`discordance` is the share of items on which the arms disagree, `difference` the true lift, |difference| <=
discordance.
"""

from math import sqrt

from scipy.stats import norm
from scipy.stats import t as student

from workflow_scripts.core.statistics.intervals import normal_quantile


def power(n: int, discordance: float, difference: float, alpha: float = 0.05) -> float:
    """Probability to reject equal rates with n items, two-sided at `alpha`, in the direction of the lift."""
    spread = sqrt(max(discordance - difference**2, 0.0))
    distance = abs(difference) * sqrt(n) - normal_quantile(alpha) * sqrt(discordance)
    if spread == 0:
        return float(distance > 0)
    return float(norm.cdf(distance / spread))


def minimum_detectable_effect(
    n: int, discordance: float, alpha: float = 0.05, wanted_power: float = 0.8
) -> float | None:
    """Smallest lift that n items find with the wanted power: Connor's formula solved for the difference.

    None when not even the largest possible lift, the discordance itself, can be found.
    """
    z_alpha, z_beta = normal_quantile(alpha), float(norm.ppf(wanted_power))
    inside = n + z_beta**2 - z_alpha**2
    if inside < 0:
        return None
    effect = sqrt(discordance) * (sqrt(n) * z_alpha + z_beta * sqrt(inside)) / (n + z_beta**2)
    return effect if 0 < effect <= discordance else None


def clustered_minimum_detectable_effect(
    standard_error: float, clusters: int, alpha: float = 0.05, wanted_power: float = 0.8
) -> float:
    """Smallest lift that a t-test over clusters finds with the wanted power (Bloom 1995, Eval Rev 19:547).

    `standard_error` is the cluster-robust one of the lift; the t distribution has clusters - 1 degrees.
    """
    quantiles = student.isf(alpha / 2, clusters - 1) + student.ppf(wanted_power, clusters - 1)
    return float(quantiles) * standard_error
