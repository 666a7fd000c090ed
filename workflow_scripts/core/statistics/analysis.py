"""How arms are compared: the few numbers that a comparison depends on beside its items."""

from dataclasses import dataclass

OVERALL = "overall"


@dataclass(frozen=True)
class Analysis:
    """How to compare.

    `alpha` is the two-sided error of the overall test, `fdr` the false discovery rate over the types,
    `confidence` that of every interval, `power` the one at which the smallest detectable lift is stated.
    """

    alpha: float = 0.05
    fdr: float = 0.05
    confidence: float = 0.95
    power: float = 0.8
    bootstrap_samples: int = 10000
    seed: int = 0
