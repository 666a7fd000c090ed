"""Cohen's d of two lists of numbers that belong together in pairs, with bootstrap intervals."""

import numpy as np

from workflow_scripts.core.hashing import derive_seed

# Where all differences are equal and not 0, d is infinite, which JSON cannot hold.
LARGEST_EFFECT = 1e6
DRAWS = 2000
DRAWS_AT_ONCE = 100


def _standardised(difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Differences over the square roots of variances, capped at +-1e6; 0 where the difference is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = difference / np.sqrt(np.maximum(variance, 0.0))
    return np.clip(np.where(difference == 0, 0.0, effect), -LARGEST_EFFECT, LARGEST_EFFECT)


def _effects(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pooled d, paired d), each of shape [draws]; `weights` [draws, n] says how often each pair counts."""
    n = weights.sum(axis=1)

    def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Centred first: the variance of long texts must not drown in the square of their mean.
        centre = values.mean()
        mean = weights @ (values - centre) / n
        spread = (weights @ (values - centre) ** 2 - n * mean**2) / (n - 1)
        return mean + centre, spread

    (mean_1, variance_1), (mean_2, variance_2) = moments(first), moments(second)
    _, variance = moments(first - second)
    difference = mean_1 - mean_2
    return _standardised(difference, (variance_1 + variance_2) / 2), _standardised(difference, variance)


def paired_effects(first: list[float], second: list[float], confidence: float, name: str) -> dict[str, dict]:
    """How much larger the first of each pair is: {"pooled": metric, "paired": metric}, each with an interval.

    "pooled" is Cohen's d (1988), the mean difference over the pooled standard deviation of the two sides: how
    far apart they lie. "paired" is d_z, over the standard deviation of the differences: how constant the
    difference is, however small. Intervals are percentiles of 2,000 bootstrap samples of whole pairs, seeded
    by `name`. With fewer than two pairs both are null.
    """
    n = len(first)
    if n < 2:
        unknown = {"value": None, "low": None, "high": None, "n": n}
        return {"pooled": unknown, "paired": unknown}
    sides = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    observed = _effects(np.ones((1, n)), *sides)
    generator = np.random.Generator(np.random.Philox(key=derive_seed(0, "paired_effects", name)))
    drawn = []
    for start in range(0, DRAWS, DRAWS_AT_ONCE):
        size = min(DRAWS_AT_ONCE, DRAWS - start)
        drawn.append(_effects(generator.multinomial(n, np.full(n, 1 / n), size=size), *sides))
    metrics = {}
    for place, kind in enumerate(("pooled", "paired")):
        draws = np.concatenate([effects[place] for effects in drawn])
        low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
        metrics[kind] = {
            "value": float(observed[place][0]),
            "low": float(low),
            "high": float(high),
            "n": n,
        }
    return metrics
