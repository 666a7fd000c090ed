"""How arms are compared: the few choices that a comparison depends on beside its items."""

from dataclasses import dataclass

OVERALL = "overall"


@dataclass(frozen=True)
class Adjustment:
    """How p-values are adjusted for being several, `holm` or `bh` (see `multiplicity`).

    `arms` is for the secondary comparisons of arms over all items, `types` for the types of one comparison.
    """

    arms: str = "holm"
    types: str = "bh"


@dataclass(frozen=True)
class Analysis:
    """How to compare.

    `alpha` is the two-sided error of the primary test, and the family-wise error where Holm adjusts; `fdr`
    the false discovery rate where Benjamini and Hochberg adjust; `confidence` that of every interval; `power`
    the one at which the smallest detectable lift is stated.
    """

    alpha: float = 0.05
    fdr: float = 0.05
    confidence: float = 0.95
    power: float = 0.8
    bootstrap_samples: int = 10000
    seed: int = 0
    adjustment: Adjustment = Adjustment()

    def level(self, method: str) -> float:
        """The level that p-values adjusted by a method are judged at."""
        return self.fdr if method == "bh" else self.alpha
