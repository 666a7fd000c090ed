"""Which part of a lift something else than ability carries, with a bootstrap interval."""

from collections.abc import Callable

import numpy as np

from workflow_scripts.core.evaluation.lifts import metric
from workflow_scripts.core.evaluation.scored_answers import Answers

DRAWS = 1000


def share_of(part: float, lift: float) -> float:
    """`part` as a share of the lift, never below 0: 0 where there is no lift to explain."""
    return max(0.0, part / lift) if lift > 0 else 0.0


def differences_of(baseline: Answers, candidate: Answers) -> np.ndarray:
    """Per item the candidate's success less the baseline's: -1, 0 or 1, shape [n]."""
    return candidate.success.astype(int) - baseline.success


def share_on(differences: np.ndarray, chosen: np.ndarray) -> float:
    """The share of the lift that the chosen items (boolean, shape [n]) carry; above 1 when others lose."""
    return share_of(float(differences[chosen].sum()), float(differences.sum()))


def cluster_bootstrap(
    statistic: Callable[[np.ndarray], float | tuple[float, ...]], clusters: np.ndarray, seed: int
) -> np.ndarray:
    """A statistic on items whose clusters were drawn with replacement (Efron 1979): shape [DRAWS, ...].

    `statistic` maps places of items, shape [m], to one number or several; `clusters` holds one label per
    item. The draws are a function of the seed alone.
    """
    labels, index = np.unique(clusters, return_inverse=True)
    order = np.argsort(index, kind="stable")
    generator = np.random.Generator(np.random.Philox(key=seed))
    found = []
    for _ in range(DRAWS):
        drawn = generator.integers(len(labels), size=len(labels))
        times = np.bincount(drawn, minlength=len(labels))
        found.append(statistic(np.repeat(order, times[index[order]])))
    return np.array(found)


def percentile_interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    """The middle part of the draws, shape [DRAWS], that holds the share `confidence` of them."""
    error = 1 - confidence
    low, high = np.quantile(draws, [error / 2, 1 - error / 2])
    return float(low), float(high)


def share_metric(
    statistic: Callable[[np.ndarray], float], clusters: np.ndarray, confidence: float, seed: int
) -> dict:
    """A share of the lift as a metric: its value on all items, and its cluster bootstrap interval."""
    draws = cluster_bootstrap(statistic, clusters, seed)
    value = statistic(np.arange(len(clusters)))
    return metric(value, percentile_interval(draws, confidence), len(clusters))
