"""What the clusters of the items, and resampling them, say about a mean paired difference.

Per item, `differences` holds the candidate's success minus the baseline's: -1, 0 or 1, an integer array of
shape [n]. `clusters` is an array of labels of shape [n] that says which items belong together; `None` means
every item alone.
"""

from math import sqrt

import numpy as np
from scipy.stats import t as student

DRAWS_AT_ONCE = 1000


def cluster_totals(differences: np.ndarray, clusters: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the differences and number of items of each cluster: two integer arrays of shape [clusters]."""
    if clusters is None:
        return differences.astype(np.int64), np.ones(len(differences), dtype=np.int64)
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(index, weights=differences)
    return np.rint(sums).astype(np.int64), np.bincount(index)


def bootstrap_differences(sums: np.ndarray, sizes: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Mean differences, shape [draws], of clusters drawn with replacement, pairs kept together.

    Clusters with an equal sum and size are interchangeable, so it is enough to draw how often each such
    kind occurs: a multinomial, exactly the same distribution, and fast for many items. Philox, so that the
    draws are a function of the seed alone.
    """
    kinds, counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    generator = np.random.Generator(np.random.Philox(key=seed))
    results = []
    for start in range(0, draws, DRAWS_AT_ONCE):
        shape = min(DRAWS_AT_ONCE, draws - start)
        drawn = generator.multinomial(len(sums), counts / len(sums), size=shape)
        totals = drawn @ kinds.T
        results.append(totals[:, 0] / totals[:, 1])
    return np.concatenate(results)


def bootstrap_interval(
    differences: np.ndarray, clusters: np.ndarray | None, *, draws: int, seed: int, alpha: float
) -> tuple[float, float]:
    """Percentile interval of the mean difference (Efron 1979) over items, or over clusters where given."""
    means = bootstrap_differences(*cluster_totals(differences, clusters), draws, seed)
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def standard_error(differences: np.ndarray, clusters: np.ndarray | None) -> float:
    """Cluster-robust standard error of the mean difference (Liang & Zeger 1986) with the factor G / (G - 1).

    Needs two clusters or more. With every item its own cluster it is the usual standard error of a mean.
    """
    sums, sizes = cluster_totals(differences, clusters)
    residuals = sums - sizes * differences.mean()
    groups = len(sums)
    return sqrt(groups / (groups - 1) * float(np.sum(residuals**2))) / len(differences)


def cluster_summary(
    differences: np.ndarray, clusters: np.ndarray, *, draws: int, seed: int, alpha: float
) -> dict:
    """What the clusters say about the mean: how surely it is known when items of one cluster go together.

    Returns count; standard_error (cluster-robust); interval and p_value (two-sided t-test of no difference)
    with count - 1 degrees of freedom; bootstrap (percentile interval over clusters); and design_effect, the
    cluster-robust variance over that of independent items (Kish 1965). What cannot be said of a single
    cluster, or without variance, is None.
    """
    count = len(np.unique(clusters))
    if count < 2:
        names = ("standard_error", "interval", "p_value", "bootstrap", "design_effect")
        return {"count": count, **dict.fromkeys(names)}
    error, independent = standard_error(differences, clusters), standard_error(differences, None)
    half = float(student.isf(alpha / 2, count - 1)) * error
    mean = float(differences.mean())
    return {
        "count": count,
        "standard_error": error,
        "interval": [max(-1.0, mean - half), min(1.0, mean + half)],
        "p_value": float(2 * student.sf(abs(mean) / error, count - 1)) if error > 0 else None,
        "bootstrap": list(bootstrap_interval(differences, clusters, draws=draws, seed=seed, alpha=alpha)),
        "design_effect": (error / independent) ** 2 if independent > 0 else None,
    }
